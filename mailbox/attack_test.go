package mailbox

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

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

// lins returns a mail of the agent Lin, verified, to this address.
func lins(to, id, rest string) string {
	return "Authentication-Results: mx.example.org; dmarc=pass header.from=example.org\nFrom: Lin <lin@example.org>\nTo: <" + to +
		">\nSubject: Re: your letter\nIn-Reply-To: {LETTER}\nMessage-ID: <" + id + "@example.org>\nMIME-Version: 1.0\n" + rest
}

// What an agent's mail has beside the answer stays internal: an attached message is the letter
// to the agent in some mail programs, and the whole mail has all quotes.
func TestNothingInternalLeavesWithAnAnswer(t *testing.T) {
	const secret = "the customer is known to complain"
	mixed := "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nWe have changed the toner.\n--b\n"
	files := strings.Repeat("Content-Type: application/pdf\nContent-Disposition: attachment; filename=a.pdf\n\nx\n--b\n", 70)
	quote := "\n\nOn 2 March 2026, Support <support@example.org> wrote:\n> [{NUMBER}] " + secret + "\n"
	for name, rest := range map[string]string{
		"the letter as an attached message": mixed + "Content-Type: message/rfc822\n\nFrom: support@example.org\nSubject: [{NUMBER}]\n\n" + secret + "\n--b--\n",
		"the letter as a file of Outlook":   mixed + "Content-Type: application/vnd.ms-outlook; name=letter.msg\n\n" + secret + "\n--b--\n",
		"the letter as a file .eml":         mixed + "Content-Type: application/octet-stream; name=letter.EML\n\n" + secret + "\n--b--\n",
		"rich text of Outlook":              mixed + "Content-Type: application/ms-tnef; name=winmail.dat\n\n" + secret + "\n--b--\n",
		"more files than a ticket takes":    strings.Replace(mixed, "toner.\n", "toner."+quote, 1) + files + "Content-Type: application/pdf\n\nx\n--b--\n",
		"a text that is too long":           "\n" + strings.Repeat("We have changed the toner.\n", 15_000) + quote,
	} {
		t.Run(name, func(t *testing.T) {
			k := newKit(t, "take")
			tk := k.open()
			m := k.come(lins("{AGENT_REPLY}", "a", rest))
			require.Equal(t, ticket.MailDone, m.State, m.Reason)
			require.Equal(t, tk.ID, m.Ticket)
			e := k.last(tk.ID)
			require.Empty(t, e.Message)
			require.Empty(t, e.Attachments)
			require.Contains(t, e.Note, "We have changed the toner.")
			require.NotEmpty(t, e.NoteAttachments)
			require.Equal(t, lin.Person.ID, e.By.ID)
		})
	}
}

// An agent's comment on a mail that is passed on stays internal, also if the mail is too long.
func TestNothingInternalLeavesWithAForward(t *testing.T) {
	const secret = "This customer is known to complain."
	block := "\n---------- Forwarded message ---------\nFrom: Bob <bob@example.net>\nDate: Mon, 2 Mar 2026 10:00\nSubject: No paper\nTo: Lin <lin@example.org>\n\n"
	k := newKit(t, "take")
	m := k.come(strings.Replace(lins("support@example.org", "f", "\n"+secret+"\n"+block+strings.Repeat("There is no paper.\n", 20_000)), "Re: your letter\nIn-Reply-To: {LETTER}", "Fwd: No paper", 1))
	require.Equal(t, ticket.MailDone, m.State, m.Reason)
	e := k.events(m.Ticket)[0]
	require.Equal(t, "bob@example.net", k.ticket(m.Ticket).Requester.Email)
	require.Contains(t, e.Note, secret)
	require.NotContains(t, e.Message, secret)
	require.Empty(t, e.Attachments, "the whole mail has the comment")
	require.Contains(t, e.Message, "There is no paper.")
	last := k.last(m.Ticket)
	require.Len(t, last.NoteAttachments, 1)
	require.Equal(t, "mail.eml", last.NoteAttachments[0].Name)
}

// An agent who passes on a letter of the desk gets no ticket in the desk's own name.
func TestAgentForwardsALetterOfTheDesk(t *testing.T) {
	k := newKit(t, "take")
	block := "\n---------- Forwarded message ---------\nFrom: Support <support@example.org>\nDate: Mon, 2 Mar 2026 10:00\nSubject: No paper\nTo: Lin <lin@example.org>\n\nHello."
	m := k.come(strings.Replace(lins("support@example.org", "f", block), "Re: your letter\nIn-Reply-To: {LETTER}", "Fwd: No paper", 1))
	require.Equal(t, ticket.MailDone, m.State, m.Reason)
	require.Equal(t, "lin@example.org", k.ticket(m.Ticket).Requester.Email)
}

// Equal texts on a ticket are counted where it goes on, too.
func TestLoopOnAMergedTicketOrAFollowUp(t *testing.T) {
	loop := func(t *testing.T, k *kit) {
		t.Helper()
		for i := range 6 {
			m := k.come(fmt.Sprintf("From: ada@example.com\nTo: <{SIGNED}>\nSubject: Re: x\nMessage-ID: <loop-%d@example.com>\n\nI am on a journey.\n", i))
			if i >= 2 {
				require.Equal(t, ticket.MailHeld, m.State, "%d: %s", i, m.Reason)
			}
		}
	}
	t.Run("merged", func(t *testing.T) {
		k := newKit(t, "take")
		other, err := k.desk.Open(t.Context(), ada, ticket.Draft{Subject: "Printer", Message: "It does."})
		require.NoError(t, err)
		k.deliver()
		k.sent.Reset()
		tk := k.open()
		_, err = k.desk.Do(t.Context(), lin, tk.ID, ticket.Action{Name: ticket.ActionMerge, Ticket: other.ID})
		require.NoError(t, err)
		loop(t, k)
	})
	t.Run("follow-up", func(t *testing.T) {
		k := newKit(t, "take")
		tk := k.open()
		_, err := k.desk.Do(t.Context(), lin, tk.ID, ticket.Action{Name: ticket.ActionResolve, Message: "Done."})
		require.NoError(t, err)
		k.clock.Advance(20 * 24 * 3600e9)
		loop(t, k)
	})
}

// A Message-ID that two mails have names the ticket of the sender, and not that of a person who
// has used the ID of the sender's mail again.
func TestEarlierMailWithTheSameMessageID(t *testing.T) {
	k := newKit(t, "take")
	own := k.come("From: ada@example.com\nTo: support@example.org\nCc: mallory@example.net\nSubject: x\nMessage-ID: <same@example.com>\n\nAda's.\n")
	other := k.come("From: mallory@example.net\nTo: support@example.org\nSubject: x\nMessage-ID: <same@example.com>\n\nMallory's.\n")
	require.NotEqual(t, own.Ticket, other.Ticket)
	m := k.come("From: ada@example.com\nTo: support@example.org\nSubject: Re: x\nIn-Reply-To: <same@example.com>\nMessage-ID: <next@example.com>\n\nMore.\n")
	require.Equal(t, own.Ticket, m.Ticket, m.Reason)
	require.EqualValues(t, "More.", k.last(own.Ticket).Message)
}

// Mail programs mark the quote of a letter in many ways, or not at all. None of them brings the
// words of an internal note to the customer.
func TestUnmarkedQuotesOfALetterToAnAgent(t *testing.T) {
	const words = "This customer is known to complain about everything."
	for name, quote := range map[string]string{
		"nothing":             "%s",
		"a bar":               "| %s",
		"initials":            "SU> %s",
		"a wide mark":         "＞ %s",
		"a line":              "________________________________\n%s",
		"Lotus Notes":         "Support/Org wrote on 03/02/2026 10:00:00 AM:\n\n%s",
		"no address":          "On 2 March 2026, Support wrote:\n\n%s",
		"an unknown language": "Od: Support\nOdesláno: 2\nKomu: Lin\nPředmět: x\n\n%s",
		"other line breaks":   "SU> This customer is\nSU> known to complain about everything.",
	} {
		for _, number := range []bool{false, true} {
			if number && !strings.Contains(quote, "%s") {
				continue
			}
			t.Run(fmt.Sprintf("%s, number %t", name, number), func(t *testing.T) {
				k := newKit(t, "take")
				tk := k.open()
				letter := words
				if number {
					letter = "Ticket " + string(tk.Number) + " has news."
				} else {
					_, err := k.desk.Do(t.Context(), lin, tk.ID, ticket.Action{Name: ticket.ActionNote, Note: words})
					require.NoError(t, err)
				}
				m := k.come(lins("{AGENT_REPLY}", "q", "Content-Type: text/plain; charset=utf-8\n\nWe have changed the toner.\n\n"+strings.ReplaceAll(quote, "%s", letter)+"\n"))
				require.Equal(t, ticket.MailDone, m.State, m.Reason)
				require.Empty(t, k.last(tk.ID).Message, m.Reason)
				require.Contains(t, k.last(tk.ID).Note, "We have changed the toner.")
			})
		}
	}
	k := newKit(t, "take")
	tk := k.open()
	_, err := k.desk.Do(t.Context(), lin, tk.ID, ticket.Action{Name: ticket.ActionNote, Note: words})
	require.NoError(t, err)
	k.come(lins("{AGENT_REPLY}", "q", "\nWe have changed the toner.\n"))
	require.EqualValues(t, "We have changed the toner.", k.last(tk.ID).Message)
}

// Reports of Exim and qmail are text for people.
func TestOldDeliveryReports(t *testing.T) {
	const copied = "Return-path: <{BOUNCE}>\nFrom: Support <support@example.org>\nTo: {RECIPIENT}\nSubject: [{NUMBER}] x\nMessage-ID: {LETTER}\n\nHello.\n"
	exim := func(to, recipient string) string {
		return "Return-Path: <>\nFrom: Mail Delivery System <Mailer-Daemon@mx.example.com>\nTo: " + to + "\nX-Failed-Recipients: " + recipient +
			"\nAuto-Submitted: auto-replied\nSubject: Mail delivery failed: returning message to sender\nMessage-ID: <exim@mx.example.com>\n\n" +
			"This message was created automatically by mail delivery software.\n\nA message that you sent could not be delivered to one or more of its\nrecipients. This is a permanent error. " +
			"The following address(es) failed:\n\n  " + recipient + "\n    host mx.example.com [192.0.2.1]\n    SMTP error from remote mail server after RCPT TO:<" + recipient + ">:\n    550 5.1.1 User unknown\n\n" +
			"------ This is a copy of the message, including all the headers. ------\n\n" + copied
	}
	qmail := func(from, reason string) string {
		return "Return-Path: <>\nFrom: " + from + "\nTo: support@example.org\nSubject: failure notice\n\n" +
			"Hi. This is the qmail-send program at mx.example.com.\nI'm afraid I wasn't able to deliver your message to the following addresses.\nThis is a permanent error; I've given up. Sorry it didn't work out.\n\n" +
			"<{RECIPIENT}>:\n" + reason + "\n\n--- Below this line is a copy of the message.\n\n" + copied
	}
	for name, test := range map[string]struct {
		raw  string
		want ticket.DeliveryState
	}{
		"exim":                               {exim("support@example.org", "{RECIPIENT}"), ticket.DeliveryBounced},
		"exim, by the bounce address":        {strings.ReplaceAll(exim("{BOUNCE}", "{RECIPIENT}"), "Message-ID: {LETTER}\n", ""), ticket.DeliveryBounced},
		"exim, another recipient":            {exim("support@example.org", "bob@example.net"), ticket.DeliverySent},
		"qmail":                              {qmail("MAILER-DAEMON@mx.example.com", "Sorry, no mailbox here by that name. (#5.1.1)"), ticket.DeliveryBounced},
		"qmail, no address to blame":         {qmail("MAILER-DAEMON@mx.example.com", "Connected to 192.0.2.1 but the message was refused. (#5.7.1)"), ticket.DeliveryUndelivered},
		"qmail, without a code":              {qmail("MAILER-DAEMON@mx.example.com", "Sorry, it did not work."), ticket.DeliveryUndelivered},
		"a person who passes on such a text": {strings.Replace(qmail("Ada <ada@example.com>", "(#5.1.1)"), "Return-Path: <>\n", "", 1), ticket.DeliverySent},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKit(t, "take")
			k.open()
			m := k.come(test.raw)
			require.Equal(t, ticket.MailDone, m.State, m.Reason)
			require.Equal(t, test.want, k.letter().State, m.Reason)
		})
	}
}

// An absence note to the sender of the envelope belongs to the ticket of the letter, without any
// other sign of it.
func TestAbsenceNoteToTheBounceAddress(t *testing.T) {
	k := newKit(t, "take")
	tk := k.open()
	m := k.come("Return-Path: <>\nFrom: ada@example.com\nTo: <{BOUNCE}>\nSubject: I am away\nAuto-Submitted: auto-replied\n\nUntil Monday.\n")
	require.Equal(t, ticket.MailDone, m.State, m.Reason)
	require.Equal(t, tk.ID, m.Ticket)
	require.Contains(t, k.last(tk.ID).Note, "Until Monday.")
	require.Len(t, k.tickets(), 1)
}

// Forms of a mail that other programs read, too.
func TestStrangeForms(t *testing.T) {
	for name, raw := range map[string]string{
		"a space before the colon":   "From : ada@example.com\r\nSubject : x\r\n\r\nhello\r\n",
		"carriage returns only":      "From: ada@example.com\rSubject: x\r\rhello\r",
		"line feeds only":            "From: ada@example.com\nSubject: x\n\nhello\n",
		"the first line of an mbox":  "From ada@example.com Mon Mar  2 10:00:00 2026\nFrom: ada@example.com\nSubject: x\n\nhello\n",
		"a byte order mark in front": "\xef\xbb\xbfFrom: ada@example.com\r\nSubject: x\r\n\r\nhello\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			k := newKit(t, "take")
			k.arrive([]byte(raw))
			k.drain()
			m := k.all()[0]
			require.Equal(t, ticket.MailDone, m.State, m.Reason)
			require.Equal(t, "ada@example.com", k.ticket(m.Ticket).Requester.Email)
			require.EqualValues(t, "hello", k.last(m.Ticket).Message)
		})
	}
}

// Explain agrees with what happens to a long mail that becomes a note.
func TestExplainALongNote(t *testing.T) {
	k := newKit(t, "take")
	k.open()
	raw := k.filled([]byte("From: mallory@example.net\nTo: <{SIGNED}>\nSubject: x\n\n" + strings.Repeat("Words of a stranger.\n", 20_000)))
	x, err := k.in.Explain(t.Context(), "support", bytes.NewReader(raw), Envelope{})
	require.NoError(t, err)
	require.Equal(t, OutcomeNote, x.Outcome, x.Reason)
	k.arrive(raw)
	k.drain()
	require.Equal(t, ticket.MailDone, k.all()[0].State)
}

// Signed addresses, numbers and letters of another tenant name no ticket.
func TestEvidenceOfAnotherTenant(t *testing.T) {
	k := newKit(t, "take", func(c *Config, _ *ticket.Config) { c.Mailboxes[1].Tenant = "b" })
	tk := k.open()
	raw := k.filled([]byte("From: ada@example.com\nTo: <{SIGNED}>\nCc: <{BOUNCE}>\nSubject: Re: [{NUMBER}] x\nIn-Reply-To: {LETTER}\nReferences: <" + tk.ID.String() + "@example.org>\nMessage-ID: <1@example.com>\n\nhello\n"))
	_, err := k.in.Take(t.Context(), "sales", bytes.NewReader(raw), Envelope{})
	require.NoError(t, err)
	k.drain()
	list, err := k.in.Mails(t.Context(), ticket.System("test").InTenant("b"), ticket.MailQuery{})
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.Equal(t, ticket.MailDone, list[0].State, list[0].Reason)
	require.NotEqual(t, tk.ID, list[0].Ticket)
	require.Equal(t, tk.Version, k.ticket(tk.ID).Version)
}

// Several intakes take copies of mails that come by two mailboxes, while others release, take again
// and forget them, and while processes end. Each mail is on one ticket, once.
func TestManyIntakesTakeEachMailOnce(t *testing.T) {
	const mails, intakes = 60, 3
	k := newKit(t, "take", func(c *Config, d *ticket.Config) {
		c.Limits.PerSender, d.ReceiptAge = -1, time.Hour
		c.Limits.Hops = 1
	})
	raw := func(i int) []byte {
		return k.filled([]byte(fmt.Sprintf("Received: by mx.example.org\nFrom: ada@example.com\nTo: support@example.org\nSubject: Mail %d\nDate: Mon, 2 Mar 2026 10:00:00 +0000\n\nWords %d.\n", i, i)))
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var all sync.WaitGroup
	for range intakes {
		in, err := New(k.cfg)
		require.NoError(t, err)
		all.Go(func() {
			for ctx.Err() == nil { // processes that end and begin
				life, end := context.WithTimeout(ctx, 20*time.Millisecond)
				_ = in.Run(life)
				end()
			}
		})
	}
	for range 2 { // all of them are held first, because they have gone round; agents release them
		all.Go(func() {
			for round := 0; ctx.Err() == nil; round++ {
				held, err := k.in.Held(ctx, lin, time.Time{})
				if err != nil {
					return
				}
				for i, m := range held {
					switch (i + round) % 3 {
					case 0:
						_ = k.in.Retake(ctx, lin, m.ID)
					default:
						_ = k.in.Release(ctx, lin, m.ID)
					}
				}
				time.Sleep(time.Millisecond)
			}
		})
	}
	for i := range mails {
		for _, b := range []string{"support", "sales", "support"} {
			_, err := k.in.Take(ctx, b, bytes.NewReader(raw(i)), Envelope{})
			require.NoError(t, err)
		}
	}
	require.Eventually(t, func() bool {
		k.clock.Advance(100 * time.Millisecond) // copies wait for each other, and leases end
		counts, err := k.in.Counts(t.Context(), desk)
		return err == nil && counts[ticket.MailDone]+counts[ticket.MailRepeated] == 3*mails
	}, 50*time.Second, 2*time.Millisecond, "all mails are settled")
	cancel()
	all.Wait()
	seen := map[string]int{}
	for _, tk := range k.tickets() {
		seen[tk.Subject]++
		require.Len(t, k.events(tk.ID), 1)
	}
	require.Len(t, seen, mails)
	for subject, n := range seen {
		require.Equal(t, 1, n, subject)
	}
	// A repeat after the receipts are gone is recognised by the record of the mail.
	k.clock.Advance(48 * time.Hour)
	_, err := k.desk.PruneReceipts(t.Context())
	require.NoError(t, err)
	k.arrive(raw(0))
	k.drain()
	require.Len(t, k.tickets(), mails)
}

// A mail that ends each process that takes it is held, also after trouble of another kind and after
// somebody has released it.
func TestMailThatEndsProcesses(t *testing.T) {
	k := newKit(t, "take")
	k.arrive(k.filled([]byte("From: ada@example.com\nSubject: x\n\nhello\n")))
	k.files.failWith(fmt.Errorf("the disk is full"))
	k.drain()
	require.Contains(t, k.all()[0].Reason, "temporary trouble")
	k.files.failWith(nil)
	lose := func() {
		t.Helper()
		for range mostLost {
			k.clock.Advance(time.Hour)
			n, err := k.in.claim(t.Context(), 1, func(ticket.Mail) {}) // the process ends
			require.NoError(t, err)
			require.Equal(t, 1, n)
		}
		k.clock.Advance(time.Hour)
		k.drain()
		require.Equal(t, ticket.MailHeld, k.all()[0].State)
		require.Equal(t, fmt.Sprintf("%d attempts to take it have ended without a result", mostLost), k.all()[0].Reason)
	}
	lose()
	require.NoError(t, k.in.Release(t.Context(), lin, k.all()[0].ID))
	lose()
	require.NoError(t, k.in.Release(t.Context(), lin, k.all()[0].ID))
	k.drain()
	require.Equal(t, ticket.MailDone, k.all()[0].State)
}
