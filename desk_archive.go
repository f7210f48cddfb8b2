package ticket

import (
	"context"
	"errors"
	"io"
	"iter"
)

// ArchiveReport is the result of [Desk.MoveOut] and [Desk.MoveIn].
type ArchiveReport struct {
	Moved   []ID // in the order of the file
	Skipped []ID // tickets that are left as they are
}

// WriteArchive writes the histories of the tickets that match q, and that the actor may see,
// as an archive file; see [Chain.WriteArchive]. It changes nothing. To move tickets out of the
// database, call [Desk.MoveOut] with the file afterwards:
//
//	file, err := os.Create("2026.jsonl")
//	…
//	archived := ticket.Query{Stage: []ticket.Stage{ticket.StageArchived}}
//	manifest, err := desk.WriteArchive(ctx, actor, file, archived)
//	err = file.Sync()
//	…
//	_, err = file.Seek(0, io.SeekStart)
//	report, err := desk.MoveOut(ctx, actor, file)
//
// The file has whole histories, with notes and persons, so keep it like the database. Files
// that belong to messages, deliveries and idempotency keys are not in it. It is for those who
// may do [ActionArchive] with each ticket.
func (d *Desk) WriteArchive(ctx context.Context, a Actor, w io.Writer, q Query) (ArchiveManifest, error) {
	return d.chain.WriteArchive(w, d.histories(ctx, a, q))
}

// histories yields the whole histories of tickets for an archive.
func (d *Desk) histories(ctx context.Context, a Actor, q Query) iter.Seq2[[]Event, error] {
	return func(yield func([]Event, error) bool) {
		if err := d.checkStaff(&a, ActionArchive); err != nil {
			yield(nil, err)
			return
		}
		for t, err := range d.Tickets(ctx, a, q) {
			if err == nil {
				err = d.may(a, t, ActionArchive)
			}
			var history []Event
			if err == nil {
				history, err = d.store.Events(ctx, a.Tenant, t.ID, 0, 0)
			}
			if !yield(history, err) || err != nil {
				return
			}
		}
	}
}

// movedOut is the reason in the events of MoveOut.
const movedOut = "moved out"

// MoveOut reads an archive file and erases the content of its tickets from the database. The
// tickets keep their numbers, phases and times, and get the stage [StageErased]; their
// histories still verify. MoveOut changes only archived tickets that are exactly as in the
// file. It skips those that have changed since, have a legal hold, are missing, or were erased
// already. [Config].RemoveFiles is not called: keep the files of the messages. Files in
// [Config].Files are removed by [Desk.SweepFiles], because nothing refers to them any more, so
// copy them first, and put them back with [FileStore].Put before [Desk.MoveIn]. That brings the
// content back.
//
// It reads the file once and erases each ticket when its history was verified, so an error at
// the end of the file, see [Chain.ReadArchive], can come after tickets were moved. These were
// complete in the file. It can be interrupted and called again. It is for those who may do
// [ActionErase]; other errors are those of [Desk.Erase].
func (d *Desk) MoveOut(ctx context.Context, a Actor, r io.Reader) (ArchiveReport, error) {
	return d.move(ctx, a, r, func(a Actor, s Eraser, history []Event) (bool, error) {
		x := &eraser{d: d, store: s, actor: a, report: &ErasureReport{}, stage: new(StageErased), keepFiles: true,
			plan: Erasure{Groups: allGroups, Reason: movedOut}}
		x.head = history[len(history)-1].Digest
		x.applies = func(t *Ticket) bool { return t.Stage == StageArchived && !t.LegalHold && t.Digest == x.head }
		id, version := history[0].Ticket, int64(len(history))
		later, err := d.store.Events(ctx, a.Tenant, id, version-1, 0)
		if err != nil {
			return false, err
		}
		for i := range later { // the steps of a call that was interrupted
			e := &later[i]
			if i == 0 && e.Digest != x.head || i > 0 && (e.Set.Erased == nil || e.Set.Erased.Reason != movedOut) {
				return false, nil
			}
			x.head = e.Digest
		}
		err = x.ticket(ctx, id)
		return x.done, err
	})
}

// MoveIn reads an archive file and puts the content of its tickets back, after [Desk.MoveOut].
// Tickets that are closed are archived afterwards. It changes only tickets whose history
// continues the one in the file, event by event, and skips tickets that are missing or have
// nothing erased. It is for those who may do [ActionArchive] and [ActionErase].
//
// What was erased after the file was written is put back too. Leave out those tickets, or erase
// again.
func (d *Desk) MoveIn(ctx context.Context, a Actor, r io.Reader) (ArchiveReport, error) {
	return d.move(ctx, a, r, func(a Actor, s Eraser, history []Event) (bool, error) {
		for try := 1; ; try++ {
			done, err := d.moveIn(ctx, a, s, history)
			if !errors.Is(err, ErrConflict) || try == d.cfg.Attempts || d.bound {
				return done, err
			}
			if err := pause(ctx, try); err != nil {
				return false, err
			}
		}
	})
}

// move reads an archive file and calls step for each history.
func (d *Desk) move(ctx context.Context, a Actor, r io.Reader, step func(Actor, Eraser, []Event) (bool, error)) (ArchiveReport, error) {
	var report ArchiveReport
	if err := d.checkStaff(&a, ActionArchive); err != nil {
		return report, err
	}
	s, err := d.eraserStore("erasure")
	if err != nil {
		return report, err
	}
	for history, err := range d.chain.ReadArchive(r) {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return report, err
		}
		id := history[0].Ticket
		done := false
		if history[0].Set.Tenant == a.Tenant {
			done, err = step(a, s, history)
		}
		switch {
		case err != nil && !isNotFound(err):
			return report, unsupported("erasure", err)
		case done:
			report.Moved = append(report.Moved, id)
		default:
			report.Skipped = append(report.Skipped, id)
		}
	}
	return report, nil
}

// moveIn puts the content of a ticket back.
func (d *Desk) moveIn(ctx context.Context, a Actor, s Eraser, history []Event) (bool, error) {
	t, err := d.load(ctx, a, history[0].Ticket)
	if err != nil {
		return false, err
	}
	for _, name := range [...]ActionName{ActionArchive, ActionErase} {
		if err := d.may(a, t, name); err != nil {
			return false, err
		}
	}
	stored, err := d.store.Events(ctx, t.Tenant, t.ID, 0, 0)
	if err != nil {
		return false, err
	}
	if n := int64(len(stored)); n > t.Version { // a change came between the two reads
		return false, &ConflictError{Ticket: t.ID, Expected: t.Version, Actual: n}
	}
	if len(stored) < len(history) || int64(len(stored)) != t.Version {
		return false, nil
	}
	var fold Ticket
	var back []Event
	for i := range stored {
		e := stored[i]
		if i < len(history) {
			if history[i].Digest != e.Digest {
				return false, nil
			}
			if whole := history[i]; whole.held() != e.held() {
				if whole.held().and(e.held()) != e.held() {
					return false, nil // erased before the file was written
				}
				e = whole
				back = append(back, e)
			}
		}
		fold = Apply(fold, e)
	}
	if len(back) == 0 {
		return false, nil
	}
	e := d.upkeepEvent(&t, a, ActionArchive)
	if e.Set.Rule = "moved in"; !t.Closed.IsZero() {
		e.Set.Stage = new(StageArchived)
	}
	c, err := d.rewrite(ctx, t, fold, e)
	if err != nil {
		return false, err
	}
	c.Events = back
	return true, d.eraseIn(ctx, s, c)
}
