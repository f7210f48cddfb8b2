package files

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/internal/checksum"
)

// Memory is a [ticket.FileStore] in memory, for tests and examples. Nothing of it survives the
// process. Make one with [NewMemory].
type Memory struct {
	now func() time.Time

	mu    sync.Mutex
	files map[place]held
}

type place struct {
	tenant string
	sum    ticket.Digest
}

type held struct {
	bytes  []byte // never changed
	stored time.Time
}

// NewMemory returns an empty store.
func NewMemory(opts ...Option) *Memory {
	return &Memory{now: chosen(opts).now, files: map[place]held{}}
}

// Put stores a file; see [ticket.FileStore]. It keeps the whole file in memory.
func (m *Memory) Put(ctx context.Context, tenant string, content io.Reader) (ticket.File, error) {
	if err := ctx.Err(); err != nil {
		return ticket.File{}, err
	}
	if err := checkTenant(tenant); err != nil {
		return ticket.File{}, err
	}
	in := checksum.NewContent(ctx, content)
	b, err := io.ReadAll(in)
	if err != nil {
		return ticket.File{}, fmt.Errorf("files: store a file: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	file := ticket.File{Tenant: tenant, SHA256: in.Sum(), Size: in.Size(), Stored: m.now().UTC().Truncate(time.Microsecond)}
	m.files[place{tenant, file.SHA256}] = held{b, file.Stored}
	return file, nil
}

// Open opens a file; see [ticket.FileStore].
func (m *Memory) Open(ctx context.Context, tenant string, sum ticket.Digest) (io.ReadCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	h, ok := m.files[place{tenant, sum}]
	if !ok {
		return nil, missing(sum)
	}
	return checksum.NewReader(io.NopCloser(bytes.NewReader(h.bytes)), sum, changed(sum)), nil
}

// Delete removes a file; see [ticket.FileStore].
func (m *Memory) Delete(ctx context.Context, tenant string, sum ticket.Digest, before time.Time) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	at := place{tenant, sum}
	h, ok := m.files[at]
	if !ok || !h.stored.Before(before) {
		return false, nil
	}
	delete(m.files, at)
	return true, nil
}

// List lists files; see [ticket.FileStore].
func (m *Memory) List(ctx context.Context, after ticket.File, limit int) ([]ticket.File, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []ticket.File
	for at, h := range m.files {
		if f := (ticket.File{Tenant: at.tenant, SHA256: at.sum, Size: int64(len(h.bytes)), Stored: h.stored}); compare(f, after) > 0 {
			list = append(list, f)
		}
	}
	slices.SortFunc(list, compare)
	return list[:min(len(list), max(limit, 0))], nil
}
