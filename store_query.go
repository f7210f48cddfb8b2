package ticket

import (
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"slices"
	"strings"
	"time"

	"github.com/ticketkit/ticket/internal/fieldvalue"
)

// Query selects tickets, for [Desk.List], [Desk.Tickets] and [Desk.Search]; stores
// receive it in [Store].List. All conditions that are set must hold. A list matches if
// one of its values does; only Tags and Fields must match in full. A list has at most
// 1000 values, and Fields as many as a ticket may have.
type Query struct {
	Tenant string // set by the desk to the actor's tenant

	Status       []Status
	Phase        []Phase
	Level        []int
	Queue        []string // "" means no queue
	Assignee     []string // "" means nobody
	Priority     []Grade
	Channel      []Channel
	Tags         []string // all of them
	Fields       Fields   // each must equal the ticket's, in type and value
	Requester    Person   // the same person; see Person.Same
	Participant  Person   // the requester or a follower
	Organisation string   // the requester's
	NotMerged    bool     // leave out merged tickets
	NotSnoozed   bool     // leave out snoozed tickets; see Edits.Snooze
	Stage        []Stage  // none means active tickets only; see Stages
	Known        bool     // something is published about the ticket; see Ticket.Known
	SolvedBy     ID       // solved by this ticket; see Ticket.SolvedBy

	// Metric is the metric of the clocks that Missed, DueBefore and OrderSoonestDue go by; see
	// [Clock].Metric. Empty means any.
	Metric string
	Missed bool // a target was missed; see Ticket.Missed

	// Times outside the years 1 to 9999 are refused.

	CreatedFrom   time.Time // created at this time or later
	CreatedBefore time.Time // created before this time
	TouchedFrom   time.Time // touched at this time or later
	TouchedBefore time.Time // touched before this time
	DueBefore     time.Time // a target is still to be met, and due before this time; see Ticket.Due

	Order Order  // default OrderOldestFirst
	After Cursor // continue after this place; empty starts at the beginning
	Limit int    // tickets per page, 1 to MaxLimit; 0 means 50
}

// maxAlternatives limits the length of each list of a query.
const maxAlternatives = 1000

// Limits of Query.Limit and DeliveryQuery.Limit.
const (
	defaultLimit = 50
	MaxLimit     = 1000
)

// Order is the order of a list of tickets; see [Query]. Every order is total: tickets
// with equal keys are ordered by ID, in the same direction.
//
// The creation time never changes, so pages in its order are stable while tickets
// change. The other keys change with the ticket. A ticket that moves across the
// place which a walk has reached may be returned twice or not at all.
type Order string

// The orders.
const (
	OrderOldestFirst Order = ""              // by creation time
	OrderNewestFirst Order = "newest"        // by descending creation time
	OrderLeastRecent Order = "least recent"  // by Touched
	OrderMostRecent  Order = "most recent"   // by descending Touched
	OrderMostUrgent  Order = "most pressing" // by priority, highest first, then by creation time
	OrderSoonestDue  Order = "soonest due"   // by Ticket.Due, earliest first; without tickets that have none
)

// Page is one page of tickets, from [Desk.List] or [Store].List.
type Page struct {
	Tickets []Ticket
	Next    Cursor // for Query.After; empty means that no ticket follows
}

// Cursor is a place in a list, for Query.After. Applications pass it back as they got
// it. It is opaque, consists of URL-safe characters and is valid only in the order it was
// made in. It holds no secret and grants nothing.
type Cursor string

// Place (for stores) is a decoded [Cursor]: the sort key of a ticket in an order.
type Place struct {
	Order Order
	Grade Grade // the priority in OrderMostUrgent, otherwise 0
	// Metric is Query.Metric in OrderSoonestDue, otherwise empty.
	Metric string
	Time   time.Time // Created, Touched or Ticket.Due, depending on the order
	ID     ID
}

// Check returns an [*InvalidError] if the query is not valid. Stores call it first.
func (q Query) Check() error {
	if q.Limit < 0 || q.Limit > MaxLimit {
		return invalid("query.limit", "must be 1 to %d, or 0 for %d", MaxLimit, defaultLimit)
	}
	for _, n := range [...]int{len(q.Status), len(q.Phase), len(q.Level), len(q.Queue), len(q.Assignee), len(q.Priority), len(q.Channel), len(q.Tags), len(q.Fields), len(q.Stage)} {
		if n > maxAlternatives {
			return invalid("query", "has a list of %d values, more than %d", n, maxAlternatives)
		}
	}
	if q.Metric != "" && !slices.Contains(clockMetrics, q.Metric) {
		return invalid("query.metric", "must be one of %q", clockMetrics)
	}
	for _, s := range q.Stage {
		if !slices.Contains(stages, s) {
			return invalid("query.stage", "must be among %q", stages)
		}
	}
	if !slices.Contains(orders, q.Order) {
		return invalid("query.order", "must be one of %q", orders)
	}
	for k, v := range q.Fields {
		if n, err := fieldvalue.Normalize(v); err != nil || !fieldvalue.Equal(n, v) {
			return invalid("query.fields."+k, "must be a string, bool, int64, float64, time or list of strings")
		}
	}
	if err := checkTimes(namedTime{"query.created_from", q.CreatedFrom}, namedTime{"query.created_before", q.CreatedBefore},
		namedTime{"query.touched_from", q.TouchedFrom}, namedTime{"query.touched_before", q.TouchedBefore},
		namedTime{"query.due_before", q.DueBefore}); err != nil {
		return err
	}
	_, _, err := q.Place()
	return err
}

// orders numbers the orders for cursors. Append new orders at the end.
var orders = []Order{OrderOldestFirst, OrderNewestFirst, OrderLeastRecent, OrderMostRecent, OrderMostUrgent, OrderSoonestDue}

// PageSize returns Limit, or 50 if Limit is 0.
func (q Query) PageSize() int {
	if q.Limit == 0 {
		return defaultLimit
	}
	return q.Limit
}

// Match (for stores) reports whether the ticket matches the query, whatever q.After is.
// In OrderSoonestDue only tickets with a target still to be met match. A store that
// selects in its database must select the same tickets.
func (q Query) Match(t *Ticket) bool {
	return q.Tenant == t.Tenant &&
		oneOf(q.Status, t.Status) &&
		oneOf(q.Phase, t.Phase) &&
		oneOf(q.Level, t.Level) &&
		oneOf(q.Queue, t.Queue) &&
		oneOf(q.Assignee, t.Assignee) &&
		oneOf(q.Priority, t.Priority) &&
		oneOf(q.Channel, t.Channel) &&
		(q.Organisation == "" || q.Organisation == t.Requester.Organisation) &&
		(!q.NotMerged || t.MergedInto.IsZero()) &&
		(!q.NotSnoozed || t.Snoozed.IsZero()) &&
		(!q.Missed || t.Missed(q.Metric)) &&
		(t.Stage == StageActive && len(q.Stage) == 0 || slices.Contains(q.Stage, t.Stage)) &&
		(!q.Known || !t.Known.IsZero()) &&
		(q.SolvedBy.IsZero() || q.SolvedBy == t.SolvedBy) &&
		within(t.Created, q.CreatedFrom, q.CreatedBefore) &&
		within(t.Touched, q.TouchedFrom, q.TouchedBefore) &&
		q.matchDue(t) &&
		(q.Requester.IsZero() || q.Requester.Same(t.Requester)) &&
		(q.Participant.IsZero() || t.concerns(q.Participant)) &&
		q.matchTags(t) && q.matchFields(t)
}

func (q *Query) matchDue(t *Ticket) bool {
	if q.DueBefore.IsZero() && q.Order != OrderSoonestDue {
		return true
	}
	due := t.Due(q.Metric)
	return !due.IsZero() && (q.DueBefore.IsZero() || due.Before(q.DueBefore))
}

func (q *Query) matchTags(t *Ticket) bool {
	for _, tag := range q.Tags {
		if !slices.Contains(t.Tags, tag) {
			return false
		}
	}
	return true
}

func (q *Query) matchFields(t *Ticket) bool {
	for k, want := range q.Fields {
		if have, ok := t.Fields[k]; !ok || !fieldvalue.Equal(have, want) {
			return false
		}
	}
	return true
}

func oneOf[T comparable](list []T, v T) bool { return len(list) == 0 || slices.Contains(list, v) }

func within(t, from, before time.Time) bool {
	return (from.IsZero() || !t.Before(from)) && (before.IsZero() || t.Before(before))
}

// PlaceOf (for stores) returns the ticket's place in the query's order.
func (q Query) PlaceOf(t *Ticket) Place {
	p := Place{Order: q.Order, Time: t.Created, ID: t.ID}
	switch q.Order {
	case OrderLeastRecent, OrderMostRecent:
		p.Time = t.Touched
	case OrderSoonestDue:
		p.Time, p.Metric = t.Due(q.Metric), q.Metric
	case OrderMostUrgent:
		p.Grade = t.Priority
	}
	return p
}

// Compare (for stores) compares two places in the same order. It returns -1 if p comes
// first, 0 if they are equal and +1 if o comes first.
func (p Place) Compare(o Place) int {
	switch p.Order {
	case OrderNewestFirst, OrderMostRecent:
		return cmp.Or(o.Time.Compare(p.Time), o.ID.Compare(p.ID))
	case OrderMostUrgent:
		return cmp.Or(cmp.Compare(o.Grade, p.Grade), p.Time.Compare(o.Time), p.ID.Compare(o.ID))
	default:
		return cmp.Or(p.Time.Compare(o.Time), p.ID.Compare(o.ID))
	}
}

// Place (for stores) returns the place that the query continues after, and whether
// there is one. It returns an [*InvalidError] if After is not a cursor of q.Order.
func (q Query) Place() (Place, bool, error) {
	if q.After == "" {
		return Place{}, false, nil
	}
	p, err := parseCursor(q.After)
	if err == nil && (p.Order != q.Order || p.Order == OrderSoonestDue && p.Metric != q.Metric) {
		err = invalid("query.after", "belongs to another order")
	}
	return p, err == nil, err
}

// The bytes of a cursor: version, number of the order, grade or number of the metric, eight
// bytes of microseconds, ID.
const (
	cursorVersion = 1
	cursorSize    = 3 + 8 + 16
)

// Cursor (for stores) encodes the place.
func (p Place) Cursor() Cursor {
	b := make([]byte, 0, cursorSize)
	third := byte(p.Grade)
	if p.Order == OrderSoonestDue {
		third = byte(1 + slices.Index(clockMetrics, p.Metric))
	}
	b = append(b, cursorVersion, byte(slices.Index(orders, p.Order)), third)
	b = binary.BigEndian.AppendUint64(b, uint64(p.Time.UnixMicro()))
	b = append(b, p.ID[:]...)
	return Cursor(base64.RawURLEncoding.EncodeToString(b))
}

// parseCursor decodes a cursor. It returns an [*InvalidError] if the cursor is not
// one that Place.Cursor returns.
func parseCursor(c Cursor) (Place, error) {
	b, err := decodeCursor(c)
	if err != nil || len(b) != cursorSize || b[0] != cursorVersion || int(b[1]) >= len(orders) {
		return Place{}, invalid("query.after", "is not a cursor")
	}
	var grade Grade
	var metric string
	switch third := int(b[2]); {
	case orders[b[1]] == OrderSoonestDue && third == 0:
	case orders[b[1]] == OrderSoonestDue && third <= len(clockMetrics):
		metric = clockMetrics[third-1]
	case orders[b[1]] != OrderSoonestDue && third < len(gradeNames):
		grade = Grade(third)
	default:
		return Place{}, invalid("query.after", "is not a cursor")
	}
	p := Place{
		Order: orders[b[1]], Grade: grade, Metric: metric,
		Time: time.UnixMicro(int64(binary.BigEndian.Uint64(b[3:]))).UTC(),
		ID:   ID(b[11:]),
	}
	if checkTimes(namedTime{at: p.Time}) != nil {
		return Place{}, invalid("query.after", "is not a cursor")
	}
	return p, nil
}

// decodeCursor returns the bytes of a cursor. The strict decoder refuses stray bits at
// the end but skips line breaks, so these are refused here.
func decodeCursor(c Cursor) ([]byte, error) {
	if strings.ContainsAny(string(c), "\r\n") {
		return nil, invalid("cursor", "has a line break")
	}
	return base64.RawURLEncoding.Strict().DecodeString(string(c))
}

// NewPage (for stores) returns a page of the tickets found. These are all that match, in
// order, or at least one more than PageSize.
func (q Query) NewPage(found []Ticket) Page {
	n := q.PageSize()
	if len(found) <= n {
		return Page{Tickets: found}
	}
	return Page{Tickets: found[:n:n], Next: q.PlaceOf(&found[n-1]).Cursor()}
}
