package mailbox

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
)

// come lets a mail arrive and takes it. Lines end in line feeds, and placeholders are filled in.
func (k *kit) come(lines string) ticket.Mail {
	k.t.Helper()
	before := k.all()
	k.arrive(k.filled([]byte(lines)))
	k.drain()
	list := k.all()
	require.Len(k.t, list, len(before)+1)
	return list[len(list)-1]
}

// Mails with characters that the desk refuses somewhere are taken all the same.
func TestStrangeCharactersHoldNoMail(t *testing.T) {
	parts := "From: ada@example.com\nSubject: x\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\ntext\n--b\n%s\n\nx\n--b--\n"
	for name, form := range map[string]string{
		"subject":        "From: ada@example.com\nSubject: %s\n\ntext\n",
		"text":           "From: ada@example.com\nSubject: x\nContent-Type: text/plain; charset=utf-8\n\n%s\n",
		"name":           "From: %s <ada@example.com>\nSubject: x\n\ntext\n",
		"Message-ID":     "From: ada@example.com\nSubject: x\nMessage-ID: <a%sb@example.com>\n\ntext\n",
		"name of a file": fmt.Sprintf(parts, `Content-Disposition: attachment; filename="%s"`),
		"media type":     fmt.Sprintf(parts, "Content-Type: app%slication/pdf"),
		"Cc":             "From: ada@example.com\nSubject: x\nCc: b%sb@example.net\n\ntext\n",
		"language":       "From: ada@example.com\nSubject: x\nContent-Language: %s\n\ntext\n",
	} {
		t.Run(name, func(t *testing.T) {
			k := newKit(t, "take", func(c *Config, _ *ticket.Config) { c.Mailboxes[0].FollowCc, c.Limits.PerSender = true, -1 })
			for i, odd := range []string{
				"\u00ad", "\u034f", "\u0301", "\u17b4", "\u180e", "\u2028", "\u202e", "\u2060", "\u2800", "\u3164", "\uff21", "\ufe0f", "\U000e0041", "\U000e0fff", "\U0001d159", "\x00", "\x1b", "\x7f", "\u0085", "\ufffd", "\xff", "\u5546",
			} {
				m := k.come(fmt.Sprintf("Date: Mon, 2 Mar 2026 10:%02d:00 +0000\n", i) + strings.ReplaceAll(form, "%s", odd))
				require.Equal(t, ticket.MailDone, m.State, "%q: %s", odd, m.Reason)
			}
		})
	}
}
