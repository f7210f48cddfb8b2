package report

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestPercentilesAreExactUpToALimitAndCloseAbove(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	for _, n := range []int{1, 2, 3, 10, exactUpTo, exactUpTo + 1, 20_000} {
		var s spread
		var all []int64
		for range n {
			v := int64(math.Exp(random.Float64() * 33)) // up to seven years
			s.add(v)
			all = append(all, v)
		}
		slices.Sort(all)
		for _, p := range []int64{1, 50, 90, 100} {
			got, ok := s.percentile(p)
			require.True(t, ok)
			want := all[int(math.Ceil(float64(n)*float64(p)/100))-1]
			if n <= exactUpTo {
				require.Equal(t, want, got)
			} else {
				require.InEpsilon(t, want, got, 0.004)
			}
		}
		// The order of values does not matter, and a stored spread is the same.
		random.Shuffle(n, func(i, j int) { all[i], all[j] = all[j], all[i] })
		var other, read spread
		for _, v := range all {
			other.add(v)
		}
		a, err := json.Marshal(&s)
		require.NoError(t, err)
		b, err := json.Marshal(&other)
		require.NoError(t, err)
		require.Equal(t, string(a), string(b))
		require.NoError(t, json.Unmarshal(a, &read))
		c, err := json.Marshal(&read)
		require.NoError(t, err)
		require.Equal(t, string(a), string(c))
	}
	_, ok := (&spread{}).percentile(50)
	require.False(t, ok)
}

func TestTheMiddleOfAClassIsClose(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	for range 100_000 {
		v := random.Int64() >> random.IntN(63)
		m := middleOf(classOf(v))
		require.LessOrEqual(t, math.Abs(float64(m-v)), 0.004*float64(v))
	}
	require.Equal(t, int64(255), middleOf(classOf(255)))
}

func TestTotalsAreExact(t *testing.T) {
	var all total
	want := new(big.Int)
	for range 20 {
		all.add(math.MaxInt64)
		want.Add(want, big.NewInt(math.MaxInt64))
	}
	require.Equal(t, want, all.big())
	text, err := all.MarshalText()
	require.NoError(t, err)
	var read total
	require.NoError(t, read.UnmarshalText(text))
	require.Equal(t, all, read)
	require.Equal(t, "184467440737095.51614", totalOf(all).String())
}

func TestDecimalsAreShort(t *testing.T) {
	for v, want := range map[int64]string{0: "0", 1: "0.000001", 1_500_000: "1.5", 3_600_000_000: "3600", 999_999: "0.999999"} {
		require.Equal(t, want, secondsOf(v).String())
	}
	require.Equal(t, "33.3", shareOf(1, 3).String())
	require.Equal(t, "66.7", shareOf(2, 3).String())
	require.Equal(t, "100", shareOf(3, 3).String())
	require.Equal(t, Value{}, shareOf(0, 0))
}

// In these zones clocks change at midnight, or a day is missing.
func TestDaysStartWhereTheZoneSaysSo(t *testing.T) {
	for _, c := range []struct {
		zone, day, want string
	}{
		{"Europe/Berlin", "2026-03-29", "2026-03-28T23:00:00Z"},
		{"Europe/Berlin", "2026-03-30", "2026-03-29T22:00:00Z"},
		{"America/Sao_Paulo", "2018-11-04", "2018-11-04T03:00:00Z"}, // begins at 1 o'clock
		{"America/Sao_Paulo", "2018-02-18", "2018-02-18T03:00:00Z"}, // the hour before midnight comes twice
		{"America/Havana", "2026-11-01", "2026-11-01T04:00:00Z"},    // midnight comes twice
		{"Pacific/Apia", "2011-12-30", "2011-12-30T10:00:00Z"},      // does not exist
		{"Pacific/Apia", "2011-12-31", "2011-12-30T10:00:00Z"},
		{"Asia/Kathmandu", "2026-01-01", "2025-12-31T18:15:00Z"},
	} {
		zone, err := time.LoadLocation(c.zone)
		require.NoError(t, err)
		day, err := time.Parse(time.DateOnly, c.day)
		require.NoError(t, err)
		require.Equal(t, c.want, startOfDay(day.Year(), day.Month(), day.Day(), zone).Format(time.RFC3339), "%s %s", c.zone, c.day)
	}
	zone, err := time.LoadLocation("Pacific/Apia")
	require.NoError(t, err)
	from, to := Month(2011, time.December, zone)
	d := newDays(from, to, zone)
	require.Len(t, d.names, 30)
	require.NotContains(t, d.names, "2011-12-30")
	require.Equal(t, to.UnixMicro(), d.ends[len(d.ends)-1])
	require.True(t, slices.IsSorted(d.ends))
	require.Equal(t, "2011-12", d.months[len(d.months)-1].name)
	require.Len(t, d.months, 12)
}

func TestSatisfactionAndSuggestions(t *testing.T) {
	from, to := Month(2026, time.March, nil)
	e := env{Config{}, newDays(from, to, time.UTC)}
	var s satisfaction
	var hits suggestions
	require.True(t, s.unused())
	require.True(t, hits.unused())
	at, earlier := from.UnixMicro(), from.UnixMicro()-1
	for _, r := range []rating{{at, at, 4}, {at, at, 5}, {at, at, 2}, {asked: at}, {at: at, score: 1}, {earlier, at, 1}, {at: earlier, score: 1}, {}} {
		l := life{rating: r, last: stay{from: at, holder: finished}, solved: []act{{at: at}}, cited: r.score > 1, suggested: r.score > 3}
		s.add(&l, &e)
		hits.add(&l, &e)
	}
	require.False(t, s.unused())
	require.Equal(t, []Value{countOf(4), countOf(3), shareOf(3, 4), countOf(4), countOf(0), countOf(1), countOf(0), countOf(1), countOf(1), countOf(1)}, s.tables(&e)[0].Rows[0])
	require.Equal(t, []Value{countOf(8), countOf(3), countOf(2), shareOf(2, 8)}, hits.tables(&e)[0].Rows[0])
	require.Zero(t, (&satisfaction{Asked: 1}).median())
}

// docs/reports.md has the definition of each figure, word for word. UPDATE_GOLDEN=1 writes them.
func TestDocumentationHasTheDefinitions(t *testing.T) {
	from, to := Month(2026, time.March, nil)
	r, err := New(Config{From: from, To: to, Now: to, Agents: true})
	require.NoError(t, err)
	var b strings.Builder
	b.WriteString("| figure | version | population | numbers | unit | columns |\n|---|---|---|---|---|---|\n")
	for _, f := range r.s.figures() {
		for _, d := range f.tables(&r.env) {
			fmt.Fprintf(&b, "| %s | %d | %s | %s | %s | %s |\n", d.Name, d.Version, d.Population, d.Formula, d.Unit, strings.Join(d.Columns, ", "))
		}
	}
	const file, begin, end = "../docs/reports.md", "<!-- definitions -->\n", "<!-- end of definitions -->"
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	before, rest, ok := strings.Cut(string(text), begin)
	require.True(t, ok)
	table, after, ok := strings.Cut(rest, end)
	require.True(t, ok)
	if os.Getenv("UPDATE_GOLDEN") != "" {
		require.NoError(t, os.WriteFile(file, []byte(before+begin+b.String()+end+after), 0o600))
		return
	}
	require.Equal(t, b.String(), table, "if the change is meant, raise the version of the figure, and run UPDATE_GOLDEN=1 go test -run %s ./report", t.Name())
}
