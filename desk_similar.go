package ticket

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/ticketkit/ticket/internal/fieldvalue"
	"github.com/ticketkit/ticket/internal/similar"
	"github.com/ticketkit/ticket/internal/words"
)

// KnownProblem is a problem with its solution, as an agent has published it for all
// customers of the tenant; see [ActionPublish]. It is a part of the event that publishes it,
// so it can be erased.
type KnownProblem struct {
	Title string  `json:"title"`
	Text  Message `json:"text"`
}

// IsZero reports whether nothing is published.
func (k KnownProblem) IsZero() bool { return k == KnownProblem{} }

// Suggestion is a solved ticket, or a known problem, that is similar to a ticket or a draft.
type Suggestion struct {
	// Ticket is the solved ticket. It is the zero Ticket for customers.
	Ticket Ticket
	// Solution is the message with which the ticket was last resolved. It is empty for
	// customers, and if it was erased.
	Solution Message
	// Known is what is published about the ticket. For customers, it is all they get.
	Known KnownProblem
	// Words are the words that the two share, as the ticket or draft that was asked about
	// spells them: the reason for the suggestion. Those that tell most come first. Words
	// that more than half of all solved tickets have are left out.
	Words []string
}

// Limits of suggestions.
const (
	usualSuggestions = 5
	maxSuggestions   = 50
	maxCandidates    = 500
)

// Similar returns solved tickets that are similar to a ticket, the best first: at most
// limit, where zero means 5 and 50 is the most. They are of the actor's tenant, and the actor
// may see them. Merged and cancelled tickets are not suggested, and neither is the ticket
// itself.
//
// A customer gets only known problems, as they were published, and only if their title and
// text have words of what the customer may read in the ticket. The holder of a status link
// counts as a customer.
//
// The measure is BM25F over the subject (weight 3), the messages and the solution. An equal
// queue and equal fields count a little. It ranks at most 500 tickets, those with the rarest
// words of the ticket first. An actor who may see few of them gets fewer suggestions. Notes
// are never read. A recent solution may be found a moment later only; see [Maintainer].
//
// Errors: [ErrNotFound] for a ticket the actor may not see, [ErrInvalid] for the limit, and
// [errors.ErrUnsupported] from a store that is not a [Suggester].
func (d *Desk) Similar(ctx context.Context, a Actor, id ID, limit int) ([]Suggestion, error) {
	a, err := d.admit(ctx, a)
	if err != nil {
		return nil, err
	}
	if !a.only.IsZero() && a.only != id {
		return nil, &NotFoundError{What: "ticket", Ref: id.String()}
	}
	t, err := d.load(ctx, a, id)
	if err != nil {
		return nil, err
	}
	about := similar.Text{Subject: d.shown(a, t).Subject}
	size := 0
	for e, err := range d.history(ctx, a, t, 0) {
		if err != nil {
			return nil, err
		}
		if e.Message != "" {
			about.Words = append(about.Words, string(e.Message))
		}
		if size += len(e.Message); size > mostWords {
			break // more words than a query has
		}
	}
	if a.Role != RoleRequester {
		about.Labels = alike(t.Queue, t.Fields)
	}
	return d.similar(ctx, a, about, id, limit)
}

// mostWords is how many bytes of a ticket's messages are read for a query, which has at most
// 256 words.
const mostWords = 64 << 10

// SimilarToDraft is [Desk.Similar] for a ticket that is not opened yet, also while it is
// being typed. It uses Subject, Message, Queue and Fields of the draft, of which any may be
// empty, and ignores the rest. Without a word there are no suggestions. Text and fields must
// be within the desk's limits; otherwise it is [ErrInvalid].
func (d *Desk) SimilarToDraft(ctx context.Context, a Actor, dr Draft, limit int) ([]Suggestion, error) {
	a, err := d.admit(ctx, a)
	if err != nil {
		return nil, err
	}
	c := check{Limits: d.cfg.Limits}
	about := similar.Text{
		Subject: c.line("draft.subject", dr.Subject, c.Subject),
		Words:   []string{string(text(&c, "draft.message", dr.Message, c.Message))},
	}
	queue, fields := name(&c, "draft.queue", dr.Queue), c.fields("draft.fields", dr.Fields, false)
	if c.err != nil {
		return nil, c.err
	}
	if a.Role != RoleRequester {
		about.Labels = alike(queue, fields)
	}
	return d.similar(ctx, a, about, ID{}, limit)
}

// alike returns the values that count if they are equal.
func alike(queue string, fields Fields) (labels []string) {
	if queue != "" {
		labels = append(labels, "queue:"+queue)
	}
	for _, k := range sortedKeys(fields) {
		if v, err := fieldvalue.Normalize(fields[k]); err == nil {
			labels = append(labels, fmt.Sprintf("field:%q=%T:%v", k, v, v))
		}
	}
	return labels
}

// similar returns suggestions for a text, without the ticket itself.
func (d *Desk) similar(ctx context.Context, a Actor, about similar.Text, self ID, limit int) ([]Suggestion, error) {
	if limit < 0 || limit > maxSuggestions {
		return nil, invalid("limit", "must be 1 to %d, or 0 for %d", maxSuggestions, usualSuggestions)
	}
	limit = cmp.Or(limit, usualSuggestions)
	q := similar.NewQuery(about)
	if len(q.Words()) == 0 {
		return nil, nil
	}
	ask := CandidateQuery{Tenant: a.Tenant, Known: a.Role == RoleRequester, Limit: maxCandidates}
	for _, w := range q.Words() {
		ask.Words = append(ask.Words, w.Folded)
	}
	found, err := Candidates{}, errors.ErrUnsupported
	if s, ok := d.store.(Suggester); ok {
		found, err = s.Candidates(ctx, ask)
	}
	if err != nil {
		return nil, unsupported("suggestions", err)
	}
	texts := make([][]byte, len(found.List))
	for i := range found.List {
		texts[i] = found.List[i].Terms
	}
	var list []Suggestion
	for _, m := range similar.Rank(q, found.Total, found.With, texts) {
		if len(list) == limit {
			break
		}
		id := found.List[m.Index].Ticket
		if id == self && !ask.Known {
			continue
		}
		s, ok, err := d.suggestion(ctx, a, id, q, m.Words)
		if err != nil {
			return nil, err
		}
		if ok {
			list = append(list, s)
		}
	}
	return list, nil
}

// suggestion reads a ticket that a store suggests. The store may be out of date, so it
// compares with the ticket as it is now.
func (d *Desk) suggestion(ctx context.Context, a Actor, id ID, q *similar.Query, shared []int) (Suggestion, bool, error) {
	t, err := d.store.Ticket(ctx, a.Tenant, id)
	if isNotFound(err) {
		return Suggestion{}, false, nil
	}
	if err != nil {
		return Suggestion{}, false, err
	}
	var s Suggestion
	var texts []string
	if a.Role == RoleRequester {
		s.Known = d.published(t.Known)
		texts = []string{s.Known.Title, string(s.Known.Text)}
	} else {
		if !t.solved() || !d.cfg.Policy.MaySee(a, t) {
			return Suggestion{}, false, nil
		}
		s.Ticket, s.Known = t, t.Known
		texts = []string{t.Subject, t.Known.Title, string(t.Known.Text)}
		for e, err := range d.events(ctx, t.Tenant, t.ID) {
			if err != nil {
				return Suggestion{}, false, err
			}
			texts = append(texts, string(e.Message))
			if e.Action == ActionResolve {
				s.Solution = e.Message
			}
		}
	}
	has := map[string]bool{}
	for _, text := range texts {
		for _, w := range words.Fold(text) {
			has[w] = true
		}
	}
	for _, i := range shared {
		if w := q.Words()[i]; has[w.Folded] {
			s.Words = append(s.Words, w.Written)
		}
	}
	return s, len(s.Words) > 0, nil
}

// solved reports whether the ticket was resolved and has not been reopened, cancelled or
// merged since.
func (t *Ticket) solved() bool {
	return t.Phase.Done() && !t.Resolved.IsZero() && t.Status != StatusCancelled && t.MergedInto.IsZero()
}

// KnownProblems yields what is published in the actor's tenant, by descending creation time
// of the tickets. Every actor may read it: customers, holders of status links, agents and
// systems. Agents who need the tickets list them with [Query].Known. It ends after an error.
func (d *Desk) KnownProblems(ctx context.Context, a Actor) iter.Seq2[KnownProblem, error] {
	return func(yield func(KnownProblem, error) bool) {
		a, err := d.admit(ctx, a)
		q := Query{Tenant: a.Tenant, Known: true, Stage: stages, Order: OrderNewestFirst}
		for err == nil {
			var page Page
			if page, err = d.store.List(ctx, q); err != nil {
				break
			}
			for _, t := range page.Tickets {
				if !yield(d.published(t.Known), nil) {
					return
				}
			}
			if q.After = page.Next; q.After == "" {
				return
			}
		}
		yield(KnownProblem{}, err)
	}
}

// published returns a known problem in the form for customers: without status links, which
// a text may quote.
func (d *Desk) published(k KnownProblem) KnownProblem {
	return KnownProblem{Title: d.cfg.StatusLinks.cutTokens(k.Title), Text: Message(d.cfg.StatusLinks.cutTokens(string(k.Text)))}
}

// maySolve checks the ticket that an action names as the one that solved another.
func (d *Desk) maySolve(ctx context.Context, a Actor, solved, by ID) error {
	switch {
	case by.IsZero():
		return nil
	case by == solved:
		return invalid("action.solved_by", "is this ticket itself")
	}
	_, err := d.load(ctx, a, by)
	return err
}

// CandidateQuery (for stores) asks a [Suggester] for tickets.
type CandidateQuery struct {
	Tenant string
	Known  bool     // asks for known problems, by what was published, and not for solved tickets
	Words  []string // folded, each once, at most 256
	Limit  int      // at most 500
}

// Check returns an [*InvalidError] if the query is not valid. Stores call it first.
func (q CandidateQuery) Check() error {
	switch {
	case q.Limit < 1 || q.Limit > maxCandidates:
		return invalid("candidates.limit", "must be 1 to %d", maxCandidates)
	case len(q.Words) == 0 || len(q.Words) > similar.MaxWords:
		return invalid("candidates.words", "must be 1 to %d", similar.MaxWords)
	}
	for i, w := range q.Words {
		if fold := words.Fold(w); len(fold) != 1 || fold[0] != w {
			return invalid("candidates.words", "must be folded words")
		}
		if slices.Contains(q.Words[:i], w) {
			return invalid("candidates.words", "must be different")
		}
	}
	return nil
}

// Candidates (for stores) is the answer of a [Suggester].
type Candidates struct {
	Total int   // how many solved tickets the tenant has, or how many known problems
	With  []int // for each word of the query, how many of them have it
	List  []Candidate
}

// Candidate (for stores) is a ticket that a [Suggester] proposes.
type Candidate struct {
	Ticket ID
	Terms  []byte // from TermsOf
}

// TermsOf (for stores) returns what a [Suggester] keeps of a ticket: its folded words, each
// once, and its terms, in which the words are digests. They are those of a solved ticket or,
// with known, those of the known problem. Both are nil for a ticket that is not solved, or
// about which nothing is published. Of the events it uses Action and Message, of the messages
// the first 128 KiB. Terms have at most about 9 KB.
func TermsOf(t Ticket, events iter.Seq[Event], known bool) (folded []string, terms []byte) {
	if known {
		return similar.Terms(similar.Text{Subject: t.Known.Title, Words: []string{string(t.Known.Text)}})
	}
	if !t.solved() {
		return nil, nil
	}
	text := similar.Text{Subject: t.Subject, Solution: []string{"", t.Known.Title, string(t.Known.Text)}, Labels: alike(t.Queue, t.Fields)}
	size := 0
	for e := range events {
		message := string(e.Message[:min(len(e.Message), mostTerms-size)])
		if size += len(message); message == "" {
			continue
		}
		if e.Action == ActionResolve { // the last one is the solution, earlier ones are messages
			message, text.Solution[0] = text.Solution[0], message
		}
		text.Words = append(text.Words, message)
	}
	return similar.Terms(text)
}

// mostTerms is how many bytes of a ticket's messages count.
const mostTerms = 128 << 10
