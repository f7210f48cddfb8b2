package web

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
)

// The line of an event says who did what, and what it changed.
func TestEventLines(t *testing.T) {
	b := newBench(t, nil)
	other := b.open("other")
	for _, c := range []struct {
		act  ticket.Action
		want string
	}{
		{ticket.Action{Name: ticket.ActionTake}, "<b>lin</b> took it"},
		{ticket.Action{Name: ticket.ActionAssign, Assignee: "kim"}, "<b>lin</b> assigned it, assigned to kim"},
		{ticket.Action{Name: ticket.ActionHold, Reason: "a <vendor>"}, "<b>lin</b> put it on hold, reason: a &lt;vendor&gt;"},
		{ticket.Action{Name: ticket.ActionEscalate, Note: "n", Queue: "network"}, "<b>lin</b> escalated it, level 2, to network"},
		{ticket.Action{Name: ticket.ActionLink, Relation: ticket.RelationCausedBy, Ticket: other.ID}, `<b>lin</b> linked it, caused by <a class="number" href="../tickets/` + string(other.Number) + `">`},
		{ticket.Action{Name: ticket.ActionResolve, Message: "m", Reason: "advice"}, "<b>lin</b> resolved it, resolution: advice"},
		{ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{
			Subject: "New", Priority: ticket.GradeHigh, AddTags: []string{"a"}, Fields: ticket.Fields{"x": true, "y": []string{"1", "2"}, "z": 1.5},
			Follow: []ticket.Person{custGrace}, LegalHold: new(true),
		}}, "<b>lin</b> changed it, subject: New, priority high, x: true, y: 1, 2, z: 1.5, Grace H. follows it, tagged a, a legal hold begins"},
		{ticket.Action{Name: ticket.ActionCancel, Reason: "spam"}, "<b>lin</b> cancelled it, reason: spam"},
	} {
		was := b.open("printer")
		b.do(agLin, was, c.act)
		has(t, b.page("/tickets/"+string(was.Number), agent("kim")), "<span>"+c.want, c.act.Name)
	}
	was := b.open("printer")
	_, err := b.desk.Do(t.Context(), ticket.Requester(custAda), was.ID, ticket.Action{Name: ticket.ActionCancel})
	require.NoError(t, err)
	page := b.page("/tickets/"+string(was.Number), header("Accept-Language", "de"))
	has(t, page, "<b>Ada B.</b> hat es storniert")
	hasNot(t, page, "hat es eröffnet", "the card of the opening says it")

	opened, err := b.desk.Open(t.Context(), agLin, ticket.Draft{Requester: custAda, Subject: "by phone", Message: "words", Channel: ticket.ChannelPhone})
	require.NoError(t, err)
	page = b.page("/tickets/" + string(opened.Number))
	has(t, page, "<b>Ada B.</b><span class=\"grow\"></span><span>by telephone", "the words are the customer's")
	has(t, page, "<b>lin</b> opened it")
}

// Words of a merged ticket are shown with its number, and erased ones say so.
func TestWordsOfMergedAndErasedTickets(t *testing.T) {
	b := newBench(t, nil)
	from, into := b.open("from"), b.open("into")
	b.do(agLin, from, ticket.Action{Name: ticket.ActionNote, Note: "a note of the merged one"})
	b.do(agLin, from, ticket.Action{Name: ticket.ActionMerge, Ticket: into.ID})
	page := b.page("/tickets/" + string(into.Number))
	has(t, page, `id="`+string(from.Number)+`-e1"`)
	has(t, page, "a note of the merged one")
	own := b.page("/tickets/" + string(from.Number))
	has(t, own, "Undo the merge")
	hasNot(t, own, "the words of into")

	auto := b.open("auto")
	b.do(ticket.System("monitor"), auto, ticket.Action{Name: ticket.ActionNote, Note: "disk full"})
	has(t, b.page("/tickets/"+string(auto.Number)), "Note by monitor, not for the customer")
	gone := b.open("gone")
	_, err := b.desk.Erase(t.Context(), ticket.System("test"), ticket.Erasure{Ticket: gone.ID, Groups: ticket.Groups{PublicContent: true}, Reason: "asked"})
	require.NoError(t, err)
	page = b.page("/tickets/" + string(gone.Number))
	has(t, page, "The words were erased.")
	hasNot(t, page, "the words of gone")
}

// A long history shows its beginning and its end, and all of it on demand.
func TestALongHistoryIsCut(t *testing.T) {
	b := newBench(t, nil)
	was := b.open("long")
	for i := range 350 {
		b.do(agLin, was, ticket.Action{Name: ticket.ActionNote, Note: ticket.Note(fmt.Sprintf("note number %03d", i))})
	}
	page := b.page("/tickets/" + string(was.Number))
	has(t, page, "the words of long")
	has(t, page, "note number 349")
	hasNot(t, page, "note number 100")
	has(t, page, "earlier entries")
	shown := strings.Count(page, "note number")
	assert.Equal(t, mostItems, shown)
	assert.Contains(t, between(page, `class="event hiddenitems"`, "</li>"), fmt.Sprint(350-shown))
	all := b.page("/tickets/" + string(was.Number) + "?all=1")
	assert.Equal(t, 350, strings.Count(all, "note number"))
}

// A split takes the words of the customer's message that the link names.
func TestSplitTakesAMessage(t *testing.T) {
	b := newBench(t, nil)
	was := b.open("two things")
	page := b.page("/tickets/" + string(was.Number) + "?do=split&from=1")
	has(t, page, `name="from" value="1" checked`)
	w := b.send(was, "split", url.Values{"subject": {"The second thing"}, "from": {"1"}})
	require.Equal(t, http.StatusSeeOther, w.Code)
	page = b.page(b.follow("/tickets/"+string(was.Number), w))
	has(t, page, "<h1>The second thing</h1>")
	has(t, page, "the words of two things")
	has(t, page, "part of")
	w = b.send(was, "split", url.Values{"subject": {"Own words"}, "from": {""}, "text": {"as told on the phone"}})
	require.Equal(t, http.StatusSeeOther, w.Code)
	has(t, b.page(b.follow("/tickets/"+string(was.Number), w)), "as told on the phone")
}
