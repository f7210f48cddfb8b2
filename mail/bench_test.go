package mail_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/mail"
)

// BenchmarkCompose measures wording and composing one letter.
func BenchmarkCompose(b *testing.B) {
	m, err := mail.New(mail.Config{Host: "smtp.example.org", From: "support@example.org"})
	require.NoError(b, err)
	n := notification(ticket.KindReceived, 1)
	for b.Loop() {
		_, _, err = m.Compose(n)
	}
	require.NoError(b, err)
}
