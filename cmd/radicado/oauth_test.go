package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"radicado/ingest/imap/imaptest"
	"radicado/ingest/imap/oauthtest"
)

// lockedBuffer is written by the program while a test reads it.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// TestOAuthLoginThenServe logs in as an operator does, and lets the daemon take
// a mail with the token that came of it.
func TestOAuthLoginThenServe(t *testing.T) {
	t.Parallel()
	authority := oauthtest.New(time.Hour)
	authority.Rotate()
	web := authority.Start()
	defer web.Close()
	server, err := imaptest.Start(map[string]string{"soporte": "unused"})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	server.RequireTokens(func(_, token string) bool { return authority.Good(token) }, "XOAUTH2")
	if err := server.Deliver("soporte", "INBOX", []byte("From: a@example.com\r\nSubject: token\r\nMessage-ID: <1@example.com>\r\n\r\nNo abre.\r\n"), time.Time{}); err != nil {
		t.Fatal(err)
	}

	dir := t.TempDir()
	config := filepath.Join(dir, "radicado.toml")
	text := fmt.Sprintf(`[web]
listen = ""
[[mailbox]]
name = "soporte"
address = "soporte@example.com"
[mailbox.imap]
server = %q
security = "none"
username = "soporte"
[mailbox.imap.oauth2]
provider = "custom"
client_id = %q
client_secret_file = "$CREDENTIALS_DIRECTORY/client.secret"
token_file = "soporte.token"
token_url = "%s/token"
device_url = "%[3]s/device"
scopes = ["imap"]
`, server.Addr(), oauthtest.ClientID, web.URL)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "credentials"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "credentials", "client.secret"), []byte(oauthtest.ClientSecret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, errs := &lockedBuffer{}, &lockedBuffer{}
	app := &App{Stdin: strings.NewReader(""), Stdout: out, Stderr: errs, Now: time.Now, Getenv: func(name string) string {
		if name == "CREDENTIALS_DIRECTORY" {
			return filepath.Join(dir, "credentials")
		}
		return ""
	}}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()

	authority.Device("access_denied")
	if code := app.Run(ctx, []string{"oauth", "login", "--config", config, "--mailbox", "soporte"}); code != exitFailed {
		t.Fatalf("a denied login ends with %d:\n%s", code, errs)
	}
	if !strings.Contains(errs.String(), "denied in the browser") {
		t.Errorf("the denial is not told:\n%s", errs)
	}
	tokenFile := filepath.Join(dir, "soporte.token")
	if _, err := os.Stat(tokenFile); err == nil {
		t.Error("a denied login left a token file")
	}

	authority.Device("")
	if code := app.Run(ctx, []string{"oauth", "login", "--config", config, "--mailbox", "soporte"}); code != exitDone {
		t.Fatalf("login ends with %d:\n%s", code, errs)
	}
	if !strings.Contains(errs.String(), oauthtest.UserCode) || !strings.Contains(errs.String(), "https://login.example.com/device") {
		t.Errorf("code and URL are not shown:\n%s", errs)
	}
	info, err := os.Stat(tokenFile)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("token file has mode %04o", info.Mode().Perm())
	}

	served, stop := context.WithCancel(ctx)
	done := make(chan int)
	go func() { done <- app.Run(served, []string{"serve", "--config", config}) }()
	for !strings.Contains(errs.String(), `msg="mail filed"`) && ctx.Err() == nil {
		time.Sleep(5 * time.Millisecond) // the log announces nothing
	}
	stop()
	if code := <-done; code != exitDone {
		t.Errorf("serve ends with %d", code)
	}
	if ctx.Err() != nil {
		t.Errorf("the mail was not filed:\n%s", errs)
	}
	for _, secret := range authority.Secrets() {
		if strings.Contains(out.String()+errs.String(), secret) {
			t.Errorf("the output holds %q", secret)
		}
	}
}

func TestOAuthLoginRefusals(t *testing.T) {
	t.Parallel()
	config := filepath.Join(t.TempDir(), "radicado.toml")
	if err := os.WriteFile(config, []byte(exampleConfig), 0o600); err != nil {
		t.Fatal(err)
	}
	for mailbox, want := range map[string]string{"soporte": "refresh-token", "ventas": `no mailbox "ventas"`} {
		var errs bytes.Buffer
		app := &App{Stdout: &errs, Stderr: &errs, Now: time.Now, Getenv: os.Getenv}
		if code := app.Run(t.Context(), []string{"oauth", "login", "--config", config, "--mailbox", mailbox}); code != exitUsage || !strings.Contains(errs.String(), want) {
			t.Errorf("%s: %d, %s; want %d and %q", mailbox, code, &errs, exitUsage, want)
		}
	}
}

func TestOAuth2Mistakes(t *testing.T) {
	t.Parallel()
	const head = "[[mailbox]]\nname = \"a\"\naddress = \"a@example.com\"\n[mailbox.imap]\nserver = \"127.0.0.1:1\"\nusername = \"u\"\n[mailbox.imap.oauth2]\n"
	const secret = "hunter2hunter2"
	for name, c := range map[string]struct {
		toml string
		want []string
	}{
		"nothing":          {"", []string{"line 7: mailbox[0].imap.oauth2.provider", `"microsoft365", "google" or "custom"`, "client_id", "token_file"}},
		"secret in file":   {"client_secret = \"" + secret + "\"\n", []string{"line 8: mailbox.imap.oauth2.client_secret: unknown key", "client_secret_file"}},
		"no tenant":        {"provider = \"microsoft365\"\nclient_id = \"x\"\nclient_secret_env = \"X\"\n", []string{"line 7: mailbox[0].imap.oauth2.tenant"}},
		"tenant is a path": {"provider = \"microsoft365\"\ntenant = \"a/b\"\nclient_id = \"x\"\nclient_secret_env = \"X\"\n", []string{"line 9: mailbox[0].imap.oauth2.tenant"}},
		"no secret":        {"provider = \"microsoft365\"\ntenant = \"a\"\nclient_id = \"x\"\n", []string{"line 7: mailbox[0].imap.oauth2: want exactly one of client_secret_file"}},
		"google by itself": {"provider = \"google\"\nflow = \"client-credentials\"\nclient_id = \"x\"\nclient_secret_env = \"X\"\n", []string{"line 9: mailbox[0].imap.oauth2.flow"}},
		"in clear":         {"provider = \"custom\"\nclient_id = \"x\"\ntoken_file = \"t\"\ntoken_url = \"http://login.example.com/\"\ndevice_url = \"x\"\n", []string{"line 11: mailbox[0].imap.oauth2.token_url: want https", "line 12: mailbox[0].imap.oauth2.device_url"}},
		"own URL":          {"provider = \"google\"\nclient_id = \"x\"\ntoken_file = \"t\"\ntoken_url = \"https://login.example.com/\"\n", []string{"line 11: mailbox[0].imap.oauth2.token_url: is for provider"}},
		"credential":       {"provider = \"google\"\nclient_id = \"x\"\ntoken_file = \"$CREDENTIALS_DIRECTORY/t\"\n", []string{"line 10: mailbox[0].imap.oauth2.token_file", "cannot be written"}},
		"shared file": {"provider = \"google\"\nclient_id = \"x\"\ntoken_file = \"t\"\n" + strings.Replace(head, `"a"`, `"b"`, 1) + "provider = \"google\"\nclient_id = \"x\"\ntoken_file = \"t\"\n",
			[]string{"line 20: mailbox[1].imap.oauth2.token_file: another mailbox"}},
	} {
		t.Run(name, func(t *testing.T) {
			wantMistakes(t, head+c.toml, secret, c.want)
		})
	}
	both := strings.Replace(head, "[mailbox.imap.oauth2]", "password_env = \"P\"\n[mailbox.imap.oauth2]", 1) + "provider = \"google\"\nclient_id = \"x\"\ntoken_file = \"t\"\n"
	path := filepath.Join(t.TempDir(), "radicado.toml")
	if err := os.WriteFile(path, []byte(both), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := loadConfig(path); err == nil || !strings.Contains(err.Error(), "line 4: mailbox[0].imap: want exactly one") {
		t.Errorf("password and oauth2: %v", err)
	}
}

func TestOAuth2Defaults(t *testing.T) {
	t.Parallel()
	for provider, want := range map[string][2]string{
		providerMicrosoft: {flowCredentials, "https://outlook.office365.com/.default"},
		providerGoogle:    {flowRefresh, "https://mail.google.com/"},
		providerCustom:    {flowRefresh, ""},
	} {
		c := OAuth2Config{Provider: provider, Tenant: "example.onmicrosoft.com"}
		c.complete(func(*string) {})
		if c.Flow != want[0] || strings.Join(c.Scopes, " ") != want[1] {
			t.Errorf("%s: flow %s, scopes %v; want %v", provider, c.Flow, c.Scopes, want)
		}
	}
	o := (&App{}).oauthOptions(&OAuth2Config{Provider: providerMicrosoft, Tenant: "example.onmicrosoft.com"}, nil)
	if want := "https://login.microsoftonline.com/example.onmicrosoft.com/oauth2/v2.0/token"; o.Authority.TokenURL != want {
		t.Errorf("token URL %s, want %s", o.Authority.TokenURL, want)
	}
}

func TestSecretFromCredential(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "imap"), []byte("clave\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"CREDENTIALS_DIRECTORY": dir, "HOME": dir}
	app := &App{Getenv: func(name string) string { return env[name] }}
	if got, err := app.secret("password", "$CREDENTIALS_DIRECTORY/imap", ""); err != nil || got != "clave" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := app.secret("password", "$HOME/imap", ""); err == nil {
		t.Error("another variable was expanded")
	}
	delete(env, "CREDENTIALS_DIRECTORY")
	if _, err := app.secret("password", "$CREDENTIALS_DIRECTORY/imap", ""); err == nil || !strings.Contains(err.Error(), "LoadCredential=imap") {
		t.Errorf("without systemd: %v", err)
	}
}
