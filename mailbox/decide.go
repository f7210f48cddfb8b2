package mailbox

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	netmail "net/mail"
	"slices"
	"strings"
	"unicode"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/internal/chars"
	"github.com/ticketkit/ticket/replyaddress"
)

// plan is what is to be done with a mail.
type plan struct {
	Explanation

	actor    ticket.Actor
	open     *ticket.Draft  // OutcomeOpen
	target   ticket.ID      // OutcomeReply and OutcomeNote
	act      *ticket.Action // the same
	internal bool           // the files are internal
	private  bool           // the whole mail is internal, with OutcomeOpen
	whole    []byte         // the mail, if it is to be put on the new ticket internally
	files    []int          // the files to attach, as indices of message.Files; nil means all
	follow   []ticket.Person
	reports  []step // OutcomeReport

	// fallback is done if the desk refuses act.
	fallback *plan
}

func (p *plan) note(format string, args ...any) {
	p.Notes = append(p.Notes, fmt.Sprintf(format, args...))
}

// facts is what a decision is made on.
type facts struct {
	box    *box
	mail   ticket.Mail
	msg    *message
	limits Limits

	own     bool // its Message-ID is that of a letter of the desk
	reports []reported

	from     netmail.Address
	where    string // where the sender was found
	ownFrom  bool   // the sender is an address of the desk
	isOwn    func(address string) bool
	person   ticket.Person
	agent    ticket.Actor
	isAgent  bool
	trust    trust
	trustWhy string
	evidence []evidence
	others   []ticket.Person
	recent   int // tickets of the sender within the last hour
	repeats  int // equal texts on the ticket of the strongest evidence
	notes    int // notes of strangers and machines on it within the last day
	body     string

	repeatsNote bool // the text of an agent's answer has words of an internal note
}

// decide collects the facts about a mail and decides. It changes nothing.
func (in *Intake) decide(ctx context.Context, b *box, m ticket.Mail, msg *message) (*plan, error) {
	f := &facts{box: b, mail: m, msg: msg, limits: in.cfg.Limits, body: bodyDigest(msg), isOwn: in.isOwn}
	if err := in.collect(ctx, f); err != nil {
		return nil, err
	}
	return decide(f), nil
}

// collect looks up the facts about a mail, as far as decide asks for them.
func (in *Intake) collect(ctx context.Context, f *facts) (err error) {
	b, m, msg := f.box, f.mail, f.msg
	if f.circles() || f.before() {
		return nil
	}
	if _, f.own, err = in.delivery(ctx, b, msg.MessageID); err != nil {
		return fmt.Errorf("look up a delivery: %w", err)
	}
	switch {
	case f.own, msg.Receipt:
		return nil
	case len(msg.Reports) > 0:
		if f.reports, err = in.reported(ctx, b, m, msg); err != nil {
			return err
		}
		for _, r := range f.reports {
			if r.found { // a mail reports about one letter, as a rule
				t := ticket.Ticket{ID: r.delivery.Ticket}
				return in.countOn(ctx, f, evidence{ticket: t, goes: t})
			}
		}
		return nil
	}
	if err := in.aboutSender(ctx, f); err != nil {
		return err
	}
	if err := in.waitForEarlier(ctx, f.mail); err != nil {
		return err
	}
	if f.evidence, err = in.identify(ctx, b, m, msg); err != nil {
		return err
	}
	if err := in.findParts(ctx, f); err != nil {
		return err
	}
	f.preferOwn()
	if e, signed := f.signedFor(f.agent.Person); f.isAgent && signed && e.reply.Kind == replyaddress.AgentReply && f.trust == trustVerified {
		if f.repeatsNote, err = in.repeatsNote(ctx, b, e.goes.ID, msg.Text); err != nil {
			return err
		}
	}
	if f.limits.PerSender > 0 && !m.Old {
		if f.recent, err = in.recent(ctx, b, f.person, f.limits.PerSender); err != nil {
			return err
		}
	}
	if len(f.evidence) > 0 {
		return in.countOn(ctx, f, f.evidence[0])
	}
	return nil
}

// preferOwn puts a ticket of the sender first if the strongest evidence is of earlier mails: others can
// use the Message-ID of the sender's mail again.
func (f *facts) preferOwn() {
	if len(f.evidence) == 0 || f.evidence[0].kind != byEarlier {
		return
	}
	if i := slices.IndexFunc(f.evidence, func(e evidence) bool { return e.kind == byEarlier && e.concerned() }); i > 0 {
		own := f.evidence[i]
		copy(f.evidence[1:i+1], f.evidence[:i])
		f.evidence[0] = own
	}
}

// circles reports whether the mail goes round in circles.
func (f *facts) circles() bool { return f.msg.Received >= f.limits.Hops && !released(f.mail) }

// before reports whether the mail is older than the desk, and such mails are not wanted.
func (f *facts) before() bool { return f.mail.Old && f.box.IMAP != nil && !f.box.IMAP.All }

// aboutSender finds out who sent the mail.
func (in *Intake) aboutSender(ctx context.Context, f *facts) (err error) {
	if f.from, f.where, err = in.sender(f.box, f.msg); err != nil {
		return err
	}
	f.ownFrom = in.isOwn(f.from.Address)
	f.trust, f.trustWhy = f.msg.authenticated(f.box.AuthServer)
	if f.person, err = in.person(ctx, f.box, f.from, f.msg.Language); err != nil {
		return err
	}
	if f.where == "From" {
		if f.agent, f.isAgent, err = in.agent(ctx, f.box, f.from.Address); err != nil {
			return err
		}
	}
	f.others = in.others(f.msg, f.from.Address)
	return nil
}

// decide makes the decision. It is pure: the same facts give the same plan.
func decide(f *facts) *plan {
	p := f.newPlan()
	switch {
	case f.circles():
		return p.hold("goes round in circles: %d Received fields", f.msg.Received)
	case f.before():
		return p.ignore("was in the mailbox before the desk, which reads mails from then on")
	case f.own:
		return p.ignore("is a letter of the desk that came back")
	case f.msg.Receipt:
		return p.ignore("is a read receipt")
	case len(f.msg.Reports) > 0:
		return f.onReports(p)
	case f.msg.Automatic != "":
		return f.onMachine(p)
	case f.isAgent:
		return f.onAgent(p)
	default:
		return f.onCustomer(p)
	}
}

// newPlan returns a plan with what was found, and no decision.
func (f *facts) newPlan() *plan {
	p := &plan{Explanation: Explanation{
		Sender: f.from.Address, Automatic: f.msg.Automatic, Quiet: f.quiet(), List: f.msg.List, Files: len(f.msg.Files), Body: f.body,
	}}
	if f.trust != "" {
		p.Trust = string(f.trust) + ": " + f.trustWhy
	}
	if f.isAgent {
		p.Agent = f.agent.Person.ID
	}
	for i, e := range f.evidence {
		if i < 20 {
			p.Evidence = append(p.Evidence, Evidence{Kind: e.kind, Where: e.where, Ticket: e.ticket.ID, Number: e.ticket.Number})
		}
		if e.goes.ID != f.evidence[0].goes.ID {
			p.note("the %s names another ticket: %s", e.where, e.ticket.Number)
		}
	}
	for _, o := range f.others {
		p.Suggested = append(p.Suggested, o.Email)
	}
	for _, problem := range f.msg.Problems {
		if len(p.Notes) < 20 {
			p.note("form: %s", problem)
		}
	}
	if f.where != "" && f.where != "From" {
		p.note("the sender is that of %s", f.where)
	}
	return p
}

// quiet returns why nobody is written to because of a mail.
func (f *facts) quiet() string {
	switch {
	case f.mail.Old:
		return "it was in the mailbox before the desk"
	case f.msg.Quiet != "":
		return f.msg.Quiet
	case f.ownFrom:
		return "its sender is an address of the desk"
	}
	return ""
}

func (p *plan) hold(format string, args ...any) *plan {
	p.Outcome, p.Reason = OutcomeHeld, fmt.Sprintf(format, args...)
	return p
}

func (p *plan) ignore(format string, args ...any) *plan {
	p.Outcome, p.Reason = OutcomeIgnored, fmt.Sprintf(format, args...)
	return p
}

// onCustomer decides on a mail that counts as a customer's.
func (f *facts) onCustomer(p *plan) *plan {
	e, found := f.strongest()
	forwarded := f.msg.Forwards
	switch {
	case found && e.kind != bySigned && forwarded:
		p.note("it is a forward, and so no answer on %s", e.ticket.Number)
		return f.toNew(p, "is a forward without a signed address: a new ticket")
	case !found:
		return f.toNew(p, "names no ticket: a new one")
	case e.concerned() && f.trust == trustFailed:
		return f.toNote(p, e, "the "+e.kind+" names the ticket, but it is not certain that the sender wrote the mail: "+f.trustWhy)
	case e.concerned():
		return f.toReply(p, e)
	case e.kind != byNumber:
		return f.toNote(p, e, "the "+e.kind+" names the ticket, and the sender has no part in it")
	default:
		p.Related = e.ticket.ID
		return f.toNew(p, "has only the number of a ticket in which the sender has no part: a new one, related")
	}
}

// onMachine decides on a mail that a machine wrote.
func (f *facts) onMachine(p *plan) *plan {
	e, found := f.strongest()
	switch {
	case found && (e.kind != byNumber || e.concerned()):
		return f.toNote(p, e, "a machine wrote it: "+f.msg.Automatic)
	case f.msg.AutoReply || len(f.msg.InReplyTo) > 0:
		return p.ignore("is an automatic answer that belongs to no ticket: %s", f.msg.Automatic)
	default:
		return f.toNew(p, "a machine wrote it: a new ticket, not confirmed")
	}
}

// strongest returns the evidence that counts.
func (f *facts) strongest() (evidence, bool) {
	if len(f.evidence) == 0 {
		return evidence{}, false
	}
	return f.evidence[0], true
}

// toReply lets the customer reply on the ticket.
func (f *facts) toReply(p *plan, e evidence) *plan {
	if f.loops(p, e) {
		return p
	}
	p.Outcome, p.Reason = OutcomeReply, "the "+e.kind+" names the ticket, and the sender belongs to it"
	p.Ticket, p.Number, p.target = e.ticket.ID, e.ticket.Number, e.ticket.ID
	p.actor = ticket.Requester(e.part).InTenant(f.box.Tenant)
	p.act = &ticket.Action{Name: ticket.ActionReply, Message: ticket.Message(f.text()), Channel: ticket.ChannelMail, Key: key(f.mail), MessageID: f.messageID(), Quiet: p.Quiet != ""}
	requester := p.actor.RoleOn(e.goes) == ticket.RoleRequester || p.actor.RoleOn(e.ticket) == ticket.RoleRequester
	if f.box.FollowCc && requester && p.Quiet == "" {
		for _, o := range f.others {
			if o := ticket.Requester(o).InTenant(f.box.Tenant); o.RoleOn(e.goes) == 0 {
				p.follow = append(p.follow, o.Person)
			}
		}
	}
	p.fallback = f.toNote(f.newPlan(), e, "the desk refuses a reply of the sender on this ticket")
	return p
}

// toNote puts the mail on the ticket as an internal note.
func (f *facts) toNote(p *plan, e evidence, why string) *plan {
	if f.loops(p, e) {
		return p
	}
	if f.crowded() && e.ticket.ID == f.evidence[0].ticket.ID {
		p.Ticket, p.Number = e.ticket.ID, e.ticket.Number
		return p.hold("the ticket has %d notes of strangers and machines within a day", f.notes)
	}
	p.Outcome, p.Reason = OutcomeNote, why
	p.Ticket, p.Number, p.target = e.ticket.ID, e.ticket.Number, e.goes.ID
	p.actor, p.internal = system(f.box), true
	p.act = &ticket.Action{Name: ticket.ActionNote, Note: ticket.Note(f.noteText(why)), Channel: ticket.ChannelMail, Key: key(f.mail)}
	return p
}

// loops holds a mail whose text is on the ticket too often.
func (f *facts) loops(p *plan, e evidence) bool {
	if f.limits.Repeats > 0 && f.repeats+1 >= f.limits.Repeats && !f.mail.Old && !released(f.mail) && e.ticket.ID == f.evidence[0].ticket.ID {
		p.Ticket, p.Number = e.ticket.ID, e.ticket.Number
		p.hold("the ticket has the same text %d times already", f.repeats)
		return true
	}
	return false
}

// crowded reports whether the ticket has as many notes as people without a part in it, and
// machines, may write there.
func (f *facts) crowded() bool {
	return f.limits.Notes > 0 && f.notes >= f.limits.Notes && !f.mail.Old && !released(f.mail)
}

// toNew opens a ticket.
func (f *facts) toNew(p *plan, why string) *plan {
	if f.limits.PerSender > 0 && f.recent >= f.limits.PerSender && !f.mail.Old && !released(f.mail) {
		return p.hold("the sender has opened %d tickets within an hour", f.recent)
	}
	p.Outcome, p.Reason = OutcomeOpen, why
	d := f.draft()
	p.actor = ticket.Requester(f.person).InTenant(f.box.Tenant)
	asSystem := func() { p.actor, d.Requester = system(f.box), f.person }
	if f.trust == trustFailed {
		asSystem()
		d.Tags = append(d.Tags, "unverified sender")
		p.Quiet = "it is not certain that the sender wrote it: " + f.trustWhy
		p.note("tagged: the confirmation would go to somebody who may not have written")
	}
	if !p.Related.IsZero() {
		asSystem()
		number := string(f.evidence[0].ticket.Number)
		d.Subject = f.subject(strings.NewReplacer("["+number+"]", "", number, "").Replace(d.Subject)) // the confirmation names nothing of it
		d.Note = ticket.Note(fmt.Sprintf("The mail has the number of ticket %s, in which its sender has no part.", f.evidence[0].ticket.Number))
	}
	if f.box.FollowCc && f.msg.Automatic == "" && p.Quiet == "" && f.trust != trustFailed {
		d.Followers = f.others[:min(len(f.others), f.limits.Desk.Followers)]
	}
	d.Automatic = f.msg.Automatic != ""
	d.Quiet = p.Quiet != ""
	p.open = &d
	return p
}

// draft returns a new ticket with what the mail says.
func (f *facts) draft() ticket.Draft {
	return ticket.Draft{
		MessageID: f.messageID(), Subject: f.subject(f.msg.Subject), Message: ticket.Message(f.text()), Channel: ticket.ChannelMail, Key: key(f.mail),
		Queue: f.box.Queue, Priority: f.box.Priority, Impact: f.box.Impact, Urgency: f.box.Urgency,
		Workflow: f.box.Workflow, Fields: f.box.Fields,
	}
}

// messageID returns the Message-ID that the desk's letters answer, in the form that the desk
// takes.
func (f *facts) messageID() string {
	id := clean(f.msg.MessageID)
	if id != f.msg.MessageID || len(id) > 200 || strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '<' || r == '>' }) {
		return ""
	}
	return id
}

// subject returns a subject that the desk takes.
func (f *facts) subject(s string) string {
	s = strings.Join(strings.Fields(clean(s)), " ")
	if strings.IndexFunc(s, visible) < 0 {
		s = "(no subject)"
	}
	return cut(s, f.limits.Desk.Subject)
}

// visible reports whether a character can be seen.
func visible(r rune) bool { return !chars.Vacant(r) && !unicode.IsMark(r) }

// Sentences that are added to the text of a mail.
const (
	noText      = "(This mail has no text.)"
	isEncrypted = "(This mail is encrypted. Its content is in the attached file.)"
	isSigned    = "(This mail has a digital signature. It was not checked: unverified.)"
	isTooBig    = "(This mail has %d bytes, more than the desk takes. Only its header was taken; the mail is still in the mailbox.)"
	isCut       = "(The text is longer than a ticket takes. The whole mail is attached.)"
)

// truncated reports whether only the header of the mail was taken.
func (f *facts) truncated() bool { return f.mail.Size > int64(f.limits.Mail) }

// text returns the text of the mail, with sentences about what it does not show.
func (f *facts) text() string {
	s := strings.TrimSpace(f.msg.Text)
	if strings.IndexFunc(s, visible) < 0 {
		s = f.msg.Invitation
	}
	add := func(sentence string) { s = strings.TrimSpace(s + "\n\n" + sentence) }
	switch {
	case f.truncated():
		add(fmt.Sprintf(isTooBig, f.mail.Size))
	case f.msg.Encrypted:
		add(isEncrypted)
	case s == "" && len(f.msg.Files) == 0:
		add(noText)
	}
	if f.msg.Signed && !f.msg.Encrypted {
		add(isSigned)
	}
	return s
}

// noteText returns the text of a mail as an internal note, which says whose it is.
func (f *facts) noteText(why string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Mail from %s: %s.\n", f.fromText(), why)
	if s := strings.TrimSpace(clean(f.msg.Subject)); s != "" {
		fmt.Fprintf(&b, "Subject: %s\n", s)
	}
	return b.String() + "\n" + f.text()
}

// fromText returns the sender with name and address.
func (f *facts) fromText() string {
	if f.from.Address == "" {
		return "an unknown sender"
	}
	if name := strings.TrimSpace(clean(f.from.Name)); name != "" {
		return name + " <" + f.from.Address + ">"
	}
	return f.from.Address
}

// bodyDigest returns a digest of the text, to recognise equal ones. It is empty for a mail
// without a text, or with files.
func bodyDigest(msg *message) string {
	text := strings.Join(strings.Fields(lower(msg.Text)), " ")
	if text == "" || len(msg.Files) > 0 {
		return ""
	}
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:8])
}

// released reports whether somebody has released the mail, so that no limit holds it.
func released(m ticket.Mail) bool { return strings.HasPrefix(m.Reason, reasonReleased) }

// signedFor returns the evidence of an address that was made for this agent.
func (f *facts) signedFor(agent ticket.Person) (evidence, bool) {
	for _, e := range f.evidence {
		if e.kind == bySigned && (e.reply.Kind == replyaddress.AgentNote || e.reply.Kind == replyaddress.AgentReply) && e.reply.For(agent) {
			return e, true
		}
	}
	return evidence{}, false
}
