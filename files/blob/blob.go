// Package blob keeps the files of a desk in object storage: S3 and what speaks its protocol,
// Google Cloud Storage, Azure, or anything else that gocloud.dev/blob opens.
//
//	bucket, err := blob.OpenBucket(ctx, "s3://desk-files?region=eu-central-1") // gocloud.dev/blob, with the driver imported
//	store, err := fileblob.New(bucket)                                         // this package
//	desk, err := ticket.NewDesk(tickets, ticket.Config{Files: store})
package blob

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/internal/checksum"
)

// Store is a [ticket.FileStore] in a bucket. Make one with [New].
//
// Every Put writes an object of its own, whose key has the tenant, the SHA-256 and the time, and
// then removes older objects of the same file. Delete removes objects by these keys. So the two
// need no lock, which object storage does not have: Delete cannot remove what a later Put wrote.
//
// A file of more than 1 MiB is uploaded under another key first, since its SHA-256 is known only
// at the end, and then copied within the bucket. S3 copies at most 5 GB at once.
type Store struct {
	bucket *blob.Bucket
	now    func() time.Time

	mu   sync.Mutex
	next *walk // where the last List ended, for the next one
}

var _ ticket.FileStore = (*Store)(nil)

// Option changes how a store works.
type Option func(*Store)

// Now sets the clock that File.Stored is read from. It must be the clock of the desk; see
// ticket.Config.Now. Default: [time.Now].
func Now(now func() time.Time) Option { return func(s *Store) { s.now = now } }

// New returns a store on a bucket, which must belong to it alone: open a part of a bucket with
// [blob.PrefixedBucket]. Your application closes the bucket.
func New(bucket *blob.Bucket, opts ...Option) (*Store, error) {
	if bucket == nil {
		return nil, &ticket.InvalidError{Field: "blob.bucket", Reason: "is missing"}
	}
	s := &Store{bucket: bucket, now: time.Now} //nolint:forbidigo // the one default of the one clock
	for _, opt := range opts {
		opt(s)
	}
	return s, nil
}

// The parts of keys. A tenant is "t" and its name in hexadecimal, in several parts if it is
// long: some drivers make each part a folder. Digits sort before "t".
const (
	incoming    = "incoming/" // uploads whose digest is not known yet
	tenantMark  = "t"
	tenantBytes = 100
	small       = 1 << 20 // a file up to this size is uploaded at once
	abandoned   = 24 * time.Hour
)

// folder returns the beginning of the keys of a tenant's files.
func folder(tenant string) string {
	var b strings.Builder
	for {
		n := min(tenantBytes, len(tenant))
		b.WriteString(tenantMark + hex.EncodeToString([]byte(tenant[:n])) + "/")
		if tenant = tenant[n:]; tenant == "" {
			return b.String()
		}
	}
}

// key returns a key of a file that was stored at a time.
func key(f *ticket.File) string {
	return fmt.Sprintf("%s%s-%016x-%s", folder(f.Tenant), f.SHA256, f.Stored.UnixMicro(), ticket.NewID(f.Stored))
}

// parse returns the file of a key, and false for a key that is not one of ours.
func parse(key string) (f ticket.File, ok bool) {
	parts := strings.Split(key, "/")
	last := len(parts) - 1
	for _, part := range parts[:last] {
		text, is := strings.CutPrefix(part, tenantMark)
		name, err := hex.DecodeString(text)
		if !is || err != nil {
			return f, false
		}
		f.Tenant += string(name)
	}
	name := strings.Split(parts[last], "-")
	if last == 0 || len(name) != 3 || f.SHA256.UnmarshalText([]byte(name[0])) != nil {
		return f, false
	}
	if new(ticket.ID).UnmarshalText([]byte(name[2])) != nil { // such as the name of a file that a driver still writes
		return f, false
	}
	at, err := strconv.ParseInt(name[1], 16, 64)
	f.Stored = time.UnixMicro(at).UTC()
	return f, err == nil
}

func failed(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("blob: %s: %w", doing, err)
}

// Put stores a file; see [ticket.FileStore].
func (s *Store) Put(ctx context.Context, tenant string, content io.Reader) (ticket.File, error) {
	f, err := s.put(ctx, tenant, content)
	if err != nil {
		return ticket.File{}, failed("store a file", err)
	}
	return f, nil
}

func (s *Store) put(ctx context.Context, tenant string, content io.Reader) (f ticket.File, err error) {
	if err := ctx.Err(); err != nil {
		return f, err
	}
	if !utf8.ValidString(tenant) {
		return f, &ticket.InvalidError{Field: "tenant", Reason: "must be UTF-8"}
	}
	in := checksum.NewContent(ctx, content)
	first, err := io.ReadAll(io.LimitReader(in, small))
	if err != nil {
		return f, err
	}
	f.Tenant = tenant
	finish := func() string {
		f.SHA256, f.Size, f.Stored = in.Sum(), in.Size(), s.now().UTC().Truncate(time.Microsecond)
		return key(&f)
	}
	var at string
	if len(first) < small {
		at = finish()
		err = s.upload(ctx, at, bytes.NewReader(first))
	} else {
		temp := incoming + ticket.NewID(s.now()).String()
		if err := s.upload(ctx, temp, io.MultiReader(bytes.NewReader(first), in)); err != nil {
			return f, err
		}
		at = finish()
		err = s.bucket.Copy(ctx, at, temp, nil)
		_ = s.bucket.Delete(context.WithoutCancel(ctx), temp) // if it stays, List removes it
	}
	if err != nil {
		return f, err
	}
	// The file is there. Older objects are no longer needed.
	list, err := s.objects(ctx, tenant, f.SHA256)
	for i := 0; err == nil && i < len(list) && list[i] < at; i++ {
		err = s.remove(ctx, list[i])
	}
	return f, err
}

// upload writes an object. If the content fails, it writes none.
func (s *Store) upload(ctx context.Context, at string, content io.Reader) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w, err := s.bucket.NewWriter(ctx, at, &blob.WriterOptions{ContentType: "application/octet-stream"})
	if err != nil {
		return err
	}
	if _, err := io.Copy(struct{ io.Writer }{w}, content); err != nil {
		cancel() // so that Close writes nothing
		_ = w.Close()
		return err
	}
	return w.Close()
}

func (s *Store) remove(ctx context.Context, key string) error {
	err := s.bucket.Delete(ctx, key)
	if gcerrors.Code(err) == gcerrors.NotFound {
		return nil
	}
	return err
}

// A lister lists the objects with a prefix, in order. The driver for folders fails if an object
// is deleted while it lists, so the lister starts again after the last one.
type lister struct {
	bucket *blob.Bucket
	prefix string
	it     *blob.ListIterator
	last   string
}

func (s *Store) lister(prefix string) *lister { return &lister{bucket: s.bucket, prefix: prefix} }

func (l *lister) Next(ctx context.Context) (*blob.ListObject, error) {
	for failures := 0; ; {
		if l.it == nil {
			l.it = l.bucket.List(&blob.ListOptions{Prefix: l.prefix})
		}
		o, err := l.it.Next(ctx)
		switch {
		case gcerrors.Code(err) == gcerrors.NotFound && failures < 100:
			failures++
			l.it = nil
		case err != nil:
			return nil, err
		case l.last == "" || o.Key > l.last:
			l.last = o.Key
			return o, nil
		}
	}
}

// objects returns the keys of a file, the oldest first.
func (s *Store) objects(ctx context.Context, tenant string, sum ticket.Digest) (keys []string, err error) {
	it := s.lister(folder(tenant) + sum.String() + "-")
	for {
		o, err := it.Next(ctx)
		switch {
		case errors.Is(err, io.EOF):
			return keys, nil
		case err != nil:
			return nil, err
		}
		if _, ok := parse(o.Key); ok {
			keys = append(keys, o.Key)
		}
	}
}

// Open opens a file; see [ticket.FileStore]. Reading ends when ctx does.
func (s *Store) Open(ctx context.Context, tenant string, sum ticket.Digest) (io.ReadCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	fault := func(reason string) error { return &ticket.FileError{SHA256: sum, Reason: reason} }
	for last := ""; ; {
		list, err := s.objects(ctx, tenant, sum)
		if err != nil {
			return nil, failed("open a file", err)
		}
		if len(list) == 0 || list[len(list)-1] == last { // listed, but not there
			return nil, &ticket.NotFoundError{What: "file", Ref: sum.String()}
		}
		last = list[len(list)-1]
		r, err := s.bucket.NewReader(ctx, last, nil)
		switch {
		case gcerrors.Code(err) == gcerrors.NotFound: // stored again, or deleted
			continue
		case err != nil:
			return nil, failed("open a file", err)
		}
		return checksum.NewReader(r, sum, fault), nil
	}
}

// Delete removes a file; see [ticket.FileStore].
func (s *Store) Delete(ctx context.Context, tenant string, sum ticket.Digest, before time.Time) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	list, err := s.objects(ctx, tenant, sum)
	if err != nil || len(list) == 0 {
		return false, failed("delete a file", err)
	}
	if f, _ := parse(list[len(list)-1]); !f.Stored.Before(before) {
		return false, nil
	}
	for _, key := range list {
		if err := s.remove(ctx, key); err != nil {
			return false, failed("delete a file", err)
		}
	}
	return true, nil
}

// A walk goes through all files in their order.
type walk struct {
	it    *lister
	ahead *ticket.File // read already
	last  ticket.File  // that List returned
}

// file returns the next file, with the time of its newest object, or nil at the end.
func (w *walk) file(ctx context.Context) (*ticket.File, error) {
	this := w.ahead
	w.ahead = nil
	for {
		o, err := w.it.Next(ctx)
		if errors.Is(err, io.EOF) {
			return this, nil
		}
		if err != nil {
			return nil, err
		}
		f, ok := parse(o.Key)
		if !ok {
			continue
		}
		f.Size = o.Size
		if this != nil && !same(this, &f) {
			w.ahead = &f
			return this, nil
		}
		this = &f
	}
}

func same(a, b *ticket.File) bool { return a.Tenant == b.Tenant && a.SHA256 == b.SHA256 }

func behind(f *ticket.File, after *ticket.File) bool {
	if f.Tenant != after.Tenant {
		return f.Tenant > after.Tenant
	}
	return bytes.Compare(f.SHA256[:], after.SHA256[:]) > 0
}

// List lists files; see [ticket.FileStore]. A list that goes on after the last file of the one
// before, in the same process, continues it. Another one looks for a single file where it would
// be, and else begins at the first. If it starts at the first file, it also removes what
// processes have left that died while they stored a file, after a day.
func (s *Store) List(ctx context.Context, after ticket.File, limit int) ([]ticket.File, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if after.Tenant == "" && after.SHA256.IsZero() {
		if err := s.tidy(ctx); err != nil {
			return nil, failed("remove what was left", err)
		}
	}
	if limit <= 0 {
		return nil, nil
	}
	if limit == 1 && !after.SHA256.IsZero() {
		near := &walk{it: s.lister(folder(after.Tenant) + after.SHA256.String()[:4])}
		list, err := near.list(ctx, after, limit)
		if err != nil || len(list) > 0 {
			return list, failed("list files", err)
		}
	}
	w := s.continued(after)
	list, err := w.list(ctx, after, limit)
	if err != nil {
		return nil, failed("list files", err)
	}
	if len(list) == limit {
		w.last = list[limit-1]
		s.mu.Lock()
		s.next = w
		s.mu.Unlock()
	}
	return list, nil
}

// continued returns the walk that the last List left at this file, or a new one.
func (s *Store) continued(after ticket.File) *walk {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w := s.next; w != nil && same(&w.last, &after) {
		s.next = nil
		return w
	}
	return &walk{it: s.lister(tenantMark)}
}

func (w *walk) list(ctx context.Context, after ticket.File, limit int) (list []ticket.File, err error) {
	for len(list) < limit {
		f, err := w.file(ctx)
		if err != nil || f == nil {
			return list, err
		}
		if behind(f, &after) {
			list = append(list, *f)
		}
	}
	return list, nil
}

// tidy removes uploads that were abandoned, by the clock of the object storage.
func (s *Store) tidy(ctx context.Context) error {
	for it := s.lister(incoming); ; {
		o, err := it.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil && s.now().Sub(o.ModTime) > abandoned {
			err = s.remove(ctx, o.Key)
		}
		if err != nil {
			return err
		}
	}
}
