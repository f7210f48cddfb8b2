package dbtests_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/internal/dbtests/servers"
	"github.com/ticketkit/ticket/sqlstore"
	"github.com/ticketkit/ticket/storetest"
)

// crowded returns a server of its own, and a function that opens stores there after
// the server has no room for prepared statements.
func crowded(t *testing.T) func(t *testing.T, extra string) *sqlstore.Store {
	t.Helper()
	s, err := servers.StartMariaDB(t.Context(), servers.Fast())
	if _, missing := errors.AsType[*servers.MissingError](err); missing {
		t.Skip(err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Stop()) })
	full := mariadb
	full.server = func(servers.TB) *servers.Server { return s }
	return func(t *testing.T, extra string) *sqlstore.Store {
		t.Helper()
		dsn := full.lend(t)
		admin := full.connect(t, dsn)
		room := func(n int) {
			_, err := admin.ExecContext(t.Context(), fmt.Sprintf("SET GLOBAL max_prepared_stmt_count = %d", n))
			require.NoError(t, err)
		}
		room(1000) // migrations prepare one
		_, err := sqlstore.Open(t.Context(), admin, full.dialect, full.search()...)
		require.NoError(t, err)
		room(0)
		store, err := sqlstore.New(full.connect(t, dsn+extra), full.dialect, full.search()...)
		require.NoError(t, err)
		return store
	}
}

// The contract holds on a server that has no room for prepared statements
// (max_prepared_stmt_count). The driver needs one for every statement with
// arguments.
func TestStoreWithoutPreparedStatementsLeft(t *testing.T) {
	open := crowded(t)
	storetest.Run(t, func(t *testing.T) ticket.Store { return open(t, "") }, storetest.Without(storetest.Concurrency))
}

// Every text can be written into a statement, in every character set and mode of the
// connection.
func TestTextsWithoutPreparedStatementsLeft(t *testing.T) {
	open := crowded(t)
	for _, extra := range []string{"", "?charset=latin1", "?charset=sjis", "?sql_mode=%27NO_BACKSLASH_ESCAPES,ANSI_QUOTES%27"} {
		t.Run(extra, func(t *testing.T) {
			store := open(t, extra)
			desk := failDesk(t, store)
			text := "Grüße 😀 \\ ' \" % _ ? ЖЩ 漢字 x'); DROP TABLE ticket_tickets; --"
			tk, err := desk.Open(t.Context(), failCustomer, ticket.Draft{Subject: text, Message: ticket.Message(text), Fields: ticket.Fields{"schlüssel?": text}, Key: "?'\\"})
			require.NoError(t, err)
			got, err := desk.Get(t.Context(), failAgent, tk.ID)
			require.NoError(t, err)
			require.Equal(t, text, got.Subject)
			require.Equal(t, text, got.Fields["schlüssel?"])
			require.NoError(t, store.Maintain(t.Context())) // on a busy machine, a search does not wait for the index
			hits, err := desk.Search(t.Context(), failAgent, ticket.SearchQuery{Text: "漢字 drop"})
			require.NoError(t, err)
			require.Len(t, hits, 1)
			requireWhole(t, store)
		})
	}
}
