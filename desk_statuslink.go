package ticket

import (
	"cmp"
	"context"
	"crypto/hmac"
	"math"
	"slices"
	"time"

	"github.com/ticketkit/ticket/internal/linktoken"
)

// StatusLinks configures status links: signed addresses that show the customer's
// view of one ticket without an account. See [Desk.StatusLink].
type StatusLinks struct {
	// Keys sign and verify links. The first key signs; all of them verify, so that
	// you can replace a key: put the new one first, and remove the old one when its
	// last link has expired. Without keys there are no links.
	Keys []StatusLinkKey
	// URL returns the address for a token, such as
	// "https://help.example.org/t/" + token. A token has 72 characters, which are
	// ASCII letters and digits; with an address before it, it fits into a text
	// message. The address is put into notifications for customers. Nil means that
	// notifications have no links. [NewDesk] calls URL once with an empty tenant and
	// shows the address to each [NotifierChecker]; it ignores an empty address and a
	// panic then.
	URL func(tenant, token string) string
	// TTL is how long a link in a notification is valid, from the time of the event.
	// Zero means 90 days.
	TTL time.Duration

	// The other fields say what the holder of a link in a notification may do besides
	// reading; see [StatusLinkRequest]. A link of [KindFeedback] is for rating only.
	// Links that were sent keep what they allowed when they were made.

	Reply   bool // ActionReply with a message
	Upload  bool // ActionReply with attachments
	Confirm bool // ActionConfirm
	Reopen  bool // ActionReopen
	Cancel  bool // ActionCancel
	Rate    bool // Desk.Rate, in links for the requester
}

// StatusLinkKey is a key for status links. Two keys of a desk must not have the
// same ID. Secret should be 32 random bytes and must have at least 32 bytes.
type StatusLinkKey struct {
	ID     uint8
	Secret []byte
}

func (l StatusLinks) withDefaults() (StatusLinks, error) {
	for i, k := range l.Keys {
		if len(k.Secret) < linktoken.MinSecret {
			return l, invalid("config.status_links.keys", "has a secret of %d bytes, at least %d are needed", len(k.Secret), linktoken.MinSecret)
		}
		if slices.ContainsFunc(l.Keys[:i], func(o StatusLinkKey) bool { return o.ID == k.ID }) {
			return l, invalid("config.status_links.keys", "has the ID %d twice", k.ID)
		}
	}
	switch {
	case l.URL != nil && len(l.Keys) == 0:
		return l, invalid("config.status_links.keys", "are missing: links are signed with them")
	case l.TTL < 0:
		return l, invalid("config.status_links.ttl", "must not be negative")
	}
	l.TTL = cmp.Or(l.TTL, 90*24*time.Hour)
	l.Keys = slices.Clone(l.Keys)
	for i := range l.Keys {
		l.Keys[i].Secret = slices.Clone(l.Keys[i].Secret)
	}
	return l, nil
}

// open reads a token and verifies its signature, and nothing else.
func (l StatusLinks) open(tenant, token string) (linktoken.Grant, linktoken.Key, bool) {
	t, ok := linktoken.Parse(token)
	if !ok {
		return linktoken.Grant{}, linktoken.Key{}, false
	}
	for _, k := range l.Keys {
		if key := linktoken.Key(k); t.Verify(key, tenant) {
			return t.Grant, key, true
		}
	}
	return linktoken.Grant{}, linktoken.Key{}, false
}

// linkName returns the text that stands for a person in a token. It must not
// change: links that were sent depend on it. So it is not Recipient.Key, which may
// change.
func linkName(p Person) string {
	switch {
	case p.ID != "":
		return "id:" + p.ID // which stays when the address changes
	case p.Email != "":
		return "mail:" + asciiLower(p.Email)
	default:
		return "phone:" + p.Phone
	}
}

// Redact returns text with "…" in place of every token that is signed with one of the
// keys, for access logs and error reports: everyone who has a token can use it. The
// rest of an address stays. It finds whole tokens, also those that end lines or
// markup break up, and does not check signatures: about one in 130,000 other texts of 72
// such letters and digits is taken for a token as well. Without keys it returns text.
func (l StatusLinks) Redact(text string) string { return l.cutTokens(text) }

// cutTokens replaces the desk's own status links in a text by "…". It is for text
// that goes to other people than its writer: a reply quotes the letter that it
// answers, and the holder of a link acts as the person the letter was sent to.
func (l *StatusLinks) cutTokens(text string) string {
	if len(l.Keys) == 0 {
		return text
	}
	return l.text().Cut(text)
}

// cutNames does the same in the names of files, in place.
func (l *StatusLinks) cutNames(list []Attachment) []Attachment {
	for i := range list {
		list[i].Name = l.cutTokens(list[i].Name)
	}
	return list
}

// mayBegin reports whether a text may contain a part of a token that is long enough to
// be worth hiding.
func (l *StatusLinks) mayBegin(text string) bool {
	return len(l.Keys) > 0 && l.text().HasPart(text)
}

func (l *StatusLinks) text() linktoken.Text {
	return linktoken.Text{Unseen: unseen, Vacant: vacant, Known: func(id uint8) bool {
		return slices.ContainsFunc(l.Keys, func(k StatusLinkKey) bool { return k.ID == id })
	}}
}

// StatusLinkHolder returns the actor that holds a status link with this token.
// [Desk.Track] and [Desk.Messages] show it the ticket. [Desk.Do] and [Desk.Rate] let it
// act as the person the link was made for, as far as the link allows it; see
// [StatusLinkRequest]. Every other call refuses it. Set the tenant with [Actor.InTenant] if there are several.
// A call with an invalid token returns [ErrStatusLink].
func StatusLinkHolder(token string) Actor {
	return Actor{Role: RoleRequester, token: cmp.Or(token, "none")}
}

// StatusLinkRequest describes a status link to make. Its holder can always read. Reply,
// Upload, Confirm, Reopen, Cancel and Rate add to that, each for itself. The workflow
// and the policy decide as well, as they do for the person the link is for:
// a confirmation is the requester's in the [DefaultWorkflow].
type StatusLinkRequest struct {
	// For is the ticket's requester or one of its followers. Zero means the
	// requester, or the actor if that is a customer.
	For Person
	// Reply lets the holder write: ActionReply with a message, and a message with the
	// other actions that the link allows.
	Reply bool
	// Upload lets the holder send files: ActionReply with attachments, and attachments
	// with the other actions that the link allows.
	Upload bool
	// Confirm, Reopen and Cancel let the holder perform ActionConfirm, ActionReopen and
	// ActionCancel.
	Confirm, Reopen, Cancel bool
	// Rate lets the holder rate the ticket; see [Desk.Rate]. Such a link is for the requester.
	Rate bool
	// TTL is how long the link is valid. It is rounded up to a second, or to a
	// minute after the year 2106. It must end before the year 10000. Zero means
	// Config.StatusLinks.TTL.
	TTL time.Duration
}

// StatusLink returns the token of a new status link. Its holder sees the
// customer's view of this ticket until the link expires, the ticket's links are
// revoked, or the person is no longer the ticket's requester or follower. The
// token has 72 ASCII letters and digits. It contains no address and no name. Links
// cannot be listed, and one link cannot be revoked alone; see
// [Desk.RevokeStatusLinks].
//
// Customers make links for themselves. Systems make links for every customer of
// the ticket. Agents do too, but for reading only, because otherwise they could act in
// the customer's name. Errors: [ErrNotFound], [ErrRefused],
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
	scope := linktoken.Scope{Reply: r.Reply, Upload: r.Upload, Rate: r.Rate, Confirm: r.Confirm, Reopen: r.Reopen, Cancel: r.Cancel}
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
		return "", refuse("a customer makes links only for themselves")
	case a.Role == RoleAgent && scope != linktoken.Scope{}:
		return "", refuse("an agent makes links only for reading")
	case r.TTL < 0 || end.After(lastTime):
		return "", invalid("link.ttl", "must not be negative, nor end after the year 9999")
	}
	if to, concerned := t.standing(Recipient{Person: r.For}); r.Rate && concerned && to.Role != RoleRequester {
		return "", invalid("link.rate", "is for the requester of the ticket")
	}
	token, concerned := d.link(&t, r.For, linktoken.Grant{Scope: scope, Until: end})
	if !concerned {
		return "", invalid("link.for", "must be the requester or a follower of the ticket")
	}
	return token, nil
}

// link returns a token for a person who is concerned with the ticket. It completes
// the grant, which says what the link allows and when it ends.
func (d *Desk) link(t *Ticket, p Person, g linktoken.Grant) (token string, concerned bool) {
	to, concerned := t.standing(Recipient{Person: p})
	if !concerned {
		return "", false
	}
	k := linktoken.Key(d.cfg.StatusLinks.Keys[0])
	g.Ticket, g.Epoch = t.ID, uint16(t.LinkEpoch)
	g.Person = k.Person(t.Tenant, t.ID, linkName(to.Person))
	return k.Sign(t.Tenant, g), true
}

// exampleLink returns a status link for notifiers to check. It is empty if
// StatusLinks.URL is not set, or needs to know the tenant.
func (d *Desk) exampleLink() (address string) {
	l := &d.cfg.StatusLinks
	if l.URL == nil {
		return ""
	}
	token := linktoken.Key(l.Keys[0]).Sign("", linktoken.Grant{Until: d.now().Add(l.TTL)})
	err := safely("Config.StatusLinks.URL", func() error { address = l.URL("", token); return nil })
	if err != nil {
		return "" // URL needs a real tenant
	}
	return address
}

// notificationLink returns the status link in a notification. It is the same at every
// attempt, unless the links were revoked meanwhile.
func (d *Desk) notificationLink(t *Ticket, e *Event, to Recipient) string {
	l := &d.cfg.StatusLinks
	if l.URL == nil || to.Role&RoleCustomer == 0 {
		return ""
	}
	g := linktoken.Grant{Until: nearest(e.At.Add(l.TTL), epoch, lastTime)}
	if e.Set.FeedbackAsked {
		g.Rate = true
	} else {
		now, _ := t.standing(Recipient{Person: to.Person})
		g.Scope = linktoken.Scope{Reply: l.Reply, Upload: l.Upload, Rate: l.Rate && now.Role == RoleRequester, Confirm: l.Confirm, Reopen: l.Reopen, Cancel: l.Cancel}
	}
	token, concerned := d.link(t, to.Person, g)
	if !concerned {
		return ""
	}
	return l.URL(t.Tenant, token)
}

// ActionMakeStatusLink and ActionRevokeStatusLinks are passed to the [Policy] by
// [Desk.StatusLink] and [Desk.RevokeStatusLinks]. They are not actions of a
// workflow.
const (
	ActionMakeStatusLink    ActionName = "make link"
	ActionRevokeStatusLinks ActionName = "revoke links"
)

// RevokeStatusLinks revokes all status links that were made so far for a ticket
// and for the tickets merged into it. The history records the actor. Agents,
// systems and the ticket's requester may call it. It returns the ticket as
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
		if role := a.RoleOn(t); a.Role == RoleRequester && role != RoleRequester {
			return &RefusedError{Action: ActionRevokeStatusLinks, State: t.State(), Role: role, Why: whyRole, Detail: "only the requester and the desk revoke links"}
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

// mergedInto returns a ticket and all tickets that were merged into it, directly
// or through others.
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

// revoke adds the event that revokes a ticket's links to the outcome.
func (d *Desk) revoke(o *outcome, a Actor, role Role, t Ticket) error {
	if t.LinkEpoch >= math.MaxUint16 {
		return invalid("ticket.link_epoch", "cannot grow: links were revoked %d times, which is the limit", t.LinkEpoch)
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

// admit checks the actor of a call and returns it. For the holder of a link it
// returns the person the link was made for, confined to the ticket.
func (d *Desk) admit(ctx context.Context, a Actor) (Actor, error) {
	if a.token == "" {
		err := d.checkActor(&a)
		return a, err
	}
	g, k, ok := d.cfg.StatusLinks.open(a.Tenant, a.token)
	if !ok {
		return Actor{}, &StatusLinkError{}
	}
	t, err := d.store.Ticket(ctx, a.Tenant, g.Ticket)
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
	holder := Requester(p).InTenant(a.Tenant)
	if cleaned := holder; d.checkActor(&cleaned) == nil {
		holder = cleaned // else it was stored under wider limits
	}
	holder.only, holder.held = t.ID, held
	return holder, nil
}

// A heldLink is the link that an actor holds.
type heldLink struct {
	linktoken.Grant
	key linktoken.Key
}

// allows reports whether the link lets its holder perform an action. Words and files
// need Reply and Upload as well.
func (h *heldLink) allows(name ActionName) bool {
	switch name {
	case ActionReply:
		return h.Reply || h.Upload
	case ActionConfirm:
		return h.Confirm
	case ActionReopen:
		return h.Reopen
	case ActionCancel:
		return h.Cancel
	default:
		return false
	}
}

// offers reports whether the link lets its holder make a choice with the inputs that
// the workflow requires.
func (h *heldLink) offers(c Choice) bool {
	return h.allows(c.Action) && (!c.Needs.Message || h.Reply) && (!c.Needs.Attachments || h.Upload) && (!c.Needs.Words || h.Reply || h.Upload)
}

// opens returns the person a link was made for, as the ticket has it now, and an
// error if the link is no longer valid.
func (d *Desk) opens(h *heldLink, t *Ticket) (Person, error) {
	switch {
	case !d.now().Before(h.Until):
		return Person{}, &StatusLinkError{Expired: h.Until}
	case int(h.Epoch) != t.LinkEpoch:
		return Person{}, &StatusLinkError{}
	}
	for _, p := range append([]Person{t.Requester}, t.Followers...) {
		if short := h.key.Person(t.Tenant, t.ID, linkName(p)); hmac.Equal(short[:], h.Person[:]) {
			return p, nil
		}
	}
	return Person{}, &StatusLinkError{}
}

// stillLinked checks the actor's link again, on its ticket as it was just read. The
// link may have been revoked since the call began, or the person removed.
func (d *Desk) stillLinked(a Actor, t *Ticket) error {
	if a.held == nil || t.ID != a.only {
		return nil
	}
	_, err := d.opens(a.held, t)
	return err
}

// linkedTo checks the link if its ticket was merged into t. It reads the link's
// ticket after t. The links of both are revoked together, so an earlier revocation
// is seen here, and a later one changes t, which makes the commit fail.
func (d *Desk) linkedTo(ctx context.Context, a Actor, t *Ticket) error {
	if a.held == nil || t.ID == a.only {
		return nil
	}
	_, err := d.load(ctx, a, a.only)
	return err
}

// onLink checks that the actor's link, if it has one, gives access to a ticket.
func (d *Desk) onLink(ctx context.Context, a Actor, id ID) error {
	if a.only.IsZero() || id == a.only {
		return nil
	}
	t, err := d.find(ctx, a, a.only.String())
	if err == nil && t.ID != id {
		err = &NotFoundError{What: "ticket", Ref: id.String()}
	}
	return err
}

// confined refuses what the actor's link does not allow. The link gives access to
// its ticket and to the ticket it was merged into, which Track shows.
func (d *Desk) confined(ctx context.Context, a Actor, id ID, act *Action) error {
	if a.only.IsZero() {
		return nil
	}
	if err := d.onLink(ctx, a, id); err != nil {
		return err
	}
	refuse := func(detail string) error {
		return &RefusedError{Action: act.Name, Role: RoleRequester, Why: whyStatusLink, Detail: detail}
	}
	switch {
	case !a.held.allows(act.Name):
		return refuse("this status link does not allow that")
	case act.Name == ActionReply && act.Message == "" && len(act.Attachments) == 0:
		return refuse("a reply through a status link needs a message or files")
	case act.Message != "" && !a.held.Reply:
		return refuse("this status link does not allow messages")
	case len(act.Attachments) > 0 && !a.held.Upload:
		return refuse("this status link does not allow files")
	}
	return nil
}
