package ticket

import (
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"slices"
	"strings"
	"time"
)

// Query asks for tickets. Conditions that are given must all hold; within a
// list one is enough, except for Tags and Fields, of which all must be there. A list
// has at most 1000 values, and Fields as many as a ticket may have.
type Query struct {
	Tenant string // set by the desk to the actor's own

	Status       []Status
	Phase        []Phase
	Level        []int
	Queue        []string // "" is: no queue yet
	Assignee     []string // "" is: nobody
	Priority     []Grade
	Channel      []Channel
	Tags         []string // all of them
	Fields       Fields   // each equal to the ticket's, in type and value
	Requester    Person   // the same person, see Person.Same
	Participant  Person   // the requester or a follower
	Organisation string   // of the requester
	NotMerged    bool     // none that was merged into another one

	// Times outside of the years 1 to 9999 are refused.

	CreatedFrom   time.Time // not before
	CreatedBefore time.Time // before
	TouchedFrom   time.Time // not before
	TouchedBefore time.Time // before
	DueBefore     time.Time // something happens by itself before this: the ticket has a timer, and its At is before

	Order Order  // default: by creation, the oldest first
	After Cursor // go on behind this place
	Limit int    // tickets a page, 1 to MaxLimit; 0: DefaultLimit
}

// maxAlternatives bounds each list of a query.
const maxAlternatives = 1000

// Bounds of Query.Limit.
const (
	DefaultLimit = 50
	MaxLimit     = 1000
)

// Order is the order of a list. An order is total: where the key is equal, the
// ID decides in the same direction.
//
// Creation never changes, so pages by it are stable while tickets change. The
// other keys change with the ticket; one that moves across the place a walk has
// reached may be met twice or not at all, as with any index of living data.
type Order string

// The orders.
const (
	OrderOldestFirst Order = ""              // by creation
	OrderNewestFirst Order = "newest"        // by creation, backwards
	OrderLeastRecent Order = "least recent"  // by last touch
	OrderMostRecent  Order = "most recent"   // by last touch, backwards
	OrderMostUrgent  Order = "most pressing" // by priority, the highest first, then the oldest first
	OrderSoonestDue  Order = "soonest due"   // by timer, the earliest first; tickets without a timer are left out
)

// Page is one page of a list.
type Page struct {
	Tickets []Ticket
	Next    Cursor // for Query.After; empty: there is no more
}

// Cursor is a place in a list: opaque, of URL-safe symbols, and good only for
// the order it was made in. It holds nothing secret, and grants nothing.
type Cursor string

// Place is what a [Cursor] says: the key of a ticket in an order. It is for
// stores; callers of the desk hand cursors back as they got them.
type Place struct {
	Order Order
	Grade Grade     // the priority, in OrderMostUrgent; else 0
	Time  time.Time // creation, last touch or timer
	ID    ID
}

// Check reports a query that makes no sense as an [*InvalidError]. Stores call
// it first.
func (q Query) Check() error {
	if q.Limit < 0 || q.Limit > MaxLimit {
		return invalid("query.limit", "must be 1 to %d, or 0 for %d", MaxLimit, DefaultLimit)
	}
	for _, n := range [...]int{len(q.Status), len(q.Phase), len(q.Level), len(q.Queue), len(q.Assignee), len(q.Priority), len(q.Channel), len(q.Tags), len(q.Fields)} {
		if n > maxAlternatives {
			return invalid("query", "has a list of %d values, at most %d are taken", n, maxAlternatives)
		}
	}
	if !slices.Contains(orders, q.Order) {
		return invalid("query.order", "is none of %q", orders)
	}
	for k, v := range q.Fields {
		if n, err := normalizeField(v); err != nil || !fieldEqual(n, v) {
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

// orders gives each order a number in cursors; a new one goes to the end.
var orders = []Order{OrderOldestFirst, OrderNewestFirst, OrderLeastRecent, OrderMostRecent, OrderMostUrgent, OrderSoonestDue}

// PageSize returns Limit, or DefaultLimit where none is given.
func (q Query) PageSize() int {
	if q.Limit == 0 {
		return DefaultLimit
	}
	return q.Limit
}

// Match reports whether the ticket is one the query asks for, wherever in the
// order; in OrderSoonestDue, only those with a timer are. Stores in memory use it; others must do the same in their own terms.
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
		within(t.Created, q.CreatedFrom, q.CreatedBefore) &&
		within(t.Touched, q.TouchedFrom, q.TouchedBefore) &&
		q.matchTimer(t) &&
		(q.Requester.IsZero() || q.Requester.Same(t.Requester)) &&
		(q.Participant.IsZero() || t.concerns(q.Participant)) &&
		q.matchTags(t) && q.matchFields(t)
}

func (q *Query) matchTimer(t *Ticket) bool {
	if t.Timer.IsZero() {
		return q.DueBefore.IsZero() && q.Order != OrderSoonestDue
	}
	return q.DueBefore.IsZero() || t.Timer.At.Before(q.DueBefore)
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
		if have, ok := t.Fields[k]; !ok || !fieldEqual(have, want) {
			return false
		}
	}
	return true
}

func fieldEqual(a, b any) bool {
	switch a := a.(type) {
	case []string:
		b, ok := b.([]string)
		return ok && slices.Equal(a, b)
	case time.Time:
		b, ok := b.(time.Time)
		return ok && a.Equal(b)
	case string, bool, int64, float64:
		return a == b
	default:
		return false
	}
}

func oneOf[T comparable](list []T, v T) bool { return len(list) == 0 || slices.Contains(list, v) }

func within(t, from, before time.Time) bool {
	return (from.IsZero() || !t.Before(from)) && (before.IsZero() || t.Before(before))
}

// PlaceOf returns the ticket's place in the query's order.
func (q Query) PlaceOf(t *Ticket) Place {
	p := Place{Order: q.Order, Time: t.Created, ID: t.ID}
	switch q.Order {
	case OrderLeastRecent, OrderMostRecent:
		p.Time = t.Touched
	case OrderSoonestDue:
		p.Time = t.Timer.At
	case OrderMostUrgent:
		p.Grade = t.Priority
	}
	return p
}

// Compare orders two places of the same order: -1 if p comes first.
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

// Place returns the place that the query goes on behind, and whether it does.
func (q Query) Place() (Place, bool, error) {
	if q.After == "" {
		return Place{}, false, nil
	}
	p, err := parseCursor(q.After)
	if err == nil && p.Order != q.Order {
		err = invalid("query.after", "is a cursor of another order")
	}
	return p, err == nil, err
}

// The bytes of a cursor: a version, the order's number, the grade, eight bytes
// of microseconds, the ID.
const (
	cursorVersion = 1
	cursorSize    = 3 + 8 + 16
)

// Cursor returns the cursor that says this place.
func (p Place) Cursor() Cursor {
	b := make([]byte, 0, cursorSize)
	b = append(b, cursorVersion, byte(slices.Index(orders, p.Order)), byte(p.Grade))
	b = binary.BigEndian.AppendUint64(b, uint64(p.Time.UnixMicro()))
	b = append(b, p.ID[:]...)
	return Cursor(base64.RawURLEncoding.EncodeToString(b))
}

// parseCursor reads a cursor; what no desk gave out is an [*InvalidError].
func parseCursor(c Cursor) (Place, error) {
	b, err := decodeCursor(c)
	if err != nil || len(b) != cursorSize || b[0] != cursorVersion || int(b[1]) >= len(orders) ||
		int(b[2]) >= len(gradeNames) {
		return Place{}, invalid("query.after", "is not a cursor")
	}
	p := Place{
		Order: orders[b[1]],
		Grade: Grade(b[2]),
		Time:  time.UnixMicro(int64(binary.BigEndian.Uint64(b[3:]))).UTC(),
		ID:    ID(b[11:]),
	}
	if checkTimes(namedTime{at: p.Time}) != nil {
		return Place{}, invalid("query.after", "is not a cursor")
	}
	return p, nil
}

// decodeCursor reads a cursor's bytes. The package's strict decoder refuses stray
// bits at the end; line breaks, which it skips, are refused here.
func decodeCursor(c Cursor) ([]byte, error) {
	if strings.ContainsAny(string(c), "\r\n") {
		return nil, invalid("cursor", "has a line break")
	}
	return base64.RawURLEncoding.Strict().DecodeString(string(c))
}

// NewPage makes a page of the tickets that a store found: all that match, in
// order, one more than fits at least where there are more.
func (q Query) NewPage(found []Ticket) Page {
	n := q.PageSize()
	if len(found) <= n {
		return Page{Tickets: found}
	}
	return Page{Tickets: found[:n:n], Next: q.PlaceOf(&found[n-1]).Cursor()}
}
