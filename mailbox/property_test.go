package mailbox

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/replyaddress"
)

var (
	propertySeed  = flag.Uint64("property.seed", 0, "the only seed of TestWordsReachOnlyTheirTickets; 0 means some seeds")
	propertySteps = flag.Int("property.steps", 150, "the number of random steps for each seed")
)

// The people of the property test. Both tenants have tickets of the same addresses.
var (
	customers = []string{"ada@example.com", "bob@example.com", "cem@example.net", "dee@example.net"}
	strangers = []string{"eve@example.com", "fox@example.net", "ADA@example.com"}
	tenants   = []string{"", "other"}
)

const linAddress = "lin@example.org"

// said is a text of the property test: a mail, or what an agent wrote.
type said struct {
	token    string
	tenant   string
	from     string // in lower case
	internal bool   // a note of an agent
	failed   bool   // DMARC failed
	verified bool
	// concerned has the tickets that the sender had a part in before.
	concerned map[ticket.ID]bool
	public    map[ticket.ID]bool // it may be read there: by the agent's reply
}

// play is a run of the property test.
type play struct {
	*kit
	rnd      *rand.Rand
	texts    map[string]*said
	letters  []ticket.Notification
	ids      []string // Message-IDs of mails
	count    map[string]int
	wrong    []string
	reported map[string]bool
	blabs    bool // agents' notes are answers
}

var propertyToken = regexp.MustCompile(`word[0-9]{5}x`)

// Nobody's words reach a ticket that they have no part in, except as an internal note, and
// nothing internal leaves in a letter or in what customers read.
func TestWordsReachOnlyTheirTickets(t *testing.T) {
	seeds := []uint64{1, 2, 3, 4, 5, 6}
	if *propertySeed != 0 {
		seeds = []uint64{*propertySeed}
	}
	count := map[string]int{}
	for _, seed := range seeds {
		p := newPlay(t, seed, nil)
		p.run(*propertySteps)
		require.Empty(t, p.wrong, "seed %d", seed)
		for name, n := range p.count {
			count[name] += n
		}
	}
	t.Log(count)
	if *propertySeed != 0 {
		return
	}
	for _, name := range []string{"reply", "new ticket", "note of a stranger", "note of a customer", "answer of an agent", "note of an agent", "follower", "letter", "held"} {
		require.Positive(t, count[name], "%s never took place", name)
	}
}

// The property test finds an intake that does something else.
func TestWordsThatReachOtherTicketsAreFound(t *testing.T) {
	for name, sabotage := range map[string]func(*kit, *Config){
		"strangers are taken for Ada": func(_ *kit, c *Config) {
			c.Person = func(_ context.Context, _ string, p ticket.Person) (ticket.Person, error) {
				if strings.HasPrefix(p.Email, "eve") {
					p.Email = customers[0]
				}
				return p, nil
			}
		},
		"forged senders pass": func(k *kit, _ *Config) {
			read := k.in.parse
			k.in.parse = func(raw []byte, ours func(string) bool, l limits) (*message, error) {
				msg, err := read(raw, ours, l)
				if err == nil {
					msg.Auth = nil
					for _, a := range msg.From {
						_, domain := split(a.Address)
						msg.Auth = append(msg.Auth, authResult{Server: "mx.example.org", Method: "dmarc", Result: "pass", Props: map[string]string{"header.from": domain}})
					}
				}
				return msg, err
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			found := 0
			for seed := range uint64(4) {
				p := newPlay(t, seed+1, sabotage)
				p.run(*propertySteps)
				found += len(p.wrong)
			}
			require.Positive(t, found)
		})
	}
	p := newPlay(t, 1, nil)
	p.blabs = true
	p.run(*propertySteps)
	require.Contains(t, strings.Join(p.wrong, "\n"), "in a letter")
	require.Contains(t, strings.Join(p.wrong, "\n"), "in the history")
}

func newPlay(t *testing.T, seed uint64, sabotage func(*kit, *Config)) *play {
	t.Helper()
	p := &play{rnd: rand.New(rand.NewPCG(seed, 1)), texts: map[string]*said{}, count: map[string]int{}, reported: map[string]bool{}}
	p.kit = newKit(t, "take", func(c *Config, _ *ticket.Config) {
		c.Limits.PerSender, c.Limits.Repeats = -1, -1
		c.Mailboxes[1].Tenant = "other" // with the same keys
		c.Mailboxes[0].FollowCc = true
	})
	if sabotage != nil {
		sabotage(p.kit, &p.cfg)
		read := p.in.parse
		var err error
		p.in, err = New(p.cfg)
		require.NoError(t, err)
		p.in.parse = read
	}
	for _, tenant := range tenants {
		for _, c := range customers {
			_, err := p.desk.Open(t.Context(), ticket.Requester(ticket.Person{Email: c}).InTenant(tenant), ticket.Draft{Subject: "Before", Message: "Before."})
			require.NoError(t, err)
		}
	}
	p.letter()
	return p
}

func (p *play) run(steps int) {
	for range steps {
		switch n := p.rnd.IntN(10); {
		case n < 7:
			p.mail()
		case n < 8:
			p.follow()
		default:
			p.work()
		}
		p.clock.Advance(time.Minute)
		p.letter()
	}
	p.check()
}

func (p *play) pick(list []string) string { return list[p.rnd.IntN(len(list))] }

func (p *play) someTicket(tenant string) ticket.Ticket {
	page, err := p.desk.List(p.t.Context(), desk.InTenant(tenant), ticket.Query{Limit: 1000})
	require.NoError(p.t, err)
	return page.Tickets[p.rnd.IntN(len(page.Tickets))]
}

func (p *play) token(s said) *said {
	s.token = fmt.Sprintf("word%05dx", len(p.texts))
	p.texts[s.token] = &s
	return &s
}

// follow makes somebody a follower of a ticket.
func (p *play) follow() {
	tenant := p.pick(tenants)
	t := p.someTicket(tenant)
	_, err := p.desk.Do(p.t.Context(), lin.InTenant(tenant), t.ID, ticket.Action{
		Name: ticket.ActionEdit, Edit: &ticket.Edits{Follow: []ticket.Person{{Email: p.pick(customers)}}},
	})
	if err == nil {
		p.count["follower"]++
	}
}

// work lets the agent write on a ticket: a note or an answer.
func (p *play) work() {
	tenant := p.pick(tenants)
	t := p.someTicket(tenant)
	act := ticket.Action{Name: ticket.ActionReply}
	s := p.token(said{tenant: tenant, from: linAddress, internal: p.rnd.IntN(2) == 0, public: map[ticket.ID]bool{t.ID: true}})
	if s.internal && !p.blabs {
		act.Name, act.Note = ticket.ActionNote, ticket.Note(s.token)
	} else {
		act.Message = ticket.Message(s.token)
	}
	_, err := p.desk.Do(p.t.Context(), lin.InTenant(tenant), t.ID, act)
	require.NoError(p.t, err)
}

// letter delivers what is to be told.
func (p *play) letter() {
	p.deliver()
	p.letters = append(p.letters, p.sent.Sent()...)
	p.sent.Reset()
}

// mail lets a mail arrive, with evidence that is often somebody else's.
func (p *play) mail() {
	i := p.rnd.IntN(2)
	box, tenant := []string{"support", "sales"}[i], tenants[i]
	from := p.pick(slices.Concat(customers, customers, strangers, []string{linAddress, linAddress, linAddress}))
	s := p.token(said{tenant: tenant, from: lower(from), concerned: map[ticket.ID]bool{}, public: map[ticket.ID]bool{}})
	page, err := p.desk.List(p.t.Context(), desk.InTenant(tenant), ticket.Query{Limit: 1000})
	require.NoError(p.t, err)
	for _, t := range page.Tickets {
		s.concerned[t.ID] = has(t, s.from)
	}

	var b strings.Builder
	_, domain := split(from)
	switch p.rnd.IntN(6) {
	case 0:
		fmt.Fprintf(&b, "Authentication-Results: mx.example.org; dmarc=fail header.from=%s\n", domain)
		s.failed = true
	case 1: // of another server
		fmt.Fprintf(&b, "Authentication-Results: mx.example.net; dmarc=pass header.from=%s\n", domain)
	case 2: // of another domain
		b.WriteString("Authentication-Results: mx.example.org; dmarc=pass header.from=evil.example\n")
	case 3, 4:
		fmt.Fprintf(&b, "Authentication-Results: mx.example.org; dmarc=pass header.from=%s\n", domain)
		s.verified = true
	}
	to, subject := box+"@example.org", "Hello"
	named := p.someTicket(p.pick(append(tenants, tenant, tenant)))
	if p.rnd.IntN(2) == 0 || from == linAddress {
		person, kind := ticket.Person{Email: p.pick(customers)}, replyaddress.Customer
		if named.Requester.Email != "" && p.rnd.IntN(2) == 0 {
			person = named.Requester
		}
		if p.rnd.IntN(2) == 0 || from == linAddress {
			person, kind = lin.Person, []replyaddress.Kind{replyaddress.AgentNote, replyaddress.AgentReply}[p.rnd.IntN(2)]
		}
		to, err = p.addresses.Make(replyaddress.Request{Tenant: named.Tenant, Number: named.Number, Kind: kind, Person: person})
		require.NoError(p.t, err)
		if from == linAddress && s.verified && kind == replyaddress.AgentReply && named.Tenant == tenant {
			s.public[named.ID] = true
		}
		if p.rnd.IntN(6) == 0 { // forged
			at := strings.LastIndexByte(to, '@') - 1
			to = to[:at] + map[bool]string{true: "1", false: "0"}[to[at] == '0'] + to[at+1:]
		}
	}
	if p.rnd.IntN(2) == 0 {
		subject = fmt.Sprintf("Re: [%s] Before", p.someTicket(p.pick(tenants)).Number)
	}
	if p.rnd.IntN(3) == 0 && len(p.letters) > 0 {
		fmt.Fprintf(&b, "In-Reply-To: <%s@example.org>\n", p.letters[p.rnd.IntN(len(p.letters))].ID)
	}
	if p.rnd.IntN(3) == 0 && len(p.ids) > 0 {
		fmt.Fprintf(&b, "References: <%s>\n", p.pick(p.ids))
	}
	if p.rnd.IntN(4) == 0 {
		fmt.Fprintf(&b, "Cc: %s, %s\n", p.pick(customers), p.pick(strangers))
	}
	if p.rnd.IntN(10) > 0 {
		fmt.Fprintf(&b, "From: %s\n", from)
	}
	if p.rnd.IntN(10) == 0 {
		b.WriteString("Auto-Submitted: auto-replied\n")
	}
	id := s.token + "@example.com"
	fmt.Fprintf(&b, "To: %s\nSubject: %s\nMessage-ID: <%s>\n\nThis is %s.\n", to, subject, id, s.token)
	p.ids = append(p.ids, id)
	_, err = p.in.Take(p.t.Context(), box, bytes.NewReader([]byte(strings.ReplaceAll(b.String(), "\n", "\r\n"))), Envelope{From: from, HasFrom: true, To: []string{to}})
	require.NoError(p.t, err)
	p.drain()
	for _, at := range p.find(s.token) {
		p.placed(s, at)
	}
	counts, err := p.in.Counts(p.t.Context(), desk.InTenant(tenant))
	require.NoError(p.t, err)
	p.count["held"] += int(counts[ticket.MailHeld])
	if counts[ticket.MailPending] > 0 {
		p.fault("%s is pending", s.token)
	}
}

// has reports whether somebody with an address has a part in a ticket.
func has(t ticket.Ticket, address string) bool {
	return lower(t.Requester.Email) == address || slices.ContainsFunc(t.Followers, func(f ticket.Person) bool { return lower(f.Email) == address })
}

func (p *play) fault(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !p.reported[text] {
		p.reported[text] = true
		p.wrong = append(p.wrong, text)
	}
}

// found is where a token is.
type found struct {
	t      ticket.Ticket
	e      ticket.Event
	public bool
}

// find finds a token on the tickets of both tenants.
func (p *play) find(token string) (list []found) {
	for _, tenant := range tenants {
		page, err := p.desk.List(p.t.Context(), desk.InTenant(tenant), ticket.Query{Limit: 1000})
		require.NoError(p.t, err)
		for _, t := range page.Tickets {
			for e, err := range p.desk.Events(p.t.Context(), desk.InTenant(tenant), t.ID) {
				require.NoError(p.t, err)
				if strings.Contains(string(e.Message)+t.Subject, token) {
					list = append(list, found{t, e, true})
				} else if strings.Contains(string(e.Note), token) {
					list = append(list, found{t, e, false})
				}
			}
		}
	}
	return list
}

// placed checks the place of a mail's words.
func (p *play) placed(s *said, at found) {
	switch {
	case at.t.Tenant != s.tenant:
		p.fault("%s of %s is on a ticket of tenant %q and was sent to tenant %q", s.token, s.from, at.t.Tenant, s.tenant)
	case at.public && at.e.Seq == 1:
		p.count["new ticket"]++
		s.public[at.t.ID] = true
		if lower(at.t.Requester.Email) != s.from {
			p.fault("%s of %s has opened a ticket of %s", s.token, s.from, at.t.Requester.Email)
		}
	case at.public && at.e.By.Role == ticket.RoleAgent:
		p.count["answer of an agent"]++
		if !s.public[at.t.ID] {
			p.fault("%s from %s (verified: %t) is an agent's answer on %s", s.token, s.from, s.verified, at.t.Number)
		}
	case at.public:
		p.count["reply"]++
		if s.public[at.t.ID] = s.concerned[at.t.ID]; !s.public[at.t.ID] || s.failed {
			p.fault("%s of %s (failed: %t) is a reply on the ticket %s of %s", s.token, s.from, s.failed, at.t.Number, at.t.Requester.Email)
		}
	case at.e.By.Role == ticket.RoleAgent:
		p.count["note of an agent"]++
		if s.from != linAddress || !s.verified {
			p.fault("%s from %s (verified: %t) is a note of an agent", s.token, s.from, s.verified)
		}
	case s.concerned[at.t.ID]:
		p.count["note of a customer"]++
	default:
		p.count["note of a stranger"]++
	}
}

// check looks at all letters to customers, and at all that customers read.
func (p *play) check() {
	for _, n := range p.letters {
		if n.To.Role&ticket.RoleCustomer == 0 {
			continue
		}
		p.count["letter"]++
		text, err := json.Marshal(n)
		require.NoError(p.t, err)
		p.reads(n.Tenant, n.Ticket, lower(n.To.Person.Email), "a letter", string(text))
	}
	for _, tenant := range tenants {
		page, err := p.desk.List(p.t.Context(), desk.InTenant(tenant), ticket.Query{Limit: 1000})
		require.NoError(p.t, err)
		for _, t := range page.Tickets {
			for _, person := range append(slices.Clone(t.Followers), t.Requester) {
				for e, err := range p.desk.History(p.t.Context(), ticket.Requester(person).InTenant(tenant), t.ID) {
					require.NoError(p.t, err)
					text, err := json.Marshal(e)
					require.NoError(p.t, err)
					p.reads(tenant, t.ID, lower(person.Email), "the history", string(text))
				}
			}
		}
	}
}

// reads checks that a customer may read the words in a text.
func (p *play) reads(tenant string, id ticket.ID, address, what, text string) {
	t, err := p.desk.Get(p.t.Context(), desk.InTenant(tenant), id)
	require.NoError(p.t, err)
	if !has(t, address) {
		p.fault("%s has %s of ticket %s", address, what, t.Number)
	}
	for _, token := range propertyToken.FindAllString(text, -1) {
		s := p.texts[token]
		// The Message-IDs of the recipient's own mails have their tokens.
		if strings.Contains(text, token+"@example.com") && strings.Count(text, token) == strings.Count(text, token+"@example.com") && s.from == address {
			continue
		}
		if s.internal || !s.public[id] || s.tenant != tenant {
			p.fault("%s reads %s of %s, which is not for customers of %s, in %s", address, token, s.from, t.Number, what)
		}
	}
}
