package main

import (
	"slices"

	"github.com/ticketkit/ticket"
)

// A person is somebody that the visitor can sign in as.
type person struct {
	ticket.Person

	Levels  []int  // of an agent; none for a customer
	Manages bool   // may see everything about the desk
	About   string // for the list
}

// agent reports whether the person works at the desk.
func (p person) agent() bool { return len(p.Levels) > 0 }

// actor is the person for the desk.
func (p person) actor() ticket.Actor {
	if p.agent() {
		a := ticket.Agent(p.ID, p.Levels...).Named(p.Name)
		a.Person.Locale, a.Person.Zone = p.Locale, p.Zone
		return a
	}
	return ticket.Requester(p.Person)
}

// customer and agent make the people of the example.
func customer(id, name, locale, organisation, about string) person {
	host := "example.com"
	if organisation != "" {
		host = organisation + ".example.com"
	}
	return person{Person: ticket.Person{
		ID: id, Name: name, Email: id + "@" + host, Locale: locale, Zone: "Europe/Berlin", Organisation: organisation,
	}, About: about}
}

func agent(id, name, about string, levels ...int) person {
	return person{Person: ticket.Person{ID: id, Name: name, Email: id + "@desk.example.com", Locale: "en", Zone: "Europe/Berlin"}, Levels: levels, About: about}
}

// everybody lists the people whom a visitor can sign in as.
func everybody() []person {
	eva := agent("eva", "Eva", "manages the desk, all levels", 1, 2, 3)
	eva.Manages = true
	return []person{
		customer("ada", "Ada", "en", "mills", "buys for Example Mills"),
		customer("grace", "Grace", "en", "mills", "a colleague of Ada's"),
		customer("mary", "Mary", "en", "", "buys for herself"),
		customer("anneke", "Anneke", "de", "werft", "kauft für die Beispielwerft"),
		customer("jonas", "Jonas", "de", "", "kauft für sich"),
		agent("lin", "Lin", "service desk, level 1", 1),
		agent("sam", "Sam", "service desk, level 1", 1),
		agent("kim", "Kim", "specialist, levels 1 and 2", 1, 2),
		agent("max", "Max", "specialist, level 2", 2),
		agent("noor", "Noor", "developer, levels 2 and 3", 2, 3),
		eva,
	}
}

// others are further customers, who only write. Nobody receives mail at gone.example.com,
// and the server of slow.example.com is down.
func others() []person {
	names := map[string][]string{
		"en": {"Alan", "Barbara", "Claude", "Dorothy", "Edith", "Fred", "Hedy", "Ivan", "Joan", "Katherine", "Lynn", "Maya", "Nora", "Oscar", "Paul", "Rosa", "Sophie", "Tom", "Una", "Walter"},
		"de": {"Birgit", "Carsten", "Dörte", "Emil", "Frieda", "Georg", "Heike", "Ingo", "Käthe", "Lars", "Mia", "Ole"},
	}
	organisations := []string{"", "mills", "", "foundry", "", "werft", "", "bakery"}
	var list []person
	for _, locale := range []string{"en", "de"} {
		for i, name := range names[locale] {
			p := customer("c-"+locale+"-"+string(rune('a'+i)), name, locale, organisations[i%len(organisations)], "")
			switch name {
			case "Oscar":
				p.Email = "oscar@gone.example.com"
			case "Ingo":
				p.Email = "ingo@slow.example.com"
			}
			list = append(list, p)
		}
	}
	return list
}

// find returns a person by ID.
func find(id string) (person, bool) {
	all := everybody()
	if i := slices.IndexFunc(all, func(p person) bool { return p.ID == id }); i >= 0 {
		return all[i], true
	}
	return person{}, false
}
