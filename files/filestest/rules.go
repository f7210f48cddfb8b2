package filestest

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing/iotest"
	"time"

	"github.com/ticketkit/ticket"
)

// moment is longer than the precision of a time that was stored.
const moment = time.Millisecond

// odd are names of tenants that a place of storage may not take as they are.
var odd = []string{"", "a", "A", "B", "a/b", "a\\b", "../x", ".", "a.", "a ", "con", "%2F", "\u00e4", "a\u0308", "t", "a:b", "a*", "~", "日本", strings.Repeat("x", 99), strings.Repeat("x", 100), strings.Repeat("x", 101), strings.Repeat("ä/", 80) + "z"}

func rules() []rule {
	return []rule{
		{name: "Put/returns size and digest", says: "Put stores what content yields until [io.EOF] and returns its size and SHA-256.", prove: putSizes},
		{name: "Put/every reader", says: "Put stores what content yields until [io.EOF] and returns its size and SHA-256.", prove: putReaders},
		{name: "Put/tenant and time", says: "A file is known by its tenant and the SHA-256 of its bytes.", prove: putFields},
		{name: "Put/content fails", says: "must leave nothing that Open or List finds if it fails or content does.", prove: putFails},
		{name: "Put/once", says: "Equal bytes of one tenant are stored once.", prove: putOnce},
		{name: "Put/again", says: "If the bytes are already there, it sets Stored to now and returns the file.", prove: putAgain},
		{name: "Put/memory", says: "It must not keep the whole file in memory.", needs: Streaming, prove: putBig},
		{name: "Put/durable", says: "It must return only after the bytes would survive a crash of the process,", reopens: true, prove: putDurable},
		{name: "Open/missing", says: "A file that is not there is ErrNotFound.", prove: openMissing},
		{name: "Open/damaged", says: "Bytes that no longer match the SHA-256 must end in an error that is a [*FileError] and not in io.EOF, at the latest when the last byte has been read.", damages: true, prove: openDamaged},
		{name: "Delete/removes", says: "Delete removes a file if it was last stored before the given time, and reports whether it did.", prove: deleteOld},
		{name: "Delete/stored since", says: "A file that is not there, or was stored since, is no error.", prove: deleteNew},
		{name: "Delete/stored again", says: "A file that is not there, or was stored since, is no error.", prove: deleteAgain},
		{name: "Delete/missing", says: "A file that is not there, or was stored since, is no error.", prove: deleteMissing},
		{name: "Delete/others stay", says: "Tenants share nothing, so that none learns what another has.", prove: deleteOthers},
		{name: "Delete/while storing", says: "Delete and Put must not overlap: what Put has returned is there.", needs: Concurrency, prove: deleteRace},
		{name: "List/order", says: "List returns the files of all tenants after the given one, ordered by tenant and SHA-256, both by their bytes, at most limit of them.", prove: listOrder},
		{name: "List/pages", says: "List returns the files of all tenants after the given one, ordered by tenant and SHA-256, both by their bytes, at most limit of them.", prove: listPages},
		{name: "List/after any", says: "List returns the files of all tenants after the given one, ordered by tenant and SHA-256, both by their bytes, at most limit of them.", prove: listAfter},
		{name: "List/sizes", says: "The zero File starts at the first.", prove: listSizes},
		{name: "Tenants/apart", says: "Tenants share nothing, so that none learns what another has.", prove: tenantsApart},
		{name: "All/concurrency", says: "Implementations must be safe for concurrent use.", needs: Concurrency, prove: concurrent},
		{name: "All/context", says: "If the context is cancelled before the call, a method must return its error and change nothing.", prove: cancelled},
	}
}

// sample returns n bytes that differ from those of every other n.
func sample(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte((i*7 + i>>8 + n) % 251)
	}
	return b
}

func (k *kit) same(f ticket.File, want []byte) {
	k.Helper()
	if f.Size != int64(len(want)) || f.SHA256 != sha256.Sum256(want) {
		k.fail("Put returned size %d and SHA-256 %s of %d bytes with SHA-256 %x", f.Size, f.SHA256, len(want), sha256.Sum256(want))
	}
	got, err := k.read(k.s, f)
	k.ok(err, "Open or reading")
	if !bytes.Equal(got, want) {
		k.fail("Open returned %d bytes that are not the %d that were stored", len(got), len(want))
	}
}

func putSizes(k *kit) {
	for _, n := range []int{0, 1, 511, 4096, 32<<10 - 1, 32 << 10, 32<<10 + 1, 64 << 10, 256 << 10, 256<<10 + 1, 1<<20 - 1, 1 << 20, 1<<20 + 1, 3<<20 + 5} {
		want := sample(n)
		k.same(k.put("acme", bytes.NewReader(want)), want)
	}
}

func putReaders(k *kit) {
	for i, wrap := range []func(io.Reader) io.Reader{iotest.OneByteReader, iotest.HalfReader, iotest.DataErrReader, lazy} {
		want := sample(20_000 + i)
		k.same(k.put("acme", wrap(bytes.NewReader(want))), want)
	}
}

// lazy returns a reader that sometimes reads nothing, without an error.
func lazy(r io.Reader) io.Reader { return &lazyReader{r: r} }

type lazyReader struct {
	r    io.Reader
	idle bool
}

func (l *lazyReader) Read(p []byte) (int, error) {
	if l.idle = !l.idle; l.idle {
		return 0, nil
	}
	return l.r.Read(p)
}

func putFields(k *kit) {
	f := k.put("acme", strings.NewReader("text"))
	if f.Tenant != "acme" || f.Stored.IsZero() || f.Stored.Location() != time.UTC {
		k.fail("Put returned the tenant %q and the time %v, want \"acme\" and a time in UTC", f.Tenant, f.Stored)
	}
	for _, l := range k.list(10) {
		if !l.Stored.Equal(f.Stored) || l.Tenant != f.Tenant || l.SHA256 != f.SHA256 {
			k.fail("List returned %+v, Put returned %+v", l, f)
		}
	}
}

var errContent = errors.New("the content failed")

func putFails(k *kit) {
	for _, n := range []int{0, 10, 100_000, 2 << 20} {
		part := sample(n)
		_, err := k.s.Put(k.Context(), "acme", io.MultiReader(bytes.NewReader(part), iotest.ErrReader(errContent)))
		if !errors.Is(err, errContent) {
			k.fail("Put returned the error %v, want that of the content", err)
		}
		if _, err := k.s.Open(k.Context(), "acme", sha256.Sum256(part)); !errors.Is(err, ticket.ErrNotFound) {
			k.fail("Open found the part of %d bytes that was read before the content failed: %v", n, err)
		}
	}
	if list := k.list(10); len(list) > 0 {
		k.fail("List returned %+v", list)
	}
}

func putOnce(k *kit) {
	for range 3 {
		k.put("acme", strings.NewReader("the same"))
	}
	if list := k.list(10); len(list) != 1 {
		k.fail("List returned %d files", len(list))
	}
}

// later stores the same bytes until they have a later time than f.
func (k *kit) later(f ticket.File, content []byte) ticket.File {
	k.Helper()
	for range 300 {
		time.Sleep(10 * time.Millisecond)
		again := k.put(f.Tenant, bytes.NewReader(content))
		if again.SHA256 != f.SHA256 || again.Size != f.Size {
			k.fail("Put returned %+v, and %+v before", again, f)
		}
		if again.Stored.After(f.Stored) {
			return again
		}
	}
	k.fail("Put returns the time of the first time, %v", f.Stored)
	return f
}

func putAgain(k *kit) {
	first := k.put("acme", strings.NewReader("the same"))
	second := k.later(first, []byte("the same"))
	if list := k.list(10); len(list) != 1 || !list[0].Stored.Equal(second.Stored) {
		k.fail("List returned %+v, want the time %v", list, second.Stored)
	}
}

// bigFile is larger than what a store may keep in memory, mostKept.
const (
	bigFile  = 32 << 20
	mostKept = 16 << 20
)

// measured is a content that looks at the memory in use when it ends.
type measured struct {
	left  int
	alive uint64
}

func (m *measured) Read(p []byte) (int, error) {
	if m.left == 0 {
		m.alive = alive()
		return 0, io.EOF
	}
	n := min(len(p), m.left)
	for i := range p[:n] {
		p[i] = byte(m.left - i)
	}
	m.left -= n
	return n, nil
}

func alive() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func putBig(k *kit) {
	before := alive()
	m := &measured{left: bigFile}
	f := k.put("acme", m)
	if m.alive > before+mostKept {
		k.fail("Put held %d MiB of a file of %d MiB", (m.alive-before)>>20, bigFile>>20)
	}
	r, err := k.s.Open(k.Context(), f.Tenant, f.SHA256)
	k.ok(err, "Open")
	n, err := io.Copy(io.Discard, r)
	if bad := r.Close(); err == nil {
		err = bad
	}
	k.ok(err, "reading")
	if n != bigFile {
		k.fail("Open returned %d bytes of %d", n, bigFile)
	}
}

func putDurable(k *kit) {
	want := sample(100_000)
	f := k.put("acme", bytes.NewReader(want))
	got, err := k.read(k.reopen(), f)
	k.ok(err, "Open, after opening the store again,")
	if !bytes.Equal(got, want) {
		k.fail("Open returned %d bytes that are not the %d that were stored", len(got), len(want))
	}
}

func (k *kit) gone(tenant string, sum ticket.Digest) {
	k.Helper()
	r, err := k.s.Open(k.Context(), tenant, sum)
	if err == nil {
		_ = r.Close()
	}
	if !errors.Is(err, ticket.ErrNotFound) {
		k.fail("Open returned the error %v, want one that is ErrNotFound", err)
	}
}

func openMissing(k *kit) {
	k.gone("acme", sha256.Sum256([]byte("never stored")))
	k.put("acme", strings.NewReader("other"))
	k.gone("acme", sha256.Sum256([]byte("never stored")))
}

func openDamaged(k *kit) {
	for i, change := range []func([]byte) []byte{
		func(b []byte) []byte { b[len(b)/2] ^= 1; return b },
		func(b []byte) []byte { return b[:len(b)-1] },
		func(b []byte) []byte { return append(b, 0) },
		func([]byte) []byte { return nil },
	} {
		f := k.put("acme", bytes.NewReader(sample(1000+i)))
		k.damage("acme", f.SHA256, change)
		_, err := k.read(k.s, f)
		if e, ok := errors.AsType[*ticket.FileError](err); !ok || e.SHA256 != f.SHA256 || e.Reason == "" {
			k.fail("reading a damaged file (%d) ended in the error %v", i, err)
		}
	}
}

func deleteOld(k *kit) {
	f := k.put("acme", strings.NewReader("text"))
	if !k.delete(f, true) {
		k.fail("Delete reported that it did not, before %v, of a file that was stored at %v", f.Stored.Add(moment), f.Stored)
	}
	k.gone("acme", f.SHA256)
	if list := k.list(10); len(list) > 0 {
		k.fail("List returned %+v", list)
	}
	k.same(k.put("acme", strings.NewReader("text")), []byte("text"))
}

func deleteNew(k *kit) {
	f := k.put("acme", strings.NewReader("text"))
	if k.delete(f, false) {
		k.fail("Delete removed a file that was stored at the given time, not before")
	}
	k.same(f, []byte("text"))
}

func deleteAgain(k *kit) {
	first := k.put("acme", strings.NewReader("text"))
	second := k.later(first, []byte("text"))
	done, err := k.s.Delete(k.Context(), "acme", second.SHA256, second.Stored)
	k.ok(err, "Delete")
	if done {
		k.fail("Delete removed a file that was stored again since")
	}
	k.same(second, []byte("text"))
}

func deleteMissing(k *kit) {
	f := ticket.File{Tenant: "acme", SHA256: sha256.Sum256([]byte("never stored")), Stored: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)}
	if k.delete(f, true) {
		k.fail("Delete reported that it removed a file that was never stored")
	}
}

func deleteOthers(k *kit) {
	mine := k.put("acme", strings.NewReader("text"))
	theirs := k.put("globex", strings.NewReader("text"))
	other := k.put("acme", strings.NewReader("other"))
	if !k.delete(mine, true) {
		k.fail("Delete reported that it did not")
	}
	k.same(theirs, []byte("text"))
	k.same(other, []byte("other"))
}

// deleteRace deletes old bytes while they are stored again.
func deleteRace(k *kit) {
	text := sample(1000)
	old := k.put("acme", bytes.NewReader(text))
	for i := range 60 {
		time.Sleep(2 * moment) // the next Put is later than this
		before := old.Stored.Add(moment)
		var deleters sync.WaitGroup
		for range 2 {
			deleters.Go(func() {
				if _, err := k.s.Delete(k.Context(), "acme", old.SHA256, before); err != nil {
					k.Errorf("%s\nDelete returned the error: %v", k.rule.says, err)
				}
			})
		}
		if i%2 > 0 {
			time.Sleep(moment) // or a busy machine begins to delete only after Put
		}
		f, err := k.s.Put(k.Context(), "acme", bytes.NewReader(text))
		k.ok(err, "Put")
		got, readErr := k.read(k.s, f)
		deleters.Wait()
		if !bytes.Equal(got, text) {
			k.fail("Open, after Put has returned, while Delete ran: %d bytes, error %v", len(got), readErr)
		}
		got, readErr = k.read(k.s, f)
		if !bytes.Equal(got, text) {
			k.fail("Open, after Put and Delete have returned: %d bytes, error %v", len(got), readErr)
		}
		old = f
	}
}

func byBytes(a, b ticket.File) int {
	return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), slices.Compare(a.SHA256[:], b.SHA256[:]))
}

// some stores files of many tenants and returns them in their order.
func (k *kit) some() []ticket.File {
	var all []ticket.File
	for i, tenant := range odd {
		for j := range 1 + i%3 {
			all = append(all, k.put(tenant, strings.NewReader(fmt.Sprintf("file %d", j))))
		}
	}
	slices.SortFunc(all, byBytes)
	return all
}

func (k *kit) equal(got, want []ticket.File, what string) {
	k.Helper()
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || byBytes(got[i], want[i]) != 0 {
			k.fail("%s returned %d files, want %d; they differ at %d", what, len(got), len(want), i)
		}
	}
}

func listOrder(k *kit) {
	want := k.some()
	k.equal(k.list(1000), want, "List")
}

func listPages(k *kit) {
	want := k.some()
	for _, limit := range []int{1, 2, 7, len(want) - 1, len(want), len(want) + 1} {
		k.equal(k.list(limit), want, fmt.Sprintf("List, with the limit %d,", limit))
	}
	for _, limit := range []int{0, -1} {
		if list, err := k.s.List(k.Context(), ticket.File{}, limit); err != nil || len(list) > 0 {
			k.fail("List with the limit %d returned %d files and the error %v", limit, len(list), err)
		}
	}
}

func listAfter(k *kit) {
	all := k.some()
	for _, after := range []ticket.File{
		{Tenant: "a", SHA256: ticket.Digest{0x80}}, {Tenant: "b"}, {Tenant: "acme", SHA256: ticket.Digest{1}}, {Tenant: "", SHA256: ticket.Digest{0xff}},
		{Tenant: strings.Repeat("x", 100)}, {Tenant: strings.Repeat("x", 150)}, {Tenant: "~~"}, {Tenant: strings.Repeat("x", 100), SHA256: ticket.Digest{0xff}},
	} {
		var want []ticket.File
		for _, f := range all {
			if byBytes(f, after) > 0 {
				want = append(want, f)
			}
		}
		got, err := k.s.List(k.Context(), after, 1000)
		k.ok(err, "List")
		k.equal(got, want, fmt.Sprintf("List, after a file of %q that does not exist,", after.Tenant))
	}
}

func listSizes(k *kit) {
	sizes := map[ticket.Digest]int64{}
	for _, n := range []int{0, 1, 70_000, 2<<20 + 1} {
		f := k.put("acme", bytes.NewReader(sample(n)))
		sizes[f.SHA256] = int64(n)
	}
	list := k.list(10)
	if len(list) != len(sizes) {
		k.fail("List returned %d files, want %d", len(list), len(sizes))
	}
	for _, f := range list {
		if f.Size != sizes[f.SHA256] {
			k.fail("List returned the size %d, want %d", f.Size, sizes[f.SHA256])
		}
	}
}

func tenantsApart(k *kit) {
	for i, tenant := range odd {
		text := fmt.Appendf(nil, "of tenant %d", i)
		f := k.put(tenant, bytes.NewReader(text))
		for j, other := range odd {
			if i != j {
				k.gone(other, f.SHA256)
			}
		}
		k.same(f, text)
	}
}

func concurrent(k *kit) {
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 8 {
				text := fmt.Appendf(nil, "file %d", (i+j)%12)
				f, err := k.s.Put(k.Context(), "acme", bytes.NewReader(text))
				var got []byte
				if err == nil {
					got, err = k.read(k.s, f)
				}
				if err == nil {
					_, err = k.s.List(k.Context(), ticket.File{}, 5)
				}
				if err != nil || !bytes.Equal(got, text) {
					k.Errorf("%s\nread %q, want %q; error %v", k.rule.says, got, text, err)
					return
				}
			}
		})
	}
	wg.Wait()
	if list := k.list(100); len(list) != 12 {
		k.fail("List returned %d files, want 12", len(list))
	}
}

func cancelled(k *kit) {
	f := k.put("acme", strings.NewReader("text"))
	ctx, cancel := context.WithCancel(k.Context())
	cancel()
	_, err := k.s.Put(ctx, "acme", strings.NewReader("other"))
	k.cancelled("Put", err)
	r, err := k.s.Open(ctx, "acme", f.SHA256)
	if err == nil { // it may read later
		_, err = io.ReadAll(r)
		_ = r.Close()
	}
	k.cancelled("Open or reading", err)
	_, err = k.s.Delete(ctx, "acme", f.SHA256, f.Stored.Add(moment))
	k.cancelled("Delete", err)
	_, err = k.s.List(ctx, ticket.File{}, 10)
	k.cancelled("List", err)
	k.equal(k.list(10), []ticket.File{f}, "List")
	k.same(f, []byte("text"))
}

func (k *kit) cancelled(method string, err error) {
	k.Helper()
	if !errors.Is(err, context.Canceled) {
		k.fail("%s returned the error %v", method, err)
	}
}
