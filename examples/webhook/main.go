// Webhook sends every event of a desk to a shop as a webhook, and the shop verifies what
// it receives. One webhook is repeated because its response was lost, the secret is
// rotated while both run, and a forged webhook is refused. Everything runs on loopback.
//
//	go run ./examples/webhook
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/memstore"
	"github.com/ticketkit/ticket/webhook"
)

func main() {
	if err := run(context.Background(), ticket.Config{}, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "webhook:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, cfg ticket.Config, stdout io.Writer) (err error) {
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(stdout, format+"\n", args...) }
	ctx, stop := context.WithTimeout(ctx, 30*time.Second)
	defer stop()

	// Both sides know the secret. The shop already accepts the new one.
	before, after := webhook.NewSecret(), webhook.NewSecret()

	// The shop.
	s := &shop{say: say, taken: map[ticket.ID]bool{}, news: make(chan ticket.ActionName)}
	url, end, err := serve(webhook.Receiver{
		Secrets: []string{after, before},
		Handle:  s.handle,
		Refused: func(_ *http.Request, err error) { say("  shop: refused: %v", err) },
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()

	// The desk. With a function as Endpoint, the secrets can change while the desk runs.
	secrets := make(chan []string, 1)
	secrets <- []string{before}
	hook, err := webhook.New(webhook.Config{
		Endpoint: func(context.Context, ticket.Notification) (webhook.Endpoint, error) {
			now := <-secrets
			secrets <- now
			return webhook.Endpoint{URL: url, Secrets: now}, nil
		},
		// For this example only: the shop has no certificate and no public address.
		AllowHTTP: true, AllowPrivate: true,
	})
	if err != nil {
		return err
	}
	cfg.Notifiers = map[string]ticket.Notifier{"shop": hook}
	cfg.EventNotifiers = []string{"shop"}     // every event once, instead of notifications to people
	cfg.Relay.Backoff = 10 * time.Millisecond // so that the repeat comes quickly
	cfg.Relay.Poll = cfg.Relay.Backoff        // a server keeps the defaults
	desk, err := ticket.NewDesk(memstore.New(), cfg)
	if err != nil {
		return err
	}
	running := make(chan struct{})
	go func() { _ = desk.Run(ctx); close(running) }() // returns the error of the context
	defer func() { stop(); <-running }()

	ada := ticket.Requester(ticket.Person{Name: "Ada Byron", Email: "ada@example.org"})
	lin := ticket.Agent("lin", 1)

	say("A ticket is opened and taken:")
	t, err := desk.Open(ctx, ada, ticket.Draft{Subject: "Parcel lost", Fields: ticket.Fields{"order": "A-1042"}})
	if err != nil {
		return err
	}
	if err := s.wait(ctx, ticket.ActionOpen); err != nil {
		return err
	}
	if _, err = desk.Do(ctx, lin, t.ID, ticket.Action{Name: ticket.ActionTake}); err != nil {
		return err
	}
	if err := s.wait(ctx, ticket.ActionTake); err != nil {
		return err
	}

	say("\nThe secret is rotated; both secrets sign now:")
	<-secrets
	secrets <- []string{after, before}
	if _, err = desk.Do(ctx, lin, t.ID, ticket.Action{Name: ticket.ActionResolve, Message: "A new one is on its way.", Note: "our fault"}); err != nil {
		return err
	}
	if err := s.wait(ctx, ticket.ActionResolve); err != nil {
		return err
	}

	say("\nA request is forged without the secret:")
	status, err := forge(ctx, url)
	if err != nil {
		return err
	}
	say("  response: %s", status)
	return nil
}

// shop is the system that receives the webhooks.
type shop struct {
	say  func(string, ...any)
	news chan ticket.ActionName

	mu    sync.Mutex
	taken map[ticket.ID]bool // a real shop stores these IDs in its database, in the same transaction
}

// first reports whether this ID is new.
func (s *shop) first(id ticket.ID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.taken[id]
	s.taken[id] = true
	return !before
}

// handle processes a verified webhook.
func (s *shop) handle(ctx context.Context, p webhook.Payload) error {
	e := p.Data.Event
	if e == nil {
		return errors.New("only events are expected here")
	}
	again := !s.first(p.Data.ID)
	if again {
		s.say("  shop: %s is a repeat, ignored", e.Action)
	} else {
		s.say("  shop: verified %s of %s, event %d: %q is %s now", e.Action, p.Data.Number, e.Seq, p.Data.Subject, p.Data.Phase)
		if order, ok := e.Fields["order"]; ok {
			s.say("  shop: it is about order %v", order)
		}
		if e.Message != "" {
			s.say("  shop: the customer was told %q", e.Message)
		}
		if e.Note != "" {
			return errors.New("a note left the desk")
		}
	}
	if e.Action == ticket.ActionTake && !again {
		return errors.New("stored, but the response is lost") // so the desk repeats it
	}
	select {
	case s.news <- e.Action:
	case <-ctx.Done():
	}
	return nil
}

// wait waits until the shop has received the event.
func (s *shop) wait(ctx context.Context, want ticket.ActionName) error {
	select {
	case got := <-s.news:
		if got != want {
			return fmt.Errorf("the shop received %q, want %q", got, want)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("the shop did not receive %q: %w", want, ctx.Err())
	}
}

// forge sends a request that looks like a webhook.
func forge(ctx context.Context, url string) (status string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(`{"type":"ticket.event","data":{}}`))
	if err != nil {
		return "", err
	}
	req.Header.Set(webhook.HeaderID, "01KE5Z6ZG0000000000000000G")
	req.Header.Set(webhook.HeaderTimestamp, fmt.Sprint(time.Now().Unix()))
	req.Header.Set(webhook.HeaderSignature, "v1,"+strings.Repeat("A", 43)+"=")
	response, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	return response.Status, response.Body.Close()
}

// serve starts a server on loopback. It returns its address and a function that stops it.
func serve(h http.Handler) (url string, end func() error, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	return "http://" + l.Addr().String() + "/tickets", func() error {
		err := srv.Close()
		if served := <-done; !errors.Is(served, http.ErrServerClosed) {
			err = errors.Join(err, served)
		}
		return err
	}, nil
}
