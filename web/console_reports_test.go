package web

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/memstore"
)

// reader counts the passes over all tickets, can hold them up, and can fail.
type reader struct {
	*memstore.Store
	passes atomic.Int64
	mu     sync.Mutex
	fail   error         // after the first history of a pass
	gate   chan struct{} // passes wait for it before the second history
}

func (r *reader) Export(ctx context.Context, after ticket.ID) iter.Seq2[[]ticket.Event, error] {
	r.passes.Add(1)
	return func(yield func([]ticket.Event, error) bool) {
		n := 0
		for history, err := range r.Store.Export(ctx, after) {
			r.mu.Lock()
			fail, gate := r.fail, r.gate
			r.mu.Unlock()
			if n == 1 && gate != nil {
				select {
				case <-gate:
				case <-ctx.Done():
					yield(nil, ctx.Err())
					return
				}
			}
			if n == 1 && fail != nil {
				yield(nil, fail)
				return
			}
			if n++; !yield(history, err) {
				return
			}
		}
	}
}

func (r *reader) failWith(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fail = err
}

// clock is a time that a test moves.
type clock struct{ at atomic.Int64 }

func newClock(t time.Time) *clock {
	c := &clock{}
	c.set(t)
	return c
}
func (c *clock) set(t time.Time) { c.at.Store(t.UnixNano()) }
func (c *clock) now() time.Time  { return time.Unix(0, c.at.Load()).UTC() }

// reportsDesk has three tickets of January 2026: one answered and solved, one that waits, and one
// of another tenant.
func reportsDesk(t *testing.T) (*Console, *reader, *clock) {
	t.Helper()
	store, c := &reader{Store: memstore.New()}, newClock(noon)
	desk, err := ticket.NewDesk(store, ticket.Config{Now: c.now, Silent: true})
	require.NoError(t, err)
	ada := ticket.Requester(ticket.Person{ID: "ada"})
	one, err := desk.Open(t.Context(), ada, ticket.Draft{Subject: "a", Message: "m", Queue: "hardware"})
	require.NoError(t, err)
	_, err = desk.Open(t.Context(), ada, ticket.Draft{Subject: "b", Message: "m"})
	require.NoError(t, err)
	ada.Tenant = "other"
	_, err = desk.Open(t.Context(), ada, ticket.Draft{Subject: "c", Message: "m"})
	require.NoError(t, err)
	c.set(noon.Add(90 * time.Minute))
	_, err = desk.Do(t.Context(), ticket.Agent("lin", 1), one.ID, ticket.Action{Name: ticket.ActionResolve, Message: "done"})
	require.NoError(t, err)
	c.set(noon.Add(2 * time.Hour))
	console := newConsole(t, desk, func(cfg *ConsoleConfig) { cfg.Now = c.now })
	t.Cleanup(func() { require.NoError(t, console.Shutdown(context.WithoutCancel(t.Context()))) })
	return console, store, c
}

func TestReportsHaveDrawingsAndTables(t *testing.T) {
	c, _, _ := reportsDesk(t)
	w := get(c, "/reports")
	require.Equal(t, http.StatusOK, w.Code)
	body := w.Body.String()
	require.Contains(t, body, "January 2026")
	require.Contains(t, body, "Computed <time")
	require.Contains(t, body, "from 2 tickets")
	require.Contains(t, body, "1 h 30 min") // the median of one
	require.NotContains(t, body, " style=")
	for _, id := range []string{"backlog", "flow", "first-answer", "solution", "time-by-queue", "time-by-level", "reopened", "first-contact"} {
		figure := between(body, `id="`+id+`"`, "</figure>")
		require.Contains(t, figure, `class="plot" viewBox=`, id)
		require.Contains(t, figure, "<table", id)
	}
	require.Contains(t, between(body, `id="targets"`, "</figure>"), "nothing to show")
	german := get(c, "/reports?lang=de").Body.String()
	require.Contains(t, german, "Januar 2026")
	require.Contains(t, german, "1 Std. 30 Min.")
	require.NotContains(t, german, "figures.")
	ids := map[string]bool{}
	for dec := xml.NewDecoder(strings.NewReader(body)); ; {
		dec.Strict, dec.AutoClose, dec.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		if e, ok := token.(xml.StartElement); ok {
			for _, a := range e.Attr {
				if a.Name.Local == "id" {
					require.False(t, ids[a.Value], "the ID %s is there twice", a.Value)
					ids[a.Value] = true
				}
			}
		}
	}
}

// A month that is over is computed once. The month so far is computed again when it is old, and
// shown as it was until then.
func TestReportsAreKept(t *testing.T) {
	c, store, now := reportsDesk(t)
	get(c, "/reports")
	require.EqualValues(t, 1, store.passes.Load(), "one pass for six months")
	get(c, "/reports")
	get(c, "/reports/backlog")
	require.EqualValues(t, 1, store.passes.Load())

	now.set(noon.Add(3 * time.Hour))
	require.Contains(t, get(c, "/reports").Body.String(), "being computed again")
	require.Eventually(t, func() bool { return !strings.Contains(get(c, "/reports").Body.String(), "being computed again") }, 5*time.Second, 5*time.Millisecond)
	require.EqualValues(t, 2, store.passes.Load())

	feb := time.Date(2026, 2, 1, 0, 5, 0, 0, time.UTC)
	now.set(feb)
	get(c, "/reports?period=2026-01")
	require.Eventually(t, func() bool { return store.passes.Load() == 3 }, 5*time.Second, 5*time.Millisecond, "the end of January is there")
	now.set(feb.Add(time.Hour)) // it was computed too early to be the last word
	require.Eventually(t, func() bool {
		return get(c, "/reports?period=2026-01").Code == http.StatusOK && store.passes.Load() == 4
	}, 5*time.Second, 5*time.Millisecond)
	now.set(feb.AddDate(0, 3, 0))
	require.Eventually(t, func() bool { return !c.figures.ledger.running() }, 5*time.Second, 5*time.Millisecond)
	body := get(c, "/reports?period=2026-01").Body.String()
	require.NotContains(t, body, "being computed again")
	require.NotContains(t, body, "Counted up to")
	require.EqualValues(t, 4, store.passes.Load(), "January is over")
}

// running reports whether a pass runs.
func (l *ledger) running() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.busy
}

// Many readers at once share one pass, and one who does not want to wait is told how far it is.
func TestReadersShareAPass(t *testing.T) {
	c, store, _ := reportsDesk(t)
	gate := make(chan struct{})
	store.gate = gate
	var readers sync.WaitGroup
	var waiting atomic.Int64
	for range 10 {
		readers.Go(func() {
			if strings.Contains(get(c, "/reports").Body.String(), "1 tickets have been read so far") {
				waiting.Add(1)
			}
		})
	}
	readers.Wait()
	require.EqualValues(t, 10, waiting.Load())
	close(gate)
	require.Eventually(t, func() bool { return strings.Contains(get(c, "/reports").Body.String(), "from 2 tickets") }, 5*time.Second, 5*time.Millisecond)
	require.EqualValues(t, 1, store.passes.Load())
}

// A pass that fails goes on where it stopped, after a while.
func TestAFailedPassGoesOn(t *testing.T) {
	c, store, now := reportsDesk(t)
	store.failWith(errors.New("the store is down"))
	body := get(c, "/reports").Body.String()
	require.Contains(t, body, "could not be computed")
	require.NotContains(t, body, "the store is down")
	get(c, "/reports")
	require.EqualValues(t, 1, store.passes.Load(), "it is not tried at once")
	store.failWith(nil)
	now.set(now.now().Add(afterFault))
	require.Contains(t, get(c, "/reports").Body.String(), "from 2 tickets")
}

func TestShutdownEndsAPass(t *testing.T) {
	c, store, _ := reportsDesk(t)
	store.gate = make(chan struct{})
	get(c, "/reports")
	require.True(t, c.figures.ledger.running())
	require.NoError(t, c.Shutdown(t.Context()))
	require.False(t, c.figures.ledger.running())
	get(c, "/reports") // starts nothing
	require.False(t, c.figures.ledger.running())
}

func TestWhoMaySeeReports(t *testing.T) {
	store := memstore.New()
	desk, err := ticket.NewDesk(store, ticket.Config{Now: func() time.Time { return noon }})
	require.NoError(t, err)
	code := func(a ticket.Actor, may func(ticket.Actor) bool) int {
		c := newConsole(t, desk, func(cfg *ConsoleConfig) { cfg.Actor, cfg.Reports.May = as(a), may })
		defer func() { require.NoError(t, c.Shutdown(t.Context())) }()
		for _, address := range []string{"/reports", "/reports/backlog"} {
			if w := get(c, address); w.Code != http.StatusOK {
				return w.Code
			}
		}
		return http.StatusOK
	}
	some := ticket.Agent("max", 1)
	some.Queues = []string{"hardware"}
	require.Equal(t, http.StatusOK, code(ticket.Agent("lin", 1), nil))
	require.Equal(t, http.StatusOK, code(ticket.System("cron"), nil))
	require.Equal(t, http.StatusNotFound, code(some, nil), "one who sees some queues may not count the others")
	require.Equal(t, http.StatusOK, code(some, func(ticket.Actor) bool { return true }))
	require.Equal(t, http.StatusNotFound, code(ticket.Agent("lin", 1), func(ticket.Actor) bool { return false }))
}

func TestAFigureAsCSV(t *testing.T) {
	c, _, _ := reportsDesk(t)
	w := get(c, "/reports/first%20answer?period=2026-01")
	require.Equal(t, http.StatusOK, w.Code)
	require.Equal(t, "text/csv; charset=utf-8", w.Header().Get("Content-Type"))
	require.Equal(t, `attachment; filename="first-answer-2026-01.csv"`, w.Header().Get("Content-Disposition"))
	require.Contains(t, w.Body.String(), "answered,1,5400,5400,exact")
	require.Equal(t, http.StatusNotFound, get(c, "/reports/nothing").Code)
}

func TestPeriodsOfAnAddress(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	now := time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)
	for query, want := range map[string]string{
		"":                              "2026-03 2026-02-28T23:00:00Z 2026-03-31T22:00:00Z", // with the change to summer time
		"period=2026-02":                "2026-02 2026-01-31T23:00:00Z 2026-02-28T23:00:00Z",
		"period=2026-04":                "2026-03 2026-02-28T23:00:00Z 2026-03-31T22:00:00Z", // to come
		"period=nonsense":               "2026-03 2026-02-28T23:00:00Z 2026-03-31T22:00:00Z",
		"from=2026-01-05&to=2026-01-05": " 2026-01-04T23:00:00Z 2026-01-05T23:00:00Z",
		"from=2025-01-01&to=2025-12-31": " 2024-12-31T23:00:00Z 2025-12-31T23:00:00Z",
		"from=2020-01-01&to=2025-12-31": "2026-03 2026-02-28T23:00:00Z 2026-03-31T22:00:00Z", // too long
		"from=2026-01-05&to=2026-01-04": "2026-03 2026-02-28T23:00:00Z 2026-03-31T22:00:00Z",
		"from=0001-01-01&to=0001-01-02": "2026-03 2026-02-28T23:00:00Z 2026-03-31T22:00:00Z",
	} {
		q, err := url.ParseQuery(query)
		require.NoError(t, err)
		w := parsePeriod(q, berlin, now)
		require.Equal(t, want, w.Month+" "+w.From.UTC().Format(time.RFC3339)+" "+w.To.UTC().Format(time.RFC3339), query)
		series := w.series(berlin)
		require.Equal(t, w, series[len(series)-1])
		for i, before := range series[:len(series)-1] {
			require.Negative(t, before.compare(series[i+1]))
			require.Equal(t, before.To.UTC(), series[i+1].From.UTC())
		}
		require.Equal(t, w, parsePeriod(w.query(berlin), berlin, now), "the address of a period leads to it")
	}
}

func TestALongPeriodHasAFewBars(t *testing.T) {
	c, _, _ := reportsDesk(t)
	body := get(c, "/reports?from=2025-02-01&to=2026-01-31").Body.String()
	flow := between(body, `id="flow"`, "</figure>")
	require.Contains(t, flow, "is a week")
	require.Less(t, strings.Count(between(body, `id="backlog"`, "</figure>"), "<rect"), 200)
}

func TestReportsNeedAZoneWithAName(t *testing.T) {
	_, err := NewConsole(newDesk(t, ticket.Config{}), ConsoleConfig{Look: testLook(), Actor: as(ticket.Agent("lin", 1)), Reports: Reports{Zone: time.Local}})
	require.ErrorContains(t, err, "Reports.Zone")
}

func TestTimesAndNumbersInWords(t *testing.T) {
	c := newConsole(t, newDesk(t, ticket.Config{}), nil)
	en, de := c.site.example("en"), c.site.example("de")
	for seconds, want := range map[float64]string{0: "0 min", 20: "< 1 min", 90: "2 min", 3600: "1 h", 5400: "1 h 30 min", 86400: "1 d", 126000: "1 d 11 h", 86400 * 200.5: "200 d"} {
		require.Equal(t, want, en.took(seconds), seconds)
	}
	require.Equal(t, "40 h", en.open(144000))
	require.Equal(t, "40 h 30 min", en.open(145800))
	require.Equal(t, "1 h 30 min", en.open(5400))
	require.Equal(t, "21,1\u202f%", de.percent(21.1))
	require.Equal(t, "1\u202f234\u202f567", en.number(1234567, 0))
	require.Equal(t, "-1\u202f234.5", en.number(-1234.5, 1))
	require.Equal(t, "+3", en.signed(3))
	require.Equal(t, "−3", en.signed(-3))
}

type brokenHours struct{}

func (brokenHours) Name() string                         { return "office" }
func (brokenHours) Between(_, _ time.Time) time.Duration { panic("a bug of the application") }

type brokenCounts struct{ *memstore.Store }

func (brokenCounts) Counts(context.Context, string) ([]ticket.Count, error) {
	panic("a bug of the store")
}

// What the application does wrong off the path of a page does not end the program.
func TestAPanicOffThePathOfAPageIsAnError(t *testing.T) {
	now := newClock(noon.Add(-2 * time.Hour))
	desk, err := ticket.NewDesk(brokenCounts{memstore.New()}, ticket.Config{Now: now.now, Silent: true})
	require.NoError(t, err)
	one, err := desk.Open(t.Context(), ticket.Requester(custAda), ticket.Draft{Subject: "a", Message: "m"})
	require.NoError(t, err)
	now.set(noon.Add(-time.Hour))
	_, err = desk.Do(t.Context(), agLin, one.ID, ticket.Action{Name: ticket.ActionResolve, Message: "done"})
	require.NoError(t, err)
	var logged bytes.Buffer
	c := newConsole(t, desk, func(cfg *ConsoleConfig) {
		cfg.Reports.Hours, cfg.Logger = brokenHours{}, slog.New(slog.NewTextHandler(&logged, nil))
	})
	require.Contains(t, get(c, "/reports").Body.String(), "could not be computed")
	require.Equal(t, http.StatusOK, get(c, "/tickets").Code)
	require.NoError(t, c.Shutdown(t.Context()))
	require.Contains(t, logged.String(), "a bug of the application")
	require.Contains(t, logged.String(), "a bug of the store")
}

// A clock that was ahead for a while does not spoil the reports.
func TestReportsSurviveAClockThatIsSetBack(t *testing.T) {
	c, store, now := reportsDesk(t)
	right := now.now()
	now.set(right.Add(60 * 24 * time.Hour))
	require.Contains(t, get(c, "/reports?period=2026-01").Body.String(), "from 2 tickets")
	now.set(right)
	for range 2 {
		get(c, "/reports?period=2026-01")
	}
	require.Eventually(t, func() bool { return !c.figures.ledger.running() }, 10*time.Second, time.Millisecond)
	require.EqualValues(t, 2, store.passes.Load(), "January is not over")

	now.set(right.Add(60 * 24 * time.Hour))
	store.failWith(errors.New("the store is down"))
	require.Contains(t, get(c, "/reports?period=2026-02").Body.String(), "could not be computed")
	store.failWith(nil)
	now.set(right)
	require.Contains(t, get(c, "/reports?period=2025-12").Body.String(), "from 2 tickets")
}
