package ticket

import (
	"crypto/rand"
	"fmt"
	"strings"
	"unicode"
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
	numberAlphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	numberSymbols  = 8 // without the check symbol
	numberLength   = len("7Q4K-92MX-F")
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

// numberValue maps a byte to its symbol's value, lenient about case and about
// O for 0 and I or L for 1; -1 for a byte that is no symbol.
var numberValue = func() (value [256]int8) {
	for i := range value {
		value[i] = -1
	}
	for v, c := range []byte(numberAlphabet) {
		value[c] = int8(v)
		value[c|0x20] = int8(v) // lower case; digits have that bit already
	}
	for _, alias := range []string{"O0", "o0", "I1", "i1", "L1", "l1"} {
		value[alias[0]] = value[alias[1]]
	}
	return value
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
		s[at] = numberAlphabet[sym]
	}
	s[9] = '-'
	s[10] = numberAlphabet[sum]
	return Number(s[:])
}

// ParseNumber reads a number as people write it: in any case, with blanks and
// dashes anywhere or nowhere, perhaps after a #, with O for 0 and I or L for 1.
// What cannot be a number is a [*NumberError], which is [ErrMistyped].
func ParseNumber(s string) (Number, error) {
	if len(s) > 64 {
		return "", &NumberError{Input: s, Reason: "is far too long"}
	}
	var v uint64
	var sum byte
	n := 0
	for i, r := range strings.TrimLeft(strings.TrimSpace(s), "#") {
		if unicode.IsSpace(r) || unicode.Is(unicode.Pd, r) || r == '.' || r == '_' || r == '−' {
			continue
		}
		if r >= 0x80 || numberValue[byte(r)] < 0 {
			return "", &NumberError{Input: s, Reason: fmt.Sprintf("has %q at place %d, which no number contains", r, i+1)}
		}
		if n <= numberSymbols {
			sym := byte(numberValue[byte(r)])
			sum ^= numberTerm[n][sym]
			if n < numberSymbols {
				v = v<<5 | uint64(sym)
			}
		}
		n++
	}
	switch {
	case n != numberSymbols+1:
		return "", &NumberError{Input: s, Reason: fmt.Sprintf("has %d symbols where a number has %d", n, numberSymbols+1)}
	case sum != 0:
		return "", &NumberError{Input: s, Reason: "has a wrong check symbol, so at least one symbol is wrong or two are swapped"}
	}
	return NumberOf(v), nil
}

// UnmarshalText reads what [ParseNumber] reads, and an empty text as no number.
func (n *Number) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*n = ""
		return nil
	}
	p, err := ParseNumber(string(text))
	if err == nil {
		*n = p
	}
	return err
}

// NumberError is the data of [ErrMistyped].
type NumberError struct {
	Input  string // what was given
	Reason string // what is wrong with it
}

func (e *NumberError) Error() string {
	return "ticket: mistyped: " + quote(e.Input) + " " + e.Reason + " (a number looks like 7Q4K-92MX-F)"
}

// Is reports whether target is [ErrMistyped].
func (e *NumberError) Is(target error) bool { return target == ErrMistyped }
