package ticket_test

// Faults that a reader of the relay, the guard and the links found.

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"runtime"
	"slices"
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

// A clock that was set back leaves every later notification waiting.
func TestRelayClockSetBack(t *testing.T) {
	k := newKit(t)
	tk := k.open(ada, ticket.Draft{})
	k.deliver()
	k.clock.Advance(24 * time.Hour) // wrong for a moment
	k.do(lin, tk, ticket.Action{Name: ticket.ActionNote, Note: "n"})
	k.clock.Advance(-24 * time.Hour)
	k.sent.Reset()
	k.do(lin, tk, ticket.Action{Name: ticket.ActionReply, Message: "m"})
	k.clock.Advance(time.Hour)
	k.deliver()
	k.sent.RequireSent(t, ticket.KindAnswered, "ada@example.org")
}

// Hanging notifications take all places.
func TestRelayHangingFillsAllPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var good atomic.Int64
		var poison atomic.Int64
		n := ticket.NotifierFunc(func(_ context.Context, n ticket.Notification) error {
			if strings.HasPrefix(n.To.Person.ID, "hang") {
				poison.Add(1)
				<-release
				return nil
			}
			good.Add(1)
			return nil
		})
		desk, err := ticket.NewDesk(memstore.New(), ticket.Config{Logger: slog.New(slog.DiscardHandler), Notifiers: map[string]ticket.Notifier{"": n}, Relay: ticket.Relay{Poll: 20 * time.Second}})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- desk.Run(ctx) }()
		for _, id := range []string{"hang1", "hang2"} {
			_, err := desk.Open(t.Context(), ticket.Requester(ticket.Person{ID: id}), ticket.Draft{Subject: "s"})
			require.NoError(t, err)
		}
		time.Sleep(time.Hour)
		before := good.Load()
		_, err = desk.Open(t.Context(), ada, ticket.Draft{Subject: "s"})
		require.NoError(t, err)
		time.Sleep(24 * time.Hour)
		t.Logf("hanging attempts %d, good before %d after %d", poison.Load(), before, good.Load())
		ok := good.Load() > before
		// Shutdown with a deadline
		sctx, scancel := context.WithTimeout(t.Context(), time.Minute)
		defer scancel()
		var shut atomic.Bool
		go func() { _ = desk.Shutdown(sctx); shut.Store(true) }()
		time.Sleep(time.Hour)
		t.Logf("shutdown returned an hour later: %v", shut.Load())
		sok := shut.Load()
		close(release)
		cancel()
		require.NoError(t, <-done)
		synctest.Wait()
		require.True(t, ok, "two poisoned deliveries hold up all others")
		require.True(t, sok, "Shutdown outlives its deadline")
	})
}

// Goexit
func TestRelayGoexit(t *testing.T) {
	k := newKit(t)
	k.sent.FailWith(func(ticket.Notification) error { runtime.Goexit(); return nil })
	k.open(ada, ticket.Draft{})
	done := make(chan struct{})
	go func() { defer close(done); _, _ = k.desk.Deliver(context.WithoutCancel(t.Context())) }()
	select {
	case <-done:
	case <-time.After(3 * time.Second):
		t.Fatal("Deliver never returns")
	}
}

type hollowError struct{ s string }

func (e *hollowError) Error() string { return e.s }

// Panics of the host's code are errors, wherever the relay or a decision calls it.
func TestRelayPanics(t *testing.T) {
	k := newKit(t, func(c *ticket.Config) {
		c.Relay.Observe = func(context.Context, ticket.Delivery, ticket.Settlement) { panic("observe") }
		c.ExtraRecipients = func(_ ticket.Ticket, kind ticket.Kind) []ticket.Recipient {
			if kind == ticket.KindClosed {
				panic("copies")
			}
			return nil
		}
		c.Expected = func(t ticket.Ticket) time.Time {
			if t.Subject == "expected" {
				panic("expected")
			}
			return time.Time{}
		}
	})
	k.sent.FailWith(func(ticket.Notification) error { var e *hollowError; return e })
	tk := k.open(ada, ticket.Draft{})
	did, err := k.desk.Deliver(t.Context())
	require.NoError(t, err)
	require.Equal(t, ticket.DeliveryCounts{Again: 2}, did)
	k.sent.FailWith(nil)
	k.open(ada, ticket.Draft{Subject: "expected"})
	did, err = k.desk.Deliver(t.Context())
	require.NoError(t, err)
	require.Equal(t, ticket.DeliveryCounts{Done: 1, Again: 1}, did)

	k.do(lin, tk, ticket.Action{Name: ticket.ActionResolve, Message: "m"})
	k.clock.Advance(confirmWindow)
	_, err = k.desk.FireTimers(t.Context())
	require.ErrorContains(t, err, "Config.ExtraRecipients panicked")
	require.Equal(t, ticket.StatusResolved, k.get(tk).Status, "nobody is left out in silence")
}

// A follower's late reply opens a ticket, and the follower is told nothing.
func TestRelayFollowerFollowUp(t *testing.T) {
	k := newKit(t)
	tk := k.open(ada, ticket.Draft{Followers: []ticket.Person{bob.Person}})
	k.do(lin, tk, ticket.Action{Name: ticket.ActionResolve, Message: "m"})
	k.clock.Advance(60 * 24 * time.Hour)
	k.deliver()
	k.sent.Reset()
	next := k.do(bob, tk, ticket.Action{Name: ticket.ActionReply, Message: "bob's words", Attachments: []ticket.Attachment{{Name: "a.png"}}})
	require.NotEqual(t, tk.ID, next.ID)
	k.deliver()
	var kinds []string
	for _, n := range k.sent.Sent() {
		kinds = append(kinds, string(n.Kind)+">"+n.To.Person.ID+" by "+n.Writer)
	}
	t.Log(kinds)
	got := k.sent.RequireSent(t, ticket.KindReceived, "ada@example.org")
	if got.Writer == "Ada Byron" {
		t.Error("bob's words are told as Ada's")
	}
	require.True(t, slices.ContainsFunc(k.sent.Sent(), func(n ticket.Notification) bool { return n.To.Person.ID == "c2" }), "no receipt, no number for bob")
}

// What Track shows through a link after a merge can not be done.
func TestRelayLinkAfterMerge(t *testing.T) {
	k := newKit(t, withLinks(1))
	tk := k.open(ada, ticket.Draft{})
	into := k.open(ada, ticket.Draft{})
	h := ticket.StatusLinkHolder(k.link(ada, tk, ticket.StatusLinkRequest{Scope: ticket.StatusLinkReply}))
	k.do(lin, tk, ticket.Action{Name: ticket.ActionMerge, Ticket: into.ID})
	v, err := k.track(h, "")
	require.NoError(t, err)
	require.Equal(t, []ticket.ActionName{ticket.ActionReply}, v.Actions)
	_, err = k.desk.Do(t.Context(), h, v.ID, ticket.Action{Name: ticket.ActionReply, Message: "m", Version: v.Version})
	t.Log("by the view's ID:", err)
	_, err2 := k.desk.Do(t.Context(), h, tk.ID, ticket.Action{Name: ticket.ActionReply, Message: "m", Version: v.Version})
	t.Log("by the link's ID:", err2)
	require.True(t, err == nil || err2 == nil)
}

// Revoked, but the link of what was merged in still shows it.
func TestRelayRevokeAfterMerge(t *testing.T) {
	k := newKit(t, withLinks(1))
	tk := k.open(ada, ticket.Draft{})
	into := k.open(ada, ticket.Draft{Message: "private"})
	h := ticket.StatusLinkHolder(k.link(ada, tk, ticket.StatusLinkRequest{Scope: ticket.StatusLinkReply}))
	k.do(lin, tk, ticket.Action{Name: ticket.ActionMerge, Ticket: into.ID})
	_, err := k.desk.RevokeStatusLinks(t.Context(), lin, into.ID)
	require.NoError(t, err)
	v, err := k.track(h, "")
	require.ErrorIs(t, err, ticket.ErrStatusLink, "shows %s", v.Number)
}

// An agent and a customer with the same ID share a key.
func TestRelayKeyOfAgentAndCustomer(t *testing.T) {
	k := newKit(t, func(c *ticket.Config) { c.SendLimits = ticket.SendLimits{PerRecipient: 3} })
	cust := ticket.Requester(ticket.Person{ID: "7"})
	ag := ticket.Agent("7", 1)
	tk := k.open(bob, ticket.Draft{})
	k.do(ag, tk, ticket.Action{Name: ticket.ActionTake})
	for range 3 {
		k.do(bob, tk, ticket.Action{Name: ticket.ActionReply, Message: "m"})
	}
	k.deliver()
	k.sent.Reset()
	k.open(cust, ticket.Draft{})
	k.deliver()
	held := k.told(ticket.DeliveryQuery{State: []ticket.DeliveryState{ticket.DeliverySuppressed}})
	for _, d := range held {
		t.Log(d.To.Role, d.To.Person.ID, d.Report(nil))
	}
	k.sent.RequireSent(t, ticket.KindReceived, "7")
}

// A machine's mail, opened by the intake system, is answered.
func TestRelayAutomaticBySystem(t *testing.T) {
	k := newKit(t)
	k.open(ticket.System("mail intake"), ticket.Draft{Requester: ada.Person, Message: "out of office", Automatic: true})
	k.deliver()
	k.sent.RequireNotSent(t, ticket.KindReceived, "ada@example.org")
}

// Two machines talk through the desk for ever.
func TestRelayTwoMachines(t *testing.T) {
	k := newKit(t)
	tk := k.open(ada, ticket.Draft{Followers: []ticket.Person{bob.Person}})
	k.deliver()
	k.sent.Reset()
	k.do(ada, tk, ticket.Action{Name: ticket.ActionReply, Message: "away", Automatic: true})
	rounds := 0
	for range 300 {
		k.clock.Advance(4 * time.Minute)
		k.deliver()
		sent := k.sent.Sent()
		k.sent.Reset()
		any := false
		for _, n := range sent {
			if n.To.Role&ticket.RoleCustomer == 0 || n.Kind != ticket.KindCustomer {
				continue
			}
			who := ada
			if n.To.Person.ID == "c2" {
				who = bob
			}
			any = true
			_, err := k.desk.Do(t.Context(), who, tk.ID, ticket.Action{Name: ticket.ActionReply, Message: "away", Automatic: true})
			require.NoError(t, err)
		}
		if !any {
			break
		}
		rounds++
	}
	require.Less(t, rounds, 300, "never came to rest")
}

// A look-only link acts where the workflow needs no words.
func TestRelayLookOnlyLinkActs(t *testing.T) {
	spec := ticket.DefaultWorkflow()
	spec.Name = "own"
	for i := range spec.Transitions {
		if tr := &spec.Transitions[i]; tr.Action == ticket.ActionReply && tr.By == ticket.RoleCustomer {
			tr.Needs = ticket.Inputs{}
		}
	}
	w, err := spec.Compile(nil)
	require.NoError(t, err)
	k := newKit(t, withLinks(1), func(c *ticket.Config) { c.Workflows = []*ticket.Workflow{w} })
	tk := k.open(ada, ticket.Draft{})
	k.do(lin, tk, ticket.Action{Name: ticket.ActionResolve, Message: "m"})
	h := ticket.StatusLinkHolder(k.link(lin, tk, ticket.StatusLinkRequest{}))
	got, err := k.desk.Do(t.Context(), h, tk.ID, ticket.Action{Name: ticket.ActionReply})
	require.ErrorIs(t, err, ticket.ErrRefused, "now %s", got)
}

// A profile that fails is nowhere to be seen.
func TestRelayProfileFailsInSilence(t *testing.T) {
	var log strings.Builder
	var observed atomic.Int64
	k := newKit(t, func(c *ticket.Config) {
		c.Logger = slog.New(slog.NewTextHandler(&log, nil))
		c.Relay.Observe = func(context.Context, ticket.Delivery, ticket.Settlement) { observed.Add(1) }
		c.Profile = func(context.Context, string, ticket.Recipient, ticket.Kind) (ticket.Profile, error) { panic("always") }
	})
	k.open(ada, ticket.Draft{})
	for range 200 {
		k.clock.Advance(2 * time.Hour)
		k.deliver()
	}
	for _, d := range k.told(ticket.DeliveryQuery{}) {
		require.Contains(t, d.Report(nil), "who the recipient is cannot be told: Config.Profile panicked: always")
	}
	require.Positive(t, observed.Load())
	require.Contains(t, log.String(), "not delivered")
}

// One brief that cannot be read holds back all that are claimed with it.
type badBrief struct {
	ticket.Store
	bad ticket.ID
}

func (s *badBrief) DeliveryContexts(ctx context.Context, r ticket.DeliveryContextRequest) ([]ticket.DeliveryContext, error) {
	for _, row := range r.Rows {
		if row.Ticket == s.bad {
			return nil, errors.New("an event cannot be decoded")
		}
	}
	return s.Store.(ticket.DeliveryLoader).DeliveryContexts(ctx, r)
}

func TestRelayPoisonedBrief(t *testing.T) {
	s := &badBrief{Store: memstore.New()}
	k := newKitOn(t, s)
	s.bad = k.open(ada, ticket.Draft{}).ID
	for range 10 {
		k.open(bob, ticket.Draft{})
	}
	_, err := k.desk.Deliver(t.Context())
	t.Log(err)
	n := len(k.sent.Sent())
	for range 60 {
		k.clock.Advance(2 * time.Hour)
		_, _ = k.desk.Deliver(t.Context())
	}
	t.Logf("sent at first %d, after 60 passes (5 days) %d of 20", n, len(k.sent.Sent()))
	for _, d := range k.told(ticket.DeliveryQuery{Ticket: s.bad}) {
		t.Log(d.State, d.Attempts, d.Report(nil))
	}
	require.Positive(t, n, "others must go on")
}

// Who is the requester no longer is told the new subject.
func TestRelayFormerRequester(t *testing.T) {
	k := newKit(t)
	eve := ticket.Person{ID: "eve", Email: "eve@example.org"}
	tk := k.open(lin, ticket.Draft{Requester: eve, Subject: "s"})
	k.do(lin, tk, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{Requester: ada.Person, Subject: "Ada's salary"}})
	k.deliver()
	for _, n := range k.sent.Sent() {
		if n.To.Person.ID == "eve" {
			require.NotContains(t, n.Subject, "salary", "%s to eve", n.Kind)
		}
	}
}

// Acting by a link gives the person's address.
func TestRelayLinkGivesAddress(t *testing.T) {
	k := newKit(t, withLinks(1))
	tk := k.open(ticket.Requester(ticket.Person{ID: "c1", Email: "ada@example.org", Phone: "+49 1"}), ticket.Draft{})
	h := ticket.StatusLinkHolder(k.link(ada, tk, ticket.StatusLinkRequest{Scope: ticket.StatusLinkReply}))
	got, err := k.desk.Do(t.Context(), h, tk.ID, ticket.Action{Name: ticket.ActionReply, Message: "m"})
	require.NoError(t, err)
	require.NotContains(t, asJSON(t, got), "ada@example.org")
}

// What Config.ExtraRecipients gives is checked, and nobody is told twice.
func TestRelayCopies(t *testing.T) {
	for name, tc := range map[string]struct {
		to    []ticket.Recipient
		fails bool
	}{
		"told already": {to: []ticket.Recipient{{Person: ticket.Person{Email: "ADA@example.org"}}}},
		"nobody":       {to: []ticket.Recipient{{}}, fails: true},
		"a header":     {to: []ticket.Recipient{{Person: ticket.Person{Email: "x@example.org\r\nBcc: all@example.org"}}}, fails: true},
		"no UTF-8":     {to: []ticket.Recipient{{Person: ticket.Person{Name: "\xff", ID: "x"}}}, fails: true},
		"too many":     {to: make([]ticket.Recipient, 101), fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKit(t, func(c *ticket.Config) {
				c.ExtraRecipients = func(ticket.Ticket, ticket.Kind) []ticket.Recipient { return tc.to }
			})
			_, err := k.desk.Open(t.Context(), ada, ticket.Draft{Subject: "s"})
			if tc.fails {
				require.ErrorIs(t, err, ticket.ErrInvalid)
				require.Empty(t, k.told(ticket.DeliveryQuery{}))
				return
			}
			require.NoError(t, err)
			require.Len(t, k.told(ticket.DeliveryQuery{}), 2)
		})
	}
}

// Short links, config
func TestRelaySmall(t *testing.T) {
	k := newKit(t, withLinks(1))
	k.clock.Advance(50 * time.Second)
	tk := k.open(ada, ticket.Draft{})
	_, err := k.track(ticket.StatusLinkHolder(k.link(ada, tk, ticket.StatusLinkRequest{TTL: 30 * time.Second})), "")
	if err != nil {
		t.Error("short:", err)
	}
	_, err = k.track(ticket.StatusLinkHolder(""), "")
	if !errors.Is(err, ticket.ErrStatusLink) {
		t.Error("empty token:", err)
	}
	_, err = ticket.NewDesk(memstore.New(), ticket.Config{Notifiers: map[string]ticket.Notifier{"a\x00b\n": ticket.LogNotifier{}}})
	if err == nil {
		t.Error("notifier's name with NUL is taken")
	}
	func() {
		defer func() {
			if p := recover(); p != nil {
				t.Error("batch:", p)
			}
		}()
		cfg := tickettest.Config(k.clock, k.sent)
		cfg.Relay.Batch = math.MaxInt
		d, err := ticket.NewDesk(memstore.New(), cfg)
		if err == nil {
			_ = d
			t.Error("batch of 1<<50 is taken")
		}
	}()
}

// A stopped timer is an event of the stream, and nobody is woken.
func TestRelayStopTimerWakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stream := tickettest.NewRecorder()
		spec := ticket.DefaultWorkflow()
		spec.Name = "own"
		w, err := spec.Compile(nil)
		require.NoError(t, err)
		_ = w
		desk, err := ticket.NewDesk(memstore.New(), ticket.Config{Logger: slog.New(slog.DiscardHandler), Policy: noClose{},
			Notifiers: map[string]ticket.Notifier{"s": stream}, EventNotifiers: []string{"s"}, Relay: ticket.Relay{Poll: 10 * time.Hour}})
		require.NoError(t, err)
		tk, err := desk.Open(t.Context(), ada, ticket.Draft{Subject: "s"})
		require.NoError(t, err)
		_, err = desk.Do(t.Context(), lin, tk.ID, ticket.Action{Name: ticket.ActionResolve, Message: "m"})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- desk.Run(ctx) }()
		synctest.Wait()
		n := len(stream.Sent())
		time.Sleep(7*24*time.Hour + time.Minute)
		_, err = desk.FireTimers(t.Context())
		require.NoError(t, err)
		synctest.Wait()
		time.Sleep(time.Second)
		got := len(stream.Sent())
		tt, _ := desk.Get(t.Context(), cron, tk.ID)
		t.Logf("events %d, sent before %d, after %d", tt.Version, n, got)
		cancel()
		require.ErrorIs(t, <-done, context.Canceled)
		require.EqualValues(t, tt.Version, got)
	})
}

type noClose struct{ ticket.DefaultPolicy }

func (noClose) MayDo(_ ticket.Actor, _ ticket.Ticket, a ticket.ActionName) error {
	if a == ticket.ActionClose {
		return errors.New("no")
	}
	return nil
}

func TestRelayPoisonedBriefUnderRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &badBrief{Store: memstore.New()}
		sent := tickettest.NewRecorder()
		cfg := ticket.Config{Logger: slog.New(slog.DiscardHandler), Notifiers: map[string]ticket.Notifier{"": sent}, Relay: ticket.Relay{Poll: 20 * time.Second}}
		desk, err := ticket.NewDesk(s, cfg)
		require.NoError(t, err)
		tk, err := desk.Open(t.Context(), ada, ticket.Draft{Subject: "s"})
		require.NoError(t, err)
		s.bad = tk.ID
		for range 10 {
			_, err := desk.Open(t.Context(), bob, ticket.Draft{Subject: "s"})
			require.NoError(t, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- desk.Run(ctx) }()
		for _, d := range []time.Duration{time.Second, time.Minute, 10 * time.Minute, time.Hour} {
			time.Sleep(d)
			t.Logf("after another %v: %d of 20 sent", d, len(sent.Sent()))
		}
		time.Sleep(6 * 24 * time.Hour)
		page, _ := desk.Deliveries(t.Context(), cron, ticket.DeliveryQuery{Ticket: tk.ID})
		for _, d := range page.Deliveries {
			t.Log(d.State, d.Attempts, d.Failures, d.Report(nil))
		}
		cancel()
		require.ErrorIs(t, <-done, context.Canceled)
		require.Equal(t, ticket.DeliveryDead, page.Deliveries[0].State)
	})
}

func TestRelayToldTwice(t *testing.T) {
	k := newKit(t, func(c *ticket.Config) {
		c.ExtraRecipients = func(ticket.Ticket, ticket.Kind) []ticket.Recipient {
			return []ticket.Recipient{{Person: ticket.Person{Email: "Ada@Example.org"}}}
		}
	})
	tk := k.open(ada, ticket.Draft{})
	k.deliver()
	k.sent.Reset()
	k.do(lin, tk, ticket.Action{Name: ticket.ActionReply, Message: "m"})
	k.deliver()
	require.Len(t, k.sent.Sent(), 1)
}

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

func TestRelayRedriveOneRefused(t *testing.T) {
	var id ticket.ID
	k := newKit(t, func(c *ticket.Config) { c.Policy = noRedrive{id: &id} })
	k.sent.FailWith(func(ticket.Notification) error { return ticket.Permanent(errors.New("x")) })
	k.open(ada, ticket.Draft{})
	id = k.open(ada, ticket.Draft{}).ID
	k.open(ada, ticket.Draft{})
	_, _ = k.desk.Deliver(t.Context())
	n, err := k.desk.Redrive(t.Context(), lin, ticket.DeliveryQuery{})
	t.Log(n, err)
	require.Equal(t, 4, n)
}

// Settling is refused for hours: what was delivered is at last "dead", unseen as sent.
type noSettle struct{ ticket.Store }

func (noSettle) Settle(context.Context, []ticket.Settlement) error { return errors.New("disk full") }

func TestRelayShutdownWhileSettlingHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sent := tickettest.NewRecorder()
		desk, err := ticket.NewDesk(noSettle{memstore.New()}, ticket.Config{Logger: slog.New(slog.DiscardHandler),
			Notifiers: map[string]ticket.Notifier{"": sent}, Relay: ticket.Relay{Lease: 20 * time.Minute}})
		require.NoError(t, err)
		done := make(chan error)
		go func() { done <- desk.Run(t.Context()) }()
		_, err = desk.Open(t.Context(), ada, ticket.Draft{Subject: "s"})
		require.NoError(t, err)
		time.Sleep(time.Second)
		begin := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err = desk.Shutdown(ctx)
		took := time.Since(begin)
		t.Log(took, err)
		require.NoError(t, <-done)
		require.Less(t, took, 10*time.Second)
	})
}

// A receipt for every upload, whatever the number.
func TestRelayUploadsBeyondTheCap(t *testing.T) {
	k := newKit(t)
	tk := k.open(ada, ticket.Draft{})
	for range 25 {
		_, err := k.desk.Do(t.Context(), ada, tk.ID, ticket.Action{Name: ticket.ActionReply, Attachments: []ticket.Attachment{{Name: "a"}}})
		require.NoError(t, err)
		k.deliver()
	}
	_, err := k.desk.Do(t.Context(), lin, tk.ID, ticket.Action{Name: ticket.ActionResolve, Message: "done"})
	require.NoError(t, err)
	k.deliver()
	k.clock.Advance(48 * time.Hour)
	k.deliver()
	k.sent.RequireSent(t, ticket.KindSolved, "ada@example.org")
}

// A queue's mailbox that answers opens a ticket each time.
func TestRelayQueueMailboxThatAnswers(t *testing.T) {
	k := newKit(t, func(c *ticket.Config) {
		c.Profile = func(_ context.Context, _ string, to ticket.Recipient, _ ticket.Kind) (p ticket.Profile, err error) {
			if to.Person.IsZero() {
				p.Person.Email = "queue@example.org"
			}
			return p, nil
		}
	})
	box := ticket.Requester(ticket.Person{Email: "queue@example.org"})
	k.open(ada, ticket.Draft{})
	rounds := 0
	for range 300 {
		k.deliver()
		sent := k.sent.Sent()
		k.sent.Reset()
		n := 0
		for _, s := range sent {
			if s.Kind == ticket.KindQueued {
				n++
			}
		}
		if n == 0 {
			break
		}
		for range n {
			k.open(box, ticket.Draft{Message: "away", Automatic: true})
		}
		rounds++
	}
	require.Less(t, rounds, 3)
}

// An address that the profile has put right stays suppressed.
func TestRelayBouncedThenMoved(t *testing.T) {
	addr := "old@example.org"
	k := newKit(t, func(c *ticket.Config) {
		c.Profile = func(context.Context, string, ticket.Recipient, ticket.Kind) (ticket.Profile, error) {
			return ticket.Profile{Person: ticket.Person{Email: addr}}, nil
		}
	})
	k.sent.FailWith(func(n ticket.Notification) error {
		if n.To.Person.Email == "old@example.org" && n.To.Role == ticket.RoleRequester {
			return ticket.Bounce(errors.New("550"))
		}
		return nil
	})
	who := ticket.Requester(ticket.Person{ID: "c5"})
	k.open(who, ticket.Draft{})
	k.deliver()
	addr = "new@example.org"
	k.open(who, ticket.Draft{})
	k.deliver()
	k.sent.RequireSent(t, ticket.KindReceived, "new@example.org")
}

// The requester's own new address ends all its links.
func TestRelayLinkDiesWithNewAddress(t *testing.T) {
	k := newKit(t, withLinks(1))
	tk := k.open(ada, ticket.Draft{})
	h := ticket.StatusLinkHolder(k.link(ada, tk, ticket.StatusLinkRequest{}))
	k.do(lin, tk, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{Requester: ticket.Person{ID: "c1", Name: "Ada", Email: "ada@example.com"}}})
	_, err := k.track(h, "")
	require.NoError(t, err, "the same person, by ID")
}

// Who stays behind at a merge is told a number it may not know.
func TestRelayIntoForThoseLeftBehind(t *testing.T) {
	k := newKit(t)
	vic := inOrg("vic", "vendor")
	a := k.open(inOrg("eve", "x"), ticket.Draft{Followers: []ticket.Person{vic.Person}})
	b := k.open(inOrg("kim", "x"), ticket.Draft{})
	k.do(super, a, ticket.Action{Name: ticket.ActionMerge, Ticket: b.ID})
	k.cannotSee(vic, b)
	k.deliver()
	require.Empty(t, k.sent.RequireSent(t, ticket.KindMerged, "vic@example.org").Into)
}

// Same mailbox, two people: the link of one acts as the other.
func TestRelayLinkOfSharedMailbox(t *testing.T) {
	k := newKit(t, withLinks(1))
	a := ticket.Requester(ticket.Person{ID: "a", Email: "team@example.org"})
	b := ticket.Requester(ticket.Person{ID: "b", Email: "team@example.org"})
	tk := k.open(a, ticket.Draft{Followers: []ticket.Person{b.Person}})
	h := ticket.StatusLinkHolder(k.link(b, tk, ticket.StatusLinkRequest{Scope: ticket.StatusLinkReply}))
	_, err := k.desk.Do(t.Context(), h, tk.ID, ticket.Action{Name: ticket.ActionReply, Message: "m"})
	require.NoError(t, err)
	e := k.events(cron, tk)
	require.Equal(t, "b", e[len(e)-1].Actor.ID)
}

type blip struct {
	ticket.Store
	fail atomic.Int64
	n    atomic.Int64
}

func (s *blip) Claim(ctx context.Context, r ticket.ClaimRequest) ([]ticket.Delivery, error) {
	s.n.Add(1)
	if s.fail.Add(-1) >= 0 {
		return nil, errors.New("connection reset")
	}
	return s.Store.Claim(ctx, r)
}

// One error of the store at the wrong moment ends a notifier's work for ever.
func TestRelayOneErrorStopsTheCourier(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &blip{Store: memstore.New()}
		sent := tickettest.NewRecorder()
		desk, err := ticket.NewDesk(s, ticket.Config{Logger: slog.New(slog.DiscardHandler), Notifiers: map[string]ticket.Notifier{"": sent}})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- desk.Run(ctx) }()
		time.Sleep(10*time.Second + 500*time.Millisecond)
		s.fail.Store(1) // one failing claim, at a tick
		time.Sleep(time.Minute)
		before := s.n.Load()
		for range 5 {
			_, err = desk.Open(t.Context(), ada, ticket.Draft{Subject: "s"})
			require.NoError(t, err)
		}
		time.Sleep(24 * time.Hour)
		got, claims := len(sent.Sent()), s.n.Load()-before
		cancel()
		require.ErrorIs(t, <-done, context.Canceled)
		t.Logf("claims in the day after: %d; sent %d of 10", claims, got)
		require.Equal(t, 10, got)
	})
}
