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
// sites change nothing, and bodies are limited.
func (s *shop) handler() http.Handler {
	mux := http.NewServeMux()
	for _, style := range []string{"look.css", "style.css"} {
		mux.HandleFunc("GET /"+style, func(w http.ResponseWriter, r *http.Request) {
			http.ServeFileFS(w, r, embedded, "pages/"+style)
		})
	}
	mux.Handle("GET /login", s.public(s.loginPage))
	mux.Handle("POST /login", s.public(s.signIn))
	mux.Handle("POST /logout", s.public(s.signOut))

	mux.Handle("GET /{$}", s.signedIn(s.home))
	mux.Handle("GET /orders", s.signedIn(s.ordersPage))
	mux.Handle("GET /orders/{order}/help", s.signedIn(s.helpPage))
	mux.Handle("POST /orders/{order}/help", s.signedIn(s.askForHelp))
	mux.Handle("GET /account", s.signedIn(s.accountPage))
	mux.Handle("GET /account/data", s.signedIn(s.personalData))
	mux.Handle("POST /account/delete", s.signedIn(s.leave))

	if s.outbox != nil {
		mux.Handle("GET /outbox", s.signedIn(s.outboxPage))
		mux.Handle("POST /outbox", s.signedIn(s.answer))
	}

	mux.Handle("/help/", s.customers)
	mux.Handle("/desk/", s.staff(s.console))
	return http.MaxBytesHandler(headers(http.NewCrossOriginProtection().Handler(mux)), maxBody)
}

// headers protects the pages of the shop: they run no scripts, other sites do not learn
// their addresses, and no cache keeps them. The pages of the library replace these headers
// by their own.
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

// public serves a page for everybody.
func (s *shop) public(page func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := page(w, r); err != nil {
			s.fail(w, r, err)
		}
	})
}

// signedIn serves a page for users. Others are led to the page where they sign in.
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

// staff serves the pages of agents. For customers they do not exist.
func (s *shop) staff(pages http.Handler) http.Handler {
	return s.signedIn(func(w http.ResponseWriter, r *http.Request, u user) error {
		if u.Level == 0 {
			return errNoPage
		}
		pages.ServeHTTP(w, r)
		return nil
	})
}

var errNoPage = errors.New("there is no such page")

// fault returns the status and the text for an error.
func fault(err error) (status int, words string) {
	switch tooLarge := (*http.MaxBytesError)(nil); {
	case errors.As(err, &tooLarge):
		return http.StatusRequestEntityTooLarge, fmt.Sprintf("That is too large. A file may have %d MB.", maxFile>>20)
	case errors.Is(err, ticket.ErrNotFound), errors.Is(err, sql.ErrNoRows), errors.Is(err, errNoPage):
		return http.StatusNotFound, "There is nothing here, or nothing for you."
	case errors.Is(err, ticket.ErrInvalid):
		return http.StatusUnprocessableEntity, "Please look at your entry. Something is missing, too long, or not readable."
	case errors.Is(err, ticket.ErrDuplicate):
		return http.StatusConflict, "This form was sent before, with other words. Please load the page again."
	case errors.Is(err, ticket.ErrRefused), errors.Is(err, ticket.ErrConflict):
		return http.StatusConflict, "That is not possible now. Please load the page again."
	default:
		return http.StatusInternalServerError, "Something went wrong on our side. Please try again in a while."
	}
}

func (s *shop) fail(w http.ResponseWriter, r *http.Request, err error) {
	u, _ := s.session(r)
	status, words := fault(err)
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

// Key returns a key for a form.
func (page) Key() string { return newKey() }

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
		to = "/desk/"
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}

func (s *shop) outboxPage(w http.ResponseWriter, _ *http.Request, u user) error {
	return s.show(w, http.StatusOK, u, "outbox", s.outbox.newest())
}
