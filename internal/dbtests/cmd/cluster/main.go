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
	"flag"
	"fmt"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/ticketkit/ticket/internal/dbtests/ordeal"
)

type options struct {
	length  time.Duration
	backlog int // deliveries with which the relays begin, on a ticket each
	lease   time.Duration
	pause   time.Duration // between two faults
	provide string        // the path of the library
	sync    bool
}

func main() {
	var o options
	flag.DurationVar(&o.length, "for", time.Minute, "how long to write")
	flag.IntVar(&o.backlog, "backlog", 600, "how many tickets are opened before the relays begin")
	flag.DurationVar(&o.lease, "lease", 300*time.Millisecond, "the lease of a claim")
	flag.DurationVar(&o.pause, "pause", 5*time.Second, "the time between two faults of a node; 0 means no faults")
	flag.StringVar(&o.provide, "provider", "/usr/lib/galera/libgalera_smm.so", "the path of the library of Galera")
	flag.BoolVar(&o.sync, "sync", true, "connect with wsrep_sync_wait=1")
	flag.Parse()
	_ = mysql.SetLogger(&mysql.NopLogger{}) // its error is about nil
	ordeal.Main(func(ctx context.Context) (bool, error) {
		r, err := endure(ctx, o)
		if err != nil {
			return false, err
		}
		d, m := &r.deliveries, &r.letters
		for _, line := range r.Found {
			fmt.Println(line)
		}
		fmt.Printf("%d tickets, %d actions and %d mails acknowledged after %d repeats; %d kills, %d nodes cut off\n",
			r.tickets, len(r.done), len(r.mails), r.repeats, r.kills, r.cuts)
		fmt.Printf("%d deliveries and %d mails claimed; %d calls failed, %d claims lost\n", d.claimed, m.claimed, d.failed+m.failed, d.lost+m.lost)
		fmt.Printf("lost %d, doubled %d, chains broken %d, unsettled %d, deliveries held by two %d, mails held by two %d\n",
			r.lost, r.doubled, r.broken, r.unsettled, d.two, m.two)
		return r.lost+r.doubled+r.broken+r.unsettled+d.two+m.two == 0, nil
	})
}
