package mail_test

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/mail"
)

// eximConfig configures Exim to accept mail for example.org over TLS only, and to store
// it in a maildir. %[1]s is the folder, %[2]d the port, %[3]s the program, %[4]s the
// user it runs as.
const eximConfig = `
exim_path = %[3]s
primary_hostname = mx.example.org
spool_directory = %[1]s/spool
log_file_path = %[1]s/spool/%%slog
pid_file_path = %[1]s/spool/pid
daemon_smtp_ports = %[2]d
local_interfaces = 127.0.0.1
tls_advertise_hosts = *
tls_certificate = %[1]s/cert.pem
tls_privatekey = %[1]s/key.pem
smtputf8_advertise_hosts =
host_lookup =
rfc1413_hosts =
keep_environment =
deliver_drop_privilege
%[4]s
acl_smtp_rcpt = rcpt
acl_smtp_data = accept

begin acl
rcpt:
  deny    message = encryption required
          !encrypted = *
  deny    message = no such user
          local_parts = nobody
  defer   message = come back later
          local_parts = busy
  accept  domains = example.org
  deny    message = relay not permitted

begin routers
everybody:
  driver = accept
  transport = box

begin transports
box:
  driver = appendfile
  directory = %[1]s/box
  maildir_format
  create_directory
`

// exim starts an Exim server, and returns the configuration to send through it and the
// folder where mail arrives. Without the program the test is skipped, unless
// TICKET_REQUIRE names "exim".
func exim(t *testing.T) (cfg mail.Config, arrived string) {
	t.Helper()
	program := ""
	for _, p := range []string{"exim4", "exim", "/usr/sbin/exim4", "/usr/sbin/exim"} {
		if found, err := exec.LookPath(p); err == nil {
			program = found
			break
		}
	}
	if program == "" {
		if slices.Contains(strings.Split(os.Getenv("TICKET_REQUIRE"), ","), "exim") {
			t.Fatal("exim is missing, and TICKET_REQUIRE requires it; make servers installs it")
		}
		t.Skip("SKIPPED, NOTHING WAS SENT THROUGH EXIM: it is missing; make servers installs it")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	port := l.Addr().(*net.TCPAddr).Port
	require.NoError(t, l.Close())

	dir := t.TempDir()
	cert, roots := certificate(t)
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	require.NoError(t, err)
	write := func(name string, data []byte) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), data, 0o644))
	}
	write("cert.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]}))
	write("key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}))
	self := ""
	if uid, gid := os.Geteuid(), os.Getegid(); uid != 0 { // it cannot become another user
		self = fmt.Sprintf("exim_user = %d\nexim_group = %d\nadmin_groups = %d", uid, gid, gid)
	}
	write("exim.conf", fmt.Appendf(nil, eximConfig, dir, port, program, self))
	for _, name := range []string{"spool", "box"} {
		require.NoError(t, os.Mkdir(filepath.Join(dir, name), 0o755))
	}
	var said bytes.Buffer
	cmd := exec.Command(program, "-C", filepath.Join(dir, "exim.conf"), "-bdf")
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if os.Geteuid() == 0 {
		giveToExim(t, dir)
	}
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
		if t.Failed() {
			logs, _ := filepath.Glob(filepath.Join(dir, "spool", "*log"))
			for _, f := range logs {
				b, _ := os.ReadFile(f)
				t.Logf("%s:\n%s", filepath.Base(f), b)
			}
			t.Logf("exim: %s", &said)
		}
	})
	require.Eventually(t, func() bool {
		c, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	}, 20*time.Second, 10*time.Millisecond)
	s := &server{t: t, addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), roots: roots}
	return s.config(), filepath.Join(dir, "box", "new")
}

// giveToExim gives the folder to the user that Exim switches to when root starts it.
func giveToExim(t *testing.T, dir string) {
	t.Helper()
	for _, name := range []string{"Debian-exim", "exim", "mail"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.Atoi(u.Uid)
		require.NoError(t, err)
		require.NoError(t, os.Chmod(filepath.Dir(dir), 0o755)) // the test's own
		require.NoError(t, os.Chmod(dir, 0o755))
		for _, f := range []string{"cert.pem", "key.pem", "spool", "box"} {
			require.NoError(t, os.Chown(filepath.Join(dir, f), uid, -1))
		}
		return
	}
	t.Fatal("exim is installed, and its user is not")
}

// Every kind in both languages passes a real mail server byte for byte, below the
// header lines that servers add.
func TestLettersPassEximUnchanged(t *testing.T) {
	cfg, arrived := exim(t)
	cfg.ReplyPlus = "support@example.org"
	m, err := mail.New(cfg)
	require.NoError(t, err)

	n := notification(ticket.KindReceived, 200)
	n.To.Person.Email = "nobody@example.org"
	err = m.Notify(t.Context(), n)
	require.Equal(t, "bounce", mark(err))
	require.ErrorContains(t, err, "mail: recipient: the server said 550 no such user")
	n.To.Person.Email = "busy@example.org"
	err = m.Notify(t.Context(), n)
	require.Equal(t, "temporary", mark(err))
	require.ErrorContains(t, err, "451 come back later")

	names := map[string]string{} // of golden files, by Message-ID
	sent := map[string]ticket.Notification{}
	every(t, func(t *testing.T, name string, n ticket.Notification) {
		t.Helper()
		require.NoError(t, m.Notify(t.Context(), n))
		id := n.ID.String() + "@example.org"
		names[id], sent[id] = name, n
	})
	m.Close(t.Context())
	var files []os.DirEntry
	require.Eventually(t, func() bool {
		files, _ = os.ReadDir(arrived)
		return len(files) >= len(sent)
	}, 60*time.Second, 50*time.Millisecond)
	require.Len(t, files, len(sent))
	for _, f := range files {
		b, err := os.ReadFile(filepath.Join(arrived, f.Name()))
		require.NoError(t, err)
		above, own, ok := strings.Cut(string(b), "\nAuto-Submitted:")
		require.True(t, ok)
		require.Contains(t, above, "Received: from ")
		own = "Auto-Submitted:" + own
		p := parse(t, own)
		ids := p.ids(t, "Message-Id")
		require.Len(t, ids, 1)
		require.Contains(t, names, ids[0])
		readable(t, strings.ReplaceAll(own, "\n", "\r\n"), sent[ids[0]])
		golden(t, names[ids[0]]+".eml", own)
		delete(names, ids[0])
	}
	require.Empty(t, names, "they did not arrive")
}
