package ticket

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"
)

// Event records one change of a ticket. Events are immutable and numbered 1, 2, 3 …
// per ticket without a gap. An action makes one event on its ticket. If it concerns
// two tickets, it makes one event on each.
//
// What can be erased is in four groups: [PublicContent], [InternalContent],
// [Identities], and the remarks in Set, which are reason, resolution and tags. Each enters
// the digest as a salted commitment only (see [Seals]), so that it can be erased later
// (see [Desk.Erase]) and the chain still verifies. The digest covers everything else
// directly, so it can never be erased, such as the IDs of agents and the names of queues.
// Put no personal data there.
type Event struct {
	Ticket  ID         `json:"ticket"`
	Seq     int64      `json:"seq"` // 1, 2, 3 …; also the ticket's version after it
	At      time.Time  `json:"at"`  // from the desk's clock, in UTC, to the microsecond
	Action  ActionName `json:"action"`
	By      By         `json:"by"`
	From    State      `json:"from,omitzero"` // none on the first event
	To      State      `json:"to"`
	Phase   Phase      `json:"phase"`             // of the state it leads to
	Channel Channel    `json:"channel,omitempty"` // how it came in; empty if not given
	Answer  bool       `json:"answer,omitempty"`  // an agent's message or files for the customer
	// Automatic: a machine wrote it, as Action.Automatic said.
	Automatic bool `json:"automatic,omitempty"`
	// Quiet: no letter answers it, as Action.Quiet said.
	Quiet bool  `json:"quiet,omitempty"`
	Set   Patch `json:"set,omitzero"`

	PublicContent
	InternalContent
	Identities

	Seals  Seals  `json:"seals,omitzero"`
	Digest Digest `json:"digest,omitzero"`
}

// By is the actor of an event, without personal data of a customer.
type By struct {
	Role Role   `json:"role"`
	ID   string `json:"id,omitempty"` // of an agent or a system; a customer is in Identities.Actor
}

// PublicContent is the part of an event that the customer may read.
type PublicContent struct {
	Subject     string       `json:"subject,omitempty"` // the new subject; empty: unchanged
	Message     Message      `json:"message,omitempty"`
	Attachments []Attachment `json:"attachments,omitempty"`
	Fields      Fields       `json:"fields,omitempty"` // custom fields that were set; nil ones were removed

	// Feedback is what the requester wrote with a rating; see [Desk.Rate]. It is for the desk:
	// [Desk.Track] and [Desk.History] do not show it to customers.
	Feedback Message      `json:"feedback,omitempty"`
	Known    KnownProblem `json:"known,omitzero"` // what was published; see ActionPublish
}

// InternalContent is the part of an event that customers never see.
type InternalContent struct {
	Note            Note         `json:"note,omitempty"`
	NoteAttachments []Attachment `json:"note_attachments,omitempty"`
}

// Identities are the persons an event names.
type Identities struct {
	Actor      Person   `json:"actor,omitzero"`       // the customer who acted, or the agent's name
	Requester  Person   `json:"requester,omitzero"`   // the new requester
	Followed   []Person `json:"followed,omitempty"`   // new followers
	Unfollowed []Person `json:"unfollowed,omitempty"` // removed followers
	// Author wrote the message, if it was copied from another ticket.
	Author Person `json:"author,omitzero"`
	// MessageID is that of the mail which brought the event; see [Action].MessageID. In a
	// message that was copied from another ticket it is the author's.
	MessageID string `json:"message_id,omitempty"`
}

// Patch holds the changes of an event besides state and content. Nil means unchanged.
type Patch struct {
	Number          Number   `json:"number,omitempty"` // on the first event only, like the next two
	Tenant          string   `json:"tenant,omitempty"`
	Workflow        string   `json:"workflow,omitempty"`
	WorkflowVersion int      `json:"workflow_version,omitempty"` // 0: unchanged
	Priority        Grade    `json:"priority,omitempty"`         // 0: unchanged
	Impact          Grade    `json:"impact,omitempty"`           // 0: unchanged
	Urgency         Grade    `json:"urgency,omitempty"`          // 0: unchanged
	Queue           *string  `json:"queue,omitempty"`
	Assignee        *string  `json:"assignee,omitempty"`
	Reason          *string  `json:"reason,omitempty"`
	Resolution      *string  `json:"resolution,omitempty"`
	Timer           *Timer   `json:"timer,omitempty"` // a zero Timer stops the timer
	AddTags         []string `json:"add_tags,omitempty"`
	RemoveTags      []string `json:"remove_tags,omitempty"`
	AddLinks        []Link   `json:"add_links,omitempty"`
	RemoveLinks     []Link   `json:"remove_links,omitempty"`
	MergedInto      *ID      `json:"merged_into,omitempty"` // a zero ID undoes the merge
	LinkEpoch       int      `json:"link_epoch,omitempty"`  // 0: unchanged

	// Other is the other ticket of a merge or an unmerge. Events of older
	// versions of this library do not name it.
	Other ID `json:"other,omitzero"`
	// Restored is set if the event must not count as solving, closing or reopening
	// the ticket, for example when it undoes a merge. The ticket gets these times.
	Restored *restored `json:"restored,omitempty"`
	// PriorityGiven is Ticket.PriorityGiven from now on. Nil means unchanged.
	PriorityGiven *bool `json:"priority_given,omitempty"`
	// NewCustomer is set if the new requester belongs to another customer than the
	// previous one. The new requester cannot read earlier content.
	NewCustomer bool `json:"new_customer,omitempty"`

	// Policy and PolicyVersion are Ticket.Policy and Ticket.PolicyVersion from now on.
	Policy        *string `json:"policy,omitempty"`
	PolicyVersion *int    `json:"policy_version,omitempty"`
	// Clocks are the clocks that change, as they are from now on.
	Clocks []Clock `json:"clocks,omitempty"`
	// Alert is the threshold that the event is about; nil if it is about none.
	Alert *ClockAlert `json:"alert,omitempty"`
	// Promised is when the customer is told to expect the first answer; see Ticket.Promised.
	Promised *time.Time `json:"promised,omitempty"`
	// Snoozed is Ticket.Snoozed from now on. A zero time ends it.
	Snoozed *time.Time `json:"snoozed,omitempty"`

	// Erased is what the event has erased from earlier events; see [Desk.Erase].
	Erased *Erased `json:"erased,omitempty"`
	// Stage is Ticket.Stage from now on, and Rule the name of the [RetentionRule] that said so.
	Stage *Stage `json:"stage,omitempty"`
	Rule  string `json:"rule,omitempty"`
	// LegalHold is Ticket.LegalHold from now on.
	LegalHold *bool `json:"legal_hold,omitempty"`

	// FeedbackDue is Ticket.FeedbackDue from now on. A zero time means that the desk no longer
	// means to ask.
	FeedbackDue *time.Time `json:"feedback_due,omitempty"`
	// FeedbackAsked is set on the event with which the desk asks the requester for a rating.
	FeedbackAsked bool `json:"feedback_asked,omitempty"`
	// Score is the rating, 1 to 5, on the event of [ActionRate]. It is not erased.
	Score int `json:"score,omitempty"`
	// Published is true if the event publishes [PublicContent].Known, and false if it withdraws
	// what was published.
	Published *bool `json:"published,omitempty"`
	// SolvedBy is Ticket.SolvedBy from now on. A zero ID means none.
	SolvedBy *ID `json:"solved_by,omitempty"`
	// Suggested says that the actor found SolvedBy among the suggestions of [Desk.Similar].
	Suggested bool `json:"suggested,omitempty"`
}

// restored is the type of Patch.Restored: the times of the ticket after the event.
type restored struct {
	Resolved time.Time `json:"resolved,omitzero"`
	Closed   time.Time `json:"closed,omitzero"`
}

// Clone returns a deep copy.
func (e Event) Clone() Event {
	e.Attachments = slices.Clone(e.Attachments)
	e.Fields = e.Fields.clone()
	e.NoteAttachments = slices.Clone(e.NoteAttachments)
	e.Followed = slices.Clone(e.Followed)
	e.Unfollowed = slices.Clone(e.Unfollowed)
	p := &e.Set
	p.Queue, p.Assignee = clonePtr(p.Queue), clonePtr(p.Assignee)
	p.Reason, p.Resolution = clonePtr(p.Reason), clonePtr(p.Resolution)
	p.Timer, p.MergedInto = clonePtr(p.Timer), clonePtr(p.MergedInto)
	p.Restored, p.PriorityGiven = clonePtr(p.Restored), clonePtr(p.PriorityGiven)
	p.AddTags, p.RemoveTags = slices.Clone(p.AddTags), slices.Clone(p.RemoveTags)
	p.AddLinks, p.RemoveLinks = slices.Clone(p.AddLinks), slices.Clone(p.RemoveLinks)
	p.Policy, p.PolicyVersion, p.Promised, p.Snoozed = clonePtr(p.Policy), clonePtr(p.PolicyVersion), clonePtr(p.Promised), clonePtr(p.Snoozed)
	p.Stage, p.LegalHold, p.FeedbackDue = clonePtr(p.Stage), clonePtr(p.LegalHold), clonePtr(p.FeedbackDue)
	if p.Erased = clonePtr(p.Erased); p.Erased != nil {
		p.Erased.Events = slices.Clone(p.Erased.Events)
	}
	p.Published, p.SolvedBy = clonePtr(p.Published), clonePtr(p.SolvedBy)
	p.Clocks = cloneClocks(p.Clocks)
	if p.Alert = clonePtr(p.Alert); p.Alert != nil {
		p.Alert.Tell, p.Alert.Tags = slices.Clone(p.Alert.Tell), slices.Clone(p.Alert.Tags)
	}
	return e
}

func clonePtr[T any](p *T) *T {
	if p == nil {
		return nil
	}
	return new(*p)
}

// Reopens reports whether the event takes a ticket that was solved or closed,
// in phase before, back to work. Undoing a merge does not reopen it.
func (e Event) Reopens(before Phase) bool {
	return before.Done() && !e.Phase.Done() && e.Set.Restored == nil
}

// aside reports whether the event is about clocks or upkeep only. Such an event does not
// touch the ticket, and makes nobody's view of the ticket stale.
func (e *Event) aside() bool { return e.Action == ActionClock || e.upkeep() }

// upkeep reports whether the event records an erasure or a step of the archive. Nobody is
// notified of it.
func (e *Event) upkeep() bool { return e.Action == ActionErase || e.Action == ActionArchive }

// Apply folds one event into a ticket: it returns the ticket as it stands after
// the event, and changes neither of its arguments. It needs no workflow, so
// history can be read long after its workflow is gone. The first event makes
// the ticket out of the zero Ticket. The result shares unchanged
// parts with t; use [Ticket.Clone] for an independent copy.
//
// Apply does not check the event. [Replay] and [Chain.Verify] check that a history
// is complete.
func Apply(t Ticket, e Event) Ticket {
	t.apply(&e, false)
	return t
}

// apply folds one event into the ticket. If nobody else has the ticket's list of clocks, it
// changes that list in place.
func (t *Ticket) apply(e *Event, own bool) {
	before := t.Phase
	if e.Seq == 1 {
		*t = Ticket{ID: e.Ticket, Number: e.Set.Number, Tenant: e.Set.Tenant, Channel: e.Channel, Created: e.At}
	}
	t.Version, t.Digest = e.Seq, e.Digest
	if e.aside() {
		t.Checked = e.At
	} else {
		t.Touched, t.Checked = e.At, time.Time{}
	}
	t.Status, t.Level, t.Phase = e.To.Status, e.To.Level, e.Phase
	if e.Answer && t.FirstAnswered.IsZero() {
		t.FirstAnswered = e.At
	}
	if r := e.Set.Restored; r != nil {
		t.Resolved, t.Closed = r.Resolved, r.Closed
	} else if e.Phase != before || e.Phase == PhaseSolved && e.Action == ActionResolve { // or resolved again
		switch e.Phase {
		case PhaseSolved:
			t.Resolved, t.Closed = e.At, time.Time{}
		case PhaseClosed:
			t.Closed = e.At
		default:
			t.Resolved, t.Closed = time.Time{}, time.Time{}
		}
	}
	if e.Reopens(before) {
		t.Reopened++
	}
	if e.Subject != "" {
		t.Subject = e.Subject
	}
	t.Fields = t.Fields.with(e.Fields)
	if !e.Requester.IsZero() {
		t.Requester = e.Requester
	}
	t.Followers = changed(t.Followers, e.Followed, e.Unfollowed, Person.Same)
	if e.MessageID != "" && !slices.Contains(t.Mailed, e.Seq) {
		t.Mailed = append(slices.Clone(t.Mailed[max(0, len(t.Mailed)+1-maxMailed):]), e.Seq)
	}

	p := &e.Set
	if p.Workflow != "" {
		t.Workflow = p.Workflow
	}
	if p.WorkflowVersion != 0 {
		t.WorkflowVersion = p.WorkflowVersion
	}
	set(&t.Priority, p.Priority)
	set(&t.Impact, p.Impact)
	set(&t.Urgency, p.Urgency)
	setPtr(&t.Queue, p.Queue)
	setPtr(&t.Assignee, p.Assignee)
	setPtr(&t.Reason, p.Reason)
	setPtr(&t.Resolution, p.Resolution)
	setPtr(&t.Timer, p.Timer)
	setPtr(&t.MergedInto, p.MergedInto)
	setPtr(&t.PriorityGiven, p.PriorityGiven)
	setPtr(&t.Policy, p.Policy)
	setPtr(&t.PolicyVersion, p.PolicyVersion)
	setPtr(&t.Snoozed, p.Snoozed)
	setPtr(&t.SolvedBy, p.SolvedBy)
	if p.Published != nil {
		t.Known = e.Known // zero if it was withdrawn, or erased
	}
	setPtr(&t.LegalHold, p.LegalHold)
	setPtr(&t.FeedbackDue, p.FeedbackDue)
	if p.FeedbackAsked {
		t.FeedbackAsked = e.At
	}
	if p.Score != 0 {
		t.Score, t.Rated = p.Score, e.At
	}
	if !e.aside() {
		t.Stage = StageActive
	}
	setPtr(&t.Stage, p.Stage)
	if p.Erased != nil {
		t.Erased = e.At
		if p.Erased.Requester {
			t.Requester = Person{}
		}
	}
	switch {
	case p.Promised == nil:
	case t.Promised.IsZero():
		t.Promised = *p.Promised
	case p.Promised.After(t.Promised):
		t.Rescheduled = *p.Promised
	}
	t.Clocks = withClocks(t.Clocks, p.Clocks, own)
	if p.NewCustomer {
		t.RequesterSince = e.Seq
		t.Promised, t.Rescheduled = time.Time{}, time.Time{} // told to the customer before
	}
	if p.LinkEpoch != 0 {
		t.LinkEpoch = p.LinkEpoch
	}
	if len(p.AddTags)+len(p.RemoveTags) > 0 {
		t.Tags = changed(t.Tags, p.AddTags, p.RemoveTags, func(a, b string) bool { return a == b })
		slices.Sort(t.Tags)
	}
	t.Links = changed(t.Links, p.AddLinks, p.RemoveLinks, func(a, b Link) bool {
		return a.Relation == b.Relation && a.Ticket == b.Ticket
	})
}

func set(to *Grade, v Grade) {
	if v != 0 {
		*to = v
	}
}

func setPtr[T any](to, v *T) {
	if v != nil {
		*to = *v
	}
}

// changed returns the list without the removed entries and with the added ones
// that it lacks. It is a new list, unless nothing changes.
func changed[T any](list, add, remove []T, same func(a, b T) bool) []T {
	if len(add)+len(remove) == 0 {
		return list
	}
	out := make([]T, 0, len(list)+len(add))
	for _, v := range list {
		if !slices.ContainsFunc(remove, func(r T) bool { return same(v, r) }) {
			out = append(out, v)
		}
	}
	for _, v := range add {
		if !slices.ContainsFunc(out, func(o T) bool { return same(v, o) }) {
			out = append(out, v)
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// with returns the fields with the changes made. It is a new map, unless nothing
// changes.
func (f Fields) with(changes Fields) Fields {
	if len(changes) == 0 {
		return f
	}
	out := maps.Clone(f)
	if out == nil {
		out = make(Fields, len(changes))
	}
	for k, v := range changes.clone() {
		if v == nil {
			delete(out, k)
		} else {
			out[k] = v
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// Replay folds a history into the ticket as it stood after its last event. For
// an earlier state pass fewer events: events[:n] gives the ticket at version n. A
// history that is not numbered 1, 2, 3 … or is not of one ticket gives a
// [*ChainError].
func Replay(events []Event) (Ticket, error) {
	var t Ticket
	for i, e := range events {
		if err := inSequence(events, i, 0, events[0].Ticket); err != nil {
			return Ticket{}, err
		}
		t = Apply(t, e)
	}
	return t, nil
}

// DecodeEvent reads the JSON form of one event strictly: unknown names,
// trailing data, and values that no desk writes give an [*InvalidError].
func DecodeEvent(data []byte) (Event, error) {
	var e Event
	if err := decodeStrict(data, &e); err != nil {
		return Event{}, &InvalidError{Field: "event", Reason: "cannot be decoded", Err: err}
	}
	switch {
	case e.Ticket.IsZero():
		return Event{}, invalid("event.ticket", "is missing")
	case e.Seq < 1:
		return Event{}, invalid("event.seq", "must be 1 or more")
	case e.At.IsZero():
		return Event{}, invalid("event.at", "is missing")
	case e.Action == "":
		return Event{}, invalid("event.action", "is missing")
	}
	e.At = e.At.UTC()
	return e, nil
}

// decodeStrict decodes exactly one JSON value with no unknown names.
func decodeStrict(data []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return err
	}
	if _, err := dec.Token(); err != io.EOF {
		return fmt.Errorf("data after the end of the value")
	}
	return nil
}
