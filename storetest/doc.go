// Package storetest is the contract of [ticket.Store] as a test suite. A back
// end is right when this passes:
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
// A store that outlives its process tells how it is closed and opened again with
// [ActionReopen], and has to show that nothing is lost then.
//
// [Soak] puts a store through random work of many callers at once, [Crash] does so
// while its server is killed, and [Cut] while answers are lost on the wire, which
// finds drivers that call again by themselves.
//
// Cases of what is optional, [ticket.Searcher], [ticket.Counter] and
// [ticket.DeliveryLoader], are skipped where the store does not have it.
//
// Each case proves one sentence of the contract; when it fails, its message
// begins with that sentence and names the method. docs/stores.md says in which order
// to write the methods, so that more cases pass with each. Run the cases under the race detector too.
//
// Values that were stored and read back are compared field by field. Nil and
// empty lists count as the same, in whatever form the store keeps them, and so
// do equal instants in different locations, except in the one case about times;
// a nil pointer and one to a zero value do not.
//
// The suite's clock stands in the year 2100, so that a store that asks the
// machine's clock is found out. Nothing in Run waits for time to pass.
//
// The suite is proven itself: its own tests hold a deliberately broken store for
// every case, and each of these must fail exactly the case it was made for, and
// besides only cases that build upon that one.
package storetest
