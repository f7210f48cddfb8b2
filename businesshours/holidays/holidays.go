// Package holidays returns public holidays as closed days for a calendar of business
// hours.
//
//	days, err := holidays.Days("DE-BE", 2026, 2030)
//	if err != nil {
//		return err
//	}
//	spec.Days = businesshours.MergeDays(spec.Days, days)
//
// The dates come from the module github.com/rickar/cal; nothing else of it is used. It
// implements the rules, but not what a parliament decides for a single year. Add such days
// with [businesshours.MergeDays].
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

// The first and last year of holidays. Later years are unknown: some rules depend on
// tables and formulas that end.
const (
	FirstYear = 1970
	LastYear  = 2099
)

// ErrUnknown reports an unknown region or holiday, or a year out of range. Its data is an
// [*UnknownError].
var ErrUnknown = errors.New("holidays: unknown")

// UnknownError is the data of [ErrUnknown].
type UnknownError struct {
	What  string   // "region", "holiday" or "year"
	Name  string   // the unknown value
	Known []string // the known values
}

func (e *UnknownError) Error() string {
	return fmt.Sprintf("holidays: unknown %s %q; known are %s", e.What, e.Name, strings.Join(e.Known, ", "))
}

// Is reports whether target is [ErrUnknown].
func (e *UnknownError) Is(target error) bool { return target == ErrUnknown }

// Regions returns the known regions, sorted: countries by ISO 3166-1 code ("DE"), parts of
// countries by ISO 3166-2 code ("DE-BE"), and "ECB", the closing days of the European
// Central Bank.
func Regions() []string { return slices.Sorted(maps.Keys(regions())) }

// Names returns the names of the holidays of a region, sorted, in the language of the
// region. An unknown region is an [*UnknownError].
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

// Days returns the holidays of a region as closed days, sorted, from 1 January of the year
// first to 31 December of the year last. With names, it returns only those holidays. A
// holiday observed on another day, as in some countries when it falls on a weekend, is
// returned for both days. An unknown region or name, and a year outside [FirstYear] to
// [LastYear], are an [*UnknownError].
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
		// The observed day may be in the year before or after.
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

// calc returns a holiday at midnight UTC. Package cal uses midnight in the zone of the
// machine. If the clock skips that hour, the result can be the evening before, and a
// holiday can be observed for the wrong weekday.
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
