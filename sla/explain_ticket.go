package sla

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/ticketkit/ticket"
)

// ExplainTicket explains the last clock of a metric of a stored ticket as of an instant: now,
// or any time before. The clock is computed by this agreement, as if it had always applied;
// for an instant before a change of policies, ask the agreement of that time. The actor must
// be an agent or a system that may see the ticket; a customer has [ticket.View]. Print the
// result, or use it as data:
//
//	why, err := agreement.ExplainTicket(ctx, desk, lin, t.ID, sla.MetricSolution, time.Now())
//	fmt.Println(why)
//
// Errors: those of [ticket.Desk.Events], [ticket.ErrRefused] for a customer,
// [ticket.ErrNotFound] if the ticket was opened later, and an [*InvalidError] for an unknown
// metric, and if the ticket had no clock of the metric then.
func (a *Agreement) ExplainTicket(ctx context.Context, desk *ticket.Desk, actor ticket.Actor, id ticket.ID, m Metric, asOf time.Time) (Explanation, error) {
	if !slices.Contains(Metrics(), m) {
		return Explanation{}, &InvalidError{Agreement: a.spec.Name, Place: "metric", Reason: fmt.Sprintf("%s is none of %q", quote(m), Metrics())}
	}
	if actor.Role&(ticket.RoleAgent|ticket.RoleSystem) == 0 {
		return Explanation{}, &ticket.RefusedError{Role: actor.Role, Why: "role", Detail: "clocks are explained to agents and systems", By: ticket.RoleAgent | ticket.RoleSystem}
	}
	t := a.Timeline()
	for e, err := range desk.Events(ctx, actor, id) {
		if err != nil {
			return Explanation{}, err
		}
		if e.At.After(asOf) {
			break
		}
		if err := t.Add(e); err != nil {
			return Explanation{}, err
		}
	}
	if t.t.Version == 0 {
		return Explanation{}, &ticket.NotFoundError{What: "ticket", Ref: id.String()}
	}
	clocks := t.Clocks(asOf)
	for i, c := range slices.Backward(clocks) {
		if c.Metric == m {
			return t.Explain(i, asOf)
		}
	}
	return Explanation{}, &InvalidError{Agreement: a.spec.Name, Place: "metric", Reason: fmt.Sprintf("the ticket has no clock for %q", m)}
}
