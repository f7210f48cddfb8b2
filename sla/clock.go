package sla

import (
	"encoding/json"
	"slices"
	"time"
)

// Clock is one running or finished target of one ticket. A ticket has one clock for the
// first answer and one for the solution, and one for each next answer, update and stay at
// a level. With [Target].Restart, each reopening starts another clock for the solution.
//
// A clock that was stopped never changes, except that it can go on: the solution when the
// ticket is reopened, and the first answer if it was not given before; every clock when a
// merge is undone; and one that was no longer promised when it is promised again.
//
// In JSON, durations are strings such as "1h30m0s".
type Clock struct {
	Metric   Metric        `json:"metric"`
	Event    int64         `json:"event"`              // the number of the event that it starts from; unique for each metric of a ticket
	Policy   string        `json:"policy"`             // the name of the policy
	Version  int           `json:"version"`            // of the Spec
	Within   time.Duration `json:"within"`             // the target, as open time
	Calendar string        `json:"calendar,omitempty"` // empty means round the clock
	Level    int           `json:"level,omitempty"`    // MetricLevel: of the stay
	Queue    string        `json:"queue,omitempty"`    // MetricLevel: of the stay

	State   ClockState `json:"state"`
	Started time.Time  `json:"started"`
	Stopped time.Time  `json:"stopped,omitzero"` // when it was met, missed for good, or void

	// Due is the last instant at which the target is met: the earliest one by which Counted
	// reaches Within. It is zero if the calendar ends before that, and if the clock is
	// paused, void, or was stopped while paused, unless Within was reached before.
	Due     time.Time     `json:"due,omitzero"`
	Counted time.Duration `json:"counted"` // open time so far
	Left    time.Duration `json:"left"`    // Within minus Counted; negative when overdue

	// Breached is when the target was missed. It is Due or, if a change of the policy moved
	// Due into the past, the instant of that change. It stays if another change leaves the
	// target missed. Zero means that the target is not missed. A pause does not undo it.
	Breached time.Time `json:"breached,omitzero"`
	// Earlier lists the targets that were missed before a change of the policy gave the
	// clock more time, oldest first.
	Earlier []Breach `json:"earlier,omitempty"`
	// Thresholds lists the thresholds of the target that were reached and, while the clock
	// runs, those to come, in the order of [Target].Thresholds. If a change of
	// the policy moves a threshold into the past, it is reached at the instant of the change.
	Thresholds []Reached `json:"thresholds,omitempty"`
}

// ClockState is the state of a [Clock].
type ClockState string

// The states of a clock. A running or paused clock can be breached already.
const (
	ClockRunning ClockState = "running"
	ClockPaused  ClockState = "paused"
	ClockMet     ClockState = "met"    // stopped in time
	ClockMissed  ClockState = "missed" // stopped too late
	ClockVoid    ClockState = "void"   // ended without a result: merged away, cancelled, no longer promised, or finished before the answer
)

// Stopped reports whether a clock in this state has ended: it is met, missed or void.
func (s ClockState) Stopped() bool { return s != ClockRunning && s != ClockPaused }

// Breach is a target that a clock missed before it got another one.
type Breach struct {
	At     time.Time     `json:"at"`     // when it was missed
	Due    time.Time     `json:"due"`    // by the target of that time
	Policy string        `json:"policy"` // the policy of that time
	Within time.Duration `json:"within"` // the target of that time
}

// Reached says when a clock reaches a threshold, or has reached it.
type Reached struct {
	Threshold Threshold `json:"threshold"`
	// At is the instant at which the counted time reaches the threshold. A threshold after
	// the current time is reached if the clock still runs one microsecond after At.
	At time.Time `json:"at"`
}

// clone returns a copy that shares nothing with c.
func (c Clock) clone() Clock {
	c.Earlier = slices.Clone(c.Earlier)
	c.Thresholds = slices.Clone(c.Thresholds)
	for i := range c.Thresholds {
		do := &c.Thresholds[i].Threshold.Do
		*do = slices.Clone(*do)
	}
	return c
}

// span is a duration with a text form.
type span time.Duration

func (s span) MarshalText() ([]byte, error) { return []byte(time.Duration(s).String()), nil }

func (s *span) UnmarshalText(data []byte) error {
	d, err := time.ParseDuration(string(data))
	*s = span(d)
	return err
}

// The JSON forms replace durations with text.
type (
	plainClock Clock
	clockJSON  struct {
		plainClock
		Within  span `json:"within"`
		Counted span `json:"counted"`
		Left    span `json:"left"`
	}
	plainBreach Breach
	breachJSON  struct {
		plainBreach
		Within span `json:"within"`
	}
)

// MarshalJSON encodes durations as text.
func (c Clock) MarshalJSON() ([]byte, error) {
	return json.Marshal(clockJSON{plainClock(c), span(c.Within), span(c.Counted), span(c.Left)})
}

// UnmarshalJSON reads the form that MarshalJSON writes.
func (c *Clock) UnmarshalJSON(data []byte) error {
	var j clockJSON
	err := json.Unmarshal(data, &j)
	*c = Clock(j.plainClock)
	c.Within, c.Counted, c.Left = time.Duration(j.Within), time.Duration(j.Counted), time.Duration(j.Left)
	return err
}

// MarshalJSON encodes the duration as text.
func (b Breach) MarshalJSON() ([]byte, error) {
	return json.Marshal(breachJSON{plainBreach(b), span(b.Within)})
}

// UnmarshalJSON reads the form that MarshalJSON writes.
func (b *Breach) UnmarshalJSON(data []byte) error {
	var j breachJSON
	err := json.Unmarshal(data, &j)
	*b = Breach(j.plainBreach)
	b.Within = time.Duration(j.Within)
	return err
}
