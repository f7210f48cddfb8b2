// Package boltstore stores tickets in a bbolt database (https://go.etcd.io/bbolt): one
// file, no server. It is an example for authors of a [ticket.Store]. It is short enough
// to read as a whole, and it passes the suite of storetest.
//
// Values are the JSON forms of package ticket, which are stable. The byte order of the keys
// is the order that the store reads them in.
package boltstore

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/storekit"
)

// The buckets, with their keys and values. Package storekit makes the keys, so that they
// sort correctly and different keys are never equal.
var (
	tickets    = []byte("tickets")    // ID → ticket
	tenants    = []byte("tenants")    // tenant, ID → nothing; the tickets of a tenant
	events     = []byte("events")     // ID, seq → event
	numbers    = []byte("numbers")    // number → ID
	receipts   = []byte("receipts")   // tenant, key → receipt
	wakes      = []byte("wakes")      // time, ID → tenant; tickets that the desk must look at
	deliveries = []byte("deliveries") // ID → delivery
	ofTenant   = []byte("ofTenant")   // tenant, ID → nothing; the deliveries of a tenant
	lines      = []byte("lines")      // ticket, notifier, recipient, seq, ID → nothing; unsettled deliveries
	outbox     = []byte("outbox")     // notifier, due, ID → nothing; the first delivery of each line
)

// Store is a [ticket.Store] in a bbolt database.
type Store struct{ db *bolt.DB }

var _ ticket.Store = (*Store)(nil)

// New returns a store in a database that your application has opened and will close. It
// creates missing buckets.
func New(db *bolt.DB) (*Store, error) {
	err := db.Update(func(tx *bolt.Tx) error {
		for _, name := range [][]byte{tickets, tenants, events, numbers, receipts, wakes, deliveries, ofTenant, lines, outbox} {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &Store{db}, nil
}

// view and update run f in one transaction. A reader sees one snapshot, and a failed
// writer changes nothing. bbolt allows many readers and one writer at a time, so the
// store needs no locks.
func (s *Store) view(ctx context.Context, f func(tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.db.View(func(t *bolt.Tx) error { return f(tx{t}) })
}

func (s *Store) update(ctx context.Context, f func(tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.db.Update(func(t *bolt.Tx) error { return f(tx{t}) })
}

// Commit implements [ticket.Store]. It checks and writes in turn; an error rolls back
// everything written so far.
func (s *Store) Commit(ctx context.Context, c ticket.Commit) error {
	if err := c.Check(); err != nil {
		return err
	}
	return s.update(ctx, func(tx tx) error {
		// Duplicates first, so that a repeat is not reported as a conflict.
		if r := c.Receipt; r != nil {
			if err := tx.add(receipts, key(r.Tenant, []byte(r.Key)), r, "key"); err != nil {
				return err
			}
		}
		for i := range c.Changes {
			t := &c.Changes[i].Ticket
			if c.Changes[i].Expect > 0 {
				continue
			}
			if tx.Bucket(tickets).Get(t.ID[:]) != nil {
				return &ticket.DuplicateError{What: "id"}
			}
			if err := tx.add(numbers, []byte(t.Number), t.ID, "number"); err != nil {
				return err
			}
			if err := tx.put(tenants, key(t.Tenant, t.ID[:]), nil); err != nil {
				return err
			}
		}
		for i := range c.Deliveries {
			d := &c.Deliveries[i]
			if err := tx.add(deliveries, d.ID[:], d, "delivery"); err != nil {
				return err
			}
			if err := tx.put(ofTenant, key(d.Tenant, d.ID[:]), nil); err != nil {
				return err
			}
			if err := tx.enter(d); err != nil {
				return err
			}
		}
		for i := range c.Changes {
			if err := tx.change(&c.Changes[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

// change writes a ticket and its events if the ticket still has the expected version.
func (tx tx) change(ch *ticket.Change) error {
	t := &ch.Ticket
	var before ticket.Ticket
	if ch.Expect > 0 {
		found, err := tx.get(tickets, t.ID[:], &before)
		if err != nil {
			return err
		}
		if !found || before.Tenant != t.Tenant {
			return &ticket.ConflictError{Ticket: t.ID, Expected: ch.Expect}
		}
		if before.Version != ch.Expect {
			return &ticket.ConflictError{Ticket: t.ID, Expected: ch.Expect, Actual: before.Version}
		}
	}
	if was, is := before.Wake(), t.Wake(); !was.Equal(is) {
		if !was.IsZero() {
			if err := tx.Bucket(wakes).Delete(wakeKey(&before)); err != nil {
				return err
			}
		}
		if !is.IsZero() {
			if err := tx.Bucket(wakes).Put(wakeKey(t), []byte(t.Tenant)); err != nil {
				return err
			}
		}
	}
	for i := range ch.Events {
		if err := tx.put(events, eventKey(t.ID, ch.Events[i].Seq), &ch.Events[i]); err != nil {
			return err
		}
	}
	return tx.put(tickets, t.ID[:], t)
}

// Ticket implements [ticket.Store].
func (s *Store) Ticket(ctx context.Context, tenant string, id ticket.ID) (t ticket.Ticket, err error) {
	err = s.view(ctx, func(tx tx) error {
		t, err = tx.ticket(tenant, id, id.String())
		return err
	})
	return t, err
}

// ticket reads a ticket. It does not find another tenant's.
func (tx tx) ticket(tenant string, id ticket.ID, ref string) (ticket.Ticket, error) {
	var t ticket.Ticket
	found, err := tx.get(tickets, id[:], &t)
	if err == nil && (!found || t.Tenant != tenant) {
		err = &ticket.NotFoundError{What: "ticket", Ref: ref}
	}
	if err != nil {
		return ticket.Ticket{}, err
	}
	return t, nil
}

// Lookup implements [ticket.Store].
func (s *Store) Lookup(ctx context.Context, tenant string, n ticket.Number) (t ticket.Ticket, err error) {
	err = s.view(ctx, func(tx tx) error {
		var id ticket.ID // stays zero if the number is unknown; no ticket has this ID
		if n != "" {
			if _, err := tx.get(numbers, []byte(n), &id); err != nil {
				return err
			}
		}
		t, err = tx.ticket(tenant, id, string(n))
		return err
	})
	return t, err
}

// Receipt implements [ticket.Store].
func (s *Store) Receipt(ctx context.Context, tenant, k string) (r ticket.Receipt, err error) {
	err = s.view(ctx, func(tx tx) error {
		found, err := tx.get(receipts, key(tenant, []byte(k)), &r)
		if err == nil && !found {
			err = &ticket.NotFoundError{What: "receipt", Ref: k}
		}
		return err
	})
	return r, err
}

// Events implements [ticket.Store].
func (s *Store) Events(ctx context.Context, tenant string, id ticket.ID, after int64, limit int) (list []ticket.Event, err error) {
	err = s.view(ctx, func(tx tx) error {
		if _, err := tx.ticket(tenant, id, id.String()); err != nil {
			return err
		}
		from := eventKey(id, max(after, 0)+1)
		c := tx.Bucket(events).Cursor()
		for k, v := c.Seek(from); bytes.HasPrefix(k, id[:]) && (limit <= 0 || len(list) < limit); k, v = c.Next() {
			var e ticket.Event
			if err := decode(v, &e); err != nil {
				return err
			}
			list = append(list, e)
		}
		return nil
	})
	return list, err
}

// List implements [ticket.Store]. It looks at every ticket of the tenant. This is simple,
// takes about 20 µs per ticket, and is fast enough for some thousands. For more tickets,
// add an index for each order, begin at Query.After and stop after a page.
func (s *Store) List(ctx context.Context, q ticket.Query) (ticket.Page, error) {
	after, resumed, err := q.Place()
	if err == nil {
		err = q.Check()
	}
	if err != nil {
		return ticket.Page{}, err
	}
	var found []ticket.Ticket
	err = s.view(ctx, func(tx tx) error {
		mine := key(q.Tenant)
		c := tx.Bucket(tenants).Cursor()
		for k, _ := c.Seek(mine); bytes.HasPrefix(k, mine); k, _ = c.Next() {
			if err := ctx.Err(); err != nil {
				return err
			}
			var t ticket.Ticket
			if _, err := tx.get(tickets, k[len(mine):], &t); err != nil {
				return err
			}
			if q.Match(&t) && (!resumed || after.Compare(q.PlaceOf(&t)) < 0) {
				found = append(found, t)
			}
		}
		return nil
	})
	if err != nil {
		return ticket.Page{}, err
	}
	slices.SortFunc(found, func(a, b ticket.Ticket) int { return q.PlaceOf(&a).Compare(q.PlaceOf(&b)) })
	return q.NewPage(found), nil
}

// Due implements [ticket.Store].
func (s *Store) Due(ctx context.Context, now time.Time, limit int) (refs []ticket.Ref, err error) {
	end := key8(now)
	err = s.view(ctx, func(tx tx) error {
		c := tx.Bucket(wakes).Cursor()
		for k, v := c.First(); k != nil && bytes.Compare(k[:8], end) <= 0 && len(refs) < limit; k, v = c.Next() {
			refs = append(refs, ticket.Ref{Tenant: string(v), Ticket: ticket.ID(k[8:])})
		}
		return nil
	})
	return refs, err
}

// Claim implements [ticket.Store]. It does not change the outbox: the key of a claimed
// delivery stays.
func (s *Store) Claim(ctx context.Context, r ticket.ClaimRequest) (claimed []ticket.Delivery, err error) {
	if err := r.Check(); err != nil {
		return nil, err
	}
	err = s.update(ctx, func(tx tx) error {
		for _, notifier := range slices.Compact(slices.Sorted(slices.Values(r.Notifiers))) {
			ready, err := tx.ready(notifier, r.Now, r.Limit)
			if err != nil {
				return err
			}
			claimed = append(claimed, ready...)
		}
		slices.SortFunc(claimed, func(a, b ticket.Delivery) int {
			return cmp.Or(a.Due.Compare(b.Due), a.ID.Compare(b.ID))
		})
		claimed = claimed[:min(len(claimed), r.Limit)]
		for i := range claimed {
			d := &claimed[i]
			if d.State == ticket.DeliveryClaimed {
				d.Failures++ // an expired lease
			}
			d.State, d.Attempts, d.Until = ticket.DeliveryClaimed, d.Attempts+1, utc(r.Now.Add(r.Lease))
			if err := tx.put(deliveries, d.ID[:], d); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err // the claim was rolled back
	}
	return claimed, nil
}

// ready returns the deliveries of one notifier that may be claimed.
func (tx tx) ready(notifier string, now time.Time, limit int) ([]ticket.Delivery, error) {
	var list []ticket.Delivery
	of := key(notifier)
	end := append(key(notifier), key8(now)...)
	c := tx.Bucket(outbox).Cursor()
	for k, _ := c.Seek(of); bytes.HasPrefix(k, of) && len(list) < limit; k, _ = c.Next() {
		if bytes.Compare(k[:len(end)], end) > 0 {
			break
		}
		var d ticket.Delivery
		if _, err := tx.get(deliveries, k[len(end):], &d); err != nil {
			return nil, err
		}
		if d.State == ticket.DeliveryPending || !d.Until.After(now) {
			list = append(list, d)
		}
	}
	return list, nil
}

// Settle implements [ticket.Store].
func (s *Store) Settle(ctx context.Context, list []ticket.Settlement) error {
	for i := range list {
		if err := list[i].Check(); err != nil {
			return err
		}
	}
	lost := false
	err := s.update(ctx, func(tx tx) error {
		for _, o := range list {
			held, err := tx.settle(o)
			if err != nil {
				return err
			}
			lost = lost || !held
		}
		return nil
	})
	if err == nil && lost {
		err = ticket.ErrClaimLost // returned after the transaction, so that the others are kept
	}
	return err
}

// settle records one outcome if the claim is still valid.
func (tx tx) settle(o ticket.Settlement) (held bool, err error) {
	var d ticket.Delivery
	found, err := tx.get(deliveries, o.ID[:], &d)
	if err != nil || !found || d.State != ticket.DeliveryClaimed || d.Attempts != o.Attempts {
		return false, err
	}
	if err := tx.leave(&d); err != nil {
		return false, err
	}
	d.State, d.Until, d.LastError, d.Failures, d.Address = o.State, time.Time{}, o.Error, o.Failures, o.Address
	if d.State.Settled() {
		d.Settled = utc(o.At)
		return true, tx.put(deliveries, o.ID[:], &d)
	}
	d.Due = utc(o.Due)
	if err := tx.put(deliveries, o.ID[:], &d); err != nil {
		return false, err
	}
	return true, tx.enter(&d)
}

// UpdateDeliveries implements [ticket.Store].
func (s *Store) UpdateDeliveries(ctx context.Context, r ticket.DeliveryUpdate) (changed int, err error) {
	if err := r.Check(); err != nil {
		return 0, err
	}
	err = s.update(ctx, func(tx tx) error {
		for i, id := range r.IDs {
			var d ticket.Delivery
			found, err := tx.get(deliveries, id[:], &d)
			if err != nil {
				return err
			}
			if !found || d.Tenant != r.Tenant || !slices.Contains(r.From, d.State) || slices.Contains(r.IDs[:i], id) {
				continue
			}
			d.State, d.LastError, d.Settled = r.To, r.Error, utc(r.At)
			if r.To == ticket.DeliveryPending {
				d.Due, d.Failures, d.Settled = utc(r.At), 0, time.Time{}
			}
			if err := tx.put(deliveries, id[:], &d); err != nil {
				return err
			}
			if r.To == ticket.DeliveryPending {
				if err := tx.enter(&d); err != nil {
					return err
				}
			}
			changed++
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return changed, nil
}

// enter puts a stored delivery into its line. If it comes before the first one, it takes
// that one's place in the outbox.
func (tx tx) enter(d *ticket.Delivery) error {
	first, err := tx.first(d)
	if err != nil {
		return err
	}
	if err := tx.put(lines, lineKey(d), nil); err != nil {
		return err
	}
	switch {
	case first == nil:
	case d.Before(first):
		if err := tx.Bucket(outbox).Delete(outboxKey(first)); err != nil {
			return err
		}
	default:
		return nil
	}
	return tx.put(outbox, outboxKey(d), nil)
}

// leave removes a delivery from its line and puts the next one into the outbox.
func (tx tx) leave(d *ticket.Delivery) error {
	// This deletes nothing unless the delivery is the first of its line.
	if err := tx.Bucket(outbox).Delete(outboxKey(d)); err != nil {
		return err
	}
	if err := tx.Bucket(lines).Delete(lineKey(d)); err != nil {
		return err
	}
	first, err := tx.first(d)
	if err != nil || first == nil {
		return err
	}
	return tx.put(outbox, outboxKey(first), nil)
}

// first returns the first of the line that the delivery belongs to, or nil.
func (tx tx) first(d *ticket.Delivery) (*ticket.Delivery, error) {
	line := storekit.AppendLine(nil, d)
	k, _ := tx.Bucket(lines).Cursor().Seek(line)
	if !bytes.HasPrefix(k, line) {
		return nil, nil
	}
	var first ticket.Delivery
	_, err := tx.get(deliveries, k[len(k)-len(d.ID):], &first)
	return &first, err
}

// Deliveries implements [ticket.Store]. Like List it is simple: it looks at the tenant's
// deliveries from the newest on, until the page is full.
func (s *Store) Deliveries(ctx context.Context, q ticket.DeliveryQuery) (ticket.DeliveryPage, error) {
	if err := q.Check(); err != nil {
		return ticket.DeliveryPage{}, err
	}
	var found []ticket.Delivery
	err := s.view(ctx, func(tx tx) error {
		mine := key(q.Tenant)
		from := bytes.Repeat([]byte{0xFF}, len(q.After))
		if !q.After.IsZero() {
			from = q.After[:]
		}
		c := tx.Bucket(ofTenant).Cursor()
		k, _ := c.Seek(key(q.Tenant, from))
		if k == nil {
			k, _ = c.Last()
		}
		for ; k != nil && bytes.Compare(k, mine) > 0 && len(found) <= q.PageSize(); k, _ = c.Prev() {
			if err := ctx.Err(); err != nil {
				return err
			}
			if !bytes.HasPrefix(k, mine) {
				continue // a key of the next tenant
			}
			var d ticket.Delivery
			if _, err := tx.get(deliveries, k[len(mine):], &d); err != nil {
				return err
			}
			if q.Match(&d) {
				found = append(found, d)
			}
		}
		return nil
	})
	if err != nil {
		return ticket.DeliveryPage{}, err
	}
	return q.NewPage(found), nil
}

// tx is a bbolt transaction that reads and writes JSON.
type tx struct{ *bolt.Tx }

func (tx tx) get(bucket, key []byte, v any) (found bool, err error) {
	data := tx.Bucket(bucket).Get(key)
	if data == nil {
		return false, nil
	}
	return true, decode(data, v)
}

// put writes a value. If v is nil, it writes a key without a value.
func (tx tx) put(bucket, key []byte, v any) error {
	var data []byte
	if v != nil {
		var err error
		if data, err = json.Marshal(v); err != nil {
			return err
		}
	}
	return tx.Bucket(bucket).Put(key, data)
}

// add is like put, for a key that must not exist.
func (tx tx) add(bucket, key []byte, v any, what string) error {
	if tx.Bucket(bucket).Get(key) != nil {
		return &ticket.DuplicateError{What: what}
	}
	return tx.put(bucket, key, v)
}

// decode unmarshals JSON, because bbolt's bytes are valid only until the transaction ends.
func decode(data []byte, v any) error {
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("boltstore: damaged value: %w", err)
	}
	return nil
}

// key joins a text and the bytes after it.
func key(text string, rest ...[]byte) []byte {
	return append(storekit.Join(text), bytes.Join(rest, nil)...)
}

func key8(t time.Time) []byte { return storekit.AppendTime(nil, t) }

func eventKey(id ticket.ID, seq int64) []byte {
	return binary.BigEndian.AppendUint64(id[:len(id):len(id)], uint64(seq))
}

func wakeKey(t *ticket.Ticket) []byte { return append(key8(t.Wake()), t.ID[:]...) }

func lineKey(d *ticket.Delivery) []byte { return storekit.AppendInLine(nil, d) }

func outboxKey(d *ticket.Delivery) []byte { return key(d.Notifier, key8(d.Due), d.ID[:]) }

// utc returns a time in the form that tickets use.
func utc(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }
