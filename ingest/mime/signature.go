package mime

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

const (
	signatureLines = 20 // below a "--"; more is no signature
	closingLines   = 14 // below "Cordialmente,"
	maxDisclaimers = 20 // paragraphs of one stretch of text that are weighed
)

var (
	mobileFooter = regexp.MustCompile(`^(enviado desde (mi|el|un) (iphone|ipad|ipod|samsung|huawei|xiaomi|redmi|poco|motorola|moto|lg|oppo|vivo|honor|realme|nokia|celular|telefono|dispositivo|smartphone|galaxy|android|movil|blackberry|tablet|mac|windows|correo movil)` +
		`|enviado desde (yahoo|outlook|correo para|mail para|gmail|samsung|android|iphone|proton|typeapp|bluemail|myma)` +
		`|enviado con (proton|gmail|mailspring|bluemail|airmail)` +
		`|(obtener|obtenga|descargar|descarga|consiga) (outlook|bluemail|typeapp)` +
		`|get outlook for|get bluemail|sent from (my|mail for|outlook|yahoo|proton|samsung|a mobile)|sent with proton|sent via (the )?samsung` +
		`|enviado (do|a partir do) (meu|outlook|yahoo|iphone|samsung)|(obter|baixe) o outlook)`)

	vigilado = regexp.MustCompile(`^"?(entidad )?vigilad[oa]( por)?( la)?:? *(superintendencia|superfinanciera|supersolidaria|supersociedades|mintic|ministerio)?`)

	strongDisclaimer = regexp.MustCompile(`^[-_=#~" ]*(aviso legal|aviso de confidencialidad|aviso de privacidad|confidencialidad ?:|nota confidencial|nota de confidencialidad|clausula de confidencialidad|advertencia de confidencialidad|informacion confidencial ?:|si usted no es el destinatario|si no es usted el destinatario|si no es el destinatario|si ha recibido este (mensaje|correo)|antes de imprimir|piense en el medio ambiente|por favor considere el medio ambiente|no imprima este|disclaimer ?:|confidentiality notice|confidential(ity)? ?:|please consider the environment|if you are not the intended recipient|if you have received this (e-?mail|message))`)
	weakDisclaimer   = regexp.MustCompile(`^[-_=#~" ]*(este (mensaje|correo|e-?mail)|la informacion (contenida|transmitida|incluida)|el contenido de este|este documento|de conformidad con|en cumplimiento de|proteccion de datos|politica de (tratamiento|privacidad|proteccion)|tratamiento de datos|habeas data|this (e-?mail|message|communication)|the information (contained|in this)|esta mensagem|as informacoes contidas|cuidemos el medio|ayudemos a cuidar)`)
	disclaimerWords  = regexp.MustCompile(`confidencial|destinatari|privilegiad|uso exclusivo|prohibid|notifi(que|car)|por error|elimin(elo|arlo|e )|borr(elo|arlo|e )|virus|anexos|archivos adjuntos|imprimir|medio ambiente|responsab|reserva|autorizad|divulg|intended|recipient|privileged|confidential|unauthorized|politica de tratamiento|datos personales|ley 1581|opiniones`)
	firstPerson      = regexp.MustCompile(`\b(solicito|solicitamos|pido|pedimos|requiero|requerimos|exijo|exigimos|necesito|necesitamos|quiero|queremos|deseo|reclamo|autorizo|revoco|mis datos|me permito|nos permitimos|adjunto|agradezco|presento|interpongo)\b`)

	closing = regexp.MustCompile(`^(cordialmente|atentamente|atte|un cordial saludo|saludos cordiales|saludos|respetuosamente|best regards|kind regards|regards|sincerely|atenciosamente)( y .{0,40})?[.,:;!]*$`)
	// What follows a closing and is meant to be read.
	postscript = regexp.MustCompile(`^(p\.? ?d\b|p\.? ?s\b|posdata|postdata|nota|nombre|usuario|perfil|serial|correo|equipo|ip|adjunto|anexo|datos|caso|radicado|fecha|error)\b`)
	contact    = regexp.MustCompile(`\b(tel|telefono|pbx|ext|extension|cel|celular|movil|mobile|phone|fax|www\.|https?:|nit|carrera|calle|cra|cll|kr|av|avenida|oficina|piso|edificio|torre|vigilado|notaria|gerencia|gerente|director|directora|coordinador|coordinadora|analista|jefe|ejecutiv[oa]|asesor|asesora|profesional|ingenier[oa]|auxiliar|departamento|direccion|vicepresidencia|subgerente|bogota|medellin|cali|colombia)\b|@|\+57|\(60\d\)|\d{3}[ .-]?\d{3,4}[ .-]?\d{2,4}`)
	// A petition must name its author: his documents stay.
	identity = regexp.MustCompile(`\b(c\.? ?c\.?|cedula|identificad[oa]|documento|pasaporte|c\.? ?e\.?|t\.? ?p\.?|tarjeta profesional)\b.{0,30}\d`)

	bannerStart = regexp.MustCompile(`^[^a-z0-9]*(caution|external|externo|warning|precaucion|cuidado|atencion|advertencia|alerta|este (correo|mensaje|e-?mail)|correo externo|this (e-?mail|message)|you don't often|no suele recibir|algunas personas que recibieron|some people who received|\[?(external|externo|correo externo)\]?|el remitente)`)
	bannerWords = regexp.MustCompile(`fuera de (la|su|nuestra|esta) (organizacion|entidad|empresa|compania|red)|outside (of )?(the|your|our)|external (sender|e-?mail|source)|(correo|remitente|origen|mensaje|usuario) externo|^[^a-z]*(caution|precaucion|externo|external)[^a-z]*extern|no suele recibir|don't often get|often receive|suelen recibir|originated from|se origino fuera|proviene de (un|una) (remitente|cuenta|dominio|direccion) extern`)
	bannerMore  = regexp.MustCompile(`enlaces|adjuntos|links|attachments|remitente|sender|organi[sz]a(cion|tion)|\bclic\b|\bclick\b|es seguro|is safe|por que esto es importante|why this is important|contrasenas`)
)

// dropBanners drops the warning that a customer's own server puts above mail
// from outside.
func dropBanners(lines []textLine) []textLine {
	out := lines[:0:0]
	seen := 0
	for i := 0; i < len(lines); i++ {
		l := lines[i]
		if l.key == "" || seen > 12 {
			out = append(out, l)
			continue
		}
		seen++
		if !bannerStart.MatchString(l.key) || len(l.key) > 600 {
			out = append(out, l)
			continue
		}
		// The banner may be wrapped over a few lines.
		joined, n := l.key, 1
		for n < 3 && !bannerWords.MatchString(joined) && i+n < len(lines) && lines[i+n].key != "" {
			joined += " " + lines[i+n].key
			n++
		}
		if !bannerWords.MatchString(joined) {
			out = append(out, l)
			continue
		}
		for n < 6 && i+n < len(lines) && lines[i+n].key != "" && bannerMore.MatchString(lines[i+n].key) {
			n++
		}
		i += n - 1
	}
	return out
}

// strip drops signature and disclaimers of one stretch of text that the sender
// wrote himself.
func strip(seg []textLine) []string {
	seg = cutDashes(seg)
	keys := make([]string, len(seg))
	for i, l := range seg {
		keys[i] = l.key
	}
	keep := make([]bool, len(seg))
	for i := range keep {
		keep[i] = true
	}
	dropDisclaimers(keys, keep)
	for i, k := range keys {
		if k != "" && len(k) <= 120 && (mobileFooter.MatchString(k) || len(k) <= 90 && vigilado.MatchString(k)) {
			keep[i] = false
		}
	}
	dropContacts(keys, keep)
	out := make([]string, 0, len(seg))
	for i, l := range seg {
		if keep[i] {
			out = append(out, l.raw)
		}
	}
	return out
}

// cutDashes cuts at "-- ", the mark of a signature (RFC 3676 section 4.3).
func cutDashes(seg []textLine) []textLine {
	cut, below := len(seg), 0
	for i := len(seg) - 1; i >= 0 && below <= signatureLines; i-- {
		if seg[i].key == "--" && strings.TrimSpace(seg[i].raw) == "--" {
			cut = i
		}
		if seg[i].key != "" {
			below++
		}
	}
	return seg[:cut]
}

// dropDisclaimers drops the paragraphs that open like a disclaimer. What also
// opens petitions ("De conformidad con la Ley 1581 solicito...") must speak
// like a disclaimer too, and never in the first person.
func dropDisclaimers(keys []string, keep []bool) {
	inside, tries := false, 0
	for i := 0; i < len(keys) && tries < maxDisclaimers; {
		if keys[i] == "" {
			i++
			continue
		}
		end := i
		for end < len(keys) && keys[end] != "" {
			end++
		}
		start := i
		for j := i; j < end; j++ {
			strong := strongDisclaimer.MatchString(keys[j])
			if !strong && !weakDisclaimer.MatchString(keys[j]) && !(inside && j == i) {
				continue
			}
			if tries++; tries > maxDisclaimers {
				break
			}
			para := joinUpTo(keys[j:end], 2000)
			if firstPerson.MatchString(para) {
				continue
			}
			score := len(disclaimerWords.FindAllString(para, 4))
			if strong && (score >= 1 || len(para) < 60) || score >= 2 {
				inside = true
				for k := j; k < end; k++ {
					keep[k] = false
				}
				start = j
				break
			}
		}
		if keep[start] && !blankKey(keys[i]) && inside && keep[i] {
			inside = false
		}
		i = end
	}
}

func joinUpTo(keys []string, n int) string {
	var sb strings.Builder
	for _, k := range keys {
		if sb.Len() > n {
			break
		}
		sb.WriteString(k)
		sb.WriteByte(' ')
	}
	return clip(sb.String(), n)
}

func blankKey(k string) bool { return strings.Trim(k, "-_=* ") == "" }

// dropContacts drops the lines with posts and telephones below a closing such
// as "Cordialmente,", keeping the name and what identifies its bearer.
// "Cordial saludo," opens a Colombian mail and is no closing.
func dropContacts(keys []string, keep []bool) {
	for i := len(keys) - 1; i >= 0; i-- {
		if !keep[i] || !closing.MatchString(keys[i]) || len(keys[i]) > 90 {
			continue
		}
		var below []int
		contacts := 0
		for j := i + 1; j < len(keys); j++ {
			if !keep[j] || keys[j] == "" {
				continue
			}
			if utf8.RuneCountInString(keys[j]) > 140 || strings.HasSuffix(keys[j], "?") || postscript.MatchString(keys[j]) || firstPerson.MatchString(keys[j]) {
				return
			}
			if below = append(below, j); len(below) > closingLines {
				return
			}
			if contact.MatchString(keys[j]) {
				contacts++
			}
		}
		if contacts == 0 || len(below) < 2 {
			continue // perhaps another closing above
		}
		for n, j := range below {
			if n > 0 && !identity.MatchString(keys[j]) && !closing.MatchString(keys[j]) {
				keep[j] = false
			}
		}
		return
	}
}
