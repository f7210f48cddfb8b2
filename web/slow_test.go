package web

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
)

// dial sends a request to a server as it is written here.
func dial(t *testing.T, server *httptest.Server, request string) net.Conn {
	t.Helper()
	var d net.Dialer
	conn, err := d.DialContext(t.Context(), "tcp", server.Listener.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(30*time.Second)))
	_, err = io.WriteString(conn, request)
	require.NoError(t, err)
	return conn
}

func TestAClientThatStopsSendingIsGivenUp(t *testing.T) {
	w := newWorld(t)
	w.pages.site.patience = 50 * time.Millisecond
	server := httptest.NewServer(w.pages)
	defer server.Close()
	conn := dial(t, server, "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: 1000\r\n\r\n"+
		"--x\r\nContent-Disposition: form-data; name=\"files\"; filename=\"f\"\r\n\r\nabc")
	r, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	defer func() { _ = r.Body.Close() }()
	assert.Equal(t, http.StatusBadRequest, r.StatusCode)
	assert.Empty(t, w.tickets())
}

func TestASlowUploadOutlivesTheTimeoutsOfTheServer(t *testing.T) {
	w := newWorld(t)
	server := httptest.NewUnstartedServer(w.pages)
	server.Config.ReadTimeout, server.Config.WriteTimeout = 100*time.Millisecond, 100*time.Millisecond
	server.Start()
	defer server.Close()
	body, mediaType := parts(t, typed(nil), upload{"a page.pdf", "application/pdf", "%PDF-1"})
	conn := dial(t, server, fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n", mediaType, body.Len()))
	for part := range slices.Chunk(body.Bytes(), body.Len()/5) {
		time.Sleep(60 * time.Millisecond)
		_, err := conn.Write(part)
		require.NoError(t, err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	assert.Equal(t, http.StatusSeeOther, answer.StatusCode)
	assert.Len(t, w.tickets(), 1)
}

func TestAClientThatStopsReadingIsGivenUp(t *testing.T) {
	w := newWorld(t)
	w.pages.site.patience = 50 * time.Millisecond
	a, err := w.desk.Attach(t.Context(), ada, "big", "", strings.NewReader(strings.Repeat("x", 32<<20)))
	require.NoError(t, err)
	tk, err := w.desk.Open(t.Context(), ada, ticket.Draft{Subject: "s", Message: "m", Attachments: []ticket.Attachment{a}})
	require.NoError(t, err)
	w.actor = ada
	done := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		defer close(done)
		w.pages.ServeHTTP(rw, r)
	}))
	defer server.Close()
	dial(t, server, fmt.Sprintf("GET /tickets/%s/files/%s HTTP/1.1\r\nHost: x\r\n\r\n", tk.Number, a.SHA256))
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("the handler waits for a client that takes nothing")
	}
}

func TestAClientThatSendsAByteNowAndThenIsGivenUp(t *testing.T) {
	w := newWorld(t)
	w.pages.site.patience = 200 * time.Millisecond
	server := httptest.NewServer(w.pages)
	defer server.Close()
	conn := dial(t, server, "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: 100000\r\n\r\n"+
		"--x\r\nContent-Disposition: form-data; name=\"message\"\r\n\r\n")
	answered := make(chan struct{})
	go func() {
		for {
			select {
			case <-answered:
				return
			case <-time.After(20 * time.Millisecond):
			}
			if _, err := io.WriteString(conn, "a"); err != nil {
				return
			}
		}
	}()
	began := time.Now()
	r, err := http.ReadResponse(bufio.NewReader(conn), nil)
	close(answered)
	require.NoError(t, err)
	defer func() { _ = r.Body.Close() }()
	assert.Equal(t, http.StatusBadRequest, r.StatusCode)
	assert.Less(t, time.Since(began), 10*time.Second)
}

func TestAClientThatDoesNotReadAPageIsGivenUp(t *testing.T) {
	w := newWorld(t, func(_ *ticket.Config, c *CustomerConfig) {
		c.Texts = map[string]map[string]string{"en": {"form.lead": strings.Repeat("x", 32<<20)}}
	})
	w.pages.site.patience = 50 * time.Millisecond
	done := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		defer close(done)
		w.pages.ServeHTTP(rw, r)
	}))
	defer server.Close()
	dial(t, server, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("the handler waits for a client that takes nothing")
	}
}
