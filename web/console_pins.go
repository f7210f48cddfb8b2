package web

import (
	"strconv"
	"strings"

	"github.com/ticketkit/ticket"
)

// A pin is a ticket in the version that somebody saw.
type pin struct {
	number  string
	version int64
}

// pinOf returns the text of a pin, such as "7Q4K-92MX-F@6".
func pinOf(t *ticket.Ticket) string { return string(t.Number) + "@" + strconv.FormatInt(t.Version, 10) }

// parsePin reads the text of a pin.
func parsePin(s string) (pin, bool) {
	i := strings.LastIndexByte(s, '@')
	if i <= 0 {
		return pin{}, false
	}
	v, err := strconv.ParseInt(s[i+1:], 10, 64)
	return pin{s[:i], v}, err == nil && v > 0
}

// parsePins reads pins, without repeats. It returns false if one is not valid, or if there
// are too many.
func parsePins(texts []string, most int) (list []pin, ok bool) {
	seen := map[string]bool{}
	for _, s := range texts {
		n, ok := parsePin(s)
		if !ok {
			return nil, false
		}
		if !seen[n.number] {
			seen[n.number] = true
			list = append(list, n)
		}
	}
	return list, len(list) <= most
}
