package sqlstore

import (
	"database/sql/driver"
	"encoding/hex"
	"strconv"
	"strings"
)

// MySQL bounds how many statements are prepared on the whole server
// (max_prepared_stmt_count), and its driver prepares whatever has arguments. Where no
// more are to be had, be it because of another application, a statement is sent with
// its arguments in it. That costs a round trip, and nothing is refused.

// literally puts arguments into a statement for MySQL. ok is false for one of a kind
// that it does not know.
func literally(text string, args []any) (_ string, ok bool) {
	var b strings.Builder
	for _, a := range args {
		before, after, found := strings.Cut(text, "?")
		if !found {
			return "", false
		}
		b.WriteString(before)
		if v, is := a.(driver.Valuer); is {
			var err error
			if a, err = v.Value(); err != nil {
				return "", false
			}
		}
		v, err := driver.DefaultParameterConverter.ConvertValue(a)
		if err != nil {
			return "", false
		}
		switch v := v.(type) {
		case nil:
			b.WriteString("NULL")
		case int64:
			b.WriteString(strconv.FormatInt(v, 10))
		case string:
			writeText(&b, v)
		default:
			return "", false
		}
		text = after
	}
	b.WriteString(text)
	return b.String(), !strings.Contains(text, "?")
}

// writeText writes a text that no character set and no mode of the server reads in
// another way: as it is where it has nothing but letters, digits and the like, else in
// hexadecimal.
func writeText(b *strings.Builder, text string) {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(" _-+*():.@", r)
	}
	if strings.IndexFunc(text, func(r rune) bool { return !plain(r) }) < 0 {
		b.WriteString("'" + text + "'")
		return
	}
	b.WriteString("x'" + hex.EncodeToString([]byte(text)) + "'")
}
