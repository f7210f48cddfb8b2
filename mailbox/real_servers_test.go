package mailbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
)

// program returns the path of a server. Without it the test is skipped, unless TICKET_REQUIRE
// has its name.
func program(t *testing.T, name string, files ...string) string {
	t.Helper()
	for _, f := range files {
		if found, err := exec.LookPath(f); err == nil {
			return found
		}
	}
	if slices.Contains(strings.Split(os.Getenv("TICKET_REQUIRE"), ","), name) {
		t.Fatalf("%s is missing, and TICKET_REQUIRE requires it; make servers installs it", name)
	}
	t.Skipf("SKIPPED, NOTHING WENT THROUGH %s: it is missing; make servers installs it", strings.ToUpper(name))
	return ""
}

// freePort returns a port on loopback.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close() //nolint:errcheck // nobody has connected
	return l.Addr().(*net.TCPAddr).Port
}

// launch starts a server and waits until it listens. The function ends it with all its children.
func launch(t *testing.T, port int, logs string, command string, args ...string) (stop func()) {
	t.Helper()
	var said bytes.Buffer
	cmd := exec.Command(command, args...)
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(t, cmd.Start())
	var once sync.Once
	stop = func() {
		once.Do(func() {
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
			time.AfterFunc(3*time.Second, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
			_ = cmd.Wait()
		})
	}
	t.Cleanup(func() {
		stop()
		if t.Failed() {
			found, _ := filepath.Glob(logs)
			for _, f := range found {
				b, _ := os.ReadFile(f)
				t.Logf("%s:\n%s", filepath.Base(f), b)
			}
			t.Logf("%s: %s", command, &said)
		}
	})
	require.Eventually(t, func() bool {
		c, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	}, 20*time.Second, 10*time.Millisecond)
	return stop
}

// shared returns a folder that a server can use which root starts and which becomes another
// user: the first one there is of names.
func shared(t *testing.T, names ...string) (dir, owner, group string, uid, gid int) {
	t.Helper()
	u, err := user.Current()
	require.NoError(t, err)
	if os.Geteuid() == 0 {
		for _, name := range names {
			if u, err = user.Lookup(name); err == nil {
				break
			}
		}
		require.NoError(t, err, "a server is installed, and its user is not")
	}
	g, err := user.LookupGroupId(u.Gid)
	require.NoError(t, err)
	uid, err = strconv.Atoi(u.Uid)
	require.NoError(t, err)
	gid, err = strconv.Atoi(u.Gid)
	require.NoError(t, err)
	dir, err = os.MkdirTemp("", "mail") //nolint:usetesting // the path of a socket must be short
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	require.NoError(t, os.Chmod(dir, 0o755))
	require.NoError(t, os.Chown(dir, uid, gid))
	return dir, u.Username, g.Name, uid, gid
}

// dovecotConfig configures Dovecot for one account. %[1]s is the folder, %[2]d the port, %[3]s the
// user that it runs as and %[4]s the group; %[5]d and %[6]d are their numbers.
const dovecotConfig = `
protocols = imap
listen = 127.0.0.1
base_dir = %[1]s/run
state_dir = %[1]s/state
log_path = %[1]s/dovecot.log
ssl = no
disable_plaintext_auth = no
default_internal_user = %[3]s
default_internal_group = %[4]s
default_login_user = %[3]s
first_valid_uid = %[5]d
first_valid_gid = %[6]d
mail_location = maildir:%[1]s/maildir
service anvil {
  chroot =
}
service stats {
  chroot =
}
service imap-login {
  chroot =
  inet_listener imap {
    port = %[2]d
  }
  inet_listener imaps {
    port = 0
  }
}
passdb {
  driver = static
  args = password=secret
}
userdb {
  driver = static
  args = uid=%[5]d gid=%[6]d home=%[1]s
}
`

// dovecot starts a Dovecot server, and returns what configures the source, the folder with the
// maildir, and functions that stop the server and start it again.
func dovecot(t *testing.T) (conf *IMAP, maildir string, stop, start func()) {
	t.Helper()
	command := program(t, "dovecot", "dovecot", "/usr/sbin/dovecot")
	dir, owner, group, uid, gid := shared(t, "dovecot", "dovenull", "nobody")
	port := freePort(t)
	conf = &IMAP{Addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), Unencrypted: true, Username: "support", Password: "secret", Timeout: 10 * time.Second}
	file := filepath.Join(dir, "dovecot.conf")
	require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, dovecotConfig, dir, port, owner, group, uid, gid), 0o644))
	maildir = filepath.Join(dir, "maildir")
	for _, name := range []string{maildir, filepath.Join(maildir, "new"), filepath.Join(maildir, "cur"), filepath.Join(maildir, "tmp")} {
		require.NoError(t, os.Mkdir(name, 0o700))
		require.NoError(t, os.Chown(name, uid, gid))
	}
	var end func()
	start = func() { end = launch(t, port, filepath.Join(dir, "dovecot.log"), command, "-F", "-c", file) }
	start()
	return conf, maildir, func() { end() }, start
}

// drop puts a mail into a maildir, as a mail server does.
func drop(t *testing.T, maildir, name string, raw []byte) {
	t.Helper()
	info, err := os.Stat(maildir)
	require.NoError(t, err)
	owner := info.Sys().(*syscall.Stat_t)
	temp := filepath.Join(maildir, "tmp", name)
	require.NoError(t, os.WriteFile(temp, raw, 0o600))
	require.NoError(t, os.Chown(temp, int(owner.Uid), int(owner.Gid)))
	require.NoError(t, os.Rename(temp, filepath.Join(maildir, "new", name)))
}

// A mailbox on Dovecot is read: new mails at once, by IDLE, and those that arrive while the
// connection is broken.
func TestDovecot(t *testing.T) {
	conf, maildir, stop, start := dovecot(t)
	drop(t, maildir, "old", []byte("From: old@example.com\r\nSubject: Before the desk\r\nMessage-ID: <old@example.com>\r\n\r\nOld.\r\n"))
	var mu sync.Mutex
	var troubles []error
	k := newKit(t, "take", func(c *Config, _ *ticket.Config) {
		c.Mailboxes = c.Mailboxes[:1]
		c.Mailboxes[0].IMAP = conf
		c.Trouble = func(_ context.Context, _ string, err error) {
			mu.Lock()
			defer mu.Unlock()
			troubles = append(troubles, err)
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = k.in.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	k.eventually(func() bool {
		list, err := k.in.positions(ctx, k.in.boxes[0])
		return err == nil && len(list) == 1
	}, "the first run stores its position")

	tk := k.open()
	begin := time.Now()
	drop(t, maildir, "answer", k.raw("12-signed"))
	k.eventually(func() bool { return k.ticket(tk.ID).Version > tk.Version }, "the answer is on the ticket")
	require.Less(t, time.Since(begin), 30*time.Second, "IDLE says it long before the next listing")
	require.Contains(t, k.public(tk.ID), "It is the printer on the left.")
	k.eventually(func() bool {
		seen, err := filepath.Glob(filepath.Join(maildir, "cur", "answer:2,*S*"))
		return err == nil && len(seen) == 1
	}, "the mail is flagged")
	unseen, err := filepath.Glob(filepath.Join(maildir, "cur", "old:2,*S*"))
	require.NoError(t, err)
	require.Empty(t, unseen, "what was there before stays as it was")

	stop()
	k.eventually(func() bool { mu.Lock(); defer mu.Unlock(); return len(troubles) > 0 }, "the trouble is reported")
	drop(t, maildir, "new", k.raw("new"))
	start()
	require.Eventually(t, func() bool { return len(k.tickets()) == 2 }, 40*time.Second, 20*time.Millisecond, "what has arrived meanwhile is taken")
	require.Len(t, k.all(), 2)
	k.sum()
}

// Mails are moved once they are stored, and a wrong password needs somebody to act.
func TestDovecotMovesAndRefuses(t *testing.T) {
	conf, maildir, _, _ := dovecot(t)
	require.NoError(t, os.MkdirAll(filepath.Join(maildir, ".Taken"), 0o777))
	info, err := os.Stat(maildir)
	require.NoError(t, err)
	owner := info.Sys().(*syscall.Stat_t)
	for _, name := range []string{"", "new", "cur", "tmp"} {
		path := filepath.Join(maildir, ".Taken", name)
		require.NoError(t, os.MkdirAll(path, 0o700))
		require.NoError(t, os.Chown(path, int(owner.Uid), int(owner.Gid)))
	}
	conf.All, conf.MoveTo = true, "Taken"
	for i := range 5 {
		drop(t, maildir, fmt.Sprint(i), fmt.Appendf(nil, "From: c%d@example.com\r\nSubject: Old %d\r\nMessage-ID: <%d@example.com>\r\n\r\nText %d.\r\n", i, i, i, i))
	}
	wrong := *conf
	wrong.Password = "guessed"
	faults := make(chan error, 10)
	k := newKit(t, "take", func(c *Config, _ *ticket.Config) {
		c.Mailboxes[0].IMAP, c.Mailboxes[1].IMAP = conf, &wrong
		c.Trouble = func(_ context.Context, _ string, err error) {
			if err != nil {
				faults <- err
			}
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = k.in.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	k.eventually(func() bool { return len(k.tickets()) == 5 }, "all are taken")
	k.eventually(func() bool {
		moved, err := filepath.Glob(filepath.Join(maildir, ".Taken", "*", "?*"))
		return err == nil && len(moved) == 5
	}, "all are moved")
	select {
	case err := <-faults:
		var source *SourceError
		require.ErrorAs(t, err, &source)
		require.True(t, source.Credentials, "%v", err)
	case <-time.After(30 * time.Second):
		t.Fatal("the wrong password is not reported")
	}
	k.sum()
}

// eximLMTPConfig configures Exim to accept mail for example.org and to deliver it by LMTP. %[1]s is
// the folder, %[2]d the port, %[3]d that of the LMTP server, %[4]s the program and %[5]s the user.
const eximLMTPConfig = `
exim_path = %[4]s
primary_hostname = mx.example.org
spool_directory = %[1]s/spool
log_file_path = %[1]s/spool/%%slog
pid_file_path = %[1]s/spool/pid
daemon_smtp_ports = %[2]d
local_interfaces = 127.0.0.1
tls_advertise_hosts =
host_lookup =
rfc1413_hosts =
keep_environment =
%[5]s
acl_smtp_rcpt = accept
acl_smtp_data = accept

begin routers
desk:
  driver = manualroute
  domains = example.org
  route_list = * 127.0.0.1
  self = send
  transport = desk
senders:
  driver = accept
  transport = box

begin transports
desk:
  driver = smtp
  protocol = lmtp
  port = %[3]d
  allow_localhost
  hosts_try_dane =
box:
  driver = appendfile
  file = %[1]s/box
  create_file = anywhere

begin retry
* * F,1h,1s
`

// Mail passes from Exim to a desk by LMTP, and each recipient is answered for itself.
func TestEximDeliversByLMTP(t *testing.T) {
	command := program(t, "exim", "exim4", "exim", "/usr/sbin/exim4", "/usr/sbin/exim")
	k := newKit(t, "lmtp")
	_, lmtp, err := net.SplitHostPort(k.lmtp)
	require.NoError(t, err)
	lmtpPort, err := strconv.Atoi(lmtp)
	require.NoError(t, err)
	dir, _, _, uid, gid := shared(t, "Debian-exim", "exim", "mail")
	self := ""
	if os.Geteuid() != 0 { // it cannot become another user
		self = fmt.Sprintf("exim_user = %d\nexim_group = %d\nadmin_groups = %d\ndeliver_drop_privilege", uid, gid, gid)
	}
	port := freePort(t)
	file := filepath.Join(dir, "exim.conf")
	require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, eximLMTPConfig, dir, port, lmtpPort, command, self), 0o644))
	spool := filepath.Join(dir, "spool")
	require.NoError(t, os.Mkdir(spool, 0o755))
	require.NoError(t, os.Chown(spool, uid, gid))
	launch(t, port, filepath.Join(spool, "*log"), command, "-C", file, "-bdf", "-q1s")
	post := func(raw []byte, to ...string) {
		t.Helper()
		c, err := smtp.Dial(net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		require.NoError(t, err)
		defer c.Close() //nolint:errcheck // Quit has said it
		require.NoError(t, c.SendMail("ada@example.com", to, bytes.NewReader(raw)))
		require.NoError(t, c.Quit())
	}
	eventually := func(is func() bool, what string) {
		t.Helper()
		require.Eventually(t, is, 30*time.Second, 20*time.Millisecond, what)
	}

	tk := k.open()
	post(k.raw("12-signed"), k.fill["SIGNED"])
	eventually(func() bool { return len(k.all()) == 1 }, "the answer arrives")
	k.drain()
	m := k.all()[0]
	require.Equal(t, ticket.MailDone, m.State, m.Reason)
	require.Equal(t, tk.ID, m.Ticket)
	require.Equal(t, "ada@example.com", m.From)
	require.True(t, strings.EqualFold(k.fill["SIGNED"], m.To[0]), "the envelope: %q", m.To)

	// One mail for two mailboxes makes one ticket.
	post(k.raw("42-to-and-cc"), "support@example.org", "sales@example.org")
	eventually(func() bool { return len(k.all()) == 3 }, "both mailboxes have it")
	k.drain()
	k.clock.Advance(time.Minute)
	k.drain()
	require.Len(t, k.tickets(), 2)

	// A mailbox that does not exist: the sender gets it back, and the others do not.
	post(k.raw("11-empty-reply-to"), "nobody@example.org", "support@example.org")
	eventually(func() bool { return len(k.all()) == 4 }, "the other recipient has it")
	eventually(func() bool {
		b, err := os.ReadFile(filepath.Join(dir, "box"))
		return err == nil && strings.Contains(string(b), "nobody@example.org")
	}, "the sender is told")

	// While files cannot be stored, the server keeps the mail.
	k.files.failWith(errors.New("disk full"))
	post(k.raw("new"), "support@example.org")
	eventually(func() bool {
		b, err := os.ReadFile(filepath.Join(spool, "mainlog"))
		return err == nil && strings.Contains(string(b), "451 4.3.0")
	}, "the server is told to try again")
	require.Len(t, k.all(), 4)
	k.files.failWith(nil)
	eventually(func() bool { return len(k.all()) == 5 }, "the server has tried again")
	k.drain()
	require.Len(t, k.tickets(), 4)
	k.sum()
}
