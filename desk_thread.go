package ticket

import (
	"context"
	"iter"
	"slices"
	"time"
)

// A thread is the history of a ticket and of those that were merged into it, in the
// order of time. At equal times a merged ticket's events come first. It is read
// forwards or backwards and holds little memory, however many and however long the
// events are.
type thread struct {
	d       *Desk
	back    bool // from the newest event to the oldest
	strands []*strand
}

// A strand is one ticket's part of a thread.
type strand struct {
	*share
	next  int64     // the next event; below 1 or above the version: none
	at    time.Time // the earliest time it can have happened; backwards: the latest
	page  []moment  // the events from there on
	size  int       // about how much memory the page takes
	count int       // how many events to read at once
}

// A moment is an event with the phase that its ticket was in before.
type moment struct {
	Event
	before Phase
}

// thread begins to read the histories of tickets: first the one that was asked for,
// then those that were merged into it.
func (d *Desk) thread(shares []*share, back bool) *thread {
	th := &thread{d: d, back: back}
	for _, s := range shares {
		st := &strand{share: s, next: 1, at: s.ticket.Created, count: fewEvents}
		if back {
			st.next, st.at = s.ticket.Version, s.ticket.lastEvent()
		}
		th.strands = append(th.strands, st)
	}
	return th
}

// step returns the next event and its strand; nil at the end.
func (th *thread) step(ctx context.Context) (moment, *strand, error) {
	for {
		s := th.first()
		if s == nil {
			return moment{}, nil, nil
		}
		if len(s.page) > 0 {
			return s.take(th.back), s, nil
		}
		if err := th.read(ctx, s); err != nil {
			return moment{}, nil, err
		}
	}
}

// first returns the strand with the next event.
func (th *thread) first() (first *strand) {
	for _, s := range th.strands {
		switch {
		case s.next < 1 || s.next > s.ticket.Version:
		case first == nil, th.back && s.at.After(first.at), !th.back && !s.at.After(first.at):
			first = s
		}
	}
	return first
}

func (s *strand) take(back bool) moment {
	m := s.page[0]
	s.page[0] = moment{} // it belongs to the caller now
	s.page = s.page[1:]
	s.at, s.next = m.At, m.Seq+1
	if back {
		s.next = m.Seq - 1
	}
	if len(s.page) > 0 {
		s.at = s.page[0].At
	}
	return m
}

// read fills a strand's page.
func (th *thread) read(ctx context.Context, s *strand) error {
	from, to := s.next, min(s.next+int64(s.count)-1, s.ticket.Version)
	if th.back {
		from, to = max(s.next-int64(s.count)+1, 1), s.next
	}
	front := max(from-1, 1) // the event before from gives the phase
	events, err := th.d.store.Events(ctx, s.ticket.Tenant, s.ticket.ID, front-1, int(to-front+1))
	if err != nil {
		return err
	}
	var before Phase
	s.page, s.size = make([]moment, 0, len(events)), 0
	for i := range events {
		e := &events[i]
		if from <= e.Seq && e.Seq <= to {
			s.page = append(s.page, moment{*e, before})
			s.size += eventSize(e)
		}
		before = e.Phase
	}
	if th.back {
		slices.Reverse(s.page)
	}
	if len(s.page) == 0 { // the events were removed from the store
		s.next = to + 1
		if th.back {
			s.next = from - 1
		}
		return nil
	}
	s.at = s.page[0].At
	s.count = pageSize(s.count, len(s.page), s.size)
	th.drop(s)
	return nil
}

// drop releases the pages of other tickets if they are large. They are read again
// when needed.
func (th *thread) drop(but *strand) {
	held := 0
	for _, s := range th.strands {
		if len(s.page) > 0 && s != but {
			held += s.size
		}
	}
	if held <= 4*pageOfEvents {
		return
	}
	for _, s := range th.strands {
		if len(s.page) > 0 && s != but {
			s.page, s.count = nil, max(1, s.count/4)
		}
	}
}

// The size of a page: at first a few events, then as many as fill a page, by the
// average size of the earlier ones.
const (
	fewEvents    = 8
	mostEvents   = 500
	pageOfEvents = 256 << 10 // bytes, about
)

// pageSize returns how many events to read next, after a page of n.
func pageSize(now, n, size int) int {
	if n == 0 {
		return now
	}
	return max(1, min(mostEvents, 4*now, n*pageOfEvents/size))
}

// eventSize returns roughly how much memory an event takes.
func eventSize(e *Event) int {
	n := 1000 + len(e.Message) + len(e.Note) + filesSize(e.Attachments) + filesSize(e.NoteAttachments)
	for _, v := range e.Fields {
		switch v := v.(type) {
		case string:
			n += len(v)
		case []string:
			for _, s := range v {
				n += len(s)
			}
		}
	}
	return n
}

func filesSize(list []Attachment) (n int) {
	for i := range list {
		n += 100 + len(list[i].Name) + len(list[i].MediaType) + len(list[i].Ref)
	}
	return n
}

// events yields the stored events of one ticket, from the first on.
func (d *Desk) events(ctx context.Context, tenant string, id ID) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for page, err := range d.pages(ctx, tenant, id) {
			if err != nil {
				yield(Event{}, err)
				return
			}
			for _, e := range page {
				if !yield(e, nil) {
					return
				}
			}
		}
	}
}

// pages yields the stored events of one ticket, as they are read.
func (d *Desk) pages(ctx context.Context, tenant string, id ID) iter.Seq2[[]Event, error] {
	return func(yield func([]Event, error) bool) {
		after := int64(0)
		for count := fewEvents; ; {
			page, err := d.store.Events(ctx, tenant, id, after, count)
			if err != nil {
				yield(nil, err)
				return
			}
			n, size := len(page), 0
			for i := range page {
				after, size = page[i].Seq, size+eventSize(&page[i])
			}
			if n > 0 && !yield(page, nil) || n < count {
				return
			}
			count = pageSize(count, n, size)
		}
	}
}
