package mail_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/mail"
)

// What it takes to word and to write one letter.
func BenchmarkCompose(b *testing.B) {
	m, err := mail.New(mail.Config{Host: "smtp.example.org", From: "support@example.org"})
	require.NoError(b, err)
	n := notice(ticket.KindReceived, 1)
	for b.Loop() {
		_, _, err = m.Compose(n)
	}
	require.NoError(b, err)
}
