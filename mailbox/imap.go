package mailbox

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"

	"github.com/ticketkit/ticket"
)

// IMAP configures how a mailbox is read from an IMAP server (RFC 3501, RFC 9051). The server
// tells of new mails (IDLE) or is asked every minute. Mails stay in the mailbox: they are
// flagged or moved once they are stored.
type IMAP struct {
	// Addr is the host and the port of the server, such as "imap.example.org:993".
	Addr string
	// StartTLS connects without encryption and then asks for it, as servers on port 143 do. By
	// default the connection is encrypted from the beginning, as on port 993.
	StartTLS bool
	// Unencrypted never encrypts. It is for servers on the same machine only.
	Unencrypted bool
	// TLS configures the encryption. Nil means the defaults, with the host of Addr.
	TLS *tls.Config

	// Username and Password sign in. A provider may need a password for this program alone
	// (an app password).
	Username string
	Password Secret
	// Token returns an OAuth 2.0 access token for Username, which replaces Password. It is
	// called for each connection and must refresh a token that has expired. The server gets
	// it by OAUTHBEARER (RFC 7628) or XOAUTH2.
	Token func(ctx context.Context) (string, error)

	// Folder is the folder to read. Empty means "INBOX".
	Folder string
	// All takes in the mails that are there when the mailbox is read for the first time, too.
	// Nobody is written to because of them; see [Envelope].Old. By default the first run begins with the next
	// mail that arrives. What was first is stored: changing All later has no effect.
	All bool
	// Flag is set on mails that are stored. Empty means `\Seen`. "none" means no flag.
	Flag string
	// MoveTo is the folder that mails are moved to once they are stored. Empty means that they
	// stay.
	MoveTo string

	// Timeout limits how long the server may say nothing while it should answer. Zero means a
	// minute.
	Timeout time.Duration
	// Listing is how often the folder is listed although the server tells of new mails. Zero
	// means five minutes; more than nine are not allowed. After a change it is listed sooner,
	// first after a second, then after two, four and so on.
	Listing time.Duration

	firstWait time.Duration // of a test; zero means a second
}

// Secret is a password. It is not printed.
type Secret string

// Format writes a placeholder for every verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "***") }

// MarshalText returns a placeholder.
func (Secret) MarshalText() ([]byte, error) { return []byte("***"), nil }

// Times of the IMAP source.
const (
	defaultTimeout = time.Minute
	defaultListing = 5 * time.Minute
	firstListing   = time.Second // after a listing with new mails
	leastPause     = 100 * time.Millisecond
	mostIdle       = 9 * time.Minute // servers may close a connection after 30 minutes, and routers after ten
	pollInterval   = time.Minute     // without IDLE
	mostSourceWait = 5 * time.Minute // between two attempts to connect
	fetchBatch     = 200             // mails whose sizes are asked for at once
)

func (c *IMAP) check(at string) error {
	var faults []error
	fault := func(field, format string, args ...any) {
		faults = append(faults, invalid(at+field, format, args...))
	}
	host, port, err := net.SplitHostPort(c.Addr)
	switch {
	case err != nil || host == "" || port == "":
		fault("addr", "must be a host and a port, such as imap.example.org:993")
	case c.Unencrypted && !loopback(host):
		fault("unencrypted", "is for servers on the same machine: the password would be readable on the way")
	}
	if c.StartTLS && c.Unencrypted {
		fault("start_tls", "has no use with Unencrypted")
	}
	if c.Username == "" {
		fault("username", "is missing")
	}
	if (c.Password == "") == (c.Token == nil) {
		fault("password", "must be set, or Token, and not both")
	}
	if c.Listing < 0 || c.Listing > mostIdle || c.Timeout < 0 {
		fault("listing", "must be at most %s, and neither it nor Timeout negative", mostIdle)
	}
	if c.MoveTo != "" && c.MoveTo == cmp.Or(c.Folder, "INBOX") {
		fault("move_to", "must be another folder")
	}
	return errors.Join(faults...)
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// readIMAP reads a mailbox until ctx ends. After trouble it tries again, later each time.
func (in *Intake) readIMAP(ctx context.Context, b *box) {
	failures := 0
	for ctx.Err() == nil {
		s := &session{in: in, box: b, conf: b.IMAP, missing: map[uint32]int{}, same: map[ticket.ID]bool{}}
		err := s.run(ctx, func() {
			if failures > 0 {
				failures = 0
				in.trouble(ctx, b, nil)
			}
		})
		if ctx.Err() != nil {
			return
		}
		failures++
		in.trouble(ctx, b, err)
		_ = pauseFor(ctx, min(backoff(failures), mostSourceWait)) // its error is that of ctx
	}
}

// trouble reports that a mailbox cannot be read, or with nil that it can be again.
func (in *Intake) trouble(ctx context.Context, b *box, err error) {
	if in.cfg.Trouble == nil {
		if err != nil {
			in.cfg.Logger.ErrorContext(ctx, "mailbox: cannot read a mailbox", "mailbox", b.Name, "error", err)
		}
		return
	}
	defer func() {
		if p := recover(); p != nil {
			in.cfg.Logger.ErrorContext(ctx, "mailbox: Config.Trouble panicked", "panic", fmt.Sprint(p))
		}
	}()
	in.cfg.Trouble(ctx, b.Name, err)
}

// server is what the source needs of an IMAP server. Every call ends: after the time limit, or
// when the connection is closed.
type server interface {
	// Select opens the folder.
	Select(folder string) (folderState, error)
	// List returns the UIDs from first on, in ascending order.
	List(first uint32) ([]uint32, error)
	// Sizes returns the sizes and the times of arrival of mails, and with a positive number
	// of bytes their headers, if they have no more. Mails that are gone are missing.
	Sizes(uids []uint32, header int) (map[uint32]mailSize, error)
	// Fetch passes a mail, or its header only, to a function, without changing the mail. It
	// reports false if the mail is gone.
	Fetch(uid uint32, headerOnly bool, to func(io.Reader) error) (bool, error)
	// Done flags or moves mails.
	Done(uids []uint32, flag, moveTo string) error
	// Wait returns when the folder has changed, or after the time. Without IDLE it waits a
	// minute at most.
	Wait(ctx context.Context, most time.Duration) error
	Close()
}

type folderState struct{ validity, next uint32 }

type mailSize struct {
	bytes   int64
	arrived time.Time
	header  []byte // as the mail begins, with the empty line; nil if it was not asked for or is too long
}

// session is one connection to an IMAP server.
type session struct {
	in   *Intake
	box  *box
	conf *IMAP

	folder  string
	place   position
	stored  position           // as it is in the store
	missing map[uint32]int     // mails that were listed and could not be fetched, and how often
	again   bool               // the last listing had new mails, or some that the server did not send
	wait    time.Duration      // until the next listing
	idle    int                // listings in a row without a new mail
	there   uint32             // mails with a lower UID were in the folder when it was selected
	same    map[ticket.ID]bool // stored mails that stood for one of the folder
	seen    uint32             // the highest UID of the last listing
	taken   []uint32           // stored, and not flagged yet
}

// run connects, and takes in mails until the connection breaks.
func (s *session) run(ctx context.Context, works func()) (err error) {
	step := "connect"
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
		var source *SourceError
		if err != nil && !errors.As(err, &source) {
			err = &SourceError{Mailbox: s.box.Name, Step: step, Err: err}
		}
	}()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	srv, err := dialIMAP(ctx, s.box.Name, s.conf)
	if err != nil {
		return err
	}
	defer srv.Close()
	step = "select"
	s.folder = cmp.Or(s.conf.Folder, "INBOX")
	state, err := srv.Select(s.folder)
	if err != nil {
		return err
	}
	step = "find the position"
	if s.place, err = s.in.position(ctx, s.box, s.conf.All, state); err != nil {
		return err
	}
	s.stored, s.there = s.place, state.next
	for {
		step = "list"
		if err := s.list(ctx, srv); err != nil {
			return err
		}
		works()
		step = "wait"
		if err := srv.Wait(ctx, s.nextWait()); err != nil {
			return err
		}
		if s.idle++; s.again {
			s.idle = 0
		}
		if s.idle > 3 { // perhaps the server tells of the same mails with each answer
			if err := pauseFor(ctx, leastPause); err != nil {
				return err
			}
		}
	}
}

// nextWait returns how long to wait for the server to tell of a change: first a second, then twice as
// long each time. A server that tells of a mail at any time after it arrived ends the wait. But
// some do not tell of one that arrives after the last command and before IDLE has begun, until
// the next command (RFC 2177 does not say that they must). No order of commands closes that
// gap. Most such mails arrive shortly after others, and these are listed soon.
func (s *session) nextWait() time.Duration {
	most := cmp.Or(s.conf.Listing, defaultListing)
	if s.again || s.wait == 0 {
		s.wait = cmp.Or(s.conf.firstWait, firstListing)
	}
	wait := min(s.wait, most)
	s.wait = min(2*s.wait, most)
	return wait
}

// list takes in all mails from the position on.
func (s *session) list(ctx context.Context, srv server) error {
	uids, err := srv.List(s.place.next)
	if err != nil {
		return err
	}
	failed := false
	s.again = len(uids) > 0 && s.seen != uids[len(uids)-1]
	if len(uids) > 0 {
		s.seen = uids[len(uids)-1]
	}
	for chunk := range slices.Chunk(uids, fetchBatch) {
		unknown, err := s.unknown(ctx, chunk)
		if err != nil {
			return err
		}
		sizes := map[uint32]mailSize{}
		if len(unknown) > 0 {
			header := 0
			if s.place.moved && unknown[0] < s.there {
				header = s.in.cfg.Limits.Header
			}
			if sizes, err = srv.Sizes(unknown, header); err != nil {
				return err
			}
		}
		if unknown, err = s.recognize(ctx, unknown, sizes); err != nil {
			return err
		}
		for _, uid := range unknown {
			size, there := sizes[uid]
			var err error
			if there {
				there, err = s.fetch(ctx, srv, uid, size)
			}
			var refused *imap.Error
			switch {
			case err == nil && !there:
				failed = true
				s.miss(ctx, uid)
			case err == nil:
				delete(s.missing, uid)
			case errors.As(err, &refused) && refused.Type != imap.StatusResponseTypeBye:
				// The server does not give this mail away. The others are not its fault.
				failed = true
				s.in.trouble(ctx, s.box, &SourceError{Mailbox: s.box.Name, Step: fmt.Sprintf("fetch the mail with UID %d", uid), Err: err})
				continue
			default:
				return err
			}
		}
		if !failed {
			s.place.next = chunk[len(chunk)-1] + 1
		}
		if err := s.mark(srv); err != nil {
			return err
		}
		if s.place.next >= s.stored.next+1000 {
			if err := s.keep(ctx); err != nil {
				return err
			}
		}
	}
	return s.keep(ctx)
}

// miss notes that a mail was listed and is not there. Either it was deleted since, and the next
// listing does not have it, or the server does not show it yet: some list a mail before they
// have announced it. So the position must not pass it.
func (s *session) miss(ctx context.Context, uid uint32) {
	s.missing[uid]++
	switch n := s.missing[uid]; {
	case n < 5:
		s.again = true
	case n == 5:
		s.in.trouble(ctx, s.box, &SourceError{Mailbox: s.box.Name, Step: fmt.Sprintf("fetch the mail with UID %d", uid), Err: errors.New("the server lists the mail and does not send it")})
	}
}

// keep stores the position.
func (s *session) keep(ctx context.Context) error {
	if s.place == s.stored {
		return nil
	}
	if err := s.in.keepPosition(ctx, s.box, s.place); err != nil {
		return err
	}
	s.stored = s.place
	return nil
}

// mark flags or moves what was stored. A server that refuses it changes nothing about what was
// taken: the mails are known by their UIDs.
func (s *session) mark(srv server) error {
	flag := cmp.Or(s.conf.Flag, `\Seen`)
	if flag == "none" {
		flag = ""
	}
	if len(s.taken) == 0 || flag == "" && s.conf.MoveTo == "" {
		s.taken = nil
		return nil
	}
	err := srv.Done(s.taken, flag, s.conf.MoveTo)
	var refused *imap.Error
	if errors.As(err, &refused) && refused.Type != imap.StatusResponseTypeBye {
		s.in.cfg.Logger.Warn("mailbox: the server does not flag or move mails", "mailbox", s.box.Name, "error", err)
		err = nil
	}
	if err == nil {
		s.taken = nil
	}
	return err
}

// origin is the key of a mail in the mailbox.
func (s *session) origin(uid uint32) string {
	return fmt.Sprintf("imap %d %d %s", s.place.validity, uid, cut(clean(s.folder), 300))
}

// unknown returns those of the mails that were not stored from this place.
func (s *session) unknown(ctx context.Context, uids []uint32) (list []uint32, err error) {
	origins := make([]string, len(uids))
	for i, uid := range uids {
		origins[i] = s.origin(uid)
	}
	stored, err := s.in.cfg.Store.Mails(ctx, ticket.MailQuery{Tenant: s.box.Tenant, Mailbox: s.box.Name, Origins: origins, Limit: ticket.MaxLimit})
	if err != nil {
		return nil, fmt.Errorf("look up mails: %w", err)
	}
	known := make(map[string]bool, len(stored))
	for _, m := range stored {
		known[m.Origin] = true
	}
	for i, uid := range uids {
		switch {
		case !known[origins[i]]:
			list = append(list, uid)
		case s.conf.MoveTo != "":
			s.taken = append(s.taken, uid) // it is still here
		}
	}
	return list, nil
}

// fetch takes in one mail. Of a mail that is too big it takes the header, which makes a ticket
// that somebody sees.
func (s *session) fetch(ctx context.Context, srv server, uid uint32, size mailSize) (bool, error) {
	limit := int64(s.in.cfg.Limits.Mail)
	e := Envelope{Origin: s.origin(uid), Old: uid < s.place.old || !s.place.start.IsZero() && s.place.moved && size.arrived.Before(s.place.start)}
	header := size.bytes > limit
	if header {
		e.size = size.bytes
	}
	there, err := srv.Fetch(uid, header, func(r io.Reader) error {
		_, err := s.in.Take(ctx, s.box.Name, r, e)
		return err
	})
	if errors.Is(err, ErrTooBig) && !header { // the server was wrong about its size
		e.size = max(size.bytes, limit+1)
		there, err = srv.Fetch(uid, true, func(r io.Reader) error {
			_, err := s.in.Take(ctx, s.box.Name, r, e)
			return err
		})
	}
	if errors.Is(err, ErrTooBig) { // a header of that size
		e.size = max(size.bytes, limit+1)
		_, err = s.in.Take(ctx, s.box.Name, strings.NewReader("X-Oversized-Header: the header of this mail has more bytes than the desk takes\r\n\r\n"), e)
	}
	if err == nil && there {
		s.taken = append(s.taken, uid)
	}
	return there, err
}
