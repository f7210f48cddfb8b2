package webtests

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// An agent merges two tickets of one customer, after a look at both. The customer's old number
// leads to the other ticket until the agent undoes it.
func TestAgentMergesAndUnmerges(t *testing.T) {
	eachWay(t, func(t *testing.T, lang string, ways ...setting) {
		base := exampleBase(t)
		customer := newTab(t, base, ways...)
		into := aTicket(customer, "mary", "The lid is broken", "It has a crack.")
		from := aTicket(customer, "mary", "Once more, the lid", "Did you get my mail?")

		b := newTab(t, base, ways...)
		b.as("lin")
		require.Equal(t, 200, b.open("/desk/tickets/"+from+"?lang="+lang))
		require.Equal(t, 200, b.follow(`a[href*="merge?from="]`))
		b.fill("#f-into", into)
		require.Equal(t, 200, b.follow("form.fields button.primary"))
		require.Contains(t, b.main(), "It has a crack.")
		require.Contains(t, b.main(), "Did you get my mail?")
		require.Equal(t, 200, b.follow("form.composer button.primary"))
		require.Contains(t, b.address(), into)

		require.Equal(t, 200, customer.open("/tickets/"+from))
		require.Contains(t, customer.main(), "It has a crack.")
		require.Contains(t, customer.main(), "Did you get my mail?")

		require.Equal(t, 200, b.open("/desk/tickets/"+from))
		require.Equal(t, 200, b.follow(`a[href*="do=unmerge"]`))
		require.Equal(t, 200, b.follow("form.composer button.primary"))
		require.Equal(t, 200, customer.open("/tickets/"+from))
		require.NotContains(t, customer.main(), "It has a crack.")
	})
}

// An agent takes two tickets of a list at once. A third one has changed since, and is reported.
func TestAgentActsOnManyTickets(t *testing.T) {
	eachWay(t, func(t *testing.T, lang string, ways ...setting) {
		base := exampleBase(t)
		customer := newTab(t, base, ways...)
		var numbers []string
		for _, subject := range []string{"First of three", "Second of three", "Third of three"} {
			numbers = append(numbers, aTicket(customer, "jonas", subject, "Please look."))
		}
		b, other := newTab(t, base, ways...), newTab(t, base, ways...)
		b.as("sam")
		require.Equal(t, 200, b.open("/desk/tickets?view=unassigned&order=newest&n=200&lang="+lang))
		for _, n := range numbers {
			b.press(`input[name="t"][value^="` + n + `"]`)
		}
		b.choose("#bulk-do", "take")
		require.Equal(t, 200, b.follow(`form:has(#bulk-do) button.btn`))
		require.Equal(t, 3, b.count(`input[name="t"][checked]`))

		other.as("lin")
		other.button(numbers[2], "take")

		require.Equal(t, 200, b.follow("form.narrow button.primary"))
		require.Equal(t, 2, b.count("table.list span.ok"), b.main())
		require.Equal(t, 1, b.count("table.list span.bad"), b.main())
		require.Equal(t, 200, b.open("/desk/tickets?view=mine"))
		require.Contains(t, b.main(), numbers[0])
		require.Contains(t, b.main(), numbers[1])
		require.NotContains(t, b.main(), numbers[2])
	})
}

// A manager lets a letter go out again that came back.
func TestManagerRedrivesALetter(t *testing.T) {
	eachWay(t, func(t *testing.T, lang string, ways ...setting) {
		b := newTab(t, exampleBase(t), ways...)
		b.as("eva")
		require.Equal(t, 200, b.open("/desk/deliveries?lang="+lang))
		require.Positive(t, b.count(`button[form="redrive"]`))
		require.Equal(t, 200, b.follow(`button[form="redrive"][name="id"]`))
		require.Contains(t, b.address(), "/desk/deliveries")
		require.Equal(t, 1, b.count(`main [role="status"]`), "the page says what was done")
	})
}

// A manager looks at a mail that is held, and takes it again. It is held again, for the same reason.
func TestManagerTakesAHeldMailAgain(t *testing.T) {
	for lang, ways := range map[string][]setting{"en": nil, "de": {noScript}} { // one after the other: there are few such mails
		t.Run(lang, func(t *testing.T) {
			b := newTab(t, exampleBase(t), ways...)
			b.as("eva")
			require.Equal(t, 200, b.open("/desk/mails?lang="+lang))
			require.Equal(t, 200, b.follow("main .letter a.subject"))
			require.Positive(t, b.count("main .reason"), "the page says why it is held")
			mail := b.address()
			require.Equal(t, 200, b.follow(`button[name="do"][value="retake"]`))
			require.Contains(t, b.address(), "/desk/mails?")
			require.Equal(t, 1, b.count(`main [role="status"]`), "the page says what was done")
			b.eventually("it is held again", func() bool {
				b.open(mail)
				return b.count(`button[name="do"][value="retake"]`) > 0
			})
		})
	}
}

// A customer whose ticket was solved agrees, and rates the help, once.
func TestCustomerRates(t *testing.T) {
	eachWay(t, func(t *testing.T, lang string, ways ...setting) {
		base := exampleBase(t)
		customer := newTab(t, base, ways...)
		number := aTicket(customer, "mary", "How do I descale it?", "The kettle.")
		b := newTab(t, base, ways...)
		b.as("lin")
		b.act(number, "resolve", "message", "With vinegar.")

		require.Equal(t, 200, customer.open("/tickets/"+number+"?lang="+lang))
		require.Equal(t, 200, customer.follow(`button[name="action"][value="confirm"]`))
		customer.expect("422")
		require.Equal(t, 422, customer.follow(`button[name="action"][value="rate"]`), "a score is needed")
		customer.press(`input[name="score"][value="5"]`)
		customer.fill("#comment", "Quick!")
		require.Equal(t, 200, customer.follow(`button[name="action"][value="rate"]`))
		require.Zero(t, customer.count(`button[name="action"][value="rate"]`), "once")

		require.Equal(t, 200, b.open("/desk/tickets/"+number))
		require.Contains(t, b.main(), "Quick!")
	})
}

// An agent uses all other actions of the service desk on one ticket, in their turn.
func TestAgentUsesTheOtherActions(t *testing.T) {
	eachWay(t, func(t *testing.T, lang string, ways ...setting) {
		base := exampleBase(t)
		customer := newTab(t, base, ways...)
		other := aTicket(customer, "jonas", "The first one", "It is about the same.")
		number := aTicket(customer, "jonas", "The second one", "And the lamp is broken, too.")
		b := newTab(t, base, ways...)
		b.as("kim")
		require.Equal(t, 200, b.open("/desk/tickets/"+number+"?lang="+lang))
		act := func(action string, fields ...string) string {
			t.Helper()
			b.act(number, action, fields...)
			return b.main()
		}
		require.Contains(t, act("edit", "subject", "Lamp: ", "tags", "lamp"), "Lamp: The second one")
		require.Contains(t, act("assign", "assignee", "kim"), "Kim")
		require.Contains(t, act("link", "ticket", other), other)
		require.Contains(t, act("split", "subject", "The lamp", "text", "It is broken."), "The lamp")
		act("hold", "reason", "vendor", "note", "They look for the part.")
		b.button(number, "resume")
		require.Contains(t, act("escalate", "note", "For the specialists."), "For the specialists.")
		b.button(number, "take")
		b.button(number, "release")
		b.button(number, "take")
		act("hand over", "queue", "repairs", "note", "It is one of yours.")
		require.Contains(t, act("resolve", "message", "A new one is on its way."), "A new one is on its way.")
		act("publish", "title", "Lamps of June break: "+lang, "text", "We send a new one.")
		require.Equal(t, 200, customer.open("/tickets/"+number))
		require.Contains(t, customer.main(), "A new one is on its way.")
		require.NotContains(t, customer.main(), "specialists.")
	})
}

// A customer says that it is not solved, and finds the request again by its number.
func TestCustomerReopensAndFinds(t *testing.T) {
	eachWay(t, func(t *testing.T, lang string, ways ...setting) {
		base := exampleBase(t)
		customer := newTab(t, base, ways...)
		number := aTicket(customer, "grace", "It drips", "The kettle.")
		b := newTab(t, base, ways...)
		b.as("lin")
		b.act(number, "resolve", "message", "Close the lid.")
		require.Equal(t, 200, customer.open("/tickets/"+number+"?lang="+lang))
		customer.fill("#message", "It still drips.")
		require.Equal(t, 200, customer.follow(`button[name="action"][value="reopen"]`))
		require.Contains(t, customer.main(), "It still drips.")
		require.Zero(t, customer.count(`button[name="action"][value="reopen"]`))

		visitor := newTab(t, base, ways...)
		require.Equal(t, 200, visitor.open("/find?lang="+lang))
		visitor.fill("#number", number)
		visitor.fill("#email", "grace@mills.example.com")
		require.Equal(t, 200, visitor.follow("form.form button.primary"))
		link := `article a[href^="/t/"]`
		visitor.eventually("the letter with the link is there", func() bool {
			visitor.open("/letters?to=grace@mills.example.com")
			return visitor.count(link) > 0
		})
		require.Equal(t, 200, visitor.follow(link))
		require.NotEmpty(t, visitor.main())
	})
}
