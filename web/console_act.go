package web

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/ticketkit/ticket"
)

// act does an action on a ticket, and shows the ticket again if it was not possible: with the
// words and files of the form, and with what changed since it was loaded.
func (c *Console) act(p *page) error {
	t, err := c.find(p)
	if err != nil {
		return err
	}
	up, err := c.readUpload(p)
	if err != nil {
		return err
	}
	name := ticket.ActionName(up.values.Get("action"))
	choices := c.site.desk.Actions(p.actor, t)
	i := slices.IndexFunc(choices, func(ch ticket.Choice) bool { return ch.Action == name })
	if i < 0 || name == ticket.ActionOpen {
		return ticket.ErrNotFound
	}
	ch := choices[i]
	if !ch.Allowed { // the form may be older: take what it has, and let the desk say why
		ch.Takes, ch.Needs = everyInput, ticket.Inputs{}
	}
	act, wrong := actionOf(p, ch, up.values, t, p.zone)
	files, internal := up.attachments()
	if slices.Contains(inputNames(ch.Takes), "files") {
		act.Attachments = files
	}
	if act.NoteAttachments = internal; act.Message == "" && len(wrong) > 0 && ch.Needs.Words && !ch.Needs.Message && len(files) > 0 {
		wrong = slices.DeleteFunc(wrong, func(pr problem) bool { return pr.Field == "message" })
	}
	if ref := cmp.Or(strings.TrimSpace(up.values.Get("ticket")), up.values.Get("pick")); ch.Takes.Ticket && ref != "" {
		o, err := c.site.desk.Lookup(p.ctx(), p.actor, ref)
		if act.Ticket = o.ID; err != nil {
			wrong = append(wrong, problem{"ticket", p.T0("problem.ticket")})
		}
	} else if ch.Needs.Ticket {
		wrong = append(wrong, problem{"ticket", p.T0("problem.missing")})
	}
	if s := strings.TrimSpace(up.values.Get("solved_by")); s != "" && ch.Takes.SolvedBy {
		o, err := c.site.desk.Lookup(p.ctx(), p.actor, s)
		if act.SolvedBy, act.Suggested = o.ID, up.values.Get("suggested") != ""; err != nil {
			wrong = append(wrong, problem{"solved_by", p.T0("problem.ticket")})
		}
	}
	wrong = append(wrong, up.wrong...)
	if up.lost {
		wrong = append(wrong, problem{"files", p.T0("problem.lost")})
	}
	if len(wrong) > 0 {
		return c.again(p, &t, up, ch, up.status(), wrong, nil)
	}
	after, err := c.site.desk.Do(p.ctx(), p.actor, t.ID, act)
	if err == nil {
		number := string(after.Number)
		if name == ticket.ActionLink || name == ticket.ActionUnlink {
			number = string(t.Number)
		}
		c.eyes.left(p.actor, t.ID)
		return p.toTicket(number, did(string(name)))
	}
	if name == ticket.ActionEdit && isField(err, "action.edit") {
		return p.toTicket(string(t.Number), nil) // nothing was changed
	}
	return c.failed(p, &t, up, ch, err)
}

// everyInput takes everything.
var everyInput = ticket.Inputs{
	Message: true, Words: true, Note: true, Reason: true, Queue: true, Assignee: true, Attachments: true, NoteAttachments: true,
	Level: true, Status: true, Until: true, Ticket: true, Relation: true, Draft: true, Edit: true, Known: true, SolvedBy: true,
}

// failed shows a form again whose action the desk refused.
func (c *Console) failed(p *page, t *ticket.Ticket, up *agentForm, ch ticket.Choice, err error) error {
	var wrong []problem
	status := http.StatusConflict
	stale, isStale := errors.AsType[*ticket.StaleError](err)
	invalid, isInvalid := errors.AsType[*ticket.InvalidError](err)
	refused, isRefused := errors.AsType[*ticket.RefusedError](err)
	switch {
	case isStale:
	case errors.Is(err, ticket.ErrNotFound):
		return err
	case isInvalid:
		status = http.StatusUnprocessableEntity
		wrong = []problem{{fieldOf(invalid.Field), say(p, "problem.invalid", "why", invalid.Reason)}}
	case isRefused:
		why, _ := refusal(p, ticket.Choice{Action: ch.Action, Err: refused, Reason: detail(refused)})
		wrong = []problem{{"", say(p, "problem.refused", "why", why)}}
	case errors.Is(err, ticket.ErrDuplicate):
		wrong = []problem{{"", p.T0("problem.repeated")}}
	case errors.Is(err, ticket.ErrConflict):
		wrong = []problem{{"", p.T0("problem.conflict")}}
	default: // perhaps the store can still be read
		if c.again(p, t, up, ch, http.StatusServiceUnavailable, []problem{{"", p.T0("problem.unavailable")}}, nil) != nil {
			return err
		}
		p.s.log(p.ctx(), "web: saving a form", err)
		return nil
	}
	return c.again(p, t, up, ch, status, wrong, stale)
}

// again shows a ticket with a form as it was sent.
func (c *Console) again(p *page, t *ticket.Ticket, up *agentForm, ch ticket.Choice, status int, wrong []problem, stale *ticket.StaleError) error {
	now, err := c.site.desk.Get(p.ctx(), p.actor, t.ID) // it may have changed since it was read
	if err != nil {
		return err
	}
	d, err := c.ticketPage(p, &now)
	if err != nil {
		return err
	}
	for _, k := range c.site.desk.Actions(p.actor, now) {
		if k.Action == ch.Action && k.Allowed {
			ch = k
		} else if k.Action == ch.Action && ch.Takes == everyInput {
			ch.Takes, ch.Needs = filledIn(up), ticket.Inputs{} // no longer possible: keep what was written
		}
	}
	f := c.formOf(p, &now, ch, up.values, d)
	f.keep(c, p, up)
	if status == http.StatusServiceUnavailable { // it may have been saved: then it is not saved again
		f.Key = cmp.Or(up.values.Get("key"), f.Key)
	}
	if d.Composer = f; stale != nil {
		f.Stale = true
		h := c.historian(p, &now)
		for _, e := range stale.Since {
			f.Since = append(f.Since, h.items(ticket.Entry{Event: e, Number: now.Number})...)
		}
	}
	for i := range f.Since {
		f.Since[i].Anchor, f.Since[i].Split = "since-"+f.Since[i].Anchor, false
	}
	d.mark(f.Action)
	f.explain(wrong)
	return p.render(status, "console_ticket.html", d)
}

// filledIn returns the words of a form, as inputs.
func filledIn(up *agentForm) ticket.Inputs {
	v := up.values
	files, internal := up.attachments()
	return ticket.Inputs{
		Message: v.Get("message") != "", Attachments: len(files) > 0, Note: v.Get("note") != "", NoteAttachments: len(internal) > 0,
		Reason: v.Get("reason") != "", Queue: v.Get("queue") != "", Assignee: v.Get("assignee") != "", Until: v.Get("until") != "",
	}
}

// detail returns the reason of a refusal.
func detail(r *ticket.RefusedError) string {
	if r.Err != nil {
		return r.Detail + ": " + r.Err.Error()
	}
	return r.Detail
}

// isField reports whether an error is about a field.
func isField(err error, field string) bool {
	e, ok := errors.AsType[*ticket.InvalidError](err)
	return ok && e.Field == field
}

// fieldOf returns the name of a form's field for that of an action.
func fieldOf(path string) string {
	path = strings.TrimPrefix(path, "action.")
	for _, cut := range []string{"edit.", "draft.", "known."} {
		path = strings.TrimPrefix(path, cut)
	}
	name, _, _ := strings.Cut(path, "[")
	name, _, _ = strings.Cut(name, ".")
	switch name {
	case "attachments":
		return "files"
	case "note_attachments":
		return "note_files"
	case "add_tags", "remove_tags":
		return "tags"
	case "from":
		return "from"
	}
	return name
}
