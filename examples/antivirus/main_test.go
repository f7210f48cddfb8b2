package main

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRun(t *testing.T) {
	var out strings.Builder
	require.NoError(t, run(t.Context(), &out))
	assert.Equal(t, "invoice.txt: 12 printers\ngame.exe: refused, Test.Pattern\n", out.String())
}

// A server that refuses, hangs or is gone gives no verdict.
func TestNoVerdict(t *testing.T) {
	for name, answer := range map[string]string{"refuses": "INSTREAM size limit exceeded. ERROR\x00", "closes": "", "odd": "stream: WHAT\x00"} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		go func() {
			if conn, err := l.Accept(); err == nil {
				_, _ = conn.Write([]byte(answer))
				_ = conn.Close()
			}
		}()
		_, err = clamd{"tcp", l.Addr().String(), time.Minute}.scan(t.Context(), strings.NewReader("x"))
		require.Error(t, err, name)
		require.NoError(t, l.Close())
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	_, err = clamd{"tcp", l.Addr().String(), 50 * time.Millisecond}.scan(t.Context(), strings.NewReader("x"))
	require.Error(t, err, "a server that hangs")
	require.NoError(t, l.Close())
	_, err = clamd{"tcp", l.Addr().String(), time.Minute}.scan(t.Context(), strings.NewReader("x"))
	require.Error(t, err, "a server that is gone")
}
