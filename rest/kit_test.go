package rest_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/files"
	"github.com/ticketkit/ticket/memstore"
	"github.com/ticketkit/ticket/rest"
	"github.com/ticketkit/ticket/tickettest"
)

var (
	ada = ticket.Requester(ticket.Person{ID: "ada", Email: "ada@example.org", Name: "Ada Byron"})
	bob = ticket.Requester(ticket.Person{ID: "bob", Email: "bob@example.org", Name: "Bob Hale"})
	lin = ticket.Agent("lin", 1)
	kim = ticket.Agent("kim", 2, 3)
	sys = ticket.System("sys")
	eve = ticket.Agent("eve", 1).InTenant("other")
)

// actorOf knows actors by the bearer token; see testdata/requests.json.
func actorOf(r *http.Request) (ticket.Actor, error) {
	name, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if token, is := strings.CutPrefix(name, "link "); ok && is {
		return ticket.StatusLinkHolder(token), nil
	}
	switch name {
	case "ada":
		return ada, nil
	case "bob":
		return bob, nil
	case "lin":
		return lin, nil
	case "kim":
		return kim, nil
	case "sys":
		return sys, nil
	case "eve":
		return eve, nil
	case "down":
		return ticket.Actor{}, errors.Join(errors.New("secret-host does not answer"), rest.ErrUnavailable)
	case "broken":
		return ticket.Agent(""), nil
	case "panic":
		panic("secret-host")
	}
	return ticket.Actor{}, errors.New("no such token")
}

// world is the desk of testdata/requests.json with its handlers.
type world struct {
	clock    *tickettest.Clock
	desk     *ticket.Desk
	files    *damaged
	handlers map[string]*rest.Handler
}

func newWorld(tb testing.TB) *world {
	tb.Helper()
	w := &world{clock: tickettest.NewClock(), files: &damaged{FileStore: files.NewMemory()}}
	cfg := tickettest.Config(w.clock, tickettest.NewRecorder(), "mail")
	cfg.Files = w.files
	cfg.Limits.AttachmentSize = 256
	cfg.StatusLinks.Keys = []ticket.StatusLinkKey{{ID: 1, Secret: bytes.Repeat([]byte{7}, 32)}}
	cfg.Feedback.After = time.Hour
	w.desk = newDesk(tb, memstore.New(), cfg)
	bare := newDesk(tb, memstore.New(), tickettest.Config(w.clock, nil))
	broken := newDesk(tb, down{memstore.New()}, tickettest.Config(w.clock, nil))
	w.handlers = map[string]*rest.Handler{
		"":       newHandler(tb, w.desk, rest.Config{}),
		"strict": newHandler(tb, w.desk, rest.Config{RequireMatch: true}),
		"small":  newHandler(tb, w.desk, rest.Config{Limits: rest.Limits{Body: 4096}}),
		"bare":   newHandler(tb, bare, rest.Config{}),
		"down":   newHandler(tb, broken, rest.Config{}),
		"ended":  newHandler(tb, w.desk, rest.Config{}),
		"brief":  newHandler(tb, w.desk, rest.Config{Limits: rest.Limits{Stream: 20 * time.Millisecond}}),
	}
	require.NoError(tb, w.handlers["ended"].Shutdown(tb.Context()))
	return w
}

func newDesk(tb testing.TB, store ticket.Store, cfg ticket.Config) *ticket.Desk {
	tb.Helper()
	desk, err := ticket.NewDesk(store, cfg)
	require.NoError(tb, err)
	return desk
}

func newHandler(tb testing.TB, desk *ticket.Desk, cfg rest.Config) *rest.Handler {
	tb.Helper()
	if cfg.Actor == nil {
		cfg.Actor = actorOf
	}
	cfg.TrustedOrigins = []string{"https://shop.example"}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	h, err := rest.New(desk, cfg)
	require.NoError(tb, err)
	return h
}

// down is a store that does not answer.
type down struct{ ticket.Store }

func (down) List(context.Context, ticket.Query) (ticket.Page, error) {
	return ticket.Page{}, errors.New("dial tcp: secret-host refused")
}

// damaged is a file store in which some files are no longer what was stored.
type damaged struct {
	ticket.FileStore
	mu  sync.Mutex
	bad map[string]bool
}

func (d *damaged) damage(sum string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.bad == nil {
		d.bad = map[string]bool{}
	}
	d.bad[sum] = true
}

func (d *damaged) Open(ctx context.Context, tenant string, sum ticket.Digest) (io.ReadCloser, error) {
	r, err := d.FileStore.Open(ctx, tenant, sum)
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil || !d.bad[sum.String()] {
		return r, err
	}
	return struct {
		io.Reader
		io.Closer
	}{io.MultiReader(r, failing{&ticket.FileError{SHA256: sum, Reason: "has other bytes"}}), r}, nil
}

// failing is a reader that fails.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
