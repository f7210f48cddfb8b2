package report

import (
	"maps"
	"slices"
)

// agents is the figure of that name.
type agents struct {
	Rows map[string]*agent `json:"rows"`
}

type agent struct {
	Answers   int64 `json:"answers"`
	Solutions int64 `json:"solutions"`
}

// leastPerAgent is the least number that is shown of one agent.
const leastPerAgent = 5

func (f *agents) init(*env) { f.Rows = map[string]*agent{} }

func (f *agents) add(l *life, env *env) {
	if !env.cfg.Agents || l.gone() {
		return
	}
	for _, a := range l.answers {
		if a.agent != "" && env.has(a.at) {
			f.row(a.agent).Answers++
		}
	}
	for _, a := range l.solved {
		if a.agent != "" && env.has(a.at) {
			f.row(a.agent).Solutions++
		}
	}
}

func (f *agents) row(id string) *agent {
	if f.Rows[id] == nil {
		f.Rows[id] = &agent{}
	}
	return f.Rows[id]
}

func (f *agents) tables(env *env) []Table {
	if !env.cfg.Agents {
		return nil
	}
	t := Table{Figure: Figure{
		Name: "agents", Version: 1,
		Population: "agents with at least five answers or solutions in the period" + notMerged,
		Formula:    "count of answers, automatic ones excepted, and of solutions. A number below five is left out",
		Unit:       "answers and solutions", Clock: ClockWall,
	}, Columns: []string{"agent", "answers", "solutions"}}
	shown := func(n int64) Value {
		if n < leastPerAgent {
			return Value{}
		}
		return countOf(n)
	}
	for _, id := range slices.Sorted(maps.Keys(f.Rows)) {
		if a := f.Rows[id]; a.Answers >= leastPerAgent || a.Solutions >= leastPerAgent {
			t.Rows = append(t.Rows, []Value{textOf(id), shown(a.Answers), shown(a.Solutions)})
		}
	}
	return []Table{t}
}
