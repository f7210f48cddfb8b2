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

// signIn authenticates where the configuration says how.
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
			c.told = true
			c.sent++
			w, _ = data.(*smtp.DataCloser)
			return nil
		})
	}
	if err == nil {
		err = c.write(ctx, w, e.message)
	}
	if err == nil {
		err = c.answer(ctx)
	}
	if err != nil && !c.broken && !c.told { // the transaction is still open
		if c.step(ctx, StepSender, func(context.Context) error { return c.client.Reset() }) != nil {
			c.broken = true
		}
	}
	return err
}

// mostAtOnce is how much of a letter must get on its way within Config.Timeout.
const mostAtOnce = 32 << 10

// write sends the letter up to the line that ends it. Where it fails, the server
// has not got the end, and so has no letter.
func (c *conn) write(ctx context.Context, w *smtp.DataCloser, message []byte) error {
	for part := range slices.Chunk(message, mostAtOnce) {
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
	// What it puts into the line is at most what ends the letter.
	return c.step(ctx, StepMessage, func(context.Context) error { return w.WriteCloser.Close() })
}

// parting is how long an answer is waited for when the context is done. The relay
// waits for an attempt a little longer.
const parting = 700 * time.Millisecond

// answer waits for what the server says to the whole letter. The letter is in its
// hands: without an answer nobody knows what became of it, so the context does not
// cut the wait off at once.
func (c *conn) answer(ctx context.Context) error {
	waiting, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	defer context.AfterFunc(ctx, func() { time.AfterFunc(parting, func() { cancel(context.Cause(ctx)) }) })()
	err := c.stepWithin(waiting, c.cfg.DataTimeout, StepMessage, func(context.Context) error {
		_, _, err := c.client.Text.ReadResponse(2) // any that says it was taken
		return err
	})
	if e, ok := errors.AsType[*Error](err); ok && e.Code == 0 {
		e.Sent = true
	}
	return err
}

// What is found out before anything is sent.
var (
	errASCII      = errors.New("the address is not in ASCII, and the server takes no others (RFC 6531)")
	errOwnASCII   = errors.New("the desk's own address is not in ASCII, and the server takes no others (RFC 6531)")
	errNotOffered = errors.New("the server does not offer")
)

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
