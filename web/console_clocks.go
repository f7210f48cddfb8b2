package web

import (
	"fmt"
	"html/template"
	"net/http"
	"time"

	"github.com/ticketkit/ticket"
)

// A dueItem says when something of a ticket is due.
type dueItem struct {
	Class  string // "bad", "warn", "muted" or empty
	Words  template.HTML
	Metric string // what is due
}

// due says what of a ticket is due next. It returns the zero dueItem if nothing was promised.
func (p *page) due(t *ticket.Ticket) dueItem {
	var next *ticket.Clock
	var paused *ticket.Clock
	for i := range t.Clocks {
		switch c := &t.Clocks[i]; {
		case c.Ended():
		case c.Due.IsZero():
			paused = c
		case next == nil || c.Due.Before(next.Due):
			next = c
		}
	}
	switch {
	case next != nil:
		d := dueItem{Words: p.Due(next.Due), Metric: nameOf(p, "metric.", next.Metric)}
		switch {
		case p.Late(next.Due):
			d.Class = "bad"
		case p.Soon(next.Due):
			d.Class = "warn"
		}
		return d
	case paused != nil:
		left := p.T0("clock.left", "span", p.span(max(0, paused.Within-paused.Counted)))
		return dueItem{Class: "muted", Words: template.HTML(template.HTMLEscapeString(p.T0("clock.paused"))), Metric: left} //nolint:gosec // escaped
	}
	return dueItem{}
}

// T0 returns a text without HTML.
func (p *page) T0(key string, values ...any) string { return say(p, key, values...) }

// A clockItem is one promise of a ticket.
type clockItem struct {
	Metric, Name string
	Class        string        // "ok", "warn", "bad" or empty
	Words        template.HTML // how it stands
	Filled       int           // percent of the bar
	Within       string        // the promise
	Why          string        // the address of the explanation
	Earlier      int           // promises of this metric that were missed before
}

// clocks says how the promises of a ticket stand.
func (p *page) clocks(t *ticket.Ticket, why func(metric string) string) (list []clockItem) {
	for i := range t.Clocks {
		c := &t.Clocks[i]
		if c.State == "void" {
			continue
		}
		it := clockItem{Metric: c.Metric, Name: nameOf(p, "metric.", c.Metric), Within: p.span(c.Within), Why: why(c.Metric), Earlier: c.Missed}
		it.Filled = filled(c, p.now)
		switch {
		case c.State == "met":
			it.Class, it.Words = "ok", sayHTML(p, "clock.met", "span", p.span(c.Counted))
		case c.State == "missed":
			it.Class, it.Words, it.Filled = "bad", sayHTML(p, "clock.missed", "span", p.span(c.Counted)), 100
		case c.Due.IsZero():
			it.Words = sayHTML(p, "clock.paused_left", "span", p.span(max(0, c.Within-c.Counted)))
		case c.Overdue(p.now):
			it.Class, it.Words, it.Filled = "bad", p.Due(c.Due), 100
		default:
			if it.Words = p.Due(c.Due); p.Soon(c.Due) {
				it.Class = "warn"
			}
		}
		list = append(list, it)
	}
	return list
}

// filled returns how much of a promise is used up, in percent. While a clock runs, the share
// that is left passes evenly until it is due, for the open hours are not known here.
func filled(c *ticket.Clock, now time.Time) int {
	if c.Within <= 0 {
		return 100
	}
	used := float64(c.Counted) / float64(c.Within)
	if c.State == "running" && c.Due.After(c.Since) {
		passed := float64(now.Sub(c.Since)) / float64(c.Due.Sub(c.Since))
		used += (1 - used) * min(max(passed, 0), 1)
	}
	return int(100 * min(max(used, 0), 1))
}

// A clockMoment is one step in the life of a clock.
type clockMoment struct {
	At      time.Time
	Line    template.HTML
	Counted string
	Due     time.Time
}

// clockStory tells the life of a clock by the events that changed it.
func (p *page) clockStory(h *historian, metric string, events []ticket.Event) (list []clockMoment) {
	var was ticket.Clock
	for i := range events {
		e := &events[i]
		for _, c := range e.Set.Clocks {
			if c.Metric != metric || c.Equal(&was) {
				continue
			}
			values := []any{"who", bold(h.who(e)), "action", actionName(p, e.Action), "within", p.span(c.Within), "policy", c.Policy,
				"status", nameOf(p, "status.", string(e.To.Status)), "span", p.span(c.Counted)}
			m := clockMoment{At: e.At, Line: sayHTML(p, "story."+clockTurn(&was, &c), values...), Due: c.Due}
			if c.Counted > 0 {
				m.Counted = p.span(c.Counted)
			}
			list = append(list, m)
			was = c
		}
	}
	return list
}

// clockTurn names the turn from one form of a clock to the next.
func clockTurn(was, is *ticket.Clock) string {
	switch {
	case was.Metric == "" || was.Event != is.Event:
		return "started"
	case is.State != was.State && is.Ended():
		return is.State
	case is.State == "paused" && was.State != "paused":
		return "paused"
	case is.State == "running" && was.State == "paused":
		return "resumed"
	case is.Within != was.Within || is.Policy != was.Policy:
		return "changed"
	case !is.Breached.IsZero() && was.Breached.IsZero():
		return "breached"
	}
	return "noted"
}

// explained returns the explanation of the application, if it has one.
func (c *Console) explained(p *page, t *ticket.Ticket, metric string) string {
	if c.cfg.Explain == nil {
		return ""
	}
	x, err := c.cfg.Explain(p.ctx(), p.actor, t.ID, metric, p.now)
	if err != nil {
		p.s.log(p.ctx(), "web: a clock was not explained", err)
		return ""
	}
	return fmt.Sprint(x)
}

// clockData is the data of console_clock.html.
type clockData struct {
	Number, Subject, Link string
	Name                  string
	Clock                 clockItem
	Moments               []clockMoment
	Text                  string // the explanation of the application
}

// clock explains a clock of a ticket.
func (c *Console) clock(p *page) error {
	t, err := c.find(p)
	if err != nil {
		return err
	}
	d := clockData{Number: string(t.Number), Subject: p.subject(&t), Link: p.ticketLink(string(t.Number)), Name: nameOf(p, "metric.", p.arg("metric"))}
	for _, it := range p.clocks(&t, func(string) string { return "" }) {
		if it.Metric == p.arg("metric") {
			d.Clock = it
		}
	}
	if d.Clock.Metric == "" {
		return ticket.ErrNotFound
	}
	if c.cfg.Explain != nil {
		if done, err := c.explain(p, &t, d.Clock.Metric); done || err != nil {
			return err
		}
	}
	var events []ticket.Event
	for e, err := range c.site.desk.Events(p.ctx(), p.actor, t.ID) {
		if err != nil {
			return err
		}
		if len(e.Set.Clocks) > 0 {
			events = append(events, e)
		}
	}
	d.Moments = p.clockStory(c.historian(p, &t), d.Clock.Metric, events)
	d.Text = c.explained(p, &t, d.Clock.Metric)
	return p.render(http.StatusOK, "console_clock.html", d)
}
