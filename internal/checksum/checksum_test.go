package checksum_test

import (
	"crypto/sha256"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket/internal/checksum"
)

func TestBytesAreCompared(t *testing.T) {
	errOther := errors.New("other bytes")
	read := func(have io.Reader, want string) (string, error) {
		r := checksum.NewReader(io.NopCloser(have), sha256.Sum256([]byte(want)), func(reason string) error {
			assert.Contains(t, reason, "bytes are not those that were stored")
			return errOther
		})
		b, err := io.ReadAll(r)
		require.NoError(t, r.Close())
		_, again := r.Read(make([]byte, 1))
		if err == nil {
			require.ErrorIs(t, again, io.EOF)
		} else {
			require.ErrorIs(t, again, err)
		}
		return string(b), err
	}
	for _, text := range []string{"", "a", strings.Repeat("long", 1000)} {
		for name, r := range map[string]io.Reader{"as it is": strings.NewReader(text), "one byte": iotest.OneByteReader(strings.NewReader(text)), "end with the data": iotest.DataErrReader(strings.NewReader(text))} {
			got, err := read(r, text)
			require.NoError(t, err, name)
			assert.Equal(t, text, got, name)
		}
	}
	for _, have := range []string{"", "stored bytes and more", "stored byte", "stored bytez"} {
		_, err := read(strings.NewReader(have), "stored bytes")
		require.ErrorIs(t, err, errOther, have)
	}
	errDisk := errors.New("disk")
	_, err := read(iotest.ErrReader(errDisk), "")
	require.ErrorIs(t, err, errDisk)
}
