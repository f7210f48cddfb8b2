package main

import (
	"errors"
	"html/template"
	"net/http"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/examples/internal/charts"
	"github.com/ticketkit/ticket/report"
)

// Manages says who sees the figures: those who serve the highest level.
func (u user) Manages() bool { return u.Level == 3 }

// figures is the manager's page.
type figures struct {
	Month, Before, After string // such as 2026-03; After is empty if it has not begun
	Tables               []report.Table
	Pictures             []template.HTML
}

// figuresPage shows the report of a month: of the present one, so far, unless the address names
// another.
func (s *shop) figuresPage(w http.ResponseWriter, r *http.Request, u user) error {
	if !u.Manages() {
		return errNoPage
	}
	zone, err := time.LoadLocation(u.Zone)
	if err != nil {
		return err
	}
	now := s.now().In(zone)
	month := now
	if name := text(r, "month"); name != "" {
		if month, err = time.ParseInLocation("2006-01", name, zone); err != nil || month.After(now) {
			return &ticket.InvalidError{Field: "month", Reason: "must be a month up to now, such as 2026-03"}
		}
	}
	months, err := s.reports(r, month, now, zone)
	if err != nil {
		return err
	}
	first := time.Date(month.Year(), month.Month(), 1, 0, 0, 0, 0, zone)
	page := figures{Month: first.Format("2006-01"), Before: first.AddDate(0, -1, 0).Format("2006-01"), Tables: months[len(months)-1].Report.Tables()}
	if next := first.AddDate(0, 1, 0); !next.After(now) {
		page.After = next.Format("2006-01")
	}
	for _, c := range charts.Of(months) {
		c.File = false                                                // style.css has the colours
		page.Pictures = append(page.Pictures, template.HTML(c.SVG())) // package plot has escaped it
	}
	return s.show(w, http.StatusOK, u, "figures", page)
}

// reports makes the reports of a month and of the two before it, in one pass over all tickets. A
// shop with many tickets makes them at night, and keeps a Checkpoint of each.
func (s *shop) reports(r *http.Request, month, now time.Time, zone *time.Location) (list []charts.Month, err error) {
	for i := -2; i <= 0; i++ {
		from, to := report.Month(month.Year(), month.Month()+time.Month(i), zone)
		if to.After(now) {
			to = now
		}
		m := charts.Month{Name: from.Format("2006-01")}
		if m.Report, err = report.New(report.Config{From: from, To: to, Now: now, Zone: zone, Hours: s.office}); err != nil {
			return nil, err
		}
		list = append(list, m)
	}
	for history, err := range s.desk.Histories(r.Context(), ticket.System("report"), ticket.ID{}) {
		for _, m := range list {
			err = errors.Join(err, m.Report.Add(history))
		}
		if err != nil {
			return nil, err
		}
	}
	return list, nil
}
