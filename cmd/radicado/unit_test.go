package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestSystemdUnit lets systemd itself judge the unit. Its exposure level goes
// from 0 to 10, the threshold of the option is ten times that; the unit has 1.2.
func TestSystemdUnit(t *testing.T) {
	t.Parallel()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not there: install systemd")
	}
	unit, err := os.ReadFile(filepath.Join("..", "..", "contrib", "systemd", "radicado.service"))
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	const installed = "ExecStart=/usr/local/bin/radicado "
	if !strings.Contains(string(unit), installed) {
		t.Fatalf("the unit lacks %q", installed)
	}
	path := filepath.Join(t.TempDir(), "radicado.service")
	if err := os.WriteFile(path, []byte(strings.Replace(string(unit), installed, "ExecStart="+self+" ", 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"verify", path}, {"security", "--offline=true", "--threshold=15", path}} {
		out, err := exec.Command(analyze, args...).CombinedOutput()
		if err != nil || args[0] == "verify" && len(out) > 0 {
			t.Errorf("systemd-analyze %s: %v\n%s", args[0], err, out)
		}
	}
}
