package web

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/ticketkit/ticket"
)

// The views of the console, by their name in URLs.
const (
	viewMine       = "mine"       // tickets of the agent
	viewUnassigned = "unassigned" // tickets that nobody has, at the agent's levels
	viewOverdue    = "overdue"    // a target was missed and is still to be met
	viewDue        = "due"        // a target is due soon
	viewWaiting    = "waiting"    // the customer is to answer
	viewOpen       = "open"       // everything that is not finished
	viewDone       = "done"       // solved and closed tickets
	viewAll        = "all"        // open and finished tickets
)

// queueViews lists the views in the order of the navigation.
var queueViews = []string{viewMine, viewUnassigned, viewOverdue, viewDue, viewWaiting, viewOpen, viewDone, viewAll}

// queueOrders maps the names of orders in URLs to those of queries.
var queueOrders = map[string]ticket.Order{
	"due": ticket.OrderSoonestDue, "urgent": ticket.OrderMostUrgent,
	"oldest": ticket.OrderOldestFirst, "newest": ticket.OrderNewestFirst,
	"quiet": ticket.OrderLeastRecent, "recent": ticket.OrderMostRecent,
}

// defaultOrder returns the order of a view whose URL names none.
func defaultOrder(view string) string {
	switch view {
	case viewOverdue, viewDue:
		return "due"
	case viewWaiting:
		return "quiet"
	case viewDone, viewAll:
		return "recent"
	default:
		return "urgent"
	}
}

// queueSizes are the sizes of a page that a URL can ask for. The first is the default.
var queueSizes = []int{50, 25, 100, 200}

// queueURL is a queue view as its URL says it. It holds everything that the page shows
// depends on, so that a link or the back button brings back filter and place.
type queueURL struct {
	View     string
	Queues   []string
	NoQueue  bool // tickets without a queue, also
	Levels   []int
	Status   []string
	Priority []ticket.Grade
	Assignee []string
	Nobody   bool // tickets that nobody has, also
	Tags     []string
	Org      string
	Of       string // the number of a ticket: tickets of the same requester
	Metric   string
	Order    string // never empty
	After    ticket.Cursor
	Size     int
}

// mostChosen is how many values a URL has of one filter.
const mostChosen = 500

// parseQueue reads the query of a URL. It returns false for values that no page of the
// console links to. It ignores empty values, which forms send for "any".
func parseQueue(v url.Values) (queueURL, bool) {
	u := queueURL{View: cmp.Or(v.Get("view"), viewOpen), Size: queueSizes[0]}
	if !slices.Contains(queueViews, u.View) {
		return u, false
	}
	for _, values := range v {
		if len(values) > mostChosen {
			return u, false
		}
	}
	u.Queues, u.NoQueue = given(v["queue"]), v.Get("noqueue") != ""
	u.Status = given(v["status"])
	u.Assignee, u.Nobody = given(v["assignee"]), v.Get("nobody") != ""
	u.Tags, u.Org, u.Of, u.Metric = given(v["tag"]), v.Get("org"), v.Get("of"), v.Get("metric")
	for _, s := range given(v["level"]) {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > 1000 {
			return u, false
		}
		if !slices.Contains(u.Levels, n) {
			u.Levels = append(u.Levels, n)
		}
	}
	for _, s := range given(v["priority"]) {
		var g ticket.Grade
		if g.UnmarshalText([]byte(s)) != nil {
			return u, false
		}
		if !slices.Contains(u.Priority, g) {
			u.Priority = append(u.Priority, g)
		}
	}
	slices.Sort(u.Levels)
	slices.Sort(u.Priority)
	if s := v.Get("n"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || !slices.Contains(queueSizes, n) {
			return u, false
		}
		u.Size = n
	}
	u.Order = cmp.Or(v.Get("order"), defaultOrder(u.View))
	if _, known := queueOrders[u.Order]; !known || !u.sortable() && u.Order != "due" {
		return u, false
	}
	u.After = ticket.Cursor(v.Get("after"))
	return u, true
}

// sortable reports whether the view can be shown in another order than its own. Tickets that
// are due soon are those after a place in the order of due times.
func (u queueURL) sortable() bool { return u.View != viewDue }

// values returns the query of the URL, without defaults. Encoded, equal views are equal.
func (u queueURL) values() url.Values {
	v := url.Values{"view": {u.View}}
	list(v, "queue", u.Queues)
	list(v, "status", u.Status)
	list(v, "assignee", u.Assignee)
	list(v, "tag", u.Tags)
	for _, n := range u.Levels {
		v.Add("level", strconv.Itoa(n))
	}
	for _, g := range u.Priority {
		v.Add("priority", g.String())
	}
	for name, on := range map[string]bool{"noqueue": u.NoQueue, "nobody": u.Nobody} {
		if on {
			v.Set(name, "1")
		}
	}
	for name, s := range map[string]string{"org": u.Org, "of": u.Of, "metric": u.Metric, "after": string(u.After)} {
		if s != "" {
			v.Set(name, s)
		}
	}
	if u.Order != defaultOrder(u.View) {
		v.Set("order", u.Order)
	}
	if u.Size != queueSizes[0] {
		v.Set("n", strconv.Itoa(u.Size))
	}
	return v
}

// link returns the relative address of the view.
func (u queueURL) link(p *page) string { return p.link("tickets") + "?" + u.values().Encode() }

// sorted returns the URL of the first page in another order.
func (u queueURL) sorted(order string) queueURL {
	u.Order, u.After = order, ""
	return u
}

// filtered reports whether the URL restricts the view.
func (u queueURL) filtered() bool {
	return len(u.Queues)+len(u.Levels)+len(u.Status)+len(u.Priority)+len(u.Assignee)+len(u.Tags) > 0 ||
		u.NoQueue || u.Nobody || u.Org != "" || u.Of != "" || u.Metric != ""
}

// query returns the query that the view stands for. It does not set Requester, for Of.
func (u queueURL) query(a ticket.Actor, now time.Time, soon time.Duration) ticket.Query {
	q := ticket.Query{
		Queue: slices.Clone(u.Queues), Level: u.Levels, Priority: u.Priority, Assignee: slices.Clone(u.Assignee), Tags: u.Tags,
		Organisation: u.Org, Metric: u.Metric, Order: queueOrders[u.Order], After: u.After, Limit: u.Size, NotMerged: true,
	}
	for _, s := range u.Status {
		q.Status = append(q.Status, ticket.Status(s))
	}
	if u.NoQueue {
		q.Queue = append(q.Queue, "")
	}
	if u.Nobody {
		q.Assignee = append(q.Assignee, "")
	}
	switch q.Phase = ticket.OpenPhases(); u.View {
	case viewMine:
		q.Assignee = []string{a.Person.ID}
	case viewUnassigned:
		q.Assignee, q.Phase, q.NotSnoozed = []string{""}, []ticket.Phase{ticket.PhaseReceived, ticket.PhaseInProgress}, true
		if len(q.Level) == 0 {
			q.Level = a.Levels
		}
	case viewOverdue:
		q.DueBefore = now
	case viewDue:
		q.DueBefore = now.Add(soon)
		if q.After == "" {
			q.After = ticket.Place{Order: ticket.OrderSoonestDue, Metric: u.Metric, Time: now}.Cursor()
		}
	case viewWaiting:
		q.Phase = []ticket.Phase{ticket.PhaseYourTurn}
	case viewDone:
		q.Phase = []ticket.Phase{ticket.PhaseSolved, ticket.PhaseClosed}
	case viewAll:
		q.Phase, q.NotMerged = nil, false
	}
	return q
}

// given returns the values that are not empty, without repeats.
func given(list []string) (kept []string) {
	for _, s := range list {
		if s != "" && !slices.Contains(kept, s) {
			kept = append(kept, s)
		}
	}
	return kept
}

func list(v url.Values, name string, values []string) {
	for _, s := range values {
		v.Add(name, s)
	}
}
