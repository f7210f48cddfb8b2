// Desk is a whole help desk to look at: the pages for customers, the console for agents and
// the interface for programs, mounted into one server.
//
//	go run ./examples/desk [-addr 127.0.0.1:8080] [-data desk-data]
//
// It keeps a database of SQLite in the folder -data. The first start fills it, in a few
// seconds, with a thousand tickets of an invented web shop, by replaying a log that
// leads up to now. Then open the address that it prints, and choose who you want to be: a
// customer, an agent of one of three levels, or the manager. Nothing is sent: the
// page /letters shows the mail.
//
// With -check it starts on a free port, requests the pages as each of these people, and
// ends.
package main

//make:examples -check

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "desk:", err)
		os.Exit(1)
	}
}

// berlin is where the shop is.
var berlin = func() *time.Location {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		return time.UTC
	}
	return zone
}()

func run(ctx context.Context, args []string, stdout io.Writer) (err error) {
	flags := flag.NewFlagSet("desk", flag.ContinueOnError)
	addr := flags.String("addr", "127.0.0.1:8080", "the `address` to serve at; port 0 means a free one")
	dir := flags.String("data", "desk-data", "the `folder` for the database; it is made if it is not there")
	check := flags.Bool("check", false, "request each page once, and end; without -data in a temporary folder")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *check {
		*addr = "127.0.0.1:0"
		given := false
		flags.Visit(func(f *flag.Flag) { given = given || f.Name == "data" })
		if !given {
			if *dir, err = os.MkdirTemp("", "desk"); err != nil {
				return err
			}
			defer func() { err = errors.Join(err, os.RemoveAll(*dir)) }()
		}
	}
	l, err := net.Listen("tcp", *addr)
	if err != nil {
		return err
	}
	s, err := open(ctx, *dir, "http://"+l.Addr().String(), stdout)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	if !*check {
		_, _ = fmt.Fprintf(stdout, "The desk is at %s/start. Press Ctrl+C to end.\n", s.base)
		return s.serve(ctx, l)
	}
	ctx, end := context.WithCancel(ctx)
	served := make(chan error, 1)
	go func() { served <- s.serve(ctx, l) }()
	err = crawl(ctx, s.base, stdout)
	end()
	return errors.Join(err, <-served)
}

// open opens the data in a folder, or makes it.
func open(ctx context.Context, dir, base string, stdout io.Writer) (*server, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	secret, err := readSecret(filepath.Join(dir, "secret"))
	if err != nil {
		return nil, err
	}
	cfg := deskConfig{secret: secret, base: base}
	if cfg.agreement, err = promises(); err != nil {
		return nil, err
	}
	if _, err := os.Stat(dataFile(dir)); errors.Is(err, fs.ErrNotExist) {
		began := time.Now()
		quiet := cfg
		quiet.logger = slog.New(slog.DiscardHandler) // addresses that do not exist are part of the story
		if err := seed(ctx, dataFile(dir), quiet, began); err != nil {
			return nil, fmt.Errorf("make %s: %w", dataFile(dir), err)
		}
		_, _ = fmt.Fprintf(stdout, "Made %s with %d tickets in %.1f s.\n", dataFile(dir), cases, time.Since(began).Seconds())
	}
	data, err := openStorage(ctx, dataFile(dir), "")
	if err != nil {
		return nil, err
	}
	s, err := newServer(data, cfg)
	if err != nil {
		return nil, errors.Join(err, data.db.Close())
	}
	return s, nil
}

// readSecret reads the key of links and histories, or makes it.
func readSecret(file string) ([]byte, error) {
	secret, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		secret = make([]byte, 32)
		_, _ = rand.Read(secret) // it never fails
		err = os.WriteFile(file, secret, 0o600)
	}
	return secret, err
}

// serve serves the pages, takes mails that somebody releases, and delivers letters until ctx is done.
func (s *server) serve(ctx context.Context, l net.Listener) error {
	h := &http.Server{Handler: s, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 32 << 10}
	reading, stop := context.WithCancel(ctx)
	var mails sync.WaitGroup
	mails.Go(func() { _ = s.mails.Run(reading) }) // its error is that of the context
	delivered := make(chan error, 1)
	go func() { delivered <- s.desk.Run(context.WithoutCancel(ctx)) }()
	served := make(chan error, 1)
	go func() { served <- h.Serve(l) }()

	var err error
	select {
	case err = <-served:
	case err = <-delivered:
	case <-ctx.Done():
	}
	stop()
	mails.Wait()
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return errors.Join(err, s.shutdown(ending), h.Shutdown(ending), s.desk.Shutdown(ending), s.data.db.Close())
}
