package ticket

import "slices"

// input is one field of an action, or two that go together: one bit of a [Need].
type input struct {
	need  Need
	field string
	given func(*Action) bool
	or    string // the other way, of a need that has two
}

// inputs are all that an action can bring.
var inputs = [...]input{
	{NeedMessage, "message", func(a *Action) bool { return !blank(string(a.Message)) }, ""},
	{NeedWords, "message", func(a *Action) bool { return len(a.Attachments) > 0 || !blank(string(a.Message)) }, ", or an attachment"},
	{NeedNote, "note", func(a *Action) bool { return !blank(string(a.Note)) }, ""},
	{NeedReason, "reason", func(a *Action) bool { return !blank(a.Reason) }, ""},
	{NeedQueue, "queue", func(a *Action) bool { return !blank(a.Queue) }, ""},
	{NeedAssignee, "assignee", func(a *Action) bool { return !blank(a.Assignee) }, ""},
	{NeedAttachments, "attachments", func(a *Action) bool { return len(a.Attachments) > 0 }, ""},
	{NeedNoteAttachments, "note", func(a *Action) bool { return len(a.NoteAttachments) > 0 }, ""},
	{NeedLevel, "level", func(a *Action) bool { return a.Level != 0 }, ""},
	{NeedStatus, "status", func(a *Action) bool { return a.Status != "" }, ""},
	{NeedUntil, "until", func(a *Action) bool { return !a.Until.IsZero() }, ""},
	{NeedTicket, "ticket", func(a *Action) bool { return !a.Ticket.IsZero() }, ""},
	{NeedRelation, "relation", func(a *Action) bool { return a.Relation != "" }, ""},
	{NeedDraft, "draft", func(a *Action) bool { return a.Draft != nil }, ""},
	{NeedEdit, "edit", func(a *Action) bool { return a.Edit != nil }, ""},
}

// needs is what the action must bring: what its rule says, and what it could
// mean nothing without.
func (d *Decision) needs() Need {
	n := d.Transition.Needs
	switch d.Action.Name {
	case Merge:
		n |= NeedTicket
	case AddLink, Unlink:
		n |= NeedTicket | NeedRelation
	case Split:
		n |= NeedDraft
	case Edit:
		n |= NeedEdit
	}
	if d.Transition.Chosen && !slices.ContainsFunc(d.candidates(), func(c *Transition) bool { return c.To == "" }) {
		n |= NeedStatus
	}
	return n
}

// candidates are the transitions among which the action chooses.
func (d *Decision) candidates() []*Transition {
	return d.Workflow.edges[edgeKey{d.Action.Name, d.Role, d.Ticket.State()}]
}

// takes is what the action has a use for, needed or not. The statuses and levels
// that it may name were looked at when its rule was chosen.
func (d *Decision) takes() Need {
	tr := &d.Transition
	n := d.needs()&^(NeedNote|NeedReason|NeedAssignee) | NeedMessage | NeedWords | NeedAttachments
	add := func(useful bool, more Need) {
		if useful {
			n |= more
		}
	}
	if d.Role&Customers == 0 {
		n |= NeedNote | NeedNoteAttachments
		add(tr.To != "" || tr.Chosen, NeedReason)
		add(tr.Level != Stay, NeedQueue)
	} else {
		n &^= NeedQueue
	}
	add(tr.Assign == ToGiven, NeedAssignee)
	add(tr.Level != Stay, NeedLevel)
	add(tr.Chosen, NeedStatus)
	add(tr.To != "" && d.Workflow.statuses[d.To.Status].Then != "", NeedUntil)
	return n
}

// content checks that the action brings what the rule needs, and nothing that
// would be lost because nobody looks at it.
func (d *Decision) content() error {
	act := &d.Action
	needs, takes := d.needs(), d.takes()
	for i := range inputs {
		in := &inputs[i]
		if needs&in.need != 0 && !in.given(act) {
			return invalid("action."+in.field, "is missing: %q needs one%s", act.Name, in.or)
		}
	}
	for i := range inputs {
		in := &inputs[i]
		if (takes|NeedLevel|NeedStatus)&in.need == 0 && in.given(act) {
			return invalid("action."+in.field, "has no use: %q by %s does not take one", act.Name, d.who())
		}
	}
	if !act.Until.IsZero() && !act.Until.After(d.Now) {
		return invalid("action.until", "must lie in the future")
	}
	return nil
}
