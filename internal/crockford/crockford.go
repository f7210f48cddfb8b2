// Package crockford writes and reads the symbols of Crockford's base 32
// (https://www.crockford.com/base32.html): the digits, and the letters without
// I, L, O and U. Reading accepts upper and lower case, O for 0, and I or L for 1.
package crockford

import (
	"encoding/base32"
	"strings"
)

// Alphabet has the symbols in the order of their values.
const Alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

var lower = base32.NewEncoding(strings.ToLower(Alphabet)).WithPadding(base32.NoPadding)

var values = func() (value [256]int8) {
	for i := range value {
		value[i] = -1
	}
	for v, c := range []byte(Alphabet) {
		value[c] = int8(v)
		value[c|0x20] = int8(v) // lower case; digits have that bit already
	}
	for _, alias := range []string{"O0", "o0", "I1", "i1", "L1", "l1"} {
		value[alias[0]] = value[alias[1]]
	}
	return value
}()

// Value returns the value of a symbol, 0 to 31, and -1 for any other byte.
func Value(c byte) int { return int(values[c]) }

// Encode returns b in lower-case symbols, without padding.
func Encode(b []byte) string { return lower.EncodeToString(b) }

// Decode reads what Encode writes, in any spelling that Value accepts. It reports
// false for any other byte and for a text that Encode does not write.
func Decode(s string) ([]byte, bool) {
	b := make([]byte, 0, len(s)*5/8)
	rest, bits := 0, 0 // the bits that were read and are not yet in b
	for i := range len(s) {
		v := Value(s[i])
		if v < 0 {
			return nil, false
		}
		rest = rest<<5 | v
		if bits += 5; bits >= 8 {
			bits -= 8
			b = append(b, byte(rest>>bits))
			rest &= 1<<bits - 1
		}
	}
	return b, bits < 5 && rest == 0
}
