package mail

import (
	"bytes"
	"encoding/base64"
	"fmt"
	netmail "net/mail"
	"strings"
	"unicode/utf8"

	gomail "github.com/wneessen/go-mail"

	"github.com/ticketkit/ticket"
)

// envelope is a letter that is ready to send.
type envelope struct {
	from, to string // in angle brackets
	utf8     bool   // any address is not ASCII
	ownUTF8  bool   // an address of the desk is not ASCII
	message  []byte // lines end in CR LF
}

// compose makes the letter for one recipient. Equal notifications give equal letters, byte
// for byte.
func (m *Notifier) compose(n ticket.Notification, to netmail.Address, files []attachment) (envelope, error) {
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
	references := []string{m.MessageID(n.Ticket)}
	answered := ""
	if !n.Previous.IsZero() {
		answered = m.MessageID(n.Previous)
		references = append(references, answered)
	}
	for _, id := range n.Answers {
		if isMessageID(id) {
			answered = "<" + id + ">"
			references = append(references, answered)
		}
	}
	if answered != "" {
		msg.SetGenHeader(gomail.HeaderInReplyTo, answered)
	}
	msg.SetGenHeader(gomail.HeaderReferences, strings.Join(references, " "))
	msg.SetGenHeader(gomail.HeaderSubject, encodeWords(words.Subject))
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834, section 5
	// Exchange sends no receipts and no out-of-office messages, but still sends
	// non-delivery reports; "All" would suppress those too.
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
	e := envelope{from: bracketed(m.bounce(n)), to: bracketed(to.Address), message: message}
	e.ownUTF8 = !ascii(e.from) || !ascii(reply.Address) || !ascii(m.cfg.from.Address)
	e.utf8 = e.ownUTF8 || !ascii(e.to)
	return e, nil
}

// recipients returns the addressees: one, or several for a queue.
func (m *Notifier) recipients(n ticket.Notification) ([]netmail.Address, error) {
	to, queue := n.To, isQueue(n.To)
	email, given := to.Person.Email, false
	if email == "" && m.cfg.Address != nil {
		email, given = m.cfg.Address(to), true
	}
	if email == "" {
		return nil, &ticket.DeliveryFault{Err: errNoAddress, Permanent: true}
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
		return nil, &ticket.DeliveryFault{Err: fmt.Errorf("mail: the address of the queue %q at level %d %w", cutTo(to.Queue, 40), to.Level, err), SenderFault: true} // the application can fix it
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

// isQueue reports whether the recipient is a queue.
func isQueue(to ticket.Recipient) bool {
	return to.Role == ticket.RoleAgent && to.Level > 0 && to.Person.ID == ""
}

// replyTo returns the reply address, or the zero Address if replies go to From.
func (m *Notifier) replyTo(n ticket.Notification) (netmail.Address, error) {
	if m.cfg.ReplyTo != nil {
		if s := m.cfg.ReplyTo(n); s != "" {
			a, err := ownAddress(s)
			if err != nil { // the application can fix it
				return netmail.Address{}, &ticket.DeliveryFault{Err: fmt.Errorf("mail: the address that Config.ReplyTo returned %w", err), SenderFault: true}
			}
			return netmail.Address{Name: m.cfg.from.Name, Address: a}, nil
		}
	}
	if m.cfg.Addresses != nil {
		if s := m.cfg.Addresses.ReplyTo(n); s != "" {
			return netmail.Address{Name: m.cfg.from.Name, Address: s}, nil
		}
	}
	if m.cfg.plus.Address == "" {
		return netmail.Address{}, nil
	}
	return netmail.Address{Name: m.cfg.plus.Name, Address: plusAddress(m.cfg.plus.Address, n.Number)}, nil
}

// bounce returns the envelope sender of a letter.
func (m *Notifier) bounce(n ticket.Notification) string {
	if m.cfg.Addresses != nil {
		if s := m.cfg.Addresses.Bounce(n.Tenant, n.ID); s != "" {
			return s
		}
	}
	return m.cfg.bounces.Address
}

// isMessageID reports whether s can stand in a header between angle brackets.
func isMessageID(s string) bool {
	return s != "" && len(s) <= maxMessageID && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || r == '<' || r == '>' })
}

// maxMessageID is the longest Message-ID that a desk keeps.
const maxMessageID = 500

// bracketed formats an address for SMTP, quoted if necessary.
func bracketed(address string) string { return (&netmail.Address{Address: address}).String() }

func ascii(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf })
}

// encodeWords encodes a header line as RFC 2047 encoded words, from the first word that is
// not ASCII or that looks like an encoded word. A client then shows the text as it was
// written.
func encodeWords(s string) string {
	from := strings.IndexFunc(s, func(r rune) bool { return r >= utf8.RuneSelf })
	if i := strings.Index(s, "=?"); i >= 0 && (from < 0 || i < from) {
		from = i
	}
	if from < 0 {
		return s
	}
	// The whole words before it stay readable, above all the number.
	from = strings.LastIndexByte(s[:from], ' ') + 1
	plain, s := s[:from], s[from:]
	// An encoded word has at most 75 characters: 45 bytes are 60 in base64, plus 12.
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
