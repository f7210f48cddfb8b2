package rest

import (
	"net/http"

	"github.com/ticketkit/ticket"
)

func (c *call) searchTickets() error {
	r := reader{c: c}
	q := ticket.SearchQuery{Query: r.tickets(), Text: r.one("q"), Best: r.flag("best")}
	if q.Text == "" {
		r.fail("q", "is missing")
	}
	if err := r.err(); err != nil {
		return err
	}
	hits, err := c.h.desk.Search(c.ctx(), c.actor, q)
	if err != nil {
		return err
	}
	out := hitsJSON{Hits: []hitJSON{}}
	for _, h := range hits {
		out.Hits = append(out.Hits, hitJSON{Ticket: c.shown(h.Ticket), Snippet: snippetJSON(h.Snippet), Number: h.Number})
	}
	return c.json(http.StatusOK, out)
}

func (c *call) listSimilar() error {
	r := reader{c: c}
	limit := r.number("limit", 1, 50)
	if err := r.err(); err != nil {
		return err
	}
	id, err := c.id()
	if err != nil {
		return err
	}
	list, err := c.h.desk.Similar(c.ctx(), c.actor, id, limit)
	return c.suggestions(list, err)
}

func (c *call) suggestForDraft() error {
	r := reader{c: c}
	limit := r.number("limit", 1, 50)
	if err := r.err(); err != nil {
		return err
	}
	var b draftBody
	if err := c.body(&b); err != nil {
		return err
	}
	d, err := c.draftOf(&b, "draft")
	if err != nil {
		return err
	}
	list, err := c.h.desk.SimilarToDraft(c.ctx(), c.actor, d, limit)
	return c.suggestions(list, err)
}

func (c *call) suggestions(list []ticket.Suggestion, err error) error {
	if err != nil {
		return err
	}
	out := suggestionsJSON{Suggestions: []suggestionJSON{}}
	for _, s := range list {
		j := suggestionJSON{Solution: s.Solution, Known: s.Known, Words: s.Words}
		if !s.Ticket.ID.IsZero() {
			j.Ticket = new(c.shown(s.Ticket))
		}
		out.Suggestions = append(out.Suggestions, j)
	}
	return c.json(http.StatusOK, out)
}

func (c *call) countTickets() error {
	r := reader{c: c}
	q := r.tickets()
	if err := r.err(); err != nil {
		return err
	}
	n, err := c.h.desk.Count(c.ctx(), c.actor, q)
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, numberJSON{n})
}

func (c *call) countByPlace() error {
	list, err := c.h.desk.Counts(c.ctx(), c.actor)
	if err != nil {
		return err
	}
	out := countsJSON{Counts: []countJSON{}}
	for _, n := range list {
		out.Counts = append(out.Counts, countJSON(n))
	}
	return c.json(http.StatusOK, out)
}

func (c *call) listDeliveries() error {
	r := reader{c: c}
	q := r.deliveries()
	if err := r.err(); err != nil {
		return err
	}
	page, err := c.h.desk.Deliveries(c.ctx(), c.actor, q)
	if err != nil {
		return err
	}
	out := deliveriesJSON{Deliveries: append([]ticket.Delivery{}, page.Deliveries...)}
	if !page.Next.IsZero() {
		out.After = page.Next.String()
		out.Next = c.next(out.After)
	}
	return c.json(http.StatusOK, out)
}

func (c *call) redriveDeliveries() error {
	var b redriveBody
	if err := c.body(&b); err != nil {
		return err
	}
	q := ticket.DeliveryQuery{
		IDs: b.IDs, Ticket: b.Ticket, State: b.State, Kind: b.Kind, Notifiers: b.Notifiers, To: ticket.Recipient(b.To),
		SettledFrom: b.SettledFrom, SettledBefore: b.SettledBefore,
	}
	none := len(q.IDs)+len(q.State)+len(q.Kind)+len(q.Notifiers) == 0 && q.Ticket.IsZero() && q.To == (ticket.Recipient{}) &&
		q.SettledFrom.IsZero() && q.SettledBefore.IsZero()
	if none != b.All {
		return &ticket.InvalidError{Field: "query.all", Reason: "must be true if there is no condition, and false otherwise: it says that all deliveries are meant"}
	}
	n, err := c.h.desk.Redrive(c.ctx(), c.actor, q)
	if err != nil {
		if n > 0 {
			p := c.problemOf(err)
			p.more.Redriven = n
			return p
		}
		return err
	}
	return c.json(http.StatusOK, redrivenJSON{n})
}

func (c *call) reportFailure() error {
	var b failureBody
	if err := c.body(&b); err != nil {
		return err
	}
	id, err := ticket.ParseID(c.path["delivery"])
	if err != nil {
		return &problem{kind: kindNotFound}
	}
	report := c.h.desk.Undelivered
	if b.Address {
		report = c.h.desk.Bounced
	}
	if err := report(c.ctx(), c.actor, id, b.Reason); err != nil {
		return err
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

func (c *call) listKnownProblems() error {
	r := reader{c: c}
	skip, limit := r.part()
	if err := r.err(); err != nil {
		return err
	}
	list, more, err := window(c, c.h.desk.KnownProblems(c.ctx(), c.actor), skip, limit)
	if err != nil {
		return err
	}
	out := knownJSON{Problems: append([]ticket.KnownProblem{}, list...)}
	out.Skip, out.Next = c.following(more, skip, limit)
	return c.json(http.StatusOK, out)
}

func (c *call) erase() error {
	var b erasureBody
	if err := c.body(&b); err != nil {
		return err
	}
	id, err := c.other(b.Ticket, "erasure.ticket")
	if err != nil {
		return err
	}
	e := ticket.Erasure{Ticket: id, Event: b.Event, Person: b.Person, Groups: b.Groups, Reason: b.Reason}
	if !id.IsZero() {
		if e.Key, err = c.key(""); err != nil {
			return err
		}
	}
	report, err := c.h.desk.Erase(c.ctx(), c.actor, e)
	if err != nil {
		p := c.problemOf(err)
		if len(report.Tickets)+len(report.Held)+report.Mails > 0 {
			p.more.Report = reportOf(report)
		}
		return p
	}
	return c.json(http.StatusOK, reportOf(report))
}

func (c *call) personalData() error {
	var b personBody
	if err := c.body(&b); err != nil {
		return err
	}
	data, err := c.h.desk.PersonalData(c.ctx(), c.actor, b.Person, ticket.PersonalDataOptions{Notes: b.Notes})
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, data)
}
