package ticket_test

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/memstore"
)

var archived = ticket.Query{Stage: []ticket.Stage{ticket.StageArchived}}

// archivedKit has three archived tickets and an open one.
func archivedKit(t *testing.T) (*kit, []ticket.Ticket) {
	t.Helper()
	k := newKit(t, rules(usualRule), func(c *ticket.Config) { c.ChainKey = []byte("key") })
	var list []ticket.Ticket
	for i := range 3 {
		list = append(list, k.closed(ada, ticket.Draft{Message: ticket.Message(fmt.Sprint("said ", i)), Fields: ticket.Fields{"order": "17"}, Followers: []ticket.Person{bob.Person}}))
	}
	k.clock.Advance(31 * day)
	require.Len(t, k.retain(ticket.RetainOptions{}).Steps, 3)
	k.open(bob, ticket.Draft{Message: "said by bob"})
	for i := range list {
		list[i] = k.get(list[i])
	}
	return k, list
}

func (k *kit) archive() []byte {
	k.Helper()
	var file bytes.Buffer
	m, err := k.desk.WriteArchive(k.Context(), privacy, &file, archived)
	require.NoError(k, err)
	require.Equal(k, m.Events, bytes.Count(file.Bytes(), []byte("\n"))-1)
	return file.Bytes()
}

func TestMoveOutAndIn(t *testing.T) {
	k, list := archivedKit(t)
	file := k.archive()

	// One has changed since, and one is held.
	list[1] = k.do(super, list[1], ticket.Action{Name: ticket.ActionReopen, Note: "late"})
	report, err := k.desk.MoveOut(t.Context(), privacy, bytes.NewReader(file))
	require.NoError(t, err)
	require.Equal(t, ticket.ArchiveReport{Moved: []ticket.ID{list[0].ID, list[2].ID}, Skipped: []ticket.ID{list[1].ID}}, report)
	require.Contains(t, k.stored(list[1]), "said 1")
	for _, i := range []int{0, 2} {
		require.NotContains(t, k.stored(list[i]), "said")
		require.NotContains(t, k.stored(list[i]), "@example.org")
		require.NoError(t, k.desk.Verify(t.Context(), cron, list[i].ID))
		view, err := k.desk.Track(t.Context(), cron, string(list[i].Number))
		require.NoError(t, err)
		require.Equal(t, ticket.PhaseClosed, view.Phase)
		require.Equal(t, ticket.StageErased, k.get(list[i]).Stage)
	}
	report, err = k.desk.MoveOut(t.Context(), privacy, bytes.NewReader(file))
	require.NoError(t, err)
	require.Empty(t, report.Moved, "a second time moves nothing")

	// Something happens to a ticket that was moved out; then both come back.
	moved := k.do(super, k.get(list[0]), ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{AddTags: []string{"late"}, Fields: ticket.Fields{"order": "18"}}})
	require.Equal(t, ticket.StageActive, moved.Stage)
	report, err = k.desk.MoveIn(t.Context(), privacy, bytes.NewReader(file))
	require.NoError(t, err)
	require.Equal(t, []ticket.ID{list[0].ID, list[2].ID}, report.Moved)
	for _, i := range []int{0, 2} {
		require.NoError(t, k.desk.Verify(t.Context(), cron, list[i].ID))
		require.Contains(t, k.stored(list[i]), fmt.Sprint("said ", i))
		back := k.get(list[i])
		require.Equal(t, ada.Person, back.Requester)
		require.Equal(t, []ticket.Person{bob.Person}, back.Followers)
		require.Equal(t, ticket.StageArchived, back.Stage)
	}
	require.Equal(t, []string{"late"}, k.get(list[0]).Tags)
	require.Equal(t, ticket.Fields{"order": "18"}, k.get(list[0]).Fields, "the later value")
	require.Equal(t, ticket.Fields{"order": "17"}, k.get(list[2]).Fields)
	k.canSee(ada, list[2])
	report, err = k.desk.MoveIn(t.Context(), privacy, bytes.NewReader(file))
	require.NoError(t, err)
	require.Empty(t, report.Moved)
}

func TestArchiveFilesAreVerified(t *testing.T) {
	k, list := archivedKit(t)
	file := string(k.archive())
	lines := strings.SplitAfter(strings.TrimSuffix(file, "\n"), "\n")
	for name, c := range map[string]struct {
		file  string
		moved int // before the fault
		want  error
	}{
		"empty":                {"", 0, ticket.ErrInvalid},
		"cut off":              {strings.Join(lines[:len(lines)-1], ""), 2, ticket.ErrInvalid},
		"cut within a line":    {file[:len(file)-400], 2, ticket.ErrInvalid},
		"a ticket left out":    {strings.Join(slices.Concat(lines[:5], lines[10:]), ""), 2, ticket.ErrInvalid},
		"an event left out":    {strings.Join(slices.Concat(lines[:1], lines[2:]), ""), 0, ticket.ErrChain},
		"an altered word":      {strings.Replace(file, "said 0", "said 9", 1), 0, ticket.ErrChain},
		"more at the end":      {file + lines[0], 3, ticket.ErrInvalid},
		"not JSON":             {"hello\n", 0, ticket.ErrInvalid},
		"another version":      {strings.Replace(file, `"version":1,"tickets"`, `"version":2,"tickets"`, 1), 3, ticket.ErrInvalid},
		"another count":        {strings.Replace(file, `"tickets":3`, `"tickets":4`, 1), 3, ticket.ErrInvalid},
		"line ends of Windows": {strings.ReplaceAll(file, "\n", "\r\n"), 3, ticket.ErrInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			n := 0
			var last error
			for events, err := range (ticket.Chain{Key: []byte("key")}).ReadArchive(strings.NewReader(c.file)) {
				require.NoError(t, last, "the error comes last")
				if last = err; err == nil {
					require.NotEmpty(t, events)
					n++
				}
			}
			require.ErrorIs(t, last, c.want)
			require.Equal(t, c.moved, n)
		})
	}
	for _, err := range (ticket.Chain{Key: []byte("another key")}).ReadArchive(strings.NewReader(file)) {
		require.ErrorIs(t, err, ticket.ErrChain)
	}
	var w bytes.Buffer
	broken := errors.New("broken")
	_, err := ticket.Chain{Key: []byte("key")}.WriteArchive(&w, func(yield func([]ticket.Event, error) bool) { yield(nil, broken) })
	require.ErrorIs(t, err, broken)
	require.NotContains(t, w.String(), "manifest")
	_, err = ticket.Chain{}.WriteArchive(&w, single(k.events(cron, list[0])))
	require.ErrorIs(t, err, ticket.ErrChain, "verified on writing")
}

func single(events []ticket.Event) iter.Seq2[[]ticket.Event, error] {
	return func(yield func([]ticket.Event, error) bool) { yield(events, nil) }
}

func TestArchivesAreForThoseWhoMay(t *testing.T) {
	k, list := archivedKit(t)
	file := k.archive()
	for _, a := range []ticket.Actor{ada, super, {}} {
		_, err := k.desk.WriteArchive(t.Context(), a, &bytes.Buffer{}, archived)
		require.Error(t, err)
		_, err = k.desk.MoveOut(t.Context(), a, bytes.NewReader(file))
		require.Error(t, err)
		_, err = k.desk.MoveIn(t.Context(), a, bytes.NewReader(file))
		require.Error(t, err)
	}
	report, err := k.desk.MoveOut(t.Context(), privacy.InTenant("other"), bytes.NewReader(file))
	require.NoError(t, err)
	require.Len(t, report.Skipped, 3)
	require.Contains(t, k.stored(list[0]), "said 0")
	_, err = newKitOn(t, struct{ ticket.Store }{memstore.New()}, func(c *ticket.Config) { c.ChainKey = []byte("key") }).desk.MoveOut(t.Context(), privacy, bytes.NewReader(file))
	require.ErrorIs(t, err, errors.ErrUnsupported)
}

// Whatever a file has in it, reading ends, and what it yields verifies.
func FuzzReadArchive(f *testing.F) {
	store := memstore.New()
	desk, err := ticket.NewDesk(store, ticket.Config{})
	require.NoError(f, err)
	tk, err := desk.Open(f.Context(), ada, ticket.Draft{Subject: "Lid", Message: "said"})
	require.NoError(f, err)
	events, err := store.Events(f.Context(), "", tk.ID, 0, 0)
	require.NoError(f, err)
	var file bytes.Buffer
	_, err = ticket.Chain{}.WriteArchive(&file, single(events))
	require.NoError(f, err)
	f.Add(file.Bytes())
	f.Add([]byte(`{"manifest":{"version":1,"tickets":0,"events":0,"sha256":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}}` + "\n"))
	f.Add([]byte("\n\n{}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		for events, err := range (ticket.Chain{}).ReadArchive(bytes.NewReader(data)) {
			if err == nil {
				require.NoError(t, ticket.Chain{}.Verify(events))
			}
		}
	})
}

// A ticket that was moved out and reopened is under way: it must not leave the lists.
func TestMoveInLeavesReopenedTicketsActive(t *testing.T) {
	k, list := archivedKit(t)
	file := k.archive()
	_, err := k.desk.MoveOut(t.Context(), privacy, bytes.NewReader(file))
	require.NoError(t, err)
	k.do(super, k.get(list[0]), ticket.Action{Name: ticket.ActionReopen, Note: "late"})
	report, err := k.desk.MoveIn(t.Context(), privacy, bytes.NewReader(file))
	require.NoError(t, err)
	require.Len(t, report.Moved, 3)
	back := k.get(list[0])
	require.Equal(t, ticket.StageActive, back.Stage)
	require.Equal(t, ada.Person, back.Requester)
	require.Contains(t, k.stored(back), "said 0")
	require.NoError(t, k.desk.Verify(t.Context(), cron, back.ID))
	require.Equal(t, ticket.StageArchived, k.get(list[1]).Stage)
}

// A long history is moved out in steps. After an interruption the same file serves again.
func TestMoveOutAfterAnInterruption(t *testing.T) {
	s := &erasing{Store: memstore.New()}
	k := newKitOn(t, s, rules(usualRule))
	tk := k.open(ada, ticket.Draft{Message: "said"})
	for range 1100 {
		k.clock.Advance(time.Second)
		_, err := k.desk.Do(t.Context(), ada, tk.ID, ticket.Action{Name: ticket.ActionReply, Message: "said"})
		require.NoError(t, err)
	}
	k.do(lin, tk, ticket.Action{Name: ticket.ActionResolve, Message: "said"})
	k.do(ada, tk, ticket.Action{Name: ticket.ActionConfirm})
	k.clock.Advance(31 * day)
	k.retain(ticket.RetainOptions{})
	file := k.archive()
	broken := errors.New("broken")
	s.before = func(call int) error {
		if call%2 == 0 {
			return broken
		}
		return nil
	}
	calls := 1
	for ; ; calls++ {
		report, err := k.desk.MoveOut(t.Context(), privacy, bytes.NewReader(file))
		require.NoError(t, k.desk.Verify(t.Context(), cron, tk.ID))
		require.Empty(t, report.Skipped)
		if err == nil {
			require.Len(t, report.Moved, 1)
			break
		}
		require.ErrorIs(t, err, broken)
	}
	require.Greater(t, calls, 2)
	s.before = nil
	require.NotContains(t, k.stored(tk), "said")
	require.Equal(t, ticket.StageErased, k.get(tk).Stage)
	report, err := k.desk.MoveIn(t.Context(), privacy, bytes.NewReader(file))
	require.NoError(t, err)
	require.Len(t, report.Moved, 1)
	require.Equal(t, ada.Person, k.get(tk).Requester)
	require.Contains(t, k.stored(tk), "said")
}

// A change between the reads of MoveIn makes it start over, and not leave the ticket out.
func TestMoveInWhileOthersWrite(t *testing.T) {
	s := &beforeEvents{Store: memstore.New()}
	k := newKitOn(t, s, rules(usualRule))
	tk := k.closed(ada, ticket.Draft{Message: "said"})
	k.clock.Advance(31 * day)
	k.retain(ticket.RetainOptions{})
	file := k.archive()
	_, err := k.desk.MoveOut(t.Context(), privacy, bytes.NewReader(file))
	require.NoError(t, err)
	s.do = func() {
		k.do(super, tk, ticket.Action{Name: ticket.ActionEdit, Edit: &ticket.Edits{AddTags: []string{"late"}}})
	}
	report, err := k.desk.MoveIn(t.Context(), privacy, bytes.NewReader(file))
	require.NoError(t, err)
	require.Equal(t, ticket.ArchiveReport{Moved: []ticket.ID{tk.ID}}, report)
	require.Equal(t, []string{"late"}, k.get(tk).Tags)
	require.NoError(t, k.desk.Verify(t.Context(), cron, tk.ID))
}
