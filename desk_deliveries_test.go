package ticket_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/memstore"
	"github.com/ticketkit/ticket/tickettest"
)

func TestTheHistoryReportsEachDelivery(t *testing.T) {
	k := newKit(t, func(c *ticket.Config) { c.Relay.MaxAttempts = 2 })
	tk := k.open(ada, ticket.Draft{Followers: []ticket.Person{bob.Person}})
	k.deliver()
	k.sent.FailWith(func(n ticket.Notification) error {
		if n.To.Person.ID == "c1" {
			return errors.New("mailbox full")
		}
		return nil
	})
	k.do(lin, tk, ticket.Action{Name: ticket.ActionReply, Message: "one"})
	k.do(lin, tk, ticket.Action{Name: ticket.ActionNote, Note: "n"})
	k.do(lin, tk, ticket.Action{Name: ticket.ActionReply, Message: "two"})
	k.deliver()
	reports := func() (all [][]string) {
		for e, err := range k.desk.Entries(t.Context(), lin, tk.ID) {
			require.NoError(t, err)
			var told []string
			for _, d := range e.Deliveries {
				require.Equal(t, e.Event.Seq, d.Seq)
				told = append(told, d.To.Person.ID+" "+d.Report(time.FixedZone("", 3600)))
			}
			slices.Sort(told)
			all = append(all, told)
		}
		return all
	}
	got := reports()
	require.Equal(t, []string{" sent 2026-01-05 10:00", "c1 sent 2026-01-05 10:00", "c2 sent 2026-01-05 10:00"}, got[0])
	require.Regexp(t, `^c1 failed, attempt 2 not before 2026-01-05 10:03: mailbox full$`, got[1][0])
	require.Equal(t, "c2 sent 2026-01-05 10:03", got[1][1])
	require.Empty(t, got[2], "a note notifies nobody")
	require.Equal(t, "c1 waits to be sent", got[3][0])
	k.clock.Advance(time.Hour)
	k.deliver()
	k.clock.Advance(time.Hour)
	k.sent.FailWith(nil)
	k.deliver()
	got = reports()
	require.Equal(t, "c1 given up 2026-01-05 11:03: mailbox full", got[1][0])
	require.Equal(t, "c1 sent 2026-01-05 12:03", got[3][0])

	for _, err := range k.desk.Entries(t.Context(), ada, tk.ID) {
		require.ErrorIs(t, err, ticket.ErrRefused)
	}
	for _, err := range k.desk.Entries(t.Context(), lin.InTenant("acme"), tk.ID) {
		require.ErrorIs(t, err, ticket.ErrNotFound)
	}
}

func TestDeliveriesNeedAVisibleTicket(t *testing.T) {
	k := newKit(t)
	k.open(ada, ticket.Draft{Queue: "hardware"})
	k.open(ada, ticket.Draft{Queue: "network"})
	page, err := k.desk.Deliveries(t.Context(), lin.Serving("hardware"), ticket.DeliveryQuery{})
	require.NoError(t, err)
	require.Len(t, page.Deliveries, 2)
	n, err := k.desk.Redrive(t.Context(), lin.Serving("hardware"), ticket.DeliveryQuery{})
	require.NoError(t, err)
	require.Zero(t, n)
	require.Empty(t, mustPage(k.desk.Deliveries(t.Context(), lin.InTenant("acme"), ticket.DeliveryQuery{})).Deliveries)
	require.Empty(t, mustPage(k.desk.Deliveries(t.Context(), lin.InTenant("acme"), ticket.DeliveryQuery{Tenant: ""})).Deliveries, "the tenant is the actor's")
	for name, q := range map[string]ticket.DeliveryQuery{
		"limit":     {Limit: 1001},
		"state":     {State: []ticket.DeliveryState{"lost"}},
		"notifiers": {Notifiers: []string{"a\nb"}},
		"to":        {To: ticket.Recipient{Person: ticket.Person{Email: "no address"}}},
		"ids":       {IDs: make([]ticket.ID, 1001)},
	} {
		_, err := k.desk.Deliveries(t.Context(), lin, q)
		require.ErrorIs(t, err, ticket.ErrInvalid, name)
	}
	_, err = k.desk.Redrive(t.Context(), lin, ticket.DeliveryQuery{State: []ticket.DeliveryState{ticket.DeliveryClaimed}})
	require.ErrorIs(t, err, ticket.ErrInvalid)
	_, err = k.desk.Redrive(t.Context(), ada, ticket.DeliveryQuery{})
	require.ErrorIs(t, err, ticket.ErrRefused)
}

func mustPage(p ticket.DeliveryPage, err error) ticket.DeliveryPage {
	if err != nil {
		panic(err)
	}
	return p
}

// A failed delivery holds back later ones to the same recipient about the same
// ticket, and nothing else.
func TestOrderIsHeldThroughFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		fails := map[string]int{}
		got := map[string][]int64{}
		rng := rand.New(rand.NewPCG(3, 4))
		notifier := ticket.NotifierFunc(func(_ context.Context, n ticket.Notification) error {
			time.Sleep(time.Duration(rand.IntN(1000)) * time.Millisecond)
			mu.Lock()
			defer mu.Unlock()
			if n.To.Role != ticket.RoleRequester {
				return nil
			}
			if rng.IntN(2) == 0 {
				fails[string(n.Number)]++
				return errors.New("not now")
			}
			got[string(n.Number)] = append(got[string(n.Number)], n.Seq)
			return nil
		})
		store := memstore.New()
		desks := make([]*ticket.Desk, 3)
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for i := range desks {
			var err error
			desks[i], err = ticket.NewDesk(store, ticket.Config{
				Notifiers: map[string]ticket.Notifier{"": notifier}, Logger: slog.New(slog.DiscardHandler),
				SendLimits: ticket.SendLimits{PerRecipient: -1, PerTicket: -1}, Relay: ticket.Relay{MaxAttempts: 100, Batch: 4, Poll: 30 * time.Second},
			})
			require.NoError(t, err)
			wg.Go(func() { _ = desks[i].Run(ctx) })
		}
		for i := range 20 {
			tk, err := desks[i%3].Open(ctx, ticket.Requester(ticket.Person{ID: fmt.Sprint("c", i%4)}), ticket.Draft{Subject: "s"})
			require.NoError(t, err)
			for range 5 {
				_, err = desks[i%3].Do(ctx, lin, tk.ID, ticket.Action{Name: ticket.ActionReply, Message: "m"})
				require.NoError(t, err)
			}
		}
		time.Sleep(24 * time.Hour)
		stop()
		wg.Wait()
		require.Len(t, got, 20)
		require.NotEmpty(t, fails)
		for number, seqs := range got {
			require.Equal(t, []int64{1, 2, 3, 4, 5, 6}, seqs, number)
		}
	})
}

// One recipient whose server hangs holds up no other of the same notifier.
func TestASlowDeliveryHoldsUpNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sent := tickettest.NewRecorder()
		desk, err := ticket.NewDesk(memstore.New(), ticket.Config{
			Logger: slog.New(slog.DiscardHandler),
			Notifiers: map[string]ticket.Notifier{"": ticket.NotifierFunc(func(ctx context.Context, n ticket.Notification) error {
				if n.To.Person.ID == "c1" {
					<-ctx.Done() // the attempt ends, before the lease does
					return ctx.Err()
				}
				return sent.Notify(ctx, n)
			})},
		})
		require.NoError(t, err)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- desk.Run(ctx) }()
		_, err = desk.Open(ctx, ada, ticket.Draft{Subject: "s"})
		require.NoError(t, err)
		time.Sleep(time.Second)
		for i := range 100 {
			began := time.Now()
			_, err = desk.Open(ctx, bob, ticket.Draft{Subject: "s"})
			require.NoError(t, err)
			time.Sleep(10 * time.Millisecond)
			require.Len(t, sent.Sent(), 1+2*(i+1))
			require.Less(t, time.Since(began), time.Second)
		}
		stop()
		require.ErrorIs(t, <-done, context.Canceled)
	})
}

func TestShutdown(t *testing.T) {
	for name, tc := range map[string]struct {
		grace time.Duration
		sent  int
		err   error
	}{
		"time enough":  {time.Minute, 2, nil},
		"not enough":   {time.Second, 0, context.DeadlineExceeded},
		"none at all":  {0, 0, context.DeadlineExceeded},
		"just in time": {10*time.Second + time.Millisecond, 2, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sent := tickettest.NewRecorder()
				store := memstore.New()
				cfg := ticket.Config{
					Logger: slog.New(slog.DiscardHandler),
					Notifiers: map[string]ticket.Notifier{"": ticket.NotifierFunc(func(ctx context.Context, n ticket.Notification) error {
						select {
						case <-time.After(10 * time.Second):
							return sent.Notify(ctx, n)
						case <-ctx.Done():
							return ctx.Err()
						}
					})},
				}
				desk, err := ticket.NewDesk(store, cfg)
				require.NoError(t, err)
				done := make(chan error)
				go func() { done <- desk.Run(t.Context()) }()
				_, err = desk.Open(t.Context(), ada, ticket.Draft{Subject: "s"})
				require.NoError(t, err)
				synctest.Wait()
				// Deliveries after the stop are left for others.
				ctx, cancel := context.WithTimeout(t.Context(), tc.grace)
				defer cancel()
				require.ErrorIs(t, desk.Shutdown(ctx), tc.err)
				require.NoError(t, <-done)
				require.Len(t, sent.Sent(), tc.sent)
				require.NoError(t, desk.Run(t.Context()), "it has been shut down")
				require.NoError(t, desk.Shutdown(t.Context()))

				other, err := ticket.NewDesk(store, cfg)
				require.NoError(t, err)
				did, err := other.Deliver(t.Context())
				require.NoError(t, err)
				require.Equal(t, ticket.DeliveryCounts{Done: 2 - tc.sent}, did, "nothing waits for a lease to pass")
			})
		})
	}
}

func TestRetryAfter(t *testing.T) {
	k := newKit(t)
	k.sent.FailWith(func(ticket.Notification) error {
		return fmt.Errorf("http: %w", &ticket.DeliveryFault{Err: errors.New("too many"), RetryAfter: 3 * time.Hour})
	})
	tk := k.open(ada, ticket.Draft{})
	k.deliver()
	for _, d := range k.deliveries(ticket.DeliveryQuery{Ticket: tk.ID}) {
		require.Equal(t, tickettest.Start.Add(3*time.Hour), d.Due)
	}
	k.sent.FailWith(nil)
	k.clock.Advance(3*time.Hour - time.Second)
	k.deliver()
	require.Empty(t, k.sent.Sent())
	k.clock.Advance(time.Second)
	k.deliver()
	require.Len(t, k.sent.Sent(), 2)
	// A notifier cannot make a desk wait for more than a day.
	k.sent.FailWith(func(ticket.Notification) error {
		return &ticket.DeliveryFault{Err: errors.New("x"), RetryAfter: 1 << 62}
	})
	k.do(lin, tk, ticket.Action{Name: ticket.ActionReply, Message: "m"})
	k.deliver()
	require.Equal(t, k.clock.Now().Add(24*time.Hour), k.deliveries(ticket.DeliveryQuery{Ticket: tk.ID})[0].Due)
}

func TestEventNotifiers(t *testing.T) {
	people, bus := tickettest.NewRecorder(), tickettest.NewRecorder()
	k := newKit(t, func(c *ticket.Config) {
		c.Notifiers = map[string]ticket.Notifier{"mail": people, "broker": bus}
		c.EventNotifiers = []string{"broker"}
	})
	tk := k.open(ada, ticket.Draft{Attachments: []ticket.Attachment{{Name: "a", Ref: "internal"}}, Followers: []ticket.Person{bob.Person}})
	k.do(lin, tk, ticket.Action{Name: ticket.ActionTake})
	k.do(lin, tk, ticket.Action{Name: ticket.ActionNote, Note: "SECRET"})
	k.do(lin, tk, ticket.Action{Name: ticket.ActionReply, Message: "m", Note: "SECRET"})
	k.deliver()
	require.Len(t, people.Sent(), 5)
	events := bus.Sent()
	require.Len(t, events, 4, "each event once")
	for i, n := range events {
		require.Equal(t, ticket.KindEvent, n.Kind)
		require.Equal(t, ticket.RoleSystem, n.To.Role)
		require.EqualValues(t, i+1, n.Seq, "in order")
		require.EqualValues(t, i+1, n.Event.Seq)
		require.NotContains(t, asJSON(t, n), "SECRET")
		require.NotContains(t, asJSON(t, n), "internal")
		require.Zero(t, n.Event.Seals)
	}
	require.Equal(t, ticket.ActionNote, events[2].Event.Action, "the event shows that there was a note, without its text")
	require.Nil(t, people.Sent()[0].Event)

	for name, eventNames := range map[string][]string{"unknown": {"x"}, "twice": {"broker", "broker"}} {
		_, err := ticket.NewDesk(k.store, ticket.Config{Notifiers: map[string]ticket.Notifier{"broker": bus}, EventNotifiers: eventNames})
		require.ErrorIs(t, err, ticket.ErrInvalid, name)
	}
	// A desk with only an event notifier keeps the notifications for people.
	only := newKitOn(t, memstore.New(), func(c *ticket.Config) {
		c.Notifiers = map[string]ticket.Notifier{"broker": bus}
		c.EventNotifiers = []string{"broker"}
	})
	only.open(ada, ticket.Draft{})
	require.Len(t, only.deliveries(ticket.DeliveryQuery{Notifiers: []string{""}}), 2)
}

type checker struct {
	ticket.Notifier
	kinds []ticket.Kind
	link  string
	err   error
}

func (c *checker) Check(kinds []ticket.Kind, statusLink string) error {
	c.kinds, c.link = kinds, statusLink
	return c.err
}

func TestNotifiersAreCheckedAtTheStart(t *testing.T) {
	mail, bus := &checker{Notifier: tickettest.NewRecorder()}, &checker{Notifier: tickettest.NewRecorder()}
	cfg := ticket.Config{Notifiers: map[string]ticket.Notifier{"mail": mail, "bus": bus}, EventNotifiers: []string{"bus"}}
	_, err := ticket.NewDesk(memstore.New(), cfg)
	require.NoError(t, err)
	require.Equal(t, []ticket.Kind{ticket.KindEvent}, bus.kinds)
	for _, kind := range ticket.Kinds(ticket.RoleCustomer | ticket.RoleAgent) {
		require.Contains(t, mail.kinds, kind)
	}
	require.Empty(t, mail.link, "there are no status links")
	withLinks(1)(&cfg)
	cfg.StatusLinks.URL = func(_, token string) string { return "https://help.example.org/" + token }
	_, err = ticket.NewDesk(memstore.New(), cfg)
	require.NoError(t, err)
	require.Contains(t, mail.link, "https://help.example.org/")
	mail.err = errors.New("no template for solved")
	_, err = ticket.NewDesk(memstore.New(), cfg)
	require.ErrorIs(t, err, ticket.ErrInvalid)
	require.ErrorIs(t, err, mail.err)
}

func TestObserve(t *testing.T) {
	var mu sync.Mutex
	seen := map[string]int{}
	k := newKit(t, func(c *ticket.Config) {
		c.Relay.Observe = func(_ context.Context, d ticket.Delivery, s ticket.Settlement) {
			mu.Lock()
			defer mu.Unlock()
			seen[fmt.Sprint(d.Kind, " ", s.State, " ", d.ID == s.ID)]++
		}
	})
	k.sent.FailWith(func(n ticket.Notification) error {
		if n.Kind == ticket.KindQueued {
			return &ticket.DeliveryFault{Err: errors.New("x"), Permanent: true}
		}
		return nil
	})
	k.open(ada, ticket.Draft{})
	k.deliver()
	require.Equal(t, map[string]int{"received sent true": 1, "queued dead true": 1}, seen)
}

func TestWakeAfterTheHostsTransaction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, sent := memstore.New(), tickettest.NewRecorder()
		desk, err := ticket.NewDesk(store, ticket.Config{Notifiers: map[string]ticket.Notifier{"": sent}, Relay: ticket.Relay{Poll: time.Hour}})
		require.NoError(t, err)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- desk.Run(ctx) }()
		synctest.Wait()
		_, err = desk.WithStore(store).Open(ctx, ada, ticket.Draft{Subject: "s"})
		require.NoError(t, err)
		synctest.Wait()
		require.Empty(t, sent.Sent(), "the desk cannot know when the application commits")
		desk.Wake()
		synctest.Wait()
		require.Len(t, sent.Sent(), 2)
		stop()
		require.ErrorIs(t, <-done, context.Canceled)
	})
}

// heard is a store that listens for commits of other processes.
type heard struct {
	ticket.Store
	calls chan func()
	fail  int
}

func (h *heard) Listen(ctx context.Context, heard func()) error {
	if h.fail--; h.fail >= 0 {
		return errDown
	}
	h.calls <- heard
	<-ctx.Done()
	return ctx.Err()
}

func TestListening(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, sent := &heard{Store: memstore.New(), calls: make(chan func(), 1), fail: 3}, tickettest.NewRecorder()
		desk, err := ticket.NewDesk(h, ticket.Config{
			Notifiers: map[string]ticket.Notifier{"": sent}, Relay: ticket.Relay{Poll: time.Hour}, Logger: slog.New(slog.DiscardHandler),
		})
		require.NoError(t, err)
		web, err := ticket.NewDesk(h.Store, ticket.Config{})
		require.NoError(t, err)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- desk.Run(ctx) }()
		call := <-h.calls // after three tries
		time.Sleep(time.Minute)
		_, err = web.Open(ctx, ada, ticket.Draft{Subject: "s"})
		require.NoError(t, err)
		synctest.Wait()
		require.Empty(t, sent.Sent())
		call()
		synctest.Wait()
		require.Len(t, sent.Sent(), 2)
		stop()
		require.ErrorIs(t, <-done, context.Canceled)
	})
}

func TestPreviousNamesTheLastSentDelivery(t *testing.T) {
	for name, store := range stores() {
		t.Run(name, func(t *testing.T) {
			k := newKitOn(t, store())
			tk := k.open(ada, ticket.Draft{Followers: []ticket.Person{bob.Person}})
			k.deliver()
			first := k.sent.RequireSent(t, ticket.KindReceived, "ada@example.org")
			require.True(t, first.Previous.IsZero())
			k.do(lin, tk, ticket.Action{Name: ticket.ActionReply, Message: "m"})
			k.deliver()
			second := k.sent.RequireSent(t, ticket.KindAnswered, "ada@example.org")
			require.Equal(t, first.ID, second.Previous)
			k.do(lin, tk, ticket.Action{Name: ticket.ActionAsk, Message: "m"})
			k.deliver()
			require.Equal(t, second.ID, k.sent.RequireSent(t, ticket.KindAsked, "ada@example.org").Previous)
		})
	}
}

func TestConfirmationContents(t *testing.T) {
	k := newKit(t, func(c *ticket.Config) {
		c.Expected = func(_ context.Context, t ticket.Ticket) (time.Time, error) { return t.Created.Add(4 * time.Hour), nil }
		c.ShowAgents = true
	})
	tk := k.open(ticket.Requester(ticket.Person{ID: "c1", Email: "ada@example.org", Name: "Ada", Zone: "Europe/Berlin", Locale: "de"}), ticket.Draft{Message: "m"})
	k.deliver()
	n := k.sent.RequireSent(t, ticket.KindReceived, "ada@example.org")
	require.True(t, n.Expected.Equal(tk.Created.Add(4*time.Hour)))
	require.Equal(t, "Europe/Berlin", n.Zone.String())
	require.Equal(t, "Ada", n.Writer)
	k.do(lin, tk, ticket.Action{Name: ticket.ActionResolve, Message: "m"})
	k.deliver()
	n = k.sent.RequireSent(t, ticket.KindSolved, "ada@example.org")
	require.Equal(t, k.clock.Now().Add(reopenWindow), n.ReopenUntil)
	require.Equal(t, "Lin", n.Writer)
	require.True(t, n.Expected.IsZero())
	for _, bad := range []string{"Local", "../../etc/passwd", "No/Where", strings.Repeat("x", 200)} {
		k.open(ticket.Requester(ticket.Person{ID: "c5", Zone: bad}), ticket.Draft{})
		k.deliver()
		require.Equal(t, time.UTC, k.sent.RequireSent(t, ticket.KindReceived, "c5").Zone, bad)
	}
}

func TestDeliveryJSON(t *testing.T) {
	d := ticket.Delivery{ID: ticket.NewID(tickettest.Start), Kind: ticket.KindSolved, State: ticket.DeliverySent, Settled: tickettest.Start, To: ticket.Recipient{Role: ticket.RoleRequester, Person: ada.Person}}
	b, err := json.Marshal(d)
	require.NoError(t, err)
	var back ticket.Delivery
	require.NoError(t, json.Unmarshal(b, &back))
	require.Equal(t, d, back)
}

// between is a store that runs a function once after the deliveries were read.
type between struct {
	ticket.Store
	happens func()
}

func (m *between) Deliveries(ctx context.Context, q ticket.DeliveryQuery) (ticket.DeliveryPage, error) {
	page, err := m.Store.Deliveries(ctx, q)
	if f := m.happens; f != nil {
		m.happens = nil
		f()
	}
	return page, err
}

func TestEntriesHaveTheirDeliveriesDespiteConcurrentChanges(t *testing.T) {
	m := &between{Store: memstore.New()}
	k := newKitOn(t, m)
	tk := k.open(ada, ticket.Draft{Message: "help"})
	k.do(lin, tk, ticket.Action{Name: ticket.ActionReply, Message: "first"})
	m.happens = func() { k.do(lin, tk, ticket.Action{Name: ticket.ActionReply, Message: "second"}) }
	n := 0
	for e, err := range k.desk.Entries(t.Context(), lin, tk.ID) {
		require.NoError(t, err)
		require.NotEmpty(t, e.Deliveries, "%s", e.Event.Message)
		n++
	}
	require.Nil(t, m.happens)
	require.Equal(t, 2, n)
}

// noRedrive is a policy that refuses to redrive deliveries of one ticket.
type noRedrive struct {
	ticket.DefaultPolicy
	id *ticket.ID
}

func (p noRedrive) MayDo(_ ticket.Actor, t ticket.Ticket, a ticket.ActionName) error {
	if a == ticket.ActionRedrive && t.ID == *p.id {
		return errors.New("no")
	}
	return nil
}

// Redrive takes the deliveries of the other tickets, and returns the refusal.
func TestRedrivePassesOverTicketsThatThePolicyRefuses(t *testing.T) {
	var id ticket.ID
	k := newKit(t, func(c *ticket.Config) { c.Policy = noRedrive{id: &id} })
	k.sent.FailWith(func(ticket.Notification) error { return &ticket.DeliveryFault{Err: errors.New("x"), Permanent: true} })
	k.open(ada, ticket.Draft{})
	id = k.open(ada, ticket.Draft{}).ID
	k.open(ada, ticket.Draft{})
	_, _ = k.desk.Deliver(t.Context())
	n, err := k.desk.Redrive(t.Context(), lin, ticket.DeliveryQuery{})
	require.ErrorIs(t, err, ticket.ErrRefused, "of the one ticket")
	require.Equal(t, 4, n)
}

func TestADeskInATransactionDeliversNothing(t *testing.T) {
	k := newKit(t)
	_, err := k.desk.WithStore(k.store).Deliver(t.Context())
	require.ErrorIs(t, err, ticket.ErrInvalid)
	_, err = ticket.NewDesk(k.store, ticket.Config{Relay: ticket.Relay{Lease: time.Millisecond}})
	require.ErrorIs(t, err, ticket.ErrInvalid)
}

// An attempt that was cut short by the end of the process has not failed, and the
// later deliveries in its line have not been tried.
func TestOnlyAttemptsThatWereMadeCount(t *testing.T) {
	k := newKit(t, func(c *ticket.Config) { c.Relay = ticket.Relay{MaxAttempts: 2} })
	tk := k.open(ada, ticket.Draft{})
	k.deliver()
	k.sent.Reset()
	for range 4 {
		k.do(lin, tk, ticket.Action{Name: ticket.ActionReply, Message: "m"})
	}
	for range 4 {
		ctx, cancel := context.WithCancel(t.Context())
		k.sent.FailWith(func(ticket.Notification) error {
			cancel()
			return errors.New("cut short")
		})
		_, err := k.desk.Deliver(ctx)
		require.ErrorIs(t, err, context.Canceled)
	}
	k.sent.FailWith(func(ticket.Notification) error { return errors.New("mailbox full") })
	for _, want := range []ticket.DeliveryCounts{{Again: 1}, {Dead: 1, Again: 1}, {Dead: 1, Again: 1}} {
		did, err := k.desk.Deliver(t.Context())
		require.NoError(t, err)
		require.Equal(t, want, did)
		k.clock.Advance(2 * time.Hour)
	}
	k.sent.FailWith(nil)
	did, err := k.desk.Deliver(t.Context())
	require.NoError(t, err)
	require.Equal(t, ticket.DeliveryCounts{Done: 2}, did)
}

func TestAPersonNamedTwiceIsNotifiedOnce(t *testing.T) {
	k := newKit(t)
	tk := k.open(ada, ticket.Draft{Followers: []ticket.Person{ada.Person, bob.Person, bob.Person}})
	k.do(lin, tk, ticket.Action{Name: ticket.ActionReply, Message: "m"})
	k.deliver()
	told := map[string]int{}
	for _, n := range k.sent.Sent() {
		told[fmt.Sprint(n.Seq, n.Kind, n.To.Person.ID)]++
	}
	for what, times := range told {
		require.Equal(t, 1, times, what)
	}
}

// brokenReads is a store that cannot read events for a while.
type brokenReads struct {
	ticket.Store // which hides that it is a DeliveryLoader
	broken       bool
}

func (s *brokenReads) Events(ctx context.Context, tenant string, id ticket.ID, after int64, limit int) ([]ticket.Event, error) {
	if s.broken {
		return nil, errDown
	}
	return s.Store.Events(ctx, tenant, id, after, limit)
}

func TestAnErrorOfTheStoreIsNoFailedAttempt(t *testing.T) {
	s := &brokenReads{Store: memstore.New(), broken: true}
	k := newKitOn(t, s, func(c *ticket.Config) { c.Relay = ticket.Relay{MaxAttempts: 2} })
	k.open(ada, ticket.Draft{})
	for range 10 {
		did, err := k.desk.Deliver(t.Context())
		require.ErrorIs(t, err, errDown)
		require.Equal(t, ticket.DeliveryCounts{Again: 2}, did)
		k.clock.Advance(2 * time.Hour)
	}
	s.broken = false
	did, err := k.desk.Deliver(t.Context())
	require.NoError(t, err)
	require.Equal(t, ticket.DeliveryCounts{Done: 2}, did)
}

// A delivery whose outcome is lost every time, because the attempt outlasts its
// lease and another relay takes over, is given up in the end as well.
func TestADeliveryThatOutlastsItsLeaseEveryTimeIsDead(t *testing.T) {
	k := newKit(t, func(c *ticket.Config) { c.Relay = ticket.Relay{MaxAttempts: 3, Batch: 4} })
	k.open(ada, ticket.Draft{})
	var calls atomic.Int64
	k.sent.FailWith(func(ticket.Notification) error {
		calls.Add(1)
		now := k.clock.Advance(2 * time.Minute)
		_, err := k.store.Claim(t.Context(), ticket.ClaimRequest{Now: now, Lease: time.Minute, Limit: 10, Notifiers: []string{""}})
		return err // of another relay, which then crashes
	})
	for range 300 {
		k.deliver()
		k.clock.Advance(2 * time.Minute)
	}
	require.Less(t, calls.Load(), int64(10))
	require.Positive(t, calls.Load())
	did, err := k.desk.Deliver(t.Context())
	require.NoError(t, err)
	require.Zero(t, did, "nothing is left to try")
}

// Only errors marked so are permanent: a notifier that cannot find something,
// perhaps a ticket, may find it later.
func TestANotifiersErrNotFoundIsTriedAgain(t *testing.T) {
	k := newKit(t)
	k.sent.FailWith(func(ticket.Notification) error { return fmt.Errorf("address book: %w", ticket.ErrNotFound) })
	k.open(ada, ticket.Draft{})
	did, err := k.desk.Deliver(t.Context())
	require.NoError(t, err)
	require.Equal(t, ticket.DeliveryCounts{Again: 2}, did)
}
