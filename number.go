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

	"github.com/ticketkit/ticket/internal/chars"
	"github.com/ticketkit/ticket/internal/crockford"
)

// Number is the name of a ticket for people: a customer can read it out over the
// telephone. It has eight random symbols and a check symbol, as in 7Q4K-92MX-F.
// A ticket has the same number for ever. A number is no secret: the policy
// decides who may see the ticket.
//
// [NewNumber] and [ParseNumber] return numbers in one canonical form, so two of
// them are equal exactly if they name the same ticket. The empty Number means
// none. For numbers of another form see [Numbers].
//
// The symbols are those of Crockford's base 32 (https://www.crockford.com/base32.html),
// which has no I, L, O and U. Every single wrong symbol and every swap of two
// different symbols, adjacent or not, is an error: the sum of all nine symbols,
// each multiplied by its own power of a generator of the field GF(32), must be
// zero. Unlike in Crockford's proposal, the check symbol is one of the same 32.
//
// Eight symbols are 40 bits, about 1.1·10¹² numbers. With a million tickets, one
// new number in a million is taken already, and the desk draws another one. A
// guess hits an existing number once in a million tries, and gives no access.
type Number string

const (
	numberSymbols = 8 // without the check symbol
	numberLength  = len("7Q4K-92MX-F")
)

// numberTerm[i][v] is the part of symbol v at place i in the sum: v times g to the
// power i+1 (v itself for the check symbol, the last place), with g = x⁹ in
// GF(32) = GF(2)[x]/(x⁵+x²+1). Any g but 0 and 1 works; this one makes
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

// NewNumber returns a number from the system's cryptographic randomness.
func NewNumber() Number {
	var r [5]byte
	_, _ = rand.Read(r[:]) // never fails, by its documentation
	bits := uint64(r[0])<<32 | uint64(r[1])<<24 | uint64(r[2])<<16 | uint64(r[3])<<8 | uint64(r[4])
	return NumberOf(bits)
}

// NumberOf returns the number whose eight symbols spell the lower 40 bits of v.
// Such numbers can be predicted: use it for tests, and for the import of tickets
// that have a number in another system. See [NewNumber].
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

// maxNumberText is the length of the longest text that is read as a number, in bytes.
const maxNumberText = 256

// ParseNumber reads a number as people write and copy it. It accepts
//
//   - upper and lower case, full-width forms, O for 0, and I or L for 1;
//   - spaces and dashes anywhere or nowhere, and invisible characters;
//   - brackets, quotes or punctuation around the number;
//   - the encodings of URLs and HTML;
//   - words such as "Ticket#", "No." and "Re:" before the number;
//   - in any language, words without a digit before it that end in a colon, a
//     number sign or a word for "number".
//
// Text with any other words is refused, so that nothing is read as a number that
// was not meant as one. The error is a [*NumberError], which is [ErrMistyped].
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

// readings returns other texts that s can stand for, the likeliest first: the text
// without a label, and the text decoded. It does not depend on the form of numbers.
func readings(s string) (list []string) {
	for range 4 { // a text that is passed on can be encoded more than once
		for _, from := range [...]int{labelled(s), announced(s)} {
			if from > 0 {
				list = append(list, s[from:])
			}
		}
		decoded := s
		if strings.ContainsAny(s, "%+") { // from a URL
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

// announced returns the place after the last colon, number sign or word for "number"
// that follows words without a digit, and 0 if there is none. A word with a digit
// can be another number.
func announced(s string) (from int) {
	after := 0
	for at := 0; at < len(s); {
		end := wordEnd(s, at)
		word := plainWord(s[at:end])
		switch {
		case end == at:
			r, size := utf8.DecodeRuneInString(s[at:])
			end += size
			if r = narrow(r); r == ':' || r == '#' || r == '№' {
				after = end
			}
		case strings.ContainsFunc(word, unicode.IsDigit):
			return after
		default:
			from = after
			if slices.Contains(numberWords, word) {
				after = end
			}
		}
		at = end
	}
	return from
}

// numberWords are words for "number", in lower case.
var numberWords = []string{"no", "nr", "nº", "º", "num", "number", "numero", "número", "numéro", "nummer"}

// wordEnd returns the end of the word that begins at this byte. If no word begins
// there, it returns at.
func wordEnd(s string, at int) int {
	for at < len(s) {
		r, size := utf8.DecodeRuneInString(s[at:])
		if !inWord(narrow(r)) && !chars.Unseen(r) {
			break
		}
		at += size
	}
	return at
}

// plainWord returns a word in the form of the lists of words.
func plainWord(s string) string { return strings.ToLower(chars.Tidy(strings.Map(narrow, s))) }

// readNumber reads the number in s from this byte on, with only punctuation around it.
func readNumber(s string, from int) (Number, error) {
	fault := func(format string, args ...any) (Number, error) {
		return "", &NumberError{Input: s, Reason: fmt.Sprintf(format, args...)}
	}
	var v uint64
	var sum byte
	n, place := 0, 0
	var broke rune // the first rune after the symbols that no number contains
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

// narrow returns the ASCII form of full-width runes and of dashes.
func narrow(r rune) rune {
	switch {
	case r < 0x80:
		return r
	case 0xFF01 <= r && r <= 0xFF5E:
		return r - 0xFEE0
	case unicode.Is(unicode.Pd, r), r == '−', r == 'ー', r == 'ｰ': // the last two stand for a dash on Japanese keyboards
		return '-'
	}
	return r
}

// between reports whether a narrow rune may stand between the symbols of a number.
func between(r rune) bool {
	return r == '-' || r == '.' || r == '_' || chars.Vacant(r)
}

// inWord reports whether a narrow rune is part of a word, and not punctuation.
func inWord(r rune) bool {
	if r < 0x80 {
		return 'a' <= r|0x20 && r|0x20 <= 'z' || '0' <= r && r <= '9'
	}
	return unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.IsMark(r) || r == unicode.ReplacementChar
}

// labels are the known words before a number, in lower case.
var labels = []string{
	"ticket", "ticketid", "ticketno", "ticketnr", "ticketnumber", "ticketnummer", "number", "numero", "número", "numéro", "nummer", "num", "no", "nr", "n", "nº",
	"case", "request", "incident", "reference", "ref", "réf", "id", "vorgang", "vorgangsnummer", "anfrage", "ihre", "your",
	"re", "aw", "antw", "antwort", "sv", "vs", "rv", "odp", "fw", "fwd", "wg", "tr", // mail programs put these before a subject
}

// labelled returns the place after the labels at the beginning, and 0 if there are
// none.
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

// maxNumber is the length of the longest number, in bytes.
const maxNumber = 32

// check reports whether a number, in any form, is valid: printable ASCII, without
// spaces at its ends.
func (n Number) check() error {
	switch {
	case n == "":
		return invalid("number", "is missing")
	case len(n) > maxNumber:
		return invalid("number", "is %d bytes long, at most %d are allowed", len(n), maxNumber)
	case !chars.Plain(string(n)):
		return invalid("number", "must be printable ASCII without spaces at its ends")
	}
	return nil
}

// UnmarshalText reads a stored number as it is, in any form; see [Numbers]. For the
// text that people write use [ParseNumber] or [Desk.Find].
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

// NumberError is the data of [ErrMistyped]: a text that is no number.
type NumberError struct {
	Input  string // the text that was read
	Reason string // what is wrong with it, such as "has 4 symbols where a number has 9"
	Err    error  // the error of Config.Numbers.Parse, if any
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
