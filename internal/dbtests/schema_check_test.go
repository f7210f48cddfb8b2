package dbtests_test

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/sqlstore"
)

// Check finds every missing index. Each is dropped once, and created again.
func TestCheckFindsMissingIndexes(t *testing.T) {
	each(t, databases, func(t *testing.T, b backend) {
		db := b.connect(t, b.dsn(t))
		s, err := sqlstore.Open(t.Context(), db, b.dialect, b.search()...)
		require.NoError(t, err)
		require.NoError(t, s.Check(t.Context()))
		exec := func(text string) {
			_, err := db.ExecContext(t.Context(), text)
			require.NoError(t, err, text)
		}
		list := textRows(t, db, map[sqlstore.Dialect]string{
			sqlstore.SQLite:   "SELECT tbl_name, name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL",
			sqlstore.Postgres: "SELECT tablename, indexname, '' FROM pg_indexes WHERE schemaname = 'public'",
			sqlstore.MySQL: "SELECT DISTINCT table_name, index_name, '' FROM information_schema.statistics WHERE table_schema = DATABASE() AND index_name <> 'PRIMARY'" +
				" AND index_type <> 'FULLTEXT'",
		}[b.dialect])
		require.Greater(t, len(list), 13)
		for _, of := range list {
			table, index := of[0].String, of[1].String
			take, give := "ALTER INDEX "+index+" RENAME TO gone", "ALTER INDEX gone RENAME TO "+index
			switch b.dialect {
			case sqlstore.SQLite:
				take, give = "DROP INDEX "+index, of[2].String
			case sqlstore.MySQL:
				take, give = "ALTER TABLE "+table+" RENAME INDEX "+index+" TO gone", "ALTER TABLE "+table+" RENAME INDEX gone TO "+index
			}
			exec(take)
			err := s.Check(t.Context())
			require.ErrorIs(t, err, sqlstore.ErrSchema, index)
			require.ErrorContains(t, err, index)
			exec(give)
		}
		require.NoError(t, s.Check(t.Context()))
	})
}

// Tables that were renamed to another prefix by hand have indexes with the old
// prefix, and statements do not find them.
func TestCheckFindsRenamedTables(t *testing.T) {
	each(t, databases, func(t *testing.T, b backend) {
		db := b.connect(t, b.dsn(t))
		_, err := sqlstore.Open(t.Context(), db, b.dialect)
		require.NoError(t, err)
		for _, table := range []string{"tickets", "events", "labels", "outbox", "receipts", "schema"} {
			_, err = db.ExecContext(t.Context(), "ALTER TABLE ticket_"+table+" RENAME TO help_"+table)
			require.NoError(t, err)
		}
		s, err := sqlstore.Open(t.Context(), db, b.dialect, sqlstore.Prefix("help_"))
		require.NoError(t, err)
		require.ErrorIs(t, s.Check(t.Context()), sqlstore.ErrSchema)
		_, err = s.Deliveries(t.Context(), ticket.DeliveryQuery{})
		if b.dialect != sqlstore.Postgres { // on PostgreSQL, statements name no indexes, so they still work
			require.ErrorIs(t, err, sqlstore.ErrSchema)
		}
	})
}

// If the search path has a schema for each application before a common one, a desk
// is in the first schema, and sees nothing of a desk in the second.
func TestSearchPath(t *testing.T) {
	for _, b := range []backend{pgx, pq} {
		t.Run(b.name, func(t *testing.T) {
			dsn := b.dsn(t)
			admin := b.connect(t, dsn)
			common, err := sqlstore.Open(t.Context(), admin, b.dialect, sqlstore.Search())
			require.NoError(t, err)
			theirs, err := failDesk(t, common).Open(t.Context(), failCustomer, failDraft)
			require.NoError(t, err)
			_, err = admin.ExecContext(t.Context(), "CREATE SCHEMA acme")
			require.NoError(t, err)
			db := b.connect(t, dsn+" search_path=acme,public")

			none, err := sqlstore.New(db, b.dialect, sqlstore.Search())
			require.NoError(t, err)
			require.ErrorIs(t, none.Check(t.Context()), sqlstore.ErrSchema)
			_, err = sqlstore.Open(t.Context(), db, b.dialect)
			require.NoError(t, err)
			require.ErrorIs(t, none.Check(t.Context()), sqlstore.ErrSchema, "the search tables are missing")
			s, err := sqlstore.Open(t.Context(), db, b.dialect, sqlstore.Search())
			require.NoError(t, err)
			require.NoError(t, s.Check(t.Context()))
			_, err = s.Ticket(t.Context(), "", theirs.ID)
			require.ErrorIs(t, err, ticket.ErrNotFound)
			ours, err := failDesk(t, s).Open(t.Context(), failCustomer, failDraft)
			require.NoError(t, err)
			_, err = common.Ticket(t.Context(), "", ours.ID)
			require.ErrorIs(t, err, ticket.ErrNotFound)

			again, err := sqlstore.Open(t.Context(), db, b.dialect, sqlstore.Schema("public"), sqlstore.Search())
			require.NoError(t, err)
			require.NoError(t, again.Check(t.Context()))
			_, err = again.Ticket(t.Context(), "", theirs.ID)
			require.NoError(t, err)
		})
	}
}

// A tool that was killed after a file of MySQL, and before it recorded the file,
// runs the file again.
func TestMigrationFilesRunAgain(t *testing.T) {
	db := mariadb.connect(t, mariadb.dsn(t))
	conn, err := db.Conn(t.Context())
	require.NoError(t, err)
	list := migrationStatements(t, sqlstore.MySQL, sqlstore.Search())
	begin := 0
	for i, statement := range list {
		_, err := conn.ExecContext(t.Context(), statement)
		require.NoError(t, err, statement)
		if !strings.Contains(statement, "ticket_schema") || strings.Contains(statement, "CREATE") { // the end of a file
			continue
		}
		for _, again := range list[begin : i+1] {
			_, err := conn.ExecContext(t.Context(), again)
			require.NoError(t, err, again)
		}
		begin = i + 1
	}
	require.NoError(t, conn.Close())
	s, err := sqlstore.New(db, sqlstore.MySQL, sqlstore.Search())
	require.NoError(t, err)
	require.NoError(t, s.Check(t.Context()))
}

// On a cluster of MySQL, GET_LOCK is local to a node, or unsupported. Migrations
// that run at the same time collide, and all of them succeed.
func TestMigrateTogetherWithoutALock(t *testing.T) {
	var interrupted atomic.Bool // once, as by a change of a table on another node
	for range 3 {
		dsn := mariadb.dsn(t)
		start := make(chan struct{})
		var all sync.WaitGroup
		for range 6 {
			var s spy
			s.refuse(func(st spiedStep) error {
				if st.what == "query" && strings.Contains(st.text, "GET_LOCK") {
					return &mysql.MySQLError{Number: 1105, Message: "GET_LOCK is prohibited"}
				}
				if st.what == "exec" && interrupted.CompareAndSwap(false, true) {
					return &mysql.MySQLError{Number: 1317, Message: "Query execution was interrupted"}
				}
				return nil
			})
			db := mariadb.connectSpied(t, dsn, &s)
			all.Go(func() {
				<-start
				store, err := sqlstore.Open(t.Context(), db, sqlstore.MySQL, sqlstore.Search())
				if assert.NoError(t, err) {
					assert.NoError(t, store.Check(t.Context()))
				}
			})
		}
		close(start)
		all.Wait()
	}
}

// A migration does not queue without limit for a table that a dump holds. It lets
// other statements pass.
func TestMigrateDoesNotBlockOthersDuringADump(t *testing.T) {
	each(t, []backend{pgx, mariadb}, func(t *testing.T, b backend) {
		dsn := b.dsn(t)
		db := b.connect(t, dsn)
		for _, statement := range migrationStatements(t, b.dialect) {
			_, err := db.ExecContext(t.Context(), statement)
			require.NoError(t, err, statement)
			if strings.Contains(statement, "INSERT INTO ticket_schema") {
				break
			}
		}
		dump, err := b.connect(t, dsn).BeginTx(t.Context(), nil)
		require.NoError(t, err)
		var n int
		require.NoError(t, dump.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM ticket_outbox").Scan(&n))

		migrated := make(chan error, 1)
		go func() {
			_, err := sqlstore.Open(t.Context(), db, b.dialect)
			migrated <- err
		}()
		waiting := map[sqlstore.Dialect]string{
			sqlstore.Postgres: "SELECT COUNT(*) FROM pg_locks WHERE NOT granted AND relation = 'ticket_outbox'::regclass",
			sqlstore.MySQL:    "SELECT COUNT(*) FROM information_schema.processlist WHERE state LIKE 'Waiting for table metadata lock%'",
		}[b.dialect]
		admin := b.connect(t, dsn)
		require.Eventually(t, func() bool {
			return admin.QueryRowContext(t.Context(), waiting).Scan(&n) == nil && n > 0
		}, 20*time.Second, 10*time.Millisecond, "the migration waits")
		begin := time.Now()
		_, err = admin.ExecContext(t.Context(), "DELETE FROM ticket_outbox WHERE id = 'none'") // as a commit of the old version
		require.NoError(t, err)
		require.Less(t, time.Since(begin), 10*time.Second)
		select {
		case err := <-migrated:
			require.Fail(t, "it has ended", "%v", err)
		default:
		}
		require.NoError(t, dump.Rollback())
		require.NoError(t, <-migrated)
		var patience string
		ask := map[sqlstore.Dialect]string{sqlstore.Postgres: "SHOW lock_timeout", sqlstore.MySQL: "SELECT @@SESSION.lock_wait_timeout = @@GLOBAL.lock_wait_timeout"}[b.dialect]
		for range 3 {
			require.NoError(t, db.QueryRowContext(t.Context(), ask).Scan(&patience))
			require.Contains(t, []string{"0", "1"}, patience)
		}
	})
}

// A read that a cluster aborted in favour of a commit of another node is repeated.
func TestReadsAreRetriedAfterAConflict(t *testing.T) {
	each(t, []backend{pgx, pq, mariadb}, func(t *testing.T, b backend) {
		var s spy
		db := b.connectSpied(t, b.lend(t), &s)
		store, err := sqlstore.Open(t.Context(), db, b.dialect)
		require.NoError(t, err)
		desk := failDesk(t, store)
		draft := failDraft
		draft.Key = "key"
		tk, err := desk.Open(t.Context(), failCustomer, draft)
		require.NoError(t, err)
		c := opening(t, "other")
		for _, name := range []string{"Ticket", "Lookup", "Receipt", "Events", "List", "Due", "Deliveries", "DeliveryContexts", "Counts"} {
			given := 0
			s.refuse(func(st spiedStep) error {
				if st.what == "query" && strings.Contains(st.text, "ticket_") {
					if given++; given == 1 {
						return gaveUp(b)
					}
				}
				return nil
			})
			err := everyRead(t, store, c, name)
			s.refuse(nil)
			require.NotErrorIs(t, err, ticket.ErrConflict, name)
			require.Positive(t, given, name)
		}
		given := 0
		s.refuse(func(st spiedStep) error {
			if st.what == "query" && strings.Contains(st.text, "ticket_receipts") {
				if given++; given == 1 {
					return gaveUp(b)
				}
			}
			return nil
		})
		again, err := desk.Open(t.Context(), failCustomer, draft)
		require.NoError(t, err)
		require.Equal(t, tk.ID, again.ID)
	})
}

func everyRead(t *testing.T, s *sqlstore.Store, c ticket.Commit, name string) error {
	t.Helper()
	id := c.Changes[0].Ticket.ID
	var err error
	switch name {
	case "Ticket":
		_, err = s.Ticket(t.Context(), "", id)
	case "Lookup":
		_, err = s.Lookup(t.Context(), "", c.Changes[0].Ticket.Number)
	case "Receipt":
		_, err = s.Receipt(t.Context(), "", "key")
	case "Events":
		_, err = s.Events(t.Context(), "", id, 0, 0)
	case "List":
		_, err = s.List(t.Context(), ticket.Query{})
	case "Due":
		_, err = s.Due(t.Context(), time.Now(), 10)
	case "Deliveries":
		_, err = s.Deliveries(t.Context(), ticket.DeliveryQuery{})
	case "DeliveryContexts":
		_, err = s.DeliveryContexts(t.Context(), []ticket.Delivery{{ID: id, Ticket: id, Seq: 1}}, time.Time{}, 0)
	case "Counts":
		_, err = s.Counts(t.Context(), "")
	}
	return err
}

// stateError is an error with an SQLSTATE, like those of the PostgreSQL drivers.
type stateError string

func (e stateError) Error() string    { return "SQLSTATE " + string(e) }
func (e stateError) SQLState() string { return string(e) }

func gaveUp(b backend) error {
	if b.dialect == sqlstore.MySQL {
		return &mysql.MySQLError{Number: 1213, Message: "Deadlock found when trying to get lock"}
	}
	return stateError("40001")
}

// Check finds missing parts of the search: the index of the words, its column, and
// the queue. On SQLite the index is a virtual table, and a plain table of that name
// does not suffice.
func TestCheckFindsMissingSearch(t *testing.T) {
	losses := map[sqlstore.Dialect]map[string][]string{
		sqlstore.SQLite: {
			"the index":     {"DROP TABLE ticket_words"},
			"a plain table": {"DROP TABLE ticket_words", "CREATE TABLE ticket_words (tokens TEXT)"},
			"the queue":     {"DROP TABLE ticket_unindexed"},
			"the words":     {"DROP TABLE ticket_vocabulary"},
		},
		sqlstore.Postgres: {
			"the index":        {"DROP INDEX ticket_texts_tokens"},
			"the column":       {"ALTER TABLE ticket_texts DROP COLUMN tokens"},
			"the column alone": {"ALTER TABLE ticket_texts DROP COLUMN tokens", "CREATE INDEX ticket_texts_tokens ON ticket_texts (version)"},
			"the queue":        {"DROP TABLE ticket_unindexed"},
		},
		sqlstore.MySQL: {
			"the index":        {"ALTER TABLE ticket_texts DROP INDEX ticket_texts_tokens"},
			"the column":       {"ALTER TABLE ticket_texts DROP COLUMN tokens"},
			"the column alone": {"ALTER TABLE ticket_texts DROP COLUMN tokens", "ALTER TABLE ticket_texts ADD KEY ticket_texts_tokens (version)"},
			"the queue":        {"DROP TABLE ticket_unindexed"},
		},
	}
	each(t, databases, func(t *testing.T, b backend) {
		for what, statements := range losses[b.dialect] {
			t.Run(what, func(t *testing.T) {
				db := b.connect(t, b.dsn(t))
				s, err := sqlstore.Open(t.Context(), db, b.dialect, sqlstore.Search())
				require.NoError(t, err)
				require.NoError(t, s.Check(t.Context()))
				for _, text := range statements {
					_, err := db.ExecContext(t.Context(), text)
					require.NoError(t, err, text)
				}
				require.ErrorIs(t, s.Check(t.Context()), sqlstore.ErrSchema)
			})
		}
	})
}

// The error of a search without one of its tables names the part of the schema.
func TestSearchNamesTheMissingPart(t *testing.T) {
	each(t, databases, func(t *testing.T, b backend) {
		tables := []string{"texts"}
		if b.dialect == sqlstore.SQLite {
			tables = []string{"vocabulary", "words", "texts"}
		}
		for _, table := range tables {
			db := b.connect(t, b.dsn(t))
			s, err := sqlstore.Open(t.Context(), db, b.dialect, sqlstore.Search())
			require.NoError(t, err)
			_, err = db.ExecContext(t.Context(), "DROP TABLE ticket_"+table)
			require.NoError(t, err)
			_, err = s.Search(t.Context(), ticket.SearchQuery{Text: "word*"})
			var e *sqlstore.SchemaError
			require.ErrorAs(t, err, &e, table)
			require.Equal(t, "search", e.Part, "%s: %v", table, err)
		}
	})
}
