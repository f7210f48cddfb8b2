package sla

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/businesshours"
)

// Holder is the party that has a ticket for a part of its time.
type Holder string

// The holders, in the order of [Usage].Parts.
const (
	HolderDesk     Holder = "desk"     // the desk: an agent, or a queue in which the ticket waited
	HolderCustomer Holder = "customer" // the phase is "your turn"
	HolderOthers   Holder = "others"   // on hold: a vendor, a date or other work
	HolderFinished Holder = "finished" // solved or closed, before it was reopened
	HolderMerged   Holder = "merged"   // merged into another ticket, before the merge was undone
)

var holders = [...]Holder{HolderDesk, HolderCustomer, HolderOthers, HolderFinished, HolderMerged}

// Holders returns all holders, in the order of [Usage].Parts.
func Holders() []Holder { return slices.Clone(holders[:]) }

// Usage splits the time of one ticket between its holders. Every microsecond from From to To is in
// exactly one part: open and closed time of all parts add up to To minus From.
type Usage struct {
	From  time.Time `json:"from"` // the creation
	To    time.Time `json:"to"`   // the end; see UsageOf
	Parts []Part    `json:"parts,omitempty"`
}

// Part is the time for which one holder had the ticket, perhaps in several pieces.
type Part struct {
	Holder Holder `json:"holder"`
	Level  int    `json:"level,omitempty"`  // for HolderDesk
	Queue  string `json:"queue,omitempty"`  // for HolderDesk; may be empty
	Reason string `json:"reason,omitempty"` // for HolderOthers; may be empty

	Open   time.Duration `json:"open"`   // within the hours of the calendar
	Closed time.Duration `json:"closed"` // outside of them
}

// partKey has the fields of a Part that are equal in all its pieces.
type partKey struct {
	holder Holder
	level  int
	queue  string
	reason string
}

func (p Part) key() partKey { return partKey{p.Holder, p.Level, p.Queue, p.Reason} }

func compareParts(a, b partKey) int {
	return cmp.Or(
		cmp.Compare(slices.Index(holders[:], a.holder), slices.Index(holders[:], b.holder)),
		cmp.Compare(a.level, b.level), cmp.Compare(a.queue, b.queue), cmp.Compare(a.reason, b.reason))
}

// holderOf returns the holder of the ticket in its present state.
func holderOf(t *ticket.Ticket) partKey {
	switch {
	case !t.MergedInto.IsZero():
		return partKey{holder: HolderMerged}
	case t.Phase.Done():
		return partKey{holder: HolderFinished}
	case t.Phase == ticket.PhaseYourTurn:
		return partKey{holder: HolderCustomer}
	case t.Status == ticket.StatusOnHold || t.Reason != "":
		return partKey{holder: HolderOthers, reason: t.Reason}
	default:
		return partKey{holder: HolderDesk, level: t.Level, queue: t.Queue}
	}
}

// UsageOf splits the time of the ticket with this history between its holders, from the
// creation to the end. The end of a ticket that is finished or merged away is when it last became so.
// The end of any other ticket is now. A time before the last event counts as the time of
// that event.
//
// The state of the ticket says which holder has it: merged away, finished, the customer's
// turn, on hold, or else the desk, in this order. A ticket counts as on hold if its
// status is [ticket.StatusOnHold] or, in a workflow with other statuses, if it has a
// Reason. The calendar splits the time of every part, whatever its holder, into open and
// closed. A nil calendar is always open.
//
// A history that is not numbered 1, 2, 3 … or is not of one ticket gives a
// [*ticket.ChainError]. No events give the zero Usage.
func UsageOf(events []ticket.Event, c *businesshours.Calendar, now time.Time) (Usage, error) {
	var f usageFold
	for i := range events {
		if err := f.add(events, i); err != nil {
			return Usage{}, err
		}
	}
	return f.usage(c, now), nil
}

// usageFold follows a history.
type usageFold struct {
	ticket ticket.Ticket
	last   time.Time // of the events so far
	pieces []piece
}

// add takes event i, which must have its number and be of the same ticket as the first.
func (f *usageFold) add(events []ticket.Event, i int) error {
	e := &events[i]
	if e.Seq != int64(i)+1 || e.Ticket != events[0].Ticket {
		_, err := ticket.Replay(events)
		return err
	}
	f.ticket = ticket.Apply(f.ticket, *e)
	f.last = later(f.last, e.At.UTC())
	key := holderOf(&f.ticket)
	if n := len(f.pieces); n == 0 || f.pieces[n-1].key != key {
		f.pieces = append(f.pieces, piece{key, f.last})
	}
	return nil
}

// piece starts when the holder changes, and lasts until the next piece.
type piece struct {
	key  partKey
	from time.Time
}

// over reports whether the ticket is finished or merged away.
func (p piece) over() bool {
	return p.key.holder == HolderFinished || p.key.holder == HolderMerged
}

// usage adds up the pieces, without the last ones if the ticket is over.
func (f *usageFold) usage(c *businesshours.Calendar, now time.Time) Usage {
	if len(f.pieces) == 0 {
		return Usage{}
	}
	pieces, end := f.pieces, later(f.last, now.UTC().Round(0))
	u := Usage{From: pieces[0].from}
	for len(pieces) > 0 && pieces[len(pieces)-1].over() {
		end = pieces[len(pieces)-1].from
		pieces = pieces[:len(pieces)-1]
	}
	u.To = end
	for i, p := range pieces {
		to := end
		if i+1 < len(pieces) {
			to = pieces[i+1].from
		}
		whole := to.Sub(p.from)
		if whole == 0 {
			continue
		}
		open := whole
		if c != nil {
			open = c.Between(p.from, to)
		}
		k, found := slices.BinarySearchFunc(u.Parts, p.key, func(q Part, key partKey) int { return compareParts(q.key(), key) })
		if !found {
			u.Parts = slices.Insert(u.Parts, k, Part{Holder: p.key.holder, Level: p.key.level, Queue: p.key.queue, Reason: p.key.reason})
		}
		u.Parts[k].Open += open
		u.Parts[k].Closed += whole - open
	}
	return u
}

// later returns the later of two times.
func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// Total returns the time from From to To.
func (u Usage) Total() time.Duration { return u.To.Sub(u.From) }

// Open returns the open time for which a holder had the ticket.
func (u Usage) Open(h Holder) time.Duration {
	var sum time.Duration
	for _, p := range u.Parts {
		if p.Holder == h {
			sum += p.Open
		}
	}
	return sum
}

// Closed returns the time outside the hours of the calendar, for all holders together.
// Together with the open time of all holders it makes [Usage.Total].
func (u Usage) Closed() time.Duration {
	var sum time.Duration
	for _, p := range u.Parts {
		sum += p.Closed
	}
	return sum
}

// String returns the usage as text, with one line for each part.
func (u Usage) String() string {
	var b strings.Builder
	for _, p := range u.Parts {
		fmt.Fprintf(&b, "%-32s %s\n", p.name(), short(p.Open))
	}
	if closed := u.Closed(); closed > 0 {
		fmt.Fprintf(&b, "%-32s %s\n", "closed hours", short(closed))
	}
	fmt.Fprintf(&b, "%-32s %s\n", "total", short(u.Total()))
	return b.String()
}

// name returns the holder with its level and queue, or its reason.
func (p Part) name() string {
	switch {
	case p.Holder == HolderDesk && p.Queue != "":
		return fmt.Sprintf("desk, level %d, %s", p.Level, p.Queue)
	case p.Holder == HolderDesk:
		return fmt.Sprintf("desk, level %d", p.Level)
	case p.Reason != "":
		return string(p.Holder) + ", " + p.Reason
	}
	return string(p.Holder)
}

// UsageTable adds up the usage of many tickets. The zero UsageTable is empty. Its memory
// grows with the number of queues and reasons, not with the number of tickets. It is not
// safe for concurrent use.
type UsageTable struct {
	tickets int
	rows    map[partKey]*usageSum
}

// usageSum holds more than the 292 years of a Duration.
type usageSum struct {
	tickets      int
	open, closed longDuration
}

// longDuration is a sum of durations of 0 or more.
type longDuration struct{ seconds, nanos int64 }

func (s *longDuration) add(d time.Duration) {
	s.seconds += int64(d / time.Second)
	s.nanos += int64(d % time.Second)
	s.seconds += s.nanos / int64(time.Second)
	s.nanos %= int64(time.Second)
}

func (s *longDuration) hours() float64 { return (float64(s.seconds) + float64(s.nanos)/1e9) / 3600 }

// UsageRow is the sum of one kind of [Part] over the tickets that have it.
type UsageRow struct {
	Holder Holder `json:"holder"`
	Level  int    `json:"level,omitempty"`
	Queue  string `json:"queue,omitempty"`
	Reason string `json:"reason,omitempty"`

	Tickets int     `json:"tickets"`      // tickets with such a part
	Open    float64 `json:"open_hours"`   // in hours
	Closed  float64 `json:"closed_hours"` // in hours
}

// Add adds the usage of one ticket.
func (t *UsageTable) Add(u Usage) {
	t.tickets++
	for _, p := range u.Parts {
		row := t.rows[p.key()]
		if row == nil {
			if t.rows == nil {
				t.rows = map[partKey]*usageSum{}
			}
			row = &usageSum{}
			t.rows[p.key()] = row
		}
		row.tickets++
		row.open.add(p.Open)
		row.closed.add(p.Closed)
	}
}

// Tickets returns how many tickets were added.
func (t *UsageTable) Tickets() int { return t.tickets }

// Rows returns the sums, in the order of [Usage].Parts.
func (t *UsageTable) Rows() []UsageRow {
	var rows []UsageRow
	for _, key := range slices.SortedFunc(maps.Keys(t.rows), compareParts) {
		sum := t.rows[key]
		rows = append(rows, UsageRow{key.holder, key.level, key.queue, key.reason, sum.tickets, sum.open.hours(), sum.closed.hours()})
	}
	return rows
}

type (
	plainPart Part
	partJSON  struct {
		plainPart
		Open   span `json:"open"`
		Closed span `json:"closed"`
	}
)

// MarshalJSON encodes durations as text.
func (p Part) MarshalJSON() ([]byte, error) {
	return json.Marshal(partJSON{plainPart(p), span(p.Open), span(p.Closed)})
}

// UnmarshalJSON reads the form that MarshalJSON writes.
func (p *Part) UnmarshalJSON(data []byte) error {
	var j partJSON
	err := json.Unmarshal(data, &j)
	*p = Part(j.plainPart)
	p.Open, p.Closed = time.Duration(j.Open), time.Duration(j.Closed)
	return err
}
