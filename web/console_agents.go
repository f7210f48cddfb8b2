package web

import (
	"cmp"

	"github.com/ticketkit/ticket"
)

// colleagues returns the agents that the application lists. It asks once for each request.
func (p *page) colleagues() []ticket.Person {
	if p.s.agents == nil || p.example || p.asked {
		return p.agents
	}
	p.asked = true
	var err error
	if p.agents, err = p.s.agents(p.ctx(), p.actor); err != nil {
		p.agents = nil
		p.s.log(p.ctx(), "web: the agents are not known", err)
	}
	return p.agents
}

// agentName returns the name of an agent, or the ID if the application does not tell the name.
func (p *page) agentName(id string) string {
	if id == "" {
		return ""
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
	for _, a := range p.colleagues() {
		list = append(list, option{Value: a.ID, Name: a.Name})
	}
	return list
}
