package incidents

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

// Row is one line of an incident log: the state of a case from a time on.
type Row struct {
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

// Columns are the columns of a log, in any order.
var Columns = []string{
	"case", "time", "status", "substatus", "team", "line", "impact", "product", "country", "owner_country", "agent",
}

var impacts = map[string]ticket.Grade{
	"Low": ticket.GradeLow, "Medium": ticket.GradeMedium, "High": ticket.GradeHigh, "Major": ticket.GradeCritical,
}

// Levels is the number of levels of the workflow. The log calls a level a line.
const Levels = 3

// done reports whether the row ends the work.
func (r Row) done() bool { return strings.HasPrefix(r.State, "Completed/") }

// elsewhere reports whether the row has another level or queue than the ticket.
func (r Row) elsewhere(t ticket.Ticket) bool { return r.Level != t.Level || r.Team != t.Queue }

// The log has no messages, so the notes and messages quote its states.
func (r Row) note() ticket.Note       { return ticket.Note("The log says: " + r.State) }
func (r Row) message() ticket.Message { return ticket.Message("The log says: " + r.State) }

// ReadFile reads a log from a file, which is compressed if its name ends in .gz.
func ReadFile(path string) ([]Row, error) {
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
	rows, err := Read(r)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return rows, nil
}

// Read reads a log and sorts it by time, so that the clock of the desk never goes back.
func Read(r io.Reader) ([]Row, error) {
	in := csv.NewReader(r)
	in.ReuseRecord = true
	head, err := in.Read()
	if err != nil {
		return nil, fmt.Errorf("the header line is missing: %w", err)
	}
	at := map[string]int{}
	for i, name := range head {
		at[strings.TrimPrefix(name, "\ufeff")] = i // without the byte order mark
	}
	for _, name := range Columns {
		if _, ok := at[name]; !ok {
			return nil, fmt.Errorf("column %q is missing", name)
		}
	}

	var rows []Row
	latest := map[string]time.Time{} // the latest time of each case
	for n := 1; ; n++ {
		record, err := in.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		var next Row
		if err == nil {
			next, err = parse(func(column string) string { return record[at[column]] })
		}
		if err != nil {
			return nil, fmt.Errorf("row %d: %w", n, err)
		}
		// Within a case the order of the file wins over the times.
		if next.Time.Before(latest[next.Case]) {
			next.Time = latest[next.Case]
		}
		latest[next.Case] = next.Time
		rows = append(rows, next)
	}
	slices.SortStableFunc(rows, func(a, b Row) int { return a.Time.Compare(b.Time) })
	return rows, nil
}

// parse reads one row by its column names.
func parse(get func(column string) string) (Row, error) {
	r := Row{
		Case: get("case"), State: get("status") + "/" + get("substatus"), Team: get("team"), Impact: impacts[get("impact")],
		Product: get("product"), Country: get("country"), Owner: get("owner_country"), Agent: get("agent"),
	}
	if r.Case == "" {
		return Row{}, errors.New("case is empty")
	}
	// A log may lack the agent or the team; the step still happened.
	r.Team, r.Agent = cmp.Or(r.Team, "unknown"), cmp.Or(r.Agent, "unknown")
	var err error
	if r.Time, err = time.Parse(time.RFC3339, get("time")); err != nil {
		return Row{}, fmt.Errorf("time %q is not RFC 3339, such as 2006-01-02T15:04:05+01:00", get("time"))
	}
	if r.Level, err = strconv.Atoi(get("line")); err != nil || r.Level < 1 || r.Level > Levels {
		return Row{}, fmt.Errorf("line %q is not 1 to %d", get("line"), Levels)
	}
	if _, ok := steps[r.State]; !ok {
		return Row{}, fmt.Errorf("status %q with substatus %q is not known", get("status"), get("substatus"))
	}
	if r.Impact == 0 {
		return Row{}, fmt.Errorf("impact %q is not Low, Medium, High or Major", get("impact"))
	}
	return r, nil
}
