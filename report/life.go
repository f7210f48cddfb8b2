package report

import (
	"slices"

	"github.com/ticketkit/ticket"
)

// A life is what the figures need of one ticket: its history up to the end of the period.
// Times are microseconds since 1970 and never go back. A life is used again for the next
// ticket.
type life struct {
	created int64
	end     int64 // of the period
	last    stay  // the last stay, also the last one of stays

	stays     []stay
	open      []span  // when the ticket was open, joined
	flows     []flow  // when it became open, and when it stopped to be
	moves     []move  // between levels
	answers   []act   // of agents
	solved    []act   // when it became solved, or was solved again
	spells    []spell // of being finished after a solution
	waits     []wait  // for the next answer
	ended     []target
	running   []ticket.Clock
	rating    rating
	firstAns  int   // the event number of the first answer, or 0
	movedAt   int   // the event number of the first move between levels or queues, or 0
	firstAt   int64 // when that was
	reopened  bool
	cited     bool // a solution cites the ticket that helped
	suggested bool // and the desk had suggested that one
}

// A holder has a ticket for a part of its time. The names are those of package sla.
type holder int

const (
	desk holder = iota
	customer
	others
	finished
	merged
	holders
)

var holderNames = [holders]string{"desk", "customer", "others", "finished", "merged"}

// open reports whether the ticket is neither finished nor merged.
func (h holder) open() bool { return h < finished }

// A stay is a time in which nothing of this changes.
type stay struct {
	from, to int64
	holder   holder
	phase    ticket.Phase
	level    int
	queue    string
}

type span struct{ from, to int64 }

type flow struct {
	at   int64
	kind flowKind
}

type move struct {
	at       int64
	from, to int
}

type act struct {
	at    int64
	event int
	agent string // the ID of the agent; empty if it was none
}

type spell struct {
	solved, reopened int64 // reopened is -1 if it was not
	over             bool  // the ticket is open again
}

type wait struct {
	from, to int64
	outcome  string
}

type target struct {
	metric, policy string
	event          int64
	at             int64
	state          string
}

// read folds a history up to the end of a period. It returns false if the ticket was
// created later.
func (l *life) read(history []ticket.Event, end int64, onHold []ticket.Status) (bool, error) {
	for i := range history {
		if e := &history[i]; e.Seq != int64(i)+1 || e.Ticket != history[0].Ticket {
			_, err := ticket.Replay(history)
			return false, err
		}
	}
	*l = life{end: end, stays: l.stays[:0], open: l.open[:0], flows: l.flows[:0], moves: l.moves[:0], answers: l.answers[:0], solved: l.solved[:0],
		spells: l.spells[:0], waits: l.waits[:0], ended: l.ended[:0], running: l.running[:0]}
	var into ticket.ID
	at := int64(-1 << 63)
	for i := range history {
		e := &history[i]
		if at = max(at, e.At.UnixMicro()); at >= end {
			break
		}
		if i == 0 {
			l.created = at
		}
		if e.Set.MergedInto != nil {
			into = *e.Set.MergedInto
		}
		l.step(e, at, !into.IsZero(), onHold)
	}
	if len(l.stays) == 0 {
		return false, nil
	}
	l.stop(end)
	if n := len(l.waits); n > 0 && l.waits[n-1].outcome == "" {
		l.waits[n-1].to, l.waits[n-1].outcome = end, waiting
	}
	return true, nil
}

// step takes one event.
func (l *life) step(e *ticket.Event, at int64, isMerged bool, onHold []ticket.Status) {
	was := l.last
	now := stay{from: at, holder: desk, phase: e.Phase, level: e.To.Level, queue: was.queue}
	switch {
	case isMerged:
		now.holder = merged
	case e.Phase.Done():
		now.holder = finished
	case e.Phase == ticket.PhaseYourTurn:
		now.holder = customer
	case slices.Contains(onHold, e.To.Status):
		now.holder = others
	}
	if e.Set.Queue != nil {
		now.queue = *e.Set.Queue
	}
	first := e.Seq == 1
	l.place(e, first, &was, &now)
	l.words(e, at, first, now.holder.open())
	l.finish(e, at, first, &was, &now)
	l.clocks(e, at)
	if e.Set.FeedbackAsked {
		l.rating.asked = at
	}
	if e.Set.Score != 0 {
		l.rating.at, l.rating.score = at, e.Set.Score
	}
	if first || now.holder != was.holder || now.phase != was.phase || now.level != was.level || now.queue != was.queue {
		l.stop(at)
		l.stays = append(l.stays, now)
	}
	l.last = now
}

// stop ends the last stay.
func (l *life) stop(at int64) {
	n := len(l.stays)
	if n == 0 {
		return
	}
	s := &l.stays[n-1]
	if s.to = at; !s.holder.open() || s.from == s.to {
		return
	}
	if k := len(l.open); k > 0 && l.open[k-1].to == s.from {
		l.open[k-1].to = s.to
	} else {
		l.open = append(l.open, span{s.from, s.to})
	}
}

// place follows levels and queues, and when the ticket is open.
func (l *life) place(e *ticket.Event, first bool, was, now *stay) {
	if !first && (now.level != was.level || now.queue != was.queue) {
		if l.movedAt == 0 {
			l.movedAt = int(e.Seq)
		}
		if now.level != was.level && (was.holder.open() || now.holder.open()) {
			l.moves = append(l.moves, move{now.from, was.level, now.level})
		}
	}
	if first {
		l.flows = append(l.flows, flow{now.from, flowOpened})
	}
	switch in, out := !was.holder.open(), !now.holder.open(); {
	case in == out:
	case in && (was.holder == merged || e.Set.Restored != nil):
		l.flows = append(l.flows, flow{now.from, flowUnmerged})
	case in:
		l.flows = append(l.flows, flow{now.from, flowReopened})
	case now.holder == merged:
		l.flows = append(l.flows, flow{now.from, flowMerged})
	case now.phase == ticket.PhaseSolved:
		l.flows = append(l.flows, flow{now.from, flowSolved})
	default:
		l.flows = append(l.flows, flow{now.from, flowClosed})
	}
}

// words follows answers and waits for them.
func (l *life) words(e *ticket.Event, at int64, first, open bool) {
	n := len(l.waits)
	waits := n > 0 && l.waits[n-1].outcome == ""
	if e.Answer && !e.Automatic {
		l.answers = append(l.answers, act{at, int(e.Seq), agentOf(e)})
		if l.firstAns == 0 {
			l.firstAns, l.firstAt = int(e.Seq), at
		}
		if waits {
			l.waits[n-1].to, l.waits[n-1].outcome, waits = at, answered, false
		}
	}
	if waits && !open {
		l.waits[n-1].to, l.waits[n-1].outcome = at, unanswered
	}
	if !first && !waits && open && l.firstAns != 0 && fromCustomer(e) {
		l.waits = append(l.waits, wait{from: at})
	}
}

// fromCustomer reports whether a customer, and no machine, wrote to the desk. It goes by
// the seal of the content, which outlives the content.
func fromCustomer(e *ticket.Event) bool {
	return e.By.Role&ticket.RoleCustomer != 0 && !e.Automatic &&
		(!e.Seals.PublicContent.IsZero() || e.Message != "" || len(e.Attachments) > 0)
}

// finish follows solutions and reopening.
func (l *life) finish(e *ticket.Event, at int64, first bool, was, now *stay) {
	n := len(l.spells)
	solved := n > 0 && !l.spells[n-1].over
	switch {
	case now.holder.open():
		if !solved {
			break
		}
		l.spells[n-1].over = true
		if was.holder == finished && e.Reopens(was.phase) {
			l.spells[n-1].reopened = at
			l.reopened = true
		}
	case now.holder == finished && now.phase == ticket.PhaseSolved && e.Set.Restored == nil:
		if first || was.phase != ticket.PhaseSolved || e.Action == ticket.ActionResolve {
			l.solved = append(l.solved, act{at, int(e.Seq), agentOf(e)})
			l.help(e)
		}
		if !solved {
			l.spells = append(l.spells, spell{solved: at, reopened: -1})
		}
	}
}

// agentOf returns the ID of the agent who acted, and "" if it was nobody of them.
func agentOf(e *ticket.Event) string {
	if e.By.Role&ticket.RoleAgent == 0 {
		return ""
	}
	return e.By.ID
}

// firstSolution returns the first solution.
func (l *life) firstSolution() (act, bool) {
	if len(l.solved) == 0 {
		return act{}, false
	}
	return l.solved[0], true
}

// lastSolution returns the last solution, if the ticket is still finished.
func (l *life) lastSolution() (act, bool) {
	if len(l.solved) == 0 || l.last.holder != finished || l.spells[len(l.spells)-1].over {
		return act{}, false
	}
	return l.solved[len(l.solved)-1], true
}

// gone reports whether the ticket is merged into another one at the end of the period.
func (l *life) gone() bool { return l.last.holder == merged }
