package ticket_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/memstore"
	"github.com/ticketkit/ticket/tickettest"
)

// A reply quotes the letter that it answers, in the forms that mail programs
// give it. Nobody else gets the status link in it, and all other words stay.
func TestQuotedStatusLinksAreRemoved(t *testing.T) {
	bus := tickettest.NewRecorder()
	k := newKit(t, withLinks(1, 2), func(c *ticket.Config) {
		c.Notifiers["bus"], c.EventNotifiers = bus, []string{"bus"}
		c.StatusLinks.URL = func(_, token string) string { return "https://example.org/t/" + token }
	})
	tk := k.open(ada, ticket.Draft{Followers: []ticket.Person{bob.Person}})
	token := k.link(ada, tk, ticket.StatusLinkRequest{Reply: true})
	other := k.link(ada, k.open(ada, ticket.Draft{}), ticket.StatusLinkRequest{})
	tenant := k.link(ada.InTenant("acme"), k.open(ada.InTenant("acme"), ticket.Draft{}), ticket.StatusLinkRequest{})
	far := k.link(ada, tk, ticket.StatusLinkRequest{TTL: 200 * 365 * 24 * time.Hour})
	short := k.link(ada, tk, ticket.StatusLinkRequest{TTL: time.Minute})
	k.clock.Advance(time.Hour) // it has expired
	k.deliver()
	broken := token[:40]
	for name, c := range map[string]struct{ says, told string }{
		"an address":               {"See https://example.org/t/" + token + "?x=1.", "See https://example.org/t/…?x=1."},
		"alone":                    {token, "…"},
		"another ticket's":         {"<https://example.org/t/" + other + ">", "<https://example.org/t/…>"},
		"another tenant's":         {"https://example.org/t/" + tenant, "https://example.org/t/…"},
		"one of the year 2200":     {"https://example.org/t/" + far, "https://example.org/t/…"},
		"one that has expired":     {"https://example.org/t/" + short, "https://example.org/t/…"},
		"capitals":                 {strings.ToUpper(token), "…"},
		"o for 0, l for 1":         {strings.NewReplacer("0", "O", "1", "l").Replace(token), "…"},
		"wrapped by a filter":      {"https://safe.example/?u=https%3A%2F%2Fexample.org%2Ft%2F" + token + "&d=1", "https://safe.example/?u=https%3A%2F%2Fexample.org%2Ft%2F…&d=1"},
		"two of them":              {token + " " + other + "!", "… …!"},
		"two in one":               {token + other, "……"},
		"in a link and its text":   {`<a href="https://example.org/t/` + token + `">` + token + `</a>`, `<a href="https://example.org/t/…">…</a>`},
		"quoted":                   {"Yes.\n> https://example.org/t/" + token + "\n> Regards", "Yes.\n> https://example.org/t/…\n> Regards"},
		"broken, and quoted":       {"> https://example.org/t/" + broken + "\n> > " + token[40:] + "\n> Regards", "> https://example.org/t/…\n> Regards"},
		"quoted-printable":         {"https://example.org/t/" + broken + "=\r\n" + token[40:] + "=\r\n.", "https://example.org/t/…=\r\n."},
		"broken with blanks":       {broken + " \r\n\t" + token[40:], "…"},
		"broken out of sight":      {broken + "\u200b" + token[40:60] + "\u00ad" + token[60:], "…"},
		"broken by other lines":    {token[:20] + "\r" + token[20:30] + "\u2028" + token[30:40] + "\v> " + token[40:50] + "\u0085" + token[50:], "…"},
		"quoted by other marks":    {broken + "\n: " + token[40:50] + "\n| * " + token[50:], "…"},
		"hyphens and =20":          {broken + "-\n" + token[40:50] + "=20\r\n" + token[50:], "…"},
		"broken by marks":          {token[:20] + "\u200e" + token[20:30] + "\u2068" + token[30:40] + "\ufe0f" + token[40:50] + "\u061c" + token[50:60] + "\U000e0020" + token[60:], "…"},
		"HTML":                     {token[:20] + "<wbr>" + token[20:30] + "&shy;" + token[30:40] + "&#8203;" + token[40:50] + "&#x200D;" + token[50:60] + "<BR />\n&gt; &gt; " + token[60:], "…"},
		"other text of its length": {strings.Repeat("deadbeef", 9) + "\n" + strings.Repeat("0", 72) + "\n" + strings.Repeat("4", 200), ""},
		"a part of one":            {token[:71] + " " + token[1:], ""},
		"under a key that is none": {foreignToken(t), ""},
		"words":                    {"Süße Grüße\n> aus\n> Jena,\n> wo\n> es\n> regnet\n" + strings.Repeat("zeile\n", 40), ""},
	} {
		t.Run(name, func(t *testing.T) {
			if c.told == "" {
				c.told = c.says
			}
			k.sent.Reset()
			bus.Reset()
			tk := k.open(ada, ticket.Draft{Subject: "s", Followers: []ticket.Person{bob.Person}})
			k.deliver()
			k.do(ada, tk, ticket.Action{Name: ticket.ActionReply, Message: ticket.Message(c.says)})
			k.deliver()
			require.Equal(t, c.told, string(k.sent.RequireSent(t, ticket.KindCustomer, bob.Person.Email).Message))
			require.Equal(t, c.told, string(k.sent.RequireSent(t, ticket.KindCustomer, "queue:").Message))
			events := bus.Sent()
			require.Equal(t, c.told, string(events[len(events)-1].Message))
			require.Equal(t, c.told, string(events[len(events)-1].Event.Message))
			last := func(a ticket.Actor) string {
				v, err := k.track(a, string(tk.Number))
				require.NoError(t, err)
				e := k.events(a, tk)
				require.Equal(t, v.Messages[len(v.Messages)-1].Text, e[len(e)-1].Message)
				return string(e[len(e)-1].Message)
			}
			require.Equal(t, c.told, last(bob))
			require.Equal(t, c.says, last(ada), "her own words")
			v, err := k.track(ticket.StatusLinkHolder(k.link(ada, tk, ticket.StatusLinkRequest{})), "")
			require.NoError(t, err)
			require.Equal(t, c.told, string(v.Messages[len(v.Messages)-1].Text), "whoever has the link")
			require.NoError(t, k.desk.Verify(t.Context(), cron, tk.ID), "the history has what was said")
		})
	}
}

// The subject goes to everybody as well.
func TestNoStatusLinkStandsInASubject(t *testing.T) {
	k := newKit(t, withLinks(1))
	token := k.link(ada, k.open(ada, ticket.Draft{}), ticket.StatusLinkRequest{})
	tk := k.open(ada, ticket.Draft{Subject: "Re: " + token, Followers: []ticket.Person{bob.Person}})
	k.deliver()
	require.Equal(t, "Re: …", k.sent.RequireSent(t, ticket.KindReceived, bob.Person.Email).Subject)
	v, err := k.track(bob, string(tk.Number))
	require.NoError(t, err)
	require.Equal(t, "Re: …", v.Subject)
	got, err := k.desk.Get(t.Context(), bob, tk.ID)
	require.NoError(t, err)
	require.Equal(t, "Re: …", got.Subject)
}

// File names may come from the page they were saved from.
func TestNoStatusLinkStandsInTheNameOfAFile(t *testing.T) {
	bus := tickettest.NewRecorder()
	k := newKit(t, withLinks(1), func(c *ticket.Config) { c.Notifiers["bus"], c.EventNotifiers = bus, []string{"bus"} })
	tk := k.open(ada, ticket.Draft{Followers: []ticket.Person{bob.Person}, Fields: ticket.Fields{"page": "https://example.org/t/" + foreignToken(t)}})
	token := k.link(ada, tk, ticket.StatusLinkRequest{})
	k.do(lin, tk, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{Fields: ticket.Fields{"page": "https://example.org/t/" + token, "pages": []string{token}}}})
	k.do(ada, tk, ticket.Action{Name: ticket.ActionReply, Attachments: []ticket.Attachment{{Name: token + ".html"}}})
	k.deliver()
	require.Equal(t, "….html", k.sent.RequireSent(t, ticket.KindCustomer, bob.Person.Email).Attachments[0].Name)
	sent := bus.Sent()
	require.Equal(t, "….html", sent[len(sent)-1].Event.Attachments[0].Name)
	for _, n := range sent {
		require.NotContains(t, asJSON(t, n), token)
	}
	e := k.events(bob, tk)
	require.Equal(t, "….html", e[len(e)-1].Attachments[0].Name)
	e = k.events(ada, tk)
	require.Equal(t, token+".html", e[len(e)-1].Attachments[0].Name)
}

// A search shows no link either, and a hit does not reveal how one begins.
func TestASearchFindsNobodyElsesStatusLink(t *testing.T) {
	k := newKit(t, withLinks(1))
	tk := k.open(ada, ticket.Draft{Followers: []ticket.Person{bob.Person}})
	token := k.link(ada, tk, ticket.StatusLinkRequest{Reply: true})
	k.do(ada, tk, ticket.Action{Name: ticket.ActionReply, Message: ticket.Message(strings.Repeat("so ", 40) + "yonder https://example.org/t/" + token[:40] + "=\r\n" + token[40:] + " or " + token + strings.Repeat(" so", 40))})
	look := func(a ticket.Actor, text string) []ticket.Hit {
		hits, err := k.desk.Search(t.Context(), a, ticket.SearchQuery{Text: text})
		require.NoError(t, err)
		return hits
	}
	hits := look(bob, "yonder")
	require.Len(t, hits, 1)
	require.Contains(t, hits[0].Snippet.HTML(), "<mark>yonder</mark> https://example.org/t/… or …")
	for _, text := range []string{token, token[:40], token[40:], token[:12] + "*", "yonder " + token[:12] + "*", strings.ToUpper(token)} {
		require.Empty(t, look(bob, text), text)
		require.Len(t, look(ada, text), 1, "her own words")
		require.Len(t, look(lin, text), 1, "agents read everything")
	}
	require.Contains(t, look(lin, "yonder")[0].Snippet.Text, token[:20])
	k.do(lin, tk, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{Subject: "about " + token + " weather"}})
	require.Contains(t, look(bob, "weather")[0].Snippet.Text, "about … weather")
	require.Empty(t, look(bob, token[:20]+"*"))
}

// A desk that makes no links leaves all words alone.
func TestADeskWithoutLinksCutsNothing(t *testing.T) {
	k := newKit(t)
	tk := k.open(ada, ticket.Draft{Followers: []ticket.Person{bob.Person}})
	token := foreignToken(t)
	k.do(ada, tk, ticket.Action{Name: ticket.ActionReply, Message: ticket.Message(token)})
	k.deliver()
	require.Equal(t, token, string(k.sent.RequireSent(t, ticket.KindCustomer, bob.Person.Email).Message))
}

// foreignToken is a token under a key that no other desk here has.
func foreignToken(t *testing.T) string {
	t.Helper()
	k := newKit(t, withLinks(9))
	return k.link(ada, k.open(ada, ticket.Draft{}), ticket.StatusLinkRequest{})
}

func BenchmarkWordsWithoutTokens(b *testing.B) {
	desk, err := ticket.NewDesk(memstore.New(), ticket.Config{StatusLinks: ticket.StatusLinks{Keys: []ticket.StatusLinkKey{{ID: 1, Secret: secret(1)}}}})
	require.NoError(b, err)
	tk, err := desk.Open(b.Context(), ada, ticket.Draft{Subject: "s", Followers: []ticket.Person{bob.Person}, Message: ticket.Message(strings.Repeat("The printer is on fire.\n", 400))})
	require.NoError(b, err)
	for b.Loop() {
		if _, err := desk.Track(b.Context(), bob, tk.ID.String()); err != nil {
			b.Fatal(err)
		}
	}
}

func TestTokensAreRemovedFromLogs(t *testing.T) {
	k := newKit(t, withLinks(1))
	tk := k.open(ada.InTenant("acme"), ticket.Draft{})
	token := k.link(ada.InTenant("acme"), tk, ticket.StatusLinkRequest{Reply: true, Upload: true, Confirm: true, Reopen: true, Cancel: true, Rate: true})
	links := ticket.StatusLinks{Keys: []ticket.StatusLinkKey{{ID: 2, Secret: secret(2)}, {ID: 1, Secret: secret(1)}}}
	for line, want := range map[string]string{
		"": "",
		`192.0.2.1 - - "GET /a/t/` + token + `/files/1?x=1 HTTP/1.1" 200`:              `192.0.2.1 - - "GET /a/t/…/files/1?x=1 HTTP/1.1" 200`,
		`{"path":"\/t\/` + strings.ToUpper(token) + `","from":"%2Ft%2F` + token + `"}`: `{"path":"\/t\/…","from":"%2Ft%2F…"}`,
		"GET /t/" + token[:71]: "GET /t/" + token[:71],
	} {
		require.Equal(t, want, links.Redact(line))
	}
	require.Equal(t, token, ticket.StatusLinks{}.Redact(token), "no keys, no tokens")
	require.Equal(t, token, ticket.StatusLinks{Keys: links.Keys[:1]}.Redact(token), "nobody can use it any more")
}
