package dbtests_test

import (
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/internal/dbtests/servers"
	"github.com/ticketkit/ticket/sqlstore"
	"github.com/ticketkit/ticket/storetest"
)

var soakLoad = storetest.Load{Actions: 400, Callers: 8, Kills: 2}

// Random actions run at once on every database.
func TestSoak(t *testing.T) {
	t.Parallel()
	each(t, databases, func(t *testing.T, b backend) {
		dsn := b.lend(t)
		storetest.Soak(t, func(t *testing.T) ticket.Store { return soakStore(t, b, dsn) }, soakLoad)
	})
}

func soakStore(t *testing.T, b backend, dsn string) ticket.Store {
	t.Helper()
	s, err := sqlstore.Open(t.Context(), b.connect(t, dsn), b.dialect, b.search()...)
	require.NoError(t, err)
	return s
}

// Connections break after the server has executed a statement. No driver, and
// nothing in the store, executes it again.
func TestSoakWithAnswersCut(t *testing.T) {
	t.Parallel()
	each(t, []backend{pgx, pq, mariadb}, func(t *testing.T, b backend) {
		dsn := b.lend(t)
		wire, cut := cutWire(t, b, dsn)
		storetest.Cut(t, wire, func(t *testing.T) ticket.Store { return soakStore(t, b, cut) }, soakLoad)
	})
}

// cutWire listens at the address of the other data source.
func cutWire(t *testing.T, b backend, dsn string) (wire storetest.Wire, cut string) {
	t.Helper()
	dir := t.TempDir()
	socket := b.server(t).Socket()
	theirs, ours := socket, filepath.Join(dir, "socket")
	cut = strings.Replace(dsn, socket, ours, 1)
	if b.dialect == sqlstore.Postgres {
		const name = ".s.PGSQL.5432"
		theirs, ours = filepath.Join(socket, name), filepath.Join(dir, name)
		cut = strings.Replace(dsn, socket, dir, 1)
	}
	require.NotEqual(t, dsn, cut)
	l, err := net.Listen("unix", ours)
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	return storetest.Wire{
		Accept: func() (io.ReadWriteCloser, error) { return l.Accept() },
		Dial:   func() (io.ReadWriteCloser, error) { return net.Dial("unix", theirs) },
	}, cut
}

// The server is killed and started again meanwhile.
func TestSoakWithCrashes(t *testing.T) {
	t.Parallel()
	for _, b := range []backend{pgx, mariadb} {
		t.Run(b.name, func(t *testing.T) {
			b.server(t) // skips the test if there is no server
			begin := servers.StartPostgres
			if b.dialect == sqlstore.MySQL {
				begin = servers.StartMariaDB
			}
			server, err := begin(t.Context()) // not servers.Fast, which does not write commits to disk
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, server.Stop()) })
			require.NoError(t, server.CreateDatabase(t.Context(), "soak"))
			dsn := server.DSN(b.driver, "soak")
			storetest.Crash(t, func(t *testing.T) ticket.Store { return soakStore(t, b, dsn) },
				func() { require.NoError(t, server.Kill()) },
				func() { require.NoError(t, server.Restart(t.Context())) },
				soakLoad)
		})
	}
}
