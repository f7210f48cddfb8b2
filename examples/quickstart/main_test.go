package main

import (
	"bytes"
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/tickettest"
)

func TestStory(t *testing.T) {
	cfg := tickettest.Config(tickettest.NewClock(), nil)
	numbers := []ticket.Number{"7Q4K-92MX-F", "9NC5-QBN3-1"}
	cfg.NewNumber = func() ticket.Number {
		n := numbers[0]
		numbers = numbers[1:]
		return n
	}
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), cfg, &out))
	want, err := os.ReadFile("testdata/story.txt")
	require.NoError(t, err)
	assert.Equal(t, string(want), out.String())
}

// As a reader runs it: with the clock and the random numbers of the system.
func TestZeroConfig(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), ticket.Config{}, &out))
	got := regexp.MustCompile(`[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]`).ReplaceAllString(out.String(), "NUMBER")
	got = regexp.MustCompile(`"[0-9a-z]{4} [0-9a-z]{4} [0-9a-z]"`).ReplaceAllString(got, "WRITTEN")
	assert.Contains(t, got, "NUMBER: Printer prints blank pages\n")
	assert.Contains(t, got, "\nNUMBER: Where is the scanner? resolved at the first contact\n")
	assert.Contains(t, got, "\nAda looks up WRITTEN: it is closed.\n")
}
