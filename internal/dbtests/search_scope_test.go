package dbtests_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/sqlstore"
)

// The list of all tickets of a tenant is as long as the tenant is large, and a search for words
// that never meet reads it to the end. So the index is asked for it only where it is short.
func TestSearchReadsTheListOfAllTicketsOnlyIfItIsShort(t *testing.T) {
	t.Parallel()
	each(t, databases, func(t *testing.T, b backend) {
		var s spy
		store, err := sqlstore.Open(t.Context(), b.connectSpied(t, b.dsn(t), &s), b.dialect, b.search()...)
		require.NoError(t, err)
		var list [][]ticket.Event
		for i := range 200 {
			h := history(i*3600, 1)[:1]
			h[0].Set.Tenant = "large"
			if i%10 == 0 {
				h[0].Set.Tenant = "little"
			}
			h[0].Subject, h[0].Fields = fmt.Sprintf("word %d", i%2), nil
			list = append(list, sealed(h))
		}
		_, err = store.Import(t.Context(), all(list))
		require.NoError(t, err)
		require.NoError(t, store.Maintain(t.Context()))
		for _, tenant := range []string{"large", "little"} {
			sum := sha256.Sum256([]byte(strconv.Quote(tenant)))
			list, asked := "s"+hex.EncodeToString(sum[:10]), false
			s.on(func(st spiedStep) {
				for _, arg := range st.args {
					text, _ := arg.(string)
					asked = asked || strings.Contains(text, list)
				}
			})
			hits, err := store.Search(t.Context(), ticket.SearchQuery{Text: "word 1", Query: ticket.Query{Tenant: tenant}})
			s.on(nil)
			require.NoError(t, err)
			require.Len(t, hits, map[string]int{"large": 50, "little": 0}[tenant])
			require.Equal(t, tenant == "little", asked, tenant)
		}
	})
}

// An estimate that is out of date hides no ticket: more matches of others than a search reads
// came after it.
func TestSearchWithAStaleShare(t *testing.T) {
	t.Parallel()
	each(t, databases, func(t *testing.T, b backend) {
		store, _ := b.open(t, b.search()...)
		write := func(tenant string, from, n int) {
			var list [][]ticket.Event
			for i := from; i < from+n; i++ {
				h := history(i*60, 1)[:1]
				h[0].Set.Tenant = tenant
				h[0].Subject, h[0].Fields = "word", nil
				list = append(list, sealed(h))
			}
			_, err := store.Import(t.Context(), all(list))
			require.NoError(t, err)
			require.NoError(t, store.Maintain(t.Context()))
		}
		write("first", 0, 20)
		for before := range 2 {
			if before > 0 {
				write("second", 20, 2500)
			}
			hits, err := store.Search(t.Context(), ticket.SearchQuery{Text: "word", Query: ticket.Query{Tenant: "first"}})
			require.NoError(t, err)
			require.Len(t, hits, 20)
			for _, h := range hits {
				require.Equal(t, "first", h.Ticket.Tenant)
			}
		}
	})
}
