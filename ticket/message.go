package ticket

import (
	"slices"
	"time"
)

// Message is a mail as kept. It is identified by the digest of its original;
// the same mail to two mailboxes is one message with two filings.
type Message struct {
	Digest  Digest   `json:"sha256"`         // of the original with CRLF line ends; its identity
	Content Digest   `json:"content_sha256"` // of what does not change in transit, see ingest
	Size    int64    `json:"size"`           // bytes of the original as it came
	Mail    Mail     `json:"mail"`           // Text, HTML and NewText are kept apart as Body
	Filings []Filing `json:"filings"`        // one a mailbox, in order of arrival
}

// Filing is one arrival of a message in a mailbox.
type Filing struct {
	Mailbox     string      `json:"mailbox"`
	Disposition Disposition `json:"disposition"`
	Ticket      Number      `json:"ticket"` // zero where the mail belongs to none
	ReceivedAt  time.Time   `json:"received_at"`
	StoredAt    time.Time   `json:"stored_at"`
	Origin      Origin      `json:"origin"`
	Original    Digest      `json:"sha256"`         // of this arrival's bytes; differs from the message's where only trace headers do
	Reason      string      `json:"reason"`         // why it joined, opened, or was set apart
	Junk        bool        `json:"junk,omitempty"` // the mail server had put it with the spam
}

// Filing returns the message's filing in a mailbox, if there is one.
func (m *Message) Filing(mailbox string) (Filing, bool) {
	i := slices.IndexFunc(m.Filings, func(f Filing) bool { return f.Mailbox == mailbox })
	if i < 0 {
		return Filing{}, false
	}
	return m.Filings[i], true
}
