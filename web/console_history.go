package web

import (
	"cmp"
	"html/template"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ticketkit/ticket"
)

// A historyItem is one piece of what the page of a ticket shows of its history: words of a
// customer, words of the desk, a note, or a thin line that says what happened.
type historyItem struct {
	Kind   string // "customer", "desk", "note" or "event"
	Anchor string // unique in the page
	Seq    int64  // the number of the event within its ticket
	At     time.Time
	Who    string        // who said or did it
	Line   template.HTML // of an event: what was done
	Via    string        // of words: how they came, as a text
	Text   string
	Files  []fileItem
	Number string // the merged ticket that it happened under; empty for the ticket itself

	Erased    bool // there were words
	Automatic bool // a machine wrote it
	Solution  bool // the words are the solution
	Letters   []letterItem
	Sent      string // a few words about Letters
	Trouble   bool   // one of the letters to customers did not arrive
	Split     bool   // a new ticket can be made of it
}

// A fileItem is a file of a message or a note.
type fileItem struct {
	Name string
	Size int64
	Sum  string // in hexadecimal; empty if the application keeps the file
	Link string // empty like Sum
}

// A letterItem is what was sent because of an event, and what became of it.
type letterItem struct {
	To, What, State string // texts
	Customer        bool
	Class           string // "ok", "warn" or "bad"
	At              time.Time
	Error           string
}

// A teller has the texts of a language. A page is one.
type teller interface {
	T(key string, values ...any) (any, error)
	Has(key string) bool
}

// say returns a text. Values that are no HTML are escaped if one is.
func say(t teller, key string, values ...any) string {
	v, err := t.T(key, values...)
	if err != nil {
		return key
	}
	switch v := v.(type) {
	case string:
		return v
	case template.HTML:
		return string(v)
	}
	return key
}

// sayHTML returns a text as HTML.
func sayHTML(t teller, key string, values ...any) template.HTML {
	v, err := t.T(key, values...)
	if err != nil {
		return template.HTML(template.HTMLEscapeString(key)) //nolint:gosec // escaped
	}
	switch v := v.(type) {
	case template.HTML:
		return v
	case string:
		return template.HTML(template.HTMLEscapeString(v)) //nolint:gosec // escaped
	}
	return ""
}

// nameOf returns the text for a word of a workflow, such as a status, or the word itself:
// workflows may have words of their own.
func nameOf(t teller, group, word string) string {
	key := wordKey(group, word)
	if word == "" || !t.Has(key) {
		return word
	}
	return say(t, key)
}

// bold returns a name in bold.
func bold(s string) template.HTML {
	return template.HTML("<b>" + template.HTMLEscapeString(s) + "</b>") //nolint:gosec // escaped
}

// A historian turns entries of a history into what a page shows.
type historian struct {
	teller
	agent  func(id string) string        // the name of an agent
	when   func(time.Time) template.HTML // an instant in words
	ticket func(number string) string    // the address of a ticket
	file   func(sum string) string       // the address of a file
	shown  ticket.Number                 // of the ticket that the page shows
	live   bool                          // the ticket can be split
}

// items returns the pieces of an entry, in the order of the page.
func (h *historian) items(e ticket.Entry) (list []historyItem) {
	ev := &e.Event
	base := historyItem{Seq: ev.Seq, At: ev.At, Who: h.who(ev), Automatic: ev.Automatic}
	if e.Number != h.shown {
		base.Number = string(e.Number)
	}
	anchor := "e" + strconv.FormatInt(ev.Seq, 10)
	if base.Number != "" {
		anchor = base.Number + "-" + anchor
	}
	letters := h.letters(e.Deliveries)
	erased := ev.Seals.PublicContent.Erased()
	if ev.Message != "" || len(ev.Attachments) > 0 || erased && ev.Seq == 1 || erased && (ev.Answer || ev.By.Role&ticket.RoleCustomer != 0) {
		it := base
		it.Kind, it.Anchor, it.Erased = "desk", anchor, erased
		if ev.By.Role&ticket.RoleCustomer != 0 || !ev.Author.IsZero() || ev.Action == ticket.ActionOpen {
			it.Kind = "customer"
			it.Split = h.live && ev.Message != "" && base.Number == ""
			if !ev.Author.IsZero() {
				it.Who = personName(h, ev.Author)
			} else if ev.Action == ticket.ActionOpen && ev.By.Role&ticket.RoleCustomer == 0 {
				it.Who = personName(h, ev.Requester)
			}
		}
		it.Text, it.Files = string(ev.Message), h.files(ev.Attachments)
		it.Via = nameOf(h, "channel.", string(ev.Channel))
		it.Solution = ev.Action == ticket.ActionResolve
		it.Letters, letters = letters, nil
		it.Sent, it.Trouble = h.sent(it.Letters)
		list = append(list, it)
	}
	if ev.Feedback != "" || ev.Set.Score > 0 {
		it := base
		it.Kind, it.Anchor, it.Text = "customer", anchor+"r", string(ev.Feedback)
		it.Via = say(h, "history.rated", "score", ev.Set.Score)
		list = append(list, it)
	}
	if noted := ev.Seals.InternalContent.Erased(); ev.Note != "" || len(ev.NoteAttachments) > 0 || noted {
		it := base
		it.Kind, it.Anchor, it.Erased, it.Text, it.Files = "note", anchor+"n", noted, string(ev.Note), h.files(ev.NoteAttachments)
		list = append(list, it)
	}
	if line, any := h.line(ev); any || len(list) == 0 {
		it := base
		it.Kind, it.Anchor, it.Line = "event", anchor+"l", line
		it.Letters = letters
		it.Sent, it.Trouble = h.sent(it.Letters)
		list = append(list, it)
	}
	if letters != nil && list[len(list)-1].Letters == nil { // of a note alone
		last := &list[len(list)-1]
		last.Letters = letters
		last.Sent, last.Trouble = h.sent(letters)
	}
	return list
}

// who names the actor of an event.
func (h *historian) who(e *ticket.Event) string {
	switch {
	case e.By.Role&ticket.RoleCustomer != 0:
		return personName(h, e.Actor)
	case e.Actor.Name != "":
		return e.Actor.Name
	case e.By.Role == ticket.RoleSystem && (e.By.ID == "desk" || e.By.ID == ""):
		return say(h, "history.desk")
	}
	return h.agent(e.By.ID)
}

// personName names a customer.
func personName(t teller, p ticket.Person) string {
	for _, s := range []string{p.Name, p.Email, p.Phone, p.ID} {
		if s != "" {
			return s
		}
	}
	return say(t, "history.somebody")
}

// line says what an event did besides words. It returns false if it did nothing more.
func (h *historian) line(e *ticket.Event) (template.HTML, bool) {
	if e.Action == ticket.ActionOpen && e.By.Role&ticket.RoleCustomer != 0 && len(e.Set.AddLinks) == 0 {
		return "", false // the card says it
	}
	parts := h.changes(e)
	// Words alone have their card and need no line.
	plain := e.Action == ticket.ActionReply || e.Action == ticket.ActionNote || e.Action == ticket.ActionRate
	if plain && len(parts) == 0 {
		return "", false
	}
	key := wordKey("did.", string(e.Action))
	if e.Action == ticket.ActionClock && e.Set.Alert != nil {
		key = "did.alert"
		if e.Set.Alert.Threshold == "due" {
			key = "did.breach"
		}
		line := sayHTML(h, key, "metric", nameOf(h, "metric.", e.Set.Alert.Metric))
		return join(line, parts), true
	}
	if !h.Has(key) {
		return join(sayHTML(h, "did.other", "who", bold(h.who(e)), "action", string(e.Action)), parts), true
	}
	return join(sayHTML(h, key, "who", bold(h.who(e))), parts), true
}

func join(line template.HTML, parts []template.HTML) template.HTML {
	for _, p := range parts {
		line += ", " + p
	}
	return line
}

// changes lists what an event changed.
func (h *historian) changes(e *ticket.Event) (parts []template.HTML) {
	add := func(key string, values ...any) { parts = append(parts, sayHTML(h, key, values...)) }
	set := &e.Set
	if e.From.Level != 0 && e.To.Level != e.From.Level {
		add("changed.level", "level", e.To.Level)
	}
	if q := set.Queue; q != nil {
		if *q == "" {
			add("changed.no_queue")
		} else {
			add("changed.queue", "queue", *q)
		}
	}
	if e.Action == ticket.ActionAmend && e.From.Status != e.To.Status {
		add("changed.status", "status", nameOf(h, "status.", string(e.To.Status)))
	}
	if e.Action == ticket.ActionOpen && e.To.Level > 1 {
		add("changed.level", "level", e.To.Level)
	}
	if a := set.Assignee; a != nil && *a != "" && (e.By.Role != ticket.RoleAgent || *a != e.By.ID) {
		add("changed.assignee", "agent", h.agent(*a))
	}
	if s := set.Reason; s != nil && *s != "" {
		add("changed.reason", "reason", *s)
	}
	if s := set.Resolution; s != nil && *s != "" {
		add("changed.resolution", "resolution", *s)
	}
	if t := set.Timer; t != nil && !t.IsZero() && e.To.Status == ticket.StatusOnHold {
		add("changed.until", "time", h.when(t.At))
	}
	if e.Seq > 1 {
		if e.Subject != "" {
			add("changed.subject", "subject", e.Subject)
		}
		for _, g := range []struct {
			key string
			to  ticket.Grade
		}{{"priority", set.Priority}, {"impact", set.Impact}, {"urgency", set.Urgency}} {
			if g.to != 0 {
				add("changed."+g.key, "grade", nameOf(h, "grade.", g.to.String()))
			}
		}
		if !e.Requester.IsZero() {
			add("changed.requester", "person", personName(h, e.Requester))
		}
		for _, k := range fieldNames(e.Fields) {
			if v := e.Fields[k]; v == nil {
				add("changed.no_field", "field", k)
			} else {
				add("changed.field", "field", k, "value", h.fieldText(v))
			}
		}
		for _, p := range e.Followed {
			add("changed.followed", "person", personName(h, p))
		}
	}
	for _, p := range e.Unfollowed {
		add("changed.unfollowed", "person", personName(h, p))
	}
	if len(set.AddTags) > 0 && e.Seq > 1 {
		add("changed.tags", "tags", strings.Join(set.AddTags, ", "))
	}
	if len(set.RemoveTags) > 0 {
		add("changed.no_tags", "tags", strings.Join(set.RemoveTags, ", "))
	}
	for _, l := range set.AddLinks {
		add("changed.link", "relation", nameOf(h, "relation.", string(l.Relation)), "ticket", h.link(l.Number))
	}
	for _, l := range set.RemoveLinks {
		add("changed.no_link", "relation", nameOf(h, "relation.", string(l.Relation)), "ticket", h.link(l.Number))
	}
	if t := set.Snoozed; t != nil {
		if t.IsZero() {
			add("changed.no_snooze")
		} else {
			add("changed.snooze", "time", h.when(*t))
		}
	}
	if b := set.LegalHold; b != nil {
		if *b {
			add("changed.hold")
		} else {
			add("changed.no_hold")
		}
	}
	if s := set.Stage; s != nil {
		add("changed.stage", "stage", nameOf(h, "stage.", cmp.Or(string(*s), "active")))
	}
	if set.FeedbackAsked {
		add("changed.feedback")
	}
	return parts
}

// link returns a link to another ticket.
func (h *historian) link(n ticket.Number) template.HTML {
	return template.HTML(`<a class="number" href="` + template.HTMLEscapeString(h.ticket(string(n))) + `">` + //nolint:gosec // escaped
		template.HTMLEscapeString(string(n)) + "</a>")
}

// fieldNames returns the names of fields, sorted.
func fieldNames(f ticket.Fields) []string {
	names := make([]string, 0, len(f))
	for k := range f {
		names = append(names, k)
	}
	slices.Sort(names)
	return names
}

// fieldText returns the value of a custom field as a person writes it.
func (h *historian) fieldText(v any) any {
	if t, ok := v.(time.Time); ok {
		return h.when(t)
	}
	return fieldString(v)
}

// fieldString returns the value of a custom field as a form has it.
func fieldString(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	case time.Time:
		return v.UTC().Format(time.RFC3339)
	case []string:
		return strings.Join(v, ", ")
	}
	return ""
}

// files lists attachments.
func (h *historian) files(list []ticket.Attachment) []fileItem {
	items := make([]fileItem, len(list))
	for i, a := range list {
		items[i] = fileItem{Name: a.Name, Size: a.Size}
		if a.Ref == "" && a.SHA256 != (ticket.Digest{}) {
			items[i].Sum = a.SHA256.String()
			items[i].Link = h.file(items[i].Sum)
		}
	}
	return items
}

// letters says what was sent because of an event. Event notifiers are not people.
func (h *historian) letters(rows []ticket.Delivery) (list []letterItem) {
	for i := range rows {
		d := &rows[i]
		if d.Kind == ticket.KindEvent {
			continue
		}
		l := letterItem{Customer: d.To.Role&ticket.RoleCustomer != 0, What: nameOf(h, "kind.", string(d.Kind)), Error: d.LastError, At: d.Settled}
		switch p := d.To.Person; {
		case l.Customer:
			l.To = personName(h, p)
		case p.IsZero():
			l.To = say(h, "letter.queue", "queue", cmp.Or(d.To.Queue, say(h, "queue.none")), "level", d.To.Level)
		default:
			l.To = cmp.Or(p.Name, h.agent(p.ID))
		}
		l.State = nameOf(h, "letter.", string(d.State))
		switch d.State {
		case ticket.DeliverySent:
			l.Class = "ok"
		case ticket.DeliveryDead, ticket.DeliveryBounced, ticket.DeliveryUndelivered:
			l.Class = "bad"
		default:
			l.Class, l.At = "warn", d.Due
			if d.State == ticket.DeliverySuppressed {
				l.At = d.Settled
			}
		}
		list = append(list, l)
	}
	return list
}

// sent says in a few words what became of the letters of an event to customers, or to all if
// none was to a customer.
func (h *historian) sent(list []letterItem) (words string, trouble bool) {
	var of []letterItem
	for _, l := range list {
		if l.Customer {
			of = append(of, l)
			trouble = trouble || l.Class == "bad"
		}
	}
	if len(of) == 0 {
		return "", false
	}
	worst := slices.MaxFunc(of, func(a, b letterItem) int { return severity(a.Class) - severity(b.Class) })
	words = say(h, "letter.to", "person", worst.To, "state", worst.State)
	if len(of) > 1 {
		words = say(h, "letter.to_more", "person", worst.To, "state", worst.State, "n", len(of)-1)
	}
	return words, trouble
}

func severity(class string) int { return slices.Index([]string{"ok", "warn", "bad"}, class) }
