package report

import (
	"cmp"
	"maps"
	"slices"

	"github.com/ticketkit/ticket"
)

// targets is the figure of that name.
type targets struct {
	Rows map[string]map[string]*tally `json:"rows"` // by metric and policy
}

// tally counts outcomes. The names are those of package sla.
type tally struct {
	Met     int64 `json:"met"`
	Missed  int64 `json:"missed"`
	Void    int64 `json:"void"`
	Running int64 `json:"running"`
	Late    int64 `json:"late"`
}

func (f *targets) init(*env) { f.Rows = map[string]map[string]*tally{} }

// The states in which clocks end.
const (
	stateMet    = "met"
	stateMissed = "missed"
)

// clocks follows the clocks that an event records.
func (l *life) clocks(e *ticket.Event, at int64) {
	for i := range e.Set.Clocks {
		c := &e.Set.Clocks[i]
		k := slices.IndexFunc(l.running, func(o ticket.Clock) bool { return o.Metric == c.Metric })
		if k >= 0 && l.running[k].Event != c.Event {
			// The event that starts the new clock ended the old one, without a record of its own.
			old := &l.running[k]
			state := stateMet
			if !old.Breached.IsZero() || c.Missed > old.Missed {
				state = stateMissed
			}
			l.ended = append(l.ended, target{old.Metric, old.Policy, old.Event, at, state})
		}
		if k >= 0 {
			l.running = slices.Delete(l.running, k, k+1)
		}
		// A clock that goes on has not ended.
		l.ended = slices.DeleteFunc(l.ended, func(t target) bool { return t.metric == c.Metric && t.event == c.Event })
		if c.Ended() {
			l.ended = append(l.ended, target{c.Metric, c.Policy, c.Event, at, c.State})
		} else {
			l.running = append(l.running, *c)
		}
	}
}

func (f *targets) add(l *life, env *env) {
	if l.gone() {
		return
	}
	for _, t := range l.ended {
		if !env.has(t.at) {
			continue
		}
		switch row := f.row(t.metric, t.policy); t.state {
		case stateMet:
			row.Met++
		case stateMissed:
			row.Missed++
		default:
			row.Void++
		}
	}
	for i := range l.running {
		c := &l.running[i]
		row := f.row(c.Metric, c.Policy)
		if !c.Breached.IsZero() || !c.Due.IsZero() && c.Due.UnixMicro() < l.end {
			row.Late++
		} else {
			row.Running++
		}
	}
}

func (f *targets) row(metric, policy string) *tally {
	policies := f.Rows[metric]
	if policies == nil {
		policies = map[string]*tally{}
		f.Rows[metric] = policies
	}
	if policies[policy] == nil {
		policies[policy] = &tally{}
	}
	return policies[policy]
}

func (f *targets) tables(*env) []Table {
	t := Table{Figure: Figure{
		Name: "targets", Version: 1,
		Population: "met, missed, void: recorded clocks that ended in the period. running, late: those that have not ended at its end" + notMerged,
		Formula:    "by the last state that an event recorded up to the end of the period. late: due before that end. share met: of met, missed and late",
		Unit:       "clocks; shares in percent", Clock: "of the policy",
	}, Columns: []string{"metric", "policy", "met", "missed", "late", "running", "void", "share met"}}
	order := []string{"first answer", "next answer", "update", "solution", "level"}
	rank := func(metric string) int {
		if i := slices.Index(order, metric); i >= 0 {
			return i
		}
		return len(order)
	}
	for _, metric := range slices.SortedFunc(maps.Keys(f.Rows), func(a, b string) int { return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a, b)) }) {
		for _, policy := range slices.Sorted(maps.Keys(f.Rows[metric])) {
			n := f.Rows[metric][policy]
			t.Rows = append(t.Rows, []Value{textOf(metric), textOf(policy), countOf(n.Met), countOf(n.Missed), countOf(n.Late), countOf(n.Running), countOf(n.Void),
				shareOf(n.Met, n.Met+n.Missed+n.Late)})
		}
	}
	return []Table{t}
}
