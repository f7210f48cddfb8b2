package ticket

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// ParseWorkflow reads the JSON form of a workflow strictly: unknown names and
// trailing data give an [*InvalidError]. It does not check the definition;
// [WorkflowSpec.Compile] does.
func ParseWorkflow(data []byte) (WorkflowSpec, error) {
	var s WorkflowSpec
	if err := decodeStrict(data, &s); err != nil {
		return WorkflowSpec{}, &InvalidError{Field: "workflow", Reason: "cannot be read", Err: err}
	}
	return s, nil
}

// span is a duration with a text form.
type span time.Duration

func (s span) MarshalText() ([]byte, error) { return []byte(time.Duration(s).String()), nil }

func (s *span) UnmarshalText(text []byte) error {
	d, err := time.ParseDuration(string(text))
	*s = span(d)
	return err
}

// The JSON forms shadow the durations with spans.
type (
	plainStatus StatusSpec
	statusJSON  struct {
		plainStatus
		After span `json:"after,omitzero"`
	}
	plainTransition Transition
	transitionJSON  struct {
		plainTransition
		Within span `json:"within,omitzero"`
	}
)

// MarshalJSON writes durations as text.
func (s StatusSpec) MarshalJSON() ([]byte, error) {
	return json.Marshal(statusJSON{plainStatus(s), span(s.After)})
}

// UnmarshalJSON reads the form that MarshalJSON writes. It refuses unknown names.
func (s *StatusSpec) UnmarshalJSON(data []byte) error {
	var j statusJSON
	err := placed("status", data, decodeStrict(data, &j))
	*s = StatusSpec(j.plainStatus)
	s.After = time.Duration(j.After)
	return err
}

// MarshalJSON writes durations as text.
func (t Transition) MarshalJSON() ([]byte, error) {
	return json.Marshal(transitionJSON{plainTransition(t), span(t.Within)})
}

// UnmarshalJSON reads the form that MarshalJSON writes. It refuses unknown names.
func (t *Transition) UnmarshalJSON(data []byte) error {
	var j transitionJSON
	err := placed("transition", data, decodeStrict(data, &j))
	*t = Transition(j.plainTransition)
	t.Within = time.Duration(j.Within)
	return err
}

// placed adds the status or transition to an error.
func placed(kind string, data []byte, err error) error {
	if err == nil {
		return nil
	}
	var id struct{ Name, Action string }
	_ = json.Unmarshal(data, &id) // as far as it can be read
	return fmt.Errorf("%s %s: %w", kind, quote(id.Name+id.Action), err)
}

// flagString lists the names of the bits that are set.
func flagString[T ~uint8](bits T, names []string, sep string) string {
	var set []string
	for i, name := range names {
		if bits&(1<<i) != 0 {
			set = append(set, name)
		}
	}
	return strings.Join(set, sep)
}

// flagParse reads names separated by blanks as bits.
func flagParse(text string, names []string, field string) (bits uint32, err error) {
	for name := range strings.FieldsSeq(text) {
		i := slices.Index(names, name)
		if i < 0 {
			return 0, invalid(field, "%s is none of %s", quote(name), strings.Join(names, ", "))
		}
		bits |= 1 << i
	}
	return bits, nil
}
