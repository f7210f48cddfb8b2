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

func TestAStatusLinkShowsThePageAndAGetChangesNothing(t *testing.T) {
	w := newWorld(t)
	tk := w.open(ada, "Printer prints blank pages")
	w.do(lin, tk, ticket.Action{Name: ticket.ActionTake})
	w.do(lin, tk, ticket.Action{Name: ticket.ActionNote, Note: "SECRET NOTE"})
	w.do(lin, tk, ticket.Action{Name: ticket.ActionReply, Message: "Which model?"})
	at := w.link(tk, everyScope)
	before := w.current(tk)
	for range 3 {
		r := w.get(at)
		require.Equal(t, http.StatusOK, r.Code)
		assert.Equal(t, "no-referrer", r.Header().Get("Referrer-Policy"))
		assert.Equal(t, "no-store", r.Header().Get("Cache-Control"))
		assert.Equal(t, "noindex, nofollow", r.Header().Get("X-Robots-Tag"))
		body := r.Body.String()
		for _, want := range []string{"Printer prints blank pages", "Which model?", "Help me.", string(tk.Number), `aria-current="step">In progress`, "with the service desk", `value="reply"`, `value="cancel"`} {
			assert.Contains(t, body, want)
		}
		for _, never := range []string{"SECRET", ">lin<", `value="confirm"`, `value="reopen"`, "ada@example.org"} {
			assert.NotContains(t, body, never)
		}
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodHead, at, http.NoBody)
	require.NoError(t, err)
	head := do(w.pages, r)
	assert.Equal(t, http.StatusOK, head.Code)
	assert.Empty(t, head.Body.String())
	assert.Equal(t, before.Version, w.current(tk).Version)
	assert.Contains(t, w.get(at+"?lang=de").Body.String(), "beim Service-Desk")
}

func TestExpiredAndForgedLinks(t *testing.T) {
	w := newWorld(t)
	tk, other := w.open(ada, "one"), w.open(grace, "other")
	brief := w.link(tk, ticket.StatusLinkRequest{TTL: time.Hour})
	revoked := w.link(other, ticket.StatusLinkRequest{})
	_, err := w.desk.RevokeStatusLinks(t.Context(), lin, other.ID)
	require.NoError(t, err)
	good := w.link(tk, everyScope)
	forged := good[:len(good)-1] + string("0123456789"[(int(good[len(good)-1])+1)%10])

	w.advance(2 * time.Hour)
	r := w.get(brief)
	assert.Equal(t, http.StatusGone, r.Code)
	assert.Contains(t, r.Body.String(), `href="../find"`)
	assert.Equal(t, "no-referrer", r.Header().Get("Referrer-Policy"))

	unknown := w.get("/nothing").Body.String()
	for _, address := range []string{forged, revoked, "/t/x", "/t/" + strings.Repeat("0", 72)} {
		r := w.get(address)
		assert.Equal(t, http.StatusNotFound, r.Code, address)
		assert.Equal(t, between(unknown, "<main", "</main>"), strings.ReplaceAll(between(r.Body.String(), "<main", "</main>"), `"../"`, `"./"`), address)
		assert.Equal(t, http.StatusNotFound, w.send(address, url.Values{"action": {"reply"}, "message": {"x"}}).Code, address)
	}
	for _, address := range []string{"/t/" + strings.Repeat("0", 72) + "/x", "/t/", "/t"} {
		assert.Equal(t, http.StatusNotFound, w.get(address).Code, address)
	}
}

func TestTheButtonsAreThoseThatTheDeskAllows(t *testing.T) {
	w := newWorld(t)
	w.actor = ada
	tk := w.open(ada, "Printer")
	at := "/tickets/" + string(tk.Number)
	press := func(button string, more url.Values, files ...upload) string {
		t.Helper()
		w.advance(time.Minute)
		v := valuesOf(w.get(at).Body.String(), more)
		v.Set("action", button)
		return w.follow(at, w.send(at, v, files...)).Body.String()
	}
	buttons := func(want ...string) {
		t.Helper()
		body := w.get(at).Body.String()
		for _, b := range []string{"reply", "confirm", "reopen", "cancel", "rate"} {
			assert.Equal(t, strings.Contains(strings.Join(want, " "), b), strings.Contains(body, `name="action" value="`+b+`"`), b)
		}
	}
	buttons("reply", "cancel")
	page := press("reply", url.Values{"message": {"More <words>"}}, upload{"more.txt", "text/plain", "abc"})
	assert.Contains(t, page, "Your message is here")
	assert.Contains(t, page, "More &lt;words&gt;")
	assert.Contains(t, page, sumOf("abc"))
	w.do(lin, tk, ticket.Action{Name: ticket.ActionAsk, Message: "Which model?"})
	assert.Contains(t, w.get(at).Body.String(), "It is your turn")
	press("reply", url.Values{"message": {""}}, upload{"only.txt", "text/plain", "a file is enough"})
	w.do(lin, tk, ticket.Action{Name: ticket.ActionResolve, Message: "Done."})
	buttons("reply", "confirm", "reopen", "rate")
	press("reopen", url.Values{"message": {"It came back."}})
	assert.Equal(t, ticket.StatusQueued, w.current(tk).Status)
	w.do(lin, tk, ticket.Action{Name: ticket.ActionResolve, Message: "Done again."})
	assert.Contains(t, press("confirm", nil), "The request is closed.")
	assert.Equal(t, ticket.StatusClosed, w.current(tk).Status)
	buttons("reply", "reopen", "rate")
	page = press("rate", url.Values{"score": {"2"}, "comment": {"It took long."}})
	assert.Contains(t, page, "Thank you for your rating.")
	assert.Contains(t, page, "Your rating: dissatisfied.")
	assert.Equal(t, 2, w.current(tk).Score)
	buttons("reply", "reopen")

	second := w.open(ada, "Second")
	at = "/tickets/" + string(second.Number)
	assert.Contains(t, press("cancel", nil), "The request is cancelled.")
	assert.Equal(t, ticket.StatusCancelled, w.current(second).Status)
}

// Nobody agrees to a solution that has changed since. What customers do not see changes nothing
// for them, and a reply is welcome in any case.
func TestActionsArePinnedToWhatTheReaderSaw(t *testing.T) {
	w := newWorld(t)
	w.actor = ada
	tk := w.open(ada, "Printer")
	for _, at := range []string{"/tickets/" + string(tk.Number), w.link(tk, everyScope)} {
		for action, after := range map[string]ticket.Status{"confirm": ticket.StatusClosed, "reopen": ticket.StatusQueued} {
			load := func(page string) url.Values {
				return valuesOf(page, url.Values{"action": {action}, "message": {"I see."}, "version": {between(page, `name="version" value="`, `"`)}})
			}
			w.do(lin, tk, ticket.Action{Name: ticket.ActionResolve, Message: "A new one comes."})
			form := load(w.get(at).Body.String())
			w.do(lin, tk, ticket.Action{Name: ticket.ActionReply, Message: "There is none left."})
			r := w.send(at, form)
			require.Equal(t, http.StatusConflict, r.Code, action)
			assert.Contains(t, r.Body.String(), "The request has changed since you loaded this page.")
			assert.Contains(t, r.Body.String(), "There is none left.")
			assert.Equal(t, ticket.StatusResolved, w.current(tk).Status)
			again := load(r.Body.String())
			assert.Equal(t, "I see.", valuesOf(r.Body.String(), nil).Get("message"))
			w.do(lin, tk, ticket.Action{Name: ticket.ActionNote, Note: "Not for the customer."})
			require.Equal(t, http.StatusSeeOther, w.send(at, again).Code, action)
			assert.Equal(t, after, w.current(tk).Status)
			require.Equal(t, http.StatusSeeOther, w.send(at, again).Code, "the same form once more does nothing")
			assert.Equal(t, after, w.current(tk).Status)
			if after == ticket.StatusClosed {
				w.do(lin, tk, ticket.Action{Name: ticket.ActionReopen, Note: "Once more."})
			}

			w.do(lin, tk, ticket.Action{Name: ticket.ActionResolve, Message: "Here it is."})
			form = load(w.get(at).Body.String())
			w.do(lin, tk, ticket.Action{Name: ticket.ActionReply, Message: "One more thing."})
			for _, bad := range []string{"x", "0", "-1", "1.5"} {
				form.Set("version", bad)
				assert.Equal(t, http.StatusBadRequest, w.send(at, form).Code, bad)
			}
			form.Set("version", "1")
			form.Set("action", "reply")
			require.Equal(t, http.StatusSeeOther, w.send(at, form).Code)
		}
	}
}

func TestALinkDoesWhatItsScopesSay(t *testing.T) {
	w := newWorld(t)
	tk := w.open(ada, "Printer")
	read := w.link(tk, ticket.StatusLinkRequest{})
	assert.NotContains(t, w.get(read).Body.String(), "<form")
	for _, action := range []string{"reply", "confirm", "reopen", "cancel"} {
		r := w.send(read, url.Values{"action": {action}, "message": {"x"}})
		assert.Equal(t, http.StatusConflict, r.Code, action)
	}
	words := w.link(tk, ticket.StatusLinkRequest{Reply: true})
	body := w.get(words).Body.String()
	assert.Contains(t, body, `value="reply"`)
	assert.NotContains(t, body, `type="file"`)
	assert.NotContains(t, body, `value="cancel"`)
	assert.Equal(t, http.StatusBadRequest, w.send(words, url.Values{"action": {"reply"}}, upload{"a", "x/y", "1"}).Code)
	require.Equal(t, http.StatusSeeOther, w.send(words, url.Values{"action": {"reply"}, "key": {"k"}, "message": {"By link."}}).Code)

	all := w.link(tk, everyScope)
	page := w.follow(all, w.send(all, valuesOf(w.get(all).Body.String(), url.Values{"action": {"reply"}, "message": {"And a file."}}), upload{"f.txt", "text/plain", "abc"}))
	assert.Contains(t, page.Body.String(), sumOf("abc"))
	w.do(lin, tk, ticket.Action{Name: ticket.ActionResolve, Message: "Done."})
	w.follow(all, w.send(all, valuesOf(w.get(all).Body.String(), url.Values{"action": {"confirm"}})))
	assert.Equal(t, ticket.StatusClosed, w.current(tk).Status)
	w.follow(all, w.send(all, url.Values{"action": {"rate"}, "score": {"5"}, "key": {"k"}}))
	assert.Equal(t, 5, w.current(tk).Score)
	for e, err := range w.desk.Events(t.Context(), lin, tk.ID) {
		require.NoError(t, err)
		if e.Message == "By link." {
			assert.Equal(t, "Ada Byron", e.Actor.Name)
		}
	}
}

func TestAReplyThatIsSentTwiceIsOneReply(t *testing.T) {
	w := newWorld(t)
	w.actor = ada
	tk := w.open(ada, "Printer")
	at := "/tickets/" + string(tk.Number)
	v := url.Values{"action": {"reply"}, "key": {"k"}, "message": {"Once."}}
	for range 3 {
		require.Equal(t, http.StatusSeeOther, w.send(at, v).Code)
	}
	assert.Equal(t, 1, strings.Count(w.get(at).Body.String(), "Once."))
	r := w.send(at, url.Values{"action": {"reply"}, "key": {"k"}, "message": {"Twice."}}, upload{"f.txt", "text/plain", "abc"})
	assert.Equal(t, http.StatusConflict, r.Code)
	again := valuesOf(r.Body.String(), url.Values{"action": {"reply"}})
	assert.Equal(t, "Twice.", again.Get("message"))
	assert.Contains(t, w.follow(at, w.send(at, again)).Body.String(), "f.txt")
}

func TestARefusedReplyKeepsTheWords(t *testing.T) {
	w := newWorld(t)
	w.actor = ada
	tk := w.open(ada, "Printer")
	at := "/tickets/" + string(tk.Number)
	r := w.send(at, url.Values{"action": {"reply"}, "message": {" "}})
	assert.Equal(t, http.StatusUnprocessableEntity, r.Code)
	assert.Contains(t, r.Body.String(), "Write a message, or choose a file.")
	r = w.send(at, url.Values{"action": {"confirm"}, "message": {"It works."}})
	assert.Equal(t, http.StatusConflict, r.Code)
	assert.Contains(t, r.Body.String(), "no longer possible")
	assert.Equal(t, "It works.", valuesOf(r.Body.String(), nil).Get("message"))
	r = w.send(at, url.Values{"action": {"reply"}, "message": {strings.Repeat("x", 300_000)}})
	assert.Equal(t, http.StatusUnprocessableEntity, r.Code)
	for _, action := range []string{"", "resolve", "note", "merge", "erase"} {
		assert.Equal(t, http.StatusBadRequest, w.send(at, url.Values{"action": {action}, "message": {"x"}}).Code, action)
	}
	assert.Equal(t, http.StatusBadRequest, w.send(at, url.Values{"action": {"reply", "cancel"}}).Code)
	w.do(lin, tk, ticket.Action{Name: ticket.ActionResolve, Message: "Done."})
	r = w.send(at, url.Values{"action": {"rate"}, "comment": {"Hm."}})
	assert.Equal(t, http.StatusUnprocessableEntity, r.Code)
	assert.Contains(t, r.Body.String(), `<a href="#score">`)
	assert.Contains(t, r.Body.String(), ">\nHm.</textarea>")
	for _, score := range []string{"0", "6", "-1", "x", "5.0"} {
		assert.Equal(t, http.StatusUnprocessableEntity, w.send(at, url.Values{"action": {"rate"}, "score": {score}}).Code, score)
	}
}

func TestAReplyAfterTheWindowGoesToANewTicket(t *testing.T) {
	w := newWorld(t)
	tk := w.open(ada, "Printer")
	w.do(lin, tk, ticket.Action{Name: ticket.ActionResolve, Message: "Done."})
	w.advance(30 * 24 * time.Hour)
	w.actor = ada
	at, link := "/tickets/"+string(tk.Number), w.link(tk, everyScope)
	page := w.follow(at, w.send(at, url.Values{"action": {"reply"}, "key": {"k"}, "message": {"It is back."}})).Body.String()
	list := w.tickets()
	require.Len(t, list, 2)
	assert.Contains(t, page, "we have opened a new one")
	assert.Contains(t, page, "<title>Printer · "+string(list[1].Number))
	page = w.follow(link, w.send(link, url.Values{"action": {"reply"}, "key": {"k2"}, "message": {"And again."}})).Body.String()
	assert.Contains(t, page, "<title>Printer · "+string(tk.Number), "a link shows its own ticket only")
	assert.Contains(t, w.get(link+"?done=reply&number=<script>").Body.String(), "Your message is here")
	assert.NotContains(t, w.get(link+"?done=reply&number=%3Cscript%3E").Body.String(), "&lt;script")
}

func TestCustomersSeeTheirOwnTicketsOnly(t *testing.T) {
	w := newWorld(t)
	mine, others := w.open(ada, "Mine"), w.open(grace, "Not mine")
	w.actor = ada
	body := w.get("/tickets").Body.String()
	assert.Contains(t, body, "Mine")
	assert.NotContains(t, body, "Not mine")
	assert.NotContains(t, body, "organisation")
	body = w.get("/tickets?of=organisation").Body.String()
	assert.NotContains(t, body, "Not mine")
	for _, ref := range []string{string(others.Number), others.ID.String(), "0000-0000-1", "x", "a%2Fb", "..%2f..%2ffind"} {
		r := w.get("/tickets/" + ref)
		assert.Equal(t, http.StatusNotFound, r.Code, ref)
		assert.Equal(t, http.StatusNotFound, w.send("/tickets/"+ref, url.Values{"action": {"reply"}, "message": {"x"}}).Code, ref)
	}
	assert.Equal(t, http.StatusOK, w.get("/tickets/"+strings.ToLower(string(mine.Number))).Code)
	assert.Equal(t, http.StatusNotFound, w.get("/tickets?after=x").Code)
	assert.Equal(t, http.StatusNotFound, w.get("/tickets/"+string(mine.Number)+"?before=x").Code)
	w.actor = ada.InTenant("other")
	assert.Equal(t, http.StatusNotFound, w.get("/tickets/"+string(mine.Number)).Code)
	assert.Equal(t, http.StatusNotFound, w.get(w.link(mine, everyScope)).Code, "a link belongs to its tenant")
	assert.Contains(t, w.get("/tickets").Body.String(), "There are no requests yet.")
}

type colleagues struct{ ticket.DefaultPolicy }

func (p colleagues) MaySee(a ticket.Actor, t ticket.Ticket) bool {
	return p.DefaultPolicy.MaySee(a, t) || a.Role == ticket.RoleRequester && a.Person.Organisation == t.Requester.Organisation && t.Subject != "Private"
}

func TestTicketsOfTheOrganisationAreThoseThatThePolicyShows(t *testing.T) {
	w := newWorld(t, func(cfg *ticket.Config, c *CustomerConfig) { cfg.Policy, c.Organisation = colleagues{}, true })
	theirs := w.open(grace, "Of a colleague")
	w.open(grace, "Private")
	w.open(eve, "Of a stranger")
	w.actor = ada
	body := w.get("/tickets?of=organisation").Body.String()
	assert.Contains(t, body, "Of a colleague")
	assert.NotContains(t, body, "yours", "it is the colleague's")
	assert.NotContains(t, body, "Private")
	assert.NotContains(t, body, "stranger")
	r := w.get("/tickets/" + string(theirs.Number))
	assert.Equal(t, http.StatusOK, r.Code)
	assert.NotContains(t, r.Body.String(), "<form", "a colleague has no part in it")
	w.open(ada, "My own")
	assert.Contains(t, w.get("/tickets?of=organisation").Body.String(), "yours")
	w.actor = eve
	assert.NotContains(t, w.get("/tickets").Body.String(), "of=organisation", "who has none")
}

func TestListsAndMessagesHavePages(t *testing.T) {
	w := newWorld(t)
	w.actor = ada
	var tk ticket.Ticket
	for i := range 30 {
		w.advance(time.Minute)
		tk = w.open(ada, "Request "+string(rune('A'+i%26))+strings.Repeat("!", i/26))
	}
	first := w.get("/tickets").Body.String()
	assert.Equal(t, 25, strings.Count(first, `class="subject"`))
	next := between(first, `href="tickets?after=`, `"`)
	require.NotEmpty(t, next)
	second := w.get("/tickets?after=" + next).Body.String()
	assert.Equal(t, 5, strings.Count(second, `class="subject"`))
	for range 120 {
		w.do(ada, tk, ticket.Action{Name: ticket.ActionReply, Message: "again"})
	}
	at := "/tickets/" + string(tk.Number)
	page := w.get(at).Body.String()
	assert.Equal(t, 100, strings.Count(page, `<li class="say`))
	earlier := between(page, `?before=`, `"`)
	older := w.get(at + "?before=" + earlier).Body.String()
	assert.Equal(t, 21, strings.Count(older, `<li class="say`))
	assert.Contains(t, older, "Help me.")
}

func TestDownloadsAreAuthorisedAndHarmless(t *testing.T) {
	w := newWorld(t)
	attach := func(name, mediaType, content string) ticket.Attachment {
		a, err := w.desk.Attach(t.Context(), ada, name, mediaType, strings.NewReader(content))
		require.NoError(t, err)
		return a
	}
	png := "\x89PNG\r\n\x1a\n" + strings.Repeat("x", 5000)
	page := attach("page.html", "text/html", "<script>alert(1)</script>")
	image := attach("bild äöü \"1\".png", "image/png", png)
	svg := attach("x.svg", "image/svg+xml", `<svg xmlns="http://www.w3.org/2000/svg"><script>1</script></svg>`)
	lie := attach("lie.png", "image/png", "<html><script>alert(1)</script>")
	empty := attach("empty", "", "")
	tk, err := w.desk.Open(t.Context(), ada, ticket.Draft{Subject: "s", Message: "m", Attachments: []ticket.Attachment{page, image, svg, lie, empty}})
	require.NoError(t, err)
	internal, err := w.desk.Attach(t.Context(), lin, "internal.txt", "text/plain", strings.NewReader("internal"))
	require.NoError(t, err)
	w.do(lin, tk, ticket.Action{Name: ticket.ActionNote, Note: "n", NoteAttachments: []ticket.Attachment{internal}})

	w.actor = ada
	base, link := "/tickets/"+string(tk.Number), w.link(tk, ticket.StatusLinkRequest{})
	for _, at := range []string{base, link} {
		for _, a := range []ticket.Attachment{page, image, svg, lie, empty} {
			for _, query := range []string{"", "?show"} {
				r := w.get(at + "/files/" + a.SHA256.String() + query)
				require.Equal(t, http.StatusOK, r.Code, a.Name)
				h := r.Header()
				assert.Equal(t, "nosniff", h.Get("X-Content-Type-Options"))
				assert.Equal(t, "default-src 'none'; sandbox; frame-ancestors 'none'", h.Get("Content-Security-Policy"))
				assert.Equal(t, a.Size, int64(r.Body.Len()), a.Name)
				if query != "" && a.SHA256 == image.SHA256 {
					assert.Equal(t, "image/png", h.Get("Content-Type"))
					assert.True(t, strings.HasPrefix(h.Get("Content-Disposition"), "inline"))
					assert.Contains(t, h.Get("Content-Disposition"), "%C3%A4")
					continue
				}
				assert.Equal(t, "application/octet-stream", h.Get("Content-Type"), a.Name)
				assert.True(t, strings.HasPrefix(h.Get("Content-Disposition"), "attachment"), a.Name)
			}
		}
		assert.Equal(t, http.StatusNotFound, w.get(at+"/files/"+internal.SHA256.String()).Code)
		assert.Equal(t, http.StatusNotFound, w.get(at+"/files/xyz").Code)
		assert.Equal(t, http.StatusNotFound, w.get(at+"/files/"+strings.Repeat("0", 64)).Code)
	}
	body := w.get(base).Body.String()
	assert.Contains(t, body, image.SHA256.String()+"?show")
	assert.NotContains(t, body, svg.SHA256.String()+"?show")
	w.actor = eve
	assert.Equal(t, http.StatusNotFound, w.get(base+"/files/"+page.SHA256.String()).Code)
	w.actor = ticket.Actor{}
	assert.Equal(t, http.StatusForbidden, w.get(base+"/files/"+page.SHA256.String()).Code)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodHead, link+"/files/"+page.SHA256.String(), http.NoBody)
	require.NoError(t, err)
	assert.Empty(t, do(w.pages, r).Body.String())
}

func TestPromisesInTheReadersWords(t *testing.T) {
	p := newWorld(t).pages.site.example("en")
	later := noon.Add(time.Hour)
	for want, v := range map[string]ticket.View{
		"":          {Phase: ticket.PhaseInProgress},
		"your_turn": {Phase: ticket.PhaseYourTurn, Expected: later},
		"next":      {Phase: ticket.PhaseInProgress, Expected: later},
		"holds":     {Phase: ticket.PhaseReceived, Expected: later, Promised: later, Promise: "open"},
		"moved":     {Phase: ticket.PhaseReceived, Expected: later, Promised: noon, Promise: "open"},
		"late":      {Phase: ticket.PhaseInProgress, Expected: noon.Add(-time.Hour)},
	} {
		assert.Equal(t, want, promiseOf(p, &v).Key)
	}
	assert.Empty(t, promiseOf(p, &ticket.View{Phase: ticket.PhaseClosed, Expected: later}).Key)
}
