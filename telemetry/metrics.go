package telemetry

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"

	"github.com/ticketkit/ticket"
)

// Observe returns a function for [ticket.Relay].Observe that counts attempts and
// measures how long deliveries took. A nil provider is the global one. It returns an
// error if the provider refuses an instrument.
func Observe(p metric.MeterProvider) (func(context.Context, ticket.Delivery, ticket.Settlement), error) {
	if p == nil {
		p = otel.GetMeterProvider()
	}
	meter := p.Meter(scope)
	attempts, err1 := meter.Int64Counter("ticket.notification.attempts", metric.WithUnit("{attempt}"),
		metric.WithDescription("Attempts to deliver a notification, by what became of it."))
	delay, err2 := meter.Float64Histogram("ticket.notification.delay", metric.WithUnit("s"),
		metric.WithDescription("Time from the commit of an event until the notification of it was sent."),
		// The buckets range from the delay of a relay that is woken to that of a
		// long outage.
		metric.WithExplicitBucketBoundaries(.001, .005, .01, .05, .1, .5, 1, 5, 10, 60, 300, 900, 3600, 14400, 86400, 259200))
	failures, err3 := meter.Int64Histogram("ticket.notification.failures", metric.WithUnit("{failure}"),
		metric.WithDescription("Attempts that failed before a delivery was sent or given up."),
		metric.WithExplicitBucketBoundaries(0, 1, 2, 3, 5, 10, 15, 20))
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, err
	}
	return func(ctx context.Context, d ticket.Delivery, s ticket.Settlement) {
		notifier, kind := keyNotifier.String(d.Notifier), keyKind.String(string(d.Kind))
		outcome := keyOutcome.String(outcomeOf(s.State))
		all := metric.WithAttributes(notifier, kind, outcome)
		attempts.Add(ctx, 1, all)
		if s.State.Settled() {
			failures.Record(ctx, int64(s.Failures), all)
		}
		if s.State == ticket.DeliverySent {
			delay.Record(ctx, max(s.At.Sub(d.Created), 0).Seconds(), metric.WithAttributes(notifier, kind))
		}
	}, nil
}

// outcomeOf names what became of an attempt. Dashboards depend on the words.
func outcomeOf(s ticket.DeliveryState) string {
	switch s {
	case ticket.DeliverySent:
		return "done"
	case ticket.DeliveryPending:
		return "again"
	case ticket.DeliveryDead:
		return "give_up"
	case ticket.DeliveryBounced:
		return "bounce_back"
	case ticket.DeliverySuppressed:
		return "suppress"
	}
	return "none"
}
