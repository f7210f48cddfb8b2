package dbtests_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/internal/dbtests/load"
	"github.com/ticketkit/ticket/sqlstore"
)

// with adds a setting to a data source name.
func (b backend) with(dsn, setting string) string {
	if b.dialect == sqlstore.MySQL {
		return dsn + "?" + setting
	}
	return dsn + " " + setting
}

// A setting in the data source name that would break a promise is refused, by Open and by Check.
func TestSettingsThatBreakAPromiseAreRefused(t *testing.T) {
	for _, c := range []struct {
		b       backend
		setting string
		says    string
	}{
		{mariadb, "autocommit=0", "autocommit=OFF"},
		{mariadb, "completion_type=CHAIN", "completion_type=CHAIN"},
		{mariadb, "tx_isolation=%27READ-UNCOMMITTED%27", "tx_isolation=READ-UNCOMMITTED"},
		{pgx, "client_encoding=LATIN1", "client_encoding=LATIN1"},
	} {
		t.Run(c.b.name+" "+c.setting, func(t *testing.T) {
			dsn := c.b.dsn(t)
			db := c.b.connect(t, c.b.with(dsn, c.setting))
			_, err := sqlstore.Open(t.Context(), db, c.b.dialect)
			require.ErrorIs(t, err, ticket.ErrInvalid)
			require.ErrorContains(t, err, "must not be opened with "+c.says)

			_, err = sqlstore.Open(t.Context(), c.b.connect(t, dsn), c.b.dialect)
			require.NoError(t, err)
			s, err := sqlstore.New(db, c.b.dialect)
			require.NoError(t, err)
			require.ErrorIs(t, s.Check(t.Context()), ticket.ErrInvalid)
			conn, err := db.Conn(t.Context())
			require.NoError(t, err)
			require.ErrorIs(t, s.With(conn).Check(t.Context()), ticket.ErrInvalid)
			require.NoError(t, conn.Close())
			tx, err := db.BeginTx(t.Context(), nil)
			require.NoError(t, err)
			require.NoError(t, s.WithTx(tx).Check(t.Context()), "the transaction is the application's")
			require.NoError(t, tx.Rollback())
		})
	}
}

// A connection that only reads is a clear error for everything that writes.
func TestSettingsForReadsOnly(t *testing.T) {
	for _, c := range []struct {
		b       backend
		setting string
	}{
		{mariadb, "tx_read_only=1"},
		{pgx, "default_transaction_read_only=on"},
		{pq, "default_transaction_read_only=on"},
	} {
		t.Run(c.b.name+" "+c.setting, func(t *testing.T) {
			dsn := c.b.dsn(t)
			db := c.b.connect(t, c.b.with(dsn, c.setting))
			_, err := sqlstore.Open(t.Context(), db, c.b.dialect)
			require.ErrorIs(t, err, sqlstore.ErrReadOnly, "there are no tables yet")
			all, err := sqlstore.Open(t.Context(), c.b.connect(t, dsn), c.b.dialect)
			require.NoError(t, err)
			tk, err := failDesk(t, all).Open(t.Context(), failCustomer, failDraft)
			require.NoError(t, err)

			s, err := sqlstore.Open(t.Context(), db, c.b.dialect)
			require.NoError(t, err)
			d := failDesk(t, s)
			_, err = d.Get(t.Context(), failAgent, tk.ID)
			require.NoError(t, err)
			_, err = d.Do(t.Context(), failAgent, tk.ID, ticket.Action{Name: ticket.ActionNote, Note: "n"})
			require.ErrorIs(t, err, sqlstore.ErrReadOnly)
			_, err = s.Claim(t.Context(), ticket.ClaimRequest{Now: time.Now(), Lease: time.Hour, Limit: 1, Notifiers: []string{""}})
			require.ErrorIs(t, err, sqlstore.ErrReadOnly)
		})
	}
}

// Odd settings that break no promise.
func TestOddSettings(t *testing.T) {
	for _, c := range []struct {
		b        backend
		settings []string
	}{
		{mariadb, []string{
			"sql_mode=%27%27", "sql_mode=%27ANSI,TRADITIONAL%27", "sql_mode=%27NO_BACKSLASH_ESCAPES,PAD_CHAR_TO_FULL_LENGTH%27", "sql_mode=ORACLE",
			"tx_isolation=%27READ-COMMITTED%27", "tx_isolation=%27SERIALIZABLE%27", "interpolateParams=true",
		}},
		{pgx, []string{
			"default_transaction_isolation=serializable", "default_transaction_isolation='repeatable read'", "standard_conforming_strings=off",
			"bytea_output=escape", "DateStyle=German", "TimeZone=Asia/Tokyo",
		}},
		{pq, []string{"default_transaction_isolation=serializable", "bytea_output=escape", "binary_parameters=yes"}},
	} {
		for _, setting := range c.settings {
			t.Run(c.b.name+" "+setting, func(t *testing.T) {
				t.Parallel()
				dsn := c.b.with(c.b.lend(t), setting)
				var places []*load.Place
				for _, name := range []string{"a", "b"} {
					p, err := load.NewPlace(t.Context(), name, c.b.connect(t, dsn), c.b.dialect)
					require.NoError(t, err)
					places = append(places, p)
				}
				l := load.New(load.Options{Length: 300 * time.Millisecond, Backlog: 10, Lease: 200 * time.Millisecond, Relays: 2, Once: 10 * time.Second, Patience: 30 * time.Second}, places)
				require.NoError(t, l.Run(t.Context(), func(context.Context) error { return nil }))
				require.NoError(t, l.Check(t.Context(), places[0]))
				require.True(t, l.Report(setting), l.Found)
			})
		}
	}
}
