package ticket

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Ticket is one support request in its current state. It is a plain value:
// changing it changes your copy only, and [Desk.Do] changes the stored ticket.
// [Apply] builds it from its events. Times are in UTC, in whole microseconds; the
// zero time means "not yet".
//
// The JSON form is stable: the names and the order of the tags below, without
// empty fields, times as in RFC 3339, digests in hexadecimal.
type Ticket struct {
	ID     ID     `json:"id"`
	Number Number `json:"number"`
	Tenant string `json:"tenant,omitempty"`

	Requester Person   `json:"requester,omitzero"`
	Followers []Person `json:"followers,omitempty"` // in the order they were added

	Subject    string  `json:"subject,omitempty"`
	Channel    Channel `json:"channel,omitempty"`    // how the request arrived
	Priority   Grade   `json:"priority,omitempty"`   // how important the ticket is; always set on a stored ticket
	Impact     Grade   `json:"impact,omitempty"`     // how much is affected, if known
	Urgency    Grade   `json:"urgency,omitempty"`    // how soon a solution is needed, if known
	Status     Status  `json:"status"`               // the state of the work
	Level      int     `json:"level"`                // the support level: 1, 2, 3 …
	Phase      Phase   `json:"phase"`                // the status as the customer sees it
	Queue      string  `json:"queue,omitempty"`      // the department that has the ticket; part of the digest, cannot be erased
	Assignee   string  `json:"assignee,omitempty"`   // the ID of the agent who has the ticket
	Reason     string  `json:"reason,omitempty"`     // why the ticket is on hold or was cancelled
	Resolution string  `json:"resolution,omitempty"` // how the ticket was resolved, such as "first contact"
	Timer      Timer   `json:"timer,omitzero"`       // the next action that happens by itself

	Tags   []string `json:"tags,omitempty"` // sorted
	Fields Fields   `json:"fields,omitempty"`
	Links  []Link   `json:"links,omitempty"` // in the order they were made

	// MergedInto is the ticket that this one was merged into. The number of this
	// ticket stays valid: the desk follows it to the other ticket.
	MergedInto ID `json:"merged_into,omitzero"`

	// LinkEpoch counts how often the ticket's status links were revoked; see
	// [Desk.RevokeStatusLinks].
	LinkEpoch int `json:"link_epoch,omitempty"`

	// RequesterSince is the number of the event in which a person of another
	// customer became the requester; see [Edits].Requester. Zero means none.
	RequesterSince int64 `json:"requester_since,omitempty"`

	// PriorityGiven says that the priority was set, and does not follow from
	// impact and urgency.
	PriorityGiven bool `json:"priority_given,omitempty"`

	// Policy is the service level policy by which the clocks run, and PolicyVersion the
	// version of its agreement. They are empty if no policy applies; see
	// [Config].ServiceLevels. Clocks has the last clock of each metric, as of the last event.
	Policy        string  `json:"policy,omitempty"`
	PolicyVersion int     `json:"policy_version,omitempty"`
	Clocks        []Clock `json:"clocks,omitempty"`

	// Promised is when the customer was first told to expect the first answer. It changes only
	// if another customer becomes the requester, to whom nothing was promised. Zero means
	// that nothing was promised. Rescheduled is the later time that the
	// customer was told last; zero means none.
	Promised    time.Time `json:"promised,omitzero"`
	Rescheduled time.Time `json:"rescheduled,omitzero"`
	// Snoozed is when the desk reminds the assignee, or the queue if there is none, of the
	// ticket; see [Edits].Snooze. Zero means that the ticket is not snoozed.
	Snoozed time.Time `json:"snoozed,omitzero"`

	// Stage says how far the finished ticket was put away. Lists, counts and search leave out
	// a ticket that is not active, unless Query.Stage asks for it.
	Stage Stage `json:"stage,omitempty"`
	// Erased is when content of the ticket was last erased; see [Desk.Erase]. Zero means
	// never.
	Erased time.Time `json:"erased,omitzero"`
	// LegalHold keeps the content: nothing of the ticket is erased, and it is not moved out,
	// until the hold ends; see [Edits].LegalHold.
	LegalHold bool `json:"legal_hold,omitempty"`

	// FeedbackDue is when the desk will ask the requester to rate the ticket; zero means that
	// it will not. FeedbackAsked is when it has asked; see [Config].Feedback.
	FeedbackDue   time.Time `json:"feedback_due,omitzero"`
	FeedbackAsked time.Time `json:"feedback_asked,omitzero"`
	// Rated is when the requester rated the ticket, and Score is the rating, 1 to 5, where 5
	// is best; see [Desk.Rate]. They are zero if the ticket was not rated.
	Rated time.Time `json:"rated,omitzero"`
	Score int       `json:"score,omitempty"`
	// Known is what the desk has published about the ticket's problem, for all customers of
	// the tenant; see [ActionPublish]. Zero means nothing.
	Known KnownProblem `json:"known,omitzero"`
	// SolvedBy is the ticket whose solution solved this one; see [Action].SolvedBy. Zero means
	// none, or that none was named.
	SolvedBy ID `json:"solved_by,omitzero"`
	// Mailed has the numbers of the last eight events that mails brought, the oldest first; see
	// [Action].MessageID.
	Mailed []int64 `json:"mailed,omitempty"`

	Workflow        string `json:"workflow"`
	WorkflowVersion int    `json:"workflow_version"`

	Created       time.Time `json:"created"`
	FirstAnswered time.Time `json:"first_answered,omitzero"` // when an agent first sent the customer text or files, automatic ones excepted
	Touched       time.Time `json:"touched"`                 // the time of the last event, those of [ActionClock], [ActionErase] and [ActionArchive] excepted
	Checked       time.Time `json:"checked,omitzero"`        // the time of the last event if that is later
	Resolved      time.Time `json:"resolved,omitzero"`       // when the ticket last became solved; zero again once reopened
	Closed        time.Time `json:"closed,omitzero"`         // when the ticket last became closed; zero again once reopened
	Reopened      int       `json:"reopened,omitempty"`      // how often the ticket was reopened

	Version int64  `json:"version"` // the sequence number of its last event
	Digest  Digest `json:"digest"`  // the digest of its last event, the head of the chain
}

// maxMailed is how many numbers Ticket.Mailed has at most.
const maxMailed = 8

// lastEvent returns the time of the ticket's last event.
func (t *Ticket) lastEvent() time.Time {
	if t.Checked.After(t.Touched) {
		return t.Checked
	}
	return t.Touched
}

// State is a status and a level. The workflow moves a ticket from state to state.
type State struct {
	Status Status `json:"status,omitempty"`
	Level  int    `json:"level,omitempty"`
}

// String returns status and level, such as "open/2".
func (s State) String() string { return fmt.Sprintf("%s/%d", s.Status, s.Level) }

// State returns the ticket's status and level.
func (t Ticket) State() State { return State{t.Status, t.Level} }

// Status is the state of the work on a ticket. The constants below are the
// statuses of the [DefaultWorkflow]. A workflow may declare others.
type Status string

// The statuses of the default workflow.
const (
	StatusNew       Status = "new"       // no agent has looked at the ticket
	StatusQueued    Status = "queued"    // the ticket waits for an agent of its queue and level
	StatusOpen      Status = "open"      // an agent works on the ticket
	StatusWaiting   Status = "waiting"   // the ticket waits for the customer's answer
	StatusOnHold    Status = "on hold"   // the ticket waits for a vendor, a date or other work
	StatusResolved  Status = "resolved"  // an agent has solved the ticket; the customer can object
	StatusClosed    Status = "closed"    // the customer has confirmed, or did not object in time
	StatusCancelled Status = "cancelled" // the ticket was withdrawn or rejected
)

// Phase is the status of a ticket as the customer sees it. Every status of every
// workflow has one of these five phases.
type Phase string

// The phases.
const (
	PhaseReceived   Phase = "received"    // the desk has the request
	PhaseInProgress Phase = "in progress" // the desk works on it
	PhaseYourTurn   Phase = "your turn"   // the desk waits for the customer
	PhaseSolved     Phase = "solved"      // the customer can confirm or object
	PhaseClosed     Phase = "closed"      // the request is over
)

// phases lists all phases in their usual order.
func phases() []Phase {
	return []Phase{PhaseReceived, PhaseInProgress, PhaseYourTurn, PhaseSolved, PhaseClosed}
}

// OpenPhases lists the phases of unfinished tickets; see [Phase.Done].
func OpenPhases() []Phase {
	return []Phase{PhaseReceived, PhaseInProgress, PhaseYourTurn}
}

// Done reports whether the phase is solved or closed.
func (p Phase) Done() bool { return p == PhaseSolved || p == PhaseClosed }

// Channel says how a ticket or a message arrived. Your application may use other
// values.
type Channel string

// The usual channels.
const (
	ChannelPhone Channel = "phone" // by telephone
	ChannelMail  Channel = "mail"  // by e-mail
	ChannelWeb   Channel = "web"   // through a web form
	ChannelChat  Channel = "chat"  // in a chat
	ChannelAPI   Channel = "api"   // from another program
)

// Grade is a degree of priority, impact or urgency. A greater one is more urgent.
// The zero Grade means "not set".
type Grade uint8

// The grades, from the least to the most urgent.
const (
	GradeLow Grade = iota + 1
	GradeMedium
	GradeHigh
	GradeCritical
)

var gradeNames = [...]string{"", "low", "medium", "high", "critical"}

// String returns the name of the grade, and "" for the zero Grade.
func (g Grade) String() string {
	if int(g) < len(gradeNames) {
		return gradeNames[g]
	}
	return fmt.Sprintf("grade %d", uint8(g))
}

// MarshalText returns the name of the grade. A grade without a name is an
// [*InvalidError].
func (g Grade) MarshalText() ([]byte, error) {
	if int(g) >= len(gradeNames) {
		return nil, invalid("grade", "must be low, medium, high or critical")
	}
	return []byte(gradeNames[g]), nil
}

// UnmarshalText reads the name of a grade. Any other text is an [*InvalidError].
func (g *Grade) UnmarshalText(text []byte) error {
	i := slices.Index(gradeNames[:], string(text))
	if i < 0 {
		return invalid("grade", "must be low, medium, high or critical")
	}
	*g = Grade(i)
	return nil
}

// derivedPriority returns the priority that follows from impact and urgency; see
// [Draft].Priority. This is the usual matrix of ITIL.
func derivedPriority(impact, urgency Grade) Grade {
	switch {
	case impact == 0 && urgency == 0:
		return GradeMedium
	case impact == 0:
		return urgency
	case urgency == 0:
		return impact
	default:
		return (impact + urgency + 1) / 2
	}
}

// priorityStays reports whether the priority was set, and does not follow from
// impact and urgency. Tickets older than PriorityGiven show it by their priority.
func (t *Ticket) priorityStays() bool {
	return t.PriorityGiven || t.Priority != derivedPriority(t.Impact, t.Urgency)
}

// Relation says how a ticket relates to the other ticket of a [Link].
type Relation string

// The relations. The other ticket has the link with the counterpart of each.
const (
	RelationDuplicateOf  Relation = "duplicate of"  // this ticket repeats the other
	RelationDuplicatedBy Relation = "duplicated by" // the other ticket repeats this one
	RelationChildOf      Relation = "child of"      // this ticket is a part of the other
	RelationParentOf     Relation = "parent of"     // the other ticket is a part of this one
	RelationCausedBy     Relation = "caused by"     // the other ticket is the cause of this one
	RelationCauseOf      Relation = "cause of"      // this ticket is the cause of the other
	RelationFollowUpOf   Relation = "follow-up of"  // this ticket continues the other, which was finished
	RelationFollowedUpBy Relation = "followed by"   // the other ticket continues this one, which was finished
	RelationRelatedTo    Relation = "related to"    // any other relation
)

var counterparts = map[Relation]Relation{
	RelationDuplicateOf: RelationDuplicatedBy, RelationDuplicatedBy: RelationDuplicateOf,
	RelationChildOf: RelationParentOf, RelationParentOf: RelationChildOf,
	RelationCausedBy: RelationCauseOf, RelationCauseOf: RelationCausedBy,
	RelationFollowUpOf: RelationFollowedUpBy, RelationFollowedUpBy: RelationFollowUpOf,
	RelationRelatedTo: RelationRelatedTo,
}

// Counterpart returns the relation as the other ticket has it, and "" for an
// unknown relation.
func (r Relation) Counterpart() Relation { return counterparts[r] }

// Link connects a ticket with another ticket of the same tenant.
type Link struct {
	Relation Relation `json:"relation"`
	Ticket   ID       `json:"ticket"` // the other ticket
	Number   Number   `json:"number"` // its number, for people
}

// Timer is an action that the desk performs by itself, as a [System], at a set
// time; see [Desk.FireTimers]. The zero Timer means none.
type Timer struct {
	At     time.Time  `json:"at"`
	Action ActionName `json:"action"`
	// From is when the ticket got its status, if At was computed in the open hours of a
	// calendar; see [StatusSpec].Calendar. Zero means that it was not.
	From time.Time `json:"from,omitzero"`
}

// IsZero reports whether there is no timer.
func (t Timer) IsZero() bool { return t.At.IsZero() }

// Message is text that the customer sees.
type Message string

// Note is internal text, which no customer sees.
type Note string

// Attachment describes a file. The bytes are in [Config].Files, stored by [Desk.Attach] and read
// by [Desk.File], or your application keeps them under its own key, Ref. An event has the
// description only.
type Attachment struct {
	Name      string `json:"name"`                 // the file's name, without a path
	MediaType string `json:"media_type,omitempty"` // such as "image/png"
	Size      int64  `json:"size"`                 // in bytes
	SHA256    Digest `json:"sha256,omitzero"`      // of the bytes, for the receipt that the customer gets
	Ref       string `json:"ref,omitempty"`        // your application's own key for a file that it keeps itself; removed for customers, who find a file by SHA256
}

// Fields are a ticket's custom fields. Your application chooses the names. A value
// is a string, bool, int64, float64, time.Time or []string. The desk converts
// other integer types and float32 to these; any other type is an
// [*InvalidError].
//
// In JSON a float64 always has a point or an exponent, so that it does not come
// back as an int64, and a time is {"time": "2026-01-02T15:04:05Z"}.
type Fields map[string]any

func (f Fields) clone() Fields {
	if f == nil {
		return nil
	}
	c := maps.Clone(f)
	for k, v := range c {
		if list, ok := v.([]string); ok {
			c[k] = slices.Clone(list)
		}
	}
	return c
}

// MarshalJSON writes the fields so that their types are kept; see [Fields].
func (f Fields) MarshalJSON() ([]byte, error) {
	if f == nil {
		return []byte("null"), nil
	}
	out := make(map[string]any, len(f))
	for k, v := range f {
		switch v := v.(type) {
		case float64:
			out[k] = jsonFloat(v)
		case time.Time:
			out[k] = fieldTime{v.UTC()}
		case []string:
			out[k] = append([]string{}, v...) // null would remove the field
		default:
			out[k] = v
		}
	}
	return json.Marshal(out)
}

type fieldTime struct {
	Time time.Time `json:"time"`
}

type jsonFloat float64

func (v jsonFloat) MarshalJSON() ([]byte, error) {
	b, err := json.Marshal(float64(v))
	if err == nil && !bytes.ContainsAny(b, ".e") {
		b = append(b, '.', '0')
	}
	return b, err
}

// UnmarshalJSON reads only what MarshalJSON writes.
func (f *Fields) UnmarshalJSON(data []byte) error {
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil {
		return err
	}
	if raw == nil {
		*f = nil
		return nil
	}
	out := make(Fields, len(raw))
	for k, r := range raw {
		v, err := fieldFromJSON(r)
		if err != nil {
			return &InvalidError{Field: "fields." + k, Reason: "is not a field", Err: err}
		}
		out[k] = v
	}
	*f = out
	return nil
}

func fieldFromJSON(r json.RawMessage) (any, error) {
	switch {
	case r[0] == '{':
		var t fieldTime
		dec := json.NewDecoder(bytes.NewReader(r))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&t); err != nil {
			return nil, err
		}
		return t.Time.UTC().Truncate(time.Microsecond), nil
	case r[0] == '[':
		var list []*string
		if err := json.Unmarshal(r, &list); err != nil {
			return nil, err
		}
		out := make([]string, len(list))
		for i, s := range list {
			if s == nil {
				return nil, fmt.Errorf("a list must hold strings only")
			}
			out[i] = *s
		}
		return out, nil
	case r[0] == '-' || '0' <= r[0] && r[0] <= '9':
		if bytes.ContainsAny(r, ".eE") {
			var v float64
			err := json.Unmarshal(r, &v)
			return v, err
		}
		var v int64
		err := json.Unmarshal(r, &v)
		return v, err
	case r[0] == 'n':
		return nil, nil // in an event, null removes the field
	default:
		var v any // a string or a bool
		err := json.Unmarshal(r, &v)
		return v, err
	}
}

// Clone returns a deep copy, which shares nothing with t.
func (t Ticket) Clone() Ticket {
	t.Followers = slices.Clone(t.Followers)
	t.Tags = slices.Clone(t.Tags)
	t.Links = slices.Clone(t.Links)
	t.Mailed = slices.Clone(t.Mailed)
	t.Fields = t.Fields.clone()
	t.Clocks = cloneClocks(t.Clocks)
	return t
}

// Equal reports whether both tickets have the same content. Nil and empty lists are
// equal, and so is the same instant in two locations.
func (t Ticket) Equal(u Ticket) bool {
	a, errA := json.Marshal(t.inUTC())
	b, errB := json.Marshal(u.inUTC())
	return errA == nil && errB == nil && bytes.Equal(a, b)
}

func (t Ticket) inUTC() Ticket {
	for _, at := range []*time.Time{&t.Created, &t.FirstAnswered, &t.Touched, &t.Resolved, &t.Closed, &t.Timer.At, &t.Timer.From, &t.Promised, &t.Rescheduled, &t.Snoozed, &t.Checked, &t.Erased, &t.FeedbackDue, &t.FeedbackAsked, &t.Rated} {
		*at = at.UTC()
	}
	t.Clocks = slices.Clone(t.Clocks)
	for i := range t.Clocks {
		for _, at := range t.Clocks[i].times() {
			*at = at.UTC()
		}
	}
	return t
}

// HasTag reports whether the ticket has the tag.
func (t Ticket) HasTag(tag string) bool {
	_, found := slices.BinarySearch(t.Tags, tag)
	return found
}

// LinkTo returns the link with this relation to the other ticket, if there is one.
func (t Ticket) LinkTo(relation Relation, other ID) (Link, bool) {
	for _, l := range t.Links {
		if l.Relation == relation && l.Ticket == other {
			return l, true
		}
	}
	return Link{}, false
}

// concerns reports whether the person is the ticket's requester or a follower.
func (t *Ticket) concerns(p Person) bool {
	return p.Same(t.Requester) || slices.ContainsFunc(t.Followers, p.Same)
}

// PublicTo returns the copy of the ticket that this customer may have: without
// queue, assignee, reason, resolution, tags, custom fields, links, timer, policy, snooze
// and digest, and without the other people on the ticket. Its clocks have only the promises
// to customers, with their times and results. Only the requester gets the rating. The desk
// returns tickets to requesters and followers in this form; [Desk.Track] shows them more.
func (t Ticket) PublicTo(p Person) Ticket {
	return t.publicWith(p, newPublicClocks(t.Clocks))
}

// publicWith returns PublicTo with these clocks.
func (t Ticket) publicWith(p Person, clocks []Clock) Ticket {
	t.Clocks = nil
	t = t.Clone()
	t.Queue, t.Assignee, t.Reason, t.Resolution, t.Timer = "", "", "", "", Timer{}
	t.Policy, t.PolicyVersion, t.Snoozed, t.Checked, t.LegalHold = "", 0, time.Time{}, time.Time{}, false
	t.Clocks = clocks
	t.Tags, t.Fields, t.Links, t.Mailed = nil, nil, nil, nil
	t.Known, t.SolvedBy = KnownProblem{}, ID{}
	t.Followers = slices.DeleteFunc(t.Followers, func(f Person) bool { return !f.Same(p) })
	t.FeedbackDue = time.Time{}
	if !t.Requester.Same(p) {
		t.Requester = Person{}
		t.FeedbackAsked, t.Rated, t.Score = time.Time{}, time.Time{}, 0
	}
	t.Digest, t.LinkEpoch, t.RequesterSince = Digest{}, 0, 0
	return t
}

// String returns number and state, for logs. It contains nothing personal.
func (t Ticket) String() string {
	return strings.TrimSpace(string(t.Number) + " " + t.State().String())
}
