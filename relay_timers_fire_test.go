package ticket_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
)

func TestATimerFiresWhenItIsDue(t *testing.T) {
	k := newKit(t)
	fire := func(want int) {
		t.Helper()
		n, err := k.desk.FireTimers(t.Context())
		require.NoError(t, err)
		require.Equal(t, want, n)
	}
	tk := k.open(ada.InTenant("acme"), ticket.Draft{})
	k.do(lin.InTenant("acme"), tk, ticket.Action{Name: ticket.ActionHold, Reason: "vendor", Until: k.clock.Now().Add(2 * time.Hour)})
	held := k.get(tk)
	require.Equal(t, "vendor", held.Reason)
	require.Equal(t, ticket.PhaseInProgress, held.Phase)
	fire(0)
	k.clock.Advance(2 * time.Hour)
	fire(1)
	fire(0)
	on := k.get(tk)
	require.Equal(t, ticket.StatusOpen, on.Status)
	require.Empty(t, on.Reason)
	require.Equal(t, "lin", on.Assignee)
	require.True(t, on.Timer.IsZero())

	k.do(lin.InTenant("acme"), tk, ticket.Action{Name: ticket.ActionResolve, Message: "done"})
	k.clock.Advance(confirmWindow)
	fire(1)
	closed := k.get(tk)
	require.Equal(t, ticket.StatusClosed, closed.Status)
	require.NoError(t, k.desk.Verify(t.Context(), cron.InTenant("acme"), tk.ID))
}

// A timer whose action has become impossible is stopped and recorded, so that it
// does not become due forever.
func TestATimerThatLeadsNowhereIsStopped(t *testing.T) {
	allow := true
	k := newKit(t, func(c *ticket.Config) {
		c.Workflows = []*ticket.Workflow{ticket.WorkflowSpec{
			Name: "w", Version: 1, Levels: 1, Initial: "in",
			Statuses: []ticket.StatusSpec{
				{Name: "in", Phase: ticket.PhaseReceived}, {Name: "wait", Phase: ticket.PhaseInProgress, Then: "end", After: time.Hour},
				{Name: "out", Phase: ticket.PhaseClosed, Final: true},
			},
			Transitions: []ticket.Transition{
				{Action: "begin", From: []ticket.Status{"in"}, To: "wait"},
				{Action: "end", From: []ticket.Status{"wait"}, To: "out", By: ticket.RoleAgent | ticket.RoleSystem, Guards: []string{"may"}},
			},
		}.MustCompile(map[string]func(ticket.Decision) error{"may": func(ticket.Decision) error {
			if allow {
				return nil
			}
			return errors.New("not today")
		}})}
	})
	tk := k.open(ada, ticket.Draft{})
	k.do(lin, tk, ticket.Action{Name: "begin"})
	allow = false
	k.clock.Advance(time.Hour)
	n, err := k.desk.FireTimers(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, n)
	stopped := k.get(tk)
	require.True(t, stopped.Timer.IsZero())
	require.Equal(t, ticket.Status("wait"), stopped.Status)
	events := k.events(lin, tk)
	require.Contains(t, string(events[2].Note), "not today")
	require.NoError(t, k.desk.Verify(t.Context(), lin, tk.ID))
}

// A function of the application that fails says nothing about the action, whatever its
// error is. The timer stays, and fires when the function works again.
func TestAFailingHookDoesNotStopATimer(t *testing.T) {
	for name, extra := range map[string]func() ([]ticket.Recipient, error){
		"refused": func() ([]ticket.Recipient, error) { return nil, fmt.Errorf("directory: %w", ticket.ErrRefused) },
		"invalid": func() ([]ticket.Recipient, error) { return nil, &ticket.InvalidError{Field: "user", Reason: "is gone"} },
		"stale":   func() ([]ticket.Recipient, error) { return nil, ticket.ErrStale },
		"unknown": func() ([]ticket.Recipient, error) { return nil, errors.New("directory is down") },
		"nobody":  func() ([]ticket.Recipient, error) { return []ticket.Recipient{{}}, nil },
		"panic":   func() ([]ticket.Recipient, error) { panic("directory") },
	} {
		t.Run(name, func(t *testing.T) {
			fail := false
			k := newKit(t, func(c *ticket.Config) {
				c.ExtraRecipients = func(context.Context, ticket.Ticket, ticket.Kind) ([]ticket.Recipient, error) {
					if fail {
						return extra()
					}
					return nil, nil
				}
			})
			tk := k.open(lin, ticket.Draft{Requester: ada.Person, Solution: "s"})
			fail = true
			k.clock.Advance(confirmWindow)
			n, err := k.desk.FireTimers(t.Context())
			require.Error(t, err)
			require.Zero(t, n)
			require.False(t, k.get(tk).Timer.IsZero())
			fail = false
			k.clock.Advance(time.Hour)
			n, err = k.desk.FireTimers(t.Context())
			require.NoError(t, err)
			require.Equal(t, 1, n)
			require.Equal(t, ticket.StatusClosed, k.get(tk).Status)
		})
	}
}

func TestTheFirstStatusHasATimerToo(t *testing.T) {
	k := newKit(t, func(c *ticket.Config) { c.Workflows = []*ticket.Workflow{reminding(nil).MustCompile(nil)} })
	tk := k.open(ada, ticket.Draft{})
	at := k.get(tk).Timer.At
	require.Equal(t, at.Truncate(time.Microsecond), at)
	k.clock.Advance(2 * time.Hour)
	n, err := k.desk.FireTimers(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Equal(t, ticket.Status("out"), k.get(tk).Status)
}

func TestADeskLeavesTimersOfOtherWorkflowsAlone(t *testing.T) {
	k := newKit(t)
	tk := k.open(lin, ticket.Draft{Requester: ada.Person, Solution: "s"})
	other := newKitOn(t, k.store, func(c *ticket.Config) {
		c.Workflows, c.Now = []*ticket.Workflow{returns()}, k.clock.Now
	})
	k.clock.Advance(confirmWindow)
	n, err := other.desk.FireTimers(t.Context())
	require.NoError(t, err)
	require.Zero(t, n)
	v, err := other.desk.Track(t.Context(), ada, string(tk.Number))
	require.NoError(t, err, "a customer can always see the status")
	require.Equal(t, ticket.PhaseSolved, v.Phase)
	n, err = k.desk.FireTimers(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, n)
}

type hides struct {
	ticket.DefaultPolicy
	tag string
}

func (p hides) MaySee(a ticket.Actor, t ticket.Ticket) bool {
	return a.Role != ticket.RoleSystem || !t.HasTag(p.tag)
}

func TestDueTicketsThatCannotFireBlockNoOther(t *testing.T) {
	k := newKit(t, func(c *ticket.Config) { c.Policy = hides{tag: "hidden"} })
	for range 250 {
		k.open(lin, ticket.Draft{Requester: ada.Person, Solution: "s", Tags: []string{"hidden"}})
	}
	k.clock.Advance(time.Second)
	last := k.open(lin, ticket.Draft{Requester: ada.Person, Solution: "s"})
	k.clock.Advance(confirmWindow)
	n, err := k.desk.FireTimers(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Equal(t, ticket.StatusClosed, k.get(last).Status)
}
