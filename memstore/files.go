package memstore

import (
	"context"

	"github.com/ticketkit/ticket"
)

var _ ticket.FileReferrer = (*Store)(nil)

// ReferredFiles returns the digests that events refer to; see [ticket.FileReferrer]. It visits
// every event.
func (s *Store) ReferredFiles(ctx context.Context, tenant string, sums []ticket.Digest) ([]ticket.Digest, error) {
	asked := make(map[ticket.Digest]bool, len(sums))
	for _, sum := range sums {
		asked[sum] = true
	}
	var found []ticket.Digest
	for i := range s.tickets {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		d := &s.tickets[i]
		d.mu.RLock()
		for _, r := range d.records {
			if r.ticket.Tenant != tenant {
				continue
			}
			for _, e := range r.events {
				for _, list := range [...][]ticket.Attachment{e.Attachments, e.NoteAttachments} {
					for j := range list {
						if sum := list[j].SHA256; asked[sum] {
							delete(asked, sum)
							found = append(found, sum)
						}
					}
				}
			}
		}
		d.mu.RUnlock()
	}
	return found, nil
}
