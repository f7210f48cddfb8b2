package ticket

import (
	"math/bits"
	"slices"
)

// contentNames are the fields of an action by the bits of a [Need], and what else
// would do where one is missing.
var contentNames = [...]struct{ field, or string }{
	{"message", ""}, {"message", ", or an attachment"}, {"note", ""}, {"reason", ""}, {"queue", ""}, {"assignee", ""},
	{"attachments", ""}, {"note", ""}, {"level", ""}, {"status", ""}, {"until", ""}, {"ticket", ""}, {"relation", ""}, {"draft", ""}, {"edit", ""},
}

// add makes a set of what is really so.
func (n *Need) add(more Need, really bool) {
	if really {
		*n |= more
	}
}

// brings is what an action has with it. What shows nothing is not there.
func (a *Action) brings() (n Need) {
	said := !blank(string(a.Message))
	n.add(NeedMessage, said)
	n.add(NeedWords, said || len(a.Attachments) > 0)
	n.add(NeedNote, !blank(string(a.Note)))
	n.add(NeedReason, !blank(a.Reason))
	n.add(NeedQueue, !blank(a.Queue))
	n.add(NeedAssignee, !blank(a.Assignee))
	n.add(NeedAttachments, len(a.Attachments) > 0)
	n.add(NeedNoteAttachments, len(a.NoteAttachments) > 0)
	n.add(NeedLevel, a.Level != 0)
	n.add(NeedStatus, a.Status != "")
	n.add(NeedUntil, !a.Until.IsZero())
	n.add(NeedTicket, !a.Ticket.IsZero())
	n.add(NeedRelation, a.Relation != "")
	n.add(NeedDraft, a.Draft != nil)
	n.add(NeedEdit, a.Edit != nil)
	return n
}

// needs is what the action must bring: what its rule says, and what it could
// mean nothing without.
func (d *Decision) needs() Need {
	n := d.Transition.Needs
	switch d.Action.Name {
	case ActionMerge:
		n |= NeedTicket
	case ActionLink, ActionUnlink:
		n |= NeedTicket | NeedRelation
	case ActionSplit:
		n |= NeedDraft
	case ActionEdit:
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
	if d.Role&RoleCustomer == 0 {
		n |= NeedNote | NeedNoteAttachments
		n.add(NeedReason, tr.To != "" || tr.Chosen)
		n.add(NeedQueue, tr.Level != LevelStay)
	} else {
		n &^= NeedQueue
	}
	n.add(NeedAssignee, tr.Assign == AssignGiven)
	n.add(NeedLevel, tr.Level != LevelStay)
	n.add(NeedStatus, tr.Chosen)
	n.add(NeedUntil, d.Action.Name != ActionAmend && tr.To != "" && d.Workflow.statuses[d.To.Status].Then != "")
	return n
}

// content checks that the action brings what the rule needs, and nothing that
// would be lost because nobody looks at it.
func (d *Decision) content() error {
	act := &d.Action
	brings := act.brings()
	if missing := d.needs() &^ brings; missing != 0 {
		name := contentNames[bits.TrailingZeros16(uint16(missing))]
		return invalid("action."+name.field, "is missing: %q needs one%s", act.Name, name.or)
	}
	// Status and level were looked at when the transition was chosen, or that nothing moves.
	if useless := brings &^ d.takes() &^ (NeedStatus | NeedLevel); useless != 0 {
		name := contentNames[bits.TrailingZeros16(uint16(useless))]
		return invalid("action."+name.field, "has no use: %q by %s does not take one", act.Name, d.who())
	}
	if !act.Until.IsZero() && !act.Until.After(d.Now) {
		return invalid("action.until", "must lie in the future")
	}
	return nil
}
