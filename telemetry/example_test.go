package telemetry_test

import (
	"context"
	"fmt"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/memstore"
	"github.com/ticketkit/ticket/telemetry"
)

// The telemetry of this desk stays in memory. The providers of your application send
// it to a collector.
func Example() {
	ctx := context.Background()
	spans, reader := tracetest.NewInMemoryExporter(), sdkmetric.NewManualReader()
	tracers := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))
	meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))

	mailer := ticket.NotifierFunc(func(context.Context, ticket.Notification) error { return nil })
	observe, err := telemetry.Observe(meters)
	if err != nil {
		fmt.Println(err)
		return
	}
	desk, err := ticket.NewDesk(memstore.New(), ticket.Config{
		Notifiers: map[string]ticket.Notifier{"mail": telemetry.Wrap(tracers, "mail", mailer)},
		Relay:     ticket.Relay{Observe: observe},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = desk.Open(ctx, ticket.Agent("lin", 1), ticket.Draft{
		Requester: ticket.Person{Email: "ada@example.org"}, Subject: "Where is the scanner?", Solution: "Room 2.14",
	})
	if err == nil {
		_, err = desk.Deliver(ctx)
	}
	var all metricdata.ResourceMetrics
	if err == nil {
		err = reader.Collect(ctx, &all)
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, s := range spans.GetSpans() {
		fmt.Println(s.Name)
	}
	for _, m := range all.ScopeMetrics[0].Metrics {
		fmt.Println(m.Name, m.Unit)
	}
	// Output:
	// notify mail
	// notify mail
	// ticket.notification.attempts {attempt}
	// ticket.notification.delay s
	// ticket.notification.failures {failure}
}
