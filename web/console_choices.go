package web

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ticketkit/ticket"
)

// A button is an action that the page of a ticket offers.
type button struct {
	Action string
	Label  string
	Link   string // the page with the form; empty if Direct
	Direct bool   // one click does it: the action needs no input
	Tab    bool   // it is one of the tabs of the composer
	Now    bool   // its form is on the page
	Why    string // why it is refused; empty if it is allowed
}

// tabs are the actions at the top of the composer, in this order.
var tabs = []ticket.ActionName{ticket.ActionReply, ticket.ActionNote, ticket.ActionAsk, ticket.ActionResolve}

// buttonOrder is the order of the buttons. Actions that only your workflow has follow.
var buttonOrder = []ticket.ActionName{
	ticket.ActionTake, ticket.ActionAssign, ticket.ActionEscalate, ticket.ActionHandBack, ticket.ActionHandOver,
	ticket.ActionHold, ticket.ActionResume, ticket.ActionRelease, ticket.ActionReopen, ticket.ActionClose,
	ticket.ActionEdit, ticket.ActionMerge, ticket.ActionUnmerge, ticket.ActionSplit, ticket.ActionLink,
	ticket.ActionPublish, ticket.ActionWithdraw, ticket.ActionAmend, ticket.ActionCancel,
}

// direct are the actions that one click does. Others have a form, even if they need nothing.
var direct = []ticket.ActionName{ticket.ActionTake, ticket.ActionRelease, ticket.ActionResume, ticket.ActionWithdraw}

// elsewhere are the actions whose buttons are beside what they concern.
var elsewhere = []ticket.ActionName{ticket.ActionUnlink}

// buttons sorts a ticket's actions into tabs, buttons and those that are refused. Actions
// that agents can never do are left out.
func buttons(t teller, about *ticket.Ticket, mine bool, choices []ticket.Choice, link func(action string) string) (top, row, refused []button) {
	choices = slices.Clone(choices)
	slices.SortStableFunc(choices, func(a, b ticket.Choice) int { return cmp.Compare(buttonPlace(a.Action), buttonPlace(b.Action)) })
	for _, c := range choices {
		switch {
		case slices.Contains(elsewhere, c.Action), c.Action == ticket.ActionOpen,
			c.Action == ticket.ActionTake && mine && about.Status == ticket.StatusOpen,
			c.Action == ticket.ActionUnmerge && about.MergedInto.IsZero(),
			c.Action == ticket.ActionWithdraw && about.Known.IsZero():
			continue // it would do nothing
		}
		b := button{Action: string(c.Action), Label: actionName(t, c.Action), Tab: slices.Contains(tabs, c.Action)}
		if !c.Allowed {
			why, forAgents := refusal(t, c)
			if b.Why = why; forAgents {
				refused = append(refused, b)
			}
			continue
		}
		b.Direct = slices.Contains(direct, c.Action) && c.Needs == (ticket.Inputs{})
		if !b.Direct {
			b.Link = link(b.Action)
		}
		if b.Tab {
			top = append(top, b)
		} else {
			row = append(row, b)
		}
	}
	return top, row, refused
}

// reasons puts the actions that are refused for the same reason together.
func reasons(refused []button) (list []fact) {
	for _, b := range refused {
		if i := slices.IndexFunc(list, func(f fact) bool { return f.Name == b.Why }); i >= 0 {
			list[i].Value = fmt.Sprint(list[i].Value, ", ", b.Label)
			continue
		}
		list = append(list, fact{b.Why, b.Label})
	}
	return list
}

// buttonPlace returns the place of an action among the buttons.
func buttonPlace(a ticket.ActionName) int {
	if i := slices.Index(tabs, a); i >= 0 {
		return i
	}
	if i := slices.Index(buttonOrder, a); i >= 0 {
		return len(tabs) + i
	}
	return len(tabs) + len(buttonOrder)
}

// actionName returns the label of an action.
func actionName(t teller, a ticket.ActionName) string { return nameOf(t, "button.", string(a)) }

// refusal says why an action is refused, and whether agents can do it at all.
func refusal(t teller, c ticket.Choice) (why string, forAgents bool) {
	r, ok := errors.AsType[*ticket.RefusedError](c.Err)
	if !ok {
		return c.Reason, true
	}
	forAgents = r.By == 0 || r.By&ticket.RoleAgent != 0 || r.Why != "role"
	key := "refused." + strings.ReplaceAll(r.Why, " ", "_")
	if !t.Has(key) {
		return c.Reason, forAgents
	}
	from := make([]string, len(r.From))
	for i, s := range r.From {
		from[i] = nameOf(t, "status.", string(s))
	}
	cause := ""
	if r.Err != nil {
		cause = r.Err.Error()
	}
	switch r.Why {
	case "state":
		switch here := slices.Contains(r.From, r.State.Status); {
		case len(r.From) == 0:
			return c.Reason, forAgents
		case here && c.Action == ticket.ActionUnmerge:
			return say(t, "refused.not_merged"), forAgents
		case here && c.Action == ticket.ActionWithdraw:
			return say(t, "refused.not_published"), forAgents
		case here:
			return say(t, "refused.at_level", "level", r.State.Level), forAgents
		}
		return say(t, key, "from", strings.Join(from, ", ")), forAgents
	case "level":
		return say(t, key, "level", r.State.Level), forAgents
	case "guard", "policy":
		return say(t, key, "cause", cause), forAgents
	}
	return say(t, key), forAgents
}

// preferred lists the fields of an action's form that stand open, beside those it needs. The
// rest of what the action takes is folded away.
var preferred = map[ticket.ActionName][]string{
	ticket.ActionReply:    {"message", "files"},
	ticket.ActionAsk:      {"message", "files"},
	ticket.ActionNote:     {"note", "note_files"},
	ticket.ActionResolve:  {"message", "files", "reason", "solved_by"},
	ticket.ActionHold:     {"reason", "until", "note"},
	ticket.ActionEscalate: {"note", "level", "queue"},
	ticket.ActionHandBack: {"note", "level", "queue"},
	ticket.ActionHandOver: {"queue", "note"},
	ticket.ActionAssign:   {"assignee", "note"},
	ticket.ActionCancel:   {"reason", "message"},
	ticket.ActionReopen:   {"note"},
	ticket.ActionClose:    {"note"},
	ticket.ActionAmend:    {"status", "level", "queue", "note"},
	ticket.ActionLink:     {"relation", "ticket", "note"},
	ticket.ActionMerge:    {"ticket"},
	ticket.ActionUnmerge:  {"note"},
	ticket.ActionSplit:    {"draft"},
	ticket.ActionEdit:     {"edit"},
	ticket.ActionPublish:  {"known"},
}

// fieldOrder is the order of the fields in a form.
var fieldOrder = []string{
	"relation", "ticket", "draft", "edit", "known", "status", "level", "queue", "assignee", "message", "files",
	"reason", "solved_by", "until", "note", "note_files",
}

// formFields returns the fields of an action's form: those that stand open, and those that
// are folded away.
func formFields(c ticket.Choice) (open, more []string) {
	takes, needs := inputNames(c.Takes), inputNames(c.Needs)
	for _, f := range fieldOrder {
		switch {
		case !slices.Contains(takes, f):
		case slices.Contains(needs, f), slices.Contains(preferred[c.Action], f):
			open = append(open, f)
		case f == "files" && !slices.Contains(needs, "message") && !slices.Contains(preferred[c.Action], "message"):
			more = append(more, f)
		default:
			more = append(more, f)
		}
	}
	switch c.Action {
	case ticket.ActionMerge, ticket.ActionLink, ticket.ActionEdit, ticket.ActionSplit, ticket.ActionUnmerge, ticket.ActionPublish:
		more = nil // words have their own actions
	}
	return open, more
}

// inputNames returns the names of the form fields for inputs.
func inputNames(n ticket.Inputs) (names []string) {
	for _, f := range []struct {
		name string
		on   bool
	}{
		{"message", n.Message || n.Words}, {"files", n.Attachments}, {"note", n.Note}, {"note_files", n.NoteAttachments},
		{"reason", n.Reason}, {"queue", n.Queue}, {"assignee", n.Assignee}, {"level", n.Level}, {"status", n.Status},
		{"until", n.Until}, {"ticket", n.Ticket}, {"relation", n.Relation}, {"draft", n.Draft}, {"edit", n.Edit},
		{"known", n.Known}, {"solved_by", n.SolvedBy},
	} {
		if f.on {
			names = append(names, f.name)
		}
	}
	return names
}
