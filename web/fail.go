package web

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

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
	Words  string // what the reader wrote, to be copied; empty if it was no form
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

// wordFields are the fields of forms in which people write, in the order of the pages.
var wordFields = []string{"subject", "title", "message", "text", "note", "reason", "comment"}

// written returns what the form of the request says, so that no error loses it. It reads the form
// if nobody has, and skips files. What another site sent is not shown.
func (p *page) written() string {
	if p.r.Method != http.MethodPost || !p.own {
		return ""
	}
	if p.sent == nil {
		skip := func(_, _, _ string, content io.Reader) error {
			_, err := io.Copy(io.Discard, content)
			return err
		}
		_, _ = p.readForm(formOptions{most: mostWords, file: skip}) // what has arrived is in p.sent
	}
	if p.sent == nil {
		return ""
	}
	var words []string
	for _, name := range wordFields {
		for _, s := range p.sent.all(name) {
			if s = strings.TrimSpace(s); s != "" {
				words = append(words, s)
			}
		}
	}
	return strings.Join(words, "\n\n")
}

// fail shows an error.
func (p *page) fail(err error) {
	f := faultOf(err)
	if f.err != nil && f.status >= http.StatusInternalServerError {
		p.s.log(p.ctx(), "web: a page failed", f.err)
	}
	if p.begun {
		panic(http.ErrAbortHandler) //nolint:forbidigo // breaks the connection, so that nobody takes the answer for a complete one
	}
	if f.status == http.StatusServiceUnavailable {
		p.w.Header().Set("Retry-After", "30")
	}
	if !p.s.routed(f.retry) { // a desk that sends no links has no page to ask for one
		f.retry = ""
	}
	data := errorData{Status: f.status, Key: f.key, Retry: f.retry, Words: p.written()}
	body, err := p.execute("error.html", data)
	if err != nil {
		p.s.log(p.ctx(), "web: the error page failed", err)
		http.Error(p.w, http.StatusText(f.status), f.status)
		return
	}
	p.send(f.status, body)
}
