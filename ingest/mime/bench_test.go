package mime

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/jhillyerd/enmime/v2"
)

func benchMails() map[string][]byte {
	text := strings.Repeat("El señor usuario no puede autenticarse con su huella en la oficina.\n", 60)
	small := "From: Ana =?utf-8?Q?P=C3=A9rez?= <ana@banco.example>\nTo: soporte.huella@certicamara.com\nSubject: falla\n" +
		"Date: Tue, 3 Mar 2026 14:05:00 -0500\nMessage-ID: <1@banco.example>\nContent-Type: text/plain; charset=utf-8\n\n" + text[:1000] + "\n"
	multi := "From: ana@banco.example\nTo: soporte.huella@certicamara.com\nSubject: RE: falla\nDate: Tue, 3 Mar 2026 14:05:00 -0500\n" +
		"MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=m\n\n--m\nContent-Type: multipart/alternative; boundary=a\n\n" +
		"--a\nContent-Type: text/plain; charset=utf-8\n\n" + text + "\n--a\nContent-Type: text/html; charset=utf-8\n\n<p>" +
		strings.ReplaceAll(text, "\n", "</p>\n<p>") + "</p>\n--a--\n--m\nContent-Type: application/pdf; name=a.pdf\n" +
		"Content-Transfer-Encoding: base64\n\n" + strings.Repeat(strings.Repeat("QUJD", 19)+"\n", 100) + "--m--\n"
	r, _ := bigMail(1 << 20)
	big, _ := io.ReadAll(r)
	return map[string][]byte{"small": []byte(small), fmt.Sprintf("multipart-%dkB", len(multi)>>10): []byte(multi), "attachment-1MB": big}
}

func BenchmarkParse(b *testing.B) {
	parser := enmime.NewParser(enmime.DisableCharacterDetection(true), enmime.DisableTextConversion(true))
	for name, mail := range benchMails() {
		b.Run(name+"/radicado", func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(mail)))
			for b.Loop() {
				if _, err := Parse(bytes.NewReader(mail), Options{}); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/enmime", func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(mail)))
			for b.Loop() {
				if _, err := parser.ReadEnvelope(bytes.NewReader(mail)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
