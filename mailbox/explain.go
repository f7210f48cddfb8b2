package mailbox

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"

	"github.com/ticketkit/ticket"
)

// Outcome says what becomes of a mail.
type Outcome string

// The outcomes.
const (
	OutcomeOpen     Outcome = "open"     // opens a ticket
	OutcomeReply    Outcome = "reply"    // is a reply on a ticket, or opens a follow-up if the ticket has been done for long
	OutcomeNote     Outcome = "note"     // is an internal note on a ticket
	OutcomeReport   Outcome = "report"   // says what became of deliveries
	OutcomeIgnored  Outcome = "ignored"  // a rule says that nothing happens
	OutcomeHeld     Outcome = "held"     // waits for a person
	OutcomeRepeated Outcome = "repeated" // was taken before
	OutcomeDone     Outcome = "done"     // an earlier attempt has put it on the ticket
)

// Explanation is the decision on a mail, with its reasons. The field Explained of [ticket.Mail]
// has it as JSON.
type Explanation struct {
	Outcome Outcome       `json:"outcome"`
	Reason  string        `json:"reason"`          // the rule that decided, in words
	Notes   []string      `json:"notes,omitempty"` // what else was found, in order
	Ticket  ticket.ID     `json:"ticket,omitzero"` // the ticket that it belongs to; zero for a new one
	Number  ticket.Number `json:"number,omitempty"`
	Related ticket.ID     `json:"related,omitzero"` // a ticket that it names and does not belong to

	Sender    string     `json:"sender,omitempty"`    // the address of the person that it counts as
	Agent     string     `json:"agent,omitempty"`     // the ID of the agent with this address
	Trust     string     `json:"trust,omitempty"`     // "verified", "unknown" or "failed", and why
	Automatic string     `json:"automatic,omitempty"` // why it is a machine's; empty if it is a person's
	Quiet     string     `json:"quiet,omitempty"`     // why nobody is written to because of it; empty if they are
	List      bool       `json:"list,omitempty"`      // it came over a mailing list
	Evidence  []Evidence `json:"evidence,omitempty"`  // the strongest first
	Suggested []string   `json:"suggested,omitempty"` // addresses in To and Cc that could follow the ticket
	Files     int        `json:"files,omitempty"`     // number of files
	Body      string     `json:"body,omitempty"`      // a digest of the text, to recognise equal ones
}

// Evidence is a sign that a mail belongs to a ticket.
type Evidence struct {
	Kind   string        `json:"kind"`  // "signed address", "answered letter", "earlier mail" or "number"
	Where  string        `json:"where"` // such as "subject" or "In-Reply-To"
	Ticket ticket.ID     `json:"ticket"`
	Number ticket.Number `json:"number"`
}

// Explain returns what would become of a mail and why, and does nothing. The mailbox and the
// envelope are as in [Intake.Take]. A mail that cannot be read is held, which is no error.
func (in *Intake) Explain(ctx context.Context, mailbox string, raw io.Reader, e Envelope) (Explanation, error) {
	b := in.box(mailbox)
	if b == nil {
		return Explanation{}, fmt.Errorf("%w: %q", ErrUnknown, mailbox)
	}
	data, err := io.ReadAll(&limitedReader{r: raw, left: int64(in.cfg.Limits.Mail)})
	if err != nil {
		return Explanation{}, err
	}
	now := in.now()
	m := ticket.Mail{
		ID: in.cfg.NewID(now), Tenant: b.Tenant, Mailbox: b.Name, Size: max(int64(len(data)), e.size), Arrived: now,
		From: e.From, HasSender: e.HasFrom, To: e.To, Old: e.Old, State: ticket.MailPending, Attempts: mostLost,
	}
	p, done, err := in.explain(ctx, b, m, data)
	switch {
	case err == nil && p == nil:
		return explanationOf(done)
	case err == nil:
		return p.Explanation, nil
	case isHeld(err) || refused(err):
		return Explanation{Outcome: OutcomeHeld, Reason: err.Error()}, nil
	}
	return Explanation{}, err
}

// explain decides on a mail. Without a plan, the mail is settled already.
func (in *Intake) explain(ctx context.Context, b *box, m ticket.Mail, raw []byte) (p *plan, done ticket.Mail, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = hold(nil, "panic: %v", r)
		}
	}()
	msg, err := in.read(ctx, b, &m, raw)
	if err != nil {
		return nil, m, err
	}
	if done, found, err := in.before(ctx, m); found || err != nil {
		return nil, done, err
	}
	if p, err = in.decide(ctx, b, m, msg); err != nil {
		return nil, m, err
	}
	draft, act, files, whole := p.fit(msg, raw, in.cfg.Limits.Desk)
	var attached []ticket.Attachment // which are not stored
	list := in.fitting(files, whole)
	if whole && int64(len(raw)) <= in.cfg.Limits.Desk.AttachmentSize {
		list = append(list, file{Name: wholeName, MediaType: "message/rfc822", Content: raw})
	}
	for _, f := range list {
		attached = append(attached, ticket.Attachment{Name: f.Name, MediaType: f.MediaType, Size: int64(len(f.Content)), SHA256: sha256.Sum256(f.Content)})
	}
	switch {
	case p.open != nil:
		draft.Attachments = attached
		if err := in.cfg.Desk.ExplainOpen(ctx, p.actor, draft); err != nil {
			return nil, m, err
		}
	case p.act != nil:
		if p.internal {
			act.NoteAttachments = attached
		} else {
			act.Attachments = attached
		}
		t, err := in.cfg.Desk.Find(ctx, system(b), p.target.String())
		if err != nil {
			return nil, m, err
		}
		if err := in.cfg.Desk.Explain(ctx, p.actor, t, act); err != nil {
			p.note("the desk would refuse it: %v", err)
			if !p.falls(err) {
				return nil, m, err
			}
			p.Outcome, p.Reason = p.fallback.Outcome, p.fallback.Reason
		}
	}
	return p, m, nil
}

// explanationOf reads the explanation of a mail.
func explanationOf(m ticket.Mail) (e Explanation, err error) {
	if len(m.Explained) == 0 {
		return e, nil
	}
	err = json.Unmarshal(m.Explained, &e)
	return e, err
}
