package ticket

import (
	"crypto/rand"
	"fmt"
	"html"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/ticketkit/ticket/internal/crockford"
)

// Number is what a customer reads out: eight random symbols and a check symbol
// in the form 7Q4K-92MX-F. It identifies the ticket at every level, for ever,
// and it is no key: whoever knows it still has to be allowed to see the ticket.
//
// A Number that came from [NewNumber] or [ParseNumber] is in its canonical
// form, so two of them are equal exactly when they mean the same ticket. The
// empty Number means none.
//
// The symbols are those of Crockford's base 32 (https://www.crockford.com/base32.html),
// which has no I, L, O and U. The check symbol makes the sum of all nine
// symbols, each weighted with its own power of a generator of the field GF(32),
// zero. Since the weights differ and none is zero, every single wrong symbol
// and every swap of two different symbols, neighbours or not, is noticed.
// The check symbol is of the same 32, unlike in Crockford's own proposal.
//
// Eight symbols are 40 bits, about 1.1·10¹² numbers. With a million tickets a
// new one collides about once in a million times, and is then drawn again;
// someone who guesses hits one number in a million tries, and learns nothing.
type Number string

const (
	numberSymbols = 8 // without the check symbol
	numberLength  = len("7Q4K-92MX-F")
)

// numberTerm[i][v] is what symbol v contributes to the sum at place i: v times
// g to the power i+1 (1 for the check symbol, the last place), with g = x⁹ in
// GF(32) = GF(2)[x]/(x⁵+x²+1). Any g but 0 and 1 would do; this one makes
// 7Q4K-92MX-F a number.
var numberTerm = func() (term [numberSymbols + 1][32]byte) {
	for v := range 32 {
		term[numberSymbols][v] = byte(v)
		p := v
		for i := range numberSymbols {
			for range 9 {
				if p <<= 1; p&32 != 0 {
					p ^= 0b100101
				}
			}
			term[i][v] = byte(p)
		}
	}
	return term
}()

// NewNumber draws a number from the system's cryptographic randomness.
func NewNumber() Number {
	var r [5]byte
	_, _ = rand.Read(r[:]) // never fails, by its documentation
	bits := uint64(r[0])<<32 | uint64(r[1])<<24 | uint64(r[2])<<16 | uint64(r[3])<<8 | uint64(r[4])
	return NumberOf(bits)
}

// NumberOf returns the number whose eight symbols spell the lower 40 bits of v.
// It makes numbers predictable, and is meant for tests and for the import of
// cases that were numbered elsewhere. See [NewNumber].
func NumberOf(v uint64) Number {
	var s [numberLength]byte
	var sum byte
	for i, at := 0, 0; i < numberSymbols; i, at = i+1, at+1 {
		sym := byte(v>>(5*(numberSymbols-1-i))) & 31
		sum ^= numberTerm[i][sym]
		if i == 4 {
			s[at] = '-'
			at++
		}
		s[at] = crockford.Alphabet[sym]
	}
	s[9] = '-'
	s[10] = crockford.Alphabet[sum]
	return Number(s[:])
}

// maxNumberText bounds what a number is looked for in, in bytes.
const maxNumberText = 256

// ParseNumber reads a number as people write it and as they copy it: in any case,
// in full-width forms, with blanks and dashes anywhere or nowhere, with O for 0
// and I or L for 1, with what cannot be seen, in brackets or quotes, with a comma
// or a full stop behind, as it is encoded in an address or in HTML, after words such
// as "Ticket#", "No." and "Re:", and after any words without a digit that end in a
// colon, a number sign or such a word, in whatever language.
// Other words are not taken away, so that nothing is taken for a number that was
// not meant as one. What cannot be a number is a [*NumberError], which is
// [ErrMistyped].
func ParseNumber(s string) (Number, error) {
	if len(s) > maxNumberText {
		return "", &NumberError{Input: s, Reason: "is far too long"}
	}
	n, err := readNumber(s, 0)
	if err == nil {
		return n, nil
	}
	for _, text := range readings(s) {
		if n, bad := readNumber(text, 0); bad == nil {
			return n, nil
		}
	}
	if from := labelled(s); from > 0 {
		_, err = readNumber(s, from)
	}
	return "", err
}

// readings returns what a text is besides what stands there, if it was copied
// together with a label, or as it is encoded, the likeliest first. They say nothing
// of the form that the number has.
func readings(s string) (list []string) {
	for range 4 { // what is passed on is encoded more than once
		for _, from := range [...]int{labelled(s), announced(s)} {
			if from > 0 {
				list = append(list, s[from:])
			}
		}
		decoded := s
		if strings.ContainsAny(s, "%+") { // of an address
			if text, err := url.QueryUnescape(s); err == nil {
				decoded = text
			}
		}
		if decoded = html.UnescapeString(decoded); decoded == s {
			break
		}
		s = decoded
		list = append(list, s)
	}
	return list
}

// announced returns where the text goes on after the last colon, number sign or word
// for one that stands behind words without a digit, which could be another number; 0
// if there is none.
func announced(s string) (from int) {
	behind := 0
	for at := 0; at < len(s); {
		end := wordEnd(s, at)
		word := plainWord(s[at:end])
		switch {
		case end == at:
			r, size := utf8.DecodeRuneInString(s[at:])
			end += size
			if r = narrow(r); r == ':' || r == '#' || r == '№' {
				behind = end
			}
		case strings.ContainsFunc(word, unicode.IsDigit):
			return behind
		default:
			from = behind
			if slices.Contains(numberWords, word) {
				behind = end
			}
		}
		at = end
	}
	return from
}

// numberWords are words that stand for a number sign, in small letters.
var numberWords = []string{"no", "nr", "nº", "º", "num", "number", "numero", "número", "numéro", "nummer"}

// wordEnd returns where the word ends that begins at this byte; there, if none does.
func wordEnd(s string, at int) int {
	for at < len(s) {
		r, size := utf8.DecodeRuneInString(s[at:])
		if !inWord(narrow(r)) && !unseen(r) {
			break
		}
		at += size
	}
	return at
}

// plainWord is a word as the lists of words have it.
func plainWord(s string) string { return strings.ToLower(tidyName(strings.Map(narrow, s))) }

// readNumber reads the number that stands in s, beginning at this byte, with
// nothing but punctuation around it.
func readNumber(s string, from int) (Number, error) {
	fault := func(format string, args ...any) (Number, error) {
		return "", &NumberError{Input: s, Reason: fmt.Sprintf(format, args...)}
	}
	var v uint64
	var sum byte
	n, place := 0, 0
	var broke rune // what stands behind symbols and between none
	brokeAt := 0
	for i, r := range s {
		place++
		r = narrow(r)
		switch {
		case i < from || between(r):
			continue
		case !inWord(r):
			if n > 0 && broke == 0 {
				broke, brokeAt = r, place
			}
			continue
		case broke != 0:
			return fault("has %q at place %d, which no number contains", broke, brokeAt)
		case r >= 0x80 || crockford.Value(byte(r)) < 0:
			return fault("has %q at place %d, which no number contains", r, place)
		}
		if n <= numberSymbols {
			sym := byte(crockford.Value(byte(r)))
			sum ^= numberTerm[n][sym]
			if n < numberSymbols {
				v = v<<5 | uint64(sym)
			}
		}
		n++
	}
	switch {
	case n != numberSymbols+1:
		return fault("has %d symbols where a number has %d", n, numberSymbols+1)
	case sum != 0:
		return fault("has a wrong check symbol, so at least one symbol is wrong or two are swapped")
	}
	return NumberOf(v), nil
}

// narrow returns the ASCII form of what full-width forms and lines of dashes are.
func narrow(r rune) rune {
	switch {
	case r < 0x80:
		return r
	case 0xFF01 <= r && r <= 0xFF5E:
		return r - 0xFEE0
	case unicode.Is(unicode.Pd, r), r == '−', r == 'ー', r == 'ｰ': // the latter are what a Japanese keyboard has for a dash
		return '-'
	}
	return r
}

// between reports whether a narrow rune may stand between the symbols of a number.
func between(r rune) bool {
	return r == '-' || r == '.' || r == '_' || vacant(r)
}

// inWord reports whether a narrow rune belongs to a word, so that it is not only
// punctuation around a number.
func inWord(r rune) bool {
	if r < 0x80 {
		return 'a' <= r|0x20 && r|0x20 <= 'z' || '0' <= r && r <= '9'
	}
	return unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.IsMark(r) || r == unicode.ReplacementChar
}

// labels are the words that stand before numbers, in small letters.
var labels = []string{
	"ticket", "ticketid", "ticketno", "ticketnr", "ticketnumber", "ticketnummer", "number", "numero", "número", "numéro", "nummer", "num", "no", "nr", "n", "nº",
	"case", "request", "incident", "reference", "ref", "réf", "id", "vorgang", "vorgangsnummer", "anfrage", "ihre", "your",
	"re", "aw", "antw", "antwort", "sv", "vs", "rv", "odp", "fw", "fwd", "wg", "tr", // what mail readers put before a subject
}

// labelled returns where the text goes on after labels; 0 if it begins with none.
func labelled(s string) (from int) {
	for at := 0; at < len(s); {
		end := wordEnd(s, at)
		if end == at {
			_, size := utf8.DecodeRuneInString(s[at:])
			at += size
			continue
		}
		if end == len(s) || !slices.Contains(labels, plainWord(s[at:end])) {
			break
		}
		at, from = end, end
	}
	return from
}

// maxNumber is the longest number, in bytes.
const maxNumber = 32

// check reports whether a number of whatever form can be stored, read out and
// copied: printable ASCII, without blanks at its ends.
func (n Number) check() error {
	switch {
	case n == "":
		return invalid("number", "is missing")
	case len(n) > maxNumber:
		return invalid("number", "is %d bytes long, at most %d are taken", len(n), maxNumber)
	case !plain(string(n)):
		return invalid("number", "must be of printable ASCII, without blanks at its ends")
	}
	return nil
}

// UnmarshalText takes a stored number as it is, in whatever form its desk gives
// numbers. It is not for what people write; see [ParseNumber] and [Desk.Find].
func (n *Number) UnmarshalText(text []byte) error {
	p := Number(text)
	if p != "" {
		if err := p.check(); err != nil {
			return err
		}
	}
	*n = p
	return nil
}

// NumberError is the data of [ErrMistyped].
type NumberError struct {
	Input  string // what was given
	Reason string // what is wrong with it
	Err    error  // what Config.Numbers.Parse said, where it did
}

func (e *NumberError) Error() string {
	s := "ticket: mistyped: " + quote(e.Input) + " " + e.Reason
	if e.Err != nil {
		return s + ": " + e.Err.Error()
	}
	return s + " (a number looks like 7Q4K-92MX-F)"
}

func (e *NumberError) Unwrap() error { return e.Err }

// Is reports whether target is [ErrMistyped].
func (e *NumberError) Is(target error) bool { return target == ErrMistyped }
