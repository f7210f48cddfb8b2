package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/ticketkit/ticket"
)

// These are the categories of database errors that package ticket does not have.
// Test for them with [errors.Is]. Reach the driver's own error with [errors.As].
var (
	// ErrSchema: the tables do not exist, or have another version than this package
	// works with. Data: [*SchemaError].
	ErrSchema = errors.New("sqlstore: the schema does not fit")

	// ErrDialect: the database is not of the given [Dialect].
	ErrDialect = errors.New("sqlstore: the database is not of the given dialect")

	// ErrReadOnly: the database accepts no writes. It is a replica, or the
	// transaction or the file is read-only.
	ErrReadOnly = errors.New("sqlstore: the database is read-only")

	// ErrFull: no space is left. Nothing of the commit was written.
	ErrFull = errors.New("sqlstore: the database is full")

	// ErrBusy: another transaction held a lock for longer than the database waits.
	// On SQLite it is the one lock for writing, otherwise the lock of a row. The other
	// transaction may be your own: inside it, use only the desk that
	// [ticket.Desk.WithStore] returned.
	ErrBusy = errors.New("sqlstore: another transaction holds the lock")
)

// SchemaError is the data of [ErrSchema].
type SchemaError struct {
	Part string // "tickets", "search" or "files"
	Have int    // the version found; 0 means none
	Want int    // the version this package works with
	Err  error  // the database error for a missing table or column
}

func (e *SchemaError) Error() string {
	switch {
	case e.Err != nil && e.Part == "files":
		return fmt.Sprintf("sqlstore: the schema of files is incomplete: Open with the option Files creates it: %v", e.Err)
	case e.Err != nil:
		return fmt.Sprintf("sqlstore: the schema of %s is incomplete: %v", e.Part, e.Err)
	case e.Have == 0:
		return fmt.Sprintf("sqlstore: the schema of %s does not exist: Open or Migrate creates it", e.Part)
	case e.Have < e.Want:
		return fmt.Sprintf("sqlstore: the schema of %s has version %d, older than %d: Open or Migrate updates it", e.Part, e.Have, e.Want)
	default:
		return fmt.Sprintf("sqlstore: the schema of %s has version %d, newer than %d: this program is too old", e.Part, e.Have, e.Want)
	}
}

// Is reports whether target is [ErrSchema].
func (e *SchemaError) Is(target error) bool { return target == ErrSchema }

func (e *SchemaError) Unwrap() error { return e.Err }

// explain wraps a database error with its category. Errors of package ticket stay as
// they are. If the context has ended, the result wraps the context's error, because
// not every driver returns it.
func (s *Store) explain(ctx context.Context, doing string, err error) error {
	if err == nil || isOurs(err) {
		return err
	}
	if over := ctx.Err(); over != nil && !errors.Is(err, over) {
		return fmt.Errorf("sqlstore: %s: %w: %w", doing, over, err)
	}
	category := error(nil)
	switch s.lang.classify(err) {
	case missing:
		e := &SchemaError{Part: "tickets", Want: ticketsVersion, Err: err}
		for _, table := range []string{"texts", "words", "vocabulary", "unindexed", "frequencies"} {
			if strings.Contains(err.Error(), s.prefix+table) {
				e.Part, e.Want = "search", searchVersion
			}
		}
		for _, table := range []string{"files", "chunks", "uploads"} {
			if strings.Contains(err.Error(), s.prefix+table) {
				e.Part, e.Want = "files", filesVersion
			}
		}
		return fmt.Errorf("sqlstore: %s: %w", doing, e)
	case conflict:
		category = ticket.ErrConflict
	case readOnly:
		category = ErrReadOnly
	case full:
		category = ErrFull
	case busy:
		category = ErrBusy
	case otherwise, taken, there, crowded:
		return fmt.Errorf("sqlstore: %s: %w", doing, err)
	}
	return fmt.Errorf("sqlstore: %s: %w: %w", doing, category, err)
}

// isOurs reports whether the error already has a category.
func isOurs(err error) bool {
	for _, category := range []error{ticket.ErrConflict, ticket.ErrDuplicate, ticket.ErrNotFound, ticket.ErrInvalid, ticket.ErrClaimLost,
		ErrSchema, ErrReadOnly, ErrFull, ErrBusy, ErrDialect, errors.ErrUnsupported} {
		if errors.Is(err, category) {
			return true
		}
	}
	return false
}

// invalid returns an error about input that no state of the store makes valid.
func invalid(field, format string, args ...any) error {
	return &ticket.InvalidError{Field: field, Reason: fmt.Sprintf(format, args...)}
}
