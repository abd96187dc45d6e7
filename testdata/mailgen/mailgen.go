// Package mailgen writes mails for benchmarks and load tests: a mix like a
// desk's, the same for the same seed: 60 % short texts, 25 % HTML of 20 to 60 kB,
// 12 % with an attachment and 0.1 to 1 MB, 3 % with a scan and 5 to 15 MB. The
// sizes are those of the mails, in base64.
package mailgen

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"time"
)

// start is the receipt time of the first mail; each further one comes a minute
// later.
var start = time.Date(2026, 7, 1, 8, 0, 0, 0, time.FixedZone("", -5*60*60))

// Received returns the receipt time of the n-th mail.
func Received(n int) time.Time { return start.Add(time.Duration(n) * time.Minute) }

// Write writes the n-th mail of a seed. Equal arguments give equal bytes.
func Write(w io.Writer, seed uint64, n int) error {
	r := rand.New(rand.NewPCG(seed, uint64(n)))
	switch p := r.IntN(100); {
	case p < 60:
		return writeMail(w, r, n, 0, 0)
	case p < 85:
		return writeMail(w, r, n, 20_000+r.IntN(40_000), 0)
	case p < 97:
		return writeMail(w, r, n, 0, decoded(100_000+r.IntN(900_000)))
	}
	return writeMail(w, r, n, 0, decoded(5_000_000+r.IntN(10_000_000)))
}

// decoded returns how many bytes become so many in base64 with CRLF every 76.
func decoded(encoded int) int { return encoded / 78 * 57 }

// WriteText writes the n-th mail of a seed as a short text.
func WriteText(w io.Writer, seed uint64, n int) error {
	return writeMail(w, rand.New(rand.NewPCG(seed, uint64(n))), n, 0, 0)
}

// WriteAttachment writes the n-th mail of a seed with an attachment of so many
// decoded bytes.
func WriteAttachment(w io.Writer, seed uint64, n, size int) error {
	return writeMail(w, rand.New(rand.NewPCG(seed, uint64(n))), n, 0, size)
}

func writeMail(w io.Writer, r *rand.Rand, n, html, attachment int) error {
	b := bufio.NewWriterSize(w, 64<<10)
	at := Received(n)
	who := pick(r, people)
	company := pick(r, companies)
	fmt.Fprintf(b, "Return-Path: <%s@%s.example.org>\r\n", who[1], company[1])
	fmt.Fprintf(b, "Received: from mail.%s.example.org by mx.example.com with ESMTPS id g%d;\r\n\t%s\r\n", company[1], n, at.Format(time.RFC1123Z))
	fmt.Fprintf(b, "Message-ID: <gen-%d-%d@%s.example.org>\r\n", n, r.Uint32(), company[1])
	fmt.Fprintf(b, "Date: %s\r\n", at.Add(-3*time.Second).Format(time.RFC1123Z))
	fmt.Fprintf(b, "From: %s <%s@%s.example.org>\r\n", who[0], who[1], company[1])
	fmt.Fprintf(b, "To: soporte@example.com\r\n")
	fmt.Fprintf(b, "Subject: %s %d\r\nMIME-Version: 1.0\r\n", pick(r, subjects), n)
	text := writeText(r, who[0], company[0])
	switch {
	case attachment > 0:
		const boundary = "=_radicado_gen_mixed"
		fmt.Fprintf(b, "Content-Type: multipart/mixed; boundary=\"%s\"\r\n\r\n--%s\r\n", boundary, boundary)
		writeTextPart(b, text)
		fmt.Fprintf(b, "\r\n--%s\r\nContent-Type: image/jpeg; name=\"escaneo-%d.jpg\"\r\nContent-Disposition: attachment; filename=\"escaneo-%d.jpg\"\r\nContent-Transfer-Encoding: base64\r\n\r\n", boundary, n, n)
		writeBase64(b, r, attachment)
		fmt.Fprintf(b, "\r\n--%s--\r\n", boundary)
	case html > 0:
		const boundary = "=_radicado_gen_alternative"
		fmt.Fprintf(b, "Content-Type: multipart/alternative; boundary=\"%s\"\r\n\r\n--%s\r\n", boundary, boundary)
		writeTextPart(b, text)
		fmt.Fprintf(b, "\r\n--%s\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n<html><body>", boundary)
		for n := 0; n < html; {
			line := "<p style=\"margin:0;font-family:Calibri,sans-serif;font-size:11pt\">" + pick(r, sentences) + "</p>\r\n"
			n += len(line)
			b.WriteString(line)
		}
		fmt.Fprintf(b, "</body></html>\r\n--%s--\r\n", boundary)
	default:
		writeTextPart(b, text)
	}
	return b.Flush()
}

func writeTextPart(b *bufio.Writer, text string) {
	fmt.Fprintf(b, "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n%s\r\n", text)
}

func writeText(r *rand.Rand, who, company string) string {
	var s strings.Builder
	s.WriteString("Buenos días,\r\n\r\n")
	for range 3 + r.IntN(8) {
		s.WriteString(pick(r, sentences) + "\r\n")
	}
	fmt.Fprintf(&s, "\r\nCordialmente,\r\n%s\r\n%s\r\n", who, company)
	return s.String()
}

// writeBase64 writes random bytes, as incompressible as a scan, in lines of 76.
func writeBase64(b *bufio.Writer, r *rand.Rand, size int) {
	var raw [57]byte
	var line [76]byte
	for size > 0 {
		n := min(size, len(raw))
		for i := 0; i < n; i += 8 {
			v := r.Uint64()
			for j := i; j < min(i+8, n); j++ {
				raw[j] = byte(v)
				v >>= 8
			}
		}
		enc := line[:base64.StdEncoding.EncodedLen(n)]
		base64.StdEncoding.Encode(enc, raw[:n])
		b.Write(enc)
		b.WriteString("\r\n")
		size -= n
	}
}

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

var (
	people    = [][2]string{{"Ana Muñoz", "amunoz"}, {"Luis Peña", "lpena"}, {"Zoraida Ibáñez", "zibanez"}, {"Iván Rincón", "irincon"}, {"Nohora Güiza", "nguiza"}}
	companies = [][2]string{{"Banco de la Ceiba", "bancoceiba"}, {"Notaría 85", "notaria85"}, {"Telco Andina", "telcoandina"}, {"Cooperativa El Trébol", "eltrebol"}}
	subjects  = []string{"El lector no captura la huella", "Creación de usuario", "Consulta sobre factura", "No hay servicio en la oficina", "Solicitud de certificado", "Demora en el cotejo"}
	sentences = []string{
		"Desde esta mañana el lector de la caja dos no captura la huella de los clientes.",
		"El aplicativo muestra el código 5003 y después se cierra.",
		"Ya reiniciamos el equipo y cambiamos el cable, pero sigue igual.",
		"Agradecemos su pronta gestión, pues hay clientes que esperan en la oficina.",
		"Por favor crear el usuario de la funcionaria que ingresa el lunes.",
		"Adjunto envío el documento que nos solicitaron en la llamada.",
		"Quisiéramos saber cuándo estará disponible el reporte del mes pasado.",
		"La factura trae un cobro que no corresponde a las transacciones del periodo.",
		"El señor notario pregunta si la ventana de mantenimiento afecta el servicio.",
		"Quedamos atentos a sus comentarios y al número de radicado.",
	}
)
