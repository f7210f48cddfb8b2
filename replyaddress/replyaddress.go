package replyaddress

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/internal/crockford"
	"github.com/ticketkit/ticket/internal/plusaddress"
)

// Kind says whom a reply address was made for, and what a mail to it becomes.
type Kind uint8

// The kinds of reply addresses.
const (
	Customer   Kind = iota + 1 // for a customer; a mail is the customer's reply
	AgentNote                  // for an agent; a mail is an internal note
	AgentReply                 // for an agent; a mail is an answer to the customer
)

var kindNames = [...]string{Customer: "customer", AgentNote: "agent's note", AgentReply: "agent's reply"}

// String returns the kind in words, or "none".
func (k Kind) String() string {
	if k == 0 || int(k) >= len(kindNames) {
		return "none"
	}
	return kindNames[k]
}

// Config configures [Addresses].
type Config struct {
	// Mailbox receives replies, such as "support@example.org". The part before the @ has
	// at most 20 bytes, or fewer if numbers are long: see NumberLength. Empty means no
	// reply addresses.
	Mailbox string
	// Bounces receives letters that could not be delivered, such as "bounces@example.org".
	// The part before the @ has at most 16 bytes. Empty means no bounce addresses.
	Bounces string
	// Keys sign and verify addresses. The first key signs. At least one is required.
	Keys []Key

	// Parse reads a number, like [ticket.Numbers].Parse. It must accept letters in any
	// case, because mail servers may change it. Nil means [ticket.ParseNumber].
	Parse func(text string) (ticket.Number, error)
	// NumberLength is the length of the longest number as it stands in an address: letters,
	// digits, "-" and "_" are one byte each, and every other character is three. It must be
	// set together with Parse. [New] refuses a Mailbox that leaves no room for such a
	// number. Zero means 9, the length of a number in the default format without its
	// dashes.
	NumberLength int
}

// Key is a key for addresses. Two keys must not have the same ID. Secret should be 32
// random bytes and must have at least 32 bytes. Use no key for anything else.
type Key struct {
	ID     uint8
	Secret []byte
}

// Format writes the ID for every verb, so that the secret is not printed.
func (k Key) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "key %d", k.ID) }

// MarshalText returns the ID, so that the secret is not encoded.
func (k Key) MarshalText() ([]byte, error) { return []byte("key " + strconv.Itoa(int(k.ID))), nil }

// Sizes of what follows the plus sign, in bytes before and in symbols after encoding.
const (
	personSize = 4
	macSize    = 16
	replySize  = 1 + personSize + macSize
	replyTail  = 34

	idSize        = len(ticket.ID{})
	bounceMACSize = 12 // leaves room for the name of a mailbox; RFC 2104, section 5, allows no less than 10
	bounceSize    = 1 + idSize + bounceMACSize
	bounceTail    = 47

	maxLocal      = 64 // RFC 5321, section 4.5.3.1.1
	maxAddress    = 254
	maxRead       = 1000 // the longest text that is read
	defaultNumber = 9
	minSecret     = sha256.Size
)

// The domains of the MACs.
const (
	replyDomain  = "ticket reply address 1"
	bounceDomain = "ticket bounce address 1"
	personDomain = "ticket reply address person 1"
)

// Addresses makes and reads signed addresses. Make one with [New]. It is safe for concurrent
// use.
type Addresses struct {
	mailbox, bounces mailbox
	keys             []Key
	parse            func(string) (ticket.Number, error)
}

// mailbox is an address in two parts.
type mailbox struct{ local, domain string }

func (m mailbox) String() string {
	if m.local == "" {
		return "none"
	}
	return m.local + "@" + m.domain
}

// with returns the address with a text after the plus sign, or "" if it is too long.
func (m mailbox) with(tail string) string {
	local := m.local + "+" + tail
	if m.local == "" || len(local) > maxLocal || len(local)+1+len(m.domain) > maxAddress {
		return ""
	}
	return local + "@" + m.domain
}

// New checks the configuration. Its error joins all faults, each an [*ticket.InvalidError].
func New(cfg Config) (*Addresses, error) {
	a := &Addresses{parse: cfg.Parse}
	var faults []error
	fault := func(field, format string, args ...any) {
		faults = append(faults, &ticket.InvalidError{Field: "replyaddress." + field, Reason: fmt.Sprintf(format, args...)})
	}
	number := defaultNumber
	switch {
	case cfg.Parse == nil && cfg.NumberLength != 0 && cfg.NumberLength != defaultNumber:
		fault("number_length", "must be zero without Parse: numbers of the default format have %d bytes", defaultNumber)
	case cfg.Parse != nil && cfg.NumberLength < 1:
		fault("number_length", "must be the length of the longest number, because Parse is set")
	case cfg.Parse != nil:
		number = cfg.NumberLength
	default:
		a.parse = ticket.ParseNumber
	}
	read := func(field, address string, tail int) (m mailbox) {
		if address == "" {
			return m
		}
		local, domain, found := strings.Cut(address, "@")
		room := maxLocal - len("+") - tail
		switch {
		case !found || !isLocal(local) || !isDomain(domain):
			fault(field, "must be an address such as support@example.org, in ASCII and without a plus")
			return m
		case room < 1:
			fault(field, "cannot have signed addresses: numbers of %d bytes leave no room for a name (the part before the @ has at most %d bytes: RFC 5321)", number, maxLocal)
		case len(local) > room:
			fault(field, "has %d bytes before the @; at most %d leave room for the signature (RFC 5321 allows %d in all)", len(local), room, maxLocal)
		case maxLocal+1+len(domain) > maxAddress:
			fault(field, "has a domain of %d bytes; at most %d are allowed", len(domain), maxAddress-maxLocal-1)
		}
		return mailbox{local: local, domain: domain}
	}
	a.mailbox = read("mailbox", cfg.Mailbox, number+replyTail)
	a.bounces = read("bounces", cfg.Bounces, bounceTail)
	if cfg.Mailbox == "" && cfg.Bounces == "" {
		fault("mailbox", "must be set, or bounces")
	}
	if len(cfg.Keys) == 0 {
		fault("keys", "are missing")
	}
	for i, k := range cfg.Keys {
		if len(k.Secret) < minSecret {
			fault("keys", "has a secret of %d bytes; at least %d are needed", len(k.Secret), minSecret)
		}
		if slices.ContainsFunc(cfg.Keys[:i], func(o Key) bool { return o.ID == k.ID }) {
			fault("keys", "has the ID %d twice", k.ID)
		}
		a.keys = append(a.keys, Key{ID: k.ID, Secret: slices.Clone(k.Secret)})
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return a, nil
}

// isLocal reports whether s can be the part before the @ without quotes (RFC 5322, section
// 3.2.3), and has no plus.
func isLocal(s string) bool {
	for part := range strings.SplitSeq(s, ".") {
		if part == "" || strings.ContainsFunc(part, func(r rune) bool { return !letterOrDigit(r) && !strings.ContainsRune("!#$%&'*-/=?^_`{|}~", r) }) {
			return false
		}
	}
	return true
}

func isDomain(s string) bool {
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || strings.ContainsFunc(label, func(r rune) bool { return !letterOrDigit(r) && r != '-' && r != '_' }) {
			return false
		}
	}
	return true
}

func letterOrDigit(r rune) bool {
	return 'a' <= r|0x20 && r|0x20 <= 'z' && r < 0x80 || '0' <= r && r <= '9'
}

// Mailbox returns the mailbox for replies, or "" if there is none.
func (a *Addresses) Mailbox() string {
	if a.mailbox.local == "" {
		return ""
	}
	return a.mailbox.String()
}

// String names the mailboxes. It contains no secret.
func (a Addresses) String() string {
	return fmt.Sprintf("reply addresses at %s, bounces at %s", a.mailbox, a.bounces)
}

// Format writes String for every verb, so that no secret is printed.
func (a Addresses) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, a.String()) }

// Request describes a reply address to make.
type Request struct {
	Tenant string
	Number ticket.Number
	Kind   Kind
	// Person is whom the address is for: the requester or a follower of the ticket for
	// Customer, and otherwise the agent, who needs an ID. The ID stands for a person who
	// has one; otherwise the address, or the telephone number, does.
	Person ticket.Person
}

// Make returns a reply address. Equal requests give equal addresses, as long as the first
// key is the same. The error is an [*ticket.InvalidError], also for a number that does not fit
// before the @.
func (a *Addresses) Make(r Request) (string, error) {
	invalid := func(field, reason string) (string, error) {
		return "", &ticket.InvalidError{Field: "replyaddress." + field, Reason: reason}
	}
	names := namesOf(r.Kind, r.Person)
	switch {
	case a.mailbox.local == "":
		return invalid("mailbox", "is not configured")
	case r.Kind.String() == "none":
		return invalid("kind", "must be Customer, AgentNote or AgentReply")
	case len(names) == 0 && r.Kind == Customer:
		return invalid("person", "must have an ID, an address or a telephone number")
	case len(names) == 0:
		return invalid("person", "must have the ID of an agent")
	}
	if n, err := a.number(plusNumber(r.Number)); err != nil || n != r.Number {
		return invalid("number", "cannot be read back from an address")
	}
	k := a.keys[0]
	short := k.person(r.Tenant, r.Number, names[0])
	body := append(make([]byte, 0, replySize), k.ID)
	body = append(body, short[:]...)
	body = append(body, k.replyMAC(r.Tenant, r.Number, r.Kind, short)...)
	address := a.mailbox.with(plusNumber(r.Number) + crockford.Encode(body))
	if address == "" {
		return invalid("number", "is too long for an address: see Config.NumberLength")
	}
	return address, nil
}

// ReplyTo returns the reply address for the recipient of a notification: of the kind
// Customer for a customer and AgentNote for an agent. It returns "" for all others, such as
// a queue, and for a number that does not fit.
func (a *Addresses) ReplyTo(n ticket.Notification) string { return a.forRecipient(n, AgentNote) }

// AnswerTo returns the address by which the recipient of a notification answers the customer,
// of the kind AgentReply. It returns "" unless the recipient is an agent.
func (a *Addresses) AnswerTo(n ticket.Notification) string {
	if n.To.Role != ticket.RoleAgent {
		return ""
	}
	return a.forRecipient(n, AgentReply)
}

func (a *Addresses) forRecipient(n ticket.Notification, agent Kind) string {
	r := Request{Tenant: n.Tenant, Number: n.Number, Kind: Customer, Person: n.To.Person}
	switch {
	case n.To.Role&ticket.RoleCustomer != 0:
	case n.To.Role == ticket.RoleAgent:
		r.Kind = agent
	default:
		return ""
	}
	address, err := a.Make(r)
	if err != nil {
		return ""
	}
	return address
}

// Reply is what a reply address says.
type Reply struct {
	Number ticket.Number
	// Kind is zero if the address has no valid signature. Then only its number is known,
	// which everyone can write: treat it like a number in a subject.
	Kind Kind

	tenant string
	key    Key
	person [personSize]byte
}

// Signed reports whether the address was made with one of the keys, for the tenant.
func (r Reply) Signed() bool { return r.Kind != 0 }

// For reports whether the address was made for a person: for an agent by the ID, and for a
// customer by the ID, the mail address or the telephone number. Ask for each of the people on
// the ticket, for each agent, or for the sender. Different people pass for one another in one of
// four billion cases, so do not compare with people who have nothing to do with the ticket.
func (r Reply) For(p ticket.Person) bool {
	is := false
	for _, name := range namesOf(r.Kind, p) {
		short := r.key.person(r.tenant, r.Number, name)
		is = hmac.Equal(short[:], r.person[:]) || is
	}
	return is
}

// Format writes the number and the kind for every verb, so that no secret is printed.
func (r Reply) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "reply address of %s, kind: %s", r.Number, r.Kind)
}

// Read reads a reply address, with or without a name and angle brackets, in any case. It
// reports false if the address has no ticket number. The mailbox and the domain may be any:
// servers and forwarders change them, and the signature proves where the rest is from.
// An address with a number but without a valid signature for the tenant is not
// [Reply.Signed].
func (a *Addresses) Read(tenant, address string) (Reply, bool) {
	tail, ok := afterPlus(address)
	if !ok {
		return Reply{}, false
	}
	if at := len(tail) - replyTail; at > 0 {
		if body, ok := crockford.Decode(tail[at:]); ok && len(body) == replySize {
			if n, err := a.number(tail[:at]); err == nil {
				r := Reply{Number: n}
				a.verify(&r, tenant, body)
				return r, true
			}
		}
	}
	n, err := a.number(tail)
	return Reply{Number: n}, err == nil
}

// verify sets the kind, if the body has a valid signature.
func (a *Addresses) verify(r *Reply, tenant string, body []byte) {
	i := slices.IndexFunc(a.keys, func(k Key) bool { return k.ID == body[0] })
	if i < 0 {
		return
	}
	k, person, mac := a.keys[i], [personSize]byte(body[1:]), body[1+personSize:]
	for kind := Customer; kind <= AgentReply; kind++ {
		if hmac.Equal(k.replyMAC(tenant, r.Number, kind, person), mac) {
			r.Kind, r.tenant, r.key, r.person = kind, tenant, k, person
		}
	}
}

// Bounce returns the bounce address of a delivery, or "" if there is no mailbox for bounces.
func (a *Addresses) Bounce(tenant string, delivery ticket.ID) string {
	k := a.keys[0]
	body := append(make([]byte, 0, bounceSize), k.ID)
	body = append(body, delivery[:]...)
	return a.bounces.with(crockford.Encode(append(body, k.bounceMAC(tenant, delivery)...)))
}

// ReadBounce reads a bounce address, and returns the ID of the delivery. It reports false if
// the address has no valid signature for the tenant. Mailbox and domain may be any.
func (a *Addresses) ReadBounce(tenant, address string) (delivery ticket.ID, ok bool) {
	tail, ok := afterPlus(address)
	if !ok || len(tail) != bounceTail {
		return ticket.ID{}, false
	}
	body, ok := crockford.Decode(tail)
	if !ok || len(body) != bounceSize {
		return ticket.ID{}, false
	}
	id := ticket.ID(body[1 : 1+idSize])
	for _, k := range a.keys {
		if k.ID == body[0] && hmac.Equal(k.bounceMAC(tenant, id), body[1+idSize:]) {
			return id, true
		}
	}
	return ticket.ID{}, false
}

// afterPlus returns what follows the last plus sign before the last @.
func afterPlus(address string) (string, bool) {
	if len(address) > maxRead {
		return "", false
	}
	if i := strings.LastIndexByte(address, '<'); i >= 0 {
		address, _, _ = strings.Cut(address[i+1:], ">")
	}
	at := strings.LastIndexByte(address, '@')
	if at < 0 || at == len(address)-1 {
		return "", false
	}
	local := strings.TrimSuffix(strings.TrimSpace(address[:at]), `"`)
	plus := strings.LastIndexByte(local, '+')
	if plus < 0 || plus == len(local)-1 {
		return "", false
	}
	return local[plus+1:], true
}

// number reads a number as plusNumber writes it. Parse may panic on input that it does not
// expect.
func (a *Addresses) number(text string) (n ticket.Number, err error) {
	defer func() {
		if p := recover(); p != nil {
			n, err = "", errors.New("replyaddress: Config.Parse panicked")
		}
	}()
	n, err = a.parse(plusaddress.Decode(text))
	if err == nil && n == "" {
		err = errors.New("replyaddress: no number")
	}
	return n, err
}

// plusNumber returns a number as it is written after a plus.
func plusNumber(n ticket.Number) string {
	return plusaddress.Encode(string(n), func(short string) bool {
		read, err := ticket.ParseNumber(short)
		return err == nil && read == n
	})
}

// namesOf returns the texts that can stand for a person, the first of which does. They must
// not change: addresses that were sent depend on them.
func namesOf(k Kind, p ticket.Person) (names []string) {
	add := func(prefix, name string) {
		if name != "" {
			names = append(names, prefix+name)
		}
	}
	switch k {
	case AgentNote, AgentReply:
		add("agent:", p.ID)
	case Customer:
		add("id:", p.ID)
		add("mail:", asciiLower(p.Email))
		add("phone:", p.Phone)
	}
	return names
}

func asciiLower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			r |= 0x20
		}
		return r
	}, s)
}

// person returns four bytes that stand for a person in the addresses of one ticket. They
// reveal nothing without the key.
func (k Key) person(tenant string, n ticket.Number, name string) [personSize]byte {
	return [personSize]byte(k.mac(personDomain, tenant, string(n), name))
}

func (k Key) replyMAC(tenant string, n ticket.Number, kind Kind, person [personSize]byte) []byte {
	return k.mac(replyDomain, tenant, string(n), string([]byte{k.ID, byte(kind)}), string(person[:]))[:macSize]
}

func (k Key) bounceMAC(tenant string, delivery ticket.ID) []byte {
	return k.mac(bounceDomain, tenant, string([]byte{k.ID}), string(delivery[:]))[:bounceMACSize]
}

// mac returns the HMAC over texts, each after its length.
func (k Key) mac(texts ...string) []byte {
	h := hmac.New(sha256.New, k.Secret)
	for _, s := range texts {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(s))))
		h.Write([]byte(s))
	}
	return h.Sum(nil)
}
