package report

import (
	"context"
	"iter"
	"time"

	"github.com/ticketkit/ticket"
)

// Report computes the figures of a period from histories. Make one with [New] or [Resume].
// It is not safe for concurrent use.
type Report struct {
	env     env
	life    life
	s       state
	resumed ticket.ID // histories up to this one are part of the report already
}

// state is what a checkpoint keeps of a report.
type state struct {
	After    ticket.ID `json:"after"`    // the greatest ID so far
	Unsorted bool      `json:"unsorted"` // the histories did not come in the order of IDs
	Tickets  int       `json:"tickets"`
	Events   int       `json:"events"`
	Merged   int       `json:"merged"`

	Answers      answers      `json:"answers"`
	Solutions    solutions    `json:"solutions"`
	Backlog      backlog      `json:"backlog"`
	Flows        flows        `json:"flows"`
	Moves        moves        `json:"moves"`
	Times        times        `json:"times"`
	Targets      targets      `json:"targets"`
	Satisfaction satisfaction `json:"satisfaction"`
	Suggestions  suggestions  `json:"suggestions"`
	Agents       agents       `json:"agents"`
}

// figure computes one figure, or several from the same numbers.
type figure interface {
	add(l *life, env *env)
	tables(env *env) []Table
}

func (s *state) figures() []figure {
	return []figure{&s.Answers, &s.Solutions, &s.Backlog, &s.Flows, &s.Moves, &s.Times, &s.Targets, &s.Satisfaction, &s.Suggestions, &s.Agents}
}

// env is what all figures go by.
type env struct {
	cfg Config
	*days
}

// took returns the time between two instants by both clocks, in microseconds.
func (e *env) took(from, to int64) (t [2]int64) {
	t[0] = to - from
	if e.cfg.Hours != nil && to > from {
		t[1] = e.cfg.Hours.Between(time.UnixMicro(from).UTC(), time.UnixMicro(to).UTC()).Microseconds()
	}
	return t
}

// both returns the tables of a figure for both clocks. The second one is left out if there
// are no business hours.
func (e *env) both(f Figure, columns []string, rows func(clock int) [][]Value) []Table {
	f.Clock = ClockWall
	tables := []Table{{f, columns, rows(0)}}
	if e.cfg.Hours != nil {
		f.Clock = clockHours(e.cfg.hours())
		tables = append(tables, Table{f, columns, rows(1)})
	}
	return tables
}

// notMerged ends the population of the figures that do not count merged tickets.
const notMerged = "; tickets that are merged at the end of the period are left out"

// unitTickets is the unit of most figures with times.
const unitTickets = "tickets; times in seconds, shares in percent"

// timed is a spread of times by both clocks.
type timed struct {
	Wall  spread `json:"wall"`
	Hours spread `json:"hours"`
}

func (t *timed) add(env *env, from, to int64) { t.put(env, env.took(from, to)) }

func (t *timed) put(env *env, took [2]int64) {
	t.Wall.add(took[0])
	if env.cfg.Hours != nil {
		t.Hours.add(took[1])
	}
}

// of returns the spread of a clock.
func (t *timed) of(clock int) *spread {
	if clock == 0 {
		return &t.Wall
	}
	return &t.Hours
}

// New returns a report without tickets. An error is an [*ticket.InvalidError] that names
// the field.
func New(cfg Config) (*Report, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	r := &Report{env: env{cfg, newDays(cfg.From, cfg.To, cfg.Zone)}}
	for _, f := range r.s.figures() {
		if f, ok := f.(interface{ init(env *env) }); ok {
			f.init(&r.env)
		}
	}
	return r, nil
}

// Run adds the histories of a stream, such as that of [ticket.Desk.Histories]. It ends with
// the first error of the stream, or of [Report.Add]. The histories before the error are
// part of the report. For tickets in several databases, call it for one after the other.
func (r *Report) Run(ctx context.Context, histories iter.Seq2[[]ticket.Event, error]) error {
	for history, err := range histories {
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			err = r.Add(history)
		}
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}

// Add adds the whole history of one ticket: all its events, from the first one on. It skips
// the tickets of other tenants, and no events at all. A ticket must be added once only; the
// order of tickets does not matter. With an error it changes nothing.
//
// A history that is not numbered 1, 2, 3 … or is not of one ticket gives a
// [*ticket.ChainError]. A ticket that was added last, or that is in the checkpoint that the
// report was resumed from, gives an [*ticket.InvalidError].
func (r *Report) Add(history []ticket.Event) error {
	if len(history) == 0 || !r.env.cfg.AllTenants && history[0].Set.Tenant != r.env.cfg.Tenant {
		return nil
	}
	id := history[0].Ticket
	if order := id.Compare(r.s.After); r.s.Tickets > 0 && order == 0 || !r.resumed.IsZero() && id.Compare(r.resumed) <= 0 {
		return &ticket.InvalidError{Field: "report.history", Reason: "is of ticket " + id.String() + ", which is part of the report already"}
	}
	in, err := r.life.read(history, r.env.to, r.env.cfg.OnHold)
	if err != nil {
		return err
	}
	if id.Compare(r.s.After) < 0 {
		r.s.Unsorted = true
	} else {
		r.s.After = id
	}
	r.s.Tickets++
	r.s.Events += len(history)
	if in {
		if r.life.gone() {
			r.s.Merged++
		}
		for _, f := range r.s.figures() {
			f.add(&r.life, &r.env)
		}
	}
	if r.env.cfg.Progress != nil {
		r.env.cfg.Progress(r.s.Tickets, r.s.Events)
	}
	return nil
}
