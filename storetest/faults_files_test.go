package storetest

import (
	"context"
	"slices"
	"sync"

	"github.com/ticketkit/ticket"
)

// spoilFiles returns a fault that changes what ReferredFiles is asked and what it answers.
func spoilFiles(spoil func(tenant string, asked []ticket.Digest, find func(tenant string, asked []ticket.Digest) ([]ticket.Digest, error)) ([]ticket.Digest, error)) func(*faulty) {
	return func(f *faulty) {
		f.files = func(ctx context.Context, tenant string, asked []ticket.Digest) ([]ticket.Digest, error) {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			return spoil(tenant, asked, func(tenant string, asked []ticket.Digest) ([]ticket.Digest, error) {
				return f.Store.(ticket.FileReferrer).ReferredFiles(ctx, tenant, asked)
			})
		}
	}
}

type findFiles = func(tenant string, asked []ticket.Digest) ([]ticket.Digest, error)

var fileFaults = []fault{
	{"ReferredFiles answers as often as it is asked", "Files/asked for", spoilFiles(func(tenant string, asked []ticket.Digest, find findFiles) ([]ticket.Digest, error) {
		var all []ticket.Digest
		for _, sum := range asked {
			found, err := find(tenant, []ticket.Digest{sum})
			if err != nil {
				return nil, err
			}
			all = append(all, found...)
		}
		return all, nil
	})},
	{"ReferredFiles does not know of internal files", "Files/every event", spoilFiles(func(tenant string, asked []ticket.Digest, find findFiles) ([]ticket.Digest, error) {
		hidden := digestsOf("inside, with a tag")
		return find(tenant, slices.DeleteFunc(asked, func(sum ticket.Digest) bool { return slices.Contains(hidden, sum) }))
	})},
	{"ReferredFiles looks at the first thousand", "Files/many", spoilFiles(func(tenant string, asked []ticket.Digest, find findFiles) ([]ticket.Digest, error) {
		return find(tenant, asked[:min(len(asked), 1000)])
	})},
	{"ReferredFiles takes the empty tenant for all", "Files/tenants", spoilFiles(func(tenant string, asked []ticket.Digest, find findFiles) ([]ticket.Digest, error) {
		found, err := find(tenant, asked)
		if tenant != "" || err != nil {
			return found, err
		}
		others, err := find(acme, asked)
		return append(found, others...), err
	})},
	{"ReferredFiles remembers what was erased", "Files/erased", func(f *faulty) {
		var mu sync.Mutex
		seen := map[ticket.Digest]bool{}
		f.files = func(ctx context.Context, tenant string, asked []ticket.Digest) ([]ticket.Digest, error) {
			found, err := f.Store.(ticket.FileReferrer).ReferredFiles(ctx, tenant, asked)
			if err != nil || len(asked) == 0 || tenant != acme {
				return found, err
			}
			mu.Lock()
			defer mu.Unlock()
			for _, sum := range found {
				seen[sum] = true
			}
			for _, sum := range asked {
				if seen[sum] && !slices.Contains(found, sum) {
					found = append(found, sum)
				}
			}
			return found, nil
		}
	}},
	{"Erase forgets files that other events have", "Files/kept by another event", func(f *faulty) {
		gone := map[ticket.Digest]bool{}
		f.erase = func(ctx context.Context, e ticket.EraseCommit) error {
			var events []ticket.Event
			if len(e.Changes) == 1 && len(e.Events) == 1 {
				events, _ = f.Store.Events(ctx, e.Changes[0].Ticket.Tenant, e.Changes[0].Ticket.ID, 0, 0)
			}
			err := f.Store.(ticket.Eraser).Erase(ctx, e)
			if err == nil && len(events) == 2 {
				for _, a := range events[0].Attachments {
					gone[a.SHA256] = true
				}
			}
			return err
		}
		f.files = func(ctx context.Context, tenant string, asked []ticket.Digest) ([]ticket.Digest, error) {
			found, err := f.Store.(ticket.FileReferrer).ReferredFiles(ctx, tenant, asked)
			return slices.DeleteFunc(found, func(sum ticket.Digest) bool { return gone[sum] }), err
		}
	}},
	{"ReferredFiles ignores the context", "Files/cancelled", func(f *faulty) {
		f.files = func(ctx context.Context, tenant string, asked []ticket.Digest) ([]ticket.Digest, error) {
			return f.Store.(ticket.FileReferrer).ReferredFiles(context.WithoutCancel(ctx), tenant, asked)
		}
	}},
}
