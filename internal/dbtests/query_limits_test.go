package dbtests_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/sqlstore"
)

// A query is answered with every list at its limit, alone and together.
func TestLongestQueriesAreAnswered(t *testing.T) {
	t.Parallel()
	const most = 1000
	list := func(i int) string { return fmt.Sprintf("v%04d", i) }
	var full ticket.Query
	full.Fields = ticket.Fields{}
	for i := range most {
		full.Status = append(full.Status, ticket.Status(list(i)))
		full.Phase = append(full.Phase, ticket.Phase(list(i)))
		full.Level = append(full.Level, i)
		full.Queue = append(full.Queue, list(i))
		full.Assignee = append(full.Assignee, list(i))
		full.Priority = append(full.Priority, ticket.Grade(i%5))
		full.Channel = append(full.Channel, ticket.Channel(list(i)))
		full.Tags = append(full.Tags, list(i))
		full.Fields[list(i)] = int64(i)
	}
	person := ticket.Person{ID: "c-1", Email: "ada@example.org"}
	queries := map[string]ticket.Query{
		"status": {Status: full.Status}, "phase": {Phase: full.Phase}, "level": {Level: full.Level}, "queue": {Queue: full.Queue},
		"assignee": {Assignee: full.Assignee}, "priority": {Priority: full.Priority}, "channel": {Channel: full.Channel},
		"tags": {Tags: full.Tags}, "fields": {Fields: full.Fields},
		"open work by tags": {Tags: full.Tags, Phase: ticket.OpenPhases()}, "all": full,
	}
	everything := full
	everything.Requester, everything.Participant, everything.Organisation = person, person, "mill"
	queries["all, and people"] = everything
	var deliveries ticket.DeliveryQuery
	for i := range most {
		deliveries.IDs = append(deliveries.IDs, ticket.NewID(time.UnixMilli(int64(i))))
		deliveries.State = append(deliveries.State, []ticket.DeliveryState{ticket.DeliveryPending, ticket.DeliveryDead, ticket.DeliverySent}[i%3])
		deliveries.Kind = append(deliveries.Kind, ticket.Kind(list(i)))
		deliveries.Notifiers = append(deliveries.Notifiers, list(i))
	}
	each(t, backends, func(t *testing.T, b backend) {
		ctx := t.Context()
		store, err := sqlstore.Open(ctx, b.connect(t, b.dsn(t)), b.dialect, b.search()...)
		require.NoError(t, err)
		require.NoError(t, store.Commit(ctx, opening(t, "")))
		for name, q := range queries {
			for _, order := range []ticket.Order{ticket.OrderOldestFirst, ticket.OrderMostRecent, ticket.OrderMostUrgent, ticket.OrderSoonestDue} {
				q.Order = order
				_, err := store.List(ctx, q)
				require.NoError(t, err, "%s, %s", name, order)
			}
			q.Order = ""
			if len(b.search()) > 0 {
				_, err = store.Search(ctx, ticket.SearchQuery{Text: "a b c d e f g h i j k l m n o p", Query: q, Notes: true})
				require.NoError(t, err, name)
			}
		}
		for _, q := range []ticket.DeliveryQuery{{IDs: deliveries.IDs}, {State: deliveries.State}, {Kind: deliveries.Kind}, {Notifiers: deliveries.Notifiers}, deliveries} {
			_, err := store.Deliveries(ctx, q)
			require.NoError(t, err)
		}
		c := ticket.ClaimRequest{Now: time.Now(), Lease: time.Minute, Limit: 10, Notifiers: deliveries.Notifiers}
		_, err = store.Claim(ctx, c)
		require.NoError(t, err)

		// A ticket with all of the values is found.
		c2 := opening(t, "")
		all := &c2.Changes[0]
		e := &all.Events[0]
		e.Set.AddTags, e.Fields = full.Tags, full.Fields
		ticket.Chain{}.Seal(ticket.Digest{}, e)
		all.Ticket = ticket.Apply(ticket.Ticket{}, *e)
		c2.Deliveries = nil
		require.NoError(t, store.Commit(ctx, c2))
		page, err := store.List(ctx, ticket.Query{Tags: full.Tags, Fields: full.Fields})
		require.NoError(t, err)
		require.Len(t, page.Tickets, 1)
		page, err = store.List(ctx, ticket.Query{Tags: append(full.Tags[1:len(full.Tags):len(full.Tags)], "other")})
		require.NoError(t, err)
		require.Empty(t, page.Tickets)
	})
}
