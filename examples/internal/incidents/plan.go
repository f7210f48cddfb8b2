package incidents

import (
	"cmp"

	"github.com/ticketkit/ticket"
)

// step is the meaning of a state of the log: the status of the ticket, and the action that
// leads there while it is in work.
type step struct {
	status ticket.Status
	action ticket.ActionName
	reason string // of the hold or cancellation, or the resolution
}

// steps has every state of the log, as "status/substatus".
var steps = map[string]step{
	"Accepted/In Progress":           {ticket.StatusOpen, ticket.ActionTake, ""},
	"Accepted/Assigned":              {ticket.StatusOpen, ticket.ActionAssign, ""},
	"Accepted/Wait - User":           {ticket.StatusWaiting, ticket.ActionAsk, ""},
	"Accepted/Wait - Customer":       {ticket.StatusWaiting, ticket.ActionAsk, ""},
	"Accepted/Wait":                  {ticket.StatusOnHold, ticket.ActionHold, "other"},
	"Accepted/Wait - Implementation": {ticket.StatusOnHold, ticket.ActionHold, "scheduled work"},
	"Accepted/Wait - Vendor":         {ticket.StatusOnHold, ticket.ActionHold, "vendor"},
	"Queued/Awaiting Assignment":     {ticket.StatusQueued, ticket.ActionRelease, ""},
	"Unmatched/Unmatched":            {ticket.StatusQueued, ticket.ActionRelease, ""}, // still to be done
	"Completed/In Call":              {ticket.StatusResolved, ticket.ActionResolve, FirstContact},
	"Completed/Resolved":             {ticket.StatusResolved, ticket.ActionResolve, afterWork},
	"Completed/Closed":               {ticket.StatusClosed, ticket.ActionClose, ""},
	"Completed/Cancelled":            {ticket.StatusCancelled, ticket.ActionCancel, "other"},
}

// FirstContact and afterWork are the two ways to resolve a ticket. The desk itself writes
// FirstContact for a Draft.Solution; afterWork replaces it once the ticket was not answered in the
// first call.
const (
	FirstContact = "first contact"
	afterWork    = "after work"
)

// plan returns the actions that take a ticket to the state in a row of the log: at least
// one, at most one that moves the ticket between levels, and at most one that reopens it.
func plan(t ticket.Ticket, r Row) []ticket.Action {
	var actions []ticket.Action
	if r.Impact != t.Impact {
		actions = append(actions, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{Impact: r.Impact}})
	}
	if t.Phase.Done() && r.done() {
		actions = append(actions, file(t, r)...)
	} else {
		actions = append(actions, work(t, r)...)
	}
	if len(actions) == 0 { // every row makes an event
		actions = append(actions, ticket.Action{Name: ticket.ActionNote, Note: r.note()})
	}
	return actions
}

// work plans a row for a ticket in work, or a row that reopens one: reopen, move, and then
// act as the row says.
func work(t ticket.Ticket, r Row) []ticket.Action {
	var actions []ticket.Action
	add := func(a ticket.Action) { actions = append(actions, a) }
	status, assignee, to := t.Status, t.Assignee, steps[r.State]

	if t.Phase.Done() {
		add(ticket.Action{Name: ticket.ActionReopen, Note: r.note()})
		status, assignee = ticket.StatusQueued, ""
	}
	// A new ticket is handed over to its own queue; that queues it.
	queue := status == ticket.StatusNew && to.status == ticket.StatusQueued
	if r.elsewhere(t) || queue {
		switch {
		case r.Level > t.Level:
			add(ticket.Action{Name: ticket.ActionEscalate, Level: r.Level, Queue: r.Team, Note: r.note()})
		case r.Level < t.Level:
			add(ticket.Action{Name: ticket.ActionHandBack, Level: r.Level, Queue: r.Team, Note: r.note()})
		default:
			add(ticket.Action{Name: ticket.ActionHandOver, Queue: r.Team, Note: r.note()})
		}
		status, assignee = ticket.StatusQueued, ""
	}

	switch to.action {
	case ticket.ActionTake:
		if status != to.status || assignee != r.Agent {
			add(ticket.Action{Name: ticket.ActionTake})
		}
		return actions
	case ticket.ActionAssign:
		if status == ticket.StatusWaiting || status == ticket.StatusOnHold {
			add(ticket.Action{Name: ticket.ActionResume}) // ActionAssign does not end a wait
		}
	case ticket.ActionAsk:
		if status != to.status {
			add(ticket.Action{Name: ticket.ActionAsk, Message: r.message()})
			assignee = cmp.Or(assignee, r.Agent)
		}
	case ticket.ActionHold:
		if status != to.status || t.Reason != to.reason {
			add(ticket.Action{Name: ticket.ActionHold, Reason: to.reason})
			assignee = cmp.Or(assignee, r.Agent)
		}
	case ticket.ActionRelease:
		if status != to.status {
			add(ticket.Action{Name: ticket.ActionRelease})
		}
		return actions
	case ticket.ActionResolve:
		add(ticket.Action{Name: ticket.ActionResolve, Message: r.message(), Reason: to.reason})
		return actions
	case ticket.ActionClose:
		add(ticket.Action{Name: ticket.ActionResolve, Message: r.message(), Reason: afterWork})
		add(ticket.Action{Name: ticket.ActionClose})
		return actions
	case ticket.ActionCancel:
		add(ticket.Action{Name: ticket.ActionCancel, Reason: to.reason})
		return actions
	}
	if assignee != r.Agent {
		add(ticket.Action{Name: ticket.ActionAssign, Assignee: r.Agent})
	}
	return actions
}

// file plans a row that leaves a finished ticket finished, but perhaps with another status
// or place.
func file(t ticket.Ticket, r Row) []ticket.Action {
	to := steps[r.State]
	amend := ticket.Action{Name: ticket.ActionAmend, Status: to.status, Level: r.Level, Queue: r.Team, Note: r.note()}
	resolve := ticket.Action{Name: ticket.ActionResolve, Message: r.message(), Reason: to.reason}
	switch moves := r.elsewhere(t); {
	case t.Status != to.status && t.Status == ticket.StatusResolved && !moves:
		return []ticket.Action{{Name: to.action, Reason: to.reason}} // close or cancel as usual
	case t.Status != to.status:
		amend.Reason = to.reason
		return []ticket.Action{amend}
	case to.action == ticket.ActionResolve && t.Resolution != to.reason:
		// Only ActionResolve changes the resolution.
		if moves {
			return []ticket.Action{amend, resolve}
		}
		return []ticket.Action{resolve}
	case moves:
		return []ticket.Action{amend}
	}
	return nil
}
