// Package sqlstore keeps tickets in SQLite, PostgreSQL, MySQL or MariaDB. It uses
// the [database/sql.DB] and the driver that your application already has. It imports
// no driver.
//
//	store, err := sqlstore.Open(ctx, db, sqlstore.SQLite) // creates the tables
//	desk, err := ticket.NewDesk(store, ticket.Config{})
//
// The desk can work inside a transaction of your application:
//
//	tx, err := db.BeginTx(ctx, nil)
//	t, err := desk.WithStore(store.WithTx(tx)).Open(ctx, ada, draft)
//	err = tx.Commit()
//	desk.Wake()
//
// [Store.Transact] does all of that, and retries after a conflict.
//
// On SQLite, open the file with a busy timeout and with _txlock=immediate:
//
//	file:desk.db?_pragma=busy_timeout(5000)&_txlock=immediate // modernc.org/sqlite
//	file:desk.db?_busy_timeout=5000&_txlock=immediate         // mattn/go-sqlite3
//
// The store needs neither option. The transactions of your application need both;
// see [Store.WithTx].
//
// The pool should keep its connections, because statements are prepared on them. Set
// [database/sql.DB.SetMaxIdleConns] to the value of SetMaxOpenConns.
//
// The page docs/storage.md of the repository describes data source names for the
// other drivers, the schema, the guarantees of each database, poolers, replicas,
// migrations with other tools, and sizes.
package sqlstore
