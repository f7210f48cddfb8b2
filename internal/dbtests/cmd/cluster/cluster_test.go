package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// What a node logs says how it got what it missed.
func TestRejoined(t *testing.T) {
	const script = "2026-11-30 21:43:47 3 [Note] WSREP: SST received\n"
	for want, log := range map[string]string{
		wholeCopy:   "WSREP_SST: [INFO] rsync SST completed on joiner\n" + script + "WSREP: IST received: 0a395654:3\n",
		incremental: "WSREP_SST: [INFO] rsync IST completed on joiner\n" + script + "WSREP: IST received: 0a395654:6301\n",
		nothing:     "WSREP: Synchronized with group, ready for connections\n",
	} {
		require.Equal(t, want, rejoined(log))
	}
	// The donor of another node had no transfer itself.
	require.Equal(t, nothing, rejoined("WSREP_SST: [INFO] rsync SST completed on donor\n"))
}

func TestPosition(t *testing.T) {
	at := position.FindStringSubmatch("[Note] WSREP: Recovered position: 0a395654-ed07-11f1-af30-cb8085585022:4395\n")
	require.Equal(t, "0a395654-ed07-11f1-af30-cb8085585022:4395", at[1])
}

func TestChoose(t *testing.T) {
	list, err := choose("stopped,killed")
	require.NoError(t, err)
	require.Len(t, list, 2)
	require.Equal(t, "stopped", list[0].past)
	_, err = choose("killed,drowned")
	require.ErrorContains(t, err, "drowned")
}
