package businesshours_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket/businesshours"
)

// ahead lists amounts of open time for a calendar with 40 hours a week, and for one
// that is always open.
var ahead = []struct {
	name        string
	worked, all time.Duration
}{
	{"day", 8 * time.Hour, 24 * time.Hour},
	{"week", 40 * time.Hour, 7 * 24 * time.Hour},
	{"year", 52 * 40 * time.Hour, 365 * 24 * time.Hour},
	{"century", 5200 * 40 * time.Hour, 36500 * 24 * time.Hour},
}

func BenchmarkAdd(b *testing.B) {
	for _, a := range ahead {
		for _, bc := range []struct {
			name   string
			spec   businesshours.Spec
			amount time.Duration
		}{
			{"berlin", christmas, a.worked},
			{"lunch", lunch, a.worked * 7 / 8},
			{"always", always, a.all},
		} {
			b.Run(fmt.Sprintf("%s/%s", a.name, bc.name), func(b *testing.B) {
				c, start := compile(b, bc.spec), at(b, "01-12T15:00Z")
				_, err := c.Add(start, bc.amount)
				require.NoError(b, err)
				b.ReportAllocs()
				for b.Loop() {
					if _, err := c.Add(start, bc.amount); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkBetween(b *testing.B) {
	for _, a := range ahead {
		b.Run(a.name, func(b *testing.B) {
			c, from := compile(b, christmas), at(b, "01-12T15:00Z")
			to := from.Add(a.all)
			c.Between(from, to)
			b.ReportAllocs()
			for b.Loop() {
				c.Between(from, to)
			}
		})
	}
}

func BenchmarkOpen(b *testing.B) {
	c, t := compile(b, christmas), at(b, "12-24T10:00Z")
	c.Open(t)
	b.ReportAllocs()
	for b.Loop() {
		c.Open(t)
	}
}

func BenchmarkNext(b *testing.B) {
	c, t := compile(b, christmas), at(b, "12-24T12:00Z")
	_, err := c.Next(t)
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Next(t); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCompile measures compiling a calendar, with and without computing its first
// 400 days.
func BenchmarkCompile(b *testing.B) {
	start := at(b, "01-12T15:00Z")
	for _, name := range []string{"alone", "and Add"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c, err := christmas.Compile()
				if err == nil && name != "alone" {
					_, err = c.Add(start, 8*time.Hour)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestAWarmCalendarDoesNotAllocate(t *testing.T) {
	c, start := compile(t, christmas), at(t, "01-12T15:00Z")
	year := start.AddDate(1, 0, 0)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		_, err := c.Add(start, 2000*time.Hour)
		_, err2 := c.Next(year)
		if err != nil || err2 != nil || c.Between(start, year) == 0 || !c.Open(start) {
			t.Error("does not count")
		}
	}))
}
