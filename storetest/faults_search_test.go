package storetest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/memstore"
)

// seeking returns a fault: Search calls the given function with the correct store.
func seeking(search func(ctx context.Context, s ticket.Searcher, q ticket.SearchQuery) ([]ticket.Hit, error)) func(*faulty) {
	return func(f *faulty) {
		s := f.Store.(ticket.Searcher)
		f.search = func(ctx context.Context, q ticket.SearchQuery) ([]ticket.Hit, error) { return search(ctx, s, q) }
	}
}

// sought returns a fault: Search changes the query first.
func sought(change func(q *ticket.SearchQuery)) func(*faulty) {
	return seeking(func(ctx context.Context, s ticket.Searcher, q ticket.SearchQuery) ([]ticket.Hit, error) {
		change(&q)
		return s.Search(ctx, q)
	})
}

// hitting returns a fault in the result of Search.
func hitting(change func(q ticket.SearchQuery, hits []ticket.Hit) []ticket.Hit) func(*faulty) {
	return seeking(func(ctx context.Context, s ticket.Searcher, q ticket.SearchQuery) ([]ticket.Hit, error) {
		hits, err := s.Search(ctx, q)
		if err == nil {
			hits = change(q, hits)
		}
		return hits, err
	})
}

// indexing returns a fault in the data of Search and Counts: every commit goes through change
// into a second store, if change returns true.
func indexing(change func(ch *ticket.Change) bool) func(*faulty) {
	return func(f *faulty) {
		s, index := f.Store, memstore.New()
		f.commit = func(ctx context.Context, c ticket.Commit) error {
			if err := s.Commit(ctx, c); err != nil {
				return err
			}
			for _, ch := range c.Changes {
				copied := ticket.Change{Expect: ch.Expect, Ticket: ch.Ticket.Clone()}
				for i := range ch.Events {
					copied.Events = append(copied.Events, ch.Events[i].Clone())
				}
				if change(&copied) {
					_ = index.Commit(ctx, ticket.Commit{Changes: []ticket.Change{copied}})
				}
			}
			return nil
		}
		f.search, f.counts = index.Search, index.Counts
	}
}

func without(hits []ticket.Hit, drop func(t *ticket.Ticket) bool) []ticket.Hit {
	return slices.DeleteFunc(hits, func(h ticket.Hit) bool { return drop(&h.Ticket) })
}

func found(hits []ticket.Hit, id ticket.ID) bool {
	return slices.ContainsFunc(hits, func(h ticket.Hit) bool { return h.Ticket.ID == id })
}

var searchFaults = []fault{
	{"ignores words that do not occur", "Search/words", seeking(func(ctx context.Context, s ticket.Searcher, q ticket.SearchQuery) ([]ticket.Hit, error) {
		if q.Check() != nil || strings.Contains(q.Text, "*") {
			return s.Search(ctx, q)
		}
		var known []string
		for w := range strings.FieldsSeq(q.Text) {
			one := q
			one.Text, one.Notes = w, true
			if hits, err := s.Search(ctx, one); err != nil || len(hits) > 0 {
				known = append(known, w)
			}
		}
		if len(known) > 0 {
			q.Text = strings.Join(known, " ")
		}
		return s.Search(ctx, q)
	})},
	{"finds parts of words", "Search/words", func(f *faulty) {
		s := f.Store
		f.search = func(ctx context.Context, q ticket.SearchQuery) ([]ticket.Hit, error) {
			hits, err := s.(ticket.Searcher).Search(ctx, q)
			if err != nil {
				return hits, err
			}
			p, err := s.List(ctx, q.Query)
			for _, t := range p.Tickets {
				if !found(hits, t.ID) && strings.Contains(t.Subject, q.Text) {
					hits = append(hits, ticket.Hit{Ticket: t})
				}
			}
			return hits, err
		}
	}},
	{"finds no capitals", "Search/words", hitting(func(q ticket.SearchQuery, hits []ticket.Hit) []ticket.Hit {
		if !strings.Contains(q.Text, "*") && strings.ContainsAny(q.Text, "PST") {
			return nil
		}
		return hits
	})},
	{"accepts a prefix of two characters", "Search/prefix", sought(func(q *ticket.SearchQuery) {
		if q.Text == "pr*" {
			q.Text = "pri*"
		}
	})},
	{"does not take a whole word for its prefix", "Search/prefix", seeking(func(ctx context.Context, s ticket.Searcher, q ticket.SearchQuery) ([]ticket.Hit, error) {
		hits, err := s.Search(ctx, q)
		if word, ok := strings.CutSuffix(q.Text, "*"); ok && err == nil {
			q.Text = word
			whole, _ := s.Search(ctx, q)
			hits = without(hits, func(t *ticket.Ticket) bool { return found(whole, t.ID) })
		}
		return hits, err
	})},
	{"distinguishes accents", "Search/what a word is", hitting(func(q ticket.SearchQuery, hits []ticket.Hit) []ticket.Hit {
		return without(hits, func(t *ticket.Ticket) bool {
			return strings.Contains(strings.ToLower(q.Text), "cafe") && strings.HasPrefix(t.Subject, "Café")
		})
	})},
	{"takes text without a space for one word", "Search/what a word is", hitting(func(q ticket.SearchQuery, hits []ticket.Hit) []ticket.Hit {
		if q.Text == "刷" {
			return nil
		}
		return hits
	})},
	{"looks for fifteen words", "Search/sixteen words", sought(func(q *ticket.SearchQuery) {
		if words := strings.Fields(q.Text); len(words) == 20 {
			q.Text = strings.Join(words[:15], " ")
		}
	})},
	{"looks for all words", "Search/sixteen words", hitting(func(q ticket.SearchQuery, hits []ticket.Hit) []ticket.Hit {
		if len(strings.Fields(q.Text)) == 20 {
			return nil
		}
		return hits
	})},
	{"does not search solutions", "Search/where", indexing(func(ch *ticket.Change) bool {
		for i := range ch.Events {
			if ch.Events[i].Answer && ch.Events[i].Action == ticket.ActionResolve {
				ch.Events[i].Message = ""
			}
		}
		return true
	})},
	{"looks at the first event of a commit", "Search/where", indexing(func(ch *ticket.Change) bool {
		for i := range ch.Events[1:] {
			ch.Events[1+i].Message = ""
		}
		return true
	})},
	{"always searches notes", "Search/notes", sought(func(q *ticket.SearchQuery) { q.Notes = true })},
	{"never searches notes", "Search/notes", sought(func(q *ticket.SearchQuery) { q.Notes = false })},
	{"shows notes", "Search/notes", func(f *faulty) {
		s := f.Store
		f.search = func(ctx context.Context, q ticket.SearchQuery) ([]ticket.Hit, error) {
			hits, err := s.(ticket.Searcher).Search(ctx, q)
			for i := range hits {
				events, _ := s.Events(ctx, q.Tenant, hits[i].Ticket.ID, 0, 0)
				for _, e := range events {
					hits[i].Snippet.Text += string(e.Note)
				}
			}
			return hits, err
		}
	}},
	{"finds whatever the status", "Search/match", sought(func(q *ticket.SearchQuery) { q.Status = nil })},
	{"finds whatever the queue", "Search/match", sought(func(q *ticket.SearchQuery) { q.Queue = nil })},
	{"ignores the participant in a search", "Search/match", sought(func(q *ticket.SearchQuery) { q.Participant = ticket.Person{} })},
	{"finds whatever the tags", "Search/match", sought(func(q *ticket.SearchQuery) { q.Tags = nil })},
	{"finds whatever the fields", "Search/match", sought(func(q *ticket.SearchQuery) { q.Fields = nil })},
	{"finds whatever the time", "Search/match", sought(func(q *ticket.SearchQuery) { q.TouchedBefore = time.Time{} })},
	{"has tied hits forwards", "Search/order", hitting(func(q ticket.SearchQuery, hits []ticket.Hit) []ticket.Hit {
		if !q.Best {
			slices.SortFunc(hits, func(a, b ticket.Hit) int {
				return cmp.Or(b.Ticket.Created.Compare(a.Ticket.Created), a.Ticket.ID.Compare(b.Ticket.ID))
			})
		}
		return hits
	})},
	{"finds all where no limit is given", "Search/limit", sought(func(q *ticket.SearchQuery) {
		if q.Limit == 0 {
			q.Limit = ticket.MaxLimit
		}
	})},
	{"finds the oldest", "Search/limit", seeking(func(ctx context.Context, s ticket.Searcher, q ticket.SearchQuery) ([]ticket.Hit, error) {
		if q.Check() != nil {
			return s.Search(ctx, q)
		}
		n := q.PageSize()
		q.Limit = ticket.MaxLimit
		hits, err := s.Search(ctx, q)
		return hits[max(0, len(hits)-n):], err
	})},
	{"finds all of the best", "Search/limit", sought(func(q *ticket.SearchQuery) {
		if q.Best {
			q.Limit = ticket.MaxLimit
		}
	})},
	{"ignores Best", "Search/best", sought(func(q *ticket.SearchQuery) { q.Best = false })},
	{"has the best first always", "Search/best", seeking(func(ctx context.Context, s ticket.Searcher, q ticket.SearchQuery) ([]ticket.Hit, error) {
		if strings.Contains(q.Text, "jam") {
			q.Best = true
		}
		return s.Search(ctx, q)
	})},
	{"finds tickets without followers", "Search/whole tickets", hitting(func(_ ticket.SearchQuery, hits []ticket.Hit) []ticket.Hit {
		for i := range hits {
			hits[i].Ticket.Followers = nil
		}
		return hits
	})},
	{"marks nothing", "Search/snippet", hitting(func(q ticket.SearchQuery, hits []ticket.Hit) []ticket.Hit {
		for i := range hits {
			if !q.Notes {
				hits[i].Snippet.Marks = nil
			}
		}
		return hits
	})},
	{"marks the first place", "Search/snippet", hitting(func(_ ticket.SearchQuery, hits []ticket.Hit) []ticket.Hit {
		for i := range hits {
			hits[i].Snippet.Marks = hits[i].Snippet.Marks[:1]
		}
		return hits
	})},
	{"counts marks in characters", "Search/snippet", hitting(func(_ ticket.SearchQuery, hits []ticket.Hit) []ticket.Hit {
		for i, h := range hits {
			for j, m := range h.Snippet.Marks {
				from, to := len([]rune(h.Snippet.Text[:m[0]])), len([]rune(h.Snippet.Text[:m[1]]))
				hits[i].Snippet.Marks[j] = [2]int{from, to}
			}
		}
		return hits
	})},
	{"shows all of a text", "Search/snippet", hitting(func(_ ticket.SearchQuery, hits []ticket.Hit) []ticket.Hit {
		for i := range hits {
			if hits[i].Ticket.Subject == "Long" {
				hits[i].Snippet.Text += strings.Repeat(" and so on", 100)
			}
		}
		return hits
	})},
	{"cuts snippets within a character", "Search/snippet", hitting(func(_ ticket.SearchQuery, hits []ticket.Hit) []ticket.Hit {
		for i := range hits {
			hits[i].Snippet.Text += "\xc3"
		}
		return hits
	})},
	{"looks at new tickets only", "Search/fresh", func(f *faulty) {
		counts := f.Store.(ticket.Counter).Counts
		indexing(func(ch *ticket.Change) bool { return ch.Expect == 0 })(f)
		f.counts = counts
	}},
	{"keeps old subjects", "Search/fresh", func(f *faulty) {
		s := f.Store
		var mu sync.Mutex
		subjects := map[ticket.ID]string{}
		f.commit = func(ctx context.Context, c ticket.Commit) error {
			mu.Lock()
			defer mu.Unlock()
			for _, ch := range c.Changes {
				if ch.Expect == 0 {
					subjects[ch.Ticket.ID] = ch.Ticket.Subject
				}
			}
			return s.Commit(ctx, c)
		}
		f.search = func(ctx context.Context, q ticket.SearchQuery) ([]ticket.Hit, error) {
			hits, err := s.(ticket.Searcher).Search(ctx, q)
			mu.Lock()
			defer mu.Unlock()
			for id, subject := range subjects {
				if t, none := s.Ticket(ctx, q.Tenant, id); none == nil && err == nil && strings.EqualFold(subject, q.Text) && !found(hits, id) {
					hits = append(hits, ticket.Hit{Ticket: t})
				}
			}
			return hits, err
		}
	}},
	{"finds the first version of tickets", "Search/fresh", func(f *faulty) {
		s, opened := f.Store, &register{}
		f.commit = func(ctx context.Context, c ticket.Commit) error {
			for _, ch := range c.Changes {
				if ch.Expect == 0 {
					opened.put(ch.Ticket.ID, ch.Ticket.Clone())
				}
			}
			return s.Commit(ctx, c)
		}
		f.search = func(ctx context.Context, q ticket.SearchQuery) ([]ticket.Hit, error) {
			hits, err := s.(ticket.Searcher).Search(ctx, q)
			for i := range hits {
				if t, ok := opened.get(hits[i].Ticket.ID); ok {
					old := t.(ticket.Ticket)
					hits[i].Ticket = old.Clone()
				}
			}
			return hits, err
		}
	}},
	{"misses late commits", "Search/fresh after commits at once", func(f *faulty) {
		s := f.Store
		var mu sync.Mutex
		begun, mark := 0, 0
		committed, indexed := map[int]ticket.ID{}, map[ticket.ID]bool{}
		f.commit = func(ctx context.Context, c ticket.Commit) error {
			mu.Lock()
			begun += len(c.Changes)
			first := begun - len(c.Changes) + 1
			mu.Unlock()
			f.window()
			err := s.Commit(ctx, c)
			mu.Lock()
			defer mu.Unlock()
			for i, ch := range c.Changes {
				if err == nil {
					committed[first+i] = ch.Ticket.ID
				}
			}
			return err
		}
		f.maintain = func(ctx context.Context) error {
			mu.Lock()
			defer mu.Unlock()
			last := mark
			for n, id := range committed {
				if n > mark {
					indexed[id], last = true, max(last, n)
				}
			}
			mark = last
			return ctx.Err()
		}
		f.search = func(ctx context.Context, q ticket.SearchQuery) ([]ticket.Hit, error) {
			hits, err := s.(ticket.Searcher).Search(ctx, q)
			mu.Lock()
			defer mu.Unlock()
			return without(hits, func(t *ticket.Ticket) bool { return !indexed[t.ID] }), err
		}
	}},
	{"finds tenants regardless of case", "Search/tenants", seeking(func(ctx context.Context, s ticket.Searcher, q ticket.SearchQuery) ([]ticket.Hit, error) {
		hits, err := s.Search(ctx, q)
		if lower := strings.ToLower(q.Tenant); lower != q.Tenant && err == nil {
			q.Tenant = lower
			more, _ := s.Search(ctx, q)
			hits = append(hits, more...)
		}
		return hits, err
	})},
	{"returns its own data", "Search/copies", func(f *faulty) {
		s := f.Store
		var mu sync.Mutex
		kept := map[string][]ticket.Hit{}
		f.commit = func(ctx context.Context, c ticket.Commit) error {
			mu.Lock()
			defer mu.Unlock()
			clear(kept)
			return s.Commit(ctx, c)
		}
		f.search = func(ctx context.Context, q ticket.SearchQuery) ([]ticket.Hit, error) {
			mu.Lock()
			defer mu.Unlock()
			hits, ok := kept[fmt.Sprintf("%#v", q)]
			if ok && ctx.Err() == nil {
				return hits, nil
			}
			hits, err := s.(ticket.Searcher).Search(ctx, q)
			if err == nil {
				kept[fmt.Sprintf("%#v", q)] = hits
			}
			return hits, err
		}
	}},
	{"finds snoozed tickets", "Search/match", sought(func(q *ticket.SearchQuery) { q.NotSnoozed = false })},
	{"finds tickets without a missed target", "Search/match", sought(func(q *ticket.SearchQuery) { q.Missed = false })},
	{"finds tickets whatever is due", "Search/match", sought(func(q *ticket.SearchQuery) {
		if q.Check() == nil {
			q.DueBefore = time.Time{}
		}
	})},
	{"looks for no words", "Search/invalid", seeking(func(ctx context.Context, s ticket.Searcher, q ticket.SearchQuery) ([]ticket.Hit, error) {
		if q.Text == "" {
			return nil, nil
		}
		return s.Search(ctx, q)
	})},
	{"ignores orders of searches", "Search/invalid", sought(func(q *ticket.SearchQuery) { q.Order = "" })},
	{"ignores cursors of searches", "Search/invalid", sought(func(q *ticket.SearchQuery) { q.After = "" })},
	{"clamps limits of searches", "Search/invalid", sought(func(q *ticket.SearchQuery) { q.Limit = min(max(q.Limit, 0), ticket.MaxLimit) })},
	{"cuts long text", "Search/invalid", sought(func(q *ticket.SearchQuery) { q.Text = q.Text[:min(len(q.Text), 1000)] })},
	{"searches in spite of the context", "Search/cancelled", seeking(func(ctx context.Context, s ticket.Searcher, q ticket.SearchQuery) ([]ticket.Hit, error) {
		return s.Search(context.WithoutCancel(ctx), q)
	})},
	{"maintains in spite of the context", "Search/cancelled", func(f *faulty) {
		f.maintain = func(context.Context) error { return nil }
	}},
}

// counting returns a fault in the result of Counts.
func counting(change func(counts []ticket.Count) []ticket.Count) func(*faulty) {
	return func(f *faulty) {
		s := f.Store.(ticket.Counter)
		f.counts = func(ctx context.Context, tenant string) ([]ticket.Count, error) {
			counts, err := s.Counts(ctx, tenant)
			if err == nil {
				counts = change(counts)
			}
			return counts, err
		}
	}
}

var countsFaults = []fault{
	{"sorts counts without regard to case", "Counts", counting(func(counts []ticket.Count) []ticket.Count {
		slices.SortStableFunc(counts, func(a, b ticket.Count) int { return cmp.Compare(strings.ToLower(a.Queue), strings.ToLower(b.Queue)) })
		return counts
	})},
	{"sorts counts by status", "Counts", counting(func(counts []ticket.Count) []ticket.Count {
		slices.SortStableFunc(counts, func(a, b ticket.Count) int {
			return cmp.Or(cmp.Compare(a.Queue, b.Queue), cmp.Compare(a.Status, b.Status))
		})
		return counts
	})},
	{"counts queues of another case together", "Counts", counting(func(counts []ticket.Count) []ticket.Count {
		var out []ticket.Count
		for _, c := range counts {
			same := func(o ticket.Count) bool {
				return strings.EqualFold(o.Queue, c.Queue) && o.Level == c.Level && o.Status == c.Status
			}
			if i := slices.IndexFunc(out, same); i >= 0 {
				out[i].N += c.N
			} else {
				out = append(out, c)
			}
		}
		return out
	})},
	{"leaves out tickets without a queue", "Counts", counting(func(counts []ticket.Count) []ticket.Count {
		if len(counts) < 10 {
			return counts
		}
		return slices.DeleteFunc(counts, func(c ticket.Count) bool { return c.Queue == "" })
	})},
	{"counts done tickets", "Counts/changed", func(f *faulty) {
		search := f.Store.(ticket.Searcher).Search
		indexing(func(ch *ticket.Change) bool { return ch.Expect == 0 || !ch.Ticket.Phase.Done() })(f)
		f.search = search
	}},
	{"counts merged tickets", "Counts/changed", func(f *faulty) {
		search := f.Store.(ticket.Searcher).Search
		indexing(func(ch *ticket.Change) bool { return ch.Ticket.MergedInto.IsZero() })(f)
		f.search = search
	}},
	{"counts tickets in their first place", "Counts/changed", func(f *faulty) {
		search := f.Store.(ticket.Searcher).Search
		indexing(func(ch *ticket.Change) bool { return ch.Expect == 0 })(f)
		f.search = search
	}},
	{"counts none", "Counts/none", counting(func(counts []ticket.Count) []ticket.Count {
		if len(counts) == 0 {
			return []ticket.Count{{}}
		}
		return counts
	})},
	{"counts tenants regardless of case", "Counts/tenants", func(f *faulty) {
		s := f.Store.(ticket.Counter)
		f.counts = func(ctx context.Context, tenant string) ([]ticket.Count, error) {
			return s.Counts(ctx, strings.ToLower(tenant))
		}
	}},
	{"counts in spite of the context", "Counts/cancelled", func(f *faulty) {
		s := f.Store.(ticket.Counter)
		f.counts = func(ctx context.Context, tenant string) ([]ticket.Count, error) {
			return s.Counts(context.WithoutCancel(ctx), tenant)
		}
	}},
}
