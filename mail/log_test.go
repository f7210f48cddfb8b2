package mail_test

import (
	"bytes"
	"errors"
	"log/slog"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/mail"
	"github.com/ticketkit/ticket/memstore"
	"github.com/ticketkit/ticket/tickettest"
)

// The log has what helps, and no words that may name the recipient.
func TestWhatLogsHaveOfAnError(t *testing.T) {
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
	for want, err := range map[string]*mail.Error{
		"mail: recipient: 550 5.1.1":                   {Step: mail.StepTo, Code: 550, Enhanced: "5.1.1", Text: "<ada@example.org> is unknown"},
		"mail: message: 554":                           {Step: mail.StepMessage, Code: 554, Text: "no ada"},
		"mail: message: no reply":                      {Step: mail.StepMessage, Err: errors.New("ada@example.org: broken pipe"), Sent: true},
		"mail: connect: dial tcp: connection refused":  {Step: mail.StepConnect, Err: refused},
		"mail: STARTTLS: the server does not offer it": {Step: mail.StepTLS, Err: errors.New("the server does not offer it")},
	} {
		require.Equal(t, want, err.LogValue().String())
	}
	var log bytes.Buffer
	m, err := mail.New(mail.Config{Host: "127.0.0.1:1", Encryption: mail.Unencrypted, From: "support@example.org"})
	require.NoError(t, err)
	cfg := tickettest.Config(tickettest.NewClock(), m)
	cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
	desk, err := ticket.NewDesk(memstore.New(), cfg)
	require.NoError(t, err)
	_, err = desk.Open(t.Context(), ticket.Requester(ticket.Person{Email: "ada@example.org"}), ticket.Draft{Subject: "Printer", Message: "Help."})
	require.NoError(t, err)
	_, err = desk.Deliver(t.Context())
	require.NoError(t, err)
	require.Contains(t, log.String(), `cause="mail: connect: `)
	require.Contains(t, log.String(), `cause="mail: the recipient has no address"`)
	require.NotContains(t, log.String(), "ada@")
}
