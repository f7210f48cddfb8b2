package storetest

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ticketkit/ticket"
)

// postbox is a store of mails in a list. Each rule is a function that a fault can replace.
type postbox struct {
	f    *faulty
	mu   sync.Mutex
	rows []*ticket.Mail

	live    func(ctx context.Context, method string) error
	isNew   func(m ticket.Mail) error
	known   func(o *ticket.Mail, m ticket.Mail) bool // whether PutMail returns o for m
	taken   func(o *ticket.Mail, m ticket.Mail) bool // whether o of another tenant has the ID
	keep    func(m ticket.Mail) ticket.Mail          // what is stored or returned
	check   func(c ticket.MailClaim) error
	due     func(c ticket.MailClaim, m *ticket.Mail) bool
	first   func(a, b *ticket.Mail) int
	most    func(c ticket.MailClaim) int
	claimed func(c ticket.MailClaim, m *ticket.Mail)
	settles func(m ticket.Mail) error
	lost    func(o *ticket.Mail, from ticket.MailState, m ticket.Mail) bool
	unknown func(m ticket.Mail) error
	merge   func(o *ticket.Mail, m ticket.Mail) ticket.Mail
	query   func(q ticket.MailQuery) error
	matches func(q ticket.MailQuery, m *ticket.Mail) bool
	newest  func(a, b *ticket.Mail) int
	found   func(q ticket.MailQuery, list []ticket.Mail) []ticket.Mail
	counts  func(tenant string, m *ticket.Mail) bool
	counted func(n map[ticket.MailState]int64)
	refers  func(tenant string, m *ticket.Mail) bool
	files   func(sums []ticket.Digest) []ticket.Digest
	erases  func(tenant string, m *ticket.Mail) bool
	erase   func(m *ticket.Mail, at time.Time)
	old     func(before time.Time, m *ticket.Mail) bool
	pruned  func(m *ticket.Mail) (remove bool)
	limit   func(limit int) int
	prunes  func(limit, n int) int
	forgets func(tenant string, m *ticket.Mail) bool
	forget  func(o *ticket.Mail)
	window  func(method string) // between looking and writing; nil: both are one step
}

// post returns a fault: spoil changes one function of a postbox.
func post(spoil func(p *postbox)) func(*faulty) {
	return func(f *faulty) {
		p := &postbox{
			f:     f,
			live:  func(ctx context.Context, _ string) error { return ctx.Err() },
			isNew: ticket.Mail.CheckNew,
			known: func(o *ticket.Mail, m ticket.Mail) bool {
				return o.Tenant == m.Tenant && (o.ID == m.ID || m.Origin != "" && o.Origin == m.Origin && o.Mailbox == m.Mailbox)
			},
			taken: func(o *ticket.Mail, m ticket.Mail) bool { return o.ID == m.ID },
			keep: func(m ticket.Mail) ticket.Mail {
				m.To, m.Explained = slices.Clone(m.To), slices.Clone(m.Explained)
				return m
			},
			check: ticket.MailClaim.Check,
			due: func(c ticket.MailClaim, m *ticket.Mail) bool {
				return m.State == ticket.MailPending && slices.Contains(c.Mailboxes, m.Mailbox) && !m.Due.After(c.Now) && !m.Until.After(c.Now)
			},
			first: func(a, b *ticket.Mail) int { return byMailDue(*a, *b) },
			most:  func(c ticket.MailClaim) int { return c.Limit },
			claimed: func(c ticket.MailClaim, m *ticket.Mail) {
				m.Attempts, m.Until = m.Attempts+1, c.Now.Add(c.Lease)
			},
			settles: ticket.Mail.CheckSettle,
			lost: func(o *ticket.Mail, from ticket.MailState, m ticket.Mail) bool {
				return o.State != from || o.Attempts != m.Attempts || o.Erased()
			},
			unknown: func(ticket.Mail) error { return ticket.ErrNotFound },
			merge: func(o *ticket.Mail, m ticket.Mail) ticket.Mail {
				m.Mailbox, m.Origin, m.Raw, m.Size, m.Arrived = o.Mailbox, o.Origin, o.Raw, o.Size, o.Arrived
				m.From, m.HasSender, m.To, m.Old = o.From, o.HasSender, o.To, o.Old
				return m
			},
			query:   ticket.MailQuery.Check,
			matches: ticket.MailQuery.Match,
			newest:  func(a, b *ticket.Mail) int { return newest(*a, *b) },
			found:   func(q ticket.MailQuery, list []ticket.Mail) []ticket.Mail { return list[:min(len(list), q.Limit)] },
			counts:  func(tenant string, m *ticket.Mail) bool { return m.Tenant == tenant },
			counted: func(map[ticket.MailState]int64) {},
			refers:  func(tenant string, m *ticket.Mail) bool { return m.Tenant == tenant && !m.Erased() },
			files:   func(sums []ticket.Digest) []ticket.Digest { return sums },
			erases:  func(tenant string, m *ticket.Mail) bool { return m.Tenant == tenant && !m.Erased() },
			erase:   func(m *ticket.Mail, at time.Time) { m.Erase(at) },
			old: func(before time.Time, m *ticket.Mail) bool {
				return m.State.Settled() && m.State != ticket.MailHeld && m.Settled.Before(before) && (m.Origin == "" || !m.Erased())
			},
			pruned: func(m *ticket.Mail) bool {
				if m.Origin == "" {
					return true
				}
				m.Erase(m.Settled)
				return false
			},
			limit:   func(limit int) int { return limit },
			prunes:  func(_, n int) int { return n },
			forgets: func(tenant string, m *ticket.Mail) bool { return m.Tenant == tenant && m.State.Settled() },
			forget:  func(*ticket.Mail) {},
		}
		f.mails = p
		f.reopen = func() ticket.Store { return f }
		spoil(p)
	}
}

func (p *postbox) at(id ticket.ID) int {
	return slices.IndexFunc(p.rows, func(o *ticket.Mail) bool { return o.ID == id })
}

// pause lets others in between looking and writing, if that is the fault.
func (p *postbox) pause(method string) {
	if p.window != nil {
		p.mu.Unlock()
		p.window(method)
		p.mu.Lock()
	}
}

// remove removes a row, and leaves the list as it is for those who are reading it.
func (p *postbox) remove(i int) {
	p.rows = slices.Concat(p.rows[:i], p.rows[i+1:])
}

func (p *postbox) PutMail(ctx context.Context, m ticket.Mail) (ticket.Mail, error) {
	if err := cmp.Or(p.live(ctx, "PutMail"), p.isNew(m)); err != nil {
		return ticket.Mail{}, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, o := range p.rows {
		if p.known(o, m) {
			return p.keep(*o), nil
		}
	}
	p.pause("PutMail")
	for _, o := range p.rows {
		if p.taken(o, m) {
			return ticket.Mail{}, &ticket.DuplicateError{What: "mail"}
		}
	}
	p.rows = append(p.rows, new(p.keep(m)))
	return p.keep(m), nil
}

func (p *postbox) ClaimMails(ctx context.Context, c ticket.MailClaim) ([]ticket.Mail, error) {
	if err := cmp.Or(p.live(ctx, "ClaimMails"), p.check(c)); err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var due []*ticket.Mail
	for _, m := range p.rows {
		if p.due(c, m) {
			due = append(due, m)
		}
	}
	slices.SortFunc(due, p.first)
	due = due[:min(len(due), p.most(c))]
	p.pause("ClaimMails")
	var list []ticket.Mail
	for _, m := range due {
		p.claimed(c, m)
		list = append(list, p.keep(*m))
	}
	return list, nil
}

func (p *postbox) SettleMail(ctx context.Context, from ticket.MailState, m ticket.Mail) error {
	if err := cmp.Or(p.live(ctx, "SettleMail"), p.settles(m)); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	i := p.at(m.ID)
	switch {
	case i < 0 || p.rows[i].Tenant != m.Tenant:
		return p.unknown(m)
	case p.lost(p.rows[i], from, m):
		return ticket.ErrClaimLost
	}
	p.rows[i] = new(p.keep(p.merge(p.rows[i], m)))
	return nil
}

func (p *postbox) Mails(ctx context.Context, q ticket.MailQuery) ([]ticket.Mail, error) {
	if err := cmp.Or(p.live(ctx, "Mails"), p.query(q)); err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var found []*ticket.Mail
	for _, m := range p.rows {
		if p.matches(q, m) {
			found = append(found, m)
		}
	}
	slices.SortFunc(found, p.newest)
	list := make([]ticket.Mail, len(found))
	for i, m := range found {
		list[i] = p.keep(*m)
	}
	return p.found(q, list), nil
}

func (p *postbox) CountMails(ctx context.Context, tenant string) (map[ticket.MailState]int64, error) {
	if err := p.live(ctx, "CountMails"); err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	n := map[ticket.MailState]int64{}
	for _, m := range p.rows {
		if p.counts(tenant, m) {
			n[m.State]++
		}
	}
	p.counted(n)
	return n, nil
}

func (p *postbox) MailFiles(ctx context.Context, tenant string, sums []ticket.Digest) ([]ticket.Digest, error) {
	if err := p.live(ctx, "MailFiles"); err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var list []ticket.Digest
	for _, m := range p.rows {
		if p.refers(tenant, m) && slices.Contains(sums, m.Raw) && !slices.Contains(list, m.Raw) {
			list = append(list, m.Raw)
		}
	}
	return p.files(list), nil
}

func (p *postbox) EraseMails(ctx context.Context, tenant string, ids []ticket.ID, at time.Time) (int, error) {
	if err := p.live(ctx, "EraseMails"); err != nil {
		return 0, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, id := range ids {
		if i := p.at(id); i >= 0 && p.erases(tenant, p.rows[i]) {
			p.erase(p.rows[i], at)
			n++
		}
	}
	return n, nil
}

func (p *postbox) PruneMails(ctx context.Context, before time.Time, limit int) (int, error) {
	if err := p.live(ctx, "PruneMails"); err != nil {
		return 0, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, m := range slices.Clone(p.rows) {
		if n >= p.limit(limit) || !p.old(before, m) {
			continue
		}
		n++
		if p.pruned(m) {
			p.remove(p.at(m.ID))
		}
	}
	return p.prunes(limit, n), nil
}

func (p *postbox) ForgetMails(ctx context.Context, tenant string, ids []ticket.ID) (int, error) {
	if err := p.live(ctx, "ForgetMails"); err != nil {
		return 0, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, id := range ids {
		if i := p.at(id); i >= 0 && p.forgets(tenant, p.rows[i]) {
			p.forget(p.rows[i])
			p.remove(i)
			n++
		}
	}
	return n, nil
}

// losing returns a fault: values are stored or returned in another form.
func losing(change func(m *ticket.Mail)) func(*faulty) {
	return post(func(p *postbox) {
		keep := p.keep
		p.keep = func(m ticket.Mail) ticket.Mail {
			m = keep(m)
			change(&m)
			return m
		}
	})
}

// matchingMails returns a fault in the matches of Mails.
func matchingMails(matches func(q ticket.MailQuery, m *ticket.Mail) bool) func(*faulty) {
	return post(func(p *postbox) { p.matches = matches })
}

// claimingMails returns a fault in what ClaimMails returns.
func claimingMails(due func(c ticket.MailClaim, m *ticket.Mail) bool) func(*faulty) {
	return post(func(p *postbox) { p.due = due })
}

// keepingNot returns a fault: SettleMail changes what it must keep.
func keepingNot(change func(o *ticket.Mail, from ticket.Mail)) func(*faulty) {
	return post(func(p *postbox) {
		merge := p.merge
		p.merge = func(o *ticket.Mail, m ticket.Mail) ticket.Mail {
			merged := merge(o, m)
			change(&merged, m)
			return merged
		}
	})
}

// erasingNot returns a fault: EraseMails leaves something as it was.
func erasingNot(restore func(m *ticket.Mail, was ticket.Mail)) func(*faulty) {
	return post(func(p *postbox) {
		p.erase = func(m *ticket.Mail, at time.Time) {
			was := *m
			m.Erase(at)
			restore(m, was)
		}
	})
}

// byErased returns a fault: Mails finds erased mails by what they had.
func byErased(finds func(q ticket.MailQuery, was ticket.Mail) bool) func(*faulty) {
	return post(func(p *postbox) {
		before := map[ticket.ID]ticket.Mail{}
		p.erase = func(m *ticket.Mail, at time.Time) {
			before[m.ID] = *m
			m.Erase(at)
		}
		p.matches = func(q ticket.MailQuery, m *ticket.Mail) bool {
			was, erased := before[m.ID]
			return q.Match(m) || erased && finds(q, was)
		}
	})
}

var mailFaults = []fault{
	{"loses the sender of mails", "PutMail/stored", losing(func(m *ticket.Mail) { m.From = strings.ToLower(m.From) })},
	{"loses the null sender", "PutMail/stored", losing(func(m *ticket.Mail) { m.HasSender = m.From != "" })},
	{"sorts recipients", "PutMail/stored", losing(func(m *ticket.Mail) { slices.Sort(m.To) })},
	{"trims origins", "PutMail/stored", losing(func(m *ticket.Mail) { m.Origin = strings.TrimSpace(m.Origin) })},
	{"rounds the arrival of mails", "PutMail/stored", losing(func(m *ticket.Mail) { m.Arrived = m.Arrived.Truncate(time.Second) })},
	{"cuts the size of mails", "PutMail/stored", losing(func(m *ticket.Mail) { m.Size = min(m.Size, 1<<24) })},
	{"cuts long senders", "PutMail/stored", losing(func(m *ticket.Mail) { m.From = m.From[:min(len(m.From), 255)] })},
	{"returns no mail that it stored", "PutMail/stored", post(func(p *postbox) {
		keep := p.keep
		put := false
		p.window = func(string) { put = true }
		p.keep = func(m ticket.Mail) ticket.Mail {
			if m = keep(m); put && m.Attempts == 0 && len(p.rows) > 0 && p.rows[len(p.rows)-1].ID == m.ID {
				put = false
				m.To = nil
				m.Size++
			}
			return m
		}
	})},
	{"replaces a mail with the same ID", "PutMail/same ID", post(func(p *postbox) {
		p.known = func(o *ticket.Mail, m ticket.Mail) bool {
			if o.ID == m.ID && o.Tenant == m.Tenant {
				*o = m
				return true
			}
			return o.Tenant == m.Tenant && m.Origin != "" && o.Origin == m.Origin && o.Mailbox == m.Mailbox
		}
	})},
	{"refuses a mail with the same ID", "PutMail/same ID", post(func(p *postbox) {
		known := p.known
		p.known = func(o *ticket.Mail, m ticket.Mail) bool { return o.ID != m.ID && known(o, m) }
	})},
	{"stores an origin twice", "PutMail/same origin", post(func(p *postbox) {
		known := p.known
		p.known = func(o *ticket.Mail, m ticket.Mail) bool { return known(o, m) && (o.ID == m.ID || o.Attempts > 0) }
	})},
	{"stores the origin of a settled mail again", "PutMail/same origin", post(func(p *postbox) {
		known := p.known
		p.known = func(o *ticket.Mail, m ticket.Mail) bool {
			return known(o, m) && (o.ID == m.ID || o.State != ticket.MailDone || o.Erased())
		}
	})},
	{"stores the origin of an erased mail again", "PutMail/same origin", post(func(p *postbox) {
		known := p.known
		p.known = func(o *ticket.Mail, m ticket.Mail) bool { return known(o, m) && (o.ID == m.ID || !o.Erased()) }
	})},
	{"takes the empty origin for one", "PutMail/other origin", post(func(p *postbox) {
		known := p.known
		p.known = func(o *ticket.Mail, m ticket.Mail) bool {
			return known(o, m) || o.Tenant == m.Tenant && o.Origin == "" && m.Origin == "" && o.Mailbox == "support" && !o.State.Settled()
		}
	})},
	{"has one origin for all mailboxes", "PutMail/other origin", post(func(p *postbox) {
		p.known = func(o *ticket.Mail, m ticket.Mail) bool {
			return o.Tenant == m.Tenant && (o.ID == m.ID || m.Origin != "" && o.Origin == m.Origin && (o.Mailbox == m.Mailbox || m.Mailbox == "sales"))
		}
	})},
	{"folds the case of mailboxes", "PutMail/other origin", post(func(p *postbox) {
		p.known = func(o *ticket.Mail, m ticket.Mail) bool {
			return o.Tenant == m.Tenant && (o.ID == m.ID || m.Origin != "" && o.Origin == m.Origin && strings.EqualFold(o.Mailbox, m.Mailbox))
		}
	})},
	{"folds the case of origins", "PutMail/other origin", post(func(p *postbox) {
		p.known = func(o *ticket.Mail, m ticket.Mail) bool {
			return o.Tenant == m.Tenant && (o.ID == m.ID || m.Origin != "" && strings.EqualFold(o.Origin, m.Origin) && o.Mailbox == m.Mailbox)
		}
	})},
	{"has one origin for all tenants", "PutMail/other origin", post(func(p *postbox) {
		known := p.known
		p.known = func(o *ticket.Mail, m ticket.Mail) bool {
			return known(o, m) || m.Tenant == "" && m.Origin != "" && m.Origin != "the same" && o.Origin == m.Origin && o.Mailbox == m.Mailbox
		}
	})},
	{"stores an ID of another tenant", "PutMail/ID of another tenant", post(func(p *postbox) {
		p.taken = func(*ticket.Mail, ticket.Mail) bool { return false }
	})},
	{"returns the mail of another tenant", "PutMail/ID of another tenant", post(func(p *postbox) {
		known := p.known
		p.known = func(o *ticket.Mail, m ticket.Mail) bool { return known(o, m) || o.ID == m.ID }
	})},
	{"does not check new mails", "PutMail/refused", post(func(p *postbox) {
		p.isNew = func(m ticket.Mail) error { return nil }
	})},
	{"stores new mails that are settled", "PutMail/refused", post(func(p *postbox) {
		p.isNew = func(m ticket.Mail) error {
			if m.State.Settled() {
				return m.Check()
			}
			return m.CheckNew()
		}
	})},
	{"claims mails before they are due", "ClaimMails/due", post(func(p *postbox) {
		due := p.due
		p.due = func(c ticket.MailClaim, m *ticket.Mail) bool {
			if c.Now.Equal(clock) && m.Attempts == 0 && m.Due.Equal(clock.Add(time.Microsecond)) {
				return true
			}
			return due(c, m)
		}
	})},
	{"claims no mails that are due now", "ClaimMails/due", post(func(p *postbox) {
		due := p.due
		p.due = func(c ticket.MailClaim, m *ticket.Mail) bool {
			return due(c, m) && (m.Due.Before(c.Now) || m.Attempts > 0 || !m.Settled.IsZero() || m.Reason != "")
		}
	})},
	{"claims the latest mails first", "ClaimMails/order", post(func(p *postbox) {
		p.first = func(a, b *ticket.Mail) int { return byMailDue(*b, *a) }
	})},
	{"claims mails by their IDs", "ClaimMails/order", post(func(p *postbox) {
		p.first = func(a, b *ticket.Mail) int { return a.ID.Compare(b.ID) }
	})},
	{"claims the mails of one mailbox after the other", "ClaimMails/order", post(func(p *postbox) {
		p.first = func(a, b *ticket.Mail) int { return cmp.Or(cmp.Compare(b.Mailbox, a.Mailbox), byMailDue(*a, *b)) }
	})},
	{"claims the mails of one tenant after the other", "ClaimMails/order", post(func(p *postbox) {
		p.first = func(a, b *ticket.Mail) int { return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), byMailDue(*a, *b)) }
	})},
	{"claims mails without a limit", "ClaimMails/limit", post(func(p *postbox) {
		p.most = func(c ticket.MailClaim) int { return max(c.Limit, 4*min(c.Limit-1, 1)) }
	})},
	{"has a limit for each mailbox", "ClaimMails/limit", post(func(p *postbox) {
		p.most = func(c ticket.MailClaim) int { return c.Limit * max(len(c.Mailboxes), 1) }
	})},
	{"claims the mails of all mailboxes", "ClaimMails/mailboxes", claimingMails(func(c ticket.MailClaim, m *ticket.Mail) bool {
		return m.State == ticket.MailPending && !m.Due.After(c.Now) && !m.Until.After(c.Now)
	})},
	{"takes no mailboxes for all", "ClaimMails/mailboxes", post(func(p *postbox) {
		due := p.due
		p.due = func(c ticket.MailClaim, m *ticket.Mail) bool {
			if len(c.Mailboxes) == 0 {
				c.Mailboxes = []string{m.Mailbox}
			}
			return due(c, m)
		}
	})},
	{"folds the case of claimed mailboxes", "ClaimMails/mailboxes", claimingMails(func(c ticket.MailClaim, m *ticket.Mail) bool {
		return m.State == ticket.MailPending && !m.Due.After(c.Now) && !m.Until.After(c.Now) &&
			slices.ContainsFunc(c.Mailboxes, func(s string) bool { return strings.EqualFold(s, m.Mailbox) })
	})},
	{"claims mails that are leased", "ClaimMails/lease", claimingMails(func(c ticket.MailClaim, m *ticket.Mail) bool {
		return m.State == ticket.MailPending && slices.Contains(c.Mailboxes, m.Mailbox) && !m.Due.After(c.Now) && !m.Until.After(c.Now.Add(time.Microsecond))
	})},
	{"leases mails for too long", "ClaimMails/lease", claimingMails(func(c ticket.MailClaim, m *ticket.Mail) bool {
		return m.State == ticket.MailPending && slices.Contains(c.Mailboxes, m.Mailbox) && !m.Due.After(c.Now) && m.Until.Before(c.Now)
	})},
	{"does not keep a lease", "ClaimMails/lease", post(func(p *postbox) {
		p.claimed = func(c ticket.MailClaim, m *ticket.Mail) { m.Attempts++ }
	})},
	{"claims held mails", "ClaimMails/pending", post(func(p *postbox) {
		due := p.due
		p.due = func(c ticket.MailClaim, m *ticket.Mail) bool {
			return due(c, m) || m.State == ticket.MailHeld && slices.Contains(c.Mailboxes, m.Mailbox) && m.Attempts == 0
		}
	})},
	{"claims ignored mails", "ClaimMails/pending", post(func(p *postbox) {
		due := p.due
		p.due = func(c ticket.MailClaim, m *ticket.Mail) bool {
			return due(c, m) || m.State == ticket.MailIgnored && slices.Contains(c.Mailboxes, m.Mailbox) && m.Attempts == 0 && !m.Erased()
		}
	})},
	{"claims no released mails", "ClaimMails/pending", post(func(p *postbox) {
		due := p.due
		p.due = func(c ticket.MailClaim, m *ticket.Mail) bool { return due(c, m) && m.Reason == "" }
	})},
	{"counts no attempts of mails", "ClaimMails/attempts", post(func(p *postbox) {
		p.claimed = func(c ticket.MailClaim, m *ticket.Mail) {
			m.Attempts, m.Until = min(m.Attempts+1, 2), c.Now.Add(c.Lease)
		}
	})},
	{"counts attempts of all mails", "ClaimMails/attempts", post(func(p *postbox) {
		claimed := p.claimed
		p.claimed = func(c ticket.MailClaim, m *ticket.Mail) {
			claimed(c, m)
			for _, o := range p.rows {
				if o.Due.Equal(soon) && c.Now.After(clock) {
					o.Attempts++
				}
			}
		}
	})},
	{"does not check claims of mails", "ClaimMails/refused", post(func(p *postbox) {
		p.check = func(c ticket.MailClaim) error { return nil }
		most := p.most
		p.most = func(c ticket.MailClaim) int { return max(most(c), 0) }
	})},
	{"settles another mail too", "SettleMail/stored", post(func(p *postbox) {
		merge := p.merge
		p.merge = func(o *ticket.Mail, m ticket.Mail) ticket.Mail {
			for _, other := range p.rows {
				if o.Old && other.ID != m.ID {
					other.Reason = m.Reason
				}
			}
			return merge(o, m)
		}
	})},
	{"cuts events of mails to 32 bits", "SettleMail/stored", keepingNot(func(o *ticket.Mail, _ ticket.Mail) { o.Seq = int64(int32(min(o.Seq, math.MaxInt32))) })},
	{"writes explanations again", "SettleMail/stored", keepingNot(func(o *ticket.Mail, _ ticket.Mail) {
		o.Explained = []byte(strings.ReplaceAll(string(o.Explained), "\n", " "))
	})},
	{"cuts long explanations", "SettleMail/stored", keepingNot(func(o *ticket.Mail, _ ticket.Mail) { o.Explained = o.Explained[:min(len(o.Explained), 1<<16-1)] })},
	{"cuts long Message-IDs", "SettleMail/stored", keepingNot(func(o *ticket.Mail, _ ticket.Mail) { o.MessageID = o.MessageID[:min(len(o.MessageID), 255)] })},
	{"lowers authors", "SettleMail/stored", keepingNot(func(o *ticket.Mail, _ ticket.Mail) { o.Author = strings.ToLower(o.Author) })},
	{"keeps the reason of a mail that is pending again", "SettleMail/stored", post(func(p *postbox) {
		merge := p.merge
		p.merge = func(o *ticket.Mail, m ticket.Mail) ticket.Mail {
			m.Reason = cmp.Or(m.Reason, o.Reason)
			return merge(o, m)
		}
	})},
	{"loses mails that are settled as they were", "SettleMail/stored", post(func(p *postbox) {
		lost := p.lost
		p.lost = func(o *ticket.Mail, from ticket.MailState, m ticket.Mail) bool {
			return lost(o, from, m) || o.State == m.State && o.Until.Equal(m.Until) && o.Due.Equal(m.Due)
		}
	})},
	{"settles under an earlier claim", "SettleMail/lost", post(func(p *postbox) {
		p.lost = func(o *ticket.Mail, from ticket.MailState, _ ticket.Mail) bool { return o.State != from || o.Erased() }
	})},
	{"settles from any state", "SettleMail/lost", post(func(p *postbox) {
		p.lost = func(o *ticket.Mail, _ ticket.MailState, m ticket.Mail) bool {
			return o.Attempts != m.Attempts || o.Erased()
		}
	})},
	{"settles erased mails", "SettleMail/lost", post(func(p *postbox) {
		p.lost = func(o *ticket.Mail, from ticket.MailState, m ticket.Mail) bool {
			return o.State != from || o.Attempts != m.Attempts
		}
		merge := p.merge
		p.merge = func(o *ticket.Mail, m ticket.Mail) ticket.Mail {
			if merged := merge(o, m); !o.Erased() {
				return merged
			}
			return m
		}
	})},
	{"has lost claims of unknown mails", "SettleMail/unknown", post(func(p *postbox) {
		p.unknown = func(m ticket.Mail) error {
			if m.Mailbox == "support" && m.MessageID != "the same" {
				return ticket.ErrClaimLost
			}
			return ticket.ErrNotFound
		}
	})},
	{"stores unknown mails when it settles them", "SettleMail/unknown", post(func(p *postbox) {
		p.unknown = func(m ticket.Mail) error {
			if m.MessageID != "the same" {
				p.rows = append(p.rows, &m)
				return nil
			}
			return ticket.ErrNotFound
		}
	})},
	{"changes mailboxes", "SettleMail/kept", keepingNot(func(o *ticket.Mail, m ticket.Mail) { o.Mailbox = m.Mailbox })},
	{"changes origins", "SettleMail/kept", keepingNot(func(o *ticket.Mail, m ticket.Mail) { o.Origin = m.Origin })},
	{"changes the bytes of mails", "SettleMail/kept", keepingNot(func(o *ticket.Mail, m ticket.Mail) { o.Raw = m.Raw })},
	{"changes sizes", "SettleMail/kept", keepingNot(func(o *ticket.Mail, m ticket.Mail) { o.Size = m.Size })},
	{"changes times of arrival", "SettleMail/kept", keepingNot(func(o *ticket.Mail, m ticket.Mail) { o.Arrived = m.Arrived })},
	{"changes senders", "SettleMail/kept", keepingNot(func(o *ticket.Mail, m ticket.Mail) { o.From, o.HasSender = m.From, m.HasSender })},
	{"changes recipients", "SettleMail/kept", keepingNot(func(o *ticket.Mail, m ticket.Mail) { o.To = m.To })},
	{"changes what is old", "SettleMail/kept", keepingNot(func(o *ticket.Mail, m ticket.Mail) { o.Old = m.Old })},
	{"does not check settled mails", "SettleMail/refused", post(func(p *postbox) {
		p.settles = func(m ticket.Mail) error { return nil }
	})},
	{"lets a mail be erased by settling it", "SettleMail/refused", post(func(p *postbox) { p.settles = ticket.Mail.Check })},
	{"sorts mails from the oldest", "Mails/order", post(func(p *postbox) { p.newest = func(a, b *ticket.Mail) int { return newest(*b, *a) } })},
	{"sorts mails by their IDs", "Mails/order", post(func(p *postbox) { p.newest = func(a, b *ticket.Mail) int { return b.ID.Compare(a.ID) } })},
	{"sorts mails that arrived at once from the first ID", "Mails/order", post(func(p *postbox) {
		p.newest = func(a, b *ticket.Mail) int { return cmp.Or(b.Arrived.Compare(a.Arrived), a.ID.Compare(b.ID)) }
	})},
	{"returns mails without a limit", "Mails/limit", post(func(p *postbox) {
		p.found = func(_ ticket.MailQuery, list []ticket.Mail) []ticket.Mail { return list }
	})},
	{"returns the oldest mails of a limit", "Mails/limit", post(func(p *postbox) {
		p.found = func(q ticket.MailQuery, list []ticket.Mail) []ticket.Mail { return list[max(0, len(list)-q.Limit):] }
	})},
	{"ignores states", "Mails/matches", matchingMails(func(q ticket.MailQuery, m *ticket.Mail) bool {
		if len(q.States) != 1 || q.States[0] == ticket.MailRepeated {
			q.States = nil
		}
		return q.Match(m)
	})},
	{"ignores mailboxes", "Mails/matches", matchingMails(func(q ticket.MailQuery, m *ticket.Mail) bool {
		if q.Origin == "" {
			q.Mailbox = ""
		}
		return q.Match(m)
	})},
	{"folds the case of mailboxes in lists", "Mails/matches", matchingMails(func(q ticket.MailQuery, m *ticket.Mail) bool {
		if strings.EqualFold(q.Mailbox, m.Mailbox) {
			q.Mailbox = ""
		}
		return q.Match(m)
	})},
	{"ignores an origin without a mailbox", "Mails/matches", matchingMails(func(q ticket.MailQuery, m *ticket.Mail) bool {
		if q.Mailbox == "" && q.Origin != "the same" {
			q.Origin = ""
		}
		return q.Match(m)
	})},
	{"takes a zero fingerprint for any", "Mails/matches", matchingMails(func(q ticket.MailQuery, m *ticket.Mail) bool {
		if m.Fingerprint.IsZero() {
			q.Fingerprint = ticket.Digest{}
		}
		return q.Match(m)
	})},
	{"folds the case of Message-IDs", "Mails/matches", matchingMails(func(q ticket.MailQuery, m *ticket.Mail) bool {
		if m.MessageID != "" && strings.EqualFold(q.MessageID, m.MessageID) {
			q.MessageID = ""
		}
		return q.Match(m)
	})},
	{"ignores a list of origins", "Mails/matches", matchingMails(func(q ticket.MailQuery, m *ticket.Mail) bool {
		q.Origins = nil
		return q.Match(m)
	})},
	{"finds the first of several origins", "Mails/matches", matchingMails(func(q ticket.MailQuery, m *ticket.Mail) bool {
		q.Origins = q.Origins[:min(len(q.Origins), 1)]
		return q.Match(m)
	})},
	{"ignores a list of Message-IDs", "Mails/matches", matchingMails(func(q ticket.MailQuery, m *ticket.Mail) bool {
		q.MessageIDs = nil
		return q.Match(m)
	})},
	{"finds the first of several Message-IDs", "Mails/matches", matchingMails(func(q ticket.MailQuery, m *ticket.Mail) bool {
		q.MessageIDs = q.MessageIDs[:min(len(q.MessageIDs), 1)]
		return q.Match(m)
	})},
	{"folds the case of Message-IDs in a list", "Mails/matches", matchingMails(func(q ticket.MailQuery, m *ticket.Mail) bool {
		if m.MessageID != "" && slices.ContainsFunc(q.MessageIDs, func(id string) bool { return strings.EqualFold(id, m.MessageID) }) {
			q.MessageIDs = nil
		}
		return q.Match(m)
	})},
	{"ignores tickets", "Mails/matches", matchingMails(func(q ticket.MailQuery, m *ticket.Mail) bool {
		if !m.Ticket.IsZero() && q.Ticket.Compare(m.Ticket) < 0 {
			q.Ticket = ticket.ID{}
		}
		return q.Match(m)
	})},
	{"finds senders in the case they were asked in", "Mails/matches", matchingMails(func(q ticket.MailQuery, m *ticket.Mail) bool {
		return q.Match(m) && (q.Sender == "" || q.Sender == strings.ToLower(q.Sender))
	})},
	{"folds the case of all letters of senders", "Mails/matches", matchingMails(func(q ticket.MailQuery, m *ticket.Mail) bool {
		if q.Sender != "" && strings.EqualFold(q.Sender, m.Sender()) {
			q.Sender = ""
		}
		return q.Match(m)
	})},
	{"finds mails by the envelope only", "Mails/matches", matchingMails(func(q ticket.MailQuery, m *ticket.Mail) bool {
		if q.Sender != "" && strings.EqualFold(m.Author, q.Sender) && !strings.EqualFold(m.From, q.Sender) {
			return false
		}
		return q.Match(m)
	})},
	{"has patterns for senders", "Mails/matches", matchingMails(func(q ticket.MailQuery, m *ticket.Mail) bool {
		if before, is := strings.CutSuffix(q.Sender, "%"); is && strings.HasPrefix(m.Sender(), before) {
			q.Sender = ""
		}
		return q.Match(m)
	})},
	{"returns no mails of the time Since", "Mails/matches", matchingMails(func(q ticket.MailQuery, m *ticket.Mail) bool {
		return q.Match(m) && (q.Since.IsZero() || m.Arrived.After(q.Since))
	})},
	{"returns mails of the time Before", "Mails/pages", matchingMails(func(q ticket.MailQuery, m *ticket.Mail) bool {
		if q.BeforeID.IsZero() && m.Arrived.Equal(q.Before) && q.Limit == 100 && m.Arrived.Before(clock.Add(3*time.Microsecond)) && m.Arrived.After(clock) {
			q.Before = time.Time{}
		}
		return q.Match(m)
	})},
	{"skips mails that arrived with the last one of a page", "Mails/pages", matchingMails(func(q ticket.MailQuery, m *ticket.Mail) bool {
		return q.Match(m) && (q.Before.IsZero() || m.Arrived.Before(q.Before))
	})},
	{"continues after the time alone", "Mails/pages", matchingMails(func(q ticket.MailQuery, m *ticket.Mail) bool {
		if !q.BeforeID.IsZero() && m.Arrived.Equal(q.Before) {
			q.Before = time.Time{}
		}
		return q.Match(m)
	})},
	{"does not check queries for mails", "Mails/refused", post(func(p *postbox) {
		p.query = func(ticket.MailQuery) error { return nil }
		p.found = func(q ticket.MailQuery, list []ticket.Mail) []ticket.Mail {
			return list[:min(len(list), max(q.Limit, 0))]
		}
	})},
	{"keeps the recipients of the caller", "Mails/copies", post(func(p *postbox) { p.keep = func(m ticket.Mail) ticket.Mail { return m } })},
	{"keeps the explanation of the caller", "Mails/copies", post(func(p *postbox) {
		p.keep = func(m ticket.Mail) ticket.Mail {
			m.To = slices.Clone(m.To)
			return m
		}
	})},
	{"counts the mails of all tenants", "CountMails/states", post(func(p *postbox) {
		p.counts = func(tenant string, m *ticket.Mail) bool {
			return m.Tenant == tenant || m.Tenant == "other" && tenant == acme && len(p.rows) > 9
		}
	})},
	{"counts no claimed mails", "CountMails/states", post(func(p *postbox) {
		p.counts = func(tenant string, m *ticket.Mail) bool { return m.Tenant == tenant && m.Until.IsZero() }
	})},
	{"counts states without mails", "CountMails/left out", post(func(p *postbox) {
		p.counted = func(n map[ticket.MailState]int64) {
			if len(n) < 2 && n[ticket.MailHeld] == 0 {
				n[ticket.MailHeld] = 0
			}
		}
	})},
	{"refers to the files of all tenants", "MailFiles/referred", post(func(p *postbox) {
		p.refers = func(_ string, m *ticket.Mail) bool {
			return !m.Erased() && m.Explained != nil && m.MessageID != "the same"
		}
	})},
	{"does not refer to the files of held mails", "MailFiles/referred", post(func(p *postbox) {
		refers := p.refers
		p.refers = func(tenant string, m *ticket.Mail) bool { return refers(tenant, m) && m.State != ticket.MailHeld }
	})},
	{"refers to a file once for each mail", "MailFiles/referred", post(func(p *postbox) {
		p.files = func(sums []ticket.Digest) []ticket.Digest {
			if len(sums) == 1 {
				return append(sums, sums[0])
			}
			return sums
		}
	})},
	{"refers to zero digests", "MailFiles/referred", post(func(p *postbox) {
		p.refers = func(tenant string, m *ticket.Mail) bool { return m.Tenant == tenant }
	})},
	{"erases no held mails", "EraseMails/erased", post(func(p *postbox) {
		p.erases = func(tenant string, m *ticket.Mail) bool {
			return m.Tenant == tenant && !m.Erased() && m.State != ticket.MailHeld
		}
	})},
	{"erases no pending mails", "EraseMails/erased", post(func(p *postbox) {
		p.erases = func(tenant string, m *ticket.Mail) bool {
			return m.Tenant == tenant && !m.Erased() && m.State.Settled()
		}
	})},
	{"keeps the bytes of erased mails", "EraseMails/erased", erasingNot(func(m *ticket.Mail, was ticket.Mail) {
		if was.State == ticket.MailHeld {
			m.Raw = was.Raw
		}
	})},
	{"keeps the sender of erased mails", "EraseMails/erased", erasingNot(func(m *ticket.Mail, was ticket.Mail) {
		if was.Attempts > 0 {
			m.From, m.HasSender = was.From, was.HasSender
		}
	})},
	{"keeps the recipients of erased mails", "EraseMails/erased", erasingNot(func(m *ticket.Mail, was ticket.Mail) { m.To = was.To })},
	{"keeps the author of erased mails", "EraseMails/erased", erasingNot(func(m *ticket.Mail, was ticket.Mail) { m.Author = was.Author })},
	{"keeps the Message-ID of erased mails", "EraseMails/erased", erasingNot(func(m *ticket.Mail, was ticket.Mail) { m.MessageID = was.MessageID })},
	{"keeps the explanation of erased mails", "EraseMails/erased", erasingNot(func(m *ticket.Mail, was ticket.Mail) { m.Explained = was.Explained })},
	{"keeps the reason of erased mails", "EraseMails/erased", erasingNot(func(m *ticket.Mail, was ticket.Mail) { m.Reason = was.Reason })},
	{"leaves erased mails held", "EraseMails/erased", erasingNot(func(m *ticket.Mail, was ticket.Mail) {
		if was.State == ticket.MailHeld {
			m.State = was.State
		}
	})},
	{"loses the ticket of erased mails", "EraseMails/erased", erasingNot(func(m *ticket.Mail, _ ticket.Mail) { m.Seq = 0 })},
	{"loses the fingerprint of erased mails", "EraseMails/erased", erasingNot(func(m *ticket.Mail, _ ticket.Mail) { m.Fingerprint = ticket.Digest{} })},
	{"loses the origin of erased mails", "PutMail/same origin", erasingNot(func(m *ticket.Mail, _ ticket.Mail) {
		if m.State == ticket.MailDone && m.Attempts == 1 && !m.Fingerprint.IsZero() {
			m.Origin = ""
		}
	})},
	{"erases mails twice", "EraseMails/again", post(func(p *postbox) {
		p.erases = func(tenant string, m *ticket.Mail) bool {
			return m.Tenant == tenant && (!m.Erased() || len(p.rows) == 2)
		}
	})},
	{"dates erased mails again", "EraseMails/again", post(func(p *postbox) {
		erases := p.erases
		p.erases = func(tenant string, m *ticket.Mail) bool {
			if m.Erased() && len(p.rows) == 2 {
				m.Settled = soon
			}
			return erases(tenant, m)
		}
	})},
	{"finds erased mails by their sender", "EraseMails/not found", byErased(func(q ticket.MailQuery, was ticket.Mail) bool {
		return len(q.IDs) == 0 && q.Sender != "" && strings.EqualFold(q.Sender, was.Author) && q.Sender == was.Author
	})},
	{"finds erased mails by their Message-ID", "EraseMails/not found", byErased(func(q ticket.MailQuery, was ticket.Mail) bool {
		return q.MessageID == was.MessageID && strings.Contains(q.MessageID, "odd")
	})},
	{"finds erased mails by the envelope", "EraseMails/not found", byErased(func(q ticket.MailQuery, was ticket.Mail) bool {
		return q.Sender == was.From && q.Limit == 100 && was.Author == "Ada+x@Example.org" && len(q.States) == 0 && q.Since.IsZero() && q.Before.IsZero()
	})},
	{"finds no erased mails by their fingerprint", "EraseMails/not found", matchingMails(func(q ticket.MailQuery, m *ticket.Mail) bool {
		return q.Match(m) && (q.Fingerprint.IsZero() || !m.Erased() || m.Origin == "" || strings.HasPrefix(m.Origin, "1:"))
	})},
	{"prunes mails of that time", "PruneMails/old", post(func(p *postbox) {
		old := p.old
		p.old = func(before time.Time, m *ticket.Mail) bool { return old(before.Add(time.Microsecond), m) }
	})},
	{"prunes mails of one tenant", "PruneMails/old", post(func(p *postbox) {
		old := p.old
		p.old = func(before time.Time, m *ticket.Mail) bool { return old(before, m) && m.Tenant == acme }
	})},
	{"prunes mails without a limit", "PruneMails/old", post(func(p *postbox) {
		p.limit = func(limit int) int { return max(limit, min(limit, 1)*1000) }
	})},
	{"keeps old mails without an origin", "PruneMails/removed", post(func(p *postbox) {
		p.old = func(before time.Time, m *ticket.Mail) bool {
			return m.State.Settled() && m.State != ticket.MailHeld && m.Settled.Before(before) && !m.Erased()
		}
		p.pruned = func(m *ticket.Mail) bool {
			m.Erase(m.Settled)
			return false
		}
	})},
	{"keeps old erased mails without an origin", "PruneMails/removed", post(func(p *postbox) {
		old := p.old
		p.old = func(before time.Time, m *ticket.Mail) bool { return old(before, m) && !m.Erased() }
	})},
	{"removes old mails with an origin", "PruneMails/removed", post(func(p *postbox) {
		p.pruned = func(*ticket.Mail) bool { return true }
	})},
	{"does not erase old mails", "PruneMails/removed", post(func(p *postbox) {
		p.pruned = func(m *ticket.Mail) bool { return m.Origin == "" }
	})},
	{"prunes held mails", "PruneMails/others", post(func(p *postbox) {
		old := p.old
		p.old = func(before time.Time, m *ticket.Mail) bool {
			return old(before, m) || m.State == ticket.MailHeld && m.Settled.Before(before)
		}
	})},
	{"prunes pending mails", "PruneMails/others", post(func(p *postbox) {
		old := p.old
		p.old = func(before time.Time, m *ticket.Mail) bool {
			return old(before, m) || m.State == ticket.MailPending && m.Arrived.Equal(before) && m.Origin == ""
		}
	})},
	{"prunes mails that are taken again", "PruneMails/others", post(func(p *postbox) {
		old := p.old
		p.old = func(before time.Time, m *ticket.Mail) bool {
			return old(before, m) || m.State == ticket.MailPending && m.Reason != ""
		}
	})},
	{"prunes by the first time a mail was settled", "PruneMails/others", post(func(p *postbox) {
		first, merge, old := map[ticket.ID]time.Time{}, p.merge, p.old
		p.merge = func(o *ticket.Mail, m ticket.Mail) ticket.Mail {
			if first[m.ID].IsZero() {
				first[m.ID] = m.Settled
			}
			return merge(o, m)
		}
		p.old = func(before time.Time, m *ticket.Mail) bool {
			n := *m
			if n.State.Settled() {
				n.Settled = first[m.ID]
			}
			return old(before, &n)
		}
	})},
	{"counts mails that are erased already", "PruneMails/number", post(func(p *postbox) {
		p.old = func(before time.Time, m *ticket.Mail) bool {
			return m.State.Settled() && m.State != ticket.MailHeld && m.Settled.Before(before)
		}
	})},
	{"counts only the mails that it removed", "PruneMails/number", post(func(p *postbox) {
		p.prunes = func(limit, n int) int {
			if limit == 4 {
				return n / 2
			}
			return n
		}
	})},
	{"prunes all mails at a limit of 0", "PruneMails/number", post(func(p *postbox) {
		p.limit = func(limit int) int {
			if limit == 0 {
				return 100
			}
			return limit
		}
	})},
	{"prunes all mails at a negative limit", "PruneMails/number", post(func(p *postbox) {
		p.limit = func(limit int) int {
			if limit < 0 {
				return 100
			}
			return limit
		}
	})},
	{"forgets no erased mails", "ForgetMails/settled", post(func(p *postbox) {
		forgets := p.forgets
		p.forgets = func(tenant string, m *ticket.Mail) bool { return forgets(tenant, m) && !m.Erased() }
	})},
	{"forgets pending mails", "ForgetMails/settled", post(func(p *postbox) {
		p.forgets = func(tenant string, m *ticket.Mail) bool { return m.Tenant == tenant }
	})},
	{"forgets held mails only", "ForgetMails/settled", post(func(p *postbox) {
		p.forgets = func(tenant string, m *ticket.Mail) bool {
			return m.Tenant == tenant && (m.State == ticket.MailHeld || m.State == ticket.MailDone)
		}
	})},
	{"remembers forgotten origins", "ForgetMails/again", post(func(p *postbox) {
		gone, known := map[string]*ticket.Mail{}, p.known
		p.forget = func(o *ticket.Mail) { gone[o.Origin] = o }
		p.known = func(o *ticket.Mail, m ticket.Mail) bool { return known(o, m) }
		keep := p.keep
		p.keep = func(m ticket.Mail) ticket.Mail {
			if o := gone[m.Origin]; o != nil {
				return keep(*o)
			}
			return keep(m)
		}
	})},
	{"lists the mails of the empty tenant to all", "Mails/tenants", matchingMails(func(q ticket.MailQuery, m *ticket.Mail) bool {
		if m.Tenant == "" && q.MessageID == "the same" {
			q.Tenant = ""
		}
		return q.Match(m)
	})},
	{"folds the case of tenants of mails", "Mails/tenants", matchingMails(func(q ticket.MailQuery, m *ticket.Mail) bool {
		if strings.EqualFold(q.Tenant, m.Tenant) {
			q.Tenant = m.Tenant
		}
		return q.Match(m)
	})},
	{"erases the mails of all tenants", "Mails/tenants", post(func(p *postbox) {
		erases := p.erases
		p.erases = func(tenant string, m *ticket.Mail) bool {
			return erases(tenant, m) || !m.Erased() && m.MessageID == "the same"
		}
	})},
	{"forgets the mails of all tenants", "Mails/tenants", post(func(p *postbox) {
		forgets := p.forgets
		p.forgets = func(tenant string, m *ticket.Mail) bool { return forgets(tenant, m) || m.MessageID == "the same" }
	})},
	{"refers to the files of another tenant", "Mails/tenants", post(func(p *postbox) {
		refers := p.refers
		p.refers = func(tenant string, m *ticket.Mail) bool {
			return refers(tenant, m) || m.MessageID == "the same" && tenant == "*"
		}
	})},
	{"sorts the IDs of the caller", "Mails/arguments", func(f *faulty) {
		post(func(p *postbox) {
			p.erases = func(tenant string, m *ticket.Mail) bool { return m.Tenant == tenant && !m.Erased() }
		})(f)
		f.mails = sortingIDs{f.mails}
	}},
	{"forgets mails in spite of the context", "Mails/cancelled", heedless("ForgetMails")},
	{"erases mails in spite of the context", "Mails/cancelled", heedless("EraseMails")},
	{"prunes mails in spite of the context", "Mails/cancelled", heedless("PruneMails")},
	{"settles mails in spite of the context", "Mails/cancelled", heedless("SettleMail")},
	{"claims mails in spite of the context", "Mails/cancelled", heedless("ClaimMails")},
	{"puts mails in spite of the context", "Mails/cancelled", heedless("PutMail")},
	{"lists mails in spite of the context", "Mails/cancelled", heedless("Mails")},
	{"counts mails in spite of the context", "Mails/cancelled", heedless("CountMails")},
	{"finds files of mails in spite of the context", "Mails/cancelled", heedless("MailFiles")},
	{"looks first and claims mails then", "Mails/claimed at once", lookingFirst("ClaimMails")},
	{"looks first and puts mails then", "Mails/put at once", lookingFirst("PutMail")},
	{"loses mails when it is closed", "Mails/reopened", func(f *faulty) {
		post(func(p *postbox) {
			f.reopen = func() ticket.Store {
				p.mu.Lock()
				defer p.mu.Unlock()
				p.rows = nil
				return f
			}
		})(f)
	}},
	{"frees the mails of a lease when it is opened", "Mails/reopened", func(f *faulty) {
		post(func(p *postbox) {
			f.reopen = func() ticket.Store {
				p.mu.Lock()
				defer p.mu.Unlock()
				for _, m := range p.rows {
					m.Until = time.Time{}
				}
				return f
			}
		})(f)
	}},
}

// heedless returns a fault: a method does its work with a cancelled context.
func heedless(name string) func(*faulty) {
	return post(func(p *postbox) {
		p.live = func(ctx context.Context, method string) error {
			if method == name {
				return nil
			}
			return ctx.Err()
		}
	})
}

// lookingFirst returns a fault: a method looks and writes in two steps.
func lookingFirst(name string) func(*faulty) {
	return post(func(p *postbox) {
		p.window = func(method string) {
			if method == name {
				p.f.window()
			}
		}
	})
}

type sortingIDs struct{ ticket.MailStore }

func (s sortingIDs) EraseMails(ctx context.Context, tenant string, ids []ticket.ID, at time.Time) (int, error) {
	if len(ids) == 3 {
		slices.SortFunc(ids, ticket.ID.Compare)
	}
	return s.MailStore.EraseMails(ctx, tenant, ids, at)
}
