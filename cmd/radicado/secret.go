package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// credentialPrefix begins the path of a systemd credential (LoadCredential= in
// the unit). It is the only variable that a path may hold.
const credentialPrefix = "$" + credentialsDirectory + "/"

const credentialsDirectory = "CREDENTIALS_DIRECTORY"

// maxSecret bounds a file that should hold one line.
const maxSecret = 64 << 10

// secret reads a secret from its file or its environment variable, whichever is
// named. Errors name where it should be, never what was there.
func (a *App) secret(what, file, env string) (string, error) {
	if env != "" {
		if p := a.Getenv(env); p != "" {
			return p, nil
		}
		return "", fmt.Errorf("environment variable %s is empty", env)
	}
	if name, ok := strings.CutPrefix(file, credentialPrefix); ok {
		dir := a.Getenv(credentialsDirectory)
		if dir == "" {
			return "", fmt.Errorf("read %s: %s is not set; the unit needs LoadCredential=%s:PATH", what, credentialsDirectory, name)
		}
		file = filepath.Join(dir, name)
	}
	f, err := os.Open(file)
	if err != nil {
		return "", fmt.Errorf("read %s: %w", what, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err != nil {
		return "", fmt.Errorf("read %s: %w", what, err)
	}
	p := strings.TrimRight(string(data), "\r\n")
	switch {
	case p == "":
		return "", fmt.Errorf("%s file %s is empty", what, file)
	case len(data) > maxSecret:
		return "", fmt.Errorf("%s file %s is larger than %d bytes", what, file, maxSecret)
	}
	return p, nil
}

// checkSecretFile warns of a file that is missing or that others can read. A
// systemd credential is there only while the service runs.
func checkSecretFile(key, path string, warn func(key, format string, args ...any)) {
	if path == "" || strings.HasPrefix(path, credentialPrefix) {
		return
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		warn(key, "there is no such file yet")
	case err != nil:
		warn(key, "cannot be read: %v", err)
	case info.Mode().Perm()&0o077 != 0:
		warn(key, "others can read it (mode %04o); want 0600", info.Mode().Perm())
	}
}
