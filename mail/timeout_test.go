package mail_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/mail"
	"github.com/ticketkit/ticket/memstore"
)

// slow makes the server take d for each letter.
func (s *server) slow(d time.Duration) {
	s.refuseWith(func(step, _ string) error {
		if step == "data" {
			<-time.After(d)
		}
		return nil
	})
}

// At a slow server with a backlog each letter arrives once, even if a wrapper hides the
// notifier's limits.
func TestABacklogAtASlowServerArrivesOnce(t *testing.T) {
	const scale = 30 // all times are divided by 30
	for name, wrap := range map[string]func(m *mail.Notifier) ticket.Notifier{
		"plain":   func(m *mail.Notifier) ticket.Notifier { return m },
		"wrapped": func(m *mail.Notifier) ticket.Notifier { return ticket.NotifierFunc(m.Notify) }, // hides its limits
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, nil)
			s.slow(7 * time.Second / scale)
			m := s.notifier(func(cfg *mail.Config) {
				cfg.Timeout = 30 * time.Second / scale
				cfg.Address = func(ticket.Recipient) string { return "desk@staff.example" }
			})
			desk, err := ticket.NewDesk(memstore.New(), ticket.Config{Logger: slog.New(slog.DiscardHandler), Notifiers: map[string]ticket.Notifier{"mail": wrap(m)},
				Relay: ticket.Relay{Lease: time.Minute / scale, Poll: time.Second / scale, Backoff: 5 * time.Second / scale, MaxBackoff: time.Hour / scale}})
			require.NoError(t, err)
			const n = 40
			for i := range n {
				_, err := desk.Open(t.Context(), ticket.Requester(ticket.Person{Email: fmt.Sprintf("c%d@example.org", i)}), ticket.Draft{Subject: "S"})
				require.NoError(t, err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- desk.Run(ctx) }()
			require.Eventually(t, func() bool {
				page, err := desk.Deliveries(ctx, ticket.System("ops"), ticket.DeliveryQuery{State: []ticket.DeliveryState{ticket.DeliverySent}, Limit: 1000})
				return err == nil && len(page.Deliveries) == 2*n
			}, time.Minute, 20*time.Millisecond)
			cancel()
			require.ErrorIs(t, <-ended, context.Canceled)
			require.Len(t, s.got(), 2*n)
			page, err := desk.Deliveries(t.Context(), ticket.System("ops"), ticket.DeliveryQuery{Limit: 1000})
			require.NoError(t, err)
			for _, d := range page.Deliveries {
				require.Zero(t, d.Failures)
			}
		})
	}
}

// When the context is done, the reply to a complete letter is awaited briefly, so that
// stopping the desk makes no duplicate letters.
func TestAStopWaitsForTheReply(t *testing.T) {
	for _, c := range []struct {
		takes time.Duration
		sure  bool
	}{{300 * time.Millisecond, true}, {3 * time.Second, false}} {
		s := start(t, nil)
		s.slow(c.takes)
		m := s.notifier(nil)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(100*time.Millisecond, cancel)
		begin := time.Now()
		err := m.Notify(ctx, notification(ticket.KindReceived, 1))
		require.Less(t, time.Since(begin), 1500*time.Millisecond)
		if c.sure {
			require.NoError(t, err)
			continue
		}
		require.ErrorIs(t, err, context.Canceled)
		require.True(t, ticket.DeliveryFaultOf(err).MaybeDelivered)
	}
}

// The reply to the complete letter has its own time limit, and any 2xx accepts it.
func TestDataTimeoutLimitsTheReplyToTheLetter(t *testing.T) {
	s := start(t, nil)
	s.slow(500 * time.Millisecond)
	m := s.notifier(func(cfg *mail.Config) { cfg.Timeout = 100 * time.Millisecond })
	require.NoError(t, m.Notify(t.Context(), notification(ticket.KindReceived, 1)))
	require.Len(t, s.got(), 1)
	s.refuseWith(func(step, _ string) error {
		if step == "data" {
			return &smtp.SMTPError{Code: 252, EnhancedCode: smtp.NoEnhancedCode, Message: "taken, and to be looked at"}
		}
		return nil
	})
	require.NoError(t, m.Notify(t.Context(), notification(ticket.KindReceived, 2)))
}

// If time runs out for a queue of many addresses, the next attempt sends the rest.
func TestAQueueContinuesAtTheNextAttempt(t *testing.T) {
	s := start(t, nil)
	s.slow(50 * time.Millisecond)
	m := s.notifier(func(cfg *mail.Config) { cfg.Address = func(ticket.Recipient) string { return many()[:200] } })
	most := 0
	for try := 1; ; try++ {
		require.Less(t, try, 20)
		ctx, cancel := context.WithTimeout(t.Context(), 400*time.Millisecond)
		err := m.Notify(ctx, queued(1))
		cancel()
		if err == nil {
			break
		}
		require.True(t, ticket.DeliveryFaultOf(err).NotAttempted, "%v", err)
		require.NotErrorIs(t, err, context.Canceled)
		most = try
	}
	require.Positive(t, most)
	seen := map[string]bool{}
	for _, to := range s.receivers() {
		require.False(t, seen[to], "%s got it twice", to)
		seen[to] = true
	}
}

// The result of Limits follows from the connections and the timeouts.
func TestLimitsFollowFromTheConfiguration(t *testing.T) {
	s := start(t, nil)
	concurrency, timeout := s.notifier(func(cfg *mail.Config) { cfg.Timeout = 0 }).Limits()
	require.Equal(t, 4, concurrency)
	require.Equal(t, 14*time.Minute, timeout)
	concurrency, timeout = s.notifier(func(cfg *mail.Config) {
		cfg.Timeout, cfg.DataTimeout, cfg.Connections = time.Second, time.Second, 9
	}).Limits()
	require.Equal(t, 9, concurrency)
	require.Equal(t, 9*time.Second, timeout)
}

// A letter waits for a connection for at most half of its time. If none is free by then,
// the error is NotAttempted.
func TestWaitingForAConnectionTakesHalfOfTheTime(t *testing.T) {
	s := start(t, nil)
	s.slow(1500 * time.Millisecond)
	m := s.notifier(func(cfg *mail.Config) { cfg.Connections = 1 })
	ended := make(chan error, 1)
	go func() { ended <- m.Notify(t.Context(), notification(ticket.KindReceived, 1)) }()
	require.Eventually(t, func() bool { return s.connections() == 1 }, time.Second, time.Millisecond)
	<-time.After(50 * time.Millisecond)
	ctx, cancel := context.WithTimeout(t.Context(), 800*time.Millisecond)
	defer cancel()
	err := m.Notify(ctx, notification(ticket.KindReceived, 2))
	require.NoError(t, ctx.Err())
	require.True(t, ticket.DeliveryFaultOf(err).NotAttempted, "%v", err)
	require.NoError(t, <-ended)
	require.Len(t, s.got(), 1)
}
