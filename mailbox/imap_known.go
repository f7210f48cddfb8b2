package mailbox

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/ticketkit/ticket"
)

// sameReaders is how many stored mails are compared at the same time.
const sameReaders = 8

// recognize returns those of the mails that have to be fetched. In a folder with a new UIDVALIDITY
// most mails were stored under other UIDs. One is known without fetching it if the mailbox has a
// mail with its Message-ID, its size and its whole header, the fields of the servers on the way
// included. Each stored mail stands for one mail of the folder, so that of two equal ones the
// second is fetched, and compared by its fingerprint.
func (s *session) recognize(ctx context.Context, uids []uint32, sizes map[uint32]mailSize) (left []uint32, err error) {
	byID := map[string][]ticket.Mail{}
	var ids []string
	for _, uid := range uids {
		if id := messageIDOf(sizes[uid].header); id != "" && byID[id] == nil {
			byID[id] = []ticket.Mail{}
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return uids, nil
	}
	stored, err := s.in.cfg.Store.Mails(ctx, ticket.MailQuery{Tenant: s.box.Tenant, Mailbox: s.box.Name, MessageIDs: ids, Limit: ticket.MaxLimit})
	if err != nil {
		return nil, fmt.Errorf("look up mails: %w", err)
	}
	for _, m := range stored {
		byID[m.MessageID] = append(byID[m.MessageID], m)
	}
	// The files are the slow part, so they are read side by side, and each is then used once.
	candidates := make([][]ticket.Mail, len(uids))
	var all sync.WaitGroup
	free := make(chan struct{}, sameReaders)
	for i, uid := range uids {
		size := sizes[uid]
		list := byID[messageIDOf(size.header)]
		if len(list) == 0 {
			continue
		}
		free <- struct{}{}
		all.Go(func() {
			defer func() { <-free }()
			for _, m := range list {
				if m.Size == size.bytes && !m.Erased() && s.in.begins(ctx, m, size.header) {
					candidates[i] = append(candidates[i], m)
				}
			}
		})
	}
	all.Wait()
	for i, uid := range uids {
		known := false
		for _, m := range candidates[i] {
			if known = !s.same[m.ID]; known {
				s.same[m.ID] = true
				break
			}
		}
		if known {
			s.taken = append(s.taken, uid)
		} else {
			left = append(left, uid)
		}
	}
	return left, nil
}

// messageIDOf returns the Message-ID of a header, in the form in which mails are stored.
func messageIDOf(header []byte) string {
	if len(header) == 0 {
		return ""
	}
	var head headBuffer
	_, _ = head.Write(header)
	return cut(clean(head.messageID()), 998)
}

// begins reports whether the bytes of a stored mail begin with a header. A mail that cannot be read
// does not: then it is fetched again.
func (in *Intake) begins(ctx context.Context, m ticket.Mail, header []byte) bool {
	r, err := in.cfg.Files.Open(ctx, m.Tenant, m.Raw)
	if err != nil {
		return false
	}
	defer r.Close() //nolint:errcheck // it was only read
	begin := make([]byte, len(header))
	_, err = io.ReadFull(r, begin)
	return err == nil && bytes.Equal(begin, header)
}
