package mail

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unicode"

	"github.com/wneessen/go-mail/smtp"
)

// conn is a conversation with the server. One goroutine has it at a time.
type conn struct {
	cfg    *settings
	raw    net.Conn // below TLS
	client *smtp.Client
	broken bool // is not to be used again
	told   bool // the words of the letter at hand were sent, at least in part
	sent   int  // letters

	idle *time.Timer // closes it, while it is in the pool
}

// dial opens a connection up to where letters can be sent.
func dial(ctx context.Context, cfg *settings) (_ *conn, err error) {
	c := &conn{cfg: cfg}
	defer func() {
		if err != nil && c.raw != nil {
			_ = c.raw.Close()
		}
	}()
	if err := c.connect(ctx); err != nil {
		return nil, err
	}
	if err := c.step(ctx, StepHello, func(context.Context) error { return c.client.Hello(cfg.Hello) }); err != nil {
		return nil, err
	}
	if cfg.Encryption == StartTLS {
		if offered, _ := c.client.Extension("STARTTLS"); !offered {
			return nil, &Error{Step: StepTLS, Err: errors.New("the server does not offer it, and nothing is sent unencrypted")}
		}
		if err := c.step(ctx, StepTLS, func(context.Context) error { return c.client.StartTLS(cfg.TLS) }); err != nil {
			return nil, err
		}
	}
	if err := c.signIn(ctx); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *conn) connect(ctx context.Context) error {
	return c.step(ctx, StepConnect, func(ctx context.Context) error {
		raw, err := c.cfg.Dial(ctx, "tcp", net.JoinHostPort(c.cfg.Host, strconv.Itoa(c.cfg.Port)))
		if err != nil {
			return err
		}
		c.raw = raw
		var wire net.Conn = &bounded{Conn: raw}
		// From here on it is the connection that ends a step, not the context of Dial.
		defer context.AfterFunc(ctx, func() { _ = raw.Close() })()
		if c.cfg.Encryption == ImplicitTLS {
			secured := tls.Client(wire, c.cfg.TLS)
			if err := secured.HandshakeContext(ctx); err != nil {
				return err
			}
			wire = secured
		}
		c.client, err = smtp.NewClient(wire, c.cfg.Host)
		return err
	})
}

// step does one step of the conversation in the time that there is for it. A
// step that is not over then finds its connection closed.
func (c *conn) step(ctx context.Context, step Step, do func(ctx context.Context) error) error {
	within, cancel := context.WithTimeoutCause(ctx, c.cfg.Timeout, errTimeout)
	defer cancel()
	stop := func() bool { return true }
	if c.raw != nil {
		raw := c.raw
		stop = context.AfterFunc(within, func() { _ = raw.Close() })
	}
	err := do(within)
	if !stop() {
		c.broken = true
	}
	if err == nil {
		return nil
	}
	if cause := context.Cause(within); cause != nil {
		c.broken = true
		return &Error{Step: step, Err: cause}
	}
	e := newError(step, err)
	c.broken = c.broken || e.gone()
	return e
}

// signIn authenticates where the configuration says how.
func (c *conn) signIn(ctx context.Context) error {
	cfg := c.cfg
	if cfg.Auth == NoAuth {
		return nil
	}
	name := map[Auth]string{Plain: "PLAIN", Login: "LOGIN", XOAuth2: "XOAUTH2"}[cfg.Auth]
	_, offered := c.client.Extension("AUTH")
	if !hasWord(offered, name) {
		return &Error{Step: StepAuth, Err: errors.New("the server does not offer " + name + ", only " + strconv.Quote(cutTo(offered, 100)))}
	}
	secret := string(cfg.Password)
	err := c.step(ctx, StepAuth, func(ctx context.Context) error {
		if cfg.Auth == XOAuth2 {
			var err error
			if secret, err = cfg.Token(ctx); err != nil {
				return err
			}
			if strings.ContainsFunc(secret, unicode.IsControl) {
				return errors.New("the token has control characters")
			}
		}
		// Without encryption only where check has let it pass.
		unencrypted := cfg.Encryption == Unencrypted
		switch cfg.Auth {
		case Plain:
			return c.client.Auth(smtp.PlainAuth("", cfg.Username, secret, cfg.Host, unencrypted))
		case Login:
			return c.client.Auth(smtp.LoginAuth(cfg.Username, secret, cfg.Host, unencrypted))
		default:
			return c.client.Auth(smtp.XOAuth2Auth(cfg.Username, secret))
		}
	})
	if e, ok := errors.AsType[*Error](err); ok {
		e.Text = without(e.Text, cfg.Username, secret)
		if e.Err != nil {
			if said := without(e.Err.Error(), cfg.Username, secret); said != e.Err.Error() {
				e.Err = errors.New(said)
			}
		}
	}
	return err
}

// hasWord reports whether a list of words has one, in any case.
func hasWord(list, word string) bool {
	for w := range strings.FieldsSeq(list) {
		if strings.EqualFold(w, word) {
			return true
		}
	}
	return false
}

func cutTo(s string, n int) string {
	if len(s) > n {
		return s[:n]
	}
	return s
}

// without takes out of a text whatever a server may repeat of the credentials.
func without(text, username, secret string) string {
	b64 := base64.StdEncoding.EncodeToString
	for _, s := range []string{
		b64([]byte("\x00" + username + "\x00" + secret)), b64([]byte("user=" + username + "\x01auth=Bearer " + secret + "\x01\x01")),
		b64([]byte(secret)), secret, b64([]byte(username)), username,
	} {
		if len(s) > 2 {
			text = strings.ReplaceAll(text, s, hidden)
		}
	}
	return text
}

// send hands one letter to the server. The connection can be used for the next
// one afterwards, unless it is broken.
func (c *conn) send(ctx context.Context, e envelope) error {
	c.told = false
	if offered, _ := c.client.Extension("SMTPUTF8"); e.utf8 && !offered {
		return &Error{Step: StepTo, Err: errASCII}
	}
	c.client.SkipSMTPUTF8(!e.utf8)
	err := c.step(ctx, StepSender, func(context.Context) error { return c.client.Mail(e.from) })
	if err == nil {
		err = c.step(ctx, StepTo, func(context.Context) error { return c.client.Rcpt(e.to) })
	}
	if err == nil {
		err = c.step(ctx, StepMessage, func(context.Context) error {
			w, err := c.client.Data()
			if err != nil {
				return err
			}
			c.told = true
			c.sent++
			if _, err := w.Write(e.message); err != nil {
				return err
			}
			return w.Close()
		})
	}
	if err != nil && !c.broken && !c.told { // the transaction is still open
		if c.step(ctx, StepSender, func(context.Context) error { return c.client.Reset() }) != nil {
			c.broken = true
		}
	}
	return err
}

// errASCII is found out before anything is sent.
var errASCII = errors.New("an address is not in ASCII, and the server takes no others (RFC 6531)")

// close says goodbye where there is somebody to say it to. It does not wait
// long: the letter has been taken.
func (c *conn) close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if !c.broken {
		_ = c.step(ctx, StepHello, func(context.Context) error { return c.client.Quit() })
	}
	_ = c.raw.Close()
}

// mostUnasked is how many bytes a server may send in answer to one line: more
// than any certificate, and much less than memory.
const mostUnasked = 256 << 10

// bounded is a connection whose other side must not talk without end.
type bounded struct {
	net.Conn
	read atomic.Int64 // since the last write
}

var errTalks = errors.New("the server's answer has no end")

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.Conn.Read(p)
	if b.read.Add(int64(n)) > mostUnasked {
		_ = b.Close()
		return 0, errTalks
	}
	return n, err
}

func (b *bounded) Write(p []byte) (int, error) {
	b.read.Store(0)
	return b.Conn.Write(p)
}
