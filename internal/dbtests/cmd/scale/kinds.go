package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/ticketkit/ticket/internal/dbtests/servers"
	"github.com/ticketkit/ticket/sqlstore"
)

// A kind is a database that has a server.
type kind struct {
	driver   string
	dialect  sqlstore.Dialect
	run      func(context.Context, ...servers.Option) (*servers.Server, error)
	settings map[string]string
	later    []string

	// These are queries: for the version, the size of the database in bytes, and the server processes
	// that serve this program, as numbers or as the names of files with one.
	version, size, processes string
}

var kinds = map[string]*kind{
	"postgres": {
		driver: "pgx", dialect: sqlstore.Postgres, run: servers.StartPostgres,
		settings: map[string]string{
			"shared_buffers": "1GB", "max_wal_size": "8GB", "checkpoint_timeout": "15min", "maintenance_work_mem": "256MB",
		},
		later:     []string{"VACUUM (ANALYZE)", "CHECKPOINT"}, // as autovacuum does sooner or later
		version:   "SHOW server_version",
		size:      "SELECT pg_database_size(current_database())",
		processes: "SELECT pid::text FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'",
	},
	"mariadb": {
		driver: "mysql", dialect: sqlstore.MySQL, run: servers.StartMariaDB,
		settings:  map[string]string{"innodb_buffer_pool_size": "1G", "innodb_log_file_size": "2G"},
		version:   "SELECT version()",
		size:      "SELECT CAST(SUM(file_size) AS INTEGER) FROM information_schema.innodb_sys_tablespaces WHERE name LIKE CONCAT(DATABASE(), '/%')",
		processes: "SELECT IF(@@pid_file LIKE '/%', @@pid_file, CONCAT(@@datadir, @@pid_file))", // one, with threads of its own as well
	},
}

func (k *kind) start(ctx context.Context) (*servers.Server, error) {
	return k.run(ctx, servers.Settings(k.settings))
}

func (k *kind) open(ctx context.Context, dsn string, tickets, archived int) (*place, error) {
	p, err := open(ctx, k.driver, dsn, k.dialect, tickets, archived)
	if err != nil {
		return nil, err
	}
	p.numbered = k.dialect == sqlstore.Postgres
	p.later = k.later
	p.size = func(ctx context.Context) (n int64, err error) {
		return n, p.db.QueryRowContext(ctx, k.size).Scan(&n)
	}
	p.processes = func(ctx context.Context) (list []int, err error) {
		rows, err := p.db.QueryContext(ctx, k.processes)
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, rows.Close()) }()
		for rows.Next() {
			var name string
			if err := rows.Scan(&name); err != nil {
				return nil, err
			}
			if filepath.IsAbs(name) {
				content, err := os.ReadFile(name)
				if err != nil {
					return nil, err
				}
				name = strings.TrimSpace(string(content))
			}
			pid, err := strconv.Atoi(name)
			if err != nil {
				return nil, err
			}
			list = append(list, pid)
		}
		return list, rows.Err()
	}
	return p, nil
}
