package memstore

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/ticketkit/ticket"
)

var _ ticket.MailStore = (*Store)(nil)

// mails keeps the mails of all tenants under one lock. Stored mails never change: a change
// replaces the pointer.
type mails struct {
	mu      sync.RWMutex
	rows    map[ticket.ID]*ticket.Mail
	pending map[string][]*ticket.Mail // by mailbox, in the order of claims
	tenants map[string][]*ticket.Mail // in the order of arrival
	index   map[mailKey][]*ticket.Mail
}

// A mailKey is what mails are found by: one of the other fields is set.
type mailKey struct {
	tenant            string
	mailbox, origin   string // together
	messageID, sender string
	fingerprint, raw  ticket.Digest
	ticket            ticket.ID
}

func newMails() mails {
	return mails{
		rows:    map[ticket.ID]*ticket.Mail{},
		pending: map[string][]*ticket.Mail{},
		tenants: map[string][]*ticket.Mail{},
		index:   map[mailKey][]*ticket.Mail{},
	}
}

func cloneMail(m *ticket.Mail) ticket.Mail {
	c := *m
	c.To, c.Explained = slices.Clone(m.To), slices.Clone(m.Explained)
	return c
}

func byMailDue(a, b *ticket.Mail) int { return cmp.Or(a.Due.Compare(b.Due), a.ID.Compare(b.ID)) }

func byArrival(a, b *ticket.Mail) int {
	return cmp.Or(a.Arrived.Compare(b.Arrived), a.ID.Compare(b.ID))
}

// keysOf returns what a mail is found by.
func keysOf(m *ticket.Mail) (keys []mailKey) {
	k := mailKey{tenant: m.Tenant}
	for _, key := range [...]mailKey{
		originKey(m), {tenant: m.Tenant, messageID: m.MessageID}, {tenant: m.Tenant, sender: m.Sender()},
		{tenant: m.Tenant, fingerprint: m.Fingerprint}, {tenant: m.Tenant, raw: m.Raw}, {tenant: m.Tenant, ticket: m.Ticket},
	} {
		if key != k {
			keys = append(keys, key)
		}
	}
	return keys
}

// originKey has nothing but the tenant if the mail has no origin.
func originKey(m *ticket.Mail) mailKey {
	if m.Origin == "" {
		return mailKey{tenant: m.Tenant}
	}
	return mailKey{tenant: m.Tenant, mailbox: m.Mailbox, origin: m.Origin}
}

func (b *mails) add(m *ticket.Mail) {
	b.rows[m.ID] = m
	b.tenants[m.Tenant] = insertMail(b.tenants[m.Tenant], m, byArrival)
	if m.State == ticket.MailPending {
		b.pending[m.Mailbox] = insertMail(b.pending[m.Mailbox], m, byMailDue)
	}
	for _, k := range keysOf(m) {
		b.index[k] = insertMail(b.index[k], m, byArrival)
	}
}

func (b *mails) remove(m *ticket.Mail) {
	delete(b.rows, m.ID)
	b.tenants[m.Tenant] = removeMail(b.tenants[m.Tenant], m, byArrival)
	if m.State == ticket.MailPending {
		b.pending[m.Mailbox] = removeMail(b.pending[m.Mailbox], m, byMailDue)
	}
	for _, k := range keysOf(m) {
		if b.index[k] = removeMail(b.index[k], m, byArrival); len(b.index[k]) == 0 {
			delete(b.index, k)
		}
	}
}

func (b *mails) replace(old *ticket.Mail, m ticket.Mail) {
	b.remove(old)
	b.add(&m)
}

func insertMail(list []*ticket.Mail, m *ticket.Mail, order func(a, b *ticket.Mail) int) []*ticket.Mail {
	i, _ := slices.BinarySearchFunc(list, m, order)
	return slices.Insert(list, i, m)
}

func removeMail(list []*ticket.Mail, m *ticket.Mail, order func(a, b *ticket.Mail) int) []*ticket.Mail {
	i, _ := slices.BinarySearchFunc(list, m, order)
	return slices.Delete(list, i, i+1)
}

// find returns the tenant's mail with this ID, or nil.
func (b *mails) find(tenant string, id ticket.ID) *ticket.Mail {
	if m := b.rows[id]; m != nil && m.Tenant == tenant {
		return m
	}
	return nil
}

// PutMail stores a new mail; see [ticket.MailStore].
func (s *Store) PutMail(ctx context.Context, m ticket.Mail) (ticket.Mail, error) {
	if err := ctx.Err(); err != nil {
		return ticket.Mail{}, err
	}
	if err := m.CheckNew(); err != nil {
		return ticket.Mail{}, err
	}
	b := &s.mails
	b.mu.Lock()
	defer b.mu.Unlock()
	stored := b.find(m.Tenant, m.ID)
	if k := originKey(&m); stored == nil && k.origin != "" && len(b.index[k]) > 0 {
		stored = b.index[k][0]
	}
	if stored != nil {
		return cloneMail(stored), nil
	}
	if b.rows[m.ID] != nil {
		return ticket.Mail{}, &ticket.DuplicateError{What: "mail"}
	}
	b.add(new(cloneMail(&m)))
	return cloneMail(&m), nil
}

// ClaimMails leases mails to the caller; see [ticket.MailStore].
func (s *Store) ClaimMails(ctx context.Context, c ticket.MailClaim) ([]ticket.Mail, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := c.Check(); err != nil {
		return nil, err
	}
	b := &s.mails
	b.mu.Lock()
	defer b.mu.Unlock()
	var due []*ticket.Mail
	for i, name := range c.Mailboxes {
		if slices.Contains(c.Mailboxes[:i], name) {
			continue
		}
		n := 0
		for _, m := range b.pending[name] {
			if n == c.Limit || m.Due.After(c.Now) {
				break
			}
			if !m.Until.After(c.Now) {
				due, n = append(due, m), n+1
			}
		}
	}
	slices.SortFunc(due, byMailDue)
	due = due[:min(len(due), c.Limit)]
	claimed := make([]ticket.Mail, len(due))
	for i, m := range due {
		n := *m
		n.Until, n.Attempts = c.Now.Add(c.Lease), n.Attempts+1
		b.replace(m, n)
		claimed[i] = cloneMail(&n)
	}
	return claimed, nil
}

// SettleMail records what became of a mail; see [ticket.MailStore].
func (s *Store) SettleMail(ctx context.Context, from ticket.MailState, m ticket.Mail) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := m.CheckSettle(); err != nil {
		return err
	}
	b := &s.mails
	b.mu.Lock()
	defer b.mu.Unlock()
	old := b.find(m.Tenant, m.ID)
	switch {
	case old == nil:
		return ticket.ErrNotFound
	case old.State != from || old.Attempts != m.Attempts || old.Erased():
		return ticket.ErrClaimLost
	}
	n := cloneMail(&m)
	n.Mailbox, n.Origin, n.Raw, n.Size, n.Arrived = old.Mailbox, old.Origin, old.Raw, old.Size, old.Arrived
	n.From, n.HasSender, n.To, n.Old = old.From, old.HasSender, old.To, old.Old
	b.replace(old, n)
	return nil
}

// Mails returns mails, newest first; see [ticket.MailStore]. It visits the mails that one of
// the conditions finds: IDs, MessageIDs, Origins or Origin with Mailbox, Fingerprint, MessageID,
// Ticket or Sender; or else those that arrived in the time.
func (s *Store) Mails(ctx context.Context, q ticket.MailQuery) ([]ticket.Mail, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := q.Check(); err != nil {
		return nil, err
	}
	b := &s.mails
	b.mu.RLock()
	defer b.mu.RUnlock()
	var found []ticket.Mail
	for _, m := range slices.Backward(b.candidates(q)) {
		if len(found) == q.Limit || m.Arrived.Before(q.Since) {
			break
		}
		if q.Match(m) {
			found = append(found, cloneMail(m))
		}
	}
	return found, nil
}

// candidates returns mails in the order of arrival, among them all that match.
func (b *mails) candidates(q ticket.MailQuery) []*ticket.Mail {
	if len(q.IDs) > 0 {
		var list []*ticket.Mail
		for _, id := range q.IDs {
			if m := b.rows[id]; m != nil && !slices.Contains(list, m) {
				list = append(list, m)
			}
		}
		slices.SortFunc(list, byArrival)
		return list
	}
	var keys []mailKey // of lists
	switch {
	case len(q.MessageIDs) > 0:
		for _, id := range q.MessageIDs {
			keys = append(keys, mailKey{tenant: q.Tenant, messageID: id})
		}
	case len(q.Origins) > 0 && q.Mailbox != "":
		for _, origin := range q.Origins {
			keys = append(keys, mailKey{tenant: q.Tenant, mailbox: q.Mailbox, origin: origin})
		}
	}
	if len(keys) > 0 {
		var list []*ticket.Mail
		for _, k := range keys {
			list = append(list, b.index[k]...)
		}
		slices.SortFunc(list, byArrival)
		return slices.Compact(list) // a key can be given twice
	}
	like := ticket.Mail{Tenant: q.Tenant, From: q.Sender, Fingerprint: q.Fingerprint, MessageID: q.MessageID, Ticket: q.Ticket}
	if q.Mailbox != "" {
		like.Mailbox, like.Origin = q.Mailbox, q.Origin
	}
	list := b.tenants[q.Tenant]
	for _, k := range keysOf(&like) {
		if one := b.index[k]; len(one) <= len(list) {
			list = one
		}
	}
	return list
}

// CountMails counts the mails of a tenant; see [ticket.MailStore]. It visits all of them.
func (s *Store) CountMails(ctx context.Context, tenant string) (map[ticket.MailState]int64, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	b := &s.mails
	b.mu.RLock()
	defer b.mu.RUnlock()
	n := map[ticket.MailState]int64{}
	for _, m := range b.tenants[tenant] {
		n[m.State]++
	}
	return n, nil
}

// MailFiles returns the digests that mails refer to; see [ticket.MailStore].
func (s *Store) MailFiles(ctx context.Context, tenant string, sums []ticket.Digest) ([]ticket.Digest, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	b := &s.mails
	b.mu.RLock()
	defer b.mu.RUnlock()
	var found []ticket.Digest
	for _, sum := range sums {
		if !sum.IsZero() && len(b.index[mailKey{tenant: tenant, raw: sum}]) > 0 && !slices.Contains(found, sum) {
			found = append(found, sum)
		}
	}
	return found, nil
}

// EraseMails erases what is personal of mails; see [ticket.MailStore].
func (s *Store) EraseMails(ctx context.Context, tenant string, ids []ticket.ID, at time.Time) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	b := &s.mails
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	for _, id := range ids {
		if m := b.find(tenant, id); m != nil && !m.Erased() {
			b.erase(m, at)
			n++
		}
	}
	return n, nil
}

func (b *mails) erase(m *ticket.Mail, at time.Time) {
	e := *m
	e.Erase(at)
	b.replace(m, e)
}

// PruneMails removes or erases old mails; see [ticket.MailStore]. It visits every mail.
func (s *Store) PruneMails(ctx context.Context, before time.Time, limit int) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	b := &s.mails
	b.mu.Lock()
	defer b.mu.Unlock()
	var old []*ticket.Mail
	for _, m := range b.rows {
		if len(old) >= limit {
			break
		}
		if m.State.Settled() && m.State != ticket.MailHeld && m.Settled.Before(before) && (m.Origin == "" || !m.Erased()) {
			old = append(old, m)
		}
	}
	for _, m := range old {
		if m.Origin == "" {
			b.remove(m)
		} else {
			b.erase(m, m.Settled)
		}
	}
	return len(old), nil
}

// ForgetMails removes settled mails; see [ticket.MailStore].
func (s *Store) ForgetMails(ctx context.Context, tenant string, ids []ticket.ID) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	b := &s.mails
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	for _, id := range ids {
		if m := b.find(tenant, id); m != nil && m.State.Settled() {
			b.remove(m)
			n++
		}
	}
	return n, nil
}
