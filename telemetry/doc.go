// Package telemetry measures how notifications are delivered, by OpenTelemetry's
// API (https://opentelemetry.io): a span for each attempt of a notifier, and
// metrics of what became of deliveries.
//
//	observe, err := telemetry.Observe(meters)
//	desk, err := ticket.NewDesk(store, ticket.Config{
//		Notifiers: map[string]ticket.Notifier{"mail": telemetry.Wrap(tracers, "mail", mailer)},
//		Relay:     ticket.Relay{Observe: observe},
//	})
//
// # Spans
//
// The span "notify mail" is of one attempt of the notifier of that name. It is an
// error with error.type where the attempt failed, and that has no more than a
// class: what a notifier says of its failures can hold an address. Nothing
// personal is in a span.
//
//	ticket.notification.via      the notifier's name
//	ticket.notification.kind     such as "received"
//	ticket.notification.attempt  1, 2, 3 …
//	ticket.delivery.id           the same at every attempt
//	ticket.id                    the ticket's ID
//	error.type                   "timeout", "canceled", "panic", what the error's method ErrorType
//	                             says, or the error's type in Go, such as "*net.OpError"
//
// # Metrics
//
//	ticket.notification.attempts  counter, {attempt}   by via, kind and outcome
//	ticket.notification.delay     histogram, s         from the commit until it was sent; by via and kind
//	ticket.notification.failures  histogram, {failure} attempts that failed before a delivery came to
//	                                                   its end; by via, kind and outcome
//
// The outcome, ticket.notification.outcome, is "done", "again", "give_up",
// "bounce_back" or "suppress"; see [ticket.Outcome].
//
// # Caveats
//
//   - An attempt is no part of the trace that the ticket was changed in: it comes
//     later, and mostly in another process. The ID of the delivery and of the
//     ticket tie them together.
//   - The metrics count what a process saw. An attempt that a crash cut short is
//     in none of them; the attempt's number in the next span tells.
package telemetry
