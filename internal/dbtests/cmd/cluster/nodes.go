package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/ticketkit/ticket/internal/dbtests"
	"github.com/ticketkit/ticket/internal/dbtests/load"
	"github.com/ticketkit/ticket/internal/dbtests/servers"
	"github.com/ticketkit/ticket/sqlstore"
)

// A node is one of the three servers.
type node struct {
	*servers.Server

	name string
	db   *sql.DB
}

const (
	nodes    = 3
	database = "cluster"
)

// ports returns free ports of the loopback interface. They are below those that systems give to
// connections, so that none takes the port of a node that is away.
func ports(n int) (list []int, err error) {
	for try := 0; len(list) < n; try++ {
		port := 20000 + rand.IntN(10000)
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil && try < 100 {
			continue
		} else if err != nil {
			return nil, err
		}
		defer func() { _ = l.Close() }() // all are open until the last one is known
		list = append(list, port)
	}
	return list, nil
}

// start starts the cluster. The first node begins it, and the others join.
func (r *run) start(ctx context.Context) error {
	free, err := ports(3 * nodes)
	if err != nil {
		return err
	}
	var all []string
	for i := range nodes {
		all = append(all, fmt.Sprintf("127.0.0.1:%d", free[3*i]))
	}
	for i := range nodes {
		n := &node{name: fmt.Sprintf("node-%d", i)}
		settings := map[string]string{
			"wsrep_on": "ON", "wsrep_provider": r.provide, "wsrep_cluster_name": "ticket", "wsrep_node_name": n.name,
			"wsrep_node_address": "127.0.0.1", "wsrep_sst_method": r.method, "wsrep_sst_auth": "root:",
			"wsrep_sst_receive_address": fmt.Sprintf("127.0.0.1:%d", free[3*i+1]),
			"wsrep_slave_threads":       "4",
			"wsrep_cluster_address":     "gcomm://" + strings.Join(all, ","),
			"binlog_format":             "ROW", "innodb_autoinc_lock_mode": "2",
			"wsrep_provider_options": fmt.Sprintf("gmcast.listen_addr=tcp://%s;ist.recv_addr=127.0.0.1:%d;gcache.size=64M;pc.wait_prim_timeout=PT2M;"+
				"evs.keepalive_period=PT0.5S;evs.suspect_timeout=PT3S;evs.inactive_timeout=PT10S;evs.install_timeout=PT10S", all[i], free[3*i+2]),
		}
		if i == 0 {
			settings["wsrep_cluster_address"] = "gcomm://"
		}
		err := n.begin(ctx, func(ctx context.Context) (err error) {
			n.Server, err = servers.StartMariaDB(ctx, servers.Settings(settings))
			return err
		})
		if err != nil {
			return err
		}
		n.Set(map[string]string{"wsrep_cluster_address": "gcomm://" + strings.Join(all, ",")})
		r.nodes = append(r.nodes, n)
		if i == 0 {
			// It refuses everything for a moment after its start.
			if err := until(ctx, func(ctx context.Context) error { return n.CreateDatabase(ctx, database) }); err != nil {
				return err
			}
		}
		dsn := n.DSN("mysql", database)
		if r.sync {
			dsn += "?wsrep_sync_wait=1"
		}
		if n.db, err = dbtests.Open("mysql", dsn); err != nil {
			return err
		}
		if err := n.await(ctx, i+1); err != nil {
			return err
		}
	}
	return nil
}

// migrate creates the tables, from all nodes at the same time, and returns the nodes as places.
func (r *run) migrate(ctx context.Context) ([]*load.Place, error) {
	places, errs := make([]*load.Place, nodes), make(chan error, nodes)
	for i, n := range r.nodes {
		go func() {
			var err error
			places[i], err = n.place(ctx)
			errs <- err
		}()
	}
	var err error
	for range nodes {
		err = errors.Join(err, <-errs)
	}
	return places, err
}

// place creates the tables. A node that loses the others for a moment refuses everything.
func (n *node) place(ctx context.Context) (p *load.Place, err error) {
	for end := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		const refused = 1047
		p, err = load.NewPlace(ctx, n.name, n.db, sqlstore.MySQL)
		if e, ok := errors.AsType[*mysql.MySQLError](err); !ok || e.Number != refused || time.Now().After(end) {
			return p, err
		}
	}
}

// begin calls start, which starts the node. If the node ends because the transfer of its data broke,
// it is started again, as a service would be.
func (n *node) begin(ctx context.Context, start func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for try := 1; ; try++ {
		err := start(ctx)
		if err == nil || try == 3 || ctx.Err() != nil || !strings.Contains(err.Error(), "it ended while it was starting") {
			return err
		}
		said, _, _ := strings.Cut(err.Error(), "\n")
		fmt.Printf("%s is started again: %s\n", n.name, said)
	}
}

// patience is how long to wait for something that comes sooner or later. Only a machine that does
// a lot besides needs more than some seconds.
const patience = 3 * time.Minute

// until calls do until it succeeds.
func until(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		err := do(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// await waits until the node is a synced part of a cluster of that size.
func (n *node) await(ctx context.Context, size int) error {
	err := until(ctx, func(ctx context.Context) error {
		var state, have, name string
		err := n.db.QueryRowContext(ctx, "SHOW GLOBAL STATUS LIKE 'wsrep_local_state_comment'").Scan(&name, &state)
		if err == nil {
			err = n.db.QueryRowContext(ctx, "SHOW GLOBAL STATUS LIKE 'wsrep_cluster_size'").Scan(&name, &have)
		}
		if err == nil && (state != "Synced" || have != strconv.Itoa(size)) {
			err = fmt.Errorf("it is %s, in a cluster of %s", state, have)
		}
		return err
	})
	if err != nil {
		err = fmt.Errorf("%s is not synced: %w\n%s", n.name, err, n.Log())
	}
	return err
}
