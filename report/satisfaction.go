package report

import (
	"fmt"

	"github.com/ticketkit/ticket"
)

// satisfaction is the figure of that name. No event has a score yet, so the figure is left
// out of the report until one has.
type satisfaction struct {
	Finished int64           `json:"finished"` // tickets that were finished in the period
	Scored   int64           `json:"scored"`   // those of them that have a score
	Scores   [maxScore]int64 `json:"scores"`   // from 1 on
}

const maxScore = 5

// score is the answer of a customer to the question after closing.
type score struct {
	at    int64
	value int // 1 to maxScore
}

// scoreOf returns the score in an event, or 0. This is the place to read it from once
// events have one.
func scoreOf(*ticket.Event) int { return 0 }

func (f *satisfaction) add(l *life, env *env) {
	if l.last.holder != finished || !env.has(l.last.from) {
		return
	}
	f.Finished++
	if n := len(l.scores); n > 0 {
		if v := l.scores[n-1].value; v >= 1 && v <= maxScore {
			f.Scored++
			f.Scores[v-1]++
		}
	}
}

// unused reports whether there is no score.
func (f *satisfaction) unused() bool { return f.Scored == 0 }

func (f *satisfaction) tables(*env) []Table {
	t := Table{Figure: Figure{
		Name: "satisfaction", Version: 1,
		Population: "tickets finished at the end of the period that became so in it",
		Formula:    "the last score up to the end of the period. response rate: tickets with a score, of all. median: of the scores",
		Unit:       "tickets; scores from 1 to 5, 5 is best; shares in percent", Clock: ClockWall,
	}, Columns: []string{"finished", "scored", "response rate", "median"}}
	row := []Value{countOf(f.Finished), countOf(f.Scored), shareOf(f.Scored, f.Finished), countOf(f.median())}
	for i, n := range f.Scores {
		t.Columns = append(t.Columns, fmt.Sprintf("score %d", i+1))
		row = append(row, countOf(n))
	}
	t.Rows = [][]Value{row}
	return []Table{t}
}

// median returns the median of the scores, by nearest rank.
func (f *satisfaction) median() int64 {
	rank := (f.Scored + 1) / 2
	for i, n := range f.Scores {
		if rank -= n; rank <= 0 {
			return int64(i + 1)
		}
	}
	return 0
}
