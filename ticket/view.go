package ticket

import "time"

// View is a ticket as programs outside read it, in the CLI's --json and the
// HTTP API alike: the stored ticket with its times in Bogotá's offset.
type View struct {
	Ticket
	FiledOn Date `json:"filed_on"`
	DueOn   Date `json:"due_on"`
}

// View returns t for programs outside. Its lists are never null in JSON.
func (t Ticket) View() View {
	t.Links = notNil(t.Links)
	t.Participants = notNil(t.Participants)
	t.Classification.Reasons = notNil(t.Classification.Reasons)
	t.ReceivedAt = bogota(t.ReceivedAt)
	t.Due = bogota(t.Due)
	t.CreatedAt = bogota(t.CreatedAt)
	t.UpdatedAt = bogota(t.UpdatedAt)
	if t.ClosedAt != nil {
		at := bogota(*t.ClosedAt)
		t.ClosedAt = &at
	}
	return View{Ticket: t, FiledOn: t.Term.FiledOn, DueOn: t.Term.DueOn}
}

// Detail is a ticket with everything that belongs to it.
type Detail struct {
	View
	Thread []MessageView `json:"thread"`
	Events []Event       `json:"events"`
}

// MessageView is a message of one ticket with its text.
type MessageView struct {
	Digest      Digest      `json:"sha256"`
	Size        int64       `json:"size"`
	Disposition Disposition `json:"disposition"`
	ReceivedAt  time.Time   `json:"received_at"`
	Reason      string      `json:"reason"`
	Mail        Mail        `json:"mail"`
}

// Detail returns t with its messages and events. Bodies[i] is the text of
// messages[i]; both are in the thread's order.
func (t Ticket) Detail(messages []Message, bodies []Body, events []Event) Detail {
	d := Detail{View: t.View(), Thread: make([]MessageView, 0, len(messages)), Events: make([]Event, len(events))}
	for i, m := range messages {
		v := MessageView{Digest: m.Digest, Size: m.Size, Mail: m.Mail}
		v.Mail.Text, v.Mail.HTML, v.Mail.NewText = bodies[i].Text, bodies[i].HTML, bodies[i].NewText
		for _, f := range m.Filings {
			if f.Ticket == t.Number {
				v.Disposition, v.ReceivedAt, v.Reason = f.Disposition, bogota(f.ReceivedAt), f.Reason
				break
			}
		}
		d.Thread = append(d.Thread, v)
	}
	for i, e := range events {
		e.At = bogota(e.At)
		d.Events[i] = e
	}
	return d
}

// notNil makes JSON write [] for a list without elements.
func notNil[E any](list []E) []E {
	if list == nil {
		return []E{}
	}
	return list
}

func bogota(t time.Time) time.Time { return t.In(Bogota).Truncate(time.Second) }
