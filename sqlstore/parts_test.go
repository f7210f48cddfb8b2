package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
)

// Two people have a common label exactly if they are the same person.
func TestLabelsAreAsSame(t *testing.T) {
	var people []ticket.Person
	for _, id := range []string{"", "1", "2", "email:a@b.c", ":"} {
		for _, email := range []string{"", "a@b.c", "A@B.C", "ä@b.c", "Ä@b.c", "\u212A@b.c", "k@b.c", "1"} {
			for _, phone := range []string{"", "+1", "1"} {
				people = append(people, ticket.Person{ID: id, Email: email, Phone: phone})
			}
		}
	}
	for _, p := range people {
		for _, q := range people {
			have := personLabels(nil, "requester", p)
			met := false
			for _, label := range wanted("requester", q) {
				for _, h := range have {
					met = met || h == label
				}
			}
			require.Equal(t, q.Same(p), met, "%+v stored, %+v wanted: %q, %q", p, q, have, wanted("requester", q))
		}
		require.LessOrEqual(t, len(wanted("requester", p)), 2)
	}
}

// Two fields have the same label exactly if their values are equal in type and
// value.
func TestFieldLabels(t *testing.T) {
	at := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	zero := 0.0
	values := []any{
		"", "1", "i1", "true", true, false, int64(1), int64(-1), 1.0, 1.5, 0.0, at, at.Add(time.Microsecond), []string{}, []string{""}, []string{"a", "b"},
		[]string{"a,b"}, []string{`a","b`}, strings.Repeat("x", 500), strings.Repeat("x", 501), strings.Repeat("ß", 300),
	}
	seen := map[string]string{}
	for _, name := range []string{"n", "N", "", `a"=s`, "a", strings.Repeat("n", 300)} {
		for _, v := range values {
			label := fieldLabel(name, v)
			what := fmt.Sprintf("%q %T %q", name, v, v)
			require.Empty(t, seen[label], "%s is as %s", what, seen[label])
			seen[label] = what
			require.Less(t, len(label), maxName)
			require.Equal(t, strings.ToValidUTF8(label, ""), label)
		}
	}
	require.Equal(t, fieldLabel("n", 0.0), fieldLabel("n", -zero))
	require.Equal(t, fieldLabel("n", at), fieldLabel("n", at.In(time.FixedZone("x", 3600))))
}

func TestSplit(t *testing.T) {
	require.Empty(t, split(""))
	require.Empty(t, split("-- a; comment\n\n;\n"))
	require.Equal(t, []string{"CREATE TABLE a (\n    b INT,\n    c INT\n)", "DROP TABLE a"},
		split("-- +goose Up\nCREATE TABLE a (\n    b INT, -- one; two\n    c INT\n);\n\nDROP TABLE a"))
}

func TestRender(t *testing.T) {
	for _, c := range []struct {
		dialect    Dialect
		opts       []Option
		text, want string
	}{
		{SQLite, nil, "SELECT ? FROM {t}tickets, {p}x", "SELECT ? FROM ticket_tickets, ticket_x"},
		{Postgres, nil, "SELECT ? FROM {t}tickets WHERE a = ?", "SELECT $1 FROM ticket_tickets WHERE a = $2"},
		{Postgres, []Option{Prefix("x_")}, "{t}a {p}b", "x_a x_b"},
		{Postgres, nil, strings.Repeat("?", 12), "$1$2$3$4$5$6$7$8$9$10$11$12"},
		{MySQL, []Option{Prefix("_")}, "{t}a?", "_a?"},
	} {
		s := &Store{dialect: c.dialect, lang: c.dialect.language(), options: options{prefix: "ticket_"}}
		for _, o := range c.opts {
			o(&s.options)
		}
		require.NoError(t, s.fault)
		s.names = s.replacer()
		require.Equal(t, c.want, s.render(c.text))
	}
}

func TestSeveral(t *testing.T) {
	require.Equal(t, "X (?)", several("X ", 1, 1))
	require.Equal(t, "X (?, ?), (?, ?)", several("X ", 2, 2))
}

// These errors are like those of the drivers.
type (
	codeError    int                              // modernc.org/sqlite
	fieldError   struct{ Code, ExtendedCode int } // mattn/go-sqlite3
	stateError   string                           // pgx and pq
	numberError  struct{ Number uint16 }          // go-sql-driver/mysql
	wrappedError struct{ error }                  // a wrapper of the application
)

func (e codeError) Error() string     { return "no such table: x" }
func (e codeError) Code() int         { return int(e) }
func (e fieldError) Error() string    { return "no such column: x" }
func (e stateError) Error() string    { return "x" }
func (e stateError) SQLState() string { return string(e) }
func (e *numberError) Error() string  { return "x" }
func (e wrappedError) Unwrap() error  { return e.error }

func TestClassify(t *testing.T) {
	wrap := func(err error) error { return wrappedError{fmt.Errorf("x: %w", err)} }
	for _, c := range []struct {
		dialect Dialect
		err     error
		want    fault
	}{
		{SQLite, codeError(2067), taken}, {SQLite, codeError(1555), taken}, {SQLite, codeError(517), conflict},
		{SQLite, codeError(5), busy}, {SQLite, codeError(261), busy}, {SQLite, codeError(6), busy}, {SQLite, codeError(8), readOnly}, {SQLite, codeError(1032), readOnly},
		{SQLite, codeError(13), full}, {SQLite, codeError(1), missing}, {SQLite, codeError(11), otherwise}, {SQLite, codeError(787), otherwise},
		{SQLite, fieldError{19, 2067}, taken}, {SQLite, fieldError{5, 517}, conflict}, {SQLite, fieldError{1, 1}, missing}, {SQLite, &fieldError{13, 13}, full},
		{Postgres, stateError("23505"), taken}, {Postgres, stateError("40001"), conflict}, {Postgres, stateError("40P01"), conflict},
		{Postgres, stateError("25006"), readOnly}, {Postgres, stateError("53100"), full}, {Postgres, stateError("42P01"), missing},
		{Postgres, stateError("42703"), missing}, {Postgres, stateError("57014"), otherwise}, {Postgres, stateError(""), otherwise},
		{MySQL, &numberError{1062}, taken}, {MySQL, &numberError{1213}, conflict}, {MySQL, &numberError{1020}, conflict}, {MySQL, &numberError{1792}, readOnly},
		{MySQL, &numberError{1290}, readOnly}, {MySQL, &numberError{1114}, full}, {MySQL, &numberError{1146}, missing}, {MySQL, &numberError{1054}, missing},
		{MySQL, &numberError{1}, otherwise}, {MySQL, (*numberError)(nil), otherwise},
		{SQLite, errors.New("x"), otherwise}, {Postgres, errors.New("x"), otherwise}, {MySQL, errors.New("x"), otherwise},
		{SQLite, stateError("23505"), otherwise}, {Postgres, codeError(2067), otherwise}, {MySQL, fieldError{19, 2067}, otherwise},
	} {
		require.Equal(t, c.want, c.dialect.language().classify(c.err), "%s %#v", c.dialect, c.err)
		if e, ok := c.err.(*numberError); !ok || e != nil { //nolint:errorlint // this very one
			require.Equal(t, c.want, c.dialect.language().classify(wrap(c.err)), "wrapped %s %#v", c.dialect, c.err)
		}
	}
}

func TestExplain(t *testing.T) {
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range []struct {
		ctx  context.Context
		err  error
		want error
	}{
		{t.Context(), stateError("40001"), ticket.ErrConflict}, {t.Context(), stateError("25006"), ErrReadOnly}, {t.Context(), stateError("53100"), ErrFull},
		{t.Context(), stateError("42P01"), ErrSchema}, {t.Context(), ticket.ErrNotFound, ticket.ErrNotFound},
		{over, stateError("57014"), context.Canceled}, {over, stateError("42P01"), context.Canceled}, {over, ticket.ErrConflict, ticket.ErrConflict},
		{over, context.Canceled, context.Canceled},
	} {
		s := &Store{dialect: Postgres, lang: &postgres}
		err := s.explain(c.ctx, "do it", c.err)
		require.ErrorIs(t, err, c.want)
		require.ErrorIs(t, err, c.err, "the driver's own is reached")
	}
	require.NoError(t, (&Store{lang: &sqlite}).explain(over, "do it", nil))
}

func TestSchemaErrorSays(t *testing.T) {
	for want, e := range map[string]*SchemaError{
		"Open with the option Files creates it: no such table": {Part: "files", Want: 1, Err: errors.New("no such table")},
		"the schema of tickets does not exist":                 {Part: "tickets", Want: 2},
		"older than 2":                                         {Part: "tickets", Have: 1, Want: 2},
		"newer than 2":                                         {Part: "tickets", Have: 3, Want: 2},
		"incomplete: x":                                        {Part: "search", Have: 2, Want: 2, Err: errors.New("x")},
	} {
		require.ErrorContains(t, e, want)
		require.ErrorIs(t, e, ErrSchema)
	}
}

func TestDialectNames(t *testing.T) {
	require.Equal(t, "SQLite PostgreSQL MySQL dialect 9", fmt.Sprint(SQLite, " ", Postgres, " ", MySQL, " ", Dialect(9)))
}

// Each choice of columns has a statement with as many placeholders as arguments.
func TestUpdates(t *testing.T) {
	ch := &changing{Change: &ticket.Change{}}
	for bits := range everyColumn + 1 {
		for _, kept := range []columns{0, keptStage, keptStage | openColumn, keptStage | openColumn | bits&dueColumns} {
			text := updateText(bits, kept)
			require.Len(t, ch.keptArgs(ch.updateArgs(nil, bits), kept), strings.Count(text, "?"), text)
		}
	}
	require.Len(t, ch.ticketArgs(nil), ticketColumnCount)
	require.Equal(t, ticketColumnCount, strings.Count(insertTicket, "?"))
}
