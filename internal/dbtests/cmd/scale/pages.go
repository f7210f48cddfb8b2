package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/web"
)

// What a page may take in the handler.
const (
	aimQueuePage  = 20 * time.Millisecond
	aimTicketPage = 15 * time.Millisecond
)

// pages returns calls of the pages of an agent and of a customer, from the request to the
// last byte.
func (p *place) pages(lin ticket.Actor) ([]call, error) {
	d := p.made
	console, err := web.NewConsole(p.desk, web.ConsoleConfig{Actor: func(*http.Request) (ticket.Actor, error) { return lin, nil }})
	if err != nil {
		return nil, err
	}
	type key struct{}
	customers, err := web.NewCustomer(p.desk, web.CustomerConfig{Actor: func(r *http.Request) (ticket.Actor, error) {
		who, _ := r.Context().Value(key{}).(ticket.Actor)
		return who, nil
	}})
	if err != nil {
		return nil, err
	}
	page := func(name string, aim time.Duration, h http.Handler, target func(*rand.Rand) (path string, who ticket.Actor)) call {
		return call{"page: " + name, aim, func(ctx context.Context, r *rand.Rand) error {
			path, who := target(r)
			req, err := http.NewRequestWithContext(context.WithValue(ctx, key{}, who), http.MethodGet, path, nil)
			if err != nil {
				return err
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, req)
			if n := w.Body.Len(); w.Code != http.StatusOK || n < 1000 {
				return fmt.Errorf("%s: status %d, %d bytes", path, w.Code, n)
			}
			return nil
		}}
	}
	fixed := func(path string) func(*rand.Rand) (string, ticket.Actor) {
		return func(*rand.Rand) (string, ticket.Actor) { return path, lin }
	}
	some := func(r *rand.Rand) int { return d.archived + r.IntN(d.tickets-d.archived) }
	return []call{
		page("all open tickets, 50 of them", aimQueuePage, console, fixed("/tickets?view=open")),
		page("the open tickets of a queue, 50 of them", aimQueuePage, console, fixed("/tickets?view=open&queue="+url.QueryEscape(bigQueue))),
		page("a ticket, for an agent", aimTicketPage, console, func(r *rand.Rand) (string, ticket.Actor) {
			return "/tickets/" + string(numberOf(some(r))), lin
		}),
		page("a ticket, for its customer", aimTicketPage, customers, func(r *rand.Rand) (string, ticket.Actor) {
			i := some(r)
			return "/tickets/" + string(numberOf(i)), ticket.Requester(person(d.planOf(i).requester))
		}),
		page("the tickets of a customer", aimTicketPage, customers, func(r *rand.Rand) (string, ticket.Actor) {
			return "/tickets", ticket.Requester(person(d.planOf(some(r)).requester))
		}),
	}, nil
}
