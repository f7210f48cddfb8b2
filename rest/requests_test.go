package rest_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket/rest"
)

// step is one request of testdata/requests.json, with the answer it must get.
type step struct {
	Name    string            `json:"name"`
	As      string            `json:"as"`
	Handler string            `json:"handler"`
	Method  string            `json:"method"`
	Path    string            `json:"path"`
	Header  map[string]string `json:"header"`
	Body    json.RawMessage   `json:"body"`
	Raw     *string           `json:"raw"`
	Raw64   string            `json:"raw64"`
	Advance string            `json:"advance"`
	Deliver bool              `json:"deliver"`
	Damage  string            `json:"damage"`

	Status  int               `json:"status"`
	Headers map[string]string `json:"headers"`
	Save    map[string]string `json:"save"`
	Want    map[string]any    `json:"want"`
	Absent  []string          `json:"absent"`
	Without []string          `json:"without"`
	Text    *string           `json:"text"`
}

func steps(tb testing.TB) []step {
	tb.Helper()
	data, err := os.ReadFile("testdata/requests.json")
	require.NoError(tb, err)
	var file struct {
		About    []string `json:"about"`
		Requests []step   `json:"requests"`
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	require.NoError(tb, dec.Decode(&file))
	return file.Requests
}

// play sends the request of a step and returns the answer.
func (w *world) play(tb testing.TB, s step, saved map[string]string) *http.Response {
	tb.Helper()
	fill := func(text string) string {
		for name, value := range saved {
			text = strings.ReplaceAll(text, "{"+name+"}", value)
		}
		return text
	}
	if s.Advance != "" {
		d, err := time.ParseDuration(s.Advance)
		require.NoError(tb, err)
		w.clock.Advance(d)
	}
	if s.Deliver {
		_, err := w.desk.Deliver(tb.Context())
		require.NoError(tb, err)
	}
	if s.Damage != "" {
		w.files.damage(fill(s.Damage))
	}
	body, mediaType := []byte(fill(string(s.Body))), "application/json"
	if s.Raw != nil {
		body, mediaType = []byte(fill(*s.Raw)), ""
	}
	if s.Raw64 != "" {
		var err error
		body, err = base64.StdEncoding.DecodeString(s.Raw64)
		require.NoError(tb, err)
	}
	r := httptest.NewRequestWithContext(tb.Context(), s.Method, "/api/"+fill(s.Path), bytes.NewReader(body))
	if mediaType != "" && len(body) > 0 {
		r.Header.Set("Content-Type", mediaType)
	}
	if s.As != "" {
		r.Header.Set("Authorization", "Bearer "+fill(s.As))
	}
	for name, value := range s.Header {
		r.Header.Set(name, fill(value))
	}
	rec := httptest.NewRecorder()
	mux := http.NewServeMux()
	mux.Handle("/api/", w.handlers[s.Handler])
	mux.ServeHTTP(rec, r)
	return rec.Result()
}

// at returns the value at a JSON pointer.
func at(v any, pointer string) (any, bool) {
	for _, part := range strings.Split(pointer, "/")[1:] {
		part = strings.NewReplacer("~1", "/", "~0", "~").Replace(part)
		switch c := v.(type) {
		case map[string]any:
			next, ok := c[part]
			if !ok {
				return nil, false
			}
			v = next
		case []any:
			i, err := strconv.Atoi(part)
			if err != nil || i >= len(c) {
				return nil, false
			}
			v = c[i]
		default:
			return nil, false
		}
	}
	return v, true
}

// Every operation and every status of the document is there, and answers as the table says.
func TestRequestsAreAnsweredAsTheTableSays(t *testing.T) {
	w := newWorld(t)
	saved, hit := map[string]string{}, map[string]bool{}
	fill := func(text string) string {
		for name, value := range saved {
			text = strings.ReplaceAll(text, "{"+name+"}", value)
		}
		return text
	}
	for i, s := range steps(t) {
		name := fmt.Sprintf("%d %s", i, s.Name)
		res := w.play(t, s, saved)
		var b bytes.Buffer
		_, err := b.ReadFrom(res.Body)
		require.NoError(t, err)
		body := b.String()
		require.Equal(t, s.Status, res.StatusCode, "%s: %s", name, body)
		hit[operationOf(t, s)+" "+strconv.Itoa(s.Status)] = true

		assert.Equal(t, "no-store", res.Header.Get("Cache-Control"), name)
		assert.Equal(t, "nosniff", res.Header.Get("X-Content-Type-Options"), name)
		assert.Contains(t, res.Header.Get("Content-Security-Policy"), "default-src 'none'", name)
		var value any
		if strings.HasSuffix(res.Header.Get("Content-Type"), "json") && body != "" {
			require.NoError(t, json.Unmarshal(b.Bytes(), &value), name)
		}
		if s.Status >= 400 && s.Method != http.MethodHead {
			assert.Equal(t, "application/problem+json", res.Header.Get("Content-Type"), name)
			status, _ := at(value, "/status")
			assert.EqualValues(t, s.Status, status, name)
		}
		for pointer, want := range s.Want {
			if !strings.HasPrefix(pointer, "/") { // a member of a problem
				pointer = "/" + pointer
			}
			got, ok := at(value, pointer)
			assert.True(t, ok, "%s: nothing at %s of %s", name, pointer, body)
			if text, is := want.(string); is {
				if kind, problem := strings.CutPrefix(text, "#"); problem && pointer == "/type" {
					text = rest.ProblemBase + kind
				}
				want = fill(text)
			}
			assert.EqualValues(t, want, got, "%s: %s of %s", name, pointer, body)
		}
		for _, pointer := range s.Absent {
			got, ok := at(value, pointer)
			assert.False(t, ok, "%s: %s is %v", name, pointer, got)
		}
		for _, text := range s.Without {
			assert.NotContains(t, body, text, name)
		}
		if s.Text != nil {
			assert.Equal(t, *s.Text, body, name)
		}
		for variable, from := range s.Save {
			if header, ok := strings.CutPrefix(from, "header:"); ok {
				saved[variable] = res.Header.Get(header)
			} else {
				got, ok := at(value, from)
				require.True(t, ok, "%s: nothing at %s of %s", name, from, body)
				saved[variable] = fmt.Sprint(got)
			}
			require.NotEmpty(t, saved[variable], name)
		}
		for header, want := range s.Headers {
			assert.Equal(t, fill(want), res.Header.Get(header), "%s: %s", name, header)
		}
	}
	for op := range document(t).operations() {
		for status := range op.Responses {
			if status != "default" {
				assert.True(t, hit[op.OperationID+" "+status], "no request of the table gets %s from %s", status, op.OperationID)
			}
		}
	}
}

// The table, the document and the handler have the same operations, and the parameters of the
// query are those of the document.
func TestDocumentHasWhatTheHandlerHas(t *testing.T) {
	doc := document(t)
	var described, served []string
	for op := range doc.operations() {
		line := op.OperationID + " " + op.method + " " + op.path + " ?"
		var params []string
		for _, p := range op.Parameters {
			if p.Ref != "" {
				p = doc.Components.Parameters[p.Ref[strings.LastIndexByte(p.Ref, '/')+1:]]
			}
			require.NotEmpty(t, p.Name, line)
			if p.In == "query" {
				params = append(params, p.Name)
			}
		}
		slices.Sort(params)
		described = append(described, line+strings.Join(params, " "))
	}
	served = append(served, rest.Operations()...)
	slices.Sort(described)
	slices.Sort(served)
	assert.Equal(t, strings.Join(described, "\n"), strings.Join(served, "\n"))
}

// The members of each schema are those of the type that is sent or read.
func TestSchemasHaveTheMembersOfTheTypes(t *testing.T) {
	doc := document(t)
	for name, members := range rest.Members() {
		s, ok := doc.Components.Schemas[name]
		if !assert.True(t, ok, "no schema %s", name) {
			continue
		}
		assert.ElementsMatch(t, members, slices.Collect(maps.Keys(s.Properties)), name)
	}
}

type parameter struct {
	Ref  string `json:"$ref"`
	Name string `json:"name"`
	In   string `json:"in"`
}

type described struct {
	OperationID string                     `json:"operationId"`
	Parameters  []parameter                `json:"parameters"`
	Responses   map[string]json.RawMessage `json:"responses"`

	method, path string
}

type openAPI struct {
	Paths      map[string]map[string]*described `json:"paths"`
	Components struct {
		Parameters map[string]parameter `json:"parameters"`
		Schemas    map[string]struct {
			Properties map[string]json.RawMessage `json:"properties"`
		} `json:"schemas"`
	} `json:"components"`
}

func document(tb testing.TB) *openAPI {
	tb.Helper()
	data, err := os.ReadFile("openapi.json")
	require.NoError(tb, err)
	var doc openAPI
	require.NoError(tb, json.Unmarshal(data, &doc))
	return &doc
}

func (d *openAPI) operations() func(func(*described) bool) {
	return func(yield func(*described) bool) {
		for path, methods := range d.Paths {
			for method, op := range methods {
				op.method, op.path = strings.ToUpper(method), strings.TrimPrefix(path, "/")
				if !yield(op) {
					return
				}
			}
		}
	}
}

// operationOf returns the operation of a step, or "" where it is none.
func operationOf(tb testing.TB, s step) string {
	tb.Helper()
	path, _, _ := strings.Cut(s.Path, "?")
	path = strings.Split(path, "{next}")[0]
	path = strings.Split(path, "{dnext}")[0]
	parts := strings.Split(path, "/")
	method := s.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	for op := range document(tb).operations() {
		pattern := strings.Split(op.path, "/")
		fits := op.method == method && len(pattern) == len(parts)
		for i := 0; fits && i < len(parts); i++ {
			fits = pattern[i] == parts[i] || strings.HasPrefix(pattern[i], "{")
		}
		if fits {
			return op.OperationID
		}
	}
	return ""
}
