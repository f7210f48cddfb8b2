package report

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"

	"github.com/ticketkit/ticket"
)

// checkpoint is the stored form of an unfinished report.
type checkpoint struct {
	Format  string          `json:"format"`
	Figures []string        `json:"figures"` // names and versions
	Config  settings        `json:"config"`
	SHA256  ticket.Digest   `json:"sha256"` // of State
	State   json.RawMessage `json:"state"`
}

const checkpointFormat = "ticket report checkpoint 1"

// settings are the parts of a Config that numbers depend on.
type settings struct {
	From       int64           `json:"from"` // microseconds since 1970
	To         int64           `json:"to"`
	Zone       string          `json:"zone"`
	Hours      string          `json:"hours"`
	HasHours   bool            `json:"has_hours"`
	Tenant     string          `json:"tenant"`
	AllTenants bool            `json:"all_tenants"`
	OnHold     []ticket.Status `json:"on_hold"`
	Agents     bool            `json:"agents"`
}

func (r *Report) settings() settings {
	c := &r.env.cfg
	return settings{r.env.from, r.env.to, c.Zone.String(), c.hours(), c.Hours != nil, c.Tenant, c.AllTenants, c.OnHold, c.Agents}
}

// versions lists the names and versions of the figures.
func (r *Report) versions() (list []string) {
	for _, f := range r.s.figures() {
		for _, t := range f.tables(&r.env) {
			if v := fmt.Sprintf("%s %d", t.Name, t.Version); !slices.Contains(list, v) {
				list = append(list, v)
			}
		}
	}
	return list
}

// After returns the ID of the last ticket, to continue after: with
// [ticket.Desk.Histories], for example. It is zero if there is none.
func (r *Report) After() ticket.ID { return r.s.After }

// Merged returns the number of tickets that are merged into others at the end of the
// period.
func (r *Report) Merged() int { return r.s.Merged }

// Checkpoint returns the report so far, for [Resume], as JSON. The histories must have come
// in the order of ticket IDs, as those of [ticket.Desk.Histories] do; otherwise it returns
// an [*ticket.InvalidError]. The checkpoint has no content of tickets, but with
// Config.Agents it has the IDs of all agents with their numbers.
func (r *Report) Checkpoint() ([]byte, error) {
	if r.s.Unsorted {
		return nil, &ticket.InvalidError{Field: "report.history", Reason: "must come in the order of ticket IDs for a checkpoint"}
	}
	data, err := json.Marshal(&r.s)
	if err != nil {
		return nil, err
	}
	return json.Marshal(checkpoint{checkpointFormat, r.versions(), r.settings(), sha256.Sum256(data), data})
}

// Resume returns the report that a checkpoint was taken of. Continue with the histories of
// the tickets after [Report.After]; Add refuses others. The result is the same as that of a
// report in one go. cfg must be the same, except for Now and Progress. A checkpoint of
// another configuration or of other versions of the figures, and one that is not byte for
// byte as Checkpoint returned it, gives an [*ticket.InvalidError].
//
// Business hours are compared by their name only. If you change the hours, begin again.
func Resume(cfg Config, data []byte) (*Report, error) {
	r, err := New(cfg)
	if err != nil {
		return nil, err
	}
	invalid := func(reason string, err error) error {
		return &ticket.InvalidError{Field: "report.checkpoint", Reason: reason, Err: err}
	}
	var c checkpoint
	if err := json.Unmarshal(data, &c); err != nil {
		return nil, invalid("cannot be decoded", err)
	}
	switch {
	case c.Format != checkpointFormat:
		return nil, invalid("must have the format "+checkpointFormat, nil)
	case !slices.Equal(c.Figures, r.versions()):
		return nil, invalid("is of other versions of the figures", nil)
	case !reflect.DeepEqual(c.Config, r.settings()):
		return nil, invalid("is of another configuration", nil)
	case sha256.Sum256(c.State) != c.SHA256:
		return nil, invalid("is damaged", nil)
	}
	if err := json.Unmarshal(c.State, &r.s); err != nil {
		return nil, invalid("cannot be decoded", err)
	}
	r.resumed = r.s.After
	return r, nil
}
