// Package storetest tests implementations of [ticket.Store], for authors of stores. A
// store is correct if this passes:
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) ticket.Store {
//			s := mystore.New(t.TempDir())
//			t.Cleanup(func() { s.Close() })
//			return s
//		})
//	}
//
//	func BenchmarkStore(b *testing.B) {
//		storetest.Bench(b, func(b *testing.B) ticket.Store { return mystore.New(b.TempDir()) })
//	}
//
// A store whose data outlives the process passes [Reopen], which says how to close and
// open it; the suite then also checks that nothing is lost.
//
// [Soak] runs random actions of many callers at once. [Crash] does the same while the
// server is killed and restarted, and [Cut] while connections lose answers, which
// finds drivers that repeat calls on their own.
//
// Cases for optional interfaces, such as [ticket.Searcher], [ticket.Suggester], [ticket.Counter],
// [ticket.DeliveryLoader] and [ticket.Eraser], are skipped if the store does not have them.
//
// Each case tests one sentence of the contract. The message of a failure begins with that
// sentence and names the method. docs/stores.md says in which order to write the
// methods. Run the cases under the race detector, too.
//
// Stored values are compared field by field. Nil and empty lists count as equal, and so
// do equal times in different locations, except in the case about times. A nil pointer
// and a pointer to a zero value are different.
//
// The suite's clock is in the year 2100, so that a store that reads the system's clock
// fails. Run never waits for time to pass.
//
// The suite itself is tested: for every case there is a store with one fault, which
// must fail that case and otherwise only cases that build upon it.
package storetest
