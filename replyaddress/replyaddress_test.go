package replyaddress_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/replyaddress"
)

var (
	number = ticket.NumberOf(7)
	ada    = ticket.Person{ID: "c1", Name: "Ada", Email: "ada@example.com"}
	kinds  = []replyaddress.Kind{replyaddress.Customer, replyaddress.AgentNote, replyaddress.AgentReply}
)

func key(id uint8) replyaddress.Key {
	return replyaddress.Key{ID: id, Secret: []byte(strings.Repeat(string(rune('a'+id)), 32))}
}

func config(keys ...replyaddress.Key) replyaddress.Config {
	return replyaddress.Config{Mailbox: "support@example.org", Bounces: "bounces@example.org", Keys: keys}
}

func addresses(tb testing.TB, cfg replyaddress.Config) *replyaddress.Addresses {
	tb.Helper()
	a, err := replyaddress.New(cfg)
	require.NoError(tb, err)
	return a
}

func request(k replyaddress.Kind) replyaddress.Request {
	return replyaddress.Request{Tenant: "t", Number: number, Kind: k, Person: ada}
}

func made(tb testing.TB, a *replyaddress.Addresses, r replyaddress.Request) string {
	tb.Helper()
	address, err := a.Make(r)
	require.NoError(tb, err)
	local, _, _ := strings.Cut(address, "@")
	require.LessOrEqual(tb, len(local), 64, "RFC 5321, section 4.5.3.1.1")
	return address
}

func TestAnAddressIsReadAsItWasMade(t *testing.T) {
	a := addresses(t, config(key(1)))
	for _, k := range kinds {
		address := made(t, a, request(k))
		for _, written := range []string{
			address, strings.ToUpper(address), strings.ToLower(address), "Support <" + address + ">",
			strings.ReplaceAll(address, "support+", "other+"), strings.ReplaceAll(address, "example.org", "mx.example.net"),
			`"` + strings.ReplaceAll(address, "@", `"@`),
		} {
			r, ok := a.Read("t", written)
			require.True(t, ok, written)
			require.True(t, r.Signed(), written)
			require.Equal(t, k, r.Kind, written)
			require.Equal(t, number, r.Number, written)
			require.True(t, r.For(ada), written)
			require.False(t, r.For(ticket.Person{ID: "c2"}), written)
		}
	}
}

// Whoever made the letter knew one of the names of the person, and the reader may know others.
func TestAnAddressIsForOnePerson(t *testing.T) {
	a := addresses(t, config(key(1)))
	for _, c := range []struct {
		kind     replyaddress.Kind
		made, is ticket.Person
		want     bool
	}{
		{replyaddress.Customer, ada, ticket.Person{ID: "c1", Email: "new@example.com"}, true},
		{replyaddress.Customer, ada, ticket.Person{Email: "ada@example.com"}, false},
		{replyaddress.Customer, ticket.Person{Email: "Ada@example.com"}, ticket.Person{ID: "c1", Email: "ada@Example.com"}, true},
		{replyaddress.Customer, ticket.Person{Phone: "+4930123"}, ticket.Person{Phone: "+4930123"}, true},
		{replyaddress.Customer, ticket.Person{Phone: "x"}, ticket.Person{ID: "x", Email: "x"}, false},
		{replyaddress.Customer, ada, ticket.Person{}, false},
		{replyaddress.AgentNote, ticket.Person{ID: "ann"}, ticket.Person{ID: "ann"}, true},
		{replyaddress.AgentNote, ticket.Person{ID: "ann", Email: "ann@example.org"}, ticket.Person{ID: "bob", Email: "ann@example.org"}, false},
	} {
		r, ok := a.Read("", made(t, a, replyaddress.Request{Number: number, Kind: c.kind, Person: c.made}))
		require.True(t, ok)
		assert.Equal(t, c.want, r.For(c.is), "made for %v, asked for %v", c.made, c.is)
	}
	customer, agent := made(t, a, request(replyaddress.Customer)), made(t, a, request(replyaddress.AgentNote))
	require.NotEqual(t, customer[len("support+")+9+2:][:6], agent[len("support+")+9+2:][:6], "an agent and a customer with the same ID are two people")
}

// An address holds for one tenant, number, person and kind: every change of a symbol breaks
// the signature.
func TestAChangedAddressHasNoSignature(t *testing.T) {
	a := addresses(t, config(key(1)))
	address := made(t, a, request(replyaddress.Customer))
	_, signed := strings.CutPrefix(address, "support+")
	require.True(t, signed)
	const symbols = "0123456789abcdefghjkmnpqrstvwxyz"
	for i := len("support+"); address[i] != '@'; i++ {
		for _, c := range []byte(symbols) {
			if strings.EqualFold(string(c), string(address[i])) {
				continue
			}
			r, ok := a.Read("t", address[:i]+string(c)+address[i+1:])
			require.False(t, r.Signed(), "%c at %d", c, i)
			require.False(t, r.For(ada))
			if i >= len("support+")+9 && i < strings.IndexByte(address, '@')-1 {
				require.True(t, ok, "its number stays known")
				require.Equal(t, number, r.Number)
			}
		}
	}
	for _, tenant := range []string{"", "T", "t2"} {
		r, ok := a.Read(tenant, address)
		require.True(t, ok)
		require.False(t, r.Signed(), "the tenant %q", tenant)
	}
}

func TestAnAddressWithoutASignatureHasItsNumber(t *testing.T) {
	a := addresses(t, config(key(1)))
	plain := strings.ReplaceAll(string(number), "-", "")
	for address, want := range map[string]bool{
		"support+" + plain + "@example.org":                          true,
		"Support <support+" + strings.ToLower(plain) + "@a.example>": true,
		"support+" + plain + strings.Repeat("0", 34) + "@a.example":  true,
		"support@example.org":                                        false,
		"support+@example.org":                                       false,
		"support+hello@example.org":                                  false,
		"support+" + plain + "@":                                     false,
		"support+" + plain:                                           false,
		"":                                                           false,
		"support+" + plain + strings.Repeat("0", 33) + "@a.example": false,
		strings.Repeat("a", 1000) + "+" + plain + "@example.org":    false,
	} {
		r, ok := a.Read("t", address)
		require.Equal(t, want, ok, address)
		require.False(t, r.Signed())
		require.False(t, r.For(ada))
		if ok {
			require.Equal(t, number, r.Number)
		}
	}
}

// A new key signs; the old one verifies until it is removed.
func TestKeysAreReplaced(t *testing.T) {
	old, both, last := addresses(t, config(key(1))), addresses(t, config(key(2), key(1))), addresses(t, config(key(2)))
	first, second := made(t, old, request(replyaddress.Customer)), made(t, both, request(replyaddress.Customer))
	require.NotEqual(t, first, second)
	for _, c := range []struct {
		by      *replyaddress.Addresses
		address string
		signed  bool
	}{{both, first, true}, {both, second, true}, {last, second, true}, {last, first, false}, {old, second, false}} {
		r, ok := c.by.Read("t", c.address)
		require.True(t, ok)
		require.Equal(t, c.signed, r.Signed())
		require.Equal(t, c.signed, r.For(ada))
	}
	id := ticket.ID{1, 2, 3}
	got, ok := both.ReadBounce("t", old.Bounce("t", id))
	require.True(t, ok)
	require.Equal(t, id, got)
	_, ok = last.ReadBounce("t", old.Bounce("t", id))
	require.False(t, ok)
	// A key with the same ID and another secret is another key.
	other := addresses(t, config(replyaddress.Key{ID: 1, Secret: make([]byte, 32)}))
	r, _ := other.Read("t", first)
	require.False(t, r.Signed())
}

func TestABounceAddressNamesItsDelivery(t *testing.T) {
	a := addresses(t, config(key(1)))
	id := ticket.ID{0x01, 0x97, 0xff, 15: 0x80}
	address := a.Bounce("t", id)
	local, domain, _ := strings.Cut(address, "@")
	require.Equal(t, "example.org", domain)
	require.Len(t, local, len("bounces+")+47)
	for _, written := range []string{address, strings.ToUpper(address), "<" + address + ">", "x+" + local[len("bounces+"):] + "@other.example"} {
		got, ok := a.ReadBounce("t", written)
		require.True(t, ok, written)
		require.Equal(t, id, got)
	}
	_, ok := a.ReadBounce("t2", address)
	require.False(t, ok, "another tenant")
	for i := len("bounces+"); address[i] != '@'; i++ {
		c := "7"
		if address[i] == '7' {
			c = "8"
		}
		_, ok := a.ReadBounce("t", address[:i]+c+address[i+1:])
		require.False(t, ok, "changed at %d", i)
	}
	_, ok = a.ReadBounce("t", made(t, a, request(replyaddress.Customer)))
	require.False(t, ok, "a reply address")
	r, _ := a.Read("t", address)
	require.False(t, r.Signed())
}

// Addresses that were sent must be readable for ever. Lines may only be added here.
func TestAddressesOfOldLettersAreRead(t *testing.T) {
	a := addresses(t, config(key(1)))
	require.Equal(t, old.customer, made(t, a, request(replyaddress.Customer)))
	require.Equal(t, old.note, made(t, a, request(replyaddress.AgentNote)))
	require.Equal(t, old.reply, made(t, a, request(replyaddress.AgentReply)))
	require.Equal(t, old.bounce, a.Bounce("t", ticket.ID{1, 2, 3}))
}

var old = struct{ customer, note, reply, bounce string }{
	customer: "support+00000007R06hyfyafq8enrmj9eq81skjz0c1shvwbk4@example.org",
	note:     "support+00000007R073e3qbmt43xydge33ma1x4c1686z6rd4g@example.org",
	reply:    "support+00000007R073e3qbmat3vtxbxmgt7ach4stbyrc7dxr@example.org",
	bounce:   "bounces+040g40r0000000000000000000061vjx8ghbrpgd3k67r10@example.org",
}

func TestAnAddressThatDoesNotFitIsRefusedWhenItIsConfigured(t *testing.T) {
	parse := func(s string) (ticket.Number, error) { return ticket.Number(strings.ToUpper(s)), nil }
	for name, c := range map[string]struct {
		change func(*replyaddress.Config)
		want   string
	}{
		"20 bytes":         {func(c *replyaddress.Config) { c.Mailbox = strings.Repeat("a", 20) + "@example.org" }, ""},
		"21 bytes":         {func(c *replyaddress.Config) { c.Mailbox = strings.Repeat("a", 21) + "@example.org" }, "ticket: replyaddress.mailbox has 21 bytes before the @; at most 20 leave room for the signature (RFC 5321 allows 64 in all)"},
		"16 for bounces":   {func(c *replyaddress.Config) { c.Bounces = strings.Repeat("a", 16) + "@example.org" }, ""},
		"17 for bounces":   {func(c *replyaddress.Config) { c.Bounces = strings.Repeat("a", 17) + "@example.org" }, "ticket: replyaddress.bounces has 17 bytes before the @; at most 16 leave room for the signature (RFC 5321 allows 64 in all)"},
		"numbers fit":      {func(c *replyaddress.Config) { c.Parse, c.NumberLength = parse, 22 }, ""},
		"numbers too long": {func(c *replyaddress.Config) { c.Parse, c.NumberLength = parse, 23 }, "ticket: replyaddress.mailbox has 7 bytes before the @; at most 6 leave room for the signature (RFC 5321 allows 64 in all)"},
		"no room at all":   {func(c *replyaddress.Config) { c.Parse, c.NumberLength = parse, 30 }, "ticket: replyaddress.mailbox cannot have signed addresses: numbers of 30 bytes leave no room for a name (the part before the @ has at most 64 bytes: RFC 5321)"},
		"length unknown":   {func(c *replyaddress.Config) { c.Parse = parse }, "ticket: replyaddress.number_length must be the length of the longest number, because Parse is set"},
		"length, no Parse": {func(c *replyaddress.Config) { c.NumberLength = 12 }, "ticket: replyaddress.number_length must be zero without Parse: numbers of the default format have 9 bytes"},
		"no mailbox":       {func(c *replyaddress.Config) { c.Mailbox, c.Bounces = "", "" }, "ticket: replyaddress.mailbox must be set, or bounces"},
		"bounces only":     {func(c *replyaddress.Config) { c.Mailbox = "" }, ""},
		"a plus":           {func(c *replyaddress.Config) { c.Mailbox = "support+x@example.org" }, "ticket: replyaddress.mailbox must be an address such as support@example.org, in ASCII and without a plus"},
		"a name":           {func(c *replyaddress.Config) { c.Mailbox = "Support <support@example.org>" }, "ticket: replyaddress.mailbox must be an address such as support@example.org, in ASCII and without a plus"},
		"a line break":     {func(c *replyaddress.Config) { c.Bounces = "a\r\nb@example.org" }, "ticket: replyaddress.bounces must be an address such as support@example.org, in ASCII and without a plus"},
		"not ASCII":        {func(c *replyaddress.Config) { c.Mailbox = "hilfe@münchen.example" }, "ticket: replyaddress.mailbox must be an address such as support@example.org, in ASCII and without a plus"},
		"no domain":        {func(c *replyaddress.Config) { c.Mailbox = "support@" }, "ticket: replyaddress.mailbox must be an address such as support@example.org, in ASCII and without a plus"},
		"a long domain":    {func(c *replyaddress.Config) { c.Mailbox = "support@" + strings.Repeat("a.", 95) + "a" }, "ticket: replyaddress.mailbox has a domain of 191 bytes; at most 189 are allowed"},
		"no keys":          {func(c *replyaddress.Config) { c.Keys = nil }, "ticket: replyaddress.keys are missing"},
		"a short key":      {func(c *replyaddress.Config) { c.Keys[0].Secret = []byte("hunter2") }, "ticket: replyaddress.keys has a secret of 7 bytes; at least 32 are needed"},
		"an ID twice":      {func(c *replyaddress.Config) { c.Keys = append(c.Keys, key(1)) }, "ticket: replyaddress.keys has the ID 1 twice"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config(key(1))
			c.change(&cfg)
			_, err := replyaddress.New(cfg)
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, c.want)
			require.ErrorIs(t, err, ticket.ErrInvalid)
		})
	}
}

func TestARequestThatCannotBeMadeIsRefused(t *testing.T) {
	a := addresses(t, config(key(1)))
	for want, change := range map[string]func(*replyaddress.Request){
		"ticket: replyaddress.kind must be Customer, AgentNote or AgentReply":           func(r *replyaddress.Request) { r.Kind = 0 },
		"ticket: replyaddress.person must have an ID, an address or a telephone number": func(r *replyaddress.Request) { r.Person = ticket.Person{Name: "Ada"} },
		"ticket: replyaddress.person must have the ID of an agent":                      func(r *replyaddress.Request) { r.Kind, r.Person.ID = replyaddress.AgentNote, "" },
		"ticket: replyaddress.number cannot be read back from an address":               func(r *replyaddress.Request) { r.Number = "INC-1" },
	} {
		r := request(replyaddress.Customer)
		change(&r)
		_, err := a.Make(r)
		require.EqualError(t, err, want)
		require.ErrorIs(t, err, ticket.ErrInvalid)
	}
	cfg := config(key(1))
	cfg.Mailbox = ""
	_, err := addresses(t, cfg).Make(request(replyaddress.Customer))
	require.EqualError(t, err, "ticket: replyaddress.mailbox is not configured")
	cfg = config(key(1))
	cfg.Bounces = ""
	require.Empty(t, addresses(t, cfg).Bounce("t", ticket.ID{1}))
}

// Numbers in another format, with characters that addresses cannot have.
func TestNumbersInAnotherFormat(t *testing.T) {
	cfg := config(key(1))
	cfg.NumberLength = 16
	cfg.Parse = func(s string) (ticket.Number, error) {
		if s == "PANIC" || s == "panic" {
			panic("no such number")
		}
		if !strings.HasPrefix(strings.ToUpper(s), "INC") {
			return "", errors.New("no number")
		}
		return ticket.Number(strings.ToUpper(s)), nil
	}
	a := addresses(t, cfg)
	for _, n := range []ticket.Number{"INC-000001", "INC 1/B", "INC+7"} {
		address := made(t, a, replyaddress.Request{Number: n, Kind: replyaddress.Customer, Person: ada})
		for _, written := range []string{address, strings.ToLower(address), strings.ToUpper(address)} {
			r, ok := a.Read("", written)
			require.True(t, ok && r.Signed() && r.For(ada), written)
			require.Equal(t, n, r.Number)
		}
	}
	_, err := a.Make(replyaddress.Request{Number: ticket.Number("INC-" + strings.Repeat("0", 19)), Kind: replyaddress.Customer, Person: ada})
	require.EqualError(t, err, "ticket: replyaddress.number is too long for an address: see Config.NumberLength")
	_, ok := a.Read("", "support+panic@example.org")
	require.False(t, ok, "a panic is an error")
}

func TestRecipientsGetTheirOwnAddresses(t *testing.T) {
	a := addresses(t, config(key(1)))
	n := ticket.Notification{Tenant: "t", Number: number}
	for name, c := range map[string]struct {
		to              ticket.Recipient
		replyTo, answer replyaddress.Kind
	}{
		"requester": {ticket.Recipient{Role: ticket.RoleRequester, Person: ada}, replyaddress.Customer, 0},
		"follower":  {ticket.Recipient{Role: ticket.RoleFollower, Person: ada}, replyaddress.Customer, 0},
		"agent":     {ticket.Recipient{Role: ticket.RoleAgent, Person: ada}, replyaddress.AgentNote, replyaddress.AgentReply},
		"queue":     {ticket.Recipient{Role: ticket.RoleAgent, Queue: "q", Level: 1}, 0, 0},
		"system":    {ticket.Recipient{Role: ticket.RoleSystem, Person: ada}, 0, 0},
	} {
		n.To = c.to
		for address, want := range map[string]replyaddress.Kind{a.ReplyTo(n): c.replyTo, a.AnswerTo(n): c.answer} {
			r, ok := a.Read("t", address)
			if c.replyTo == 0 {
				require.Empty(t, address, name)
				continue
			}
			require.Equal(t, want, r.Kind, name)
			require.Equal(t, want != 0, ok && r.For(ada), name)
		}
	}
}

func TestNoSecretIsPrinted(t *testing.T) {
	cfg := config(key(1))
	secret := string(cfg.Keys[0].Secret)
	a := addresses(t, cfg)
	r, _ := a.Read("t", made(t, a, request(replyaddress.Customer)))
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q", "%d"} {
		for _, v := range []any{a, *a, r, &r, cfg, cfg.Keys[0]} {
			s := fmt.Sprintf(verb, v)
			require.NotContains(t, s, secret[:8], verb)
			require.NotContains(t, s, fmt.Sprintf("%x", secret[:8]), verb)
			require.NotContains(t, s, "98 98 98", verb)
			require.NotContains(t, s, "0x62, 0x62", verb)
		}
	}
	cfg.Parse = nil
	b, err := json.Marshal(cfg.Keys)
	require.NoError(t, err)
	require.JSONEq(t, `["key 1"]`, string(b))
	require.Equal(t, "reply addresses at support@example.org, bounces at bounces@example.org", a.String())
}

func TestAddressesAreSafeForConcurrentUse(t *testing.T) {
	a := addresses(t, config(key(1)))
	for range 8 {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			r, ok := a.Read("t", made(t, a, request(replyaddress.AgentReply)))
			require.True(t, ok && r.For(ada))
		})
	}
}

func FuzzRead(f *testing.F) {
	a := addresses(f, config(key(1), key(2)))
	f.Add("t", old.customer)
	f.Add("t", old.reply)
	f.Add("t", strings.ToUpper(old.bounce))
	f.Add("", "Support <support+"+string(number)+"@example.org>")
	f.Add("", "+=4@=40")
	f.Fuzz(func(t *testing.T, tenant, address string) {
		if r, ok := a.Read(tenant, address); ok {
			require.NotEmpty(t, r.Number)
			if r.Signed() { // only an address that was made is
				require.Equal(t, "t", tenant)
				require.Equal(t, number, r.Number)
				require.Contains(t, strings.NewReplacer("O", "0", "o", "0", "I", "1", "i", "1", "L", "1", "l", "1").Replace(strings.ToLower(address)),
					strings.NewReplacer("o", "0", "i", "1", "l", "1").Replace(strings.ToLower(strings.TrimSuffix(made(t, a, request(r.Kind))[len("support+")+9:], "@example.org"))))
			}
		}
		if id, ok := a.ReadBounce(tenant, address); ok {
			require.Equal(t, "t", tenant)
			require.Equal(t, ticket.ID{1, 2, 3}, id)
		}
	})
}
