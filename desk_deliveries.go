package ticket

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"
)

// ActionRedrive and ActionMarkBounced are passed to the [Policy]: the first by
// [Desk.Redrive], the second by [Desk.Bounced] and [Desk.Undelivered]. They are not
// actions of a workflow.
const (
	ActionRedrive     ActionName = "redrive"
	ActionMarkBounced ActionName = "mark bounced"
)

// Deliveries returns one page of the deliveries that match, the newest first, in
// any state. LastError says why one was given up or suppressed. Agents see the
// deliveries of the tickets they may see. If the policy hides some, a page may hold
// fewer than the limit and still have a Next. Customers get [ErrRefused].
func (d *Desk) Deliveries(ctx context.Context, a Actor, q DeliveryQuery) (DeliveryPage, error) {
	if err := d.mayLookAtDeliveries(&a); err != nil {
		return DeliveryPage{}, err
	}
	q.Tenant = a.Tenant
	c := check{Limits: d.cfg.Limits}
	q.To.Person = c.person("query.to.person", q.To.Person)
	q.To.Queue = name(&c, "query.to.queue", q.To.Queue)
	q.Kind = names(&c, "query.kind", q.Kind)
	q.Notifiers = names(&c, "query.notifiers", q.Notifiers)
	if c.err != nil {
		return DeliveryPage{}, c.err
	}
	page, err := d.store.Deliveries(ctx, q)
	if err != nil {
		return DeliveryPage{}, err
	}
	kept := page.Deliveries[:0]
	visible := map[ID]bool{}
	for _, row := range page.Deliveries {
		sees, known := visible[row.Ticket]
		if !known {
			_, err := d.load(ctx, a, row.Ticket)
			if err != nil && !isNotFound(err) {
				return DeliveryPage{}, err
			}
			sees = err == nil
			visible[row.Ticket] = sees
		}
		if sees {
			kept = append(kept, row)
		}
	}
	page.Deliveries = kept
	return page, nil
}

// storedDeliveries yields all deliveries that match, whoever may see them, page by page.
func (d *Desk) storedDeliveries(ctx context.Context, q DeliveryQuery) iter.Seq2[*Delivery, error] {
	return func(yield func(*Delivery, error) bool) {
		for q.Limit = MaxLimit; ; {
			page, err := d.store.Deliveries(ctx, q)
			if err != nil {
				yield(nil, err)
				return
			}
			for i := range page.Deliveries {
				if !yield(&page.Deliveries[i], nil) {
					return
				}
			}
			if q.After = page.Next; q.After.IsZero() {
				return
			}
		}
	}
}

func (d *Desk) mayLookAtDeliveries(a *Actor) error {
	if err := d.checkActor(a); err != nil {
		return err
	}
	if a.Role&(RoleAgent|RoleSystem) == 0 {
		return &RefusedError{Action: "look at deliveries", Role: a.Role, Why: whyRole, By: RoleAgent | RoleSystem, Detail: "only agents and systems may see deliveries"}
	}
	return nil
}

// failed are the states that Redrive takes by default.
var failed = []DeliveryState{DeliveryDead, DeliveryBounced, DeliverySuppressed, DeliveryUndelivered}

// Redrive retries deliveries that were given up or held back, at once and with all
// their attempts. It takes the deliveries that match q, on all its pages, if the
// actor may see their tickets. It returns their number and, if the policy refused
// some, the first refusal. q.State may list Dead, Bounced, Suppressed, Undelivered,
// Sent (to repeat what was sent) and Pending. Empty means the first four. With
// Pending, deliveries that wait for their next attempt are due at once, if the
// store is a [Rescheduler]; their failures still count. Sending to an address resumes
// once the address has no Bounced delivery any more.
//
// The earlier result of a delivery is not kept. A delivery keeps its ID, so a
// recipient can recognise a repeat. Deliveries that come after it in its line wait
// for it again; those that were sent meanwhile have overtaken it.
func (d *Desk) Redrive(ctx context.Context, a Actor, q DeliveryQuery) (int, error) {
	if len(q.State) == 0 {
		q.State = failed
	}
	for _, s := range q.State {
		if !s.Settled() && s != DeliveryPending {
			return 0, invalid("query.state", "must be some of %q", append(slices.Clone(failed), DeliverySent, DeliveryPending))
		}
	}
	if q.Limit == 0 {
		q.Limit = MaxLimit
	}
	sum := 0
	var refused error // the first; the others are redriven nevertheless
	for {
		page, err := d.Deliveries(ctx, a, q)
		if err != nil {
			return sum, err
		}
		waits := []ID{}
		settled := slices.DeleteFunc(slices.Clone(q.State), func(s DeliveryState) bool { return !s.Settled() })
		r := DeliveryUpdate{Tenant: a.Tenant, From: settled, To: DeliveryPending, At: d.now(), Error: shorten("redriven by " + a.String())}
		asked := map[ID]error{}
		for _, row := range page.Deliveries {
			err, known := asked[row.Ticket]
			if !known {
				t, lost := d.load(ctx, a, row.Ticket)
				if err = lost; err == nil {
					err = d.may(a, t, ActionRedrive)
				}
				asked[row.Ticket] = err
			}
			switch {
			case err == nil && row.State == DeliveryPending:
				waits = append(waits, row.ID)
			case err == nil:
				r.IDs = append(r.IDs, row.ID)
			case errors.Is(err, ErrRefused):
				refused = cmp.Or(refused, err)
			case !isNotFound(err):
				return sum, err
			}
		}
		if len(r.IDs)+len(waits) > 0 {
			n, err := d.rescheduleNow(ctx, a.Tenant, waits)
			if err == nil && len(r.IDs) > 0 {
				var revised int
				revised, err = d.store.UpdateDeliveries(ctx, r)
				n += revised
			}
			sum += n
			if err != nil {
				return sum, err
			}
			if n > 0 && !d.bound {
				d.wake.all()
			}
		}
		if q.After = page.Next; q.After.IsZero() {
			return sum, refused
		}
	}
}

// Bounced records that a sent message came back later because of its address, as when a
// mail server accepted a message and then found no mailbox. The delivery becomes Bounced,
// and this notifier sends nothing more to the address until the delivery is redriven.
// Bounced also accepts deliveries that were given up or held back. The reason is
// the text of the other side. A delivery that the actor may not see is
// [ErrNotFound]; one that is still on its way is [ErrInvalid].
func (d *Desk) Bounced(ctx context.Context, a Actor, id ID, reason string) error {
	return d.cameBack(ctx, a, id, reason, DeliveryBounced, DeliverySent, DeliveryDead, DeliverySuppressed, DeliveryBounced, DeliveryUndelivered)
}

// Undelivered records that a sent message came back later for another reason than its
// address, as when a server refused its content, or a mailbox stayed full. The delivery
// becomes Undelivered. The address stays in use: further messages are sent to it. Redrive
// tries the message again. Undelivered also accepts deliveries that were given up, and
// those that are Undelivered already. Everything else is as for [Desk.Bounced].
func (d *Desk) Undelivered(ctx context.Context, a Actor, id ID, reason string) error {
	return d.cameBack(ctx, a, id, reason, DeliveryUndelivered, DeliverySent, DeliveryDead, DeliveryUndelivered)
}

// cameBack changes the state of a delivery that came back, if it is in one of the given
// states.
func (d *Desk) cameBack(ctx context.Context, a Actor, id ID, reason string, to DeliveryState, from ...DeliveryState) error {
	page, err := d.Deliveries(ctx, a, DeliveryQuery{IDs: []ID{id}})
	if err != nil {
		return err
	}
	if len(page.Deliveries) == 0 {
		return &NotFoundError{What: "delivery", Ref: id.String()}
	}
	row := page.Deliveries[0]
	t, err := d.load(ctx, a, row.Ticket)
	if err != nil {
		return err
	}
	if err := d.may(a, t, ActionMarkBounced); err != nil {
		return err
	}
	n, err := d.store.UpdateDeliveries(ctx, DeliveryUpdate{Tenant: a.Tenant, IDs: []ID{id}, From: from, To: to, At: d.now(), Error: shorten(reason)})
	switch {
	case err != nil || n > 0:
		return err
	case to == DeliveryBounced:
		return invalid("delivery", "must be settled: this one is %s", row.State)
	default:
		return invalid("delivery", "must be sent or given up: this one is %s", row.State)
	}
}

// Entry is one event with its deliveries.
type Entry struct {
	Event      Event
	Number     Number     // of the event's ticket, which may be one that was merged in
	Deliveries []Delivery // of all notifiers, by ID
}

// Entries yields the ticket's history as [Desk.History] does, each event with its
// deliveries, also for merged tickets. It is for agents and systems. Customers get
// [ErrRefused].
func (d *Desk) Entries(ctx context.Context, a Actor, id ID) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		err := d.mayLookAtDeliveries(&a)
		var shares []*share
		if err == nil {
			shares, err = d.openShares(ctx, a, id)
		}
		if err != nil {
			yield(Entry{}, err)
			return
		}
		// For events up to the version that was read, the deliveries are stored.
		rows := map[*share]map[int64][]Delivery{}
		d.read(ctx, d.thread(shares, false), func(e Event, of *share, err error) bool {
			if err == nil && rows[of] == nil {
				rows[of], err = d.deliveriesOf(ctx, a, of.ticket.ID)
			}
			if err != nil {
				yield(Entry{}, err)
				return false
			}
			return yield(Entry{e, of.ticket.Number, rows[of][e.Seq]}, nil)
		})
	}
}

// deliveriesOf returns all deliveries of a ticket, by event and ID.
func (d *Desk) deliveriesOf(ctx context.Context, a Actor, id ID) (map[int64][]Delivery, error) {
	rows := map[int64][]Delivery{}
	for q := (DeliveryQuery{Ticket: id, Limit: MaxLimit}); ; {
		page, err := d.Deliveries(ctx, a, q)
		if err != nil {
			return nil, err
		}
		for _, row := range page.Deliveries {
			rows[row.Seq] = append(rows[row.Seq], row)
		}
		if q.After = page.Next; q.After.IsZero() {
			break
		}
	}
	for _, list := range rows {
		slices.Reverse(list) // they came newest first
	}
	return rows, nil
}

// Report describes the result of the delivery in a few words, for agents who read a
// history: "sent 2026-01-05 10:02", "bounced 2026-01-05 10:02: mailbox
// unavailable". Times are in the given zone. Nil means UTC.
func (d Delivery) Report(in *time.Location) string {
	if in == nil {
		in = time.UTC
	}
	at := func(t time.Time) string { return t.In(in).Format("2006-01-02 15:04") }
	switch d.State {
	case DeliverySent:
		return "sent " + at(d.Settled)
	case DeliverySuppressed:
		return fmt.Sprintf("not sent: %s", d.LastError)
	case DeliveryDead:
		return fmt.Sprintf("given up %s: %s", at(d.Settled), d.LastError)
	case DeliveryBounced:
		return fmt.Sprintf("bounced %s: %s", at(d.Settled), d.LastError)
	case DeliveryUndelivered:
		return fmt.Sprintf("came back %s: %s", at(d.Settled), d.LastError)
	case DeliveryClaimed:
		return "being sent"
	}
	switch {
	case d.Failures == 0 && d.LastError == "":
		return "waits to be sent"
	case strings.HasPrefix(d.LastError, perhaps):
		return fmt.Sprintf("%s, tried again not before %s", d.LastError, at(d.Due))
	case d.Failures == 0:
		return fmt.Sprintf("waits, until %s at least: %s", at(d.Due), d.LastError)
	}
	return fmt.Sprintf("failed, attempt %d not before %s: %s", d.Failures+1, at(d.Due), d.LastError)
}
