package main

import (
	"net/http"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/rest"
	"github.com/ticketkit/ticket/web"
)

// mount mounts the handlers.
func (s *server) mount(mux *http.ServeMux) error {
	look := web.Look{Title: "The Example Shop", Zone: berlin, SignIn: "/start"}
	console, err := web.NewConsole(s.desk, web.ConsoleConfig{Look: look, Actor: s.actor})
	if err != nil {
		return err
	}
	mux.Handle("/desk/", console)
	s.shutdowns = append(s.shutdowns, console.Shutdown)
	api, err := rest.New(s.desk, rest.Config{Actor: s.actor})
	if err != nil {
		return err
	}
	mux.Handle("/api/", api)
	s.shutdowns = append(s.shutdowns, api.Shutdown)
	mux.Handle("GET /{$}", http.RedirectHandler("/start", http.StatusSeeOther))
	return nil
}

// actor returns whom the visitor has chosen to be.
func (s *server) actor(r *http.Request) (ticket.Actor, error) {
	p, ok := s.visitor(r)
	if !ok {
		return ticket.Actor{}, nil
	}
	return p.actor(), nil
}
