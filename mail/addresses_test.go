package mail_test

import (
	"html"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/mail"
	"github.com/ticketkit/ticket/memstore"
	"github.com/ticketkit/ticket/replyaddress"
	"github.com/ticketkit/ticket/tickettest"
)

// forget drops the letters that arrived.
func (s *server) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.letters = nil
}

func signed(t *testing.T, change func(*replyaddress.Config)) *replyaddress.Addresses {
	t.Helper()
	cfg := replyaddress.Config{Mailbox: "support@example.org", Bounces: "bounces@example.org",
		Keys: []replyaddress.Key{{ID: 1, Secret: []byte(strings.Repeat("k", 32))}}}
	if change != nil {
		change(&cfg)
	}
	a, err := replyaddress.New(cfg)
	require.NoError(t, err)
	return a
}

// Customers, followers and agents have a reply address of their own, and every delivery an
// envelope sender of its own.
func TestLettersHaveSignedAddresses(t *testing.T) {
	s := start(t, nil)
	addresses := signed(t, nil)
	m := s.notifier(func(cfg *mail.Config) {
		cfg.Addresses, cfg.ReplyPlus, cfg.Letters, cfg.Bounces = addresses, "plus@example.org", nil, "other@example.org"
	})
	ada, lin := ticket.Person{ID: "c1", Name: "Ada", Email: "ada@example.org"}, ticket.Person{ID: "lin", Email: "lin@staff.example"}
	for name, c := range map[string]struct {
		to   ticket.Recipient
		kind replyaddress.Kind
	}{
		"requester": {ticket.Recipient{Role: ticket.RoleRequester, Person: ada}, replyaddress.Customer},
		"follower":  {ticket.Recipient{Role: ticket.RoleFollower, Person: ada}, replyaddress.Customer},
		"agent":     {ticket.Recipient{Role: ticket.RoleAgent, Person: lin}, replyaddress.AgentNote},
		"queue":     {ticket.Recipient{Role: ticket.RoleAgent, Queue: "q", Level: 1, Person: ticket.Person{Email: "q@staff.example"}}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			n := notification(ticket.KindCustomer, 1)
			n.Tenant, n.To, n.Message = "acme", c.to, "m"
			s.forget()
			require.NoError(t, m.Notify(t.Context(), n))
			l := s.got()[0]
			got, ok := addresses.ReadBounce("acme", l.from)
			require.True(t, ok, l.from)
			require.Equal(t, n.ID, got)

			p := parse(t, l.data)
			list, err := p.header.AddressList("Reply-To")
			require.NoError(t, err)
			if c.kind == 0 {
				require.Equal(t, "plus+7Q4K92MXF@example.org", list[0].Address)
				require.NotContains(t, p.text, "internal note")
				return
			}
			r, ok := addresses.Read("acme", list[0].Address)
			require.True(t, ok)
			require.Equal(t, c.kind, r.Kind)
			require.Equal(t, n.Number, r.Number)
			require.True(t, r.For(c.to.Person))
			for _, body := range []string{p.text, html.UnescapeString(p.html)} {
				at := strings.Index(body, "support+")
				if c.kind == replyaddress.Customer {
					require.Negative(t, at)
					continue
				}
				require.Contains(t, body, "your words become an internal note")
				address, _, _ := strings.Cut(body[at:], "example.org")
				r, ok := addresses.Read("acme", address+"example.org")
				require.True(t, ok)
				require.Equal(t, replyaddress.AgentReply, r.Kind)
				require.True(t, r.For(lin))
			}
		})
	}
}

// Without a mailbox for bounces, Config.Bounces stays the envelope sender; without one for
// replies, Config.ReplyPlus the reply address. Config.ReplyTo comes first.
func TestEachPartOfTheSignedAddressesIsOptional(t *testing.T) {
	for name, c := range map[string]struct {
		change        func(*replyaddress.Config)
		replyTo       func(ticket.Notification) string
		from, replies string
	}{
		"no bounces":        {func(c *replyaddress.Config) { c.Bounces = "" }, nil, "b@example.org", "support+7Q4K92MXF0"},
		"only bounces":      {func(c *replyaddress.Config) { c.Mailbox = "" }, nil, "bounces+", "plus+7Q4K92MXF@"},
		"ReplyTo":           {nil, func(ticket.Notification) string { return "own@example.org" }, "bounces+", "own@example.org"},
		"ReplyTo gives way": {nil, func(ticket.Notification) string { return "" }, "bounces+", "support+7Q4K92MXF0"},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, nil)
			m := s.notifier(func(cfg *mail.Config) {
				cfg.Addresses, cfg.ReplyPlus, cfg.Bounces, cfg.ReplyTo = signed(t, c.change), "plus@example.org", "b@example.org", c.replyTo
			})
			require.NoError(t, m.Notify(t.Context(), notification(ticket.KindReceived, 1)))
			l := s.got()[0]
			require.True(t, strings.HasPrefix(l.from, c.from), l.from)
			p := parse(t, l.data)
			list, err := p.header.AddressList("Reply-To")
			require.NoError(t, err)
			require.True(t, strings.HasPrefix(list[0].Address, c.replies), list[0].Address)
		})
	}
}

func TestAMailboxThatNobodyReadsIsRefused(t *testing.T) {
	_, err := mail.New(mail.Config{Host: "smtp.example.org", From: "support@example.org",
		Addresses: signed(t, func(c *replyaddress.Config) { c.Mailbox = "no-reply@example.org" })})
	require.EqualError(t, err, "ticket: mail.addresses have a mailbox that nobody reads")
	m, err := mail.New(mail.Config{Host: "smtp.example.org", From: "no-reply@example.org", Addresses: signed(t, nil)})
	require.NoError(t, err, "replies go to the other mailbox")
	require.NotContains(t, m.String(), "kkk")
}

// The first answer of the desk stands in the customer's own thread, and so does every later
// letter. Another customer's letters do not name the mail.
func TestLettersStandInTheCustomersThread(t *testing.T) {
	s := start(t, nil)
	m := s.notifier(nil)
	clock := tickettest.NewClock()
	desk, err := ticket.NewDesk(memstore.New(), tickettest.Config(clock, m))
	require.NoError(t, err)
	ada := ticket.Requester(ticket.Person{Email: "ada@example.org"})
	bob := ticket.Person{Email: "bob@example.org"}
	lin := ticket.Agent("lin", 1)
	tk, err := desk.Open(t.Context(), ada, ticket.Draft{Subject: "S", Message: "m", Followers: []ticket.Person{bob}, MessageID: "one.ada@mail.example.com"})
	require.NoError(t, err)
	last := map[string]string{} // the Message-ID of the last letter
	letters := func() map[string]parsed {
		t.Helper()
		s.forget()
		_, err := desk.Deliver(t.Context())
		require.NoError(t, err)
		list := map[string]parsed{}
		for _, l := range s.got() {
			list[l.to] = parse(t, l.data)
		}
		return list
	}
	stands := func(p parsed, to, answers string, references ...string) {
		t.Helper()
		require.Equal(t, []string{answers}, p.ids(t, "In-Reply-To"))
		require.Equal(t, append([]string{tk.ID.String() + "@example.org"}, references...), p.ids(t, "References"))
		last[to] = p.ids(t, "Message-Id")[0]
	}
	do := func(a ticket.Actor, act ticket.Action) {
		t.Helper()
		clock.Advance(60e9)
		_, err := desk.Do(t.Context(), a, tk.ID, act)
		require.NoError(t, err)
	}
	got := letters()
	stands(got["ada@example.org"], "ada", "one.ada@mail.example.com", "one.ada@mail.example.com")
	require.Empty(t, got["bob@example.org"].ids(t, "In-Reply-To"))
	require.Equal(t, []string{tk.ID.String() + "@example.org"}, got["bob@example.org"].ids(t, "References"))
	last["bob"] = got["bob@example.org"].ids(t, "Message-Id")[0]

	do(ada, ticket.Action{Name: ticket.ActionReply, Message: "more", MessageID: "two.ada@mail.example.com"})
	got = letters()
	stands(got["bob@example.org"], "bob", last["bob"], last["bob"])
	do(lin, ticket.Action{Name: ticket.ActionReply, Message: "answer"})
	got = letters()
	stands(got["ada@example.org"], "ada", "two.ada@mail.example.com", last["ada"], "two.ada@mail.example.com")
	stands(got["bob@example.org"], "bob", last["bob"], last["bob"])
	do(lin, ticket.Action{Name: ticket.ActionReply, Message: "answer"})
	stands(letters()["ada@example.org"], "ada", last["ada"], last["ada"])
}

// A letter to a customer and one to an agent with everything that mail threads need.
func TestLettersOfAThreadEqualTheirGoldenFiles(t *testing.T) {
	s := start(t, nil)
	m := s.notifier(func(cfg *mail.Config) { cfg.Addresses, cfg.Letters = signed(t, nil), nil })
	for name, to := range map[string]ticket.Recipient{
		"thread-customer": {Role: ticket.RoleRequester, Person: ticket.Person{ID: "c1", Name: "Zoë Müller", Email: "zoe@example.org", Locale: "en"}},
		"thread-agent":    {Role: ticket.RoleAgent, Person: ticket.Person{ID: "lin", Name: "Lin", Email: "lin@staff.example", Locale: "de"}},
	} {
		n := notification(ticket.KindAnswered, 7)
		if to.Role == ticket.RoleAgent {
			n.Kind = ticket.KindCustomer
		}
		n.To, n.Message, n.Previous = to, "Please turn it off and on.", notification(ticket.KindReceived, 6).ID
		n.Answers = []string{"CAF+x" + strings.Repeat("9", 60) + "@mail.example.com", "bad id", "AM0PR01MB1234@eurprd01.prod.example.net"}
		s.forget()
		require.NoError(t, m.Notify(t.Context(), n))
		got := s.got()[0]
		require.NotContains(t, got.data, "bad id")
		p := parse(t, got.data)
		require.Equal(t, []string{n.Answers[2]}, p.ids(t, "In-Reply-To"))
		require.Equal(t, []string{n.Ticket.String() + "@example.org", n.Previous.String() + "@example.org", n.Answers[0], n.Answers[2]}, p.ids(t, "References"))
		golden(t, name+".eml", "MAIL FROM: "+got.from+"\r\n"+got.data)
	}
}

// A Message-ID of 500 bytes does not fit into a folded line, but into a line of a mail.
func TestALongMessageIDFitsIntoALine(t *testing.T) {
	s := start(t, nil)
	n := notification(ticket.KindReceived, 1)
	n.Answers = []string{strings.Repeat("a", 494) + "@b.org", strings.Repeat("b", 495) + "@b.org", "", "a\r\nBcc:eve@example.org"}
	require.NoError(t, s.notifier(nil).Notify(t.Context(), n))
	data := s.got()[0].data
	for line := range strings.SplitSeq(data, "\r\n") {
		require.LessOrEqual(t, len(line), 998) // RFC 5322, section 2.1.1
	}
	require.Equal(t, n.Answers[:1], parse(t, data).ids(t, "In-Reply-To"))
	require.NotContains(t, data, "eve@example.org")
}
