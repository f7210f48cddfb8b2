package main

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket/internal/dbtests/ordeal"
)

func TestMain(m *testing.M) {
	ordeal.BeChild(taskVariable, writer) // a writer is another run of this program
	os.Exit(m.Run())
}

// The check finds nothing in an intact database, and every damage.
func TestCheck(t *testing.T) {
	for _, c := range []struct {
		sabotage string
		count    func(r *report) int // where it must show
	}{
		{"", func(r *report) int { return r.acknowledged }},
		{"event", func(r *report) int { return min(r.lost, r.torn) }},
		{"delivery", func(r *report) int { return r.torn }},
		{"ticket", func(r *report) int { return r.torn }},
		{"receipt", func(r *report) int { return r.torn }},
		{"label", func(r *report) int { return r.torn }},
		{"twice", func(r *report) int { return min(r.doubled, r.torn) }},
		{"journal", func(r *report) int { return r.lost }},
		{"number", func(r *report) int { return r.doubledNumbers }},
	} {
		t.Run("sabotage="+c.sabotage, func(t *testing.T) {
			t.Setenv("TMPDIR", t.TempDir())
			o := options{Common: ordeal.Common{Seed: 1, Sabotage: c.sabotage}, length: time.Second, writers: 3, callers: 2, tickets: 6, pause: 300 * time.Millisecond}
			r, err := crash(t.Context(), backends[1], o)
			for errors.Is(err, errNothing) && o.length < time.Minute { // a slow machine
				o.length, o.pause = 4*o.length, 4*o.pause
				r, err = crash(t.Context(), backends[1], o)
			}
			require.NoError(t, err)
			require.Equal(t, c.sabotage == "", r.Good(), "%+v", r)
			require.Positive(t, c.count(r), "%+v", r)
			require.Positive(t, r.killedWriters)
		})
	}
}
