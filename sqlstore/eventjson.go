package sqlstore

import (
	"encoding"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/ticketkit/ticket"
)

// Every action writes an event and its deliveries as JSON. encoding/json takes
// longer for that than the desk takes for its decision. So this file writes the
// usual fields by hand, byte for byte as encoding/json does; a test compares the
// two. Rare fields go through encoding/json.

func eventJSON(e *ticket.Event) (string, error) {
	w := newJSON()
	w.open("")
	w.id("ticket", e.Ticket)
	w.integer("seq", e.Seq)
	w.time("at", e.At)
	w.string("action", string(e.Action))
	w.open("by")
	w.role("role", e.By.Role)
	w.optional("id", e.By.ID)
	w.close()
	if e.From != (ticket.State{}) {
		w.state("from", e.From)
	}
	w.state("to", e.To)
	w.string("phase", string(e.Phase))
	w.optional("channel", string(e.Channel))
	w.yes("answer", e.Answer)
	w.yes("automatic", e.Automatic)
	w.yes("quiet", e.Quiet)
	w.patch(&e.Set)

	w.optional("subject", e.Subject)
	w.optional("message", string(e.Message))
	w.rare("attachments", e.Attachments, len(e.Attachments))
	w.fields("fields", e.Fields)
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
	return w.done()
}

func recipientJSON(r *ticket.Recipient) (string, error) {
	w := newJSON()
	w.open("")
	w.role("role", r.Role)
	w.person("person", &r.Person)
	w.optional("queue", r.Queue)
	if r.Level != 0 {
		w.integer("level", int64(r.Level))
	}
	w.close()
	return w.done()
}

// A jsonWriter appends JSON. It keeps its first error.
type jsonWriter struct {
	b   []byte
	err error
}

var jsonWriters = sync.Pool{New: func() any { return &jsonWriter{b: make([]byte, 0, 2048)} }}

func newJSON() *jsonWriter { return jsonWriters.Get().(*jsonWriter) }

// mostKeptJSON is the greatest capacity of a buffer that is used again, in bytes.
const mostKeptJSON = 64 << 10

// done returns the JSON, and gives the writer back without any content.
func (w *jsonWriter) done() (string, error) {
	text, err := string(w.b), w.err
	if cap(w.b) <= mostKeptJSON {
		clear(w.b)
		w.b, w.err = w.b[:0], nil
		jsonWriters.Put(w)
	}
	return text, err
}

func (w *jsonWriter) key(name string) {
	w.next()
	w.b = append(append(append(w.b, '"'), name...), '"', ':')
}

// quotedKey is like key, for a name that may need escapes.
func (w *jsonWriter) quotedKey(name string) {
	w.next()
	w.quoted(name)
	w.b = append(w.b, ':')
}

// next separates a member of an object from the one before.
func (w *jsonWriter) next() {
	if w.b[len(w.b)-1] != '{' {
		w.b = append(w.b, ',')
	}
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

// yes writes true, and false not at all.
func (w *jsonWriter) yes(name string, v bool) {
	if v {
		w.truth(name, &v)
	}
}

// truth writes a boolean that is not nil.
func (w *jsonWriter) truth(name string, v *bool) {
	if v != nil {
		w.key(name)
		w.b = strconv.AppendBool(w.b, *v)
	}
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

// literal writes a string that needs no escapes.
func (w *jsonWriter) literal(name, v string) {
	w.key(name)
	w.b = append(append(append(w.b, '"'), v...), '"')
}

// id writes an ID. The text of the zero ID is empty.
func (w *jsonWriter) id(name string, v ticket.ID) {
	if v.IsZero() {
		w.literal(name, "")
		return
	}
	w.literal(name, v.String())
}

func (w *jsonWriter) role(name string, v ticket.Role) {
	switch v {
	case ticket.RoleRequester, ticket.RoleFollower, ticket.RoleAgent, ticket.RoleSystem:
		w.literal(name, v.String())
	default: // its String has commas
		w.text(name, v)
	}
}

// texts writes a list of strings that is not empty.
func (w *jsonWriter) texts(name string, list []string) {
	if len(list) == 0 {
		return
	}
	w.key(name)
	w.b = append(w.b, '[')
	for i, v := range list {
		if i > 0 {
			w.b = append(w.b, ',')
		}
		w.quoted(v)
	}
	w.b = append(w.b, ']')
}

// fields writes fields that are strings, whole numbers and booleans. If there is
// another one, encoding/json writes all.
func (w *jsonWriter) fields(name string, f ticket.Fields) {
	if len(f) == 0 {
		return
	}
	begin := len(w.b)
	w.open(name)
	for _, k := range slices.Sorted(maps.Keys(f)) {
		switch v := f[k].(type) {
		case string:
			w.quotedKey(k)
			w.quoted(v)
		case bool:
			w.quotedKey(k)
			w.b = strconv.AppendBool(w.b, v)
		case int64:
			w.quotedKey(k)
			w.b = strconv.AppendInt(w.b, v, 10)
		default:
			w.b = w.b[:begin]
			w.rare(name, f, len(f))
			return
		}
	}
	w.close()
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
	w.texts("add_tags", p.AddTags)
	w.texts("remove_tags", p.RemoveTags)
	w.rare("add_links", p.AddLinks, len(p.AddLinks))
	w.rare("remove_links", p.RemoveLinks, len(p.RemoveLinks))
	if p.MergedInto != nil {
		w.id("merged_into", *p.MergedInto)
	}
	if p.LinkEpoch != 0 {
		w.integer("link_epoch", int64(p.LinkEpoch))
	}
	if !p.Other.IsZero() {
		w.id("other", p.Other)
	}
	if p.Restored != nil {
		w.key("restored")
		w.value(p.Restored)
	}
	w.truth("priority_given", p.PriorityGiven)
	w.yes("new_customer", p.NewCustomer)
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
	w.truth("legal_hold", p.LegalHold)
	if p.FeedbackDue != nil {
		w.time("feedback_due", *p.FeedbackDue)
	}
	w.yes("feedback_asked", p.FeedbackAsked)
	w.number("score", p.Score)
	w.truth("published", p.Published)
	if p.SolvedBy != nil {
		w.id("solved_by", *p.SolvedBy)
	}
	w.yes("suggested", p.Suggested)
	w.close()
}
