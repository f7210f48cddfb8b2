package ticket_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/memstore"
)

func (k *kit) search(a ticket.Actor, q ticket.SearchQuery) []ticket.Hit {
	k.Helper()
	hits, err := k.desk.Search(k.Context(), a, q)
	require.NoError(k, err)
	return hits
}

func idsOf(hits []ticket.Hit) (ids []ticket.ID) {
	for _, h := range hits {
		ids = append(ids, h.Ticket.ID)
	}
	return ids
}

// searched is a desk with tickets of two customers, in two queues.
func searched(t *testing.T) (k *kit, adas, bobs ticket.Ticket) {
	t.Helper()
	k = newKit(t)
	adas = k.open(ada, ticket.Draft{Message: "Paper jams.", Queue: "mains", Fields: ticket.Fields{"order": "o1"}})
	bobs = k.open(bob, ticket.Draft{Message: "The printer smokes.", Queue: "gas"})
	adas = k.do(lin, adas, ticket.Action{Name: ticket.ActionNote, Note: "customer shouts about paper"})
	return k, k.get(adas), k.get(bobs)
}

func TestSearchShowsOnlyReadableTickets(t *testing.T) {
	k, adas, bobs := searched(t)
	gas := ticket.Agent("gus", 1).Serving("gas")
	for _, c := range []struct {
		who  ticket.Actor
		text string
		want []ticket.ID
	}{
		{lin, "printer", []ticket.ID{bobs.ID, adas.ID}},
		{cron, "PRIN*", []ticket.ID{bobs.ID, adas.ID}},
		{ada, "printer", []ticket.ID{adas.ID}},
		{bob, "printer", []ticket.ID{bobs.ID}},
		{gas, "printer", []ticket.ID{bobs.ID}},
		{lin, "shouts jams", []ticket.ID{adas.ID}},
		{cron, "shouts", []ticket.ID{adas.ID}},
		{ada, "shouts", nil},
		{ada, "smokes", nil},
		{lin.InTenant("elsewhere"), "printer", nil},
	} {
		require.Equal(t, c.want, idsOf(k.search(c.who, ticket.SearchQuery{Text: c.text})), "%v looks for %q", c.who, c.text)
		// The desk replaces the tenant and Notes that the caller sets.
		q := ticket.SearchQuery{Text: c.text, Notes: true, Query: ticket.Query{Tenant: "other"}}
		require.Equal(t, c.want, idsOf(k.search(c.who, q)), "%v looks for %q", c.who, c.text)
	}

	hit := k.search(ada, ticket.SearchQuery{Text: "paper"})[0]
	require.Equal(t, adas.PublicTo(ada.Person), hit.Ticket)
	require.Equal(t, ticket.Snippet{Text: "Paper jams.", Marks: [][2]int{{0, 5}}}, hit.Snippet)
	require.Equal(t, "<mark>Paper</mark> jams.", hit.Snippet.HTML())
	require.Equal(t, adas, k.search(lin, ticket.SearchQuery{Text: "paper"})[0].Ticket)
	require.Equal(t, []ticket.ID{adas.ID}, idsOf(k.search(lin, ticket.SearchQuery{Text: "printer", Query: ticket.Query{Queue: []string{"mains"}}})))
	require.Len(t, k.search(lin, ticket.SearchQuery{Text: "printer", Query: ticket.Query{Limit: 1}}), 1)
	require.Equal(t, []ticket.ID{adas.ID}, idsOf(k.search(lin, ticket.SearchQuery{Text: "printer", Query: ticket.Query{Fields: ticket.Fields{"order": "o1"}}})))
}

func TestSearchRefuses(t *testing.T) {
	k, _, _ := searched(t)
	for what, q := range map[string]ticket.SearchQuery{
		"no text":      {},
		"no word":      {Text: " *-* "},
		"a NUL":        {Text: "a\x00b"},
		"not UTF-8":    {Text: "\xff"},
		"too much":     {Text: strings.Repeat("long ", 201)},
		"an order":     {Text: "x", Query: ticket.Query{Order: ticket.OrderNewestFirst}},
		"a cursor":     {Text: "x", Query: ticket.Query{After: "x"}},
		"a high limit": {Text: "x", Query: ticket.Query{Limit: ticket.MaxLimit + 1}},
	} {
		require.ErrorIs(t, q.Check(), ticket.ErrInvalid, what)
		_, err := k.desk.Search(t.Context(), lin, q)
		require.ErrorIs(t, err, ticket.ErrInvalid, what)
	}
	for what, q := range map[string]ticket.Query{
		"a queue":      {Queue: []string{"mains"}},
		"a timer":      {DueBefore: k.clock.Now()},
		"someone else": {Participant: bob.Person},
	} {
		_, err := k.desk.Search(t.Context(), ada, ticket.SearchQuery{Text: "x", Query: q})
		require.ErrorIs(t, err, ticket.ErrInvalid, what)
	}
	_, err := k.desk.Search(t.Context(), ticket.Actor{}, ticket.SearchQuery{Text: "x"})
	require.ErrorIs(t, err, ticket.ErrInvalid)
	require.NoError(t, ticket.SearchQuery{Text: strings.Repeat("long ", 200)}.Check())
}

// hiding is a policy that hides tickets by their subject.
type hiding struct{ ticket.DefaultPolicy }

func (p hiding) MaySee(a ticket.Actor, t ticket.Ticket) bool {
	return p.DefaultPolicy.MaySee(a, t) && t.Subject != "secret printer"
}

func TestSearchAsksThePolicy(t *testing.T) {
	k := newKit(t)
	open := k.open(ada, ticket.Draft{Subject: "printer"})
	k.open(ada, ticket.Draft{Subject: "secret printer"})
	closed := newKitOn(t, k.store, func(c *ticket.Config) { c.Policy = hiding{} })
	require.Len(t, k.search(lin, ticket.SearchQuery{Text: "printer"}), 2)
	require.Equal(t, []ticket.ID{open.ID}, idsOf(closed.search(lin, ticket.SearchQuery{Text: "printer"})))
}

func TestSearchFindsTheBest(t *testing.T) {
	k := newKit(t)
	best := k.open(ada, ticket.Draft{Subject: "Paper jam"})
	k.clock.Advance(time.Minute)
	newest := k.open(ada, ticket.Draft{Message: "paper, jam"})
	require.Equal(t, []ticket.ID{newest.ID, best.ID}, idsOf(k.search(lin, ticket.SearchQuery{Text: "paper jam"})))
	require.Equal(t, []ticket.ID{best.ID, newest.ID}, idsOf(k.search(lin, ticket.SearchQuery{Text: "paper jam", Best: true})))
}

func TestSnippetIsSafeHTML(t *testing.T) {
	s := ticket.Snippet{Text: `<b>paper & "ink"</b> paper`, Marks: [][2]int{{3, 8}, {21, 26}}}
	require.Equal(t, `&lt;b&gt;<mark>paper</mark> &amp; &#34;ink&#34;&lt;/b&gt; <mark>paper</mark>`, s.HTML())
	require.Empty(t, ticket.Snippet{}.HTML())
}

func TestCounts(t *testing.T) {
	k := newKit(t)
	for i, queue := range []string{"", "gas", "mains", "mains"} {
		tk := k.open(ada, ticket.Draft{Queue: queue})
		if i == 3 {
			k.do(lin, tk, ticket.Action{Name: ticket.ActionTake})
		}
	}
	k.do(lin, k.open(ada, ticket.Draft{}), ticket.Action{Name: ticket.ActionResolve, Message: "Done."})
	all := []ticket.Count{
		{Level: 1, Status: ticket.StatusNew, N: 1},
		{Queue: "gas", Level: 1, Status: ticket.StatusNew, N: 1},
		{Queue: "mains", Level: 1, Status: ticket.StatusNew, N: 1},
		{Queue: "mains", Level: 1, Status: ticket.StatusOpen, N: 1},
	}
	counts := func(d *ticket.Desk, a ticket.Actor) []ticket.Count {
		t.Helper()
		list, err := d.Counts(t.Context(), a)
		require.NoError(t, err)
		return list
	}
	require.Equal(t, all, counts(k.desk, cron))
	require.Equal(t, all, counts(k.desk, agentMax), "whatever levels it serves")
	served := slices.DeleteFunc(slices.Clone(all), func(c ticket.Count) bool { return c.Queue == "gas" })
	require.Equal(t, served, counts(k.desk, lin.Serving("mains")))
	require.Empty(t, counts(k.desk, cron.InTenant("elsewhere")))
	require.Equal(t, all, counts(k.desk.WithStore(k.store), cron), "a bound desk counts too")

	_, err := k.desk.Counts(t.Context(), ada)
	var refused *ticket.RefusedError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, "role", refused.Why)
	require.EqualError(t, err, `ticket: "counts" refused: not for customers (possible by agent, system)`)
	_, err = k.desk.Counts(t.Context(), ticket.Actor{})
	require.ErrorIs(t, err, ticket.ErrInvalid)
}

// plain is a store without anything optional, and wrapped is one that forwards
// to such a store.
type (
	plain   struct{ ticket.Store }
	wrapped struct{ plain }
)

func (wrapped) Search(context.Context, ticket.SearchQuery) ([]ticket.Hit, error) {
	return nil, fmt.Errorf("wrapped: %w", errors.ErrUnsupported)
}

func (wrapped) Counts(context.Context, string) ([]ticket.Count, error) {
	return nil, errors.ErrUnsupported
}

func TestStoresNeedNotSearchOrCount(t *testing.T) {
	for _, store := range []ticket.Store{plain{memstore.New()}, wrapped{plain{memstore.New()}}} {
		k := newKitOn(t, store)
		_, err := k.desk.Search(t.Context(), lin, ticket.SearchQuery{Text: "x"})
		require.ErrorIs(t, err, errors.ErrUnsupported)
		require.ErrorContains(t, err, "the store has no full-text search")
		_, err = k.desk.Counts(t.Context(), lin)
		require.ErrorIs(t, err, errors.ErrUnsupported)
		require.ErrorContains(t, err, "the store has no counts")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	k := newKit(t)
	_, err := k.desk.Search(ctx, lin, ticket.SearchQuery{Text: "x"})
	require.ErrorIs(t, err, context.Canceled, "and other trouble stays what it is")
	_, err = k.desk.Counts(ctx, lin)
	require.ErrorIs(t, err, context.Canceled)
}

// maintained is a store that has work of its own to do.
type maintained struct {
	ticket.Store
	maintain func(context.Context) error
	calls    atomic.Int32
}

func (s *maintained) Maintain(ctx context.Context) error {
	s.calls.Add(1)
	return s.maintain(ctx)
}

// running runs a desk on the store, in a bubble, while f looks at it.
func running(t *testing.T, store ticket.Store, log *bytes.Buffer, f func(desk *ticket.Desk)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		desk, err := ticket.NewDesk(store, ticket.Config{Logger: slog.New(slog.NewTextHandler(log, nil)), Relay: ticket.Relay{Poll: time.Minute}})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		stopped := make(chan error)
		go func() { stopped <- desk.Run(ctx) }()
		synctest.Wait()
		f(desk)
		cancel()
		require.ErrorIs(t, <-stopped, context.Canceled)
	})
}

func TestRunMaintainsTheStore(t *testing.T) {
	var log bytes.Buffer
	store := &maintained{Store: memstore.New(), maintain: func(context.Context) error { return errors.New("index is locked") }}
	running(t, store, &log, func(desk *ticket.Desk) {
		require.EqualValues(t, 1, store.calls.Load(), "at once")
		time.Sleep(3*time.Minute + time.Second)
		synctest.Wait()
		require.EqualValues(t, 4, store.calls.Load(), "and every poll, trouble or not")
		require.ErrorIs(t, desk.WithStore(store).Run(t.Context()), ticket.ErrInvalid)
	})
	require.EqualValues(t, 4, store.calls.Load())
	require.Equal(t, 4, strings.Count(log.String(), "ticket: cannot maintain the store"))
	require.Contains(t, log.String(), "index is locked")
}

func TestRunDoesNotRepeatUnsupportedCalls(t *testing.T) {
	var log bytes.Buffer
	store := &maintained{Store: memstore.New(), maintain: func(context.Context) error { return fmt.Errorf("wrapped: %w", errors.ErrUnsupported) }}
	running(t, store, &log, func(*ticket.Desk) {
		time.Sleep(10 * time.Minute)
		require.EqualValues(t, 1, store.calls.Load())
	})
	require.Empty(t, log.String())
}

func TestMaintainHoldsUpNothing(t *testing.T) {
	var log bytes.Buffer
	store := &maintained{Store: memstore.New(), maintain: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}
	running(t, store, &log, func(desk *ticket.Desk) {
		tk, err := desk.Open(t.Context(), lin, ticket.Draft{Requester: ada.Person, Subject: "s", Solution: "s"})
		require.NoError(t, err)
		time.Sleep(confirmWindow + 2*time.Minute)
		synctest.Wait()
		closed, err := desk.Get(t.Context(), lin, tk.ID)
		require.NoError(t, err)
		require.Equal(t, ticket.StatusClosed, closed.Status, "timers go on")
		require.EqualValues(t, 1, store.calls.Load(), "one call at a time")
	})
	require.Empty(t, log.String(), "the end of Run is no trouble")
}
