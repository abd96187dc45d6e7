package classify

import (
	"math"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"radicado/ticket"
)

func defaultClassifier(t testing.TB) *Classifier {
	t.Helper()
	c, err := Default()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func sampleMail(subject, text string) *ticket.Mail {
	return &ticket.Mail{Subject: subject, NewText: text, From: ticket.Address{Address: "cliente@correo.example.org"}}
}

// checkValid holds what must be true of the answer to any mail.
func checkValid(t testing.TB, m *ticket.Mail, mailbox string, c *Classifier) ticket.Classification {
	t.Helper()
	out := c.Classify(m, mailbox)
	if !out.Type.Valid() || !out.Priority.Valid() {
		t.Errorf("type %q, priority %d", out.Type, out.Priority)
	}
	for _, p := range []float64{out.TypeConfidence, out.PriorityConfidence} {
		if !(p > 0 && p <= 1) {
			t.Errorf("confidence %v", p)
		}
	}
	if !slices.Contains(ticket.TermCodes(), out.Term) || out.Term == ticket.TermPeticionConsulta {
		t.Errorf("term %q", out.Term)
	}
	if out.Reasons == nil || len(out.Reasons) > maxReasons {
		t.Errorf("%d reasons (nil: %v)", len(out.Reasons), out.Reasons == nil)
	}
	for i, r := range out.Reasons {
		if i > 0 && math.Abs(r.Weight) > math.Abs(out.Reasons[i-1].Weight) {
			t.Errorf("reason %s weighs more than the one before", r.Name)
		}
		if len(r.Evidence) > 3*maxEvidence || !utf8.ValidString(r.Evidence) {
			t.Errorf("evidence of %s: %q", r.Name, r.Evidence)
		}
		if r.Source == sourceRule && utf8.ValidString(m.Subject+m.NewText) && !strings.Contains(m.Subject, r.Evidence) && !strings.Contains(m.NewText, r.Evidence) {
			t.Errorf("evidence of %s is not in the mail: %q", r.Name, r.Evidence)
		}
	}
	if again := c.Classify(m, mailbox); !reflect.DeepEqual(out, again) {
		t.Errorf("a second call differs:\n%v\n%v", out, again)
	}
	return out
}

func TestNoEvidence(t *testing.T) {
	t.Parallel()
	c := defaultClassifier(t)
	for _, x := range []struct {
		mailbox string
		want    ticket.Type
	}{{"soporte", ticket.Incidente}, {"pqrsa", ticket.Peticion}, {"otro", ticket.Peticion}} {
		for _, text := range []string{"", "hola", "   \n\n", "URGENTE!!!", "\xff\xfe"} {
			out := checkValid(t, sampleMail("", text), x.mailbox, c)
			if out.Type != x.want || out.Priority != ticket.Media || !out.Review {
				t.Errorf("%s, %q: %s %d review %v; want %s 3 true", x.mailbox, text, out.Type, out.Priority, out.Review, x.want)
			}
		}
	}
}

func TestDecisions(t *testing.T) {
	t.Parallel()
	c := defaultClassifier(t)
	for _, x := range []struct {
		name, mailbox, from, subject, text string
		typ                                ticket.Type
		priority                           ticket.Priority
		term                               ticket.TermCode
	}{
		{"seal of a bank is no authority", "soporte", "", "usuario", "Favor crear usuario para la nueva funcionaria de caja.\n\nBanco X\nVIGILADO Superintendencia Financiera de Colombia", ticket.Requerimiento, 3, ticket.TermRequerimiento},
		{"disclaimer asks nothing", "soporte", "", "lector", "El lector de mi equipo no prende desde ayer, con el otro estamos atendiendo.\n\nAVISO LEGAL: cualquier reclamo sobre habeas data o tutela va a la Superintendencia.", ticket.Incidente, 3, ticket.TermIncidente},
		{"shouting raises nothing", "soporte", "", "URGENTE URGENTE", "CÓMO HAGO PARA CAMBIAR LA CLAVE DEL PORTAL??? URGENTE", ticket.Requerimiento, 4, ticket.TermRequerimiento},
		{"tutela order", "pqrsa", "secretaria@cendoj.ramajudicial.gov.co", "Tutela", "El juzgado admitió la acción de tutela y concede el término de 24 horas para rendir informe y allegar los registros.", ticket.Peticion, 1, ticket.TermTutela},
		{"authority asks", "pqrsa", "requerimientos@sic.gov.co", "Requerimiento de información", "En ejercicio de las facultades legales, sírvase remitir copia de las autorizaciones dentro de los diez días siguientes.", ticket.Peticion, 2, ticket.TermAutoridad},
		{"tutela announced", "pqrsa", "", "copias", "Les pedí copia de mi contrato y sigue sin respuesta. Si no llega, interpongo acción de tutela.", ticket.Peticion, 2, ticket.TermPeticionDocumentos},
		{"documents", "pqrsa", "", "certificado", "Solicito se me expida copia del certificado de mi autenticación.", ticket.Peticion, 3, ticket.TermPeticionDocumentos},
		{"data subject asks", "pqrsa", "", "mis datos", "En ejercicio de mis derechos como titular pido que me informen qué datos míos guardan.", ticket.Peticion, 3, ticket.TermHabeasConsulta},
		{"data subject claims", "pqrsa", "", "datos", "Solicito la supresión de mis datos y de mi huella; no autoricé ese uso.", ticket.Reclamo, 3, ticket.TermHabeasReclamo},
		{"queja", "pqrsa", "", "Reclamo", "La asesora fue grosera, se burló de mí y me colgó. El trámite ya quedó resuelto; exijo una disculpa.", ticket.Queja, 3, ticket.TermQueja},
	} {
		t.Run(x.name, func(t *testing.T) {
			m := sampleMail(x.subject, x.text)
			if x.from != "" {
				m.From.Address = x.from
			}
			out := checkValid(t, m, x.mailbox, c)
			if out.Type != x.typ || out.Priority != x.priority || out.Term != x.term {
				t.Errorf("%s %d %s; want %s %d %s", out.Type, out.Priority, out.Term, x.typ, x.priority, x.term)
				for _, r := range out.Reasons {
					t.Logf("%+.1f %s %q", r.Weight, r.Name, r.Evidence)
				}
			}
		})
	}
}

// TestConcurrent holds that answers do not depend on what was asked before or
// beside; the race detector watches.
func TestConcurrent(t *testing.T) {
	t.Parallel()
	c := defaultClassifier(t)
	samples := readSamples(t, "testdata/corpus.jsonl")
	want := make([]ticket.Classification, len(samples))
	for i := range samples {
		want[i] = defaultClassifierOnce(t, c, &samples[i])
	}
	var group sync.WaitGroup
	for g := range 4 {
		group.Go(func() {
			for n := range samples {
				i := (n*7 + g*31) % len(samples)
				if got := c.Classify(samples[i].mail(), samples[i].Mailbox); !reflect.DeepEqual(got, want[i]) {
					t.Errorf("%s differs when run beside others", samples[i].ID)
				}
			}
		})
	}
	group.Wait()
}

func defaultClassifierOnce(t *testing.T, c *Classifier, s *sample) ticket.Classification {
	t.Helper()
	return checkValid(t, s.mail(), s.Mailbox, c)
}

// TestWorkIsBounded feeds texts made to repeat the openings of phrases.
func TestWorkIsBounded(t *testing.T) {
	t.Parallel()
	c := defaultClassifier(t)
	for _, word := range []string{"no ", "no se me ", "ninguna de ", "se ", "a", "\n> ", "\"", "¿?", "#1 ", "é"} {
		checkValid(t, sampleMail(strings.Repeat(word, 10_000), strings.Repeat(word, 400_000/len(word))), "soporte", c)
	}
}

func FuzzClassify(f *testing.F) {
	c := defaultClassifier(f)
	for _, s := range readSamples(f, "testdata/own.jsonl") {
		f.Add(s.Subject, s.Body, s.From, s.Mailbox)
	}
	f.Add("", "AVISO LEGAL\x00\xff\"«»", "a@b@c", "")
	f.Fuzz(func(t *testing.T, subject, text, from, mailbox string) {
		m := &ticket.Mail{Subject: subject, NewText: text, From: ticket.Address{Address: from}}
		checkValid(t, m, mailbox, c)
	})
}

func BenchmarkClassify(b *testing.B) {
	c := defaultClassifier(b)
	var text strings.Builder
	for _, s := range readSamples(b, "testdata/corpus.jsonl") {
		if text.WriteString(s.Body + "\n\n"); text.Len() >= 5000 {
			break
		}
	}
	m := sampleMail("Solicitud", text.String()[:5000])
	b.SetBytes(5000)
	b.ReportAllocs()
	for b.Loop() {
		c.Classify(m, "soporte")
	}
}

func BenchmarkDefault(b *testing.B) {
	for b.Loop() {
		defaultClassifier(b)
	}
}
