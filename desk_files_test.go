package ticket_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/files"
	"github.com/ticketkit/ticket/memstore"
)

// A fileKit is a desk with files in memory.
type fileKit struct {
	*kit
	files *files.Memory
}

func newFileKit(t *testing.T, change ...func(*ticket.Config)) *fileKit {
	t.Helper()
	f := &fileKit{}
	f.kit = newKit(t, append([]func(*ticket.Config){func(c *ticket.Config) {
		f.files = files.NewMemory(files.Now(c.Now))
		c.Files = f.files
	}}, change...)...)
	return f
}

func (k *fileKit) attach(a ticket.Actor, name, text string) ticket.Attachment {
	k.Helper()
	file, err := k.desk.Attach(k.Context(), a, name, "text/plain", strings.NewReader(text))
	require.NoError(k, err)
	return file
}

// content returns what the actor reads of a file, or the error.
func (k *fileKit) content(a ticket.Actor, t ticket.Ticket, file ticket.Attachment) (string, error) {
	k.Helper()
	got, r, err := k.desk.File(k.Context(), a, t.ID, file.SHA256)
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(r)
	require.NoError(k, r.Close())
	require.Equal(k, file.SHA256, got.SHA256)
	return string(b), err
}

func (k *fileKit) reads(a ticket.Actor, t ticket.Ticket, file ticket.Attachment, want string) {
	k.Helper()
	got, err := k.content(a, t, file)
	require.NoError(k, err)
	require.Equal(k, want, got)
}

func (k *fileKit) readsNothing(a ticket.Actor, t ticket.Ticket, file ticket.Attachment) {
	k.Helper()
	_, err := k.content(a, t, file)
	require.ErrorIs(k, err, ticket.ErrNotFound)
}

func (k *fileKit) names() int {
	k.Helper()
	list, err := k.files.List(k.Context(), ticket.File{}, 100)
	require.NoError(k, err)
	return len(list)
}

func TestAttachAndFile(t *testing.T) {
	k := newFileKit(t)
	a := k.attach(ada, " photo\u3000of it.txt ", "page one")
	assert.Equal(t, ticket.Attachment{Name: "photo of it.txt", MediaType: "text/plain", Size: 8, SHA256: a.SHA256}, a)
	tk := k.open(ada, ticket.Draft{Attachments: []ticket.Attachment{a}})
	secret := k.attach(lin, "internal.txt", "do not show")
	tk = k.do(lin, tk, ticket.Action{Name: ticket.ActionTake})
	tk = k.do(lin, tk, ticket.Action{Name: ticket.ActionNote, Note: "see file", NoteAttachments: []ticket.Attachment{secret}})

	k.reads(ada, tk, a, "page one")
	k.reads(lin, tk, a, "page one")
	k.reads(lin, tk, secret, "do not show")
	k.readsNothing(ada, tk, secret)
	k.readsNothing(bob, tk, a)
	k.readsNothing(ada.InTenant("other"), tk, a)
	k.readsNothing(ada, tk, ticket.Attachment{})
	k.readsNothing(ada, tk, ticket.Attachment{SHA256: ticket.Digest{1}})

	other := k.open(bob, ticket.Draft{}) // the same bytes are no way to another ticket's file
	k.readsNothing(bob, other, a)
}

func TestFilesOfMergedTickets(t *testing.T) {
	k := newFileKit(t)
	a := k.attach(ada, "a.txt", "in the first")
	first, second := k.open(ada, ticket.Draft{Attachments: []ticket.Attachment{a}}), k.open(ada, ticket.Draft{Subject: "again"})
	k.do(super, first, ticket.Action{Name: ticket.ActionMerge, Ticket: second.ID})
	k.reads(ada, second, a, "in the first")
	k.reads(ada, first, a, "in the first")
	k.readsNothing(bob, second, a)
}

func TestFilesThroughAStatusLink(t *testing.T) {
	k := newFileKit(t, withLinks(1))
	a := k.attach(ada, "a.txt", "of the ticket")
	tk, other := k.open(ada, ticket.Draft{Attachments: []ticket.Attachment{a}, Followers: []ticket.Person{bob.Person}}), k.open(ada, ticket.Draft{Subject: "another"})
	holder := func(r ticket.StatusLinkRequest) ticket.Actor { return ticket.StatusLinkHolder(k.link(bob, tk, r)) }
	up, read := holder(ticket.StatusLinkRequest{Upload: true}), holder(ticket.StatusLinkRequest{})
	k.reads(read, tk, a, "of the ticket")
	k.readsNothing(read, other, a)
	b := k.attach(up, "b.txt", "sent with the link")
	k.do(up, tk, ticket.Action{Name: ticket.ActionReply, Attachments: []ticket.Attachment{b}})
	k.reads(read, tk, b, "sent with the link")
	_, err := k.desk.Attach(t.Context(), read, "c.txt", "", strings.NewReader("x"))
	require.ErrorIs(t, err, ticket.ErrRefused)
}

func TestAttachRefuses(t *testing.T) {
	k := newFileKit(t, func(c *ticket.Config) { c.Limits.AttachmentSize = 10 })
	attach := func(a ticket.Actor, name, mediaType string, r io.Reader) error {
		_, err := k.desk.Attach(t.Context(), a, name, mediaType, r)
		return err
	}
	require.ErrorIs(t, attach(ada, "../..", "", strings.NewReader("x")), ticket.ErrInvalid)
	require.ErrorIs(t, attach(ada, "", "", strings.NewReader("x")), ticket.ErrInvalid)
	require.ErrorIs(t, attach(ada, "a", strings.Repeat("x", 10_000), strings.NewReader("x")), ticket.ErrInvalid)
	require.ErrorIs(t, attach(ada, "a", "", nil), ticket.ErrInvalid)
	require.ErrorIs(t, attach(ada, "a", "", strings.NewReader("eleven byte")), ticket.ErrInvalid)
	require.ErrorIs(t, attach(ada, "a", "", iotest.OneByteReader(strings.NewReader("eleven byte"))), ticket.ErrInvalid)
	require.ErrorIs(t, attach(ticket.Actor{}, "a", "", strings.NewReader("x")), ticket.ErrInvalid)
	errUpload := errors.New("the upload broke off")
	require.ErrorIs(t, attach(ada, "a", "", iotest.ErrReader(errUpload)), errUpload)
	assert.Zero(t, k.names())
	require.NoError(t, attach(ada, "a", "", strings.NewReader("ten bytes!")))

	none := newKit(t)
	_, err := none.desk.Attach(t.Context(), ada, "a", "", strings.NewReader("x"))
	require.ErrorIs(t, err, errors.ErrUnsupported)
	tk := none.open(ada, ticket.Draft{})
	_, _, err = none.desk.File(t.Context(), ada, tk.ID, ticket.Digest{1})
	require.ErrorIs(t, err, errors.ErrUnsupported)
	_, err = none.desk.SweepFiles(t.Context())
	require.ErrorIs(t, err, errors.ErrUnsupported)
}

// A description whose bytes the desk does not have is refused, before somebody looks for them.
func TestAttachmentsMustBeStored(t *testing.T) {
	k := newFileKit(t)
	tk := k.open(ada, ticket.Draft{})
	reply := func(a ticket.Attachment) error {
		_, err := k.desk.Do(t.Context(), ada, tk.ID, ticket.Action{Name: ticket.ActionReply, Attachments: []ticket.Attachment{a}})
		return err
	}
	a := k.attach(ada, "a.txt", "text")
	require.ErrorIs(t, reply(ticket.Attachment{Name: "b.txt", Size: 1, SHA256: ticket.Digest{1}}), ticket.ErrInvalid)
	require.NoError(t, reply(ticket.Attachment{Name: "b.txt", Size: 1, SHA256: ticket.Digest{1}, Ref: "s3://ours"}))
	require.NoError(t, reply(ticket.Attachment{Name: "b.txt", Size: 1}))
	wrong := a
	wrong.Size++
	require.ErrorIs(t, reply(wrong), ticket.ErrInvalid)
	_, err := k.desk.Open(t.Context(), ada.InTenant("other"), ticket.Draft{Subject: "x", Attachments: []ticket.Attachment{a}})
	require.ErrorIs(t, err, ticket.ErrInvalid)
	k.clock.Advance(23 * time.Hour)
	require.ErrorIs(t, reply(a), ticket.ErrInvalid)
	k.attach(ada, "a.txt", "text")
	require.NoError(t, reply(a))
	k.clock.Advance(30 * 24 * time.Hour)
	require.NoError(t, reply(a), "an event has it")
	_, err = k.desk.Do(t.Context(), lin, tk.ID, ticket.Action{Name: ticket.ActionNote, Note: "n", NoteAttachments: []ticket.Attachment{{Name: "c", SHA256: ticket.Digest{2}}}})
	require.ErrorIs(t, err, ticket.ErrInvalid)
}

func TestSweepFiles(t *testing.T) {
	k := newFileKit(t)
	used, unused := k.attach(ada, "a.txt", "used"), k.attach(ada, "b.txt", "unused")
	tk := k.open(ada, ticket.Draft{Attachments: []ticket.Attachment{used}})
	_, err := k.files.Put(t.Context(), "other", strings.NewReader("used")) // of a tenant without tickets
	require.NoError(t, err)
	sweep := func() int {
		n, err := k.desk.SweepFiles(t.Context())
		require.NoError(t, err)
		return n
	}
	k.clock.Advance(24 * time.Hour)
	assert.Zero(t, sweep(), "a day is not over")
	k.clock.Advance(time.Second)
	assert.Equal(t, 2, sweep())
	assert.Equal(t, 1, k.names())
	k.reads(ada, tk, used, "used")
	_, err = k.files.Open(t.Context(), "", unused.SHA256)
	require.ErrorIs(t, err, ticket.ErrNotFound)
	assert.Zero(t, sweep())
}

func TestSweepFilesSparesMails(t *testing.T) {
	memory := files.NewMemory(files.Now(func() time.Time { return time.Unix(0, 0) }))
	raw, err := memory.Put(t.Context(), "acme", strings.NewReader("From: ada"))
	require.NoError(t, err)
	desk, err := ticket.NewDesk(mailStore{memstore.New(), raw.SHA256}, ticket.Config{Files: memory})
	require.NoError(t, err)
	n, err := desk.SweepFiles(t.Context())
	require.NoError(t, err)
	assert.Zero(t, n)
}

// mailStore is a store with a mail.
type mailStore struct {
	*memstore.Store
	raw ticket.Digest
}

func (m mailStore) MailFiles(context.Context, string, []ticket.Digest) ([]ticket.Digest, error) {
	return []ticket.Digest{m.raw}, nil
}

func TestSweepFilesGoesOn(t *testing.T) {
	k := newFileKit(t)
	for _, text := range []string{"a", "b", "c"} {
		k.attach(ada, "a.txt", text)
	}
	errDisk := errors.New("disk")
	stuck := &stuckFiles{FileStore: k.files, err: errDisk}
	desk, err := ticket.NewDesk(k.store, ticket.Config{Files: stuck, Now: func() time.Time { return k.clock.Now().Add(48 * time.Hour) }})
	require.NoError(t, err)
	n, err := desk.SweepFiles(t.Context())
	require.ErrorIs(t, err, errDisk)
	assert.Equal(t, 2, n)
}

// stuckFiles fails to delete the first file it is asked to.
type stuckFiles struct {
	ticket.FileStore
	err   error
	asked int
}

func (s *stuckFiles) Delete(ctx context.Context, tenant string, sum ticket.Digest, before time.Time) (bool, error) {
	if s.asked++; s.asked == 1 {
		return false, s.err
	}
	return s.FileStore.Delete(ctx, tenant, sum, before)
}

func TestErasureRemovesFiles(t *testing.T) {
	var given []ticket.Attachment
	k := newFileKit(t, func(c *ticket.Config) {
		c.RemoveFiles = func(_ context.Context, _ string, list []ticket.Attachment) error {
			given = append(given, list...)
			return nil
		}
	})
	own, both := k.attach(ada, "own.txt", "own"), k.attach(ada, "both.txt", "both")
	theirs := ticket.Attachment{Name: "theirs.txt", Size: 1, Ref: "s3://ours"}
	tk := k.open(ada, ticket.Draft{Attachments: []ticket.Attachment{own, both, theirs}})
	other := k.open(bob, ticket.Draft{Attachments: []ticket.Attachment{both}})
	k.clock.Advance(25 * time.Hour)
	fresh := k.attach(ada, "fresh.txt", "fresh")
	tk = k.do(ada, tk, ticket.Action{Name: ticket.ActionReply, Attachments: []ticket.Attachment{fresh}})

	report := k.erase(ticket.Erasure{Ticket: tk.ID})
	require.Len(t, report.Tickets, 1)
	assert.Len(t, report.Tickets[0].Files, 4)
	assert.Equal(t, []ticket.Attachment{both}, report.Tickets[0].Shared)
	assert.Equal(t, []ticket.Attachment{fresh}, report.Tickets[0].Pending)
	assert.Equal(t, []ticket.Attachment{theirs}, given)
	assert.Equal(t, 2, k.names())
	k.readsNothing(lin, tk, own)
	k.readsNothing(lin, tk, fresh)
	k.reads(bob, other, both, "both")

	k.clock.Advance(25 * time.Hour)
	n, err := k.desk.SweepFiles(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 1, n)
	report = k.erase(ticket.Erasure{Ticket: other.ID})
	assert.Empty(t, report.Tickets[0].Pending)
	assert.Zero(t, k.names())
}

// Retention removes the bytes of files with the words of a ticket. One that another ticket refers to
// stays until that one is erased too, and one that was just stored until the next sweep.
func TestRetentionRemovesFiles(t *testing.T) {
	k := newFileKit(t, rules(usualRule))
	own, both := k.attach(ada, "own.txt", "own"), k.attach(ada, "both.txt", "both")
	tk := k.closed(ada, ticket.Draft{Message: "words", Attachments: []ticket.Attachment{own, both}})
	k.clock.Advance(100 * day)
	later := k.closed(bob, ticket.Draft{Message: "words", Attachments: []ticket.Attachment{both}})

	k.clock.Advance(200 * day)
	k.retain(ticket.RetainOptions{}) // archived: files stay
	k.reads(ada, tk, own, "own")
	require.Equal(t, 2, k.names())

	k.clock.Advance(66 * day)                // the words of the first
	again := k.attach(bob, "own.txt", "own") // the same bytes, just now
	k.retain(ticket.RetainOptions{})
	k.readsNothing(lin, tk, own)
	k.readsNothing(lin, tk, both)
	k.reads(bob, later, both, "both")
	require.Equal(t, 2, k.names(), "one is held back by the other ticket, one was just stored")
	sweep := func() int {
		n, err := k.desk.SweepFiles(t.Context())
		require.NoError(t, err)
		return n
	}
	require.Zero(t, sweep())
	k.clock.Advance(2 * day)
	require.Equal(t, 1, sweep(), "nothing refers to %s", again.Name)
	require.Equal(t, 1, k.names())

	k.clock.Advance(100 * day)
	k.retain(ticket.RetainOptions{})
	require.Zero(t, k.names())
}

func TestErasureReportsFilesThatAFailingStoreKeeps(t *testing.T) {
	k := newFileKit(t)
	a := k.attach(ada, "a.txt", "text")
	tk := k.open(ada, ticket.Draft{Attachments: []ticket.Attachment{a}})
	k.clock.Advance(25 * time.Hour)
	errDisk := errors.New("disk")
	desk, err := ticket.NewDesk(k.store, ticket.Config{Files: &stuckFiles{FileStore: k.files, err: errDisk}, Now: k.clock.Now})
	require.NoError(t, err)
	report, err := desk.Erase(t.Context(), privacy, ticket.Erasure{Ticket: tk.ID, Reason: "asked for it"})
	require.NoError(t, err)
	assert.Equal(t, []ticket.Attachment{a}, report.Tickets[0].Pending)
	n, err := desk.SweepFiles(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 1, n)
}

func TestAttachRefusesWhatAScannerFinds(t *testing.T) {
	found, down := "Test.Virus", error(nil)
	k := newFileKit(t, func(c *ticket.Config) {
		q, err := files.NewQuarantine(c.Files, func(context.Context, io.Reader) (string, error) { return found, down }, files.Now(c.Now))
		require.NoError(t, err)
		c.Files = q
	})
	_, err := k.desk.Attach(t.Context(), ada, "a.txt", "", strings.NewReader("bad"))
	e, ok := errors.AsType[*ticket.FileError](err)
	require.True(t, ok, err)
	assert.Equal(t, "Test.Virus", e.Found)

	// A scanner that does not answer holds up no message, but nobody reads the file.
	found, down = "", errors.New("no answer")
	a := k.attach(ada, "b.txt", "good")
	tk := k.open(ada, ticket.Draft{Attachments: []ticket.Attachment{a}})
	_, err = k.content(lin, tk, a)
	require.ErrorIs(t, err, down)
	down = nil
	k.reads(lin, tk, a, "good")
}
