package sla

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/ticketkit/ticket"
)

// Outcome is how a target ended, or stands.
type Outcome string

// The outcomes.
const (
	OutcomeMet     Outcome = "met"
	OutcomeMissed  Outcome = "missed"
	OutcomeVoid    Outcome = "void"
	OutcomeRunning Outcome = "running" // running or paused, and not missed so far
	OutcomeLate    Outcome = "late"    // running or paused, but already missed
)

// Outcome returns the outcome of the clock.
func (c Clock) Outcome() Outcome {
	switch {
	case c.State == ClockMet:
		return OutcomeMet
	case c.State == ClockMissed:
		return OutcomeMissed
	case c.State == ClockVoid:
		return OutcomeVoid
	case !c.Breached.IsZero():
		return OutcomeLate
	}
	return OutcomeRunning
}

// Tally counts outcomes.
type Tally struct {
	Met     int `json:"met"`
	Missed  int `json:"missed"`
	Void    int `json:"void"`
	Running int `json:"running"`
	Late    int `json:"late"`
}

func (t *Tally) add(o Outcome) {
	switch o {
	case OutcomeMet:
		t.Met++
	case OutcomeMissed:
		t.Missed++
	case OutcomeVoid:
		t.Void++
	case OutcomeLate:
		t.Late++
	default:
		t.Running++
	}
}

// Plus returns the sums of both.
func (t Tally) Plus(u Tally) Tally {
	return Tally{t.Met + u.Met, t.Missed + u.Missed, t.Void + u.Void, t.Running + u.Running, t.Late + u.Late}
}

// Total returns the number of targets.
func (t Tally) Total() int { return t.Met + t.Missed + t.Void + t.Running + t.Late }

// Share returns the share of the decided targets that were met, from 0 to 1. Missed and
// late targets are decided, void and running ones are not. It returns false if none is
// decided.
func (t Tally) Share() (float64, bool) {
	n := t.Met + t.Missed + t.Late
	if n == 0 {
		return 0, false
	}
	return float64(t.Met) / float64(n), true
}

// Simulation applies an agreement to the histories of past tickets. It writes nothing.
type Simulation struct {
	Agreement *Agreement // required
	// Against is another agreement, such as the present one, to compare with. Nil means
	// none.
	Against *Agreement
	// Now is the time up to which clocks run that are not stopped. Zero means the time of
	// the last event of each ticket. All events count, whatever Now is.
	Now time.Time
	// Progress, if set, is called after each ticket with the numbers so far.
	Progress func(tickets, events int)
	// Each, if set, is called with each ticket. An error of Each ends the simulation.
	Each func(Simulated) error
	// MaxDifferences limits Result.Differences. Zero means 1000.
	MaxDifferences int
}

// Simulated is one ticket of a [Simulation].
type Simulated struct {
	Ticket     ticket.Ticket  // after its last event
	Events     []ticket.Event // as they came from the stream
	Clocks     []Clock        // by Simulation.Agreement
	Against    []Clock        // by Simulation.Against
	Difference Difference     // without targets if the outcomes are the same
}

// Result is the outcome of a [Simulation].
type Result struct {
	Tickets int `json:"tickets"`
	Events  int `json:"events"`
	Report      // by Simulation.Agreement
	// The rest is empty without a Simulation.Against.
	Against     Report       `json:"against,omitzero"`
	Shifts      []Shift      `json:"shifts,omitempty"`      // where the outcomes differ
	Differing   int          `json:"differing,omitempty"`   // tickets with a different outcome
	Differences []Difference `json:"differences,omitempty"` // the first of these tickets
}

// Report counts the outcomes by one agreement.
type Report struct {
	Without int   `json:"without"` // tickets without any clock
	Rows    []Row `json:"rows,omitempty"`
}

// Row counts the outcomes of one kind of target. [Report].Rows are sorted by the fields,
// from top to bottom, metrics in the order of [Metrics].
//
// Queue and Level are those of the ticket when the outcome was decided: at the breach of a
// missed or late target, before the event that stopped a met or void one, and at the end
// for one that runs. For [MetricLevel] they are those of the stay.
type Row struct {
	Metric Metric `json:"metric"`
	Policy string `json:"policy"`
	Queue  string `json:"queue"`
	Level  int    `json:"level"`
	Tally
}

// Difference is a ticket with different outcomes by two agreements.
type Difference struct {
	Ticket  ticket.ID          `json:"ticket"`
	Number  ticket.Number      `json:"number"`
	Targets []TargetDifference `json:"targets"`
}

// TargetDifference is a target with different outcomes. Metric and Event identify it; see
// [Clock]. An empty outcome means that the agreement has no such target.
type TargetDifference struct {
	Metric  Metric  `json:"metric"`
	Event   int64   `json:"event"`
	Against Outcome `json:"against,omitempty"` // by Simulation.Against
	Outcome Outcome `json:"outcome,omitempty"` // by Simulation.Agreement
}

// Shift counts the targets whose outcome differs in one way.
type Shift struct {
	Metric  Metric  `json:"metric"`
	Against Outcome `json:"against,omitempty"`
	Outcome Outcome `json:"outcome,omitempty"`
	Targets int     `json:"targets"`
}

// Run applies the agreement to a stream of histories, such as those of [Histories]. It
// needs memory for one history at a time; the result grows with the number of policies,
// queues and levels, not with the number of tickets. An empty history counts as no ticket.
//
// An error of the stream, a history with a gap (a [*ticket.ChainError]), an error of
// Simulation.Each or the end of the context ends the run. Run then returns the result of
// the tickets so far together with the error. Without an agreement or a stream it
// returns an [*InvalidError].
func (s Simulation) Run(ctx context.Context, histories iter.Seq2[[]ticket.Event, error]) (Result, error) {
	if s.Agreement == nil {
		return Result{}, &InvalidError{Place: "simulation.agreement", Reason: "is missing"}
	}
	r := simulator{Simulation: s, rows: newRows(), against: newRows(), shifts: map[Shift]int{}}
	if r.MaxDifferences == 0 {
		r.MaxDifferences = 1000
	}
	err := eachHistory(ctx, histories, r.add)
	res := r.result
	res.Report = r.rows.report()
	if s.Against != nil {
		res.Against = r.against.report()
	}
	for sh, n := range r.shifts {
		sh.Targets = n
		res.Shifts = append(res.Shifts, sh)
	}
	slices.SortFunc(res.Shifts, func(a, b Shift) int {
		return cmp.Or(compareMetrics(a.Metric, b.Metric), cmp.Compare(a.Against, b.Against), cmp.Compare(a.Outcome, b.Outcome))
	})
	return res, err
}

// eachHistory calls add with each history that has events.
func eachHistory(ctx context.Context, histories iter.Seq2[[]ticket.Event, error], add func([]ticket.Event) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if histories == nil {
		return &InvalidError{Place: "histories", Reason: "is missing"}
	}
	for events, err := range histories {
		if err == nil {
			err = ctx.Err()
		}
		if err == nil && len(events) > 0 {
			err = add(events)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// simulator is the state of one run.
type simulator struct {
	Simulation
	result  Result
	rows    *rows
	against *rows
	shifts  map[Shift]int
	places  []place // of the current ticket
}

// add simulates one ticket. After an error nothing of it is counted.
func (r *simulator) add(events []ticket.Event) error {
	one := Simulated{Events: events}
	first := r.Agreement.Timeline()
	r.places = r.places[:0]
	for i := range events {
		if err := first.Add(events[i]); err != nil {
			return err
		}
		r.places = append(r.places, place{first.at, first.t.Queue, first.t.Level})
	}
	one.Clocks = first.Clocks(r.Now)
	one.Ticket = first.Ticket()
	var second *Timeline
	if r.Against != nil {
		second = r.Against.Timeline()
		for i := range events {
			if err := second.Add(events[i]); err != nil {
				return err
			}
		}
		one.Against = second.Clocks(r.Now)
		one.Difference = Difference{one.Ticket.ID, one.Ticket.Number, differences(one.Clocks, one.Against)}
	}
	if r.Each != nil {
		if err := r.Each(one); err != nil {
			return err
		}
	}
	r.rows.add(first, r.Now, r.places)
	if second != nil {
		r.against.add(second, r.Now, r.places)
	}
	if len(one.Difference.Targets) > 0 {
		r.result.Differing++
		if len(r.result.Differences) < r.MaxDifferences {
			r.result.Differences = append(r.result.Differences, one.Difference)
		}
		for _, d := range one.Difference.Targets {
			r.shifts[Shift{Metric: d.Metric, Against: d.Against, Outcome: d.Outcome}]++
		}
	}
	r.result.Tickets++
	r.result.Events += len(events)
	if r.Progress != nil {
		r.Progress(r.result.Tickets, r.result.Events)
	}
	return nil
}

// differences returns the targets with different outcomes, sorted by event and metric.
func differences(clocks, against []Clock) []TargetDifference {
	type id struct {
		metric Metric
		event  int64
	}
	other := make(map[id]Outcome, len(against))
	for i := range against {
		other[id{against[i].Metric, against[i].Event}] = against[i].Outcome()
	}
	var list []TargetDifference
	for i := range clocks {
		c := &clocks[i]
		key := id{c.Metric, c.Event}
		if was, is := other[key], c.Outcome(); was != is {
			list = append(list, TargetDifference{c.Metric, c.Event, was, is})
		}
		delete(other, key)
	}
	for key, was := range other {
		list = append(list, TargetDifference{key.metric, key.event, was, ""})
	}
	slices.SortFunc(list, func(a, b TargetDifference) int {
		return cmp.Or(cmp.Compare(a.Event, b.Event), compareMetrics(a.Metric, b.Metric))
	})
	return list
}

// place is where a ticket is after an event.
type place struct {
	at    time.Time
	queue string
	level int
}

// decided returns where the outcome of a clock was decided. The clock is that of the run.
func decided(c *Clock, r *run, places []place) (queue string, level int) {
	if c.Metric == MetricLevel {
		return c.Queue, c.Level
	}
	p := len(places) - 1
	switch c.Outcome() {
	case OutcomeMissed, OutcomeLate:
		p = sort.Search(len(places), func(i int) bool { return places[i].at.After(c.Breached) }) - 1
	case OutcomeMet, OutcomeVoid:
		p = int(r.turns[len(r.turns)-1].cause.seq) - 2 // a stopped run has no turn after the stop
	}
	p = max(p, 0)
	return places[p].queue, places[p].level
}

// rows counts outcomes by the other fields of Row.
type rows struct {
	without int
	by      map[Row]*Tally
}

func newRows() *rows { return &rows{by: map[Row]*Tally{}} }

func (r *rows) add(t *Timeline, now time.Time, places []place) {
	if len(t.runs) == 0 {
		r.without++
	}
	for _, run := range t.runs {
		c := run.clock(t.notBefore(now))
		key := Row{Metric: c.Metric, Policy: c.Policy}
		key.Queue, key.Level = decided(&c, run, places)
		r.tally(key).add(c.Outcome())
	}
}

func (r *rows) tally(key Row) *Tally {
	t := r.by[key]
	if t == nil {
		t = &Tally{}
		r.by[key] = t
	}
	return t
}

func (r *rows) report() Report {
	var list []Row
	for key, t := range r.by {
		key.Tally = *t
		list = append(list, key)
	}
	slices.SortFunc(list, compareRows)
	return Report{r.without, list}
}

func compareRows(a, b Row) int {
	return cmp.Or(compareMetrics(a.Metric, b.Metric), cmp.Compare(a.Policy, b.Policy), cmp.Compare(a.Queue, b.Queue), cmp.Compare(a.Level, b.Level))
}

func compareMetrics(a, b Metric) int {
	return cmp.Compare(slices.Index(Metrics(), a), slices.Index(Metrics(), b))
}

// Group adds up rows that key makes equal: it is called with each row, without its tally,
// and returns the row to add to. To add up the policies:
//
//	r.Group(func(row sla.Row) sla.Row { row.Policy = ""; return row })
func (r Report) Group(key func(Row) Row) []Row {
	sums := newRows()
	for _, row := range r.Rows {
		tally := row.Tally
		row.Tally = Tally{}
		to := key(row)
		to.Tally = Tally{}
		sum := sums.tally(to)
		*sum = sum.Plus(tally)
	}
	return sums.report().Rows
}

// String returns the sums by metric as text, one line for each.
func (r Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-13s %8s %8s %8s %8s %8s %6s\n", "", OutcomeMet, OutcomeMissed, OutcomeLate, OutcomeRunning, OutcomeVoid, "met")
	for _, row := range r.Group(func(row Row) Row { return Row{Metric: row.Metric} }) {
		share := "-"
		if s, ok := row.Share(); ok {
			share = fmt.Sprintf("%.1f%%", 100*s)
		}
		fmt.Fprintf(&b, "%-13s %8d %8d %8d %8d %8d %6s\n", row.Metric, row.Met, row.Missed, row.Late, row.Running, row.Void, share)
	}
	return b.String()
}

// Histories yields the history of each ticket of a query that the actor may see, for
// [Simulation.Run] and [Estimation.Run]. It reads one ticket at a time. After an error it
// ends.
func Histories(ctx context.Context, d *ticket.Desk, by ticket.Actor, q ticket.Query) iter.Seq2[[]ticket.Event, error] {
	return func(yield func([]ticket.Event, error) bool) {
		for t, err := range d.Tickets(ctx, by, q) {
			if err != nil {
				yield(nil, err)
				return
			}
			events := make([]ticket.Event, 0, t.Version)
			for e, err := range d.Events(ctx, by, t.ID) {
				if err != nil {
					yield(nil, err)
					return
				}
				events = append(events, e)
			}
			if !yield(events, nil) {
				return
			}
		}
	}
}
