package ticket

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// lines lets those of one process who met over a ticket go one after the other,
// in the order in which they came. Left to try again at random, they would throw
// each other back: with 64 callers at one ticket some lose 30 times in a row.
//
// A place in a line is no lock: whose turn does not come soon goes anyway, and
// the store alone decides what is committed.
type lines struct {
	mu    sync.Mutex
	of    map[ID][]chan struct{} // the first one's is closed: it has its turn
	count atomic.Int64           // of lines
}

// patience is how long one waits for its turn. It is longer than a line takes as
// a rule, and bounded for the sake of a policy or guard that acts on the very
// ticket it is asked about.
const patience = time.Second

// join takes the last place in the ticket's line.
func (l *lines) join(id ID) (turn chan struct{}) {
	turn = make(chan struct{})
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.of == nil {
		l.of = map[ID][]chan struct{}{}
	}
	if len(l.of[id]) == 0 {
		close(turn)
	}
	l.of[id] = append(l.of[id], turn)
	l.count.Store(int64(len(l.of)))
	return turn
}

// leave gives the place up, and the turn to the next.
func (l *lines) leave(id ID, turn chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	line := l.of[id]
	i := slices.Index(line, turn)
	line = slices.Delete(line, i, i+1)
	switch {
	case len(line) == 0:
		delete(l.of, id)
	case i == 0:
		close(line[0])
		fallthrough
	default:
		l.of[id] = line
	}
	l.count.Store(int64(len(l.of)))
}

// there reports whether somebody waits for this ticket.
func (l *lines) there(id ID) bool {
	if l.count.Load() == 0 {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.of[id]) > 0
}

// await returns when it is the caller's turn, or its patience is at an end.
func await(ctx context.Context, turn chan struct{}) error {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-turn:
		return nil
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
