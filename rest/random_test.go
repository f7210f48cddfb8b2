package rest_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/rest"
)

// Random actors use all operations at random. No customer gets a note, nobody gets anything of
// another tenant, and nobody learns whether a ticket exists that they may not know of.
func TestRandomActorsGetNothingThatIsNotTheirs(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { newStroll(t, seed).run(1500) })
	}
}

// stroll is a random walk. Words have marks that say who may read them.
type stroll struct {
	t    *testing.T
	r    *rand.Rand
	w    *world
	mux  *http.ServeMux
	of   map[string]ticket.Actor
	refs []string // IDs and numbers of tickets
	sums []string
	keys int
}

func newStroll(t *testing.T, seed uint64) *stroll {
	t.Helper()
	s := &stroll{t: t, r: rand.New(rand.NewPCG(seed, 15)), w: newWorld(t), of: map[string]ticket.Actor{
		"ada": ada, "bob": bob, "lin": lin, "kim": kim, "sys": sys,
		"eve": eve, "ann": ticket.Requester(ticket.Person{ID: "ada", Email: "ada@example.org"}).InTenant("other"), // of the same name
		"fay": ticket.Requester(ticket.Person{Email: "fay@example.org"}),
	}}
	h := newHandler(t, s.w.desk, rest.Config{Actor: func(r *http.Request) (ticket.Actor, error) {
		return s.of[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")], nil
	}})
	s.mux = http.NewServeMux()
	s.mux.Handle("/", h)
	return s
}

func pick[T any](s *stroll, list []T) T { return list[s.r.IntN(len(list))] }

// words returns a text with a mark: of its tenant, and of notes.
func (s *stroll) words(as, kind string) string {
	tenant := "here"
	if s.of[as].Tenant != "" {
		tenant = "there"
	}
	return fmt.Sprintf("%sx%sx%d printer", kind, tenant, s.r.IntN(1000))
}

func (s *stroll) person() map[string]any {
	p := s.of[pick(s, []string{"ada", "bob", "fay"})].Person
	m := map[string]any{"email": p.Email}
	if p.ID != "" {
		m["id"] = p.ID
	}
	return m
}

func (s *stroll) ref() string {
	if len(s.refs) == 0 || s.r.IntN(50) == 0 {
		return pick(s, []string{"0000-0001-H", "x", "01KE80FAR0000000000000ZZZZ", "a%2Fb", "%00"})
	}
	return pick(s, s.refs)
}

func (s *stroll) action(as string) map[string]any {
	a := map[string]any{"action": pick(s, []string{
		"take", "assign", "release", "reply", "ask", "hold", "resume", "note", "escalate", "hand back", "hand over", "resolve", "confirm",
		"reopen", "close", "cancel", "amend", "merge", "unmerge", "split", "link", "unlink", "edit", "publish", "withdraw", "clock", "",
	})}
	some := func(name string, v any) {
		if s.r.IntN(2) == 0 {
			a[name] = v
		}
	}
	switch a["action"] {
	case "reply", "ask", "resolve":
		a["message"] = s.words(as, "message")
		if len(s.sums) > 0 {
			some("attachments", []any{map[string]any{"name": "a", "size": 1, "sha256": pick(s, s.sums)}})
		}
	case "note", "escalate", "hand back", "amend":
		a["note"] = s.words(as, "SECRET")
	case "hold", "cancel":
		a["reason"] = "waiting"
	case "assign":
		a["assignee"] = "lin"
	case "hand over":
		a["queue"] = "queue"
	case "merge", "unmerge":
		a["ticket"] = s.ref()
	case "link", "unlink":
		a["ticket"], a["relation"] = s.ref(), "related to"
	case "split":
		a["draft"] = map[string]any{"subject": s.words(as, "subject"), "requester": s.person(), "note": s.words(as, "SECRET")}
	case "edit":
		a["edit"] = map[string]any{"follow": []any{s.person()}, "add_tags": []any{"SECRETtag"}}
		if s.r.IntN(3) == 0 {
			a["edit"] = map[string]any{"requester": s.person()}
		}
	case "publish":
		a["known"] = map[string]any{"title": s.words(as, "known"), "text": s.words(as, "known")}
	}
	return a
}

// request returns a random request of an actor.
func (s *stroll) request(as string) (method, path string, body any) {
	ticketPath := "/tickets/" + s.ref()
	draft := func() map[string]any {
		d := map[string]any{"subject": s.words(as, "subject"), "message": s.words(as, "message")}
		if s.of[as].Role != ticket.RoleRequester {
			d["requester"] = s.person()
			d["note"] = s.words(as, "SECRET")
			d["queue"] = pick(s, []string{"", "queue"})
		}
		return d
	}
	switch s.r.IntN(24) {
	case 0, 1:
		return "POST", "/tickets", draft()
	case 2:
		return "GET", "/tickets?order=" + pick(s, []string{"oldest", "newest", "most+recent"}), nil
	case 3:
		return "GET", ticketPath, nil
	case 4:
		return "GET", ticketPath + "/track", nil
	case 5:
		return "GET", ticketPath + "/messages", nil
	case 6:
		return "GET", ticketPath + "/actions", nil
	case 7, 8, 9, 10, 11:
		return "POST", ticketPath + "/actions", s.action(as)
	case 12:
		return "POST", ticketPath + "/explain", s.action(as)
	case 13:
		return "GET", ticketPath + "/" + pick(s, []string{"history", "events", "entries"}), nil
	case 14:
		return "GET", ticketPath + "/similar", nil
	case 15:
		return "POST", ticketPath + "/rating", map[string]any{"score": 1 + s.r.IntN(5), "message": s.words(as, "SECRET")}
	case 16:
		return "POST", ticketPath + "/links", map[string]any{"reply": s.r.IntN(2) == 0}
	case 17:
		return "POST", "/files?name=" + s.words(as, "file")[:8], s.words(as, "bytes")
	case 18:
		if len(s.sums) > 0 {
			return "GET", ticketPath + "/files/" + pick(s, s.sums), nil
		}
		return "GET", "/find?ref=" + s.ref(), nil
	case 19:
		return "GET", "/search?q=" + pick(s, []string{"printer", "SECRET*", "SECRETx*", "message*", "there*"}), nil
	case 20:
		return "POST", "/similar", draft()
	case 21:
		return "GET", pick(s, []string{"/counts", "/count", "/deliveries", "/known-problems", "/track"}), nil
	case 22:
		return "GET", ticketPath + "/verify", nil
	default:
		return "POST", pick(s, []string{"/personal-data", "/deliveries/redrive"}), map[string]any{"person": s.person(), "all": true}
	}
}

func (s *stroll) run(steps int) {
	s.t.Helper()
	names := slices.Sorted(maps.Keys(s.of))
	statuses := map[int]int{}
	for range steps {
		as := pick(s, names)
		method, path, body := s.request(as)
		var data []byte
		mediaType := "application/json"
		if text, ok := body.(string); ok {
			data, mediaType = []byte(text), "text/html"
		} else if body != nil {
			var err error
			data, err = json.Marshal(body)
			require.NoError(s.t, err)
		}
		r := httptest.NewRequestWithContext(s.t.Context(), method, path, bytes.NewReader(data))
		r.Header.Set("Authorization", "Bearer "+as)
		if data != nil {
			r.Header.Set("Content-Type", mediaType)
		}
		if s.r.IntN(4) == 0 {
			s.keys++
			r.Header.Set("Idempotency-Key", fmt.Sprint("k", s.r.IntN(20)))
		}
		if s.r.IntN(6) == 0 {
			r.Header.Set("If-Match", pick(s, []string{"*", `"1"`, `"x"`}))
		}
		rec := httptest.NewRecorder()
		s.mux.ServeHTTP(rec, r)
		statuses[rec.Code]++
		s.check(as, method, path, data, rec)
	}
	require.Zero(s.t, statuses[500]+statuses[503], "%v", statuses)
	require.Greater(s.t, statuses[200], steps/5, "%v", statuses)
	require.Greater(s.t, statuses[201], steps/20, "%v", statuses)
}

func (s *stroll) check(as, method, path string, sent []byte, rec *httptest.ResponseRecorder) {
	s.t.Helper()
	about := fmt.Sprintf("%s: %s %s %s -> %d %s", as, method, path, sent, rec.Code, rec.Body)
	a, got := s.of[as], rec.Body.String()
	// What somebody sent may come back to them, as the name of a file does; words of notes never
	// to a customer.
	if a.Role == ticket.RoleRequester {
		require.NotContains(s.t, got, "SECRET", about)
		require.NotContains(s.t, got, `"note":`, about)
		require.NotContains(s.t, got, `"seals":`, about)
		require.NotContains(s.t, got, `"version":`, about)
	}
	if a.Tenant == "" {
		require.NotContains(s.t, got, "xtherex", about)
	} else {
		require.NotContains(s.t, got, "xherex", about)
	}
	if rec.Code >= 400 {
		for _, kind := range []string{"message", "subject", "SECRET", "bytes", "known"} {
			require.NotContains(s.t, got, kind+"x", "a problem has words of a person: %s", about)
		}
	}
	// A ticket that one may not know of is answered like one that is not there.
	if id, rest, ok := strings.Cut(strings.TrimPrefix(path, "/tickets/"), "/"); ok && strings.HasPrefix(path, "/tickets/") && !strings.Contains(rest, "/") {
		if tid, err := ticket.ParseID(id); err == nil && rest != "similar" && method == "GET" {
			if _, err := s.w.desk.Get(s.t.Context(), a, tid); err != nil && rest != "entries" {
				require.Equal(s.t, http.StatusNotFound, rec.Code, about)
				require.NotContains(s.t, got, id, about)
			}
		}
	}
	if rec.Code != http.StatusCreated && rec.Code != http.StatusOK || method != "POST" {
		return
	}
	var v struct {
		ID     string `json:"id"`
		Number string `json:"number"`
		SHA256 string `json:"sha256"`
	}
	if json.Unmarshal(rec.Body.Bytes(), &v) != nil {
		return
	}
	if v.ID != "" && !slices.Contains(s.refs, v.ID) {
		s.refs = append(s.refs, v.ID, v.Number)
	}
	if v.SHA256 != "" {
		s.sums = append(s.sums, v.SHA256)
	}
}
