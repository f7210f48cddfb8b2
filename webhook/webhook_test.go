package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/memstore"
	"github.com/ticketkit/ticket/tickettest"
)

func itoa(n int) string { return strconv.Itoa(n) }

// mustID parses an ID and panics if it is invalid.
func mustID(s string) ticket.ID {
	id, err := ticket.ParseID(s)
	if err != nil {
		panic(err)
	}
	return id
}

var sample = ticket.Notification{
	ID: mustID("01KE5Z6ZG0000000000000000G"), Kind: ticket.KindHanded, Attempt: 1,
	To:     ticket.Recipient{Role: ticket.RoleRequester, Person: ticket.Person{Name: "Ada Byron", Email: "ada@example.org"}},
	Ticket: mustID("01KE5Z6ZG0000000000000000F"), Number: "7Q4K-92MX-F", Seq: 2,
	At: time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC), Subject: "Printer <prints> blank pages",
	StatusLink: "https://help.example.org/t/token",
}

// hook returns a notifier for a server on loopback.
func hook(t *testing.T, h http.HandlerFunc, change func(*Config)) *Notifier {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	cfg := Config{URL: srv.URL + "/in?key=hidden", Secrets: []string{specSecret}, AllowHTTP: true, AllowPrivate: true}
	if change != nil {
		change(&cfg)
	}
	n, err := New(cfg)
	require.NoError(t, err)
	t.Cleanup(n.client.CloseIdleConnections)
	return n
}

func TestNotify(t *testing.T) {
	now := time.Date(2026, 1, 5, 9, 0, 7, 0, time.UTC)
	var got []*http.Request
	var bodies []string
	n := hook(t, func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got, bodies = append(got, r), append(bodies, string(b))
	}, func(c *Config) {
		c.Secrets = []string{otherSecret, specSecret}
		c.Now = func() time.Time { return now }
	})
	require.NoError(t, n.Notify(t.Context(), sample))
	r, body := got[0], bodies[0]
	require.Equal(t, http.MethodPost, r.Method)
	require.Equal(t, "/in?key=hidden", r.RequestURI)
	require.Equal(t, "application/json", r.Header.Get("Content-Type"))
	require.Equal(t, "01KE5Z6ZG0000000000000000G", r.Header.Get("webhook-id"))
	require.Equal(t, itoa(int(now.Unix())), r.Header.Get("webhook-timestamp"))
	require.Len(t, strings.Split(r.Header.Get("webhook-signature"), " "), 2)
	require.NotContains(t, r.Header, "Accept-Encoding")
	for _, secret := range []string{specSecret, otherSecret} {
		require.NoError(t, Verify([]string{secret}, r.Header, []byte(body), now), "either secret will do")
	}
	require.JSONEq(t, `{"type": "ticket.handed_on", "timestamp": "2026-01-05T09:00:00Z", "data": {
		"id": "01KE5Z6ZG0000000000000000G", "kind": "handed on", "attempt": 1,
		"to": {"role": "requester", "person": {"name": "Ada Byron", "email": "ada@example.org"}},
		"ticket": "01KE5Z6ZG0000000000000000F", "number": "7Q4K-92MX-F", "seq": 2,
		"at": "2026-01-05T09:00:00Z", "subject": "Printer <prints> blank pages", "phase": ""}}`, body)
	require.NotContains(t, body, "token")

	// A repeat has the same ID, and the time of its own attempt.
	now = now.Add(time.Hour)
	again := sample
	again.Attempt = 2
	require.NoError(t, n.Notify(t.Context(), again))
	require.Equal(t, got[0].Header.Get(HeaderID), got[1].Header.Get(HeaderID))
	require.Equal(t, itoa(int(now.Unix())), got[1].Header.Get(HeaderTimestamp))
	require.NoError(t, Verify([]string{specSecret}, got[1].Header, []byte(bodies[1]), now))
}

// Each answer leads to an outcome and a wait.
func TestAnswers(t *testing.T) {
	clock := tickettest.NewClock()
	for _, tc := range []struct {
		status  int
		header  string // "Name: value"
		body    string
		state   ticket.DeliveryState
		wait    time.Duration // at least; zero means the relay's own
		message string
	}{
		{status: 200, state: ticket.DeliverySent},
		{status: 204, state: ticket.DeliverySent},
		{status: 299, state: ticket.DeliverySent, header: "Retry-After: 60"},
		{status: 410, state: ticket.DeliveryDead, message: "answered 410: the endpoint is gone"},
		{status: 410, state: ticket.DeliveryDead, header: "Retry-After: 60"},
		{status: 429, state: ticket.DeliveryPending, header: "Retry-After: 3600", wait: time.Hour},
		{status: 429, state: ticket.DeliveryPending},
		{status: 503, state: ticket.DeliveryPending, header: "Retry-After: " + clock.Now().Add(2*time.Hour).Format(http.TimeFormat), wait: 2 * time.Hour},
		{status: 500, state: ticket.DeliveryPending, header: "Retry-After: 864000", wait: 24 * time.Hour},
		{status: 500, state: ticket.DeliveryPending, header: "Retry-After: nonsense", message: "answered 500 Internal Server Error"},
		{status: 400, state: ticket.DeliveryPending, body: "unknown type", message: `answered 400 Bad Request ("unknown type")`},
		{status: 401, state: ticket.DeliveryPending},
		{status: 404, state: ticket.DeliveryPending},
		{status: 304, state: ticket.DeliveryPending},
		{status: 302, state: ticket.DeliveryPending, header: "Location: /elsewhere", message: "redirects are not followed"},
		{status: 307, state: ticket.DeliveryPending, header: "Location: http://169.254.169.254/", message: "redirects are not followed"},
		{status: 301, state: ticket.DeliveryPending, header: "Location: ::bad url::"},
	} {
		t.Run(fmt.Sprint(tc.status, tc.header), func(t *testing.T) {
			var calls int
			n := hook(t, func(w http.ResponseWriter, _ *http.Request) {
				calls++
				if name, value, ok := strings.Cut(tc.header, ": "); ok {
					w.Header().Set(name, value)
				}
				w.Header().Set("Content-Type", "text/plain")
				w.WriteHeader(tc.status)
				if tc.body != "" {
					_, _ = io.WriteString(w, tc.body)
				}
			}, func(c *Config) { c.Now = clock.Now })
			var settled []ticket.Settlement
			cfg := tickettest.Config(clock, n)
			cfg.Relay.Observe = func(_ context.Context, _ ticket.Delivery, s ticket.Settlement) { settled = append(settled, s) }
			desk, err := ticket.NewDesk(memstore.New(), cfg)
			require.NoError(t, err)
			_, err = desk.Open(t.Context(), ticket.Agent("lin", 1), ticket.Draft{
				Requester: ticket.Person{Email: "ada@example.org"}, Subject: "x", Queue: "q", Solution: "y",
			})
			require.NoError(t, err)
			_, err = desk.Deliver(t.Context())
			require.NoError(t, err)
			require.NotEmpty(t, settled)
			s := settled[0]
			require.Equal(t, tc.state, s.State)
			require.Equal(t, len(settled), calls, "one request for each attempt")
			if tc.wait > 0 {
				require.False(t, s.Due.Before(clock.Now().Add(tc.wait)), s.Due)
			} else if tc.state == ticket.DeliveryPending {
				require.True(t, s.Due.Before(clock.Now().Add(time.Minute)), s.Due)
			}
			require.Contains(t, s.Error, tc.message)
			require.NotContains(t, s.Error, "hidden")
			require.NotContains(t, s.Error, "/in")
		})
	}
}

func TestHostileAnswers(t *testing.T) {
	const timeout = 200 * time.Millisecond
	hijacked := func(f func(c net.Conn)) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			c, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				f(c)
				_ = c.Close()
			}
		}
	}
	endless := func(w io.Writer, b []byte, pause time.Duration) {
		for range 5000 {
			if _, err := w.Write(b); err != nil {
				return
			}
			time.Sleep(pause)
		}
	}
	const ok, bad = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n", "HTTP/1.1 500 Oh\r\nContent-Type: text/plain\r\n\r\n"
	for _, tc := range []struct {
		name   string
		serve  http.HandlerFunc
		sent   bool
		status int
		cause  error
		class  string
	}{
		{name: "a body without end after 200", sent: true, serve: hijacked(func(c net.Conn) {
			_, _ = io.WriteString(c, ok)
			endless(c, bytes.Repeat([]byte("x"), 1<<14), 0)
		})},
		{name: "a body that drips after 200", sent: true, serve: hijacked(func(c net.Conn) {
			_, _ = io.WriteString(c, ok)
			endless(c, []byte("x"), 10*time.Millisecond)
		})},
		{name: "a body without end after 500", status: 500, class: "500", serve: hijacked(func(c net.Conn) {
			_, _ = io.WriteString(c, bad)
			endless(c, bytes.Repeat([]byte("x"), 1<<14), 0)
		})},
		{name: "a body that drips after 500", status: 500, class: "500", serve: hijacked(func(c net.Conn) {
			_, _ = io.WriteString(c, bad)
			endless(c, []byte("x"), 10*time.Millisecond)
		})},
		{name: "a body that breaks off", sent: true, serve: hijacked(func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nab")
		})},
		{name: "headers that drip", cause: context.DeadlineExceeded, class: "timeout", serve: hijacked(func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n")
			endless(c, []byte("X: y\r\n"), 10*time.Millisecond)
		})},
		{name: "headers without end", serve: hijacked(func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n")
			endless(c, []byte("X: "+strings.Repeat("y", 1<<14)+"\r\n"), 0)
		})},
		{name: "informational answers without end", serve: hijacked(func(c net.Conn) {
			endless(c, []byte("HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n"), 0)
		})},
		{name: "silence", cause: context.DeadlineExceeded, class: "timeout", serve: hijacked(func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })},
		{name: "a hang-up", class: "connection", serve: hijacked(func(net.Conn) {})},
		{name: "no HTTP", serve: hijacked(func(c net.Conn) {
			_, _ = io.WriteString(c, "220 mail.example.org \x1b[31m"+strings.Repeat("z", 5000)+"\r\n\r\n")
		})},
		{name: "packed", status: 500, class: "500", serve: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			w.WriteHeader(500)
			_, _ = w.Write([]byte{0x1f, 0x8b, 8, 0})
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			n := hook(t, tc.serve, func(c *Config) {
				c.Timeout, c.MaxResponse = timeout, 1<<12
				if tc.sent || tc.status != 0 {
					c.Timeout = 10 * time.Second // only the body is cut off
				}
			})
			began := time.Now()
			err := n.Notify(t.Context(), sample)
			require.Less(t, time.Since(began), 3*time.Second)
			if tc.sent {
				require.NoError(t, err)
				return
			}
			var e *Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, tc.status, e.Status)
			if tc.class != "" {
				require.Equal(t, tc.class, e.ErrorType())
			}
			if tc.cause != nil {
				require.ErrorIs(t, err, tc.cause)
			}
			require.Less(t, len(err.Error()), 350)
			require.NotContains(t, err.Error(), "\x1b")
			require.NotContains(t, err.Error(), "hidden")
		})
	}
}

func classOf(t *testing.T, err error) string {
	t.Helper()
	var e *Error
	require.ErrorAs(t, err, &e)
	return e.ErrorType()
}

// The caller's deadline also ends the attempt.
func TestContext(t *testing.T) {
	begun := make(chan struct{})
	n := hook(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // so that the server notices the hang-up
		close(begun)
		<-r.Context().Done()
	}, nil)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-begun; cancel() }()
	err := n.Notify(ctx, sample)
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, "canceled", classOf(t, err))
}

func TestTLS(t *testing.T) {
	var mu sync.Mutex
	var proto []string
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		proto = append(proto, r.Proto)
	}))
	srv.EnableHTTP2 = true
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	defer srv.Close()
	cfg := Config{URL: srv.URL, Secrets: []string{specSecret}, AllowPrivate: true}
	n, err := New(cfg)
	require.NoError(t, err)
	err = n.Notify(t.Context(), sample)
	require.ErrorContains(t, err, "certificate", "unknown authorities are not trusted")
	require.Equal(t, "certificate", classOf(t, err))
	cfg.Transport = srv.Client().Transport // the application's
	n, err = New(cfg)
	require.NoError(t, err)
	require.NoError(t, n.Notify(t.Context(), sample))
	require.Equal(t, []string{"HTTP/2.0"}, proto)
}

// A proxy from the environment would resolve names by itself, past PublicOnly.
func TestNoProxyFromEnvironment(t *testing.T) {
	require.Nil(t, transport(PublicOnly, nil).Proxy)
}

func TestEndpoint(t *testing.T) {
	var got []string
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = append(got, r.URL.Path) }))
	defer srv.Close()
	later := errors.New("the database is down")
	n, err := New(Config{AllowHTTP: true, AllowPrivate: true, Endpoint: func(_ context.Context, n ticket.Notification) (Endpoint, error) {
		switch n.Tenant {
		case "none":
			return Endpoint{}, nil
		case "down":
			return Endpoint{}, later
		case "ftp":
			return Endpoint{URL: "ftp://example.org", Secrets: []string{specSecret}}, nil
		case "unsigned":
			return Endpoint{URL: srv.URL}, nil
		}
		return Endpoint{URL: srv.URL + "/" + n.Tenant, Secrets: []string{specSecret}}, nil
	}})
	require.NoError(t, err)
	send := func(tenant string) error {
		m := sample
		m.Tenant = tenant
		return n.Notify(t.Context(), m)
	}
	require.NoError(t, send("a"))
	require.NoError(t, send("b"))
	require.NoError(t, send("none"), "nobody to tell")
	require.Equal(t, []string{"/a", "/b"}, got)
	require.ErrorIs(t, send("down"), later)
	var c *ConfigError
	require.ErrorAs(t, send("ftp"), &c)
	var s *SecretError
	require.ErrorAs(t, send("unsigned"), &s)
}

func TestNewRefuses(t *testing.T) {
	secrets := []string{specSecret}
	with := func(u string) Config { return Config{URL: u, Secrets: secrets} }
	for _, tc := range []struct {
		cfg  Config
		want string
	}{
		{Config{}, "webhook: url is missing"},
		{Config{URL: "https://example.org"}, "webhook: secret 0 is missing: at least one is needed"},
		{Config{URL: "https://example.org", Secrets: []string{specSecret, "x"}}, `webhook: secret 1 must be "whsec_" and 24 to 64 bytes in base64`},
		{with("example.org"), `webhook: url is not a URL: it must be like "https://hooks.example.org/tickets"`},
		{with("https:example.org"), `webhook: url is not a URL: it must be like "https://hooks.example.org/tickets"`},
		{with("https://"), `webhook: url is not a URL: it must be like "https://hooks.example.org/tickets"`},
		{with("https://:443/"), `webhook: url is not a URL: it must be like "https://hooks.example.org/tickets"`},
		{with("https://example.org/\nX: y"), `webhook: url is not a URL: it must be like "https://hooks.example.org/tickets"`},
		{with("https://example.org:x/"), `webhook: url is not a URL: it must be like "https://hooks.example.org/tickets"`},
		{with("https://[::1"), `webhook: url is not a URL: it must be like "https://hooks.example.org/tickets"`},
		{with("file:///etc/passwd"), `webhook: url is not a URL: it must be like "https://hooks.example.org/tickets"`},
		{with("gopher://example.org"), "webhook: url must begin with https://"},
		{with("unix://run/docker.sock"), "webhook: url must begin with https://"},
		{with("http://example.org"), "webhook: url must begin with https://, unless AllowHTTP is set"},
		{with("https://ada:secret@example.org"), "webhook: url must not have a user name: the signature identifies the sender"},
		{with("https://example.org#x"), "webhook: url must not have a fragment, which is never sent to a server"},
		{with("https://example.org:0"), "webhook: url must have a port from 1 to 65535, or none"},
		{with("https://example.org:70000"), "webhook: url must have a port from 1 to 65535, or none"},
		{with("https://example.org/" + strings.Repeat("x", 2048)), "webhook: url is too long: at most 2048 bytes are taken"},
		{with("https://169.254.169.254/latest"), "webhook: not connected to 169.254.169.254: the address is a cloud's metadata service; only public ones are, unless AllowPrivate is set"},
		{with("https://[::ffff:127.0.0.1]/"), "webhook: not connected to ::ffff:127.0.0.1: the address is the machine itself; only public ones are, unless AllowPrivate is set"},
		{Config{URL: "https://example.org", Secrets: secrets, Timeout: -1}, "webhook: timeout must not be negative"},
		{Config{URL: "https://example.org", Secrets: secrets, MaxResponse: -1}, "webhook: max_response must not be negative"},
		{Config{URL: "https://example.org", Endpoint: func(context.Context, ticket.Notification) (Endpoint, error) { return Endpoint{}, nil }},
			"webhook: endpoint replaces url and secrets: set one or the other"},
	} {
		_, err := New(tc.cfg)
		require.EqualError(t, err, tc.want, tc.cfg.URL)
	}
	for _, u := range []string{"https://example.org", "https://example.org:8443/a?b=c", "https://[2606:4700::1]/", "HTTPS://EXAMPLE.ORG"} {
		_, err := New(with(u))
		require.NoError(t, err, u)
	}
}

func FuzzURL(f *testing.F) {
	for _, s := range []string{"https://example.org", "http://a@b", "https://[::1%25eth0]:1/", "//x", "https://127.1", "https://a\x00b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, u string) {
		n, err := New(Config{URL: u, Secrets: []string{specSecret}})
		if err != nil {
			require.Less(t, len(err.Error()), 300)
			return
		}
		require.Equal(t, "https", n.fixed.url.Scheme)
		require.Nil(t, n.fixed.url.User)
		require.NotEmpty(t, n.fixed.url.Hostname())
	})
}

// A payload survives a round trip, except the fields that are not sent.
func TestPayload(t *testing.T) {
	b, err := json.Marshal(Payload{Type: Type(sample.Kind), Timestamp: sample.At, Data: sample})
	require.NoError(t, err)
	var p Payload
	require.NoError(t, json.Unmarshal(b, &p))
	want := sample
	want.StatusLink = ""
	require.Equal(t, want, p.Data)
}
