package webhook

import (
	"fmt"
	"net/netip"
	"syscall"
)

// AddressError says that an IP address is none to send webhooks to.
type AddressError struct {
	Addr netip.Addr // the zero Addr where it was none at all
	Why  string     // such as "private"
}

func (e *AddressError) Error() string {
	if !e.Addr.IsValid() {
		return "webhook: not connected: " + e.Why
	}
	return fmt.Sprintf("webhook: not connected to %s: the address is %s; only public ones are, unless AllowPrivate is set", e.Addr, e.Why)
}

// PublicOnly lets connections through to public IP addresses only, and fails with an
// [*AddressError] for all others: the machine itself, private and local
// networks, those between a provider and its customers, multicast, what is
// reserved, what is known to serve clouds their metadata, and IPv6 addresses
// that stand for such an IPv4 address. It takes them from the IANA's registries
// of special-purpose addresses (RFC 6890), and is stricter than these.
//
// A notifier uses it by itself. It is exported for applications with a transport of their
// own: it fits [net.Dialer.Control], where it is asked after a name was resolved
// and right before the connection is made, so that a name which resolves to
// something else the next time gains nothing.
func PublicOnly(network, address string, _ syscall.RawConn) error {
	switch network {
	case "tcp", "tcp4", "tcp6":
	default:
		return &AddressError{Why: "the network must be tcp"}
	}
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return &AddressError{Why: "this is no IP address with a port"}
	}
	return checkAddr(ap.Addr())
}

// checkAddr fails with an [*AddressError] for addresses that are not public.
func checkAddr(a netip.Addr) error {
	if why := special(a.WithZone("").Unmap()); why != "" {
		return &AddressError{Addr: a, Why: why}
	}
	return nil
}

// special says what an address is, where it is not public; else "".
func special(a netip.Addr) string {
	for _, r := range ranges {
		if r.prefix.Contains(a) {
			return r.why
		}
	}
	switch {
	case !a.IsValid():
		return "none"
	case a.Is4():
		return ""
	case nat64.Contains(a):
		// Hosts with IPv6 only reach all of IPv4 like this (RFC 6052).
		b := a.As16()
		if why := special(netip.AddrFrom4([4]byte(b[12:]))); why != "" {
			return why + ", through NAT64"
		}
		return ""
	case !global.Contains(a):
		return "outside of what is assigned to the public" // local, multicast, mapped and all that is to come
	}
	return ""
}

var (
	nat64  = netip.MustParsePrefix("64:ff9b::/96")
	global = netip.MustParsePrefix("2000::/3") // the global unicast addresses of IPv6
)

// ranges are the addresses that are refused, the narrower before the wider.
var ranges = func() (list []struct {
	prefix netip.Prefix
	why    string
}) {
	for _, r := range [][2]string{
		{"169.254.169.254/32", "a cloud's metadata service"},
		{"168.63.129.16/32", "a cloud's metadata service"}, // Azure's, in public space
		{"100.100.100.200/32", "a cloud's metadata service"},
		{"192.0.0.192/32", "a cloud's metadata service"},
		{"fd00:ec2::/32", "a cloud's metadata service"},
		{"fd20:ce::/32", "a cloud's metadata service"},

		{"0.0.0.0/8", "unspecified"},
		{"10.0.0.0/8", "private"},
		{"100.64.0.0/10", "shared by a provider's customers"},
		{"127.0.0.0/8", "the machine itself"},
		{"169.254.0.0/16", "of the local link"},
		{"172.16.0.0/12", "private"},
		{"192.0.0.0/24", "reserved"},
		{"192.0.2.0/24", "for documentation"},
		{"192.88.99.0/24", "a relay for 6to4"},
		{"192.168.0.0/16", "private"},
		{"198.18.0.0/15", "for measurements"},
		{"198.51.100.0/24", "for documentation"},
		{"203.0.113.0/24", "for documentation"},
		{"224.0.0.0/4", "multicast"},
		{"240.0.0.0/4", "reserved"},

		{"::/128", "unspecified"},
		{"::1/128", "the machine itself"},
		{"::/96", "an IPv4 address in an outdated form"},
		{"64:ff9b:1::/48", "for translation inside a network"},
		{"2001::/23", "reserved"}, // Teredo, ORCHID and others
		{"2001:db8::/32", "for documentation"},
		{"2002::/16", "6to4, which can stand for any IPv4 address"},
		{"3fff::/20", "for documentation"},
		{"fc00::/7", "private"},
		{"fe80::/10", "of the local link"},
		{"fec0::/10", "private"},
		{"ff00::/8", "multicast"},
	} {
		list = append(list, struct {
			prefix netip.Prefix
			why    string
		}{netip.MustParsePrefix(r[0]), r[1]})
	}
	return list
}()
