package main

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ticketkit/ticket"
)

// row is one line of an incident log: where a case stands from a time on.
type row struct {
	Case    string
	Time    time.Time
	State   string // "status/substatus", a key of steps
	Team    string
	Level   int
	Impact  ticket.Grade
	Product string
	Country string
	Owner   string // the owner's country
	Agent   string
}

// columns must all be there, in any order.
var columns = []string{
	"case", "time", "status", "substatus", "team", "line", "impact", "product", "country", "owner_country", "agent",
}

var impacts = map[string]ticket.Grade{
	"Low": ticket.GradeLow, "Medium": ticket.GradeMedium, "High": ticket.GradeHigh, "Major": ticket.GradeCritical,
}

// levels is how many the workflow has; the log calls a level a line.
const levels = 3

// done reports whether the row says that the work is over.
func (r row) done() bool { return strings.HasPrefix(r.State, "Completed/") }

// elsewhere reports whether the row has the ticket at another level or queue.
func (r row) elsewhere(t ticket.Ticket) bool { return r.Level != t.Level || r.Team != t.Queue }

// The log holds no words, so its states must do.
func (r row) note() ticket.Note       { return ticket.Note("The log says: " + r.State) }
func (r row) message() ticket.Message { return ticket.Message("The log says: " + r.State) }

// readFile reads a log from a file, which is compressed if its name ends in .gz.
func readFile(path string) ([]row, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var r io.Reader = bytes.NewReader(data)
	if strings.HasSuffix(path, ".gz") {
		if r, err = gzip.NewReader(r); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	rows, err := readLog(r)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return rows, nil
}

// readLog reads a log and puts it in the order of time, so that the desk's
// clock never runs backwards.
func readLog(r io.Reader) ([]row, error) {
	in := csv.NewReader(r)
	in.ReuseRecord = true
	head, err := in.Read()
	if err != nil {
		return nil, fmt.Errorf("no line with the names of the columns: %w", err)
	}
	at := map[string]int{}
	for i, name := range head {
		at[strings.TrimPrefix(name, "\ufeff")] = i // a byte order mark is no part of a name
	}
	for _, name := range columns {
		if _, ok := at[name]; !ok {
			return nil, fmt.Errorf("column %q is missing", name)
		}
	}

	var rows []row
	latest := map[string]time.Time{} // of each case
	for n := 1; ; n++ {
		record, err := in.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		var next row
		if err == nil {
			next, err = parse(func(column string) string { return record[at[column]] })
		}
		if err != nil {
			return nil, fmt.Errorf("row %d: %w", n, err)
		}
		// The order within a case is the order in the file, whatever the times.
		if next.Time.Before(latest[next.Case]) {
			next.Time = latest[next.Case]
		}
		latest[next.Case] = next.Time
		rows = append(rows, next)
	}
	slices.SortStableFunc(rows, func(a, b row) int { return a.Time.Compare(b.Time) })
	return rows, nil
}

// parse reads one row by the names of its columns.
func parse(get func(column string) string) (row, error) {
	r := row{
		Case: get("case"), State: get("status") + "/" + get("substatus"), Team: get("team"), Impact: impacts[get("impact")],
		Product: get("product"), Country: get("country"), Owner: get("owner_country"), Agent: get("agent"),
	}
	if r.Case == "" {
		return row{}, errors.New("case is empty")
	}
	// A log may have forgotten who it was; the step happened all the same.
	r.Team, r.Agent = cmp.Or(r.Team, "unknown"), cmp.Or(r.Agent, "unknown")
	var err error
	if r.Time, err = time.Parse(time.RFC3339, get("time")); err != nil {
		return row{}, fmt.Errorf("time %q is not as in 2006-01-02T15:04:05+01:00", get("time"))
	}
	if r.Level, err = strconv.Atoi(get("line")); err != nil || r.Level < 1 || r.Level > levels {
		return row{}, fmt.Errorf("line %q is not 1 to %d", get("line"), levels)
	}
	if _, ok := steps[r.State]; !ok {
		return row{}, fmt.Errorf("status %q with substatus %q is not known", get("status"), get("substatus"))
	}
	if r.Impact == 0 {
		return row{}, fmt.Errorf("impact %q is not Low, Medium, High or Major", get("impact"))
	}
	return r, nil
}
