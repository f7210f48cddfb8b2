package rest_test

import (
	"cmp"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/files"
	"github.com/ticketkit/ticket/memstore"
	"github.com/ticketkit/ticket/rest"
	"github.com/ticketkit/ticket/tickettest"
)

// send makes a request with headers, of which one can be there several times.
func (w *world) send(t *testing.T, as, method, path, body string, header ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, "/"+path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+as)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	rec := httptest.NewRecorder()
	w.handlers[""].ServeHTTP(rec, r)
	return rec.Result()
}

// If-Match is a list: the action is done if one of its tags is the current one.
func TestOneOfSeveralEntityTagsMatches(t *testing.T) {
	w := newWorld(t)
	tk, err := w.desk.Open(t.Context(), ada, ticket.Draft{Subject: "Printer prints blank pages"})
	require.NoError(t, err)
	path, note, reply := "tickets/"+tk.ID.String(), `{"action":"note","note":"Fuser?"}`, `{"action":"reply","message":"It is an LJ-4."}`
	for _, c := range []struct {
		match  []string
		status int
		tag    string
	}{
		{[]string{`"1"`}, 200, `"2"`},
		{[]string{`"1"`}, 412, `"2"`},
		{[]string{`"1", "2"`}, 200, `"3"`},
		{[]string{` "99" ,W/"4",	"3",, "x,y"`}, 200, `"4"`},
		{[]string{`"99", "4"`}, 200, `"5"`},
		{[]string{`"99", "4"`}, 412, `"5"`},
		{[]string{`"4"`, `"5"`}, 200, `"6"`},
		{[]string{`W/"6"`}, 412, `"6"`},
		{[]string{`W/"6", "6"`}, 200, `"7"`},
		{[]string{`"99"`}, 412, `"7"`},
		{[]string{` * `}, 200, `"8"`},
		{[]string{`*`, `"8"`}, 400, ``},
		{[]string{`"8`}, 400, ``},
		{[]string{`8`}, 400, ``},
		{[]string{`"8"x`}, 400, ``},
		{[]string{`w/"8"`}, 400, ``},
		{[]string{`,`}, 400, ``},
		{[]string{``}, 400, ``},
	} {
		var header []string
		for _, v := range c.match {
			header = append(header, "If-Match", v)
		}
		res := w.send(t, "lin", "POST", path+"/actions", note, header...)
		require.Equal(t, c.status, res.StatusCode, "%q", c.match)
		require.Equal(t, c.tag, res.Header.Get("ETag"), "%q", c.match)
	}

	seen := w.send(t, "ada", "GET", path+"/track", "").Header.Get("ETag")
	assert.Equal(t, 412, w.send(t, "ada", "POST", path+"/actions", reply, "If-Match", "W/"+seen).StatusCode)
	assert.Equal(t, 200, w.send(t, "ada", "POST", path+"/actions", reply, "If-Match", `"x", `+seen).StatusCode)
	assert.Equal(t, 412, w.send(t, "ada", "POST", path+"/actions", reply, "If-Match", `"x", `+seen).StatusCode)
	for match, status := range map[string]int{`"x,", W/"9"`: 304, `"9"`: 304, `*`: 304, `"x", 9`: 200, `9`: 200, `"8"`: 200} {
		assert.Equal(t, status, w.send(t, "lin", "GET", path, "", "If-None-Match", match).StatusCode, match)
	}
}

// Clients that ogen generates send the parameter always, and empty if it is not set.
func TestEmptyFieldsAreNoCondition(t *testing.T) {
	w := newWorld(t)
	assert.Equal(t, 200, w.send(t, "lin", "GET", "tickets?fields=", "").StatusCode)
	assert.Equal(t, 400, w.send(t, "lin", "GET", "tickets?fields=&fields=", "").StatusCode)
}

// Whoever reads another one of two media types would read another request.
func TestTwoMediaTypesAreRefused(t *testing.T) {
	w := newWorld(t)
	res := w.send(t, "ada", "POST", "tickets", `{"subject":"x"}`, "Content-Type", "text/plain")
	assert.Equal(t, http.StatusUnsupportedMediaType, res.StatusCode)
	assert.Equal(t, "application/json", res.Header.Get("Accept-Post"))
	res = w.send(t, "ada", "POST", "tickets", `{"subject":"x"}`, "Content-Encoding", "gzip")
	assert.Equal(t, http.StatusUnsupportedMediaType, res.StatusCode)
	assert.Equal(t, "identity", res.Header.Get("Accept-Encoding"))
}

// A body has a few elements for each list of it that the desk reads.
func TestListsAndFieldsAreBounded(t *testing.T) {
	list := func(n int) string { return "[" + strings.Repeat("{},", n-1) + "{}]" }
	require.NoError(t, rest.DecodeAction([]byte(`{"attachments":`+list(10_000)+`}`)))
	for body, want := range map[string]string{
		`{"attachments":` + list(10_001) + `}`:                                  "#/attachments",
		`{"edit":{"fields":{"a":1` + strings.Repeat(`,"a":1`, 10_000) + `}}}`:   "#/edit/fields/a",
		`{"edit":{"fields":{"a":{"time":"2026-01-05T09:00:00Z","time":null}}}}`: "#/edit/fields/a/time",
		`{"until":"0001-01-01T00:00:00Z"}`:                                      "#/until",
		`{"edit":{"snooze":"0001-01-01T00:00:00Z"}}`:                            "#/edit/snooze",
		`{"edit":{"fields":{` + many(10_001) + `}}}`:                            "#/edit/fields",
	} {
		assert.Equal(t, want, rest.FirstPointer(rest.DecodeAction([]byte(body))), "%.80s", body)
	}
	require.NoError(t, rest.DecodeAction([]byte(`{"edit":{"fields":{`+many(10_000)+`}}}`)))
}

// many returns members with different names.
func many(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(`,"f`)
		b.WriteString(strings.Repeat("x", i%100) + string(rune('0'+i/100%10)) + string(rune('a'+i/1000)))
		b.WriteString(`":1`)
	}
	return b.String()[1:]
}

// scanned is a file store with a scanner that refuses everything.
type scanned struct{ ticket.FileStore }

func (scanned) Open(_ context.Context, _ string, sum ticket.Digest) (io.ReadCloser, error) {
	return nil, &ticket.FileError{SHA256: sum, Reason: "is refused", Found: "a virus"}
}

// The file that is sent is the fault; there is none that is gone.
func TestUploadThatAScannerRefuses(t *testing.T) {
	cfg := tickettest.Config(tickettest.NewClock(), nil)
	cfg.Files = scanned{files.NewMemory()}
	server := httptest.NewServer(newHandler(t, newDesk(t, memstore.New(), cfg), rest.Config{}))
	defer server.Close()
	res, data, err := call(t, server, "ada", "POST", "/files?name=a.exe", strings.NewReader("x"))
	require.NoError(t, err)
	require.Equal(t, http.StatusUnprocessableEntity, res.StatusCode)
	require.Contains(t, string(data), rest.ProblemBase+`file"`)
	require.Contains(t, string(data), `"found":"a virus"`)
}

// A place that is none means that something may have been missed.
func TestLastEventIDThatIsNoneIsAReset(t *testing.T) {
	w := newWorld(t)
	for _, id := range []string{"x", "-", "AAAA", strings.Repeat("A", 3000), "\x80\xff", `{"a":1}`} {
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/events", http.NoBody)
		r.Header.Set("Authorization", "Bearer lin")
		r.Header.Set("Last-Event-ID", id)
		rec := httptest.NewRecorder()
		w.handlers["brief"].ServeHTTP(rec, r)
		assert.Equal(t, 200, rec.Code)
		assert.Contains(t, rec.Body.String(), "event: reset\ndata: {}\n", id)
		assert.NotContains(t, rec.Body.String(), "id: "+id+"\n")
	}
}

// A key is bound to the actor with the role and the tenant.
func TestKeyOfAnotherActorIsAnotherKey(t *testing.T) {
	w := newWorld(t)
	others := map[string]ticket.Actor{
		"lin": lin, "lin of another tenant": ticket.Agent("lin", 1).InTenant("other"), "a system": ticket.System("lin"),
		"a customer": ticket.Requester(ticket.Person{ID: "lin"}), "an ID like an address": ticket.Requester(ticket.Person{ID: "lin@example.org"}),
		"an address": ticket.Requester(ticket.Person{Email: "lin@example.org"}),
	}
	h := newHandler(t, w.desk, rest.Config{Actor: func(r *http.Request) (ticket.Actor, error) { return others[r.Header.Get("Authorization")], nil }})
	seen := map[string]string{}
	for who, actor := range others {
		body := `{"subject":"Printer prints blank pages"}`
		if actor.Role != ticket.RoleRequester {
			body = `{"subject":"Printer prints blank pages","requester":{"id":"ada"}}`
		}
		for range 2 {
			r := httptest.NewRequestWithContext(t.Context(), "POST", "/tickets", strings.NewReader(body))
			r.Header.Set("Authorization", who)
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Idempotency-Key", "k")
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, r)
			require.Equal(t, 201, rec.Code, "%s: %s", who, rec.Body)
			location := rec.Header().Get("Location")
			require.Equal(t, who, cmp.Or(seen[location], who))
			seen[location] = who
		}
	}
	require.Len(t, seen, len(others))
}
