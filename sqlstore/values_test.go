package sqlstore

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTable(t *testing.T) {
	cells := []any{"a", int64(1), `"\`, nil, "", 3}
	text, args := postgres.table(cells, textual, whole)
	require.Equal(t, "unnest(?::text[], ?::bigint[]) AS v(column1, column2)", text)
	require.Equal(t, []any{`{"a","\"\\",""}`, "{1,NULL,3}"}, args)

	type name string
	_, args = postgres.table([]any{name("NULL"), name(`a","b`)}, textual)
	require.Equal(t, []any{`{"NULL","a\",\"b"}`}, args)

	text, args = sqlite.table(append(cells, "d", 4), textual, whole)
	require.Len(t, args, 20, "the last row is repeated")
	require.Equal(t, []any{"d", 4, "d", 4}, args[16:])
	require.Equal(t, "(VALUES (?, ?), (?, ?)", text[:len("(VALUES (?, ?), (?, ?)")])
}
