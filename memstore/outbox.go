package memstore

import (
	"cmp"
	"container/heap"
	"slices"
	"sync"
	"time"

	"github.com/ticketkit/ticket"
)

// An outbox keeps the deliveries of all tickets under one lock, because a claim must
// see all of them at once. Commits without deliveries do not take the lock.
type outbox struct {
	mu      sync.RWMutex
	rows    map[ticket.ID]*row
	tickets map[ticket.ID]*byID
	lines   map[lineKey]*line
	queues  map[string]*queue // by notifier
	tenants map[string]*tenant
	people  map[personKey]*byID
	sentTo  map[sentToKey]*sentTo
}

func newOutbox() outbox {
	return outbox{
		rows:    map[ticket.ID]*row{},
		tickets: map[ticket.ID]*byID{},
		lines:   map[lineKey]*line{},
		queues:  map[string]*queue{},
		tenants: map[string]*tenant{},
		people:  map[personKey]*byID{},
		sentTo:  map[sentToKey]*sentTo{},
	}
}

// A row is a delivery that knows its line and its position in a heap, so that it can
// be removed from the middle of the heap.
type row struct {
	ticket.Delivery
	line *line
	to   string // its Key, which lists it among the recipient's deliveries
	in   *rows  // nil if it is in no heap
	at   int
}

// A line holds the deliveries of one ticket, by one notifier, to one recipient.
type line struct {
	rows   []*row // all, in order
	open   []*row // pending or claimed, in order
	head   *row   // the first of open, and the only one in a heap
	queue  *queue
	sentTo *sentTo
	of     *tenant
}

type lineKey struct {
	ticket  ticket.ID
	via, to string
}

// A queue holds the heads of the lines of one notifier.
type queue struct {
	ready  rows // pending, or claimed with a lease that has passed; by Due
	leased rows // claimed; by Until
}

// A tenant has lists of all its deliveries, and of the few that did not arrive.
type tenant struct {
	all    byID
	undone map[ticket.DeliveryState]*byID
}

type personKey struct{ tenant, to string }

type sentToKey struct{ tenant, notifier, to string }

// sentTo is what one notifier sent to a recipient, for all tickets.
type sentTo struct {
	sent    []*row // by Settled
	bounced byID
}

// put adds a new delivery.
func (o *outbox) put(d ticket.Delivery, to string) {
	r := &row{Delivery: d, line: o.line(&d, to), to: to}
	o.rows[d.ID] = r
	at(o.tickets, d.Ticket).add(r)
	at(o.people, personKey{d.Tenant, to}).add(r)
	r.line.of.all.add(r)
	r.line.rows = insert(r.line.rows, r, inLine)
	r.line.enter(r)
}

func (o *outbox) line(d *ticket.Delivery, to string) *line {
	k := lineKey{d.Ticket, d.Notifier, to}
	l := o.lines[k]
	if l == nil {
		q := o.queues[d.Notifier]
		if q == nil {
			q = &queue{ready: rows{before: byDue}, leased: rows{before: byUntil}}
			o.queues[d.Notifier] = q
		}
		l = &line{queue: q, sentTo: at(o.sentTo, sentToKey{d.Tenant, d.Notifier, to}), of: at(o.tenants, d.Tenant)}
		o.lines[k] = l
	}
	return l
}

// enter adds a pending row to the open ones.
func (l *line) enter(r *row) {
	l.open = insert(l.open, r, inLine)
	l.place()
}

// leave removes a row from the open ones.
func (l *line) leave(r *row) {
	l.open = remove(l.open, r, inLine)
	l.place()
}

// place puts the head of the line into the heap of its state, and removes the
// previous head.
func (l *line) place() {
	if l.head != nil && l.head.in != nil {
		heap.Remove(l.head.in, l.head.at)
	}
	l.head = nil
	if len(l.open) == 0 {
		return
	}
	l.head = l.open[0]
	if l.head.State == ticket.DeliveryClaimed {
		heap.Push(&l.queue.leased, l.head)
	} else {
		heap.Push(&l.queue.ready, l.head)
	}
}

// release makes ready the deliveries whose lease ends at now or before.
func (q *queue) release(now time.Time) {
	for len(q.leased.list) > 0 && !q.leased.list[0].Until.After(now) {
		heap.Push(&q.ready, heap.Pop(&q.leased))
	}
}

// close adds a settled row to the list of its state.
func (o *outbox) close(r *row) {
	switch r.State {
	case ticket.DeliverySent:
		r.line.sentTo.sent = insert(r.line.sentTo.sent, r, bySettled)
		return
	case ticket.DeliveryBounced:
		o.move(r)
		at(o.sentTo, sentToKey{r.Tenant, r.Notifier, r.to}).bounced.add(r)
	}
	r.line.of.inState(r.State).add(r)
}

// reopen removes a settled row from its list before the row changes.
func (o *outbox) reopen(r *row) {
	switch r.State {
	case ticket.DeliverySent:
		r.line.sentTo.sent = remove(r.line.sentTo.sent, r, bySettled)
		return
	case ticket.DeliveryBounced:
		at(o.sentTo, sentToKey{r.Tenant, r.Notifier, r.to}).bounced.remove(r)
	}
	r.line.of.inState(r.State).remove(r)
}

// move lists a row under its current Key: a bounced row has another one.
func (o *outbox) move(r *row) {
	if to := r.Key(); to != r.to {
		at(o.people, personKey{r.Tenant, r.to}).remove(r)
		r.to = to
		at(o.people, personKey{r.Tenant, to}).add(r)
	}
}

func (t *tenant) inState(s ticket.DeliveryState) *byID {
	if t.undone == nil {
		t.undone = map[ticket.DeliveryState]*byID{}
	}
	return at(t.undone, s)
}

func inLine(a, b *row) int { return cmp.Or(cmp.Compare(a.Seq, b.Seq), a.ID.Compare(b.ID)) }

func bySettled(a, b *row) int { return cmp.Or(a.Settled.Compare(b.Settled), a.ID.Compare(b.ID)) }

// byID holds rows in the order of their IDs. New ones mostly go to the end.
type byID struct{ list []*row }

func compareID(a, b *row) int { return a.ID.Compare(b.ID) }

func (l *byID) add(r *row)    { l.list = insert(l.list, r, compareID) }
func (l *byID) remove(r *row) { l.list = remove(l.list, r, compareID) }

// at returns the value of a key in a map, and creates it if it is missing.
func at[K comparable, V any](m map[K]*V, k K) *V {
	v := m[k]
	if v == nil {
		v = new(V)
		m[k] = v
	}
	return v
}

// insert inserts a row into a sorted list.
func insert(list []*row, r *row, compare func(a, b *row) int) []*row {
	if n := len(list); n == 0 || compare(list[n-1], r) < 0 {
		return append(list, r)
	}
	i, _ := slices.BinarySearchFunc(list, r, compare)
	return slices.Insert(list, i, r)
}

// remove removes a row from a sorted list.
func remove(list []*row, r *row, compare func(a, b *row) int) []*row {
	i, found := slices.BinarySearchFunc(list, r, compare)
	if !found {
		return list
	}
	return slices.Delete(list, i, i+1)
}

func byDue(a, b *row) bool { return cmp.Or(a.Due.Compare(b.Due), a.ID.Compare(b.ID)) < 0 }

func byUntil(a, b *row) bool { return a.Until.Before(b.Until) }

// rows is a [heap.Interface].
type rows struct {
	list   []*row
	before func(a, b *row) bool
}

func (h *rows) Len() int           { return len(h.list) }
func (h *rows) Less(i, j int) bool { return h.before(h.list[i], h.list[j]) }

func (h *rows) Swap(i, j int) {
	h.list[i], h.list[j] = h.list[j], h.list[i]
	h.list[i].at, h.list[j].at = i, j
}

func (h *rows) Push(x any) {
	r := x.(*row)
	r.in, r.at = h, len(h.list)
	h.list = append(h.list, r)
}

func (h *rows) Pop() any {
	last := len(h.list) - 1
	r := h.list[last]
	h.list[last] = nil // for the garbage collector
	h.list = h.list[:last]
	r.in = nil
	return r
}
