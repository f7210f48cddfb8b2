// Package memstore keeps tickets in memory. It is the reference [ticket.Store], for
// tests, for examples, and for desks whose tickets need not outlive the process.
//
//	desk, err := ticket.NewDesk(memstore.New(), ticket.Config{})
//
// The cost of changing one ticket does not depend on the number of tickets or the
// length of the history. [Store.List], [Store.Search] and [Store.Counts] visit every
// ticket.
package memstore

import (
	"hash/maphash"

	"github.com/ticketkit/ticket"
)

// Store is a [ticket.Store] in memory. Make one with [New]. It is safe for
// concurrent use. Its contents are gone when the process ends.
//
// It stores times as the desk passes them, so they must be in UTC and in whole
// microseconds.
type Store struct {
	seed    maphash.Seed
	keys    [shards]index[key, ticket.Receipt]
	numbers [shards]index[ticket.Number, ticket.ID]
	tickets [shards]drawer
	outbox  outbox
	mails   mails

	suggester suggester
}

var (
	_ ticket.Store          = (*Store)(nil)
	_ ticket.DeliveryLoader = (*Store)(nil)
	_ ticket.ReceiptPruner  = (*Store)(nil)
)

// New returns an empty store.
func New() *Store {
	s := &Store{seed: maphash.MakeSeed(), outbox: newOutbox(), mails: newMails()}
	for i := range shards {
		s.keys[i].m = map[key]ticket.Receipt{}
		s.numbers[i].m = map[ticket.Number]ticket.ID{}
		s.tickets[i].records = map[ticket.ID]*record{}
		s.tickets[i].timers = map[ticket.ID]*ticket.Ticket{}
	}
	return s
}
