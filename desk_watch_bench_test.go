package ticket_test

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
)

// Ten thousand customers watch, each in a goroutine of its own, as the requests of a server
// are: the memory of each, with its goroutine's stack, and the time until all have passed a
// change, which one of them gets.
func BenchmarkWatchers(b *testing.B) {
	const watchers = 10_000
	desk := benchDesk(b)
	ctx, stop := context.WithCancel(b.Context())
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var began, all sync.WaitGroup
	var told atomic.Int64
	heard := make(chan bool)
	for i := range watchers {
		began.Add(1)
		all.Go(func() {
			first := true
			for c, err := range desk.Watch(ctx, ticket.Requester(ticket.Person{ID: fmt.Sprint("c", i+1)}), "") {
				switch {
				case first:
					began.Done()
					first = false
				case err == nil && !c.Ticket.IsZero():
					told.Add(1)
					heard <- true
				}
			}
		})
	}
	began.Wait()
	runtime.GC()
	runtime.ReadMemStats(&after)
	require.LessOrEqual(b, runtime.NumGoroutine(), watchers+50)
	for b.Loop() {
		_, err := desk.Open(ctx, ada, ticket.Draft{Subject: "s"}) // ada is c1
		require.NoError(b, err)
		<-heard
	}
	b.ReportMetric(float64(after.HeapInuse+after.StackInuse-before.HeapInuse-before.StackInuse)/watchers, "B/watcher")
	stop()
	all.Wait()
	require.EqualValues(b, b.N, told.Load())
}
