package rest_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/files"
	"github.com/ticketkit/ticket/memstore"
	"github.com/ticketkit/ticket/rest"
	"github.com/ticketkit/ticket/tickettest"
)

// filesDesk has files of any length.
func filesDesk(t *testing.T) (*ticket.Desk, *damaged) {
	t.Helper()
	store := &damaged{FileStore: files.NewMemory()}
	cfg := tickettest.Config(tickettest.NewClock(), nil)
	cfg.Files = store
	return newDesk(t, memstore.New(), cfg), store
}

// call sends a request as an actor and returns the answer and its body.
func call(t *testing.T, server *httptest.Server, as, method, path string, body io.Reader) (*http.Response, []byte, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, body)
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+as)
	if body != nil && !strings.HasPrefix(path, "/files") {
		r.Header.Set("Content-Type", "application/json")
	}
	res, err := server.Client().Do(r)
	require.NoError(t, err)
	defer func() { require.NoError(t, res.Body.Close()) }()
	data, err := io.ReadAll(res.Body)
	return res, data, err
}

// A file goes up and down as it is, in pieces, whatever its length; one that was damaged never
// looks whole, not even if it has its length.
func TestFilesComeWholeOrNotAtAll(t *testing.T) {
	desk, store := filesDesk(t)
	server := httptest.NewServer(newHandler(t, desk, rest.Config{}))
	defer server.Close()
	tk, err := desk.Open(t.Context(), ada, ticket.Draft{Subject: "x"})
	require.NoError(t, err)
	for _, n := range []int{0, 1, 64<<10 - 1, 64 << 10, 64<<10 + 1, 128 << 10, 1<<20 + 7} {
		content := bytes.Repeat([]byte{byte(n), 'x', '\n'}, n/3+1)[:n]
		res, data, err := call(t, server, "ada", "POST", "/files?name=a.bin", bytes.NewReader(content))
		require.NoError(t, err)
		require.Equal(t, http.StatusCreated, res.StatusCode, "%s", data)
		var file ticket.Attachment
		require.NoError(t, json.Unmarshal(data, &file))
		sum := sha256.Sum256(content)
		require.Equal(t, hex.EncodeToString(sum[:]), file.SHA256.String())
		body, err := json.Marshal(map[string]any{"action": "reply", "message": "here", "attachments": []any{file}})
		require.NoError(t, err)
		res, data, err = call(t, server, "ada", "POST", "/tickets/"+tk.ID.String()+"/actions", bytes.NewReader(body))
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, res.StatusCode, "%s", data)

		address := "/tickets/" + tk.ID.String() + "/files/" + file.SHA256.String()
		res, data, err = call(t, server, "ada", "GET", address, nil)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, res.StatusCode)
		require.Equal(t, content, data)

		store.damage(file.SHA256.String())
		res, data, err = call(t, server, "ada", "GET", address, nil)
		if n < 128<<10 { // nothing was sent before the end was read
			require.NoError(t, err)
			require.Equal(t, http.StatusGone, res.StatusCode)
			continue
		}
		require.Error(t, err, "a damaged file of %d bytes looks whole", n)
		require.Less(t, len(data), n)
	}
}

func TestNamesOfFilesAreSafeInHeaders(t *testing.T) {
	for name, want := range map[string]string{
		"report.txt":     "attachment; filename=report.txt",
		`a"b;c.txt`:      `attachment; filename="a\"b;c.txt"`,
		"Grüße.txt":      "attachment; filename*=utf-8''Gr%C3%BC%C3%9Fe.txt",
		"a\r\nX: y":      "attachment; filename*=utf-8''a%0D%0AX%3A%20y",
		"":               `attachment; filename=""`,
		"a\u202egpj.exe": "attachment; filename*=utf-8''a%E2%80%AEgpj.exe",
	} {
		got := rest.Disposition(name)
		assert.Equal(t, want, got)
		assert.NotContains(t, got, "\n")
	}
}

// A client that sends its body slowly gets 408, and one that sends half of it is told nothing was
// done.
func TestSlowAndHalfBodiesChangeNothing(t *testing.T) {
	desk, _ := filesDesk(t)
	server := httptest.NewServer(newHandler(t, desk, rest.Config{Limits: rest.Limits{Time: 300 * time.Millisecond, Stall: 300 * time.Millisecond}}))
	defer server.Close()
	for _, path := range []string{"/tickets", "/files?name=x"} {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", server.Listener.Addr().String())
		require.NoError(t, err)
		_, err = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ada\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"subject\":", path)
		require.NoError(t, err)
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(10*time.Second)))
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err, path)
		data, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		assert.Equal(t, http.StatusRequestTimeout, res.StatusCode, "%s: %s", path, data)
		require.NoError(t, conn.Close())
	}
	n, err := desk.Count(t.Context(), lin, ticket.Query{})
	require.NoError(t, err)
	assert.Zero(t, n)
}

// A client that does not read is left after a while, and the handler is free again.
func TestClientWhoDoesNotReadIsLeft(t *testing.T) {
	desk, _ := filesDesk(t)
	tk, err := desk.Open(t.Context(), ada, ticket.Draft{Subject: "x"})
	require.NoError(t, err)
	file, err := desk.Attach(t.Context(), ada, "big", "", io.LimitReader(zeros{}, 64<<20))
	require.NoError(t, err)
	_, err = desk.Do(t.Context(), ada, tk.ID, ticket.Action{Name: ticket.ActionReply, Attachments: []ticket.Attachment{file}})
	require.NoError(t, err)
	h := newHandler(t, desk, rest.Config{Limits: rest.Limits{Stall: 200 * time.Millisecond}})
	ended := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(ended)
		h.ServeHTTP(w, r)
	}))
	defer server.Close()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", server.Listener.Addr().String())
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close()) }()
	_, err = fmt.Fprintf(conn, "GET /tickets/%s/files/%s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ada\r\n\r\n", tk.ID, file.SHA256)
	require.NoError(t, err)
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		t.Fatal("the handler still waits for a client that does not read")
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// A store that takes too long is answered with 503, and the connection can be used again.
func TestRequestsHaveATimeLimit(t *testing.T) {
	desk := newDesk(t, slow{memstore.New()}, tickettest.Config(tickettest.NewClock(), nil))
	server := httptest.NewServer(newHandler(t, desk, rest.Config{Limits: rest.Limits{Time: 50 * time.Millisecond}}))
	defer server.Close()
	for range 2 {
		res, data, err := call(t, server, "lin", "GET", "/tickets", nil)
		require.NoError(t, err)
		assert.Equal(t, http.StatusServiceUnavailable, res.StatusCode, "%s", data)
		assert.Equal(t, "1", res.Header.Get("Retry-After"))
		time.Sleep(100 * time.Millisecond)
		res, _, err = call(t, server, "lin", "GET", "/openapi.json", nil)
		require.NoError(t, err)
		assert.Equal(t, http.StatusOK, res.StatusCode)
	}
}

// slow is a store that answers when its caller gives up.
type slow struct{ ticket.Store }

func (slow) List(ctx context.Context, _ ticket.Query) (ticket.Page, error) {
	<-ctx.Done()
	return ticket.Page{}, ctx.Err()
}

func TestMediaTypesAreNegotiated(t *testing.T) {
	for header, want := range map[string]bool{
		"":                                    true,
		"application/json":                    true,
		"*/*":                                 true,
		"application/*":                       true,
		"text/html":                           false,
		"text/html, application/json;q=0.1":   true,
		"application/json;q=0":                false,
		"*/*, application/json;q=0":           false,
		"application/*;q=0, */*":              false,
		"application/json, */*;q=0":           true,
		"application/xml;q=0.9,*/*;q=0.8":     true,
		"nonsense":                            false,
		"application/json; q=nonsense":        false,
		", ,":                                 true,
		"APPLICATION/JSON":                    true,
		"application/json;version=2;q=0.5":    true,
		"application/problem+json, text/json": false,
	} {
		assert.Equal(t, want, rest.Accepts([]string{header}, ""), "%q", header)
	}
	assert.True(t, rest.Accepts([]string{"text/html"}, "text/html; charset=utf-8"))
	assert.True(t, rest.Accepts([]string{"text/event-stream"}, "text/event-stream"))
}

// Bodies of JSON are read with their places, and faults are counted once.
func TestFaultsOfBodiesHavePlaces(t *testing.T) {
	long := strings.Repeat("x", 1000)
	for body, want := range map[string]string{
		`{"edit":{"follow":[{"id":"a"},{"id":7}]}}`: "#/edit/follow/1/id",
		`{"draft":{"draft":{}}}`:                    "#/draft/draft",
		`{"edit":{"fields":{"a~b/c":{"x":1}}}}`:     "#/edit/fields/a~0b~1c",
		`{"Action":"reply"}`:                        "#/Action",
		`{"until":"tomorrow"}`:                      "#/until",
		`{"edit":{"snooze":5}}`:                     "#/edit/snooze",
		`{"level":1.5}`:                             "#/level",
		`{"level":99999999999999999999}`:            "#/level",
		`{"attachments":[{"sha256":"zz"}]}`:         "#/attachments/0/sha256",
		`{"attachments":[null]}`:                    "#/attachments/0",
		`{"quiet":"yes"}`:                           "#/quiet",
		`{"a b%":1}`:                                "#/a%20b%25",
		`{"` + long + `":1}`:                        "#/" + strings.Repeat("x", 101) + "...",
		`{"action":"x"} {}`:                         "#",
		`[`:                                         "#",
		``:                                          "#",
		strings.Repeat("[", 100_000):                "#",
		`{"edit":` + strings.Repeat(`{"edit":`, 20_000): "#",
	} {
		err := rest.DecodeAction([]byte(body))
		require.Error(t, err, body)
		assert.Equal(t, want, rest.FirstPointer(err), "%.100s", body)
	}
	many := "{"
	for i := range 100 {
		many += `"x` + strconv.Itoa(i) + `":1,`
	}
	err := rest.DecodeAction([]byte(strings.TrimSuffix(many, ",") + "}"))
	require.Error(t, err)
	assert.Equal(t, 20, rest.Faults(err))
	require.NoError(t, rest.DecodeAction([]byte(`{"action":"edit","edit":{"snooze":null,"legal_hold":false,"fields":{"a":null}}}`)))
}
