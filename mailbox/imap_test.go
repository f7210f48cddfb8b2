package mailbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
)

// source runs the IMAP source of the first mailbox until the test ends, or stop is called.
func (k *kit) source(conf IMAP) (troubles func() []error, stop func()) {
	k.t.Helper()
	cfg := k.cfg
	cfg.Mailboxes = append([]Mailbox{}, cfg.Mailboxes[0])
	conf.Unencrypted, conf.Username = true, "support"
	if conf.Password == "" && conf.Token == nil {
		conf.Password = "secret"
	}
	if conf.Listing == 0 {
		conf.Listing = 50 * time.Millisecond
	}
	if conf.Timeout == 0 {
		conf.Timeout = 200 * time.Millisecond
	}
	cfg.Mailboxes[0].IMAP = &conf
	var mu sync.Mutex
	var list []error
	cfg.Trouble = func(_ context.Context, name string, err error) {
		mu.Lock()
		defer mu.Unlock()
		require.Equal(k.t, "support", name)
		list = append(list, err)
	}
	var err error
	k.in, err = New(cfg)
	require.NoError(k.t, err)
	ctx, cancel := context.WithCancel(k.t.Context())
	var done sync.WaitGroup
	done.Go(func() { k.in.readIMAP(ctx, k.in.boxes[0]) })
	stop = func() { cancel(); done.Wait() }
	k.t.Cleanup(stop)
	return func() []error {
		mu.Lock()
		defer mu.Unlock()
		return append([]error(nil), list...)
	}, stop
}

// imap returns a kit with a server that no source reads yet.
func imapKit(t *testing.T) (k *kit, addr string) {
	t.Helper()
	k = newKit(t, "take")
	k.users = imapmemserver.New()
	k.user = imapmemserver.NewUser("support", "secret")
	k.users.AddUser(k.user)
	require.NoError(t, k.user.Create("INBOX", nil))
	return k, serveIMAP(t, k.users, nil)
}

func (k *kit) flood(i int) []byte {
	k.t.Helper()
	k.fill["N"] = fmt.Sprint(i)
	return k.raw("flood")
}

func (k *kit) waitFor(n int) {
	k.t.Helper()
	k.eventually(func() bool { return len(k.all()) == n }, fmt.Sprintf("%d mails are stored", n))
}

// The first run begins with the next mail. What was there stays untouched, and what arrives
// while nobody reads is taken later.
func TestFromNowOn(t *testing.T) {
	k, addr := imapKit(t)
	k.append("INBOX", k.flood(1))
	_, stop := k.source(IMAP{Addr: addr})
	k.eventually(func() bool { p, _ := k.in.positions(t.Context(), k.in.boxes[0]); return len(p) == 1 }, "position")
	k.append("INBOX", k.flood(2))
	k.waitFor(1)
	stop()
	for i := range 3 { // three days without the reader
		k.append("INBOX", k.flood(3+i))
	}
	k.source(IMAP{Addr: addr})
	k.waitFor(4)
	k.drain()
	require.Len(t, k.tickets(), 4)
	k.eventually(func() bool {
		p, err := k.in.positions(t.Context(), k.in.boxes[0])
		if err != nil || len(p) != 1 {
			return false
		}
		at, ok := parsePosition(p[0].Origin)
		return ok && at.next == 6
	}, "the position follows")
}

// With All, what was there is taken too, and nobody is written to.
func TestAllOldMails(t *testing.T) {
	k, addr := imapKit(t)
	for i := range 30 { // more than a sender may write within an hour
		k.append("INBOX", k.flood(i))
	}
	k.source(IMAP{Addr: addr, All: true})
	k.waitFor(30)
	k.append("INBOX", k.raw("26-auto-submitted-no"))
	k.waitFor(31)
	_, err := k.in.Drain(t.Context())
	require.NoError(t, err)
	counts := k.sum()
	require.EqualValues(t, 30, counts[ticket.MailDone])
	require.EqualValues(t, 1, counts[ticket.MailHeld], "the new one is the 31st within an hour")
	k.deliver()
	k.sent.RequireNotSent(t, ticket.KindReceived, "ada@example.com")
}

// renew makes the folder again, so that its mails have new UIDs, and waits until all are looked at.
func (k *kit) renew(addr string, mails ...[]byte) {
	k.t.Helper()
	at := func() position {
		p, err := k.in.positions(k.t.Context(), k.in.boxes[0])
		require.NoError(k.t, err)
		at, ok := parsePosition(p[0].Origin)
		require.True(k.t, ok)
		return at
	}
	before := at().validity
	require.NoError(k.t, k.user.Delete("INBOX"))
	require.NoError(k.t, k.user.Create("INBOX", nil))
	for _, raw := range mails {
		k.append("INBOX", raw)
	}
	_, stop := k.source(IMAP{Addr: addr})
	k.eventually(func() bool {
		now := at()
		return now.validity != before && now.moved && int(now.next) == len(mails)+1
	}, "the position follows")
	stop()
	k.drain()
}

// The folder is made again: its mails have new UIDs. Those that were taken are known without
// fetching them, and one that arrived meanwhile is taken.
func TestNewUIDVALIDITY(t *testing.T) {
	k, addr := imapKit(t)
	k.cfg.Limits.PerSender = -1
	_, stop := k.source(IMAP{Addr: addr})
	k.eventually(func() bool { p, _ := k.in.positions(t.Context(), k.in.boxes[0]); return len(p) == 1 }, "position")
	const known = 500
	var mails [][]byte
	for i := range known {
		mails = append(mails, k.flood(i))
		k.append("INBOX", mails[i])
	}
	k.eventually(func() bool { return k.counted() == known }, "all are stored")
	k.drain()
	stop()
	for range 2 { // and once more
		k.renew(addr, mails...)
		require.Equal(t, map[ticket.MailState]int64{ticket.MailDone: known}, k.counts())
	}
	k.renew(addr, append(mails[1:], k.flood(known))...)
	require.Equal(t, map[ticket.MailState]int64{ticket.MailDone: known + 1}, k.counts())
}

// A mail counts as known without fetching it only if all of its header and its size are those of a
// stored one, and each stored one counts once. All others are fetched, and compared by their
// fingerprints.
func TestMailsThatLookKnown(t *testing.T) {
	mail := func(id, received, text string) []byte {
		if id != "" {
			id = "Message-ID: <" + id + "@example.com>\r\n"
		}
		return []byte("Received: from a by b; " + received + "\r\nFrom: ada@example.com\r\nSubject: Alarm\r\n" + id + "Date: Mon, 2 Mar 2026 09:30:00 +0000\r\n\r\n" + text + "\r\n")
	}
	for name, c := range map[string]struct {
		before, after  [][]byte
		done, repeated int64
	}{
		"the same":                              {[][]byte{mail("a", "one", "text")}, [][]byte{mail("a", "one", "text")}, 1, 0},
		"without a Message-ID":                  {[][]byte{mail("", "one", "text")}, [][]byte{mail("", "one", "text")}, 1, 1},
		"another way":                           {[][]byte{mail("a", "one", "text")}, [][]byte{mail("a", "two", "text")}, 1, 1},
		"another text, and other way":           {[][]byte{mail("a", "one", "text")}, [][]byte{mail("a", "two", "next")}, 2, 0},
		"another size":                          {[][]byte{mail("a", "one", "text")}, [][]byte{mail("a", "one", "a longer text")}, 2, 0},
		"a twin with another text beside it":    {[][]byte{mail("a", "one", "text")}, [][]byte{mail("a", "one", "text"), mail("a", "one", "next")}, 2, 0},
		"two twins, and then a third":           {[][]byte{mail("a", "one", "text"), mail("a", "one", "next")}, [][]byte{mail("a", "one", "text"), mail("a", "one", "next"), mail("a", "one", "more")}, 3, 0},
		"the same mail twice, stored as repeat": {[][]byte{mail("a", "one", "text"), mail("a", "one", "text")}, [][]byte{mail("a", "one", "text"), mail("a", "one", "text"), mail("a", "one", "text")}, 1, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k, addr := imapKit(t)
			_, stop := k.source(IMAP{Addr: addr})
			k.eventually(func() bool { p, _ := k.in.positions(t.Context(), k.in.boxes[0]); return len(p) == 1 }, "position")
			for _, raw := range c.before {
				k.append("INBOX", raw)
			}
			k.waitFor(len(c.before))
			k.drain()
			stop()
			k.renew(addr, c.after...)
			counts := k.counts()
			require.Equal(t, c.done, counts[ticket.MailDone])
			require.Equal(t, c.repeated, counts[ticket.MailRepeated])
		})
	}
	t.Run("the file is gone", func(t *testing.T) {
		k, addr := imapKit(t)
		_, stop := k.source(IMAP{Addr: addr, All: true})
		k.append("INBOX", k.raw("new"))
		k.waitFor(1)
		k.drain()
		stop()
		_, err := k.files.Delete(t.Context(), "", k.all()[0].Raw, time.Time{})
		require.NoError(t, err)
		k.renew(addr, k.raw("new"))
		require.Equal(t, map[ticket.MailState]int64{ticket.MailDone: 1, ticket.MailRepeated: 1}, k.counts())
	})
}

// counts returns the number of mails in each state.
func (k *kit) counts() map[ticket.MailState]int64 {
	k.t.Helper()
	n, err := k.store.CountMails(k.t.Context(), "")
	require.NoError(k.t, err)
	return n
}

func (k *kit) counted() (sum int64) {
	for _, n := range k.counts() {
		sum += n
	}
	return sum
}

// A mail that is too big makes a ticket of its header that somebody sees.
func TestTooBig(t *testing.T) {
	big := func(k *kit) []byte {
		return append(k.raw("new"), bytes.Repeat([]byte("0123456789\r\n"), 1000)...)
	}
	small := func(c *Config, _ *ticket.Config) { c.Limits.Mail = 5000 }
	t.Run("imap", func(t *testing.T) {
		k := newKit(t, "imap", small)
		k.arrive(big(k))
		k.drain()
		m := k.all()[0]
		require.Equal(t, ticket.MailDone, m.State, m.Reason)
		require.Contains(t, k.last(m.Ticket).Message, "more than the desk takes")
		require.Equal(t, "Printer prints blank pages", k.ticket(m.Ticket).Subject)
	})
	t.Run("lmtp", func(t *testing.T) {
		k := newKit(t, "lmtp", small)
		err := k.send(big(k), "support")
		require.ErrorContains(t, err, "552")
		require.ErrorContains(t, k.send(k.raw("new"), "nobody"), "550")
		require.Empty(t, k.all())
	})
	t.Run("pipe", func(t *testing.T) {
		k := newKit(t, "take", small)
		var errs bytes.Buffer
		require.Equal(t, 65, k.in.Pipe(t.Context(), "support", bytes.NewReader(big(k)), func(string) string { return "" }, &errs))
		require.Contains(t, errs.String(), "too big")
		require.Equal(t, 75, k.in.Pipe(t.Context(), "unknown", bytes.NewReader(k.raw("new")), func(string) string { return "" }, &errs))
	})
}

// An LMTP server answers for each recipient.
func TestLMTPAnswersPerRecipient(t *testing.T) {
	k := newKit(t, "lmtp")
	require.NoError(t, k.send(k.raw("42-to-and-cc"), "support", "bounces", "sales"))
	list := k.all()
	require.Len(t, list, 2, "one for each mailbox")
	require.Equal(t, []string{"support@example.org", "bounces@example.org"}, list[0].To)
	require.Equal(t, "someone@example.com", list[0].From)
}

// A wrong password and a token that expired are alarms.
func TestCredentials(t *testing.T) {
	for name, conf := range map[string]IMAP{
		"wrong password": {Password: "wrong"},
		"no token":       {Token: func(context.Context) (string, error) { return "", errors.New("the refresh token has expired") }},
		"expired token":  {Token: func(context.Context) (string, error) { return "old", nil }},
	} {
		t.Run(name, func(t *testing.T) {
			k, addr := imapKit(t)
			conf.Addr = addr
			troubles, _ := k.source(conf)
			k.eventually(func() bool { return len(troubles()) > 0 }, "an alarm")
			var source *SourceError
			require.ErrorAs(t, troubles()[0], &source)
			if name != "expired token" { // the test server does not know the mechanism, which it answers with BAD or NO
				require.True(t, source.Credentials)
			}
			require.NotContains(t, source.Error(), "wrong")
			require.NotContains(t, fmt.Sprintf("%+v %#v", conf.Password, conf), `"wrong"`)
		})
	}
}

// A folder that vanishes is trouble, which ends when it is there again.
func TestAFolderThatVanishes(t *testing.T) {
	k, addr := imapKit(t)
	require.NoError(t, k.user.Delete("INBOX"))
	troubles, stop := k.source(IMAP{Addr: addr})
	k.eventually(func() bool { return len(troubles()) > 0 }, "trouble")
	require.ErrorContains(t, troubles()[0], "select")
	stop()
}

// Servers that say nothing, nonsense or too much end no process and stop no other mailbox.
func TestStrangeServers(t *testing.T) {
	for name, talk := range map[string]func(net.Conn){
		"says nothing": func(c net.Conn) { time.Sleep(5 * time.Second) },
		"hangs up":     func(c net.Conn) {},
		"speaks HTTP":  func(c net.Conn) { _, _ = c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")) },
		"greets, then is mute": func(c net.Conn) {
			_, _ = c.Write([]byte("* OK hello\r\n"))
			time.Sleep(5 * time.Second)
		},
		"says BYE":  func(c net.Conn) { _, _ = c.Write([]byte("* BYE too many connections\r\n")) },
		"random":    func(c net.Conn) { _, _ = c.Write(bytes.Repeat([]byte{0xff, 0, '{', '9', '}', '\n'}, 1000)) },
		"literals":  func(c net.Conn) { _, _ = c.Write([]byte("* OK {99999999999999999999}\r\n")) },
		"long line": func(c net.Conn) { _, _ = c.Write([]byte("* OK " + strings.Repeat("x", 1<<20))) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			defer l.Close() //nolint:errcheck // the end of a test
			go func() {
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					go func() { defer c.Close(); talk(c) }() //nolint:errcheck // the end of a connection
				}
			}()
			k := newKit(t, "take")
			troubles, stop := k.source(IMAP{Addr: l.Addr().String()})
			k.eventually(func() bool { return len(troubles()) > 0 }, "trouble")
			require.Error(t, troubles()[0])
			stop()
		})
	}
}

// A connection that is cut within a mail stores no part of it.
func TestACutConnection(t *testing.T) {
	k := newKit(t, "take")
	server := imapmemserver.New()
	k.user = imapmemserver.NewUser("support", "secret")
	server.AddUser(k.user)
	require.NoError(t, k.user.Create("INBOX", nil))
	big := append(k.raw("new"), bytes.Repeat([]byte("0123456789\r\n"), 10000)...)
	k.append("INBOX", big)
	var mu sync.Mutex
	conns := 0
	addr := serveIMAP(t, server, func(c net.Conn) net.Conn {
		mu.Lock()
		defer mu.Unlock()
		if conns++; conns == 1 {
			return &cutConn{Conn: c, left: 50000}
		}
		return c
	})
	troubles, _ := k.source(IMAP{Addr: addr, All: true})
	k.eventually(func() bool { return len(troubles()) > 0 }, "trouble")
	require.Empty(t, k.all())
	k.waitFor(1)
	require.EqualValues(t, len(big), k.all()[0].Size)
	k.eventually(func() bool { l := troubles(); return l[len(l)-1] == nil }, "it works again")
}

// cutConn breaks after some bytes were written.
type cutConn struct {
	net.Conn
	left int
}

func (c *cutConn) Write(p []byte) (int, error) {
	if len(p) > c.left {
		_, _ = c.Conn.Write(p[:c.left])
		_ = c.Close()
		return 0, errors.New("cut")
	}
	c.left -= len(p)
	return c.Conn.Write(p)
}

// A server that refuses to move mails causes no second ticket, also after a new connection.
func TestMovingFails(t *testing.T) {
	k, addr := imapKit(t)
	_, stop := k.source(IMAP{Addr: addr, All: true, MoveTo: "nowhere"})
	k.append("INBOX", k.raw("new"))
	k.waitFor(1)
	time.Sleep(200 * time.Millisecond) // some listings
	stop()
	k.source(IMAP{Addr: addr, All: true, MoveTo: "nowhere"})
	k.append("INBOX", k.flood(1))
	k.waitFor(2)
	k.drain()
	require.Len(t, k.tickets(), 2)
}

// Mails are moved once they are stored.
func TestMove(t *testing.T) {
	k, addr := imapKit(t)
	require.NoError(t, k.user.Create("Done", nil))
	k.source(IMAP{Addr: addr, All: true, MoveTo: "Done"})
	k.append("INBOX", k.raw("new"))
	k.waitFor(1)
	k.eventually(func() bool {
		in, err := k.user.Status("INBOX", &imap.StatusOptions{NumMessages: true})
		require.NoError(t, err)
		out, err := k.user.Status("Done", &imap.StatusOptions{NumMessages: true})
		require.NoError(t, err)
		return *in.NumMessages == 0 && *out.NumMessages == 1
	}, "moved")
}
