package sla

import (
	"cmp"
	"context"
	"encoding/json"
	"iter"
	"math"
	"slices"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/businesshours"
)

// Estimation computes an [Estimate] from the histories of past tickets.
type Estimation struct {
	// Calendar counts the open time. Nil means round the clock.
	Calendar *businesshours.Calendar
	// Least is the number of tickets below which nothing is said. Zero means 10.
	Least int
	// Exact is the number of values of a group that are kept as they are. With more, the
	// group becomes a histogram; see [Times]. Zero means 1000.
	Exact int
	// Progress, if set, is called after each ticket with the numbers so far.
	Progress func(tickets, events int)
}

// Estimate says when tickets were really answered and solved. It is immutable and safe for
// concurrent use.
type Estimate struct {
	least  int
	groups map[Group]*[2]times // first answer, solution
}

// Group is a set of tickets. Zero fields mean any.
type Group struct {
	Queue    string       `json:"queue,omitempty"`
	Level    int          `json:"level,omitempty"`
	Priority ticket.Grade `json:"priority,omitempty"`
}

// Times says how long the tickets of a group took. A quantile is the least time within
// which at least that share of the tickets was done. It is exact up to Estimation.Exact
// tickets; with more, it is off by at most 1 percent, or by a millisecond.
//
// In JSON, durations are strings such as "1h30m0s".
type Times struct {
	Group  Group  `json:"group"`
	Metric Metric `json:"metric"`
	Count  int    `json:"count"` // tickets behind the times
	// Waiting counts the tickets in work that have no answer or solution yet. They are not
	// in the times. If they are many, the times are too short.
	Waiting int `json:"waiting"`

	Median     time.Duration `json:"median"`
	P90        time.Duration `json:"p90"`
	OpenMedian time.Duration `json:"open_median"` // open time of the calendar
	OpenP90    time.Duration `json:"open_p90"`
}

// Run reads a stream of histories, such as those of [Histories]. It needs memory for one
// history at a time, and for each queue, level and priority. It ends as
// [Simulation.Run] does, and then returns the estimate from the tickets so far together
// with the error.
//
// A ticket counts with the level and the priority that it was opened with, and with its
// first queue. The first answer is measured from the creation to Ticket.FirstAnswered, the
// solution from the creation to the last time that the ticket was solved, without the
// time in which it was finished or merged away. Pauses count: the times are those that
// the customer sees. Cancelled and merged tickets have no solution.
func (s Estimation) Run(ctx context.Context, histories iter.Seq2[[]ticket.Event, error]) (*Estimate, error) {
	s.Least, s.Exact = cmp.Or(max(s.Least, 0), 10), cmp.Or(max(s.Exact, 0), 1000)
	e := &Estimate{least: s.Least, groups: map[Group]*[2]times{}}
	tickets, count := 0, 0
	err := eachHistory(ctx, histories, func(events []ticket.Event) error {
		if err := s.add(e, events); err != nil {
			return err
		}
		tickets++
		count += len(events)
		if s.Progress != nil {
			s.Progress(tickets, count)
		}
		return nil
	})
	return e, err
}

// add adds one ticket.
func (s Estimation) add(e *Estimate, events []ticket.Event) error {
	var f usageFold
	var opened Group
	for i := range events {
		if err := f.add(events, i); err != nil {
			return err
		}
		if i == 0 {
			opened = Group{Level: f.ticket.Level, Priority: f.ticket.Priority}
		}
		opened.Queue = cmp.Or(opened.Queue, f.ticket.Queue)
	}
	t, u := &f.ticket, f.usage(s.Calendar, time.Time{})
	waiting := !t.Phase.Done() && t.MergedInto.IsZero()
	solved := t.Phase.Done() && t.MergedInto.IsZero() && !t.Resolved.IsZero()
	var whole, open time.Duration
	if solved {
		for _, p := range u.Parts {
			if p.Holder != HolderFinished && p.Holder != HolderMerged {
				whole += p.Open + p.Closed
				open += p.Open
			}
		}
	}
	for _, g := range opened.wider() {
		both := e.groups[g]
		if both == nil {
			both = &[2]times{}
			e.groups[g] = both
		}
		switch answer := &both[0]; {
		case !t.FirstAnswered.IsZero():
			took := max(0, t.FirstAnswered.Sub(t.Created))
			answer.add(took, s.open(t.Created, t.FirstAnswered), s.Exact)
		case waiting:
			answer.waiting++
		}
		switch {
		case solved:
			both[1].add(whole, open, s.Exact)
		case waiting:
			both[1].waiting++
		}
	}
	return nil
}

func (s Estimation) open(from, to time.Time) time.Duration {
	if s.Calendar == nil {
		return max(0, to.Sub(from))
	}
	return max(0, s.Calendar.Between(from, to))
}

// wider returns the group and those that include it, each once, from specific to general.
func (g Group) wider() []Group {
	all := [...]Group{
		g,
		{Queue: g.Queue, Priority: g.Priority},
		{Queue: g.Queue},
		{Level: g.Level, Priority: g.Priority},
		{Priority: g.Priority},
		{},
	}
	list := make([]Group, 0, len(all))
	for _, w := range all {
		if !slices.Contains(list, w) {
			list = append(list, w)
		}
	}
	return list
}

// For returns what is known of tickets like this one: how long they took to the first
// answer, or to the solution. It answers from the first of these groups that has enough
// tickets: the same queue, level and priority; the same queue and priority; the same
// queue; the same level and priority; the same priority; all tickets. Times.Group says
// which one it is.
//
// It returns false if there are too few tickets in all, and for the other metrics. Groups
// are of tickets as they were opened, so ask when a ticket is opened.
func (e *Estimate) For(t ticket.Ticket, m Metric) (Times, bool) {
	for _, g := range (Group{t.Queue, t.Level, t.Priority}).wider() {
		if found, ok := e.times(g, m); ok {
			return found, true
		}
	}
	return Times{}, false
}

// Times returns the times of all groups with enough tickets, the first answers before the
// solutions, sorted by queue, level and priority.
func (e *Estimate) Times() []Times {
	var list []Times
	for g := range e.groups {
		for _, m := range estimated {
			if found, ok := e.times(g, m); ok {
				list = append(list, found)
			}
		}
	}
	slices.SortFunc(list, func(a, b Times) int {
		return cmp.Or(compareMetrics(a.Metric, b.Metric), cmp.Compare(a.Group.Queue, b.Group.Queue),
			cmp.Compare(a.Group.Level, b.Group.Level), cmp.Compare(a.Group.Priority, b.Group.Priority))
	})
	return list
}

// estimated are the metrics of an estimate.
var estimated = []Metric{MetricFirstAnswer, MetricSolution}

func (e *Estimate) times(g Group, m Metric) (Times, bool) {
	k := slices.Index(estimated, m)
	both := e.groups[g]
	if k < 0 || both == nil || both[k].real.count < e.least {
		return Times{}, false
	}
	t := &both[k]
	return Times{
		Group: g, Metric: m, Count: t.real.count, Waiting: t.waiting,
		Median: t.real.quantile(50), P90: t.real.quantile(90),
		OpenMedian: t.open.quantile(50), OpenP90: t.open.quantile(90),
	}, true
}

// times are the values of a group.
type times struct {
	waiting    int
	real, open values
}

func (t *times) add(whole, open time.Duration, exact int) {
	t.real.add(whole, exact)
	t.open.add(open, exact)
}

// values keeps the sorted values up to a limit. Above it, it counts values in buckets that
// grow by 2 percent each, so that the middle of a bucket is off by less than 1 percent.
type values struct {
	count   int
	sorted  []time.Duration
	buckets []int
}

const bucketGrowth = 1.02

func (v *values) add(d time.Duration, exact int) {
	v.count++
	if v.buckets == nil {
		k, _ := slices.BinarySearch(v.sorted, d)
		v.sorted = slices.Insert(v.sorted, k, d)
		if len(v.sorted) <= exact {
			return
		}
		for _, d := range v.sorted {
			v.bucket(d)
		}
		v.sorted = nil
		return
	}
	v.bucket(d)
}

// bucket counts a value. Bucket 0 has the values up to a millisecond.
func (v *values) bucket(d time.Duration) {
	k := 0
	if d > time.Millisecond {
		k = int(math.Ceil(math.Log(float64(d)/float64(time.Millisecond)) / math.Log(bucketGrowth)))
	}
	for len(v.buckets) <= k { // at most 1,900 for the 292 years of a Duration
		v.buckets = append(v.buckets, 0)
	}
	v.buckets[k]++
}

// quantile returns the least value that is not below the given percentage of all.
func (v *values) quantile(percent int) time.Duration {
	rank := (v.count*percent + 99) / 100
	if v.buckets == nil {
		return v.sorted[rank-1]
	}
	for k, n := range v.buckets {
		if rank -= n; rank > 0 {
			continue
		}
		if k == 0 {
			return 0
		}
		middle := 2 * math.Pow(bucketGrowth, float64(k)) / (1 + bucketGrowth) * float64(time.Millisecond)
		return time.Duration(min(middle, 9e18)).Round(time.Microsecond)
	}
	return 0
}

type (
	plainTimes Times
	timesJSON  struct {
		plainTimes
		Median     span `json:"median"`
		P90        span `json:"p90"`
		OpenMedian span `json:"open_median"`
		OpenP90    span `json:"open_p90"`
	}
)

// MarshalJSON encodes durations as text.
func (t Times) MarshalJSON() ([]byte, error) {
	return json.Marshal(timesJSON{plainTimes(t), span(t.Median), span(t.P90), span(t.OpenMedian), span(t.OpenP90)})
}

// UnmarshalJSON reads the form that MarshalJSON writes.
func (t *Times) UnmarshalJSON(data []byte) error {
	var j timesJSON
	err := json.Unmarshal(data, &j)
	*t = Times(j.plainTimes)
	t.Median, t.P90 = time.Duration(j.Median), time.Duration(j.P90)
	t.OpenMedian, t.OpenP90 = time.Duration(j.OpenMedian), time.Duration(j.OpenP90)
	return err
}
