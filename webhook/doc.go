// Package webhook delivers notifications by HTTP, signed as the Standard
// Webhooks specification, version 1.0.0, says
// (https://www.standardwebhooks.com), and checks them at the other end. It
// needs nothing but the standard library.
//
//	hook, err := webhook.New(webhook.Config{
//		URL:     "https://hooks.example.org/tickets",
//		Secrets: []string{secret}, // made with NewSecret, known to the receiver as well
//	})
//	desk, err := ticket.NewDesk(store, ticket.Config{
//		Notifiers:      map[string]ticket.Notifier{"crm": hook},
//		EventNotifiers: []string{"crm"}, // every event, once
//	})
//
// Each notification is the body of one POST, as the JSON form of a [Payload].
// The header webhook-id has the ID of the delivery, which is the same at every
// attempt, webhook-timestamp has the time of the attempt in seconds since 1970,
// and webhook-signature one signature for each secret.
//
// # What an answer means
//
//	2xx                   delivered, whatever else the answer says
//	410                   the endpoint is gone: the delivery is dead at once
//	any with Retry-After  tried again, and not earlier than that
//	everything else       tried again; redirects are not followed and count so too
//
// A 400, 401 or 404 is mostly a mistake at the receiver that somebody will correct, so
// it is no reason to drop the notification.
//
// # Secrets
//
// A secret belongs to one endpoint. To change it without losing a webhook: let
// the receiver accept both, put the new one first in Config.Secrets and leave
// the old one after it, and take the old one out at both ends once nothing
// signed with it alone is on its way.
//
// # Where it connects to
//
// An address that a stranger may enter can lead into the network that the desk
// runs in. The notifier therefore looks at every IP address right before it
// connects, after names were resolved, and refuses those that are not public;
// see [PublicOnly]. It takes no proxy from the environment, follows no redirect, and
// takes https only. Config.AllowPrivate and Config.AllowHTTP lift that, and
// Config.Transport leaves it to your application. PublicOnly does not know about public
// addresses that only the inside can reach; a firewall does.
//
// # Caveats
//
//   - Delivery is at least once. Receivers know a repeat by webhook-id, and
//     should keep the IDs they have taken for as long as repeats can come, which
//     is days with the defaults of [ticket.Relay], and any time after
//     [ticket.Desk.Redrive]. Checking the timestamp alone keeps nothing from
//     being taken twice.
//   - The bodies of two attempts are not equal byte for byte: the attempt's
//     number is in them, and words that were erased in between are not.
//   - A signature shows who sent a body, and hides nothing of it: a body has the
//     recipient's name and address. The status link is never in it.
//   - After a 410 the notifier goes on with other deliveries. To stop them, take
//     the endpoint out; the dead deliveries tell.
//   - Endpoints that Config.Endpoint tells share the places of one notifier
//     ([ticket.Relay].Batch), and one that hangs holds a place for Config.Timeout
//     at each attempt. Those of strangers are best under a name of their own.
//   - A receiver that answers 2xx and then fails to store the webhook has lost it.
package webhook
