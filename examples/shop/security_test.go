package main

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
)

// For a customer, pages of other customers and of the desk do not exist.
func TestOthersSeeNothing(t *testing.T) {
	f := newFixture(t)
	ada, bert, nobody := f.browser("ada"), f.browser("bert"), f.browser("")
	n := f.complain(ada, "1001", "Broken", "The spout is off.", &chosen{"photo.png", "x"})
	file := f.fileIn(ada)
	own := []string{"/orders/1001/help", "/orders/x/help", "/desk/", "/desk/tickets/" + n, "/desk/reports", strings.Replace(file, "/help/", "/desk/", 1)}
	help := []string{"/help/tickets/" + n, file, "/help/tickets/nonsense", "/help/tickets/" + n + "/files/" + strings.Repeat("0", 64)}
	for _, path := range append(append(own, help...), "/help/nothing", "/nothing") {
		f.get(bert, path, http.StatusNotFound)
	}
	for _, path := range own {
		f.get(nobody, path, http.StatusOK)
		assert.Equal(t, "/login", nobody.at.Path, path)
	}
	for _, path := range append(help, "/help/", "/help/tickets") {
		for _, b := range []*browser{nobody, f.browser("lin")} {
			f.get(b, path, http.StatusForbidden)
			assert.NotContains(t, b.body, "spout")
		}
	}
	f.get(ada, "/desk/tickets/"+n, http.StatusNotFound)
	f.get(f.browser("lin"), "/orders/1001/help", http.StatusNotFound)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, f.base+"/help/tickets/"+n, strings.NewReader("action=reply&message=x"))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	require.NoError(t, bert.send(r))
	assert.Equal(t, http.StatusNotFound, bert.status)
	f.get(ada, "/help/tickets/"+n, http.StatusOK)
	assert.Len(t, ada.all("words"), 1)
}

// A file is sent as a download and never shown, whatever it contains.
func TestFilesAreSaved(t *testing.T) {
	f := newFixture(t)
	ada, lin := f.browser("ada"), f.browser("lin")
	n := f.complain(ada, "1001", "Broken", "The spout is off.", &chosen{`../"a" <b>é.html`, "<script>alert(1)</script>"})
	f.deliver()
	phone := f.browser("")
	f.get(phone, f.sent.RequireSent(t, ticket.KindReceived, "ada@example.org").StatusLink, http.StatusOK)
	f.get(lin, "/desk/tickets/"+n, http.StatusOK)
	for _, b := range []*browser{ada, phone, lin} {
		f.get(b, f.fileIn(b), http.StatusOK)
		assert.Equal(t, "<script>alert(1)</script>", b.body)
		assert.Equal(t, "application/octet-stream", b.header.Get("Content-Type"))
		assert.Contains(t, b.header.Get("Content-Security-Policy"), "sandbox")
		assert.Equal(t, "nosniff", b.header.Get("X-Content-Type-Options"))
		assert.Regexp(t, `^attachment; filename`, b.header.Get("Content-Disposition"))
		assert.NotContains(t, b.header.Get("Content-Disposition"), "/")
	}
}

// Requests from other sites change nothing.
func TestOtherSitesChangeNothing(t *testing.T) {
	f := newFixture(t)
	ada := f.browser("ada")
	n := f.complain(ada, "1001", "Broken", "The spout is off.", nil)
	f.deliver()
	link := f.sent.RequireSent(t, ticket.KindReceived, "ada@example.org").StatusLink
	for _, path := range []string{"/login", "/logout", "/orders/1002/help", "/help/tickets/" + n, "/account/delete", strings.TrimPrefix(link, f.base),
		"/help/", "/help/find", "/desk/tickets/" + n, "/desk/next", "/desk/bulk", "/desk/merge"} {
		for _, header := range []http.Header{{"Sec-Fetch-Site": {"cross-site"}}, {"Sec-Fetch-Site": {"same-site"}}, {"Origin": {"https://evil.example"}}, {"Origin": {"null"}}} {
			r := httptest.NewRequest(http.MethodPost, f.base+path, strings.NewReader("action=reply&message=x&user=lin"))
			r.Header = header.Clone()
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			for _, c := range ada.client.Jar.Cookies(ada.at) {
				r.AddCookie(c)
			}
			w := httptest.NewRecorder()
			f.handler().ServeHTTP(w, r)
			assert.Equal(t, http.StatusForbidden, w.Code, "%s %v", path, header)
		}
	}
	f.get(ada, "/help/tickets/"+n, http.StatusOK)
	assert.Len(t, ada.all("words"), 1)
}

func TestHeadersOfEveryPage(t *testing.T) {
	f := newFixture(t)
	ada := f.browser("ada")
	for path, status := range map[string]int{"/login": 200, "/orders": 200, "/style.css": 200, "/help/": 200, "/help/tickets/x": 404, "/help/t/x": 404, "/nothing": 404} {
		f.get(ada, path, status)
		assert.Contains(t, ada.header.Get("Content-Security-Policy"), "default-src 'none'", path)
		assert.NotContains(t, ada.header.Get("Content-Security-Policy"), "unsafe", path)
		want := "same-origin"
		if path == "/help/t/x" {
			want = "no-referrer"
		}
		assert.Equal(t, want, ada.header.Get("Referrer-Policy"), path)
		assert.Equal(t, "no-store", ada.header.Get("Cache-Control"), path)
		assert.Equal(t, "nosniff", ada.header.Get("X-Content-Type-Options"), path)
	}
}

func TestSessionCookie(t *testing.T) {
	f := newFixture(t)
	r := httptest.NewRequest(http.MethodPost, f.base+"/login", strings.NewReader("user=ada&next=https://evil.example"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	f.handler().ServeHTTP(w, r)
	assert.Equal(t, "/", w.Header().Get("Location"), "and nowhere else")
	c := w.Result().Cookies()[0]
	assert.Equal(t, "__Host-session", c.Name)
	assert.True(t, c.Secure && c.HttpOnly && c.SameSite == http.SameSiteLaxMode && c.Path == "/" && c.Domain == "", c)
	assert.Zero(t, f.count("SELECT count(*) FROM shop_sessions WHERE token = $1", c.Value), "the database has a digest")

	ada := f.browser("ada")
	old := ada.client.Jar.Cookies(ada.at)
	f.submit(ada, "/logout", nil, http.StatusOK)
	ada.client.Jar.SetCookies(ada.at, old)
	f.get(ada, "/orders", http.StatusOK)
	assert.Equal(t, "/login", ada.at.Path, "a session that has ended cannot be used")

	cleo := f.browser("cleo")
	f.clock.Advance(sessionAge)
	f.get(cleo, "/orders", http.StatusOK)
	assert.Equal(t, "/login", cleo.at.Path)
}

func TestBodiesAreBounded(t *testing.T) {
	f := newFixture(t)
	ada := f.browser("ada")
	for _, size := range []int{maxFile + 1, maxBody, 4 * maxBody} {
		f.get(ada, "/orders/1001/help", http.StatusOK)
		require.NoError(t, ada.submit(t.Context(), "/orders/1001/help", map[string]string{"subject": "Broken", "message": "See."},
			&chosen{"big.bin", strings.Repeat("x", size)}))
		assert.Equal(t, http.StatusRequestEntityTooLarge, ada.status)
	}
	n := f.complain(ada, "1001", "Broken", "See.", &chosen{"big.bin", strings.Repeat("x", maxFile)})
	for size, status := range map[int]int{maxFile + 1: http.StatusUnprocessableEntity, maxBody: http.StatusRequestEntityTooLarge, 4 * maxBody: http.StatusRequestEntityTooLarge} {
		f.get(ada, "/help/tickets/"+n, http.StatusOK)
		require.NoError(t, ada.submit(t.Context(), "reply", map[string]string{"message": "See."}, &chosen{"big.bin", strings.Repeat("x", size)}))
		assert.Equal(t, status, ada.status, size)
	}
	r := httptest.NewRequest(http.MethodPost, f.base+"/login", strings.NewReader("user="+url.QueryEscape(strings.Repeat("x", maxBody))))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	f.handler().ServeHTTP(w, r)
	assert.NotEqual(t, http.StatusSeeOther, w.Code)
}

// Text from people is shown as text on every page.
func TestWordsAreNoMarkup(t *testing.T) {
	const canary = `"><script>canary()</script>`
	f := newFixture(t)
	ada, lin := f.browser("ada"), f.browser("lin")
	n := f.complain(ada, "1001", canary, canary, &chosen{canary, "x"})
	f.deliver()
	pages := map[*browser][]string{
		ada:           {"/help/tickets", "/help/tickets/" + n},
		lin:           {"/desk/tickets", "/desk/tickets/" + n, "/desk/search?q=canary", "/desk/search?q=" + url.QueryEscape(canary)},
		f.browser(""): {f.sent.RequireSent(t, ticket.KindReceived, "ada@example.org").StatusLink},
	}
	for b, list := range pages {
		for _, path := range list {
			f.get(b, path, http.StatusOK)
			assert.Equal(t, []string{""}, b.all("script"), "%s: only the script of the library, which is a file", path)
			assert.Contains(t, b.body, "canary", path)
		}
	}
	f.get(lin, "/desk/tickets/"+n, http.StatusOK)
	f.submit(lin, "ask", map[string]string{"message": canary, "version": "7"}, http.StatusConflict)
	assert.Equal(t, []string{""}, lin.all("script"))
}

// Pages do not show the causes of internal errors.
func TestFailuresShowNothingOfTheInside(t *testing.T) {
	f := newFixture(t)
	lin := f.browser("lin")
	_, err := f.db.ExecContext(t.Context(), "DROP TABLE ticket_tickets")
	require.NoError(t, err)
	f.get(lin, "/desk/tickets", http.StatusServiceUnavailable)
	assert.NotContains(t, lin.body, "ticket_tickets")

	ada := f.browser("ada")
	_, err = f.db.ExecContext(t.Context(), "DROP TABLE shop_orders")
	require.NoError(t, err)
	f.get(ada, "/orders", http.StatusInternalServerError)
	assert.NotContains(t, ada.body, "shop_orders")
	assert.Contains(t, ada.body, "Something went wrong on our side")
}
