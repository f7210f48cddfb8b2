// Package sqlstore keeps tickets in SQLite, PostgreSQL, MySQL or MariaDB, over
// the [database/sql.DB] that the application already has, with the driver it
// already uses.
package sqlstore
