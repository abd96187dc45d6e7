package mime

import (
	"strings"
	"unicode"
)

const (
	spanishWords    = "el la los las un una unos de del que y en con por para se su sus al lo como pero esta este estos hay no muy más mas hola buenos buenas días tardes gracias cordial saludo señores señor solicito adjunto usuario favor quedo atento atenta cuando desde porque nos me mi ustedes ya está están tiene tenemos hemos ha sido es son cómo qué también sin sobre entre hasta donde le les soy fue"
	englishWords    = "the and of to in is that it for you with on are this be have from or was not we your can please thank thanks hello hi dear regards our has been will would but all an at by if they when what there any i my me us"
	portugueseWords = "o os um uma uns de do da dos das que e em com por para se seu sua ao no na nos nas como mas não muito mais olá bom boa dia tarde obrigado obrigada você vocês senhor senhores solicito segue anexo favor quando desde porque meu minha já está são foi tem temos também sem sobre até onde lhe ou isso esse essa pelo pela"
)

// stopWords holds for each frequent word the languages that have it, as bits.
var stopWords = wordSets(spanishWords, englishWords, portugueseWords)

func wordSets(lists ...string) map[string]uint8 {
	m := map[string]uint8{}
	for i, l := range lists {
		for w := range strings.FieldsSeq(l) {
			m[w] |= 1 << i
		}
	}
	return m
}

// language tells "es", "en" or "pt" by counting stop words; "" if there are too
// few or two languages tie. Words that two languages share count for both.
func language(s string) string {
	var es, en, pt int
	n := 0
	for w := range strings.FieldsFuncSeq(strings.ToLower(clip(s, 20_000)), func(r rune) bool { return !unicode.IsLetter(r) }) {
		n++
		langs := stopWords[w]
		if langs&1 != 0 {
			es++
		}
		if langs&2 != 0 {
			en++
		}
		if langs&4 != 0 {
			pt++
		}
		switch {
		case strings.ContainsRune(w, 'ñ') || strings.HasSuffix(w, "ción"):
			es += 2
		case strings.ContainsAny(w, "ãõç"):
			pt += 2
		}
	}
	best, second, lang := es, max(en, pt), "es"
	if en > best {
		best, second, lang = en, max(es, pt), "en"
	}
	if pt > best {
		best, second, lang = pt, max(es, en), "pt"
	}
	if best < 2 && !(best == 1 && n <= 6) || best == second {
		return ""
	}
	return lang
}
