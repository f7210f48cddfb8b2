package webtests

import (
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// eachWay runs a test with scripts on and off, in both languages.
func eachWay(t *testing.T, test func(t *testing.T, lang string, ways ...setting)) {
	t.Helper()
	for _, lang := range []string{"en", "de"} {
		t.Run(lang+", with scripts", func(t *testing.T) { t.Parallel(); test(t, lang) })
		t.Run(lang+", without scripts", func(t *testing.T) { t.Parallel(); test(t, lang, noScript) })
	}
}

var numberText = regexp.MustCompile(`\b[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]\b`)

// aTicket opens a ticket as a customer, and returns its number.
func aTicket(b *tab, who, subject, message string) string {
	b.t.Helper()
	b.as(who)
	require.Equal(b.t, 200, b.open("/"))
	b.fill("#subject", subject)
	b.fill("#message", message)
	require.Equal(b.t, 200, b.follow("form.form button.primary"))
	number := numberText.FindString(b.main())
	require.NotEmpty(b.t, number, b.main())
	return number
}

// act does an action on a ticket in the console, with what is written into its fields: names and
// words in turn.
func (b *tab) act(number, action string, fields ...string) {
	b.t.Helper()
	require.Equal(b.t, 200, b.open("/desk/tickets/"+number+"?do="+url.QueryEscape(action)), action)
	for i := 0; i+1 < len(fields); i += 2 {
		b.fill(`.composer [name="`+fields[i]+`"]`, fields[i+1])
	}
	require.Equal(b.t, 200, b.follow(".composer button.primary"), action)
}

// button does an action of which the page of a ticket has a button.
func (b *tab) button(number, action string) {
	b.t.Helper()
	require.Equal(b.t, 200, b.open("/desk/tickets/"+number))
	require.Equal(b.t, 200, b.follow(`form:has(input[name="action"][value="`+action+`"]) button`), action)
}

// A customer opens a ticket with a file, after a form with a mistake kept every word, follows
// it in the list, answers, and cancels it.
func TestCustomerOpensAndFollowsATicket(t *testing.T) {
	eachWay(t, func(t *testing.T, lang string, ways ...setting) {
		b := newTab(t, exampleBase(t), ways...)
		b.as("mary")
		b.inLanguage(lang)
		b.expect("422")
		b.fill("#message", "Every second page comes out blank.")
		b.attach("#files", testFile(t, "page.txt", "blank"))
		require.Equal(t, 422, b.follow("form.form button.primary"), "a subject is needed")
		require.Equal(t, "Every second page comes out blank.", strings.TrimSpace(b.value("#message")))
		require.Contains(t, b.main(), "page.txt", "the file is kept")
		b.fill("#subject", "Printer prints blank pages")
		require.Equal(t, 200, b.follow("form.form button.primary"))
		number := numberText.FindString(b.main())
		require.NotEmpty(t, number)
		require.Contains(t, b.main(), "page.txt")

		require.Equal(t, 200, b.open("/tickets"))
		require.Equal(t, 200, b.follow(`a.subject[href*="`+number+`"]`))
		require.Contains(t, b.main(), "Every second page comes out blank.")
		b.fill("#message", "It is an LJ-4.")
		require.Equal(t, 200, b.follow(`button[name="action"][value="reply"]`))
		require.Contains(t, b.main(), "It is an LJ-4.")
		require.Equal(t, 200, b.follow(`button[name="action"][value="cancel"]`))
		require.Zero(t, b.count(`button[name="action"][value="cancel"]`), "it is over")
	})
}

// A visitor opens a ticket, gets a letter, and follows its link without an account.
func TestVisitorFollowsTheLinkInALetter(t *testing.T) {
	eachWay(t, func(t *testing.T, lang string, ways ...setting) {
		b := newTab(t, exampleBase(t), ways...)
		b.inLanguage(lang)
		b.fill("#name", "Vera")
		address := "vera-" + regexp.MustCompile(`[^a-z]+`).ReplaceAllString(strings.ToLower(t.Name()), "-") + "@example.com"
		b.fill("#email", address)
		b.fill("#subject", "Lamp flickers")
		b.fill("#message", "It flickers when it is dimmed.")
		require.Equal(t, 200, b.follow("form.form button.primary"))
		link := `article a[href^="/t/"]`
		b.eventually("the letter is there", func() bool {
			b.open("/letters?to=" + address)
			return b.count(link) > 0
		})
		require.Equal(t, 200, b.follow(link))
		require.Contains(t, b.main(), "It flickers when it is dimmed.")
		b.fill("#message", "It hums, too.")
		require.Equal(t, 200, b.follow(`button[name="action"][value="reply"]`))
		require.Contains(t, b.main(), "It hums, too.")
	})
}

// An agent takes a ticket, writes a note, asks, escalates; the next level answers and solves it; the
// customer confirms. No page of the customer has the note.
func TestAgentsSolveATicket(t *testing.T) {
	eachWay(t, func(t *testing.T, lang string, ways ...setting) {
		base := exampleBase(t)
		customer := newTab(t, base, ways...)
		number := aTicket(customer, "jonas", "Kein Bild", "Der Monitor bleibt schwarz.")

		b := newTab(t, base, ways...)
		b.as("lin")
		require.Equal(t, 200, b.open("/desk/tickets/"+number+"?lang="+lang))
		b.button(number, "take")
		b.act(number, "note", "note", "Third one of this batch.")
		require.Contains(t, b.main(), "Third one of this batch.")
		b.act(number, "ask", "message", "Which cable?")

		require.Equal(t, 200, customer.open("/tickets/"+number))
		require.NotContains(t, customer.main(), "Third one of this batch.")
		customer.fill("#message", "HDMI.")
		require.Equal(t, 200, customer.follow(`button[name="action"][value="reply"]`))

		b.act(number, "escalate", "note", "Not the cable.")
		b.as("max")
		b.act(number, "reply", "message", "We are sending a new one.")
		b.act(number, "resolve", "message", "A new monitor is on its way.")

		require.Equal(t, 200, customer.open("/tickets/"+number))
		require.Contains(t, customer.main(), "A new monitor is on its way.")
		require.Equal(t, 200, customer.follow(`button[name="action"][value="confirm"]`))
		require.Zero(t, customer.count(`button[name="action"][value="confirm"]`))
	})
}

// Two agents answer the same ticket: the second one gets the words back, with what changed.
func TestStaleReplyKeepsItsWords(t *testing.T) {
	eachWay(t, func(t *testing.T, lang string, ways ...setting) {
		base := exampleBase(t)
		first, second := newTab(t, base, ways...), newTab(t, base, ways...)
		number := aTicket(first, "mary", "Two of you", "Who answers?")
		at := "/desk/tickets/" + number + "?do=reply&lang=" + lang
		first.as("lin")
		second.as("sam")
		require.Equal(t, 200, first.open(at))
		require.Equal(t, 200, second.open(at))
		first.fill(`.composer [name="message"]`, "I do.")
		second.fill(`.composer [name="message"]`, "No, I do.")
		require.Equal(t, 200, first.follow(".composer button.primary"))
		second.expect("409")
		require.Equal(t, 409, second.follow(".composer button.primary"))
		require.Equal(t, "No, I do.", strings.TrimSpace(second.value(`.composer [name="message"]`)))
		require.Contains(t, second.main(), "I do.", "what changed since is shown")
	})
}

// Two agents look at one ticket: each sees the other, and an update of one leaves alone what
// the other is writing.
func TestLivePages(t *testing.T) {
	t.Parallel()
	base := exampleBase(t)
	first, second := newTab(t, base), newTab(t, base)
	number := aTicket(first, "mary", "Look at this", "Both of you.")
	first.as("lin")
	second.as("kim")
	require.Equal(t, 200, first.open("/desk/tickets/"+number+"?do=reply"))
	require.Equal(t, 200, second.open("/desk/tickets/"+number+"?do=note"))
	first.eventually("lin sees that kim is there", func() bool { return strings.Contains(first.text("main"), "Kim") })
	first.fill(`.composer [name="message"]`, "Dear Mary, ")
	second.fill(`.composer [name="note"]`, "I called her.")
	require.Equal(t, 200, second.follow(".composer button.primary"))
	first.eventually("the note arrives", func() bool { return strings.Contains(first.text(`[data-fresh="history"]`), "I called her.") })
	require.Equal(t, "Dear Mary, ", first.value(`.composer [name="message"]`), "the words stay")
}

// An agent finds a ticket by its words, and the next one to work on by a button.
func TestAgentSearchesAndTakesTheNext(t *testing.T) {
	eachWay(t, func(t *testing.T, lang string, ways ...setting) {
		b := newTab(t, exampleBase(t), ways...)
		b.as("kim")
		require.Equal(t, 200, b.open("/desk/search?q=battery&lang="+lang))
		require.Positive(t, b.count("main a.subject"))
		require.Positive(t, b.count("main mark"), "the words are marked")
		require.Equal(t, 200, b.open("/desk/tickets"))
		require.Equal(t, 200, b.follow(".top form[method=post] button"))
		require.Regexp(t, `^/desk/tickets/`+numberText.String()[2:len(numberText.String())-2], b.address())
	})
}
