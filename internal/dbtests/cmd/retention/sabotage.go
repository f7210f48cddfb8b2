package main

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/sqlstore"
)

// These sabotages are done by the desk that runs Retain, or by its store. The check must find
// them, which proves that the check works.
const (
	greedy  = "greedy"  // a rule has a shorter age than in the dry run
	shy     = "shy"     // one closed ticket in eight is never listed
	halfway = "halfway" // a step leaves the last content
	slow    = "slow"    // a step first holds the lock of the database; on SQLite, and not in children
)

// damage lists statements that are run before the check.
var damage = map[string]string{
	"lost":    "DELETE FROM ticket_events WHERE seq > 1 AND ticket = (SELECT MAX(id) FROM ticket_tickets)",
	"changed": "UPDATE ticket_events SET doc = REPLACE(doc, 'words', 'werds') WHERE ticket = (SELECT MIN(id) FROM ticket_tickets WHERE queue = 'keep') AND seq = 1",
}

func sabotages() []string {
	return slices.Sorted(slices.Values(append(slices.Collect(maps.Keys(damage)), greedy, shy, halfway, slow)))
}

// A saboteur is a store that does something wrong.
type saboteur struct {
	*sqlstore.Store

	names []string
	db    *sql.DB // nil in a child
}

// sabotage returns the store that a desk with the rules gets, and changes the rules.
func sabotage(store *sqlstore.Store, db *sql.DB, list []ticket.RetentionRule, names string) ticket.Store {
	s := &saboteur{Store: store, names: strings.Split(names, ","), db: db}
	if s.is(greedy) {
		list[len(list)-1].Archive = time.Hour
	}
	return s
}

func (s *saboteur) is(name string) bool { return slices.Contains(s.names, name) }

func (s *saboteur) Closed(ctx context.Context, q ticket.ClosedQuery) ([]ticket.Ticket, error) {
	list, err := s.Store.Closed(ctx, q)
	if s.is(shy) {
		for i := range list {
			if list[i].ID[len(list[i].ID)-1]%8 == 0 {
				list[i].Stage = ticket.StageErased // is not due
			}
		}
	}
	return list, err
}

func (s *saboteur) Erase(ctx context.Context, e ticket.EraseCommit) error {
	if s.is(halfway) && e.Changes[0].Events[0].Set.Stage != nil {
		e.Events = nil
	}
	if s.is(slow) && s.db != nil && e.Changes[0].Ticket.ID[13]%4 == 0 {
		if err := s.lock(ctx); err != nil {
			return err
		}
	}
	return s.Store.Erase(ctx, e)
}

// lock holds the lock of SQLite for a while.
func (s *saboteur) lock(ctx context.Context) error {
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return err
	}
	if _, err = conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err == nil {
		time.Sleep(150 * time.Millisecond)
		_, err = conn.ExecContext(ctx, "ROLLBACK")
	}
	return errors.Join(err, conn.Close())
}
