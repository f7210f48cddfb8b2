package main

import (
	"context"
	"encoding/binary"
	"encoding/csv"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/internal/dbtests"
	"github.com/ticketkit/ticket/memstore"
	"github.com/ticketkit/ticket/sqlstore"
)

// ranks are the places up to which hits count.
var ranks = [3]int{1, 5, 10}

// figures are the result of a set.
type figures struct {
	queries     int
	at          [len(ranks)]float64 // recall
	median, p99 time.Duration       // of a call; not recorded
}

// measure opens and resolves a ticket for each report, in the order of time. Before, it asks
// for suggestions for those that have an earlier duplicate.
func (s *set) measure(ctx context.Context, where string) (f figures, err error) {
	store, closed, err := openStore(ctx, where)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, closed()) }()
	var now time.Time
	var made uint64
	desk, err := ticket.NewDesk(store, ticket.Config{
		Silent: true,
		Now:    func() time.Time { return now },
		NewID: func(time.Time) (id ticket.ID) { // in order, so that every run is the same
			made++
			binary.BigEndian.PutUint64(id[8:], made)
			return id
		},
		Limits: ticket.Limits{Subject: mostLine, Message: mostLine},
	})
	if err != nil {
		return f, err
	}
	agent := ticket.Agent("agent", 1, 2, 3)
	drafts := make([]ticket.Draft, len(s.reports))
	for i, r := range s.reports {
		drafts[i] = r.draft()
	}
	group := map[ticket.ID]string{} // of the reports in a group
	earlier := map[string]bool{}
	var took []time.Duration
	for from := 0; from < len(s.reports); {
		upto := from // reports of the same instant are no candidates for one another
		for upto < len(s.reports) && s.reports[upto].Created.Equal(s.reports[from].Created) {
			upto++
		}
		now = s.reports[from].Created
		for i := from; i < upto; i++ {
			of := s.groups.of(s.reports[i].ID)
			if !earlier[of] {
				continue
			}
			start := time.Now()
			list, err := desk.SimilarToDraft(ctx, agent, drafts[i], ranks[len(ranks)-1])
			if err != nil {
				return f, fmt.Errorf("report %q: %w", s.reports[i].ID, err)
			}
			took = append(took, time.Since(start))
			f.queries++
			place := slices.IndexFunc(list, func(x ticket.Suggestion) bool { return group[x.Ticket.ID] == of })
			for j, rank := range ranks {
				if 0 <= place && place < rank {
					f.at[j]++
				}
			}
		}
		for i := from; i < upto; i++ {
			dr := drafts[i]
			dr.Solution = "."
			t, err := desk.Open(ctx, agent, dr)
			if err != nil {
				return f, fmt.Errorf("report %q: %w", s.reports[i].ID, err)
			}
			if id := s.reports[i].ID; s.groups[id] != "" {
				group[t.ID] = s.groups.of(id)
				earlier[group[t.ID]] = true
			}
		}
		from = upto
	}
	if f.queries == 0 {
		return f, errors.New("no report has an earlier duplicate: all are of the same instant")
	}
	for j := range f.at {
		f.at[j] /= float64(f.queries)
	}
	slices.Sort(took)
	f.median, f.p99 = took[len(took)/2], took[len(took)*99/100]
	return f, nil
}

// draft returns a report as a draft. Tickets have no NUL bytes, and a subject of one line.
func (r *report) draft() ticket.Draft {
	line := func(c rune) rune {
		if c < ' ' || c == 0x7f || 0x80 <= c && c < 0xa0 || c == '\u2028' || c == '\u2029' {
			return ' '
		}
		return c
	}
	dr := ticket.Draft{
		Requester: ticket.Person{ID: "reporter"},
		Subject:   strings.Map(line, r.Subject),
		Message:   ticket.Message(strings.ReplaceAll(r.Words, "\x00", " ")),
	}
	if strings.TrimSpace(dr.Subject) == "" {
		dr.Subject = "." // has no word
	}
	return dr
}

func openStore(ctx context.Context, where string) (ticket.Store, func() error, error) {
	switch where {
	case "memory":
		return memstore.New(), func() error { return nil }, nil
	case "sqlite":
		dir, err := os.MkdirTemp("", "ticket-recall-")
		if err != nil {
			return nil, nil, err
		}
		db, err := dbtests.Open("sqlite", "file:"+filepath.Join(dir, "recall.db")+"?_pragma=busy_timeout(5000)&_txlock=immediate&_pragma=synchronous(OFF)")
		if err != nil {
			return nil, nil, errors.Join(err, os.RemoveAll(dir))
		}
		closed := func() error { return errors.Join(db.Close(), os.RemoveAll(dir)) }
		s, err := sqlstore.Open(ctx, db, sqlstore.SQLite, sqlstore.Search())
		if err != nil {
			return nil, nil, errors.Join(err, closed())
		}
		return s, closed, nil
	default:
		return nil, nil, fmt.Errorf("unknown store %q; use memory or sqlite", where)
	}
}

// recorded has figures by the name of the set.
type recorded map[string]figures

// loss is how much less recall fails a set.
const loss = 0.01

// compare returns the reason why a set fails, or "".
func (r recorded) compare(name string, f figures) string {
	old, known := r[name]
	if !known {
		return ""
	}
	if old.queries != f.queries {
		return fmt.Sprintf("%s has %d queries, and %d when it was recorded: it is another set; record it again", name, f.queries, old.queries)
	}
	var lost []string
	for i, rank := range ranks {
		if old.at[i]-f.at[i] >= loss-1e-9 {
			lost = append(lost, fmt.Sprintf("recall at %d is %.3f, and was %.3f", rank, f.at[i], old.at[i]))
		}
	}
	if len(lost) == 0 {
		return ""
	}
	return name + ": " + strings.Join(lost, "; ")
}

var recordedHeader = []string{"set", "queries", "at_1", "at_5", "at_10"}

func readRecorded(file string) (recorded, error) {
	r := recorded{}
	if file == "" {
		return r, nil
	}
	f, err := os.Open(file)
	if errors.Is(err, os.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return nil, err
	}
	rows, err := csv.NewReader(f).ReadAll()
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	for i, row := range rows {
		if i == 0 {
			if !slices.Equal(row, recordedHeader) {
				return nil, &setError{file, 1, fmt.Errorf("the first line must be %q", strings.Join(recordedHeader, ","))}
			}
			continue
		}
		var x figures
		x.queries, err = strconv.Atoi(row[1])
		for j := range x.at {
			var parsed error
			x.at[j], parsed = strconv.ParseFloat(row[2+j], 64)
			err = errors.Join(err, parsed)
		}
		if err != nil {
			return nil, &setError{file, i + 1, err}
		}
		r[row[0]] = x
	}
	return r, nil
}

func (r recorded) write(file string) error {
	if file == "" {
		return errors.New("-record needs the file of -recorded")
	}
	var b strings.Builder
	w := csv.NewWriter(&b)
	_ = w.Write(recordedHeader) // into memory
	for _, name := range slices.Sorted(maps.Keys(r)) {
		row := []string{name, strconv.Itoa(r[name].queries)}
		for _, v := range r[name].at {
			row = append(row, strconv.FormatFloat(v, 'f', 4, 64))
		}
		_ = w.Write(row)
	}
	w.Flush()
	return os.WriteFile(file, []byte(b.String()), 0o600)
}
