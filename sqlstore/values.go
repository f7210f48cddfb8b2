package sqlstore

import "strings"

// A kind is the type of a column of a table of values.
type kind byte

const (
	textual kind = iota
	whole
)

// values returns the text of a table v of n rows of placeholders. Its columns are
// column1, column2 and so on.
func (l *language) values(n int, columns ...kind) string {
	var row strings.Builder
	for i, k := range columns {
		if i > 0 {
			row.WriteString(", ")
		}
		row.WriteString(l.placeholder[k])
		if l.rowBegin != "" {
			row.WriteString(" AS column" + string(rune('1'+i)))
		}
	}
	if l.rowBegin != "" {
		one := l.rowBegin + row.String()
		return "(" + one + strings.Repeat(" UNION ALL "+one, n-1) + ") v"
	}
	one := "(" + row.String() + ")"
	return "(VALUES " + one + strings.Repeat(", "+one, n-1) + ") v"
}
