// Package webhook delivers notifications by HTTP and verifies them at the
// receiver. It signs them according to the Standard Webhooks specification,
// version 1.0.0 (https://www.standardwebhooks.com). It needs only the standard
// library.
//
//	hook, err := webhook.New(webhook.Config{
//		URL:     "https://hooks.example.org/tickets",
//		Secrets: []string{secret}, // made with NewSecret, shared with the receiver
//	})
//	desk, err := ticket.NewDesk(store, ticket.Config{
//		Notifiers:      map[string]ticket.Notifier{"crm": hook},
//		EventNotifiers: []string{"crm"}, // every event, once
//	})
//
// Each notification is the body of one POST, as the JSON form of a [Payload].
// The header webhook-id has the ID of the delivery, which is the same at every
// attempt. The header webhook-timestamp has the time of the attempt in seconds
// since 1970, and webhook-signature has one signature for each secret.
//
// # Answers
//
//	2xx                   delivered; the rest of the answer does not matter
//	410                   the endpoint is gone: the delivery is dead at once
//	any with Retry-After  tried again, and not earlier than that
//	everything else       tried again; this includes redirects, which are not followed
//
// A 400, 401 or 404 is mostly a mistake at the receiver that somebody will correct,
// so the notification is not dropped.
//
// # Secrets
//
// A secret belongs to one endpoint. To change it without losing a webhook, make
// the receiver accept both secrets. Then put the new one first in Config.Secrets
// and the old one after it. Remove the old one on both sides when no webhook that
// is signed with it alone is in flight.
//
// # Connections
//
// A URL that a stranger may enter can lead into your own network. The notifier
// therefore checks every IP address right before it connects, after names were
// resolved, and refuses those that are not public; see [PublicOnly]. It uses no
// proxy from the environment, follows no redirect and accepts only https.
// Config.AllowPrivate and Config.AllowHTTP remove these limits, and with
// Config.Transport your application decides. PublicOnly cannot recognize public
// addresses that are reachable only from inside your network; use a firewall.
//
// # Caveats
//
//   - Delivery is at least once. Receivers recognize a repeat by webhook-id. They
//     should keep the IDs of accepted webhooks as long as repeats can come: days
//     with the defaults of [ticket.Relay], and any time after
//     [ticket.Desk.Redrive]. Checking only the timestamp does not prevent
//     repeats.
//   - The bodies of two attempts differ: they contain the number of the attempt,
//     and the later one lacks text that was erased in between.
//   - A signature authenticates the sender of a body but hides nothing: a body has
//     the recipient's name and address. It never has the status link.
//   - After a 410 the notifier continues with other deliveries. To stop them,
//     remove the endpoint; the dead deliveries show which one.
//   - All endpoints of Config.Endpoint share the places of one notifier
//     ([ticket.Relay].Batch), and one that hangs holds a place for Config.Timeout
//     at each attempt. Use a separate notifier for the endpoints of strangers.
//   - A webhook is lost if its receiver answers 2xx and then fails to store it.
package webhook
