package ticket

import (
	"context"
	"errors"
	"fmt"
	"html"
	"slices"
	"strings"

	"github.com/ticketkit/ticket/internal/words"
)

// SearchQuery describes a full-text search for tickets.
type SearchQuery struct {
	Query // which tickets, and the limit; without Order and After

	// Text is the words to look for. A ticket matches if it contains all of them, in any
	// place, order and case. "prin*", with three or more symbols before the asterisk,
	// matches every word that begins with them. A word is a run of letters and digits;
	// in scripts that are written without blanks, each symbol is a word. Accents do not
	// count. Only the first 16 words count.
	Text string

	// Best sorts the best matches first, above all those with the words in the subject.
	// It ranks only the newest matching tickets; the store chooses how many. The default
	// is the newest tickets first.
	Best bool

	// Notes searches notes too. The desk sets it: true for agents and systems.
	Notes bool
}

// maxSearch limits SearchQuery.Text, in bytes.
const maxSearch = 1000

// Check returns an [*InvalidError] for an invalid search: one with an order or a
// cursor, or with text that is not valid, longer than 1000 bytes or without a word.
// Stores call it first.
func (q SearchQuery) Check() error {
	if q.Order != "" {
		return invalid("search.order", "must be empty: the newest tickets come first, or with Best the best matches")
	}
	if q.After != "" {
		return invalid("search.after", "must be empty: a search has one page")
	}
	var c check
	text(&c, "search.text", q.Text, maxSearch)
	if c.err == nil && len(words.Parse(q.Text)) == 0 {
		c.fail("search.text", "has no word to look for")
	}
	if c.err != nil {
		return c.err
	}
	return q.Query.Check()
}

// Hit is one ticket that a search found.
type Hit struct {
	Ticket  Ticket
	Snippet Snippet // the piece of text with the words
	// Number is the number of the merged ticket that contains the words, if they are not
	// in this ticket itself. Stores leave it empty.
	Number Number
}

// Snippet is a piece of text with the places in it that matched.
type Snippet struct {
	Text string
	// Marks are the places that matched: Text[m[0]:m[1]] for each m, in order, not
	// overlapping.
	Marks [][2]int
}

// HTML returns the snippet as safe HTML, with the matches in <mark> elements. In
// html/template, convert it to template.HTML, or it is escaped again.
func (s Snippet) HTML() string {
	var b strings.Builder
	at := 0
	for _, m := range s.Marks {
		b.WriteString(html.EscapeString(s.Text[at:m[0]]))
		b.WriteString("<mark>")
		b.WriteString(html.EscapeString(s.Text[m[0]:m[1]]))
		b.WriteString("</mark>")
		at = m[1]
	}
	b.WriteString(html.EscapeString(s.Text[at:]))
	return b.String()
}

// Search returns the tickets that contain all the words of q.Text, match the query
// and may be seen by the actor, each with a snippet: the newest first, or with
// q.Best the best first. A customer finds the messages it can read in its own
// tickets, or with its organisation as Query.Organisation in those of its colleagues (see
// [Desk.List]), including those of colleagues in tickets that were merged into them.
// Agents and systems find notes too. Words in a merged ticket lead to the ticket it
// was merged into, if the actor sees that one. Each ticket is returned once. The
// conditions of the query apply to the ticket that contains the words. If the policy
// hides some, or several are one, there may be fewer than the limit, though more
// match. If the text is a number or an ID, spelt as [Desk.Find] accepts it, that
// ticket comes first, with the number as its snippet.
//
// Text without a word, an order, a cursor, and queries that [Desk.List] refuses are
// [ErrInvalid]. A store that cannot search returns [errors.ErrUnsupported]. Recent
// changes may be found a moment later only; see [Maintainer].
func (d *Desk) Search(ctx context.Context, a Actor, q SearchQuery) ([]Hit, error) {
	prepared, err := d.prepare(&a, q.Query)
	if err != nil {
		return nil, err
	}
	q.Query, q.Notes = prepared, a.Role&(RoleAgent|RoleSystem) != 0
	if err := q.Check(); err != nil {
		return nil, err
	}
	named, err := d.named(ctx, a, q)
	if err != nil {
		return nil, err
	}
	hits, err := []Hit(nil), errors.ErrUnsupported
	if s, ok := d.store.(Searcher); ok {
		hits, err = s.Search(ctx, q)
	}
	if err != nil && (len(named) == 0 || !errors.Is(err, errors.ErrUnsupported)) {
		return nil, unsupported("full-text search", err)
	}
	if org := a.Person.Organisation; err == nil && a.Role == RoleRequester && org != "" && q.Organisation == "" && !q.NotMerged && !d.cfg.MergeSameRequester {
		// The query is for the actor's tickets. Also search the tickets of colleagues
		// that were merged into them.
		q := q
		q.Participant, q.Organisation = Person{}, org
		more, err := d.store.(Searcher).Search(ctx, q)
		if err != nil {
			return nil, err
		}
		hits = append(hits, slices.DeleteFunc(more, func(h Hit) bool { return h.Ticket.MergedInto.IsZero() || a.RoleOn(h.Ticket) != 0 })...)
	}
	kept, err := d.found(ctx, a, q, hits)
	if err != nil || len(named) == 0 {
		return kept[:min(len(kept), q.PageSize())], err
	}
	kept = slices.DeleteFunc(kept, func(h Hit) bool { return h.Ticket.ID == named[0].Ticket.ID })
	kept = append(named, kept...)
	return kept[:min(len(kept), q.PageSize())], nil
}

// found turns the store's hits into the actor's hits.
func (d *Desk) found(ctx context.Context, a Actor, q SearchQuery, hits []Hit) ([]Hit, error) {
	kept := hits[:0]
	places := map[ID]int{}
	for _, h := range hits {
		last, s, err := d.leadsTo(ctx, a, q.Query, h.Ticket)
		if err != nil {
			return nil, err
		}
		if s == nil {
			continue
		}
		readable, err := d.reread(ctx, s, q, &h)
		if err != nil {
			return nil, err
		}
		if !readable {
			continue
		}
		if last.ID != h.Ticket.ID {
			h.Ticket, h.Number = last, h.Ticket.Number
		}
		h.Ticket = d.shown(a, h.Ticket)
		if i, there := places[last.ID]; there {
			if h.Number == "" { // prefer the hit in the ticket itself to one in a merged ticket
				kept[i] = h
			}
			continue
		}
		places[last.ID] = len(kept)
		kept = append(kept, h)
	}
	if !q.Best { // newest first by the tickets that are shown, not by those that were found
		order := Query{Order: OrderNewestFirst}
		slices.SortStableFunc(kept, func(x, y Hit) int { return order.PlaceOf(&x.Ticket).Compare(order.PlaceOf(&y.Ticket)) })
	}
	return kept, nil
}

// leadsTo returns the ticket that a hit leads to, and the actor's share of the ticket
// that was found; nil: nothing.
func (d *Desk) leadsTo(ctx context.Context, a Actor, q Query, t Ticket) (Ticket, *share, error) {
	if a.Role != RoleRequester || q.Organisation != "" || a.RoleOn(t) != 0 {
		if !d.cfg.Policy.MaySee(a, t) {
			return t, nil, nil
		}
		last, err := d.follow(ctx, a, t)
		return last, d.share(a, t), err
	}
	last, err := d.followPart(ctx, a, t)
	if err != nil || last.ID == t.ID {
		return t, nil, err
	}
	shares, err := d.shares(ctx, a, last)
	if i := slices.IndexFunc(shares, func(s *share) bool { return s.ticket.ID == t.ID }); err == nil && i >= 0 {
		return last, shares[i], nil
	}
	return t, nil, err
}

// reread searches the part of a ticket that a customer may read, if the store
// searched more: the ticket was another customer's before, or the words may be in
// somebody's status link. It cuts the snippet from there.
func (d *Desk) reread(ctx context.Context, s *share, q SearchQuery, h *Hit) (readable bool, err error) {
	linked := !s.whole && (d.cfg.StatusLinks.mayBegin(q.Text) || d.cfg.StatusLinks.mayBegin(h.Snippet.Text))
	if whole, err := s.readsAll(ctx); whole && !linked || err != nil {
		return whole, err
	}
	terms := words.Parse(q.Text)
	missing := slices.Clone(terms)
	var texts []string // each has a word that no earlier one has, so there are few
	look := func(text string) {
		n := len(missing)
		missing = slices.DeleteFunc(missing, func(t words.Term) bool { return words.Match([]words.Term{t}, text) })
		if len(missing) < n {
			texts = append(texts, text)
		}
	}
	d.read(ctx, d.thread([]*share{s}, false), func(e Event, _ *share, failed error) bool {
		err = failed
		look(string(e.Message))
		return len(missing) > 0
	})
	look(d.cfg.StatusLinks.cutTokens(h.Ticket.Subject))
	if err != nil || len(missing) > 0 {
		return false, err
	}
	text, marks := words.Snippet(terms, texts...)
	h.Snippet = Snippet{Text: text}
	for _, at := range marks {
		h.Snippet.Marks = append(h.Snippet.Marks, [2]int{at[0], at[1]})
	}
	return true, nil
}

// named returns the ticket whose number or ID is the text, if it matches the query:
// the ticket need not contain the text.
func (d *Desk) named(ctx context.Context, a Actor, q SearchQuery) ([]Hit, error) {
	t, err := d.find(ctx, a, q.Text)
	switch {
	case errors.Is(err, ErrMistyped) || isNotFound(err):
		return nil, nil
	case err != nil:
		return nil, err
	case !q.Match(&t):
		return nil, nil
	}
	n := string(t.Number)
	return []Hit{{Ticket: d.shown(a, t), Snippet: Snippet{Text: n, Marks: [][2]int{{0, len(n)}}}}}, nil
}

// unsupported names the feature that a store lacks. It returns other errors as they
// are.
func unsupported(what string, err error) error {
	if !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return fmt.Errorf("ticket: the store has no %s: %w", what, err)
}

// countsAction is the action in a refusal of [Desk.Counts].
const countsAction ActionName = "counts"

// Counts returns the number of tickets that are not done, without merged ones, by
// queue, level and status, sorted in that order. A system gets all of the tenant. An
// agent gets those of the queues it serves (see [Actor.ServesQueue]) and those
// without a queue. Customers get [ErrRefused].
//
// It counts without reading tickets, so it does not ask the policy. If your policy
// hides tickets within a queue from agents who serve it, those agents still see
// their number.
//
// A store that cannot count returns [errors.ErrUnsupported].
func (d *Desk) Counts(ctx context.Context, a Actor) ([]Count, error) {
	if err := d.checkStaff(&a, countsAction); err != nil {
		return nil, err
	}
	s, ok := d.store.(Counter)
	if !ok {
		return nil, unsupported("counts", errors.ErrUnsupported)
	}
	all, err := s.Counts(ctx, a.Tenant)
	if err != nil {
		return nil, unsupported("counts", err)
	}
	kept := all[:0]
	for _, c := range all {
		if a.Role&RoleSystem != 0 || a.ServesQueue(c.Queue) {
			kept = append(kept, c)
		}
	}
	return kept, nil
}
