package web

import (
	"html/template"
	"net/url"
	"strings"
	"time"

	"github.com/ticketkit/ticket"
)

// A ticketRow is a ticket in a list.
type ticketRow struct {
	Number, Link, Pin   string
	Subject             string
	Grade, GradeName    string
	Queue, Tags         string
	Customer, Org       string
	Status, StatusClass string
	Level               int
	Assignee            string
	Due                 dueItem
	Created, Touched    time.Time
	Snoozed             time.Time
	Snippet             template.HTML // of a search
	InSubject           bool          // the snippet is the subject
	Under               string        // the number of the merged ticket that has the words
}

// row returns the row of a ticket.
func (p *page) row(t *ticket.Ticket) ticketRow {
	return ticketRow{
		Number: string(t.Number), Link: p.ticketLink(string(t.Number)), Pin: pinOf(t), Subject: p.subject(t),
		Grade: t.Priority.String(), GradeName: nameOf(p, "grade.", t.Priority.String()),
		Queue: t.Queue, Tags: strings.Join(t.Tags, ", "), Customer: customerName(p, t.Requester), Org: t.Requester.Organisation,
		Status: nameOf(p, "status.", string(t.Status)), StatusClass: statusClass(t), Level: t.Level,
		Assignee: p.agentName(t.Assignee), Due: p.due(t), Created: t.Created, Touched: t.Touched, Snoozed: t.Snoozed,
	}
}

func (p *page) rows(list []ticket.Ticket) []ticketRow {
	rows := make([]ticketRow, len(list))
	for i := range list {
		rows[i] = p.row(&list[i])
	}
	return rows
}

// subject returns the subject of a ticket, or words for one that was erased.
func (p *page) subject(t *ticket.Ticket) string {
	if t.Subject == "" {
		return p.T0("agent.no_subject")
	}
	return t.Subject
}

// customerName names the requester of a ticket.
func customerName(t teller, p ticket.Person) string {
	if p.IsZero() {
		return say(t, "agent.no_requester")
	}
	return personName(t, p)
}

// statusClass returns the class of the chip that shows a status.
func statusClass(t *ticket.Ticket) string {
	switch t.Phase {
	case ticket.PhaseReceived:
		return ""
	case ticket.PhaseYourTurn:
		return "warn"
	case ticket.PhaseSolved, ticket.PhaseClosed:
		return "ok"
	}
	if t.Status == ticket.StatusOnHold {
		return "warn"
	}
	return "open"
}

// ticketLink returns the relative address of a ticket's page. Numbers of your application's
// own form may have any symbol.
func (p *page) ticketLink(number string) string {
	return p.link("tickets") + "/" + url.PathEscape(number)
}

// toTicket redirects to the page of a ticket.
func (p *page) toTicket(number string, query url.Values) error {
	p.location(303, p.ticketLink(number), query.Encode())
	return nil
}
