package eventlog_test

import (
	"context"
	"encoding/binary"
	"io"
	"iter"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/eventlog"
)

// generated yields the histories of n tickets with eight events each, without keeping them.
func generated(n int) iter.Seq2[[]ticket.Event, error] {
	return func(yield func([]ticket.Event, error) bool) {
		queue := "network"
		history := make([]ticket.Event, 8)
		at := time.Date(2026, 1, 5, 9, 0, 0, 123456000, time.UTC)
		for i := range n {
			var id ticket.ID
			binary.BigEndian.PutUint64(id[8:], uint64(i)+1)
			for k := range history {
				history[k] = ticket.Event{Ticket: id, Seq: int64(k) + 1, At: at.Add(time.Duration(i+k) * time.Minute), Action: ticket.ActionNote,
					By: ticket.By{Role: ticket.RoleAgent, ID: "lin"}, To: ticket.State{Status: ticket.StatusOpen, Level: 1 + k%3}, Phase: ticket.PhaseInProgress}
			}
			history[0].Set.Queue = &queue
			if !yield(history, nil) {
				return
			}
		}
	}
}

func BenchmarkWrite(b *testing.B) {
	for name, write := range map[string]func(context.Context, io.Writer, iter.Seq2[[]ticket.Event, error], eventlog.Config) (eventlog.Counts, error){
		"XES": eventlog.WriteXES, "OCEL": eventlog.WriteOCEL,
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			n, err := write(b.Context(), io.Discard, generated(b.N), eventlog.Config{})
			require.NoError(b, err)
			require.Equal(b, b.N, n.Tickets)
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "histories/s")
		})
	}
}
