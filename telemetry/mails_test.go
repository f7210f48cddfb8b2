package telemetry_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/telemetry"
	"github.com/ticketkit/ticket/tickettest"
)

func TestObserveMails(t *testing.T) {
	reader := sdkmetric.NewManualReader()
	observe, err := telemetry.ObserveMails(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)))
	require.NoError(t, err)
	m := ticket.Mail{Mailbox: "support", Arrived: tickettest.Start, State: ticket.MailPending, From: "ada@example.org"}
	observe(t.Context(), m)
	observe(t.Context(), m)
	m.State, m.Settled = ticket.MailDone, m.Arrived.Add(3*time.Second)
	observe(t.Context(), m)
	m.State, m.Settled = ticket.MailHeld, m.Arrived.Add(-time.Second) // the clock was set back
	observe(t.Context(), m)

	var got metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(t.Context(), &got))
	require.Len(t, got.ScopeMetrics, 1)
	counts, delays := map[string]int64{}, map[string]float64{}
	for _, metric := range got.ScopeMetrics[0].Metrics {
		require.NotEmpty(t, metric.Description)
		switch data := metric.Data.(type) {
		case metricdata.Sum[int64]:
			for _, p := range data.DataPoints {
				counts[metric.Name+" "+text(p.Attributes)] = p.Value
			}
		case metricdata.Histogram[float64]:
			require.Equal(t, "s", metric.Unit)
			for _, p := range data.DataPoints {
				delays[text(p.Attributes)] = p.Sum
			}
		}
	}
	require.Equal(t, map[string]int64{
		"ticket.mail.received support": 2, "ticket.mail.settled support done": 1, "ticket.mail.settled support held": 1,
	}, counts)
	require.Equal(t, map[string]float64{"support done": 3, "support held": 0}, delays)

	_, err = telemetry.ObserveMails(refusing{})
	require.ErrorContains(t, err, "no counters")
	observe, err = telemetry.ObserveMails(nil)
	require.NoError(t, err)
	observe(t.Context(), m)
}
