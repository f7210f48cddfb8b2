package web

import (
	"net/url"
	"slices"
	"strings"

	"github.com/ticketkit/ticket"
)

// consoleFrame is the data of the frame around each page of the console.
type consoleFrame struct {
	Here   string // the page of the side bar that is shown
	Views  []navItem
	Queues []navItem
	Desk   []navItem // pages about the desk
	Who    string
	Levels string
	Search string // the words that were searched for
	Key    string // for the form of the next ticket
	Events string // the address of the changes, for the script; empty if there are none
}

// A navItem is a link of the side bar.
type navItem struct {
	Name, Link string
	N          string // how many there are; empty if that is not known
	Bad        bool
	Current    bool
}

// deskPages are the pages of the side bar that are no queues, by their path and text.
var deskPages = [][2]string{{"reports", "nav.reports"}, {"deliveries", "nav.deliveries"}, {"mails", "nav.mails"}, {"workflow", "nav.workflow"}, {"policies", "nav.policies"}}

// frame returns the data of the frame. It never waits long for the counts.
func (c *Console) frame(p *page) (any, error) {
	f := consoleFrame{Here: p.rest, Who: c.whoIs(p.actor), Levels: levelList(p.actor.Levels), Key: newKey()}
	var n *tally
	if !p.example {
		n = c.counts.of(p)
	}
	if n == nil {
		n = &tally{}
	}
	here, onQueue := queueURL{}, false
	if p.rest == "tickets" {
		here, onQueue = parseQueue(p.r.URL.Query())
	}
	if p.rest == "search" {
		f.Search = p.query("q")
	}
	for _, view := range queueViews {
		if view == viewAll {
			continue
		}
		u := queueURL{View: view, Order: defaultOrder(view), Size: queueSizes[0]}
		f.Views = append(f.Views, navItem{
			Name: p.T0("view." + view), Link: u.link(p), N: n.views[view], Bad: view == viewOverdue,
			Current: onQueue && here.View == view && len(here.Queues) == 0 && !here.NoQueue,
		})
	}
	for _, q := range c.queues(p.actor, n) {
		u := queueURL{View: viewOpen, Queues: []string{q}, Order: defaultOrder(viewOpen), Size: queueSizes[0]}
		name := q
		if q == "" {
			u.Queues, u.NoQueue, name = nil, true, p.T0("queue.none")
		}
		f.Queues = append(f.Queues, navItem{Name: name, Link: u.link(p), N: n.queues[q], Current: onQueue && slices.Equal(here.Queues, u.Queues) && here.NoQueue == u.NoQueue})
	}
	if c.site.routed("events") {
		f.Events = p.link("events")
		if n := p.arg("number"); n != "" {
			f.Events += "?" + url.Values{"ticket": {n}}.Encode()
		}
	}
	for _, d := range deskPages {
		if c.site.routed(d[0]) && (d[0] != "reports" || c.figures.cfg.may(p.actor)) {
			current := p.rest == d[0] || strings.HasPrefix(p.rest, d[0]+"/")
			f.Desk = append(f.Desk, navItem{Name: p.T0(d[1]), Link: p.link(d[0]), Current: current})
		}
	}
	return f, nil
}

// routed reports whether there is a page at a path.
func (s *site) routed(path string) bool {
	return slices.ContainsFunc(s.routes, func(r route) bool { return len(r.segments) == 1 && r.segments[0] == path })
}

// queues lists the queues to show to an agent: those with open tickets, and those of the
// configuration, as far as the agent serves them. No queue is the last.
func (c *Console) queues(a ticket.Actor, n *tally) []string {
	var list []string
	for q := range n.queues {
		if q != "" {
			list = append(list, q)
		}
	}
	for _, q := range c.cfg.Queues {
		if !slices.Contains(list, q) && a.ServesQueue(q) {
			list = append(list, q)
		}
	}
	slices.Sort(list)
	if n.queues[""] != "" {
		list = append(list, "")
	}
	return list
}

// whoIs names an agent.
func (c *Console) whoIs(a ticket.Actor) string {
	if a.Person.Name != "" {
		return a.Person.Name
	}
	return a.Person.ID
}

// did adds the note that an action was done to the query of an address.
func did(action string) url.Values { return url.Values{"did": {action}} }
