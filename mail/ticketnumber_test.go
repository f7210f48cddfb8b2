package mail_test

import (
	"errors"
	"fmt"
	netmail "net/mail"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/mail"
)

// inc parses numbers such as INC-0001.
func inc(text string) (ticket.Number, error) {
	var n int
	if _, err := fmt.Sscanf(strings.ToUpper(text), "INC-%04d", &n); err != nil {
		return "", errors.New("it looks like INC-0001")
	}
	return ticket.Number(fmt.Sprintf("INC-%04d", n)), nil
}

// verbatim accepts any text as a number.
func verbatim(text string) (ticket.Number, error) { return ticket.Number(text), nil }

// A reply names its ticket in every number format.
func TestRepliesNameTheirTicketInEveryNumberFormat(t *testing.T) {
	m, err := mail.New(mail.Config{Host: "smtp.example.org", From: "support@example.org", ReplyPlus: "support@example.org"})
	require.NoError(t, err)
	for n, c := range map[ticket.Number]struct {
		address string
		parse   func(string) (ticket.Number, error)
	}{
		"7Q4K-92MX-F":                      {"support+7Q4K92MXF@example.org", ticket.ParseNumber},
		"INC-0001":                         {"support+INC-0001@example.org", inc},
		"acme/7":                           {"support+acme=2F7@example.org", verbatim},
		"2026 = 1.5%":                      {"support+2026=20=3D=201=2E5=25@example.org", verbatim},
		`a+b@c"d<e>`:                       {"support+a=2Bb=40c=22d=3Ce=3E@example.org", verbatim},
		"99999999999999999999999999999999": {"support+99999999999999999999999999999999@example.org", verbatim},
	} {
		notice := notification(ticket.KindReceived, 1)
		notice.Number = n
		_, raw, err := m.Compose(notice)
		require.NoError(t, err)
		letter, err := netmail.ReadMessage(strings.NewReader(string(raw)))
		require.NoError(t, err)
		to, err := netmail.ParseAddress(letter.Header.Get("Reply-To"))
		require.NoError(t, err, "%s", n)
		require.Equal(t, c.address, to.Address)
		got, err := mail.AddressNumber(letter.Header.Get("Reply-To"), c.parse)
		require.NoError(t, err)
		require.Equal(t, n, got)
		got, err = mail.SubjectNumber("Re: "+letter.Header.Get("Subject"), c.parse)
		require.NoError(t, err)
		require.Equal(t, n, got)
	}
	got, err := mail.AddressNumber("support+inc-0001@EXAMPLE.org", inc)
	require.NoError(t, err)
	require.EqualValues(t, "INC-0001", got)
}

// A number that does not fit into the address is left out, and the letter is sent.
func TestANumberTooLongForAnAddressIsLeftOut(t *testing.T) {
	m, err := mail.New(mail.Config{Host: "smtp.example.org", From: "support@example.org", ReplyPlus: "support@example.org"})
	require.NoError(t, err)
	notice := notification(ticket.KindReceived, 1)
	notice.Number = ticket.Number(strings.Repeat("#", 32))
	_, raw, err := m.Compose(notice)
	require.NoError(t, err)
	letter, err := netmail.ReadMessage(strings.NewReader(string(raw)))
	require.NoError(t, err)
	require.Contains(t, letter.Header.Get("Reply-To"), "<support@example.org>")
}

func TestSubjectNumberReadsBracketsFirst(t *testing.T) {
	for subject, want := range map[string]string{
		"Re: [7Q4K-92MX-F] Printer":                        "7Q4K-92MX-F",
		"[EXT] AW: [Ticket#7q4k 92mx f] [urgent]":          "7Q4K-92MX-F",
		"=?UTF-8?B?UmU6IFs3UTRLLTkyTVgtRl0gRHLDvGNrZXI=?=": "7Q4K-92MX-F",
		"Re: 7Q4K-92MX-F":                                  "7Q4K-92MX-F",
		"[[7Q4K-92MX-F] x":                                 "7Q4K-92MX-F",
		"":                                                 "",
		"Printer":                                          "",
		"[7Q4K-92MX-F Printer":                             "",
		"[7Q4K-92MX-G] x":                                  "",
		"about 7Q4K-92MX-F":                                "",
		strings.Repeat("[", 20_000):                        "",
	} {
		got, err := mail.SubjectNumber(subject, ticket.ParseNumber)
		require.Equal(t, ticket.Number(want), got, "%.60s", subject)
		if want == "" {
			require.ErrorIs(t, err, ticket.ErrMistyped)
		} else {
			require.NoError(t, err)
		}
	}
	_, err := mail.SubjectNumber("Re: [7Q4K-92MX-F] Printer", nil)
	require.NoError(t, err)
	_, err = mail.SubjectNumber("Re: [INC-0001] Printer", inc)
	require.NoError(t, err)
	_, err = mail.SubjectNumber("Re: Printer", inc)
	require.ErrorIs(t, err, ticket.ErrMistyped)
	require.ErrorContains(t, err, "it looks like INC-0001")
}
