package sqlstore

import (
	"database/sql/driver"
	"encoding/hex"
	"strconv"
	"strings"
)

// MySQL limits the prepared statements of the whole server
// (max_prepared_stmt_count), and its driver prepares every statement with arguments.
// If the server has no room left, perhaps because of another application, the store
// sends the statement with its arguments in the text. That costs a round trip, and
// the call succeeds.

// literally puts arguments into a statement for MySQL. ok is false if it does not
// know the type of an argument.
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
		case []byte:
			b.WriteString("x'" + hex.EncodeToString(v) + "'")
		default:
			return "", false
		}
		text = after
	}
	b.WriteString(text)
	return b.String(), !strings.Contains(text, "?")
}

// writeText writes a text so that every character set and every mode of the server
// read it alike: quoted if it has only letters, digits and some other characters,
// otherwise in hexadecimal.
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
