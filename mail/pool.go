package mail

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/ticketkit/ticket"
)

// pool keeps connections for the next letter, and bounds how many there are.
type pool struct {
	cfg   *settings
	slots chan struct{} // one in it for each connection that is in use

	mu     sync.Mutex
	idle   []*conn // the one used last is the last
	closed bool
}

// get returns a connection that was used before, or a new one. It must be put
// back. It waits for one as long as half of the time is left for the letter.
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

// halfOf is a context that ends when half of the time that there is has passed.
func halfOf(ctx context.Context) (context.Context, context.CancelFunc) {
	if end, ok := ctx.Deadline(); ok {
		return context.WithTimeout(ctx, time.Until(end)/2) //nolint:forbidigo // a deadline is of that clock
	}
	return ctx, func() {}
}

func (p *pool) take() *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	for n := len(p.idle); n > 0; n = len(p.idle) {
		c := p.idle[n-1]
		p.idle = p.idle[:n-1]
		if c.idle.Stop() { // else its end has come already
			return c
		}
	}
	return nil
}

// put gives a connection back.
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

// close closes what is idle, and keeps nothing any more.
func (p *pool) close(ctx context.Context) {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	for c := p.take(); c != nil; c = p.take() {
		c.close(ctx)
	}
}
