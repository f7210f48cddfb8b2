package web

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/ticketkit/ticket"
)

// mergeData is the data of console_merge.html: two tickets side by side.
type mergeData struct {
	From, Into *mergeSide // Into is nil until it is chosen
	Ask        string     // what was typed for the other ticket
	Others     []ticketRow
	Swap       string // the address of the merge the other way
	Back       string
	Key        string
	Why        string // why it is not possible
	Note       string
	Changed    bool // one of them has changed since the page was loaded
}

// A mergeSide is one of the tickets.
type mergeSide struct {
	Row      ticketRow
	Version  int64
	Messages []historyItem // the newest
	N        int           // how many there are
	Facts    []fact
}

// mostCompared is how many messages of each ticket a merge shows.
const mostCompared = 4

// merge shows a ticket and the one that it is to be merged into.
func (c *Console) merge(p *page) error {
	d, err := c.mergePage(p, p.query("from"), p.query("into"))
	if err != nil {
		return err
	}
	return p.render(http.StatusOK, "console_merge.html", d)
}

func (c *Console) mergePage(p *page, from, into string) (*mergeData, error) {
	t, err := c.site.desk.Lookup(p.ctx(), p.actor, from)
	if err != nil {
		return nil, err
	}
	d := &mergeData{Key: newKey(), Back: p.ticketLink(string(t.Number)), Ask: strings.TrimSpace(into)}
	if d.From, err = c.side(p, &t); err != nil {
		return nil, err
	}
	for _, ch := range c.site.desk.Actions(p.actor, t) {
		if ch.Action == ticket.ActionMerge && !ch.Allowed {
			d.Why, _ = refusal(p, ch)
		}
	}
	if d.Ask != "" {
		o, err := c.site.desk.Find(p.ctx(), p.actor, d.Ask) // the ticket that a merged one goes on as
		switch {
		case errors.Is(err, ticket.ErrNotFound), errors.Is(err, ticket.ErrMistyped):
			d.Why = p.T0("problem.ticket")
		case err != nil:
			return nil, err
		case o.ID == t.ID:
			d.Why = p.T0("merge.same")
		default:
			if d.Into, err = c.side(p, &o); err != nil {
				return nil, err
			}
			d.Swap = p.link("merge") + "?" + url.Values{"from": {string(o.Number)}, "into": {string(t.Number)}}.Encode()
			return d, nil
		}
	}
	if t.Requester.IsZero() {
		return d, nil
	}
	list, err := c.site.desk.List(p.ctx(), p.actor, ticket.Query{
		Requester: t.Requester, Order: ticket.OrderNewestFirst, NotMerged: true, Phase: ticket.OpenPhases(), Limit: 10,
	})
	if err != nil {
		return nil, err
	}
	for i := range list.Tickets {
		if o := &list.Tickets[i]; o.ID != t.ID {
			d.Others = append(d.Others, p.row(o))
		}
	}
	return d, nil
}

// side returns one of two tickets, with its newest messages.
func (c *Console) side(p *page, t *ticket.Ticket) (*mergeSide, error) {
	s := &mergeSide{Row: p.row(t), Version: t.Version}
	h := c.historian(p, t)
	h.live = false
	for e, err := range c.site.desk.History(p.ctx(), p.actor, t.ID) {
		if err != nil {
			return nil, err
		}
		if e.Message == "" && len(e.Attachments) == 0 {
			continue
		}
		for _, it := range h.items(ticket.Entry{Event: e, Number: t.Number}) {
			if it.Kind != "event" && it.Kind != "note" {
				it.Anchor = string(t.Number) + "-" + it.Anchor
				s.Messages = append(s.Messages, it)
				s.N++
			}
		}
		if len(s.Messages) > mostCompared {
			s.Messages = slices.Delete(s.Messages, 0, len(s.Messages)-mostCompared)
		}
	}
	s.Facts = append(s.Facts, fact{p.T0("field.assignee"), cmp.Or(p.agentName(t.Assignee), p.T0("agent.nobody"))})
	if len(t.Tags) > 0 {
		s.Facts = append(s.Facts, fact{p.T0("field.tags"), joinTags(t.Tags)})
	}
	for _, k := range fieldNames(t.Fields) {
		s.Facts = append(s.Facts, fact{p.label("field."+k, k), h.fieldText(t.Fields[k])})
	}
	return s, nil
}

// doMerge merges, if neither ticket has changed.
func (c *Console) doMerge(p *page) error {
	f, err := p.readForm(formOptions{})
	if err != nil {
		return err
	}
	v := url.Values(f.values)
	from, ok := parsePin(v.Get("from"))
	into, ok2 := parsePin(v.Get("into"))
	if !ok || !ok2 {
		return badForm("a merge has no two tickets")
	}
	t, err := c.site.desk.Lookup(p.ctx(), p.actor, from.number)
	if err != nil {
		return err
	}
	o, err := c.site.desk.Lookup(p.ctx(), p.actor, into.number)
	if err != nil {
		return err
	}
	note := ticket.Note(v.Get("note"))
	if strings.TrimSpace(string(note)) == "" {
		note = ""
	}
	err = &ticket.StaleError{Ticket: o.ID, Pinned: into.version, Current: o.Version}
	if o.Version == into.version || t.MergedInto == o.ID {
		_, err = c.site.desk.Do(p.ctx(), p.actor, t.ID, ticket.Action{
			Name: ticket.ActionMerge, Ticket: o.ID, Note: note, Version: from.version, Key: v.Get("key"),
		})
	}
	if err == nil {
		return p.toTicket(string(o.Number), did(string(ticket.ActionMerge)))
	}
	refused, isRefused := errors.AsType[*ticket.RefusedError](err)
	changed := errors.Is(err, ticket.ErrStale) || errors.Is(err, ticket.ErrConflict) || errors.Is(err, ticket.ErrDuplicate)
	invalid, isInvalid := errors.AsType[*ticket.InvalidError](err)
	if !isRefused && !changed && !isInvalid {
		return err
	}
	d, err := c.mergePage(p, from.number, into.number)
	if err != nil {
		return err
	}
	d.Note = string(note)
	switch {
	case isRefused:
		d.Why, _ = refusal(p, ticket.Choice{Err: refused, Reason: detail(refused)})
		if refused.Why == "guard" {
			d.Why = say(p, "problem.refused", "why", detail(refused))
		}
	case isInvalid:
		d.Why = say(p, "problem.invalid", "why", invalid.Reason)
	default:
		d.Changed = true
	}
	return p.render(http.StatusConflict, "console_merge.html", d)
}
