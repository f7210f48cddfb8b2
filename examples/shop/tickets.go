package main

import (
	"errors"
	"net/http"
	"slices"
	"strconv"

	"github.com/ticketkit/ticket"
)

// conversation is a ticket as its customer sees it, signed in or by a link.
type conversation struct {
	ticket.View

	Path   string // of the page; forms and files are below it
	Key    string
	Text   string // the text of a refused form
	Notice string // why it was not taken
}

// May reports whether the customer may do this now.
func (c conversation) May(name ticket.ActionName) bool {
	return slices.Contains(c.Actions, name)
}

// simple is a form of one button.
type simple struct {
	conversation

	Action ticket.ActionName
	Label  string
}

// Simple makes such a form.
func (c conversation) Simple(name ticket.ActionName, label string) simple {
	return simple{c, name, label}
}

// statusPage shows a ticket to anyone who has its link. There is no session:
// the link says which actions it allows, and for which person.
func (s *shop) statusPage(w http.ResponseWriter, r *http.Request) error {
	return s.showConversation(w, r, user{}, conversation{})
}

func (s *shop) holderActs(w http.ResponseWriter, r *http.Request) error {
	return s.customerActs(w, r, user{})
}

func (s *shop) ticketPage(w http.ResponseWriter, r *http.Request, u user) error {
	return s.showConversation(w, r, u, conversation{})
}

// customer returns the actor for a page about one ticket: the holder of the
// link in the address, or the user. A link needs no number, so ref is empty
// then.
func customer(r *http.Request, u user) (a ticket.Actor, ref string) {
	if token := r.PathValue("token"); token != "" {
		return ticket.StatusLinkHolder(token), ""
	}
	return u.actor(), r.PathValue("number")
}

// showConversation shows the ticket, and the form with the given input.
func (s *shop) showConversation(w http.ResponseWriter, r *http.Request, u user, c conversation) error {
	a, ref := customer(r, u)
	var err error
	if c.View, err = s.desk.Track(r.Context(), a, ref); err != nil {
		return err
	}
	if before := r.URL.Query().Get("before"); before != "" { // older messages
		if c.Messages, c.Earlier, err = s.desk.Messages(r.Context(), a, ref, ticket.Cursor(before)); err != nil {
			return err
		}
	}
	c.Path, c.Key = r.URL.EscapedPath(), newKey()
	status := http.StatusOK
	if c.Notice != "" {
		status = http.StatusConflict
	}
	return s.show(w, status, u, "ticket", c)
}

// customerActs performs a customer's action: reply, confirm, reopen or cancel.
// All except a reply are pinned to the version that the customer saw, so that
// nobody agrees to a solution that has changed since.
func (s *shop) customerActs(w http.ResponseWriter, r *http.Request, u user) error {
	if err := readForm(r); err != nil {
		return err
	}
	a, ref := customer(r, u)
	seen, err := s.desk.Track(r.Context(), a, ref)
	if err != nil {
		return err
	}
	files, err := s.uploaded(r, a)
	if err != nil {
		return err
	}
	act := ticket.Action{
		Name: ticket.ActionName(r.PostFormValue("action")), Message: ticket.Message(text(r, "message")),
		Attachments: files, Channel: ticket.ChannelWeb, Key: r.PostFormValue("key"),
	}
	if act.Name == ticket.ActionRate {
		return s.rate(w, r, u, a, seen.ID)
	}
	if act.Name != ticket.ActionReply {
		if act.Version, err = version(r); err != nil {
			return err
		}
	}
	t, err := s.desk.Do(r.Context(), a, seen.ID, act)
	if err != nil {
		if status, words := fault(err, u); status == http.StatusConflict || errors.Is(err, ticket.ErrInvalid) {
			return s.showConversation(w, r, u, conversation{Text: text(r, "message"), Notice: words})
		}
		return err
	}
	to := r.URL.EscapedPath()
	if u.ID != "" {
		to = "/tickets/" + string(t.Number) // after a while a reply opens a ticket that follows this one
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}

// rate records how satisfied a customer is. Only this form does it: the page of the link
// in the letter rates nothing, because mail programs open such pages by themselves.
func (s *shop) rate(w http.ResponseWriter, r *http.Request, u user, a ticket.Actor, id ticket.ID) error {
	rating := ticket.Rating{Message: ticket.Message(text(r, "message")), Channel: ticket.ChannelWeb, Key: r.PostFormValue("key")}
	rating.Score, _ = strconv.Atoi(r.PostFormValue("score")) // the desk refuses 0
	if _, err := s.desk.Rate(r.Context(), a, id, rating); err != nil {
		if status, words := fault(err, u); status == http.StatusConflict || errors.Is(err, ticket.ErrInvalid) {
			return s.showConversation(w, r, u, conversation{Text: text(r, "message"), Notice: words})
		}
		return err
	}
	http.Redirect(w, r, r.URL.EscapedPath(), http.StatusSeeOther)
	return nil
}
