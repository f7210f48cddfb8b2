package sla

import (
	"errors"
	"fmt"
	"strings"

	"github.com/ticketkit/ticket/businesshours"
)

// ErrInvalid is the category of errors of a description that cannot be read or compiled.
// Test for it with [errors.Is]; get the data with [errors.As]. Data: [*InvalidError].
var ErrInvalid = errors.New("sla: invalid")

// InvalidError is the data of [ErrInvalid]: one fault.
type InvalidError struct {
	Agreement string // the name of the Spec; may be empty
	Place     string // where the fault is, such as "policies[1].targets[0].thresholds[2].share"; may be empty
	Reason    string // what is wrong, and what is expected
	Err       error  // the cause, such as a [*businesshours.InvalidError]; may be nil
}

func (e *InvalidError) Error() string {
	var b strings.Builder
	b.WriteString("sla: ")
	if e.Agreement != "" {
		fmt.Fprintf(&b, "agreement %s: ", quote(e.Agreement))
	}
	if e.Place != "" {
		b.WriteString(e.Place + ": ")
	}
	b.WriteString(e.Reason)
	cause := e.Err
	if fault, ok := errors.AsType[*businesshours.InvalidError](cause); ok {
		cause = fault.Err // Place and Reason have the rest
	}
	if cause != nil {
		fmt.Fprintf(&b, ": %v", cause)
	}
	return b.String()
}

// Is reports whether target is [ErrInvalid].
func (e *InvalidError) Is(target error) bool { return target == ErrInvalid }

func (e *InvalidError) Unwrap() error { return e.Err }

// maxFaults limits the faults reported for a description.
const maxFaults = 1000

// faults collects the faults of a description.
type faults struct {
	agreement string
	list      []*InvalidError
	more      int
}

func (f *faults) add(place, format string, args ...any) {
	f.addErr(place, nil, format, args...)
}

func (f *faults) addErr(place string, err error, format string, args ...any) {
	if len(f.list) == maxFaults {
		f.more++
		return
	}
	f.list = append(f.list, &InvalidError{Place: place, Reason: fmt.Sprintf(format, args...), Err: err})
}

// calendar adds the faults of a calendar, each with its place below place.
func (f *faults) calendar(place string, err error) {
	if err == nil {
		return
	}
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		for _, err := range joined.Unwrap() {
			f.calendar(place, err)
		}
		return
	}
	fault, ok := errors.AsType[*businesshours.InvalidError](err)
	if !ok {
		f.addErr(place, err, "does not compile")
		return
	}
	f.addErr(below(place, fault.Place), fault, "%s", fault.Reason)
}

// err joins the faults. It returns nil if there are none.
func (f *faults) err() error {
	if f.more > 0 {
		f.list = append(f.list, &InvalidError{Reason: fmt.Sprintf("has %d more faults", f.more)})
	}
	list := make([]error, len(f.list))
	for i, e := range f.list {
		e.Agreement = f.agreement
		list[i] = e
	}
	return errors.Join(list...)
}

// below returns the place of a part.
func below(place, part string) string {
	if place == "" || part == "" {
		return place + part
	}
	return place + "." + part
}

// quote shortens and quotes untrusted text.
func quote[T ~string](s T) string {
	const most = 40
	if len(s) > most {
		s = T(strings.ToValidUTF8(string(s[:most]), "")) + "…"
	}
	return fmt.Sprintf("%q", s)
}
