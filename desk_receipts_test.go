package ticket_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/memstore"
	"github.com/ticketkit/ticket/tickettest"
)

// The digest in a receipt cannot be computed from the request alone.
func TestReceiptsAreKeyed(t *testing.T) {
	ctx := t.Context()
	agent := ticket.Agent("lin", 1)
	draft := ticket.Draft{Subject: "Printer", Requester: ticket.Person{ID: "c-1"}, Key: "k"}
	kept := func(cfg ticket.Config) ticket.Receipt {
		store := memstore.New()
		desk, err := ticket.NewDesk(store, cfg)
		require.NoError(t, err)
		_, err = desk.Open(ctx, agent, draft)
		require.NoError(t, err)
		r, err := store.Receipt(ctx, "", "k")
		require.NoError(t, err)
		return r
	}
	bare := kept(ticket.Config{})
	require.False(t, bare.Keyed)
	require.Equal(t, bare.Request, kept(ticket.Config{}).Request)
	seen := map[ticket.Digest]bool{bare.Request: true}
	for _, cfg := range []ticket.Config{
		{ReceiptKey: []byte("one")}, {ReceiptKey: []byte("another")}, {ChainKey: []byte("one")}, {ChainKey: []byte("another")},
	} {
		r := kept(cfg)
		require.True(t, r.Keyed)
		require.Equal(t, r.Request, kept(cfg).Request, "the same in every process")
		require.False(t, seen[r.Request])
		seen[r.Request] = true
	}
	require.Equal(t, kept(ticket.Config{ReceiptKey: []byte("one")}).Request, kept(ticket.Config{ReceiptKey: []byte("one"), ChainKey: []byte("two")}).Request)
}

// Receipts from the time before there was a key are recognised, before and after they
// are keyed.
func TestOldReceiptsAreKeyed(t *testing.T) {
	ctx := t.Context()
	agent := ticket.Agent("lin", 1)
	draft := ticket.Draft{Subject: "Printer", Requester: ticket.Person{ID: "c-1"}, Key: "k"}
	other := draft
	other.Subject = "Another"
	store := memstore.New()
	old, err := ticket.NewDesk(store, ticket.Config{})
	require.NoError(t, err)
	tk, err := old.Open(ctx, agent, draft)
	require.NoError(t, err)
	bare, err := store.Receipt(ctx, "", "k")
	require.NoError(t, err)
	desk, err := ticket.NewDesk(store, ticket.Config{ReceiptKey: []byte("key")})
	require.NoError(t, err)
	check := func() {
		again, err := desk.Open(ctx, agent, draft)
		require.NoError(t, err)
		require.Equal(t, tk.ID, again.ID)
		_, err = desk.Open(ctx, agent, other)
		require.ErrorIs(t, err, ticket.ErrDuplicate)
	}
	check()
	n, err := desk.PruneReceipts(ctx)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	r, err := store.Receipt(ctx, "", "k")
	require.NoError(t, err)
	require.True(t, r.Keyed)
	require.NotEqual(t, bare.Request, r.Request)
	check()
	n, err = desk.PruneReceipts(ctx)
	require.NoError(t, err)
	require.Zero(t, n)
}

// A key is remembered for Config.ReceiptAge.
func TestReceiptsAreForgotten(t *testing.T) {
	for _, c := range []struct {
		age, after time.Duration
		gone       bool
	}{
		{0, 30*24*time.Hour - time.Second, false}, {0, 30*24*time.Hour + time.Second, true},
		{time.Hour, 59 * time.Minute, false}, {time.Hour, 61 * time.Minute, true},
		{-1, 100 * 365 * 24 * time.Hour, false},
	} {
		clock := tickettest.NewClock()
		cfg := tickettest.Config(clock, nil)
		cfg.ReceiptAge, cfg.ReceiptKey = c.age, []byte("key")
		store := memstore.New()
		desk, err := ticket.NewDesk(store, cfg)
		require.NoError(t, err)
		_, err = desk.Open(t.Context(), ticket.Agent("lin", 1), ticket.Draft{Subject: "s", Requester: ticket.Person{ID: "c-1"}, Key: "k"})
		require.NoError(t, err)
		clock.Advance(c.after)
		_, err = desk.PruneReceipts(t.Context())
		require.NoError(t, err)
		_, err = store.Receipt(t.Context(), "", "k")
		if c.gone {
			require.ErrorIs(t, err, ticket.ErrNotFound)
		} else {
			require.NoError(t, err)
		}
	}
}

// Run prunes receipts by itself. PruneReceipts fails on a store that cannot
// prune.
func TestRunForgetsReceipts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		desk, err := ticket.NewDesk(store, ticket.Config{ReceiptAge: 90 * time.Minute})
		require.NoError(t, err)
		_, err = desk.Open(t.Context(), ticket.Agent("lin", 1), ticket.Draft{Subject: "s", Requester: ticket.Person{ID: "c-1"}, Key: "k"})
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 150*time.Minute)
		defer cancel()
		_ = desk.Run(ctx)
		_, err = store.Receipt(t.Context(), "", "k")
		require.ErrorIs(t, err, ticket.ErrNotFound)
	})
	plain, err := ticket.NewDesk(struct{ ticket.Store }{memstore.New()}, ticket.Config{})
	require.NoError(t, err)
	_, err = plain.PruneReceipts(t.Context())
	require.ErrorContains(t, err, "age of receipts")
}

func TestAKeyMakesARepeatHarmless(t *testing.T) {
	k := newKit(t)
	draft := ticket.Draft{Subject: "Parcel lost", Key: "form-1", Fields: ticket.Fields{"order": 7}}
	a := k.open(ada, draft)
	k.clock.Advance(time.Hour)
	b := k.open(ada, draft)
	require.Equal(t, a.ID, b.ID)
	require.Equal(t, a.Number, b.Number)
	draft.Subject = "Something else"
	_, err := k.desk.Open(t.Context(), ada, draft)
	require.ErrorIs(t, err, ticket.ErrDuplicate)
	var dup *ticket.DuplicateError
	require.ErrorAs(t, err, &dup)
	require.True(t, dup.Reused)
	draft.Subject = "Parcel lost"
	_, err = k.desk.Open(t.Context(), bob, draft)
	require.ErrorIs(t, err, ticket.ErrDuplicate, "another person's key is no way to its ticket")
	c := k.open(ada.InTenant("other"), draft)
	require.NotEqual(t, a.ID, c.ID, "keys are per tenant")

	// A repeat is recognised even if the workflow would refuse it now.
	take := ticket.Action{Name: ticket.ActionResolve, Message: "found", Key: "resolve-1"}
	k.do(lin, a, take)
	k.do(ada, a, ticket.Action{Name: ticket.ActionConfirm})
	again := k.do(lin, a, take)
	require.Equal(t, ticket.StatusClosed, again.Status, "the ticket as it stands now")
	require.EqualValues(t, 3, again.Version)

	var wg sync.WaitGroup
	ids := make([]ticket.ID, 16)
	for i := range ids {
		wg.Go(func() {
			got, err := k.desk.Open(t.Context(), ada, ticket.Draft{Subject: "x", Key: "at once"})
			if err != nil {
				t.Errorf("%v", err)
			}
			ids[i] = got.ID
		})
	}
	wg.Wait()
	require.Len(t, slices.Compact(ids), 1)
}

// lossy is a store whose answer to a commit gets lost on the way, and perhaps
// the next question too.
type lossy struct {
	ticket.Store
	lose, down bool
}

func (s *lossy) Commit(ctx context.Context, c ticket.Commit) error {
	err := s.Store.Commit(ctx, c)
	if s.lose && err == nil {
		s.lose = false
		return errLost
	}
	return err
}

func (s *lossy) Receipt(ctx context.Context, tenant, key string) (ticket.Receipt, error) {
	if s.down && !s.lose {
		s.down = false
		return ticket.Receipt{}, errLost
	}
	return s.Store.Receipt(ctx, tenant, key)
}

var errLost = errors.New("connection lost")

func TestARepeatAfterALostAnswerFindsTheTicket(t *testing.T) {
	s := &lossy{Store: memstore.New()}
	k := newKitOn(t, s)
	only := func(n int) {
		t.Helper()
		all, err := k.desk.List(t.Context(), ada, ticket.Query{})
		require.NoError(t, err)
		require.Len(t, all.Tickets, n)
	}
	s.lose = true
	k.open(ada, ticket.Draft{Key: "changed by the desk"})
	only(1)

	s.lose, s.down = true, true
	d := ticket.Draft{Subject: "Parcel lost", Key: "changed by the caller"}
	_, err := k.desk.Open(t.Context(), ada, d)
	require.ErrorIs(t, err, errLost)
	tk := k.open(ada, d)
	require.EqualValues(t, 1, tk.Version)
	only(2)

	s.lose = true
	_, err = k.desk.Open(t.Context(), ada, ticket.Draft{Subject: "no key, no promise"})
	require.ErrorIs(t, err, errLost)
	only(3)
}

func TestARepeatIsAnsweredThoughTheTicketMovedOn(t *testing.T) {
	k := newKit(t)
	hw := ticket.Agent("h", 1).Serving("hw")
	draft := ticket.Draft{Requester: ada.Person, Subject: "s", Queue: "billing", Key: "k1"}
	tk := k.open(hw, draft)
	require.Equal(t, tk.ID, k.open(hw, draft).ID, "though it is out of the agent's sight")

	until := time.Date(2026, 2, 1, 0, 0, 0, 0, time.FixedZone("far", 26*3600))
	other := k.open(ada, ticket.Draft{})
	hold := ticket.Action{Name: ticket.ActionHold, Reason: "vendor", Until: until, Key: "k2"}
	k.do(lin, other, hold)
	require.True(t, until.Equal(k.get(other).Timer.At))
	hold.Reason = "something else"
	k.refused(lin, other, hold, ticket.ErrDuplicate)
	k.refused(super, other, ticket.Action{Name: ticket.ActionHold, Reason: "vendor", Until: until, Key: "k2"}, ticket.ErrDuplicate)
	far := time.Date(9999, 12, 31, 23, 0, 0, 0, time.FixedZone("west", -12*3600))
	k.refused(lin, other, ticket.Action{Name: ticket.ActionHold, Reason: "r", Until: far}, ticket.ErrInvalid)
}

// slowReceipt does not see a receipt at the first look, as when the commit of
// the same request comes in between.
type slowReceipt struct {
	ticket.Store
	looks int
}

func (s *slowReceipt) Receipt(ctx context.Context, tenant, key string) (ticket.Receipt, error) {
	if s.looks++; s.looks == 1 {
		return ticket.Receipt{}, &ticket.NotFoundError{What: "receipt", Ref: key}
	}
	return s.Store.Receipt(ctx, tenant, key)
}

func TestARepeatIsRecognisedThoughItWouldBeRefusedNow(t *testing.T) {
	s := &slowReceipt{Store: memstore.New()}
	k := newKitOn(t, s)
	tk := k.open(lin, ticket.Draft{Requester: ada.Person, Solution: "s"})
	confirm := ticket.Action{Name: ticket.ActionConfirm, Key: "k"}
	s.looks = 1
	k.do(ada, tk, confirm)
	s.looks = 0
	require.Equal(t, ticket.StatusClosed, k.do(ada, tk, confirm).Status)
}

// A repeat returns no more than the first request did, unless the actor may
// still see the ticket.
func TestARepeatReadsWhatTheActorMaySee(t *testing.T) {
	for name, store := range stores() {
		t.Run(name, func(t *testing.T) {
			k := newKitOn(t, store())
			front, hr := ticket.Agent("lin", 1).Serving("front"), ticket.Agent("kim", 1).Serving("hr")
			tk := k.open(ada, ticket.Draft{Queue: "front"})
			act := ticket.Action{Name: ticket.ActionHandOver, Queue: "hr", Key: "k1"}
			first, err := k.desk.Do(t.Context(), front, tk.ID, act)
			require.NoError(t, err)
			k.do(hr, tk, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{
				Subject: "Salary", Fields: ticket.Fields{"salary": int64(91000)}, AddTags: []string{"dismissal"},
			}})
			again, err := k.desk.Do(t.Context(), front, tk.ID, act)
			require.NoError(t, err)
			require.True(t, first.Equal(again), "as it was then: %+v", again)

			// If the actor may see the ticket again, the repeat returns it as
			// it is now.
			k.do(hr, tk, ticket.Action{Name: ticket.ActionAssign, Assignee: "lin"})
			again, err = k.desk.Do(t.Context(), front, tk.ID, act)
			require.NoError(t, err)
			require.Equal(t, "Salary", again.Subject)
		})
	}
}

// A customer who was removed from a ticket reads nothing that came later.
func TestARepeatBySomebodyRemovedFromTheTicket(t *testing.T) {
	k := newKit(t)
	tk := k.open(ada, ticket.Draft{Followers: []ticket.Person{bob.Person}})
	act := ticket.Action{Name: ticket.ActionReply, Message: "m", Key: "k"}
	k.do(bob, tk, act)
	k.do(lin, tk, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{Subject: "Secret", Unfollow: []ticket.Person{bob.Person}}})
	again, err := k.desk.Do(t.Context(), bob, tk.ID, act)
	require.NoError(t, err)
	require.NotEqual(t, "Secret", again.Subject)
}

// beaten is a store whose commits fail because their key is already used, and
// which cannot then read the receipt of that key.
type beaten struct {
	ticket.Store
	lost bool
}

func (s *beaten) Commit(context.Context, ticket.Commit) error {
	s.lost = true
	return &ticket.DuplicateError{What: "key"}
}

func (s *beaten) Receipt(ctx context.Context, tenant, key string) (ticket.Receipt, error) {
	if s.lost {
		return ticket.Receipt{}, context.DeadlineExceeded
	}
	return s.Store.Receipt(ctx, tenant, key)
}

// If the use of a key cannot be read, Open returns that error and not ErrDuplicate:
// perhaps it was this very request.
func TestAKeyOfWhichNothingCanBeRead(t *testing.T) {
	k := newKitOn(t, &beaten{Store: memstore.New()})
	_, err := k.desk.Open(t.Context(), ada, ticket.Draft{Subject: "s", Message: "m", Key: "k"})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NotErrorIs(t, err, ticket.ErrDuplicate)
}

// Two requests with one key run at the same time. The one that fails learns whether
// the other was the same request, whatever made it fail, and also in a transaction
// of your application.
func TestAKeyThatOthersUseMeanwhile(t *testing.T) {
	reply := func(key string, words ticket.Message) ticket.Action {
		return ticket.Action{Name: ticket.ActionReply, Key: key, Message: words}
	}
	for name, c := range map[string]struct {
		theirs func(k *kit, t ticket.Ticket) error
		reused bool
	}{
		"the same request": {func(k *kit, t ticket.Ticket) error {
			_, err := k.desk.Do(k.Context(), ada, t.ID, reply("key", "mine"))
			return err
		}, false},
		"another on the same ticket": {func(k *kit, t ticket.Ticket) error {
			_, err := k.desk.Do(k.Context(), ada, t.ID, reply("key", "yours"))
			return err
		}, true},
		"another on another ticket": {func(k *kit, _ ticket.Ticket) error {
			_, err := k.desk.Open(k.Context(), bob, ticket.Draft{Subject: "s", Key: "key"})
			return err
		}, true},
		"another, by which mine is not possible any more": {func(k *kit, t ticket.Ticket) error {
			_, err := k.desk.Do(k.Context(), lin, t.ID, ticket.Action{Name: ticket.ActionCancel, Key: "key", Reason: "withdrawn", Message: "m"})
			return err
		}, true},
		"another, by which mine is late": {func(k *kit, t ticket.Ticket) error {
			_, err := k.desk.Do(k.Context(), lin, t.ID, ticket.Action{Name: ticket.ActionReply, Key: "key", Message: "m"})
			return err
		}, true},
	} {
		for _, bound := range []bool{false, true} {
			for _, pinned := range []bool{false, true} {
				for at := 1; ; at++ {
					s := &meanwhile{Store: memstore.New()}
					k := newKitOn(t, s)
					tk := k.open(ada, ticket.Draft{})
					tk = k.do(lin, tk, ticket.Action{Name: ticket.ActionTake})
					desk := k.desk
					if bound {
						desk = desk.WithStore(s)
					}
					done := false
					s.at, s.do = at, func() {
						done = true
						require.NoError(t, c.theirs(k, tk), name)
					}
					mine := reply("key", "mine")
					if pinned {
						mine.Version = tk.Version
					}
					if pinned && name == "the same request" {
						break // it is another, without the pin
					}
					_, err := desk.Do(t.Context(), ada, tk.ID, mine)
					if !done {
						break
					}
					if !c.reused {
						require.NoError(t, err, "%s, bound %v, before call %d", name, bound, at)
						continue
					}
					dup, ok := errors.AsType[*ticket.DuplicateError](err)
					require.True(t, ok, "%s, bound %v, pinned %v, before call %d: %v", name, bound, pinned, at, err)
					require.True(t, dup.Reused, "%s, bound %v, pinned %v, before call %d: %v", name, bound, pinned, at, err)
				}
			}
		}
	}
}

// Who repeats a request because its answer was lost may have read the ticket again: the version
// that was seen is no part of the request.
func TestRepeatMayBePinnedToAnotherVersion(t *testing.T) {
	desk := newKit(t).desk
	ctx := t.Context()
	opened, err := desk.Open(ctx, ada, ticket.Draft{Subject: "x"})
	require.NoError(t, err)
	act := ticket.Action{Name: ticket.ActionReply, Message: "here", Key: "k", Version: opened.Version}
	_, err = desk.Do(ctx, ada, opened.ID, act)
	require.NoError(t, err)
	for _, version := range []int64{opened.Version, opened.Version + 1, opened.Version + 100, 0} {
		act.Version = version
		_, err := desk.Do(ctx, ada, opened.ID, act)
		require.NoError(t, err)
	}
	act.Message = "something else"
	_, err = desk.Do(ctx, ada, opened.ID, act)
	var used *ticket.DuplicateError
	require.ErrorAs(t, err, &used)
	require.True(t, used.Reused)
	now, err := desk.Get(ctx, lin, opened.ID)
	require.NoError(t, err)
	require.EqualValues(t, 2, now.Version)
}
