package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/tickettest"
)

// A second run lists the tickets of the first.
func TestStory(t *testing.T) {
	cfg := tickettest.Config(tickettest.NewClock(), nil)
	numbers := []ticket.Number{"7Q4K-92MX-F", "9NC5-QBN3-1"}
	cfg.Numbers.New = func(context.Context, string) (ticket.Number, error) {
		if len(numbers) == 0 {
			return ticket.NewNumber(), nil
		}
		n := numbers[0]
		numbers = numbers[1:]
		return n, nil
	}
	file := filepath.Join(t.TempDir(), "a b%20#?.db") // any file name works
	var first, second bytes.Buffer
	require.NoError(t, run(t.Context(), file, cfg, &first))
	want, err := os.ReadFile("testdata/story.txt")
	require.NoError(t, err)
	assert.Equal(t, string(want), first.String())
	assert.FileExists(t, file)

	require.NoError(t, run(t.Context(), file, cfg, &second))
	const earlier = `Tickets from earlier runs, newest first:
  9NC5-QBN3-1  resolved  Where is the scanner?
  7Q4K-92MX-F  closed    Printer prints blank pages

`
	found, story, _ := strings.Cut(second.String(), earlier)
	assert.Empty(t, found)
	assert.Equal(t, masked(first.String()), masked(story), "the story is the same, with new numbers")
}

// The program also works with the clock and the random numbers of the system.
func TestZeroConfig(t *testing.T) {
	file := filepath.Join(t.TempDir(), "quickstart.db")
	var out bytes.Buffer
	for range 7 {
		out.Reset()
		require.NoError(t, run(t.Context(), file, ticket.Config{}, &out))
	}
	got := masked(out.String())
	assert.Contains(t, got, "\n  NUMBER  resolved  Where is the scanner?\n  NUMBER  closed    Printer prints blank pages\n  and older ones\n\n")
	assert.Contains(t, got, "NUMBER: Printer prints blank pages\n")
	assert.Contains(t, got, "\nNUMBER: Where is the scanner? resolved at the first contact\n")
	assert.Contains(t, got, "\nAda looks up WRITTEN: it is closed.\n")
}

func TestAFileThatIsNoDatabaseIsAnError(t *testing.T) {
	var out bytes.Buffer
	dir := t.TempDir()
	require.ErrorContains(t, run(t.Context(), dir, ticket.Config{}, &out), dir)

	other := filepath.Join(dir, "notes.txt")
	require.NoError(t, os.WriteFile(other, []byte(strings.Repeat("no database\n", 1000)), 0o600))
	require.ErrorContains(t, run(t.Context(), other, ticket.Config{}, &out), "file is not a database")
	assert.Empty(t, out.String())
}

func masked(story string) string {
	story = regexp.MustCompile(`[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]`).ReplaceAllString(story, "NUMBER")
	return regexp.MustCompile(`"[0-9a-z]{4} [0-9a-z]{4} [0-9a-z]"`).ReplaceAllString(story, "WRITTEN")
}
