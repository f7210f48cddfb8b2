package main

import (
	"net"
	"strings"
)

// transcript is a connection that prints its lines: "C:" before those of the client,
// "S:" before those of the server. It only counts the lines of HTML.
type transcript struct {
	net.Conn
	say  func(format string, args ...any)
	sent string // the incomplete last line of the client
	got  string // the same of the server
	html int    // lines of HTML so far; 0 means outside HTML
}

func (t *transcript) Write(p []byte) (int, error) {
	n, err := t.Conn.Write(p)
	t.sent = lines(t.sent+string(p[:n]), t.client)
	return n, err
}

func (t *transcript) Read(p []byte) (int, error) {
	n, err := t.Conn.Read(p)
	t.got = lines(t.got+string(p[:n]), func(line string) { t.say("S: %s", line) })
	return n, err
}

func (t *transcript) client(line string) {
	switch {
	case line == "." || strings.HasPrefix(line, "--ticket-"):
		if t.html > 0 {
			t.say("C: (%d lines)", t.html)
		}
		t.html = 0
	case t.html > 0 || strings.HasPrefix(line, "Content-Type: text/html"):
		t.html++
		if t.html > 1 {
			return
		}
	}
	t.say("%s", strings.TrimRight("C: "+line, " "))
}

// lines calls f with every complete line and returns the rest.
func lines(s string, f func(line string)) string {
	for {
		line, rest, whole := strings.Cut(s, "\r\n")
		if !whole {
			return s
		}
		f(line)
		s = rest
	}
}
