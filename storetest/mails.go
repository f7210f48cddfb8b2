package storetest

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ticketkit/ticket"
)

const (
	saysPutMail       = "PutMail stores a new mail that is pending, and returns it."
	saysPutAgain      = "If the tenant has a mail with the same ID, or its mailbox one with the same Origin, and Origin is not empty, it must store nothing and return that one."
	saysPutForeign    = "If another tenant has the ID, it must return ErrDuplicate."
	saysPutCheck      = "It must return ErrInvalid if m does not pass Mail.CheckNew."
	saysClaimMails    = "ClaimMails returns pending mails of these mailboxes, of all tenants, that are due and not claimed, by Due, then by ID, at most c.Limit of them, and claims them until c.Now+c.Lease: no other call may return them before."
	saysClaimCount    = "It must count an attempt for each."
	saysClaimsCheck   = "It must return ErrInvalid if c does not pass MailClaim.Check."
	saysSettleMail    = "SettleMail stores m in place of the mail with its ID and tenant if that one is in the state from, has the same Attempts and is not erased."
	saysSettleLost    = "Otherwise it must return ErrClaimLost, or ErrNotFound if there is no such mail."
	saysSettleKeeps   = "It must keep the stored Mailbox, Origin, Raw, Size, Arrived, From, HasSender, To and Old."
	saysSettleCheck   = "It must return ErrInvalid if m does not pass Mail.CheckSettle."
	saysMails         = "Mails returns the mails of the tenant that match q, newest first (by descending Arrived, then by descending ID), at most q.Limit of them."
	saysMailsMatch    = "MailQuery.Match defines the matches."
	saysMailsCheck    = "It must return ErrInvalid if q does not pass MailQuery.Check."
	saysCountMails    = "CountMails returns how many mails of a tenant are in each state."
	saysCountLeaves   = "States without a mail must be left out."
	saysMailFiles     = "MailFiles returns those of the digests that are the Raw of a mail of the tenant, each once, in any order."
	saysEraseMails    = "EraseMails erases the mails of the tenant with these IDs, in any state, as Mail.Erase does, and returns how many it erased."
	saysEraseMailOnce = "It must leave mails as they are that were erased before."
	saysEraseMailAll  = "Afterwards no read may return what was erased, and no index and no other table may keep it."
	saysPruneMails    = "PruneMails works on mails of all tenants that are done, repeated or ignored, with Settled before the time before, at most limit of them."
	saysPruneMail     = "It must remove those without an Origin, and erase the others, as Mail.Erase does, unless they are erased already."
	saysPruneMailKept = "It must leave all others, held ones too."
	saysPruneMailN    = "It returns the number of mails it removed or erased. A limit of 0 or less means none."
	saysForgetMails   = "ForgetMails removes settled mails of the tenant with these IDs, in any settled state, and returns their number."
	saysForgottenMail = "If a mailbox shows such a mail again, it is a new one."
)

var mailRules = mailCases([]rule{
	{name: "PutMail/stored", says: saysPutMail, prove: mailStored},
	{name: "PutMail/same ID", says: saysPutAgain, upon: []string{"PutMail/other origin"}, prove: mailSameID},
	{name: "PutMail/same origin", says: saysPutAgain, upon: []string{"ClaimMails/", "SettleMail/", "EraseMails/erased"}, prove: mailSameOrigin},
	{name: "PutMail/other origin", says: saysPutMail, prove: mailOtherOrigin},
	{name: "PutMail/ID of another tenant", says: saysPutForeign, prove: mailForeignID},
	{name: "PutMail/refused", says: saysPutCheck, prove: mailRefused},
	{name: "ClaimMails/due", says: saysClaimMails, prove: mailsDue},
	{name: "ClaimMails/order", says: saysClaimMails, upon: []string{"ClaimMails/due"}, prove: mailsInOrder},
	{name: "ClaimMails/limit", says: saysClaimMails, upon: []string{"ClaimMails/order", "ClaimMails/lease", "ClaimMails/mailboxes"}, prove: mailsLimited},
	{name: "ClaimMails/mailboxes", says: saysClaimMails, upon: []string{"ClaimMails/lease"}, prove: mailsOfMailboxes},
	{name: "ClaimMails/lease", says: saysClaimMails, prove: mailsLeased},
	{name: "ClaimMails/pending", says: saysClaimMails, upon: []string{"SettleMail/", "EraseMails/", "ClaimMails/due", "ClaimMails/lease"}, prove: mailsPending},
	{name: "ClaimMails/attempts", says: saysClaimCount, upon: []string{"ClaimMails/lease", "ClaimMails/due"}, prove: mailAttempts},
	{name: "ClaimMails/refused", says: saysClaimsCheck, prove: mailClaimRefused},
	{name: "SettleMail/stored", says: saysSettleMail, prove: mailSettled},
	{name: "SettleMail/lost", says: saysSettleLost, upon: []string{"SettleMail/stored", "EraseMails/"}, prove: mailLost},
	{name: "SettleMail/unknown", says: saysSettleLost, prove: mailUnknown},
	{name: "SettleMail/kept", says: saysSettleKeeps, upon: []string{"SettleMail/stored"}, prove: mailKept},
	{name: "SettleMail/refused", says: saysSettleCheck, upon: []string{"SettleMail/stored"}, prove: mailSettleRefused},
	{name: "Mails/order", says: saysMails, prove: mailsNewest},
	{name: "Mails/limit", says: saysMails, upon: []string{"Mails/order"}, prove: mailsAtMost},
	{name: "Mails/matches", says: saysMailsMatch, upon: []string{"Mails/order"}, prove: mailMatches},
	{name: "Mails/pages", says: saysMailsMatch, upon: []string{"Mails/order", "Mails/limit", "Mails/matches"}, prove: mailPages},
	{name: "Mails/refused", says: saysMailsCheck, prove: mailQueryRefused},
	{name: "Mails/copies", says: saysCopies, prove: mailCopies},
	{name: "CountMails/states", says: saysCountMails, prove: mailCounts},
	{name: "CountMails/left out", says: saysCountLeaves, upon: []string{"CountMails/states", "ForgetMails/settled"}, prove: mailCountsNone},
	{name: "MailFiles/referred", says: saysMailFiles, prove: mailFiles},
	{name: "EraseMails/erased", says: saysEraseMails, prove: mailErased},
	{name: "EraseMails/again", says: saysEraseMailOnce, upon: []string{"EraseMails/erased"}, prove: mailErasedOnce},
	{name: "EraseMails/not found", says: saysEraseMailAll, upon: []string{"EraseMails/erased", "Mails/matches"}, prove: mailErasedAll},
	{name: "PruneMails/old", says: saysPruneMails, upon: []string{"PruneMails/removed"}, prove: mailsOld},
	{name: "PruneMails/removed", says: saysPruneMail, prove: mailsRemoved},
	{name: "PruneMails/others", says: saysPruneMailKept, upon: []string{"PruneMails/removed"}, prove: mailsOthers},
	{name: "PruneMails/number", says: saysPruneMailN, upon: []string{"PruneMails/removed", "PruneMails/old"}, prove: mailsPruned},
	{name: "ForgetMails/settled", says: saysForgetMails, prove: mailsForgotten},
	{name: "ForgetMails/again", says: saysForgottenMail, upon: []string{"ForgetMails/settled"}, prove: mailForgottenAgain},
	{name: "Mails/tenants", says: saysTenant, upon: []string{"CountMails/", "MailFiles/", "ForgetMails/settled", "Mails/matches"}, prove: mailTenants},
	{name: "Mails/arguments", says: saysArguments, prove: mailArguments},
	{name: "Mails/cancelled", says: saysCancelled, prove: mailsCancelled},
	{name: "Mails/claimed at once", says: saysClaimMails, needs: Concurrency, prove: mailsRaced},
	{name: "Mails/put at once", says: saysPutAgain, needs: Concurrency, prove: mailPutRaced},
	{name: "Mails/reopened", says: saysVisible, durable: true, prove: mailsReopened},
})

// mailCases gives all cases about mails what they have in common: a case builds upon those of
// the methods before its own in this list.
func mailCases(list []rule) []rule {
	methods := []string{"PutMail/", "ClaimMails/", "SettleMail/", "EraseMails/", "Mails/", "CountMails/", "MailFiles/", "PruneMails/", "ForgetMails/"}
	for i := range list {
		list[i].lacks = noMails
		before := slices.IndexFunc(methods, func(m string) bool { return strings.HasPrefix(list[i].name, m) })
		list[i].upon = append([]string{"PutMail/stored"}, append(list[i].upon, methods[:before]...)...)
	}
	return list
}

// noMails names the feature if the store lacks it.
func noMails(ctx context.Context, s ticket.Store) string {
	f, ok := s.(ticket.MailStore)
	if ok {
		_, err := f.CountMails(ctx, acme)
		ok = !errors.Is(err, errors.ErrUnsupported)
	}
	if !ok {
		return "mails"
	}
	return ""
}

// mail returns a new mail.
func (k *kit) mail(tenant string, edits ...func(m *ticket.Mail)) ticket.Mail {
	id := k.id()
	m := ticket.Mail{
		ID: id, Tenant: tenant, Mailbox: "support", Origin: "7:" + id.String(), Raw: sha256.Sum256(id[:]), Size: 1234, Arrived: clock,
		From: "ada@example.org", HasSender: true, To: []string{"support@example.com"}, State: ticket.MailPending, Due: past,
	}
	for _, edit := range edits {
		edit(&m)
	}
	return m
}

// fullMail returns a new mail with long and strange values.
func (k *kit) fullMail(tenant string) ticket.Mail {
	return k.mail(tenant, func(m *ticket.Mail) {
		m.Mailbox, m.Origin, m.Size = "Hilfe – 助け", "4294967295:18446744073709551615 ", 40<<20
		m.From, m.To = "Ärzte+'\"@exämple.org", []string{"b@example.com", "a@example.com", "", "b@example.com", "%_\\"}
		m.Old, m.Arrived, m.Due = true, clock.Add(123456*time.Microsecond), clock.Add(-654321*time.Microsecond)
	})
}

// settledAs returns the mail with a state, and all that a decision adds.
func (k *kit) settledAs(m ticket.Mail, s ticket.MailState) ticket.Mail {
	m.State, m.Due, m.Until, m.Settled = s, time.Time{}, time.Time{}, clock.Add(77*time.Microsecond)
	m.Reason, m.Fingerprint = "rule 16: 'number' \"ü\" % _ \\", sha256.Sum256([]byte(m.ID.String()+" text"))
	m.Author, m.MessageID, m.Explained = "Ada+x@Example.org", "<odd id>@é"+m.ID.String(), []byte("{ \"b\": [1, 2],\n\"a\": \"ä\\\"'\" }")
	if s == ticket.MailDone {
		m.Ticket, m.Seq = k.id(), 1<<40
	}
	return m
}

func (k *kit) putMail(m ticket.Mail) ticket.Mail {
	k.Helper()
	got, err := k.store.PutMail(k.Context(), m)
	k.ok(err, "PutMail")
	return got
}

func (k *kit) settleMail(from ticket.MailState, m ticket.Mail) {
	k.Helper()
	k.ok(k.store.SettleMail(k.Context(), from, m), "SettleMail to %q", m.State)
}

// mailIn stores a mail in a state.
func (k *kit) mailIn(tenant string, s ticket.MailState, edits ...func(m *ticket.Mail)) ticket.Mail {
	k.Helper()
	m := k.mail(tenant, edits...)
	k.putMail(m)
	if s == ticket.MailPending {
		return m
	}
	m = k.settledAs(m, s)
	for _, edit := range edits { // of what a decision adds
		edit(&m)
	}
	m.Due = time.Time{}
	k.settleMail(ticket.MailPending, m)
	return m
}

func (k *kit) mails(q ticket.MailQuery) []ticket.Mail {
	k.Helper()
	q.Limit = cmp.Or(q.Limit, 100)
	found, err := k.store.Mails(k.Context(), q)
	k.ok(err, "Mails %+v", q)
	return found
}

// mailStands expects a mail to be stored like this.
func (k *kit) mailStands(m ticket.Mail, what string) {
	k.Helper()
	k.same(k.mails(ticket.MailQuery{Tenant: m.Tenant, IDs: []ticket.ID{m.ID}}), []ticket.Mail{m}, "mails with the ID of %s", what)
}

// mailGone expects no mail with the ID.
func (k *kit) mailGone(m ticket.Mail, what string) {
	k.Helper()
	k.same(len(k.mails(ticket.MailQuery{Tenant: m.Tenant, IDs: []ticket.ID{m.ID}})), 0, "mails with the ID of %s", what)
}

func (k *kit) claimMails(now time.Time, limit int, mailboxes ...string) []ticket.Mail {
	k.Helper()
	if len(mailboxes) == 0 {
		mailboxes = []string{"support"}
	}
	list, err := k.store.ClaimMails(k.Context(), ticket.MailClaim{Now: now, Lease: lease, Limit: limit, Mailboxes: mailboxes})
	k.ok(err, "ClaimMails")
	return list
}

// claimMail expects one mail to be claimed.
func (k *kit) claimMail(now time.Time, mailbox string) ticket.Mail {
	k.Helper()
	list := k.claimMails(now, 10, mailbox)
	k.same(len(list), 1, "number of mails claimed")
	return list[0]
}

func mailIDs(list []ticket.Mail) []ticket.ID {
	ids := make([]ticket.ID, len(list))
	for i := range list {
		ids[i] = list[i].ID
	}
	return ids
}

// mailStates are all states, and settledMails those that are settled.
var (
	settledMails = []ticket.MailState{ticket.MailDone, ticket.MailRepeated, ticket.MailIgnored, ticket.MailHeld}
	mailStates   = append([]ticket.MailState{ticket.MailPending}, settledMails...)
)

// bare has as little as a mail can have.
func bare(m *ticket.Mail) {
	*m = ticket.Mail{ID: m.ID, Tenant: m.Tenant, Mailbox: "x", Raw: m.Raw, Arrived: m.Arrived, State: ticket.MailPending, Due: m.Due}
}

func nullSender(m *ticket.Mail) { m.From = "" }

func long(m *ticket.Mail) {
	m.Mailbox, m.Origin, m.From = strings.Repeat("é", 100), strings.Repeat("o", 500), strings.Repeat("f", 1000)
	m.To = slices.Repeat([]string{strings.Repeat("t", 200)}, 1000)
}

func mailStored(k *kit) {
	for _, m := range []ticket.Mail{k.fullMail(acme), k.mail(""), k.mail(acme, bare), k.mail(acme, nullSender), k.mail(acme, long)} {
		k.same(k.putMail(m), m, "mail returned by PutMail")
		k.mailStands(m, "a new mail")
	}
}

func mailSameID(k *kit) {
	m := k.fullMail(acme)
	k.putMail(m)
	other := k.mail(acme, func(o *ticket.Mail) { o.ID = m.ID })
	k.same(k.putMail(other), m, "mail returned by PutMail with a known ID")
	k.mailStands(m, "a mail that was put twice")
	k.same(len(k.mails(ticket.MailQuery{Tenant: acme})), 1, "number of mails")
}

// mailSameOrigin meets an origin that is pending, claimed, settled and erased.
func mailSameOrigin(k *kit) {
	first := k.mail(acme)
	again := func() ticket.Mail { return k.mail(acme, func(o *ticket.Mail) { o.Origin, o.Size = first.Origin, 1 }) }
	k.same(k.putMail(first), first, "mail returned by PutMail")
	k.same(k.putMail(again()).ID, first.ID, "ID of the mail returned by PutMail with a known origin")
	k.claimMails(clock, 10)
	k.same(k.putMail(again()).ID, first.ID, "ID of the mail returned by PutMail with the origin of a claimed mail")
	done := k.settledAs(first, ticket.MailDone)
	done.Attempts = 1
	k.settleMail(ticket.MailPending, done)
	k.same(k.putMail(again()), done, "mail returned by PutMail with the origin of a settled mail")
	k.ok(eraseMails(k, acme, 1, done.ID), "EraseMails")
	k.same(k.putMail(again()).ID, first.ID, "ID of the mail returned by PutMail with the origin of an erased mail")
	k.same(len(k.mails(ticket.MailQuery{Tenant: acme})), 1, "number of mails")
}

func mailOtherOrigin(k *kit) {
	first := k.putMail(k.mail(acme))
	want := []ticket.ID{first.ID}
	for what, edit := range sortedMap(map[string]func(m *ticket.Mail){
		"no origin": func(m *ticket.Mail) { m.Origin = "" }, "no origin either": func(m *ticket.Mail) { m.Origin = "" },
		"another mailbox":          func(m *ticket.Mail) { m.Origin, m.Mailbox = first.Origin, "sales" },
		"a mailbox in capitals":    func(m *ticket.Mail) { m.Origin, m.Mailbox = first.Origin, "Support" },
		"an origin with a space":   func(m *ticket.Mail) { m.Origin = first.Origin + " " },
		"an origin in other cases": func(m *ticket.Mail) { m.Origin = strings.ToLower(first.Origin) },
	}) {
		m := k.mail(acme, edit)
		k.same(k.putMail(m), m, "mail returned by PutMail with %s", what)
		want = append(want, m.ID)
	}
	elsewhere := k.mail("", func(m *ticket.Mail) { m.Origin = first.Origin })
	k.same(k.putMail(elsewhere), elsewhere, "mail returned by PutMail with the origin of another tenant")
	k.same(ascending(mailIDs(k.mails(ticket.MailQuery{Tenant: acme}))), ascending(want), "mails")
}

func ascending(list []ticket.ID) []ticket.ID {
	return slices.SortedFunc(slices.Values(list), ticket.ID.Compare)
}

// sortedMap yields a map in the order of its keys.
func sortedMap[V any](m map[string]V) func(yield func(string, V) bool) {
	return func(yield func(string, V) bool) {
		for _, key := range slices.Sorted(maps.Keys(m)) {
			if !yield(key, m[key]) {
				return
			}
		}
	}
}

func mailForeignID(k *kit) {
	m := k.putMail(k.mail(acme))
	_, err := k.store.PutMail(k.Context(), k.mail("", func(o *ticket.Mail) { o.ID = m.ID }))
	k.duplicate(err, "mail", "PutMail with the ID of another tenant's mail")
	k.mailStands(m, "a mail of another tenant")
	k.same(len(k.mails(ticket.MailQuery{})), 0, "mails of the other tenant")
}

// brokenMails breaks each rule of Mail.Check.
var brokenMails = map[string]func(m *ticket.Mail){
	"no ID":                  func(m *ticket.Mail) { m.ID = ticket.ID{} },
	"no mailbox":             func(m *ticket.Mail) { m.Mailbox = "" },
	"no time of arrival":     func(m *ticket.Mail) { m.Arrived = time.Time{} },
	"no bytes":               func(m *ticket.Mail) { m.Raw = ticket.Digest{} },
	"a negative size":        func(m *ticket.Mail) { m.Size = -1 },
	"an unknown state":       func(m *ticket.Mail) { m.State = "lost" },
	"text that is not UTF-8": func(m *ticket.Mail) { m.From = "a\xff@example.org" },
	"a NUL byte":             func(m *ticket.Mail) { m.To = []string{"a\x00@example.org"} },
	"a time too late":        func(m *ticket.Mail) { m.Arrived = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) },
	"a long origin":          func(m *ticket.Mail) { m.Origin = strings.Repeat("x", 501) },
	"a sender that is not":   func(m *ticket.Mail) { m.HasSender = false },
}

func mailRefused(k *kit) {
	list := maps.Clone(brokenMails)
	list["a settled state"] = func(m *ticket.Mail) { *m = k.settledAs(*m, ticket.MailDone) }
	list["an attempt"] = func(m *ticket.Mail) { m.Attempts = 1 }
	list["a lease"] = func(m *ticket.Mail) { m.Until = soon }
	list["no time"] = func(m *ticket.Mail) { m.Due = time.Time{} }
	for what, edit := range sortedMap(list) {
		_, err := k.store.PutMail(k.Context(), k.mail(acme, edit))
		k.refused(err, ticket.ErrInvalid, "PutMail with %s", what)
	}
	k.same(len(k.mails(ticket.MailQuery{Tenant: acme})), 0, "number of mails")
}

func mailDue(t time.Time) func(m *ticket.Mail) { return func(m *ticket.Mail) { m.Due = t } }

func mailsDue(k *kit) {
	now := k.putMail(k.mail(acme, mailDue(clock)))
	k.putMail(k.mail(acme, mailDue(clock.Add(time.Microsecond))))
	k.same(mailIDs(k.claimMails(clock, 10)), []ticket.ID{now.ID}, "mails that are due")
}

func mailsInOrder(k *kit) {
	var list []ticket.Mail
	for i := range 12 {
		box := []string{"support", "sales"}[i%2]
		list = append(list, k.putMail(k.mail([]string{acme, "", "other"}[i%3], mailDue(past.Add(time.Duration(i*5%4)*time.Microsecond)), func(m *ticket.Mail) { m.Mailbox = box })))
	}
	slices.SortFunc(list, byMailDue)
	k.same(mailIDs(k.claimMails(clock, 50, "sales", "support")), mailIDs(list), "mails of two mailboxes and three tenants")
}

func byMailDue(a, b ticket.Mail) int { return cmp.Or(a.Due.Compare(b.Due), a.ID.Compare(b.ID)) }

func mailsLimited(k *kit) {
	var list []ticket.Mail
	for i := range 7 {
		box := []string{"support", "sales"}[i%2]
		list = append(list, k.putMail(k.mail(acme, mailDue(past.Add(time.Duration(i*3%7)*time.Second)), func(m *ticket.Mail) { m.Mailbox = box })))
	}
	slices.SortFunc(list, byMailDue)
	for _, n := range []int{1, 2, 4} {
		k.same(mailIDs(k.claimMails(clock, n, "support", "sales", "support")), mailIDs(list[:n]), "mails with a limit of %d", n)
		list = list[n:]
	}
}

func mailsOfMailboxes(k *kit) {
	box := func(name string) ticket.ID {
		return k.putMail(k.mail(acme, func(m *ticket.Mail) { m.Mailbox = name })).ID
	}
	box("Support")
	mine := box("support")
	box("support ")
	sales := box("sales")
	none, err := k.store.ClaimMails(k.Context(), ticket.MailClaim{Now: clock, Lease: lease, Limit: 10})
	k.ok(err, "ClaimMails without mailboxes")
	k.same(len(none), 0, "mails of no mailboxes")
	k.same(len(k.claimMails(clock, 10, "nobody's")), 0, "mails of an unknown mailbox")
	k.same(mailIDs(k.claimMails(clock, 10, "support")), []ticket.ID{mine}, "mails of one mailbox")
	k.same(mailIDs(k.claimMails(clock, 10, "sales", "support")), []ticket.ID{sales}, "mails of two mailboxes, one of which has none left")
}

func mailsLeased(k *kit) {
	m := k.fullMail(acme)
	k.putMail(m)
	got := k.claimMails(clock, 10, m.Mailbox)
	m.Attempts, m.Until = 1, clock.Add(lease)
	k.same(got, []ticket.Mail{m}, "claimed mails")
	k.mailStands(m, "a claimed mail")
	k.same(len(k.claimMails(m.Until.Add(-time.Microsecond), 10, m.Mailbox)), 0, "mails claimed before the lease ends")
	m.Attempts, m.Until = 2, m.Until.Add(lease)
	k.same(k.claimMails(clock.Add(lease), 10, m.Mailbox), []ticket.Mail{m}, "mails claimed when the lease ends")
}

// mailsPending has mails in every state, settled and released ones.
func mailsPending(k *kit) {
	for _, s := range settledMails {
		k.mailIn(acme, s)
	}
	held := k.mailIn(acme, ticket.MailHeld)
	released := held
	released.State, released.Settled, released.Due = ticket.MailPending, time.Time{}, clock
	k.settleMail(ticket.MailHeld, released)
	later := k.mail(acme)
	k.putMail(later)
	later.Due = clock.Add(time.Second)
	k.settleMail(ticket.MailPending, later)
	erased := k.mailIn(acme, ticket.MailPending)
	k.ok(eraseMails(k, acme, 1, erased.ID), "EraseMails")
	k.same(mailIDs(k.claimMails(clock, 10)), []ticket.ID{held.ID}, "mails claimed when one was released")
	k.same(mailIDs(k.claimMails(clock.Add(time.Second), 10)), []ticket.ID{later.ID}, "mails claimed when one is due again")
}

func mailAttempts(k *kit) {
	m := k.putMail(k.mail(acme))
	other := k.putMail(k.mail(acme, mailDue(soon)))
	for i := range 3 {
		got := k.claimMails(clock.Add(time.Duration(i)*lease), 10)
		k.same(len(got), 1, "number of mails")
		k.same(got[0].Attempts, i+1, "attempts in the claim")
		k.same(k.mails(ticket.MailQuery{Tenant: acme, IDs: []ticket.ID{m.ID}})[0].Attempts, i+1, "attempts stored")
	}
	k.mailStands(other, "a mail that was not claimed")
}

func mailClaimRefused(k *kit) {
	m := k.putMail(k.mail(acme))
	for what, edit := range sortedMap(map[string]func(c *ticket.MailClaim){
		"no time": func(c *ticket.MailClaim) { c.Now = time.Time{} }, "no lease": func(c *ticket.MailClaim) { c.Lease = 0 },
		"a negative lease": func(c *ticket.MailClaim) { c.Lease = -1 }, "no limit": func(c *ticket.MailClaim) { c.Limit = 0 },
		"a negative limit": func(c *ticket.MailClaim) { c.Limit = -1 }, "too many mailboxes": func(c *ticket.MailClaim) { c.Mailboxes = make([]string, 1001) },
	}) {
		c := ticket.MailClaim{Now: clock, Lease: lease, Limit: 10, Mailboxes: []string{"support"}}
		edit(&c)
		_, err := k.store.ClaimMails(k.Context(), c)
		k.refused(err, ticket.ErrInvalid, "ClaimMails with %s", what)
	}
	k.mailStands(m, "a mail that was not claimed")
}

// mailSettled takes a mail through all states.
func mailSettled(k *kit) {
	m := k.fullMail(acme)
	k.putMail(m)
	other := k.putMail(k.mail(acme))
	got := k.claimMail(clock, m.Mailbox)
	from := ticket.MailPending
	for _, s := range []ticket.MailState{ticket.MailHeld, ticket.MailDone, ticket.MailRepeated, ticket.MailIgnored} {
		got = k.settledAs(got, s)
		k.settleMail(from, got)
		k.mailStands(got, "a mail that is "+string(s))
		from = s
	}
	got.State, got.Settled, got.Due, got.Explained, got.Reason, got.Ticket, got.Seq = ticket.MailPending, time.Time{}, soon, nil, "", ticket.ID{}, 0
	k.settleMail(from, got)
	k.mailStands(got, "a mail that is pending again")
	got.Until = soon.Add(lease)
	k.settleMail(ticket.MailPending, got)
	k.mailStands(got, "a mail with a longer lease")
	k.settleMail(ticket.MailPending, got)
	k.mailStands(got, "a mail that was settled as it was")
	long := k.settledAs(got, ticket.MailHeld)
	long.Reason, long.MessageID, long.Author = strings.Repeat("r", 2000), strings.Repeat("m", 998), strings.Repeat("a", 1000)
	long.Explained = []byte(`"` + strings.Repeat("e", 64<<10-2) + `"`)
	k.settleMail(ticket.MailPending, long)
	k.mailStands(long, "a mail with long texts")
	k.mailStands(other, "another mail")
}

func mailLost(k *kit) {
	m := k.putMail(k.mail(acme))
	first, second := k.claimMail(clock, "support"), k.claimMail(clock.Add(lease), "support")
	k.refused(k.store.SettleMail(k.Context(), ticket.MailPending, k.settledAs(first, ticket.MailDone)), ticket.ErrClaimLost, "SettleMail under an earlier claim")
	k.mailStands(second, "a mail whose claim was lost")
	for _, s := range settledMails {
		k.refused(k.store.SettleMail(k.Context(), s, k.settledAs(second, ticket.MailDone)), ticket.ErrClaimLost, "SettleMail of a pending mail from %q", s)
	}
	done := k.settledAs(second, ticket.MailDone)
	k.settleMail(ticket.MailPending, done)
	for _, s := range mailStates {
		if s != ticket.MailDone {
			k.refused(k.store.SettleMail(k.Context(), s, k.settledAs(second, ticket.MailHeld)), ticket.ErrClaimLost, "SettleMail of a done mail from %q", s)
		}
	}
	k.mailStands(done, "a mail that was settled")
	k.ok(eraseMails(k, acme, 1, m.ID), "EraseMails")
	k.refused(k.store.SettleMail(k.Context(), ticket.MailDone, done), ticket.ErrClaimLost, "SettleMail of an erased mail")
	done.Erase(clock)
	k.mailStands(done, "an erased mail")
}

func mailUnknown(k *kit) {
	m := k.mail(acme)
	k.refused(k.store.SettleMail(k.Context(), ticket.MailPending, k.settledAs(m, ticket.MailDone)), ticket.ErrNotFound, "SettleMail of an unknown mail")
	k.mailGone(m, "an unknown mail")
}

func mailKept(k *kit) {
	m := k.fullMail(acme)
	k.putMail(m)
	done := k.settledAs(m, ticket.MailDone)
	other := k.settledAs(k.mail(acme), ticket.MailDone)
	other.ID, other.Ticket, other.Fingerprint, other.MessageID = done.ID, done.Ticket, done.Fingerprint, done.MessageID
	k.settleMail(ticket.MailPending, other)
	k.mailStands(done, "a mail that was settled with other unchangeable values")
	other = k.settledAs(k.mail(acme, bare), ticket.MailDone)
	other.ID, other.Ticket, other.Fingerprint, other.MessageID = done.ID, done.Ticket, done.Fingerprint, done.MessageID
	k.settleMail(ticket.MailDone, other)
	k.mailStands(done, "a mail that was settled without its unchangeable values")
}

func mailSettleRefused(k *kit) {
	m := k.putMail(k.mail(acme))
	list := maps.Clone(brokenMails)
	list["no time"] = func(m *ticket.Mail) { m.Settled = time.Time{} }
	list["a lease"] = func(m *ticket.Mail) { m.Until = soon }
	list["an event without a ticket"] = func(m *ticket.Mail) { m.Ticket = ticket.ID{} }
	list["an explanation that is not JSON"] = func(m *ticket.Mail) { m.Explained = []byte("{") }
	list["a long reason"] = func(m *ticket.Mail) { m.Reason = strings.Repeat("x", 2001) }
	for what, edit := range sortedMap(list) {
		done := k.settledAs(m, ticket.MailDone)
		edit(&done)
		k.refused(k.store.SettleMail(k.Context(), ticket.MailPending, done), ticket.ErrInvalid, "SettleMail with %s", what)
	}
	k.mailStands(m, "a mail that was not settled")
}

func newest(a, b ticket.Mail) int { return cmp.Or(b.Arrived.Compare(a.Arrived), b.ID.Compare(a.ID)) }

// arriving stores n mails of each of two tenants. Some arrive at the same time.
func (k *kit) arriving(n int) []ticket.Mail {
	k.Helper()
	var all []ticket.Mail
	for i := range n {
		for _, tenant := range []string{acme, "other"} {
			all = append(all, k.putMail(k.mail(tenant, func(m *ticket.Mail) { m.Arrived = clock.Add(time.Duration(i*7%5) * time.Microsecond) })))
		}
	}
	return all
}

// mailAnswer returns the right answer.
func mailAnswer(all []ticket.Mail, q ticket.MailQuery) []ticket.Mail {
	var list []ticket.Mail
	for i := range all {
		if q.Match(&all[i]) {
			list = append(list, all[i])
		}
	}
	slices.SortFunc(list, newest)
	return list[:min(len(list), cmp.Or(q.Limit, 100))]
}

func mailsNewest(k *kit) {
	all := k.arriving(9)
	q := ticket.MailQuery{Tenant: acme}
	k.same(k.mails(q), mailAnswer(all, q), "mails")
}

func mailsAtMost(k *kit) {
	all := k.arriving(6)
	for _, limit := range []int{1, 2, 5, 6, 7} {
		q := ticket.MailQuery{Tenant: acme, Limit: limit}
		k.same(mailIDs(k.mails(q)), mailIDs(mailAnswer(all, q)), "mails with a limit of %d, of 6", limit)
	}
}

// mailMatches asks by each condition alone, by pairs, and for values that nearly match.
func mailMatches(k *kit) {
	all := []ticket.Mail{k.mailIn("other", ticket.MailDone)}
	for i, s := range slices.Concat(mailStates, mailStates, mailStates) {
		all = append(all, k.mailIn(acme, s, func(m *ticket.Mail) {
			m.Mailbox, m.Origin = []string{"support", "sales", "Support"}[i%3], fmt.Sprint("1:", i%5)
			if i%5 == 3 {
				m.Origin = ""
			}
			m.Arrived = clock.Add(time.Duration(i%6) * time.Second)
			m.From = []string{"Ada@Example.org", "ada@example.org", "", "bob@example.org", "ada@example.org "}[i%5]
			m.HasSender = true
			if m.State != ticket.MailPending {
				m.Author = []string{"", "ada@EXAMPLE.org", "Zoë@example.org"}[i%3]
				m.MessageID = fmt.Sprint("id-", i%5)
				m.Fingerprint = sha256.Sum256([]byte{byte(i % 4)})
			}
		}))
	}
	erased := []int{3, 8}
	for _, i := range erased {
		k.ok(eraseMails(k, acme, 1, all[i].ID), "EraseMails")
		all[i].Erase(clock)
	}
	parts := []func(q *ticket.MailQuery){func(*ticket.MailQuery) {}}
	part := func(edit func(q *ticket.MailQuery)) { parts = append(parts, edit) }
	for _, s := range mailStates {
		part(func(q *ticket.MailQuery) { q.States = []ticket.MailState{s} })
	}
	part(func(q *ticket.MailQuery) { q.States = []ticket.MailState{ticket.MailHeld, ticket.MailDone} })
	part(func(q *ticket.MailQuery) {
		q.IDs = []ticket.ID{all[5].ID, all[0].ID, all[2].ID, k.id(), all[5].ID, all[3].ID}
	})
	for _, list := range [][]string{{"1:0"}, {"1:1", "1:0", "1:1", "9:9"}, {"1:4", "1:2"}} {
		part(func(q *ticket.MailQuery) { q.Origins = list })
		part(func(q *ticket.MailQuery) { q.Mailbox, q.Origins = "support", list })
	}
	for _, list := range [][]string{{"id-1"}, {"id-0", "id-3", "id-0", "none"}, {"ID-1", "id-2"}} {
		part(func(q *ticket.MailQuery) { q.MessageIDs = list })
	}
	for i, m := range all[:9] {
		part(func(q *ticket.MailQuery) { q.Mailbox = m.Mailbox })
		part(func(q *ticket.MailQuery) { q.Origin = m.Origin })
		part(func(q *ticket.MailQuery) { q.Mailbox, q.Origin = m.Mailbox, m.Origin })
		part(func(q *ticket.MailQuery) { q.Fingerprint = m.Fingerprint })
		part(func(q *ticket.MailQuery) { q.MessageID = m.MessageID })
		part(func(q *ticket.MailQuery) { q.Ticket = m.Ticket })
		part(func(q *ticket.MailQuery) { q.Since = clock.Add(time.Duration(i) * time.Second) })
		part(func(q *ticket.MailQuery) { q.Before = clock.Add(time.Duration(i) * time.Second) })
	}
	for _, s := range []string{"ada@example.org", "ADA@example.org", "bob@example.org", "zoë@example.org", "ZOË@example.org", "ada@example.org ", "a%", "ad_@example.org"} {
		part(func(q *ticket.MailQuery) { q.Sender = s })
	}
	for _, s := range []string{"ID-1", "id-1 ", "id-_"} {
		part(func(q *ticket.MailQuery) { q.MessageID = s })
	}
	for i, one := range parts {
		for _, j := range []int{0, (i*7 + 1) % len(parts), (i*11 + 3) % len(parts), len(parts) - 1 - i} {
			q := ticket.MailQuery{Tenant: acme, Limit: 100}
			one(&q)
			parts[j](&q)
			k.same(k.mails(q), mailAnswer(all, q), "mails that match %+v", q)
		}
	}
}

// mailPages walks in pages. The second walk removes what it has got.
func mailPages(k *kit) {
	all := k.arriving(11)
	whole := mailIDs(mailAnswer(all, ticket.MailQuery{Tenant: acme}))
	walk := func(limit int, q ticket.MailQuery) (ids []ticket.ID) {
		for q.Limit = limit; len(ids) <= len(whole); {
			page := k.mails(q)
			ids = append(ids, mailIDs(page)...)
			if len(page) < limit {
				break
			}
			q.Before, q.BeforeID = page[limit-1].Arrived, page[limit-1].ID
		}
		return ids
	}
	for _, limit := range []int{1, 2, 3, 10, 11, 12} {
		k.same(walk(limit, ticket.MailQuery{Tenant: acme}), whole, "mails of a walk with a limit of %d", limit)
		k.same(walk(limit, ticket.MailQuery{Tenant: acme, Mailbox: "support", Sender: "ada@example.org", States: []ticket.MailState{ticket.MailPending}}), whole,
			"mails of a walk with conditions and a limit of %d", limit)
	}
	q := ticket.MailQuery{Tenant: acme, Before: clock.Add(2 * time.Microsecond)}
	k.same(k.mails(q), mailAnswer(all, q), "mails before a time, without BeforeID")
	q.BeforeID = ticket.ID{255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255}
	k.same(k.mails(q), mailAnswer(all, q), "mails before a time, with the greatest BeforeID")
}

func mailQueryRefused(k *kit) {
	k.putMail(k.mail(acme))
	for what, edit := range sortedMap(map[string]func(q *ticket.MailQuery){
		"no limit": func(q *ticket.MailQuery) { q.Limit = 0 }, "a negative limit": func(q *ticket.MailQuery) { q.Limit = -1 },
		"a great limit": func(q *ticket.MailQuery) { q.Limit = 1001 }, "an unknown state": func(q *ticket.MailQuery) { q.States = []ticket.MailState{"lost"} },
		"too many IDs":         func(q *ticket.MailQuery) { q.IDs = make([]ticket.ID, 1001) },
		"too many origins":     func(q *ticket.MailQuery) { q.Origins = slices.Repeat([]string{"x"}, 1001) },
		"too many Message-IDs": func(q *ticket.MailQuery) { q.MessageIDs = slices.Repeat([]string{"x"}, 1001) },
		"an empty origin":      func(q *ticket.MailQuery) { q.Origins = []string{"x", ""} },
		"an empty Message-ID":  func(q *ticket.MailQuery) { q.MessageIDs = []string{""} },
		"a time too late":      func(q *ticket.MailQuery) { q.Before = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) },
	}) {
		q := ticket.MailQuery{Tenant: acme, Limit: 10}
		edit(&q)
		_, err := k.store.Mails(k.Context(), q)
		k.refused(err, ticket.ErrInvalid, "Mails with %s", what)
	}
}

// mailCopies overwrites arguments and results.
func mailCopies(k *kit) {
	m := k.mail(acme)
	given := m
	given.To = slices.Clone(m.To)
	got := k.putMail(given)
	scribble(&given)
	scribble(&got)
	k.mailStands(m, "a mail, when the argument and the result of PutMail were overwritten")
	claimed := k.claimMails(clock, 10)
	scribble(&claimed)
	m.Attempts, m.Until = 1, clock.Add(lease)
	done := k.settledAs(m, ticket.MailDone)
	given = done
	given.To, given.Explained = slices.Clone(done.To), slices.Clone(done.Explained)
	k.settleMail(ticket.MailPending, given)
	scribble(&given)
	for range 3 {
		found := k.mails(ticket.MailQuery{Tenant: acme})
		k.same(found, []ticket.Mail{done}, "mails, when all arguments and results were overwritten")
		scribble(&found)
	}
}

func mailCounts(k *kit) {
	want := map[ticket.MailState]int64{}
	for i, s := range mailStates {
		for range i + 1 {
			k.mailIn(acme, s)
			want[s]++
		}
		k.mailIn("other", s)
	}
	k.claimMails(clock, 10)
	got, err := k.store.CountMails(k.Context(), acme)
	k.ok(err, "CountMails")
	k.same(got, want, "numbers of mails")
}

func mailCountsNone(k *kit) {
	m := k.mailIn(acme, ticket.MailHeld)
	k.mailIn("other", ticket.MailPending)
	for _, want := range []map[ticket.MailState]int64{{ticket.MailHeld: 1}, {}} {
		got, err := k.store.CountMails(k.Context(), acme)
		k.ok(err, "CountMails")
		k.same(len(got), len(want), "number of states")
		k.same(got, want, "numbers of mails")
		_, err = k.store.ForgetMails(k.Context(), acme, []ticket.ID{m.ID})
		k.ok(err, "ForgetMails")
	}
}

func mailFiles(k *kit) {
	var sums, want []ticket.Digest
	for _, s := range mailStates {
		m := k.mailIn(acme, s)
		sums, want = append(sums, m.Raw), append(want, m.Raw)
	}
	twice := k.mailIn(acme, ticket.MailRepeated, func(m *ticket.Mail) { m.Raw = want[0] })
	elsewhere, erased := k.mailIn("other", ticket.MailDone), k.mailIn(acme, ticket.MailDone)
	k.ok(eraseMails(k, acme, 1, erased.ID), "EraseMails")
	sums = append(sums, elsewhere.Raw, erased.Raw, twice.Raw, ticket.Digest{}, sha256.Sum256(nil))
	files := func(sums []ticket.Digest) []ticket.Digest {
		got, err := k.store.MailFiles(k.Context(), acme, sums)
		k.ok(err, "MailFiles")
		return sortedDigests(got)
	}
	k.same(files(sums), sortedDigests(want), "digests that mails refer to")
	k.same(files(sums[:1]), sums[:1], "digest that two mails refer to")
	k.same(len(files(nil)), 0, "digests of none")
	k.same(len(files([]ticket.Digest{{}})), 0, "zero digests")
}

// eraseMails expects a number of mails to be erased.
func eraseMails(k *kit, tenant string, n int, ids ...ticket.ID) error {
	got, err := k.store.EraseMails(k.Context(), tenant, ids, clock)
	if err == nil && got != n {
		err = fmt.Errorf("returned %d for the number of erased mails, want %d", got, n)
	}
	return err
}

func mailErased(k *kit) {
	var ids []ticket.ID
	var all []ticket.Mail
	for _, s := range mailStates {
		m := k.mailIn(acme, s)
		ids, all = append(ids, m.ID), append(all, m)
	}
	claimed := k.mail(acme)
	k.putMail(claimed)
	claimed.Attempts, claimed.Until = 1, clock.Add(lease)
	k.same(len(k.claimMails(clock, 10)), 2, "claimed mails")
	all[0].Attempts = 1
	ids, all = append(ids, claimed.ID), append(all, claimed)
	full := k.fullMail(acme)
	k.putMail(full)
	ids, all = append(ids, full.ID), append(all, full)
	kept, elsewhere := k.mailIn(acme, ticket.MailHeld), k.mailIn("other", ticket.MailDone)
	k.ok(eraseMails(k, acme, len(all), append(ids, elsewhere.ID, k.id(), ids[0])...), "EraseMails")
	for _, m := range all {
		was := m.State
		m.Erase(clock)
		k.mailStands(m, "an erased mail that was "+string(was))
	}
	k.mailStands(kept, "a mail that was not to be erased")
	k.mailStands(elsewhere, "a mail of another tenant")
}

func mailErasedOnce(k *kit) {
	m, held := k.mailIn(acme, ticket.MailDone), k.mailIn(acme, ticket.MailHeld)
	k.ok(eraseMails(k, acme, 2, m.ID, held.ID), "EraseMails")
	n, err := k.store.EraseMails(k.Context(), acme, []ticket.ID{held.ID, m.ID}, soon)
	k.ok(err, "EraseMails")
	k.same(n, 0, "number of mails that were erased again")
	m.Erase(clock)
	held.Erase(clock)
	k.mailStands(m, "a mail that was erased twice")
	k.mailStands(held, "a held mail that was erased twice")
}

// mailErasedAll looks for an erased mail by all that it had, and by what it keeps.
func mailErasedAll(k *kit) {
	m := k.mailIn(acme, ticket.MailDone)
	k.ok(eraseMails(k, acme, 1, m.ID), "EraseMails")
	for what, q := range sortedMap(map[string]ticket.MailQuery{
		"Author": {Sender: m.Author}, "From": {Sender: m.From}, "MessageID": {MessageID: m.MessageID},
	}) {
		q.Tenant = acme
		k.same(len(k.mails(q)), 0, "mails found by the erased %s", what)
	}
	for what, q := range sortedMap(map[string]ticket.MailQuery{
		"Fingerprint": {Fingerprint: m.Fingerprint}, "Origin": {Mailbox: m.Mailbox, Origin: m.Origin}, "Ticket": {Ticket: m.Ticket},
		"state": {States: []ticket.MailState{ticket.MailDone}},
	}) {
		q.Tenant = acme
		k.same(mailIDs(k.mails(q)), []ticket.ID{m.ID}, "mails found by the %s of an erased mail", what)
	}
}

func settledOn(t time.Time) func(m *ticket.Mail) {
	return func(m *ticket.Mail) {
		if m.State != ticket.MailPending {
			m.Settled = t
		}
	}
}

func noOrigin(m *ticket.Mail) { m.Origin = "" }

// prunedMails are the states that PruneMails works on.
var prunedMails = []ticket.MailState{ticket.MailDone, ticket.MailRepeated, ticket.MailIgnored}

func (k *kit) pruneMails(before time.Time, limit int) int {
	k.Helper()
	n, err := k.store.PruneMails(k.Context(), before, limit)
	k.ok(err, "PruneMails")
	return n
}

func mailsOld(k *kit) {
	var old, kept []ticket.Mail
	for i, s := range slices.Concat(prunedMails, prunedMails) {
		old = append(old, k.mailIn([]string{acme, "", "other"}[i/2], s, settledOn(clock.Add(-time.Microsecond)), noOrigin))
		kept = append(kept, k.mailIn(acme, s, settledOn(clock), noOrigin))
	}
	for _, left := range []int{2, 0} {
		k.pruneMails(clock, 4)
		n := 0
		for _, m := range old {
			n += len(k.mails(ticket.MailQuery{Tenant: m.Tenant, IDs: []ticket.ID{m.ID}}))
		}
		k.same(n, left, "old mails that are left, with a limit of 4, of 6")
	}
	for _, m := range kept {
		k.mailStands(m, "a mail that was settled at that time")
	}
}

func mailsRemoved(k *kit) {
	var gone, kept []ticket.Mail
	for _, s := range prunedMails {
		gone = append(gone, k.mailIn(acme, s, settledOn(past), noOrigin), k.mailIn(acme, s, settledOn(past), noOrigin))
		kept = append(kept, k.mailIn(acme, s, settledOn(past)))
	}
	k.ok(eraseMails(k, acme, 1, gone[1].ID), "EraseMails")
	k.pruneMails(clock, 100)
	for _, m := range gone {
		k.mailGone(m, "an old mail without an origin")
	}
	for _, m := range kept {
		m.Erase(clock)
		k.mailStands(m, "an old mail with an origin")
	}
}

func mailsOthers(k *kit) {
	var kept []ticket.Mail
	for _, edit := range []func(*ticket.Mail){noOrigin, func(*ticket.Mail) {}} {
		for _, s := range []ticket.MailState{ticket.MailPending, ticket.MailHeld} {
			kept = append(kept, k.mailIn(acme, s, settledOn(past), edit))
		}
	}
	again := k.mailIn(acme, ticket.MailDone, settledOn(past))
	taken := again
	taken.State, taken.Settled, taken.Due = ticket.MailPending, time.Time{}, past
	k.settleMail(ticket.MailDone, taken)
	released := k.mailIn(acme, ticket.MailHeld, settledOn(past))
	released = k.settledAs(released, ticket.MailDone)
	k.settleMail(ticket.MailHeld, released)
	gone := k.mailIn(acme, ticket.MailIgnored, settledOn(past), noOrigin)
	k.pruneMails(clock, 100)
	for _, m := range append(kept, taken, released) {
		k.mailStands(m, "a mail that is "+string(m.State))
	}
	k.mailGone(gone, "an old mail that is ignored")
}

func mailsPruned(k *kit) {
	for i, s := range slices.Concat(prunedMails, prunedMails) {
		k.mailIn(acme, s, settledOn(past), []func(*ticket.Mail){noOrigin, func(*ticket.Mail) {}}[i%2])
	}
	erased := k.mailIn(acme, ticket.MailDone, settledOn(past))
	k.ok(eraseMails(k, acme, 1, erased.ID), "EraseMails")
	for _, limit := range []int{0, -1} {
		k.same(k.pruneMails(clock, limit), 0, "number with a limit of %d", limit)
	}
	k.same(len(k.mails(ticket.MailQuery{Tenant: acme, Sender: "ada+x@example.org"})), 6, "mails that are left")
	for _, n := range []int{4, 2, 0} {
		k.same(k.pruneMails(clock, 4), n, "number with a limit of 4")
	}
	k.same(len(k.mails(ticket.MailQuery{Tenant: acme})), 4, "mails that are left")
}

func mailsForgotten(k *kit) {
	var ids []ticket.ID
	for _, s := range settledMails {
		ids = append(ids, k.mailIn(acme, s).ID)
	}
	erased := k.mailIn(acme, ticket.MailDone)
	k.ok(eraseMails(k, acme, 1, erased.ID), "EraseMails")
	ids = append(ids, erased.ID)
	pending, other, elsewhere := k.mailIn(acme, ticket.MailPending), k.mailIn(acme, ticket.MailHeld), k.mailIn("other", ticket.MailHeld)
	forget := func() int {
		n, err := k.store.ForgetMails(k.Context(), acme, append(ids, pending.ID, elsewhere.ID, k.id(), ids[0]))
		k.ok(err, "ForgetMails")
		return n
	}
	k.same(forget(), len(ids), "number of forgotten mails")
	k.same(forget(), 0, "number of mails that were forgotten again")
	k.mailStands(pending, "a pending mail")
	k.mailStands(other, "a mail that was not to be forgotten")
	k.mailStands(elsewhere, "a mail of another tenant")
	k.same(len(k.mails(ticket.MailQuery{Tenant: acme})), 2, "number of mails")
}

func mailForgottenAgain(k *kit) {
	m := k.mailIn(acme, ticket.MailDone)
	n, err := k.store.ForgetMails(k.Context(), acme, []ticket.ID{m.ID})
	k.ok(err, "ForgetMails")
	k.same(n, 1, "number of forgotten mails")
	again := k.mail(acme, func(o *ticket.Mail) { o.ID, o.Origin = m.ID, m.Origin })
	k.same(k.putMail(again), again, "mail returned by PutMail after ForgetMails")
	k.mailStands(again, "a mail that was put again")
}

// mailTenants looks under each tenant for the mails of all others.
func mailTenants(k *kit) {
	var theirs []ticket.Mail
	for i, tenant := range tenants {
		m := k.mailIn(tenant, ticket.MailHeld, func(m *ticket.Mail) {
			m.MessageID, m.Origin = "the same", "the same"
			m.Fingerprint = sha256.Sum256([]byte("the same"))
			m.Raw = sha256.Sum256([]byte{byte(i)})
		})
		theirs = append(theirs, m)
	}
	for i, tenant := range tenants {
		for _, q := range []ticket.MailQuery{
			{}, {IDs: mailIDs(theirs)}, {MessageID: "the same"}, {Origin: "the same"}, {Mailbox: "support", Origin: "the same"},
			{Fingerprint: theirs[0].Fingerprint}, {Sender: "ada+x@example.org"}, {States: []ticket.MailState{ticket.MailHeld}},
		} {
			q.Tenant = tenant
			k.same(k.mails(q), theirs[i:i+1], "mails of tenant %q that match %+v", tenant, q)
		}
		got, err := k.store.CountMails(k.Context(), tenant)
		k.ok(err, "CountMails")
		k.same(got, map[ticket.MailState]int64{ticket.MailHeld: 1}, "numbers of mails of tenant %q", tenant)
		for j, m := range theirs {
			if i == j {
				continue
			}
			files, err := k.store.MailFiles(k.Context(), tenant, []ticket.Digest{m.Raw})
			k.ok(err, "MailFiles")
			k.same(len(files), 0, "files of tenant %q that mails of %q refer to", m.Tenant, tenant)
			k.ok(eraseMails(k, tenant, 0, m.ID), "EraseMails of a mail of another tenant")
			n, err := k.store.ForgetMails(k.Context(), tenant, []ticket.ID{m.ID})
			k.ok(err, "ForgetMails")
			k.same(n, 0, "mails of tenant %q that tenant %q could forget", m.Tenant, tenant)
			strange := m
			strange.Tenant = tenant
			k.refused(k.store.SettleMail(k.Context(), ticket.MailHeld, strange), ticket.ErrNotFound, "SettleMail under tenant %q of a mail of %q", tenant, m.Tenant)
			k.mailStands(m, "a mail of another tenant")
		}
	}
}

// mailArguments passes unsorted lists with duplicates.
func mailArguments(k *kit) {
	a, b := k.mailIn(acme, ticket.MailDone), k.mailIn(acme, ticket.MailHeld)
	if a.ID.Compare(b.ID) < 0 {
		a, b = b, a
	}
	k.putMail(k.mail(acme))
	ids := []ticket.ID{a.ID, b.ID, a.ID}
	boxes, states := []string{"z", "support", "a", "z"}, []ticket.MailState{ticket.MailPending, ticket.MailDone, ticket.MailPending}
	sums := []ticket.Digest{{9}, a.Raw, {1}, a.Raw}
	k.mails(ticket.MailQuery{Tenant: acme, IDs: ids, States: states})
	k.claimMails(clock, 1, boxes...)
	_, err := k.store.MailFiles(k.Context(), acme, sums)
	k.ok(err, "MailFiles")
	_, err = k.store.EraseMails(k.Context(), acme, ids, clock)
	k.ok(err, "EraseMails")
	_, err = k.store.ForgetMails(k.Context(), acme, ids)
	k.ok(err, "ForgetMails")
	k.same(ids, []ticket.ID{a.ID, b.ID, a.ID}, "the IDs, after several calls")
	k.same(states, []ticket.MailState{ticket.MailPending, ticket.MailDone, ticket.MailPending}, "the states, after Mails")
	k.same(boxes, []string{"z", "support", "a", "z"}, "the mailboxes, after ClaimMails")
	k.same(sums, []ticket.Digest{{9}, a.Raw, {1}, a.Raw}, "the digests, after MailFiles")
}

func mailsCancelled(k *kit) {
	pending, done := k.mailIn(acme, ticket.MailPending), k.mailIn(acme, ticket.MailDone, settledOn(past), noOrigin)
	ids := []ticket.ID{pending.ID, done.ID}
	ctx, cancel := context.WithCancel(k.Context())
	cancel()
	for _, call := range []struct {
		method string
		do     func() error
	}{
		{"PutMail", func() error { _, err := k.store.PutMail(ctx, k.mail(acme)); return err }},
		{"ClaimMails", func() error {
			_, err := k.store.ClaimMails(ctx, ticket.MailClaim{Now: clock, Lease: lease, Limit: 1, Mailboxes: []string{"support"}})
			return err
		}},
		{"SettleMail", func() error {
			return k.store.SettleMail(ctx, ticket.MailPending, k.settledAs(pending, ticket.MailDone))
		}},
		{"Mails", func() error { _, err := k.store.Mails(ctx, ticket.MailQuery{Tenant: acme, Limit: 1}); return err }},
		{"CountMails", func() error { _, err := k.store.CountMails(ctx, acme); return err }},
		{"MailFiles", func() error { _, err := k.store.MailFiles(ctx, acme, []ticket.Digest{done.Raw}); return err }},
		{"EraseMails", func() error { _, err := k.store.EraseMails(ctx, acme, ids, clock); return err }},
		{"PruneMails", func() error { _, err := k.store.PruneMails(ctx, clock, 10); return err }},
		{"ForgetMails", func() error { _, err := k.store.ForgetMails(ctx, acme, ids); return err }},
	} {
		k.refused(call.do(), context.Canceled, "%s with a cancelled context", call.method)
	}
	k.mailStands(pending, "a pending mail")
	k.mailStands(done, "a settled mail")
	k.same(len(k.mails(ticket.MailQuery{Tenant: acme})), 2, "number of mails")
}

// mailsRaced has several callers claim the same mails until none is left.
func mailsRaced(k *kit) {
	const n = 40
	for range n {
		k.putMail(k.mail(acme))
	}
	var mu sync.Mutex
	seen := map[ticket.ID]bool{}
	k.together(writers/2, func(int) error {
		for empty := 0; empty < 3; { // others may hold a lock on the rest for a moment
			list, err := k.store.ClaimMails(k.Context(), ticket.MailClaim{Now: clock, Lease: lease, Limit: 3, Mailboxes: []string{"support"}})
			if err != nil {
				return fmt.Errorf("ClaimMails: %w", err)
			}
			if len(list) == 0 {
				empty++
			}
			mu.Lock()
			for _, m := range list {
				if seen[m.ID] || m.Attempts != 1 {
					err = fmt.Errorf("two callers of ClaimMails got the mail %s", m.ID)
				}
				seen[m.ID] = true
			}
			mu.Unlock()
			if err != nil {
				return err
			}
		}
		return nil
	})
	for _, m := range k.claimMails(clock, 100) {
		if seen[m.ID] {
			k.fail("ClaimMails returned the mail %s twice", m.ID)
		}
		seen[m.ID] = true
	}
	k.same(len(seen), n, "number of mails that were claimed with ClaimMails")
}

// mailPutRaced has all callers put a mail with the same origin.
func mailPutRaced(k *kit) {
	for round := range 8 {
		got, put := make([]ticket.Mail, writers), make([]ticket.Mail, writers)
		for i := range put {
			put[i] = k.mail(acme, func(m *ticket.Mail) { m.Origin = fmt.Sprint("1:", round) })
		}
		k.together(writers, func(i int) (err error) {
			got[i], err = k.store.PutMail(k.Context(), put[i])
			if err != nil {
				return fmt.Errorf("PutMail: %w", err)
			}
			return nil
		})
		for i := range got {
			k.same(got[i], got[0], "mail that PutMail returned to one of several callers")
		}
	}
	k.same(len(k.mails(ticket.MailQuery{Tenant: acme})), 8, "number of mails after PutMail by several callers")
}

func mailsReopened(k *kit) {
	var all []ticket.Mail
	for _, s := range mailStates {
		all = append(all, k.mailIn(acme, s))
	}
	k.ok(eraseMails(k, acme, 1, all[1].ID), "EraseMails")
	all[1].Erase(clock)
	k.claimMails(clock, 10)
	all[0].Attempts, all[0].Until = 1, clock.Add(lease)
	k.reopen()
	for _, m := range all {
		k.mailStands(m, "a mail that is "+string(m.State)+", after the store was opened again")
	}
	k.same(len(k.claimMails(clock, 10)), 0, "mails claimed while the lease runs")
	again := k.mail(acme, func(m *ticket.Mail) { m.Origin = all[1].Origin })
	k.same(k.putMail(again).ID, all[1].ID, "ID of the mail returned by PutMail with a known origin")
	k.same(mailIDs(k.claimMails(clock.Add(lease), 10)), mailIDs(all[:1]), "mails claimed after the lease")
}
