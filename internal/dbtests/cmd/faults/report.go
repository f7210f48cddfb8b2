package main

import (
	"fmt"
	"github.com/ticketkit/ticket/internal/dbtests/ordeal"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/ticketkit/ticket"
)

// A report is the result of a run.
type report struct {
	ordeal.Findings

	store string

	killedRelays, killedWriters int
	stopped, early              int           // relays that were told to stop, and those of them that did not listen yet
	outage                      time.Duration // by the clock
	writing, faulty, rest       time.Duration // until all was written; until the faults ended; after that

	tickets, notifications int
	attempts, taken        int // claims, and those of them after an expired lease
	accepted, reached      int // messages, and notifications in them
	repeats                int // messages after the first one of a notification
	sent, refused          int // according to the outbox; refused includes suppressed ones
	followed               int // pairs of neighbours in a line that arrived
	reasons                map[ticket.DeliveryState]int
	faults                 map[fault]int
	said                   map[string]int // errors

	// These count what is wrong.
	lost, stuck, disorder, together, unknown, reworded, wrong, doubled, barred int
}

// Good reports whether nothing is wrong, and everything arrived or was refused.
func (r *report) Good() bool {
	return r.lost+r.stuck+r.disorder+r.together+r.unknown+r.reworded+r.wrong+r.doubled+r.barred == 0 && r.reached > 0 && r.reached == r.sent &&
		r.reached+r.refused == r.notifications
}

// columns are the names of the values that row returns.
var columns = []string{"store", "relays killed", "relays stopped", "writers killed", "down, by the run's clock", "until all was written", "until the faults ended",
	"until all was delivered", "tickets", "notifications", "attempts", "leases taken over", "messages accepted", "notifications that arrived",
	"repeats with the same ID and words", "refused or suppressed, with the reason", "in line behind another", "lost", "stuck", "out of order",
	"two attempts at once", "unknown", "repeats with other words", "refused wrongly",
	"doubled though answered", "barred by the desk's own fault"}

// Row returns the values of columns.
func (r *report) Row() []string {
	row := []string{r.store, strconv.Itoa(r.killedRelays), strconv.Itoa(r.stopped), strconv.Itoa(r.killedWriters),
		r.outage.Round(time.Second).String(), tenths(r.writing), tenths(r.faulty), tenths(r.faulty + r.rest)}
	for _, n := range []int{r.tickets, r.notifications, r.attempts, r.taken, r.accepted, r.reached, r.repeats - r.reworded, r.refused, r.followed,
		r.lost, r.stuck, r.disorder, r.together, r.unknown, r.reworded, r.wrong, r.doubled, r.barred} {
		row = append(row, strconv.Itoa(n))
	}
	return row
}

func tenths(d time.Duration) string { return d.Round(100 * time.Millisecond).String() }

// Remarks returns the findings, the faults of the mail server, the reasons of refused deliveries, and
// the errors between desks and the store.
func (r *report) Remarks() (list []string) {
	list = append(list, r.Found...)
	for _, f := range slices.Sorted(maps.Keys(r.faults)) {
		list = append(list, fmt.Sprintf("%6d × the mail server: %s", r.faults[f], f))
	}
	for _, s := range slices.Sorted(maps.Keys(r.reasons)) {
		list = append(list, fmt.Sprintf("%6d × %s", r.reasons[s], s))
	}
	texts := slices.Sorted(maps.Keys(r.said))
	for i, text := range texts {
		if i == 8 {
			return append(list, fmt.Sprintf("%6d other errors", len(texts)-i))
		}
		list = append(list, fmt.Sprintf("%6d × %s", r.said[text], text[:min(len(text), 200)]))
	}
	return list
}
