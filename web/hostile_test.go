package web

import (
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
)

// Addresses that are secrets stay secrets, however they are written.
func TestASecretAddressIsNotPassedOn(t *testing.T) {
	w := newWorld(t, func(_ *ticket.Config, c *CustomerConfig) { c.SignIn = "/login?next={page}" })
	link := w.link(w.open(ada, "Printer"), everyScope)
	sent, err := url.Parse("/" + w.send("/", typed(nil)).Header().Get("Location"))
	require.NoError(t, err)
	for _, address := range []string{link, "/%74/" + strings.TrimPrefix(link, "/t/"), sent.String(), "/%73ent?" + sent.RawQuery} {
		r := w.get(address)
		require.Equal(t, http.StatusOK, r.Code, address)
		assert.Equal(t, "no-referrer", r.Header().Get("Referrer-Policy"), address)
		assert.Equal(t, "noindex, nofollow", r.Header().Get("X-Robots-Tag"), address)
		assert.Contains(t, r.Body.String(), `href="/login?next="`, address)
	}
}

// The redirect to the mount point stays on the site, whatever the last part of the path is.
func TestTheMountPointIsNoOpenRedirect(t *testing.T) {
	w := newWorld(t)
	mux := http.NewServeMux()
	mux.Handle("/{shop}", w.pages)
	for _, path := range []string{"/https:evil.example", "/javascript:alert(1)", "/http:%2F%2Fevil.example", "/%5Cevil.example"} {
		r := get(mux, path)
		require.Equal(t, http.StatusPermanentRedirect, r.Code, path)
		to, err := (&url.URL{Scheme: "http", Host: "shop.example.org", Path: path}).Parse(r.Header().Get("Location"))
		require.NoError(t, err)
		assert.Equal(t, "http", to.Scheme, path)
		assert.Equal(t, "shop.example.org", to.Host, path)
	}
}

// The end of a request that is no client's doing is no empty page.
func TestARequestThatIsCancelledGetsNoEmptyPage(t *testing.T) {
	w := newWorld(t)
	w.actor = ada
	at := "/tickets/" + string(w.open(ada, "s").Number)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		r := httptest.NewRequestWithContext(ctx, method, at, strings.NewReader("action=reply&message=My+words."))
		r.Header.Set("Content-Type", flat)
		answer := do(w.pages, r)
		assert.Equal(t, http.StatusServiceUnavailable, answer.Code, method)
		assert.NotEmpty(t, answer.Body.String(), method)
	}
}

type panicking struct{ ticket.FileStore }

func (p panicking) Open(ctx context.Context, tenant string, sum ticket.Digest) (io.ReadCloser, error) {
	r, err := p.FileStore.Open(ctx, tenant, sum)
	return panickingReader{ReadCloser: r, left: new(int)}, err
}

type panickingReader struct {
	io.ReadCloser
	left *int
}

func (r panickingReader) Read(b []byte) (int, error) {
	if *r.left++; *r.left > 1 {
		panic("a bug of the store")
	}
	return r.ReadCloser.Read(b)
}

// A failure in the middle of an answer breaks it off. An error page would become a part of a file.
func TestAFailureWithinAFileBreaksItOff(t *testing.T) {
	w := newWorld(t, func(cfg *ticket.Config, _ *CustomerConfig) { cfg.Files = panicking{cfg.Files} })
	w.actor = ada
	a, err := w.desk.Attach(t.Context(), ada, "f", "", strings.NewReader(strings.Repeat("x", 100_000)))
	require.NoError(t, err)
	tk, err := w.desk.Open(t.Context(), ada, ticket.Draft{Subject: "s", Message: "m", Attachments: []ticket.Attachment{a}})
	require.NoError(t, err)
	assert.PanicsWithValue(t, http.ErrAbortHandler, func() { w.get("/tickets/" + string(tk.Number) + "/files/" + a.SHA256.String()) })
}

// Nothing that a program sends as a language costs much.
func TestALongLanguageIsNone(t *testing.T) {
	texts, err := loadTexts(nil, nil)
	require.NoError(t, err)
	_, ok := texts.match("de-" + strings.Repeat("a-", 40) + "b")
	assert.False(t, ok)
	lang, ok := texts.match("de-Latn-CH-1996-x-" + strings.Repeat("a", 8))
	assert.True(t, ok)
	assert.Equal(t, "de", lang)
}

func TestALimiterSurvivesAClockThatIsSetBack(t *testing.T) {
	l := limiter{most: 2, per: time.Hour}
	ahead := noon.Add(48 * time.Hour)
	require.True(t, l.allow("a", ahead))
	require.True(t, l.allow("a", ahead))
	require.False(t, l.allow("a", ahead))
	assert.True(t, l.allow("a", noon))
	assert.True(t, l.allow("a", noon))
	assert.False(t, l.allow("a", noon))
}

func TestALimiterRemembersLittleOfEachClient(t *testing.T) {
	l := limiter{most: 1, per: time.Hour}
	a, b := strings.Repeat("x", 1<<20)+"a", strings.Repeat("x", 1<<20)+"b"
	assert.True(t, l.allow(a, noon))
	assert.False(t, l.allow(a, noon))
	assert.True(t, l.allow(b, noon), "another client")
	for client := range l.full {
		assert.LessOrEqual(t, len(client), longestClient)
	}
}

// Who is not signed in cannot fill the file store, with forms that are sent or not.
func TestFilesOfPeopleWhoAreNotSignedInAreLimited(t *testing.T) {
	w := newWorld(t, func(_ *ticket.Config, c *CustomerConfig) { c.MaxFiles = 30 })
	link := w.link(w.open(ada, "s"), everyScope)
	var many []upload
	for range 30 {
		many = append(many, upload{"f.txt", "text/plain", "abc"})
	}
	for address, form := range map[string]url.Values{"/": {"message": {"My words."}}, link: {"action": {"confirm"}, "message": {"My words."}, "version": {"9"}}} {
		code, body := 0, ""
		for range 4 {
			r := w.send(address, form, many...)
			code, body = r.Code, r.Body.String()
		}
		assert.Equal(t, http.StatusTooManyRequests, code, address)
		assert.Equal(t, 1, strings.Count(body, "<li><a href=\"#files\">Too much came from your network"), "%s: said once", address)
		assert.Contains(t, body, "My words.", address)
		assert.Equal(t, 10, strings.Count(body, `name="kept"`), address)
	}
	w.actor = ada
	assert.Equal(t, http.StatusUnprocessableEntity, w.send("/", url.Values{}, many...).Code, "people who are signed in are known")
}

// A status link that got into other hands cannot flood its ticket.
func TestFormsByAStatusLinkAreLimited(t *testing.T) {
	w := newWorld(t)
	tk := w.open(ada, "s")
	link, code := w.link(tk, everyScope), 0
	for i := range 21 {
		r := post(w.pages, link, flat, strings.NewReader(url.Values{"action": {"reply"}, "message": {"My words."}, "key": {string(rune('a' + i))}}.Encode()),
			func(r *http.Request) { r.RemoteAddr = "192.0.2." + string(rune('1'+i%9)) + ":1" })
		if code = r.Code; code != http.StatusSeeOther {
			assert.Equal(t, 20, i)
			assert.Contains(t, r.Body.String(), "My words.")
		}
	}
	assert.Equal(t, http.StatusTooManyRequests, code)
	assert.EqualValues(t, 21, w.current(tk).Version)
	w.advance(time.Hour)
	assert.Equal(t, http.StatusSeeOther, w.send(link, url.Values{"action": {"reply"}, "message": {"More."}}).Code)
}

// A stream that cannot begin says so: an empty answer would be a page that is always up to date.
func TestAStreamThatCannotBeginIsUnavailable(t *testing.T) {
	b := newBench(t, nil)
	number := string(b.open("printer").Number)
	require.NoError(t, b.Shutdown(t.Context()))
	for _, address := range []string{"/events", "/events?ticket=" + number} {
		assert.Equal(t, http.StatusServiceUnavailable, get(b, address).Code, address)
	}
	b = newBench(t, nil)
	require.NoError(t, b.desk.Shutdown(t.Context()))
	assert.Equal(t, http.StatusServiceUnavailable, get(b, "/events").Code)
}

// Who may not see a ticket any more does not learn who looks at it.
func TestPresenceEndsWithTheRightToSee(t *testing.T) {
	b := newBench(t, nil)
	server := httptest.NewServer(b.Console)
	defer server.Close()
	was := b.open("printer", func(d *ticket.Draft) { d.Queue = "billing" })
	at := "/tickets/" + string(was.Number)
	events, stop := listen(t, server, "/events?ticket="+string(was.Number), "billing", "")
	defer stop()
	expect(t, events, "beat")
	b.page(at, agent("kim"))
	b.do(agLin, was, ticket.Action{Name: ticket.ActionNote, Note: "n"})
	assert.JSONEq(t, `["kim"]`, expect(t, events, "looking").data)
	has(t, b.page(at), "bob is looking at this too")
	b.do(agLin, b.read(was), ticket.Action{Name: ticket.ActionHandOver, Queue: "hardware"})
	assert.JSONEq(t, `[]`, expect(t, events, "looking").data)
	hasNot(t, b.page(at), "bob is looking")
	stop()
	for e := range events {
		assert.NotEqual(t, "looking", e.name)
	}
}

// Nothing that an address holds is the server's fault.
func TestGarbageInAddresses(t *testing.T) {
	b := newBench(t, nil)
	w := newWorld(t, func(cfg *ticket.Config, c *CustomerConfig) { cfg.Policy, c.Organisation = colleagues{}, true })
	w.actor = ada
	agents, mine := string(b.open("printer").Number), w.open(ada, "s")
	own, link := "/tickets/"+string(mine.Number), w.link(mine, everyScope)
	console := []string{
		"/%s", "/tickets/%s", "/tickets/" + agents + "/files/%s", "/tickets/" + agents + "/clocks/%s", "/tickets/" + agents + "?do=%s", "/tickets/" + agents + "?did=%s", "/tickets?lang=%s",
		"/tickets?view=%s", "/tickets?queue=%s", "/tickets?level=%s", "/tickets?status=%s", "/tickets?priority=%s", "/tickets?assignee=%s", "/tickets?tag=%s", "/tickets?org=%s", "/tickets?of=%s",
		"/tickets?metric=%s", "/tickets?view=due&metric=%s", "/tickets?order=due&metric=%s", "/tickets?after=%s", "/tickets?view=due&after=%s", "/tickets?order=%s", "/tickets?n=%s",
		"/search?q=%s", "/search?order=newest&q=%s", "/merge?from=%s", "/merge?from=" + agents + "&into=%s", "/bulk?do=take&t=%s@1", "/bulk?do=take&t=" + agents + "@%s", "/bulk?do=take&r=%s@done",
		"/deliveries?tab=%s", "/deliveries?ticket=%s", "/deliveries?after=%s", "/deliveries?state=%s", "/deliveries?kind=%s", "/deliveries?redriven=%s",
		"/reports?period=%s", "/reports?from=%s&to=2026-01-01", "/reports/%s", "/workflow?name=%s", "/workflow?version=%s", "/assets/%s",
	}
	customer := []string{
		"/%s", "/t/%s", "/t/%s/files/ab", link + "/files/%s", link + "?before=%s", link + "?done=reply&number=%s", own + "?before=%s", "/tickets/%s", "/tickets?after=%s",
		"/tickets?of=organisation&after=%s", "/sent?r=%s", "/find?number=%s", "/?subject=%s", "/?lang=%s", "/assets/%s",
	}
	for _, garbage := range []string{
		"%00", "%ff", "%C3", "%0d%0aX-Evil:%20y", "..%2f..", "%2e%2e", "%25%30%30", "%E2%80%AE", "a%22%3E", strings.Repeat("x", 100_000), "-1", "1e9", "NaN", "9223372036854775808",
		"%F0%9F%98%80", "'%20OR%201=1--", "*", "%22", "a%20AND%20b%20OR%20NOT%20(c", "NEAR(a%20b)", "col:x", "^a", "2026-99", "0000-00",
	} {
		for h, addresses := range map[http.Handler][]string{b: console, w.pages: customer} {
			for _, address := range addresses {
				address = strings.ReplaceAll(address, "%s", garbage)
				cookies := header("Cookie", "ticket-language="+garbage+"; ticket-zone="+garbage)
				r := get(h, address, cookies, header("Accept-Language", garbage), header("Host", garbage), header("X-Forwarded-Host", "evil.example"))
				assert.Less(t, r.Code, 500, "%.100s", address)
				assert.False(t, r.Code == http.StatusOK && r.Body.Len() == 0, "%.100s", address)
				assert.NotContains(t, r.Body.String(), "evil.example", "%.100s", address)
				assert.Empty(t, r.Header().Get("X-Evil"), "%.100s", address)
				for name, values := range r.Header() {
					assert.NotContains(t, strings.Join(values, ""), "\n", "%.100s %s", address, name)
				}
			}
		}
	}
}

// A zone that the browser says is a zone, or nothing. A form is taken with any.
func TestGarbageInTheZone(t *testing.T) {
	w := newWorld(t)
	for i, zone := range []string{"localtime", "Europe", "../../etc/passwd", "/etc/passwd", "posixrules", "tzdata.zi", "zone.tab", "right/UTC", "GMT+0", "eUrOpE/bErLiN", "Local", "local", "\x00", "%00", strings.Repeat("x", 5000)} {
		r := post(w.pages, "/", flat, strings.NewReader(typed(url.Values{"key": {string(rune('a' + i))}}).Encode()), header("Cookie", "ticket-zone="+zone))
		assert.Equal(t, http.StatusSeeOther, r.Code, zone)
	}
}

// The cookie of the language is for the whole site and no scripts, and over TLS only for TLS.
func TestTheCookieOfTheLanguage(t *testing.T) {
	w := newWorld(t)
	assert.Empty(t, w.get("/?lang=xx%0d%0aSet-Cookie:a=b").Header().Get("Set-Cookie"))
	assert.Equal(t, "ticket-language=de; Path=/; Max-Age=31536000; HttpOnly; Secure; SameSite=Lax",
		w.get("/?lang=de", func(r *http.Request) { r.TLS = &tls.ConnectionState{} }).Header().Get("Set-Cookie"))
}

// The page of an address is not many times as long as the address.
func TestADeepPathGetsAShortAnswer(t *testing.T) {
	for _, h := range []http.Handler{newWorld(t).pages, newBench(t, nil)} {
		r := get(h, "/"+strings.Repeat("a/", 100_000))
		assert.Equal(t, http.StatusNotFound, r.Code)
		assert.Less(t, r.Body.Len(), 10_000)
		assert.Equal(t, "nosniff", r.Header().Get("X-Content-Type-Options"))
	}
}

// A long form takes a time that grows with its length, and not with its square, which would be
// minutes here.
func TestLongListsOfAnAgentAreReadQuickly(t *testing.T) {
	var many strings.Builder
	queues := url.Values{}
	for i := range 200_000 {
		many.WriteString(strconv.Itoa(i) + ",")
		if i <= mostChosen {
			queues.Add("queue", strconv.Itoa(i))
		}
	}
	began := time.Now()
	ed, wrong := editsOf(nil, url.Values{"tags": {many.String() + "0, x"}, "was:tags": {"y," + many.String()}}, ticket.Ticket{}, time.UTC)
	assert.Empty(t, wrong)
	assert.Equal(t, []string{"x"}, ed.AddTags)
	assert.Equal(t, []string{"y"}, ed.RemoveTags)
	assert.Less(t, time.Since(began), 10*time.Second)
	_, ok := parseQueue(queues)
	assert.False(t, ok)
}

// A flat form is limited, too. Nothing of it was read, so there is nothing to keep.
func TestAFlatFormOfAnAgentThatIsTooLarge(t *testing.T) {
	b := newBench(t, nil)
	r := post(b, "/tickets/"+string(b.open("x").Number), flat, strings.NewReader("action=note&note="+strings.Repeat("x", mostWords)))
	assert.Equal(t, http.StatusRequestEntityTooLarge, r.Code)
}

// An expired link leads to the page that sends a new one, if there is one.
func TestAnExpiredLinkLeadsToNoDeadLink(t *testing.T) {
	for _, sends := range []bool{true, false} {
		w := newWorld(t, func(cfg *ticket.Config, _ *CustomerConfig) {
			if !sends {
				cfg.StatusLinks.URL = nil
			}
		})
		link := w.link(w.open(ada, "s"), ticket.StatusLinkRequest{TTL: time.Hour, Reply: true})
		sent, err := url.Parse("/" + w.send("/", typed(nil)).Header().Get("Location"))
		require.NoError(t, err)
		w.advance(48 * time.Hour)
		for _, address := range []string{link, link + "?before=x", link + "/files/" + strings.Repeat("ab", 32), sent.String()} {
			r := w.get(address)
			assert.Equal(t, http.StatusGone, r.Code, address)
			assert.Equal(t, sends, strings.Contains(r.Body.String(), `find"`), address)
		}
		assert.Equal(t, http.StatusGone, w.send(link, url.Values{"action": {"reply"}, "message": {"m"}}).Code)
	}
}
