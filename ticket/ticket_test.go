package ticket

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestParseNumber(t *testing.T) {
	for _, s := range []string{"2026-000001", "2026-999999", "2026-1000000", "0001-000001"} {
		n, err := ParseNumber(s)
		if err != nil {
			t.Errorf("ParseNumber(%q): %v", s, err)
		}
		if n.String() != s {
			t.Errorf("ParseNumber(%q).String() = %q", s, n)
		}
	}
	for _, s := range []string{"", "2026", "2026-", "2026-1", "2026-00001", "2026-0000001", "26-000001", "2026-000000", "0000-000001", "2026-00000a", "+026-000001", "2026-+00001", "2026-99999999999", "2026-000001 "} {
		if n, err := ParseNumber(s); err == nil {
			t.Errorf("ParseNumber(%q) = %v, want an error", s, n)
		}
	}
}

func FuzzParseNumber(f *testing.F) {
	for _, s := range []string{"2026-000001", "2026-1000000", "0000-000000", "2026-0000001"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := ParseNumber(s)
		if err == nil && n.String() != s {
			t.Errorf("%q is read as %q: one ticket, two spellings", s, n)
		}
	})
}

func TestNumberOrderIsOrderOfText(t *testing.T) {
	a, b := Number{2025, 999999}, Number{2026, 1}
	if a.Compare(b) != -1 || b.Compare(a) != 1 || a.Compare(a) != 0 || !(a.String() < b.String()) {
		t.Errorf("%v and %v are out of order", a, b)
	}
}

func TestDigestText(t *testing.T) {
	d := Digest{1, 2, 0xff}
	b, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	var back Digest
	if err := json.Unmarshal(b, &back); err != nil || back != d {
		t.Errorf("%s is read back as %v, %v", b, back, err)
	}
	for _, s := range []string{`"00"`, `"` + strings.Repeat("g", 64) + `"`} {
		if err := json.Unmarshal([]byte(s), &back); err == nil {
			t.Errorf("%s is accepted", s)
		}
	}
}

func TestParseWords(t *testing.T) {
	if v, err := ParseType(" Petición "); err != nil || v != Peticion {
		t.Errorf("ParseType = %v, %v", v, err)
	}
	if _, err := ParseType("orden"); err == nil || !strings.Contains(err.Error(), "apelacion") {
		t.Errorf("ParseType of an unknown word: %v, want what is allowed", err)
	}
	if v, err := ParsePriority("Crítica"); err != nil || v != Critica {
		t.Errorf("ParsePriority = %v, %v", v, err)
	}
	if _, err := ParsePriority("5"); err == nil {
		t.Error("priority 5 is accepted")
	}
	if v, err := ParseStatus("CERRADO"); err != nil || v != Cerrado {
		t.Errorf("ParseStatus = %v, %v", v, err)
	}
}

func TestStatusMachine(t *testing.T) {
	for _, s := range Statuses() {
		if s.CanBecome(Nuevo) {
			t.Errorf("%s may become nuevo again", s)
		}
		if s.CanBecome(s) {
			t.Errorf("%s may become itself", s)
		}
		if len(s.Next()) == 0 {
			t.Errorf("%s is a dead end", s)
		}
		if after := s.OnReply(); !after.Open() {
			t.Errorf("a customer's reply leaves %s at %s", s, after)
		}
	}
	if Nuevo.OnReply() != Nuevo {
		t.Error("a customer's second mail takes a ticket that nobody has taken")
	}
}

var now = time.Date(2026, 7, 3, 15, 0, 0, 0, time.UTC)

// twoDays is a Terms that makes the request visible in its answer.
func twoDays(r TermRequest) Deadline {
	code := r.Code
	if code == "" {
		code = DefaultTerm(r.Type)
	}
	return Deadline{Term: Term{Code: code, Days: int(r.Priority)}, Due: r.ReceivedAt.AddDate(0, 0, int(r.Priority))}
}

func opened() Ticket {
	m := &Mail{From: Address{Name: "Ana", Address: "Ana@example.org"}, To: []Address{{Address: "soporte@example.com"}}, Subject: "no lee"}
	t, _ := Open(Opening{
		Number: Number{2026, 1}, Mail: m, Filing: Filing{Mailbox: "soporte", ReceivedAt: now, StoredAt: now},
		Classification: Classification{Type: Incidente, Priority: Media},
	}, twoDays)
	return t
}

func TestOpen(t *testing.T) {
	got := opened()
	if got.Status != Nuevo || got.Messages != 1 || got.Term.Code != TermIncidente || !got.Due.Equal(now.AddDate(0, 0, 3)) {
		t.Errorf("opened as %+v", got)
	}
	if !got.HasParticipant("ana@example.org") {
		t.Errorf("the author is no participant: %v", got.Participants)
	}
	m := &Mail{Quarantine: "truncated"}
	q, events := Open(Opening{Mail: m, Filing: Filing{Mailbox: "soporte"}, Links: []Link{{Number{2026, 9}, LinkClaimed}}, Review: "look"}, twoDays)
	if !q.Review || q.Quarantine == "" {
		t.Errorf("a mail in quarantine opened %+v", q)
	}
	if len(events) != 3 || events[0].Kind != EventOpened || events[1].Kind != EventLink || events[2].Kind != EventReview {
		t.Errorf("events %+v", events)
	}
}

func TestParticipantsAreBounded(t *testing.T) {
	m := &Mail{From: Address{Address: "a@example.org"}}
	for i := range 5000 {
		m.To = append(m.To, Address{Address: strings.Repeat("x", i%100+1) + "@" + string(rune('a'+i%26)) + ".example.org"})
	}
	got, _ := Open(Opening{Mail: m}, twoDays)
	if len(got.Participants) != MaxParticipants {
		t.Errorf("%d participants, want %d", len(got.Participants), MaxParticipants)
	}
}

func TestJoin(t *testing.T) {
	mail := &Mail{From: Address{Address: "boss@example.org"}}
	for _, c := range []struct {
		status, want Status
		disposition  Disposition
	}{
		{Nuevo, Nuevo, DispositionReply},
		{Pendiente, Abierto, DispositionReply},
		{Cerrado, Abierto, DispositionReply},
		{Cerrado, Cerrado, DispositionAutoReply},
		{Pendiente, Pendiente, DispositionBounce},
	} {
		was := opened()
		was.Status = c.status
		was.ClosedAt = &now
		got, events := was.Join(mail, Filing{Disposition: c.disposition, StoredAt: now.Add(time.Hour)}, Digest{1}, Classification{Priority: Media})
		if got.Status != c.want || got.Messages != 2 {
			t.Errorf("%s joins a ticket at %s: %s with %d messages, want %s", c.disposition, c.status, got.Status, got.Messages, c.want)
		}
		if got.Status == Abierto && got.ClosedAt != nil {
			t.Error("an open ticket has a closing date")
		}
		if len(events) == 0 || events[0].Kind != EventMessage {
			t.Errorf("events %+v", events)
		}
		if got.HasParticipant("boss@example.org") != (c.disposition == DispositionReply) {
			t.Errorf("participants after %s: %v", c.disposition, got.Participants)
		}
		if was.HasParticipant("boss@example.org") {
			t.Error("Join changed the ticket that it was called on")
		}
	}
	got, _ := opened().Join(mail, Filing{Disposition: DispositionReply}, Digest{1}, Classification{Priority: Critica})
	if !got.Review || got.Priority != Media {
		t.Errorf("a critical reply left priority %d, review %v; want a flag and no silent change", got.Priority, got.Review)
	}
}

func TestApply(t *testing.T) {
	lead := Actor{Kind: ActorLead, Name: "luz"}
	p := func(v Priority) *Priority { return &v }
	ty := func(v Type) *Type { return &v }
	st := func(v Status) *Status { return &v }
	str := func(v string) *string { return &v }
	term := func(v TermCode) *TermCode { return &v }
	yes := true
	for _, c := range []struct {
		name   string
		change Change
		err    error
		kinds  []EventKind
	}{
		{"nothing", Change{}, nil, nil},
		{"same type", Change{Type: ty(Incidente)}, nil, nil},
		{"type without a reason", Change{Type: ty(Queja)}, ErrNoReason, nil},
		{"type", Change{Type: ty(Queja), Reason: "trato"}, nil, []EventKind{EventType, EventDue}},
		{"priority", Change{Priority: p(Critica), Reason: "todos"}, nil, []EventKind{EventPriority, EventDue}},
		{"term", Change{Type: ty(Peticion), Term: term(TermPeticionDocumentos), Reason: "copias"}, nil, []EventKind{EventType, EventDue}},
		{"status", Change{Status: st(Resuelto)}, nil, []EventKind{EventStatus}},
		{"back to nuevo", Change{Status: st(Nuevo)}, nil, nil},
		{"assignee", Change{Assignee: str(" luz ")}, nil, []EventKind{EventAssignee}},
		{"review", Change{Review: &yes}, nil, []EventKind{EventReview}},
		{"release of a sound ticket", Change{Release: true}, nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			was := opened()
			got, events, err := was.Apply(c.change, lead, now.Add(time.Hour), twoDays)
			if !errors.Is(err, c.err) {
				t.Fatalf("error %v, want %v", err, c.err)
			}
			var kinds []EventKind
			for _, e := range events {
				kinds = append(kinds, e.Kind)
				if e.Actor != lead {
					t.Errorf("event by %+v", e.Actor)
				}
			}
			if len(kinds) != len(c.kinds) {
				t.Fatalf("events %v, want %v", kinds, c.kinds)
			}
			for i := range kinds {
				if kinds[i] != c.kinds[i] {
					t.Errorf("events %v, want %v", kinds, c.kinds)
				}
			}
			if len(events) == 0 && !got.UpdatedAt.Equal(was.UpdatedAt) {
				t.Error("a change that changes nothing touched the ticket")
			}
		})
	}
	closed, _, err := opened().Apply(Change{Status: st(Cerrado)}, lead, now, twoDays)
	if err != nil || closed.ClosedAt == nil {
		t.Fatalf("close: %v, closed at %v", err, closed.ClosedAt)
	}
	if _, _, err := closed.Apply(Change{Status: st(Pendiente)}, lead, now, twoDays); !errors.Is(err, ErrTransition) {
		t.Errorf("cerrado to pendiente: %v, want ErrTransition", err)
	}
	bad := Type("orden")
	if got, _, err := closed.Apply(Change{Type: &bad, Reason: "x"}, lead, now, twoDays); err == nil || got.Type != Incidente {
		t.Errorf("a type that is none: %v, left %s", err, got.Type)
	}
	quarantined := opened()
	quarantined.Quarantine = "truncated"
	if _, _, err := quarantined.Apply(Change{Release: true}, lead, now, twoDays); !errors.Is(err, ErrNoReason) {
		t.Errorf("release without a reason: %v", err)
	}
	free, _, err := quarantined.Apply(Change{Release: true, Reason: "leído"}, lead, now, twoDays)
	if err != nil || free.Quarantine != "" {
		t.Errorf("release: %v, left %q", err, free.Quarantine)
	}
}

func TestLink(t *testing.T) {
	l := Link{Number{2026, 7}, LinkFollows}
	a, events := opened().Link(l, now)
	if len(events) != 1 || !a.HasLink(l.Number) {
		t.Fatalf("link: %+v", events)
	}
	if _, events := a.Link(l, now); len(events) != 0 {
		t.Error("linked twice")
	}
	if _, events := a.Link(Link{a.Number, LinkFollows}, now); len(events) != 0 {
		t.Error("linked to itself")
	}
	for i := range 2 * MaxLinks {
		a, _ = a.Link(Link{Number{2025, uint32(i + 1)}, LinkClaimed}, now)
	}
	if len(a.Links) != MaxLinks {
		t.Errorf("%d links, want at most %d", len(a.Links), MaxLinks)
	}
}

func TestDateIsReckonedInBogota(t *testing.T) {
	late := time.Date(2027, 1, 1, 3, 0, 0, 0, time.UTC)
	if d := DateOf(late); d != "2026-12-31" {
		t.Errorf("DateOf(%v) = %s", late, d)
	}
	if _, err := Date("2026-13-01").Time(); err == nil {
		t.Error("a thirteenth month is accepted")
	}
}

func TestViewSpeaksBogota(t *testing.T) {
	v := opened().View()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(b), `"due":"2026-07-06T10:00:00-05:00"`) {
		t.Errorf("due is not in Bogotá's offset: %s", b)
	}
}
