package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"time"
)

// clientVariable names the address for the process that plays the clients.
const clientVariable = "LISTENERS_CLIENT"

// clients is that process. It tells by lines how far it is.
type clients struct {
	cmd   *exec.Cmd
	in    io.Closer
	lines *bufio.Scanner
}

// start starts it. If events is false, the clients expect none.
func start(ctx context.Context, addr string, o options, events bool) (*clients, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	changes := 0
	if events {
		changes = o.changes
	}
	cmd := exec.CommandContext(ctx, self, "-n", strconv.Itoa(o.n), "-agents", strconv.Itoa(o.agents), "-slow", strconv.Itoa(o.slow), "-changes", strconv.Itoa(changes))
	cmd.Env = append(os.Environ(), clientVariable+"="+addr)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	return &clients{cmd, in, bufio.NewScanner(out)}, cmd.Start()
}

func (c *clients) expect(line string) error {
	if c.lines.Scan() && c.lines.Text() == line {
		return nil
	}
	return fmt.Errorf("the clients say %q instead of %q", c.lines.Text(), line)
}

// stop ends the process.
func (c *clients) stop() error { return errors.Join(c.in.Close(), c.cmd.Wait()) }

// listen is the process of the clients: it opens the streams, and says when all have begun, and
// when every change has reached everybody who hears of it. It ends with its standard input.
func listen(ctx context.Context, o options) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { _, _ = io.Copy(io.Discard, os.Stdin); cancel() }()

	var begun, heard sync.WaitGroup
	failed := make(chan error, o.n)
	opening := make(chan struct{}, 64) // at the same time
	for i := range o.n {
		begun.Add(1)
		if err := listener(ctx, o, i, opening, &begun, &heard, failed); err != nil {
			return err
		}
	}
	for _, step := range []struct {
		all  *sync.WaitGroup
		says string
	}{{&begun, "listening"}, {&heard, "heard all"}} {
		done := make(chan struct{})
		go func() { step.all.Wait(); close(done) }()
		select {
		case <-done:
			fmt.Println(step.says)
		case err := <-failed:
			return err
		case <-time.After(5 * time.Minute):
			return fmt.Errorf("not %q after five minutes", step.says)
		case <-ctx.Done():
			return nil
		}
	}
	<-ctx.Done()
	return nil
}

// listener opens a stream. The first are those of agents, the last those that are not read.
func listener(ctx context.Context, o options, i int, opening chan struct{}, begun, heard *sync.WaitGroup, failed chan<- error) error {
	who, want := "c"+strconv.Itoa(i-o.agents+1), 0
	switch {
	case i < o.agents:
		who, want = "a"+strconv.Itoa(i+1), o.changes
	default:
		for k := range o.changes {
			if customer(o, k) == i-o.agents+1 {
				want++
			}
		}
	}
	slow := i >= o.n-o.slow
	opening <- struct{}{}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", os.Getenv(clientVariable))
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(conn, "GET /events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nAccept: text/event-stream\r\n\r\n", who); err != nil {
		return err
	}
	if want > 0 && !slow {
		heard.Add(want)
	}
	go func() {
		defer func() { _ = conn.Close() }()
		err := read(ctx, conn, func() { begun.Done(); <-opening }, func() { heard.Done() }, slow, want)
		if err != nil && ctx.Err() == nil {
			failed <- fmt.Errorf("listener %d: %w", i, err)
		}
	}()
	return nil
}

// read reads a stream: its head and the first line of its body, and then counts changes.
func read(ctx context.Context, conn net.Conn, begun, heard func(), slow bool, want int) error {
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	r := bufio.NewReaderSize(conn, 512)
	head, err := r.ReadSlice('\n')
	if err != nil {
		return err
	}
	if !bytes.Contains(head, []byte(" 200 ")) {
		return fmt.Errorf("answered %q", head)
	}
	for len(bytes.TrimSpace(head)) > 0 { // to the empty line
		if head, err = r.ReadSlice('\n'); err != nil {
			return err
		}
	}
	if _, err := r.ReadSlice('\n'); err != nil { // the body has begun
		return err
	}
	begun()
	if slow {
		<-ctx.Done()
		return nil
	}
	for got := 0; ; {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		if bytes.HasPrefix(line, []byte("event: change")) {
			if got++; got > want {
				return errors.New("heard of a change of others, or twice")
			}
			heard()
		}
	}
}
