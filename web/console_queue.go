package web

import (
	"net/http"
	"slices"
	"strconv"

	"github.com/ticketkit/ticket"
)

// queuePage is the data of console_queue.html.
type queuePage struct {
	View, Title string
	Total       string // how many tickets there are, if it is known
	Tickets     []ticketRow
	Columns     []column
	Older       string // the address of the next page
	First       string // the address of the first page, on later ones
	Place       string // the place in the list, for the page of a ticket
	Filter      queueFilter
	Bulk        []option // what can be done to several tickets
	None        bool     // there was no next ticket
}

// A column is the head of a column. It leads to the view sorted by it.
type column struct {
	Name, Link string
	Sort       string // "ascending", "descending" or empty, for aria-sort
	Class      string
}

// An option is one of a list in a form.
type option struct {
	Value, Name string
	Chosen      bool
}

// queueFilter is the form that restricts a view.
type queueFilter struct {
	Open       bool // something is restricted
	View       string
	Order      string
	Queues     []option
	Levels     []option
	Status     []option
	Priorities []option
	Assignee   string
	Tag, Org   string
	Of         string
	Clear      string // the address without restrictions
}

// queue shows the tickets of a view.
func (c *Console) queue(p *page) error {
	u, ok := parseQueue(p.r.URL.Query())
	if !ok {
		return ticket.ErrNotFound
	}
	q := u.query(p.actor, p.now, c.cfg.DueSoon)
	if u.Of != "" {
		of, err := c.site.desk.Lookup(p.ctx(), p.actor, u.Of)
		if err != nil {
			return err
		}
		if q.Requester = of.Requester; of.Requester.IsZero() {
			return ticket.ErrNotFound
		}
	}
	list, err := c.site.desk.List(p.ctx(), p.actor, q)
	if err != nil {
		return err
	}
	d := queuePage{
		View: u.View, Title: c.queueTitle(p, u), Tickets: p.rows(list.Tickets), Columns: columns(p, u),
		Filter: c.filter(p, u), Bulk: bulkOptions(p), None: p.query("none") != "",
	}
	if u.After != "" {
		d.First = u.sorted(u.Order).link(p)
	}
	if list.Next != "" {
		older := u
		older.After = list.Next
		d.Older = older.link(p)
	}
	if list.Next == "" && u.After == "" {
		d.Total = say(p, "queue.total"+plural(len(list.Tickets)), "n", len(list.Tickets))
	}
	return p.render(http.StatusOK, "console_queue.html", d)
}

// plural returns the form of a text for a number.
func plural(n int) string {
	if n == 1 {
		return ".one"
	}
	return ".other"
}

// queueTitle names a view.
func (c *Console) queueTitle(p *page, u queueURL) string {
	title := p.T0("view." + u.View)
	switch {
	case u.Of != "":
		return p.T0("queue.title_of", "number", u.Of)
	case u.View == viewOpen && len(u.Queues) == 1 && !u.NoQueue:
		return u.Queues[0]
	case u.View == viewOpen && len(u.Queues) == 0 && u.NoQueue:
		return p.T0("queue.none")
	}
	return title
}

// columns returns the heads of the columns.
func columns(p *page, u queueURL) []column {
	sorted := func(key, class string, orders ...string) column {
		col := column{Name: p.T0(key), Class: class}
		if !u.sortable() {
			return col
		}
		next := orders[0]
		if i := slices.Index(orders, u.Order); i >= 0 {
			col.Sort = "ascending"
			if u.Order == "urgent" || u.Order == "newest" || u.Order == "recent" {
				col.Sort = "descending"
			}
			next = orders[(i+1)%len(orders)]
		}
		col.Link = u.sorted(next).link(p)
		return col
	}
	return []column{
		sorted("column.ticket", "", "urgent"),
		{Name: p.T0("column.customer")},
		{Name: p.T0("column.status")},
		{Name: p.T0("column.level"), Class: "lev"},
		sorted("column.due", "", "due"),
		sorted("column.changed", "num", "recent", "quiet"),
		sorted("column.age", "num", "oldest", "newest"),
	}
}

// filter returns the form that restricts a view.
func (c *Console) filter(p *page, u queueURL) queueFilter {
	f := queueFilter{Open: u.filtered(), View: u.View, Of: u.Of, Org: u.Org}
	if u.Order != defaultOrder(u.View) {
		f.Order = u.Order
	}
	plain := queueURL{View: u.View, Order: u.Order, Size: u.Size}
	f.Clear = plain.link(p)
	var n tally
	if t := c.counts.peek(p.actor); t != nil {
		n = *t
	}
	queues := c.queues(p.actor, &n)
	for _, q := range u.Queues {
		if !slices.Contains(queues, q) {
			queues = append(queues, q)
		}
	}
	for _, q := range queues {
		if q != "" {
			f.Queues = append(f.Queues, option{q, q, slices.Contains(u.Queues, q)})
		}
	}
	levels, statuses := c.states()
	for _, l := range levels {
		s := strconv.Itoa(l)
		f.Levels = append(f.Levels, option{s, s, slices.Contains(u.Levels, l)})
	}
	for _, s := range statuses {
		f.Status = append(f.Status, option{string(s), nameOf(p, "status.", string(s)), slices.Contains(u.Status, string(s))})
	}
	f.Priorities = grades(p, func(g ticket.Grade) bool { return slices.Contains(u.Priority, g) })
	if len(u.Assignee) > 0 {
		f.Assignee = u.Assignee[0]
	}
	if len(u.Tags) > 0 {
		f.Tag = u.Tags[0]
	}
	return f
}

// grades returns options for the grades.
func grades(t teller, chosen func(ticket.Grade) bool) (list []option) {
	for g := ticket.GradeLow; g <= ticket.GradeCritical; g++ {
		list = append(list, option{g.String(), nameOf(t, "grade.", g.String()), chosen(g)})
	}
	return list
}

// states returns the levels and statuses of the desk's usual workflow.
func (c *Console) states() (levels []int, statuses []ticket.Status) {
	spec := ticket.DefaultWorkflow()
	if w, err := c.site.desk.Workflow(ticket.Ticket{}); err == nil {
		spec = w.Spec()
	}
	for l := 1; l <= spec.Levels; l++ {
		levels = append(levels, l)
	}
	for _, s := range spec.Statuses {
		statuses = append(statuses, s.Name)
	}
	return levels, statuses
}

// peek returns the last numbers for an agent, or nil, without counting.
func (k *counter) peek(a ticket.Actor) *tally {
	k.mu.Lock()
	defer k.mu.Unlock()
	if e := k.by[countKey(a)]; e != nil {
		return e.tally
	}
	return nil
}
