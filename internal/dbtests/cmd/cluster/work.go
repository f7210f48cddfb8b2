package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/internal/dbtests/ordeal"
)

const (
	via      = "mail"
	mailbox  = "support"
	patience = 90 * time.Second // with a request, and with what is not settled at the end
	busy     = 40               // tickets that all writers write to
)

// A run is one run of the command.
type run struct {
	options
	ordeal.Findings

	nodes               []*node
	deliveries, letters holds

	mu                               sync.Mutex
	open                             []ticket.ID
	done                             []request
	mails                            []ticket.ID
	tickets, repeats, kills, cuts    int
	lost, doubled, broken, unsettled int
}

// A request is an acknowledged action. Its token is in its event alone.
type request struct {
	token  string
	ticket ticket.ID
}

// endure starts the cluster, works on it, and checks the result.
func endure(ctx context.Context, o options) (r *run, err error) {
	r = &run{options: o}
	for _, h := range []*holds{&r.deliveries, &r.letters} {
		h.now, h.seen = map[ticket.ID]held{}, map[attempt]bool{}
	}
	defer func() {
		for _, n := range r.nodes {
			if n.db != nil {
				err = errors.Join(err, n.db.Close())
			}
			err = errors.Join(err, n.Stop())
		}
	}()
	if err := r.start(ctx); err != nil {
		return r, err
	}
	// The relays begin with the same deliveries.
	if err := r.everywhere(func(i int, _ *node) (err error) {
		for k := i; k < o.backlog && err == nil; k += nodes {
			err = r.act(ctx, i, fmt.Sprintf("b%d.", k), ticket.ID{})
		}
		return err
	}); err != nil {
		return r, err
	}
	relaying, end := context.WithCancel(ctx)
	var all sync.WaitGroup
	for _, n := range r.nodes {
		for j := range relays {
			who := fmt.Sprintf("relay %d on %s", j, n.name)
			all.Go(func() {
				r.relay(relaying, who, &r.deliveries, func(ctx context.Context) ([]held, func() error, error) { return r.claimDeliveries(ctx, n) })
			})
			all.Go(func() {
				r.relay(relaying, who, &r.letters, func(ctx context.Context) ([]held, func() error, error) { return r.claimMails(ctx, n) })
			})
		}
	}
	defer all.Wait()
	defer end()
	writing, stop := context.WithTimeout(ctx, o.length)
	defer stop()
	harmed := make(chan error, 1)
	go func() { harmed <- r.harm(writing) }()
	err = r.everywhere(func(i int, _ *node) error { return r.write(writing, i) })
	if err = errors.Join(err, <-harmed); err != nil {
		return r, err
	}
	if err := r.everywhere(func(_ int, n *node) error { return n.await(ctx, nodes) }); err != nil {
		return r, err
	}
	if err := r.settled(ctx); err != nil {
		return r, err
	}
	for _, n := range r.nodes {
		if err := r.check(ctx, n); err != nil {
			return r, err
		}
	}
	return r, nil
}

var agent = ticket.Agent("lin", 1, 2, 3)

// write opens tickets, replies, and puts mails, until ctx ends.
func (r *run) write(ctx context.Context, first int) (err error) {
	for i := 0; ctx.Err() == nil && err == nil; i++ {
		token := fmt.Sprintf("w%d-%d.", first, i)
		if i%3 == 2 {
			err = r.put(ctx, first, token)
			continue
		}
		r.mu.Lock()
		var id ticket.ID
		if n := len(r.open); n >= busy || n > 0 && i%4 > 0 {
			id = r.open[rand.IntN(min(n, busy))]
		}
		r.mu.Unlock()
		err = r.act(ctx, first, token, id)
	}
	return err
}

// act opens a ticket, or replies to one.
func (r *run) act(ctx context.Context, first int, token string, id ticket.ID) error {
	var t ticket.Ticket
	err := r.repeat(ctx, first, func(ctx context.Context, n *node) (err error) {
		if id.IsZero() {
			t, err = n.desk.Open(ctx, agent, ticket.Draft{Subject: "The printer prints blank pages", Message: ticket.Message(token), Key: token,
				Requester: ticket.Person{ID: token, Name: "Ada Example", Email: "ada@example.org"}})
		} else {
			t, err = n.desk.Do(ctx, agent, id, ticket.Action{Name: ticket.ActionReply, Message: ticket.Message(token), Key: token})
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("%s: %w", token, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done = append(r.done, request{token, t.ID})
	if id.IsZero() {
		r.open = append(r.open, t.ID)
	}
	return nil
}

// put puts a mail on one node, and the same once more on the next one at the same time.
func (r *run) put(ctx context.Context, first int, token string) error {
	ids, errs := make([]ticket.ID, 2), make([]error, 2)
	var both sync.WaitGroup
	for k := range ids {
		at := time.Now().UTC().Truncate(time.Microsecond)
		m := ticket.Mail{ID: ticket.NewID(at), Mailbox: mailbox, Origin: token, Raw: ticket.Digest{1}, Size: 1, State: ticket.MailPending, Arrived: at, Due: at}
		both.Go(func() {
			errs[k] = r.repeat(ctx, first+k, func(ctx context.Context, n *node) error {
				stored, err := n.store.PutMail(ctx, m)
				ids[k] = stored.ID
				return err
			})
		})
	}
	both.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	if ids[0] != ids[1] {
		r.Note(&r.doubled, "the mail %s is stored as %s and as %s", token, ids[0], ids[1])
	}
	r.mails = append(r.mails, ids[0])
	return errors.Join(errs...)
}

// repeat calls do on one node after the other until it succeeds. ctx does not end it.
func (r *run) repeat(ctx context.Context, first int, do func(context.Context, *node) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	for i := first; ; i++ {
		once, end := context.WithTimeout(ctx, 10*time.Second)
		err := do(once, r.nodes[i%nodes])
		end()
		if err == nil || ctx.Err() != nil || errors.Is(err, ticket.ErrRefused) || errors.Is(err, ticket.ErrInvalid) {
			return err
		}
		r.mu.Lock()
		r.repeats++
		r.mu.Unlock()
		time.Sleep(20 * time.Millisecond)
	}
}
