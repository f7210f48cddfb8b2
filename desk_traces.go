package ticket

import (
	"context"
	"iter"
)

// tracePage is how many tickets are asked for at once.
const tracePage = 100

// traces yields the IDs of the tenant's tickets that name a person or have a delivery to the
// person, each once.
func (d *Desk) traces(ctx context.Context, s Eraser, tenant string, p Person) iter.Seq2[ID, error] {
	return func(yield func(ID, error) bool) {
		seen := map[ID]bool{}
		for after := (ID{}); ; {
			ids, err := s.Traces(ctx, tenant, p, after, tracePage)
			if err != nil {
				yield(ID{}, err)
				return
			}
			for _, id := range ids {
				seen[id] = true
				if after = id; !yield(id, nil) {
					return
				}
			}
			if len(ids) < tracePage {
				break
			}
		}
		for _, to := range p.asRecipients() {
			for row, err := range d.storedDeliveries(ctx, DeliveryQuery{Tenant: tenant, To: to}) {
				if err != nil {
					yield(ID{}, err)
					return
				}
				if id := row.Ticket; !seen[id] {
					if seen[id] = true; !yield(id, nil) {
						return
					}
				}
			}
		}
	}
}

// asRecipients returns the recipients that a customer can have been notified as.
func (p Person) asRecipients() (list []Recipient) {
	for _, one := range [...]Person{{Email: p.Email}, {ID: p.ID}, {Phone: p.Phone}} {
		if !one.IsZero() {
			list = append(list, Recipient{Role: RoleRequester, Person: one})
		}
	}
	return list
}
