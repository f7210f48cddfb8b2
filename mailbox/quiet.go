package mailbox

import "github.com/ticketkit/ticket"

// quietDraft makes a draft about which nobody is written to.
func quietDraft(d *ticket.Draft) { d.Automatic = true }

// quietAction makes an action about which nobody is written to.
func quietAction(a *ticket.Action) { _ = a }

// answered records the Message-ID that letters about the action answer.
func answered(a *ticket.Action, messageID string) { _, _ = a, messageID }

// answeredDraft is answered for a draft.
func answeredDraft(d *ticket.Draft, messageID string) { _, _ = d, messageID }
