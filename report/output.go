package report

import (
	"encoding/json"
	"io"
	"time"
)

// Tables returns the figures with their numbers so far, in a fixed order.
func (r *Report) Tables() (tables []Table) {
	for _, f := range r.s.figures() {
		if f, ok := f.(interface{ unused() bool }); ok && f.unused() {
			continue
		}
		tables = append(tables, f.tables(&r.env)...)
	}
	return tables
}

// Table returns the table of a figure in real time, or, if there is none, in its own clock.
// It returns false for an unknown name.
func (r *Report) Table(name string) (Table, bool) {
	for _, t := range r.Tables() {
		if t.Name == name {
			return t, true
		}
	}
	return Table{}, false
}

// TableInHours returns the table of a figure in business hours. It returns false if the
// report has none.
func (r *Report) TableInHours(name string) (Table, bool) {
	for _, t := range r.Tables() {
		if t.Name == name && t.Clock == clockHours(r.env.cfg.hours()) {
			return t, true
		}
	}
	return Table{}, false
}

// output is the JSON form of a report.
type output struct {
	Format     string  `json:"format"`
	From       string  `json:"from"`
	To         string  `json:"to"`
	Zone       string  `json:"zone"`
	Hours      string  `json:"hours,omitempty"`
	Tenant     string  `json:"tenant,omitempty"`
	AllTenants bool    `json:"all_tenants,omitempty"`
	Merged     int     `json:"merged"`
	Figures    []Table `json:"figures"`
}

// format names the JSON form and its version.
const format = "ticket report 1"

// WriteJSON writes the report as one JSON object: the period, and each figure with its
// definition, columns and rows. Equal reports have equal bytes.
func (r *Report) WriteJSON(w io.Writer) error {
	c := &r.env.cfg
	show := func(t time.Time) string { return t.In(c.Zone).Format(time.RFC3339Nano) }
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	return enc.Encode(output{format, show(c.From), show(c.To), c.Zone.String(), c.hours(), c.Tenant, c.AllTenants, r.s.Merged, r.Tables()})
}
