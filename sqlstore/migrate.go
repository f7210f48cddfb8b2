package sqlstore

import (
	"archive/zip"
	"bytes"
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

//go:embed schema
var schemas embed.FS

// These are the versions of the schema's parts that this package works with. The
// tables for full-text search are a separate part, for stores made with Search. They
// have a migration for each version of the words, which indexes all tickets again.
const (
	ticketsVersion = 9
	searchVersion  = 5
	filesVersion   = 1
)

// A part is a set of tables with its own version.
type part struct {
	name    string
	version int
	tables  []string // for each table, a query that selects all columns
}

func (s *Store) parts() []part {
	parts := []part{{"tickets", ticketsVersion, []string{
		"SELECT id, tenant, number, version, digest, open, status, phase, level, queue, assignee, pressing, channel, reason, resolution, timer_at," +
			" timer_action, created, first_answered, touched, resolved, closed, reopened, doc, timer_from, checked, wake, clocks, missed, snoozed," +
			" due, due_first, due_next, due_update, due_solution, due_level, stage FROM {t}tickets",
		"SELECT ticket, seq, tenant, at, doc FROM {t}events",
		"SELECT tenant, label, created, ticket FROM {t}labels",
		"SELECT " + outboxColumns + ", who FROM {t}outbox",
		"SELECT tenant, name, ticket, version, request, at, keyed FROM {t}receipts",
		"SELECT " + mailColumns + ", sender, ages FROM {t}mails",
	}}}
	if s.search {
		tables := []string{"SELECT place, ticket, tenant, version, upto, terms, known, tokens FROM {t}texts", "SELECT id, ticket FROM {t}unindexed",
			"SELECT word, n FROM {t}frequencies"}
		if s.dialect == SQLite { // its tokens are in a table of their own, and only an index of words can answer this query
			tables[0] = "SELECT place, ticket, tenant, version, upto, terms, known FROM {t}texts"
			tables = append(tables, "SELECT place FROM (SELECT rowid AS place FROM {t}words WHERE {t}words MATCH 'sticket')", "SELECT term FROM {t}vocabulary")
		}
		parts = append(parts, part{"search", searchVersion, tables})
	}
	if s.files {
		parts = append(parts, part{"files", filesVersion, []string{
			"SELECT tenant, sum, size, stored, place FROM {t}files",
			"SELECT place, n, bytes FROM {t}chunks",
			"SELECT place, began FROM {t}uploads",
		}})
	}
	return parts
}

// A migration is one file of the schema.
type migration struct {
	file   string
	number int
	text   string // with the names replaced
	// rest is the part of the text after alongsideMark. It can run while others use the
	// tables; see upgrade_alongside.go.
	rest string
}

var migrationName = regexp.MustCompile(`^([0-9]{4})_[a-z_]+\.up\.sql$`)

// migrations returns the files of a part, in order.
func (s *Store) migrations(p part) ([]migration, error) {
	folder := "schema/" + s.lang.folder + "/" + p.name
	entries, err := schemas.ReadDir(folder) // sorted by name
	if err != nil {
		return nil, err
	}
	var list []migration
	for _, e := range entries {
		m := migrationName.FindStringSubmatch(e.Name())
		if m == nil {
			return nil, fmt.Errorf("sqlstore: %s is not the name of a migration", e.Name())
		}
		number, err := strconv.Atoi(m[1])
		if err != nil {
			return nil, err
		}
		text, err := schemas.ReadFile(folder + "/" + e.Name())
		if err != nil {
			return nil, err
		}
		next := migration{file: e.Name(), number: number, text: s.names.Replace(s.lang.rewritten(string(text)))}
		if _, after, found := strings.Cut(next.text, alongsideMark); found {
			_, next.rest, _ = strings.Cut(after, "\n")
		}
		list = append(list, next)
	}
	return list, nil
}

// Migrations returns the schema as migration files, if your application runs them
// with its own tool instead of [Open] or [Store.Migrate]. Their names suit
// golang-migrate (0001_tickets.up.sql), and their text suits goose. Both run them in
// order. Do not change the files. Both these files and the migrations of your
// application may count from 1, so the tool must record them separately.
func Migrations(d Dialect, opts ...Option) (fs.FS, error) { return filesOf("tickets", d, opts) }

// SearchMigrations returns the files of the tables for full-text search. A store
// with [Search] needs them in addition to those of [Migrations], and after them.
// They also count from 1, and need a separate record.
func SearchMigrations(d Dialect, opts ...Option) (fs.FS, error) {
	return filesOf("search", d, append(opts, Search()))
}

// FileMigrations returns the files of the tables for files. A store with [Files] needs them in
// addition to those of [Migrations], and after them. They also count from 1, and need a
// separate record.
func FileMigrations(d Dialect, opts ...Option) (fs.FS, error) {
	return filesOf("files", d, append(opts, Files()))
}

func filesOf(which string, d Dialect, opts []Option) (fs.FS, error) {
	s := &Store{dialect: d, lang: d.language(), options: options{prefix: "ticket_"}}
	if s.lang == nil {
		return nil, invalid("sqlstore.dialect", "must be SQLite, Postgres or MySQL")
	}
	for _, o := range opts {
		o(&s.options)
	}
	if s.fault != nil {
		return nil, s.fault
	}
	s.names = s.replacer()
	list, err := s.migrations(part{name: which})
	if err != nil {
		return nil, err
	}
	var archive bytes.Buffer // a zip archive serves as the in-memory file system
	w := zip.NewWriter(&archive)
	for _, m := range list {
		f, err := w.Create(m.file)
		if err == nil {
			_, err = f.Write([]byte(m.text))
		}
		if err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return zip.NewReader(bytes.NewReader(archive.Bytes()), int64(archive.Len()))
}

// Migrate brings the schema up to date: it creates the tables, or changes those of
// an older version. If the schema is up to date, Migrate only reads. Any number of
// processes may call it at the same time. It returns an error on a store that is
// bound to a transaction or connection.
//
// On SQLite each run is applied as a whole or not at all, and so are new tables on
// PostgreSQL. A migration that would hold a table of PostgreSQL for long goes on after a
// first transaction, in small steps, while others read and write the table. It uses a
// second connection, unless the limit of the pool is one, and waits for the
// transactions of others that have used the table. MySQL
// commits every DDL statement by itself, and so do CockroachDB and YugabyteDB. The next run
// continues an interrupted one.
//
// While another transaction holds a table, for example a dump, a waiting migration
// would block all users of the table. So Migrate waits for two seconds, lets the
// others proceed, and retries for a minute. Then it returns [ErrBusy]. A shorter
// lock_timeout (PostgreSQL) or lock_wait_timeout (MySQL) stays in effect.
func (s *Store) Migrate(ctx context.Context) error {
	if s.db == nil {
		return invalid("sqlstore", "is bound to a connection or transaction, in which it cannot migrate")
	}
	behind := false
	err := s.retryBusy(ctx, func() (err error) {
		behind, err = s.behind(ctx, s.db)
		return err
	})
	if s.crossed(err) { // another process migrates
		behind, err = true, nil
	}
	if err != nil || !behind {
		return s.explain(ctx, "read the schema", err)
	}
	if s.dialect == Postgres {
		if err := s.fits(ctx); err != nil {
			return err
		}
	}
	return s.explain(ctx, "migrate", s.migrate(ctx))
}

// split splits a file into its statements. A semicolon in the files ends a statement
// or is in a comment.
func split(text string) (list []string) {
	var b strings.Builder
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "--")
		b.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	for statement := range strings.SplitSeq(b.String(), ";") {
		if statement = strings.TrimSpace(statement); statement != "" {
			list = append(list, statement)
		}
	}
	return list
}

// behind reports whether a migration is missing.
func (s *Store) behind(ctx context.Context, on runner) (bool, error) {
	behind := false
	for _, p := range s.parts() {
		have, err := s.version(ctx, on, p)
		if err != nil {
			return false, err
		}
		behind = behind || have < p.version
	}
	return behind, nil
}

// version returns the version of a part in the database, or 0 for none. A version
// newer than this package's is an error.
func (s *Store) version(ctx context.Context, on runner, p part) (int, error) {
	there := 0
	if err := on.QueryRowContext(ctx, s.names.Replace(s.lang.hasSchema)).Scan(&there); err != nil {
		return 0, err
	}
	if there == 0 {
		return 0, nil
	}
	have := 0
	err := on.QueryRowContext(ctx, s.names.Replace("SELECT version FROM {t}schema WHERE part = '"+p.name+"'")).Scan(&have)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	if err == nil && have > p.version {
		err = &SchemaError{Part: p.name, Have: have, Want: p.version}
	}
	return have, err
}

// Check reports whether the database has the store's dialect and a complete schema
// of this package's version, with all indexes under their original names. It returns
// [ErrDialect], [ErrSchema], or nil. Like [Open] it returns [ticket.ErrInvalid] if the
// connections have a setting with which the store cannot keep its promises. It changes nothing.
func (s *Store) Check(ctx context.Context) error {
	defer s.hold()()
	if err := s.fits(ctx); err != nil {
		return err
	}
	for _, p := range s.parts() {
		have, err := s.version(ctx, s.direct(), p)
		if err != nil {
			return s.explain(ctx, "read the schema", err)
		}
		if have < p.version {
			return &SchemaError{Part: p.name, Have: have, Want: p.version}
		}
		for _, table := range p.tables {
			err := s.here().rows(ctx, func(*sql.Rows) error { return nil }, table+" WHERE 1 = 0")
			if err != nil && s.lang.classify(err) == missing {
				return &SchemaError{Part: p.name, Have: have, Want: p.version, Err: err}
			}
			if err != nil {
				return s.explain(ctx, "read the schema", err)
			}
		}
		if err := s.checkIndexes(ctx, p, have); err != nil {
			return s.explain(ctx, "read the schema", err)
		}
	}
	return nil
}

// checkIndexes returns an error if an index of a part is missing. Some statements
// name their index. The others would be correct but slow, and without a unique index
// two tickets could get the same number.
func (s *Store) checkIndexes(ctx context.Context, p part, have int) error {
	list, err := s.migrations(p)
	if err != nil {
		return err
	}
	there := map[[2]string]bool{}
	err = s.here().rows(ctx, func(r *sql.Rows) error {
		var of [2]string
		err := r.Scan(&of[0], &of[1])
		there[of] = true
		return err
	}, s.lang.indexes)
	if err != nil {
		return err
	}
	for _, of := range s.indexesMade(list) {
		if !there[of] {
			return &SchemaError{Part: p.name, Have: have, Want: p.version, Err: fmt.Errorf("the table %s has no index %s", of[0], of[1])}
		}
	}
	return nil
}

// These match the statements that create or drop an index, and its table.
var (
	tableMade = regexp.MustCompile(`^\s*(?:CREATE|ALTER) TABLE (?:IF NOT EXISTS )?"?(?:\w+"\.)?(\w+)`)
	indexMade = regexp.MustCompile(`^\s*CREATE (?:UNIQUE )?INDEX (\w+)\s+ON "?(?:\w+"\.)?(\w+)`)
	indexGone = regexp.MustCompile(`^\s*DROP INDEX (?:"\w+"\.)?(\w+)`)
	keyMade   = regexp.MustCompile(`(?:^|ADD )\s*(?:UNIQUE |FULLTEXT )?KEY (\w+)`)
	keyGone   = regexp.MustCompile(`DROP (?:KEY|INDEX) (\w+)`)
	ownKey    = regexp.MustCompile(`^\s*(\w+)?.*PRIMARY KEY`)
	ownUnique = regexp.MustCompile(`^\s*(\w+).* UNIQUE`)
)

// indexesMade returns the indexes, with their tables, that exist after these files.
func (s *Store) indexesMade(list []migration) (made [][2]string) {
	add := func(table, index string) { made = append(made, [2]string{table, index}) }
	for _, m := range list {
		table := ""
		for line := range strings.Lines(m.text) {
			line, _, _ = strings.Cut(line, "--")
			line = strings.TrimLeft(line, "' ")
			if found := tableMade.FindStringSubmatch(line); found != nil {
				table = found[1]
			}
			if found := indexMade.FindStringSubmatch(line); found != nil {
				add(found[2], found[1])
				continue
			}
			for _, gone := range []*regexp.Regexp{indexGone, keyGone} {
				if found := gone.FindStringSubmatch(line); found != nil {
					made = slices.DeleteFunc(made, func(of [2]string) bool { return of[1] == found[1] })
				}
			}
			if found := keyMade.FindStringSubmatch(line); found != nil {
				add(table, found[1])
				continue
			}
			switch { // SQLite's own indexes cannot be dropped
			case s.dialect == MySQL && ownKey.MatchString(line):
				add(table, table+"_key")
			case s.dialect == Postgres && ownKey.MatchString(line):
				add(table, table+"_pkey")
			case s.dialect == Postgres && ownUnique.MatchString(line):
				add(table, table+"_"+ownUnique.FindStringSubmatch(line)[1]+"_key")
			}
		}
	}
	return made
}
