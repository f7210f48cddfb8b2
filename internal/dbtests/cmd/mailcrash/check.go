package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/files"
	"github.com/ticketkit/ticket/internal/dbtests/ordeal"
)

// A checking compares the mails that were sent with what the store has.
type checking struct {
	*crashing

	mails   map[ticket.Digest][]ticket.Mail // by their bytes
	at      map[string][]place              // the events that contain each token
	tickets map[ticket.ID]ticket.Ticket
	opened  map[string][]time.Time // by sender
	files   ticket.FileStore
	arrived map[ticket.Digest]time.Time // the first copy of each mail
}

// A place is where a token is.
type place struct {
	tenant   string
	ticket   ticket.ID
	seq      int64
	internal bool // in a note
	by       ticket.By
	files    []ticket.Attachment
}

var tokens = regexp.MustCompile(`token-[0-9]{6}-(end|loop)`)

func (r *crashing) check(ctx context.Context) error {
	folder, err := files.NewFolder(r.folder)
	if err != nil {
		return err
	}
	c := &checking{crashing: r, mails: map[ticket.Digest][]ticket.Mail{}, at: map[string][]place{}, tickets: map[ticket.ID]ticket.Ticket{},
		opened: map[string][]time.Time{}, files: folder, arrived: map[ticket.Digest]time.Time{}}
	if err := errors.Join(c.readMails(ctx), c.readTickets(ctx), c.journals()); err != nil {
		return err
	}
	if err := c.sum(ctx); err != nil {
		return err
	}
	for _, l := range r.post.list {
		if err := c.letter(ctx, l); err != nil {
			return err
		}
	}
	c.floods()
	c.rest()
	return nil
}

// readMails reads all records of mails.
func (c *checking) readMails(ctx context.Context) error {
	for _, tenant := range []string{"", otherTenant} {
		q := ticket.MailQuery{Tenant: tenant, Limit: ticket.MaxLimit}
		for {
			list, err := c.Store.Mails(ctx, q)
			if err != nil {
				return err
			}
			for _, m := range list {
				c.mails[m.Raw] = append(c.mails[m.Raw], m)
				if first, known := c.arrived[m.Raw]; !known || m.Arrived.Before(first) {
					c.arrived[m.Raw] = m.Arrived
				}
				c.report.received++
				c.report.states[m.State]++
				c.report.attempts += m.Attempts
				if m.Attempts > 1 {
					c.report.again++
				}
			}
			if len(list) < q.Limit {
				break
			}
			q.Before, q.BeforeID = list[len(list)-1].Arrived, list[len(list)-1].ID
		}
	}
	return nil
}

// readTickets verifies all histories, and finds the tokens.
func (c *checking) readTickets(ctx context.Context) error {
	for _, tenant := range []string{"", otherTenant} {
		looker := ticket.System("mailcrash").InTenant(tenant)
		for t, err := range c.desk.Tickets(ctx, looker, ticket.Query{Limit: 200}) {
			if err != nil {
				return err
			}
			c.tickets[t.ID] = t
			if err := c.desk.Verify(ctx, looker, t.ID); err != nil {
				c.report.Note(&c.report.torn, "ticket %s: %v", t.ID, err)
				continue
			}
			for e, err := range c.desk.Events(ctx, looker, t.ID) {
				if err != nil {
					return err
				}
				for token := range unique(tokens.FindAllString(string(e.Message), -1)) {
					c.at[token] = append(c.at[token], place{tenant, t.ID, e.Seq, false, e.By, e.Attachments})
				}
				for token := range unique(tokens.FindAllString(string(e.Note), -1)) {
					c.at[token] = append(c.at[token], place{tenant, t.ID, e.Seq, true, e.By, e.NoteAttachments})
				}
				if e.Seq == 1 {
					c.opened[t.Requester.Email] = append(c.opened[t.Requester.Email], e.At)
				}
			}
		}
	}
	return nil
}

func unique(list []string) map[string]bool {
	m := map[string]bool{}
	for _, s := range list {
		m[s] = true
	}
	return m
}

// journals reads the errors that takers have seen.
func (c *checking) journals() error {
	return c.Journals("taker-*", func(path string) error {
		lines, err := ordeal.Lines(path)
		for _, line := range lines {
			c.report.said[blank(line)]++
		}
		return err
	})
}

var changing = regexp.MustCompile(`[0-9A-Za-z]{26}|[0-9]+(->|:)|:[0-9]+|UID [0-9]+|0x[0-9a-f]+`)

// blank removes from an error what is different each time.
func blank(line string) string { return changing.ReplaceAllString(line, "…") }

// sum checks that every mail that was received is in one state.
func (c *checking) sum(ctx context.Context) error {
	counts, err := c.counts(ctx)
	if err != nil {
		return err
	}
	sum := 0
	for state, n := range counts {
		sum += int(n)
		if c.report.states[state] != int(n) {
			c.report.Note(&c.report.wrong, "%d mails are %s, and %d are counted", c.report.states[state], state, n)
		}
	}
	if sum != c.report.received {
		c.report.Note(&c.report.lost, "%d mails were received, and %d are in a state", c.report.received, sum)
	}
	return nil
}

// instead has the states that mails of some kinds may have. The others must be done. A copy
// of a mail can be a repeat.
var instead = map[kind][]ticket.MailState{
	away:      {ticket.MailIgnored},
	anonymous: {ticket.MailHeld},
	deep:      {ticket.MailHeld},
	flood:     {ticket.MailDone, ticket.MailHeld},
	loop:      {ticket.MailDone, ticket.MailHeld},
}

// letter checks what became of a mail.
func (c *checking) letter(ctx context.Context, l *letter) error {
	r := c.report
	r.sent++
	byBox := map[string][]ticket.Mail{}
	for _, m := range c.mails[l.sum] {
		byBox[m.Mailbox] = append(byBox[m.Mailbox], m)
	}
	delete(c.mails, l.sum)
	for _, box := range []string{inbox, desk, other} {
		least, most := l.stored[box], l.tried[box]
		if box == inbox {
			least, most = l.imap, l.imap
		}
		switch n := len(byBox[box]); {
		case n < least:
			r.Note(&r.lost, "%s, %s: mailbox %s has it %d times, and should have it %d times", l.token, l.kind, box, n, least)
		case n > most:
			r.Note(&r.doubled, "%s, %s: mailbox %s has it %d times, and should have it %d times", l.token, l.kind, box, n, most)
		}
	}
	byTenant := map[string][]ticket.Mail{"": slices.Concat(byBox[inbox], byBox[desk])}
	if l.kind == both {
		byTenant[otherTenant] = byBox[other]
	}
	for tenant, list := range byTenant {
		if err := c.copies(ctx, l, tenant, list); err != nil {
			return err
		}
	}
	return nil
}

// copies checks what became of the copies of a mail in a tenant.
func (c *checking) copies(ctx context.Context, l *letter, tenant string, list []ticket.Mail) error {
	r := c.report
	states := map[ticket.MailState]int{}
	var done ticket.Mail
	for _, m := range list {
		states[m.State]++
		switch m.State {
		case ticket.MailDone:
			done = m
		case ticket.MailPending:
			r.Note(&r.pending, "%s, %s: is pending after %d attempts: %s", l.token, l.kind, m.Attempts, m.Reason)
		}
		body, err := c.files.Open(ctx, m.Tenant, m.Raw)
		if err == nil {
			_, err = io.Copy(io.Discard, body)
			err = errors.Join(err, body.Close())
		}
		if err != nil {
			r.Note(&r.lost, "%s, %s: its bytes cannot be read: %v", l.token, l.kind, err)
		}
	}
	may := []ticket.MailState{ticket.MailDone}
	if other := instead[l.kind]; other != nil {
		may = other
	}
	if len(list) == 0 || states[ticket.MailPending] > 0 { // reported above
		return nil
	}
	reached := 0
	for _, state := range may {
		reached += states[state]
	}
	if reached == 0 || reached+states[ticket.MailRepeated] != len(list) || states[ticket.MailDone] > 1 {
		r.Note(&r.wrong, "%s, %s: its copies are %v; one must be %v, the others repeated: %s", l.token, l.kind, states, may, list[0].Reason)
	}
	if l.kind == loop { // its words belong to several mails
		if done.Ticket != l.base.id && !done.Ticket.IsZero() {
			r.Note(&r.strange, "%s, %s: is on ticket %s, not on %s", l.token, l.kind, done.Ticket, l.base.id)
		}
		r.loops[l.token] += states[ticket.MailDone]
		return nil
	}
	return c.words(ctx, l, tenant, done)
}

// words checks where the words of a mail are.
func (c *checking) words(ctx context.Context, l *letter, tenant string, done ticket.Mail) error {
	r := c.report
	at := slices.Collect(func(yield func(place) bool) {
		for _, p := range c.at[l.token] {
			if p.tenant == tenant && !yield(p) {
				return
			}
		}
	})
	switch {
	case done.ID.IsZero() && len(at) > 0:
		r.Note(&r.wrong, "%s, %s: no mail is done, and its words are on ticket %s", l.token, l.kind, at[0].ticket)
		return nil
	case done.ID.IsZero():
		return nil
	case len(at) == 0:
		r.Note(&r.lost, "%s, %s: is done, and its words are on no ticket", l.token, l.kind)
		return nil
	case len(at) > 1:
		r.Note(&r.doubled, "%s, %s: its words are on tickets %d times: %v", l.token, l.kind, len(at), at)
		return nil
	}
	p, t := at[0], c.tickets[at[0].ticket]
	if done.Ticket != p.ticket || done.Seq != p.seq {
		r.Note(&r.wrong, "%s, %s: is recorded as event %d of ticket %s, and is event %d of %s", l.token, l.kind, done.Seq, done.Ticket, p.seq, p.ticket)
	}
	internal, target := false, ticket.ID{}
	switch l.kind {
	case numbered, signed:
		target = l.base.id
	case outsider, awayOn:
		target, internal = l.base.id, true
	case later:
		// A server can show a mail a moment before an earlier one. Then it names nothing that
		// is known yet, and is a new ticket.
		if c.arrived[l.sum].Before(c.arrived[l.first.sum]) && p.seq == 1 {
			r.early++
		} else if first := c.at[l.first.token]; len(first) == 1 {
			target = first[0].ticket
		}
	default: // its own ticket
		if p.seq != 1 || t.Requester.Email != l.from {
			r.Note(&r.strange, "%s, %s, of %s: is event %d of the ticket of %s", l.token, l.kind, l.from, p.seq, t.Requester.Email)
		}
	}
	if !target.IsZero() && target != p.ticket {
		r.Note(&r.strange, "%s, %s: is on ticket %s, not on %s", l.token, l.kind, p.ticket, target)
	}
	if !internal && t.Requester.Email != l.from {
		r.Note(&r.strange, "%s, %s: the words of %s are on the ticket of %s", l.token, l.kind, l.from, t.Requester.Email)
	}
	if internal != p.internal {
		r.Note(&r.exposed, "%s, %s: internal is %t and should be %t", l.token, l.kind, p.internal, internal)
	}
	if l.kind == withFile {
		return c.file(ctx, l, p)
	}
	return nil
}

// file checks that the file of a mail is attached and can be read.
func (c *checking) file(ctx context.Context, l *letter, p place) error {
	want := digestOf(l.file())
	i := slices.IndexFunc(p.files, func(a ticket.Attachment) bool { return a.SHA256 == want && a.Name == "list.csv" })
	if i < 0 {
		c.report.Note(&c.report.lost, "%s, %s: its file is not attached: %v", l.token, l.kind, p.files)
		return nil
	}
	body, err := c.files.Open(ctx, p.tenant, want)
	if errors.Is(err, ticket.ErrNotFound) {
		c.report.Note(&c.report.lost, "%s, %s: the bytes of its file are lost", l.token, l.kind)
		return nil
	}
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, body)
	return errors.Join(err, body.Close())
}

// floods checks that the limits were kept. Mails that are decided on at the same time do not
// see one another, so as many more can pass.
func (c *checking) floods() {
	r := c.report
	together := c.takers * workers
	for from, times := range c.opened {
		slices.SortFunc(times, time.Time.Compare)
		for i := range times {
			if j := i + 20 + together; j < len(times) && times[j].Sub(times[i]) < time.Hour {
				r.Note(&r.wrong, "%s has opened %d tickets within an hour", from, j-i+1)
				break
			}
		}
	}
	for token, done := range r.loops {
		if at := c.at[token]; len(at) != done {
			r.Note(&r.doubled, "%s is on tickets %d times, and %d mails with it are done", token, len(at), done)
		}
		if done < 2 || done > 2+together {
			r.Note(&r.wrong, "%s: %d equal answers were taken", token, done)
		}
	}
}

// rest looks for records and tickets that belong to no mail of the run.
func (c *checking) rest() {
	r := c.report
	for _, list := range c.mails {
		r.Note(&r.wrong, "mail %s in mailbox %s was never sent", list[0].ID, list[0].Mailbox)
	}
	has := map[ticket.ID]bool{}
	for _, b := range c.post.bases {
		has[b.id] = true
	}
	for _, at := range c.at {
		for _, p := range at {
			has[p.ticket] = true
		}
	}
	for id, t := range c.tickets {
		if !has[id] {
			r.Note(&r.wrong, "ticket %s of %s has the words of no mail", fmt.Sprint(id), t.Requester.Email)
		}
	}
	r.tickets = len(c.tickets)
}
