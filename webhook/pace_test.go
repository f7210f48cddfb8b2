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
	var paced ticket.LimitedNotifier = n
	require.Greater(t, paced.Limits().Timeout, 2*time.Minute)
	require.Zero(t, paced.Limits().Concurrency)
	n = hook(t, nil, nil)
	require.LessOrEqual(t, n.Limits().Timeout, 45*time.Second, "by default a lease stays a minute")
}
