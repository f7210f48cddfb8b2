package dbtests_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/sqlstore"
)

// Tickets that are indexed between two statements of a search hide no others.
func TestSearchBesideIndexing(t *testing.T) {
	t.Parallel()
	b := mariadb
	var s spy
	dsn := b.dsn(t)
	store, err := sqlstore.Open(t.Context(), b.connectSpied(t, dsn, &s), b.dialect, b.search()...)
	require.NoError(t, err)
	other, err := sqlstore.Open(t.Context(), b.connect(t, dsn), b.dialect, b.search()...)
	require.NoError(t, err)
	const n = 2500
	write := func(from, to int) {
		var list [][]ticket.Event
		for i := from; i < to; i++ {
			h := history(i*60, 1)[:1]
			h[0].Fields, h[0].Subject = nil, "other"
			if i < n && i%100 == 0 {
				h[0].Subject = "wanted"
			}
			list = append(list, sealed(h))
		}
		_, err := other.Import(t.Context(), all(list))
		require.NoError(t, err)
		require.NoError(t, other.Maintain(t.Context()))
	}
	write(0, n)
	once := false
	s.on(func(st spiedStep) {
		if st.after && st.what == "query" && !once && strings.Contains(st.text, "MAX(place)") && strings.Contains(st.text, "OFFSET") {
			once = true
			write(n, n+150)
		}
	})
	hits, err := store.Search(t.Context(), ticket.SearchQuery{Text: "wanted"})
	require.NoError(t, err)
	require.True(t, once)
	require.Len(t, hits, 25)
}

// A label of as many tickets as a scan reads, or one more, hides none of them, nor do more
// labels than the index is asked for. The application's transaction finds the same.
func TestSearchAtTheEndOfAScan(t *testing.T) {
	t.Parallel()
	b := mariadb
	store, db := b.open(t, b.search()...)
	var list [][]ticket.Event
	var tags []string
	for i := range 25 {
		tags = append(tags, fmt.Sprint("label ", i))
	}
	for i := range 4001 {
		h := history(i*60, 1)[:1]
		h[0].Fields, h[0].Subject, h[0].Requester = nil, "everyone", ticket.Person{ID: "of 2000"}
		h[0].Set.Tenant = ""
		if i%2 == 0 {
			h[0].Requester.ID = "of 2001"
		}
		if i < 2 || i > 3998 {
			h[0].Subject = "everyone rare"
			h[0].Set.AddTags = tags
		}
		list = append(list, sealed(h))
	}
	_, err := store.Import(t.Context(), all(list))
	require.NoError(t, err)
	require.NoError(t, store.Maintain(t.Context()))
	tx, err := db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, tx.Rollback()) }()
	for _, s := range []*sqlstore.Store{store, store.WithTx(tx)} {
		for _, c := range []struct {
			text string
			q    ticket.Query
			want int
		}{
			{"rare", ticket.Query{Requester: ticket.Person{ID: "of 2000"}}, 2},
			{"rare", ticket.Query{Requester: ticket.Person{ID: "of 2001"}}, 2},
			{"everyone rare", ticket.Query{Requester: ticket.Person{ID: "of 2001"}}, 2},
			{"every*", ticket.Query{Requester: ticket.Person{ID: "of 2001"}, Limit: 200}, 200},
			{"everyone", ticket.Query{Tags: tags}, 4},
			{"everyone", ticket.Query{Tags: tags, Requester: ticket.Person{ID: "of 2001"}}, 2},
			{"everyone", ticket.Query{Tags: append(slices.Clone(tags), "none")}, 0},
			{"rare", ticket.Query{}, 4},
		} {
			found := 0
			for _, tenant := range []string{"", "acme"} {
				c.q.Tenant = tenant
				hits, err := s.Search(t.Context(), ticket.SearchQuery{Text: c.text, Query: c.q})
				require.NoError(t, err)
				found += len(hits)
			}
			require.Equal(t, c.want, found, "%s %+v", c.text, c.q)
		}
	}
}

// A search finds what a comparison of every ticket finds, for tickets and searches of chance.
func TestSearchOfChance(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	b := mariadb
	ctx := t.Context()
	s, _ := b.open(t, b.search()...)
	long := strings.Repeat("x", 39)
	greek := strings.Repeat("ω", 30)
	vocabulary := []string{"a", "an", "ann", "anna", "annabel", "a1", "größe", "grosse", "naïve", "日", "本", "ωμέγα", long + "y", long + "yz", long + "z", greek, "the", "und", "s0", "p", "i"}
	const n = 6500
	tenants := []string{"", "", "", "", "", "acme", "Acme", "acm_"}
	queues := []string{"shop", "mail", "rare"}
	var tickets []ticket.Ticket
	var histories [][]ticket.Event
	var said [][2]string
	at := importStart
	for i := range n {
		if r.IntN(3) > 0 && i%2000 > 60 {
			at = at.Add(time.Duration(r.IntN(3)) * time.Second)
		}
		var list []string
		for k, w := range vocabulary {
			if r.IntN(2+k*k*2) == 0 {
				list = append(list, w)
			}
		}
		if i < 600 || i > 4000 && i < 4060 {
			list = append(list, "phase")
		}
		if i%2150 == 7 {
			list = append(list, "seldom")
		}
		list = append(list, fmt.Sprintf("w%d", r.IntN(300)), "all")
		note := vocabulary[r.IntN(len(vocabulary))]
		q := queues[min(r.IntN(60), 2)]
		if r.IntN(2) == 0 {
			q = queues[r.IntN(2)]
		}
		h := []ticket.Event{{
			Ticket: ticket.NewID(at), Seq: 1, At: at, Action: "open", By: ticket.By{Role: ticket.RoleRequester},
			To: ticket.State{Status: ticket.StatusNew, Level: 1}, Phase: ticket.PhaseReceived, Channel: ticket.ChannelMail,
			Set:           ticket.Patch{Number: ticket.NewNumber(), Tenant: tenants[r.IntN(len(tenants))], Workflow: ticket.DefaultWorkflow().Name, WorkflowVersion: 1, Queue: &q},
			PublicContent: ticket.PublicContent{Subject: strings.Join(list, " ")},
			Identities:    ticket.Identities{Requester: ticket.Person{ID: fmt.Sprintf("c-%d", r.IntN(3))}},
		}}
		if r.IntN(2) == 0 {
			h[0].Set.AddTags = []string{"tag " + fmt.Sprint(r.IntN(40))}
		}
		h[0].Note = ticket.Note(note)
		h = sealed(h)
		histories = append(histories, h)
		said = append(said, [2]string{strings.Join(list, " "), note})
		tickets = append(tickets, ticket.Apply(ticket.Ticket{}, h[0]))
	}
	order := r.Perm(n)
	shuffled := make([][]ticket.Event, n)
	for i, from := range order {
		shuffled[i] = histories[from]
	}
	_, err := s.Import(ctx, all(shuffled))
	require.NoError(t, err)
	require.NoError(t, s.Maintain(ctx))
	fold := func(w string) string {
		rs := []rune(w)
		rs = rs[:min(len(rs), 40)]
		return strings.NewReplacer("ö", "o", "ï", "i", "έ", "ε", "ß", "ß").Replace(string(rs))
	}
	match := func(i int, text string, notes bool) bool {
		have := strings.Fields(said[i][0])
		if notes {
			have = append(have, said[i][1])
		}
		for word := range strings.FieldsSeq(text) {
			stem, prefix := strings.CutSuffix(word, "*")
			stem, prefix = fold(stem), prefix && len([]rune(stem)) >= 3
			if !slices.ContainsFunc(have, func(w string) bool {
				return fold(w) == stem || prefix && strings.HasPrefix(fold(w), stem)
			}) {
				return false
			}
		}
		return true
	}
	words := append(slices.Clone(vocabulary), "phase", "seldom", "all", "w1", "w2", "w1*", "w*", "ann*", "xxx*", long+"*", "ωωω*", "all*", "grö*", "nothing")
	place := ticket.Query{Order: ticket.OrderNewestFirst}
	for try := range 200 {
		var some []string
		for range 1 + r.IntN(4) {
			some = append(some, words[r.IntN(len(words))])
		}
		q := ticket.SearchQuery{Text: strings.Join(some, " "), Notes: r.IntN(2) == 0}
		q.Tenant = tenants[r.IntN(len(tenants))]
		q.Limit = []int{0, 1, 3, 50, 200}[r.IntN(5)]
		switch r.IntN(5) {
		case 0:
			q.Requester = ticket.Person{ID: fmt.Sprintf("c-%d", r.IntN(4))}
		case 1:
			q.Tags = []string{"tag " + fmt.Sprint(r.IntN(41))}
		case 2:
			q.Participant = ticket.Person{ID: fmt.Sprintf("c-%d", r.IntN(4))}
			q.Tags = []string{"tag " + fmt.Sprint(r.IntN(41))}
		}
		if r.IntN(4) == 0 {
			q.Stage = ticket.Stages()
		}
		var list []ticket.Ticket
		if r.IntN(4) == 0 {
			q.Queue = []string{queues[r.IntN(3)]}
		}
		looked, plain := 0, q.Query
		plain.Queue = nil
		for i := range tickets {
			if match(i, q.Text, q.Notes) {
				if plain.Match(&tickets[i]) {
					looked++
				}
				if q.Match(&tickets[i]) {
					list = append(list, tickets[i])
				}
			}
		}
		sortByPlace(list, place)
		var want, got []string
		for _, tk := range list[:min(len(list), q.PageSize())] {
			want = append(want, tk.ID.String())
		}
		hits, err := s.Search(ctx, q)
		require.NoError(t, err)
		for _, h := range hits {
			got = append(got, h.Ticket.ID.String())
		}
		if looked > 1500 && len(q.Queue) > 0 && len(got) < len(want) {
			want = want[:len(got)] // more than the 2,000 that a search looks at
		}
		require.Equal(t, want, got, "%d: %+v", try, q)
	}
}
