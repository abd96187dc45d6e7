package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"

	"radicado/calendar"
	"radicado/ingest/imap"
	"radicado/ticket"
)

// Config is the configuration file. Every field's doc tag is its entry in
// docs/configuration.md, which a test keeps true.
type Config struct {
	Desk     DeskConfig      `toml:"desk" doc:"What leads are told of the desk."`
	Store    StoreConfig     `toml:"store" doc:"The database."`
	Web      WebConfig       `toml:"web" doc:"The queue page and the JSON API."`
	Ingest   IngestConfig    `toml:"ingest" doc:"How mail is taken."`
	Classify ClassifyConfig  `toml:"classify" doc:"Type and priority."`
	Calendar CalendarConfig  `toml:"calendar" doc:"Business days and terms."`
	Alarm    AlarmConfig     `toml:"alarm" doc:"What happens when a mailbox is not read for long."`
	Mailbox  []MailboxConfig `toml:"mailbox" doc:"One table a mailbox of the desk. Without any, soporte and pqrsa are there for replay, and nothing is polled."`
}

// DeskConfig describes the desk.
type DeskConfig struct {
	CriticalPhone Phone `toml:"critical_phone" doc:"The line for priority 1, shown with every critical ticket."`
}

// Phone is a number as published and as dialled.
type Phone struct {
	Display string `toml:"display" doc:"As published."`
	E164    string `toml:"e164" doc:"As dialled, such as +573187174937. Colombian fixed lines are +57 60x since 2021."`
}

// StoreConfig is the database.
type StoreConfig struct {
	Path string `toml:"path" doc:"The database file. A relative path is relative to the configuration file, here and everywhere below."`
}

// WebConfig is the web server.
type WebConfig struct {
	Listen string `toml:"listen" doc:"Address of the queue page, on a loopback address; \"\" turns it off."`
}

// IngestConfig is the pipeline.
type IngestConfig struct {
	AuthservID    string   `toml:"authserv_id" doc:"Name by which the receiving server signs Authentication-Results (RFC 8601). Without it none is trusted."`
	ReopenDays    int      `toml:"reopen_days" doc:"A reply to a ticket closed longer ago opens a new one, linked to it. 1 to 3650."`
	MemoryMiB     int      `toml:"memory_mib" doc:"Bound of mails that were read and wait for their commit, in MiB. 1 to 4096."`
	MaxMailMiB    int      `toml:"max_mail_mib" doc:"A larger mail is refused: its header is kept in a ticket that says so, and the mail stays where it is. In MiB, 1 to 1024."`
	Reconcile     Duration `toml:"reconcile" doc:"How often the daemon compares the mail servers with its ledger, first an hour after its start; \"0s\" is never. See Reconcile in docs/operations.md."`
	SameMail      string   `toml:"same_mail" doc:"What a mail that came to several mailboxes opens: \"ticket-each\" is a ticket in each, linked; \"one-ticket\" is one that both find, see docs/architecture.md. Mail taken before a change keeps its tickets."`
	SharedDomains []string `toml:"shared_domains" doc:"Mail providers whose users have nothing in common: their domain lets nobody join a ticket by its number."`
}

// The values of same_mail.
const (
	sameMailEach = "ticket-each"
	sameMailOne  = "one-ticket"
)

// ClassifyConfig is the classifier.
type ClassifyConfig struct {
	Rules string `toml:"rules" doc:"File of rules instead of the built-in ones; see docs/classification.md."`
}

// CalendarConfig adds to the calendar.
type CalendarConfig struct {
	Closed []ClosedConfig `toml:"closed" doc:"Extra days on which the desk is closed; holidays are known."`
	Term   []TermConfig   `toml:"term" doc:"Terms other than the built-in ones."`
}

// ClosedConfig is one extra closed day.
type ClosedConfig struct {
	Date   string `toml:"date" doc:"YYYY-MM-DD."`
	Reason string `toml:"reason" doc:"Why the desk is closed."`
}

// TermConfig is one term.
type TermConfig struct {
	Code string `toml:"code" doc:"Which term, such as peticion.general."`
	Days int    `toml:"days" doc:"Business days, from 1."`
	Rule string `toml:"rule" doc:"Law and article."`
}

// AlarmConfig is the alarm of a mailbox that is not read.
type AlarmConfig struct {
	StaleAfter Duration `toml:"stale_after" doc:"A mailbox in which no look for mail succeeded for this long is stale: logged as an error, shown by /readyz and the metrics. From 1m and twice the longest poll; \"0s\" turns it off."`
	Command    []string `toml:"command" doc:"Program (absolute path) and arguments to run, without a shell, when a mailbox becomes stale and when it no longer is. It sees RADICADO_MAILBOX, RADICADO_STATE (stale or recovered), RADICADO_SINCE, and has 30 s."`
}

// MailboxConfig is one mailbox of the desk.
type MailboxConfig struct {
	Name     string      `toml:"name" doc:"Short name: letters, digits, - and _."`
	Address  string      `toml:"address" doc:"Its mail address."`
	Calendar string      `toml:"calendar" doc:"\"24x7\", or \"pqrsa\": Mon-Fri 07:00-17:00, mail from 17:00 on is filed on the next business day."`
	IMAP     *IMAPConfig `toml:"imap" doc:"Where its mail is; without it the mailbox is fed by replay alone."`
}

// IMAPConfig is where a mailbox's mail is.
type IMAPConfig struct {
	Server       string   `toml:"server" doc:"host:port."`
	Security     string   `toml:"security" doc:"\"tls\" (default), \"starttls\", or \"none\", which only a loopback address may have."`
	CAFile       string   `toml:"ca_file" doc:"PEM file of roots to trust besides the system's."`
	Username     string   `toml:"username" doc:"Login name."`
	PasswordFile string   `toml:"password_file" doc:"File that holds the password; read anew at each login. \"$CREDENTIALS_DIRECTORY/NAME\" is a systemd credential; no other variable is known."`
	PasswordEnv  string   `toml:"password_env" doc:"Environment variable that holds the password, instead of a file."`
	Folders      []string `toml:"folders" doc:"Folders to take, default [\"INBOX\"]; the first is watched, the others are asked every poll. Names as people see them, or a special use: \"\\\\Junk\" is the spam folder, whatever its name is. What lay there is flagged for review."`
	After        string   `toml:"after" doc:"What to do with a mail once it is stored: \"seen\" (default), \"none\", or \"move:FOLDER\". FOLDER is as the server names it: Cyrus and Courier often have all below INBOX, such as INBOX.Procesados."`
	Poll         Duration `toml:"poll" doc:"How often to look where IDLE is missing or silent, default \"30s\". From 1s."`
	Timeout      Duration `toml:"timeout" doc:"How long the server may send nothing while an answer is due before it is given up for dead and called anew, default \"1m\". From 1s."`

	OAuth2 *OAuth2Config `toml:"oauth2" doc:"Login by OAuth2, instead of a password; see docs/operations.md."`
}

// Duration is a time.Duration written as "30s".
type Duration time.Duration

// UnmarshalText reads Go's notation of durations.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	if err != nil {
		return errors.New(`want a duration such as "30s" or "5m"`)
	}
	*d = Duration(v)
	return nil
}

// MarshalText writes Go's notation.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// defaultConfig is the desk as published.
func defaultConfig() Config {
	return Config{
		Desk:   DeskConfig{CriticalPhone: Phone{Display: "(57) 318 717 49 37", E164: "+573187174937"}},
		Store:  StoreConfig{Path: "radicado.db"},
		Web:    WebConfig{Listen: "127.0.0.1:8025"},
		Ingest: IngestConfig{ReopenDays: 30, MemoryMiB: 32, MaxMailMiB: 64, Reconcile: Duration(24 * time.Hour), SameMail: sameMailEach},
		Alarm:  AlarmConfig{StaleAfter: Duration(10 * time.Minute)},
	}
}

func defaultMailboxes() []MailboxConfig {
	return []MailboxConfig{
		{Name: "soporte", Address: "soporte.huella@certicamara.com", Calendar: "24x7"},
		{Name: "pqrsa", Address: "certicamararesponde@certicamara.com", Calendar: "pqrsa"},
	}
}

// problem is one thing wrong in a configuration file.
type problem struct {
	line    int // 0 where no line is to blame
	key     string
	what    string
	warning bool
}

// String names the place, the key and what is allowed. It never quotes the
// file, where a secret may stand in the wrong place.
func (p problem) String() string {
	s := ""
	if p.line > 0 {
		s = fmt.Sprintf("line %d: ", p.line)
	}
	if p.key != "" {
		s += p.key + ": "
	}
	return s + p.what
}

// configError is a configuration that cannot be used.
type configError struct {
	file     string
	problems []problem
}

// Error lists every problem, one a line.
func (e *configError) Error() string {
	lines := make([]string, len(e.problems))
	for i, p := range e.problems {
		lines[i] = e.file + ": " + p.String()
	}
	return strings.Join(lines, "\n")
}

// loadConfig reads a configuration; path "" is the built-in one. It returns
// warnings, and an error of type *configError for what must be mended.
func loadConfig(path string) (Config, []problem, error) {
	c := defaultConfig()
	if path == "" {
		c.Mailbox = defaultMailboxes()
		return c, nil, nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return Config{}, nil, fmt.Errorf("read configuration: %w", err)
	}
	problems := decodeConfig(data, &c)
	if len(problems) > 0 {
		return Config{}, nil, &configError{path, problems}
	}
	c.complete(filepath.Dir(path))
	problems = c.validate(locate(data))
	fatal := slices.DeleteFunc(slices.Clone(problems), func(p problem) bool { return p.warning })
	if len(fatal) > 0 {
		return Config{}, nil, &configError{path, fatal}
	}
	return c, problems, nil
}

// decodeConfig reads TOML strictly: a key that we do not know is a mistake.
func decodeConfig(data []byte, c *Config) []problem {
	d := toml.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	err := d.Decode(c)
	var missing *toml.StrictMissingError
	var decode *toml.DecodeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &missing):
		var problems []problem
		for _, e := range missing.Errors {
			line, _ := e.Position()
			problems = append(problems, problem{line: line, key: strings.Join(e.Key(), "."), what: "unknown key; " + allowedKeys(e.Key())})
		}
		return problems
	case errors.As(err, &decode):
		line, _ := decode.Position()
		return []problem{{line: line, key: strings.Join(decode.Key(), "."), what: strings.TrimPrefix(decode.Error(), "toml: ") + wantedType(decode.Key())}}
	}
	return []problem{{what: err.Error()}}
}

// complete fills in defaults and makes paths independent of the working
// directory.
func (c *Config) complete(dir string) {
	resolve := func(p *string) {
		if *p != "" && !filepath.IsAbs(*p) && !strings.HasPrefix(*p, credentialPrefix) {
			*p = filepath.Join(dir, *p)
		}
	}
	resolve(&c.Store.Path)
	resolve(&c.Classify.Rules)
	if len(c.Mailbox) == 0 {
		c.Mailbox = defaultMailboxes()
	}
	for i := range c.Mailbox {
		m := &c.Mailbox[i]
		if m.Calendar == "" {
			m.Calendar = "24x7"
		}
		if m.IMAP == nil {
			continue
		}
		if m.IMAP.Security == "" {
			m.IMAP.Security = "tls"
		}
		if m.IMAP.After == "" {
			m.IMAP.After = "seen"
		}
		if len(m.IMAP.Folders) == 0 {
			m.IMAP.Folders = []string{"INBOX"}
		}
		if m.IMAP.Poll == 0 {
			m.IMAP.Poll = Duration(30 * time.Second)
		}
		if m.IMAP.Timeout == 0 {
			m.IMAP.Timeout = Duration(time.Minute)
		}
		resolve(&m.IMAP.CAFile)
		resolve(&m.IMAP.PasswordFile)
		if m.IMAP.OAuth2 != nil {
			m.IMAP.OAuth2.complete(resolve)
		}
	}
}

var mailboxName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$`)

// validate checks what the types do not. Line tells where a key stands.
func (c *Config) validate(line func(key string) int) []problem {
	var problems []problem
	bad := func(key, format string, args ...any) {
		problems = append(problems, problem{line: line(key), key: key, what: fmt.Sprintf(format, args...)})
	}
	warn := func(key, format string, args ...any) {
		problems = append(problems, problem{line: line(key), key: key, what: fmt.Sprintf(format, args...), warning: true})
	}
	if c.Store.Path == "" {
		bad("store.path", "want the path of a file")
	}
	if c.Web.Listen != "" {
		if host, _, err := net.SplitHostPort(c.Web.Listen); err != nil {
			bad("web.listen", `want host:port such as "127.0.0.1:8025", or "" for none`)
		} else if !loopback(host) {
			bad("web.listen", "want a loopback address (127.0.0.1, ::1 or localhost): the page has no login")
		}
	}
	if c.Ingest.ReopenDays < 1 || c.Ingest.ReopenDays > 3650 {
		bad("ingest.reopen_days", "want 1 to 3650")
	}
	if c.Ingest.MaxMailMiB < 1 || c.Ingest.MaxMailMiB > 1024 {
		bad("ingest.max_mail_mib", "want 1 to 1024")
	}
	if c.Ingest.SameMail != sameMailEach && c.Ingest.SameMail != sameMailOne {
		bad("ingest.same_mail", "want %q or %q", sameMailEach, sameMailOne)
	}
	if r := time.Duration(c.Ingest.Reconcile); r != 0 && r < time.Minute {
		bad("ingest.reconcile", `want 1m or more, or "0s" for never`)
	}
	if c.Ingest.MemoryMiB < 1 || c.Ingest.MemoryMiB > 4096 {
		bad("ingest.memory_mib", "want 1 to 4096")
	}
	if p := c.Desk.CriticalPhone; p.E164 != "" {
		if !regexp.MustCompile(`^\+[0-9]{8,15}$`).MatchString(p.E164) {
			bad("desk.critical_phone.e164", "want + and 8 to 15 digits, such as +573187174937")
		} else if regexp.MustCompile(`^\+57[0-9]{8}$|^\+57[124-8][0-9]{7}$`).MatchString(p.E164) {
			warn("desk.critical_phone.e164", "looks like a Colombian fixed line of the numbering that ended in 2021; those are +57 60x and seven digits now")
		}
	}
	if f := c.Classify.Rules; f != "" {
		if _, err := loadClassifier(f); err != nil {
			bad("classify.rules", "%v", err)
		}
	}
	for i, d := range c.Calendar.Closed {
		key := fmt.Sprintf("calendar.closed[%d]", i)
		if _, err := ticket.Date(d.Date).Time(); err != nil {
			bad(key+".date", "want YYYY-MM-DD")
		}
		if strings.TrimSpace(d.Reason) == "" {
			bad(key+".reason", "want the reason")
		}
	}
	for i, t := range c.Calendar.Term {
		key := fmt.Sprintf("calendar.term[%d]", i)
		// incidente and requerimiento fall due by priority, not by one term.
		codes := slices.DeleteFunc(ticket.TermCodes(), func(c ticket.TermCode) bool {
			return c == ticket.TermIncidente || c == ticket.TermRequerimiento
		})
		if !slices.Contains(codes, ticket.TermCode(t.Code)) {
			bad(key+".code", "want one of %s", join(codes))
		}
		if t.Days < 1 || t.Days > 1000 {
			bad(key+".days", "want 1 to 1000 business days")
		}
		if strings.TrimSpace(t.Rule) == "" {
			bad(key+".rule", "want the law and article, or the contract")
		}
	}
	c.Alarm.validate(c.Mailbox, bad)
	seen := map[string]bool{}
	for i, m := range c.Mailbox {
		key := fmt.Sprintf("mailbox[%d]", i)
		if !mailboxName.MatchString(m.Name) {
			bad(key+".name", "want 1 to 32 letters, digits, - and _")
		}
		if seen[m.Name] {
			bad(key+".name", "another mailbox has this name")
		}
		seen[m.Name] = true
		if at := strings.IndexByte(m.Address, '@'); at < 1 || at == len(m.Address)-1 {
			bad(key+".address", "want a mail address")
		}
		if _, err := calendar.ParseDesk(m.Calendar); err != nil {
			bad(key+".calendar", `want "24x7" or "pqrsa"`)
		}
		if m.IMAP != nil {
			m.IMAP.validate(key+".imap", bad, warn)
		}
	}
	tokenFiles(c.Mailbox, bad)
	return problems
}

func (c *AlarmConfig) validate(mailboxes []MailboxConfig, bad func(key, format string, args ...any)) {
	if after := time.Duration(c.StaleAfter); after != 0 {
		least := time.Minute
		for _, m := range mailboxes {
			if m.IMAP != nil {
				least = max(least, 2*time.Duration(m.IMAP.Poll))
			}
		}
		if after < least {
			bad("alarm.stale_after", `want %s or more (1m, and twice the longest poll), or "0s" for no alarm`, least)
		}
	}
	if len(c.Command) > 0 && !filepath.IsAbs(c.Command[0]) {
		bad("alarm.command", "want the absolute path of a program first")
	}
}

func (c *IMAPConfig) validate(key string, bad, warn func(key, format string, args ...any)) {
	host, _, err := net.SplitHostPort(c.Server)
	if err != nil || host == "" {
		bad(key+".server", "want host:port, such as imap.example.com:993")
	}
	switch c.Security {
	case "tls", "starttls":
	case "none":
		if err == nil && !loopback(host) {
			bad(key+".security", `"none" is for loopback addresses alone; want "tls" or "starttls"`)
		}
	default:
		bad(key+".security", `want "tls", "starttls" or "none"`)
	}
	if c.Username == "" {
		bad(key+".username", "want the login name")
	}
	ways := 0
	for _, has := range []bool{c.PasswordFile != "", c.PasswordEnv != "", c.OAuth2 != nil} {
		if has {
			ways++
		}
	}
	if ways != 1 {
		bad(key, "want exactly one of password_file, password_env and oauth2")
	}
	checkSecretFile(key+".password_file", c.PasswordFile, warn)
	if c.OAuth2 != nil {
		c.OAuth2.validate(key+".oauth2", bad, warn)
	}
	if c.CAFile != "" {
		if _, err := os.Stat(c.CAFile); err != nil {
			bad(key+".ca_file", "cannot be read: %v", err)
		}
	}
	if f, ok := strings.CutPrefix(c.After, "move:"); c.After != "seen" && c.After != "none" && (!ok || f == "") {
		bad(key+".after", `want "seen", "none" or "move:FOLDER"`)
	}
	for i, name := range c.Folders {
		if err := imap.CheckFolder(name); err != nil {
			bad(fmt.Sprintf("%s.folders[%d]", key, i), "%q: %v", name, err)
		}
	}
	if time.Duration(c.Poll) < time.Second {
		bad(key+".poll", "want 1s or more")
	}
	if time.Duration(c.Timeout) < time.Second {
		bad(key+".timeout", "want 1s or more")
	}
}

// loopback reports whether a host is this machine itself.
func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

func join[S ~string](values []S) string {
	words := make([]string, len(values))
	for i, v := range values {
		words[i] = string(v)
	}
	return strings.Join(words, ", ")
}
