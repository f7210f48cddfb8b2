package main

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/mail"
)

// relaySabotage makes relays do something wrong. The check must find it, which
// proves that the check works.
var relaySabotage = map[string]func(w *witness){
	// It reports a message as sent before it is, as a queue in memory does.
	"hasty": func(w *witness) {
		carry := w.carry
		w.carry = ticket.NotifierFunc(func(ctx context.Context, n ticket.Notification) error {
			go func() { _ = carry.Notify(context.WithoutCancel(ctx), n) }()
			return nil
		})
	},
	// Like hasty, but with retries: every message arrives unless a relay is killed, but
	// they arrive out of order.
	"unordered": func(w *witness) {
		carry := w.carry
		w.carry = ticket.NotifierFunc(func(ctx context.Context, n ticket.Notification) error {
			go func() {
				for wait := 300 * time.Millisecond; ; wait += 50 * time.Millisecond {
					time.Sleep(rand.N(wait))
					if carry.Notify(context.WithoutCancel(ctx), n) == nil {
						return
					}
				}
			}()
			return nil
		})
	},
	// Every attempt has a new ID.
	"renamed": func(w *witness) {
		carry := w.carry
		w.carry = ticket.NotifierFunc(func(ctx context.Context, n ticket.Notification) error {
			n.ID = ticket.NewID(n.At)
			return carry.Notify(ctx, n)
		})
	},
	// Every attempt has other words.
	"reworded": func(w *witness) {
		carry := w.carry
		w.carry = ticket.NotifierFunc(func(ctx context.Context, n ticket.Notification) error {
			if n.Attempt > 1 {
				n.Subject += " again"
			}
			return carry.Notify(ctx, n)
		})
	},
	// Every refusal counts as a refusal of the mailbox.
	"touchy": func(w *witness) {
		carry := w.carry
		w.carry = ticket.NotifierFunc(func(ctx context.Context, n ticket.Notification) error {
			err := carry.Notify(ctx, n)
			if e, ok := errors.AsType[*mail.Error](err); ok && e.Code/100 == 5 {
				return &ticket.DeliveryFault{Err: err, Bounced: true}
			}
			return err
		})
	},
	// Leases end at once.
	"unleased": func(w *witness) {
		w.onClaim = func(r *ticket.ClaimRequest) { r.Lease = time.Microsecond }
	},
	// Failed deliveries are postponed until after the end, though not for longer
	// than a relay ever does. Otherwise it would suspect a wrong clock.
	"stuck": func(w *witness) {
		w.onSettle = func(s *ticket.Settlement) {
			if s.State == ticket.DeliveryPending {
				s.Due = s.Due.Add(20 * time.Hour)
			}
		}
	},
	// Refused deliveries have no reason.
	"silent": func(w *witness) {
		w.onSettle = func(s *ticket.Settlement) {
			if s.State != ticket.DeliveryPending {
				s.Error = ""
			}
		}
	},
	// Failed deliveries are given up.
	"weary": func(w *witness) {
		w.onSettle = func(s *ticket.Settlement) {
			if s.State == ticket.DeliveryPending {
				s.State = ticket.DeliveryDead
			}
		}
	},
}

// impatient is the sabotage of a relay that does not wait long enough for the answer
// to a message.
const impatient = "impatient"

// missing is the sabotage of a delivery that is not in the outbox: a row is deleted
// before the check.
const missing = "missing"

func sabotages() []string {
	return slices.Sorted(slices.Values(append(slices.Collect(maps.Keys(relaySabotage)), missing, impatient)))
}
