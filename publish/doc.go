// Package publish publishes every event of a desk to a message broker, through any
// publisher of Watermill (https://watermill.io), such as those for Kafka, NATS,
// RabbitMQ, Redis and SQL databases. The envelope is a CloudEvent
// (https://cloudevents.io, version 1.0) in its JSON form.
//
//	broker, err := publish.New(publisher, publish.Config{Source: "https://shop.example.org/desk"})
//	desk, err := ticket.NewDesk(store, ticket.Config{
//		Notifiers:      map[string]ticket.Notifier{"broker": broker},
//		EventNotifiers: []string{"broker"}, // every event, once
//	})
//
// A message looks like this. Its UUID is the id, and its metadata repeat the
// attributes, so that a broker can filter messages without parsing them:
//
//	{
//	  "specversion": "1.0",
//	  "id": "01KE5Z6ZG0000000000000000G",          of the delivery: the same at every attempt
//	  "source": "https://shop.example.org/desk",
//	  "type": "com.github.ticketkit.ticket.event.escalate",
//	  "subject": "7Q4K-92MX-F",                    the ticket's number
//	  "time": "2026-01-05T09:00:00Z",              of the event
//	  "datacontenttype": "application/json",
//	  "tenant": "north",                           left out if there is none
//	  "partitionkey": "01KE5Z6ZG0000000000000000F", the ticket's ID
//	  "data": { … }                                the event, without its notes
//	}
//
// If the notifier is not one of Config.EventNotifiers, it publishes the
// notifications for people: the type ends in notification and the kind, as in
// "com.github.ticketkit.ticket.notification.handed_on", and data is the
// notification. A status link is never published.
//
// # Caveats
//
//   - Delivery is at least once: after a crash or a lost acknowledgement the same
//     message comes again, with the same id. Consumers recognize a repeat by it.
//     JetStream does so within its duplicate window, if the publisher sets
//     TrackMsgId.
//   - The events of a ticket are published in order, each after the previous one
//     was accepted. A repeat can come late, after others. To keep the order in a
//     broker with partitions, partition by the metadata ce_partitionkey.
//   - The desk relies on the publisher. One that does not wait for the broker's
//     acknowledgement can lose a message that the desk records as sent.
//   - A Watermill publisher cannot be interrupted. A call that outlives its attempt
//     continues, and its delivery is repeated. Config.Calls bounds such calls.
package publish
