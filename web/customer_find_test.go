package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
)

func TestTheLinkIsSentToTheMailboxOnly(t *testing.T) {
	w := newWorld(t, func(_ *ticket.Config, c *CustomerConfig) { c.Client = func(*http.Request) string { return "" } })
	tk := w.open(ada, "Printer")
	w.letters()
	find := func(number, email string) *http.Response {
		r := w.send("/find", url.Values{"number": {number}, "email": {email}})
		assert.NotContains(t, r.Body.String(), email)
		return r.Result()
	}
	body := w.send("/find", url.Values{"number": {string(tk.Number)}, "email": {"ADA@example.org"}}).Body.String()
	assert.Contains(t, body, "Look into your mail")
	sent := w.letters()
	require.Len(t, sent, 1)
	assert.Equal(t, ticket.KindLink, sent[0].Kind)
	assert.Equal(t, "ada@example.org", sent[0].To.Person.Email)
	assert.Equal(t, http.StatusOK, w.get(strings.TrimPrefix(sent[0].StatusLink, "https://help.example.org")).Code)

	// The same answer for what does not exist or belong together.
	w.advance(time.Hour)
	unknown := string(ticket.NumberOf(77))
	for _, c := range [][2]string{{string(tk.Number), "eve@example.org"}, {unknown, "ada@example.org"}, {unknown, "eve@example.org"}} {
		r := w.send("/find", url.Values{"number": {c[0]}, "email": {c[1]}})
		assert.Equal(t, http.StatusOK, r.Code)
		assert.Equal(t, body, r.Body.String())
	}
	assert.Empty(t, w.letters())

	// A repeat sends nothing for a while, and is answered as before.
	for range 3 {
		assert.Equal(t, http.StatusOK, find(string(tk.Number), "ada@example.org").StatusCode)
	}
	assert.Len(t, w.letters(), 1)
}

func TestAMistypedNumberIsToldWithoutALookUp(t *testing.T) {
	w := newWorld(t)
	before := w.store.lookups.Load()
	for _, number := range []string{"7Q4K-92MX-G", "hello", "7Q4K", "<script>alert(1)</script>"} {
		r := w.send("/find", url.Values{"number": {number}, "email": {"ada@example.org"}})
		assert.Equal(t, http.StatusUnprocessableEntity, r.Code, number)
		assert.Contains(t, r.Body.String(), `<a href="#number">`, number)
		assert.Equal(t, number, valuesOf(r.Body.String(), nil).Get("number"))
		assert.Equal(t, "ada@example.org", valuesOf(r.Body.String(), nil).Get("email"))
		assert.NotContains(t, r.Body.String(), "<script>a")
	}
	assert.Equal(t, before, w.store.lookups.Load())
	for field, v := range map[string]url.Values{"number": {"email": {"a@b.c"}}, "email": {"number": {"7Q4K-92MX-F"}}} {
		r := w.send("/find", v)
		assert.Equal(t, http.StatusUnprocessableEntity, r.Code)
		assert.Contains(t, r.Body.String(), `<a href="#`+field+`">`)
	}
}

func TestSearchesByNumberAreLimited(t *testing.T) {
	w := newWorld(t)
	code := func() int {
		return w.send("/find", url.Values{"number": {string(ticket.NumberOf(5))}, "email": {"a@example.org"}}).Code
	}
	for range 10 {
		require.Equal(t, http.StatusOK, code())
	}
	assert.Equal(t, http.StatusTooManyRequests, code())
	w.advance(2 * time.Minute)
	assert.Equal(t, http.StatusOK, code())
}

func TestADeskThatSendsNoLinksOffersNone(t *testing.T) {
	w := newWorld(t, func(cfg *ticket.Config, _ *CustomerConfig) { cfg.StatusLinks.URL = nil })
	assert.Equal(t, http.StatusNotFound, w.get("/find").Code)
	assert.Equal(t, http.StatusNotFound, w.send("/find", url.Values{"number": {"1"}, "email": {"a@b.c"}}).Code)
	assert.NotContains(t, w.get("/").Body.String(), `href="find"`)
	brief := w.link(w.open(ada, "s"), ticket.StatusLinkRequest{TTL: time.Minute})
	w.advance(time.Hour)
	r := w.get(brief)
	assert.Equal(t, http.StatusGone, r.Code)
	assert.NotContains(t, r.Body.String(), "find")
}

func TestTheConfirmationCannotBeGuessedAndExpires(t *testing.T) {
	w := newWorld(t)
	tk := w.open(ada, "s")
	for _, r := range []string{"", "x", "x.y", tk.ID.String(), w.pages.seals.seal("file", "", noon.Add(time.Hour), tk.ID[:]), w.pages.seals.seal("sent", "other", noon.Add(time.Hour), tk.ID[:])} {
		assert.Equal(t, http.StatusNotFound, w.get("/sent?r="+url.QueryEscape(r)).Code, r)
	}
	good := "/sent?r=" + w.pages.seals.seal("sent", "", noon.Add(time.Hour), tk.ID[:])
	assert.Equal(t, http.StatusOK, w.get(good).Code)
	w.do(lin, tk, ticket.Action{Name: ticket.ActionReply, Message: "LATER"})
	assert.NotContains(t, w.get(good).Body.String(), "LATER", "it shows the opening only")
	w.advance(2 * time.Hour)
	assert.Equal(t, http.StatusGone, w.get(good).Code)
}

func TestALimiterForgetsNobodyTooEarly(t *testing.T) {
	l := &limiter{most: 3, per: 3 * time.Minute}
	for range 3 {
		assert.True(t, l.allow("a", noon))
	}
	assert.False(t, l.allow("a", noon))
	assert.True(t, l.allow("b", noon))
	assert.True(t, l.allow("a", noon.Add(time.Minute)))
	assert.False(t, l.allow("a", noon.Add(time.Minute)))
	for range 10 {
		assert.True(t, l.allow("", noon))
	}
	for i := range mostClients + 100 {
		l.allow(time.Duration(i).String(), noon)
	}
	assert.LessOrEqual(t, len(l.full), mostClients)
}

func TestClientsAreToldApartByTheirNetwork(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.7:4711": "192.0.2.7", "[2001:db8:1:2:3::4]:80": "2001:db8:1:2::/64", "[::ffff:192.0.2.7]:1": "192.0.2.7",
		"@": "@", "[fe80::1%eth0]:1": "fe80::/64",
	} {
		assert.Equal(t, want, clientOf(&http.Request{RemoteAddr: address}), address)
	}
}
