package ticket

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Memory that is used again for the next event holds nothing of the last event.
func TestNothingOfAnEventStaysInThePool(t *testing.T) {
	for _, key := range [][]byte{nil, []byte("a key of the host's")} {
		for _, words := range []string{"secret", strings.Repeat("secret ", 5000)} {
			e := Event{Seq: 1, InternalContent: InternalContent{Note: Note(words)}, Identities: Identities{Actor: Person{Name: "secret"}}}
			e.Subject, e.Message = "secret", Message(words)
			(Chain{Key: key}).Seal(Digest{}, &e)
			w := newWriter(key)
			w.digest(Digest{}, &e)
			require.Empty(t, w.checkSeals(&e))
			buf := w.Encoded()[:cap(w.Encoded())]
			require.True(t, bytes.Contains(buf, []byte("secret")))
			w.free()
			require.Equal(t, make([]byte, len(buf)), buf)
			require.Nil(t, w.e)
			require.Nil(t, w.hash)
		}
	}
}
