package web

import (
	"bytes"
	"context"
	"errors"
	"html"
	"maps"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/files"
	"github.com/ticketkit/ticket/memstore"
)

var (
	ada   = ticket.Requester(ticket.Person{ID: "c1", Name: "Ada Byron", Email: "ada@example.org", Organisation: "mill"})
	grace = ticket.Requester(ticket.Person{ID: "c2", Name: "Grace", Email: "grace@example.org", Organisation: "mill"})
	eve   = ticket.Requester(ticket.Person{ID: "c3", Name: "Eve", Email: "eve@example.org"})
	lin   = ticket.Agent("lin", 1, 2, 3)
)

// world is a desk with customers' pages, for one reader at a time.
type world struct {
	*testing.T
	desk  *ticket.Desk
	pages *Customer
	store *flaky
	files ticket.FileStore

	mu    sync.Mutex
	now   time.Time
	actor ticket.Actor // of the requests
	sent  []ticket.Notification
}

// flaky is a store that can be down, and counts its look-ups.
type flaky struct {
	ticket.Store
	ticket.Suggester
	down    atomic.Bool
	lookups atomic.Int64
}

var errDown = errors.New("dial tcp db.internal:5432: connection refused")

func (s *flaky) Ticket(ctx context.Context, tenant string, id ticket.ID) (ticket.Ticket, error) {
	if s.down.Load() {
		return ticket.Ticket{}, errDown
	}
	return s.Store.Ticket(ctx, tenant, id)
}

func (s *flaky) Lookup(ctx context.Context, tenant string, n ticket.Number) (ticket.Ticket, error) {
	s.lookups.Add(1)
	if s.down.Load() {
		return ticket.Ticket{}, errDown
	}
	return s.Store.Lookup(ctx, tenant, n)
}

func (s *flaky) List(ctx context.Context, q ticket.Query) (ticket.Page, error) {
	if s.down.Load() {
		return ticket.Page{}, errDown
	}
	return s.Store.List(ctx, q)
}

func (s *flaky) Commit(ctx context.Context, c ticket.Commit) error {
	if s.down.Load() {
		return errDown
	}
	return s.Store.Commit(ctx, c)
}

func newWorld(t *testing.T, change ...func(*ticket.Config, *CustomerConfig)) *world {
	t.Helper()
	mem := memstore.New()
	w := &world{T: t, store: &flaky{Store: mem, Suggester: mem}, now: noon}
	clock := func() time.Time { w.mu.Lock(); defer w.mu.Unlock(); return w.now }
	w.files = files.NewMemory(files.Now(clock))
	cfg := ticket.Config{
		Now: clock, Files: w.files, Feedback: ticket.Feedback{After: time.Hour},
		StatusLinks: ticket.StatusLinks{
			Keys: []ticket.StatusLinkKey{{ID: 1, Secret: bytes.Repeat([]byte{1}, 32)}},
			URL:  func(_, token string) string { return "https://help.example.org/t/" + token },
		},
		Notifiers: map[string]ticket.Notifier{"": ticket.NotifierFunc(func(_ context.Context, n ticket.Notification) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.sent = append(w.sent, n)
			return nil
		})},
	}
	own := CustomerConfig{Look: testLook(), Actor: func(*http.Request) (ticket.Actor, error) { return w.actor, nil }, Key: bytes.Repeat([]byte{2}, 32)}
	own.Now = clock
	for _, c := range change {
		c(&cfg, &own)
	}
	w.files = cfg.Files
	var err error
	w.desk, err = ticket.NewDesk(w.store, cfg)
	require.NoError(t, err)
	w.pages, err = NewCustomer(w.desk, own)
	require.NoError(t, err)
	w.pages.findPause = 0
	return w
}

func (w *world) advance(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func (w *world) open(a ticket.Actor, subject string) ticket.Ticket {
	w.Helper()
	t, err := w.desk.Open(w.Context(), a, ticket.Draft{Subject: subject, Message: "Help me."})
	require.NoError(w, err)
	return t
}

func (w *world) do(a ticket.Actor, t ticket.Ticket, act ticket.Action) ticket.Ticket {
	w.Helper()
	w.advance(time.Minute)
	after, err := w.desk.Do(w.Context(), a, t.ID, act)
	require.NoError(w, err)
	return after
}

// everyScope allows all that a link can.
var everyScope = ticket.StatusLinkRequest{Reply: true, Upload: true, Confirm: true, Reopen: true, Cancel: true, Rate: true}

// link returns the path of a ticket's page by a status link.
func (w *world) link(t ticket.Ticket, r ticket.StatusLinkRequest) string {
	w.Helper()
	token, err := w.desk.StatusLink(w.Context(), ticket.System("test"), t.ID, r)
	require.NoError(w, err)
	return "/t/" + token
}

func (w *world) tickets() []ticket.Ticket {
	w.Helper()
	page, err := w.desk.List(w.Context(), ticket.System("test"), ticket.Query{})
	require.NoError(w, err)
	return page.Tickets
}

func (w *world) current(t ticket.Ticket) ticket.Ticket {
	w.Helper()
	t, err := w.desk.Lookup(w.Context(), ticket.System("test"), t.ID.String())
	require.NoError(w, err)
	return t
}

// letters delivers, and returns what was sent since it was last called.
func (w *world) letters(kinds ...ticket.Kind) (list []ticket.Notification) {
	w.Helper()
	_, err := w.desk.Deliver(w.Context())
	require.NoError(w, err)
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, n := range w.sent {
		if len(kinds) == 0 || slices.Contains(kinds, n.Kind) {
			list = append(list, n)
		}
	}
	w.sent = nil
	return list
}

func (w *world) get(address string, change ...func(*http.Request)) *httptest.ResponseRecorder {
	return get(w.pages, address, change...)
}

// upload is a file of a form.
type upload struct{ name, mediaType, content string }

// send posts a form as a browser does.
func (w *world) send(address string, values url.Values, uploads ...upload) *httptest.ResponseRecorder {
	w.Helper()
	body, mediaType := parts(w.T, values, uploads...)
	return post(w.pages, address, mediaType, body, header("Sec-Fetch-Site", "same-origin"))
}

func parts(t *testing.T, values url.Values, uploads ...upload) (*bytes.Buffer, string) {
	t.Helper()
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	for name, list := range values {
		for _, v := range list {
			require.NoError(t, m.WriteField(name, v))
		}
	}
	for _, u := range uploads {
		h := textproto.MIMEHeader{}
		h.Set("Content-Disposition", `form-data; name="files"; filename="`+strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(u.name)+`"`)
		h.Set("Content-Type", u.mediaType)
		part, err := m.CreatePart(h)
		require.NoError(t, err)
		_, err = part.Write([]byte(u.content))
		require.NoError(t, err)
	}
	require.NoError(t, m.Close())
	return &b, m.FormDataContentType()
}

// valuesOf returns what a browser would send of the first form of a page, with these changes.
func valuesOf(page string, change url.Values) url.Values {
	values := url.Values{}
	page = between(page, "<form", "</form>")
	for _, input := range strings.Split(page, "<input ")[1:] {
		input, _, _ = strings.Cut(input, ">")
		name := between(input, `name="`, `"`)
		kind := between(input, `type="`, `"`)
		if kind == "file" || (kind == "checkbox" || kind == "radio") && !strings.Contains(input, " checked") {
			continue
		}
		values.Add(name, html.UnescapeString(between(input, `value="`, `"`)))
	}
	for _, area := range strings.Split(page, "<textarea ")[1:] {
		text := between(area, ">", "</textarea>")
		values.Add(between(area, `name="`, `"`), html.UnescapeString(strings.TrimPrefix(text, "\n")))
	}
	maps.Copy(values, change)
	return values
}

// follow returns the page that a redirect leads to.
func (w *world) follow(from string, r *httptest.ResponseRecorder) *httptest.ResponseRecorder {
	w.Helper()
	require.Equal(w, http.StatusSeeOther, r.Code, r.Body.String())
	base, err := url.Parse("http://example.com" + from)
	require.NoError(w, err)
	to, err := base.Parse(r.Header().Get("Location"))
	require.NoError(w, err)
	return w.get(to.RequestURI())
}
