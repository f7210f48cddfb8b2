package storetest

import (
	"context"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/ticketkit/ticket"
)

// retext changes all text that can be reached from p, except numbers.
func retext(p any, f func(string) string) { retextIn(reflect.ValueOf(p), f) }

func retextIn(v reflect.Value, f func(string) string) {
	if v.Type() == reflect.TypeFor[ticket.Number]() {
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			retextIn(v.Elem(), f)
		}
	case reflect.Struct:
		if _, ok := reflect.TypeAssert[time.Time](v); ok {
			return
		}
		for _, field := range v.Fields() {
			retextIn(field, f)
		}
	case reflect.Slice:
		for i := range v.Len() {
			retextIn(v.Index(i), f)
		}
	case reflect.String:
		v.SetString(f(v.String()))
	}
}

// rewriting returns a fault in all text of tickets and events.
func rewriting(f func(string) string) func(*faulty) {
	return changing(func(t *ticket.Ticket) {
		tenant := t.Tenant
		retext(t, f)
		t.Tenant = tenant
	}, func(e *ticket.Event) { retext(e, f) })
}

// refielding returns a fault in custom fields; a field that becomes "lost" is removed.
func refielding(f func(name string, v any) any) func(*faulty) {
	change := func(fields ticket.Fields) {
		for k, v := range fields {
			if n := f(k, v); n == "lost" {
				delete(fields, k)
			} else {
				fields[k] = n
			}
		}
	}
	return changing(func(t *ticket.Ticket) { change(t.Fields) }, func(e *ticket.Event) { change(e.Fields) })
}

type atVersion struct {
	id      ticket.ID
	version int64
}

// caching always returns the first result of one method.
func caching(method string) func(*faulty) {
	return func(f *faulty) {
		s, cache := f.Store, &register{}
		once := func(t ticket.Ticket) ticket.Ticket {
			key := atVersion{t.ID, t.Version}
			if old, ok := cache.get(key); ok {
				return old.(ticket.Ticket)
			}
			cache.put(key, t)
			return t
		}
		switch method {
		case "Ticket":
			f.ticket = func(ctx context.Context, tenant string, id ticket.ID) (ticket.Ticket, error) {
				t, err := s.Ticket(ctx, tenant, id)
				return once(t), err
			}
		case "Lookup":
			f.lookup = func(ctx context.Context, tenant string, n ticket.Number) (ticket.Ticket, error) {
				t, err := s.Lookup(ctx, tenant, n)
				return once(t), err
			}
		case "List":
			f.list = func(ctx context.Context, q ticket.Query) (ticket.Page, error) {
				p, err := s.List(ctx, q)
				for i := range p.Tickets {
					p.Tickets[i] = once(p.Tickets[i])
				}
				return p, err
			}
		case "Events":
			f.events = func(ctx context.Context, tenant string, id ticket.ID, after int64, limit int) ([]ticket.Event, error) {
				events, err := s.Events(ctx, tenant, id, after, limit)
				for i, e := range events {
					key := atVersion{e.Ticket, e.Seq}
					if old, ok := cache.get(key); ok {
						events[i] = old.(ticket.Event)
					} else {
						cache.put(key, e)
					}
				}
				return events, err
			}
		}
	}
}

var valueFaults = []fault{
	{"takes times before 1970 for 1970", "Values/years taken", func(f *faulty) {
		s := f.Store
		f.ticket = func(ctx context.Context, tenant string, id ticket.ID) (ticket.Ticket, error) {
			t, err := s.Ticket(ctx, tenant, id)
			if epoch := time.UnixMicro(0).UTC(); err == nil && t.Created.Before(epoch) {
				t.Created = epoch
			}
			return t, err
		}
	}},
	{"ignores a bound that it cannot store", "Values/years refused", func(f *faulty) {
		s := f.Store
		f.list = func(ctx context.Context, q ticket.Query) (ticket.Page, error) {
			if q.DueBefore.After(lastYear) {
				q.DueBefore = time.Time{}
			}
			return s.List(ctx, q)
		}
	}},
	{"counts past the last microsecond", "Values/years due", dueAt(func(now time.Time, limit int) (time.Time, int) {
		return time.UnixMicro(now.UnixMicro()), limit
	})},
	{"keeps the caller's ticket", "Values/copies in", func(f *faulty) {
		s, kept := f.Store, &register{}
		f.commit = func(ctx context.Context, c ticket.Commit) error {
			err := s.Commit(ctx, c)
			for _, ch := range c.Changes {
				if err == nil {
					kept.put(atVersion{ch.Ticket.ID, ch.Ticket.Version}, ch.Ticket)
				}
			}
			return err
		}
		f.ticket = func(ctx context.Context, tenant string, id ticket.ID) (ticket.Ticket, error) {
			t, err := s.Ticket(ctx, tenant, id)
			if own, ok := kept.get(atVersion{id, t.Version}); ok && err == nil {
				return own.(ticket.Ticket).Clone(), nil
			}
			return t, err
		}
	}},
	{"keeps the caller's events", "Values/copies in", func(f *faulty) {
		s, kept := f.Store, &register{}
		f.commit = func(ctx context.Context, c ticket.Commit) error {
			err := s.Commit(ctx, c)
			for _, ch := range c.Changes {
				for _, e := range ch.Events {
					if err == nil {
						kept.put(atVersion{e.Ticket, e.Seq}, e)
					}
				}
			}
			return err
		}
		f.events = func(ctx context.Context, tenant string, id ticket.ID, after int64, limit int) ([]ticket.Event, error) {
			events, err := s.Events(ctx, tenant, id, after, limit)
			for i, e := range events {
				if own, ok := kept.get(atVersion{e.Ticket, e.Seq}); ok {
					events[i] = own.(ticket.Event).Clone()
				}
			}
			return events, err
		}
	}},
	{"keeps the caller's receipt", "Values/copies in", func(f *faulty) {
		s, kept := f.Store, &register{}
		f.commit = func(ctx context.Context, c ticket.Commit) error {
			err := s.Commit(ctx, c)
			if err == nil && c.Receipt != nil {
				kept.put(key2{c.Receipt.Tenant, c.Receipt.Key}, c.Receipt)
			}
			return err
		}
		f.receipt = func(ctx context.Context, tenant, key string) (ticket.Receipt, error) {
			r, err := s.Receipt(ctx, tenant, key)
			if own, ok := kept.get(key2{tenant, key}); ok && err == nil {
				return *own.(*ticket.Receipt), nil
			}
			return r, err
		}
	}},
	{"caches tickets", "Values/copies out", caching("Ticket")},
	{"caches tickets by number", "Values/copies out", caching("Lookup")},
	{"caches listed tickets", "Values/copies out", caching("List")},
	{"caches events", "Values/copies out", caching("Events")},

	{"composes accents", "Values/text", rewriting(func(s string) string { return strings.ReplaceAll(s, "e\u0301", "é") })},
	{"cuts blanks off", "Values/text", rewriting(strings.TrimSpace)},
	{"loses characters outside the basic plane", "Values/text", rewriting(func(s string) string {
		return strings.Map(func(r rune) rune {
			if r > 0xFFFF {
				return '?'
			}
			return r
		}, s)
	})},
	{"ends lines in one way", "Values/text", rewriting(func(s string) string { return strings.ReplaceAll(s, "\r\n", "\n") })},
	{"unescapes backslashes", "Values/text", rewriting(func(s string) string { return strings.ReplaceAll(s, `\n`, "\n") })},
	{"folds the names of fields", "Values/text", changing(func(t *ticket.Ticket) {
		for k, v := range t.Fields {
			if l := strings.ReplaceAll(k, "ß", "ss"); l != k {
				delete(t.Fields, k)
				t.Fields[l] = v
			}
		}
	}, nil)},
	{"composes accents in deliveries", "Values/text", claiming(nil, func(d []ticket.Delivery) {
		for i := range d {
			retext(&d[i], func(s string) string { return strings.ReplaceAll(s, "e\u0301", "é") })
		}
	})},
	{"drops byte order marks from receipts", "Values/text", func(f *faulty) {
		s := f.Store
		f.receipt = func(ctx context.Context, tenant, key string) (ticket.Receipt, error) {
			r, err := s.Receipt(ctx, tenant, key)
			r.Key = strings.ReplaceAll(r.Key, "\ufeff", "")
			return r, err
		}
	}},
	{"holds 65535 bytes of text", "Values/long text", rewriting(func(s string) string { return s[:min(len(s), 65535)] })},
	{"holds 250 bytes of an address", "Values/long text", changing(func(t *ticket.Ticket) {
		t.Requester.Email = t.Requester.Email[:min(len(t.Requester.Email), 250)]
	}, nil)},

	{"holds times to the millisecond", "Values/times", changing(func(t *ticket.Ticket) {
		t.Created, t.Touched = t.Created.Truncate(time.Millisecond), t.Touched.Truncate(time.Millisecond)
	}, nil)},
	{"holds the times of events to the millisecond", "Values/times", changing(nil, func(e *ticket.Event) { e.At = e.At.Truncate(time.Millisecond) })},
	{"has local times", "Values/times", changing(func(t *ticket.Ticket) { t.Touched = t.Touched.In(time.FixedZone("CET", 3600)) }, nil)},
	{"has local times in deliveries", "Values/times", claiming(nil, func(d []ticket.Delivery) {
		for i := range d {
			d[i].Until = d[i].Until.Local().In(time.FixedZone("CET", 3600))
		}
	})},
	{"ends in 2038", "Values/times", changing(nil, func(e *ticket.Event) {
		if e.Set.Timer != nil && e.Set.Timer.At.Year() > 2200 {
			e.Set.Timer.At = time.Unix(1<<31-1, 0).UTC()
		}
	})},

	{"has no pointer to an empty reason", "Values/zero", changing(nil, func(e *ticket.Event) {
		if e.Set.Reason != nil && *e.Set.Reason == "" {
			e.Set.Reason = nil
		}
	})},
	{"has no pointer to a stopped timer", "Values/zero", changing(nil, func(e *ticket.Event) {
		if e.Set.Timer != nil && e.Set.Timer.IsZero() {
			e.Set.Timer = nil
		}
	})},
	{"has no pointer to no ticket", "Values/zero", changing(nil, func(e *ticket.Event) {
		if e.Set.MergedInto != nil && e.Set.MergedInto.IsZero() {
			e.Set.MergedInto = nil
		}
	})},
	{"begins in 1970", "Values/zero", func(f *faulty) {
		s := f.Store
		f.receipt = func(ctx context.Context, tenant, key string) (ticket.Receipt, error) {
			r, err := s.Receipt(ctx, tenant, key)
			if r.At.IsZero() && err == nil {
				r.At = time.Unix(0, 0).UTC()
			}
			return r, err
		}
	}},
	{"loses empty fields", "Values/zero", refielding(func(_ string, v any) any {
		if v == "" {
			return "lost"
		}
		return v
	})},
	{"loses fields without a name", "Values/zero", refielding(func(name string, v any) any {
		if name == "" {
			return "lost"
		}
		return v
	})},

	{"holds whole numbers as floats", "Values/fields", refielding(func(_ string, v any) any {
		if i, ok := v.(int64); ok && i != 0 && i != 1<<63-1 {
			return int64(float64(i))
		}
		return v
	})},
	{"takes whole floats for whole numbers", "Values/fields", refielding(func(_ string, v any) any {
		if x, ok := v.(float64); ok && x == 1 {
			return int64(1)
		}
		return v
	})},
	{"takes text for times", "Values/fields", refielding(func(_ string, v any) any {
		if s, ok := v.(string); ok {
			if t, err := time.Parse(time.RFC3339, s); err == nil {
				return t
			}
		}
		return v
	})},
	{"sorts lists", "Values/fields", refielding(func(_ string, v any) any {
		if list, ok := v.([]string); ok && len(list) == 3 && list[0] == "b" {
			slices.Sort(list)
		}
		return v
	})},
	{"loses the seal of what was erased", "Values/erased", changing(nil, func(e *ticket.Event) {
		if e.Seals.InternalContent.Erased() {
			e.Seals.InternalContent = ticket.Seal{}
		}
	})},
	{"loses a Message-ID", "Values/history", changing(nil, func(e *ticket.Event) {
		if e.MessageID == "4711@example.org" {
			e.MessageID = ""
		}
	})},
	{"loses that an event is quiet", "Values/history", changing(nil, func(e *ticket.Event) {
		if e.MessageID == "4711@example.org" {
			e.Quiet = false
		}
	})},
	{"keeps the first number of mails", "Values/history", changing(func(t *ticket.Ticket) {
		if len(t.Mailed) == 2 && t.Mailed[0] > 10 {
			t.Mailed = t.Mailed[:1]
		}
	}, nil)},
	{"loses which tags were removed", "Values/history", changing(nil, func(e *ticket.Event) {
		if len(e.Set.AddTags) == 0 {
			e.Set.RemoveTags = nil
		}
	})},
	{"does not count how often a ticket was reopened", "Values/history", changing(func(t *ticket.Ticket) { t.Reopened = 0 }, nil)},
	{"loses the person who was answered", "Values/history", changing(nil, func(e *ticket.Event) {
		if e.Set.Timer != nil && e.Action == ticket.ActionAsk {
			e.Answer = false
		}
	})},
	{"looks at its own clock for timers", "Due/no clock", dueAt(func(now time.Time, limit int) (time.Time, int) {
		if wall := time.Now(); now.Before(wall) {
			now = wall
		}
		return now, limit
	})},
	{"looks at its own clock for deliveries", "Values/no clock", claiming(func(r *ticket.ClaimRequest) {
		if wall := time.Now(); r.Now.Before(wall) {
			r.Now = wall
		}
	}, nil)},
}

type key2 struct{ tenant, key string }
