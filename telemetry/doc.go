// Package telemetry measures how notifications are delivered, with OpenTelemetry's
// API (https://opentelemetry.io). It records a span for each attempt of a notifier and
// metrics of the outcomes of deliveries.
//
//	observe, err := telemetry.Observe(meters)
//	desk, err := ticket.NewDesk(store, ticket.Config{
//		Notifiers: map[string]ticket.Notifier{"mail": telemetry.Wrap(tracers, "mail", mailer)},
//		Relay:     ticket.Relay{Observe: observe},
//	})
//
// # Spans
//
// The span "notify mail" is one attempt of the notifier with that name. If the
// attempt failed, the span is an error, and error.type has its class. It does not
// have the error's text, which can contain an address. A span has nothing personal.
//
//	ticket.notification.via      the notifier's name
//	ticket.notification.kind     such as "received"
//	ticket.notification.attempt  1, 2, 3 …
//	ticket.delivery.id           the same at every attempt
//	ticket.id                    the ticket's ID
//	error.type                   "timeout", "canceled", "panic", the result of the error's method
//	                             ErrorType, or the error's type in Go, such as "*net.OpError"
//
// # Metrics
//
//	ticket.notification.attempts  counter, {attempt}   by via, kind and outcome
//	ticket.notification.delay     histogram, s         from the commit until it was sent; by via and kind
//	ticket.notification.failures  histogram, {failure} failed attempts of a delivery that has ended;
//	                                                   by via, kind and outcome
//
// The outcome, ticket.notification.outcome, is "done", "again", "give_up",
// "bounce_back" or "suppress". The delivery became sent, pending, dead, bounced or
// suppressed; see [ticket.Settlement].
//
// # Caveats
//
//   - An attempt is not part of the trace in which the ticket was changed. It comes
//     later, mostly in another process. The IDs of the delivery and the ticket
//     connect them.
//   - The metrics count what a process saw. An attempt that a crash cut short is in
//     none of them; the attempt's number in the next span shows it.
package telemetry
