package mailbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
)

// crash ends a step as the end of the process would: nothing after it happens.
type crash struct{}

// until returns an intake on the same stores that crashes at a step.
func (k *kit) until(step string) *Intake {
	k.t.Helper()
	in, err := New(k.cfg)
	require.NoError(k.t, err)
	in.step = func(name string) {
		if name == step {
			panic(crash{})
		}
	}
	return in
}

// process takes one pending mail without the protection against panics, and reports whether
// it crashed.
func crashes(ctx context.Context, in *Intake) (crashed bool) {
	defer func() {
		if p := recover(); p != nil {
			if _, ok := p.(crash); !ok {
				panic(p)
			}
			crashed = true
		}
	}()
	_, err := in.claim(ctx, 1, func(m ticket.Mail) {
		b := in.box(m.Mailbox)
		done, err := in.take(ctx, b, m)
		if err != nil {
			panic(err)
		}
		in.step("settling")
		if err := in.cfg.Store.SettleMail(ctx, ticket.MailPending, done); err != nil {
			panic(err)
		}
		in.step("settled")
	})
	if err != nil {
		panic(err)
	}
	return false
}

// A process that ends at any step takes each mail exactly once: the next attempt goes on.
func TestCrashAtEveryStep(t *testing.T) {
	for _, step := range []string{"opened", "parsed", "decided", "attached", "committed", "settling", "settled"} {
		for _, name := range []string{"new", "12-signed", "14-signed-stranger", "28-dsn-delayed", "27-dsn-bounced", "17-number-stranger", "40-three-images"} {
			t.Run(step+"/"+name, func(t *testing.T) {
				k := newKit(t, "take")
				tk := k.open()
				k.arrive(k.raw(name))
				crashed := crashes(t.Context(), k.until(step))
				reports := strings.Contains(name, "dsn")
				require.Equal(t, !reports || step != "attached" && step != "committed", crashed, "the step is part of taking the mail")
				if crashed {
					k.drain()
					if step != "settled" {
						require.EqualValues(t, 1, k.sum()[ticket.MailPending], "claimed until the lease ends")
					}
					k.clock.Advance(time.Hour)
					k.drain()
				}
				m := k.all()[0]
				require.Equal(t, ticket.MailDone, m.State, m.Reason)
				var words int
				for _, one := range k.tickets() {
					for _, e := range k.events(one.ID) {
						if e.Seq > 1 && e.Action != ticket.ActionLink || one.ID != tk.ID && e.Seq == 1 {
							words++
						}
					}
				}
				if name == "27-dsn-bounced" {
					require.Zero(t, words)
					require.Equal(t, ticket.DeliveryBounced, k.letter().State)
				} else {
					require.Equal(t, 1, words, "once")
				}
			})
		}
	}
}

// A crash after the spool leaves a file without a record. The source brings the mail again.
func TestCrashAfterTheSpool(t *testing.T) {
	k := newKit(t, "take")
	for _, step := range []string{"spooled", "recorded"} {
		in := k.until(step)
		require.Panics(t, func() {
			_, _ = in.Take(t.Context(), "support", bytes.NewReader(k.raw("new")), Envelope{Origin: "imap 1 1 INBOX"})
		})
	}
	_, err := k.in.Take(t.Context(), "support", bytes.NewReader(k.raw("new")), Envelope{Origin: "imap 1 1 INBOX"})
	require.NoError(t, err)
	k.drain()
	require.Len(t, k.all(), 1)
	require.Len(t, k.tickets(), 1)
}

// faulty is a store that fails now and then, before or after the call took effect.
type faulty struct {
	Store
	mu   sync.Mutex
	rand *rand.Rand
	rate float64
}

var errDown = errors.New("the database is down")

func (f *faulty) fails() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.rand.Float64() < f.rate
}

func (f *faulty) PutMail(ctx context.Context, m ticket.Mail) (ticket.Mail, error) {
	if f.fails() {
		return m, errDown
	}
	m, err := f.Store.PutMail(ctx, m)
	if err == nil && f.fails() {
		return m, errDown
	}
	return m, err
}

func (f *faulty) ClaimMails(ctx context.Context, c ticket.MailClaim) ([]ticket.Mail, error) {
	list, err := f.Store.ClaimMails(ctx, c)
	if err == nil && f.fails() {
		return nil, errDown
	}
	return list, err
}

func (f *faulty) SettleMail(ctx context.Context, from ticket.MailState, m ticket.Mail) error {
	if f.fails() {
		return errDown
	}
	err := f.Store.SettleMail(ctx, from, m)
	if err == nil && f.fails() {
		return errDown
	}
	return err
}

func (f *faulty) Mails(ctx context.Context, q ticket.MailQuery) ([]ticket.Mail, error) {
	if f.fails() {
		return nil, errDown
	}
	return f.Store.Mails(ctx, q)
}

func (f *faulty) Receipt(ctx context.Context, tenant, key string) (ticket.Receipt, error) {
	if f.fails() {
		return ticket.Receipt{}, errDown
	}
	return f.Store.Receipt(ctx, tenant, key)
}

// faultyDesk is the desk's store, which fails too.
type faultyDesk struct {
	ticket.Store
	*faulty
}

func (f faultyDesk) Commit(ctx context.Context, c ticket.Commit) error {
	if f.fails() {
		return errDown
	}
	err := f.Store.Commit(ctx, c)
	if err == nil && f.fails() {
		return errDown
	}
	return err
}

func (f faultyDesk) Receipt(ctx context.Context, tenant, key string) (ticket.Receipt, error) {
	return f.faulty.Receipt(ctx, tenant, key)
}

// Several processes share stores that fail at one call in ten, before or after it took effect.
// Each mail is taken once, and the sum holds.
func TestSeveralProcessesAndFailingStores(t *testing.T) {
	problems, mails := faults(t, nil)
	require.Empty(t, problems)
	require.Greater(t, mails, 100)
}

// The test notices an intake that forgets what it took.
func TestFaultsAreNoticed(t *testing.T) {
	problems, _ := faults(t, func(in *Intake) {
		parse := in.parse
		var n int
		var mu sync.Mutex
		in.parse = func(raw []byte, ours func(string) bool, l limits) (*message, error) {
			m, err := parse(raw, ours, l)
			mu.Lock()
			defer mu.Unlock()
			n++
			if err == nil {
				m.Fingerprint = ticket.Digest{byte(n), byte(n >> 8), 1} // no two attempts have the same
			}
			return m, err
		}
	})
	require.NotEmpty(t, problems)
}

func faults(t *testing.T, sabotage func(*Intake)) (problems []string, mails int) {
	t.Helper()
	k := newKit(t, "take")
	f := &faulty{Store: k.store, rand: rand.New(rand.NewPCG(1, 2)), rate: 0.1}
	cfg := k.cfg
	cfg.Store = f
	var err error
	deskCfg := ticket.Config{Now: k.clock.Now, NewID: k.cfg.NewID, Logger: k.cfg.Logger}
	cfg.Desk, err = ticket.NewDesk(faultyDesk{k.store, f}, deskCfg)
	require.NoError(t, err)
	cfg.Limits.PerSender, cfg.Poll = -1, time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var processes sync.WaitGroup
	var takers []*Intake
	for range 3 {
		in, err := New(cfg)
		require.NoError(t, err)
		if sabotage != nil {
			sabotage(in)
		}
		takers = append(takers, in)
		processes.Go(func() {
			for ctx.Err() == nil {
				_, _ = in.Drain(ctx)
				time.Sleep(time.Millisecond)
			}
		})
	}
	const distinct = 60
	for i := range distinct {
		k.fill["N"] = fmt.Sprint(i)
		raw := k.raw("flood")
		for range 1 + i%3 { // every third mail comes twice, and every third three times
			for try := 0; ; try++ {
				require.Less(t, try, 1000)
				_, err := takers[i%3].Take(t.Context(), "support", bytes.NewReader(raw), Envelope{})
				if err == nil {
					break
				}
			}
		}
	}
	for range 3000 { // time goes by, so that leases and pauses end
		counts, err := k.store.CountMails(t.Context(), "")
		require.NoError(t, err)
		if counts[ticket.MailPending] == 0 {
			break
		}
		k.clock.Advance(20 * time.Second)
		time.Sleep(time.Millisecond)
	}
	cancel()
	processes.Wait()
	counts := k.sum()
	if counts[ticket.MailPending]+counts[ticket.MailHeld]+counts[ticket.MailIgnored] > 0 {
		problems = append(problems, fmt.Sprint("not taken: ", counts))
	}
	times := map[string]int{}
	for _, tk := range k.tickets() {
		times[tk.Subject] += len(k.events(tk.ID))
	}
	for i := range distinct {
		if n := times[fmt.Sprintf("Alarm %d", i)]; n != 1 {
			problems = append(problems, fmt.Sprintf("mail %d is there %d times", i, n))
		}
	}
	return problems, len(k.all())
}

// One mail of ten makes the parser panic: it is held, the others are taken, and it is taken
// after the repair.
func TestAPanicHoldsOneMail(t *testing.T) {
	k := newKit(t, "take")
	parse := k.in.parse
	k.in.parse = func(raw []byte, ours func(string) bool, l limits) (*message, error) {
		if bytes.Contains(raw, []byte("Alarm 5")) {
			panic("index out of range")
		}
		return parse(raw, ours, l)
	}
	for i := range 10 {
		k.fill["N"] = fmt.Sprint(i)
		k.arrive(k.raw("flood"))
	}
	k.drain()
	require.Equal(t, map[ticket.MailState]int64{ticket.MailDone: 9, ticket.MailHeld: 1}, k.sum())
	held, err := k.in.Held(t.Context(), lin, time.Time{})
	require.NoError(t, err)
	require.Contains(t, held[0].Reason, "panic")
	k.in.parse = parse
	require.NoError(t, k.in.Retake(t.Context(), lin, held[0].ID))
	k.drain()
	require.EqualValues(t, 10, k.sum()[ticket.MailDone])
}

// A mail that takes too long is held.
func TestAMailThatTakesTooLong(t *testing.T) {
	k := newKit(t, "take", func(c *Config, _ *ticket.Config) { c.Limits.Time = 10 * time.Millisecond })
	release := make(chan struct{})
	defer close(release)
	k.in.parse = func([]byte, func(string) bool, limits) (*message, error) {
		<-release
		return nil, errors.New("at last")
	}
	m := k.take("new")
	require.Equal(t, ticket.MailHeld, m.State)
	require.Contains(t, m.Reason, "longer than 10ms")
}

// A mail that ends every process that takes it is held after some attempts.
func TestAMailThatEndsProcesses(t *testing.T) {
	k := newKit(t, "take")
	k.arrive(k.raw("new"))
	for range mostLost {
		require.True(t, crashes(t.Context(), k.until("opened")))
		k.clock.Advance(time.Hour)
	}
	k.drain()
	require.EqualValues(t, 1, k.sum()[ticket.MailHeld])
}

// While the file store is down, mails stay pending. They are taken when it is back.
func TestFilesAreDownForAWhile(t *testing.T) {
	k := newKit(t, "take")
	k.arrive(k.raw("new"))
	k.files.failWith(errors.New("disk full"))
	k.drain()
	require.Contains(t, k.all()[0].Reason, "temporary trouble")
	require.EqualValues(t, 1, k.sum()[ticket.MailPending])
	k.files.failWith(nil)
	k.drain()
	require.EqualValues(t, 1, k.sum()[ticket.MailPending], "later")
	k.clock.Advance(time.Minute)
	k.drain()
	require.EqualValues(t, 1, k.sum()[ticket.MailDone])
}

// Run takes mails of this and other processes, and ends with its context.
func TestRun(t *testing.T) {
	k := newKit(t, "take")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 2)
	other, err := New(k.cfg)
	require.NoError(t, err)
	go func() { ended <- k.in.Run(ctx) }()
	go func() { ended <- other.Run(ctx) }()
	for i := range 20 {
		k.fill["N"] = fmt.Sprint(i)
		_, err := k.in.Take(ctx, "support", bytes.NewReader(k.raw("flood")), Envelope{})
		require.NoError(t, err)
	}
	k.eventually(func() bool { return k.sum()[ticket.MailDone] == 20 }, "all are taken")
	require.Len(t, k.tickets(), 20)
	cancel()
	require.ErrorIs(t, <-ended, context.Canceled)
	require.ErrorIs(t, <-ended, context.Canceled)
}

// Explain says what would become of a mail, and changes nothing.
func TestExplain(t *testing.T) {
	k := newKit(t, "take")
	tk := k.open()
	for name, want := range map[string]Outcome{
		"new": OutcomeOpen, "12-signed": OutcomeReply, "14-signed-stranger": OutcomeNote, "25-absence": OutcomeNote,
		"27-dsn-bounced": OutcomeReport, "31-own-letter": OutcomeIgnored, "10-no-from": OutcomeHeld,
	} {
		e, err := k.in.Explain(t.Context(), "support", bytes.NewReader(k.raw(name)), Envelope{})
		require.NoError(t, err, name)
		require.Equal(t, want, e.Outcome, name+": "+e.Reason)
		require.NotEmpty(t, e.Reason)
	}
	require.Empty(t, k.all())
	require.Equal(t, tk.Version, k.ticket(tk.ID).Version)
	require.Equal(t, ticket.DeliverySent, k.letter().State)

	m := k.take("12-signed")
	e, err := explanationOf(m)
	require.NoError(t, err)
	require.Equal(t, OutcomeReply, e.Outcome)
	require.Equal(t, bySigned, e.Evidence[0].Kind)
	again, err := k.in.Explain(t.Context(), "support", bytes.NewReader(k.raw("12-signed")), Envelope{})
	require.NoError(t, err)
	require.Equal(t, OutcomeRepeated, again.Outcome)
}

// Explain finds what the desk would refuse of a new ticket, as taking the mail does, and
// accepts what Take shortens.
func TestExplainOfANewTicket(t *testing.T) {
	long := strings.Repeat("It prints blank pages. ", 20_000)
	parts := "From: ada@example.com\nSubject: x\nContent-Type: multipart/mixed; boundary=b\n\n" + strings.Repeat("--b\nContent-Type: application/pdf\n\nx\n", 70) + "--b--\n"
	for name, c := range map[string]struct {
		mail   string
		change func(*Config, *ticket.Config)
		want   Outcome
	}{
		"a long text":                    {"From: ada@example.com\nSubject: x\n\n" + long + "\n", nil, OutcomeOpen},
		"many files, no text":            {parts, nil, OutcomeOpen},
		"no such workflow":               {"From: ada@example.com\nSubject: x\n\nx\n", func(c *Config, _ *ticket.Config) { c.Mailboxes[0].Workflow = "unknown" }, OutcomeHeld},
		"no such priority":               {"From: ada@example.com\nSubject: x\n\nx\n", func(c *Config, _ *ticket.Config) { c.Mailboxes[0].Priority = 99 }, OutcomeHeld},
		"a desk with lower limits":       {"From: ada@example.com\nSubject: x\n\n" + long + "\n", func(_ *Config, d *ticket.Config) { d.Limits.Message = 100 }, OutcomeHeld},
		"a desk that takes no such file": {parts, func(_ *Config, d *ticket.Config) { d.Limits.Attachments = 2 }, OutcomeHeld},
	} {
		t.Run(name, func(t *testing.T) {
			var change []func(*Config, *ticket.Config)
			if c.change != nil {
				change = append(change, c.change)
			}
			k := newKit(t, "take", change...)
			e, err := k.in.Explain(t.Context(), "support", strings.NewReader(c.mail), Envelope{})
			require.NoError(t, err)
			require.Equal(t, c.want, e.Outcome, e.Reason)
			require.Empty(t, k.tickets())
			m := k.come(c.mail)
			require.Equal(t, c.want == OutcomeHeld, m.State == ticket.MailHeld, m.Reason)
			if m.State == ticket.MailHeld {
				require.Equal(t, m.Reason, e.Reason)
			}
		})
	}
}

// Two copies that are taken at the same time are one mail that is done and one repeat, also
// if the second is looked at between the commit of the first and its settlement.
func TestCopyTakenBeforeTheFirstIsSettled(t *testing.T) {
	for _, name := range []string{"new", "06-no-message-id"} {
		t.Run(name, func(t *testing.T) {
			k := newKit(t, "take")
			k.arrive(k.raw(name))
			first, err := New(k.cfg)
			require.NoError(t, err)
			copied := false
			first.step = func(step string) {
				if step == "committed" && !copied {
					copied = true
					k.arrive(k.raw(name))
					k.drain()
					require.EqualValues(t, 2, k.sum()[ticket.MailPending])
				}
			}
			require.False(t, crashes(t.Context(), first))
			require.True(t, copied)
			k.clock.Advance(time.Hour)
			k.drain()
			require.Len(t, k.tickets(), 1)
			require.Equal(t, map[ticket.MailState]int64{ticket.MailDone: 1, ticket.MailRepeated: 1}, k.sum())
		})
	}
}

// The same for two copies that both have looked for each other before either was on the ticket.
func TestCopiesThatOvertakeEachOther(t *testing.T) {
	for _, name := range []string{"new", "06-no-message-id", "12-signed"} {
		for _, first := range []string{"settled", "committed"} { // how far the other copy gets meanwhile
			t.Run(name+"/"+first, func(t *testing.T) {
				k := newKit(t, "take")
				k.open()
				raw := k.raw(name)
				before := len(k.tickets())
				k.arrive(raw)
				in, err := New(k.cfg)
				require.NoError(t, err)
				in.step = func(step string) {
					if step != "decided" {
						return
					}
					in.step = func(string) {}
					k.clock.Advance(-time.Minute) // of a process whose clock is late
					k.arrive(raw)
					k.clock.Advance(time.Minute)
					require.True(t, crashes(t.Context(), k.until(first)))
				}
				_, err = in.Drain(t.Context())
				require.NoError(t, err)
				k.clock.Advance(time.Hour)
				k.drain()
				require.Equal(t, map[ticket.MailState]int64{ticket.MailDone: 1, ticket.MailRepeated: 1}, k.sum())
				require.LessOrEqual(t, len(k.tickets()), before+1)
			})
		}
	}
}
