package ticket_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/memstore"
)

func given(to ticket.Actor, follow ...ticket.Person) ticket.Action {
	return ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{Requester: to.Person, Follow: follow}}
}

// handedOver returns a ticket of eve, of company x, that was given to vic, of
// another company, with messages from before and after the change.
func handedOver(t *testing.T, follow ...ticket.Person) (k *kit, tk ticket.Ticket, eve, vic ticket.Actor) {
	t.Helper()
	k = newKit(t, withLinks(1))
	eve, vic = inOrg("eve", "x"), inOrg("vic", "vendor")
	tk = k.open(eve, ticket.Draft{Subject: "Gate", Message: "salaries", Followers: []ticket.Person{inOrg("fay", "f").Person}})
	k.do(eve, tk, words("eve's secret"))
	k.do(lin, tk, ticket.Action{Name: ticket.ActionReply, Message: "secret answer"})
	k.do(lin, tk, given(vic, follow...))
	k.do(lin, tk, ticket.Action{Name: ticket.ActionReply, Message: "gate answer"})
	k.do(vic, tk, words("vic's words"))
	return k, tk, eve, vic
}

var (
	before = []string{"salaries", "eve's secret", "secret answer"}
	since  = []string{"gate answer", "vic's words"}
)

// A requester from another customer reads only the messages since it became the
// requester, in every call that returns messages.
func TestANewRequesterReadsFromThenOn(t *testing.T) {
	k, tk, eve, vic := handedOver(t)
	require.EqualValues(t, 4, k.get(tk).RequesterSince)
	require.Equal(t, since, said(k.view(vic, string(tk.Number)).Messages))
	token := k.link(cron, tk, ticket.StatusLinkRequest{For: vic.Person})
	require.Equal(t, since, said(k.view(ticket.StatusLinkHolder(token), "").Messages))
	for _, e := range k.events(vic, tk) {
		require.Greater(t, e.Seq, int64(4))
		require.Empty(t, e.Subject)
	}
	err := k.refusal(vic, tk, ticket.Action{Name: ticket.ActionReply, Message: "m", Version: 1}, ticket.ErrStale)
	require.NotContains(t, asJSON(t, err), "secret")
	for version, subject := range map[int64]string{1: "", 3: "", 4: "Gate", 6: "Gate"} {
		past, err := k.desk.AtVersion(t.Context(), vic, tk.ID, version)
		require.NoError(t, err)
		require.Equal(t, subject, past.Subject, version)
	}
	require.Empty(t, k.found(vic, "secret"))
	require.Empty(t, k.found(vic, "secret answer"), "one word of before and one of since")
	hits := k.found(vic, "answer")
	require.Len(t, hits, 1)
	require.NotContains(t, hits[0].Snippet.Text, "secret")
	require.Contains(t, hits[0].Snippet.Text, "gate answer")
	require.Equal(t, [][2]int{{5, 11}}, hits[0].Snippet.Marks)
	require.Len(t, k.found(vic, "gate words"), 1)

	k.cannotSee(eve, tk)
	_, err = k.desk.AtVersion(t.Context(), eve, tk.ID, 1)
	require.ErrorIs(t, err, ticket.ErrNotFound)
	require.Empty(t, k.found(eve, "secret"))
	for _, who := range []ticket.Actor{inOrg("fay", "f"), lin, cron} {
		require.Len(t, k.view(who, string(tk.Number)).Messages, 5, "followers and the desk read all")
		require.Len(t, k.found(who, "secret"), 1)
	}
}

// The agent who gives the ticket to somebody can let that person read earlier messages.
func TestANewRequesterWhoFollowsReadsAll(t *testing.T) {
	vic := inOrg("vic", "vendor")
	k, tk, _, _ := handedOver(t, vic.Person)
	require.Len(t, k.view(vic, string(tk.Number)).Messages, 5)
	require.Len(t, k.found(vic, "secret"), 1)
	k.do(lin, tk, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{Unfollow: []ticket.Person{vic.Person}}})
	require.Len(t, k.view(vic, string(tk.Number)).Messages, 2)
}

func TestANewRequesterOfTheSameCustomerReadsAll(t *testing.T) {
	k, tk, eve, vic := handedOver(t)
	vera, kim := inOrg("vera", "vendor"), inOrg("kim", "x")
	k.do(lin, tk, given(vera))
	require.Equal(t, since, said(k.view(vera, string(tk.Number)).Messages), "what its colleague read")
	k.cannotSee(vic, tk)
	k.do(lin, tk, given(kim))
	require.Equal(t, before, said(k.view(kim, string(tk.Number)).Messages), "the time of its own company")
	k.do(lin, tk, given(eve))
	k.do(lin, tk, ticket.Action{Name: ticket.ActionReply, Message: "back again"})
	require.Equal(t, append(before[:3:3], "back again"), said(k.view(eve, string(tk.Number)).Messages))
}

// Everybody reads their own words, even from the time of another requester.
func TestOwnWordsAreRead(t *testing.T) {
	k := newKit(t)
	eve, vic := inOrg("eve", "x"), inOrg("vic", "vendor")
	tk := k.open(eve, ticket.Draft{Message: "salaries", Followers: []ticket.Person{vic.Person}})
	k.do(vic, tk, words("vic's offer"))
	k.do(lin, tk, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{Unfollow: []ticket.Person{vic.Person}}})
	k.do(lin, tk, given(vic))
	require.Equal(t, []string{"vic's offer"}, said(k.view(vic, string(tk.Number)).Messages))
	require.Len(t, k.found(vic, "offer"), 1)
	require.Empty(t, k.found(vic, "offer salaries"))
}

// A change of the requester shows no message that a merge would not show.
func TestANewRequesterDoesNotReadEarlierMergedTickets(t *testing.T) {
	k := newKit(t)
	eve, vic, vera := inOrg("eve", "x"), inOrg("vic", "vendor"), inOrg("vera", "vendor")
	a, b := k.open(eve, ticket.Draft{Message: "a"}), k.open(eve, ticket.Draft{Message: "b"})
	c := k.open(vera, ticket.Draft{Message: "c"})
	k.do(super, a, merge(b))
	k.do(super, b, given(vic))
	k.do(super, c, merge(b))
	require.Equal(t, []string{string(c.Number) + ": c"}, said(k.view(vic, string(b.Number)).Messages))
	require.Equal(t, []string{string(c.Number) + ": c"}, said(k.view(vera, string(b.Number)).Messages),
		"who follows by a merge reads what the requester does")
	require.Equal(t, []string{"a"}, said(k.view(eve, string(a.Number)).Messages), "and keeps what was its own")
	for _, who := range []ticket.Actor{vic, vera} {
		for _, e := range k.events(who, b) {
			require.NotEqual(t, ticket.Message("a"), e.Message)
			require.NotEqual(t, ticket.Message("b"), e.Message)
		}
	}
	require.Len(t, k.view(super, string(b.Number)).Messages, 3)
}

// An agent with a customer's ID is not that customer.
func TestAnAgentIsNotTheCustomerWithItsID(t *testing.T) {
	k, tk, eve, _ := handedOver(t)
	twin := ticket.Agent(eve.Person.ID, 1)
	for _, m := range k.view(twin, string(tk.Number)).Messages {
		require.NotContains(t, asJSON(t, m), "example.org")
	}
	require.Len(t, k.view(twin, string(tk.Number)).Messages, 5)
}

// readableBy derives, from the desk's view of a ticket's history alone, the messages
// that a customer may read there; part reports whether it has a part in the ticket.
func readableBy(who ticket.Person, history []ticket.Event) (texts map[string]bool, part bool) {
	texts = map[string]bool{}
	same := func(p ticket.Person) bool { return p.Same(who) || p.Organisation == who.Organisation }
	now, err := ticket.Replay(history)
	if err != nil {
		panic(err)
	}
	follows := slices.ContainsFunc(now.Followers, who.Same)
	if part = follows || now.Requester.Same(who); !part && !same(now.Requester) {
		return texts, part
	}
	let := false
	for _, e := range history {
		if slices.ContainsFunc(e.Followed, who.Same) {
			let = e.Action != ticket.ActionMerge
		}
	}
	for i, e := range history {
		then, err := ticket.Replay(history[:i+1])
		if err != nil {
			panic(err)
		}
		own := e.By.Role&ticket.RoleCustomer != 0 && e.Actor.Same(who)
		if e.Message != "" && (own || follows && let || e.Seq >= now.RequesterSince || same(then.Requester)) {
			texts[string(e.Message)] = true
		}
	}
	return texts, part
}

// After any random sequence of actions, everybody reads what the rule says, by every
// call, and a search finds nothing else.
func TestTheReadingRuleHoldsAfterRandomActions(t *testing.T) {
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 9))
		k := newKit(t)
		var people []ticket.Actor
		for i, org := range []string{"x", "x", "vendor", "vendor", "third"} {
			people = append(people, inOrg(fmt.Sprint("p", i), org))
		}
		somebody := func() ticket.Actor { return people[r.IntN(len(people))] }
		var tickets []ticket.Ticket
		for i := range 5 {
			dr := ticket.Draft{Message: ticket.Message(fmt.Sprint("opened", i))}
			if r.IntN(3) == 0 {
				dr.Followers = []ticket.Person{somebody().Person}
			}
			tickets = append(tickets, k.open(somebody(), dr))
		}
		for step := range 80 {
			tk, other := tickets[r.IntN(len(tickets))], tickets[r.IntN(len(tickets))]
			who, act := super, ticket.Action{}
			switch r.IntN(8) {
			case 0, 1:
				who, act = somebody(), words(fmt.Sprint("said", step))
			case 2:
				act = words(fmt.Sprint("said", step))
			case 3, 4:
				act = merge(other)
			case 5:
				act = ticket.Action{Name: ticket.ActionUnmerge}
			case 6:
				act = given(somebody())
			case 7:
				act = ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{Follow: []ticket.Person{somebody().Person}, Unfollow: []ticket.Person{somebody().Person}}}
			}
			k.clock.Advance(1e9)
			_, _ = k.desk.Do(t.Context(), who, tk.ID, act)
		}
		histories := map[ticket.ID][]ticket.Event{}
		for _, tk := range tickets {
			for e, err := range k.desk.Events(t.Context(), super, tk.ID) {
				require.NoError(t, err)
				histories[tk.ID] = append(histories[tk.ID], e)
			}
		}
		// inside reports whether one ticket was merged into another, in any number of
		// steps.
		inside := func(tk ticket.Ticket, into ticket.ID) bool {
			for tk = k.get(tk); tk.ID != into && !tk.MergedInto.IsZero(); {
				tk = k.get(ticket.Ticket{ID: tk.MergedInto})
			}
			return tk.ID == into
		}
		for _, who := range people {
			all := map[string]bool{}
			for _, tk := range tickets {
				v, err := k.desk.Track(t.Context(), who, string(tk.Number))
				if _, part := readableBy(who.Person, histories[tk.ID]); !part {
					require.ErrorIs(t, err, ticket.ErrNotFound)
					continue
				}
				require.NoError(t, err)
				want := map[string]bool{}
				for _, m := range tickets {
					if inside(m, v.ID) {
						texts, _ := readableBy(who.Person, histories[m.ID])
						for text := range texts {
							want[text], all[text] = true, true
						}
					}
				}
				got, read := map[string]bool{}, map[string]bool{}
				for _, m := range v.Messages {
					got[string(m.Text)] = true
				}
				require.Equal(t, want, got, "seed %d: %v of %s", seed, who.Person.ID, tk.Number)
				for e, err := range k.desk.History(t.Context(), who, v.ID) {
					require.NoError(t, err)
					if e.Message != "" {
						read[string(e.Message)] = true
					}
				}
				require.Equal(t, want, read)
			}
			for _, tk := range tickets {
				for _, e := range histories[tk.ID] {
					if e.Message == "" || all[string(e.Message)] {
						continue
					}
					require.Empty(t, k.found(who, string(e.Message)), "seed %d: %v", seed, who.Person.ID)
				}
			}
			page, err := k.desk.List(t.Context(), who, ticket.Query{})
			require.NoError(t, err)
			for _, tk := range page.Tickets {
				require.Equal(t, tk.Number, k.view(who, string(tk.Number)).Number)
			}
		}
	}
}

// erased is a store whose event no longer says to whom a ticket was given.
type erased struct {
	ticket.Store
	seq int64
}

func (s *erased) Events(ctx context.Context, tenant string, id ticket.ID, after int64, limit int) ([]ticket.Event, error) {
	page, err := s.Store.Events(ctx, tenant, id, after, limit)
	for i := range page {
		if page[i].Seq == s.seq {
			page[i] = page[i].Erase(ticket.Groups{Identities: true})
		}
	}
	return page, err
}

func TestEarlierMessagesStayHiddenAfterNamesAreErased(t *testing.T) {
	s := &erased{Store: memstore.New()}
	k := newKitOn(t, s)
	eve, vic := inOrg("eve", "x"), inOrg("vic", "vendor")
	tk := k.open(eve, ticket.Draft{Message: "eve's"})
	k.do(lin, tk, given(vic))
	k.do(vic, tk, words("vic's"))
	k.do(lin, tk, given(eve))
	s.seq = 2
	require.Equal(t, []string{"eve's"}, said(k.view(eve, string(tk.Number)).Messages))
}

// hidesOne is a policy that shows a ticket to nobody but the desk's systems.
type hidesOne struct {
	ticket.DefaultPolicy
	id *ticket.ID
}

func (p hidesOne) MaySee(a ticket.Actor, t ticket.Ticket) bool {
	return p.DefaultPolicy.MaySee(a, t) && (t.ID != *p.id || a.Role == ticket.RoleSystem)
}

func TestThePolicyIsAskedAboutTheMergedTicketToo(t *testing.T) {
	var secret ticket.ID
	k := newKit(t, func(c *ticket.Config) { c.Policy = hidesOne{id: &secret} })
	a, b := k.open(ada, ticket.Draft{Message: "a"}), k.open(ada, ticket.Draft{Message: "b"})
	k.do(super, a, merge(b))
	require.Len(t, k.view(ada, string(b.Number)).Messages, 2)
	secret = a.ID
	for _, who := range []ticket.Actor{ada, super} {
		require.Equal(t, []string{"b"}, said(k.view(who, string(b.Number)).Messages))
		require.Empty(t, k.found(who, "a"))
	}
	require.Len(t, k.view(cron, string(b.Number)).Messages, 2)
}
