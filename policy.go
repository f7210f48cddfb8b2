package ticket

// Policy says who may see and do what, on top of the workflow and within a
// tenant: the desk keeps tenants apart by itself, whatever the policy says. It
// must be safe for concurrent use, and should embed [DefaultPolicy] to keep what
// it does not change.
type Policy interface {
	// MaySee reports whether the actor may know of the ticket. What it may not
	// see it cannot find: every call answers ErrNotFound.
	MaySee(a Actor, t Ticket) bool

	// MayDo returns nil, or why the actor may not do this with a ticket that it
	// may see; for [ActionOpen], t is the ticket as it would begin. For [ActionMerge] and
	// [ActionLink] both tickets are asked about. What it returns is shown to the
	// actor, customers included.
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
// serve, at every level, and those assigned to them. Systems see all. Whoever
// sees a ticket may do what the workflow allows; opening one is for everybody
// who can be told apart by an ID, an address or a telephone number.
type DefaultPolicy struct{}

// MaySee implements [Policy].
func (DefaultPolicy) MaySee(a Actor, t Ticket) bool {
	switch a.Role {
	case RoleSystem:
		return true
	case RoleAgent:
		return a.ServesQueue(t.Queue) || a.Person.ID != "" && a.Person.ID == t.Assignee
	case RoleRequester:
		return a.RoleOn(t) != 0
	default:
		return false
	}
}

// MayDo implements [Policy].
func (DefaultPolicy) MayDo(Actor, Ticket, ActionName) error { return nil }
