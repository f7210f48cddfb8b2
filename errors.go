package ticket

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// The categories of failure. Test for them with [errors.Is]. Get the data of each
// with [errors.As] from the struct that the comment names.
var (
	// ErrNotFound: there is no such ticket, or the actor may not know of it. The
	// error never says which. Data: [*NotFoundError].
	ErrNotFound = errors.New("ticket: not found")

	// ErrMistyped: the text is not a ticket number, because its check symbol is
	// wrong. Data: [*NumberError].
	ErrMistyped = errors.New("ticket: mistyped")

	// ErrInvalid: the input is not acceptable in any state of the ticket: too
	// long, not UTF-8, a missing note. Data: [*InvalidError].
	ErrInvalid = errors.New("ticket: invalid")

	// ErrRefused: the action is unknown, or not possible now or for this actor.
	// Data: [*RefusedError].
	ErrRefused = errors.New("ticket: refused")

	// ErrStale: Action.Version is not the current version of the ticket.
	// Data: [*StaleError].
	ErrStale = errors.New("ticket: stale")

	// ErrConflict: the ticket changed between the decision and its commit. The
	// desk retries, so callers see this error only after the last retry, or
	// within the application's own transaction. Data: [*ConflictError].
	ErrConflict = errors.New("ticket: conflict")

	// ErrDuplicate: a number, ID or idempotency key is taken already.
	// Data: [*DuplicateError].
	ErrDuplicate = errors.New("ticket: duplicate")

	// ErrWorkflow: a workflow does not compile, or the desk does not have it.
	// Data: [*WorkflowError].
	ErrWorkflow = errors.New("ticket: workflow")

	// ErrChain: the history was tampered with or damaged. Data: [*ChainError].
	ErrChain = errors.New("ticket: broken chain")

	// ErrStatusLink: the status link is not valid: mistyped, forged, expired or
	// revoked. Data: [*StatusLinkError].
	ErrStatusLink = errors.New("ticket: the status link is not valid")

	// ErrClaimLost: a delivery was settled under a claim that no longer holds,
	// because its lease expired and another worker claimed it.
	ErrClaimLost = errors.New("ticket: the claim on the delivery is lost")
)

// NotFoundError is the data of [ErrNotFound].
type NotFoundError struct {
	What string // "ticket" or "receipt"
	Ref  string // the ID, number or key that was asked for
}

func (e *NotFoundError) Error() string {
	return fmt.Sprintf("ticket: no %s %s", e.What, quote(e.Ref))
}

// Is reports whether target is [ErrNotFound].
func (e *NotFoundError) Is(target error) bool { return target == ErrNotFound }

// InvalidError is the data of [ErrInvalid]: the field, and what would be right.
// It never contains text that a person wrote. Names are quoted and shortened.
type InvalidError struct {
	Field  string // the path of the field, such as "draft.subject" or "action.attachments[2].size"
	Reason string // what is wrong and what would be right
	Err    error  // the cause, where there is one
}

func (e *InvalidError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("ticket: %s %s: %v", e.Field, e.Reason, e.Err)
	}
	return fmt.Sprintf("ticket: %s %s", e.Field, e.Reason)
}

// Is reports whether target is [ErrInvalid].
func (e *InvalidError) Is(target error) bool { return target == ErrInvalid }

func (e *InvalidError) Unwrap() error { return e.Err }

func invalid(field, format string, args ...any) error {
	return &InvalidError{Field: field, Reason: fmt.Sprintf(format, args...)}
}

// The values of RefusedError.Why. Applications compare with the words.
const (
	whyUnknown    = "unknown"
	whyState      = "state"
	whyRole       = "role"
	whyLevel      = "level"
	whyQueue      = "queue"
	whyWindow     = "window"
	whyGuard      = "guard"
	whyPolicy     = "policy"
	whyMerged     = "merged"
	whyStatusLink = "link"
	whyLegalHold  = "legal hold"
	whyRated      = "rated"
)

// StatusLinkError is the data of [ErrStatusLink]. It says that a genuine link has
// expired, and does not distinguish the other reasons.
type StatusLinkError struct {
	Expired time.Time // when the link expired; zero: another reason
}

func (e *StatusLinkError) Error() string {
	if e.Expired.IsZero() {
		return ErrStatusLink.Error()
	}
	return "ticket: the status link expired at " + e.Expired.Format(time.RFC3339)
}

// Is reports whether target is [ErrStatusLink].
func (e *StatusLinkError) Is(target error) bool { return target == ErrStatusLink }

func isNotFound(err error) bool { return errors.Is(err, ErrNotFound) }

// RefusedError is the data of [ErrRefused]: the rule that
// refused the action, who could do it instead and from where.
type RefusedError struct {
	Action ActionName
	State  State // of the ticket
	Role   Role  // of the actor for this ticket; 0: neither requester nor follower of it

	// Why names the rule in one word:
	//
	//	"unknown"  the workflow has no such action
	//	"state"    not from this status or level
	//	"role"     not by this kind of actor
	//	"level"    the agent does not serve the ticket's level
	//	"queue"    the agent does not serve the ticket's queue
	//	"window"   too late
	//	"guard"    a guard of the workflow refused it
	//	"policy"   the application's policy refused it
	//	"merged"   the ticket was merged into another one
	//	"link"     the status link does not allow it
	//	"legal hold"  the content of the ticket must be kept
	//	"rated"    the ticket was rated before
	Why string

	Detail string   // the rule in a sentence
	By     Role     // the roles that may do this action at all
	From   []Status // the statuses from which it is possible, sorted
	Into   ID       // the ticket that this one was merged into, where Why is "merged"
	Err    error    // the error of the guard or the policy
}

func (e *RefusedError) Error() string {
	if e.Action == "" { // whatever it is
		return "ticket: refused: " + e.why()
	}
	return fmt.Sprintf("ticket: %q refused: %s", e.Action, e.why())
}

// why describes the rule, the roles that may do the action, and the statuses
// from which it is possible.
func (e *RefusedError) why() string {
	var b strings.Builder
	b.WriteString(e.Detail)
	if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	if e.Why == whyState && len(e.From) > 0 && !slices.Contains(e.From, e.State.Status) {
		from := make([]string, len(e.From))
		for i, s := range e.From {
			from[i] = string(s)
		}
		fmt.Fprintf(&b, " (possible from %s by %s)", strings.Join(from, ", "), e.By)
	}
	if e.Why == whyRole && e.By != 0 {
		fmt.Fprintf(&b, " (possible by %s)", e.By)
	}
	return b.String()
}

// Is reports whether target is [ErrRefused].
func (e *RefusedError) Is(target error) bool { return target == ErrRefused }

func (e *RefusedError) Unwrap() error { return e.Err }

// StaleError is the data of [ErrStale].
type StaleError struct {
	Ticket  ID
	Pinned  int64   // the version the caller had seen
	Current int64   // the version the ticket has now
	Since   []Event // the events in between, as far as the caller may see them
}

func (e *StaleError) Error() string {
	if e.Pinned > e.Current {
		return fmt.Sprintf("ticket: %s is at version %d, and has not reached %d, which the action was pinned to", e.Ticket, e.Current, e.Pinned)
	}
	return fmt.Sprintf("ticket: %s is at version %d, the action was pinned to %d: look at what changed and decide again",
		e.Ticket, e.Current, e.Pinned)
}

// Is reports whether target is [ErrStale].
func (e *StaleError) Is(target error) bool { return target == ErrStale }

// ConflictError is the data of [ErrConflict].
type ConflictError struct {
	Ticket   ID
	Expected int64 // the version the decision was made on
	Actual   int64 // the version found; -1 where the store does not know
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("ticket: %s changed meanwhile: expected version %d, found %d", e.Ticket, e.Expected, e.Actual)
}

// Is reports whether target is [ErrConflict].
func (e *ConflictError) Is(target error) bool { return target == ErrConflict }

// duplicateKey is the only value of DuplicateError.What that the desk looks for.
const duplicateKey = "key"

// DuplicateError is the data of [ErrDuplicate].
type DuplicateError struct {
	// What is taken: "id" and "number" of a ticket, "key" for an idempotency key,
	// "delivery" for the ID of a delivery.
	What string

	// Reused is true where an idempotency key was used again with a different
	// request, which is a bug in the caller. Only the desk sets it; stores leave it
	// false.
	Reused bool
}

func (e *DuplicateError) Error() string {
	if e.Reused {
		return "ticket: the idempotency key was used before for a different request"
	}
	return "ticket: this " + e.What + " is taken already"
}

// Is reports whether target is [ErrDuplicate].
func (e *DuplicateError) Is(target error) bool { return target == ErrDuplicate }

// WorkflowError is the data of [ErrWorkflow]. One that comes from
// [WorkflowSpec.Compile] stands for one fault; all faults are joined.
type WorkflowError struct {
	Name    string // the workflow's name
	Version int
	Where   string // the place in the definition, such as "transitions[3]"; may be empty
	Fault   string
	Err     error // the cause, where there is one
}

func (e *WorkflowError) Error() string {
	s := fmt.Sprintf("ticket: workflow %q", e.Name)
	if e.Version != 0 {
		s += fmt.Sprintf(" version %d", e.Version)
	}
	s += ": "
	if e.Where != "" {
		s += e.Where + ": "
	}
	s += e.Fault
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Is reports whether target is [ErrWorkflow].
func (e *WorkflowError) Is(target error) bool { return target == ErrWorkflow }

func (e *WorkflowError) Unwrap() error { return e.Err }

// quote shows untrusted text in an error: short, and on one line.
func quote(s string) string {
	const most = 40
	if len(s) > most {
		r := []rune(s[:most])
		s = string(r[:max(0, len(r)-1)]) + "…"
	}
	return fmt.Sprintf("%q", s)
}

func sortedKeys[K ~string, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
