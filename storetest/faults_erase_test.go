package storetest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/ticketkit/ticket"
)

// onErase returns a fault in Erase alone. Steps that do not pass their Check go to the store.
func onErase(erase func(ctx context.Context, f *faulty, e ticket.EraseCommit) error) func(*faulty) {
	return func(f *faulty) {
		f.erase = func(ctx context.Context, e ticket.EraseCommit) error {
			if e.Check() != nil {
				return f.Store.(ticket.Eraser).Erase(ctx, e)
			}
			return erase(ctx, f, e)
		}
	}
}

// erasingOther returns a fault: the store gets another step.
func erasingOther(change func(e *ticket.EraseCommit)) func(*faulty) {
	return onErase(func(ctx context.Context, f *faulty, e ticket.EraseCommit) error {
		change(&e)
		return f.Store.(ticket.Eraser).Erase(ctx, e)
	})
}

// An overlay is what a faulty store remembers of the steps it was given.
type overlay struct {
	mu      sync.Mutex
	events  map[ticket.ID]map[int64]ticket.Event // that reads return instead of those stored
	removed map[ticket.ID]ticket.Delivery        // before they were removed
	before  map[ticket.ID]ticket.Ticket          // before the first erasure
	texts   map[ticket.ID]string                 // that were erased
	lines   map[string]bool                      // of removed deliveries
	done    bool
}

func (o *overlay) locked(f func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	f()
}

func lineOf(d *ticket.Delivery) string { return d.Ticket.String() + d.Notifier + d.To.Key() }

// remember returns a fault that remembers what the steps erase. wrong completes it.
func remember(wrong func(f *faulty, o *overlay)) func(*faulty) {
	return func(f *faulty) {
		s := f.Store
		o := &overlay{events: map[ticket.ID]map[int64]ticket.Event{}, removed: map[ticket.ID]ticket.Delivery{}, before: map[ticket.ID]ticket.Ticket{}, texts: map[ticket.ID]string{}, lines: map[string]bool{}}
		f.erase = func(ctx context.Context, e ticket.EraseCommit) error {
			if e.Check() != nil {
				return s.(ticket.Eraser).Erase(ctx, e)
			}
			t := e.Changes[0].Ticket
			before, _ := s.Ticket(ctx, t.Tenant, t.ID)
			events, _ := s.Events(ctx, t.Tenant, t.ID, 0, 0)
			var removed []ticket.Delivery
			for _, id := range e.Remove {
				p, _ := s.Deliveries(ctx, ticket.DeliveryQuery{Tenant: t.Tenant, IDs: []ticket.ID{id}})
				removed = append(removed, p.Deliveries...)
			}
			if err := s.(ticket.Eraser).Erase(ctx, e); err != nil {
				return err
			}
			o.locked(func() {
				if _, had := o.before[t.ID]; !had {
					o.before[t.ID] = before
				}
				for _, d := range removed {
					if d.Ticket == t.ID {
						o.removed[d.ID], o.lines[lineOf(&d)] = d, !d.State.Settled()
					}
				}
				for _, ev := range events {
					o.texts[t.ID] += " " + strings.ToLower(ev.Subject+" "+string(ev.Message)+" "+string(ev.Note))
				}
				o.done = true
			})
			return nil
		}
		wrong(f, o)
	}
}

// reading returns a fault: Events returns the overlay's events.
func (o *overlay) reading(f *faulty) {
	s := f.Store
	f.events = func(ctx context.Context, tenant string, id ticket.ID, after int64, limit int) ([]ticket.Event, error) {
		events, err := s.Events(ctx, tenant, id, after, limit)
		o.locked(func() {
			for i := range events {
				if e, ok := o.events[id][events[i].Seq]; ok {
					events[i] = e.Clone()
				}
			}
		})
		return events, err
	}
}

func (o *overlay) show(events []ticket.Event) {
	o.locked(func() {
		for _, e := range events {
			if o.events[e.Ticket] == nil {
				o.events[e.Ticket] = map[int64]ticket.Event{}
			}
			o.events[e.Ticket][e.Seq] = e
		}
	})
}

// removing returns a fault: the store is asked to remove others of the ticket's deliveries.
func removing(remove func(d ticket.Delivery, named bool) bool) func(*faulty) {
	return onErase(func(ctx context.Context, f *faulty, e ticket.EraseCommit) error {
		t := e.Changes[0].Ticket
		p, err := f.Store.Deliveries(ctx, ticket.DeliveryQuery{Tenant: t.Tenant, Ticket: t.ID, Limit: ticket.MaxLimit})
		if err != nil {
			return err
		}
		var ids []ticket.ID
		for _, d := range p.Deliveries {
			if remove(d, slices.Contains(e.Remove, d.ID)) {
				ids = append(ids, d.ID)
			}
		}
		e.Remove = ids
		return f.Store.(ticket.Eraser).Erase(ctx, e)
	})
}

// staleLabels returns a fault in List: it still finds an erased ticket by what it had before.
func staleLabels(without func(q *ticket.Query), matches func(q ticket.Query, t *ticket.Ticket) bool) func(*faulty) {
	return remember(func(f *faulty, o *overlay) {
		s := f.Store
		f.list = func(ctx context.Context, q ticket.Query) (ticket.Page, error) {
			asked := q
			if q.Check() == nil {
				without(&asked)
			}
			p, err := s.List(ctx, asked)
			p.Tickets = slices.DeleteFunc(p.Tickets, func(t ticket.Ticket) bool {
				var before ticket.Ticket
				o.locked(func() { before = o.before[t.ID] })
				return !q.Match(&t) && (before.ID.IsZero() || !matches(q, &before))
			})
			return p, err
		}
	})
}

var eraseFaults = slices.Concat([]fault{
	{"erases no event", "Erase/events", erasingOther(func(e *ticket.EraseCommit) { e.Events = nil })},
	{"erases the last event only", "Erase/events", erasingOther(func(e *ticket.EraseCommit) { e.Events = e.Events[max(0, len(e.Events)-1):] })},
	{"erases the messages of all events", "Erase/events", onErase(func(ctx context.Context, f *faulty, e ticket.EraseCommit) error {
		t := e.Changes[0].Ticket
		events, _ := f.Store.Events(ctx, t.Tenant, t.ID, 0, int(e.Changes[0].Expect))
		for _, ev := range events {
			if !slices.ContainsFunc(e.Events, func(o ticket.Event) bool { return o.Seq == ev.Seq }) && len(e.Events) > 0 {
				e.Events = append(e.Events, ev.Erase(ticket.Groups{PublicContent: true}))
			}
		}
		slices.SortFunc(e.Events, func(a, b ticket.Event) int { return int(a.Seq - b.Seq) })
		return f.Store.(ticket.Eraser).Erase(ctx, e)
	})},
	{"loses the deliveries that an erasure adds", "Erase/commit", erasingOther(func(e *ticket.EraseCommit) {
		if len(e.Remove) == 0 {
			e.Deliveries = nil
		}
	})},
	{"loses the receipt of an erasure", "Erase/commit", erasingOther(func(e *ticket.EraseCommit) {
		if len(e.Deliveries) > 0 {
			e.Receipt = nil
		}
	})},
	{"erases events in spite of an error", "Erase/nothing", func(f *faulty) {
		s, o := f.Store, &overlay{events: map[ticket.ID]map[int64]ticket.Event{}}
		o.reading(f)
		f.erase = func(ctx context.Context, e ticket.EraseCommit) error {
			err := s.(ticket.Eraser).Erase(ctx, e)
			if errors.Is(err, ticket.ErrDuplicate) && e.Check() == nil {
				o.show(e.Events)
			}
			return err
		}
	}},
	{"removes deliveries in spite of an error", "Erase/nothing", func(f *faulty) {
		s, gone := f.Store, &register{}
		f.erase = func(ctx context.Context, e ticket.EraseCommit) error {
			err := s.(ticket.Eraser).Erase(ctx, e)
			if errors.Is(err, ticket.ErrConflict) && len(e.Remove) > 0 && e.Changes[0].Ticket.Tenant == acme {
				if _, err := s.Ticket(ctx, acme, e.Changes[0].Ticket.ID); err == nil {
					gone.put(e.Remove[0], true)
				}
			}
			return err
		}
		f.deliveries = func(ctx context.Context, q ticket.DeliveryQuery) (ticket.DeliveryPage, error) {
			p, err := s.Deliveries(ctx, q)
			p.Deliveries = slices.DeleteFunc(p.Deliveries, func(d ticket.Delivery) bool {
				_, is := gone.get(d.ID)
				return is && q.Ticket.IsZero() && len(q.IDs) == 1
			})
			return p, err
		}
	}},
	{"takes the version for more important than the key", "Erase/errors", onErase(func(ctx context.Context, f *faulty, e ticket.EraseCommit) error {
		ch := e.Changes[0]
		if t, err := f.Store.Ticket(ctx, ch.Ticket.Tenant, ch.Ticket.ID); err == nil && t.Version != ch.Expect {
			return &ticket.ConflictError{Ticket: t.ID, Expected: ch.Expect, Actual: t.Version}
		}
		return f.Store.(ticket.Eraser).Erase(ctx, e)
	})},
	{"forgets the key before it looks at it", "Erase/errors", onErase(func(ctx context.Context, f *faulty, e ticket.EraseCommit) error {
		err := f.Store.(ticket.Eraser).Erase(ctx, e)
		if taken(err, "key") {
			if r, _ := f.Store.Receipt(ctx, e.Receipt.Tenant, e.Receipt.Key); r.Ticket == e.Changes[0].Ticket.ID {
				return &ticket.ConflictError{Ticket: r.Ticket, Expected: e.Changes[0].Expect, Actual: -1}
			}
		}
		return err
	})},
	{"checks the commit of an erasure only", "Erase/invalid", func(f *faulty) {
		s := f.Store
		f.erase = func(ctx context.Context, e ticket.EraseCommit) error {
			if len(e.Changes) > 0 && e.Commit.Check() == nil && e.Check() != nil {
				return nil
			}
			return s.(ticket.Eraser).Erase(ctx, e)
		}
	}},
	{"removes all deliveries of a ticket", "Erase/deliveries", removing(func(_ ticket.Delivery, named bool) bool { return true })},
	{"removes deliveries of other tickets", "Erase/deliveries", func(f *faulty) {
		s, gone := f.Store, &register{}
		f.erase = func(ctx context.Context, e ticket.EraseCommit) error {
			for _, id := range e.Remove {
				gone.put(id, true)
			}
			return s.(ticket.Eraser).Erase(ctx, e)
		}
		f.deliveries = func(ctx context.Context, q ticket.DeliveryQuery) (ticket.DeliveryPage, error) {
			p, err := s.Deliveries(ctx, q)
			p.Deliveries = slices.DeleteFunc(p.Deliveries, func(d ticket.Delivery) bool { _, is := gone.get(d.ID); return is && d.State.Settled() })
			return p, err
		}
	}},
	{"refuses to remove unknown deliveries", "Erase/deliveries", onErase(func(ctx context.Context, f *faulty, e ticket.EraseCommit) error {
		t := e.Changes[0].Ticket
		for _, id := range e.Remove {
			if p, err := f.Store.Deliveries(ctx, ticket.DeliveryQuery{Tenant: t.Tenant, IDs: []ticket.ID{id}}); err == nil && len(p.Deliveries) == 0 && len(e.Remove) > 10 && len(e.Remove) < 100 {
				return &ticket.NotFoundError{What: "delivery", Ref: id.String()}
			}
		}
		return f.Store.(ticket.Eraser).Erase(ctx, e)
	})},
	{"settles what was removed", "Erase/claimed deliveries", remember(func(f *faulty, o *overlay) {
		s := f.Store
		f.settle = func(ctx context.Context, list []ticket.Settlement) error {
			o.locked(func() {
				list = slices.DeleteFunc(slices.Clone(list), func(st ticket.Settlement) bool { return !o.removed[st.ID].ID.IsZero() })
			})
			return s.Settle(ctx, list)
		}
	})},
	{"does not settle others with what was removed", "Erase/claimed deliveries", remember(func(f *faulty, o *overlay) {
		s := f.Store
		f.settle = func(ctx context.Context, list []ticket.Settlement) error {
			lost := false
			o.locked(func() {
				lost = slices.ContainsFunc(list, func(st ticket.Settlement) bool { return !o.removed[st.ID].ID.IsZero() })
			})
			if lost {
				return ticket.ErrClaimLost
			}
			return s.Settle(ctx, list)
		}
	})},
	{"waits for a removed head of a line", "Erase/lines", remember(func(f *faulty, o *overlay) {
		s := f.Store
		f.claim = func(ctx context.Context, r ticket.ClaimRequest) ([]ticket.Delivery, error) {
			list, err := s.Claim(ctx, r)
			o.locked(func() {
				list = slices.DeleteFunc(list, func(d ticket.Delivery) bool { return o.lines[lineOf(&d)] })
			})
			return list, err
		}
	})},
	{"counts what was removed as sent", "Erase/contexts", remember(func(f *faulty, o *overlay) {
		o.contexts(f, func(b *ticket.DeliveryContext, d *ticket.Delivery) {
			if d.State == ticket.DeliverySent {
				b.Sent++
			}
		})
	})},
	{"has a removed delivery for the previous one", "Erase/contexts", remember(func(f *faulty, o *overlay) {
		o.contexts(f, func(b *ticket.DeliveryContext, d *ticket.Delivery) {
			if d.State == ticket.DeliverySent && d.Seq == 3 {
				b.Previous = d.ID
			}
		})
	})},
	{"has a removed delivery for the bounced one", "Erase/contexts", remember(func(f *faulty, o *overlay) {
		o.contexts(f, func(b *ticket.DeliveryContext, d *ticket.Delivery) {
			if d.State == ticket.DeliveryBounced {
				b.Bounced = d.ID
			}
		})
	})},
	{"keeps the receipts of an erased ticket", "Erase/receipts", func(f *faulty) {
		s, kept := f.Store, &register{}
		f.erase = func(ctx context.Context, e ticket.EraseCommit) error {
			for _, key := range []string{"first", "second", "erasure"} {
				if r, err := s.Receipt(ctx, acme, key); err == nil && r.Ticket == e.Changes[0].Ticket.ID {
					kept.put(key, r)
				}
			}
			return s.(ticket.Eraser).Erase(ctx, e)
		}
		f.receipt = func(ctx context.Context, tenant, key string) (ticket.Receipt, error) {
			r, err := s.Receipt(ctx, tenant, key)
			if had, ok := kept.get(key); ok && err != nil {
				return had.(ticket.Receipt), nil
			}
			return r, err
		}
	}},
	{"forgets all receipts of the tenant", "Erase/receipts", func(f *faulty) {
		s, only := f.Store, &register{}
		f.erase = func(ctx context.Context, e ticket.EraseCommit) error {
			err := s.(ticket.Eraser).Erase(ctx, e)
			if err == nil && e.Receipt != nil && e.Receipt.Key == "erasure" {
				only.put(e.Receipt.Tenant, e.Receipt.Ticket)
			}
			return err
		}
		f.receipt = func(ctx context.Context, tenant, key string) (ticket.Receipt, error) {
			r, err := s.Receipt(ctx, tenant, key)
			if id, ok := only.get(tenant); ok && err == nil && r.Ticket != id {
				return ticket.Receipt{}, &ticket.NotFoundError{What: "receipt", Ref: key}
			}
			return r, err
		}
	}},
	{"lists by erased tags", "Erase/lists", staleLabels(func(q *ticket.Query) { q.Tags = nil }, func(q ticket.Query, t *ticket.Ticket) bool {
		return len(q.Tags) > 0 && (ticket.Query{Tenant: t.Tenant, Tags: q.Tags}).Match(t)
	})},
	{"lists by erased fields", "Erase/lists", staleLabels(func(q *ticket.Query) { q.Fields = nil }, func(q ticket.Query, t *ticket.Ticket) bool {
		return len(q.Fields) > 0 && (ticket.Query{Tenant: t.Tenant, Fields: q.Fields}).Match(t)
	})},
	{"lists by an erased requester", "Erase/lists", staleLabels(func(q *ticket.Query) { q.Requester = ticket.Person{} }, func(q ticket.Query, t *ticket.Ticket) bool {
		return !q.Requester.IsZero() && q.Requester.Same(t.Requester)
	})},
	{"lists by erased participants", "Erase/lists", staleLabels(func(q *ticket.Query) { q.Participant = ticket.Person{} }, func(q ticket.Query, t *ticket.Ticket) bool {
		return !q.Participant.IsZero() && (ticket.Query{Tenant: t.Tenant, Participant: q.Participant}).Match(t)
	})},
	{"lists by an erased organisation", "Erase/lists", staleLabels(func(q *ticket.Query) { q.Organisation = "" }, func(q ticket.Query, t *ticket.Ticket) bool {
		return q.Organisation != "" && q.Organisation == t.Requester.Organisation
	})},
	{"counts by erased labels", "Erase/counts", remember(func(f *faulty, o *overlay) {
		s := f.Store
		f.count = func(ctx context.Context, q ticket.Query, limit int) (int, error) {
			n, err := s.(ticket.Counter).Count(ctx, q, limit)
			var before []ticket.Ticket
			o.locked(func() {
				for _, t := range o.before {
					before = append(before, t)
				}
			})
			for _, t := range before {
				now, _ := s.Ticket(ctx, t.Tenant, t.ID)
				if err == nil && q.Match(&t) && !q.Match(&now) {
					n++
				}
			}
			return n, err
		}
	})},
	{"finds erased words", "Erase/search", remember(func(f *faulty, o *overlay) {
		s := f.Store
		f.search = func(ctx context.Context, q ticket.SearchQuery) ([]ticket.Hit, error) {
			hits, err := s.(ticket.Searcher).Search(ctx, q)
			found := ticketsOf(hits)
			var more []ticket.ID
			o.locked(func() {
				for id, text := range o.texts {
					if o.before[id].Tenant == q.Tenant && strings.Contains(text, q.Text) && !slices.ContainsFunc(found, func(t ticket.Ticket) bool { return t.ID == id }) {
						more = append(more, id)
					}
				}
			})
			for _, id := range more {
				t, _ := s.Ticket(ctx, q.Tenant, id)
				hits = append(hits, ticket.Hit{Ticket: t})
			}
			return hits, err
		}
	})},
	{"quotes erased words", "Erase/search", remember(func(f *faulty, o *overlay) {
		s := f.Store
		f.search = func(ctx context.Context, q ticket.SearchQuery) ([]ticket.Hit, error) {
			hits, err := s.(ticket.Searcher).Search(ctx, q)
			o.locked(func() {
				for i := range hits {
					hits[i].Snippet.Text += o.texts[hits[i].Ticket.ID]
				}
			})
			return hits, err
		}
	})},
	{"finds nothing of an erased ticket", "Erase/search", remember(func(f *faulty, o *overlay) {
		s := f.Store
		f.search = func(ctx context.Context, q ticket.SearchQuery) ([]ticket.Hit, error) {
			hits, err := s.(ticket.Searcher).Search(ctx, q)
			o.locked(func() {
				hits = slices.DeleteFunc(hits, func(h ticket.Hit) bool { return !o.before[h.Ticket.ID].ID.IsZero() })
			})
			return hits, err
		}
	})},
	{"erases under any tenant", "Erase/tenants", onErase(func(ctx context.Context, f *faulty, e ticket.EraseCommit) error {
		err := f.Store.(ticket.Eraser).Erase(ctx, e)
		if t := e.Changes[0].Ticket; errors.Is(err, ticket.ErrConflict) {
			for _, tenant := range tenants {
				if other, err := f.Store.Ticket(ctx, tenant, t.ID); err == nil && other.Tenant != t.Tenant {
					return nil
				}
			}
		}
		return err
	})},
	{"erases 100 events at most", "Erase/large", erasingOther(func(e *ticket.EraseCommit) { e.Events = e.Events[:min(100, len(e.Events))] })},
	{"removes 999 deliveries at most", "Erase/large", erasingOther(func(e *ticket.EraseCommit) { e.Remove = e.Remove[:min(999, len(e.Remove))] })},
	{"keeps the caller's erased events", "Erase/copies", func(f *faulty) {
		s, o := f.Store, &overlay{events: map[ticket.ID]map[int64]ticket.Event{}}
		f.erase = func(ctx context.Context, e ticket.EraseCommit) error {
			err := s.(ticket.Eraser).Erase(ctx, e)
			if err == nil {
				o.locked(func() { // the lists in it are the caller's
					for _, ev := range e.Events {
						if o.events[ev.Ticket] == nil {
							o.events[ev.Ticket] = map[int64]ticket.Event{}
						}
						o.events[ev.Ticket][ev.Seq] = ev
					}
				})
			}
			return err
		}
		o.reading(f)
	}},
	{"sorts the deliveries to remove", "Erase/arguments", erasingOther(func(e *ticket.EraseCommit) { slices.SortFunc(e.Remove, ticket.ID.Compare) })},
	{"erases in spite of the context", "Erase/cancelled", onErase(func(ctx context.Context, f *faulty, e ticket.EraseCommit) error {
		return f.Store.(ticket.Eraser).Erase(context.WithoutCancel(ctx), e)
	})},
	{"has the old events again after reopening", "Erase/reopened", func(f *faulty) {
		s, o := f.Store, &overlay{events: map[ticket.ID]map[int64]ticket.Event{}}
		f.erase = func(ctx context.Context, e ticket.EraseCommit) error {
			if e.Check() != nil {
				return s.(ticket.Eraser).Erase(ctx, e)
			}
			t := e.Changes[0].Ticket
			events, _ := s.Events(ctx, t.Tenant, t.ID, 0, int(e.Changes[0].Expect))
			err := s.(ticket.Eraser).Erase(ctx, e)
			if err == nil {
				o.show(events)
			}
			return err
		}
		f.reopen = func() ticket.Store {
			again := &faulty{Store: s}
			o.reading(again)
			return again
		}
	}},
	{"checks the version before it locks to erase", "Concurrency/erase", onErase(func(ctx context.Context, f *faulty, e ticket.EraseCommit) error {
		ch := e.Changes[0]
		if t, _ := f.Store.Ticket(ctx, ch.Ticket.Tenant, ch.Ticket.ID); t.Version != ch.Expect {
			return f.Store.(ticket.Eraser).Erase(ctx, e)
		}
		f.window()
		if err := f.Store.(ticket.Eraser).Erase(ctx, e); !errors.Is(err, ticket.ErrConflict) {
			return err
		}
		return nil
	})},
	{"erases before it writes the record", "Concurrency/erase", func(f *faulty) {
		s, o := f.Store, &overlay{events: map[ticket.ID]map[int64]ticket.Event{}}
		o.reading(f)
		f.erase = func(ctx context.Context, e ticket.EraseCommit) error {
			if len(e.Events) == 5 && len(e.Remove) == 1 && e.Receipt == nil && e.Check() == nil {
				o.show(e.Events)
				f.window()
				o.locked(func() { o.events = map[ticket.ID]map[int64]ticket.Event{} })
			}
			return s.(ticket.Eraser).Erase(ctx, e)
		}
	}},
}, leftInState())

// leftInState has a fault for each state of a delivery, which is not removed in it.
func leftInState() (list []fault) {
	for _, s := range eraseStates {
		list = append(list, fault{"removes no " + string(s) + " delivery", "Erase/deliveries", removing(func(d ticket.Delivery, named bool) bool { return named && d.State != s })})
	}
	return list
}

// contexts changes the contexts of a notifier's deliveries for each removed one.
func (o *overlay) contexts(f *faulty, change func(b *ticket.DeliveryContext, d *ticket.Delivery)) {
	s := f.Store
	f.contexts = func(ctx context.Context, r contextsRequest) ([]ticket.DeliveryContext, error) {
		contexts, err := s.(ticket.DeliveryLoader).DeliveryContexts(ctx, r.rows, r.since, r.most)
		o.locked(func() {
			for i := range contexts {
				for _, d := range o.removed {
					change(&contexts[i], &d)
				}
			}
		})
		return contexts, err
	}
}

// tracing returns a fault in Traces.
func tracing(traces func(ctx context.Context, s ticket.Eraser, r tracesRequest) ([]ticket.ID, error)) func(*faulty) {
	return func(f *faulty) {
		s := f.Store.(ticket.Eraser)
		f.traces = func(ctx context.Context, r tracesRequest) ([]ticket.ID, error) { return traces(ctx, s, r) }
	}
}

// tracingBy returns a fault in Traces: it finds a ticket by names only.
func tracingBy(names func(events []ticket.Event, p ticket.Person) bool) func(*faulty) {
	return func(f *faulty) {
		s := f.Store
		f.traces = func(ctx context.Context, r tracesRequest) ([]ticket.ID, error) {
			ids, err := s.(ticket.Eraser).Traces(ctx, r.tenant, r.person, r.after, r.limit)
			return slices.DeleteFunc(ids, func(id ticket.ID) bool {
				events, _ := s.Events(ctx, r.tenant, id, 0, 0)
				return !names(events, r.person)
			}), err
		}
	}
}

// anyEvent finds by each event.
func anyEvent(names func(e *ticket.Event, p ticket.Person) bool) func(*faulty) {
	return tracingBy(func(events []ticket.Event, p ticket.Person) bool {
		return slices.ContainsFunc(events, func(e ticket.Event) bool { return names(&e, p) })
	})
}

// notWith returns a fault in Traces: it finds nobody whose ID, address or number has the text.
func notWith(text string) func(*faulty) {
	return tracing(func(ctx context.Context, s ticket.Eraser, r tracesRequest) ([]ticket.ID, error) {
		if strings.Contains(r.person.ID+r.person.Email+r.person.Phone, text) {
			return nil, nil
		}
		return s.Traces(ctx, r.tenant, r.person, r.after, r.limit)
	})
}

// withoutPart returns a fault in Traces: it does not look at a part of each event.
func withoutPart(clear func(e *ticket.Event)) func(*faulty) {
	return anyEvent(func(e *ticket.Event, p ticket.Person) bool {
		part := e.Clone()
		clear(&part)
		return part.Names(p)
	})
}

var traceFaults = []fault{
	{"does not trace customers who act", "Traces/named", withoutPart(func(e *ticket.Event) {
		if e.By.Role == ticket.RoleRequester && e.Requester.IsZero() {
			e.Actor = ticket.Person{}
		}
	})},
	{"does not trace followers who act", "Traces/named", withoutPart(func(e *ticket.Event) {
		if e.By.Role == ticket.RoleFollower {
			e.Actor = ticket.Person{}
		}
	})},
	{"does not trace later requesters", "Traces/named", withoutPart(func(e *ticket.Event) {
		if e.Seq > 1 {
			e.Requester = ticket.Person{}
		}
	})},
	{"does not trace the second follower", "Traces/named", withoutPart(func(e *ticket.Event) { e.Followed = e.Followed[:min(1, len(e.Followed))] })},
	{"does not trace former followers", "Traces/named", withoutPart(func(e *ticket.Event) { e.Unfollowed = nil })},
	{"does not trace authors", "Traces/named", withoutPart(func(e *ticket.Event) { e.Author = ticket.Person{} })},
	{"traces in the first event only", "Traces/named", tracingBy(func(events []ticket.Event, p ticket.Person) bool { return events[0].Names(p) })},
	{"traces in the last event only", "Traces/named", tracingBy(func(events []ticket.Event, p ticket.Person) bool {
		return len(events) < 3 || events[len(events)-1].Names(p)
	})},
	{"traces only as the ticket is now", "Traces/named", tracingBy(func(events []ticket.Event, p ticket.Person) bool {
		t, _ := ticket.Replay(events)
		return p.Same(t.Requester) || slices.ContainsFunc(t.Followers, p.Same)
	})},
	{"traces addresses in the same case", "Traces/same person", anyEvent(func(e *ticket.Event, p ticket.Person) bool {
		return e.Names(p) && (p.ID != "" || p.Email == "" || p.Email == e.Requester.Email || strings.ToLower(p.Email) == p.Email || e.Requester.IsZero())
	})},
	{"traces by ID if there is one", "Traces/same person", anyEvent(func(e *ticket.Event, p ticket.Person) bool {
		return e.Names(p) && (p.ID == "" || p.Phone != "" || e.Requester.ID == p.ID)
	})},
	{"traces by address and ID", "Traces/same person", anyEvent(func(e *ticket.Event, p ticket.Person) bool {
		return e.Names(p) && (p.ID != "c-8" || e.Requester.Email == p.Email)
	})},
	{"traces no telephone numbers beside an ID", "Traces/same person", anyEvent(func(e *ticket.Event, p ticket.Person) bool {
		return e.Names(p) && (p.ID == "" || p.Email != "" || p.ID == e.Requester.ID || p.ID != "c-11")
	})},
	{"does not quote quotes", "Traces/text", notWith(`"`)},
	{"does not double backslashes", "Traces/text", notWith(`\`)},
	{"does not know how JSON writes <", "Traces/text", notWith("<")},
	{"does not know how JSON writes &", "Traces/text", notWith("&")},
	{"takes a percent sign for a pattern", "Traces/text", notWith("%")},
	{"does not trace text that is not ASCII", "Traces/text", notWith("漢")},
	{"ends in the middle of a text", "Traces/text", notWith("'")},
	{"traces from the beginning again", "Traces/order", tracing(func(ctx context.Context, s ticket.Eraser, r tracesRequest) ([]ticket.ID, error) {
		return s.Traces(ctx, r.tenant, r.person, ticket.ID{}, r.limit)
	})},
	{"traces the one it continues after again", "Traces/order", tracing(func(ctx context.Context, s ticket.Eraser, r tracesRequest) ([]ticket.ID, error) {
		ids, err := s.Traces(ctx, r.tenant, r.person, r.after, r.limit)
		if !r.after.IsZero() && len(ids) > 1 {
			ids = append([]ticket.ID{r.after}, ids[:len(ids)-1]...)
		}
		return ids, err
	})},
	{"traces without a limit", "Traces/order", tracing(func(ctx context.Context, s ticket.Eraser, r tracesRequest) ([]ticket.ID, error) {
		return s.Traces(ctx, r.tenant, r.person, r.after, max(r.limit, 10))
	})},
	{"traces in any order", "Traces/order", tracing(func(ctx context.Context, s ticket.Eraser, r tracesRequest) ([]ticket.ID, error) {
		ids, err := s.Traces(ctx, r.tenant, r.person, r.after, r.limit)
		slices.Reverse(ids)
		return ids, err
	})},
	{"looks at a page of tickets and filters it", "Traces/walk", func(f *faulty) {
		s := f.Store
		f.traces = func(ctx context.Context, r tracesRequest) ([]ticket.ID, error) {
			ids, err := s.(ticket.Eraser).Traces(ctx, r.tenant, r.person, r.after, r.limit)
			p, _ := s.List(ctx, ticket.Query{Tenant: r.tenant, Limit: ticket.MaxLimit, Stage: ticket.Stages()})
			all := idsOf(p.Tickets)
			slices.SortFunc(all, ticket.ID.Compare)
			all = slices.DeleteFunc(all, func(id ticket.ID) bool { return id.Compare(r.after) <= 0 })
			all = all[:min(len(all), max(0, r.limit))]
			if p.Next != "" || r.limit > 20 {
				return ids, err
			}
			return slices.DeleteFunc(ids, func(id ticket.ID) bool { return !slices.Contains(all, id) }), err
		}
	}},
	{"traces 100 tickets at most", "Traces/many", tracing(func(ctx context.Context, s ticket.Eraser, r tracesRequest) ([]ticket.ID, error) {
		return s.Traces(ctx, r.tenant, r.person, r.after, min(r.limit, 100))
	})},
	{"traces in all tenants", "Traces/tenants", tracing(func(ctx context.Context, s ticket.Eraser, r tracesRequest) ([]ticket.ID, error) {
		var all []ticket.ID
		for _, tenant := range append([]string{r.tenant}, tenants...) {
			ids, err := s.Traces(ctx, tenant, r.person, r.after, r.limit)
			if err != nil {
				return nil, err
			}
			all = append(all, ids...)
		}
		slices.SortFunc(all, ticket.ID.Compare)
		all = slices.Compact(all)
		return all[:min(len(all), max(r.limit, 0))], nil
	})},
	{"traces in spite of the context", "Traces/cancelled", tracing(func(ctx context.Context, s ticket.Eraser, r tracesRequest) ([]ticket.ID, error) {
		return s.Traces(context.WithoutCancel(ctx), r.tenant, r.person, r.after, r.limit)
	})},
}
