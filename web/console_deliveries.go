package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ticketkit/ticket"
)

// deliveryTabs are the groups of states that the page of deliveries offers. The first one is
// the one that is opened.
var deliveryTabs = []struct {
	name   string
	states []ticket.DeliveryState
}{
	{"failed", []ticket.DeliveryState{ticket.DeliveryDead, ticket.DeliveryBounced, ticket.DeliverySuppressed, ticket.DeliveryUndelivered}},
	{"waiting", []ticket.DeliveryState{ticket.DeliveryPending, ticket.DeliveryClaimed}},
	{"sent", []ticket.DeliveryState{ticket.DeliverySent}},
	{"all", nil},
}

// deliveryClasses are the looks of states.
var deliveryClasses = map[ticket.DeliveryState]string{
	ticket.DeliverySent: "ok", ticket.DeliveryPending: "open", ticket.DeliveryClaimed: "open",
	ticket.DeliveryDead: "bad", ticket.DeliveryBounced: "bad", ticket.DeliveryUndelivered: "bad", ticket.DeliverySuppressed: "warn",
}

// deliveryFilter is what the address of the page says.
type deliveryFilter struct {
	Tab    string // of deliveryTabs
	State  string // one state of it; empty means all
	Kind   string
	Ticket string // as typed
	After  string // an ID

	query ticket.DeliveryQuery
	wrong bool // no such ticket
}

// deliveriesData is the data of figures_deliveries.html.
type deliveriesData struct {
	Filter   deliveryFilter
	Tabs     []tabItem
	States   []optionItem
	Kinds    []optionItem
	Rows     []deliveryRow
	Next     string // the address of the older ones
	Here     string // the query of the page
	All      bool   // all that match can be redriven
	Note     string
	NoteBad  bool
	Tried    bool // a filter is set
	Settling bool // rows that were sent can be marked as come back
}

type optionItem struct {
	Value, Name string
	Chosen      bool
}

type deliveryRow struct {
	ID                     string
	To, Address            string
	Kind, Via              string
	Number                 ticket.Number
	Subject                string
	State, StateName       string
	Class                  string
	Created, Settled, Next time.Time
	Attempts               int
	Error                  string
	Before                 string        // the ID of the delivery that came back, if that is the error
	Same                   []deliveryRow // more to the same address with the same outcome
	CanRedrive             bool
	CanMark                bool
}

// deliveryFilter reads the address.
func (c *Console) deliveryFilter(p *page, q url.Values) (deliveryFilter, error) {
	f := deliveryFilter{Tab: q.Get("tab"), State: q.Get("state"), Kind: q.Get("kind"), Ticket: strings.TrimSpace(q.Get("ticket")), After: q.Get("after")}
	tab := deliveryTabs[0]
	for _, t := range deliveryTabs {
		if t.name == f.Tab {
			tab = t
		}
	}
	f.Tab, f.query.State = tab.name, tab.states
	if s := ticket.DeliveryState(f.State); f.State != "" && (tab.states == nil || slices.Contains(tab.states, s)) && deliveryClasses[s] != "" {
		f.query.State = []ticket.DeliveryState{s}
	} else {
		f.State = ""
	}
	if f.Kind != "" && slices.Contains(deliveryKinds(), ticket.Kind(f.Kind)) {
		f.query.Kind = []ticket.Kind{ticket.Kind(f.Kind)}
	} else {
		f.Kind = ""
	}
	if f.Ticket != "" {
		t, err := c.site.desk.Find(p.ctx(), p.actor, f.Ticket)
		switch {
		case err == nil:
			f.query.Ticket = t.ID
		case errors.Is(err, ticket.ErrNotFound), errors.Is(err, ticket.ErrMistyped), errors.Is(err, ticket.ErrInvalid):
			f.wrong = true
		default:
			return f, err
		}
	}
	if id, err := ticket.ParseID(f.After); err == nil {
		f.query.After = id
	} else {
		f.After = ""
	}
	return f, nil
}

// deliveryKinds lists the kinds of notifications.
func deliveryKinds() []ticket.Kind {
	all := slices.Concat(ticket.Kinds(ticket.RoleRequester), ticket.Kinds(ticket.RoleAgent))
	slices.Sort(all)
	return slices.Compact(all)
}

// values returns the filter for an address, without the place.
func (f *deliveryFilter) values() url.Values {
	q := url.Values{"tab": {f.Tab}}
	for name, v := range map[string]string{"state": f.State, "kind": f.Kind, "ticket": f.Ticket} {
		if v != "" {
			q.Set(name, v)
		}
	}
	return q
}

// deliveries lists what was sent, and what was not.
func (c *Console) deliveries(p *page) error {
	f, err := c.deliveryFilter(p, p.r.URL.Query())
	if err != nil {
		return err
	}
	d := p.deliveriesData(f)
	d.Note, d.NoteBad = p.deliveryNote()
	if f.wrong {
		return p.render(http.StatusOK, "figures_deliveries.html", d)
	}
	page, err := c.site.desk.Deliveries(p.ctx(), p.actor, f.query)
	if err != nil {
		return err
	}
	tickets := map[ticket.ID]ticket.Ticket{}
	for i := range page.Deliveries {
		row := &page.Deliveries[i]
		t, known := tickets[row.Ticket]
		if !known {
			if t, err = c.site.desk.Get(p.ctx(), p.actor, row.Ticket); err != nil && !errors.Is(err, ticket.ErrNotFound) {
				return err
			}
			tickets[row.Ticket] = t
		}
		d.Rows = append(d.Rows, p.deliveryRow(row, &t))
	}
	shown := map[string]bool{}
	for i := range d.Rows {
		shown[d.Rows[i].ID] = true
	}
	for i := range d.Rows {
		if !shown[d.Rows[i].Before] {
			d.Rows[i].Before = "" // there is nothing to link to
		}
	}
	d.Rows = together(d.Rows)
	if !page.Next.IsZero() {
		q := f.values()
		q.Set("after", page.Next.String())
		d.Next = p.link("deliveries") + "?" + q.Encode()
	}
	d.All = len(d.Rows) > 0 && f.Tab != "sent" && f.Tab != "all"
	return p.render(http.StatusOK, "figures_deliveries.html", d)
}

// together puts deliveries to the same address with the same outcome into one row, if they follow
// one another.
func together(rows []deliveryRow) (out []deliveryRow) {
	for _, r := range rows {
		if n := len(out) - 1; n >= 0 && r.CanRedrive && r.Error != "" {
			o := &out[n]
			if o.To == r.To && o.Address == r.Address && o.State == r.State && o.Error == r.Error {
				o.Same = append(o.Same, r)
				continue
			}
		}
		out = append(out, r)
	}
	return out
}

// IDs returns the IDs of the row and of those in it.
func (r deliveryRow) IDs() string {
	list := []string{r.ID}
	for i := range r.Same {
		list = append(list, r.Same[i].ID)
	}
	return strings.Join(list, " ")
}

// Count returns how many deliveries the row has.
func (r deliveryRow) Count() int { return 1 + len(r.Same) }

// bouncedBefore begins the error of a delivery that was held back because of an earlier one.
const bouncedBefore = "the address bounced before: see delivery "

// deliveriesData returns the page without rows.
func (p *page) deliveriesData(f deliveryFilter) deliveriesData {
	d := deliveriesData{Filter: f, Here: f.values().Encode(), Tried: f.State != "" || f.Kind != "" || f.Ticket != ""}
	for _, t := range deliveryTabs {
		d.Tabs = append(d.Tabs, tabItem{p.say("figures.tab." + t.name), p.link("deliveries") + "?tab=" + t.name, t.name == f.Tab})
		if t.name != f.Tab {
			continue
		}
		states := t.states
		if states == nil {
			for _, other := range deliveryTabs {
				states = append(states, other.states...)
			}
		}
		for _, s := range states {
			d.States = append(d.States, optionItem{string(s), p.wordOf("delivery", string(s)), string(s) == f.State})
		}
	}
	for _, k := range deliveryKinds() {
		d.Kinds = append(d.Kinds, optionItem{string(k), p.wordOf("kind", string(k)), string(k) == f.Kind})
	}
	return d
}

func (p *page) deliveryRow(row *ticket.Delivery, t *ticket.Ticket) deliveryRow {
	r := deliveryRow{
		ID: row.ID.String(), Kind: p.wordOf("kind", string(row.Kind)), Via: row.Notifier, Number: t.Number, Subject: t.Subject,
		State: string(row.State), StateName: p.wordOf("delivery", string(row.State)), Class: deliveryClasses[row.State],
		Created: row.Created, Settled: row.Settled, Attempts: row.Attempts, Error: row.LastError, CanRedrive: row.State != ticket.DeliveryClaimed && row.State != ticket.DeliverySent,
		CanMark: row.State == ticket.DeliverySent,
	}
	r.To, r.Address = p.recipient(row)
	if row.State == ticket.DeliveryPending {
		r.Next = row.Due
	}
	if id, ok := strings.CutPrefix(r.Error, bouncedBefore); ok {
		r.Error, r.Before = p.say("figures.bounced_before"), id
	}
	return r
}

// recipient names who a delivery is for, and the address.
func (p *page) recipient(row *ticket.Delivery) (name, address string) {
	to := &row.To
	address = row.Address
	if address == "" {
		address = to.Person.Email
	}
	switch {
	case row.Kind == ticket.KindEvent:
		return p.say("figures.to_system"), ""
	case to.Person.Name != "":
		name = to.Person.Name
	case to.Person.ID != "" && to.Role == ticket.RoleAgent:
		name = p.say("figures.to_agent", "id", p.agentName(to.Person.ID))
	case to.Person.ID != "":
		name = to.Person.ID
	case to.Queue != "":
		name = p.say("figures.to_queue", "queue", to.Queue)
	case address == "" && to.Role == ticket.RoleAgent:
		name = p.say("figures.to_agents")
	}
	if name == "" {
		return address, ""
	}
	return name, address
}

// redriveTime bounds how long one press of the button redrives.
const redriveTime = 20 * time.Second

// redrive retries deliveries: those of the form, or all that match the filter.
func (c *Console) redrive(p *page) error {
	form, err := p.readForm(formOptions{})
	if err != nil {
		return err
	}
	here, err := form.one("here")
	if err != nil {
		return err
	}
	back, err := url.ParseQuery(here)
	if err != nil {
		return badForm("a filter: %w", err)
	}
	f, err := c.deliveryFilter(p, back)
	if err != nil {
		return err
	}
	back = f.values()
	q := f.query
	if q.After = (ticket.ID{}); !form.has("all") {
		q = ticket.DeliveryQuery{State: slices.Concat(deliveryTabs[0].states, []ticket.DeliveryState{ticket.DeliverySent, ticket.DeliveryPending})}
		for text := range strings.FieldsSeq(strings.Join(form.all("id"), " ")) { // a button has several
			id, err := ticket.ParseID(text)
			if err != nil {
				return badForm("a delivery: %w", err)
			}
			q.IDs = append(q.IDs, id)
		}
		if len(q.IDs) == 0 {
			return badForm("no delivery is chosen")
		}
	} else {
		if f.wrong {
			return ticket.ErrNotFound
		}
		q.State = slices.DeleteFunc(slices.Clone(q.State), func(s ticket.DeliveryState) bool { return s == ticket.DeliveryClaimed })
	}
	ctx, cancel := context.WithTimeout(p.ctx(), redriveTime)
	defer cancel()
	n, err := c.site.desk.Redrive(ctx, p.actor, q)
	back.Set("redriven", strconv.Itoa(n))
	switch {
	case err == nil:
	case errors.Is(err, ticket.ErrRefused):
		back.Set("left", "refused")
	case errors.Is(err, context.DeadlineExceeded) && p.ctx().Err() == nil:
		back.Set("left", "time")
	default:
		return err
	}
	return p.redirect("deliveries", back)
}

// mark records that a letter came back.
func (c *Console) mark(p *page) error {
	form, err := p.readForm(formOptions{})
	if err != nil {
		return err
	}
	here, err1 := form.one("here")
	reason, err2 := form.one("reason")
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	back, err := url.ParseQuery(here)
	if err != nil {
		return badForm("a filter: %w", err)
	}
	id, err := ticket.ParseID(p.arg("id"))
	if err != nil {
		return ticket.ErrNotFound
	}
	if reason = strings.TrimSpace(reason); reason == "" {
		reason = p.say("figures.marked_by", "name", p.actor.Person.ID)
	}
	if form.has("address") {
		err = c.site.desk.Bounced(p.ctx(), p.actor, id, reason)
	} else {
		err = c.site.desk.Undelivered(p.ctx(), p.actor, id, reason)
	}
	if err != nil {
		return err
	}
	f, err := c.deliveryFilter(p, back)
	if err != nil {
		return err
	}
	back = f.values()
	back.Set("marked", "1")
	return p.redirect("deliveries", back)
}

// deliveryNote says what the last button did.
func (p *page) deliveryNote() (note string, bad bool) {
	if p.query("marked") != "" {
		return p.say("figures.marked"), false
	}
	n, err := strconv.Atoi(p.query("redriven"))
	if err != nil || n < 0 {
		return "", false
	}
	v, err := p.N("figures.redriven", n)
	if err != nil {
		return "", false
	}
	note = plain(v)
	switch left := p.query("left"); left {
	case "refused", "time":
		return note + " " + p.say("figures.redriven_left."+left), true
	}
	return note, false
}

// deliveriesExamples are fixtures.
func deliveriesExamples(s *site) []any {
	p := s.example("en")
	full := p.deliveriesData(deliveryFilter{Tab: "failed", Ticket: "7Q4K92MXF", wrong: false})
	full.Rows = []deliveryRow{
		p.deliveryRow(&ticket.Delivery{State: ticket.DeliveryDead, Kind: ticket.KindAnswered, To: ticket.Recipient{Person: ticket.Person{Name: "Ada", Email: "ada@example.com"}}, Attempts: 3, LastError: "no", Created: p.now, Settled: p.now}, &ticket.Ticket{Number: "7Q4K92MXF", Subject: "Printer"}),
		p.deliveryRow(&ticket.Delivery{State: ticket.DeliveryPending, Kind: ticket.KindQueued, To: ticket.Recipient{Queue: "hardware"}, Due: p.now, Created: p.now}, &ticket.Ticket{}),
		p.deliveryRow(&ticket.Delivery{State: ticket.DeliverySent, Kind: ticket.KindReceived, Created: p.now, Settled: p.now}, &ticket.Ticket{Number: "7Q4K92MXF"}),
	}
	full.Rows[0].Same, full.Rows[0].Before = full.Rows[:1:1], "1"
	full.Next, full.All, full.Note = "deliveries?after=1", true, "redriven"
	wrong := p.deliveriesData(deliveryFilter{Tab: "all", Ticket: "x", wrong: true})
	return []any{full, wrong, p.deliveriesData(deliveryFilter{Tab: "failed"})}
}

// Wrong reports whether the filter names a ticket that is not there.
func (f deliveryFilter) Wrong() bool { return f.wrong }
