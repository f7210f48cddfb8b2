package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/ticketkit/ticket"
)

// tuned is the relay for many deliveries at the same time.
var tuned = ticket.Relay{Batch: ticket.MaxLimit}

// riverWorkers is how many jobs River works at the same time, as in its own benchmark. Fewer and
// more were slower.
const riverWorkers = 2000

// riverJob has what a delivery of the outbox refers to.
type riverJob struct {
	Ticket string `json:"ticket"`
	Seq    int64  `json:"seq"`
	To     string `json:"to"`
}

// Kind implements [river.JobArgs].
func (riverJob) Kind() string { return "deliver" }

type riverWorker struct {
	river.WorkerDefaults[riverJob]
}

// Work does nothing.
func (*riverWorker) Work(context.Context, *river.Job[riverJob]) error { return nil }

// riverContestant is River on a database of the same server: a client that works n jobs which do
// nothing. Like its own benchmark, it counts the jobs whose completion is stored.
func riverContestant(ctx context.Context, pool *pgxpool.Pool, n int) (contestant, error) {
	driver := riverpgxv5.New(pool)
	migrator, err := rivermigrate.New(driver, &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return contestant{}, err
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return contestant{}, err
	}
	client := func() (*river.Client[pgx.Tx], error) {
		workers := river.NewWorkers()
		river.AddWorker(workers, &riverWorker{})
		return river.NewClient(driver, &river.Config{
			FetchCooldown: river.FetchCooldownMin, FetchPollInterval: 5 * time.Millisecond,
			Queues: map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: riverWorkers}}, Workers: workers,
			Logger: slog.New(slog.DiscardHandler),
		})
	}
	return contestant{
		name: "River",
		reset: func(ctx context.Context) error {
			if _, err := pool.Exec(ctx, "TRUNCATE river_job"); err != nil {
				return err
			}
			c, err := client()
			if err != nil {
				return err
			}
			jobs := make([]river.InsertManyParams, n)
			for i := range jobs {
				jobs[i].Args = riverJob{Ticket: ticket.ID{1, 2, 3}.String(), Seq: 1, To: fmt.Sprintf("ada.%d@example.org", i)}
			}
			if _, err := c.InsertManyFast(ctx, jobs); err != nil {
				return err
			}
			_, err = pool.Exec(ctx, "VACUUM ANALYZE river_job")
			return err
		},
		work: func(ctx context.Context) (time.Time, error) {
			c, err := client()
			if err != nil {
				return time.Time{}, err
			}
			done, leave := c.SubscribeConfig(&river.SubscribeConfig{ChanSize: n, Kinds: []river.EventKind{river.EventKindJobCompleted, river.EventKindJobFailed}})
			defer leave()
			if err := c.Start(ctx); err != nil {
				return time.Time{}, err
			}
			for range n {
				select {
				case <-done:
				case <-ctx.Done():
					return time.Time{}, errors.Join(ctx.Err(), c.Stop(context.WithoutCancel(ctx)))
				}
			}
			end := time.Now()
			return end, c.Stop(ctx)
		},
		check: func(ctx context.Context) error {
			var done int
			err := pool.QueryRow(ctx, "SELECT COUNT(*) FROM river_job WHERE state = 'completed' AND attempt = 1").Scan(&done)
			if err == nil && done != n {
				err = fmt.Errorf("worked %d of %d", done, n)
			}
			return err
		},
	}, nil
}
