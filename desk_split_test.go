package ticket_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
)

func split(dr ticket.Draft) ticket.Action {
	if dr.Subject == "" {
		dr.Subject = "a part"
	}
	return ticket.Action{Name: ticket.ActionSplit, Draft: &dr}
}

func TestASplitGoesOnWhereTheTicketStands(t *testing.T) {
	k := newKit(t)
	tk := k.open(super, ticket.Draft{Requester: ada.Person, Followers: []ticket.Person{bob.Person}, Queue: "hardware", Level: 2,
		Tags: []string{"vip"}, Fields: ticket.Fields{"order": "4711"}, Priority: ticket.GradeHigh})
	part := k.do(super, tk, split(ticket.Draft{}))
	require.Equal(t, []ticket.Person{bob.Person}, part.Followers)
	require.Equal(t, "hardware", part.Queue)
	require.Equal(t, 2, part.Level)
	require.Equal(t, []string{"vip"}, part.Tags)
	require.Equal(t, ticket.Fields{"order": "4711"}, part.Fields)
	require.Equal(t, ticket.GradeHigh, part.Priority)
	require.True(t, part.PriorityGiven)

	eve := ticket.Person{ID: "eve"}
	part = k.do(super, tk, split(ticket.Draft{Followers: []ticket.Person{eve}, Queue: "software", Level: 1, Tags: []string{"x"}, Fields: ticket.Fields{"y": "z"}, Impact: ticket.GradeLow}))
	require.Equal(t, []ticket.Person{eve}, part.Followers)
	require.Equal(t, "software", part.Queue)
	require.Equal(t, 1, part.Level)
	require.Equal(t, []string{"x"}, part.Tags)
	require.Equal(t, ticket.Fields{"y": "z"}, part.Fields)
	require.Equal(t, ticket.GradeLow, part.Priority)

	part = k.do(super, tk, split(ticket.Draft{Requester: eve}))
	require.Empty(t, part.Followers, "they are of another customer")
	part = k.do(super, tk, split(ticket.Draft{Requester: bob.Person}))
	require.Empty(t, part.Followers)
}

func TestASplitKeepsTheAuthorOfItsWords(t *testing.T) {
	k := newKit(t)
	tk := k.open(ada, ticket.Draft{Message: "two things", Channel: ticket.ChannelMail, Followers: []ticket.Person{bob.Person}, Attachments: []ticket.Attachment{{Name: "one.png"}}})
	k.do(bob, tk, ticket.Action{Name: ticket.ActionReply, Message: "and mine", Channel: ticket.ChannelWeb, Automatic: true, Attachments: []ticket.Attachment{{Name: "two.png"}}})
	first := k.do(lin, tk, split(ticket.Draft{From: 1}))
	e := k.events(lin, first)[0]
	require.Equal(t, ticket.Message("two things"), e.Message)
	require.Equal(t, ada.Person, e.Author)
	require.Equal(t, ticket.ChannelMail, e.Channel)
	require.Equal(t, "one.png", e.Attachments[0].Name)
	require.Equal(t, ticket.By{Role: ticket.RoleAgent, ID: "lin"}, e.By)

	second := k.do(lin, tk, split(ticket.Draft{From: 2}))
	e = k.events(lin, second)[0]
	require.Equal(t, ticket.Message("and mine"), e.Message)
	require.Equal(t, bob.Person, e.Author)
	require.Equal(t, ticket.ChannelWeb, e.Channel)
	require.True(t, e.Automatic)
	require.Equal(t, "two.png", e.Attachments[0].Name)

	again := k.do(lin, second, split(ticket.Draft{From: 1, Channel: ticket.ChannelPhone}))
	e = k.events(lin, again)[0]
	require.Equal(t, bob.Person, e.Author, "who said them first")
	require.Equal(t, ticket.ChannelPhone, e.Channel)

	written := k.open(lin, ticket.Draft{Requester: ada.Person, Message: "by telephone"})
	e = k.events(lin, k.do(lin, written, split(ticket.Draft{From: 1})))[0]
	require.Equal(t, ada.Person, e.Author)
}

func TestASplitTakesOverOnlyCustomersMessages(t *testing.T) {
	k := newKit(t)
	tk := k.open(ada, ticket.Draft{Message: "m"})
	k.do(lin, tk, ticket.Action{Name: ticket.ActionNote, Note: "a secret"})
	k.do(lin, tk, ticket.Action{Name: ticket.ActionReply, Message: "an answer", Note: "and a note"})
	k.edit(tk, ticket.Edits{Requester: bob.Person})
	for why, dr := range map[string]ticket.Draft{
		"without a message":        {From: 2},
		"did not say":              {From: 3},
		"must be 1 to 4":           {From: 5},
		"must be the number":       {From: -1},
		"has no use beside a mess": {From: 1, Message: "m"},
	} {
		k.refused(lin, tk, split(dr), ticket.ErrInvalid)
		require.ErrorContains(t, k.refusal(lin, tk, split(dr), ticket.ErrInvalid), why)
	}
	_, err := k.desk.Open(t.Context(), lin, ticket.Draft{Requester: ada.Person, Subject: "s", From: 1})
	require.ErrorIs(t, err, ticket.ErrInvalid)
	require.EqualValues(t, 4, k.get(tk).Version)
	require.NoError(t, k.desk.Explain(t.Context(), lin, k.get(tk), split(ticket.Draft{From: 1})))
}

func TestASplitDoesNotShowANewRequesterTheOldOnesWords(t *testing.T) {
	k := newKit(t)
	tk := k.open(ada, ticket.Draft{Message: "m"})
	now := k.get(tk)
	e := ticket.Event{Ticket: now.ID, Seq: 2, At: now.Touched, Action: ticket.ActionEdit, By: ticket.By{Role: ticket.RoleSystem},
		From: now.State(), To: now.State(), Phase: now.Phase, Identities: ticket.Identities{Requester: bob.Person}, Set: ticket.Patch{NewCustomer: true}}
	ticket.Chain{}.Seal(now.Digest, &e)
	require.NoError(t, k.store.Commit(t.Context(), ticket.Commit{Changes: []ticket.Change{{Expect: 1, Ticket: ticket.Apply(now, e), Events: []ticket.Event{e}}}}))
	require.ErrorContains(t, k.refusal(lin, tk, split(ticket.Draft{From: 1}), ticket.ErrInvalid), "before")
	part := k.do(lin, tk, split(ticket.Draft{From: 1, Requester: ada.Person}))
	require.Equal(t, ada.Person, part.Requester)
}

func TestASplitShowsOnePersonsWordsToThatPersonOnly(t *testing.T) {
	for name, one := range map[string]bool{"of an organisation": false, "of one person": true} {
		t.Run(name, func(t *testing.T) {
			k := newKit(t, func(c *ticket.Config) { c.MergeSameRequester = one })
			eve, kim := inOrg("eve", "x"), inOrg("kim", "x")
			dan := inOrg("dan", "x")
			tk := k.open(eve, ticket.Draft{Message: "for you alone", Followers: []ticket.Person{dan.Person}})
			k.edit(tk, ticket.Edits{Requester: kim.Person})
			if !one {
				k.do(lin, tk, split(ticket.Draft{From: 1}))
				require.Equal(t, []ticket.Person{dan.Person}, k.get(k.do(lin, tk, split(ticket.Draft{Requester: eve.Person, Message: "m"}))).Followers)
				return
			}
			require.Empty(t, k.events(kim, tk))
			require.ErrorContains(t, k.refusal(lin, tk, split(ticket.Draft{From: 1}), ticket.ErrInvalid), "before")
			part := k.get(k.do(lin, tk, split(ticket.Draft{From: 1, Requester: eve.Person})))
			require.Equal(t, eve.Person, part.Requester)
			require.Empty(t, part.Followers, "who follows the one's ticket does not read the other's")
		})
	}
}

// The writer and the present readers of a message decide who gets it by a split.
func TestASplitShowsAnotherCustomerNothingByItself(t *testing.T) {
	k := newKit(t)
	eve, kim := inOrg("eve", "x"), inOrg("kim", "x")
	fay, vic := inOrg("fay", "f"), inOrg("vic", "vendor")
	tk := k.open(eve, ticket.Draft{Message: "eve's", Followers: []ticket.Person{fay.Person}})
	k.do(fay, tk, words("fay's"))
	version := k.get(tk).Version
	for _, seq := range []int64{1, 2} {
		for _, who := range []ticket.Actor{eve, kim, fay} {
			part := k.do(lin, tk, split(ticket.Draft{From: seq, Requester: who.Person}))
			require.Len(t, said(k.view(who, string(part.Number)).Messages), 1, "who reads them, or a colleague of the requester")
			version++
		}
		err := k.refusal(lin, tk, split(ticket.Draft{From: seq, Requester: vic.Person}), ticket.ErrInvalid)
		require.ErrorContains(t, err, "another customer")
		refused := &ticket.InvalidError{}
		require.ErrorAs(t, err, &refused)
		require.Equal(t, "action.draft.from", refused.Field)
	}
	require.Equal(t, version, k.get(tk).Version)
	part := k.do(lin, tk, split(ticket.Draft{From: 1, Requester: vic.Person, Followers: []ticket.Person{vic.Person}}))
	require.Equal(t, []string{"eve's"}, said(k.view(vic, string(part.Number)).Messages), "somebody meant to show it")
	part = k.do(lin, tk, split(ticket.Draft{Message: "quoted", Requester: vic.Person}))
	require.Equal(t, []string{"quoted"}, said(k.view(vic, string(part.Number)).Messages))
}

func TestASplitByDeriveDraftShowsAnotherCustomerNothing(t *testing.T) {
	eve, vic := inOrg("eve", "x"), inOrg("vic", "vendor")
	k := newKit(t, func(c *ticket.Config) {
		c.DeriveDraft = func(_ context.Context, _ ticket.Ticket, dr ticket.Draft) (ticket.Draft, error) {
			dr.Requester = vic.Person
			return dr, nil
		}
	})
	tk := k.open(eve, ticket.Draft{Message: "eve's"})
	require.ErrorContains(t, k.refusal(lin, tk, split(ticket.Draft{From: 1}), ticket.ErrInvalid), "another customer")
}

// A split lets a follower who was added by a merge read no more than the requester of
// that time could.
func TestReadersOfAMessageFollowItsSplit(t *testing.T) {
	k := newKit(t)
	eve, vic, vera := inOrg("eve", "x"), inOrg("vic", "vendor"), inOrg("vera", "vendor")
	fay := inOrg("fay", "f")
	tk := k.open(eve, ticket.Draft{Message: "eve's", Followers: []ticket.Person{fay.Person}})
	k.do(lin, tk, given(vic))
	k.do(super, k.open(vera, ticket.Draft{Message: "vera's"}), merge(tk))
	k.do(lin, tk, given(eve))
	k.do(eve, tk, words("eve's again"))
	now := k.get(tk)
	require.Equal(t, []ticket.Person{fay.Person, vera.Person}, now.Followers)
	require.Equal(t, []ticket.Person{fay.Person}, k.do(lin, tk, split(ticket.Draft{From: 1})).Followers)
	require.Equal(t, []ticket.Person{fay.Person, vera.Person}, k.do(lin, tk, split(ticket.Draft{From: now.Version})).Followers)
}

// wiped is a store whose words were erased.
type wiped struct{ ticket.Store }

func (s wiped) Events(ctx context.Context, tenant string, id ticket.ID, after int64, limit int) ([]ticket.Event, error) {
	events, err := s.Store.Events(ctx, tenant, id, after, limit)
	for i := range events {
		events[i] = events[i].Erase(ticket.Groups{PublicContent: true})
	}
	return events, err
}

func TestErasedWordsAreNotTakenOver(t *testing.T) {
	k := newKit(t)
	tk := k.open(ada, ticket.Draft{Message: "m"})
	k = newKitOn(t, wiped{k.store}, func(c *ticket.Config) { c.NewID, c.Numbers = ticket.NewID, ticket.Numbers{} })
	require.ErrorContains(t, k.refusal(lin, tk, split(ticket.Draft{From: 1}), ticket.ErrInvalid), "erased")
}

func TestASplitIntoAWorkflowWithFewerLevelsBeginsAtItsLast(t *testing.T) {
	k := newKit(t, func(c *ticket.Config) {
		c.Workflows = []*ticket.Workflow{ticket.DefaultWorkflow().MustCompile(nil), returns()}
	})
	tk := k.open(ada, ticket.Draft{})
	k.do(lin, tk, ticket.Action{Name: ticket.ActionEscalate, Note: "n"})
	child := k.do(agentMax, tk, ticket.Action{Name: ticket.ActionSplit, Draft: &ticket.Draft{Subject: "a return", Workflow: "returns"}})
	require.Equal(t, 1, child.Level)
}
