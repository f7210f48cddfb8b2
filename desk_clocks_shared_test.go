package ticket_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
)

// keeping is a policy that keeps the tickets that it was asked about.
type keeping struct {
	ticket.DefaultPolicy
	kept []ticket.Ticket
}

func (p *keeping) MayDo(_ ticket.Actor, t ticket.Ticket, _ ticket.ActionName) error {
	p.kept = append(p.kept, t)
	return nil
}

// A ticket that a policy keeps does not change with the next action.
func TestATicketThatAPolicyKeepsDoesNotChange(t *testing.T) {
	p := &keeping{}
	k := clockKit(t, gold(t), func(c *ticket.Config) { c.Policy = p })
	tk := k.open(miller, ticket.Draft{Subject: "Mill stands still"})
	k.clock.Advance(time.Minute)
	before := k.get(tk)
	p.kept = nil
	after := k.do(lin, tk, ticket.Action{Name: ticket.ActionReply, Message: "We look."})
	require.NotEqual(t, before.Clocks, after.Clocks)
	require.NotEmpty(t, p.kept)
	require.Equal(t, before.Clocks, p.kept[0].Clocks)
}

// Neither the list that a customer gets nor its memory has clocks that customers may not see.
func TestACustomerGetsNoMemoryOfOtherClocks(t *testing.T) {
	k := clockKit(t, gold(t))
	tk := k.open(miller, ticket.Draft{Subject: "Mill stands still"})
	k.do(lin, tk, ticket.Action{Name: ticket.ActionReply, Message: "We look."})
	got := k.do(miller, tk, ticket.Action{Name: ticket.ActionReply, Message: "Still the same."})
	require.NotEmpty(t, got.Clocks)
	require.Equal(t, len(got.Clocks), cap(got.Clocks))
	for _, c := range got.Clocks {
		require.NotEqual(t, "level", c.Metric)
		require.Empty(t, c.Policy)
	}
	stored := k.get(tk)
	require.True(t, stored.PublicTo(miller.Person).Equal(got))
	got.Clocks[0].State = "changed"
	require.True(t, stored.Equal(k.get(tk)), "the store has its own copy")
}
