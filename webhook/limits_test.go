package webhook

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
)

// Config.Timeout is what it says, though it is longer than a lease: an attempt is not
// cut by the relay before.
func TestLimits(t *testing.T) {
	n := hook(t, nil, func(c *Config) { c.Timeout = 2 * time.Minute })
	var limited ticket.LimitedNotifier = n
	concurrency, timeout := limited.Limits()
	require.Greater(t, timeout, 2*time.Minute)
	require.Zero(t, concurrency)
	_, timeout = hook(t, nil, nil).Limits()
	require.LessOrEqual(t, timeout, 45*time.Second, "by default a lease stays a minute")
}
