package web

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/ticketkit/ticket"
)

// findData is the data of customer_find.html.
type findData struct {
	Number string
	Email  string
	Sent   bool // the answer, whether or not there is such a ticket
	Errors []formError
}

// Error returns what is wrong with a field, or nothing.
func (d findData) Error(field string) string { return formData{Errors: d.Errors}.Error(field) }

func (c *Customer) find(p *page) error {
	return p.render(http.StatusOK, "customer_find.html", findData{Number: cut(p.query("number"), 40)})
}

// sendLink sends the status link to the mailbox that the ticket has. The answer and the time it
// takes are the same whether or not the number and the address belong together.
func (c *Customer) sendLink(p *page) error {
	f, err := p.readForm(formOptions{})
	if err != nil {
		return err
	}
	var d findData
	if d.Number, err = f.one("number"); err != nil {
		return err
	}
	if d.Email, err = f.one("email"); err != nil {
		return err
	}
	number, email := strings.TrimSpace(d.Number), strings.TrimSpace(d.Email)
	fail := func(field, key string) { d.Errors = append(d.Errors, formError{field, p.say(key)}) }
	if number == "" {
		fail("number", "find.need_number")
	}
	switch {
	case email == "":
		fail("email", "form.need_email")
	case !strings.Contains(email, "@"):
		fail("email", "form.bad_email")
	}
	if len(d.Errors) > 0 {
		return p.render(http.StatusUnprocessableEntity, "customer_find.html", d)
	}
	if !c.finds.allow(c.cfg.Client(p.r), p.now) {
		return &fault{status: http.StatusTooManyRequests, key: "too_many"}
	}
	began := time.Now() //nolint:forbidigo // how long it takes is measured by the system clock
	err = c.mailLink(p, number, email)
	if errors.Is(err, ticket.ErrMistyped) {
		fail("number", "find.mistyped")
		return p.render(http.StatusUnprocessableEntity, "customer_find.html", d)
	}
	if err != nil {
		return err
	}
	pause(p.ctx(), c.findPause-time.Since(began)) //nolint:forbidigo // as above
	return p.render(http.StatusOK, "customer_find.html", findData{Sent: true})
}

// mailLink sends the link if the number and the address belong together, and otherwise does
// nothing. Only a number that nobody can have is an error.
func (c *Customer) mailLink(p *page, number, email string) error {
	system := c.system(p.actor)
	t, err := c.site.desk.Lookup(p.ctx(), system, number)
	switch {
	case errors.Is(err, ticket.ErrMistyped):
		return err
	case errors.Is(err, ticket.ErrNotFound):
		return nil
	case err != nil:
		return err
	}
	err = c.site.desk.SendStatusLink(p.ctx(), system, t.ID, ticket.Person{Email: email})
	if errors.Is(err, ticket.ErrInvalid) || errors.Is(err, ticket.ErrRefused) || errors.Is(err, ticket.ErrNotFound) {
		return nil // it is another person's, or the policy sends no links of it
	}
	return err
}
