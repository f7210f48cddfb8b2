package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/internal/dbtests/ordeal"
	"github.com/ticketkit/ticket/mail"
	"github.com/ticketkit/ticket/sqlstore"
)

// grace is how long a relay may take to finish attempts after it was told to stop.
const grace = 3 * time.Second

// relay delivers until it is killed, or told to stop.
func relay(ctx context.Context, t *task, c *ordeal.Clock, j *ordeal.Journal, store *sqlstore.Store) error {
	names := strings.Split(t.Sabotage, ",")
	n, err := newMailer(t.Post, func(cfg *mail.Config) {
		if slices.Contains(names, impatient) {
			cfg.DataTimeout = answering
		}
	})
	if err != nil {
		return err
	}
	w := &witness{Store: store, journal: j, clock: c, carry: n}
	for _, name := range names {
		if do := relaySabotage[name]; do != nil {
			do(w)
		}
	}
	desk, err := ticket.NewDesk(w, config(c, j, w))
	if err != nil {
		return err
	}
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGTERM)
	stopped := make(chan error, 1)
	go func() {
		<-told
		ctx, cancel := context.WithTimeout(ctx, grace)
		defer cancel()
		stopped <- desk.Shutdown(ctx)
	}()
	if err := desk.Run(ctx); err != nil {
		return err
	}
	if err := <-stopped; !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	j.Said("a relay had to cancel attempts when it stopped") // they are repeated
	return nil
}

// A witness stands between a desk and its store and notifier, and records the calls.
type witness struct {
	*sqlstore.Store

	journal *ordeal.Journal
	clock   *ordeal.Clock
	carry   ticket.Notifier

	onClaim  func(*ticket.ClaimRequest) // sabotage
	onSettle func(*ticket.Settlement)
}

// Claim claims, and records the deliveries and the end of their leases.
func (w *witness) Claim(ctx context.Context, r ticket.ClaimRequest) ([]ticket.Delivery, error) {
	asked := r
	if w.onClaim != nil {
		w.onClaim(&asked)
	}
	list, err := w.Store.Claim(ctx, asked)
	until := r.Now.Add(r.Lease).UnixNano()
	entries := make([]string, len(list))
	for i := range list {
		entries[i] = fmt.Sprint(entryClaim, " ", list[i].ID, " ", list[i].Attempts, " ", r.Now.UnixNano(), " ", until)
	}
	w.journal.Write(entries...)
	return list, err
}

// Settle records what is to be settled, and settles.
func (w *witness) Settle(ctx context.Context, list []ticket.Settlement) error {
	now := w.clock.Now().UnixNano()
	entries := make([]string, len(list))
	for i := range list {
		entries[i] = fmt.Sprint(entrySettle, " ", list[i].ID, " ", now)
		if w.onSettle != nil {
			w.onSettle(&list[i])
		}
	}
	w.journal.Write(entries...)
	err := w.Store.Settle(ctx, list)
	if err == nil {
		for i := range list {
			entries[i] = fmt.Sprint(entryKept, " ", list[i].ID)
		}
		w.journal.Write(entries...)
	}
	return err
}

// Limits returns the limits of the notifier.
func (w *witness) Limits() (concurrency int, timeout time.Duration) {
	if n, ok := w.carry.(ticket.LimitedNotifier); ok {
		return n.Limits()
	}
	return 0, 0
}

// Notify sends, and records the time.
func (w *witness) Notify(ctx context.Context, n ticket.Notification) error {
	id := n.ID.String()
	w.journal.Write(fmt.Sprint(entryBegin, " ", id, " ", w.clock.Now().UnixNano()))
	err := w.carry.Notify(ctx, n)
	w.journal.Write(fmt.Sprint(entryEnd, " ", id, " ", w.clock.Now().UnixNano()))
	return err
}
