package web

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/files"
)

func typed(change url.Values) url.Values {
	v := url.Values{"key": {"k1"}, "name": {"Mary"}, "email": {"mary@example.org"}, "subject": {"Printer"}, "message": {"It prints blank pages."}}
	maps.Copy(v, change)
	return v
}

func sumOf(content string) string {
	sum := sha256.Sum256([]byte(content))
	return hex.EncodeToString(sum[:])
}

// An address that is typed proves nothing: the system opens the ticket for that person.
func TestAFormOfSomebodyWhoIsNotSignedIn(t *testing.T) {
	w := newWorld(t)
	r := w.send("/", typed(nil), upload{"a page.pdf", "application/pdf", "%PDF-1"}, upload{"empty.txt", "text/plain", ""})
	page := w.follow("/", r)
	require.Equal(t, http.StatusOK, page.Code)
	list := w.tickets()
	require.Len(t, list, 1)
	tk := list[0]
	assert.Equal(t, ticket.Person{Name: "Mary", Email: "mary@example.org", Locale: "en"}, tk.Requester)
	assert.Equal(t, ticket.ChannelWeb, tk.Channel)
	for e, err := range w.desk.Events(t.Context(), lin, tk.ID) {
		require.NoError(t, err)
		assert.Equal(t, ticket.By{Role: ticket.RoleSystem, ID: "web"}, e.By)
	}
	body := page.Body.String()
	for _, want := range []string{string(tk.Number), "a page.pdf", "6 bytes", sumOf("%PDF-1"), "empty.txt", "0 bytes", sumOf(""), "Monday, 12 January, 12:00"} {
		assert.Contains(t, body, want)
	}
	assert.NotContains(t, body, "/t/", "the link goes to the mailbox only")
	assert.NotContains(t, body, "mary@example.org")
	assert.Equal(t, "no-referrer", page.Header().Get("Referrer-Policy"))
	assert.Contains(t, page.Header().Get("X-Robots-Tag"), "noindex")
	letters := w.letters(ticket.KindReceived)
	require.Len(t, letters, 1)
	assert.Equal(t, "mary@example.org", letters[0].To.Person.Email)

	// The person who typed the address of a customer is not that customer.
	require.Equal(t, http.StatusSeeOther, w.send("/", typed(url.Values{"key": {"k2"}, "email": {"ada@example.org"}})).Code)
	assert.Empty(t, w.tickets()[1].Requester.ID)
	assert.Equal(t, http.StatusForbidden, w.get("/tickets").Code)
}

func TestAFormOfSomebodyWhoIsSignedIn(t *testing.T) {
	w := newWorld(t)
	w.actor = ada
	form := w.get("/").Body.String()
	assert.NotContains(t, form, `name="email"`)
	page := w.follow("/", w.send("/", valuesOf(form, url.Values{"subject": {"Printer"}, "message": {"Blank."}})))
	list := w.tickets()
	require.Len(t, list, 1)
	assert.Equal(t, ada.Person, list[0].Requester)
	assert.Contains(t, page.Body.String(), `href="tickets/`+string(list[0].Number))
	assert.NotContains(t, page.Body.String(), "ada@example.org")
}

func TestTheFormCanBeKeptForPeopleWhoAreSignedIn(t *testing.T) {
	w := newWorld(t, func(_ *ticket.Config, c *CustomerConfig) { c.RequireSignIn, c.SignIn = true, "/login" })
	r := w.get("/")
	assert.Equal(t, http.StatusForbidden, r.Code)
	assert.Contains(t, r.Body.String(), `href="/login"`)
	assert.Equal(t, http.StatusForbidden, w.send("/", typed(nil)).Code)
	assert.Equal(t, http.StatusForbidden, post(w.pages, "/known", flat, strings.NewReader("subject=x")).Code)
	assert.Empty(t, w.tickets())
	w.actor = lin
	assert.Equal(t, http.StatusForbidden, w.get("/").Code, "an agent is no customer")
	assert.Contains(t, w.get("/").Body.String(), "for customers")
}

// A page that asks for a person tells where they come from, but no secret.
func TestSignInLearnsThePageButNoStatusLink(t *testing.T) {
	w := newWorld(t, func(_ *ticket.Config, c *CustomerConfig) { c.SignIn = "/login?next={page}" })
	r := w.get(w.link(w.open(ada, "Printer"), everyScope))
	require.Equal(t, http.StatusOK, r.Code)
	assert.Contains(t, r.Body.String(), `href="/login?next="`)
	assert.Contains(t, w.get("/").Body.String(), `href="/login?next=%2F"`)
	assert.Contains(t, w.get("//evil.example/").Body.String(), `href="/login?next="`, "that would be another host")
}

func TestTenParallelPostsMakeOneTicketAndOneConfirmation(t *testing.T) {
	for name, actor := range map[string]ticket.Actor{"typed": {}, "signed in": ada} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.actor = actor
			var wg sync.WaitGroup
			pages := make([]string, 10)
			for i := range pages {
				wg.Go(func() {
					r := w.send("/", typed(nil), upload{"f.txt", "text/plain", "abc"})
					pages[i] = between(w.follow("/", r).Body.String(), `<p class="number big">`, "<")
				})
			}
			wg.Wait()
			list := w.tickets()
			require.Len(t, list, 1)
			for _, number := range pages {
				assert.Equal(t, string(list[0].Number), number)
			}
			assert.Len(t, w.letters(ticket.KindReceived), 1)
		})
	}
}

// A form that was sent and then changed is another request.
func TestAKeyThatWasUsedForOtherWordsAsksOnce(t *testing.T) {
	w := newWorld(t)
	require.Equal(t, http.StatusSeeOther, w.send("/", typed(nil)).Code)
	r := w.send("/", typed(url.Values{"message": {"Other words."}}))
	assert.Equal(t, http.StatusConflict, r.Code)
	assert.Contains(t, r.Body.String(), "You have sent this form before")
	v := valuesOf(r.Body.String(), nil)
	assert.Equal(t, "Other words.", v.Get("message"))
	assert.NotEqual(t, "k1", v.Get("key"))
	require.Equal(t, http.StatusSeeOther, w.send("/", v).Code)
	assert.Len(t, w.tickets(), 2)
}

func TestAnErrorKeepsEveryWordAndFileAndNamesTheField(t *testing.T) {
	w := newWorld(t, func(_ *ticket.Config, c *CustomerConfig) {
		c.Fields = []Field{
			{Name: "order", Label: "Order", Required: true},
			{Name: "place", Label: "Place", Type: "choice", Options: []Option{{Value: "a"}, {Value: "b", Label: "B"}}},
			{Name: "urgent", Label: "Urgent", Type: "check"},
			{Name: "count", Label: "Count", Type: "number"},
			{Name: "day", Label: "Day", Type: "date"},
			{Name: "more", Label: "More", Type: "lines"},
		}
	})
	words := typed(url.Values{"subject": {""}, "message": {"\n\n  It's <b>broken</b> & \"bad\"\n"}, "f-place": {"b"}, "f-urgent": {"on"}, "f-count": {"3"}, "f-day": {"2026-01-12"}, "f-more": {"one\ntwo"}})
	r := w.send("/", words, upload{"photo <1>.png", "image/png", "\x89PNG\r\n\x1a\n"})
	require.Equal(t, http.StatusUnprocessableEntity, r.Code)
	body := r.Body.String()
	assert.Contains(t, body, `autofocus`)
	assert.Contains(t, body, `<a href="#subject">`)
	assert.Contains(t, body, `<a href="#f-order">Fill in “Order”.</a>`)
	assert.Contains(t, body, `id="subject-error"`)
	assert.Contains(t, body, `name="subject" value="" required aria-invalid="true" aria-describedby="subject-error"`)
	assert.Contains(t, body, "photo ")
	again := valuesOf(body, nil)
	assert.Equal(t, words.Get("message"), again.Get("message"))
	assert.Contains(t, body, `<option value="b" selected>B</option>`)
	for _, name := range []string{"name", "email", "key", "f-urgent", "f-count", "f-day", "f-more"} {
		assert.Equal(t, words.Get(name), again.Get(name), name)
	}
	require.Empty(t, w.tickets())

	// Sent again, with the file that was kept and one more.
	again.Set("subject", "Printer")
	again.Set("f-order", "4711")
	again.Set("f-place", "b")
	page := w.follow("/", w.send("/", again, upload{"log.txt", "text/plain", "log"}))
	assert.Contains(t, page.Body.String(), sumOf("\x89PNG\r\n\x1a\n"))
	assert.Contains(t, page.Body.String(), sumOf("log"))
	tk := w.tickets()[0]
	assert.Equal(t, ticket.Fields{"order": "4711", "place": "b", "urgent": true, "count": int64(3), "day": "2026-01-12", "more": "one\ntwo"}, tk.Fields)
}

func TestFieldsAreChecked(t *testing.T) {
	w := newWorld(t, func(_ *ticket.Config, c *CustomerConfig) {
		c.Fields = []Field{
			{Name: "place", Label: "Place", Type: "choice", Options: []Option{{Value: "a"}}}, {Name: "check", Label: "Check", Type: "check"},
			{Name: "count", Label: "Count", Type: "number"}, {Name: "day", Label: "Day", Type: "date"},
		}
	})
	for name, value := range map[string]string{"f-place": "z", "f-check": "yes", "f-count": "three", "f-day": "12.1.2026"} {
		r := w.send("/", typed(url.Values{name: {value}}))
		assert.Equal(t, http.StatusUnprocessableEntity, r.Code, name)
		assert.Contains(t, r.Body.String(), `<a href="#`+name+`">`, name)
	}
	for name, v := range map[string]url.Values{
		"subject": {"subject": {strings.Repeat("x", 401)}}, "message": {"message": {strings.Repeat("x", 262145)}},
		"email": {"email": {"no address@"}}, "name": {"name": {strings.Repeat("x", 201)}},
	} {
		r := w.send("/", typed(v))
		assert.Equal(t, http.StatusUnprocessableEntity, r.Code, name)
		assert.Contains(t, r.Body.String(), `<a href="#`+name+`">`, name)
		assert.Contains(t, r.Body.String(), v.Get(name), name)
	}
	assert.Empty(t, w.tickets())
}

// Whoever knows the digest of another's file cannot attach it.
func TestAFileThatThisServerHasNotKeptIsRefused(t *testing.T) {
	w := newWorld(t)
	secret, err := w.desk.Attach(t.Context(), ada, "secret.txt", "text/plain", strings.NewReader("secret"))
	require.NoError(t, err)
	tk, err := w.desk.Open(t.Context(), ada, ticket.Draft{Subject: "s", Message: "m", Attachments: []ticket.Attachment{secret}})
	require.NoError(t, err)
	other := newSealer(bytes.Repeat([]byte{3}, 32))
	for _, seal := range []string{
		"", "x", "x.y", `{"name":"secret.txt","sha256":"` + secret.SHA256.String() + `"}`,
		other.seal("file", "", noon.Add(keepFiles), []byte(`{"name":"x","size":6,"sha256":"`+secret.SHA256.String()+`"}`)),
		w.pages.seals.seal("sent", "", noon.Add(keepFiles), tk.ID[:]),
		w.pages.seals.seal("file", "other tenant", noon.Add(keepFiles), []byte(`{"name":"x"}`)),
		w.pages.seals.seal("file", "", noon, []byte(`{"name":"x"}`)),
	} {
		r := w.send("/", typed(url.Values{"kept": {seal}}))
		assert.Equal(t, http.StatusUnprocessableEntity, r.Code, seal)
		assert.Contains(t, r.Body.String(), "A file was lost on the way", seal)
	}
	assert.Len(t, w.tickets(), 1)
}

func TestFormsThatAreTooLargeKeepTheWords(t *testing.T) {
	w := newWorld(t, func(cfg *ticket.Config, c *CustomerConfig) {
		c.MaxUpload, c.MaxFiles = 100_000, 2
		cfg.Limits.AttachmentSize = 50_000
	})
	r := w.send("/", typed(nil), upload{"small.txt", "text/plain", "s"}, upload{"big.bin", "x/y", strings.Repeat("x", 60_000)})
	assert.Equal(t, http.StatusUnprocessableEntity, r.Code)
	assert.Contains(t, r.Body.String(), "The file big.bin is too large.")
	assert.Contains(t, r.Body.String(), "small.txt")
	assert.Equal(t, "It prints blank pages.", valuesOf(r.Body.String(), nil).Get("message"))

	r = w.send("/", typed(nil), upload{"a", "x/y", strings.Repeat("x", 49_000)}, upload{"b", "x/y", strings.Repeat("x", 49_000)}, upload{"c", "x/y", strings.Repeat("x", 49_000)})
	assert.Equal(t, http.StatusRequestEntityTooLarge, r.Code)
	assert.Equal(t, "It prints blank pages.", valuesOf(r.Body.String(), nil).Get("message"))

	r = w.send("/", typed(nil), upload{"a", "x/y", "1"}, upload{"b", "x/y", "2"}, upload{"c", "x/y", "3"})
	assert.Equal(t, http.StatusUnprocessableEntity, r.Code)
	assert.Contains(t, r.Body.String(), "at most 2 files")
	assert.Empty(t, w.tickets())
}

func TestFormsThatArriveBrokenOpenNothing(t *testing.T) {
	w := newWorld(t)
	whole, mediaType := parts(t, typed(nil), upload{"f.txt", "text/plain", strings.Repeat("abc", 100)})
	half := whole.Bytes()[:whole.Len()-80]
	for name, r := range map[string]io.Reader{
		"half sent":  bytes.NewReader(half),
		"broken off": io.MultiReader(bytes.NewReader(half), broken{}),
	} {
		assert.Equal(t, http.StatusBadRequest, post(w.pages, "/", mediaType, r).Code, name)
	}
	assert.Equal(t, http.StatusBadRequest, w.send("/", typed(url.Values{"subject": {"a", "b"}})).Code, "doubled")
	assert.Equal(t, http.StatusBadRequest, w.send("/", typed(url.Values{"key": {strings.Repeat("x", 65)}})).Code)
	assert.Equal(t, http.StatusUnprocessableEntity, post(w.pages, "/", flat, strings.NewReader("")).Code, "no fields")
	assert.Equal(t, http.StatusUnsupportedMediaType, post(w.pages, "/", "application/json", strings.NewReader("{}")).Code)
	for _, method := range []string{http.MethodPut, http.MethodDelete, http.MethodPatch, "BREW"} {
		r, err := http.NewRequestWithContext(t.Context(), method, "/", http.NoBody)
		require.NoError(t, err)
		assert.Equal(t, http.StatusMethodNotAllowed, do(w.pages, r).Code, method)
	}
	assert.Equal(t, http.StatusForbidden, post(w.pages, "/", flat, strings.NewReader(typed(nil).Encode()), header("Sec-Fetch-Site", "cross-site")).Code)
	assert.Equal(t, http.StatusForbidden, post(w.pages, "/", flat, strings.NewReader(typed(nil).Encode()), header("Origin", "https://evil.example")).Code)
	assert.Empty(t, w.tickets())
	assert.Equal(t, http.StatusSeeOther, post(w.pages, "/", flat, strings.NewReader(typed(nil).Encode())).Code, "a form without files may be flat")
}

func TestAFileWithSomethingHarmfulIsNamed(t *testing.T) {
	w := newWorld(t, func(cfg *ticket.Config, _ *CustomerConfig) {
		q, err := files.NewQuarantine(cfg.Files, func(_ context.Context, r io.Reader) (string, error) {
			data, err := io.ReadAll(r)
			if bytes.Contains(data, []byte("EICAR")) {
				return "Eicar", err
			}
			return "", err
		})
		require.NoError(t, err)
		cfg.Files = q
	})
	r := w.send("/", typed(nil), upload{"bad.exe", "x/y", "EICAR"}, upload{"good.txt", "text/plain", "fine"})
	assert.Equal(t, http.StatusUnprocessableEntity, r.Code)
	assert.Contains(t, r.Body.String(), "Something harmful was found in the file bad.exe")
	require.Empty(t, w.tickets())
	page := w.follow("/", w.send("/", valuesOf(r.Body.String(), nil)))
	assert.Contains(t, page.Body.String(), "good.txt")
	assert.NotContains(t, page.Body.String(), "bad.exe")
}

func TestADeskWithoutFilesTakesNone(t *testing.T) {
	w := newWorld(t, func(cfg *ticket.Config, _ *CustomerConfig) { cfg.Files = nil })
	assert.NotContains(t, w.get("/").Body.String(), `type="file"`)
	assert.Equal(t, http.StatusBadRequest, w.send("/", typed(nil), upload{"a", "x/y", "1"}).Code)
	assert.Equal(t, http.StatusSeeOther, w.send("/", typed(nil)).Code)
}

func TestCompleteChangesTheDraft(t *testing.T) {
	w := newWorld(t, func(_ *ticket.Config, c *CustomerConfig) {
		c.Complete = func(_ *http.Request, d ticket.Draft) (ticket.Draft, error) {
			d.Queue, d.Key = "hardware", "the host's"
			return d, nil
		}
	})
	require.Equal(t, http.StatusSeeOther, w.send("/", typed(nil)).Code)
	require.Equal(t, http.StatusSeeOther, w.send("/", typed(nil)).Code)
	list := w.tickets()
	require.Len(t, list, 1)
	assert.Equal(t, "hardware", list[0].Queue)
}

func TestFormsFromOneNetworkAreLimited(t *testing.T) {
	w := newWorld(t)
	code := 0
	for i := range 21 {
		code = w.send("/", typed(url.Values{"key": {string(rune('a' + i))}})).Code
	}
	assert.Equal(t, http.StatusTooManyRequests, code)
	assert.Len(t, w.tickets(), 20)
	w.actor = ada
	assert.Equal(t, http.StatusSeeOther, w.send("/", typed(url.Values{"key": {"z"}})).Code, "people who are signed in are known")
}

func TestKnownProblemsWithAndWithoutScripts(t *testing.T) {
	w := newWorld(t)
	tk := w.open(ada, "Scanner sends to the old address")
	w.do(lin, tk, ticket.Action{Name: ticket.ActionResolve, Message: "Delete the entry."})
	w.do(lin, tk, ticket.Action{Name: ticket.ActionPublish, Known: &ticket.KnownProblem{Title: "Scanner <uses> an old address", Text: "Delete it.\n\nDone."}})
	assert.Contains(t, w.get("/").Body.String(), `data-known="known"`)

	r := post(w.pages, "/known", flat, strings.NewReader(url.Values{"subject": {"scanner old address"}, "message": {""}}.Encode()))
	require.Equal(t, http.StatusOK, r.Code)
	assert.Contains(t, r.Body.String(), "Scanner &lt;uses&gt; an old address")
	assert.NotContains(t, r.Body.String(), "<html")
	assert.NotContains(t, r.Body.String(), "Help me.", "the ticket's own words stay secret")

	r = w.send("/", typed(url.Values{"subject": {"scanner address"}, "look": {"1"}}), upload{"f.txt", "text/plain", "abc"})
	require.Equal(t, http.StatusOK, r.Code)
	assert.Contains(t, r.Body.String(), "Scanner &lt;uses&gt; an old address")
	assert.Contains(t, r.Body.String(), "f.txt")
	assert.Equal(t, "It prints blank pages.", valuesOf(r.Body.String(), nil).Get("message"))
	require.Len(t, w.tickets(), 1)

	r = w.send("/", typed(url.Values{"subject": {"zebra"}, "message": {"zebra"}, "look": {"1"}}))
	assert.Contains(t, r.Body.String(), "We know of nothing like it")
}
