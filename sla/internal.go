package sla

import (
	"fmt"
	"slices"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/businesshours"
)

// A stand-in, until the compiler is there.

type Agreement struct {
	spec      Spec
	policies  []policy
	calendars map[string]*businesshours.Calendar
}

type policy struct {
	Policy
	targets []target
}

type target struct {
	Target
	cal *businesshours.Calendar
}

func (s Spec) Compile() (*Agreement, error) {
	a := &Agreement{spec: s, calendars: map[string]*businesshours.Calendar{}}
	for _, c := range append(slices.Clone(s.Calendars), businesshours.Spec{
		Name: "", Hours: businesshours.Hours{Zone: "UTC", Week: businesshours.Daily("00:00-24:00")},
	}) {
		name := c.Name
		if name == "" {
			c.Name = "round the clock"
		}
		cal, err := c.Compile()
		if err != nil {
			return nil, err
		}
		a.calendars[name] = cal
	}
	for _, p := range s.Policies {
		q := policy{Policy: p}
		for _, t := range p.Targets {
			if a.calendars[t.Calendar] == nil {
				return nil, fmt.Errorf("no calendar %q", t.Calendar)
			}
			q.targets = append(q.targets, target{t, a.calendars[t.Calendar]})
		}
		a.policies = append(a.policies, q)
	}
	return a, nil
}

// choose returns the policy that applies to a ticket, or nil.
func (a *Agreement) choose(t *ticket.Ticket) *policy {
	for i := range a.policies {
		c := &a.policies[i].When
		ok := len(c.Priority) == 0 || slices.Contains(c.Priority, t.Priority)
		ok = ok && (len(c.Queue) == 0 || slices.Contains(c.Queue, t.Queue))
		ok = ok && (len(c.Tags) == 0 || slices.ContainsFunc(c.Tags, t.HasTag))
		ok = ok && (len(c.Organisation) == 0 || slices.Contains(c.Organisation, t.Requester.Organisation))
		if ok {
			return &a.policies[i]
		}
	}
	return nil
}

// target returns the target of a policy for a metric, or nil. Level and queue are of a stay.
func (p *policy) target(m Metric, level int, queue string) *target {
	if p == nil {
		return nil
	}
	for i := range p.targets {
		t := &p.targets[i]
		if t.Metric == m && (m != MetricLevel ||
			(len(t.Levels) == 0 || slices.Contains(t.Levels, level)) && (len(t.Queues) == 0 || slices.Contains(t.Queues, queue))) {
			return t
		}
	}
	return nil
}
