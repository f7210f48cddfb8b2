package web

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"github.com/ticketkit/ticket"
)

// A fault is an error with the page that shows it. The page says nothing of err.
type fault struct {
	status int
	key    string // the texts error.KEY.title and error.KEY.text
	retry  string // a page of the handler that helps; its link is labelled error.KEY.link
	err    error  // the cause, for the log
}

func (f *fault) Error() string {
	if f.err != nil {
		return f.err.Error()
	}
	return "web: " + strconv.Itoa(f.status) + " " + f.key
}

func (f *fault) Unwrap() error { return f.err }

// errorData is the data of error.html.
type errorData struct {
	Status int
	Key    string
	Retry  string // a path below the mount point; empty if there is none
}

// faultOf says which page shows an error.
func faultOf(err error) *fault {
	if f, ok := errors.AsType[*fault](err); ok {
		return f
	}
	link, isLink := errors.AsType[*ticket.StatusLinkError](err)
	_, large := errors.AsType[*http.MaxBytesError](err)
	switch {
	case isLink && !link.Expired.IsZero():
		return &fault{status: http.StatusGone, key: "expired", retry: "find"}
	case isLink, errors.Is(err, ticket.ErrNotFound), errors.Is(err, ticket.ErrMistyped):
		return &fault{status: http.StatusNotFound, key: "not_found"}
	case large:
		return &fault{status: http.StatusRequestEntityTooLarge, key: "too_large"}
	case errors.Is(err, ticket.ErrRefused):
		return &fault{status: http.StatusForbidden, key: "refused"}
	case errors.Is(err, ticket.ErrStale), errors.Is(err, ticket.ErrConflict), errors.Is(err, ticket.ErrDuplicate):
		return &fault{status: http.StatusConflict, key: "conflict"}
	case errors.Is(err, ticket.ErrInvalid):
		return &fault{status: http.StatusUnprocessableEntity, key: "invalid"}
	}
	return &fault{status: http.StatusServiceUnavailable, key: "unavailable", err: err}
}

// fail shows an error. The response has not begun.
func (p *page) fail(err error) {
	if errors.Is(err, context.Canceled) && p.ctx().Err() != nil {
		return // nobody is there to read it
	}
	f := faultOf(err)
	if f.err != nil && f.status >= http.StatusInternalServerError {
		p.s.log(p.ctx(), "web: a page failed", f.err)
	}
	if f.status == http.StatusServiceUnavailable {
		p.w.Header().Set("Retry-After", "30")
	}
	data := errorData{Status: f.status, Key: f.key, Retry: f.retry}
	body, err := p.execute("error.html", data)
	if err != nil {
		p.s.log(p.ctx(), "web: the error page failed", err)
		http.Error(p.w, http.StatusText(f.status), f.status)
		return
	}
	p.send(f.status, body)
}
