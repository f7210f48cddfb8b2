package web

import (
	"cmp"
	"net/url"
	"time"

	"github.com/ticketkit/ticket/report"
)

// longestPeriod bounds the periods that can be asked for, and so the size of a page.
const longestPeriod = 366 * 24 * time.Hour

const (
	monthForm = "2006-01"
	dayForm   = "2006-01-02"
)

// A period is a month, or some days. Its days are those of one zone, the same for all readers.
type period struct {
	Month    string    // such as "2026-03"; empty if it is no month
	From, To time.Time // To is not a part of it
}

// parsePeriod reads a period: "period" is a month; "from" and "to" are days, both included. The
// default is the month of now. What cannot be read, or is not in the past at all, is the default.
func parsePeriod(q url.Values, zone *time.Location, now time.Time) period {
	from, err1 := time.ParseInLocation(dayForm, q.Get("from"), zone)
	to, err2 := time.ParseInLocation(dayForm, q.Get("to"), zone)
	if err1 == nil && err2 == nil && !to.Before(from) && from.Before(now) && from.Year() > 1 {
		to = to.AddDate(0, 0, 1)
		if to.Sub(from) <= longestPeriod {
			return period{From: from, To: to}
		}
	}
	month, err := time.ParseInLocation(monthForm, q.Get("period"), zone)
	if err != nil || !month.Before(now) || month.Year() < 2 {
		month = now.In(zone)
	}
	return monthOf(month, 0, zone)
}

// monthOf returns the month of an instant, or one that is some months later.
func monthOf(at time.Time, later int, zone *time.Location) period {
	at = at.In(zone)
	from, to := report.Month(at.Year(), at.Month()+time.Month(later), zone)
	return period{From: from, To: to, Month: from.In(zone).Format(monthForm)}
}

// query returns the period for an address.
func (w period) query(zone *time.Location) url.Values {
	if w.Month != "" {
		return url.Values{"period": {w.Month}}
	}
	return url.Values{"from": {w.From.In(zone).Format(dayForm)}, "to": {w.To.In(zone).AddDate(0, 0, -1).Format(dayForm)}}
}

// compared is how many months, or periods, the plots of times show.
const compared = 6

// series returns the periods to compare, the chosen one last.
func (w period) series(zone *time.Location) []period {
	var list []period
	if w.Month != "" {
		for i := 1 - compared; i <= 0; i++ {
			list = append(list, monthOf(w.From, i, zone))
		}
		return list
	}
	first := w.From.In(zone)
	days := int(w.To.Sub(w.From).Round(24*time.Hour) / (24 * time.Hour))
	before := period{From: first.AddDate(0, 0, -days), To: w.From}
	return append(list, before, w)
}

// compare orders periods by time.
func (w period) compare(v period) int { return cmp.Or(w.From.Compare(v.From), w.To.Compare(v.To)) }
