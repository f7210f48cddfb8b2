package dbtests_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/sqlstore"
)

var importStart = time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)

// history makes a history of n events by hand. It may belong to any tenant.
func history(i, n int) []ticket.Event {
	queue, agent := fmt.Sprintf("queue %d", i%3), "lin"
	at := importStart.Add(time.Duration(i) * time.Second)
	id := ticket.NewID(at)
	open := ticket.State{Status: ticket.StatusOpen, Level: 1}
	events := []ticket.Event{{
		Ticket: id, Seq: 1, At: at, Action: "open", By: ticket.By{Role: ticket.RoleRequester},
		To: ticket.State{Status: ticket.StatusNew, Level: 1}, Phase: ticket.PhaseReceived, Channel: ticket.ChannelMail,
		Set: ticket.Patch{Number: ticket.NewNumber(), Tenant: []string{"", "acme"}[i%2], Workflow: ticket.DefaultWorkflow().Name, WorkflowVersion: 1,
			Priority: ticket.GradeMedium, Queue: &queue, AddTags: []string{"import", fmt.Sprintf("tag %d", i%7)},
			Timer: &ticket.Timer{At: at.Add(time.Hour), Action: ticket.ActionClose}},
		PublicContent: ticket.PublicContent{Subject: fmt.Sprintf("Case %d: Käse 🧀 \\ufffd", i), Message: "It \"broke\".", Fields: ticket.Fields{"n": int64(i), "at": at}},
		Identities:    ticket.Identities{Requester: ticket.Person{ID: fmt.Sprintf("c-%d", i), Name: "Ada", Email: "ada@example.org", Organisation: "Mill"}},
	}}
	for seq := 2; seq <= n; seq++ {
		e := ticket.Event{
			Ticket: id, Seq: int64(seq), At: at.Add(time.Duration(seq) * time.Minute), Action: ticket.ActionNote, By: ticket.By{Role: ticket.RoleAgent, ID: "lin"},
			From: events[seq-2].To, To: open, Phase: ticket.PhaseInProgress, InternalContent: ticket.InternalContent{Note: ticket.Note(fmt.Sprintf("Note %d.", seq))},
		}
		if seq == 2 {
			e.Action, e.Set.Assignee = ticket.ActionTake, &agent
		}
		events = append(events, e)
	}
	return sealed(events)
}

func sealed(events []ticket.Event) []ticket.Event {
	var prev ticket.Digest
	for i := range events {
		ticket.Chain{}.Seal(prev, &events[i])
		prev = events[i].Digest
	}
	return events
}

// histories makes n of them, of one to six events.
func histories(n int) (list [][]ticket.Event) {
	for i := range n {
		list = append(list, history(i, 1+i%6))
	}
	return list
}

// all yields histories, and never an error.
func all(list [][]ticket.Event) iter.Seq2[[]ticket.Event, error] {
	return func(yield func([]ticket.Event, error) bool) {
		for _, h := range list {
			if !yield(h, nil) {
				return
			}
		}
	}
}

// exported collects everything that a store exports.
func exported(tb testing.TB, s *sqlstore.Store) (list [][]ticket.Event) {
	tb.Helper()
	for h, err := range s.Export(tb.Context(), ticket.ID{}) {
		require.NoError(tb, err)
		list = append(list, h)
	}
	return list
}

// requireHistories checks that the store has these histories and no others, and that
// its tickets equal their fold.
func requireHistories(tb testing.TB, s *sqlstore.Store, want [][]ticket.Event) {
	tb.Helper()
	got := exported(tb, s)
	require.Len(tb, got, len(want))
	want = slices.SortedFunc(slices.Values(want), func(a, b []ticket.Event) int { return a[0].Ticket.Compare(b[0].Ticket) })
	for i := range want {
		require.Equal(tb, want[i], got[i])
		require.NoError(tb, ticket.Chain{}.Verify(got[i]))
		requireTicket(tb, s, want[i])
	}
}

func requireTicket(tb testing.TB, s *sqlstore.Store, h []ticket.Event) {
	tb.Helper()
	want, err := ticket.Replay(h)
	require.NoError(tb, err)
	got, err := s.Lookup(tb.Context(), want.Tenant, want.Number)
	require.NoError(tb, err)
	require.True(tb, want.Equal(got), "want %+v, got %+v", want, got)
}

func TestImport(t *testing.T) {
	t.Parallel()
	each(t, backends, func(t *testing.T, b backend) {
		s, _ := b.open(t)
		list := histories(450)
		events := 0
		for _, h := range list {
			events += len(h)
		}
		done, err := s.Import(t.Context(), all(list))
		require.NoError(t, err)
		assert.Equal(t, sqlstore.Imported{Tickets: 450, Events: events}, done)
		requireHistories(t, s, list)

		page, err := s.List(t.Context(), ticket.Query{Tenant: "acme", Tags: []string{"tag 3"}, Organisation: "Mill", Limit: 100})
		require.NoError(t, err)
		assert.Len(t, page.Tickets, 32, "labels are there")

		done, err = s.Import(t.Context(), all(list))
		require.NoError(t, err)
		assert.Equal(t, sqlstore.Imported{Skipped: 450}, done, "the same again")
		requireHistories(t, s, list)
	})
}

// Imported tickets accept actions.
func TestImportThenWork(t *testing.T) {
	each(t, databases, func(t *testing.T, b backend) {
		s, _ := b.open(t)
		list := histories(3)
		_, err := s.Import(t.Context(), all(list))
		require.NoError(t, err)
		desk, err := ticket.NewDesk(s, ticket.Config{})
		require.NoError(t, err)
		lin := ticket.Agent("lin", 1, 2)
		_, err = desk.Do(t.Context(), lin, list[2][0].Ticket, ticket.Action{Name: ticket.ActionNote, Note: "Found in the old system."})
		require.NoError(t, err)
		require.NoError(t, desk.Verify(t.Context(), ticket.System("test"), list[2][0].Ticket))

		// The imported history is now the beginning of the stored one.
		done, err := s.Import(t.Context(), all(list))
		require.NoError(t, err)
		assert.Equal(t, sqlstore.Imported{Skipped: 3}, done)
	})
}

func TestImportGoesOn(t *testing.T) {
	each(t, databases, func(t *testing.T, b backend) {
		s, _ := b.open(t)
		list := histories(30)
		grown := history(30, 9)
		tag := grown[8]
		tag.Set.AddTags, tag.Set.RemoveTags, tag.Set.Timer = []string{"late"}, []string{"import"}, &ticket.Timer{}
		tag.Fields = ticket.Fields{"n": nil, "m": 1.0}
		grown = sealed(append(grown[:8], tag))
		list = append(list, grown)

		// The first run was cut off, and one ticket has grown since.
		_, err := s.Import(t.Context(), all(append(slices.Clone(list[:20]), grown[:4])))
		require.NoError(t, err)
		done, err := s.Import(t.Context(), all(list))
		require.NoError(t, err)
		assert.Equal(t, 11, done.Tickets)
		assert.Equal(t, 20, done.Skipped)
		requireHistories(t, s, list)

		page, err := s.List(t.Context(), ticket.Query{Tags: []string{"late"}, Fields: ticket.Fields{"m": 1.0}})
		require.NoError(t, err)
		require.Len(t, page.Tickets, 1)
		page, err = s.List(t.Context(), ticket.Query{Tags: []string{"import"}, Fields: ticket.Fields{"n": int64(30)}})
		require.NoError(t, err)
		require.Empty(t, page.Tickets)

		// This history is the beginning of the stored one.
		done, err = s.Import(t.Context(), all([][]ticket.Event{grown[:5], grown, grown[:9]}))
		require.NoError(t, err)
		assert.Equal(t, sqlstore.Imported{Skipped: 3}, done)
	})
}

func TestImportFaults(t *testing.T) {
	change := func(i, n int, f func([]ticket.Event)) []ticket.Event {
		h := history(i, n)
		f(h)
		return h
	}
	resealed := func(i, n int, f func([]ticket.Event)) []ticket.Event { return sealed(change(i, n, f)) }
	faults := map[string]struct {
		history []ticket.Event
		want    error
	}{
		"nothing":          {[]ticket.Event{}, ticket.ErrInvalid},
		"a gap":            {slices.Delete(history(0, 4), 1, 2), ticket.ErrChain},
		"no beginning":     {history(0, 4)[1:], ticket.ErrChain},
		"of two tickets":   {append(history(0, 2), history(0, 3)[2]), ticket.ErrChain},
		"no ID":            {resealed(0, 1, func(h []ticket.Event) { h[0].Ticket = ticket.ID{} }), ticket.ErrInvalid},
		"no number":        {resealed(0, 1, func(h []ticket.Event) { h[0].Set.Number = "" }), ticket.ErrInvalid},
		"no number at all": {resealed(0, 1, func(h []ticket.Event) { h[0].Set.Number = "INC\n1" }), ticket.ErrInvalid},
		"not UTF-8":        {resealed(0, 2, func(h []ticket.Event) { h[1].Note = "\\\xff" }), ticket.ErrInvalid},
		"a NUL byte":       {resealed(0, 2, func(h []ticket.Event) { h[0].Subject = "a\x00b" }), ticket.ErrInvalid},
		"a field's name":   {resealed(0, 2, func(h []ticket.Event) { h[0].Fields = ticket.Fields{"\xff": true} }), ticket.ErrInvalid},
		"a field's type":   {resealed(0, 2, func(h []ticket.Event) { h[0].Fields = ticket.Fields{"a": 1} }), ticket.ErrInvalid},
		"a grade":          {resealed(0, 2, func(h []ticket.Event) { h[0].Set.Priority = 9 }), ticket.ErrInvalid},
		"a long queue":     {resealed(0, 1, func(h []ticket.Event) { *h[0].Set.Queue = string(make([]byte, 256)) }), ticket.ErrInvalid},
		"no time":          {resealed(0, 2, func(h []ticket.Event) { h[1].At = time.Time{} }), ticket.ErrInvalid},
		"no action":        {resealed(0, 2, func(h []ticket.Event) { h[1].Action = "" }), ticket.ErrInvalid},
		"no seals":         {change(0, 2, func(h []ticket.Event) { h[1].Digest = ticket.Digest{} }), ticket.ErrInvalid},
	}
	each(t, databases, func(t *testing.T, b backend) {
		s, _ := b.open(t)
		var before [][]ticket.Event
		for name, f := range faults {
			good := history(len(before), 3)
			done, err := s.Import(t.Context(), all([][]ticket.Event{good, f.history, history(0, 1)}))
			require.ErrorIs(t, err, f.want, name)
			fault, ok := errors.AsType[*sqlstore.ImportError](err)
			require.True(t, ok, name)
			if len(f.history) > 0 {
				assert.Equal(t, f.history[0].Ticket, fault.Ticket, name)
			}
			assert.Equal(t, sqlstore.Imported{Tickets: 1, Events: 3}, done, name)
			before = append(before, good)
		}
		requireHistories(t, s, before)

		// These are a used number, another history of the same ticket, and another
		// tenant.
		taken := resealed(1, 2, func(h []ticket.Event) { h[0].Set.Number = before[0][0].Set.Number })
		other := slices.Clone(before[0])
		other[2].Note = "Something else."
		other = sealed(other)
		foreign := slices.Clone(before[0])
		foreign[0].Set.Tenant = "foreign"
		foreign = sealed(foreign)
		for name, f := range map[string]struct {
			history []ticket.Event
			want    error
		}{
			"number": {taken, ticket.ErrDuplicate}, "other": {other, ticket.ErrConflict},
			"longer other":  {append(slices.Clone(other), history(0, 4)[3]), ticket.ErrChain},
			"shorter other": {sealed(slices.Clone(before[0][:2])), ticket.ErrConflict}, "foreign": {foreign, ticket.ErrConflict},
		} {
			first, last := history(1, 2), history(2, 2)
			done, err := s.Import(t.Context(), all([][]ticket.Event{first, f.history, last}))
			require.ErrorIs(t, err, f.want, name)
			require.ErrorContains(t, err, f.history[0].Ticket.String(), name)
			assert.Equal(t, sqlstore.Imported{Tickets: 1, Events: 2}, done, name)
			before = append(before, first)
		}
		requireHistories(t, s, before)

		// Two tickets have the same number, and one appears twice in one import.
		one, two := history(1, 2), history(2, 2)
		two[0].Set.Number = one[0].Set.Number
		two = sealed(two)
		done, err := s.Import(t.Context(), all([][]ticket.Event{one, one, two}))
		require.ErrorIs(t, err, ticket.ErrDuplicate)
		require.ErrorContains(t, err, two[0].Ticket.String())
		assert.Equal(t, sqlstore.Imported{Tickets: 1, Events: 2, Skipped: 1}, done)
		requireHistories(t, s, append(before, one))
	})
}

func TestImportEnds(t *testing.T) {
	t.Parallel()
	each(t, databases, func(t *testing.T, b backend) {
		s, _ := b.open(t)
		list := histories(500)
		broken := errors.New("the file ends here")
		done, err := s.Import(t.Context(), func(yield func([]ticket.Event, error) bool) {
			for _, h := range list[:7] {
				if !yield(h, nil) {
					return
				}
			}
			yield(nil, broken)
		})
		require.ErrorIs(t, err, broken)
		assert.Equal(t, 7, done.Tickets)
		requireHistories(t, s, list[:7])

		ctx, cancel := context.WithCancel(t.Context())
		done, err = s.Import(ctx, func(yield func([]ticket.Event, error) bool) {
			for i, h := range list {
				if i == 450 {
					cancel()
				}
				if !yield(h, nil) {
					return
				}
			}
		})
		require.ErrorIs(t, err, context.Canceled)
		assert.Equal(t, 400-7, done.Tickets)
		_, err = s.Import(ctx, all(list))
		require.ErrorIs(t, err, context.Canceled)
		for h, err := range s.Export(ctx, ticket.ID{}) {
			require.ErrorIs(t, err, context.Canceled)
			require.Nil(t, h)
		}

		done, err = s.Import(t.Context(), all(list))
		require.NoError(t, err)
		assert.Equal(t, 400, done.Skipped)
		assert.Equal(t, 100, done.Tickets)
		requireHistories(t, s, list)
	})
}

// The source may reuse its slice.
func TestImportCopies(t *testing.T) {
	s, _ := modernc.open(t)
	list := histories(20)
	var slice []ticket.Event
	_, err := s.Import(t.Context(), func(yield func([]ticket.Event, error) bool) {
		for _, h := range list {
			slice = slice[:0]
			for i := range h {
				slice = append(slice, h[i].Clone())
			}
			if !yield(slice, nil) {
				return
			}
			for i := range slice {
				slice[i].Note = "changed"
				if slice[i].Set.Queue != nil {
					*slice[i].Set.Queue = "changed"
				}
				clear(slice[i].Fields)
				clear(slice[i].Set.AddTags)
			}
		}
	})
	require.NoError(t, err)
	requireHistories(t, s, list)
}

// Several processes import the same histories at the same time.
func TestImportTogether(t *testing.T) {
	t.Parallel()
	each(t, backends, func(t *testing.T, b backend) {
		dsn := b.dsn(t)
		list := histories(600)
		var together sync.WaitGroup
		var mu sync.Mutex
		var sum sqlstore.Imported
		for range 3 {
			s, err := sqlstore.Open(t.Context(), b.connect(t, dsn), b.dialect)
			require.NoError(t, err)
			together.Go(func() {
				done, err := s.Import(t.Context(), all(list))
				for attempt := 0; errors.Is(err, ticket.ErrConflict) && attempt < 10; attempt++ {
					t.Log("again:", err)
					var more sqlstore.Imported
					more, err = s.Import(t.Context(), all(list))
					done.Tickets += more.Tickets
					done.Events += more.Events
				}
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				sum.Tickets += done.Tickets
				sum.Events += done.Events
			})
		}
		together.Wait()
		s, err := sqlstore.Open(t.Context(), b.connect(t, dsn), b.dialect)
		require.NoError(t, err)
		requireHistories(t, s, list)
		assert.Equal(t, 600, sum.Tickets, "each is written and counted once")
		assert.Equal(t, 2100, sum.Events)
	})
}

func TestImportWithTx(t *testing.T) {
	t.Parallel()
	each(t, backends, func(t *testing.T, b backend) {
		s, db := b.open(t)
		list := histories(300)
		for _, commit := range []bool{false, true} {
			tx, err := db.BeginTx(t.Context(), nil)
			require.NoError(t, err)
			bound := s.WithTx(tx)
			done, err := bound.Import(t.Context(), all(list))
			require.NoError(t, err)
			assert.Equal(t, 300, done.Tickets)

			// A failed import leaves the transaction usable.
			bad := history(1, 2)
			bad[0].Set.Number = list[0][0].Set.Number
			_, err = bound.Import(t.Context(), all([][]ticket.Event{list[5], sealed(bad)}))
			require.ErrorIs(t, err, ticket.ErrDuplicate)
			// The transaction imports its own export: nothing is held meanwhile.
			done, err = bound.Import(t.Context(), bound.Export(t.Context(), ticket.ID{}))
			require.NoError(t, err)
			assert.Equal(t, sqlstore.Imported{Skipped: 300}, done)
			if commit {
				require.NoError(t, tx.Commit())
				requireHistories(t, s, list)
			} else {
				require.NoError(t, tx.Rollback())
				requireHistories(t, s, nil)
			}
		}
	})
}

// Histories move from each database to the next, and back.
func TestMove(t *testing.T) {
	list := histories(250)
	list[7][0] = list[7][0].Erase(ticket.Groups{PublicContent: true, Identities: true})
	list[3][2] = list[3][2].Erase(ticket.Groups{InternalContent: true})
	from, _ := modernc.open(t)
	_, err := from.Import(t.Context(), all(list))
	require.NoError(t, err)
	requireHistories(t, from, list)
	for _, b := range []backend{pgx, mariadb, modernc} {
		t.Run("to "+b.name, func(t *testing.T) {
			if b.server != nil {
				b.server(t) // skips if there is no server
			}
		})
		to, _ := b.open(t)
		done, err := to.Import(t.Context(), from.Export(t.Context(), ticket.ID{}))
		require.NoError(t, err)
		assert.Equal(t, 250, done.Tickets)
		requireHistories(t, to, list)
		from = to
	}
}

func TestExport(t *testing.T) {
	t.Parallel()
	each(t, databases, func(t *testing.T, b backend) {
		s, db := b.open(t)
		require.Empty(t, exported(t, s))
		huge := history(0, 3_000)
		list := append([][]ticket.Event{history(1, 3), huge}, histories(40)...)
		// These histories end at the end of a page, and after it.
		list = append(list, history(2, 497), history(3, 3), history(4, 500), history(5, 501), history(6, 1))
		_, err := s.Import(t.Context(), all(list))
		require.NoError(t, err)
		requireHistories(t, s, list)

		// Each export starts after the last ticket of the one before.
		var got [][]ticket.Event
		for after := (ticket.ID{}); ; after = got[len(got)-1][0].Ticket {
			n := len(got)
			for h, err := range s.Export(t.Context(), after) {
				require.NoError(t, err)
				got = append(got, h)
				break
			}
			if len(got) == n {
				break
			}
		}
		assert.Equal(t, exported(t, s), got)

		// The export holds nothing between pages.
		db.SetMaxOpenConns(1)
		n := 0
		for h, err := range s.Export(t.Context(), ticket.ID{}) {
			require.NoError(t, err)
			if n++; n%10 == 1 {
				requireTicket(t, s, h)
			}
		}
		assert.Len(t, list, n)
	})
}

// A ticket that changes during an export appears once and without a gap.
func TestExportOfLivingTickets(t *testing.T) {
	each(t, databases, func(t *testing.T, b backend) {
		s, _ := b.open(t)
		list := append([][]ticket.Event{history(0, 500)}, histories(20)...)
		_, err := s.Import(t.Context(), all(list))
		require.NoError(t, err)
		desk, err := ticket.NewDesk(s, ticket.Config{})
		require.NoError(t, err)
		lin := ticket.Agent("lin", 1, 2)
		seen := map[ticket.ID]bool{}
		for h, err := range s.Export(t.Context(), ticket.ID{}) {
			require.NoError(t, err)
			require.False(t, seen[h[0].Ticket])
			seen[h[0].Ticket] = true
			require.NoError(t, ticket.Chain{}.Verify(h))
			for i := 0; i < len(list); i += 2 { // of the empty tenant
				if list[i][0].Set.Tenant == "" {
					_, err := desk.Do(t.Context(), lin, list[i][0].Ticket, ticket.Action{Name: ticket.ActionNote, Note: "Meanwhile."})
					require.NoError(t, err)
				}
			}
		}
		assert.Len(t, seen, len(list))
	})
}

// An import continues a history although the next event does not start from the
// state where the last one ended.
func TestImportContinuesFromAnotherState(t *testing.T) {
	each(t, databases, func(t *testing.T, b backend) {
		s, _ := b.open(t)
		h := history(1, 2)
		h[1].From = ticket.State{Status: ticket.StatusOpen, Level: 2}
		h[1].To, h[1].Set.Assignee = h[1].From, nil
		h = sealed(h)
		_, err := s.Import(t.Context(), all([][]ticket.Event{h[:1]}))
		require.NoError(t, err)
		done, err := s.Import(t.Context(), all([][]ticket.Event{h}))
		require.NoError(t, err)
		require.Equal(t, sqlstore.Imported{Tickets: 1, Events: 1}, done)
		requireHistories(t, s, [][]ticket.Event{h})
		page, err := s.List(t.Context(), ticket.Query{Tenant: "acme", Level: []int{2}})
		require.NoError(t, err)
		require.Len(t, page.Tickets, 1)
	})
}
