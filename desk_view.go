package ticket

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"slices"
	"time"
)

// View is the customer's view of a ticket.
type View struct {
	ID      ID     `json:"id"`
	Number  Number `json:"number"`
	Subject string `json:"subject"`
	Phase   Phase  `json:"phase"`
	With    string `json:"with,omitempty"` // who has it, such as "with the specialists"; empty when it is over

	Created       time.Time `json:"created"`
	FirstAnswered time.Time `json:"first_answered,omitzero"`
	Touched       time.Time `json:"touched"` // last event that the customer sees, also of a ticket that was merged into it
	Resolved      time.Time `json:"resolved,omitzero"`
	Closed        time.Time `json:"closed,omitzero"`
	Erased        time.Time `json:"erased,omitzero"` // when content of the ticket was last erased

	// Expected is when the customer can expect the next answer, and SolutionExpected the
	// solution; see [Config].ServiceLevels. They may have passed. Zero means that nothing is
	// promised, or that the time does not count at the moment, for example because the desk
	// waits for the customer.
	Expected         time.Time `json:"expected,omitzero"`
	SolutionExpected time.Time `json:"solution_expected,omitzero"`
	// Promised is when the customer was first told to expect the first answer. Promise is
	// "kept" if it came by then, "broken" if it did not, and "open" before that is decided. It
	// is empty if nothing was promised, or if the ticket was finished in time without an
	// answer, for example cancelled. A later time that the customer was told does not count.
	Promised time.Time `json:"promised,omitzero"`
	Promise  string    `json:"promise,omitempty"`

	// Messages are the newest ones, in the order of time: at most 100, and at most
	// 1 MiB of them. They include those of tickets that were merged into this one, which
	// come first at equal times.
	Messages []ViewMessage `json:"messages,omitempty"`
	// Earlier is the cursor for the messages before these; see [Desk.Messages]. Empty
	// means there are none.
	Earlier Cursor `json:"earlier,omitempty"`
	// Score is the requester's own rating, 1 to 5. Zero means that there is none, or that
	// the reader is not the requester. If the reader can rate the ticket, Actions has
	// [ActionRate]; see [Desk.Rate].
	Score int `json:"score,omitempty"`
	// Actions lists the customer's possible actions, sorted. Set Action.Version to
	// Version to pin an action to this view.
	Actions []ActionName `json:"actions,omitempty"`
	Version int64        `json:"version"`
}

// ViewMessage is one message, or the files that arrived.
type ViewMessage struct {
	Seq         int64        `json:"seq"`              // of its event
	Number      Number       `json:"number,omitempty"` // the ticket it was said under, where that one was merged into the one shown
	At          time.Time    `json:"at"`
	FromDesk    bool         `json:"from_desk,omitempty"` // false: from a customer
	Name        string       `json:"name,omitempty"`      // the customer's; an agent's if Config.ShowAgents says so
	Text        Message      `json:"text,omitempty"`
	Attachments []Attachment `json:"attachments,omitempty"`
	Erased      bool         `json:"erased,omitempty"` // the words were erased
}

// Track returns the customer's view of the ticket for a number or ID: its phase, who
// has it, the newest messages. It contains no notes, no queues and no agents (unless
// [Config].ShowAgents is set). It includes the messages of tickets that were merged
// into it, as far as the reader may read them; see [Desk.History]. The
// [StatusLinkHolder] of a status link may leave the number empty. Errors are those
// of [Desk.Find], and [ErrStatusLink].
func (d *Desk) Track(ctx context.Context, a Actor, ref string) (View, error) {
	a, t, err := d.tracked(ctx, a, ref)
	if err != nil {
		return View{}, err
	}
	v := View{
		ID: t.ID, Number: t.Number, Subject: d.cfg.StatusLinks.cutTokens(t.Subject), Phase: t.Phase, Created: t.Created,
		FirstAnswered: t.FirstAnswered, Resolved: t.Resolved, Closed: t.Closed, Erased: t.Erased, Version: t.Version,
	}
	v.Expected, v.SolutionExpected = t.answerDue(), t.Due(metricSolution)
	v.Promised, v.Promise = t.Promised, t.promise(d.now())
	// A desk that has lost the workflow still shows the status.
	if w, err := d.workflowOf(&t); err == nil && !t.Phase.Done() {
		v.With = w.LevelName(t.Level)
	}
	if a.RoleOn(t)&RoleCustomer != 0 {
		for _, c := range d.Actions(a, t) {
			if c.Allowed && (a.held == nil || a.held.offers(c)) {
				v.Actions = append(v.Actions, c.Action)
			}
		}
		v.Actions = d.canRate(v.Actions, a, &t)
	}
	if a.RoleOn(t) == RoleRequester {
		v.Score = t.Score
	}
	shares, err := d.shares(ctx, a, t)
	if err != nil {
		return View{}, err
	}
	v.Messages, v.Earlier, v.Touched, err = d.messages(ctx, shares, "")
	if err != nil {
		return View{}, err
	}
	return v, nil
}

// Messages returns the messages of a ticket before those that [Desk.Track] or an
// earlier call returned: the newest of them, limited as in [View].Messages, and the
// cursor for the messages before these, or an empty cursor if there are none. To
// begin with the newest message, pass an empty cursor. An invalid cursor is
// [ErrInvalid]; other errors are those of Track.
func (d *Desk) Messages(ctx context.Context, a Actor, ref string, before Cursor) ([]ViewMessage, Cursor, error) {
	a, t, err := d.tracked(ctx, a, ref)
	if err != nil {
		return nil, "", err
	}
	shares, err := d.shares(ctx, a, t)
	if err != nil {
		return nil, "", err
	}
	list, earlier, _, err := d.messages(ctx, shares, before)
	return list, earlier, err
}

// tracked returns the ticket for a number, an ID or a link, and the actor who looks
// at it.
func (d *Desk) tracked(ctx context.Context, a Actor, ref string) (Actor, Ticket, error) {
	a, err := d.admit(ctx, a)
	if err != nil {
		return Actor{}, Ticket{}, err
	}
	if !a.only.IsZero() {
		if err := d.isLinked(ctx, a, ref); err != nil {
			return Actor{}, Ticket{}, err
		}
		ref = a.only.String()
	}
	t, err := d.find(ctx, a, ref)
	if err == nil {
		err = d.linkedTo(ctx, a, &t)
	}
	return a, t, err
}

// Limits of a page of messages.
const (
	mostMessages   = 100
	pageOfMessages = 1 << 20 // bytes, unless one message is longer
)

// messages reads backwards, so that its cost does not grow with the history. touched
// is the time of the last event that the reader sees.
func (d *Desk) messages(ctx context.Context, shares []*share, before Cursor) (list []ViewMessage, earlier Cursor, touched time.Time, err error) {
	for _, s := range shares {
		s.public = true
	}
	th := d.thread(shares, true)
	if before != "" {
		p, err := parseSpot(before)
		if err != nil {
			return nil, "", touched, err
		}
		if err := th.seek(ctx, p); err != nil {
			return nil, "", touched, err
		}
	}
	size := 0
	var last spot
	d.read(ctx, th, func(e Event, of *share, failed error) bool {
		if err = failed; err != nil {
			return false
		}
		if touched.IsZero() {
			touched = e.At
		}
		m := viewMessage(&e)
		if m.Text == "" && len(m.Attachments) == 0 && !m.Erased {
			return true
		}
		size += len(m.Text) + filesSize(m.Attachments)
		if len(list) == mostMessages || len(list) > 0 && size > pageOfMessages {
			earlier = last.cursor()
			return false
		}
		if of.ticket.ID != shares[0].ticket.ID {
			m.Number = of.ticket.Number
		}
		list = append(list, m)
		last = spot{at: e.At, ticket: e.Ticket, seq: e.Seq}
		return true
	})
	slices.Reverse(list)
	return list, earlier, touched, err
}

func viewMessage(e *Event) ViewMessage {
	return ViewMessage{
		Seq: e.Seq, At: e.At, FromDesk: fromDesk(e), Name: e.Actor.Name,
		Text: e.Message, Attachments: e.Attachments, Erased: e.Seals.PublicContent.Erased(),
	}
}

// A spot is the place of an event in a thread.
type spot struct {
	at     time.Time
	ticket ID
	seq    int64
}

// The bytes of its cursor: a version, eight bytes of microseconds, the ID, eight
// bytes of the number.
const (
	spotVersion = 2 // 1 is a Place
	spotSize    = 1 + 8 + 16 + 8
)

func (p spot) cursor() Cursor {
	b := make([]byte, 0, spotSize)
	b = append(b, spotVersion)
	b = binary.BigEndian.AppendUint64(b, uint64(p.at.UnixMicro()))
	b = append(b, p.ticket[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(p.seq))
	return Cursor(base64.RawURLEncoding.EncodeToString(b))
}

func parseSpot(c Cursor) (spot, error) {
	b, err := decodeCursor(c)
	if err != nil || len(b) != spotSize || b[0] != spotVersion {
		return spot{}, invalid("before", "is not a cursor of messages")
	}
	return spot{
		at:     time.UnixMicro(int64(binary.BigEndian.Uint64(b[1:]))).UTC(),
		ticket: ID(b[9:25]),
		seq:    int64(binary.BigEndian.Uint64(b[25:])),
	}, nil
}

// seek goes to the events before a place. In the ticket of the place it uses the event
// number. In the others it uses the time, because the tickets may have been merged later.
func (th *thread) seek(ctx context.Context, p spot) error {
	passed := false // at equal times, later strands come earlier
	for _, s := range th.strands {
		if s.ticket.ID == p.ticket {
			passed = true
			s.next, s.at = min(p.seq-1, s.next), p.at
			continue
		}
		earlier := func(at time.Time) bool { return at.Before(p.at) || passed && at.Equal(p.at) }
		if earlier(s.at) {
			continue
		}
		s.at = p.at
		// Find the first event that is not earlier than the place.
		low, high := int64(1), s.ticket.Version
		for low < high {
			middle := low + (high-low)/2
			events, err := th.d.store.Events(ctx, s.ticket.Tenant, s.ticket.ID, middle-1, 1)
			if err != nil {
				return err
			}
			if len(events) > 0 && earlier(events[0].At) {
				low = middle + 1
			} else {
				high = middle
			}
		}
		s.next = low - 1
	}
	return nil
}

// isLinked checks that a number leads to the ticket that a link is for.
func (d *Desk) isLinked(ctx context.Context, a Actor, ref string) error {
	if ref == "" {
		return nil
	}
	asked, err := d.find(ctx, a, ref)
	if err != nil {
		return err
	}
	linked, err := d.find(ctx, a, a.only.String())
	if err == nil && asked.ID != linked.ID {
		err = &NotFoundError{What: "ticket", Ref: ref}
	}
	return err
}

// fromDesk reports whether an event's words are the desk's. An opening message is
// always the customer's, even if an agent wrote it.
func fromDesk(e *Event) bool { return e.Seq > 1 && e.By.Role&RoleCustomer == 0 }
