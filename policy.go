package ticket

import "errors"

// Policy restricts who may see a ticket and who may act on it, in addition to the
// workflow. It applies within a tenant: the desk keeps tenants apart whatever the
// policy returns. A Policy must be safe for concurrent use, and should embed
// [DefaultPolicy] to keep the defaults that it does not change.
type Policy interface {
	// MaySee reports whether the actor may know of the ticket. If not, every
	// call returns ErrNotFound.
	MaySee(a Actor, t Ticket) bool

	// MayDo returns nil, or the reason why the actor may not do this with a
	// ticket that it may see. For [ActionOpen], t is the new ticket. For
	// [ActionMerge] and [ActionLink] the desk asks about both tickets. Customers may never
	// do [ActionErase] and [ActionArchive], and only customers [ActionRate]. The actor
	// sees the reason, customers included.
	MayDo(a Actor, t Ticket, action ActionName) error
}

// may asks the desk's policy.
func (d *Desk) may(a Actor, t Ticket, action ActionName) error {
	if err := d.cfg.Policy.MayDo(a, t, action); err != nil {
		return &RefusedError{Action: action, State: t.State(), Role: a.RoleOn(t), Why: whyPolicy, Detail: "not allowed by the policy", Err: err}
	}
	return nil
}

// DefaultPolicy is the policy of a zero [Config]. Customers see the tickets they
// requested or follow, and nothing else. Agents see those of the queues they
// serve, at every level, and those assigned to them. Systems see all. Actors who
// see a ticket may do what the workflow allows. Only systems may do [ActionErase] and
// [ActionArchive]. Everyone with an ID, an address or a telephone number may open one.
type DefaultPolicy struct {
	// Organisation reports whether a customer also sees the tickets of its organisation: those
	// whose requester has the same Person.Organisation as the actor, which your application
	// must know and not take from a form. Of a colleague's ticket the customer can read what
	// [Desk.Track] shows, but do nothing, unless it is a follower. [Desk.List], [Desk.Tickets],
	// [Desk.Count] and [Desk.Search] list the tickets with Query.Organisation. The desk does
	// not call Organisation for customers without an organisation, nor for the holder of a
	// status link, who sees one ticket. It must be quick and safe for concurrent use. Nil
	// means that no customer does.
	Organisation func(a Actor) bool
}

// SeesOrganisation reports whether a customer sees the tickets of its organisation. The desk
// asks any [Policy] that has this method, as one that embeds DefaultPolicy does, before a
// customer lists these tickets. It shows only those that MaySee allows.
func (p DefaultPolicy) SeesOrganisation(a Actor) bool {
	return p.Organisation != nil && a.Role == RoleRequester && a.only.IsZero() && a.Person.Organisation != "" && p.Organisation(a)
}

// MaySee implements [Policy].
func (p DefaultPolicy) MaySee(a Actor, t Ticket) bool {
	switch a.Role {
	case RoleSystem:
		return true
	case RoleAgent:
		return a.ServesQueue(t.Queue) || a.Person.ID != "" && a.Person.ID == t.Assignee
	case RoleRequester:
		return a.RoleOn(t) != 0 || t.Requester.Organisation == a.Person.Organisation && p.SeesOrganisation(a)
	default:
		return false
	}
}

// MayDo implements [Policy].
func (DefaultPolicy) MayDo(a Actor, _ Ticket, action ActionName) error {
	if (action == ActionErase || action == ActionArchive) && a.Role != RoleSystem {
		return errors.New("only systems may do this, unless the policy allows it")
	}
	return nil
}
