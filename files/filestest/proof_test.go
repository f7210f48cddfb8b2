package filestest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/files"
)

// broken is a store in a folder with methods replaced.
type broken struct {
	ticket.FileStore
	dir string

	put    func(ctx context.Context, tenant string, r io.Reader) (ticket.File, error)
	open   func(ctx context.Context, tenant string, sum ticket.Digest) (io.ReadCloser, error)
	delete func(ctx context.Context, tenant string, sum ticket.Digest, before time.Time) (bool, error)
	list   func(ctx context.Context, after ticket.File, limit int) ([]ticket.File, error)
	reopen func() ticket.FileStore
}

func (b *broken) Put(ctx context.Context, tenant string, r io.Reader) (ticket.File, error) {
	if b.put != nil {
		return b.put(ctx, tenant, r)
	}
	return b.FileStore.Put(ctx, tenant, r)
}

func (b *broken) Open(ctx context.Context, tenant string, sum ticket.Digest) (io.ReadCloser, error) {
	if b.open != nil {
		return b.open(ctx, tenant, sum)
	}
	return b.FileStore.Open(ctx, tenant, sum)
}

func (b *broken) Delete(ctx context.Context, tenant string, sum ticket.Digest, before time.Time) (bool, error) {
	if b.delete != nil {
		return b.delete(ctx, tenant, sum, before)
	}
	return b.FileStore.Delete(ctx, tenant, sum, before)
}

func (b *broken) List(ctx context.Context, after ticket.File, limit int) ([]ticket.File, error) {
	if b.list != nil {
		return b.list(ctx, after, limit)
	}
	return b.FileStore.List(ctx, after, limit)
}

// A fault is a store that breaks one rule.
type fault struct {
	name   string
	caught string // the only case that fails
	with   func(b *broken)
}

func faults() []fault {
	forever := time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)
	return []fault{
		{"counts one byte too many in large files", "Put/returns size and digest", func(b *broken) {
			b.put = func(ctx context.Context, tenant string, r io.Reader) (ticket.File, error) {
				f, err := b.FileStore.Put(ctx, tenant, r)
				if f.Size == 3<<20+5 {
					f.Size++
				}
				return f, err
			}
		}},
		{"takes a read of nothing for the end", "Put/every reader", func(b *broken) {
			b.put = func(ctx context.Context, tenant string, r io.Reader) (ticket.File, error) {
				return b.FileStore.Put(ctx, tenant, readerFunc(func(p []byte) (int, error) {
					n, err := r.Read(p)
					if n == 0 && err == nil {
						err = io.EOF
					}
					return n, err
				}))
			}
		}},
		{"returns no time", "Put/tenant and time", func(b *broken) {
			b.put = func(ctx context.Context, tenant string, r io.Reader) (ticket.File, error) {
				f, err := b.FileStore.Put(ctx, tenant, r)
				f.Stored = f.Stored.In(time.FixedZone("desk", 3600))
				return f, err
			}
		}},
		{"keeps the beginning of content that fails", "Put/content fails", func(b *broken) {
			b.put = func(ctx context.Context, tenant string, r io.Reader) (ticket.File, error) {
				var seen error
				f, err := b.FileStore.Put(ctx, tenant, readerFunc(func(p []byte) (int, error) {
					n, err := r.Read(p)
					if err != nil && !errors.Is(err, io.EOF) {
						seen, err = err, io.EOF
					}
					return n, err
				}))
				return f, errors.Join(err, seen)
			}
		}},
		{"lists equal bytes as often as they were stored", "Put/once", func(b *broken) {
			var same atomic.Int64
			b.put = func(ctx context.Context, tenant string, r io.Reader) (ticket.File, error) {
				f, err := b.FileStore.Put(ctx, tenant, r)
				if f.Size == int64(len("the same")) {
					same.Add(1)
				}
				return f, err
			}
			b.list = func(ctx context.Context, after ticket.File, limit int) ([]ticket.File, error) {
				list, err := b.FileStore.List(ctx, after, limit)
				if len(list) == 1 && same.Load() == 3 {
					return append(list, list[0]), err
				}
				return list, err
			}
		}},
		{"keeps the first time", "Put/again", func(b *broken) {
			var first times
			b.put = func(ctx context.Context, tenant string, r io.Reader) (ticket.File, error) {
				content, err := io.ReadAll(r)
				if err != nil || len(content) == len("the same") && !first.at(tenant, sha256.Sum256(content)).IsZero() {
					return ticket.File{Tenant: tenant, SHA256: sha256.Sum256(content), Size: int64(len(content)), Stored: first.at(tenant, sha256.Sum256(content))}, err
				}
				f, err := b.FileStore.Put(ctx, tenant, bytes.NewReader(content))
				first.set(f)
				return f, err
			}
		}},
		{"reads the whole file first", "Put/memory", func(b *broken) {
			b.put = func(ctx context.Context, tenant string, r io.Reader) (ticket.File, error) {
				content, err := io.ReadAll(r)
				if err != nil {
					return ticket.File{}, err
				}
				f, err := b.FileStore.Put(ctx, tenant, bytes.NewReader(content))
				runtime.KeepAlive(content)
				return f, err
			}
		}},
		{"stores when it is closed", "Put/durable", func(b *broken) {
			b.reopen = func() ticket.FileStore { return files.NewMemory() }
		}},
		{"has an error of its own for what is missing", "Open/missing", func(b *broken) {
			never := sha256.Sum256([]byte("never stored"))
			b.open = func(ctx context.Context, tenant string, sum ticket.Digest) (io.ReadCloser, error) {
				if sum == never {
					return nil, os.ErrNotExist
				}
				return b.FileStore.Open(ctx, tenant, sum)
			}
		}},
		{"does not compare the digest", "Open/damaged", func(b *broken) {
			b.open = func(ctx context.Context, tenant string, sum ticket.Digest) (io.ReadCloser, error) {
				r, err := b.FileStore.Open(ctx, tenant, sum)
				if err != nil {
					return nil, err
				}
				return blind{r}, nil
			}
		}},
		{"does not report what it deleted", "Delete/removes", func(b *broken) {
			text := sha256.Sum256([]byte("text"))
			var stored atomic.Int64
			b.put = func(ctx context.Context, tenant string, r io.Reader) (ticket.File, error) {
				stored.Add(1)
				return b.FileStore.Put(ctx, tenant, r)
			}
			b.delete = func(ctx context.Context, tenant string, sum ticket.Digest, before time.Time) (bool, error) {
				done, err := b.FileStore.Delete(ctx, tenant, sum, before)
				return done && (sum != text || stored.Load() != 1), err
			}
		}},
		{"deletes what was stored at the given time", "Delete/stored since", func(b *broken) {
			var stored atomic.Int64
			b.put = func(ctx context.Context, tenant string, r io.Reader) (ticket.File, error) {
				stored.Add(1)
				return b.FileStore.Put(ctx, tenant, r)
			}
			b.delete = func(ctx context.Context, tenant string, sum ticket.Digest, before time.Time) (bool, error) {
				if stored.Load() == 1 {
					before = before.Add(time.Microsecond)
				}
				return b.FileStore.Delete(ctx, tenant, sum, before)
			}
		}},
		{"compares with the first time", "Delete/stored again", func(b *broken) {
			var first times
			b.put = func(ctx context.Context, tenant string, r io.Reader) (ticket.File, error) {
				f, err := b.FileStore.Put(ctx, tenant, r)
				if first.at(tenant, f.SHA256).IsZero() {
					first.set(f)
				}
				return f, err
			}
			b.delete = func(ctx context.Context, tenant string, sum ticket.Digest, before time.Time) (bool, error) {
				if sum == sha256.Sum256([]byte("text")) && first.at(tenant, sum).Before(before) {
					before = forever
				}
				return b.FileStore.Delete(ctx, tenant, sum, before)
			}
		}},
		{"fails to delete what is missing", "Delete/missing", func(b *broken) {
			never := sha256.Sum256([]byte("never stored"))
			b.delete = func(ctx context.Context, tenant string, sum ticket.Digest, before time.Time) (bool, error) {
				if sum == never {
					return false, &ticket.NotFoundError{What: "file"}
				}
				return b.FileStore.Delete(ctx, tenant, sum, before)
			}
		}},
		{"deletes the same bytes of all tenants", "Delete/others stay", func(b *broken) {
			b.delete = func(ctx context.Context, tenant string, sum ticket.Digest, before time.Time) (bool, error) {
				_, err := b.FileStore.Delete(ctx, "globex", sum, forever)
				if err != nil {
					return false, err
				}
				return b.FileStore.Delete(ctx, tenant, sum, before)
			}
		}},
		{"looks, and deletes later", "Delete/while storing", func(b *broken) {
			b.delete = func(ctx context.Context, tenant string, sum ticket.Digest, before time.Time) (bool, error) {
				list, err := b.FileStore.List(ctx, ticket.File{}, 1000)
				if err != nil {
					return false, err
				}
				for _, f := range list {
					if f.Tenant == tenant && f.SHA256 == sum && f.Stored.Before(before) {
						time.Sleep(5 * time.Millisecond)
						return b.FileStore.Delete(ctx, tenant, sum, forever)
					}
				}
				return false, nil
			}
		}},
		{"orders tenants without regard to case", "List/order", func(b *broken) {
			b.list = func(ctx context.Context, after ticket.File, limit int) ([]ticket.File, error) {
				list, err := b.FileStore.List(ctx, after, limit)
				if limit == 1000 && after == (ticket.File{}) {
					slices.SortStableFunc(list, func(a, b ticket.File) int {
						return strings.Compare(strings.ToLower(a.Tenant), strings.ToLower(b.Tenant))
					})
				}
				return list, err
			}
		}},
		{"leaves out the file after a page of seven", "List/pages", func(b *broken) {
			b.list = func(ctx context.Context, after ticket.File, limit int) ([]ticket.File, error) {
				if limit == 7 && after != (ticket.File{}) {
					list, err := b.FileStore.List(ctx, after, limit+1)
					return list[min(1, len(list)):], err
				}
				return b.FileStore.List(ctx, after, limit)
			}
		}},
		{"starts at the first after a file that is missing", "List/after any", func(b *broken) {
			b.list = func(ctx context.Context, after ticket.File, limit int) ([]ticket.File, error) {
				if r, err := b.FileStore.Open(ctx, after.Tenant, after.SHA256); err == nil {
					_ = r.Close()
				} else if limit == 1000 {
					after = ticket.File{}
				}
				return b.FileStore.List(ctx, after, limit)
			}
		}},
		{"lists the size of what it has in blocks", "List/sizes", func(b *broken) {
			b.list = func(ctx context.Context, after ticket.File, limit int) ([]ticket.File, error) {
				list, err := b.FileStore.List(ctx, after, limit)
				for i := range list {
					list[i].Size = (list[i].Size + 511) / 512 * 512
				}
				return list, err
			}
		}},
		{"has one tenant for two that differ in case", "Tenants/apart", func(b *broken) {
			b.open = func(ctx context.Context, tenant string, sum ticket.Digest) (io.ReadCloser, error) {
				r, err := b.FileStore.Open(ctx, tenant, sum)
				if errors.Is(err, ticket.ErrNotFound) {
					return b.FileStore.Open(ctx, strings.ToUpper(tenant), sum)
				}
				return r, err
			}
		}},
		{"serves one reader at a time", "All/concurrency", func(b *broken) {
			var mu sync.Mutex
			b.open = func(ctx context.Context, tenant string, sum ticket.Digest) (io.ReadCloser, error) {
				r, err := b.FileStore.Open(ctx, tenant, sum)
				if err == nil && !mu.TryLock() {
					_ = r.Close()
					return nil, errors.New("somebody else is reading")
				}
				if err != nil {
					return nil, err
				}
				return &closer{r, sync.OnceFunc(func() { time.Sleep(time.Millisecond); mu.Unlock() })}, nil
			}
		}},
		{"ignores the context", "All/context", func(b *broken) {
			b.delete = func(ctx context.Context, tenant string, sum ticket.Digest, before time.Time) (bool, error) {
				return b.FileStore.Delete(context.WithoutCancel(ctx), tenant, sum, before)
			}
		}},
	}
}

// times are the times of files, by tenant and digest.
type times struct{ sync.Map }

type place struct {
	tenant string
	sum    ticket.Digest
}

func (t *times) at(tenant string, sum ticket.Digest) time.Time {
	at, _ := t.Load(place{tenant, sum})
	stored, _ := at.(time.Time)
	return stored
}

func (t *times) set(f ticket.File) { t.Store(place{f.Tenant, f.SHA256}, f.Stored) }

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// blind is a reader without the errors of another.
type blind struct{ io.ReadCloser }

func (b blind) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if _, ok := errors.AsType[*ticket.FileError](err); ok {
		err = io.EOF
	}
	return n, err
}

type closer struct {
	io.ReadCloser
	after func()
}

func (c *closer) Close() error {
	c.after()
	return c.ReadCloser.Close()
}

// newBroken returns a store for the case, in a folder where the case needs one.
func newBroken(t *testing.T, r rule) *broken {
	t.Helper()
	if !r.damages && !r.reopens && r.needs != Streaming {
		return &broken{FileStore: files.NewMemory()}
	}
	dir := t.TempDir()
	s, err := files.NewFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	b := &broken{FileStore: s, dir: dir}
	b.reopen = func() ticket.FileStore {
		s, err := files.NewFolder(dir)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	return b
}

// TestFaults runs all cases on every broken store.
func TestFaults(t *testing.T) {
	if raceDetector {
		t.Skip("make test runs it without the race detector, which finds nothing more here")
	}
	for _, f := range faults() {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			var failed []string
			for _, r := range rules() {
				if r.needs == Streaming && r.name != f.caught {
					continue // the large file takes its time, and stores the same way as others
				}
				message := ""
				for range 5 { // it may pass by chance
					b := newBroken(t, r)
					f.with(b)
					message = proveOn(t, r, b)
					if message != "" || r.name != f.caught || r.needs != Concurrency {
						break
					}
				}
				if message != "" {
					failed = append(failed, r.name)
					t.Logf("%s: %s", r.name, message)
					if !strings.HasPrefix(message, r.says) {
						t.Errorf("%s failed without its sentence", r.name)
					}
				}
			}
			if !slices.Equal(failed, []string{f.caught}) {
				t.Errorf("caught by %q, want %q alone", failed, f.caught)
			}
		})
	}
}

// TestNoFault runs all cases on a wrapper that breaks nothing.
func TestNoFault(t *testing.T) {
	for _, r := range rules() {
		if message := proveOn(t, r, newBroken(t, r)); message != "" {
			t.Errorf("%s: %s", r.name, message)
		}
	}
}

// TestEveryCaseIsProven expects a fault for each case, and unique names.
func TestEveryCaseIsProven(t *testing.T) {
	caught, names := map[string]bool{}, map[string]bool{}
	for _, f := range faults() {
		caught[f.caught] = true
	}
	for _, r := range rules() {
		if !caught[r.name] {
			t.Errorf("no broken store proves the case %q", r.name)
		}
		if names[r.name] {
			t.Errorf("two cases are named %q", r.name)
		}
		names[r.name] = true
	}
}

// TestSentences expects the contract to contain the sentence of every case, and a case for
// every sentence with "must".
func TestSentences(t *testing.T) {
	src, err := os.ReadFile("../../file.go")
	if err != nil {
		t.Fatal(err)
	}
	text, _, _ := strings.Cut(string(src), "// File is a file in")
	text = strings.Join(strings.Fields(regexp.MustCompile(`(?m)^\s*//`).ReplaceAllString(text, "")), " ")
	var says []string
	for _, r := range rules() {
		if !strings.Contains(text, r.says) {
			t.Errorf("%s: the contract does not say %q", r.name, r.says)
		}
		says = append(says, r.says)
	}
	for _, sentence := range regexp.MustCompile(`[.:] +`).Split(text, -1) {
		if strings.Contains(sentence, " must ") && !strings.Contains(sentence, "test case") &&
			!slices.ContainsFunc(says, func(s string) bool { return strings.Contains(s, sentence) || strings.Contains(sentence, s) }) {
			t.Errorf("no case proves %q", sentence)
		}
	}
}

// proveOn runs one case on a store and returns its message, or "".
func proveOn(t *testing.T, r rule, b *broken) string {
	t.Helper()
	rec := &recorder{ctx: t.Context()}
	done := make(chan struct{})
	go func() { // FailNow ends this goroutine
		defer close(done)
		defer func() {
			if p := recover(); p != nil {
				rec.Errorf("panic: %v\n%s", p, debug.Stack())
			}
		}()
		r.prove(&kit{
			tb: rec, rule: r, s: b,
			damage: func(_ string, sum ticket.Digest, change func([]byte) []byte) { rewrite(t, b.dir, sum, change) },
			reopen: b.reopen,
		})
	}()
	<-done
	return strings.Join(rec.messages, "\n")
}

// rewrite changes the bytes of a file in a folder.
func rewrite(t *testing.T, dir string, sum ticket.Digest, change func([]byte) []byte) {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "*", "*", sum.String()))
	if err != nil || len(found) != 1 {
		t.Fatalf("the folder has %q: %v", found, err)
	}
	b, err := os.ReadFile(found[0])
	if err == nil {
		err = os.WriteFile(found[0], change(b), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// A recorder stands in for the testing.T of a case.
type recorder struct {
	ctx      context.Context
	mu       sync.Mutex
	messages []string
}

func (r *recorder) Helper()                  {}
func (r *recorder) Context() context.Context { return r.ctx }
func (r *recorder) FailNow()                 { runtime.Goexit() }
func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.messages = append(r.messages, fmt.Sprintf(format, args...))
}
