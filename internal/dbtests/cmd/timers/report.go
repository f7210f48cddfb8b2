package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ticketkit/ticket/internal/dbtests/ordeal"
)

// figures are what a run counts.
type figures struct {
	killed, tickets, events int
	thresholds              int // alerts
	late, passed            int // late alerts, and thresholds that they passed over
	overtaken               int // thresholds of clocks that ended or paused before a process looked
	escalated, raised       int
	handed, tagged          int
	told                    int // notifications of alerts
	reminders, woken        int // snoozes that ended with the reminder, or with the customer's words
	closed, resumed         int // timed actions of the workflow
	lists, clocks           int // compared

	// These count what is wrong.
	lost, doubled, early, wrong int
}

// A report is the result of a run.
type report struct {
	ordeal.Findings
	figures

	store         string
	writing, rest time.Duration  // until nobody wrote, and after that until nothing was left to happen
	said          map[string]int // errors
	kinds         map[string]int // what is wrong, by the format of the finding
}

// note counts what is wrong, and describes the first few.
func (r *report) note(count *int, format string, args ...any) {
	if r.kinds == nil {
		r.kinds = map[string]int{}
	}
	r.kinds[format]++
	r.Note(count, format, args...)
}

// A figure is one of the figures, with its name.
type figure struct {
	name string
	of   func(f *figures) *int
}

var table = []figure{
	{"processes killed", func(f *figures) *int { return &f.killed }},
	{"tickets", func(f *figures) *int { return &f.tickets }},
	{"events", func(f *figures) *int { return &f.events }},
	{"clocks compared", func(f *figures) *int { return &f.clocks }},
	{"lists compared", func(f *figures) *int { return &f.lists }},
	{"thresholds fired", func(f *figures) *int { return &f.thresholds }},
	{"late", func(f *figures) *int { return &f.late }},
	{"passed over", func(f *figures) *int { return &f.passed }},
	{"overtaken by an action", func(f *figures) *int { return &f.overtaken }},
	{"escalated", func(f *figures) *int { return &f.escalated }},
	{"raised", func(f *figures) *int { return &f.raised }},
	{"handed over", func(f *figures) *int { return &f.handed }},
	{"tagged", func(f *figures) *int { return &f.tagged }},
	{"notifications of them", func(f *figures) *int { return &f.told }},
	{"reminders", func(f *figures) *int { return &f.reminders }},
	{"woken by the customer", func(f *figures) *int { return &f.woken }},
	{"closed by themselves", func(f *figures) *int { return &f.closed }},
	{"resumed by themselves", func(f *figures) *int { return &f.resumed }},
	{"lost", func(f *figures) *int { return &f.lost }},
	{"doubled", func(f *figures) *int { return &f.doubled }},
	{"early", func(f *figures) *int { return &f.early }},
	{"wrong", func(f *figures) *int { return &f.wrong }},
}

func (f *figures) add(g *figures) {
	for _, v := range table {
		*v.of(f) += *v.of(g)
	}
}

// line returns the most important figures as a line.
func (f *figures) line() string {
	var list []string
	for _, v := range table {
		switch v.name {
		case "tickets", "events", "thresholds fired", "late", "processes killed", "lost", "doubled", "early", "wrong":
			list = append(list, fmt.Sprintf("%s %d", v.name, *v.of(f)))
		}
	}
	return strings.Join(list, ", ")
}

// columns are the names of the values that row returns.
func columns() []string {
	list := []string{"store", "written for", "until nothing was left"}
	for _, v := range table {
		list = append(list, v.name)
	}
	return list
}

// Row returns the values of columns.
func (r *report) Row() []string {
	list := []string{r.store, r.writing.Round(time.Second).String(), r.rest.Round(time.Second).String()}
	for _, v := range table {
		list = append(list, strconv.Itoa(*v.of(&r.figures)))
	}
	return list
}

// Good reports whether everything happened once and in time, and enough of it.
func (r *report) Good() bool {
	return r.lost+r.doubled+r.early+r.wrong == 0 && min(r.killed, r.thresholds, r.reminders, r.closed) > 0
}

// Remarks returns the findings, and the errors between desks and the store.
func (r *report) Remarks() (list []string) {
	for _, text := range slices.Sorted(maps.Keys(r.said)) {
		list = append(list, fmt.Sprintf("%6d × %s", r.said[text], text[:min(len(text), 200)]))
	}
	return append(r.Found, list[:min(len(list), 8)]...)
}
