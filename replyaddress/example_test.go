package replyaddress_test

import (
	"fmt"
	"log"
	"strings"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/replyaddress"
)

// A letter asks for replies at a signed address. A mail to that address belongs to the
// ticket; whether its sender may write there is another question.
func Example() {
	addresses, err := replyaddress.New(replyaddress.Config{
		Mailbox: "support@example.org",
		Bounces: "bounces@example.org",
		Keys:    []replyaddress.Key{{ID: 1, Secret: []byte("32 random bytes of your own, here")}},
	})
	if err != nil {
		log.Fatal(err)
	}
	ada := ticket.Person{ID: "customer 7", Email: "ada@example.com"}
	address, err := addresses.Make(replyaddress.Request{
		Number: "7Q4K-92MX-F",
		Kind:   replyaddress.Customer,
		Person: ada,
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(address)

	// Later a mail arrives. Some server has changed the case.
	reply, ok := addresses.Read("", strings.ToUpper(address))
	fmt.Println(ok, reply.Signed(), reply.Number, reply.Kind)
	fmt.Println(reply.For(ada), reply.For(ticket.Person{Email: "eve@example.com"}))
	// Output:
	// support+7Q4K92MXF07hekdxj9dpy77xpn7ajs3gwngp8z05rf4@example.org
	// true true 7Q4K-92MX-F customer
	// true false
}

// Each letter has its own envelope sender, so that a letter that comes back names its
// delivery whatever it contains.
func ExampleAddresses_Bounce() {
	addresses, err := replyaddress.New(replyaddress.Config{
		Bounces: "bounces@example.org",
		Keys:    []replyaddress.Key{{ID: 1, Secret: []byte("32 random bytes of your own, here")}},
	})
	if err != nil {
		log.Fatal(err)
	}
	delivery, err := ticket.ParseID("01JZ4Y0000000000000000000A")
	if err != nil {
		log.Fatal(err)
	}
	sender := addresses.Bounce("", delivery)
	fmt.Println(sender)
	fmt.Println(addresses.ReadBounce("", sender))
	// Output:
	// bounces+040sfjf000000000000000000050tr47xnxxsppw0wg1hy8@example.org
	// 01JZ4Y0000000000000000000A true
}
