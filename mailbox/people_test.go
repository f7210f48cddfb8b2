package mailbox

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
)

// The address of somebody else beside one's own in From gives nobody the other's rights: servers
// check one of the domains, and not necessarily the right one.
func TestSeveralAuthorsAreNobodyForCertain(t *testing.T) {
	const mallory = "mallory@evil.example"
	passed := "Authentication-Results: mx.example.org; dmarc=pass header.from=%s\n"
	for name, head := range map[string]string{
		"hers first":              "From: ada@example.com, " + mallory + "\n",
		"hers last, and Sender":   "From: " + mallory + ", Ada <ADA@example.com>\nSender: ada@example.com\n",
		"two fields":              "From: ada@example.com\nFrom: " + mallory + "\n",
		"DMARC passed for his":    fmt.Sprintf(passed, "evil.example") + "From: ada@example.com, " + mallory + "\n",
		"DMARC passed for hers":   fmt.Sprintf(passed, "example.com") + "From: ada@example.com, " + mallory + "\n",
		"a signature in his name": "Authentication-Results: mx.example.org; dkim=pass header.d=evil.example\nFrom: ada@example.com, " + mallory + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			k := newKit(t, "take")
			tk := k.open()
			isNote(t, k, k.come(head+"To: <{SIGNED}>\nSubject: Re: x\n\nSend it to my new address.\n"), tk, "Send it to my new address.")
			require.Contains(t, k.last(tk.ID).Note, "From has several addresses")
			m := k.come(head + "To: support@example.org\nSubject: New\n\nAnother one.\n")
			require.Equal(t, ticket.MailDone, m.State, m.Reason)
			require.True(t, k.ticket(m.Ticket).HasTag("unverified sender"))
			k.deliver()
			k.sent.RequireNotSent(t, ticket.KindReceived, "ada@example.com")
			k.sent.RequireNotSent(t, ticket.KindReceived, mallory)
		})
	}
	t.Run("an agent's", func(t *testing.T) {
		k := newKit(t, "take")
		tk := k.open()
		m := k.come(fmt.Sprintf(passed, "example.org") + "From: lin@example.org, " + mallory + "\nTo: <{AGENT_REPLY}>\nSubject: Re: x\n\nThe password is 1234.\n")
		isNote(t, k, m, tk, "The password is 1234.")
		require.Equal(t, ticket.RoleSystem, k.last(tk.ID).By.Role)
	})
	t.Run("one address twice is one", func(t *testing.T) {
		k := newKit(t, "take")
		tk := k.open()
		k.come("From: ada@example.com\nFrom: Ada <ada@example.com>\nTo: <{SIGNED}>\nSubject: Re: x\n\nIt is the printer on the left.\n")
		require.EqualValues(t, "It is the printer on the left.", k.last(tk.ID).Message)
	})
}

// register is what an application knows of its customers: by each of their addresses.
type register map[string]ticket.Person

func (r register) person(_ context.Context, _ string, sender ticket.Person) (ticket.Person, error) {
	if sender.Email == "down@example.com" {
		return sender, errors.New("the database is down")
	}
	if p, known := r[strings.ToLower(sender.Email)]; known {
		return p, nil
	}
	return sender, nil
}

// A customer with several addresses answers from any of them, whichever the ticket has.
func TestAddressesOfOneCustomer(t *testing.T) {
	known := ticket.Person{ID: "c-1", Name: "Ada Byron", Email: "ada@new.example"}
	nameless := ticket.Person{Email: "ada@new.example"}
	for name, c := range map[string]struct {
		app       register
		requester ticket.Person
		from      string
		reply     bool
	}{
		"the ticket has the old address, the mail too":      {register{"ada@example.com": known}, ticket.Person{Email: "ada@example.com"}, "ada@example.com", true},
		"the same without IDs":                              {register{"ada@example.com": nameless}, ticket.Person{Email: "ada@example.com"}, "ada@example.com", true},
		"the ticket has the old address, the mail another":  {register{"ada@example.com": known, "ada@new.example": known}, ticket.Person{Email: "ada@example.com"}, "ada@new.example", true},
		"the same without IDs, another":                     {register{"ada@example.com": nameless, "ada@work.example": nameless}, ticket.Person{Email: "ada@example.com"}, "ada@work.example", true},
		"the ticket has the main address, the mail another": {register{"ada@work.example": known}, ticket.Person{Email: "ada@new.example"}, "ada@work.example", true},
		"the ticket has the ID, the mail another address":   {register{"ada@work.example": known}, ticket.Person{ID: "c-1", Email: "ada@old.example"}, "ada@work.example", true},
		"a stranger":       {register{"ada@example.com": known}, ticket.Person{Email: "ada@example.com"}, "bob@example.net", false},
		"another customer": {register{"ada@example.com": known, "bob@example.net": {ID: "c-2", Email: "bob@example.net"}}, ticket.Person{Email: "ada@example.com"}, "bob@example.net", false},
		"the address now belongs to another customer": {register{"ada@example.com": {ID: "c-2", Email: "bob@example.net"}}, ticket.Person{ID: "c-1", Email: "ada@example.com"}, "ada@example.com", false},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKit(t, "take", func(cfg *Config, _ *ticket.Config) { cfg.Person = c.app.person })
			tk, err := k.desk.Open(t.Context(), ticket.Requester(c.requester), ticket.Draft{Subject: "Printer prints blank pages", Message: "It does."})
			require.NoError(t, err)
			k.refer(tk, tk.ID)
			mail := "From: " + c.from + "\nTo: <{SIGNED}>\nSubject: Re: x\n\nIt is the printer on the left.\n"
			explained, err := k.in.Explain(t.Context(), "support", strings.NewReader(string(k.filled([]byte(mail)))), Envelope{})
			require.NoError(t, err)
			m := k.come(mail)
			require.Equal(t, ticket.MailDone, m.State, m.Reason)
			require.Equal(t, tk.ID, m.Ticket)
			e := k.last(tk.ID)
			if !c.reply {
				require.Equal(t, OutcomeNote, explained.Outcome)
				require.Equal(t, ticket.ActionNote, e.Action)
				return
			}
			require.Equal(t, OutcomeReply, explained.Outcome)
			require.Equal(t, ticket.ActionReply, e.Action)
			require.Equal(t, ticket.RoleRequester, e.By.Role)
		})
	}
	t.Run("a follower", func(t *testing.T) {
		bob := ticket.Person{ID: "c-2", Email: "bob@new.example"}
		k := newKit(t, "take", func(cfg *Config, _ *ticket.Config) {
			cfg.Person = register{"bob@example.net": bob, "bob@work.example": bob}.person
		})
		tk := k.open()
		_, err := k.desk.Do(t.Context(), lin, tk.ID, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{Follow: []ticket.Person{{Email: "bob@example.net"}}}})
		require.NoError(t, err)
		k.come("From: bob@work.example\nTo: <{SIGNED}>\nSubject: Re: x\n\nIt is the printer on the left.\n")
		require.Equal(t, ticket.RoleFollower, k.last(tk.ID).By.Role)
	})
	t.Run("the application fails", func(t *testing.T) {
		k := newKit(t, "take", func(cfg *Config, _ *ticket.Config) { cfg.Person = register{}.person })
		tk, err := k.desk.Open(t.Context(), ticket.Requester(ticket.Person{Email: "down@example.com"}), ticket.Draft{Subject: "x"})
		require.NoError(t, err)
		k.refer(tk, tk.ID)
		m := k.come("From: bob@example.net\nTo: <{SIGNED}>\nSubject: Re: x\n\nIt is the printer on the left.\n")
		require.Equal(t, ticket.MailPending, m.State)
		require.Contains(t, m.Reason, "the database is down")
	})
}

// Strangers, machines and mail servers fill no ticket with notes.
func TestNotesOnATicketAreLimited(t *testing.T) {
	stranger := func(i int) string {
		return fmt.Sprintf("From: s%[1]d@example.net\nTo: <{SIGNED}>\nSubject: Re: x\nMessage-ID: <s%[1]d@example.net>\n\nText %[1]d.\n", i)
	}
	machine := func(i int) string {
		return fmt.Sprintf("From: ada@example.com\nTo: <{SIGNED}>\nAuto-Submitted: auto-replied\nSubject: Away\nMessage-ID: <m%[1]d@example.com>\n\nI am away, %[1]d.\n", i)
	}
	report := func(k *kit) func(i int) string {
		raw := strings.ReplaceAll(string(k.raw("30-dsn-forged")), "\r\n", "\n")
		return func(i int) string {
			return fmt.Sprintf("X-Number: %d\n", i) + strings.Replace(raw, "Subject: ", fmt.Sprintf("Subject: %d ", i), 1)
		}
	}
	for name, of := range map[string]func(k *kit) func(int) string{
		"strangers":    func(*kit) func(int) string { return stranger },
		"a machine":    func(*kit) func(int) string { return machine },
		"mail servers": report,
		"all": func(k *kit) func(int) string {
			r := report(k)
			return func(i int) string { return []func(int) string{stranger, machine, r}[i%3](i) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKit(t, "take", func(c *Config, _ *ticket.Config) { c.Limits.Notes = 3 })
			tk := k.open()
			mail := of(k)
			for i := range 5 {
				m := k.come(mail(i))
				require.Equal(t, i >= 3, m.State == ticket.MailHeld, "%d: %s", i, m.Reason)
			}
			require.Equal(t, tk.Version+3, k.ticket(tk.ID).Version)
			held, err := k.in.Held(t.Context(), lin, time.Time{})
			require.NoError(t, err)
			require.Len(t, held, 2)
			e, err := explanationOf(held[0])
			require.NoError(t, err)
			require.Equal(t, tk.ID, e.Ticket)

			// The customer and agents still write, and somebody can let a mail pass.
			m := k.come("From: ada@example.com\nTo: <{SIGNED}>\nSubject: Re: x\n\nIt is me.\n")
			require.Equal(t, ticket.ActionReply, k.last(m.Ticket).Action)
			m = k.come(lins("{AGENT_NOTE}", "n", "\nA note.\n"))
			require.Equal(t, ticket.MailDone, m.State, m.Reason)
			require.NoError(t, k.in.Release(t.Context(), lin, held[0].ID))
			k.drain()
			require.Contains(t, k.last(tk.ID).Action, "note")
			require.Equal(t, tk.Version+6, k.ticket(tk.ID).Version)

			k.clock.Advance(25 * time.Hour)
			require.Equal(t, ticket.MailDone, k.come(mail(7)).State, "the next day")
		})
	}
}
