// Package plusaddress writes a ticket's number after the plus of a mail address.
package plusaddress

import (
	"fmt"
	"strconv"
	"strings"
)

// Encode returns a number as it is written after a plus. If same reports that the number
// without its dashes is read as the same number, it loses them. In other formats, characters
// that many servers refuse before the @ become "=" and two hexadecimal digits.
func Encode(number string, same func(short string) bool) string {
	if short := strings.ReplaceAll(number, "-", ""); same(short) {
		return short
	}
	var b strings.Builder
	for _, c := range []byte(number) {
		if 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "=%02X", c)
		}
	}
	return b.String()
}

// Decode reverses Encode, except for removed dashes.
func Decode(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '=' && i+2 < len(s) {
			if c, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				b.WriteByte(byte(c))
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
