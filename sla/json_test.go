package sla_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/businesshours"
	"github.com/ticketkit/ticket/sla"
)

func TestJSONRoundTrip(t *testing.T) {
	data, err := json.Marshal(contracts())
	require.NoError(t, err)
	s, err := sla.Parse(data)
	require.NoError(t, err)
	require.Equal(t, contracts(), s)

	again, err := json.Marshal(s.MustCompile())
	require.NoError(t, err)
	require.JSONEq(t, string(data), string(again))

	p := contracts().Policies[0]
	data, err = json.Marshal(p)
	require.NoError(t, err)
	var back sla.Policy
	require.NoError(t, json.Unmarshal(data, &back))
	require.Equal(t, p, back)

	parts := []any{p.When, p.Targets[0], p.Targets[0].Pause[1], p.Targets[0].Thresholds[3], p.Targets[0].Thresholds[3].Do[0]}
	for i, to := range []any{new(sla.Condition), new(sla.Target), new(sla.Pause), new(sla.Threshold), new(sla.Reaction)} {
		data, err = json.Marshal(parts[i])
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(data, to))
		require.Equal(t, parts[i], reflect.ValueOf(to).Elem().Interface())
		require.ErrorIs(t, json.Unmarshal([]byte(`{"unknown": 1}`), to), sla.ErrInvalid)
	}

	data, err = json.Marshal(sla.Spec{})
	require.NoError(t, err)
	s, err = sla.Parse(data)
	require.NoError(t, err)
	require.Equal(t, sla.Spec{}, s)
}

func TestJSONForm(t *testing.T) {
	data, err := json.Marshal(contracts().Policies[0].Targets[0])
	require.NoError(t, err)
	require.JSONEq(t, `{"metric":"first answer","within":"2h30m","calendar":"office",`+
		`"pause":[{"status":"waiting"},{"status":"on hold","reasons":["vendor","parts"]}],`+
		`"thresholds":[{"share":50,"do":[{"tell":"assignee"},{"tell":"queue"}]},{"before":"30m","do":[{"tag":"soon"}]},`+
		`{"share":100,"do":[{"escalate":true}]},{"after":"1m30s","do":[{"hand_over":"chiefs"},{"raise":"critical"}]}]}`, string(data))

	for text, want := range map[string]time.Duration{
		"1h": hour, "0.5h": hour / 2, "90m": 90 * time.Minute, "168h0m0s": 168 * hour, "1h0m0.000001s": hour + time.Microsecond, "-1h": -hour,
	} {
		var got sla.Target
		require.NoError(t, json.Unmarshal([]byte(`{"within":"`+text+`"}`), &got))
		require.Equal(t, want, got.Within)
	}
	for want, d := range map[string]time.Duration{
		"1h": hour, "10h": 10 * hour, "100h": 100 * hour, "1h0m1s": hour + time.Second, "20m": 20 * time.Minute, "10s": 10 * time.Second, "0s": 0,
		"1µs": time.Microsecond,
	} {
		data, err := json.Marshal(sla.Target{Within: d})
		require.NoError(t, err)
		require.JSONEq(t, fmt.Sprintf(`{"metric":"","within":%q}`, want), string(data))
	}
}

func TestParseNamesThePlace(t *testing.T) {
	for _, tc := range []struct {
		name, data string
		places     []string
	}{
		{"unknown names", `{"nane": "x", "policies": [{"if": {}, "when": {"priorities": []}, "targets": [{"time": "1h",
			"pause": [{"state": "x"}], "thresholds": [{"at": 1, "do": [{"say": "x"}]}]}]}]}`,
			[]string{"", "policies[0]", "policies[0].when", "policies[0].targets[0]", "policies[0].targets[0].pause[0]",
				"policies[0].targets[0].thresholds[0]", "policies[0].targets[0].thresholds[0].do[0]"}},
		{"names in capitals", `{"Name": "x", "policies": [{"Targets": []}]}`, []string{"", "policies[0]"}},
		{"names twice", `{"name": "x", "name": "x", "policies": [{"when": {"fields": {"a": 1, "a": 1}}, "targets": [{"within": "1h", "within": "1h"}]}]}`,
			[]string{"", "policies[0].when.fields", "policies[0].targets[0]"}},
		{"other types", `{"name": 1, "version": "1", "calendars": {}, "policies": [{"name": null, "when": [], "targets": [
			{"metric": 1, "levels": ["1"], "queues": "x", "within": 3600, "calendar": [], "pause": [1], "restart": "yes", "thresholds": [
			{"share": 1.5, "before": 1, "after": "", "do": [{"tell": ["x"], "escalate": 1, "hand_over": 1, "raise": 3, "tag": {}}]}]}]}]}`,
			[]string{"name", "version", "calendars", "policies[0].name", "policies[0].when", "policies[0].targets[0].metric",
				"policies[0].targets[0].levels[0]", "policies[0].targets[0].queues", "policies[0].targets[0].within", "policies[0].targets[0].calendar",
				"policies[0].targets[0].pause[0]", "policies[0].targets[0].restart", "policies[0].targets[0].thresholds[0].share",
				"policies[0].targets[0].thresholds[0].before", "policies[0].targets[0].thresholds[0].after",
				"policies[0].targets[0].thresholds[0].do[0].tell", "policies[0].targets[0].thresholds[0].do[0].escalate",
				"policies[0].targets[0].thresholds[0].do[0].hand_over", "policies[0].targets[0].thresholds[0].do[0].raise",
				"policies[0].targets[0].thresholds[0].do[0].tag"}},
		{"nothing", `{"version": null, "policies": [{"when": null, "targets": [{"within": null, "restart": null, "levels": [null]}]}]}`,
			[]string{"version", "policies[0].when", "policies[0].targets[0].within", "policies[0].targets[0].restart", "policies[0].targets[0].levels[0]"}},
		{"no durations", `{"policies": [{"targets": [{"within": "2 days", "thresholds": [{"before": "1d", "do": []}]}]}]}`,
			[]string{"policies[0].targets[0].within", "policies[0].targets[0].thresholds[0].before"}},
		{"no grades", `{"policies": [{"when": {"priority": ["High", "", "urgent"]}}]}`,
			[]string{"policies[0].when.priority[0]", "policies[0].when.priority[1]", "policies[0].when.priority[2]"}},
		{"no fields", `{"policies": [{"when": {"fields": {"a": [1], "b": {"at": 1}, "c": {"time": "x"}, "d": {"time": "2026-01-01T00:00:00Z", "time": "2026-01-01T00:00:00Z"}, "e": 1e400, "f": 99999999999999999999}}},
			{"when": {"fields": []}}]}`,
			[]string{`policies[0].when.fields["a"]`, `policies[0].when.fields["b"]`, `policies[0].when.fields["b"]`, `policies[0].when.fields["c"]`, `policies[0].when.fields["d"]`,
				`policies[0].when.fields["e"]`, `policies[0].when.fields["f"]`, "policies[1].when.fields"}},
		{"calendars", `{"calendars": [1, {"name": "x", "zon": 1, "week": {"monday": [1]}}]}`,
			[]string{"calendars[0]", "calendars[1]", "calendars[1].week.monday[0]"}},
		{"no object", `[]`, []string{""}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := sla.Parse([]byte(tc.data))
			require.Equal(t, tc.places, placesOf(t, err))

			var s struct{ Agreement sla.Spec } // as strict inside another value
			require.ErrorIs(t, json.Unmarshal([]byte(`{"Agreement": `+tc.data+`}`), &s), sla.ErrInvalid)
		})
	}
	for _, data := range []string{``, `{`, `{"name": "x"`, `{} {}`, `{"name": }`} {
		_, err := sla.Parse([]byte(data))
		require.ErrorIs(t, err, sla.ErrInvalid, data)
		require.ErrorContains(t, err, "byte ", data)
	}
	_, err := sla.Parse([]byte("{\"name\": \"\xff\"}"))
	require.EqualError(t, err, "sla: is not UTF-8")
}

// UnmarshalJSON gets valid JSON from package encoding/json. By itself it gets anything.
func TestUnmarshalOfBrokenTextFails(t *testing.T) {
	var s sla.Spec
	for _, data := range []string{``, `{`, `{"policies": [`, `{"policies": [}`, `{"name"`, `{"name": "x`, `x`, `{1: 2}`, `{"policies": [{"name": "x"} {}]}`} {
		require.ErrorIs(t, s.UnmarshalJSON([]byte(data)), sla.ErrInvalid, data)
	}
}

func TestUnmarshalRefusesWhatIsNotUTF8(t *testing.T) {
	for _, tc := range []struct {
		to   json.Unmarshaler
		data string
	}{
		{new(sla.Spec), "{\"name\": \"\xff\"}"}, {new(sla.Policy), "{\"name\": \"\xff\"}"}, {new(sla.Condition), "{\"tags\": [\"\xff\"]}"},
		{new(sla.Target), "{\"calendar\": \"\xff\"}"}, {new(sla.Pause), "{\"status\": \"\xff\"}"},
		{new(sla.Threshold), "{\"do\": [{\"tag\": \"\xff\"}]}"}, {new(sla.Reaction), "{\"tag\": \"\xff\"}"},
	} {
		require.EqualError(t, json.Unmarshal([]byte(tc.data), tc.to), "sla: is not UTF-8", "%T", tc.to)
	}
}

func TestSizeIsBounded(t *testing.T) {
	_, err := sla.Parse([]byte(`{"name": "` + strings.Repeat("x", 8<<20) + `"}`))
	require.ErrorContains(t, err, "the maximum is 8388608")

	s, err := sla.Parse([]byte(`{"name": "x"` + strings.Repeat(" ", 8<<20-13) + `}`))
	require.NoError(t, err)
	require.Equal(t, "x", s.Name)

	for _, tc := range []struct{ data, place string }{
		{`{"calendars": [%s]}`, "calendars"},
		{`{"policies": [%s]}`, "policies"},
		{`{"policies": [{"when": {"queue": [%s]}}]}`, "policies[0].when.queue"},
		{`{"policies": [{"targets": [%s]}]}`, "policies[0].targets"},
		{`{"policies": [{"targets": [{"pause": [%s]}]}]}`, "policies[0].targets[0].pause"},
		{`{"policies": [{"targets": [{"thresholds": [%s]}]}]}`, "policies[0].targets[0].thresholds"},
		{`{"policies": [{"targets": [{"thresholds": [{"do": [%s]}]}]}]}`, "policies[0].targets[0].thresholds[0].do"},
	} {
		value := `{}`
		if strings.Contains(tc.place, "queue") {
			value = `"x"`
		}
		_, err := sla.Parse(fmt.Appendf(nil, tc.data, strings.Repeat(value+",", 100_000)+value))
		require.Contains(t, placesOf(t, err), tc.place)
		require.ErrorContains(t, err, "has too many entries")
	}
}

// What compiles can be read again, so it has at most the size that Parse reads.
func TestSizeOfTheJSONFormIsBounded(t *testing.T) {
	s := contracts()
	for i := range 60 {
		c := businesshours.Spec{Name: fmt.Sprint("c", i), Hours: office.Hours}
		for d := range 300 {
			c.Days = append(c.Days, businesshours.Day{
				Date: time.Unix(int64(d)*86400, 0).UTC().Format(time.DateOnly), Name: strings.Repeat("x", 500),
			})
		}
		s.Calendars = append(s.Calendars, c)
	}
	_, err := s.Compile()
	require.Equal(t, []string{""}, placesOf(t, err))
	require.ErrorContains(t, err, "bytes as JSON; the maximum is 8388608")
	s.Calendars = s.Calendars[:20]
	_, err = s.Compile()
	require.NoError(t, err)
}

func FuzzParse(f *testing.F) {
	data, err := json.Marshal(contracts())
	require.NoError(f, err)
	f.Add(data)
	f.Add([]byte(`{"name":"x","version":1,"policies":[{"name":"y","when":{"fields":{"t":{"time":"2026-01-01T00:00:00.0000001+01:00"},"n":1e2,"l":[]}},` +
		`"targets":[{"metric":"level","levels":[1],"within":"1µs","thresholds":[{"share":1,"do":[{"tell":"agents"}]}]},{"metric":"level","within":"0.1s"}]},` +
		`{"name":"z","targets":[{"metric":"update","within":"87600h","restart":false,"pause":null}]}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := sla.Parse(data)
		if err != nil {
			require.ErrorIs(t, err, sla.ErrInvalid)
			return
		}
		written, err := json.Marshal(s)
		require.NoError(t, err)
		if len(written) <= 8<<20 {
			read, err := sla.Parse(written)
			require.NoError(t, err)
			require.Equal(t, s, read)
		}
		a, err := s.Compile()
		if err != nil {
			require.ErrorIs(t, err, sla.ErrInvalid)
			return
		}
		written, err = json.Marshal(a)
		require.NoError(t, err)
		read, err := sla.Parse(written)
		require.NoError(t, err)
		require.Equal(t, a.Spec(), read)
		b, err := read.Compile()
		require.NoError(t, err)
		require.Equal(t, a.Spec(), b.Spec())
		for _, p := range s.Policies {
			require.True(t, strings.HasPrefix(p.Mermaid(), "flowchart LR\n"))
		}
		tk := ticket.Ticket{Priority: ticket.GradeHigh, Queue: "shop", Channel: "mail"}
		p, ok := a.Policy(tk)
		q, ok2 := b.Policy(tk)
		require.Equal(t, ok, ok2)
		require.Equal(t, p, q)
	})
}
