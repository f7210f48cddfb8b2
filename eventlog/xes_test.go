package eventlog_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/eventlog"
)

// element is any element of an XES file.
type element struct {
	XMLName  xml.Name
	Attrs    []xml.Attr `xml:",any,attr"`
	Text     string     `xml:",chardata"`
	Children []element  `xml:",any"`
}

func (e *element) attr(name string) string {
	for _, a := range e.Attrs {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// values returns the attributes of a log, a trace or an event.
func (e *element) values() map[string]string {
	m := map[string]string{}
	for _, c := range e.Children {
		if k := c.attr("key"); k != "" {
			m[k] = c.attr("value")
		}
	}
	return m
}

func (e *element) named(name string) (list []element) {
	for _, c := range e.Children {
		if c.XMLName.Local == name {
			list = append(list, c)
		}
	}
	return list
}

// readXES is an independent reader: it knows XML and nothing of the writer.
func readXES(t *testing.T, data []byte) element {
	t.Helper()
	var log element
	require.NoError(t, xml.Unmarshal(data, &log))
	return log
}

func writeXES(t *testing.T, all [][]ticket.Event, cfg eventlog.Config) ([]byte, eventlog.Counts) {
	t.Helper()
	var b bytes.Buffer
	n, err := eventlog.WriteXES(t.Context(), &b, stream(all, nil), cfg)
	require.NoError(t, err)
	return b.Bytes(), n
}

func TestXESReadsBackWithTheSameCounts(t *testing.T) {
	all := histories(t)
	data, n := writeXES(t, all, eventlog.Config{})
	count, merges := events(all)
	require.NotZero(t, merges)
	require.Equal(t, eventlog.Counts{Tickets: len(all), Events: count, Agents: 4}, n)
	log := readXES(t, data)
	traces := log.named("trace")
	require.Len(t, traces, len(all))
	ids := map[string]bool{}
	for i, h := range all {
		require.Equal(t, h[0].Ticket.String(), traces[i].values()["concept:name"])
		list := traces[i].named("event")
		require.Len(t, list, len(h))
		queue := ""
		for k, e := range h {
			v := list[k].values()
			at, err := time.Parse(time.RFC3339Nano, v["time:timestamp"])
			require.NoError(t, err)
			require.True(t, at.Equal(e.At), "to the microsecond")
			if e.Set.Queue != nil {
				queue = *e.Set.Queue
			}
			require.Equal(t, []string{string(e.Action), string(e.To.Status), strconv.Itoa(e.To.Level), string(e.Phase), queue},
				[]string{v["concept:name"], v["status"], v["level"], v["phase"], v["org:group"]})
			require.False(t, ids[v["identity:id"]])
			ids[v["identity:id"]] = true
		}
	}
}

// The rules of the schema of IEEE 1849: which elements are where, in which order, with which
// attributes, and the types of keys and values.
func TestXESKeepsTheRulesOfItsSchema(t *testing.T) {
	data, _ := writeXES(t, histories(t), eventlog.Config{})
	checkXES(t, readXES(t, data))
	empty, _ := writeXES(t, nil, eventlog.Config{})
	checkXES(t, readXES(t, empty))
}

func checkXES(t *testing.T, log element) {
	t.Helper()
	const space = "http://www.xes-standard.org/"
	ncName := regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9._-]*$`)
	name := regexp.MustCompile(`^[A-Za-z_:][A-Za-z0-9._:-]*$`)
	uuids := regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	types := []string{"string", "date", "int", "float", "boolean", "id"}
	// each part of an element comes after those before it in the list
	ordered := func(e element, parts ...[]string) {
		at := 0
		for _, c := range e.Children {
			for at < len(parts) && !slices.Contains(parts[at], c.XMLName.Local) {
				at++
			}
			require.Less(t, at, len(parts), "%s is not allowed there in %s", c.XMLName.Local, e.XMLName.Local)
			require.Equal(t, space, c.XMLName.Space)
		}
		require.Empty(t, strings.TrimSpace(e.Text))
	}
	attributes := func(e element) {
		seen := map[string]bool{}
		for _, c := range e.Children {
			if !slices.Contains(types, c.XMLName.Local) {
				continue
			}
			key, value := c.attr("key"), c.attr("value")
			require.Regexp(t, name, key)
			require.False(t, seen[key], "the key %q is there twice", key)
			seen[key] = true
			require.Len(t, c.Attrs, 2)
			require.Empty(t, c.Children)
			var err error
			switch c.XMLName.Local {
			case "date":
				_, err = time.Parse(time.RFC3339Nano, value)
			case "int":
				_, err = strconv.ParseInt(value, 10, 64)
			case "id":
				require.Regexp(t, uuids, value)
			}
			require.NoError(t, err)
		}
	}
	require.Equal(t, xml.Name{Space: space, Local: "log"}, log.XMLName)
	_, err := strconv.ParseFloat(log.attr("xes.version"), 64) // a decimal
	require.NoError(t, err)
	ordered(log, []string{"extension"}, []string{"global"}, []string{"classifier"}, types, []string{"trace"}, []string{"event"})
	attributes(log)
	prefixes := map[string]bool{}
	for _, e := range log.named("extension") {
		require.Regexp(t, ncName, e.attr("name"))
		require.Regexp(t, ncName, e.attr("prefix"))
		require.Equal(t, space+e.attr("prefix")+".xesext", e.attr("uri"))
		prefixes[e.attr("prefix")] = true
	}
	require.Equal(t, map[string]bool{"concept": true, "lifecycle": true, "org": true, "time": true, "identity": true}, prefixes)
	globals := map[string]map[string]string{}
	for _, g := range log.named("global") {
		ordered(g, types)
		attributes(g)
		globals[g.attr("scope")] = g.values()
	}
	require.Len(t, globals, 2)
	for _, c := range log.named("classifier") {
		require.Regexp(t, ncName, c.attr("name"))
		for key := range strings.FieldsSeq(c.attr("keys")) {
			require.Contains(t, globals["event"], key)
		}
	}
	has := func(e element, scope string) {
		for key := range globals[scope] {
			require.Contains(t, e.values(), key, "what is global is in every %s", scope)
		}
		for key := range e.values() {
			prefix, _, ok := strings.Cut(key, ":")
			require.True(t, !ok || prefixes[prefix], key)
		}
	}
	for _, trace := range log.named("trace") {
		ordered(trace, types, []string{"event"})
		attributes(trace)
		has(trace, "trace")
		for _, e := range trace.named("event") {
			ordered(e, types)
			attributes(e)
			has(e, "event")
		}
	}
}

func TestLogsHaveNoContentAndNoPersons(t *testing.T) {
	all := histories(t)
	for name, write := range map[string]func([][]ticket.Event, eventlog.Config) []byte{
		"xes":  func(all [][]ticket.Event, cfg eventlog.Config) []byte { data, _ := writeXES(t, all, cfg); return data },
		"ocel": func(all [][]ticket.Event, cfg eventlog.Config) []byte { data, _ := writeOCEL(t, all, cfg); return data },
	} {
		plain := write(all, eventlog.Config{})
		require.NotContains(t, string(plain), "secret", name)
		require.NotContains(t, string(plain), "Secret", name)
		require.NotContains(t, string(plain), "lin-", name)
		require.Contains(t, string(plain), "agent 4", name)
		require.Contains(t, string(write(all, eventlog.Config{AgentIDs: true})), "lin-1@desk.example", name)

		keyed := write(all, eventlog.Config{Key: []byte("k")})
		require.NotContains(t, string(keyed), "lin-", name)
		require.Regexp(t, `agent [0-9a-f]{16}`, string(keyed))
		require.Equal(t, keyed, write(all, eventlog.Config{Key: []byte("k")}), name)
		require.NotEqual(t, keyed, write(all, eventlog.Config{Key: []byte("other")}), name)

		erased := slices.Clone(all)
		for i, h := range erased {
			erased[i] = slices.Clone(h)
			for k, e := range h {
				erased[i][k] = e.Erase(ticket.Groups{PublicContent: true, InternalContent: true, Identities: true})
			}
		}
		require.Equal(t, plain, write(erased, eventlog.Config{}), "%s: erased content was not in the log", name)
	}
}

func TestTextThatXMLDoesNotHaveIsReplaced(t *testing.T) {
	all := histories(t)[:1]
	odd := "a\x01<\"&>\u00e9\ufffe"
	all[0][0].Set.Queue = &odd
	data, _ := writeXES(t, all, eventlog.Config{})
	log := readXES(t, data)
	require.Equal(t, "a\ufffd<\"&>\u00e9\ufffd", log.named("trace")[0].named("event")[0].values()["org:group"])
}

// failing is a writer that has no space.
type failing struct{}

var errFull = errors.New("the disk is full")

func (failing) Write([]byte) (int, error) { return 0, errFull }

func TestErrorsOfStreamAndWriterAreReturned(t *testing.T) {
	all := histories(t)
	lost := errors.New("the connection is lost")
	for _, write := range []func(w io.Writer, all [][]ticket.Event, last error) error{
		func(w io.Writer, all [][]ticket.Event, last error) error {
			_, err := eventlog.WriteXES(t.Context(), w, stream(all, last), eventlog.Config{})
			return err
		},
		func(w io.Writer, all [][]ticket.Event, last error) error {
			_, err := eventlog.WriteOCEL(t.Context(), w, stream(all, last), eventlog.Config{})
			return err
		},
	} {
		require.ErrorIs(t, write(io.Discard, all, lost), lost)
		require.ErrorIs(t, write(failing{}, all, nil), errFull)
		require.ErrorIs(t, write(io.Discard, [][]ticket.Event{all[0][1:]}, nil), ticket.ErrChain)
		require.ErrorIs(t, write(io.Discard, [][]ticket.Event{append(slices.Clone(all[0][:1]), all[1][0])}, nil), ticket.ErrChain)
	}
}
