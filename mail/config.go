package mail

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	netmail "net/mail"
	"os"
	"strings"
	"time"
	"unicode"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/mail/letter"
)

// Config says how letters are sent. Host and From must be given.
type Config struct {
	// Host is the server's name, such as "smtp.example.org".
	Host string
	// Port is the server's port. Default: 587, or 465 with TLS from the start, or
	// 25 with no encryption.
	Port int
	// Encryption of the connection. Default: StartTLS, and nothing is sent to a
	// server that does not offer it.
	Encryption Encryption
	// TLS says how; nil, and no ServerName in it: the server must have a
	// certificate for Host that the system trusts. At least TLS 1.2 is used, unless
	// MinVersion says otherwise.
	TLS *tls.Config

	// Auth is how to sign in. Default: Plain with a Username, XOAuth2 with a Token,
	// and not at all without either.
	// Without encryption it is refused, but for a Host that is this machine.
	Auth     Auth
	Username string
	Password Secret
	// Token returns the access token for XOAuth2, every time one is needed.
	Token func(ctx context.Context) (string, error)

	// From is the sender's address, perhaps with a name: "Example Shop
	// <support@example.org>".
	From string
	// ReplyPlus is the mailbox for replies where it takes plus addresses: replies
	// about ticket 7Q4K-92MX-F go to support+7Q4K92MXF@example.org if it is
	// "support@example.org". [NumberOf] reads them. A number of another form stands
	// there as it is, as far as an address can have it; [AddressNumber] reads it. One
	// for which there is no place (64 bytes before the @) is left out. Empty: there is
	// none.
	ReplyPlus string
	// ReplyTo returns the address for replies to a letter, and "" where ReplyPlus,
	// or else From, is to be used. Nil: always that.
	ReplyTo func(n ticket.Notification) string
	// AllowNoReply takes a From that nobody reads, such as no-reply@example.org,
	// though replies go there. Letters must not ask for them then; see
	// [letter.Config].NoReply.
	AllowNoReply bool
	// Bounces is the address for letters that come back, which SMTP calls the
	// reverse path. Default: that of From.
	Bounces string
	// Address returns the address of a recipient who has none, such as an agent or
	// a queue; [ticket.Config].Profile can do so, too. For a queue it may be several
	// with commas between them, at most 100: each gets a letter. One that is
	// malformed is an error of the delivery that names it, and is tried again, as
	// all that the host can mend. Nil, and "": there is none.
	Address func(r ticket.Recipient) string

	// OpenAttachment opens a file that an agent sent, so that it travels with the letter to a
	// customer; see the package's comment. The reader is read to its end and closed.
	// No reader, and no error, leaves it at the name in the letter. An error is one of
	// the attempt. Nil: no file travels.
	OpenAttachment func(ctx context.Context, n ticket.Notification, a ticket.Attachment) (io.ReadCloser, error)
	// MaxAttachmentBytes bounds the bytes of the files that travel with one letter; those that
	// do not fit are only named. Default: 10 MiB.
	MaxAttachmentBytes int64

	// Letters has the words. Nil: those of package letter as they come.
	Letters *letter.Letters
	// Domain stands in the Message-IDs. It must not change: letters about a ticket
	// that were sent before are found by it. Default: that of From.
	Domain string

	// Hello is the name by which this side greets the server. Default: the host's
	// name, or Domain where it has none with a dot.
	Hello string
	// Timeout bounds every step of the conversation but the last, and of a letter
	// every part of 32 KiB. Default: 30 seconds.
	Timeout time.Duration
	// DataTimeout bounds the last step: how long the server may take to look a letter over
	// that it has got whole. An answer that is not waited for leaves open whether the
	// letter was taken. Default: twenty times Timeout, and 10 minutes at most, as RFC
	// 5321, section 4.5.3.2.6, says.
	DataTimeout time.Duration
	// Connections is how many there are at once; further letters wait for one.
	// Default: 4.
	Connections int
	// Reuse is how many letters go over one connection. Default: 10, which is the
	// most that Exim, as it comes, passes on at once.
	Reuse int
	// Idle is how long a connection is kept for the next letter. Default: 30
	// seconds. Negative: not at all.
	Idle time.Duration
	// Dial opens connections. Nil: TCP.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Encryption says how the connection is encrypted.
type Encryption uint8

// The encryptions.
const (
	StartTLS    Encryption = iota // STARTTLS, which the server must offer
	ImplicitTLS                   // TLS from the start
	Unencrypted                   // none: everybody on the way can read and change letters
)

// Auth says how to sign in.
type Auth uint8

// The ways to sign in.
const (
	AutoAuth Auth = iota // Plain with a Username, XOAuth2 with a Token, and NoAuth without either
	Plain
	Login
	XOAuth2
	NoAuth
)

// Secret is a text that is not shown: however it is printed, logged or encoded,
// it reads "[hidden]".
type Secret string

const hidden = "[hidden]"

// Format implements [fmt.Formatter].
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.shown()) }

// MarshalText writes "[hidden]", or nothing where there is no secret.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.shown()), nil }

func (s Secret) shown() string {
	if s == "" {
		return ""
	}
	return hidden
}

// settings are a Config that was checked.
type settings struct {
	Config
	from, bounces netmail.Address
	plus          netmail.Address // zero: none
}

// check completes the configuration; its error joins all faults, each a
// [*ticket.InvalidError].
func (cfg Config) check() (settings, error) {
	s := settings{Config: cfg}
	var faults []error
	fault := func(field, format string, args ...any) {
		faults = append(faults, &ticket.InvalidError{Field: "mail." + field, Reason: fmt.Sprintf(format, args...)})
	}
	if s.Host == "" || badToken(s.Host) {
		fault("host", "must be the name of the SMTP server, such as smtp.example.org")
	}
	if s.Encryption > Unencrypted {
		fault("encryption", "must be StartTLS, ImplicitTLS or Unencrypted")
	} else if s.Port == 0 {
		s.Port = [...]int{587, 465, 25}[s.Encryption]
	}
	if s.Port < 0 || s.Port > 65535 {
		fault("port", "must be 1 to 65535, or 0 for the default")
	}
	s.TLS = cfg.TLS.Clone()
	if s.TLS == nil {
		s.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if s.TLS.ServerName == "" {
		s.TLS.ServerName = s.Host
	}
	if s.TLS.MinVersion == 0 {
		s.TLS.MinVersion = tls.VersionTLS12
	}
	s.checkAuth(fault)
	s.checkAddresses(fault)
	if s.Hello == "" {
		if s.Hello, _ = os.Hostname(); !strings.Contains(s.Hello, ".") || badToken(s.Hello) {
			s.Hello = s.Domain
		}
	} else if badToken(s.Hello) {
		fault("hello", "must be a name such as app.example.org")
	}
	for _, v := range []struct {
		field    string
		negative bool
	}{{"timeout", s.Timeout < 0}, {"answer", s.DataTimeout < 0}, {"connections", s.Connections < 0}, {"reuse", s.Reuse < 0}, {"attach_most", s.MaxAttachmentBytes < 0}} {
		if v.negative {
			fault(v.field, "must not be negative")
		}
	}
	if s.Timeout == 0 {
		s.Timeout = 30 * time.Second
	}
	if s.DataTimeout == 0 {
		s.DataTimeout = max(s.Timeout, min(20*s.Timeout, 10*time.Minute))
	}
	if s.MaxAttachmentBytes == 0 {
		s.MaxAttachmentBytes = mostAttached
	}
	if s.Connections == 0 {
		s.Connections = 4
	}
	if s.Reuse == 0 {
		s.Reuse = 10
	}
	if s.Idle == 0 {
		s.Idle = 30 * time.Second
	}
	if s.Dial == nil {
		s.Dial = new(net.Dialer).DialContext
	}
	return s, errors.Join(faults...)
}

func (s *settings) checkAuth(fault func(field, format string, args ...any)) {
	if s.Auth == AutoAuth {
		switch {
		case s.Token != nil:
			s.Auth = XOAuth2
		case s.Username != "":
			s.Auth = Plain
		default:
			s.Auth = NoAuth
		}
	}
	switch {
	case s.Auth > NoAuth:
		fault("auth", "must be Plain, Login, XOAuth2, NoAuth or AutoAuth")
		return
	case s.Auth == NoAuth:
		return
	case s.Auth == XOAuth2 && s.Token == nil:
		fault("token", "is missing: XOAuth2 needs the function that returns access tokens")
	case s.Auth != XOAuth2 && s.Password == "":
		fault("password", "is missing")
	}
	if s.Username == "" || strings.ContainsFunc(s.Username, unicode.IsControl) {
		fault("username", "must be given, without control characters")
	}
	if strings.ContainsFunc(string(s.Password), unicode.IsControl) {
		fault("password", "must not have control characters")
	}
	if s.Encryption == Unencrypted && !loopback(s.Host) {
		fault("auth", "would send the password in the clear: use StartTLS or ImplicitTLS")
	}
}

func (s *settings) checkAddresses(fault func(field, format string, args ...any)) {
	from, err := netmail.ParseAddress(s.From)
	if err == nil {
		from.Address, err = ownAddress(from.Address)
	}
	if err != nil {
		fault("from", `must be an address such as "Example Shop <support@example.org>"`)
		from = &netmail.Address{}
	}
	s.from = netmail.Address{Name: displayName(from.Name), Address: from.Address}
	s.bounces = netmail.Address{Address: from.Address}
	if s.Bounces != "" {
		if s.bounces.Address, err = ownAddress(s.Bounces); err != nil {
			fault("bounces", "%v", err)
		}
	}
	if s.ReplyPlus != "" {
		plus, err := ownAddress(s.ReplyPlus)
		switch {
		case err != nil:
			fault("reply_plus", "%v", err)
		case noReply(plus):
			fault("reply_plus", "is an address that nobody reads")
		case strings.LastIndexByte(plus, '@')+len("+7Q4K92MXF") > maxLocal:
			fault("reply_plus", "leaves no place for a number: at most %d characters before the @ are taken", maxLocal-len("+7Q4K92MXF"))
		}
		s.plus = netmail.Address{Name: s.from.Name, Address: plus}
	}
	if s.Domain == "" {
		_, s.Domain = split(from.Address)
	} else if badToken(s.Domain) || strings.ContainsAny(s.Domain, "<>@") {
		fault("domain", "must be a name such as example.org")
	}
	if !noReply(from.Address) || s.ReplyTo != nil || s.ReplyPlus != "" {
		return
	}
	switch {
	case !s.AllowNoReply:
		fault("from", "is an address that nobody reads, so nobody can answer: give one that is read, set ReplyPlus or ReplyTo, or say AllowNoReply")
	case s.Letters != nil && s.Letters.InvitesReplies():
		fault("letters", "ask for replies, which nobody would read: set letter.Config.NoReply")
	}
}

// badToken reports a text that cannot stand in a line of the protocol as one
// word.
func badToken(s string) bool {
	return len(s) > 255 || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}

// loopback reports whether the host is this machine by its name.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
