package eventlog_test

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/memstore"
	"github.com/ticketkit/ticket/tickettest"
)

// histories returns those of a desk on which agents and customers act at random. Some tickets
// are merged, unmerged and linked.
func histories(t *testing.T) (all [][]ticket.Event) {
	t.Helper()
	random := rand.New(rand.NewPCG(3, 1))
	clock := tickettest.NewClock()
	cfg := tickettest.Config(clock, tickettest.NewRecorder())
	cfg.Silent = true
	desk, err := ticket.NewDesk(memstore.New(), cfg)
	require.NoError(t, err)
	ctx := t.Context()
	ada := ticket.Person{ID: "secret-ada", Name: "Ada Secret", Email: "ada@secret.example"}
	var open []ticket.ID
	refused := 0
	for i := range 300 {
		clock.Advance(time.Duration(random.Int64N(int64(time.Hour))) + 7*time.Microsecond)
		lin := ticket.Agent(fmt.Sprintf("lin-%d@desk.example", random.IntN(4)), 1, 2, 3)
		if len(open) == 0 || random.IntN(5) == 0 {
			o, err := desk.Open(ctx, lin, ticket.Draft{Requester: ada, Subject: "secret subject", Message: "secret words", Queue: []string{"", "büro & <co>"}[i%2], Tags: []string{"secret-tag"}})
			require.NoError(t, err)
			open = append(open, o.ID)
			continue
		}
		pick := func() ticket.ID { return open[random.IntN(len(open))] }
		actions := []ticket.Action{
			{Name: ticket.ActionReply, Message: "secret answer"}, {Name: ticket.ActionEscalate, Note: "secret note", Queue: "technik"},
			{Name: ticket.ActionHold, Reason: "secret reason"}, {Name: ticket.ActionMerge, Ticket: pick()}, {Name: ticket.ActionUnmerge},
			{Name: ticket.ActionMerge, Ticket: pick()}, {Name: ticket.ActionLink, Ticket: pick(), Relation: ticket.RelationRelatedTo},
			{Name: ticket.ActionResolve, Message: "secret solution"}, {Name: ticket.ActionReopen, Note: "secret"},
		}
		if _, err := desk.Do(ctx, lin, pick(), actions[random.IntN(len(actions))]); err != nil {
			refused++
		}
	}
	require.Less(t, refused, 250)
	for h, err := range desk.Histories(ctx, ticket.System("export"), ticket.ID{}) {
		require.NoError(t, err)
		all = append(all, h)
	}
	return all
}

// stream yields histories, and then the error if there is one.
func stream(all [][]ticket.Event, last error) iter.Seq2[[]ticket.Event, error] {
	return func(yield func([]ticket.Event, error) bool) {
		for _, h := range all {
			if !yield(h, nil) {
				return
			}
		}
		if last != nil {
			yield(nil, last)
		}
	}
}

// events counts the events of histories, and the merges and unmerges among those that
// were written on the merged ticket.
func events(all [][]ticket.Event) (n, merges int) {
	for _, h := range all {
		n += len(h)
		for _, e := range h {
			if e.Set.MergedInto != nil {
				merges++
			}
		}
	}
	return n, merges
}
