package mailbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/ticketkit/ticket"
	deflimits "github.com/ticketkit/ticket/internal/limits"
	"github.com/ticketkit/ticket/replyaddress"
)

// Config configures an [Intake]. Desk, Store, Files and Mailboxes are required.
type Config struct {
	Desk  *ticket.Desk
	Store Store            // the store of the desk
	Files ticket.FileStore // gets each mail as it arrived, and the files in it

	// Mailboxes are where mail comes from. All processes that share a store should have the
	// same: a process takes in the mails of its own mailboxes only.
	Mailboxes []Mailbox

	// Person returns a customer as your application knows it. It gets the name, the address
	// and the language of the sender, and returns the person with the ID, the name and the
	// language that your application has, or the same person. A customer can so have several
	// addresses: if the sender is not among the people of a ticket, Person is asked for each
	// of those, and the sender is the one for whom it returns the same person. Nil means that
	// customers are known by their address only. An error delays the mail.
	Person func(ctx context.Context, tenant string, sender ticket.Person) (ticket.Person, error)
	// Agent returns the agent with an address, made with [ticket.Agent], and reports whether
	// there is one. Nil means that no sender is an agent. An error delays the mail.
	Agent func(ctx context.Context, tenant, address string) (ticket.Actor, bool, error)

	Limits Limits

	// Observe is called when a mail was stored (its State is pending then), and when it was
	// settled. ObserveMails of package telemetry returns such a function. Nil means that nobody
	// observes.
	Observe func(ctx context.Context, m ticket.Mail)
	// Trouble is called when a mailbox can no longer be read, with the error, and when it can
	// be read again, with nil. If the error is a [*SourceError] with Credentials, somebody
	// must act. Nil means that errors are logged.
	Trouble func(ctx context.Context, mailbox string, err error)

	// Now is the clock and NewID makes the IDs of mails. They should be those of the desk. Nil
	// means [time.Now] and [ticket.NewID].
	Now   func() time.Time
	NewID func(time.Time) ticket.ID

	// Workers is the number of mails that this process takes in at the same time. Zero means 4.
	Workers int
	// Poll is how often the store is asked for mails of other processes. Zero means 2 s.
	Poll time.Duration

	// Logger gets errors that no caller gets. It gets no personal data. Nil means
	// [slog.Default].
	Logger *slog.Logger
}

// Store is what an [Intake] needs of the desk's store. [ticket.Store] has Receipt.
type Store interface {
	ticket.MailStore
	Receipt(ctx context.Context, tenant, key string) (ticket.Receipt, error)
}

// Mailbox is one place where mail comes from.
type Mailbox struct {
	// Name is required. It must not change, because mails are stored with it. No two mailboxes
	// of a store can have the same, whatever their tenants are.
	Name   string
	Tenant string // of the tickets

	// Addresses are the mailbox's own addresses, such as "support@example.org". A text after
	// a plus sign does not count. "@example.org" stands for all addresses of a domain. At
	// least one is required, and no two mailboxes can have the same.
	Addresses []string

	// Replies reads signed reply addresses and bounce addresses. It must have the keys of the
	// notifier that makes them. Nil means that there are none.
	Replies *replyaddress.Addresses
	// Domain is the domain in the Message-IDs of the desk's letters, as in the
	// configuration of the notifier. Empty means the domain of the first address.
	Domain string

	// AuthServer is the name with which your mail server begins the field
	// Authentication-Results (RFC 8601). Only its results count. Your server must remove
	// such fields from mails that arrive with them. Empty means that no sender is
	// verified, so that agents cannot answer by mail.
	AuthServer string

	// Queue, Priority, Impact, Urgency, Workflow and Fields are those of new tickets.
	Queue    string
	Priority ticket.Grade
	Impact   ticket.Grade
	Urgency  ticket.Grade
	Workflow string
	Fields   ticket.Fields

	// Forms are addresses of web forms that write in the name of others. If From is one of
	// them, the sender is the address in Reply-To. All other Reply-To fields are ignored.
	Forms []string
	// FollowCc makes the addresses in Cc followers of the ticket: of mails of its requester,
	// at most 20, and none of the desk's own. Otherwise they are only recorded with the mail.
	FollowCc bool

	// IMAP reads mail from a server. Nil means that mail arrives in another way: by
	// [Intake.ServeLMTP], [Intake.Pipe] or [Intake.Take].
	IMAP *IMAP
}

// Limits bounds what is taken in. A zero field has its default.
type Limits struct {
	Mail   int           // size of a mail, in bytes. Zero means 40 MiB
	Header int           // size of its header, in bytes. Zero means 256 KiB
	Parts  int           // parts of a mail. Zero means 500
	Depth  int           // parts within parts. Zero means 30
	Time   time.Duration // to read and decide on a mail. Zero means a minute

	PerSender int // new tickets of one sender within an hour; the next mail is held. Zero means 20; negative means no limit
	Repeats   int // equal texts on one ticket; the last of them is held. Zero means 3; negative means no limit
	Notes     int // notes of strangers, machines and mail servers on one ticket within a day; the next mail is held. Zero means 20; negative means no limit; at most 500
	Hops      int // Received fields of a mail; with as many it is held. Zero means 50

	// Desk holds the limits of the desk. Give the same as in [ticket.Config].
	Desk ticket.Limits
}

// mostNotes is the highest limit of notes: as many of the newest mails on a ticket are read.
const mostNotes = 500

// withDefaults returns the limits with the defaults for zeros.
func (l Limits) withDefaults() (Limits, error) {
	for _, f := range []struct {
		name string
		v    *int
		zero int
		neg  bool
	}{
		{"mail", &l.Mail, maxMail, false}, {"header", &l.Header, maxHeader, false}, {"parts", &l.Parts, maxParts, false},
		{"depth", &l.Depth, maxDepth, false}, {"per_sender", &l.PerSender, 20, true}, {"repeats", &l.Repeats, 3, true}, {"notes", &l.Notes, 20, true},
		{"hops", &l.Hops, 50, false},
		{"desk.subject", &l.Desk.Subject, deflimits.Subject, false}, {"desk.message", &l.Desk.Message, deflimits.Message, false},
		{"desk.note", &l.Desk.Note, deflimits.Note, false}, {"desk.name", &l.Desk.Name, deflimits.Name, false},
		{"desk.email", &l.Desk.Email, deflimits.Email, false}, {"desk.attachments", &l.Desk.Attachments, deflimits.Attachments, false},
		{"desk.followers", &l.Desk.Followers, deflimits.Followers, false},
	} {
		if *f.v < 0 && !f.neg {
			return l, invalid("limits."+f.name, "must not be negative")
		}
		*f.v = cmp.Or(*f.v, f.zero)
	}
	if l.Notes > mostNotes {
		return l, invalid("limits.notes", "must be at most %d, or negative for no limit", mostNotes)
	}
	if l.Desk.AttachmentSize < 0 || l.Time < 0 {
		return l, invalid("limits", "must not be negative")
	}
	l.Desk.AttachmentSize = cmp.Or(l.Desk.AttachmentSize, deflimits.AttachmentSize)
	l.Time = cmp.Or(l.Time, time.Minute)
	return l, nil
}

// parser returns the limits of what is parsed.
func (l Limits) parser() limits {
	return limits{Mail: l.Mail, Header: l.Header, Parts: l.Parts, Depth: l.Depth}
}

func invalid(field, format string, args ...any) error {
	return &ticket.InvalidError{Field: "mailbox." + field, Reason: fmt.Sprintf(format, args...)}
}

// box is a mailbox with what New has computed of it.
type box struct {
	Mailbox
	own    []string // addresses in lower case; "@example.org" for a domain
	domain string
	forms  []string
}

// check completes the configuration. Its error joins all faults.
func (c *Config) check() (boxes []*box, err error) {
	var faults []error
	fault := func(field, format string, args ...any) { faults = append(faults, invalid(field, format, args...)) }
	if c.Desk == nil {
		fault("desk", "is missing")
	}
	if c.Store == nil {
		fault("store", "is missing")
	}
	if c.Files == nil {
		fault("files", "is missing")
	}
	if len(c.Mailboxes) == 0 {
		fault("mailboxes", "are missing")
	}
	if c.Workers < 0 || c.Poll < 0 {
		fault("workers", "must not be negative, and Poll neither")
	}
	if c.Limits, err = c.Limits.withDefaults(); err != nil {
		faults = append(faults, err)
	}
	names, owned := map[string]bool{}, map[string]bool{}
	for i, m := range c.Mailboxes {
		at := fmt.Sprintf("mailboxes[%d].", i)
		b := &box{Mailbox: m, domain: strings.ToLower(m.Domain)}
		switch {
		case m.Name == "" || len(m.Name) > 200:
			fault(at+"name", "must have 1 to 200 bytes")
		case names[m.Name]:
			fault(at+"name", "is used twice: %q", m.Name)
		}
		names[m.Name] = true
		if len(m.Addresses) == 0 {
			fault(at+"addresses", "are missing")
		}
		for _, a := range m.Addresses {
			key, ok := ownKey(a)
			switch {
			case !ok:
				fault(at+"addresses", "must be addresses such as support@example.org or, for a whole domain, @example.org")
			case owned[key]:
				fault(at+"addresses", "has %q, which a mailbox has already", a)
			}
			owned[key] = true
			b.own = append(b.own, key)
		}
		for _, a := range m.Forms {
			b.forms = append(b.forms, lower(a))
		}
		if b.domain == "" && len(b.own) > 0 {
			_, b.domain = split(b.own[0])
		}
		if m.IMAP != nil {
			if err := m.IMAP.check(at + "imap."); err != nil {
				faults = append(faults, err)
			}
		}
		boxes = append(boxes, b)
	}
	if c.Now == nil {
		c.Now = time.Now //nolint:forbidigo // the one default of the one clock
	}
	if c.NewID == nil {
		c.NewID = ticket.NewID
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	c.Workers = cmp.Or(c.Workers, 4)
	c.Poll = cmp.Or(c.Poll, 2*time.Second)
	return boxes, errors.Join(faults...)
}

// ownKey returns an address, or a domain with its @, in the form to compare.
func ownKey(address string) (string, bool) {
	local, domain := split(lower(strings.TrimSpace(address)))
	local, _, _ = strings.Cut(local, "+")
	return local + "@" + domain, domain != "" && !strings.ContainsAny(address, " <>,;\r\n\t")
}

// owns reports whether an address is one of the mailbox, and how well it fits: 2 for an
// address, 1 for a domain.
func (b *box) owns(address string) int {
	key, ok := ownKey(address)
	if !ok {
		return 0
	}
	if slices.Contains(b.own, key) {
		return 2
	}
	if _, domain := split(key); slices.Contains(b.own, "@"+domain) {
		return 1
	}
	return 0
}

// isOwn reports whether an address belongs to the desk: to any of its mailboxes.
func (in *Intake) isOwn(address string) bool {
	return slices.ContainsFunc(in.boxes, func(b *box) bool { return b.owns(address) > 0 })
}

// mailboxOf returns the mailbox that a recipient belongs to, or nil. An address wins over
// a domain.
func (in *Intake) mailboxOf(address string) *box {
	var best *box
	fit := 0
	for _, b := range in.boxes {
		if f := b.owns(address); f > fit {
			best, fit = b, f
		}
	}
	if best != nil {
		return best
	}
	for _, b := range in.boxes { // the mailbox of bounces may have an address of its own
		if b.Replies != nil {
			if _, ok := b.Replies.ReadBounce(b.Tenant, address); ok {
				return b
			}
			if r, ok := b.Replies.Read(b.Tenant, address); ok && r.Signed() {
				return b
			}
		}
	}
	return nil
}

// box returns a mailbox by name, or nil.
func (in *Intake) box(name string) *box {
	if i := slices.IndexFunc(in.boxes, func(b *box) bool { return b.Name == name }); i >= 0 {
		return in.boxes[i]
	}
	return nil
}

// lower lowers A to Z only, as mail addresses are compared.
func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + ('a' - 'A')
		}
		return r
	}, s)
}

// split splits an address at its last @.
func split(address string) (local, domain string) {
	at := strings.LastIndexByte(address, '@')
	if at < 0 {
		return address, ""
	}
	return address[:at], address[at+1:]
}
