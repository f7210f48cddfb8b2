package storetest

import (
	"context"
	"errors"
	"iter"
	"slices"

	"github.com/ticketkit/ticket"
)

// exportingBy returns a fault in Export. The function gets the histories and the error
// that the store yields.
func exportingBy(export func(ctx context.Context, all [][]ticket.Event, after ticket.ID, yield func([]ticket.Event, error) bool)) func(*faulty) {
	return func(f *faulty) {
		s := f.Store.(ticket.Exporter)
		f.export = func(ctx context.Context, after ticket.ID) iter.Seq2[[]ticket.Event, error] {
			return func(yield func([]ticket.Event, error) bool) {
				var all [][]ticket.Event
				for history, err := range s.Export(ctx, after) {
					if err != nil {
						yield(nil, err)
						return
					}
					all = append(all, history)
				}
				export(ctx, all, after, yield)
			}
		}
	}
}

// exportingList returns a fault in the list of all histories.
func exportingList(change func(all [][]ticket.Event, after ticket.ID) [][]ticket.Event) func(*faulty) {
	return exportingBy(func(ctx context.Context, all [][]ticket.Event, after ticket.ID, yield func([]ticket.Event, error) bool) {
		for _, history := range change(all, after) {
			if err := ctx.Err(); err != nil {
				yield(nil, err)
				return
			}
			if !yield(history, nil) {
				return
			}
		}
	})
}

var exportFaults = []fault{
	{"exports one tenant", "Export/all", exportingList(func(all [][]ticket.Event, _ ticket.ID) [][]ticket.Event {
		return slices.DeleteFunc(all, func(h []ticket.Event) bool { return len(all) == 30 && h[0].Set.Tenant != all[0][0].Set.Tenant })
	})},
	{"exports in the order of numbers", "Export/all", exportingList(func(all [][]ticket.Event, _ ticket.ID) [][]ticket.Event {
		if len(all) == 30 {
			slices.SortFunc(all, func(a, b []ticket.Event) int {
				return ticket.ID(a[0].Seals.PublicContent.Sum[:16]).Compare(ticket.ID(b[0].Seals.PublicContent.Sum[:16]))
			})
		}
		return all
	})},
	{"exports without the first event", "Export/all", exportingList(func(all [][]ticket.Event, _ ticket.ID) [][]ticket.Event {
		for i := range all {
			if len(all) == 30 && len(all[i]) > 1 {
				all[i] = all[i][1:]
			}
		}
		return all
	})},
	{"exports the ticket with the ID too", "Export/after", func(f *faulty) {
		s := f.Store.(ticket.Exporter)
		f.export = func(ctx context.Context, after ticket.ID) iter.Seq2[[]ticket.Event, error] {
			if !after.IsZero() {
				after[len(after)-1]--
			}
			return s.Export(ctx, after)
		}
	}},
	{"exports from the beginning after an unknown ID", "Export/after", func(f *faulty) {
		s := f.Store.(ticket.Exporter)
		f.export = func(ctx context.Context, after ticket.ID) iter.Seq2[[]ticket.Event, error] {
			known := false
			for history, err := range s.Export(ctx, ticket.ID{}) {
				known = known || err == nil && history[0].Ticket == after
			}
			if !known {
				after = ticket.ID{}
			}
			return s.Export(ctx, after)
		}
	}},
	{"exports the first page of a history", "Export/long", exportingList(func(all [][]ticket.Event, _ ticket.ID) [][]ticket.Event {
		for i := range all {
			all[i] = all[i][:min(500, len(all[i]))]
		}
		return all
	})},
	{"exports the first page of tickets", "Export/many", exportingList(func(all [][]ticket.Event, _ ticket.ID) [][]ticket.Event {
		return all[:min(1000, len(all))]
	})},
	{"exports under a lock", "Export/calls", func(f *faulty) {
		s, inLoop := f.Store, false
		f.export = func(ctx context.Context, after ticket.ID) iter.Seq2[[]ticket.Event, error] {
			return func(yield func([]ticket.Event, error) bool) {
				inLoop = true
				defer func() { inLoop = false }()
				s.(ticket.Exporter).Export(ctx, after)(yield)
			}
		}
		f.commit = func(ctx context.Context, c ticket.Commit) error {
			if inLoop {
				return errors.New("the database is locked")
			}
			return s.Commit(ctx, c)
		}
	}},
	{"exports a ticket again when it changes", "Export/changes", func(f *faulty) {
		s := f.Store
		var changed []ticket.Ticket
		inLoop := false
		f.export = func(ctx context.Context, after ticket.ID) iter.Seq2[[]ticket.Event, error] {
			return func(yield func([]ticket.Event, error) bool) {
				inLoop = true
				defer func() { inLoop = false }()
				for history, err := range s.(ticket.Exporter).Export(ctx, after) {
					if !yield(history, err) {
						return
					}
				}
				if len(changed) < 100 { // of the other cases
					return
				}
				history, err := s.Events(ctx, changed[0].Tenant, changed[0].ID, 0, 0)
				yield(history, err)
			}
		}
		f.commit = func(ctx context.Context, c ticket.Commit) error {
			if inLoop {
				changed = append(changed, c.Changes[0].Ticket)
			}
			return s.Commit(ctx, c)
		}
	}},
	{"exports a ticket with a gap when it changes", "Export/changes", func(f *faulty) {
		s := f.Store
		f.export = func(ctx context.Context, after ticket.ID) iter.Seq2[[]ticket.Event, error] {
			return func(yield func([]ticket.Event, error) bool) {
				for history, err := range s.(ticket.Exporter).Export(ctx, after) {
					if err == nil {
						n := len(history)
						if n > 12 && n < 500 { // it had 5 events at most when the export began
							history = slices.Delete(history, n-2, n-1)
						}
					}
					if !yield(history, err) {
						return
					}
				}
			}
		}
	}},
	{"exports what it stores", "Export/copies", func(f *faulty) {
		s := f.Store.(ticket.Exporter)
		kept := map[ticket.ID][]ticket.Event{}
		f.export = func(ctx context.Context, after ticket.ID) iter.Seq2[[]ticket.Event, error] {
			return func(yield func([]ticket.Event, error) bool) {
				for history, err := range s.Export(ctx, after) {
					if err == nil && history[0].Fields != nil {
						if kept[history[0].Ticket] == nil {
							kept[history[0].Ticket] = history
						}
						history = kept[history[0].Ticket]
					}
					if !yield(history, err) {
						return
					}
				}
			}
		}
	}},
	{"exports a history with an error", "Export/error", exportingBy(func(ctx context.Context, all [][]ticket.Event, _ ticket.ID, yield func([]ticket.Event, error) bool) {
		for _, history := range all {
			if err := ctx.Err(); !yield(history, err) || err != nil {
				return
			}
		}
	})},
	{"goes on exporting after an error", "Export/error", exportingBy(func(ctx context.Context, all [][]ticket.Event, _ ticket.ID, yield func([]ticket.Event, error) bool) {
		for _, history := range all {
			err := ctx.Err()
			if err != nil {
				history = nil
			}
			if !yield(history, err) {
				return
			}
		}
	})},
	{"ends an export without its error", "Export/error", exportingBy(func(ctx context.Context, all [][]ticket.Event, _ ticket.ID, yield func([]ticket.Event, error) bool) {
		for _, history := range all {
			if ctx.Err() != nil || !yield(history, nil) {
				return
			}
		}
	})},
	{"exports in spite of the context", "Export/cancelled", func(f *faulty) {
		s := f.Store.(ticket.Exporter)
		f.export = func(ctx context.Context, after ticket.ID) iter.Seq2[[]ticket.Event, error] {
			return s.Export(context.WithoutCancel(ctx), after)
		}
	}},
}
