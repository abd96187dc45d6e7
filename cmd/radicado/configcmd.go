package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/pelletier/go-toml/v2"

	"radicado/classify"
)

type configCmd struct {
	Check configCheckCmd `cmd:"" help:"Check a configuration file; each problem is named with its line, key and what is allowed."`
	Print configPrintCmd `cmd:"" help:"Print the whole effective configuration, without secrets."`
	Rules configRulesCmd `cmd:"" help:"Print the built-in rules of the classifier, to start your own from."`
}

type configCheckCmd struct {
	File   string `arg:"" optional:"" help:"Configuration file."`
	Config string `help:"Configuration file." type:"path"`
}

type configPrintCmd struct {
	File   string `arg:"" optional:"" help:"Configuration file; without it the built-in one."`
	Config string `help:"Configuration file." type:"path"`
}

type configRulesCmd struct{}

// Run prints the built-in rules.
func (configRulesCmd) Run(_ context.Context, a *App) error {
	_, err := a.Stdout.Write(classify.DefaultRules())
	return err
}

func pick(file, flag string) string {
	if file != "" {
		return file
	}
	return flag
}

// Run checks.
func (c *configCheckCmd) Run(_ context.Context, a *App) error {
	path := pick(c.File, c.Config)
	if path == "" {
		return usageError{errors.New("config check: want a file")}
	}
	_, warnings, err := loadConfig(path)
	if err != nil {
		return usageError{err}
	}
	for _, w := range warnings {
		fmt.Fprintf(a.Stderr, "radicado: warning: %s: %s\n", path, w)
	}
	_, err = fmt.Fprintf(a.Stdout, "%s: sound\n", path)
	return err
}

// Run prints. The configuration has no key for a secret, so that nothing has to
// be hidden.
func (c *configPrintCmd) Run(_ context.Context, a *App) error {
	config, _, err := loadConfig(pick(c.File, c.Config))
	if err != nil {
		return usageError{err}
	}
	data, err := toml.Marshal(config)
	if err != nil {
		return fmt.Errorf("write configuration: %w", err)
	}
	_, err = a.Stdout.Write(data)
	return err
}
