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

// The check finds nothing without sabotage, and every sabotage.
func TestCheck(t *testing.T) {
	for _, c := range []struct {
		sabotage string
		count    func(r *report) int // where it must show
	}{
		{"", func(r *report) int { return min(r.repeats, r.followed, r.refused) }},
		{"hasty", func(r *report) int { return r.lost }},
		{"unordered", func(r *report) int { return r.disorder }},
		{"renamed,stuck", func(r *report) int { return min(r.unknown, r.lost, r.stuck) }},
		{"impatient,touchy", func(r *report) int { return min(r.doubled, r.barred, r.wrong) }},
		{"weary,unleased", func(r *report) int { return min(r.wrong, r.together) }},
		{"reworded,silent," + missing, func(r *report) int { return min(r.reworded, r.wrong, r.lost) }},
	} {
		t.Run("sabotage="+c.sabotage, func(t *testing.T) {
			t.Setenv("TMPDIR", t.TempDir())
			o := options{Common: ordeal.Common{Seed: 1, Sabotage: c.sabotage}, tickets: 50, relays: 2, writers: 1, pause: 500 * time.Millisecond, outage: 2 * time.Minute,
				longest: time.Minute, patience: time.Minute}
			if strings.Contains(c.sabotage, "stuck") || strings.Contains(c.sabotage, "unleased") { // there is no end
				o.longest, o.patience = 10*time.Second, time.Second
			}
			r, err := endure(t.Context(), ordeal.Backends[0], o)
			require.NoError(t, err)
			require.Equal(t, c.sabotage == "", r.Good(), "%+v", r)
			require.Positive(t, c.count(r), "%+v", r)
			require.Positive(t, r.killedRelays)
		})
	}
}
