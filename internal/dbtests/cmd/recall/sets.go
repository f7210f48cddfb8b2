package main

import (
	"bufio"
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A set is reports with groups of duplicates.
type set struct {
	name    string
	reports []report // by time, and then by ID
	pairs   int
	groups  groups
}

type report struct {
	ID      string    `json:"id"`
	Created time.Time `json:"created"`
	Subject string    `json:"subject"`
	Words   string    `json:"words"`
}

// A setError is an error of a set, with its place.
type setError struct {
	file string
	line int
	err  error
}

func (e *setError) Error() string { return fmt.Sprintf("%s:%d: %v", e.file, e.line, e.err) }

func (e *setError) Unwrap() error { return e.err }

const (
	reportsSuffix = "-reports.jsonl"
	pairsSuffix   = "-pairs.csv"
	mostLine      = 64 << 20 // bytes of a line
)

// readFolder reads the sets of a folder, by name.
func readFolder(folder string) ([]*set, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	files, pairs := map[string]string{}, map[string]bool{}
	for _, e := range entries {
		path := filepath.Join(folder, e.Name())
		if name, ok := strings.CutSuffix(strings.TrimSuffix(e.Name(), ".gz"), reportsSuffix); ok {
			if files[name] != "" {
				return nil, fmt.Errorf("%s: the set has two files of reports: %s too", path, files[name])
			}
			files[name] = path
		}
		if name, ok := strings.CutSuffix(e.Name(), pairsSuffix); ok {
			pairs[name] = true
		}
	}
	var sets []*set
	for name, file := range files {
		if !pairs[name] {
			return nil, fmt.Errorf("%s: there is no %s%s beside it", file, name, pairsSuffix)
		}
		s, err := readSet(name, file, filepath.Join(folder, name+pairsSuffix))
		if err != nil {
			return nil, err
		}
		sets = append(sets, s)
	}
	for name := range pairs {
		if files[name] == "" {
			return nil, fmt.Errorf("%s: there is no %s%s beside it", filepath.Join(folder, name+pairsSuffix), name, reportsSuffix)
		}
	}
	if len(sets) == 0 {
		return nil, fmt.Errorf("%s: there is no set, which has the files <name>%s and <name>%s", folder, reportsSuffix, pairsSuffix)
	}
	slices.SortFunc(sets, func(a, b *set) int { return strings.Compare(a.name, b.name) })
	return sets, nil
}

func readSet(name, reports, pairs string) (*set, error) {
	s := &set{name: name, groups: groups{}}
	known := map[string]int{}
	if err := s.readReports(reports, known); err != nil {
		return nil, err
	}
	if err := s.readPairs(pairs, known); err != nil {
		return nil, err
	}
	slices.SortFunc(s.reports, func(a, b report) int {
		if n := a.Created.Compare(b.Created); n != 0 {
			return n
		}
		return strings.Compare(a.ID, b.ID)
	})
	return s, nil
}

func (s *set) readReports(file string, known map[string]int) (err error) {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	var from io.Reader = f
	line := 0
	at := func(err error) error { return &setError{file, line, err} }
	if strings.HasSuffix(file, ".gz") {
		if from, err = gzip.NewReader(f); err != nil {
			return at(err)
		}
	}
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, mostLine)
	for lines.Scan() {
		line++
		if strings.TrimSpace(lines.Text()) == "" {
			continue
		}
		var r report
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return at(err)
		}
		switch first, twice := known[r.ID]; {
		case r.ID == "":
			return at(errors.New(`the report has no "id"`))
		case twice:
			return at(fmt.Errorf("report %q is already on line %d", r.ID, first))
		case r.Created.IsZero():
			return at(errors.New(`the report has no "created"`))
		case r.Subject == "" && r.Words == "":
			return at(errors.New(`the report has neither "subject" nor "words"`))
		}
		known[r.ID] = line
		s.reports = append(s.reports, r)
	}
	if err := lines.Err(); err != nil {
		line++
		return at(err)
	}
	if len(s.reports) == 0 {
		return at(errors.New("there is no report"))
	}
	return nil
}

func (s *set) readPairs(file string, known map[string]int) (err error) {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	rows := csv.NewReader(f)
	rows.FieldsPerRecord = -1
	for n := 0; ; n++ {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			if s.pairs == 0 {
				return &setError{file, n, errors.New("there is no pair")}
			}
			return nil
		}
		if err != nil {
			line := n + 1
			if parse, ok := errors.AsType[*csv.ParseError](err); ok {
				line = parse.Line
			}
			return &setError{file, line, err}
		}
		line, _ := rows.FieldPos(0)
		at := func(format string, args ...any) error { return &setError{file, line, fmt.Errorf(format, args...)} }
		if n == 0 {
			if !slices.Equal(row, []string{"report", "duplicate_of"}) {
				return at(`the first line must be "report,duplicate_of"`)
			}
			continue
		}
		if len(row) != 2 {
			return at("the line has %d values, not 2", len(row))
		}
		if row[0] == row[1] {
			return at("report %q is a duplicate of itself", row[0])
		}
		for _, id := range row {
			if known[id] == 0 {
				return at("there is no report %q", id)
			}
		}
		s.pairs++
		s.groups.join(row[0], row[1])
	}
}

// groups are the reports that are tied to one another (union-find). A cycle of pairs joins a
// group with itself, which changes nothing.
type groups map[string]string // to a report of the same group; the last one stands for all

func (g groups) of(id string) string {
	for g[id] != "" && g[id] != id {
		if next := g[g[id]]; next != "" {
			g[id] = next // shortens the way for the next call
		}
		id = g[id]
	}
	return id
}

func (g groups) join(a, b string) {
	for _, id := range []string{a, b} {
		if g[id] == "" {
			g[id] = id
		}
	}
	g[g.of(a)] = g.of(b)
}
