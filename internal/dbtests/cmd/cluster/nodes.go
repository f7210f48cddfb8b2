package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"time"

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

// ports returns free ports of the loopback interface.
func ports(n int) (list []int, err error) {
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer func() { _ = l.Close() }() // all are open until the last one is known
		list = append(list, l.Addr().(*net.TCPAddr).Port)
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
			"wsrep_node_address": "127.0.0.1", "wsrep_sst_method": "rsync",
			"wsrep_sst_receive_address": fmt.Sprintf("127.0.0.1:%d", free[3*i+1]),
			"wsrep_slave_threads":       "4",
			"wsrep_cluster_address":     "gcomm://" + strings.Join(all, ","),
			"binlog_format":             "ROW", "innodb_autoinc_lock_mode": "2",
			"wsrep_provider_options": fmt.Sprintf("gmcast.listen_addr=tcp://%s;ist.recv_addr=127.0.0.1:%d;gcache.size=32M;"+
				"evs.keepalive_period=PT0.5S;evs.suspect_timeout=PT2S;evs.inactive_timeout=PT5S;evs.install_timeout=PT5S", all[i], free[3*i+2]),
		}
		if i == 0 {
			settings["wsrep_cluster_address"] = "gcomm://"
		}
		if n.Server, err = servers.StartMariaDB(ctx, servers.Settings(settings)); err != nil {
			return err
		}
		n.Set(map[string]string{"wsrep_cluster_address": "gcomm://" + strings.Join(all, ",")})
		r.nodes = append(r.nodes, n)
		if i == 0 {
			if err := n.begin(ctx); err != nil {
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
			places[i], err = load.NewPlace(ctx, n.name, n.db, sqlstore.MySQL, sqlstore.Search(), sqlstore.Files())
			errs <- err
		}()
	}
	var err error
	for range nodes {
		err = errors.Join(err, <-errs)
	}
	return places, err
}

// begin creates the database. A node refuses everything for a moment after its start.
func (n *node) begin(ctx context.Context) error {
	for try := 1; ; try++ {
		err := n.CreateDatabase(ctx, database)
		if err == nil || try == 100 || ctx.Err() != nil {
			return err
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// await waits until the node is a synced part of a cluster of that size.
func (n *node) await(ctx context.Context, size int) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for {
		var state, have, name string
		err := n.db.QueryRowContext(ctx, "SHOW GLOBAL STATUS LIKE 'wsrep_local_state_comment'").Scan(&name, &state)
		if err == nil {
			err = n.db.QueryRowContext(ctx, "SHOW GLOBAL STATUS LIKE 'wsrep_cluster_size'").Scan(&name, &have)
		}
		if err == nil && state == "Synced" && have == fmt.Sprint(size) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s is not synced: %s of %s: %w\n%s", n.name, state, have, errors.Join(err, ctx.Err()), n.Log())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// harm kills nodes and cuts them off, one after the other, until ctx ends. All are back then.
func (r *run) harm(ctx context.Context) error {
	for i := 0; r.pause > 0; i++ {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(r.pause):
		}
		n := r.nodes[rand.IntN(nodes)]
		work := context.WithoutCancel(ctx)
		begin, what := time.Now(), "killed"
		var err error
		if i%2 == 0 {
			r.kills++
			if err = n.Kill(); err == nil {
				time.Sleep(time.Second)
				err = n.Restart(work)
			}
		} else {
			r.cuts++
			what = "cut off"
			if err = n.isolate(work, 1); err == nil {
				time.Sleep(6 * time.Second) // the others go on without it after two
				err = n.isolate(work, 0)
			}
		}
		if err == nil {
			err = n.await(work, nodes)
		}
		if err != nil {
			return err
		}
		fmt.Printf("%s was %s, and is synced again after %s\n", n.name, what, time.Since(begin).Round(100*time.Millisecond))
	}
	return nil
}

// isolate cuts the node off from the others, or ends that. Clients still reach it.
func (n *node) isolate(ctx context.Context, on int) error {
	_, err := n.db.ExecContext(ctx, fmt.Sprintf("SET GLOBAL wsrep_provider_options = 'gmcast.isolate=%d'", on))
	return err
}
