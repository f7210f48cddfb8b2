package dbtests_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/sqlstore"
)

var (
	privacy   = ticket.System("privacy")
	eraseAda  = ticket.Requester(ticket.Person{ID: "c-1", Name: "Ada Byron", Email: "ada@example.org"})
	erasedBob = ticket.Requester(ticket.Person{ID: "c-2", Name: "Bob", Email: "bob@example.org"})
)

// allOf returns everything that a store returns of a ticket, as JSON.
func allOf(t *testing.T, s ticket.Store, tenant string, id ticket.ID) string {
	t.Helper()
	tk, err := s.Ticket(t.Context(), tenant, id)
	require.NoError(t, err)
	events, err := s.Events(t.Context(), tenant, id, 0, 0)
	require.NoError(t, err)
	page, err := s.Deliveries(t.Context(), ticket.DeliveryQuery{Tenant: tenant, Ticket: id, Limit: ticket.MaxLimit})
	require.NoError(t, err)
	text, err := json.Marshal([]any{tk, events, page.Deliveries})
	require.NoError(t, err)
	return string(text)
}

// An erasing desk is a desk whose clock the test moves.
type erasingDesk struct {
	*ticket.Desk
	store *sqlstore.Store
	now   time.Time
}

func newErasingDesk(t *testing.T, s *sqlstore.Store) *erasingDesk {
	t.Helper()
	d := &erasingDesk{store: s, now: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)}
	var err error
	d.Desk, err = ticket.NewDesk(s, ticket.Config{
		Now:       func() time.Time { return d.now },
		Notifiers: map[string]ticket.Notifier{"mail": ticket.NotifierFunc(func(context.Context, ticket.Notification) error { return nil })},
	})
	require.NoError(t, err)
	return d
}

// After any erasures in any histories: the chain and the fold hold, events that were not
// erased are the same bytes, nothing is left to erase, and the tickets go on.
func TestErasingAtRandom(t *testing.T) {
	t.Parallel()
	each(t, backends, func(t *testing.T, b backend) {
		s, db := b.open(t, b.search()...)
		for seed := range uint64(8) {
			t.Run(fmt.Sprint(seed), func(t *testing.T) {
				if seed%2 == 1 { // the same in a transaction of the application
					tx, err := db.BeginTx(t.Context(), nil)
					require.NoError(t, err)
					defer func() { require.NoError(t, tx.Commit()) }()
					eraseAtRandom(t, s.WithTx(tx), seed)
					return
				}
				eraseAtRandom(t, s, seed)
			})
		}
	})
}

func eraseAtRandom(t *testing.T, s *sqlstore.Store, seed uint64) {
	t.Helper()
	ctx := t.Context()
	tenant := fmt.Sprint("t", seed)
	d := newErasingDesk(t, s)
	r := rand.New(rand.NewPCG(seed, 13))
	people := []ticket.Actor{
		eraseAda.InTenant(tenant), erasedBob.InTenant(tenant),
		ticket.Requester(ticket.Person{Email: "ADA@EXAMPLE.org"}).InTenant(tenant), ticket.Requester(ticket.Person{Phone: "+49 1", ID: "c-4"}).InTenant(tenant),
	}
	privacy := privacy.InTenant(tenant)
	var tickets []ticket.Ticket
	for i := range 5 {
		draft := ticket.Draft{Subject: "words", Message: "words", Fields: ticket.Fields{"f": "v"}, Key: fmt.Sprint("key ", i)}
		if r.IntN(2) == 0 {
			draft.Followers = []ticket.Person{people[r.IntN(4)].Person}
		}
		tk, err := d.Open(ctx, people[r.IntN(4)], draft)
		require.NoError(t, err)
		tickets = append(tickets, tk)
	}
	for range 30 {
		d.act(t, r, people, tickets)
	}
	docs := func(id ticket.ID) (list []string, events []ticket.Event) {
		events, err := s.Events(ctx, tenant, id, 0, 0)
		require.NoError(t, err)
		for _, e := range events {
			doc, err := json.Marshal(e)
			require.NoError(t, err)
			list = append(list, string(doc))
		}
		return list, events
	}
	before := map[ticket.ID][]string{}
	for _, tk := range tickets {
		before[tk.ID], _ = docs(tk.ID)
	}
	request := ticket.Erasure{Person: eraseAda.Person, Reason: "x"}
	if r.IntN(3) == 0 {
		request = ticket.Erasure{Ticket: tickets[r.IntN(5)].ID, Reason: "x"}
	}
	report, err := d.Erase(ctx, privacy, request)
	require.NoError(t, err)
	for _, done := range report.Tickets {
		_, err := s.Receipt(ctx, tenant, fmt.Sprint("key ", slices.IndexFunc(tickets, func(tk ticket.Ticket) bool { return tk.ID == done.Ticket })))
		require.ErrorIs(t, err, ticket.ErrNotFound)
	}
	for _, tk := range tickets {
		require.NoError(t, d.Verify(ctx, privacy, tk.ID))
		now, events := docs(tk.ID)
		erased := map[int64]bool{}
		for _, e := range events {
			if e.Set.Erased != nil {
				for _, seq := range e.Set.Erased.Events {
					erased[seq] = true
				}
			}
			require.False(t, request.Ticket.IsZero() && e.Names(eraseAda.Person))
		}
		for i, doc := range before[tk.ID] {
			if !erased[int64(i+1)] {
				require.Equal(t, doc, now[i])
			}
		}
		fold, err := ticket.Replay(events)
		require.NoError(t, err)
		stored, err := s.Ticket(ctx, tenant, tk.ID)
		require.NoError(t, err)
		require.True(t, stored.Equal(fold), "%+v\n%+v", stored, fold)
	}
	report, err = d.Erase(ctx, privacy, request)
	require.NoError(t, err)
	require.Empty(t, report.Tickets)
	page, err := s.List(ctx, ticket.Query{Tenant: tenant, Participant: eraseAda.Person, Stage: ticket.Stages()})
	require.NoError(t, err)
	if request.Ticket.IsZero() {
		require.Empty(t, page.Tickets)
	}
	for range 10 {
		d.act(t, r, people, tickets)
	}
	for _, tk := range tickets {
		require.NoError(t, d.Verify(ctx, privacy, tk.ID))
	}
}

// act performs a random action, which may be refused.
func (d *erasingDesk) act(t *testing.T, r *rand.Rand, people []ticket.Actor, tickets []ticket.Ticket) {
	t.Helper()
	d.now = d.now.Add(time.Minute)
	tk, person := tickets[r.IntN(len(tickets))], people[r.IntN(len(people))].Person
	edit := func(e ticket.Edits) ticket.Action { return ticket.Action{Name: ticket.ActionEdit, Edit: &e} }
	acts := []ticket.Action{
		{Name: ticket.ActionReply, Message: "words"},
		{Name: ticket.ActionNote, Note: "words"},
		{Name: ticket.ActionHold, Reason: "words"},
		{Name: ticket.ActionResolve, Message: "words", Reason: "words"},
		{Name: ticket.ActionReopen, Message: "words", Note: "words"},
		{Name: ticket.ActionMerge, Ticket: tickets[r.IntN(len(tickets))].ID},
		{Name: ticket.ActionUnmerge},
		edit(ticket.Edits{AddTags: []string{"a", "b"}[r.IntN(2):]}),
		edit(ticket.Edits{RemoveTags: []string{"a"}}),
		edit(ticket.Edits{Fields: ticket.Fields{"f": fmt.Sprint(r.IntN(3)), "g": nil}}),
		edit(ticket.Edits{Fields: ticket.Fields{"f": nil, "g": int64(1)}}),
		edit(ticket.Edits{Follow: []ticket.Person{person}}),
		edit(ticket.Edits{Unfollow: []ticket.Person{person}}),
		edit(ticket.Edits{Requester: person, Subject: "words"}),
	}
	agent := ticket.Agent("lin", 1).InTenant(people[0].Tenant)
	actors := slices.Concat(people, []ticket.Actor{agent, ticket.System("cron").InTenant(people[0].Tenant), agent})
	_, err := d.Do(t.Context(), actors[r.IntN(len(actors))], tk.ID, acts[r.IntN(len(acts))])
	if err != nil && !errors.Is(err, ticket.ErrRefused) && !errors.Is(err, ticket.ErrInvalid) && !errors.Is(err, ticket.ErrNotFound) {
		require.NoError(t, err)
	}
}

// Traces finds every spelling of a person, and nothing that only looks like one.
func TestTraces(t *testing.T) {
	t.Parallel()
	each(t, backends, func(t *testing.T, b backend) {
		s, _ := b.open(t)
		ctx := t.Context()
		d := newErasingDesk(t, s)
		people := []ticket.Person{
			{ID: "c-1"}, {ID: "C-1"}, {ID: "c%1"}, {ID: "c_1"}, {ID: "c11"}, {ID: "7"}, {ID: "77"}, {ID: `a"b\c`}, {ID: "<a&b>"}, {ID: "äöü"}, {ID: "Straße 1"}, {ID: "'"},
			{Email: "ada@example.org"}, {Email: "ADA@Example.ORG"}, {Email: "a_a@example.org"}, {Email: "ka@example.org"}, {Email: "\u212Aa@example.org"}, {Email: "o'hara@example.org"},
			{Phone: "+49 1"}, {Phone: "+49 12"}, {ID: "c-9", Email: "ada@example.org"}, {ID: "c-8", Phone: "+49 1"}, {Name: "Ada", Phone: "ада"},
		}
		var all []ticket.Ticket
		for i, p := range people {
			d.now = d.now.Add(time.Second)
			draft := ticket.Draft{Subject: "x"}
			actor := ticket.Requester(p)
			if i%2 == 1 { // as a follower
				actor, draft.Followers = ticket.Requester(ticket.Person{ID: fmt.Sprint("other ", i)}), []ticket.Person{p}
			}
			tk, err := d.Open(ctx, actor, draft)
			require.NoError(t, err, "%+v", p)
			all = append(all, tk)
			stored, err := s.Ticket(ctx, "", tk.ID)
			require.NoError(t, err)
			if people[i] = stored.Requester; i%2 == 1 {
				people[i] = stored.Followers[0]
			}
			_, err = d.Open(ctx, actor.InTenant("other"), draft)
			require.NoError(t, err)
		}
		for _, p := range people {
			var want []ticket.ID
			for i := range people {
				if p.Same(people[i]) {
					want = append(want, all[i].ID)
				}
			}
			require.NotEmpty(t, want, "%+v", p)
			got, err := s.Traces(ctx, "", p, ticket.ID{}, 100)
			require.NoError(t, err)
			require.Equal(t, want, got, "%+v", p)
			require.True(t, slices.IsSortedFunc(got, ticket.ID.Compare))
			got, err = s.Traces(ctx, "", p, want[0], 100)
			require.NoError(t, err)
			require.Equal(t, want[1:], append([]ticket.ID{}, got...))
			got, err = s.Traces(ctx, "", p, ticket.ID{}, 1)
			require.NoError(t, err)
			require.Equal(t, want[:1], got)
		}
		none, err := s.Traces(ctx, "", ticket.Person{Name: "Ada"}, ticket.ID{}, 100)
		require.NoError(t, err)
		require.Empty(t, none)
		none, err = s.Traces(ctx, "", people[0], ticket.ID{}, 0)
		require.NoError(t, err)
		require.Empty(t, none)
		over, cancel := context.WithCancel(ctx)
		cancel()
		_, err = s.Traces(over, "", people[0], ticket.ID{}, 1)
		require.ErrorIs(t, err, context.Canceled)
	})
}

// Traces looks through more tickets than one query does.
func TestTracesInParts(t *testing.T) {
	t.Parallel()
	each(t, databases, func(t *testing.T, b backend) {
		s, db := b.open(t)
		ctx := t.Context()
		var histories [][]ticket.Event
		for i := range 1203 {
			e := ticket.Event{Ticket: ticket.NewID(time.UnixMilli(int64(1e12) + int64(i))), Seq: 1, At: time.UnixMilli(1e12), Action: ticket.ActionOpen, Phase: "received"}
			e.Set.Number = ticket.Number(fmt.Sprintf("INC-%06d", i+1))
			e.Requester = ticket.Person{ID: fmt.Sprint("c-", i%400)}
			ticket.Chain{}.Seal(ticket.Digest{}, &e)
			histories = append(histories, []ticket.Event{e})
		}
		_, err := s.Import(ctx, func(yield func([]ticket.Event, error) bool) {
			for _, h := range histories {
				if !yield(h, nil) {
					return
				}
			}
		})
		require.NoError(t, err)
		var got []ticket.ID
		for after := (ticket.ID{}); ; after = got[len(got)-1] {
			ids, err := s.Traces(ctx, "", ticket.Person{ID: "c-399"}, after, 2)
			require.NoError(t, err)
			got = append(got, ids...)
			if len(ids) < 2 {
				break
			}
		}
		require.Equal(t, []ticket.ID{histories[399][0].Ticket, histories[799][0].Ticket, histories[1199][0].Ticket}, got)
		require.Zero(t, db.Stats().InUse)
	})
}

// An erasure loses against a change that came first, and against a used key before that.
func TestEraseRefuses(t *testing.T) {
	t.Parallel()
	each(t, backends, func(t *testing.T, b backend) {
		s, _ := b.open(t, b.search()...)
		ctx := t.Context()
		d := newErasingDesk(t, s)
		tk, err := d.Open(ctx, eraseAda, ticket.Draft{Subject: "x", Key: "used"})
		require.NoError(t, err)
		step := func(expect int64) ticket.EraseCommit {
			events, err := s.Events(ctx, "", tk.ID, 0, int(expect))
			require.NoError(t, err)
			erased := events[0].Erase(ticket.Groups{PublicContent: true, Identities: true})
			e := ticket.Event{Ticket: tk.ID, Seq: expect + 1, At: d.now, Action: ticket.ActionErase, To: tk.State(), Phase: tk.Phase}
			e.Set.Erased = &ticket.Erased{Events: []int64{1}, Reason: "x", Requester: true}
			ticket.Chain{}.Seal(events[len(events)-1].Digest, &e)
			fold, err := ticket.Replay(append([]ticket.Event{erased}, events[1:]...))
			require.NoError(t, err)
			return ticket.EraseCommit{Events: []ticket.Event{erased}, Commit: ticket.Commit{Changes: []ticket.Change{{Expect: expect, Ticket: ticket.Apply(fold, e), Events: []ticket.Event{e}}}}}
		}
		stale := step(1)
		d.now = d.now.Add(time.Second)
		_, err = d.Do(ctx, eraseAda, tk.ID, ticket.Action{Name: ticket.ActionReply, Message: "more"})
		require.NoError(t, err)
		before := allOf(t, s, "", tk.ID)
		require.ErrorIs(t, s.Erase(ctx, stale), ticket.ErrConflict)
		stale.Receipt = &ticket.Receipt{Key: "used", Ticket: tk.ID, Version: 2, Request: ticket.Digest{1}, At: d.now}
		require.ErrorIs(t, s.Erase(ctx, stale), ticket.ErrDuplicate)
		require.ErrorIs(t, s.Erase(ctx, ticket.EraseCommit{}), ticket.ErrInvalid)
		unknown := step(2)
		unknown.Changes[0].Ticket.Tenant = "other"
		require.ErrorIs(t, s.Erase(ctx, unknown), ticket.ErrConflict)
		require.Equal(t, before, allOf(t, s, "", tk.ID))
		_, err = s.Receipt(ctx, "", "used")
		require.NoError(t, err)
		require.NoError(t, s.Erase(ctx, step(2)))
		_, err = s.Receipt(ctx, "", "used")
		require.ErrorIs(t, err, ticket.ErrNotFound)
		events, err := s.Events(ctx, "", tk.ID, 0, 1)
		require.NoError(t, err)
		require.True(t, events[0].Seals.Identities.Erased())
	})
}

// A transaction of the application takes an erasure back as a whole.
func TestEraseIsRolledBack(t *testing.T) {
	t.Parallel()
	each(t, backends, func(t *testing.T, b backend) {
		s, db := b.open(t, b.search()...)
		ctx := t.Context()
		d := newErasingDesk(t, s)
		tk, err := d.Open(ctx, eraseAda, ticket.Draft{Subject: "zebra", Key: "used"})
		require.NoError(t, err)
		if len(b.search()) > 0 {
			require.Len(t, found(t, s, "zebra"), 1)
		}
		before := allOf(t, s, "", tk.ID)
		tx, err := db.BeginTx(ctx, &sql.TxOptions{})
		require.NoError(t, err)
		inner := s.WithTx(tx)
		_, err = d.WithStore(inner).Erase(ctx, privacy, ticket.Erasure{Ticket: tk.ID, Reason: "x"})
		require.NoError(t, err)
		require.NotContains(t, allOf(t, inner, "", tk.ID), "zebra")
		require.NoError(t, tx.Rollback())
		require.Equal(t, before, allOf(t, s, "", tk.ID))
		_, err = s.Receipt(ctx, "", "used")
		require.NoError(t, err)
		if len(b.search()) > 0 {
			require.Len(t, found(t, s, "zebra"), 1)
		}
	})
}
