package ticket_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
)

func (k *kit) view(a ticket.Actor, ref string) ticket.View {
	k.Helper()
	v, err := k.desk.Track(k.Context(), a, ref)
	require.NoError(k, err)
	return v
}

// said returns the messages of a view as "number: text", and as "text" if they
// are the ticket's own.
func said(list []ticket.ViewMessage) (all []string) {
	for _, m := range list {
		text := string(m.Text)
		if m.Number != "" {
			text = string(m.Number) + ": " + text
		}
		all = append(all, text)
	}
	return all
}

// allMessages walks from page to page, and returns them in the order of time.
func (k *kit) allMessages(a ticket.Actor, ref string) (all []ticket.ViewMessage) {
	k.Helper()
	v := k.view(a, ref)
	all = v.Messages
	for at := v.Earlier; at != ""; {
		page, next, err := k.desk.Messages(k.Context(), a, ref, at)
		require.NoError(k, err)
		require.NotEmpty(k, page)
		all = slices.Concat(page, all)
		at = next
	}
	return all
}

func (k *kit) found(a ticket.Actor, text string) []ticket.Hit {
	k.Helper()
	hits, err := k.desk.Search(k.Context(), a, ticket.SearchQuery{Text: text})
	require.NoError(k, err)
	return hits
}

func merge(into ticket.Ticket) ticket.Action {
	return ticket.Action{Name: ticket.ActionMerge, Ticket: into.ID}
}

func words(text string) ticket.Action {
	return ticket.Action{Name: ticket.ActionReply, Message: ticket.Message(text)}
}

// An agent finds the messages of all merged tickets under the number of any of them.
func TestEachNumberShowsTheMessagesOfAllMergedTickets(t *testing.T) {
	k := newKit(t)
	a, b, c := k.open(ada, ticket.Draft{Message: "a1"}), k.open(ada, ticket.Draft{Message: "b1"}), k.open(ada, ticket.Draft{Message: "c1"})
	k.do(ada, b, words("b2"))
	k.do(ada, a, words("a2"))
	k.do(super, a, merge(b))
	k.do(ada, b, words("b3"))
	k.do(super, b, merge(c))
	k.do(ada, a, words("c2"))
	inA, inB := string(a.Number)+": ", string(b.Number)+": "
	want := []string{inA + "a1", inB + "b1", "c1", inB + "b2", inA + "a2", inB + "b3", "c2"}
	for _, who := range []ticket.Actor{ada, super} {
		for _, ref := range []string{string(a.Number), b.ID.String(), string(c.Number)} {
			got := said(k.view(who, ref).Messages)
			// At equal times the merged ticket's messages come first, in a fixed order.
			require.ElementsMatch(t, want[:3], got[:3])
			require.Equal(t, "c1", got[2])
			require.Equal(t, want[3:], got[3:])
		}
	}

	whose := map[ticket.ID]int{}
	var last time.Time
	for _, e := range k.events(super, c) {
		require.False(t, e.At.Before(last))
		last = e.At
		whose[e.Ticket]++
		require.EqualValues(t, whose[e.Ticket], e.Seq, "each ticket's events are whole and in order")
	}
	require.Equal(t, map[ticket.ID]int{a.ID: int(k.get(a).Version), b.ID: int(k.get(b).Version), c.ID: int(k.get(c).Version)}, whose)
	numbers := map[ticket.Number]bool{}
	for e, err := range k.desk.Entries(t.Context(), super, c.ID) {
		require.NoError(t, err)
		require.Equal(t, e.Event.Seq == 1 || e.Event.Message != "", len(e.Deliveries) > 0 && e.Event.Action != ticket.ActionMerge, "%v", e.Event.Action)
		numbers[e.Number] = true
	}
	require.Len(t, numbers, 3)

	hits := k.found(ada, "a2")
	require.Len(t, hits, 1)
	require.Equal(t, c.ID, hits[0].Ticket.ID)
	require.Equal(t, a.Number, hits[0].Number)

	k.do(super, b, ticket.Action{Name: ticket.ActionUnmerge})
	require.Equal(t, []string{"c1", "c2"}, said(k.view(ada, string(c.Number)).Messages))
	require.Len(t, k.view(ada, string(b.Number)).Messages, 5)
	require.Equal(t, b.ID, k.found(ada, "a2")[0].Ticket.ID)
}

func TestAMergedTicketIsOpenedByItself(t *testing.T) {
	k := newKit(t)
	a, b := k.open(ada, ticket.Draft{Message: "a1"}), k.open(ada, ticket.Draft{Message: "b1"})
	k.do(super, a, merge(b))
	got, err := k.desk.Lookup(t.Context(), super, string(a.Number))
	require.NoError(t, err)
	require.Equal(t, a.ID, got.ID)
	got, err = k.desk.Lookup(t.Context(), ada, string(a.Number))
	require.NoError(t, err)
	require.Equal(t, b.ID, got.ID, "a customer is led on, as always")
	_, err = k.desk.Lookup(t.Context(), ticket.Agent("gus", 1).Serving("gas").InTenant("other"), string(a.Number))
	require.ErrorIs(t, err, ticket.ErrNotFound)

	for _, tk := range []ticket.Ticket{a, b} {
		var own []ticket.Event
		for e, err := range k.desk.Events(t.Context(), super, tk.ID) {
			require.NoError(t, err)
			own = append(own, e)
		}
		require.NoError(t, ticket.Chain{}.Verify(own))
		folded, err := ticket.Replay(own)
		require.NoError(t, err)
		require.True(t, folded.Equal(k.get(tk)))
	}
	for _, err := range k.desk.Events(t.Context(), bob, a.ID) {
		require.ErrorIs(t, err, ticket.ErrNotFound)
	}
}

// Not everyone who sees the target ticket may read the messages of the merged one.
func TestReadersOfAMergedTicketsMessages(t *testing.T) {
	vic, vera := inOrg("vic", "vendor"), inOrg("vera", "vendor")
	eve, kim := inOrg("eve", "x"), inOrg("kim", "x")
	gas := ticket.Agent("gus", 1).Serving("gas")
	k := newKit(t)
	a := k.open(eve, ticket.Draft{Message: "salaries", Queue: "people", Followers: []ticket.Person{vic.Person}})
	b := k.open(kim, ticket.Draft{Message: "doors", Queue: "gas", Followers: []ticket.Person{vera.Person, vic.Person}})
	k.do(super, a, merge(b))
	both, one := 2, 1
	for who, n := range map[string]struct {
		actor ticket.Actor
		n     int
	}{
		"its requester": {eve, both}, "a colleague with the ticket": {kim, both}, "its follower": {vic, both},
		"a follower of the other one": {vera, one}, "an agent of both queues": {super, both}, "an agent of one": {gas, one},
	} {
		require.Len(t, k.view(n.actor, string(b.Number)).Messages, n.n, who)
		words := 0
		for _, e := range k.events(n.actor, b) {
			if e.Message != "" {
				words++
			}
		}
		require.Equal(t, n.n, words, who)
	}
	require.Empty(t, k.found(gas, "salaries"))
	require.Empty(t, k.found(vera, "salaries"))
}

// A customer's list has merged tickets once, under the number of the ticket that they
// were merged into.
func TestACustomersListHasMergedTicketsOnce(t *testing.T) {
	eve, kim, vic := inOrg("eve", "x"), inOrg("kim", "x"), inOrg("vic", "vendor")
	k := newKit(t)
	a := k.open(eve, ticket.Draft{Message: "a", Followers: []ticket.Person{vic.Person}})
	b, c, d := k.open(kim, ticket.Draft{Message: "b"}), k.open(kim, ticket.Draft{Message: "c"}), k.open(kim, ticket.Draft{Message: "d"})
	for _, m := range [][2]ticket.Ticket{{a, b}, {b, c}} {
		k.do(super, m[0], merge(m[1]))
	}
	list := func(who ticket.Actor, q ticket.Query) (ids []ticket.ID) {
		for tk, err := range k.desk.Tickets(t.Context(), who, q) {
			require.NoError(t, err)
			if who.Role == ticket.RoleRequester {
				require.Equal(t, tk.Number, k.view(who, string(tk.Number)).Number)
			}
			ids = append(ids, tk.ID)
		}
		return ids
	}
	require.Equal(t, []ticket.ID{c.ID}, list(eve, ticket.Query{Limit: 1}))
	require.Equal(t, []ticket.ID{c.ID, d.ID}, list(kim, ticket.Query{Limit: 1}))
	require.Equal(t, []ticket.ID{a.ID}, list(vic, ticket.Query{}), "a follower who is not taken over keeps the old ticket")
	require.Len(t, list(super, ticket.Query{}), 4)
	require.Equal(t, []ticket.ID{c.ID, d.ID}, list(super, ticket.Query{NotMerged: true}))
	k.do(super, b, ticket.Action{Name: ticket.ActionUnmerge})
	require.Equal(t, []ticket.ID{b.ID, c.ID, d.ID}, list(super, ticket.Query{NotMerged: true}))
}

// A search finds merged tickets once. It prefers a match in the target ticket's own
// messages.
func TestASearchFindsMergedTicketsOnce(t *testing.T) {
	k := newKit(t)
	a, b := k.open(ada, ticket.Draft{Message: "fuse one"}), k.open(ada, ticket.Draft{Message: "fuse two"})
	c := k.open(ada, ticket.Draft{Message: "fuse three"})
	k.do(super, c, merge(a))
	k.do(super, a, merge(b))
	hits := k.found(ada, "fuse")
	require.Equal(t, []ticket.ID{b.ID}, idsOf(hits))
	require.Empty(t, hits[0].Number)
	require.Contains(t, hits[0].Snippet.Text, "two")
	hits = k.found(super, "three")
	require.Equal(t, c.Number, hits[0].Number)
	require.Empty(t, k.search(super, ticket.SearchQuery{Text: "three", Query: ticket.Query{NotMerged: true}}))
}

// A customer finds a colleague's message in a ticket that was merged into its own.
func TestASearchFindsMessagesReadableAfterAMerge(t *testing.T) {
	k := newKit(t)
	eve, kim, dan, zoe := inOrg("eve", "x"), inOrg("kim", "x"), inOrg("dan", "x"), inOrg("zoe", "z")
	a, b := k.open(eve, ticket.Draft{Message: "the flamingo"}), k.open(kim, ticket.Draft{Message: "my words"})
	k.do(super, a, ticket.Action{Name: ticket.ActionNote, Note: "a pelican"})
	require.Empty(t, k.found(kim, "flamingo"), "a colleague's ticket is none of its own")
	k.do(super, a, merge(b))
	hits := k.found(kim, "flamingo")
	require.Equal(t, []ticket.ID{b.ID}, idsOf(hits))
	require.Equal(t, a.Number, hits[0].Number)
	require.Equal(t, "the flamingo", hits[0].Snippet.Text)
	require.Empty(t, k.found(kim, "pelican"))
	require.Empty(t, k.found(dan, "flamingo"), "who has no part in either")
	require.Empty(t, k.search(kim, ticket.SearchQuery{Text: "flamingo", Query: ticket.Query{NotMerged: true}}))

	k.edit(b, ticket.Edits{Requester: zoe.Person})
	require.Empty(t, k.found(zoe, "flamingo"))
	require.Empty(t, k.found(kim, "flamingo"))
	k.edit(b, ticket.Edits{Requester: kim.Person})
	require.Len(t, k.found(kim, "flamingo"), 1)
	k.do(super, a, ticket.Action{Name: ticket.ActionUnmerge})
	require.Empty(t, k.found(kim, "flamingo"))
}

// The pages contain each message once, whichever ticket it belongs to.
func TestMessagesArePaged(t *testing.T) {
	k := newKit(t)
	var tickets []ticket.Ticket
	for i := range 4 {
		tickets = append(tickets, k.open(ada, ticket.Draft{Message: ticket.Message(fmt.Sprint(i))}))
	}
	for i := range 400 {
		k.do(ada, tickets[i*i%4], words(fmt.Sprint(4+i)))
		k.do(lin, tickets[i%4], ticket.Action{Name: ticket.ActionNote, Note: "n"})
	}
	for _, tk := range tickets[1:] {
		k.do(super, tk, merge(tickets[0]))
	}
	v := k.view(ada, string(tickets[0].Number))
	require.Len(t, v.Messages, 100)
	require.Equal(t, ticket.Message("403"), v.Messages[99].Text)
	require.Equal(t, k.clock.Now(), v.Touched)
	all := k.allMessages(ada, string(tickets[2].Number))
	require.Len(t, all, 404)
	for i, m := range all[4:] {
		require.Equal(t, fmt.Sprint(4+i), string(m.Text))
	}
	_, _, err := k.desk.Messages(t.Context(), ada, string(tickets[0].Number), ticket.Cursor("AQ"))
	require.ErrorIs(t, err, ticket.ErrInvalid)
	page, err := k.desk.List(t.Context(), super, ticket.Query{Limit: 1})
	require.NoError(t, err)
	_, _, err = k.desk.Messages(t.Context(), ada, string(tickets[0].Number), page.Next)
	require.ErrorIs(t, err, ticket.ErrInvalid, "a cursor of a list")
}

// reads counts the events that a desk reads.
type reads struct {
	ticket.Store
	bytes, most int
}

func (r *reads) Events(ctx context.Context, tenant string, id ticket.ID, after int64, limit int) ([]ticket.Event, error) {
	page, err := r.Store.Events(ctx, tenant, id, after, limit)
	size := 0
	for _, e := range page {
		size += len(e.Message)
	}
	r.bytes += size
	if size > r.most {
		r.most = size
	}
	return page, err
}

// Looking at a ticket reads one page of events, however long its history is.
func TestLookingAtATicketReadsOnePage(t *testing.T) {
	k := newKit(t)
	r := &reads{Store: k.store}
	k = newKitOn(t, r)
	tk, other := k.open(ada, ticket.Draft{}), k.open(ada, ticket.Draft{})
	long := strings.Repeat("x", 256<<10)
	for i := range 60 {
		_, err := k.desk.Do(t.Context(), ada, []ticket.ID{tk.ID, other.ID}[i%2], words(long))
		require.NoError(t, err)
	}
	k.do(super, other, merge(tk))
	*r = reads{Store: r.Store}
	v := k.view(ada, string(tk.Number))
	require.Len(t, v.Messages, 4)
	require.Less(t, r.bytes, 8<<20)
	require.Len(t, k.allMessages(ada, string(tk.Number)), 60)
	*r = reads{Store: r.Store}
	require.NoError(t, k.desk.Verify(t.Context(), super, tk.ID))
	_, err := k.desk.AtVersion(t.Context(), super, tk.ID, 30)
	require.NoError(t, err)
	require.NotEmpty(t, k.events(super, tk))
	require.LessOrEqual(t, r.most, 8*256<<10, "pages are small where events are large")

	huge := ticket.Message(strings.Repeat("y", 260<<10))
	one := newKit(t, func(c *ticket.Config) { c.Limits.Message = 2 << 20 })
	tk = one.open(ada, ticket.Draft{Message: huge})
	one.do(ada, tk, ticket.Action{Name: ticket.ActionReply, Message: huge + huge + huge + huge + huge})
	v = one.view(ada, string(tk.Number))
	require.Len(t, v.Messages, 1, "one message there is always")
	require.NotEmpty(t, v.Earlier)
}
