package mail

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/ticketkit/ticket"
)

// pool keeps connections for the next letter and limits their number.
type pool struct {
	cfg   *settings
	slots chan struct{} // holds one element for each connection in use

	mu     sync.Mutex
	idle   []*conn // the most recently used is last
	closed bool
}

// get returns an idle connection, or else a new one. The caller must put it back. It waits
// for a free slot for at most half of the time left.
func (p *pool) get(ctx context.Context) (c *conn, used bool, err error) {
	waiting, cancel := halfOf(ctx)
	defer cancel()
	select {
	case p.slots <- struct{}{}:
	case <-waiting.Done():
		return nil, false, &ticket.DeliveryFault{Err: &Error{Step: StepConnect, Err: fmt.Errorf("all connections are busy: %w", context.Cause(waiting))}, NotAttempted: true}
	}
	if c := p.take(); c != nil {
		return c, true, nil
	}
	if c, err = dial(ctx, p.cfg); err != nil {
		<-p.slots
		return nil, false, err
	}
	return c, false, nil
}

// halfOf returns a context that ends when half of the time left has passed.
func halfOf(ctx context.Context) (context.Context, context.CancelFunc) {
	if end, ok := ctx.Deadline(); ok {
		return context.WithTimeout(ctx, time.Until(end)/2) //nolint:forbidigo // deadlines are measured by the system clock
	}
	return ctx, func() {}
}

func (p *pool) take() *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	for n := len(p.idle); n > 0; n = len(p.idle) {
		c := p.idle[n-1]
		p.idle = p.idle[:n-1]
		if c.idle.Stop() { // otherwise its timer is closing it
			return c
		}
	}
	return nil
}

// put returns a connection to the pool.
func (p *pool) put(ctx context.Context, c *conn) {
	if !p.keep(ctx, c) {
		c.close(ctx)
	}
	<-p.slots
}

func (p *pool) keep(ctx context.Context, c *conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.broken || p.closed || p.cfg.Idle < 0 || c.sent >= p.cfg.Reuse {
		return false
	}
	ctx = context.WithoutCancel(ctx)
	c.idle = time.AfterFunc(p.cfg.Idle, func() {
		p.mu.Lock()
		p.idle = slices.DeleteFunc(p.idle, func(o *conn) bool { return o == c })
		p.mu.Unlock()
		c.close(ctx)
	})
	p.idle = append(p.idle, c)
	return true
}

// close closes the idle connections. Connections put back later are closed.
func (p *pool) close(ctx context.Context) {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	for c := p.take(); c != nil; c = p.take() {
		c.close(ctx)
	}
}
