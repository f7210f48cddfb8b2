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
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/mail/letter"
	"github.com/ticketkit/ticket/replyaddress"
)

// Config configures a [Notifier]. Host and From are required; every other field has a
// default.
type Config struct {
	// Host is the name of the SMTP server, such as "smtp.example.org", perhaps with the port:
	// "127.0.0.1:2525", "[::1]:2525".
	Host string
	// Port is the TCP port of the server. Zero means the port in Host, or else 587, or 465 with
	// ImplicitTLS, or 25 with Unencrypted.
	Port int
	// Encryption selects how the connection is encrypted. Zero means StartTLS: nothing is
	// sent to a server that does not offer STARTTLS.
	Encryption Encryption
	// TLS configures the TLS client. Nil means the defaults of crypto/tls. An empty
	// ServerName means Host, and a MinVersion of zero means TLS 1.2. By default the server
	// needs a certificate for Host that the system trusts.
	TLS *tls.Config

	// Auth selects how to sign in. Zero means XOAuth2 if Token is set, or else Plain if
	// Username is set, or else no sign-in. Signing in without encryption is an error
	// unless Host is the local machine.
	Auth     Auth
	Username string
	Password Secret
	// Token returns the access token for XOAuth2. It is called once for each new
	// connection.
	Token func(ctx context.Context) (string, error)

	// From is the sender, with or without a name: "Example Shop <support@example.org>".
	From string
	// ReplyPlus is a mailbox for replies that accepts plus addresses. If it is
	// "support@example.org", the reply address of ticket 7Q4K-92MX-F is
	// support+7Q4K92MXF@example.org, which [NumberOf] reads.
	//
	// Numbers in another format are written with the characters that an address can hold,
	// and [AddressNumber] reads them. A number that does not fit into the 64 bytes before
	// the @ is left out. Empty means no plus address.
	ReplyPlus string
	// Addresses makes signed reply addresses and bounce addresses; see package replyaddress.
	// Customers and agents get a reply address of their own: a mail to it names the ticket and
	// the person whom the letter was for. The reply of an agent becomes an internal note;
	// letters to agents also name the address for answers to the customer, if Letters is nil or
	// has [letter.Config].AnswerTo. Letters to queues, and those with a number that does not fit,
	// have the reply address that they would have without Addresses. With a mailbox for
	// bounces, each delivery has an envelope sender of its own. Nil means none of this.
	Addresses *replyaddress.Addresses
	// ReplyTo returns the reply address of a letter. If it returns "", or is nil,
	// Addresses is used, or else ReplyPlus, or else From.
	ReplyTo func(n ticket.Notification) string
	// AllowNoReply permits a From that nobody reads, such as no-reply@example.org,
	// although replies go to it. The letters must then not ask for replies; see
	// [letter.Config].NoReply.
	AllowNoReply bool
	// Bounces is the address that bounced letters return to: the reverse-path of SMTP.
	// Addresses with a mailbox for bounces replaces it. Empty means the address in From.
	Bounces string
	// Address returns the address of a recipient that has none, such as an agent or a
	// queue. [ticket.Config].Profile can do the same. For a queue it may return up to 100
	// addresses, separated by commas; each gets its own letter. A malformed address is an
	// error that names it, and the delivery is retried. Nil, and a result of "", mean no
	// address: the delivery fails for good.
	Address func(r ticket.Recipient) string

	// OpenAttachment opens a file that an agent sent, so that the file is attached to
	// letters to customers. The notifier reads the reader to its end and closes it. If the
	// reader and the error are both nil, the file is only named in the letter. An error
	// fails the attempt, as does a file whose size or SHA-256 differs from those of the
	// event. Nil means that files are attached from Files.
	OpenAttachment func(ctx context.Context, n ticket.Notification, a ticket.Attachment) (io.ReadCloser, error)
	// Files is the desk's file store, [ticket.Config].Files: what an agent stored with
	// [ticket.Desk.Attach] is attached to letters to customers. A file that is not there, or
	// that must not be read ([ticket.FileError]), is only named in the letter. Any other error
	// fails the attempt. Nil, without OpenAttachment, means no file is attached.
	Files ticket.FileStore
	// MaxAttachmentBytes limits the total size in bytes of the files attached to one
	// letter, before base64 encoding. Files that do not fit are only named in the letter.
	// Zero means 10 MiB. A negative value is an error.
	MaxAttachmentBytes int64

	// Letters makes the texts of the letters. Nil means the built-in templates of package letter.
	Letters *letter.Letters
	// Domain is the domain in Message-IDs. It must not change: replies to earlier letters
	// are matched by it. Empty means the domain of From.
	Domain string

	// Hello is the name sent in EHLO. Empty means the host name of this machine, or Domain
	// if that name has no dot.
	Hello string
	// Timeout limits each step of the SMTP conversation except the last, and the sending
	// of each 32 KiB of a letter. Zero means 30 seconds. A negative value is an error.
	Timeout time.Duration
	// DataTimeout limits the last step: the wait for the reply to a letter that was sent
	// completely. Without that reply it is unknown whether the server accepted the letter.
	// Zero means 20 times Timeout, but at most 10 minutes (RFC 5321, section 4.5.3.2.6)
	// and never less than Timeout. A negative value is an error.
	DataTimeout time.Duration
	// Connections limits the number of open connections. Further letters wait for a free
	// one. Zero means 4. A negative value is an error.
	Connections int
	// Reuse limits the number of letters sent over one connection. Zero means 10, the most
	// that Exim forwards at once in its default configuration. A negative value is an
	// error.
	Reuse int
	// Idle is how long an unused connection stays open for the next letter. Zero means 30
	// seconds. A negative value means connections are not reused.
	Idle time.Duration
	// Dial opens the network connection. Nil means TCP.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Encryption selects how the connection is encrypted.
type Encryption uint8

// The values of [Encryption].
const (
	StartTLS    Encryption = iota // STARTTLS; the server must offer it
	ImplicitTLS                   // TLS from the start
	Unencrypted                   // none: anyone on the network path can read and change letters
)

// Auth selects how to sign in.
type Auth uint8

// The values of [Auth].
const (
	AutoAuth Auth = iota // XOAuth2 with a Token, or else Plain with a Username, or else NoAuth
	Plain
	Login
	XOAuth2
	NoAuth
)

// Secret is a string that is never shown: printed, logged or encoded, it reads "[hidden]".
type Secret string

const hidden = "[hidden]"

// Format implements [fmt.Formatter].
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.shown()) }

// MarshalText returns "[hidden]", or nothing if the secret is empty.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.shown()), nil }

func (s Secret) shown() string {
	if s == "" {
		return ""
	}
	return hidden
}

// settings is a Config that was checked and completed.
type settings struct {
	Config
	from, bounces netmail.Address
	plus          netmail.Address // zero: none
}

// check fills in the defaults. Its error joins all faults, each an [*ticket.InvalidError].
func (cfg Config) check() (settings, error) {
	s := settings{Config: cfg}
	var faults []error
	fault := func(field, format string, args ...any) {
		faults = append(faults, &ticket.InvalidError{Field: "mail." + field, Reason: fmt.Sprintf(format, args...)})
	}
	if host, port, err := net.SplitHostPort(s.Host); err == nil {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 || s.Port != 0 && s.Port != int(n) {
			fault("host", "has a port that is not 1 to 65535, or not the one in Port")
		}
		s.Host, s.Port = host, int(n)
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
	}{{"timeout", s.Timeout < 0}, {"data_timeout", s.DataTimeout < 0}, {"connections", s.Connections < 0}, {"reuse", s.Reuse < 0}, {"max_attachment_bytes", s.MaxAttachmentBytes < 0}} {
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
		s.MaxAttachmentBytes = defaultAttachmentBytes
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
	if s.OpenAttachment == nil && s.Files != nil {
		s.OpenAttachment = cfg.openStored
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
		fault("token", "must not be nil with XOAuth2")
	case s.Auth != XOAuth2 && s.Password == "":
		fault("password", "must not be empty")
	}
	if s.Username == "" || strings.ContainsFunc(s.Username, unicode.IsControl) {
		fault("username", "must not be empty or contain control characters")
	}
	if strings.ContainsFunc(string(s.Password), unicode.IsControl) {
		fault("password", "must not contain control characters")
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
			fault("reply_plus", "leaves no room for a number: at most %d bytes before the @", maxLocal-len("+7Q4K92MXF"))
		}
		s.plus = netmail.Address{Name: s.from.Name, Address: plus}
	}
	if s.Domain == "" {
		_, s.Domain = split(from.Address)
	} else if badToken(s.Domain) || strings.ContainsAny(s.Domain, "<>@") {
		fault("domain", "must be a name such as example.org")
	}
	if s.Addresses != nil && noReply(s.Addresses.Mailbox()) {
		fault("addresses", "have a mailbox that nobody reads")
	}
	if !noReply(from.Address) || s.ReplyTo != nil || s.ReplyPlus != "" || s.Addresses != nil && s.Addresses.Mailbox() != "" {
		return
	}
	switch {
	case !s.AllowNoReply:
		fault("from", "is an address that nobody reads: use another, or set ReplyPlus, ReplyTo or AllowNoReply")
	case s.Letters != nil && s.Letters.InvitesReplies():
		fault("letters", "ask for replies that nobody would read: set letter.Config.NoReply")
	}
}

// badToken reports whether s cannot be one word of a protocol line.
func badToken(s string) bool {
	return len(s) > 255 || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}

// loopback reports whether host names the local machine.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
