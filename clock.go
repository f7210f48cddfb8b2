package ticket

import (
	"encoding/json"
	"iter"
	"slices"
	"time"
)

// Clock measures one promise of a ticket, such as an answer within two business hours. It
// is plain data, as of the event that changed it last: [ServiceLevels] computes it when a
// ticket changes, and [Apply] stores it. So a clock can be read even without its policy.
//
// A ticket has at most one clock of each metric: the one that runs, or else the last.
type Clock struct {
	// Metric is one of these:
	//
	//	"first answer"  from the creation to the first answer of an agent
	//	"next answer"   from unanswered words of a customer to the next answer
	//	"update"        from each answer of an agent to the next one
	//	"solution"      from the creation until the ticket is solved
	//	"level"         the stay at one level and in one queue; no customer sees it
	Metric  string        `json:"metric"`
	Event   int64         `json:"event"`             // the number of the event that it starts from
	Policy  string        `json:"policy,omitempty"`  // the policy that made the promise
	Version int           `json:"version,omitempty"` // the version of the agreement that has the policy
	Within  time.Duration `json:"within"`            // the promise, as open time
	Level   int           `json:"level,omitempty"`   // metric "level": of the stay
	Queue   string        `json:"queue,omitempty"`   // metric "level": of the stay

	// State is "running", "paused", or how the clock ended: "met", "missed" or "void" (ended
	// without a result).
	State   string        `json:"state"`
	Started time.Time     `json:"started"`
	Since   time.Time     `json:"since"`   // since when it runs by this target, is paused for one reason, or has ended
	Counted time.Duration `json:"counted"` // open time from Started to Since

	// Due is the last instant at which the promise is kept. It is zero while the clock is
	// paused, unless the promise was broken before.
	Due time.Time `json:"due,omitzero"`
	// Breached is when the promise was broken, once an event has recorded it. The promise of
	// a clock that still runs after Due is broken too; see Overdue.
	Breached time.Time `json:"breached,omitzero"`
	// Missed counts earlier broken promises of this metric: those of earlier clocks, and
	// those of this clock before a change of the policy gave it more time.
	Missed int `json:"missed,omitempty"`

	// Fired names the thresholds that the desk has acted on, or passed over, in the order in
	// which the clock reaches them. The breach is "due". At the end are those that only an
	// earlier policy had.
	Fired []string `json:"fired,omitempty"`
	// Next is when the desk must look at the clock next. Zero means never.
	Next time.Time `json:"next,omitzero"`
}

// The metrics and states of clocks. Package sla declares them for applications.
const (
	metricFirstAnswer = "first answer"
	metricNextAnswer  = "next answer"
	metricUpdate      = "update"
	metricSolution    = "solution"
	metricLevel       = "level"

	clockRunning = "running"
	clockPaused  = "paused"
)

// clockMetrics lists the metrics in the order in which a ticket has them.
var clockMetrics = []string{metricFirstAnswer, metricNextAnswer, metricUpdate, metricSolution, metricLevel}

// Ended reports whether the clock has ended: it neither runs nor is paused.
func (c *Clock) Ended() bool { return c.State != clockRunning && c.State != clockPaused }

// Overdue reports whether the clock has not ended and its promise is broken as of now.
func (c *Clock) Overdue(now time.Time) bool {
	return !c.Ended() && !c.Due.IsZero() && c.Due.Before(now)
}

// broken reports whether a promise of the metric is recorded as broken.
func (c *Clock) broken() bool { return !c.Breached.IsZero() || c.Missed > 0 }

// clockJSON is the JSON form of a clock, with durations as text.
type (
	plainClock Clock
	clockJSON  struct {
		plainClock
		Within  span `json:"within"`
		Counted span `json:"counted"`
	}
)

// MarshalJSON writes durations as text, such as "1h30m0s".
func (c Clock) MarshalJSON() ([]byte, error) {
	return json.Marshal(clockJSON{plainClock(c), span(c.Within), span(c.Counted)})
}

// UnmarshalJSON reads the form that MarshalJSON writes.
func (c *Clock) UnmarshalJSON(data []byte) error {
	var j clockJSON
	if err := decodeStrict(data, &j); err != nil {
		return err
	}
	*c = Clock(j.plainClock)
	c.Within, c.Counted = time.Duration(j.Within), time.Duration(j.Counted)
	return nil
}

// times lists the times of a clock.
func (c *Clock) times() [5]*time.Time {
	return [...]*time.Time{&c.Started, &c.Since, &c.Due, &c.Breached, &c.Next}
}

// Equal reports whether both clocks have the same content. The same instant in two locations
// is equal, and so are nil and empty lists.
func (c *Clock) Equal(o *Clock) bool {
	return c.Started.Equal(o.Started) && c.Since.Equal(o.Since) && c.Due.Equal(o.Due) && c.Breached.Equal(o.Breached) && c.Next.Equal(o.Next) &&
		c.Metric == o.Metric && c.Event == o.Event && c.Policy == o.Policy && c.Version == o.Version && c.Within == o.Within &&
		c.Level == o.Level && c.Queue == o.Queue && c.State == o.State && c.Counted == o.Counted && c.Missed == o.Missed &&
		slices.Equal(c.Fired, o.Fired)
}

func sameClocks(a, b []Clock) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !a[i].Equal(&b[i]) {
			return false
		}
	}
	return true
}

func cloneClocks(list []Clock) []Clock {
	list = slices.Clone(list)
	for i := range list {
		list[i].Fired = slices.Clone(list[i].Fired)
	}
	return list
}

// withClocks returns the clocks with the changed ones in the place of those of the same
// metrics, in the order of clockMetrics. It is a new list, unless nothing changes, or the
// list is the caller's own and has a clock of each changed metric.
func withClocks(list, changed []Clock, own bool) []Clock {
	more, differs := false, false
	for i := range changed {
		switch at := clockIndex(list, changed[i].Metric); {
		case at < 0:
			more = true
		case !differs:
			differs = !list[at].Equal(&changed[i])
		}
	}
	switch {
	case more:
		out := make([]Clock, 0, min(len(list)+len(changed), len(clockMetrics)))
		for _, m := range clockMetrics {
			if i := clockIndex(changed, m); i >= 0 {
				out = append(out, changed[i])
			} else if i := clockIndex(list, m); i >= 0 {
				out = append(out, list[i])
			}
		}
		return out
	case differs:
		if !own {
			list = slices.Clone(list)
		}
		for i := range changed {
			list[clockIndex(list, changed[i].Metric)] = changed[i]
		}
	}
	return list
}

// clockIndex returns the index of the clock of a metric, or -1.
func clockIndex(list []Clock, metric string) int {
	for i := range list {
		if list[i].Metric == metric {
			return i
		}
	}
	return -1
}

// publicClocks appends to a list the parts of clocks that customers may know: the promises
// to them, with their times and results. The list may be the empty beginning of the clocks.
func publicClocks(public, list []Clock) []Clock {
	for i := range list {
		c := &list[i]
		if c.Metric != metricLevel {
			public = append(public, Clock{Metric: c.Metric, Event: c.Event, State: c.State, Started: c.Started, Since: c.Since, Due: c.Due, Breached: c.Breached})
		}
	}
	return public
}

// newPublicClocks returns a new list of the clocks that customers may see.
func newPublicClocks(list []Clock) []Clock {
	if len(list) == 0 {
		return nil
	}
	return publicClocks(make([]Clock, 0, len(list)), list)
}

// Clock returns the ticket's clock of a metric. It returns false if there is none.
func (t *Ticket) Clock(metric string) (Clock, bool) {
	for i := range t.Clocks {
		if t.Clocks[i].Metric == metric {
			return t.Clocks[i], true
		}
	}
	return Clock{}, false
}

// Due returns the earliest time at which a target that is still to be met is due. It looks
// at one metric or, if that is empty, at all. The time may have passed. It is zero if there
// is no such target, or if its clock is paused and the target was not missed before.
func (t *Ticket) Due(metric string) (due time.Time) {
	for i := range t.Clocks {
		c := &t.Clocks[i]
		if !c.Ended() && (metric == "" || metric == c.Metric) {
			due = earliest(due, c.Due)
		}
	}
	return due
}

// answerDue returns when the customer can expect the next answer. It may have passed. Zero
// means that no answer is promised, or that its clock is paused.
func (t *Ticket) answerDue() (due time.Time) {
	for _, m := range [...]string{metricFirstAnswer, metricNextAnswer, metricUpdate} {
		due = earliest(due, t.Due(m))
	}
	return due
}

// Missed reports whether a target was missed, of this metric or, if it is empty, of any.
// Only breaches that an event has recorded count. [Desk.Run] records a breach when it happens.
func (t *Ticket) Missed(metric string) bool {
	return slices.ContainsFunc(t.Clocks, func(c Clock) bool {
		return (metric == "" || metric == c.Metric) && c.broken()
	})
}

// Wake returns when the desk must look at the ticket: the earliest of Timer.At, Snoozed and
// the Next of each clock. Zero means never. [Store].Due finds tickets by it.
func (t *Ticket) Wake() time.Time {
	at := t.ownWake()
	for i := range t.Clocks {
		at = earliest(at, t.Clocks[i].Next)
	}
	return at
}

// ownWake is like Wake, without the clocks.
func (t *Ticket) ownWake() time.Time {
	return earliest(earliest(t.Timer.At, t.Snoozed), t.FeedbackDue)
}

// earliest returns the earlier of two times. The zero time means none.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// ClockAlert is a threshold that a clock has reached, with the reactions that the policy
// asks for. The event that carries it records the reactions that were possible.
type ClockAlert struct {
	Metric    string    `json:"metric"`
	Clock     int64     `json:"clock"`     // Clock.Event
	Threshold string    `json:"threshold"` // such as "30m before due", or "due" for the breach
	At        time.Time `json:"at"`        // when the clock reached it, or when an event gave it another target or ended its pause after that
	Due       time.Time `json:"due"`       // when the clock is due
	// Late says that the desk acted late, for example after a downtime. It then acts on
	// the highest threshold that was reached and passes over those below it.
	Late bool `json:"late,omitempty"`

	Tell     []string `json:"tell,omitempty"`      // who is told: "assignee", "queue", "agents" or "requester"
	Escalate bool     `json:"escalate,omitempty"`  // one level up
	HandOver string   `json:"hand_over,omitempty"` // to this queue
	Raise    Grade    `json:"raise,omitempty"`     // the priority becomes at least this
	Tags     []string `json:"tags,omitempty"`      // added to the ticket
}

// ServiceLevels computes the clocks of tickets, for [Config].ServiceLevels. The Agreement
// of package sla implements it. An implementation must be safe for concurrent use, and must
// return the same results for the same arguments in all processes.
type ServiceLevels interface {
	// Advance completes an event with its effect on the clocks: it sets e.Set.Policy,
	// e.Set.PolicyVersion and e.Set.Clocks to the changes, and nothing else. The ticket t is
	// as before the event. Advance may use the memory of e.Set.Clocks for its result. It must
	// keep neither t nor e, nor their lists. The history yields the events before e, from the first on. Read it
	// only if t is not enough, such as after a change of the policy. If e.Set.Alert is set,
	// the event is the one in which the desk acts on that threshold. With an error the event
	// is not recorded, and the call that made it fails.
	Advance(t *Ticket, e *Event, history iter.Seq2[Event, error]) error

	// Alert returns the threshold that a ticket has reached as of now and on which the desk
	// has not acted. It returns false if there is none. It computes the clocks as of now and
	// does not go by Clock.Next.
	Alert(t *Ticket, now time.Time) (ClockAlert, bool)

	// Add returns the instant at which the amount of open time since from has passed in a
	// calendar. An unknown calendar is an error, and so is one that ends before.
	Add(calendar string, from time.Time, amount time.Duration) (time.Time, error)
}

// checkClocks returns an [*InvalidError] if clocks are not those of one ticket.
func checkClocks(at string, list []Clock) error {
	last := -1
	for i := range list {
		c := &list[i]
		n := slices.Index(clockMetrics, c.Metric)
		if n <= last {
			return invalid(at, "must have metrics of %q, each at most once, in this order", clockMetrics)
		}
		last = n
		if err := checkTimes(namedTime{at, c.Started}, namedTime{at, c.Since}, namedTime{at, c.Due}, namedTime{at, c.Breached}, namedTime{at, c.Next}); err != nil {
			return err
		}
	}
	return nil
}

// cutClocks cuts the times of a patch's clocks to the microsecond.
func (p *Patch) cutClocks() {
	cut := func(t *time.Time) {
		if t != nil {
			*t = microTime(*t)
		}
	}
	for i := range p.Clocks {
		for _, t := range p.Clocks[i].times() {
			cut(t)
		}
	}
	cut(p.Promised)
	cut(p.Snoozed)
	cut(p.FeedbackDue)
	if p.Alert != nil {
		cut(&p.Alert.At)
		cut(&p.Alert.Due)
	}
}
