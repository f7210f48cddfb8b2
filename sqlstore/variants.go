package sqlstore

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Some engines speak PostgreSQL's protocol and most of its language. They are recognised by
// the answer to version(), and differ from PostgreSQL in the fields of their language. Where
// a difference comes from is in docs/storage.md.
//
// The statements are held against the documentation of the engines in a test
// (internal/dbtests). Nobody has run them there.

// A rewrite changes the text of a schema file.
type rewrite struct {
	from *regexp.Regexp
	to   string
}

var (
	// Parameters of PostgreSQL's pages mean nothing to an engine that stores rows in
	// another way, and some are errors.
	withoutParameters = rewrite{regexp.MustCompile(` WITH \([^)]*\)`), ""}
	withoutStorage    = rewrite{regexp.MustCompile(`ALTER TABLE \S+ ALTER COLUMN [^;]* SET STORAGE [^;]*;`), ""}
	// Strings are in the order of their bytes, and a column cannot have another one.
	withoutCollation = rewrite{regexp.MustCompile(` COLLATE "C"`), ""}
	// Its json is jsonb, which changes how numbers are written: 1e21 would become an integer.
	plainJSON = rewrite{regexp.MustCompile(`\bjson\b`), "text"}
	readJSON  = rewrite{regexp.MustCompile(`\bdoc ->> `), "doc::jsonb ->> "}
)

// cockroach is CockroachDB. A commit is visible only when it is durable, so no read waits for
// a standby.
var cockroach = variant("CockroachDB", func(l *language) {
	l.json, l.notifies, l.settledRead, l.searchPlan = "text", false, "", ""
	l.contains = "strpos(lower(doc), ?) > 0"
	// array_to_tsvector is missing. Tokens have letters and digits only, so a list of them
	// is the text of a tsvector.
	l.textRow = strings.Replace(l.textRow, tsvector, "?::text::tsvector", 1)
	l.updateText = strings.Replace(l.updateText, tsvector, "?::text::tsvector", 1)
	l.ddl = []rewrite{withoutParameters, withoutStorage, withoutCollation, plainJSON, readJSON}
})

// yugabyte is YugabyteDB. A search index is read by an index scan, which must stay enabled.
// Before 2025.1 its grammar is that of PostgreSQL 11, which never merges a common table
// expression into the statement. Later ones do not either, if it locks rows. Tables and
// indexes are sharded by a hash of their first column, and cannot be read in order, unless
// setUp turns that off.
var yugabyte = variant("YugabyteDB", func(l *language) {
	l.notifies, l.settledRead, l.apart = false, "", ""
	l.searchPlan = "SELECT set_config('enable_seqscan', 'off', true), '', '', '', ''"
	l.ddl = []rewrite{withoutParameters, withoutStorage}
	l.setUp = "SELECT set_config('yb_use_hash_splitting_by_default', 'off', false) FROM pg_settings WHERE name = 'yb_use_hash_splitting_by_default'"
})

// tsvector is how PostgreSQL makes the value of the index from tokens.
const tsvector = "array_to_tsvector(string_to_array(btrim(?), ' '))"

// variant returns a variant of PostgreSQL.
func variant(name string, differ func(*language)) language {
	l := postgres
	l.name, l.distributed = name, true
	// How to ask for the encoding (see breaks) and unnest with several arrays were not found in
	// their documentation.
	l.settings, l.arrays = "", false
	differ(&l)
	return l
}

// strangers are engines whose version() begins with "PostgreSQL", but which lack what a
// store needs.
var strangers = [...]string{"Redshift", "Greenplum", "Materialize", "RisingWave", "QuestDB", "Cloudberry"}

// spoken returns the language of an engine with this version, or nil if it is not of the
// dialect.
func (d Dialect) spoken(version string) *language {
	l := d.language()
	switch {
	case d == Postgres && strings.HasPrefix(version, "CockroachDB "):
		return &cockroach
	case !l.probe(version):
		return nil
	case d == Postgres && strings.Contains(version, "-YB-"):
		return &yugabyte
	case d == Postgres && slices.ContainsFunc(strangers[:], func(name string) bool { return strings.Contains(version, name) }):
		return nil
	default:
		return l
	}
}

// fits returns an error if the database speaks another language than the store, because the
// store was made with New.
func (s *Store) fits(ctx context.Context) error {
	lang, err := s.recognise(ctx)
	if err == nil && lang != s.lang {
		return fmt.Errorf("%w: found %s, which Open recognises and New does not", ErrDialect, lang.name)
	}
	return err
}

// rewritten returns the text of a schema file for the engine.
func (l *language) rewritten(text string) string {
	for _, r := range l.ddl {
		text = r.from.ReplaceAllString(text, r.to)
	}
	return text
}
