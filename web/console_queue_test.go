package web

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
)

var subjectOf = regexp.MustCompile(`class="subject"[^>]*>(?:<i[^>]*></i>)?(?:<span class="hidden">[^<]*</span>)?([^<]*)</a>`)

// subjects lists the subjects of a page, in its order.
func subjects(page string) []string {
	list := []string{}
	for _, m := range subjectOf.FindAllStringSubmatch(page, -1) {
		list = append(list, html.UnescapeString(m[1]))
	}
	return list
}

func TestViewsShowTheirTickets(t *testing.T) {
	b := newBench(t, nil)
	free := b.open("free")
	mine := b.do(agLin, b.open("mine"), ticket.Action{Name: ticket.ActionTake})
	b.do(agLin, b.open("asked"), ticket.Action{Name: ticket.ActionAsk, Message: "?"})
	b.do(agLin, b.open("solved"), ticket.Action{Name: ticket.ActionResolve, Message: "!"})
	b.open("nowhere", func(d *ticket.Draft) { d.Queue = "" })
	b.do(agLin, b.open("high up"), ticket.Action{Name: ticket.ActionEscalate, Note: "n", Level: 3, Queue: "network"})
	b.open("urgent", func(d *ticket.Draft) { d.Priority = ticket.GradeCritical; d.Requester = custGrace })
	for query, want := range map[string][]string{
		"":                                  {"urgent", "free", "mine", "asked", "nowhere", "high up"},
		"view=open&order=oldest":            {"free", "mine", "asked", "nowhere", "high up", "urgent"},
		"view=open&order=newest":            {"urgent", "high up", "nowhere", "asked", "mine", "free"},
		"view=mine":                         {"mine", "asked"},
		"view=unassigned":                   {"urgent", "free", "nowhere"},
		"view=unassigned&level=3":           {"high up"},
		"view=waiting":                      {"asked"},
		"view=done":                         {"solved"},
		"view=overdue":                      {},
		"view=due":                          {},
		"view=all&order=oldest":             {"free", "mine", "asked", "solved", "nowhere", "high up", "urgent"},
		"view=open&queue=network":           {"high up"},
		"view=open&noqueue=1":               {"nowhere"},
		"view=open&queue=network&noqueue=1": {"nowhere", "high up"},
		"view=open&priority=critical":       {"urgent"},
		"view=open&status=waiting":          {"asked"},
		"view=open&assignee=lin":            {"mine", "asked"},
		"view=open&org=Nobody":              {},
		"view=open&of=" + string(free.Number) + "&order=oldest": {"free", "mine", "asked", "nowhere", "high up"},
		"view=open&tag=x": {},
	} {
		page := b.page("/tickets?" + query)
		require.Equal(t, want, subjects(page), query)
		if len(want) == 0 {
			has(t, page, `class="empty"`, query)
		}
	}
	has(t, b.page("/tickets?view=overdue"), "Nothing is overdue.")
	for _, query := range []string{"view=theirs", "order=random", "level=x", "of=7Q4K-92MX-F", "of=nonsense", "n=1"} {
		require.Equal(t, http.StatusNotFound, get(b, "/tickets?"+query).Code, query)
	}
	require.Equal(t, http.StatusUnprocessableEntity, get(b, "/tickets?after=nonsense").Code)
	_ = mine
}

// Pages follow each other by their links, without a gap or a repeat. A page is found again by
// its address.
func TestPagesByCursor(t *testing.T) {
	b := newBench(t, nil)
	for i := range 60 {
		b.open(fmt.Sprintf("ticket %02d", i))
	}
	for _, order := range []string{"oldest", "newest", "urgent", "quiet", "recent"} {
		var all []string
		address := "/tickets?view=open&n=25&order=" + order
		for address != "" {
			page := b.page(address)
			require.Equal(t, subjects(page), subjects(b.page(address)), "%s: the same address shows the same", order)
			all = append(all, subjects(page)...)
			more := regexp.MustCompile(`<a class="btn" rel="next" href="([^"]*)"`).FindStringSubmatch(page)
			if more == nil {
				break
			}
			address = "/" + html.UnescapeString(more[1])
			require.Less(t, len(all), 100)
		}
		seen := map[string]bool{}
		for _, s := range all {
			require.False(t, seen[s], "%s twice", s)
			seen[s] = true
		}
		require.Len(t, all, 60, order)
	}
}

// The numbers of the side bar are counted off the path of the page, and once for many pages.
func TestCountsOfTheSideBar(t *testing.T) {
	b := newBench(t, nil)
	b.open("a")
	b.open("b", func(d *ticket.Draft) { d.Queue = "network" })
	b.do(agLin, b.open("c"), ticket.Action{Name: ticket.ActionAsk, Message: "?"})
	page := b.page("/tickets?view=overdue")
	require.Eventually(t, func() bool {
		page = b.page("/tickets?view=overdue")
		return strings.Contains(page, "All open <span>3</span>")
	}, 5*time.Second, 10*time.Millisecond)
	for _, want := range []string{"Mine <span>1</span>", "Unassigned <span>2</span>", "Overdue <span>0</span>", "Waiting for customer <span>1</span>", "hardware <span>2</span>", "network <span>1</span>"} {
		has(t, page, want)
	}
	b.open("d")
	has(t, b.page("/tickets"), "All open <span>3</span>", "a result is kept for a while")
	hasNot(t, b.page("/tickets", agent("billing")), "network <span>")
}

// N agents who ask at once get N different tickets, and the one after them is told so.
func TestNextTicketsAreDifferent(t *testing.T) {
	b := newBench(t, nil)
	const n = 12
	for i := range n {
		b.open(fmt.Sprint("ticket ", i))
	}
	b.do(agLin, b.open("not for level 1"), ticket.Action{Name: ticket.ActionEscalate, Note: "n"})
	got := make([]string, n)
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() {
			w := post(b, "/next", flat, strings.NewReader("key="+fmt.Sprint(i)), agent(fmt.Sprint("agent-", i)))
			assert.Equal(t, http.StatusSeeOther, w.Code)
			got[i] = w.Header().Get("Location")
		})
	}
	group.Wait()
	seen := map[string]bool{}
	for i, to := range got {
		require.Regexp(t, `^tickets/.+\?did=take$`, to)
		require.False(t, seen[to], "%s was given twice", to)
		seen[to] = true
		u, err := url.Parse("/" + to)
		require.NoError(t, err)
		at, err := b.desk.Lookup(t.Context(), agLin, strings.TrimPrefix(u.Path, "/tickets/"))
		require.NoError(t, err)
		require.Equal(t, fmt.Sprint("agent-", i), at.Assignee)
	}
	w := post(b, "/next", flat, strings.NewReader("key=x"), agent("agent-99"))
	require.Equal(t, "tickets?none=1&view=unassigned", w.Header().Get("Location"))
	has(t, b.page("/"+w.Header().Get("Location"), agent("agent-99")), "There is no ticket to take")

	// The same form sent twice takes one ticket.
	b.open("one")
	b.open("two")
	first := post(b, "/next", flat, strings.NewReader("key=same"), agent("agent-1"))
	has(t, first.Header().Get("Location"), "did=take")
	w = post(b, "/next", flat, strings.NewReader("key=same"), agent("agent-1"))
	require.Equal(t, "tickets?view=mine", w.Header().Get("Location"))
}

// The next ticket is the one that is due first, and then the most urgent.
func TestNextIsTheMostUrgent(t *testing.T) {
	b := newBench(t, nil)
	b.open("calm")
	b.open("critical", func(d *ticket.Draft) { d.Priority = ticket.GradeCritical })
	w := post(b, "/next", flat, strings.NewReader("key=x"))
	has(t, b.page("/"+w.Header().Get("Location")), "<h1>critical</h1>")
}

func TestSearchMarksTheWords(t *testing.T) {
	b := newBench(t, nil)
	was := b.open("Printer prints <b>blank</b> pages", func(d *ticket.Draft) { d.Message = "Every <i>second</i> page of the printer is blank." })
	b.open("Scanner", func(d *ticket.Draft) { d.Message = "The scanner is slow." })
	page := b.page("/search?q=second+printer")
	assert.Equal(t, []string{"Printer prints <b>blank</b> pages"}, subjects(page))
	has(t, page, "<mark>second</mark>")
	has(t, page, "&lt;i&gt;")
	hasNot(t, page, "<i>second")
	has(t, page, `value="second printer"`)
	has(t, b.page("/search?q=nothing+of+this"), "No ticket has all of these words.")
	has(t, b.page("/search"), "What are you looking for?")
	has(t, b.page("/search?q=%2A%2A"), "There is no word to look for.")
	has(t, b.page("/search?q="+strings.Repeat("long+", 400)), "There is no word to look for.")
	w := get(b, "/search?q="+strings.ToLower(strings.ReplaceAll(string(was.Number), "-", "")))
	require.Equal(t, http.StatusSeeOther, w.Code, "a number leads to its ticket")
	assert.Equal(t, "tickets/"+string(was.Number), w.Header().Get("Location"))
	assert.Empty(t, subjects(b.page("/search?q=printer", agent("stranger"))))
}
