package mailbox

import (
	"cmp"
	"context"
	"fmt"
	netmail "net/mail"
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/internal/chars"
)

// sender returns the person that a mail is from: the address in From, or that in Reply-To if
// From is one of the configured forms.
func (in *Intake) sender(b *box, msg *message) (netmail.Address, string, error) {
	from, where := in.author(msg), "From"
	if from.Address == "" {
		return from, where, hold(nil, "has no sender: the field From is missing or has no address")
	}
	if slices.Contains(b.forms, lower(from.Address)) {
		for _, a := range msg.ReplyTo {
			if usable(a.Address, in.cfg.Limits.Desk.Email) {
				return a, "Reply-To of a form", nil
			}
		}
	}
	return from, where, nil
}

// author returns the address in From. If there are several, it is the one in Sender, which says
// who of them sent the mail (RFC 5322, section 3.6.2), or else the first.
func (in *Intake) author(msg *message) (author netmail.Address) {
	for _, a := range msg.From {
		if !usable(a.Address, in.cfg.Limits.Desk.Email) {
			continue
		}
		sends := len(msg.Sender) > 0 && lower(a.Address) == lower(msg.Sender[0].Address)
		if author.Address == "" || sends {
			author = a
		}
		if sends {
			break
		}
	}
	return author
}

// usable reports whether a text can be the address of a customer.
func usable(address string, most int) bool {
	local, domain := split(address)
	return local != "" && domain != "" && len(address) <= most && !strings.ContainsFunc(address, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// ordinary reports whether the desk takes an address as that of a follower: the part before the @
// is without quotes, and without characters that look like others or cannot be seen.
func ordinary(address string) bool {
	local, _ := split(address)
	return norm.NFKC.IsNormalString(local) && !strings.ContainsFunc(local, func(r rune) bool { return r != '.' && !isAtom(r) || chars.Vacant(r) })
}

// personOf returns a person of a header, with a name that the desk takes.
func personOf(a netmail.Address, l ticket.Limits) ticket.Person {
	return ticket.Person{Name: cut(strings.TrimSpace(clean(a.Name)), l.Name), Email: a.Address}
}

// person returns the sender as your application knows it.
func (in *Intake) person(ctx context.Context, b *box, a netmail.Address, language string) (ticket.Person, error) {
	p := personOf(a, in.cfg.Limits.Desk)
	p.Locale = language
	if strings.EqualFold(p.Name, p.Email) {
		p.Name = ""
	}
	if in.cfg.Person == nil {
		return p, nil
	}
	known, err := in.cfg.Person(ctx, b.Tenant, p)
	if err != nil {
		return p, fmt.Errorf("look up the sender: %w", err)
	}
	known.Email, known.Locale = cmp.Or(known.Email, p.Email), cmp.Or(known.Locale, language)
	return known, nil
}

// mostAsked limits how often Config.Person is asked about the people of tickets for one mail.
const mostAsked = 100

// findParts finds out which part the sender has in the tickets that a mail names. A person has a
// part as your application knows them: tickets can have another address of theirs.
func (in *Intake) findParts(ctx context.Context, f *facts) error {
	sent := personOf(f.from, in.cfg.Limits.Desk)
	asked := map[ticket.Person]ticket.Person{}
	for i := range f.evidence {
		e := &f.evidence[i]
		for _, t := range []ticket.Ticket{e.ticket, e.goes} {
			if ticket.Requester(f.person).InTenant(f.box.Tenant).RoleOn(t) != 0 {
				e.part = f.person
				break
			}
		}
		if e.concerned() || in.cfg.Person == nil {
			continue
		}
		people := slices.Concat([]ticket.Person{e.ticket.Requester}, e.ticket.Followers)
		if e.goes.ID != e.ticket.ID {
			people = append(append(people, e.goes.Requester), e.goes.Followers...)
		}
		for _, q := range people {
			if q.ID != "" && f.person.ID != "" || q.Email == "" { // two IDs that differ, or nothing to ask about
				continue
			}
			known, is := asked[q]
			switch {
			case sent.Same(q):
				known = f.person
			case !is && len(asked) >= mostAsked:
				continue
			case !is:
				var err error
				if known, err = in.cfg.Person(ctx, f.box.Tenant, q); err != nil {
					return fmt.Errorf("look up a person of the ticket: %w", err)
				}
				known.Email = cmp.Or(known.Email, q.Email)
				asked[q] = known
			}
			if f.person.Same(known) {
				e.part = q
				break
			}
		}
	}
	return nil
}

// concerned reports whether the sender is the requester or a follower of the ticket, or of the one
// that it was merged into.
func (e evidence) concerned() bool { return !e.part.IsZero() }

// agent returns the agent with an address.
func (in *Intake) agent(ctx context.Context, b *box, address string) (ticket.Actor, bool, error) {
	if in.cfg.Agent == nil {
		return ticket.Actor{}, false, nil
	}
	a, found, err := in.cfg.Agent(ctx, b.Tenant, address)
	if err != nil {
		return a, false, fmt.Errorf("look up an agent: %w", err)
	}
	if found && (a.Role != ticket.RoleAgent || a.Person.ID == "") {
		return a, false, fmt.Errorf("mailbox: Config.Agent must return an agent with an ID")
	}
	return a.InTenant(b.Tenant), found, nil
}

// maxFollowers limits the followers that one mail adds.
const maxFollowers = 20

// others returns the people in Cc, and in To beside the mailbox, who may want to follow the ticket: at
// most 20, and neither the sender nor an address of the desk.
func (in *Intake) others(msg *message, sender string) (list []ticket.Person) {
	for _, a := range slices.Concat(msg.To, msg.Cc) {
		if len(list) == maxFollowers {
			break
		}
		same := func(p ticket.Person) bool { return lower(p.Email) == lower(a.Address) }
		if !usable(a.Address, in.cfg.Limits.Desk.Email) || !ordinary(a.Address) || lower(a.Address) == lower(sender) || in.mailboxOf(a.Address) != nil || slices.ContainsFunc(list, same) {
			continue
		}
		list = append(list, personOf(a, in.cfg.Limits.Desk))
	}
	return list
}
