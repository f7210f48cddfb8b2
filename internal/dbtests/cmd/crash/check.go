package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/sqlstore"
)

// looker sees every ticket.
var looker = ticket.System("crash")

// A checking compares the journals with the contents of the database.
type checking struct {
	*crashing
	desk  *ticket.Desk
	store *sqlstore.Store
	db    *sql.DB

	ids        []ticket.ID
	all        map[ticket.ID]ticket.Ticket
	at         map[string][]place // the events that contain each token
	seqs       map[ticket.ID][]int64
	deliveries map[place][]string // kinds
	receipts   map[string]place   // by key
}

// A place is an event.
type place struct {
	ticket ticket.ID
	seq    int64
}

// check opens the store again and checks all of it.
func (r *crashing) check(ctx context.Context) (err error) {
	c := &checking{crashing: r, all: map[ticket.ID]ticket.Ticket{}, at: map[string][]place{}, seqs: map[ticket.ID][]int64{},
		deliveries: map[place][]string{}, receipts: map[string]place{}}
	if c.desk, c.db, err = openDesk(ctx, r.Driver, r.dsn, r.Dialect); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.db.Close()) }()
	if c.store, err = sqlstore.Open(ctx, c.db, c.Dialect); err != nil {
		return err
	}
	for name := range strings.SplitSeq(r.Sabotage, ",") {
		if do := damage[name]; do != nil {
			if err := do(ctx, c); err != nil {
				return fmt.Errorf("sabotage: %w", err)
			}
		}
	}
	for _, step := range []func(context.Context) error{c.database, c.read, c.histories, c.lists} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	c.links()
	c.outbox()
	c.journals()
	rep := r.report
	rep.tickets, rep.again, rep.failures = len(c.all), r.record.again, r.record.failures
	for text, n := range rep.failures {
		if strings.HasPrefix(text, serious) || r.server == nil {
			rep.errors += n // nothing of SQLite is killed, so every error counts
		}
	}
	return nil
}

// database runs the database's own integrity check.
func (c *checking) database(ctx context.Context) error {
	tables := []string{"tickets", "events", "labels", "outbox", "receipts"}
	switch c.Dialect {
	case sqlstore.SQLite:
		return c.rows(ctx, "PRAGMA integrity_check", func(scan func(...any) error) error {
			var said string
			if err := scan(&said); err != nil {
				return err
			}
			if said != "ok" {
				c.report.Note(&c.report.torn, "integrity_check: %s", said)
			}
			return nil
		})
	case sqlstore.MySQL:
		for _, t := range tables {
			err := c.rows(ctx, "CHECK TABLE ticket_"+t+" EXTENDED", func(scan func(...any) error) error {
				var table, op, kind, said string
				if err := scan(&table, &op, &kind, &said); err != nil {
					return err
				}
				if said != "OK" {
					c.report.Note(&c.report.torn, "CHECK TABLE %s: %s: %s", table, kind, said)
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	default:
		if _, err := c.db.ExecContext(ctx, "CREATE EXTENSION amcheck"); err != nil {
			fmt.Printf("%s: the indexes were not checked: %v\n", c.Name, err)
			return nil
		}
		// It checks every index, and that the index has every row.
		_, err := c.db.ExecContext(ctx, `SELECT bt_index_check(i.indexrelid, true) FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid
			JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_am a ON a.oid = x.relam
			WHERE t.relname LIKE 'ticket\_%' AND a.amname = 'btree'`)
		if err != nil {
			c.report.Note(&c.report.torn, "bt_index_check: %v", err)
		}
		return nil
	}
}

func (c *checking) rows(ctx context.Context, query string, each func(scan func(...any) error) error) error {
	rows, err := c.db.QueryContext(ctx, query)
	if err != nil {
		return fmt.Errorf("%s: %w", query, err)
	}
	defer func() { _ = rows.Close() }() // Err says it
	for rows.Next() {
		if err := each(rows.Scan); err != nil {
			return fmt.Errorf("%s: %w", query, err)
		}
	}
	return rows.Err()
}

// places reads a table whose rows belong to events.
func (c *checking) places(ctx context.Context, query string, each func(p place, word string)) error {
	return c.rows(ctx, query, func(scan func(...any) error) error {
		var id, word string
		var p place
		err := scan(&id, &p.seq, &word)
		if err == nil {
			p.ticket, err = ticket.ParseID(id)
		}
		if err == nil {
			each(p, word)
		}
		return err
	})
}

// read reads the rows that the desk does not show, including rows that belong to
// nothing.
func (c *checking) read(ctx context.Context) error {
	versions := map[ticket.ID]int64{}
	numbers := map[string]int{}
	return errors.Join(
		c.places(ctx, "SELECT id, version, number FROM ticket_tickets", func(p place, number string) {
			versions[p.ticket] = p.seq
			c.ids = append(c.ids, p.ticket)
			if numbers[number]++; numbers[number] > 1 {
				c.report.Note(&c.report.doubledNumbers, "number %s is there %d times", number, numbers[number])
			}
		}),
		c.places(ctx, "SELECT ticket, seq, tenant FROM ticket_events ORDER BY ticket, seq", func(p place, _ string) {
			c.seqs[p.ticket] = append(c.seqs[p.ticket], p.seq)
			if versions[p.ticket] < p.seq {
				c.report.Note(&c.report.torn, "event %d of ticket %s, which is at version %d", p.seq, p.ticket, versions[p.ticket])
			}
		}),
		c.places(ctx, "SELECT ticket, seq, kind FROM ticket_outbox", func(p place, kind string) {
			c.deliveries[p] = append(c.deliveries[p], kind)
		}),
		c.places(ctx, "SELECT ticket, version, name FROM ticket_receipts", func(p place, key string) { c.receipts[key] = p }),
		c.places(ctx, "SELECT ticket, created, label FROM ticket_labels", func(p place, label string) {
			if versions[p.ticket] == 0 {
				c.report.Note(&c.report.torn, "label %s of ticket %s, which is not there", label, p.ticket)
			}
		}),
	)
}

// histories verifies every ticket and finds the tokens.
func (c *checking) histories(ctx context.Context) error {
	for _, id := range c.ids {
		if err := c.desk.Verify(ctx, looker, id); err != nil {
			c.report.Note(&c.report.torn, "ticket %s: %v", id, err)
		}
		t, err := c.desk.Get(ctx, looker, id)
		if err != nil {
			return err
		}
		c.all[id] = t
		seqs := c.seqs[id]
		for i, seq := range seqs {
			if seq != int64(i)+1 {
				c.report.Note(&c.report.torn, "ticket %s: event %d where %d should be", id, seq, i+1)
				break
			}
		}
		if int64(len(seqs)) != t.Version {
			c.report.Note(&c.report.torn, "ticket %s at version %d has %d events", id, t.Version, len(seqs))
		}
		c.report.events += len(seqs)
		if err := c.history(ctx, id); err != nil {
			c.report.Note(&c.report.torn, "ticket %s: %v", id, err)
		}
	}
	return nil
}

func (c *checking) history(ctx context.Context, id ticket.ID) error {
	// It reads the stored events. The desk would stop at the ticket's version.
	list, err := c.store.Events(ctx, c.all[id].Tenant, id, 0, 0)
	if err != nil {
		return err
	}
	var t ticket.Ticket
	for i, e := range list {
		for _, token := range []string{string(e.Note), string(e.Message)} {
			// On the ticket that remains, the note of a merge is not a token: the desk
			// writes into it the fields that stay with the merged ticket.
			into := e.Action == ticket.ActionMerge && e.Set.MergedInto == nil
			if token != "" && !into {
				c.at[token] = append(c.at[token], place{id, e.Seq})
			}
		}
		after := ticket.Apply(t, e)
		want := deliveries(t, after, e, i == 0 && len(list) > 1 && list[1].Set.Resolution != nil && *list[1].Set.Resolution == "first contact")
		have := c.deliveries[place{id, e.Seq}]
		delete(c.deliveries, place{id, e.Seq})
		slices.Sort(want)
		slices.Sort(have)
		if !slices.Equal(want, have) {
			c.report.Note(&c.report.torn, "event %d of ticket %s, %s, has the deliveries %q and should have %q", e.Seq, id, e.Action, have, want)
		}
		t = after
	}
	return nil
}

// deliveries returns the deliveries that the outbox should contain for an event,
// according to the description of the kinds. The run delivered none.
func deliveries(before, after ticket.Ticket, e ticket.Event, solvedAtOnce bool) (kinds []string) {
	add := func(k ticket.Kind) { kinds = append(kinds, string(k)) }
	byCustomer := e.By.Role&ticket.RoleCustomer != 0
	words := e.Message != ""
	entered := e.Phase != before.Phase && e.Set.Restored == nil // undoing a merge is no news
	kind := ticket.Kind("")
	switch phase := e.Phase; {
	case e.Seq == 1:
		kind = ticket.KindReceived
	case e.Set.MergedInto != nil && !e.Set.MergedInto.IsZero():
		kind = ticket.KindMerged
	case e.Reopens(before.Phase):
		kind = ticket.KindReopened
	case entered && phase == ticket.PhaseSolved:
		kind = ticket.KindSolved
	case entered && phase == ticket.PhaseClosed && e.To.Status == ticket.StatusCancelled:
		kind = ticket.KindCancelled
	case entered && phase == ticket.PhaseClosed:
		kind = ticket.KindClosed
	case phase == ticket.PhaseYourTurn && (entered || e.Answer):
		kind = ticket.KindAsked
	case e.Answer:
		kind = ticket.KindAnswered
	case byCustomer && words:
		kind = ticket.KindCustomer
	case (e.From.Level != e.To.Level || before.Queue != "" && after.Queue != before.Queue) && !phase.Done():
		kind = ticket.KindHanded
	}
	if kind != "" {
		if e.Seq == 1 || !byCustomer || !e.Actor.Same(after.Requester) {
			add(kind)
		}
		for _, f := range after.Followers {
			if !f.Same(after.Requester) && (!byCustomer || !e.Actor.Same(f)) {
				add(kind)
			}
		}
	}
	into := e.Set.MergedInto
	if before.Assignee != "" && (e.By.Role != ticket.RoleAgent || e.By.ID != before.Assignee) {
		switch {
		case into != nil && !into.IsZero():
			add(ticket.KindMerged)
		case after.Assignee != before.Assignee && !byCustomer:
			add(ticket.KindUnassigned)
		}
	}
	back := into != nil && into.IsZero() && !after.Phase.Done()
	switch {
	case after.Assignee != "" && (after.Assignee != before.Assignee || back):
		if e.By.Role != ticket.RoleAgent || e.By.ID != after.Assignee {
			add(ticket.KindAssigned)
		}
	case after.Assignee != "" && byCustomer && words:
		add(ticket.KindCustomer)
	case after.Assignee != "" || after.Phase.Done() || solvedAtOnce:
	case e.Seq > 1 && e.To.Level > e.From.Level:
		add(ticket.KindEscalated)
	case e.From != e.To || e.Set.Queue != nil:
		add(ticket.KindQueued)
	case byCustomer && words:
		add(ticket.KindCustomer)
	}
	return kinds
}

// lists compares the results of lists with the tickets.
func (c *checking) lists(ctx context.Context) error {
	type list struct {
		name string
		q    ticket.Query
		has  func(t *ticket.Ticket) bool
	}
	var lists []list
	for _, tag := range []string{"red", "green", "blue"} {
		lists = append(lists, list{"tagged " + tag, ticket.Query{Tags: []string{tag}}, func(t *ticket.Ticket) bool { return t.HasTag(tag) }})
	}
	for i := range customers {
		p := customer(i).Person
		lists = append(lists, list{"with " + p.ID, ticket.Query{Participant: p}, func(t *ticket.Ticket) bool {
			return p.Same(t.Requester) || slices.ContainsFunc(t.Followers, p.Same)
		}})
	}
	lists = append(lists, list{"that are odd", ticket.Query{Fields: ticket.Fields{"odd": true}}, func(t *ticket.Ticket) bool { return t.Fields["odd"] == true }},
		list{"that are open", ticket.Query{Phase: []ticket.Phase{ticket.PhaseReceived, ticket.PhaseInProgress, ticket.PhaseYourTurn}},
			func(t *ticket.Ticket) bool { return !t.Phase.Done() }})
	for _, l := range lists {
		l.q.Limit = 200
		found := map[ticket.ID]bool{}
		for t, err := range c.desk.Tickets(ctx, looker, l.q) {
			if err != nil {
				return err
			}
			found[t.ID] = true
		}
		for id, t := range c.all {
			if found[id] != l.has(&t) {
				c.report.Note(&c.report.torn, "ticket %s is in the list of those %s: %t", id, l.name, found[id])
			}
		}
	}
	return nil
}

// links looks for actions on two tickets that reached only one of them.
func (c *checking) links() {
	for id, t := range c.all {
		for _, l := range t.Links {
			other, there := c.all[l.Ticket]
			if !there {
				c.report.Note(&c.report.torn, "ticket %s is %s %s, which is not there", id, l.Relation, l.Ticket)
			} else if _, back := other.LinkTo(l.Relation.Counterpart(), id); !back {
				c.report.Note(&c.report.torn, "ticket %s is %s %s, which does not know", id, l.Relation, l.Ticket)
			}
		}
		if _, linked := t.LinkTo(ticket.RelationDuplicateOf, t.MergedInto); !linked && !t.MergedInto.IsZero() {
			c.report.Note(&c.report.torn, "ticket %s was merged, and has no link", id)
		}
	}
}

// outbox reports the deliveries that belong to no stored event.
func (c *checking) outbox() {
	for p, kinds := range c.deliveries {
		c.report.Note(&c.report.torn, "deliveries %q of event %d of ticket %s, which is not there", kinds, p.seq, p.ticket)
	}
}

// journals looks for every acknowledged request, and for requests that must be
// absent.
func (c *checking) journals() {
	rep := c.report
	owner := map[ticket.Number]ticket.ID{}
	for token, a := range c.record.attempts {
		at := c.at[token]
		if len(at) > 1 {
			rep.Note(&rep.doubled, "%s is stored %d times: %v", token, len(at), at)
		}
		there := len(at) > 0
		if a.keyed != nil {
			p, has := c.receipts[a.keyed.key()]
			delete(c.receipts, a.keyed.key())
			// If an action creates a ticket, the receipt and the token belong to
			// that ticket.
			if has != there || there && (p.ticket != at[0].ticket || p.seq != at[0].seq) {
				rep.Note(&rep.torn, "%s with a key: receipt %t %v, event %v", token, has, p, at)
			}
		}
		switch a.outcome {
		case acknowledged:
			rep.acknowledged++
			switch first := !a.doubt; {
			case !there:
				rep.Note(&rep.lost, "%s was acknowledged as version %d of ticket %s, but is not stored", token, a.version, a.ticket)
			case at[0].ticket != a.ticket || first && at[0].seq != a.version || at[0].seq > a.version:
				rep.Note(&rep.torn, "%s was acknowledged as version %d of ticket %s, but is event %v", token, a.version, a.ticket, at[0])
			}
			if a.number == "" {
				continue
			}
			if t, there := c.all[a.ticket]; there && t.Number != a.number {
				rep.Note(&rep.torn, "ticket %s was acknowledged with number %s, but has %s", a.ticket, a.number, t.Number)
			}
			if other, taken := owner[a.number]; taken && other != a.ticket {
				rep.Note(&rep.doubledNumbers, "number %s was given to %s and to %s", a.number, a.ticket, other)
			}
			owner[a.number] = a.ticket
		case refused:
			rep.refused++
			if there && !a.doubt {
				rep.Note(&rep.torn, "%s was refused, but is stored: %v", token, at)
			}
		default:
			if strings.HasPrefix(token, "open-") {
				continue // a writer that found no server
			}
			rep.unknown++
			if there {
				rep.unknownWritten++
			}
		}
	}
	for key := range c.receipts {
		rep.Note(&rep.torn, "receipt %s without a request", key)
	}
	for token, at := range c.at {
		if c.record.attempts[token] == nil {
			rep.Note(&rep.torn, "%s is stored without a request: %v", token, at)
		}
	}
}
