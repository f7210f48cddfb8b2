package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/mailbox"
	"github.com/ticketkit/ticket/sqlstore"
)

// spoiledStore is the store of a taker, which a sabotage can change.
type spoiledStore struct {
	*sqlstore.Store

	put    func(context.Context, ticket.Mail) (ticket.Mail, error)
	claim  func(context.Context, ticket.MailClaim) ([]ticket.Mail, error)
	commit func(*ticket.Commit)
	keys   bool // receipts and fingerprints are not found
}

func (s *spoiledStore) PutMail(ctx context.Context, m ticket.Mail) (ticket.Mail, error) {
	if s.put != nil {
		return s.put(ctx, m)
	}
	return s.Store.PutMail(ctx, m)
}

func (s *spoiledStore) Mails(ctx context.Context, q ticket.MailQuery) ([]ticket.Mail, error) {
	if s.keys && !q.Fingerprint.IsZero() {
		return nil, nil
	}
	return s.Store.Mails(ctx, q)
}

func (s *spoiledStore) ClaimMails(ctx context.Context, c ticket.MailClaim) ([]ticket.Mail, error) {
	if s.claim != nil {
		return s.claim(ctx, c)
	}
	return s.Store.ClaimMails(ctx, c)
}

func (s *spoiledStore) Commit(ctx context.Context, c ticket.Commit) error {
	if s.commit != nil {
		s.commit(&c)
	}
	return s.Store.Commit(ctx, c)
}

func (s *spoiledStore) Receipt(ctx context.Context, tenant, key string) (ticket.Receipt, error) {
	if s.keys {
		return ticket.Receipt{}, &ticket.NotFoundError{What: "receipt", Ref: key}
	}
	return s.Store.Receipt(ctx, tenant, key)
}

// sabotage makes takers do something wrong. The check must find it, which proves that the check
// works.
var sabotage = map[string]func(s *spoiledStore, cfg *mailbox.Config){
	// Some mails that come by LMTP are said to be stored, and are not.
	"forgetful": func(s *spoiledStore, _ *mailbox.Config) {
		s.put = func(ctx context.Context, m ticket.Mail) (ticket.Mail, error) {
			if m.Origin == "" && rand.IntN(10) == 0 {
				return m, nil
			}
			return s.Store.PutMail(ctx, m)
		}
	},
	// Some mails are settled before they are taken.
	"hasty": func(s *spoiledStore, _ *mailbox.Config) {
		s.claim = func(ctx context.Context, c ticket.MailClaim) ([]ticket.Mail, error) {
			list, err := s.Store.ClaimMails(ctx, c)
			return slices.DeleteFunc(list, func(m ticket.Mail) bool {
				if rand.IntN(10) > 0 {
					return false
				}
				m.State, m.Reason, m.Settled, m.Due, m.Until = ticket.MailIgnored, "hasty", c.Now, time.Time{}, time.Time{}
				return s.SettleMail(ctx, ticket.MailPending, m) == nil
			}), err
		}
	},
	// Nothing is remembered by its fingerprint.
	"keyless": func(s *spoiledStore, _ *mailbox.Config) {
		s.keys = true
		s.commit = func(c *ticket.Commit) { c.Receipt = nil }
	},
	// Some senders are taken for somebody else.
	"mistaken": func(_ *spoiledStore, cfg *mailbox.Config) {
		cfg.Person = func(_ context.Context, _ string, p ticket.Person) (ticket.Person, error) {
			if rand.IntN(10) == 0 {
				p.Email = holder(rand.IntN(5))
			}
			return p, nil
		}
	},
	// What should be a note is for the customer.
	"talkative": func(s *spoiledStore, _ *mailbox.Config) {
		s.commit = func(c *ticket.Commit) {
			for i := range c.Changes {
				for j := range c.Changes[i].Events {
					if e := &c.Changes[i].Events[j]; e.Note != "" && e.Message == "" {
						e.Message, e.Note = ticket.Message(e.Note), ""
						e.Digest = ticket.Digest{}
					}
				}
			}
		}
	},
	// The files of some mails are lost.
	"leaky": func(_ *spoiledStore, cfg *mailbox.Config) { cfg.Files = &leakyFiles{cfg.Files} },
}

type leakyFiles struct{ ticket.FileStore }

func (f *leakyFiles) Put(ctx context.Context, tenant string, content io.Reader) (ticket.File, error) {
	if rand.IntN(10) > 0 {
		return f.FileStore.Put(ctx, tenant, content)
	}
	b, err := io.ReadAll(content)
	if err != nil {
		return ticket.File{}, err
	}
	return ticket.File{Tenant: tenant, SHA256: digestOf(b), Size: int64(len(b))}, nil
}

// spoil applies sabotages, separated by commas.
func spoil(names string, s *spoiledStore, cfg *mailbox.Config) error {
	for name := range strings.SplitSeq(names, ",") {
		if name == "" {
			continue
		}
		do := sabotage[name]
		if do == nil {
			return fmt.Errorf("unknown sabotage %q", name)
		}
		do(s, cfg)
	}
	return nil
}

func sabotages() []string { return slices.Sorted(maps.Keys(sabotage)) }
