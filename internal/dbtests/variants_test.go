package dbtests_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/sqlstore"
	"github.com/ticketkit/ticket/storetest"
)

// CockroachDB and YugabyteDB cannot be run here. So PostgreSQL is dressed as one of them: it
// answers version() like it, has its default isolation level, and refuses every statement for
// which the documentation says that the engine does not support it, or differs. PostgreSQL
// checks the rest of the grammar.

// A disguise is an engine that PostgreSQL is dressed as.
type disguise struct {
	name      string
	version   string // as the engine answers
	isolation string // its default level, in the words of PostgreSQL
	rules     []grammarRule
	functions []string // of which the documentation says that they exist
	alike     []string // groups of cases with statements like PostgreSQL's, for which another disguise is enough
}

// A grammarRule is something that the engine does not have.
type grammarRule struct {
	form   *regexp.Regexp
	reason string // with the page of the documentation
	sample string // a statement that is refused
}

var (
	anyParameter  = regexp.MustCompile(`\bWITH \([a-z_]+ =`)
	anyAdvisory   = regexp.MustCompile(`\bpg_(try_)?advisory_`)
	anyNotify     = regexp.MustCompile(`(?i)\b(pg_notify|NOTIFY|LISTEN)\b`)
	anyTableLock  = regexp.MustCompile(`\bLOCK TABLE\b`)
	anyStorage    = regexp.MustCompile(`\bSET STORAGE\b`)
	anyHidden     = regexp.MustCompile(`\b(ctid|xmin|xmax|tableoid)\b`)
	anyFunction   = regexp.MustCompile(`\b([a-z_][a-z0-9_]*)\(`)
	anyChange     = regexp.MustCompile(`\b(?:INSERT INTO|UPDATE|DELETE FROM) ([a-zA-Z0-9_."]+)`)
	anyDefinition = regexp.MustCompile(`^\s*(CREATE|ALTER|DROP) `)
)

var disguises = []disguise{
	{
		name:      "CockroachDB",
		version:   "CockroachDB CCL v24.3.5 (x86_64-pc-linux-gnu, built 2025/02/03 17:28:15, go1.22.8 X:nocoverageredesign)",
		isolation: "serializable",
		rules: []grammarRule{
			{anyNotify, "no events: PostgreSQL Compatibility", "SELECT pg_notify($1, '')"},
			{anyAdvisory, "advisory locks are missing, or do nothing: PostgreSQL Compatibility", "SELECT pg_try_advisory_lock(1)"},
			{anyTableLock, "no LOCK TABLE: issue 43654", "LOCK TABLE a IN SHARE MODE"},
			{anyParameter, "few parameters: WITH (storage parameter), CREATE INDEX", "CREATE TABLE a (b text) WITH (fillfactor = 80)"},
			{anyStorage, "no SET STORAGE: ALTER TABLE", "ALTER TABLE a ALTER COLUMN b SET STORAGE EXTERNAL"},
			{regexp.MustCompile(`\bjson\b`), "json is jsonb, which writes numbers in its own way: JSONB", "CREATE TABLE a (b json)"},
			{regexp.MustCompile(`\bCOLLATE\b`), `no column has the collation "C": issue 108657`, `CREATE TABLE a (b text COLLATE "C")`},
			{regexp.MustCompile(`\bFOR (KEY )?SHARE\b`), "SERIALIZABLE takes no shared lock: SELECT FOR UPDATE", "SELECT 1 FROM a FOR KEY SHARE"},
			{regexp.MustCompile(`\( ?WITH `), "changes in a nested WITH: Common Table Expressions", "SELECT 1 FROM (WITH a AS (DELETE FROM b) SELECT 1)"},
			{regexp.MustCompile(`[a-z0-9)] / `), "a quotient is a decimal: PostgreSQL Compatibility", "SELECT a / 2"},
			{regexp.MustCompile(`cockroach_restart`), "a savepoint with another meaning: SAVEPOINT", "SAVEPOINT cockroach_restart"},
			{anyHidden, "no system columns: CREATE TABLE", "SELECT ctid FROM a"},
			{regexp.MustCompile(`enable_indexscan`), "an unknown setting: SET", "SELECT set_config('enable_indexscan', 'off', true)"},
		},
		// Functions and Operators, and the special forms there. array_to_tsvector is
		// not implemented (issue 98724).
		functions: []string{"current_schema", "extract", "lower", "max", "now", "strpos", "version"},
	},
	{
		name: "YugabyteDB",
		version: "PostgreSQL 11.2-YB-2.21.0.1-b0 on x86_64-pc-linux-gnu, compiled by clang version 16.0.6 " +
			"(https://github.com/yugabyte/llvm-project.git 1e6329f40e5c531c09ade7015278078682293ebd), 64-bit",
		isolation: "repeatable read",
		rules: []grammarRule{
			{anyNotify, "off by default, and only since 2025.2.3: LISTEN, NOTIFY, and UNLISTEN", "SELECT pg_notify($1, '')"},
			{anyAdvisory, "only since 2025.1: Explicit locking", "SELECT pg_try_advisory_lock(1)"},
			{anyTableLock, "a preview: Explicit locking", "LOCK TABLE a IN SHARE MODE"},
			{anyParameter, "ignored on tables, an error on indexes: CREATE TABLE, issue 23467", "CREATE INDEX a ON b (c) WITH (fillfactor = 80)"},
			{anyStorage, "no SET STORAGE: ALTER TABLE", "ALTER TABLE a ALTER COLUMN b SET STORAGE EXTERNAL"},
			{regexp.MustCompile(`\bMATERIALIZED\b`), "not in PostgreSQL 11, which 2024.2 is made of", "WITH a AS MATERIALIZED (SELECT 1) SELECT 1 FROM a"},
			{regexp.MustCompile(`enable_indexscan`), "a GIN index is read by an index scan: GIN indexes", "SELECT set_config('enable_indexscan', 'off', true)"},
			{regexp.MustCompile(`USING gin \([^)]*,`), "one column: issue 10652", "CREATE INDEX a ON b USING gin (c, d)"},
			{regexp.MustCompile(`^CREATE (UNIQUE )?INDEX [a-z]`), "CONCURRENTLY should be explicit: CREATE INDEX", "CREATE INDEX a ON b (c)"},
			{anyHidden, "rows have no address: CREATE TABLE", "SELECT ctid FROM a"},
		},
		// Those of PostgreSQL 11.
		functions: []string{"array_to_tsvector", "btrim", "current_schema", "extract", "lower", "max", "now", "set_config", "string_to_array", "strpos", "version"},
		alike:     []string{"Count", "Counts", "Due", "Export", "List", "Many", "Stages", "Values"},
	},
}

// objection returns why the engine would refuse a statement.
func (d *disguise) objection(text string, within bool) error {
	for _, r := range d.rules {
		if r.form.MatchString(text) {
			return fmt.Errorf("%s: %s: %s", d.name, r.reason, text)
		}
	}
	if within && anyDefinition.MatchString(text) {
		return fmt.Errorf("%s: a definition in a transaction with other statements: Online Schema Changes, Transactional DDL: %s", d.name, text)
	}
	for _, f := range anyFunction.FindAllStringSubmatch(text, -1) {
		if !slices.Contains(d.functions, f[1]) {
			return fmt.Errorf("%s: the function %s is not documented: %s", d.name, f[1], text)
		}
	}
	var changed []string
	for _, c := range anyChange.FindAllStringSubmatch(text, -1) {
		if slices.Contains(changed, c[1]) {
			return fmt.Errorf("%s: one statement changes a table twice: Known Limitations: %s", d.name, text)
		}
		if c[1] != "SET" && c[1] != "SKIP" { // of ON CONFLICT DO UPDATE, FOR UPDATE
			changed = append(changed, c[1])
		}
	}
	return nil
}

// dress makes a spy refuse what the engine would.
func (d *disguise) dress(tb testing.TB, s *spy) {
	var mu sync.Mutex
	open := map[driver.Conn]bool{} // connections in a transaction
	passed := map[string]bool{}
	s.instead = map[string]string{"SELECT version()": "SELECT '" + d.version + "'"}
	s.refuse(func(st spiedStep) error {
		first, rest, _ := strings.Cut(st.text, " ")
		mu.Lock()
		switch {
		case st.what == "begin" || first == "BEGIN":
			open[st.conn] = true
		case st.what == "commit" || st.what == "rollback" || first == "COMMIT" || first == "ROLLBACK" && !strings.HasPrefix(rest, "TO"):
			delete(open, st.conn)
		}
		defer mu.Unlock()
		if passed[st.text] {
			return nil
		}
		err := d.objection(st.text, open[st.conn])
		if err != nil {
			tb.Error(err)
		} else if !anyDefinition.MatchString(st.text) {
			passed[st.text] = true
		}
		return err
	})
}

// connect opens a database of PostgreSQL that is dressed as the engine.
func (d *disguise) connect(tb testing.TB, dsn string, s *spy) *sql.DB {
	d.dress(tb, s)
	return pgx.connectSpied(tb, dsn+" default_transaction_isolation='"+d.isolation+"'", s)
}

func eachDisguise(t *testing.T, test func(t *testing.T, d *disguise)) {
	for i := range disguises {
		t.Run(disguises[i].name, func(t *testing.T) { test(t, &disguises[i]) })
	}
}

var allParts = []sqlstore.Option{sqlstore.Search(), sqlstore.Files(), sqlstore.Announce("tickets", neverListens)}

// neverListens is not called, because the engines do not notify.
func neverListens(context.Context, string, func()) error { return errors.New("listens") }

// The contract holds on every engine that PostgreSQL is dressed as.
func TestStoreOnVariants(t *testing.T) {
	t.Parallel()
	eachDisguise(t, func(t *testing.T, d *disguise) {
		t.Parallel()
		dsn := pgx.dsn(t)
		db, plain := d.connect(t, dsn, &spy{}), pgx.connect(t, dsn)
		storetest.Run(t, func(t *testing.T) ticket.Store {
			if slices.Contains(d.alike, strings.Split(t.Name(), "/")[2]) {
				t.Skip("its statements are those of PostgreSQL")
			}
			s, err := sqlstore.Open(t.Context(), db, sqlstore.Postgres, allParts...)
			require.NoError(t, err)
			t.Cleanup(func() { pgx.empty(t, plain) })
			return s
		})
	})
}

// Every rule of a disguise refuses something, and the statements that PostgreSQL itself gets do
// not pass.
func TestDisguisesRefuse(t *testing.T) {
	eachDisguise(t, func(t *testing.T, d *disguise) {
		for _, r := range d.rules {
			require.ErrorContains(t, d.objection(r.sample, false), r.reason)
		}
		require.ErrorContains(t, d.objection("CREATE TABLE a (b text)", true), "a definition in a transaction")
		require.ErrorContains(t, d.objection("SELECT to_tsvector('simple', a)", false), "the function to_tsvector")
		require.ErrorContains(t, d.objection("WITH a AS (DELETE FROM b) UPDATE b SET c = 1", false), "changes a table twice")
		refused := 0
		for _, text := range migrationStatements(t, sqlstore.Postgres, sqlstore.Search()) {
			if d.objection(strings.TrimSpace(text), false) != nil {
				refused++
			}
		}
		require.Greater(t, refused, 5)

		var s spy
		db := pgx.connectSpied(t, pgx.dsn(t), &s)
		first := errors.New("not asked")
		s.refuse(func(st spiedStep) error {
			err := d.objection(st.text, false)
			if err != nil {
				first = err
			}
			return err
		})
		_, err := sqlstore.Open(t.Context(), db, sqlstore.Postgres)
		require.ErrorIs(t, err, first, "a store that takes it for PostgreSQL")
	})
}

// Engines are recognised by real answers to version().
func TestVariantsAreRecognised(t *testing.T) {
	for version, want := range map[string]string{
		disguises[0].version: "CockroachDB",
		disguises[1].version: "YugabyteDB",
		"CockroachDB CCL v20.1.15 (x86_64-unknown-linux-gnu, built 2021/04/26 16:11:58, go1.13.9)":                              "CockroachDB",
		"PostgreSQL 15.12-YB-2026.1.1.1-b0 on aarch64-unknown-linux-gnu, compiled by clang version 21.1.1, 64-bit":              "YugabyteDB",
		"PostgreSQL 15.14 (Debian 15.14-0+deb12u1) on x86_64-pc-linux-gnu, compiled by gcc (Debian 12.2.0-14+deb12u1), 64-bit":  "PostgreSQL",
		"PostgreSQL 8.0.2 on i686-pc-linux-gnu, compiled by GCC gcc (GCC) 3.4.2 20041017 (Red Hat 3.4.2-6.fc3), Redshift 1.0.1": "",
		"PostgreSQL 9.4.24 (Greenplum Database 6.8.1 build commit:7118e8aca825b743dd9477d19406fcc06fa53852), 64-bit":            "",
		"PostgreSQL 13.14.0-RisingWave-2.3.2 (58c5893670f326f0922b9bc58c61c83cabeccaa8)":                                        "",
		"PostgreSQL 12.3, compiled by Visual C++ build 1914, 64-bit, QuestDB":                                                   "",
		"CrateDB 5.5.1 (built 3a3a4c2/NA, Linux 5.15.0 amd64, OpenJDK 64-Bit Server VM 21.0.1+12-LTS)":                          "",
	} {
		var s spy
		db := pgx.connectSpied(t, pgx.dsn(t), &s) // without tables, so that Migrate asks
		s.instead = map[string]string{"SELECT version()": "SELECT '" + version + "'"}
		made, err := sqlstore.New(db, sqlstore.Postgres)
		require.NoError(t, err)
		err = made.Check(t.Context())
		switch want {
		case "PostgreSQL":
			require.NotErrorIs(t, err, sqlstore.ErrDialect)
		case "":
			require.ErrorIs(t, err, sqlstore.ErrDialect)
			require.ErrorContains(t, err, version)
		default: // New cannot know
			require.ErrorIs(t, err, sqlstore.ErrDialect)
			require.ErrorContains(t, err, want)
			require.ErrorIs(t, made.Migrate(t.Context()), sqlstore.ErrDialect)
		}
	}
}

// A migration is cut off after any of its statements. The next run continues.
func TestMigrationOfVariantsContinues(t *testing.T) {
	eachDisguise(t, func(t *testing.T, d *disguise) {
		dsn := pgx.dsn(t)
		_, err := sqlstore.Open(t.Context(), d.connect(t, dsn, &spy{}), sqlstore.Postgres, allParts...)
		require.NoError(t, err)
		want := pgx.shape(t, pgx.connect(t, dsn))

		var s spy
		dsn = pgx.dsn(t)
		db, plain := d.connect(t, dsn, &s), pgx.connect(t, dsn)
		versions := func() (sum int) { // 0 before the first file
			_ = plain.QueryRowContext(t.Context(), "SELECT coalesce(sum(version), 0) FROM ticket_schema WHERE part <> 'migrating'").Scan(&sum)
			return sum
		}
		cuts := 0
		for at := 1; ; at++ { // a statement further each time, until a file is done
			before := versions()
			ctx, cancel := context.WithCancel(t.Context())
			n := 0
			s.on(func(st spiedStep) {
				if st.after && st.what == "exec" && slices.Contains([]string{"CREATE", "DROP", "INSERT", "ALTER", "UPDATE", "DELETE"}, strings.Split(st.text, " ")[0]) {
					if n++; n == at {
						cancel()
					}
				}
			})
			_, err := sqlstore.Open(ctx, db, sqlstore.Postgres, allParts...)
			s.on(nil)
			cancel()
			if err == nil {
				break
			}
			require.ErrorIs(t, err, context.Canceled)
			cuts++
			if versions() > before {
				at = 0
			}
		}
		require.Greater(t, cuts, 50)
		again, err := sqlstore.Open(t.Context(), db, sqlstore.Postgres, allParts...)
		require.NoError(t, err)
		require.NoError(t, again.Check(t.Context()))
		require.Equal(t, want, pgx.shape(t, pgx.connect(t, dsn)))
	})
}

// Several processes open the same empty database at once, one of them with one connection.
func TestVariantsMigrateTogether(t *testing.T) {
	eachDisguise(t, func(t *testing.T, d *disguise) {
		dsn := pgx.dsn(t)
		_, err := sqlstore.Open(t.Context(), d.connect(t, dsn, &spy{}), sqlstore.Postgres, allParts...)
		require.NoError(t, err)
		want := pgx.shape(t, pgx.connect(t, dsn))

		dsn = pgx.dsn(t)
		stores := make([]*sqlstore.Store, 5)
		var all sync.WaitGroup
		for i := range stores {
			db := d.connect(t, dsn, &spy{})
			if i == 0 {
				db.SetMaxOpenConns(1)
			}
			all.Go(func() {
				var err error
				stores[i], err = sqlstore.Open(t.Context(), db, sqlstore.Postgres, allParts...)
				assert.NoError(t, err)
			})
		}
		all.Wait()
		if t.Failed() {
			return
		}
		require.Equal(t, want, pgx.shape(t, pgx.connect(t, dsn)))
		for _, s := range stores {
			require.NoError(t, s.Check(t.Context()))
			require.NoError(t, s.Commit(t.Context(), opening(t, "")))
		}
	})
}

// These engines end a transaction in favour of another one more often than PostgreSQL, and
// also at its end.
func TestVariantsRepeatWhatTheyAborted(t *testing.T) {
	eachDisguise(t, func(t *testing.T, d *disguise) {
		var s spy
		store, err := sqlstore.Open(t.Context(), d.connect(t, pgx.dsn(t), &s), sqlstore.Postgres, allParts...)
		require.NoError(t, err)
		require.ErrorIs(t, store.Listen(t.Context(), func() {}), errors.ErrUnsupported)
		desk := failDesk(t, store)
		ada := ticket.Agent("ada")
		open := func(desk *ticket.Desk) error {
			_, err := desk.Open(t.Context(), ada, ticket.Draft{Subject: "aborted", Requester: ada.Person})
			return err
		}
		left := 0
		s.refuse(func(st spiedStep) error {
			if left == 0 || st.what != "commit" && (st.what != "exec" || !strings.Contains(st.text, "INTO ticket_tickets")) {
				return nil
			}
			left--
			return &pgconn.PgError{Severity: "ERROR", Code: "40001", Message: "restart transaction: TransactionRetryWithProtoRefreshError: RETRY_SERIALIZABLE"}
		})
		left = 3 // statements
		require.NoError(t, open(desk))
		require.Zero(t, left)
		left = 6 // statements and ends of transactions
		require.NoError(t, store.Transact(t.Context(), desk, func(_ *sql.Tx, desk *ticket.Desk) error { return open(desk) }))
		require.Zero(t, left)
		left = 1000
		require.ErrorIs(t, store.Commit(t.Context(), opening(t, "")), ticket.ErrConflict)
		left = 0
		require.Len(t, requireWhole(t, store), 2)
	})
}
