package sla

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/businesshours"
)

// Explanation says why a clock is due when it is, as data and, with String, as text. In
// JSON, durations are strings such as "1h30m0s".
type Explanation struct {
	Clock Clock     `json:"clock"`
	AsOf  time.Time `json:"as_of"` // the current time of the explanation
	// Spans lists what was counted and what was not, without gaps from the start to AsOf or
	// to the stop. If the clock runs and Due is later, it continues to Due.
	Spans []Span `json:"spans"`
	// Moments lists the events and instants that made the clock what it is, oldest first. A
	// moment after AsOf is expected if no event comes before it.
	Moments []Moment `json:"moments"`
}

// Span is a time in which a clock counts, or does not. It is counted by the calendar that
// the clock has now.
type Span struct {
	Kind    SpanKind                   `json:"kind"`
	From    time.Time                  `json:"from"`
	To      time.Time                  `json:"to"`
	Status  ticket.Status              `json:"status,omitempty"` // SpanPaused: of the ticket
	Reason  string                     `json:"reason,omitempty"` // SpanPaused: of the ticket
	Counted time.Duration              `json:"counted"`          // open time in the span
	Total   time.Duration              `json:"total"`            // open time from the start to To
	Hours   *businesshours.Explanation `json:"hours,omitempty"`  // SpanCounted: open and closed intervals
}

// SpanKind says why a span counts or not.
type SpanKind string

// The kinds of spans.
const (
	SpanCounted  SpanKind = "counted"  // the open time counts
	SpanPaused   SpanKind = "paused"   // the status of the ticket pauses the clock
	SpanFinished SpanKind = "finished" // the ticket was solved, closed or cancelled, and later reopened
	SpanMerged   SpanKind = "merged"   // the ticket was merged away, and the merge was undone
)

// Moment is one event or instant in the life of a clock.
type Moment struct {
	Kind MomentKind `json:"kind"`
	At   time.Time  `json:"at"`

	Event    int64             `json:"event,omitempty"`    // the number of the event; 0 for MomentThreshold and MomentBreached
	Action   ticket.ActionName `json:"action,omitempty"`   // of the event
	By       ticket.Role       `json:"by,omitempty"`       // of the event
	Priority ticket.Grade      `json:"priority,omitempty"` // of the ticket after the event

	Policy    string        `json:"policy,omitempty"`   // from then on
	Within    time.Duration `json:"within,omitempty"`   // from then on
	Calendar  string        `json:"calendar,omitempty"` // from then on
	State     ClockState    `json:"state,omitempty"`    // MomentStopped: the result
	Threshold Threshold     `json:"threshold,omitzero"` // MomentThreshold
	Due       time.Time     `json:"due,omitzero"`       // MomentBreached
}

// MomentKind is the kind of a [Moment].
type MomentKind string

// The kinds of moments.
const (
	MomentStarted   MomentKind = "started"   // an event starts the clock
	MomentPromised  MomentKind = "promised"  // a policy promises what no policy promised before the event
	MomentChanged   MomentKind = "changed"   // another target applies to the whole time
	MomentStopped   MomentKind = "stopped"   // an event stops the clock
	MomentResumed   MomentKind = "resumed"   // an event makes the clock go on
	MomentThreshold MomentKind = "threshold" // the clock reaches a threshold
	MomentBreached  MomentKind = "breached"  // the target is missed
)

// Explain explains a clock of a history as of now. The index is that of the clock in the
// result of [Agreement.Clocks] with the same arguments.
func (a *Agreement) Explain(events []ticket.Event, i int, now time.Time) (Explanation, error) {
	t, err := a.AsOf(events, now)
	if err != nil {
		return Explanation{}, err
	}
	return t.Explain(i, now)
}

// Explain explains the clock with an index in the result of [Timeline.Clocks] for the same
// time. An index out of range is an [*InvalidError].
func (t *Timeline) Explain(i int, now time.Time) (Explanation, error) {
	if i < 0 || i >= len(t.runs) {
		err := &InvalidError{Place: "clock", Reason: fmt.Sprintf("%d is not the index of a clock; there are %d", i, len(t.runs))}
		if t.a != nil {
			err.Agreement = t.a.spec.Name
		}
		return Explanation{}, err
	}
	r, now := t.runs[i], t.notBefore(now)
	c := r.clock(now).clone()
	x := Explanation{Clock: c, AsOf: now}
	cal := t.a.calendar(c.Calendar)

	end := now
	if c.State.Stopped() {
		end = c.Stopped
	}
	for k := 0; k < len(r.segments) && r.segments[k].at.Before(end); {
		s, to := r.segments[k], end
		for k++; k < len(r.segments) && r.segments[k].same(s); {
			k++ // a change that was undone at the same time
		}
		if k < len(r.segments) && r.segments[k].at.Before(end) {
			to = r.segments[k].at
		}
		x.span(cal, s, to)
	}
	if c.State == ClockRunning && c.Due.After(end) {
		x.span(cal, segment{at: end, kind: SpanCounted}, c.Due)
	}
	x.moments(r)
	return x, nil
}

// span adds a span, unless it is empty.
func (x *Explanation) span(cal *businesshours.Calendar, s segment, to time.Time) {
	if !s.at.Before(to) {
		return
	}
	n := Span{Kind: s.kind, From: s.at, To: to, Status: s.status, Reason: s.reason}
	if len(x.Spans) > 0 {
		n.Total = x.Spans[len(x.Spans)-1].Total
	}
	if s.kind == SpanCounted {
		h := cal.Explain(s.at, to)
		n.Hours, n.Counted = &h, h.Open
		n.Total += h.Open
	}
	x.Spans = append(x.Spans, n)
}

func (x *Explanation) moments(r *run) {
	for i := range r.turns {
		u := &r.turns[i]
		x.Moments = append(x.Moments, Moment{
			Kind: u.kind, At: u.cause.at, Event: u.cause.seq, Action: u.cause.action, By: u.cause.by, Priority: u.cause.priority,
			Policy: u.policy.Name, Within: u.target.Within, Calendar: u.target.Calendar, State: u.state,
		})
	}
	c := &x.Clock
	for _, b := range c.Earlier {
		x.Moments = append(x.Moments, Moment{Kind: MomentBreached, At: b.At, Policy: b.Policy, Within: b.Within, Due: b.Due})
	}
	for _, th := range c.Thresholds {
		th.Threshold.Do = slices.Clone(th.Threshold.Do)
		x.Moments = append(x.Moments, Moment{Kind: MomentThreshold, At: th.At, Threshold: th.Threshold})
	}
	if !c.Breached.IsZero() {
		x.Moments = append(x.Moments, Moment{Kind: MomentBreached, At: c.Breached, Policy: c.Policy, Within: c.Within, Calendar: c.Calendar, Due: c.Due})
	}
	// Simultaneous ones stay in this order: events first.
	slices.SortStableFunc(x.Moments, func(a, b Moment) int { return a.At.Compare(b.At) })
}

const spanTime = "Mon 2006-01-02 15:04:05.999999 -07:00"

// String returns the explanation as text: the result, then the moments, then the spans,
// with the intervals of the calendar below those that count.
func (x Explanation) String() string {
	var b strings.Builder
	c := &x.Clock
	zone := time.UTC
	for _, s := range x.Spans {
		if s.Hours != nil && len(s.Hours.Steps) > 0 {
			zone = s.Hours.From.Location()
			break
		}
	}
	when := func(t time.Time) string { return t.In(zone).Format(spanTime) }
	fmt.Fprintf(&b, "%s", c.Metric)
	if c.Metric == MetricLevel {
		fmt.Fprintf(&b, " %d", c.Level)
		if c.Queue != "" {
			fmt.Fprintf(&b, " in queue %s", quote(c.Queue))
		}
	}
	fmt.Fprintf(&b, " within %s %s, by policy %s, version %d\n", short(c.Within), hoursOf(c.Calendar), quote(c.Policy), c.Version)
	fmt.Fprintf(&b, "as of %s: %s", when(x.AsOf), c.State)
	if !c.Due.IsZero() {
		fmt.Fprintf(&b, ", due %s", when(c.Due))
	}
	fmt.Fprintf(&b, ", %s counted", short(c.Counted))
	switch {
	case c.Left < 0:
		fmt.Fprintf(&b, ", %s too many\n", short(-c.Left))
	default:
		fmt.Fprintf(&b, ", %s left\n", short(c.Left))
	}
	for _, m := range x.Moments {
		fmt.Fprintf(&b, "%s  %s\n", when(m.At), m)
	}
	for _, s := range x.Spans {
		fmt.Fprintf(&b, "%s to %s  %s\n", when(s.From), when(s.To), s)
		if s.Hours == nil {
			continue
		}
		for _, line := range strings.Split(strings.TrimSpace(s.Hours.String()), "\n")[1:] {
			fmt.Fprintf(&b, "    %s\n", line)
		}
	}
	return b.String()
}

// String returns the moment as text, without its time.
func (m Moment) String() string {
	by := fmt.Sprintf("event %d, %q by %s", m.Event, m.Action, m.By)
	target := fmt.Sprintf("%s %s, by policy %s", short(m.Within), hoursOf(m.Calendar), quote(m.Policy))
	switch m.Kind {
	case MomentStarted:
		return fmt.Sprintf("started by %s: %s", by, target)
	case MomentPromised:
		return fmt.Sprintf("promised after %s, priority %s: %s", by, m.Priority, target)
	case MomentChanged:
		return fmt.Sprintf("changed by %s, priority %s: %s", by, m.Priority, target)
	case MomentStopped:
		return fmt.Sprintf("stopped by %s: %s", by, m.State)
	case MomentResumed:
		return fmt.Sprintf("resumed by %s", by)
	case MomentThreshold:
		return fmt.Sprintf("threshold: %s", m.Threshold)
	case MomentBreached:
		return fmt.Sprintf("missed: %s by policy %s", short(m.Within), quote(m.Policy))
	}
	return string(m.Kind)
}

// String returns the span as text, without its times.
func (s Span) String() string {
	switch {
	case s.Kind == SpanCounted:
		return fmt.Sprintf("counted %s, total %s", short(s.Counted), short(s.Total))
	case s.Kind == SpanPaused && s.Reason != "":
		return fmt.Sprintf("paused: %s, %s", s.Status, s.Reason)
	case s.Kind == SpanPaused:
		return fmt.Sprintf("paused: %s", s.Status)
	}
	return string(s.Kind)
}

func hoursOf(calendar string) string {
	if calendar == "" {
		return "round the clock"
	}
	return "in calendar " + quote(calendar)
}

// The JSON forms replace durations with text.
type (
	plainSpan Span
	spanJSON  struct {
		plainSpan
		Counted span `json:"counted"`
		Total   span `json:"total"`
	}
	plainMoment Moment
	momentJSON  struct {
		plainMoment
		Within span `json:"within,omitempty"`
	}
)

// MarshalJSON encodes durations as text.
func (s Span) MarshalJSON() ([]byte, error) {
	return json.Marshal(spanJSON{plainSpan(s), span(s.Counted), span(s.Total)})
}

// UnmarshalJSON reads the form that MarshalJSON writes.
func (s *Span) UnmarshalJSON(data []byte) error {
	var j spanJSON
	err := json.Unmarshal(data, &j)
	*s = Span(j.plainSpan)
	s.Counted, s.Total = time.Duration(j.Counted), time.Duration(j.Total)
	return err
}

// MarshalJSON encodes the duration as text.
func (m Moment) MarshalJSON() ([]byte, error) {
	return json.Marshal(momentJSON{plainMoment(m), span(m.Within)})
}

// UnmarshalJSON reads the form that MarshalJSON writes.
func (m *Moment) UnmarshalJSON(data []byte) error {
	var j momentJSON
	err := json.Unmarshal(data, &j)
	*m = Moment(j.plainMoment)
	m.Within = time.Duration(j.Within)
	return err
}
