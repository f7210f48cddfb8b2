package sqlstore

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
)

// fullDocuments returns JSON with every member that is read by hand: of an event, a recipient, the
// document of a ticket, and its clocks.
func fullDocuments(tb testing.TB) (event, recipient, doc, clocks string) {
	tb.Helper()
	at := time.Date(2026, 3, 2, 9, 30, 0, 123000, time.UTC)
	who := ticket.Person{ID: "c-1", Name: "Ada", Email: "ada@example.org", Phone: "+49 30 1", Locale: "de", Zone: "Europe/Berlin", Organisation: "mill"}
	fields := ticket.Fields{"text": "PR-1", "odd": "ä\"", "whole": int64(12), "yes": true, "no": false}
	tk := twoClocks()
	tk.Clocks[1].Level, tk.Clocks[1].Queue, tk.Clocks[1].Breached, tk.Clocks[1].Missed = 2, "hardware", at, 3
	tk.Promised, tk.Rescheduled = at, at
	tk.Requester, tk.Followers, tk.Subject, tk.Workflow, tk.WorkflowVersion, tk.LinkEpoch = who, []ticket.Person{who, {ID: "c-2"}}, "Blank pages", "default", 1, 2
	tk.PriorityGiven, tk.FeedbackDue, tk.FeedbackAsked, tk.Rated, tk.Score, tk.Tags = true, at, at, at, 4, []string{"printer", "Straße"}
	tk.Impact, tk.Urgency, tk.Mailed, tk.Fields = ticket.GradeHigh, ticket.GradeLow, []int64{1, 3}, fields

	e := openingEvent()
	e.By.ID, e.From, e.Answer, e.Automatic, e.Quiet, e.Note, e.MessageID, e.Fields = "lin", ticket.State{Status: ticket.StatusOpen, Level: 2}, true, true, true, "inside", "<1@example.org>", fields
	e.Actor, e.Requester, e.Author, e.Followed, e.Unfollowed = who, who, who, []ticket.Person{who, {Name: "Lin"}}, []ticket.Person{who}
	seal := ticket.Seal{Sum: ticket.Digest{2}}
	seal.Salt[0] = 1
	e.Seals = ticket.Seals{PublicContent: seal, InternalContent: seal, Identities: seal, Remarks: seal}
	p := &e.Set
	p.Tenant, p.Impact, p.Urgency, p.Assignee, p.Reason, p.Resolution, p.Policy = "mill", ticket.GradeHigh, ticket.GradeLow, new("lin"), new("a reason"), new("done"), new("gold")
	p.Timer, p.RemoveTags, p.PriorityGiven, p.NewCustomer, p.PolicyVersion = &ticket.Timer{At: at, Action: ticket.ActionClose, From: at}, []string{"a"}, new(true), true, new(3)
	p.Clocks, p.Promised, p.Snoozed, p.FeedbackDue, p.FeedbackAsked, p.Score = tk.Clocks, new(at), new(at), new(at), true, 5

	var err error
	event, err = eventJSON(&e)
	require.NoError(tb, err)
	recipient, err = recipientJSON(&ticket.Recipient{Role: ticket.RoleAgent, Person: who, Queue: "hardware", Level: 2})
	require.NoError(tb, err)
	doc, err = docOf(&tk)
	require.NoError(tb, err)
	running, err := clocksJSON(&tk)
	require.NoError(tb, err)
	return event, recipient, doc, running.(string)
}

// Each value of a full document is replaced by odd ones, repeated, and written in other ways, as
// earlier versions or other programs may have done. The result is that of encoding/json.
func TestOddDocuments(t *testing.T) {
	event, recipient, doc, clocks := fullDocuments(t)
	for _, is := range []struct {
		full string
		same func(*testing.T, []byte)
	}{{event, sameEventDecoding}, {recipient, sameEventDecoding}, {doc, sameDecoding}, {clocks, sameClocksDecoding}} {
		is.same(t, []byte(is.full))
		replace := func(at, end int, by string) { is.same(t, []byte(is.full[:at]+by+is.full[end:])) }
		for from := 0; ; {
			i := strings.Index(is.full[from:], `":`)
			if i < 0 {
				break
			}
			from += i + 2
			var value json.RawMessage
			require.NoError(t, json.NewDecoder(strings.NewReader(is.full[from:])).Decode(&value))
			end := from + len(value)
			key := is.full[strings.LastIndexByte(is.full[:from-2], '"'):from]
			for _, odd := range []string{"null", "true", "false", "0", "-1", "7", "1e1", "1.0", "012", "99999999999999999", "123456789012345678", `""`, `"x"`, `"\u0041"`, `"\uD83D\ude00\/"`, `"\ud800"`, "\"\xff\"", "\"\n\"",
				`"2026-03-02T09:30:00+01:00"`, `"1H"`, "[]", "[null]", `["a","b\\"]`, "{}", `{"id":"z"}`, `[{"id":"z"}]`, `{"status":"z"}`, `{"at":"2026-03-02T09:30:00Z"}`, ""} {
				replace(from, end, odd)
				replace(from, end, odd+","+key+string(value))
				replace(from, end, string(value)+","+key+odd)
			}
			replace(from, from, " ")
			replace(end, end, "\n")
			replace(from-2, from-2, "x")
			replace(from-2-1, from-2, strings.ToUpper(is.full[from-3:from-2]))
			replace(from, end, strings.ToUpper(string(value)))
			replace(end, len(is.full), "")
		}
	}
}

// The documents of the test above are read by hand, and every member of them is.
func TestFullDocumentsAreReadByHand(t *testing.T) {
	event, recipient, doc, clocks := fullDocuments(t)
	r := readerOf([]byte(event))
	require.True(t, r.event(&ticket.Event{}), "%s", r.rest)
	for full, limit := range map[string]func([]byte) error{
		recipient: func(b []byte) error { return decodeRecipient(b, &ticket.Recipient{}) },
		doc:       func(b []byte) error { return new(ticketDoc).decode(b) },
		clocks:    func(b []byte) error { return new(clocksDoc).decode(b) },
	} {
		// encoding/json allocates each string.
		by := testing.AllocsPerRun(20, func() { _ = limit([]byte(full)) })
		require.Less(t, by, float64(strings.Count(full, `:"`)), "%s", full)
	}
}
