package main

import (
	"errors"
	"fmt"

	"radicado/store"
	"radicado/ticket"
	"radicado/web"
)

// Exit codes of every command; they are contract.
const (
	exitDone   = 0
	exitFailed = 1 // some inputs failed, or the command could not be done
	exitUsage  = 2 // wrong usage or configuration
)

// usageError is a mistake in the command line or the configuration.
type usageError struct{ error }

// Unwrap returns what is wrong.
func (e usageError) Unwrap() error { return e.error }

// errReported ends a command whose failures were named on stderr one by one.
var errReported = errors.New("some inputs failed")

// report prints an error with a hint where there is one, and returns the exit
// code for it.
func (a *App) report(err error) int {
	if err == nil {
		return exitDone
	}
	if errors.Is(err, errReported) {
		return exitFailed
	}
	fmt.Fprintf(a.Stderr, "radicado: %v\n", err)
	switch {
	case errors.Is(err, store.ErrInUse):
		fmt.Fprintln(a.Stderr, "hint: another radicado has the file open; stop it, or ask it with --server URL")
	case errors.Is(err, store.ErrNewerSchema):
		fmt.Fprintln(a.Stderr, "hint: the file was written by a newer radicado; use that version")
	case errors.Is(err, ticket.ErrNoReason):
		fmt.Fprintln(a.Stderr, "hint: say why with --reason")
	}
	var u usageError
	var refused *web.APIError
	if errors.As(err, &u) || errors.As(err, &refused) && refused.BadRequest() {
		return exitUsage
	}
	return exitFailed
}
