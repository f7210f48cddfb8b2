package sqlstore

import (
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/ticketkit/ticket"
)

// ticketColumns are the columns of a ticket, in the order of a ticketRow.
const ticketColumns = "t.id, t.tenant, t.number, t.version, t.digest, t.status, t.phase, t.level, t.queue, t.assignee, t.pressing, t.channel," +
	" t.reason, t.resolution, t.timer_at, t.timer_action, t.created, t.first_answered, t.touched, t.resolved, t.closed, t.reopened, t.doc," +
	" t.timer_from, t.checked, t.snoozed, t.clocks, t.stage"

// ticketDoc holds the parts of a ticket that have no column.
type ticketDoc struct {
	Requester       ticket.Person   `json:"requester,omitzero"`
	Followers       []ticket.Person `json:"followers,omitempty"`
	Subject         string          `json:"subject,omitempty"`
	Impact          ticket.Grade    `json:"impact,omitempty"`
	Urgency         ticket.Grade    `json:"urgency,omitempty"`
	Tags            []string        `json:"tags,omitempty"`
	Fields          ticket.Fields   `json:"fields,omitempty"`
	Links           []ticket.Link   `json:"links,omitempty"`
	MergedInto      ticket.ID       `json:"merged_into,omitzero"`
	LinkEpoch       int             `json:"link_epoch,omitempty"`
	RequesterSince  int64           `json:"requester_since,omitempty"`
	PriorityGiven   bool            `json:"priority_given,omitempty"`
	Workflow        string          `json:"workflow,omitempty"`
	WorkflowVersion int             `json:"workflow_version,omitempty"`
	Erased          time.Time       `json:"erased,omitzero"`
	LegalHold       bool            `json:"legal_hold,omitempty"`

	FeedbackDue   time.Time `json:"feedback_due,omitzero"`
	FeedbackAsked time.Time `json:"feedback_asked,omitzero"`
	Rated         time.Time `json:"rated,omitzero"`
	Score         int       `json:"score,omitempty"`

	Known    ticket.KnownProblem `json:"known,omitzero"`
	SolvedBy ticket.ID           `json:"solved_by,omitzero"`
	Mailed   []int64             `json:"mailed,omitempty"`
}

func docOf(t *ticket.Ticket) (string, error) {
	return encode(&ticketDoc{
		Requester: t.Requester, Followers: t.Followers, Subject: t.Subject, Impact: t.Impact, Urgency: t.Urgency,
		Tags: t.Tags, Fields: t.Fields, Links: t.Links, MergedInto: t.MergedInto, LinkEpoch: t.LinkEpoch,
		RequesterSince: t.RequesterSince, PriorityGiven: t.PriorityGiven, Workflow: t.Workflow, WorkflowVersion: t.WorkflowVersion,
		Erased: t.Erased, LegalHold: t.LegalHold,
		FeedbackDue: t.FeedbackDue, FeedbackAsked: t.FeedbackAsked, Rated: t.Rated, Score: t.Score,
		Known: t.Known, SolvedBy: t.SolvedBy, Mailed: t.Mailed,
	})
}

func encode(v any) (string, error) {
	b, err := json.Marshal(v)
	return string(b), err
}

// A ticketRow is a reusable target of a scan.
type ticketRow struct {
	id, digest, doc, clocks          sql.RawBytes
	status, phase, queue, channel    string
	timerAt, answered, res, closed   sql.NullInt64
	timerFrom, checked, snoozed      sql.NullInt64
	created, touched                 int64
	pressing, stage                  int64
	number, assignee, reason, result string
	t                                ticket.Ticket
	parts                            ticketDoc
	dest                             []any
	timerAction                      string
}

var ticketRows = sync.Pool{New: func() any {
	r := &ticketRow{}
	r.dest = []any{&r.id, &r.t.Tenant, &r.number, &r.t.Version, &r.digest, &r.status, &r.phase, &r.t.Level, &r.queue, &r.assignee,
		&r.pressing, &r.channel, &r.reason, &r.result, &r.timerAt, &r.timerAction, &r.created, &r.answered, &r.touched, &r.res, &r.closed,
		&r.t.Reopened, &r.doc, &r.timerFrom, &r.checked, &r.snoozed, &r.clocks, &r.stage}
	return r
}}

// scanTicket reads a row of ticketColumns, and of the columns before them.
func scanTicket(rows *sql.Rows, before ...any) (ticket.Ticket, error) {
	r := ticketRows.Get().(*ticketRow)
	defer func() {
		*r = ticketRow{dest: r.dest}
		ticketRows.Put(r)
	}()
	dest := r.dest
	if len(before) > 0 {
		dest = append(before, dest...)
	}
	if err := rows.Scan(dest...); err != nil {
		return ticket.Ticket{}, err
	}
	t := &r.t
	if err := parseID(r.id, &t.ID); err != nil {
		return ticket.Ticket{}, err
	}
	if err := parseDigest(r.digest, &t.Digest); err != nil {
		return ticket.Ticket{}, err
	}
	t.Number, t.Status, t.Phase, t.Queue, t.Assignee = ticket.Number(r.number), ticket.Status(r.status), ticket.Phase(r.phase), r.queue, r.assignee
	t.Priority, t.Channel, t.Reason, t.Resolution = priorityOf(r.pressing), ticket.Channel(r.channel), r.reason, r.result
	t.Timer = ticket.Timer{At: timeOf(r.timerAt), Action: ticket.ActionName(r.timerAction), From: timeOf(r.timerFrom)}
	t.Created, t.Touched = micros(r.created), micros(r.touched)
	t.FirstAnswered, t.Resolved, t.Closed = timeOf(r.answered), timeOf(r.res), timeOf(r.closed)
	doc := &r.parts
	err := doc.decode(r.doc)
	if err != nil {
		return ticket.Ticket{}, fmt.Errorf("sqlstore: ticket %s: %w", t.ID, err)
	}
	t.Requester, t.Followers, t.Subject, t.Impact, t.Urgency = doc.Requester, doc.Followers, doc.Subject, doc.Impact, doc.Urgency
	t.Tags, t.Fields, t.Links, t.MergedInto, t.LinkEpoch = doc.Tags, doc.Fields, doc.Links, doc.MergedInto, doc.LinkEpoch
	t.RequesterSince, t.PriorityGiven = doc.RequesterSince, doc.PriorityGiven
	t.Known, t.SolvedBy, t.Mailed = doc.Known, doc.SolvedBy, doc.Mailed
	t.Workflow, t.WorkflowVersion = doc.Workflow, doc.WorkflowVersion
	t.Erased, t.LegalHold = doc.Erased, doc.LegalHold
	if t.Stage, err = stageOf(r.stage); err != nil {
		return ticket.Ticket{}, fmt.Errorf("sqlstore: ticket %s: %w", t.ID, err)
	}
	t.FeedbackDue, t.FeedbackAsked, t.Rated, t.Score = doc.FeedbackDue, doc.FeedbackAsked, doc.Rated, doc.Score
	if len(r.clocks) > 0 { // not NULL
		var clocks clocksDoc
		if err := clocks.decode(r.clocks); err != nil {
			return ticket.Ticket{}, fmt.Errorf("sqlstore: clocks of ticket %s: %w", t.ID, err)
		}
		t.Policy, t.PolicyVersion, t.Clocks, t.Promised, t.Rescheduled = clocks.Policy, clocks.PolicyVersion, clocks.Clocks, clocks.Promised, clocks.Rescheduled
	}
	t.Checked, t.Snoozed = timeOf(r.checked), timeOf(r.snoozed)
	return *t, nil
}

// pressing reverses a priority, so that the most urgent one sorts first.
func pressing(g ticket.Grade) int64 { return int64(ticket.GradeCritical) - int64(g) }

func priorityOf(pressing int64) ticket.Grade {
	return ticket.Grade(int64(ticket.GradeCritical) - pressing)
}

// open returns 1 if the ticket is active and its phase is not done, otherwise 0.
func open(t *ticket.Ticket) int64 {
	return number(!t.Phase.Done() && t.Stage == ticket.StageActive)
}

// number returns a bool as a number.
func number(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// nullTime returns the value of a column that is NULL for the zero time.
func nullTime(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMicro()
}

func timeOf(n sql.NullInt64) time.Time {
	if !n.Valid {
		return time.Time{}
	}
	return micros(n.Int64)
}

// bounded returns a time in microseconds, or the nearest time that stores keep. Use
// it only to compare stored times.
func bounded(t time.Time) int64 {
	switch y := t.UTC().Year(); {
	case y < 1:
		return math.MinInt64
	case y > 9999:
		return math.MaxInt64
	}
	return t.UnixMicro()
}

func micros(n int64) time.Time { return time.UnixMicro(n).UTC() }

func parseID(text []byte, id *ticket.ID) error {
	if err := id.UnmarshalText(text); err != nil {
		return fmt.Errorf("sqlstore: invalid stored ID: %w", err)
	}
	return nil
}

func parseDigest(text []byte, d *ticket.Digest) error {
	if len(text) != 2*len(d) {
		return fmt.Errorf("sqlstore: invalid stored digest of %d characters", len(text))
	}
	_, err := hex.Decode(d[:], text)
	return err
}

func hexOf(d ticket.Digest) string { return hex.EncodeToString(d[:]) }

// maxNumber is the longest number in bytes. Those of a desk have 11 characters.
const maxNumber = 32

// maxName is the longest name, tenant or key, in bytes, that all databases can
// index.
const maxName = 255

// fits returns an error for values that the columns cannot hold. The desk's limits
// prevent such values unless they were raised.
func fits(c *ticket.Commit) error {
	for i := range c.Changes {
		t := &c.Changes[i].Ticket
		if len(t.Number) > maxNumber {
			return invalid("commit.changes.ticket.number", "must be at most %d bytes long for this store", maxNumber)
		}
		for _, f := range [...]struct{ name, value string }{
			{"tenant", t.Tenant}, {"status", string(t.Status)}, {"phase", string(t.Phase)}, {"queue", t.Queue},
			{"assignee", t.Assignee}, {"channel", string(t.Channel)}, {"reason", t.Reason}, {"resolution", t.Resolution}, {"timer.action", string(t.Timer.Action)},
		} {
			if len(f.value) > maxName {
				return invalid("commit.changes.ticket."+f.name, "must be at most %d bytes long for this store", maxName)
			}
		}
	}
	for i := range c.Deliveries {
		if len(c.Deliveries[i].Kind) > maxName || len(c.Deliveries[i].Notifier) > maxName {
			return invalid("commit.deliveries", "must have a kind and a notifier's name of at most %d bytes for this store", maxName)
		}
	}
	if c.Receipt != nil && len(c.Receipt.Key) > maxName {
		return invalid("commit.receipt.key", "must be at most %d bytes long for this store", maxName)
	}
	return nil
}
