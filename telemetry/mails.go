package telemetry

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/ticketkit/ticket"
)

// The attributes of mails.
const (
	keyMailbox   = attribute.Key("ticket.mail.mailbox")
	keyMailState = attribute.Key("ticket.mail.state")
)

// ObserveMails returns a function for Config.Observe of module mailbox that counts mails that
// arrive. A nil provider is the global one. It returns an error if the provider refuses an
// instrument.
//
//	ticket.mail.received  counter, {mail}  mails that were stored; by mailbox
//	ticket.mail.settled   counter, {mail}  by mailbox and state: "done", "repeated", "ignored", "held"
//	ticket.mail.delay     histogram, s     from the arrival until it was settled; by mailbox and state
//
// A mail that is taken again after it was held is settled twice. Intake.Counts has the exact
// numbers of the store.
func ObserveMails(p metric.MeterProvider) (func(context.Context, ticket.Mail), error) {
	if p == nil {
		p = otel.GetMeterProvider()
	}
	meter := p.Meter(scope)
	received, err1 := meter.Int64Counter("ticket.mail.received", metric.WithUnit("{mail}"),
		metric.WithDescription("Mails that arrived and were stored."))
	settled, err2 := meter.Int64Counter("ticket.mail.settled", metric.WithUnit("{mail}"),
		metric.WithDescription("Mails that were settled, by what became of them."))
	delay, err3 := meter.Float64Histogram("ticket.mail.delay", metric.WithUnit("s"),
		metric.WithDescription("Time from the arrival of a mail until it was settled."),
		metric.WithExplicitBucketBoundaries(.01, .05, .1, .5, 1, 5, 10, 60, 300, 900, 3600, 14400, 86400))
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, err
	}
	return func(ctx context.Context, m ticket.Mail) {
		mailbox := keyMailbox.String(m.Mailbox)
		if m.State == ticket.MailPending {
			received.Add(ctx, 1, metric.WithAttributes(mailbox))
			return
		}
		both := metric.WithAttributes(mailbox, keyMailState.String(string(m.State)))
		settled.Add(ctx, 1, both)
		delay.Record(ctx, max(m.Settled.Sub(m.Arrived), 0).Seconds(), both)
	}, nil
}
