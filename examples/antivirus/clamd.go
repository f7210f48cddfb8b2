package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// A clamd speaks the protocol of ClamAV's daemon: INSTREAM sends the bytes in parts, each after
// its length in four bytes, and a length of zero ends them.
type clamd struct {
	network, address string        // "tcp" and "127.0.0.1:3310", or "unix" and a socket
	patience         time.Duration // for the whole scan
}

// scan is a files.Scanner. It returns the name of what clamd found, or "".
func (c clamd) scan(ctx context.Context, content io.Reader) (found string, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.patience)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, c.network, c.address)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }()
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	sent := send(conn, content)
	// If clamd refuses a file for its size, it answers and stops reading.
	reply, err := bufio.NewReader(io.LimitReader(conn, 4096)).ReadString(0)
	if err != nil {
		return "", errors.Join(sent, err, ctx.Err())
	}
	reply = strings.TrimRight(reply, "\x00\n")
	verdict, ok := strings.CutPrefix(reply, "stream: ")
	name, bad := strings.CutSuffix(verdict, " FOUND")
	switch {
	case ok && bad:
		return name, nil
	case ok && verdict == "OK" && sent == nil:
		return "", nil
	default:
		return "", errors.Join(sent, fmt.Errorf("clamd: %s", reply))
	}
}

// send writes the command and the content.
func send(conn io.Writer, content io.Reader) error {
	w := bufio.NewWriter(conn)
	if _, err := w.WriteString("zINSTREAM\x00"); err != nil {
		return err
	}
	part := make([]byte, 64<<10)
	for {
		n, err := content.Read(part)
		if n > 0 {
			if err := binary.Write(w, binary.BigEndian, uint32(n)); err != nil {
				return err
			}
			if _, err := w.Write(part[:n]); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	if err := binary.Write(w, binary.BigEndian, uint32(0)); err != nil {
		return err
	}
	return w.Flush()
}
