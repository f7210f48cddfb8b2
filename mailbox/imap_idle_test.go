package mailbox

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// announcer is an IMAP server with a folder of two mails. The second arrives at a moment of the
// conversation, in which the first was told of.
type announcer struct {
	moment string
	silent bool // the server does not tell of it until a command asks
	idle   string
	noisy  bool // it tells of the mails with each command

	mu    sync.Mutex
	mails [][]byte
	next  []byte   // the mail that is still to arrive
	said  []string // the commands of the client
}

// at lets the second mail arrive if this is the moment.
func (a *announcer) at(moment string, w *bufio.Writer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if moment != a.moment || a.next == nil {
		return
	}
	a.mails, a.next = append(a.mails, a.next), nil
	if !a.silent {
		_, _ = fmt.Fprintf(w, "* %d EXISTS\r\n", len(a.mails))
	}
}

// count returns the number of mails that there are.
func (a *announcer) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.mails)
}

func (a *announcer) talk(c net.Conn) {
	defer c.Close() //nolint:errcheck // the end of a connection
	r, w := bufio.NewReader(c), bufio.NewWriter(c)
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(w, format+"\r\n", args...) }
	say("* OK ready")
	for {
		if w.Flush() != nil {
			return
		}
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		tag, command, _ := strings.Cut(strings.TrimSpace(line), " ")
		a.mu.Lock()
		a.said = append(a.said, command)
		a.mu.Unlock()
		n, fetched := a.count(), false
		switch words := strings.ToUpper(command); {
		case words == "CAPABILITY":
			say("* CAPABILITY IMAP4rev1%s", a.idle)
		case strings.HasPrefix(words, "SELECT"):
			a.at("before select ends", w)
			say("* %d EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n* OK [UIDNEXT %d] x", n, n+1)
		case strings.HasPrefix(words, "UID SEARCH"):
			a.at("before the listing", w)
			var from int
			_, _ = fmt.Sscanf(words[strings.Index(words, "UID SEARCH")+len("UID SEARCH "):], "UID %d:", &from)
			var uids strings.Builder
			for uid := from; uid <= n; uid++ {
				fmt.Fprintf(&uids, " %d", uid)
			}
			say("* SEARCH%s", uids.String())
			a.at("within the listing", w)
		case strings.HasPrefix(words, "UID FETCH") && strings.Contains(words, "BODY.PEEK"):
			var uid int
			_, _ = fmt.Sscanf(words, "UID FETCH %d", &uid)
			a.mu.Lock()
			raw := a.mails[uid-1]
			a.mu.Unlock()
			a.at("before a mail is sent", w)
			say("* %d FETCH (UID %d BODY[] {%d}\r\n%s)", uid, uid, len(raw), raw)
			a.at("after a mail is sent", w)
			fetched = true
		case strings.HasPrefix(words, "UID FETCH"):
			a.at("with the sizes", w)
			var from, to int
			if k, _ := fmt.Sscanf(words, "UID FETCH %d:%d", &from, &to); k == 1 {
				to = from
			}
			for uid := from; uid <= to; uid++ {
				a.mu.Lock()
				size := len(a.mails[uid-1])
				a.mu.Unlock()
				say("* %d FETCH (UID %d RFC822.SIZE %d INTERNALDATE \"02-Mar-2026 09:30:00 +0000\")", uid, uid, size)
			}
		case strings.HasPrefix(words, "UID STORE"):
			a.at("with the flags", w)
		case words == "IDLE":
			a.at("before IDLE is accepted", w)
			say("+ idling")
			a.at("when IDLE is accepted", w)
			if w.Flush() != nil {
				return
			}
			time.Sleep(10 * time.Millisecond)
			a.at("during IDLE", w)
			if w.Flush() != nil {
				return
			}
			if _, err := r.ReadString('\n'); err != nil { // DONE
				return
			}
			a.at("after DONE", w)
		}
		if a.noisy {
			say("* %d EXISTS", n)
		}
		say("%s OK done", tag)
		if strings.HasPrefix(command, "UID STORE") || fetched {
			a.at("after the last command", w)
		}
	}
}

// However early or late the server tells of a mail, it is taken at once, and not with the next
// regular listing.
func TestAMailThatArrivesAtAnyMoment(t *testing.T) {
	const second = "a moment that only a listing soon after notices"
	for _, moment := range []string{
		"before select ends", "before the listing", "within the listing", "with the sizes", "before a mail is sent", "after a mail is sent", "with the flags",
		"after the last command", "before IDLE is accepted", "when IDLE is accepted", "during IDLE", second,
	} {
		t.Run(moment, func(t *testing.T) {
			t.Parallel()
			k := newKit(t, "take")
			a := &announcer{moment: moment, idle: " IDLE", mails: [][]byte{k.flood(1)}, next: k.flood(2)}
			conf := IMAP{Addr: serveTCP(t, a.talk), All: true, Listing: 5 * time.Minute, Timeout: 30 * time.Second, firstWait: 5 * time.Minute}
			if moment == second {
				a.moment, a.silent, conf.firstWait = "before IDLE is accepted", true, 0
			}
			troubles, _ := k.source(conf)
			begin := time.Now()
			k.waitFor(2)
			require.Less(t, time.Since(begin), time.Minute)
			require.Empty(t, troubles())
		})
	}
}

// A server without IDLE can tell of a mail with each command. What it says then does not wait for
// the next question.
func TestAMailThatArrivesWithoutIDLE(t *testing.T) {
	for _, moment := range []string{"within the listing", "with the flags", "after the last command"} {
		t.Run(moment, func(t *testing.T) {
			t.Parallel()
			k := newKit(t, "take")
			a := &announcer{moment: moment, mails: [][]byte{k.flood(1)}, next: k.flood(2)}
			k.source(IMAP{Addr: serveTCP(t, a.talk), All: true, Listing: 5 * time.Minute, Timeout: 30 * time.Second, firstWait: 5 * time.Minute})
			k.waitFor(2)
		})
	}
}

// A server that tells of its mails with each answer is not asked all the time.
func TestAServerThatSaysEXISTSAllTheTime(t *testing.T) {
	k := newKit(t, "take")
	a := &announcer{moment: "never", idle: " IDLE", noisy: true, mails: [][]byte{k.flood(1)}}
	_, stop := k.source(IMAP{Addr: serveTCP(t, a.talk), All: true, Listing: 5 * time.Minute, Timeout: 30 * time.Second})
	k.waitFor(1)
	time.Sleep(500 * time.Millisecond)
	stop()
	a.mu.Lock()
	defer a.mu.Unlock()
	listings := 0
	for _, command := range a.said {
		if strings.HasPrefix(command, "UID SEARCH") {
			listings++
		}
	}
	require.Less(t, listings, 20)
}

// After a change the folder is listed after one second, two, four and so on.
func TestListingsGetRarer(t *testing.T) {
	s := &session{conf: &IMAP{}}
	var waits []time.Duration
	for range 11 {
		waits = append(waits, s.nextWait()/time.Second)
	}
	require.Equal(t, []time.Duration{1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300}, waits)
	s.again = true
	require.Equal(t, time.Second, s.nextWait())
	s.again, s.conf = false, &IMAP{Listing: 3 * time.Second}
	require.Equal(t, 2*time.Second, s.nextWait())
	require.Equal(t, 3*time.Second, s.nextWait())
}

// serveTCP serves connections on loopback until the test ends.
func serveTCP(t *testing.T, talk func(net.Conn)) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go talk(c)
		}
	}()
	return l.Addr().String()
}
