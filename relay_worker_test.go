package ticket_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/memstore"
)

// lazyStore takes its time to claim and to settle.
type lazyStore struct {
	ticket.Store

	claiming, settling time.Duration
}

func (s lazyStore) Claim(ctx context.Context, r ticket.ClaimRequest) ([]ticket.Delivery, error) {
	select {
	case <-time.After(s.claiming):
		return s.Store.Claim(ctx, r)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (s lazyStore) Settle(ctx context.Context, list []ticket.Settlement) error {
	time.Sleep(s.settling)
	return s.Store.Settle(ctx, list)
}

// A relay that is told to stop while it looks for work does not wait for the
// next look.
func TestShutdownDuringClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		quiet := ticket.NotifierFunc(func(context.Context, ticket.Notification) error { return nil })
		desk, err := ticket.NewDesk(lazyStore{Store: memstore.New(), claiming: 10 * time.Second}, ticket.Config{
			Notifiers: map[string]ticket.Notifier{"mail": quiet}, Relay: ticket.Relay{Poll: time.Hour},
		})
		require.NoError(t, err)
		ended := make(chan error, 1)
		go func() { ended <- desk.Run(t.Context()) }()
		time.Sleep(time.Second)
		begin := time.Now()
		require.NoError(t, desk.Shutdown(t.Context()))
		require.NoError(t, <-ended)
		require.Zero(t, time.Since(begin))
	})
}

// While some are settled, the next are on their way; what stands behind one in
// its line comes once that is settled.
func TestSettleInBackground(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var called []time.Duration
		quiet := ticket.NotifierFunc(func(_ context.Context, n ticket.Notification) error {
			if n.To.Role == ticket.RoleRequester {
				called = append(called, time.Since(begin).Round(100*time.Millisecond))
			}
			return nil
		})
		desk, err := ticket.NewDesk(lazyStore{Store: memstore.New(), settling: time.Second}, ticket.Config{
			Notifiers: map[string]ticket.Notifier{"mail": quiet}, Relay: ticket.Relay{Batch: 1, Poll: time.Hour},
		})
		require.NoError(t, err)
		lin := ticket.Agent("lin", 1)
		for i := range 3 {
			tk, err := desk.Open(t.Context(), lin, ticket.Draft{Requester: ticket.Person{ID: "ada"}, Subject: "No ink", Message: "None."})
			require.NoError(t, err)
			if i == 0 {
				_, err = desk.Do(t.Context(), lin, tk.ID, ticket.Action{Name: ticket.ActionReply, Message: "Look again."})
				require.NoError(t, err)
			}
			time.Sleep(time.Millisecond) // so that their order is known
		}
		begin = time.Now()
		sum, err := desk.Deliver(t.Context())
		require.NoError(t, err)
		require.Equal(t, ticket.DeliveryCounts{Done: 7}, sum)
		require.Len(t, called, 4)
		require.Less(t, time.Since(begin), 8*time.Second)
	})
}
