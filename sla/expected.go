package sla

import (
	"context"
	"time"

	"github.com/ticketkit/ticket"
)

// Expected returns when a customer can expect the first answer: when the target for
// [MetricFirstAnswer] is due. As Expected of [ticket.Config] it makes a desk without clocks
// say this time in its confirmations:
//
//	ticket.Config{Expected: agreement.Expected}
//
// A desk with ServiceLevels says it already, and [ticket.NewDesk] refuses both together.
//
// It returns the zero time if no answer is promised: no policy with that target applies,
// the calendar ends before, the ticket was answered, is finished or merged, or is in a
// status that pauses the target. The target counts from the creation of the ticket, without
// earlier pauses; [Timeline] knows those. A new ticket has none. The context is not used.
// The error is that of the function of [Agreement.WithChooser]; without one it is nil.
func (a *Agreement) Expected(_ context.Context, t ticket.Ticket) (time.Time, error) {
	if !t.FirstAnswered.IsZero() || t.Phase.Done() || !t.MergedInto.IsZero() {
		return time.Time{}, nil
	}
	p, err := a.choose(&t)
	if err != nil {
		return time.Time{}, err
	}
	s := p.target(MetricFirstAnswer, 0, "")
	if s == nil || s.pauses(t.Status, t.Reason) {
		return time.Time{}, nil
	}
	if due, err := s.cal.Add(t.Created, s.Within); err == nil {
		return due, nil
	}
	return time.Time{}, nil // the calendar has too few hours left
}
