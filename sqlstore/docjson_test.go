package sqlstore

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
)

func TestDocDecode(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 3000 {
		var d ticketDoc
		scatter(r, reflect.ValueOf(&d).Elem())
		doc, err := json.Marshal(d)
		require.NoError(t, err)
		sameDecoding(t, doc)
	}
}

// The document that is written by hand must equal that of encoding/json.
func TestDocByHand(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for range 3000 {
		var tk ticket.Ticket
		scatter(r, reflect.ValueOf(&tk).Elem())
		var d ticketDoc
		for field, value := range reflect.ValueOf(&d).Elem().Fields() {
			value.Set(reflect.ValueOf(tk).FieldByName(field.Name))
		}
		want, err := json.Marshal(d)
		require.NoError(t, err)
		got, err := docOf(&tk)
		require.NoError(t, err)
		require.Equal(t, string(want), got)
	}
}

// Decoding allocates a copy of the document and nothing else.
func TestDocDecodeByHand(t *testing.T) {
	doc, err := json.Marshal(ticketDoc{Requester: ticket.Person{ID: "c-1", Email: "ada@example.org"}, Subject: "Blank pages", Workflow: "default", WorkflowVersion: 1})
	require.NoError(t, err)
	var d ticketDoc
	require.LessOrEqual(t, testing.AllocsPerRun(100, func() { _ = d.decode(doc) }), 1.0)
}

func FuzzDocDecode(f *testing.F) {
	for _, doc := range []string{`{}`, `{"subject":"a"}`, `{"subject":"a","subject":"b"}`, `{"requester":{"id":"x"},"workflow_version":12}`, `{"workflow_version":012}`,
		`{"workflow_version":1.0}`, `{"subject":"a"} `, `{"subject":"\u0041"}`, `{"Subject":"x"}`, `{"subject":null}`, `{"workflow_version":-1}`, `{"fields":{"a":1,"b":"x","c":true,"a":2}}`, `{"fields":{"a":1.5}}`, `{"fields":{"a":null}}`, `{"tags":["a","b"]}`, `{"tags":[]}`, `{"tags":["a"],"tags":["b","c"]}`, `{"requester":{}}`, `{"requester":{},}`} {
		f.Add([]byte(doc))
	}
	_, _, full, _ := fullDocuments(f)
	f.Add([]byte(full))
	f.Fuzz(func(t *testing.T, doc []byte) { sameDecoding(t, doc) })
}

// sameDecoding requires the same result as from encoding/json.
func sameDecoding(t *testing.T, doc []byte) {
	t.Helper()
	var got, want ticketDoc
	err, wantErr := got.decode(doc), json.Unmarshal(doc, &want)
	require.Equal(t, wantErr == nil, err == nil, "%s: %v, want %v", doc, err, wantErr)
	if err == nil {
		require.Equal(t, want, got, "%s", doc)
	}
}

func TestClocksDecode(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 3000 {
		var tk ticket.Ticket
		scatter(r, reflect.ValueOf(&tk).Elem())
		if len(tk.Clocks) > 0 && r.IntN(2) == 0 {
			tk.Clocks[0].Metric = metrics[r.IntN(len(metrics))]
		}
		doc, err := clocksJSON(&tk)
		require.NoError(t, err)
		if doc == nil {
			require.Empty(t, tk.Clocks)
			continue
		}
		want, err := json.Marshal(clocksDoc{tk.Policy, tk.PolicyVersion, tk.Clocks, tk.Promised, tk.Rescheduled})
		require.NoError(t, err)
		require.Equal(t, string(want), doc)
		sameClocksDecoding(t, want)
	}
}

// twoClocks are clocks as a desk writes them.
func twoClocks() ticket.Ticket {
	at := time.Date(2026, 3, 2, 9, 30, 0, 123000, time.UTC)
	return ticket.Ticket{Policy: "gold", PolicyVersion: 2, Clocks: []ticket.Clock{
		{Metric: "first answer", Event: 1, Policy: "gold", Version: 2, Within: 2 * time.Hour, State: "met", Started: at, Since: at.Add(time.Hour), Counted: time.Hour},
		{Metric: "solution", Event: 1, Policy: "gold", Version: 2, Within: 20 * time.Hour, State: "running", Started: at, Since: at, Due: at.Add(20 * time.Hour),
			Fired: []string{"4h before due"}, Next: at.Add(20 * time.Hour)},
	}}
}

// The usual clocks are decoded by hand.
func TestClocksDecodeByHand(t *testing.T) {
	tk := twoClocks()
	doc, err := clocksJSON(&tk)
	require.NoError(t, err)
	var d clocksDoc
	require.LessOrEqual(t, testing.AllocsPerRun(100, func() { _ = d.decode([]byte(doc.(string))) }), 6.0)
	require.Equal(t, tk.Clocks, d.Clocks)
}

func BenchmarkClocks(b *testing.B) {
	tk := twoClocks()
	doc, err := clocksJSON(&tk)
	require.NoError(b, err)
	text := []byte(doc.(string))
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = clocksJSON(&tk)
		}
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var d clocksDoc
			_ = d.decode(text)
		}
	})
	b.Run("decode with encoding json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var d clocksDoc
			_ = json.Unmarshal(text, &d)
		}
	})
}

func FuzzClocksDecode(f *testing.F) {
	tk := twoClocks()
	doc, err := clocksJSON(&tk)
	require.NoError(f, err)
	for _, doc := range []string{doc.(string), `{}`, `{"policy":"a","policy":"b"}`, `{"clocks":[]}`, `{"clocks":null}`, `{"clocks":[{}]}`, `{"clocks":[{"metric":"level"}],"clocks":[{"event":2}]}`,
		`{"clocks":[{"metric":"x","unknown":1}]}`, `{"clocks":[{"within":"1h"},{"within":""}]}`, `{"clocks":[{"within":1}]}`, `{"clocks":[{"fired":["a"],"fired":["b","c"]}]}`,
		`{"promised":"2026-03-02T09:30:00+01:00"}`, `{"promised":"2026-3-2T09:30:00Z"}`, `{"promised":""}`, `{"clocks":[{"metric":"level "}]}`, `{"policy_version":0}`, `{"policy_version":12345678901}`} {
		f.Add([]byte(doc))
	}
	_, _, _, full := fullDocuments(f)
	f.Add([]byte(full))
	f.Fuzz(func(t *testing.T, doc []byte) { sameClocksDecoding(t, doc) })
}

// sameClocksDecoding requires the same result as from encoding/json.
func sameClocksDecoding(t *testing.T, doc []byte) {
	t.Helper()
	var got, want clocksDoc
	err, wantErr := got.decode(doc), json.Unmarshal(doc, &want)
	require.Equal(t, wantErr == nil, err == nil, "%s: %v, want %v", doc, err, wantErr)
	if err == nil {
		require.Equal(t, want, got, "%s", doc)
	}
}

// The result must equal that of encoding/json for every event and recipient, and for every
// field that is added later.
func TestEventDecode(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for range 3000 {
		var e ticket.Event
		scatter(r, reflect.ValueOf(&e).Elem())
		e.Set.Number = "" // a text that is no number cannot be read back
		doc, err := json.Marshal(e)
		require.NoError(t, err)
		sameEventDecoding(t, doc)

		var to ticket.Recipient
		scatter(r, reflect.ValueOf(&to).Elem())
		doc, err = json.Marshal(to)
		require.NoError(t, err)
		sameEventDecoding(t, doc)
	}
}

// openingEvent is the first event of a ticket as a desk writes it.
func openingEvent() ticket.Event {
	at := time.Date(2026, 3, 2, 9, 30, 0, 123000, time.UTC)
	who := ticket.Person{ID: "c-1", Name: "Ada", Email: "ada@example.org"}
	return ticket.Event{Ticket: ticket.ID{1}, Seq: 1, At: at, Action: ticket.ActionOpen, By: ticket.By{Role: ticket.RoleRequester},
		To: ticket.State{Status: ticket.StatusOpen, Level: 1}, Phase: ticket.PhaseReceived, Channel: ticket.ChannelMail,
		Set:           ticket.Patch{Number: "7Q4K-92MX-F", Workflow: "default", WorkflowVersion: 1, Priority: ticket.GradeMedium, Queue: new("hardware"), AddTags: []string{"printer"}},
		PublicContent: ticket.PublicContent{Subject: "Drucker druckt leere Seiten", Message: "Guten Tag,\nseit heute früh.", Fields: ticket.Fields{"asset": "PR-1"}},
		Identities:    ticket.Identities{Actor: who, Requester: who}, Seals: ticket.Seals{Identities: ticket.Seal{Sum: ticket.Digest{3}}}, Digest: ticket.Digest{4}}
}

// The usual event is decoded by hand: little is allocated but its strings.
func TestEventDecodeByHand(t *testing.T) {
	want := openingEvent()
	doc, err := eventJSON(&want)
	require.NoError(t, err)
	text := []byte(doc)
	var got ticket.Event
	require.LessOrEqual(t, testing.AllocsPerRun(100, func() { got = ticket.Event{}; _ = decodeEvent(text, &got) }), 36.0)
	require.Equal(t, want, got)
}

// Parts that somebody keeps do not keep a long document: strings and the names of fields.
func TestPartsDoNotKeepALongDocument(t *testing.T) {
	const n, size = 64, 1 << 20
	e := openingEvent()
	e.Message = ticket.Message(strings.Repeat("x", size))
	event, err := eventJSON(&e)
	require.NoError(t, err)
	doc, err := docOf(&ticket.Ticket{Fields: ticket.Fields{"long": strings.Repeat("x", size), "short": true, "text": "y"}, Tags: []string{"printer"}})
	require.NoError(t, err)
	kept := make([]string, 0, 8*n)
	before := heap()
	for range n {
		var e ticket.Event
		require.NoError(t, decodeEvent([]byte(event), &e))
		require.Len(t, e.Message, size)
		kept = append(kept, string(e.Action), e.Requester.Email, string(e.To.Status), e.Set.AddTags[0])
		var d ticketDoc
		require.NoError(t, d.decode([]byte(doc)))
		kept = append(kept, d.Tags[0], d.Fields["text"].(string))
		for name := range d.Fields {
			kept = append(kept, name)
		}
	}
	require.Less(t, heap()-before, int64(n*size/4))
	runtime.KeepAlive(kept)
}

// heap returns how many bytes are in use.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func BenchmarkEventDecode(b *testing.B) {
	e := openingEvent()
	doc, err := eventJSON(&e)
	require.NoError(b, err)
	text := []byte(doc)
	b.Run("by hand", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var e ticket.Event
			_ = decodeEvent(text, &e)
		}
	})
	b.Run("with encoding json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var e ticket.Event
			_ = json.Unmarshal(text, &e)
		}
	})
}

func FuzzEventDecode(f *testing.F) {
	e := openingEvent()
	doc, err := eventJSON(&e)
	require.NoError(f, err)
	for _, doc := range []string{doc, `{}`, `{"seq":1,"seq":2}`, `{"set":{"timer":{"action":"a"},"timer":{"at":"2026-03-02T09:30:00Z"}}}`, `{"set":{"queue":null}}`, `{"set":{"queue":"a","queue":"b"}}`,
		`{"by":{"role":"nobody"}}`, `{"by":{"role":""}}`, `{"role":"agent","person":{"id":"\u00e4"}}`, `{"message":"a\"b"}`, `{"message":"\ud800"}`, `{"message":"a\"}`, `{"answer":true,"answer":false}`,
		`{"message":"` + strings.Repeat("x", mostShared) + `","fields":{"a":"b"},"answer":true}`, `{"seals":{"words":{"salt":"00"}}}`, `{"digest":""}`, `{"followed":[{"id":"a"}],"followed":[{"name":"b"}]}`, `{"followed":[{"id":"a"}],"followed":null}`, `{"fields":{"a":null}}`, `{"fields":null}`,
		`{"set":{"clocks":[{"event":1}]}}`, `{"set":{"number":" "}}`, `{"ticket":"x"}`, `{"Message":"a"}`, `{"set":{"feedback_asked":true,"priority_given":true}}`} {
		f.Add([]byte(doc))
	}
	full, recipient, _, _ := fullDocuments(f)
	f.Add([]byte(full))
	f.Add([]byte(recipient))
	f.Fuzz(func(t *testing.T, doc []byte) { sameEventDecoding(t, doc) })
}

// sameEventDecoding requires the same event and the same recipient as from encoding/json.
func sameEventDecoding(t *testing.T, doc []byte) {
	t.Helper()
	var got, want ticket.Event
	err, wantErr := decodeEvent(doc, &got), json.Unmarshal(doc, &want)
	require.Equal(t, wantErr == nil, err == nil, "%s: %v, want %v", doc, err, wantErr)
	if err == nil {
		require.Equal(t, want, got, "%s", doc)
	}
	var to, wantTo ticket.Recipient
	err, wantErr = decodeRecipient(doc, &to), json.Unmarshal(doc, &wantTo)
	require.Equal(t, wantErr == nil, err == nil, "%s: %v, want %v", doc, err, wantErr)
	if err == nil {
		require.Equal(t, wantTo, to, "%s", doc)
	}
}
