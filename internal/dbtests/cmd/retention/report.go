package main

import (
	"fmt"
	"strconv"
	"time"

	"github.com/ticketkit/ticket/internal/dbtests/ordeal"
)

// A report is the result of a run.
type report struct {
	ordeal.Findings

	store    string
	from, to string // the load of the machine
	killed   int    // processes
	planned  int    // steps of the dry runs
	alive    int    // steps of the run that was not killed
	halves   int    // tickets that were between two parts of a step after a kill
	parts    int    // events that record the steps of tickets with the tag
	events   int    // of the writers' tickets
	dry      time.Duration
	took     time.Duration // of the run that was not killed
	times    [phases]timing
	pruned   [2]int // deliveries, receipts
	pruning  [2]time.Duration
	size     [2]int64 // after each round of filling
	wal      int64

	// These count what is wrong.
	lost, changed, wrong int
}

func (r *report) note(count *int, format string, args ...any) { r.Note(count, format, args...) }

// Good reports whether nothing was lost or changed, and the runs did what the dry runs said.
func (r *report) Good() bool {
	return r.lost+r.changed+r.wrong == 0 && min(r.killed, r.planned, r.events) > 0
}

// Remarks returns the findings, and what the run did not do.
func (r *report) Remarks() []string {
	list := r.Found
	if r.killed == 0 {
		list = append(list, "every process ended before it was killed: -pause is too long, or -tickets too small")
	}
	if r.planned == 0 || r.events == 0 {
		list = append(list, "nothing was due, or no writer wrote")
	}
	return list
}

func columns() []string {
	return []string{
		"store", "load", "dry run", "steps planned", "processes killed", "steps of the run without kills", "a second", "parts of steps of long tickets", "kills between parts",
		"events of the writers", "write alone: median / p99 / worst", "beside killed processes", "p99 against alone", "beside Retain", "p99 against alone, aim 2",
		"deliveries pruned, a second", "a write beside", "p99 against alone, aim 2", "receipts pruned, a second", "a write beside", "p99 against alone, aim 2",
		"MB when filled, and filled again", "MB of the write-ahead log while pruning", "lost", "changed", "wrong",
	}
}

func (t timing) String() string {
	ms := func(d time.Duration) string { return fmt.Sprintf("%.1f", float64(d.Microseconds())/1000) }
	return ms(t.median) + " / " + ms(t.p99) + " / " + ms(t.worst) + " ms"
}

// ratio returns the p99 of a phase against that of the writers alone.
func (r *report) ratio(p phase) float64 {
	return float64(r.times[p].p99) / float64(max(1, r.times[phaseAlone].p99))
}

func verdict(ratio float64) string {
	if ratio > 2 {
		return fmt.Sprintf("%.2f MISSED", ratio)
	}
	return fmt.Sprintf("%.2f", ratio)
}

func rate(n int, d time.Duration) string {
	return fmt.Sprintf("%.0f", float64(n)/max(d.Seconds(), 1e-9))
}

// Row returns the values of columns.
func (r *report) Row() []string {
	beside := func(p phase) []string { return []string{r.times[p].String(), verdict(r.ratio(p))} }
	list := []string{
		r.store, r.from + " to " + r.to, r.dry.Round(time.Millisecond).String(), strconv.Itoa(r.planned), strconv.Itoa(r.killed), strconv.Itoa(r.alive), rate(r.alive, r.took),
		strconv.Itoa(r.parts), strconv.Itoa(r.halves), strconv.Itoa(r.events), r.times[phaseAlone].String(), r.times[phaseKilled].String(), fmt.Sprintf("%.2f", r.ratio(phaseKilled)),
	}
	list = append(list, beside(phaseRetain)...)
	for i, p := range []phase{phaseOutbox, phaseReceipt} {
		list = append(list, strconv.Itoa(r.pruned[i])+", "+rate(r.pruned[i], r.pruning[i]))
		list = append(list, beside(p)...)
	}
	mb := func(n int64) string { return fmt.Sprintf("%.1f", float64(n)/1e6) }
	return append(list, mb(r.size[0])+", "+mb(r.size[1]), mb(r.wal), strconv.Itoa(r.lost), strconv.Itoa(r.changed), strconv.Itoa(r.wrong))
}
