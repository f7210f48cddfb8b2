// Command listeners opens many streams of events of package rest over TCP, most of which have
// nothing to tell, and measures what they cost.
//
//	listeners -n 10000 -agents 100 -slow 100 -changes 200
//
// All are customers but a hundred agents, who hear of every change. Another process plays the
// clients, some of which never read. The program prints the memory of a stream beside that of a
// stream that a bare handler of net/http keeps open, the time from a change to the last of those
// who hear of it, and the time of a commit without and with listeners. It fails if a client
// misses a change, or if a goroutine is left at the end.
package main

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	_ "modernc.org/sqlite"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/internal/dbtests/machine"
	"github.com/ticketkit/ticket/rest"
	"github.com/ticketkit/ticket/sqlstore"
)

type options struct {
	n       int // streams
	agents  int // of these
	slow    int // customers who never read
	changes int
	pause   time.Duration // between two changes
}

func main() {
	var o options
	flag.IntVar(&o.n, "n", 10_000, "how many streams there are; two file descriptors each, in two processes")
	flag.IntVar(&o.agents, "agents", 100, "how many of them are those of agents, who hear of every change")
	flag.IntVar(&o.slow, "slow", 100, "how many of the customers never read")
	flag.IntVar(&o.changes, "changes", 200, "how many tickets are opened meanwhile")
	flag.DurationVar(&o.pause, "pause", 50*time.Millisecond, "the time between two of them")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	run := measure
	if os.Getenv(clientVariable) != "" {
		run = listen
	}
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "listeners:", err)
		os.Exit(1) //nolint:gocritic // the context is of no use any more
	}
}

// measure is the process of the desk.
func measure(ctx context.Context, o options) error {
	if o.agents+o.slow > o.n || o.agents < 1 {
		return errors.New("-n must be at least -agents and -slow together, and -agents at least 1")
	}
	dir, err := os.MkdirTemp("", "listeners")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "desk.db")+"?_pragma=busy_timeout(5000)&_txlock=immediate")
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	store, err := sqlstore.Open(ctx, db, sqlstore.SQLite)
	if err != nil {
		return err
	}
	desk, err := ticket.NewDesk(store, ticket.Config{})
	if err != nil {
		return err
	}
	api, err := rest.New(desk, rest.Config{Actor: actor})
	if err != nil {
		return err
	}
	alone, err := change(ctx, desk, o, "nobody")
	if err != nil {
		return err
	}

	bare, err := serve(ctx, http.HandlerFunc(hold), o, nil)
	if err != nil {
		return fmt.Errorf("the bare handler: %w", err)
	}
	var beside []time.Duration
	real, err := serve(ctx, api, o, func(ctx context.Context) error {
		beside, err = change(ctx, desk, o, "c")
		return err
	})
	if err != nil {
		return err
	}
	if err := api.Shutdown(ctx); err != nil {
		return err
	}

	fmt.Printf("%d streams, %d of agents, %d that never read, load %s\n", o.n, o.agents, o.slow, machine.Load())
	fmt.Printf("memory of a stream:       %.1f kB, of a bare one %.1f kB (heap and stacks); goroutines %.2f and %.2f\n",
		float64(real.memory)/float64(o.n)/1e3, float64(bare.memory)/float64(o.n)/1e3,
		float64(real.goroutines)/float64(o.n), float64(bare.goroutines)/float64(o.n))
	fmt.Printf("memory of the process:    %s\n", machine.InUse())
	fmt.Printf("from a change to the last who hears of it: %v after the last of %d\n", real.last.Round(time.Millisecond), o.changes)
	fmt.Printf("a commit, median and p99: alone %v and %v, beside them %v and %v\n",
		percentile(alone, 50), percentile(alone, 99), percentile(beside, 50), percentile(beside, 99))
	return left(ctx)
}

// actor knows agents and customers by their tokens: a1, a2, and c1, c2.
func actor(r *http.Request) (ticket.Actor, error) {
	who := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	if strings.HasPrefix(who, "a") {
		return ticket.Agent(who, 1), nil
	}
	return ticket.Requester(ticket.Person{ID: who}), nil
}

// hold keeps a stream open and does nothing else.
func hold(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	_, _ = fmt.Fprint(w, ":\n\n")
	_ = http.NewResponseController(w).Flush()
	<-r.Context().Done()
}

// change opens tickets, one each for the customers in turn, and returns the times of the commits.
func change(ctx context.Context, desk *ticket.Desk, o options, who string) (times []time.Duration, err error) {
	tick := time.NewTicker(max(o.pause, time.Millisecond))
	defer tick.Stop()
	for i := range o.changes {
		begun := time.Now()
		if _, err := desk.Open(ctx, ticket.Requester(ticket.Person{ID: who + strconv.Itoa(customer(o, i))}), ticket.Draft{Subject: "s", Message: "m"}); err != nil {
			return nil, err
		}
		times = append(times, time.Since(begun))
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return times, nil
}

// customer returns the number of the customer who opens the i-th ticket: all in turn who read.
func customer(o options, i int) int { return 1 + i%max(1, o.n-o.agents-o.slow) }

// cost is what the streams of a handler cost.
type cost struct {
	memory     int64 // heap and stacks
	goroutines int
	last       time.Duration // from the last change to the last client who heard of it
}

// serve serves a handler to the clients, and calls during, if any, while all of them listen.
func serve(ctx context.Context, h http.Handler, o options, during func(context.Context) error) (c cost, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return c, err
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	defer func() {
		err = errors.Join(err, server.Close())
		if e := <-ended; !errors.Is(e, http.ErrServerClosed) {
			err = errors.Join(err, e)
		}
	}()
	memory, goroutines := inUse(), runtime.NumGoroutine()
	clients, err := start(ctx, l.Addr().String(), o, during != nil)
	if err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, clients.stop()) }()
	if err := clients.expect("listening"); err != nil {
		return c, err
	}
	c.memory, c.goroutines = inUse()-memory, runtime.NumGoroutine()-goroutines
	if during == nil {
		return c, nil
	}
	if err := during(ctx); err != nil {
		return c, err
	}
	begun := time.Now()
	if err := clients.expect("heard all"); err != nil {
		return c, err
	}
	c.last = time.Since(begun) + o.pause // the last change is a pause ago
	return c, nil
}
