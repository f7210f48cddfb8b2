package bare

import (
	"context"
	"database/sql"
	"errors"
	"sync"
)

// A Group writes to SQLite for all callers of the process. It runs all waiting
// writes in one transaction, and answers after the commit. One failure fails all of
// them, which would be wrong in a real store.
type Group struct {
	db      *sql.DB
	data    *Data
	s       *statements
	in      chan *request
	stopped chan struct{}
	once    sync.Once
}

// most is how many writes share a transaction at most.
const most = 64

type request struct {
	ctx    context.Context // of the waiting caller
	pen    *pen
	act    act
	opened *opened
	done   chan error
}

// NewGroup starts the writer.
func NewGroup(ctx context.Context, db *sql.DB, d *Data) (*Group, error) {
	s, err := prepare(ctx, db, d, SQLite)
	if err != nil {
		return nil, err
	}
	g := &Group{db: db, data: d, s: s, in: make(chan *request, most), stopped: make(chan struct{})}
	go g.write()
	return g, nil
}

func (g *Group) write() {
	defer close(g.stopped)
	batch := make([]*request, 0, most)
	for r := range g.in {
		batch = append(batch[:0], r)
	more:
		for len(batch) < most {
			select {
			case r, ok := <-g.in:
				if !ok {
					break more
				}
				batch = append(batch, r)
			default:
				break more
			}
		}
		err := g.s.transaction(batch[0].ctx, func() error {
			for _, r := range batch {
				var err error
				if r.opened != nil {
					err = g.s.writeOpen(r.ctx, *r.opened)
				} else {
					err = g.s.writeDo(r.ctx, r.pen, r.act)
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
		for _, r := range batch {
			r.done <- err
		}
	}
}

// Close stops the writer.
func (g *Group) Close() error {
	g.once.Do(func() { close(g.in) })
	<-g.stopped
	return g.s.Close()
}

// Worker returns a caller that reads on its own connection.
func (g *Group) Worker(ctx context.Context) (Worker, error) {
	conn, err := g.db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	read, err := conn.PrepareContext(ctx, selectTicket)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return &grouped{g: g, conn: conn, read: read, request: request{pen: newPen(g.data), done: make(chan error, 1)}}, nil
}

type grouped struct {
	g    *Group
	conn *sql.Conn
	read *sql.Stmt
	request
}

func (w *grouped) Do(ctx context.Context, id string) error {
	if err := w.pen.row.read(ctx, w.read, id); err != nil {
		return err
	}
	w.ctx, w.act, w.opened = ctx, w.pen.decide(), nil
	w.g.in <- &w.request
	return <-w.done
}

func (w *grouped) Open(ctx context.Context) error {
	o := w.pen.open()
	w.ctx, w.opened = ctx, &o
	w.g.in <- &w.request
	return <-w.done
}

func (w *grouped) Close() error { return errors.Join(w.read.Close(), w.conn.Close()) }
