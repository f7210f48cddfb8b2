// Package turn makes the goroutines of one process that want the same thing go
// one after the other, in the order in which they came. If they retried at random
// instead, they would delay each other: with 64 callers on one ticket, some lose
// 30 times in a row.
//
// A turn is not a lock: a caller that waits longer than [Patience] goes ahead
// without it. Something else, such as the store, has to decide who wins.
package turn

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Patience is how long [Place.Wait] waits for a turn. It is longer than a queue
// usually takes. There is a limit because a caller that has the turn may call, through
// a callback, a function that waits for the same turn.
const Patience = time.Second

// Queue holds one line of callers for each key. The zero Queue is empty and ready
// to use. It is safe for concurrent use.
type Queue[K comparable] struct {
	mu    sync.Mutex
	lines map[K][]chan struct{} // the channel of the first in a line is closed: it has its turn
	count atomic.Int64          // len(lines)
}

// Place is a caller's place in a line.
type Place[K comparable] struct {
	queue *Queue[K]
	key   K
	turn  chan struct{}
}

// Join takes the last place in the key's line. The caller must call
// [Place.Leave] once.
func (q *Queue[K]) Join(key K) Place[K] {
	turn := make(chan struct{})
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.lines == nil {
		q.lines = map[K][]chan struct{}{}
	}
	if len(q.lines[key]) == 0 {
		close(turn)
	}
	q.lines[key] = append(q.lines[key], turn)
	q.count.Store(int64(len(q.lines)))
	return Place[K]{q, key, turn}
}

// Busy reports whether the key has a line.
func (q *Queue[K]) Busy(key K) bool {
	if q.count.Load() == 0 {
		return false
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.lines[key]) > 0
}

// Wait returns nil when it is the caller's turn or after [Patience], and the
// context's error if the context ends first.
func (p Place[K]) Wait(ctx context.Context) error {
	timer := time.NewTimer(Patience)
	defer timer.Stop()
	select {
	case <-p.turn:
		return nil
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Leave gives up the place. If it was the first in its line, the next one has its
// turn.
func (p Place[K]) Leave() {
	q := p.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	line := q.lines[p.key]
	i := slices.Index(line, p.turn)
	line = slices.Delete(line, i, i+1)
	switch {
	case len(line) == 0:
		delete(q.lines, p.key)
	case i == 0:
		close(line[0])
		fallthrough
	default:
		q.lines[p.key] = line
	}
	q.count.Store(int64(len(q.lines)))
}
