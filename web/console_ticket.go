package web

import (
	"context"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/ticketkit/ticket"
)

// agentTicket is the data of console_ticket.html.
type agentTicket struct {
	Number, Subject     string
	Status, StatusClass string
	Level               int
	Queue, Assignee     string
	Mine                bool
	Grade, GradeName    string
	Version             int64
	Here                string // the address of the page
	ID                  string
	Did                 string   // what was just done
	Looking             []string // who else looks at the ticket now
	Into                string   // the number of the ticket that it was merged into
	IntoLink            string
	Snoozed             time.Time
	Hold                bool // a legal hold
	Erased              time.Time

	Items  []historyItem
	Hidden int    // pieces of the history that are not shown
	All    string // the address that shows them

	Composer *composer
	Tabs     []button
	Buttons  []button
	Refused  int    // actions
	Reasons  []fact // why: the reason, and the actions that it refuses
	Key      string // of the forms with one button

	Policy   string
	Clocks   []clockItem
	Customer customerItem
	Others   []ticketRow // of the same customer
	More     string      // the address of all of them
	Similar  []similarItem
	Links    []linkedItem
	CanLink  bool
	Facts    []fact
}

// customerItem is the requester of a ticket.
type customerItem struct {
	Name, Email, Phone, Org, Local, Locale string
	Followers                              []string
}

// A similarItem is a solved ticket that may help.
type similarItem struct {
	Number, Link, Subject string
	Solution, Shares      string
	Known                 bool
}

// A linkedItem is another ticket that this one is linked with.
type linkedItem struct {
	Relation, Name, Number, Link string
	Merged                       bool
}

// A fact is a line of how the ticket is filed.
type fact struct {
	Name  string
	Value any // text or HTML
}

// mostItems is how many pieces of a history a page shows at first, besides the first one.
const mostItems = 100

// helpTime bounds the search for similar tickets, without which a page is complete too.
const helpTime = 150 * time.Millisecond

// find returns the ticket that a path names: exactly that one, merged or not.
func (c *Console) find(p *page) (ticket.Ticket, error) {
	return c.site.desk.Lookup(p.ctx(), p.actor, p.arg("number"))
}

// ticket shows a ticket.
func (c *Console) ticket(p *page) error {
	t, err := c.find(p)
	if err != nil {
		return err
	}
	d, err := c.ticketPage(p, &t)
	if err != nil {
		return err
	}
	c.compose(p, &t, d, p.query("do"), p.r.URL.Query())
	return p.render(http.StatusOK, "console_ticket.html", d)
}

// historian returns what turns the history of a ticket into a page.
func (c *Console) historian(p *page, t *ticket.Ticket) *historian {
	here := p.ticketLink(string(t.Number))
	return &historian{
		teller: p, agent: p.agentName, when: p.When, ticket: p.ticketLink, file: func(sum string) string { return here + "/files/" + sum },
		shown: t.Number, live: !t.Phase.Done() && t.MergedInto.IsZero(),
	}
}

// ticketPage returns the page of a ticket, without the form.
func (c *Console) ticketPage(p *page, t *ticket.Ticket) (*agentTicket, error) {
	number := string(t.Number)
	d := &agentTicket{
		Number: number, Subject: p.subject(t), Status: nameOf(p, "status.", string(t.Status)), StatusClass: statusClass(t),
		Level: t.Level, Queue: t.Queue, Assignee: p.agentName(t.Assignee), Mine: t.Assignee != "" && t.Assignee == p.actor.Person.ID,
		Grade: t.Priority.String(), GradeName: nameOf(p, "grade.", t.Priority.String()), Version: t.Version,
		Here: p.ticketLink(number), ID: t.ID.String(), Snoozed: t.Snoozed, Hold: t.LegalHold, Erased: t.Erased, Key: newKey(),
	}
	if act := p.query("did"); act != "" && p.Has("button."+strings.ReplaceAll(act, " ", "_")) {
		d.Did = actionName(p, ticket.ActionName(act))
	}
	h := c.historian(p, t)
	all := p.query("all") != ""
	var first []historyItem
	for e, err := range c.site.desk.Entries(p.ctx(), p.actor, t.ID) {
		if err != nil {
			return nil, err
		}
		d.Items = append(d.Items, h.items(e)...)
		if over := len(d.Items) - 2*mostItems; !all && over > 0 {
			if first == nil {
				first, d.Items = slices.Clone(d.Items[:1]), d.Items[1:]
			}
			d.Hidden += over
			d.Items = slices.Delete(d.Items, 0, over)
		}
	}
	if first != nil {
		if over := len(d.Items) - mostItems; over > 0 {
			d.Hidden += over
			d.Items = slices.Delete(d.Items, 0, over)
		}
		d.Items = append(first, d.Items...)
		d.All = d.Here + "?all=1"
	}
	var refused []button
	d.Tabs, d.Buttons, refused = buttons(p, t, d.Mine, c.site.desk.Actions(p.actor, *t), func(action string) string {
		if action == string(ticket.ActionMerge) {
			return p.link("merge") + "?" + url.Values{"from": {number}}.Encode()
		}
		return d.Here + "?" + url.Values{"do": {action}}.Encode() + "#act"
	})
	if !slices.ContainsFunc(d.Buttons, func(b button) bool { return b.Action == string(ticket.ActionSplit) }) {
		for i := range d.Items {
			d.Items[i].Split = false
		}
	}
	d.Refused, d.Reasons = len(refused), reasons(refused)
	if err := c.aside(p, t, d); err != nil {
		return nil, err
	}
	d.Looking = c.eyes.seen(p.actor, t.ID, c.whoIs(p.actor), p.now)
	return d, nil
}

// aside adds what stands beside the history.
func (c *Console) aside(p *page, t *ticket.Ticket, d *agentTicket) error {
	d.Policy = t.Policy
	d.Clocks = p.clocks(t, func(metric string) string { return d.Here + "/clocks/" + url.PathEscape(metric) })
	r := t.Requester
	d.Customer = customerItem{
		Name: customerName(p, r), Email: r.Email, Phone: r.Phone, Org: r.Organisation, Local: localTime(r, p.now), Locale: r.Locale,
	}
	for _, f := range t.Followers {
		d.Customer.Followers = append(d.Customer.Followers, personName(p, f))
	}
	if !r.IsZero() {
		list, err := c.site.desk.List(p.ctx(), p.actor, ticket.Query{Requester: r, Order: ticket.OrderNewestFirst, NotMerged: true, Limit: 6})
		if err != nil {
			return err
		}
		for i := range list.Tickets {
			if o := &list.Tickets[i]; o.ID != t.ID && len(d.Others) < 5 {
				d.Others = append(d.Others, p.row(o))
			}
		}
		if list.Next != "" {
			u := queueURL{View: viewAll, Of: d.Number, Order: defaultOrder(viewAll), Size: queueSizes[0]}
			d.More = u.link(p)
		}
	}
	for _, l := range t.Links {
		d.Links = append(d.Links, linkedItem{
			Relation: string(l.Relation), Name: nameOf(p, "relation.", string(l.Relation)), Number: string(l.Number), Link: p.ticketLink(string(l.Number)),
			Merged: l.Relation == ticket.RelationDuplicateOf && l.Ticket == t.MergedInto,
		})
		if l.Relation == ticket.RelationDuplicateOf && l.Ticket == t.MergedInto {
			d.Into, d.IntoLink = string(l.Number), p.ticketLink(string(l.Number))
		}
	}
	d.CanLink = slices.ContainsFunc(c.site.desk.Actions(p.actor, *t), func(ch ticket.Choice) bool { return ch.Action == ticket.ActionUnlink && ch.Allowed })
	c.similar(p, t, d)
	c.facts(p, t, d)
	return nil
}

// similar adds solved tickets that may help. A page without them is complete, so an error
// leaves them out.
func (c *Console) similar(p *page, t *ticket.Ticket, d *agentTicket) {
	if t.Phase.Done() {
		return
	}
	ctx, cancel := context.WithTimeout(p.ctx(), helpTime)
	defer cancel()
	list, err := c.site.desk.Similar(ctx, p.actor, t.ID, 3)
	if err != nil {
		if !errors.Is(err, errors.ErrUnsupported) && ctx.Err() == nil {
			p.s.log(ctx, "web: there are no similar tickets", err)
		}
		return
	}
	for i := range list {
		s := &list[i]
		d.Similar = append(d.Similar, similarItem{
			Number: string(s.Ticket.Number), Link: p.ticketLink(string(s.Ticket.Number)), Subject: p.subject(&s.Ticket),
			Solution: shorten(string(s.Solution), 240), Shares: strings.Join(s.Words[:min(len(s.Words), 5)], ", "), Known: !s.Known.IsZero(),
		})
	}
}

// facts adds how the ticket is filed.
func (c *Console) facts(p *page, t *ticket.Ticket, d *agentTicket) {
	add := func(key string, value any) {
		if s, isText := value.(string); !isText || s != "" {
			d.Facts = append(d.Facts, fact{p.T0(key), value})
		}
	}
	when := func(key string, at time.Time) {
		if !at.IsZero() {
			add(key, p.When(at))
		}
	}
	add("field.priority", d.GradeName)
	add("field.impact", nameOf(p, "grade.", t.Impact.String()))
	add("field.urgency", nameOf(p, "grade.", t.Urgency.String()))
	if t.Assignee == "" {
		add("field.assignee", p.T0("agent.nobody"))
	} else {
		add("field.assignee", d.Assignee)
	}
	add("field.reason", t.Reason)
	add("field.resolution", t.Resolution)
	add("field.tags", joinTags(t.Tags))
	h := c.historian(p, t)
	for _, k := range fieldNames(t.Fields) {
		d.Facts = append(d.Facts, fact{p.label("field."+k, k), h.fieldText(t.Fields[k])})
	}
	when("fact.opened", t.Created)
	when("fact.answered", t.FirstAnswered)
	when("fact.resolved", t.Resolved)
	when("fact.closed", t.Closed)
	if !t.Timer.IsZero() {
		add("fact.timer", sayHTML(p, "fact.timer_text", "action", actionName(p, t.Timer.Action), "time", p.When(t.Timer.At)))
	}
	if t.Score > 0 {
		add("fact.score", say(p, "fact.score_text", "score", t.Score))
	}
	if !t.Known.IsZero() {
		add("fact.known", t.Known.Title)
	}
	if t.Stage != ticket.StageActive {
		add("fact.stage", nameOf(p, "stage.", string(t.Stage)))
	}
	add("fact.workflow", template.HTML(template.HTMLEscapeString(t.Workflow))) //nolint:gosec // escaped
}

// compose adds the form of an action: the one that was asked for, or the first tab. If it is
// refused, the page says so.
func (c *Console) compose(p *page, t *ticket.Ticket, d *agentTicket, name string, v url.Values) {
	choices := c.site.desk.Actions(p.actor, *t)
	choice := func(a ticket.ActionName) (ticket.Choice, bool) {
		i := slices.IndexFunc(choices, func(ch ticket.Choice) bool { return ch.Action == a })
		if i < 0 {
			return ticket.Choice{}, false
		}
		return choices[i], choices[i].Allowed
	}
	ch, ok := choice(ticket.ActionName(name))
	if !ok || slices.Contains(elsewhere, ch.Action) {
		for _, a := range tabs {
			if ch, ok = choice(a); ok {
				break
			}
		}
	}
	if !ok {
		return
	}
	d.Composer = c.formOf(p, t, ch, v, d)
	d.mark(d.Composer.Action)
}

// mark marks the button of the action whose form is on the page.
func (d *agentTicket) mark(action string) {
	for _, list := range [][]button{d.Tabs, d.Buttons} {
		for i := range list {
			list[i].Now = list[i].Action == action
		}
	}
}
