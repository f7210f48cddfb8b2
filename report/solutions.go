package report

import "time"

// solutions are the figures "solution", "first contact" and "reopened".
type solutions struct {
	First   timed     `json:"first"`
	Last    timed     `json:"last"`
	Opening int64     `json:"opening"` // solved when they were created
	One     int64     `json:"one"`     // solved with the first answer
	Cohorts []*cohort `json:"cohorts"` // by month
}

// cohort counts the solutions of one month.
type cohort struct {
	Solved   int64 `json:"solved"`
	Reopened int64 `json:"reopened"`
	Soon     int64 `json:"soon"` // reopened within soonDays
}

// soonDays is a time in which reopening can be compared between months.
const soonDays = 30

func (f *solutions) init(env *env) {
	for range env.months {
		f.Cohorts = append(f.Cohorts, &cohort{})
	}
}

func (f *solutions) add(l *life, env *env) {
	if l.gone() {
		return
	}
	if s, ok := l.firstSolution(); ok && env.has(s.at) {
		f.First.add(env, l.created, s.at)
		if s.at == l.created {
			f.Opening++
		}
		if s.event == l.firstAns && (l.movedAt == 0 || l.movedAt > s.event) && !l.reopened {
			f.One++
		}
	}
	if s, ok := l.lastSolution(); ok && env.has(s.at) {
		f.Last.add(env, l.created, s.at)
	}
	for _, s := range l.spells {
		i := env.monthOf(s.solved)
		if i < 0 {
			continue
		}
		c := f.Cohorts[i]
		c.Solved++
		if s.reopened >= 0 {
			c.Reopened++
			if s.reopened-s.solved <= int64(soonDays*24*time.Hour/time.Microsecond) {
				c.Soon++
			}
		}
	}
}

func (f *solutions) tables(env *env) []Table {
	tables := env.both(Figure{
		Name: "solution", Version: 1,
		Population: "first: tickets whose first solution is in the period. last: tickets finished at the end of the period whose last solution is in it" + notMerged,
		Formula:    "from the creation to the event in which the ticket became solved. Solving a solved ticket again counts as its last solution",
		Unit:       unitTickets,
	}, []string{"solution", "count", "median", "p90", "precision"}, func(clock int) (rows [][]Value) {
		for _, r := range []struct {
			name string
			t    *timed
		}{{"first", &f.First}, {"last", &f.Last}} {
			s := r.t.of(clock)
			rows = append(rows, []Value{textOf(r.name), countOf(s.N), percentileOf(s, 50), percentileOf(s, 90), textOf(s.precision())})
		}
		return rows
	})

	contact := Table{Figure: Figure{
		Name: "first contact", Version: 1,
		Population: "tickets whose first solution is in the period" + notMerged,
		Formula: "on opening: solved at the time of the creation. one answer: solved by the first answer, " +
			"before any change of level or queue, and not reopened up to the end of the period",
		Unit: "tickets; shares in percent", Clock: ClockWall,
	}, Columns: []string{"variant", "count", "of", "share"}}
	contact.Rows = [][]Value{
		{textOf("on opening"), countOf(f.Opening), countOf(f.First.Wall.N), shareOf(f.Opening, f.First.Wall.N)},
		{textOf("one answer"), countOf(f.One), countOf(f.First.Wall.N), shareOf(f.One, f.First.Wall.N)},
	}

	reopened := Table{Figure: Figure{
		Name: "reopened", Version: 1,
		Population: "solutions by the month in which the ticket became solved; a ticket that was reopened and solved again counts again" + notMerged,
		Formula:    "reopened: the ticket was reopened up to the end of the period. within 30 days: at most 30 days after the solution",
		Unit:       "solutions; shares in percent", Clock: ClockWall,
	}, Columns: []string{"month", "solved", "reopened", "share", "within 30 days", "share within 30 days"}}
	for i, c := range f.Cohorts {
		reopened.Rows = append(reopened.Rows, []Value{textOf(env.months[i].name), countOf(c.Solved), countOf(c.Reopened), shareOf(c.Reopened, c.Solved),
			countOf(c.Soon), shareOf(c.Soon, c.Solved)})
	}
	return append(tables, contact, reopened)
}
