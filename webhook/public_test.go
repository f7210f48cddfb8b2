package webhook

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
)

func TestPublicOnly(t *testing.T) {
	for addr, why := range map[string]string{
		"8.8.8.8":                  "",
		"93.184.216.34":            "",
		"100.63.255.255":           "",
		"100.128.0.0":              "",
		"126.255.255.255":          "",
		"128.0.0.1":                "",
		"172.15.255.255":           "",
		"172.32.0.0":               "",
		"192.167.255.255":          "",
		"198.17.255.255":           "",
		"198.20.0.0":               "",
		"223.255.255.255":          "",
		"168.63.129.17":            "",
		"2606:4700:4700::1111":     "",
		"2001:200::1":              "", // the first after the reserved range
		"2a00:1450:4001:800::200e": "",
		"::ffff:8.8.8.8":           "",
		"64:ff9b::8.8.8.8":         "",
		"0.0.0.0":                  "unspecified",
		"0.1.2.3":                  "unspecified",
		"10.0.0.1":                 "private",
		"10.255.255.255":           "private",
		"100.64.0.1":               "shared",
		"100.127.255.255":          "shared",
		"100.100.100.200":          "metadata",
		"127.0.0.1":                "the machine itself",
		"127.255.255.254":          "the machine itself",
		"169.254.169.254":          "metadata",
		"169.254.0.1":              "local link",
		"168.63.129.16":            "metadata",
		"172.16.0.1":               "private",
		"172.31.255.255":           "private",
		"192.0.0.192":              "metadata",
		"192.0.0.8":                "reserved",
		"192.0.2.1":                "documentation",
		"192.88.99.1":              "6to4",
		"192.168.1.1":              "private",
		"198.18.0.1":               "measurements",
		"198.19.255.255":           "measurements",
		"198.51.100.7":             "documentation",
		"203.0.113.7":              "documentation",
		"224.0.0.1":                "multicast",
		"239.255.255.255":          "multicast",
		"240.0.0.1":                "reserved",
		"255.255.255.255":          "reserved",
		"::":                       "unspecified",
		"::1":                      "the machine itself",
		"::7f00:1":                 "outdated",
		"::ffff:127.0.0.1":         "the machine itself",
		"::ffff:169.254.169.254":   "metadata",
		"::ffff:10.0.0.1":          "private",
		"::ffff:0:127.0.0.1":       "outside", // translated, RFC 2765
		"64:ff9b::7f00:1":          "the machine itself, through NAT64",
		"64:ff9b::169.254.169.254": "metadata service, through NAT64",
		"64:ff9b:1::1":             "translation",
		"100::1":                   "outside", // discard
		"2001::1":                  "reserved",
		"2001:0:53aa:64c::1":       "reserved", // Teredo
		"2001:db8::1":              "documentation",
		"2002:7f00:1::1":           "6to4",
		"2002:808:808::1":          "6to4",
		"3fff::1":                  "documentation",
		"4000::1":                  "outside",
		"5f00::1":                  "outside",
		"fc00::1":                  "private",
		"fd00:ec2::254":            "metadata",
		"fd20:ce::254":             "metadata",
		"fd12:3456::1":             "private",
		"fe80::1":                  "local link",
		"fe80::1%eth0":             "local link",
		"fec0::1":                  "private",
		"ff02::1":                  "multicast",
	} {
		err := PublicOnly("tcp", net.JoinHostPort(addr, "443"), nil)
		if why == "" {
			require.NoError(t, err, addr)
			continue
		}
		var a *AddressError
		require.ErrorAs(t, err, &a, addr)
		require.Contains(t, a.Why, why, addr)
		require.Equal(t, netip.MustParseAddr(addr), a.Addr)
	}
	require.NoError(t, PublicOnly("tcp4", "8.8.8.8:1", nil))
	require.NoError(t, PublicOnly("tcp6", "[2606:4700::1]:65535", nil), "any port")
	for _, v := range [][2]string{{"udp", "8.8.8.8:53"}, {"unix", "/run/docker.sock"}, {"tcp", "example.org:443"}, {"tcp", "8.8.8.8"}, {"tcp", ""}} {
		require.Error(t, PublicOnly(v[0], v[1], nil), v)
	}
}

// Every address in a range must be refused for the range's reason, not only
// those that the table names.
func FuzzPublicOnly(f *testing.F) {
	f.Add([]byte{127, 0, 0, 1})
	f.Add([]byte(net.ParseIP("64:ff9b::1")))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, ok := netip.AddrFromSlice(b)
		if !ok {
			return
		}
		public := checkAddr(a) == nil
		u := a.Unmap()
		if u.IsPrivate() || u.IsLoopback() || u.IsLinkLocalUnicast() || u.IsMulticast() || u.IsUnspecified() {
			require.False(t, public, a)
		}
		if a.Is4() { // in both forms
			require.Equal(t, public, checkAddr(netip.AddrFrom16(a.As16())) == nil, a)
			six := nat64.Addr().As16()
			copy(six[12:], a.AsSlice())
			require.Equal(t, public, checkAddr(netip.AddrFrom16(six)) == nil, a)
		}
	})
}

// A URL cannot reach the machine itself by any spelling of its address.
func TestPublicOnlyInURLs(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it was reached") }))
	defer srv.Close()
	port := srv.Listener.Addr().(*net.TCPAddr).Port
	for _, host := range []string{
		"127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0", "localhost", "LOCALHOST", "localhost.",
		"[::1]", "[::]", "[::ffff:127.0.0.1]", "[0:0:0:0:0:ffff:7f00:1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "127.0.0.1.",
	} {
		n, err := New(Config{URL: "http://" + host + ":" + itoa(port), Secrets: []string{specSecret}, AllowHTTP: true, Timeout: 2 * time.Second})
		if err == nil {
			err = n.Notify(t.Context(), ticket.Notification{})
		}
		var a *AddressError
		var dns *net.DNSError // the system's resolver treats some spellings as names
		refused := errors.As(err, &a) || errors.As(err, &dns) || errors.Is(err, context.DeadlineExceeded)
		require.True(t, refused, "%s: %v", host, err)
	}
}

// A name can be public when it is checked and private when the request is made. Each
// connection is checked by the address that it is made to.
func TestPublicOnlyChecksEachConnection(t *testing.T) {
	var hits atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.Add(1) }))
	defer srv.Close()
	port := srv.Listener.Addr().(*net.TCPAddr).Port

	var answer atomic.Pointer[[]netip.Addr]
	resolver := nameserver(t, &answer)
	// In this test, 127.0.0.1 counts as public. All other addresses go to
	// PublicOnly.
	ask := func(network, address string, c syscall.RawConn) error {
		if strings.HasPrefix(address, "127.0.0.1:") {
			return nil
		}
		return PublicOnly(network, address, c)
	}
	tr := transport(ask, resolver)
	n, err := New(Config{URL: "http://rebind.example.org:" + itoa(port), Secrets: []string{specSecret}, AllowHTTP: true, Transport: tr})
	require.NoError(t, err)
	send := func(addrs ...string) error {
		list := []netip.Addr{}
		for _, a := range addrs {
			list = append(list, netip.MustParseAddr(a))
		}
		answer.Store(&list)
		tr.CloseIdleConnections()
		return n.Notify(t.Context(), ticket.Notification{})
	}
	require.NoError(t, send("127.0.0.1"))
	require.EqualValues(t, 1, hits.Load())

	for _, now := range [][]string{{"127.0.0.2"}, {"169.254.169.254"}, {"10.0.0.1", "192.168.0.1"}, {"::1"}, {"::ffff:127.0.0.2"}} {
		err := send(now...)
		var a *AddressError
		require.ErrorAs(t, err, &a, now)
		require.Equal(t, "address", classOf(t, err))
	}
	require.EqualValues(t, 1, hits.Load())

	// The public ones of several addresses are used.
	require.NoError(t, send("127.0.0.2", "127.0.0.1"))
	require.EqualValues(t, 2, hits.Load())
}

// nameserver returns a resolver that resolves every name to these addresses.
func nameserver(t *testing.T, answer *atomic.Pointer[[]netip.Addr]) *net.Resolver {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = pc.Close() })
	go func() {
		buf := make([]byte, 512)
		for {
			n, from, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = pc.WriteTo(dnsAnswer(buf[:n], *answer.Load()), from)
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", pc.LocalAddr().String())
	}}
}

// dnsAnswer answers a question (RFC 1035, section 4) with the addresses of its type.
func dnsAnswer(question []byte, addrs []netip.Addr) []byte {
	end := 12
	for question[end] != 0 {
		end += int(question[end]) + 1
	}
	end += 5
	kind := binary.BigEndian.Uint16(question[end-4:])
	var records []byte
	count := uint16(0)
	for _, a := range addrs {
		if a.Is4() && kind == 1 || a.Is6() && kind == 28 {
			ip := a.AsSlice()
			records = append(records, 0xc0, 12, 0, byte(kind), 0, 1, 0, 0, 0, 0, 0, byte(len(ip)))
			records = append(records, ip...)
			count++
		}
	}
	out := append([]byte{}, question[:end]...)
	binary.BigEndian.PutUint16(out[2:], 0x8180)
	binary.BigEndian.PutUint16(out[6:], count)
	binary.BigEndian.PutUint32(out[8:], 0)
	return append(out, records...)
}
