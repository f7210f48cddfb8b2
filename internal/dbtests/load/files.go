package load

import (
	"context"
	"errors"
	"hash/fnv"
	"io"
	"math/rand/v2"

	"github.com/ticketkit/ticket"
)

// contentOf returns the bytes of the file of an action, by its token: nil for most. Some files
// belong to one action, and some to many, so that several places store the same bytes. Some are
// longer than a part of a stored file.
func contentOf(token string) []byte {
	h := fnv.New64a()
	_, _ = h.Write([]byte(token))
	n := h.Sum64()
	if n%4 != 0 {
		return nil
	}
	seed, size := n, 1000
	if n /= 4; n%2 == 0 {
		seed = n / 2 % 4
	}
	if seed%4 == 0 {
		size = 300_000
	}
	content := make([]byte, size)
	r := rand.New(rand.NewPCG(seed, 1))
	for i := range content {
		content[i] = byte(r.Uint32())
	}
	return content
}

// read reads a file of a ticket at a place to its end. The file store compares the bytes with the
// digest.
func (l *Load) read(ctx context.Context, p *Place, id ticket.ID, sum ticket.Digest) error {
	_, r, err := p.Desk.File(ctx, agent, id, sum)
	if err == nil {
		_, err = io.Copy(io.Discard, r)
		err = errors.Join(err, r.Close())
	}
	if _, bad := errors.AsType[*ticket.FileError](err); bad {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.Note(&l.damaged, "%s: the file of ticket %s: %v", p.Name, id, err)
		return nil
	}
	return err
}
