package sqlstore

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"testing"

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

// Decoding allocates the strings and nothing else.
func TestDocDecodeByHand(t *testing.T) {
	doc, err := json.Marshal(ticketDoc{Requester: ticket.Person{ID: "c-1", Email: "ada@example.org"}, Subject: "Blank pages", Workflow: "default", WorkflowVersion: 1})
	require.NoError(t, err)
	var d ticketDoc
	require.LessOrEqual(t, testing.AllocsPerRun(100, func() { _ = d.decode(doc) }), 6.0)
}

func FuzzDocDecode(f *testing.F) {
	for _, doc := range []string{`{}`, `{"subject":"a"}`, `{"subject":"a","subject":"b"}`, `{"requester":{"id":"x"},"workflow_version":12}`, `{"workflow_version":012}`,
		`{"workflow_version":1.0}`, `{"subject":"a"} `, `{"subject":"\u0041"}`, `{"Subject":"x"}`, `{"subject":null}`, `{"workflow_version":-1}`, `{"fields":{"a":1,"b":"x","c":true,"a":2}}`, `{"fields":{"a":1.5}}`, `{"fields":{"a":null}}`, `{"tags":["a","b"]}`, `{"tags":[]}`, `{"tags":["a"],"tags":["b","c"]}`, `{"requester":{}}`, `{"requester":{},}`} {
		f.Add([]byte(doc))
	}
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
