package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
)

func TestReceiver(t *testing.T) {
	now := time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)
	keys, err := parseSecrets([]string{specSecret})
	require.NoError(t, err)
	good, err := json.Marshal(Payload{Type: Type(sample.Kind), Timestamp: sample.At, Data: sample})
	require.NoError(t, err)
	id, stamp := sample.ID.String(), itoa(int(now.Unix()))
	request := func(method, id string, body []byte) *http.Request {
		r := httptest.NewRequest(method, "/", bytes.NewReader(body))
		r.Header.Set(HeaderID, id)
		r.Header.Set(HeaderTimestamp, stamp)
		r.Header.Set(HeaderSignature, sign(keys, id, stamp, body))
		return r
	}
	for _, tc := range []struct {
		name    string
		request *http.Request
		change  func(*Receiver)
		status  int
		taken   int
		refused string
	}{
		{name: "genuine", request: request("POST", id, good), status: 204, taken: 1},
		{name: "GET", request: request("GET", id, good), status: 405, refused: "must be POST"},
		{name: "another secret", request: request("POST", id, good), status: 401, refused: "no signature v1 that fits",
			change: func(rc *Receiver) { rc.Secrets = []string{otherSecret} }},
		{name: "too old", request: request("POST", id, good), status: 401, refused: "more than five minutes old",
			change: func(rc *Receiver) { rc.Now = func() time.Time { return now.Add(time.Hour) } }},
		{name: "too large", request: request("POST", id, good), status: 413, refused: "too large",
			change: func(rc *Receiver) { rc.MaxBody = int64(len(good)) - 1 }},
		{name: "just fits", request: request("POST", id, good), status: 204, taken: 1,
			change: func(rc *Receiver) { rc.MaxBody = int64(len(good)) }},
		{name: "no headers", request: httptest.NewRequest("POST", "/", bytes.NewReader(good)), status: 400, refused: "webhook-id is missing"},
		{name: "breaks off", request: httptest.NewRequest("POST", "/", iotest.ErrReader(io.ErrUnexpectedEOF)), status: 400, refused: "unexpected EOF"},
		{name: "no JSON", request: request("POST", id, []byte("hello")), status: 400, refused: "not the JSON of a payload"},
		{name: "JSON of something else", request: request("POST", id, []byte(`{"type":"x"}`)), status: 400, refused: "not the ID in the body"},
		{name: "the ID of another", request: request("POST", "msg_1", good), status: 400, refused: "not the ID in the body"},
		{name: "not handled", request: request("POST", id, good), status: 500, taken: 1, refused: "disk full",
			change: func(rc *Receiver) {
				h := rc.Handle
				rc.Handle = func(ctx context.Context, p Payload) error { return errors.Join(h(ctx, p), errors.New("disk full")) }
			}},
		{name: "no handler", request: request("POST", id, good), status: 500, refused: "no Handle", change: func(rc *Receiver) { rc.Handle = nil }},
		{name: "no secret", request: request("POST", id, good), status: 500, refused: "secret 0 is missing", change: func(rc *Receiver) { rc.Secrets = nil }},
		{name: "without a log", request: request("PUT", id, good), status: 405, change: func(rc *Receiver) { rc.Refused = nil }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var taken []ticket.Notification
			var refused error
			rc := Receiver{
				Secrets: []string{specSecret},
				Handle:  func(_ context.Context, p Payload) error { taken = append(taken, p.Data); return nil },
				Refused: func(_ *http.Request, err error) { refused = err },
				Now:     func() time.Time { return now },
			}
			if tc.change != nil {
				tc.change(&rc)
			}
			w := httptest.NewRecorder()
			rc.ServeHTTP(w, tc.request)
			require.Equal(t, tc.status, w.Code)
			require.Empty(t, w.Body.String(), "nothing is said about why")
			require.Len(t, taken, tc.taken)
			if tc.refused == "" {
				require.NoError(t, refused)
			} else {
				require.ErrorContains(t, refused, tc.refused)
			}
		})
	}
}

// The zero Receiver uses the system's clock and has a limit. It does not read a body
// past its limit.
func TestReceiverDefaults(t *testing.T) {
	rc := Receiver{Secrets: []string{specSecret}, Handle: func(context.Context, Payload) error { return nil }}
	n := hook(t, rc.ServeHTTP, nil)
	require.NoError(t, n.Notify(t.Context(), sample))

	w := httptest.NewRecorder()
	endless := &counting{Reader: neverEnding('x')}
	rc.ServeHTTP(w, httptest.NewRequest("POST", "/", endless))
	require.Equal(t, http.StatusRequestEntityTooLarge, w.Code)
	require.LessOrEqual(t, endless.n, 17<<20)
}

type neverEnding byte

func (b neverEnding) Read(p []byte) (int, error) {
	return copy(p, strings.Repeat(string(b), len(p))), nil
}

type counting struct {
	io.Reader
	n int
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += n
	return n, err
}
