package mail

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unicode"

	"github.com/wneessen/go-mail/smtp"
)

// conn is one conversation with the server. It is used by one goroutine at a time.
type conn struct {
	cfg    *settings
	raw    net.Conn // below TLS
	client *smtp.Client
	broken bool // must not be reused
	begun  bool // DATA was accepted for the current letter
	sent   int  // number of letters

	idle *time.Timer // closes the connection while it is in the pool
}

// dial opens a connection that is ready to send letters.
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
			return nil, &Error{Step: StepTLS, Err: fmt.Errorf("%w it, and nothing is sent unencrypted", errNotOffered)}
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
		// From here on, closing the connection ends a step, not the context of Dial.
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

// step runs one step of the conversation within Config.Timeout. When the time is over, it
// closes the connection.
func (c *conn) step(ctx context.Context, step Step, do func(ctx context.Context) error) error {
	return c.stepWithin(ctx, c.cfg.Timeout, step, do)
}

func (c *conn) stepWithin(ctx context.Context, limit time.Duration, step Step, do func(ctx context.Context) error) error {
	within, cancel := context.WithTimeoutCause(ctx, limit, errTimeout)
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

// signIn authenticates as the configuration says.
func (c *conn) signIn(ctx context.Context) error {
	cfg := c.cfg
	if cfg.Auth == NoAuth {
		return nil
	}
	name := map[Auth]string{Plain: "PLAIN", Login: "LOGIN", XOAuth2: "XOAUTH2"}[cfg.Auth]
	_, offered := c.client.Extension("AUTH")
	if !hasWord(offered, name) {
		return &Error{Step: StepAuth, Err: fmt.Errorf("%w %s, only %q", errNotOffered, name, cutTo(offered, 100))}
	}
	secret := string(cfg.Password)
	err := c.step(ctx, StepAuth, func(ctx context.Context) error {
		if cfg.Auth == XOAuth2 {
			var err error
			if secret, err = cfg.Token(ctx); err != nil {
				return err
			}
			if strings.ContainsFunc(secret, unicode.IsControl) {
				return errors.New("the token must not contain control characters")
			}
		}
		// check allows no encryption only on the local machine.
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

// hasWord reports whether the list contains the word, in any case.
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

// without hides the credentials, in every form that a server may repeat.
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

// send sends one letter. The connection can then be reused, unless it is broken.
func (c *conn) send(ctx context.Context, e envelope) error {
	c.begun = false
	if offered, _ := c.client.Extension("SMTPUTF8"); e.utf8 && !offered {
		if e.ownUTF8 {
			return &Error{Step: StepSender, Err: errOwnASCII}
		}
		return &Error{Step: StepTo, Err: errASCII}
	}
	c.client.SkipSMTPUTF8(!e.utf8)
	err := c.step(ctx, StepSender, func(context.Context) error { return c.client.Mail(e.from) })
	if err == nil {
		err = c.step(ctx, StepTo, func(context.Context) error { return c.client.Rcpt(e.to) })
	}
	var w *smtp.DataCloser
	if err == nil {
		err = c.step(ctx, StepMessage, func(context.Context) error {
			data, err := c.client.Data()
			if err != nil {
				return err
			}
			c.begun = true
			c.sent++
			w, _ = data.(*smtp.DataCloser)
			return nil
		})
	}
	if err == nil {
		err = c.write(ctx, w, e.message)
	}
	if err == nil {
		err = c.dataReply(ctx)
	}
	if err != nil && !c.broken && !c.begun { // the transaction is still open
		if c.step(ctx, StepSender, func(context.Context) error { return c.client.Reset() }) != nil {
			c.broken = true
		}
	}
	return err
}

// chunkBytes is how much of a letter must be sent within Config.Timeout.
const chunkBytes = 32 << 10

// write sends the letter up to the line that ends it. If write fails, the server has not
// seen that line, and so has no letter.
func (c *conn) write(ctx context.Context, w *smtp.DataCloser, message []byte) error {
	for part := range slices.Chunk(message, chunkBytes) {
		err := c.step(ctx, StepMessage, func(context.Context) error {
			if _, err := w.WriteCloser.Write(part); err != nil {
				return err
			}
			return c.client.Text.W.Flush()
		})
		if err != nil {
			return err
		}
	}
	// Close sends at most the line that ends the letter.
	return c.step(ctx, StepMessage, func(context.Context) error { return w.WriteCloser.Close() })
}

// stopGrace is how long the reply is awaited after the context is done. The relay waits
// slightly longer for an attempt.
const stopGrace = 700 * time.Millisecond

// dataReply waits for the reply to the complete letter. Without the reply it is unknown
// whether the server accepted the letter, so the end of the context does not stop the wait
// at once.
func (c *conn) dataReply(ctx context.Context) error {
	waiting, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	defer context.AfterFunc(ctx, func() { time.AfterFunc(stopGrace, func() { cancel(context.Cause(ctx)) }) })()
	err := c.stepWithin(waiting, c.cfg.DataTimeout, StepMessage, func(context.Context) error {
		_, _, err := c.client.Text.ReadResponse(2) // any 2xx accepts the letter
		return err
	})
	if e, ok := errors.AsType[*Error](err); ok && e.Code == 0 {
		e.Sent = true
	}
	return err
}

// Errors that are found before anything is sent.
var (
	errASCII      = errors.New("the address is not ASCII, and the server does not support SMTPUTF8 (RFC 6531)")
	errOwnASCII   = errors.New("the desk's own address is not ASCII, and the server does not support SMTPUTF8 (RFC 6531)")
	errNotOffered = errors.New("the server does not offer")
)

// close says QUIT if the connection still works. It waits at most two seconds: no letter
// depends on it.
func (c *conn) close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if !c.broken {
		_ = c.step(ctx, StepHello, func(context.Context) error { return c.client.Quit() })
	}
	_ = c.raw.Close()
}

// maxReplyBytes limits what a server may send in reply to one line: more than any
// certificate chain, and far less than memory.
const maxReplyBytes = 256 << 10

// bounded is a connection that limits the size of each reply.
type bounded struct {
	net.Conn
	read atomic.Int64 // bytes since the last write
}

var errTalks = errors.New("the server's reply is too long")

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.Conn.Read(p)
	if b.read.Add(int64(n)) > maxReplyBytes {
		_ = b.Close()
		return 0, errTalks
	}
	return n, err
}

func (b *bounded) Write(p []byte) (int, error) {
	b.read.Store(0)
	return b.Conn.Write(p)
}
