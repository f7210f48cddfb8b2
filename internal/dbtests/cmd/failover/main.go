// Command failover runs a desk on PostgreSQL with a synchronous standby. Writers open tickets and
// reply, and put mails; relays claim and settle. All connect with the names of both servers.
// Meanwhile the primary is killed with SIGKILL, the standby is promoted, and the old primary
// becomes a new standby, again and again.
//
// In the end it checks that nothing acknowledged is lost, that nothing happened twice, that all
// chains verify, and that no delivery and no mail was held by two at the same time.
//
//	failover -for 60s -driver pgx
//
// The exit status is 1 if something was lost, doubled, broken or held by two.
package main

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"time"

	"github.com/ticketkit/ticket/internal/dbtests"
	"github.com/ticketkit/ticket/internal/dbtests/load"
	"github.com/ticketkit/ticket/internal/dbtests/ordeal"
	"github.com/ticketkit/ticket/sqlstore"
)

type options struct {
	load     *load.Options
	driver   string
	extra    string // added to the data source name
	through  string // the data source name of a pooler, instead of that of the servers
	link     string // the path of a symbolic link to the socket of the primary, for the pooler
	pause    time.Duration
	alone    bool
	freeze   time.Duration // the primary hangs for so long before it is killed
	level    string        // of synchronous_commit
	sabotage string
}

func main() {
	o := options{load: load.Flags()}
	o.load.Relays = 4
	flag.StringVar(&o.driver, "driver", "pgx", "pgx, or postgres for lib/pq")
	flag.StringVar(&o.extra, "dsn", "", "settings to add to the data source name")
	flag.StringVar(&o.through, "through", "", "the data source name of a pooler (database failover), which connects to -link")
	flag.StringVar(&o.link, "link", "", "the path of a symbolic link to make to the directory of the primary's socket")
	flag.DurationVar(&o.pause, "pause", 3*time.Second, "the time from when both servers are there to the next kill; 0 means no kills")
	flag.BoolVar(&o.alone, "alone", false, "a promoted server acknowledges alone until it has a standby")
	flag.DurationVar(&o.freeze, "freeze", 0, "how long the primary hangs, and keeps its connections open, before it is killed; the standby is promoted at once")
	flag.StringVar(&o.level, "level", "on", "synchronous_commit")
	flag.StringVar(&o.sabotage, "sabotage", "", "what to do wrong so that the check must find it: asynchronous")
	flag.Parse()
	ordeal.Main(func(ctx context.Context) (bool, error) {
		work, kills, err := endure(ctx, o)
		if err != nil {
			return false, err
		}
		return work.Report(fmt.Sprintf("%d kills", kills)), nil
	})
}

// places are the programs that use the database, each with a pool of its own.
const places = 3

// endure starts the servers, works on them, and checks the result.
func endure(ctx context.Context, o options) (work *load.Load, kills int, err error) {
	p, err := start(ctx, o)
	if err != nil {
		return nil, 0, err
	}
	var pools []*sql.DB
	defer func() {
		for _, db := range pools {
			err = errors.Join(err, db.Close())
		}
		err = errors.Join(err, p.stop())
	}()
	var list []*load.Place
	var opts []sqlstore.Option
	if o.through != "" {
		opts = append(opts, sqlstore.Unprepared())
	}
	for i := range places {
		db, err := dbtests.Open(o.driver, p.dsn())
		if err != nil {
			return nil, 0, err
		}
		pools = append(pools, db)
		one, err := load.NewPlace(ctx, fmt.Sprintf("program %d", i), db, sqlstore.Postgres, opts...)
		if err != nil {
			return nil, 0, err
		}
		list = append(list, one)
	}
	work = load.New(*o.load, list)
	if err = work.Run(ctx, p.harm); err == nil {
		err = work.Check(ctx, list[0])
	}
	return work, p.kills, err
}
