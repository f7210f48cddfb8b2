package storetest

import (
	"io"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"github.com/ticketkit/ticket"
)

// Wire connects a store with its server through the test. With a listener l and the
// server's address:
//
//	storetest.Wire{
//		Accept: func() (io.ReadWriteCloser, error) { return l.Accept() },
//		Dial:   func() (io.ReadWriteCloser, error) { return net.Dial("tcp", address) },
//	}
//
// The store is opened at the listener's address.
type Wire struct {
	Accept func() (io.ReadWriteCloser, error) // the next connection that the store makes; an error, once l is closed
	Dial   func() (io.ReadWriteCloser, error) // a connection to the server
}

// Cut is [Soak] on a store whose connections break now and then: after the server has
// carried out a request and before its answer arrives. A store must not repeat the
// request then, but most drivers do unless they are configured not to. The repeated
// commit conflicts with itself, the desk decides again, and the action happens twice.
func Cut(t *testing.T, w Wire, open func(t *testing.T) ticket.Store, l Load) {
	t.Helper()
	var cutting atomic.Bool
	go w.serve(func() bool { return cutting.Load() && rand.IntN(50) == 0 })
	opened := 0
	endure(t, func(t *testing.T) ticket.Store {
		t.Helper()
		s := open(t)
		opened++
		cutting.Store(opened == 2) // cut connections from the end of the set-up until the work is done
		return s
	}, l, ordeal{tolerant: true, after: func() { cutting.Store(false) }})
}

// serve handles connections until no more come.
func (w Wire) serve(cut func() bool) {
	for {
		in, err := w.Accept()
		if err != nil {
			return
		}
		out, err := w.Dial()
		if err != nil {
			_ = in.Close() // the connection itself reports that it is closed
			continue
		}
		go func() {
			defer func() { _ = out.Close() }() // both ends learn that the other is gone
			_, _ = io.Copy(out, in)
		}()
		go answers(in, out, cut)
	}
}

// answers forwards the server's answers until one of them is cut.
func answers(in io.WriteCloser, out io.Reader, cut func() bool) {
	defer func() { _ = in.Close() }() // that is the cut
	buf := make([]byte, 1<<16)
	for {
		n, err := out.Read(buf)
		if err != nil || cut() {
			return
		}
		if _, err := in.Write(buf[:n]); err != nil {
			return
		}
	}
}
