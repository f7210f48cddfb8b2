// Package filestest tests implementations of [ticket.FileStore], for authors of file stores.
// A file store is correct if this passes:
//
//	func TestFiles(t *testing.T) {
//		filestest.Run(t, func(t *testing.T) ticket.FileStore { return mystore.New(t.TempDir()) })
//	}
//
// Each case tests one sentence of the contract. The message of a failure begins with that
// sentence. Two cases need help: give [Reopen] and [Damage] too, unless the store cannot do
// it. Run the cases under the race detector, too. The store must read the system's clock.
//
// The suite itself is tested: for every case there is a store with one fault, which must fail
// that case and no other.
package filestest

import (
	"context"
	"fmt"
	"io"
	"slices"
	"testing"

	"github.com/ticketkit/ticket"
)

// Run tests a file store. open returns a new, empty store for each case and registers its
// cleanup with t.Cleanup. Nothing else should run in the process meanwhile, because a case
// looks at its memory.
func Run(t *testing.T, open func(t *testing.T) ticket.FileStore, opts ...Option) {
	t.Helper()
	var o options
	for _, opt := range opts {
		opt(&o)
	}
	for _, r := range rules() {
		t.Run(r.name, func(t *testing.T) {
			switch {
			case r.needs != "" && slices.Contains(o.without, r.needs):
				t.Skipf("the store is declared to be without %s", r.needs)
			case r.damages && o.damage == nil:
				t.Skip("needs the option Damage")
			case r.reopens && o.reopen == nil:
				t.Skip("needs the option Reopen")
			}
			s := open(t)
			r.prove(&kit{
				tb: t, rule: r, s: s,
				damage: func(tenant string, sum ticket.Digest, change func([]byte) []byte) {
					o.damage(t, s, tenant, sum, change)
				},
				reopen: func() ticket.FileStore { return o.reopen(t, s) },
			})
		})
	}
}

// Option changes what [Run] tests.
type Option func(*options)

type options struct {
	without []Feature
	reopen  func(*testing.T, ticket.FileStore) ticket.FileStore
	damage  func(*testing.T, ticket.FileStore, string, ticket.Digest, func([]byte) []byte)
}

// Reopen adds the case about durability. f returns the store as another process would open
// it, without closing it first.
func Reopen(f func(t *testing.T, s ticket.FileStore) ticket.FileStore) Option {
	return func(o *options) { o.reopen = f }
}

// Damage adds the cases about bytes that were changed behind the store's back. f replaces the
// bytes that are stored of a file with what change makes of them. The file has a few bytes.
func Damage(f func(t *testing.T, s ticket.FileStore, tenant string, sum ticket.Digest, change func([]byte) []byte)) Option {
	return func(o *options) { o.damage = f }
}

// Without skips the cases that need the features.
func Without(features ...Feature) Option {
	return func(o *options) { o.without = append(o.without, features...) }
}

// Feature is a property that not every file store has.
type Feature string

// The features.
const (
	Concurrency Feature = "concurrency" // calls from several goroutines; a store that is bound to a transaction serves one
	Streaming   Feature = "streaming"   // files that do not fit into memory; a store in memory cannot have them
)

// A rule is one sentence of the contract and the case that tests it.
type rule struct {
	name    string
	says    string // word for word as in the contract
	needs   Feature
	damages bool
	reopens bool
	prove   func(k *kit)
}

// tb is the part of [testing.TB] that cases use, so that the suite's own tests can run cases
// that fail.
type tb interface {
	Helper()
	Context() context.Context
	Errorf(format string, args ...any)
	FailNow()
}

// A kit is what a case works with.
type kit struct {
	tb
	rule   rule
	s      ticket.FileStore
	damage func(tenant string, sum ticket.Digest, change func([]byte) []byte)
	reopen func() ticket.FileStore
}

// fail ends the case.
func (k *kit) fail(format string, args ...any) {
	k.Helper()
	k.Errorf("%s\n%s", k.rule.says, fmt.Sprintf(format, args...))
	k.FailNow()
}

// ok ends the case if there is an error.
func (k *kit) ok(err error, what string) {
	k.Helper()
	if err != nil {
		k.fail("%s returned the error: %v", what, err)
	}
}

func (k *kit) put(tenant string, content io.Reader) ticket.File {
	k.Helper()
	f, err := k.s.Put(k.Context(), tenant, content)
	k.ok(err, "Put")
	return f
}

func (k *kit) delete(f ticket.File, later bool) bool {
	k.Helper()
	before := f.Stored
	if later {
		before = before.Add(moment)
	}
	done, err := k.s.Delete(k.Context(), f.Tenant, f.SHA256, before)
	k.ok(err, "Delete")
	return done
}

func (k *kit) read(s ticket.FileStore, f ticket.File) ([]byte, error) {
	r, err := s.Open(k.Context(), f.Tenant, f.SHA256)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(r)
	if bad := r.Close(); err == nil {
		err = bad
	}
	return b, err
}

// list returns all files, read in pages.
func (k *kit) list(limit int) []ticket.File {
	k.Helper()
	var all []ticket.File
	for after := (ticket.File{}); ; {
		page, err := k.s.List(k.Context(), after, limit)
		k.ok(err, "List")
		if len(page) > limit {
			k.fail("List returned %d files, the limit was %d", len(page), limit)
		}
		all = append(all, page...)
		if len(page) < limit {
			return all
		}
		if len(all) > 10_000 {
			k.fail("List does not come to an end")
		}
		after = page[len(page)-1]
	}
}
