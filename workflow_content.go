package ticket

import (
	"slices"

	"github.com/ticketkit/ticket/internal/chars"
)

// contentNames has a name for each field of [Inputs], in their order: the field
// of the action, and the alternative to it for the error if it is missing.
var contentNames = [len(inputNames)]struct{ field, or string }{
	{"message", ""}, {"message", ", or an attachment"}, {"note", ""}, {"reason", ""}, {"queue", ""}, {"assignee", ""},
	{"attachments", ""}, {"note", ""}, {"level", ""}, {"status", ""}, {"until", ""}, {"ticket", ""}, {"relation", ""}, {"draft", ""}, {"edit", ""},
	{"known", ""}, {"solved_by", ""},
}

// contentOf returns the name of the first field that n has.
func contentOf(n Inputs) (name struct{ field, or string }) {
	for i, f := range n.fields() {
		if *f {
			return contentNames[i]
		}
	}
	return name
}

// brings returns the fields that the action has set. Text that shows nothing
// counts as empty.
func (a *Action) brings() Inputs {
	message := !chars.Blank(string(a.Message))
	return Inputs{
		Message:         message,
		Words:           message || len(a.Attachments) > 0,
		Note:            !chars.Blank(string(a.Note)),
		Reason:          !chars.Blank(a.Reason),
		Queue:           !chars.Blank(a.Queue),
		Assignee:        !chars.Blank(a.Assignee),
		Attachments:     len(a.Attachments) > 0,
		NoteAttachments: len(a.NoteAttachments) > 0,
		Level:           a.Level != 0,
		Status:          a.Status != "",
		Until:           !a.Until.IsZero(),
		Ticket:          !a.Ticket.IsZero(),
		Relation:        a.Relation != "",
		Draft:           a.Draft != nil,
		Edit:            a.Edit != nil,
		Known:           a.Known != nil,
		SolvedBy:        !a.SolvedBy.IsZero(),
	}
}

// needs returns the fields that the action must set: those that its rule names,
// and those without which the action has no meaning.
func (d *Decision) needs() Inputs {
	n := d.Transition.Needs
	switch d.Action.Name {
	case ActionMerge:
		n.Ticket = true
	case ActionLink, ActionUnlink:
		n.Ticket, n.Relation = true, true
	case ActionSplit:
		n.Draft = true
	case ActionEdit:
		n.Edit = true
	case ActionPublish:
		n.Known = true
	}
	if d.Transition.Chosen && !slices.ContainsFunc(d.candidates(), func(c *Transition) bool { return c.To == "" }) {
		n.Status = true
	}
	return n
}

// candidates are the transitions among which the action chooses.
func (d *Decision) candidates() []*Transition {
	return d.Workflow.edges[edgeKey{d.Action.Name, d.Role, d.Ticket.State()}]
}

// takes returns the fields that the action can use, needed or not. The
// status and the level were checked when the transition was chosen.
func (d *Decision) takes() Inputs {
	tr, agent := &d.Transition, d.Role&RoleCustomer == 0
	n := d.needs()
	n.Message, n.Words, n.Attachments = true, true, true
	n.Note, n.NoteAttachments = agent, agent
	n.Reason = agent && (tr.To != "" || tr.Chosen)
	n.Queue = agent && (n.Queue || tr.Level != "")
	n.Assignee = tr.Assign == "given"
	n.Level = n.Level || tr.Level != ""
	n.Status = n.Status || tr.Chosen
	n.SolvedBy = agent && d.solves()
	n.Until = n.Until || d.Action.Name != ActionAmend && tr.To != "" && d.Workflow.statuses[d.To.Status].Then != ""
	return n
}

// solves reports whether the action solves the ticket, perhaps once more.
func (d *Decision) solves() bool {
	return d.Action.Name != ActionAmend && d.Transition.To != "" && d.Workflow.Phase(d.To.Status) == PhaseSolved
}

// content checks that the action sets the fields that the rule needs, and no field
// that no rule reads.
func (d *Decision) content() error {
	act := &d.Action
	brings := act.brings()
	if missing := d.needs().without(brings); missing != (Inputs{}) {
		name := contentOf(missing)
		return invalid("action."+name.field, "is missing: %q needs one%s", act.Name, name.or)
	}
	// The status and the level were checked when the transition was chosen.
	brings.Status, brings.Level = false, false
	if useless := brings.without(d.takes()); useless != (Inputs{}) {
		return invalid("action."+contentOf(useless).field, "has no use: %q by %s does not take one", act.Name, d.actorRole())
	}
	if act.Suggested && act.SolvedBy.IsZero() {
		return invalid("action.suggested", "has no use without action.solved_by")
	}
	if !act.Until.IsZero() && !act.Until.After(d.Now) {
		return invalid("action.until", "must lie in the future")
	}
	return nil
}
