package ticket_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/looplab/fsm"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/businesshours"
	"github.com/ticketkit/ticket/memstore"
	"github.com/ticketkit/ticket/sla"
)

func BenchmarkNewNumber(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		ticket.NewNumber()
	}
}

func BenchmarkParseNumber(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		_, _ = ticket.ParseNumber("7q4k 92mx f")
	}
}

func BenchmarkNewID(b *testing.B) {
	b.ReportAllocs()
	now := time.Now()
	for b.Loop() {
		ticket.NewID(now)
	}
}

func benchDesk(b *testing.B, change ...func(*ticket.Config)) *ticket.Desk {
	b.Helper()
	cfg := ticket.Config{Attempts: 1000, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))}
	for _, c := range change {
		c(&cfg)
	}
	d, err := ticket.NewDesk(memstore.New(), cfg)
	require.NoError(b, err)
	return d
}

func mustOpen(b *testing.B, d *ticket.Desk) ticket.Ticket {
	b.Helper()
	t, err := d.Open(b.Context(), ada, ticket.Draft{Subject: "Printer prints blank pages", Message: "Since this morning."})
	require.NoError(b, err)
	return t
}

// reply makes one event with a message and one delivery.
var reply = ticket.Action{Name: ticket.ActionReply, Message: "Please try another cartridge and tell us whether that helps."}

// BenchmarkMachine measures looplab/fsm alone, for comparison.
func BenchmarkMachine(b *testing.B) {
	ctx := context.WithoutCancel(b.Context()) // as the workflow fires it
	m := fsm.NewFSM("open", fsm.Events{{Name: "ask", Src: []string{"open"}, Dst: "waiting"}}, nil)
	b.ReportAllocs()
	for b.Loop() {
		m.SetState("open")
		if err := m.Event(ctx, "ask"); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDecide measures the decision alone, without reads and writes.
func BenchmarkDecide(b *testing.B) {
	d := benchDesk(b)
	t := mustOpen(b, d)
	w, err := d.Workflow(t)
	require.NoError(b, err)
	now := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := w.Decide(ticket.Decision{Ticket: t, Actor: lin, Action: reply, Now: now}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDo measures a complete Do: read, decide, seal, and commit with the outbox
// row. It goes through the tickets in turn.
func BenchmarkDo(b *testing.B) {
	for _, tickets := range []int{100, 10_000, 100_000} {
		b.Run(fmt.Sprintf("tickets=%d", tickets), func(b *testing.B) {
			d := benchDesk(b)
			ids := make([]ticket.ID, tickets)
			for i := range ids {
				ids[i] = mustOpen(b, d).ID
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if _, err := d.Do(b.Context(), lin, ids[i%tickets], reply); err != nil {
					b.Fatal(err)
				}
				i++
			}
		})
	}
}

// BenchmarkDoServiceLevels measures the same with a policy of four targets, and without, in
// turn. The replies of an agent and of a customer change three clocks at most.
func BenchmarkDoServiceLevels(b *testing.B) {
	target := func(m sla.Metric, within time.Duration) sla.Target {
		return sla.Target{
			Metric: m, Within: within, Calendar: "office", Pause: []sla.Pause{{Status: ticket.StatusOnHold}},
			Thresholds: []sla.Threshold{{Share: 75, Do: []sla.Reaction{{Tell: sla.AudienceQueue}}}, {Share: 100, Do: []sla.Reaction{{Escalate: true}}}},
		}
	}
	levels := sla.Spec{
		Name: "bench", Version: 1,
		Calendars: []businesshours.Spec{{Name: "office", Hours: businesshours.Hours{Zone: "Europe/Berlin", Week: businesshours.MondayToFriday("09:00-17:00")}}},
		Policies: []sla.Policy{{Name: "all", Targets: []sla.Target{
			target(sla.MetricFirstAnswer, 2*time.Hour), target(sla.MetricNextAnswer, 4*time.Hour), target(sla.MetricUpdate, 16*time.Hour), target(sla.MetricSolution, 80*time.Hour),
		}}},
	}.MustCompile()
	const tickets = 10_000
	for _, with := range []bool{false, true} {
		b.Run(fmt.Sprintf("policy=%v", with), func(b *testing.B) {
			d := benchDesk(b, func(c *ticket.Config) {
				if with {
					c.ServiceLevels = levels
				}
			})
			ids := make([]ticket.ID, tickets)
			for i := range ids {
				ids[i] = mustOpen(b, d).ID
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				a := lin
				if i/tickets%2 == 1 {
					a = ada
				}
				if _, err := d.Do(b.Context(), a, ids[i%tickets], reply); err != nil {
					b.Fatal(err)
				}
				i++
			}
		})
	}
}

// BenchmarkDoHistory measures Do on one ticket with a long history.
func BenchmarkDoHistory(b *testing.B) {
	for _, events := range []int{10, 1000, 100_000} {
		b.Run(fmt.Sprintf("events=%d", events), func(b *testing.B) {
			d := benchDesk(b)
			t := mustOpen(b, d)
			for range events {
				_, err := d.Do(b.Context(), lin, t.ID, reply)
				require.NoError(b, err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := d.Do(b.Context(), lin, t.ID, reply); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkDoParallel(b *testing.B) {
	d := benchDesk(b)
	ids := make([]ticket.ID, 10_000)
	for i := range ids {
		ids[i] = mustOpen(b, d).ID
	}
	var next atomic.Int64
	b.SetParallelism(8)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := d.Do(b.Context(), lin, ids[int(next.Add(1))%len(ids)], reply); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// BenchmarkDoKeyed measures Do with a chain key and an idempotency key, which costs
// one more read.
func BenchmarkDoKeyed(b *testing.B) {
	d := benchDesk(b, func(c *ticket.Config) { c.ChainKey = make([]byte, 32) })
	ids := make([]ticket.ID, 10_000)
	for i := range ids {
		ids[i] = mustOpen(b, d).ID
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		act := reply
		act.Key = fmt.Sprint(i)
		if _, err := d.Do(b.Context(), lin, ids[i%len(ids)], act); err != nil {
			b.Fatal(err)
		}
		i++
	}
}

func BenchmarkOpen(b *testing.B) {
	d := benchDesk(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.Open(b.Context(), ada, ticket.Draft{Subject: "Printer prints blank pages", Message: "Since this morning."}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkActions(b *testing.B) {
	d := benchDesk(b)
	t := mustOpen(b, d)
	b.ReportAllocs()
	for b.Loop() {
		d.Actions(lin, t)
	}
}

// BenchmarkVerify measures one event of a history of 1,000.
func BenchmarkVerify(b *testing.B) {
	d := benchDesk(b)
	t := mustOpen(b, d)
	for range 999 {
		_, err := d.Do(b.Context(), lin, t.ID, reply)
		require.NoError(b, err)
	}
	var events []ticket.Event
	for e, err := range d.History(b.Context(), lin, t.ID) {
		require.NoError(b, err)
		events = append(events, e)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for n := 0; n < b.N; n += len(events) {
		if err := (ticket.Chain{}).Verify(events[:min(len(events), b.N-n)]); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDeliver measures one delivery: claim, build the notification, call the
// notifier, settle.
func BenchmarkDeliver(b *testing.B) {
	null := ticket.NotifierFunc(func(context.Context, ticket.Notification) error { return nil })
	d := benchDesk(b, func(c *ticket.Config) {
		c.Notifiers = map[string]ticket.Notifier{"": null}
		c.SendLimits = ticket.SendLimits{PerRecipient: -1, PerTicket: -1} // one customer opens them all
	})
	for range (b.N + 1) / 2 { // an opening notifies the requester and the queue
		mustOpen(b, d)
	}
	b.ReportAllocs()
	b.ResetTimer()
	did, err := d.Deliver(b.Context())
	require.NoError(b, err)
	require.GreaterOrEqual(b, did.Done, b.N)
}
