package sla

import (
	"fmt"
	"slices"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/internal/fieldvalue"
)

// Policy returns a copy of the policy that applies to a ticket: the first whose condition
// the ticket fits, or the one that the function of [Agreement.WithChooser] names. It
// returns false if there is none, and so nothing is promised, and if that function fails.
func (a *Agreement) Policy(t ticket.Ticket) (Policy, bool) {
	p, err := a.choose(&t)
	if p == nil || err != nil {
		return Policy{}, false
	}
	return p.clone(), true
}

// WithChooser returns an agreement whose policies are chosen by a function instead of by
// their conditions, for example with data that only your application has. The function
// returns the name of a policy, or "" if nothing is promised. If it returns an unknown name
// or panics, the call that needed the policy returns an [*InvalidError]; at a desk, the
// ticket can then be neither opened nor changed. Nil means the conditions.
//
// [Spec.Compile] checks the conditions all the same: it refuses a policy that cannot be
// reached. So give each policy a condition of its own, such as a tag with its name.
//
// The function gets the ticket as it is after an event, without Policy, PolicyVersion, Clocks
// and Digest. It must not change the ticket's lists and maps. It must be fast and safe for
// concurrent use. It must return the same name for the same ticket at any time and in all
// processes, because clocks are computed again from old events. If its results change, give
// the agreement a higher version.
func (a *Agreement) WithChooser(choose func(ticket.Ticket) string) *Agreement {
	b := *a
	b.chooser = choose
	return &b
}

// choose returns nil if no policy applies. The agreement may be nil.
func (a *Agreement) choose(t *ticket.Ticket) (*policy, error) {
	switch {
	case a == nil:
		return nil, nil
	case a.chooser != nil:
		return a.ask(*t)
	}
	for i := range a.policies {
		if p := &a.policies[i]; p.when.fits(t) {
			return p, nil
		}
	}
	return nil, nil
}

// ask asks the function of WithChooser.
func (a *Agreement) ask(t ticket.Ticket) (p *policy, err error) {
	defer func() {
		if fault := recover(); fault != nil {
			cause, ok := fault.(error)
			if !ok {
				cause = fmt.Errorf("%v", fault)
			}
			p, err = nil, &InvalidError{Agreement: a.spec.Name, Place: "chooser", Reason: "panicked", Err: cause}
		}
	}()
	t.Policy, t.PolicyVersion, t.Clocks, t.Digest = "", 0, nil, ticket.Digest{}
	name := a.chooser(t)
	if name == "" {
		return nil, nil
	}
	p = a.named[name]
	if p == nil {
		return nil, &InvalidError{Agreement: a.spec.Name, Place: "chooser", Reason: fmt.Sprintf("%s is not the name of a policy", quote(name))}
	}
	return p, nil
}

// target returns the target for a metric, or nil. Level and queue are those of a stay. The
// policy may be nil.
func (p *policy) target(m Metric, level int, queue string) *target {
	if p == nil {
		return nil
	}
	for i := range p.targets {
		if t := &p.targets[i]; t.Metric == m && (m != MetricLevel || t.fits(level, queue)) {
			return t
		}
	}
	return nil
}

// fits reports whether the target is for stays at a level and in a queue.
func (t *target) fits(level int, queue string) bool {
	return (len(t.Levels) == 0 || slices.Contains(t.Levels, level)) && (len(t.Queues) == 0 || slices.Contains(t.Queues, queue))
}

// condition is a compiled Condition. An empty set is not set.
type condition struct {
	priority     map[ticket.Grade]bool
	queue        map[string]bool
	tags         map[string]bool
	fields       ticket.Fields
	organisation map[string]bool
	channel      map[ticket.Channel]bool
}

func compileCondition(c Condition) condition {
	return condition{
		priority: set(c.Priority), queue: set(c.Queue), tags: set(c.Tags),
		fields: c.Fields, organisation: set(c.Organisation), channel: set(c.Channel),
	}
}

func set[T comparable](list []T) map[T]bool {
	s := make(map[T]bool, len(list))
	for _, v := range list {
		s[v] = true
	}
	return s
}

func (c *condition) fits(t *ticket.Ticket) bool {
	return fits(c.priority, t.Priority) && fits(c.queue, t.Queue) && fits(c.channel, t.Channel) &&
		fits(c.organisation, t.Requester.Organisation) &&
		(len(c.tags) == 0 || slices.ContainsFunc(t.Tags, func(tag string) bool { return c.tags[tag] })) &&
		contains(t.Fields, c.fields)
}

func fits[T comparable](set map[T]bool, v T) bool { return len(set) == 0 || set[v] }

// contains reports whether f has all fields of part, with equal values.
func contains(f, part ticket.Fields) bool {
	for name, want := range part {
		if v, ok := f[name]; !ok || !fieldvalue.Equal(want, v) {
			return false
		}
	}
	return true
}

// covers reports whether every ticket that fits the other condition fits this one too, as
// far as the values show.
func (c *condition) covers(other condition) bool {
	return covers(c.priority, other.priority) && covers(c.queue, other.queue) && covers(c.tags, other.tags) &&
		covers(c.organisation, other.organisation) && covers(c.channel, other.channel) &&
		contains(other.fields, c.fields)
}

func covers[T comparable](set, other map[T]bool) bool {
	switch {
	case len(set) == 0:
		return true
	case len(other) == 0 || len(other) > len(set):
		return false
	}
	for v := range other {
		if !set[v] {
			return false
		}
	}
	return true
}
