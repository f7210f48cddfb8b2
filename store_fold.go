package ticket

import (
	"maps"
	"slices"

	"github.com/ticketkit/ticket/internal/fieldvalue"
)

// folds reports whether the ticket can be the result of the events. For a new ticket
// these are all its events. For an existing one only the last event is checked: applied
// once more, it must change nothing except the lists that it adds to.
func (ch *Change) folds() bool {
	folded, events := Ticket{}, ch.Events
	if ch.Expect > 0 {
		folded, events = ch.Ticket, events[len(events)-1:]
	}
	for i := range events {
		folded.apply(&events[i], false)
	}
	if ch.Expect > 0 {
		// Adding twice can differ from adding once: an entry that is removed and added
		// moves to the end, and a person with only a name is never the same person.
		folded.Followers, folded.Links = ch.Ticket.Followers, ch.Ticket.Links
	}
	return folded.identical(&ch.Ticket)
}

// identical reports whether both tickets are equal in every field, as [Ticket.Equal]
// does. It does not allocate.
func (t *Ticket) identical(u *Ticket) bool {
	return t.ID == u.ID && t.Number == u.Number && t.Tenant == u.Tenant &&
		t.Requester == u.Requester && slices.Equal(t.Followers, u.Followers) &&
		t.Subject == u.Subject && t.Channel == u.Channel && t.Priority == u.Priority && t.Impact == u.Impact && t.Urgency == u.Urgency &&
		t.Status == u.Status && t.Level == u.Level && t.Phase == u.Phase && t.Queue == u.Queue && t.Assignee == u.Assignee &&
		t.Reason == u.Reason && t.Resolution == u.Resolution && t.Timer.Action == u.Timer.Action && t.Timer.At.Equal(u.Timer.At) && t.Timer.From.Equal(u.Timer.From) &&
		slices.Equal(t.Tags, u.Tags) && maps.EqualFunc(t.Fields, u.Fields, fieldvalue.Equal) && slices.Equal(t.Links, u.Links) &&
		t.MergedInto == u.MergedInto && t.LinkEpoch == u.LinkEpoch && t.RequesterSince == u.RequesterSince && t.PriorityGiven == u.PriorityGiven &&
		t.Workflow == u.Workflow && t.WorkflowVersion == u.WorkflowVersion &&
		t.Created.Equal(u.Created) && t.FirstAnswered.Equal(u.FirstAnswered) && t.Touched.Equal(u.Touched) &&
		t.Resolved.Equal(u.Resolved) && t.Closed.Equal(u.Closed) &&
		t.Policy == u.Policy && t.PolicyVersion == u.PolicyVersion && sameClocks(t.Clocks, u.Clocks) &&
		t.Promised.Equal(u.Promised) && t.Rescheduled.Equal(u.Rescheduled) && t.Snoozed.Equal(u.Snoozed) && t.Checked.Equal(u.Checked) &&
		t.Stage == u.Stage && t.Erased.Equal(u.Erased) && t.LegalHold == u.LegalHold &&
		t.FeedbackDue.Equal(u.FeedbackDue) && t.FeedbackAsked.Equal(u.FeedbackAsked) && t.Rated.Equal(u.Rated) && t.Score == u.Score &&
		t.Known == u.Known && t.SolvedBy == u.SolvedBy && slices.Equal(t.Mailed, u.Mailed) &&
		t.Reopened == u.Reopened && t.Version == u.Version && t.Digest == u.Digest
}
