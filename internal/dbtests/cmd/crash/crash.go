package main

import (
	"context"
	"errors"
	"fmt"
	"github.com/ticketkit/ticket/internal/dbtests/ordeal"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/internal/dbtests/servers"
)

// A crashing is the run for one store.
type crashing struct {
	ordeal.Backend
	options
	dir    string
	dsn    string
	server *servers.Server // nil for a file
	slots  []*slot
	rand   *rand.Rand
	record *record
	seeds  []known
	opened []known
	report *report
}

// A slot is the place of a writer. When one is killed, the next takes it.
type slot struct {
	number  int
	count   int // of writers so far
	child   *ordeal.Child
	journal string
	pending []request
}

// crash works on a store, kills, and checks.
func crash(ctx context.Context, b ordeal.Backend, o options) (_ *report, err error) {
	dir, err := os.MkdirTemp("", "ticket-crash-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	r := &crashing{Backend: b, options: o, dir: dir, record: newRecord(), rand: rand.New(rand.NewPCG(o.Seed, 1)), report: &report{store: b.Name}}
	if r.dsn, r.server, err = b.Place(ctx, dir, "crash"); err != nil {
		return nil, err
	}
	if r.server != nil {
		defer func() { err = errors.Join(err, r.server.Stop()) }()
	}
	if err := r.seedTickets(ctx); err != nil {
		return nil, err
	}
	defer func() { // in every case
		for _, s := range r.slots {
			if s.child != nil {
				_, _ = s.child.Process.Kill(), s.child.Wait()
			}
		}
	}()
	if err := r.work(ctx); err != nil {
		return nil, err
	}
	if err := r.settle(ctx); err != nil {
		return nil, err
	}
	return r.report, r.check(ctx)
}

// seedTickets opens the tickets that all writers share.
func (r *crashing) seedTickets(ctx context.Context) error {
	desk, db, err := openDesk(ctx, r.Driver, r.dsn, r.Dialect)
	if err != nil {
		return err
	}
	for i := range r.tickets {
		whose := i % customers
		q := request{Token: fmt.Sprintf("seed-%d", i), Actor: customer(whose)}
		q.Draft = &ticket.Draft{Subject: "Shared by all", Message: ticket.Message(q.Token)}
		e := perform(ctx, desk, &q)
		if e.Kind != acknowledged {
			return fmt.Errorf("open the first tickets: %s %s", e.Kind, e.Text)
		}
		r.record.add([]entry{{Kind: asked, Token: q.Token}, e})
		r.seeds = append(r.seeds, known{e.Ticket, whose})
	}
	return db.Close()
}

// work lets the writers write, and kills until the time is over.
func (r *crashing) work(ctx context.Context) error {
	for i := range r.writers {
		s := &slot{number: i}
		r.slots = append(r.slots, s)
		if err := r.startWriter(s); err != nil {
			return err
		}
	}
	for end := time.Now().Add(r.length); time.Now().Before(end); {
		select {
		case <-time.After(time.Duration(r.rand.Int64N(int64(2 * r.pause)))):
		case <-ctx.Done():
			return ctx.Err()
		}
		victims := r.rand.Perm(len(r.slots))
		switch n := r.rand.IntN(10); {
		case n < 5:
			victims = victims[:1]
		case n < 8:
			victims = victims[:1+r.rand.IntN(len(victims))]
		case r.server == nil: // all at once: nobody has the file open any more
		default:
			if n == 8 { // only the server
				victims = nil
			}
			if err := r.crashServer(ctx, victims); err != nil {
				return err
			}
			continue
		}
		if err := r.kill(victims); err != nil {
			return err
		}
		for _, v := range victims {
			if err := r.startWriter(r.slots[v]); err != nil {
				return err
			}
		}
	}
	all := r.rand.Perm(len(r.slots))
	if r.server != nil {
		return errors.Join(r.server.Kill(), r.kill(all))
	}
	return r.kill(all)
}

// crashServer kills the server, and some writers just after it.
func (r *crashing) crashServer(ctx context.Context, victims []int) error {
	if err := r.server.Kill(); err != nil {
		return err
	}
	r.report.killedServers++
	if err := r.kill(victims); err != nil {
		return err
	}
	for _, v := range victims { // they find no server
		if err := r.startWriter(r.slots[v]); err != nil {
			return err
		}
	}
	time.Sleep(time.Duration(r.rand.Int64N(int64(200 * time.Millisecond))))
	return r.server.Restart(ctx)
}

// startWriter starts the next writer of a slot.
func (r *crashing) startWriter(s *slot) error {
	s.count++
	name := fmt.Sprintf("w%d-%d", s.number, s.count)
	s.journal = filepath.Join(r.dir, name+".journal")
	t := task{Driver: r.Driver, DSN: r.dsn, Dialect: r.Dialect, Journal: s.journal, Name: name, Callers: r.callers, Seed: r.rand.Uint64(),
		Tickets: append(slices.Clone(r.seeds), r.opened[max(0, len(r.opened)-16):]...), Pending: s.pending}
	child, err := ordeal.NewChild(taskVariable, filepath.Join(r.dir, name+".task"), t)
	if err != nil {
		return err
	}
	s.child = child
	return child.Start()
}

// kill kills all of the writers before it waits for the first, and reads their
// journals.
func (r *crashing) kill(victims []int) error {
	for _, v := range victims {
		if err := r.slots[v].child.Kill(); err != nil {
			return err
		}
	}
	for _, v := range victims {
		s := r.slots[v]
		_ = s.child.Wait() // it was killed
		if s.child.ProcessState.Exited() {
			return fmt.Errorf("a writer ended unexpectedly: %s: %s", s.child.ProcessState, s.child.Errors)
		}
		_ = s.child.Input.Close()
		s.child = nil
		r.report.killedWriters++
		list, err := readJournal(s.journal)
		if err != nil {
			return err
		}
		for _, q := range s.pending { // perhaps the writer did not reach them
			list = append(list, entry{Kind: reminder, Token: q.Token})
		}
		r.record.add(list)
		s.pending = r.record.pending(list)
		for _, e := range list {
			if e.Kind == acknowledged && e.Number != "" {
				if t := r.record.attempts[e.Token]; t.keyed != nil {
					r.opened = append(r.opened, known{e.Ticket, t.keyed.Whose})
				}
			}
		}
		if err := errors.Join(os.Remove(filepath.Join(r.dir, fmt.Sprintf("w%d-%d.task", s.number, s.count))), removeJournal(s.journal)); err != nil {
			return err
		}
	}
	return nil
}

func removeJournal(path string) error {
	if err := os.Remove(path); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// settle crashes the server once more, so that nothing is under way, and repeats
// requests that have a key and no outcome.
func (r *crashing) settle(ctx context.Context) error {
	if r.server != nil {
		r.report.killedServers++
		if err := r.server.Restart(ctx); err != nil {
			return err
		}
	}
	desk, db, err := openDesk(ctx, r.Driver, r.dsn, r.Dialect)
	if err != nil {
		return err
	}
	for _, s := range r.slots {
		for i := range s.pending {
			q := &s.pending[i]
			e := perform(ctx, desk, q)
			if e.Kind == failed {
				return fmt.Errorf("repeat %s at the end: %s", q.Token, e.Text)
			}
			r.record.add([]entry{{Kind: asked, Token: q.Token, Keyed: q}, e})
		}
	}
	return db.Close()
}

// A report is the result of a run.
type report struct {
	ordeal.Findings

	store                               string
	killedWriters, killedServers        int
	acknowledged, refused               int
	unknown, unknownWritten             int // outcomes that no caller learned, and how many of them were written
	again                               int // repeated requests with a key
	events, tickets                     int
	lost, torn, doubled, doubledNumbers int
	errors                              int // that no kill explains
	failures                            map[string]int
}

// Good reports whether nothing is wrong.
func (r *report) Good() bool {
	return r.lost+r.torn+r.doubled+r.doubledNumbers+r.errors == 0 && r.acknowledged > 0
}

// columns are the names of the values that row returns.
var columns = []string{"store", "writers killed", "servers killed", "actions acknowledged", "refused", "outcome unknown", "of these, written",
	"repeated with their key", "events", "tickets", "lost", "torn", "doubled", "doubled numbers", "errors"}

// Row returns the values of columns.
func (r *report) Row() []string {
	row := []string{r.store}
	for _, n := range []int{r.killedWriters, r.killedServers, r.acknowledged, r.refused, r.unknown, r.unknownWritten,
		r.again, r.events, r.tickets, r.lost, r.torn, r.doubled, r.doubledNumbers, r.errors} {
		row = append(row, strconv.Itoa(n))
	}
	return row
}

// Remarks returns the findings, and the errors that callers got during kills.
func (r *report) Remarks() []string {
	short := map[string]int{}
	for text, n := range r.failures {
		text = strings.ReplaceAll(text, "\n", " ")
		short[text[:min(len(text), 160)]] += n
	}
	var list []string
	for text, n := range short {
		list = append(list, fmt.Sprintf("%6d × %s", n, text))
	}
	slices.Sort(list)
	slices.Reverse(list)
	return append(r.Found, list[:min(len(list), 8)]...)
}
