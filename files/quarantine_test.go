package files_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/files"
	"github.com/ticketkit/ticket/files/filestest"
)

func TestQuarantineIsAFileStore(t *testing.T) {
	filestest.Run(t, func(t *testing.T) ticket.FileStore {
		t.Helper()
		q, err := files.NewQuarantine(files.NewMemory(), func(_ context.Context, r io.Reader) (string, error) {
			_, err := io.Copy(io.Discard, r)
			return "", err
		})
		require.NoError(t, err)
		return q
	}, filestest.Without(filestest.Streaming))
}

func TestNobodyReadsWhatTheScannerDidNotPass(t *testing.T) {
	clock := time.Now()
	errDown := errors.New("the scanner is down")
	virus, down, calls := "virus", error(nil), 0
	q, err := files.NewQuarantine(files.NewMemory(), func(_ context.Context, r io.Reader) (string, error) {
		calls++
		b, err := io.ReadAll(r)
		if strings.Contains(string(b), virus) {
			return "Test.Virus", err
		}
		return "", errors.Join(err, down)
	}, files.Now(func() time.Time { return clock }))
	require.NoError(t, err)
	bad, good := put(t, q, "acme", "a virus"), put(t, q, "acme", "a text")

	_, err = read(t, q, "acme", bad.SHA256)
	e, ok := errors.AsType[*ticket.FileError](err)
	require.True(t, ok, err)
	assert.Equal(t, "Test.Virus", e.Found)
	text, err := read(t, q, "acme", good.SHA256)
	require.NoError(t, err)
	assert.Equal(t, "a text", text)
	assert.Equal(t, 2, calls)

	// A verdict holds for an hour.
	virus, down = "text", errDown
	_, err = read(t, q, "acme", good.SHA256)
	require.NoError(t, err)
	clock = clock.Add(time.Hour)
	_, err = read(t, q, "acme", good.SHA256)
	require.ErrorAs(t, err, new(*ticket.FileError))
	_, err = read(t, q, "acme", bad.SHA256)
	require.ErrorIs(t, err, errDown)
	down = nil
	_, err = read(t, q, "acme", bad.SHA256)
	require.NoError(t, err)

	_, err = read(t, q, "acme", ticket.Digest{1})
	require.ErrorIs(t, err, ticket.ErrNotFound)
	_, err = files.NewQuarantine(nil, nil)
	require.ErrorIs(t, err, ticket.ErrInvalid)
}
