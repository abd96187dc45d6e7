package main

import (
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"

	"radicado/ingest/imap/oauth"
)

// OAuth2Config is how a mailbox logs in without a password.
type OAuth2Config struct {
	Provider         string   `toml:"provider" doc:"\"microsoft365\", \"google\", or \"custom\" with token_url."`
	Flow             string   `toml:"flow" doc:"\"client-credentials\": the program by itself (default of microsoft365; google has none); \"refresh-token\": in the name of who ran radicado oauth login (default otherwise)."`
	Tenant           string   `toml:"tenant" doc:"Microsoft 365: name or id of the tenant."`
	ClientID         string   `toml:"client_id" doc:"Id of the registered application."`
	ClientSecretFile string   `toml:"client_secret_file" doc:"File that holds the application's secret; read anew for each token. As with password_file, \"$CREDENTIALS_DIRECTORY/NAME\" is a systemd credential."`
	ClientSecretEnv  string   `toml:"client_secret_env" doc:"Environment variable that holds the secret, instead of a file."`
	TokenFile        string   `toml:"token_file" doc:"Flow refresh-token: where the refresh token is kept, mode 0600. The program writes it; one file a mailbox."`
	TokenURL         string   `toml:"token_url" doc:"Provider custom: where tokens are had, https."`
	DeviceURL        string   `toml:"device_url" doc:"Provider custom: where radicado oauth login gets its code."`
	Scopes           []string `toml:"scopes" doc:"What to ask for; each provider has its default. Provider custom has none."`
}

const (
	providerMicrosoft = "microsoft365"
	providerGoogle    = "google"
	providerCustom    = "custom"

	flowCredentials = "client-credentials"
	flowRefresh     = "refresh-token"
)

// complete fills in what the provider implies.
func (c *OAuth2Config) complete(resolve func(*string)) {
	if c.Flow == "" {
		c.Flow = flowRefresh
		if c.Provider == providerMicrosoft {
			c.Flow = flowCredentials
		}
	}
	if len(c.Scopes) == 0 {
		switch {
		case c.Provider == providerMicrosoft && c.Flow == flowCredentials:
			c.Scopes = []string{"https://outlook.office365.com/.default"}
		case c.Provider == providerMicrosoft:
			c.Scopes = []string{"https://outlook.office.com/IMAP.AccessAsUser.All", "offline_access"}
		case c.Provider == providerGoogle:
			c.Scopes = []string{"https://mail.google.com/"}
		}
	}
	resolve(&c.ClientSecretFile)
	resolve(&c.TokenFile)
}

// tenantName is a domain, an id, or a word such as "organizations".
var tenantName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.-]{0,252}$`)

func (c *OAuth2Config) validate(key string, bad, warn func(key, format string, args ...any)) {
	switch c.Provider {
	case providerMicrosoft, providerGoogle:
		if c.TokenURL != "" {
			bad(key+".token_url", `is for provider "custom" alone`)
		}
		if c.DeviceURL != "" {
			bad(key+".device_url", `is for provider "custom" alone`)
		}
	case providerCustom:
		if err := oauth.CheckURL(c.TokenURL); err != nil {
			bad(key+".token_url", "%v", err)
		}
		if c.DeviceURL != "" {
			if err := oauth.CheckURL(c.DeviceURL); err != nil {
				bad(key+".device_url", "%v", err)
			}
		}
	default:
		bad(key+".provider", `want "microsoft365", "google" or "custom"`)
	}
	if c.Provider == providerMicrosoft && !tenantName.MatchString(c.Tenant) {
		bad(key+".tenant", "want the name or id of the tenant, such as example.onmicrosoft.com")
	}
	if c.Provider != providerMicrosoft && c.Tenant != "" {
		bad(key+".tenant", `is for provider "microsoft365" alone`)
	}
	if c.ClientID == "" {
		bad(key+".client_id", "want the id of the registered application")
	}
	secrets := 0
	for _, s := range []string{c.ClientSecretFile, c.ClientSecretEnv} {
		if s != "" {
			secrets++
		}
	}
	switch c.Flow {
	case flowCredentials:
		if c.Provider == providerGoogle {
			bad(key+".flow", `google has no client credentials for mailboxes; want "refresh-token"`)
		}
		if secrets != 1 {
			bad(key, "want exactly one of client_secret_file and client_secret_env")
		}
		if c.TokenFile != "" {
			bad(key+".token_file", `is for flow "refresh-token" alone`)
		}
	case flowRefresh:
		if secrets > 1 {
			bad(key, "want at most one of client_secret_file and client_secret_env")
		}
		if c.TokenFile == "" {
			bad(key+".token_file", "want the file that keeps the refresh token")
		} else if strings.HasPrefix(c.TokenFile, credentialPrefix) {
			bad(key+".token_file", "the program must be able to write it; a systemd credential cannot be written")
		}
	default:
		bad(key+".flow", `want "client-credentials" or "refresh-token"`)
	}
	if slices.ContainsFunc(c.Scopes, func(s string) bool { return s == "" || strings.ContainsAny(s, " \t\r\n") }) {
		bad(key+".scopes", "want one scope an element, without spaces")
	}
	checkSecretFile(key+".client_secret_file", c.ClientSecretFile, warn)
	checkSecretFile(key+".token_file", c.TokenFile, warn)
}

// tokenFiles finds token files that two mailboxes share: each would undo the
// other's rotation.
func tokenFiles(mailboxes []MailboxConfig, bad func(key, format string, args ...any)) {
	seen := map[string]bool{}
	for i, m := range mailboxes {
		if m.IMAP == nil || m.IMAP.OAuth2 == nil || m.IMAP.OAuth2.TokenFile == "" {
			continue
		}
		if f := m.IMAP.OAuth2.TokenFile; seen[f] {
			bad(fmt.Sprintf("mailbox[%d].imap.oauth2.token_file", i), "another mailbox has this file; want one of its own")
		} else {
			seen[f] = true
		}
	}
}

// oauthOptions turns a mailbox's configuration into a client of its authority.
func (a *App) oauthOptions(c *OAuth2Config, log *slog.Logger) oauth.Options {
	o := oauth.Options{
		ClientID:  c.ClientID,
		Scopes:    c.Scopes,
		TokenFile: c.TokenFile,
		Logger:    log,
		Now:       a.Now,
	}
	switch c.Provider {
	case providerMicrosoft:
		o.Authority = oauth.Microsoft365(c.Tenant)
	case providerGoogle:
		o.Authority = oauth.Google()
	default:
		o.Authority = oauth.Authority{TokenURL: c.TokenURL, DeviceURL: c.DeviceURL}
	}
	if c.ClientSecretFile != "" || c.ClientSecretEnv != "" {
		o.ClientSecret = func() (string, error) { return a.secret("client secret", c.ClientSecretFile, c.ClientSecretEnv) }
	}
	return o
}
