// Package sqlstore keeps tickets in SQLite, PostgreSQL, MySQL or MariaDB, over
// the [database/sql.DB] that the application already has, with the driver it
// already uses; it imports none.
//
//	store, err := sqlstore.Open(ctx, db, sqlstore.SQLite) // makes the tables
//	desk, err := ticket.NewDesk(store, ticket.Config{})
//
// What the desk does can be part of a transaction of the application's:
//
//	tx, err := db.BeginTx(ctx, nil)
//	t, err := desk.In(store.WithTx(tx)).Open(ctx, ada, draft)
//	err = tx.Commit()
//	desk.Wake()
//
// [Store.Transact] does all of that, and begins anew after a conflict.
//
// The pool should keep its connections, since statements are prepared on them:
// set [database/sql.DB.SetMaxIdleConns] to what SetMaxOpenConns is.
//
// The page docs/storage.md of the repository has data source names for the
// drivers, the schema, what is guaranteed by what, poolers, replicas, migrations
// with other tools, and sizes.
package sqlstore
