package report

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Figure defines a figure. It is printed with its numbers.
type Figure struct {
	Name       string `json:"name"`
	Version    int    `json:"version"`    // rises when the definition changes
	Population string `json:"population"` // what is counted
	Formula    string `json:"formula"`    // how the numbers follow from the events
	Unit       string `json:"unit"`
	Clock      string `json:"clock"` // ClockWall, or "business hours: " and the name of the hours
}

// ClockWall is the clock of figures in real time.
const ClockWall = "wall"

// clockHours is the clock of figures in business hours.
func clockHours(name string) string { return "business hours: " + name }

// Table is a figure with its numbers.
type Table struct {
	Figure
	Columns []string  `json:"columns"`
	Rows    [][]Value `json:"rows"`
}

// Value is a cell of a [Table]: a text, a number, or nothing. Times are in seconds, shares
// in percent.
type Value struct {
	kind kind
	text string // of a number: in decimal
}

type kind uint8

const (
	none kind = iota
	text
	number
	seconds
	percent
)

func textOf(s string) Value   { return Value{text, s} }
func countOf(n int64) Value   { return Value{number, strconv.FormatInt(n, 10)} }
func secondsOf(v int64) Value { return Value{seconds, decimal(big.NewInt(v), 6)} }
func totalOf(t total) Value   { return Value{seconds, decimal(t.big(), 6)} }

// shareOf returns a share in percent, rounded to a tenth. It is empty if there is nothing to
// divide by.
func shareOf(part, whole int64) Value {
	if whole == 0 {
		return Value{}
	}
	return Value{percent, decimal(big.NewInt((2000*part+whole)/(2*whole)), 1)}
}

// percentileOf returns a percentile in seconds. It is empty if there are no values.
func percentileOf(s *spread, p int64) Value {
	v, ok := s.percentile(p)
	if !ok {
		return Value{}
	}
	return secondsOf(v)
}

// decimal returns an integer of 0 or more divided by a power of ten, without zeros at the end.
func decimal(v *big.Int, digits int) string {
	s := v.String()
	if pad := digits + 1 - len(s); pad > 0 {
		s = strings.Repeat("0", pad) + s
	}
	whole, part := s[:len(s)-digits], strings.TrimRight(s[len(s)-digits:], "0")
	if part == "" {
		return whole
	}
	return whole + "." + part
}

// String returns the value as it stands in CSV: times in seconds, and an empty text for
// nothing.
func (v Value) String() string { return v.text }

// Float returns a number. It returns false for a text and for nothing.
func (v Value) Float() (float64, bool) {
	if v.kind < number {
		return 0, false
	}
	f, err := strconv.ParseFloat(v.text, 64)
	return f, err == nil
}

// MarshalJSON writes a string, a number or null.
func (v Value) MarshalJSON() ([]byte, error) {
	switch v.kind {
	case none:
		return []byte("null"), nil
	case text:
		return json.Marshal(v.text)
	}
	return []byte(v.text), nil
}

// show returns the value for people.
func (v Value) show() string {
	switch v.kind {
	case none:
		return "-"
	case percent:
		return v.text + " %"
	case seconds:
		f, _ := v.Float()
		return showSeconds(f)
	}
	return v.text
}

// showSeconds returns a time with its two greatest units.
func showSeconds(f float64) string {
	switch s := int64(f); {
	case f < 60:
		return strconv.FormatFloat(f, 'f', -1, 64) + "s"
	case s < 3600:
		return fmt.Sprintf("%dm%02ds", s/60, s%60)
	case s < 86_400:
		return fmt.Sprintf("%dh%02dm", s/3600, s%3600/60)
	default:
		return fmt.Sprintf("%dd%02dh", s/86_400, s%86_400/3600)
	}
}

// Column returns the index of a column, or -1.
func (t Table) Column(name string) int { return slices.Index(t.Columns, name) }

// figureColumns are the columns of a CSV file before those of the table.
var figureColumns = []string{"figure", "version", "population", "formula", "unit", "clock"}

// WriteCSV writes the table as comma-separated values, with a header line. Each row starts with the
// definition of the figure. A text that a spreadsheet would take for a formula gets an
// apostrophe in front.
func (t Table) WriteCSV(w io.Writer) error {
	out := csv.NewWriter(w)
	if err := out.Write(append(slices.Clone(figureColumns), t.Columns...)); err != nil {
		return err
	}
	for _, row := range t.Rows {
		record := []string{t.Name, strconv.Itoa(t.Version), t.Population, t.Formula, t.Unit, t.Clock}
		for _, v := range row {
			s := v.text
			if v.kind == text && s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
				s = "'" + s
			}
			record = append(record, s)
		}
		if err := out.Write(record); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// String returns the table as text, with its definition. Times have units, such as "2h05m".
func (t Table) String() string {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s (version %d, %s)\n  of: %s\n  is: %s\n  unit: %s\n", t.Name, t.Version, t.Clock, t.Population, t.Formula, strings.Replace(t.Unit, "times in seconds", "times with their units", 1))
	lines := [][]string{t.Columns}
	for _, row := range t.Rows {
		cells := make([]string, len(row))
		for i, v := range row {
			cells[i] = strings.Map(func(r rune) rune {
				if r < ' ' || r == utf8.RuneError {
					return ' '
				}
				return r
			}, v.show())
		}
		lines = append(lines, cells)
	}
	widths := make([]int, len(t.Columns))
	for _, line := range lines {
		for i, cell := range line {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, line := range lines {
		for i, cell := range line {
			space := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			switch {
			case !t.textual(i):
				cell = space + cell
			case i+1 < len(line):
				cell += space
			}
			b.WriteString("  " + cell)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// textual reports whether a column has texts.
func (t Table) textual(column int) bool {
	return slices.ContainsFunc(t.Rows, func(row []Value) bool { return row[column].kind == text })
}
