package dbtests_test

import (
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/memstore"
)

var (
	listSeed    = flag.Uint64("list.seed", 0, "the seed of TestListAsInMemory; 0 means a random seed")
	listQueries = flag.Int("list.queries", 250, "the number of queries in TestListAsInMemory for each database")
)

// Tickets and queries are made of few values, so that they match, and of values that
// nearly match.
var (
	listBegin     = time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	listTenants   = []string{"", "acme", "Acme"}
	listQueues    = []string{"", "hardware", "Hardware", "büro", "a b", "x'y", "z?"}
	listAssignees = []string{"", "lin", "max", "Max", "eve"}
	listTags      = []string{"vip", "VIP", "red", "x:y", "%", "é"}
	listFields    = []string{"order", "n", "when", "a\"b"}
	listStatuses  = []ticket.Status{ticket.StatusNew, ticket.StatusQueued, ticket.StatusOpen, ticket.StatusOnHold, ticket.StatusClosed}
	listChannels  = []ticket.Channel{"", ticket.ChannelPhone, ticket.ChannelMail}
	listPhases    = append(ticket.OpenPhases(), ticket.PhaseSolved, ticket.PhaseClosed)
	listMetrics   = []string{"first answer", "next answer", "update", "solution", "level"} // in the order of a ticket's clocks
	listGrades    = []ticket.Grade{0, ticket.GradeLow, ticket.GradeMedium, ticket.GradeHigh, ticket.GradeCritical}
	listValues    = []any{
		"", "1", "true", "4711", int64(1), int64(-1), int64(math.MaxInt64), 1.0, 0.0, math.Copysign(0, -1), 1.5, 1e300, true, false,
		listBegin, listBegin.Add(time.Microsecond), []string{}, []string{"a"}, []string{"a", "b"}, []string{"a,b"}, []string{"b", "a"},
	}
	listPeople = []ticket.Person{
		{}, {ID: "c-1", Email: "ada@example.org", Organisation: "mill"}, {ID: "c-2", Email: "ADA@example.org", Organisation: "Mill"},
		{Email: "Ada@Example.ORG"}, {ID: "c-1"}, {ID: "c-3", Phone: "+1"}, {Phone: "+1", Organisation: "mill"}, {Email: "zoë@example.org"},
		{Email: "ZOË@example.org"}, {ID: "c-4", Email: "zoë@example.org", Phone: "+1"}, {Name: "nobody", Organisation: "mill"},
	}
)

// listPhase returns the phase of a status, as a workflow does.
func listPhase(s ticket.Status) ticket.Phase {
	return listPhases[slices.Index(listStatuses, s)%len(listPhases)]
}

func among[T any](r *rand.Rand, list []T) T { return list[r.IntN(len(list))] }

// some returns up to n elements of a list.
func some[T any](r *rand.Rand, list []T, n int) (out []T) {
	for range r.IntN(n + 1) {
		out = append(out, among(r, list))
	}
	return out
}

func listTime(r *rand.Rand) time.Time {
	at := listBegin.Add(time.Duration(r.IntN(30)) * time.Hour)
	if r.IntN(4) == 0 {
		at = at.Add(time.Duration(r.IntN(3)) * time.Microsecond)
	}
	return at
}

// listClocks returns clocks of some metrics.
func listClocks(r *rand.Rand, event int64) (list []ticket.Clock) {
	for _, m := range listMetrics {
		if r.IntN(3) > 0 {
			continue
		}
		c := ticket.Clock{
			Metric: m, Event: event, Policy: among(r, []string{"gold", "größer", `"q"`}), Version: r.IntN(3), Within: time.Duration(r.IntN(3)) * 90 * time.Minute, Queue: among(r, listQueues),
			State: among(r, []string{"running", "paused", "met", "missed", "void"}), Started: listBegin, Since: listTime(r), Counted: time.Duration(r.IntN(5000)),
		}
		for _, at := range []*time.Time{&c.Due, &c.Due, &c.Breached, &c.Next} {
			if r.IntN(3) == 0 {
				*at = listTime(r)
			}
		}
		if r.IntN(4) == 0 {
			c.Missed, c.Fired = r.IntN(3), []string{"30m before due", "due"}[:1+r.IntN(2)]
		}
		list = append(list, c)
	}
	return list
}

// listChange makes a ticket, with later changes of the columns that lists use.
func listChange(r *rand.Rand) []ticket.Change {
	tenant := among(r, listTenants)
	id, at := ticket.NewID(listTime(r)), listTime(r)
	first := ticket.Event{
		Ticket: id, Seq: 1, At: at, Action: ticket.ActionOpen, By: ticket.By{Role: ticket.RoleAgent, ID: "lin"}, Channel: among(r, listChannels),
		To: ticket.State{Status: among(r, listStatuses), Level: 1 + r.IntN(3)},
	}
	first.Phase = listPhase(first.To.Status)
	first.Fields = ticket.Fields{}
	first.Set = ticket.Patch{
		Number: ticket.NewNumber(), Tenant: tenant, Workflow: "support", WorkflowVersion: 1,
		Queue: new(among(r, listQueues)), Assignee: new(among(r, listAssignees)), AddTags: some(r, listTags, 3), Priority: among(r, listGrades[1:]),
	}
	first.Subject, first.Requester, first.Followed = "Printer", among(r, listPeople), some(r, listPeople, 2)
	for range r.IntN(3) {
		first.Fields[among(r, listFields)] = among(r, listValues)
	}
	if r.IntN(3) > 0 {
		first.Set.Timer = &ticket.Timer{At: listTime(r), Action: ticket.ActionResume, From: among(r, []time.Time{{}, listTime(r)})}
	}
	if r.IntN(3) > 0 {
		first.Set.Policy, first.Set.PolicyVersion, first.Set.Clocks = new("gold"), new(1), listClocks(r, 1)
	}
	ticket.Chain{}.Seal(ticket.Digest{}, &first)
	changes := []ticket.Change{{Ticket: ticket.Apply(ticket.Ticket{}, first), Events: []ticket.Event{first}}}
	for range r.IntN(5) {
		t := changes[len(changes)-1].Ticket
		e := ticket.Event{
			Ticket: id, Seq: t.Version + 1, At: t.Touched.Add(time.Duration(r.IntN(3)) * time.Hour), Action: ticket.ActionEdit, By: first.By,
			From: t.State(), To: t.State(), Phase: t.Phase,
		}
		e.Fields = ticket.Fields{}
		switch r.IntN(13) {
		case 12, 11:
			if t.Phase.Done() {
				e.Action, e.Set.Stage = ticket.ActionArchive, new(among(r, ticket.Stages()))
			}
		case 10: // content makes the ticket active again
			e.Message = "more"
		case 9:
			e.Set.Snoozed = new(among(r, []time.Time{{}, listTime(r)}))
		case 8:
			e.Set.Policy, e.Set.PolicyVersion, e.Set.Promised = new(among(r, []string{"", "silver"})), new(r.IntN(2)), new(listTime(r))
		case 7:
			e.Action, e.At = ticket.ActionClock, e.At.Add(time.Hour)
		case 6:
			e.Set.MergedInto = new(ticket.ID{})
			if t.MergedInto.IsZero() {
				e.Set.MergedInto = new(ticket.NewID(at))
			}
		case 0:
			e.To = ticket.State{Status: among(r, listStatuses), Level: 1 + r.IntN(3)}
			e.Phase = listPhase(e.To.Status)
		case 1:
			e.Set.Queue, e.Set.Assignee, e.Set.Priority = new(among(r, listQueues)), new(among(r, listAssignees)), among(r, listGrades[1:])
		case 2:
			e.Set.AddTags, e.Set.RemoveTags = some(r, listTags, 2), some(r, t.Tags, min(1, len(t.Tags)))
		case 3:
			e.Fields[among(r, listFields)] = among(r, listValues)
			for name := range t.Fields {
				e.Fields[name] = nil
				break
			}
		case 4:
			e.Set.Timer = &ticket.Timer{}
			if r.IntN(2) == 0 {
				e.Set.Timer = &ticket.Timer{At: listTime(r), Action: ticket.ActionResume, From: among(r, []time.Time{{}, listTime(r)})}
			}
		case 5:
			e.Requester, e.Followed, e.Unfollowed = among(r, listPeople), some(r, listPeople, 1), some(r, t.Followers, min(1, len(t.Followers)))
		}
		if e.Action == ticket.ActionClock || r.IntN(3) == 0 {
			e.Set.Clocks = listClocks(r, e.Seq)
		}
		ticket.Chain{}.Seal(t.Digest, &e)
		if last := &changes[len(changes)-1]; r.IntN(4) == 0 { // both in one commit
			last.Ticket, last.Events = ticket.Apply(t, e), append(last.Events, e)
			continue
		}
		changes = append(changes, ticket.Change{Expect: t.Version, Ticket: ticket.Apply(t, e), Events: []ticket.Event{e}})
	}
	return changes
}

func listQuery(r *rand.Rand) ticket.Query {
	q := ticket.Query{
		Tenant: among(r, listTenants), Limit: 1 + r.IntN(40),
		Order: among(r, []ticket.Order{ticket.OrderOldestFirst, ticket.OrderNewestFirst, ticket.OrderLeastRecent, ticket.OrderMostRecent, ticket.OrderMostUrgent, ticket.OrderSoonestDue}),
	}
	for _, condition := range []func(){
		func() { q.Status = some(r, listStatuses, 3) },
		func() { q.Phase = some(r, listPhases, 3) },
		func() { q.Phase = ticket.OpenPhases() },
		func() { q.Phase = ticket.OpenPhases() },
		func() { q.Level = some(r, []int{1, 2, 3, 9}, 2) },
		func() { q.Queue = some(r, listQueues, 12) },
		func() { q.Queue = some(r, listQueues, 2) },
		func() { q.Assignee = some(r, listAssignees, 3) },
		func() { q.Priority = some(r, listGrades, 3) },
		func() { q.Channel = some(r, listChannels, 2) },
		func() { q.Tags = some(r, listTags, 2) },
		func() { q.Fields = ticket.Fields{among(r, listFields): among(r, listValues)} },
		func() { q.Requester = among(r, listPeople) },
		func() { q.Participant = among(r, listPeople) },
		func() { q.Organisation = among(r, []string{"mill", "Mill", "none"}) },
		func() { q.NotMerged = true },
		func() { q.NotSnoozed = true },
		func() { q.Stage = some(r, ticket.Stages(), 4) },
		func() { q.Stage = ticket.Stages() },
		func() { q.Metric = among(r, listMetrics) },
		func() { q.Metric = among(r, listMetrics) },
		func() { q.Missed = true },
		func() { q.CreatedFrom = listTime(r) },
		func() { q.CreatedBefore = listTime(r).Add(time.Duration(r.IntN(3)) * 300) },
		func() { q.TouchedFrom = listTime(r).Add(time.Duration(r.IntN(3)) * 300) },
		func() { q.TouchedBefore = listTime(r) },
		func() { q.DueBefore = listTime(r) },
	} {
		if r.IntN(6) == 0 {
			condition()
		}
	}
	return q
}

// For any query and any tickets, a database returns the tickets that memstore
// returns, in the same order, page by page, and the same counts.
func TestListAsInMemory(t *testing.T) {
	t.Parallel()
	each(t, backends, func(t *testing.T, b backend) {
		seed := *listSeed
		if seed == 0 {
			seed = rand.Uint64()
		}
		r := rand.New(rand.NewPCG(seed, 0))
		defer func() {
			if t.Failed() {
				t.Logf("to repeat it: -run '%s' -list.seed %d -list.queries %d", t.Name(), seed, *listQueries)
			}
		}()
		s, _ := b.open(t)
		model := memstore.New()
		for range 4 {
			for range 45 {
				for _, ch := range listChange(r) {
					c := ticket.Commit{Changes: []ticket.Change{ch}}
					require.NoError(t, model.Commit(t.Context(), c))
					require.NoError(t, s.Commit(t.Context(), c))
				}
			}
			for range *listQueries / 4 {
				q := listQuery(r)
				requireSameWalk(t, model, s, r, q)
				limit := among(r, []int{-1, 0, 1, 5, 1000})
				want, err := model.Count(t.Context(), q, limit)
				require.NoError(t, err)
				have, err := s.Count(t.Context(), q, limit)
				require.NoError(t, err)
				require.Equal(t, want, have, "%+v, at most %d", q, limit)
			}
			for _, tenant := range append([]string{"nobody"}, listTenants...) {
				want, err := model.Counts(t.Context(), tenant)
				require.NoError(t, err)
				have, err := s.Counts(t.Context(), tenant)
				require.NoError(t, err)
				require.Equal(t, fmt.Sprint(want), fmt.Sprint(have))
			}
			at := listTime(r)
			want, err := model.Due(t.Context(), at, 20)
			require.NoError(t, err)
			have, err := s.Due(t.Context(), at, 20)
			require.NoError(t, err)
			require.Equal(t, append([]ticket.Ref{}, want...), append([]ticket.Ref{}, have...))
		}
	})
}

// requireSameWalk walks through all pages of a query in both stores, with pages of
// various sizes.
func requireSameWalk(t *testing.T, model, s ticket.Store, r *rand.Rand, q ticket.Query) {
	t.Helper()
	ids := func(p ticket.Page) (list []ticket.ID) {
		for i := range p.Tickets {
			list = append(list, p.Tickets[i].ID)
		}
		return list
	}
	for {
		want, err := model.List(t.Context(), q)
		require.NoError(t, err)
		have, err := s.List(t.Context(), q)
		require.NoError(t, err, "%+v", q)
		require.Equal(t, ids(want), ids(have), "%+v", q)
		require.Equal(t, want.Next, have.Next, "%+v", q)
		for i := range want.Tickets {
			w, h := &want.Tickets[i], &have.Tickets[i]
			require.True(t, w.Equal(*h), "%+v:\n%#v\n%#v", q, *w, *h)
		}
		if want.Next == "" {
			return
		}
		q.After, q.Limit = want.Next, 1+r.IntN(60)
	}
}

// A short tag never matches a long one that the store keeps in a shorter form.
func TestForgedTagDoesNotMatchALongOne(t *testing.T) {
	s, _ := modernc.open(t)
	d := failDesk(t, s)
	long := strings.Repeat("x", 200)
	tk, err := d.Open(t.Context(), failCustomer, failDraft)
	require.NoError(t, err)
	_, err = d.Do(t.Context(), failAgent, tk.ID, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{AddTags: []string{long}}})
	require.NoError(t, err)
	page, err := s.List(t.Context(), ticket.Query{Tags: []string{long}})
	require.NoError(t, err)
	require.Len(t, page.Tickets, 1)
	sum := sha256.Sum256([]byte("tag:" + long))
	for n := 100; n <= len(long); n++ {
		page, err := s.List(t.Context(), ticket.Query{Tags: []string{long[:n] + "~" + hex.EncodeToString(sum[:16])}})
		require.NoError(t, err)
		require.Empty(t, page.Tickets, "cut after %d", n)
	}
}

// Conditions that no ticket can meet return an empty page.
func TestListWithImpossibleConditions(t *testing.T) {
	each(t, databases, func(t *testing.T, b backend) {
		s, db := b.open(t)
		require.NoError(t, s.Commit(t.Context(), opening(t, "")))
		tx, err := db.BeginTx(t.Context(), nil)
		require.NoError(t, err)
		defer tx.Rollback() //nolint:errcheck // it only reads
		bound := s.WithTx(tx)
		over, under := int64(math.MaxInt32)+1, int64(math.MinInt32)-1 // as 32-bit ints they become other levels that no ticket has
		for _, levels := range [][]int{{int(over)}, {math.MaxInt}, {int(under), math.MinInt}} {
			page, err := bound.List(t.Context(), ticket.Query{Level: levels})
			require.NoError(t, err)
			require.Empty(t, page.Tickets)
		}
		page, err := bound.List(t.Context(), ticket.Query{Level: []int{math.MaxInt, 1}})
		require.NoError(t, err)
		require.Len(t, page.Tickets, 1, "the transaction continues")

		many := slices.Repeat([]string{"x"}, 1000)
		_, err = bound.List(t.Context(), ticket.Query{Queue: many})
		require.NoError(t, err)
		for name, q := range map[string]ticket.Query{
			"queue": {Queue: append(many, "x")}, "assignee": {Assignee: append(many, "x")}, "tags": {Tags: append(many, "x")},
			"level": {Level: slices.Repeat([]int{1}, 1001)}, "status": {Status: slices.Repeat([]ticket.Status{ticket.StatusNew}, 1001)},
		} {
			_, err = bound.List(t.Context(), q)
			require.ErrorIs(t, err, ticket.ErrInvalid, name)
		}
		_, err = bound.List(t.Context(), ticket.Query{})
		require.NoError(t, err)
	})
}
