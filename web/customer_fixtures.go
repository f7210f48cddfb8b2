package web

import (
	"time"

	"github.com/ticketkit/ticket"
)

// fixtures adds examples of what the customers' templates get: one that is full, and one that
// is empty.
func (c *Customer) fixtures() {
	at := c.site.look.Now()
	file := ticket.Attachment{Name: "test page.png", MediaType: "image/png", Size: 184_000, SHA256: ticket.Digest{0x9f, 0x2b}}
	wrong := []formError{{"subject", "Say what it is about."}, {"", "Something else."}}
	known := []ticket.KnownProblem{{Title: "Blank pages", Text: "Hold the button.\n\nThen wait."}}
	upload := uploadData{Files: true, MaxFiles: 3, MaxUpload: 1 << 20, Kept: []keptFile{{file, "seal"}}, Error: "Too large."}

	full := formData{
		Key: "k", Anonymous: true, Name: "Ada Byron", Email: "ada@example.org", Subject: "Printer", Message: "It prints\nblank pages.",
		Upload: upload, Errors: wrong, Suggest: true, Looked: true, Known: known,
	}
	for _, kind := range []string{"text", "lines", "choice", "check", "number", "date"} {
		full.Fields = append(full.Fields, formField{ID: "f-" + kind, Type: kind, Label: "A label", Hint: "A hint", Options: []Option{{"v", "A value"}}, Value: "v", Needed: kind == "text"})
	}
	c.site.fixture("customer_form.html", full, formData{Looked: true})
	c.site.fixture("customer_sent.html",
		sentData{Number: "7Q4K-92MX-F", Subject: "Printer", At: at, Expected: at.Add(time.Hour), Files: []ticket.Attachment{file}, Mailed: true},
		sentData{Number: "7Q4K-92MX-F", At: at, Open: true})
	c.site.fixture("customer_find.html", findData{Number: "1", Email: "a", Errors: wrong}, findData{Sent: true})
	t := ticket.Ticket{Number: "7Q4K-92MX-F", Subject: "Printer", Phase: ticket.PhaseYourTurn, Created: at}
	c.site.fixture("customer_tickets.html", listData{Tickets: []ticket.Ticket{t, {}}, Next: "x", Shared: true, Organisation: true}, listData{First: true})

	view := ticket.View{
		Number: "7Q4K-92MX-F", Subject: "Printer", Phase: ticket.PhaseInProgress, With: "with the specialists", Created: at, Earlier: "x", Score: 4,
		Messages: []ticket.ViewMessage{
			{Seq: 1, At: at, Name: "Ada", Text: "Help.", Attachments: []ticket.Attachment{file, {Name: "kept elsewhere", Ref: "r"}}},
			{Seq: 2, At: at, FromDesk: true, Text: "Which model?", Number: "K3VD-7YQ2-M"}, {Seq: 3, At: at, Erased: true},
		},
	}
	all := replyData{Key: "k", Message: "m", Upload: upload, Errors: wrong, Reply: true, Confirm: true, Reopen: true, Cancel: true, Rate: true, Others: []button{{Action: "approve", Label: "Approve"}}, Score: "4", Comment: "c"}
	for _, key := range []string{"your_turn", "next", "holds", "moved", "late"} {
		c.site.fixture("customer_ticket.html", ticketData{
			View: view, Steps: steps(view.Phase), Promise: promise{Key: key, At: at, First: at}, Path: "t/x", ByLink: true, Older: true, Done: "reply", FollowUp: "K3VD-7YQ2-M", Form: all,
		})
	}
	c.site.fixture("customer_ticket.html", ticketData{View: ticket.View{Phase: ticket.PhaseClosed, Score: 5}, Steps: steps(ticket.PhaseClosed), Path: "tickets/x"})
}
