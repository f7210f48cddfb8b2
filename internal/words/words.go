// Package words splits text into the words that a search finds, and cuts snippets
// out of it, so that every store finds the same.
//
// A word is a run of letters, digits and marks, as long as possible. Words are
// compared in folded form: without case, rune by rune; without combining marks or
// accents, however they were typed; full-width forms as plain ones; and cut after 40
// runes. Canonically equivalent text in Unicode folds to the same: Hangul is composed
// from its letters, and kana with its voicing marks, which count, because they make
// another word. In scripts that are written without blanks (Han, kana, Thai …) every
// rune is a word of its own.
//
// Stores keep folded words. A change of the folding makes stored words stale; see
// [Version].
package words

import (
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Version grows when the folding changes. A store that keeps folded words then folds
// them again.
//
//	2: canonically equivalent texts have the same folded words
const Version = 2

const (
	maxRunes = 40 // of a word; the rest is not compared
	maxTerms = 16 // of a search
	minStem  = 3  // runes before an asterisk
)

// Term is a word to look for.
type Term struct {
	Word   string // folded
	Prefix bool   // every word that begins with Word
}

// Fold returns the folded words of a text, each once, in the order of their first
// appearance.
func Fold(text string) []string {
	var list []string
	seen := map[string]struct{}{}
	for s := newScanner(text); s.next(); {
		if _, ok := seen[string(s.word)]; !ok {
			w := string(s.word)
			seen[w] = struct{}{}
			list = append(list, w)
		}
	}
	return list
}

// Parse reads the text of a search: the first 16 different words. A word of three
// runes or more with an asterisk after it matches every word that begins with it.
// Any other asterisk means nothing, like everything else between words.
func Parse(text string) []Term {
	var terms []Term
	for s := newScanner(text); len(terms) < maxTerms && s.next(); {
		t := Term{Word: string(s.word)}
		t.Prefix = strings.HasPrefix(text[s.at:], "*") && utf8.RuneCount(s.word) >= minStem
		if !slices.Contains(terms, t) {
			terms = append(terms, t)
		}
	}
	return terms
}

// Match reports whether every term occurs in one of the texts. Without terms it
// reports false.
func Match(terms []Term, texts ...string) bool {
	terms = terms[:min(len(terms), maxTerms)]
	all := mask(1)<<len(terms) - 1
	var found mask
	for _, text := range texts {
		for s := newScanner(text); found != all && s.next(); {
			found |= matching(terms, s.word)
		}
	}
	return all != 0 && found == all
}

// Score rates how well a text matches: first by how many of the terms are in the
// subject, then by how often any occurs anywhere, up to 999.
func Score(terms []Term, subject string, texts ...string) int {
	const most = 999
	terms = terms[:min(len(terms), maxTerms)]
	var inSubject mask
	times := 0
	for s := newScanner(subject); s.next(); {
		m := matching(terms, s.word)
		inSubject |= m
		if m != 0 {
			times++
		}
	}
	for _, text := range texts {
		for s := newScanner(text); times < most && s.next(); {
			if matching(terms, s.word) != 0 {
				times++
			}
		}
	}
	return inSubject.count()*(most+1) + min(times, most)
}

// A mask is a set of terms.
type mask uint32

func (m mask) count() int {
	n := 0
	for ; m != 0; m &= m - 1 {
		n++
	}
	return n
}

// matching returns the terms that a folded word matches.
func matching(terms []Term, word []byte) mask {
	var m mask
	for i := range terms {
		t := &terms[i]
		n := len(t.Word)
		if n <= len(word) && (t.Prefix || n == len(word)) && string(word[:n]) == t.Word {
			m |= 1 << i
		}
	}
	return m
}

// A scanner goes through the words of a text.
type scanner struct {
	text       string
	at         int
	table      *[plane]int32
	word       []byte // folded, until the next call
	start, end int    // where word is in text, up to the last compared rune
}

func newScanner(text string) *scanner {
	return &scanner{text: text, table: folds(), word: make([]byte, 0, 64)}
}

// next goes to the next word.
func (s *scanner) next() bool {
	s.word = s.word[:0]
	runes := 0
	for s.at < len(s.text) {
		f, size := s.look()
		switch {
		case f == apart:
			if runes > 0 {
				return true
			}
		case f == dropped:
			if 0 < runes && runes <= maxRunes {
				s.end = s.at + size
			}
		case f&alone != 0:
			if runes > 0 {
				return true
			}
			s.start, s.end = s.at, s.at+size
			letter, marked := f&^alone, false
			for s.at = s.end; s.at < len(s.text); s.at = s.end {
				if f, size = s.look(); f != dropped {
					break
				}
				s.end = s.at + size
				if mark := s.text[s.at:s.end]; !marked && (mark == voiced || mark == halfVoiced) {
					letter, marked = withVoice(letter, mark), true
				}
			}
			s.word = utf8.AppendRune(s.word, letter)
			return true
		case f&several != 0:
			if runes == 0 {
				s.start = s.at
			}
			for _, r := range parts()[f&^several] {
				if runes++; runes <= maxRunes {
					s.end = s.at + size
					s.word = utf8.AppendRune(s.word, r)
				}
			}
		default:
			if runes == 0 {
				s.start = s.at
			}
			runes++
			if runes <= maxRunes {
				s.end = s.at + size
				s.word = utf8.AppendRune(s.word, f)
			}
		}
		s.at += size
	}
	return runes > 0
}

// look returns the folded form of the next rune, and its size.
func (s *scanner) look() (rune, int) {
	if c := s.text[s.at]; c < utf8.RuneSelf {
		return s.table[c], 1
	}
	r, size := utf8.DecodeRuneInString(s.text[s.at:])
	if lead <= r && r < lead+leads || syllable <= r && r < syllable+syllables && (r-syllable)%trails == 0 {
		r, size = syllableOf(r, size, s.text[s.at:])
	}
	if r < plane {
		return s.table[r], size
	}
	return fold(r), size
}

// The letters of Hangul and their compositions; see the Unicode Standard, section
// 3.12.
const (
	lead, leads   = 0x1100, 19
	vowel, vowels = 0x1161, 21
	trail, trails = 0x11A7, 28 // the first trail is none
	syllable      = 0xAC00
	syllables     = leads * vowels * trails
	voiced        = "\u3099" // the marks of kana
	halfVoiced    = "\u309a"
)

// syllableOf composes the Hangul syllable at the beginning of a text and returns it
// with its size in bytes. r is the first rune of the text, and size is that rune's size.
// Without a syllable it returns these.
func syllableOf(r rune, size int, text string) (rune, int) {
	if r < syllable {
		v, n := utf8.DecodeRuneInString(text[size:])
		if v < vowel || v >= vowel+vowels {
			return r, size
		}
		r, size = syllable+((r-lead)*vowels+v-vowel)*trails, size+n
	}
	if t, n := utf8.DecodeRuneInString(text[size:]); r < syllable+syllables && trail < t && t < trail+trails {
		r, size = r+t-trail, size+n
	}
	return r, size
}

// withVoice returns the kana composed of a letter and a voicing mark, or the letter.
func withVoice(letter rune, mark string) rune {
	r, n := utf8.DecodeRuneInString(norm.NFC.String(string(letter) + mark))
	if n < utf8.RuneLen(letter)+len(mark) && unicode.In(r, unicode.Hiragana, unicode.Katakana) && r != letter {
		return r
	}
	return letter
}

// The result of folding a rune: one of these, or the folded rune.
const (
	apart   rune = 0       // the rune is not part of a word
	dropped rune = -1      // the rune is ignored, and does not end a word
	alone   rune = 1 << 24 // added to a folded rune that is a word of its own
	several rune = 1 << 25 // added to an index in parts, for a rune that folds to several
)

// plane is where the table ends; most runes with capitals or accents are in it.
const plane = 0x3000

var folds = sync.OnceValue(func() *[plane]int32 {
	var t [plane]int32
	for r := range rune(plane) {
		t[r] = fold(r)
	}
	return &t
})

var kana = []*unicode.RangeTable{unicode.Hiragana, unicode.Katakana}

var unbroken = []*unicode.RangeTable{
	unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Bopomofo, unicode.Thai, unicode.Lao,
	unicode.Khmer, unicode.Myanmar, unicode.Javanese, unicode.Balinese, unicode.Tai_Le, unicode.New_Tai_Lue,
	unicode.Tai_Tham, unicode.Tai_Viet, unicode.Yi,
}

func fold(r rune) rune {
	switch {
	case 0x4E00 <= r && r <= 0x9FFF: // most of Han
		return r | alone
	case 0xAC00 <= r && r <= 0xD7A3: // Hangul syllables
		return r
	case 0xFF01 <= r && r <= 0xFF5E: // full-width forms of ASCII
		r -= 0xFEE0
	case r == 0xAD, r == 0x200C, r == 0x200D: // soft hyphen, non-joiner, joiner
		return dropped
	case r == 0x30FC, r == 0xFF70: // the long vowel of kana belongs to no script
		return r | alone
	case r == utf8.RuneError:
		return apart
	}
	p := norm.NFD.PropertiesString(string(r))
	switch {
	case isMark(r, p):
		return dropped
	case !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r):
		return apart
	case unicode.In(r, kana...):
		return r | alone // with its voicing mark
	}
	switch list := letters(p.Decomposition()); {
	case len(list) == 1:
		r = list[0]
	case len(list) > 1:
		return several | rune(partsOf(r))
	case p.Decomposition() != nil:
		return dropped
	}
	if unicode.In(r, unbroken...) {
		return r | alone
	}
	// Convert through the capital, because some letters have two small forms, of which
	// one has an accent.
	r = unicode.ToLower(unicode.ToUpper(r))
	if list := letters(norm.NFD.PropertiesString(string(r)).Decomposition()); len(list) == 1 {
		r = list[0]
	}
	return r
}

// letters returns a canonical decomposition without its marks.
func letters(decomposed []byte) []rune {
	var list []rune
	for _, r := range string(decomposed) {
		if !isMark(r, norm.NFD.PropertiesString(string(r))) {
			list = append(list, r)
		}
	}
	return list
}

// isMark reports whether a rune is a mark that is ignored.
func isMark(r rune, p norm.Properties) bool {
	// U+1B35 (Balinese) is the only vowel sign that joins letters in a script
	// whose runes are words of their own.
	return unicode.Is(unicode.Mn, r) || p.CCC() != 0 || r == 0x1B35
}

// made lists the runes that are composed of several letters.
const made = "\u09cb\u09cc\u0b4b\u0b4c\u0b94\u0bca\u0bcb\u0bcc\u0ccb\u0d4a\u0d4b\u0d4c\u0ddc\u0ddd\u0dde" +
	"\U0001134b\U0001134c\U000114bc\U000114be\U000115ba\U000115bb\U00011938"

// parts has the letters of each rune of made.
var parts = sync.OnceValue(func() [][]rune {
	var all [][]rune
	for _, r := range made {
		all = append(all, letters(norm.NFD.PropertiesString(string(r)).Decomposition()))
	}
	return all
})

// partsOf returns the index in parts of the letters of a rune.
func partsOf(r rune) int {
	return utf8.RuneCountInString(made[:max(strings.IndexRune(made, r), 0)])
}

// Each calls f with each word of a text, in order: folded, and as it is written there up to
// the last compared rune. It ends when f returns false. The folded word is valid until f
// returns.
func Each(text string, f func(folded []byte, written string) bool) {
	for s := newScanner(text); s.next(); {
		if !f(s.word, s.text[s.start:s.end]) {
			return
		}
	}
}
