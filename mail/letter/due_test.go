package letter_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/mail/letter"
)

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	require.NoError(t, err)
	return z
}

// words returns the text of a page without its markup.
func words(page string) string {
	var b strings.Builder
	z := html.NewTokenizer(strings.NewReader(page))
	for {
		switch z.Next() {
		case html.ErrorToken:
			return b.String()
		case html.TextToken:
			b.WriteString(z.Token().Data)
		default:
		}
	}
}

// says requires a line in both forms of a letter.
func says(t *testing.T, l letter.Letter, line string) {
	t.Helper()
	require.Contains(t, l.Text, "\n"+line+"\n")
	require.Contains(t, words(l.HTML), "\n"+line+"\n")
}

// dueLine returns the line of a letter about a target. In its formats, %what is the target
// and %by its time.
func dueLine(format, what, by string) string {
	return strings.NewReplacer("%what", what, "%by", by).Replace(format)
}

// A letter about a target says which one, and when it is or was due, in words. The times
// are those of New York, and the recipients are in Berlin.
func TestLettersAboutTargets(t *testing.T) {
	l := newLetters(t, config())
	due := time.Date(2026, 1, 5, 18, 30, 0, 0, zone(t, "America/New_York"))
	by := map[string]string{"en": "6 January 2026, 00:30 CET", "de": "6. Januar 2026, 00:30 Uhr MEZ"}
	type forms struct{ soon, sooner, over, overdue string } // with and without a time
	agents := map[string]forms{
		"en": {"%what is due soon: by %by.", "%what is due soon.", "%what is overdue: it was due by %by.", "%what is overdue."},
		"de": {
			"%what ist bald fällig, und zwar bis %by.", "%what ist bald fällig.",
			"%what ist überfällig; fällig war sie bis %by.", "%what ist überfällig.",
		},
	}
	customers := map[string]forms{
		"en": {
			"We told you to expect %what by %by. It may take longer than that. We are sorry.",
			"We told you when to expect %what. It may take longer than that. We are sorry.",
			"We told you to expect %what by %by. You do not have it yet. We are sorry.",
			"We told you when to expect %what. You do not have it yet. We are sorry.",
		},
		"de": {
			"wir hatten Ihnen %what bis %by angekündigt. Möglicherweise dauert es länger. Das tut uns leid.",
			"wir hatten Ihnen für %what einen Zeitpunkt genannt. Möglicherweise dauert es länger. Das tut uns leid.",
			"wir hatten Ihnen %what bis %by angekündigt. Diesen Zeitpunkt haben wir nicht eingehalten. Das tut uns leid.",
			"wir hatten Ihnen für %what einen Zeitpunkt genannt. Diesen Zeitpunkt haben wir nicht eingehalten. Das tut uns leid.",
		},
	}
	levels := map[string]forms{
		"en": {
			"Your request 7Q4K-92MX-F may take longer than we planned. We are sorry.",
			"Your request 7Q4K-92MX-F may take longer than we planned. We are sorry.",
			"Your request 7Q4K-92MX-F is taking longer than we planned. We are sorry.",
			"Your request 7Q4K-92MX-F is taking longer than we planned. We are sorry.",
		},
		"de": {
			"Ihre Anfrage 7Q4K-92MX-F dauert möglicherweise länger, als wir geplant hatten. Das tut uns leid.",
			"Ihre Anfrage 7Q4K-92MX-F dauert möglicherweise länger, als wir geplant hatten. Das tut uns leid.",
			"Ihre Anfrage 7Q4K-92MX-F dauert länger, als wir geplant hatten. Das tut uns leid.",
			"Ihre Anfrage 7Q4K-92MX-F dauert länger, als wir geplant hatten. Das tut uns leid.",
		},
	}
	for _, c := range []struct {
		locale, metric string
		role           ticket.Role
		forms          map[string]forms
		what           string
	}{
		{"en", "first answer", ticket.RoleAgent, agents, "The first answer to the request 7Q4K-92MX-F"},
		{"en", "next answer", ticket.RoleAgent, agents, "The next answer to the customer about the request 7Q4K-92MX-F"},
		{"en", "update", ticket.RoleAgent, agents, "The next update for the customer about the request 7Q4K-92MX-F"},
		{"en", "solution", ticket.RoleAgent, agents, "The solution to the request 7Q4K-92MX-F"},
		{"en", "level", ticket.RoleAgent, agents, "The work on the request 7Q4K-92MX-F at its level"},
		{"en", "", ticket.RoleAgent, agents, "The request 7Q4K-92MX-F"},
		{"en", "first answer", ticket.RoleRequester, customers, "the answer to your request 7Q4K-92MX-F"},
		{"en", "next answer", ticket.RoleRequester, customers, "the answer to your request 7Q4K-92MX-F"},
		{"en", "update", ticket.RoleRequester, customers, "our next message about your request 7Q4K-92MX-F"},
		{"en", "solution", ticket.RoleRequester, customers, "the solution to your request 7Q4K-92MX-F"},
		{"en", "level", ticket.RoleRequester, levels, ""},
		{"en", "", ticket.RoleRequester, customers, "the answer to your request 7Q4K-92MX-F"},
		{"en", "solution", ticket.RoleFollower, customers, "the solution to the request 7Q4K-92MX-F"},
		{"de", "first answer", ticket.RoleAgent, agents, "die erste Antwort auf die Anfrage 7Q4K-92MX-F"},
		{"de", "next answer", ticket.RoleAgent, agents, "die nächste Antwort an den Kunden zur Anfrage 7Q4K-92MX-F"},
		{"de", "update", ticket.RoleAgent, agents, "die nächste Rückmeldung an den Kunden zur Anfrage 7Q4K-92MX-F"},
		{"de", "solution", ticket.RoleAgent, agents, "die Lösung der Anfrage 7Q4K-92MX-F"},
		{"de", "level", ticket.RoleAgent, agents, "die Bearbeitung der Anfrage 7Q4K-92MX-F auf ihrer Stufe"},
		{"de", "", ticket.RoleAgent, agents, "die Anfrage 7Q4K-92MX-F"},
		{"de", "first answer", ticket.RoleRequester, customers, "die Antwort auf Ihre Anfrage 7Q4K-92MX-F"},
		{"de", "next answer", ticket.RoleRequester, customers, "die Antwort auf Ihre Anfrage 7Q4K-92MX-F"},
		{"de", "update", ticket.RoleRequester, customers, "unsere nächste Nachricht zu Ihrer Anfrage 7Q4K-92MX-F"},
		{"de", "solution", ticket.RoleRequester, customers, "die Lösung Ihrer Anfrage 7Q4K-92MX-F"},
		{"de", "level", ticket.RoleRequester, levels, ""},
		{"de", "", ticket.RoleRequester, customers, "die Antwort auf Ihre Anfrage 7Q4K-92MX-F"},
		{"de", "solution", ticket.RoleFollower, customers, "die Lösung der Anfrage 7Q4K-92MX-F"},
	} {
		t.Run(c.locale+" "+c.metric+" "+c.role.String(), func(t *testing.T) {
			f := c.forms[c.locale]
			for _, x := range []struct {
				kind ticket.Kind
				due  time.Time
				line string
			}{
				{ticket.KindDueSoon, due, f.soon}, {ticket.KindDueSoon, time.Time{}, f.sooner},
				{ticket.KindOverdue, due, f.over}, {ticket.KindOverdue, time.Time{}, f.overdue},
			} {
				n := about(t, x.kind, c.role, c.locale)
				n.To.Queue, n.To.Level = "", 0
				n.Metric, n.Due, n.Zone = c.metric, x.due, zone(t, "Europe/Berlin")
				n.Expected = time.Time{}
				got, err := l.Write(n)
				require.NoError(t, err)
				says(t, got, dueLine(x.line, c.what, by[c.locale]))
				if c.role != ticket.RoleAgent {
					for _, s := range []string{got.Subject, got.Text, got.HTML} {
						require.NotContains(t, s, "first answer")
						require.NotContains(t, s, "next answer")
						require.NotContains(t, s, " level")
						require.NotContains(t, s, "Stufe")
					}
				}
				if c.metric == "level" && c.role != ticket.RoleAgent {
					require.NotContains(t, got.Text, by[c.locale], "levels are not promised to customers")
					require.NotContains(t, got.HTML, by[c.locale], "levels are not promised to customers")
				}
			}
		})
	}
}

// Every letter that has the time of an answer tells it in the same words, in the zone of the
// recipient.
func TestLettersTellTheExpectedTimeInTheSameWords(t *testing.T) {
	l := newLetters(t, config())
	expected := time.Date(2026, 7, 3, 18, 30, 0, 0, zone(t, "America/New_York"))
	customer := map[string]string{
		"en": "You can expect an answer by 4 July 2026, 00:30 CEST.",
		"de": "Mit einer Antwort können Sie bis 4. Juli 2026, 00:30 Uhr MESZ rechnen.",
	}
	agent := map[string]string{
		"en": "The customer can expect an answer by 4 July 2026, 00:30 CEST.",
		"de": "Mit einer Antwort kann der Kunde bis 4. Juli 2026, 00:30 Uhr MESZ rechnen.",
	}
	begins := map[string]string{"en": "can expect", "de": "Mit einer Antwort"}
	check := func(t *testing.T, n ticket.Notification, line map[string]string) {
		t.Helper()
		locale := n.To.Person.Locale
		n.Expected = expected
		got, err := l.Write(n)
		require.NoError(t, err)
		says(t, got, line[locale])
		n.Expected = time.Time{}
		got, err = l.Write(n)
		require.NoError(t, err)
		require.NotContains(t, got.Text, begins[locale])
		require.NotContains(t, got.HTML, begins[locale])
	}
	for _, locale := range []string{"en", "de"} {
		for _, k := range []ticket.Kind{
			ticket.KindReceived, ticket.KindUploaded, ticket.KindCustomer, ticket.KindHanded,
			ticket.KindReopened, ticket.KindAdded, ticket.KindRescheduled,
		} {
			t.Run(locale+"/"+string(k), func(t *testing.T) { check(t, about(t, k, ticket.RoleRequester, locale), customer) })
		}
		for _, k := range []ticket.Kind{
			ticket.KindQueued, ticket.KindEscalated, ticket.KindAssigned, ticket.KindCustomer, ticket.KindReminder,
		} {
			t.Run(locale+"/agent "+string(k), func(t *testing.T) { check(t, about(t, k, ticket.RoleAgent, locale), agent) })
		}
	}
}

// An answer that comes later, at an unknown time, is announced without one.
func TestRescheduledLetterWithoutATime(t *testing.T) {
	l := newLetters(t, config())
	for locale, lines := range map[string][]string{
		"en": {
			"The answer to your request 7Q4K-92MX-F will come later than we told you. We are sorry.",
			"We cannot say now when it will come. We will write to you as soon as we know.",
		},
		"de": {
			"die Antwort auf Ihre Anfrage 7Q4K-92MX-F kommt später, als wir Ihnen angekündigt hatten. Das tut uns leid.",
			"Wann sie kommt, können wir im Moment nicht sagen. Wir schreiben Ihnen, sobald wir es wissen.",
		},
	} {
		n := about(t, ticket.KindRescheduled, ticket.RoleRequester, locale)
		n.Expected = time.Time{}
		got, err := l.Write(n)
		require.NoError(t, err)
		for _, line := range lines {
			says(t, got, line)
		}
	}
}

// A reminder names the queue if it goes to one.
func TestReminderOfAnAgentAndOfAQueue(t *testing.T) {
	l := newLetters(t, config())
	for _, c := range []struct {
		locale, queue string
		level         int
		line          string
	}{
		{"en", "", 0, "You wanted to be reminded of the request 7Q4K-92MX-F."},
		{"en", "hardware", 2, "You wanted to be reminded of the request 7Q4K-92MX-F in the queue hardware at level 2."},
		{"en", "", 1, "You wanted to be reminded of the request 7Q4K-92MX-F at level 1."},
		{"de", "", 0, "Sie wollten an die Anfrage 7Q4K-92MX-F erinnert werden."},
		{"de", "hardware", 2, "Sie wollten an die Anfrage 7Q4K-92MX-F in der Warteschlange hardware auf Stufe 2 erinnert werden."},
		{"de", "", 1, "Sie wollten an die Anfrage 7Q4K-92MX-F auf Stufe 1 erinnert werden."},
	} {
		n := about(t, ticket.KindReminder, ticket.RoleAgent, c.locale)
		n.To.Queue, n.To.Level = c.queue, c.level
		got, err := l.Write(n)
		require.NoError(t, err)
		says(t, got, c.line)
	}
}
