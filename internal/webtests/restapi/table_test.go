package restapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/files"
	"github.com/ticketkit/ticket/memstore"
	"github.com/ticketkit/ticket/rest"
	"github.com/ticketkit/ticket/tickettest"
)

// step is what this test needs of a request of rest/testdata/requests.json. What the answers
// have in them is checked where the table is.
type step struct {
	Name    string
	As      string
	Handler string
	Method  string
	Path    string
	Header  map[string]string
	Body    json.RawMessage
	Raw     *string
	Raw64   []byte
	Advance string
	Deliver bool
	Damage  string
	Status  int
	Save    map[string]string
}

func steps(t *testing.T) []step {
	t.Helper()
	data, err := os.ReadFile("../../../rest/testdata/requests.json")
	require.NoError(t, err)
	var file struct{ Requests []step }
	require.NoError(t, json.Unmarshal(data, &file))
	return file.Requests
}

// The requests of the table get every status of every operation from the handler. All
// responses are as the document says, whoever sends the requests, and so are the requests that
// are accepted.
func TestTableHasEveryOperationAndStatus(t *testing.T) {
	t.Parallel()
	w := newTable(t)
	table := steps(t)
	for i, s := range table {
		got := w.play(t, s)
		require.Equal(t, s.Status, got.status, "%d %s: %s", i, s.Name, got.body)
		w.save(t, s, got)
	}
	require.Empty(t, w.document.untried(), "no request gets these")

	w.save(t, step{Save: map[string]string{"link": "/token"}}, w.play(t, step{As: "lin", Method: "POST", Path: "tickets/{t3}/links", Body: []byte("{}")}))
	for _, as := range []string{"ada", "lin", "eve", "link {link}", "link {token}", "link x"} {
		for _, s := range table {
			s.As = as
			if got := w.play(t, s); s.Handler == "" {
				require.Less(t, got.status, 500, "%s as %s: %s", s.Name, as, got.body)
			}
			joint := "?"
			if strings.Contains(s.Path, "?") {
				joint = "&"
			}
			s.Path += joint + "unknown=1"
			w.play(t, s)
		}
	}
}

// table is the desk of the table, with its handlers.
type table struct {
	clock    *tickettest.Clock
	desk     *ticket.Desk
	files    *fileStore
	servers  map[string]*httptest.Server
	document *document
	saved    map[string]string
}

func newTable(t *testing.T) *table {
	t.Helper()
	w := &table{
		clock: tickettest.NewClock(), files: &fileStore{files.NewMemory(), map[string]bool{}},
		servers: map[string]*httptest.Server{}, saved: map[string]string{},
	}
	newDesk := func(store ticket.Store, cfg ticket.Config) *ticket.Desk {
		desk, err := ticket.NewDesk(store, cfg)
		require.NoError(t, err)
		return desk
	}
	cfg := tickettest.Config(w.clock, tickettest.NewRecorder(), "mail")
	cfg.Files, cfg.Limits.AttachmentSize, cfg.Feedback.After = w.files, 256, time.Hour
	cfg.StatusLinks.Keys = []ticket.StatusLinkKey{{ID: 1, Secret: bytes.Repeat([]byte{7}, 32)}}
	w.desk = newDesk(memstore.New(), cfg)
	bare := newDesk(memstore.New(), tickettest.Config(w.clock, nil))
	broken := newDesk(down{memstore.New()}, tickettest.Config(w.clock, nil))
	for name, h := range map[string]struct {
		desk *ticket.Desk
		cfg  rest.Config
	}{
		"": {desk: w.desk}, "strict": {w.desk, rest.Config{RequireMatch: true}}, "small": {w.desk, rest.Config{Limits: rest.Limits{Body: 4096}}},
		"bare": {desk: bare}, "down": {desk: broken}, "brief": {w.desk, rest.Config{Limits: rest.Limits{Stream: 20 * time.Millisecond}}},
	} {
		h.cfg.Actor, h.cfg.TrustedOrigins, h.cfg.Logger = bearer, []string{"https://shop.example"}, slog.New(slog.DiscardHandler)
		w.servers[name], _ = serve(t, h.desk, h.cfg)
	}
	var ended *rest.Handler
	w.servers["ended"], ended = serve(t, w.desk, rest.Config{Actor: bearer})
	require.NoError(t, ended.Shutdown(t.Context()))
	w.document = newDocument(t, w.servers[""].URL+"/openapi.json")
	return w
}

// play sends a request of the table.
func (w *table) play(t *testing.T, s step) reply {
	t.Helper()
	if s.Advance != "" {
		d, err := time.ParseDuration(s.Advance)
		require.NoError(t, err)
		w.clock.Advance(d)
	}
	if s.Deliver {
		_, err := w.desk.Deliver(t.Context())
		require.NoError(t, err)
	}
	if s.Damage != "" {
		w.files.damaged[w.fill(s.Damage)] = true
	}
	return w.document.do(t, w.request(t, s), "/"+w.fill(s.Path))
}

// save keeps what later requests need of a response.
func (w *table) save(t *testing.T, s step, got reply) {
	t.Helper()
	for variable, from := range s.Save {
		if header, ok := strings.CutPrefix(from, "header:"); ok {
			w.saved[variable] = got.header.Get(header)
		} else {
			w.saved[variable] = fmt.Sprint(got.get(t, strings.Split(from, "/")[1:]...))
		}
	}
}

// fill puts what was saved into a text.
func (w *table) fill(text string) string {
	for name, value := range w.saved {
		text = strings.ReplaceAll(text, "{"+name+"}", value)
	}
	return text
}

func (w *table) request(t *testing.T, s step) *http.Request {
	t.Helper()
	body, mediaType := []byte(w.fill(string(s.Body))), "application/json"
	switch {
	case s.Raw != nil:
		body, mediaType = []byte(w.fill(*s.Raw)), ""
	case s.Raw64 != nil:
		body = s.Raw64
	}
	r, err := http.NewRequestWithContext(t.Context(), s.Method, w.servers[s.Handler].URL+"/"+w.fill(s.Path), bytes.NewReader(body))
	require.NoError(t, err)
	if mediaType != "" && len(body) > 0 {
		r.Header.Set("Content-Type", mediaType)
	}
	if s.As != "" {
		r.Header.Set("Authorization", "Bearer "+w.fill(s.As))
	}
	for name, value := range s.Header {
		r.Header.Set(name, w.fill(value))
	}
	return r
}

// bearer knows the actors of the table by their tokens.
func bearer(r *http.Request) (ticket.Actor, error) {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if link, ok := strings.CutPrefix(token, "link "); ok {
		return ticket.StatusLinkHolder(link), nil
	}
	switch token {
	case "ada", "bob":
		return ticket.Requester(ticket.Person{ID: token, Email: token + "@example.org"}), nil
	case "lin":
		return ticket.Agent("lin", 1), nil
	case "kim":
		return ticket.Agent("kim", 2, 3), nil
	case "eve":
		return ticket.Agent("eve", 1).InTenant("other"), nil
	case "sys":
		return ticket.System("sys"), nil
	case "down":
		return ticket.Actor{}, rest.ErrUnavailable
	case "broken":
		return ticket.Agent(""), nil
	case "panic":
		panic("as the table wants it")
	}
	return ticket.Actor{}, errors.New("no such token")
}

// down is a store that does not answer.
type down struct{ ticket.Store }

func (down) List(context.Context, ticket.Query) (ticket.Page, error) {
	return ticket.Page{}, errors.New("it does not answer")
}

// fileStore is a file store in which some files are no longer what was stored.
type fileStore struct {
	ticket.FileStore
	damaged map[string]bool
}

func (f *fileStore) Open(ctx context.Context, tenant string, sum ticket.Digest) (io.ReadCloser, error) {
	if f.damaged[sum.String()] {
		return nil, &ticket.FileError{SHA256: sum, Reason: "has other bytes"}
	}
	return f.FileStore.Open(ctx, tenant, sum)
}
