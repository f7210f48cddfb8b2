package ticket

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"math"
	"slices"
	"time"
)

// StatusLinks says how status links are made: signed addresses that show one ticket's
// customer view to whoever has them. See [Desk.StatusLink].
type StatusLinks struct {
	// Keys sign and check links. The first one signs; all of them check, so that
	// a key can be replaced: put the new one first, and take the old one out when
	// its last link has expired. No keys: no links.
	Keys []StatusLinkKey
	// URL makes the address of a token, such as
	// "https://help.example.org/t/" + token. It puts links into the notifications
	// for customers; nil: there are none. [NewDesk] tries it with no tenant, for the
	// notifiers that are a [StatusLinkChecker]; "", and a panic, say nothing then.
	URL func(tenant, token string) string
	// TTL is how long a link in a notification is good, from the event on.
	// Default: 90 days.
	TTL time.Duration
	// Scope is what the links in notifications allow besides looking. Default:
	// nothing.
	Scope StatusLinkScope
}

// StatusLinkKey is a key for status links. Two keys of a desk must not have the same
// ID. The secret should be 32 random bytes, and must be 32 at least.
type StatusLinkKey struct {
	ID     uint8
	Secret []byte
}

// StatusLinkScope is what a status link allows besides looking.
type StatusLinkScope uint8

// The scopes; they can be combined.
const (
	StatusLinkReply  StatusLinkScope = 1 << iota // to write: Reply with a message
	StatusLinkUpload                             // to send files: Reply with attachments
)

// String names the scopes, such as "reply, upload".
func (s StatusLinkScope) String() string { return flagString(uint8(s), linkScopeNames, ", ") }

var linkScopeNames = []string{"reply", "upload"} // in the order of the bits

const linkScopes = StatusLinkReply | StatusLinkUpload

// minLinkSecret is the shortest secret of a [StatusLinkKey], in bytes: as long as the
// digest, as RFC 2104, section 3, advises.
const minLinkSecret = sha256.Size

func (l StatusLinks) withDefaults() (StatusLinks, error) {
	for i, k := range l.Keys {
		if len(k.Secret) < minLinkSecret {
			return l, invalid("config.status_links.keys", "has a secret of %d bytes, at least %d are needed", len(k.Secret), minLinkSecret)
		}
		if slices.ContainsFunc(l.Keys[:i], func(o StatusLinkKey) bool { return o.ID == k.ID }) {
			return l, invalid("config.status_links.keys", "has the ID %d twice", k.ID)
		}
	}
	switch {
	case l.URL != nil && len(l.Keys) == 0:
		return l, invalid("config.status_links.keys", "are missing: an address needs a link that is signed")
	case l.TTL < 0:
		return l, invalid("config.status_links.ttl", "must not be negative")
	case l.Scope&^linkScopes != 0:
		return l, invalid("config.status_links.scope", "is not a set of known scopes")
	}
	l.TTL = cmp.Or(l.TTL, 90*24*time.Hour)
	l.Keys = slices.Clone(l.Keys)
	for i := range l.Keys {
		l.Keys[i].Secret = slices.Clone(l.Keys[i].Secret)
	}
	return l, nil
}

// The bytes of a token: version, key, ticket, scope, end, epoch, person; then the first half of the HMAC-SHA-256 over a domain, the
// tenant and all of these. RFC 2104, section 5, allows no less than half.
//
// The end is in seconds since 1970, or in minutes where these are more than four
// bytes hold: that is the version. The tokens of before have minutes.
//
// The person is four bytes of another HMAC over who it is for. They tell nothing
// to whoever lacks the key, and the desk compares them with the few who are
// concerned with the ticket; who is no longer one of them has a dead link.
const (
	minuteVersion = 1
	tokenVersion  = 2
	tokenBody     = 1 + 1 + 16 + 1 + 4 + 2 + 4
	tokenMAC      = 16
	tokenDomain   = "ticket link 1" // of all versions: the bytes have it as well
	personDomain  = "ticket link person 1"
	tokenSymbols  = "0123456789abcdefghjkmnpqrstvwxyz"
)

// tokenText is Crockford's base 32 in small letters: no symbol that a mail
// reader takes for the end of an address, none that is mistaken for another.
var tokenText = base32.NewEncoding(tokenSymbols).WithPadding(base32.NoPadding)

// TokenSize is how many symbols a status link's token has: letters and digits
// only. With an address before it, it fits a text message.
const TokenSize = (tokenBody + tokenMAC) * 8 / 5

// grant is what a token says.
type grant struct {
	ticket ID
	scope  StatusLinkScope
	until  time.Time
	epoch  uint16
	person [4]byte
}

// sign makes the token of a grant.
func (k StatusLinkKey) sign(tenant string, g grant) string {
	b := make([]byte, 0, tokenBody+tokenMAC)
	version, end := byte(tokenVersion), roundUp(g.until, time.Second)
	if end > math.MaxUint32 {
		version, end = minuteVersion, roundUp(g.until, time.Minute)
	}
	b = append(b, version, k.ID)
	b = append(b, g.ticket[:]...)
	b = append(b, byte(g.scope))
	b = binary.BigEndian.AppendUint32(b, uint32(end))
	b = binary.BigEndian.AppendUint16(b, g.epoch)
	b = append(b, g.person[:]...)
	return tokenText.EncodeToString(append(b, k.mac(tokenDomain, tenant, b)[:tokenMAC]...))
}

// roundUp returns how many units since 1970 a time is at most.
func roundUp(t time.Time, unit time.Duration) int64 {
	n, seconds := t.Unix(), int64(unit/time.Second)
	if t.Nanosecond() > 0 {
		n++
	}
	return (n + seconds - 1) / seconds
}

// mac is the HMAC over a domain, a tenant and some bytes.
func (k StatusLinkKey) mac(domain, tenant string, b []byte) []byte {
	h := hmac.New(sha256.New, k.Secret)
	h.Write([]byte(domain))
	h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(tenant))))
	h.Write([]byte(tenant))
	h.Write(b)
	return h.Sum(nil)
}

// person is how a token names somebody.
func (k StatusLinkKey) person(tenant string, id ID, p Person) (short [4]byte) {
	key := "id:" + p.ID // which stays when the address changes
	switch {            // as the links have it that are in letters: not Recipient.Key, which may learn more
	case p.ID != "":
	case p.Email != "":
		key = "mail:" + asciiLower(p.Email)
	default:
		key = "phone:" + p.Phone
	}
	copy(short[:], k.mac(personDomain, tenant, append(id[:], key...)))
	return short
}

// open reads a token and checks its signature, and nothing else. Symbols are
// taken in either case, and o for 0, i and l for 1.
func (l StatusLinks) open(tenant, token string) (grant, StatusLinkKey, bool) {
	b, ok := tokenBytes(token)
	if !ok || b[0] != tokenVersion && b[0] != minuteVersion {
		return grant{}, StatusLinkKey{}, false
	}
	unit := time.Second
	if b[0] == minuteVersion {
		unit = time.Minute
	}
	for _, k := range l.Keys {
		if k.ID != b[1] {
			continue
		}
		if !hmac.Equal(k.mac(tokenDomain, tenant, b[:tokenBody])[:tokenMAC], b[tokenBody:]) {
			break
		}
		g := grant{
			ticket: ID(b[2:18]), scope: StatusLinkScope(b[18]),
			until: time.Unix(int64(binary.BigEndian.Uint32(b[19:]))*int64(unit/time.Second), 0).UTC(), epoch: binary.BigEndian.Uint16(b[23:]),
		}
		copy(g.person[:], b[25:])
		return g, k, true
	}
	return grant{}, StatusLinkKey{}, false
}

// StatusLinkHolder is whoever has a status link, with the link's token. [Desk.Track] shows
// it the ticket, [Desk.Do] lets it write or send files where the link's scope
// says so, as the person that the link was made for; every other call refuses
// it. Give it the tenant with [Actor.InTenant], where there are several. What is wrong
// with a token is said by the call that it is given to: [ErrStatusLink].
func StatusLinkHolder(token string) Actor {
	return Actor{Role: RoleRequester, token: cmp.Or(token, "none")}
}

// StatusLinkRequest says what a status link is for.
type StatusLinkRequest struct {
	For   Person          // the ticket's requester or one of its followers; zero: the requester, or the actor where it is a customer
	Scope StatusLinkScope // what it allows besides looking
	TTL   time.Duration   // how long it is good, up to a second more (from the year 2106 on, a minute), not beyond the year 9999; 0: Config.StatusLinks.TTL
}

// StatusLink makes the token of a status link: whoever has it sees the customer's view
// of this ticket until the time has passed, the links of the ticket are revoked,
// or the person is concerned with the ticket no longer. It holds no address and
// no name. It cannot be listed or taken back alone; see [Desk.RevokeStatusLinks].
//
// Customers make links for themselves, and systems for every customer of the
// ticket. Agents do so as well, but for looking only, since they would otherwise
// write in the customer's name. Errors: [ErrNotFound], [ErrRefused],
// [ErrInvalid].
func (d *Desk) StatusLink(ctx context.Context, a Actor, id ID, r StatusLinkRequest) (token string, err error) {
	if err := d.checkActor(&a); err != nil {
		return "", err
	}
	c := check{Limits: d.cfg.Limits}
	if r.For = c.meant("link.for", r.For); c.err != nil {
		return "", c.err
	}
	t, err := d.load(ctx, a, id)
	if err != nil {
		return "", err
	}
	if err := d.may(a, t, ActionMakeStatusLink); err != nil {
		return "", err
	}
	refuse := func(detail string) error {
		return &RefusedError{Action: ActionMakeStatusLink, State: t.State(), Role: a.RoleOn(t), Why: whyRole, Detail: detail}
	}
	if r.For.IsZero() {
		r.For = t.Requester
		if a.Role == RoleRequester {
			r.For = a.Person
		}
	}
	end := d.now().Add(cmp.Or(r.TTL, d.cfg.StatusLinks.TTL))
	switch {
	case len(d.cfg.StatusLinks.Keys) == 0:
		return "", invalid("config.status_links.keys", "are missing: this desk makes no links")
	case a.Role == RoleRequester && !a.Person.Same(r.For):
		return "", refuse("a customer makes links for itself only")
	case a.Role == RoleAgent && r.Scope != 0:
		return "", refuse("an agent makes links for looking only")
	case r.Scope&^linkScopes != 0:
		return "", invalid("link.scope", "is not a set of known scopes")
	case r.TTL < 0 || end.After(lastTime):
		return "", invalid("link.ttl", "must not be negative, nor reach beyond the year 9999")
	}
	token, concerned := d.link(&t, r.For, r.Scope, end)
	if !concerned {
		return "", invalid("link.for", "must be the requester or a follower of the ticket")
	}
	return token, nil
}

// link makes a token for a person who is concerned with the ticket.
func (d *Desk) link(t *Ticket, p Person, scope StatusLinkScope, end time.Time) (token string, concerned bool) {
	to, concerned := t.standing(Recipient{Person: p})
	if !concerned {
		return "", false
	}
	k := d.cfg.StatusLinks.Keys[0]
	return k.sign(t.Tenant, grant{
		ticket: t.ID, scope: scope, until: end,
		epoch: uint16(t.LinkEpoch), person: k.person(t.Tenant, t.ID, to.Person),
	}), true
}

// checkLink asks a notifier whether it can take the addresses of status links.
func (d *Desk) checkLink(c StatusLinkChecker) error {
	l := &d.cfg.StatusLinks
	if l.URL == nil {
		return nil
	}
	token := l.Keys[0].sign("", grant{until: d.now().Add(l.TTL)})
	address := ""
	err := safely("Config.StatusLinks.URL", func() error { address = l.URL("", token); return nil })
	if err != nil || address == "" {
		return nil //nolint:nilerr // it needs to know the tenant
	}
	return c.CheckStatusLink(address)
}

// noticeLink is the status link in a notification; the same at every attempt,
// unless the links were revoked meanwhile.
func (d *Desk) noticeLink(t *Ticket, e *Event, to Recipient) string {
	l := &d.cfg.StatusLinks
	if l.URL == nil || to.Role&RoleCustomer == 0 {
		return ""
	}
	token, concerned := d.link(t, to.Person, l.Scope, nearest(e.At.Add(l.TTL), epoch, lastTime))
	if !concerned {
		return ""
	}
	return l.URL(t.Tenant, token)
}

// ActionMakeStatusLink and ActionRevokeStatusLinks are what a [Policy] is asked about when somebody
// calls [Desk.StatusLink] or [Desk.RevokeStatusLinks]; no workflow has them.
const (
	ActionMakeStatusLink    ActionName = "make link"
	ActionRevokeStatusLinks ActionName = "revoke links"
)

// RevokeStatusLinks makes all status links of a ticket that were made until now
// worthless, those of the tickets merged into it as well, and records who did
// it. Agents, systems and the ticket's requester may. It returns the ticket as
// [Desk.Do] does.
func (d *Desk) RevokeStatusLinks(ctx context.Context, a Actor, id ID) (Ticket, error) {
	if err := d.checkActor(&a); err != nil {
		return Ticket{}, err
	}
	return d.commit(ctx, a, id, "", nil, func(o *outcome) error {
		t, err := d.load(ctx, a, id)
		if err != nil {
			return err
		}
		if err := d.may(a, t, ActionRevokeStatusLinks); err != nil {
			return err
		}
		if a.RoleOn(t) == RoleFollower {
			return &RefusedError{Action: ActionRevokeStatusLinks, State: t.State(), Role: RoleFollower, Why: whyRole, Detail: "links are for the requester and the desk to revoke"}
		}
		list, err := d.mergedInto(ctx, t)
		if err != nil {
			return err
		}
		for i := range list {
			if err := d.revoke(o, a, a.RoleOn(t), list[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

// mergedInto returns a ticket and those that were merged into it, or into one of
// these.
func (d *Desk) mergedInto(ctx context.Context, t Ticket) ([]Ticket, error) {
	list, seen := []Ticket{t}, map[ID]bool{t.ID: true}
	for i := 0; i < len(list); i++ {
		for _, l := range list[i].Links {
			if l.Relation != RelationDuplicatedBy || seen[l.Ticket] {
				continue
			}
			seen[l.Ticket] = true
			other, err := d.store.Ticket(ctx, t.Tenant, l.Ticket)
			if err != nil && !isNotFound(err) {
				return nil, err
			}
			if err == nil && other.MergedInto == list[i].ID {
				list = append(list, other)
			}
		}
	}
	return list, nil
}

// revoke puts the event that revokes a ticket's links into the outcome.
func (d *Desk) revoke(o *outcome, a Actor, role Role, t Ticket) error {
	if t.LinkEpoch >= math.MaxUint16 {
		return invalid("ticket.link_epoch", "has reached its end: links were revoked %d times", t.LinkEpoch)
	}
	w, err := d.workflowOf(&t)
	if err != nil {
		return err
	}
	e := ownEvent(w, &t, ActionRevokeStatusLinks, d.now())
	e.By, e.Actor = By{Role: role}, Person{}
	e.by(a)
	e.Set.LinkEpoch = t.LinkEpoch + 1
	d.add(o, t, e)
	return nil
}

// admit returns the actor that a call is made by: the one given or, for the
// holder of a link, the person that it was made for, confined to the ticket.
func (d *Desk) admit(ctx context.Context, a Actor) (Actor, error) {
	if a.token == "" {
		err := d.checkActor(&a)
		return a, err
	}
	g, k, ok := d.cfg.StatusLinks.open(a.Tenant, a.token)
	if !ok {
		return Actor{}, &StatusLinkError{}
	}
	t, err := d.store.Ticket(ctx, a.Tenant, g.ticket)
	if isNotFound(err) {
		return Actor{}, &StatusLinkError{}
	}
	if err != nil {
		return Actor{}, err
	}
	held := &heldLink{g, k}
	p, err := d.opens(held, &t)
	if err != nil {
		return Actor{}, err
	}
	who := Requester(p).InTenant(a.Tenant)
	if cleaned := who; d.checkActor(&cleaned) == nil {
		who = cleaned // else it was stored when more was taken
	}
	who.only, who.scope, who.held = t.ID, g.scope, held
	return who, nil
}

// A heldLink is the link that an actor came by.
type heldLink struct {
	grant
	key StatusLinkKey
}

// opens returns whom a link was made for, as the ticket stands, and an error where
// it is not good any more.
func (d *Desk) opens(h *heldLink, t *Ticket) (Person, error) {
	switch {
	case !d.now().Before(h.until):
		return Person{}, &StatusLinkError{Expired: h.until}
	case int(h.epoch) != t.LinkEpoch:
		return Person{}, &StatusLinkError{}
	}
	for _, p := range append([]Person{t.Requester}, t.Followers...) {
		if short := h.key.person(t.Tenant, t.ID, p); hmac.Equal(short[:], h.person[:]) {
			return p, nil
		}
	}
	return Person{}, &StatusLinkError{}
}

// stillLinked checks the link of an actor again, on its ticket as it was just read:
// it may have been revoked, or the person have left, since the call began.
func (d *Desk) stillLinked(a Actor, t *Ticket) error {
	if a.held == nil || t.ID != a.only {
		return nil
	}
	_, err := d.opens(a.held, t)
	return err
}

// linkedTo checks it where the ticket at hand goes on with the one that the link is
// for. That one is read after it: links of both are revoked together, so who revoked
// them before is seen here, and who does it later changes the ticket at hand.
func (d *Desk) linkedTo(ctx context.Context, a Actor, t *Ticket) error {
	if a.held == nil || t.ID == a.only {
		return nil
	}
	_, err := d.load(ctx, a, a.only)
	return err
}

// confined refuses what the link of an actor does not allow. Besides the ticket
// that the link is for it takes the one that goes on with its case, which is
// the one that Track shows.
func (d *Desk) confined(ctx context.Context, a Actor, id ID, act *Action) error {
	if a.only.IsZero() {
		return nil
	}
	if id != a.only {
		if t, err := d.find(ctx, a, a.only.String()); err != nil || t.ID != id {
			return cmp.Or(err, error(&NotFoundError{What: "ticket", Ref: id.String()}))
		}
	}
	refuse := func(detail string) error {
		return &RefusedError{Action: act.Name, Role: RoleRequester, Why: whyStatusLink, Detail: detail}
	}
	switch {
	case act.Name != ActionReply || a.scope == 0:
		return refuse("this status link lets nobody do that")
	case act.Message == "" && len(act.Attachments) == 0:
		return refuse("through a status link, a reply needs words or files")
	case act.Message != "" && a.scope&StatusLinkReply == 0:
		return refuse("this status link does not let its holder write")
	case len(act.Attachments) > 0 && a.scope&StatusLinkUpload == 0:
		return refuse("this status link does not let its holder send files")
	}
	return nil
}
