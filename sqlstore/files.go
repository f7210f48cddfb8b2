package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/internal/checksum"
)

// Files adds the tables for [Store.Files] to the schema.
func Files() Option { return func(o *options) { o.files = true } }

// FileStore keeps files in the database of the tickets; see [Store.Files].
type FileStore struct {
	s   *Store
	now func() time.Time
}

var _ ticket.FileStore = (*FileStore)(nil)

// Files returns a store for files in the same database, for [ticket.Config].Files. The store
// must have been opened with the option [Files]. now is the clock of the desk; nil means
// [time.Now].
//
// A file is written and read in parts of 256 KiB, each with a statement of its own, so neither
// holds a connection while the other end is slow. It appears with its last part. If the process
// dies before, List removes the parts a day later.
//
// A desk that is bound to a transaction ([ticket.Desk.WithStore]) stores files in that
// transaction.
func (s *Store) Files(now func() time.Time) *FileStore {
	if now == nil {
		now = time.Now //nolint:forbidigo // the one default of the one clock
	}
	return &FileStore{s: s, now: now}
}

// FilesWithin returns the file store that a desk on this store uses in place of the given one:
// the same, bound to the transaction of this store, if its files are in this database.
func (s *Store) FilesWithin(files ticket.FileStore) ticket.FileStore {
	if f, ok := files.(*FileStore); ok && f.s.stmts == s.stmts {
		return &FileStore{s: s, now: f.now}
	}
	return files
}

// chunk is the size of a part of a file, in bytes.
const chunk = 256 << 10

// abandoned is the age of an upload whose process has died.
const abandoned = 24 * time.Hour

// errTooLate reports that List has removed the first parts of an upload.
var errTooLate = fmt.Errorf("it took more than %s", abandoned)

// Put stores a file; see [ticket.FileStore].
func (f *FileStore) Put(ctx context.Context, tenant string, content io.Reader) (ticket.File, error) {
	if err := ctx.Err(); err != nil {
		return ticket.File{}, err
	}
	if len(tenant) > maxName {
		return ticket.File{}, invalid("tenant", "must be at most %d bytes long for this store", maxName)
	}
	place := ticket.NewID(f.now()).String()
	file, err := f.upload(ctx, tenant, place, checksum.NewContent(ctx, content))
	if err != nil {
		// Without cancellation, so that nothing is left. If this fails too, List does it.
		ctx := context.WithoutCancel(ctx)
		late := errors.Is(err, errTooLate)
		_ = f.write(ctx, func(ctx context.Context, x *session) error { return x.dropUpload(ctx, place, late) })
		return ticket.File{}, f.s.explain(ctx, "store a file", err)
	}
	return file, nil
}

// write runs f in a transaction, and retries it if another transaction was in the way.
func (f *FileStore) write(ctx context.Context, do func(context.Context, *session) error) error {
	defer f.s.hold()()
	return f.s.persistent(ctx, func() error { return f.s.write(ctx, do) })
}

// upload writes the parts of a file, and then its row together with the last one.
func (f *FileStore) upload(ctx context.Context, tenant, place string, in *checksum.Content) (ticket.File, error) {
	buf := make([]byte, chunk)
	for n := int64(0); ; n++ {
		size, err := io.ReadFull(in, buf)
		last := err == io.EOF || err == io.ErrUnexpectedEOF //nolint:errorlint // of ReadFull; those of the content are wrapped
		if err != nil && !last {
			return ticket.File{}, err
		}
		part := buf[:size]
		if !last {
			err := f.write(ctx, func(ctx context.Context, x *session) error {
				if n == 0 {
					if _, err := x.exec(ctx, "INSERT INTO {t}uploads (place, began) VALUES (?, ?)", place, f.now().UnixMicro()); err != nil {
						return err
					}
				}
				return x.insertChunk(ctx, place, n, part)
			})
			if err != nil {
				return ticket.File{}, err
			}
			continue
		}
		file := ticket.File{Tenant: tenant, SHA256: in.Sum(), Size: in.Size()}
		err = f.write(ctx, func(ctx context.Context, x *session) error {
			file.Stored = f.now().UTC().Truncate(time.Microsecond)
			if size > 0 {
				if err := x.insertChunk(ctx, place, n, part); err != nil {
					return err
				}
			}
			if n > 0 {
				gone, err := x.exec(ctx, "DELETE FROM {t}uploads WHERE place = ?", place)
				if err == nil && gone == 0 {
					err = errTooLate
				}
				if err != nil {
					return err
				}
			}
			return x.putFile(ctx, &file, place)
		})
		return file, err
	}
}

func (x *session) insertChunk(ctx context.Context, place string, n int64, part []byte) error {
	_, err := x.exec(ctx, "INSERT INTO {t}chunks (place, n, bytes) VALUES (?, ?, ?)", place, n, part)
	return err
}

// dropUpload removes the parts of an upload. Without its row a file has them, perhaps because the
// connection broke in a commit that succeeded; or, if late, List has removed those before.
func (x *session) dropUpload(ctx context.Context, place string, late bool) error {
	n, err := x.exec(ctx, "DELETE FROM {t}uploads WHERE place = ?", place)
	if err == nil && (n > 0 || late) {
		_, err = x.exec(ctx, "DELETE FROM {t}chunks WHERE place = ?", place)
	}
	return err
}

// putFile writes the row of a file whose bytes are at the place. If there is a row, its bytes
// are replaced: they are equal, unless they were damaged.
func (x *session) putFile(ctx context.Context, file *ticket.File, place string) error {
	sum := hexOf(file.SHA256)
	for range 5 { // a Delete may come between the two statements
		_, err := x.exec(ctx, "INSERT INTO {t}files (tenant, sum, size, stored, place) VALUES (?, ?, ?, ?, ?)"+x.s.lang.ifNew("place"),
			file.Tenant, sum, file.Size, file.Stored.UnixMicro(), place)
		if err != nil {
			return err
		}
		var old string
		found, err := x.one(ctx, []any{&old}, "SELECT place FROM {t}files WHERE tenant = ? AND sum = ?"+x.s.lang.forUpdate, file.Tenant, sum)
		switch {
		case err != nil:
			return err
		case !found:
			continue
		case old == place:
			return nil
		}
		n, err := x.exec(ctx, "UPDATE {t}files SET size = ?, stored = ?, place = ? WHERE tenant = ? AND sum = ? AND place = ?",
			file.Size, file.Stored.UnixMicro(), place, file.Tenant, sum, old)
		if err == nil && n == 0 {
			err = errOvertaken
		}
		if err == nil {
			_, err = x.exec(ctx, "DELETE FROM {t}chunks WHERE place = ?", old)
		}
		return err
	}
	return fmt.Errorf("the file is being deleted: %w", ticket.ErrConflict)
}

// Open opens a file; see [ticket.FileStore]. Reading ends when ctx does. If the file is deleted
// while it is read, reading ends in a [*ticket.FileError].
func (f *FileStore) Open(ctx context.Context, tenant string, sum ticket.Digest) (io.ReadCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	r := &fileReader{ctx: ctx, f: f, tenant: tenant, sum: sum}
	if found, err := r.find(); err != nil || !found {
		if err == nil {
			err = &ticket.NotFoundError{What: "file", Ref: sum.String()}
		}
		return nil, f.s.explain(ctx, "open a file", err)
	}
	return checksum.NewReader(r, sum, r.fault), nil
}

// A fileReader reads the parts of a file one by one.
type fileReader struct {
	ctx    context.Context //nolint:containedctx // of the call of Open, as a reader has none
	f      *FileStore
	tenant string
	sum    ticket.Digest
	place  string
	size   int64
	n      int64 // the next part
	read   int64 // bytes of the parts before
	part   []byte
	shut   bool
}

func (r *fileReader) fault(reason string) error {
	return &ticket.FileError{SHA256: r.sum, Reason: reason}
}

// find looks up where the bytes are.
func (r *fileReader) find() (found bool, err error) {
	defer r.f.s.hold()()
	return r.f.s.here().one(r.ctx, []any{&r.place, &r.size}, "SELECT place, size FROM {t}files WHERE tenant = ? AND sum = ?", r.tenant, hexOf(r.sum))
}

func (r *fileReader) Read(p []byte) (int, error) {
	if r.shut {
		return 0, errors.New("sqlstore: read from a closed file")
	}
	if len(r.part) == 0 {
		if r.read >= r.size {
			return 0, io.EOF
		}
		if err := r.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.part)
	r.part = r.part[n:]
	return n, nil
}

// next reads the next part. If the bytes have another place meanwhile, it goes on there.
func (r *fileReader) next() error {
	for {
		found, err := r.chunk()
		if err != nil {
			return r.f.s.explain(r.ctx, "read a file", err)
		}
		if found && len(r.part) > 0 {
			r.n++
			r.read += int64(len(r.part))
			return nil
		}
		place := r.place
		if found, err = r.find(); err != nil {
			return r.f.s.explain(r.ctx, "read a file", err)
		}
		if !found {
			return r.fault("was deleted while it was read")
		}
		if r.place == place {
			return r.fault(fmt.Sprintf("has no bytes after the first %d", r.read))
		}
	}
}

func (r *fileReader) chunk() (found bool, err error) {
	defer r.f.s.hold()()
	return r.f.s.here().one(r.ctx, []any{&r.part}, "SELECT bytes FROM {t}chunks WHERE place = ? AND n = ?", r.place, r.n)
}

func (r *fileReader) Close() error {
	r.shut, r.part = true, nil
	return nil
}

// Delete removes a file; see [ticket.FileStore].
func (f *FileStore) Delete(ctx context.Context, tenant string, sum ticket.Digest, before time.Time) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	done := false
	err := f.write(ctx, func(ctx context.Context, x *session) error {
		var place string
		const which = " WHERE tenant = ? AND sum = ? AND stored < ?"
		found, err := x.one(ctx, []any{&place}, "SELECT place FROM {t}files"+which+x.s.lang.forUpdate, tenant, hexOf(sum), bounded(before))
		if done = err == nil && found; !done {
			return err
		}
		n, err := x.exec(ctx, "DELETE FROM {t}files WHERE tenant = ? AND sum = ? AND place = ?", tenant, hexOf(sum), place)
		if err == nil && n == 0 {
			err = errOvertaken
		}
		if err == nil {
			_, err = x.exec(ctx, "DELETE FROM {t}chunks WHERE place = ?", place)
		}
		return err
	})
	if err != nil {
		return false, f.s.explain(ctx, "delete a file", err)
	}
	return done, nil
}

// List lists files; see [ticket.FileStore]. If it starts at the first file, it also removes
// what processes have left that died while they stored a file, after a day.
func (f *FileStore) List(ctx context.Context, after ticket.File, limit int) ([]ticket.File, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if after.Tenant == "" && after.SHA256.IsZero() && f.s.tx == nil {
		if err := f.tidy(ctx); err != nil {
			return nil, f.s.explain(ctx, "remove what was left of files", err)
		}
	}
	if limit <= 0 {
		return nil, nil
	}
	list, err := f.page(ctx, after, limit)
	return list, f.s.explain(ctx, "list files", err)
}

func (f *FileStore) page(ctx context.Context, after ticket.File, limit int) (list []ticket.File, err error) {
	sum := ""
	if !after.SHA256.IsZero() {
		sum = hexOf(after.SHA256)
	}
	where, args := "(tenant, sum) > (?, ?)", []any{after.Tenant, sum}
	if !f.s.lang.rowValues {
		where, args = "(tenant > ? OR tenant = ? AND sum > ?)", []any{after.Tenant, after.Tenant, sum}
	}
	defer f.s.hold()()
	err = f.s.here().rows(ctx, func(r *sql.Rows) error {
		var file ticket.File
		var sum sql.RawBytes
		var stored int64
		if err := r.Scan(&file.Tenant, &sum, &file.Size, &stored); err != nil {
			return err
		}
		file.Stored = micros(stored)
		err := parseDigest(sum, &file.SHA256)
		list = append(list, file)
		return err
	}, "SELECT tenant, sum, size, stored FROM {t}files WHERE "+where+" ORDER BY tenant, sum LIMIT ?", append(args, limit)...)
	return list, err
}

// tidy removes the parts of uploads that were abandoned. A replica removes none.
func (f *FileStore) tidy(ctx context.Context) error {
	var places []string
	err := func() error {
		defer f.s.hold()()
		return f.s.here().rows(ctx, func(r *sql.Rows) error {
			var place string
			err := r.Scan(&place)
			places = append(places, place)
			return err
		}, "SELECT place FROM {t}uploads WHERE began < ?", f.now().Add(-abandoned).UnixMicro())
	}()
	if err != nil {
		return err
	}
	for _, place := range places {
		err := f.write(ctx, func(ctx context.Context, x *session) error { return x.dropUpload(ctx, place, false) })
		if f.s.lang.classify(err) == readOnly {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// fileLabel begins the label of a ticket that refers to a file, followed by the digest.
const fileLabel = "file:"

// labelled is the part of the schema that says that all tickets have the labels of their files.
const labelled = "file labels"

// attached is in the document of every event that refers to a file.
const attached = `"sha256":"`

// fileLabels adds the labels of the files that events refer to. It sorts the list if it adds
// any, and removes duplicates.
func fileLabels(list []string, events []ticket.Event) []string {
	others := len(list)
	for i := range events {
		for _, files := range [...][]ticket.Attachment{events[i].Attachments, events[i].NoteAttachments} {
			for j := range files {
				if sum := files[j].SHA256; !sum.IsZero() {
					list = append(list, fileLabel+hexOf(sum))
				}
			}
		}
	}
	if len(list) == others {
		return list
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// ReferredFiles returns the digests that events refer to; see [ticket.FileReferrer]. The
// labels of tickets are the index. The first call on a database reads all events, to add the
// labels of those that an older version wrote.
func (s *Store) ReferredFiles(ctx context.Context, tenant string, sums []ticket.Digest) ([]ticket.Digest, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := s.labelFiles(ctx); err != nil {
		return nil, s.explain(ctx, "index the files of events", err)
	}
	found, err := s.digests(ctx, "SELECT DISTINCT label FROM {t}labels WHERE tenant = ? AND label", tenant, fileLabel, sums)
	return found, s.explain(ctx, "find the files of events", err)
}

// digests returns those of the digests that a query finds, in their order. The query ends in the
// column that has them, after a mark.
func (s *Store) digests(ctx context.Context, text, tenant, mark string, sums []ticket.Digest) (found []ticket.Digest, err error) {
	texts := make([]string, len(sums))
	for i, sum := range sums {
		texts[i] = mark + hexOf(sum)
	}
	slices.Sort(texts)
	defer s.hold()()
	for part := range slices.Chunk(slices.Compact(texts), indexBatch) {
		in, args := amongst(part)
		err := s.here().rows(ctx, func(r *sql.Rows) error {
			var raw sql.RawBytes
			if err := r.Scan(&raw); err != nil {
				return err
			}
			var sum ticket.Digest
			err := parseDigest(raw[len(mark):], &sum)
			found = append(found, sum)
			return err
		}, text+in, append([]any{tenant}, args...)...)
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(found, func(a, b ticket.Digest) int { return slices.Compare(a[:], b[:]) })
	return found, nil
}

// labelFiles adds the labels of files to tickets whose events an older version wrote.
func (s *Store) labelFiles(ctx context.Context) error {
	done, err := func() (bool, error) {
		defer s.hold()()
		return s.here().exists(ctx, "SELECT version FROM {t}schema WHERE part = '"+labelled+"'")
	}()
	if err != nil || done {
		return err
	}
	for from, more := "", true; more; {
		var to string
		var found []string
		to, more, found, err = s.attaching(ctx, from)
		for i := 0; err == nil && i < len(found); i++ {
			err = s.relabelFiles(ctx, found[i])
		}
		if err != nil {
			return err
		}
		from = to
	}
	defer s.hold()()
	return s.write(ctx, func(ctx context.Context, x *session) error {
		_, err := x.exec(ctx, "INSERT INTO {t}schema (part, version) VALUES ('"+labelled+"', 1)"+s.lang.ifNew("version"))
		return err
	})
}

// attaching returns those of some tickets after an ID that have files, the last of these
// tickets, and whether there are more.
func (s *Store) attaching(ctx context.Context, from string) (to string, more bool, found []string, err error) {
	defer s.hold()()
	x := s.here()
	if to, more, err = x.stretch(ctx, from); err != nil {
		return "", false, nil, err
	}
	err = x.rows(ctx, func(r *sql.Rows) error {
		var id string
		err := r.Scan(&id)
		found = append(found, id)
		return err
	}, "SELECT DISTINCT ticket FROM {t}events{by events_id} WHERE ticket > ? AND ticket <= ? AND "+s.lang.contains, from, to, attached)
	return to, more, found, err
}

// relabelFiles adds the labels of a ticket's files, while nobody changes the ticket.
func (s *Store) relabelFiles(ctx context.Context, id string) error {
	defer s.hold()()
	return s.persistent(ctx, func() error {
		return s.write(ctx, func(ctx context.Context, x *session) error {
			var ch changing
			var created int64
			ch.Change = &ticket.Change{}
			ch.identify(id)
			found, err := x.one(ctx, []any{&ch.Ticket.Tenant, &created}, "SELECT tenant, created FROM {t}tickets WHERE id = ?"+s.lang.forUpdate, id)
			if err != nil || !found {
				return err
			}
			ch.Ticket.Created = micros(created)
			events, err := x.eventsWithFiles(ctx, id)
			if err != nil {
				return err
			}
			return ch.label(ctx, x, fileLabels(nil, events), s.lang.ifNew("label"))
		})
	})
}

// eventsWithFiles returns the events of a ticket that refer to files.
func (x *session) eventsWithFiles(ctx context.Context, id string) ([]ticket.Event, error) {
	return x.events(ctx, "SELECT doc FROM {t}events WHERE ticket = ? AND "+x.s.lang.contains, id, attached)
}

// fileLabelsOf returns the labels of the files that the events with these numbers refer to.
func (ch *changing) fileLabelsOf(ctx context.Context, x *session, events []ticket.Event) ([]string, error) {
	var stored []ticket.Event
	for part := range slices.Chunk(events, indexBatch) {
		numbers := make([]any, len(part))
		for i := range part {
			numbers[i] = part[i].Seq
		}
		in, args := amongst(numbers)
		some, err := x.events(ctx, "SELECT doc FROM {t}events WHERE ticket = ? AND "+x.s.lang.contains+" AND seq"+in, append([]any{ch.id, attached}, args...)...)
		if err != nil {
			return nil, err
		}
		stored = append(stored, some...)
	}
	return fileLabels(nil, stored), nil
}

// unlabelFiles removes those of the labels that no event of the ticket needs any more.
func (ch *changing) unlabelFiles(ctx context.Context, x *session, labels []string) error {
	if len(labels) == 0 {
		return nil
	}
	events, err := x.eventsWithFiles(ctx, ch.id)
	if err != nil {
		return err
	}
	for _, l := range without(labels, fileLabels(nil, events)) {
		if _, err := x.exec(ctx, deleteLabel, ch.Ticket.Tenant, l, ch.Ticket.Created.UnixMicro(), ch.id); err != nil {
			return err
		}
	}
	return nil
}
