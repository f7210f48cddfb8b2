package mailbox

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"unicode"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/replyaddress"
)

// onAgent decides on a mail from the address of an agent. An agent acts only if the server has
// verified the address, and if the mail is to a signed address that was made for this
// agent, or passes on a customer's mail. Otherwise the mail counts as a customer's.
func (f *facts) onAgent(p *plan) *plan {
	e, signed := f.signedFor(f.agent.Person)
	switch {
	case f.trust != trustVerified:
		p.note("the address is an agent's, but nothing verifies it: as a customer")
		return f.onCustomer(p)
	case signed:
		return f.answerOf(p, e)
	case f.msg.Forward != nil || f.msg.Forwards:
		if s, found := f.strongest(); found && s.kind == bySigned {
			return f.onCustomer(p)
		}
		return f.onBehalf(p)
	default:
		p.note("the address is an agent's, but the mail is not to an address that was made for this agent: as a customer")
		return f.onCustomer(p)
	}
}

// answerOf puts an agent's mail on the ticket: as a note, or as an answer if the address is
// for answers and the mail quotes nothing that may be internal.
func (f *facts) answerOf(p *plan, e evidence) *plan {
	p.Ticket, p.Number, p.target, p.actor = e.ticket.ID, e.ticket.Number, e.goes.ID, f.agent
	note := func(why string) *plan {
		p.Outcome, p.Reason, p.internal = OutcomeNote, why, true
		p.act = &ticket.Action{Name: ticket.ActionNote, Note: ticket.Note(f.text()), Channel: ticket.ChannelMail, Key: key(f.mail)}
		p.fallback = f.toNote(f.newPlan(), e, "the agent "+f.agent.Person.ID+" wrote it, and may not act on this ticket")
		return p
	}
	switch {
	case e.reply.Kind != replyaddress.AgentReply:
		return note("the agent answers by the signed address for notes")
	case f.msg.Quotes:
		p.note("it quotes text that is not provably a letter to the customer")
		return note("the agent's answer has a quote that may be internal: a note")
	case f.msg.hasNumber(f.msg.Text):
		return note("the agent's answer has the number of a ticket, and perhaps a letter that may be internal: a note")
	case f.repeatsNote:
		return note("the agent's answer has words of an internal note: a note")
	case strings.IndexFunc(f.msg.Text, visible) < 0 && len(f.msg.Files) == 0:
		return note("the agent's answer is empty: a note")
	case slices.ContainsFunc(f.msg.Files, bringsMails):
		return note("the agent's answer has a file that may be the letter to the agent: a note")
	case f.msg.Cut, f.larger(f.msg.Text, f.limits.Desk.Message):
		return note("the agent's answer is larger than a ticket takes, and the whole mail may have internal words: a note")
	}
	if f.loops(p, e) {
		return p
	}
	p.Outcome, p.Reason = OutcomeReply, "the agent answers by the signed address for answers"
	p.act = &ticket.Action{Name: ticket.ActionReply, Message: ticket.Message(strings.TrimSpace(f.msg.Text)), Channel: ticket.ChannelMail, Key: key(f.mail)}
	p.fallback = f.toNote(f.newPlan(), e, "the desk refuses an answer of the agent "+f.agent.Person.ID+" on this ticket")
	return p
}

// repeatsNote reports whether a text has words of an internal note of the ticket: mail programs mark
// a quote in many ways, or not at all.
func (in *Intake) repeatsNote(ctx context.Context, b *box, id ticket.ID, text string) (bool, error) {
	said := map[string]bool{}
	words := wordsOf(text)
	for n := leastNoteWords; n <= noteWords; n++ {
		for s := range phrases(words, n) {
			said[s] = true
		}
	}
	for e, err := range in.cfg.Desk.Events(ctx, system(b), id) {
		if err != nil {
			return false, fmt.Errorf("compare with internal notes: %w", err)
		}
		words := wordsOf(string(e.Note))
		for s := range phrases(words, max(min(len(words), noteWords), leastNoteWords)) {
			if said[s] {
				return true, nil
			}
		}
	}
	return false, nil
}

// A text repeats a note if it has this many words of it in a row, or all of a shorter one. A note
// with fewer words than leastNoteWords says too little to be recognised.
const noteWords, leastNoteWords = 5, 3

// phrases yields each sequence of n words.
func phrases(words []string, n int) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := 0; i+n <= len(words); i++ {
			if !yield(strings.Join(words[i:i+n], " ")) {
				return
			}
		}
	}
}

func wordsOf(s string) []string {
	return strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsMark(r) && !unicode.IsDigit(r) })
}

// bringsMails reports whether a file is a mail, or has one in the form of Outlook.
func bringsMails(f file) bool {
	switch f.MediaType {
	case "message/rfc822", "message/global", "application/vnd.ms-outlook", "application/ms-tnef", "application/vnd.ms-tnef":
		return true
	}
	name := lower(f.Name)
	return strings.HasSuffix(name, ".eml") || strings.HasSuffix(name, ".msg") || name == "winmail.dat"
}

// larger reports whether a text or the files do not fit a ticket.
func (f *facts) larger(text string, most int) bool {
	return len(text) > most || len(f.msg.Files) > f.limits.Desk.Attachments || tooLarge(f.msg.Files, f.limits.Desk.AttachmentSize)
}

// onBehalf opens a ticket for the customer whose mail an agent passes on.
func (f *facts) onBehalf(p *plan) *plan {
	fw := f.msg.Forward
	if fw == nil || !usable(fw.From.Address, f.limits.Desk.Email) || f.isOwn(fw.From.Address) || lower(fw.From.Address) == lower(f.from.Address) {
		p.note("whose mail it passes on is not certain: the agent is the requester")
		p = f.toNew(p, "the agent passes on a mail, in a form that is not understood: a ticket of the agent, with a note")
		if p.open != nil {
			p.actor, p.open.Requester = system(f.box), f.person
			p.open.Note = joinNotes(p.open.Note, fmt.Sprintf("The agent %s has forwarded a mail. Who wrote it could not be told: check the requester.", f.agent.Person.ID))
		}
		return p
	}
	customer := personOf(fw.From, f.limits.Desk)
	p.Outcome, p.Reason = OutcomeOpen, "the agent passes on a customer's mail: a ticket of this customer"
	p.note("the customer is %s", customer.Email)
	p.actor, p.private = f.agent, true
	d := f.draft()
	d.Requester, d.Subject, d.Message = customer, f.subject(fw.Subject), ticket.Message(strings.TrimSpace(fw.Text))
	if strings.TrimSpace(fw.Subject) == "" {
		d.Subject = f.subject(f.msg.Subject)
	}
	d.MessageID = "" // it is the agent's mail, and not the customer's
	d.Note = ticket.Note(fmt.Sprintf("Forwarded by the agent %s <%s>.", f.agent.Person.ID, f.from.Address))
	if c := strings.TrimSpace(fw.Comment); c != "" {
		d.Note = joinNotes(d.Note, c)
	}
	if fw.Attached && fw.File >= 0 && fw.File < len(f.msg.Files) {
		p.files = []int{fw.File} // the agent's own files may be internal
	}
	d.Quiet = p.Quiet != ""
	p.open = &d
	return p
}

func joinNotes(n ticket.Note, s string) ticket.Note {
	if n == "" {
		return ticket.Note(s)
	}
	return n + "\n\n" + ticket.Note(s)
}
