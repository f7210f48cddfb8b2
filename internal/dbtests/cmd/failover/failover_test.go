package main

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket/internal/dbtests/load"
	"github.com/ticketkit/ticket/internal/dbtests/servers"
)

// The check finds what is lost where the primary did not wait for its standby.
func TestCheck(t *testing.T) {
	o := options{
		load:   &load.Options{Length: 2 * time.Second, Backlog: 30, Lease: time.Second, Relays: 2, Once: 10 * time.Second, Patience: time.Minute},
		driver: "pgx", pause: time.Second, level: "on", sabotage: "asynchronous",
	}
	work, kills, err := endure(t.Context(), o)
	if _, missing := errors.AsType[*servers.MissingError](err); missing {
		servers.SkipMissing(t, "postgres", err)
	}
	require.NoError(t, err)
	require.Positive(t, kills)
	require.False(t, work.Report("sabotage"))
	require.Positive(t, work.Lost())
}
