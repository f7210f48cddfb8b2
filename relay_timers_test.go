package ticket_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/memstore"
	"github.com/ticketkit/ticket/tickettest"
)

// countedStore counts the reads.
type countedStore struct {
	ticket.Store
	reads, refs atomic.Int64
	unreadable  func(ticket.ID) bool
	noDue       bool
}

func (s *countedStore) Ticket(ctx context.Context, tenant string, id ticket.ID) (ticket.Ticket, error) {
	s.reads.Add(1)
	if s.unreadable != nil && s.unreadable(id) {
		return ticket.Ticket{}, errors.New("disk error")
	}
	return s.Store.Ticket(ctx, tenant, id)
}

func (s *countedStore) Due(ctx context.Context, now time.Time, limit int) ([]ticket.Ref, error) {
	if s.noDue && limit > 100 {
		return nil, errors.New("connection reset")
	}
	due, err := s.Store.Due(ctx, now, limit)
	s.refs.Add(int64(len(due)))
	return due, err
}

// selective hides some tickets from the desk.
type selective struct {
	ticket.DefaultPolicy
	hides func(ticket.Actor, ticket.Ticket) bool
}

func (p selective) MaySee(a ticket.Actor, t ticket.Ticket) bool {
	return !p.hides(a, t) && p.DefaultPolicy.MaySee(a, t)
}

func hiddenFromSystems(a ticket.Actor, t ticket.Ticket) bool {
	return a.Role == ticket.RoleSystem && strings.HasPrefix(t.Subject, "hidden")
}

// Timers that a desk cannot fire, for any reason, are not read again at each call,
// do not keep others from being fired, and are fired when they can be.
func TestTimersThatCannotBeFired(t *testing.T) {
	const n = 450
	for name, c := range map[string]struct {
		subject string
		because string // the reason in the log; if empty, an error is returned
	}{
		"of a workflow that it does not hold": {"gone", "because=\"it does not hold their workflow\""},
		"that the policy hides":               {"hidden", "because=\"the policy hides them from it\""},
		"that cannot be read":                 {"unreadable", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := &countedStore{Store: memstore.New()}
			var log strings.Builder
			holds := false
			hides := func(a ticket.Actor, t ticket.Ticket) bool { return !holds && hiddenFromSystems(a, t) }
			gone := ticket.DefaultWorkflow()
			gone.Name = "gone"
			k := newKitOn(t, s, func(cfg *ticket.Config) {
				cfg.Silent, cfg.Policy = true, selective{hides: hides}
				cfg.Workflows = []*ticket.Workflow{ticket.DefaultWorkflow().MustCompile(nil), gone.MustCompile(nil)}
			})
			bad := map[ticket.ID]bool{}
			solved := func(subject, workflow string) ticket.Ticket {
				tk, err := k.desk.Open(t.Context(), lin, ticket.Draft{Subject: subject, Requester: ada.Person, Solution: "done", Workflow: workflow})
				require.NoError(t, err)
				return tk
			}
			var stuck []ticket.Ticket
			for range n {
				workflow := ""
				if c.subject == "gone" {
					workflow = "gone"
				}
				tk := solved(c.subject, workflow)
				bad[tk.ID] = c.subject == "unreadable"
				stuck = append(stuck, tk)
			}
			k.clock.Advance(time.Second)
			good := solved("good", "")
			s.unreadable = func(id ticket.ID) bool { return !holds && bad[id] }
			old := k.desk
			newDesk := func(cfg ticket.Config) *ticket.Desk {
				cfg.Silent, cfg.Policy, cfg.Now = true, selective{hides: hides}, k.clock.Now
				cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
				d, err := ticket.NewDesk(s, cfg)
				require.NoError(t, err)
				return d
			}
			k.desk = newDesk(ticket.Config{})
			fire := func() (int, error) {
				s.reads.Store(0)
				return k.desk.FireTimers(t.Context())
			}
			k.clock.Advance(30 * 24 * time.Hour)
			fired, err := fire()
			require.Equal(t, 1, fired, "the one after all of them")
			got, err2 := k.desk.Get(t.Context(), super, good.ID)
			require.NoError(t, err2)
			require.Equal(t, ticket.StatusClosed, got.Status)
			if c.because != "" {
				require.NoError(t, err)
				require.Contains(t, log.String(), c.because)
				require.Contains(t, log.String(), fmt.Sprintf("tickets=%d", n))
			} else {
				require.ErrorContains(t, err, "disk error")
			}
			// Call it each second for an hour. At times, there is something to do.
			lines := strings.Count(log.String(), "\n")
			reads, due := int64(0), []ticket.Ticket{}
			for second := range 3600 {
				k.clock.Advance(time.Second)
				if second%600 == 0 && len(due) < 3 {
					due = append(due, solved("good", ""))
				}
				_, _ = fire()
				reads += s.reads.Load()
			}
			require.Less(t, reads, int64(n*20))
			require.LessOrEqual(t, strings.Count(log.String(), "\n")-lines, 1)
			k.clock.Advance(30 * 24 * time.Hour)
			fired, _ = fire()
			require.Equal(t, len(due), fired)
			// The obstacle is gone.
			holds = true
			k.clock.Advance(10 * time.Minute)
			if c.subject == "gone" {
				k.desk = old // the desk that has the workflow
			}
			fired, err = fire()
			require.NoError(t, err)
			require.Equal(t, n, fired)
			for _, tk := range stuck {
				got, err := k.desk.Get(t.Context(), super, tk.ID)
				require.NoError(t, err)
				require.Equal(t, ticket.StatusClosed, got.Status)
			}
		})
	}
}

// Failures found before the store failed are reported too.
func TestFireTimersReportsAllFailures(t *testing.T) {
	s := &countedStore{Store: memstore.New()}
	k := newKitOn(t, s, func(c *ticket.Config) { c.Silent = true })
	for range 120 {
		_, err := k.desk.Open(t.Context(), lin, ticket.Draft{Subject: "s", Requester: ada.Person, Solution: "done"})
		require.NoError(t, err)
	}
	k.clock.Advance(30 * 24 * time.Hour)
	s.unreadable, s.noDue = func(ticket.ID) bool { return true }, true
	_, err := k.desk.FireTimers(t.Context())
	require.ErrorContains(t, err, "disk error")
	require.ErrorContains(t, err, "connection reset")
}

// A clock that was ahead and was set back leaves no timer waiting for the time that
// it showed.
func TestTimersAfterAClockWasPutBack(t *testing.T) {
	s := &countedStore{Store: memstore.New()}
	ahead := time.Duration(0)
	k := newKitOn(t, s)
	var log strings.Builder
	hides := true
	var err error
	k.desk, err = ticket.NewDesk(s, ticket.Config{
		Silent: true, Logger: slog.New(slog.NewTextHandler(&log, nil)), Now: func() time.Time { return k.clock.Now().Add(ahead) },
		Policy: selective{hides: func(a ticket.Actor, t ticket.Ticket) bool { return hides && hiddenFromSystems(a, t) }},
	})
	require.NoError(t, err)
	tk, err := k.desk.Open(t.Context(), lin, ticket.Draft{Subject: "hidden", Requester: ada.Person, Solution: "done"})
	require.NoError(t, err)
	k.clock.Advance(30 * 24 * time.Hour)
	fire := func() int {
		fired, err := k.desk.FireTimers(t.Context())
		require.NoError(t, err)
		return fired
	}
	ahead = 10 * 365 * 24 * time.Hour
	require.Zero(t, fire())
	ahead = 0
	require.Zero(t, fire())
	require.Equal(t, 2, strings.Count(log.String(), "timers are due"))
	hides = false
	k.clock.Advance(time.Minute)
	require.Equal(t, 1, fire())
	got, err := k.desk.Get(t.Context(), super, tk.ID)
	require.NoError(t, err)
	require.Equal(t, ticket.StatusClosed, got.Status)
}

// The event of a stopped timer reaches an event notifier without waiting for a
// poll.
func TestAStoppedTimerWakesTheRelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		events := tickettest.NewRecorder()
		desk, err := ticket.NewDesk(memstore.New(), ticket.Config{Logger: slog.New(slog.DiscardHandler), Policy: noClose{},
			Notifiers: map[string]ticket.Notifier{"s": events}, EventNotifiers: []string{"s"}, Relay: ticket.Relay{Poll: 10 * time.Hour}})
		require.NoError(t, err)
		tk, err := desk.Open(t.Context(), ada, ticket.Draft{Subject: "s"})
		require.NoError(t, err)
		_, err = desk.Do(t.Context(), lin, tk.ID, ticket.Action{Name: ticket.ActionResolve, Message: "m"})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- desk.Run(ctx) }()
		synctest.Wait()
		time.Sleep(7*24*time.Hour + time.Minute)
		_, err = desk.FireTimers(t.Context())
		require.NoError(t, err)
		synctest.Wait()
		time.Sleep(time.Second)
		got := len(events.Sent())
		tt, err := desk.Get(t.Context(), cron, tk.ID)
		require.NoError(t, err)
		cancel()
		require.ErrorIs(t, <-done, context.Canceled)
		require.EqualValues(t, tt.Version, got)
	})
}

// noClose is a policy that forbids closing.
type noClose struct{ ticket.DefaultPolicy }

func (noClose) MayDo(_ ticket.Actor, _ ticket.Ticket, a ticket.ActionName) error {
	if a == ticket.ActionClose {
		return errors.New("no")
	}
	return nil
}
