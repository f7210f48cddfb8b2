package web

import (
	"html/template"
	"time"
)

// examples adds fixtures for the templates of the console: one that is full and one that is
// empty for each.
func (c *Console) examples() {
	s := c.site
	at := time.Date(2026, 1, 12, 9, 14, 0, 0, time.UTC)
	row := ticketRow{
		Number: "7Q4K-92MX-F", Link: "tickets/7Q4K-92MX-F", Pin: "7Q4K-92MX-F@6", Subject: "Printer prints blank pages", Grade: "high", GradeName: "high",
		Queue: "hardware", Tags: "printer", Customer: "Ada B.", Org: "Example Mills", Status: "open", StatusClass: "open", Level: 2, Assignee: "kim",
		Due: dueItem{Class: "warn", Words: "in 18 min", Metric: "next answer"}, Created: at, Touched: at, Snoozed: at, Snippet: "<mark>blank</mark> pages", Under: "K3VD-7YQ2-M",
	}
	item := historyItem{
		Kind: "customer", Anchor: "e1", Seq: 1, At: at, Who: "Ada B.", Via: "by telephone", Text: "Every second page is blank.", Split: true,
		Files:   []fileItem{{Name: "test-page.pdf", Size: 184_000, Sum: "9f2b41c700", Link: "tickets/7Q4K-92MX-F/files/9f2b41c700"}, {Name: "elsewhere.pdf", Size: 1}},
		Letters: []letterItem{{To: "Ada B.", What: "received", State: "sent", Class: "ok", At: at, Customer: true}, {To: "hardware", What: "queued", State: "failed", Class: "bad", Error: "no such queue"}},
		Sent:    "sent to Ada B.",
	}
	note, event, gone := item, item, item
	note.Kind, note.Anchor, note.Number, note.Automatic = "note", "e2", "K3VD-7YQ2-M", true
	event.Kind, event.Anchor, event.Line, event.Sent, event.Trouble = "event", "e3", "<b>lin</b> took it", "", true
	gone.Anchor, gone.Text, gone.Erased, gone.Files, gone.Letters, gone.Solution, gone.Kind = "e4", "", true, nil, nil, true, "desk"
	items := []historyItem{item, note, event, gone}
	filter := queueFilter{
		Open: true, View: viewOpen, Order: "due", Of: "7Q4K-92MX-F", Org: "Example Mills", Tag: "printer", Assignee: "kim", Clear: "tickets?view=open",
		Queues: []option{{"hardware", "hardware", true}}, Levels: []option{{"1", "1", false}}, Status: []option{{"open", "open", false}}, Priorities: []option{{"high", "high", true}},
	}
	s.fixture("console_queue.html",
		queuePage{
			View: viewOpen, Title: "Open", Total: "1 ticket", Tickets: []ticketRow{row, {Number: "1", Subject: "s"}}, Filter: filter, Older: "tickets?after=x", First: "tickets", None: true,
			Columns: []queueColumn{{Name: "Ticket", Link: "tickets", Sort: "descending"}, {Name: "Level", Class: "lev"}}, Bulk: bulkOptions(s.example("en")),
		},
		queuePage{View: viewMine, Title: "Mine"}, queuePage{View: viewUnassigned, Filter: filter, First: "tickets"})
	s.fixture("console_search.html", searchPage{Words: "blank", Tickets: []ticketRow{row}, Most: 50}, searchPage{Words: "blank", Tickets: []ticketRow{row}, Newest: true},
		searchPage{}, searchPage{Words: "x", Cannot: true}, searchPage{Words: "x", Wrong: true}, searchPage{Words: "x"})

	kinds := []string{"lines", "note", "text", "select", "file", "time", "solved", "split", "people", "check", "pair", "edit_text", "edit_select", "edit_time"}
	form := &composer{
		Action: "reply", Label: "Send", Title: "Reply", Tab: true, Version: 6, Key: "k", Multipart: true, MoreOpen: true, Stale: true, Since: items,
		Kept: []keptItem{{"test-page.pdf", 184_000, "seal"}}, Problems: []problem{{"message", "is missing"}, {"", "no"}},
	}
	for _, kind := range kinds {
		f := inputField{
			Name: "x-" + kind, Kind: kind, Label: "Label", Hint: "Hint", Value: "v", Was: "w", Needed: true, Rows: 3, List: []option{{Value: "a", Name: "A"}},
			Options: []option{{"a", "A", true}}, People: []option{{"a", "A", true}}, Held: true,
		}
		form.Open = append(form.Open, f)
		f.Name, f.Problem, f.Needed = "y-"+kind, "is missing", false
		form.More = append(form.More, f)
	}
	form.Open = append(form.Open, inputField{Name: "field:order", Kind: "edit_field", Label: "order", Value: "4711", Was: "4711"})
	plain, words := *form, *form
	plain.Stale, plain.Tab = false, false
	words.Stale, words.Problems = false, nil
	full := &agentTicket{
		Number: row.Number, Subject: row.Subject, Status: "open", StatusClass: "open", Level: 2, Queue: "hardware", Assignee: "kim", Grade: "high", GradeName: "high", Version: 6,
		Here: row.Link, ID: "01", Did: "Reply", Looking: []string{"max"}, Into: "K3VD-7YQ2-M", IntoLink: "tickets/K3VD-7YQ2-M", Snoozed: at, Hold: true, Erased: at,
		Items: items, Hidden: 3, All: "?all=1", Composer: form, Key: "k",
		Tabs: []button{{Action: "reply", Label: "Reply", Link: "?do=reply", Tab: true, Now: true}}, Buttons: []button{{Action: "take", Label: "Take", Direct: true}, {Action: "hold", Label: "Hold", Link: "?do=hold", Now: true}},
		Refused: 1, Reasons: []fact{{"possible from resolved", "Close"}},
		Policy: "gold", Clocks: []clockItem{{Metric: "next answer", Name: "Next answer", Class: "warn", Words: "in 18 min", Filled: 85, Within: "2 h", Why: "clocks/next%20answer", Earlier: 1}},
		Customer: customerItem{Name: "Ada B.", Email: "ada@mills.example", Phone: "+49 30 1", Org: "Example Mills", Local: "10:44", Followers: []string{"Max", "Kim"}},
		Others:   []ticketRow{row}, More: "tickets?view=all", Similar: []similarItem{{Number: "1", Link: "tickets/1", Subject: "Blank pages", Solution: "Change the fuser.", Shares: "blank, pages", Known: true}},
		Links: []linkedItem{{Relation: "related to", Name: "related to", Number: "K3VD-7YQ2-M", Link: "tickets/1"}}, CanLink: true, Facts: []fact{{"Priority", "high"}, {"Opened", template.HTML("today")}},
	}
	refused, free, closed := *full, *full, agentTicket{Number: "1", Subject: "s", Mine: true, Assignee: "lin", Items: []historyItem{item}}
	refused.Composer, free.Composer, refused.Mine, refused.Grade, free.Assignee = &plain, &words, true, "critical", ""
	s.fixture("console_ticket.html", full, &refused, &free, &closed)
	s.fixture("console_clock.html",
		clockData{
			Number: row.Number, Subject: row.Subject, Link: row.Link, Name: "next answer", Clock: full.Clocks[0], Text: "why",
			Moments: []clockMoment{{At: at, Line: "<b>lin</b> took it", Counted: "1 h", Due: at}, {At: at, Line: "paused", Counted: "1 h"}},
		}, clockData{Clock: clockItem{Metric: "solution"}})
	side := &mergeSide{Row: row, Version: 6, Messages: items, N: 4, Facts: []fact{{"Tags", "printer"}}}
	s.fixture("console_merge.html", &mergeData{From: side, Into: side, Swap: "merge", Back: "tickets", Key: "k", Why: "no", Note: "n", Changed: true},
		&mergeData{From: side, Ask: "x", Others: []ticketRow{row}, Back: "tickets", Key: "k"})
	rows := []bulkRow{{Row: row, Pin: row.Pin}, {Row: row, Pin: row.Pin, Class: "bad", Words: "possible from resolved"}, {Number: "K3VD-7YQ2-M", Class: "bad", Words: "gone"}}
	s.fixture("console_bulk.html", &bulkData{Title: "Close", Action: "close", Rows: rows[:2], Fields: form.Open, Key: "k", Back: "tickets", Possible: 1},
		&bulkData{Title: "Close", Rows: rows, Report: true, Done: 1, Failed: 2, Back: "tickets"}, &bulkData{Title: "Close", None: true, Back: "tickets"})
}
