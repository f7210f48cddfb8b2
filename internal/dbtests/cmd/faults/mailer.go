package main

import (
	"net"
	"strconv"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/mail"
)

// answering is how long the mail server may take for an answer, a hundredth of the
// usual time. The answer to a whole message may take twenty times as long.
const answering = 300 * time.Millisecond

// newMailer returns the project's notifier for mail.
func newMailer(addr string, change ...func(*mail.Config)) (ticket.Notifier, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return nil, err
	}
	cfg := mail.Config{Host: host, Port: n, Encryption: mail.Unencrypted, From: "Example Desk <desk@example.net>",
		Hello: "relay.example.net", Timeout: answering, Connections: 8}
	for _, c := range change {
		c(&cfg)
	}
	return mail.New(cfg)
}
