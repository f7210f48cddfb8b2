package telemetry

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/ticketkit/ticket"
)

const scope = "github.com/ticketkit/ticket/telemetry"

// The attributes.
const (
	keyVia      = attribute.Key("ticket.notification.via")
	keyKind     = attribute.Key("ticket.notification.kind")
	keyAttempt  = attribute.Key("ticket.notification.attempt")
	keyOutcome  = attribute.Key("ticket.notification.outcome")
	keyDelivery = attribute.Key("ticket.delivery.id")
	keyTicket   = attribute.Key("ticket.id")
	keyError    = attribute.Key("error.type")
)

// Wrap returns a notifier that makes a span for each attempt of n, and passes on
// the span's context, so that what n does comes below it. via is the name that
// it has in the desk's configuration. The result is a [ticket.NotifierChecker] and
// a [ticket.LimitedNotifier] that asks n if n is one. A nil provider is the global one.
func Wrap(p trace.TracerProvider, via string, n ticket.Notifier) ticket.Notifier {
	if p == nil {
		p = otel.GetTracerProvider()
	}
	return &traced{next: n, tracer: p.Tracer(scope), via: via}
}

type traced struct {
	next   ticket.Notifier
	tracer trace.Tracer
	via    string
}

// Check implements [ticket.NotifierChecker].
func (t *traced) Check(kinds []ticket.Kind, statusLink string) error {
	if c, ok := t.next.(ticket.NotifierChecker); ok {
		return c.Check(kinds, statusLink)
	}
	return nil
}

// Limits implements [ticket.LimitedNotifier].
func (t *traced) Limits() (concurrency int, timeout time.Duration) {
	if n, ok := t.next.(ticket.LimitedNotifier); ok {
		return n.Limits()
	}
	return 0, 0
}

// Notify implements [ticket.Notifier].
func (t *traced) Notify(ctx context.Context, n ticket.Notification) error {
	ctx, span := t.tracer.Start(ctx, "notify "+t.via, trace.WithSpanKind(trace.SpanKindProducer), trace.WithAttributes(
		keyVia.String(t.via), keyKind.String(string(n.Kind)), keyAttempt.Int(n.Attempt),
		keyDelivery.String(n.ID.String()), keyTicket.String(n.Ticket.String()),
	))
	class := "panic" // until the call returns
	defer func() {
		if class != "" {
			span.SetAttributes(keyError.String(class))
			span.SetStatus(codes.Error, class)
		}
		span.End()
	}()
	err := t.next.Notify(ctx, n)
	class = classOf(err)
	return err
}

// classOf says of what class an error is, and nothing of what it says; "" for
// none.
func classOf(err error) string {
	typed, ok := errors.AsType[interface {
		error
		ErrorType() string
	}](err)
	switch {
	case err == nil:
		return ""
	case ok && typed.ErrorType() != "":
		return typed.ErrorType()
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	case errors.Is(err, context.Canceled):
		return "canceled"
	}
	for {
		inner := errors.Unwrap(err)
		if inner == nil || !wrappers[reflect.TypeOf(err)] {
			return reflect.TypeOf(err).String()
		}
		err = inner
	}
}

// wrappers are the types of errors that say nothing by themselves.
var wrappers = map[reflect.Type]bool{
	reflect.TypeOf(fmt.Errorf("%w", context.Canceled)): true,
	reflect.TypeFor[*ticket.DeliveryFault]():           true,
}
