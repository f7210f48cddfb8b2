// Package report computes the figures of a support desk from the events of its tickets:
// answers, solutions, reopened tickets, backlog, flow, levels, times and targets.
//
//	from, to := report.Month(2026, time.March, zone)
//	r, err := report.New(report.Config{From: from, To: to, Now: time.Now(), Zone: zone})
//	…
//	err = r.Run(ctx, desk.Histories(ctx, ticket.System("report"), ticket.ID{}))
//	…
//	err = r.WriteJSON(file)
//
// A [Report] reads one history at a time, in any order. Its memory grows with the days of
// the period and with the numbers of queues, levels and policies, not with the number of
// tickets.
//
// # The past stays the same
//
// Events from Config.To on do not count. A figure depends only on parts of events that
// are never erased: times, states, phases, levels, queues, roles, clocks and the marks of
// answers and automatic texts. It does not depend on subjects, messages, notes, people,
// fields, tags, Reason or Resolution. So the report of a past period has the same bytes
// whenever it is computed, also after tickets were archived or erased.
//
// # Merged tickets
//
// A ticket that is merged into another one at the end of the period does not count as a
// ticket: the other ticket does. It counts in the figures flow and level moves, which
// count what happened at the time. [Report.Merged] returns the number of such tickets.
//
// # Percentiles
//
// Medians and 90th percentiles are by nearest rank: the smallest value that is not less
// than half, or nine tenths, of all values. They are exact up to 4096 values. With more,
// values are counted in classes, and the middle of a class differs by at most 0.4 % from
// each value in it. The column precision says which of the two a row has.
//
// docs/reports.md has the definitions of all figures in one table.
package report
