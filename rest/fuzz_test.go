package rest_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzRequest sends anything: no answer is a fault of the desk, every failure is a problem
// document, and nothing that was sent in a header or as a query comes back in it.
func FuzzRequest(f *testing.F) {
	for _, s := range steps(f) {
		body := string(s.Body)
		if s.Raw != nil {
			body = *s.Raw
		}
		path, query, _ := strings.Cut(s.Path, "?")
		f.Add(s.Method, path, query, s.Header["If-Match"], s.Header["Idempotency-Key"], s.Header["Accept"], []byte(body))
	}
	w := newWorld(f)
	f.Fuzz(func(t *testing.T, method, path, query, match, key, accept string, body []byte) {
		if path == "events" {
			return // which waits for changes
		}
		r, err := http.NewRequestWithContext(t.Context(), method, "http://desk.example/", bytes.NewReader(body))
		if err != nil {
			return
		}
		r.URL.RawPath, r.URL.Path, r.URL.RawQuery = "", "/"+path, query
		r.RequestURI = r.URL.RequestURI()
		for _, as := range []string{"ada", "lin"} {
			r := r.Clone(t.Context())
			r.Body = http.NoBody
			if len(body) > 0 {
				r.Body = readCloser{bytes.NewReader(body)}
				r.Header.Set("Content-Type", "application/json")
			}
			r.Header.Set("Authorization", "Bearer "+as)
			for name, value := range map[string]string{"If-Match": match, "Idempotency-Key": key, "Accept": accept} {
				if value != "" {
					r.Header[name] = []string{value}
				}
			}
			rec := httptest.NewRecorder()
			w.handlers[""].ServeHTTP(rec, r)
			require.NotContains(t, []int{http.StatusInternalServerError, http.StatusServiceUnavailable}, rec.Code, "%s", rec.Body)
			if rec.Code < 400 || method == http.MethodHead {
				continue
			}
			require.Equal(t, "application/problem+json", rec.Header().Get("Content-Type"))
			var problem struct {
				Type   string `json:"type"`
				Status int    `json:"status"`
			}
			require.NoError(t, json.Unmarshal(rec.Body.Bytes(), &problem))
			require.Equal(t, rec.Code, problem.Status)
			if len(key) > 30 {
				require.NotContains(t, rec.Body.String(), key)
			}
		}
	})
}

type readCloser struct{ *bytes.Reader }

func (readCloser) Close() error { return nil }
