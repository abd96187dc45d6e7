package ticket

import "time"

// Address is a mailbox as RFC 5322 section 3.4 calls it: a display name,
// decoded to UTF-8 NFC, and an address whose domain is in lower case.
type Address struct {
	Name    string `json:"name"`
	Address string `json:"address"`
}

// String returns "Name <address>", or the address alone.
func (a Address) String() string {
	if a.Name == "" {
		return a.Address
	}
	return a.Name + " <" + a.Address + ">"
}

// Mail is what parsing made of one message. Its JSON is the contract of
// `radicado parse`: new fields may come, none is taken away. Every text is
// valid UTF-8 in NFC, whatever the bytes were.
type Mail struct {
	MessageID  string     `json:"message_id"`  // without angle brackets, as in JMAP (RFC 8621 section 4.1.2.3)
	InReplyTo  []string   `json:"in_reply_to"` // likewise
	References []string   `json:"references"`  // likewise, oldest first
	Date       *time.Time `json:"date"`        // the sender's claim, with his offset; nil if absent or unreadable
	From       Address    `json:"from"`        // the first author; empty if none is readable
	Sender     *Address   `json:"sender"`      // nil without a Sender field
	ReplyTo    []Address  `json:"reply_to"`
	To         []Address  `json:"to"`
	Cc         []Address  `json:"cc"`
	Subject    string     `json:"subject"` // as shown, with its prefixes

	Text    string `json:"text"`     // text of all text parts; made from HTML if there is no other
	HTML    string `json:"html"`     // as sent, not sanitised
	NewText string `json:"new_text"` // what the sender wrote now: no quoted history, signature or disclaimer

	Attachments    []Attachment   `json:"attachments"`
	Automatic      Automatic      `json:"automatic"`
	Bounce         *Bounce        `json:"bounce"` // only where Automatic is "bounce"
	Authentication Authentication `json:"authentication"`
	Language       string         `json:"language"` // "es", "en", "pt" or "" where the text does not tell

	Received   *time.Time `json:"received"`   // date of the topmost Received field; nil without one
	Quarantine string     `json:"quarantine"` // why a person must look before this is trusted as a whole mail; "" if sound
	Warnings   []Warning  `json:"warnings"`
}

// Attachment describes one attached or inline part.
type Attachment struct {
	Filename    string `json:"filename"`     // decoded, as the sender wrote it; not safe as a path
	ContentType string `json:"content_type"` // declared media type in lower case, without parameters
	ContentID   string `json:"content_id"`   // without angle brackets
	Inline      bool   `json:"inline"`
	Size        int64  `json:"size"`   // bytes of the decoded content
	SHA256      Digest `json:"sha256"` // of the decoded content
}

// Automatic says whether a machine wrote a mail, and which kind.
type Automatic string

// The kinds of automatic mail; the empty value is a person's.
const (
	NotAutomatic Automatic = ""
	AutoReply    Automatic = "auto-reply" // RFC 3834: out of office, receipts of other desks, read receipts
	BounceReport Automatic = "bounce"     // RFC 3464 delivery status and its look-alikes
	Bulk         Automatic = "bulk"       // lists and newsletters
)

// Bounce is what a delivery status report says.
type Bounce struct {
	Recipient         string `json:"recipient"`           // the address that failed
	Status            string `json:"status"`              // RFC 3463 code such as 5.1.1
	Diagnostic        string `json:"diagnostic"`          // the server's words
	OriginalMessageID string `json:"original_message_id"` // of the mail that failed, without angle brackets
}

// Authentication is what a receiving server found out about the sender. Each
// result is an RFC 8601 word such as "pass" or "fail", or "" if not said.
type Authentication struct {
	SPF     string `json:"spf"`
	DKIM    string `json:"dkim"`
	DMARC   string `json:"dmarc"`
	Trusted bool   `json:"trusted"` // the field bears the configured server's name (RFC 8601 section 5)
}

// Warning is a defect of a mail that did not stop the parse.
type Warning struct {
	Code   string `json:"code"`   // a stable word such as "truncated" or "unknown-charset"
	Detail string `json:"detail"` // for a person
	Lost   bool   `json:"lost"`   // something of the mail could not be decoded
}

// Body is the text of a mail, kept apart from its message so that lists and
// threads are read without it.
type Body struct {
	Text    string `json:"text"`
	HTML    string `json:"html"` // as sent: sanitise before a browser sees it
	NewText string `json:"new_text"`
}
