package report

import (
	"fmt"
	"slices"
	"time"

	"github.com/ticketkit/ticket"
)

// Config says what a report is about.
type Config struct {
	// From and To are the period. From is a part of it, To is not. It has at most ten
	// years. To may be in the middle of a day.
	From, To time.Time
	// Now is the present time. Required. To must not be after it, because a report of a time
	// to come would change. For the current month so far, use the present time as To.
	Now time.Time
	// Zone is the time zone of days and months. Nil means UTC. It must have a name, so
	// time.Local is refused.
	Zone *time.Location
	// Hours are the business hours, for example a *businesshours.Calendar. Nil means that
	// the report has no figures in business hours.
	Hours Hours

	// Tenant is the tenant whose tickets count. The histories of other tenants are
	// skipped.
	Tenant string
	// AllTenants makes the tickets of all tenants count.
	AllTenants bool

	// OnHold lists the statuses in which a ticket waits for others, such as a vendor. Nil
	// means ticket.StatusOnHold.
	OnHold []ticket.Status
	// Agents adds figures per agent. Check with your works council first.
	Agents bool
	// Progress, if set, is called after each ticket with the numbers so far.
	Progress func(tickets, events int)
}

// Hours measures time in business hours. *businesshours.Calendar implements it.
type Hours interface {
	// Name returns the name, which stands in the report.
	Name() string
	// Between returns the open time from one instant to a later one. The times of adjacent
	// intervals must add up.
	Between(from, to time.Time) time.Duration
}

// Month returns the period of a month in a time zone, for Config.From and Config.To. A nil
// zone means UTC.
func Month(year int, month time.Month, zone *time.Location) (from, to time.Time) {
	if zone == nil {
		zone = time.UTC
	}
	next := time.Date(year, month+1, 1, 12, 0, 0, 0, time.UTC)
	return startOfDay(year, month, 1, zone), startOfDay(next.Year(), next.Month(), 1, zone)
}

const maxYears = 10

// check returns an [*ticket.InvalidError] that names the field, and sets defaults.
func (c *Config) check() error {
	invalid := func(field, format string, args ...any) error {
		return &ticket.InvalidError{Field: "report." + field, Reason: fmt.Sprintf(format, args...)}
	}
	if c.Zone == nil {
		c.Zone = time.UTC
	}
	if c.OnHold == nil {
		c.OnHold = []ticket.Status{ticket.StatusOnHold}
	}
	c.OnHold = slices.Clone(c.OnHold)
	slices.Sort(c.OnHold)
	for _, f := range []struct {
		name string
		at   *time.Time
	}{{"from", &c.From}, {"to", &c.To}, {"now", &c.Now}} {
		if f.at.IsZero() {
			return invalid(f.name, "is missing")
		}
		if year := f.at.UTC().Year(); year < 1 || year > 9999 {
			return invalid(f.name, "must be of the years 1 to 9999")
		}
		*f.at = f.at.UTC().Round(0).Truncate(time.Microsecond)
	}
	switch {
	case c.Zone == time.Local:
		return invalid("zone", "must have a name, so that it is the same everywhere; use time.LoadLocation")
	case !c.From.Before(c.To):
		return invalid("to", "must be after from")
	case c.From.AddDate(maxYears, 0, 1).Before(c.To):
		return invalid("to", "must be at most %d years after from", maxYears)
	case c.To.After(c.Now):
		return invalid("to", "must not be after now, %s: the period is not over", c.Now.Format(time.RFC3339))
	case c.Tenant != "" && c.AllTenants:
		return invalid("tenant", "must be empty if all tenants count")
	}
	return nil
}

// hours returns the name of the business hours.
func (c *Config) hours() string {
	if c.Hours == nil {
		return ""
	}
	return c.Hours.Name()
}
