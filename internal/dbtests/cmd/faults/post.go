package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"log"
	"maps"
	"math/rand/v2"
	"net"
	"net/mail"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/internal/dbtests/ordeal"
)

// A post is the mail server of a run, on loopback. It records every message that it
// accepts, and fails at random.
type post struct {
	addr  string
	clock *ordeal.Clock

	mu       sync.Mutex
	rand     *rand.Rand
	calm     bool // only refuses the addresses that it always refuses
	arrivals []arrival
	faults   map[fault]int
	server   *smtp.Server // nil: down
	served   chan struct{}
}

// An arrival is a message that the mail server has accepted, whatever it answered.
type arrival struct {
	id      ticket.ID // by its Message-ID; zero: it has none
	to      string
	content [sha256.Size]byte // of the whole message
	at      int64             // by the clock of the run
	heard   time.Time         // when the client was told that it was accepted; zero: never
}

// A fault is a way in which the mail server fails.
type fault string

const (
	none         fault = ""
	late         fault = "accepted, and answered later than anything else is"
	overQuota    fault = "refused because of a quota"
	notThatOne   fault = "refused because of the sender"
	busyAtRcpt   fault = "refused for now, the recipient"
	busyAtData   fault = "refused for now, the message"
	cutBefore    fault = "closed in the middle of the message"
	cutAfter     fault = "closed after accepting, without a word"
	mute         fault = "accepted, and never answered"
	refusedForOf fault = "refused for good, the message"
	noSuchPerson fault = "refused for good, the recipient"
)

// mutter is how long a mute server keeps the connection open, unless the client
// hangs up before.
const mutter = time.Second

// The server takes the time looking to inspect a message. A late message takes
// longer than the relays wait for any other answer. Both times are a hundredth of
// usual ones: some seconds, and most of a minute.
const (
	looking  = 40 * time.Millisecond
	lateFrom = answering + 100*time.Millisecond
	lateTo   = lateFrom + 300*time.Millisecond
)

// These are the answers because of a quota and of the sender, and their steps.
var troubles = map[fault][]struct {
	step string
	err  smtp.SMTPError
}{
	overQuota: {
		{"rcpt", smtp.SMTPError{Code: 550, EnhancedCode: smtp.NoEnhancedCode, Message: "Domain example.net has exceeded the max emails per hour (250/250 (100%)) allowed. Message discarded."}},
		{"rcpt", smtp.SMTPError{Code: 550, EnhancedCode: smtp.NoEnhancedCode, Message: "User has exceeded outgoing email quota"}},
		{"data", smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 4, 5}, Message: "Daily user sending quota exceeded."}},
	},
	notThatOne: {
		{"mail", smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 8}, Message: "no such domain"}},
		{"rcpt", smtp.SMTPError{Code: 553, EnhancedCode: smtp.EnhancedCode{5, 7, 1}, Message: "<desk@example.net>: Sender address rejected: not owned by user app"}},
		{"rcpt", smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 0}, Message: "<desk@example.net>: Sender address rejected: User unknown in virtual mailbox table"}},
		{"rcpt", smtp.SMTPError{Code: 550, EnhancedCode: smtp.NoEnhancedCode, Message: "relay not permitted"}},
		{"data", smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 7, 60}, Message: "SMTP; Client does not have permissions to send as this sender"}},
	},
}

// trouble returns the answer at a step to a message with this fault, or nil.
func (b *letterbox) trouble(step string) error {
	list := troubles[b.do]
	if len(list) == 0 || list[b.which%len(list)].step != step {
		return nil
	}
	b.post.count(b.do)
	err := list[b.which%len(list)].err
	return &err
}

// These words of the mail server must appear in the reasons of refused deliveries.
const (
	wordsGone     = "no such person here"
	wordsRefusing = "not in these words"
)

// dice returns the fault for a message. The shares are in percent.
func (p *post) dice() fault {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.calm {
		return none
	}
	n := p.rand.IntN(100)
	for _, f := range []struct {
		fault fault
		share int
	}{{busyAtRcpt, 3}, {busyAtData, 3}, {cutBefore, 2}, {cutAfter, 2}, {mute, 1}, {late, 6}, {overQuota, 3}, {notThatOne, 3}} {
		if n -= f.share; n < 0 {
			return f.fault
		}
	}
	return none
}

func (p *post) count(f fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults[f]++
}

func (p *post) accept(a arrival) (at int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.clock != nil {
		a.at = p.clock.Now().UnixNano()
	}
	p.arrivals = append(p.arrivals, a)
	return len(p.arrivals) - 1
}

// said records that the client was told of an arrival, unless the server goes down.
func (p *post) said(at int, by *smtp.Server) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.server == by {
		p.arrivals[at].heard = time.Now()
	}
}

// hangUp removes the answers from right before the server goes down, because they
// may not have been sent.
func (p *post) hangUp() (s *smtp.Server) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.arrivals {
		if a := &p.arrivals[i]; time.Since(a.heard) < 300*time.Millisecond {
			a.heard = time.Time{}
		}
	}
	s, p.server = p.server, nil
	return s
}

func (p *post) accepted() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.arrivals)
}

func (p *post) setCalm() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calm = true
}

// record returns all arrivals so far, in order, and how often the server failed.
func (p *post) record() ([]arrival, map[fault]int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.arrivals), maps.Clone(p.faults)
}

func newPost(seed uint64) *post {
	return &post{addr: "127.0.0.1:0", rand: rand.New(rand.NewPCG(seed, 2)), faults: map[fault]int{}}
}

// open makes the server listen, at its earlier address if it had one.
func (p *post) open() error {
	l, err := net.Listen("tcp", p.addr)
	if err != nil {
		return err
	}
	s := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) { return &letterbox{post: p, conn: c}, nil }))
	s.Domain = "post.example.net"
	s.ErrorLog = log.New(io.Discard, "", 0) // it would log every connection that is cut
	s.MaxMessageBytes = 1 << 20
	s.AllowInsecureAuth = true
	p.mu.Lock()
	p.addr, p.server, p.served = l.Addr().String(), s, make(chan struct{})
	p.mu.Unlock()
	go func() {
		defer close(p.served)
		_ = s.Serve(l) // it ends when it is closed
	}()
	return nil
}

// close cuts all connections. From then on connections are refused.
func (p *post) close() {
	if p.server == nil {
		return
	}
	s := p.hangUp()
	_ = s.Close() // only messages that it has not accepted are lost
	<-p.served
}

// A letterbox is one connection.
type letterbox struct {
	post *post
	conn *smtp.Conn
	to   string
	do   fault

	which int // which of the answers
}

var errCut = errors.New("cut")

func (b *letterbox) Reset()        { b.to = "" }
func (b *letterbox) Logout() error { return nil }

func (b *letterbox) Mail(string, *smtp.MailOptions) error {
	b.do = b.post.dice()
	b.which = rand.IntN(1000)
	return b.trouble("mail")
}

func (b *letterbox) fail(f fault) error {
	b.post.count(f)
	switch f {
	case noSuchPerson:
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: wordsGone}
	case refusedForOf:
		return &smtp.SMTPError{Code: 554, EnhancedCode: smtp.EnhancedCode{5, 6, 0}, Message: wordsRefusing}
	case busyAtData, busyAtRcpt:
		return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "later"}
	default:
		_ = b.conn.Conn().Close() // without an answer
		return errCut
	}
}

func (b *letterbox) Rcpt(to string, _ *smtp.RcptOptions) error {
	b.to = to
	switch {
	case b.do == busyAtRcpt:
		return b.fail(busyAtRcpt)
	case strings.HasPrefix(to, gone+"-"):
		return b.fail(noSuchPerson)
	}
	return b.trouble("rcpt")
}

func (b *letterbox) Data(r io.Reader) error {
	if b.do == cutBefore {
		if _, err := io.ReadFull(r, make([]byte, 100)); err != nil {
			return err
		}
		return b.fail(cutBefore)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		return err // the client was killed, or the server goes down
	}
	switch {
	case b.do == busyAtData:
		return b.fail(busyAtData)
	case strings.HasPrefix(b.to, refusing+"-"):
		return b.fail(refusedForOf)
	}
	if err := b.trouble("data"); err != nil {
		return err
	}
	if b.do == late {
		b.post.count(late)
		time.Sleep(lateFrom + rand.N(lateTo-lateFrom))
	} else {
		time.Sleep(looking)
	}
	a, err := opened(text)
	if err != nil {
		return err
	}
	a.to = b.to
	at := b.post.accept(a)
	switch b.do {
	case cutAfter:
		return b.fail(cutAfter)
	case mute:
		conn := b.conn.Conn()
		_ = conn.SetReadDeadline(time.Now().Add(mutter)) // a closed connection does not matter
		_, _ = conn.Read(make([]byte, 1))
		return b.fail(mute)
	}
	b.post.said(at, b.conn.Server())
	return nil
}

// opened parses a mail.
func opened(text []byte) (a arrival, err error) {
	m, err := mail.ReadMessage(bytes.NewReader(text))
	if err != nil {
		return a, err
	}
	local, _, _ := strings.Cut(strings.TrimPrefix(m.Header.Get("Message-Id"), "<"), "@")
	a.id, _ = ticket.ParseID(local) // the check finds mail without an ID
	a.content = sha256.Sum256(text)
	return a, nil
}
