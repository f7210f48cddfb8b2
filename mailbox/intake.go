package mailbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ticketkit/ticket"
)

// Intake takes in mail: it stores each mail, finds the ticket that it belongs to, and puts it
// there. Make one with [New]. An Intake is safe for concurrent use, and any number of
// processes can share a store.
type Intake struct {
	cfg   Config
	boxes []*box
	quiet *ticket.Desk  // the desk, for old mails: it notifies nobody
	wake  chan struct{} // has an element if a mail was stored

	// parse is replaced in tests.
	parse func(raw []byte, ours func(string) bool, l limits) (*message, error)
	// step is called between the steps of taking a mail, in tests.
	step func(name string)
}

// New returns an intake. It returns an error that joins all faults of the configuration, each
// an [*ticket.InvalidError].
func New(cfg Config) (*Intake, error) {
	boxes, err := cfg.check()
	if err != nil {
		return nil, err
	}
	return &Intake{cfg: cfg, boxes: boxes, quiet: cfg.Desk.Silently(), wake: make(chan struct{}, 1), parse: parse, step: func(string) {}}, nil
}

// Envelope is what is known of a mail beside its bytes.
type Envelope struct {
	// From is the sender of the envelope, the address of MAIL FROM or of Return-Path.
	// HasFrom says that it is known; an empty From is the null sender then.
	From    string
	HasFrom bool
	// To lists the recipients of the envelope, as far as they are known.
	To []string
	// Origin is the key of the mail in its mailbox, if the mail stays there: a mail with the
	// same Origin is not stored again. It has at most 500 bytes.
	Origin string
	// Old says that the mail is from before the desk read this mailbox. Nobody is written to
	// because of it: no customer, no follower, no agent, and no event notifier. No limit holds
	// it.
	Old bool

	size int64 // of the mail, if only its header is given
}

// Take stores a mail of the named mailbox and returns its record, which is pending: [Intake.Run]
// of this or another process puts it on a ticket. After Take has returned without an error,
// the mail is safe, and its source can remove it. After an error the source must keep it or
// refuse it.
//
// Errors: [ErrUnknown] for a mailbox that is not configured, [ErrTooBig], and the errors of
// raw, of the file store and of the store.
func (in *Intake) Take(ctx context.Context, mailbox string, raw io.Reader, e Envelope) (ticket.Mail, error) {
	b := in.box(mailbox)
	if b == nil {
		return ticket.Mail{}, fmt.Errorf("%w: %q", ErrUnknown, mailbox)
	}
	var head headBuffer
	limited := &limitedReader{r: io.TeeReader(raw, &head), left: int64(in.cfg.Limits.Mail)}
	f, err := in.cfg.Files.Put(ctx, b.Tenant, limited)
	if err != nil {
		if errors.Is(err, ErrTooBig) || limited.exceeded {
			return ticket.Mail{}, ErrTooBig
		}
		return ticket.Mail{}, fmt.Errorf("mailbox: store the mail: %w", err)
	}
	in.step("spooled")
	now := in.now()
	m := ticket.Mail{
		ID: in.cfg.NewID(now), Tenant: b.Tenant, Mailbox: b.Name, Origin: cut(clean(e.Origin), 500), Raw: f.SHA256, Size: max(f.Size, e.size),
		Arrived: now, HasSender: e.HasFrom, Old: e.Old, State: ticket.MailPending, Due: now,
		MessageID: cut(clean(head.messageID()), 998),
	}
	if e.HasFrom {
		m.From = cut(clean(e.From), 1000)
	}
	for _, to := range e.To {
		if len(m.To) < 1000 {
			m.To = append(m.To, cut(clean(to), 1000))
		}
	}
	stored, err := in.cfg.Store.PutMail(ctx, m)
	if err != nil {
		return ticket.Mail{}, fmt.Errorf("mailbox: record the mail: %w", err)
	}
	in.step("recorded")
	if stored.ID == m.ID {
		in.observe(ctx, stored)
		in.nudge()
	}
	return stored, nil
}

// desk returns the desk that puts a mail on a ticket.
func (in *Intake) desk(m ticket.Mail) *ticket.Desk {
	if m.Old {
		return in.quiet
	}
	return in.cfg.Desk
}

// now returns the time in the form that stores keep.
func (in *Intake) now() time.Time { return in.cfg.Now().UTC().Truncate(time.Microsecond) }

// nudge wakes the workers of this process.
func (in *Intake) nudge() {
	select {
	case in.wake <- struct{}{}:
	default:
	}
}

func (in *Intake) observe(ctx context.Context, m ticket.Mail) {
	if in.cfg.Observe == nil {
		return
	}
	defer func() {
		if p := recover(); p != nil {
			in.cfg.Logger.ErrorContext(ctx, "mailbox: Config.Observe panicked", "panic", fmt.Sprint(p))
		}
	}()
	in.cfg.Observe(ctx, m)
}

// limitedReader fails with ErrTooBig where the limit is exceeded.
type limitedReader struct {
	r        io.Reader
	left     int64
	exceeded bool
}

func (l *limitedReader) Read(p []byte) (int, error) {
	if l.exceeded {
		return 0, ErrTooBig
	}
	if int64(len(p)) > l.left+1 {
		p = p[:l.left+1]
	}
	n, err := l.r.Read(p)
	if int64(n) > l.left {
		l.exceeded = true
		return int(l.left), ErrTooBig
	}
	l.left -= int64(n)
	return n, err
}

// headBuffer keeps the beginning of a mail, where its Message-ID is.
type headBuffer struct{ bytes.Buffer }

const maxHead = 64 << 10

func (h *headBuffer) Write(p []byte) (int, error) {
	if room := maxHead - h.Len(); room > 0 {
		h.Buffer.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

// messageID returns the Message-ID in the form in which the parser returns it, or "". It is
// stored before the mail is parsed, so that an answer that arrives at the same time waits for
// this mail.
func (h *headBuffer) messageID() string {
	head, _, err := splitHeader(trimMbox(h.Bytes()), maxHead)
	if err != nil {
		return ""
	}
	fields, _ := parseFields(head, func(name string) bool { return name == "message-id" })
	return messageID(fields.get("message-id"))
}

// clean returns text that every store keeps: UTF-8 without control characters.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\ufffd"))
}

// cut returns the first bytes of a text, and no part of a character.
func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most]
}

// cutVisibly is like cut, and shows that something is missing.
func cutVisibly(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return cut(s, most) + "…"
}
