package main

import (
	"database/sql"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/sqlstore"
	"github.com/ticketkit/ticket/tickettest"
)

// Package tickettest on a real database: each test has a SQLite file of its own,
// and the recorder has the name of the application's notifier.
func TestAComplaintIsConfirmedAfterTheCommit(t *testing.T) {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(t.TempDir(), "shop.db")+"?_pragma=busy_timeout(5000)&_txlock=immediate")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	store, err := sqlstore.Open(t.Context(), db, sqlstore.SQLite)
	require.NoError(t, err)
	clock, sent := tickettest.NewClock(), tickettest.NewRecorder()
	desk, err := ticket.NewDesk(store, tickettest.Config(clock, sent, "print"))
	require.NoError(t, err)

	var tk ticket.Ticket
	err = store.Transact(t.Context(), desk, func(_ *sql.Tx, desk *ticket.Desk) (err error) {
		tk, err = desk.Open(t.Context(), ada, ticket.Draft{Subject: "Parcel lost"})
		return err
	})
	require.NoError(t, err)
	require.Equal(t, ticket.Number("0000-0001-H"), tk.Number)
	require.True(t, tk.Created.Equal(tickettest.Start))

	_, err = desk.Deliver(t.Context())
	require.NoError(t, err)
	require.Equal(t, tk.Number, sent.RequireSent(t, ticket.KindReceived, "ada@example.org").Number)
}
