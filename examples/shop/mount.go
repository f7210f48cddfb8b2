package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"slices"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/sla"
	"github.com/ticketkit/ticket/web"
)

// pages makes the pages of the library: those for customers and the console for agents.
func (s *shop) pages(cfg config, promised *sla.Agreement, formKey []byte) (err error) {
	look, err := s.look(cfg)
	if err != nil {
		return err
	}
	if s.customers, err = web.NewCustomer(s.desk, web.CustomerConfig{
		Look: look, Actor: s.customer, RequireSignIn: true, MaxUpload: maxBody, Key: formKey,
	}); err != nil {
		return err
	}
	office, _ := promised.Calendar("office")
	s.console, err = web.NewConsole(s.desk, web.ConsoleConfig{
		Look: look, Actor: s.actor, Agents: s.agents, MaxUpload: maxBody, Key: formKey,
		Explain: func(ctx context.Context, a ticket.Actor, id ticket.ID, metric string, at time.Time) (fmt.Stringer, error) {
			return promised.ExplainTicket(ctx, s.desk, a, id, sla.Metric(metric), at)
		},
		Policies: promised, Mails: s.mails,
		Reports: web.Reports{Hours: office, May: manages},
	})
	return err
}

// look makes these pages look like those of the shop: with its colours and its header.
func (s *shop) look(cfg config) (web.Look, error) {
	style, err := fs.ReadFile(embedded, "pages/look.css")
	if err != nil {
		return web.Look{}, err
	}
	layout, err := fs.Sub(embedded, "pages/mounted")
	if err != nil {
		return web.Look{}, err
	}
	var words map[string]map[string]string
	if cfg.noReply() { // the built-in text says that a customer can answer by mail
		words = map[string]map[string]string{
			"en": {"ticket.foot": "If you call us, please have the number {number} at hand."},
			"de": {"ticket.foot": "Wenn Sie uns anrufen, halten Sie bitte die Nummer {number} bereit."},
		}
	}
	zone, err := time.LoadLocation("Europe/Berlin")
	return web.Look{
		Title: "The Tea Shop", Home: "/", SignIn: "/login",
		Style: string(style), Templates: layout, Texts: words, Zone: zone, Now: s.now,
	}, err
}

// actor returns the user who makes a request, or nobody.
func (s *shop) actor(r *http.Request) (ticket.Actor, error) {
	u, err := s.session(r)
	if errors.Is(err, errSignIn) {
		return ticket.Actor{}, nil
	}
	if err != nil {
		return ticket.Actor{}, err
	}
	return u.actor(), nil
}

// customer does the same for the pages of customers, where agents see what everybody sees: the
// ticket of a link.
func (s *shop) customer(r *http.Request) (ticket.Actor, error) {
	a, err := s.actor(r)
	if a.Role == ticket.RoleAgent {
		return ticket.Actor{}, err
	}
	return a, err
}

// agents lists the agents to whom a ticket can be assigned.
func (s *shop) agents(ctx context.Context, _ ticket.Actor) (list []ticket.Person, err error) {
	users, err := s.users(ctx)
	for _, u := range users {
		if u.Level > 0 {
			list = append(list, u.person())
		}
	}
	return list, err
}

// manages says who sees the reports: those who serve the highest level.
func manages(a ticket.Actor) bool { return slices.Contains(a.Levels, 3) }
