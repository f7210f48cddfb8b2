package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ticketkit/ticket"
)

// A phase is a part of the run for which the writers' times are kept apart.
type phase int32

const (
	phaseNone    phase = iota // the times do not count
	phaseAlone                // the writers alone
	phaseKilled               // beside processes that run Retain and are killed
	phaseRetain               // beside Retain in the same process
	phaseOutbox               // beside PruneDeliveries
	phaseReceipt              // beside PruneReceipts
	phases
)

// writers are goroutines that act on tickets of their own.
type writers struct {
	desk  *ticket.Desk
	think time.Duration
	phase atomic.Int32
	stop  context.CancelFunc
	wg    sync.WaitGroup

	mu    sync.Mutex
	acked map[ticket.ID]ticket.Ticket // as last acknowledged
	took  [phases][]time.Duration
	fault error // the first
}

// perWriter is the number of tickets of each writer.
const perWriter = 20

// startWriters opens the tickets and starts the writers.
func startWriters(ctx context.Context, desk *ticket.Desk, n int, think time.Duration, seed uint64) (*writers, error) {
	w := &writers{desk: desk, think: think, acked: map[ticket.ID]ticket.Ticket{}}
	own := make([][]ticket.ID, n)
	for i := range own {
		for range perWriter {
			t, err := desk.Open(ctx, ticket.System("writers"), ticket.Draft{Subject: "Of a writer", Message: "The words of another ticket.", Requester: customer(-i - 1)})
			if err != nil {
				return nil, err
			}
			own[i] = append(own[i], t.ID)
			w.acked[t.ID] = t
		}
	}
	ctx, w.stop = context.WithCancel(ctx)
	for i := range n {
		w.wg.Go(func() { w.write(ctx, rand.New(rand.NewPCG(seed, uint64(i))), own[i]) })
	}
	return w, nil
}

// write acts on tickets until the context ends. The last act is not cancelled.
func (w *writers) write(ctx context.Context, r *rand.Rand, own []ticket.ID) {
	for n := 0; ctx.Err() == nil; n++ {
		by, a := ticket.Agent("agent", 1), ticket.Action{Name: ticket.ActionNote, Note: "Looked at it."}
		if r.IntN(2) == 0 {
			a = ticket.Action{Name: ticket.ActionReply, Message: "We are still at it.", Key: fmt.Sprintf("%d-%d", r.Uint64(), n)}
		}
		before, at := phase(w.phase.Load()), time.Now()
		t, err := w.desk.Do(context.WithoutCancel(ctx), by, own[r.IntN(len(own))], a)
		took := time.Since(at)
		w.mu.Lock()
		if err != nil {
			if w.fault == nil {
				w.fault = err
			}
		} else {
			w.acked[t.ID] = t
			if before == phase(w.phase.Load()) {
				w.took[before] = append(w.took[before], took)
			}
		}
		w.mu.Unlock()
		if w.think > 0 {
			time.Sleep(rand.N(2 * w.think))
		}
	}
}

// enter begins a phase.
func (w *writers) enter(p phase) { w.phase.Store(int32(p)) }

// end stops the writers and returns their first error.
func (w *writers) end() error {
	w.stop()
	w.wg.Wait()
	return w.fault
}

// A timing is the distribution of the times of a phase.
type timing struct {
	n                  int
	median, p99, worst time.Duration
}

func (w *writers) timing(p phase) timing {
	w.mu.Lock()
	defer w.mu.Unlock()
	list := w.took[p]
	n := len(list)
	if n == 0 {
		return timing{}
	}
	slices.Sort(list)
	return timing{n, list[n/2], list[n*99/100], list[n-1]}
}
