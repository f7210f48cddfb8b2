package sqlstore

import (
	"database/sql"
	"errors"
	"reflect"
	"strconv"
	"strings"
)

// Dialect is the kind of a database.
type Dialect uint8

// The dialects.
const (
	SQLite   Dialect = iota + 1 // 3.37 or later; Search needs 3.43 with FTS5
	Postgres                    // PostgreSQL 13 or later
	MySQL                       // MySQL 8.0 or MariaDB 10.6, or later
)

// String returns the dialect's name.
func (d Dialect) String() string {
	if l := d.language(); l != nil {
		return l.name
	}
	return "dialect " + strconv.Itoa(int(d))
}

func (d Dialect) language() *language {
	switch d {
	case SQLite:
		return &sqlite
	case Postgres:
		return &postgres
	case MySQL:
		return &mysql
	default:
		return nil
	}
}

// A language holds the differences between the databases, except for their DDL.
type language struct {
	name   string
	folder string // of the schema files
	// version is the query whose answer probe checks.
	version string
	probe   func(version string) bool
	// settings is a query for settings of the connection, their names and values, which refused
	// compares. See breaks.
	settings string
	refused  []setting
	// hasSchema is the query for whether the table of versions exists.
	hasSchema string
	// indexes is the query for all indexes and their tables.
	indexes string
	// numbered says that placeholders are $1, $2 … instead of ?
	numbered bool
	// rowValues says that (a, b) > (?, ?) walks an index. If false, the condition is
	// written out.
	rowValues bool
	// join is the keyword that joins two tables. Where there is a choice, it makes
	// the database read them in the order in which they are written.
	join string
	// oneStatement says that one data-modifying statement can hold a commit.
	oneStatement bool
	// settledRead ends a query whose result the caller takes as committed. On
	// PostgreSQL with a synchronous standby, a cancelled commit is visible before
	// the standby has it. Locking the row waits for the standby as well.
	settledRead string
	// updateRows begins an UPDATE of several rows that violates no constraint. To undo
	// one that does, SQLite would keep a copy of each page in a journal of the statement.
	updateRows string
	// sharesWriter says that the writers of one process share transactions.
	sharesWriter bool
	// placeholder is the placeholder for each kind in a table of values. rowBegin
	// begins a row of it if the row is a query by itself. With arrays, an argument is
	// an array of all values of a column. See table.
	placeholder [2]string
	rowBegin    string
	arrays      bool
	// json is the type of documents.
	json string
	// notifies says that transactions can notify a channel.
	notifies bool
	// apart is before the query of a common table expression that must not be merged into the
	// rest of the statement.
	apart string
	// searchPlan is a query of five columns that makes the planner search with the index
	// until the end of the transaction, if it does not by itself.
	searchPlan string
	// ddl changes the statements of the schema files.
	ddl []rewrite
	// distributed says that the engine is a cluster: each statement of a migration runs in a
	// transaction of its own, setUp before them (see upgrade_stepwise.go), and the engine
	// aborts transactions in favour of others so often that all of the store's own are repeated.
	distributed bool
	setUp       string
	// byIndex and byKey replace {by name} after a table in a statement. They name
	// the index by which the rows are found: byIndex with {p} for the prefix, byKey,
	// the primary key, with {k} for the table. Otherwise the planner relies on
	// statistics, which may be from when the table was empty.
	byIndex, byKey string
	// hide keeps the planner from looking up a text column, %s, in an index.
	hide string
	// contains is a condition: the document of an event contains a text of ASCII letters
	// in lower case, in any case of its ASCII letters.
	contains string
	// unlessThere ends an INSERT that passes over rows that are stored already. %s is any
	// column of the table.
	unlessThere string
	// claimLocks ends the query that selects deliveries to claim. If empty, a claim
	// is one UPDATE … RETURNING under the lock of the only writer.
	claimLocks string
	// claimLevel is the isolation level of claims.
	claimLevel sql.IsolationLevel
	classify   func(err error) fault

	// token returns a token of the search index: a word with a letter in front that
	// says where the word stands. The statements write the index.
	token                           func(where, word string) string
	insertText, textRow, updateText string
	// countWords ends an INSERT that adds to counts. forUpdate ends a query of rows that
	// are then changed.
	countWords, forUpdate string
	// newestFirst says that the index returns the newest matches first.
	newestFirst bool
}

// mostRows is how many rows a table of values has at most.
func (l *language) mostRows() int {
	if l.arrays {
		return 1000
	}
	return 100
}

func (l *language) hidden(column string) string { return strings.Replace(l.hide, "%s", column, 1) }

func (l *language) ifNew(column string) string {
	return strings.ReplaceAll(l.unlessThere, "%s", column)
}

// fault is the meaning of a database error to a store.
type fault uint8

const (
	otherwise fault = iota
	taken           // a unique key
	conflict        // serialisation failure or deadlock: decide again
	busy            // a lock was not free in time
	readOnly
	full
	missing // a table or a column
	there   // a table, column or index that already exists (MySQL, PostgreSQL)
	crowded // the server has no room for prepared statements (MySQL)
)

var sqlite = language{
	name: "SQLite", folder: "sqlite", version: "SELECT sqlite_version()",
	probe:     func(v string) bool { return strings.HasPrefix(v, "3.") },
	hasSchema: "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = '{t}schema'",
	indexes:   "SELECT tbl_name, name FROM sqlite_master WHERE type = 'index'",
	rowValues: true, updateRows: "UPDATE OR FAIL", sharesWriter: true, join: "CROSS JOIN", byIndex: " INDEXED BY {p}", byKey: " INDEXED BY sqlite_autoindex_{k}_1", hide: "+%s",
	placeholder: [...]string{textual: "?", whole: "?"},
	contains:    "instr(lower(doc), ?) > 0",
	unlessThere: " ON CONFLICT DO NOTHING",
	token:       plainToken, newestFirst: true,
	insertText: "INSERT INTO {t}texts (version, upto, terms, known, place, ticket, tenant) VALUES ", textRow: "(?, ?, ?, ?, ?, ?, ?)",
	updateText: "UPDATE {t}texts SET version = ?, upto = ?, terms = ?, known = ? WHERE place = ? AND version = ?",
	countWords: " ON CONFLICT (word) DO UPDATE SET n = n + excluded.n",
	classify: func(err error) fault {
		code, ok := sqliteCode(err)
		if !ok {
			return otherwise
		}
		switch code {
		case 2067, 1555: // CONSTRAINT_UNIQUE, CONSTRAINT_PRIMARYKEY
			return taken
		case 517: // BUSY_SNAPSHOT: what the transaction read is out of date
			return conflict
		}
		switch code & 0xff {
		case 5, 6: // BUSY, LOCKED
			return busy
		case 8:
			return readOnly
		case 13:
			return full
		case 1: // ERROR: only the text tells
			if m := err.Error(); strings.Contains(m, "no such table") || strings.Contains(m, "no such fts5 table") || strings.Contains(m, "no such column") || strings.Contains(m, "no such index") || strings.Contains(m, "has no column") {
				return missing
			}
		}
		return otherwise
	},
}

var postgres = language{
	name: "PostgreSQL", folder: "postgres", version: "SELECT version()",
	probe:    func(v string) bool { return strings.HasPrefix(v, "PostgreSQL") },
	settings: "SELECT 'client_encoding', current_setting('client_encoding')",
	refused:  []setting{{name: "client_encoding", must: "UTF8", or: "other programs would read another text"}},
	// Only in the schema in which tables are created. The rest of the search path may
	// belong to another application.
	hasSchema: "SELECT COUNT(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = {schema} AND c.relname = '{p}schema'",
	indexes: "SELECT t.relname, i.relname FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid" +
		" JOIN pg_namespace n ON n.oid = t.relnamespace WHERE n.nspname = {schema} AND x.indisvalid",
	numbered: true, arrays: true, rowValues: true, updateRows: "UPDATE", oneStatement: true, join: "JOIN", hide: "(%s || '')", settledRead: " FOR KEY SHARE",
	json: "json", notifies: true, apart: "MATERIALIZED ",
	searchPlan: "SELECT set_config('enable_seqscan', 'off', true), set_config('enable_indexscan', 'off', true)," +
		" set_config('plan_cache_mode', 'force_custom_plan', true), set_config('jit', 'off', true)," +
		" CASE WHEN current_setting('effective_io_concurrency', true) <> '0' THEN set_config('effective_io_concurrency', '64', true) ELSE '' END",
	placeholder: [...]string{textual: "?::text", whole: "?::bigint"},
	contains:    `strpos(lower(doc::text COLLATE "C"), ?) > 0`,
	unlessThere: " ON CONFLICT DO NOTHING",
	token:       plainToken,
	insertText:  "INSERT INTO {t}texts (version, upto, terms, known, place, ticket, tenant, tokens) VALUES ",
	textRow:     "(?, ?, ?, ?, ?, ?, ?, array_to_tsvector(string_to_array(btrim(?), ' ')))",
	updateText:  "UPDATE {t}texts SET version = ?, upto = ?, terms = ?, known = ?, tokens = array_to_tsvector(string_to_array(btrim(?), ' ')) WHERE place = ? AND version = ?",
	countWords:  " ON CONFLICT (word) DO UPDATE SET n = f.n + excluded.n", forUpdate: " FOR UPDATE",
	claimLocks: " FOR UPDATE SKIP LOCKED",
	classify: func(err error) fault {
		s, ok := errors.AsType[interface {
			error
			SQLState() string
		}](err)
		if !ok {
			return otherwise
		}
		switch s.SQLState() {
		case "23505":
			return taken
		case "40001", "40P01":
			return conflict
		case "25006": // read only transaction
			return readOnly
		case "55P03": // lock not available, if the application has set a lock_timeout
			return busy
		case "53100": // disk full
			return full
		case "42P01", "42703": // undefined table, undefined column
			return missing
		case "42P07", "42701", "42710": // duplicate table or index, column, type of a table
			return there
		}
		return otherwise
	},
}

var mysql = language{
	name: "MySQL", folder: "mysql", version: "SELECT CONCAT('MySQL ', VERSION(), ' ', @@version_comment)",
	probe:    func(v string) bool { return strings.HasPrefix(v, "MySQL ") },
	settings: "SHOW VARIABLES WHERE Variable_name IN ('autocommit', 'completion_type', 'tx_isolation', 'transaction_isolation')",
	refused: []setting{
		{name: "autocommit", must: "ON", or: "no statement outside of a transaction would be committed"},
		{name: "completion_type", never: "CHAIN", or: "after a COMMIT no statement outside of a transaction would be committed"},
		{name: "tx_isolation", never: uncommitted, or: dirty},
		{name: "transaction_isolation", never: uncommitted, or: dirty}, // its name in MySQL
	},
	hasSchema:  "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = '{t}schema'",
	indexes:    "SELECT DISTINCT table_name, CASE WHEN index_name = 'PRIMARY' THEN CONCAT(table_name, '_key') ELSE index_name END FROM information_schema.statistics WHERE table_schema = DATABASE()",
	updateRows: "UPDATE", claimLocks: " FOR UPDATE SKIP LOCKED", claimLevel: sql.LevelReadCommitted, join: "STRAIGHT_JOIN",
	byIndex: " FORCE INDEX ({p})", byKey: " FORCE INDEX (PRIMARY)", hide: "%s",
	// Every byte is a character of latin1, so the conversion cannot fail.
	contains:    "LOCATE(?, LOWER(CONVERT(doc USING latin1))) > 0",
	placeholder: [...]string{textual: "CAST(? AS BINARY)", whole: "CAST(? AS SIGNED)"}, rowBegin: "SELECT ",
	unlessThere: " ON DUPLICATE KEY UPDATE %s = %s",
	token:       asciiToken,
	insertText:  "INSERT INTO {t}texts (version, upto, terms, known, place, ticket, tenant, tokens) VALUES ", textRow: "(?, ?, ?, ?, ?, ?, ?, ?)",
	updateText: "UPDATE {t}texts SET version = ?, upto = ?, terms = ?, known = ?, tokens = ? WHERE place = ? AND version = ?",
	countWords: " ON DUPLICATE KEY UPDATE n = n + VALUES(n)", forUpdate: " FOR UPDATE",
	classify: func(err error) fault {
		n, ok := mysqlNumber(err)
		if !ok {
			return otherwise
		}
		switch n {
		case 1062, 1586: // duplicate entry
			return taken
		// 1213 is a deadlock, and Galera's error if a commit lost to one on another
		// node. 1020 is "record has changed since last read" of MariaDB's snapshot
		// isolation. 1180 is Galera's "aborted by another node".
		case 1213, 1020, 1180:
			return conflict
		case 1205: // lock wait timeout
			return busy
		case 1290, 1792, 1836: // --read-only, read only transaction, read only mode
			return readOnly
		case 1021, 1114: // disk full, table full
			return full
		case 1146, 1054, 1049, 1176: // no such table, column, database, index
			return missing
		case 1050, 1060, 1061, 1091: // table, column, index exists; one to drop does not
			return there
		case 1461: // max_prepared_stmt_count
			return crowded
		}
		return otherwise
	},
}

// sqliteCode finds SQLite's extended result code: a method of the error in
// modernc.org/sqlite, a field in mattn/go-sqlite3.
func sqliteCode(err error) (int, bool) {
	if c, ok := errors.AsType[interface {
		error
		Code() int
	}](err); ok {
		return c.Code(), true
	}
	n, ok := numberIn(err, "ExtendedCode")
	return int(n), ok
}

// mysqlNumber finds MySQL's error number, a field of the error of
// go-sql-driver/mysql.
func mysqlNumber(err error) (int, bool) {
	n, ok := numberIn(err, "Number")
	return int(n), ok
}

// numberIn searches an error and its causes for a struct with this field.
func numberIn(err error, field string) (int64, bool) {
	for ; err != nil; err = errors.Unwrap(err) {
		if several, ok := err.(interface{ Unwrap() []error }); ok {
			for _, one := range several.Unwrap() {
				if n, ok := numberIn(one, field); ok {
					return n, true
				}
			}
			return 0, false
		}
		v := reflect.ValueOf(err)
		if v.Kind() == reflect.Pointer && !v.IsNil() {
			v = v.Elem()
		}
		if v.Kind() != reflect.Struct {
			continue
		}
		if f := v.FieldByName(field); f.IsValid() {
			switch {
			case f.CanInt():
				return f.Int(), true
			case f.CanUint():
				return int64(f.Uint()), true
			}
		}
	}
	return 0, false
}
