package web

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
)

func TestTimesAreInTheReadersWords(t *testing.T) {
	c := newConsole(t, newDesk(t, ticket.Config{}), nil)
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	en, de := c.site.example("en"), c.site.example("de")
	de.zone = berlin
	const day = 24 * time.Hour
	for _, x := range []struct {
		d      time.Duration
		en, de string
	}{
		{0, "now", "jetzt"},
		{-30 * time.Second, "now", "jetzt"},
		{18 * time.Minute, "in 18 min", "in 18 Min."},
		{-5 * time.Minute, "5 min ago", "vor 5 Min."},
		{4 * time.Hour, "today 16:00", "heute 17:00"},
		{11*time.Hour + 30*time.Minute, "today 23:30", "morgen 00:30"},
		{day, "tomorrow 12:00", "morgen 13:00"},
		{-day, "yesterday 12:00", "gestern 13:00"},
		{3 * day, "Thu 12:00", "Do 13:00"},
		{-6 * day, "Tue 12:00", "Di 13:00"},
		{7 * day, "19 Jan, 12:00", "19. Jan., 13:00"},
		{-30 * day, "13 Dec 2025", "13. Dez. 2025"},
	} {
		assert.Equal(t, x.en, en.when(noon.Add(x.d)))
		assert.Equal(t, x.de, de.when(noon.Add(x.d)))
	}
	assert.Equal(t, `<time datetime="2026-01-12T11:28:00Z" title="Monday, 12 January 2026, 11:28:00 UTC">32 min late</time>`, string(en.Due(noon.Add(-32*time.Minute))))
	assert.Equal(t, `<time datetime="2026-01-12T12:18:00Z" title="Montag, 12. Januar 2026, 13:18:00 CET">in 18 Min.</time>`, string(de.Due(noon.Add(18*time.Minute))))
	assert.Empty(t, en.When(time.Time{}))
	assert.Equal(t, "2 h", en.Span(2*time.Hour+59*time.Minute))
	assert.Equal(t, "3 Tg.", de.Span(3*day))
	assert.Equal(t, "184 kB", en.Bytes(184_100))
	assert.Equal(t, "1,5 MB", de.Bytes(1_500_000))
	assert.Equal(t, "0 B", en.Bytes(0))
}

func TestTheZoneIsTheReaders(t *testing.T) {
	c := newConsole(t, newDesk(t, ticket.Config{}), nil)
	r := c.site.example("en").r
	assert.Equal(t, "UTC", zoneOf(r, "", time.UTC).String())
	assert.Equal(t, "Asia/Tokyo", zoneOf(r, "Asia/Tokyo", time.UTC).String())
	r.Header.Set("Cookie", zoneCookie+"=America/Lima")
	assert.Equal(t, "America/Lima", zoneOf(r, "", time.UTC).String())
	assert.Equal(t, "America/Lima", zoneOf(r, "No/Such", time.UTC).String())
	r.Header.Set("Cookie", zoneCookie+"=../../etc/passwd")
	assert.Equal(t, "UTC", zoneOf(r, "", time.UTC).String())
}
