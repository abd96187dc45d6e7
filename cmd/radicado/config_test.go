package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestConfigReference keeps docs/configuration.md true.
func TestConfigReference(t *testing.T) {
	path := filepath.Join("..", "..", "docs", "configuration.md")
	got := configReference()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("docs/configuration.md is stale; `go test ./cmd/radicado -run TestConfigReference -update` rewrites it (-file +types):\n%s", diff)
	}
}

// TestEveryKeyIsDocumented keeps the reference from having holes.
func TestEveryKeyIsDocumented(t *testing.T) {
	for _, line := range strings.Split(configReference(), "\n") {
		if strings.HasPrefix(line, "|") && strings.HasSuffix(line, "|  |") {
			t.Errorf("no meaning: %s", line)
		}
	}
}

func TestExampleConfigIsSound(t *testing.T) {
	path := filepath.Join(t.TempDir(), "radicado.toml")
	if err := os.WriteFile(path, []byte(exampleConfig), 0o600); err != nil {
		t.Fatal(err)
	}
	c, _, err := loadConfig(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Mailbox) != 2 || c.Mailbox[1].IMAP.After != "seen" || c.Mailbox[0].IMAP.Security != "tls" {
		t.Errorf("read as %+v", c.Mailbox)
	}
	if got := c.Mailbox[0].IMAP.PasswordFile; got != filepath.Join(filepath.Dir(path), "soporte.pass") {
		t.Errorf("password_file is %s, want it beside the configuration", got)
	}
}

// TestConfigMistakes checks that each mistake is named with its line, its key
// and what is allowed, and that no value of the file is repeated.
func TestConfigMistakes(t *testing.T) {
	const secret = "hunter2hunter2"
	for _, c := range []struct {
		name, toml string
		want       []string
	}{
		{"unknown key", "[store]\npath = \"x.db\"\npth = \"" + secret + "\"\n", []string{"line 3: store.pth: unknown key", "path"}},
		{"unknown table", "[shop]\na = 1\n", []string{"line 1: shop", "unknown key", "mailbox"}},
		{"password in the file", "[[mailbox]]\nname = \"a\"\naddress = \"a@example.com\"\n[mailbox.imap]\npassword = \"" + secret + "\"\n",
			[]string{"line 5: mailbox.imap.password: unknown key", "password_file"}},
		{"wrong type", "[ingest]\nreopen_days = \"" + secret + "\"\n", []string{"line 2: ingest.reopen_days", "whole number"}},
		{"syntax", "[store\npath = \"" + secret + "\"\n", []string{"line 1"}},
		{"out of range", "[ingest]\nreopen_days = 0\n", []string{"line 2: ingest.reopen_days: want 1 to 3650"}},
		{"duration", "[[mailbox]]\nname = \"a\"\naddress = \"a@example.com\"\n[mailbox.imap]\nserver = \"127.0.0.1:1\"\nusername = \"u\"\npassword_env = \"P\"\npoll = \"soon\"\n",
			[]string{"line 8: mailbox.imap.poll", "duration"}},
		{"second mailbox", "[[mailbox]]\nname = \"a\"\naddress = \"a@example.com\"\n\n[[mailbox]]\nname = \"b\"\naddress = \"b@example.com\"\n[mailbox.imap]\nserver = \"imap.example.com:143\"\nsecurity = \"none\"\nusername = \"u\"\npassword_env = \"P\"\nafter = \"delete\"\n",
			[]string{"line 10: mailbox[1].imap.security", "loopback", "line 13: mailbox[1].imap.after", `"move:FOLDER"`}},
		{"both passwords", "[[mailbox]]\nname = \"a\"\naddress = \"a@example.com\"\n[mailbox.imap]\nserver = \"127.0.0.1:1\"\nusername = \"u\"\npassword_env = \"P\"\npassword_file = \"p\"\n",
			[]string{"line 4: mailbox[0].imap: want exactly one"}},
		{"same name", "[[mailbox]]\nname = \"a\"\naddress = \"a@example.com\"\n[[mailbox]]\nname = \"a\"\naddress = \"b@example.com\"\n",
			[]string{"line 5: mailbox[1].name"}},
		{"calendar", "[[mailbox]]\nname = \"a\"\naddress = \"a@example.com\"\ncalendar = \"always\"\n", []string{"line 4: mailbox[0].calendar", `"24x7" or "pqrsa"`}},
		{"closed day", "[[calendar.closed]]\ndate = \"31-12-2026\"\nreason = \"\"\n", []string{"line 2: calendar.closed[0].date: want YYYY-MM-DD", "line 3: calendar.closed[0].reason"}},
		{"term", "[[calendar.term]]\ncode = \"peticion\"\ndays = 15\nrule = \"x\"\n", []string{"line 2: calendar.term[0].code", "peticion.general"}},
		{"term by priority", "[[calendar.term]]\ncode = \"incidente\"\ndays = 15\nrule = \"x\"\n", []string{"line 2: calendar.term[0].code"}},
		{"page for the world", "[web]\nlisten = \"0.0.0.0:80\"\n", []string{"line 2: web.listen", "loopback"}},
		{"alarm too early", "[alarm]\nstale_after = \"30s\"\n", []string{"line 2: alarm.stale_after: want 1m0s or more"}},
		{"alarm before the poll", "[alarm]\nstale_after = \"5m\"\n[[mailbox]]\nname = \"a\"\naddress = \"a@example.com\"\n[mailbox.imap]\nserver = \"127.0.0.1:1\"\nusername = \"u\"\npassword_env = \"P\"\npoll = \"4m\"\n",
			[]string{"line 2: alarm.stale_after: want 8m0s or more"}},
		{"alarm by a shell", "[alarm]\ncommand = [\"mail -s x\"]\n", []string{"line 2: alarm.command: want the absolute path"}},
		{"rules", "[classify]\nrules = \"none.toml\"\n", []string{"line 2: classify.rules"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			wantMistakes(t, c.toml, secret, c.want)
		})
	}
}

// wantMistakes loads a configuration that is wrong: the error names each of
// want, and never the secret that stands in the file.
func wantMistakes(t *testing.T, text, secret string, want []string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "radicado.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, _, err := loadConfig(path)
	if err == nil {
		t.Fatal("accepted")
	}
	for _, w := range want {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error lacks %q:\n%v", w, err)
		}
	}
	if strings.Contains(err.Error(), secret) {
		t.Errorf("a value of the file is in the error:\n%v", err)
	}
}

func FuzzConfig(f *testing.F) {
	f.Add(exampleConfig)
	f.Add("[[mailbox]]\n[mailbox.imap]\npoll = 3\n[[mailbox]]\na.b.c = 1")
	f.Fuzz(func(t *testing.T, text string) {
		c := defaultConfig()
		if problems := decodeConfig([]byte(text), &c); len(problems) > 0 {
			return
		}
		c.complete(t.TempDir())
		line := locate([]byte(text))
		lines := strings.Count(text, "\n") + 1
		for _, p := range c.validate(line) {
			if p.line > lines {
				t.Errorf("%s: the file has %d lines", p, lines)
			}
		}
	})
}
