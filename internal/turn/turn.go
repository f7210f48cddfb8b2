// Package turn makes the goroutines of one process that want the same thing go
// one after the other, in the order in which they came. If they retried at random
// instead, they would delay each other: with 64 callers on one ticket, some lose
// 30 times in a row.
//
// A turn is not a lock: if the caller whose turn it is keeps it longer than
// [Patience], the next one goes ahead. Something else, such as the store, has to
// decide who wins.
package turn

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Patience is how long a caller waits before it passes one that has the turn. It is longer
// than an action usually takes. There is a limit because a caller that has the turn
// may call, through a callback, a function that waits for the same turn. Only one
// caller goes ahead then; the others wait for that one. If all went ahead, they would
// meet each other at the store.
const Patience = time.Second

// Queue holds one line of callers for each key. The zero Queue is empty and ready
// to use. It is safe for concurrent use.
type Queue[K comparable] struct {
	mu    sync.Mutex
	lines map[K]*line
	count atomic.Int64 // len(lines)
}

// A line is the callers that want the same thing, in the order in which they came.
type line struct {
	callers []*caller // those that have not left
	turn    *caller   // whose turn it is
}

type caller struct {
	turn chan struct{} // closed when it is the caller's turn
	had  bool          // whether it is closed
}

// Place is a caller's place in a line.
type Place[K comparable] struct {
	queue  *Queue[K]
	key    K
	caller *caller
}

// Join takes the last place in the key's line. The caller must call
// [Place.Leave] once.
func (q *Queue[K]) Join(key K) Place[K] {
	c := &caller{turn: make(chan struct{})}
	q.mu.Lock()
	defer q.mu.Unlock()
	l := q.lines[key]
	if l == nil {
		if q.lines == nil {
			q.lines = map[K]*line{}
		}
		l = &line{}
		q.lines[key] = l
		q.count.Store(int64(len(q.lines)))
	}
	l.callers = append(l.callers, c)
	if l.turn == nil {
		l.next()
	}
	return Place[K]{q, key, c}
}

// Busy reports whether the key has a line.
func (q *Queue[K]) Busy(key K) bool {
	if q.count.Load() == 0 {
		return false
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.lines[key] != nil
}

// Wait returns nil when it is the caller's turn, and the context's error if the
// context ends first.
func (p Place[K]) Wait(ctx context.Context) error {
	timer := time.NewTimer(Patience)
	defer timer.Stop()
	for seen := p.queue.pass(p.key, nil); ; {
		select {
		case <-p.caller.turn:
			return nil
		case <-timer.C:
			seen = p.queue.pass(p.key, seen)
			timer.Reset(Patience)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// pass gives the turn to the next caller if the one that was seen to have it still does.
// It returns the caller that has the turn.
func (q *Queue[K]) pass(key K, seen *caller) *caller {
	q.mu.Lock()
	defer q.mu.Unlock()
	l := q.lines[key]
	if l.turn == seen {
		l.next()
	}
	return l.turn
}

// Leave gives up the place. If it was the caller's turn, it is the next one's now.
func (p Place[K]) Leave() {
	q := p.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	l := q.lines[p.key]
	i := slices.Index(l.callers, p.caller)
	l.callers = slices.Delete(l.callers, i, i+1)
	if l.turn == p.caller {
		l.next()
	}
	if len(l.callers) == 0 {
		delete(q.lines, p.key)
		q.count.Store(int64(len(q.lines)))
	}
}

// next gives the turn to the first caller that has not had it.
func (l *line) next() {
	l.turn = nil
	for _, c := range l.callers {
		if !c.had {
			c.had = true
			close(c.turn)
			l.turn = c
			return
		}
	}
}
