package rest

import (
	"errors"
	"iter"
	"net/http"
	"strconv"
	"time"

	"github.com/ticketkit/ticket"
)

func itoa(n int) string { return strconv.Itoa(n) }

// ref is the number or ID of the ticket in the path.
func (c *call) ref() string { return c.path["ticket"] }

// id returns the ID of the ticket in the path.
func (c *call) id() (ticket.ID, error) {
	ref := c.ref()
	c.read([]byte(ref))
	if id, err := ticket.ParseID(ref); err == nil {
		return id, nil
	}
	t, err := c.h.desk.Lookup(c.ctx(), c.actor, ref)
	if c.holds(err) {
		v, err := c.h.desk.Track(c.ctx(), c.actor, ref)
		return v.ID, inPath(err)
	}
	return t.ID, inPath(err)
}

// holds reports whether an error says that the actor holds a status link, and no more.
func (c *call) holds(err error) bool {
	refused, ok := errors.AsType[*ticket.RefusedError](err)
	return ok && refused.Why == "link"
}

// inPath gives a mistyped number in the path of a request the status 404.
func inPath(err error) error {
	if errors.Is(err, ticket.ErrMistyped) {
		return &problem{kind: kindMistyped, status: http.StatusNotFound, detail: "Compare the number: one of its symbols must be wrong.", cause: err}
	}
	return err
}

// ticket returns the ticket in the path, in the form the actor may hold.
func (c *call) ticket() (ticket.Ticket, error) {
	if id, err := ticket.ParseID(c.ref()); err == nil {
		return c.h.desk.Get(c.ctx(), c.actor, id)
	}
	t, err := c.h.desk.Lookup(c.ctx(), c.actor, c.ref())
	return t, inPath(err)
}

func (c *call) listTickets() error {
	r := reader{c: c}
	q := r.tickets()
	if err := r.err(); err != nil {
		return err
	}
	page, err := c.h.desk.List(c.ctx(), c.actor, q)
	if err != nil {
		return err
	}
	out := pageJSON{Tickets: make([]ticketJSON, len(page.Tickets)), After: page.Next, Next: c.next(string(page.Next))}
	for i, t := range page.Tickets {
		out.Tickets[i] = c.shown(t)
	}
	return c.json(http.StatusOK, out)
}

func (c *call) openTicket() error {
	var b draftBody
	if err := c.body(&b); err != nil {
		return err
	}
	d, err := c.draftOf(&b, "draft")
	if err != nil {
		return err
	}
	if d.Key, err = c.key(""); err != nil {
		return err
	}
	t, err := c.h.desk.Open(c.ctx(), c.actor, d)
	if err != nil {
		return err
	}
	c.w.Header().Set("Location", "tickets/"+t.ID.String())
	return c.ticketAnswer(created, t)
}

// ticketAnswer sends a ticket, with its entity tag where it has one.
func (c *call) ticketAnswer(code int, t ticket.Ticket) error {
	if !c.customer() {
		c.w.Header().Set("ETag", `"`+versionTag(t.Version)+`"`)
	}
	return c.json(code, c.shown(t))
}

func (c *call) getTicket() error {
	r := reader{c: c}
	version, instant := r.number("version", 1, 1<<31-1), r.time("as_of")
	if version != 0 && !instant.IsZero() {
		r.fail("as_of", "contradicts version")
	}
	if err := r.err(); err != nil {
		return err
	}
	if version != 0 || !instant.IsZero() {
		id, err := c.id()
		if err != nil {
			return err
		}
		return c.past(id, int64(version), instant)
	}
	t, err := c.ticket()
	switch {
	case err != nil:
		return err
	case c.customer():
		return c.json(http.StatusOK, c.shown(t))
	default:
		return c.tagged(versionTag(t.Version), c.shown(t))
	}
}

// past answers with a ticket as it was. Customers have no versions to ask for.
func (c *call) past(id ticket.ID, version int64, instant time.Time) error {
	var t ticket.Ticket
	var err error
	switch {
	case version == 0:
		t, err = c.h.desk.AsOf(c.ctx(), c.actor, id, instant)
	case c.customer():
		err = badParameter("version", "is for agents and systems")
	default:
		t, err = c.h.desk.AtVersion(c.ctx(), c.actor, id, version)
	}
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, c.shown(t))
}

func (c *call) trackTicket() error { return c.track(c.ref()) }

func (c *call) trackOwn() error { return c.track("") }

// track answers with the customer's view.
func (c *call) track(ref string) error {
	v, err := c.h.desk.Track(c.ctx(), c.actor, ref)
	if err != nil {
		if ref == "" && errors.Is(err, ticket.ErrMistyped) {
			return &problem{kind: kindNotFound, cause: err} // the actor holds no status link
		}
		return inPath(err)
	}
	out := c.seen(v)
	if !c.customer() {
		return c.json(http.StatusOK, out)
	}
	tag, err := viewTag(out)
	if err != nil {
		return err
	}
	return c.tagged(tag, out)
}

func (c *call) listMessages() error {
	r := reader{c: c}
	r.named("before")
	before := r.one("before")
	if err := r.err(); err != nil {
		return err
	}
	list, earlier, err := c.h.desk.Messages(c.ctx(), c.actor, c.ref(), ticket.Cursor(before))
	if err != nil {
		return inPath(err)
	}
	out := messagesJSON{Messages: list, Before: earlier}
	if list == nil {
		out.Messages = []ticket.ViewMessage{}
	}
	if earlier != "" {
		out.Next = c.link(map[string][]string{}, "before", string(earlier))
	}
	return c.json(http.StatusOK, out)
}

func (c *call) findTicket() error {
	r := reader{c: c}
	ref := r.one("ref")
	if ref == "" {
		r.fail("ref", "is missing")
	}
	if err := r.err(); err != nil {
		return err
	}
	t, err := c.h.desk.Find(c.ctx(), c.actor, ref)
	if err != nil {
		return err
	}
	c.w.Header().Set("Content-Location", "tickets/"+t.ID.String())
	return c.ticketAnswer(http.StatusOK, t)
}

// The sizes of pages of events.
const (
	usualEvents = 100
	mostEvents  = 1000
)

// window returns a part of what seq yields, and whether there is more.
func window[T any](c *call, seq iter.Seq2[T, error], skip, limit int) (list []T, more bool, err error) {
	n := 0
	for v, err := range seq {
		switch {
		case err != nil:
			return nil, false, err
		case n >= skip+limit:
			return list, true, nil
		case n >= skip:
			list = append(list, v)
		}
		if n++; n%mostEvents == 0 && c.ctx().Err() != nil {
			return nil, false, c.ctx().Err()
		}
	}
	return list, false, nil
}

// part reads the parameters of a window.
func (r *reader) part() (skip, limit int) {
	skip, limit = r.number("skip", 0, 1<<30), r.number("limit", 1, mostEvents)
	if limit == 0 {
		limit = usualEvents
	}
	return skip, limit
}

// following returns the place and the link of the next window.
func (c *call) following(more bool, skip, limit int) (int, string) {
	if !more {
		return 0, ""
	}
	return skip + limit, c.link(map[string][]string{"limit": {itoa(limit)}}, "skip", itoa(skip+limit))
}

func (c *call) listHistory() error {
	return c.events(func(id ticket.ID) iter.Seq2[ticket.Event, error] { return c.h.desk.History(c.ctx(), c.actor, id) })
}

func (c *call) listEvents() error {
	return c.events(func(id ticket.ID) iter.Seq2[ticket.Event, error] { return c.h.desk.Events(c.ctx(), c.actor, id) })
}

func (c *call) events(of func(ticket.ID) iter.Seq2[ticket.Event, error]) error {
	r := reader{c: c}
	skip, limit := r.part()
	if err := r.err(); err != nil {
		return err
	}
	id, err := c.id()
	if err != nil {
		return err
	}
	list, more, err := window(c, of(id), skip, limit)
	if err != nil {
		return err
	}
	out := eventsJSON{Events: append([]ticket.Event{}, list...)}
	out.Skip, out.Next = c.following(more, skip, limit)
	return c.json(http.StatusOK, out)
}

func (c *call) listEntries() error {
	r := reader{c: c}
	skip, limit := r.part()
	if err := r.err(); err != nil {
		return err
	}
	id, err := c.id()
	if err != nil {
		return err
	}
	list, more, err := window(c, c.h.desk.Entries(c.ctx(), c.actor, id), skip, limit)
	if err != nil {
		return err
	}
	out := entriesJSON{Entries: []entryJSON{}}
	for _, e := range list {
		out.Entries = append(out.Entries, entryJSON(e))
	}
	out.Skip, out.Next = c.following(more, skip, limit)
	return c.json(http.StatusOK, out)
}

func (c *call) verifyTicket() error {
	id, err := c.id()
	if err != nil {
		return err
	}
	err = c.h.desk.Verify(c.ctx(), c.actor, id)
	if broken, ok := errors.AsType[*ticket.ChainError](err); ok {
		return c.json(http.StatusOK, verifiedJSON{Seq: broken.Seq, Fault: broken.Fault})
	}
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, verifiedJSON{Intact: true})
}
