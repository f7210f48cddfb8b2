package webhook

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
)

// Config.Timeout holds even if it is longer than a lease: the relay does not end an
// attempt earlier.
func TestLimits(t *testing.T) {
	n := hook(t, nil, func(c *Config) { c.Timeout = 2 * time.Minute })
	var limited ticket.LimitedNotifier = n
	concurrency, timeout := limited.Limits()
	require.Greater(t, timeout, 2*time.Minute)
	require.Zero(t, concurrency)
	_, timeout = hook(t, nil, nil).Limits()
	require.LessOrEqual(t, timeout, 45*time.Second, "by default a lease stays a minute")
}
