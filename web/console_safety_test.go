package web

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
)

// What an agent may not know of is not there: no page, no form and no stream says otherwise.
func TestForeignTicketsAreNotThere(t *testing.T) {
	b := newBench(t, nil)
	was, other := b.open("secret subject"), b.open("secret other")
	w := b.send(was, "note", url.Values{"note": {"secret note"}})
	require.Equal(t, http.StatusSeeOther, w.Code)
	number := string(was.Number)
	// The same answer as for a ticket that does not exist.
	nobody := get(b, "/tickets/7Q4K-92MX-F", agent("stranger"))
	require.Equal(t, http.StatusNotFound, nobody.Code)
	same := regexp.MustCompile(`7Q4K-92MX-F|` + number + `|value="[0-9a-f]{32}"`)
	for _, who := range []string{"stranger", "billing"} {
		for _, address := range []string{
			"/tickets/" + number, "/tickets/" + number + "?do=note", "/tickets/" + was.ID.String(), "/tickets/" + number + "/clocks/solution",
			"/tickets/" + number + "/files/" + strings.Repeat("ab", 32), "/merge?from=" + number, "/merge?from=" + number + "&into=" + string(other.Number),
			"/tickets?of=" + number, "/events?ticket=" + number,
		} {
			w := get(b, address, agent(who))
			require.Equal(t, http.StatusNotFound, w.Code, "%s %s", who, address)
			hasNot(t, w.Body.String(), "secret", address)
			if who == "stranger" && address == "/tickets/"+number {
				assert.Equal(t, same.ReplaceAllString(nobody.Body.String(), "x"), same.ReplaceAllString(w.Body.String(), "x"))
			}
		}
		for _, address := range []string{"/tickets?view=all", "/search?q=subject", "/search?q=" + number, "/bulk?do=take&t=" + url.QueryEscape(pinOf(&was)), "/bulk?do=take&r=" + number + "@done"} {
			w := get(b, address, agent(who))
			require.Equal(t, http.StatusOK, w.Code, "%s %s", who, address)
			hasNot(t, w.Body.String(), "secret", address)
		}
		version := b.read(was).Version
		for address, form := range map[string]string{
			"/tickets/" + number: "action=note&note=x", "/merge": url.Values{"from": {pinOf(&was)}, "into": {pinOf(&other)}}.Encode(),
		} {
			w := post(b, address, flat, strings.NewReader(form), agent(who))
			require.Equal(t, http.StatusNotFound, w.Code, "%s %s", who, address)
		}
		w := post(b, "/bulk", flat, strings.NewReader(url.Values{"do": {"take"}, "t": {pinOf(&was)}}.Encode()), agent(who))
		require.Equal(t, http.StatusSeeOther, w.Code)
		has(t, w.Header().Get("Location"), "gone")
		w = post(b, "/next", flat, strings.NewReader("key=x"), agent(who))
		has(t, w.Header().Get("Location"), "none=1")
		require.Equal(t, version, b.read(was).Version)
	}
	// A link to a ticket that an agent may not see shows its number and leads nowhere.
	b.do(agLin, was, ticket.Action{Name: ticket.ActionHandOver, Queue: "billing"})
	b.do(agLin, b.read(was), ticket.Action{Name: ticket.ActionLink, Relation: ticket.RelationRelatedTo, Ticket: other.ID})
	hasNot(t, b.page("/tickets/"+number, agent("billing")), "secret other")
}

// Forms of another origin are refused, whatever they ask for.
func TestFormsOfOtherOriginsDoNothing(t *testing.T) {
	b := newBench(t, nil)
	was := b.open("printer")
	for address, form := range map[string]string{
		"/tickets/" + string(was.Number): "action=take", "/next": "key=x", "/merge": "from=x&into=y", "/bulk": "do=take&t=" + url.QueryEscape(pinOf(&was)),
	} {
		for name, value := range map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"} {
			w := post(b, address, flat, strings.NewReader(form), header(name, value))
			require.Equal(t, http.StatusForbidden, w.Code, "%s %s", address, name)
		}
		require.Equal(t, http.StatusMethodNotAllowed, do(b, mustRequest(t, http.MethodPut, address)).Code)
	}
	require.EqualValues(t, 1, b.read(was).Version)
	for _, address := range []string{"/next", "/merge?from=x", "/tickets/" + string(was.Number) + "?action=take"} {
		get(b, address)
	}
	require.EqualValues(t, 1, b.read(was).Version, "GET changes nothing")
}

func mustRequest(t *testing.T, method, address string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, address, http.NoBody)
	require.NoError(t, err)
	return r
}

var inQuotes = regexp.MustCompile(`"[^"]*"`)

// Text of people is text on every page, wherever it stands.
func TestTextOfPeopleIsInert(t *testing.T) {
	const canary = `"><script>alert(1)</script><img src=x onerror=alert(2)>'`
	b := newBench(t, func(cfg *ticket.Config) { cfg.Notifiers = map[string]ticket.Notifier{"mail": nil} })
	evil := ticket.Person{ID: "evil" + canary, Name: "Evil " + canary, Organisation: "Org " + canary, Phone: "1" + canary, Zone: "Europe/Berlin"}
	was := b.open("subject "+canary, func(d *ticket.Draft) {
		d.Requester, d.Message, d.Queue, d.Channel = evil, ticket.Message(canary), "q"+canary, ticket.Channel(canary)
		d.Fields = ticket.Fields{"f" + canary: canary}
	})
	file, err := b.desk.Attach(t.Context(), agLin, `<script>alert(1)<`+`script>.svg`, `image/svg+xml`, strings.NewReader(`<svg onload="alert(1)"/>`))
	require.NoError(t, err)
	agentOf := ticket.Agent("agent"+canary, 1).Named("Agent " + canary)
	b.do(agentOf, was, ticket.Action{Name: ticket.ActionReply, Message: canary, Note: canary, Attachments: []ticket.Attachment{file}, NoteAttachments: []ticket.Attachment{file}})
	b.do(agentOf, was, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{AddTags: []string{"tag" + canary}, Follow: []ticket.Person{{Phone: "2" + canary, Name: canary}}}})
	b.do(agentOf, was, ticket.Action{Name: ticket.ActionHold, Reason: "reason " + canary, Until: noon.Add(48 * time.Hour)})
	second := b.open("second "+canary, func(d *ticket.Draft) { d.Requester = evil })
	b.do(agLin, was, ticket.Action{Name: ticket.ActionLink, Relation: ticket.RelationRelatedTo, Ticket: second.ID})
	solved := b.do(agentOf, b.open("third "+canary, func(d *ticket.Draft) { d.Message, d.Requester = ticket.Message("words "+canary), evil }), ticket.Action{Name: ticket.ActionResolve, Message: "solution " + canary, Reason: canary})
	b.do(agLin, solved, ticket.Action{Name: ticket.ActionPublish, Known: &ticket.KnownProblem{Title: canary, Text: ticket.Message(canary)}})
	b.page("/tickets/"+string(was.Number), agent("kim"))
	n := string(was.Number)
	addresses := []string{
		"/tickets", "/tickets?view=all&queue=" + url.QueryEscape(canary) + "&tag=" + url.QueryEscape(canary) + "&org=" + url.QueryEscape(canary) + "&assignee=" + url.QueryEscape(canary) + "&status=" + url.QueryEscape(canary),
		"/tickets/" + n, "/tickets/" + n + "?did=" + url.QueryEscape(canary), "/tickets/" + string(solved.Number),
		"/search?q=" + url.QueryEscape("words "+canary), "/search?q=" + url.QueryEscape(canary+"*"), "/merge?from=" + n, "/merge?from=" + n + "&into=" + string(second.Number), "/merge?from=" + n + "&into=" + url.QueryEscape(canary),
	}
	for _, ch := range b.desk.Actions(agLin, b.read(was)) {
		addresses = append(addresses, "/tickets/"+n+"?message="+url.QueryEscape(canary)+"&note="+url.QueryEscape(canary)+"&do="+url.QueryEscape(string(ch.Action)))
	}
	for _, ba := range bulkActions {
		addresses = append(addresses, "/bulk?t="+url.QueryEscape(pinOf(&was))+"&do="+url.QueryEscape(ba.name))
	}
	check := func(at, page string) {
		hasNot(t, page, "<script>alert", at)
		hasNot(t, page, "<img src=x", at)
		bare := inQuotes.ReplaceAllString(page, `""`)
		assert.Empty(t, regexp.MustCompile(`<[a-z]+[^>]* (on[a-z]+|style)=`).FindString(bare), at)
	}
	for _, lang := range []string{"en", "de"} {
		for _, address := range addresses {
			w := get(b, address, header("Accept-Language", lang))
			require.Less(t, w.Code, 500, address)
			check(address, w.Body.String())
		}
	}
	for _, act := range []string{"reply", "note", "hold", "escalate", "edit", "split", "link"} {
		form := url.Values{"action": {act}, "version": {"1"}}
		for _, f := range []string{"message", "note", "reason", "until", "level", "queue", "ticket", "subject", "was:subject", "tags", "new_field", "new_value", "follow", "text", "relation", "field", "field:" + canary, "key"} {
			form.Set(f, "x"+canary)
		}
		w := post(b, "/tickets/"+n, flat, strings.NewReader(form.Encode()))
		require.Less(t, w.Code, 500, act)
		require.NotEqual(t, http.StatusSeeOther, w.Code, act)
		check("POST "+act, w.Body.String())
	}
	w := get(b, "/tickets/"+n+"/files/"+file.SHA256.String()+"?show")
	require.Equal(t, http.StatusOK, w.Code)
	assert.Equal(t, "application/octet-stream", w.Header().Get("Content-Type"))
	assert.True(t, strings.HasPrefix(w.Header().Get("Content-Disposition"), "attachment"))
	has(t, w.Header().Get("Content-Security-Policy"), "sandbox")
}

// Every link and every form of the pages leads to a page that there is.
func TestNoLinkIsDead(t *testing.T) {
	b := newBench(t, nil)
	a, c := b.open("one", func(d *ticket.Draft) { d.Queue = "a/b c" }), b.open("two")
	b.do(agLin, a, ticket.Action{Name: ticket.ActionLink, Relation: ticket.RelationRelatedTo, Ticket: c.ID})
	b.do(agLin, b.do(agLin, c, ticket.Action{Name: ticket.ActionReply, Message: "m"}), ticket.Action{Name: ticket.ActionMerge, Ticket: a.ID})
	seen, todo := map[string]bool{}, []string{"/desk/"}
	h := http.NewServeMux()
	h.Handle("/desk/", b.Console)
	links := regexp.MustCompile(`(?:href|action|data-events)="([^"#]*)`)
	for len(todo) > 0 {
		at := todo[0]
		if todo = todo[1:]; seen[at] || len(seen) > 400 {
			continue
		}
		seen[at] = true
		require.True(t, strings.HasPrefix(at, "/desk/"), at)
		base, err := url.Parse(at)
		require.NoError(t, err)
		if strings.HasSuffix(base.Path, "/events") {
			continue
		}
		w := get(h, at)
		switch {
		case base.Path == "/desk/next":
			require.Equal(t, http.StatusMethodNotAllowed, w.Code)
			continue
		case w.Code == http.StatusSeeOther:
			to, err := base.Parse(w.Header().Get("Location"))
			require.NoError(t, err)
			todo = append(todo, to.String())
			continue
		case base.Path == "/desk/bulk", base.Path == "/desk/merge" && base.RawQuery == "":
			continue // forms without their fields
		}
		require.Equal(t, http.StatusOK, w.Code, at)
		for _, m := range links.FindAllStringSubmatch(w.Body.String(), -1) {
			to, err := base.Parse(strings.ReplaceAll(strings.ReplaceAll(m[1], "&amp;", "&"), "&#43;", "+"))
			require.NoError(t, err)
			to.Fragment = ""
			todo = append(todo, to.String())
		}
	}
	require.Greater(t, len(seen), 50)
}
