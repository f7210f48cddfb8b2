package report_test

import (
	"iter"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/report"
)

// generated yields the histories of n tickets of a year, without keeping them: each has 3 to
// 12 events, and the last ones of some are after the period.
func generated(n int) iter.Seq2[[]ticket.Event, error] {
	return func(yield func([]ticket.Event, error) bool) {
		random := rand.New(rand.NewPCG(1, 1))
		queues := []string{"", "billing", "network", "printers", "mail"}
		start := march.To.AddDate(-1, 0, 0)
		statuses := []ticket.Status{ticket.StatusQueued, ticket.StatusOpen, ticket.StatusWaiting, ticket.StatusOnHold, ticket.StatusOpen}
		history := make([]ticket.Event, 0, 12)
		for i := range n {
			id := ticket.ID{11: byte(i >> 24), 12: byte(i >> 16), 13: byte(i >> 8), 14: byte(i)}
			at := start.Add(time.Duration(i) * (365 * 24 * time.Hour / time.Duration(n)))
			history = history[:0]
			add := func(status ticket.Status, phase ticket.Phase, level int) *ticket.Event {
				history = append(history, ticket.Event{Ticket: id, Seq: int64(len(history)) + 1, At: at, By: ticket.By{Role: ticket.RoleAgent, ID: "lin"},
					To: ticket.State{Status: status, Level: level}, Phase: phase})
				at = at.Add(time.Duration(random.ExpFloat64() * float64(9*time.Hour)))
				return &history[len(history)-1]
			}
			add(ticket.StatusNew, ticket.PhaseReceived, 1).Set.Queue = &queues[i%len(queues)]
			level := 1
			for range 1 + random.IntN(9) {
				status, phase := statuses[random.IntN(len(statuses))], ticket.PhaseInProgress
				if status == ticket.StatusWaiting {
					phase = ticket.PhaseYourTurn
				}
				if random.IntN(5) == 0 {
					level = 1 + random.IntN(3)
				}
				e := add(status, phase, level)
				e.Answer = random.IntN(3) == 0
			}
			add(ticket.StatusResolved, ticket.PhaseSolved, level).Answer = true
			if i%15 != 0 {
				add(ticket.StatusClosed, ticket.PhaseClosed, level)
			}
			if !yield(history, nil) {
				return
			}
		}
	}
}

func BenchmarkReport(b *testing.B) {
	for name, cfg := range map[string]report.Config{"wall": march, "and business hours": full()} {
		b.Run(name, func(b *testing.B) {
			r, err := report.New(cfg)
			require.NoError(b, err)
			events := 0
			b.ReportAllocs()
			b.ResetTimer()
			for h, err := range generated(b.N) {
				require.NoError(b, err)
				events += len(h)
				require.NoError(b, r.Add(h))
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "histories/s")
			b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// A million tickets take no more memory than a thousand. REPORT_TICKETS sets another
// number.
func TestMemoryIsFlat(t *testing.T) {
	n := 50_000
	if s := os.Getenv("REPORT_TICKETS"); s != "" {
		var err error
		n, err = strconv.Atoi(s)
		require.NoError(t, err)
	}
	cfg := full()
	cfg.From = cfg.To.AddDate(-1, 0, 0)
	use := func(n int) (heap uint64) {
		r, err := report.New(cfg)
		require.NoError(t, err)
		began := time.Now()
		require.NoError(t, r.Run(t.Context(), generated(n)))
		took := time.Since(began)
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		data, err := r.Checkpoint()
		require.NoError(t, err)
		t.Logf("%d tickets: %v, %.0f histories/s, heap %d KiB, checkpoint %d KiB", n, took.Round(time.Millisecond), float64(n)/took.Seconds(), m.HeapAlloc>>10, len(data)>>10)
		return m.HeapAlloc
	}
	small, large := use(20_000), use(n)
	require.Less(t, large, small+small/2+1<<20)
}
