package main

import (
	"maps"
	"os"
	"slices"
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
	"ahead":     "written before its time",
	"blind":     "still waits for",
	"deaf":      "it is still snoozed",
	"forgetful": "acts again on",
	"generous":  "the history has another",
	"hasty":     "and it is reached at",
	"impatient": "starts a timer for %s, before",
	"insistent": "acts again on",
	"leaping":   "the ticket is at level %d, and was at",
	"mute":      "reminds nobody",
	"plain":     "does not have the tag",
	"restless":  "the clock is %s",
	"unlisted":  "and the store lists",
	"untold":    "does not tell",
}

// The check finds nothing without sabotage, and every sabotage.
func TestCheck(t *testing.T) {
	tried := 0
	for _, names := range []string{"", "insistent,deaf,mute", "forgetful,leaping,untold", "hasty,plain", "restless", "generous,impatient,ahead", "blind,unlisted"} {
		t.Run("sabotage="+names, func(t *testing.T) {
			t.Setenv("TMPDIR", t.TempDir())
			o := options{Common: ordeal.Common{Seed: 1, Sabotage: names}, length: 2 * time.Second, events: 300, firing: 3, callers: 3, tickets: 60, rate: 7200, pause: 600 * time.Millisecond,
				patience: time.Minute}
			if names != "" { // perhaps there is no end
				o.patience = 6 * time.Second
			}
			r, err := endure(t.Context(), ordeal.Backends[0], o)
			require.NoError(t, err)
			require.Positive(t, r.killed)
			require.Equal(t, names == "", r.Good(), "%+v", r)
			if names == "" {
				require.Positive(t, min(r.late, r.passed, r.told, r.woken), "%+v", r)
				return
			}
			for name := range strings.SplitSeq(names, ",") {
				tried++
				require.True(t, slices.ContainsFunc(slices.Collect(maps.Keys(r.kinds)), func(format string) bool { return strings.Contains(format, finds[name]) }),
					"%s: %v", name, r.kinds)
			}
		})
	}
	require.Len(t, sabotages(), tried)
	require.Len(t, finds, tried)
}
