package sqlstore

import (
	"fmt"
	"strconv"
	"strings"
)

// A kind is the type of a column of a table of values.
type kind byte

const (
	textual kind = iota
	whole
)

// table returns the text of a table v with the given rows, and its arguments. Its columns
// are column1, column2 and so on. The values are the cells of one row after the other.
//
// PostgreSQL gets an array for each column, and so the same text for any number of rows.
// Elsewhere each cell is an argument, and the last row is repeated up to a number of
// paddedCounts.
func (l *language) table(cells []any, columns ...kind) (string, []any) {
	width := len(columns)
	if l.arrays {
		args, arrays, names := make([]any, width), make([]string, width), make([]string, width)
		for i, k := range columns {
			args[i] = arrayOf(cells[i:], width)
			arrays[i], names[i] = l.placeholder[k]+"[]", "column"+string(rune('1'+i))
		}
		return "unnest(" + strings.Join(arrays, ", ") + ") AS v(" + strings.Join(names, ", ") + ")", args
	}
	n := len(cells) / width
	padded := paddedCount(n)
	last := cells[len(cells)-width:]
	for range padded - n {
		cells = append(cells, last...)
	}
	var b strings.Builder
	for i, k := range columns {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(l.placeholder[k])
		if l.rowBegin != "" {
			b.WriteString(" AS column" + string(rune('1'+i)))
		}
	}
	if l.rowBegin != "" {
		one := l.rowBegin + b.String()
		return "(" + one + strings.Repeat(" UNION ALL "+one, padded-1) + ") v", cells
	}
	one := "(" + b.String() + ")"
	return "(VALUES " + one + strings.Repeat(", "+one, padded-1) + ") v", cells
}

// arrayOf returns every width-th cell in the text form of an array of PostgreSQL, which every
// driver sends as it is.
func arrayOf(cells []any, width int) string {
	b := make([]byte, 0, 32*(len(cells)/width+1))
	for i := 0; i < len(cells); i += width {
		b = append(b, ',')
		switch v := cells[i].(type) {
		case nil:
			b = append(b, "NULL"...)
		case int:
			b = strconv.AppendInt(b, int64(v), 10)
		case int64:
			b = strconv.AppendInt(b, v, 10)
		case string:
			b = appendElement(b, v)
		default: // such as a type of strings
			b = appendElement(b, fmt.Sprint(v))
		}
	}
	b[0] = '{'
	return string(append(b, '}'))
}

// appendElement appends a text in quotes.
func appendElement(b []byte, text string) []byte {
	b = append(b, '"')
	for i := range len(text) {
		if text[i] == '"' || text[i] == '\\' {
			b = append(b, '\\')
		}
		b = append(b, text[i])
	}
	return append(b, '"')
}

// paddedCounts are the numbers of rows in a statement whose last row is repeated, so
// that there are few texts to prepare.
var paddedCounts = [...]int{mostImportTickets, 100, 32, 10, 3, 1}

// paddedCount returns the smallest of them for n rows.
func paddedCount(n int) int {
	padded := n
	for _, count := range paddedCounts {
		if count >= n {
			padded = count
		}
	}
	return padded
}
