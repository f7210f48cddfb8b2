package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/ticketkit/ticket"
)

var _ ticket.MailStore = (*Store)(nil)

// mailStates are the states by their numbers in the database.
var mailStates = [...]ticket.MailState{ticket.MailPending, ticket.MailDone, ticket.MailRepeated, ticket.MailIgnored, ticket.MailHeld}

func mailState(s ticket.MailState) int { return slices.Index(mailStates[:], s) }

const (
	mailColumns = "id, tenant, mailbox, origin, raw, size, arrived, envelope, has_sender, recipients, old, state, reason, fingerprint, author," +
		" message_id, ticket, seq, explained, attempts, due, until, settled"
	insertMail = "INSERT INTO {t}mails (" + mailColumns + ", sender, ages) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
	settleMail = "UPDATE {t}mails{by mails_id} SET state = ?, reason = ?, fingerprint = ?, author = ?, message_id = ?, ticket = ?, seq = ?, explained = ?," +
		" due = ?, until = ?, settled = ?, sender = ?, ages = ?" +
		" WHERE id = ? AND tenant = ? AND state = ? AND attempts = ? AND raw IS NOT NULL"
	// eraseMail are the assignments of an erasure; see ticket.Mail.Erase. MySQL executes them
	// one after the other, so the state comes last. The first two arguments are when it is
	// erased.
	eraseMail = " SET ages = CASE WHEN origin IS NOT NULL THEN NULL WHEN state IN (0, 4) THEN ? ELSE settled END," +
		" settled = CASE WHEN state IN (0, 4) THEN ? ELSE settled END, state = CASE WHEN state IN (0, 4) THEN 3 ELSE state END," +
		" raw = NULL, envelope = '', has_sender = 0, recipients = '', author = '', message_id = NULL, sender = NULL, explained = '', reason = '" + ticket.MailErased + "'," +
		" due = NULL, until = NULL"
)

func nullText(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func nullDigest(d ticket.Digest) any {
	if d.IsZero() {
		return nil
	}
	return hexOf(d)
}

func nullID(id ticket.ID) any {
	if id.IsZero() {
		return nil
	}
	return id.String()
}

// mailAges reports whether the age of a mail that is not erased still changes something.
func mailAges(s ticket.MailState) bool { return s.Settled() && s != ticket.MailHeld }

func mailArgs(m *ticket.Mail) ([]any, error) {
	to := ""
	if len(m.To) > 0 {
		b, err := json.Marshal(m.To)
		if err != nil {
			return nil, invalid("mail.to", "cannot be written as JSON: %v", err)
		}
		to = string(b)
	}
	return []any{
		m.ID.String(), m.Tenant, m.Mailbox, nullText(m.Origin), nullDigest(m.Raw), m.Size, m.Arrived.UnixMicro(), m.From, number(m.HasSender), to,
		number(m.Old), mailState(m.State), m.Reason, nullDigest(m.Fingerprint), m.Author, nullText(m.MessageID), nullID(m.Ticket), m.Seq,
		string(m.Explained), m.Attempts, nullTime(m.Due), nullTime(m.Until), nullTime(m.Settled), nullText(m.Sender()), nil,
	}, nil
}

func scanMail(r *sql.Rows) (m ticket.Mail, err error) {
	var id, origin, raw, to, fingerprint, messageID, of, explained sql.RawBytes
	var hasSender, old, state, arrived int64
	var due, until, settled sql.NullInt64
	err = r.Scan(&id, &m.Tenant, &m.Mailbox, &origin, &raw, &m.Size, &arrived, &m.From, &hasSender, &to, &old, &state, &m.Reason, &fingerprint, &m.Author,
		&messageID, &of, &m.Seq, &explained, &m.Attempts, &due, &until, &settled)
	if err != nil {
		return m, err
	}
	if err := parseID(id, &m.ID); err != nil {
		return m, err
	}
	if of != nil {
		if err := parseID(of, &m.Ticket); err != nil {
			return m, err
		}
	}
	for _, d := range [...]struct {
		text []byte
		to   *ticket.Digest
	}{{raw, &m.Raw}, {fingerprint, &m.Fingerprint}} {
		if d.text == nil {
			continue
		}
		if err := parseDigest(d.text, d.to); err != nil {
			return m, err
		}
	}
	if len(to) > 0 {
		if err := json.Unmarshal(to, &m.To); err != nil {
			return m, fmt.Errorf("sqlstore: mail %s: %w", m.ID, err)
		}
	}
	if state < 0 || int(state) >= len(mailStates) {
		return m, fmt.Errorf("sqlstore: mail %s has the unknown state %d", m.ID, state)
	}
	m.State, m.Origin, m.MessageID = mailStates[state], string(origin), string(messageID)
	if len(explained) > 0 {
		m.Explained = slices.Clone([]byte(explained))
	}
	m.HasSender, m.Old, m.Arrived = hasSender != 0, old != 0, micros(arrived)
	m.Due, m.Until, m.Settled = timeOf(due), timeOf(until), timeOf(settled)
	return m, nil
}

func (x *session) mails(ctx context.Context, text string, args ...any) (list []ticket.Mail, err error) {
	err = x.rows(ctx, func(r *sql.Rows) error {
		m, err := scanMail(r)
		list = append(list, m)
		return err
	}, text, args...)
	return list, err
}

// each runs work that needs no transaction, because each of its statements stands by itself.
func (s *Store) each(ctx context.Context, work func(context.Context, *session) error) error {
	if s.writer != nil || s.tx != nil {
		return s.write(ctx, work)
	}
	return sure(ctx, s.persistent(ctx, func() error { return work(ctx, s.here()) }))
}

// together runs work in one transaction.
func (s *Store) together(ctx context.Context, work func(context.Context, *session) error) error {
	return s.persistent(ctx, func() error { return s.apart(ctx, work) })
}

// PutMail stores a new mail with one statement; see [ticket.MailStore].
func (s *Store) PutMail(ctx context.Context, m ticket.Mail) (ticket.Mail, error) {
	if err := ctx.Err(); err != nil {
		return ticket.Mail{}, err
	}
	if err := m.CheckNew(); err != nil {
		return ticket.Mail{}, err
	}
	args, err := mailArgs(&m)
	if err != nil {
		return ticket.Mail{}, err
	}
	// If there is one already, the reads come after it is committed. In a transaction of the
	// application they must lock, to see it.
	lock := ""
	if s.dialect == MySQL && s.tx != nil {
		lock = " LOCK IN SHARE MODE"
	}
	defer s.hold()()
	var stored ticket.Mail
	err = s.each(ctx, func(ctx context.Context, x *session) error {
		lock := lock
		n, err := x.exec(ctx, insertMail+s.lang.ifNew("id"), args...)
		if err != nil {
			return err
		}
		if n == 0 {
			lock += s.lang.settledRead
		}
		list, err := x.mails(ctx, "SELECT "+mailColumns+" FROM {t}mails{by mails_id} WHERE id = ?"+lock, m.ID.String())
		if err != nil {
			return err
		}
		foreign := len(list) > 0 && list[0].Tenant != m.Tenant
		if foreign {
			list = nil
		}
		if len(list) == 0 && m.Origin != "" {
			list, err = x.mails(ctx, "SELECT "+mailColumns+" FROM {t}mails{by mails_origin} WHERE tenant = ? AND mailbox = ? AND origin = ?"+lock, m.Tenant, m.Mailbox, m.Origin)
		}
		switch {
		case err != nil:
			return err
		case len(list) > 0:
			stored = list[0]
			return nil
		case foreign:
			return &ticket.DuplicateError{What: "mail"}
		default:
			return fmt.Errorf("sqlstore: mail %s was removed while it was stored", m.ID)
		}
	})
	if err != nil {
		return ticket.Mail{}, s.explain(ctx, "put a mail", err)
	}
	return stored, nil
}

// ClaimMails leases mails to the caller; see [ticket.MailStore]. Rows that another caller is
// claiming are passed over, so any number of processes may claim at the same time.
func (s *Store) ClaimMails(ctx context.Context, c ticket.MailClaim) ([]ticket.Mail, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := c.Check(); err != nil {
		return nil, err
	}
	if len(c.Mailboxes) == 0 {
		return nil, nil
	}
	defer s.hold()()
	var list []ticket.Mail
	work := func(ctx context.Context, x *session) (err error) {
		list, err = x.claimMails(ctx, c)
		return err
	}
	var err error
	if s.tx != nil || s.dialect == SQLite {
		err = s.together(ctx, work)
	} else {
		err = s.persistent(ctx, func() error {
			ctx, cancel := begun(ctx)
			defer cancel()
			return s.transaction(ctx, &sql.TxOptions{Isolation: s.lang.claimLevel}, work)
		})
	}
	if err != nil {
		return nil, s.explain(ctx, "claim mails", err)
	}
	return list, nil
}

// claimMails takes the first ones of each mailbox, along an index, and of these the first ones.
func (x *session) claimMails(ctx context.Context, c ticket.MailClaim) (list []ticket.Mail, err error) {
	now, until := c.Now.UnixMicro(), c.Now.Add(c.Lease)
	for i, box := range c.Mailboxes {
		if slices.Contains(c.Mailboxes[:i], box) {
			continue
		}
		some, err := x.mails(ctx, "SELECT "+mailColumns+" FROM {t}mails{by mails_due} WHERE mailbox = ? AND due <= ? AND (until IS NULL OR until <= ?) ORDER BY due, id LIMIT "+
			x.s.lang.anyNumber()+x.s.lang.claimLocks, box, now, now, c.Limit)
		if err != nil {
			return nil, err
		}
		list = append(list, some...)
	}
	slices.SortFunc(list, func(a, b ticket.Mail) int { return cmp.Or(a.Due.Compare(b.Due), a.ID.Compare(b.ID)) })
	list = list[:min(len(list), c.Limit)]
	ids := map[int][]ticket.ID{} // by the number of attempts
	for i := range list {
		m := &list[i]
		ids[m.Attempts] = append(ids[m.Attempts], m.ID)
		m.Attempts, m.Until = m.Attempts+1, micros(until.UnixMicro())
	}
	for _, attempts := range slices.Sorted(maps.Keys(ids)) {
		taken, err := x.onMails(ctx, "UPDATE {t}mails{by mails_id} SET attempts = attempts + 1, until = ?"+
			" WHERE attempts = ? AND due <= ? AND (until IS NULL OR until <= ?) AND ", ids[attempts], until.UnixMicro(), attempts, now, now)
		if err == nil && taken != int64(len(ids[attempts])) {
			err = errOvertaken
		}
		if err != nil {
			return nil, err
		}
	}
	return list, nil
}

// onMails runs a statement for the mails with these IDs, in parts. The condition on the IDs
// follows on the text.
func (x *session) onMails(ctx context.Context, text string, ids []ticket.ID, args ...any) (int64, error) {
	all := int64(0)
	list := slices.SortedFunc(slices.Values(ids), ticket.ID.Compare) // the order in which rows are locked
	list = slices.Compact(list)
	for part := range slices.Chunk(list, indexBatch) {
		in, these := amongst(idTexts(part))
		changed, err := x.exec(ctx, text+"id"+in, slices.Concat(args, these)...)
		if err != nil {
			return 0, err
		}
		all += changed
	}
	return all, nil
}

// SettleMail records what became of a mail with one statement; see [ticket.MailStore]. It
// reads the mail first if that has no author.
func (s *Store) SettleMail(ctx context.Context, from ticket.MailState, m ticket.Mail) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := m.CheckSettle(); err != nil {
		return err
	}
	ages := time.Time{}
	if mailAges(m.State) {
		ages = m.Settled
	}
	defer s.hold()()
	err := s.each(ctx, func(ctx context.Context, x *session) error {
		if m.Author == "" { // the envelope stays as it was stored
			if _, err := x.one(ctx, []any{&m.From}, "SELECT envelope FROM {t}mails{by mails_id} WHERE id = ? AND tenant = ?", m.ID.String(), m.Tenant); err != nil {
				return err
			}
		}
		args := []any{
			mailState(m.State), m.Reason, nullDigest(m.Fingerprint), m.Author, nullText(m.MessageID), nullID(m.Ticket), m.Seq, string(m.Explained),
			nullTime(m.Due), nullTime(m.Until), nullTime(m.Settled), nullText(m.Sender()), nullTime(ages),
			m.ID.String(), m.Tenant, mailState(from), m.Attempts,
		}
		for try := 1; ; try++ {
			n, err := x.exec(ctx, settleMail, args...)
			if err != nil || n > 0 {
				return err
			}
			list, err := x.mails(ctx, "SELECT "+mailColumns+" FROM {t}mails{by mails_id} WHERE id = ? AND tenant = ?", m.ID.String(), m.Tenant)
			switch {
			case err != nil:
				return err
			case len(list) == 0:
				return ticket.ErrNotFound
			case list[0].State != from || list[0].Attempts != m.Attempts || list[0].Erased():
				return ticket.ErrClaimLost
			case try > 1 && s.dialect == MySQL: // it does not count rows that stay as they are
				return nil
			case try > 5:
				return ticket.ErrClaimLost
			}
		}
	})
	return s.explain(ctx, "settle a mail", err)
}

// Mails returns mails, newest first; see [ticket.MailStore]. The cost depends on the first of
// these conditions that is set:
//
//   - IDs, Origin or Origins with Mailbox, Fingerprint, MessageID or MessageIDs, or Ticket: as
//     many rows as there are such mails;
//   - Sender: the rows of the page, and the rows between them that other conditions exclude;
//   - otherwise: for each state of the query, the rows of the page, and the rows between them
//     that other conditions exclude.
func (s *Store) Mails(ctx context.Context, q ticket.MailQuery) ([]ticket.Mail, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := q.Check(); err != nil {
		return nil, err
	}
	text, args := s.mailListing(&q).pageOf(of("t", mailColumns), "{t}mails t{by mails_id}", q.Limit)
	defer s.hold()()
	found, err := s.here().mails(ctx, text, args...)
	if err != nil {
		return nil, s.explain(ctx, "list mails", err)
	}
	return found, nil
}

func (s *Store) mailListing(q *ticket.MailQuery) *listing {
	l := &listing{s: s, from: "{t}mails t", desc: true, keys: []string{"t.arrived + 0", "t.id"}}
	tenant := s.lang.hidden("t.tenant")
	byState := false
	switch {
	case len(q.IDs) > 0:
		l.from += "{by mails_id}"
	case q.Mailbox != "" && (q.Origin != "" || len(q.Origins) > 0):
		l.from, tenant = l.from+"{by mails_origin}", "t.tenant"
	case !q.Fingerprint.IsZero():
		l.from += "{by mails_fingerprint}"
	case q.MessageID != "" || len(q.MessageIDs) > 0:
		l.from += "{by mails_message}"
	case !q.Ticket.IsZero():
		l.from += "{by mails_ticket}"
	case q.Sender != "":
		l.from, l.keys[0] = l.from+"{by mails_sender}", "t.arrived"
	default:
		l.from, l.keys[0], tenant, byState = l.from+"{by mails_state}", "t.arrived", "t.tenant", true
	}
	l.and(tenant+" = ?", q.Tenant)
	in(l, "t.id", idTexts(q.IDs))
	in(l, "t.origin", q.Origins)
	in(l, "t.message_id", q.MessageIDs)
	for _, c := range [...]struct{ column, is string }{
		{"t.mailbox", q.Mailbox}, {"t.origin", q.Origin}, {"t.message_id", q.MessageID}, {"t.sender", (&ticket.Mail{From: q.Sender}).Sender()},
	} {
		if c.is != "" {
			l.and(c.column+" = ?", c.is)
		}
	}
	if !q.Fingerprint.IsZero() {
		l.and("t.fingerprint = ?", hexOf(q.Fingerprint))
	}
	if !q.Ticket.IsZero() {
		l.and("t.ticket = ?", q.Ticket.String())
	}
	if !q.Since.IsZero() {
		l.and("t.arrived >= ?", q.Since.UnixMicro())
	}
	if !q.Before.IsZero() {
		l.afterValues([]any{q.Before.UnixMicro(), q.BeforeID.String()})
	}
	states := q.States
	if len(states) == 0 && byState {
		states = mailStates[:]
	}
	for i, state := range mailStates {
		if byState && slices.Contains(states, state) {
			l.arms = append(l.arms, arm{clause: clause{"t.state = ?", []any{i}}})
		}
	}
	if !byState {
		numbers := make([]int, len(states))
		for i := range states {
			numbers[i] = mailState(states[i])
		}
		in(l, "t.state", numbers)
	}
	return l
}

// CountMails counts the mails of a tenant in an index; see [ticket.MailStore].
func (s *Store) CountMails(ctx context.Context, tenant string) (map[ticket.MailState]int64, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	defer s.hold()()
	counts := map[ticket.MailState]int64{}
	err := s.here().rows(ctx, func(r *sql.Rows) error {
		var state, n int64
		if err := r.Scan(&state, &n); err != nil {
			return err
		}
		if state < 0 || int(state) >= len(mailStates) {
			return fmt.Errorf("sqlstore: a mail has the unknown state %d", state)
		}
		counts[mailStates[state]] = n
		return nil
	}, "SELECT state, COUNT(*) FROM {t}mails{by mails_state} WHERE tenant = ? GROUP BY state", tenant)
	if err != nil {
		return nil, s.explain(ctx, "count mails", err)
	}
	return counts, nil
}

// MailFiles returns the digests that mails refer to; see [ticket.MailStore].
func (s *Store) MailFiles(ctx context.Context, tenant string, sums []ticket.Digest) ([]ticket.Digest, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	found, err := s.digests(ctx, "SELECT DISTINCT raw FROM {t}mails{by mails_raw} WHERE {hidden tenant} = ? AND raw", tenant, "", sums)
	return found, s.explain(ctx, "find files of mails", err)
}

// EraseMails erases what is personal of mails, in one transaction; see [ticket.MailStore] and
// [Store.Erase].
func (s *Store) EraseMails(ctx context.Context, tenant string, ids []ticket.ID, at time.Time) (int, error) {
	return s.changeMails(ctx, "erase mails", func(ctx context.Context, x *session) (int64, error) {
		when := bounded(at)
		return x.onMails(ctx, "UPDATE {t}mails{by mails_id}"+eraseMail+" WHERE tenant = ? AND raw IS NOT NULL AND ", ids, when, when, tenant)
	})
}

// PruneMails removes or erases old mails in one transaction; see [ticket.MailStore]. It reads the
// mails that it changes, along an index.
func (s *Store) PruneMails(ctx context.Context, before time.Time, limit int) (int, error) {
	if limit <= 0 {
		return 0, ctx.Err()
	}
	return s.changeMails(ctx, "prune mails", func(ctx context.Context, x *session) (int64, error) {
		at := bounded(before)
		var gone, kept []ticket.ID
		err := x.rows(ctx, func(r *sql.Rows) error {
			var raw sql.RawBytes
			var removes int64
			if err := r.Scan(&raw, &removes); err != nil {
				return err
			}
			list := &kept
			if removes != 0 {
				list = &gone
			}
			var id ticket.ID
			err := parseID(raw, &id)
			*list = append(*list, id)
			return err
		}, "SELECT id, CASE WHEN origin IS NULL THEN 1 ELSE 0 END FROM {t}mails{by mails_ages} WHERE ages < ? ORDER BY ages, id LIMIT "+x.s.lang.anyNumber()+x.s.lang.claimLocks, at, limit)
		if err != nil {
			return 0, err
		}
		// The age again, because of errOvertaken.
		removed, err := x.onMails(ctx, "DELETE FROM {t}mails WHERE ages + 0 < ? AND ", gone, at)
		if err != nil {
			return 0, err
		}
		erased, err := x.onMails(ctx, "UPDATE {t}mails{by mails_id}"+eraseMail+" WHERE ages + 0 < ? AND ", kept, at, at, at)
		return removed + erased, err
	})
}

// ForgetMails removes settled mails in one transaction; see [ticket.MailStore].
func (s *Store) ForgetMails(ctx context.Context, tenant string, ids []ticket.ID) (int, error) {
	return s.changeMails(ctx, "forget mails", func(ctx context.Context, x *session) (int64, error) {
		return x.onMails(ctx, "DELETE FROM {t}mails WHERE tenant = ? AND state <> 0 AND ", ids, tenant)
	})
}

// changeMails runs work, which removes something, in one transaction.
func (s *Store) changeMails(ctx context.Context, what string, work func(context.Context, *session) (int64, error)) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	changed, err := s.removing(ctx, work)
	if err != nil {
		return 0, s.explain(ctx, what, err)
	}
	return int(changed), nil
}
