package sqlstore

import (
	"context"
	"database/sql"
)

// A setting of a connection breaks a promise of the store if it is not as it must be, or as it must
// never be. A data source name can set it, or the server's defaults.
type setting struct {
	name        string
	must, never string // one of them
	or          string // what would happen
}

const (
	uncommitted = "READ-UNCOMMITTED"
	dirty       = "a repeated call could be answered with what another one has not committed"
)

// breaks returns an error if a setting of the connections breaks a promise. A transaction of the
// application is the application's.
func (s *Store) breaks(ctx context.Context, lang *language) error {
	if lang.settings == "" || s.tx != nil {
		return nil
	}
	have := map[string]string{}
	rows, err := s.direct().QueryContext(ctx, lang.settings)
	if err != nil {
		return s.explain(ctx, "read the settings", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var name, value sql.RawBytes
		if err := rows.Scan(&name, &value); err != nil {
			return err
		}
		have[string(name)] = string(value)
	}
	if err := rows.Err(); err != nil {
		return s.explain(ctx, "read the settings", err)
	}
	for _, r := range lang.refused {
		if value, ok := have[r.name]; ok && (r.must != "" && value != r.must || value == r.never) {
			return invalid("sqlstore.db", "must not be opened with %s=%s: %s", r.name, value, r.or)
		}
	}
	return nil
}
