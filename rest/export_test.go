package rest

import (
	"context"
	"errors"
	"iter"
	"reflect"
	"slices"
	"strings"

	"github.com/ticketkit/ticket"
)

// Operations lists the operations of a handler, in one line each.
func Operations() []string {
	var list []string
	for _, o := range operations() {
		params := slices.Sorted(slices.Values(o.params))
		list = append(list, o.id+" "+o.method+" "+strings.Join(o.path, "/")+" ?"+strings.Join(params, " "))
	}
	return list
}

// Members returns the members of the JSON of each type that the document describes.
func Members() map[string][]string {
	m := map[string][]string{}
	for name, v := range map[string]any{
		"TicketPage": pageJSON{}, "Ticket": ticketJSON{}, "View": viewJSON{}, "ViewMessage": ticket.ViewMessage{}, "MessagePage": messagesJSON{},
		"EventPage": eventsJSON{}, "Event": ticket.Event{}, "Patch": ticket.Patch{}, "EntryPage": entriesJSON{}, "Entry": entryJSON{},
		"Hits": hitsJSON{}, "Hit": hitJSON{}, "Snippet": snippetJSON{}, "Suggestions": suggestionsJSON{}, "Suggestion": suggestionJSON{},
		"PlaceCounts": countsJSON{}, "PlaceCount": countJSON{}, "TicketCount": numberJSON{}, "DeliveryPage": deliveriesJSON{}, "Delivery": ticket.Delivery{},
		"Redriven": redrivenJSON{}, "Actions": choicesJSON{}, "ActionChoice": choiceJSON{}, "StatusLinkToken": tokenJSON{}, "Verification": verifiedJSON{},
		"KnownProblemPage": knownJSON{}, "KnownProblem": ticket.KnownProblem{}, "ErasureReport": erasureReport{}, "ErasedTicket": erasedJSON{}, "Mention": mentionJSON{},
		"Explanation": explanationJSON{}, "Problem": document{}, "ProblemError": fault{}, "Change": changed{}, "Notice": notice{},
		"ActionRequest": actionBody{}, "DraftRequest": draftBody{}, "EditRequest": editBody{}, "RatingRequest": ratingBody{}, "StatusLinkRequest": linkBody{},
		"ErasureRequest": erasureBody{}, "PersonalDataRequest": personBody{}, "RedriveRequest": redriveBody{}, "RecipientRequest": recipientBody{}, "FailureRequest": failureBody{},
		"PersonalData": ticket.PersonalData{}, "PersonalTicket": ticket.PersonalTicket{}, "PersonalMessage": ticket.PersonalMessage{}, "PersonalDelivery": ticket.PersonalDelivery{}, "PersonalMail": ticket.PersonalMail{},
		"Attachment": ticket.Attachment{}, "Person": ticket.Person{}, "Recipient": ticket.Recipient{}, "Clock": ticket.Clock{}, "ClockAlert": ticket.ClockAlert{},
		"Timer": ticket.Timer{}, "Link": ticket.Link{}, "State": ticket.State{}, "By": ticket.By{}, "Seals": ticket.Seals{}, "Seal": ticket.Seal{}, "Erased": ticket.Erased{}, "Groups": ticket.Groups{},
	} {
		m[name] = slices.Compact(slices.Sorted(slices.Values(membersOf(reflect.TypeOf(v)))))
	}
	return m
}

func membersOf(t reflect.Type) (list []string) {
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && name == "":
			list = append(list, membersOf(f.Type)...)
		case name != "" && name != "-":
			list = append(list, name)
		}
	}
	return list
}

// KindNames lists the names of the types of problems, with their statuses.
func KindNames() map[string]int {
	m := map[string]int{}
	for _, k := range kinds {
		m[k.name] = k.status
	}
	return m
}

// Accepts, Decode and others are tested by themselves.
var (
	Accepts     = accepts
	Disposition = disposition
)

// DecodeAction reads the body of an action.
func DecodeAction(data []byte) error { return decode(data, new(actionBody)) }

// FirstPointer returns the first pointer of a problem.
func FirstPointer(err error) string {
	p, ok := errors.AsType[*problem](err)
	if !ok || len(p.faults) == 0 || p.faults[0].Pointer == nil {
		return ""
	}
	return *p.faults[0].Pointer
}

// Faults counts the faults of a problem.
func Faults(err error) int {
	p, _ := errors.AsType[*problem](err)
	return len(p.faults)
}

// SetWatch replaces the desk's stream of changes.
func SetWatch(h *Handler, watch func(context.Context, ticket.Actor, ticket.Cursor) iter.Seq2[ticket.Changed, error]) {
	h.watch = watch
}

// Streams counts the open streams.
func Streams(h *Handler) int {
	h.streams.mu.Lock()
	defer h.streams.mu.Unlock()
	return len(h.streams.open)
}
