package mail

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	netmail "net/mail"
	"strings"
	"unicode/utf8"

	gomail "github.com/wneessen/go-mail"

	"github.com/ticketkit/ticket"
)

// envelope is a letter ready to be sent.
type envelope struct {
	from, to string // in angle brackets
	utf8     bool   // an address is not ASCII
	ownUTF8  bool   // and one is the desk's
	message  []byte // lines end in CR LF
}

// compose makes the letter for a notification to one of its recipients. It says the
// same, byte for byte, for the same notification.
func (m *Notifier) compose(n ticket.Notification, to netmail.Address, files []attached) (envelope, error) {
	reply, err := m.replyTo(n)
	if err != nil {
		return envelope{}, err
	}
	words, err := m.cfg.Letters.Write(n)
	if err != nil {
		return envelope{}, err
	}
	msg := gomail.NewMsg(gomail.WithEncoding(gomail.EncodingQP), gomail.WithNoDefaultUserAgent(),
		gomail.WithBoundary("ticket-"+n.ID.String()))
	msg.FromMailAddress(&m.cfg.from)
	msg.ToMailAddress(&to)
	if reply.Address != "" {
		msg.ReplyToMailAddress(&reply)
	}
	at := n.At
	if at.IsZero() {
		at = n.ID.Time()
	}
	msg.SetDateWithValue(at.UTC())
	msg.SetMessageIDWithValue(n.ID.String() + "@" + m.cfg.Domain)
	references := m.MessageID(n.Ticket)
	if !n.Previous.IsZero() {
		msg.SetGenHeader(gomail.HeaderInReplyTo, m.MessageID(n.Previous))
		references += " " + m.MessageID(n.Previous)
	}
	msg.SetGenHeader(gomail.HeaderReferences, references)
	msg.SetGenHeader(gomail.HeaderSubject, encodeWords(words.Subject))
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834, section 5
	// What Exchange is to keep to itself: receipts and out-of-office messages, but
	// not that a letter could not be delivered, as "All" would.
	msg.SetGenHeader("X-Auto-Response-Suppress", "DR, RN, NRN, OOF, AutoReply")
	msg.SetGenHeader(gomail.HeaderContentLang, words.Language)
	msg.SetBodyString(gomail.TypeTextPlain, words.Text)
	msg.AddAlternativeString(gomail.TypeTextHTML, words.HTML)

	var b bytes.Buffer
	if _, err := msg.WriteTo(&b); err != nil {
		return envelope{}, &ticket.DeliveryFault{Err: fmt.Errorf("mail: the letter cannot be written: %w", err), Permanent: true}
	}
	message := b.Bytes()
	if len(files) > 0 {
		if message, err = withFiles(message, n.ID, files); err != nil {
			return envelope{}, err
		}
	}
	e := envelope{from: bracketed(m.cfg.bounces.Address), to: bracketed(to.Address), message: message}
	e.ownUTF8 = !ascii(e.from) || !ascii(reply.Address) || !ascii(m.cfg.from.Address)
	e.utf8 = e.ownUTF8 || !ascii(e.to)
	return e, nil
}

// recipients are those that a notification goes to: one, but for a queue that
// several serve.
func (m *Notifier) recipients(n ticket.Notification) ([]netmail.Address, error) {
	to, queue := n.To, isQueue(n.To)
	email, given := to.Person.Email, false
	if email == "" && m.cfg.Address != nil {
		email, given = m.cfg.Address(to), true
	}
	if email == "" {
		return nil, &ticket.DeliveryFault{Err: errors.New("mail: the recipient has no address"), Permanent: true}
	}
	read := func(s string) ([]string, error) {
		a, err := address(s)
		return []string{a}, err
	}
	if queue {
		read = addresses
	}
	list, err := read(email)
	switch {
	case err == nil:
	case queue:
		return nil, &ticket.DeliveryFault{Err: fmt.Errorf("mail: what was given for the queue %q at level %d %w", cutTo(to.Queue, 40), to.Level, err), SenderFault: true} // the host can mend it
	case given:
		return nil, &ticket.DeliveryFault{Err: fmt.Errorf("mail: the address that Config.Address returned %w", err), SenderFault: true} // as above
	default:
		return nil, &ticket.DeliveryFault{Err: fmt.Errorf("mail: the recipient's address %w", err), Bounced: true}
	}
	all := make([]netmail.Address, len(list))
	for i := range list {
		all[i] = netmail.Address{Name: displayName(to.Person.Name), Address: list[i]}
	}
	return all, nil
}

// isQueue reports whether a recipient is a queue, and no person.
func isQueue(to ticket.Recipient) bool {
	return to.Role == ticket.RoleAgent && to.Level > 0 && to.Person.ID == ""
}

// replyTo returns the address for replies; none where that of From is good.
func (m *Notifier) replyTo(n ticket.Notification) (netmail.Address, error) {
	if m.cfg.ReplyTo != nil {
		if s := m.cfg.ReplyTo(n); s != "" {
			a, err := ownAddress(s)
			if err != nil { // the host can mend it
				return netmail.Address{}, &ticket.DeliveryFault{Err: fmt.Errorf("mail: the address that Config.ReplyTo returned %w", err), SenderFault: true}
			}
			return netmail.Address{Name: m.cfg.from.Name, Address: a}, nil
		}
	}
	if m.cfg.plus.Address == "" {
		return netmail.Address{}, nil
	}
	return netmail.Address{Name: m.cfg.plus.Name, Address: plusAddress(m.cfg.plus.Address, n.Number)}, nil
}

// bracketed is an address as SMTP wants it, quoted where it must be.
func bracketed(address string) string { return (&netmail.Address{Address: address}).String() }

func ascii(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf })
}

// encodeWords writes a line for a header with encoded words (RFC 2047) from
// where it is not ASCII, or looks like encoded words already: a client must
// show what was written, and not what it decodes to.
func encodeWords(s string) string {
	from := strings.IndexFunc(s, func(r rune) bool { return r >= utf8.RuneSelf })
	if i := strings.Index(s, "=?"); i >= 0 && (from < 0 || i < from) {
		from = i
	}
	if from < 0 {
		return s
	}
	// What stands before as whole words stays readable: the number, above all.
	from = strings.LastIndexByte(s[:from], ' ') + 1
	plain, s := s[:from], s[from:]
	// 75 characters a word at most: 45 bytes are 60 in base 64, and 12 frame them.
	const most = 45
	var b strings.Builder
	b.WriteString(plain)
	for first := true; len(s) > 0; first = false {
		n := min(len(s), most)
		for n < len(s) && n > 1 && !utf8.RuneStart(s[n]) {
			n--
		}
		if !first {
			b.WriteByte(' ')
		}
		b.WriteString("=?UTF-8?B?" + base64.StdEncoding.EncodeToString([]byte(s[:n])) + "?=")
		s = s[n:]
	}
	return b.String()
}
