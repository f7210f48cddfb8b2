package mailbox

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ticketkit/ticket"
)

// reported is a report with the delivery that it is about.
type reported struct {
	report
	delivery ticket.Delivery
	found    bool
	signed   bool // by the bounce address of the delivery
	matches  bool // the recipient is that of the delivery
}

// The effects of a report.
const (
	stepBounced     = "bounced"     // the address takes no mail
	stepUndelivered = "undelivered" // this letter did not arrive
	stepNote        = "note"
)

// step is one effect of a report.
type step struct {
	what     string
	delivery ticket.Delivery
	text     string
}

// reported finds the deliveries that reports are about.
func (in *Intake) reported(ctx context.Context, b *box, m ticket.Mail, msg *message) ([]reported, error) {
	var list []reported
	var about ticket.Delivery // of the reports so far
	found, bySignature, named := false, false, ""
	if b.Replies != nil {
		for _, a := range recipients(m, msg) {
			id, ok := b.Replies.ReadBounce(b.Tenant, a.address)
			if !ok {
				continue
			}
			var err error
			if about, bySignature, err = in.deliveryByID(ctx, b, id); err != nil {
				return nil, fmt.Errorf("look up a delivery: %w", err)
			}
			if bySignature {
				break
			}
		}
	}
	for _, r := range msg.Reports[:min(len(msg.Reports), 100)] {
		if !bySignature && r.MessageID != named { // the reports in one mail are usually about one letter
			var err error
			if about, found, err = in.delivery(ctx, b, r.MessageID); err != nil {
				return nil, fmt.Errorf("look up a delivery: %w", err)
			}
			named = r.MessageID
		}
		one := reported{report: r, delivery: about, found: found || bySignature, signed: bySignature}
		if one.found {
			to := []string{lower(one.delivery.Address), lower(one.delivery.To.Person.Email)}
			for _, a := range []string{r.FinalRecipient, r.OriginalRecipient} {
				one.matches = one.matches || a != "" && (lower(a) == to[0] || lower(a) == to[1])
			}
		}
		list = append(list, one)
	}
	return list, nil
}

// onReports decides on a delivery report.
func (f *facts) onReports(p *plan) *plan {
	for _, r := range f.reports {
		switch {
		case !r.found:
			p.note("a report about a letter that the desk did not send, or no longer knows")
			continue
		case p.Ticket.IsZero():
			p.Ticket = r.delivery.Ticket
		}
		s := step{delivery: r.delivery, what: r.effect(), text: r.words()}
		if s.what == "" {
			p.note("%s: nothing to do", r.Action)
			continue
		}
		if s.what != stepNote && !r.signed && !r.matches {
			p.note("the report names another recipient than the letter")
			s.what = stepNote
			s.text = "A delivery report names another recipient than the letter it is about, and may be forged. " + s.text
		}
		p.note("%s %s: %s", r.Action, r.Status, s.what)
		p.reports = append(p.reports, s)
	}
	if len(p.reports) == 0 {
		return p.ignore("is a delivery report that changes nothing")
	}
	if f.crowded() && slices.ContainsFunc(p.reports, func(s step) bool { return s.what == stepNote }) {
		return p.hold("the ticket has %d notes of strangers and machines within a day", f.notes)
	}
	p.Outcome, p.Reason = OutcomeReport, "is a delivery report: "+p.reports[0].what
	return p
}

// effect returns what a report does, or "" for nothing.
func (r *reported) effect() string {
	action, status := strings.ToLower(r.Action), strings.TrimSpace(r.Status)
	switch {
	case action == "delivered" || action == "relayed" || action == "expanded":
		return ""
	case action == "delayed" || strings.HasPrefix(status, "4."):
		return stepNote
	case action != "failed":
		return stepNote
	case status == "5.1.7" || status == "5.1.8" || status == "5.1.9": // they are about the sender
		return stepUndelivered
	case strings.HasPrefix(status, "5.1.") || status == "5.2.1":
		return stepBounced
	default:
		return stepUndelivered
	}
}

// words returns the report in words.
func (r *reported) words() string {
	s := strings.TrimSpace(fmt.Sprintf("%s %s", r.Status, clean(r.Diagnostic)))
	return cut(s, 500)
}

// report carries out the effects of reports. Each can be repeated.
func (in *Intake) report(ctx context.Context, b *box, m ticket.Mail, p *plan) (ticket.Mail, error) {
	var seq int64
	for i, s := range p.reports {
		if !s.delivery.State.Settled() {
			return m, &laterError{why: "the delivery that it is about is still on its way"}
		}
		var err error
		switch s.what {
		case stepBounced:
			err = in.desk(m).Bounced(ctx, system(b), s.delivery.ID, s.text)
		case stepUndelivered:
			err = in.desk(m).Undelivered(ctx, system(b), s.delivery.ID, s.text)
		default:
			var t ticket.Ticket
			if t, err = in.cfg.Desk.Find(ctx, system(b), s.delivery.Ticket.String()); err != nil { // where it goes on
				return m, err
			}
			t, err = in.desk(m).Do(ctx, system(b), t.ID, ticket.Action{
				Name: ticket.ActionNote, Channel: ticket.ChannelMail, Key: fmt.Sprintf("%s report %d", key(m), i),
				Note: ticket.Note(fmt.Sprintf("A mail server reports about the letter of %s to %s: %s", s.delivery.Created.UTC().Format("2006-01-02 15:04 MST"), s.delivery.To.Person.Email, s.text)),
			})
			if seq = t.Version; errors.Is(err, ticket.ErrDuplicate) {
				err = nil // an earlier attempt wrote it, in other words
			}
		}
		if err != nil {
			return m, err
		}
	}
	return in.onTicket(m, p.Ticket, seq, p.Reason), nil
}
