package mailbox

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
)

// The cases of the specification, each with a mail of testdata/cases, through every way in
// which mail arrives.
func TestCases(t *testing.T) {
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			for name, test := range cases {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					k := newKit(t, transport)
					test(t, k)
					k.sum()
				})
			}
		})
	}
}

var cases = map[string]func(t *testing.T, k *kit){
	"a new mail opens a ticket and is confirmed": func(t *testing.T, k *kit) {
		t.Helper()
		m := k.take("new")
		require.Equal(t, ticket.MailDone, m.State, m.Reason)
		tk := k.ticket(m.Ticket)
		require.Equal(t, "Printer prints blank pages", tk.Subject)
		require.Equal(t, "ada@example.com", tk.Requester.Email)
		require.Equal(t, "Ada Byron", tk.Requester.Name)
		require.Equal(t, ticket.ChannelMail, tk.Channel)
		require.Equal(t, ticket.RoleRequester, k.last(tk.ID).By.Role, "customers act as themselves")
		require.EqualValues(t, "The printer on the second floor prints blank pages.", k.last(tk.ID).Message)
		k.deliver()
		k.sent.RequireSent(t, ticket.KindReceived, "ada@example.com")
	},
	"5: equal Message-ID, other text: both are taken": func(t *testing.T, k *kit) {
		t.Helper()
		k.take("05-same-id-a", "05-same-id-b")
		require.EqualValues(t, 2, k.sum()[ticket.MailDone])
	},
	"6: no Message-ID, fetched twice: once": func(t *testing.T, k *kit) {
		t.Helper()
		m := k.take("06-no-message-id", "06-no-message-id")
		require.Equal(t, ticket.MailRepeated, m.State)
		require.Len(t, k.tickets(), 1)
		require.Equal(t, k.tickets()[0].ID, m.Ticket)
	},
	"7: an empty Message-ID from two senders: two tickets": func(t *testing.T, k *kit) {
		t.Helper()
		k.take("07-empty-id-a", "07-empty-id-b")
		require.Len(t, k.tickets(), 2)
	},
	"10: no From: held": func(t *testing.T, k *kit) {
		t.Helper()
		m := k.take("10-no-from")
		require.Equal(t, ticket.MailHeld, m.State)
		require.Contains(t, m.Reason, "no sender")
		held, err := k.in.Held(t.Context(), lin, time.Time{})
		require.NoError(t, err)
		require.Len(t, held, 1)
	},
	"11: an empty Reply-To: From": func(t *testing.T, k *kit) {
		t.Helper()
		m := k.take("11-empty-reply-to")
		require.Equal(t, "ada@example.com", k.ticket(m.Ticket).Requester.Email)
	},
	"12: signed address, own sender: reply":  isReply("12-signed", "It is the printer on the left."),
	"13: the same in capitals: reply":        isReply("13-signed-capitals", "IT IS THE PRINTER ON THE LEFT."),
	"16: number, requester: reply":           isReply("16-number", "It is the printer on the left."),
	"20: References only: reply":             isReply("20-references-only", "References only."),
	"15: forged signature: as a number only": isReply("15-forged-signature", "With a forged signature on my own ticket."),
	"14: signed address, another sender: a note that customers do not see": func(t *testing.T, k *kit) {
		t.Helper()
		tk := k.open()
		m := k.take("14-signed-stranger")
		isNote(t, k, m, tk, "I am somebody else.")
		require.NotContains(t, k.public(tk.ID), "somebody else")
	},
	"15: forged signature, a stranger: a new ticket": isRelated("15-forged-signature-stranger"),
	"17: number, a stranger: a new ticket, related":  isRelated("17-number-stranger"),
	"18: a mistyped number: a new ticket": func(t *testing.T, k *kit) {
		t.Helper()
		tk := k.open()
		m := k.take("18-mistyped")
		require.NotEqual(t, tk.ID, m.Ticket)
		require.Len(t, k.tickets(), 2)
	},
	"19: a number in the name of a file: a new ticket": func(t *testing.T, k *kit) {
		t.Helper()
		tk := k.open()
		m := k.take("19-number-in-file-name")
		require.NotEqual(t, tk.ID, m.Ticket)
		require.Len(t, k.last(m.Ticket).Attachments, 1)
	},
	"21: a second mail before any answer, that refers to the first: reply": func(t *testing.T, k *kit) {
		t.Helper()
		m := k.take("new", "21-second-mail")
		require.Len(t, k.tickets(), 1)
		require.EqualValues(t, 2, m.Seq)
	},
	"22: a forward with a number to another mailbox: a new ticket": func(t *testing.T, k *kit) {
		t.Helper()
		tk := k.open()
		k.arrive(k.raw("22-forward"), "sales")
		k.drain()
		m := k.all()[0]
		require.Equal(t, ticket.MailDone, m.State, m.Reason)
		require.NotEqual(t, tk.ID, m.Ticket)
		require.Equal(t, "sales", k.ticket(m.Ticket).Queue)
	},
	"23: merged: on the target": func(t *testing.T, k *kit) {
		t.Helper()
		tk := k.open()
		target, err := k.desk.Open(t.Context(), ada, ticket.Draft{Subject: "The same"})
		require.NoError(t, err)
		_, err = k.desk.Do(t.Context(), lin, tk.ID, ticket.Action{Name: ticket.ActionMerge, Ticket: target.ID})
		require.NoError(t, err)
		m := k.take("23-merged")
		require.Equal(t, ticket.MailDone, m.State, m.Reason)
		require.Equal(t, target.ID, m.Ticket)
	},
	"24: resolved for 20 days: a follow-up": func(t *testing.T, k *kit) {
		t.Helper()
		tk := k.open()
		_, err := k.desk.Do(t.Context(), lin, tk.ID, ticket.Action{Name: ticket.ActionResolve, Message: "Done."})
		require.NoError(t, err)
		k.clock.Advance(20 * 24 * time.Hour)
		m := k.take("24-resolved-for-20-days")
		require.Equal(t, ticket.MailDone, m.State, m.Reason)
		_, follows := k.ticket(m.Ticket).LinkTo(ticket.RelationFollowUpOf, tk.ID)
		require.True(t, follows)
	},
	"25: an absence note on a resolved ticket: a note, and nothing is sent": func(t *testing.T, k *kit) {
		t.Helper()
		tk := k.open()
		_, err := k.desk.Do(t.Context(), lin, tk.ID, ticket.Action{Name: ticket.ActionResolve, Message: "Done."})
		require.NoError(t, err)
		k.deliver()
		k.sent.Reset()
		m := k.take("25-absence")
		isNote(t, k, m, tk, "I am on holiday until June.")
		require.Equal(t, ticket.StatusResolved, k.ticket(tk.ID).Status)
		k.deliver()
		require.Empty(t, k.sent.Sent())
	},
	"25: an absence note without a thread: ignored": func(t *testing.T, k *kit) {
		t.Helper()
		m := k.take("25-absence-without-thread")
		require.Equal(t, ticket.MailIgnored, m.State)
		require.Contains(t, m.Reason, "automatic answer")
		require.Empty(t, k.tickets())
	},
	"25: a monitor's mail: a ticket, not confirmed": func(t *testing.T, k *kit) {
		t.Helper()
		m := k.take("25-monitor")
		require.Equal(t, ticket.MailDone, m.State, m.Reason)
		k.deliver()
		k.sent.RequireNotSent(t, ticket.KindReceived, "monitor@example.com")
	},
	"26: Auto-Submitted: no: a person": func(t *testing.T, k *kit) {
		t.Helper()
		m := k.take("26-auto-submitted-no")
		require.False(t, k.last(m.Ticket).Automatic)
		k.deliver()
		k.sent.RequireSent(t, ticket.KindReceived, "ada@example.com")
	},
	"27: a report of 5.1.1: bounced": func(t *testing.T, k *kit) {
		t.Helper()
		k.open()
		m := k.take("27-dsn-bounced")
		require.Equal(t, ticket.MailDone, m.State, m.Reason)
		require.Equal(t, ticket.DeliveryBounced, k.letter().State)
	},
	"27: by the bounce address": func(t *testing.T, k *kit) {
		t.Helper()
		k.open()
		k.fill["LETTER"] = "<other@example.org>"
		m := k.take("27-dsn-bounce-address")
		require.Equal(t, ticket.MailDone, m.State, m.Reason)
		require.Equal(t, ticket.DeliveryBounced, k.letter().State)
	},
	"28: delayed: a note": func(t *testing.T, k *kit) {
		t.Helper()
		tk := k.open()
		m := k.take("28-dsn-delayed")
		require.Equal(t, ticket.MailDone, m.State, m.Reason)
		require.Equal(t, ticket.DeliverySent, k.letter().State)
		require.Contains(t, k.last(tk.ID).Note, "4.4.1")
	},
	"29: 5.7.1: undelivered, and the address still gets mail": func(t *testing.T, k *kit) {
		t.Helper()
		tk := k.open()
		m := k.take("29-dsn-policy")
		require.Equal(t, ticket.MailDone, m.State, m.Reason)
		require.NotEqual(t, ticket.DeliveryBounced, k.letter().State)
		_, err := k.desk.Do(t.Context(), lin, tk.ID, ticket.Action{Name: ticket.ActionReply, Message: "Hello?"})
		require.NoError(t, err)
		k.deliver()
		k.sent.RequireSent(t, ticket.KindAnswered, "ada@example.com")
	},
	"30: a forged report with another recipient: a note": func(t *testing.T, k *kit) {
		t.Helper()
		tk := k.open()
		m := k.take("30-dsn-forged")
		require.Equal(t, ticket.MailDone, m.State, m.Reason)
		require.Equal(t, ticket.DeliverySent, k.letter().State)
		require.Contains(t, k.last(tk.ID).Note, "may be forged")
	},
	"31: our own letter by an alias: ignored": func(t *testing.T, k *kit) {
		t.Helper()
		tk := k.open()
		m := k.take("31-own-letter")
		require.Equal(t, ticket.MailIgnored, m.State, m.Reason)
		require.Equal(t, tk.Version, k.ticket(tk.ID).Version)
	},
	"32: DMARC failed, new: a ticket that is not confirmed": func(t *testing.T, k *kit) {
		t.Helper()
		m := k.take("32-dmarc-failed")
		require.Equal(t, ticket.MailDone, m.State, m.Reason)
		require.True(t, k.ticket(m.Ticket).HasTag("unverified sender"))
		k.deliver()
		k.sent.RequireNotSent(t, ticket.KindReceived, "ada@example.com")
	},
	"32: DMARC failed, a reply: a note": func(t *testing.T, k *kit) {
		t.Helper()
		tk := k.open()
		isNote(t, k, k.take("32-dmarc-failed-reply"), tk, "I may not be Ada.")
	},
	"33: second Authentication-Results below another field: ignored": func(t *testing.T, k *kit) {
		t.Helper()
		tk := k.open()
		isNote(t, k, k.take("33-second-results"), tk, "results of his own")
		require.Equal(t, ticket.RoleSystem, k.last(tk.ID).By.Role)
	},
	"34: a forged agent answers: a note": func(t *testing.T, k *kit) {
		t.Helper()
		tk := k.open()
		isNote(t, k, k.take("34-forged-agent-note"), tk, "send the password")
		require.Equal(t, ticket.RoleSystem, k.last(tk.ID).By.Role)
		require.NotContains(t, k.public(tk.ID), "password")
	},
	"34: a forged agent writes anew: as a customer": func(t *testing.T, k *kit) {
		t.Helper()
		m := k.take("34-forged-agent-new")
		require.Equal(t, ticket.RoleRequester, k.last(m.Ticket).By.Role)
	},
	"33: an agent's mail to the address for notes": func(t *testing.T, k *kit) {
		t.Helper()
		tk := k.open()
		m := k.take("34-agent-note")
		require.Equal(t, ticket.MailDone, m.State, m.Reason)
		e := k.last(tk.ID)
		require.EqualValues(t, "She has called three times.", e.Note)
		require.Equal(t, ticket.By{Role: ticket.RoleAgent, ID: "lin"}, e.By)
	},
	"33: an agent's mail to the address for answers": func(t *testing.T, k *kit) {
		t.Helper()
		tk := k.open()
		m := k.take("34-agent-reply")
		require.Equal(t, ticket.MailDone, m.State, m.Reason)
		e := k.last(tk.ID)
		require.EqualValues(t, "Please turn it off and on again.", e.Message)
		require.Equal(t, ticket.ActionReply, e.Action)
		k.deliver()
		k.sent.RequireSent(t, ticket.KindAnswered, "ada@example.com")
	},
	"33: an agent's answer with a quote that may be internal: a note": func(t *testing.T, k *kit) {
		t.Helper()
		tk := k.open()
		m := k.take("34-agent-reply-quoting")
		require.Equal(t, ticket.MailDone, m.State, m.Reason)
		require.Equal(t, ticket.ActionNote, k.last(tk.ID).Action)
		require.NotContains(t, k.public(tk.ID), "pain")
	},
	"35: an agent's attached message: its sender is the requester": func(t *testing.T, k *kit) {
		t.Helper()
		m := k.take("35-agent-attached")
		require.Equal(t, ticket.MailDone, m.State, m.Reason)
		tk := k.ticket(m.Ticket)
		require.Equal(t, "grace@example.net", tk.Requester.Email)
		require.Equal(t, "The scanner is broken", tk.Subject)
		e := k.last(tk.ID)
		require.EqualValues(t, "Please repair the scanner.", e.Message)
		require.Equal(t, ticket.By{Role: ticket.RoleAgent, ID: "lin"}, e.By)
		require.Contains(t, e.Note, "Forwarded by the agent lin")
		require.Contains(t, e.Note, "She called me, too.")
		require.NotContains(t, e.Message, "called me")
	},
	"34: a forward in doubt: the agent is the requester, with a note": func(t *testing.T, k *kit) {
		t.Helper()
		m := k.take("35-agent-forward-in-doubt")
		require.Equal(t, ticket.MailDone, m.State, m.Reason)
		require.Equal(t, "lin@example.org", k.ticket(m.Ticket).Requester.Email)
		require.Contains(t, k.last(m.Ticket).Note, "check the requester")
	},
	"36: a character outside its charset: taken": func(t *testing.T, k *kit) {
		t.Helper()
		m := k.take("36-gb2312")
		require.Equal(t, ticket.MailDone, m.State, m.Reason)
		require.Contains(t, k.last(m.Ticket).Message, "打印机")
		require.Equal(t, "打印机", k.ticket(m.Ticket).Subject)
	},
	"37: 70 attachments: the first ones, and the whole mail": func(t *testing.T, k *kit) {
		t.Helper()
		var b strings.Builder
		b.WriteString("From: ada@example.com\r\nSubject: 70 files\r\nMessage-ID: <70@example.com>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n")
		for i := range 70 {
			fmt.Fprintf(&b, "--b\r\nContent-Type: text/csv; name=\"%d.csv\"\r\nContent-Disposition: attachment; filename=\"%d.csv\"\r\n\r\nfile %d\r\n", i, i, i)
		}
		b.WriteString("--b--\r\n")
		k.arrive([]byte(b.String()))
		k.drain()
		m := k.all()[0]
		require.Equal(t, ticket.MailDone, m.State, m.Reason)
		files := k.last(m.Ticket).Attachments
		require.Len(t, files, 50)
		require.Equal(t, "48.csv", files[48].Name)
		require.Equal(t, "mail.eml", files[49].Name)
		require.Equal(t, m.Raw, files[49].SHA256)
	},
	"39: 1,000 levels of parts: held": func(t *testing.T, k *kit) {
		t.Helper()
		var b strings.Builder
		b.WriteString("From: ada@example.com\r\nSubject: deep\r\nMIME-Version: 1.0\r\n")
		for i := range 1000 {
			fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i)
		}
		b.WriteString("Content-Type: text/plain\r\n\r\nHere.\r\n")
		k.arrive([]byte(b.String()))
		k.drain()
		m := k.all()[0]
		require.Equal(t, ticket.MailHeld, m.State)
		require.Contains(t, m.Reason, "levels")
	},
	"40: three files of one name: three": func(t *testing.T, k *kit) {
		t.Helper()
		m := k.take("40-three-images")
		files := k.last(m.Ticket).Attachments
		require.Len(t, files, 3)
		for _, f := range files {
			require.Equal(t, "image001.png", f.Name)
			require.Positive(t, f.Size)
			require.False(t, f.SHA256.IsZero())
		}
	},
	"41: an answer between the lines: complete": func(t *testing.T, k *kit) {
		t.Helper()
		tk := k.open()
		k.take("41-interleaved")
		e := k.last(tk.ID)
		for _, line := range []string{"Hello,", "> Which printer is it?", "The one on the left.", "> Is it switched on?", "Yes."} {
			require.Contains(t, e.Message, line)
		}
	},
	"42: To and Cc are both ours: one ticket": func(t *testing.T, k *kit) {
		t.Helper()
		k.arrive(k.raw("42-to-and-cc"), "support", "sales")
		k.drain()
		k.clock.Advance(time.Minute)
		k.drain()
		counts := k.sum()
		require.EqualValues(t, 1, counts[ticket.MailDone])
		require.EqualValues(t, 1, counts[ticket.MailRepeated])
		require.Len(t, k.tickets(), 1)
	},
	"26: the third equal text on a ticket is held": func(t *testing.T, k *kit) {
		t.Helper()
		tk := k.open()
		for i := range 3 {
			k.fill["N"] = fmt.Sprint(i)
			k.take("loop")
		}
		require.EqualValues(t, 2, k.sum()[ticket.MailDone])
		require.EqualValues(t, 1, k.sum()[ticket.MailHeld])
		require.Equal(t, tk.Version+2, k.ticket(tk.ID).Version)
	},
	"26: 20 new tickets of a sender an hour": func(t *testing.T, k *kit) {
		t.Helper()
		for i := range 21 {
			k.fill["N"] = fmt.Sprint(i)
			k.take("flood")
		}
		require.EqualValues(t, 20, k.sum()[ticket.MailDone])
		held, err := k.in.Held(t.Context(), lin, time.Time{})
		require.NoError(t, err)
		require.Len(t, held, 1)
		require.NoError(t, k.in.Release(t.Context(), lin, held[0].ID))
		k.drain()
		require.EqualValues(t, 21, k.sum()[ticket.MailDone])
	},
	"26: 50 Received fields: held": func(t *testing.T, k *kit) {
		t.Helper()
		k.arrive(append([]byte(strings.Repeat("Received: from a by b; Mon, 2 Mar 2026 09:00:00 +0000\r\n", 50)), k.raw("new")...))
		k.drain()
		require.EqualValues(t, 1, k.sum()[ticket.MailHeld])
	},
	"43: the file store is down: refused for now, and nothing is lost": func(t *testing.T, k *kit) {
		t.Helper()
		k.files.failWith(errors.New("disk full"))
		raw := k.raw("new")
		switch k.transport {
		case "take":
			_, err := k.in.Take(t.Context(), "support", bytes.NewReader(raw), Envelope{})
			require.ErrorContains(t, err, "disk full")
			require.Equal(t, 75, k.in.Pipe(t.Context(), "support", bytes.NewReader(raw), func(string) string { return "" }, &bytes.Buffer{}))
			k.files.failWith(nil)
			k.arrive(raw)
		case "lmtp":
			require.ErrorContains(t, k.send(raw, "support"), "451")
			k.files.failWith(nil)
			k.arrive(raw)
		case "imap":
			k.append("support", raw)
			time.Sleep(20 * time.Millisecond)
			require.Empty(t, k.all())
			k.files.failWith(nil)
			k.eventually(func() bool { return len(k.all()) == 1 }, "the mail is fetched again")
		}
		k.drain()
		require.Len(t, k.tickets(), 1)
	},
}

// letter returns the delivery that the placeholder LETTER stands for.
func (k *kit) letter() ticket.Delivery {
	k.t.Helper()
	page, err := k.desk.Deliveries(k.t.Context(), desk, ticket.DeliveryQuery{To: ticket.Recipient{Person: ada.Person}})
	require.NoError(k.t, err)
	require.NotEmpty(k.t, page.Deliveries)
	return page.Deliveries[len(page.Deliveries)-1]
}

// isReply is the case of a mail that is Ada's reply on her ticket.
func isReply(name, text string) func(*testing.T, *kit) {
	return func(t *testing.T, k *kit) {
		t.Helper()
		tk := k.open()
		m := k.take(name)
		require.Equal(t, ticket.MailDone, m.State, m.Reason)
		require.Equal(t, tk.ID, m.Ticket)
		e := k.last(tk.ID)
		require.Equal(t, m.Seq, e.Seq)
		require.Equal(t, ticket.ActionReply, e.Action)
		require.Equal(t, ticket.RoleRequester, e.By.Role)
		require.EqualValues(t, text, e.Message)
		require.Len(t, k.tickets(), 1)
	}
}

// isNote requires that a mail has become an internal note.
func isNote(t *testing.T, k *kit, m ticket.Mail, tk ticket.Ticket, text string) {
	t.Helper()
	require.Equal(t, ticket.MailDone, m.State, m.Reason)
	require.Equal(t, tk.ID, m.Ticket)
	e := k.last(tk.ID)
	require.Equal(t, ticket.ActionNote, e.Action)
	require.Contains(t, e.Note, text)
	require.Empty(t, e.Message)
	require.Empty(t, e.Attachments)
}

// isRelated is the case of a stranger's mail with the number of a ticket.
func isRelated(name string) func(*testing.T, *kit) {
	return func(t *testing.T, k *kit) {
		t.Helper()
		tk := k.open()
		public := k.public(tk.ID)
		m := k.take(name)
		require.Equal(t, ticket.MailDone, m.State, m.Reason)
		require.NotEqual(t, tk.ID, m.Ticket)
		require.Equal(t, public, k.public(tk.ID), "nothing on the ticket of somebody else")
		require.Equal(t, []ticket.Link{{Relation: ticket.RelationRelatedTo, Ticket: tk.ID, Number: tk.Number}}, k.ticket(m.Ticket).Links)
		first := k.events(m.Ticket)[0]
		require.Contains(t, first.Note, string(tk.Number))
		k.deliver()
		n := k.sent.RequireSent(t, ticket.KindReceived, "mallory@example.net")
		require.NotContains(t, fmt.Sprint(n), string(tk.Number))
		mallory := ticket.Requester(ticket.Person{Email: "mallory@example.net"})
		view, err := k.desk.Track(t.Context(), mallory, m.Ticket.String())
		require.NoError(t, err)
		require.NotContains(t, fmt.Sprint(view), string(tk.Number))
	}
}
