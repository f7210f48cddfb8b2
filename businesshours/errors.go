package businesshours

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// The categories of failure. Test for them with [errors.Is]; the data is in the
// struct that carries it, reached with [errors.As].
var (
	// ErrInvalid: a calendar that cannot be read or does not compile, or an
	// amount or an instant that cannot be counted with. Data: [*InvalidError].
	ErrInvalid = errors.New("businesshours: invalid")

	// ErrHorizon: the calendar ends before the time is reached. Data: [*HorizonError].
	ErrHorizon = errors.New("businesshours: no hours left")
)

// InvalidError is the data of [ErrInvalid], and one fault.
type InvalidError struct {
	Calendar string // the calendar's name; may be empty
	Place    string // where the fault is, such as "changes[0].days[3].open[1]"; may be empty
	Reason   string // what is wrong and what would be right
	Err      error  // the cause, where there is one
}

func (e *InvalidError) Error() string {
	var b strings.Builder
	b.WriteString("businesshours: ")
	if e.Calendar != "" {
		fmt.Fprintf(&b, "calendar %s: ", quote(e.Calendar))
	}
	if e.Place != "" {
		b.WriteString(e.Place + ": ")
	}
	b.WriteString(e.Reason)
	if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	return b.String()
}

// Is reports whether target is [ErrInvalid].
func (e *InvalidError) Is(target error) bool { return target == ErrInvalid }

func (e *InvalidError) Unwrap() error { return e.Err }

// HorizonError is the data of [ErrHorizon].
type HorizonError struct {
	Calendar string
	Start    time.Time
	Amount   time.Duration // what was to be counted
	Counted  time.Duration // what there is, from Start to the end of the calendar
}

func (e *HorizonError) Error() string {
	return fmt.Sprintf("businesshours: calendar %s has no hours left: of %v from %s on, it has %v",
		quote(e.Calendar), e.Amount, e.Start.Format(time.RFC3339), e.Counted)
}

// Is reports whether target is [ErrHorizon].
func (e *HorizonError) Is(target error) bool { return target == ErrHorizon }

// maxFaults is how many faults are told of a calendar.
const maxFaults = 1000

// faults collects what is wrong with a calendar.
type faults struct {
	calendar string
	list     []error
	more     int
}

func (f *faults) add(place, format string, args ...any) {
	f.addErr(place, nil, format, args...)
}

func (f *faults) addErr(place string, err error, format string, args ...any) {
	if len(f.list) == maxFaults {
		f.more++
		return
	}
	f.list = append(f.list, &InvalidError{Calendar: f.calendar, Place: place, Reason: fmt.Sprintf(format, args...), Err: err})
}

// err joins the faults; nil if there are none.
func (f *faults) err() error {
	if f.more > 0 {
		f.list = append(f.list, &InvalidError{Calendar: f.calendar, Reason: fmt.Sprintf("has %d more faults", f.more)})
	}
	return errors.Join(f.list...)
}

// quote cuts text that came in, and makes it visible.
func quote(s string) string {
	const most = 40
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return fmt.Sprintf("%q", s)
}
