package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"iter"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/internal/handler"
)

// Handler is the REST interface. Make one with [New].
type Handler struct {
	desk    *ticket.Desk
	cfg     Config
	origins *http.CrossOriginProtection
	ops     []*operation
	streams streams
	watch   func(context.Context, ticket.Actor, ticket.Cursor) iter.Seq2[ticket.Changed, error]
}

// New returns a handler. It starts nothing. It returns a [*ConfigError] for a faulty
// configuration.
func New(desk *ticket.Desk, cfg Config) (*Handler, error) {
	if desk == nil {
		return nil, &ConfigError{Field: "desk", Reason: "is missing"}
	}
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	h := &Handler{desk: desk, cfg: cfg, origins: http.NewCrossOriginProtection(), ops: operations(), watch: desk.Watch}
	for _, o := range cfg.TrustedOrigins {
		if err := h.origins.AddTrustedOrigin(o); err != nil {
			return nil, &ConfigError{Field: "trusted_origins", Reason: "has one that is no origin", Err: err}
		}
	}
	h.streams.open = map[*stream]struct{}{}
	return h, nil
}

// Shutdown ends the open streams of events, refuses new ones and waits until they have ended, or
// until ctx is done. Other requests are answered as before: end them with [http.Server.Shutdown],
// which waits for streams as well, so call it afterwards or at the same time.
func (h *Handler) Shutdown(ctx context.Context) error { return h.streams.shutdown(ctx) }

// operation is one method of one resource.
type operation struct {
	id     string
	method string
	path   []string // its parts; one in braces stands for any
	public bool     // without an actor
	params []string // of the query
	body   func() any
	pins   bool   // If-Match is a condition
	upload bool   // the body is a file
	media  string // of the answer; empty means JSON
	run    func(*call) error
}

// call is one request.
type call struct {
	h     *Handler
	r     *http.Request
	w     *writer
	rc    *http.ResponseController
	op    *operation
	path  map[string]string
	query url.Values
	actor ticket.Actor

	input  []byte // what the client sent, for withoutInput
	action string // the name of the action asked for, once it is known
}

// writer notes whether an answer has begun.
type writer struct {
	http.ResponseWriter
	begun bool
}

func (w *writer) WriteHeader(code int) {
	w.begun = true
	w.ResponseWriter.WriteHeader(code)
}

func (w *writer) Write(p []byte) (int, error) {
	w.begun = true
	return w.ResponseWriter.Write(p)
}

// Unwrap is for http.ResponseController.
func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// ServeHTTP answers a request.
func (h *Handler) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w := &writer{ResponseWriter: rw}
	c := &call{h: h, r: r, w: w, rc: http.NewResponseController(w)}
	defer func() { //nolint:contextcheck // the call holds the request, with its context
		switch fault := recover(); fault {
		case nil:
		case http.ErrAbortHandler: // net/http compares it so
			panic(http.ErrAbortHandler) //nolint:forbidigo // a function of the application broke off, and net/http has to know
		default:
			h.cfg.Logger.ErrorContext(r.Context(), "rest: a request panicked", "operation", c.name(), "panic", fault)
			c.fail(&problem{kind: kindInternal})
		}
	}()
	head := rw.Header()
	head.Set("Cache-Control", "no-store")
	head.Set("X-Content-Type-Options", "nosniff")
	head.Set("Referrer-Policy", "no-referrer")
	head.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	head.Set("Cross-Origin-Resource-Policy", "same-origin")
	if err := c.serve(); err != nil { //nolint:contextcheck // the call holds the request, with its context
		c.fail(c.problemOf(err)) //nolint:contextcheck // the same
	}
}

func (c *call) name() string {
	if c.op == nil {
		return ""
	}
	return c.op.id
}

// serve finds the operation, checks what all have in common, and runs it.
func (c *call) serve() error {
	if size(c.r) > c.h.cfg.Limits.Header {
		return &problem{kind: kindHeader}
	}
	if err := c.route(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.r.Context(), c.most())
	defer cancel()
	c.r = c.r.WithContext(ctx)
	if err := c.h.origins.Check(c.r); err != nil {
		return &problem{kind: kindCrossOrigin}
	}
	if !c.op.public {
		actor, err := c.h.cfg.Actor(c.r)
		if err == nil && actor.Role == 0 {
			err = errors.New("rest: the zero actor")
		}
		if err != nil {
			return c.nobody(err)
		}
		c.actor = actor
	}
	if err := c.negotiate(); err != nil {
		return err
	}
	if err := c.refuseMatch(); err != nil {
		return err
	}
	var err error
	if c.query, err = url.ParseQuery(c.r.URL.RawQuery); err != nil {
		return &problem{kind: kindRequest, faults: []fault{{Parameter: "", Detail: "the query cannot be read"}}}
	}
	for name := range c.query {
		if !slices.Contains(c.op.params, name) {
			return badParameter(name, "is unknown here")
		}
	}
	c.read([]byte(c.r.URL.RawQuery))
	for _, values := range c.query {
		for _, v := range values {
			c.read([]byte(v))
		}
	}
	return c.op.run(c)
}

// most is how long the request may take.
func (c *call) most() time.Duration {
	switch {
	case c.op.upload || c.op.media == mediaFile:
		return c.h.cfg.Limits.File
	case c.op.media == mediaEvents:
		return c.h.cfg.Limits.Stream
	default:
		return c.h.cfg.Limits.Time
	}
}

func (c *call) nobody(err error) error {
	p := &problem{kind: kindNobody, header: http.Header{"WWW-Authenticate": {c.h.cfg.Challenge}}, cause: err}
	if errors.Is(err, ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) {
		p = &problem{kind: kindUnavailable, header: http.Header{"Retry-After": {"1"}}, cause: err}
	}
	return p
}

// size is about how many bytes the header of a request had.
func size(r *http.Request) int {
	n := len(r.RequestURI) + len(r.Host)
	for name, values := range r.Header {
		for _, v := range values {
			n += len(name) + len(v) + 4
		}
	}
	return n
}

// route finds the operation.
func (c *call) route() error {
	var allow []string
	c.op, c.path, allow = handler.Find(c.h.ops, func(o *operation) (string, []string) { return o.method, o.path },
		c.r.Method, handler.Below(c.r, c.h.cfg.Prefix))
	switch {
	case c.op != nil:
		return nil
	case allow == nil:
		return &problem{kind: kindNotFound}
	default:
		return &problem{kind: kindMethod, header: http.Header{"Allow": {strings.Join(allow, ", ")}}}
	}
}

// read keeps what the client sent.
func (c *call) read(data []byte) { c.input = append(append(c.input, '\n'), data...) }

// ctx is the context of the request, with its deadline.
func (c *call) ctx() context.Context { return c.r.Context() }

// deadline bounds reading from the client. The clock of the desk has nothing to do with it.
func (c *call) deadline(d time.Duration) {
	_ = c.rc.SetReadDeadline(time.Now().Add(d)) //nolint:forbidigo // deadlines of connections are real; a writer without them has none
}

// noDeadline ends what deadline began: net/http reads on while the handler works, and would take
// the end of a deadline for a connection that is gone.
func (c *call) noDeadline() { _ = c.rc.SetReadDeadline(time.Time{}) }

// readFault tells of a body that could not be read.
func (c *call) readFault(err error) error {
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return &problem{kind: kindTooLarge, cause: err}
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return &problem{kind: kindSlow, header: http.Header{"Connection": {"close"}}, cause: err}
	}
	return &problem{kind: kindRequest, faults: []fault{{Pointer: new("#"), Detail: "could not be read to its end"}}, cause: err}
}

// reply sends an answer.
func (c *call) reply(code int, mediaType string, body []byte) {
	c.w.Header().Set("Content-Type", mediaType)
	c.w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	c.writeDeadline(c.h.cfg.Limits.Stall)
	c.w.WriteHeader(code)
	if c.r.Method != http.MethodHead {
		for part := range slices.Chunk(body, 64<<10) {
			c.writeDeadline(c.h.cfg.Limits.Stall)
			if _, err := c.w.Write(part); err != nil {
				return
			}
		}
	}
	c.end()
}

// writeDeadline bounds the next write.
func (c *call) writeDeadline(d time.Duration) {
	_ = c.rc.SetWriteDeadline(time.Now().Add(d)) //nolint:forbidigo // deadlines of connections are real; a writer without them has none
}

// end sends what is still held back, while there is a deadline for it, and then removes the
// deadline, which would be there for the next request of the connection too.
func (c *call) end() {
	if err := c.rc.Flush(); err == nil || errors.Is(err, errors.ErrUnsupported) {
		_ = c.rc.SetWriteDeadline(time.Time{})
	}
}

// json answers with a value.
func (c *call) json(code int, v any) error {
	var b bytes.Buffer
	if err := json.NewEncoder(&b).Encode(v); err != nil {
		return &problem{kind: kindInternal, cause: err}
	}
	c.reply(code, mediaJSON, b.Bytes())
	return nil
}

// fail sends a problem document. An answer that has begun cannot be taken back.
func (c *call) fail(p *problem) {
	if p.code() >= http.StatusInternalServerError && p.cause != nil && !errors.Is(p.cause, context.Canceled) {
		c.h.cfg.Logger.ErrorContext(c.r.Context(), "rest: a request failed", "operation", c.name(), "problem", p.kind.name, "error", p.cause)
	}
	if p.kind == kindNobody && p.cause != nil {
		c.h.cfg.Logger.DebugContext(c.r.Context(), "rest: nobody is known", "error", p.cause)
	}
	if c.w.begun {
		return
	}
	head := c.w.Header()
	for _, name := range []string{"ETag", "Location", "Content-Location", "Content-Disposition", "Link"} {
		if name != "ETag" || p.kind != kindStale {
			head.Del(name)
		}
	}
	for name, values := range p.header {
		head[http.CanonicalHeaderKey(name)] = values
	}
	body, err := json.Marshal(p.document())
	if err != nil {
		body = []byte(`{"type":"` + ProblemBase + `internal","title":"` + kindInternal.title + `","status":500}`)
	}
	c.reply(p.code(), mediaProblem, append(body, '\n'))
}

const (
	mediaJSON    = "application/json"
	mediaProblem = "application/problem+json"
	mediaHTML    = "text/html; charset=utf-8"
	mediaCSS     = "text/css; charset=utf-8"
	mediaEvents  = "text/event-stream"
	mediaFile    = "application/octet-stream"
)
