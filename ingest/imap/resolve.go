package imap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	goimap "github.com/emersion/go-imap/v2"
	"golang.org/x/text/unicode/norm"
)

// specialUses are the special-use names (RFC 6154 section 2) that may stand for
// a folder, whatever its name is. What is sent or drafted is no mail to the desk.
var specialUses = []goimap.MailboxAttr{goimap.MailboxAttrJunk, goimap.MailboxAttrArchive, goimap.MailboxAttrAll, goimap.MailboxAttrFlagged, goimap.MailboxAttrTrash}

// specialUse returns the special use that a configured folder stands for, ""
// if it is a name; ok is false for a use that is none of ours.
func specialUse(name string) (use goimap.MailboxAttr, ok bool) {
	if !strings.HasPrefix(name, `\`) {
		return "", true
	}
	i := slices.IndexFunc(specialUses, func(u goimap.MailboxAttr) bool { return strings.EqualFold(string(u), name) })
	if i < 0 {
		return "", false
	}
	return specialUses[i], true
}

// CheckFolder reports what is wrong with an entry of Options.Folders.
func CheckFolder(name string) error {
	if name == "" || !utf8.ValidString(name) || strings.ContainsAny(name, "\r\n\x00") {
		return errors.New("not a folder name")
	}
	if _, ok := specialUse(name); !ok {
		return fmt.Errorf("want a name, or one of the special uses %s", specialUses)
	}
	return nil
}

// junkNames are how mail programs call the junk folder where the server marks
// none, without what stands before the last delimiter.
var junkNames = []string{"junk", "junk e-mail", "junk email", "spam", "bulk mail", "correo no deseado", "correo basura"}

// maxListed bounds how many folders of a LIST are kept.
const maxListed = 20_000

// resolve finds the folders' names on this server and which of them holds spam.
// INBOX is always INBOX: where nothing else is read, nothing is asked.
func (c *session) resolve(ctx context.Context) error {
	if len(c.folders) == 1 && c.folders[0].name == inbox {
		return nil
	}
	c.resolved = time.Now()
	list, err := c.listNames(ctx)
	if err != nil {
		return err
	}
	for i, f := range c.folders {
		name, junk := find(list, f.wanted)
		switch {
		case name == "":
			f.missing = fmt.Errorf("the server has no folder with the special use %s", f.wanted)
			continue
		case name == c.o.After.Move:
			f.missing = fmt.Errorf("%s is %s, to which mails are moved after they are taken: every mail would come again", f.wanted, name)
			continue
		case slices.ContainsFunc(c.folders[:i], func(other *folder) bool { return other.name == name && other.missing == nil }):
			// Not an error: the mail is taken.
			f.missing, f.same = nil, true
			continue
		}
		if f.name != name {
			if name != f.wanted {
				c.o.Logger.Info("imap folder found", "folder", f.wanted, "name", name)
			}
			if c.selected == f {
				c.selected = nil
			}
			*f = folder{wanted: f.wanted, name: name, refused: f.refused}
		}
		f.junk, f.missing, f.same = junk, nil, false
	}
	return nil
}

// resolveMissing looks again, every IdleRefresh, for folders that the server did
// not have.
func (c *session) resolveMissing(ctx context.Context) error {
	if time.Since(c.resolved) < c.o.IdleRefresh || !slices.ContainsFunc(c.folders, func(f *folder) bool { return f.missing != nil }) {
		return nil
	}
	return c.resolve(ctx)
}

// listNames asks for all folders; nil where the server does not tell.
func (c *session) listNames(ctx context.Context) ([]goimap.ListData, error) {
	if c.refused.has(capList) {
		return nil, nil
	}
	var o *goimap.ListOptions
	if c.can(goimap.CapSpecialUse) && c.can(goimap.CapListExtended) {
		o = &goimap.ListOptions{ReturnSpecialUse: true}
	}
	list, err := c.list(ctx, o)
	if o != nil && isAnswer(err) {
		c.refuses(goimap.CapListExtended, err)
		list, err = c.list(ctx, nil)
	}
	return list, c.optional(capList, err)
}

func (c *session) list(ctx context.Context, o *goimap.ListOptions) ([]goimap.ListData, error) {
	var list []goimap.ListData
	err := c.do(ctx, searchBudget, "list folders", func() error {
		cmd := c.client.List("", "*", o)
		for data := cmd.Next(); data != nil; data = cmd.Next() {
			if len(list) < maxListed {
				list = append(list, *data)
			}
		}
		return cmd.Close()
	})
	return list, err
}

// find returns the server's name of a configured folder, and whether it holds
// spam; the configured name where the list does not have it, and "" for a
// special use that no folder has.
func find(list []goimap.ListData, wanted string) (name string, junk bool) {
	marked := slices.ContainsFunc(list, func(d goimap.ListData) bool { return slices.Contains(d.Attrs, goimap.MailboxAttrJunk) })
	isJunk := func(d goimap.ListData) bool {
		if marked {
			return slices.Contains(d.Attrs, goimap.MailboxAttrJunk)
		}
		last := d.Mailbox
		if d.Delim != 0 {
			last = last[strings.LastIndex(last, string(d.Delim))+1:]
		}
		return slices.Contains(junkNames, strings.ToLower(last))
	}
	if use, _ := specialUse(wanted); use != "" {
		for _, d := range list {
			if slices.Contains(d.Attrs, use) || use == goimap.MailboxAttrJunk && isJunk(d) {
				return d.Mailbox, isJunk(d)
			}
		}
		return "", use == goimap.MailboxAttrJunk
	}
	// As it is written; then in another form of Unicode, or with a slash where
	// the server has another delimiter.
	same := []func(d goimap.ListData) bool{
		func(d goimap.ListData) bool { return d.Mailbox == wanted },
		func(d goimap.ListData) bool { return norm.NFC.String(d.Mailbox) == norm.NFC.String(wanted) },
		func(d goimap.ListData) bool {
			return d.Delim != 0 && norm.NFC.String(d.Mailbox) == norm.NFC.String(strings.ReplaceAll(wanted, "/", string(d.Delim)))
		},
	}
	for _, is := range same {
		if i := slices.IndexFunc(list, is); i >= 0 {
			return list[i].Mailbox, isJunk(list[i])
		}
	}
	return wanted, isJunk(goimap.ListData{Mailbox: wanted, Delim: '/'})
}

// errMissing is in the error of a folder that is not on the server.
var errMissing = errors.New("folder not found")
