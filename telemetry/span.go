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
	keyNotifier = attribute.Key("ticket.notification.via")
	keyKind     = attribute.Key("ticket.notification.kind")
	keyAttempt  = attribute.Key("ticket.notification.attempt")
	keyOutcome  = attribute.Key("ticket.notification.outcome")
	keyDelivery = attribute.Key("ticket.delivery.id")
	keyTicket   = attribute.Key("ticket.id")
	keyError    = attribute.Key("error.type")
)

// Wrap returns a notifier that records a span for each attempt of n. It passes the
// span's context to n, so that spans of n are its children. name is the name of n in
// the desk's configuration. The result is a [ticket.NotifierChecker] and a
// [ticket.LimitedNotifier] that call n if n is one. A nil provider is the global
// one.
func Wrap(p trace.TracerProvider, name string, n ticket.Notifier) ticket.Notifier {
	if p == nil {
		p = otel.GetTracerProvider()
	}
	return &traced{next: n, tracer: p.Tracer(scope), name: name}
}

type traced struct {
	next   ticket.Notifier
	tracer trace.Tracer
	name   string
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
	ctx, span := t.tracer.Start(ctx, "notify "+t.name, trace.WithSpanKind(trace.SpanKindProducer), trace.WithAttributes(
		keyNotifier.String(t.name), keyKind.String(string(n.Kind)), keyAttempt.Int(n.Attempt),
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

// classOf returns the class of an error without any of its text. It returns "" for
// no error.
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

// wrappers lists the types of errors that only wrap another error.
var wrappers = map[reflect.Type]bool{
	reflect.TypeOf(fmt.Errorf("%w", context.Canceled)): true,
	reflect.TypeFor[*ticket.DeliveryFault]():           true,
}
