package main

import (
	"bytes"
	"crypto/rand"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/ticketkit/ticket"
)

// handler serves the whole shop. It protects every page: requests from other
// sites change nothing, bodies are limited, and pages run no scripts.
func (s *shop) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /style.css", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFileFS(w, r, embedded, "pages/style.css")
	})
	mux.Handle("GET /login", s.public(s.loginPage))
	mux.Handle("POST /login", s.public(s.signIn))
	mux.Handle("POST /logout", s.public(s.signOut))

	mux.Handle("GET /{$}", s.signedIn(s.home))
	mux.Handle("GET /orders", s.signedIn(s.ordersPage))
	mux.Handle("GET /orders/{order}/help", s.signedIn(s.helpPage))
	mux.Handle("POST /orders/{order}/help", s.signedIn(s.askForHelp))
	mux.Handle("GET /tickets/{number}", s.signedIn(s.ticketPage))
	mux.Handle("POST /tickets/{number}", s.signedIn(s.customerActs))
	mux.Handle("GET /tickets/{number}/files/{file}", s.signedIn(s.download))
	mux.Handle("GET /account", s.signedIn(s.accountPage))
	mux.Handle("GET /account/data", s.signedIn(s.personalData))
	mux.Handle("POST /account/delete", s.signedIn(s.leave))

	mux.Handle("GET /s/{token}", s.public(s.statusPage))
	mux.Handle("POST /s/{token}", s.public(s.holderActs))
	mux.Handle("GET /s/{token}/files/{file}", s.public(s.holderDownloads))

	mux.Handle("GET /figures", s.staff(s.figuresPage))
	mux.Handle("GET /desk", s.staff(s.queuePage))
	mux.Handle("GET /desk/{number}", s.staff(s.deskPage))
	mux.Handle("POST /desk/{number}", s.staff(s.agentActs))
	mux.Handle("GET /desk/{number}/files/{file}", s.staff(s.download))
	if s.outbox != nil {
		mux.Handle("GET /outbox", s.signedIn(s.outboxPage))
	}
	return http.MaxBytesHandler(headers(http.NewCrossOriginProtection().Handler(mux)), maxBody)
}

// headers protects each page. The address of a page can contain the token of a
// status link, so other sites do not get it, and no cache keeps the page.
func headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// public serves a page for everybody, signedIn one for users, and staff one for
// agents. For others the pages of the desk do not exist.
func (s *shop) public(page func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := page(w, r); err != nil {
			s.fail(w, r, err)
		}
	})
}

func (s *shop) signedIn(page func(http.ResponseWriter, *http.Request, user) error) http.Handler {
	return s.public(func(w http.ResponseWriter, r *http.Request) error {
		u, err := s.session(r)
		if errors.Is(err, errSignIn) {
			http.Redirect(w, r, "/login", http.StatusSeeOther)
			return nil
		}
		if err != nil {
			return err
		}
		return page(w, r, u)
	})
}

func (s *shop) staff(page func(http.ResponseWriter, *http.Request, user) error) http.Handler {
	return s.signedIn(func(w http.ResponseWriter, r *http.Request, u user) error {
		if u.Level == 0 {
			return errNoPage
		}
		return page(w, r, u)
	})
}

var errNoPage = errors.New("there is no such page")

// fault returns the status and the text for an error. Agents read the reason in
// the words of the desk, which name its fields and rules. Customers do not.
func fault(err error, u user) (status int, words string) {
	var refused *ticket.RefusedError
	var invalid *ticket.InvalidError
	switch tooLarge := (*http.MaxBytesError)(nil); {
	case errors.As(err, &tooLarge):
		return http.StatusRequestEntityTooLarge, fmt.Sprintf("That is too large. A file may have %d MB.", maxFile>>20)
	case errors.Is(err, ticket.ErrMistyped):
		return http.StatusNotFound, "That is not a ticket number. Please look whether it was mistyped."
	case errors.Is(err, ticket.ErrNotFound), errors.Is(err, sql.ErrNoRows), errors.Is(err, errNoPage):
		return http.StatusNotFound, "There is nothing here, or nothing for you."
	case errors.Is(err, ticket.ErrStatusLink):
		return http.StatusNotFound, "This link is not good, or not any more. Please take the one in our newest letter, or sign in."
	case errors.Is(err, ticket.ErrStale):
		return http.StatusConflict, "Somebody was quicker. Please look at what is new, and then decide again."
	case errors.As(err, &refused) && u.Level > 0:
		return http.StatusConflict, "That is not possible now: " + refused.Detail + "."
	case errors.Is(err, ticket.ErrRefused):
		return http.StatusConflict, "That is not possible now. Please load the page again."
	case errors.As(err, &invalid) && u.Level > 0:
		return http.StatusUnprocessableEntity, "Please look at your entry: " + invalid.Field + " " + invalid.Reason + "."
	case errors.Is(err, ticket.ErrInvalid):
		return http.StatusUnprocessableEntity, "Please look at your entry. Something is missing, too long, or not readable."
	case errors.Is(err, ticket.ErrDuplicate):
		return http.StatusConflict, "This form was sent before, with other words. Please load the page again."
	case errors.Is(err, ticket.ErrConflict):
		return http.StatusConflict, "Many are at it at once. Please try again."
	default:
		return http.StatusInternalServerError, "Something went wrong on our side. Please try again in a while."
	}
}

func (s *shop) fail(w http.ResponseWriter, r *http.Request, err error) {
	u, _ := s.session(r)
	status, words := fault(err, u)
	if status == http.StatusInternalServerError {
		slog.ErrorContext(r.Context(), "shop: a page failed", "path", r.Pattern, "error", err)
	}
	if err := s.show(w, status, u, "error", words); err != nil {
		http.Error(w, words, status)
	}
}

// page is the data that every template gets.
type page struct {
	User   user
	Outbox bool
	Body   any
}

// When shows a time in the user's time zone.
func (p page) When(t time.Time) string {
	zone, err := time.LoadLocation(p.User.Zone)
	if err != nil {
		zone = time.UTC
	}
	return t.In(zone).Format("2 Jan 2006, 15:04 MST")
}

// show writes a page. If the template fails, it writes nothing.
func (s *shop) show(w http.ResponseWriter, status int, u user, name string, body any) error {
	var b bytes.Buffer
	if err := templates.ExecuteTemplate(&b, name+".html", page{User: u, Outbox: s.outbox != nil, Body: body}); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, err := b.WriteTo(w)
	return err
}

//go:embed pages
var embedded embed.FS

var templates = template.Must(template.ParseFS(embedded, "pages/*.html"))

// readForm reads a form of limited size, with or without a file, into memory.
func readForm(r *http.Request) error {
	if err := r.ParseMultipartForm(maxBody); err != nil && !errors.Is(err, http.ErrNotMultipart) {
		return err
	}
	return nil
}

// text returns the text of a field. Browsers send two characters for the end of
// each line.
func text(r *http.Request, field string) string {
	return strings.TrimSpace(strings.ReplaceAll(r.FormValue(field), "\r\n", "\n"))
}

// newKey returns a key for a form. A form that is sent twice has one effect.
func newKey() string { return rand.Text() }

func (s *shop) loginPage(w http.ResponseWriter, r *http.Request) error {
	list, err := s.users(r.Context())
	if err != nil {
		return err
	}
	return s.show(w, http.StatusOK, user{}, "login", list)
}

func (s *shop) home(w http.ResponseWriter, r *http.Request, u user) error {
	to := "/orders"
	if u.Level > 0 {
		to = "/desk"
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}

func (s *shop) outboxPage(w http.ResponseWriter, _ *http.Request, u user) error {
	return s.show(w, http.StatusOK, u, "outbox", s.outbox.newest())
}
