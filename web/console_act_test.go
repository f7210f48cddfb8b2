package web

import (
	"html"
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

// Every action of the workflow that agents have is done by its form on the ticket's page.
func TestEveryActionHasAForm(t *testing.T) {
	b := newBench(t, nil)
	open := func(b *bench) ticket.Ticket { return b.open("printer") }
	waiting := func(b *bench) ticket.Ticket {
		return b.do(agLin, b.open("printer"), ticket.Action{Name: ticket.ActionHold, Reason: "vendor"})
	}
	solved := func(b *bench) ticket.Ticket {
		return b.do(agLin, b.open("printer"), ticket.Action{Name: ticket.ActionResolve, Message: "done"})
	}
	second := func(b *bench) ticket.Ticket {
		return b.do(agLin, b.open("printer"), ticket.Action{Name: ticket.ActionEscalate, Note: "up"})
	}
	published := func(b *bench) ticket.Ticket {
		return b.do(agLin, solved(b), ticket.Action{Name: ticket.ActionPublish, Known: &ticket.KnownProblem{Title: "t", Text: "x"}})
	}
	other := b.open("the other")
	tested := map[ticket.ActionName]bool{ticket.ActionMerge: true, ticket.ActionConfirm: true, ticket.ActionOpen: true}
	for _, c := range []struct {
		action ticket.ActionName
		from   func(*bench) ticket.Ticket
		form   url.Values
		check  func(now ticket.Ticket, last ticket.Event) bool
	}{
		{ticket.ActionTake, open, nil, func(now ticket.Ticket, _ ticket.Event) bool { return now.Assignee == "lin" }},
		{ticket.ActionAssign, open, url.Values{"assignee": {"kim"}, "note": {"yours"}}, func(now ticket.Ticket, e ticket.Event) bool { return now.Assignee == "kim" && e.Note == "yours" }},
		{ticket.ActionRelease, waiting, nil, func(now ticket.Ticket, _ ticket.Event) bool { return now.Assignee == "" }},
		{ticket.ActionReply, open, url.Values{"message": {"Hello\r\nthere"}}, func(now ticket.Ticket, e ticket.Event) bool {
			return e.Message == "Hello\nthere" && now.Status == ticket.StatusOpen
		}},
		{ticket.ActionAsk, open, url.Values{"message": {"Which?"}}, func(now ticket.Ticket, e ticket.Event) bool {
			return e.Message == "Which?" && now.Status == ticket.StatusWaiting
		}},
		{ticket.ActionHold, open, url.Values{"reason": {"vendor"}, "until": {"2026-01-20T10:00"}}, func(now ticket.Ticket, _ ticket.Event) bool {
			return now.Reason == "vendor" && now.Timer.At.Equal(time.Date(2026, 1, 20, 10, 0, 0, 0, time.UTC))
		}},
		{ticket.ActionResume, waiting, nil, func(now ticket.Ticket, _ ticket.Event) bool { return now.Status == ticket.StatusOpen }},
		{ticket.ActionNote, open, url.Values{"note": {"inside"}}, func(_ ticket.Ticket, e ticket.Event) bool { return e.Note == "inside" && e.Message == "" }},
		{ticket.ActionEscalate, open, url.Values{"note": {"up"}, "level": {"3"}, "queue": {"network"}}, func(now ticket.Ticket, _ ticket.Event) bool {
			return now.Level == 3 && now.Queue == "network"
		}},
		{ticket.ActionHandBack, second, url.Values{"note": {"down"}}, func(now ticket.Ticket, _ ticket.Event) bool { return now.Level == 1 }},
		{ticket.ActionHandOver, open, url.Values{"queue": {"network"}}, func(now ticket.Ticket, _ ticket.Event) bool { return now.Queue == "network" }},
		{ticket.ActionResolve, open, url.Values{"message": {"Fixed."}, "reason": {"first contact"}, "solved_by": {string(other.Number)}}, func(now ticket.Ticket, _ ticket.Event) bool {
			return now.Status == ticket.StatusResolved && now.Resolution == "first contact" && now.SolvedBy == other.ID
		}},
		{ticket.ActionReopen, solved, url.Values{"note": {"again"}}, func(now ticket.Ticket, _ ticket.Event) bool { return now.Status == ticket.StatusQueued }},
		{ticket.ActionClose, solved, nil, func(now ticket.Ticket, _ ticket.Event) bool { return now.Status == ticket.StatusClosed }},
		{ticket.ActionCancel, open, url.Values{"reason": {"spam"}}, func(now ticket.Ticket, _ ticket.Event) bool { return now.Status == ticket.StatusCancelled }},
		{ticket.ActionAmend, solved, url.Values{"note": {"wrong"}, "status": {"cancelled"}}, func(now ticket.Ticket, _ ticket.Event) bool { return now.Status == ticket.StatusCancelled }},
		{ticket.ActionSplit, open, url.Values{"subject": {"A part"}, "from": {"1"}}, func(now ticket.Ticket, _ ticket.Event) bool {
			return len(now.Links) == 1 && now.Links[0].Relation == ticket.RelationParentOf
		}},
		{ticket.ActionLink, open, url.Values{"relation": {"caused by"}, "ticket": {string(other.Number)}}, func(now ticket.Ticket, _ ticket.Event) bool {
			_, ok := now.LinkTo(ticket.RelationCausedBy, other.ID)
			return ok
		}},
		{ticket.ActionUnlink, func(b *bench) ticket.Ticket {
			return b.do(agLin, b.open("linked"), ticket.Action{Name: ticket.ActionLink, Relation: ticket.RelationRelatedTo, Ticket: other.ID})
		}, nil, func(now ticket.Ticket, _ ticket.Event) bool { return len(now.Links) == 0 }},
		{ticket.ActionEdit, open, url.Values{
			"subject": {"Another"}, "priority": {"critical"}, "tags": {"a, b"}, "new_field": {"order"}, "new_value": {"4711"},
			"follow": {"max@mills.example"}, "snooze": {"2026-01-13T09:00"}, "legal_hold": {"1"},
		}, func(now ticket.Ticket, _ ticket.Event) bool {
			return now.Subject == "Another" && now.Priority == ticket.GradeCritical && now.HasTag("a") && now.HasTag("b") && now.Fields["order"] == "4711" &&
				len(now.Followers) == 1 && now.Snoozed.Equal(time.Date(2026, 1, 13, 9, 0, 0, 0, time.UTC)) && now.LegalHold
		}},
		{ticket.ActionPublish, solved, url.Values{"title": {"Known"}, "text": {"Do this."}}, func(now ticket.Ticket, _ ticket.Event) bool { return now.Known.Title == "Known" }},
		{ticket.ActionWithdraw, published, nil, func(now ticket.Ticket, _ ticket.Event) bool { return now.Known.IsZero() }},
		{ticket.ActionUnmerge, func(b *bench) ticket.Ticket {
			return b.do(agLin, b.open("merged"), ticket.Action{Name: ticket.ActionMerge, Ticket: b.open("target").ID})
		}, nil, func(now ticket.Ticket, _ ticket.Event) bool { return now.MergedInto.IsZero() }},
	} {
		tested[c.action] = true
		was := c.from(b)
		w := b.send(was, string(c.action), c.form)
		require.Equal(t, http.StatusSeeOther, w.Code, "%s: %s", c.action, between(w.Body.String(), `id="problems"`, "</div>"))
		now := b.read(was)
		var last ticket.Event
		for e, err := range b.desk.Events(t.Context(), ticket.System("test"), was.ID) {
			require.NoError(t, err)
			last = e
		}
		assert.Equal(t, c.action, last.Action)
		assert.True(t, c.check(now, last), "%s: %+v", c.action, now)
		// The page afterwards says that it was done.
		has(t, b.page(b.follow("/tickets/"+string(was.Number), w)), `role="status"`, c.action)
	}
	for _, tr := range ticket.DefaultWorkflow().Transitions {
		assert.True(t, tested[tr.Action], "the action %q has no test", tr.Action)
	}
}

// A form that was sent twice does its action once.
func TestASecondSendingChangesNothing(t *testing.T) {
	b := newBench(t, nil)
	was := b.open("printer")
	v := b.fields(b.page("/tickets/"+string(was.Number)), "reply")
	v.Set("message", "once")
	for range 3 {
		w := post(b, "/tickets/"+string(was.Number), flat, strings.NewReader(v.Encode()))
		require.Equal(t, http.StatusSeeOther, w.Code)
	}
	require.Equal(t, was.Version+1, b.read(was).Version)

	// After the back button, other words under the same key are not lost, and not sent unseen.
	v.Set("message", "other words")
	w := post(b, "/tickets/"+string(was.Number), flat, strings.NewReader(v.Encode()))
	require.Equal(t, http.StatusConflict, w.Code)
	has(t, w.Body.String(), "other words")
	require.Equal(t, was.Version+1, b.read(was).Version)
	w = post(b, "/tickets/"+string(was.Number), flat, strings.NewReader(b.again(w.Body.String(), "reply", "other words").Encode()))
	require.Equal(t, http.StatusSeeOther, w.Code)
}

// again returns the form of a page that came back, with words.
func (b *bench) again(page, action, message string) url.Values {
	v := b.fields(page, action)
	v.Set("message", message)
	for _, m := range regexp.MustCompile(`name="kept" value="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		v.Add("kept", html.UnescapeString(m[1]))
	}
	return v
}

// A stale form comes back with its words and files, and with what changed since. Sent again,
// it is done.
func TestAStaleFormKeepsWordsAndFiles(t *testing.T) {
	b := newBench(t, nil)
	was := b.open("printer")
	v := b.fields(b.page("/tickets/"+string(was.Number)), "reply")
	v.Set("message", "My long <answer>")
	b.do(agKim, b.do(agLin, was, ticket.Action{Name: ticket.ActionEscalate, Note: "kim knows it"}), ticket.Action{Name: ticket.ActionReply, Message: "I have it already."})
	body, kind := uploadOf(t, v, map[string]string{"manual.txt": "the manual"})
	w := post(b, "/tickets/"+string(was.Number), kind, body)
	page := w.Body.String()
	require.Equal(t, http.StatusConflict, w.Code)
	has(t, page, "The ticket has changed since you began")
	has(t, page, "My long &lt;answer&gt;</textarea>")
	since := between(page, `class="talk since"`, "</form>")
	has(t, since, "I have it already.")
	has(t, since, "kim knows it")
	has(t, page, "manual.txt")
	require.EqualValues(t, 3, b.read(was).Version)

	again := b.again(page, "reply", "My long <answer>")
	require.Equal(t, "3", again.Get("version"))
	body, kind = uploadOf(t, again, nil)
	w = post(b, "/tickets/"+string(was.Number), kind, body)
	require.Equal(t, http.StatusSeeOther, w.Code)
	files := 0
	for e, err := range b.desk.Events(t.Context(), agLin, was.ID) {
		require.NoError(t, err)
		for _, a := range e.Attachments {
			files++
			got := get(b, "/tickets/"+string(was.Number)+"/files/"+a.SHA256.String())
			require.Equal(t, http.StatusOK, got.Code)
			assert.Equal(t, "the manual", got.Body.String())
			has(t, got.Header().Get("Content-Disposition"), "attachment")
		}
	}
	assert.Equal(t, 1, files)
}

// A file that a form brings back is that of its agent, and unchanged.
func TestKeptFilesCannotBeMadeUp(t *testing.T) {
	b := newBench(t, nil)
	was := b.open("printer")
	v := b.fields(b.page("/tickets/"+string(was.Number)+"?do=ask"), "ask")
	body, kind := uploadOf(t, v, map[string]string{"secret.txt": "x"})
	w := post(b, "/tickets/"+string(was.Number), kind, body)
	require.Equal(t, http.StatusUnprocessableEntity, w.Code, "a question without words")
	again := b.again(w.Body.String(), "ask", "now with words")
	require.NotEmpty(t, again.Get("kept"))
	for name, change := range map[string]func(url.Values) []func(*http.Request){
		"another agent": func(url.Values) []func(*http.Request) { return []func(*http.Request){agent("agent-9")} },
		"changed": func(v url.Values) []func(*http.Request) {
			v.Set("kept", "x"+v.Get("kept"))
			return nil
		},
		"made up": func(v url.Values) []func(*http.Request) { v.Set("kept", "e30.e30"); return nil },
	} {
		v := url.Values{}
		for k, list := range again {
			v[k] = append([]string(nil), list...)
		}
		who := change(v)
		w := post(b, "/tickets/"+string(was.Number), flat, strings.NewReader(v.Encode()), who...)
		require.Equal(t, http.StatusUnprocessableEntity, w.Code, name)
		has(t, w.Body.String(), "A file has to be attached again", name)
		has(t, w.Body.String(), "now with words", name)
	}
	require.EqualValues(t, 1, b.read(was).Version)
}

// What is missing is said beside its field, and what was written stays.
func TestProblemsNameTheirFields(t *testing.T) {
	b := newBench(t, nil)
	was := b.open("printer")
	for _, c := range []struct {
		action string
		form   url.Values
		field  string
		keeps  string
	}{
		{"reply", url.Values{"message": {" \n"}}, "message", ""},
		{"ask", url.Values{"note": {"kept note"}}, "message", "kept note"},
		{"hold", url.Values{"until": {"2026-01-20T10:00"}}, "reason", "2026-01-20T10:00"},
		{"hold", url.Values{"reason": {"vendor"}, "until": {"tomorrow"}}, "until", "vendor"},
		{"hold", url.Values{"reason": {"vendor"}, "until": {"2025-01-01T10:00"}}, "until", "vendor"},
		{"escalate", url.Values{"queue": {"network"}}, "note", "network"},
		{"escalate", url.Values{"note": {"kept note"}, "level": {"x"}}, "level", "kept note"},
		{"escalate", url.Values{"note": {"kept note"}, "level": {"1"}}, "level", "kept note"},
		{"assign", url.Values{}, "assignee", ""},
		{"link", url.Values{"relation": {"related to"}, "ticket": {"7Q4K-92MX-G"}}, "ticket", "7Q4K-92MX-G"},
		{"link", url.Values{"relation": {"related to"}}, "ticket", ""},
		{"split", url.Values{"text": {"kept text"}, "from": {""}}, "subject", "kept text"},
		{"edit", url.Values{"subject": {""}, "tags": {"kept tag"}}, "subject", "kept tag"},
		{"edit", url.Values{"priority": {"huge"}}, "priority", ""},
		{"reply", url.Values{"message": {strings.Repeat("x", 300_000)}}, "message", "xxxxx"},
	} {
		w := b.send(was, c.action, c.form)
		page := w.Body.String()
		require.Equal(t, http.StatusUnprocessableEntity, w.Code, "%s %v", c.action, c.field)
		has(t, page, `id="problems"`, c.action)
		has(t, page, `href="#f-`+c.field+`"`, c.action)
		has(t, page, `id="f-`+c.field+`"`, c.action)
		label := between(page, `<label for="f-`+c.field+`">`, "<")
		require.NotEmpty(t, label, c.action)
		has(t, page, `href="#f-`+c.field+`">`+strings.TrimSpace(label)+": ", c.action) // the link says which
		if c.keeps != "" {
			has(t, page, c.keeps, c.action)
		}
	}
	require.EqualValues(t, 1, b.read(was).Version)
}

// An edit sends what the agent changed and no more, so that it never undoes another change.
func TestAnEditChangesOnlyWhatWasChanged(t *testing.T) {
	b := newBench(t, nil)
	was := b.open("printer")
	b.do(agLin, was, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{AddTags: []string{"old"}, Fields: ticket.Fields{"floor": int64(2)}}})
	v := b.fields(b.page("/tickets/"+string(was.Number)+"?do=edit"), "edit")
	b.do(agKim, b.do(agLin, was, ticket.Action{Name: ticket.ActionEscalate, Note: "up"}), ticket.Action{
		Name: ticket.ActionEdit, Edit: &ticket.Edits{AddTags: []string{"kim's"}, Subject: "Kim's subject", Fields: ticket.Fields{"floor": int64(3)}},
	})
	// The browser sends every field with the value that it showed.
	for _, name := range []string{"subject", "priority", "impact", "urgency", "tags", "field:floor", "snooze"} {
		v.Set(name, v.Get("was:"+name))
	}
	v.Set("tags", "new")
	w := post(b, "/tickets/"+string(was.Number), flat, strings.NewReader(v.Encode()))
	require.Equal(t, http.StatusConflict, w.Code)
	page := w.Body.String()
	has(t, page, `value="Kim&#39;s subject"`, "what was left alone is shown as it is now")
	has(t, page, `name="tags" value="new"`)

	v.Del("version")
	v.Set("key", newKey())
	w = post(b, "/tickets/"+string(was.Number), flat, strings.NewReader(v.Encode()))
	require.Equal(t, http.StatusSeeOther, w.Code)
	now := b.read(was)
	assert.Equal(t, "Kim's subject", now.Subject)
	assert.Equal(t, int64(3), now.Fields["floor"])
	assert.Equal(t, []string{"kim's", "new"}, now.Tags)
}
