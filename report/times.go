package report

import (
	"cmp"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/ticketkit/ticket"
)

// times are the figures of time by holder, phase, level and queue.
type times struct {
	Places [byAll]map[string]*part `json:"places"`
	All    part                    `json:"all"`

	used []use // of one ticket
}

// The kinds of places in which tickets spend time.
const (
	byHolder = iota
	byPhase
	byLevel
	byQueue
	byAll
)

// part is the time that tickets spent in one place.
type part struct {
	Took  timed    `json:"took"`
	Total [2]total `json:"total"` // by clock
}

func (p *part) add(env *env, took [2]int64) {
	p.Took.put(env, took)
	for clock, v := range took {
		p.Total[clock].add(v)
	}
}

// use is the time that one ticket spent in one place.
type use struct {
	kind  int
	place string
	took  [2]int64 // by clock
}

func (f *times) init(*env) {
	for kind := range f.Places {
		f.Places[kind] = map[string]*part{}
	}
}

func (f *times) add(l *life, env *env) {
	s, ok := l.lastSolution()
	if !ok || !env.has(s.at) {
		return
	}
	f.used = f.used[:0]
	var all [2]int64
	for i := range l.stays {
		v := &l.stays[i]
		to := min(v.to, s.at)
		if v.from >= to {
			continue
		}
		took := env.took(v.from, to)
		all[0] += took[0]
		all[1] += took[1]
		f.use(byHolder, holderNames[v.holder], took)
		f.use(byPhase, string(v.phase), took)
		if v.holder.open() {
			f.use(byLevel, strconv.Itoa(v.level), took)
			f.use(byQueue, v.queue, took)
		}
	}
	for _, u := range f.used {
		p := f.Places[u.kind][u.place]
		if p == nil {
			p = &part{}
			f.Places[u.kind][u.place] = p
		}
		p.add(env, u.took)
	}
	f.All.add(env, all)
}

// use adds to the time that the ticket spent in one place.
func (f *times) use(kind int, place string, took [2]int64) {
	for i := range f.used {
		if u := &f.used[i]; u.kind == kind && u.place == place {
			u.took[0] += took[0]
			u.took[1] += took[1]
			return
		}
	}
	f.used = append(f.used, use{kind, place, took})
}

func (f *times) tables(env *env) (tables []Table) {
	var statuses []string
	for _, s := range env.cfg.OnHold {
		statuses = append(statuses, string(s))
	}
	const population = "tickets finished at the end of the period whose last solution is in it" + notMerged
	for kind, figure := range []Figure{
		{Name: "time by holder", Formula: "all time from the creation to the last solution. customer: the phase is your turn. others: the status is " + strings.Join(statuses, " or ") + ". " +
			"finished: solved or closed, before the last solution. merged: before a merge was undone. desk: all other time. The parts add up to the whole"},
		{Name: "time by phase", Formula: "all time from the creation to the last solution, by phase"},
		{Name: "time by level", Formula: "time from the creation to the last solution in which the ticket was open, by level"},
		{Name: "time by queue", Formula: "time from the creation to the last solution in which the ticket was open, by queue; the empty text means none"},
	} {
		figure.Version, figure.Population, figure.Unit = 1, population, unitTickets
		place := figure.Name[len("time by "):]
		tables = append(tables, env.both(figure, []string{place, "count", "median", "p90", "total", "share", "precision"}, func(clock int) (rows [][]Value) {
			all := f.All.Total[clock]
			row := func(name string, p *part) []Value {
				s := p.Took.of(clock)
				return []Value{textOf(name), countOf(s.N), percentileOf(s, 50), percentileOf(s, 90), totalOf(p.Total[clock]), shareOfTotal(p.Total[clock], all),
					textOf(s.precision())}
			}
			for _, name := range slices.SortedFunc(maps.Keys(f.Places[kind]), placeOrder(kind)) {
				rows = append(rows, row(name, f.Places[kind][name]))
			}
			if kind == byHolder {
				rows = append(rows, row("all", &f.All))
			}
			return rows
		})...)
	}
	return tables
}

// placeOrder returns the order of rows.
func placeOrder(kind int) func(a, b string) int {
	rank := func(string) int { return 0 }
	switch kind {
	case byHolder:
		rank = func(s string) int { return slices.Index(holderNames[:], s) }
	case byPhase:
		phases := []string{string(ticket.PhaseReceived), string(ticket.PhaseInProgress), string(ticket.PhaseYourTurn), string(ticket.PhaseSolved), string(ticket.PhaseClosed)}
		rank = func(s string) int { return slices.Index(phases, s) }
	case byLevel:
		rank = func(s string) int { n, _ := strconv.Atoi(s); return n }
	}
	return func(a, b string) int { return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a, b)) }
}

// shareOfTotal is like shareOf.
func shareOfTotal(part, whole total) Value {
	w := whole.big()
	if w.Sign() == 0 {
		return Value{}
	}
	p := part.big()
	p.Mul(p, big.NewInt(2000)).Add(p, w)
	return Value{percent, decimal(p.Quo(p, w.Lsh(w, 1)), 1)}
}
