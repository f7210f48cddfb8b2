package ticket

import (
	"context"
	"crypto/sha256"
	"errors"
)

// upwards are the relations that lead from a ticket to its parent, original, cause
// or predecessor.
var upwards = map[Relation]bool{RelationChildOf: true, RelationDuplicateOf: true, RelationCausedBy: true, RelationFollowUpOf: true}

// mostAncestors limits how many tickets are read before two are linked.
const mostAncestors = 10_000

// noCircle refuses a link, made by hand or by a merge, that would make a ticket its
// own ancestor, in any number of steps.
func (d *Desk) noCircle(ctx context.Context, dec *Decision) error {
	below, above, relation := &dec.Ticket, dec.Other, dec.Action.Relation
	switch {
	case dec.Action.Name == ActionMerge:
		relation = RelationDuplicateOf
	case dec.Action.Name != ActionLink:
		return nil
	}
	if up := relation.Counterpart(); upwards[up] {
		below, above, relation = above, below, up
	}
	if !upwards[relation] {
		return nil
	}
	its, err := d.isAncestor(ctx, relation, below.ID, above)
	if err == nil && its {
		err = invalid("action.ticket", "would make %s %q itself: %s is %[2]q it already, perhaps through others", below.Number, relation, above.Number)
	}
	return err
}

// isAncestor reports whether a ticket is an ancestor of another one by this
// relation. Merged tickets count as one, since people see them as one: the links of
// a merged ticket are also followed, as links of the ticket it was merged into.
// Tickets that the actor may not see count, too.
func (d *Desk) isAncestor(ctx context.Context, relation Relation, id ID, from *Ticket) (bool, error) {
	type step struct {
		ticket *Ticket
		up     bool // through a link, and not only through merges
	}
	next := []step{{from, false}}
	seen := map[ID]bool{from.ID: false} // the value: whether a link led there
	looked := 0
	for len(next) > 0 {
		s := next[len(next)-1]
		next = next[:len(next)-1]
		visit := func(to ID, up, merged bool) error {
			if was, there := seen[to]; there && (was || !up) {
				return nil
			}
			if looked++; looked > mostAncestors {
				return invalid("action.ticket", "has more than %d tickets above it, too many to check for a circle", mostAncestors)
			}
			t, err := d.store.Ticket(ctx, from.Tenant, to)
			if errors.Is(err, ErrNotFound) {
				return nil
			}
			if err != nil {
				return err
			}
			if merged && t.MergedInto != s.ticket.ID && s.ticket.MergedInto != to {
				return nil // linked as duplicates by hand
			}
			seen[to] = up
			next = append(next, step{&t, up})
			return nil
		}
		if s.up && s.ticket.ID == id {
			return true, nil
		}
		for _, l := range s.ticket.Links {
			var err error
			switch {
			case l.Relation == relation:
				err = visit(l.Ticket, true, false)
			case l.Relation == RelationDuplicatedBy && relation != RelationDuplicateOf:
				err = visit(l.Ticket, s.up, true)
			}
			if err != nil {
				return false, err
			}
		}
		if relation != RelationDuplicateOf && !s.ticket.MergedInto.IsZero() {
			if err := visit(s.ticket.MergedInto, s.up, true); err != nil {
				return false, err
			}
		}
	}
	return false, nil
}

// linkLine stands for all links of a tenant, in Desk.turns.
func linkLine(tenant string) ID {
	sum := sha256.Sum256([]byte("ticket links of " + tenant))
	return ID(sum[:16])
}

// oneByOne makes callers in one process that link tickets of a tenant take turns:
// two links that make a circle only together would each see none. It returns a
// function that ends the turn.
func (d *Desk) oneByOne(ctx context.Context, tenant string, act *Action) (leave func(), err error) {
	if d.bound || act.Name != ActionLink && act.Name != ActionMerge || act.Relation == RelationRelatedTo {
		return func() {}, nil
	}
	place := d.turns.Join(linkLine(tenant))
	if err := place.Wait(ctx); err != nil {
		place.Leave()
		return nil, err
	}
	return place.Leave, nil
}
