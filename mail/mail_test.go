package mail_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-message"
	_ "github.com/emersion/go-message/charset"
	msgmail "github.com/emersion/go-message/mail"
	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/mail"
	"github.com/ticketkit/ticket/mail/letter"
	"github.com/ticketkit/ticket/memstore"
	"github.com/ticketkit/ticket/tickettest"
)

var update = flag.Bool("update", false, "write the golden files")

// words returns the letters that tests share: making them takes longer than sending
// one.
func words(t *testing.T) *letter.Letters {
	t.Helper()
	l, err := shared()
	require.NoError(t, err)
	return l
}

var shared = sync.OnceValues(func() (*letter.Letters, error) { return letter.New(letter.Config{Desk: "Example Shop"}) })

// parsed is a letter read by an independent parser.
type parsed struct {
	header     msgmail.Header
	text, html string
}

func parse(t *testing.T, data string) parsed {
	t.Helper()
	r, err := msgmail.CreateReader(strings.NewReader(data))
	require.NoError(t, err)
	p := parsed{header: r.Header}
	for {
		part, err := r.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		h, ok := part.Header.(*msgmail.InlineHeader)
		require.True(t, ok)
		kind, params, err := h.ContentType()
		require.NoError(t, err)
		require.Equal(t, "utf-8", strings.ToLower(params["charset"]))
		b, err := io.ReadAll(part.Body)
		require.NoError(t, err)
		switch kind {
		case "text/plain":
			require.Empty(t, p.html, "the better part comes last")
			p.text = string(b)
		case "text/html":
			p.html = string(b)
		default:
			t.Errorf("a part of type %s", kind)
		}
	}
	return p
}

func (p parsed) subject(t *testing.T) string {
	t.Helper()
	s, err := p.header.Subject()
	require.NoError(t, err)
	return s
}

func (p parsed) ids(t *testing.T, field string) []string {
	t.Helper()
	ids, err := p.header.MsgIDList(field)
	require.NoError(t, err)
	return ids
}

// every calls f with a notification of every kind to every recipient, in both
// languages.
func every(t *testing.T, f func(t *testing.T, name string, n ticket.Notification)) {
	t.Helper()
	seq := 0
	for _, locale := range []string{"en", "de"} {
		var previous ticket.ID
		one := func(k ticket.Kind, name string, to ticket.Recipient) {
			seq++
			n := notification(k, seq)
			n.Subject, n.Message = "Drucker druckt weiße Seiten", "Seit heute früh, jede zweite.\n.\nWas tun? ✓"
			n.Attachments = []ticket.Attachment{{Name: "seite ü.png", Size: 48_230, SHA256: ticket.Digest{0xab}}}
			n.To, n.Previous = to, previous
			n.Writer, n.With, n.Expected, n.ReopenUntil = "Grace", "with the specialists", n.At.Add(time.Hour), n.At.Add(24*time.Hour)
			switch k {
			case ticket.KindMerged:
				n.Into = "9NC5-QBN3-1"
			case ticket.KindDueSoon, ticket.KindOverdue:
				n.Metric, n.Due = "next answer", n.At.Add(2*time.Hour)
			default:
			}
			previous = n.ID
			t.Run(name, func(t *testing.T) { f(t, name, n) })
		}
		slug := func(k ticket.Kind) string { return strings.ReplaceAll(string(k), " ", "-") }
		for _, k := range ticket.Kinds(ticket.RoleCustomer) {
			one(k, locale+"-"+slug(k), ticket.Recipient{Role: ticket.RoleRequester, Person: ticket.Person{Name: "Zoë Müller", Email: "zoe@example.org", Locale: locale}})
		}
		previous = ticket.ID{}
		for _, k := range ticket.Kinds(ticket.RoleAgent) {
			one(k, locale+"-agent-"+slug(k), ticket.Recipient{Role: ticket.RoleAgent, Queue: "hardware", Level: 2, Person: ticket.Person{Email: "hardware@example.org", Locale: locale}})
		}
	}
}

// Every kind in both languages, sent through a server and read by another parser,
// equals its reviewed golden file.
func TestEveryKindEqualsItsGoldenFile(t *testing.T) {
	s := start(t, nil)
	m := s.notifier(func(cfg *mail.Config) { cfg.ReplyPlus, cfg.Reuse = "support@example.org", 1000 })
	every(t, func(t *testing.T, name string, n ticket.Notification) {
		t.Helper()
		require.NoError(t, m.Notify(t.Context(), n))
		got := s.got()
		l := got[len(got)-1]
		readable(t, l.data, n)
		golden(t, name+".eml", l.data)

		n.Attempt++
		require.NoError(t, m.Notify(t.Context(), n))
		assert.Equal(t, l.data, s.got()[len(got)].data, "a repeat is the same letter")
	})
	require.Equal(t, 1, s.connections())
}

// readable checks the properties of every letter.
func readable(t *testing.T, data string, n ticket.Notification) {
	t.Helper()
	p := parse(t, data)
	for _, s := range []string{p.subject(t), p.text, p.html} {
		require.Contains(t, s, string(n.Number))
	}
	require.Contains(t, p.subject(t), "weiße")
	require.Contains(t, p.html, "</html>")
	require.Equal(t, []string{n.ID.String() + "@example.org"}, p.ids(t, "Message-Id"))
	want := []string{n.Ticket.String() + "@example.org"}
	if n.Previous.IsZero() {
		require.Empty(t, p.ids(t, "In-Reply-To"))
	} else {
		want = append(want, n.Previous.String()+"@example.org")
		require.Equal(t, want[1:], p.ids(t, "In-Reply-To"))
	}
	require.Equal(t, want, p.ids(t, "References"))
	require.Equal(t, "auto-generated", p.header.Get("Auto-Submitted"))
	require.Equal(t, n.To.Person.Locale, p.header.Get("Content-Language"))
	date, err := p.header.Date()
	require.NoError(t, err)
	require.True(t, n.At.Equal(date))
	to, err := p.header.AddressList("To")
	require.NoError(t, err)
	require.Equal(t, n.To.Person.Email, to[0].Address)
	require.Equal(t, n.To.Person.Name, to[0].Name)
	reply, err := p.header.AddressList("Reply-To")
	require.NoError(t, err)
	require.Equal(t, "support+7Q4K92MXF@example.org", reply[0].Address)
	number, err := mail.NumberOf(p.header.Get("Reply-To"))
	require.NoError(t, err)
	require.Equal(t, n.Number, number)
	for line := range strings.SplitSeq(data, "\r\n") {
		require.LessOrEqual(t, len(line), 78, line)
		require.NotContains(t, line, "\n")
		require.NotContains(t, line, "\r")
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	got = strings.ReplaceAll(got, "\r\n", "\n")
	path := filepath.Join("testdata", "golden", name)
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o750))
		require.NoError(t, os.WriteFile(path, []byte(got), 0o600))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "go test -update writes it")
	assert.Equal(t, string(want), got, name)
}

func TestEveryWayToSignIn(t *testing.T) {
	all := []string{"PLAIN", "LOGIN", "XOAUTH2"}
	token := func(context.Context) (string, error) { return password, nil }
	for _, implicit := range []bool{false, true} {
		for name, c := range map[string]struct {
			auth mail.Auth
			set  func(*mail.Config)
		}{
			"plain":         {mail.Plain, nil},
			"plain, unsaid": {mail.AutoAuth, nil},
			"login":         {mail.Login, nil},
			"xoauth2":       {mail.XOAuth2, func(cfg *mail.Config) { cfg.Password, cfg.Token = "", token }},
			"token, unsaid": {mail.AutoAuth, func(cfg *mail.Config) { cfg.Token = token }},
		} {
			t.Run(fmt.Sprintf("%s, implicit %t", name, implicit), func(t *testing.T) {
				s := start(t, func(s *server) { s.mechs, s.implicit = all, implicit })
				m := s.notifier(func(cfg *mail.Config) {
					cfg.Auth, cfg.Username, cfg.Password = c.auth, username, password
					if c.set != nil {
						c.set(cfg)
					}
				})
				require.NoError(t, m.Notify(t.Context(), notification(ticket.KindReceived, 1)))
				l := s.got()[0]
				require.Equal(t, username, l.user)
				require.True(t, l.tls)
				require.Equal(t, "app.example.org", l.hello)
				require.Equal(t, "support@example.org", l.from)
				require.Equal(t, "ada@example.org", l.to)
			})
		}
	}
	t.Run("unencrypted on this machine", func(t *testing.T) {
		s := start(t, func(s *server) { s.mechs, s.plain = all, true })
		m := s.notifier(func(cfg *mail.Config) { cfg.Username, cfg.Password = username, password })
		require.NoError(t, m.Notify(t.Context(), notification(ticket.KindReceived, 1)))
		require.False(t, s.got()[0].tls)
	})
}

// A refused sign-in is temporary, and its error contains no secret, even if the server
// repeats it.
func TestARefusedSignInHidesTheSecret(t *testing.T) {
	const wrong = mail.Secret("hunter2-wrong")
	for _, auth := range []mail.Auth{mail.Plain, mail.Login, mail.XOAuth2} {
		s := start(t, func(s *server) {
			s.mechs = []string{"PLAIN", "LOGIN", "XOAUTH2"}
			s.refuse = func(step, what string) error {
				if step != "auth" {
					return nil
				}
				return &smtp.SMTPError{Code: 535, EnhancedCode: smtp.EnhancedCode{5, 7, 8},
					Message: "bad " + what + " " + base64.StdEncoding.EncodeToString([]byte("\x00"+username+"\x00"+what)) + " for " + username}
			}
		})
		m := s.notifier(func(cfg *mail.Config) {
			cfg.Auth, cfg.Username, cfg.Password = auth, username, wrong
			cfg.Token = func(context.Context) (string, error) { return string(wrong), nil }
		})
		err := m.Notify(t.Context(), notification(ticket.KindReceived, 1))
		require.ErrorContains(t, err, "mail: authenticate: the server said 535 5.7.8 bad [hidden] [hidden] for [hidden]")
		require.Equal(t, "temporary", mark(err))
		require.Empty(t, s.got())
	}
	t.Run("not offered", func(t *testing.T) {
		s := start(t, func(s *server) { s.mechs = []string{"LOGIN"} })
		m := s.notifier(func(cfg *mail.Config) { cfg.Auth, cfg.Username, cfg.Password = mail.Plain, username, wrong })
		err := m.Notify(t.Context(), notification(ticket.KindReceived, 1))
		require.EqualError(t, err, `mail: authenticate: the server does not offer PLAIN, only "LOGIN"`)
	})
	t.Run("an extra challenge", func(t *testing.T) {
		ask := func(s string) string { return "334 " + base64.StdEncoding.EncodeToString([]byte(s)) }
		port := script(t, func(c net.Conn, line func() string) {
			say := func(s string) { _, _ = io.WriteString(c, s+"\r\n") }
			say("220 mx")
			line()
			say("250-mx\r\n250 AUTH LOGIN")
			for _, q := range []string{"user", "password", string(wrong) + "\r\n" + strings.Repeat("?", 1000)} {
				line()
				say(ask(q))
			}
			line()
		})
		m := unencrypted(t, port, func(cfg *mail.Config) { cfg.Auth, cfg.Username, cfg.Password = mail.Login, username, wrong })
		err := m.Notify(t.Context(), notification(ticket.KindReceived, 1))
		require.ErrorContains(t, err, "mail: authenticate: ")
		require.NotContains(t, err.Error(), string(wrong))
		require.NotContains(t, err.Error(), "\n")
		require.Less(t, len(err.Error()), 400)
		require.Equal(t, "temporary", mark(err))
	})
	t.Run("no token", func(t *testing.T) {
		s := start(t, func(s *server) { s.mechs = []string{"XOAUTH2"} })
		m := s.notifier(func(cfg *mail.Config) {
			cfg.Username, cfg.Token = username, func(context.Context) (string, error) { return "", errors.New("the token has expired") }
		})
		err := m.Notify(t.Context(), notification(ticket.KindReceived, 1))
		require.EqualError(t, err, `mail: authenticate: the token has expired`)
		require.Equal(t, "temporary", mark(err))
	})
}

// Nothing is sent over a connection that is less secure than configured.
func TestNothingIsSentUnencrypted(t *testing.T) {
	t.Run("no STARTTLS", func(t *testing.T) {
		s := start(t, func(s *server) { s.plain, s.mechs = true, []string{"PLAIN"} })
		m := s.notifier(func(cfg *mail.Config) {
			cfg.Encryption, cfg.Username, cfg.Password = mail.StartTLS, username, password
		})
		err := m.Notify(t.Context(), notification(ticket.KindReceived, 1))
		require.EqualError(t, err, "mail: STARTTLS: the server does not offer it, and nothing is sent unencrypted")
		require.Equal(t, "temporary", mark(err))
		require.Empty(t, s.passwords)
	})
	for _, implicit := range []bool{false, true} {
		s := start(t, func(s *server) { s.implicit, s.mechs = implicit, []string{"PLAIN"} })
		m := s.notifier(func(cfg *mail.Config) { cfg.TLS, cfg.Username, cfg.Password = nil, username, password })
		err := m.Notify(t.Context(), notification(ticket.KindReceived, 1))
		require.ErrorContains(t, err, "certificate")
		require.Equal(t, "temporary", mark(err))
		require.Empty(t, s.passwords)
		require.Empty(t, s.got())
	}
}

// mark returns the mark of an error.
func mark(err error) string {
	switch r := ticket.DeliveryFaultOf(err); {
	case r.Bounced:
		return "bounce"
	case r.Permanent:
		return "permanent"
	}
	return "temporary"
}

func TestRepliesAreMarked(t *testing.T) {
	s := start(t, nil)
	m := s.notifier(nil)
	for _, c := range []struct {
		step     string
		code     int
		enhanced smtp.EnhancedCode
		want     string
	}{
		{"rcpt", 550, smtp.EnhancedCode{5, 1, 1}, "bounce"},
		{"rcpt", 550, smtp.NoEnhancedCode, "temporary"},
		{"rcpt", 550, smtp.EnhancedCode{5, 0, 0}, "temporary"},
		{"rcpt", 551, smtp.NoEnhancedCode, "temporary"},
		{"rcpt", 553, smtp.EnhancedCode{5, 1, 3}, "bounce"},
		{"rcpt", 556, smtp.EnhancedCode{5, 1, 10}, "bounce"},
		{"rcpt", 550, smtp.EnhancedCode{5, 2, 1}, "bounce"},
		{"data", 550, smtp.EnhancedCode{5, 1, 1}, "bounce"},
		{"rcpt", 552, smtp.EnhancedCode{5, 2, 2}, "temporary"},
		{"data", 552, smtp.EnhancedCode{5, 2, 2}, "temporary"},
		{"data", 554, smtp.EnhancedCode{5, 2, 2}, "temporary"},
		{"rcpt", 552, smtp.NoEnhancedCode, "temporary"},
		{"data", 552, smtp.EnhancedCode{5, 3, 4}, "permanent"},
		{"data", 552, smtp.EnhancedCode{5, 2, 3}, "permanent"},
		{"rcpt", 550, smtp.EnhancedCode{5, 7, 1}, "temporary"},
		{"rcpt", 554, smtp.EnhancedCode{5, 7, 1}, "temporary"},
		{"rcpt", 501, smtp.NoEnhancedCode, "temporary"},
		{"data", 550, smtp.NoEnhancedCode, "permanent"},
		{"data", 554, smtp.EnhancedCode{5, 6, 0}, "permanent"},
		{"rcpt", 553, smtp.EnhancedCode{5, 1, 8}, "temporary"},
		{"rcpt", 550, smtp.EnhancedCode{5, 1, 7}, "temporary"},
		{"rcpt", 530, smtp.EnhancedCode{5, 7, 0}, "temporary"},
		{"mail", 550, smtp.EnhancedCode{5, 1, 1}, "temporary"},
		{"mail", 553, smtp.NoEnhancedCode, "temporary"},
		{"mail", 535, smtp.NoEnhancedCode, "temporary"},
		{"mail", 451, smtp.EnhancedCode{4, 7, 1}, "temporary"},
		{"rcpt", 450, smtp.EnhancedCode{4, 2, 0}, "temporary"},
		{"rcpt", 452, smtp.EnhancedCode{4, 5, 3}, "temporary"},
		{"rcpt", 450, smtp.EnhancedCode{5, 1, 1}, "temporary"}, // the reply code wins
		{"data", 451, smtp.NoEnhancedCode, "temporary"},
	} {
		t.Run(fmt.Sprint(c.step, c.code, c.enhanced), func(t *testing.T) {
			s.refuseWith(func(step, _ string) error {
				if step != c.step {
					return nil
				}
				return &smtp.SMTPError{Code: c.code, EnhancedCode: c.enhanced, Message: "not today\nsee https://example.org"}
			})
			err := m.Notify(t.Context(), notification(ticket.KindReceived, 1))
			require.Equal(t, c.want, mark(err), "%v", err)
			require.ErrorContains(t, err, fmt.Sprint(c.code, " "))
			require.ErrorContains(t, err, "not today ")
			require.ErrorContains(t, err, "see https://example.org")
			require.NotContains(t, err.Error(), "every second page")
			e, ok := errors.AsType[*mail.Error](err)
			require.True(t, ok)
			require.Equal(t, c.code, e.Code)
		})
	}
	s.refuseWith(nil)
	require.NoError(t, m.Notify(t.Context(), notification(ticket.KindReceived, 1)))
	require.Equal(t, 1, s.connections(), "a refusal is no reason to hang up")
	require.Len(t, s.got(), 1)
}

func TestConnectionsAreReused(t *testing.T) {
	t.Run("in parallel", func(t *testing.T) {
		s := start(t, nil)
		m := s.notifier(func(cfg *mail.Config) { cfg.Connections, cfg.Reuse = 3, 1000 })
		var wg sync.WaitGroup
		for i := range 60 {
			wg.Go(func() { assert.NoError(t, m.Notify(t.Context(), notification(ticket.KindReceived, i))) })
		}
		wg.Wait()
		require.Len(t, s.got(), 60)
		require.LessOrEqual(t, s.connections(), 3)
	})
	t.Run("the server restarts", func(t *testing.T) {
		s := start(t, nil)
		m := s.notifier(nil)
		for i := range 3 {
			require.NoError(t, m.Notify(t.Context(), notification(ticket.KindReceived, i)))
			s.stop()
			s.listen()
		}
		require.Len(t, s.got(), 3)
		require.Equal(t, 3, s.connections())
	})
	t.Run("ten letters", func(t *testing.T) {
		s := start(t, nil)
		m := s.notifier(nil)
		for i := range 21 {
			require.NoError(t, m.Notify(t.Context(), notification(ticket.KindReceived, i)))
		}
		require.Equal(t, 3, s.connections())
	})
	t.Run("not kept", func(t *testing.T) {
		s := start(t, nil)
		m := s.notifier(func(cfg *mail.Config) { cfg.Idle = -1 })
		for i := range 3 {
			require.NoError(t, m.Notify(t.Context(), notification(ticket.KindReceived, i)))
		}
		require.Equal(t, 3, s.connections())
	})
	t.Run("closed", func(t *testing.T) {
		s := start(t, nil)
		m := s.notifier(nil)
		require.NoError(t, m.Notify(t.Context(), notification(ticket.KindReceived, 1)))
		m.Close(t.Context())
		require.NoError(t, m.Notify(t.Context(), notification(ticket.KindReceived, 2)))
		require.NoError(t, m.Notify(t.Context(), notification(ticket.KindReceived, 3)))
		require.Equal(t, 3, s.connections())
	})
	t.Run("idle too long", func(t *testing.T) {
		var quits atomic.Int32
		port := script(t, func(c net.Conn, line func() string) {
			if talk(c, line, "") == "QUIT" {
				quits.Add(1)
			}
		})
		m := unencrypted(t, port, func(cfg *mail.Config) { cfg.Idle = 20 * time.Millisecond })
		require.NoError(t, m.Notify(t.Context(), notification(ticket.KindReceived, 1)))
		require.Eventually(t, func() bool { return quits.Load() == 1 }, 10*time.Second, 5*time.Millisecond)
		require.NoError(t, m.Notify(t.Context(), notification(ticket.KindReceived, 2)))
	})
}

// unencrypted returns a notifier for a server of script.
func unencrypted(t *testing.T, port int, change func(*mail.Config)) *mail.Notifier {
	t.Helper()
	cfg := mail.Config{Host: "127.0.0.1", Port: port, Encryption: mail.Unencrypted, From: "support@example.org", Timeout: 10 * time.Second, Letters: words(t)}
	if change != nil {
		change(&cfg)
	}
	m, err := mail.New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { m.Close(context.WithoutCancel(t.Context())) })
	return m
}

// talk behaves well up to a command, which it reads but does not answer ("" means
// never). It returns the last line read.
func talk(c net.Conn, line func() string, until string) string {
	say := func(s string) { _, _ = io.WriteString(c, s+"\r\n") }
	if until == "connect" {
		return until
	}
	say("220 mx.example.org")
	for {
		l := line()
		command, _, _ := strings.Cut(strings.ToUpper(l), " ")
		if until != "" && command == until {
			return l
		}
		switch command {
		case "EHLO":
			say("250-mx.example.org\r\n250 8BITMIME")
		case "DATA":
			say("354 go ahead")
			for l = line(); l != "." && until != "."; l = line() {
			}
			if until == "." {
				return l
			}
			say("250 taken")
		case "QUIT":
			say("221 bye")
			return l
		default:
			say("250 fine")
		}
	}
}

// A server may fail at any step: go silent, hang up, or reply without end, in one line
// or many.
func TestServersThatFailAtAnyStep(t *testing.T) {
	for _, at := range []string{"connect", "EHLO", "MAIL", "RCPT", "DATA", "."} {
		for how, f := range map[string]func(c net.Conn, line func() string){
			"is silent": func(c net.Conn, line func() string) {
				_, _ = io.Copy(io.Discard, c) // until the client hangs up
			},
			"hangs up": func(net.Conn, func() string) {},
			"endless lines": func(c net.Conn, _ func() string) {
				for {
					if _, err := io.WriteString(c, "250-and another thing\r\n"); err != nil {
						return
					}
				}
			},
			"an endless line": func(c net.Conn, _ func() string) {
				for {
					if _, err := io.WriteString(c, strings.Repeat("x", 1000)); err != nil {
						return
					}
				}
			},
			"drips": func(c net.Conn, _ func() string) {
				for {
					if _, err := io.WriteString(c, "250-\r\n"); err != nil {
						return
					}
					time.Sleep(10 * time.Millisecond)
				}
			},
			"nonsense": func(c net.Conn, _ func() string) {
				_, _ = io.WriteString(c, strings.Repeat("what? ", 1000)+"\x1b[2J\r\n\x00\xff\r\n")
			},
			"goodbye": func(c net.Conn, _ func() string) {
				_, _ = io.WriteString(c, "421 4.3.2 going down\r\n")
			},
		} {
			t.Run(at+" "+how, func(t *testing.T) {
				t.Parallel()
				port := script(t, func(c net.Conn, line func() string) {
					talk(c, line, at)
					f(c, line)
				})
				m := unencrypted(t, port, func(cfg *mail.Config) { cfg.Timeout, cfg.DataTimeout = 300*time.Millisecond, 600*time.Millisecond })
				begin := time.Now()
				err := m.Notify(t.Context(), notification(ticket.KindReceived, 1))
				require.Error(t, err)
				require.Equal(t, "temporary", mark(err))
				unsure := at == "." && how != "goodbye"
				require.Equal(t, unsure, ticket.DeliveryFaultOf(err).MaybeDelivered, "%v: whether it perhaps was delivered", err)
				require.Less(t, time.Since(begin), 5*time.Second)
				require.LessOrEqual(t, len(err.Error()), 400)
				require.NotContains(t, err.Error(), "\x1b")
				if how == "is silent" {
					require.ErrorIs(t, err, context.DeadlineExceeded)
					require.ErrorContains(t, err, "no reply in time")
				}
			})
		}
		t.Run(at+" cancelled", func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			port := script(t, func(c net.Conn, line func() string) {
				talk(c, line, at)
				cancel()
				_, _ = io.Copy(io.Discard, c)
			})
			m := unencrypted(t, port, func(cfg *mail.Config) { cfg.Timeout = time.Minute })
			err := m.Notify(ctx, notification(ticket.KindReceived, 1))
			require.ErrorIs(t, err, context.Canceled)
			require.Equal(t, "temporary", mark(err))
		})
	}
	t.Run("busy", func(t *testing.T) {
		held := make(chan struct{}, 1)
		port := script(t, func(c net.Conn, line func() string) {
			held <- struct{}{}
			_, _ = io.Copy(io.Discard, c)
		})
		m := unencrypted(t, port, func(cfg *mail.Config) { cfg.Connections = 1 })
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _ = m.Notify(ctx, notification(ticket.KindReceived, 1)) })
		<-held
		short, stop := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer stop()
		err := m.Notify(short, notification(ticket.KindReceived, 2))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "all connections are busy")
		cancel()
		wg.Wait()
	})
	t.Run("nobody there", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		port := l.Addr().(*net.TCPAddr).Port
		require.NoError(t, l.Close())
		err = unencrypted(t, port, nil).Notify(t.Context(), notification(ticket.KindReceived, 1))
		require.ErrorContains(t, err, "mail: connect: ")
		require.Equal(t, "temporary", mark(err))
	})
}

// If the server closed the connection before DATA, the letter is sent over another one.
// After the complete letter it is unknown whether the server accepted it, and the desk
// decides.
func TestAStaleConnectionIsReplaced(t *testing.T) {
	for _, c := range []struct {
		at   string
		sent bool
	}{{"MAIL", true}, {"RCPT", true}, {"DATA", true}, {".", false}} {
		var conns atomic.Int32
		port := script(t, func(conn net.Conn, line func() string) {
			if conns.Add(1) > 1 {
				talk(conn, line, "")
				return
			}
			say := func(s string) { _, _ = io.WriteString(conn, s+"\r\n") }
			say("220 mx")
			line()
			say("250 mx")
			for _, reply := range []string{"250 fine", "250 fine", "354 go ahead"} {
				line()
				say(reply)
			}
			for line() != "." {
			}
			say("250 taken")
			for l := line(); !strings.HasPrefix(l, c.at); l = line() {
				if l == "DATA" {
					say("354 go ahead")
					line()
					return
				}
				say("250 fine")
			}
		})
		m := unencrypted(t, port, nil)
		require.NoError(t, m.Notify(t.Context(), notification(ticket.KindReceived, 1)))
		err := m.Notify(t.Context(), notification(ticket.KindReceived, 2))
		if c.sent {
			require.NoError(t, err, c.at)
			require.EqualValues(t, 2, conns.Load())
		} else {
			require.Error(t, err)
			require.Equal(t, "temporary", mark(err))
			require.EqualValues(t, 1, conns.Load())
		}
	}
}

func TestRecipientsAreChecked(t *testing.T) {
	s := start(t, nil)
	m := s.notifier(func(cfg *mail.Config) {
		cfg.Address = func(r ticket.Recipient) string {
			if r.Queue != "" {
				return r.Queue + "@example.org"
			}
			return ""
		}
	})
	for _, c := range []struct {
		to         ticket.Recipient
		want, mark string
	}{
		{ticket.Recipient{Role: ticket.RoleAgent, Queue: "hardware", Level: 2}, "hardware@example.org", ""},
		{ticket.Recipient{Role: ticket.RoleAgent, Queue: "hard ware", Level: 2}, "", "temporary"}, // the application can fix it
		{ticket.Recipient{Role: ticket.RoleAgent, Person: ticket.Person{ID: "lin"}}, "", "permanent"},
		{ticket.Recipient{Role: ticket.RoleRequester, Person: ticket.Person{Phone: "+49 30 1234"}}, "", "permanent"},
		{ticket.Recipient{Role: ticket.RoleRequester, Person: ticket.Person{Email: "ada@bücher.example"}}, "ada@xn--bcher-kva.example", ""},
		{ticket.Recipient{Role: ticket.RoleRequester, Person: ticket.Person{Email: `"a b"@example.org`}}, `a b@example.org`, ""},
		{ticket.Recipient{Role: ticket.RoleRequester, Person: ticket.Person{Email: "o'hara+x@example.org"}}, `o'hara+x@example.org`, ""},
		{ticket.Recipient{Role: ticket.RoleRequester, Person: ticket.Person{Email: "ädä@example.org"}}, "", "permanent"}, // no SMTPUTF8
		{ticket.Recipient{Role: ticket.RoleRequester, Person: ticket.Person{Email: "nobody"}}, "", "bounce"},
		{ticket.Recipient{Role: ticket.RoleRequester, Person: ticket.Person{Email: "a@example.org\r\nRCPT TO:<b@example.org>"}}, "", "bounce"},
		{ticket.Recipient{Role: ticket.RoleRequester, Person: ticket.Person{Email: "\"a\r\n b\"@example.org"}}, "", "bounce"},
		{ticket.Recipient{Role: ticket.RoleRequester, Person: ticket.Person{Email: "a@example.org, b@example.org"}}, "", "bounce"},
		{ticket.Recipient{Role: ticket.RoleRequester, Person: ticket.Person{Email: "Ada <a@example.org>"}}, "", "bounce"},
		{ticket.Recipient{Role: ticket.RoleRequester, Person: ticket.Person{Email: "<a@example.org>"}}, "", "bounce"},
		{ticket.Recipient{Role: ticket.RoleRequester, Person: ticket.Person{Email: "=?utf-8?q?ada?=@example.org>"}}, "", "bounce"},
		{ticket.Recipient{Role: ticket.RoleRequester, Person: ticket.Person{Email: "a@[127.0.0.1]"}}, "", "bounce"},
		{ticket.Recipient{Role: ticket.RoleRequester, Person: ticket.Person{Email: "a@127.0.0.1"}}, "", "bounce"},
		{ticket.Recipient{Role: ticket.RoleRequester, Person: ticket.Person{Email: "a@b c"}}, "", "bounce"},
		{ticket.Recipient{Role: ticket.RoleRequester, Person: ticket.Person{Email: strings.Repeat("x", 65) + "@example.org"}}, "", "bounce"},
		{ticket.Recipient{Role: ticket.RoleRequester, Person: ticket.Person{Email: "a@" + strings.Repeat("x", 64) + ".org"}}, "", "bounce"},
		{ticket.Recipient{Role: ticket.RoleRequester, Person: ticket.Person{Email: strings.Repeat("x@", 100_000)}}, "", "bounce"},
		{ticket.Recipient{Role: ticket.RoleSystem}, "", "permanent"},
	} {
		before := len(s.got())
		n := notification(ticket.KindCustomer, 1)
		n.To = c.to
		err := m.Notify(t.Context(), n)
		if c.mark == "" {
			require.NoError(t, err)
			require.Equal(t, c.want, s.got()[before].to)
			continue
		}
		require.Equal(t, c.mark, mark(err), "%.80v: %v", c.to, err)
		require.Len(t, s.got(), before)
		require.Less(t, len(err.Error()), 200)
	}
	t.Run("SMTPUTF8", func(t *testing.T) {
		s := start(t, func(s *server) { s.utf8 = true })
		m := s.notifier(nil)
		n := notification(ticket.KindReceived, 1)
		require.NoError(t, m.Notify(t.Context(), n))
		require.False(t, s.got()[0].utf8, "only where it must be")
		n.To.Person.Email = "ädä@bücher.example"
		require.NoError(t, m.Notify(t.Context(), n))
		require.True(t, s.got()[1].utf8)
		require.Equal(t, "ädä@xn--bcher-kva.example", s.got()[1].to)
		require.Contains(t, s.got()[1].data, "\r\nTo: \"Ada Byron\" <ädä@xn--bcher-kva.example>\r\n")
	})
}

// Text from people cannot add header lines.
func TestHeaderInjection(t *testing.T) {
	s := start(t, nil)
	m := s.notifier(func(cfg *mail.Config) { cfg.ReplyPlus = "support@example.org" })
	for _, evil := range []string{
		"Hi\r\nBcc: all@example.org\r\n\r\nbody", "Hi\nBcc: all@example.org", "Hi\rBcc: x", "Hi\u2028Bcc: x", "\x00\x1b[2J",
		"=?utf-8?q?=0D=0ABcc:_all@example.org?=", "=?utf-8?b?SGk=?= =?utf-8?b?SGk=?=", "\u202egnp.exe", strings.Repeat("ü", 5000), strings.Repeat("x", 5000),
		`"; <x@example.org>, "`, "Ada <x@example.org>", "a, b", "\\", `"`, "\xff\xfe", "📨📨",
	} {
		n := notification(ticket.KindReceived, 1)
		n.Subject, n.To.Person.Name, n.Writer, n.With, n.Message = evil, evil, evil, evil, ticket.Message(evil+"\r\n.\r\nMAIL FROM:<x@example.org>")
		before := len(s.got())
		require.NoError(t, m.Notify(t.Context(), n))
		got := s.got()
		require.Len(t, got, before+1)
		l := got[before]
		require.Equal(t, "ada@example.org", l.to)
		p := parse(t, l.data)
		var fields []string
		for f := p.header.Fields(); f.Next(); {
			fields = append(fields, f.Key())
		}
		slices.Sort(fields)
		require.Equal(t, []string{"Auto-Submitted", "Content-Language", "Content-Type", "Date", "From", "Message-Id", "Mime-Version",
			"References", "Reply-To", "Subject", "To", "X-Auto-Response-Suppress"}, fields)
		require.Equal(t, strings.TrimSpace("[7Q4K-92MX-F] "+letter.Line(evil, 150)), strings.ReplaceAll(p.subject(t), "[7Q4K-92MX-F] Request", "[7Q4K-92MX-F]"), "%q", evil)
		to, err := p.header.AddressList("To")
		require.NoError(t, err, "%.80q", evil)
		require.Len(t, to, 1)
		require.Equal(t, "ada@example.org", to[0].Address)
		head, _, _ := strings.Cut(l.data, "\r\n\r\n")
		for line := range strings.SplitSeq(head, "\r\n") {
			require.LessOrEqual(t, len(line), 300)
		}
	}
}

func TestReplyToAddress(t *testing.T) {
	s := start(t, nil)
	answer := "Desk-7@example.org"
	m := s.notifier(func(cfg *mail.Config) {
		cfg.From, cfg.Bounces, cfg.Domain = "Example Shop <no-reply@example.org>", "bounces@example.org", "id.example.org"
		cfg.ReplyTo = func(ticket.Notification) string { return answer }
	})
	n := notification(ticket.KindReceived, 1)
	require.NoError(t, m.Notify(t.Context(), n))
	l := s.got()[0]
	require.Equal(t, "bounces@example.org", l.from)
	p := parse(t, l.data)
	require.Equal(t, `"Example Shop" <Desk-7@example.org>`, p.header.Get("Reply-To"))
	require.Equal(t, []string{n.ID.String() + "@id.example.org"}, p.ids(t, "Message-Id"))

	answer = "x\r\nBcc: all@example.org"
	err := m.Notify(t.Context(), n)
	require.EqualError(t, err, "mail: the address that Config.ReplyTo returned has characters that an address cannot have")
	require.Equal(t, "temporary", mark(err))
	answer = ""
	require.NoError(t, m.Notify(t.Context(), n))
	p = parse(t, s.got()[1].data)
	require.Empty(t, p.header.Get("Reply-To"))
}

func TestNewRejectsFaultyConfigurations(t *testing.T) {
	good := mail.Config{Host: "smtp.example.org", From: "Example Shop <support@example.org>"}
	noReplyLetters, err := letter.New(letter.Config{NoReply: true})
	require.NoError(t, err)
	letters, err := letter.New(letter.Config{})
	require.NoError(t, err)
	for _, c := range []struct {
		name  string
		set   func(*mail.Config)
		field string // "" for none
	}{
		{"good", func(*mail.Config) {}, ""},
		{"no host", func(c *mail.Config) { c.Host = "" }, "mail.host"},
		{"host of two lines", func(c *mail.Config) { c.Host = "a\r\nb" }, "mail.host"},
		{"port", func(c *mail.Config) { c.Port = 70000 }, "mail.port"},
		{"host with a port", func(c *mail.Config) { c.Host = "smtp.example.org:2525" }, ""},
		{"the same port twice", func(c *mail.Config) { c.Host, c.Port = "smtp.example.org:2525", 2525 }, ""},
		{"two ports", func(c *mail.Config) { c.Host, c.Port = "smtp.example.org:2525", 25 }, "mail.host"},
		{"port 0 of the host", func(c *mail.Config) { c.Host = "smtp.example.org:0" }, "mail.host"},
		{"port of the host by name", func(c *mail.Config) { c.Host = "smtp.example.org:smtp" }, "mail.host"},
		{"large port of the host", func(c *mail.Config) { c.Host = "smtp.example.org:70000" }, "mail.host"},
		{"a port alone", func(c *mail.Config) { c.Host = ":25" }, "mail.host"},
		{"encryption", func(c *mail.Config) { c.Encryption = 9 }, "mail.encryption"},
		{"no from", func(c *mail.Config) { c.From = "" }, "mail.from"},
		{"from of two", func(c *mail.Config) { c.From = "a@example.org, b@example.org" }, "mail.from"},
		{"from of two lines", func(c *mail.Config) { c.From = "a@example.org\r\nBcc: b@example.org" }, "mail.from"},
		{"bounces", func(c *mail.Config) { c.Bounces = "x" }, "mail.bounces"},
		{"domain", func(c *mail.Config) { c.Domain = "x>y" }, "mail.domain"},
		{"hello", func(c *mail.Config) { c.Hello = "x\r\nMAIL" }, "mail.hello"},
		{"timeout", func(c *mail.Config) { c.Timeout = -1 }, "mail.timeout"},
		{"data timeout", func(c *mail.Config) { c.DataTimeout = -1 }, "mail.data_timeout"},
		{"attachment size", func(c *mail.Config) { c.MaxAttachmentBytes = -1 }, "mail.max_attachment_bytes"},
		{"connections", func(c *mail.Config) { c.Connections = -1 }, "mail.connections"},
		{"reuse", func(c *mail.Config) { c.Reuse = -1 }, "mail.reuse"},
		{"auth", func(c *mail.Config) { c.Auth = 99 }, "mail.auth"},
		{"no password", func(c *mail.Config) { c.Username = "x" }, "mail.password"},
		{"no username", func(c *mail.Config) { c.Auth, c.Password = mail.Login, "x" }, "mail.username"},
		{"username", func(c *mail.Config) { c.Username, c.Password = "a\x00b", "x" }, "mail.username"},
		{"password", func(c *mail.Config) { c.Username, c.Password = "a", "x\x00y" }, "mail.password"},
		{"no token", func(c *mail.Config) { c.Auth, c.Username = mail.XOAuth2, "x" }, "mail.token"},
		{"in the clear", func(c *mail.Config) { c.Encryption, c.Username, c.Password = mail.Unencrypted, "x", "y" }, "mail.auth"},
		{"unencrypted", func(c *mail.Config) { c.Encryption = mail.Unencrypted }, ""},
		{"plus", func(c *mail.Config) { c.ReplyPlus = "x" }, "mail.reply_plus"},
		{"plus that nobody reads", func(c *mail.Config) { c.ReplyPlus = "no-reply@example.org" }, "mail.reply_plus"},
		{"long plus", func(c *mail.Config) { c.ReplyPlus = strings.Repeat("x", 60) + "@example.org" }, "mail.reply_plus"},
		{"no-reply", func(c *mail.Config) { c.From = "no-reply@example.org" }, "mail.from"},
		{"noreply", func(c *mail.Config) { c.From = "Shop <NoReply@example.org>" }, "mail.from"},
		{"no_reply", func(c *mail.Config) { c.From = "shop.no_reply@example.org" }, "mail.from"},
		{"do-not-reply", func(c *mail.Config) { c.From = "do-not-reply@example.org" }, "mail.from"},
		{"donotreply", func(c *mail.Config) { c.From = "donotreply+x@example.org" }, "mail.from"},
		{"nicht-antworten", func(c *mail.Config) { c.From = "bitte-nicht-antworten@example.org" }, "mail.from"},
		{"keine-antwort", func(c *mail.Config) { c.From = "keine.antwort@example.org" }, "mail.from"},
		{"no-reply with plus", func(c *mail.Config) { c.From, c.ReplyPlus = "no-reply@example.org", "support@example.org" }, ""},
		{"no-reply allowed", func(c *mail.Config) { c.From, c.AllowNoReply = "no-reply@example.org", true }, ""},
		{"no-reply allowed, and letters that do not ask for replies", func(c *mail.Config) {
			c.From, c.AllowNoReply, c.Letters = "no-reply@example.org", true, noReplyLetters
		}, ""},
		{"no-reply allowed, but letters that ask for replies", func(c *mail.Config) { c.From, c.AllowNoReply, c.Letters = "no-reply@example.org", true, letters }, "mail.letters"},
		{"no reply in the domain", func(c *mail.Config) { c.From = "support@noreply.example.org" }, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := good
			c.set(&cfg)
			_, err := mail.New(cfg)
			if c.field == "" {
				require.NoError(t, err)
				return
			}
			fault, ok := errors.AsType[*ticket.InvalidError](err)
			require.True(t, ok, "%v", err)
			require.Equal(t, c.field, fault.Field)
			require.ErrorIs(t, err, ticket.ErrInvalid)
		})
	}
	t.Run("all faults at once", func(t *testing.T) {
		_, err := mail.New(mail.Config{Port: -1, Timeout: -1})
		for _, field := range []string{"mail.host", "mail.port", "mail.from", "mail.timeout"} {
			require.ErrorContains(t, err, field)
		}
	})
}

func TestHostMayHaveThePort(t *testing.T) {
	for host, server := range map[string]string{
		"smtp.example.org": "smtp.example.org:587", "smtp.example.org:2525": "smtp.example.org:2525", "[::1]:2525": "[::1]:2525", "::1": "[::1]:587",
	} {
		m, err := mail.New(mail.Config{Host: host, From: "support@example.org"})
		require.NoError(t, err)
		require.Equal(t, "mail from support@example.org by "+server, m.String())
	}
	s := start(t, nil)
	m := unencrypted(t, 0, func(cfg *mail.Config) { cfg.Host = s.addr })
	require.NoError(t, m.Notify(t.Context(), notification(ticket.KindReceived, 1)))
	require.Len(t, s.got(), 1)
}

// No way to print a configuration or a notifier shows its secrets.
func TestSecretsAreNeverPrinted(t *testing.T) {
	cfg := mail.Config{Host: "smtp.example.org", From: "support@example.org", Username: "desk", Password: "hunter2"}
	m, err := mail.New(cfg)
	require.NoError(t, err)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		require.NotContains(t, fmt.Sprintf(verb, cfg), "hunter2", verb)
		require.NotContains(t, fmt.Sprintf(verb, cfg), "68756e74657232", verb)
		require.Equal(t, "mail from support@example.org by smtp.example.org:587", fmt.Sprintf(verb, m))
		require.Equal(t, "mail from support@example.org by smtp.example.org:587", fmt.Sprintf(verb, any(m)))
	}
	b, err := json.Marshal(struct{ S, None mail.Secret }{S: "hunter2"})
	require.NoError(t, err)
	require.JSONEq(t, `{"S":"[hidden]","None":""}`, string(b))
}

func TestCheckRejectsKindsWithoutTemplates(t *testing.T) {
	m, err := mail.New(mail.Config{Host: "smtp.example.org", From: "support@example.org"})
	require.NoError(t, err)
	require.NoError(t, m.Check(ticket.Kinds(ticket.RoleCustomer|ticket.RoleAgent), ""))
	require.ErrorContains(t, m.Check([]ticket.Kind{ticket.KindEvent}, ""), "no stream of events")
	require.ErrorContains(t, m.Check([]ticket.Kind{"other"}, ""), `"other"`)
}

// Notifications reach the mailbox, and the outcome reaches the history.
func TestOutcomesReachTheHistory(t *testing.T) {
	s := start(t, nil)
	m := s.notifier(func(cfg *mail.Config) {
		cfg.Address = func(r ticket.Recipient) string { return "desk@example.org" }
	})
	clock := tickettest.NewClock()
	desk, err := ticket.NewDesk(memstore.New(), tickettest.Config(clock, m))
	require.NoError(t, err)
	lin := ticket.Agent("lin", 1)
	open := func(email string) ticket.Ticket {
		ticket, err := desk.Open(t.Context(), ticket.Requester(ticket.Person{Name: "Ada Byron", Email: email}),
			ticket.Draft{Subject: "Printer prints blank pages", Message: "Every second page."})
		require.NoError(t, err)
		return ticket
	}
	ada := open("ada@example.org")
	_, err = desk.Deliver(t.Context())
	require.NoError(t, err)
	clock.Advance(time.Minute)
	_, err = desk.Do(t.Context(), lin, ada.ID, ticket.Action{Name: ticket.ActionResolve, Message: "New fuser fitted."})
	require.NoError(t, err)
	_, err = desk.Deliver(t.Context())
	require.NoError(t, err)

	var toAda []parsed
	for _, l := range s.got() {
		if l.to == "ada@example.org" {
			toAda = append(toAda, parse(t, l.data))
		}
	}
	require.Len(t, toAda, 2)
	require.Contains(t, toAda[0].text, "We have received your request")
	require.Contains(t, toAda[1].text, "New fuser fitted.")
	require.Equal(t, toAda[0].ids(t, "Message-Id"), toAda[1].ids(t, "In-Reply-To"))
	require.Equal(t, toAda[0].ids(t, "References")[0], toAda[1].ids(t, "References")[0])
	require.Equal(t, toAda[0].subject(t), toAda[1].subject(t), "some clients thread by that alone")

	// A recipient that does not exist, a full mailbox, and a malformed address, which
	// only direct changes to a store can produce.
	s.refuseWith(func(step, what string) error {
		switch {
		case step == "rcpt" && what == "nobody@example.org":
			return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such user"}
		case step == "rcpt" && what == "full@example.org":
			return &smtp.SMTPError{Code: 552, EnhancedCode: smtp.EnhancedCode{5, 2, 2}, Message: "mailbox full"}
		case step == "data" && strings.Contains(what, "spam@example.org"):
			return &smtp.SMTPError{Code: 554, EnhancedCode: smtp.EnhancedCode{5, 6, 0}, Message: "spam"}
		}
		return nil
	})
	for _, c := range []struct {
		email string
		state ticket.DeliveryState
		said  string
	}{
		{"nobody@example.org", ticket.DeliveryBounced, "550 5.1.1 no such user"},
		{"full@example.org", ticket.DeliveryPending, "552 5.2.2 mailbox full"},
		{"spam@example.org", ticket.DeliveryDead, "554 5.6.0 spam"},
	} {
		about := open(c.email)
		_, err := desk.Deliver(t.Context())
		require.NoError(t, err)
		page, err := desk.Deliveries(t.Context(), ticket.System("test"), ticket.DeliveryQuery{Ticket: about.ID, Kind: []ticket.Kind{ticket.KindReceived}})
		require.NoError(t, err)
		require.Len(t, page.Deliveries, 1)
		require.Equal(t, c.state, page.Deliveries[0].State)
		require.Contains(t, page.Deliveries[0].LastError, c.said)
	}
}

func TestNumberOfReadsPlusAddresses(t *testing.T) {
	for _, c := range []struct {
		in, want string
	}{
		{"support+7Q4K92MXF@example.org", "7Q4K-92MX-F"},
		{"Example Shop <support+7q4k92mxf@example.org>", "7Q4K-92MX-F"},
		{"<support+7Q4K-92MX-F@EXAMPLE.ORG>", "7Q4K-92MX-F"},
		{"a+b+7Q4K92MXF@example.org", "7Q4K-92MX-F"},
		{`"support+7Q4K92MXF"@example.org`, "7Q4K-92MX-F"},
		{"support@example.org", ""},
		{"support+x@example.org", ""},
		{"support+7Q4K92MXG@example.org", ""},
		{"+7Q4K92MXF", ""},
		{"", ""},
		{"<", ""},
		{strings.Repeat("+", 2000) + "@", ""},
	} {
		got, err := mail.NumberOf(c.in)
		require.Equal(t, ticket.Number(c.want), got, "%.60s", c.in)
		if c.want == "" {
			require.ErrorIs(t, err, ticket.ErrMistyped)
		} else {
			require.NoError(t, err)
		}
	}
}

func FuzzNumberOf(f *testing.F) {
	f.Add("support+7Q4K92MXF@example.org")
	f.Add("Example Shop <support+7q4k 92mx f@example.org>")
	f.Fuzz(func(t *testing.T, s string) {
		n, err := mail.NumberOf(s)
		if err != nil {
			require.ErrorIs(t, err, ticket.ErrMistyped)
			require.Empty(t, n)
			return
		}
		again, err := mail.NumberOf("x+" + string(n) + "@example.org")
		require.NoError(t, err)
		require.Equal(t, n, again)
	})
}

// For any address and text, one letter is sent to one recipient, or none.
func FuzzMessage(f *testing.F) {
	f.Add("ada@example.org", "Ada", "Printer", "words")
	f.Add("a@example.org\r\nBcc: x", "a\r\nBcc: x", "s\r\nBcc: x", "\r\n.\r\n")
	f.Add(`"a b"@bücher.example`, `"<x@example.org>`, "=?utf-8?q?x?=", "--ticket-")
	m, err := mail.New(mail.Config{Host: "smtp.example.org", From: "support@example.org", ReplyPlus: "support@example.org"})
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, email, name, subject, words string) {
		n := notification(ticket.KindReceived, 1)
		n.To.Person.Email, n.To.Person.Name, n.Subject, n.Message = email, name, subject, ticket.Message(words)
		to, raw, err := m.Compose(n)
		if err != nil {
			require.NotEqual(t, "temporary", mark(err))
			return
		}
		require.NotContains(t, to, "\r")
		require.NotContains(t, to, "\n")
		require.True(t, strings.HasPrefix(to, "<") && strings.HasSuffix(to, ">"), to)
		e, err := message.Read(strings.NewReader(string(raw)))
		require.NoError(t, err)
		require.Empty(t, e.Header.Get("Bcc"))
		require.Equal(t, 12, e.Header.Len())
		parts := 0
		require.NoError(t, e.Walk(func([]int, *message.Entity, error) error { parts++; return nil }))
		require.Equal(t, 3, parts)
	})
}
