package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A language makes reports of invented problems, without people.
type language struct {
	name    string
	things  []string // that break
	faults  []string // how
	signs   []string // what is seen
	noise   []string // what everybody writes
	pattern string
}

var languages = []language{
	{
		name:    "office",
		things:  strings.Fields("printer scanner monitor keyboard laptop headset projector router tablet camera dock badge"),
		faults:  []string{"stays dark", "loses the connection", "prints blank pages", "makes a grinding noise", "smells of smoke", "shows strange colours", "restarts at noon", "types every letter twice", "gets very hot", "forgets its settings"},
		signs:   []string{"code E13 in red", "the fuser lamp blinks", "a beep every minute", "only on floor three", "since the update of firmware", "after the power cut", "with the new driver", "when it rains", "in the tray for envelopes", "on the second port"},
		noise:   strings.Fields("hello please help since this morning we cannot work thank you it is urgent nobody knows what to do the same as yesterday our team waits for an answer"),
		pattern: "%s %s",
	},
	{
		name:    "werkstatt", // with accents and compounds
		things:  strings.Fields("Fräse Säge Bohrmaschine Presse Schleifmaschine Hebebühne Kompressor Drehbank Förderband Lötstation"),
		faults:  []string{"läuft nicht an", "stoppt plötzlich", "vibriert stark", "verliert Öl", "wird zu heiß", "zeigt falsche Maße", "quietscht laut", "zieht nach links", "springt zurück"},
		signs:   []string{"Störung F7 am Bedienfeld", "Riemen gerissen", "Kühlmittel läuft aus", "nach dem Umrüsten", "Schutzhaube schließt nicht", "nur in der Nachtschicht", "Sicherung fällt", "Lager heiß gelaufen", "Schlauch undicht"},
		noise:   strings.Fields("bitte um Hilfe seit heute früh steht die Schicht niemand weiß Rat es eilt wir haben alles versucht danke im Voraus der Meister wartet auf Antwort"),
		pattern: "%s: %s",
	},
}

// files returns the files of an invented set: 240 problems, of which some are reported two
// to five times, in other words each time.
func (l *language) files() (reports, pairs string) {
	r := rand.New(rand.NewPCG(11, uint64(len(l.name))))
	pick := func(list []string) string { return list[r.IntN(len(list))] }
	type made struct {
		report
		problem int
	}
	var all []made
	seen := map[string]bool{}
	for problem := 0; problem < 240; {
		thing, fault, sign := pick(l.things), pick(l.faults), pick(l.signs)
		if seen[thing+fault+sign] {
			continue
		}
		seen[thing+fault+sign] = true
		room := fmt.Sprintf("%d", 100+r.IntN(60))
		times := 1
		if r.IntN(4) == 0 {
			times += 1 + r.IntN(4)
		}
		for range times {
			var words []string
			add := func(n int) {
				for range n {
					words = append(words, pick(l.noise))
				}
			}
			add(3 + r.IntN(8))
			if r.IntN(5) > 0 {
				words = append(words, sign)
			}
			add(r.IntN(6))
			if r.IntN(3) > 0 {
				words = append(words, room)
			}
			subject := fmt.Sprintf(l.pattern, thing, fault)
			switch r.IntN(6) {
			case 0: // vague, as many are
				subject = thing
				words = append(words, fault)
			case 1:
				subject = pick(l.noise) + " " + pick(l.noise)
				words = append(words, thing, fault)
			}
			all = append(all, made{report{Subject: subject, Words: strings.Join(words, " ")}, problem})
		}
		problem++
	}
	r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	var out, ties strings.Builder
	ties.WriteString("report,duplicate_of\n")
	last := map[int][]string{}
	for i := range all {
		m := &all[i]
		m.ID = fmt.Sprintf("%s-%d", l.name[:1], 1000+i)
		m.Created = time.Date(2025, 1, 1, 8, 0, 0, 0, time.UTC).Add(time.Duration(i/2) * time.Hour) // two of each instant
		line, _ := json.Marshal(m.report)
		out.Write(line)
		out.WriteByte('\n')
		if before := last[m.problem]; len(before) > 0 {
			fmt.Fprintf(&ties, "%s,%s\n", m.ID, before[len(before)-1])
			if len(before) == 2 {
				fmt.Fprintf(&ties, "%s,%s\n", before[0], m.ID) // a cycle of three
			}
		}
		last[m.problem] = append(last[m.problem], m.ID)
	}
	return out.String(), ties.String()
}

// The sets in testdata are those that this file makes; UPDATE_GOLDEN=1 writes them.
func TestInventedSetsAreAsTheyAreMade(t *testing.T) {
	for _, l := range languages {
		reports, pairs := l.files()
		for name, text := range map[string]string{l.name + reportsSuffix: reports, l.name + pairsSuffix: pairs} {
			path := filepath.Join("testdata", name)
			if os.Getenv("UPDATE_GOLDEN") != "" {
				require.NoError(t, os.MkdirAll("testdata", 0o755))
				require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
			}
			stored, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, text, string(stored), name)
		}
	}
}

func runOn(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := run(t.Context(), args, &out)
	return out.String(), err
}

// The recorded figures are those of the code, and both stores have the same.
func TestInventedSetsAreFoundAsRecorded(t *testing.T) {
	for _, store := range []string{"memory", "sqlite"} {
		out, err := runOn(t, "-store", store, "-recorded", "recorded.csv", "testdata")
		require.NoError(t, err, out)
		lines := strings.Split(strings.TrimSpace(out), "\n")
		require.Regexp(t, `^recall at 10: office 0\.\d{3}, werkstatt 0\.\d{3}$`, lines[len(lines)-1], "the last line")
	}
}

func TestALossOfAPointFails(t *testing.T) {
	old := recorded{"s": {queries: 100, at: [3]float64{0.5, 0.7, 0.8}}}
	for _, c := range []struct {
		f    figures
		want string
	}{
		{figures{queries: 100, at: [3]float64{0.5, 0.7, 0.8}}, ""},
		{figures{queries: 100, at: [3]float64{0.6, 0.7, 0.8}}, ""},
		{figures{queries: 100, at: [3]float64{0.491, 0.7, 0.8}}, ""},
		{figures{queries: 100, at: [3]float64{0.49, 0.7, 0.8}}, "recall at 1 is 0.490, and was 0.500"},
		{figures{queries: 100, at: [3]float64{0.5, 0.6, 0.79}}, "recall at 5 is 0.600, and was 0.700; recall at 10 is 0.790, and was 0.800"},
		{figures{queries: 99, at: [3]float64{1, 1, 1}}, "another set"},
	} {
		if got := old.compare("s", c.f); c.want == "" {
			require.Empty(t, got)
		} else {
			require.Contains(t, got, c.want)
		}
	}
	require.Empty(t, old.compare("unknown", figures{}))

	file := filepath.Join(t.TempDir(), "recorded.csv")
	_, err := runOn(t, "-recorded", file, "-record", "testdata")
	require.NoError(t, err)
	_, err = runOn(t, "-recorded", file, "testdata")
	require.NoError(t, err)
	stored, err := readRecorded(file)
	require.NoError(t, err)
	f := stored["office"]
	f.at[2] += 0.02
	stored["office"] = f
	require.NoError(t, stored.write(file))
	out, err := runOn(t, "-recorded", file, "testdata")
	require.ErrorContains(t, err, "1 of the sets failed")
	require.Contains(t, out, "FAILED: office: recall at 10")
}

// Pairs tie in both directions and through others, and cycles end.
func TestGroups(t *testing.T) {
	g := groups{}
	for _, p := range []string{"ab", "ba", "cd", "de", "ec", "ef", "xy"} {
		g.join(p[:1], p[1:])
	}
	for _, p := range []string{"ab", "cf", "df", "xy"} {
		require.Equal(t, g.of(p[:1]), g.of(p[1:]), p)
	}
	for _, p := range []string{"ac", "fx"} {
		require.NotEqual(t, g.of(p[:1]), g.of(p[1:]), p)
	}
	require.Equal(t, "lonely", g.of("lonely"))
	for i := range 100_000 { // a long chain, and back
		g.join(fmt.Sprint(i), fmt.Sprint(i+1))
	}
	require.Equal(t, g.of("0"), g.of("100000"))
}

func TestACompressedSetIsTheSame(t *testing.T) {
	dir := t.TempDir()
	reports, pairs := languages[0].files()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write([]byte(reports))
	require.NoError(t, w.Close())
	require.NoError(t, os.WriteFile(filepath.Join(dir, "office-reports.jsonl.gz"), b.Bytes(), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "office-pairs.csv"), []byte(pairs), 0o600))
	_, err := runOn(t, "-recorded", "recorded.csv", dir)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "office-reports.jsonl.gz"), b.Bytes()[:1000], 0o600))
	_, err = runOn(t, dir)
	require.ErrorContains(t, err, "office-reports.jsonl.gz:")
}

// Errors of a set name the file and the line.
func TestMalformedSetsAreErrorsWithTheirPlace(t *testing.T) {
	const a, b, c = `{"id": "a", "created": "2026-01-01T00:00:00Z", "subject": "s"}`, `{"id": "b", "created": "2026-01-02T00:00:00Z", "words": "s"}`, `{"id": "c", "created": "2026-01-02T00:00:00Z", "words": "s"}`
	const head = "report,duplicate_of\n"
	for what, x := range map[string]struct{ reports, pairs, want string }{
		"no JSON":            {a + "\n\n{", head + "a,b\n", "x-reports.jsonl:3: unexpected end"},
		"a list":             {"[]", head, "x-reports.jsonl:1: json"},
		"no ID":              {a + "\n" + `{"created": "2026-01-02T00:00:00Z", "words": "s"}`, head, `x-reports.jsonl:2: the report has no "id"`},
		"an ID twice":        {a + "\n" + b + "\n" + a, head, `x-reports.jsonl:3: report "a" is already on line 1`},
		"no time":            {`{"id": "a", "words": "s"}`, head, `x-reports.jsonl:1: the report has no "created"`},
		"a strange time":     {`{"id": "a", "created": "yesterday", "words": "s"}`, head, "x-reports.jsonl:1: parsing time"},
		"no text":            {`{"id": "a", "created": "2026-01-01T00:00:00Z"}`, head, "x-reports.jsonl:1: the report has neither"},
		"no report":          {"\n\n", head, "x-reports.jsonl:2: there is no report"},
		"no header":          {a + "\n" + b, "a,b\n", "x-pairs.csv:1: the first line must be"},
		"no pair":            {a + "\n" + b, head, "x-pairs.csv:1: there is no pair"},
		"nothing":            {a + "\n" + b, "", "x-pairs.csv:0: there is no pair"},
		"three values":       {a + "\n" + b, head + "a,b,c\n", "x-pairs.csv:2: the line has 3 values"},
		"a quote":            {a + "\n" + b, head + "a,b\n\"a,b\n", "x-pairs.csv:3:"},
		"an unknown report":  {a + "\n" + b, head + "a,b\nb,z\n", `x-pairs.csv:3: there is no report "z"`},
		"itself":             {a + "\n" + b, head + "a,a\n", `x-pairs.csv:2: report "a" is a duplicate of itself`},
		"all at one instant": {b + "\n" + c, head + "b,c\n", "no report has an earlier duplicate"},
		"no pairs file":      {a, "-", "there is no x-pairs.csv"},
		"no reports file":    {"-", head, "there is no x-reports.jsonl"},
		"no set":             {"-", "-", "there is no set"},
	} {
		dir := t.TempDir()
		for name, text := range map[string]string{"x-reports.jsonl": x.reports, "x-pairs.csv": x.pairs} {
			if text != "-" {
				require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
			}
		}
		_, err := runOn(t, dir)
		require.ErrorContains(t, err, x.want, what)
	}
	_, err := runOn(t)
	require.ErrorContains(t, err, "name a folder")
	_, err = runOn(t, filepath.Join(t.TempDir(), "missing"))
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = runOn(t, "testdata", "testdata")
	require.ErrorContains(t, err, "two sets with the name")
	_, err = runOn(t, "-store", "paper", "testdata")
	require.ErrorContains(t, err, "unknown store")
}

// Reports hold what tickets do not: NUL bytes, line breaks in a subject, no subject.
func TestReportsBecomeDrafts(t *testing.T) {
	dir := t.TempDir()
	reports := `{"id": "a", "created": "2026-01-01T00:00:00Z", "subject": "", "words": "flickering\u0000lamp"}
{"id": "b", "created": "2026-01-02T00:00:00Z", "subject": "two\nlines\u0000 of lamp \ud800", "words": "flickering", "other": [1]}
`
	require.NoError(t, os.WriteFile(filepath.Join(dir, "x-reports.jsonl"), []byte(reports), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "x-pairs.csv"), []byte("report,duplicate_of\nb,a\n"), 0o600))
	out, err := runOn(t, dir)
	require.NoError(t, err)
	require.True(t, strings.HasSuffix(out, "recall at 10: x 1.000\n"), out)
}
