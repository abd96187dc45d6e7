package mime

import (
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseDate(t *testing.T) {
	for in, want := range map[string]string{
		"Tue, 3 Mar 2026 14:05:09 -0500":         "2026-03-03T14:05:09-05:00",
		"3 Mar 26 14:05 EST":                     "2026-03-03T14:05:00-05:00",
		"Tue, 03 Mar 2026 14:05:09 +0000 (UTC)":  "2026-03-03T14:05:09Z",
		"Tue, 3 Mar 2026 14:05:09 GMT":           "2026-03-03T14:05:09Z",
		"Tue, 3 Mar 2026 2:05:09 PM -0500":       "2026-03-03T14:05:09-05:00",
		"mar, 3 mar 2026 14:05:09 -0500":         "2026-03-03T14:05:09-05:00",
		"2026-03-03T14:05:09-05:00":              "2026-03-03T14:05:09-05:00",
		"Tue (martes), 3 (tres) Mar 2026 14:05Z": "2026-03-03T14:05:00Z",
		"03-Mar-2026 14:05:09-0500":              "2026-03-03T14:05:09-05:00",
		"Tue, 3 Mar 1999 14:05:60 PDT":           "1999-03-03T14:05:59-07:00",
		"Tue, 3 Mar 99 14:05:00 +0530":           "1999-03-03T14:05:00+05:30",
		"Tue Mar  3 14:05:09 2026":               "2026-03-03T14:05:09Z",
		"Tue, 3 Mar 2026 14:05:09 +9900":         "2026-03-03T14:05:09Z",
		"31 Feb 2026 10:00:00 -0500":             "",
		"ayer":                                   "",
		"Tue, 3 Mar 2026":                        "",
		"":                                       "",
	} {
		got := ""
		if d, ok := parseDate(in); ok {
			got = d.Format(time.RFC3339)
		}
		if got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestAddressList(t *testing.T) {
	for in, want := range map[string]string{
		`Ana <ana@X.CO>`:                         `Ana <ana@x.co>`,
		`Pérez, Ana <ana@x.co>`:                  `Pérez, Ana <ana@x.co>`,
		`"Pérez, Ana" <ana@x.co>, luis@y.co`:     `Pérez, Ana <ana@x.co>|luis@y.co`,
		`ana@x.co (Ana Gómez)`:                   `Ana Gómez <ana@x.co>`,
		`<ana@x.co.>`:                            `ana@x.co`,
		`ana@x.co; luis@y.co;`:                   `ana@x.co|luis@y.co`,
		`undisclosed-recipients:;`:               ``,
		`'Ana' <ana@x.co>`:                       `Ana <ana@x.co>`,
		`"ana@x.co" <ana@x.co>`:                  `ana@x.co <ana@x.co>`,
		`ana@x.co <ana@x.co>`:                    `ana@x.co <ana@x.co>`,
		`Ana Gómez ana@x.co`:                     `Ana Gómez <ana@x.co>`,
		`=?utf-8?Q?P=C3=A9rez=2C_Ana?= <a@x.co>`: `Pérez, Ana <a@x.co>`,
		`Ana [Banco] <ana@x.co>`:                 `Ana [Banco] <ana@x.co>`,
		`"Ana <ana@x.co>`:                        `Ana <ana@x.co>`,
		`<mailto:ana@x.co>`:                      `ana@x.co`,
		`nadie`:                                  ``,
		`Ana@Banco`:                              `Ana@banco`,
	} {
		var got []string
		for _, a := range parseAddressList(in) {
			got = append(got, a.String())
		}
		if g := strings.Join(got, "|"); g != want {
			t.Errorf("%s: %q, want %q", in, g, want)
		}
	}
}

func TestDecodeWords(t *testing.T) {
	for in, want := range map[string]string{
		"=?UTF-8?B?c2XDsW9y?=":                 "señor",
		"=?iso-8859-1?q?se=F1or?=":             "señor",
		"=?utf-8?Q?=C3=B1?=":                   "ñ",
		"=?utf-8?Q?se=C3?= =?utf-8?Q?=B1or?=":  "señor",
		"Re: =?utf-8?Q?hola mundo?= fin":       "Re: hola mundo fin",
		"=?utf-8*es?Q?a=C3=B1o?=":              "año",
		"=?utf-8?B?c2XDsW9y":                   "señor",
		"=?windows-1252?Q?=93no=94?=":          "“no”",
		"=?utf-8?Q?a?= =?iso-8859-1?Q?=F1?= b": "añ b",
		"=?utf-8?Q?a?=b=?utf-8?Q?c?=":          "abc",
		"=?nada":                               "=?nada",
		"a =?= b":                              "a =?= b",
		"=?utf-8?X?abc?=":                      "=?utf-8?X?abc?=",
		"=?utf-8?Q?=0D=0ABcc:_x?=":             "Bcc: x",
		"se\xf1or":                             "señor",
		"=?utf-8?Q?=C2=BFcu=C3=A1l=3F?= =?utf-8?Q?_s=C3=AD?=": "¿cuál? sí",
	} {
		if got := decodeWords(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestTransferDecoding(t *testing.T) {
	for _, c := range []struct {
		encoding, in, want string
		illegal, cut       bool
	}{
		{"base64", "SG9s\r\nYQ==\r\n", "Hola", false, false},
		{"BASE64", " SG9s\tYQ== ", "Hola", false, false},
		{"base64", "SG!9s*YQ==", "Hola", true, false},
		{"base64", "SG9sYQ", "Hola", false, true},
		{"base64", "SG9sYQ==\nSG9sYQ==\n", "HolaHola", false, false},
		{"base64", "SG9sYQ==\n--\nRevisado por el antivirus\n", "Hola", true, false},
		{"quoted-printable", "se=C3=B1or =\r\nsigue  \r\nfin=3D", "señor sigue\r\nfin=", false, false},
		{"quoted-printable", "a=ZZb", "a=ZZb", true, false},
		{"quoted-printable", "a=C3", "a\xc3", false, false},
		{"quoted-printable", "a=C", "a", false, true},
		{"quoted-printable", strings.Repeat("x", 5000) + "=C3=B1", strings.Repeat("x", 5000) + "ñ", false, false},
		{"7bit", "a=C3", "a=C3", false, false},
	} {
		r, d, unknown := transferDecoder(c.encoding, strings.NewReader(c.in))
		got, err := io.ReadAll(r)
		if err != nil || unknown || string(got) != c.want {
			t.Errorf("%s %q: %q %v, want %q", c.encoding, c.in, got, err, c.want)
		}
		if d != nil && (d.illegal != c.illegal || d.cut != c.cut) {
			t.Errorf("%s %q: illegal %v cut %v", c.encoding, c.in, d.illegal, d.cut)
		}
	}
}

func TestMediaType(t *testing.T) {
	for in, want := range map[string]string{
		`text/Plain; charset="utf-8"`:                 `text/plain {"charset":"utf-8"}`,
		`text/plain; charset=utf-8 (comentario);`:     `text/plain {"charset":"utf-8"}`,
		`image/png; name=foto del año.png`:            `image/png {"name":"foto del año.png"}`,
		`a/b; name="C:\dir\x;y.pdf"; name=z`:          `a/b {"name":"C:\\dir\\x;y.pdf"}`,
		`a/b; name*=utf-8''a%C3%B1o.pdf; name=x`:      `a/b {"name":"año.pdf"}`,
		`a/b; name*1=o.pdf; name*0*=iso-8859-1''a%F1`: `a/b {"name":"año.pdf"}`,
		``:  ` null`,
		`;`: ` null`,
	} {
		m := parseMediaType(in)
		p, _ := json.Marshal(m.params)
		if got := m.name + " " + string(p); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

func TestHTMLText(t *testing.T) {
	for in, want := range map[string]string{
		"a<br>b<br><br>c":  "a\nb\n\nc",
		"<p>a</p><p>b</p>": "a\n\nb",
		"<p class=MsoNormal>a</p><p class=MsoNormal>b": "a\nb",
		"a</p><br>c":                                            "a\n\nc",
		"<pre>a\n  b</pre>":                                     "a\n  b",
		"se&ntilde;or &amp; Cía&nbsp;":                          "señor & Cía",
		"<style>x</style><svg><text>n</text></svg>a":            "a",
		"<head><title>t<body>a":                                 "",
		`<a href="https://x.example/">x.example</a>`:            "x.example",
		`<a href="javascript:alert(1)">ver</a>`:                 "ver",
		"<blockquote>a<blockquote>b</blockquote></blockquote>c": "> a\n\n>> b\n\nc",
		"<div>a</div><div><br></div><div>b</div>":               "a\n\nb",
		`<p hidden style="display: none">x</p>y`:                "y",
		`<img alt="😀"><img alt="logotipo">`:                     "😀",
	} {
		if got := htmlText(in); got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
}

func TestNewText(t *testing.T) {
	reply := "RE: Falla"
	for name, c := range map[string]struct{ text, subject, want string }{
		"zimbra":          {"Sigue igual.\n\n----- Mensaje original -----\nDe: \"Soporte\" <s@c.co>\nPara: \"Ana\" <a@b.co>\nEnviados: Martes, 3 de Marzo 2026 14:05:00\nAsunto: Falla\n\nReinicie", reply, "Sigue igual."},
		"new mac":         {"Sigue igual.\n\nDe: Soporte <s@c.co>\nFecha: martes, 3 de marzo de 2026, 2:05 p.\u00a0m.\nPara: Ana <a@b.co>\nCC: \nAsunto: Re: Falla\n\nReinicie", reply, "Sigue igual."},
		"no accents":      {"Sigue igual.\n\nEl mar., 3 mar. 2026 a las 14:05, Soporte <s@c.co> escribio:\n\nReinicie", reply, "Sigue igual."},
		"portuguese":      {"Segue igual.\n\nDe: Suporte <s@c.co>\nEnviada em: terça-feira, 3 de março de 2026 14:05\nPara: Ana\nAssunto: RES: Falha\n\nReinicie", "RES: Falha", "Segue igual."},
		"english outlook": {"Same.\n\nFrom: Support <s@c.co>\nSent: Tuesday, March 3, 2026 2:05 PM\nTo: Ana\nSubject: RE: Fault\n\nRestart", reply, "Same."},
		"wrapped thrice":  {"Igual.\n\nEl mar, 3 mar 2026 a la(s) 2:05\u202fp.\u00a0m., Mesa de Ayuda de Soporte\nHuella Certicámara (\nsoporte.huella@certicamara.com) escribió:\n\n> Reinicie", reply, "Igual."},
		"name first":      {"Igual.\n\nSoporte <s@c.co> escribió el 3/3/26 14:05:\n> Reinicie", reply, "Igual."},
		"unmarked below":  {"El mar, 3 mar 2026 a las 14:05, Soporte <s@c.co> escribió:\n\nReinicie.\n\nYa reinicié.", reply, "Reinicie.\n\nYa reinicié."},
		"changed subject": {"De: Cliente <c@x.co>\nEnviado: lunes, 2 de marzo de 2026\nPara: Ana\nAsunto: Reclamo\n\nExijo respuesta.", "Reclamo de cliente", "De: Cliente <c@x.co>\nEnviado: lunes, 2 de marzo de 2026\nPara: Ana\nAsunto: Reclamo\n\nExijo respuesta."},
		"disclaimers":     {"Falla.\n\nLa información contenida en este mensaje es confidencial y de uso exclusivo del destinatario.\n\nAntes de imprimir este correo piense en el medio ambiente.\n\nVIGILADO SUPERINTENDENCIA FINANCIERA DE COLOMBIA", "Falla", "Falla."},
		"content is not":  {"El contenido de este certificado es erróneo.\n\nEste mensaje de error sale siempre: 5003.", "Falla", "El contenido de este certificado es erróneo.\n\nEste mensaje de error sale siempre: 5003."},
		"data below":      {"Crear usuario.\n\nSaludos\n\nNombre: Ana\nCorreo: ana@b.co\nTel 3001234567", "Usuario", "Crear usuario.\n\nSaludos\n\nNombre: Ana\nCorreo: ana@b.co\nTel 3001234567"},
		"labels in prose": {"De: la sede norte\nPara: la sede sur\nse cambió el lector.", "Traslado", "De: la sede norte\nPara: la sede sur\nse cambió el lector."},
		"only disclaimer": {"AVISO LEGAL: este mensaje es confidencial.", "", "AVISO LEGAL: este mensaje es confidencial."},
		"caution text":    {"Atención: el correo de los usuarios no llega.", "Falla", "Atención: el correo de los usuarios no llega."},
	} {
		t.Run(name, func(t *testing.T) {
			got := newText(c.text, c.subject)
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
			if again := newText(got, c.subject); again != got {
				t.Errorf("not idempotent: %q", again)
			}
		})
	}
}

// TestFoldLatin: the short way folds as the long one does.
func TestFoldLatin(t *testing.T) {
	for r := rune(0); r < 0x180; r++ {
		s := "é" + string(r) + "y"
		short, ok := foldLatin(s)
		if long := foldFull(s); ok && short != long {
			t.Errorf("%q: %q, in full %q", s, short, long)
		}
	}
}
