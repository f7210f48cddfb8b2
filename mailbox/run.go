package mailbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ticketkit/ticket"
)

// Times of the pipeline. A lease is longer than the limit of a mail, so that no other process
// takes a mail that is still being worked on.
const (
	leaseMargin  = 2 * time.Minute
	firstBackoff = 5 * time.Second
	mostBackoff  = 15 * time.Minute
	// A mail that was claimed this often without a word from any of the attempts ends
	// the processes that take it.
	mostLost = 10
)

// Run reads the mailboxes that have an IMAP server, and puts the mails of all mailboxes on
// tickets, until ctx ends. Then it returns the error of ctx after the mails under way. A mail
// that cannot be taken is held and stops no other; while the store or the file store fails,
// mails stay pending.
//
// Run may be called in any number of processes that share a store.
func (in *Intake) Run(ctx context.Context) error {
	var sources sync.WaitGroup
	defer sources.Wait()
	for _, b := range in.boxes {
		if b.IMAP != nil {
			sources.Go(func() { in.readIMAP(ctx, b) })
		}
	}
	return in.work(ctx)
}

// work takes pending mails until ctx ends.
func (in *Intake) work(ctx context.Context) error {
	var workers sync.WaitGroup
	defer workers.Wait()
	free := make(chan struct{}, in.cfg.Workers)
	failures := 0
	for {
		select { // wait for a free worker
		case free <- struct{}{}:
			<-free
		case <-ctx.Done():
			return ctx.Err()
		}
		n, err := in.claim(ctx, in.cfg.Workers-len(free), func(m ticket.Mail) {
			free <- struct{}{}
			workers.Go(func() {
				defer func() { <-free; in.nudge() }()
				in.process(ctx, m)
			})
		})
		wait := in.cfg.Poll
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			failures++
			wait = backoff(failures)
			in.cfg.Logger.ErrorContext(ctx, "mailbox: cannot read pending mails", "error", err, "again_in", wait)
		case n > 0:
			failures = 0
			continue
		default:
			failures = 0
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-in.wakeUnless(err):
			timer.Stop()
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}

// wakeUnless returns the channel that wakes the workers, or one that never does after an error.
func (in *Intake) wakeUnless(err error) <-chan struct{} {
	if err != nil {
		return nil
	}
	return in.wake
}

// claim claims up to limit mails and starts to take each.
func (in *Intake) claim(ctx context.Context, limit int, start func(ticket.Mail)) (int, error) {
	names := make([]string, 0, len(in.boxes))
	for _, b := range in.boxes {
		names = append(names, b.Name)
	}
	mails, err := in.cfg.Store.ClaimMails(ctx, ticket.MailClaim{Now: in.now(), Lease: in.cfg.Limits.Time + leaseMargin, Limit: max(limit, 1), Mailboxes: names})
	if err != nil {
		return 0, err
	}
	for _, m := range mails {
		start(m)
	}
	return len(mails), nil
}

// Drain takes all pending mails that are due, and returns their number. It is for tests and
// for programs that run now and then; others call [Intake.Run].
func (in *Intake) Drain(ctx context.Context) (int, error) {
	sum := 0
	for {
		n, err := in.claim(ctx, 1, func(m ticket.Mail) { in.process(ctx, m) })
		if sum += n; n == 0 || err != nil {
			return sum, err
		}
		if ctx.Err() != nil {
			return sum, ctx.Err()
		}
	}
}

// process takes one claimed mail and settles it.
func (in *Intake) process(ctx context.Context, m ticket.Mail) {
	settled, err := in.attempt(ctx, m)
	if ctx.Err() != nil && settled.State == ticket.MailPending {
		settled.Due = in.now() // another process can have it at once
	}
	// The decision is committed: the settlement is to be stored even if the process ends.
	store, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	in.step("settling")
	if settleErr := in.cfg.Store.SettleMail(store, ticket.MailPending, settled); settleErr != nil {
		if !errors.Is(settleErr, ticket.ErrClaimLost) && !errors.Is(settleErr, ticket.ErrNotFound) {
			in.cfg.Logger.ErrorContext(ctx, "mailbox: cannot settle a mail; it is taken again", "mail", m.ID.String(), "error", settleErr)
		}
		return
	}
	in.step("settled")
	if err != nil {
		in.cfg.Logger.ErrorContext(ctx, "mailbox: a mail was not taken", "mail", m.ID.String(), "mailbox", m.Mailbox, "state", string(settled.State), "error", err)
	}
	if settled.State != ticket.MailPending {
		in.observe(ctx, settled)
	}
}

// errOtherTenant is for two intakes on one store that have a mailbox of the same name.
var errOtherTenant = errors.New("two tenants have a mailbox of this name: give each a name of its own")

// attempt decides on a mail and commits the decision. It returns the mail as it is to be
// settled, and an error to be logged.
func (in *Intake) attempt(ctx context.Context, m ticket.Mail) (ticket.Mail, error) {
	b := in.box(m.Mailbox)
	if b.Tenant != m.Tenant { // it was claimed by the name of the mailbox alone
		return in.pending(m, backoff(m.Attempts), "it is of another tenant than the mailbox of this process"), errOtherTenant
	}
	if lost := m.Attempts - 1 - heardOf(m); lost >= mostLost {
		return in.settled(m, ticket.MailHeld, fmt.Sprintf("%d attempts to take it have ended without a result", lost)), nil
	}
	done, err := in.safely(ctx, b, m)
	var held *heldError
	var later *laterError
	switch {
	case err == nil:
		return done, nil
	case ctx.Err() != nil: // not the mail's fault
		return in.pending(done, 0, "the process was stopped"), nil //nolint:nilerr // the reason says it
	case errors.As(err, &held):
		return in.settled(done, ticket.MailHeld, held.Error()), nil
	case errors.As(err, &later):
		return in.pending(done, laterIn(m.Attempts), later.why), nil
	case refused(err):
		return in.settled(done, ticket.MailHeld, err.Error()), nil
	}
	return in.pending(done, backoff(m.Attempts), "temporary trouble: "+clean(err.Error())), err
}

// pending returns a mail that is taken again after a time.
func (in *Intake) pending(m ticket.Mail, wait time.Duration, why string) ticket.Mail {
	m.State, m.Reason, m.Due, m.Until = ticket.MailPending, still(m, why), in.now().Add(wait), time.Time{}
	return m
}

// settled returns a mail in the state in which it stays.
func (in *Intake) settled(m ticket.Mail, state ticket.MailState, why string) ticket.Mail {
	m.State, m.Reason, m.Settled = state, cut(clean(why), 2000), in.now()
	m.Due, m.Until = time.Time{}, time.Time{}
	return m
}

// still returns the reason of a mail that stays pending. It keeps that somebody has released
// the mail.
func still(m ticket.Mail, why string) string {
	if released(m) {
		by, _, _ := strings.Cut(m.Reason, "; ")
		why = by + "; " + why
	}
	return heard(m, why)
}

const heardOfAttempt = "; attempt "

// heard returns the reason of a pending mail, with the number of its last attempt: the process has not
// ended during that one.
func heard(m ticket.Mail, why string) string {
	return cut(why, 1900) + heardOfAttempt + strconv.Itoa(m.Attempts)
}

// heardOf returns the number of the last attempt that said something, or 0.
func heardOf(m ticket.Mail) int {
	at := strings.LastIndex(m.Reason, heardOfAttempt)
	if at < 0 {
		return 0
	}
	n, err := strconv.Atoi(m.Reason[at+len(heardOfAttempt):])
	if err != nil {
		return 0
	}
	return n
}

// refused reports whether the desk does not take what was decided, and never will.
func refused(err error) bool {
	for _, category := range []error{ticket.ErrInvalid, ticket.ErrRefused, ticket.ErrWorkflow, ticket.ErrNotFound, ticket.ErrMistyped} {
		if errors.Is(err, category) {
			return true
		}
	}
	var f *ticket.FileError
	return errors.As(err, &f)
}

// backoff returns the time to wait after a number of failures: twice as long each time, with
// a random part.
func backoff(failures int) time.Duration {
	d := min(firstBackoff<<min(max(failures-1, 0), 10), mostBackoff)
	return d - rand.N(d/4) //nolint:gosec // a time to wait is no secret
}

// laterIn returns the time after which a mail is tried again that waits for another thing.
func laterIn(attempts int) time.Duration {
	return min(2*time.Second<<min(max(attempts-1, 0), 10), mostBackoff)
}

// outcome is the result of taking a mail.
type result struct {
	mail ticket.Mail
	err  error
}

// safely takes a mail within the time limit. A panic is the mail's fault, and so is a mail
// that takes too long. The goroutine of such a mail may go on until its call returns; it
// can no longer commit, because its context has ended.
func (in *Intake) safely(ctx context.Context, b *box, m ticket.Mail) (ticket.Mail, error) {
	limited, cancel := context.WithTimeout(ctx, in.cfg.Limits.Time)
	defer cancel()
	results := make(chan result, 1)
	go func() {
		r := result{mail: m}
		defer func() {
			if p := recover(); p != nil {
				in.cfg.Logger.ErrorContext(ctx, "mailbox: panic while taking a mail", "mail", m.ID.String(), "stack", string(debug.Stack()))
				r.err = hold(nil, "panic: %v", p)
			}
			results <- r
		}()
		r.mail, r.err = in.take(limited, b, m)
	}()
	select {
	case r := <-results:
		if r.err != nil && limited.Err() != nil && ctx.Err() == nil {
			r.err = hold(nil, "took longer than %s", in.cfg.Limits.Time)
		}
		return r.mail, r.err
	case <-limited.Done():
		select {
		case r := <-results: // it has finished after all
			if r.err == nil {
				return r.mail, nil
			}
		case <-time.After(time.Second):
		}
		if ctx.Err() != nil {
			return m, ctx.Err()
		}
		return m, hold(nil, "took longer than %s", in.cfg.Limits.Time)
	}
}

// take reads a mail, decides on it, and commits the decision.
func (in *Intake) take(ctx context.Context, b *box, m ticket.Mail) (ticket.Mail, error) {
	raw, err := in.raw(ctx, m)
	if err != nil {
		return m, err
	}
	in.step("opened")
	msg, err := in.read(ctx, b, &m, raw)
	if err != nil {
		return m, err
	}
	in.step("parsed")
	switch done, found, err := in.before(ctx, m); {
	case err != nil:
		return m, err
	case found:
		return done, nil
	}
	p, err := in.decide(ctx, b, m, msg)
	if err != nil {
		return m, err
	}
	in.step("decided")
	m, err = in.commit(ctx, b, m, msg, raw, p)
	m.Explained = p.json()
	return m, err
}

// raw returns the bytes of a mail.
func (in *Intake) raw(ctx context.Context, m ticket.Mail) ([]byte, error) {
	r, err := in.cfg.Files.Open(ctx, m.Tenant, m.Raw)
	if errors.Is(err, ticket.ErrNotFound) {
		return nil, hold(nil, "its bytes are gone from the file store")
	}
	if err != nil {
		return nil, fmt.Errorf("open the mail: %w", err)
	}
	defer r.Close() //nolint:errcheck // it was only read
	var buf bytes.Buffer
	if m.Size > 0 && m.Size <= int64(in.cfg.Limits.Mail) {
		buf.Grow(int(m.Size) + bytes.MinRead)
	}
	if _, err := buf.ReadFrom(io.LimitReader(r, int64(in.cfg.Limits.Mail)+1)); err != nil {
		return nil, fmt.Errorf("read the mail: %w", err)
	}
	return buf.Bytes(), nil
}

// read parses a mail and completes its record.
func (in *Intake) read(ctx context.Context, b *box, m *ticket.Mail, raw []byte) (*message, error) {
	var lookup error
	ours := func(id string) bool {
		row, found, err := in.delivery(ctx, b, id)
		lookup = errors.Join(lookup, err)
		return found && !row.ID.IsZero()
	}
	msg, err := in.parse(raw, ours, in.cfg.Limits.parser())
	switch {
	case lookup != nil:
		return nil, fmt.Errorf("look up a delivery: %w", lookup)
	case err != nil:
		return nil, hold(err, "cannot be read")
	}
	if !m.HasSender && msg.HasReturnPath {
		// The record of the envelope stays as it was. The address is only used here.
		m.HasSender, m.From = true, cut(clean(msg.ReturnPath), 1000)
	}
	if m.HasSender && m.From == "" && msg.Automatic == "" {
		msg.Automatic = "the sender of the envelope is empty"
		msg.AutoReply = hasPrefixFold(msg.Subject, absent)
	}
	m.Fingerprint = msg.Fingerprint
	m.MessageID = cut(clean(msg.MessageID), 998)
	if author := in.author(msg); author.Address != "" {
		m.Author = cut(clean(author.Address), 1000)
	} else if len(msg.From) > 0 {
		m.Author = cut(clean(msg.From[0].Address), 1000)
	}
	return msg, nil
}

// key is the idempotency key of what a mail does. It commits with the ticket.
func key(m ticket.Mail) string { return "mail " + m.Fingerprint.String() }

// before looks up whether a mail was taken already, by its fingerprint: by another mail with
// the same one, or by an attempt that has ended before it could settle this one.
func (in *Intake) before(ctx context.Context, m ticket.Mail) (ticket.Mail, bool, error) {
	if repeat, found, err := in.repeat(ctx, m); found || err != nil {
		return repeat, found, err
	}
	r, err := in.cfg.Store.Receipt(ctx, m.Tenant, key(m))
	switch {
	case errors.Is(err, ticket.ErrNotFound):
		return m, false, nil
	case err != nil:
		return m, false, fmt.Errorf("look up the receipt: %w", err)
	}
	if err := in.waitForCopy(ctx, m); err != nil {
		return m, false, err
	}
	// A copy may have been settled since the first look. No other one is on its way now.
	if repeat, found, err := in.repeat(ctx, m); found || err != nil {
		return repeat, found, err
	}
	m = in.onTicket(m, r.Ticket, r.Version, "is on the ticket: an earlier attempt has put it there")
	m.Explained = (&Explanation{Outcome: OutcomeDone, Reason: m.Reason, Ticket: r.Ticket}).json()
	return m, true, nil
}

// repeat looks for another mail with the same fingerprint that is settled.
func (in *Intake) repeat(ctx context.Context, m ticket.Mail) (ticket.Mail, bool, error) {
	list, err := in.cfg.Store.Mails(ctx, ticket.MailQuery{
		Tenant: m.Tenant, Fingerprint: m.Fingerprint, Limit: 10,
		States: []ticket.MailState{ticket.MailDone, ticket.MailIgnored, ticket.MailHeld},
	})
	if err != nil {
		return m, false, fmt.Errorf("look up the mail: %w", err)
	}
	for _, o := range list {
		if o.ID == m.ID {
			continue
		}
		m = in.settled(m, ticket.MailRepeated, "was taken before, as "+o.ID.String())
		m.Ticket, m.Seq = o.Ticket, o.Seq
		m.Explained = (&Explanation{Outcome: OutcomeRepeated, Reason: m.Reason, Ticket: o.Ticket}).json()
		return m, true, nil
	}
	return m, false, nil
}

// overtaken reports whether another copy has put the mail on the ticket, while this one was being
// taken: the key of both is the same, so the desk had nothing to do for this one. Of two that are
// still to be settled, the later one waits. The first look is for those that are not settled,
// because one that is settled after it is found by the second.
func (in *Intake) overtaken(ctx context.Context, m ticket.Mail) (ticket.Mail, bool, error) {
	if err := in.waitForEarlier(ctx, m); err != nil {
		return m, false, err
	}
	return in.repeat(ctx, m)
}

// waitForEarlier returns a [laterError] while an earlier copy of a mail is pending, so that two
// copies (to two mailboxes of the desk) do not pass one another.
func (in *Intake) waitForEarlier(ctx context.Context, m ticket.Mail) error {
	return in.waitFor(ctx, m, "an earlier mail with its Message-ID was not taken yet", func(o ticket.Mail) bool { return earlier(o, m) })
}

// waitForCopy does the same for copies that are just being taken, too: it is for a mail that is on
// a ticket. A copy may be the one that was put there, and this one is its repeat then.
func (in *Intake) waitForCopy(ctx context.Context, m ticket.Mail) error {
	return in.waitFor(ctx, m, "a copy of it is just being taken", func(o ticket.Mail) bool { return earlier(o, m) || o.Until.After(in.now()) })
}

func (in *Intake) waitFor(ctx context.Context, m ticket.Mail, why string, is func(ticket.Mail) bool) error {
	if m.Attempts >= mostLost {
		return nil
	}
	copies, err := in.copies(ctx, m)
	if err == nil && slices.ContainsFunc(copies, is) {
		err = &laterError{why: why}
	}
	return err
}

// copies returns the other pending mails with the Message-ID of a mail or, if it has none, with the
// same bytes.
func (in *Intake) copies(ctx context.Context, m ticket.Mail) ([]ticket.Mail, error) {
	list, err := in.cfg.Store.Mails(ctx, ticket.MailQuery{Tenant: m.Tenant, MessageID: m.MessageID, States: []ticket.MailState{ticket.MailPending}, Limit: 1000})
	if err != nil {
		return nil, fmt.Errorf("look up copies: %w", err)
	}
	return slices.DeleteFunc(list, func(o ticket.Mail) bool {
		return o.ID == m.ID || m.MessageID == "" && o.Raw != m.Raw
	}), nil
}

// onTicket returns a mail that is done, with its place on a ticket.
func (in *Intake) onTicket(m ticket.Mail, id ticket.ID, seq int64, why string) ticket.Mail {
	m = in.settled(m, ticket.MailDone, why)
	m.Ticket, m.Seq = id, seq
	return m
}

// json returns the explanation in the form that a mail keeps.
func (e *Explanation) json() []byte {
	b, err := json.Marshal(e)
	if err != nil || len(b) > 60<<10 {
		b, _ = json.Marshal(Explanation{Outcome: e.Outcome, Reason: cut(e.Reason, 2000), Ticket: e.Ticket})
	}
	return b
}
