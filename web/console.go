package web

import (
	"context"
	"errors"
	"net/http"

	"github.com/ticketkit/ticket"
)

// Console is the [http.Handler] of the agents' pages.
type Console struct {
	site *site
	figurePages
}

// NewConsole returns the pages for agents. Mount it into your server, with or without
// [http.StripPrefix]. It fails if the configuration is invalid, or if a template cannot be
// executed. It starts nothing.
func NewConsole(desk *ticket.Desk, cfg ConsoleConfig) (*Console, error) {
	if cfg.Actor == nil {
		return nil, errors.New("web: ConsoleConfig.Actor is missing: the console is for agents only")
	}
	s, err := newSite(desk, "console", cfg.Look, cfg.Actor)
	if err != nil {
		return nil, err
	}
	c := &Console{site: s}
	s.frame = c.frame
	s.get("", c.start)
	s.get("tickets", c.queue)
	s.fixture("console_queue.html", queueData{Tickets: []ticket.Ticket{{Number: "7Q4K92MXF", Subject: "Printer prints blank pages"}}}, queueData{})
	if err := c.addFigures(&cfg); err != nil {
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
func (c *Console) Shutdown(ctx context.Context) error { return c.figures.ledger.close(ctx) }

// consoleFrame is the data of the frame around each page of the console.
type consoleFrame struct {
	Here string // the page of the side bar that is shown
}

func (c *Console) frame(p *page) (any, error) { return consoleFrame{Here: p.rest}, nil }

func (c *Console) start(p *page) error { return p.redirect("tickets", nil) }

type queueData struct{ Tickets []ticket.Ticket }

func (c *Console) queue(p *page) error {
	list, err := c.site.desk.List(p.ctx(), p.actor, ticket.Query{})
	if err != nil {
		return err
	}
	return p.render(http.StatusOK, "console_queue.html", queueData{list.Tickets})
}
