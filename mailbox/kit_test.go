package mailbox

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/memstore"
	"github.com/ticketkit/ticket/replyaddress"
	"github.com/ticketkit/ticket/tickettest"
)

// memFiles is a file store in memory. It can be told to fail.
type memFiles struct {
	mu    sync.Mutex
	bytes map[string][]byte
	fail  error
}

func newMemFiles() *memFiles { return &memFiles{bytes: map[string][]byte{}} }

func (f *memFiles) failWith(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fail = err
}

func (f *memFiles) Put(_ context.Context, tenant string, content io.Reader) (ticket.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail != nil {
		return ticket.File{}, f.fail
	}
	b, err := io.ReadAll(content)
	if err != nil {
		return ticket.File{}, err
	}
	sum := ticket.Digest(sha256.Sum256(b))
	f.bytes[tenant+"\x00"+sum.String()] = b
	return ticket.File{Tenant: tenant, SHA256: sum, Size: int64(len(b))}, nil
}

func (f *memFiles) Open(_ context.Context, tenant string, sum ticket.Digest) (io.ReadCloser, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail != nil {
		return nil, f.fail
	}
	b, ok := f.bytes[tenant+"\x00"+sum.String()]
	if !ok {
		return nil, &ticket.NotFoundError{What: "file", Ref: sum.String()}
	}
	return io.NopCloser(bytes.NewReader(b)), nil
}

func (f *memFiles) Delete(_ context.Context, tenant string, sum ticket.Digest, _ time.Time) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.bytes, tenant+"\x00"+sum.String())
	return true, nil
}

func (f *memFiles) List(context.Context, ticket.File, int) ([]ticket.File, error) {
	return nil, fmt.Errorf("not needed")
}

// The ways in which the mails of the cases arrive.
var transports = []string{"take", "imap", "lmtp"}

// kit is a desk with an intake.
type kit struct {
	t         *testing.T
	transport string
	clock     *tickettest.Clock
	store     *memstore.Store
	files     *memFiles
	sent      *tickettest.Recorder
	desk      *ticket.Desk
	in        *Intake
	cfg       Config
	addresses *replyaddress.Addresses

	users *imapmemserver.Server // of the IMAP server
	user  *imapmemserver.User   // of the IMAP server
	lmtp  string                // the address of the LMTP server
	fill  map[string]string     // what stands for placeholders in the mails
}

var (
	ada  = ticket.Requester(ticket.Person{Name: "Ada Byron", Email: "ada@example.com"})
	lin  = ticket.Agent("lin", 1, 2, 3)
	desk = ticket.System("test")
)

// newKit returns a desk whose mails arrive by the transport. Functions change the
// configuration.
func newKit(t *testing.T, transport string, change ...func(*Config, *ticket.Config)) *kit {
	t.Helper()
	k := &kit{t: t, transport: transport, clock: tickettest.NewClock(), store: memstore.New(), files: newMemFiles(), sent: tickettest.NewRecorder(), fill: map[string]string{}}
	var err error
	k.addresses, err = replyaddress.New(replyaddress.Config{
		Mailbox: "support@example.org", Bounces: "bounces@example.org", Keys: []replyaddress.Key{{ID: 1, Secret: bytes.Repeat([]byte{7}, 32)}},
	})
	require.NoError(t, err)
	deskCfg := tickettest.Config(k.clock, k.sent, "mail")
	k.cfg = Config{
		Store: k.store, Files: k.files,
		Mailboxes: []Mailbox{
			{Name: "support", Addresses: []string{"support@example.org", "bounces@example.org"}, Replies: k.addresses, AuthServer: "mx.example.org"},
			{Name: "sales", Addresses: []string{"sales@example.org"}, Replies: k.addresses, AuthServer: "mx.example.org", Queue: "sales"},
		},
		Agent: func(_ context.Context, _, address string) (ticket.Actor, bool, error) {
			return lin, strings.EqualFold(address, "lin@example.org"), nil
		},
		Now: k.clock.Now, NewID: tickettest.NewIDs(), Poll: 10 * time.Millisecond,
		Logger: slog.New(slog.DiscardHandler),
	}
	// The IDs of mails and those of tickets come from one source, so that they differ.
	deskCfg.NewID = k.cfg.NewID
	for _, c := range change {
		c(&k.cfg, &deskCfg)
	}
	k.desk, err = ticket.NewDesk(k.store, deskCfg)
	require.NoError(t, err)
	k.cfg.Desk = k.desk
	if transport == "imap" {
		k.startIMAP()
	}
	k.in, err = New(k.cfg)
	require.NoError(t, err)
	switch transport {
	case "imap":
		k.runIMAP()
	case "lmtp":
		k.startLMTP()
	}
	return k
}

// startIMAP starts a server with a folder for each mailbox.
func (k *kit) startIMAP() {
	k.t.Helper()
	server, user := imapmemserver.New(), imapmemserver.NewUser("support", "secret")
	server.AddUser(user)
	k.user = user
	addr := serveIMAP(k.t, server, nil)
	for i := range k.cfg.Mailboxes {
		m := &k.cfg.Mailboxes[i]
		require.NoError(k.t, user.Create(m.Name, nil))
		m.IMAP = &IMAP{Addr: addr, Unencrypted: true, Username: "support", Password: "secret", Folder: m.Name, Timeout: 5 * time.Second,
			Listing: 100 * time.Millisecond} // the test server forgets mails that arrive just before IDLE
	}
}

// serveIMAP starts an IMAP server on loopback.
func serveIMAP(t *testing.T, server *imapmemserver.Server, wrap func(net.Conn) net.Conn) (addr string) {
	t.Helper()
	return serveSessions(t, server.NewSession, wrap)
}

// serveSessions is serveIMAP with sessions of a test.
func serveSessions(t *testing.T, session func() imapserver.Session, wrap func(net.Conn) net.Conn) (addr string) {
	t.Helper()
	srv := imapserver.New(&imapserver.Options{
		NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return session(), nil, nil
		},
		Caps:         imap.CapSet{imap.CapIMAP4rev1: {}, imap.CapIMAP4rev2: {}},
		InsecureAuth: true,
		Logger:       slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo),
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	lis := l
	if wrap != nil {
		lis = &wrappedListener{l, wrap}
	}
	go func() { _ = srv.Serve(lis) }()
	t.Cleanup(func() { _ = srv.Close() })
	return l.Addr().String()
}

type wrappedListener struct {
	net.Listener
	wrap func(net.Conn) net.Conn
}

func (l *wrappedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return l.wrap(c), nil
}

// runIMAP reads the folders, from now on.
func (k *kit) runIMAP() {
	k.t.Helper()
	ctx, cancel := context.WithCancel(k.t.Context())
	var done sync.WaitGroup
	k.t.Cleanup(func() { cancel(); done.Wait() })
	for _, b := range k.in.boxes {
		done.Go(func() { k.in.readIMAP(ctx, b) })
		k.eventually(func() bool {
			list, err := k.in.positions(k.t.Context(), b)
			return err == nil && len(list) == 1
		}, "the first run stores its position")
	}
}

func (k *kit) startLMTP() {
	k.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(k.t, err)
	ctx, cancel := context.WithCancel(k.t.Context())
	var done sync.WaitGroup
	done.Go(func() { _ = k.in.ServeLMTP(ctx, l) })
	k.t.Cleanup(func() { cancel(); done.Wait() })
	k.lmtp = l.Addr().String()
}

func (k *kit) eventually(is func() bool, what string) {
	k.t.Helper()
	require.Eventually(k.t, is, 10*time.Second, 2*time.Millisecond, what)
}

// raw returns a mail of testdata/cases, with placeholders filled in.
func (k *kit) raw(name string) []byte {
	k.t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "cases", name+".eml"))
	require.NoError(k.t, err)
	return k.filled(b)
}

func (k *kit) filled(b []byte) []byte {
	for _, name := range slices.Sorted(mapsKeys(k.fill)) {
		b = bytes.ReplaceAll(b, []byte("{"+name+"}"), []byte(k.fill[name]))
	}
	return bytes.ReplaceAll(b, []byte("\n"), []byte("\r\n"))
}

// all returns all mails, the oldest first.
func (k *kit) all() []ticket.Mail {
	k.t.Helper()
	list, err := k.store.Mails(k.t.Context(), ticket.MailQuery{Limit: 1000})
	require.NoError(k.t, err)
	slices.Reverse(list)
	return list
}

// arrive lets a mail arrive at mailboxes, and waits until it is stored.
func (k *kit) arrive(raw []byte, mailboxes ...string) {
	k.t.Helper()
	if len(mailboxes) == 0 {
		mailboxes = []string{"support"}
	}
	before := len(k.all())
	switch k.transport {
	case "take":
		for _, m := range mailboxes {
			_, err := k.in.Take(k.t.Context(), m, bytes.NewReader(raw), Envelope{})
			require.NoError(k.t, err)
		}
	case "imap":
		for _, m := range mailboxes {
			k.append(m, raw)
		}
	case "lmtp":
		require.NoError(k.t, k.send(raw, mailboxes...))
	}
	k.eventually(func() bool { return len(k.all()) == before+len(mailboxes) }, "the mail is stored")
}

// append puts a mail into a folder of the IMAP server.
func (k *kit) append(folder string, raw []byte) {
	k.t.Helper()
	_, err := k.user.Append(folder, literal{bytes.NewReader(raw)}, &imap.AppendOptions{})
	require.NoError(k.t, err)
}

type literal struct{ *bytes.Reader }

func (l literal) Size() int64 { return l.Reader.Size() }

// send delivers a mail by LMTP.
func (k *kit) send(raw []byte, mailboxes ...string) error {
	k.t.Helper()
	conn, err := net.Dial("tcp", k.lmtp)
	require.NoError(k.t, err)
	c := smtp.NewClientLMTP(conn)
	defer c.Close() //nolint:errcheck // the end of a test
	from := "someone@example.com"
	if bytes.Contains(raw, []byte("Return-Path: <>")) {
		from = ""
	}
	if err := c.Mail(from, nil); err != nil {
		return err
	}
	for _, m := range mailboxes {
		if err := c.Rcpt(m+"@example.org", nil); err != nil {
			return err
		}
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write(raw); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return c.Quit()
}

// take lets mails arrive and takes them. It returns the record of the last one.
func (k *kit) take(names ...string) ticket.Mail {
	k.t.Helper()
	for _, name := range names {
		k.arrive(k.raw(name))
	}
	k.drain()
	list := k.all()
	return list[len(list)-1]
}

func (k *kit) drain() {
	k.t.Helper()
	_, err := k.in.Drain(k.t.Context())
	require.NoError(k.t, err)
}

// open opens a ticket of Ada's and delivers the confirmation, which the mails of the cases
// answer.
func (k *kit) open() ticket.Ticket {
	k.t.Helper()
	t, err := k.desk.Open(k.t.Context(), ada, ticket.Draft{Subject: "Printer prints blank pages", Message: "It does."})
	require.NoError(k.t, err)
	k.deliver()
	n := k.sent.RequireSent(k.t, ticket.KindReceived, "ada@example.com")
	k.refer(t, n.ID)
	k.sent.Reset()
	return t
}

// refer makes the placeholders stand for this ticket and this letter.
func (k *kit) refer(t ticket.Ticket, letter ticket.ID) {
	k.t.Helper()
	sign := func(kind replyaddress.Kind, p ticket.Person) string {
		a, err := k.addresses.Make(replyaddress.Request{Number: t.Number, Kind: kind, Person: p})
		require.NoError(k.t, err)
		return a
	}
	signed := sign(replyaddress.Customer, t.Requester)
	local, domain := split(signed)
	last := "0"
	if strings.HasSuffix(local, "0") {
		last = "1"
	}
	number := string(t.Number)
	k.fill["NUMBER"], k.fill["LETTER"] = number, "<"+letter.String()+"@example.org>"
	k.fill["MISTYPED"] = number[:len(number)-1] + "Z"
	k.fill["SIGNED"], k.fill["SIGNED_UPPER"] = signed, strings.ToUpper(signed)
	k.fill["FORGED"] = local[:len(local)-1] + last + "@" + domain
	k.fill["AGENT_NOTE"], k.fill["AGENT_REPLY"] = sign(replyaddress.AgentNote, lin.Person), sign(replyaddress.AgentReply, lin.Person)
	k.fill["BOUNCE"], k.fill["RECIPIENT"] = k.addresses.Bounce("", letter), t.Requester.Email
}

func (k *kit) deliver() {
	k.t.Helper()
	_, err := k.desk.Deliver(k.t.Context())
	require.NoError(k.t, err)
}

func (k *kit) ticket(id ticket.ID) ticket.Ticket {
	k.t.Helper()
	t, err := k.desk.Get(k.t.Context(), desk, id)
	require.NoError(k.t, err)
	return t
}

// tickets returns all tickets, the oldest first.
func (k *kit) tickets() []ticket.Ticket {
	k.t.Helper()
	page, err := k.desk.List(k.t.Context(), desk, ticket.Query{Limit: 1000})
	require.NoError(k.t, err)
	return page.Tickets
}

// last returns the last event of a ticket.
func (k *kit) last(id ticket.ID) ticket.Event {
	k.t.Helper()
	events := k.events(id)
	return events[len(events)-1]
}

func (k *kit) events(id ticket.ID) (list []ticket.Event) {
	k.t.Helper()
	for e, err := range k.desk.Events(k.t.Context(), desk, id) {
		require.NoError(k.t, err)
		list = append(list, e)
	}
	return list
}

// public returns all that customers read of a ticket.
func (k *kit) public(id ticket.ID) string {
	k.t.Helper()
	var b strings.Builder
	for e, err := range k.desk.History(k.t.Context(), ada, id) {
		require.NoError(k.t, err)
		fmt.Fprintln(&b, e.Message, e.Attachments, e.Note)
	}
	return b.String()
}

// sum checks rule 9: every mail that was stored is in one state.
func (k *kit) sum() map[ticket.MailState]int64 {
	k.t.Helper()
	counts, err := k.in.Counts(k.t.Context(), desk)
	require.NoError(k.t, err)
	var sum int64
	for _, n := range counts {
		sum += n
	}
	require.Len(k.t, k.all(), int(sum))
	return counts
}

func mapsKeys(m map[string]string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for key := range m {
			if !yield(key) {
				return
			}
		}
	}
}
