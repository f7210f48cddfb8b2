package telemetry_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/memstore"
	"github.com/ticketkit/ticket/telemetry"
	"github.com/ticketkit/ticket/tickettest"
)

// statusError is an error that reports its class.
type statusError struct{ class string }

func (e *statusError) Error() string     { return "ada@example.org: mailbox full" }
func (e *statusError) ErrorType() string { return e.class }

// mustID parses an ID and panics if it is invalid.
func mustID(s string) ticket.ID {
	id, err := ticket.ParseID(s)
	if err != nil {
		panic(err)
	}
	return id
}

var sample = ticket.Notification{
	ID: mustID("01KE5Z6ZG0000000000000000G"), Ticket: mustID("01KE5Z6ZG0000000000000000F"),
	Kind: ticket.KindReceived, Attempt: 2, Number: "7Q4K-92MX-F", Tenant: "north", Subject: "Printer",
	To: ticket.Recipient{Role: ticket.RoleRequester, Person: ticket.Person{Name: "Ada Byron", Email: "ada@example.org"}},
}

func TestSpans(t *testing.T) {
	for name, tc := range map[string]struct {
		err   error
		panic bool
		class string
	}{
		"delivered":         {},
		"any error":         {err: errors.New("ada@example.org: no"), class: "*errors.errorString"},
		"a wrapped one":     {err: fmt.Errorf("x: %w", fmt.Errorf("y: %w", &net.OpError{Op: "dial"})), class: "*net.OpError"},
		"a marked one":      {err: &ticket.DeliveryFault{Err: fmt.Errorf("x: %w", &net.AddrError{Err: "x"}), Permanent: true}, class: "*net.AddrError"},
		"one with its time": {err: &ticket.DeliveryFault{Err: &ticket.DeliveryFault{Err: &net.AddrError{Err: "x"}, Bounced: true}, RetryAfter: time.Hour}, class: "*net.AddrError"},
		"one with a class":  {err: &ticket.DeliveryFault{Err: fmt.Errorf("x: %w", &statusError{"550"}), Bounced: true}, class: "550"},
		"an empty class":    {err: &statusError{}, class: "*telemetry_test.statusError"},
		"several":           {err: errors.Join(errors.New("a"), errors.New("b")), class: "*errors.joinError"},
		"too late":          {err: fmt.Errorf("x: %w", context.DeadlineExceeded), class: "timeout"},
		"stopped":           {err: context.Canceled, class: "canceled"},
		"panic":             {panic: true, class: "panic"},
	} {
		t.Run(name, func(t *testing.T) {
			spans := tracetest.NewInMemoryExporter()
			p := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))
			var inside trace.SpanContext
			n := telemetry.Wrap(p, "mail", ticket.NotifierFunc(func(ctx context.Context, n ticket.Notification) error {
				inside = trace.SpanContextFromContext(ctx)
				require.Equal(t, sample, n)
				if tc.panic {
					panic("ada@example.org")
				}
				return tc.err
			}))
			if tc.panic {
				require.PanicsWithValue(t, "ada@example.org", func() { _ = n.Notify(t.Context(), sample) }, "it is the relay's to catch")
			} else {
				require.Equal(t, tc.err, n.Notify(t.Context(), sample), "with its marks")
			}
			got := spans.GetSpans()
			require.Len(t, got, 1)
			s := got[0]
			require.Equal(t, "notify mail", s.Name)
			require.Equal(t, trace.SpanKindProducer, s.SpanKind)
			require.Equal(t, inside.SpanID(), s.SpanContext.SpanID())
			require.False(t, s.EndTime.IsZero())
			want := []attribute.KeyValue{
				attribute.String("ticket.notification.via", "mail"),
				attribute.String("ticket.notification.kind", "received"),
				attribute.Int("ticket.notification.attempt", 2),
				attribute.String("ticket.delivery.id", "01KE5Z6ZG0000000000000000G"),
				attribute.String("ticket.id", "01KE5Z6ZG0000000000000000F"),
			}
			status := sdktrace.Status{}
			if tc.class != "" {
				want = append(want, attribute.String("error.type", tc.class))
				status = sdktrace.Status{Code: codes.Error, Description: tc.class}
			}
			require.ElementsMatch(t, want, s.Attributes)
			require.Equal(t, status, s.Status)
			require.NotContains(t, fmt.Sprintf("%+v", s), "ada@", "nothing personal")
		})
	}
}

// checker is a notifier whose Check always fails.
type checker struct{ ticket.Notifier }

func (checker) Check(kinds []ticket.Kind, statusLink string) error {
	return fmt.Errorf("no words for %q, and not with %q", kinds, statusLink)
}

func TestChecker(t *testing.T) {
	with := telemetry.Wrap(nil, "mail", checker{}).(ticket.NotifierChecker)
	require.EqualError(t, with.Check([]ticket.Kind{ticket.KindReceived}, "https://x"), `no words for ["received"], and not with "https://x"`)
	without := telemetry.Wrap(nil, "mail", tickettest.NewRecorder()).(ticket.NotifierChecker)
	require.NoError(t, without.Check([]ticket.Kind{ticket.KindReceived}, "no link"))
}

// The metrics show the deliveries of a desk.
func TestMetrics(t *testing.T) {
	reader := sdkmetric.NewManualReader()
	observe, err := telemetry.Observe(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)))
	require.NoError(t, err)

	clock, sent := tickettest.NewClock(), tickettest.NewRecorder()
	cfg := tickettest.Config(clock, nil)
	cfg.Notifiers = map[string]ticket.Notifier{"mail": telemetry.Wrap(nil, "mail", sent)}
	cfg.Relay.Observe = observe
	desk, err := ticket.NewDesk(memstore.New(), cfg)
	require.NoError(t, err)
	deliver := func(fail func(ticket.Notification) error) {
		t.Helper()
		sent.FailWith(fail)
		_, err := desk.Deliver(t.Context())
		require.NoError(t, err)
	}
	ada := ticket.Requester(ticket.Person{Email: "ada@example.org"})
	lin := ticket.Agent("lin", 1)
	tk, err := desk.Open(t.Context(), lin, ticket.Draft{Requester: ada.Person, Subject: "Printer", Solution: "fixed"})
	require.NoError(t, err)

	deliver(func(ticket.Notification) error { return errors.New("down") })
	clock.Advance(time.Hour)
	deliver(nil)
	_, err = desk.Do(t.Context(), lin, tk.ID, ticket.Action{Name: ticket.ActionReopen, Note: "not yet"})
	require.NoError(t, err)
	deliver(func(n ticket.Notification) error {
		return &ticket.DeliveryFault{Err: errors.New("no"), Permanent: true}
	})

	var got metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(t.Context(), &got))
	require.Len(t, got.ScopeMetrics, 1)
	found := map[string]bool{}
	for _, m := range got.ScopeMetrics[0].Metrics {
		found[m.Name] = true
		require.NotEmpty(t, m.Description)
		switch m.Name {
		case "ticket.notification.attempts":
			require.Equal(t, "{attempt}", m.Unit)
			sum := m.Data.(metricdata.Sum[int64])
			require.True(t, sum.IsMonotonic)
			counts := map[string]int64{}
			for _, p := range sum.DataPoints {
				counts[text(p.Attributes)] = p.Value
			}
			require.Equal(t, map[string]int64{
				"received again mail": 1, "received done mail": 1, "solved done mail": 1,
				"reopened give_up mail": 1, "queued give_up mail": 1,
			}, counts)
		case "ticket.notification.delay":
			require.Equal(t, "s", m.Unit)
			for _, p := range m.Data.(metricdata.Histogram[float64]).DataPoints {
				require.EqualValues(t, 1, p.Count)
				require.InDelta(t, 3600, p.Sum, 0.001, text(p.Attributes))
			}
		case "ticket.notification.failures":
			require.Equal(t, "{failure}", m.Unit)
			sums := map[string]int64{}
			for _, p := range m.Data.(metricdata.Histogram[int64]).DataPoints {
				sums[text(p.Attributes)] = p.Sum
			}
			require.Equal(t, map[string]int64{"received done mail": 1, "solved done mail": 0, "reopened give_up mail": 1, "queued give_up mail": 1}, sums)
		}
	}
	require.Len(t, found, 3)
}

// text returns the attributes' values without their names.
func text(s attribute.Set) string {
	out := ""
	for _, kv := range s.ToSlice() { // sorted by name: kind, outcome, via
		out += " " + kv.Value.AsString()
	}
	return out[1:]
}

// A delay is not negative after the clock was set back.
func TestClockSetBack(t *testing.T) {
	reader := sdkmetric.NewManualReader()
	observe, err := telemetry.Observe(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)))
	require.NoError(t, err)
	now := tickettest.Start
	observe(t.Context(), ticket.Delivery{Created: now}, ticket.Settlement{State: ticket.DeliverySent, At: now.Add(-time.Hour)})
	var got metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(t.Context(), &got))
	for _, m := range got.ScopeMetrics[0].Metrics {
		if h, ok := m.Data.(metricdata.Histogram[float64]); ok {
			require.Zero(t, h.DataPoints[0].Sum)
		}
	}
}

// refusing refuses all instruments.
type refusing struct{ noop.MeterProvider }

func (refusing) Meter(string, ...metric.MeterOption) metric.Meter { return refusingMeter{} }

type refusingMeter struct{ noop.Meter }

func (refusingMeter) Int64Counter(string, ...metric.Int64CounterOption) (metric.Int64Counter, error) {
	return nil, errors.New("no counters")
}

func TestObserveRefused(t *testing.T) {
	_, err := telemetry.Observe(refusing{})
	require.EqualError(t, err, "no counters")
	observe, err := telemetry.Observe(nil) // the global provider, which does nothing unless it is set
	require.NoError(t, err)
	observe(t.Context(), ticket.Delivery{}, ticket.Settlement{})
}

func TestWrapPassesOnLimits(t *testing.T) {
	concurrency, timeout := telemetry.Wrap(nil, "mail", tickettest.NewRecorder()).(ticket.LimitedNotifier).Limits()
	require.Zero(t, concurrency)
	require.Zero(t, timeout)
	concurrency, timeout = telemetry.Wrap(nil, "mail", limited{}).(ticket.LimitedNotifier).Limits()
	require.Equal(t, 3, concurrency)
	require.Equal(t, time.Hour, timeout)
}

type limited struct{ ticket.Notifier }

func (limited) Limits() (concurrency int, timeout time.Duration) { return 3, time.Hour }
