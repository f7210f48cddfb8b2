package web

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/report"
)

// A ledger keeps the reports that were computed, and computes others while somebody waits for
// them. A report of a period that is over never changes, so it is computed once. One of a period
// that goes on is shown as it is, and computed again when it is old. At most one pass over the
// tickets runs at a time; all reports that are wanted share it. A pass that fails, or takes longer
// than passTime, goes on where it stopped when somebody asks again.
type ledger struct {
	desk    *ticket.Desk
	now     func() time.Time
	fail    func(ctx context.Context, what string, err error)
	options report.Config // for all reports, without the period

	ctx   context.Context // of the passes
	begin func() bool     // counts a pass; false if none may begin any more
	end   func()

	mu     sync.Mutex
	kept   map[ledgerKey]*kept
	passes map[string]*pass // by tenant; one that does not run goes on later
	busy   bool             // a pass runs
}

const (
	// passTime is how long a pass reads tickets before it waits for somebody to ask again.
	passTime = time.Minute
	// patience is how long a page waits for its figures before it says that they are being
	// computed.
	patience = 1500 * time.Millisecond
	// settling is how long after its end a period is computed for good: every commit of the
	// period is there by then.
	settling = 10 * time.Minute
	// freshFor is the least age at which a report is computed again. It grows with the time that
	// the pass took, so that reports take a twentieth of a processor at most.
	freshFor      = 5 * time.Minute
	freshPerTaken = 20
	// afterFault is how long nothing is computed after an error.
	afterFault = 30 * time.Second

	mostKept   = 120 // reports, of all tenants
	mostWanted = 24  // reports of one pass
)

type ledgerKey struct {
	tenant   string
	from, to int64 // in seconds
}

// kept is a finished report. It does not change any more.
type kept struct {
	wall, hours map[string]report.Table // by the name of the figure
	order       []report.Table
	to          time.Time // the end that was computed up to
	computed    time.Time
	took        time.Duration
	tickets     int
	final       bool
	used        time.Time
}

// pass is one reading of the tickets of a tenant, for several reports.
type pass struct {
	reports map[ledgerKey]*report.Report
	ends    map[ledgerKey]period
	began   time.Time // the present of the reports
	took    time.Duration
	after   ticket.ID
	tickets int
	running bool
	failed  time.Time // the last error; zero if there was none
	done    chan struct{}
	wanted  map[ledgerKey]period // for the next pass
}

// progress says how far the reports are that are not there.
type progress struct {
	Tickets int  // read so far
	Failed  bool // the last try ended with an error
}

// get returns the reports of the periods, in their order. It starts a pass for those that are
// not there or are old, and waits a moment for those that are not there. Where one is still missing
// it is nil.
func (l *ledger) get(ctx context.Context, tenant string, list []period) ([]*kept, progress) {
	found, missing := l.look(tenant, list) //nolint:contextcheck // a pass outlives the request that wants it
	if missing == nil {
		return found, progress{}
	}
	wait := time.NewTimer(patience)
	defer wait.Stop()
	for missing != nil {
		select {
		case <-missing:
			found, missing = l.look(tenant, list) //nolint:contextcheck // as above
			continue
		case <-wait.C:
		case <-ctx.Done():
		}
		break
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	var how progress
	if p := l.passes[tenant]; p != nil {
		how = progress{Tickets: p.tickets, Failed: !p.failed.IsZero()}
	}
	return found, how
}

// look returns the reports that there are. The channel is closed when there may be more; it is
// nil if nothing is missing, or nothing is being computed.
func (l *ledger) look(tenant string, list []period) ([]*kept, <-chan struct{}) {
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	found := make([]*kept, len(list))
	missing := false
	for i, w := range list {
		key := keyOf(tenant, w)
		k := l.kept[key]
		if found[i] = k; k != nil {
			k.used = now
			age := now.Sub(k.computed) // negative if the clock was set back: it may have been far ahead
			if age >= 0 && (k.final || age < max(freshFor, freshPerTaken*k.took)) {
				continue
			}
		}
		missing = missing || k == nil
		l.want(tenant, key, w)
	}
	p := l.passes[tenant]
	if p == nil {
		return found, nil
	}
	l.start(tenant, p, now)
	if !missing || !p.running {
		return found, nil
	}
	return found, p.done
}

func keyOf(tenant string, w period) ledgerKey { return ledgerKey{tenant, w.From.Unix(), w.To.Unix()} }

// want notes a report for the pass of the tenant, or for the one after it. l.mu is held.
func (l *ledger) want(tenant string, key ledgerKey, w period) {
	p := l.passes[tenant]
	if p == nil {
		p = &pass{wanted: map[ledgerKey]period{}}
		l.passes[tenant] = p
	}
	if _, is := p.reports[key]; is {
		return
	}
	if _, is := p.wanted[key]; is || len(p.wanted) < mostWanted {
		p.wanted[key] = w
	}
}

// start lets the pass of a tenant go on, if none runs. l.mu is held.
func (l *ledger) start(tenant string, p *pass, now time.Time) {
	if l.busy || !p.failed.IsZero() && !now.Before(p.failed) && now.Sub(p.failed) < afterFault {
		return
	}
	// A pass that has stopped for long is of no use: its reports would be old. So is one of the
	// future, after the clock was set back.
	if p.reports != nil && (now.Before(p.began) || now.Sub(p.began) > max(freshFor, freshPerTaken*p.took)) {
		for key, w := range p.ends {
			if len(p.wanted) < mostWanted {
				p.wanted[key] = w
			}
		}
		p.reports = nil
	}
	if p.reports == nil && !l.prepare(tenant, p, now) || !l.begin() {
		return
	}
	p.running, p.failed, p.done = true, time.Time{}, make(chan struct{})
	l.busy = true
	go func() {
		defer l.end()
		l.run(tenant, p)
	}()
}

// prepare makes the reports that are wanted, and reports whether there are any. l.mu is held.
func (l *ledger) prepare(tenant string, p *pass, now time.Time) bool {
	p.reports, p.ends = map[ledgerKey]*report.Report{}, map[ledgerKey]period{}
	p.began, p.took, p.after, p.tickets = now, 0, ticket.ID{}, 0
	for key, w := range p.wanted {
		cfg := l.options
		cfg.Tenant, cfg.From, cfg.To, cfg.Now = tenant, w.From, w.To, now
		if now.Before(cfg.To) {
			cfg.To = now // so far
		}
		r, err := report.New(cfg)
		if err != nil {
			l.fail(l.ctx, "web: a report cannot be made", err)
			continue
		}
		p.reports[key], p.ends[key] = r, period{From: w.From, To: cfg.To}
	}
	clear(p.wanted)
	if len(p.reports) == 0 {
		p.reports = nil
		delete(l.passes, tenant)
		return false
	}
	return true
}

// run reads tickets until all are read, or for passTime.
func (l *ledger) run(tenant string, p *pass) {
	began := time.Now() //nolint:forbidigo // how long the pass takes is no time of the desk
	ctx, cancel := context.WithTimeout(l.ctx, passTime)
	defer cancel()
	by := ticket.System("reports")
	by.Tenant = tenant
	done := map[ledgerKey]*kept{}
	err := safely(func() error {
		for history, err := range l.desk.Histories(ctx, by, p.after) {
			if err != nil {
				return err
			}
			for _, r := range p.reports {
				if err := r.Add(history); err != nil {
					return err
				}
			}
			l.mu.Lock()
			p.after = history[0].Ticket
			p.tickets++
			l.mu.Unlock()
		}
		for key, r := range p.reports {
			done[key] = finished(r)
		}
		return nil
	})
	took := time.Since(began) //nolint:forbidigo // see above

	l.mu.Lock()
	defer l.mu.Unlock()
	defer close(p.done)
	p.running, l.busy = false, false
	p.took += took
	now := l.now()
	switch {
	case err == nil:
		for key, k := range done {
			end := p.ends[key].To
			k.to, k.computed, k.took, k.tickets, k.used = end, p.began, p.took, p.tickets, now
			k.final = !p.began.Before(time.Unix(key.to, 0).Add(settling))
			l.kept[key] = k
		}
		l.forget()
		p.reports = nil
		if len(p.wanted) == 0 {
			delete(l.passes, tenant)
		}
	case errors.Is(err, context.DeadlineExceeded) && l.ctx.Err() == nil:
		// It goes on when somebody asks again.
	default:
		p.failed = now
		if _, broken := errors.AsType[*ticket.ChainError](err); broken || errors.Is(err, ticket.ErrInvalid) || errors.Is(err, errPanic) {
			p.reports, p.wanted = nil, map[ledgerKey]period{} // the same ticket would fail again
		}
		l.fail(l.ctx, "web: computing reports failed", err)
	}
}

// finished takes the tables out of a report, which is not safe for concurrent use.
func finished(r *report.Report) *kept {
	k := &kept{wall: map[string]report.Table{}, hours: map[string]report.Table{}, order: r.Tables()}
	for _, t := range k.order {
		if in, ok := r.TableInHours(t.Name); ok {
			k.hours[t.Name] = in
		}
		k.wall[t.Name], _ = r.Table(t.Name)
	}
	return k
}

// forget drops the reports that were not used for longest. l.mu is held.
func (l *ledger) forget() {
	if len(l.kept) <= mostKept {
		return
	}
	keys := make([]ledgerKey, 0, len(l.kept))
	for key := range l.kept {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b ledgerKey) int { return l.kept[a].used.Compare(l.kept[b].used) })
	for _, key := range keys[:len(keys)-mostKept] {
		delete(l.kept, key)
	}
}
