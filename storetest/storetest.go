package storetest

import (
	"context"
	"slices"
	"testing"

	"github.com/ticketkit/ticket"
)

// Run tests a store. open returns a new, empty store for each case and registers its
// cleanup with t.Cleanup.
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

// Option changes what [Run] tests.
type Option func(*options)

type options struct {
	without []Feature
	reopen  func(*testing.T, ticket.Store) ticket.Store
}

// Reopen adds the cases about durability. f closes the store and returns it opened again.
func Reopen(f func(t *testing.T, s ticket.Store) ticket.Store) Option {
	return func(o *options) { o.reopen = f }
}

// Without skips the cases that need the features.
func Without(features ...Feature) Option {
	return func(o *options) { o.without = append(o.without, features...) }
}

// Feature is a property that not every store has. There is only one, because everything
// in the contract is mandatory for a store that a desk is created with.
type Feature string

// Concurrency means calls from several goroutines at the same time. A store that is
// bound to one transaction of your application cannot pass these cases, because a
// transaction serves one call at a time.
const Concurrency Feature = "concurrency"

// A rule is one sentence of the contract and the case that tests it.
type rule struct {
	name    string
	says    string // word for word as in the contract
	needs   Feature
	durable bool // only for stores that can be reopened
	prove   func(k *kit)

	// upon lists prefixes of names of cases that this one builds upon. A store that fails
	// one of those may fail this one as well.
	upon []string

	// lacks returns the name of an optional feature that the store does not have, or "".
	lacks func(ctx context.Context, s ticket.Store) string
}

// rules returns all rules, in the order they are tested.
func rules() []rule {
	return slices.Concat(commitRules, raceRules, readRules, listRules, stageRules, clockRules, dueRules, claimRules, lineRules, settleRules,
		deliveriesRules, updateRules, loaderRules, pruneRules, pruneDeliveriesRules, rescheduleRules, eraseRules, traceRules, closedRules, mailRules,
		searchRules, candidateRules, countsRules, countRules, exportRules, valueRules, ageRules, manyRules, argumentRules, tenantRules, joinedRules, contextRules, durableRules)
}

// tb is the part of [testing.TB] that cases use, so that the suite's own tests can run
// cases that fail.
type tb interface {
	Helper()
	Context() context.Context
	Errorf(format string, args ...any)
	FailNow()
}
