package sla

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/businesshours"
)

// Spec describes what a desk promises: calendars, and policies that measure by them. In
// JSON it has the same names, and durations are text such as "2h30m" (there is no unit
// for days):
//
//	{
//	  "name": "contracts",
//	  "version": 1,
//	  "calendars": [{
//	    "name": "office",
//	    "zone": "Europe/Berlin",
//	    "week": {"monday": ["09:00-17:00"], "tuesday": ["09:00-17:00"]}
//	  }],
//	  "policies": [{
//	    "name": "gold",
//	    "when": {"organisation": ["acme"]},
//	    "targets": [{
//	      "metric": "first answer",
//	      "within": "2h",
//	      "calendar": "office",
//	      "thresholds": [
//	        {"before": "30m", "do": [{"tell": "assignee"}]},
//	        {"share": 100, "do": [{"escalate": true}, {"tag": "late"}]}
//	      ]
//	    }]
//	  }]
//	}
type Spec struct {
	Name      string               `json:"name"`                // shown to people and in errors; required
	Version   int                  `json:"version"`             // 1 or more; a change needs a higher one
	Calendars []businesshours.Spec `json:"calendars,omitempty"` // by unique names
	Policies  []Policy             `json:"policies"`            // the first that fits a ticket applies
}

// Policy is what is promised to the tickets that fit a condition.
type Policy struct {
	Name    string    `json:"name"`          // unique in the Spec
	When    Condition `json:"when,omitzero"` // zero means every ticket
	Targets []Target  `json:"targets"`       // at most one for each metric; MetricLevel may have several
}

// Condition selects tickets by their properties. A ticket fits if it fits every field that
// is set. A list fits if one of its values is the ticket's. Values must have the form in
// which the desk stores them; see [ticket.Limits].
type Condition struct {
	Priority []ticket.Grade `json:"priority,omitempty"`
	Queue    []string       `json:"queue,omitempty"`
	Tags     []string       `json:"tags,omitempty"` // one of them is enough
	// Fields must all be there, with equal values of the same type. Compile converts
	// integers and float32 as the desk does.
	Fields       ticket.Fields    `json:"fields,omitempty"`
	Organisation []string         `json:"organisation,omitempty"` // of the requester
	Channel      []ticket.Channel `json:"channel,omitempty"`      // by which the ticket arrived
}

// Metric says what a target measures.
//
// An answer is a message or files of an agent to the customer, by whatever action: a reply,
// a question, a solution, a merge. Notes, and what a machine wrote, are no answers. The
// words of a customer are those of the requester or a follower.
type Metric string

// The metrics.
const (
	// MetricFirstAnswer runs from the creation to the first answer of an agent that no
	// machine wrote.
	MetricFirstAnswer Metric = "first answer"
	// MetricNextAnswer runs from the oldest unanswered words of a customer that no machine
	// wrote, after the first answer, to the next answer. If that answer solves the ticket,
	// the clock ends as void.
	MetricNextAnswer Metric = "next answer"
	// MetricUpdate runs from each answer of an agent to the next one, while the ticket is
	// in work.
	MetricUpdate Metric = "update"
	// MetricSolution runs from the creation until the ticket is solved.
	MetricSolution Metric = "solution"
	// MetricLevel runs while the ticket stays at one level and in one queue. It measures the
	// desk inside: an operational level agreement. A policy may have several, for different
	// levels and queues; the first that fits a stay applies. Assigning an agent changes
	// nothing. Coming back, and reopening, start another stay.
	MetricLevel Metric = "level"
)

// Metrics lists all metrics in the order above.
func Metrics() []Metric {
	return []Metric{MetricFirstAnswer, MetricNextAnswer, MetricUpdate, MetricSolution, MetricLevel}
}

// Target is how much open time there is for one metric. Its durations are whole
// microseconds, like the times of a ticket, and at most 87600h (ten years).
type Target struct {
	Metric   Metric        `json:"metric"`
	Levels   []int         `json:"levels,omitempty"`   // MetricLevel: stays at these levels; none means all
	Queues   []string      `json:"queues,omitempty"`   // MetricLevel: stays in these queues; none means all
	Within   time.Duration `json:"within"`             // open time, more than zero
	Calendar string        `json:"calendar,omitempty"` // the name of a calendar; empty means round the clock
	Pause    []Pause       `json:"pause,omitempty"`    // when time does not count
	// Restart makes a reopened ticket start again with the whole time. False means that it
	// continues with the time that was left. For MetricSolution only.
	Restart    bool        `json:"restart,omitempty"`
	Thresholds []Threshold `json:"thresholds,omitempty"` // in the order in which they are reached
}

// Pause is a status in which the time does not count.
type Pause struct {
	Status  ticket.Status `json:"status"`
	Reasons []string      `json:"reasons,omitempty"` // only with one of these as Ticket.Reason; none means any
}

// Threshold is a moment in the life of a clock, and what happens then. Exactly one of
// Share, Before and After is set; Share 100 is the breach. A moment before the start of
// the clock counts as the start.
type Threshold struct {
	Share  int           `json:"share,omitempty"`  // after this percentage of the target, 1 to 100
	Before time.Duration `json:"before,omitempty"` // open time before the clock is due
	After  time.Duration `json:"after,omitempty"`  // open time after the clock was due
	Do     []Reaction    `json:"do"`               // at least one
}

// offset returns the open time from the start of a clock to the threshold, in whole
// microseconds. It is never early.
func (t Threshold) offset(within time.Duration) time.Duration {
	switch {
	case t.Share != 0:
		d := within / 100 * time.Duration(t.Share) // a whole microsecond has hundredths
		if part := d % time.Microsecond; part != 0 {
			d += time.Microsecond - part
		}
		return d
	case t.Before != 0:
		return max(0, within-t.Before)
	}
	return within + t.After
}

// Reaction is one thing that happens at a threshold. Exactly one field is set.
type Reaction struct {
	Tell     Audience     `json:"tell,omitempty"`      // who gets a notification
	Escalate bool         `json:"escalate,omitempty"`  // one level up; nothing at the highest level
	HandOver string       `json:"hand_over,omitempty"` // to this queue
	Raise    ticket.Grade `json:"raise,omitempty"`     // the priority becomes at least this; more than low
	Tag      string       `json:"tag,omitempty"`       // added to the ticket
}

// Audience says who a [Reaction] tells.
type Audience string

// The audiences.
const (
	AudienceAssignee  Audience = "assignee"  // the agent who has the ticket; the queue if there is none
	AudienceQueue     Audience = "queue"     // the queue that has the ticket
	AudienceRequester Audience = "requester" // the customer
	AudienceAgents    Audience = "agents"    // the agents at the ticket's level
)

// Audiences lists all audiences in the order above.
func Audiences() []Audience {
	return []Audience{AudienceAssignee, AudienceQueue, AudienceRequester, AudienceAgents}
}

// String returns the condition as text, such as "priority high or critical; queue billing".
// It names at most five values of a list. A zero condition is "every ticket".
func (c Condition) String() string {
	var parts []string
	add := func(what string, values []string) {
		if len(values) > 0 {
			parts = append(parts, what+" "+alternatives(values))
		}
	}
	add("priority", texts(c.Priority))
	add("queue", c.Queue)
	add("tag", c.Tags)
	for _, name := range slices.Sorted(maps.Keys(c.Fields)) {
		parts = append(parts, "field "+name+" is "+fieldText(c.Fields[name]))
	}
	add("organisation", c.Organisation)
	add("channel", texts(c.Channel))
	if len(parts) == 0 {
		return "every ticket"
	}
	return strings.Join(parts, "; ")
}

// String returns the moment as text, such as "75% of the time", "30m before due", "due" or
// "1h after due".
func (t Threshold) String() string {
	switch {
	case t.Share == 100:
		return "due"
	case t.Share != 0:
		return fmt.Sprintf("%d%% of the time", t.Share)
	case t.Before != 0:
		return short(t.Before) + " before due"
	}
	return short(t.After) + " after due"
}

// String returns the reaction as text, such as "tell assignee" or "hand over to billing".
func (r Reaction) String() string {
	switch {
	case r.Tell != "":
		return "tell " + string(r.Tell)
	case r.Escalate:
		return "escalate"
	case r.HandOver != "":
		return "hand over to " + r.HandOver
	case r.Raise != 0:
		return "raise the priority to " + r.Raise.String()
	case r.Tag != "":
		return "add tag " + r.Tag
	}
	return "nothing"
}

// fieldText formats the value of a custom field.
func fieldText(v any) string {
	switch v := v.(type) {
	case []string:
		return strings.Join(v, ", ")
	case time.Time:
		return v.Format(time.RFC3339Nano)
	}
	return fmt.Sprint(v)
}

// texts returns the values as text.
func texts[T any](list []T) []string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = fmt.Sprint(v)
	}
	return out
}

// alternatives joins the first five values with "or".
func alternatives(values []string) string {
	const most = 5
	if n := len(values) - most; n > 0 {
		values = append(slices.Clone(values[:most]), fmt.Sprintf("%d more", n))
	}
	last := len(values) - 1
	if last == 0 {
		return values[0]
	}
	return strings.Join(values[:last], ", ") + " or " + values[last]
}

// short formats a duration without trailing zero units: "2h30m".
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// clone returns a deep copy. The calendars are still shared.
func (s Spec) clone() Spec {
	s.Calendars = slices.Clone(s.Calendars)
	s.Policies = cloneEach(s.Policies, Policy.clone)
	return s
}

func (p Policy) clone() Policy {
	p.When = p.When.clone()
	p.Targets = cloneEach(p.Targets, Target.clone)
	return p
}

func (c Condition) clone() Condition {
	c.Priority, c.Queue, c.Tags = slices.Clone(c.Priority), slices.Clone(c.Queue), slices.Clone(c.Tags)
	c.Organisation, c.Channel = slices.Clone(c.Organisation), slices.Clone(c.Channel)
	c.Fields = maps.Clone(c.Fields)
	for name, v := range c.Fields {
		if list, ok := v.([]string); ok {
			c.Fields[name] = slices.Clone(list)
		}
	}
	return c
}

func (t Target) clone() Target {
	t.Levels, t.Queues = slices.Clone(t.Levels), slices.Clone(t.Queues)
	t.Pause = cloneEach(t.Pause, func(p Pause) Pause {
		p.Reasons = slices.Clone(p.Reasons)
		return p
	})
	t.Thresholds = cloneEach(t.Thresholds, func(t Threshold) Threshold {
		t.Do = slices.Clone(t.Do)
		return t
	})
	return t
}

func cloneEach[T any](list []T, clone func(T) T) []T {
	list = slices.Clone(list)
	for i := range list {
		list[i] = clone(list[i])
	}
	return list
}
