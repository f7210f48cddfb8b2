package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/tickettest"
)

var update = flag.Bool("update", false, "write the golden file and the samples of the tutorial")

// The tests of your application could begin like this: the shop on a database
// file, with a clock that stands still and a notifier that records.
type fixture struct {
	*shop

	t     *testing.T
	clock *tickettest.Clock
	sent  *tickettest.Recorder
}

func testConfig(t *testing.T) config {
	t.Helper()
	db, dialect, err := openDatabase(filepath.Join(t.TempDir(), "shop.db"), "")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return config{db: db, dialect: dialect, secret: bytes.Repeat([]byte{7}, 32), base: "https://shop.example"}
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	clock, sent := tickettest.NewClock(), tickettest.NewRecorder()
	s, err := open(t.Context(), testConfig(t), tickettest.Config(clock, sent))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.console.Shutdown(context.WithoutCancel(t.Context()))) })
	return &fixture{s, t, clock, sent}
}

// browser returns the browser of a signed-in user, or of nobody.
func (f *fixture) browser(name string) *browser {
	f.t.Helper()
	b, err := newBrowser(f.handler(), f.base)
	require.NoError(f.t, err)
	if name != "" {
		require.NoError(f.t, b.get(f.t.Context(), "/login"))
		require.NoError(f.t, b.submit(f.t.Context(), "/login", map[string]string{"user": name}, nil))
		require.Equal(f.t, http.StatusOK, b.status)
	}
	return b
}

func (f *fixture) get(b *browser, path string, status int) {
	f.t.Helper()
	require.NoError(f.t, b.get(f.t.Context(), path))
	require.Equal(f.t, status, b.status, "%s\n%s", path, b.body)
}

func (f *fixture) submit(b *browser, form string, fill map[string]string, status int) {
	f.t.Helper()
	require.NoError(f.t, b.submit(f.t.Context(), form, fill, nil))
	require.Equal(f.t, status, b.status, b.body)
}

// complain opens a ticket from an order, and returns its number.
func (f *fixture) complain(b *browser, order, subject, message string, file *chosen) string {
	f.t.Helper()
	path := "/orders/" + order + "/help"
	f.get(b, path, http.StatusOK)
	require.NoError(f.t, b.submit(f.t.Context(), path, map[string]string{"subject": subject, "message": message}, file))
	require.Equal(f.t, http.StatusOK, b.status, b.body)
	n := number.FindString(b.at.Path)
	require.NotEmpty(f.t, n)
	return n
}

func (f *fixture) count(query string, args ...any) (n int) {
	f.t.Helper()
	require.NoError(f.t, f.db.QueryRowContext(f.t.Context(), query, args...).Scan(&n))
	return n
}

func (f *fixture) deliver() {
	f.t.Helper()
	_, err := f.desk.Deliver(f.t.Context())
	require.NoError(f.t, err)
}

func TestStory(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, story(t.Context(), testConfig(t), tickettest.Config(tickettest.NewClock(), nil), &out))
	if *update {
		require.NoError(t, os.WriteFile("testdata/story.txt", out.Bytes(), 0o600))
	}
	want, err := os.ReadFile("testdata/story.txt")
	require.NoError(t, err)
	assert.Equal(t, string(want), out.String())
}

// The program runs with the clock and the random numbers of the system, as the
// story and as a server.
func TestRun(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), nil, &out))
	assert.Contains(t, out.String(), "her ticket now: (no subject), of nobody\n")

	ctx, cancel := context.WithCancel(t.Context())
	served := endsAt{&out, cancel}
	require.NoError(t, run(ctx, []string{"-addr", "127.0.0.1:0"}, served))
	assert.Contains(t, out.String(), "Ctrl+C")

	for _, args := range [][]string{
		{"-db", "shop.db"}, // without SHOP_SECRET
		{"-addr", "nowhere:nothing"},
		{"-addr", "127.0.0.1:0", "-smtp", "no port"},
		{"-nonsense"},
	} {
		require.Error(t, run(t.Context(), args, &out), args)
	}
	assert.NoFileExists(t, "shop.db")
}

// endsAt ends the program when it says something.
type endsAt struct {
	*bytes.Buffer

	end func()
}

func (w endsAt) Write(p []byte) (int, error) {
	w.end()
	return w.Buffer.Write(p)
}

// The order's row, the ticket and its confirmation are written together or not at
// all, and not without the file.
func TestComplaintIsOneTransaction(t *testing.T) {
	for name, c := range map[string]struct {
		breakIt string
		status  int
	}{
		"the file cannot be kept":  {"DROP TABLE ticket_files", http.StatusInternalServerError},
		"the order has one by now": {"UPDATE shop_orders SET ticket = 'another' WHERE id = 1001", http.StatusNotFound}, // the page of the other ticket
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			ada := f.browser("ada")
			f.get(ada, "/orders/1001/help", http.StatusOK)
			_, err := f.db.ExecContext(t.Context(), c.breakIt)
			require.NoError(t, err)
			require.NoError(t, ada.submit(t.Context(), "/orders/1001/help",
				map[string]string{"subject": "Broken", "message": "The spout is off."}, &chosen{"photo.png", "x"}))
			assert.Equal(t, c.status, ada.status)
			assert.Zero(t, f.count("SELECT count(*) FROM ticket_tickets"))
			assert.Zero(t, f.count("SELECT count(*) FROM shop_orders WHERE state = 'disputed'"))
			f.deliver()
			assert.Empty(t, f.sent.Sent())
		})
	}
	f := newFixture(t)
	n := f.complain(f.browser("ada"), "1001", "Broken", "The spout is off.", &chosen{"photo.png", "\x89PNG\r\n\x1a\n"})
	assert.Equal(t, 1, f.count("SELECT count(*) FROM shop_orders WHERE state = 'disputed' AND ticket = $1", n))
	assert.Equal(t, 1, f.count("SELECT count(*) FROM ticket_files"))
	f.deliver()
	received := f.sent.RequireSent(t, ticket.KindReceived, "ada@example.org")
	assert.Equal(t, "image/png", received.Attachments[0].MediaType)
}

func TestFormSentTwiceOpensOneTicket(t *testing.T) {
	f := newFixture(t)
	ada := f.browser("ada")
	f.get(ada, "/orders/1001/help", http.StatusOK)
	form, at := ada.page, ada.at
	for range 2 {
		ada.page, ada.at = form, at
		f.submit(ada, "/orders/1001/help", map[string]string{"subject": "Broken", "message": "The spout is off."}, http.StatusOK)
		assert.Equal(t, "/help/tickets/0000-0001-H", ada.at.Path)
	}
	user, err := f.user(t.Context(), "ada")
	require.NoError(t, err)
	again := help{Order: order{ID: 1002}, Subject: "A cup", Message: "It has a crack.", Key: newKey()}
	one, err := f.shop.complain(t.Context(), user, again, nil)
	require.NoError(t, err)
	two, err := f.shop.complain(t.Context(), user, again, nil)
	require.NoError(t, err)
	assert.Equal(t, one.Number, two.Number)
	again.Key = newKey()
	_, err = f.shop.complain(t.Context(), user, again, nil)
	require.ErrorIs(t, err, errHasTicket)
	assert.Equal(t, 2, f.count("SELECT count(*) FROM ticket_tickets"))
	reply := ada.page
	for range 2 {
		ada.page = reply
		f.submit(ada, "reply", map[string]string{"message": "And the lid."}, http.StatusOK)
		assert.Equal(t, []string{"The spout is off.", "And the lid."}, ada.all("words"))
	}
}

func TestHelpFormKeepsInvalidInput(t *testing.T) {
	f := newFixture(t)
	ada := f.browser("ada")
	f.get(ada, "/orders/1001/help", http.StatusOK)
	f.submit(ada, "/orders/1001/help", map[string]string{"subject": strings.Repeat("x", 500), "message": "The spout is off."}, http.StatusUnprocessableEntity)
	assert.Contains(t, ada.body, "The spout is off.")
	assert.Contains(t, ada.all("notice")[0], "too long")
	assert.NotContains(t, ada.all("notice")[0], "draft.subject", "a name of the library")
	f.submit(ada, "/orders/1001/help", map[string]string{"subject": "Broken"}, http.StatusOK)
	assert.Equal(t, []string{"The spout is off."}, ada.all("words"))
}

func TestStatusLinkShowsAndTakesReplies(t *testing.T) {
	f := newFixture(t)
	n := f.complain(f.browser("ada"), "1001", "Broken", "The spout is off.", nil)
	f.deliver()
	link := f.sent.RequireSent(t, ticket.KindReceived, "ada@example.org").StatusLink
	phone := f.browser("")
	f.get(phone, link, http.StatusOK)
	assert.NotContains(t, phone.body, "ada@example.org")
	require.NoError(t, phone.submit(t.Context(), "reply", map[string]string{"message": "See the photo."}, &chosen{"a.png", "x"}))
	assert.Equal(t, []string{"The spout is off.", "See the photo."}, phone.all("words"))
	assert.Equal(t, 1, f.count("SELECT count(*) FROM ticket_files"))
	f.deliver()
	f.sent.RequireSent(t, ticket.KindCustomer, "lin@shop.example, kim@shop.example")

	f.get(phone, link[:len(link)-1]+"x", http.StatusNotFound)
	f.clock.Advance(100 * 24 * time.Hour)
	f.get(phone, link, http.StatusGone)
	f.get(phone, "/help/tickets/"+n, http.StatusForbidden)
	assert.Contains(t, phone.body, `href="/login"`)
}

// A day after the ticket was closed, its customer is asked to rate it. To open the link rates
// nothing; the form does, once.
func TestTheCustomerRatesThroughTheLink(t *testing.T) {
	f := newFixture(t)
	ada, lin := f.browser("ada"), f.browser("lin")
	n := f.complain(ada, "1001", "Broken", "The spout is off.", nil)
	f.get(lin, "/desk/tickets/"+n, http.StatusOK)
	f.submit(lin, "resolve", map[string]string{"message": "A new one is on its way."}, http.StatusOK)
	f.get(ada, "/help/tickets/"+n, http.StatusOK)
	f.submit(ada, "confirm", nil, http.StatusOK)
	f.deliver()
	f.sent.RequireNotSent(t, ticket.KindFeedback, "ada@example.org")
	f.clock.Advance(24 * time.Hour)
	_, err := f.desk.FireTimers(t.Context())
	require.NoError(t, err)
	f.deliver()
	link := f.sent.RequireSent(t, ticket.KindFeedback, "ada@example.org").StatusLink

	phone := f.browser("")
	for range 3 {
		f.get(phone, link, http.StatusOK)
		require.NotNil(t, phone.form("rate"))
		require.Nil(t, phone.form("reply"), "the link is for rating only")
	}
	f.submit(phone, "rate", map[string]string{"score": "0"}, http.StatusUnprocessableEntity)
	f.submit(phone, "rate", map[string]string{"score": "2", "comment": "It took long."}, http.StatusOK)
	assert.Nil(t, phone.form("rate"))
	assert.Contains(t, phone.body, "Your rating: dissatisfied.")
	assert.NotContains(t, phone.body, "It took long.")
	f.get(lin, "/desk/tickets/"+n, http.StatusOK)
	assert.Contains(t, lin.all("words"), "It took long.")
	assert.Equal(t, "closed", lin.one("chip"))
}

// An agent whose page is outdated sees the changes and loses no input.
func TestStaleFormIsRefusedKindly(t *testing.T) {
	f := newFixture(t)
	ada, lin := f.browser("ada"), f.browser("lin")
	n := f.complain(ada, "1001", "Broken", "The spout is off.", nil)
	f.get(lin, "/desk/tickets/"+n+"?do=ask", http.StatusOK)
	f.submit(ada, "reply", map[string]string{"message": "It is the blue one."}, http.StatusOK)
	f.submit(lin, "ask", map[string]string{"message": "Which one is it?"}, http.StatusConflict)
	assert.Contains(t, lin.one("problems"), "The ticket has changed since you began.")
	assert.Contains(t, lin.one("problems"), "It is the blue one.")
	assert.Equal(t, "Which one is it?", fields(lin.form("ask"))["message"])
	f.submit(lin, "ask", nil, http.StatusOK)
	assert.Equal(t, "waiting", lin.one("chip"))
	f.deliver()
	f.sent.RequireSent(t, ticket.KindAsked, "ada@example.org")
}

// A customer cannot confirm a solution that has changed.
func TestConfirmIsPinnedToTheSeenVersion(t *testing.T) {
	f := newFixture(t)
	ada, lin := f.browser("ada"), f.browser("lin")
	n := f.complain(ada, "1001", "Broken", "The spout is off.", nil)
	f.get(lin, "/desk/tickets/"+n, http.StatusOK)
	f.submit(lin, "resolve", map[string]string{"message": "A new one is on its way."}, http.StatusOK)
	f.get(ada, "/help/tickets/"+n, http.StatusOK)
	f.submit(lin, "resolve", map[string]string{"message": "There is none left. You get a cup."}, http.StatusOK)
	f.submit(ada, "confirm", nil, http.StatusConflict)
	f.submit(ada, "confirm", nil, http.StatusOK)
	assert.Equal(t, "Closed", ada.one("now"))
}

func TestMergedNumberLeadsOnUntilUnmerged(t *testing.T) {
	f := newFixture(t)
	ada, lin := f.browser("ada"), f.browser("lin")
	first := f.complain(ada, "1001", "Broken", "The spout is off.", nil)
	second := f.complain(ada, "1002", "A cup", "It has a crack.", &chosen{"cup.png", "x"})
	f.get(lin, "/desk/merge?from="+second+"&into="+first, http.StatusOK)
	f.submit(lin, "/desk/merge", nil, http.StatusOK)
	assert.Equal(t, "/desk/tickets/"+first, lin.at.Path)
	f.get(ada, "/help/tickets/"+second, http.StatusOK)
	assert.Equal(t, "Broken", ada.one("h1"))
	assert.ElementsMatch(t, []string{"The spout is off.", "It has a crack."}, ada.all("words"))
	f.get(ada, f.fileIn(ada), http.StatusOK)
	f.get(lin, "/desk/tickets/"+second, http.StatusOK)
	f.submit(lin, "unmerge", nil, http.StatusOK)
	f.get(ada, "/help/tickets/"+second, http.StatusOK)
	assert.Equal(t, "A cup", ada.one("h1"))
}

// The figures are those of the library's report, and nobody but the manager sees them.
func TestTheManagerSeesTheFigures(t *testing.T) {
	f := newFixture(t)
	ada, kim := f.browser("ada"), f.browser("kim")
	n := f.complain(ada, "1001", "Broken", "The spout is off.", nil)
	f.clock.Advance(2 * time.Hour)
	f.get(kim, "/desk/tickets/"+n, http.StatusOK)
	f.submit(kim, "resolve", map[string]string{"message": "It leaves today."}, http.StatusOK)
	f.clock.Advance(time.Minute)
	for tries := 0; len(kim.all("figure")) == 0; tries++ { // the page waits for its figures for a moment only
		require.Less(t, tries, 60)
		f.get(kim, "/desk/reports", http.StatusOK)
	}
	assert.Contains(t, kim.one("tiles"), "Erste Antwort 2 Std.")
	assert.NotContains(t, kim.body, "#ZgotmplZ")
	f.get(f.browser("lin"), "/desk/reports", http.StatusNotFound)
	f.get(ada, "/desk/reports", http.StatusNotFound)
}

// Deleting a customer removes all data of the customer.
func TestDeletedUser(t *testing.T) {
	f := newFixture(t)
	ada, lin := f.browser("ada"), f.browser("lin")
	n := f.complain(ada, "1001", "Broken", "The spout is off.", &chosen{"photo.png", "x"})
	second := f.complain(ada, "1002", "A cup", "It has a crack.", nil)
	f.get(lin, "/desk/merge?from="+second+"&into="+n, http.StatusOK)
	f.submit(lin, "/desk/merge", nil, http.StatusOK)
	f.deliver()
	link := f.sent.RequireSent(t, ticket.KindReceived, "ada@example.org").StatusLink
	f.sent.Reset()
	f.get(ada, "/account/data", http.StatusOK)
	assert.Contains(t, ada.body, "The spout is off.")
	assert.Contains(t, ada.body, "photo.png")
	f.get(ada, "/account/data?as=json", http.StatusOK)
	assert.Contains(t, ada.body, `"It has a crack."`)
	f.get(ada, "/account", http.StatusOK)
	f.submit(ada, "/account/delete", nil, http.StatusOK)

	f.get(ada, "/orders", http.StatusOK)
	assert.Equal(t, "/login", ada.at.Path)
	f.get(f.browser(""), link, http.StatusNotFound)
	assert.Zero(t, f.count("SELECT count(*) FROM shop_orders WHERE user_id = 'ada'"))
	assert.Equal(t, 5, f.count("SELECT count(*) FROM shop_orders"))
	_, err := f.user(t.Context(), "ada")
	require.ErrorIs(t, err, sql.ErrNoRows)

	// The ticket is cancelled and names nobody. Nothing more is sent.
	got, err := f.desk.Lookup(t.Context(), ticket.System("test"), n)
	require.NoError(t, err)
	assert.Equal(t, ticket.StatusCancelled, got.Status)
	assert.True(t, got.Requester.IsZero())
	f.get(lin, "/desk/tickets/"+n, http.StatusOK)
	f.submit(lin, "reopen", map[string]string{"note": "once more"}, http.StatusOK)
	f.submit(lin, "reply", map[string]string{"message": "Are you there?"}, http.StatusOK)
	f.deliver()
	for _, sent := range f.sent.Sent() {
		assert.NotEqual(t, ticket.RoleRequester, sent.To.Role, "%s", sent.Kind)
	}

	// Nothing names her or has her words.
	for _, number := range []string{n, second} {
		tk, err := f.desk.Lookup(t.Context(), ticket.System("test"), number)
		require.NoError(t, err)
		require.NoError(t, f.desk.Verify(t.Context(), ticket.System("test"), tk.ID))
		text, err := json.Marshal(tk)
		require.NoError(t, err)
		for e, err := range f.desk.Events(t.Context(), ticket.System("test"), tk.ID) {
			require.NoError(t, err)
			b, err := json.Marshal(e)
			require.NoError(t, err)
			text = append(text, b...)
		}
		for _, word := range []string{"Ada", "ada@example.org", "spout", "crack", "photo.png"} {
			assert.NotContains(t, string(text), word)
		}
	}
	assert.Zero(t, f.count("SELECT count(*) FROM ticket_outbox WHERE recipient LIKE '%ada@example.org%'"))
	assert.NotZero(t, f.count("SELECT count(*) FROM ticket_outbox"), "and each letter's row names its recipient")

	// Nor does a file, after the next sweep.
	assert.NotZero(t, f.count("SELECT count(*) FROM ticket_files"))
	f.clock.Advance(25 * time.Hour)
	_, err = f.desk.SweepFiles(t.Context())
	require.NoError(t, err)
	assert.Zero(t, f.count("SELECT count(*) FROM ticket_files"))
	assert.Zero(t, f.count("SELECT count(*) FROM ticket_chunks"))
}

// fileIn returns the address of the file on a page.
func (f *fixture) fileIn(b *browser) string {
	f.t.Helper()
	for n := range b.page.Descendants() {
		if href := attribute(n, "href"); strings.Contains(href, "/files/") {
			to, err := b.at.Parse(href)
			require.NoError(f.t, err)
			return to.Path
		}
	}
	require.Fail(f.t, "there is no file on the page")
	return ""
}
