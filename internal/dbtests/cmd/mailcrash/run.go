package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/internal/dbtests/imapbox"
	"github.com/ticketkit/ticket/internal/dbtests/ordeal"
	"github.com/ticketkit/ticket/replyaddress"
	"github.com/ticketkit/ticket/sqlstore"
)

// The rates of the clock, in seconds for a real second. A lease is 140 seconds.
const (
	rateUsual = 20
	rateRest  = 60
)

// A crashing is the run for one store.
type crashing struct {
	*ordeal.Ground
	options

	rand   *rand.Rand
	desk   *ticket.Desk
	post   *post
	slots  []*slot
	report *report

	account imapbox.Account
	folder  string // of the file store
	calm    string // see task.Calm
	conns   conns
	arrived atomic.Int64 // copies that a server has
	inIMAP  atomic.Int64 // of these, in the folder of the IMAP server
}

// A slot is the place of a taker. When one is killed, the next takes it.
type slot struct {
	task  task
	count int
	child *ordeal.Child
}

// endure lets mails arrive on a store, kills, and checks.
func endure(ctx context.Context, b ordeal.Backend, o options) (_ *report, err error) {
	g, err := b.Ground(ctx, "mailcrash", time.Now())
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, g.Leave()) }()
	r := &crashing{Ground: g, options: o, rand: rand.New(rand.NewPCG(o.Seed, 1)), report: newReport(b.Name),
		folder: filepath.Join(g.Dir, "files"), calm: filepath.Join(g.Dir, "calm")}
	if err := r.prepare(ctx); err != nil {
		return nil, err
	}
	stop, err := r.serve()
	if err != nil {
		return nil, err
	}
	defer stop()
	defer r.killAll()
	if err := r.work(ctx); err != nil {
		return nil, err
	}
	return r.report, r.check(ctx)
}

// prepare opens the tickets that mails name, and writes the mails.
func (r *crashing) prepare(ctx context.Context) (err error) {
	if r.desk, err = ticket.NewDesk(r.Store, ticket.Config{Now: r.Clock.Now}); err != nil {
		return err
	}
	replies, err := signer()
	if err != nil {
		return err
	}
	r.post = &post{rand: rand.New(rand.NewPCG(r.Seed, 2)), replies: replies}
	for i := range max(5, r.mails/20) {
		p := ticket.Person{Email: holder(i)}
		t, err := r.desk.Open(ctx, ticket.Requester(p), ticket.Draft{Subject: "Before", Message: "Before the mails."})
		if err != nil {
			return err
		}
		address, err := replies.Make(replyaddress.Request{Number: t.Number, Kind: replyaddress.Customer, Person: p})
		if err != nil {
			return err
		}
		r.post.bases = append(r.post.bases, &held{t.ID, t.Number, p.Email, address})
	}
	r.post.write(r.mails)
	return nil
}

// serve starts the IMAP server.
func (r *crashing) serve() (stop func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r.conns.Listener = l
	r.account, stop, err = imapbox.Serve(&r.conns)
	if err != nil {
		return nil, err
	}
	for i := range r.takers {
		t := task{Place: r.Place("taker", fmt.Sprintf("taker-%d", i)), Files: r.folder, IMAP: l.Addr().String(), Calm: r.calm,
			Socket: filepath.Join(r.Dir, fmt.Sprintf("t%d.sock", i)), Sabotage: r.Sabotage}
		r.slots = append(r.slots, &slot{task: t})
	}
	return stop, nil
}

// conns are the connections to the IMAP server. They can be cut.
type conns struct {
	net.Listener

	mu   sync.Mutex
	open map[net.Conn]bool
}

type cuttable struct {
	net.Conn

	of *conns
}

func (c *conns) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open == nil {
		c.open = map[net.Conn]bool{}
	}
	c.open[conn] = true
	return &cuttable{conn, c}, nil
}

func (c *cuttable) Close() error {
	c.of.mu.Lock()
	delete(c.of.open, c.Conn)
	c.of.mu.Unlock()
	return c.Conn.Close()
}

// cut cuts one connection, and reports whether there was one.
func (c *conns) cut() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.open {
		delete(c.open, conn)
		_ = conn.Close()
		return true
	}
	return false
}

// work lets the mails arrive while takers are killed, and then waits until none is pending.
func (r *crashing) work(ctx context.Context) error {
	begin := time.Now()
	r.DB.SetMaxOpenConns(1) // the connection that cutDatabase does not cut
	defer r.DB.SetMaxOpenConns(6)
	if err := r.Clock.SetRate(rateUsual); err != nil {
		return err
	}
	for _, s := range r.slots {
		if err := r.start(s); err != nil {
			return err
		}
	}
	// The first process that reads the folder stores where it begins: before the first mail.
	if err := r.until(ctx, 30*time.Second, r.positioned); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var feeders sync.WaitGroup
	defer feeders.Wait()
	defer cancel()
	failed := make(chan error, 2)
	feeders.Go(func() { failed <- r.feedIMAP(ctx) })
	feeders.Go(func() { failed <- r.feedLMTP(ctx) })
	for fed := 0; fed < 2; {
		select {
		case <-time.After(time.Duration(r.rand.Int64N(int64(2 * r.pause)))):
		case err := <-failed:
			if err != nil {
				return err
			}
			fed++
		case <-ctx.Done():
			return ctx.Err()
		}
		if time.Since(begin) > r.longest {
			return fmt.Errorf("not all mails have arrived after %s", r.longest)
		}
		if err := r.strike(ctx); err != nil {
			return err
		}
	}
	r.report.feeding = time.Since(begin)
	for range 3 { // kills while the last mails are taken
		time.Sleep(r.pause / 2)
		if err := r.strike(ctx); err != nil {
			return err
		}
	}
	if err := os.WriteFile(r.calm, nil, 0o600); err != nil {
		return err
	}
	if err := r.Clock.SetRate(rateRest); err != nil {
		return err
	}
	err := r.until(ctx, r.patience, r.settled)
	r.report.all = time.Since(begin)
	if errors.Is(err, errPatience) {
		err = nil // the check reports what is pending
	}
	return err
}

var errPatience = errors.New("it did not happen in time")

// until waits until something is so.
func (r *crashing) until(ctx context.Context, most time.Duration, is func(context.Context) (bool, error)) error {
	for begin := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		if so, err := is(ctx); so || err != nil {
			return err
		}
		if err := r.lookAfter(); err != nil {
			return err
		}
		if time.Since(begin) > most {
			return errPatience
		}
	}
}

// positioned reports whether the position in the folder is stored.
func (r *crashing) positioned(ctx context.Context) (bool, error) {
	counts, err := r.Store.CountMails(ctx, "mailbox.positions")
	return counts[ticket.MailPending] > 0, err
}

// settled reports whether all mails that have arrived are stored, and none is pending.
func (r *crashing) settled(ctx context.Context) (bool, error) {
	sum, err := r.counts(ctx)
	if err != nil {
		return false, err
	}
	var all int64
	for _, n := range sum {
		all += n
	}
	if sum[ticket.MailPending] > 0 || all < r.arrived.Load() {
		return false, nil
	}
	// A mail that was stored and then refused is stored twice, so there can be more by LMTP.
	if listed, err := r.listed(ctx); err != nil || listed < r.inIMAP.Load() {
		return false, err
	}
	sum, err = r.counts(ctx)
	return sum[ticket.MailPending] == 0, err
}

// listed returns how many mails were stored from the IMAP server.
func (r *crashing) listed(ctx context.Context) (n int64, err error) {
	q := ticket.MailQuery{Mailbox: inbox, Limit: ticket.MaxLimit}
	for {
		list, err := r.Store.Mails(ctx, q)
		n += int64(len(list))
		if err != nil || len(list) < q.Limit {
			return n, err
		}
		last := list[len(list)-1]
		q.Before, q.BeforeID = last.Arrived, last.ID
	}
}

// counts returns how many mails of both tenants are in each state.
func (r *crashing) counts(ctx context.Context) (map[ticket.MailState]int64, error) {
	sum := map[ticket.MailState]int64{}
	for _, tenant := range []string{"", otherTenant} {
		counts, err := r.Store.CountMails(ctx, tenant)
		if err != nil {
			return nil, err
		}
		for state, n := range counts {
			sum[state] += n
		}
	}
	return sum, nil
}

// strike kills a taker or some, or cuts connections.
func (r *crashing) strike(ctx context.Context) error {
	switch n := r.rand.IntN(10); {
	case n < 2:
		if r.conns.cut() {
			r.report.cut++
		}
		return r.lookAfter()
	case n < 4 && r.Dialect == sqlstore.Postgres:
		return r.cutDatabase(ctx)
	}
	n := 1
	if r.rand.IntN(8) == 0 {
		n = len(r.slots)
	}
	for _, i := range r.rand.Perm(len(r.slots))[:n] {
		s := r.slots[i]
		select {
		case <-s.child.Ready:
		default:
			if r.rand.IntN(4) > 0 { // most must make progress
				continue
			}
		}
		if err := s.child.Kill(); err != nil {
			return err
		}
		<-s.child.Ended
		if s.child.Failed != nil {
			return s.child.Failed
		}
		r.report.killed++
		if err := r.start(s); err != nil {
			return err
		}
	}
	return nil
}

// cutDatabase ends some connections to the database, but not those of this process.
func (r *crashing) cutDatabase(ctx context.Context) error {
	var n int
	err := r.DB.QueryRowContext(ctx, `SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid FROM pg_stat_activity
		WHERE datname = current_database() AND pid <> pg_backend_pid() ORDER BY random() LIMIT 3) AS x`).Scan(&n)
	r.report.cutDatabase += n
	return err
}

// lookAfter checks that no taker has ended by itself.
func (r *crashing) lookAfter() error {
	for _, s := range r.slots {
		select {
		case <-s.child.Ended:
			return errors.Join(errors.New("a taker ended unexpectedly"), s.child.Failed)
		default:
		}
	}
	return nil
}

func (r *crashing) start(s *slot) (err error) {
	s.count++
	t := s.task
	t.Journal = fmt.Sprintf("%s-%d", s.task.Journal, s.count)
	if s.child, err = ordeal.NewChild(taskVariable, s.task.Journal+".task", t); err != nil {
		return err
	}
	return s.child.Launch("taker")
}

func (r *crashing) killAll() {
	for _, s := range r.slots {
		if s.child != nil && s.child.Process != nil {
			_ = s.child.Process.Kill() // perhaps it has already ended
			<-s.child.Ended
		}
	}
}

// feedIMAP puts the mails into the folder, in their order.
func (r *crashing) feedIMAP(ctx context.Context) error {
	for i, l := range r.post.list {
		for range l.imap {
			if err := r.account.Append(l.raw); err != nil {
				return err
			}
			r.arrived.Add(1)
			r.inIMAP.Add(1)
		}
		if i%20 == 0 {
			select {
			case <-time.After(20 * time.Millisecond):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	return nil
}

// feedLMTP delivers mails as a mail server does: to any of the takers, and again until
// each recipient was answered with success.
func (r *crashing) feedLMTP(ctx context.Context) error {
	rnd := rand.New(rand.NewPCG(r.Seed, 3))
	var client *smtp.Client
	defer func() {
		if client != nil {
			_ = client.Close()
		}
	}()
	for _, l := range r.post.list {
		for range l.lmtp {
			rest := map[string]bool{}
			for _, box := range l.boxes {
				if box != inbox {
					rest[box] = true
				}
			}
			for failures := 0; len(rest) > 0; {
				if err := ctx.Err(); err != nil {
					return err
				}
				if client == nil {
					client = r.dial(rnd)
				}
				good := client != nil && r.deliver(client, l, rest)
				if good {
					continue
				}
				if client != nil {
					_ = client.Close()
					client = nil
				}
				if failures++; failures > 3 {
					time.Sleep(20 * time.Millisecond)
				}
			}
			if client != nil && rnd.IntN(20) == 0 {
				_ = client.Close()
				client = nil
			}
		}
	}
	return nil
}

func (r *crashing) dial(rnd *rand.Rand) *smtp.Client {
	conn, err := net.DialTimeout("unix", r.slots[rnd.IntN(len(r.slots))].task.Socket, time.Second)
	if err != nil {
		return nil
	}
	c := smtp.NewClientLMTP(conn)
	c.CommandTimeout, c.SubmissionTimeout = 20*time.Second, 20*time.Second
	return c
}

// deliver sends a mail to the remaining recipients, and removes those whose mail is stored. It
// reports whether the connection is still good.
func (r *crashing) deliver(c *smtp.Client, l *letter, rest map[string]bool) bool {
	if err := c.Mail(l.from, nil); err != nil {
		return false
	}
	for box := range rest {
		if err := c.Rcpt(addressOf(box), nil); err != nil {
			return false
		}
	}
	w, err := c.Data()
	if err != nil {
		return false
	}
	for box := range rest {
		l.tried[box]++
	}
	if _, err := io.Copy(w, bytes.NewReader(l.raw)); err != nil {
		return false
	}
	answers, err := w.CloseWithLMTPResponse()
	for box := range rest {
		if answers[addressOf(box)] != nil {
			delete(rest, box)
			l.stored[box]++
			r.arrived.Add(1)
		}
	}
	if _, partly := errors.AsType[smtp.LMTPDataError](err); partly {
		r.report.refused++
		return true
	}
	return err == nil
}
