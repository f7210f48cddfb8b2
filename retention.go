package ticket

import (
	"fmt"
	"reflect"
	"time"
)

// RetentionRule says what becomes of closed tickets in the course of time, for
// [Config].Retention. The first rule that selects a ticket counts. A ticket that no rule
// selects stays as it is. Ages are counted from Ticket.Closed; a ticket that is solved and not
// closed has none. A zero age means never.
type RetentionRule struct {
	// Name identifies the rule in reports, and in the history of each ticket, for ever.
	Name string

	// Tickets selects tickets. The zero Query selects all. It must not have an order, a cursor,
	// a limit, a tenant, phases, stages, or conditions about clocks. Conditions about what was
	// erased, such as tags, no longer hold for an erased ticket.
	Tickets Query

	// Archive is the age at which a ticket is archived: it leaves lists, counts and search.
	Archive time.Duration
	// EraseWords is the age at which texts, files, fields and remarks are erased, at least
	// Archive.
	EraseWords time.Duration
	// ErasePersons is the age at which the persons are erased too, at least EraseWords.
	ErasePersons time.Duration
}

// RetentionStep is one step of a ticket; see [Desk.Retain].
type RetentionStep struct {
	Tenant string
	Ticket ID
	Number Number
	Rule   string // its name
	Stage  Stage  // that the ticket gets
}

// retentionSteps lists the steps from the last stage to the first, so that a ticket makes one
// step in a run.
var retentionSteps = [...]struct {
	from, to Stage
	age      func(*RetentionRule) time.Duration
	erase    Groups
}{
	{StageWordsErased, StageErased, func(r *RetentionRule) time.Duration { return r.ErasePersons }, allGroups},
	{StageArchived, StageWordsErased, func(r *RetentionRule) time.Duration { return r.EraseWords }, Groups{PublicContent: true, InternalContent: true, Remarks: true}},
	{StageActive, StageArchived, func(r *RetentionRule) time.Duration { return r.Archive }, Groups{}},
}

// checkRetention checks the rules as a whole.
func checkRetention(rules []RetentionRule) error {
	all := ""
	for i := range rules {
		r := &rules[i]
		at := fmt.Sprintf("config.retention[%d]", i)
		c := check{Limits: defaultLimits()}
		if name(&c, at+".name", r.Name) != r.Name || r.Name == "" {
			c.fail(at+".name", "is missing, or has blanks at its ends or what cannot be seen")
		}
		for j := range rules[:i] {
			if rules[j].Name == r.Name {
				c.fail(at+".name", "is that of an earlier rule")
			}
		}
		q := &r.Tickets
		switch {
		case all != "":
			c.fail(at, "never applies: rule %s selects all tickets", quote(all))
		case q.Order != "" || q.After != "" || q.Limit != 0 || q.Tenant != "":
			c.fail(at+".tickets", "must not have an order, a cursor, a limit or a tenant")
		case len(q.Phase)+len(q.Stage) > 0:
			c.fail(at+".tickets", "must not have phases or stages: retention is about closed tickets in every stage")
		case q.Metric != "" || q.Missed || q.NotSnoozed || !q.DueBefore.IsZero():
			c.fail(at+".tickets", "must not have conditions about clocks")
		case r.Archive < 0 || r.EraseWords < 0 || r.ErasePersons < 0:
			c.fail(at, "has a negative age")
		case r.EraseWords != 0 && (r.Archive == 0 || r.EraseWords < r.Archive):
			c.fail(at+".erase_words", "must not be before Archive, which is %s", r.Archive)
		case r.ErasePersons != 0 && len(q.Tags)+len(q.Fields) > 0:
			c.fail(at+".erase_persons", "can never come: EraseWords erases the tags and fields that the rule selects by")
		case r.ErasePersons != 0 && (r.EraseWords == 0 || r.ErasePersons < r.EraseWords):
			c.fail(at+".erase_persons", "must not be before EraseWords, which is %s", r.EraseWords)
		}
		if c.err != nil {
			return c.err
		}
		if err := q.Check(); err != nil {
			return &InvalidError{Field: at + ".tickets", Reason: "is not a valid query", Err: err}
		}
		if reflect.ValueOf(*q).IsZero() {
			all = r.Name
		}
	}
	return nil
}

// retentionRule returns the rule for a ticket; nil: none.
func (c *Config) retentionRule(t *Ticket) *RetentionRule {
	for i := range c.Retention {
		q := c.Retention[i].Tickets
		q.Tenant, q.Stage = t.Tenant, stages
		if q.Match(t) {
			return &c.Retention[i]
		}
	}
	return nil
}
