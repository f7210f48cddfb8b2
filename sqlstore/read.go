package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ticketkit/ticket"
)

// Ticket returns the ticket with this ID; see [ticket.Store].
func (s *Store) Ticket(ctx context.Context, tenant string, id ticket.ID) (ticket.Ticket, error) {
	text := id.String()
	return s.read(ctx, text, selectTicket, text, tenant)
}

// Lookup returns the ticket with this number; see [ticket.Store].
func (s *Store) Lookup(ctx context.Context, tenant string, n ticket.Number) (ticket.Ticket, error) {
	const text = "SELECT " + ticketColumns + " FROM {t}tickets t WHERE t.number = ? AND t.tenant = ?"
	return s.read(ctx, string(n), text, string(n), tenant)
}

func (s *Store) read(ctx context.Context, ref, text string, args ...any) (ticket.Ticket, error) {
	if err := ctx.Err(); err != nil {
		return ticket.Ticket{}, err
	}
	defer s.hold()()
	var t ticket.Ticket
	found, err := s.here().ticket(ctx, &t, text, args...)
	if err != nil {
		return ticket.Ticket{}, s.explain(ctx, "read a ticket", err)
	}
	if !found {
		return ticket.Ticket{}, &ticket.NotFoundError{What: "ticket", Ref: ref}
	}
	return t, nil
}

func (x *session) ticket(ctx context.Context, t *ticket.Ticket, text string, args ...any) (found bool, err error) {
	err = x.rows(ctx, func(r *sql.Rows) error {
		found = true
		var err error
		*t, err = scanTicket(r)
		return err
	}, text, args...)
	return found, err
}

// Receipt returns what an idempotency key was used for; see [ticket.Store].
func (s *Store) Receipt(ctx context.Context, tenant, key string) (ticket.Receipt, error) {
	if err := ctx.Err(); err != nil {
		return ticket.Receipt{}, err
	}
	defer s.hold()()
	r := ticket.Receipt{Tenant: tenant, Key: key}
	var id, request string
	var at int64
	read := func(text string) (bool, error) {
		return s.here().one(ctx, []any{&id, &r.Version, &request, &at, &r.Keyed}, text, tenant, key)
	}
	const text = "SELECT ticket, version, request, at, keyed FROM {t}receipts WHERE tenant = ? AND name = ?"
	found, err := read(text + s.lang.settledRead)
	if err != nil && s.tx == nil && s.lang.settledRead != "" && s.lang.classify(err) == readOnly { // a replica
		found, err = read(text)
	}
	if s.lang.settledRead != "" {
		err = sure(ctx, err)
	}
	if err == nil && found {
		r.At = micros(at)
		if err = parseID([]byte(id), &r.Ticket); err == nil {
			err = parseDigest([]byte(request), &r.Request)
		}
	}
	if err != nil {
		return ticket.Receipt{}, s.explain(ctx, "read a receipt", err)
	}
	if !found {
		return ticket.Receipt{}, &ticket.NotFoundError{What: "receipt", Ref: key}
	}
	return r, nil
}

// Events returns a ticket's events; see [ticket.Store].
func (s *Store) Events(ctx context.Context, tenant string, id ticket.ID, after int64, limit int) ([]ticket.Event, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	defer s.hold()()
	x := s.here()
	text := id.String()
	ask, args := selectEvents, []any{text, after, tenant}
	if limit > 0 {
		ask, args = ask+" LIMIT ?", append(args, limit)
	}
	events, err := x.events(ctx, ask, args...)
	if err != nil {
		return nil, s.explain(ctx, "read events", err)
	}
	if len(events) > 0 {
		return events, nil
	}
	found, err := x.exists(ctx, "SELECT 1 FROM {t}tickets WHERE id = ? AND tenant = ?", text, tenant)
	if err != nil {
		return nil, s.explain(ctx, "read events", err)
	}
	if !found {
		return nil, &ticket.NotFoundError{What: "ticket", Ref: text}
	}
	return nil, nil
}

const selectEvents = "SELECT doc FROM {t}events{by events_id} WHERE ticket = ? AND seq > ? AND {hidden tenant} = ? ORDER BY seq"

func (x *session) events(ctx context.Context, text string, args ...any) (list []ticket.Event, err error) {
	err = x.rows(ctx, func(r *sql.Rows) error {
		e, err := scanEvent(r)
		list = append(list, e)
		return err
	}, text, args...)
	return list, err
}

func scanEvent(r *sql.Rows) (ticket.Event, error) {
	var doc sql.RawBytes
	var e ticket.Event
	if err := r.Scan(&doc); err != nil {
		return e, err
	}
	if err := decodeEvent(doc, &e); err != nil {
		return e, fmt.Errorf("sqlstore: invalid stored event: %w", err)
	}
	return e, nil
}

// Due returns references to the tickets that the desk must look at; see [ticket.Store].
func (s *Store) Due(ctx context.Context, now time.Time, limit int) ([]ticket.Ref, error) {
	if err := ctx.Err(); err != nil || limit <= 0 {
		return nil, err
	}
	defer s.hold()()
	var refs []ticket.Ref
	err := s.here().rows(ctx, func(r *sql.Rows) error {
		var ref ticket.Ref
		var id sql.RawBytes
		if err := r.Scan(&ref.Tenant, &id); err != nil {
			return err
		}
		if err := parseID(id, &ref.Ticket); err != nil {
			return err
		}
		refs = append(refs, ref)
		return nil
	}, "SELECT tenant, id FROM {t}tickets{by tickets_wake} WHERE wake IS NOT NULL AND wake <= ? ORDER BY wake, id LIMIT ?", bounded(now), limit)
	return refs, s.explain(ctx, "list due tickets", err)
}

// Counts returns how much open work there is; see [ticket.Counter]. It counts along
// an index, and subtracts the few tickets that were merged while open.
func (s *Store) Counts(ctx context.Context, tenant string) ([]ticket.Count, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	defer s.hold()()
	n := map[ticket.Count]int{} // with N = 0 in the keys
	err := s.here().rows(ctx, func(r *sql.Rows) error {
		var c ticket.Count
		var status string
		var times int
		err := r.Scan(&c.Queue, &c.Level, &status, &times)
		c.Status = ticket.Status(status)
		n[c] += times
		return err
	}, strings.ReplaceAll(selectCounts, "{join}", s.lang.join), tenant, tenant)
	if err != nil {
		return nil, s.explain(ctx, "count tickets", err)
	}
	counts := make([]ticket.Count, 0, len(n))
	for c, times := range n {
		if c.N = times; times > 0 {
			counts = append(counts, c)
		}
	}
	slices.SortFunc(counts, func(a, b ticket.Count) int {
		return cmp.Or(cmp.Compare(a.Queue, b.Queue), cmp.Compare(a.Level, b.Level), cmp.Compare(a.Status, b.Status))
	})
	return counts, nil
}

const selectCounts = "SELECT queue, level, status, COUNT(*) FROM {t}tickets{by tickets_count} WHERE tenant = ? AND open = 1 GROUP BY queue, level, status" +
	" UNION ALL SELECT t.queue, t.level, t.status, -COUNT(*) FROM {t}labels l {join} {t}tickets t{by tickets_id} ON t.id = l.ticket" +
	" WHERE l.tenant = ? AND l.label = '" + mergedLabel + "' AND t.open = 1 GROUP BY t.queue, t.level, t.status"

// Count returns how many tickets match; see [ticket.Counter]. It walks along an index
// as List does, and so costs as many rows as it counts, and the rows between them that
// other conditions exclude.
func (s *Store) Count(ctx context.Context, q ticket.Query, limit int) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if err := q.Check(); err != nil {
		return 0, err
	}
	if limit <= 0 {
		return 0, nil
	}
	// The order decides only which index the walk is along.
	due := q.Order == ticket.OrderSoonestDue
	switch work := openWork(&q); {
	case work && len(q.Queue)+len(q.Assignee) > 0:
		q.Order = ticket.OrderMostUrgent
	case due || !q.DueBefore.IsZero():
		q.Order = ticket.OrderSoonestDue
	case work:
		q.Order = ticket.OrderMostUrgent
	case !q.TouchedFrom.IsZero() || !q.TouchedBefore.IsZero():
		q.Order = ticket.OrderLeastRecent
	default:
		q.Order = ticket.OrderOldestFirst
	}
	l := s.listing(&q)
	if due {
		l.and("t." + dueColumn(q.Metric) + " IS NOT NULL")
	}
	text, args := l.count(limit)
	defer s.hold()()
	n := 0
	_, err := s.here().one(ctx, []any{&n}, text, args...)
	return n, s.explain(ctx, "count tickets", err)
}
