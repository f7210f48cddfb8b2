package ticket_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/memstore"
)

func rules(list ...ticket.RetentionRule) func(*ticket.Config) {
	return func(c *ticket.Config) { c.Retention = list }
}

var usualRule = ticket.RetentionRule{Name: "usual", Archive: 30 * day, EraseWords: 365 * day, ErasePersons: 730 * day}

func (k *kit) closed(a ticket.Actor, d ticket.Draft) ticket.Ticket {
	k.Helper()
	tk := k.open(a, d)
	agent := lin.InTenant(a.Tenant)
	tk = k.do(agent, tk, ticket.Action{Name: ticket.ActionTake})
	tk = k.do(agent, tk, ticket.Action{Name: ticket.ActionResolve, Message: "words of the solution"})
	return k.do(a, tk, ticket.Action{Name: ticket.ActionConfirm})
}

// retain makes a dry run and a run, which must report the same.
func (k *kit) retain(o ticket.RetainOptions) ticket.RetainReport {
	k.Helper()
	dry := o
	dry.DryRun = true
	would, err := k.desk.Retain(k.Context(), dry)
	require.NoError(k, err)
	did, err := k.desk.Retain(k.Context(), o)
	require.NoError(k, err)
	require.Equal(k, would, did)
	for _, s := range did.Steps {
		require.NoError(k, k.desk.Verify(k.Context(), cron.InTenant(s.Tenant), s.Ticket))
	}
	return did
}

func TestRetain(t *testing.T) {
	k := newKit(t, rules(
		ticket.RetentionRule{Name: "tax", Tickets: ticket.Query{Queue: []string{"invoices"}}, Archive: 60 * day},
		usualRule))
	open := k.open(ada, ticket.Draft{Message: "words of an open one"})
	tk := k.closed(ada, ticket.Draft{Message: "words", Attachments: []ticket.Attachment{{Name: "f", Ref: "r"}}})
	invoice := k.closed(ada, ticket.Draft{Message: "words", Queue: "invoices"})
	tenant := k.closed(ada.InTenant("b"), ticket.Draft{Message: "words"})
	held := k.closed(bob, ticket.Draft{Message: "words"})
	held = k.do(super, held, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{LegalHold: new(true)}})
	step := func(tk ticket.Ticket, rule string, s ticket.Stage) ticket.RetentionStep {
		return ticket.RetentionStep{Tenant: tk.Tenant, Ticket: tk.ID, Number: tk.Number, Rule: rule, Stage: s}
	}
	lists := func(stage ...ticket.Stage) (n int) {
		for _, err := range k.desk.Tickets(t.Context(), cron, ticket.Query{Stage: stage}) {
			require.NoError(t, err)
			n++
		}
		return n
	}

	require.Empty(t, k.retain(ticket.RetainOptions{}).Steps)
	k.clock.Advance(31 * day)
	report := k.retain(ticket.RetainOptions{})
	require.Equal(t, []ticket.RetentionStep{step(tk, "usual", ticket.StageArchived), step(tenant, "usual", ticket.StageArchived), step(held, "usual", ticket.StageArchived)}, report.Steps)
	require.Empty(t, k.retain(ticket.RetainOptions{}).Steps, "one step of a kind")

	// Archived: out of lists and search unless asked for, but found by its number.
	require.Equal(t, 2, lists())
	require.Equal(t, 2, lists(ticket.StageArchived))
	require.Equal(t, 4, lists(ticket.Stages()...))
	hits, err := k.desk.Search(t.Context(), cron, ticket.SearchQuery{Text: "words"})
	require.NoError(t, err)
	require.Len(t, hits, 2)
	hits, err = k.desk.Search(t.Context(), cron, ticket.SearchQuery{Text: "words", Query: ticket.Query{Stage: []ticket.Stage{ticket.StageArchived}}})
	require.NoError(t, err)
	require.Len(t, hits, 2)
	page, err := k.desk.List(t.Context(), ada, ticket.Query{})
	require.NoError(t, err)
	require.Len(t, page.Tickets, 2)
	view, err := k.desk.Track(t.Context(), ada, string(tk.Number))
	require.NoError(t, err)
	require.Equal(t, "words", string(view.Messages[0].Text))
	got := k.get(tk)
	require.Equal(t, ticket.StageArchived, got.Stage)
	require.Equal(t, tk.Touched, got.Touched)

	k.clock.Advance(335 * day)
	report = k.retain(ticket.RetainOptions{})
	require.Equal(t, []ticket.RetentionStep{step(tk, "usual", ticket.StageWordsErased), step(tenant, "usual", ticket.StageWordsErased), step(invoice, "tax", ticket.StageArchived)}, report.Steps)
	require.Equal(t, []ticket.RetentionStep{step(held, "usual", ticket.StageWordsErased)}, report.Held)
	require.NotContains(t, k.stored(tk), "words of")
	require.NotContains(t, k.stored(tenant), "words of")
	require.Contains(t, k.stored(tk), "ada@example.org")
	require.Contains(t, k.stored(invoice), "words of")
	require.Contains(t, k.stored(held), "words of")

	k.clock.Advance(365 * day)
	require.Len(t, k.retain(ticket.RetainOptions{}).Steps, 2)
	require.NotContains(t, k.stored(tk), "ada@example.org")
	require.Equal(t, ticket.StageErased, k.get(tk).Stage)
	require.Equal(t, tk.Closed, k.get(tk).Closed)
	last := k.events(cron, tk)
	require.Equal(t, "retention: usual", last[len(last)-1].Set.Erased.Reason)
	require.Empty(t, k.retain(ticket.RetainOptions{}).Steps)
	require.Contains(t, k.stored(open), "words of an open one")

	// The hold ends: every run is one step.
	held = k.do(super, held, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{LegalHold: new(false)}})
	for _, s := range []ticket.Stage{ticket.StageArchived, ticket.StageWordsErased, ticket.StageErased} {
		require.Equal(t, []ticket.RetentionStep{step(held, "usual", s)}, k.retain(ticket.RetainOptions{}).Steps)
	}
}

func TestRetainStartsAgainWhenReopened(t *testing.T) {
	k := newKit(t, rules(usualRule))
	tk := k.closed(ada, ticket.Draft{Message: "words"})
	k.clock.Advance(31 * day)
	k.retain(ticket.RetainOptions{})
	require.Equal(t, ticket.StageArchived, k.get(tk).Stage)
	tk = k.do(super, tk, ticket.Action{Name: ticket.ActionReopen, Note: "again"})
	require.Equal(t, ticket.StageActive, tk.Stage)
	k.clock.Advance(400 * day)
	require.Empty(t, k.retain(ticket.RetainOptions{}).Steps)
}

func TestRetainInBatches(t *testing.T) {
	k := newKit(t, rules(usualRule))
	for range 250 {
		k.closed(ada, ticket.Draft{})
	}
	k.clock.Advance(31 * day)
	for left := 250; left > 0; {
		report := k.retain(ticket.RetainOptions{Limit: 120})
		left -= len(report.Steps)
		require.Equal(t, left > 0, report.More)
		require.Len(t, report.Steps, min(120, left+len(report.Steps)))
	}
	_, err := k.desk.Retain(t.Context(), ticket.RetainOptions{Limit: -1})
	require.ErrorIs(t, err, ticket.ErrInvalid)
}

// A ticket that is reopened between the list and the step is left alone.
func TestRetainLeavesReopenedTickets(t *testing.T) {
	s := &erasing{Store: memstore.New()}
	k := newKitOn(t, s, rules(usualRule))
	tk := k.closed(ada, ticket.Draft{Message: "words"})
	k.clock.Advance(31 * day)
	k.retain(ticket.RetainOptions{})
	k.clock.Advance(365 * day)
	s.before = func(call int) error {
		if call == 1 {
			k.do(super, tk, ticket.Action{Name: ticket.ActionReopen, Note: "again"})
		}
		return nil
	}
	report, err := k.desk.Retain(t.Context(), ticket.RetainOptions{})
	require.NoError(t, err)
	require.Empty(t, report.Steps)
	require.Contains(t, k.stored(tk), "words")
}

func TestRetainGoesOnAfterAFault(t *testing.T) {
	broken := errors.New("broken")
	s := &erasing{Store: memstore.New()}
	k := newKitOn(t, s, rules(usualRule))
	for range 3 {
		k.closed(ada, ticket.Draft{Message: "words"})
	}
	k.clock.Advance(31 * day)
	k.retain(ticket.RetainOptions{})
	k.clock.Advance(365 * day)
	s.before = func(call int) error {
		if call == 2 {
			return broken
		}
		return nil
	}
	report, err := k.desk.Retain(t.Context(), ticket.RetainOptions{})
	require.ErrorIs(t, err, broken)
	require.Len(t, report.Steps, 2)
	require.Len(t, k.retain(ticket.RetainOptions{}).Steps, 1)
}

func TestRetentionRulesAreChecked(t *testing.T) {
	for name, c := range map[string]struct {
		rules []ticket.RetentionRule
		field string
	}{
		"no name":                {[]ticket.RetentionRule{{Archive: day}}, "config.retention[0].name"},
		"a name twice":           {[]ticket.RetentionRule{{Name: "a", Tickets: ticket.Query{Level: []int{1}}}, {Name: "a"}}, "config.retention[1].name"},
		"never applies":          {[]ticket.RetentionRule{{Name: "a"}, {Name: "b", Tickets: ticket.Query{Level: []int{1}}}}, "config.retention[1]"},
		"words before archive":   {[]ticket.RetentionRule{{Name: "a", Archive: 2 * day, EraseWords: day}}, "config.retention[0].erase_words"},
		"words without archive":  {[]ticket.RetentionRule{{Name: "a", EraseWords: day}}, "config.retention[0].erase_words"},
		"persons before words":   {[]ticket.RetentionRule{{Name: "a", Archive: day, EraseWords: 2 * day, ErasePersons: day}}, "config.retention[0].erase_persons"},
		"persons without words":  {[]ticket.RetentionRule{{Name: "a", Archive: day, ErasePersons: day}}, "config.retention[0].erase_persons"},
		"persons by a tag":       {[]ticket.RetentionRule{{Name: "a", Tickets: ticket.Query{Tags: []string{"x"}}, Archive: day, EraseWords: day, ErasePersons: day}}, "config.retention[0].erase_persons"},
		"negative":               {[]ticket.RetentionRule{{Name: "a", Archive: -day}}, "config.retention[0]"},
		"an order":               {[]ticket.RetentionRule{{Name: "a", Archive: day, Tickets: ticket.Query{Order: ticket.OrderNewestFirst}}}, "config.retention[0].tickets"},
		"a phase":                {[]ticket.RetentionRule{{Name: "a", Archive: day, Tickets: ticket.Query{Phase: ticket.OpenPhases()}}}, "config.retention[0].tickets"},
		"clocks":                 {[]ticket.RetentionRule{{Name: "a", Archive: day, Tickets: ticket.Query{Missed: true}}}, "config.retention[0].tickets"},
		"a query that is no one": {[]ticket.RetentionRule{{Name: "a", Archive: day, Tickets: ticket.Query{Fields: ticket.Fields{"x": 1i}}}}, "config.retention[0].tickets"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ticket.NewDesk(memstore.New(), ticket.Config{Retention: c.rules})
			var data *ticket.InvalidError
			require.ErrorAs(t, err, &data)
			require.Equal(t, c.field, data.Field)
		})
	}
}

func TestRetainNeedsAStoreThatCan(t *testing.T) {
	_, err := newKitOn(t, struct{ ticket.Store }{memstore.New()}, rules(usualRule)).desk.Retain(t.Context(), ticket.RetainOptions{})
	require.ErrorIs(t, err, errors.ErrUnsupported)
}

func TestRunAppliesRetention(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		desk, err := ticket.NewDesk(memstore.New(), ticket.Config{Retention: []ticket.RetentionRule{{Name: "all", Archive: 90 * time.Minute}}})
		require.NoError(t, err)
		tk, err := desk.Open(t.Context(), super, ticket.Draft{Subject: "S", Requester: ada.Person, Solution: "done"})
		require.NoError(t, err)
		_, err = desk.Do(t.Context(), ada, tk.ID, ticket.Action{Name: ticket.ActionConfirm})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		go func() { _ = desk.Run(ctx) }()
		stage := func() ticket.Stage {
			got, err := desk.Get(ctx, cron, tk.ID)
			require.NoError(t, err)
			return got.Stage
		}
		time.Sleep(89 * time.Minute)
		require.Equal(t, ticket.StageActive, stage())
		time.Sleep(time.Hour)
		require.Equal(t, ticket.StageArchived, stage())
		cancel()
		synctest.Wait()
	})
}

// Retention at random times, with anything else between: every step is due, the chains and
// folds hold, and in the end everything is erased.
func TestRetainAtRandom(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 14))
		k := newKit(t, rules(ticket.RetentionRule{Name: "a", Tickets: ticket.Query{Requester: ada.Person}, Archive: 2 * day, EraseWords: 3 * day, ErasePersons: 3 * day},
			ticket.RetentionRule{Name: "b", Archive: day, EraseWords: 9 * day, ErasePersons: 20 * day}))
		people := []ticket.Actor{ada, bob}
		var tickets []ticket.Ticket
		for range 5 {
			tickets = append(tickets, k.closed(people[r.IntN(2)], ticket.Draft{Message: "said"}))
		}
		for range 60 {
			if r.IntN(3) > 0 {
				k.act(r, people, tickets)
			} else {
				k.clock.Advance(time.Duration(r.IntN(72)) * time.Hour)
				k.retain(ticket.RetainOptions{Limit: 1 + r.IntN(3)})
			}
		}
		for _, tk := range tickets {
			require.NoError(t, k.desk.Verify(t.Context(), cron, tk.ID))
			if !k.get(tk).Phase.Done() {
				k.do(super, tk, ticket.Action{Name: ticket.ActionCancel, Reason: "x"})
			}
		}
		k.clock.Advance(30 * day)
		_, err := k.desk.FireTimers(t.Context()) // closes the solved ones
		require.NoError(t, err)
		k.clock.Advance(30 * day)
		for range 4 {
			k.retain(ticket.RetainOptions{})
		}
		for _, tk := range tickets {
			require.NotContains(t, k.stored(tk), `"said"`)
			require.NotContains(t, k.stored(tk), "@example.org")
		}
	}
}

// The first step of a long history erases the tag that the rule selects by.
func TestRetainErasesALongHistoryByTag(t *testing.T) {
	k := newKit(t, rules(ticket.RetentionRule{Name: "tagged", Tickets: ticket.Query{Tags: []string{"x"}}, Archive: day, EraseWords: 2 * day}))
	tk := k.open(ada, ticket.Draft{Message: "said"})
	tk = k.do(lin, tk, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{AddTags: []string{"x"}}})
	for range 1100 {
		k.clock.Advance(time.Second)
		_, err := k.desk.Do(t.Context(), ada, tk.ID, ticket.Action{Name: ticket.ActionReply, Message: "said"})
		require.NoError(t, err)
	}
	tk = k.do(lin, tk, ticket.Action{Name: ticket.ActionResolve, Message: "said"})
	k.do(ada, tk, ticket.Action{Name: ticket.ActionConfirm})
	k.clock.Advance(3 * day)
	k.retain(ticket.RetainOptions{})
	require.Len(t, k.retain(ticket.RetainOptions{}).Steps, 1)
	require.NotContains(t, k.stored(tk), "said")
	require.Equal(t, ticket.StageWordsErased, k.get(tk).Stage)
}

// A step that was interrupted halfway goes on with the next run, although the first half erases
// what the rule selects the ticket by.
func TestRetainContinuesAnInterruptedStep(t *testing.T) {
	for name, q := range map[string]ticket.Query{
		"tag":       {Tags: []string{"x"}},
		"field":     {Fields: ticket.Fields{"y": "z"}},
		"requester": {Requester: ada.Person},
		"follower":  {Participant: bob.Person},
	} {
		t.Run(name, func(t *testing.T) {
			s := &erasing{Store: memstore.New()}
			rule := ticket.RetentionRule{Name: "some", Tickets: q, Archive: day, EraseWords: 2 * day}
			persons := len(q.Tags)+len(q.Fields) == 0
			if persons {
				rule.ErasePersons = 2 * day
			}
			k := newKitOn(t, s, rules(rule))
			tk := k.open(ada, ticket.Draft{Message: "said", Fields: ticket.Fields{"y": "z"}})
			tk = k.do(lin, tk, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{AddTags: []string{"x"}, Follow: []ticket.Person{bob.Person}}})
			for range 1100 {
				k.clock.Advance(time.Second)
				_, err := k.desk.Do(t.Context(), ada, tk.ID, ticket.Action{Name: ticket.ActionReply, Message: "said"})
				require.NoError(t, err)
			}
			tk = k.do(lin, tk, ticket.Action{Name: ticket.ActionResolve, Message: "said"})
			tk = k.do(ada, tk, ticket.Action{Name: ticket.ActionConfirm})
			k.clock.Advance(3 * day)
			k.retain(ticket.RetainOptions{})
			broken := errors.New("broken")
			s.before = func(call int) error {
				if call%2 == 0 {
					return broken
				}
				return nil
			}
			last := ticket.StageWordsErased
			if persons {
				last = ticket.StageErased
			}
			runs := 0
			for ; k.get(tk).Stage != last; runs++ {
				require.Less(t, runs, 20, "it does not end")
				would, err := k.desk.Retain(t.Context(), ticket.RetainOptions{DryRun: true})
				require.NoError(t, err)
				require.Len(t, would.Steps, 1)
				_, err = k.desk.Retain(t.Context(), ticket.RetainOptions{})
				if err != nil {
					require.ErrorIs(t, err, broken)
				}
				require.NoError(t, k.desk.Verify(t.Context(), cron, tk.ID))
			}
			require.Greater(t, runs, 2)
			stored := k.stored(tk)
			require.NotContains(t, stored, "said")
			require.NotContains(t, stored, `"y"`)
			require.NotContains(t, stored, `"x"`)
			if persons {
				require.NotContains(t, stored, "@example.org")
			}
			require.Empty(t, k.retain(ticket.RetainOptions{}).Steps)
		})
	}
}

type nobodyArchives struct{ ticket.DefaultPolicy }

func (p nobodyArchives) MayDo(a ticket.Actor, t ticket.Ticket, name ticket.ActionName) error {
	if name == ticket.ActionArchive {
		return errors.New("not here")
	}
	return p.DefaultPolicy.MayDo(a, t, name)
}

// A dry run tells of what the policy forbids, like a run.
func TestRetainAsksThePolicyInADryRunToo(t *testing.T) {
	k := newKit(t, rules(usualRule), func(c *ticket.Config) { c.Policy = nobodyArchives{} })
	k.closed(ada, ticket.Draft{Message: "said"})
	k.clock.Advance(31 * day)
	for _, dry := range []bool{true, false} {
		report, err := k.desk.Retain(t.Context(), ticket.RetainOptions{DryRun: dry})
		require.ErrorIs(t, err, ticket.ErrRefused)
		require.Empty(t, report.Steps)
	}
}
