// Shop is a small web shop with a help desk in it. It has users, orders and
// pages of its own, and the desk works in the shop's database.
//
//	go run ./examples/shop                        # a day at the shop, as a story
//	go run ./examples/shop -addr localhost:8080   # the shop, for a browser
//
// Without -db or -postgres it keeps its data in a temporary directory. Without
// -smtp it sends no letters and shows them at /outbox, where you can answer them. With
// -imap it reads the mail to the shop.
//
// There are no passwords: you sign in by picking a user from a list. Your
// application has its own way to sign in, and a pretended one would teach nothing.
package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/sqlstore"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "shop:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout io.Writer) (err error) {
	flags := flag.NewFlagSet("shop", flag.ContinueOnError)
	addr := flags.String("addr", "", "the `address` to serve at, such as localhost:8080; without it, a demonstration runs")
	base := flags.String("url", "", "the `address` that links in letters begin with; default: http:// and -addr")
	file := flags.String("db", "", "the SQLite `file`; default: one in a temporary directory")
	postgres := flags.String("postgres", "", "the data source `name` of a PostgreSQL to use instead")
	smtp := flags.String("smtp", "", "the mail server, as `host:port`; the password is in SHOP_SMTP_PASSWORD")
	smtpUser := flags.String("smtp-user", "", "the `name` to sign in with at the mail server")
	imap := flags.String("imap", "", "the server with the mailbox of "+helpAddress+", as `host:port`; the password is in SHOP_IMAP_PASSWORD")
	imapUser := flags.String("imap-user", "", "the `name` to sign in with at that server")
	authServer := flags.String("auth-server", "", "the `name` with which your mail server begins Authentication-Results; agents answer by mail if it is given")
	if err := flags.Parse(args); err != nil {
		return err
	}

	secret, err := readSecret(os.Getenv("SHOP_SECRET"), *file != "" || *postgres != "")
	if err != nil {
		return err
	}
	if *file == "" {
		dir, err := os.MkdirTemp("", "shop")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(dir) }()
		*file = filepath.Join(dir, "shop.db")
	}
	db, dialect, err := openDatabase(*file, *postgres)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()

	cfg := config{
		db: db, dialect: dialect, secret: secret, base: *base,
		smtp: *smtp, smtpUser: *smtpUser, smtpPassword: os.Getenv("SHOP_SMTP_PASSWORD"),
		imap: *imap, imapUser: *imapUser, imapPassword: os.Getenv("SHOP_IMAP_PASSWORD"), authServer: *authServer,
	}
	if *addr == "" {
		return story(ctx, cfg, ticket.Config{}, stdout)
	}
	if cfg.base == "" {
		cfg.base = "http://" + *addr
	}
	s, err := open(ctx, cfg, ticket.Config{})
	if err != nil {
		return err
	}
	return s.serve(ctx, *addr, stdout)
}

// openDatabase opens the shop's database. The desk gets tables in it.
func openDatabase(file, postgres string) (*sql.DB, sqlstore.Dialect, error) {
	if postgres != "" {
		db, err := sql.Open("pgx", postgres)
		return db, sqlstore.Postgres, err
	}
	// A transaction of the shop reads first and writes later, so it takes the
	// lock for writing at its beginning (_txlock) and waits for it (busy_timeout).
	db, err := sql.Open("sqlite", "file:"+url.PathEscape(file)+"?_pragma=busy_timeout(5000)&_txlock=immediate")
	return db, sqlstore.SQLite, err
}

// readSecret reads 32 bytes from their hexadecimal form. A shop that keeps its
// data needs them: links in letters and the histories of tickets depend on them.
func readSecret(digits string, needed bool) ([]byte, error) {
	const size = 32
	if digits == "" && !needed {
		secret := make([]byte, size)
		_, _ = rand.Read(secret)
		return secret, nil
	}
	secret, err := hex.DecodeString(digits)
	if err != nil || len(secret) != size {
		return nil, errors.New("SHOP_SECRET must be 64 hexadecimal digits, as `openssl rand -hex 32` makes them, and stay the same")
	}
	return secret, nil
}

// serve serves the shop, takes in its mail and delivers its letters until ctx is done.
func (s *shop) serve(ctx context.Context, addr string, stdout io.Writer) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler:           s.handler(),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       time.Minute,
		WriteTimeout:      time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
	}
	reading, stop := context.WithCancel(ctx)
	var mails sync.WaitGroup
	mails.Go(func() { _ = s.mails.Run(reading) }) // its error is that of the context
	deliver := make(chan error, 1)
	go func() { deliver <- s.desk.Run(context.WithoutCancel(ctx)) }()
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	_, _ = fmt.Fprintf(stdout, "The shop is at %s. Press Ctrl+C to end.\n", s.base)

	select {
	case err = <-served:
	case err = <-deliver:
	case <-ctx.Done():
	}
	stop()
	mails.Wait()
	// Requests in progress may finish first, and then letters.
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	err = errors.Join(err, s.console.Shutdown(ending), server.Shutdown(ending), s.desk.Shutdown(ending))
	s.hangUp(ending)
	return err
}
