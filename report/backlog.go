package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// backlog is the figure of that name.
type backlog struct {
	// Changes has, for each class of age, what the count at the end of each day differs by
	// from that of the day before.
	Changes [ages][]int64 `json:"changes"`
}

const (
	ages       = 6
	microHour  = int64(3600 * 1_000_000)
	microOfDay = 24 * microHour
)

// ageClasses are the classes of age, by their upper limits in days.
var ageClasses = [ages]struct {
	name  string
	below int64 // in microseconds
}{
	{"under 1 day", microOfDay},
	{"1 to 3 days", 3 * microOfDay},
	{"3 to 7 days", 7 * microOfDay},
	{"7 to 30 days", 30 * microOfDay},
	{"30 to 90 days", 90 * microOfDay},
	{"90 days and more", math.MaxInt64},
}

func (f *backlog) init(env *env) {
	for i := range f.Changes {
		f.Changes[i] = make([]int64, len(env.ends)+1)
	}
}

func (f *backlog) add(l *life, env *env) {
	for _, s := range l.open {
		// Open at the end of a day means: since before it, and until then at least.
		day, stop := env.endAfter(s.from), env.endAfter(s.to)
		for age := 0; day < stop && age < ages; age++ {
			next := stop
			if limit := ageClasses[age].below; limit < math.MaxInt64 {
				next = min(stop, env.endAfter(l.created+limit-1))
			}
			if next > day {
				f.Changes[age][day]++
				f.Changes[age][next]--
				day = next
			}
		}
	}
}

func (f *backlog) tables(env *env) []Table {
	t := Table{Figure: Figure{
		Name: "backlog", Version: 1,
		Population: "tickets that are neither finished nor merged at the end of the day; for the last day, at the end of the period",
		Formula:    "count by age, the time since the creation; a day of age has 24 hours",
		Unit:       "tickets", Clock: ClockWall,
	}, Columns: []string{"day"}}
	for _, age := range ageClasses {
		t.Columns = append(t.Columns, age.name)
	}
	t.Columns = append(t.Columns, "all")
	var now [ages]int64
	for day, name := range env.names {
		row := []Value{textOf(name)}
		var all int64
		for age := range now {
			now[age] += f.Changes[age][day]
			all += now[age]
			row = append(row, countOf(now[age]))
		}
		t.Rows = append(t.Rows, append(row, countOf(all)))
	}
	return []Table{t}
}

// flows are the figures "flow by day" and "flow by month".
type flows struct {
	Opening int64              `json:"opening"` // open at the beginning of the period
	Days    [][flowKinds]int64 `json:"days"`
}

// A flowKind is a way in which a ticket becomes open, or stops to be.
type flowKind int

const (
	flowOpened flowKind = iota
	flowReopened
	flowUnmerged
	flowSolved
	flowClosed
	flowMerged
	flowKinds
)

var flowNames = []string{"opened", "reopened", "unmerged", "solved", "closed", "merged"}

// in reports whether tickets of the kind become open.
func (k flowKind) in() bool { return k < flowSolved }

func (f *flows) init(env *env) { f.Days = make([][flowKinds]int64, len(env.ends)) }

func (f *flows) add(l *life, env *env) {
	for _, s := range l.open {
		if s.from < env.from && env.from <= s.to {
			f.Opening++
		}
	}
	for _, in := range l.flows {
		if env.has(in.at) {
			f.Days[env.day(in.at)][in.kind]++
		}
	}
}

func (f *flows) tables(env *env) []Table {
	figure := Figure{
		Version:    1,
		Population: "changes in the period by which tickets become open (opened, reopened, unmerged) or stop to be (solved, closed without a solution, merged)",
		Formula: "count of changes; a ticket may have several. open at the start + in - out = open at the end. " +
			"A ticket that is opened and solved at once counts as both",
		Unit: "changes", Clock: ClockWall,
	}
	columns := slices.Concat([]string{"", "open at the start"}, flowNames, []string{"in", "out", "open at the end"})
	byDay := Table{Figure: figure, Columns: slices.Clone(columns)}
	byDay.Name, byDay.Columns[0] = "flow by day", "day"
	byMonth := Table{Figure: figure, Columns: columns}
	byMonth.Name, byMonth.Columns[0] = "flow by month", "month"

	open := f.Opening
	row := func(name string, open int64, kinds [flowKinds]int64) ([]Value, int64) {
		values := []Value{textOf(name), countOf(open)}
		var in, out int64
		for k, n := range kinds {
			values = append(values, countOf(n))
			if flowKind(k).in() {
				in += n
			} else {
				out += n
			}
		}
		return append(values, countOf(in), countOf(out), countOf(open+in-out)), open + in - out
	}
	atStart, sum, monthName := open, [flowKinds]int64{}, ""
	endMonth := func() {
		if monthName != "" {
			values, _ := row(monthName, atStart, sum)
			byMonth.Rows = append(byMonth.Rows, values)
		}
	}
	for day, name := range env.names {
		if m := name[:len("2006-01")]; m != monthName {
			endMonth()
			atStart, sum, monthName = open, [flowKinds]int64{}, m
		}
		for k, n := range f.Days[day] {
			sum[k] += n
		}
		var values []Value
		values, open = row(name, open, f.Days[day])
		byDay.Rows = append(byDay.Rows, values)
	}
	endMonth()
	return []Table{byDay, byMonth}
}

// moves is the figure "level moves".
type moves struct {
	Counts map[string]int64 `json:"counts"` // by "from>to"
}

func (f *moves) init(*env) { f.Counts = map[string]int64{} }

func (f *moves) add(l *life, env *env) {
	for _, m := range l.moves {
		if env.has(m.at) {
			f.Counts[fmt.Sprintf("%d>%d", m.from, m.to)]++
		}
	}
}

func (f *moves) tables(*env) []Table {
	t := Table{Figure: Figure{
		Name: "level moves", Version: 1,
		Population: "events in the period that move a ticket to another level; how a finished ticket is filed does not count",
		Formula:    "count by the levels before and after",
		Unit:       "moves", Clock: ClockWall,
	}, Columns: []string{"from", "to", "count"}}
	var list []move
	for pair := range f.Counts {
		var m move
		_, _ = fmt.Sscanf(pair, "%d>%d", &m.from, &m.to) // add wrote it
		list = append(list, m)
	}
	slices.SortFunc(list, func(a, b move) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to)) })
	for _, m := range list {
		t.Rows = append(t.Rows, []Value{countOf(int64(m.from)), countOf(int64(m.to)), countOf(f.Counts[fmt.Sprintf("%d>%d", m.from, m.to)])})
	}
	return []Table{t}
}
