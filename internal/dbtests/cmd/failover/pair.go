package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/ticketkit/ticket/internal/dbtests/servers"
)

// A pair is a primary with its standby. The two take turns.
type pair struct {
	options

	primary, standby *servers.Server
	both             [2]*servers.Server // in the order of the data source name
	kills            int
}

const database = "failover"

// start starts both servers. From then on the primary waits for its standby.
func start(ctx context.Context, o options) (p *pair, err error) {
	p = &pair{options: o}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.stop())
		}
	}()
	settings := func(name string) servers.Option {
		return servers.Settings(map[string]string{"cluster_name": name, "synchronous_commit": o.level, "wal_keep_size": "256MB"})
	}
	if p.primary, err = servers.StartPostgres(ctx, settings("a")); err != nil {
		return p, err
	}
	if err = p.primary.CreateDatabase(ctx, database); err != nil {
		return p, err
	}
	if p.standby, err = servers.StartPostgres(ctx, settings("b"), servers.Standby(p.primary)); err != nil {
		return p, err
	}
	p.both = [2]*servers.Server{p.primary, p.standby}
	return p, errors.Join(wait(ctx, p.standby, true), wait(ctx, p.primary, true), p.inSync(ctx), p.point())
}

// point makes the link point to the primary.
func (p *pair) point() error {
	if p.link == "" {
		return nil
	}
	if err := os.Remove(p.link); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.Symlink(p.primary.Socket(), p.link)
}

func (p *pair) stop() (err error) {
	for _, s := range []*servers.Server{p.primary, p.standby} {
		if s != nil {
			err = errors.Join(err, s.Stop())
		}
	}
	return err
}

// dsn is the data source name, with both servers.
func (p *pair) dsn() string {
	if p.through != "" {
		return p.through + " " + p.extra
	}
	return fmt.Sprintf("host=%s,%s port=5432 user=postgres dbname=%s sslmode=disable target_session_attrs=read-write connect_timeout=2 %s",
		p.both[0].Socket(), p.both[1].Socket(), database, p.extra)
}

// on runs statements on a server as the administrator.
func on(ctx context.Context, s *servers.Server, do func(*sql.DB) error) error {
	db, err := sql.Open("pgx", s.DSN("pgx", "postgres"))
	if err != nil {
		return err
	}
	return errors.Join(do(db), db.Close())
}

// set sets a parameter of a server that runs.
func set(ctx context.Context, s *servers.Server, name, value string) error {
	return on(ctx, s, func(db *sql.DB) error {
		for _, text := range []string{"ALTER SYSTEM SET " + name + " = '" + value + "'", "SELECT pg_reload_conf()"} {
			if _, err := db.ExecContext(ctx, text); err != nil {
				return err
			}
		}
		return nil
	})
}

// wait says whether a server waits for a standby before it acknowledges, if it is the primary.
// Replication does not copy the setting, but a new standby does.
func wait(ctx context.Context, s *servers.Server, yes bool) error {
	return set(ctx, s, "synchronous_standby_names", map[bool]string{true: "a, b"}[yes])
}

// inSync waits until the standby has all that the primary has, and the primary waits for it.
func (p *pair) inSync(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return on(ctx, p.primary, func(db *sql.DB) error {
		var at string
		if err := db.QueryRowContext(ctx, "SELECT pg_current_wal_lsn()").Scan(&at); err != nil {
			return err
		}
		for {
			var there int
			err := db.QueryRowContext(ctx, "SELECT COUNT(*) FROM pg_stat_replication WHERE sync_state = 'sync' AND state = 'streaming' AND flush_lsn >= $1::text::pg_lsn", at).Scan(&there)
			if err == nil && there == 1 {
				return nil
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("the standby is not in sync: %w\n%s", errors.Join(err, ctx.Err()), p.standby.Log())
			case <-time.After(20 * time.Millisecond):
			}
		}
	})
}

// harm kills the primary again and again, until ctx ends. Both are there then.
func (p *pair) harm(ctx context.Context) error {
	for p.pause > 0 {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(p.pause):
		}
		if err := p.failOver(context.WithoutCancel(ctx)); err != nil {
			return err
		}
	}
	return nil
}

// failOver kills the primary, promotes the standby, and makes a new standby of the old primary.
func (p *pair) failOver(ctx context.Context) error {
	if p.sabotage == "asynchronous" {
		if err := p.leaveBehind(ctx); err != nil {
			return err
		}
	}
	begin := time.Now()
	end := p.primary.Kill
	if p.freeze > 0 {
		end = p.primary.Freeze
	}
	if err := end(); err != nil {
		return err
	}
	p.kills++
	p.primary, p.standby = p.standby, p.primary
	if err := on(ctx, p.primary, func(db *sql.DB) error {
		_, err := db.ExecContext(ctx, "SELECT pg_promote()")
		return err
	}); err != nil {
		return err
	}
	if err := p.point(); err != nil {
		return err
	}
	promoted := time.Since(begin)
	if p.alone {
		if err := wait(ctx, p.primary, false); err != nil {
			return err
		}
	}
	time.Sleep(p.freeze - promoted)
	if err := p.standby.Kill(); err != nil {
		return err
	}
	if err := p.standby.Follow(ctx, p.primary); err != nil {
		return err
	}
	if p.alone {
		if err := errors.Join(wait(ctx, p.standby, true), wait(ctx, p.primary, true)); err != nil {
			return err
		}
	}
	err := p.inSync(ctx)
	fmt.Printf("the primary was killed; the standby was promoted after %s, and had a standby after %s\n", promoted.Round(10*time.Millisecond),
		time.Since(begin).Round(10*time.Millisecond))
	return err
}

// leaveBehind is a sabotage: the primary no longer waits for the standby, which no longer receives.
func (p *pair) leaveBehind(ctx context.Context) error {
	err := errors.Join(wait(ctx, p.primary, false), set(ctx, p.standby, "primary_conninfo", ""))
	time.Sleep(500 * time.Millisecond)
	return err
}
