package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/report"
)

// A story shows what the router does.
type story struct {
	*Router

	letters *postman
	say     func(format string, args ...any)
	opened  map[string]ticket.Ticket // the first ticket of each tenant
	token   string                   // a status link of the bakery
	held    *ticket.Desk             // the desk that a request of the bakery has held for long
}

var (
	ada = ticket.Requester(ticket.Person{ID: "c-1", Name: "Ada Byron", Email: "ada@example.com"})
	lin = ticket.Agent("lin", 1)
)

func (s *story) tell(ctx context.Context) error {
	for _, chapter := range []func(context.Context) error{s.arrive, s.apart, s.number, s.link, s.mail, s.across, s.moving, s.leave, s.outage} {
		if err := chapter(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (s *story) arrive(ctx context.Context) error {
	s.say("Four tenants in three databases.")
	for _, t := range [][2]string{{"bakery", "north"}, {"mill", "north"}, {"garden", "south"}, {"harbour", "west"}} {
		if err := s.Add(ctx, t[0], "help@"+t[0]+".example.org", t[1]); err != nil {
			return err
		}
		s.say("  %-7s in %s", t[0], t[1])
	}

	s.say("\nAda is a customer of all of them and writes to each, with the same idempotency key. Lin answers.")
	s.opened = map[string]ticket.Ticket{}
	err := s.each(ctx, func(tenant string, d *ticket.Desk) error {
		t, err := d.Open(ctx, ada.InTenant(tenant), letterTo(tenant))
		if err != nil {
			return err
		}
		s.opened[tenant] = t
		s.say("  %s: %s", t.Number, t.Subject)
		_, err = d.Do(ctx, lin.InTenant(tenant), t.ID, ticket.Action{Name: ticket.ActionReply, Message: "We are looking into it."})
		return err
	})
	if err != nil {
		return err
	}
	return s.sent(ctx, 8)
}

func letterTo(tenant string) ticket.Draft {
	return ticket.Draft{Subject: "A question to the " + tenant, Message: "When is the oven free?", Key: "form-1"}
}

// sent waits for letters.
func (s *story) sent(ctx context.Context, n int) error {
	by, err := s.letters.wait(ctx, n)
	if err != nil {
		return err
	}
	for _, tenant := range slices.Sorted(maps.Keys(by)) {
		var list []string
		for _, kind := range slices.Sorted(maps.Keys(by[tenant])) {
			list = append(list, fmt.Sprintf("%d %s", by[tenant][kind], kind))
		}
		s.say("  letters of the %s: %s", tenant, strings.Join(list, ", "))
	}
	return nil
}

func (s *story) apart(ctx context.Context) error {
	s.say("\nBakery and mill share a database. Neither sees the other's tickets, not even its agents.")
	d, err := s.For(ctx, "mill")
	if err != nil {
		return err
	}
	_, err = d.Find(ctx, lin.InTenant("mill"), string(s.opened["bakery"].Number))
	s.say("  the mill looks up a number of the bakery: %s", short(err))
	n, err := d.Count(ctx, lin.InTenant("mill"), ticket.Query{})
	if err != nil {
		return err
	}
	s.say("  tickets that the mill sees: %d", n)
	_, err = d.Open(ctx, ada.InTenant("garden"), ticket.Draft{Subject: "Lost"})
	s.say("  a ticket of the garden at the desk of the mill: %s", short(err))
	_, err = s.For(ctx, "../north")
	s.say("  a tenant of the name ../north: %s", short(err))
	return nil
}

func (s *story) number(ctx context.Context) error {
	s.say("\nSomebody reads out a number. It begins with the number of its tenant.")
	written := "ticket no. " + strings.ToLower(string(s.opened["garden"].Number))
	tenant, err := s.TenantOf(ctx, written)
	if err != nil {
		return err
	}
	d, err := s.For(ctx, tenant)
	if err != nil {
		return err
	}
	v, err := d.Track(ctx, ada.InTenant(tenant), written)
	if err != nil {
		return err
	}
	s.say("  it is of the %s: %s, %s", tenant, v.Subject, v.Phase)
	return nil
}

func (s *story) link(ctx context.Context) error {
	s.say("\nAda has a status link of the bakery. All desks have the same key, and the tenant is signed.")
	d, err := s.For(ctx, "bakery")
	if err != nil {
		return err
	}
	s.held = d
	s.token, err = d.StatusLink(ctx, ada.InTenant("bakery"), s.opened["bakery"].ID, ticket.StatusLinkRequest{TTL: time.Hour})
	if err != nil {
		return err
	}
	if err := s.follow(ctx, "bakery"); err != nil {
		return err
	}
	d, err = s.For(ctx, "mill")
	if err != nil {
		return err
	}
	_, err = d.Track(ctx, ticket.StatusLinkHolder(s.token).InTenant("mill"), "")
	s.say("  at the mill: %s", short(err))
	return nil
}

// follow opens the status link.
func (s *story) follow(ctx context.Context, tenant string) error {
	d, err := s.For(ctx, tenant)
	if err != nil {
		return err
	}
	v, err := d.Track(ctx, ticket.StatusLinkHolder(s.token).InTenant(tenant), "")
	if err != nil {
		return err
	}
	s.say("  at the %s: %s, %s", tenant, v.Subject, v.Phase)
	return nil
}

func (s *story) mail(ctx context.Context) error {
	s.say("\nMails find their tenant by the address that they are sent to.")
	for _, to := range []string{"help@garden.example.org", "help@nobody.example.org"} {
		m, err := s.TakeMail(ctx, to, strings.NewReader("From: Bob <bob@example.com>\r\nTo: "+to+"\r\nSubject: Roses\r\n"+
			"Message-ID: <1@example.com>\r\nDate: Mon, 2 Mar 2026 09:00:00 +0000\r\n\r\nDo they like the oven?\r\n"))
		if err != nil {
			s.say("  %s: %s", to, short(err))
			continue
		}
		s.say("  %s: a ticket of the %s", to, m.Tenant)
	}
	return s.sent(ctx, 1)
}

func (s *story) across(ctx context.Context) error {
	s.say("\nOver all tenants: a list in pages of two, newest first; a search; how many are open; a report.")
	q := ticket.Query{Order: ticket.OrderNewestFirst, Limit: 2}
	for {
		page, err := s.List(ctx, lin, q)
		if err != nil {
			return err
		}
		var list []string
		for _, t := range page.Tickets {
			list = append(list, fmt.Sprintf("%s (%s)", t.Subject, t.Tenant))
		}
		s.say("  %s", strings.Join(list, ", "))
		if q.After = page.Next; q.After == "" {
			break
		}
	}
	hits, err := s.Search(ctx, lin, ticket.SearchQuery{Text: "roses"})
	if err != nil {
		return err
	}
	for _, h := range hits {
		s.say("  found: %s (%s)", h.Ticket.Subject, h.Ticket.Tenant)
	}
	open, err := s.Open(ctx)
	if err != nil {
		return err
	}
	now := time.Now().Add(time.Second)
	r, err := report.New(report.Config{From: now.AddDate(0, 0, -1), To: now, Now: now, AllTenants: true})
	if err == nil {
		err = r.Run(ctx, s.Histories(ctx))
	}
	if err != nil {
		return err
	}
	flow, _ := r.Table("flow by month")
	reported := 0.0
	for _, row := range flow.Rows {
		n, _ := row[flow.Column("opened")].Float()
		reported += n
	}
	s.say("  open: %d; opened, by the report: %.0f", open, reported)
	return nil
}

// moving moves the bakery while tickets are opened there and an agent listens.
func (s *story) moving(ctx context.Context) error {
	const writes = 12
	s.say("\nThe bakery moves to south, while %d more tickets are opened.", writes)
	s.letters.on(func(n ticket.Notification) bool { return n.Tenant == "bakery" }) // its letters wait
	before, err := s.shards["north"].contents(ctx, "bakery")
	if err != nil {
		return err
	}
	cursor, err := now(ctx, s.held)
	if err != nil {
		return err
	}

	written := make(chan error, 1)
	go func() {
		for i := range writes {
			if err := s.write(ctx, fmt.Sprint("Bread no. ", i+1)); err != nil {
				written <- err
				return
			}
		}
		written <- nil
	}()
	if err := errors.Join(s.Move(ctx, "bakery", "south"), <-written); err != nil {
		return err
	}
	after, err := s.shards["south"].contents(ctx, "bakery")
	if err != nil {
		return err
	}
	left, err := s.shards["north"].contents(ctx, "bakery")
	if err != nil {
		return err
	}
	s.say("  tickets in north before: %d; in south after: %d, all verified; in north after: %d", before.tickets, after.tickets, left.tickets)
	_, err = s.held.Open(ctx, ada.InTenant("bakery"), ticket.Draft{Subject: "Late"})
	s.say("  a request that still holds the old desk: %s", short(err))
	d, err := s.For(ctx, "bakery")
	if err != nil {
		return err
	}
	t, err := d.Open(ctx, ada.InTenant("bakery"), letterTo("bakery"))
	if err != nil {
		return err
	}
	s.say("  a form that is sent again is the same ticket: %t", t.ID == s.opened["bakery"].ID)
	if err := s.follow(ctx, "bakery"); err != nil {
		return err
	}
	heard, err := listen(ctx, d, cursor, writes)
	if err != nil {
		return err
	}
	s.say("  the agent's stream goes on at the new desk, and has %d tickets", heard)
	s.letters.on(nil)
	return s.sent(ctx, writes)
}

// write opens a ticket, and waits while the bakery is being moved.
func (s *story) write(ctx context.Context, subject string) error {
	for {
		d, err := s.For(ctx, "bakery")
		if err == nil {
			_, err = d.Open(ctx, ada.InTenant("bakery"), ticket.Draft{Subject: subject, Key: subject})
		}
		if !errors.Is(err, errAway) {
			return err
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// now returns the place in the stream of the bakery's changes where it is now.
func now(ctx context.Context, d *ticket.Desk) (ticket.Cursor, error) {
	for c, err := range d.Watch(ctx, lin.InTenant("bakery"), "") {
		return c.Cursor, err
	}
	return "", errors.New("the stream has ended")
}

// listen follows the stream from a place on until it has told of so many tickets, besides the
// bakery's first one.
func listen(ctx context.Context, d *ticket.Desk, from ticket.Cursor, tickets int) (int, error) {
	heard := map[ticket.ID]bool{}
	for c, err := range d.Watch(ctx, lin.InTenant("bakery"), from) {
		switch {
		case err != nil:
			return 0, err
		case c.Reset:
			return 0, errors.New("the stream has missed something")
		case !c.Ticket.IsZero() && c.Version == 1:
			heard[c.Ticket] = true
		}
		if len(heard) >= tickets {
			break
		}
	}
	return len(heard), nil
}

func (s *story) leave(ctx context.Context) error {
	s.say("\nThe mill leaves for good.")
	n, err := s.Remove(ctx, "mill")
	if err != nil {
		return err
	}
	s.say("  tickets removed: %d", n)
	_, err = s.For(ctx, "mill")
	s.say("  its desk: %s", short(err))
	return nil
}

func (s *story) outage(ctx context.Context) error {
	s.say("\nThe database west goes down.")
	if err := s.shards["west"].db.Close(); err != nil {
		return err
	}
	s.Probe(ctx)
	_, err := s.For(ctx, "harbour")
	s.say("  the desk of the harbour: %s", short(err))
	d, err := s.For(ctx, "garden")
	if err != nil {
		return err
	}
	if _, err := d.Open(ctx, ada.InTenant("garden"), ticket.Draft{Subject: "More roses"}); err != nil {
		return err
	}
	if err := s.sent(ctx, 1); err != nil {
		return err
	}
	page, err := s.List(ctx, lin, ticket.Query{Limit: 1000})
	s.say("  tickets over all tenants: %d, without %s", len(page.Tickets), short(err))
	if err := s.Move(ctx, "garden", "west"); err == nil {
		return errors.New("a tenant was moved to a database that is down")
	}
	return nil
}

// short returns what an error says that the story is about.
func short(err error) string {
	for _, known := range []error{errUnknown, errAway, errDown, ticket.ErrNotFound, ticket.ErrStatusLink} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	return fmt.Sprint(err)
}
