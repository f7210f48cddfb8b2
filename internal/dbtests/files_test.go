package dbtests_test

import (
	"bytes"
	"database/sql"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/files/filestest"
	"github.com/ticketkit/ticket/sqlstore"
)

// Files in every database pass the contract of file stores, through every driver. Nothing runs
// beside it, because a case looks at the memory of the process.
func TestFiles(t *testing.T) {
	each(t, backends, func(t *testing.T, b backend) {
		type opened struct {
			dsn string
			db  *sql.DB
		}
		dbs := map[ticket.FileStore]opened{}
		filestest.Run(t, func(t *testing.T) ticket.FileStore {
			dsn := b.lend(t)
			db := b.connect(t, dsn)
			s, err := sqlstore.Open(t.Context(), db, b.dialect, sqlstore.Files())
			require.NoError(t, err)
			require.NoError(t, s.Check(t.Context()))
			f := s.Files(nil)
			dbs[f] = opened{dsn, db}
			return f
		}, filestest.Reopen(func(t *testing.T, s ticket.FileStore) ticket.FileStore {
			again, err := sqlstore.Open(t.Context(), b.connect(t, dbs[s].dsn), b.dialect, sqlstore.Files())
			require.NoError(t, err)
			return again.Files(nil)
		}), filestest.Damage(func(t *testing.T, s ticket.FileStore, _ string, sum ticket.Digest, change func([]byte) []byte) {
			damage(t, b, dbs[s].db, sum, change)
		}))
	})
}

// damage changes the bytes of a small file in a database.
func damage(t *testing.T, b backend, db *sql.DB, sum ticket.Digest, change func([]byte) []byte) {
	t.Helper()
	var place string
	var content []byte
	first, second := "?", "?"
	if b.dialect == sqlstore.Postgres {
		first, second = "$1", "$2"
	}
	require.NoError(t, db.QueryRowContext(t.Context(), "SELECT f.place, c.bytes FROM ticket_files f JOIN ticket_chunks c ON c.place = f.place WHERE f.sum = "+first, sum.String()).Scan(&place, &content))
	content = change(content)
	if content == nil {
		content = []byte{}
	}
	_, err := db.ExecContext(t.Context(), "UPDATE ticket_chunks SET bytes = "+first+" WHERE place = "+second, content, place)
	require.NoError(t, err)
}

// The contract also holds inside a transaction of the application.
func TestFilesWithTx(t *testing.T) {
	each(t, databases, func(t *testing.T, b backend) {
		filestest.Run(t, func(t *testing.T) ticket.FileStore {
			s, db := b.open(t, sqlstore.Files())
			tx, err := db.BeginTx(t.Context(), nil)
			require.NoError(t, err)
			t.Cleanup(func() { _ = tx.Rollback() })
			return s.WithTx(tx).Files(nil)
		}, filestest.Without(filestest.Concurrency))
	})
}

// A file and the ticket that refers to it are in one transaction of the application: after a
// rollback neither is there.
func TestFilesInTheApplicationsTransaction(t *testing.T) {
	each(t, databases, func(t *testing.T, b backend) {
		s, db := b.open(t, sqlstore.Files())
		desk, err := ticket.NewDesk(s, ticket.Config{Files: s.Files(nil)})
		require.NoError(t, err)
		big := strings.Repeat("a line of a log\n", 50_000)
		for _, commit := range []bool{false, true} {
			tx, err := db.BeginTx(t.Context(), nil)
			require.NoError(t, err)
			inside := desk.WithStore(s.WithTx(tx))
			a, err := inside.Attach(t.Context(), failCustomer, "app.log", "text/plain", strings.NewReader(big))
			require.NoError(t, err)
			draft := failDraft
			draft.Attachments = []ticket.Attachment{a}
			opened, err := inside.Open(t.Context(), failCustomer, draft)
			require.NoError(t, err)
			_, r, err := inside.File(t.Context(), failCustomer, opened.ID, a.SHA256)
			require.NoError(t, err)
			got, err := io.ReadAll(r)
			require.NoError(t, err)
			require.NoError(t, r.Close())
			assert.Equal(t, big, string(got))
			if !commit {
				require.NoError(t, tx.Rollback())
				_, _, err = desk.File(t.Context(), failCustomer, opened.ID, a.SHA256)
				require.ErrorIs(t, err, ticket.ErrNotFound)
				list, err := s.Files(nil).List(t.Context(), ticket.File{}, 10)
				require.NoError(t, err)
				assert.Empty(t, list)
				continue
			}
			require.NoError(t, tx.Commit())
			_, r, err = desk.File(t.Context(), failCustomer, opened.ID, a.SHA256)
			require.NoError(t, err)
			n, err := io.Copy(io.Discard, r)
			require.NoError(t, err)
			require.NoError(t, r.Close())
			assert.EqualValues(t, len(big), n)
		}
		for _, table := range []string{"ticket_uploads", "ticket_files WHERE size = 0"} {
			var n int
			require.NoError(t, db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM "+table).Scan(&n))
			assert.Zero(t, n, table)
		}
	})
}

// What a process leaves that dies in the middle of a file is removed a day later, and content
// that fails leaves nothing at all.
func TestAbandonedFilesAreRemoved(t *testing.T) {
	each(t, databases, func(t *testing.T, b backend) {
		s, db := b.open(t, sqlstore.Files())
		clock := time.Now()
		f := s.Files(func() time.Time { return clock })
		count := func(table string) (n int) {
			require.NoError(t, db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM "+table).Scan(&n))
			return n
		}
		_, err := f.Put(t.Context(), "acme", io.MultiReader(bytes.NewReader(make([]byte, 1<<20)), failing{}))
		require.Error(t, err)
		assert.Zero(t, count("ticket_chunks")+count("ticket_uploads"))

		// The process dies: its connection does not, so the rows are written by hand.
		execute(t, db, "INSERT INTO ticket_uploads (place, began) VALUES ('dead', "+fmt.Sprint(clock.UnixMicro())+")")
		bytesOf := "X'00'"
		if b.dialect == sqlstore.Postgres {
			bytesOf = "'x'"
		}
		execute(t, db, "INSERT INTO ticket_chunks (place, n, bytes) VALUES ('dead', 0, "+bytesOf+")")
		_, err = f.List(t.Context(), ticket.File{}, 1)
		require.NoError(t, err)
		assert.Equal(t, 1, count("ticket_chunks"))
		clock = clock.Add(25 * time.Hour)
		_, err = f.List(t.Context(), ticket.File{}, 1)
		require.NoError(t, err)
		assert.Zero(t, count("ticket_chunks")+count("ticket_uploads"))
	})
}

func execute(t *testing.T, db *sql.DB, text string) {
	t.Helper()
	_, err := db.ExecContext(t.Context(), text)
	require.NoError(t, err)
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrClosedPipe }

// A file that is deleted, or stored again, while somebody reads it.
func TestFilesThatChangeWhileTheyAreRead(t *testing.T) {
	each(t, databases, func(t *testing.T, b backend) {
		s, _ := b.open(t, sqlstore.Files())
		f := s.Files(nil)
		content := bytes.Repeat([]byte("0123456789abcdef"), 64<<10)
		file, err := f.Put(t.Context(), "acme", bytes.NewReader(content))
		require.NoError(t, err)
		half := func() io.ReadCloser {
			r, err := f.Open(t.Context(), "acme", file.SHA256)
			require.NoError(t, err)
			_, err = io.ReadFull(r, make([]byte, len(content)/2))
			require.NoError(t, err)
			return r
		}
		r := half()
		_, err = f.Put(t.Context(), "acme", bytes.NewReader(content))
		require.NoError(t, err)
		rest, err := io.ReadAll(r)
		require.NoError(t, err)
		assert.Equal(t, content[len(content)/2:], rest)
		require.NoError(t, r.Close())

		r = half()
		done, err := f.Delete(t.Context(), "acme", file.SHA256, time.Now().Add(time.Hour))
		require.NoError(t, err)
		assert.True(t, done)
		_, err = io.ReadAll(r)
		require.ErrorAs(t, err, new(*ticket.FileError))
		require.NoError(t, r.Close())
	})
}

// Tickets whose labels an older version wrote without those of files are found as well.
func TestFilesOfOlderEventsAreReferredTo(t *testing.T) {
	each(t, databases, func(t *testing.T, b backend) {
		db := b.connect(t, b.dsn(t))
		s, err := sqlstore.Open(t.Context(), db, b.dialect)
		require.NoError(t, err)
		desk, err := ticket.NewDesk(s, ticket.Config{})
		require.NoError(t, err)
		var want []ticket.Digest
		for i := range 3 {
			draft := failDraft
			draft.Attachments = []ticket.Attachment{{Name: "a.txt", SHA256: ticket.Digest{1, byte(i)}}}
			_, err := desk.Open(t.Context(), failCustomer, draft)
			require.NoError(t, err)
			want = append(want, ticket.Digest{1, byte(i)})
		}
		execute(t, db, "DELETE FROM ticket_labels WHERE label LIKE 'file:%'")
		found, err := s.ReferredFiles(t.Context(), "", append([]ticket.Digest{{9}}, want...))
		require.NoError(t, err)
		assert.ElementsMatch(t, want, found)

		// It is done once.
		execute(t, db, "DELETE FROM ticket_labels WHERE label LIKE 'file:%'")
		found, err = s.ReferredFiles(t.Context(), "", want)
		require.NoError(t, err)
		assert.Empty(t, found)
	})
}

func TestFilesNeedTheirTables(t *testing.T) {
	each(t, databases, func(t *testing.T, b backend) {
		db := b.connect(t, b.dsn(t))
		s, err := sqlstore.Open(t.Context(), db, b.dialect)
		require.NoError(t, err)
		_, err = s.Files(nil).List(t.Context(), ticket.File{}, 1)
		require.ErrorIs(t, err, sqlstore.ErrSchema)
		require.ErrorContains(t, err, "the schema of files")
	})
}
