package web

import (
	"cmp"

	"github.com/ticketkit/ticket"
)

// listAgents asks the application for its agents.
func (p *page) listAgents() []ticket.Person {
	if p.s.agents == nil {
		return nil
	}
	list, err := p.s.agents(p.ctx(), p.actor)
	if err != nil {
		p.s.log(p.ctx(), "web: the agents are not known", err)
		return nil
	}
	return list
}

// agentName returns the name of an agent, or the ID if the application does not tell the name.
func (p *page) agentName(id string) string {
	if id == "" || p.example {
		return id
	}
	for _, a := range p.colleagues() {
		if a.ID == id {
			return cmp.Or(a.Name, id)
		}
	}
	return id
}

// agentOptions lists the agents that a form suggests.
func (p *page) agentOptions() []option {
	var list []option
	if p.example {
		return nil
	}
	for _, a := range p.colleagues() {
		list = append(list, option{Value: a.ID, Name: a.Name})
	}
	return list
}
