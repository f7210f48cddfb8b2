package dbtests_test

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket/sqlstore"
)

// One program migrates a database of version 5 while another one reads tickets and a third
// one writes them, as fast as they can. TICKET_MIGRATE_TICKETS is the number of tickets, up
// to a million, for the figures in docs/measurements.md; run with -v.
func TestTicketsAreReadAndWrittenDuringAMigration(t *testing.T) {
	tickets := 2000
	if text := os.Getenv("TICKET_MIGRATE_TICKETS"); text != "" {
		var err error
		tickets, err = strconv.Atoi(text)
		require.NoError(t, err)
	}
	each(t, databases, func(t *testing.T, b backend) {
		dsn := b.dsn(t)
		b.version5(t, dsn, tickets)
		ctx, end := context.WithCancel(t.Context())
		defer end()
		var all sync.WaitGroup
		use := func(statement string) *usage {
			u, db := &usage{}, b.connect(t, dsn)
			all.Go(func() { u.repeat(ctx, db, tickets, statement) })
			return u
		}
		reader := use("SELECT version FROM ticket_tickets WHERE number = '%s'")
		writer := use("UPDATE ticket_tickets SET version = version + 1 WHERE number = '%s'")
		time.Sleep(100 * time.Millisecond)
		begin := time.Now()
		_, err := sqlstore.Open(t.Context(), b.connect(t, dsn), b.dialect)
		took := time.Since(begin)
		end()
		all.Wait()
		require.NoError(t, err)
		require.NotZero(t, reader.done)
		require.NotZero(t, writer.done)
		db := b.connect(t, dsn)
		requireFilled(t, db, tickets)
		if b.dialect != sqlstore.SQLite { // its texts of ALTER TABLE differ
			b.requireShapeOf(t, db)
		}
		t.Logf("%d tickets in %s; longest wait of a reader %s (%d reads, %d retries), of a writer %s (%d writes, %d retries)",
			tickets, took.Round(time.Millisecond), reader.longest.Round(time.Millisecond), reader.done, reader.retries,
			writer.longest.Round(time.Millisecond), writer.done, writer.retries)
	})
}

// usage is what one program did.
type usage struct {
	done, retries int
	longest       time.Duration // of one statement, with its retries
}

// repeat runs a statement with the number of some ticket until the context ends.
func (u *usage) repeat(ctx context.Context, db *sql.DB, tickets int, statement string) {
	for {
		text := fmt.Sprintf(statement, "N"+strconv.Itoa(10_000_000+rand.N(tickets)))
		begin := time.Now()
		for {
			_, err := db.ExecContext(context.WithoutCancel(ctx), text)
			u.longest = max(u.longest, time.Since(begin))
			if err == nil {
				u.done++
				break
			}
			u.retries++
			if ctx.Err() != nil {
				return
			}
			time.Sleep(time.Millisecond)
		}
		if ctx.Err() != nil {
			return
		}
	}
}
