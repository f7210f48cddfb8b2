// Command cluster runs a desk on three nodes of MariaDB with Galera. Writers open tickets and
// reply on all nodes, and put mails. Relays on all nodes claim and settle the same deliveries and
// mails, and record who held what when. Meanwhile nodes are killed with SIGKILL, or cut off from
// the others, and join again.
//
// In the end it checks on every node that nothing acknowledged is lost, that nothing happened
// twice, that all chains verify, and that no delivery and no mail was held by two at the same
// time.
//
//	cluster -for 60s
//
// It needs mariadbd, the library of galera-4, rsync, and the scripts wsrep_sst_rsync and
// wsrep_sst_common of mariadb-server in PATH. The exit status is 1 if something was lost, doubled,
// broken or held by two.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/ticketkit/ticket/internal/dbtests/load"
	"github.com/ticketkit/ticket/internal/dbtests/ordeal"
)

type options struct {
	load    *load.Options
	pause   time.Duration // between two faults
	provide string        // the path of the library
	sync    bool
}

func main() {
	o := options{load: load.Flags()}
	flag.DurationVar(&o.pause, "pause", 5*time.Second, "the time between two faults of a node; 0 means no faults")
	flag.StringVar(&o.provide, "provider", "/usr/lib/galera/libgalera_smm.so", "the path of the library of Galera")
	flag.BoolVar(&o.sync, "sync", true, "connect with wsrep_sync_wait=1")
	flag.Parse()
	_ = mysql.SetLogger(&mysql.NopLogger{}) // its error is about nil
	ordeal.Main(func(ctx context.Context) (bool, error) {
		r := &run{options: o}
		work, err := r.endure(ctx)
		if err != nil {
			return false, err
		}
		return work.Report(fmt.Sprintf("%d kills, %d nodes cut off", r.kills, r.cuts)), nil
	})
}

// A run is one run of the command.
type run struct {
	options

	nodes       []*node
	kills, cuts int
}

// endure starts the cluster, works on it, and checks the result on every node.
func (r *run) endure(ctx context.Context) (work *load.Load, err error) {
	defer func() {
		for _, n := range r.nodes {
			if n.db != nil {
				err = errors.Join(err, n.db.Close())
			}
			err = errors.Join(err, n.Stop())
		}
	}()
	if err := r.start(ctx); err != nil {
		return nil, err
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
