package storetest

import (
	"context"
	"errors"
	"iter"
	"sync/atomic"
	"time"

	"github.com/ticketkit/ticket"
)

// watched is the store of a case. It records the last method called, so that a failure
// can name it.
type watched struct {
	ticket.Store
	called atomic.Pointer[string]
}

func (w *watched) call(method string) { w.called.Store(&method) }

// last returns the name of the last method called, or "".
func (w *watched) last() string {
	if method := w.called.Load(); method != nil {
		return *method
	}
	return ""
}

func (w *watched) Commit(ctx context.Context, c ticket.Commit) error {
	w.call("Commit")
	return w.Store.Commit(ctx, c)
}

func (w *watched) Ticket(ctx context.Context, tenant string, id ticket.ID) (ticket.Ticket, error) {
	w.call("Ticket")
	return w.Store.Ticket(ctx, tenant, id)
}

func (w *watched) Lookup(ctx context.Context, tenant string, n ticket.Number) (ticket.Ticket, error) {
	w.call("Lookup")
	return w.Store.Lookup(ctx, tenant, n)
}

func (w *watched) Receipt(ctx context.Context, tenant, key string) (ticket.Receipt, error) {
	w.call("Receipt")
	return w.Store.Receipt(ctx, tenant, key)
}

func (w *watched) Events(ctx context.Context, tenant string, id ticket.ID, after int64, limit int) ([]ticket.Event, error) {
	w.call("Events")
	return w.Store.Events(ctx, tenant, id, after, limit)
}

func (w *watched) List(ctx context.Context, q ticket.Query) (ticket.Page, error) {
	w.call("List")
	return w.Store.List(ctx, q)
}

func (w *watched) Due(ctx context.Context, now time.Time, limit int) ([]ticket.Ref, error) {
	w.call("Due")
	return w.Store.Due(ctx, now, limit)
}

func (w *watched) Claim(ctx context.Context, r ticket.ClaimRequest) ([]ticket.Delivery, error) {
	w.call("Claim")
	return w.Store.Claim(ctx, r)
}

func (w *watched) Settle(ctx context.Context, s []ticket.Settlement) error {
	w.call("Settle")
	return w.Store.Settle(ctx, s)
}

func (w *watched) Deliveries(ctx context.Context, q ticket.DeliveryQuery) (ticket.DeliveryPage, error) {
	w.call("Deliveries")
	return w.Store.Deliveries(ctx, q)
}

func (w *watched) UpdateDeliveries(ctx context.Context, r ticket.DeliveryUpdate) (int, error) {
	w.call("UpdateDeliveries")
	return w.Store.UpdateDeliveries(ctx, r)
}

// Optional methods are called only if the store has them, except Maintain.

func (w *watched) DeliveryContexts(ctx context.Context, rows []ticket.Delivery, since time.Time, most int) ([]ticket.DeliveryContext, error) {
	w.call("DeliveryContexts")
	return w.Store.(ticket.DeliveryLoader).DeliveryContexts(ctx, rows, since, most)
}

func (w *watched) Erase(ctx context.Context, e ticket.EraseCommit) error {
	w.call("Erase")
	return w.Store.(ticket.Eraser).Erase(ctx, e)
}

func (w *watched) Traces(ctx context.Context, tenant string, p ticket.Person, after ticket.ID, limit int) ([]ticket.ID, error) {
	w.call("Traces")
	return w.Store.(ticket.Eraser).Traces(ctx, tenant, p, after, limit)
}

func (w *watched) PruneReceipts(ctx context.Context, before time.Time, limit int, key func(ticket.Digest) ticket.Digest) (int, error) {
	w.call("PruneReceipts")
	return w.Store.(ticket.ReceiptPruner).PruneReceipts(ctx, before, limit, key)
}

func (w *watched) Closed(ctx context.Context, q ticket.ClosedQuery) ([]ticket.Ticket, error) {
	w.call("Closed")
	return w.Store.(ticket.Archiver).Closed(ctx, q)
}

func (w *watched) PruneDeliveries(ctx context.Context, before time.Time, limit int) (int, error) {
	w.call("PruneDeliveries")
	return w.Store.(ticket.DeliveryPruner).PruneDeliveries(ctx, before, limit)
}

func (w *watched) Reschedule(ctx context.Context, h ticket.RescheduleRequest) (int, error) {
	w.call("Reschedule")
	return w.Store.(ticket.Rescheduler).Reschedule(ctx, h)
}

func (w *watched) Search(ctx context.Context, q ticket.SearchQuery) ([]ticket.Hit, error) {
	w.call("Search")
	return w.Store.(ticket.Searcher).Search(ctx, q)
}

func (w *watched) Candidates(ctx context.Context, q ticket.CandidateQuery) (ticket.Candidates, error) {
	w.call("Candidates")
	return w.Store.(ticket.Suggester).Candidates(ctx, q)
}

func (w *watched) Counts(ctx context.Context, tenant string) ([]ticket.Count, error) {
	w.call("Counts")
	return w.Store.(ticket.Counter).Counts(ctx, tenant)
}

func (w *watched) Count(ctx context.Context, q ticket.Query, limit int) (int, error) {
	w.call("Count")
	return w.Store.(ticket.Counter).Count(ctx, q, limit)
}

func (w *watched) Export(ctx context.Context, after ticket.ID) iter.Seq2[[]ticket.Event, error] {
	w.call("Export")
	return w.Store.(ticket.Exporter).Export(ctx, after)
}

func (w *watched) Maintain(ctx context.Context) error {
	m, ok := w.Store.(ticket.Maintainer)
	if !ok {
		return errors.ErrUnsupported
	}
	w.call("Maintain")
	return m.Maintain(ctx)
}

func (w *watched) PutMail(ctx context.Context, m ticket.Mail) (ticket.Mail, error) {
	w.call("PutMail")
	return w.Store.(ticket.MailStore).PutMail(ctx, m)
}

func (w *watched) ClaimMails(ctx context.Context, c ticket.MailClaim) ([]ticket.Mail, error) {
	w.call("ClaimMails")
	return w.Store.(ticket.MailStore).ClaimMails(ctx, c)
}

func (w *watched) SettleMail(ctx context.Context, from ticket.MailState, m ticket.Mail) error {
	w.call("SettleMail")
	return w.Store.(ticket.MailStore).SettleMail(ctx, from, m)
}

func (w *watched) Mails(ctx context.Context, q ticket.MailQuery) ([]ticket.Mail, error) {
	w.call("Mails")
	return w.Store.(ticket.MailStore).Mails(ctx, q)
}

func (w *watched) CountMails(ctx context.Context, tenant string) (map[ticket.MailState]int64, error) {
	w.call("CountMails")
	return w.Store.(ticket.MailStore).CountMails(ctx, tenant)
}

func (w *watched) MailFiles(ctx context.Context, tenant string, sums []ticket.Digest) ([]ticket.Digest, error) {
	w.call("MailFiles")
	return w.Store.(ticket.MailStore).MailFiles(ctx, tenant, sums)
}

func (w *watched) EraseMails(ctx context.Context, tenant string, ids []ticket.ID, at time.Time) (int, error) {
	w.call("EraseMails")
	return w.Store.(ticket.MailStore).EraseMails(ctx, tenant, ids, at)
}

func (w *watched) PruneMails(ctx context.Context, before time.Time, limit int) (int, error) {
	w.call("PruneMails")
	return w.Store.(ticket.MailStore).PruneMails(ctx, before, limit)
}

func (w *watched) ForgetMails(ctx context.Context, tenant string, ids []ticket.ID) (int, error) {
	w.call("ForgetMails")
	return w.Store.(ticket.MailStore).ForgetMails(ctx, tenant, ids)
}
