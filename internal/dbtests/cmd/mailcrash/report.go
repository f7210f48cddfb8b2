package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/internal/dbtests/ordeal"
)

// A report is the result of a run.
type report struct {
	ordeal.Findings

	store        string
	killed       int // takers
	cut          int // connections to the IMAP server
	cutDatabase  int // connections to the database
	refused      int // answers by LMTP that asked to try again
	feeding, all time.Duration

	sent     int // different mails
	received int // records
	states   map[ticket.MailState]int
	attempts int
	again    int // mails that took more than one attempt
	tickets  int
	early    int            // answers that arrived before what they answer
	loops    map[string]int // mails that are done, by token
	said     map[string]int // errors

	// These count what is wrong.
	lost, doubled, strange, exposed, wrong, pending, torn int
}

func newReport(store string) *report {
	return &report{store: store, states: map[ticket.MailState]int{}, loops: map[string]int{}, said: map[string]int{}}
}

// faults returns how much is wrong.
func (r *report) faults() int {
	return r.lost + r.doubled + r.strange + r.exposed + r.wrong + r.pending + r.torn
}

// Good reports whether nothing is wrong, and the sum holds.
func (r *report) Good() bool {
	sum := 0
	for _, n := range r.states {
		sum += n
	}
	return r.faults() == 0 && r.received > 0 && r.received >= r.sent && sum == r.received && r.states[ticket.MailPending] == 0
}

// columns are the names of the values that Row returns.
var columns = []string{"store", "until all had arrived", "until all was taken", "takers killed", "IMAP connections cut", "database connections cut", "answers 451 by LMTP",
	"mails sent", "received, with the copies", "done", "repeated", "ignored by a rule", "held", "pending", "taken in several attempts", "arrived before what they answer", "tickets",
	"lost", "twice on a ticket", "on the wrong ticket", "internal or public wrongly", "in the wrong state", "histories broken"}

// Row returns the values of columns.
func (r *report) Row() []string {
	row := []string{r.store, tenths(r.feeding), tenths(r.all)}
	for _, n := range []int{r.killed, r.cut, r.cutDatabase, r.refused, r.sent, r.received, r.states[ticket.MailDone], r.states[ticket.MailRepeated],
		r.states[ticket.MailIgnored], r.states[ticket.MailHeld], r.states[ticket.MailPending], r.again, r.early, r.tickets,
		r.lost, r.doubled, r.strange, r.exposed, r.wrong, r.torn} {
		row = append(row, strconv.Itoa(n))
	}
	return row
}

func tenths(d time.Duration) string { return d.Round(100 * time.Millisecond).String() }

// Remarks returns the findings and the errors that takers have seen.
func (r *report) Remarks() (list []string) {
	list = append(list, r.Found...)
	texts := slices.SortedFunc(maps.Keys(r.said), func(a, b string) int { return r.said[b] - r.said[a] })
	for i, text := range texts {
		if i == 8 {
			return append(list, fmt.Sprintf("%6d other errors", len(texts)-i))
		}
		list = append(list, fmt.Sprintf("%6d × %s", r.said[text], text[:min(len(text), 200)]))
	}
	return list
}
