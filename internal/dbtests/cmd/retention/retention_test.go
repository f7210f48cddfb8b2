package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket/internal/dbtests/ordeal"
)

func TestMain(m *testing.M) {
	ordeal.BeChild(taskVariable, perform) // a child is another run of this program
	os.Exit(m.Run())
}

// finds has a part of what the check says for each sabotage.
var finds = map[string]string{
	"changed": "event 1 was altered",
	greedy:    "must be at \"\"",
	halfway:   "or content that a step erases",
	"lost":    "of a writer",
	shy:       "and must make 1",
}

// The check finds nothing without sabotage, and every sabotage.
func TestCheck(t *testing.T) {
	for _, name := range append([]string{""}, sabotages()...) {
		t.Run("sabotage="+name, func(t *testing.T) {
			t.Setenv("TMPDIR", t.TempDir())
			o := options{Common: ordeal.Common{Seed: 1, Sabotage: name}, tickets: 200, writers: 3, think: 2 * time.Millisecond, alone: 500 * time.Millisecond, kills: 3, pause: 100 * time.Millisecond, rows: 600}
			if name != "" {
				o.rows = 0
			}
			r, err := endure(t.Context(), ordeal.Backends[0], o)
			require.NoError(t, err)
			require.Positive(t, r.killed)
			switch name {
			case "":
				require.True(t, r.Good(), "%+v", r)
				require.Equal(t, [2]int{1080, 1080}, r.pruned)
				require.Greater(t, r.parts, 2, "the steps of a ticket with the tag have parts")
			case slow:
				require.True(t, r.Good(), "%+v", r)
				require.Greater(t, r.times[phaseRetain].worst, 100*time.Millisecond)
				require.Greater(t, r.ratio(phaseRetain), 2.0)
			default:
				require.False(t, r.Good(), "%+v", r)
				require.Contains(t, strings.Join(r.Found, "\n"), finds[name])
			}
		})
	}
}
