// Antivirus is a desk whose files nobody reads before ClamAV has found nothing in them. It talks
// to a server of its own on loopback that answers like clamd; in your application set the address
// of the real one.
package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/files"
	"github.com/ticketkit/ticket/memstore"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) error {
	server, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer func() { _ = server.Close() }()
	go serve(server)

	scanner := clamd{"tcp", server.Addr().String(), time.Minute}
	store, err := files.NewQuarantine(files.NewMemory(), scanner.scan)
	if err != nil {
		return err
	}
	desk, err := ticket.NewDesk(memstore.New(), ticket.Config{Files: store})
	if err != nil {
		return err
	}
	ada := ticket.Requester(ticket.Person{Email: "ada@example.org"})

	invoice, err := desk.Attach(ctx, ada, "invoice.txt", "text/plain", strings.NewReader("12 printers"))
	if err != nil {
		return err
	}
	t, err := desk.Open(ctx, ada, ticket.Draft{Subject: "Wrong invoice", Attachments: []ticket.Attachment{invoice}})
	if err != nil {
		return err
	}
	about, r, err := desk.File(ctx, ada, t.ID, invoice.SHA256)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	text, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(out, "%s: %s\n", about.Name, text)

	_, err = desk.Attach(ctx, ada, "game.exe", "", strings.NewReader("a game, and "+pattern))
	bad, ok := errors.AsType[*ticket.FileError](err)
	if !ok {
		return fmt.Errorf("the file was not refused: %w", err)
	}
	_, _ = fmt.Fprintf(out, "game.exe: refused, %s\n", bad.Found)
	return nil
}

// pattern is what the server takes for a virus.
const pattern = "NOT A VIRUS BUT TREATED AS ONE"

// serve answers like clamd.
func serve(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer func() { _ = conn.Close() }()
			r := bufio.NewReader(conn)
			if command, err := r.ReadString(0); err != nil || command != "zINSTREAM\x00" {
				_, _ = io.WriteString(conn, "UNKNOWN COMMAND\x00")
				return
			}
			var all strings.Builder
			for {
				var n uint32
				if binary.Read(r, binary.BigEndian, &n) != nil {
					return
				}
				if n == 0 {
					break
				}
				if n > 1<<20 {
					_, _ = io.WriteString(conn, "INSTREAM size limit exceeded. ERROR\x00")
					return
				}
				if _, err := io.CopyN(&all, r, int64(n)); err != nil {
					return
				}
			}
			answer := "stream: OK\x00"
			if strings.Contains(all.String(), pattern) {
				answer = "stream: Test.Pattern FOUND\x00"
			}
			_, _ = io.WriteString(conn, answer)
		}()
	}
}
