// Package words takes text apart into the words that a search finds, and cuts
// snippets out of it, so that every store finds the same.
//
// A word is a run of letters, digits and marks, as long as possible. Words are
// compared folded: without case, rune by rune; without combining marks, and
// Latin, Greek and Cyrillic letters without accents, so that it does not matter
// how an accent was typed, or whether; full-width forms as plain ones; and cut
// after 40 runes. Of scripts that are written without blanks (Han, kana, Thai …)
// every rune is a word of its own.
//
// Stores keep folded words. A change of what this package does to them makes
// what is stored stale.
package words

import (
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

const (
	maxRunes = 40 // of a word; what follows is not compared
	maxTerms = 16 // of what somebody looks for
	minStem  = 3  // runes before an asterisk
)

// Term is a word to look for.
type Term struct {
	Word   string // folded
	Prefix bool   // every word that begins so
}

// Fold returns the words of a text in the form they are compared in, each once,
// in the order of their first appearance.
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

// Parse reads what somebody looks for: the first 16 different words. One that an
// asterisk follows stands for all that begin so, if it has three runes or more;
// else the asterisk means nothing, as all the rest between words.
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

// Match reports whether every term stands in one of the texts; not, if there is
// no term.
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

// Score says how well a text matches, for an order: above all, how many of the
// terms stand in the subject; then, how often any stands anywhere, up to 999.
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

// A mask says which of the terms.
type mask uint32

func (m mask) count() int {
	n := 0
	for ; m != 0; m &= m - 1 {
		n++
	}
	return n
}

// matching says which terms a folded word matches.
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
	start, end int    // where it stands, up to what is compared
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
			s.word = utf8.AppendRune(s.word, f&^alone)
			for s.at = s.end; s.at < len(s.text); s.at = s.end {
				if f, size = s.look(); f != dropped {
					break
				}
				s.end = s.at + size
			}
			return true
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

// look returns what becomes of the rune that comes next, and its size.
func (s *scanner) look() (rune, int) {
	if c := s.text[s.at]; c < utf8.RuneSelf {
		return s.table[c], 1
	}
	r, size := utf8.DecodeRuneInString(s.text[s.at:])
	if r < plane {
		return s.table[r], size
	}
	return fold(r), size
}

// What becomes of a rune: one of these, or the folded rune.
const (
	apart   rune = 0       // it stands between words
	dropped rune = -1      // it does not count, and does not end a word
	alone   rune = 1 << 24 // set where the rune is a word of its own
)

// plane is where the table ends; what has capitals or accents is mostly in it.
const plane = 0x3000

var folds = sync.OnceValue(func() *[plane]int32 {
	var t [plane]int32
	for r := range rune(plane) {
		t[r] = fold(r)
	}
	return &t
})

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
	switch {
	case unicode.Is(unicode.Mn, r):
		return dropped
	case !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r):
		return apart
	case unicode.In(r, unbroken...):
		return r | alone
	}
	// By way of the capital, since some letters have two small forms.
	r = unicode.ToLower(unicode.ToUpper(r))
	if p, ok := plain()[r]; ok {
		return p
	}
	return r
}

// plain leads from letters with accents to those without.
var plain = sync.OnceValue(func() map[rune]rune {
	m := map[rune]rune{}
	for group := range strings.FieldsSeq(accented) {
		var first rune
		for i, r := range group {
			if i == 0 {
				first = r
			} else {
				m[r] = first
			}
		}
	}
	return m
})
