package storetest

import (
	"context"
	"errors"
	"iter"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ticketkit/ticket"
)

// faulty wraps a store; a fault can replace single methods.
type faulty struct {
	ticket.Store
	commit  func(context.Context, ticket.Commit) error
	ticket  func(context.Context, string, ticket.ID) (ticket.Ticket, error)
	lookup  func(context.Context, string, ticket.Number) (ticket.Ticket, error)
	receipt func(context.Context, string, string) (ticket.Receipt, error)
	events  func(context.Context, string, ticket.ID, int64, int) ([]ticket.Event, error)
	list    func(context.Context, ticket.Query) (ticket.Page, error)
	due     func(context.Context, time.Time, int) ([]ticket.Ref, error)
	claim   func(context.Context, ticket.ClaimRequest) ([]ticket.Delivery, error)
	settle  func(context.Context, []ticket.Settlement) error
	reopen  func() ticket.Store

	deliveries func(context.Context, ticket.DeliveryQuery) (ticket.DeliveryPage, error)
	update     func(context.Context, ticket.DeliveryUpdate) (int, error)
	contexts   func(context.Context, contextsRequest) ([]ticket.DeliveryContext, error)
	prune      func(context.Context, pruneRequest) (int, error)
	erase      func(context.Context, ticket.EraseCommit) error
	traces     func(context.Context, tracesRequest) ([]ticket.ID, error)
	reschedule func(context.Context, ticket.RescheduleRequest) (int, error)
	closed     func(context.Context, ticket.ClosedQuery) ([]ticket.Ticket, error)

	pruneDeliveries func(ctx context.Context, before time.Time, limit int) (int, error)

	search   func(context.Context, ticket.SearchQuery) ([]ticket.Hit, error)
	counts   func(context.Context, string) ([]ticket.Count, error)
	count    func(context.Context, ticket.Query, int) (int, error)
	maintain func(context.Context) error
	export   func(context.Context, ticket.ID) iter.Seq2[[]ticket.Event, error]

	candidates func(context.Context, ticket.CandidateQuery) (ticket.Candidates, error)

	mails ticket.MailStore

	calls atomic.Int64 // of all methods
	used  sync.Map     // their names
}

func (f *faulty) called(method string) {
	f.calls.Add(1)
	f.used.Store(method, true)
}

// replaces reports whether the fault is in this method.
func (f *faulty) replaces(method string) bool {
	return map[string]bool{
		"Commit": f.commit != nil, "Ticket": f.ticket != nil, "Lookup": f.lookup != nil, "Receipt": f.receipt != nil,
		"Events": f.events != nil, "List": f.list != nil, "Due": f.due != nil, "Claim": f.claim != nil,
		"Settle": f.settle != nil, "reopen": f.reopen != nil,
		"Deliveries": f.deliveries != nil, "UpdateDeliveries": f.update != nil, "DeliveryContexts": f.contexts != nil, "PruneReceipts": f.prune != nil, "Reschedule": f.reschedule != nil, "Erase": f.erase != nil, "Traces": f.traces != nil,
		"Closed": f.closed != nil, "PruneDeliveries": f.pruneDeliveries != nil,
		"Search": f.search != nil, "Counts": f.counts != nil, "Count": f.count != nil, "Maintain": f.maintain != nil, "Candidates": f.candidates != nil, "Export": f.export != nil,
		"PutMail": f.mails != nil, "ClaimMails": f.mails != nil, "SettleMail": f.mails != nil, "Mails": f.mails != nil, "CountMails": f.mails != nil,
		"MailFiles": f.mails != nil, "EraseMails": f.mails != nil, "PruneMails": f.mails != nil, "ForgetMails": f.mails != nil,
	}[method]
}

func (f *faulty) Commit(ctx context.Context, c ticket.Commit) error {
	f.called("Commit")
	if f.commit != nil {
		return f.commit(ctx, c)
	}
	return f.Store.Commit(ctx, c)
}

func (f *faulty) Ticket(ctx context.Context, tenant string, id ticket.ID) (ticket.Ticket, error) {
	f.called("Ticket")
	if f.ticket != nil {
		return f.ticket(ctx, tenant, id)
	}
	return f.Store.Ticket(ctx, tenant, id)
}

func (f *faulty) Lookup(ctx context.Context, tenant string, n ticket.Number) (ticket.Ticket, error) {
	f.called("Lookup")
	if f.lookup != nil {
		return f.lookup(ctx, tenant, n)
	}
	return f.Store.Lookup(ctx, tenant, n)
}

func (f *faulty) Receipt(ctx context.Context, tenant, key string) (ticket.Receipt, error) {
	f.called("Receipt")
	if f.receipt != nil {
		return f.receipt(ctx, tenant, key)
	}
	return f.Store.Receipt(ctx, tenant, key)
}

func (f *faulty) Events(ctx context.Context, tenant string, id ticket.ID, after int64, limit int) ([]ticket.Event, error) {
	f.called("Events")
	if f.events != nil {
		return f.events(ctx, tenant, id, after, limit)
	}
	return f.Store.Events(ctx, tenant, id, after, limit)
}

func (f *faulty) List(ctx context.Context, q ticket.Query) (ticket.Page, error) {
	f.called("List")
	if f.list != nil {
		return f.list(ctx, q)
	}
	return f.Store.List(ctx, q)
}

func (f *faulty) Due(ctx context.Context, now time.Time, limit int) ([]ticket.Ref, error) {
	f.called("Due")
	if f.due != nil {
		return f.due(ctx, now, limit)
	}
	return f.Store.Due(ctx, now, limit)
}

func (f *faulty) Claim(ctx context.Context, r ticket.ClaimRequest) ([]ticket.Delivery, error) {
	f.called("Claim")
	if f.claim != nil {
		return f.claim(ctx, r)
	}
	return f.Store.Claim(ctx, r)
}

func (f *faulty) Settle(ctx context.Context, s []ticket.Settlement) error {
	f.called("Settle")
	if f.settle != nil {
		return f.settle(ctx, s)
	}
	return f.Store.Settle(ctx, s)
}

func (f *faulty) Deliveries(ctx context.Context, q ticket.DeliveryQuery) (ticket.DeliveryPage, error) {
	f.called("Deliveries")
	if f.deliveries != nil {
		return f.deliveries(ctx, q)
	}
	return f.Store.Deliveries(ctx, q)
}

func (f *faulty) UpdateDeliveries(ctx context.Context, r ticket.DeliveryUpdate) (int, error) {
	f.called("UpdateDeliveries")
	if f.update != nil {
		return f.update(ctx, r)
	}
	return f.Store.UpdateDeliveries(ctx, r)
}

func (f *faulty) Reschedule(ctx context.Context, h ticket.RescheduleRequest) (int, error) {
	f.called("Reschedule")
	if f.reschedule != nil {
		return f.reschedule(ctx, h)
	}
	return f.Store.(ticket.Rescheduler).Reschedule(ctx, h)
}

func (f *faulty) Erase(ctx context.Context, e ticket.EraseCommit) error {
	f.called("Erase")
	if f.erase != nil {
		return f.erase(ctx, e)
	}
	return f.Store.(ticket.Eraser).Erase(ctx, e)
}

func (f *faulty) Traces(ctx context.Context, tenant string, p ticket.Person, after ticket.ID, limit int) ([]ticket.ID, error) {
	f.called("Traces")
	if f.traces != nil {
		return f.traces(ctx, tracesRequest{tenant, p, after, limit})
	}
	return f.Store.(ticket.Eraser).Traces(ctx, tenant, p, after, limit)
}

func (f *faulty) PruneReceipts(ctx context.Context, before time.Time, limit int, key func(ticket.Digest) ticket.Digest) (int, error) {
	f.called("PruneReceipts")
	if f.prune != nil {
		return f.prune(ctx, pruneRequest{before, limit, key})
	}
	return f.Store.(ticket.ReceiptPruner).PruneReceipts(ctx, before, limit, key)
}

func (f *faulty) PruneDeliveries(ctx context.Context, before time.Time, limit int) (int, error) {
	f.called("PruneDeliveries")
	if f.pruneDeliveries != nil {
		return f.pruneDeliveries(ctx, before, limit)
	}
	return f.Store.(ticket.DeliveryPruner).PruneDeliveries(ctx, before, limit)
}

func (f *faulty) Closed(ctx context.Context, q ticket.ClosedQuery) ([]ticket.Ticket, error) {
	f.called("Closed")
	if f.closed != nil {
		return f.closed(ctx, q)
	}
	return f.Store.(ticket.Archiver).Closed(ctx, q)
}

func (f *faulty) DeliveryContexts(ctx context.Context, rows []ticket.Delivery, since time.Time, most int) ([]ticket.DeliveryContext, error) {
	f.called("DeliveryContexts")
	if f.contexts != nil {
		return f.contexts(ctx, contextsRequest{rows, since, most})
	}
	return f.Store.(ticket.DeliveryLoader).DeliveryContexts(ctx, rows, since, most)
}

func (f *faulty) Search(ctx context.Context, q ticket.SearchQuery) ([]ticket.Hit, error) {
	f.called("Search")
	if f.search != nil {
		return f.search(ctx, q)
	}
	return f.Store.(ticket.Searcher).Search(ctx, q)
}

func (f *faulty) Candidates(ctx context.Context, q ticket.CandidateQuery) (ticket.Candidates, error) {
	f.called("Candidates")
	if f.candidates != nil {
		return f.candidates(ctx, q)
	}
	return f.Store.(ticket.Suggester).Candidates(ctx, q)
}

func (f *faulty) Counts(ctx context.Context, tenant string) ([]ticket.Count, error) {
	f.called("Counts")
	if f.counts != nil {
		return f.counts(ctx, tenant)
	}
	return f.Store.(ticket.Counter).Counts(ctx, tenant)
}

func (f *faulty) Count(ctx context.Context, q ticket.Query, limit int) (int, error) {
	f.called("Count")
	if f.count != nil {
		return f.count(ctx, q, limit)
	}
	return f.Store.(ticket.Counter).Count(ctx, q, limit)
}

func (f *faulty) Export(ctx context.Context, after ticket.ID) iter.Seq2[[]ticket.Event, error] {
	f.called("Export")
	if f.export != nil {
		return f.export(ctx, after)
	}
	return f.Store.(ticket.Exporter).Export(ctx, after)
}

// mailStore returns the mails; a fault in them replaces all methods.
func (f *faulty) mailStore(method string) ticket.MailStore {
	f.called(method)
	if f.mails != nil {
		return f.mails
	}
	return f.Store.(ticket.MailStore)
}

func (f *faulty) PutMail(ctx context.Context, m ticket.Mail) (ticket.Mail, error) {
	return f.mailStore("PutMail").PutMail(ctx, m)
}

func (f *faulty) ClaimMails(ctx context.Context, c ticket.MailClaim) ([]ticket.Mail, error) {
	return f.mailStore("ClaimMails").ClaimMails(ctx, c)
}

func (f *faulty) SettleMail(ctx context.Context, from ticket.MailState, m ticket.Mail) error {
	return f.mailStore("SettleMail").SettleMail(ctx, from, m)
}

func (f *faulty) Mails(ctx context.Context, q ticket.MailQuery) ([]ticket.Mail, error) {
	return f.mailStore("Mails").Mails(ctx, q)
}

func (f *faulty) CountMails(ctx context.Context, tenant string) (map[ticket.MailState]int64, error) {
	return f.mailStore("CountMails").CountMails(ctx, tenant)
}

func (f *faulty) MailFiles(ctx context.Context, tenant string, sums []ticket.Digest) ([]ticket.Digest, error) {
	return f.mailStore("MailFiles").MailFiles(ctx, tenant, sums)
}

func (f *faulty) EraseMails(ctx context.Context, tenant string, ids []ticket.ID, at time.Time) (int, error) {
	return f.mailStore("EraseMails").EraseMails(ctx, tenant, ids, at)
}

func (f *faulty) PruneMails(ctx context.Context, before time.Time, limit int) (int, error) {
	return f.mailStore("PruneMails").PruneMails(ctx, before, limit)
}

func (f *faulty) ForgetMails(ctx context.Context, tenant string, ids []ticket.ID) (int, error) {
	return f.mailStore("ForgetMails").ForgetMails(ctx, tenant, ids)
}

// Maintain is unsupported unless a fault replaces it.
func (f *faulty) Maintain(ctx context.Context) error {
	f.called("Maintain")
	if f.maintain != nil {
		return f.maintain(ctx)
	}
	return errors.ErrUnsupported
}

func (f *faulty) reopened() ticket.Store {
	f.called("reopen")
	if f.reopen != nil {
		return f.reopen()
	}
	return f.Store
}

// window is the time between two steps that should have been one. It lasts until others
// have called, or seem not to exist.
func (f *faulty) window() {
	before := f.calls.Load()
	for i := 0; i < 2000 && f.calls.Load() < before+4; i++ {
		runtime.Gosched()
	}
}

// changing returns a fault in reading: it passes every ticket and event through a function.
func changing(ofTicket func(*ticket.Ticket), ofEvent func(*ticket.Event)) func(*faulty) {
	return func(f *faulty) {
		s := f.Store
		change := func(t ticket.Ticket, err error) (ticket.Ticket, error) {
			if err == nil && ofTicket != nil {
				ofTicket(&t)
			}
			return t, err
		}
		f.ticket = func(ctx context.Context, tenant string, id ticket.ID) (ticket.Ticket, error) {
			return change(s.Ticket(ctx, tenant, id))
		}
		f.lookup = func(ctx context.Context, tenant string, n ticket.Number) (ticket.Ticket, error) {
			return change(s.Lookup(ctx, tenant, n))
		}
		f.list = func(ctx context.Context, q ticket.Query) (ticket.Page, error) {
			p, err := s.List(ctx, q)
			for i := range p.Tickets {
				p.Tickets[i], _ = change(p.Tickets[i], err)
			}
			return p, err
		}
		f.events = func(ctx context.Context, tenant string, id ticket.ID, after int64, limit int) ([]ticket.Event, error) {
			events, err := s.Events(ctx, tenant, id, after, limit)
			for i := range events {
				if ofEvent != nil {
					ofEvent(&events[i])
				}
			}
			return events, err
		}
	}
}
