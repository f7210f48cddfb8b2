package ticket

import (
	"cmp"
	"context"
	"maps"
	"slices"
)

// PersonalDataOptions are options of [Desk.PersonalData].
type PersonalDataOptions struct {
	Notes bool // with the notes on tickets that the person is the requester of
}

// PersonalData returns everything that the desk has about a customer in the actor's tenant:
// the tickets that name the person, the messages that the person wrote or may read, the
// notifications to the person, and the mails from the person. It is meant for requests under
// articles 15 and 20 of the GDPR. [PersonalData.WriteHTML] makes a page of it.
//
// It does not contain the words of other customers that the person may not read. Texts of
// others on tickets without the person, and the places that [Desk.Erase] cannot reach, are not
// searched.
//
// It is for those who may erase the person; errors are those of [Desk.Erase]. Tickets that the
// actor may not see are left out. Like Erase with a person, it reads the events of the whole
// tenant.
func (d *Desk) PersonalData(ctx context.Context, a Actor, p Person, o PersonalDataOptions) (PersonalData, error) {
	data := PersonalData{At: d.now()}
	if err := d.checkStaff(&a, ActionErase); err != nil {
		return data, err
	}
	c := check{Limits: d.cfg.Limits}
	if data.Person = c.meant("person", p); !data.Person.known() {
		c.fail("person", needsContact)
	}
	if c.err != nil {
		return data, c.err
	}
	s, err := d.eraserStore("search for persons")
	if err != nil {
		return data, err
	}
	var mails []PersonalMail
	for id, err := range d.traces(ctx, s, a.Tenant, data.Person) {
		if err != nil {
			return data, unsupported("search for persons", err)
		}
		t, err := d.load(ctx, a, id)
		if err == nil {
			err = d.may(a, t, ActionErase)
		}
		if isNotFound(err) {
			continue
		}
		if err != nil {
			return data, err
		}
		one, more, err := d.personalTicket(ctx, data.Person, t, o)
		if err != nil {
			return data, err
		}
		if len(one.Roles) > 0 {
			data.Tickets = append(data.Tickets, one)
		}
		mails = append(mails, more...)
	}
	if data.Mails, err = d.personalMails(ctx, a, data.Person, mails); err != nil {
		return data, err
	}
	slices.SortFunc(data.Tickets, func(x, y PersonalTicket) int { return x.Created.Compare(y.Created) })
	return data, nil
}

// personalTicket returns the part of a ticket that is about a person, and the mails that the
// person's messages came in.
func (d *Desk) personalTicket(ctx context.Context, p Person, t Ticket, o PersonalDataOptions) (one PersonalTicket, mails []PersonalMail, err error) {
	one = PersonalTicket{Number: t.Number, Created: t.Created, Phase: t.Phase}
	own := p.Same(t.Requester)
	if own {
		one.Subject, one.Fields = t.Subject, t.Fields.clone()
	}
	role := func(name string, is bool) {
		if is && !slices.Contains(one.Roles, name) {
			one.Roles = append(one.Roles, name)
		}
	}
	// The messages that the person may read as a customer.
	readable := map[int64]bool{}
	s := d.share(Requester(p).InTenant(t.Tenant), t)
	if t.concerns(p) {
		var failed error
		d.read(ctx, d.thread([]*share{s}, false), func(e Event, _ *share, err error) bool {
			failed = err
			readable[e.Seq] = true
			return err == nil
		})
		if failed != nil {
			return one, nil, failed
		}
	}
	foreign := map[string]bool{} // the fields that were last set while the ticket was another customer's
	written := map[int64]bool{}  // the events that the person wrote
	for e, err := range d.events(ctx, t.Tenant, t.ID) {
		if err != nil {
			return one, nil, err
		}
		role("requester", p.Same(e.Requester))
		role("follower", slices.ContainsFunc(e.Followed, p.Same) || slices.ContainsFunc(e.Unfollowed, p.Same))
		role("author", p.Same(e.Author) || e.By.Role&RoleCustomer != 0 && p.Same(e.Actor))
		for _, q := range slices.Concat([]Person{e.Actor, e.Requester, e.Author}, e.Followed, e.Unfollowed) {
			if p.Same(q) && (q != e.Actor || e.By.Role&RoleCustomer != 0) && !slices.Contains(one.Persons, q) {
				one.Persons = append(one.Persons, q)
			}
		}
		wrote := said(&e, p) || own && e.unsigned() && e.Seq >= t.RequesterSince
		role("author", wrote)
		written[e.Seq] = wrote
		if e.words() && (wrote || readable[e.Seq]) {
			one.Messages = append(one.Messages, personalMessage(&e, p, wrote, string(e.Message), e.Attachments))
		}
		if e.Feedback != "" && wrote {
			one.Messages = append(one.Messages, personalMessage(&e, p, wrote, string(e.Feedback), nil))
		}
		// What is from the time when the ticket was another customer's is not about the person.
		theirs := own
		if own && (len(e.Fields) > 0 || o.Notes) {
			if theirs, err = s.reads(ctx, e.Seq); err != nil {
				return one, nil, err
			}
		}
		for k := range e.Fields {
			foreign[k] = !theirs && !wrote
		}
		if theirs && o.Notes && (e.Note != "" || len(e.NoteAttachments) > 0) {
			one.Notes = append(one.Notes, personalMessage(&e, p, wrote, string(e.Note), e.NoteAttachments))
		}
	}
	maps.DeleteFunc(one.Fields, func(k string, _ any) bool { return foreign[k] })
	for r, err := range d.storedDeliveries(ctx, DeliveryQuery{Tenant: t.Tenant, Ticket: t.ID}) {
		if err != nil {
			return one, nil, err
		}
		if r.addressed(p) {
			role("recipient", true)
			one.Deliveries = append(one.Deliveries, PersonalDelivery{
				Kind: r.Kind, Via: r.Notifier, To: cmp.Or(r.Address, r.To.Person.Email, r.To.Person.ID, r.To.Person.Phone),
				Created: r.Created, State: r.State, Settled: r.Settled,
			})
		}
	}
	slices.Reverse(one.Deliveries)
	for m, err := range d.storedMails(ctx, MailQuery{Tenant: t.Tenant, Ticket: t.ID}) {
		if err != nil {
			return one, nil, err
		}
		if written[m.Seq] {
			mails = append(mails, personalMail(m))
		}
	}
	return one, mails, nil
}

func personalMessage(e *Event, p Person, wrote bool, text string, files []Attachment) PersonalMessage {
	m := PersonalMessage{At: e.At, By: "desk", Text: text}
	switch {
	case wrote || e.Seq == 1 && e.By.Role&RoleCustomer == 0 && p.Same(e.Requester):
		m.By = "you"
	case e.By.Role&RoleCustomer != 0 || !e.Author.IsZero():
		m.By = "another customer"
	}
	if wrote {
		m.MessageID = e.MessageID
	}
	for _, f := range files {
		m.Files = append(m.Files, f.Name)
	}
	return m
}

// addressed reports whether a delivery went to a person as a customer, or to the person's
// address.
func (r *Delivery) addressed(p Person) bool {
	return r.To.Role != RoleAgent && p.Same(r.To.Person) ||
		p.Email != "" && (r.To.Key() == mailTo(p.Email).Key() || r.Address != "" && mailTo(r.Address).Key() == mailTo(p.Email).Key())
}
