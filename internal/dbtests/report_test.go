package dbtests_test

import (
	"bytes"
	"iter"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/internal/dbtests/cputime"
	"github.com/ticketkit/ticket/report"
)

// reportOn returns the report of the years of the test histories.
func reportOn(tb testing.TB, histories iter.Seq2[[]ticket.Event, error]) *report.Report {
	tb.Helper()
	from, to := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2029, 1, 1, 0, 0, 0, 0, time.UTC)
	r, err := report.New(report.Config{From: from, To: to, Now: to, AllTenants: true})
	require.NoError(tb, err)
	require.NoError(tb, r.Run(tb.Context(), histories))
	return r
}

// The histories that a database exports give the same report as those that were imported.
func TestReportOfAStore(t *testing.T) {
	t.Parallel()
	each(t, backends, func(t *testing.T, b backend) {
		s, _ := b.open(t)
		list := histories(300)
		_, err := s.Import(t.Context(), all(list))
		require.NoError(t, err)
		var want, got bytes.Buffer
		require.NoError(t, reportOn(t, all(list)).WriteJSON(&want))
		require.NoError(t, reportOn(t, s.Export(t.Context(), ticket.ID{})).WriteJSON(&got))
		require.Equal(t, want.String(), got.String())
		flow, ok := reportOn(t, all(list)).Table("flow by month")
		require.True(t, ok)
		opened := 0.0
		for _, row := range flow.Rows {
			n, _ := row[flow.Column("opened")].Float()
			opened += n
		}
		require.InDelta(t, 300, opened, 0)
	})
}

// BenchmarkReport reads the histories of b.N tickets from a database and makes a report of
// them. To measure a hundred thousand, pass -benchtime 100000x.
func BenchmarkReport(b *testing.B) {
	for _, be := range backends {
		b.Run(be.name, func(b *testing.B) {
			s, _ := be.open(b)
			_, err := s.Import(b.Context(), func(yield func([]ticket.Event, error) bool) {
				for i := range b.N {
					if !yield(history(i, 8), nil) {
						return
					}
				}
			})
			require.NoError(b, err)
			b.ResetTimer()
			cpu := cputime.Self()
			reportOn(b, s.Export(b.Context(), ticket.ID{}))
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "histories/s")
			b.ReportMetric(float64(b.N)/(cputime.Self()-cpu).Seconds(), "histories/CPU-s")
		})
	}
}
