package mailbox

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
)

const (
	strangersReply = "From: Bob <bob@example.net>\nTo: <{SIGNED}>\nSubject: Re: x\nMessage-ID: <b1@example.net>\nMIME-Version: 1.0\n" +
		"Content-Type: multipart/mixed; boundary=b\n\n--b\n\nI have the same printer.\n--b\nContent-Type: text/csv; name=pages.csv\n\n1,2\n--b--\n"
	strangersNext = "From: Bob <bob@example.net>\nTo: <{SIGNED}>\nSubject: Re: x\nMessage-ID: <b2@example.net>\n\nIt works again.\n"
)

// An agent accepts a stranger's note: it becomes a message of the sender, who follows the ticket
// from then on.
func TestAcceptAStrangersNote(t *testing.T) {
	k := newKit(t, "take")
	tk := k.open()
	m := k.come(strangersReply)
	isNote(t, k, m, tk, "I have the same printer.")
	require.NotContains(t, k.public(tk.ID), "same printer")

	got, err := k.in.Accept(t.Context(), lin, m.ID)
	require.NoError(t, err)
	require.Equal(t, tk.ID, got.ID)
	e := k.last(tk.ID)
	require.Equal(t, ticket.ActionReply, e.Action)
	require.EqualValues(t, "I have the same printer.", e.Message)
	require.Equal(t, ticket.RoleFollower, e.By.Role)
	require.Len(t, e.Attachments, 1)
	require.Equal(t, "pages.csv", e.Attachments[0].Name)
	require.Contains(t, k.public(tk.ID), "same printer")
	require.Equal(t, "bob@example.net", k.ticket(tk.ID).Followers[0].Email)

	list := k.all()
	require.Equal(t, ticket.MailDone, list[0].State)
	require.Equal(t, e.Seq, list[0].Seq)
	require.Contains(t, list[0].Reason, "accepted by agent")
	was, err := explanationOf(list[0])
	require.NoError(t, err)
	require.Equal(t, OutcomeReply, was.Outcome)

	_, err = k.in.Accept(t.Context(), lin, m.ID)
	require.ErrorIs(t, err, ticket.ErrInvalid, "it is a reply now")
	require.Equal(t, got.Version, k.ticket(tk.ID).Version)
	m = k.come(strangersNext)
	require.Equal(t, ticket.ActionReply, k.last(m.Ticket).Action, "the next mail is a reply by itself")
}

// A mail of which it is not certain who wrote it can be accepted, too.
func TestAcceptAMailThatNobodyVerified(t *testing.T) {
	k := newKit(t, "take")
	tk := k.open()
	m := k.take("32-dmarc-failed-reply")
	isNote(t, k, m, tk, "I may not be Ada.")
	_, err := k.in.Accept(t.Context(), lin, m.ID)
	require.NoError(t, err)
	e := k.last(tk.ID)
	require.Equal(t, ticket.RoleRequester, e.By.Role)
	require.Contains(t, e.Message, "I may not be Ada.")
	require.Empty(t, k.ticket(tk.ID).Followers)
}

// Accept can be repeated after it has failed at any step, and does everything once.
func TestAcceptAgain(t *testing.T) {
	k := newKit(t, "take")
	tk := k.open()
	m := k.come(strangersReply)
	k.files.failWith(errors.New("disk full"))
	_, err := k.in.Accept(t.Context(), lin, m.ID)
	require.ErrorContains(t, err, "disk full")
	k.files.failWith(nil)
	failing := *k.in
	failing.cfg.Store = &unsettled{Store: k.store}
	_, err = failing.Accept(t.Context(), lin, m.ID)
	require.ErrorContains(t, err, "not stored")
	version := k.ticket(tk.ID).Version
	_, err = k.in.Accept(t.Context(), lin, m.ID)
	require.NoError(t, err)
	require.Equal(t, version, k.ticket(tk.ID).Version)
	require.Equal(t, version, k.all()[0].Seq)
}

type unsettled struct{ Store }

func (unsettled) SettleMail(context.Context, ticket.MailState, ticket.Mail) error {
	return errors.New("not stored")
}

func TestAcceptRefuses(t *testing.T) {
	k := newKit(t, "take")
	k.open()
	for name, mail := range map[string]string{
		"a reply":         "From: ada@example.com\nTo: <{SIGNED}>\nSubject: Re: x\n\nIt is me.\n",
		"a machine":       "From: bob@example.net\nTo: <{SIGNED}>\nAuto-Submitted: auto-replied\nSubject: Away\n\nI am away.\n",
		"a new ticket":    "From: bob@example.net\nTo: support@example.org\nSubject: New\n\nHello.\n",
		"an agent's note": lins("{AGENT_NOTE}", "n", "\nA note.\n"),
		"a held mail":     "Subject: nobody\n\nx\n",
	} {
		m := k.come(mail)
		_, err := k.in.Accept(t.Context(), lin, m.ID)
		require.ErrorIs(t, err, ticket.ErrInvalid, name)
	}
	m := k.come(strangersReply)
	_, err := k.in.Accept(t.Context(), ada, m.ID)
	require.ErrorIs(t, err, ticket.ErrRefused, "customers")
	_, err = k.in.Accept(t.Context(), lin.InTenant("other"), m.ID)
	require.ErrorIs(t, err, ticket.ErrNotFound, "agents of others")
	_, err = k.in.Accept(t.Context(), lin, k.cfg.NewID(k.clock.Now()))
	require.ErrorIs(t, err, ticket.ErrNotFound, "no such mail")
}
