package sla

import (
	"time"

	"github.com/ticketkit/ticket"
)

// Clock is one running or finished target of one ticket. A ticket has one clock for the
// first answer and the solution, and one for each next answer, update and stay at a level.
type Clock struct {
	Metric   Metric        `json:"metric"`
	Policy   string        `json:"policy"`             // the name of the policy
	Version  int           `json:"version"`            // of the Spec
	Within   time.Duration `json:"within"`             // the target, as open time
	Calendar string        `json:"calendar,omitempty"` // empty: round the clock
	Level    int           `json:"level,omitempty"`    // MetricLevel: of the stay
	Queue    string        `json:"queue,omitempty"`    // MetricLevel: of the stay

	State   ClockState    `json:"state"`
	Started time.Time     `json:"started"`
	Stopped time.Time     `json:"stopped,omitzero"` // when it was met, missed for good, or void
	Due     time.Time     `json:"due,omitzero"`     // the last instant at which it is met; zero while paused, void, or out of the calendar
	Counted time.Duration `json:"counted"`          // open time so far
	Left    time.Duration `json:"left"`             // Within minus Counted; negative when overdue
	// Breached is when the target was missed: Due, or the later instant at which a change
	// of the policy made Due lie in the past. Zero means that it is not missed. A pause does
	// not undo it.
	Breached time.Time `json:"breached,omitzero"`
}

// ClockState is the state of a [Clock].
type ClockState string

// The states of a clock. A running or paused clock can be breached already.
const (
	ClockRunning ClockState = "running"
	ClockPaused  ClockState = "paused"
	ClockMet     ClockState = "met"    // stopped in time
	ClockMissed  ClockState = "missed" // stopped too late
	ClockVoid    ClockState = "void"   // ended without a result: merged away, cancelled, or no longer promised
)

// Timeline follows the history of one ticket, event by event, and computes its clocks.
// It is not safe for concurrent use.
type Timeline struct {
	t ticket.Ticket
}

// Timeline returns a timeline without events.
func (a *Agreement) Timeline() *Timeline { panic("not built") }

// Add takes the next event. Events must come in order, without a gap; otherwise Add
// returns a [*ticket.ChainError] and changes nothing.
func (t *Timeline) Add(e ticket.Event) error { panic("not built") }

// Ticket returns the ticket after the events so far.
func (t *Timeline) Ticket() ticket.Ticket { return t.t }

// Clocks returns all clocks as of now, finished ones included, in the order in which they
// started. A time before the last event counts as the time of that event.
func (t *Timeline) Clocks(now time.Time) []Clock { panic("not built") }

// Clocks returns the clocks of a ticket with this history as of now.
func (a *Agreement) Clocks(events []ticket.Event, now time.Time) ([]Clock, error) { panic("not built") }
