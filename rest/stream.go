package rest

import (
	"context"
	"sync"
)

// streams counts and ends the open streams of events.
type streams struct {
	mu     sync.Mutex
	open   map[*stream]struct{}
	closed bool
	empty  chan struct{} // closed once none is left after a shutdown
}

// stream is one open stream.
type stream struct{ end context.CancelFunc }

// join adds a stream. It returns false if there are too many, or after a shutdown.
func (s *streams) join(st *stream, most int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(s.open) >= most {
		return false
	}
	s.open[st] = struct{}{}
	return true
}

func (s *streams) leave(st *stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, st)
	if s.closed && len(s.open) == 0 && s.empty != nil {
		close(s.empty)
		s.empty = nil
	}
}

func (s *streams) shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	for st := range s.open {
		st.end()
	}
	var empty chan struct{}
	if len(s.open) > 0 {
		if s.empty == nil {
			s.empty = make(chan struct{})
		}
		empty = s.empty
	}
	s.mu.Unlock()
	if empty == nil {
		return nil
	}
	select {
	case <-empty:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *call) streamChanges() error { return nil }
