package web_test

import (
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/memstore"
	"github.com/ticketkit/ticket/web"
)

// The customers' pages are mounted below /help/. Nobody needs an account.
func ExampleNewCustomer() {
	desk, err := ticket.NewDesk(memstore.New(), ticket.Config{})
	if err != nil {
		log.Fatal(err)
	}
	pages, err := web.NewCustomer(desk, web.CustomerConfig{Look: web.Look{Title: "Example Shop Help"}})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/help/", pages)

	form := url.Values{"email": {"ada@example.org"}, "subject": {"Printer"}, "message": {"It prints blank pages."}}
	r := httptest.NewRequest(http.MethodPost, "/help/", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	to, _, _ := strings.Cut(w.Header().Get("Location"), "?")
	fmt.Println(w.Code, to)
	// Output: 303 sent
}

// The console takes the agent from a session of your site; here, from a header.
func ExampleNewConsole() {
	desk, err := ticket.NewDesk(memstore.New(), ticket.Config{})
	if err != nil {
		log.Fatal(err)
	}
	console, err := web.NewConsole(desk, web.ConsoleConfig{
		Actor: func(r *http.Request) (ticket.Actor, error) {
			if user := r.Header.Get("X-User"); user != "" {
				return ticket.Agent(user, 1), nil
			}
			return ticket.Actor{}, nil // nobody is signed in
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	w := httptest.NewRecorder()
	console.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/tickets", http.NoBody))
	fmt.Println(w.Code)
	// Output: 403
}
