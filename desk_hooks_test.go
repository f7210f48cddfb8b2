package ticket_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
)

// A hook is one of the functions of Config that the application gives. Each
// answers in its own way: with a value, an error or a panic.
type hookAnswer struct {
	err   error
	panic string
}

func (h *hookAnswer) give(ctx context.Context) error {
	if h.panic != "" {
		panic(h.panic)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return h.err
}

var errDirectory = errors.New("the directory is down")

func TestAnErrorOfExtraRecipientsFailsTheAction(t *testing.T) {
	type key struct{}
	var h hookAnswer
	var got any // the value in the context that the hook gets
	k := newKit(t, func(c *ticket.Config) {
		c.ExtraRecipients = func(ctx context.Context, _ ticket.Ticket, _ ticket.Kind) ([]ticket.Recipient, error) {
			got = ctx.Value(key{})
			return []ticket.Recipient{{Person: ticket.Person{Email: "team@example.org"}}}, h.give(ctx)
		}
	})
	ctx := context.WithValue(t.Context(), key{}, "the caller's")
	tk, err := k.desk.Open(ctx, ada, ticket.Draft{Subject: "s"})
	require.NoError(t, err)
	require.Equal(t, "the caller's", got)
	k.deliver()
	k.sent.RequireSent(t, ticket.KindReceived, "team@example.org")

	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	ask := ticket.Action{Name: ticket.ActionAsk, Message: "m"}
	tk = k.get(tk)
	rows := k.deliveries(ticket.DeliveryQuery{})
	for name, c := range map[string]struct {
		hookAnswer
		ctx  context.Context
		is   error
		says string
	}{
		"an error":            {hookAnswer{err: errDirectory}, t.Context(), errDirectory, "Config.ExtraRecipients: the directory is down"},
		"a panic":             {hookAnswer{panic: "oh"}, t.Context(), nil, "Config.ExtraRecipients panicked: oh"},
		"a cancelled context": {hookAnswer{}, cancelled, context.Canceled, "context canceled"},
	} {
		h = c.hookAnswer
		_, err := k.desk.Do(c.ctx, super, tk.ID, ask)
		require.ErrorContains(t, err, c.says, name)
		if c.is != nil {
			require.ErrorIs(t, err, c.is, name)
		}
		_, err = k.desk.Open(c.ctx, ada, ticket.Draft{Subject: "s"})
		require.ErrorContains(t, err, c.says, name)
	}
	h = hookAnswer{}
	require.Equal(t, tk, k.get(tk), "nothing happened")
	require.Equal(t, rows, k.deliveries(ticket.DeliveryQuery{}))
	k.do(super, tk, ask)
}

// A timer has no caller that could get the error: the ticket stays due, and the
// timer fires once the hook works again.
func TestATimerIsTriedAgainAfterAnErrorOfExtraRecipients(t *testing.T) {
	h := &hookAnswer{}
	k := newKit(t, func(c *ticket.Config) {
		c.ExtraRecipients = func(ctx context.Context, _ ticket.Ticket, _ ticket.Kind) ([]ticket.Recipient, error) {
			return nil, h.give(ctx)
		}
	})
	tk := k.open(ada, ticket.Draft{})
	k.do(super, tk, ticket.Action{Name: ticket.ActionResolve, Message: "m"})
	k.clock.Advance(confirmWindow)
	h.err = errDirectory
	_, err := k.desk.FireTimers(t.Context())
	require.ErrorIs(t, err, errDirectory)
	require.Equal(t, ticket.StatusResolved, k.get(tk).Status)
	h.err = nil
	_, err = k.desk.FireTimers(t.Context())
	require.NoError(t, err)
	require.Equal(t, ticket.StatusClosed, k.get(tk).Status)
}

func TestAnErrorOfDeriveDraftFailsTheAction(t *testing.T) {
	type key struct{}
	var h hookAnswer
	var got any // the value in the context that the hook gets
	k := newKit(t, func(c *ticket.Config) {
		c.DeriveDraft = func(ctx context.Context, _ ticket.Ticket, d ticket.Draft) (ticket.Draft, error) {
			got = ctx.Value(key{})
			d.Queue = "derived"
			return d, h.give(ctx)
		}
	})
	tk := k.open(ada, ticket.Draft{})
	part := ticket.Action{Name: ticket.ActionSplit, Draft: &ticket.Draft{Subject: "a part"}}
	ctx := context.WithValue(t.Context(), key{}, "the caller's")
	made, err := k.desk.Do(ctx, super, tk.ID, part)
	require.NoError(t, err)
	require.Equal(t, "derived", made.Queue)
	require.Equal(t, "the caller's", got)
	require.NoError(t, k.desk.Explain(ctx, super, k.get(tk), part))
	require.Equal(t, "the caller's", got)

	over := k.over(ticket.Draft{})
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]struct {
		hookAnswer
		ctx  context.Context
		is   error
		says string
	}{
		"an error":            {hookAnswer{err: errDirectory}, t.Context(), errDirectory, "Config.DeriveDraft: the directory is down"},
		"a panic":             {hookAnswer{panic: "oh"}, t.Context(), nil, "Config.DeriveDraft panicked: oh"},
		"a cancelled context": {hookAnswer{}, cancelled, context.Canceled, "context canceled"},
	} {
		h = c.hookAnswer
		before, ended := k.get(tk), k.get(over)
		_, split := k.desk.Do(c.ctx, super, tk.ID, part)
		_, followUp := k.desk.Do(c.ctx, ada, over.ID, late)
		for _, err := range []error{split, followUp, k.desk.Explain(c.ctx, super, before, part)} {
			require.ErrorContains(t, err, c.says, name)
			if c.is != nil {
				require.ErrorIs(t, err, c.is, name)
			}
		}
		require.Equal(t, before, k.get(tk), name)
		require.Equal(t, ended, k.get(over), name)
	}
}

func TestAnErrorOfExpectedIsAFailedAttempt(t *testing.T) {
	var h hookAnswer
	var deadline bool
	k := newKit(t, func(c *ticket.Config) {
		c.Expected = func(ctx context.Context, tk ticket.Ticket) (time.Time, error) {
			_, deadline = ctx.Deadline()
			return tk.Created.Add(time.Hour), h.give(ctx)
		}
	})
	row := func() ticket.Delivery {
		for _, d := range k.deliveries(ticket.DeliveryQuery{}) {
			if d.Kind == ticket.KindReceived {
				return d
			}
		}
		t.Fatal("there is no confirmation")
		return ticket.Delivery{}
	}
	tk := k.open(ada, ticket.Draft{})
	failures := 0
	for _, c := range []struct {
		hookAnswer
		says string
	}{
		{hookAnswer{err: errDirectory}, "Config.Expected: the directory is down"},
		{hookAnswer{panic: "oh"}, "Config.Expected panicked: oh"},
		{hookAnswer{err: context.DeadlineExceeded}, "Config.Expected: context deadline exceeded"},
	} {
		h = c.hookAnswer
		k.deliver()
		failures++
		d := row()
		require.Equal(t, ticket.DeliveryPending, d.State)
		require.Equal(t, failures, d.Failures)
		require.Equal(t, c.says, d.LastError)
		require.True(t, deadline, "the context is the attempt's")
		k.sent.RequireNotSent(t, ticket.KindReceived, "ada@example.org")
		k.clock.Advance(24 * time.Hour)
	}
	h = hookAnswer{}
	k.deliver()
	n := k.sent.RequireSent(t, ticket.KindReceived, "ada@example.org")
	require.True(t, n.Expected.Equal(tk.Created.Add(time.Hour)))
	require.Equal(t, ticket.DeliverySent, row().State)

	k.open(bob, ticket.Draft{})
	h.err = &ticket.DeliveryFault{Err: errDirectory, Permanent: true}
	k.deliver()
	require.Contains(t, states(k.deliveries(ticket.DeliveryQuery{})), ticket.DeliveryDead)
}

func states(rows []ticket.Delivery) (list []ticket.DeliveryState) {
	for _, d := range rows {
		list = append(list, d.State)
	}
	return list
}

// A relay that is stopped cancels the attempt. That is no failure.
func TestStoppingWhileExpectedIsAskedCountsNoFailure(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	k := newKit(t, func(c *ticket.Config) {
		c.Expected = func(ctx context.Context, _ ticket.Ticket) (time.Time, error) {
			cancel()
			<-ctx.Done()
			return time.Time{}, ctx.Err()
		}
	})
	k.open(ada, ticket.Draft{})
	_, _ = k.desk.Deliver(ctx)
	for _, d := range k.deliveries(ticket.DeliveryQuery{}) {
		require.Zero(t, d.Failures)
		require.NotEqual(t, ticket.DeliveryDead, d.State)
	}
	k.sent.RequireNotSent(t, ticket.KindReceived, "ada@example.org")
}
