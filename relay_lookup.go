package ticket

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// limitWindow is the period to which the caps of [SendLimits] apply.
const limitWindow = time.Hour

// loadedContext is a delivery context, or the error of loading it.
type loadedContext struct {
	*DeliveryContext
	err   error
	alone bool // other lookups succeeded, so the error concerns this row and not the whole store
}

// deliveryContexts loads the contexts of claimed deliveries. It loads all at once if
// the store is a [DeliveryLoader], and one by one otherwise or if one cannot be
// read.
func (d *Desk) deliveryContexts(ctx context.Context, rows []Delivery) []loadedContext {
	list := make([]loadedContext, len(rows))
	since, most := d.now().Add(-limitWindow), max(d.cfg.SendLimits.PerRecipient, d.cfg.SendLimits.PerTicket, 0)
	loader, _ := d.store.(DeliveryLoader)
	if loader != nil {
		found, err := loader.DeliveryContexts(ctx, rows, since, most)
		switch {
		case err == nil && len(found) == len(rows):
			for i := range found {
				list[i].DeliveryContext = &found[i]
			}
			return list
		case errors.Is(err, errors.ErrUnsupported):
			loader = nil
		case ctx.Err() != nil:
			for i := range list {
				list[i].err = err
			}
			return list
		}
	}
	good := false
	for i := range rows {
		b := &list[i]
		if i >= 3 && !good { // the store fails, not one row
			b.err = list[0].err
			continue
		}
		if loader == nil {
			b.DeliveryContext, b.err = d.deliveryContext(ctx, &rows[i], since, most)
		} else {
			var one []DeliveryContext
			one, b.err = loader.DeliveryContexts(ctx, rows[i:i+1], since, most)
			if b.err == nil && len(one) != 1 {
				b.err = errors.New("ticket: the store returned the wrong number of delivery contexts")
			}
			if b.err == nil {
				b.DeliveryContext = &one[0]
			}
		}
		good = good || b.err == nil
	}
	if !good && len(rows) == 1 { // no other row to compare with: check whether the store answers at all
		_, err := d.store.Receipt(ctx, rows[0].Tenant, "")
		good = isNotFound(err)
	}
	for i := range list {
		list[i].alone = good
	}
	return list
}

// deliveryContext loads the context of one delivery from a store that is not a
// [DeliveryLoader].
func (d *Desk) deliveryContext(ctx context.Context, row *Delivery, since time.Time, most int) (b *DeliveryContext, err error) {
	b = &DeliveryContext{}
	var events []Event
	if b.Ticket, err = d.store.Ticket(ctx, row.Tenant, row.Ticket); err == nil {
		events, err = d.store.Events(ctx, row.Tenant, row.Ticket, row.Seq-1, 1)
	}
	switch {
	case errors.Is(err, ErrNotFound):
		return &DeliveryContext{}, nil
	case err != nil:
		return b, err
	case len(events) == 1 && events[0].Seq == row.Seq:
		b.Found, b.Event = true, events[0]
	}
	ask := func(q DeliveryQuery) []Delivery {
		if err != nil {
			return nil
		}
		q.Tenant, q.Notifiers, q.To = row.Tenant, []string{row.Notifier}, row.To
		var page DeliveryPage
		page, err = d.store.Deliveries(ctx, q)
		return page.Deliveries
	}
	sent := []DeliveryState{DeliverySent}
	var before int64
	for _, p := range ask(DeliveryQuery{Ticket: row.Ticket, State: sent, Limit: MaxLimit}) {
		if p.Seq < row.Seq && p.Seq > before {
			b.Previous, before = p.ID, p.Seq
		}
	}
	if !row.toCustomer() {
		return b, err
	}
	for _, p := range ask(DeliveryQuery{State: []DeliveryState{DeliveryBounced}, Limit: 1}) {
		b.Bounced = p.ID
	}
	if most > 0 {
		most = min(most, MaxLimit)
		b.Sent = len(ask(DeliveryQuery{State: sent, SettledFrom: since, Limit: most}))
		b.SentHere = len(ask(DeliveryQuery{Ticket: row.Ticket, State: sent, SettledFrom: since, Limit: most}))
	}
	return b, err
}

// expected returns when the customer can expect an answer. It is zero if that is
// unknown, and for every notification that is not a confirmation.
func (d *Desk) expected(ctx context.Context, row *Delivery, b *DeliveryContext) (at time.Time, err error) {
	if d.cfg.ServiceLevels != nil && row.toCustomer() {
		return b.Event.promised(&b.Ticket), nil
	}
	if row.Kind != KindReceived || d.cfg.Expected == nil {
		return time.Time{}, nil
	}
	err = hook("Config.Expected", func() (err error) { at, err = d.cfg.Expected(ctx, b.Ticket.Clone()); return err })
	switch at = microTime(at); {
	case DeliveryFaultOf(err).Bounced: // only a notifier can know that an address bounced
		return time.Time{}, &DeliveryFault{Err: err, Permanent: true}
	case err != nil || !holds(at):
		return time.Time{}, err
	}
	return at, nil
}

// notification builds the notification to pass to the notifier.
func (d *Desk) notification(row *Delivery, b *DeliveryContext, to Recipient, expected time.Time) Notification {
	t, e := &b.Ticket, &b.Event
	n := Notification{
		ID: row.ID, Previous: b.Previous, Kind: row.Kind, To: row.To, Attempt: row.Attempts,
		Tenant: row.Tenant, Ticket: t.ID, Number: t.Number, Seq: e.Seq, At: e.At,
		Subject: d.cfg.StatusLinks.cutTokens(t.Subject), Phase: e.Phase,
		Message: Message(d.cfg.StatusLinks.cutTokens(string(e.Message))), Attachments: d.cfg.StatusLinks.cutNames(publicAttachments(e.Attachments)),
	}
	n.To = to
	n.Zone = zone(n.To.Person.Zone)
	if w, err := d.workflowOf(t); err == nil {
		if !e.Phase.Done() {
			n.With = w.LevelName(e.To.Level)
		} else if t.Phase.Done() && t.MergedInto.IsZero() {
			n.ReopenUntil = w.reopenUntil(t)
		}
	}
	if e.Message != "" || len(e.Attachments) > 0 {
		switch {
		case !e.Author.IsZero(): // copied from a customer's message
			n.Writer = e.Author.Name
		case e.Seq == 1 && e.By.Role&RoleCustomer == 0:
			n.Writer = e.Requester.Name // recorded on behalf of the requester
		case e.By.Role&RoleCustomer != 0, e.By.Role == RoleAgent && d.cfg.ShowAgents:
			n.Writer = e.Actor.Name
		}
	}
	n.Expected = expected
	if a := e.Set.Alert; a != nil && (row.Kind == KindDueSoon || row.Kind == KindOverdue) {
		n.Metric, n.Due = a.Metric, a.Due
	}
	if row.Kind == KindRated {
		n.Score, n.Message = e.Set.Score, Message(d.cfg.StatusLinks.cutTokens(string(e.Feedback)))
		if n.Message != "" {
			n.Writer = e.Actor.Name
		}
	}
	if row.Kind == KindEvent {
		told := e.Clone()
		told.InternalContent, told.Seals, told.Digest = InternalContent{}, Seals{}, Digest{}
		told.Attachments, told.Message, told.Subject = slices.Clone(n.Attachments), n.Message, d.cfg.StatusLinks.cutTokens(told.Subject)
		told.Feedback = Message(d.cfg.StatusLinks.cutTokens(string(told.Feedback)))
		for k, v := range told.Fields {
			switch v := v.(type) {
			case string:
				told.Fields[k] = d.cfg.StatusLinks.cutTokens(v)
			case []string:
				for i := range v {
					v[i] = d.cfg.StatusLinks.cutTokens(v[i])
				}
			}
		}
		n.Event = &told
	}
	n.StatusLink = d.notificationLink(t, e, row.To)
	return n
}

// into returns the number of the ticket that a ticket was merged into. It is empty
// for recipients who are not on that ticket, because they may not know the number.
func (d *Desk) into(ctx context.Context, row *Delivery, b *DeliveryContext) (Number, error) {
	if row.Kind != KindMerged || b.Event.Set.MergedInto == nil {
		return "", nil
	}
	next, err := d.store.Ticket(ctx, row.Tenant, *b.Event.Set.MergedInto)
	switch {
	case isNotFound(err):
		return "", nil
	case err != nil:
		return "", err
	case row.toCustomer() && !next.concerns(row.To.Person):
		return "", nil
	}
	return next.Number, nil
}

// answers returns the Message-IDs of the mails that the recipient of a delivery has sent
// since the previous delivery, oldest first.
func (d *Desk) answers(ctx context.Context, row *Delivery, b *DeliveryContext, to Person) (list []string, err error) {
	if row.Kind == KindEvent || row.To.Person.IsZero() {
		return nil, nil
	}
	for _, seq := range slices.Backward(b.Ticket.Mailed) {
		e := &b.Event
		switch {
		case seq > e.Seq:
			continue
		case seq < e.Seq:
			page, err := d.store.Events(ctx, row.Tenant, row.Ticket, seq-1, 1)
			if err != nil {
				return nil, err
			}
			if len(page) == 0 || page[0].Seq != seq {
				continue
			}
			e = &page[0]
		}
		// The ID of a delivery has the time of its event, in milliseconds.
		if !b.Previous.IsZero() && e.At.UnixMilli() <= b.Previous.Time().UnixMilli() {
			break
		}
		if e.MessageID != "" && (e.mailedBy(row.To.Role, row.To.Person) || e.mailedBy(row.To.Role, to)) {
			list = append(list, e.MessageID)
		}
	}
	slices.Reverse(list)
	return list, nil
}

// mailedBy reports whether the mail that brought an event is this person's. A mail that an
// agent or a system recorded at the opening is the requester's.
func (e *Event) mailedBy(role Role, p Person) bool {
	switch {
	case role&RoleCustomer == 0:
		return e.By.Role == RoleAgent && e.By.ID == p.ID && p.ID != ""
	case !e.Author.IsZero():
		return e.Author.Same(p)
	case e.Seq == 1 && e.By.Role&RoleCustomer == 0:
		return e.Requester.Same(p)
	default:
		return e.By.Role&RoleCustomer != 0 && e.Actor.Same(p)
	}
}

// reopenUntil returns the time until which a reply of the requester reopens a
// finished ticket. Zero means never, or always.
func (w *Workflow) reopenUntil(t *Ticket) (until time.Time) {
	for _, tr := range w.edges[edgeKey{ActionReply, RoleRequester, t.State()}] {
		if tr.Within > 0 {
			until = latest(until, nearest(t.doneAt().Add(tr.Within), epoch, lastTime))
		}
	}
	return until
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// over returns q with the fields of p that are not empty.
func (p Person) over(q Person) Person {
	return Person{
		ID: cmp.Or(p.ID, q.ID), Name: cmp.Or(p.Name, q.Name), Email: cmp.Or(p.Email, q.Email), Phone: cmp.Or(p.Phone, q.Phone),
		Locale: cmp.Or(p.Locale, q.Locale), Zone: cmp.Or(p.Zone, q.Zone), Organisation: cmp.Or(p.Organisation, q.Organisation),
	}
}

// zones caches time zones, so that each is loaded once.
var zones sync.Map // *time.Location by name

// zone returns the time zone with this name, or UTC if there is none.
func zone(name string) *time.Location {
	if name == "" || name == "Local" { // Local is the server's zone, not the person's
		return time.UTC
	}
	if z, ok := zones.Load(name); ok {
		return z.(*time.Location)
	}
	z, err := time.LoadLocation(name)
	if err != nil {
		return time.UTC
	}
	zones.Store(name, z)
	return z
}
