package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ticketkit/ticket"
)

const (
	saysSearch  = "Search returns the tickets that match q.Query and contain every word of q.Text, newest first (by descending creation time, then by descending ID), at most q.PageSize of them."
	saysWords   = "A ticket matches if it contains all of them, in any place, order and case."
	saysPrefix  = `"prin*", with three or more symbols before the asterisk, matches every word that begins with them.`
	saysFolds   = "A word is a run of letters and digits; in scripts that are written without blanks, each symbol is a word. Accents do not count."
	saysFirst   = "Only the first 16 words count."
	saysWhere   = "It searches the current subject, the messages, solutions included, and what is published."
	saysNotes   = "It must search notes only if q.Notes is true, and no snippet may quote them otherwise."
	saysSnippet = "A snippet must be a short piece of this text, at most 500 bytes, that contains a searched word and marks every searched word in it."
	saysFresh   = "A commit must be found at the latest after the next call of Maintain if the store is a Maintainer, and at once if it is not."
	saysBest    = "Best sorts the best matches first, above all those with the words in the subject. It ranks only the newest matching tickets; the store chooses how many."
	saysAsked   = "It must return ErrInvalid if q does not pass SearchQuery.Check."
	saysShared  = "Several processes that share a store may call Maintain at the same time."
)

var searchRules = []rule{
	{name: "Search/words", says: saysWords, lacks: noSearch, prove: searchWords},
	{name: "Search/prefix", says: saysPrefix, lacks: noSearch, prove: searchPrefix},
	{name: "Search/what a word is", says: saysFolds, lacks: noSearch, prove: searchFolded},
	{name: "Search/sixteen words", says: saysFirst, lacks: noSearch, prove: searchMany},
	{name: "Search/where", says: saysWhere, lacks: noSearch, prove: searchWhere},
	{name: "Search/known problems", says: saysWhere, lacks: noSearch, upon: []string{"Search/snippet", "Search/fresh"}, prove: searchKnown},
	{name: "Search/notes", says: saysNotes, lacks: noSearch, prove: searchNotes},
	{name: "Search/match", says: saysSearch, lacks: noSearch, prove: searchMatch},
	{name: "Search/order", says: saysSearch, lacks: noSearch, prove: searchOrder},
	{name: "Search/limit", says: saysSearch, lacks: noSearch, prove: searchLimit},
	{name: "Search/best", says: saysBest, lacks: noSearch, prove: searchBest},
	{name: "Search/whole tickets", says: saysSearch, lacks: noSearch, prove: searchWhole},
	{name: "Search/snippet", says: saysSnippet, lacks: noSearch, prove: searchSnippet},
	{name: "Search/fresh", says: saysFresh, lacks: noSearch, prove: searchFresh},
	{name: "Search/fresh after commits at once", says: saysShared, needs: Concurrency, lacks: noSearch, prove: searchRace},
	{name: "Search/tenants", says: saysTenant, lacks: noSearch, prove: searchTenants},
	{name: "Search/copies", says: saysCopies, lacks: noSearch, prove: searchCopies},
	{name: "Search/invalid", says: saysAsked, lacks: noSearch, prove: searchInvalid},
	{name: "Search/cancelled", says: saysCancelled, lacks: noSearch, prove: searchCancelled},
}

// noSearch names the feature if the store lacks it.
func noSearch(ctx context.Context, s ticket.Store) string {
	searcher, ok := s.(ticket.Searcher)
	if ok {
		_, err := searcher.Search(ctx, ticket.SearchQuery{Text: "anything"})
		ok = !errors.Is(err, errors.ErrUnsupported)
	}
	if !ok {
		return "full-text search"
	}
	return ""
}

// maintain calls Maintain once.
func (k *kit) maintain() error {
	if err := k.store.Maintain(k.Context()); !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return nil
}

// search calls Maintain and returns the results of a search.
func (k *kit) search(q ticket.SearchQuery) []ticket.Hit {
	k.Helper()
	k.ok(k.maintain(), "Maintain")
	hits, err := k.store.Search(k.Context(), q)
	k.ok(err, "Search for %q", q.Text)
	return hits
}

// looking returns a search of acme's tickets for words.
func looking(text string) ticket.SearchQuery {
	return ticket.SearchQuery{Query: ticket.Query{Tenant: acme, Limit: ticket.MaxLimit}, Text: text}
}

// finds expects a search to return exactly these tickets, in any order.
func (k *kit) finds(q ticket.SearchQuery, want ...ticket.Ticket) {
	k.Helper()
	got, ids := idsOf(ticketsOf(k.search(q))), idsOf(want)
	slices.SortFunc(got, ticket.ID.Compare)
	slices.SortFunc(ids, ticket.ID.Compare)
	k.same(got, ids, "tickets found by %q", q.Text)
}

func ticketsOf(hits []ticket.Hit) []ticket.Ticket {
	list := make([]ticket.Ticket, len(hits))
	for i := range hits {
		list[i] = hits[i].Ticket
	}
	return list
}

// said returns an edit that sets the message.
func said(text ticket.Message) edit { return func(e *ticket.Event) { e.Message = text } }

// about returns an edit that sets the subject and the message.
func about(subject string, message ticket.Message) edit {
	return func(e *ticket.Event) { e.Subject, e.Message = subject, message }
}

func searchWords(k *kit) {
	a := k.opened(acme, about("Fuser of the printer", "It SMOKES, in room 2.14 (north). Straße: ÄPFEL verbrannt."))
	b := k.opened(acme, about("Printer on fire", "Smoke everywhere; fuserless."))
	k.commit(a, b)
	for text, want := range map[string][]ticket.Ticket{
		"printer":               {a.Ticket, b.Ticket},
		"fuser":                 {a.Ticket},
		"smokes fuser":          {a.Ticket}, // in another text and order
		"PRINTER Smokes":        {a.Ticket},
		"\"printer\" -- smokes": {a.Ticket}, // symbols are ignored
		"printer OR smokes":     nil,        // operators are ordinary words
		"NOT fuser":             nil,
		"fuser AND smokes":      nil,
		"verbrannt äpfel":       {a.Ticket},
		"printer everywhere":    {b.Ticket},
		"fuser everywhere":      nil,
		"print":                 nil, // a part of a word does not match
		"use":                   nil,
		"p%":                    nil,
		"smok_":                 nil,
		"printer nosuchword":    nil,
	} {
		k.finds(looking(text), want...)
	}
}

func searchPrefix(k *kit) {
	a := k.opened(acme, about("Printing takes long", "Blueprint attached."))
	b := k.opened(acme, about("The printer", "Sprint."))
	k.commit(a, b)
	for text, want := range map[string][]ticket.Ticket{
		"prin*":        {a.Ticket, b.Ticket},
		"PRI*":         {a.Ticket, b.Ticket},
		"printi* long": {a.Ticket},
		"printing*":    {a.Ticket}, // a prefix also matches the whole word
		"prin* spr*":   {b.Ticket},
		"pr*":          nil, // too short for a prefix, so it is the word "pr"
		"*print":       nil,
	} {
		k.finds(looking(text), want...)
	}
}

func searchFolded(k *kit) {
	a := k.opened(acme, about("Café Mu\u0308ller, room 2.14", "e-mail: 印刷機"))
	k.commit(a, k.opened(acme))
	for _, text := range []string{"cafe muller", "CAFÉ MÜLLER", "cafe\u0301", "müll*", "mail 14", "e-mail 2.14", "印刷", "刷"} {
		k.finds(looking(text), a.Ticket)
	}
	k.finds(looking("email"))
	k.finds(looking("印紙"))
}

func searchMany(k *kit) {
	var words []string
	for i := range 20 {
		words = append(words, fmt.Sprintf("word%c", 'a'+i))
	}
	a := k.opened(acme, about("All of them", ticket.Message(strings.Join(words[:16], " "))))
	b := k.opened(acme, about("All but one", ticket.Message(strings.Join(words[:15], " "))))
	k.commit(a, b)
	k.finds(looking(strings.Join(words[:15], " ")), a.Ticket, b.Ticket)
	k.finds(looking(strings.Join(words, " ")), a.Ticket)
}

// searchWhere searches for a word of each text of one commit.
func searchWhere(k *kit) {
	a := k.opened(acme, about("Firstsubject here", "Opening words."), said("A reply came."), func(e *ticket.Event) {
		e.Subject = "Secondsubject there"
	}, func(e *ticket.Event) {
		e.Message, e.Action, e.Answer = "The solution: cleaned.", ticket.ActionResolve, true
		e.To.Status, e.Phase = ticket.StatusResolved, ticket.PhaseSolved
	})
	if a.Ticket.Subject != "Secondsubject there" {
		panic("storetest: the subject was not changed")
	}
	k.commit(a, k.opened(acme))
	for _, text := range []string{"secondsubject", "opening", "reply came", "cleaned solution", "there opening"} {
		k.finds(looking(text), a.Ticket)
	}
}

// searchKnown searches for what is published, was published or was replaced.
func searchKnown(k *kit) {
	a := k.opened(acme, about("Firstsubject", "Opening words."))
	k.commit(a, k.opened(acme))
	a = next(a.Ticket, known("Blank leaves", "Exchange the fuser."))
	k.commit(a)
	k.finds(looking("leaves fuser firstsubject"), a.Ticket)
	if h := k.search(looking("fuser"))[0]; len(h.Snippet.Marks) != 1 {
		k.fail("the snippet has no mark at the searched word: %q", h.Snippet.Text)
	}
	a = next(a.Ticket, known("Empty leaves", "Clean the roller."))
	k.commit(a)
	k.finds(looking("fuser"))
	q := looking("roller")
	q.Known = true
	k.finds(q, a.Ticket)
	a = next(a.Ticket, known("", ""))
	k.commit(a)
	k.finds(looking("roller"))
	k.finds(looking("opening"), a.Ticket)
}

// searchNotes searches for words that occur in notes only, and for words of other texts.
func searchNotes(k *kit) {
	a := k.opened(acme, about("The printer", "It is loud."), func(e *ticket.Event) {
		e.Message, e.Note = "We look into it.", "customer is loud and shouting"
	}, note("confidential printer"))
	k.commit(a)
	for _, text := range []string{"confidential", "shouting", "loud shouting", "conf*", "printer confidential"} {
		k.finds(looking(text))
		q := looking(text)
		q.Notes = true
		k.finds(q, a.Ticket)
		if h := k.search(q)[0]; len(h.Snippet.Marks) == 0 {
			k.fail("the snippet of a note has no mark: %q", h.Snippet.Text)
		}
	}
	for _, text := range []string{"loud", "printer", "loud printer"} {
		for _, h := range k.search(looking(text)) {
			for _, secret := range []string{"shouting", "customer", "confidential"} {
				if strings.Contains(h.Snippet.Text, secret) {
					k.fail("a search for %q without notes shows one: %q", text, h.Snippet.Text)
				}
			}
		}
	}
}

// searchMatch searches with all conditions of a list.
func searchMatch(k *kit) {
	k.populate(len(population()))
	k.commit(k.opened(acme, about("Something else", "entirely")))
	k.ok(k.maintain(), "Maintain")
	for i, q := range questions() {
		if i%3 > 0 || q.Order != "" { // List tests the others
			continue
		}
		hits, err := k.store.Search(k.Context(), ticket.SearchQuery{Query: q.Query, Text: "second printer"})
		k.ok(err, "Search")
		got := idsOf(ticketsOf(hits))
		slices.SortFunc(got, ticket.ID.Compare)
		k.same(got, q.answer, "tickets found that match %+v", q.Query)
	}
}

func searchOrder(k *kit) {
	tickets := k.populate(80)
	q := ticket.Query{Tenant: acme, Order: ticket.OrderNewestFirst, Limit: ticket.MaxLimit}
	k.same(idsOf(ticketsOf(k.search(looking("printer")))), answer(tickets, q), "tickets found, in their order")
}

func searchLimit(k *kit) {
	tickets := k.populate(60)
	all := answer(tickets, ticket.Query{Tenant: acme, Order: ticket.OrderNewestFirst, Limit: ticket.MaxLimit})
	for limit, want := range map[int]int{0: ticket.Query{}.PageSize(), 1: 1, 7: 7, 60: 60, ticket.MaxLimit: 60} {
		q := looking("printer")
		q.Limit = limit
		got, first := idsOf(ticketsOf(k.search(q))), slices.Clone(all[:want])
		slices.SortFunc(got, ticket.ID.Compare)
		slices.SortFunc(first, ticket.ID.Compare)
		k.same(got, first, "tickets found with limit %d, of 60", limit)
		q.Best = true
		k.same(len(k.search(q)), want, "best tickets found with limit %d, of 60", limit)
	}
}

func searchBest(k *kit) {
	minute := func(n int, subject string, message ticket.Message) ticket.Change {
		return k.opened(acme, func(e *ticket.Event) {
			e.At, e.Subject, e.Message = clock.Add(time.Duration(n)*time.Minute), subject, message
		})
	}
	both, one, none := minute(1, "Paper jam", "Help!"), minute(2, "Paper", "A jam."), minute(3, "Help", "The jam of paper.")
	k.commit(both, one, none)
	q := looking("paper jam")
	k.same(idsOf(ticketsOf(k.search(q))), idsOf([]ticket.Ticket{none.Ticket, one.Ticket, both.Ticket}), "the newest first")
	q.Best = true
	k.same(idsOf(ticketsOf(k.search(q))), idsOf([]ticket.Ticket{both.Ticket, one.Ticket, none.Ticket}), "the best first")
}

func searchWhole(k *kit) {
	c := k.filled(plainly(), acme)
	k.put(c)
	q := looking("text")
	q.Stage = ticket.Stages()
	hits := k.search(q)
	k.same(len(hits), 1, "tickets found")
	k.same(hits[0].Ticket, c.Changes[0].Ticket, "ticket found")
}

// searchSnippet searches in short and long texts.
func searchSnippet(k *kit) {
	filler := strings.Repeat("naïve 日本 filler, <b>\r\n", 2000)
	a := k.opened(acme, about("Short", "The paper jams; PAPER everywhere."))
	b := k.opened(acme, about("Long", ticket.Message(filler+"a paper jams here "+filler)))
	c := k.opened(acme, about("Paper in the subject", "It jams."))
	k.commit(a, b, c)
	for _, text := range []string{"paper", "pap*", "jams paper", "Paper pap*"} {
		hits := k.search(looking(text))
		k.same(len(hits), 3, "tickets found by %q", text)
		for _, h := range hits {
			k.snippet(h, strings.Contains(text, "jams"))
		}
	}
}

// snippet expects marks at every "paper", or "jams" if that was searched, and nowhere
// else.
func (k *kit) snippet(h ticket.Hit, jams bool) {
	k.Helper()
	s, at := h.Snippet, 0
	if len(s.Text) > 500 || !utf8.ValidString(s.Text) {
		k.fail("the snippet has %d bytes or is not UTF-8: %q", len(s.Text), s.Text)
	}
	if len(s.Marks) == 0 {
		k.fail("the snippet has no mark: %q", s.Text)
	}
	isWord := func(piece string) bool {
		return strings.EqualFold(piece, "paper") || jams && strings.EqualFold(piece, "jams")
	}
	unmarked := func(rest string) bool {
		rest = strings.ToLower(rest)
		return strings.Contains(rest, "paper") || jams && strings.Contains(rest, "jams")
	}
	for _, m := range s.Marks {
		if m[0] < at || m[1] <= m[0] || m[1] > len(s.Text) {
			k.fail("the marks %v are not in order in %q", s.Marks, s.Text)
		}
		if piece := s.Text[m[0]:m[1]]; !isWord(piece) {
			k.fail("%q is marked in %q", piece, s.Text)
		}
		if unmarked(s.Text[at:m[0]]) {
			k.fail("not every place is marked by %v in %q", s.Marks, s.Text)
		}
		at = m[1]
	}
	if unmarked(s.Text[at:]) {
		k.fail("not every place is marked by %v in %q", s.Marks, s.Text)
	}
}

// searchFresh changes a ticket between searches.
func searchFresh(k *kit) {
	c := k.opened(acme, about("Printer", "It is broken."))
	k.commit(c)
	k.finds(looking("broken"), c.Ticket)
	for i := range 3 {
		text := fmt.Sprintf("later%c", 'a'+i)
		c = next(c.Ticket, said(ticket.Message(text)))
		k.commit(c)
		k.finds(looking(text+" broken"), c.Ticket)
		k.same(k.search(looking("broken"))[0].Ticket.Version, c.Ticket.Version, "version of the ticket found after a change")
	}
	c = next(c.Ticket, func(e *ticket.Event) { e.Subject = "Renamed" })
	k.commit(c)
	k.finds(looking("renamed"), c.Ticket)
	k.finds(looking("printer"))
	other := k.opened(acme, about("Renamed too", ""))
	k.commit(other)
	k.finds(looking("renamed"), c.Ticket, other.Ticket)
}

// searchRace commits while other goroutines call Maintain.
func searchRace(k *kit) {
	changes := make([]ticket.Change, 40)
	for i := range changes {
		changes[i] = k.opened(acme, about("Printer", ""))
	}
	k.together(8, func(i int) error {
		for j := i; j < len(changes); j += 8 {
			if err := k.try(changes[j]); err != nil {
				return fmt.Errorf("Commit: %w", err)
			}
			if err := k.maintain(); err != nil {
				return fmt.Errorf("Maintain: %w", err)
			}
			if _, err := k.store.Search(k.Context(), looking("printer")); err != nil {
				return fmt.Errorf("Search: %w", err)
			}
		}
		return nil
	})
	k.same(len(k.search(looking("printer"))), len(changes), "tickets found, of those that were opened at the same time")
}

// searchTenants searches under each tenant for words that all tenants have.
func searchTenants(k *kit) {
	for _, tenant := range tenants {
		k.commit(k.opened(tenant))
	}
	for _, tenant := range tenants {
		q := looking("printer")
		q.Tenant = tenant
		var got []string
		for _, t := range ticketsOf(k.search(q)) {
			got = append(got, t.Tenant)
		}
		k.same(got, []string{tenant}, "tenants of the tickets found under %q", tenant)
	}
}

func searchCopies(k *kit) {
	c := k.filled(plainly(), acme)
	t := c.Changes[0].Ticket.Clone()
	k.put(c)
	var before []ticket.Ticket
	for i := range 3 { // the first search may have filled a cache
		q := looking("text")
		q.Status, q.Stage = []ticket.Status{t.Status}, ticket.Stages()
		hits := k.search(q)
		if i == 0 {
			for _, found := range ticketsOf(hits) {
				before = append(before, found.Clone())
			}
		}
		k.same(ticketsOf(hits), before, "found after the caller changed an earlier result")
		scribble(&q)
		scribble(&hits)
	}
	k.same(k.ticket(t), t, "ticket after the caller changed a result of Search")
}

func searchInvalid(k *kit) {
	k.populate(3)
	next := k.list(ticket.Query{Tenant: acme, Limit: 1}).Next
	for what, change := range map[string]func(q *ticket.SearchQuery){
		"a negative limit":       func(q *ticket.SearchQuery) { q.Limit = -1 },
		"a limit above MaxLimit": func(q *ticket.SearchQuery) { q.Limit = ticket.MaxLimit + 1 },
		"an unknown stage":       func(q *ticket.SearchQuery) { q.Stage = []ticket.Stage{"gone"} },
		"an order":               func(q *ticket.SearchQuery) { q.Order = ticket.OrderNewestFirst },
		"a cursor":               func(q *ticket.SearchQuery) { q.After = next },
		"nothing to look for":    func(q *ticket.SearchQuery) { q.Text = "" },
		"no word to look for":    func(q *ticket.SearchQuery) { q.Text = `* "-" …` },
		"a NUL byte":             func(q *ticket.SearchQuery) { q.Text += "\x00" },
		"text that is not UTF-8": func(q *ticket.SearchQuery) { q.Text += "\xff" },
		"long text":              func(q *ticket.SearchQuery) { q.Text = strings.Repeat("printer ", 200) },
	} {
		q := looking("printer")
		change(&q)
		_, err := k.store.Search(k.Context(), q)
		k.refused(err, ticket.ErrInvalid, "Search with %s", what)
	}
}

func searchCancelled(k *kit) {
	k.commit(k.opened(acme))
	ctx, cancel := context.WithCancel(k.Context())
	cancel()
	_, err := k.store.Search(ctx, looking("printer"))
	k.refused(err, context.Canceled, "Search with a cancelled context")
	if err := k.store.Maintain(ctx); !errors.Is(err, errors.ErrUnsupported) {
		k.refused(err, context.Canceled, "Maintain with a cancelled context")
	}
}
