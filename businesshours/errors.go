package businesshours

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// The categories of errors. Test for them with [errors.Is]; get the data with [errors.As].
var (
	// ErrInvalid: the calendar cannot be read or compiled, or an amount or instant is out
	// of range. Data: [*InvalidError].
	ErrInvalid = errors.New("businesshours: invalid")

	// ErrHorizon: the calendar ends before the time is reached. Data: [*HorizonError].
	ErrHorizon = errors.New("businesshours: no hours left")
)

// InvalidError is the data of [ErrInvalid]: one fault.
type InvalidError struct {
	Calendar string // the calendar's name; may be empty
	Place    string // where the fault is, such as "changes[0].days[3].open[1]"; may be empty
	Reason   string // what is wrong, and what is expected
	Err      error  // the cause; may be nil
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
	Amount   time.Duration // the open time asked for
	Counted  time.Duration // the open time from Start to the end of the calendar
}

func (e *HorizonError) Error() string {
	return fmt.Sprintf("businesshours: calendar %s has too few hours left: %v were needed from %s on, %v remain",
		quote(e.Calendar), e.Amount, e.Start.Format(time.RFC3339), e.Counted)
}

// Is reports whether target is [ErrHorizon].
func (e *HorizonError) Is(target error) bool { return target == ErrHorizon }

// maxFaults limits the faults reported for a calendar.
const maxFaults = 1000

// faults collects the faults of a calendar.
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

// err joins the faults. It returns nil if there are none.
func (f *faults) err() error {
	if f.more > 0 {
		f.list = append(f.list, &InvalidError{Calendar: f.calendar, Reason: fmt.Sprintf("has %d more faults", f.more)})
	}
	return errors.Join(f.list...)
}

// quote shortens and quotes untrusted text.
func quote(s string) string {
	const most = 40
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return fmt.Sprintf("%q", s)
}
