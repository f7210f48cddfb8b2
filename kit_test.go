package ticket_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/memstore"
	"github.com/ticketkit/ticket/tickettest"
)

var (
	ada      = ticket.Requester(ticket.Person{ID: "c1", Name: "Ada Byron", Email: "ada@example.org"})
	bob      = ticket.Requester(ticket.Person{ID: "c2", Name: "Bob", Email: "bob@example.org"})
	lin      = ticket.Agent("lin", 1).Named("Lin")
	agentMax = ticket.Agent("max", 2, 3).Named("Max")
	super    = ticket.Agent("super", 1, 2, 3)
	cron     = ticket.System("cron")
)

// The times of the default workflow.
const (
	reopenWindow  = 14 * 24 * time.Hour
	confirmWindow = 7 * 24 * time.Hour
)

// kit is a desk with a still clock and a recorder.
type kit struct {
	*testing.T
	desk  *ticket.Desk
	store ticket.Store
	clock *tickettest.Clock
	sent  *tickettest.Recorder
}

func (k *kit) open(a ticket.Actor, d ticket.Draft) ticket.Ticket {
	k.Helper()
	if d.Subject == "" {
		d.Subject = "Printer prints blank pages"
	}
	t, err := k.desk.Open(k.Context(), a, d)
	require.NoError(k, err)
	return t
}

// do performs an action and verifies the ticket against its history.
func (k *kit) do(a ticket.Actor, t ticket.Ticket, act ticket.Action) ticket.Ticket {
	k.Helper()
	k.clock.Advance(time.Minute)
	after, err := k.desk.Do(k.Context(), a, t.ID, act)
	require.NoError(k, err)
	require.NoError(k, k.desk.Verify(k.Context(), cron.InTenant(a.Tenant), after.ID))
	return after
}

func (k *kit) refused(a ticket.Actor, t ticket.Ticket, act ticket.Action, category error) {
	k.Helper()
	_ = k.refusal(a, t, act, category)
}

// refusal is like refused, and returns the error.
func (k *kit) refusal(a ticket.Actor, t ticket.Ticket, act ticket.Action, category error) error {
	k.Helper()
	_, err := k.desk.Do(k.Context(), a, t.ID, act)
	require.ErrorIs(k, err, category)
	return err
}

func (k *kit) get(t ticket.Ticket) ticket.Ticket {
	k.Helper()
	got, err := k.desk.Get(k.Context(), cron.InTenant(t.Tenant), t.ID)
	require.NoError(k, err)
	return got
}

func (k *kit) events(a ticket.Actor, t ticket.Ticket) (all []ticket.Event) {
	k.Helper()
	for e, err := range k.desk.History(k.Context(), a, t.ID) {
		require.NoError(k, err)
		all = append(all, e)
	}
	return all
}

func (k *kit) deliver() {
	k.Helper()
	_, err := k.desk.Deliver(k.Context())
	require.NoError(k, err)
}

func newKit(t *testing.T, change ...func(*ticket.Config)) *kit {
	t.Helper()
	return newKitOn(t, memstore.New(), change...)
}

func newKitOn(t *testing.T, store ticket.Store, change ...func(*ticket.Config)) *kit {
	t.Helper()
	k := &kit{T: t, store: store, clock: tickettest.NewClock(), sent: tickettest.NewRecorder()}
	cfg := tickettest.Config(k.clock, k.sent)
	for _, c := range change {
		c(&cfg)
	}
	var err error
	k.desk, err = ticket.NewDesk(store, cfg)
	require.NoError(t, err)
	return k
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	require.NoError(t, err)
	return string(b)
}

func inOrg(id, org string) ticket.Actor {
	return ticket.Requester(ticket.Person{ID: id, Email: id + "@example.org", Organisation: org})
}

func (k *kit) cannotSee(a ticket.Actor, t ticket.Ticket) {
	k.Helper()
	_, err := k.desk.Track(k.Context(), a, t.ID.String())
	require.ErrorIs(k, err, ticket.ErrNotFound)
}

func (k *kit) canSee(a ticket.Actor, t ticket.Ticket) {
	k.Helper()
	_, err := k.desk.Track(k.Context(), a, t.ID.String())
	require.NoError(k, err)
}

// meanwhile is a store that runs a function once before one of its calls, as if
// another caller acted then.
type meanwhile struct {
	ticket.Store
	at   int // the call of Ticket or Commit before which do runs
	do   func()
	busy bool
}

func (s *meanwhile) step() {
	if s.do == nil || s.busy {
		return
	}
	if s.at--; s.at == 0 {
		s.busy = true
		s.do()
		s.do, s.busy = nil, false
	}
}

func (s *meanwhile) Ticket(ctx context.Context, tenant string, id ticket.ID) (ticket.Ticket, error) {
	s.step()
	return s.Store.Ticket(ctx, tenant, id)
}

func (s *meanwhile) Commit(ctx context.Context, c ticket.Commit) error {
	s.step()
	return s.Store.Commit(ctx, c)
}
