// Command radicado turns the mail of a support desk into tickets. See
// README.md for a tour and docs/architecture.md for the way of a mail.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// Once it is told to end, a second signal ends it the hard way.
	context.AfterFunc(ctx, stop)
	app := App{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv, Now: time.Now}
	code := app.Run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

// App is the program with its surroundings, so that tests can run it whole.
type App struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Getenv         func(string) string
	Now            func() time.Time
}

// commands is the command line; each command's flags and code are in the file
// of its name.
type commands struct {
	Parse    parseCmd    `cmd:"" help:"Parse mails and print each as one JSON object."`
	Classify classifyCmd `cmd:"" help:"Say type and priority of mails, with the reasons."`
	Replay   replayCmd   `cmd:"" help:"File mails from .eml files, directories, Maildirs and mboxes."`
	Serve    serveCmd    `cmd:"" help:"Run the daemon: take mail over IMAP and show the queue."`
	Demo     demoCmd     `cmd:"" help:"Run the whole chain on an embedded IMAP server with sample mail."`
	Queue    queueCmd    `cmd:"" help:"List tickets, the most urgent first."`
	Show     showCmd     `cmd:"" help:"Show one ticket with its messages and history."`
	Set      setCmd      `cmd:"" help:"Change a ticket; each change is an event with its reason."`
	Status   statusCmd   `cmd:"" help:"Say how the daemon and its mailboxes fare."`
	Requeue  requeueCmd  `cmd:"" help:"Read the original of a quarantined ticket again, after a fix."`
	Stats    statsCmd    `cmd:"" help:"Count messages and tickets."`
	Export   exportCmd   `cmd:"" help:"Write tickets as CSV or NDJSON, or their original mails as .eml files."`
	Check    checkCmd    `cmd:"" help:"Verify the whole store; with --repair rebuild its indexes."`
	Config   configCmd   `cmd:"" help:"Check or print the configuration."`
	OAuth    oauthCmd    `cmd:"" name:"oauth" help:"Log in to mailboxes by OAuth2."`
	Version  versionCmd  `cmd:"" help:"Print the version."`
}

const description = `Turns the mail of a support desk into tickets.

Exit codes: 0 done; 1 some inputs failed (each named on stderr); 2 wrong usage or configuration.`

// exit carries kong's wish to end (after --help) up to Run.
type exit int

// Run executes one command line, without the program's name, and returns the
// exit code.
func (a *App) Run(ctx context.Context, args []string) (code int) {
	defer func() {
		if v := recover(); v != nil {
			e, ok := v.(exit)
			if !ok {
				panic(v)
			}
			code = int(e)
		}
	}()
	var c commands
	parser, err := kong.New(&c,
		kong.Name("radicado"),
		kong.Description(description),
		kong.Writers(a.Stdout, a.Stderr),
		kong.Exit(func(code int) { panic(exit(code)) }),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(a),
		kong.UsageOnError(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
	)
	if err != nil {
		return a.report(err)
	}
	k, err := parser.Parse(args)
	if err != nil {
		return a.report(usageError{err})
	}
	return a.report(k.Run())
}
