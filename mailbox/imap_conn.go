package mailbox

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-sasl"
)

// guardedConn ends when the other side says nothing for too long. The client library sets
// deadlines of its own, some of them far away; they are ignored.
type guardedConn struct {
	net.Conn
	limit atomic.Int64 // a time.Duration
}

// expect sets how long the next read may take, also of one that has begun.
func (g *guardedConn) expect(d time.Duration) {
	g.limit.Store(int64(d))
	_ = g.Conn.SetReadDeadline(time.Now().Add(d)) //nolint:forbidigo // a deadline of the operating system
}

func (g *guardedConn) Read(p []byte) (int, error) {
	n, err := g.Conn.Read(p)
	if err == nil { // progress
		_ = g.Conn.SetReadDeadline(time.Now().Add(time.Duration(g.limit.Load()))) //nolint:forbidigo // as above
	}
	return n, err
}

func (g *guardedConn) Write(p []byte) (int, error) {
	_ = g.Conn.SetWriteDeadline(time.Now().Add(time.Duration(g.limit.Load()))) //nolint:forbidigo // as above
	return g.Conn.Write(p)
}

func (g *guardedConn) SetDeadline(time.Time) error      { return nil }
func (g *guardedConn) SetReadDeadline(time.Time) error  { return nil }
func (g *guardedConn) SetWriteDeadline(time.Time) error { return nil }

// imapServer is a connection by the client library.
type imapServer struct {
	c       *imapclient.Client
	conn    *guardedConn
	timeout time.Duration
	changed chan struct{}
	idle    bool // the server can IDLE
	stop    func() bool
}

// dialIMAP connects and signs in. The connection is closed when ctx ends.
func dialIMAP(ctx context.Context, mailbox string, conf *IMAP) (_ server, err error) {
	step, credentials := "connect", false
	defer func() {
		if err != nil {
			err = &SourceError{Mailbox: mailbox, Step: step, Credentials: credentials, Err: err}
		}
	}()
	s := &imapServer{timeout: cmp.Or(conf.Timeout, defaultTimeout), changed: make(chan struct{}, 1)}
	host, port, err := net.SplitHostPort(conf.Addr)
	if err != nil {
		return nil, err
	}
	token := ""
	if conf.Token != nil {
		step, credentials = "get a token", true
		if token, err = conf.Token(ctx); err != nil {
			return nil, err
		}
		step, credentials = "connect", false
	}
	dialer := &net.Dialer{Timeout: s.timeout}
	raw, err := dialer.DialContext(ctx, "tcp", conf.Addr)
	if err != nil {
		return nil, err
	}
	s.stop = context.AfterFunc(ctx, func() { _ = raw.Close() })
	defer func() {
		if err != nil {
			s.stop()
			_ = raw.Close()
		}
	}()
	s.conn = &guardedConn{Conn: raw}
	s.conn.expect(s.timeout)
	options := &imapclient.Options{UnilateralDataHandler: &imapclient.UnilateralDataHandler{
		Mailbox: func(d *imapclient.UnilateralDataMailbox) {
			if d.NumMessages != nil {
				select {
				case s.changed <- struct{}{}:
				default:
				}
			}
		},
	}}
	tlsConf := &tls.Config{MinVersion: tls.VersionTLS12}
	if conf.TLS != nil {
		tlsConf = conf.TLS.Clone()
	}
	tlsConf.ServerName = cmp.Or(tlsConf.ServerName, host)
	options.TLSConfig = tlsConf
	switch {
	case conf.Unencrypted:
		s.c = imapclient.New(s.conn, options)
	case conf.StartTLS:
		step = "start TLS"
		if s.c, err = imapclient.NewStartTLS(s.conn, options); err != nil {
			return nil, err
		}
	default:
		step = "start TLS"
		secured := tls.Client(s.conn, tlsConf)
		if err := secured.HandshakeContext(ctx); err != nil {
			return nil, err
		}
		s.c = imapclient.New(secured, options)
	}
	step = "read the greeting"
	if err := s.c.WaitGreeting(); err != nil {
		return nil, err
	}
	step = "sign in"
	number, _ := strconv.Atoi(port)
	if err := s.signIn(conf, token, host, number); err != nil {
		var refused *imap.Error
		var bearer *sasl.OAuthBearerError
		credentials = errors.As(err, &bearer) || errors.As(err, &refused) && refused.Type == imap.StatusResponseTypeNo && refused.Code != imap.ResponseCodeUnavailable
		return nil, err
	}
	s.idle = s.c.Caps().Has(imap.CapIdle)
	return s, nil
}

func (s *imapServer) signIn(conf *IMAP, token, host string, port int) error {
	s.conn.expect(s.timeout)
	if conf.Token == nil {
		if s.c.Caps().Has(imap.CapLoginDisabled) {
			return errors.New("the server takes no password without encryption")
		}
		return s.c.Login(conf.Username, string(conf.Password)).Wait()
	}
	if slices.ContainsFunc(s.c.Caps().AuthMechanisms(), func(m string) bool { return strings.EqualFold(m, sasl.OAuthBearer) }) {
		return s.c.Authenticate(sasl.NewOAuthBearerClient(&sasl.OAuthBearerOptions{Username: conf.Username, Token: token, Host: host, Port: port}))
	}
	return s.c.Authenticate(&xoauth2{username: conf.Username, token: token})
}

// xoauth2 is the mechanism XOAUTH2, which Google and Microsoft document.
type xoauth2 struct{ username, token string }

func (x *xoauth2) Start() (mech string, ir []byte, err error) {
	return "XOAUTH2", []byte("user=" + x.username + "\x01auth=Bearer " + x.token + "\x01\x01"), nil
}

// Next answers the error that the server describes, so that it ends the exchange.
func (x *xoauth2) Next([]byte) ([]byte, error) { return []byte{}, nil }

func (s *imapServer) Select(folder string) (folderState, error) {
	s.conn.expect(s.timeout)
	data, err := s.c.Select(folder, nil).Wait()
	if err != nil {
		return folderState{}, err
	}
	if data.UIDValidity == 0 || data.UIDNext == 0 {
		return folderState{}, errors.New("the server has no UIDs that last")
	}
	return folderState{validity: data.UIDValidity, next: uint32(data.UIDNext)}, nil
}

func (s *imapServer) List(first uint32) ([]uint32, error) {
	s.conn.expect(s.timeout)
	var set imap.UIDSet
	set.AddRange(imap.UID(max(first, 1)), 0)
	data, err := s.c.UIDSearch(&imap.SearchCriteria{UID: []imap.UIDSet{set}}, nil).Wait()
	if err != nil {
		return nil, err
	}
	var uids []uint32
	for _, uid := range data.AllUIDs() {
		if uint32(uid) >= first { // "n:*" has the last mail even if its UID is lower
			uids = append(uids, uint32(uid))
		}
	}
	slices.Sort(uids)
	return slices.Compact(uids), nil
}

func (s *imapServer) Sizes(uids []uint32, header int) (map[uint32]mailSize, error) {
	s.conn.expect(s.timeout)
	options := &imap.FetchOptions{UID: true, RFC822Size: true, InternalDate: true}
	if header > 0 {
		options.BodySection = []*imap.FetchItemBodySection{{Peek: true, Specifier: imap.PartSpecifierHeader}}
	}
	sizes := make(map[uint32]mailSize, len(uids))
	cmd := s.c.Fetch(uidSet(uids), options)
	for msg := cmd.Next(); msg != nil; msg = cmd.Next() {
		var size mailSize
		var uid uint32
		for item := msg.Next(); item != nil; item = msg.Next() {
			switch item := item.(type) {
			case imapclient.FetchItemDataUID:
				uid = uint32(item.UID)
			case imapclient.FetchItemDataRFC822Size:
				size.bytes = item.Size
			case imapclient.FetchItemDataInternalDate:
				size.arrived = item.Time
			case imapclient.FetchItemDataBodySection:
				if item.Literal == nil || item.Literal.Size() > int64(header) {
					continue // the library skips it
				}
				var err error
				if size.header, err = io.ReadAll(item.Literal); err != nil {
					_ = cmd.Close()
					return nil, err
				}
			}
		}
		if uid > 0 {
			sizes[uid] = size
		}
	}
	return sizes, cmd.Close()
}

func (s *imapServer) Fetch(uid uint32, headerOnly bool, to func(io.Reader) error) (there bool, err error) {
	s.conn.expect(s.timeout)
	section := &imap.FetchItemBodySection{Peek: true}
	if headerOnly {
		section.Specifier = imap.PartSpecifierHeader
	}
	cmd := s.c.Fetch(uidSet([]uint32{uid}), &imap.FetchOptions{UID: true, BodySection: []*imap.FetchItemBodySection{section}})
	for msg := cmd.Next(); msg != nil; msg = cmd.Next() {
		for item := msg.Next(); item != nil; item = msg.Next() {
			body, ok := item.(imapclient.FetchItemDataBodySection)
			if !ok || body.Literal == nil || there {
				continue
			}
			there = true
			whole := &wholeReader{r: body.Literal, left: body.Literal.Size()}
			if err = to(whole); err != nil {
				s.abandon(whole)
				_ = cmd.Close()
				return there, err
			}
		}
	}
	if err := cmd.Close(); err != nil && !there {
		return false, err
	}
	return there, nil
}

// abandon ends the connection within a literal, because what is left need not be read. The
// client library must not read at the same time as its own goroutine: so the literal is read
// until its first error, which lets that goroutine go on and end.
func (s *imapServer) abandon(w *wholeReader) {
	if w.left <= 0 {
		return
	}
	_ = s.conn.Close()
	if !w.failed {
		_, _ = io.Copy(io.Discard, w)
	}
	<-s.c.Closed()
}

// wholeReader fails if a literal ends early, because the connection was cut.
type wholeReader struct {
	r      io.Reader
	left   int64
	failed bool // reading has ended
}

func (w *wholeReader) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	w.left -= int64(n)
	w.failed = w.failed || err != nil
	if errors.Is(err, io.EOF) && w.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func (s *imapServer) Done(uids []uint32, flag, moveTo string) error {
	s.conn.expect(s.timeout)
	if flag != "" {
		store := &imap.StoreFlags{Op: imap.StoreFlagsAdd, Silent: true, Flags: []imap.Flag{imap.Flag(flag)}}
		if err := s.c.Store(uidSet(uids), store, nil).Close(); err != nil {
			return err
		}
	}
	if moveTo == "" {
		return nil
	}
	if caps := s.c.Caps(); !caps.Has(imap.CapMove) && !caps.Has(imap.CapUIDPlus) {
		// Without either, mails that somebody else marked for deletion would be deleted too.
		return &imap.Error{Type: imap.StatusResponseTypeNo, Text: "the server can neither MOVE nor UID EXPUNGE"}
	}
	_, err := s.c.Move(uidSet(uids), moveTo).Wait()
	return err
}

func (s *imapServer) Wait(ctx context.Context, most time.Duration) error {
	if !s.idle {
		s.conn.expect(pollInterval + s.timeout)
		timer := time.NewTimer(min(most, pollInterval))
		defer timer.Stop()
		select {
		case <-s.changed: // it was told with the answer to another command
		case <-timer.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		s.conn.expect(s.timeout)
		return s.c.Noop().Wait()
	}
	s.conn.expect(s.timeout)
	cmd, err := s.c.Idle()
	if err != nil {
		return err
	}
	s.conn.expect(most + s.timeout)
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-s.changed:
	case <-timer.C:
	case err := <-ended:
		if err == nil {
			err = errors.New("the server has ended IDLE")
		}
		return err
	case <-ctx.Done():
		_ = cmd.Close()
		return ctx.Err()
	}
	s.conn.expect(s.timeout)
	if err := cmd.Close(); err != nil {
		return err
	}
	return <-ended
}

func pauseFor(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *imapServer) Close() {
	s.stop()
	_ = s.c.Close()
	_ = s.conn.Close()
}

func uidSet(uids []uint32) imap.UIDSet {
	var set imap.UIDSet
	for _, uid := range uids {
		set.AddNum(imap.UID(uid))
	}
	return set
}
