package web

import (
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
)

// Two tickets stand side by side before they are merged, and both can be opened afterwards.
func TestMerge(t *testing.T) {
	b := newBench(t, nil)
	from, into := b.open("blank pages"), b.open("printer is broken")
	foreign := b.open("another customer's", func(d *ticket.Draft) { d.Requester = ticket.Person{ID: "x", Name: "X"} })
	page := b.page("/merge?from=" + string(from.Number))
	has(t, page, "printer is broken", "the customer's other tickets are offered")
	hasNot(t, page, "another customer&#39;s")
	page = b.page("/merge?from=" + string(from.Number) + "&into=" + string(into.Number))
	for _, want := range []string{"blank pages", "printer is broken", "the words of blank pages", "the words of printer is broken", "merge?from=" + string(into.Number)} {
		has(t, page, want)
	}
	has(t, b.page("/merge?from="+string(from.Number)+"&into=7Q4K-92MX-G"), "There is no such ticket")
	has(t, b.page("/merge?from="+string(from.Number)+"&into="+string(from.Number)), "This is the ticket itself")
	require.Equal(t, http.StatusNotFound, get(b, "/merge?from=nonsense").Code)

	form := func(from, into ticket.Ticket) url.Values {
		return url.Values{"from": {pinOf(&from)}, "into": {pinOf(&into)}, "key": {"k"}, "note": {"the same printer"}}
	}
	send := func(v url.Values) (int, string) {
		w := post(b, "/merge", flat, strings.NewReader(v.Encode()))
		return w.Code, w.Body.String() + w.Header().Get("Location")
	}
	code, page := send(form(from, foreign))
	require.Equal(t, http.StatusConflict, code)
	has(t, page, "different customers")
	has(t, page, "the same printer</textarea>", "the note is kept")

	b.do(agKim, b.do(agLin, into, ticket.Action{Name: ticket.ActionEscalate, Note: "n"}), ticket.Action{Name: ticket.ActionHandBack, Note: "n"})
	code, page = send(form(from, into))
	require.Equal(t, http.StatusConflict, code, "the target has changed")
	has(t, page, "One of the two tickets has changed")
	code, _ = send(url.Values{"from": {"x"}, "into": {pinOf(&into)}})
	require.Equal(t, http.StatusBadRequest, code)

	into = b.read(into)
	code, page = send(form(from, into))
	require.Equal(t, http.StatusSeeOther, code)
	has(t, page, "tickets/"+string(into.Number))
	code, _ = send(form(from, into))
	require.Equal(t, http.StatusSeeOther, code, "sent twice is merged once")
	merged := b.page("/tickets/" + string(from.Number))
	has(t, merged, "It goes on as")
	has(t, merged, string(into.Number))
	target := b.page("/tickets/" + string(into.Number))
	has(t, target, "the words of blank pages", "the messages of the merged ticket stand with it")
	has(t, target, `href="../tickets/`+string(from.Number)+`"`, "the merged one can be opened")
}

// A bulk action is done for each ticket alone, and says for each what became of it.
func TestBulkActionsReportEachTicket(t *testing.T) {
	b := newBench(t, nil)
	one, two, solved, changed := b.open("one"), b.open("two"), b.do(agLin, b.open("solved"), ticket.Action{Name: ticket.ActionResolve, Message: "!"}), b.open("changed")
	high := b.do(agLin, b.open("too high"), ticket.Action{Name: ticket.ActionEscalate, Note: "n", Level: 3})
	pins := []string{pinOf(&one), pinOf(&two), pinOf(&solved), pinOf(&changed), pinOf(&high), "7Q4K-92MX-F@1"}
	page := b.page("/bulk?" + url.Values{"do": {"hand over"}, "t": pins}.Encode())
	for _, want := range []string{"one", "two", "possible from", "level 3", `name="queue"`} {
		has(t, page, want)
	}
	b.do(agLin, changed, ticket.Action{Name: ticket.ActionNote, Note: "n"})
	form := url.Values{"do": {"hand over"}, "t": pins, "key": {"k"}}
	w := post(b, "/bulk", flat, strings.NewReader(form.Encode()))
	require.Equal(t, http.StatusUnprocessableEntity, w.Code, "no queue")
	has(t, w.Body.String(), "This is needed.")
	form.Set("queue", "network")
	w = post(b, "/bulk", flat, strings.NewReader(form.Encode()))
	require.Equal(t, http.StatusSeeOther, w.Code)
	report := b.page("/" + w.Header().Get("Location"))
	has(t, report, "Done for 2 tickets.")
	has(t, report, "Not done for 4 tickets.")
	for _, want := range []string{"not done: it has changed since the list was shown", "not there, or not for you to see", "possible from", "level 3"} {
		has(t, report, want)
	}
	assert.Equal(t, "network", b.read(one).Queue)
	assert.Equal(t, "network", b.read(two).Queue)
	assert.Equal(t, "hardware", b.read(changed).Queue)

	for do, c := range map[string]struct {
		form  url.Values
		check func(ticket.Ticket) bool
	}{
		"take":     {nil, func(x ticket.Ticket) bool { return x.Assignee == "lin" }},
		"assign":   {url.Values{"assignee": {"kim"}}, func(x ticket.Ticket) bool { return x.Assignee == "kim" }},
		"release":  {nil, func(x ticket.Ticket) bool { return x.Status == ticket.StatusQueued }},
		"reply":    {url.Values{"message": {"m"}}, func(x ticket.Ticket) bool { return !x.FirstAnswered.IsZero() }},
		"note":     {url.Values{"note": {"m"}}, func(x ticket.Ticket) bool { return x.Version == 2 }},
		"escalate": {url.Values{"note": {"m"}}, func(x ticket.Ticket) bool { return x.Level == 2 }},
		"tag":      {url.Values{"tags": {"a,b"}}, func(x ticket.Ticket) bool { return x.HasTag("a") && x.HasTag("b") }},
		"priority": {url.Values{"priority": {"high"}}, func(x ticket.Ticket) bool { return x.Priority == ticket.GradeHigh }},
		"cancel":   {url.Values{"reason": {"spam"}}, func(x ticket.Ticket) bool { return x.Status == ticket.StatusCancelled }},
	} {
		x, y := b.open("x"), b.open("y")
		v := url.Values{"do": {do}, "t": {pinOf(&x), pinOf(&y)}, "key": {do}}
		maps.Copy(v, c.form)
		for range 2 { // twice is once
			w := post(b, "/bulk", flat, strings.NewReader(v.Encode()))
			require.Equal(t, http.StatusSeeOther, w.Code, do)
			has(t, b.page("/"+w.Header().Get("Location")), "Done for 2 tickets.", do)
		}
		require.True(t, c.check(b.read(x)) && c.check(b.read(y)), do)
	}
	x := b.do(agLin, b.open("x"), ticket.Action{Name: ticket.ActionResolve, Message: "!"})
	w = post(b, "/bulk", flat, strings.NewReader(url.Values{"do": {"close"}, "t": {pinOf(&x)}}.Encode()))
	require.Equal(t, http.StatusSeeOther, w.Code)
	require.Equal(t, ticket.StatusClosed, b.read(x).Status)

	require.Equal(t, http.StatusNotFound, get(b, "/bulk?do=erase").Code)
	require.Equal(t, http.StatusNotFound, get(b, "/bulk?do=take&t=nonsense").Code)
	require.Equal(t, http.StatusNotFound, get(b, "/bulk?do=take&r=x@forged").Code)
	has(t, b.page("/bulk?do=take"), "No ticket was selected.")
	w = post(b, "/bulk", flat, strings.NewReader("do=erase&t=x@1"))
	require.Equal(t, http.StatusBadRequest, w.Code)
}

// Who else looks at a ticket is shown, to those who may see it, and is forgotten.
func TestPresence(t *testing.T) {
	b := newBench(t, nil)
	was := b.open("printer")
	has(t, b.page("/tickets/"+string(was.Number)), "data-looking></span>")
	has(t, b.page("/tickets/"+string(was.Number), agent("kim")), "lin is looking at this too")
	has(t, b.page("/tickets/"+string(was.Number)), "kim is looking at this too")
	b.mu.Lock()
	b.now = b.now.Add(2 * lookFor)
	b.mu.Unlock()
	has(t, b.page("/tickets/"+string(was.Number)), "data-looking></span>")
	// Who has acted does something else now.
	has(t, b.page("/tickets/"+string(was.Number), agent("kim")), "lin is looking at this too")
	require.Equal(t, http.StatusSeeOther, b.send(was, "note", url.Values{"note": {"n"}}).Code)
	has(t, b.page("/tickets/"+string(was.Number), agent("kim")), "data-looking></span>")
}

func TestPresenceIsBounded(t *testing.T) {
	var e presence
	for i := range mostLooks + 100 {
		e.seen(agLin, ticket.ID{byte(i), byte(i >> 8), byte(i >> 16), 1}, "lin", noon)
	}
	require.LessOrEqual(t, len(e.by), mostLooks)
}

// The page of a ticket has its history, what was sent, its links and how it is filed.
func TestThePageOfATicket(t *testing.T) {
	b := newBench(t, func(cfg *ticket.Config) {
		cfg.Notifiers = map[string]ticket.Notifier{"mail": nil}
	})
	was := b.open("printer", func(d *ticket.Draft) { d.Channel = ticket.ChannelPhone; d.Fields = ticket.Fields{"order": "4711"} })
	other := b.open("scanner")
	b.do(agLin, was, ticket.Action{Name: ticket.ActionLink, Relation: ticket.RelationRelatedTo, Ticket: other.ID})
	b.do(agLin, was, ticket.Action{Name: ticket.ActionReply, Message: "An answer\n\nin two parts.", Note: "and a note"})
	b.do(agLin, was, ticket.Action{Name: ticket.ActionEscalate, Note: "up", Queue: "network"})
	page := b.page("/tickets/"+string(was.Number), agent("kim"))
	for _, want := range []string{
		"by telephone", "the words of printer", "Ada B.", "<p>An answer</p><p>in two parts.</p>", "Note by lin, not for the customer",
		"and a note", "<b>lin</b> escalated it, level 2, to network", "waits to be sent: Ada B.", "4711", "related to", string(other.Number),
		"scanner", "Europe/Berlin",
	} {
		has(t, page, want)
	}
	has(t, page, "<dt>possible from: resolved</dt><dd>Close")
	hasNot(t, page, "Confirm</", "what agents never do is no button")
	b.do(agKim, was, ticket.Action{Name: ticket.ActionEscalate, Note: "up"})
	page = b.page("/tickets/" + string(was.Number))
	has(t, page, "the ticket is at level 3, which you do not serve")
	has(t, page, "There is nothing for you to do here.")
	has(t, page, `<details class="whynot small" open>`, "it says why")
	hasNot(t, page, `<div class="row buttons">`)
	hasNot(t, page, "Make a ticket of this")
}

// Fields of the application have their labels on the page of a ticket and before a merge.
func TestFieldsHaveTheirLabels(t *testing.T) {
	desk := newDesk(t, ticket.Config{})
	c := newConsole(t, desk, func(cfg *ConsoleConfig) {
		cfg.Texts = map[string]map[string]string{"en": {"field.order": "Order number"}}
	})
	tickets := make([]string, 2)
	for i := range tickets {
		tk, err := desk.Open(t.Context(), ticket.Requester(custAda), ticket.Draft{Subject: "tea", Message: "words", Fields: ticket.Fields{"order": "4711", "color": "red"}})
		require.NoError(t, err)
		tickets[i] = string(tk.Number)
	}
	for _, path := range []string{"/tickets/" + tickets[0], "/merge?from=" + tickets[0] + "&into=" + tickets[1]} {
		w := get(c, path)
		require.Equal(t, http.StatusOK, w.Code, path)
		for _, want := range []string{"<dt>Order number</dt>", "<dt>color</dt>"} {
			has(t, w.Body.String(), want)
		}
	}
}

// After the clock was set back, nobody looks at a ticket for ever.
func TestPresenceSurvivesAClockThatIsSetBack(t *testing.T) {
	var e presence
	e.seen(agKim, ticket.ID{1}, "kim", noon.Add(48*time.Hour))
	assert.Empty(t, e.seen(agLin, ticket.ID{1}, "lin", noon))
}
