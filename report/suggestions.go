package report

import "github.com/ticketkit/ticket"

// suggestions is the hit rate of suggestions. No event cites a suggestion yet, so the
// figure is left out of the report until one does.
type suggestions struct {
	Solved int64 `json:"solved"`
	Helped int64 `json:"helped"`
}

// suggestionHelped reports whether the event solves the ticket and cites a ticket or a
// known problem that helped. This is the place to read it from once events have it.
func suggestionHelped(*ticket.Event) bool { return false }

func (f *suggestions) add(l *life, env *env) {
	if s, ok := l.firstSolution(); !ok || l.gone() || !env.has(s.at) {
		return
	}
	f.Solved++
	if l.helped {
		f.Helped++
	}
}

// unused reports whether there is no hit.
func (f *suggestions) unused() bool { return f.Helped == 0 }

func (f *suggestions) tables(*env) []Table {
	return []Table{{Figure: Figure{
		Name: "suggestions", Version: 1,
		Population: "tickets whose first solution is in the period" + notMerged,
		Formula:    "hits: tickets with a solution, up to the end of the period, that cites a ticket or a known problem",
		Unit:       "tickets; shares in percent", Clock: ClockWall,
	}, Columns: []string{"solved", "hits", "hit rate"}, Rows: [][]Value{{countOf(f.Solved), countOf(f.Helped), shareOf(f.Helped, f.Solved)}}}}
}
