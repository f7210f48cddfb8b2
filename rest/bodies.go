package rest

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/ticketkit/ticket"
)

// actionBody is a ticket.Action.
type actionBody struct {
	Action          ticket.ActionName    `json:"action"`
	Message         ticket.Message       `json:"message"`
	Attachments     []ticket.Attachment  `json:"attachments"`
	Note            ticket.Note          `json:"note"`
	NoteAttachments []ticket.Attachment  `json:"note_attachments"`
	Level           int                  `json:"level"`
	Status          ticket.Status        `json:"status"`
	Queue           string               `json:"queue"`
	Assignee        string               `json:"assignee"`
	Reason          string               `json:"reason"`
	Until           time.Time            `json:"until"`
	Ticket          string               `json:"ticket"` // a number or an ID
	Relation        ticket.Relation      `json:"relation"`
	Draft           *draftBody           `json:"draft"`
	Edit            *editBody            `json:"edit"`
	Known           *ticket.KnownProblem `json:"known"`
	SolvedBy        string               `json:"solved_by"` // a number or an ID
	Suggested       bool                 `json:"suggested"`
	Channel         ticket.Channel       `json:"channel"`
	Automatic       bool                 `json:"automatic"`
	Quiet           bool                 `json:"quiet"`
	MessageID       string               `json:"message_id"`
}

// editBody is a ticket.Edits.
type editBody struct {
	Subject    string          `json:"subject"`
	Priority   ticket.Grade    `json:"priority"`
	Impact     ticket.Grade    `json:"impact"`
	Urgency    ticket.Grade    `json:"urgency"`
	Requester  ticket.Person   `json:"requester"`
	AddTags    []string        `json:"add_tags"`
	RemoveTags []string        `json:"remove_tags"`
	Fields     ticket.Fields   `json:"fields"`
	Follow     []ticket.Person `json:"follow"`
	Unfollow   []ticket.Person `json:"unfollow"`
	Snooze     *time.Time      `json:"snooze"`
	EndSnooze  bool            `json:"end_snooze"`
	LegalHold  *bool           `json:"legal_hold"`
}

// draftBody is a ticket.Draft.
type draftBody struct {
	Requester   ticket.Person       `json:"requester"`
	Followers   []ticket.Person     `json:"followers"`
	Subject     string              `json:"subject"`
	Message     ticket.Message      `json:"message"`
	Attachments []ticket.Attachment `json:"attachments"`
	From        int64               `json:"from"`
	Note        ticket.Note         `json:"note"`
	Solution    ticket.Message      `json:"solution"`
	SolvedBy    string              `json:"solved_by"` // a number or an ID
	Suggested   bool                `json:"suggested"`
	Channel     ticket.Channel      `json:"channel"`
	Automatic   bool                `json:"automatic"`
	Quiet       bool                `json:"quiet"`
	MessageID   string              `json:"message_id"`
	Priority    ticket.Grade        `json:"priority"`
	Impact      ticket.Grade        `json:"impact"`
	Urgency     ticket.Grade        `json:"urgency"`
	Level       int                 `json:"level"`
	Queue       string              `json:"queue"`
	Tags        []string            `json:"tags"`
	Fields      ticket.Fields       `json:"fields"`
	Workflow    string              `json:"workflow"`
}

// ratingBody is a ticket.Rating.
type ratingBody struct {
	Score   int            `json:"score"`
	Message ticket.Message `json:"message"`
	Channel ticket.Channel `json:"channel"`
}

// linkBody is a ticket.StatusLinkRequest.
type linkBody struct {
	For        ticket.Person `json:"for"`
	Reply      bool          `json:"reply"`
	Upload     bool          `json:"upload"`
	Confirm    bool          `json:"confirm"`
	Reopen     bool          `json:"reopen"`
	Cancel     bool          `json:"cancel"`
	Rate       bool          `json:"rate"`
	TTLSeconds int64         `json:"ttl_seconds"`
}

// erasureBody is a ticket.Erasure.
type erasureBody struct {
	Ticket string        `json:"ticket"` // a number or an ID
	Event  int64         `json:"event"`
	Person ticket.Person `json:"person"`
	Groups ticket.Groups `json:"groups"`
	Reason string        `json:"reason"`
}

// personBody asks for personal data.
type personBody struct {
	Person ticket.Person `json:"person"`
	Notes  bool          `json:"notes"`
}

// redriveBody is a ticket.DeliveryQuery.
type redriveBody struct {
	IDs           []ticket.ID            `json:"ids"`
	Ticket        ticket.ID              `json:"ticket"`
	State         []ticket.DeliveryState `json:"state"`
	Kind          []ticket.Kind          `json:"kind"`
	Notifiers     []string               `json:"notifiers"`
	To            recipientBody          `json:"to"`
	SettledFrom   time.Time              `json:"settled_from"`
	SettledBefore time.Time              `json:"settled_before"`
	All           bool                   `json:"all"` // says that no condition is meant
}

// recipientBody is a ticket.Recipient.
type recipientBody struct {
	Role   ticket.Role   `json:"role"`
	Person ticket.Person `json:"person"`
	Queue  string        `json:"queue"`
	Level  int           `json:"level"`
}

// failureBody says why a delivery came back.
type failureBody struct {
	Reason  string `json:"reason"`
	Address bool   `json:"address"` // because of its address
}

// file checks a list of attachments. Ref is your application's own key of a file, so that who may
// choose it can read any: a client must not.
func (c *call) files(list []ticket.Attachment, at string) error {
	if c.actor.Role == ticket.RoleSystem {
		return nil
	}
	for i, a := range list {
		if a.Ref != "" {
			return &ticket.InvalidError{Field: at + "[" + itoa(i) + "].ref", Reason: "is for systems only: send the file to files first"}
		}
	}
	return nil
}

// other returns the ID of another ticket that the body names by number or ID.
func (c *call) other(ref, field string) (ticket.ID, error) {
	if ref == "" {
		return ticket.ID{}, nil
	}
	if id, err := ticket.ParseID(ref); err == nil {
		return id, nil
	}
	t, err := c.h.desk.Lookup(c.ctx(), c.actor, ref)
	if errors.Is(err, ticket.ErrMistyped) || errors.Is(err, ticket.ErrNotFound) {
		return ticket.ID{}, &ticket.InvalidError{Field: field, Reason: "is no ticket that the actor may know of"}
	}
	return t.ID, err
}

// readAction reads the action of the body.
func (c *call) readAction() (ticket.Action, error) {
	var b actionBody
	if err := c.body(&b); err != nil {
		return ticket.Action{}, err
	}
	c.action = string(b.Action)
	a := ticket.Action{
		Name: b.Action, Message: b.Message, Attachments: b.Attachments, Note: b.Note, NoteAttachments: b.NoteAttachments,
		Level: b.Level, Status: b.Status, Queue: b.Queue, Assignee: b.Assignee, Reason: b.Reason, Until: b.Until,
		Relation: b.Relation, Known: b.Known, Suggested: b.Suggested, Channel: b.Channel,
		Automatic: b.Automatic, Quiet: b.Quiet, MessageID: b.MessageID,
	}
	if b.Action == "" {
		return a, &ticket.InvalidError{Field: "action.name", Reason: "is missing"}
	}
	err := errors.Join(c.files(b.Attachments, "action.attachments"), c.files(b.NoteAttachments, "action.note_attachments"))
	if err != nil {
		return a, err
	}
	if a.Ticket, err = c.other(b.Ticket, "action.ticket"); err != nil {
		return a, err
	}
	if a.SolvedBy, err = c.other(b.SolvedBy, "action.solved_by"); err != nil {
		return a, err
	}
	if b.Draft != nil {
		d, err := c.draftOf(b.Draft, "action.draft")
		if err != nil {
			return a, err
		}
		a.Draft = &d
	}
	if e := b.Edit; e != nil {
		a.Edit = &ticket.Edits{
			Subject: e.Subject, Priority: e.Priority, Impact: e.Impact, Urgency: e.Urgency, Requester: e.Requester,
			AddTags: e.AddTags, RemoveTags: e.RemoveTags, Fields: e.Fields, Follow: e.Follow, Unfollow: e.Unfollow,
			Snooze: e.Snooze, LegalHold: e.LegalHold,
		}
		if e.EndSnooze {
			if e.Snooze != nil {
				return a, &ticket.InvalidError{Field: "action.edit.end_snooze", Reason: "contradicts snooze"}
			}
			a.Edit.Snooze = &time.Time{}
		}
	}
	return a, nil
}

func (c *call) draftOf(b *draftBody, at string) (ticket.Draft, error) {
	d := ticket.Draft{
		Requester: b.Requester, Followers: b.Followers, Subject: b.Subject, Message: b.Message, Attachments: b.Attachments,
		From: b.From, Note: b.Note, Solution: b.Solution, Suggested: b.Suggested, Channel: b.Channel,
		Automatic: b.Automatic, Quiet: b.Quiet, MessageID: b.MessageID, Priority: b.Priority, Impact: b.Impact,
		Urgency: b.Urgency, Level: b.Level, Queue: b.Queue, Tags: b.Tags, Fields: b.Fields, Workflow: b.Workflow,
	}
	err := c.files(b.Attachments, at+".attachments")
	if name := b.Workflow; err == nil && name != "" && !slices.ContainsFunc(c.h.desk.Workflows(), func(w *ticket.Workflow) bool { return w.Name() == name }) {
		err = &ticket.InvalidError{Field: at + ".workflow", Reason: "is no workflow of this desk"}
	}
	if err == nil {
		d.SolvedBy, err = c.other(b.SolvedBy, at+".solved_by")
	}
	return d, err
}

// choiceJSON is a ticket.Choice.
type choiceJSON struct {
	Action  ticket.ActionName `json:"action"`
	Allowed bool              `json:"allowed"`
	Reason  string            `json:"reason,omitempty"`
	Why     string            `json:"why,omitempty"`
	Needs   []string          `json:"needs,omitempty"`
	Takes   []string          `json:"takes,omitempty"`
	To      ticket.State      `json:"to,omitzero"`
}

func choiceOf(c ticket.Choice) choiceJSON {
	j := choiceJSON{
		Action: c.Action, Allowed: c.Allowed, Reason: c.Reason, To: c.To,
		Needs: strings.Fields(strings.ReplaceAll(c.Needs.String(), ", ", " ")),
		Takes: strings.Fields(strings.ReplaceAll(c.Takes.String(), ", ", " ")),
	}
	if refused, ok := errors.AsType[*ticket.RefusedError](c.Err); ok {
		j.Why = refused.Why
	}
	return j
}

// ticketJSON is a ticket. Customers get no version: it counts events that they cannot see.
type ticketJSON struct {
	ticket.Ticket
	Version *int64 `json:"version,omitempty"`
	Digest  string `json:"digest,omitempty"`
}

func (c *call) shown(t ticket.Ticket) ticketJSON {
	j := ticketJSON{Ticket: t}
	if !c.customer() && t.Version > 0 {
		j.Version, j.Digest = new(t.Version), t.Digest.String()
	}
	return j
}

// viewJSON is a view, with a version for agents and systems only.
type viewJSON struct {
	ticket.View
	Version *int64 `json:"version,omitempty"`
}

func (c *call) seen(v ticket.View) viewJSON {
	j := viewJSON{View: v}
	if !c.customer() {
		j.Version = new(v.Version)
	}
	return j
}

type pageJSON struct {
	Tickets []ticketJSON  `json:"tickets"`
	After   ticket.Cursor `json:"after,omitempty"`
	Next    string        `json:"next,omitempty"`
}

type messagesJSON struct {
	Messages []ticket.ViewMessage `json:"messages"`
	Before   ticket.Cursor        `json:"before,omitempty"`
	Next     string               `json:"next,omitempty"`
}

type eventsJSON struct {
	Events []ticket.Event `json:"events"`
	Skip   int            `json:"skip,omitempty"`
	Next   string         `json:"next,omitempty"`
}

type entryJSON struct {
	Event      ticket.Event      `json:"event"`
	Number     ticket.Number     `json:"number"`
	Deliveries []ticket.Delivery `json:"deliveries,omitempty"`
}

type entriesJSON struct {
	Entries []entryJSON `json:"entries"`
	Skip    int         `json:"skip,omitempty"`
	Next    string      `json:"next,omitempty"`
}

type snippetJSON struct {
	Text  string   `json:"text"`
	Marks [][2]int `json:"marks,omitempty"`
}

type hitJSON struct {
	Ticket  ticketJSON    `json:"ticket"`
	Snippet snippetJSON   `json:"snippet"`
	Number  ticket.Number `json:"number,omitempty"`
}

type hitsJSON struct {
	Hits []hitJSON `json:"hits"`
}

type suggestionJSON struct {
	Ticket   *ticketJSON         `json:"ticket,omitempty"`
	Solution ticket.Message      `json:"solution,omitempty"`
	Known    ticket.KnownProblem `json:"known,omitzero"`
	Words    []string            `json:"words,omitempty"`
}

type suggestionsJSON struct {
	Suggestions []suggestionJSON `json:"suggestions"`
}

type countJSON struct {
	Queue  string        `json:"queue"`
	Level  int           `json:"level"`
	Status ticket.Status `json:"status"`
	N      int           `json:"n"`
}

type countsJSON struct {
	Counts []countJSON `json:"counts"`
}

type numberJSON struct {
	Count int `json:"count"`
}

type deliveriesJSON struct {
	Deliveries []ticket.Delivery `json:"deliveries"`
	After      string            `json:"after,omitempty"`
	Next       string            `json:"next,omitempty"`
}

type redrivenJSON struct {
	Redriven int `json:"redriven"`
}

type choicesJSON struct {
	Actions []choiceJSON `json:"actions"`
}

type explanationJSON struct {
	Allowed bool      `json:"allowed"`
	Problem *document `json:"problem,omitempty"`
}

type tokenJSON struct {
	Token string `json:"token"`
}

type verifiedJSON struct {
	Intact bool   `json:"intact"`
	Seq    int64  `json:"seq,omitempty"`
	Fault  string `json:"fault,omitempty"`
}

type knownJSON struct {
	Problems []ticket.KnownProblem `json:"problems"`
	Skip     int                   `json:"skip,omitempty"`
	Next     string                `json:"next,omitempty"`
}

type erasedJSON struct {
	Ticket     ticket.ID           `json:"ticket"`
	Number     ticket.Number       `json:"number"`
	Events     int                 `json:"events"`
	Deliveries int                 `json:"deliveries,omitempty"`
	Mails      int                 `json:"mails,omitempty"`
	Files      []ticket.Attachment `json:"files,omitempty"`
	Shared     []ticket.Attachment `json:"shared,omitempty"`
	Pending    []ticket.Attachment `json:"pending,omitempty"`
}

type mentionJSON struct {
	Ticket ticket.ID     `json:"ticket"`
	Number ticket.Number `json:"number"`
	Seq    int64         `json:"seq"`
}

type erasureReport struct {
	Tickets  []erasedJSON  `json:"tickets"`
	Held     []ticket.ID   `json:"held,omitempty"`
	Mentions []mentionJSON `json:"mentions,omitempty"`
	Mails    int           `json:"mails,omitempty"`
	Unsigned []mentionJSON `json:"unsigned,omitempty"`
}

func reportOf(r ticket.ErasureReport) *erasureReport {
	j := &erasureReport{Tickets: []erasedJSON{}, Held: r.Held, Mails: r.Mails}
	for _, t := range r.Tickets {
		j.Tickets = append(j.Tickets, erasedJSON(t))
	}
	for _, m := range r.Mentions {
		j.Mentions = append(j.Mentions, mentionJSON(m))
	}
	for _, m := range r.Unsigned {
		j.Unsigned = append(j.Unsigned, mentionJSON(m))
	}
	return j
}
