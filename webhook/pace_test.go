package webhook

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
)

// Config.Timeout is what it says, though it is longer than a lease: an attempt is not
// cut by the relay before.
func TestPace(t *testing.T) {
	n := hook(t, nil, func(c *Config) { c.Timeout = 2 * time.Minute })
	var paced ticket.Paced = n
	require.Greater(t, paced.Pace().Longest, 2*time.Minute)
	require.Zero(t, paced.Pace().AtOnce)
	n = hook(t, nil, nil)
	require.LessOrEqual(t, n.Pace().Longest, 45*time.Second, "by default a lease stays a minute")
}
