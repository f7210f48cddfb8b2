// Package publish hands every event of a desk to a message broker: to any
// publisher of Watermill (https://watermill.io), such as those for Kafka, NATS,
// RabbitMQ, Redis and SQL databases. The envelope is a CloudEvent
// (https://cloudevents.io, version 1.0) in its JSON form.
//
//	broker, err := publish.New(publisher, publish.Config{Source: "https://shop.example.org/desk"})
//	desk, err := ticket.NewDesk(store, ticket.Config{
//		Notifiers: map[string]ticket.Notifier{"broker": broker},
//		Streams:   []string{"broker"}, // every event, once
//	})
//
// A message looks like this; its UUID is the id, and its metadata say the same as
// the attributes, so that a broker can sort out messages without reading them:
//
//	{
//	  "specversion": "1.0",
//	  "id": "01KE5Z6ZG0000000000000000G",          of the delivery: the same at every attempt
//	  "source": "https://shop.example.org/desk",
//	  "type": "com.github.ticketkit.ticket.event.escalate",
//	  "subject": "7Q4K-92MX-F",                    the ticket's number
//	  "time": "2026-01-05T09:00:00Z",              of the event
//	  "datacontenttype": "application/json",
//	  "tenant": "north",                           left out where there is none
//	  "partitionkey": "01KE5Z6ZG0000000000000000F", the ticket's ID
//	  "data": { … }                                the event, without its notes
//	}
//
// Where the notifier is not one of Config.EventNotifiers, it publishes what people are
// told: the type ends in notification and the kind, as in
// "com.github.ticketkit.ticket.notification.handed_on", and data is the
// notification. A status link is never published.
//
// # Caveats
//
//   - Delivery is at least once: after a crash or a lost acknowledgement the same
//     message comes again, with the same id. Consumers tell by it. JetStream does
//     within its window of duplicates, if the publisher sets TrackMsgId.
//   - The events of a ticket are published in order, each after the one before it
//     was taken. A repeat can come late, after others. To keep the order in a
//     broker with partitions, partition by the metadata ce_partitionkey.
//   - Taken is what the publisher says is taken. One that does not wait for the
//     broker's acknowledgement can lose what the desk then holds for sent.
//   - A publisher of Watermill can not be interrupted. A call that outlives its
//     attempt goes on by itself, and its delivery is repeated; there are no more
//     than Config.Calls of them.
package publish
