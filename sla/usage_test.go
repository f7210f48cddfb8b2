package sla_test

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/businesshours"
	"github.com/ticketkit/ticket/memstore"
	"github.com/ticketkit/ticket/sla"
	"github.com/ticketkit/ticket/tickettest"
)

// pastDesk is a desk whose clock the test sets. It makes histories.
type pastDesk struct {
	*ticket.Desk
	ctx   context.Context
	clock *tickettest.Clock
}

var pastAgent = ticket.Agent("lin", 1, 2, 3)

func newPastDesk(ctx context.Context) (*pastDesk, error) {
	clock := tickettest.NewClock()
	config := tickettest.Config(clock, tickettest.NewRecorder(), "mail")
	config.Silent = true
	desk, err := ticket.NewDesk(memstore.New(), config)
	return &pastDesk{desk, ctx, clock}, err
}

// open opens a ticket at a time of January 2026, in UTC.
func (d *pastDesk) open(at string, queue string, priority ticket.Grade) (ticket.Ticket, error) {
	d.clock.Set(january(at))
	return d.Open(d.ctx, pastAgent, ticket.Draft{
		Requester: ticket.Person{ID: "ada"}, Subject: "printer", Queue: queue, Level: 1, Priority: priority,
	})
}

func (d *pastDesk) do(at string, t *ticket.Ticket, a ticket.Action) error {
	d.clock.Set(january(at))
	var err error
	*t, err = d.Do(d.ctx, pastAgent, t.ID, a)
	return err
}

func (d *pastDesk) history(id ticket.ID) ([]ticket.Event, error) {
	var events []ticket.Event
	for e, err := range d.Events(d.ctx, ticket.System("test"), id) {
		if err != nil {
			return nil, err
		}
		events = append(events, e)
	}
	return events, nil
}

// january reads "05 10:00:00".
func january(at string) time.Time {
	t, err := time.Parse("2006-01-02 15:04:05", "2026-01-"+at)
	if err != nil {
		panic(err)
	}
	return t
}

var pastOffice = businesshours.Spec{
	Name:  "office",
	Hours: businesshours.Hours{Zone: "UTC", Week: businesshours.MondayToFriday("09:00-17:00")},
}.MustCompile()

func TestUsageOf(t *testing.T) {
	type step struct {
		at string
		ticket.Action
	}
	take := ticket.Action{Name: ticket.ActionTake}
	ask := ticket.Action{Name: ticket.ActionAsk, Message: "Which one?"}
	hold := ticket.Action{Name: ticket.ActionHold, Reason: "vendor"}
	resume := ticket.Action{Name: ticket.ActionResume}
	escalate := ticket.Action{Name: ticket.ActionEscalate, Level: 2, Queue: "networks", Note: "over to you"}
	resolve := ticket.Action{Name: ticket.ActionResolve, Message: "It prints."}
	closing := ticket.Action{Name: ticket.ActionClose}
	reopen := ticket.Action{Name: ticket.ActionReopen, Note: "it does not"}
	cancel := ticket.Action{Name: ticket.ActionCancel, Reason: "other"}

	desk := func(level int, queue string, open, closed time.Duration) sla.Part {
		return sla.Part{Holder: sla.HolderDesk, Level: level, Queue: queue, Open: open, Closed: closed}
	}
	const h, m = time.Hour, time.Minute
	for _, tc := range []struct {
		name  string
		steps []step
		now   string
		to    string
		parts []sla.Part
	}{
		{"new", nil, "05 09:30:00", "05 09:30:00", []sla.Part{desk(1, "shop", 30*m, 0)}},
		{"at once", nil, "05 09:00:00", "05 09:00:00", nil},
		{"now is before the last event", []step{{"05 11:00:00", take}}, "05 10:00:00", "05 11:00:00", []sla.Part{desk(1, "shop", 2*h, 0)}},
		{"over night", nil, "06 10:00:00", "06 10:00:00", []sla.Part{desk(1, "shop", 9*h, 16*h)}},
		{
			"the customer and a vendor",
			[]step{{"05 10:00:00", ask}, {"05 12:00:00", resume}, {"05 13:00:00", hold}, {"05 16:00:00", resume}, {"05 16:00:01", resolve}, {"12 00:00:00", closing}},
			"31 00:00:00", "05 16:00:01",
			[]sla.Part{
				desk(1, "shop", 2*h+time.Second, 0), {Holder: sla.HolderCustomer, Open: 2 * h},
				{Holder: sla.HolderOthers, Reason: "vendor", Open: 3 * h},
			},
		},
		{
			"levels and queues", []step{{"05 10:00:00", escalate}, {"05 18:00:00", take}, {"06 09:30:00", cancel}}, "31 00:00:00", "06 09:30:00",
			[]sla.Part{desk(1, "shop", h, 0), desk(2, "networks", 7*h+30*m, 16*h)},
		},
		{
			"reopened", []step{{"05 10:00:00", resolve}, {"06 09:00:00", reopen}, {"06 11:00:00", resolve}}, "31 00:00:00", "06 11:00:00",
			[]sla.Part{desk(1, "shop", 3*h, 0), {Holder: sla.HolderFinished, Open: 7 * h, Closed: 16 * h}},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d, err := newPastDesk(t.Context())
			require.NoError(t, err)
			one, err := d.open("05 09:00:00", "shop", ticket.GradeMedium)
			require.NoError(t, err)
			for _, s := range tc.steps {
				require.NoError(t, d.do(s.at, &one, s.Action))
			}
			events, err := d.history(one.ID)
			require.NoError(t, err)
			u, err := sla.UsageOf(events, pastOffice, january(tc.now))
			require.NoError(t, err)
			require.Equal(t, sla.Usage{From: january("05 09:00:00"), To: january(tc.to), Parts: tc.parts}, u)
			requireExact(t, u)

			round, err := sla.UsageOf(events, nil, january(tc.now))
			require.NoError(t, err)
			require.Zero(t, round.Closed())
			requireExact(t, round)

			data, err := json.Marshal(u)
			require.NoError(t, err)
			var back sla.Usage
			require.NoError(t, json.Unmarshal(data, &back))
			require.Equal(t, u, back)
		})
	}
}

func requireExact(t *testing.T, u sla.Usage) {
	t.Helper()
	var sum time.Duration
	for _, p := range u.Parts {
		require.GreaterOrEqual(t, p.Open, time.Duration(0))
		require.GreaterOrEqual(t, p.Closed, time.Duration(0))
		sum += p.Open + p.Closed
	}
	require.Equal(t, u.Total(), sum)
	sum = u.Closed()
	for _, h := range sla.Holders() {
		sum += u.Open(h)
	}
	require.Equal(t, u.Total(), sum)
}

func TestUsageOfAMergedTicket(t *testing.T) {
	d, err := newPastDesk(t.Context())
	require.NoError(t, err)
	target, err := d.open("05 09:00:00", "shop", ticket.GradeMedium)
	require.NoError(t, err)
	one, err := d.open("05 09:00:00", "shop", ticket.GradeMedium)
	require.NoError(t, err)
	require.NoError(t, d.do("05 10:00:00", &one, ticket.Action{Name: ticket.ActionMerge, Ticket: target.ID}))
	events, err := d.history(one.ID)
	require.NoError(t, err)
	u, err := sla.UsageOf(events, pastOffice, january("20 00:00:00"))
	require.NoError(t, err)
	require.Equal(t, time.Hour, u.Total())
	require.Equal(t, time.Hour, u.Open(sla.HolderDesk))

	d.clock.Set(january("05 12:00:00"))
	_, err = d.Do(t.Context(), pastAgent, one.ID, ticket.Action{Name: ticket.ActionUnmerge})
	require.NoError(t, err)
	events, err = d.history(one.ID)
	require.NoError(t, err)
	u, err = sla.UsageOf(events, pastOffice, january("05 13:00:00"))
	require.NoError(t, err)
	require.Equal(t, 2*time.Hour, u.Open(sla.HolderDesk))
	require.Equal(t, 2*time.Hour, u.Open(sla.HolderMerged))
	requireExact(t, u)
}

func TestUsageOfBrokenHistories(t *testing.T) {
	u, err := sla.UsageOf(nil, pastOffice, january("05 09:00:00"))
	require.NoError(t, err)
	require.Zero(t, u)

	events := walk(rand.New(rand.NewPCG(1, 2)), ticket.ID{1}, 5)
	for name, broken := range map[string][]ticket.Event{
		"gap":     {events[0], events[2]},
		"twice":   {events[0], events[0]},
		"start":   events[1:],
		"another": {events[0], walk(rand.New(rand.NewPCG(1, 2)), ticket.ID{2}, 5)[1]},
	} {
		_, err := sla.UsageOf(broken, pastOffice, january("05 09:00:00"))
		require.ErrorIs(t, err, ticket.ErrChain, name)
	}
}

// walk returns a random history. Its times are in microseconds, and some are set back.
func walk(r *rand.Rand, id ticket.ID, n int) []ticket.Event {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(r.Int64N(1e15)) * time.Nanosecond).Truncate(time.Microsecond)
	var events []ticket.Event
	for i := range n {
		e := ticket.Event{Ticket: id, Seq: int64(i) + 1, At: at, Action: ticket.ActionEdit, Phase: ticket.PhaseInProgress}
		e.By.Role = ticket.RoleAgent
		e.To = ticket.State{Status: ticket.StatusOpen, Level: 1 + r.IntN(3)}
		e.Answer = r.IntN(4) == 0
		e.Set.Queue, e.Set.Reason = new([]string{"", "shop", "networks"}[r.IntN(3)]), new("")
		e.Set.Priority = ticket.Grade(1 + r.IntN(4))
		switch r.IntN(8) {
		case 0:
			e.To.Status, e.Phase = ticket.StatusWaiting, ticket.PhaseYourTurn
		case 1:
			e.To.Status, e.Set.Reason = ticket.StatusOnHold, new([]string{"", "vendor", "other"}[r.IntN(3)])
		case 2:
			e.To.Status, e.Phase, e.Action = ticket.StatusResolved, ticket.PhaseSolved, ticket.ActionResolve
		case 3:
			e.To.Status, e.Phase = ticket.StatusClosed, ticket.PhaseClosed
		case 4:
			e.To.Status, e.Phase, e.Set.MergedInto = ticket.StatusClosed, ticket.PhaseClosed, &ticket.ID{9}
		}
		if e.Set.MergedInto == nil {
			e.Set.MergedInto = &ticket.ID{}
		}
		events = append(events, e)
		if at = at.Add(time.Duration(r.Int64N(1e14)) * time.Nanosecond).Truncate(time.Microsecond); r.IntN(10) == 0 {
			at = at.Add(-time.Hour)
		}
	}
	return events
}

func walks(r *rand.Rand, n int) iter.Seq2[[]ticket.Event, error] {
	return func(yield func([]ticket.Event, error) bool) {
		for i := range n {
			if !yield(walk(r, ticket.ID{1, byte(i >> 8), byte(i)}, 1+r.IntN(30)), nil) {
				return
			}
		}
	}
}

// Whatever happens to a ticket, each microsecond is in exactly one part. The parts are
// compared with a count of the times between events, one by one.
func TestUsageAddsUp(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for events, err := range walks(r, 3000) {
		require.NoError(t, err)
		now := events[len(events)-1].At.Add(time.Duration(r.Int64N(1e15) - 2e14)).Truncate(time.Microsecond)
		u, err := sla.UsageOf(events, pastOffice, now)
		require.NoError(t, err)
		requireExact(t, u)
		require.False(t, u.To.Before(u.From))

		want := map[sla.Holder]time.Duration{}
		one, over, last := ticket.Ticket{}, time.Time{}, events[0].At
		for i, e := range events {
			if e.At.After(last) {
				last = e.At
			}
			one = ticket.Apply(one, e)
			next := last
			if i+1 < len(events) && events[i+1].At.After(last) {
				next = events[i+1].At
			} else if i+1 == len(events) && now.After(last) {
				next = now
			}
			holder := sla.HolderDesk
			switch {
			case !one.MergedInto.IsZero():
				holder = sla.HolderMerged
			case one.Phase == ticket.PhaseSolved || one.Phase == ticket.PhaseClosed:
				holder = sla.HolderFinished
			case one.Status == ticket.StatusWaiting:
				holder = sla.HolderCustomer
			case one.Status == ticket.StatusOnHold:
				holder = sla.HolderOthers
			}
			if holder == sla.HolderMerged || holder == sla.HolderFinished {
				if over.IsZero() {
					over = last
				}
			} else {
				over = time.Time{}
			}
			want[holder] += pastOffice.Between(last, next)
			last = next
		}
		if !over.IsZero() {
			require.True(t, u.To.Equal(over))
			continue // want also counts the time after the end
		}
		for _, h := range sla.Holders() {
			require.Equal(t, want[h], u.Open(h), h)
		}
	}
}

func TestUsageTable(t *testing.T) {
	var table sla.UsageTable
	require.Empty(t, table.Rows())
	const years = 200 * 365 * 24 * time.Hour
	for range 3 { // more than the 292 years of a Duration
		table.Add(sla.Usage{Parts: []sla.Part{
			{Holder: sla.HolderDesk, Level: 2, Queue: "shop", Open: years, Closed: 90 * time.Minute},
			{Holder: sla.HolderCustomer, Open: 1500 * time.Millisecond},
		}})
	}
	table.Add(sla.Usage{Parts: []sla.Part{{Holder: sla.HolderDesk, Level: 1, Queue: "shop", Open: time.Hour}}})
	require.Equal(t, 4, table.Tickets())
	require.Equal(t, []sla.UsageRow{
		{Holder: sla.HolderDesk, Level: 1, Queue: "shop", Tickets: 1, Open: 1},
		{Holder: sla.HolderDesk, Level: 2, Queue: "shop", Tickets: 3, Open: 3 * 200 * 365 * 24, Closed: 4.5},
		{Holder: sla.HolderCustomer, Tickets: 3, Open: 4.5 / 3600},
	}, table.Rows())
}

func ExampleUsageOf() {
	d, err := newPastDesk(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	t, _ := d.open("05 16:00:00", "shop", ticket.GradeMedium)
	_ = d.do("06 10:00:00", &t, ticket.Action{Name: ticket.ActionAsk, Message: "Which printer?"})
	_ = d.do("06 11:30:00", &t, ticket.Action{Name: ticket.ActionHold, Reason: "vendor"})
	_ = d.do("06 14:00:00", &t, ticket.Action{Name: ticket.ActionResolve, Message: "It prints."})
	events, _ := d.history(t.ID)

	u, err := sla.UsageOf(events, pastOffice, time.Now())
	fmt.Print(u)
	fmt.Println(err)
	// Output:
	// desk, level 1, shop              2h
	// customer                         1h30m
	// others, vendor                   2h30m
	// closed hours                     16h
	// total                            22h
	// <nil>
}
