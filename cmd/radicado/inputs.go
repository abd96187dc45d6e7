package main

import (
	"errors"
	"fmt"

	"radicado/ingest/files"
)

// open returns the mails below the paths.
func (a *App) open(paths []string) *files.Files {
	return files.Open(paths, files.Options{Stdin: a.Stdin})
}

// inputs names on stderr each input that failed, and returns errReported for
// them; any other error is returned as it is.
func (a *App) inputs(err error) error {
	var failed files.Errors
	if !errors.As(err, &failed) {
		return err
	}
	for _, e := range failed {
		fmt.Fprintf(a.Stderr, "radicado: %v\n", e)
	}
	return errReported
}
