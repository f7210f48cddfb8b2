package mail_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/memstore"
)

// NewDesk rejects status links that letters cannot contain.
func TestNewDeskRejectsUnusableStatusLinks(t *testing.T) {
	s := start(t, nil)
	for name, c := range map[string]struct {
		url func(tenant, token string) string
		bad bool
	}{
		"good":               {func(_, token string) string { return "https://help.example.org/t/" + token }, false},
		"not in ASCII":       {func(_, token string) string { return "https://hilfe.müller.example/t/" + token }, false},
		"for known tenants":  {func(tenant, token string) string { return map[string]string{"a": "https://a.example/" + token}[tenant] }, false},
		"panics without one": {func(tenant, token string) string { return tenant[:1] + token }, false},
		"no scheme":          {func(_, token string) string { return "help.example.org/t/" + token }, true},
		"an app":             {func(_, token string) string { return "shop://t/" + token }, true},
		"a blank":            {func(_, token string) string { return "https://help.example.org/our help/" + token }, true},
	} {
		_, err := ticket.NewDesk(memstore.New(), ticket.Config{
			Notifiers:   map[string]ticket.Notifier{"mail": s.notifier(nil)},
			StatusLinks: ticket.StatusLinks{Keys: []ticket.StatusLinkKey{{ID: 1, Secret: bytes.Repeat([]byte{7}, 32)}}, URL: c.url},
		})
		if !c.bad {
			require.NoError(t, err, name)
			continue
		}
		var invalid *ticket.InvalidError
		require.ErrorAs(t, err, &invalid, name)
		require.Equal(t, "config.status_links.url", invalid.Field)
	}
}
