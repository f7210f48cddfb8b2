package main

import (
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/sqlstore"
	"github.com/ticketkit/ticket/tickettest"
)

var update = flag.Bool("update", false, "write the golden file")

// The first three symbols of a number are the tenant's, the others random.
var number = regexp.MustCompile(`(00[1-4])[0-9A-Z]-[0-9A-Z]{4}-[0-9A-Z]`)

func TestStory(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), t.TempDir(), ticket.Config{}, &out))
	got := number.ReplaceAllString(out.String(), "${1}X-XXXX-X")
	if *update {
		require.NoError(t, os.WriteFile("testdata/story.txt", []byte(got), 0o600))
	}
	want, err := os.ReadFile("testdata/story.txt")
	require.NoError(t, err)
	assert.Equal(t, string(want), got)
}

// opened is a router with two tenants in north, and none in south and west.
type opened struct {
	*Router

	dir    string
	clock  *tickettest.Clock
	second *tickettest.Recorder
}

func open(t *testing.T, cfg ticket.Config) opened {
	t.Helper()
	o := opened{dir: t.TempDir(), clock: tickettest.NewClock(), second: tickettest.NewRecorder()}
	cfg.Now, cfg.Logger = o.clock.Now, slog.New(slog.DiscardHandler)
	cfg.Notifiers = map[string]ticket.Notifier{"letters": o.second}
	var err error
	o.Router, err = newRouter(t.Context(), o.dir, []string{"north", "south", "west"}, cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, o.Close()) })
	for _, tenant := range []string{"bakery", "mill"} {
		require.NoError(t, o.Add(t.Context(), tenant, "help@"+tenant+".example.org", "north"))
	}
	return o
}

// desk returns the tenant's desk.
func (o opened) desk(t *testing.T, tenant string) *ticket.Desk {
	t.Helper()
	d, err := o.For(t.Context(), tenant)
	require.NoError(t, err)
	return d
}

func (o opened) ticket(t *testing.T, tenant, subject string) ticket.Ticket {
	t.Helper()
	tk, err := o.desk(t, tenant).Open(t.Context(), ada.InTenant(tenant), ticket.Draft{Subject: subject, Key: subject})
	require.NoError(t, err)
	return tk
}

// requireAt checks that a tenant has so many tickets in one database, and nothing elsewhere.
func (o opened) requireAt(t *testing.T, tenant, shard string, tickets int) {
	t.Helper()
	for name, s := range o.shards {
		c, err := s.contents(t.Context(), tenant)
		require.NoError(t, err)
		residents, err := texts(t.Context(), s.db, "SELECT tenant FROM app_residents")
		require.NoError(t, err)
		if name == shard {
			require.Equal(t, tickets, c.tickets, name)
			require.Contains(t, residents, tenant)
			continue
		}
		require.Zero(t, c.tickets, name)
		require.NotContains(t, residents, tenant)
		for _, table := range []string{"outbox", "receipts", "mails", "labels", "events"} {
			left, err := texts(t.Context(), s.db, "SELECT tenant FROM ticket_"+table+" WHERE tenant = ?", tenant)
			require.NoError(t, err)
			require.Empty(t, left, "%s in %s", table, name)
		}
	}
}

func exec(t *testing.T, db *sql.DB, text string) {
	t.Helper()
	_, err := db.ExecContext(t.Context(), text)
	require.NoError(t, err)
}

// Movers in a hurry and writers who hold their desks: every ticket that was acknowledged is there,
// once, in the one place where the tenant is.
func TestConcurrentMoves(t *testing.T) {
	o := open(t, ticket.Config{})
	const writers, each = 4, 25
	var writing, moving sync.WaitGroup
	done := make(chan struct{})
	for m := range 2 {
		moving.Go(func() {
			for i := m; ; i++ {
				select {
				case <-done:
					return
				default:
				}
				assert.NoError(t, o.Move(t.Context(), "bakery", []string{"north", "south", "west"}[i%3]))
			}
		})
	}
	for w := range writers {
		writing.Go(func() {
			for i := range each {
				subject := fmt.Sprint("Bread ", w, " ", i)
				for {
					d, err := o.For(t.Context(), "bakery")
					if err == nil {
						_, err = d.Open(t.Context(), ada.InTenant("bakery"), ticket.Draft{Subject: subject, Key: subject})
					}
					if err == nil {
						break
					}
					if !assert.ErrorIs(t, err, errAway) {
						return
					}
				}
			}
		})
	}
	writing.Wait()
	close(done)
	moving.Wait()
	require.NoError(t, o.Move(t.Context(), "bakery", "west"))
	o.requireAt(t, "bakery", "west", writers*each)
	seen := map[string]bool{}
	for tk, err := range o.desk(t, "bakery").Tickets(t.Context(), lin.InTenant("bakery"), ticket.Query{}) {
		require.NoError(t, err)
		require.False(t, seen[tk.Subject], "%s is there twice", tk.Subject)
		seen[tk.Subject] = true
	}
	require.Len(t, seen, writers*each)
}

// What a tenant has besides tickets moves along: files, letters, keys, mails, words.
func TestMoveTakesEverything(t *testing.T) {
	ctx := t.Context()
	o := open(t, ticket.Config{})
	bakery := ada.InTenant("bakery")
	d := o.desk(t, "bakery")
	photo, err := d.Attach(ctx, bakery, "bread.png", "image/png", strings.NewReader("a loaf"))
	require.NoError(t, err)
	tk, err := d.Open(ctx, bakery, ticket.Draft{Subject: "Bread", Key: "k", Attachments: []ticket.Attachment{photo}})
	require.NoError(t, err)
	mail := "From: bob@example.com\r\nTo: help@bakery.example.org\r\nSubject: Rolls\r\nMessage-ID: <1@example.com>\r\nDate: Mon, 5 Jan 2026 09:00:00 +0000\r\n\r\nStale.\r\n"
	_, err = o.TakeMail(ctx, "help@bakery.example.org", strings.NewReader(mail))
	require.NoError(t, err)
	_, err = d.Deliver(ctx)
	require.NoError(t, err)
	o.second.RequireSent(t, ticket.KindReceived, "ada@example.com")
	o.second.FailWith(func(ticket.Notification) error { return errors.New("later") })
	_, err = d.Do(ctx, lin.InTenant("bakery"), tk.ID, ticket.Action{Name: ticket.ActionReply, Message: "Soon."})
	require.NoError(t, err)
	_, err = d.Deliver(ctx)
	require.NoError(t, err)
	o.ticket(t, "mill", "Flour")
	position := ticket.Mail{ID: ticket.NewID(o.clock.Now()), Tenant: positions, Mailbox: "position of bakery", Origin: "1 2 3", Raw: ticket.Digest{1},
		State: ticket.MailPending, Arrived: o.clock.Now(), Due: o.clock.Now()}
	_, err = o.shards["north"].store.PutMail(ctx, position)
	require.NoError(t, err)

	require.NoError(t, o.Move(ctx, "bakery", "south"))
	at, err := o.shards["south"].store.Mails(ctx, ticket.MailQuery{Tenant: positions, Limit: 10})
	require.NoError(t, err)
	require.Len(t, at, 1)
	o.requireAt(t, "bakery", "south", 2)
	o.requireAt(t, "mill", "north", 1)
	o.second.FailWith(nil)
	o.second.Reset()
	o.clock.Advance(time.Hour)
	d = o.desk(t, "bakery")
	_, err = d.Deliver(ctx)
	require.NoError(t, err)
	o.second.RequireSent(t, ticket.KindAnswered, "ada@example.com")
	o.second.RequireNotSent(t, ticket.KindReceived, "ada@example.com") // it was sent before
	_, file, err := d.File(ctx, bakery, tk.ID, photo.SHA256)
	require.NoError(t, err)
	bytes, err := io.ReadAll(file)
	require.NoError(t, errors.Join(err, file.Close()))
	require.Equal(t, "a loaf", string(bytes))
	_, err = d.Open(ctx, bakery, ticket.Draft{Subject: "Cake", Key: "k"})
	require.ErrorIs(t, err, ticket.ErrDuplicate, "the key is taken")
	hits, err := d.Search(ctx, lin.InTenant("bakery"), ticket.SearchQuery{Text: "stale"})
	require.NoError(t, err)
	require.Len(t, hits, 1)
	_, err = o.TakeMail(ctx, "help+x@bakery.example.org", strings.NewReader(mail))
	require.NoError(t, err)
	counts, err := o.shards["south"].store.CountMails(ctx, "bakery")
	require.NoError(t, err)
	require.Equal(t, map[ticket.MailState]int64{ticket.MailDone: 1, ticket.MailRepeated: 1}, counts)
}

// A letter whose claim is just being given back is not held up by it, and one that is being sent is
// not sent by another relay meanwhile.
func TestLettersAreClaimedWhileMoving(t *testing.T) {
	for _, quiet := range []bool{true, false} {
		ctx := t.Context()
		o := open(t, ticket.Config{})
		o.ticket(t, "bakery", "Bread")
		north, south := o.shards["north"], o.shards["south"]
		request := ticket.ClaimRequest{Now: o.clock.Now(), Lease: time.Minute, Limit: 10, Notifiers: []string{"letters"}}
		list, err := north.store.Claim(ctx, request)
		require.NoError(t, err)
		require.NotEmpty(t, list)
		done, err := north.store.quiet(ctx, "bakery", time.Millisecond)
		require.NoError(t, err)
		require.False(t, done)

		require.NoError(t, copyTickets(ctx, "bakery", north, south))
		require.NoError(t, north.dismiss(ctx, "bakery"))
		require.NoError(t, copyRows(ctx, "bakery", north, south, quiet))
		list, err = south.store.Claim(ctx, request)
		require.NoError(t, err)
		require.Empty(t, list, "the bakery is not there yet")
		require.NoError(t, south.admit(ctx, "bakery"))
		for _, after := range []time.Duration{2 * time.Second, 2 * time.Minute} {
			request.Now = o.clock.Now().Add(after)
			list, err = south.store.Claim(ctx, request)
			require.NoError(t, err)
			require.Equal(t, quiet || after > time.Minute, len(list) > 0, "%t after %s", quiet, after)
		}

		// The old database hands out nothing more, and its claims are not in the way of others.
		request.Now = request.Now.Add(time.Hour)
		list, err = north.store.Claim(ctx, request)
		require.NoError(t, err)
		require.Empty(t, list)
		done, err = north.store.quiet(ctx, "bakery", time.Millisecond)
		require.NoError(t, err)
		require.True(t, done, "given back")
	}
}

// A move that fails leaves the tenant where it was, at work. One that was cut off is finished by
// the next call.
func TestMovesThatFail(t *testing.T) {
	const fails = " BEGIN SELECT RAISE(ABORT, 'no more'); END"
	for _, test := range []struct {
		name, shard, trigger string
		stays, locked        bool
	}{
		{name: "while most is copied", shard: "south", trigger: "BEFORE INSERT ON ticket_events", stays: true},
		{name: "after the door is shut", shard: "south", trigger: "BEFORE INSERT ON ticket_receipts", stays: true},
		{name: "and the program ends", shard: "", trigger: "BEFORE UPDATE ON app_tenants WHEN new.shard = 'south' OR new.target = ''", locked: true},
		{name: "before the new place admits it", shard: "south", trigger: "BEFORE INSERT ON app_residents", locked: true},
		{name: "while the old place is emptied", shard: "north", trigger: "BEFORE DELETE ON ticket_tickets"},
	} {
		t.Run(test.name, func(t *testing.T) {
			ctx := t.Context()
			o := open(t, ticket.Config{})
			tk := o.ticket(t, "bakery", "Bread")
			_, err := o.desk(t, "bakery").Do(ctx, lin.InTenant("bakery"), tk.ID, ticket.Action{Name: ticket.ActionResolve, Message: "Baked."})
			require.NoError(t, err)
			db := o.app
			if test.shard != "" {
				db = o.shards[test.shard].db
			}
			exec(t, db, "CREATE TRIGGER broken "+test.trigger+fails)
			require.ErrorContains(t, o.Move(ctx, "bakery", "south"), "no more")
			exec(t, db, "DROP TRIGGER broken")

			switch _, err = o.desk(t, "bakery").Open(ctx, ada.InTenant("bakery"), ticket.Draft{Subject: "Cake", Key: "Cake"}); {
			case test.locked:
				require.ErrorIs(t, err, errAway)
			case test.stays: // and so does what was copied until then
				require.NoError(t, err)
				home, err := o.home(ctx, "bakery")
				require.NoError(t, err)
				require.Equal(t, "north", home.name)
			default:
				require.NoError(t, err)
			}
			// A copy that stayed does nothing by itself: its timers do not fire.
			o.clock.Advance(60 * 24 * time.Hour)
			for _, s := range o.shards {
				_, _ = s.desk.FireTimers(ctx)
			}
			if !test.stays {
				require.ErrorContains(t, o.Move(ctx, "bakery", "west"), "finish")
			}
			require.NoError(t, o.Move(ctx, "bakery", "south"))
			o.ticket(t, "bakery", "Cake")
			o.requireAt(t, "bakery", "south", 2)
			_, err = o.desk(t, "bakery").FireTimers(ctx)
			require.NoError(t, err)
			closed, err := o.desk(t, "bakery").Get(ctx, lin.InTenant("bakery"), tk.ID)
			require.NoError(t, err)
			require.Equal(t, ticket.StatusClosed, closed.Status)
			require.NoError(t, o.Move(ctx, "bakery", "south"), "it is there")
		})
	}
}

// Two databases can have the same IDs and keys, if somebody makes them so. They meet at a move, and
// nothing is mixed up.
func TestEqualIDs(t *testing.T) {
	ctx := t.Context()
	ids := func(time.Time) ticket.ID { return ticket.ID{1} }
	o := open(t, ticket.Config{NewID: ids, Silent: true})
	require.NoError(t, o.Add(ctx, "garden", "help@garden.example.org", "south"))
	a, b := o.ticket(t, "bakery", "Bread"), o.ticket(t, "garden", "Bread")
	require.Equal(t, a.ID, b.ID)
	require.ErrorIs(t, o.Move(ctx, "bakery", "south"), ticket.ErrConflict)
	o.requireAt(t, "bakery", "north", 1)
	o.requireAt(t, "garden", "south", 1)
	got, err := o.desk(t, "bakery").Get(ctx, lin.InTenant("bakery"), a.ID)
	require.NoError(t, err)
	require.Equal(t, "bakery", got.Tenant)
	require.NoError(t, o.Move(ctx, "bakery", "west"))
}

func TestTenantsThatDoNotExist(t *testing.T) {
	ctx := t.Context()
	o := open(t, ticket.Config{})
	for _, name := range []string{"", "Bakery", "bakery ", "../north", "north.db", "bakery\x00", "' OR 1=1 --", "%", strings.Repeat("x", 1000), "\xff"} {
		_, err := o.For(ctx, name)
		require.ErrorIs(t, err, errUnknown, "%q", name)
		require.ErrorIs(t, o.Move(ctx, name, "south"), errUnknown, "%q", name)
	}
	require.ErrorContains(t, o.Move(ctx, "bakery", "../south"), "not configured")
	_, err := o.TenantOf(ctx, string(ticket.NumberOf(77<<randomBits)))
	require.ErrorIs(t, err, errUnknown)
	_, err = o.TenantOf(ctx, "0011-1111-1")
	require.ErrorIs(t, err, ticket.ErrMistyped)
	for number, tenant := range map[uint64]string{1: "bakery", 2: "mill"} {
		for _, rest := range []uint64{0, 1<<randomBits - 1} {
			got, err := o.TenantOf(ctx, string(ticket.NumberOf(number<<randomBits|rest)))
			require.NoError(t, err)
			require.Equal(t, tenant, got)
		}
	}

	// A name is a key and no path, and what a desk refuses as a tenant stays refused.
	for i, name := range []string{"../../evil", "a:b", "x/y"} {
		require.NoError(t, o.Add(ctx, name, fmt.Sprintf("help@%d.example.org", i), "north"))
		o.ticket(t, name, "Bread")
	}
	require.Error(t, o.Add(ctx, "", "none@example.org", "north"))
	require.Error(t, o.Add(ctx, positions, "none@example.org", "north"), "mailboxes of all tenants have it")
	require.Error(t, o.Add(ctx, "bakery", "else@bakery.example.org", "south"), "the name is taken")
	require.Error(t, o.Add(ctx, "cafe", "help@bakery.example.org", "south"), "the address is taken")
	files, err := os.ReadDir(o.dir)
	require.NoError(t, err)
	for _, f := range files {
		require.Regexp(t, `^(app|north|south|west)\.db(-wal|-shm)?$`, f.Name())
	}
}

// hanging is a database that never answers.
type hanging struct{}

func (hanging) Driver() driver.Driver { return nil }

func (hanging) Connect(ctx context.Context) (driver.Conn, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// A database that does not answer holds up nobody, and works again when it answers again.
func TestDatabaseThatHangs(t *testing.T) {
	ctx := t.Context()
	o := open(t, ticket.Config{})
	require.NoError(t, o.Add(ctx, "harbour", "help@harbour.example.org", "west"))
	west := o.shards["west"]
	works := west.store
	dead := sql.OpenDB(hanging{})
	defer func() { require.NoError(t, dead.Close()) }()
	store, err := sqlstore.New(dead, sqlstore.SQLite)
	require.NoError(t, err)
	west.store = &fenced{Store: store, db: dead}
	west.probe(ctx, time.Millisecond)
	_, err = o.For(ctx, "harbour")
	require.ErrorIs(t, err, errDown)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	o.ticket(t, "bakery", "Bread")
	page, err := o.List(ctx, lin, ticket.Query{})
	require.ErrorIs(t, err, errDown, "it says that the list is not complete")
	require.Len(t, page.Tickets, 1)
	for _, err = range o.Histories(ctx) {
	}
	require.ErrorIs(t, err, errDown, "a report is not made of a part")
	_, err = o.Remove(ctx, "harbour")
	require.ErrorIs(t, err, errDown)

	west.store = works
	o.Probe(ctx)
	o.ticket(t, "harbour", "Boat")
}

// A database of a newer version is down for this program, and the others work.
func TestNewerSchema(t *testing.T) {
	ctx := t.Context()
	o := open(t, ticket.Config{})
	exec(t, o.shards["south"].db, "UPDATE ticket_schema SET version = version + 1 WHERE part = 'tickets'")
	o.Probe(ctx)
	require.ErrorIs(t, o.Move(ctx, "bakery", "south"), sqlstore.ErrSchema)
	o.ticket(t, "bakery", "Bread")
	require.NoError(t, o.Close())

	again, err := newRouter(ctx, o.dir, []string{"north", "south", "west"}, ticket.Config{Silent: true})
	require.NoError(t, err, "it starts without it")
	defer func() { require.NoError(t, again.Close()) }()
	_, err = again.shard("south")
	require.ErrorIs(t, err, sqlstore.ErrSchema)
	_, err = again.For(ctx, "bakery")
	require.NoError(t, err)
}

// After Close nothing hangs.
func TestClosed(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	o := open(t, ticket.Config{})
	d := o.desk(t, "bakery")
	var running sync.WaitGroup
	for _, s := range o.shards {
		running.Go(func() { _ = s.desk.Run(ctx) })
	}
	require.NoError(t, o.Close())
	_, err := o.For(t.Context(), "bakery")
	require.Error(t, err)
	_, err = d.Open(t.Context(), ada.InTenant("bakery"), ticket.Draft{Subject: "Bread"})
	require.Error(t, err)
	cancel()
	running.Wait()
}

// While a tenant is moved, a mail is not taken, so the mail server keeps it.
func TestMailWhileMoving(t *testing.T) {
	ctx := t.Context()
	o := open(t, ticket.Config{})
	require.NoError(t, o.shards["north"].dismiss(ctx, "bakery"))
	_, err := o.TakeMail(ctx, "help@bakery.example.org", strings.NewReader("From: bob@example.com\r\nSubject: Rolls\r\n\r\nStale.\r\n"))
	require.ErrorIs(t, err, errAway)
	require.NoError(t, o.Move(ctx, "bakery", "south"))
	o.requireAt(t, "bakery", "south", 0)
}
