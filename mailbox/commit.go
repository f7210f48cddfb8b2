package mailbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/ticketkit/ticket"
)

// commit carries out a plan and returns the settled mail.
func (in *Intake) commit(ctx context.Context, b *box, m ticket.Mail, msg *message, raw []byte, p *plan) (ticket.Mail, error) {
	switch p.Outcome {
	case OutcomeHeld:
		return in.settled(m, ticket.MailHeld, p.Reason), nil
	case OutcomeIgnored:
		return in.settled(m, ticket.MailIgnored, p.Reason), nil
	case OutcomeReport:
		return in.report(ctx, b, m, p)
	}
	t, err := in.perform(ctx, b, m, msg, raw, p)
	if errors.Is(err, ticket.ErrDuplicate) {
		// The mail was taken meanwhile, with another decision: by an attempt whose lease
		// ended, or as a copy.
		if done, found, lookup := in.before(ctx, m); found || lookup != nil {
			return done, lookup
		}
	}
	if p.falls(err) {
		p.note("%s", clean(err.Error()))
		notes := p.Notes
		*p = *p.fallback
		p.Notes = notes
		return in.commit(ctx, b, m, msg, raw, p)
	}
	if err != nil {
		return m, err
	}
	in.step("committed")
	if repeat, found, err := in.overtaken(ctx, m); found || err != nil {
		return repeat, err
	}
	if p.Outcome == OutcomeOpen && p.Ticket.IsZero() {
		p.Ticket, p.Number = t.ID, t.Number
	}
	in.after(ctx, b, m, p, t)
	return in.onTicket(m, t.ID, t.Version, p.Reason), nil
}

// falls reports whether the fallback is done after the desk has returned this error.
func (p *plan) falls(err error) bool {
	return p.fallback != nil && (errors.Is(err, ticket.ErrRefused) || errors.Is(err, ticket.ErrNotFound) || errors.Is(err, ticket.ErrStatusLink))
}

// perform stores the files and does what the plan says.
func (in *Intake) perform(ctx context.Context, b *box, m ticket.Mail, msg *message, raw []byte, p *plan) (ticket.Ticket, error) {
	draft, act, files, whole := p.fit(msg, raw, in.cfg.Limits.Desk)
	attached, err := in.attach(ctx, b, p.actor, files, raw, whole)
	if err != nil {
		return ticket.Ticket{}, err
	}
	in.step("attached")
	if p.open != nil {
		draft.Attachments = attached
		return in.desk(m).Open(ctx, p.actor, draft)
	}
	if p.internal {
		act.NoteAttachments = attached
	} else {
		act.Attachments = attached
	}
	return in.desk(m).Do(ctx, p.actor, p.target, act)
}

// fit returns what the plan asks the desk to do, within the limits of a ticket: the draft, or the
// action, without its attachments, the files to attach, and whether the whole mail is attached
// too.
func (p *plan) fit(msg *message, raw []byte, limits ticket.Limits) (draft ticket.Draft, act ticket.Action, files []file, whole bool) {
	files = msg.Files
	if p.files != nil {
		files = nil
		for _, i := range p.files {
			files = append(files, msg.Files[i])
		}
	}
	shorten := func(s string, most int) string {
		if len(s) <= most {
			return s
		}
		whole = true
		return cut(s, max(most-len(isCut)-2, 0)) + "\n\n" + isCut
	}
	if p.act != nil {
		act = *p.act
		act.Message = ticket.Message(shorten(string(act.Message), limits.Message))
		act.Note = ticket.Note(shorten(string(act.Note), limits.Note))
	}
	if p.open != nil {
		draft = *p.open
		draft.Message = ticket.Message(shorten(string(draft.Message), limits.Message))
		draft.Note = ticket.Note(shorten(string(draft.Note), limits.Note))
	}
	if len(files) > limits.Attachments || tooLarge(files, limits.AttachmentSize) {
		whole = true
		p.note("has %d files, more or larger ones than a ticket takes: the first ones, and the whole mail", len(files))
	}
	if whole && p.private {
		whole, p.whole = false, raw
	}
	return draft, act, files, whole
}

func tooLarge(files []file, most int64) bool {
	for _, f := range files {
		if int64(len(f.Content)) > most {
			return true
		}
	}
	return false
}

// wholeName is the name of the whole mail as a file.
const wholeName = "mail.eml"

// attach stores as many files as a ticket takes and, if whole is set, the mail itself.
func (in *Intake) attach(ctx context.Context, b *box, a ticket.Actor, files []file, raw []byte, whole bool) ([]ticket.Attachment, error) {
	var list []ticket.Attachment
	add := func(name, mediaType string, content []byte) error {
		one, err := in.cfg.Desk.Attach(ctx, a, name, mediaType, bytes.NewReader(content))
		if err == nil {
			list = append(list, one)
		}
		if !errors.Is(err, errors.ErrUnsupported) { // the desk has no file store of its own
			return err
		}
		f, err := in.cfg.Files.Put(ctx, b.Tenant, bytes.NewReader(content))
		if err != nil {
			return err
		}
		list = append(list, ticket.Attachment{Name: name, MediaType: mediaType, Size: f.Size, SHA256: f.SHA256})
		return nil
	}
	for _, f := range in.fitting(files, whole) {
		if err := add(f.Name, f.MediaType, f.Content); err != nil {
			return nil, fmt.Errorf("store a file of the mail: %w", err)
		}
	}
	if whole && int64(len(raw)) <= in.cfg.Limits.Desk.AttachmentSize {
		if err := add(wholeName, "message/rfc822", raw); err != nil {
			return nil, fmt.Errorf("store the mail as a file: %w", err)
		}
	}
	return list, nil
}

// fitting returns the files that a ticket takes. If whole is set, the mail itself is one more.
func (in *Intake) fitting(files []file, whole bool) (list []file) {
	most := in.cfg.Limits.Desk.Attachments
	if whole {
		most--
	}
	for _, f := range files {
		if len(list) < most && int64(len(f.Content)) <= in.cfg.Limits.Desk.AttachmentSize {
			list = append(list, f)
		}
	}
	return list
}

// after does what cannot be part of the same commit: it ties a new ticket to the one that the
// mail names, adds the whole mail as an internal file, and adds followers. Each can be repeated, and none is needed for the mail.
func (in *Intake) after(ctx context.Context, b *box, m ticket.Mail, p *plan, t ticket.Ticket) {
	if !p.Related.IsZero() {
		_, err := in.desk(m).Do(ctx, system(b), t.ID, ticket.Action{
			Name: ticket.ActionLink, Relation: ticket.RelationRelatedTo, Ticket: p.Related, Channel: ticket.ChannelMail, Key: key(m) + " link",
		})
		if err != nil {
			p.note("not linked: %v", clean(err.Error()))
		}
	}
	if p.whole != nil {
		attached, err := in.attach(ctx, b, p.actor, nil, p.whole, true)
		if err == nil && len(attached) > 0 {
			_, err = in.desk(m).Do(ctx, p.actor, t.ID, ticket.Action{
				Name: ticket.ActionNote, Note: "The whole mail.", NoteAttachments: attached, Channel: ticket.ChannelMail, Key: key(m) + " mail",
			})
		}
		if err != nil {
			p.note("the whole mail is not on the ticket: %v", clean(err.Error()))
		}
	}
	if len(p.follow) > 0 {
		_, err := in.desk(m).Do(ctx, system(b), t.ID, ticket.Action{
			Name: ticket.ActionEdit, Edit: &ticket.Edits{Follow: p.follow}, Channel: ticket.ChannelMail, Key: key(m) + " cc",
		})
		if err != nil {
			p.note("no followers added: %v", clean(err.Error()))
		}
	}
}
