package classify

import (
	"strings"
	"testing"

	"radicado/ticket"
)

// matching is a rules file with one rule, for the matcher's tests.
func matching(t testing.TB, rule string) *Classifier {
	t.Helper()
	c, err := Load(strings.NewReader(`
[decision]
type_temperature = 1.0
priority_temperature = 1.0
subject_weight = 0.5
[words]
negators = ["no", "sin", "ni", "nunca"]
negation_reach = 4
turners = ["pero", "que", "y"]
no_negation_before = ["solo"]
[forms]
poder = ["puedo", "puede", "pudo"]
reclamo = ["reclamos"]
[groups]
falla = ["no funciona", "caído"]
persona = ["asesor", "técnico"]
[[ignore]]
phrases = ["^ aviso legal"]
extent = "paragraph"
[[ignore]]
phrases = ["vigilado superintendencia"]
[[rule]]
name = "r"
type = { queja = 2.0 }
` + rule))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestMatcher(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		name, rule, subject, text string
		want                      bool
	}{
		{"stem: conjugation", `any = ["cobrar"]`, "", "me cobraron dos veces", true},
		{"stem: accents left out", `any = ["apelación"]`, "", "presento apelacion", true},
		{"stem: accents in the mail only", `any = ["apelacion"]`, "", "presento apelación", true},
		{"stem: exception list", `any = ["reclamo"]`, "", "dos reclamos", true},
		{"stem: irregular form", `any = ["poder"]`, "", "ella puede", true},
		{"fold: case", `any = ["lector"]`, "", "EL LECTOR", true},
		{"fold: ñ", `any = ["daño"]`, "", "un dano grave", true},
		{"exact form", `any = ["=sería"]`, "", "eres", false},
		{"exact form, folded", `any = ["=sería"]`, "", "seria bueno", true},
		{"prefix", `any = ["grit*"]`, "", "a gritos", true},
		{"word inside another", `any = ["red"]`, "", "redes", true},
		{"no match inside a word", `any = ["red"]`, "", "enredado", false},
		{"phrase", `any = ["fuera de servicio"]`, "", "quedó fuera de servicio", true},
		{"phrase: order", `any = ["fuera de servicio"]`, "", "servicio de fuera", false},
		{"phrase: sentence's end", `any = ["fuera servicio"]`, "", "Estoy fuera. Servicio normal", false},
		{"phrase: a.m. ends no sentence", `any = ["las ..3 ninguna"]`, "", "desde las 7 a.m. ninguna abre", true},
		{"phrase: abbreviation", `any = ["ing buenos"]`, "", "Ing. buenos días", true},
		{"gap", `any = ["ninguna ..4 abre"]`, "", "ninguna de nuestras 64 oficinas abre", true},
		{"gap: too far", `any = ["ninguna ..3 abre"]`, "", "ninguna de nuestras 64 oficinas abre", false},
		{"wildcard", `any = ["la * norte"]`, "", "en la sede norte", true},
		{"wildcard takes one", `any = ["la * norte"]`, "", "la norte", false},
		{"alternatives of words and phrases", `any = ["pido (hoja de ruta|plan) ya"]`, "", "pido la", false},
		{"alternatives: the phrase", `any = ["pido (hoja de ruta|plan) ya"]`, "", "pido hoja de ruta ya", true},
		{"alternatives: the word", `any = ["pido (hoja de ruta|plan) ya"]`, "", "pido plan ya", true},
		{"number", `any = ["# puestos"]`, "", "los 5 puestos", true},
		{"number: least", `any = ["#2+ puestos"]`, "", "el 1 puestos", false},
		{"sign", `any = ["$ #"]`, "", "por $ 1.200", true},
		{"opening", `any = ["^ apelo"]`, "", "No. Apelo la negativa", true},
		{"opening: not inside", `any = ["^ apelo"]`, "", "yo apelo", false},
		{"group", `any = ["@falla"]`, "", "está caido", true},
		{"group in a phrase", `any = ["(@persona) ..2 tarde"]`, "", "el técnico llegó tarde", true},
		{"English", `any = ["en: charge"]`, "", "I was charged twice", true},
		{"English: apostrophe", `any = ["en: can't log"]`, "", "we can’t log in", true},

		{"negation", `any = ["queja"]`, "", "no es una queja", false},
		{"negation: out of reach", `any = ["queja"]`, "", "no sé por qué motivo exacto tengo queja", true},
		{"negation: another clause", `any = ["queja"]`, "", "no funciona, queja", true},
		{"negation: turned", `any = ["queja"]`, "", "no apelo pero queja", true},
		{"negation: no solo", `any = ["queja"]`, "", "no solo queja", true},
		{"negation in the phrase itself", `any = ["no funciona"]`, "", "no funciona", true},
		{"negated only", "any = [\"queja\"]\nnegated = \"only\"", "", "sin ánimo de queja", true},
		{"negated either", "any = [\"queja\"]\nnegated = \"either\"", "", "sin queja", true},
		{"no la he olvidado", `any = ["olvidar"]`, "", "No la he olvidado", false},

		{"field: subject", "any = [\"queja\"]\nfield = \"subject\"", "Queja", "texto", true},
		{"field: text only", "any = [\"queja\"]\nfield = \"new_text\"", "Queja", "texto", false},
		{"all", `all = ["lector", "roto"]`, "", "el lector. Está roto", true},
		{"all in a sentence", "all = [\"lector\", \"roto\"]\nwithin = \"sentence\"", "", "el lector. Está roto", false},
		{"near", "all = [\"lector\", \"roto\"]\nnear = 2", "", "roto quedó ese lector", true},
		{"near: too far", "all = [\"lector\", \"roto\"]\nnear = 2", "", "roto quedó ayer todo ese lector", false},
		{"not", "any = [\"lector\"]\nnot = [\"nuevo\"]", "", "un lector nuevo", false},
		{"not in the sentence", "any = [\"lector\"]\nnot = [\"nuevo\"]\nwithin = \"sentence\"", "", "un lector. Nuevo día", true},
		{"others' words", `any = ["improcedente"]`, "", `dice "reclamo improcedente ya"`, false},
		{"others' words wanted", "any = [\"improcedente\"]\nquoted = true", "", `dice "reclamo improcedente ya"`, true},
		{"quoted line", `any = ["queja"]`, "", "hola\n> queja", false},
		{"disclaimer", `any = ["reclamo"]`, "", "hola.\n\nAVISO LEGAL: es confidencial. Cualquier reclamo va allá.", false},
		{"after the disclaimer", `any = ["reclamo"]`, "", "AVISO LEGAL: es confidencial.\n\nTengo un reclamo", true},
		{"seal", `any = ["superintendencia"]`, "", "VIGILADO Superintendencia Financiera de Colombia", false},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			c := matching(t, x.rule)
			out := c.Classify(&ticket.Mail{Subject: x.subject, NewText: x.text}, "soporte")
			if got := len(out.Reasons) > 0; got != x.want {
				t.Errorf("rule %s on %q / %q: held %v, want %v", x.rule, x.subject, x.text, got, x.want)
			}
		})
	}
}

func TestSubjectWeighsLess(t *testing.T) {
	t.Parallel()
	c := matching(t, `any = ["queja"]`)
	in := c.Classify(&ticket.Mail{Subject: "queja"}, "x").Reasons[0].Weight
	both := c.Classify(&ticket.Mail{Subject: "queja", NewText: "mi queja"}, "x").Reasons[0].Weight
	if in != 1 || both != 2 {
		t.Errorf("weights %v in the subject, %v in the text; want 1 and 2", in, both)
	}
}

func TestSenderAndAttachment(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		rule string
		mail ticket.Mail
		want bool
	}{
		{`sender = ["*.gov.co"]`, ticket.Mail{From: ticket.Address{Address: "a@sic.gov.co"}}, true},
		{`sender = ["*.gov.co"]`, ticket.Mail{From: ticket.Address{Address: "a@gov.co"}}, true},
		{`sender = ["*.gov.co"]`, ticket.Mail{From: ticket.Address{Address: "a@xgov.co"}}, false},
		{`sender = ["*.gov.co"]`, ticket.Mail{From: ticket.Address{Address: "a@gov.co.example.org"}}, false},
		{`attachment = ["(?i)tutela"]`, ticket.Mail{Attachments: []ticket.Attachment{{Filename: "TUTELA 12.pdf"}}}, true},
		{`attachment = ["(?i)tutela"]`, ticket.Mail{}, false},
		{"mailbox = [\"pqrsa\"]", ticket.Mail{}, false},
		{"mailbox = [\"soporte\"]", ticket.Mail{}, true},
	} {
		if got := len(matching(t, x.rule).Classify(&x.mail, "soporte").Reasons) > 0; got != x.want {
			t.Errorf("%s on %v: %v, want %v", x.rule, x.mail.From, got, x.want)
		}
	}
}
