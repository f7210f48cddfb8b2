package storetest

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/ticketkit/ticket"
)

// proposing returns a fault: Candidates calls the given function with the correct store.
func proposing(find func(ctx context.Context, s ticket.Suggester, q ticket.CandidateQuery) (ticket.Candidates, error)) func(*faulty) {
	return func(f *faulty) {
		s := f.Store.(ticket.Suggester)
		f.candidates = func(ctx context.Context, q ticket.CandidateQuery) (ticket.Candidates, error) { return find(ctx, s, q) }
	}
}

// proposed returns a fault in the result of Candidates.
func proposed(change func(q ticket.CandidateQuery, found *ticket.Candidates)) func(*faulty) {
	return proposing(func(ctx context.Context, s ticket.Suggester, q ticket.CandidateQuery) (ticket.Candidates, error) {
		found, err := s.Candidates(ctx, q)
		if err == nil {
			change(q, &found)
		}
		return found, err
	})
}

// wanting returns a fault: Candidates changes the query first.
func wanting(change func(q *ticket.CandidateQuery)) func(*faulty) {
	return proposing(func(ctx context.Context, s ticket.Suggester, q ticket.CandidateQuery) (ticket.Candidates, error) {
		change(&q)
		return s.Candidates(ctx, q)
	})
}

var candidateFaults = []fault{
	{"proposes tickets with all of the words only", "Candidates/words", proposed(func(q ticket.CandidateQuery, found *ticket.Candidates) {
		if slices.Contains(found.With, 0) && !q.Known && found.Total == 2 && !slices.Contains(q.Words, "oil") {
			found.List = nil
		}
	})},
	{"does not fold accents of proposals", "Candidates/words", proposed(func(q ticket.CandidateQuery, found *ticket.Candidates) {
		if slices.Contains(q.Words, "apfel") {
			found.List = nil
		}
	})},
	{"proposes one ticket fewer", "Candidates/limit", proposed(func(q ticket.CandidateQuery, found *ticket.Candidates) {
		if slices.Contains(q.Words, "same") && len(found.List) == q.Limit {
			found.List = found.List[1:]
		}
	})},
	{"proposes one ticket more", "Candidates/limit", proposing(func(ctx context.Context, s ticket.Suggester, q ticket.CandidateQuery) (ticket.Candidates, error) {
		if q.Check() == nil && slices.Contains(q.Words, "same") {
			q.Limit = min(q.Limit+1, 500)
		}
		return s.Candidates(ctx, q)
	})},
	{"proposes whatever it meets first", "Candidates/rarest", proposing(func(ctx context.Context, s ticket.Suggester, q ticket.CandidateQuery) (ticket.Candidates, error) {
		if q.Check() != nil || !slices.Contains(q.Words, "fifth") {
			return s.Candidates(ctx, q)
		}
		all := q
		all.Limit = 500
		found, err := s.Candidates(ctx, all)
		slices.SortFunc(found.List, func(a, b ticket.Candidate) int { return a.Ticket.Compare(b.Ticket) })
		found.List = found.List[:min(len(found.List), q.Limit)]
		return found, err
	})},
	{"proposes open tickets", "Candidates/terms", func(f *faulty) {
		s := f.Store
		var mu sync.Mutex
		var open []ticket.Candidate
		f.commit = func(ctx context.Context, c ticket.Commit) error {
			err := s.Commit(ctx, c)
			mu.Lock()
			defer mu.Unlock()
			for _, ch := range c.Changes {
				if ch.Expect == 0 && ch.Ticket.Phase == ticket.PhaseReceived && len(c.Changes) == 6 {
					open = append(open, ticket.Candidate{Ticket: ch.Ticket.ID, Terms: []byte{1}})
				}
			}
			return err
		}
		f.candidates = func(ctx context.Context, q ticket.CandidateQuery) (ticket.Candidates, error) {
			found, err := s.(ticket.Suggester).Candidates(ctx, q)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				found.List = append(found.List, open...)
			}
			return found, err
		}
	}},
	{"proposes a ticket for each word", "Candidates/terms", proposed(func(q ticket.CandidateQuery, found *ticket.Candidates) {
		if len(found.List) == 2 && slices.Contains(q.Words, "words") {
			found.List = append(found.List, found.List[0])
		}
	})},
	{"keeps terms without labels", "Candidates/terms", proposed(func(q ticket.CandidateQuery, found *ticket.Candidates) {
		for i := range found.List {
			if slices.Contains(q.Words, "common") {
				found.List[i].Terms = found.List[i].Terms[:9]
			}
		}
	})},
	{"finds known problems by all words of the ticket", "Candidates/known problems", proposing(func(ctx context.Context, s ticket.Suggester, q ticket.CandidateQuery) (ticket.Candidates, error) {
		if q.Known && slices.Contains(q.Words, "secret") {
			q.Known = false
		}
		return s.Candidates(ctx, q)
	})},
	{"keeps what was withdrawn", "Candidates/known problems", func(f *faulty) {
		s := f.Store
		var mu sync.Mutex
		var before ticket.Candidates
		f.candidates = func(ctx context.Context, q ticket.CandidateQuery) (ticket.Candidates, error) {
			found, err := s.(ticket.Suggester).Candidates(ctx, q)
			mu.Lock()
			defer mu.Unlock()
			if q.Known && err == nil && slices.Contains(q.Words, "white") {
				if len(found.List) > 0 {
					before = found
				}
				return before, nil
			}
			return found, err
		}
	}},
	{"counts what it returns", "Candidates/totals", proposed(func(q ticket.CandidateQuery, found *ticket.Candidates) { found.Total = len(found.List) })},
	{"counts words of open tickets", "Candidates/totals", proposed(func(q ticket.CandidateQuery, found *ticket.Candidates) {
		if i := slices.Index(q.Words, "loud"); i >= 0 && !q.Known {
			found.With[i]++
		}
	})},
	{"counts how often a word occurs", "Candidates/totals", proposed(func(q ticket.CandidateQuery, found *ticket.Candidates) {
		if i := slices.Index(q.Words, "oil"); i >= 0 && found.With[i] > 0 {
			found.With[i] += 2
		}
	})},
	{"proposes as of the last Maintain but one", "Candidates/fresh", func(f *faulty) {
		s := f.Store.(ticket.Suggester)
		var mu sync.Mutex
		kept := map[string]ticket.Candidates{}
		f.candidates = func(ctx context.Context, q ticket.CandidateQuery) (ticket.Candidates, error) {
			found, err := s.Candidates(ctx, q)
			mu.Lock()
			defer mu.Unlock()
			if err == nil && strings.HasPrefix(strings.Join(q.Words, " "), "later") {
				before, known := kept[q.Words[0]]
				kept[q.Words[0]] = found
				if known {
					return before, nil
				}
			}
			return found, err
		}
	}},
	{"counts commits at once as one", "Candidates/fresh after commits at once", proposed(func(q ticket.CandidateQuery, found *ticket.Candidates) {
		if found.Total == 40 {
			found.Total--
		}
	})},
	{"proposes regardless of the case of tenants", "Candidates/tenants", wanting(func(q *ticket.CandidateQuery) { q.Tenant = strings.ToLower(q.Tenant) })},
	{"counts words of all tenants", "Candidates/tenants", proposed(func(q ticket.CandidateQuery, found *ticket.Candidates) {
		if q.Tenant != acme {
			found.With[0] += 7
		}
	})},
	{"hands out its own terms", "Candidates/copies", func(f *faulty) {
		s := f.Store.(ticket.Suggester)
		var mu sync.Mutex
		kept := map[ticket.ID][]byte{}
		f.candidates = func(ctx context.Context, q ticket.CandidateQuery) (ticket.Candidates, error) {
			found, err := s.Candidates(ctx, q)
			mu.Lock()
			defer mu.Unlock()
			for i := range found.List {
				c := &found.List[i]
				if old, ok := kept[c.Ticket]; ok && len(q.Words) == 1 && len(old) == len(c.Terms) && found.Total == 1 && q.Words[0] == "printer" {
					c.Terms = old
				} else {
					kept[c.Ticket] = c.Terms
				}
			}
			return found, err
		}
	}},
	{"clamps limits of candidates", "Candidates/invalid", wanting(func(q *ticket.CandidateQuery) { q.Limit = min(max(q.Limit, 1), 500) })},
	{"takes words that are not folded", "Candidates/invalid", wanting(func(q *ticket.CandidateQuery) {
		for i, w := range q.Words {
			q.Words[i] = strings.ToLower(w)
		}
	})},
	{"drops words above the limit", "Candidates/invalid", wanting(func(q *ticket.CandidateQuery) { q.Words = q.Words[:min(len(q.Words), 256)] })},
	{"proposes in spite of the context", "Candidates/cancelled", proposing(func(ctx context.Context, s ticket.Suggester, q ticket.CandidateQuery) (ticket.Candidates, error) {
		return s.Candidates(context.WithoutCancel(ctx), q)
	})},

	{"does not search what is published", "Search/known problems", hitting(func(q ticket.SearchQuery, hits []ticket.Hit) []ticket.Hit {
		if strings.Contains(q.Text, "fuser") {
			return without(hits, func(t *ticket.Ticket) bool { return t.Known.Title != "" })
		}
		return hits
	})},
	{"searches what was withdrawn", "Search/known problems", seeking(func(ctx context.Context, s ticket.Searcher, q ticket.SearchQuery) ([]ticket.Hit, error) {
		if q.Text == "roller" && !q.Known {
			q.Text = "opening"
		}
		return s.Search(ctx, q)
	})},
	{"lists tickets about which nothing is published", "List/match", asking(func(q *ticket.Query) { q.Known = false })},
	{"lists tickets whatever solved them", "List/match", asking(func(q *ticket.Query) { q.SolvedBy = ticket.ID{} })},
	{"finds tickets about which nothing is published", "Search/match", sought(func(q *ticket.SearchQuery) {
		if q.Text != "roller" {
			q.Known = false
		}
	})},
	{"counts tickets whatever solved them", "Count/match", countingOf(func(q *ticket.Query, _ *int) { q.SolvedBy = ticket.ID{} })},
	{"lists what was withdrawn", "List/known problems", func(f *faulty) {
		s := f.Store
		var mu sync.Mutex
		seen := map[string]ticket.Page{}
		f.list = func(ctx context.Context, q ticket.Query) (ticket.Page, error) {
			p, err := s.List(ctx, q)
			mu.Lock()
			defer mu.Unlock()
			if err == nil && q.Known && q.Limit == 0 && q.After == "" && q.Status == nil {
				if len(p.Tickets) == 0 {
					return seen[string(q.Order)], nil
				}
				seen[string(q.Order)] = p
			}
			return p, err
		}
	}},
}
