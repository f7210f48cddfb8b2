package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/memstore"
	"github.com/ticketkit/ticket/webhook"
)

// A desk sends its events to another system.
func Example() {
	secret := webhook.NewSecret()

	taken := map[ticket.ID]bool{} // a real receiver keeps these in its database
	receiver := httptest.NewServer(webhook.Receiver{
		Secrets: []string{secret},
		Handle: func(_ context.Context, p webhook.Payload) error {
			if !taken[p.Data.ID] { // a repeat has the same ID
				fmt.Println(p.Type, p.Data.Event.Action, p.Data.Subject)
			}
			taken[p.Data.ID] = true
			return nil
		},
	})
	defer receiver.Close()

	hook, err := webhook.New(webhook.Config{
		URL:     receiver.URL,
		Secrets: []string{secret},
		// Only because this example has no certificate and runs on one machine.
		AllowHTTP: true, AllowPrivate: true,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	desk, err := ticket.NewDesk(memstore.New(), ticket.Config{
		Notifiers:      map[string]ticket.Notifier{"shop": hook},
		EventNotifiers: []string{"shop"}, // every event once, in place of the notifications for people
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	_, err = desk.Open(ctx, ticket.Agent("lin", 1), ticket.Draft{
		Requester: ticket.Person{Email: "ada@example.org"}, Subject: "Where is the scanner?", Solution: "Room 2.14",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err = desk.Deliver(ctx); err != nil {
		fmt.Println(err)
	}
	// Output:
	// ticket.event open Where is the scanner?
	// ticket.event resolve Where is the scanner?
}

// Verify checks a webhook of any sender that implements the specification. This is
// the example of its reference libraries.
func ExampleVerify() {
	header := http.Header{}
	header.Set("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek")
	header.Set("webhook-timestamp", "1614265330")
	header.Set("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
	secrets := []string{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}
	body := []byte(`{"test": 2432232314}`) // as received, not decoded and encoded again

	at := time.Unix(1614265330, 0)
	fmt.Println(webhook.Verify(secrets, header, body, at))

	err := webhook.Verify(secrets, header, body, at.Add(time.Hour))
	fmt.Println(errors.Is(err, webhook.ErrTimestamp), err)

	err = webhook.Verify(secrets, header, []byte(`{"test": 1}`), at)
	fmt.Println(errors.Is(err, webhook.ErrSignature), err)
	// Output:
	// <nil>
	// true webhook: webhook-timestamp is more than five minutes old: an old webhook sent again, or clocks that differ
	// true webhook: webhook-signature has no signature v1 that fits: another secret, or a body that was changed on its way
}

// Each tenant has its own endpoint and secret.
func ExampleConfig_endpoint() {
	endpoints := map[string]webhook.Endpoint{
		"north": {URL: "https://north.example.org/hook", Secrets: []string{webhook.NewSecret()}},
		"south": {URL: "https://localhost/hook", Secrets: []string{"password"}},
	}
	hook, err := webhook.New(webhook.Config{
		Endpoint: func(_ context.Context, n ticket.Notification) (webhook.Endpoint, error) {
			return endpoints[n.Tenant], nil
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(hook.Notify(context.Background(), ticket.Notification{Tenant: "south"}))
	fmt.Println(hook.Notify(context.Background(), ticket.Notification{Tenant: "west"})) // west has no endpoint
	// Output:
	// webhook: secret 0 must be "whsec_" and 24 to 64 bytes in base64
	// <nil>
}

// PublicOnly is for applications with their own transport.
func ExamplePublicOnly() {
	fmt.Println(webhook.PublicOnly("tcp", "93.184.215.14:443", nil))
	fmt.Println(webhook.PublicOnly("tcp", "[::ffff:169.254.169.254]:80", nil))
	// Output:
	// <nil>
	// webhook: not connected to ::ffff:169.254.169.254: the address is a cloud's metadata service; only public ones are, unless AllowPrivate is set
}
