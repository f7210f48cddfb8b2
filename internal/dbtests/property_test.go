package dbtests_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/memstore"
	"github.com/ticketkit/ticket/sqlstore"
	"github.com/ticketkit/ticket/tickettest"
)

// TestRandomActorsAndActions lets random actors, whose IDs are often equal, do
// random things with a handful of tickets in two tenants, and looks at what was
// told, who can read what, and what merges, corrections and machines left behind.
// The same seed must come to the same in memory and in SQLite.
func TestRandomActorsAndActions(t *testing.T) {
	t.Parallel()
	seeds := []uint64{1, 12}
	for _, seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			mem := newWorld(t, memstore.New(), seed)
			mem.play(500)
			store, err := sqlstore.Open(t.Context(), modernc.connect(t, modernc.dsn(t)), sqlstore.SQLite, sqlstore.Search())
			require.NoError(t, err)
			disk := newWorld(t, store, seed)
			disk.play(500)
			require.Equal(t, mem.state(), disk.state(), "both stores come to the same")
			if seed > 2 {
				return
			}
			for _, name := range []ticket.ActionName{ticket.Merge, ticket.Unmerge, ticket.Split, ticket.Edit, ticket.Amend, ticket.Reply, "automatic", "follow-up", "repeat", "link", "join", "undone at once"} {
				require.Positive(t, mem.done[string(name)], "%s never took place: %v", name, mem.done)
			}
		})
	}
}

const secretNote = "zebranote"

// A world is a desk with those who use it.
type world struct {
	*testing.T
	rng     *rand.Rand
	desk    *ticket.Desk
	clock   *tickettest.Clock
	sent    *tickettest.Recorder
	tickets []ticket.ID
	done    map[string]int
}

var worldTenants = []string{"", "south"}

func newWorld(t *testing.T, s ticket.Store, seed uint64) *world {
	t.Helper()
	w := &world{T: t, rng: rand.New(rand.NewPCG(seed, 7)), clock: tickettest.NewClock(), sent: tickettest.NewRecorder(), done: map[string]int{}}
	cfg := tickettest.Config(w.clock, w.sent)
	cfg.Links.Keys = []ticket.LinkKey{{ID: 1, Secret: make([]byte, 32)}}
	var err error
	w.desk, err = ticket.NewDesk(s, cfg)
	require.NoError(t, err)
	return w
}

func pickOf[T any](w *world, list ...T) T { return list[w.rng.IntN(len(list))] }

// person is one of a few: two of one organisation, two who share a mailbox, and
// one of somebody else's.
func (w *world) person() ticket.Person {
	return pickOf(w,
		ticket.Person{ID: "7", Name: "Ada\u200b", Email: "ada@example.org", Organisation: "mill"},
		ticket.Person{ID: "8", Name: "Bea", Email: "Shop@Example.org", Organisation: "mill"},
		ticket.Person{ID: "9", Name: "Cyd", Email: "shop@example.ORG."},
		ticket.Person{ID: "v", Email: "vic@vendor.example", Organisation: "vendor"},
	)
}

func (w *world) actor(tenant string) ticket.Actor {
	switch w.rng.IntN(5) {
	case 0, 1:
		return ticket.Requester(w.person()).In(tenant)
	case 2:
		return ticket.System(pickOf(w, "7", "cron")).In(tenant)
	default:
		return ticket.Agent(pickOf(w, "7", "8", "lin"), 1, 2, 3).In(tenant)
	}
}

// words are of a tenant, which can be told from them.
func (w *world) words(tenant string) ticket.Message {
	return ticket.Message(pickOf(w, "the loom\u200b stops", "thank you", "where is it?", "\u200e7Q4K") + ", says " + mark(tenant))
}

func mark(tenant string) string { return "tenant(" + tenant + ")" }

// foreign is what nobody in a tenant may read.
func foreign(tenant string) string {
	if tenant == worldTenants[0] {
		return mark(worldTenants[1])
	}
	return mark(worldTenants[0])
}

// mergeable are the tickets that one could be merged into.
func (w *world) mergeable(t ticket.Ticket) (list []ticket.ID) {
	for _, id := range w.tickets {
		o := w.must(id)
		if id != t.ID && o.Tenant == t.Tenant && !o.Phase.Done() && o.MergedInto.IsZero() && o.Requester.Organisation == t.Requester.Organisation {
			list = append(list, id)
		}
	}
	return list
}

func (w *world) action(t ticket.Ticket) ticket.Action {
	if !t.MergedInto.IsZero() && w.rng.IntN(3) == 0 {
		return ticket.Action{Name: ticket.Unmerge}
	}
	all := ticket.DefaultWorkflow().MustCompile(nil).Actions()
	act := ticket.Action{Name: all[w.rng.IntN(len(all))], Channel: pickOf(w, "", ticket.Mail)}
	if w.rng.IntN(3) == 0 {
		act.Name = pickOf(w, ticket.Reply, ticket.Merge, ticket.Merge, ticket.Unmerge, ticket.Resolve, ticket.Amend, ticket.Split, ticket.Edit)
	}
	if w.rng.IntN(4) > 0 {
		act.Message = w.words(t.Tenant)
	}
	if w.rng.IntN(5) == 0 {
		act.Attachments = []ticket.Attachment{{Name: "photo.png", Ref: secretNote}}
	}
	act.Automatic = w.rng.IntN(6) == 0
	switch act.Name {
	case ticket.Hold, ticket.Cancel:
		act.Reason = "part "
	case ticket.HandOver, ticket.Escalate, ticket.HandBack:
		act.Queue = pickOf(w, "hard", " hard\u200b", "front")
	case ticket.Assign:
		act.Assignee = pickOf(w, "7", "8", "lin\u200b")
	case ticket.Merge, ticket.AddLink, ticket.Unlink:
		act.Ticket = w.tickets[w.rng.IntN(len(w.tickets))]
		if act.Name == ticket.Merge {
			if list := w.mergeable(t); len(list) > 0 {
				act.Ticket, act.Automatic = list[w.rng.IntN(len(list))], false
			}
		} else {
			act.Relation = pickOf(w, ticket.ChildOf, ticket.ParentOf, ticket.CausedBy, ticket.RelatedTo)
		}
	case ticket.Split:
		act.Draft = &ticket.Draft{Subject: "a part", From: int64(w.rng.IntN(4))}
	case ticket.Edit:
		e := &ticket.Edits{Priority: ticket.Grade(w.rng.IntN(5)), Impact: ticket.Grade(w.rng.IntN(5))}
		switch w.rng.IntN(5) {
		case 0:
			e.Requester = w.person()
		case 1:
			e.Follow = []ticket.Person{w.person()}
		case 2:
			e.Unfollow = []ticket.Person{w.person()}
		case 3:
			e.AddTags, e.Fields = []string{"vip "}, ticket.Fields{"order": w.rng.IntN(3)}
		default:
			e.RemoveTags, e.Fields = []string{"vip"}, ticket.Fields{"order": nil}
		}
		act.Edit = e
	}
	if w.rng.IntN(3) == 0 {
		act.Key = fmt.Sprint("key", w.rng.IntN(200))
	}
	return act
}

func (w *world) play(steps int) {
	w.Helper()
	for i := range steps {
		if len(w.tickets) < 8 || w.rng.IntN(25) == 0 {
			w.open(worldTenants[w.rng.IntN(2)])
			continue
		}
		w.clock.Advance(time.Duration(pickOf(w, 1, 60, 60, 60*24, 60*24, 60*24*20)) * time.Minute)
		id := w.tickets[w.rng.IntN(len(w.tickets))]
		tenant := w.must(id).Tenant
		if w.rng.IntN(10) == 0 {
			tenant = worldTenants[w.rng.IntN(2)]
		}
		a, act := w.actor(tenant), w.action(w.must(id))
		if a.Role == ticket.Requesters && w.rng.IntN(5) > 0 {
			act.Name, act.Draft, act.Edit, act.Ticket, act.Relation = pickOf(w, ticket.Reply, ticket.Reply, ticket.Confirm, ticket.Reopen, ticket.Cancel), nil, nil, ticket.ID{}, ""
			act.Queue, act.Reason, act.Assignee = "", "", ""
		}
		if a.Role != ticket.Requesters && w.rng.IntN(5) > 0 {
			act.Note = secretNote
		}
		w.step(a, id, act, i)
		if w.rng.IntN(4) == 0 {
			_, err := w.desk.FireTimers(w.Context())
			require.NoError(w, err)
		}
		if w.rng.IntN(8) == 0 {
			_, err := w.desk.Deliver(w.Context())
			require.NoError(w, err)
		}
		if i%10 == 0 {
			w.look()
		}
	}
	w.look()
	w.chains()
	w.told()
}

func (w *world) open(tenant string) {
	w.Helper()
	a := w.actor(tenant)
	d := ticket.Draft{Subject: " loom\u200b ", Message: w.words(tenant), Automatic: w.rng.IntN(8) == 0, Queue: pickOf(w, "", "hard\u200b")}
	if a.Role != ticket.Requesters {
		d.Requester, d.Note = w.person(), secretNote
	}
	if w.rng.IntN(2) == 0 {
		d.Followers = []ticket.Person{w.person()}
	}
	w.clock.Advance(time.Minute)
	t, err := w.desk.Open(w.Context(), a, d)
	require.NoError(w, err)
	w.tickets = append(w.tickets, t.ID)
}

func boss(tenant string) ticket.Actor { return ticket.System("boss").In(tenant) }

// find returns a ticket and its tenant, as it is stored.
func (w *world) find(id ticket.ID) (ticket.Ticket, ticket.Actor) {
	w.Helper()
	for _, tenant := range worldTenants {
		if t, err := w.desk.Get(w.Context(), boss(tenant), id); err == nil {
			return t, boss(tenant)
		}
	}
	w.Fatalf("ticket %s is lost", id)
	return ticket.Ticket{}, ticket.Actor{}
}

func (w *world) own(a ticket.Actor, id ticket.ID) (list []ticket.Event) {
	w.Helper()
	for e, err := range w.desk.Events(w.Context(), a, id) {
		require.NoError(w, err)
		list = append(list, e)
	}
	return list
}

// step acts, and looks at what came of it.
func (w *world) step(a ticket.Actor, id ticket.ID, act ticket.Action, i int) {
	w.Helper()
	before, all := w.find(id)
	got, err := w.desk.Do(w.Context(), a, id, act)
	if err != nil {
		require.True(w, errors.Is(err, ticket.ErrRefused) || errors.Is(err, ticket.ErrInvalid) || errors.Is(err, ticket.ErrNotFound) || errors.Is(err, ticket.ErrDuplicate),
			"step %d: %s: %v", i, act.Name, err)
		require.NotContains(w, err.Error(), secretNote)
		after, _ := w.find(id)
		require.True(w, before.Equal(after), "step %d: what is refused changes nothing", i)
		return
	}
	require.Equal(w, a.Tenant, before.Tenant, "step %d: no tenant reaches into another", i)
	w.repeat(a, id, act, got, i)
	if !slices.Contains(w.tickets, got.ID) {
		w.tickets = append(w.tickets, got.ID)
		if act.Name != ticket.Split {
			w.done["follow-up"]++
		}
	}
	after, _ := w.find(id)
	if after.Version == before.Version { // a repeat, another ticket, or nothing to change
		return
	}
	w.done[string(act.Name)]++
	events := w.own(all, id)
	e := events[len(events)-1]
	words := e.Message != "" || len(e.Attachments) > 0
	told := w.toldOf(all, after, e.Seq)
	switch {
	case e.Automatic && words:
		w.done["automatic"]++
		same := after
		same.Version, same.Digest, same.Touched = before.Version, before.Digest, before.Touched
		require.True(w, before.Equal(same), "step %d: words of a machine moved something: %s", i, act.Name)
		for _, d := range told {
			require.Zero(w, d.To.Role&ticket.Customers, "step %d: %s", i, d.Kind)
		}
	case e.Answer && e.Action != ticket.Unmerge:
		w.everyMailbox(after, told, i)
	}
	mailboxes := map[string]int{}
	for _, d := range told {
		if d.To.Role&ticket.Customers != 0 {
			mailboxes[d.To.Key()]++
		}
		own := e.By.Role&ticket.Customers != 0 && d.To.Role&ticket.Customers != 0 && e.Actor.Same(d.To.Person)
		require.False(w, own && d.Kind != ticket.KindUploaded, "step %d: their own words came back: %s", i, d.Kind)
	}
	for m, n := range mailboxes {
		require.Equal(w, 1, n, "step %d: %s was told %d times", i, m, n)
	}
	w.joiners(before, e, told, i)
	if before.Assignee != "" && after.Assignee != before.Assignee && e.By.Role == ticket.Agents && e.By.ID != before.Assignee {
		require.True(w, slices.ContainsFunc(told, func(d ticket.Delivery) bool {
			return d.Kind == ticket.KindUnassigned && d.To.Person.ID == before.Assignee
		}), "step %d: who lost the ticket was not told", i)
	}
	switch act.Name {
	case ticket.Amend:
		require.Equal(w, [3]any{before.Resolved, before.Closed, before.Timer}, [3]any{after.Resolved, after.Closed, after.Timer}, "step %d", i)
		require.Equal(w, before.Reopened, after.Reopened)
	case ticket.Unmerge:
		at := before.Version
		for ; events[at-1].Action != ticket.Merge; at-- {
		}
		was, err := ticket.Replay(events[:at-1])
		require.NoError(w, err)
		require.Equal(w, was.State(), after.State(), "step %d", i)
		require.Equal(w, [6]any{was.Assignee, was.Queue, was.Resolution, was.Resolved, was.Closed, was.Reopened},
			[6]any{after.Assignee, after.Queue, after.Resolution, after.Resolved, after.Closed, after.Reopened}, "step %d", i)
		o, _ := w.find(before.MergedInto)
		w.survivor(o, w.own(all, o.ID), i)
	case ticket.Merge:
		var said []string
		for h, err := range w.desk.History(w.Context(), all, after.MergedInto) {
			require.NoError(w, err)
			said = append(said, string(h.Message))
		}
		for _, e := range events {
			require.Contains(w, said, string(e.Message), "step %d: words of the merged ticket are read where it goes on", i)
		}
	}
}

// joiners checks that who is concerned with the ticket from now on, and was not
// before, is told, whatever the event is, unless it was their own.
func (w *world) joiners(before ticket.Ticket, e ticket.Event, told []ticket.Delivery, i int) {
	w.Helper()
	if e.Action != ticket.Edit {
		return
	}
	had := map[string]bool{}
	for _, p := range append([]ticket.Person{before.Requester}, before.Followers...) {
		had[ticket.Recipient{Role: ticket.Followers, Person: p}.Key()] = true
	}
	for _, p := range append([]ticket.Person{e.Requester}, e.Followed...) {
		key := ticket.Recipient{Role: ticket.Followers, Person: p}.Key()
		if p.IsZero() || had[key] {
			continue
		}
		w.done["join"]++
		require.True(w, slices.ContainsFunc(told, func(d ticket.Delivery) bool { return d.To.Role&ticket.Customers != 0 && d.To.Key() == key }),
			"step %d: %s joined and was not told", i, key)
	}
}

// survivor checks that a merge undone at once leaves the ticket that went on as it
// was, but for what records that there was one.
func (w *world) survivor(was ticket.Ticket, events []ticket.Event, i int) {
	w.Helper()
	n := len(events)
	if n < 3 || events[n-1].Action != ticket.Unmerge || events[n-2].Action != ticket.Merge || events[n-1].Set.Other != events[n-2].Set.Other {
		return
	}
	w.done["undone at once"]++
	before, err := ticket.Replay(events[:n-2])
	require.NoError(w, err)
	was.Version, was.Digest, was.Touched = before.Version, before.Digest, before.Touched
	text, err := json.Marshal(before)
	require.NoError(w, err)
	now, err := json.Marshal(was)
	require.NoError(w, err)
	require.JSONEq(w, string(text), string(now), "step %d: the merge left something behind", i)
}

// repeat does again what was just done with a key: the same changes nothing, and
// something else, or somebody else, does not get through with that key.
func (w *world) repeat(a ticket.Actor, id ticket.ID, act ticket.Action, got ticket.Ticket, i int) {
	w.Helper()
	if a.Role == ticket.Requesters {
		b, err := json.Marshal(got)
		require.NoError(w, err)
		require.NotContains(w, string(b), secretNote)
		require.Empty(w, got.Queue+got.Assignee, "step %d: what a customer gets is public", i)
	}
	if act.Key == "" {
		return
	}
	w.done["repeat"]++
	is := w.must(got.ID)
	again, err := w.desk.Do(w.Context(), a, id, act)
	if err == nil {
		require.Equal(w, got.ID, again.ID, "step %d", i)
	} else {
		require.ErrorIs(w, err, ticket.ErrNotFound, "step %d: it may see it no more", i)
	}
	other := act
	other.Channel = "other"
	others := ticket.Requester(ticket.Person{ID: "nobody"}).In(a.Tenant)
	for _, try := range []struct {
		a   ticket.Actor
		act ticket.Action
	}{{a, other}, {others, act}} {
		_, err = w.desk.Do(w.Context(), try.a, id, try.act)
		require.Error(w, err, "step %d: %s", i, act.Name)
		require.NotContains(w, err.Error(), secretNote)
	}
	require.True(w, is.Equal(w.must(got.ID)), "step %d: a repeat changed something", i)
}

// told looks at what reached people.
func (w *world) told() {
	w.Helper()
	_, err := w.desk.Deliver(w.Context())
	require.NoError(w, err)
	require.NotEmpty(w, w.sent.Sent())
	for _, n := range w.sent.Sent() {
		if n.To.Role&ticket.Customers == 0 {
			for i := range n.Attachments {
				n.Attachments[i].Ref = "" // where the desk finds the file
			}
		}
		b, err := json.Marshal(n)
		require.NoError(w, err)
		require.NotContains(w, string(b), secretNote, "%s to %s", n.Kind, n.To.Role)
		require.NotContains(w, string(b), foreign(n.Tenant))
	}
}

// link makes a status link for a customer, looks through it, and takes it back.
func (w *world) link(a ticket.Actor, id ticket.ID) {
	w.Helper()
	token, err := w.desk.Link(w.Context(), a, id, ticket.LinkRequest{TTL: time.Hour})
	if errors.Is(err, ticket.ErrRefused) {
		return
	}
	require.NoError(w, err)
	w.done["link"]++
	holder := ticket.Holder(token).In(a.Tenant)
	v, err := w.desk.Track(w.Context(), holder, "")
	require.NoError(w, err)
	b, err := json.Marshal(v)
	require.NoError(w, err)
	require.NotContains(w, string(b), secretNote)
	require.NotContains(w, string(b), foreign(a.Tenant))
	_, err = w.desk.Track(w.Context(), ticket.Holder(token).In("elsewhere"), "")
	require.Error(w, err)
	_, err = w.desk.RevokeLinks(w.Context(), boss(a.Tenant), id)
	require.NoError(w, err)
	_, err = w.desk.Track(w.Context(), holder, "")
	require.ErrorIs(w, err, ticket.ErrLink)
}

// toldOf are the rows of one event.
func (w *world) toldOf(a ticket.Actor, t ticket.Ticket, seq int64) (list []ticket.Delivery) {
	w.Helper()
	for q := (ticket.DeliveryQuery{Ticket: t.ID, Limit: ticket.MaxLimit}); ; {
		page, err := w.desk.Deliveries(w.Context(), a, q)
		require.NoError(w, err)
		for _, d := range page.Deliveries {
			if d.Seq == seq {
				list = append(list, d)
			}
		}
		if q.After = page.Next; q.After.IsZero() {
			return list
		}
	}
}

// everyMailbox checks that an answer is told to all who are concerned.
func (w *world) everyMailbox(t ticket.Ticket, told []ticket.Delivery, i int) {
	w.Helper()
	for _, p := range append([]ticket.Person{t.Requester}, t.Followers...) {
		key := ticket.Recipient{Role: ticket.Followers, Person: p}.Key()
		require.True(w, slices.ContainsFunc(told, func(d ticket.Delivery) bool { return d.To.Role&ticket.Customers != 0 && d.To.Key() == key }),
			"step %d: %s heard nothing of an answer", i, key)
	}
}

// look reads all that each customer can read.
func (w *world) look() {
	w.Helper()
	for _, p := range []ticket.Person{{ID: "7", Email: "ada@example.org"}, {ID: "8"}, {ID: "9"}, {ID: "v"}} {
		for _, tenant := range worldTenants {
			a := ticket.Requester(p).In(tenant)
			var seen []any
			for t, err := range w.desk.Tickets(w.Context(), a, ticket.Query{}) {
				require.NoError(w, err)
				v, err := w.desk.Track(w.Context(), a, string(t.Number))
				require.NoError(w, err)
				require.Equal(w, t.Number, v.Number, "each in a customer's list is the one that its number leads to")
				seen = append(seen, t, v)
				if w.rng.IntN(40) == 0 {
					w.link(a, t.ID)
				}
				words, _, err := w.desk.Messages(w.Context(), a, string(t.Number), "")
				require.NoError(w, err)
				seen = append(seen, words)
				for e, err := range w.desk.History(w.Context(), a, t.ID) {
					require.NoError(w, err)
					seen = append(seen, e)
				}
			}
			hits, err := w.desk.Search(w.Context(), a, ticket.SearchQuery{Text: "loom"})
			require.NoError(w, err)
			for _, h := range hits {
				seen = append(seen, h)
				require.NotZero(w, a.RoleOn(w.must(h.Ticket.ID)))
			}
			none, err := w.desk.Search(w.Context(), a, ticket.SearchQuery{Text: secretNote})
			require.NoError(w, err)
			require.Empty(w, none)
			b, err := json.Marshal(seen)
			require.NoError(w, err)
			require.NotContains(w, string(b), secretNote)
			require.NotContains(w, string(b), foreign(tenant))
			for _, id := range w.tickets {
				t := w.must(id)
				if t.Tenant == tenant && a.RoleOn(t) != 0 {
					continue
				}
				_, err := w.desk.Get(w.Context(), a, id)
				require.ErrorIs(w, err, ticket.ErrNotFound)
				if t.MergedInto.IsZero() { // else its number leads on
					_, err = w.desk.Track(w.Context(), a, string(t.Number))
					require.ErrorIs(w, err, ticket.ErrNotFound)
				}
				_, err = w.desk.AtVersion(w.Context(), a, id, 1)
				require.Error(w, err)
				for _, err := range w.desk.Events(w.Context(), a, id) {
					require.Error(w, err)
				}
			}
		}
	}
}

func (w *world) must(id ticket.ID) ticket.Ticket {
	w.Helper()
	t, _ := w.find(id)
	return t
}

// chains checks every history, and that no ticket is its own ancestor.
func (w *world) chains() {
	w.Helper()
	parents := map[ticket.ID][]ticket.ID{}
	for _, id := range w.tickets {
		t, a := w.find(id)
		require.NoError(w, w.desk.Verify(w.Context(), a, id))
		folded, err := ticket.Replay(w.own(a, id))
		require.NoError(w, err)
		require.True(w, folded.Equal(t))
		for _, l := range t.Links {
			if l.Relation == ticket.ChildOf {
				parents[id] = append(parents[id], l.Ticket)
			}
		}
		open := 0
		for _, l := range t.Links {
			if next := w.must(l.Ticket); l.Relation == ticket.FollowedBy && !next.Phase.Done() && !next.Created.Before(t.Created) {
				open++
			}
		}
		require.LessOrEqual(w, open, 1+t.Reopened+len(t.Followers), "late replies meet in a follow-up")
	}
	for id := range parents {
		seen, todo := map[ticket.ID]bool{}, slices.Clone(parents[id])
		for len(todo) > 0 {
			next := todo[0]
			todo = todo[1:]
			require.NotEqual(w, id, next, "its own ancestor")
			if !seen[next] {
				seen[next] = true
				todo = append(todo, parents[next]...)
			}
		}
	}
}

// state is all there is, without what is random.
func (w *world) state() string {
	w.Helper()
	var b strings.Builder
	for _, id := range w.tickets {
		t := w.must(id)
		t.Digest = ticket.Digest{}
		text, err := json.Marshal(t)
		require.NoError(w, err)
		b.Write(text)
		b.WriteByte('\n')
	}
	return b.String()
}
