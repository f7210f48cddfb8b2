package web

import (
	"errors"
	"html/template"
	"net/http"
	"strings"

	"github.com/ticketkit/ticket"
)

// searchPage is the data of console_search.html.
type searchPage struct {
	Words   string
	Tickets []ticketRow
	Most    int  // there may be more
	Cannot  bool // the store cannot search
	Wrong   bool // there is no word to look for
	Newest  bool // the newest first, instead of the best
}

// mostHits is how many tickets a search shows.
const mostHits = 50

// search shows the tickets with some words, or the ticket with a number.
func (c *Console) search(p *page) error {
	d := searchPage{Words: strings.TrimSpace(p.query("q")), Newest: p.query("order") == "newest"}
	if d.Words == "" {
		return p.render(http.StatusOK, "console_search.html", d)
	}
	if t, err := c.site.desk.Lookup(p.ctx(), p.actor, d.Words); err == nil {
		return p.toTicket(string(t.Number), nil)
	}
	hits, err := c.site.desk.Search(p.ctx(), p.actor, ticket.SearchQuery{Text: d.Words, Best: !d.Newest, Query: ticket.Query{Limit: mostHits}})
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		d.Cannot = true
	case errors.Is(err, ticket.ErrInvalid):
		d.Wrong = true
	case err != nil:
		return err
	}
	for i := range hits {
		r := p.row(&hits[i].Ticket)
		r.Snippet = template.HTML(hits[i].Snippet.HTML()) //nolint:gosec // Snippet.HTML escapes
		r.InSubject = hits[i].Snippet.Text == r.Subject
		r.Under = string(hits[i].Number)
		d.Tickets = append(d.Tickets, r)
	}
	if len(hits) == mostHits {
		d.Most = mostHits
	}
	return p.render(http.StatusOK, "console_search.html", d)
}
