package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/ticketkit/ticket"
)

var agent = ticket.Agent("lin", 1, 2, 3)

// write opens tickets, replies, and puts mails, until ctx ends.
func (l *Load) write(ctx context.Context, first int) (err error) {
	for i := 0; ctx.Err() == nil && err == nil; i++ {
		token := fmt.Sprintf("w%dx%d", first, i)
		if i%3 == 2 {
			err = l.put(ctx, first, token)
			continue
		}
		l.mu.Lock()
		var id ticket.ID
		if n := len(l.open); n > 0 && i%4 > 0 {
			id = l.open[rand.IntN(min(n, busy))]
		}
		l.mu.Unlock()
		err = l.act(ctx, first, token, id)
	}
	return err
}

// act opens a ticket, or replies to one.
func (l *Load) act(ctx context.Context, first int, token string, id ticket.ID) error {
	var t ticket.Ticket
	content, sum := contentOf(token), ticket.Digest{}
	err := l.repeat(ctx, first, func(ctx context.Context, p *Place) (err error) {
		var files []ticket.Attachment
		if content != nil {
			a, err := p.Desk.Attach(ctx, agent, "page.bin", "application/octet-stream", bytes.NewReader(content))
			if err != nil {
				return err
			}
			sum, files = a.SHA256, []ticket.Attachment{a}
		}
		if id.IsZero() {
			t, err = p.Desk.Open(ctx, agent, ticket.Draft{Subject: "The printer prints blank pages", Message: ticket.Message(token), Key: token,
				Requester: ticket.Person{ID: token, Name: "Ada Example", Email: "ada@example.org"}, Attachments: files})
		} else {
			t, err = p.Desk.Do(ctx, agent, id, ticket.Action{Name: ticket.ActionReply, Message: ticket.Message(token), Key: token, Attachments: files})
		}
		return err
	})
	if errors.Is(err, ticket.ErrNotFound) {
		l.miss(id)
		return nil
	} else if err != nil {
		return fmt.Errorf("%s: %w", token, err)
	}
	l.mu.Lock()
	l.acknowledged()
	l.done = append(l.done, request{token, t.ID, sum})
	if id.IsZero() {
		l.open = append(l.open, t.ID)
	}
	if content != nil {
		l.files++
	}
	l.mu.Unlock()
	if content == nil {
		return nil
	}
	err = l.repeat(ctx, first+1, func(ctx context.Context, p *Place) error { return l.read(ctx, p, t.ID, sum) })
	if errors.Is(err, ticket.ErrNotFound) {
		l.miss(t.ID)
		return nil
	}
	return err
}

// miss notes that a ticket that was acknowledged, or its file, is gone. Nobody writes to it again.
func (l *Load) miss(id ticket.ID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.Note(&l.lost, "ticket %s is acknowledged, and it or its file is not there", id)
	l.open = slices.DeleteFunc(l.open, func(o ticket.ID) bool { return o == id })
}

// put puts a mail at one place, and the same once more at the next one at the same time.
func (l *Load) put(ctx context.Context, first int, token string) error {
	ids, errs := make([]ticket.ID, 2), make([]error, 2)
	var both sync.WaitGroup
	for k := range ids {
		at := time.Now().UTC().Truncate(time.Microsecond)
		m := ticket.Mail{ID: ticket.NewID(at), Mailbox: mailbox, Origin: token, Raw: ticket.Digest{1}, Size: 1, State: ticket.MailPending, Arrived: at, Due: at}
		both.Go(func() {
			errs[k] = l.repeat(ctx, first+k, func(ctx context.Context, p *Place) error {
				stored, err := p.Store.PutMail(ctx, m)
				ids[k] = stored.ID
				return err
			})
		})
	}
	both.Wait()
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("the mail %s: %w", token, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if ids[0] != ids[1] {
		l.Note(&l.doubled, "the mail %s is stored as %s and as %s", token, ids[0], ids[1])
	}
	l.mails = append(l.mails, ids[0])
	return nil
}

// repeat calls do at one place after the other until it succeeds, or until something is not found
// for longer than a place may lag. ctx does not end it.
func (l *Load) repeat(ctx context.Context, first int, do func(context.Context, *Place) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.Patience)
	defer cancel()
	var missing time.Time
	for i := first; ; i++ {
		once, end := context.WithTimeout(ctx, l.Once)
		err := do(once, l.places[i%len(l.places)])
		end()
		if err == nil || ctx.Err() != nil || errors.Is(err, ticket.ErrRefused) || errors.Is(err, ticket.ErrInvalid) {
			return err
		}
		switch {
		case !errors.Is(err, ticket.ErrNotFound):
			missing = time.Time{}
		case missing.IsZero():
			missing = time.Now()
		case time.Since(missing) > l.Once:
			return err
		}
		l.mu.Lock()
		l.errors[kind(err)]++
		l.mu.Unlock()
		time.Sleep(20 * time.Millisecond)
	}
}
