package dbtests_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/sqlstore"
	"github.com/ticketkit/ticket/tickettest"
)

// A number that the desk accepts is read back unchanged from every store.
func TestNumbersOfAnotherFormAreReadBack(t *testing.T) {
	each(t, databases, func(t *testing.T, b backend) {
		s, err := sqlstore.Open(t.Context(), b.connect(t, b.dsn(t)), b.dialect, sqlstore.Search())
		require.NoError(t, err)
		var last atomic.Int64
		sent := tickettest.NewRecorder()
		cfg := tickettest.Config(tickettest.NewClock(), sent)
		cfg.Numbers.New = func(context.Context, string) (ticket.Number, error) {
			n := last.Add(1)
			if n%2 == 0 {
				return ticket.Number(fmt.Sprintf("INC-%06d", n)), nil // some look like numbers of the desk's own format
			}
			return ticket.Number(strings.Repeat("9", 20) + fmt.Sprintf("/A %09d", n)), nil // the longest
		}
		desk, err := ticket.NewDesk(s, cfg)
		require.NoError(t, err)
		ada, lin := ticket.Requester(ticket.Person{ID: "c1", Email: "ada@example.org"}), ticket.Agent("lin", 1)
		var before ticket.Ticket
		for i := range 70 {
			tk, err := desk.Open(t.Context(), ada, ticket.Draft{Subject: "s"})
			require.NoError(t, err)
			if i > 0 { // a link contains a number too
				_, err = desk.Do(t.Context(), lin, tk.ID, ticket.Action{Name: ticket.ActionLink, Relation: ticket.RelationRelatedTo, Ticket: before.ID})
				require.NoError(t, err)
			}
			before = tk
			got, err := desk.Find(t.Context(), ada, " "+strings.ToLower(string(tk.Number)))
			require.NoError(t, err)
			require.Equal(t, tk.ID, got.ID)
			require.Equal(t, tk.Number, got.Number)
			require.NoError(t, desk.Verify(t.Context(), lin, tk.ID))
			require.NoError(t, s.Maintain(t.Context())) // on a busy machine, a search does not wait for the index
			hits, err := desk.Search(t.Context(), lin, ticket.SearchQuery{Text: string(tk.Number)})
			require.NoError(t, err)
			require.Len(t, hits, 1)
		}
		sum, err := desk.Deliver(t.Context())
		require.NoError(t, err)
		require.Equal(t, 140, sum.Done)
	})
}

func TestNumberIsAtMost32BytesLong(t *testing.T) {
	each(t, databases, func(t *testing.T, b backend) {
		s, _ := b.open(t)
		for n, want := range map[int]error{32: nil, 33: ticket.ErrInvalid, 200: ticket.ErrInvalid} {
			c := opening(t, "")
			number := ticket.Number(strings.Repeat("7", n))
			c.Changes[0].Ticket.Number, c.Changes[0].Events[0].Set.Number = number, number
			require.ErrorIs(t, s.Commit(t.Context(), c), want)
		}
	})
}
