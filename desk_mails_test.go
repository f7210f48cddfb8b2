package ticket_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/memstore"
)

// mail stores a mail as it is after the decision.
func (k *kit) mail(from, author string, s ticket.MailState, tk ticket.Ticket, seq int64) ticket.Mail {
	k.Helper()
	id := ticket.NewID(k.clock.Now())
	m := ticket.Mail{
		ID: id, Mailbox: "support", Origin: "1:" + id.String(), Raw: sha256.Sum256(id[:]), Size: 100, Arrived: k.clock.Now(),
		From: from, HasSender: true, To: []string{"support@example.com"}, State: ticket.MailPending, Due: k.clock.Now(),
	}
	box := k.mails()
	_, err := box.PutMail(k.Context(), m)
	require.NoError(k, err)
	if s == ticket.MailPending {
		return m
	}
	m.State, m.Due, m.Settled, m.Author, m.MessageID, m.Ticket, m.Seq = s, time.Time{}, k.clock.Now(), author, "canary", tk.ID, seq
	m.Reason, m.Explained, m.Fingerprint = "canary", []byte(`{"from":"canary"}`), sha256.Sum256([]byte("canary"))
	require.NoError(k, box.SettleMail(k.Context(), ticket.MailPending, m))
	return m
}

func (k *kit) mails() ticket.MailStore { return k.store.(ticket.MailStore) }

// mailNow returns a mail as it is stored.
func (k *kit) mailNow(m ticket.Mail) ticket.Mail {
	k.Helper()
	list, err := k.mails().Mails(k.Context(), ticket.MailQuery{Tenant: m.Tenant, IDs: []ticket.ID{m.ID}, Limit: 1})
	require.NoError(k, err)
	require.Len(k, list, 1)
	return list[0]
}

// requireErased expects that nothing personal is left of a mail, and that what it was stays.
func (k *kit) requireErased(m ticket.Mail) {
	k.Helper()
	now := k.mailNow(m)
	require.True(k, now.Erased())
	text := asJSON(k.T, now)
	require.NotContains(k, text, "canary")
	require.NotContains(k, text, "example.")
	require.Equal(k, m.Origin, now.Origin)
	require.Equal(k, m.Fingerprint, now.Fingerprint)
	require.Equal(k, m.Ticket, now.Ticket)
	require.NotEqual(k, ticket.MailHeld, now.State)
	require.NotEqual(k, ticket.MailPending, now.State)
}

func (k *kit) requireMail(m ticket.Mail) {
	k.Helper()
	require.Equal(k, m, k.mailNow(m))
}

func TestEraseTicketErasesItsMails(t *testing.T) {
	k := newKit(t)
	tk := k.open(ada, ticket.Draft{Message: "canary"})
	tk = k.do(bob, k.do(lin, tk, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{Follow: []ticket.Person{bob.Person}}}), ticket.Action{Name: ticket.ActionReply, Message: "canary"})
	other := k.open(ada, ticket.Draft{Message: "another"})
	first := k.mail("ada@example.org", "ada@example.org", ticket.MailDone, tk, 1)
	second := k.mail("bob@example.org", "bob@example.org", ticket.MailDone, tk, tk.Version)
	held := k.mail("x@example.org", "x@example.org", ticket.MailHeld, tk, 0)
	kept := k.mail("ada@example.org", "ada@example.org", ticket.MailDone, other, 1)

	report := k.erase(ticket.Erasure{Ticket: tk.ID, Groups: ticket.Groups{Remarks: true}})
	require.Zero(t, report.Mails, "remarks are in no mail")
	k.requireMail(first)
	report = k.erase(ticket.Erasure{Ticket: tk.ID, Event: 1})
	require.Equal(t, 1, report.Mails)
	k.requireErased(first)
	k.requireMail(second)
	report = k.erase(ticket.Erasure{Ticket: tk.ID})
	require.Equal(t, 2, report.Mails)
	require.Equal(t, 2, report.Tickets[0].Mails)
	k.requireErased(second)
	k.requireErased(held)
	k.requireMail(kept)

	late := k.mail("ada@example.org", "ada@example.org", ticket.MailDone, tk, 1) // was being taken
	report = k.erase(ticket.Erasure{Ticket: tk.ID})
	require.Equal(t, 1, report.Mails)
	require.Equal(t, tk.Number, report.Tickets[0].Number)
	k.requireErased(late)
}

func TestErasePersonErasesMails(t *testing.T) {
	k := newKit(t)
	own := k.open(ada, ticket.Draft{Message: "hers", Followers: []ticket.Person{bob.Person}})
	own = k.do(bob, own, ticket.Action{Name: ticket.ActionReply, Message: "his"})
	his := k.open(bob, ticket.Draft{Message: "his"})
	his = k.do(lin, his, ticket.Action{Name: ticket.ActionNote, Note: "a stranger wrote: canary"})
	locked := k.open(bob, ticket.Draft{Message: "his"})
	locked = k.do(lin, locked, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{LegalHold: new(true)}})
	erased := []ticket.Mail{
		k.mail("Ada@Example.org", "ADA@example.org", ticket.MailDone, own, 1),
		k.mail("relay@example.net", "ada@example.org", ticket.MailHeld, ticket.Ticket{}, 0),
		k.mail("ADA@example.org", "", ticket.MailPending, ticket.Ticket{}, 0),
		k.mail("ada@example.org", "", ticket.MailIgnored, ticket.Ticket{}, 0),
		k.mail("ada@example.org", "ada@example.org", ticket.MailDone, his, his.Version),
		k.mail("lin@example.com", "lin@example.com", ticket.MailDone, own, 1), // forwarded by an agent
	}
	kept := []ticket.Mail{
		k.mail("bob@example.org", "bob@example.org", ticket.MailDone, own, own.Version),
		k.mail("bob@example.org", "bob@example.org", ticket.MailDone, his, 1),
		k.mail("ada@example.org", "ada@example.org", ticket.MailDone, locked, locked.Version),
		k.mail("ada@example.org", "bob@example.org", ticket.MailHeld, ticket.Ticket{}, 0),
	}
	report := k.erase(ticket.Erasure{Person: ada.Person})
	require.Equal(t, len(erased), report.Mails)
	require.Equal(t, []ticket.ID{locked.ID}, report.Held)
	require.Contains(t, report.Mentions, ticket.Mention{Ticket: his.ID, Number: his.Number, Seq: his.Version})
	for _, m := range erased {
		k.requireErased(m)
	}
	for _, m := range kept {
		k.requireMail(m)
	}
	require.Zero(t, k.erase(ticket.Erasure{Person: ada.Person}).Mails)
}

// An erasure that fails after the mails were erased finds its events again.
func TestMailsAreErasedBeforeTheEvents(t *testing.T) {
	k := newKit(t)
	tk := k.open(ada, ticket.Draft{Message: "canary"})
	m := k.mail("ada@example.org", "ada@example.org", ticket.MailDone, tk, 1)
	broken := k.desk.WithStore(&mailsFail{MailStore: k.mails(), Eraser: k.store.(ticket.Eraser), Store: k.store})
	_, err := broken.Erase(t.Context(), privacy, ticket.Erasure{Ticket: tk.ID, Reason: "asked for it"})
	require.ErrorIs(t, err, errFull)
	require.Contains(t, k.stored(tk), "canary")
	k.requireMail(m)
}

var errFull = errors.New("full")

// mailsFail cannot erase mails.
type mailsFail struct {
	ticket.Store
	ticket.Eraser
	ticket.MailStore
}

func (*mailsFail) EraseMails(context.Context, string, []ticket.ID, time.Time) (int, error) {
	return 0, errFull
}

func TestPersonalDataHasMails(t *testing.T) {
	k := newKit(t)
	own := k.open(ada, ticket.Draft{Message: "hers"})
	his := k.open(bob, ticket.Draft{Message: "his"})
	want := []ticket.Mail{
		k.mail("ada@example.org", "ada@example.org", ticket.MailDone, own, 1),
		k.mail("relay@example.net", "Ada@example.org", ticket.MailHeld, ticket.Ticket{}, 0),
		k.mail("lin@example.com", "lin@example.com", ticket.MailDone, own, 1),
		k.mail("ada@example.org", "", ticket.MailPending, ticket.Ticket{}, 0),
	}
	k.mail("bob@example.org", "bob@example.org", ticket.MailDone, his, 1)
	data := k.personal(ada.Person, ticket.PersonalDataOptions{})
	require.Len(t, data.Mails, len(want))
	for i, m := range want {
		got := data.Mails[i]
		require.Equal(t, m.Arrived, got.Arrived)
		require.Equal(t, m.Author, got.Author)
		require.Equal(t, m.From, got.From)
		require.Equal(t, m.MessageID, got.MessageID)
		require.Equal(t, m.State, got.State)
	}
	var page strings.Builder
	require.NoError(t, data.WriteHTML(&page, nil))
	require.Contains(t, page.String(), "<h2>Mails</h2>")
	require.Contains(t, page.String(), "<td>lin@example.com</td><td>support@example.com</td><td>canary</td><td>100</td><td>done</td>")
}

func TestPruneMails(t *testing.T) {
	k := newKit(t)
	done := k.mail("ada@example.org", "ada@example.org", ticket.MailDone, ticket.Ticket{}, 0)
	held := k.mail("ada@example.org", "ada@example.org", ticket.MailHeld, ticket.Ticket{}, 0)
	k.clock.Advance(365 * day)
	n, err := k.desk.PruneMails(t.Context())
	require.NoError(t, err)
	require.Zero(t, n, "not older than a year")
	k.clock.Advance(time.Second)
	n, err = k.desk.PruneMails(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, n)
	k.requireErased(done)
	k.requireMail(held)
	again := done
	again.ID, again.State, again.Settled, again.Due = ticket.NewID(k.clock.Now()), ticket.MailPending, time.Time{}, k.clock.Now()
	got, err := k.mails().PutMail(t.Context(), again)
	require.NoError(t, err)
	require.Equal(t, done.ID, got.ID, "a mailbox that shows it again")
}

func TestMailAge(t *testing.T) {
	_, err := ticket.NewDesk(memstore.New(), ticket.Config{MailAge: time.Hour})
	require.ErrorIs(t, err, ticket.ErrInvalid)
	k := newKit(t, func(c *ticket.Config) { c.MailAge = -1 })
	m := k.mail("ada@example.org", "ada@example.org", ticket.MailDone, ticket.Ticket{}, 0)
	k.clock.Advance(9000 * day)
	n, err := k.desk.PruneMails(t.Context())
	require.NoError(t, err)
	require.Zero(t, n)
	k.requireMail(m)
	_, err = k.desk.WithStore(struct{ ticket.Store }{k.store}).PruneMails(t.Context())
	require.ErrorIs(t, err, errors.ErrUnsupported)
}

func TestRunPrunesMails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		desk, err := ticket.NewDesk(store, ticket.Config{MailAge: 7 * day})
		require.NoError(t, err)
		id := ticket.NewID(time.Now())
		m := ticket.Mail{ID: id, Mailbox: "m", Raw: sha256.Sum256(nil), Arrived: time.Now(), State: ticket.MailPending, Due: time.Now()}
		_, err = store.PutMail(t.Context(), m)
		require.NoError(t, err)
		m.State, m.Due, m.Settled = ticket.MailIgnored, time.Time{}, time.Now().Add(time.Minute-7*day)
		require.NoError(t, store.SettleMail(t.Context(), ticket.MailPending, m))
		ctx, stop := context.WithCancel(t.Context())
		go func() { _ = desk.Run(ctx) }()
		left := func() int64 {
			n, err := store.CountMails(t.Context(), "")
			require.NoError(t, err)
			return n[ticket.MailIgnored]
		}
		time.Sleep(30 * time.Second)
		synctest.Wait()
		require.EqualValues(t, 1, left())
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		require.Zero(t, left())
		stop()
		synctest.Wait()
	})
}

func TestCheckMail(t *testing.T) {
	good := ticket.Mail{
		ID: ticket.ID{1}, Mailbox: "m", Raw: ticket.Digest{1}, Arrived: time.Now(), From: "a@example.org", HasSender: true,
		State: ticket.MailPending, Due: time.Now(),
	}
	require.NoError(t, good.Check())
	require.NoError(t, good.CheckNew())
	for field, spoil := range map[string]func(m *ticket.Mail){
		"mail.id":         func(m *ticket.Mail) { m.ID = ticket.ID{} },
		"mail.mailbox":    func(m *ticket.Mail) { m.Mailbox = strings.Repeat("m", 201) },
		"mail.tenant":     func(m *ticket.Mail) { m.Tenant = "\xff" },
		"mail.to[1]":      func(m *ticket.Mail) { m.To = []string{"a", "\x00"} },
		"mail.to":         func(m *ticket.Mail) { m.To = make([]string, 1001) },
		"mail.has_sender": func(m *ticket.Mail) { m.HasSender = false },
		"mail.due":        func(m *ticket.Mail) { m.Due = time.Time{} },
		"mail.settled":    func(m *ticket.Mail) { m.Settled = time.Now() },
		"mail.seq":        func(m *ticket.Mail) { m.Seq = 1 },
		"mail.explained":  func(m *ticket.Mail) { m.Explained = []byte("\"\xff\"") },
		"mail.arrived":    func(m *ticket.Mail) { m.Arrived = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) },
	} {
		bad := good
		spoil(&bad)
		invalid, is := errors.AsType[*ticket.InvalidError](bad.Check())
		require.True(t, is, field)
		require.Equal(t, field, invalid.Field)
	}
	for field, spoil := range map[string]func(m *ticket.Mail){
		"mail.raw": func(m *ticket.Mail) { m.Raw = ticket.Digest{} }, "mail.attempts": func(m *ticket.Mail) { m.Until = time.Now() },
		"mail.state": func(m *ticket.Mail) { m.State = ticket.MailHeld },
	} {
		bad := good
		spoil(&bad)
		invalid, is := errors.AsType[*ticket.InvalidError](bad.CheckNew())
		require.True(t, is, field)
		require.Equal(t, field, invalid.Field)
	}
}
