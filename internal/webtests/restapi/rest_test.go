package restapi

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/internal/webtests/testdesk"
	"github.com/ticketkit/ticket/rest"
)

// program uses the REST interface, and compares each response with the served document.
type program struct {
	t      *testing.T
	server *httptest.Server
	*document
}

func newProgram(t *testing.T, desk *ticket.Desk, cfg rest.Config) *program {
	t.Helper()
	cfg.Actor = testdesk.ActorOf
	server, _ := serve(t, desk, cfg)
	return &program{t: t, server: server, document: newDocument(t, server.URL+"/openapi.json")}
}

// serve returns a server with the REST interface of a desk.
func serve(t *testing.T, desk *ticket.Desk, cfg rest.Config) (*httptest.Server, *rest.Handler) {
	t.Helper()
	api, err := rest.New(desk, cfg)
	require.NoError(t, err)
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	t.Cleanup(func() { require.NoError(t, api.Shutdown(context.WithoutCancel(t.Context()))) })
	return server, api
}

// reply is the response to a request.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// get returns a field of a reply in JSON.
func (r reply) get(t *testing.T, path ...string) any {
	t.Helper()
	var v any
	require.NoError(t, json.Unmarshal(r.body, &v), "%s", r.body)
	for _, name := range path {
		switch list := v.(type) {
		case map[string]any:
			v = list[name]
		case []any:
			require.NotEmpty(t, list)
			v = list[0]
		}
	}
	return v
}

// send makes a request as somebody, and validates the response. The body is JSON, or bytes.
func (p *program) send(as, method, path string, body any, header ...string) reply {
	p.t.Helper()
	var content io.Reader
	kind := ""
	switch b := body.(type) {
	case nil:
	case []byte:
		content, kind = bytes.NewReader(b), "application/octet-stream"
	case string:
		content, kind = strings.NewReader(b), "application/json"
	default:
		data, err := json.Marshal(b)
		require.NoError(p.t, err)
		content, kind = bytes.NewReader(data), "application/json"
	}
	r, err := http.NewRequestWithContext(p.t.Context(), method, p.server.URL+path, content)
	require.NoError(p.t, err)
	r.Header.Set("X-Test-Actor", as)
	r.Header.Set("Authorization", "Bearer "+as) // as the document has it
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return p.do(p.t, r, path)
}

func TestResponsesAreAsTheDocumentSays(t *testing.T) {
	t.Parallel()
	desk := testdesk.New(t)
	p := newProgram(t, desk, rest.Config{RequireMatch: true, Limits: rest.Limits{Body: 20_000, Stream: 50 * time.Millisecond}})
	is := func(want int, r reply) reply {
		t.Helper()
		assert.Equal(t, want, r.status, "%s", r.body)
		return r
	}
	pin := func(r reply) []string { return []string{"If-Match", r.header.Get("ETag")} }

	// Opening, by a customer and by an agent.
	opened := is(201, p.send("ada", "POST", "/tickets", map[string]any{"subject": "Printer prints blank pages", "message": "Since this morning."}, "Idempotency-Key", "k1"))
	is(201, p.send("ada", "POST", "/tickets", map[string]any{"subject": "Printer prints blank pages", "message": "Since this morning."}, "Idempotency-Key", "k1"))
	is(422, p.send("ada", "POST", "/tickets", map[string]any{"subject": "Something else"}, "Idempotency-Key", "k1"))
	is(422, p.send("ada", "POST", "/tickets", map[string]any{"subject": ""}))
	is(400, p.send("ada", "POST", "/tickets", "{"))
	is(400, p.send("ada", "POST", "/tickets", map[string]any{"nothing": true}))
	is(413, p.send("ada", "POST", "/tickets", map[string]any{"subject": "x", "message": strings.Repeat("long ", 8000)}))
	is(415, p.send("ada", "POST", "/tickets", []byte("subject")))
	is(401, p.send("nobody", "POST", "/tickets", map[string]any{"subject": "x"}))
	id, _ := opened.get(t, "id").(string)
	number, _ := opened.get(t, "number").(string)
	at := "/tickets/" + id
	other := is(201, p.send("lin", "POST", "/tickets", map[string]any{"requester": testdesk.Ada, "subject": "Blank pages again", "solution": "Turn the drum.", "tags": []string{"printer"}, "fields": map[string]any{"order": "4711"}}))
	otherID, _ := other.get(t, "id").(string)

	// Reading.
	for _, who := range []string{"ada", "lin", "system"} {
		is(200, p.send(who, "GET", "/tickets?limit=1", nil))
		got := is(200, p.send(who, "GET", at, nil))
		if who != "ada" { // a customer's copy has no version
			is(304, p.send(who, "GET", at, nil, "If-None-Match", got.header.Get("ETag")))
		}
		is(200, p.send(who, "GET", at+"/actions", nil))
		is(200, p.send(who, "GET", at+"/history", nil))
		is(200, p.send(who, "GET", at+"/similar", nil))
		is(200, p.send(who, "GET", "/find?ref="+number, nil))
		is(200, p.send(who, "GET", "/search?q=blank", nil))
		is(200, p.send(who, "GET", "/known-problems", nil))
		is(200, p.send(who, "GET", at+"/messages", nil))
		is(200, p.send(who, "POST", "/similar", map[string]any{"requester": testdesk.Ada, "subject": "Blank pages"}))
		is(200, p.send(who, "GET", "/count", nil))
	}
	track := is(200, p.send("ada", "GET", at+"/track", nil))
	is(304, p.send("ada", "GET", at+"/track", nil, "If-None-Match", track.header.Get("ETag")))
	is(200, p.send("lin", "GET", at+"/events", nil))
	is(200, p.send("lin", "GET", at+"/entries", nil))
	is(200, p.send("lin", "GET", at+"/verify", nil))
	is(200, p.send("lin", "GET", at+"?version=1", nil))
	is(200, p.send("lin", "GET", "/counts", nil))
	is(403, p.send("ada", "GET", "/counts", nil))
	deliveries := is(200, p.send("lin", "GET", "/deliveries", nil))

	// Nothing that one may not know of.
	for _, path := range []string{"", "/track", "/messages", "/actions", "/history", "/events", "/verify", "/similar", "/files/" + strings.Repeat("0", 64)} {
		is(404, p.send("grace", "GET", at+path, nil))
	}
	is(404, p.send("grace", "GET", "/find?ref="+number, nil))
	is(400, p.send("lin", "GET", "/find", nil))
	is(403, p.send("ada", "GET", at+"/entries", nil))
	for _, path := range []string{"/tickets", "/search?q=x", "/count", "/deliveries", "/known-problems"} {
		joint := "?"
		if strings.Contains(path, "?") {
			joint = "&"
		}
		is(400, p.send("lin", "GET", path+joint+"unknown=1", nil))
	}
	is(422, p.send("lin", "GET", "/search?q=%2E", nil))
	is(400, p.send("lin", "GET", "/tickets?limit=x", nil))
	is(400, p.send("lin", "GET", at+"/history?skip=x", nil))
	is(400, p.send("lin", "GET", at+"/events?skip=x", nil))
	is(400, p.send("lin", "GET", at+"/entries?skip=x", nil))
	is(400, p.send("lin", "GET", at+"/similar?limit=x", nil))
	is(400, p.send("lin", "GET", at+"?version=x", nil))

	// Files.
	file := is(201, p.send("ada", "POST", "/files?name=page.txt", []byte("blank")))
	is(415, p.send("ada", "POST", "/tickets", []byte("x")))
	is(400, p.send("ada", "POST", "/files", []byte("x")))
	attachment := file.get(t)
	sum, _ := file.get(t, "sha256").(string)

	// Actions, pinned and stale.
	reply1 := map[string]any{"action": "reply", "message": "It is an LJ-4.", "attachments": []any{attachment}}
	is(428, p.send("ada", "POST", at+"/actions", reply1))
	done := is(200, p.send("ada", "POST", at+"/actions", reply1, pin(track)...))
	is(412, p.send("ada", "POST", at+"/actions", map[string]any{"action": "reply", "message": "Again."}, pin(track)...))
	is(412, p.send("lin", "POST", at+"/actions", map[string]any{"action": "take"}, "If-Match", `"1"`))
	is(409, p.send("sam", "POST", at+"/actions", map[string]any{"action": "close"}, "If-Match", "*"))
	is(403, p.send("ada", "POST", at+"/actions", map[string]any{"action": "take"}, "If-Match", "*"))
	is(404, p.send("grace", "POST", at+"/actions", map[string]any{"action": "reply", "message": "x"}, "If-Match", "*"))
	is(422, p.send("lin", "POST", at+"/actions", map[string]any{"action": "note"}, "If-Match", "*"))
	is(400, p.send("lin", "POST", at+"/actions", "[]", "If-Match", "*"))
	is(415, p.send("lin", "POST", at+"/actions", []byte("x"), "If-Match", "*"))
	is(413, p.send("lin", "POST", at+"/actions", map[string]any{"action": "note", "note": strings.Repeat("long ", 8000)}, "If-Match", "*"))
	is(200, p.send("lin", "POST", at+"/explain", map[string]any{"action": "take"}))
	is(200, p.send("sam", "POST", at+"/explain", map[string]any{"action": "close"}))
	is(404, p.send("grace", "POST", at+"/explain", map[string]any{"action": "reply", "message": "x"}))
	is(400, p.send("lin", "POST", at+"/explain", "{"))
	is(415, p.send("lin", "POST", at+"/explain", []byte("x")))
	for _, a := range []map[string]any{
		{"action": "take"}, {"action": "note", "note": "Fuser?"}, {"action": "edit", "edit": map[string]any{"add_tags": []string{"printer"}, "fields": map[string]any{"copies": 12}}},
		{"action": "link", "relation": "related to", "ticket": otherID}, {"action": "ask", "message": "Which model?"},
		{"action": "resolve", "message": "A new fuser is in.", "solved_by": otherID, "suggested": true},
		{"action": "publish", "known": map[string]any{"title": "Blank pages", "text": "Change the fuser."}},
	} {
		done = is(200, p.send("lin", "POST", at+"/actions", a, "If-Match", "*"))
	}
	require.NotEmpty(t, done.header.Get("ETag"))
	got := is(200, p.send("lin", "GET", at+"/files/"+sum, nil))
	require.Equal(t, "blank", string(got.body))
	is(304, p.send("lin", "GET", at+"/files/"+sum, nil, "If-None-Match", got.header.Get("ETag")))
	for _, who := range []string{"ada", "lin"} {
		is(200, p.send(who, "GET", at, nil))
		is(200, p.send(who, "GET", at+"/history", nil))
		is(200, p.send(who, "GET", "/known-problems", nil))
		is(200, p.send(who, "POST", "/similar", map[string]any{"requester": testdesk.Ada, "subject": "Blank pages from the fuser"}))
	}
	is(200, p.send("lin", "GET", at+"/entries", nil))
	is(200, p.send("lin", "GET", at+"/events", nil))
	is(200, p.send("lin", "GET", at+"/similar", nil))
	is(400, p.send("ada", "POST", "/similar", "{"))
	is(415, p.send("ada", "POST", "/similar", []byte("x")))
	is(422, p.send("ada", "POST", "/similar", map[string]any{"subject": strings.Repeat("x", 1000)}))

	// Status links.
	link := is(201, p.send("lin", "POST", at+"/links", map[string]any{"for": map[string]any{"id": testdesk.Ada.ID, "email": testdesk.Ada.Email}, "ttl_seconds": 3600}))
	token, _ := link.get(t, "token").(string)
	require.NotEmpty(t, token, "%s", link.body)
	own := is(200, p.send(token, "GET", "/track", nil))
	is(304, p.send(token, "GET", "/track", nil, "If-None-Match", own.header.Get("ETag")))
	is(404, p.send("ada", "GET", "/track", nil))
	is(400, p.send("lin", "POST", at+"/links", "{"))
	is(415, p.send("lin", "POST", at+"/links", []byte("x")))
	is(422, p.send("lin", "POST", at+"/links", map[string]any{"for": map[string]any{"id": "nobody"}}))
	is(404, p.send("grace", "POST", at+"/links", map[string]any{}))
	is(200, p.send("lin", "DELETE", at+"/links", nil))
	is(404, p.send("grace", "DELETE", at+"/links", nil))

	// Ratings.
	is(422, p.send("ada", "POST", at+"/rating", map[string]any{"score": 9}))
	is(400, p.send("ada", "POST", at+"/rating", "{"))
	is(415, p.send("ada", "POST", at+"/rating", []byte("x")))
	is(404, p.send("grace", "POST", at+"/rating", map[string]any{"score": 5}))
	is(200, p.send("ada", "POST", at+"/rating", map[string]any{"score": 5, "message": "Quick."}))
	is(409, p.send("ada", "POST", at+"/rating", map[string]any{"score": 4}))
	is(403, p.send("lin", "POST", at+"/rating", map[string]any{"score": 4}))

	// Deliveries.
	delivery, _ := deliveries.get(t, "deliveries", "", "id").(string)
	require.NotEmpty(t, delivery, "%s", deliveries.body)
	is(200, p.send("lin", "POST", "/deliveries/redrive", map[string]any{"state": []string{"dead"}}))
	is(400, p.send("lin", "POST", "/deliveries/redrive", "{"))
	is(415, p.send("lin", "POST", "/deliveries/redrive", []byte("x")))
	is(403, p.send("ada", "POST", "/deliveries/redrive", map[string]any{"state": []string{"dead"}}))
	is(422, p.send("lin", "POST", "/deliveries/redrive", map[string]any{"state": []string{"lost"}}))
	is(403, p.send("ada", "GET", "/deliveries", nil))
	is(422, p.send("lin", "POST", "/deliveries/"+delivery+"/failure", map[string]any{"reason": "it is still on its way", "address": true}))
	is(400, p.send("lin", "POST", "/deliveries/"+delivery+"/failure", "{"))
	is(415, p.send("lin", "POST", "/deliveries/"+delivery+"/failure", []byte("x")))
	is(404, p.send("lin", "POST", "/deliveries/"+id+"/failure", map[string]any{"reason": "x"}))

	// Erasure and personal data.
	is(200, p.send("system", "POST", "/personal-data", map[string]any{"person": testdesk.Ada}))
	is(400, p.send("system", "POST", "/personal-data", "{"))
	is(415, p.send("system", "POST", "/personal-data", []byte("x")))
	is(422, p.send("system", "POST", "/personal-data", map[string]any{"person": map[string]any{}}))
	is(403, p.send("ada", "POST", "/personal-data", map[string]any{"person": testdesk.Grace}))
	groups := map[string]any{"public_content": true}
	is(400, p.send("system", "POST", "/erasures", "{"))
	is(415, p.send("system", "POST", "/erasures", []byte("x")))
	is(422, p.send("system", "POST", "/erasures", map[string]any{}))
	is(403, p.send("ada", "POST", "/erasures", map[string]any{"ticket": id, "groups": groups, "reason": "asked for"}))
	is(404, p.send("system", "POST", "/erasures", map[string]any{"ticket": "01M8NT77SM0X3BFRW2KGG9PGTW", "groups": groups, "reason": "asked for"}))
	is(200, p.send("system", "POST", "/erasures", map[string]any{"ticket": otherID, "groups": groups, "reason": "asked for"}))

	// The document and its page, a method and a path that there is not.
	is(200, p.send("nobody", "GET", "/openapi.json", nil))
	is(200, p.send("nobody", "GET", "/docs", nil))
	is(200, p.send("nobody", "GET", "/docs.css", nil))
	is(200, p.send("lin", "GET", "/events", nil))
	is(405, p.send("lin", "PUT", "/tickets", nil))
	is(404, p.send("lin", "GET", "/nothing", nil))
}
