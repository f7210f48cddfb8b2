package ticket

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"slices"
	"sync"
	"time"

	"github.com/ticketkit/ticket/internal/canon"
	"github.com/ticketkit/ticket/internal/fieldvalue"
)

// Digest is 32 bytes of SHA-256; its text form is hexadecimal. The zero Digest
// means none.
type Digest [sha256.Size]byte

// salt is the randomness of one commitment; zero once the content is erased.
type salt [16]byte

// String returns 64 hexadecimal digits.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// IsZero reports whether there is no digest.
func (d Digest) IsZero() bool { return d == Digest{} }

// MarshalText writes hexadecimal digits.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads 64 hexadecimal digits.
func (d *Digest) UnmarshalText(text []byte) error { return unhex(d[:], text, "digest") }

// IsZero reports whether there is no salt.
func (s salt) IsZero() bool { return s == salt{} }

// MarshalText writes hexadecimal digits.
func (s salt) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(s[:])), nil }

// UnmarshalText reads 32 hexadecimal digits.
func (s *salt) UnmarshalText(text []byte) error { return unhex(s[:], text, "salt") }

func unhex(to, text []byte, field string) error {
	if hex.DecodedLen(len(text)) != len(to) || len(text)%2 != 0 {
		return invalid(field, "must have %d hexadecimal digits", 2*len(to))
	}
	if _, err := hex.Decode(to, text); err != nil {
		return &InvalidError{Field: field, Reason: "must be hexadecimal", Err: err}
	}
	return nil
}

// Seals are an event's commitments to the content that can be erased. A group without
// content has no seal.
type Seals struct {
	PublicContent   Seal `json:"words,omitzero"`
	InternalContent Seal `json:"inside,omitzero"`
	Identities      Seal `json:"people,omitzero"`
	Remarks         Seal `json:"remarks,omitzero"` // none in events of versions that put the remarks into the digest itself
}

// Seal commits to content without showing it: Sum is the SHA-256 of Salt and
// content. While the salt is there, the content can be checked. Once both are
// gone, nobody can find the content by trying guesses.
type Seal struct {
	Salt salt   `json:"salt,omitzero"`
	Sum  Digest `json:"sum,omitzero"`
}

// IsZero reports whether nothing was sealed.
func (s Seal) IsZero() bool { return s == Seal{} }

// Erased reports whether there was content that is now gone.
func (s Seal) Erased() bool { return s.Salt.IsZero() && !s.Sum.IsZero() }

// Groups names the parts of an event that [Event.Erase] erases.
type Groups struct {
	PublicContent   bool `json:"public_content,omitempty"`   // the part that the customer may read; see [PublicContent]
	InternalContent bool `json:"internal_content,omitempty"` // notes and their files; see [InternalContent]
	Identities      bool `json:"identities,omitempty"`       // the persons; see [Identities]
	Remarks         bool `json:"remarks,omitempty"`          // reason, resolution, and the tags that were added and removed; see [Patch]
}

// Erase returns the event without the content of the groups, and without the
// salts that could confirm a guess at it. Chains that hold the event still
// verify, and [Seal.Erased] reports that there was content. The remarks of events that
// have no seal for them stay: older versions of this library put them into the digest.
func (e Event) Erase(groups Groups) Event {
	e = e.Clone()
	if groups.PublicContent {
		e.PublicContent, e.Seals.PublicContent.Salt = PublicContent{}, salt{}
	}
	if groups.InternalContent {
		e.InternalContent, e.Seals.InternalContent.Salt = InternalContent{}, salt{}
	}
	if groups.Identities {
		e.Identities, e.Seals.Identities.Salt = Identities{}, salt{}
	}
	if groups.Remarks && !e.Seals.Remarks.IsZero() {
		p := &e.Set
		p.Reason, p.Resolution, p.AddTags, p.RemoveTags, e.Seals.Remarks.Salt = nil, nil, nil, nil, salt{}
	}
	return e
}

// Chain makes and checks the digests of events. Each event's digest covers the
// digest of the event before it and everything in the event itself, its content
// through [Seals]. So an event cannot be altered, removed from the middle,
// inserted or moved without every later digest failing.
//
// A chain without a key has limits. Anyone with write access to the database can
// alter an event and compute all later digests again, and can cut off the newest
// events. Only a copy of a later digest, kept elsewhere, shows that. With a Key,
// nobody without the key can compute digests. A cut at the end shows only in
// comparison with [Ticket].Version and Digest, which [Desk.Verify] makes, or with a
// copy. The chain shows that content was erased with [Event.Erase], but not by whom.
type Chain struct {
	// Key makes each digest an HMAC-SHA-256 (RFC 2104) with this key. Use 32
	// random bytes. Empty means plain SHA-256. Do not change it later: histories
	// that were written with another key do not verify.
	Key []byte
}

// Verify checks a whole history, from event 1 on, under the chain's key. It
// returns nil or a [*ChainError] for the first event that was altered, removed,
// inserted or reordered. [Chain] says which changes it cannot detect.
func (c Chain) Verify(events []Event) error {
	if len(events) == 0 {
		return nil
	}
	return c.verify(events, 0, Digest{}, events[0].Ticket)
}

// verify checks events of a ticket that follow the event with this number and
// digest.
func (c Chain) verify(events []Event, after int64, prev Digest, id ID) error {
	w := newWriter(c.Key)
	defer w.free()
	for i := range events {
		e := &events[i]
		if err := inSequence(events, i, after, id); err != nil {
			return err
		}
		if fault := w.checkSeals(e); fault != "" {
			return &ChainError{Ticket: e.Ticket, Seq: e.Seq, Index: int(after) + i, Fault: chainAltered, Detail: fault}
		}
		if w.digest(prev, e) != e.Digest {
			return &ChainError{Ticket: e.Ticket, Seq: e.Seq, Index: int(after) + i, Fault: chainAltered,
				Detail: "its digest does not follow from its content and the event before it"}
		}
		prev = e.Digest
	}
	return nil
}

// Seal completes an event that follows the one with the digest prev (zero for
// the first): it makes fresh salts and seals for the content and the digest.
// It cuts the event's times to the microsecond first. The desk does this for
// every event it writes; it is exported for imports.
func (c Chain) Seal(prev Digest, e *Event) {
	w := newWriter(c.Key)
	defer w.free()
	e.At, e.Seals = microTime(e.At), Seals{}
	if e.Set.Timer != nil {
		e.Set.Timer.At, e.Set.Timer.From = microTime(e.Set.Timer.At), microTime(e.Set.Timer.From)
	}
	if r := e.Set.Restored; r != nil {
		r.Resolved, r.Closed = microTime(r.Resolved), microTime(r.Closed)
	}
	e.Set.cutClocks()
	for _, g := range w.groups(e) {
		if len(g.content()) > 0 {
			g.seal.Salt = w.salt()
			g.seal.Sum = w.commit(g.seal.Salt, g.tag)
		}
	}
	e.Digest = w.digest(prev, e)
}

// The values of ChainError.Fault. Applications compare with the words.
const (
	chainAltered   = "altered"
	chainRemoved   = "removed"
	chainInserted  = "inserted"
	chainReordered = "reordered"
)

// ChainError is the data of [ErrChain].
type ChainError struct {
	Ticket ID
	Seq    int64 // the sequence number of the event; of the missing event, where one is missing
	Index  int   // the place in the history, from 0

	// Fault names the fault in one word:
	//
	//	"altered"    the event is not the one that was written
	//	"removed"    the event that should be here is missing
	//	"inserted"   the event does not belong here: a repeat, or another ticket's
	//	"reordered"  the event that should be here comes later
	Fault string

	Detail string // the fault in a sentence
}

func (e *ChainError) Error() string {
	return fmt.Sprintf("ticket: history of %s: event %d was %s: %s", e.Ticket, e.Seq, e.Fault, e.Detail)
}

// Is reports whether target is [ErrChain].
func (e *ChainError) Is(target error) bool { return target == ErrChain }

// inSequence checks that events[i] belongs to the ticket and has the right number.
// The event before events[0] has the number after.
func inSequence(events []Event, i int, after int64, id ID) error {
	e, want := &events[i], after+int64(i)+1
	at := int(want) - 1 // in the whole history
	switch {
	case e.Ticket != id:
		return &ChainError{Ticket: id, Seq: want, Index: at, Fault: chainInserted,
			Detail: "it is of ticket " + e.Ticket.String()}
	case e.Seq == want:
		return nil
	case e.Seq < want:
		return &ChainError{Ticket: e.Ticket, Seq: e.Seq, Index: at, Fault: chainInserted,
			Detail: fmt.Sprintf("its number stands again where %d should be", want)}
	case slices.ContainsFunc(events[i:], func(l Event) bool { return l.Seq == want }):
		return &ChainError{Ticket: e.Ticket, Seq: e.Seq, Index: at, Fault: chainReordered,
			Detail: fmt.Sprintf("it stands before event %d", want)}
	default:
		return &ChainError{Ticket: e.Ticket, Seq: want, Index: at, Fault: chainRemoved,
			Detail: fmt.Sprintf("event %d is in its place", e.Seq)}
	}
}

// writer encodes events and hashes them. Tags are given once and never renumbered;
// see package canon.
type writer struct {
	canon.Buffer
	hash hash.Hash // nil: plain SHA-256
	e    *Event
	g    [4]sealed

	random [32 * len(salt{})]byte
	unused int // bytes at its beginning
}

type sealed struct {
	tag     byte
	seal    *Seal
	content func() []byte // encodes the content into the writer
}

var writers = sync.Pool{New: func() any { return new(writer) }}

func newWriter(key []byte) *writer {
	w := writers.Get().(*writer)
	if len(key) > 0 {
		w.hash = hmac.New(sha256.New, key)
	}
	return w
}

// free gives the writer back. No content stays in it, and no salt that
// could confirm a guess at the content.
func (w *writer) free() {
	w.Wipe()
	w.hash, w.e = nil, nil
	for i := range w.g {
		w.g[i].seal = nil
	}
	writers.Put(w)
}

const (
	eventDomain = "ticket event 1"
	sealDomain  = "ticket seal 1"
)

// groups returns the groups of the event with their places. The closures are
// made once per writer.
func (w *writer) groups(e *Event) []sealed {
	if w.g[0].content == nil {
		w.g[0] = sealed{tag: 'w', content: w.words}
		w.g[1] = sealed{tag: 'i', content: w.inside}
		w.g[2] = sealed{tag: 'p', content: w.people}
		w.g[3] = sealed{tag: 'r', content: w.remarks}
	}
	w.e = e
	w.g[0].seal, w.g[1].seal, w.g[2].seal, w.g[3].seal = &e.Seals.PublicContent, &e.Seals.InternalContent, &e.Seals.Identities, &e.Seals.Remarks
	return w.g[:]
}

// checkSeals returns the fault in the content of a group, or "" if there is none.
func (w *writer) checkSeals(e *Event) string {
	for _, g := range w.groups(e) {
		switch empty := len(g.content()) == 0; {
		case empty && !g.seal.Salt.IsZero():
			return "content was taken out without being erased"
		case g.tag == 'r' && g.seal.IsZero(): // the digest itself covers them
		case !empty && g.seal.Sum.IsZero():
			return "content was added"
		case !empty && w.commit(g.seal.Salt, g.tag) != g.seal.Sum:
			return "content does not fit its seal"
		}
	}
	return ""
}

// salt draws fresh randomness. It is fetched for many salts at once, and each
// piece is forgotten when it is handed out.
func (w *writer) salt() (s salt) {
	if w.unused == 0 {
		_, _ = rand.Read(w.random[:]) // never fails, by its documentation
		w.unused = len(w.random)
	}
	piece := w.random[w.unused-len(s) : w.unused]
	copy(s[:], piece)
	clear(piece)
	w.unused -= len(s)
	return s
}

// commit hashes the content that was encoded last.
func (w *writer) commit(salt salt, group byte) Digest {
	n := len(w.Encoded())
	w.Raw([]byte(sealDomain))
	w.Raw([]byte{group})
	w.Raw(salt[:])
	w.Raw(w.Encoded()[:n])
	return sha256.Sum256(w.Encoded()[n:])
}

func (w *writer) digest(prev Digest, e *Event) Digest {
	w.Reset()
	w.Raw([]byte(eventDomain))
	w.Raw(prev[:])
	w.event(e)
	if w.hash == nil {
		return sha256.Sum256(w.Encoded())
	}
	w.hash.Reset()
	w.hash.Write(w.Encoded())
	var d Digest
	w.hash.Sum(d[:0])
	return d
}

func (w *writer) event(e *Event) {
	w.Bytes(1, e.Ticket[:])
	w.Int(2, e.Seq)
	w.Time(3, e.At)
	w.Text(4, string(e.Action))
	w.Int(5, int64(e.By.Role))
	w.Text(6, e.By.ID)
	w.Text(7, string(e.From.Status))
	w.Int(8, int64(e.From.Level))
	w.Text(9, string(e.To.Status))
	w.Int(10, int64(e.To.Level))
	w.Text(11, string(e.Phase))
	w.Text(12, string(e.Channel))
	w.Bool(13, e.Answer)
	w.Bool(14, e.Automatic)
	w.Bool(15, e.Quiet)
	p := &e.Set
	w.Text(20, string(p.Number))
	w.Text(21, p.Tenant)
	w.Text(22, p.Workflow)
	w.Int(23, int64(p.WorkflowVersion))
	w.Int(24, int64(p.Priority))
	w.Int(25, int64(p.Impact))
	w.Int(26, int64(p.Urgency))
	w.Optional(27, p.Queue)
	w.Optional(28, p.Assignee)
	inline := e.Seals.Remarks.IsZero()
	if inline {
		w.Optional(29, p.Reason)
		w.Optional(30, p.Resolution)
	}
	if p.Timer != nil {
		at := w.Begin(31)
		w.Time(1, p.Timer.At)
		w.Text(2, string(p.Timer.Action))
		w.Time(3, p.Timer.From)
		w.End(at)
	}
	if inline {
		w.Texts(32, p.AddTags)
		w.Texts(33, p.RemoveTags)
	}
	w.links(34, p.AddLinks)
	w.links(35, p.RemoveLinks)
	if p.MergedInto != nil {
		w.Element(36, p.MergedInto[:])
	}
	w.Int(37, int64(p.LinkEpoch))
	w.Bytes(38, p.Other[:])
	if p.Restored != nil {
		at := w.Begin(39)
		w.Time(1, p.Restored.Resolved)
		w.Time(2, p.Restored.Closed)
		w.End(at)
	}
	if p.PriorityGiven != nil {
		w.Flag(40, *p.PriorityGiven)
	}
	w.Bool(41, p.NewCustomer)
	w.serviceLevels(p)
	w.upkeep(p)
	w.Bytes(50, e.Seals.PublicContent.Sum[:])
	w.Bytes(51, e.Seals.InternalContent.Sum[:])
	w.Bytes(52, e.Seals.Identities.Sum[:])
	w.Bytes(53, e.Seals.Remarks.Sum[:])
}

func (w *writer) upkeep(p *Patch) {
	if r := p.Erased; r != nil {
		at := w.Begin(54)
		for _, seq := range r.Events {
			w.Fixed(1, uint64(seq))
		}
		for i, on := range [...]bool{r.Groups.PublicContent, r.Groups.InternalContent, r.Groups.Identities, r.Groups.Remarks} {
			w.Bool(byte(2+i), on)
		}
		w.Text(6, r.Reason)
		w.Bool(7, r.Requester)
		w.End(at)
	}
	w.Optional(55, (*string)(p.Stage))
	if p.LegalHold != nil {
		w.Flag(56, *p.LegalHold)
	}
	w.Text(57, p.Rule)
	if p.FeedbackDue != nil {
		w.Fixed(60, uint64(p.FeedbackDue.UnixMicro()))
	}
	w.Bool(61, p.FeedbackAsked)
	w.Int(62, int64(p.Score))
	if p.Published != nil {
		w.Flag(63, *p.Published)
	}
	if p.SolvedBy != nil {
		w.Element(64, p.SolvedBy[:])
	}
	w.Bool(65, p.Suggested)
}

func (w *writer) remarks() []byte {
	w.Reset()
	p := &w.e.Set
	w.Optional(1, p.Reason)
	w.Optional(2, p.Resolution)
	w.Texts(3, p.AddTags)
	w.Texts(4, p.RemoveTags)
	return w.Encoded()
}

func (w *writer) serviceLevels(p *Patch) {
	w.Optional(42, p.Policy)
	if p.PolicyVersion != nil {
		w.Fixed(43, uint64(*p.PolicyVersion))
	}
	for i := range p.Clocks {
		c := &p.Clocks[i]
		at := w.Begin(44)
		w.Text(1, c.Metric)
		w.Int(2, c.Event)
		w.Text(3, c.Policy)
		w.Int(4, int64(c.Version))
		w.Int(5, int64(c.Within))
		w.Int(6, int64(c.Level))
		w.Text(7, c.Queue)
		w.Text(8, c.State)
		w.Time(9, c.Started)
		w.Time(10, c.Since)
		w.Int(11, int64(c.Counted))
		w.Time(12, c.Due)
		w.Time(13, c.Breached)
		w.Int(14, int64(c.Missed))
		w.Texts(15, c.Fired)
		w.Time(16, c.Next)
		w.End(at)
	}
	if a := p.Alert; a != nil {
		at := w.Begin(45)
		w.Text(1, a.Metric)
		w.Int(2, a.Clock)
		w.Text(3, a.Threshold)
		w.Time(4, a.At)
		w.Time(5, a.Due)
		w.Bool(6, a.Late)
		w.Texts(7, a.Tell)
		w.Bool(8, a.Escalate)
		w.Text(9, a.HandOver)
		w.Int(10, int64(a.Raise))
		w.Texts(11, a.Tags)
		w.End(at)
	}
	if p.Promised != nil {
		w.Fixed(46, uint64(p.Promised.UnixMicro()))
	}
	if p.Snoozed != nil {
		w.Fixed(47, uint64(p.Snoozed.UnixMicro()))
	}
}

func (w *writer) words() []byte {
	w.Reset()
	w.Text(1, w.e.Subject)
	w.Text(2, string(w.e.Message))
	w.attachments(3, w.e.Attachments)
	for _, k := range sortedKeys(w.e.Fields) {
		at := w.Begin(4)
		w.Text(1, k)
		v, err := fieldvalue.Normalize(w.e.Fields[k])
		if err != nil && w.e.Fields[k] != nil { // of a type that no desk accepts; the digest covers it anyway
			v = fmt.Sprintf("%#v", w.e.Fields[k])
			w.Element(9, nil)
		}
		switch v := v.(type) {
		case string:
			w.Element(2, []byte(v))
		case bool:
			w.Flag(3, v)
		case int64:
			w.Fixed(4, uint64(v))
		case float64:
			w.Float(5, v)
		case time.Time:
			w.Fixed(6, uint64(v.UnixMicro()))
		case []string:
			w.Element(7, nil)
			w.Texts(8, v)
		}
		w.End(at)
	}
	w.Text(5, string(w.e.Feedback))
	if k := w.e.Known; !k.IsZero() {
		at := w.Begin(6)
		w.Text(1, k.Title)
		w.Text(2, string(k.Text))
		w.End(at)
	}
	return w.Encoded()
}

func (w *writer) inside() []byte {
	w.Reset()
	w.Text(1, string(w.e.Note))
	w.attachments(2, w.e.NoteAttachments)
	return w.Encoded()
}

func (w *writer) people() []byte {
	w.Reset()
	w.person(1, w.e.Actor)
	w.person(2, w.e.Requester)
	for _, p := range w.e.Followed {
		w.person(3, p)
	}
	for _, p := range w.e.Unfollowed {
		w.person(4, p)
	}
	w.person(5, w.e.Author)
	w.Text(6, w.e.MessageID)
	return w.Encoded()
}

func (w *writer) person(tag byte, p Person) {
	if p.IsZero() {
		return
	}
	at := w.Begin(tag)
	w.Text(1, p.ID)
	w.Text(2, p.Name)
	w.Text(3, p.Email)
	w.Text(4, p.Phone)
	w.Text(5, p.Locale)
	w.Text(6, p.Organisation)
	w.Text(7, p.Zone)
	w.End(at)
}

func (w *writer) attachments(tag byte, list []Attachment) {
	for _, a := range list {
		at := w.Begin(tag)
		w.Text(1, a.Name)
		w.Text(2, a.MediaType)
		w.Int(3, a.Size)
		w.Bytes(4, a.SHA256[:])
		w.Text(5, a.Ref)
		w.End(at)
	}
}

func (w *writer) links(tag byte, list []Link) {
	for _, l := range list {
		at := w.Begin(tag)
		w.Text(1, string(l.Relation))
		w.Bytes(2, l.Ticket[:])
		w.Text(3, string(l.Number))
		w.End(at)
	}
}
