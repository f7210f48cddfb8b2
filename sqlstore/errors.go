package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/ticketkit/ticket"
)

// The categories of trouble that a database can make, besides those of package
// ticket. Test for them with [errors.Is]; the driver's own error is reached with
// [errors.As].
var (
	// ErrSchema: the tables are not there, or of another version than this
	// package works with. Data: [*SchemaError].
	ErrSchema = errors.New("sqlstore: the schema does not fit")

	// ErrDialect: the database is not of the dialect given.
	ErrDialect = errors.New("sqlstore: another database than the dialect says")

	// ErrReadOnly: the database takes no writes, because it is a replica, a
	// transaction or file that is read only.
	ErrReadOnly = errors.New("sqlstore: the database is read only")

	// ErrFull: there is no room left. Nothing of the commit was written.
	ErrFull = errors.New("sqlstore: the database is full")

	// ErrBusy: another transaction held a lock for longer than the database waits.
	// On SQLite that is the one lock for writing, elsewhere the lock of a row. The
	// other transaction may be your own: inside it, use only the desk that
	// [ticket.Desk.WithStore] returned.
	ErrBusy = errors.New("sqlstore: another writer holds the database")
)

// SchemaError is the data of [ErrSchema].
type SchemaError struct {
	Part string // "tickets" or "search"
	Have int    // the version found; 0: none
	Want int    // the version this package works with
	Err  error  // what the database says of a table or column that is missing
}

func (e *SchemaError) Error() string {
	switch {
	case e.Err != nil:
		return fmt.Sprintf("sqlstore: the schema of %s is not whole: %v", e.Part, e.Err)
	case e.Have == 0:
		return fmt.Sprintf("sqlstore: there is no schema of %s yet: Open or Migrate makes it", e.Part)
	case e.Have < e.Want:
		return fmt.Sprintf("sqlstore: the schema of %s has version %d, older than %d: Open or Migrate brings it up to date", e.Part, e.Have, e.Want)
	default:
		return fmt.Sprintf("sqlstore: the schema of %s has version %d, newer than %d: this program is too old for it", e.Part, e.Have, e.Want)
	}
}

// Is reports whether target is [ErrSchema].
func (e *SchemaError) Is(target error) bool { return target == ErrSchema }

func (e *SchemaError) Unwrap() error { return e.Err }

// explain puts an error of the database into the words of this package. The
// errors of package ticket stay as they are. What fails because the context has
// ended is the context's error; not every driver says so.
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
		for _, table := range []string{"texts", "words", "unindexed"} {
			if strings.Contains(err.Error(), s.prefix+table) {
				e.Part, e.Want = "search", searchVersion
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

// isOurs reports whether the error says what it means already.
func isOurs(err error) bool {
	for _, category := range []error{ticket.ErrConflict, ticket.ErrDuplicate, ticket.ErrNotFound, ticket.ErrInvalid, ticket.ErrClaimLost,
		ErrSchema, ErrReadOnly, ErrFull, ErrBusy, ErrDialect, errors.ErrUnsupported} {
		if errors.Is(err, category) {
			return true
		}
	}
	return false
}

// invalid is an error about input that no state of the store makes acceptable.
func invalid(field, format string, args ...any) error {
	return &ticket.InvalidError{Field: field, Reason: fmt.Sprintf(format, args...)}
}
