package sqlstore

import (
	"encoding"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"time"

	"github.com/ticketkit/ticket"
)

// Every action writes an event and its deliveries as JSON. encoding/json takes
// longer for that than the desk takes for its decision. So this file writes the
// usual fields by hand, byte for byte as encoding/json does; a test compares the
// two. Rare fields go through encoding/json.

func eventJSON(e *ticket.Event) (string, error) {
	w := jsonWriter{b: make([]byte, 0, 1024)}
	w.open("")
	w.text("ticket", e.Ticket)
	w.integer("seq", e.Seq)
	w.time("at", e.At)
	w.string("action", string(e.Action))
	w.open("by")
	w.text("role", e.By.Role)
	w.optional("id", e.By.ID)
	w.close()
	if e.From != (ticket.State{}) {
		w.state("from", e.From)
	}
	w.state("to", e.To)
	w.string("phase", string(e.Phase))
	w.optional("channel", string(e.Channel))
	if e.Answer {
		w.key("answer")
		w.b = append(w.b, "true"...)
	}
	if e.Automatic {
		w.key("automatic")
		w.b = append(w.b, "true"...)
	}
	if e.Quiet {
		w.key("quiet")
		w.b = append(w.b, "true"...)
	}
	w.patch(&e.Set)

	w.optional("subject", e.Subject)
	w.optional("message", string(e.Message))
	w.rare("attachments", e.Attachments, len(e.Attachments))
	w.rare("fields", e.Fields, len(e.Fields))
	w.optional("feedback", string(e.Feedback))
	if !e.Known.IsZero() {
		w.key("known")
		w.value(e.Known)
	}
	w.optional("note", string(e.Note))
	w.rare("note_attachments", e.NoteAttachments, len(e.NoteAttachments))
	w.person("actor", &e.Actor)
	w.person("requester", &e.Requester)
	w.rare("followed", e.Followed, len(e.Followed))
	w.rare("unfollowed", e.Unfollowed, len(e.Unfollowed))
	w.person("author", &e.Author)
	w.optional("message_id", e.MessageID)

	if e.Seals != (ticket.Seals{}) {
		w.open("seals")
		w.seal("words", &e.Seals.PublicContent)
		w.seal("inside", &e.Seals.InternalContent)
		w.seal("people", &e.Seals.Identities)
		w.seal("remarks", &e.Seals.Remarks)
		w.close()
	}
	if !e.Digest.IsZero() {
		w.hex("digest", e.Digest[:])
	}
	w.close()
	return string(w.b), w.err
}

func recipientJSON(r *ticket.Recipient) (string, error) {
	w := jsonWriter{b: make([]byte, 0, 256)}
	w.open("")
	w.text("role", r.Role)
	w.person("person", &r.Person)
	w.optional("queue", r.Queue)
	if r.Level != 0 {
		w.integer("level", int64(r.Level))
	}
	w.close()
	return string(w.b), w.err
}

// A jsonWriter appends JSON. It keeps its first error.
type jsonWriter struct {
	b   []byte
	err error
}

func (w *jsonWriter) key(name string) {
	if w.b[len(w.b)-1] != '{' {
		w.b = append(w.b, ',')
	}
	w.b = append(append(append(w.b, '"'), name...), '"', ':')
}

// open begins an object. The outermost object has no name.
func (w *jsonWriter) open(name string) {
	if name != "" {
		w.key(name)
	}
	w.b = append(w.b, '{')
}

func (w *jsonWriter) close() { w.b = append(w.b, '}') }

func (w *jsonWriter) string(name, v string) {
	w.key(name)
	w.quoted(v)
}

func (w *jsonWriter) quoted(v string) {
	if !plain(v) {
		w.value(v)
		return
	}
	w.b = append(append(append(w.b, '"'), v...), '"')
}

// plain reports whether JSON needs no escapes for a string.
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			return false
		}
	}
	return true
}

func (w *jsonWriter) optional(name, v string) {
	if v != "" {
		w.string(name, v)
	}
}

func (w *jsonWriter) pointer(name string, v *string) {
	if v != nil {
		w.string(name, *v)
	}
}

func (w *jsonWriter) integer(name string, v int64) {
	w.key(name)
	w.b = strconv.AppendInt(w.b, v, 10)
}

// number writes an integer that is not zero.
func (w *jsonWriter) number(name string, v int) {
	if v != 0 {
		w.integer(name, int64(v))
	}
}

func (w *jsonWriter) hex(name string, v []byte) {
	w.key(name)
	w.b = append(hex.AppendEncode(append(w.b, '"'), v), '"')
}

// text writes a value whose text form needs no escapes.
func (w *jsonWriter) text(name string, v encoding.TextMarshaler) {
	b, err := v.MarshalText()
	w.fail(err)
	w.key(name)
	w.b = append(append(append(w.b, '"'), b...), '"')
}

func (w *jsonWriter) time(name string, v time.Time) {
	w.key(name)
	var err error
	w.b = append(w.b, '"')
	w.b, err = v.AppendText(w.b)
	w.fail(err)
	w.b = append(w.b, '"')
}

// someTime writes a time that is not zero.
func (w *jsonWriter) someTime(name string, v time.Time) {
	if !v.IsZero() {
		w.time(name, v)
	}
}

// value writes a value with encoding/json.
func (w *jsonWriter) value(v any) {
	b, err := json.Marshal(v)
	w.fail(err)
	w.b = append(w.b, b...)
}

func (w *jsonWriter) rare(name string, v any, n int) {
	if n > 0 {
		w.key(name)
		w.value(v)
	}
}

func (w *jsonWriter) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}

func (w *jsonWriter) state(name string, s ticket.State) {
	w.open(name)
	w.optional("status", string(s.Status))
	if s.Level != 0 {
		w.integer("level", int64(s.Level))
	}
	w.close()
}

func (w *jsonWriter) grade(name string, g ticket.Grade) {
	if g != 0 {
		w.text(name, g)
	}
}

func (w *jsonWriter) person(name string, p *ticket.Person) {
	if p.IsZero() {
		return
	}
	w.open(name)
	w.optional("id", p.ID)
	w.optional("name", p.Name)
	w.optional("email", p.Email)
	w.optional("phone", p.Phone)
	w.optional("locale", p.Locale)
	w.optional("zone", p.Zone)
	w.optional("organisation", p.Organisation)
	w.close()
}

func (w *jsonWriter) seal(name string, s *ticket.Seal) {
	if s.IsZero() {
		return
	}
	w.open(name)
	if !s.Salt.IsZero() {
		w.hex("salt", s.Salt[:])
	}
	if !s.Sum.IsZero() {
		w.hex("sum", s.Sum[:])
	}
	w.close()
}

// patch writes the changes of an event, if there are any.
func (w *jsonWriter) patch(p *ticket.Patch) {
	if p.Number == "" && p.Tenant == "" && p.Workflow == "" && p.WorkflowVersion == 0 && p.Priority|p.Impact|p.Urgency == 0 && p.Queue == nil &&
		p.Assignee == nil && p.Reason == nil && p.Resolution == nil && p.Timer == nil && p.AddTags == nil && p.RemoveTags == nil &&
		p.AddLinks == nil && p.RemoveLinks == nil && p.MergedInto == nil && p.LinkEpoch == 0 &&
		p.Other.IsZero() && p.Restored == nil && p.PriorityGiven == nil && !p.NewCustomer &&
		p.Policy == nil && p.PolicyVersion == nil && p.Clocks == nil && p.Alert == nil && p.Promised == nil && p.Snoozed == nil &&
		p.Erased == nil && p.Stage == nil && p.Rule == "" && p.LegalHold == nil &&
		p.FeedbackDue == nil && !p.FeedbackAsked && p.Score == 0 &&
		p.Published == nil && p.SolvedBy == nil && !p.Suggested {
		return
	}
	w.open("set")
	w.optional("number", string(p.Number))
	w.optional("tenant", p.Tenant)
	w.optional("workflow", p.Workflow)
	if p.WorkflowVersion != 0 {
		w.integer("workflow_version", int64(p.WorkflowVersion))
	}
	w.grade("priority", p.Priority)
	w.grade("impact", p.Impact)
	w.grade("urgency", p.Urgency)
	w.pointer("queue", p.Queue)
	w.pointer("assignee", p.Assignee)
	w.pointer("reason", p.Reason)
	w.pointer("resolution", p.Resolution)
	if p.Timer != nil {
		w.open("timer")
		w.time("at", p.Timer.At)
		w.string("action", string(p.Timer.Action))
		w.someTime("from", p.Timer.From)
		w.close()
	}
	w.rare("add_tags", p.AddTags, len(p.AddTags))
	w.rare("remove_tags", p.RemoveTags, len(p.RemoveTags))
	w.rare("add_links", p.AddLinks, len(p.AddLinks))
	w.rare("remove_links", p.RemoveLinks, len(p.RemoveLinks))
	if p.MergedInto != nil {
		w.text("merged_into", *p.MergedInto)
	}
	if p.LinkEpoch != 0 {
		w.integer("link_epoch", int64(p.LinkEpoch))
	}
	if !p.Other.IsZero() {
		w.text("other", p.Other)
	}
	if p.Restored != nil {
		w.key("restored")
		w.value(p.Restored)
	}
	if p.PriorityGiven != nil {
		w.key("priority_given")
		w.value(*p.PriorityGiven)
	}
	if p.NewCustomer {
		w.key("new_customer")
		w.b = append(w.b, "true"...)
	}
	w.pointer("policy", p.Policy)
	if p.PolicyVersion != nil {
		w.integer("policy_version", int64(*p.PolicyVersion))
	}
	w.clocks(p.Clocks)
	if p.Alert != nil {
		w.key("alert")
		w.value(p.Alert)
	}
	if p.Promised != nil {
		w.time("promised", *p.Promised)
	}
	if p.Snoozed != nil {
		w.time("snoozed", *p.Snoozed)
	}
	if p.Erased != nil {
		w.key("erased")
		w.value(p.Erased)
	}
	w.pointer("stage", (*string)(p.Stage))
	w.optional("rule", p.Rule)
	if p.LegalHold != nil {
		w.key("legal_hold")
		w.value(*p.LegalHold)
	}
	if p.FeedbackDue != nil {
		w.time("feedback_due", *p.FeedbackDue)
	}
	if p.FeedbackAsked {
		w.key("feedback_asked")
		w.b = append(w.b, "true"...)
	}
	if p.Score != 0 {
		w.integer("score", int64(p.Score))
	}
	if p.Published != nil {
		w.key("published")
		w.value(*p.Published)
	}
	if p.SolvedBy != nil {
		w.text("solved_by", *p.SolvedBy)
	}
	if p.Suggested {
		w.key("suggested")
		w.b = append(w.b, "true"...)
	}
	w.close()
}
