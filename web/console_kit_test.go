package web

import (
	"bytes"
	"context"
	"html"
	"maps"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/files"
)

// A bench is a desk with a console, and a clock that every call moves by a second.
type bench struct {
	*testing.T
	desk *ticket.Desk
	*Console
	mu  sync.Mutex
	now time.Time
}

var (
	custAda   = ticket.Person{ID: "ada", Name: "Ada B.", Email: "ada@mills.example", Organisation: "Mills", Zone: "Europe/Berlin"}
	custGrace = ticket.Person{ID: "grace", Name: "Grace H.", Email: "grace@mills.example", Organisation: "Mills"}
	agLin     = ticket.Agent("lin", 1, 2)
	agKim     = ticket.Agent("kim", 2, 3)
)

// newBench returns a bench. The header Agent says who makes a request; it is agLin by default.
func newBench(t *testing.T, change func(*ticket.Config)) *bench {
	t.Helper()
	b := &bench{T: t, now: noon}
	folder, err := files.NewFolder(filepath.Join(t.TempDir(), "files"), files.Now(b.time))
	require.NoError(t, err)
	cfg := ticket.Config{Now: b.time, Files: folder}
	if change != nil {
		change(&cfg)
	}
	b.desk = newDesk(t, cfg)
	b.Console = newConsole(t, b.desk, func(cfg *ConsoleConfig) {
		cfg.Now = b.time
		cfg.Queues = []string{"hardware"}
		cfg.Actor = func(r *http.Request) (ticket.Actor, error) {
			switch r.Header.Get("Agent") {
			case "kim":
				return agKim, nil
			case "stranger":
				return ticket.Agent("eve", 1, 2, 3).InTenant("elsewhere"), nil
			case "billing":
				return ticket.Agent("bob", 1, 2, 3).Serving("billing"), nil
			}
			if strings.HasPrefix(r.Header.Get("Agent"), "agent-") {
				return ticket.Agent(r.Header.Get("Agent"), 1), nil
			}
			return agLin, nil
		}
	})
	t.Cleanup(func() { _ = b.Shutdown(context.Background()) }) //nolint:usetesting // the context of the test is done by then
	return b
}

func (b *bench) time() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now = b.now.Add(time.Second)
	return b.now
}

// open opens a ticket of Ada.
func (b *bench) open(subject string, change ...func(*ticket.Draft)) ticket.Ticket {
	b.Helper()
	d := ticket.Draft{Subject: subject, Message: "the words of " + ticket.Message(subject), Queue: "hardware"}
	for _, f := range change {
		f(&d)
	}
	who := custAda
	if d.Requester != (ticket.Person{}) {
		who = d.Requester
	}
	t, err := b.desk.Open(b.Context(), ticket.Requester(who), d)
	require.NoError(b, err)
	return t
}

func (b *bench) do(a ticket.Actor, t ticket.Ticket, act ticket.Action) ticket.Ticket {
	b.Helper()
	after, err := b.desk.Do(b.Context(), a, t.ID, act)
	require.NoError(b, err)
	return after
}

// read returns the ticket as it is now.
func (b *bench) read(t ticket.Ticket) ticket.Ticket {
	b.Helper()
	now, err := b.desk.Get(b.Context(), ticket.System("test"), t.ID)
	require.NoError(b, err)
	return now
}

func (b *bench) page(address string, change ...func(*http.Request)) string {
	b.Helper()
	w := get(b, address, change...)
	require.Equal(b, http.StatusOK, w.Code, address)
	return w.Body.String()
}

// fields returns the hidden fields of the form on the page of a ticket.
func (b *bench) fields(page, action string) url.Values {
	b.Helper()
	v := url.Values{}
	for _, form := range strings.Split(page, "<form")[1:] {
		form, _, _ = strings.Cut(form, "</form>")
		if !strings.Contains(form, `name="action" value="`+action+`"`) {
			continue
		}
		for _, m := range regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)"`).FindAllStringSubmatch(form, -1) {
			v.Add(html.UnescapeString(m[1]), html.UnescapeString(m[2]))
		}
		return v
	}
	b.Fatalf("there is no form for %q", action)
	return nil
}

// send sends the form of an action from the page of a ticket.
func (b *bench) send(t ticket.Ticket, action string, values url.Values, change ...func(*http.Request)) *httptest.ResponseRecorder {
	b.Helper()
	v := b.fields(b.page("/tickets/"+string(t.Number)+"?do="+url.QueryEscape(action), change...), action)
	maps.Copy(v, values)
	return post(b, "/tickets/"+string(t.Number), flat, strings.NewReader(v.Encode()), change...)
}

// upload returns a form with files, and its media type.
func uploadOf(t *testing.T, v url.Values, files map[string]string) (*bytes.Buffer, string) {
	t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for k, list := range v {
		for _, s := range list {
			require.NoError(t, w.WriteField(k, s))
		}
	}
	for name, content := range files {
		part, err := w.CreateFormFile("files", name)
		require.NoError(t, err)
		_, err = part.Write([]byte(content))
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return &body, w.FormDataContentType()
}

func agent(name string) func(*http.Request) { return header("Agent", name) }

// follow returns the address that a response redirects to.
func (b *bench) follow(from string, w *httptest.ResponseRecorder) string {
	b.Helper()
	base, err := url.Parse(from)
	require.NoError(b, err)
	to, err := base.Parse(w.Header().Get("Location"))
	require.NoError(b, err)
	return to.String()
}

// has fails the test unless a page has a text. It does not print the page.
func has(t *testing.T, page, want string, about ...any) {
	t.Helper()
	if !strings.Contains(page, want) {
		t.Errorf("the page lacks %q %v", want, about)
	}
}

// hasNot fails the test if a page has a text.
func hasNot(t *testing.T, page, not string, about ...any) {
	t.Helper()
	if strings.Contains(page, not) {
		t.Errorf("the page has %q %v", not, about)
	}
}
