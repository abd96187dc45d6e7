package web

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// chromium returns the browser, or skips the test.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("RADICADO_REQUIRE_SERVERS") == "1" {
		t.Fatal("no chromium found: install the package chromium")
	}
	t.Skip("no chromium found: install the package chromium")
	return ""
}

// TestBrowser loads the pages in a real browser, which must find every row and
// complain of nothing: neither of the style sheet nor of the security policy.
// RADICADO_SCREENSHOTS names a folder that keeps the pictures, in dark colours too.
func TestBrowser(t *testing.T) {
	browser := chromium(t)
	d := busyDesk(t)
	s, err := NewServer(d.o)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, l) }()
	t.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	pictures := os.Getenv("RADICADO_SCREENSHOTS")
	if pictures == "" {
		pictures = t.TempDir()
	}
	type visit struct {
		name, path, size string
		want             []string
		flags            []string
	}
	visits := []visit{
		{"queue", "/", "1366,768", []string{"2026-000011", "2026-000001", "Caída total del servicio", testPhone, "vencido hace", "cuarentena"}, nil},
		{"ticket", "/tickets/2026-000011", "1366,768", []string{"ninguna de las 62 oficinas", "evidencia caída.pdf", "Seguimos sin servicio"}, nil},
	}
	if os.Getenv("RADICADO_SCREENSHOTS") != "" {
		dark := []string{"--blink-settings=preferredColorScheme=0"}
		visits = append(visits,
			visit{"queue-phone", "/", "390,844", []string{"2026-000011"}, nil},
			visit{"queue-phone-filters", "/?priority=2,3&due=today", "390,844", []string{"2026-000002"}, nil},
			visit{"ticket-phone", "/tickets/2026-000011", "390,844", []string{"ninguna de las 62 oficinas"}, nil},
			visit{"unfiled", "/unfiled", "1366,768", []string{"fuera de la oficina", "noexiste@example.net"}, nil},
			visit{"error", "/tickets/2026-999999", "1366,768", []string{"No existe ese radicado"}, nil},
			visit{"queue-dark", "/", "1366,768", nil, dark},
			visit{"ticket-dark", "/tickets/2026-000011", "1366,1400", nil, dark},
		)
	}
	for _, page := range visits {
		t.Run(page.name, func(t *testing.T) {
			t.Parallel()
			picture := filepath.Join(pictures, page.name+".png")
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
			defer cancel()
			args := []string{
				"--headless=new", "--disable-gpu", "--hide-scrollbars", "--no-first-run", "--disable-extensions", "--disable-background-networking",
				"--enable-logging=stderr", "--v=0", "--user-data-dir=" + t.TempDir(), "--window-size=" + page.size,
				"--dump-dom", "--screenshot=" + picture,
			}
			if os.Geteuid() == 0 {
				args = append(args, "--no-sandbox")
			}
			url := "http://" + l.Addr().String() + page.path
			var out, errs bytes.Buffer
			cmd := exec.CommandContext(ctx, browser, append(append(args, page.flags...), url)...)
			cmd.Stdout, cmd.Stderr = &out, &errs
			if err := cmd.Run(); err != nil {
				t.Fatalf("%v\n%s", err, errs.String())
			}
			dom, complaints := out.String(), errs.String()
			for _, want := range page.want {
				if !strings.Contains(dom, want) {
					t.Errorf("the page lacks %q:\n%s", want, dom)
				}
			}
			for complaint := range strings.Lines(complaints) {
				// The status of the error page itself is reported as such.
				if strings.Contains(complaint, "CONSOLE") && page.name != "error" {
					t.Error("the browser complains: " + complaint)
				}
			}
			if info, err := os.Stat(picture); err != nil || info.Size() < 5000 {
				t.Errorf("no picture: %v, %v", info, err)
			}
		})
	}
}
