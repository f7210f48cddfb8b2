package ticket_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
)

// heard delivers, and returns the notifications of a ticket since the last call,
// sorted: kind, role, and the recipient's ID, address or queue.
func (k *kit) heard(t ticket.Ticket) (list []string) {
	k.Helper()
	k.sent.Reset()
	k.deliver()
	for _, n := range k.sent.Sent() {
		if n.Ticket == t.ID {
			p := n.To.Person
			list = append(list, strings.TrimSpace(string(n.Kind)+" "+n.To.Role.String()+" "+p.ID+p.Email))
		}
	}
	slices.Sort(list)
	return list
}

// An agent, a customer and a system may have the same ID, because applications keep
// them in separate tables.
func TestEqualIDsAreDifferentPeople(t *testing.T) {
	customer := ticket.Requester(ticket.Person{ID: "7"})
	agent, system := ticket.Agent("7", 1, 2, 3), ticket.System("7")

	t.Run("the customer is notified of the agent's action", func(t *testing.T) {
		k := newKit(t)
		tk := k.open(customer, ticket.Draft{Followers: []ticket.Person{{ID: "8"}}})
		k.heard(tk)
		k.do(agent, tk, ticket.Action{Name: ticket.ActionAsk, Message: "which floor?"})
		require.Equal(t, []string{"asked follower 8", "asked requester 7"}, k.heard(tk))
	})
	t.Run("the agent is notified of the customer's action", func(t *testing.T) {
		k := newKit(t)
		tk := k.open(customer, ticket.Draft{})
		k.do(agent, tk, ticket.Action{Name: ticket.ActionTake})
		k.heard(tk)
		k.do(customer, tk, ticket.Action{Name: ticket.ActionReply, Message: "the third"})
		require.Equal(t, []string{"customer agent 7"}, k.heard(tk))
	})
	t.Run("the agent is notified of the system's action", func(t *testing.T) {
		k := newKit(t)
		tk := k.open(customer, ticket.Draft{})
		k.heard(tk)
		k.do(system, tk, ticket.Action{Name: ticket.ActionAssign, Assignee: "7"})
		require.Equal(t, []string{"assigned agent 7"}, k.heard(tk))
	})
	t.Run("an extra recipient is notified as well as the customer", func(t *testing.T) {
		k := newKit(t, func(c *ticket.Config) {
			c.ExtraRecipients = func(context.Context, ticket.Ticket, ticket.Kind) ([]ticket.Recipient, error) {
				return []ticket.Recipient{{Person: ticket.Person{ID: "7"}}}, nil
			}
		})
		tk := k.open(customer, ticket.Draft{})
		require.Equal(t, []string{"queued agent", "received agent 7", "received requester 7"}, k.heard(tk))
		k.do(customer, tk, ticket.Action{Name: ticket.ActionReply, Message: "m"})
		require.Contains(t, k.heard(tk), "customer agent 7")
		k.do(agent, tk, ticket.Action{Name: ticket.ActionReply, Message: "m"})
		require.Equal(t, []string{"answered requester 7"}, k.heard(tk), "the extra recipient wrote it")
	})
	t.Run("an agent who follows as a person is a person", func(t *testing.T) {
		k := newKit(t)
		tk := k.open(ada, ticket.Draft{Followers: []ticket.Person{{ID: "7"}}})
		k.heard(tk)
		k.do(agent, tk, ticket.Action{Name: ticket.ActionReply, Message: "m"})
		require.Contains(t, k.heard(tk), "answered follower 7")
	})
	t.Run("a key of the agent is none of the customer", func(t *testing.T) {
		k := newKit(t)
		tk := k.open(customer, ticket.Draft{})
		act := ticket.Action{Name: ticket.ActionReply, Message: "m", Key: "k"}
		k.do(agent, tk, act)
		require.ErrorIs(t, k.refusal(customer, tk, act, ticket.ErrDuplicate), ticket.ErrDuplicate)
	})
}

func TestTheFormerAssigneeIsNotified(t *testing.T) {
	one, two := ticket.Agent("one", 1, 2), ticket.Agent("two", 1, 2)
	for name, tc := range map[string]struct {
		by    ticket.Actor
		act   ticket.Action
		tells bool
	}{
		"take":           {two, ticket.Action{Name: ticket.ActionTake}, true},
		"assign":         {two, ticket.Action{Name: ticket.ActionAssign, Assignee: "three"}, true},
		"release":        {two, ticket.Action{Name: ticket.ActionRelease}, true},
		"escalate":       {two, ticket.Action{Name: ticket.ActionEscalate, Note: "n"}, true},
		"by a system":    {cron, ticket.Action{Name: ticket.ActionAssign, Assignee: "two"}, true},
		"their own act":  {one, ticket.Action{Name: ticket.ActionAssign, Assignee: "two"}, false},
		"gives it back":  {one, ticket.Action{Name: ticket.ActionRelease}, false},
		"same again":     {two, ticket.Action{Name: ticket.ActionAssign, Assignee: "one"}, false},
		"a note changes": {two, ticket.Action{Name: ticket.ActionNote, Note: "n"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKit(t)
			tk := k.open(ada, ticket.Draft{})
			k.do(one, tk, ticket.Action{Name: ticket.ActionTake})
			k.heard(tk)
			k.do(tc.by, tk, tc.act)
			if heard := k.heard(tk); tc.tells {
				require.Contains(t, heard, "unassigned agent one")
			} else {
				require.NotContains(t, heard, "unassigned agent one")
			}
		})
	}
}

// An agent is notified when somebody else merges its ticket or undoes that, and not
// of its own actions.
func TestAMergeNotifiesTheFormerAssignee(t *testing.T) {
	one, two := ticket.Agent("one", 1, 2), ticket.Agent("two", 1, 2)
	for name, tc := range map[string]struct {
		has    bool // one has the ticket
		by     ticket.Actor
		solved bool
		merged []string
		undone []string
	}{
		"of somebody else's":      {has: true, by: two, merged: []string{"merged agent one"}, undone: []string{"assigned agent one"}},
		"of its own":              {has: true, by: one},
		"of nobody's":             {by: two, undone: []string{"queued agent"}},
		"of one that is resolved": {has: true, solved: true, by: two, merged: []string{"merged agent one"}},
	} {
		t.Run(name, func(t *testing.T) {
			watcher := ticket.Recipient{Person: ticket.Person{ID: "one"}}
			k := newKit(t, func(c *ticket.Config) {
				c.ExtraRecipients = func(context.Context, ticket.Ticket, ticket.Kind) ([]ticket.Recipient, error) {
					if tc.has {
						return []ticket.Recipient{watcher}, nil // and once only
					}
					return nil, nil
				}
			})
			agents := func(tk ticket.Ticket) (list []string) {
				for _, s := range k.heard(tk) {
					if strings.Contains(s, " agent") {
						list = append(list, s)
					}
				}
				return list
			}
			from, into := k.open(ada, ticket.Draft{}), k.open(ada, ticket.Draft{})
			if tc.has {
				k.do(one, from, ticket.Action{Name: ticket.ActionTake})
			}
			if tc.solved {
				k.do(one, from, ticket.Action{Name: ticket.ActionResolve, Message: "done"})
			}
			k.do(two, into, ticket.Action{Name: ticket.ActionTake})
			agents(from)
			k.do(tc.by, from, ticket.Action{Name: ticket.ActionMerge, Ticket: into.ID})
			k.sent.Reset()
			require.Equal(t, tc.merged, agents(from))
			for _, n := range k.sent.Sent() {
				if n.Kind == ticket.KindMerged {
					require.Equal(t, into.Number, n.Into)
				}
			}
			k.do(tc.by, from, ticket.Action{Name: ticket.ActionUnmerge})
			require.Equal(t, tc.undone, agents(from))
		})
	}
}

// A customer who joins a ticket is notified, and so gets its number.
func TestANewRequesterOrFollowerIsNotified(t *testing.T) {
	k := newKit(t)
	office := ticket.Person{ID: "office", Email: "office@example.org"}
	tk := k.open(lin, ticket.Draft{Requester: office})
	k.heard(tk)
	edit := func(e ticket.Edits) []string {
		k.do(lin, tk, ticket.Action{Name: ticket.ActionEdit, Edit: &e})
		return k.heard(tk)
	}
	require.Equal(t, []string{"added follower c2bob@example.org", "added requester c1ada@example.org"},
		edit(ticket.Edits{Requester: ada.Person, Follow: []ticket.Person{bob.Person}}))
	require.Empty(t, edit(ticket.Edits{Subject: "other words"}))
	require.Empty(t, edit(ticket.Edits{Requester: bob.Person}), "bob has the number")
	put := bob.Person
	put.Email = "bob@home.example"
	require.Equal(t, []string{"added requester c2bob@home.example"}, edit(ticket.Edits{Requester: put}), "nobody has told this address")
	require.Empty(t, edit(ticket.Edits{Unfollow: []ticket.Person{bob.Person}}))
	// A message in the same action takes precedence, and has the number as well.
	k.do(lin, tk, ticket.Action{Name: ticket.ActionEdit, Message: "Over to you.", Edit: &ticket.Edits{Follow: []ticket.Person{ada.Person}}})
	require.Equal(t, []string{"answered follower c1ada@example.org", "answered requester c2bob@home.example"}, k.heard(tk))
}

// A mailbox gets one notification, even if several people share it, and never its
// own message.
func TestAMailboxIsNotifiedOnce(t *testing.T) {
	k := newKit(t)
	shared := func(id, email string) ticket.Person { return ticket.Person{ID: id, Email: email} }
	eve := ticket.Requester(shared("c8", "Shop@Example.org"))
	tk := k.open(eve, ticket.Draft{Followers: []ticket.Person{shared("c9", "shop@example.ORG"), bob.Person}})
	require.Equal(t, []string{"queued agent", "received follower c2bob@example.org", "received requester c8Shop@example.org"}, k.heard(tk))
	k.do(lin, tk, ticket.Action{Name: ticket.ActionReply, Message: "m"})
	require.Equal(t, []string{"answered follower c2bob@example.org", "answered requester c8Shop@example.org"}, k.heard(tk))
	k.do(eve, tk, ticket.Action{Name: ticket.ActionReply, Message: "m"})
	require.Equal(t, []string{"customer agent lin", "customer follower c2bob@example.org"}, k.heard(tk), "not to their own mailbox")
	k.do(eve, tk, ticket.Action{Name: ticket.ActionReply, Attachments: []ticket.Attachment{{Name: "a.png"}}})
	require.Equal(t, []string{"customer agent lin", "customer follower c2bob@example.org", "uploaded requester c8Shop@example.org"}, k.heard(tk))
}

// The result of Config.ExtraRecipients is checked, and no mailbox gets two
// notifications.
func TestExtraRecipientsAreCheckedAndNotifiedOnce(t *testing.T) {
	for name, tc := range map[string]struct {
		to    []ticket.Recipient
		fails bool
	}{
		"notified already": {to: []ticket.Recipient{{Person: ticket.Person{Email: "ADA@example.org"}}}},
		"nobody":           {to: []ticket.Recipient{{}}, fails: true},
		"a header":         {to: []ticket.Recipient{{Person: ticket.Person{Email: "x@example.org\r\nBcc: all@example.org"}}}, fails: true},
		"no UTF-8":         {to: []ticket.Recipient{{Person: ticket.Person{Name: "\xff", ID: "x"}}}, fails: true},
		"too many":         {to: make([]ticket.Recipient, 101), fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKit(t, func(c *ticket.Config) {
				c.ExtraRecipients = func(context.Context, ticket.Ticket, ticket.Kind) ([]ticket.Recipient, error) { return tc.to, nil }
			})
			_, err := k.desk.Open(t.Context(), ada, ticket.Draft{Subject: "s"})
			if tc.fails {
				require.ErrorIs(t, err, ticket.ErrInvalid)
				require.Empty(t, k.deliveries(ticket.DeliveryQuery{}))
				return
			}
			require.NoError(t, err)
			require.Len(t, k.deliveries(ticket.DeliveryQuery{}), 2)
		})
	}
}

// An extra recipient with the requester's mailbox gets no second message.
func TestAnExtraRecipientWithTheRequestersMailboxIsNotifiedOnce(t *testing.T) {
	k := newKit(t, func(c *ticket.Config) {
		c.ExtraRecipients = func(context.Context, ticket.Ticket, ticket.Kind) ([]ticket.Recipient, error) {
			return []ticket.Recipient{{Person: ticket.Person{Email: "Ada@Example.org"}}}, nil
		}
	})
	tk := k.open(ada, ticket.Draft{})
	k.deliver()
	k.sent.Reset()
	k.do(lin, tk, ticket.Action{Name: ticket.ActionReply, Message: "m"})
	k.deliver()
	require.Len(t, k.sent.Sent(), 1)
}
