package tickettest_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/memstore"
	"github.com/ticketkit/ticket/tickettest"
)

// A test of an application that uses a desk.
func Example() {
	ctx := context.Background()
	clock, sent := tickettest.NewClock(), tickettest.NewRecorder()
	desk, err := ticket.NewDesk(memstore.New(), tickettest.Config(clock, sent, "mail"))
	if err != nil {
		log.Fatal(err)
	}
	t, err := desk.Open(ctx, ticket.Requester(ticket.Person{Email: "ada@example.org"}), ticket.Draft{Subject: "No light"})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := desk.Deliver(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println(t.Number, t.Created.Format(time.RFC3339))
	for _, n := range sent.Sent() {
		fmt.Println(n.Kind)
	}
	// In a test: sent.RequireSent(t, ticket.KindReceived, "ada@example.org")

	// Unordered output:
	// 0000-0001-H 2026-01-05T09:00:00Z
	// received
	// queued
}

// A recorder gets the deliveries for every notifier name that it was registered
// under.
func TestConfigRegistersTheNotifierUnderItsNames(t *testing.T) {
	for name, c := range map[string]struct {
		names []string
		want  []string
	}{
		"no name":   {nil, []string{""}},
		"one name":  {[]string{"mail"}, []string{"mail"}},
		"two names": {[]string{"mail", "chat"}, []string{"chat", "mail"}},
	} {
		t.Run(name, func(t *testing.T) {
			clock, sent := tickettest.NewClock(), tickettest.NewRecorder()
			desk, err := ticket.NewDesk(memstore.New(), tickettest.Config(clock, sent, c.names...))
			require.NoError(t, err)
			_, err = desk.Open(t.Context(), ticket.Requester(ticket.Person{Email: "ada@example.org"}), ticket.Draft{Subject: "No light"})
			require.NoError(t, err)
			_, err = desk.Deliver(t.Context())
			require.NoError(t, err)
			sent.RequireSent(t, ticket.KindReceived, "ada@example.org")
			page, err := desk.Deliveries(t.Context(), ticket.System("test"), ticket.DeliveryQuery{Kind: []ticket.Kind{ticket.KindReceived}})
			require.NoError(t, err)
			var names []string
			for _, d := range page.Deliveries {
				require.Equal(t, ticket.DeliverySent, d.State)
				names = append(names, d.Notifier)
			}
			slices.Sort(names)
			require.Equal(t, c.want, names)
		})
	}
	require.Nil(t, tickettest.Config(tickettest.NewClock(), nil, "mail").Notifiers)
}

func TestClock(t *testing.T) {
	c := tickettest.NewClock()
	require.Equal(t, tickettest.Start, c.Now())
	require.Equal(t, tickettest.Start.Add(time.Hour), c.Advance(time.Hour))
	c.Set(tickettest.Start.Add(-time.Hour))
	require.Equal(t, tickettest.Start.Add(-time.Hour), c.Now())
}

func TestIDsAndNumbersComeInOrder(t *testing.T) {
	ids, numbers := tickettest.NewIDs(), tickettest.NewNumbers()
	a, b := ids(tickettest.Start), ids(tickettest.Start)
	require.Negative(t, a.Compare(b))
	require.Equal(t, tickettest.Start, a.Time())
	for want := range uint64(2) {
		n, err := numbers(t.Context(), "")
		require.NoError(t, err)
		require.Equal(t, ticket.NumberOf(want+1), n)
	}
}

// halting stands in for a test that RequireSent ends.
type halting struct {
	testing.TB
	said string
}

type halt struct{}

func (h *halting) Helper() {}

func (h *halting) Fatalf(format string, args ...any) {
	h.said = fmt.Sprintf(format, args...)
	panic(halt{})
}

func said(f func(testing.TB)) (text string) {
	h := &halting{}
	defer func() {
		if p := recover(); p != nil && p != (halt{}) {
			panic(p)
		}
		text = h.said
	}()
	f(h)
	return h.said
}

func TestRecorder(t *testing.T) {
	r := tickettest.NewRecorder()
	ctx := t.Context()
	missing := func(to string) string {
		return said(func(tb testing.TB) { tb.Helper(); r.RequireSent(tb, ticket.KindReceived, to) })
	}
	require.Contains(t, missing("ada@example.org"), "sent were: none")
	send := func(to ticket.Recipient) error {
		return r.Notify(ctx, ticket.Notification{Kind: ticket.KindReceived, To: to})
	}
	require.NoError(t, send(ticket.Recipient{Role: ticket.RoleRequester, Person: ticket.Person{ID: "c1", Email: "ada@example.org"}}))
	require.NoError(t, send(ticket.Recipient{Role: ticket.RoleAgent, Person: ticket.Person{ID: "lin"}}))
	require.NoError(t, send(ticket.Recipient{Role: ticket.RoleAgent, Queue: "hr"}))
	for _, to := range []string{"ada@example.org", "c1", "lin", "queue:hr"} {
		require.Empty(t, missing(to))
		require.NotEmpty(t, said(func(tb testing.TB) { tb.Helper(); r.RequireNotSent(tb, ticket.KindReceived, to) }))
		r.RequireNotSent(t, ticket.KindSolved, to)
	}
	for _, to := range []string{"", "queue:", "eve", "queue:lin"} {
		text := missing(to)
		require.True(t, strings.HasSuffix(text, "received to ada@example.org; received to lin; received to queue:hr"), text)
		r.RequireNotSent(t, ticket.KindReceived, to)
	}
	no := errors.New("no")
	r.FailWith(func(ticket.Notification) error { return no })
	require.ErrorIs(t, send(ticket.Recipient{}), no)
	require.Len(t, r.Sent(), 3)
	r.Reset()
	require.Empty(t, r.Sent())
}
