package memstore

import (
	"cmp"
	"context"
	"slices"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/internal/words"
)

var (
	_ ticket.Searcher = (*Store)(nil)
	_ ticket.Counter  = (*Store)(nil)
)

// newest is how many matches a search with Best ranks.
const newest = 200

// A match is a ticket and the texts of it that the search may read.
type match struct {
	record
	texts []string
	score int
}

// Search returns the tickets that contain the words; see [ticket.Searcher]. It
// visits every ticket. From the newest on, it searches the texts of those that meet
// the other conditions, until it has enough. With Best it ranks the newest 200
// matches.
func (s *Store) Search(ctx context.Context, q ticket.SearchQuery) ([]ticket.Hit, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := q.Check(); err != nil {
		return nil, err
	}
	terms := words.Parse(q.Text)
	enough := q.PageSize()
	if q.Best {
		enough = newest
	}
	var found []match
	for _, r := range s.candidates(q.Query) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		m := match{record: r, texts: texts(&r, q.Notes)}
		if !words.Match(terms, m.texts...) {
			continue
		}
		if q.Best {
			last := len(m.texts) - 1
			m.score = words.Score(terms, m.texts[last], m.texts[:last]...)
		}
		if found = append(found, m); len(found) == enough {
			break
		}
	}
	if q.Best {
		slices.SortStableFunc(found, func(a, b match) int { return cmp.Compare(b.score, a.score) })
		found = found[:min(len(found), q.PageSize())]
	}
	hits := make([]ticket.Hit, len(found))
	for i, m := range found {
		text, marks := words.Snippet(terms, m.texts...)
		hits[i] = ticket.Hit{Ticket: m.ticket.Clone(), Snippet: ticket.Snippet{Text: text}}
		for _, at := range marks {
			hits[i].Snippet.Marks = append(hits[i].Snippet.Marks, [2]int{at[0], at[1]})
		}
	}
	return hits, nil
}

// candidates returns the tickets that meet the query, whatever their words, newest first.
func (s *Store) candidates(q ticket.Query) []record {
	var list []record
	for i := range s.tickets {
		d := &s.tickets[i]
		d.mu.RLock()
		for _, r := range d.records {
			if q.Match(r.ticket) {
				list = append(list, *r)
			}
		}
		d.mu.RUnlock()
	}
	q.Order = ticket.OrderNewestFirst
	slices.SortFunc(list, func(a, b record) int { return q.PlaceOf(a.ticket).Compare(q.PlaceOf(b.ticket)) })
	return list
}

// texts returns the texts to search, in the order of preference for snippets: the
// messages from the beginning, what is published, and the subject last.
func texts(r *record, notes bool) []string {
	var list []string
	for _, e := range r.events {
		if e.Message != "" {
			list = append(list, string(e.Message))
		}
		if notes && e.Note != "" {
			list = append(list, string(e.Note))
		}
	}
	if k := &r.ticket.Known; !k.IsZero() {
		list = append(list, k.Title, string(k.Text))
	}
	return append(list, r.ticket.Subject)
}

// Counts returns how many tickets are not done; see [ticket.Counter]. It visits
// every ticket.
func (s *Store) Counts(ctx context.Context, tenant string) ([]ticket.Count, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	n := map[ticket.Count]int{} // with N = 0 in the keys
	for i := range s.tickets {
		d := &s.tickets[i]
		d.mu.RLock()
		for _, r := range d.records {
			if t := r.ticket; t.Tenant == tenant && !t.Phase.Done() && t.MergedInto.IsZero() {
				n[ticket.Count{Queue: t.Queue, Level: t.Level, Status: t.Status}]++
			}
		}
		d.mu.RUnlock()
	}
	counts := make([]ticket.Count, 0, len(n))
	for c, times := range n {
		c.N = times
		counts = append(counts, c)
	}
	slices.SortFunc(counts, func(a, b ticket.Count) int {
		return cmp.Or(cmp.Compare(a.Queue, b.Queue), cmp.Compare(a.Level, b.Level), cmp.Compare(a.Status, b.Status))
	})
	return counts, nil
}

// Count returns how many tickets match; see [ticket.Counter]. It visits every ticket.
func (s *Store) Count(ctx context.Context, q ticket.Query, limit int) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if err := q.Check(); err != nil {
		return 0, err
	}
	n := 0
	for i := range s.tickets {
		d := &s.tickets[i]
		d.mu.RLock()
		for _, r := range d.records {
			if n < limit && q.Match(r.ticket) {
				n++
			}
		}
		d.mu.RUnlock()
	}
	return n, nil
}
