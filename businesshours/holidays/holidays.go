// Package holidays has public holidays as days for a calendar of business hours.
//
// The dates are those of the module github.com/rickar/cal, of which nothing else is
// used. It knows the rules, not what a parliament decides for one year; that has to
// be added by hand, with [businesshours.MergeDays].
package holidays

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rickar/cal/v2"

	"github.com/ticketkit/ticket/businesshours"
)

// The years that holidays can be asked for. What they will be after that is not
// known: some depend on tables and formulas that end.
const (
	FirstYear = 1970
	LastYear  = 2099
)

// ErrUnknown stands for a region, holiday or year that there is not. Its data is an
// [*UnknownError].
var ErrUnknown = errors.New("holidays: unknown")

// UnknownError is the data of [ErrUnknown].
type UnknownError struct {
	What  string   // "region", "holiday" or "year"
	Name  string   // what was asked for
	Known []string // what there is
}

func (e *UnknownError) Error() string {
	return fmt.Sprintf("holidays: no %s %q; there are %s", e.What, e.Name, strings.Join(e.Known, ", "))
}

// Is reports whether target is [ErrUnknown].
func (e *UnknownError) Is(target error) bool { return target == ErrUnknown }

// Regions lists the regions that there are, sorted: countries by their code of ISO
// 3166-1 ("DE"), parts of them by that of ISO 3166-2 ("DE-BE"), and "ECB", the days
// on which the European Central Bank is closed.
func Regions() []string { return slices.Sorted(maps.Keys(regions())) }

// Names lists the names of a region's holidays, in its language and sorted.
func Names(region string) ([]string, error) {
	list, err := find(region)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, h := range list {
		names = append(names, h.Name)
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// Days returns the holidays of a region as closed days, sorted, from the beginning of
// one year to the end of another. With names, only those holidays. One that is
// observed on another day than its own, as some countries do when it is at the
// weekend, is there on both.
func Days(region string, first, last int, names ...string) ([]businesshours.Day, error) {
	list, err := find(region)
	if err != nil {
		return nil, err
	}
	for _, year := range []int{first, last} {
		if year < FirstYear || year > LastYear {
			return nil, &UnknownError{"year", fmt.Sprint(year), []string{fmt.Sprintf("%d to %d", FirstYear, LastYear)}}
		}
	}
	for _, name := range names {
		if !slices.ContainsFunc(list, func(h *cal.Holiday) bool { return h.Name == name }) {
			known, err := Names(region)
			return nil, errors.Join(err, &UnknownError{"holiday", name, known})
		}
	}
	byDate := map[string][]string{}
	add := func(t time.Time, name string) {
		date := t.Format(time.DateOnly)
		if first <= t.Year() && t.Year() <= last && !slices.Contains(byDate[date], name) {
			byDate[date] = append(byDate[date], name)
		}
	}
	for _, h := range list {
		if len(names) > 0 && !slices.Contains(names, h.Name) {
			continue
		}
		// What is observed may be in the year before or after.
		for year := first - 1; year <= last+1; year++ {
			actual, observed := calc(h, year)
			if actual.IsZero() {
				continue
			}
			add(actual, h.Name)
			if !observed.Equal(actual) {
				add(observed, h.Name+" (observed)")
			}
		}
	}
	days := make([]businesshours.Day, 0, len(byDate))
	for _, date := range slices.Sorted(maps.Keys(byDate)) {
		days = append(days, businesshours.Day{Date: date, Name: strings.Join(byDate[date], ", ")})
	}
	return days, nil
}

// calc works out a holiday at midnight in UTC. The library takes midnight in the
// zone of the machine: where the clock skips that, it can get the evening before, and
// a holiday observed for the wrong day of the week.
func calc(h *cal.Holiday, year int) (actual, observed time.Time) {
	if h.Func == nil {
		return time.Time{}, time.Time{}
	}
	c := *h
	c.Func = func(_ *cal.Holiday, year int) time.Time {
		y, m, d := h.Func(h, year).Add(6 * time.Hour).Date()
		return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
	}
	return c.Calc(year)
}

func find(region string) ([]*cal.Holiday, error) {
	list, ok := regions()[region]
	if !ok {
		return nil, &UnknownError{"region", region, Regions()}
	}
	return list, nil
}
