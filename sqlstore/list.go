package sqlstore

import (
	"context"
	"database/sql"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ticketkit/ticket"
)

// List returns one page of the tickets that match; see [ticket.Store]. Every order
// walks along an index from the cursor on, so a late page costs the same as the
// first one. The cost depends on the conditions:
//
//   - open work (every Phase is open) of a queue, of an assignee, or of the whole
//     tenant, in OrderMostUrgent order: the rows of the page;
//   - a person, an organisation, a field or a tag, by creation: the rows of the
//     page; in other orders, as many rows as there are such tickets;
//   - Missed without such a condition, by creation: the rows of the page; in other
//     orders but OrderSoonestDue, as many rows as there are such tickets; for open
//     work, also the rows of open work between them;
//   - OrderSoonestDue, and creation and last touch without such a condition: the
//     rows of the page, and the rows between them that other conditions exclude;
//   - open work in another order than OrderMostUrgent: as many rows as there is open
//     work of that queue, assignee or tenant;
//   - OrderMostUrgent without a Phase, or with a Phase that is done: the rows of the page,
//     and the rows between them that other conditions exclude.
//
// If every Phase is done, open work costs nothing.
//
// Tickets of other stages than those of the query cost nothing, except in the order
// of due times and, on MySQL, in OrderMostUrgent. With a Stage other than StageActive, open work costs as much as the
// same list without a Phase.
func (s *Store) List(ctx context.Context, q ticket.Query) (ticket.Page, error) {
	if err := ctx.Err(); err != nil {
		return ticket.Page{}, err
	}
	if err := q.Check(); err != nil {
		return ticket.Page{}, err
	}
	place, after, err := q.Place()
	if err != nil {
		return ticket.Page{}, err
	}
	l := s.listing(&q)
	if after {
		l.after(place)
	}
	text, args := l.page(q.PageSize() + 1)
	defer s.hold()()
	found, err := s.here().tickets(ctx, text, args...)
	if err != nil {
		return ticket.Page{}, s.explain(ctx, "list tickets", err)
	}
	return q.NewPage(found), nil
}

func (x *session) tickets(ctx context.Context, text string, args ...any) (list []ticket.Ticket, err error) {
	err = x.rows(ctx, func(r *sql.Rows) error {
		t, err := scanTicket(r)
		list = append(list, t)
		return err
	}, text, args...)
	return list, err
}

// A clause is a condition with its arguments.
type clause struct {
	text string
	args []any
}

// An arm is a clause for a part of the walk. The first key is stored with the shift
// taken away; see stageShift.
type arm struct {
	clause
	shift int64
}

// A listing builds the SQL of a query. The query walks along an index: of the
// tickets, of a label, or, by last touch, of the events. The last event is the last
// touch of its ticket. The index of the events only grows at its end, while an index
// of the tickets would change with every action.
type listing struct {
	s     *Store
	from  string
	where []clause
	// arms are the alternatives of the condition that the walk begins with. Each has
	// a walk of its own, and the results are merged.
	arms []arm
	keys []string // the order; the ID is last
	desc bool
}

func (l *listing) and(text string, args ...any) { l.where = append(l.where, clause{text, args}) }

func (s *Store) listing(q *ticket.Query) *listing {
	l := &listing{s: s, from: "{t}tickets t"}
	l.desc = q.Order == ticket.OrderNewestFirst || q.Order == ticket.OrderMostRecent
	l.filter(q)
	work, stages := openWork(q), stagesOf(q)
	labels, person := labelsWanted(q)
	switch {
	case len(labels) > 0 && (person || !work) && valuesIn(q) <= mostValues:
		l.and(notInOthers(stages))
		l.along(q, labels)
	case len(labels) == 0 && q.Missed && !work && q.Order != ticket.OrderSoonestDue:
		l.and(notInOthers(stages))
		l.along(q, [][]string{stageLabels(stages, missedWanted(q.Metric))})
	case (q.Order == ticket.OrderLeastRecent || q.Order == ticket.OrderMostRecent) && !work:
		l.from = "{t}events e{by events_at} " + s.lang.join + " {t}tickets t{by tickets_id} ON t.id = e.ticket AND t.version = e.seq"
		l.keys = []string{"e.at", "e.ticket"}
		l.and("e.tenant = ?", q.Tenant)
		l.and(notInOthers(stages))
		for _, n := range stages {
			l.arms = append(l.arms, eventArm(q, n))
		}
		l.having(q.Tenant, labels, len(stages))
	case q.Order == ticket.OrderMostUrgent && !work && valuesIn(q) <= mostValues:
		if slices.Contains(stages, 0) && !doneWork(q) { // open tickets are active
			l.arms = append(l.arms, arm{clause: clause{"t.open = 1", nil}})
		}
		for _, n := range stages {
			l.arms = append(l.arms, arm{clause: clause{"t.open = 0 AND " + inStages([]int64{n}), nil}})
		}
		l.insist("pressing")
		l.having(q.Tenant, labels, len(stages))
	default:
		index := indexFor(q, work)
		if index == "created" && doneWork(q) {
			l.and("t.open = 0")
			l.from += "{by tickets_done}"
		}
		switch {
		case work: // open tickets are active
		case index == "created" && len(stages) > 1:
			for _, n := range stages {
				l.arms = append(l.arms, arm{clause: clause{inStages([]int64{n}), nil}})
			}
		case q.Order == ticket.OrderSoonestDue:
			l.and(notInOthers(stages))
		default:
			l.and(inStages(stages))
		}
		if l.from == "{t}tickets t" {
			l.insist(index)
		}
		l.having(q.Tenant, labels, len(stages))
	}
	if l.keys == nil {
		l.keys = map[ticket.Order][]string{
			ticket.OrderOldestFirst: {"t.created", "t.id"}, ticket.OrderNewestFirst: {"t.created", "t.id"},
			ticket.OrderLeastRecent: {"t.touched", "t.id"}, ticket.OrderMostRecent: {"t.touched", "t.id"},
			ticket.OrderMostUrgent: {"t.pressing", "t.created", "t.id"}, ticket.OrderSoonestDue: {"t." + dueColumn(q.Metric), "t.id"},
		}[q.Order]
	}
	// A few queues or assignees get a walk each.
	work = work && valuesIn(q) <= mostValues
	alternatives(l, "t.queue", q.Queue, work && len(q.Assignee) == 0)
	alternatives(l, "t.assignee", q.Assignee, work)
	return l
}

// eventArm is the part of a walk along the events with those of tickets of one stage.
func eventArm(q *ticket.Query, stage int64) arm {
	shift := stageShift(stage)
	from, to := -shift-stageSpan/2, -shift+stageSpan/2
	if !q.TouchedFrom.IsZero() {
		from = ceil(q.TouchedFrom) - shift
	}
	if !q.TouchedBefore.IsZero() {
		to = ceil(q.TouchedBefore) - shift
	}
	return arm{clause{"e.at >= ? AND e.at < ?", []any{from, to}}, shift}
}

// mostValues limits the values of a query with several walks, because each walk has
// all of them. Databases limit the values of a statement, SQLite to 32,766.
const mostValues = 4000

func valuesIn(q *ticket.Query) int {
	return len(q.Status) + len(q.Phase) + len(q.Level) + len(q.Queue) + len(q.Assignee) + len(q.Priority) + len(q.Channel) + len(q.Tags) + len(q.Fields)
}

// filter adds the conditions on the ticket's own columns, except for queue and
// assignee.
func (l *listing) filter(q *ticket.Query) {
	l.and("t.tenant = ?", q.Tenant)

	work := openWork(q)
	if work {
		l.and("t.open = 1")
	}
	if !work || !allOpen(q.Phase) {
		in(l, "t.phase", texts(q.Phase))
	}
	in(l, "t.status", texts(q.Status))
	// No ticket has a level outside these bounds, and no column could hold it.
	levels := slices.DeleteFunc(slices.Clone(q.Level), func(n int) bool { return n < math.MinInt32 || n > math.MaxInt32 })
	in(l, "t.level", levels)
	if len(levels) == 0 && len(q.Level) > 0 {
		l.and("1 = 0")
	}
	in(l, "t.channel", texts(q.Channel))
	pressings := make([]int64, len(q.Priority))
	for i, g := range q.Priority {
		pressings[i] = pressing(g)
	}
	in(l, "t.pressing", pressings)
	if q.NotMerged {
		// The count is 0 or 1. PostgreSQL turns NOT EXISTS into a join and then
		// sorts. It also does so with "= 0", which it considers rare.
		l.and("(SELECT COUNT(*) FROM {t}labels x WHERE x.tenant = ? AND x.label"+quotedLabels(stageLabels(stagesOf(q), []string{mergedLabel}))+
			" AND x.created = t.created AND x.ticket = t.id) <> 1", q.Tenant)
	}
	l.between("t.created", q.CreatedFrom, q.CreatedBefore)
	l.between("t.touched", q.TouchedFrom, q.TouchedBefore)
	if !q.DueBefore.IsZero() || q.Order == ticket.OrderSoonestDue {
		due := "t." + dueColumn(q.Metric)
		l.and(due + " IS NOT NULL")
		l.between(due, time.Time{}, q.DueBefore)
	}
	if q.Missed {
		l.and("t.missed & ? <> 0", missedMask(q.Metric))
	}
	if q.NotSnoozed {
		l.and("t.snoozed IS NULL")
	}
}

// indexFor returns the index of the tickets that a query walks along, or "" for none
// in particular.
func indexFor(q *ticket.Query, work bool) string {
	switch {
	case work && len(q.Queue) == 1 && (len(q.Assignee) == 0 || q.Assignee[0] == ""):
		return "queue"
	case work && len(q.Assignee) > 0:
		return "assignee"
	case work && len(q.Queue) > 0:
		return "queue"
	case work && q.Order != ticket.OrderSoonestDue:
		return "pressing"
	case q.Order == ticket.OrderSoonestDue:
		return dueColumn(q.Metric)
	case q.Order == ticket.OrderOldestFirst || q.Order == ticket.OrderNewestFirst:
		return "created"
	default:
		return ""
	}
}

// insist names the index to MySQL. Its planner likes to merge two indexes that do
// not suit a cursor, or to choose one that needs a sort.
func (l *listing) insist(index string) {
	if l.s.dialect == MySQL && index != "" {
		l.from += " FORCE INDEX ({p}tickets_" + index + ")"
	}
}

// openWork reports whether a query is about open work only.
func openWork(q *ticket.Query) bool {
	return len(q.Phase) > 0 && !slices.ContainsFunc(q.Phase, ticket.Phase.Done) && !slices.ContainsFunc(q.Stage, func(s ticket.Stage) bool { return s != ticket.StageActive })
}

// doneWork reports whether a query is about tickets that are solved or closed only.
func doneWork(q *ticket.Query) bool {
	return len(q.Phase) > 0 && !slices.ContainsFunc(q.Phase, func(p ticket.Phase) bool { return !p.Done() })
}

// quotedLabels returns a condition for labels that need no quoting.
func quotedLabels(labels []string) string {
	if len(labels) == 1 {
		return " = '" + labels[0] + "'"
	}
	return " IN ('" + strings.Join(labels, "', '") + "')"
}

func allOpen(phases []ticket.Phase) bool {
	for _, p := range ticket.OpenPhases() {
		if !slices.Contains(phases, p) {
			return false
		}
	}
	return true
}

// labelsWanted returns lists of labels, the most selective first. A ticket must have at
// least one label of each list, as tickets of the wanted stages have them. telling reports whether the query should walk along the
// first list even for open work; that is so for all labels except tags.
func labelsWanted(q *ticket.Query) (labels [][]string, telling bool) {
	defer func() {
		for i := range labels {
			labels[i] = stageLabels(stagesOf(q), labels[i])
		}
	}()
	if p := q.Participant; !p.IsZero() {
		labels = append(labels, append(wanted("requester", p), wanted("follower", p)...))
	}
	if p := q.Requester; !p.IsZero() {
		labels = append(labels, wanted("requester", p))
	}
	if !q.SolvedBy.IsZero() {
		labels = append(labels, []string{solvedByLabel + q.SolvedBy.String()})
	}
	for k, v := range q.Fields {
		labels = append(labels, []string{fieldLabel(k, v)})
	}
	if q.Organisation != "" {
		labels = append(labels, []string{short("org:" + q.Organisation)})
	}
	if q.Known {
		labels = append(labels, []string{knownLabel})
	}
	telling = len(labels) > 0
	for _, tag := range q.Tags {
		labels = append(labels, []string{short("tag:" + tag)})
	}
	return labels, telling
}

// along makes the query walk along the first of the labels.
func (l *listing) along(q *ticket.Query, labels [][]string) {
	l.from = "{t}labels l " + l.s.lang.join + " {t}tickets t{by tickets_id} ON t.id = l.ticket"
	l.and("l.tenant = ?", q.Tenant)
	for _, label := range labels[0] {
		l.arms = append(l.arms, arm{clause: clause{"l.label = ?", []any{label}}})
	}
	if len(labels[0]) == 0 { // the query asks for a person without ID and address, which matches no ticket
		l.and("1 = 0")
	}
	if q.Order == ticket.OrderOldestFirst || q.Order == ticket.OrderNewestFirst {
		l.keys = []string{"l.created", "l.ticket"}
		l.between("l.created", q.CreatedFrom, q.CreatedBefore)
	}
	l.labelled(q.Tenant, labels[1:], len(stagesOf(q)), "l.created", "l.ticket")
}

// having adds the labels that the query does not walk along, for a number of stages.
func (l *listing) having(tenant string, labels [][]string, stages int) {
	l.labelled(tenant, labels, stages, "t.created", "t.id")
}

// mostExists is how many labels are checked one by one. More are counted with one
// condition, because SQLite limits the depth of an expression.
const mostExists = 8

// labelled is like having, for a ticket with this creation time and ID.
func (l *listing) labelled(tenant string, labels [][]string, stages int, created, id string) {
	of := " AND x.created = " + created + " AND x.ticket = " + id + ")"
	among := func(list []string) (string, []any) {
		args := []any{tenant}
		for _, label := range list {
			args = append(args, label)
		}
		return " FROM {t}labels x WHERE x.tenant = ? AND x.label IN (?" + strings.Repeat(", ?", len(list)-1) + ")" + of, args
	}
	var several []string
	for _, list := range labels { // a ticket has the labels of one stage
		switch {
		case len(list) == 0:
			l.and("1 = 0")
		case len(list) == stages && len(labels) > mostExists:
			several = append(several, list...)
		default:
			text, args := among(list)
			l.and("EXISTS (SELECT 1"+text, args...)
		}
	}
	if len(several) > 0 {
		slices.Sort(several)
		several = slices.Compact(several)
		text, args := among(several)
		l.and("(SELECT COUNT(*)"+text+" = ?", append(args, len(several)/stages)...)
	}
}

// mostArms limits how many walks are merged.
const mostArms = 8

func alternatives[T any](l *listing, column string, list []T, few bool) {
	if n := len(list); n < 2 || n > mostArms || !few || len(l.arms) > 0 {
		in(l, column, list)
		return
	}
	for _, v := range list {
		l.arms = append(l.arms, arm{clause: clause{column + " = ?", []any{v}}})
	}
}

func in[T any](l *listing, column string, list []T) {
	switch len(list) {
	case 0:
		return
	case 1:
		l.and(column+" = ?", list[0])
		return
	}
	args := make([]any, len(list))
	for i, v := range list {
		args[i] = v
	}
	l.and(column+" IN (?"+strings.Repeat(", ?", len(list)-1)+")", args...)
}

func texts[T ~string](list []T) []string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = string(v)
	}
	return out
}

// between adds the condition that a time is not before from, and before to.
func (l *listing) between(column string, from, to time.Time) {
	if !from.IsZero() {
		l.and(column+" >= ?", ceil(from))
	}
	if !to.IsZero() {
		l.and(column+" < ?", ceil(to))
	}
}

// ceil is the first whole microsecond that is not before t. Stored times are whole
// microseconds, so "before" and "not before" mean the same for both.
func ceil(t time.Time) int64 {
	n := t.UnixMicro()
	if time.UnixMicro(n).Before(t) {
		n++
	}
	return n
}

// after continues after a place.
func (l *listing) after(p ticket.Place) {
	values := []any{p.Time.UnixMicro(), p.ID.String()}
	if p.Order == ticket.OrderMostUrgent {
		values = append([]any{pressing(p.Grade)}, values...)
	}
	l.afterValues(values)
}

// afterValues adds the condition that the keys come after the values.
func (l *listing) afterValues(values []any) {
	if !slices.ContainsFunc(l.arms, func(a arm) bool { return a.shift != 0 }) {
		l.where = append(l.where, l.afterThese(values))
		return
	}
	for i := range l.arms { // the keys begin with a time
		a := &l.arms[i]
		shifted := append([]any{values[0].(int64) - a.shift}, values[1:]...)
		c := l.afterThese(shifted)
		a.clause = clause{a.text + " AND " + c.text, append(slices.Clip(a.args), c.args...)}
	}
}

func (l *listing) afterThese(values []any) clause {
	op := " > "
	if l.desc {
		op = " < "
	}
	if l.s.lang.rowValues {
		return clause{"(" + strings.Join(l.keys, ", ") + ")" + op + "(?" + strings.Repeat(", ?", len(values)-1) + ")", values}
	}
	// a >= ? AND (a > ? OR (a = ? AND (b > ?))): the first condition bounds the
	// walk, the rest excludes its beginning.
	last := len(values) - 1
	text, args := l.keys[last]+op+"?", []any{values[last]}
	for i := last - 1; i >= 0; i-- {
		k := l.keys[i]
		text = k + op + "? OR (" + k + " = ? AND (" + text + "))"
		args = append([]any{values[i], values[i]}, args...)
	}
	return clause{l.keys[0] + strings.TrimRight(op, " ") + "= ? AND (" + text + ")", append([]any{values[0]}, args...)}
}

// page returns the SQL for the first n tickets.
func (l *listing) page(n int) (string, []any) {
	return l.pageOf(ticketColumns, "{t}tickets t{by tickets_id}", n)
}

// pageOf returns the SQL for these columns of the first n rows of a table t.
func (l *listing) pageOf(columns, table string, n int) (string, []any) {
	if len(l.arms) <= 1 {
		text, args := l.walk(columns, n, l.onlyArm())
		return text, args
	}
	// Each walk returns keys only, at most n. The first n of them are looked up.
	// UNION removes duplicates of two walks.
	names := make([]string, len(l.keys))
	for i := range l.keys {
		names[i] = "k" + string(rune('1'+i))
	}
	var b strings.Builder
	var args []any
	b.WriteString("SELECT " + columns + " FROM (")
	for i := range l.arms {
		if i > 0 {
			b.WriteString(" UNION ")
		}
		pick := make([]string, len(l.keys))
		for j, k := range l.keys {
			if j == 0 && l.arms[i].shift != 0 {
				k += " + " + strconv.FormatInt(l.arms[i].shift, 10)
			}
			pick[j] = k + " AS " + names[j]
		}
		text, more := l.walk(strings.Join(pick, ", "), n, &l.arms[i])
		b.WriteString("SELECT * FROM (" + text + ") w" + strconv.Itoa(i+1))
		args = append(args, more...)
	}
	b.WriteString(" ORDER BY " + l.order(names) + " LIMIT ?) w " + l.s.lang.join + " " + table + " ON t.id = w." + names[len(names)-1])
	for i := range names {
		names[i] = "w." + names[i]
	}
	b.WriteString(" ORDER BY " + l.order(names))
	return b.String(), append(args, n)
}

// count returns the SQL for the number of rows, at most n.
func (l *listing) count(n int) (string, []any) {
	if len(l.arms) <= 1 {
		text, args := l.walk("1 AS k1", n, l.onlyArm())
		return "SELECT COUNT(*) FROM (" + text + ") w", args
	}
	var b strings.Builder
	var args []any
	for i := range l.arms {
		if i > 0 {
			b.WriteString(" UNION ")
		}
		text, more := l.walk(l.keys[len(l.keys)-1]+" AS k1", n, &l.arms[i])
		b.WriteString("SELECT * FROM (" + text + ") w" + strconv.Itoa(i+1))
		args = append(args, more...)
	}
	return "SELECT COUNT(*) FROM (SELECT k1 FROM (" + b.String() + ") v LIMIT ?) w", append(args, n)
}

// onlyArm returns the arm, or nil if there is none.
func (l *listing) onlyArm() *arm {
	if len(l.arms) == 0 {
		return nil
	}
	return &l.arms[0]
}

func (l *listing) walk(columns string, n int, arm *arm) (string, []any) {
	var b strings.Builder
	var args []any
	b.WriteString("SELECT " + columns + " FROM " + l.from + " WHERE ")
	for i, c := range l.where {
		if i > 0 {
			b.WriteString(" AND ")
		}
		b.WriteString(c.text)
		args = append(args, c.args...)
	}
	if arm != nil {
		b.WriteString(" AND " + arm.text)
		args = append(args, arm.args...)
	}
	b.WriteString(" ORDER BY " + l.order(l.keys) + " LIMIT ?")
	return b.String(), append(args, n)
}

func (l *listing) order(keys []string) string {
	if !l.desc {
		return strings.Join(keys, ", ")
	}
	return strings.Join(keys, " DESC, ") + " DESC"
}
