package webhook

import (
	"fmt"
	"net/netip"
	"syscall"
)

// AddressError says that webhooks must not be sent to an IP address.
type AddressError struct {
	Addr netip.Addr // zero if the address could not be parsed
	Why  string     // such as "private"
}

func (e *AddressError) Error() string {
	if !e.Addr.IsValid() {
		return "webhook: not connected: " + e.Why
	}
	return fmt.Sprintf("webhook: not connected to %s: the address is %s; only public ones are, unless AllowPrivate is set", e.Addr, e.Why)
}

// PublicOnly allows connections to public IP addresses only. For all others it
// returns an [*AddressError]: for the machine itself, private and local networks,
// carrier-grade NAT, multicast, reserved addresses, known metadata services of
// clouds, and IPv6 addresses that stand for such an IPv4 address. The ranges are
// those of the IANA registries of special-purpose addresses (RFC 6890), and some
// more.
//
// A notifier uses PublicOnly by default. It is exported for applications with their
// own transport: it fits [net.Dialer.Control], which is called after a name was
// resolved and right before the connection is made. A name that resolves to another
// address the next time is therefore checked again.
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

// checkAddr returns an [*AddressError] if an address is not public.
func checkAddr(a netip.Addr) error {
	if why := special(a.WithZone("").Unmap()); why != "" {
		return &AddressError{Addr: a, Why: why}
	}
	return nil
}

// special returns the reason why an address is not public, or an empty string if it
// is public.
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
		// IPv6-only machines reach all of IPv4 through this prefix (RFC 6052).
		b := a.As16()
		if why := special(netip.AddrFrom4([4]byte(b[12:]))); why != "" {
			return why + ", through NAT64"
		}
		return ""
	case !global.Contains(a):
		return "outside the public ranges" // local, multicast, mapped and unassigned
	}
	return ""
}

var (
	nat64  = netip.MustParsePrefix("64:ff9b::/96")
	global = netip.MustParsePrefix("2000::/3") // the global unicast addresses of IPv6
)

// ranges lists the refused addresses, narrow ranges before wide ones.
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
