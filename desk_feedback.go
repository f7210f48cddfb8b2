package ticket

import (
	"context"
	"slices"
	"time"
)

// Feedback configures how the desk asks customers how satisfied they are. The zero value
// asks nobody and takes no ratings; see [Desk.Rate].
//
// The desk asks the requester once per ticket, with a notification of [KindFeedback], some
// time after the ticket was closed. If it is reopened before that, the time begins again when
// it is closed again. The status link of the notification lets its holder rate the ticket and
// see it, and nothing else; see [StatusLinks].
//
// The desk does not ask about a ticket that was cancelled, merged into another one, archived
// or partly erased, that a machine opened (Draft.Automatic) or solved (a [System], or an action
// with Automatic), that was rated already, or that has no requester with an ID, an address or a
// telephone number. The history says that the requester was asked, or why not.
type Feedback struct {
	// After is how long after the ticket was closed the desk asks. A solved ticket that is not
	// closed is not asked about. Zero means that nobody is asked and nobody can rate.
	// Tickets that were closed while After was zero are never asked about.
	After time.Duration
	// Every is the shortest time between two notifications of this kind to one person, about
	// any tickets. The desk does not ask about a ticket that is closed in between. Zero means
	// 30 days; a negative value means no limit.
	Every time.Duration
	// Ask reports whether to ask about a ticket, for example about one in ten or not those of
	// some queue. The desk calls it when the time has come, with the context of Run or
	// FireTimers, and again when it retries. It must be quick. After an error or a panic the
	// desk tries again later. Nil means all tickets.
	Ask func(ctx context.Context, t Ticket) (bool, error)
}

func (f Feedback) withDefaults() (Feedback, error) {
	if f.After < 0 {
		return f, invalid("config.feedback.after", "must not be negative")
	}
	if f.After == 0 && (f.Every != 0 || f.Ask != nil) {
		return f, invalid("config.feedback.after", "is missing: without it nobody is asked")
	}
	if f.Every == 0 {
		f.Every = 30 * 24 * time.Hour
	}
	return f, nil
}

// ActionRate is the action of the event that records a rating; see [Desk.Rate]. The [Policy]
// is asked about it. It needs no transition of the workflow, and a workflow may have another
// action with this name for Do.
const ActionRate ActionName = "rate"

// Rating is what a requester says about a finished ticket; see [Desk.Rate].
type Rating struct {
	Score   int     // 1 to 5, where 5 is best
	Message Message // more about it, for the desk only; may be empty
	Channel Channel // how the rating arrived
	Key     string  // makes Rate idempotent; see Action.Key
}

// The range of Rating.Score. Scores up to lowScore are told to the agents.
const (
	minScore = 1
	maxScore = 5
	lowScore = 2
)

// Rate records how satisfied the requester is with a ticket that is solved or closed, whether
// or not the desk has asked. A ticket is rated once, and the rating stays. It changes nothing
// else: no status, no clock, no timer, and it is no answer and no reply. A score of 1 or 2 is
// told to the agent who has the ticket, or else to its queue, with [KindRated].
//
// Only the requester can rate: not a follower, an agent or a system. The holder of a status
// link can if the link was made for rating, as that of [KindFeedback] is. A rating of a ticket
// that was merged goes to the ticket it was merged into. A machine must not rate: call Rate
// for a person's own submission only, never because an address was opened. In a web page, that
// is a POST; mail programs and scanners open links by themselves.
//
// The score is part of the event's digest and outlives [Desk.Erase]. The message is in
// [PublicContent].Feedback.
//
// Errors: [ErrNotFound], [ErrInvalid] for the content and for a desk without
// [Config].Feedback, [ErrStatusLink], [ErrDuplicate], [ErrConflict] if retries did not help,
// and [ErrRefused]. If the ticket was rated before, [RefusedError].Why is "rated".
func (d *Desk) Rate(ctx context.Context, a Actor, id ID, r Rating) (Ticket, error) {
	a, err := d.admit(ctx, a)
	if err != nil {
		return Ticket{}, err
	}
	if r, err = d.checkRating(r); err != nil {
		return Ticket{}, err
	}
	if err := d.onLink(ctx, a, id); err != nil {
		return Ticket{}, err
	}
	request := func() (Digest, error) { r := r; r.Key = ""; return fingerprint(a, id, ActionRate, r) }
	return d.commit(ctx, a, id, r.Key, request, func(o *outcome) error {
		t, err := d.load(ctx, a, id)
		if err == nil && a.Role == RoleRequester {
			t, err = d.followPart(ctx, a, t)
		}
		if err == nil {
			err = d.linkedTo(ctx, a, &t)
		}
		if err == nil {
			err = d.mayRate(a, &t)
		}
		if err != nil {
			return err
		}
		w, err := d.workflowOf(&t)
		if err != nil {
			return err
		}
		e := ownEvent(w, &t, ActionRate, d.now())
		e.By, e.Actor = By{Role: RoleRequester}, Person{}
		e.by(a)
		e.Channel, e.Feedback = r.Channel, r.Message
		e.Set = Patch{Score: r.Score}
		d.add(o, t, e)
		return nil
	})
}

// checkRating cleans a rating and checks it.
func (d *Desk) checkRating(r Rating) (Rating, error) {
	c := check{Limits: d.cfg.Limits}
	if d.cfg.Feedback.After == 0 {
		c.fail("config.feedback.after", "is missing: this desk takes no ratings")
	}
	if r.Score < minScore || r.Score > maxScore {
		c.fail("rating.score", "must be %d to %d", minScore, maxScore)
	}
	r.Message = text(&c, "rating.message", r.Message, c.Message)
	r.Channel = name(&c, "rating.channel", r.Channel)
	c.key("rating.key", r.Key, maxKey)
	return r, c.err
}

// mayRate returns nil, or the reason why the actor, who sees the ticket, cannot rate it.
func (d *Desk) mayRate(a Actor, t *Ticket) error {
	role := a.RoleOn(*t)
	refuse := func(why, detail string) error {
		e := &RefusedError{Action: ActionRate, State: t.State(), Role: role, Why: why, Detail: detail, Into: t.MergedInto}
		if why == whyRole {
			e.By = RoleRequester
		}
		return e
	}
	switch {
	case a.held != nil && !a.held.Rate:
		return refuse(whyStatusLink, "this status link does not allow that")
	case role != RoleRequester:
		return refuse(whyRole, "only the requester rates a ticket")
	case !t.MergedInto.IsZero():
		return refuse(whyMerged, "the ticket was merged into "+t.MergedInto.String())
	case t.Score != 0:
		return refuse(whyRated, "the ticket was rated before")
	case !t.Phase.Done() || t.Status == StatusCancelled:
		return refuse(whyState, "possible when the ticket is solved or closed, and was not cancelled")
	case t.Stage != StageActive:
		return refuse(whyState, "the ticket was put away")
	}
	return d.may(a, *t, ActionRate)
}

// canRate adds ActionRate to the actions of a customer who can rate the ticket.
func (d *Desk) canRate(list []ActionName, a Actor, t *Ticket) []ActionName {
	if d.cfg.Feedback.After == 0 || slices.Contains(list, ActionRate) || d.mayRate(a, t) != nil {
		return list
	}
	list = append(list, ActionRate)
	slices.Sort(list)
	return list
}

// feedbackState is what decides whether a ticket is one to ask about.
type feedbackState struct {
	phase  Phase
	status Status
	merged ID
}

func (s feedbackState) closed() bool {
	return s.phase == PhaseClosed && s.status != StatusCancelled && s.merged.IsZero()
}

// planFeedback completes an event before it is sealed: the event sets the time at which the
// desk asks for a rating if it closes the ticket, and clears it if there is nothing to ask
// any more.
func (d *Desk) planFeedback(t *Ticket, e *Event) {
	after := d.cfg.Feedback.After
	if after == 0 && t.FeedbackDue.IsZero() || e.Set.FeedbackDue != nil {
		return
	}
	was := feedbackState{t.Phase, t.Status, t.MergedInto}
	is := feedbackState{e.Phase, e.To.Status, t.MergedInto}
	if into := e.Set.MergedInto; into != nil {
		is.merged = *into
	}
	switch done := !t.FeedbackAsked.IsZero() || t.Score != 0 || e.Set.Score != 0; {
	case !t.FeedbackDue.IsZero() && (done || !is.closed()):
		e.Set.FeedbackDue = new(time.Time{})
	case after > 0 && !done && is.closed() && !was.closed():
		e.Set.FeedbackDue = new(nearest(e.At.Add(after), epoch, lastTime))
	}
}
