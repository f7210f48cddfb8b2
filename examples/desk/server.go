package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"html/template"
	"net/http"
	"strings"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/mailbox"
	"github.com/ticketkit/ticket/sla"
)

// server is the server of the example. Everything about tickets is in the handlers that it
// mounts.
type server struct {
	http.Handler

	data      *storage
	desk      *ticket.Desk
	mails     *mailbox.Intake
	base      string
	secret    []byte
	agreement *sla.Agreement
	shutdowns []func(context.Context) error
}

func newServer(data *storage, cfg deskConfig) (*server, error) {
	s := &server{data: data, base: cfg.base, secret: cfg.secret, agreement: cfg.agreement}
	var err error
	if s.desk, err = cfg.desk(data.store, data.store.Files(nil), data.db, time.Now); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /start", s.start)
	mux.HandleFunc("POST /start", s.signIn)
	mux.HandleFunc("GET /letters", s.letters)
	mux.HandleFunc("GET /look.css", static("pages/look.css"))
	mux.HandleFunc("GET /favicon.ico", static("pages/icon.svg"))
	if err := s.mount(mux); err != nil {
		return nil, err
	}
	s.Handler = http.NewCrossOriginProtection().Handler(mux)
	return s, nil
}

func (s *server) shutdown(ctx context.Context) error {
	var errs []error
	for _, end := range s.shutdowns {
		errs = append(errs, end(ctx))
	}
	return errors.Join(errs...)
}

// The cookie says who the visitor wants to be. Your application has its own way to
// sign in, with passwords.
const cookieName = "desk_person"

func (s *server) sign(id string) string {
	h := hmac.New(sha256.New, s.secret)
	h.Write([]byte("cookie " + id))
	return id + "." + hex.EncodeToString(h.Sum(nil)[:16])
}

// visitor returns whom the visitor has chosen to be; false means nobody.
func (s *server) visitor(r *http.Request) (person, bool) {
	c, err := r.Cookie(cookieName)
	if err != nil {
		return person{}, false
	}
	id, _, _ := strings.Cut(c.Value, ".")
	if !hmac.Equal([]byte(c.Value), []byte(s.sign(id))) {
		return person{}, false
	}
	return find(id)
}

// signIn makes the visitor somebody, or nobody.
func (s *server) signIn(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 1<<10)
	who, ok := find(r.PostFormValue("who"))
	cookie := &http.Cookie{Name: cookieName, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode, MaxAge: -1}
	to := "/"
	if ok {
		cookie.Value, cookie.MaxAge = s.sign(who.ID), 30*24*3600
		if who.agent() {
			to = "/desk/"
		}
	}
	http.SetCookie(w, cookie)
	http.Redirect(w, r, to, http.StatusSeeOther)
}

//go:embed pages
var pages embed.FS

var pageTemplates = template.Must(template.ParseFS(pages, "pages/*.html"))

// static serves a file of the example.
func static(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if strings.HasSuffix(name, ".svg") {
			w.Header().Set("Content-Type", "image/svg+xml")
		}
		http.ServeFileFS(w, r, pages, name)
	}
}

func (s *server) start(w http.ResponseWriter, r *http.Request) {
	who, _ := s.visitor(r)
	s.show(w, "start.html", map[string]any{"Title": "Who are you?", "People": everybody(), "Who": who})
}

func (s *server) letters(w http.ResponseWriter, r *http.Request) {
	to := r.FormValue("to")
	list, err := newestLetters(r.Context(), s.data.db, to)
	if err != nil {
		http.Error(w, "The letters cannot be read.", http.StatusInternalServerError)
		return
	}
	who, _ := s.visitor(r)
	s.show(w, "letters.html", map[string]any{"Title": "Letters", "Letters": list, "To": to, "Who": who})
}

func (s *server) show(w http.ResponseWriter, name string, data any) {
	var b bytes.Buffer
	if err := pageTemplates.ExecuteTemplate(&b, name, data); err != nil {
		http.Error(w, "The page cannot be shown.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = b.WriteTo(w)
}
