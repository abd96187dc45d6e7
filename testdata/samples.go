// Package testdata holds sample mails, written for this project about people
// and companies that do not exist. The demo delivers them and the tests file
// them; see README.md beside this file for what each folder shows.
package testdata

import (
	"embed"
	"fmt"
	"path"
	"strings"
)

//go:embed mail
var files embed.FS

// Mail is one sample.
type Mail struct {
	Path    string // below mail/, with slashes
	Mailbox string // where it arrives
	Raw     []byte
}

// Label is what a person said of a sample before any program was asked; it is
// a row of mail/labels.tsv. Type, Priority and Term are "-" where no ticket
// opens.
type Label struct {
	Path        string
	Mailbox     string
	Disposition string
	Type        string
	Priority    string
	Term        string
	Quarantined bool
	Note        string
}

// Labels returns the labels in the order in which the mails arrive.
func Labels() ([]Label, error) {
	data, err := files.ReadFile("mail/labels.tsv")
	if err != nil {
		return nil, err
	}
	var labels []Label
	for i, line := range strings.Split(strings.TrimRight(string(data), "\n"), "\n") {
		f := strings.Split(strings.TrimRight(line, "\r"), "\t")
		if i == 0 || len(f) == 1 && f[0] == "" {
			continue
		}
		if len(f) != 8 {
			return nil, fmt.Errorf("labels.tsv line %d: %d columns, want 8", i+1, len(f))
		}
		labels = append(labels, Label{f[0], f[1], f[2], f[3], f[4], f[5], f[6] == "yes", f[7]})
	}
	return labels, nil
}

// Mails returns the samples in the order in which they arrive.
func Mails() ([]Mail, error) {
	labels, err := Labels()
	if err != nil {
		return nil, err
	}
	mails := make([]Mail, 0, len(labels))
	for _, l := range labels {
		raw, err := files.ReadFile(path.Join("mail", l.Path))
		if err != nil {
			return nil, fmt.Errorf("sample: %w", err)
		}
		mails = append(mails, Mail{l.Path, l.Mailbox, raw})
	}
	return mails, nil
}
