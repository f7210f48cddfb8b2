package main

import (
	"os"
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
		{"", func(r *report) int {
			return min(r.states["done"], r.states["repeated"], r.states["ignored"], r.states["held"])
		}},
		{"forgetful", func(r *report) int { return r.lost }},
		{"hasty", func(r *report) int { return r.wrong }},
		{"keyless", func(r *report) int { return r.wrong }},
		{"mistaken", func(r *report) int { return r.strange }},
		{"talkative", func(r *report) int { return r.torn + r.exposed + r.wrong }},
		{"leaky", func(r *report) int { return r.lost }},
	} {
		t.Run("sabotage="+c.sabotage, func(t *testing.T) {
			t.Setenv("TMPDIR", t.TempDir())
			o := options{Common: ordeal.Common{Seed: 1, Sabotage: c.sabotage}, mails: 120, takers: 2, pause: 700 * time.Millisecond,
				longest: time.Minute, patience: time.Minute}
			if c.sabotage != "" {
				o.patience = 15 * time.Second // mails may wait for ever
			}
			r, err := endure(t.Context(), ordeal.Backends[0], o)
			require.NoError(t, err)
			require.Equal(t, c.sabotage == "", r.Good(), "%+v", r)
			require.Positive(t, c.count(r), "%+v", r)
			require.Positive(t, r.killed)
		})
	}
}
