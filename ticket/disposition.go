package ticket

// Disposition is what became of a mail. Every mail met ends in exactly one.
type Disposition string

// The dispositions.
const (
	DispositionNew         Disposition = "new"         // opened a ticket
	DispositionReply       Disposition = "reply"       // joined a ticket
	DispositionAutoReply   Disposition = "auto-reply"  // kept; joined a ticket only if it answers one
	DispositionBounce      Disposition = "bounce"      // likewise
	DispositionBulk        Disposition = "bulk"        // kept, no ticket
	DispositionDuplicate   Disposition = "duplicate"   // already kept for this mailbox
	DispositionCopy        Disposition = "copy"        // opened a ticket in another mailbox, which it shares
	DispositionQuarantined Disposition = "quarantined" // opened a ticket that a person must look at, with the original
	DispositionRefused     Disposition = "refused"     // too large: opened such a ticket with the header alone
)

// Dispositions returns all dispositions.
func Dispositions() []Disposition {
	return []Disposition{
		DispositionNew, DispositionReply, DispositionAutoReply, DispositionBounce, DispositionBulk,
		DispositionDuplicate, DispositionCopy, DispositionQuarantined, DispositionRefused,
	}
}

// Opens reports whether a mail of this disposition opened a ticket.
func (d Disposition) Opens() bool {
	return d == DispositionNew || d == DispositionQuarantined || d == DispositionRefused
}
