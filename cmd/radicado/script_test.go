package main

import (
	"context"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// asRadicado makes the test binary behave as radicado, for tests that need a
// process of its own to measure or to kill.
const asRadicado = "RADICADO_TEST_AS_RADICADO"

func TestMain(m *testing.M) {
	if os.Getenv(asRadicado) != "" {
		main()
	}
	testscript.Main(m, map[string]func(){
		"radicado": main,
		// The same with a clock that stands still, so that output is the same
		// every year.
		"radicado-2027": func() {
			ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			app := App{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv,
				Now: func() time.Time { return goldenNow }}
			os.Exit(app.Run(ctx, os.Args[1:]))
		},
	})
}

// TestScript runs testdata/script; -update rewrites the expected output in it.
func TestScript(t *testing.T) {
	samples, err := filepath.Abs(filepath.Join("..", "..", "testdata", "mail"))
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:           filepath.Join("testdata", "script"),
		UpdateScripts: *update,
		Setup: func(e *testscript.Env) error {
			e.Setenv("SAMPLES", samples)
			return nil
		},
	})
}
