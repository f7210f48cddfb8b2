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

// Ticket is one request as it stands now: the fold of its events (see [Apply]).
// It is a plain value; changing one changes nothing but the copy. Times are in
// UTC, to the microsecond; the zero time means "not yet".
//
// Its JSON form is stable: names as in the tags below, in that order, empty
// fields left out, times in RFC 3339, digests in hexadecimal.
type Ticket struct {
	ID     ID     `json:"id"`
	Number Number `json:"number"`
	Tenant string `json:"tenant,omitempty"`

	Requester Person   `json:"requester,omitzero"`
	Followers []Person `json:"followers,omitempty"` // in the order they were added

	Subject    string  `json:"subject,omitempty"`
	Channel    Channel `json:"channel,omitempty"`    // how it came in
	Priority   Grade   `json:"priority,omitempty"`   // always set on a stored ticket
	Impact     Grade   `json:"impact,omitempty"`     // how much is affected, where given
	Urgency    Grade   `json:"urgency,omitempty"`    // how soon it hurts, where given
	Status     Status  `json:"status"`               // where the work stands
	Level      int     `json:"level"`                // 1, 2, 3 …
	Phase      Phase   `json:"phase"`                // the status in the customer's words
	Queue      string  `json:"queue,omitempty"`      // the department that holds it; in the digest, cannot be erased
	Assignee   string  `json:"assignee,omitempty"`   // the ID of the agent who has it
	Reason     string  `json:"reason,omitempty"`     // why it is on hold or was cancelled; cannot be erased
	Resolution string  `json:"resolution,omitempty"` // how it was resolved, such as "first contact"; cannot be erased
	Timer      Timer   `json:"timer,omitzero"`       // what happens next by itself, and when

	Tags   []string `json:"tags,omitempty"` // sorted; cannot be erased
	Fields Fields   `json:"fields,omitempty"`
	Links  []Link   `json:"links,omitempty"` // in the order they were made

	// MergedInto is the ticket that goes on with this one's case. The number of
	// this one stays valid: the desk follows it there.
	MergedInto ID `json:"merged_into,omitzero"`

	// LinkEpoch counts how often the status links of the ticket were revoked;
	// see [Desk.RevokeStatusLinks].
	LinkEpoch int `json:"link_epoch,omitempty"`

	// RequesterSince is the number of the event by which somebody of another
	// customer became the requester; see [Edits].Requester. Zero means never.
	RequesterSince int64 `json:"requester_since,omitempty"`

	// PriorityGiven says that somebody set the priority, so that it does not
	// follow from impact and urgency.
	PriorityGiven bool `json:"priority_given,omitempty"`

	Workflow        string `json:"workflow"`
	WorkflowVersion int    `json:"workflow_version"`

	Created       time.Time `json:"created"`
	FirstAnswered time.Time `json:"first_answered,omitzero"` // first words of an agent to the customer, or files; not a machine's
	Touched       time.Time `json:"touched"`                 // last event
	Resolved      time.Time `json:"resolved,omitzero"`       // last entered a solved phase; zero again once reopened
	Closed        time.Time `json:"closed,omitzero"`         // last entered a closed phase; zero again once reopened
	Reopened      int       `json:"reopened,omitempty"`      // how often it went back to work

	Version int64  `json:"version"` // the sequence number of its last event
	Digest  Digest `json:"digest"`  // the digest of its last event, the head of the chain
}

// State is what the workflow moves: status and level together.
type State struct {
	Status Status `json:"status,omitempty"`
	Level  int    `json:"level,omitempty"`
}

// String returns the state as the machine names it, such as "open/2".
func (s State) String() string { return fmt.Sprintf("%s/%d", s.Status, s.Level) }

// State returns the ticket's status and level.
func (t Ticket) State() State { return State{t.Status, t.Level} }

// Status says where the work stands. A workflow may have others than these,
// which are those of the default one.
type Status string

// The statuses of the default workflow.
const (
	StatusNew       Status = "new"       // came in; nobody has looked at it
	StatusQueued    Status = "queued"    // waits for somebody of its queue and level to take it
	StatusOpen      Status = "open"      // an agent works on it
	StatusWaiting   Status = "waiting"   // the customer was asked something
	StatusOnHold    Status = "on hold"   // a vendor, a date or another piece of work is waited for
	StatusResolved  Status = "resolved"  // solved, as far as the desk can tell
	StatusClosed    Status = "closed"    // solved and confirmed, or the time to object has passed
	StatusCancelled Status = "cancelled" // withdrawn, or not to be done
)

// Phase is the status in the customer's words; every status of every workflow
// has one of these five.
type Phase string

// The phases.
const (
	PhaseReceived   Phase = "received"
	PhaseInProgress Phase = "in progress"
	PhaseYourTurn   Phase = "your turn"
	PhaseSolved     Phase = "solved"
	PhaseClosed     Phase = "closed"
)

// Phases lists all phases in the order a ticket usually meets them.
func Phases() []Phase {
	return []Phase{PhaseReceived, PhaseInProgress, PhaseYourTurn, PhaseSolved, PhaseClosed}
}

// OpenPhases lists the phases of tickets that are not done, see [Phase.Done].
func OpenPhases() []Phase {
	return []Phase{PhaseReceived, PhaseInProgress, PhaseYourTurn}
}

// Done reports whether no more work is expected: solved or closed.
func (p Phase) Done() bool { return p == PhaseSolved || p == PhaseClosed }

// Channel says how a ticket or a message came in. Hosts may use others.
type Channel string

// The usual channels.
const (
	ChannelPhone Channel = "phone"
	ChannelMail  Channel = "mail"
	ChannelWeb   Channel = "web"
	ChannelChat  Channel = "chat"
	ChannelAPI   Channel = "api"
)

// Grade is how much: of priority, impact and urgency. The zero Grade means
// "not given". Grades are ordered: a greater one is worse.
type Grade uint8

// The grades.
const (
	GradeLow Grade = iota + 1
	GradeMedium
	GradeHigh
	GradeCritical
)

var gradeNames = [...]string{"", "low", "medium", "high", "critical"}

// String returns the grade's name, and "" for none.
func (g Grade) String() string {
	if int(g) < len(gradeNames) {
		return gradeNames[g]
	}
	return fmt.Sprintf("grade %d", uint8(g))
}

// MarshalText writes the name.
func (g Grade) MarshalText() ([]byte, error) {
	if int(g) >= len(gradeNames) {
		return nil, invalid("grade", "must be low, medium, high or critical")
	}
	return []byte(gradeNames[g]), nil
}

// UnmarshalText reads a name.
func (g *Grade) UnmarshalText(text []byte) error {
	i := slices.Index(gradeNames[:], string(text))
	if i < 0 {
		return invalid("grade", "must be low, medium, high or critical")
	}
	*g = Grade(i)
	return nil
}

// PriorityOf is the priority that follows from impact and urgency: their mean,
// rounded up; the one that is given where the other is not; Medium without
// either. It is the matrix of the usual ITIL shape: high × high is high, high ×
// low is medium.
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

// priorityStays reports whether somebody set the priority, so that it does not
// follow from impact and urgency. Of a ticket that is older than PriorityGiven, it
// is told by the priority.
func (t *Ticket) priorityStays() bool {
	return t.PriorityGiven || t.Priority != derivedPriority(t.Impact, t.Urgency)
}

// Relation says what the other ticket of a [Link] is to this one.
type Relation string

// The relations. Each has a counterpart, which the other ticket carries.
const (
	RelationDuplicateOf  Relation = "duplicate of"  // this one repeats the other
	RelationDuplicatedBy Relation = "duplicated by" // the other repeats this one
	RelationChildOf      Relation = "child of"      // this one is a part of the other
	RelationParentOf     Relation = "parent of"     // the other is a part of this one
	RelationCausedBy     Relation = "caused by"     // the other is why this one exists
	RelationCauseOf      Relation = "cause of"      // this one is why the other exists
	RelationFollowUpOf   Relation = "follow-up of"  // this one goes on after the other was over
	RelationFollowedUpBy Relation = "followed by"   // the other goes on after this one was over
	RelationRelatedTo    Relation = "related to"    // something else
)

var counterparts = map[Relation]Relation{
	RelationDuplicateOf: RelationDuplicatedBy, RelationDuplicatedBy: RelationDuplicateOf,
	RelationChildOf: RelationParentOf, RelationParentOf: RelationChildOf,
	RelationCausedBy: RelationCauseOf, RelationCauseOf: RelationCausedBy,
	RelationFollowUpOf: RelationFollowedUpBy, RelationFollowedUpBy: RelationFollowUpOf,
	RelationRelatedTo: RelationRelatedTo,
}

// Counterpart returns the relation seen from the other ticket, and "" for a
// relation that is none of the known ones.
func (r Relation) Counterpart() Relation { return counterparts[r] }

// Link ties a ticket to another one of the same tenant.
type Link struct {
	Relation Relation `json:"relation"`
	Ticket   ID       `json:"ticket"`
	Number   Number   `json:"number"` // for people; the same ticket
}

// Timer is what a ticket will do by itself: the action that the desk, as a
// System, performs when the time has come.
type Timer struct {
	At     time.Time  `json:"at"`
	Action ActionName `json:"action"`
}

// IsZero reports whether no timer runs.
func (t Timer) IsZero() bool { return t.At.IsZero() }

// Message is words that the customer sees.
type Message string

// Note is words that never leave the desk.
type Note string

// Attachment describes a file that the host keeps; the library never holds the
// bytes.
type Attachment struct {
	Name      string `json:"name"`                 // the file's name, without a path
	MediaType string `json:"media_type,omitempty"` // such as "image/png"
	Size      int64  `json:"size"`                 // in bytes
	SHA256    Digest `json:"sha256,omitzero"`      // of the bytes, so that the customer can be told what arrived
	Ref       string `json:"ref,omitempty"`        // where the host finds it; opaque, and empty in what customers get, who find a file by SHA256
}

// Fields are a ticket's custom fields: names chosen by the host, values of type
// string, bool, int64, float64, time.Time or []string. The desk turns the
// other integer types, float32 and the like into these when it takes them in;
// any other type is an [*InvalidError].
//
// In JSON a float64 always carries a point or an exponent, so that it does not
// come back as an int64, and a time is {"time": "2026-01-02T15:04:05Z"}.
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

// MarshalJSON writes the fields with their types kept; see [Fields].
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

// UnmarshalJSON reads what MarshalJSON writes, and nothing else.
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
			return &InvalidError{Field: "fields." + k, Reason: "cannot be a field", Err: err}
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
				return nil, fmt.Errorf("a list holds strings only")
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
		return nil, nil // removes the field, in an event
	default:
		var v any // a string or a bool
		err := json.Unmarshal(r, &v)
		return v, err
	}
}

// Clone returns a deep copy: nothing reachable from it is shared with t.
func (t Ticket) Clone() Ticket {
	t.Followers = slices.Clone(t.Followers)
	t.Tags = slices.Clone(t.Tags)
	t.Links = slices.Clone(t.Links)
	t.Fields = t.Fields.clone()
	return t
}

// Equal reports whether both say the same, whatever form their empty lists and
// the locations of their times have.
func (t Ticket) Equal(u Ticket) bool {
	a, errA := json.Marshal(t.inUTC())
	b, errB := json.Marshal(u.inUTC())
	return errA == nil && errB == nil && bytes.Equal(a, b)
}

func (t Ticket) inUTC() Ticket {
	for _, at := range []*time.Time{&t.Created, &t.FirstAnswered, &t.Touched, &t.Resolved, &t.Closed, &t.Timer.At} {
		*at = at.UTC()
	}
	return t
}

// HasTag reports whether the ticket carries the tag.
func (t Ticket) HasTag(tag string) bool {
	_, found := slices.BinarySearch(t.Tags, tag)
	return found
}

// LinkTo returns the link to the other ticket with this relation, if there is one.
func (t Ticket) LinkTo(relation Relation, other ID) (Link, bool) {
	for _, l := range t.Links {
		if l.Relation == relation && l.Ticket == other {
			return l, true
		}
	}
	return Link{}, false
}

// concerns reports whether the person is the ticket's requester or follows it.
func (t *Ticket) concerns(p Person) bool {
	return p.Same(t.Requester) || slices.ContainsFunc(t.Followers, p.Same)
}

// PublicTo returns the ticket as a customer may hold it: without queue,
// assignee, reason, tags, custom fields, links and timer, and without the other
// people who are involved. The desk returns tickets to requesters and followers
// in this form; [Desk.Track] gives them more.
func (t Ticket) PublicTo(p Person) Ticket {
	t = t.Clone()
	t.Queue, t.Assignee, t.Reason, t.Resolution, t.Timer = "", "", "", "", Timer{}
	t.Tags, t.Fields, t.Links = nil, nil, nil
	t.Followers = slices.DeleteFunc(t.Followers, func(f Person) bool { return !f.Same(p) })
	if !t.Requester.Same(p) {
		t.Requester = Person{}
	}
	t.Digest, t.LinkEpoch, t.RequesterSince = Digest{}, 0, 0
	return t
}

// String names the ticket for logs: number and state, nothing personal.
func (t Ticket) String() string {
	return strings.TrimSpace(string(t.Number) + " " + t.State().String())
}
