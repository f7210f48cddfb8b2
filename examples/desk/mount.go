package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/rest"
	"github.com/ticketkit/ticket/sla"
	"github.com/ticketkit/ticket/web"
)

// mount mounts the pages for customers, the console, and the interface for programs.
func (s *server) mount(mux *http.ServeMux) error {
	look := web.Look{
		Title: "The Example Shop", Home: "/start", SignIn: "/start", Zone: berlin,
		Texts: map[string]map[string]string{"de": {
			"field.order": "Bestellung", "field.order.hint": "Die Nummer auf der Bestätigung, wenn es um eine Bestellung geht.",
		}},
	}
	customers, err := web.NewCustomer(s.desk, web.CustomerConfig{
		Look: look, Actor: s.customer, Organisation: true, Key: s.secret,
		Fields: []web.Field{{Name: "order", Label: "Order", Hint: "The number on your confirmation, if it is about an order."}},
		Complete: func(_ *http.Request, d ticket.Draft) (ticket.Draft, error) {
			d.Queue = "shop"
			return d, nil
		},
	})
	if err != nil {
		return err
	}
	if s.mails, err = s.data.intake(s.desk, time.Now, nil); err != nil {
		return err
	}
	office, _ := s.agreement.Calendar("office")
	console, err := web.NewConsole(s.desk, web.ConsoleConfig{
		Look: look, Actor: s.actor, Key: s.secret,
		Queues: []string{"billing", "parcels", "repairs", "shop"},
		Agents: agents,
		Explain: func(ctx context.Context, a ticket.Actor, id ticket.ID, metric string, at time.Time) (fmt.Stringer, error) {
			return s.agreement.ExplainTicket(ctx, s.desk, a, id, sla.Metric(metric), at)
		},
		Policies: s.agreement,
		Mails:    s.mails,
		Reports:  web.Reports{Hours: office, OnHold: []ticket.Status{ticket.StatusOnHold}},
	})
	if err != nil {
		return err
	}
	api, err := rest.New(s.desk, rest.Config{Actor: s.actor})
	if err != nil {
		return err
	}
	mux.Handle("/", customers)
	mux.Handle("/desk/", console)
	mux.Handle("/api/", api)
	s.shutdowns = append(s.shutdowns, console.Shutdown, api.Shutdown)
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

// customer does the same for the customers' pages, where agents are visitors.
func (s *server) customer(r *http.Request) (ticket.Actor, error) {
	if p, ok := s.visitor(r); ok && !p.agent() {
		return p.actor(), nil
	}
	return ticket.Actor{}, nil
}

// agents lists everybody to whom a ticket can be assigned.
func agents(context.Context, ticket.Actor) (list []ticket.Person, err error) {
	for _, p := range everybody() {
		if p.agent() {
			list = append(list, p.Person)
		}
	}
	return list, nil
}
