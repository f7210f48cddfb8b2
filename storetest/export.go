package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ticketkit/ticket"
)

const (
	saysExport      = "Export yields the history of every ticket of all tenants, in the order of ticket IDs. It starts with the first ticket after the given ID; the zero ID means all tickets. Each history must be whole: all events of the ticket, from the first one to the last, in order."
	saysExportCalls = "The caller must be able to call the store between two histories, to change the same tickets too."
	saysExportOnce  = "A ticket that changes during the export must appear once and without a gap, as it stood at some time during the export."
	saysExportError = "An error must come last, and without a history."
)

var exportRules = []rule{
	{name: "Export/all", says: saysExport, lacks: noExport, prove: exportAll},
	{name: "Export/after", says: saysExport, lacks: noExport, upon: []string{"Export/all"}, prove: exportAfter},
	{name: "Export/long", says: saysExport, lacks: noExport, upon: []string{"Export/all"}, prove: exportLong},
	{name: "Export/many", says: saysMany, lacks: noExport, upon: []string{"Export/all"}, prove: exportMany},
	{name: "Export/calls", says: saysExportCalls, lacks: noExport, upon: []string{"Export/all"}, prove: exportCalls},
	{name: "Export/changes", says: saysExportOnce, lacks: noExport, upon: []string{"Export/all", "Export/calls"}, prove: exportChanges},
	{name: "Export/copies", says: saysCopies, lacks: noExport, upon: []string{"Export/all", "Values/"}, prove: exportCopies},
	{name: "Export/error", says: saysExportError, lacks: noExport, prove: exportError},
	{name: "Export/cancelled", says: saysCancelled, lacks: noExport, prove: exportCancelled},
}

// noExport names the feature if the store lacks it.
func noExport(ctx context.Context, s ticket.Store) string {
	e, ok := s.(ticket.Exporter)
	if ok {
		for _, err := range e.Export(ctx, ticket.ID{}) {
			ok = !errors.Is(err, errors.ErrUnsupported)
			break
		}
	}
	if !ok {
		return "export"
	}
	return ""
}

// export returns the histories after an ID.
func (k *kit) export(after ticket.ID) (all [][]ticket.Event) {
	k.Helper()
	for history, err := range k.store.Export(k.Context(), after) {
		k.ok(err, "Export after %s", after)
		all = append(all, history)
	}
	return all
}

// exported commits changes of new tickets and returns their histories in the order of IDs.
func (k *kit) exported(changes ...ticket.Change) (want [][]ticket.Event) {
	k.Helper()
	by := map[string][]ticket.Change{} // a commit is of one tenant
	for _, c := range changes {
		by[c.Ticket.Tenant] = append(by[c.Ticket.Tenant], c)
		want = append(want, c.Events)
	}
	for _, list := range by {
		for batch := range slices.Chunk(list, 40) {
			k.commit(batch...)
		}
	}
	slices.SortFunc(want, func(a, b []ticket.Event) int { return a[0].Ticket.Compare(b[0].Ticket) })
	return want
}

// several returns changes that open tickets of several tenants, with 1 to 5 events each.
func (k *kit) several(n int) (changes []ticket.Change) {
	for i := range n {
		edits := []edit{about(fmt.Sprintf("Case %d", i), "")}
		for j := range i % 5 {
			edits = append(edits, note(ticket.Note(fmt.Sprintf("note %d", j))))
		}
		changes = append(changes, k.opened(tenants[i%len(tenants)], edits...))
	}
	return changes
}

func exportAll(k *kit) {
	k.same(len(k.export(ticket.ID{})), 0, "histories of an empty store")
	want := k.exported(k.several(30)...)
	k.same(k.export(ticket.ID{}), want, "histories")
}

// exportAfter starts at each ticket, and at IDs that no ticket has.
func exportAfter(k *kit) {
	want := k.exported(k.several(12)...)
	for i, history := range want {
		id := history[0].Ticket
		k.same(k.export(id), want[i+1:], "histories after ticket %d of %d", i+1, len(want))
		id[len(id)-1]--
		k.same(k.export(id), want[i:], "histories after the ID just before that of ticket %d of %d", i+1, len(want))
	}
}

// exportLong has a history that is longer than the pages of most stores, between short ones.
func exportLong(k *kit) {
	changes := k.several(4)
	hundred := slices.Repeat([]edit{func(*ticket.Event) {}}, 100)
	want := k.exported(changes...)
	grown := changes[0]
	var longer []ticket.Event
	for longer = slices.Clone(grown.Events); len(longer) < many; longer = append(longer, grown.Events...) {
		grown = next(grown.Ticket, hundred...)
		k.commit(grown)
	}
	for i := range want {
		if want[i][0].Ticket == grown.Ticket.ID {
			want[i] = longer
		}
	}
	k.same(k.export(ticket.ID{}), want, "histories, one of them with %d events", len(longer))
}

func exportMany(k *kit) {
	want := k.exported(k.several(many)...)
	k.same(len(k.export(ticket.ID{})), len(want), "number of histories")
}

// patience is how long a call may take that should not have to wait.
const patience = 30 * time.Second

// exportCalls reads and changes the ticket of each history in the loop. The calls are made
// one after the other.
func exportCalls(k *kit) {
	want := k.exported(k.several(10)...)
	n := 0
	for history, err := range k.store.Export(k.Context(), ticket.ID{}) {
		k.ok(err, "Export")
		first := history[0]
		done := make(chan error, 1)
		go func() {
			t, err := k.store.Ticket(k.Context(), first.Set.Tenant, first.Ticket)
			if err == nil {
				err = k.try(next(t, note("read in a report")))
			}
			done <- err
		}()
		select {
		case err := <-done:
			k.ok(err, "a change of ticket %d of %d in the loop over Export", n+1, len(want))
		case <-time.After(patience):
			k.fail("a change of ticket %d of %d, in the loop over Export, waits for the loop", n+1, len(want))
		}
		n++
	}
	k.same(n, len(want), "histories of Export, with a change in each turn of the loop")
}

// exportChanges adds events to tickets that were yielded and that are still to come.
func exportChanges(k *kit) {
	want := k.exported(k.several(20)...)
	now := map[ticket.ID]ticket.Ticket{}
	for _, history := range want {
		now[history[0].Ticket] = k.ticket(ticket.Ticket{ID: history[0].Ticket, Tenant: history[0].Set.Tenant})
	}
	var got []ticket.ID
	for history, err := range k.store.Export(k.Context(), ticket.ID{}) {
		k.ok(err, "Export")
		t, err := ticket.Replay(history)
		k.ok(err, "Replay of history %d of Export", len(got)+1)
		if stored := now[t.ID]; t.Version > stored.Version {
			k.fail("Export yields version %d of a ticket that has version %d", t.Version, stored.Version)
		}
		got = append(got, t.ID)
		for i := range want {
			id := want[i][0].Ticket
			c := next(now[id], note("meanwhile"))
			k.commit(c)
			now[id] = c.Ticket
		}
	}
	var ids []ticket.ID
	for _, history := range want {
		ids = append(ids, history[0].Ticket)
	}
	k.same(got, ids, "tickets of Export, while they change")
}

func exportCopies(k *kit) {
	c := k.opened(acme, func(e *ticket.Event) {
		e.Set.AddTags, e.Fields = []string{"plain"}, ticket.Fields{"site": "mill"}
	})
	want := k.exported(c)
	for history, err := range k.store.Export(k.Context(), ticket.ID{}) {
		k.ok(err, "Export")
		history[0].Set.AddTags[0], history[0].Fields["site"] = "changed", "changed"
	}
	k.same(k.export(ticket.ID{}), want, "histories after the caller changed those it got")
}

// exportError cancels the context in the loop. The export may end without an error if it
// has read everything before.
func exportError(k *kit) {
	want := k.exported(k.several(many)...)
	ctx, cancel := context.WithCancel(k.Context())
	defer cancel()
	n, failed := 0, false
	for history, err := range k.store.Export(ctx, ticket.ID{}) {
		if failed {
			k.fail("Export goes on after an error")
		}
		if err != nil {
			k.same(len(history), 0, "events that come with the error of Export")
			k.refused(err, context.Canceled, "Export with a context that is cancelled in the loop")
			failed = true
			continue
		}
		if n++; n == 10 {
			cancel()
		}
	}
	if !failed && n != len(want) {
		k.fail("Export ends after %d of %d histories, without an error", n, len(want))
	}
}

func exportCancelled(k *kit) {
	k.commit(k.opened(acme))
	ctx, cancel := context.WithCancel(k.Context())
	cancel()
	n := 0
	for history, err := range k.store.Export(ctx, ticket.ID{}) {
		n++
		k.refused(err, context.Canceled, "Export with a cancelled context")
		k.same(len(history), 0, "events that come with the error")
	}
	k.same(n, 1, "errors of Export with a cancelled context")
}
