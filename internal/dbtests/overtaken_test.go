package dbtests_test

import (
	"context"
	"database/sql/driver"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/sqlstore"
)

// overtake lets a statement run in a transaction of the store, once, before the first statement that
// begins with a text. So another node of a cluster changes a row that this one has locked. It
// returns how many transactions began.
func (s *spy) overtake(begin, statement string) *int {
	n, done := new(int), false
	s.on(func(st spiedStep) {
		if st.what == "begin" && !st.after {
			*n++
		}
		if st.what == "exec" && !st.after && !done && strings.HasPrefix(st.text, begin) {
			done = true
			if _, err := st.conn.(driver.ExecerContext).ExecContext(st.ctx, statement, nil); err != nil {
				panic(err)
			}
		}
	})
	return n
}

func overtakenMail() ticket.Mail {
	at := time.Now().UTC().Truncate(time.Microsecond)
	return ticket.Mail{ID: ticket.NewID(at), Mailbox: "support", Raw: ticket.Digest{1}, Size: 1, State: ticket.MailPending, Arrived: at, Due: at}
}

// A row that another node of a cluster changes between a locking read and the write that follows
// is read again. Inside a transaction of the application it is a conflict.
func TestRowsThatAnotherNodeChangesAreReadAgain(t *testing.T) {
	due := time.Now().Add(time.Hour)
	claim := func(ctx context.Context, s *sqlstore.Store) error {
		_, err := s.Claim(ctx, ticket.ClaimRequest{Now: due, Lease: time.Minute, Limit: 10, Notifiers: []string{""}})
		return err
	}
	commit := func(t *testing.T, s *sqlstore.Store) {
		t.Helper()
		require.NoError(t, s.Commit(t.Context(), opening(t, "")))
	}
	file := func(ctx context.Context, s *sqlstore.Store) error {
		_, err := s.Files(nil).Put(ctx, "", strings.NewReader("words"))
		return err
	}
	stored := func(t *testing.T, s *sqlstore.Store) {
		t.Helper()
		require.NoError(t, file(t.Context(), s))
	}
	const later = "UPDATE ticket_outbox SET attempts = attempts + 1, until = due + 86400000000"
	for name, c := range map[string]struct {
		before           func(t *testing.T, s *sqlstore.Store)
		begin, statement string
		do               func(ctx context.Context, s *sqlstore.Store) error
	}{
		"claim":             {commit, "UPDATE ticket_outbox", later, claim},
		"claim of settled":  {commit, "UPDATE ticket_outbox", "UPDATE ticket_outbox SET state = 4", claim},
		"claim of released": {commit, "UPDATE ticket_outbox", "UPDATE ticket_outbox SET due = due + 86400000000", claim},
		"claim of mails": {func(t *testing.T, s *sqlstore.Store) {
			t.Helper()
			_, err := s.PutMail(t.Context(), overtakenMail())
			require.NoError(t, err)
		}, "UPDATE ticket_mails", "UPDATE ticket_mails SET attempts = attempts + 1", func(ctx context.Context, s *sqlstore.Store) error {
			_, err := s.ClaimMails(ctx, ticket.MailClaim{Now: due, Lease: time.Minute, Limit: 10, Mailboxes: []string{"support"}})
			return err
		}},
		"update of deliveries": {func(t *testing.T, s *sqlstore.Store) {
			t.Helper()
			commit(t, s)
			list, err := s.Claim(t.Context(), ticket.ClaimRequest{Now: due, Lease: time.Minute, Limit: 1, Notifiers: []string{""}})
			require.NoError(t, err)
			require.NoError(t, s.Settle(t.Context(), []ticket.Settlement{{ID: list[0].ID, Attempts: 1, State: ticket.DeliveryDead, At: due, Error: "no"}}))
		}, "UPDATE ticket_outbox", "UPDATE ticket_outbox SET state = 0", func(ctx context.Context, s *sqlstore.Store) error {
			page, err := s.Deliveries(ctx, ticket.DeliveryQuery{State: []ticket.DeliveryState{ticket.DeliveryDead}})
			if err == nil {
				_, err = s.UpdateDeliveries(ctx, ticket.DeliveryUpdate{IDs: []ticket.ID{page.Deliveries[0].ID}, From: []ticket.DeliveryState{ticket.DeliveryDead}, To: ticket.DeliveryPending, At: due})
			}
			return err
		}},
		"put of a file that is deleted": {stored, "UPDATE ticket_files", "DELETE FROM ticket_files", file},
		"delete of a file that is put": {stored, "DELETE FROM ticket_files", "UPDATE ticket_files SET place = 'other'", func(ctx context.Context, s *sqlstore.Store) error {
			list, err := s.Files(nil).List(ctx, ticket.File{}, 1)
			if err == nil {
				_, err = s.Files(nil).Delete(ctx, "", list[0].SHA256, due)
			}
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			var s spy
			db := mariadb.connectSpied(t, mariadb.lend(t), &s)
			store, err := sqlstore.Open(t.Context(), db, sqlstore.MySQL, sqlstore.Search(), sqlstore.Files())
			require.NoError(t, err)
			c.before(t, store)

			tx, err := db.BeginTx(t.Context(), nil)
			require.NoError(t, err)
			s.overtake(c.begin, c.statement)
			require.ErrorIs(t, c.do(t.Context(), store.WithTx(tx)), ticket.ErrConflict)
			require.NoError(t, tx.Rollback())

			n := s.overtake(c.begin, c.statement)
			require.NoError(t, c.do(t.Context(), store))
			require.Equal(t, 2, *n, "it is tried again")
		})
	}
}

// A mail that another node of a cluster takes up again is not removed.
func TestMailsThatAnotherNodeTakesUpAreNotPruned(t *testing.T) {
	var s spy
	store, err := sqlstore.Open(t.Context(), mariadb.connectSpied(t, mariadb.lend(t), &s), sqlstore.MySQL)
	require.NoError(t, err)
	m, err := store.PutMail(t.Context(), overtakenMail())
	require.NoError(t, err)
	m.State, m.Reason, m.Due, m.Settled = ticket.MailIgnored, "a trial", time.Time{}, m.Arrived
	require.NoError(t, store.SettleMail(t.Context(), ticket.MailPending, m))
	n := s.overtake("DELETE FROM ticket_mails", "UPDATE ticket_mails SET ages = NULL")
	removed, err := store.PruneMails(t.Context(), time.Now().Add(time.Hour), 10)
	require.NoError(t, err)
	require.Zero(t, removed)
	require.Equal(t, 1, *n)
	removed, err = store.ForgetMails(t.Context(), "", []ticket.ID{m.ID})
	require.NoError(t, err)
	require.Equal(t, 1, removed, "it is there")
}

// A file stays whole if the answer to the commit that stored it again was lost.
func TestFileIsWholeAfterALostAnswer(t *testing.T) {
	each(t, []backend{pgx, pq, mariadb}, func(t *testing.T, b backend) {
		var s spy
		store, err := sqlstore.Open(t.Context(), b.connectSpied(t, b.lend(t), &s), b.dialect, sqlstore.Files())
		require.NoError(t, err)
		files := store.Files(nil)
		f, err := files.Put(t.Context(), "", strings.NewReader("words"))
		require.NoError(t, err)
		lost := false
		s.on(func(st spiedStep) {
			if st.what == "commit" && !st.after && !lost {
				lost = true
				s.arm(answer)
			}
		})
		_, err = files.Put(t.Context(), "", strings.NewReader("words"))
		require.Error(t, err)
		s.on(nil)
		r, err := files.Open(t.Context(), "", f.SHA256)
		require.NoError(t, err)
		text, err := io.ReadAll(r)
		require.NoError(t, err)
		require.Equal(t, "words", string(text))
		require.NoError(t, r.Close())
	})
}
