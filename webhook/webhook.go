package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/ticketkit/ticket"
)

// Config configures a [Notifier]. URL and Secrets, or Endpoint, are required. All
// other fields have defaults.
type Config struct {
	// URL is the address to post notifications to.
	URL string
	// Secrets sign the notifications, each with a signature of its own. Put the
	// current secret first, and after it the previous one for as long as receivers
	// may still use it.
	Secrets []string
	// Endpoint returns the endpoint of a notification, for applications with several
	// endpoints, and replaces URL and Secrets. It is called at every attempt. If it
	// returns an Endpoint without a URL, the notification is not sent and counts as
	// delivered. If it returns an error, the notification is tried again later.
	Endpoint func(ctx context.Context, n ticket.Notification) (Endpoint, error)

	// Timeout bounds one attempt, from looking up the name to the answer's
	// status. Default: 15 seconds.
	Timeout time.Duration
	// MaxResponse limits how many bytes of an answer's body are read. Default: 16
	// KiB.
	MaxResponse int64

	// AllowHTTP also accepts URLs with http, which is not encrypted.
	AllowHTTP bool
	// AllowPrivate allows connections to all addresses, not only to public ones; see
	// [PublicOnly].
	AllowPrivate bool
	// Transport makes the requests. It decides which addresses it connects to,
	// through which proxy and with which certificates. Redirects are not followed
	// with it either. Nil: a transport that applies PublicOnly and uses no proxy.
	Transport http.RoundTripper

	// Now is the clock. Nil: [time.Now].
	Now func() time.Time
}

// Endpoint is a receiver of webhooks.
type Endpoint struct {
	URL     string
	Secrets []string // of this endpoint only; see Config.Secrets
}

// ConfigError says what is wrong with a configuration, or with an [Endpoint].
type ConfigError struct {
	Field  string
	Reason string // what is wrong and what would be right
}

func (e *ConfigError) Error() string { return "webhook: " + e.Field + " " + e.Reason }

// Payload is the body of a webhook.
type Payload struct {
	// Type is "ticket." and the kind of the notification, with "_" in place of
	// blanks, such as "ticket.handed_on".
	Type string `json:"type"`
	// Timestamp is the time of the event. The header has the time of the attempt.
	Timestamp time.Time `json:"timestamp"`
	// Data is the notification. Its StatusLink and Zone are not sent.
	Data ticket.Notification `json:"data"`
}

// Type returns the Type of a [Payload] for a kind.
func Type(k ticket.Kind) string { return "ticket." + strings.ReplaceAll(string(k), " ", "_") }

const userAgent = "ticketkit-webhook/1"

// Notifier is a [ticket.Notifier] that sends webhooks. Make one with [New].
type Notifier struct {
	cfg    Config
	fixed  *target // set if Config.Endpoint is nil
	client *http.Client
}

// target is a checked endpoint.
type target struct {
	url  *url.URL
	name string // for errors
	keys [][]byte
}

// New returns a notifier. It returns a [*ConfigError] or a [*SecretError], or an
// [*AddressError] if the URL has an IP address that is not public.
func New(cfg Config) (*Notifier, error) {
	switch {
	case cfg.Timeout < 0:
		return nil, &ConfigError{"timeout", "must not be negative"}
	case cfg.MaxResponse < 0:
		return nil, &ConfigError{"max_response", "must not be negative"}
	case cfg.Endpoint != nil && (cfg.URL != "" || cfg.Secrets != nil):
		return nil, &ConfigError{"endpoint", "replaces url and secrets: set one or the other"}
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 15 * time.Second
	}
	if cfg.MaxResponse == 0 {
		cfg.MaxResponse = 16 << 10
	}
	if cfg.Now == nil {
		cfg.Now = time.Now //nolint:forbidigo // the one default of the one clock
	}
	n := &Notifier{cfg: cfg}
	if cfg.Endpoint == nil {
		t, err := n.target(Endpoint{URL: cfg.URL, Secrets: cfg.Secrets})
		if err != nil {
			return nil, err
		}
		n.fixed = t
	}
	if cfg.Transport == nil {
		cfg.Transport = transport(control(cfg.AllowPrivate), nil)
	}
	n.client = &http.Client{
		Transport: cfg.Transport,
		// The specification advises against redirects, and each would have to be
		// checked like the first address.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return n, nil
}

// control returns the check that a dialer makes before it connects.
func control(allowPrivate bool) func(string, string, syscall.RawConn) error {
	if allowPrivate {
		return nil
	}
	return PublicOnly
}

// transport returns a transport that calls ask before it connects. A nil resolver is
// the system's.
func transport(ask func(string, string, syscall.RawConn) error, r *net.Resolver) *http.Transport {
	d := &net.Dialer{Timeout: 10 * time.Second, Control: ask, Resolver: r}
	return &http.Transport{
		DialContext:            d.DialContext,
		ForceAttemptHTTP2:      true,
		TLSHandshakeTimeout:    10 * time.Second,
		MaxIdleConns:           256,
		MaxIdleConnsPerHost:    32, // the relay's batch
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		DisableCompression:     true, // decompressing an answer is not worthwhile
	}
}

// target checks an endpoint.
func (n *Notifier) target(e Endpoint) (*target, error) {
	const longest = 2048
	bad := func(reason string) (*target, error) { return nil, &ConfigError{"url", reason} }
	if e.URL == "" {
		return bad("is missing")
	}
	if len(e.URL) > longest {
		return bad("is too long: at most 2048 bytes are taken")
	}
	// The parser's error repeats the URL, so it is not passed on.
	u, err := url.Parse(e.URL)
	if err != nil || u.Opaque != "" || u.Hostname() == "" {
		return bad(`is not a URL: it must be like "https://hooks.example.org/tickets"`)
	}
	switch {
	case u.Scheme != "https" && u.Scheme != "http":
		return bad("must begin with https://")
	case u.Scheme == "http" && !n.cfg.AllowHTTP:
		return bad("must begin with https://, unless AllowHTTP is set")
	case u.User != nil:
		return bad("must not have a user name: the signature identifies the sender")
	case u.Fragment != "":
		return bad("must not have a fragment, which is never sent to a server")
	}
	if p := u.Port(); p != "" {
		if port, err := strconv.ParseUint(p, 10, 16); err != nil || port == 0 {
			return bad("must have a port from 1 to 65535, or none")
		}
	}
	if a, err := netip.ParseAddr(u.Hostname()); err == nil && !n.cfg.AllowPrivate && n.cfg.Transport == nil {
		if err := checkAddr(a); err != nil {
			return nil, err // report it now, although connecting would fail as well
		}
	}
	keys, err := parseSecrets(e.Secrets)
	if err != nil {
		return nil, err
	}
	return &target{url: u, name: u.Scheme + "://" + u.Host, keys: keys}, nil
}

// Limits implements [ticket.LimitedNotifier]. An attempt may take Config.Timeout,
// and 15 seconds to find its endpoint.
func (n *Notifier) Limits() (concurrency int, timeout time.Duration) {
	return 0, n.cfg.Timeout + 15*time.Second
}

// Notify implements [ticket.Notifier]. It posts the notification once. The package
// comment says what each answer means. A failed attempt returns an [*Error]. An
// invalid [Endpoint] returns a permanent error.
func (n *Notifier) Notify(ctx context.Context, m ticket.Notification) error {
	to := n.fixed
	if to == nil {
		e, err := n.cfg.Endpoint(ctx, m)
		if err != nil || e.URL == "" {
			return err
		}
		if to, err = n.target(e); err != nil {
			return &ticket.DeliveryFault{Err: err, Permanent: true}
		}
	}
	body, err := json.Marshal(Payload{Type: Type(m.Kind), Timestamp: m.At, Data: m})
	if err != nil {
		return &ticket.DeliveryFault{Err: err, Permanent: true}
	}
	// Reading cancels the request's context if an answer has no end. The deadline
	// stays the same.
	ctx, cancel := context.WithTimeout(ctx, n.cfg.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to.url.String(), bytes.NewReader(body))
	if err != nil {
		return &ticket.DeliveryFault{Err: unanswered(to.name, err), Permanent: true}
	}
	id, stamp := m.ID.String(), strconv.FormatInt(n.cfg.Now().Unix(), 10)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", userAgent)
	req.Header.Set(HeaderID, id)
	req.Header.Set(HeaderTimestamp, stamp)
	req.Header.Set(HeaderSignature, sign(to.keys, id, stamp, body))

	answer, err := n.client.Do(req)
	if err != nil {
		return unanswered(to.name, err)
	}
	defer func() { _ = answer.Body.Close() }()
	return judge(to.name, answer, read(answer, n.cfg.MaxResponse, cancel), n.cfg.Now())
}
