package main

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/mailbox"
	"github.com/ticketkit/ticket/tickettest"
	"github.com/ticketkit/ticket/web"
)

// The intake of the example is the mail of a console.
var _ web.Mails = (*mailbox.Intake)(nil)

var update = flag.Bool("update", false, "write the golden file")

func TestStory(t *testing.T) {
	cfg := tickettest.Config(tickettest.NewClock(), nil)
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), cfg, bytes.Repeat([]byte{7}, 32), &out))
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o750))
		require.NoError(t, os.WriteFile("testdata/story.txt", out.Bytes(), 0o600))
	}
	want, err := os.ReadFile("testdata/story.txt")
	require.NoError(t, err)
	assert.Equal(t, string(want), out.String())
}

// The program also works with the clock and the random numbers of the system.
func TestZeroConfig(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), ticket.Config{}, make([]byte, 32), &out))
	assert.Equal(t, 10, strings.Count(out.String(), "    done: "))
	assert.Equal(t, 1, strings.Count(out.String(), "    held: "))
}
