// Package linktoken encodes, signs and verifies the tokens of status links. It
// knows nothing of tickets, people or time limits: the caller decides who may
// have a token, and whether it is still valid.
package linktoken

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"math"
	"time"

	"github.com/ticketkit/ticket/internal/crockford"
)

// The bytes of a token: version, key, ticket, scope, end, epoch, person; then the
// first half of the HMAC-SHA-256 over a domain, the tenant and all of these.
// RFC 2104, section 5, allows no less than half.
//
// Version 2 has the end in seconds since 1970. Version 1 has it in minutes. It is the
// version of older tokens, and of tokens whose end in seconds does not fit into four
// bytes (after the year 2106).
//
// The person is four bytes of another HMAC. They reveal nothing without the key.
// The caller compares them with the few people who are concerned with the ticket.
const (
	minuteVersion = 1
	secondVersion = 2

	bodySize = 1 + 1 + 16 + 1 + 4 + 2 + 4
	macSize  = 16

	tokenDomain  = "ticket link 1" // for both versions: the version is in the bytes
	personDomain = "ticket link person 1"
)

// Size is the length of a token in bytes, which are ASCII letters and digits only.
const Size = (bodySize + macSize) * 8 / 5

// MinSecret is the length of the shortest secret of a [Key], in bytes: the length
// of the digest, as RFC 2104, section 3, advises.
const MinSecret = sha256.Size

// Key signs and verifies tokens.
type Key struct {
	ID     uint8
	Secret []byte
}

// Grant is the content of a token.
type Grant struct {
	Ticket [16]byte
	Scope
	Until  time.Time
	Epoch  uint16  // how often the ticket's links had been revoked
	Person [4]byte // see [Key.Person]
}

// Scope says what the holder of a token may do besides reading. A field is a bit of a
// byte, from the lowest. A program that does not know a bit ignores it, so a bit must only
// allow something; and bits must not change their places.
type Scope struct {
	Reply, Upload, Rate, Confirm, Reopen, Cancel bool
}

// scopes has the bits that are in use.
const scopes = 1<<6 - 1

// fields has a pointer to each field, in the order of the bits.
func (s *Scope) fields() [6]*bool {
	return [...]*bool{&s.Reply, &s.Upload, &s.Rate, &s.Confirm, &s.Reopen, &s.Cancel}
}

// bits returns the scope as a byte of a token.
func (s Scope) bits() (b byte) {
	for i, f := range s.fields() {
		if *f {
			b |= 1 << i
		}
	}
	return b
}

// scopeOf reads the byte of a token.
func scopeOf(b byte) (s Scope) {
	for i, f := range s.fields() {
		*f = b&(1<<i) != 0
	}
	return s
}

// Sign returns the token of a grant. Until is rounded up to a second, or to a
// minute after the year 2106.
func (k Key) Sign(tenant string, g Grant) string {
	b := make([]byte, 0, bodySize+macSize)
	version, end := byte(secondVersion), roundUp(g.Until, time.Second)
	if end > math.MaxUint32 {
		version, end = minuteVersion, roundUp(g.Until, time.Minute)
	}
	b = append(b, version, k.ID)
	b = append(b, g.Ticket[:]...)
	b = append(b, g.bits())
	b = binary.BigEndian.AppendUint32(b, uint32(end))
	b = binary.BigEndian.AppendUint16(b, g.Epoch)
	b = append(b, g.Person[:]...)
	// These symbols never end a link in a mail program, and no two of them look alike.
	return crockford.Encode(append(b, k.mac(tokenDomain, tenant, b)[:macSize]...))
}

// roundUp returns a time as a number of units since 1970, rounded up.
func roundUp(t time.Time, unit time.Duration) int64 {
	n, seconds := t.Unix(), int64(unit/time.Second)
	if t.Nanosecond() > 0 {
		n++
	}
	return (n + seconds - 1) / seconds
}

// mac returns the HMAC over a domain, a tenant and some bytes.
func (k Key) mac(domain, tenant string, b []byte) []byte {
	h := hmac.New(sha256.New, k.Secret)
	h.Write([]byte(domain))
	h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(tenant))))
	h.Write([]byte(tenant))
	h.Write(b)
	return h.Sum(nil)
}

// Person returns four bytes that identify a person in the tokens of one ticket. They
// are an HMAC of the name, so a token does not contain the name itself.
func (k Key) Person(tenant string, ticket [16]byte, name string) (short [4]byte) {
	copy(short[:], k.mac(personDomain, tenant, append(ticket[:], name...)))
	return short
}

// Token is a token that was read. Do not trust its content before Verify has
// reported true.
type Token struct {
	KeyID uint8
	Grant Grant
	bytes []byte
}

// Parse reads a token. It accepts upper case, o for 0, and i and l for 1. It does
// not check the signature.
func Parse(token string) (Token, bool) {
	b, ok := decode(token)
	if !ok {
		return Token{}, false
	}
	unit := int64(1)
	switch b[0] {
	case secondVersion:
	case minuteVersion:
		unit = 60
	default:
		return Token{}, false
	}
	g := Grant{
		Ticket: [16]byte(b[2:18]), Scope: scopeOf(b[18]),
		Until: time.Unix(int64(binary.BigEndian.Uint32(b[19:]))*unit, 0).UTC(),
		Epoch: binary.BigEndian.Uint16(b[23:]), Person: [4]byte(b[25:bodySize]),
	}
	return Token{KeyID: b[1], Grant: g, bytes: b}, true
}

// Verify reports whether the key signed the token for the tenant.
func (t Token) Verify(k Key, tenant string) bool {
	return len(t.bytes) == bodySize+macSize && t.KeyID == k.ID &&
		hmac.Equal(k.mac(tokenDomain, tenant, t.bytes[:bodySize])[:macSize], t.bytes[bodySize:])
}

// decode returns the bytes of a token.
func decode(token string) ([]byte, bool) {
	if len(token) != Size {
		return nil, false
	}
	return crockford.Decode(token)
}
