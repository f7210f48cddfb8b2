package mail_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/mail"
)

// received is a letter that the server accepted.
type received struct {
	from, to string
	utf8     bool
	data     string
	user     string // the user that signed in
	tls      bool
	hello    string
}

// server is an SMTP server on loopback.
type server struct {
	t         *testing.T
	addr      string
	mechs     []string
	implicit  bool
	plain     bool // without TLS
	utf8      bool
	refuse    func(step, what string) error // the error to reply with
	cert      tls.Certificate
	roots     *x509.CertPool
	mu        sync.Mutex
	srv       *smtp.Server
	conns     int
	passwords []string // and tokens, in order of arrival
	letters   []received
}

const (
	username = "desk"
	password = "correct horse battery"
)

// start calls change and then starts a server.
func start(t *testing.T, change func(*server)) *server {
	t.Helper()
	s := &server{t: t, addr: "127.0.0.1:0"}
	if change != nil {
		change(s)
	}
	s.cert, s.roots = certificate(t)
	s.listen()
	t.Cleanup(func() { s.stop() })
	return s
}

func (s *server) listen() {
	s.t.Helper()
	srv := smtp.NewServer(smtp.BackendFunc(s.session))
	srv.Domain = "mx.example.org"
	srv.AllowInsecureAuth = true
	srv.EnableSMTPUTF8 = s.utf8
	srv.ErrorLog = log.New(io.Discard, "", 0)
	if !s.plain && !s.implicit {
		srv.TLSConfig = &tls.Config{Certificates: []tls.Certificate{s.cert}, MinVersion: tls.VersionTLS12}
	}
	l, err := net.Listen("tcp", s.addr)
	require.NoError(s.t, err)
	s.addr = l.Addr().String()
	l = counting{l, s}
	if s.implicit {
		l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{s.cert}, MinVersion: tls.VersionTLS12})
	}
	s.mu.Lock()
	s.srv = srv
	s.mu.Unlock()
	go func() { _ = srv.Serve(l) }()
}

func (s *server) stop() {
	s.mu.Lock()
	srv := s.srv
	s.mu.Unlock()
	_ = srv.Close()
}

func (s *server) session(c *smtp.Conn) (smtp.Session, error) {
	return &session{s: s, c: c}, nil
}

// counting is a listener that counts connections.
type counting struct {
	net.Listener
	s *server
}

func (l counting) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		l.s.mu.Lock()
		l.s.conns++
		l.s.mu.Unlock()
	}
	return c, err
}

func (s *server) got() []received {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]received(nil), s.letters...)
}

func (s *server) connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conns
}

func (s *server) asked(step, what string) error {
	s.mu.Lock()
	refuse := s.refuse
	s.mu.Unlock()
	if refuse == nil {
		return nil
	}
	return refuse(step, what)
}

func (s *server) refuseWith(f func(step, what string) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse = f
}

// config returns the configuration to send through this server.
func (s *server) config() mail.Config {
	host, port, err := net.SplitHostPort(s.addr)
	require.NoError(s.t, err)
	p, err := net.LookupPort("tcp", port)
	require.NoError(s.t, err)
	cfg := mail.Config{
		Host: host, Port: p, From: "Example Shop <support@example.org>", Hello: "app.example.org", Timeout: 10 * time.Second, Letters: words(s.t),
		TLS: &tls.Config{RootCAs: s.roots, MinVersion: tls.VersionTLS12},
	}
	switch {
	case s.plain:
		cfg.Encryption = mail.Unencrypted
	case s.implicit:
		cfg.Encryption = mail.ImplicitTLS
	}
	return cfg
}

func (s *server) notifier(change func(*mail.Config)) *mail.Notifier {
	s.t.Helper()
	cfg := s.config()
	if change != nil {
		change(&cfg)
	}
	m, err := mail.New(cfg)
	require.NoError(s.t, err)
	s.t.Cleanup(func() { m.Close(context.WithoutCancel(s.t.Context())) })
	return m
}

type session struct {
	s *server
	c *smtp.Conn
	l received
}

func (s *session) Reset()                   { s.l = received{user: s.l.user} }
func (s *session) Logout() error            { return nil }
func (s *session) AuthMechanisms() []string { return s.s.mechs }

func (s *session) Auth(mech string) (sasl.Server, error) {
	check := func(user, secret string) error {
		s.s.mu.Lock()
		s.s.passwords = append(s.s.passwords, secret)
		s.s.mu.Unlock()
		if err := s.s.asked("auth", secret); err != nil {
			return err
		}
		if user != username || secret != password {
			return errors.New("no")
		}
		s.l.user = user
		return nil
	}
	switch mech {
	case sasl.Plain:
		return sasl.NewPlainServer(func(_, user, secret string) error { return check(user, secret) }), nil
	case sasl.Login:
		return &loginServer{check: check}, nil
	case "XOAUTH2":
		return xoauth2Server(check), nil
	}
	return nil, smtp.ErrAuthUnknownMechanism
}

func (s *session) Mail(from string, opts *smtp.MailOptions) error {
	s.l.from, s.l.utf8, s.l.hello = from, opts.UTF8, s.c.Hostname()
	_, s.l.tls = s.c.TLSConnectionState()
	return s.s.asked("mail", from)
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.l.to = to
	return s.s.asked("rcpt", to)
}

func (s *session) Data(r io.Reader) error {
	b, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.l.data = string(b)
	if err := s.s.asked("data", s.l.data); err != nil {
		return err
	}
	s.s.mu.Lock()
	defer s.s.mu.Unlock()
	s.s.letters = append(s.s.letters, s.l)
	return nil
}

// loginServer implements the server side of LOGIN.
type loginServer struct {
	check func(user, secret string) error
	user  string
	step  int
}

func (l *loginServer) Next(response []byte) (challenge []byte, done bool, err error) {
	l.step++
	switch l.step {
	case 1:
		return []byte("Username:"), false, nil
	case 2:
		l.user = string(response)
		return []byte("Password:"), false, nil
	default:
		return nil, true, l.check(l.user, string(response))
	}
}

// xoauth2Server implements the server side of XOAUTH2.
type xoauth2Server func(user, secret string) error

func (check xoauth2Server) Next(response []byte) (challenge []byte, done bool, err error) {
	var user, token string
	for part := range strings.SplitSeq(string(response), "\x01") {
		if v, ok := strings.CutPrefix(part, "user="); ok {
			user = v
		}
		if v, ok := strings.CutPrefix(part, "auth=Bearer "); ok {
			token = v
		}
	}
	return nil, true, check(user, token)
}

// certificate makes a certificate for loopback, and a pool that trusts it.
func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	tpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.ParseIP("127.0.0.1")}, DNSNames: []string{"localhost"},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, tpl, tpl, &key.PublicKey, key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// script starts a server that runs talk on each connection until the client hangs up.
// It returns the port.
func script(t *testing.T, talk func(c net.Conn, line func() string)) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var wg sync.WaitGroup
	t.Cleanup(func() { _ = l.Close(); wg.Wait() })
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer func() { _ = c.Close() }()
				in := bufio.NewReader(c)
				talk(c, func() string {
					s, err := in.ReadString('\n')
					if err != nil {
						runtime.Goexit() // the client has hung up
					}
					return strings.TrimRight(s, "\r\n")
				})
			})
		}
	})
	return l.Addr().(*net.TCPAddr).Port
}

// notification returns a notification to Ada. Its ID depends on seq.
func notification(k ticket.Kind, seq int) ticket.Notification {
	at := time.Date(2026, 7, 2, 9, 4, 5, 0, time.UTC).Add(time.Duration(seq) * time.Minute)
	return ticket.Notification{
		ID: ticket.ID{0: 1, 15: byte(seq)}, Kind: k, Attempt: 1,
		Ticket: ticket.ID{0: 1, 1: 1}, Number: "7Q4K-92MX-F", Seq: int64(seq), At: at,
		Subject: "Printer prints blank pages", Message: "Since this morning, every second page.",
		To:   ticket.Recipient{Role: ticket.RoleRequester, Person: ticket.Person{Name: "Ada Byron", Email: "ada@example.org", Locale: "en"}},
		Zone: time.UTC, StatusLink: "https://help.example.org/t/abc",
	}
}
