package restapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/stretchr/testify/require"
)

// document is the OpenAPI document of the REST interface, and what was seen of it.
type document struct {
	validator validator.Validator
	paths     map[string]map[string]operation
	seen      map[string]bool // "GET /tickets 200"
}

type operation struct {
	Responses map[string]json.RawMessage `json:"responses"`
}

// general are the statuses that the document describes for all operations together.
var general = []int{400, 401, 403, 404, 405, 406, 408, 410, 413, 431, 500, 501, 503}

// newDocument gets the document from its address.
func newDocument(t *testing.T, address string) *document {
	t.Helper()
	answer, err := http.Get(address)
	require.NoError(t, err)
	defer func() { _ = answer.Body.Close() }()
	data, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	var described struct {
		Paths map[string]map[string]operation `json:"paths"`
	}
	require.NoError(t, json.Unmarshal(data, &described))
	parsed, err := libopenapi.NewDocument(data)
	require.NoError(t, err)
	v, faults := validator.NewValidator(parsed)
	require.Empty(t, faults)
	ok, invalid := v.ValidateDocument()
	require.True(t, ok, "%v", invalid)
	return &document{validator: v, paths: described.Paths, seen: map[string]bool{}}
}

// do sends a request for a path of the document, and compares the response with the document.
func (d *document) do(t *testing.T, r *http.Request, path string) reply {
	t.Helper()
	var sent []byte
	if r.Body != nil {
		var err error
		sent, err = io.ReadAll(r.Body)
		require.NoError(t, err)
		r.Body = io.NopCloser(bytes.NewReader(sent))
	}
	answer, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer func() { _ = answer.Body.Close() }()
	data, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	got := reply{answer.StatusCode, answer.Header, data}
	name := fmt.Sprintf("%s %s: %d %s", r.Method, path, answer.StatusCode, data[:min(len(data), 500)])
	template := d.template(path)
	method := r.Method
	if method == http.MethodHead { // the response to GET, without its body
		method = http.MethodGet
	}
	op, ok := d.paths[template][strings.ToLower(method)]
	switch {
	case template == "":
		require.Equal(t, 404, answer.StatusCode, name)
		return got
	case !ok:
		require.Equal(t, 405, answer.StatusCode, name)
		return got
	case r.Method == http.MethodHead:
		require.Empty(t, data, name)
		return got
	}
	status := fmt.Sprint(answer.StatusCode)
	if _, ok := op.Responses[status]; !ok {
		require.Contains(t, general, answer.StatusCode, name)
		status = "default"
	}
	d.seen[r.Method+" "+template+" "+status] = true
	if answer.StatusCode == http.StatusNotModified || answer.StatusCode == http.StatusNoContent {
		require.Empty(t, data, name)
	} else {
		answer.Body = io.NopCloser(bytes.NewReader(data))
		if ok, faults := d.validator.ValidateHttpResponse(r, answer); !ok {
			for _, f := range faults {
				t.Errorf("response: %s:\n  %s: %s %v", name, f.Message, f.Reason, f.SchemaValidationErrors)
			}
		}
	}
	if answer.StatusCode < 300 { // what is accepted is described
		r.Body = io.NopCloser(bytes.NewReader(sent))
		if r.Header.Get("Content-Type") == "" { // bytes, which the validator does not assume
			r.Header.Set("Content-Type", "application/octet-stream")
		}
		if ok, faults := d.validator.ValidateHttpRequest(r); !ok {
			for _, f := range faults {
				t.Errorf("request: %s:\n  %s: %s %v", name, f.Message, f.Reason, f.SchemaValidationErrors)
			}
		}
	}
	return got
}

var variable = regexp.MustCompile(`\{[^}]+\}`)

// template returns the path of the document that a path has.
func (d *document) template(path string) string {
	path, _, _ = strings.Cut(path, "?")
	if d.paths[path] != nil {
		return path
	}
	for want := range d.paths {
		if regexp.MustCompile("^" + variable.ReplaceAllString(want, `[^/]+`) + "$").MatchString(path) {
			return want
		}
	}
	return ""
}

// untried lists the operations and statuses of the document that no request had. Those with
// "default" are any other status.
func (d *document) untried() (list []string) {
	for path, methods := range d.paths {
		for method, op := range methods {
			for status := range op.Responses {
				name := strings.ToUpper(method) + " " + path + " " + status
				if status != "default" && !d.seen[name] {
					list = append(list, name)
				}
			}
		}
	}
	slices.Sort(list)
	return list
}
