package main

import (
	"bytes"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Only the number is random.
const output = `^opened ([0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]) and closed the file
found ([0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]) again: Printer prints blank pages, new
$`

func TestOutput(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tickets.db")
	for _, args := range [][]string{nil, {path}, {path}} { // the file may already exist
		var out bytes.Buffer
		require.NoError(t, run(t.Context(), args, &out))
		assert.Regexp(t, output, out.String())
	}
	var out bytes.Buffer
	require.Error(t, run(t.Context(), []string{"a", "b"}, &out))
	require.Error(t, run(t.Context(), []string{t.TempDir()}, &out), "a directory is not a file")
}
