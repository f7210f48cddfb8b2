package storetest

import (
	"context"
	"slices"
	"testing"

	"github.com/ticketkit/ticket"
)

// Run proves a store. Each case gets a store of its own from open, which must be
// empty; what has to be tidied up, open registers with t.Cleanup.
func Run(t *testing.T, open func(t *testing.T) ticket.Store, opts ...Option) {
	t.Helper()
	var o options
	for _, opt := range opts {
		opt(&o)
	}
	for _, r := range rules() {
		if r.durable && o.reopen == nil {
			continue
		}
		t.Run(r.name, func(t *testing.T) {
			if slices.Contains(o.without, r.needs) {
				t.Skipf("the store is declared to be without %s", r.needs)
			}
			s := open(t)
			if r.lacks != nil {
				if what := r.lacks(t.Context(), s); what != "" {
					t.Skipf("the store has no %s, which is optional", what)
				}
			}
			r.prove(newKit(t, r, s, func(s ticket.Store) ticket.Store { return o.reopen(t, s) }))
		})
	}
}

// Option changes what [Run] proves.
type Option func(*options)

type options struct {
	without []Feature
	reopen  func(*testing.T, ticket.Store) ticket.Store
}

// Reopen adds the cases of durability. The function closes the store and
// returns the same one opened again.
func Reopen(f func(t *testing.T, s ticket.Store) ticket.Store) Option {
	return func(o *options) { o.reopen = f }
}

// Without leaves out, as skipped, the cases that need the features.
func Without(features ...Feature) Option {
	return func(o *options) { o.without = append(o.without, features...) }
}

// Feature is something that not every store can have. The contract makes
// nothing optional for a store that a desk is made with, so there is only one.
type Feature string

// Concurrency is calls from several goroutines at the same time. A store that is
// bound to one transaction of the host cannot prove it, because a database serves
// a transaction one call at a time.
const Concurrency Feature = "concurrency"

// A rule is one sentence of the contract, and the case that proves it.
type rule struct {
	name    string
	says    string // word for word as in the contract
	needs   Feature
	durable bool // only for stores that can be opened again
	prove   func(k *kit)

	// upon are the beginnings of the names of cases that this one builds upon: a
	// store that fails one of those may fail this one as well.
	upon []string

	// lacks is what is optional and the store does not have, or "".
	lacks func(ctx context.Context, s ticket.Store) string
}

// rules returns all of them, in the order they are proven.
func rules() []rule {
	return slices.Concat(commitRules, raceRules, readRules, listRules, dueRules, claimRules, lineRules, settleRules,
		deliveriesRules, updateRules, loaderRules, pruneRules, rescheduleRules,
		searchRules, countsRules, valueRules, ageRules, manyRules, argumentRules, tenantRules, joinedRules, contextRules, durableRules)
}

// tb is as much of [testing.TB] as cases use, so that the suite's own tests can
// run cases that fail.
type tb interface {
	Helper()
	Context() context.Context
	Errorf(format string, args ...any)
	FailNow()
}
