package ticket

// Classification is what the classifier decided about a mail, and why.
type Classification struct {
	Type               Type     `json:"type"`
	TypeConfidence     float64  `json:"type_confidence"` // 0 to 1
	Priority           Priority `json:"priority"`
	PriorityConfidence float64  `json:"priority_confidence"` // 0 to 1
	Review             bool     `json:"review"`              // a lead should confirm
	Term               TermCode `json:"term"`                // which legal or agreed term applies
	Reasons            []Reason `json:"reasons"`
}

// Reason is one piece of evidence for a decision.
type Reason struct {
	Source   string  `json:"source"`   // "rule", "model" or "mailbox"
	Name     string  `json:"name"`     // of the rule or feature
	Evidence string  `json:"evidence"` // the words of the mail
	Weight   float64 `json:"weight"`
}
