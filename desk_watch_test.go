package ticket_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/memstore"
)

// skewed is a desk whose clock differs from the true time.
func skewed(t *testing.T, store ticket.Store, by time.Duration, change ...func(*ticket.Config)) *ticket.Desk {
	t.Helper()
	cfg := ticket.Config{Now: func() time.Time { return time.Now().Add(by) }, Logger: slog.New(slog.DiscardHandler)}
	for _, f := range change {
		f(&cfg)
	}
	desk, err := ticket.NewDesk(store, cfg)
	require.NoError(t, err)
	return desk
}

// A listener calls Watch in a goroutine and keeps the changes.
type listener struct {
	t    *testing.T
	stop context.CancelFunc
	done chan struct{}

	mu   sync.Mutex
	got  []ticket.Changed // with a ticket
	last ticket.Changed   // with or without one
	n    int              // values
	sets int              // resets
	err  error
}

func listen(t *testing.T, desk *ticket.Desk, a ticket.Actor, after ticket.Cursor) *listener {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	l := &listener{t: t, stop: stop, done: make(chan struct{})}
	begun := make(chan struct{})
	go func() {
		defer close(l.done)
		first := true
		for c, err := range desk.Watch(ctx, a, after) {
			l.mu.Lock()
			if l.n++; err != nil {
				l.err = err
			} else if l.last = c; !c.Ticket.IsZero() {
				l.got = append(l.got, c)
			}
			if c.Reset {
				l.sets++
			}
			l.mu.Unlock()
			if first {
				close(begun)
				first = false
			}
		}
		if first {
			close(begun)
		}
	}()
	<-begun
	return l
}

// take returns the changes since the last call, after the desk had time to find them.
func (l *listener) take() []ticket.Changed {
	l.t.Helper()
	time.Sleep(3 * time.Second)
	l.mu.Lock()
	defer l.mu.Unlock()
	got := l.got
	l.got = nil
	for i := range got {
		require.NotEmpty(l.t, got[i].Cursor)
		got[i].Cursor = ""
	}
	return got
}

func (l *listener) cursor() ticket.Cursor {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last.Cursor
}

func (l *listener) end() ticket.Cursor {
	l.stop()
	<-l.done
	require.ErrorIs(l.t, l.err, context.Canceled)
	return l.last.Cursor
}

func opened(t *testing.T, desk *ticket.Desk, a ticket.Actor, d ticket.Draft) ticket.Ticket {
	t.Helper()
	d.Subject = "s"
	tk, err := desk.Open(t.Context(), a, d)
	require.NoError(t, err)
	return tk
}

func done(t *testing.T, desk *ticket.Desk, a ticket.Actor, tk ticket.Ticket, act ticket.Action) ticket.Ticket {
	t.Helper()
	after, err := desk.Do(t.Context(), a, tk.ID, act)
	require.NoError(t, err)
	return after
}

func change(tk ticket.Ticket, version int64, action ticket.ActionName) ticket.Changed {
	return ticket.Changed{Ticket: tk.ID, Number: tk.Number, Version: version, Action: action}
}

func TestWatchTellsEveryoneWhatTheyMaySee(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		desk := skewed(t, store, 0, withLinks(1), func(c *ticket.Config) { c.Feedback.After = time.Hour })
		tk := opened(t, desk, ada, ticket.Draft{Followers: []ticket.Person{bob.Person}, Queue: "first"})
		other := opened(t, desk, ada, ticket.Draft{Queue: "first"})
		token, err := desk.StatusLink(t.Context(), ada, tk.ID, ticket.StatusLinkRequest{})
		require.NoError(t, err)
		first, second := ticket.Agent("f", 1, 2).Serving("first"), ticket.Agent("s", 1, 2).Serving("second")
		all := map[string]*listener{
			"ada": listen(t, desk, ada, ""), "bob": listen(t, desk, bob, ""), "eve": listen(t, desk, ticket.Requester(ticket.Person{ID: "eve"}), ""),
			"first": listen(t, desk, first, ""), "second": listen(t, desk, second, ""), "system": listen(t, desk, cron, ""),
			"tenant": listen(t, desk, cron.InTenant("acme"), ""), "link": listen(t, desk, ticket.StatusLinkHolder(token), ""),
		}
		expect := func(why string, want map[string]ticket.Changed) {
			t.Helper()
			for name, l := range all {
				var list []ticket.Changed
				if c, there := want[name]; there {
					list = []ticket.Changed{c}
				}
				require.Equal(t, list, l.take(), "%s: %s", why, name)
			}
		}
		told := func(c ticket.Changed, names ...string) map[string]ticket.Changed {
			m := map[string]ticket.Changed{}
			for _, name := range names {
				m[name] = c
			}
			return m
		}
		expect("nothing", nil)
		fresh := opened(t, desk, ada, ticket.Draft{Queue: "first"})
		expect("a new ticket", told(change(fresh, 1, ticket.ActionOpen), "ada", "first", "system"))

		done(t, desk, first, tk, ticket.Action{Name: ticket.ActionNote, Note: "SECRET"})
		expect("a note", told(change(tk, 2, ticket.ActionNote), "first", "system"))
		done(t, desk, first, tk, ticket.Action{Name: ticket.ActionTake})
		expect("the phase", told(change(tk, 3, ticket.ActionTake), "ada", "bob", "link", "first", "system"))
		done(t, desk, first, tk, ticket.Action{Name: ticket.ActionAssign, Assignee: "g"})
		expect("the assignee", told(change(tk, 4, ticket.ActionAssign), "first", "system"))
		done(t, desk, first, tk, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{AddTags: []string{"vip"}}})
		expect("a tag", told(change(tk, 5, ticket.ActionEdit), "first", "system"))
		done(t, desk, first, tk, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{Subject: "Another"}})
		expect("the subject", told(change(tk, 6, ticket.ActionEdit), "ada", "bob", "link", "first", "system"))
		done(t, desk, first, tk, ticket.Action{Name: ticket.ActionReply, Message: "m"})
		expect("words", told(change(tk, 7, ticket.ActionReply), "ada", "bob", "link", "first", "system"))
		done(t, desk, first, tk, ticket.Action{Name: ticket.ActionEscalate, Note: "n"})
		expect("the level", told(change(tk, 8, ticket.ActionEscalate), "ada", "bob", "link", "first", "system"))

		done(t, desk, first, tk, ticket.Action{Name: ticket.ActionHandOver, Queue: "second"})
		want := told(change(tk, 9, ticket.ActionHandOver), "second", "system")
		want["first"] = ticket.Changed{Ticket: tk.ID, Number: tk.Number, Gone: true}
		expect("another queue", want)
		done(t, desk, second, tk, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{Unfollow: []ticket.Person{bob.Person}}})
		want = told(change(tk, 10, ticket.ActionEdit), "second", "system")
		want["bob"] = ticket.Changed{Ticket: tk.ID, Number: tk.Number, Gone: true}
		expect("no follower any more", want)
		done(t, desk, second, tk, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{Follow: []ticket.Person{bob.Person}}})
		expect("a follower", told(change(tk, 11, ticket.ActionEdit), "bob", "second", "system"))

		done(t, desk, second, tk, ticket.Action{Name: ticket.ActionResolve, Message: "Solved."})
		expect("solved", told(change(tk, 12, ticket.ActionResolve), "ada", "bob", "link", "second", "system"))
		_, err = desk.Rate(t.Context(), ada, tk.ID, ticket.Rating{Score: 5})
		require.NoError(t, err)
		expect("a rating", told(change(tk, 13, ticket.ActionRate), "ada", "link", "second", "system"))

		// Two events at once are one change, with what each may know.
		elsewhere := skewed(t, store, 0)
		time.Sleep(500 * time.Millisecond) // no look is on its way
		done(t, elsewhere, super, tk, ticket.Action{Name: ticket.ActionReply, Message: "m"})
		done(t, elsewhere, super, tk, ticket.Action{Name: ticket.ActionNote, Note: "n"})
		want = told(change(tk, 15, ticket.ActionNote), "second", "system")
		for _, name := range []string{"ada", "bob", "link"} {
			want[name] = change(tk, 14, ticket.ActionReply)
		}
		expect("two", want)

		// The holder of the link gets nothing of another ticket until its own becomes part of it.
		done(t, desk, super, other, ticket.Action{Name: ticket.ActionReply, Message: "m"})
		expect("another ticket", told(change(other, 2, ticket.ActionReply), "ada", "first", "system"))
		done(t, desk, super, tk, ticket.Action{Name: ticket.ActionReopen, Note: "n"})
		expect("reopened", told(change(tk, 16, ticket.ActionReopen), "ada", "bob", "link", "second", "system"))
		done(t, desk, super, tk, ticket.Action{Name: ticket.ActionMerge, Ticket: other.ID})
		for _, name := range []string{"ada", "link"} {
			require.Contains(t, all[name].take(), change(other, 3, ticket.ActionMerge), "its messages are in the other one now")
		}
		for name, l := range all {
			if name != "ada" && name != "link" {
				l.take()
			}
		}
		done(t, desk, super, other, ticket.Action{Name: ticket.ActionReply, Message: "m"})
		expect("where it went on", told(change(other, 4, ticket.ActionReply), "ada", "link", "first", "system"))

		_, err = desk.RevokeStatusLinks(t.Context(), cron, other.ID)
		require.NoError(t, err)
		<-all["link"].done
		require.ErrorIs(t, all["link"].err, ticket.ErrStatusLink)
		for name, l := range all {
			if name != "link" {
				l.end()
			}
		}
	})
}

func TestWatchEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		desk := skewed(t, store, 0, withLinks(1))
		tk := opened(t, desk, ada, ticket.Draft{})
		token, err := desk.StatusLink(t.Context(), ada, tk.ID, ticket.StatusLinkRequest{TTL: time.Minute})
		require.NoError(t, err)
		l := listen(t, desk, ticket.StatusLinkHolder(token), "")
		time.Sleep(2 * time.Minute)
		<-l.done
		require.ErrorIs(t, l.err, ticket.ErrStatusLink)

		for _, a := range []ticket.Actor{{}, ticket.StatusLinkHolder("x"), ticket.StatusLinkHolder(token), ticket.Requester(ticket.Person{})} {
			l := listen(t, desk, a, "")
			<-l.done
			require.Error(t, l.err)
			require.Equal(t, 1, l.n)
		}
		l = listen(t, desk.WithStore(store), ada, "")
		<-l.done
		require.ErrorIs(t, l.err, ticket.ErrInvalid)

		for _, err := range desk.Watch(t.Context(), ada, "") {
			require.NoError(t, err)
			break
		}
		l = listen(t, desk, ada, "")
		require.NoError(t, desk.Shutdown(t.Context()))
		<-l.done
		require.NoError(t, l.err)
		require.Equal(t, 1, l.n)
		for c, err := range desk.Watch(t.Context(), ada, "") {
			t.Error("after Shutdown", c, err)
		}
	})
}

// Every value has a cursor to continue from, also while nothing happens.
func TestWatchSendsHeartbeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		desk := skewed(t, memstore.New(), 0)
		var last ticket.Cursor
		begin := time.Now()
		at := begin
		n := 0
		for c, err := range desk.Watch(t.Context(), ada, "") {
			require.NoError(t, err)
			require.Zero(t, c.Ticket)
			require.False(t, c.Reset)
			require.NotEqual(t, last, c.Cursor)
			require.LessOrEqual(t, time.Since(at), 15*time.Second)
			at, last = time.Now(), c.Cursor
			if n++; time.Since(begin) > time.Hour {
				break
			}
		}
		require.Greater(t, n, 200)
	})
}

func TestWatchContinuesWhereItWasLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		desk := skewed(t, store, 0)
		tk := opened(t, desk, ada, ticket.Draft{})
		l := listen(t, desk, ada, "")
		stays := listen(t, desk, bob, "")
		cursor := l.end()
		done(t, desk, lin, tk, ticket.Action{Name: ticket.ActionReply, Message: "m"})
		stays.take()
		l = listen(t, desk, ada, cursor)
		require.Equal(t, []ticket.Changed{change(tk, 2, ticket.ActionReply)}, l.take(), "in the same process, just what was missed")
		cursor = l.end()
		require.Zero(t, l.sets)
		l = listen(t, desk, ada, cursor)
		require.Empty(t, l.take())
		l.end()
		stays.end()

		// In another process, and after everybody was gone: nothing is missed, and notes stay inside.
		done(t, desk, lin, tk, ticket.Action{Name: ticket.ActionReply, Message: "m"})
		done(t, desk, lin, tk, ticket.Action{Name: ticket.ActionNote, Note: "n"})
		noted := opened(t, desk, ada, ticket.Draft{})
		time.Sleep(20 * time.Minute)
		done(t, desk, lin, noted, ticket.Action{Name: ticket.ActionNote, Note: "n"})
		fresh := listen(t, skewed(t, store, 0), ada, "")
		cursor = fresh.end()
		done(t, desk, lin, noted, ticket.Action{Name: ticket.ActionNote, Note: "n"})
		done(t, desk, lin, tk, ticket.Action{Name: ticket.ActionReply, Message: "m"})
		for range 2 { // it may be asked again
			l = listen(t, skewed(t, store, 0), ada, cursor)
			require.Equal(t, []ticket.Changed{change(tk, 5, ticket.ActionReply)}, l.take())
			l.end()
			require.Zero(t, l.sets)
		}
		l = listen(t, skewed(t, store, 0), lin, cursor)
		require.ElementsMatch(t, []ticket.Changed{change(noted, 3, ""), change(tk, 5, "")}, l.take())
		l.end()

		for _, after := range []ticket.Cursor{"x", cursor + "A", cursor[:len(cursor)-1], "AAAA", ticket.Cursor(make([]byte, 1000))} {
			l = listen(t, desk, ada, after)
			l.end()
			require.Equal(t, 1, l.sets, "not known: %q", after)
		}
		time.Sleep(4 * time.Minute)
		l = listen(t, desk, ada, cursor)
		l.end()
		require.Zero(t, l.sets)
		time.Sleep(2 * time.Minute)
		l = listen(t, desk, ada, cursor)
		l.end()
		require.Equal(t, 1, l.sets, "too old")
	})
}

// A loop that does not read holds up nobody, and is told that it has missed something.
func TestASlowWatcherGetsAReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		desk := skewed(t, memstore.New(), 0)
		quick := listen(t, desk, cron, "")
		var got []ticket.Changed
		n := 0
		for c, err := range desk.Watch(t.Context(), cron, "") {
			require.NoError(t, err)
			if n++; n == 1 {
				for range 50 {
					for range 100 {
						opened(t, desk, ada, ticket.Draft{})
					}
					time.Sleep(time.Second)
				}
				require.Len(t, quick.take(), 5000)
				continue
			}
			if got = append(got, c); c.Reset {
				break
			}
		}
		require.Len(t, got, 1)
		require.True(t, got[0].Reset)
		l := listen(t, desk, cron, got[0].Cursor)
		opened(t, desk, ada, ticket.Draft{})
		require.Len(t, l.take(), 1)
		l.end()
		quick.end()
		require.Zero(t, quick.sets)
	})
}

// A loop that is minutes behind goes on with what it has not told, wherever it continues.
func TestASlowWatcherThatContinuesElsewhereMissesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		desk := skewed(t, store, 0)
		var cursor ticket.Cursor
		for c, err := range desk.Watch(t.Context(), cron, "") {
			require.NoError(t, err)
			if c.Ticket.IsZero() {
				for range 2 {
					opened(t, desk, ada, ticket.Draft{})
				}
				time.Sleep(8 * time.Minute)
				continue
			}
			cursor = c.Cursor
			break
		}
		l := listen(t, skewed(t, store, 0), cron, cursor)
		l.end()
		require.Equal(t, 1, l.sets, "the second change is too old to be found")
	})
}

// An outage of the store is no end: the changes come when it is over. Meanwhile, no cursor
// claims that there were none.
func TestWatchOutlivesAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := memstore.New()
		store := &flaky{Store: inner}
		desk, writer := skewed(t, store, 0), skewed(t, inner, 0)
		tk := opened(t, writer, ada, ticket.Draft{})
		l := listen(t, desk, ada, "")
		require.Empty(t, l.take())
		time.Sleep(500 * time.Millisecond) // no look is on its way
		store.down.Store(true)
		done(t, writer, lin, tk, ticket.Action{Name: ticket.ActionReply, Message: "m"})
		require.Empty(t, l.take())
		time.Sleep(time.Minute)
		late := listen(t, skewed(t, inner, 0), ada, l.cursor())
		require.Equal(t, []ticket.Changed{change(tk, 2, ticket.ActionReply)}, late.take())
		late.end()
		other := listen(t, skewed(t, store, 0), ada, "")
		<-other.done
		require.ErrorIs(t, other.err, errFlaky)
		store.down.Store(false)
		require.Equal(t, []ticket.Changed{change(tk, 2, ticket.ActionReply)}, l.take())
		l.end()
	})
}

// Between two looks at the newest changes, the desk reads the store about once a second,
// however many watch.
func TestManyWatchersReadTheStoreOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &flaky{Store: memstore.New()}
		desk := skewed(t, store, 0)
		var all []*listener
		for range 200 {
			all = append(all, listen(t, desk, ada, ""))
		}
		store.calls.Store(0)
		time.Sleep(time.Minute)
		require.InDelta(t, 60, store.calls.Load(), 2)
		for _, l := range all {
			l.end()
		}
		synctest.Wait()
		store.calls.Store(0)
		time.Sleep(time.Minute)
		require.Zero(t, store.calls.Load(), "nobody watches")
	})
}

// Changes of another process come at once if the store hears of them, and Run and Watch
// listen together.
func TestWatchIsWoken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &heard{Store: memstore.New(), calls: make(chan func(), 2)}
		desk, web := skewed(t, h, 0), skewed(t, h.Store, 0)
		ctx, stop := context.WithCancel(t.Context())
		ran := make(chan error)
		go func() { ran <- desk.Run(ctx) }()
		l := listen(t, desk, cron, "")
		call := <-h.calls
		for i, wake := range []func(){call, desk.Wake} {
			time.Sleep(500*time.Millisecond - time.Since(time.Now().Truncate(time.Second))%time.Second + time.Second)
			opened(t, web, ada, ticket.Draft{})
			begin := time.Now()
			wake()
			for {
				time.Sleep(time.Millisecond)
				l.mu.Lock()
				n := len(l.got)
				l.mu.Unlock()
				if n > i {
					break
				}
			}
			require.Less(t, time.Since(begin), 150*time.Millisecond)
		}
		stop()
		require.ErrorIs(t, <-ran, context.Canceled)
		opened(t, web, ada, ticket.Draft{})
		require.Len(t, l.take(), 3)
		l.end()
		require.Empty(t, h.calls)
	})
}

// Two processes with clocks two minutes apart, whose listeners change from one to the other
// and back while both are restarted: each gets every change of its tickets.
func TestWatchMissesNothingBetweenSkewedClocks(t *testing.T) {
	for name, skew := range map[string][2]time.Duration{"behind": {0, -2 * time.Minute}, "ahead": {0, 2 * time.Minute}, "both": {-time.Minute, time.Minute}, "none": {}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { reconnecting(t, memstore.New(), skew, 200, time.Sleep) })
		})
	}
}

var errFlaky = errors.New("down")
