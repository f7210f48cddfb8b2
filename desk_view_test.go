package ticket_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
)

func TestTrackAndHistoryShowACustomerOnlyItsOwn(t *testing.T) {
	for _, named := range []bool{false, true} {
		k := newKit(t, func(c *ticket.Config) { c.ShowAgents = named })
		tk := k.open(ada, ticket.Draft{Message: "help", Attachments: []ticket.Attachment{{Name: "a.png", Ref: "secret-ref"}}})
		k.do(lin, tk, ticket.Action{Name: ticket.ActionEscalate, Queue: "secret-queue", Note: "secret-note"})
		k.do(agentMax, tk, ticket.Action{Name: ticket.ActionReply, Message: "We look into it.", Note: "secret-note"})
		k.do(super, tk, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{AddTags: []string{"secret-tag"}, Fields: ticket.Fields{"secret": "secret-field"}, Follow: []ticket.Person{bob.Person}}})
		v, err := k.desk.Track(t.Context(), ada, string(tk.Number))
		require.NoError(t, err)
		require.Equal(t, "with the specialists", v.With)
		require.Equal(t, ticket.PhaseInProgress, v.Phase)
		require.Len(t, v.Messages, 2)
		require.Equal(t, "Ada Byron", v.Messages[0].Name)
		require.Equal(t, map[bool]string{true: "Max", false: ""}[named], v.Messages[1].Name)
		require.Equal(t, []ticket.ActionName{ticket.ActionCancel, ticket.ActionReply}, v.Actions)

		got, err := k.desk.Get(t.Context(), ada, tk.ID)
		require.NoError(t, err)
		byBob, err := k.desk.Track(t.Context(), bob, string(tk.Number))
		require.NoError(t, err)
		require.Equal(t, []ticket.ActionName{ticket.ActionReply}, byBob.Actions)
		bobs, err := k.desk.Get(t.Context(), bob, tk.ID)
		require.NoError(t, err)
		require.NotContains(t, asJSON(t, bobs), "ada@example.org", "a follower does not get the requester's address")
		for _, shown := range []any{v, got, k.events(ada, tk), byBob, k.events(bob, tk)} {
			text := asJSON(t, shown)
			require.NotContains(t, text, "secret")
			require.NotContains(t, text, "lin")
			require.NotContains(t, text, `"max"`)
		}
		require.NotContains(t, asJSON(t, []any{byBob, k.events(bob, tk)}), "ada@example.org")
	}
}
