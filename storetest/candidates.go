package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ticketkit/ticket"
)

const (
	saysCandidates = "Candidates returns tickets that have at least one of the words, at most q.Limit of them."
	saysRarest     = "If more have one, those with the rarest words of the query must be preferred."
	saysTerms      = "It must return only tickets of the tenant for which TermsOf returns terms, each once, with these terms."
	saysTotal      = "Total must be the number of all such tickets, and With the number of those with each word."
	saysCandidate  = "It must return ErrInvalid if q does not pass CandidateQuery.Check."
	saysReflected  = "A commit must be reflected at the latest after the next call of Maintain if the store is a Maintainer, and at once if it is not."
)

var candidateRules = []rule{
	{name: "Candidates/words", says: saysCandidates, lacks: noCandidates, prove: candidatesWords},
	{name: "Candidates/limit", says: saysCandidates, upon: []string{"Candidates/rarest"}, lacks: noCandidates, prove: candidatesLimit},
	{name: "Candidates/rarest", says: saysRarest, lacks: noCandidates, prove: candidatesRarest},
	{name: "Candidates/terms", says: saysTerms, lacks: noCandidates, prove: candidatesTerms},
	{name: "Candidates/known problems", says: saysTerms, lacks: noCandidates, prove: candidatesKnown},
	{name: "Candidates/totals", says: saysTotal, lacks: noCandidates, prove: candidatesTotal},
	{name: "Candidates/fresh", says: saysReflected, lacks: noCandidates, prove: candidatesFresh},
	{name: "Candidates/fresh after commits at once", says: saysReflected, needs: Concurrency, upon: []string{"Candidates/totals"}, lacks: noCandidates, prove: candidatesRace},
	{name: "Candidates/tenants", says: saysTenant, lacks: noCandidates, prove: candidatesTenants},
	{name: "Candidates/copies", says: saysCopies, lacks: noCandidates, prove: candidatesCopies},
	{name: "Candidates/invalid", says: saysCandidate, lacks: noCandidates, prove: candidatesInvalid},
	{name: "Candidates/cancelled", says: saysCancelled, lacks: noCandidates, prove: candidatesCancelled},
}

// noCandidates names the feature if the store lacks it.
func noCandidates(ctx context.Context, s ticket.Store) string {
	suggester, ok := s.(ticket.Suggester)
	if ok {
		_, err := suggester.Candidates(ctx, ticket.CandidateQuery{Words: []string{"anything"}, Limit: 1})
		ok = !errors.Is(err, errors.ErrUnsupported)
	}
	if !ok {
		return "suggestions"
	}
	return ""
}

// candidates calls Maintain and returns the candidates.
func (k *kit) candidates(q ticket.CandidateQuery) ticket.Candidates {
	k.Helper()
	k.ok(k.maintain(), "Maintain")
	found, err := k.store.Candidates(k.Context(), q)
	k.ok(err, "Candidates for %q", q.Words)
	return found
}

// having returns a query of acme's solved tickets with one of the words.
func having(words string) ticket.CandidateQuery {
	return ticket.CandidateQuery{Tenant: acme, Words: strings.Fields(words), Limit: 100}
}

// solution returns an edit that resolves the ticket.
func solution(text ticket.Message) edit {
	return func(e *ticket.Event) {
		e.Action, e.Message, e.Answer = ticket.ActionResolve, text, true
		e.To.Status, e.Phase = ticket.StatusResolved, ticket.PhaseSolved
	}
}

// known returns an edit that publishes something about the ticket, or withdraws it.
func known(title string, text ticket.Message) edit {
	return func(e *ticket.Event) {
		e.Action, e.Known, e.Set.Published = ticket.ActionPublish, ticket.KnownProblem{Title: title, Text: text}, new(title != "")
		if title == "" {
			e.Action = ticket.ActionWithdraw
		}
	}
}

// proposes expects a query to return exactly these tickets, in any order.
func (k *kit) proposes(q ticket.CandidateQuery, want ...ticket.Ticket) {
	k.Helper()
	k.same(candidateIDs(k.candidates(q)), idsInOrder(want), "tickets with one of the words %q", q.Words)
}

func candidateIDs(found ticket.Candidates) []ticket.ID {
	ids := []ticket.ID{}
	for _, c := range found.List {
		ids = append(ids, c.Ticket)
	}
	slices.SortFunc(ids, ticket.ID.Compare)
	return ids
}

func idsInOrder(tickets []ticket.Ticket) []ticket.ID {
	ids := idsOf(tickets)
	slices.SortFunc(ids, ticket.ID.Compare)
	return ids
}

func candidatesWords(k *kit) {
	a := k.opened(acme, about("Fuser broken", "It SMOKES. Straße"), said("A reply: Äpfel"), solution("Cleaned 印刷"))
	b := k.opened(acme, about("Printer on fire", "Smokes too"), solution("Replaced it."))
	open := k.opened(acme, about("Fuser broken", "smokes"))
	k.commit(a, b, open)
	for words, want := range map[string][]ticket.Ticket{
		"fuser":               {a.Ticket},
		"smokes":              {a.Ticket, b.Ticket},
		"fuser fire":          {a.Ticket, b.Ticket}, // one of the words is enough
		"strasse straße":      {a.Ticket},
		"apfel":               {a.Ticket},
		"cleaned":             {a.Ticket},
		"印":                   {a.Ticket},
		"replaced reply":      {a.Ticket, b.Ticket},
		"nosuchword":          nil,
		"smoke":               nil, // a part of a word is not the word
		"nosuchword on smoke": {b.Ticket},
	} {
		k.proposes(having(words), want...)
	}
}

func candidatesLimit(k *kit) {
	var all []ticket.Change
	for range 30 {
		all = append(all, k.opened(acme, about("Common subject", "The same words."), solution("Done now.")))
	}
	k.commit(all...)
	for _, limit := range []int{1, 2, 29, 30, 31, 500} {
		q := having("common same done")
		q.Limit = limit
		k.same(len(k.candidates(q).List), min(limit, len(all)), "tickets with limit %d, of %d", limit, len(all))
	}
}

// candidatesRarest stores tickets with words of which some are rarer than others.
func candidatesRarest(k *kit) {
	var list []ticket.Change
	for i := range 20 {
		text := "common"
		if i%2 == 0 {
			text += " half"
		}
		if i%5 == 0 {
			text += " fifth"
		}
		if i == 7 {
			text += " single"
		}
		list = append(list, k.opened(acme, about("Subject", ticket.Message(text)), solution("Done.")))
	}
	k.commit(list...)
	first := map[int]bool{7: true, 0: true, 5: true, 10: true, 15: true}
	for limit := 1; limit <= 20; limit++ {
		q := having("common half fifth single")
		q.Limit = limit
		got := candidateIDs(k.candidates(q))
		k.same(len(got), limit, "tickets with limit %d, of 20", limit)
		for i, c := range list {
			rank := 3 // the place of the group: single, fifth, half, common
			switch {
			case i == 7:
				rank = 0
			case first[i]:
				rank = 1
			case i%2 == 0:
				rank = 2
			}
			before, upto := []int{0, 1, 5, 13}[rank], []int{1, 5, 13, 20}[rank]
			_, found := slices.BinarySearchFunc(got, c.Ticket.ID, ticket.ID.Compare)
			if limit >= upto && !found || limit <= before && found {
				k.fail("with limit %d, ticket %d (%s) is among the result: %v", limit, i, c.Events[0].Message, found)
			}
		}
	}
}

// termsOf returns the terms of a change that has the whole history.
func termsOf(c ticket.Change, known bool) []byte {
	_, terms := ticket.TermsOf(c.Ticket, slices.Values(c.Events), known)
	return terms
}

func candidatesTerms(k *kit) {
	queue := func(e *ticket.Event) {
		e.Subject, e.Message, e.Set.Queue, e.Fields = "Printer", "common words", new("hardware"), ticket.Fields{"order": int64(7)}
	}
	a := k.opened(acme, queue, said("common again"), note("common note"), solution("common first"), said("common last"), solution("common second"))
	b := k.opened(acme, about("Printer", "common"), solution("common"), func(e *ticket.Event) {
		e.Action, e.To.Status, e.Phase = ticket.ActionClose, ticket.StatusClosed, ticket.PhaseClosed
	})
	cancelled := k.opened(acme, about("Printer", "common"), solution("common"), func(e *ticket.Event) {
		e.Action, e.To.Status, e.Phase = ticket.ActionCancel, ticket.StatusCancelled, ticket.PhaseClosed
	})
	merged := k.opened(acme, about("Printer", "common"), solution("common"), func(e *ticket.Event) {
		e.Action, e.To.Status, e.Phase, e.Set.MergedInto = ticket.ActionMerge, ticket.StatusClosed, ticket.PhaseClosed, &b.Ticket.ID
	})
	k.commit(a, b, cancelled, merged, k.opened(acme, about("Printer", "common")), k.opened(acme, about("Printer", "common"), solution("common"), reopened))
	found := k.candidates(having("common printer words"))
	k.same(candidateIDs(found), idsInOrder([]ticket.Ticket{a.Ticket, b.Ticket}), "solved tickets")
	for _, c := range found.List {
		want := a
		if c.Ticket == b.Ticket.ID {
			want = b
		}
		k.same(c.Terms, termsOf(want, false), "terms of %s", c.Ticket)
	}
	k.proposes(having("note"))
}

// candidatesKnown publishes, replaces and withdraws.
func candidatesKnown(k *kit) {
	a := k.opened(acme, about("Secret subject", "secret"), solution("secret"), known("Blank leaves", "Clean the fuser."))
	b := k.opened(acme, about("Secret subject", "leaves"), known("Paper jam", "Open the lid."))
	k.commit(a, b, k.opened(acme, about("leaves", "fuser"), solution("jam")))
	ask := func(words string) ticket.CandidateQuery {
		q := having(words)
		q.Known = true
		return q
	}
	k.proposes(ask("secret subject"))
	k.proposes(ask("leaves"), a.Ticket)
	k.proposes(ask("fuser jam"), a.Ticket, b.Ticket)
	k.same(k.candidates(ask("leaves")).List[0].Terms, termsOf(a, true), "terms of a known problem")
	k.proposes(having("clean"), a.Ticket) // a solved ticket has the words that are published about it
	c := next(a.Ticket, known("White leaves", "Clean it."))
	k.commit(c)
	k.proposes(ask("fuser"))
	k.proposes(ask("white"), a.Ticket)
	k.commit(next(c.Ticket, known("", "")))
	k.proposes(ask("white leaves clean"))
}

func candidatesTotal(k *kit) {
	check := func(known bool, words string, total int, with ...int) {
		q := having(words)
		q.Known = known
		found := k.candidates(q)
		k.same(found.Total, total, "Total with Known %v", known)
		k.same(found.With, with, "With for %q and Known %v", words, known)
	}
	check(false, "printer", 0, 0)
	a := k.opened(acme, about("Printer printer", "printer loud"), solution("Oil"))
	b := k.opened(acme, about("Printer", "quiet"), solution("Louder"))
	c := k.opened(acme, about("Printer", "loud"))
	k.commit(a, b, c)
	check(false, "loud printer nosuchword oil", 2, 1, 2, 0, 1)
	check(true, "loud printer", 0, 0, 0)
	d := next(c.Ticket, solution("Oil"))
	k.commit(d)
	check(false, "loud printer oil", 3, 2, 3, 2)
	e := next(d.Ticket, known("Loud printers", "Oil"))
	k.commit(e)
	check(false, "loud printers oil", 3, 2, 1, 2)
	check(true, "loud printers printer", 1, 1, 1, 0)
	k.commit(next(e.Ticket, reopened), next(b.Ticket, func(e *ticket.Event) { e.Subject = "Renamed" }, solution("Oil")))
	check(false, "loud printer oil renamed quiet", 2, 1, 1, 2, 1, 1)
	check(true, "loud", 1, 1)
}

func candidatesFresh(k *kit) {
	c := k.opened(acme, about("Printer", "It is broken."))
	k.commit(c)
	k.proposes(having("broken"))
	for i := range 3 {
		text := fmt.Sprintf("later%c", 'a'+i)
		c = next(c.Ticket, solution(ticket.Message(text)))
		k.commit(c)
		k.proposes(having(text), c.Ticket)
		c = next(c.Ticket, reopened)
		k.commit(c)
		k.proposes(having(text + " broken"))
	}
	c = next(c.Ticket, solution("done"), func(e *ticket.Event) { e.Subject = "Renamed" })
	k.commit(c)
	k.proposes(having("renamed"), c.Ticket)
}

// candidatesRace commits while other goroutines read and call Maintain.
func candidatesRace(k *kit) {
	changes := make([]ticket.Change, 40)
	for i := range changes {
		changes[i] = k.opened(acme, about("Printer", ""), solution("Done."))
	}
	k.together(8, func(i int) error {
		for j := i; j < len(changes); j += 8 {
			if err := k.try(changes[j]); err != nil {
				return fmt.Errorf("Commit: %w", err)
			}
			if err := k.maintain(); err != nil {
				return fmt.Errorf("Maintain: %w", err)
			}
			if _, err := k.store.Candidates(k.Context(), having("printer")); err != nil {
				return fmt.Errorf("Candidates: %w", err)
			}
		}
		return nil
	})
	found := k.candidates(having("printer"))
	k.same(len(found.List), len(changes), "tickets found, of those that were solved at the same time")
	k.same(found.Total, len(changes), "Total")
	k.same(found.With, []int{len(changes)}, "With")
}

func candidatesTenants(k *kit) {
	mine := map[string]ticket.ID{}
	for _, tenant := range tenants {
		c := k.opened(tenant, about("Printer", ""), solution("Done."), known("Printer", "text"))
		mine[tenant] = c.Ticket.ID
		k.commit(c)
	}
	for _, tenant := range tenants {
		for _, known := range []bool{false, true} {
			found := k.candidates(ticket.CandidateQuery{Tenant: tenant, Known: known, Words: []string{"printer"}, Limit: 100})
			k.same(candidateIDs(found), []ticket.ID{mine[tenant]}, "tickets found under %q", tenant)
			k.same(found.Total, 1, "Total under %q", tenant)
			k.same(found.With, []int{1}, "With under %q", tenant)
		}
	}
}

func candidatesCopies(k *kit) {
	c := k.opened(acme, about("Printer", ""), solution("Done."))
	k.commit(c)
	for range 3 {
		q := having("printer")
		found := k.candidates(q)
		k.same(found.List, []ticket.Candidate{{Ticket: c.Ticket.ID, Terms: termsOf(c, false)}}, "found after the caller changed an earlier result")
		k.same(found.With, []int{1}, "With after the caller changed an earlier result")
		scribble(&q)
		scribble(&found)
	}
}

func candidatesInvalid(k *kit) {
	k.commit(k.opened(acme, about("Printer", ""), solution("Done.")))
	many := make([]string, 257)
	for i := range many {
		many[i] = fmt.Sprintf("word%d", i)
	}
	for what, change := range map[string]func(q *ticket.CandidateQuery){
		"no limit":            func(q *ticket.CandidateQuery) { q.Limit = 0 },
		"a limit above 500":   func(q *ticket.CandidateQuery) { q.Limit = 501 },
		"no word":             func(q *ticket.CandidateQuery) { q.Words = nil },
		"an empty word":       func(q *ticket.CandidateQuery) { q.Words = []string{"printer", ""} },
		"a capital":           func(q *ticket.CandidateQuery) { q.Words = []string{"Printer"} },
		"two words in one":    func(q *ticket.CandidateQuery) { q.Words = []string{"printer done"} },
		"an operator":         func(q *ticket.CandidateQuery) { q.Words = []string{"printer'"} },
		"a word twice":        func(q *ticket.CandidateQuery) { q.Words = []string{"printer", "printer"} },
		"more than 256 of it": func(q *ticket.CandidateQuery) { q.Words = many },
	} {
		q := having("printer")
		change(&q)
		_, err := k.store.Candidates(k.Context(), q)
		k.refused(err, ticket.ErrInvalid, "Candidates with %s", what)
	}
	q := having("printer")
	q.Words = many[:256]
	k.proposes(q)
}

func candidatesCancelled(k *kit) {
	k.commit(k.opened(acme, about("Printer", ""), solution("Done.")))
	ctx, cancel := context.WithCancel(k.Context())
	cancel()
	_, err := k.store.Candidates(ctx, having("printer"))
	k.refused(err, context.Canceled, "Candidates with a cancelled context")
}
