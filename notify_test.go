package ticket_test

import (
	"bytes"
	"context"
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
	"github.com/ticketkit/ticket/sla"
	"github.com/ticketkit/ticket/tickettest"
)

// The notifications of each action, as "kind>recipient" in the order of sending.
func TestRecipientsOfEachAction(t *testing.T) {
	k := newKit(t)
	expect := func(what string, want ...string) {
		t.Helper()
		k.deliver()
		got := []string{}
		for _, n := range k.sent.Sent() {
			to := n.To.Person.ID
			if n.To.Person.IsZero() {
				to = fmt.Sprintf("queue:%s/%d", n.To.Queue, n.To.Level)
			}
			got = append(got, string(n.Kind)+">"+to)
		}
		require.ElementsMatch(t, want, got, what)
		k.sent.Reset()
	}
	tk := k.open(ada, ticket.Draft{Message: "help", Followers: []ticket.Person{bob.Person}})
	expect("opened", "received>c1", "received>c2", "queued>queue:/1")
	k.do(lin, tk, ticket.Action{Name: ticket.ActionTake})
	expect("taken: nothing to a customer, and lin knows")
	k.do(lin, tk, ticket.Action{Name: ticket.ActionNote, Note: "n"})
	expect("a note goes to nobody")
	k.do(lin, tk, ticket.Action{Name: ticket.ActionEscalate, Queue: "hardware", Note: "n"})
	expect("escalated", "handed on>c1", "handed on>c2", "escalated>queue:hardware/2")
	k.do(super, tk, ticket.Action{Name: ticket.ActionAssign, Assignee: "max"})
	expect("assigned by another", "assigned>max")
	k.do(agentMax, tk, ticket.Action{Name: ticket.ActionReply, Message: "m"})
	expect("answered", "answered>c1", "answered>c2")
	k.do(agentMax, tk, ticket.Action{Name: ticket.ActionAsk, Message: "m"})
	expect("asked", "asked>c1", "asked>c2")
	k.do(bob, tk, ticket.Action{Name: ticket.ActionReply, Attachments: []ticket.Attachment{{Name: "a.png"}}})
	expect("a follower sent a file", "customer>c1", "uploaded>c2", "customer>max")
	k.do(ada, tk, ticket.Action{Name: ticket.ActionReply, Message: "m"})
	expect("the requester wrote", "customer>c2", "customer>max")
	k.do(agentMax, tk, ticket.Action{Name: ticket.ActionHold, Reason: "vendor"})
	expect("on hold is still in progress")
	k.do(agentMax, tk, ticket.Action{Name: ticket.ActionResolve, Message: "m"})
	expect("solved", "solved>c1", "solved>c2")
	k.do(ada, tk, ticket.Action{Name: ticket.ActionReopen})
	expect("reopened by the requester", "reopened>c2", "queued>queue:hardware/2")
	k.do(ada, tk, ticket.Action{Name: ticket.ActionReply, Message: "m"})
	expect("nobody has it, so the queue is told", "customer>c2", "customer>queue:hardware/2")
	k.do(super, tk, ticket.Action{Name: ticket.ActionHandOver, Queue: "network"})
	expect("another department", "handed on>c1", "handed on>c2", "queued>queue:network/2")
	k.do(super, tk, ticket.Action{Name: ticket.ActionHandOver, Queue: "hardware"})
	k.deliver()
	k.sent.Reset()
	k.do(agentMax, tk, ticket.Action{Name: ticket.ActionResolve, Message: "m"})
	expect("solved again", "solved>c1", "solved>c2")
	k.do(ada, tk, ticket.Action{Name: ticket.ActionConfirm})
	expect("confirmed by the requester", "closed>c2")
	k.do(agentMax, tk, ticket.Action{Name: ticket.ActionReopen, Note: "n"})
	expect("reopened by an agent", "reopened>c1", "reopened>c2", "queued>queue:hardware/2")
	k.do(agentMax, tk, ticket.Action{Name: ticket.ActionCancel, Reason: "r"})
	expect("cancelled by an agent", "cancelled>c1", "cancelled>c2")

	one, two := k.open(ada, ticket.Draft{}), k.open(ada, ticket.Draft{})
	k.deliver()
	k.sent.Reset()
	k.do(lin, two, ticket.Action{Name: ticket.ActionMerge, Ticket: one.ID})
	k.deliver()
	n := k.sent.RequireSent(t, ticket.KindMerged, "ada@example.org")
	require.Equal(t, one.Number, n.Into)
	require.Equal(t, two.Number, n.Number)
	k.sent.Reset()

	k.open(lin, ticket.Draft{Requester: ada.Person, Subject: "x", Solution: "y"})
	expect("opened and solved", "received>c1", "solved>c1")
}

func TestNotificationContent(t *testing.T) {
	k := newKit(t)
	tk := k.open(ada.InTenant("acme"), ticket.Draft{Subject: "Blank pages", Message: "help", Attachments: []ticket.Attachment{{Name: "a.png", Size: 3, Ref: "internal"}}})
	k.deliver()
	n := k.sent.RequireSent(t, ticket.KindReceived, "ada@example.org")
	require.Equal(t, tk.Number, n.Number)
	require.Equal(t, "acme", n.Tenant)
	require.Equal(t, "Blank pages", n.Subject)
	require.Equal(t, ticket.Message("help"), n.Message)
	require.Equal(t, []ticket.Attachment{{Name: "a.png", Size: 3}}, n.Attachments)
	require.Equal(t, "with the service desk", n.With)
	require.Equal(t, 1, n.Attempt)
	require.EqualValues(t, 1, n.Seq)
	require.False(t, n.ID.IsZero())
	k.sent.RequireSent(t, ticket.KindQueued, "queue:")
	k.sent.RequireNotSent(t, ticket.KindSolved, "ada@example.org")
}

// Random actions by random actors, in two tenants at once. Nothing internal and
// nothing of the other tenant reaches a customer, by notification, history, status
// view or status link. A broker gets no notes either.
func TestNothingInternalReachesACustomer(t *testing.T) {
	const secret = "SECRET"
	events := tickettest.NewRecorder()
	k := newKit(t, withLinks(1), func(c *ticket.Config) {
		c.Notifiers["events"], c.EventNotifiers = events, []string{"events"}
		c.StatusLinks.URL = func(_, token string) string { return "https://desk.example.org/" + token }
		c.StatusLinks.Reply, c.StatusLinks.Upload = true, true
		c.SendLimits = ticket.SendLimits{PerRecipient: -1, PerTicket: -1}
		c.Feedback = ticket.Feedback{After: time.Hour, Every: -1}
		told := []sla.Reaction{{Tell: sla.AudienceRequester}, {Tell: sla.AudienceAgents}, {Tag: secret + " tag"}, {HandOver: secret + " queue"}}
		target := func(m sla.Metric) sla.Target {
			return sla.Target{Metric: m, Within: 300 * time.Hour, Pause: []sla.Pause{{Status: ticket.StatusOnHold}}, Thresholds: []sla.Threshold{{Share: 50, Do: told}, {Share: 100, Do: told}}}
		}
		c.ServiceLevels = sla.Spec{Name: secret, Version: 1, Policies: []sla.Policy{{Name: secret + " policy", Targets: []sla.Target{
			target(sla.MetricFirstAnswer), target(sla.MetricNextAnswer), target(sla.MetricSolution), target(sla.MetricLevel),
		}}}}.MustCompile()
		c.ExtraRecipients = func(_ context.Context, t ticket.Ticket, _ ticket.Kind) ([]ticket.Recipient, error) {
			return []ticket.Recipient{{Role: ticket.RoleFollower, Person: ticket.Person{Email: "copy@" + t.Tenant + ".example"}}}, nil
		}
	})
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 2))
	names := append(ticket.DefaultWorkflow().MustCompile(nil).Actions(), "nonsense")
	tenants := []string{"north", "south"}
	done := map[ticket.ActionName]int{}
	note := func() ticket.Note { return ticket.Note(fmt.Sprint("NOTE-", secret, rng.IntN(99))) }
	inside := func() string { return fmt.Sprint(secret, rng.IntN(9)) }
	rate := func(a ticket.Actor, tk ticket.Ticket) {
		if _, err := k.desk.Rate(t.Context(), a, tk.ID, ticket.Rating{Score: 1 + rng.IntN(5), Message: ticket.Message(inside())}); err == nil {
			done[ticket.ActionRate]++
		}
	}
	for range 90 {
		for _, tenant := range tenants {
			word := ticket.Message("word of " + tenant)
			as := func(a ticket.Actor) ticket.Actor { return a.InTenant(tenant) }
			ada, bob := as(ada), as(bob)
			ada.Person.Organisation, bob.Person.Organisation = "org of "+tenant, "org of "+tenant
			agents := []ticket.Actor{as(super.Named(secret + " name")), as(lin.Named(secret + " name")), as(agentMax.Named(secret + " name")), as(cron)}
			tk := k.open(agents[0], ticket.Draft{
				Requester: ada.Person, Subject: "s of " + tenant, Message: word, Note: note(), Queue: inside(), Tags: []string{inside()},
				Fields: ticket.Fields{"f": secret}, Followers: []ticket.Person{bob.Person},
			})
			other := k.open(ada, ticket.Draft{Subject: "s of " + tenant})
			if rng.IntN(4) == 0 { // the answer is due later than was told
				k.do(agents[0], other, ticket.Action{Name: ticket.ActionHold, Reason: inside()})
				k.clock.Advance(time.Hour)
				k.do(agents[0], other, ticket.Action{Name: ticket.ActionResume, Note: note()})
				k.deliver()
			}
			for range 40 {
				act := ticket.Action{Name: names[rng.IntN(len(names))]}
				a := append(agents, ada, bob, ada, bob)[rng.IntN(8)]
				if rng.IntN(2) == 0 {
					act.Message = word
				}
				if rng.IntN(4) == 0 {
					act.Attachments = []ticket.Attachment{{Name: "file of " + tenant, Ref: secret}}
				}
				act.Automatic = rng.IntN(10) == 0
				if a.Role != ticket.RoleRequester {
					act.Note = note()
					act.NoteAttachments = []ticket.Attachment{{Name: string(note())}}
					switch act.Name {
					case ticket.ActionHold, ticket.ActionCancel:
						act.Reason = inside()
					case ticket.ActionHandOver, ticket.ActionEscalate, ticket.ActionHandBack, ticket.ActionAmend:
						act.Queue = inside()
					case ticket.ActionAssign:
						act.Assignee = inside()
					case ticket.ActionMerge, ticket.ActionLink, ticket.ActionUnlink:
						act.Ticket = other.ID
						if act.Name != ticket.ActionMerge {
							act.Relation = ticket.RelationRelatedTo
						}
					case ticket.ActionSplit:
						act.Draft = &ticket.Draft{Subject: "s of " + tenant, Note: note()}
					case ticket.ActionEdit:
						act.Edit = &ticket.Edits{AddTags: []string{inside()}, Fields: ticket.Fields{"g": inside()}}
						if p := []ticket.Person{{ID: "c3", Email: "eve@example.org"}}; rng.IntN(2) == 0 {
							act.Edit.Follow = p
						} else {
							act.Edit.Unfollow = p
						}
					}
					if rng.IntN(2) == 0 {
						act.NoteAttachments = nil
					}
					if rng.IntN(3) == 0 {
						act.Note = ""
					}
				}
				k.clock.Advance(time.Duration(rng.IntN(100)) * time.Hour)
				if _, err := k.desk.Do(t.Context(), a, tk.ID, act); err == nil {
					done[act.Name]++
				}
				if rng.IntN(10) == 0 {
					rate(a, tk)
				}
				if _, err := k.desk.FireTimers(t.Context()); err != nil {
					t.Fatal(err)
				}
				k.deliver()
			}
			rate(ada, tk)
			if err := k.desk.SendStatusLink(t.Context(), as(cron), tk.ID, ada.Person); err != nil {
				require.ErrorIs(t, err, ticket.ErrRefused)
			}
			k.deliver()
			for _, a := range []ticket.Actor{ada, bob} {
				v, err := k.desk.Track(t.Context(), a, tk.ID.String())
				require.NoError(t, err)
				require.NotContains(t, asJSON(t, v), secret)
				require.NotContains(t, asJSON(t, k.events(a, tk)), secret)
			}
			require.NoError(t, k.desk.Verify(t.Context(), as(super), tk.ID))
		}
	}
	t.Log(done)
	require.Greater(t, len(done), 15, "most actions took place: %v", done)
	require.Positive(t, done[ticket.ActionRate])
	toCustomers, tracked := map[ticket.Kind]int{}, 0
	for _, n := range k.sent.Sent() {
		text := asJSON(t, n)
		require.NotContains(t, text, "NOTE-", "to %s", n.To.Role)
		foreign := tenants[1]
		if n.Tenant == foreign {
			foreign = tenants[0]
		}
		require.NotContains(t, text, foreign)
		if n.To.Role&ticket.RoleCustomer == 0 {
			continue
		}
		toCustomers[n.Kind]++
		require.NotContains(t, text, secret)
		require.Nil(t, n.Event)
		if n.StatusLink != "" {
			v, err := k.desk.Track(t.Context(), ticket.StatusLinkHolder(strings.TrimPrefix(n.StatusLink, "https://desk.example.org/")).InTenant(n.Tenant), "")
			if !errors.Is(err, ticket.ErrStatusLink) { // expired by now
				require.NoError(t, err)
				require.NotContains(t, asJSON(t, v), secret)
				require.NotContains(t, asJSON(t, v), foreign)
				tracked++
			}
		}
	}
	require.Positive(t, tracked)
	t.Log(toCustomers)
	for _, kind := range ticket.Kinds(ticket.RoleCustomer) {
		require.Positive(t, toCustomers[kind], "%s was never told: %v", kind, toCustomers)
	}
	require.NotEmpty(t, events.Sent())
	for _, n := range events.Sent() {
		require.NotContains(t, asJSON(t, n), "NOTE-")
	}
}

func TestRunWakesUpAtOnceAndStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sent := tickettest.NewRecorder()
		desk, err := ticket.NewDesk(memstore.New(), ticket.Config{Notifiers: map[string]ticket.Notifier{"": sent}, Logger: slog.New(slog.DiscardHandler)})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		stopped := make(chan error)
		go func() { stopped <- desk.Run(ctx) }()
		synctest.Wait()

		began := time.Now()
		_, err = desk.Open(ctx, ada, ticket.Draft{Subject: "s"})
		require.NoError(t, err)
		synctest.Wait()
		require.Len(t, sent.Sent(), 2)
		require.Equal(t, began, time.Now(), "without waiting for the poll")

		cancel()
		require.ErrorIs(t, <-stopped, context.Canceled)
	})
}

func TestRunFindsCommitsOfOtherProcesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, sent := memstore.New(), tickettest.NewRecorder()
		relay, err := ticket.NewDesk(store, ticket.Config{Notifiers: map[string]ticket.Notifier{"": sent}, Relay: ticket.Relay{Poll: time.Minute}})
		require.NoError(t, err)
		web, err := ticket.NewDesk(store, ticket.Config{})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- relay.Run(ctx) }()
		synctest.Wait()
		_, err = web.Open(ctx, ada, ticket.Draft{Subject: "s"})
		require.NoError(t, err)
		synctest.Wait()
		require.Empty(t, sent.Sent())
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Len(t, sent.Sent(), 2)

		// Run also performs timed actions.
		tk, err := web.Open(ctx, lin, ticket.Draft{Requester: ada.Person, Subject: "s", Solution: "s"})
		require.NoError(t, err)
		time.Sleep(confirmWindow + 2*time.Minute)
		synctest.Wait()
		got, err := web.Get(ctx, lin, tk.ID)
		require.NoError(t, err)
		require.Equal(t, ticket.StatusClosed, got.Status)
		cancel()
		require.ErrorIs(t, <-done, context.Canceled)
	})
}

func TestBackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var attempts []time.Time
		ids := map[ticket.ID]bool{}
		fail := ticket.NotifierFunc(func(_ context.Context, n ticket.Notification) error {
			mu.Lock()
			defer mu.Unlock()
			if n.Kind == ticket.KindReceived {
				attempts = append(attempts, time.Now())
				ids[n.ID] = true
				return errors.New("mailbox full")
			}
			return nil
		})
		desk, err := ticket.NewDesk(memstore.New(), ticket.Config{
			Notifiers: map[string]ticket.Notifier{"": fail}, Logger: slog.New(slog.DiscardHandler),
			Relay: ticket.Relay{Poll: time.Millisecond * 10, Backoff: time.Second, MaxBackoff: 10 * time.Second, MaxAttempts: 8},
		})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- desk.Run(ctx) }()
		_, err = desk.Open(ctx, ada, ticket.Draft{Subject: "s"})
		require.NoError(t, err)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		cancel()
		require.ErrorIs(t, <-done, context.Canceled)

		require.Len(t, attempts, 8, "then it is dead, and not tried any more")
		require.Len(t, ids, 1, "a repeat carries the same ID")
		for i := 1; i < len(attempts); i++ {
			most := min(time.Second<<(i-1), 10*time.Second)
			wait := attempts[i].Sub(attempts[i-1])
			require.GreaterOrEqual(t, wait, most/2, "attempt %d", i+1)
			require.LessOrEqual(t, wait, most+20*time.Millisecond, "attempt %d", i+1)
		}
	})
}

func TestASlowOrPanickingNotifierHoldsUpNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fast := tickettest.NewRecorder()
		release := make(chan struct{})
		desk, err := ticket.NewDesk(memstore.New(), ticket.Config{
			Logger: slog.New(slog.DiscardHandler),
			Notifiers: map[string]ticket.Notifier{
				"fast":  fast,
				"slow":  ticket.NotifierFunc(func(ctx context.Context, _ ticket.Notification) error { <-release; return nil }),
				"panic": ticket.NotifierFunc(func(context.Context, ticket.Notification) error { panic("oops") }),
				"later": nil, // another process delivers these
			},
		})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- desk.Run(ctx) }()
		for range 50 {
			_, err = desk.Open(ctx, ada, ticket.Draft{Subject: "s"})
			require.NoError(t, err, "a failing notifier undoes no commit")
		}
		time.Sleep(time.Second)
		synctest.Wait()
		require.Len(t, fast.Sent(), 100)
		cancel()
		synctest.Wait()
		select {
		case err := <-done:
			t.Fatal("Run returned while an attempt was under way: ", err)
		default:
		}
		close(release)
		require.ErrorIs(t, <-done, context.Canceled)
	})
}

// Deliveries made before the stop are settled, although the context is done.
func TestAStopSettlesFinishedDeliveries(t *testing.T) {
	k := newKit(t)
	ctx, cancel := context.WithCancel(t.Context())
	k.sent.FailWith(func(ticket.Notification) error { cancel(); return nil })
	k.open(ada, ticket.Draft{})
	_, err := k.desk.Deliver(ctx)
	require.ErrorIs(t, err, context.Canceled)
	sent := len(k.sent.Sent())
	require.Positive(t, sent)
	k.sent.FailWith(nil)
	k.clock.Advance(time.Hour)
	k.deliver()
	require.Len(t, k.sent.Sent(), 2, "the rest came later, and nothing twice")
}

func TestPermanentErrorsDieAtOnce(t *testing.T) {
	k := newKit(t)
	gone := errors.New("no such address")
	require.ErrorIs(t, &ticket.DeliveryFault{Err: gone, Permanent: true}, gone)
	k.sent.FailWith(func(n ticket.Notification) error {
		if n.Kind == ticket.KindReceived {
			return fmt.Errorf("smtp: %w", &ticket.DeliveryFault{Err: gone, Permanent: true})
		}
		return nil
	})
	k.open(ada, ticket.Draft{})
	did, err := k.desk.Deliver(t.Context())
	require.NoError(t, err)
	require.Equal(t, ticket.DeliveryCounts{Done: 1, Dead: 1}, did)
	k.sent.FailWith(nil)
	k.clock.Advance(1000 * time.Hour)
	did, err = k.desk.Deliver(t.Context())
	require.NoError(t, err)
	require.Zero(t, did)
}

func TestAPanicIsAnError(t *testing.T) {
	k := newKit(t)
	k.sent.FailWith(func(ticket.Notification) error { panic("oops") })
	k.open(ada, ticket.Draft{})
	did, err := k.desk.Deliver(t.Context())
	require.NoError(t, err)
	require.Equal(t, ticket.DeliveryCounts{Again: 2}, did)
	k.sent.FailWith(nil)
	k.clock.Advance(time.Minute)
	did, err = k.desk.Deliver(t.Context())
	require.NoError(t, err)
	require.Equal(t, ticket.DeliveryCounts{Done: 2}, did)
}

func TestSilentAndUndelivered(t *testing.T) {
	store := memstore.New()
	quiet := newKitOn(t, store, func(c *ticket.Config) { c.Silent = true })
	quiet.open(ada, ticket.Draft{})
	rows, err := store.Claim(t.Context(), ticket.ClaimRequest{Now: time.Now(), Lease: 1, Limit: 10, Notifiers: []string{""}})
	require.NoError(t, err)
	require.Empty(t, rows)

	// Without a notifier, rows wait until one comes.
	early := newKitOn(t, memstore.New(), func(c *ticket.Config) { c.Notifiers = nil })
	early.open(ada, ticket.Draft{})
	late := newKitOn(t, early.store)
	late.deliver()
	require.Len(t, late.sent.Sent(), 2)
}

// tellingError says what of it may be logged.
type tellingError struct{ error }

func (tellingError) LogValue() slog.Value { return slog.StringValue("the server is away") }

func TestLogsHaveTheCauseThatAnErrorGives(t *testing.T) {
	var log bytes.Buffer
	k := newKit(t, func(c *ticket.Config) {
		c.Logger = slog.New(slog.NewTextHandler(&log, nil))
		c.Notifiers = map[string]ticket.Notifier{"fail": ticket.NotifierFunc(func(_ context.Context, n ticket.Notification) error {
			return &ticket.DeliveryFault{Err: tellingError{fmt.Errorf("refused %s", n.To.Person.Email)}, Permanent: true}
		})}
	})
	k.open(ada, ticket.Draft{Subject: "private matter", Message: "private words"})
	k.deliver()
	require.Contains(t, log.String(), `cause="the server is away"`)
	require.NotContains(t, log.String(), "ada@")
}

func TestNothingPersonalInLogs(t *testing.T) {
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	k := newKit(t, func(c *ticket.Config) {
		c.Logger = logger
		c.Notifiers = map[string]ticket.Notifier{
			"mail": tickettest.NewRecorder(),
			"fail": ticket.NotifierFunc(func(_ context.Context, n ticket.Notification) error {
				return fmt.Errorf("refused %s", n.To.Person.Email)
			}),
		}
	})
	tk := k.open(ada, ticket.Draft{Subject: "private matter", Message: "private words"})
	k.deliver()
	require.NotContains(t, log.String(), "cause=")
	require.Contains(t, log.String(), tk.ID.String())
	require.Contains(t, log.String(), `"ticket: delivered"`)
	require.Contains(t, log.String(), "not delivered")
	for _, s := range []string{"ada@", "Ada", "private"} {
		require.NotContains(t, log.String(), s)
	}
	require.NotContains(t, tk.String()+ada.String(), "Ada")
	require.Contains(t, lin.String(), "lin")
}

// failing is a store whose n-th call fails.
type failing struct {
	ticket.Store
	left atomic.Int64 // calls until the one that fails
}

var errDown = errors.New("store is down")

func (s *failing) fail() error {
	if s.left.Add(-1) == 0 {
		return errDown
	}
	return nil
}

func (s *failing) Commit(ctx context.Context, c ticket.Commit) error {
	if err := s.fail(); err != nil {
		return err
	}
	return s.Store.Commit(ctx, c)
}

func (s *failing) Ticket(ctx context.Context, tenant string, id ticket.ID) (ticket.Ticket, error) {
	if err := s.fail(); err != nil {
		return ticket.Ticket{}, err
	}
	return s.Store.Ticket(ctx, tenant, id)
}

func (s *failing) Events(ctx context.Context, tenant string, id ticket.ID, after int64, limit int) ([]ticket.Event, error) {
	if err := s.fail(); err != nil {
		return nil, err
	}
	return s.Store.Events(ctx, tenant, id, after, limit)
}

func (s *failing) Receipt(ctx context.Context, tenant, key string) (ticket.Receipt, error) {
	if err := s.fail(); err != nil {
		return ticket.Receipt{}, err
	}
	return s.Store.Receipt(ctx, tenant, key)
}

func (s *failing) Lookup(ctx context.Context, tenant string, n ticket.Number) (ticket.Ticket, error) {
	if err := s.fail(); err != nil {
		return ticket.Ticket{}, err
	}
	return s.Store.Lookup(ctx, tenant, n)
}

func (s *failing) List(ctx context.Context, q ticket.Query) (ticket.Page, error) {
	if err := s.fail(); err != nil {
		return ticket.Page{}, err
	}
	return s.Store.List(ctx, q)
}

func (s *failing) Due(ctx context.Context, now time.Time, limit int) ([]ticket.Ref, error) {
	if err := s.fail(); err != nil {
		return nil, err
	}
	return s.Store.Due(ctx, now, limit)
}

func (s *failing) Claim(ctx context.Context, r ticket.ClaimRequest) ([]ticket.Delivery, error) {
	if err := s.fail(); err != nil {
		return nil, err
	}
	return s.Store.Claim(ctx, r)
}

func (s *failing) Settle(ctx context.Context, list []ticket.Settlement) error {
	if err := s.fail(); err != nil {
		return err
	}
	return s.Store.Settle(ctx, list)
}

// Each call of the store fails once, anywhere in the story. The error reaches the
// caller, or delivery is tried again. Nothing is half done, and the story can
// continue.
func TestEveryStoreCallMayFail(t *testing.T) {
	for n := int64(1); ; n++ {
		s := &failing{Store: memstore.New()}
		k := newKitOn(t, s)
		failed := 0
		try := func(call func() error) {
			t.Helper()
			err := call()
			if errors.Is(err, errDown) {
				failed++
				err = call()
			}
			require.NoError(t, err)
		}
		s.left.Store(n)
		var tk, two ticket.Ticket
		do := func(a ticket.Actor, act ticket.Action) {
			t.Helper()
			try(func() (err error) { _, err = k.desk.Do(t.Context(), a, tk.ID, act); return err })
		}
		try(func() (err error) {
			tk, err = k.desk.Open(t.Context(), ada, ticket.Draft{Subject: "s", Key: "k"})
			return err
		})
		try(func() (err error) { two, err = k.desk.Open(t.Context(), ada, ticket.Draft{Subject: "t"}); return err })
		do(lin, ticket.Action{Name: ticket.ActionTake})
		do(lin, ticket.Action{Name: ticket.ActionMerge, Ticket: two.ID})
		do(lin, ticket.Action{Name: ticket.ActionUnmerge})
		do(lin, ticket.Action{Name: ticket.ActionResolve, Message: "m", Key: "r"})
		try(func() (err error) { _, err = k.desk.Track(t.Context(), ada, string(tk.Number)); return err })
		try(func() (err error) { _, err = k.desk.List(t.Context(), ada, ticket.Query{}); return err })
		k.clock.Advance(confirmWindow)
		try(func() (err error) { _, err = k.desk.FireTimers(t.Context()); return err })
		for range 3 {
			try(func() (err error) { _, err = k.desk.Deliver(t.Context()); return err })
			k.clock.Advance(time.Hour)
		}
		over := s.left.Load() > 0
		s.left.Store(0)
		require.NoError(t, k.desk.Verify(t.Context(), lin, tk.ID))
		require.NoError(t, k.desk.Verify(t.Context(), lin, two.ID))
		require.Equal(t, ticket.StatusClosed, k.get(tk).Status)
		require.EqualValues(t, 6, k.get(tk).Version)
		for _, kind := range []ticket.Kind{ticket.KindReceived, ticket.KindMerged, ticket.KindSolved, ticket.KindClosed} {
			k.sent.RequireSent(t, kind, "ada@example.org")
		}
		if over { // no call failed any more
			require.Zero(t, failed)
			require.Greater(t, n, int64(30))
			return
		}
	}
}

func TestRunSurvivesAStoreInTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &failingClaims{Store: memstore.New()}
		sent := tickettest.NewRecorder()
		var log bytes.Buffer
		desk, err := ticket.NewDesk(s, ticket.Config{Notifiers: map[string]ticket.Notifier{"": sent}, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- desk.Run(ctx) }()
		_, err = desk.Open(ctx, ada, ticket.Draft{Subject: "s"})
		require.NoError(t, err)
		time.Sleep(10 * time.Second)
		cancel()
		require.ErrorIs(t, <-done, context.Canceled)
		require.Len(t, sent.Sent(), 2)
		require.Equal(t, 3, strings.Count(log.String(), "cannot deliver"))
	})
}

type failingClaims struct {
	ticket.Store
	mu    sync.Mutex
	calls int
}

func (s *failingClaims) Claim(ctx context.Context, r ticket.ClaimRequest) ([]ticket.Delivery, error) {
	s.mu.Lock()
	s.calls++
	n := s.calls
	s.mu.Unlock()
	if n <= 3 {
		return nil, errDown
	}
	return s.Store.Claim(ctx, r)
}

// A relay whose lease ran out during delivery does not settle against the process
// that took over.
func TestALostLease(t *testing.T) {
	store := memstore.New()
	slow := newKitOn(t, store)
	other := newKitOn(t, store, func(c *ticket.Config) { c.Now = slow.clock.Now })
	slow.open(ada, ticket.Draft{})
	slow.sent.FailWith(func(n ticket.Notification) error {
		if n.Kind == ticket.KindReceived {
			slow.clock.Advance(2 * time.Minute)
			other.deliver()
		}
		return nil
	})
	slow.deliver()
	other.sent.RequireSent(t, ticket.KindReceived, "ada@example.org")
	require.Equal(t, 2, other.sent.RequireSent(t, ticket.KindReceived, "ada@example.org").Attempt)
	did, err := slow.desk.Deliver(t.Context())
	require.NoError(t, err)
	require.Zero(t, did)
}

func TestDeliveryFaultOf(t *testing.T) {
	type fault = ticket.DeliveryFault
	oops := errors.New("oops")
	busy := &fault{Err: oops, RetryAfter: time.Hour}
	later := &fault{Err: &fault{Err: oops, MaybeDelivered: true}, RetryAfter: time.Hour}
	bounced := &fault{Err: oops, Bounced: true}
	own := &fault{Err: oops, SenderFault: true}
	again := fmt.Errorf("x: %w", later)
	for name, tc := range map[string]struct {
		err  error
		want fault
	}{
		"no error":                           {nil, fault{}},
		"another error":                      {oops, fault{}},
		"a fault inside another error":       {fmt.Errorf("x: %w", busy), *busy},
		"the first fault of joined errors":   {errors.Join(oops, busy, bounced), *busy},
		"bounced implies permanent":          {bounced, fault{Err: oops, Bounced: true, Permanent: true}},
		"a wait is cut to a day":             {&fault{Err: oops, RetryAfter: 1 << 62}, fault{Err: oops, RetryAfter: 24 * time.Hour}},
		"a wait is not negative":             {&fault{Err: oops, RetryAfter: -1}, fault{Err: oops}},
		"the longer wait holds":              {&fault{Err: busy, RetryAfter: time.Minute}, fault{Err: busy, RetryAfter: time.Hour}},
		"what the inner ones say adds up":    {&fault{Err: again, SenderFault: true}, fault{Err: again, SenderFault: true, MaybeDelivered: true, RetryAfter: time.Hour}},
		"the outer one allows an attempt":    {&fault{Err: bounced, RetryAfter: time.Hour}, fault{Err: bounced, RetryAfter: time.Hour}},
		"the outer one rules out an attempt": {&fault{Err: own, Permanent: true}, fault{Err: own, Permanent: true, SenderFault: true}},
		"a fault without a cause":            {&fault{Permanent: true}, fault{Permanent: true}},
		"a nil fault":                        {(*fault)(nil), fault{}},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, tc.want, ticket.DeliveryFaultOf(tc.err)) })
	}
	require.ErrorIs(t, bounced, oops)
	require.EqualError(t, bounced, "oops")
	for _, empty := range []*fault{nil, {}} {
		require.EqualError(t, empty, "ticket: the delivery failed")
		require.NoError(t, errors.Unwrap(empty))
	}
}

func TestAFaultThatIsPermanentAndNotAttemptedIsPermanent(t *testing.T) {
	k := newKit(t)
	k.sent.FailWith(func(ticket.Notification) error { return &ticket.DeliveryFault{Permanent: true, NotAttempted: true} })
	tk := k.open(ada, ticket.Draft{})
	k.deliver()
	for _, d := range k.deliveries(ticket.DeliveryQuery{Ticket: tk.ID}) {
		require.Equal(t, ticket.DeliveryDead, d.State)
		require.Equal(t, "ticket: the delivery failed", d.LastError)
	}
}

func TestKindsListsEachKindOnceForEverySetOfRoles(t *testing.T) {
	customers, agents := ticket.Kinds(ticket.RoleCustomer), ticket.Kinds(ticket.RoleAgent)
	require.Equal(t, customers, ticket.Kinds(ticket.RoleRequester))
	require.Equal(t, customers, ticket.Kinds(ticket.RoleFollower))
	require.NotContains(t, customers, ticket.KindQueued)
	require.NotContains(t, agents, ticket.KindReceived)
	require.Contains(t, customers, ticket.KindCustomer)
	require.Contains(t, agents, ticket.KindCustomer)
	require.Equal(t, []ticket.Kind{ticket.KindEvent}, ticket.Kinds(ticket.RoleSystem))
	require.Empty(t, ticket.Kinds(0))
	all := ticket.Kinds(ticket.RoleCustomer | ticket.RoleAgent | ticket.RoleSystem)
	require.Subset(t, all, slices.Concat(customers, agents, []ticket.Kind{ticket.KindEvent}))
	require.Len(t, slices.Compact(slices.Sorted(slices.Values(all))), len(all))
}
