package cputime_test

import (
	"os/exec"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket/internal/dbtests/cputime"
)

func TestChildren(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells")
	}
	before := cputime.Children()
	child := exec.Command("sh", "-c", "while :; do :; done")
	require.NoError(t, child.Start())
	defer func() {
		require.NoError(t, child.Process.Kill())
		require.Error(t, child.Wait())
	}()
	require.Eventually(t, func() bool { return cputime.Children() >= before+30*time.Millisecond }, time.Minute, 10*time.Millisecond)
}
