package ticket_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/memstore"
	"github.com/ticketkit/ticket/tickettest"
)

func TestNothingIsLostUnderConcurrency(t *testing.T) {
	k := newKit(t, func(c *ticket.Config) { c.Attempts = 10_000 })
	tk := k.open(ada, ticket.Draft{})
	const workers, each = 16, 25
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				_, err := k.desk.Do(t.Context(), lin, tk.ID, ticket.Action{Name: ticket.ActionNote, Note: ticket.Note(fmt.Sprintf("%d/%d", w, i))})
				if err != nil {
					t.Errorf("%v", err)
					return
				}
			}
		})
	}
	wg.Wait()
	tk = k.get(tk)
	require.EqualValues(t, 1+workers*each, tk.Version)
	notes := map[ticket.Note]bool{}
	for _, e := range k.events(lin, tk) {
		notes[e.Note] = true
	}
	require.Len(t, notes, 1+workers*each) // the opening has none
	require.NoError(t, k.desk.Verify(t.Context(), lin, tk.ID))
}

// conflicting is a store on which somebody else is always faster.
type conflicting struct {
	ticket.Store
	commits int
}

func (s *conflicting) Commit(ctx context.Context, c ticket.Commit) error {
	s.commits++
	if c.Changes[0].Expect > 0 {
		return &ticket.ConflictError{Ticket: c.Changes[0].Ticket.ID, Expected: c.Changes[0].Expect, Actual: -1}
	}
	return s.Store.Commit(ctx, c)
}

func TestConflictsAreRetriedUpToABound(t *testing.T) {
	s := &conflicting{Store: memstore.New()}
	k := newKitOn(t, s, func(c *ticket.Config) { c.Attempts = 5 })
	tk := k.open(ada, ticket.Draft{})
	s.commits = 0
	k.refused(lin, tk, ticket.Action{Name: ticket.ActionTake}, ticket.ErrConflict)
	require.Equal(t, 5, s.commits)

	// Your application has to retry its own transaction, so it gets the conflict at once.
	s.commits = 0
	_, err := k.desk.WithStore(s).Do(t.Context(), lin, tk.ID, ticket.Action{Name: ticket.ActionTake})
	require.ErrorIs(t, err, ticket.ErrConflict)
	require.Equal(t, 1, s.commits)
	require.ErrorIs(t, k.desk.WithStore(s).Run(t.Context()), ticket.ErrInvalid)

	// A context that ends while waiting ends the call.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = k.desk.Do(ctx, lin, tk.ID, ticket.Action{Name: ticket.ActionTake})
	require.ErrorIs(t, err, context.Canceled)
}

// No call reaches data of another tenant, and such data looks as if it did not
// exist.
func TestTenants(t *testing.T) {
	k := newKit(t)
	mine := k.open(ada.InTenant("a"), ticket.Draft{Subject: "mine"})
	theirs := k.open(ada.InTenant("b"), ticket.Draft{Subject: "theirs"})
	unknown := ticket.Ticket{ID: ticket.NewID(tickettest.Start), Number: ticket.NumberOf(999)}

	for _, tenant := range []string{"b", ""} {
		for _, a := range []ticket.Actor{ada.InTenant(tenant), super.InTenant(tenant), cron.InTenant(tenant)} {
			for _, tk := range []ticket.Ticket{mine, unknown} {
				messages := map[string]bool{}
				calls := map[string]func() error{
					"Do": func() error {
						_, err := k.desk.Do(t.Context(), a, tk.ID, ticket.Action{Name: ticket.ActionReply, Message: "m"})
						return err
					},
					"Get":     func() error { _, err := k.desk.Get(t.Context(), a, tk.ID); return err },
					"Find":    func() error { _, err := k.desk.Find(t.Context(), a, string(tk.Number)); return err },
					"Find ID": func() error { _, err := k.desk.Find(t.Context(), a, tk.ID.String()); return err },
					"Track":   func() error { _, err := k.desk.Track(t.Context(), a, string(tk.Number)); return err },
					"History": func() (err error) {
						for _, e := range k.desk.History(t.Context(), a, tk.ID) {
							err = e
						}
						return err
					},
					"Verify":    func() error { return k.desk.Verify(t.Context(), a, tk.ID) },
					"AsOf":      func() error { _, err := k.desk.AsOf(t.Context(), a, tk.ID, tickettest.Start); return err },
					"AtVersion": func() error { _, err := k.desk.AtVersion(t.Context(), a, tk.ID, 1); return err },
					"Explain": func() error {
						return k.desk.Explain(t.Context(), a, func() ticket.Ticket { m := mine; m.ID = tk.ID; return m }(), ticket.Action{Name: ticket.ActionReply, Message: "m"})
					},
				}
				for name, call := range calls {
					err := call()
					require.ErrorIs(t, err, ticket.ErrNotFound, name)
					text := strings.ReplaceAll(strings.ReplaceAll(err.Error(), tk.ID.String(), "X"), string(tk.Number), "X")
					messages[text] = true
				}
				require.Len(t, messages, 1, "a foreign ticket reads like an unknown one: %v", messages)
			}
			for tk, err := range k.desk.Tickets(t.Context(), a, ticket.Query{Tenant: "a"}) {
				require.NoError(t, err)
				require.Equal(t, tenant, tk.Tenant)
			}
			for _, c := range k.desk.Actions(a, mine) {
				require.False(t, c.Allowed)
			}
		}
	}
	for _, act := range []ticket.Action{
		{Name: ticket.ActionMerge, Ticket: mine.ID}, {Name: ticket.ActionLink, Relation: ticket.RelationRelatedTo, Ticket: mine.ID},
	} {
		k.refused(super.InTenant("b"), theirs, act, ticket.ErrNotFound)
	}
	require.EqualValues(t, 1, k.get(mine).Version)
}

func TestPolicy(t *testing.T) {
	k := newKit(t)
	tk := k.open(ada, ticket.Draft{Queue: "hr"})
	hardware := ticket.Agent("h", 1, 2, 3).Serving("hardware")
	_, err := k.desk.Get(t.Context(), hardware, tk.ID)
	require.ErrorIs(t, err, ticket.ErrNotFound, "agents see the queues they serve")
	k.do(super, tk, ticket.Action{Name: ticket.ActionAssign, Assignee: "h"})
	_, err = k.desk.Get(t.Context(), hardware, tk.ID)
	require.NoError(t, err, "and what is assigned to them")
	_, err = k.desk.Get(t.Context(), bob, tk.ID)
	require.ErrorIs(t, err, ticket.ErrNotFound)

	strict := newKitOn(t, k.store, func(c *ticket.Config) { c.Policy = noCancel{} })
	err = strict.refusal(super, tk, ticket.Action{Name: ticket.ActionCancel, Reason: "r"}, ticket.ErrRefused)
	require.ErrorIs(t, err, errNoCancel)
	for _, c := range strict.desk.Actions(super, k.get(tk)) {
		require.False(t, c.Allowed && c.Action == ticket.ActionCancel)
	}
	_, err = strict.desk.Open(t.Context(), bob, ticket.Draft{Subject: "x"})
	require.ErrorIs(t, err, ticket.ErrRefused)
}

type noCancel struct{ ticket.DefaultPolicy }

var errNoCancel = errors.New("only on Mondays")

func (noCancel) MayDo(a ticket.Actor, t ticket.Ticket, act ticket.ActionName) error {
	if act == ticket.ActionCancel || act == ticket.ActionOpen && a.Person.ID == "c2" {
		return errNoCancel
	}
	return nil
}

func TestWorkflowVersionsOnTheDesk(t *testing.T) {
	v1 := ticket.DefaultWorkflow().MustCompile(nil)
	s2 := ticket.DefaultWorkflow()
	s2.Version = 2
	s3 := ticket.DefaultWorkflow()
	s3.Version, s3.Levels, s3.LevelNames = 3, 1, nil
	s3.Transitions = slices.DeleteFunc(s3.Transitions, func(t ticket.Transition) bool { return t.Level == "up" || t.Level == "down" })
	v2, v3 := s2.MustCompile(nil), s3.MustCompile(nil)
	with := func(ws ...*ticket.Workflow) func(*ticket.Config) {
		return func(c *ticket.Config) { c.Workflows = ws }
	}
	old := newKit(t, with(v1))
	tk := old.open(ada, ticket.Draft{})
	high := old.open(ada, ticket.Draft{})
	old.do(lin, high, ticket.Action{Name: ticket.ActionEscalate, Note: "n"})

	both := newKitOn(t, old.store, with(v1, v2), func(c *ticket.Config) { c.Numbers = ticket.Numbers{}; c.NewID = ticket.NewID })
	require.Equal(t, 1, both.do(lin, tk, ticket.Action{Name: ticket.ActionTake}).WorkflowVersion, "a ticket keeps its version")
	require.Equal(t, 2, both.open(ada, ticket.Draft{}).WorkflowVersion, "a new one follows the newest")

	next := newKitOn(t, old.store, with(v2))
	moved := next.do(lin, tk, ticket.Action{Name: ticket.ActionRelease})
	require.Equal(t, 2, moved.WorkflowVersion, "it goes on under the next version that accepts it")

	last := newKitOn(t, old.store, with(v3))
	last.do(lin, tk, ticket.Action{Name: ticket.ActionTake})
	last.refused(super, high, ticket.Action{Name: ticket.ActionTake}, ticket.ErrWorkflow) // there is no level 2 any more
	other := newKitOn(t, old.store, with(returns()))
	other.refused(lin, tk, ticket.Action{Name: ticket.ActionTake}, ticket.ErrWorkflow)
	_, err := other.desk.Open(t.Context(), ada, ticket.Draft{Subject: "x", Workflow: "support"})
	require.ErrorIs(t, err, ticket.ErrWorkflow)
}

func returns() *ticket.Workflow {
	return ticket.WorkflowSpec{
		Name: "returns", Version: 1, Levels: 1, Initial: "in",
		Statuses:    []ticket.StatusSpec{{Name: "in", Phase: ticket.PhaseReceived}, {Name: "out", Phase: ticket.PhaseClosed, Final: true}},
		Transitions: []ticket.Transition{{Action: "end", From: []ticket.Status{"in"}, To: "out"}},
	}.MustCompile(nil)
}

func TestNewDeskRefuses(t *testing.T) {
	w := ticket.DefaultWorkflow().MustCompile(nil)
	for name, cfg := range map[string]ticket.Config{
		"nil workflow": {Workflows: []*ticket.Workflow{nil}}, "twice": {Workflows: []*ticket.Workflow{w, w}},
		"limits": {Limits: ticket.Limits{Subject: -1}}, "size": {Limits: ticket.Limits{AttachmentSize: -1}},
		"attempts": {Attempts: -1}, "relay": {Relay: ticket.Relay{Lease: -1}},
	} {
		_, err := ticket.NewDesk(memstore.New(), cfg)
		require.ErrorIs(t, err, ticket.ErrInvalid, name)
	}
	_, err := ticket.NewDesk(nil, ticket.Config{})
	require.ErrorIs(t, err, ticket.ErrInvalid)
	d, err := ticket.NewDesk(memstore.New(), ticket.Config{})
	require.NoError(t, err)
	_, err = d.Open(t.Context(), ada, ticket.Draft{Subject: "the zero Config works"})
	require.NoError(t, err)
}

func TestCancelledContexts(t *testing.T) {
	k := newKit(t)
	tk := k.open(ada, ticket.Draft{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := k.desk.Open(ctx, ada, ticket.Draft{Subject: "s"})
	require.ErrorIs(t, err, context.Canceled)
	_, err = k.desk.Do(ctx, lin, tk.ID, ticket.Action{Name: ticket.ActionTake})
	require.ErrorIs(t, err, context.Canceled)
	_, err = k.desk.Track(ctx, ada, string(tk.Number))
	require.ErrorIs(t, err, context.Canceled)
	for _, err := range k.desk.Tickets(ctx, lin, ticket.Query{}) {
		require.ErrorIs(t, err, context.Canceled)
	}
	_, err = k.desk.Deliver(ctx)
	require.ErrorIs(t, err, context.Canceled)
	require.EqualValues(t, 1, k.get(tk).Version)
	// A decision works after a cancelled one: the machine is not stuck.
	k.do(lin, tk, ticket.Action{Name: ticket.ActionTake})
}

// slowStore takes a moment to commit, so that callers meet, and counts conflicts.
type slowStore struct {
	ticket.Store
	mu        sync.Mutex
	conflicts int
}

func (s *slowStore) Commit(ctx context.Context, c ticket.Commit) error {
	time.Sleep(time.Millisecond)
	err := s.Store.Commit(ctx, c)
	if errors.Is(err, ticket.ErrConflict) {
		s.mu.Lock()
		s.conflicts++
		s.mu.Unlock()
	}
	return err
}

// eager is a policy that acts on the very ticket it is asked about.
type eager struct {
	ticket.DefaultPolicy
	act func()
}

func (p *eager) MayDo(a ticket.Actor, t ticket.Ticket, n ticket.ActionName) error {
	if n == ticket.ActionTake {
		p.act()
	}
	return p.DefaultPolicy.MayDo(a, t, n)
}

// Callers on one ticket take turns: none has more conflicts than there were callers
// before the queue existed.
func TestCallersOnOneTicketTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slowStore{Store: memstore.New()}
		desk, err := ticket.NewDesk(s, ticket.Config{})
		require.NoError(t, err)
		lin := ticket.Agent("lin", 1)
		tk, err := desk.Open(t.Context(), lin, ticket.Draft{Subject: "All want it", Requester: ticket.Person{ID: "ada"}})
		require.NoError(t, err)
		begin := time.Now()
		const callers = 64
		var all sync.WaitGroup
		for i := range callers {
			all.Go(func() {
				for n := range 3 {
					_, err := desk.Do(t.Context(), lin, tk.ID, ticket.Action{Name: ticket.ActionNote, Note: ticket.Note(fmt.Sprint(i, n))})
					assert.NoError(t, err)
				}
			})
		}
		all.Wait()
		// One commit takes 1 ms. All begin at once, so at first all but one have a
		// conflict. From then on they take turns.
		assert.Less(t, s.conflicts, 2*callers)
		assert.Less(t, time.Since(begin), 3*callers*2*time.Millisecond)
		require.NoError(t, desk.Verify(t.Context(), lin, tk.ID))
	})
}

// A policy that acts on the ticket of the action it was asked about waits for
// that action, but not for ever. A caller that gives up leaves the line to the
// others.
func TestAPolicyMayActOnItsOwnTicket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slowStore{Store: memstore.New()}
		lin := ticket.Agent("lin", 1)
		p := &eager{act: func() {}}
		desk, err := ticket.NewDesk(s, ticket.Config{Policy: p})
		require.NoError(t, err)
		tk, err := desk.Open(t.Context(), lin, ticket.Draft{Subject: "All want it", Requester: ticket.Person{ID: "ada"}})
		require.NoError(t, err)
		asked := 0
		p.act = func() {
			if asked++; asked > 2 {
				return
			}
			// The first time there is no line yet, and this write makes the outer
			// action conflict. The second time the outer action is the first in
			// the line.
			_, err := desk.Do(t.Context(), lin, tk.ID, ticket.Action{Name: ticket.ActionNote, Note: "me too"})
			assert.NoError(t, err)
		}
		begin := time.Now()
		_, err = desk.Do(t.Context(), lin, tk.ID, ticket.Action{Name: ticket.ActionTake})
		require.NoError(t, err)
		require.Equal(t, 3, asked)
		require.Less(t, time.Since(begin), 2*time.Second)

		asked = 1
		p.act = func() {
			if asked++; asked > 3 {
				return
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
			defer cancel()
			_, err := desk.Do(ctx, lin, tk.ID, ticket.Action{Name: ticket.ActionNote, Note: "me too"})
			if asked == 3 {
				assert.ErrorIs(t, err, context.DeadlineExceeded, "it waits for its turn no longer than its context")
			}
		}
		_, err = desk.Do(t.Context(), lin, tk.ID, ticket.Action{Name: ticket.ActionTake})
		require.NoError(t, err)
		require.NoError(t, desk.Verify(t.Context(), lin, tk.ID))
	})
}

// A silent copy of a desk notifies nobody, and the desk itself goes on notifying.
func TestSilentlyNotifiesNobody(t *testing.T) {
	k := newKit(t)
	silent := k.desk.Silently()
	tk, err := silent.Open(t.Context(), ada, ticket.Draft{Subject: "s", Message: "m"})
	require.NoError(t, err)
	_, err = silent.Do(t.Context(), lin, tk.ID, ticket.Action{Name: ticket.ActionReply, Message: "m"})
	require.NoError(t, err)
	page, err := k.desk.Deliveries(t.Context(), cron, ticket.DeliveryQuery{})
	require.NoError(t, err)
	require.Empty(t, page.Deliveries)
	k.do(lin, tk, ticket.Action{Name: ticket.ActionReply, Message: "again"})
	page, err = k.desk.Deliveries(t.Context(), cron, ticket.DeliveryQuery{})
	require.NoError(t, err)
	require.NotEmpty(t, page.Deliveries)
}
