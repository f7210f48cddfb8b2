package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/ticketkit/ticket"
)

// Quarantine is a [ticket.FileStore] that lets nobody read a file before a scanner, such as one
// for viruses, has found nothing in it. Make one with [NewQuarantine].
//
//	store := files.NewQuarantine(folder, func(ctx context.Context, content io.Reader) (string, error) { … })
//	desk, err := ticket.NewDesk(tickets, ticket.Config{Files: store})
//
// Give it to everything that reads files: the desk, and the modules mail and mailbox. Files are
// stored as they come, so a scanner that does not answer holds up no message: the file cannot
// be opened until the scanner answers. [ticket.Desk.Attach] opens each file once, and so refuses
// one in which something is found.
type Quarantine struct {
	ticket.FileStore
	scan     Scanner
	now      func() time.Time
	verdicts *verdicts
}

// Scanner looks through the bytes of a file. It returns what it found, such as the name of a
// virus, or an empty text. An error means that it cannot tell. It may be called at the same time
// for several files. It need not read to the end.
type Scanner func(ctx context.Context, content io.Reader) (found string, err error)

// A verdict holds for scanAge, since scanners learn. At most mostVerdicts are remembered.
const (
	scanAge      = time.Hour
	mostVerdicts = 10_000
)

type verdicts struct {
	mu   sync.Mutex
	list map[place]verdict
}

type verdict struct {
	found string
	at    time.Time
}

// NewQuarantine returns a store that opens only files of the given store in which scan found
// nothing within the last hour. It remembers the verdicts of this process, and scans a file
// again after that time.
func NewQuarantine(store ticket.FileStore, scan Scanner, opts ...Option) (*Quarantine, error) {
	if store == nil || scan == nil {
		return nil, &ticket.InvalidError{Field: "files.quarantine", Reason: "must have a store and a scanner"}
	}
	return &Quarantine{FileStore: store, scan: scan, now: chosen(opts).now, verdicts: &verdicts{list: map[place]verdict{}}}, nil
}

// Open opens a file in which the scanner found nothing; see [ticket.FileStore]. If it found
// something, the error is a [*ticket.FileError] with Found. If the scanner fails, it is the
// scanner's error.
func (q *Quarantine) Open(ctx context.Context, tenant string, sum ticket.Digest) (io.ReadCloser, error) {
	at := place{tenant, sum}
	v, known := q.verdicts.get(at, q.now())
	if !known {
		var err error
		if v, err = q.ask(ctx, at); err != nil {
			return nil, err
		}
		q.verdicts.set(at, v)
	}
	if v.found != "" {
		return nil, &ticket.FileError{SHA256: sum, Reason: "is kept in quarantine: the scanner found " + v.found, Found: v.found}
	}
	return q.FileStore.Open(ctx, tenant, sum)
}

// ask has the scanner read the file. Damaged bytes get no verdict.
func (q *Quarantine) ask(ctx context.Context, at place) (verdict, error) {
	r, err := q.FileStore.Open(ctx, at.tenant, at.sum)
	if err != nil {
		return verdict{}, err
	}
	defer func() { _ = r.Close() }()
	v := verdict{at: q.now()}
	w := &watched{r: r}
	if v.found, err = q.scan(ctx, w); err != nil || w.err != nil {
		return verdict{}, fmt.Errorf("files: scan file %s: %w", at.sum, errors.Join(err, w.err))
	}
	return v, nil
}

// watched remembers the error of a reader, which a scanner may not pass on.
type watched struct {
	r   io.Reader
	err error
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		w.err = err
	}
	return n, err
}

// Rebound returns the quarantine over another store, for a desk that is bound to a transaction;
// see [ticket.Desk.WithStore].
func (q *Quarantine) Rebound(bind func(ticket.FileStore) ticket.FileStore) ticket.FileStore {
	b := *q
	b.FileStore = bind(q.FileStore)
	return &b
}

func (v *verdicts) get(at place, now time.Time) (verdict, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	known, ok := v.list[at]
	age := now.Sub(known.at)
	return known, ok && age < scanAge && age > -scanAge
}

func (v *verdicts) set(at place, latest verdict) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.list) >= mostVerdicts {
		clear(v.list)
	}
	v.list[at] = latest
}
