package dbtests_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
)

// exactWords are the words of ticket i of n.
func exactWords(i, n int) []string {
	list := []string{"everyone", []string{"even", "odd"}[i%2], fmt.Sprintf("word%d", i%211)}
	if i%61 == 0 {
		list = append(list, "middling")
	}
	if i%997 == 0 {
		list = append(list, "rare")
	}
	if i < n/2 {
		list = append(list, "before")
	}
	if i < n/10 {
		list = append(list, fmt.Sprintf("seldom%d", i%150))
	}
	if i > n-30 {
		list = append(list, "lately")
	}
	return list
}

// A search finds exactly the newest tickets with the words, whatever the words: common ones
// that never meet, those of long ago, prefixes of many words. There are more tickets than
// a database looks through one by one, and several of one instant.
func TestSearchIsExact(t *testing.T) {
	t.Parallel()
	const n = 5000
	each(t, databases, func(t *testing.T, b backend) {
		ctx := t.Context()
		s, _ := b.open(t, b.search()...)
		queues := []string{"shop", "mail"}
		tickets := make([]ticket.Ticket, n)
		histories := make([][]ticket.Event, n)
		for i := range n {
			tenant := ""
			if i%10 > 7 {
				tenant = "acme"
			}
			at := importStart.Add(time.Duration(i/3) * time.Minute)
			h := []ticket.Event{{
				Ticket: ticket.NewID(at), Seq: 1, At: at, Action: "open", By: ticket.By{Role: ticket.RoleRequester},
				To: ticket.State{Status: ticket.StatusNew, Level: 1}, Phase: ticket.PhaseReceived, Channel: ticket.ChannelMail,
				Set:           ticket.Patch{Number: ticket.NewNumber(), Tenant: tenant, Workflow: ticket.DefaultWorkflow().Name, WorkflowVersion: 1, Queue: &queues[i/7%2]},
				PublicContent: ticket.PublicContent{Subject: strings.Join(exactWords(i, n), " ")},
				Identities:    ticket.Identities{Requester: ticket.Person{ID: fmt.Sprintf("c-%d", i%23)}},
			}}
			histories[i] = sealed(h)
			tickets[i] = ticket.Apply(ticket.Ticket{}, h[0])
		}
		_, err := s.Import(ctx, all(histories))
		require.NoError(t, err)
		require.NoError(t, s.Maintain(ctx))

		match := func(i int, text string) bool {
			for word := range strings.FieldsSeq(text) {
				stem, prefix := strings.CutSuffix(word, "*")
				has := false
				for _, w := range exactWords(i, n) {
					has = has || w == word || prefix && strings.HasPrefix(w, stem)
				}
				if !has {
					return false
				}
			}
			return true
		}
		place := ticket.Query{Order: ticket.OrderNewestFirst}
		for _, text := range []string{"everyone", "even", "even odd", "rare", "middling", "middling rare", "odd rare", "before", "before middling", "before odd", "before lately",
			"lately", "word7", "word*", "wor* even", "word* odd middling", "seldom*", "seldom* word* even", "sel* lately", "rar*", "nothing", "not*", "even nothing"} {
			for _, q := range []ticket.Query{
				{}, {Limit: 1}, {Limit: 200}, {Tenant: "acme"}, {Tenant: "acme", Limit: 200}, {Tenant: "none"}, {Queue: []string{"shop"}},
				{Requester: ticket.Person{ID: "c-7"}}, {Participant: ticket.Person{ID: "c-7"}, Limit: 3}, {Stage: ticket.Stages()}, {Stage: []ticket.Stage{ticket.StageArchived}},
			} {
				var want, got []ticket.ID
				list := []ticket.Ticket{}
				for i := range tickets {
					if q.Match(&tickets[i]) && match(i, text) {
						list = append(list, tickets[i])
					}
				}
				sortByPlace(list, place)
				for _, tk := range list[:min(len(list), q.PageSize())] {
					want = append(want, tk.ID)
				}
				for try := range 2 { // without and with an estimate of the tenant's share, and with notes
					hits, err := s.Search(ctx, ticket.SearchQuery{Query: q, Text: text, Notes: try > 0})
					require.NoError(t, err)
					got = nil
					for _, h := range hits {
						got = append(got, h.Ticket.ID)
					}
					require.Equal(t, want, got, "%s: %q %+v", b.driver, text, q)
				}
			}
		}
	})
}

func sortByPlace(list []ticket.Ticket, q ticket.Query) {
	slices.SortFunc(list, func(a, b ticket.Ticket) int { return q.PlaceOf(&a).Compare(q.PlaceOf(&b)) })
}
