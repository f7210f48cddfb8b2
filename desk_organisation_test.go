package ticket_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/memstore"
)

// speakers lets customers whose ID begins with s see the tickets of their organisation.
func speakers(c *ticket.Config) {
	c.Policy = ticket.DefaultPolicy{Organisation: func(a ticket.Actor) bool { return a.Person.ID[0] == 's' }}
}

func (k *kit) listed(a ticket.Actor, q ticket.Query) (ids []ticket.ID) {
	k.Helper()
	for tk, err := range k.desk.Tickets(k.Context(), a, q) {
		require.NoError(k, err)
		ids = append(ids, tk.ID)
	}
	n, err := k.desk.Count(k.Context(), a, q)
	require.NoError(k, err)
	require.Len(k, ids, n)
	return ids
}

func TestACustomerSeesTheTicketsOfItsOrganisationWhereThePolicySaysSo(t *testing.T) {
	k := newKit(t, withLinks(1), speakers, func(c *ticket.Config) { c.Feedback.After = day })
	kim, sue := inOrg("kim", "mill"), inOrg("sue", "mill")
	theirs := k.open(kim, ticket.Draft{Message: "zebra"})
	own := k.open(sue, ticket.Draft{Message: "zebra"})
	foreign := k.open(inOrg("eve", "dairy"), ticket.Draft{Message: "zebra", Followers: []ticket.Person{sue.Person}})
	for _, a := range []ticket.Actor{inOrg("x", "dairy"), inOrg("x", ""), inOrg("x", "Mill"), inOrg("x", "mill").InTenant("north")} {
		k.open(a, ticket.Draft{Message: "zebra"})
	}
	mill := ticket.Query{Organisation: "mill"}
	require.Equal(t, []ticket.ID{theirs.ID, own.ID}, k.listed(sue, mill))
	require.Equal(t, []ticket.ID{own.ID, foreign.ID}, k.listed(sue, ticket.Query{}), "her own, as ever")
	require.Equal(t, []ticket.ID{own.ID}, k.listed(sue, ticket.Query{Organisation: "mill", Requester: sue.Person}))
	hits, err := k.desk.Search(t.Context(), sue, ticket.SearchQuery{Query: mill, Text: "zebra"})
	require.NoError(t, err)
	require.Len(t, hits, 2)
	hits, err = k.desk.Search(t.Context(), sue, ticket.SearchQuery{Query: mill, Text: string(theirs.Number)})
	require.NoError(t, err)
	require.Len(t, hits, 1)

	// She reads what a customer reads, and does nothing.
	k.do(lin, theirs, ticket.Action{Name: ticket.ActionNote, Note: "SECRET"})
	k.do(lin, theirs, ticket.Action{Name: ticket.ActionReply, Message: "Hello."})
	v, err := k.track(sue, string(theirs.Number))
	require.NoError(t, err)
	require.Len(t, v.Messages, 2)
	require.Empty(t, v.Actions)
	require.NotContains(t, asJSON(t, v), "SECRET")
	got, err := k.desk.Get(t.Context(), sue, theirs.ID)
	require.NoError(t, err)
	require.True(t, got.Requester.IsZero())
	for e, err := range k.desk.History(t.Context(), sue, theirs.ID) {
		require.NoError(t, err)
		require.NotContains(t, asJSON(t, e), "SECRET")
	}
	k.do(lin, theirs, ticket.Action{Name: ticket.ActionResolve, Message: "Solved."})
	for _, act := range []ticket.Action{{Name: ticket.ActionReply, Message: "m"}, {Name: ticket.ActionConfirm}, {Name: ticket.ActionReopen}, {Name: ticket.ActionCancel}} {
		_, err := k.desk.Do(t.Context(), sue, theirs.ID, act)
		require.ErrorIs(t, err, ticket.ErrRefused, act.Name)
	}
	_, err = k.desk.Rate(t.Context(), sue, theirs.ID, ticket.Rating{Score: 1})
	require.ErrorIs(t, err, ticket.ErrRefused)
	_, err = k.desk.StatusLink(t.Context(), sue, theirs.ID, ticket.StatusLinkRequest{})
	require.ErrorIs(t, err, ticket.ErrInvalid)
	_, err = k.desk.StatusLink(t.Context(), sue, theirs.ID, ticket.StatusLinkRequest{For: kim.Person})
	require.ErrorIs(t, err, ticket.ErrRefused)
	_, err = k.desk.RevokeStatusLinks(t.Context(), sue, theirs.ID)
	require.ErrorIs(t, err, ticket.ErrRefused)

	// A merged ticket is listed once.
	k.do(lin, own, ticket.Action{Name: ticket.ActionMerge, Ticket: k.open(kim, ticket.Draft{}).ID})
	require.Len(t, k.listed(sue, mill), 2)
	require.Len(t, k.listed(sue, ticket.Query{Organisation: "mill", NotMerged: true}), 2)

	// A link shows its ticket, whoever holds it.
	h := ticket.StatusLinkHolder(k.link(sue, foreign, ticket.StatusLinkRequest{}))
	_, err = k.track(h, string(theirs.Number))
	require.ErrorIs(t, err, ticket.ErrNotFound)

	for name, c := range map[string]struct {
		a   ticket.Actor
		org string
	}{
		"not allowed": {kim, "mill"}, "another organisation": {sue, "dairy"}, "another case": {sue, "Mill"}, "no organisation": {inOrg("sam", ""), ""},
		"no organisation, asking for one": {inOrg("sam", ""), "mill"}, "a blank": {inOrg("sam", " "), " "},
	} {
		_, err := k.desk.List(t.Context(), c.a, ticket.Query{Organisation: c.org})
		if c.org == "" {
			require.NoError(t, err, name)
			require.Empty(t, k.listed(c.a, ticket.Query{}), name)
		} else {
			require.ErrorIs(t, err, ticket.ErrInvalid, name)
		}
		if c.a.Person.ID == "sam" {
			k.cannotSee(c.a, theirs)
		}
	}
	require.Empty(t, k.listed(sue.InTenant("south"), mill), "another tenant")
	_, err = k.desk.Get(t.Context(), sue.InTenant("south"), theirs.ID)
	require.ErrorIs(t, err, ticket.ErrNotFound)

	plain := newKitOn(t, k.store)
	_, err = plain.desk.List(t.Context(), sue, mill)
	require.ErrorIs(t, err, ticket.ErrInvalid, "by default nobody does")
	plain.cannotSee(sue, theirs)
}

// A policy that embeds the default one can show less of the organisation.
type discreet struct{ ticket.DefaultPolicy }

func (p discreet) MaySee(a ticket.Actor, t ticket.Ticket) bool {
	return p.DefaultPolicy.MaySee(a, t) && (a.Role != ticket.RoleRequester || a.RoleOn(t) != 0 || t.Subject != "salary")
}

func TestAPolicyOfYourOwnHidesTicketsOfTheOrganisation(t *testing.T) {
	k := newKit(t, speakers, func(c *ticket.Config) { c.Policy = discreet{c.Policy.(ticket.DefaultPolicy)} })
	kim, sue := inOrg("kim", "mill"), inOrg("sue", "mill")
	tk, hidden := k.open(kim, ticket.Draft{}), k.open(kim, ticket.Draft{Subject: "salary"})
	require.Equal(t, []ticket.ID{tk.ID}, k.listed(sue, ticket.Query{Organisation: "mill"}))
	k.cannotSee(sue, hidden)
	k.canSee(kim, hidden)
}

// Random customers of random organisations and tenants list exactly their own tickets and
// those of their organisation, and find no other.
func TestNobodySeesTicketsOfAnotherOrganisation(t *testing.T) {
	k := newKit(t, speakers)
	r := rand.New(rand.NewPCG(1, 2))
	orgs, tenants := []string{"", "mill", "Mill", "mill2", "dairy"}, []string{"", "north"}
	actor := func() ticket.Actor {
		return inOrg(string("sk"[r.IntN(2)])+fmt.Sprint(r.IntN(5)), orgs[r.IntN(len(orgs))]).InTenant(tenants[r.IntN(2)])
	}
	var all []ticket.Ticket
	for range 120 {
		a := actor()
		tk := k.open(a, ticket.Draft{Followers: []ticket.Person{actor().Person}})
		tk, err := k.desk.Get(t.Context(), cron.InTenant(a.Tenant), tk.ID)
		require.NoError(t, err)
		all = append(all, tk)
	}
	for range 200 {
		a := actor()
		org := a.Person.Organisation
		speaks := a.Person.ID[0] == 's' && org != ""
		var mine, ours []ticket.ID
		for _, tk := range all {
			own := tk.Tenant == a.Tenant && a.RoleOn(tk) != 0
			of := speaks && tk.Tenant == a.Tenant && tk.Requester.Organisation == org
			if own {
				mine = append(mine, tk.ID)
			}
			if of {
				ours = append(ours, tk.ID)
			}
			if own || of {
				k.canSee(a, tk)
			} else {
				k.cannotSee(a, tk)
			}
		}
		require.Equal(t, mine, k.listed(a, ticket.Query{}))
		for _, org := range orgs[1:] {
			if speaks && org == a.Person.Organisation {
				require.Equal(t, ours, k.listed(a, ticket.Query{Organisation: org}))
			} else {
				_, err := k.desk.List(t.Context(), a, ticket.Query{Organisation: org})
				require.ErrorIs(t, err, ticket.ErrInvalid)
			}
		}
	}
}

func TestWatchTellsACustomerOfItsOrganisation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		desk := skewed(t, memstore.New(), 0, speakers)
		sue, kim, other := listen(t, desk, inOrg("sue", "mill"), ""), listen(t, desk, inOrg("kim", "mill"), ""), listen(t, desk, inOrg("sam", "dairy"), "")
		tk := opened(t, desk, inOrg("jo", "mill"), ticket.Draft{})
		require.Equal(t, []ticket.Changed{change(tk, 1, ticket.ActionOpen)}, sue.take())
		require.Empty(t, kim.take())
		require.Empty(t, other.take())
		done(t, desk, lin, tk, ticket.Action{Name: ticket.ActionNote, Note: "n"})
		require.Empty(t, sue.take())
		for _, l := range []*listener{sue, kim, other} {
			l.end()
		}
	})
}
