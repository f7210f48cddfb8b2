package report

import "github.com/ticketkit/ticket"

// suggestions is the hit rate of suggestions.
type suggestions struct {
	Solved    int64 `json:"solved"`
	Cited     int64 `json:"cited"`
	Suggested int64 `json:"suggested"`
}

func (f *suggestions) add(l *life, env *env) {
	if s, ok := l.firstSolution(); !ok || l.gone() || !env.has(s.at) {
		return
	}
	f.Solved++
	if l.cited {
		f.Cited++
	}
	if l.suggested {
		f.Suggested++
	}
}

// help records whether an event that solves the ticket cites another one.
func (l *life) help(e *ticket.Event) {
	if by := e.Set.SolvedBy; by != nil && !by.IsZero() {
		l.cited = true
		l.suggested = l.suggested || e.Set.Suggested
	}
}

// unused reports whether no solution cites a ticket.
func (f *suggestions) unused() bool { return f.Cited == 0 }

func (f *suggestions) tables(*env) []Table {
	return []Table{{Figure: Figure{
		Name: "suggestions", Version: 1,
		Population: "tickets whose first solution is in the period" + notMerged,
		Formula: "cited: tickets with a solution, up to the end of the period, that cites the ticket which helped. " +
			"suggested: those of them where the desk had suggested that ticket. hit rate: suggested, of solved",
		Unit: "tickets; shares in percent", Clock: ClockWall,
	}, Columns: []string{"solved", "cited", "suggested", "hit rate"}, Rows: [][]Value{{countOf(f.Solved), countOf(f.Cited), countOf(f.Suggested), shareOf(f.Suggested, f.Solved)}}}}
}
