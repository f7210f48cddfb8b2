package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/memstore"
)

// Whatever fails while a form is sent, the answer has the words.
func TestNoFailureOfACustomersFormLosesTheWords(t *testing.T) {
	refused := atomic.Bool{}
	w := newWorld(t, func(_ *ticket.Config, c *CustomerConfig) {
		actor := c.Actor
		c.Actor = func(r *http.Request) (ticket.Actor, error) {
			if refused.Load() {
				return ticket.Actor{}, errors.New("the sessions are down")
			}
			return actor(r)
		}
	})
	w.actor = ada
	tk := w.open(ada, "s")
	at, link := "/tickets/"+string(tk.Number), w.link(tk, everyScope)
	reply := url.Values{"action": {"reply"}, "message": {"<b>My words.</b>"}}
	for name, c := range map[string]struct {
		address string
		form    url.Values
		before  func()
		status  int
	}{
		"the store is down":            {at, reply, func() { w.store.down.Store(true) }, http.StatusServiceUnavailable},
		"the store is down, by a link": {link, reply, func() { w.store.down.Store(true) }, http.StatusServiceUnavailable},
		"the session has ended":        {at, reply, func() { w.actor = ticket.Actor{} }, http.StatusForbidden},
		"the sessions are down":        {at, reply, func() { refused.Store(true) }, http.StatusServiceUnavailable},
		"another person is signed in":  {at, reply, func() { w.actor = eve }, http.StatusNotFound},
		"a field is there twice":       {at, url.Values{"action": {"reply"}, "message": {"<b>My words.</b>", "x"}}, func() {}, http.StatusBadRequest},
		"no button":                    {at, url.Values{"message": {"<b>My words.</b>"}}, func() {}, http.StatusBadRequest},
	} {
		c.before()
		r := w.send(c.address, c.form, upload{"f.txt", "text/plain", "abc"})
		assert.Equal(t, c.status, r.Code, name)
		assert.Contains(t, r.Body.String(), "&lt;b&gt;My words.&lt;/b&gt;", name)
		assert.NotContains(t, r.Body.String(), "<b>My words", name)
		w.store.down.Store(false)
		refused.Store(false)
		w.actor = ada
	}
	r := post(w.pages, at, flat, strings.NewReader(reply.Encode()), header("Sec-Fetch-Site", "cross-site"))
	assert.Equal(t, http.StatusForbidden, r.Code)
	assert.NotContains(t, r.Body.String(), "My words", "another site says nothing on our page")
	assert.EqualValues(t, 1, w.current(tk).Version)
}

// A browser sends the button after the files, so it is missing in a form that is too large.
func TestAReplyThatIsTooLargeKeepsTheWords(t *testing.T) {
	w := newWorld(t, func(_ *ticket.Config, c *CustomerConfig) { c.MaxUpload = 100_000 })
	w.actor = ada
	tk := w.open(ada, "s")
	form := "--x\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\nk\r\n--x\r\nContent-Disposition: form-data; name=\"message\"\r\n\r\nMy words.\r\n" +
		"--x\r\nContent-Disposition: form-data; name=\"files\"; filename=\"f\"\r\n\r\n" + strings.Repeat("x", 200_000) +
		"\r\n--x\r\nContent-Disposition: form-data; name=\"action\"\r\n\r\nreply\r\n--x--\r\n"
	r := post(w.pages, "/tickets/"+string(tk.Number), "multipart/form-data; boundary=x", strings.NewReader(form))
	assert.Equal(t, http.StatusRequestEntityTooLarge, r.Code)
	kept := valuesOf(r.Body.String(), nil)
	assert.Equal(t, "My words.", kept.Get("message"))
	assert.Contains(t, r.Body.String(), "larger than 100 kB")
}

type readOnly struct{ ticket.Store }

func (s readOnly) Commit(context.Context, ticket.Commit) error { return errDown }

// A form that cannot be saved comes back complete, if the store can still be read.
func TestARatingThatCannotBeSavedKeepsTheComment(t *testing.T) {
	w := newWorld(t)
	w.actor = ada
	tk := w.open(ada, "s")
	w.do(lin, tk, ticket.Action{Name: ticket.ActionResolve, Message: "Done."})
	w.do(ada, tk, ticket.Action{Name: ticket.ActionConfirm})
	w.store.Store = readOnly{w.store.Store}
	r := w.send("/tickets/"+string(tk.Number), url.Values{"action": {"rate"}, "score": {"2"}, "comment": {"My words."}, "key": {"k"}})
	assert.Equal(t, http.StatusServiceUnavailable, r.Code)
	assert.Contains(t, r.Body.String(), `name="comment"`)
	assert.Contains(t, r.Body.String(), "My words.")
	assert.Contains(t, r.Body.String(), `value="2" checked`)
}

func TestWhatCompleteRefusesKeepsTheForm(t *testing.T) {
	var fault error
	w := newWorld(t, func(_ *ticket.Config, c *CustomerConfig) {
		c.Complete = func(_ *http.Request, d ticket.Draft) (ticket.Draft, error) { return d, fault }
	})
	for _, c := range []struct {
		fault  error
		status int
	}{
		{errDown, http.StatusServiceUnavailable}, {&ticket.InvalidError{Field: "draft.queue", Reason: "is unknown"}, http.StatusUnprocessableEntity}, {&ticket.RefusedError{}, http.StatusForbidden},
	} {
		fault = c.fault
		r := w.send("/", typed(nil), upload{"f.txt", "text/plain", "abc"})
		assert.Equal(t, c.status, r.Code, c.fault)
		kept := valuesOf(r.Body.String(), nil)
		assert.Equal(t, "It prints blank pages.", kept.Get("message"), c.fault)
		assert.Contains(t, r.Body.String(), `name="kept"`, c.fault)
	}
	assert.Empty(t, w.tickets())
}

func TestNoFailureOfAnAgentsFormLosesTheWords(t *testing.T) {
	b := newBench(t, func(c *ticket.Config) { c.Files = brokenFiles{c.Files} })
	b.cfg.MaxUpload = 100_000
	was := b.open("x")
	form := url.Values{"action": {"reply"}, "message": {"My words."}, "version": {"1"}, "key": {"k"}}
	at := "/tickets/" + string(was.Number)

	body, mediaType := uploadOf(t, form, map[string]string{"f.txt": "abc"})
	r := post(b, at, mediaType, body)
	assert.Equal(t, http.StatusServiceUnavailable, r.Code, "the file store is down")
	has(t, r.Body.String(), "My words.</textarea>")
	has(t, r.Body.String(), "f.txt cannot be stored at the moment")
	hasNot(t, r.Body.String(), "/var/lib")

	body, mediaType = uploadOf(t, form, map[string]string{"f": strings.Repeat("x", 200_000)})
	r = post(b, at, mediaType, body)
	assert.Equal(t, http.StatusRequestEntityTooLarge, r.Code)
	has(t, r.Body.String(), "My words.</textarea>")
	has(t, r.Body.String(), "larger than 100 kB")

	r = post(b, at, flat, strings.NewReader(form.Encode()), agent("stranger"))
	assert.Equal(t, http.StatusNotFound, r.Code)
	has(t, r.Body.String(), "My words.</textarea>")
	assert.EqualValues(t, 1, b.read(was).Version)
}

// A store that can be read and not written gives forms back, under the same key: what was saved
// after all is not saved twice.
func TestAFormThatCannotBeSavedComesBackToTheAgent(t *testing.T) {
	store := &flaky{Store: memstore.New()}
	desk, err := ticket.NewDesk(store, ticket.Config{})
	require.NoError(t, err)
	c := newConsole(t, desk, nil)
	defer func() { _ = c.Shutdown(t.Context()) }()
	was, err := desk.Open(t.Context(), ticket.Requester(custAda), ticket.Draft{Subject: "s", Message: "m"})
	require.NoError(t, err)
	other, err := desk.Open(t.Context(), ticket.Requester(custAda), ticket.Draft{Subject: "t", Message: "m"})
	require.NoError(t, err)
	at := "/tickets/" + string(was.Number)
	reply := url.Values{"action": {"reply"}, "message": {"My words."}, "version": {"1"}, "key": {"k1"}}.Encode()
	bulk := url.Values{"do": {"note"}, "note": {"My words."}, "key": {"k2"}, "t": {pinOf(&was), pinOf(&other)}}.Encode()

	saves := store.Store
	store.Store = readOnly{saves}
	r := post(c, at, flat, strings.NewReader(reply))
	assert.Equal(t, http.StatusServiceUnavailable, r.Code)
	has(t, r.Body.String(), "My words.</textarea>")
	has(t, r.Body.String(), `name="key" value="k1"`)
	has(t, r.Body.String(), "cannot be saved at the moment")
	r = post(c, "/bulk", flat, strings.NewReader(bulk))
	assert.Equal(t, http.StatusServiceUnavailable, r.Code)
	has(t, r.Body.String(), "My words.</textarea>")
	has(t, r.Body.String(), `name="key" value="k2"`)
	has(t, r.Body.String(), "Not done for 2 tickets.")

	store.down.Store(true)
	merge := url.Values{"from": {pinOf(&was)}, "into": {pinOf(&other)}, "note": {"My words."}}.Encode()
	for address, form := range map[string]string{at: reply, "/bulk": bulk, "/merge": merge, "/deliveries/" + was.ID.String(): "reason=My+words."} {
		r := post(c, address, flat, strings.NewReader(form))
		has(t, r.Body.String(), "My words.</textarea>", address)
		hasNot(t, r.Body.String(), "db.internal", address)
	}
	store.Store = saves
	store.down.Store(false)
	require.Equal(t, http.StatusSeeOther, post(c, at, flat, strings.NewReader(reply)).Code)
}
