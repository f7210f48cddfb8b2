// Package load is the common part of the commands that lose servers in mid-load. Writers open
// tickets, reply, attach files, and put mails at several places at the same time, and repeat each
// call with its key until it is acknowledged. Relays at all places claim and settle the same
// deliveries and mails, and record who held what when. Meanwhile all places maintain the same
// search index. A check compares what was acknowledged with what is there.
package load

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"sync"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/internal/dbtests/ordeal"
	"github.com/ticketkit/ticket/sqlstore"
)

const (
	via     = "mail"
	mailbox = "support"
	busy    = 40 // tickets that all writers write to
)

// A Place is a desk with its store. All places work on the same tickets.
type Place struct {
	Name  string
	Store *sqlstore.Store
	Desk  *ticket.Desk
}

// NewPlace opens the store, with search and files, which creates the tables.
func NewPlace(ctx context.Context, name string, db *sql.DB, d sqlstore.Dialect, opts ...sqlstore.Option) (*Place, error) {
	s, err := sqlstore.Open(ctx, db, d, append(opts, sqlstore.Search(), sqlstore.Files())...)
	if err != nil {
		return nil, err
	}
	desk, err := ticket.NewDesk(s, ticket.Config{Notifiers: map[string]ticket.Notifier{via: nil}, Files: s.Files(nil)})
	if err != nil {
		return nil, err
	}
	return &Place{name, s, desk}, s.Check(ctx)
}

// Options are those of a load.
type Options struct {
	Length   time.Duration // how long to write
	Backlog  int           // tickets, with a delivery each, with which the relays begin
	Lease    time.Duration // of a claim
	Relays   int           // of each kind at each place
	Once     time.Duration // the limit of one try
	Patience time.Duration // with a request, and with what is not settled at the end
}

// Flags returns the defaults, and adds flags that change them.
func Flags() *Options {
	o := &Options{Relays: 6, Once: 10 * time.Second, Patience: 90 * time.Second}
	flag.DurationVar(&o.Length, "for", time.Minute, "how long to write")
	flag.IntVar(&o.Backlog, "backlog", 600, "how many tickets are opened before the relays begin")
	flag.DurationVar(&o.Lease, "lease", 300*time.Millisecond, "the lease of a claim")
	return o
}

// A Load is one load with its results.
type Load struct {
	Options
	ordeal.Findings

	places              []*Place
	deliveries, letters holds

	mu         sync.Mutex
	open       []ticket.ID
	done       []request
	mails      []ticket.ID
	files      int            // actions with a file
	errors     map[string]int // of calls that were repeated
	maintained int            // calls of Maintain
	idle       map[string]int // errors of those
	last       time.Time      // when an action was acknowledged
	gap        time.Duration  // the longest time without one
	tickets    int

	lost, doubled, broken, unsettled, unfound, damaged int
}

// A request is an acknowledged action. Its token is a word that is in its event alone.
type request struct {
	token  string
	ticket ticket.ID
	file   ticket.Digest // of the file that it attached, if any
}

// New returns a load on places.
func New(o Options, places []*Place) *Load {
	l := &Load{Options: o, places: places, errors: map[string]int{}, idle: map[string]int{}}
	for _, h := range []*holds{&l.deliveries, &l.letters} {
		h.now, h.seen = map[ticket.ID]held{}, map[attempt]bool{}
	}
	return l
}

// Run opens the backlog, and lets writers and relays work. Meanwhile it calls harm, whose context
// ends with the writing, and which leaves all in order. Then it waits until all is settled.
func (l *Load) Run(ctx context.Context, harm func(context.Context) error) error {
	// The relays begin with the same deliveries.
	if err := l.everywhere(func(i int) (err error) {
		for k := i; k < l.Backlog && err == nil; k += len(l.places) {
			err = l.act(ctx, i, fmt.Sprintf("b%d", k), ticket.ID{})
		}
		return err
	}); err != nil {
		return err
	}
	relaying, end := context.WithCancel(ctx)
	var all sync.WaitGroup
	for _, p := range l.places {
		all.Go(func() { l.maintain(relaying, p) })
		for j := range l.Relays {
			who := fmt.Sprintf("relay %d on %s", j, p.Name)
			all.Go(func() {
				l.relay(relaying, who, &l.deliveries, func(ctx context.Context) ([]held, func() error, error) { return l.claimDeliveries(ctx, p) })
			})
			all.Go(func() {
				l.relay(relaying, who, &l.letters, func(ctx context.Context) ([]held, func() error, error) { return l.claimMails(ctx, p) })
			})
		}
	}
	defer all.Wait()
	defer end()
	writing, stop := context.WithTimeout(ctx, l.Length)
	defer stop()
	l.gap, l.last = 0, time.Now()
	harmed := make(chan error, 1)
	go func() { harmed <- harm(writing) }()
	err := l.everywhere(func(i int) error { return l.write(writing, i) })
	l.mu.Lock()
	l.acknowledged()
	l.mu.Unlock()
	if err = errors.Join(err, <-harmed); err != nil {
		return err
	}
	return l.settled(ctx)
}

// acknowledged measures the time since the last acknowledged action.
func (l *Load) acknowledged() {
	now := time.Now()
	l.gap, l.last = max(l.gap, now.Sub(l.last)), now
}

// everywhere calls do for all places at the same time.
func (l *Load) everywhere(do func(i int) error) (err error) {
	errs := make(chan error, len(l.places))
	for i := range l.places {
		go func() { errs <- do(i) }()
	}
	for range l.places {
		err = errors.Join(err, <-errs)
	}
	return err
}
