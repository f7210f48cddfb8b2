package rest

import (
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/ticketkit/ticket"
)

// Config configures a [Handler]. Actor is required. All other fields have defaults.
type Config struct {
	// Actor says who makes a request, for example by its session or its token. An error is
	// answered with 401, or with 503 if it wraps [ErrUnavailable]; its text is logged and not
	// sent. The zero Actor is nobody: 401, as for package web, which takes the same functions. For the token of a status link, return [ticket.StatusLinkHolder].
	Actor func(*http.Request) (ticket.Actor, error)

	// Challenge is the header WWW-Authenticate of an answer with 401. Empty means "Bearer".
	Challenge string

	// Prefix is the path at which the handler is mounted, such as "/api". It is needed only
	// with routers that neither remove it from the request's path nor set its Pattern, as
	// [http.ServeMux] does.
	Prefix string

	// RequireMatch refuses actions without If-Match with 428, so that nobody acts on a ticket
	// that has changed since they saw it. "If-Match: *" says that any version will do.
	RequireMatch bool

	// TrustedOrigins are origins whose pages may send requests that change something, such as
	// "https://app.example.org". See [http.CrossOriginProtection].
	TrustedOrigins []string

	// Limits bound what one request may take.
	Limits Limits

	// Logger gets the causes of answers from 500 on, and errors of Actor. Nil means
	// [slog.Default].
	Logger *slog.Logger
}

// Limits bound requests. Zero means the default.
type Limits struct {
	Header  int           // bytes of the header, with the address. Zero means 32768 (32 KiB)
	Body    int64         // bytes of a body of JSON. Zero means 4194304 (4 MiB). The length of a file is up to the desk
	Time    time.Duration // for one request, files and events excepted. Zero means 30 seconds
	Stall   time.Duration // how long a client may keep a single read or write waiting. Zero means 30 seconds
	File    time.Duration // for sending or getting one file. Zero means an hour
	Streams int           // open streams of events. Zero means 20000
	Each    int           // open streams of one actor; holders of status links are not told apart. Zero means 100
	Stream  time.Duration // how long a stream of events lasts; at most, and by default, half an hour
}

// ErrUnavailable is for errors of [Config].Actor: wrapped, it says that nobody can tell at the
// moment who makes the request, for example because the store of sessions is down. The answer is
// 503 instead of 401, so that programs do not give up their credentials.
var ErrUnavailable = errors.New("rest: cannot tell who makes the request")

// ConfigError says what is wrong with a [Config].
type ConfigError struct {
	Field  string
	Reason string // what is wrong and what would be right
	Err    error  // the cause, where there is one
}

func (e *ConfigError) Error() string {
	if e.Err != nil {
		return "rest: config." + e.Field + " " + e.Reason + ": " + e.Err.Error()
	}
	return "rest: config." + e.Field + " " + e.Reason
}

func (e *ConfigError) Unwrap() error { return e.Err }

// longestStream is the most that Limits.Stream can be: permissions change, and a stream that was
// opened before should not know more for ever.
const longestStream = 30 * time.Minute

func (c Config) withDefaults() (Config, error) {
	if c.Actor == nil {
		return c, &ConfigError{Field: "actor", Reason: "is missing: the handler has no other way to know who makes a request"}
	}
	if c.Challenge == "" {
		c.Challenge = "Bearer"
	}
	if strings.ContainsFunc(c.Challenge, func(r rune) bool { return r < ' ' || r > '~' }) {
		return c, &ConfigError{Field: "challenge", Reason: "must be printable ASCII"}
	}
	if c.Prefix = strings.TrimRight(c.Prefix, "/"); c.Prefix != "" && c.Prefix[0] != '/' {
		return c, &ConfigError{Field: "prefix", Reason: "must begin with a slash"}
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	l := &c.Limits
	for _, f := range []struct {
		name  string
		value *time.Duration
		usual time.Duration
	}{
		{"time", &l.Time, 30 * time.Second}, {"stall", &l.Stall, 30 * time.Second}, {"file", &l.File, time.Hour},
		{"stream", &l.Stream, longestStream},
	} {
		if *f.value < 0 {
			return c, &ConfigError{Field: "limits." + f.name, Reason: "must not be negative"}
		}
		if *f.value == 0 {
			*f.value = f.usual
		}
	}
	switch {
	case l.Header < 0:
		return c, &ConfigError{Field: "limits.header", Reason: "must not be negative"}
	case l.Body < 0:
		return c, &ConfigError{Field: "limits.body", Reason: "must not be negative"}
	case l.Streams < 0:
		return c, &ConfigError{Field: "limits.streams", Reason: "must not be negative"}
	case l.Each < 0:
		return c, &ConfigError{Field: "limits.each", Reason: "must not be negative"}
	case l.Stream > longestStream:
		return c, &ConfigError{Field: "limits.stream", Reason: "must be at most half an hour"}
	}
	if l.Header == 0 {
		l.Header = 32 << 10
	}
	if l.Body == 0 {
		l.Body = 4 << 20
	}
	if l.Streams == 0 {
		l.Streams = 20_000
	}
	if l.Each == 0 {
		l.Each = 100
	}
	return c, nil
}
