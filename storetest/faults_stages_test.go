package storetest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/ticketkit/ticket"
)

// none reports whether the query asks for active tickets only.
func none(list []ticket.Stage) bool { return len(list) == 0 }

// atStages returns a fault in the stages of a valid query of List.
func atStages(change func(q *ticket.Query)) func(*faulty) {
	return asking(func(q *ticket.Query) {
		if q.Check() == nil {
			change(q)
		}
	})
}

// passedBy returns the stages of a ticket's earlier versions.
func passedBy(versions []ticket.Ticket) (list []ticket.Stage) {
	for _, v := range versions {
		list = append(list, v.Stage)
	}
	return list
}

var stageFaults = []fault{
	{"lists archived tickets", "Stages/listed", atStages(func(q *ticket.Query) {
		if none(q.Stage) && q.Limit == 7 {
			q.Stage = ticket.Stages()
		}
	})},
	{"lists archived tickets with a tag", "Stages/listed", atStages(func(q *ticket.Query) {
		if none(q.Stage) && len(q.Tags) > 0 && q.Limit == 0 {
			q.Stage = ticket.Stages()
		}
	})},
	{"lists archived tickets with a field", "Stages/listed", atStages(func(q *ticket.Query) {
		if none(q.Stage) && len(q.Fields) > 0 {
			q.Stage = ticket.Stages()
		}
	})},
	{"lists archived tickets of a requester", "Stages/listed", atStages(func(q *ticket.Query) {
		if none(q.Stage) && !q.Requester.IsZero() {
			q.Stage = ticket.Stages()
		}
	})},
	{"lists archived tickets of a participant", "Stages/listed", atStages(func(q *ticket.Query) {
		if none(q.Stage) && !q.Participant.IsZero() {
			q.Stage = ticket.Stages()
		}
	})},
	{"lists archived tickets of an organisation", "Stages/listed", atStages(func(q *ticket.Query) {
		if none(q.Stage) && q.Organisation != "" {
			q.Stage = ticket.Stages()
		}
	})},
	{"lists archived tickets that are due", "Stages/listed", atStages(func(q *ticket.Query) {
		if none(q.Stage) && q.Order == ticket.OrderSoonestDue && q.Metric != "" {
			q.Stage = ticket.Stages()
		}
	})},
	{"has active tickets at every stage", "Stages/listed", atStages(func(q *ticket.Query) {
		if len(q.Stage) == 1 && q.Stage[0] == ticket.StageArchived {
			q.Stage = append(q.Stage, ticket.StageActive)
		}
	})},
	{"looks at the first of two stages", "Stages/listed", atStages(func(q *ticket.Query) {
		if len(q.Stage) == 2 {
			q.Stage = q.Stage[:1]
		}
	})},
	{"takes erased for archived", "Stages/listed", atStages(func(q *ticket.Query) {
		if slices.Equal(q.Stage, []ticket.Stage{ticket.StageArchived}) {
			q.Stage = append(q.Stage, ticket.StageErased)
		}
	})},
	{"has no tickets whose words were erased", "Stages/listed", atStages(func(q *ticket.Query) {
		if len(q.Stage) == 3 {
			q.Stage = slices.DeleteFunc(slices.Clone(q.Stage), func(s ticket.Stage) bool { return s == ticket.StageWordsErased })
		}
	})},

	{"does not take archived tickets off its lists", "Stages/changed", viewing(func(t ticket.Ticket, versions []ticket.Ticket) ticket.Ticket {
		if t.Stage == ticket.StageArchived && len(versions) > 1 {
			t.Stage = versions[len(versions)-2].Stage
		}
		return t
	})},
	{"does not put reopened tickets back on its lists", "Stages/changed", viewing(func(t ticket.Ticket, versions []ticket.Ticket) ticket.Ticket {
		if passed := passedBy(versions); t.Stage == ticket.StageActive && slices.Contains(passed, ticket.StageErased) {
			t.Stage = ticket.StageErased
		}
		return t
	})},
	{"keeps a snapshot of the stages between pages", "Stages/walk", func(f *faulty) {
		s, kept := f.Store, &register{}
		type walk struct {
			tenant string
			order  ticket.Order
		}
		f.list = func(ctx context.Context, q ticket.Query) (ticket.Page, error) {
			p, err := s.List(ctx, q)
			k := walk{q.Tenant, q.Order}
			if err != nil || len(q.Stage) > 0 || q.Limit != 3 {
				return p, err
			}
			if q.After == "" {
				all := q
				all.Limit = ticket.MaxLimit
				first, _ := s.List(ctx, all)
				kept.put(k, idsOf(first.Tickets))
				return p, nil
			}
			had, ok := kept.get(k)
			if !ok {
				return p, nil
			}
			q.Stage, q.Limit = ticket.Stages(), ticket.MaxLimit
			all, err := s.List(ctx, q)
			all.Tickets = slices.DeleteFunc(all.Tickets, func(t ticket.Ticket) bool {
				return t.Stage != ticket.StageActive && !slices.Contains(had.([]ticket.ID), t.ID)
			})
			q.Limit = 3
			return q.NewPage(all.Tickets), err
		}
	}},
	{"ends a walk at an archived ticket", "Stages/walk", func(f *faulty) {
		s := f.Store
		f.list = func(ctx context.Context, q ticket.Query) (ticket.Page, error) {
			if after, continues, _ := q.Place(); continues && none(q.Stage) {
				if t, err := s.Ticket(ctx, q.Tenant, after.ID); err == nil && t.Stage != ticket.StageActive {
					return ticket.Page{}, nil
				}
			}
			return s.List(ctx, q)
		}
	}},

	{"counts archived tickets", "Stages/counted", countingOf(func(q *ticket.Query, _ *int) {
		if none(q.Stage) {
			q.Stage = ticket.Stages()
		}
	})},
	{"counts archived tickets with a tag", "Stages/counted", countingOf(func(q *ticket.Query, _ *int) {
		if none(q.Stage) && len(q.Tags) > 0 {
			q.Stage = ticket.Stages()
		}
	})},
	{"counts tickets at the first stage only", "Stages/counted", countingOf(func(q *ticket.Query, _ *int) { q.Stage = q.Stage[:min(1, len(q.Stage))] })},
	{"finds archived tickets", "Stages/searched", sought(func(q *ticket.SearchQuery) {
		if none(q.Stage) {
			q.Stage = ticket.Stages()
		}
	})},
	{"finds active tickets only", "Stages/searched", sought(func(q *ticket.SearchQuery) {
		if len(q.Stage) == 2 {
			q.Stage = nil
		}
	})},
	{"counts no ticket that was archived", "Stages/counts", func(f *faulty) {
		s, once := f.Store, &register{}
		f.commit = func(ctx context.Context, c ticket.Commit) error {
			err := s.Commit(ctx, c)
			for _, ch := range c.Changes {
				if err == nil && ch.Ticket.Stage != ticket.StageActive {
					once.put(ch.Ticket.Tenant, ch.Ticket.ID)
				}
			}
			return err
		}
		f.counts = func(ctx context.Context, tenant string) ([]ticket.Count, error) {
			counts, err := s.(ticket.Counter).Counts(ctx, tenant)
			if id, ok := once.get(tenant); ok {
				if t, err := s.Ticket(ctx, tenant, id.(ticket.ID)); err == nil && !t.Phase.Done() {
					counts = slices.DeleteFunc(counts, func(c ticket.Count) bool { return c.N == 1 && c.Status == t.Status })
				}
			}
			return counts, err
		}
	}},

	{"does not find archived tickets by ID", "Stages/other methods", func(f *faulty) {
		s := f.Store
		f.ticket = func(ctx context.Context, tenant string, id ticket.ID) (ticket.Ticket, error) {
			return notArchived(s.Ticket(ctx, tenant, id))
		}
	}},
	{"does not find archived tickets by number", "Stages/other methods", func(f *faulty) {
		s := f.Store
		f.lookup = func(ctx context.Context, tenant string, n ticket.Number) (ticket.Ticket, error) {
			return notArchived(s.Lookup(ctx, tenant, n))
		}
	}},
	{"has no events of archived tickets", "Stages/other methods", func(f *faulty) {
		s := f.Store
		f.events = func(ctx context.Context, tenant string, id ticket.ID, after int64, limit int) ([]ticket.Event, error) {
			if t, err := s.Ticket(ctx, tenant, id); err == nil && t.Stage == ticket.StageErased && t.Version == 2 && len(t.Clocks) == 0 && t.Phase.Done() {
				return nil, nil
			}
			return s.Events(ctx, tenant, id, after, limit)
		}
	}},
	{"has no contexts of archived tickets", "Stages/contexts", func(f *faulty) {
		s := f.Store.(ticket.DeliveryLoader)
		f.contexts = func(ctx context.Context, r contextsRequest) ([]ticket.DeliveryContext, error) {
			contexts, err := s.DeliveryContexts(ctx, r.rows, r.since, r.most)
			for i := range contexts {
				if t := contexts[i].Ticket; t.Stage == ticket.StageArchived && len(t.Clocks) == 0 {
					contexts[i] = ticket.DeliveryContext{}
				}
			}
			return contexts, err
		}
	}},
	{"does not look at archived tickets", "Due/archived", func(f *faulty) {
		s := f.Store
		f.due = func(ctx context.Context, now time.Time, limit int) ([]ticket.Ref, error) {
			refs, err := s.Due(ctx, now, limit)
			return slices.DeleteFunc(refs, func(ref ticket.Ref) bool {
				t, err := s.Ticket(ctx, ref.Tenant, ref.Ticket)
				return err == nil && t.Stage != ticket.StageActive
			}), err
		}
	}},

	{"touches a ticket when it archives or erases", "List/events of clocks", viewing(func(t ticket.Ticket, _ []ticket.Ticket) ticket.Ticket {
		if t.Stage != ticket.StageActive || !t.Erased.IsZero() {
			t.Touched = t.Checked
		}
		return t
	})},
	{"has no pointer to the active stage", "Values/upkeep", changing(nil, func(e *ticket.Event) {
		if e.Set.Stage != nil && *e.Set.Stage == ticket.StageActive && e.Set.Reason == nil {
			e.Set.Stage = nil
		}
	})},
	{"has no pointer to the end of a hold", "Values/upkeep", changing(nil, func(e *ticket.Event) {
		if e.Set.LegalHold != nil && !*e.Set.LegalHold && e.Set.Reason == nil {
			e.Set.LegalHold = nil
		}
	})},
	{"has no record of an erasure without events", "Values/upkeep", changing(nil, func(e *ticket.Event) {
		if e.Set.Erased != nil && len(e.Set.Erased.Events) == 0 && e.Set.Reason == nil {
			e.Set.Erased = nil
		}
	})},
	{"counts the erased events as floats", "Values/upkeep", changing(nil, func(e *ticket.Event) {
		if r := e.Set.Erased; r != nil && len(r.Events) > 0 && r.Events[len(r.Events)-1] > 1<<62 {
			r.Events[len(r.Events)-1] = 1 << 62
		}
	})},
	{"does not know which groups were erased", "Values/upkeep", changing(nil, func(e *ticket.Event) {
		if r := e.Set.Erased; r != nil && r.Groups == (ticket.Groups{Remarks: true}) {
			r.Groups = ticket.Groups{}
		}
	})},
	{"loses when something was erased", "Values/upkeep", changing(func(t *ticket.Ticket) {
		if !t.LegalHold && t.Requester.ID == "" && t.Requester.Name == "Zoë" {
			t.Erased = time.Time{}
		}
	}, nil)},
	{"holds a ticket for ever", "Values/upkeep", changing(func(t *ticket.Ticket) {
		t.LegalHold = t.LegalHold || t.Version == 7 && t.Tenant == acme && t.Stage == ticket.StageActive && !t.Checked.IsZero() && len(t.Clocks) == 0 && t.Phase.Done()
	}, nil)},
	{"loses the seal of erased remarks", "Values/erased", changing(nil, func(e *ticket.Event) {
		if e.Seals.Remarks.Erased() {
			e.Seals.Remarks = ticket.Seal{}
		}
	})},
	{"loses the seal of remarks", "Values/text", changing(nil, func(e *ticket.Event) {
		if e.Seals.Remarks.IsZero() || len(e.Set.AddTags) == 0 || !slices.Contains(awkward, e.Set.AddTags[0][:min(5, len(e.Set.AddTags[0]))]) {
			return
		}
		e.Seals.Remarks = ticket.Seal{}
	})},
	{"takes unknown stages for any", "List/invalid", asking(func(q *ticket.Query) {
		if slices.ContainsFunc(q.Stage, func(s ticket.Stage) bool { return !slices.Contains(ticket.Stages(), s) }) {
			q.Stage = nil
		}
	})},
	{"counts tickets at unknown stages", "Count/invalid", countingBy(func(ctx context.Context, s ticket.Counter, q ticket.Query, limit int) (int, error) {
		if slices.Contains(q.Stage, "gone") {
			q.Stage = nil
		}
		return s.Count(ctx, q, limit)
	})},
	{"finds tickets at unknown stages", "Search/invalid", sought(func(q *ticket.SearchQuery) {
		if slices.Contains(q.Stage, "gone") {
			q.Stage = nil
		}
	})},
	{"sorts the stages of a query", "Values/arguments", asking(func(q *ticket.Query) { slices.Sort(q.Stage) })},
	{"looks at 999 stages", "Values/long lists", asking(func(q *ticket.Query) { q.Stage = atMost(999, q.Stage) })},
	{"stores unknown stages", "Commit/invalid", onCommit(func(ctx context.Context, s ticket.Store, c ticket.Commit) error {
		err := s.Commit(ctx, c)
		var invalid *ticket.InvalidError
		if errors.As(err, &invalid) && strings.HasSuffix(invalid.Field, ".stage") {
			return nil
		}
		return err
	})},
}

func notArchived(t ticket.Ticket, err error) (ticket.Ticket, error) {
	if err == nil && t.Stage == ticket.StageArchived && !t.Checked.IsZero() && t.Version == 2 && len(t.Clocks) == 0 {
		return ticket.Ticket{}, &ticket.NotFoundError{What: "ticket", Ref: "archived"}
	}
	return t, err
}
