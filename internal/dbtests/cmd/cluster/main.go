// Command cluster runs a desk on three nodes of MariaDB with Galera. Writers open tickets and
// reply on all nodes, attach files, and put mails. Relays on all nodes claim and settle the same
// deliveries and mails, and record who held what when. All nodes maintain the search index.
// Meanwhile nodes are killed with SIGKILL, stopped, or cut off from the others, and join again. They
// get what they missed, or, if they do not know how far their data are, a whole copy.
//
// In the end it checks on every node that nothing acknowledged is lost, that nothing happened
// twice, that all chains verify, that no delivery and no mail was held by two at the same time, that
// each ticket is found by its words, and that each file has its bytes.
//
//	cluster -for 60s
//
// It needs mariadbd, the library of galera-4, rsync, and the scripts wsrep_sst_rsync and
// wsrep_sst_common of mariadb-server in PATH. With -sst mariabackup, it needs mariadb-backup,
// mbstream, socat and the script wsrep_sst_mariabackup in place of rsync and its script. The exit
// status is 1 if something was lost, doubled, broken, damaged, not found or held by two, and 3
// if the cluster did not start.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/ticketkit/ticket/internal/dbtests/load"
	"github.com/ticketkit/ticket/internal/dbtests/ordeal"
)

type options struct {
	load    *load.Options
	pause   time.Duration // between two faults
	faults  string        // their names
	provide string        // the path of the library
	method  string        // of a whole copy
	sync    bool
}

func main() {
	o := options{load: load.Flags()}
	o.load.Patience = patience
	flag.DurationVar(&o.pause, "pause", 5*time.Second, "the time between two faults of a node; 0 means no faults")
	flag.StringVar(&o.faults, "faults", "killed,cut off,emptied,stopped", "what happens to nodes, in turns, beginning anywhere; emptied is killed, and needs a whole copy")
	flag.StringVar(&o.provide, "provider", "/usr/lib/galera/libgalera_smm.so", "the path of the library of Galera")
	flag.StringVar(&o.method, "sst", "rsync", "how a node copies all data of another one: rsync, or mariabackup")
	flag.BoolVar(&o.sync, "sync", true, "connect with wsrep_sync_wait=1")
	flag.Parse()
	chosen, err := choose(o.faults)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	_ = mysql.SetLogger(&mysql.NopLogger{}) // its error is about nil
	ordeal.Main(func(ctx context.Context) (bool, error) {
		r := &run{options: o, chosen: chosen, happened: map[string]int{}, rejoins: map[string]int{}}
		work, err := r.endure(ctx)
		if errors.Is(err, errNotStarted) {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(3)
		}
		if err != nil {
			return false, err
		}
		fmt.Printf("nodes came back with: %s\n", counts(r.rejoins, wholeCopy, incremental, nothing))
		return work.Report("nodes " + counts(r.happened, strings.Split(o.faults, ",")...)), nil
	})
}

// A run is one run of the command.
type run struct {
	options

	nodes    []*node
	chosen   []fault
	happened map[string]int // by the fault
	rejoins  map[string]int // by the way
}

// counts lists how often each happened.
func counts(of map[string]int, names ...string) string {
	list := make([]string, len(names))
	for i, name := range names {
		list[i] = fmt.Sprintf("%s %d", name, of[name])
	}
	return strings.Join(list, ", ")
}

// errNotStarted says nothing about the library.
var errNotStarted = errors.New("the cluster did not start")

// endure starts the cluster, works on it, and checks the result on every node.
func (r *run) endure(ctx context.Context) (work *load.Load, err error) {
	defer func() {
		for _, n := range r.nodes {
			var closed error
			if n.db != nil {
				closed = n.db.Close()
			}
			if err := errors.Join(closed, n.Kill(), n.Stop()); err != nil { // a clean stop would take a while
				fmt.Fprintf(os.Stderr, "while %s was stopped: %v\n", n.name, err) // nothing to do with the result
			}
		}
	}()
	if err := r.start(ctx); err != nil {
		return nil, fmt.Errorf("%w: %w", errNotStarted, err)
	}
	places, err := r.migrate(ctx)
	if err != nil {
		return nil, err
	}
	work = load.New(*r.load, places)
	if err := work.Run(ctx, r.harm); err != nil {
		return nil, err
	}
	for _, p := range places {
		if err := work.Check(ctx, p); err != nil {
			return nil, err
		}
	}
	return work, nil
}
