package main

import (
	"bytes"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// internal/dbtests runs the same on PostgreSQL.
const story = `Both or neither: the order is disputed, and the complaint is a ticket.
  order: disputed
  ticket NUMBER: Parcel lost, new
  → received to ada@example.org

The shop's own constraint fails after the ticket was opened: no second ticket and no notification.
  in the transaction: Parcel still lost is new
  rolled back: one complaint per order
  order: disputed
  ticket NUMBER: Parcel lost, new

A concurrent change: the shop repeats its transaction.
  between decision and commit, lin writes a note
  conflict: rolled back
  done at attempt 2
  order: refunded
  ticket NUMBER: Parcel lost, resolved
  → solved to ada@example.org
`

var number = regexp.MustCompile(`[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]`)

func TestOutput(t *testing.T) {
	file := filepath.Join(t.TempDir(), "shop.db")
	for _, args := range [][]string{nil, {"-db", file}, {"-db", file}} { // an existing file works too
		var out bytes.Buffer
		require.NoError(t, run(t.Context(), args, &out))
		assert.Equal(t, story, number.ReplaceAllString(out.String(), "NUMBER"))
	}
	var out bytes.Buffer
	require.Error(t, run(t.Context(), []string{"-db", t.TempDir()}, &out), "a directory is no file")
	require.Error(t, run(t.Context(), []string{"-postgres", "host=/nowhere"}, &out))
}
