package mail_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/mail"
)

// Addresses that providers have issued are tried. Text that cannot be an address is
// a bounce without an attempt.
func TestMalformedAddressesBounceWithoutAnAttempt(t *testing.T) {
	for address, to := range map[string]string{
		"m..h@keitai.example":        `<"m..h"@keitai.example>`,
		"mira.@keitai.example":       `<"mira."@keitai.example>`,
		".mira@keitai.example":       `<".mira"@keitai.example>`,
		"...@keitai.example":         `<"..."@keitai.example>`,
		"mira@mail_2.fjord.example":  "<mira@mail_2.fjord.example>",
		"mira@_mail.fjord.example":   "<mira@_mail.fjord.example>",
		"mira@no--reply.example":     "<mira@no--reply.example>",
		"mira@ab--cd.example":        "<mira@ab--cd.example>",
		"mira@-mail-.example":        "<mira@-mail-.example>",
		"mira_@fjord.example.":       "<mira_@fjord.example>",
		"mira_@fjord.example。":       "<mira_@fjord.example>",
		"mira_@fjord.example..":      "",
		"mira_@fjord.example.。":      "",
		"mira@MÜLLER.example":        "<mira@xn--mller-kva.example>",
		"(c)m..h@keitai.example":     "",
		"m..h @keitai.example":       "",
		"m..h@keitai..example":       "",
		"m..h@a@keitai.example":      "",
		"m..h@":                      "",
		"..":                         "",
		"mira@fjord.example/x":       "",
		"mira@fjord.example, b@c.de": "",
		"A <m..h@keitai.example>":    "",
	} {
		s := start(t, nil)
		n := notification(ticket.KindReceived, 1)
		n.To.Person.Email = address
		got, _, err := s.notifier(nil).Compose(n)
		if to == "" {
			require.Error(t, err, address)
			require.Equal(t, "bounce", mark(err), address)
			continue
		}
		require.NoError(t, err, address)
		require.Equal(t, to, got)
	}
}

// New rejects an address of the desk that servers would refuse.
func TestNewRejectsMalformedOwnAddresses(t *testing.T) {
	for _, a := range []string{"m..h@example.org", "desk.@example.org", "desk@mail_2.example.org", "desk@-mail.example.org", "desk@localhost:25", "desk"} {
		for field, set := range map[string]func(*mail.Config){
			"mail.from":       func(c *mail.Config) { c.From = a },
			"mail.bounces":    func(c *mail.Config) { c.Bounces = a },
			"mail.reply_plus": func(c *mail.Config) { c.ReplyPlus = a },
		} {
			cfg := mail.Config{Host: "smtp.example.org", From: "desk@example.org"}
			set(&cfg)
			_, err := mail.New(cfg)
			var invalid *ticket.InvalidError
			require.ErrorAs(t, err, &invalid, a)
			require.Equal(t, field, invalid.Field)
		}
	}
}
