package letter_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/mail/letter"
	"github.com/ticketkit/ticket/memstore"
	"github.com/ticketkit/ticket/tickettest"
)

// After random actions by random actors in two tenants, no letter to a customer contains
// a note, an internal name, or text of the other tenant.
func TestNoInternalTextReachesCustomers(t *testing.T) {
	letters, err := letter.New(letter.Config{})
	require.NoError(t, err)
	type written struct {
		n ticket.Notification
		letter.Letter
	}
	var mu sync.Mutex
	var sent []written
	clock := tickettest.NewClock()
	cfg := tickettest.Config(clock, ticket.NotifierFunc(func(_ context.Context, n ticket.Notification) error {
		l, err := letters.Write(n)
		mu.Lock()
		defer mu.Unlock()
		sent = append(sent, written{n, l})
		return err
	}))
	cfg.SendLimits = ticket.SendLimits{PerRecipient: -1, PerTicket: -1}
	desk, err := ticket.NewDesk(memstore.New(), cfg)
	require.NoError(t, err)

	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	names := ticket.DefaultWorkflow().MustCompile(nil).Actions()
	inside := func() string { return fmt.Sprint("SECRET", rng.IntN(9)) }
	ctx := t.Context()
	tenants := []string{"Nordland", "Südland"}
	for round := range 40 {
		tenant := tenants[round%2]
		word := ticket.Message("A word of " + tenant)
		ada := ticket.Requester(ticket.Person{ID: "c1", Name: "Ada of " + tenant, Email: "ada@example.org", Locale: []string{"en", "de"}[round%4/2]}).InTenant(tenant)
		bob := ticket.Requester(ticket.Person{ID: "c2", Name: "Bob of " + tenant, Email: "bob@example.org"}).InTenant(tenant)
		agent := ticket.Agent("SECRET agent", 1, 2, 3).Named("SECRET name").InTenant(tenant)
		tk, err := desk.Open(ctx, agent, ticket.Draft{
			Requester: ada.Person, Followers: []ticket.Person{bob.Person}, Subject: "About " + tenant, Message: word,
			Note: ticket.Note(inside()), Queue: inside(), Tags: []string{inside()}, Fields: ticket.Fields{"f": inside()},
		})
		require.NoError(t, err)
		other, err := desk.Open(ctx, ada, ticket.Draft{Subject: "More about " + tenant})
		require.NoError(t, err)
		for range 40 {
			a := []ticket.Actor{agent, agent, ada, bob}[rng.IntN(4)]
			act := ticket.Action{Name: names[rng.IntN(len(names))]}
			if rng.IntN(2) == 0 {
				act.Message = word
			}
			if rng.IntN(3) == 0 {
				act.Attachments = []ticket.Attachment{{Name: tenant + ".pdf", Size: 5, Ref: "SECRET"}}
			}
			if a.Role == ticket.RoleAgent {
				act.Note = ticket.Note(inside())
				switch act.Name {
				case ticket.ActionHold, ticket.ActionCancel:
					act.Reason = inside()
				case ticket.ActionHandOver, ticket.ActionEscalate, ticket.ActionHandBack:
					act.Queue = inside()
				case ticket.ActionAssign:
					act.Assignee = inside()
				case ticket.ActionMerge:
					act.Ticket = other.ID
				case ticket.ActionReply, ticket.ActionResolve, ticket.ActionAsk:
					act.Message = word
				}
			}
			clock.Advance(time.Duration(rng.IntN(90)) * time.Hour)
			_, _ = desk.Do(ctx, a, tk.ID, act) // many are rejected
			_, err := desk.FireTimers(ctx)
			require.NoError(t, err)
		}
		_, err = desk.Deliver(ctx)
		require.NoError(t, err)
	}
	kinds := map[ticket.Kind]int{}
	for _, w := range sent {
		foreign := tenants[0]
		if w.n.Tenant == foreign {
			foreign = tenants[1]
		}
		for _, text := range []string{w.Subject, w.Text, w.HTML} {
			require.NotEmpty(t, text)
			require.NotContains(t, text, foreign)
			if w.n.To.Role&ticket.RoleCustomer != 0 {
				require.NotContains(t, text, "SECRET", "%s", w.n.Kind)
			}
		}
		if w.n.To.Role&ticket.RoleCustomer != 0 {
			kinds[w.n.Kind]++
		}
	}
	require.GreaterOrEqual(t, len(kinds), 9, "%v", kinds)
	dead, err := desk.Deliveries(ctx, ticket.System("test").InTenant(tenants[0]), ticket.DeliveryQuery{State: []ticket.DeliveryState{ticket.DeliveryDead}})
	require.NoError(t, err)
	require.Empty(t, dead.Deliveries)
}
