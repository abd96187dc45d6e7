package web

import (
	"context"
	"crypto/sha256"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"radicado/store"
	"radicado/ticket"
)

var update = flag.Bool("update", false, "rewrite the golden pages in testdata")

const (
	testToken = "a-token-of-the-operators"
	testPhone = "(57) 318 717 49 37"
)

// testNow is a Wednesday in the middle of the desk's day.
var testNow = time.Date(2026, 7, 15, 10, 24, 0, 0, ticket.Bogota)

// testTerms is no calendar: hours for incidents by priority, else 15 days.
func testTerms(r ticket.TermRequest) ticket.Deadline {
	code := r.Code
	if code == "" {
		code = ticket.DefaultTerm(r.Type)
	}
	if r.Type == ticket.Incidente || r.Type == ticket.Requerimiento {
		hours := map[ticket.Priority]int{1: 2, 2: 8, 3: 72, 4: 240}[r.Priority]
		due := r.ReceivedAt.Add(time.Duration(hours) * time.Hour)
		return ticket.Deadline{Due: due, Term: ticket.Term{
			Code: code, Days: hours, Unit: ticket.UnitHours, Rule: "objetivo de servicio",
			FiledOn: ticket.DateOf(r.ReceivedAt), DueOn: ticket.DateOf(due), Calendar: "test",
		}}
	}
	day, _ := ticket.DateOf(r.ReceivedAt).Time()
	due := day.AddDate(0, 0, 15).Add(17 * time.Hour)
	return ticket.Deadline{Due: due, Term: ticket.Term{
		Code: code, Days: 15, Unit: ticket.UnitBusinessDays, Rule: "Ley 1755 de 2015, art. 14",
		FiledOn: ticket.DateOf(r.ReceivedAt), DueOn: ticket.DateOf(due), Calendar: "test",
	}}
}

// desk is a real store with a handler before it.
type desk struct {
	t     testing.TB
	store *store.Store
	o     Options
	last  ticket.Number
}

func newDesk(t testing.TB) *desk {
	t.Helper()
	s, err := store.Open(filepath.Join(t.TempDir(), "desk.db"), store.Options{Now: func() time.Time { return testNow }, NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if problems, err := s.Check(context.Background()); err != nil || len(problems) > 0 {
			t.Errorf("check: %v, %v", problems, err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return &desk{t: t, store: s, o: Options{
		Store: s, Terms: testTerms, Token: testToken, Version: "0.1-test", CriticalPhone: testPhone,
		Mailboxes: []string{"soporte", "pqrsa"}, Now: func() time.Time { return testNow },
	}}
}

func (d *desk) handler() http.Handler {
	d.t.Helper()
	h, err := NewHandler(d.o)
	if err != nil {
		d.t.Fatal(err)
	}
	return h
}

// sent is a mail of the tests.
type sent struct {
	mailbox  string
	ago      time.Duration // before testNow
	kind     ticket.Type
	priority ticket.Priority
	mail     ticket.Mail
	text     string
	newText  string
	reasons  []ticket.Reason
	review   string
	links    []ticket.Link
}

func (d *desk) update(fn func(tx *store.Tx) error) {
	d.t.Helper()
	if err := d.store.Update(context.Background(), fn); err != nil {
		d.t.Fatal(err)
	}
}

func digestOf(words ...any) ticket.Digest { return sha256.Sum256([]byte(fmt.Sprint(words...))) }

// open files a mail as a new ticket.
func (d *desk) open(s sent) ticket.Number {
	d.t.Helper()
	at := testNow.Add(-s.ago)
	disposition := ticket.DispositionNew
	if s.mail.Quarantine != "" {
		disposition = ticket.DispositionQuarantined
	}
	d.update(func(tx *store.Tx) error {
		n, err := tx.NextNumber(2026)
		if err != nil {
			return err
		}
		d.last = n
		f := ticket.Filing{Mailbox: s.mailbox, Disposition: disposition, Ticket: n, ReceivedAt: at, StoredAt: at.Add(2 * time.Second), Origin: ticket.Origin{Mailbox: s.mailbox, Path: n.String() + ".eml"}}
		m, err := d.message(tx, s, f)
		if err != nil {
			return err
		}
		t, events := ticket.Open(ticket.Opening{Number: n, Mail: &m.Mail, Filing: f, Digest: m.Digest, Links: s.links, Review: s.review,
			Classification: ticket.Classification{Type: s.kind, TypeConfidence: 0.93, Priority: s.priority, PriorityConfidence: 0.81, Term: ticket.DefaultTerm(s.kind), Reasons: s.reasons}}, testTerms)
		if err := tx.PutMessage(m, &ticket.Body{Text: s.text, NewText: s.newText}); err != nil {
			return err
		}
		return tx.PutTicket(&t, events...)
	})
	return d.last
}

// message makes a message with a stand-in for its original.
func (d *desk) message(tx *store.Tx, s sent, f ticket.Filing) (*ticket.Message, error) {
	original := fmt.Sprint("original", f.Origin, f.ReceivedAt)
	s.mail.MessageID = fmt.Sprintf("%x@example.com", digestOf(original))
	m := &ticket.Message{
		Digest: digestOf(original), Content: digestOf("content", original),
		Size: int64(len(original)), Mail: s.mail, Filings: []ticket.Filing{f},
	}
	w := d.store.NewBlob(context.Background())
	if _, err := w.Write([]byte(original)); err != nil {
		return nil, err
	}
	blob, err := w.Finish(m.Digest)
	if err != nil {
		return nil, err
	}
	return m, tx.AttachBlob(blob)
}

// reply joins a mail to a ticket.
func (d *desk) reply(n ticket.Number, s sent) {
	d.t.Helper()
	at := testNow.Add(-s.ago)
	d.update(func(tx *store.Tx) error {
		t, err := tx.Ticket(n)
		if err != nil {
			return err
		}
		f := ticket.Filing{Mailbox: t.Mailbox, Disposition: ticket.DispositionReply, Ticket: n, ReceivedAt: at, StoredAt: at, Origin: ticket.Origin{Mailbox: t.Mailbox, Path: "reply-" + s.ago.String() + ".eml"}}
		m, err := d.message(tx, s, f)
		if err != nil {
			return err
		}
		t, events := t.Join(&m.Mail, f, m.Digest, ticket.Classification{Priority: s.priority})
		if err := tx.PutMessage(m, &ticket.Body{Text: s.text, NewText: s.newText}); err != nil {
			return err
		}
		return tx.PutTicket(&t, events...)
	})
}

// unfiled keeps an automatic mail without a ticket.
func (d *desk) unfiled(disposition ticket.Disposition, s sent) {
	d.t.Helper()
	at := testNow.Add(-s.ago)
	d.update(func(tx *store.Tx) error {
		f := ticket.Filing{Mailbox: s.mailbox, Disposition: disposition, ReceivedAt: at, StoredAt: at, Origin: ticket.Origin{Mailbox: s.mailbox, Path: "unfiled-" + s.ago.String() + ".eml"}}
		m, err := d.message(tx, s, f)
		if err != nil {
			return err
		}
		return tx.PutMessage(m, &ticket.Body{Text: s.text})
	})
}

// change applies a lead's change.
func (d *desk) change(n ticket.Number, ago time.Duration, c ticket.Change) {
	d.t.Helper()
	d.update(func(tx *store.Tx) error {
		t, err := tx.Ticket(n)
		if err != nil {
			return err
		}
		t, events, err := t.Apply(c, ticket.Actor{Kind: ticket.ActorLead, Name: "lparra"}, testNow.Add(-ago), testTerms)
		if err != nil {
			return err
		}
		return tx.PutTicket(&t, events...)
	})
}

func person(name, address string) ticket.Mail {
	return ticket.Mail{From: ticket.Address{Name: name, Address: address}, Language: "es", To: []ticket.Address{{Address: "soporte@example.com"}}}
}

func about(m ticket.Mail, subject string, files ...ticket.Attachment) ticket.Mail {
	m.Subject, m.Attachments = subject, files
	return m
}

func file(name, kind string, size int64) ticket.Attachment {
	return ticket.Attachment{Filename: name, ContentType: kind, Size: size, SHA256: digestOf(name)}
}

// busyDesk is a desk on a busy morning: every priority, type and status.
func busyDesk(t testing.TB) *desk {
	d := newDesk(t)
	day := 24 * time.Hour
	ana := person("Ana María Peña", "ana.pena@bancodelnorte.example.com")
	d.open(sent{mailbox: "soporte", ago: 9 * day, kind: ticket.Incidente, priority: ticket.Media, mail: about(person("Jorge Ñáñez", "jnanez@notaria21.example.com"), "Error al capturar la huella del índice derecho")})
	d.change(d.last, 8*day, ticket.Change{Status: ptr(ticket.Abierto), Assignee: ptr("lparra")})
	d.change(d.last, 7*day, ticket.Change{Status: ptr(ticket.Resuelto)})
	d.open(sent{mailbox: "pqrsa", ago: 17 * day, kind: ticket.Reclamo, priority: ticket.Media, mail: about(person("Luz Dary Gómez", "luzdary@example.net"), "Reclamo por cobro doble del certificado de firma digital", file("factura mayo.pdf", "application/pdf", 184_000))})
	d.open(sent{mailbox: "pqrsa", ago: 15*day - time.Hour, kind: ticket.Peticion, priority: ticket.Media, mail: about(person("", "ciudadano1987@example.org"), "Derecho de petición: copia de mis registros de validación biométrica"), review: "doubtful"})
	d.open(sent{mailbox: "pqrsa", ago: 14*day + 2*time.Hour, kind: ticket.Queja, priority: ticket.Media, mail: about(person("Camilo Rodríguez", "camilo.rodriguez@example.net"), "Queja por la atención en la línea telefónica")})
	d.open(sent{mailbox: "soporte", ago: 7 * time.Hour, kind: ticket.Incidente, priority: ticket.Alta, mail: about(ana, "Oficina Chapinero: los huelleros no responden desde la apertura", file("registro.log", "text/plain", 4_300), file("pantalla.png", "image/png", 612_345))})
	d.change(d.last, 5*time.Hour, ticket.Change{Status: ptr(ticket.Abierto), Assignee: ptr("lparra")})
	d.open(sent{mailbox: "soporte", ago: 3 * day, kind: ticket.Requerimiento, priority: ticket.Media, mail: about(person("Mesa TI Cooperativa Andina", "mesati@coopandina.example.com"), "RV: Solicitud de creación de 14 usuarios para la nueva sede y de permisos de consulta sobre el módulo de reportes de la aplicación de cotejo")})
	d.change(d.last, 2*day, ticket.Change{Status: ptr(ticket.Pendiente)})
	d.open(sent{mailbox: "soporte", ago: 26 * time.Hour, kind: ticket.Requerimiento, priority: ticket.Baja, mail: about(person("Paola Ríos", "paola.rios@example.com"), "Manual de instalación del lector")})
	d.open(sent{mailbox: "pqrsa", ago: 20 * time.Hour, kind: ticket.Sugerencia, priority: ticket.Baja, mail: about(person("Andrés Felipe Toro", "aftoro@example.net"), "Sugerencia para la página de descarga")})
	d.open(sent{mailbox: "pqrsa", ago: 4 * time.Hour, kind: ticket.Apelacion, priority: ticket.Media, mail: about(person("Martha Lucía Ocampo", "mlocampo@example.net"), "Recurso contra la respuesta al radicado anterior")})
	spoof := about(person("Soporte", "x@example.invalid"), "Actualización urgente", file("factura.pdf.exe", "application/octet-stream", 2_400_000))
	spoof.Quarantine = "the mail ended before its last part"
	d.open(sent{mailbox: "soporte", ago: 3 * time.Hour, kind: ticket.Requerimiento, priority: ticket.Media, mail: spoof})
	d.open(criticalMail(ana))
	critical := d.last
	d.reply(critical, sent{ago: 20 * time.Minute, priority: ticket.Critica, mail: about(ana, "RE: Caída total del servicio de cotejo en todas las oficinas"),
		newText: "Seguimos sin servicio. ¿Hay un tiempo estimado?", text: "Seguimos sin servicio. ¿Hay un tiempo estimado?\n\nEl mié, 15 jul 2026 a las 9:10, Soporte <soporte@example.com> escribió:\n> Estamos revisando el incidente.\n"})
	tutela := about(person("Juzgado 12 Civil Municipal", "j12cmbog@example.gov.co"), "Notificación admisión acción de tutela 2026-00471", file("AUTO ADMISORIO.pdf", "application/pdf", 1_250_000))
	d.open(sent{mailbox: "pqrsa", ago: 14*day + 22*time.Hour, kind: ticket.Peticion, priority: ticket.Critica, mail: tutela,
		reasons: []ticket.Reason{{Source: "rule", Name: "tutela", Evidence: "acción de tutela", Weight: 6}}})
	d.unfiled(ticket.DispositionBulk, sent{mailbox: "pqrsa", ago: 50 * time.Hour, mail: about(person("Boletín Sectorial", "noticias@example.org"), "Noticias de la semana")})
	bounce := about(person("Mail Delivery System", "mailer-daemon@example.com"), "Undelivered Mail Returned to Sender")
	bounce.Bounce = &ticket.Bounce{Recipient: "noexiste@example.net", Status: "5.1.1", Diagnostic: "550 user unknown"}
	d.unfiled(ticket.DispositionBounce, sent{mailbox: "pqrsa", ago: 30 * time.Hour, mail: bounce})
	d.unfiled(ticket.DispositionAutoReply, sent{mailbox: "soporte", ago: 2 * time.Hour, mail: about(person("Carlos Duarte", "cduarte@example.com"), "Respuesta automática: fuera de la oficina")})
	return d
}

func criticalMail(from ticket.Mail) sent {
	m := about(from, "Caída total del servicio de cotejo en todas las oficinas", file("evidencia caída.pdf", "application/pdf", 348_120), file("pantallazo.png", "image/png", 92_431))
	m.Authentication = ticket.Authentication{SPF: "pass", DKIM: "pass", DMARC: "pass", Trusted: true}
	m.Cc = []ticket.Address{{Name: "Director de TI", Address: "dti@bancodelnorte.example.com"}}
	newText := "Buenos días,\n\nDesde las 8:40 ninguna de las 62 oficinas puede cotejar huellas. El servicio responde «503 Service Unavailable» y tenemos clientes esperando en fila.\n\nPor favor indicar acciones inmediatas."
	return sent{mailbox: "soporte", ago: 75 * time.Minute, kind: ticket.Incidente, priority: ticket.Critica, mail: m, newText: newText,
		text: newText + "\n\nCordialmente,\n\nAna María Peña\nGerente de Canales\nVIGILADO Superintendencia Financiera de Colombia\n\nAVISO DE CONFIDENCIALIDAD: Este mensaje y sus anexos…",
		reasons: []ticket.Reason{
			{Source: "rule", Name: "outage.whole", Evidence: "ninguna de las 62 oficinas", Weight: 4.5},
			{Source: "model", Name: "caíd", Evidence: "caída", Weight: 1.82},
			{Source: "mailbox", Name: "soporte", Weight: 0.4},
		},
		links: []ticket.Link{{Number: ticket.Number{Year: 2026, Seq: 5}, Kind: ticket.LinkClaimed}}}
}

func ptr[T any](v T) *T { return &v }

// get asks the handler as a browser on the same machine does.
func get(t testing.TB, h http.Handler, target string) *httptest.ResponseRecorder {
	t.Helper()
	return ask(h, httptest.NewRequest(http.MethodGet, "http://127.0.0.1:8025"+target, nil))
}

func ask(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// golden compares got with testdata/name.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s differs (-want +got; -update rewrites it):\n%s", path, diff)
	}
}
