package ticket

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// RetainOptions are options of [Desk.Retain].
type RetainOptions struct {
	DryRun bool // report the steps, and make none
	Limit  int  // steps at most; zero means 1000
}

// RetainReport is the result of [Desk.Retain].
type RetainReport struct {
	Steps []RetentionStep // that were made, or would be made
	Held  []RetentionStep // that a legal hold prevents
	More  bool            // the limit was reached, and there may be more
}

const (
	defaultRetained = 1000
	retainPage      = 100
)

// Retain applies the rules of [Config].Retention to the closed tickets of all tenants. Each
// ticket makes at most one step: it is archived, loses its words, or loses its persons. The
// history of the ticket records the step, as [ActionArchive] or [ActionErase] of the system
// "desk". [Desk.Run] calls Retain once an hour until nothing is left to do.
//
// A dry run reports what a run at that time would do. Any number of processes may call Retain
// at the same time, and it may be interrupted: each step is committed for itself. A ticket that
// was reopened meanwhile is left out. A ticket with a legal hold is archived, but not erased.
// See [Desk.Erase] about what is erased, and what cannot be.
//
// Every run reads the closed tickets that are old enough for a step and that no rule selects,
// or a hold keeps, again. If a ticket fails, Retain goes on with the others, up to 100, and
// joins the errors. A store that is not an [Archiver], and an [Eraser] if something is to be
// erased, returns [errors.ErrUnsupported].
func (d *Desk) Retain(ctx context.Context, o RetainOptions) (RetainReport, error) {
	var report RetainReport
	if o.Limit < 0 {
		return report, invalid("retain.limit", "must be 1 or more, or 0 for %d", defaultRetained)
	}
	if o.Limit == 0 {
		o.Limit = defaultRetained
	}
	s, ok := d.store.(Archiver)
	if !ok {
		return report, unsupported("archive", errors.ErrUnsupported)
	}
	now := d.now()
	var faults []error
	for i := range retentionSteps {
		step := &retentionSteps[i]
		youngest := time.Duration(0)
		for j := range d.cfg.Retention {
			if age := step.age(&d.cfg.Retention[j]); age > 0 && (youngest == 0 || age < youngest) {
				youngest = age
			}
		}
		if youngest == 0 {
			continue
		}
		for q := (ClosedQuery{Stage: step.from, Before: nearest(now.Add(-youngest), epoch, lastNow), Limit: retainPage}); ; {
			page, err := s.Closed(ctx, q)
			if err != nil {
				return report, errors.Join(append(faults, unsupported("archive", err))...)
			}
			for k := range page {
				t := &page[k]
				q.AfterTime, q.AfterID = t.Closed, t.ID
				rule, due := d.dueStep(i, t, now)
				if !due {
					continue
				}
				if len(report.Steps) == o.Limit {
					report.More = true
					return report, errors.Join(faults...)
				}
				made := RetentionStep{t.Tenant, t.ID, t.Number, rule, step.to}
				if t.LegalHold && !step.erase.zero() {
					report.Held = append(report.Held, made)
					continue
				}
				var done bool
				if o.DryRun {
					name := ActionArchive
					if !step.erase.zero() {
						name = ActionErase
					}
					err = d.may(deskItself.InTenant(t.Tenant), *t, name)
					done = err == nil
				} else {
					done, err = d.retain(ctx, i, *t, now)
				}
				if done {
					report.Steps = append(report.Steps, made)
				}
				if err != nil {
					faults = append(faults, fmt.Errorf("ticket %s: %w", t.ID, err))
				}
				if ctx.Err() != nil || len(faults) == mostFaults {
					return report, errors.Join(faults...)
				}
			}
			if len(page) < retainPage {
				break
			}
		}
	}
	return report, errors.Join(faults...)
}

// dueStep reports whether a ticket has to make a step now, and by which rule.
func (d *Desk) dueStep(step int, t *Ticket, now time.Time) (rule string, due bool) {
	s := &retentionSteps[step]
	if t.Stage != s.from || t.Closed.IsZero() {
		return "", false
	}
	r := d.cfg.retentionRule(t)
	if r == nil {
		return "", false
	}
	age := s.age(r)
	return r.Name, age > 0 && !t.Closed.After(now.Add(-age))
}

// retain makes a step. It reports false if the ticket has changed, so that it is not due.
func (d *Desk) retain(ctx context.Context, step int, t Ticket, now time.Time) (bool, error) {
	s := &retentionSteps[step]
	a := deskItself.InTenant(t.Tenant)
	rule, _ := d.dueStep(step, &t, now)
	if !s.erase.zero() {
		store, err := d.eraserStore("erasure")
		if err != nil {
			return false, err
		}
		x := &eraser{d: d, store: store, actor: a, report: &ErasureReport{}, stage: new(s.to),
			plan: Erasure{Ticket: t.ID, Groups: s.erase, Reason: "retention: " + rule}}
		x.applies = func(t *Ticket) bool {
			_, due := d.dueStep(step, t, now)
			return due && !t.LegalHold
		}
		err = x.ticket(ctx, t.ID)
		return x.done, unsupported("erasure", err)
	}
	if err := d.may(a, t, ActionArchive); err != nil {
		return false, err
	}
	e := d.upkeepEvent(&t, a, ActionArchive)
	e.Set.Stage, e.Set.Rule = new(s.to), rule
	err := d.record(ctx, t, e)
	if errors.Is(err, ErrConflict) {
		return false, nil // comes again if it is still due
	}
	return err == nil, err
}

// retainAll calls Retain until nothing is left to do, and returns the number of steps.
func (d *Desk) retainAll(ctx context.Context) (int, error) {
	for n := 0; ; {
		report, err := d.Retain(ctx, RetainOptions{})
		n += len(report.Steps)
		if err != nil || !report.More {
			return n, err
		}
	}
}
