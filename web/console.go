package web

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/ticketkit/ticket"
)

// Console is the [http.Handler] of the agents' pages.
type Console struct {
	site   *site
	cfg    ConsoleConfig
	counts *counter
	eyes   presence
	seals  sealer
	files  bool // the desk keeps files
	figurePages

	ctx    context.Context // until Shutdown
	cancel context.CancelFunc
	mu     sync.Mutex     // guards the beginning of jobs and the end of ctx
	jobs   sync.WaitGroup // counts of tickets, passes of reports and event streams
}

// NewConsole returns the pages for agents. Mount it into your server, with or without
// [http.StripPrefix]. It fails if the configuration is invalid, or if a template cannot be
// executed. It starts nothing.
func NewConsole(desk *ticket.Desk, cfg ConsoleConfig) (*Console, error) {
	if cfg.Actor == nil {
		return nil, errors.New("web: ConsoleConfig.Actor is missing: the console is for agents only")
	}
	if n := len(cfg.Key); n > 0 && n < minKey {
		return nil, fmt.Errorf("web: ConsoleConfig.Key has %d bytes, and needs %d", n, minKey)
	}
	if cfg.DueSoon < 0 || cfg.MaxUpload < 0 {
		return nil, errors.New("web: ConsoleConfig.DueSoon and MaxUpload must not be negative")
	}
	cfg.DueSoon, cfg.MaxUpload = cmp.Or(cfg.DueSoon, 4*time.Hour), cmp.Or(cfg.MaxUpload, 100_000_000)
	s, err := newSite(desk, "console", cfg.Look, cfg.Actor)
	if err != nil {
		return nil, err
	}
	c := &Console{site: s, cfg: cfg, seals: newSealer(cfg.Key)}
	c.ctx, c.cancel = context.WithCancel(context.Background()) //nolint:forbidigo // of the handler: Shutdown ends it
	c.counts = newCounter(c)
	c.files = keepsFiles(c.ctx, desk)
	s.frame, s.agents = c.frame, cfg.Agents
	s.get("", c.start)
	c.ticketRoutes()
	if err := c.addFigures(); err != nil {
		return nil, err
	}
	if err := s.ready(); err != nil {
		return nil, err
	}
	return c, nil
}

// ServeHTTP serves the console.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) { c.site.ServeHTTP(w, r) }

// Shutdown ends the event streams and the computing of reports, and waits until they have ended,
// or until ctx is done.
func (c *Console) Shutdown(ctx context.Context) error {
	c.mu.Lock()
	c.cancel()
	c.mu.Unlock()
	done := make(chan struct{})
	go func() { c.jobs.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// work counts something that Shutdown ends and waits for. After Shutdown it returns false.
func (c *Console) work() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ctx.Err() != nil {
		return false
	}
	c.jobs.Add(1)
	return true
}

// streams returns the context of an event stream of a request: until the client goes, its
// time is over, or Shutdown.
func (c *Console) streams(p *page) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(p.ctx(), streamLife)
	if !c.work() {
		cancel()
		return ctx, cancel
	}
	stop := context.AfterFunc(c.ctx, cancel)
	return ctx, func() { stop(); cancel(); c.jobs.Done() }
}

func (c *Console) start(p *page) error { return p.redirect("tickets", nil) }
