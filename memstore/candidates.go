package memstore

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/ticketkit/ticket"
)

var _ ticket.Suggester = (*Store)(nil)

// A suggester finds tickets by their words. It is empty until the first call of Candidates,
// so that desks without suggestions pay nothing for it.
type suggester struct {
	used    atomic.Bool
	mu      sync.Mutex
	changed map[ticket.ID]struct{} // to read again
	reading sync.Mutex             // held while the tables below change
	solved  map[string]*table      // by tenant
	known   map[string]*table
}

// A table has the words of the solved tickets, or of the known problems, of one tenant.
type table struct {
	entries map[ticket.ID]entry
	having  map[string][]ticket.ID // by word, in the order they were read
}

type entry struct {
	words []string
	terms []byte
}

// note records that a ticket changes. Its drawer is locked.
func (s *suggester) note(id ticket.ID) {
	if !s.used.Load() {
		return
	}
	s.mu.Lock()
	s.changed[id] = struct{}{}
	s.mu.Unlock()
}

// Candidates returns tickets that have one of the words; see [ticket.Suggester]. Of several
// with the same rarest word, those that changed last come first. The first call reads
// every ticket, later ones those that have changed since.
func (s *Store) Candidates(ctx context.Context, q ticket.CandidateQuery) (ticket.Candidates, error) {
	if err := ctx.Err(); err != nil {
		return ticket.Candidates{}, err
	}
	if err := q.Check(); err != nil {
		return ticket.Candidates{}, err
	}
	u := &s.suggester
	u.reading.Lock()
	defer u.reading.Unlock()
	s.readChanged()
	t := u.solved[q.Tenant]
	if q.Known {
		t = u.known[q.Tenant]
	}
	found := ticket.Candidates{With: make([]int, len(q.Words))}
	if t == nil {
		return found, nil
	}
	found.Total = len(t.entries)
	order := make([]int, len(q.Words))
	for i, w := range q.Words {
		found.With[i], order[i] = len(t.having[w]), i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(found.With[a], found.With[b]) })
	taken := map[ticket.ID]bool{}
	for _, i := range order {
		for _, id := range slices.Backward(t.having[q.Words[i]]) {
			if len(found.List) == q.Limit {
				return found, nil
			}
			if !taken[id] {
				taken[id] = true
				found.List = append(found.List, ticket.Candidate{Ticket: id, Terms: slices.Clone(t.entries[id].terms)})
			}
		}
	}
	return found, nil
}

// readChanged brings the tables up to date.
func (s *Store) readChanged() {
	u := &s.suggester
	if !u.used.Load() {
		u.solved, u.known, u.changed = map[string]*table{}, map[string]*table{}, map[ticket.ID]struct{}{}
		u.used.Store(true) // from here on, commits note what they change
		for i := range s.tickets {
			d := &s.tickets[i]
			d.mu.RLock()
			for id := range d.records {
				u.note(id)
			}
			d.mu.RUnlock()
		}
	}
	u.mu.Lock()
	ids := make([]ticket.ID, 0, len(u.changed))
	for id := range u.changed {
		ids = append(ids, id)
	}
	clear(u.changed)
	u.mu.Unlock()
	slices.SortFunc(ids, ticket.ID.Compare)
	for _, id := range ids {
		d := &s.tickets[drawerOf(id)]
		d.mu.RLock()
		r := *d.records[id]
		d.mu.RUnlock()
		read(u.solved, &r, false)
		read(u.known, &r, true)
	}
}

// read puts the words of a ticket into the table of its tenant.
func read(tables map[string]*table, r *record, known bool) {
	t := tables[r.ticket.Tenant]
	if t == nil {
		t = &table{entries: map[ticket.ID]entry{}, having: map[string][]ticket.ID{}}
		tables[r.ticket.Tenant] = t
	}
	words, terms := ticket.TermsOf(*r.ticket, r.all(), known)
	t.put(r.ticket.ID, entry{words, terms})
}

// all yields the events.
func (r *record) all() iter.Seq[ticket.Event] {
	return func(yield func(ticket.Event) bool) {
		for _, e := range r.events {
			if !yield(*e) {
				return
			}
		}
	}
}

// put replaces the entry of a ticket. An entry without terms removes it.
func (t *table) put(id ticket.ID, e entry) {
	for _, w := range t.entries[id].words {
		rest := slices.DeleteFunc(t.having[w], func(o ticket.ID) bool { return o == id })
		if t.having[w] = rest; len(rest) == 0 {
			delete(t.having, w)
		}
	}
	delete(t.entries, id)
	if e.terms == nil {
		return
	}
	t.entries[id] = e
	for _, w := range e.words {
		t.having[w] = append(t.having[w], id)
	}
}
