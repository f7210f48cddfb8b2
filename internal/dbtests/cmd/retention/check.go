package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"strings"

	"github.com/ticketkit/ticket"
)

// known is a ticket before the runs.
type known struct {
	kind    kind
	version int64
	sums    [2][sha256.Size]byte // of the history as it must be after each run, without what the runs add
}

// erased returns what the runs up to a run erase from the events of a ticket.
func (k kind) erased(run int) ticket.Groups {
	switch {
	case (k == toForget || k == tagged) && run == 1:
		return ticket.Groups{PublicContent: true, InternalContent: true, Identities: true, Remarks: true}
	case k == toErase, k == toForget, k == tagged:
		return ticket.Groups{PublicContent: true, InternalContent: true, Remarks: true}
	default:
		return ticket.Groups{}
	}
}

// stage returns the stage of a ticket after a run, and whether the run is to do a step.
func (k kind) stage(run int) (ticket.Stage, bool) {
	switch {
	case k == toArchive:
		return ticket.StageArchived, run == 0
	case (k == toForget || k == tagged) && run == 1:
		return ticket.StageErased, true
	case k == toErase, k == toForget, k == tagged:
		return ticket.StageWordsErased, run == 0
	case k == held:
		return ticket.StageArchived, false
	default:
		return ticket.StageActive, false
	}
}

// ruleOf returns the name of the rule for a ticket. In the first run, one loses the tag that the
// rule selects by.
func (k kind) ruleOf(run int) string {
	if k == tagged && run == 0 {
		return "tagged"
	}
	return "usual"
}

// steps returns the number of steps up to a run.
func (k kind) steps(run int) (n int) {
	for i := range run + 1 {
		if _, does := k.stage(i); does {
			n++
		}
	}
	return n
}

func sum(events []ticket.Event, g ticket.Groups) (s [sha256.Size]byte, err error) {
	h := sha256.New()
	for i := range events {
		text, err := json.Marshal(events[i].Erase(g))
		if err != nil {
			return s, err
		}
		h.Write(text)
	}
	return [sha256.Size]byte(h.Sum(nil)), nil
}

// note notes all tickets before the runs.
func (r *running) note(ctx context.Context) error {
	r.before = map[ticket.ID]*known{}
	kindsOf := map[ticket.ID]kind{}
	for i := range r.tickets {
		kindsOf[idOf(i, closedAt(i).Add(-work))] = kindOf(i)
	}
	for events, err := range r.Store.Export(ctx, ticket.ID{}) {
		if err != nil {
			return err
		}
		id := events[0].Ticket
		k := &known{kind: kindsOf[id], version: int64(len(events))}
		for run := range k.sums {
			if k.sums[run], err = sum(events, k.kind.erased(run)); err != nil {
				return err
			}
		}
		r.before[id] = k
	}
	return nil
}

// compare compares all tickets with what they were and with what a dry run said before the run.
func (r *running) compare(ctx context.Context, would ticket.RetainReport, run int) error {
	r.compareDry(would, run)
	rep := r.report
	if run == 0 {
		if statement := damage[r.Sabotage]; statement != "" {
			if _, err := r.DB.ExecContext(ctx, statement); err != nil {
				return err
			}
		}
	}
	type head struct {
		version int64
		digest  ticket.Digest
		stage   ticket.Stage
	}
	heads := map[ticket.ID]head{}
	for q := (ticket.Query{Stage: ticket.Stages(), Limit: ticket.MaxLimit}); ; {
		page, err := r.Store.List(ctx, q)
		if err != nil {
			return err
		}
		for i := range page.Tickets {
			t := &page.Tickets[i]
			heads[t.ID] = head{t.Version, t.Digest, t.Stage}
		}
		if q.After = page.Next; q.After == "" {
			break
		}
	}
	found := 0
	for events, err := range r.Store.Export(ctx, ticket.ID{}) {
		if err != nil {
			return err
		}
		id := events[0].Ticket
		k := r.before[id]
		if k == nil {
			continue // of a writer
		}
		found++
		if err := (ticket.Chain{}).Verify(events); err != nil {
			rep.note(&rep.changed, "ticket %s: %v", id, err)
			continue
		}
		var fold ticket.Ticket
		for i := range events {
			fold = ticket.Apply(fold, events[i])
		}
		if (heads[id] != head{fold.Version, fold.Digest, fold.Stage}) {
			rep.note(&rep.changed, "ticket %s is %v, and its events say version %d at stage %q", id, heads[id], fold.Version, fold.Stage)
		}
		if err := r.compareOne(k, events, fold.Stage, run); err != nil {
			return err
		}
	}
	if found != len(r.before) {
		rep.note(&rep.lost, "there were %d tickets, and there are %d", len(r.before), found)
	}
	return nil
}

// compareDry compares what a dry run said with what is due.
func (r *running) compareDry(would ticket.RetainReport, run int) {
	rep := r.report
	steps, holds := 0, 0
	for _, k := range r.before {
		if _, does := k.kind.stage(run); does {
			steps++
		}
		if k.kind == held {
			holds++
		}
	}
	if len(would.Steps) != steps || len(would.Held) != holds || would.More {
		rep.note(&rep.wrong, "%d tickets are due and %d held, and the dry run says %d and %d", steps, holds, len(would.Steps), len(would.Held))
	}
	for _, s := range would.Steps {
		k := r.before[s.Ticket]
		if k == nil {
			rep.note(&rep.wrong, "the dry run says a step of ticket %s, which is not one of these", s.Ticket)
			continue
		}
		if stage, does := k.kind.stage(run); !does || stage != s.Stage || s.Rule != k.kind.ruleOf(run) {
			rep.note(&rep.wrong, "the dry run says that ticket %s gets stage %q by rule %q, and should say %q by %q", s.Ticket, s.Stage, s.Rule, stage, k.kind.ruleOf(run))
		}
	}
}

// compareOne compares a ticket with what it was.
func (r *running) compareOne(k *known, events []ticket.Event, stage ticket.Stage, run int) error {
	rep, id := r.report, events[0].Ticket
	if int64(len(events)) < k.version {
		rep.note(&rep.lost, "ticket %s had %d events, and has %d", id, k.version, len(events))
		return nil
	}
	old, added := events[:k.version], events[k.version:]
	have, err := sum(old, ticket.Groups{})
	if err != nil {
		return err
	}
	if have != k.sums[run] {
		rep.note(&rep.changed, "ticket %s has other events than before, or content that a step erases", id)
	}
	want, _ := k.kind.stage(run)
	if stage != want {
		rep.note(&rep.wrong, "ticket %s is at stage %q, and must be at %q", id, stage, want)
	}
	steps := 0
	for i := range added {
		e := &added[i]
		if e.Set.Stage != nil {
			steps++
		}
		by := e.By == ticket.By{Role: ticket.RoleSystem, ID: "desk"}
		rule := e.Set.Rule
		if e.Set.Erased != nil {
			rule = strings.TrimPrefix(e.Set.Erased.Reason, "retention: ")
		}
		if !by || rule != k.kind.ruleOf(0) && rule != k.kind.ruleOf(run) || e.Action != ticket.ActionArchive && e.Action != ticket.ActionErase {
			rep.note(&rep.changed, "event %d of ticket %s is %s by %v, rule %q", e.Seq, id, e.Action, e.By, rule)
		}
		if e.Subject != "" || len(e.Fields)+len(e.Set.AddTags) > 0 {
			rep.note(&rep.wrong, "event %d of ticket %s, which records a step, has content", e.Seq, id)
		}
	}
	if steps != k.kind.steps(run) {
		rep.note(&rep.wrong, "ticket %s made %d steps, and must make %d", id, steps, k.kind.steps(run))
	}
	if k.kind == tagged && run == 0 && len(added) > 0 {
		rep.parts += len(added)
	}
	return nil
}

// check checks the tickets of the writers.
func (r *running) check(ctx context.Context, desk *ticket.Desk) error {
	rep := r.report
	if err := r.said(); err != nil {
		return err
	}
	for id, acked := range r.writers.acked {
		rep.events += int(acked.Version)
		t, err := desk.Get(ctx, ticket.System("check"), id)
		if err != nil {
			rep.note(&rep.lost, "ticket %s of a writer: %v", id, err)
			continue
		}
		if t.Version != acked.Version || t.Digest != acked.Digest || t.Stage != ticket.StageActive {
			rep.note(&rep.changed, "ticket %s of a writer has version %d at stage %q, and was acknowledged with %d", id, t.Version, t.Stage, acked.Version)
		}
		if err := desk.Verify(ctx, ticket.System("check"), id); err != nil {
			rep.note(&rep.lost, "ticket %s of a writer: %v", id, err)
		}
	}
	for p := range rep.times {
		rep.times[p] = r.writers.timing(phase(p))
	}
	// One ticket of each kind, whole.
	seen := map[kind]int{}
	for id, k := range r.before {
		if seen[k.kind]++; seen[k.kind] > 20 {
			continue
		}
		if err := desk.Verify(ctx, ticket.System("check"), id); err != nil {
			rep.note(&rep.changed, "ticket %s: %v", id, err)
		}
	}
	if len(seen) != int(kinds) {
		rep.note(&rep.wrong, "there are %d kinds of tickets, and must be %d", len(seen), kinds)
	}
	return nil
}
