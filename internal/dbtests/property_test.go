package dbtests_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/memstore"
	"github.com/ticketkit/ticket/sqlstore"
	"github.com/ticketkit/ticket/tickettest"
)

var (
	propertySteps = flag.Int("property.steps", 250, "the number of random actions in TestRandomActorsAndActions for each seed")
	propertySeed  = flag.Uint64("property.seed", 0, "the first seed; 0 means some seeds that are known to reach every case")
	propertySeeds = flag.Uint64("property.seeds", 1, "the number of seeds")
	propertyDisk  = flag.Bool("property.sqlite", true, "compare memory with SQLite")
)

// TestRandomActorsAndActions lets random actors, whose IDs are often equal, do
// random actions on a few tickets in two tenants. A model knows the rules of the
// documentation and nothing of the desk. After each step it predicts what each actor
// may read, the result of a repeated call, what a link opens, and the stored state.
// The test also checks notifications, merges, corrections and automatic actions. The
// same seed must have the same result in memory and in SQLite.
//
// A failure names its seed and the last steps. -property.seed and -property.steps
// repeat it.
func TestRandomActorsAndActions(t *testing.T) {
	t.Parallel()
	seeds, onDisk := []uint64{36, 19, 12, 1}, 2
	if *propertySeed != 0 {
		seeds = nil
		onDisk = int(*propertySeeds)
		for i := range *propertySeeds {
			seeds = append(seeds, *propertySeed+i)
		}
	}
	done := map[string]int{}
	for i, seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			mem := newWorld(t, memstore.New(), seed)
			mem.play(*propertySteps)
			t.Log(mem.done)
			for name, n := range mem.done {
				done[name] += n
			}
			if !*propertyDisk || i >= onDisk {
				return
			}
			store, err := sqlstore.Open(t.Context(), modernc.connect(t, modernc.dsn(t)), sqlstore.SQLite, sqlstore.Search())
			require.NoError(t, err)
			disk := newWorld(t, store, seed)
			disk.play(*propertySteps)
			require.Equal(t, mem.state(), disk.state(), "both stores have the same result")
		})
	}
	if *propertySeed != 0 {
		return
	}
	for _, name := range []string{
		"merge", "unmerge", "undone at once", "split", "split from", "split refused", "edit", "amend", "reply", "revoke links",
		"automatic", "follow-up", "joined", "repeat", "repeat out of sight", "added", "link", "link writes", "link refused", "dead link",
		"new customer", "kept from requester", "kept from follower", "own words of before", "colleague's words", "hidden from an agent", "stale", "found", "not found", "link cut",
	} {
		require.Positive(t, done[name], "%s never took place: %v", name, done)
	}
}

const secretNote = "zebranote"

// A world is a desk and its users.
type world struct {
	*testing.T
	rng   *rand.Rand
	desk  *ticket.Desk
	clock *tickettest.Clock
	sent  *tickettest.Recorder

	model
	merged ticket.ID // by the last step
	keyed  []keyedCall
	links  []heldLink
	said   int // words of customers and agents
	read   int // checked notifications
	done   map[string]int
	trace  []string
}

var worldTenants = []string{"", "south"}

func newWorld(t *testing.T, s ticket.Store, seed uint64) *world {
	t.Helper()
	w := &world{
		T: t, rng: rand.New(rand.NewPCG(seed, 7)), clock: tickettest.NewClock(), sent: tickettest.NewRecorder(),
		model: newModel(), done: map[string]int{},
	}
	cfg := tickettest.Config(w.clock, w.sent)
	cfg.StatusLinks.Keys = []ticket.StatusLinkKey{{ID: 1, Secret: make([]byte, 32)}}
	var err error
	w.desk, err = ticket.NewDesk(s, cfg)
	require.NoError(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			for _, line := range w.trace[max(0, len(w.trace)-15):] {
				t.Log(line)
			}
		}
	})
	return w
}

func (w *world) note(format string, args ...any) {
	w.trace = append(w.trace, fmt.Sprintf("step %d: ", len(w.trace))+fmt.Sprintf(format, args...))
}

func pickOf[T any](w *world, list ...T) T { return list[w.rng.IntN(len(list))] }

// one returns true once in n times.
func (w *world) one(n int) bool { return w.rng.IntN(n) == 0 }

func (w *world) play(steps int) {
	w.Helper()
	for range steps {
		if len(w.tickets) < 8 || w.one(35) {
			w.open(worldTenants[w.rng.IntN(2)])
			continue
		}
		w.clock.Advance(time.Duration(pickOf(w, 1, 60, 60, 60, 60*24, 60*24, 60*24, 60*24*20)) * time.Minute)
		w.act()
		if w.one(4) {
			w.note("timers")
			_, err := w.desk.FireTimers(w.Context())
			require.NoError(w, err)
			w.refresh()
		}
		if w.one(8) {
			w.deliver()
		}
		if w.one(3) {
			w.again()
		}
		if w.one(3) {
			w.useLink()
		}
		w.look(w.person(), worldTenants[w.rng.IntN(2)])
		w.lookAs(w.agent(worldTenants[w.rng.IntN(2)]))
	}
	for _, tenant := range worldTenants {
		for _, p := range people {
			w.look(p, tenant)
		}
		for _, a := range agents {
			w.lookAs(a.InTenant(tenant))
		}
	}
	w.chains()
	w.deliver()
	require.NotEmpty(w, w.sent.Sent())
}

func boss(tenant string) ticket.Actor { return ticket.System("boss").InTenant(tenant) }
