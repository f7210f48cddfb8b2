package main

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/replyaddress"
)

// A kind says what a mail is, and so what must become of it.
type kind string

const (
	fresh     kind = "a new request"
	withFile  kind = "a new request with a file"
	later     kind = "a second mail to an earlier one"
	numbered  kind = "an answer with the number"
	signed    kind = "an answer to the signed address"
	outsider  kind = "a stranger to a signed address"
	guesser   kind = "a stranger with a number"
	away      kind = "an absence note without a thread"
	awayOn    kind = "an absence note on a ticket"
	flood     kind = "one of many requests of a sender"
	loop      kind = "one of many equal answers"
	anonymous kind = "without a sender"
	deep      kind = "with too many levels"
	both      kind = "to mailboxes of two tenants"
)

// A letter is a mail of the run: one text of bytes, which arrives once or more often.
type letter struct {
	kind  kind
	token string // the word by which it is found on tickets
	raw   []byte
	sum   ticket.Digest
	from  string
	boxes []string // the mailboxes that it is for
	imap  int      // copies in the folder
	lmtp  int      // copies by LMTP
	base  *held    // the ticket that it names
	first *letter  // of a second mail

	// What happened: for each mailbox with LMTP how often the server said that the mail is
	// stored, and how often the sender tried.
	stored, tried map[string]int
}

// held is a ticket that was there before the mails.
type held struct {
	id     ticket.ID
	number ticket.Number
	owner  string // an address
	signed string // the owner's reply address
}

// holder returns the address of the owner of a ticket that was there before.
func holder(i int) string { return fmt.Sprintf("holder-%d@example.com", i) }

func digestOf(b []byte) ticket.Digest { return sha256.Sum256(b) }

// The sizes of a flood and of a loop.
const (
	floodSize = 26
	loopSize  = 8
)

// post writes the mails of a run.
type post struct {
	rand    *rand.Rand
	replies *replyaddress.Addresses
	bases   []*held
	list    []*letter
	firsts  []*letter // that a second mail may answer
	senders int
}

// write writes n mails. Floods and loops are in one piece.
func (p *post) write(n int) {
	for len(p.list) < n {
		switch r := p.rand.IntN(1000); {
		case r < 330:
			p.add(&letter{kind: fresh})
		case r < 400:
			p.add(&letter{kind: withFile})
		case r < 520 && len(p.firsts) > 0:
			p.add(&letter{kind: later, first: p.firsts[p.rand.IntN(len(p.firsts))]})
		case r < 640:
			p.add(&letter{kind: numbered, base: p.base()})
		case r < 760:
			p.add(&letter{kind: signed, base: p.base()})
		case r < 810:
			p.add(&letter{kind: outsider, base: p.base()})
		case r < 860:
			p.add(&letter{kind: guesser, base: p.base()})
		case r < 890:
			p.add(&letter{kind: away})
		case r < 920:
			p.add(&letter{kind: awayOn, base: p.base()})
		case r < 945:
			p.add(&letter{kind: anonymous})
		case r < 960:
			p.add(&letter{kind: deep})
		case r < 990:
			p.add(&letter{kind: both})
		case r < 994:
			from := fmt.Sprintf("flooder-%d@example.com", len(p.list))
			for range floodSize {
				p.add(&letter{kind: flood, from: from})
			}
		case r < 998:
			// The words of a loop are always the same, so they have one token.
			base, token := p.base(), p.token()+"loop"
			for range loopSize {
				p.add(&letter{kind: loop, base: base, from: base.owner, token: token})
			}
		}
	}
}

func (p *post) base() *held { return p.bases[p.rand.IntN(len(p.bases))] }

func (p *post) token() string { return fmt.Sprintf("token-%06d-", len(p.list)) }

// sender returns the address of a customer who opens tickets, but not too many.
func (p *post) sender() string {
	p.senders++
	return fmt.Sprintf("customer-%d@example.com", p.senders/6)
}

// add completes a mail, and decides how it arrives.
func (p *post) add(l *letter) {
	if l.token == "" {
		l.token = p.token() + "end"
	}
	l.stored, l.tried = map[string]int{}, map[string]int{}
	l.boxes = []string{[]string{inbox, desk}[p.rand.IntN(2)]}
	switch l.kind {
	case later:
		l.boxes, l.from = []string{inbox}, l.first.from
	case numbered, signed, awayOn, loop:
		l.from = l.base.owner
	case both:
		l.boxes, l.from = []string{desk, other}, p.sender()
	case flood, anonymous:
	default:
		l.from = p.sender()
	}
	copies := 1
	if p.rand.IntN(8) == 0 && l.kind != flood && l.kind != loop && l.kind != both {
		copies += 1 + p.rand.IntN(2)
	}
	for i := range copies {
		switch {
		case l.boxes[0] == inbox && (i == 0 || p.rand.IntN(2) == 0):
			l.imap++
		case l.boxes[0] == inbox:
			if l.boxes = []string{inbox, desk}; true {
				l.lmtp++
			}
		default:
			l.lmtp++
		}
	}
	l.raw = p.text(l)
	l.sum = digestOf(l.raw)
	p.list = append(p.list, l)
	if l.kind == fresh && l.imap > 0 {
		p.firsts = append(p.firsts, l)
		if len(p.firsts) > 100 {
			p.firsts = p.firsts[1:]
		}
	}
}

// text returns the bytes of a mail.
func (p *post) text(l *letter) []byte {
	var b strings.Builder
	field := func(format string, args ...any) { fmt.Fprintf(&b, format+"\r\n", args...) }
	id := fmt.Sprintf("m%d@example.com", len(p.list))
	subject := "Request " + l.token
	to := addressOf(l.boxes[0])
	switch l.kind {
	case numbered, guesser, awayOn, loop:
		subject = fmt.Sprintf("Re: [%s] Before", l.base.number)
	case signed, outsider:
		subject, to = "Re: Before", l.base.signed
	case later:
		field("In-Reply-To: <%s>", l.first.messageID())
	case both:
		to += ", " + addressOf(other)
	}
	if l.kind != anonymous {
		field("From: <%s>", l.from)
	}
	if l.kind == away || l.kind == awayOn {
		field("Auto-Submitted: auto-replied")
	}
	field("To: %s", to)
	field("Subject: %s", subject)
	field("Date: Mon, 02 Mar 2026 09:%02d:%02d +0000", len(p.list)/60%60, len(p.list)%60)
	field("Message-ID: <%s>", id)
	field("MIME-Version: 1.0")
	switch l.kind {
	case withFile:
		field("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nHello, %s", l.token)
		field("--b\r\nContent-Type: text/csv; name=list.csv\r\nContent-Disposition: attachment; filename=list.csv\r\n\r\nthe file of %s\r\n--b--", l.token)
	case deep:
		for i := range 60 {
			field("Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d", i, i)
		}
		field("Content-Type: text/plain\r\n\r\n%s", l.token)
	default:
		field("Content-Type: text/plain; charset=utf-8\r\n\r\nHello,\r\n\r\nthis is %s.\r\n\r\nRegards", l.token)
	}
	return []byte(b.String())
}

// messageID returns the Message-ID of a mail.
func (l *letter) messageID() string {
	_, after, _ := strings.Cut(string(l.raw), "\r\nMessage-ID: <")
	id, _, _ := strings.Cut(after, ">")
	return id
}

// file returns the bytes of the file in a mail.
func (l *letter) file() []byte { return []byte("the file of " + l.token) }
