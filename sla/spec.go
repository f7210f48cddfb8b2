package sla

import (
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/businesshours"
)

// Spec describes what a desk promises: calendars, and policies that measure by them. In
// JSON it has the same names, and durations are texts such as "2h30m".
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
	Targets []Target  `json:"targets"`       // at most one for each metric; see Metric for MetricLevel
}

// Condition selects tickets by their properties. A ticket fits if it fits every field
// that is set. A list fits if one of its values is the ticket's.
type Condition struct {
	Priority     []ticket.Grade   `json:"priority,omitempty"`
	Queue        []string         `json:"queue,omitempty"`
	Tags         []string         `json:"tags,omitempty"` // one of them is enough
	Fields       ticket.Fields    `json:"fields,omitempty"` // all of them must be equal
	Organisation []string         `json:"organisation,omitempty"` // of the requester
	Channel      []ticket.Channel `json:"channel,omitempty"`
}

// Metric says what a target measures.
type Metric string

// The metrics.
const (
	// MetricFirstAnswer runs from the creation to the first answer of an agent that no
	// machine wrote.
	MetricFirstAnswer Metric = "first answer"
	// MetricNextAnswer runs from the oldest unanswered words of a customer that no machine
	// wrote, after the first answer, to the next answer.
	MetricNextAnswer Metric = "next answer"
	// MetricUpdate runs from each answer of an agent to the next one, while the ticket is
	// in work.
	MetricUpdate Metric = "update"
	// MetricSolution runs from the creation until the ticket is solved.
	MetricSolution Metric = "solution"
	// MetricLevel runs while the ticket stays at one level and in one queue. It measures the
	// desk inside: an operational level agreement. A policy may have several, for different
	// levels and queues; the first that fits a stay applies.
	MetricLevel Metric = "level"
)

// Target is how much open time there is for one metric.
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
	Reasons []string      `json:"reasons,omitempty"` // only with one of these reasons; none means any
}

// Threshold is a moment in the life of a clock, and what happens then. Exactly one of
// Share, Before and After is set; Share 100 is the breach. A moment before the start of
// the clock counts as the start.
type Threshold struct {
	Share  int           `json:"share,omitempty"`  // after this percentage of the target, 1 to 100
	Before time.Duration `json:"before,omitempty"` // open time before the clock is due
	After  time.Duration `json:"after,omitempty"`  // open time after the clock was due
	Do     []Reaction    `json:"do"`
}

// Reaction is one thing that happens at a threshold. Exactly one field is set.
type Reaction struct {
	Tell     string       `json:"tell,omitempty"`      // "assignee", "queue", "requester" or "agents": who gets a notification
	Escalate bool         `json:"escalate,omitempty"`  // one level up; nothing at the highest level
	HandOver string       `json:"hand_over,omitempty"` // to this queue
	Raise    ticket.Grade `json:"raise,omitempty"`     // the priority becomes at least this
	Tag      string       `json:"tag,omitempty"`       // added to the ticket
}
