package web

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/ticketkit/ticket"
)

// mostBulk is how many tickets one bulk action has at most: a page of the largest size.
const mostBulk = 200

// A bulkAction is an action that several tickets can have at once.
type bulkAction struct {
	name   string // in forms
	action ticket.ActionName
	fields []string // the inputs of its form
}

var bulkActions = []bulkAction{
	{"take", ticket.ActionTake, nil},
	{"assign", ticket.ActionAssign, []string{"assignee"}},
	{"release", ticket.ActionRelease, nil},
	{"hand over", ticket.ActionHandOver, []string{"queue", "note"}},
	{"escalate", ticket.ActionEscalate, []string{"note"}},
	{"reply", ticket.ActionReply, []string{"message"}},
	{"note", ticket.ActionNote, []string{"note"}},
	{"tag", ticket.ActionEdit, []string{"tags"}},
	{"priority", ticket.ActionEdit, []string{"priority"}},
	{"close", ticket.ActionClose, nil},
	{"cancel", ticket.ActionCancel, []string{"reason"}},
}

// bulkName names a bulk action.
func bulkName(t teller, b bulkAction) string {
	if b.action == ticket.ActionEdit {
		return say(t, "bulk."+b.name)
	}
	return actionName(t, b.action)
}

func bulkOptions(t teller) []option {
	list := make([]option, len(bulkActions))
	for i, b := range bulkActions {
		list[i] = option{Value: b.name, Name: bulkName(t, b)}
	}
	return list
}

// bulkData is the data of console_bulk.html.
type bulkData struct {
	Title, Action string
	Rows          []bulkRow
	Fields        []inputField
	Key           string
	Back          string
	Report        bool // it was done; Rows say what became of it
	Done, Failed  int
	None          bool // no ticket was chosen
	Possible      int
}

// A bulkRow is a ticket of a bulk action.
type bulkRow struct {
	Row    ticketRow
	Pin    string
	Class  string // "ok" or "bad"
	Words  string // what became of it, or why it is not possible
	Number string // of a ticket that is gone
}

// bulk shows the form of a bulk action, or the report of one.
func (c *Console) bulk(p *page) error {
	v := p.r.URL.Query()
	i := slices.IndexFunc(bulkActions, func(b bulkAction) bool { return b.name == v.Get("do") })
	if i < 0 {
		return ticket.ErrNotFound
	}
	b := bulkActions[i]
	if v.Has("r") {
		return c.bulkReport(p, b, v["r"])
	}
	pins, ok := parsePins(v["t"], mostBulk)
	if !ok {
		return ticket.ErrNotFound
	}
	d, err := c.bulkForm(p, b, pins, url.Values{})
	if err != nil {
		return err
	}
	return p.render(http.StatusOK, "console_bulk.html", d)
}

// bulkForm returns the form, with the tickets and whether the action is possible for each.
func (c *Console) bulkForm(p *page, b bulkAction, pins []pin, v url.Values) (*bulkData, error) {
	d := &bulkData{Title: bulkName(p, b), Action: b.name, Key: newKey(), Back: p.link("tickets"), None: len(pins) == 0}
	for _, n := range pins {
		t, err := c.site.desk.Lookup(p.ctx(), p.actor, n.number)
		if errors.Is(err, ticket.ErrNotFound) || errors.Is(err, ticket.ErrMistyped) {
			continue // never there for this agent
		}
		if err != nil {
			return nil, err
		}
		r := bulkRow{Row: p.row(&t), Pin: pinOf(&t)}
		for _, ch := range c.site.desk.Actions(p.actor, t) {
			if ch.Action == b.action && !ch.Allowed {
				r.Class = "bad"
				r.Words, _ = refusal(p, ch)
			}
		}
		if r.Class == "" {
			d.Possible++
		}
		d.Rows = append(d.Rows, r)
	}
	for _, name := range b.fields {
		f := inputField{Name: name, Label: p.T0("field." + name), Value: v.Get(name), Kind: "text", Needed: name != "note" || b.action != ticket.ActionHandOver}
		switch name {
		case "note":
			f.Kind, f.Rows, f.Hint = "note", 4, p.T0("field.note_hint")
		case "message":
			f.Kind, f.Rows, f.Label = "lines", 7, p.T0("bulk.message")
		case "queue":
			f.List = c.queueNames(p)
		case "assignee":
			f.List = p.agentOptions()
		case "priority":
			f.Kind, f.Options = "select", grades(p, func(g ticket.Grade) bool { return g.String() == v.Get(name) })
		case "tags":
			f.Label, f.Hint = p.T0("bulk.tags"), p.T0("field.tags_hint")
		}
		d.Fields = append(d.Fields, f)
	}
	return d, nil
}

// doBulk does an action on several tickets, each for itself, and leads to the report. The
// address of the report says what became of each, so it needs no memory here.
func (c *Console) doBulk(p *page) error {
	f, err := p.readForm(formOptions{})
	if err != nil {
		return err
	}
	v := url.Values(f.values)
	i := slices.IndexFunc(bulkActions, func(b bulkAction) bool { return b.name == v.Get("do") })
	pins, ok := parsePins(v["t"], mostBulk)
	if i < 0 || !ok {
		return badForm("a bulk action has no action, or too many tickets")
	}
	b := bulkActions[i]
	act, wrong := bulkAct(p, b, v)
	if len(wrong) > 0 || len(pins) == 0 {
		d, err := c.bulkForm(p, b, pins, v)
		if err != nil {
			return err
		}
		for i := range d.Fields {
			for _, pr := range wrong {
				if pr.Field == d.Fields[i].Name {
					d.Fields[i].Problem = pr.Text
				}
			}
		}
		return p.render(http.StatusUnprocessableEntity, "console_bulk.html", d)
	}
	report := url.Values{"do": {b.name}}
	var failed []pin
	done := 0
	for _, n := range pins {
		if p.ctx().Err() != nil {
			return p.ctx().Err()
		}
		became := c.bulkOne(p.ctx(), p.actor, n, act, v.Get("key"))
		switch became {
		case "done":
			done++
		case "failed":
			failed = append(failed, n)
		}
		report.Add("r", n.number+"@"+became)
	}
	if len(failed) == 0 || len(b.fields) == 0 {
		return p.redirect("bulk", report)
	}
	// The report would lose what was written. The key stays, for what was done after all.
	d, err := c.bulkForm(p, b, failed, v)
	if err != nil {
		return err
	}
	d.Key, d.Done, d.Failed = cmp.Or(v.Get("key"), d.Key), done, len(failed)
	return p.render(http.StatusServiceUnavailable, "console_bulk.html", d)
}

// bulkOne does the action on one ticket, and returns one of bulkResults.
func (c *Console) bulkOne(ctx context.Context, a ticket.Actor, n pin, act ticket.Action, key string) string {
	t, err := c.site.desk.Lookup(ctx, a, n.number)
	if err == nil {
		act.Version = n.version
		if key != "" {
			act.Key = key + ":" + t.ID.String()
		}
		_, err = c.site.desk.Do(ctx, a, t.ID, act)
	}
	switch {
	case err == nil:
		return "done"
	case errors.Is(err, ticket.ErrNotFound), errors.Is(err, ticket.ErrMistyped):
		return "gone"
	case errors.Is(err, ticket.ErrStale), errors.Is(err, ticket.ErrConflict):
		return "changed"
	case errors.Is(err, ticket.ErrRefused):
		return "refused"
	case errors.Is(err, ticket.ErrInvalid):
		return "invalid"
	case errors.Is(err, ticket.ErrDuplicate):
		return "repeated"
	}
	c.site.log(ctx, "web: a bulk action failed", err)
	return "failed"
}

// bulkResults are what can become of a ticket in a bulk action.
var bulkResults = []string{"done", "gone", "changed", "refused", "invalid", "repeated", "failed"}

// bulkAct makes the action of a form.
func bulkAct(t teller, b bulkAction, v url.Values) (act ticket.Action, wrong []problem) {
	act.Name = b.action
	for _, name := range b.fields {
		s := strings.TrimSpace(v.Get(name))
		if s == "" && (name != "note" || b.action != ticket.ActionHandOver) {
			wrong = append(wrong, problem{name, say(t, "problem.missing")})
			continue
		}
		switch name {
		case "note":
			if s != "" {
				act.Note = ticket.Note(v.Get(name))
			}
		case "message":
			act.Message = ticket.Message(v.Get(name))
		case "reason":
			act.Reason = s
		case "queue":
			act.Queue = s
		case "assignee":
			act.Assignee = s
		case "tags":
			act.Edit = &ticket.Edits{AddTags: tagsOf(s)}
		case "priority":
			act.Edit = &ticket.Edits{}
			if act.Edit.Priority.UnmarshalText([]byte(s)) != nil {
				wrong = append(wrong, problem{name, say(t, "problem.choice")})
			}
		}
	}
	return act, wrong
}

// bulkReport shows what became of each ticket.
func (c *Console) bulkReport(p *page, b bulkAction, results []string) error {
	d := &bulkData{Title: bulkName(p, b), Action: b.name, Report: true, Back: p.link("tickets")}
	if len(results) > mostBulk {
		return ticket.ErrNotFound
	}
	for _, s := range results {
		i := strings.LastIndexByte(s, '@')
		if i <= 0 || !slices.Contains(bulkResults, s[i+1:]) {
			return ticket.ErrNotFound
		}
		r := bulkRow{Number: s[:i], Class: "bad", Words: p.T0("bulk.result." + s[i+1:])}
		if s[i+1:] == "done" {
			r.Class = "ok"
			d.Done++
		} else {
			d.Failed++
		}
		t, err := c.site.desk.Lookup(p.ctx(), p.actor, s[:i])
		switch {
		case err == nil:
			r.Row = p.row(&t)
			for _, ch := range c.site.desk.Actions(p.actor, t) {
				if s[i+1:] == "refused" && ch.Action == b.action && !ch.Allowed {
					r.Words, _ = refusal(p, ch)
				}
			}
		case !errors.Is(err, ticket.ErrNotFound) && !errors.Is(err, ticket.ErrMistyped):
			return err
		}
		d.Rows = append(d.Rows, r)
	}
	return p.render(http.StatusOK, "console_bulk.html", d)
}
