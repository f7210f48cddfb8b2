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

// SearchQuery asks for tickets by their words.
type SearchQuery struct {
	Query // which tickets, and how many at most; no Order and no After

	// Text is the words to look for: all of them must stand in the ticket, in any
	// place and order, in any case. "prin*", of three symbols or more before the
	// asterisk, stands for every word that begins so. A word is a run of letters
	// and digits; of scripts that are written without blanks, each symbol is one.
	// Accents do not count. Of more than 16 words, the first 16 do.
	Text string

	// Best asks for the best matches first, those with the words in the subject
	// above all, of the newest tickets that match; how many these are is up to the
	// store. Default: the newest tickets first.
	Best bool

	// Notes are looked at too. Set by the desk: true for agents and systems.
	Notes bool
}

// maxSearch bounds SearchQuery.Text, in bytes.
const maxSearch = 1000

// Check reports a search that makes no sense as an [*InvalidError]: an order, a
// cursor, text that is no text, is longer than 1000 bytes or has no word in it.
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
	Snippet Snippet // where the words stand
	// Number is the number under which the words stand, where that is one of a
	// ticket that was merged into this one. Stores leave it empty.
	Number Number
}

// Snippet is a piece of text with the places in it that matched.
type Snippet struct {
	Text  string
	Marks []Mark // in order, not overlapping
}

// Mark is a place in a [Snippet]: Text[From:To].
type Mark struct{ From, To int }

// HTML returns the snippet as safe HTML, with what matched in <mark> elements. For
// html/template it is a template.HTML, or it is escaped once more.
func (s Snippet) HTML() string {
	var b strings.Builder
	at := 0
	for _, m := range s.Marks {
		b.WriteString(html.EscapeString(s.Text[at:m.From]))
		b.WriteString("<mark>")
		b.WriteString(html.EscapeString(s.Text[m.From:m.To]))
		b.WriteString("</mark>")
		at = m.To
	}
	b.WriteString(html.EscapeString(s.Text[at:]))
	return b.String()
}

// Search returns the tickets in which all the words of q.Text stand, of those
// that match and that the actor may see, with where they stand: the newest
// first, or with q.Best the best. A customer finds in its own tickets what it can
// read there, what colleagues said in those that were merged into them included;
// agents and systems find in notes too. What stands in a ticket that
// was merged into another one leads to that one, where the actor sees it, and each
// ticket is there once; the conditions of the query are about the ticket in which
// the words stand. Where the policy hides some, or several are one, there may be
// fewer than the limit, though more match. Text that is a number or an ID, spelt as
// [Desk.Find] takes it, finds that ticket as well, before all others, with the
// number for a snippet.
//
// Text without a word, an order, a cursor, and what [Desk.List] refuses are
// [ErrInvalid]. A store that cannot search gives [errors.ErrUnsupported]. What
// was committed a moment ago may be found a moment later only, see [Maintainer].
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
	if org := a.Person.Organisation; err == nil && a.Role == RoleRequester && org != "" && !q.NotMerged && !d.cfg.MergeSameRequester {
		// What a colleague said in a ticket that was merged into one of the actor's.
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

// found turns what a store found into what the actor gets.
func (d *Desk) found(ctx context.Context, a Actor, q SearchQuery, hits []Hit) ([]Hit, error) {
	kept := hits[:0]
	places := map[ID]int{}
	for _, h := range hits {
		last, s, err := d.leadsTo(ctx, a, h.Ticket)
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
			if h.Number == "" { // its own words are told rather than others'
				kept[i] = h
			}
			continue
		}
		places[last.ID] = len(kept)
		kept = append(kept, h)
	}
	if !q.Best { // by the tickets they lead to
		order := Query{Order: OrderNewestFirst}
		slices.SortStableFunc(kept, func(x, y Hit) int { return order.PlaceOf(&x.Ticket).Compare(order.PlaceOf(&y.Ticket)) })
	}
	return kept, nil
}

// leadsTo returns the ticket that a hit leads to, and what the actor may read of the
// one that was found; nil: nothing.
func (d *Desk) leadsTo(ctx context.Context, a Actor, t Ticket) (Ticket, *share, error) {
	if a.Role != RoleRequester || a.RoleOn(t) != 0 {
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

// reread looks for the words of a search in what a customer may read, where that
// is not all that the store looked at: the ticket was another customer's before, or
// somebody's status link may stand where the words were found. It cuts the snippet
// from there.
func (d *Desk) reread(ctx context.Context, s *share, q SearchQuery, h *Hit) (readable bool, err error) {
	linked := !s.whole && (d.cfg.StatusLinks.mayBegin(q.Text) || d.cfg.StatusLinks.mayBegin(h.Snippet.Text))
	if whole, err := s.readsAll(ctx); whole && !linked || err != nil {
		return whole, err
	}
	terms := words.Parse(q.Text)
	missing := slices.Clone(terms)
	var texts []string // with a word that no earlier one has, so they are few
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
		h.Snippet.Marks = append(h.Snippet.Marks, Mark{From: at[0], To: at[1]})
	}
	return true, nil
}

// named returns the ticket that the text is the number or ID of, if it is one of
// those asked for: the text need not stand in it.
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
	return []Hit{{Ticket: d.shown(a, t), Snippet: Snippet{Text: n, Marks: []Mark{{0, len(n)}}}}}, nil
}

// unsupported says what it is that a store does not do. Other errors stay what
// they are.
func unsupported(what string, err error) error {
	if !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return fmt.Errorf("ticket: the store has no %s: %w", what, err)
}

// countsAction is what a refusal of [Desk.Counts] is about.
const countsAction ActionName = "counts"

// Counts returns how many tickets are not done, those that were merged into
// another one left out, by queue, level and status, sorted in that order: all of the tenant for a system, those of the queues it
// serves (see [Actor.ServesQueue]) for an agent, tickets without a queue
// included. For customers there are none: [ErrRefused].
//
// It counts without reading tickets, so the policy is not asked: a host whose
// policy hides tickets within a queue from those who serve it shows them their
// number.
//
// A store that cannot count gives [errors.ErrUnsupported].
func (d *Desk) Counts(ctx context.Context, a Actor) ([]Count, error) {
	if err := d.checkActor(&a); err != nil {
		return nil, err
	}
	if a.Role&(RoleAgent|RoleSystem) == 0 {
		return nil, &RefusedError{Action: countsAction, Role: a.Role, Why: whyRole, Detail: "not for customers", By: RoleAgent | RoleSystem}
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
