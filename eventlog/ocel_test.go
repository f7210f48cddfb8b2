package eventlog_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/eventlog"
)

func writeOCEL(t *testing.T, all [][]ticket.Event, cfg eventlog.Config) ([]byte, eventlog.Counts) {
	t.Helper()
	var b bytes.Buffer
	n, err := eventlog.WriteOCEL(t.Context(), &b, stream(all, nil), cfg)
	require.NoError(t, err)
	return b.Bytes(), n
}

// ocel is an OCEL file as an independent reader sees it.
type ocel struct {
	EventTypes, ObjectTypes []struct {
		Name       string
		Attributes []struct{ Name, Type string }
	}
	Events, Objects []struct {
		ID, Type, Time string
		Attributes     []struct{ Name, Value, Time string }
		Relationships  []struct{ ObjectID, Qualifier string }
	}
}

func readOCEL(t *testing.T, data []byte) (log ocel) {
	t.Helper()
	require.NoError(t, json.Unmarshal(data, &log))
	return log
}

func TestOCELReadsBackWithTheSameCounts(t *testing.T) {
	all := histories(t)
	data, n := writeOCEL(t, all, eventlog.Config{})
	log := readOCEL(t, data)
	count, merges := events(all)
	require.Equal(t, eventlog.Counts{Tickets: len(all), Events: count - merges, Agents: 4}, n)
	require.Len(t, log.Events, count-merges)
	types := map[string]int{}
	for _, o := range log.Objects {
		types[o.Type]++
	}
	require.Equal(t, map[string]int{"ticket": len(all), "agent": 4, "queue": 2}, types)

	// Everything that is referred to exists, with declared types and attributes.
	objects, attributes, ids := map[string]string{}, map[string]bool{}, map[string]bool{}
	for _, o := range log.Objects {
		require.Empty(t, objects[o.ID], "two objects have the ID %q", o.ID)
		objects[o.ID] = o.Type
	}
	for what, list := range map[string][]struct {
		Name       string
		Attributes []struct{ Name, Type string }
	}{"event": log.EventTypes, "object": log.ObjectTypes} {
		for _, typ := range list {
			for _, a := range typ.Attributes {
				attributes[what+" "+typ.Name+" "+a.Name] = true
			}
			attributes[what+" "+typ.Name] = true
		}
	}
	merged := 0
	for _, e := range log.Events {
		require.False(t, ids[e.ID], "two events have the ID %q", e.ID)
		ids[e.ID] = true
		require.True(t, attributes["event "+e.Type])
		for _, a := range e.Attributes {
			require.True(t, attributes["event "+e.Type+" "+a.Name], a.Name)
		}
		tickets := map[string]string{}
		for _, r := range e.Relationships {
			require.NotEmpty(t, objects[r.ObjectID], r.ObjectID)
			if objects[r.ObjectID] == "ticket" {
				tickets[r.Qualifier] = r.ObjectID
			}
		}
		if e.Type == "merge" || e.Type == "unmerge" {
			merged++
			require.Len(t, tickets, 2, "a merge is one event on two tickets")
			require.NotEqual(t, tickets["of"], tickets["into"]+tickets["out of"])
		} else {
			require.Len(t, tickets, 1)
		}
	}
	require.Equal(t, merges, merged)
	for _, o := range log.Objects {
		require.True(t, attributes["object "+o.Type])
		for _, a := range o.Attributes {
			require.True(t, attributes["object "+o.Type+" "+a.Name], a.Name)
		}
		for _, r := range o.Relationships {
			require.Equal(t, "ticket", objects[r.ObjectID], r.ObjectID)
		}
	}
}

// The last values of an object are those of the ticket.
func TestOCELHasTheChangesOfTickets(t *testing.T) {
	all := histories(t)
	data, _ := writeOCEL(t, all, eventlog.Config{})
	log := readOCEL(t, data)
	for i, h := range all {
		now, err := ticket.Replay(h)
		require.NoError(t, err)
		got := map[string]string{}
		for _, a := range log.Objects[i].Attributes {
			if was, known := got[a.Name]; known {
				require.NotEqual(t, was, a.Value, "only changes are there")
			}
			got[a.Name] = a.Value
		}
		require.Equal(t, map[string]string{"status": string(now.Status), "phase": string(now.Phase), "level": fmt.Sprint(now.Level), "queue": now.Queue}, got)
	}
}

func TestOCELKeepsItsSchema(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("testdata", "ocel20.schema.json"))
	require.NoError(t, err)
	var schema map[string]any
	require.NoError(t, json.Unmarshal(text, &schema))
	for _, all := range [][][]ticket.Event{nil, histories(t)} {
		data, _ := writeOCEL(t, all, eventlog.Config{})
		var log any
		require.NoError(t, json.Unmarshal(data, &log))
		require.Empty(t, violations(schema, log, "log"))
	}
	// The check finds faults.
	for _, broken := range []string{
		`[]`, `{"eventTypes":[],"objectTypes":[],"events":[]}`, `{"eventTypes":[],"objectTypes":[],"events":[{"id":"1","type":"a","time":"now"}],"objects":[]}`,
		`{"eventTypes":[{"name":"a","attributes":[{"name":"b","type":"text"}]}],"objectTypes":[],"events":[],"objects":[]}`,
		`{"eventTypes":[],"objectTypes":[],"events":[],"objects":[{"id":"1","type":"a","attributes":[{"name":"b","value":1,"time":"2026-01-01T00:00:00Z"}]}]}`,
	} {
		var log any
		require.NoError(t, json.Unmarshal([]byte(broken), &log))
		require.NotEmpty(t, violations(schema, log, "log"), broken)
	}
}

// violations checks a value by the part of JSON Schema that the schema of OCEL uses.
func violations(schema map[string]any, v any, at string) (list []string) {
	fail := func(format string, args ...any) { list = append(list, at+" "+fmt.Sprintf(format, args...)) }
	switch schema["type"] {
	case "object":
		object, ok := v.(map[string]any)
		if !ok {
			fail("is no object")
			return list
		}
		required, _ := schema["required"].([]any)
		for _, name := range required {
			if _, ok := object[name.(string)]; !ok {
				fail("lacks %q", name)
			}
		}
		properties, _ := schema["properties"].(map[string]any)
		for name, part := range properties {
			if value, ok := object[name]; ok {
				list = append(list, violations(part.(map[string]any), value, at+"."+name)...)
			}
		}
	case "array":
		items, ok := v.([]any)
		if !ok {
			fail("is no array")
			return list
		}
		for i, item := range items {
			list = append(list, violations(schema["items"].(map[string]any), item, fmt.Sprintf("%s[%d]", at, i))...)
		}
	case "string":
		text, ok := v.(string)
		if !ok {
			fail("is no string")
			return list
		}
		if enum, _ := schema["enum"].([]any); len(enum) > 0 && !slices.Contains(enum, any(text)) {
			fail("is %q, none of %v", text, enum)
		}
		if _, err := time.Parse(time.RFC3339Nano, text); schema["format"] == "date-time" && err != nil {
			fail("is no time: %q", strings.TrimSpace(text))
		}
	default:
		fail("has an unknown type in the schema: %v", schema["type"])
	}
	return list
}
