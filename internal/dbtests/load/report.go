package load

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/sqlstore"
)

// kind returns the kind of an error in a few words.
func kind(err error) string {
	for _, k := range []struct {
		is   error
		name string
	}{
		{ticket.ErrConflict, "ErrConflict"},
		{ticket.ErrNotFound, "ErrNotFound"},
		{sqlstore.ErrReadOnly, "ErrReadOnly"},
		{sqlstore.ErrBusy, "ErrBusy"},
		{context.DeadlineExceeded, "deadline exceeded"},
		{driver.ErrBadConn, "bad connection"},
		{syscall.ECONNREFUSED, "connection refused"},
		{io.ErrUnexpectedEOF, "EOF"},
		{io.EOF, "EOF"},
	} {
		if errors.Is(err, k.is) {
			return k.name
		}
	}
	if s, ok := errors.AsType[interface {
		error
		SQLState() string
	}](err); ok {
		return s.SQLState()
	}
	text := err.Error()
	return text[strings.LastIndex(text, ": ")+1:]
}

// counts lists how often each kind of error came.
func counts(of map[string]int) string {
	all := 0
	var list []string
	for _, name := range slices.Sorted(maps.Keys(of)) {
		all += of[name]
		list = append(list, fmt.Sprintf("%s %d", strings.TrimSpace(name), of[name]))
	}
	return fmt.Sprintf("%d (%s)", all, strings.Join(list, ", "))
}

// Lost returns how many acknowledged actions and mails are gone, after [Load.Check].
func (l *Load) Lost() int { return l.lost }

// Report prints the results. harm says what was done to the servers. It reports whether all is well.
func (l *Load) Report(harm string) bool {
	d, m := &l.deliveries, &l.letters
	for _, line := range l.Found {
		fmt.Println(line)
	}
	fmt.Printf("%d tickets; calls of writers repeated: %s\n", l.tickets, counts(l.errors))
	fmt.Printf("%d deliveries and %d mails claimed; %d calls failed, %d claims lost\n", d.claimed, m.claimed, d.failed+m.failed, d.lost+m.lost)
	fmt.Printf("%d calls to maintain the index; failed: %s\n", l.maintained, counts(l.idle))
	fmt.Printf("%s; acknowledged %d actions, %d of them with a file, and %d mails, lost %d, doubled %d, chains broken %d, unsettled %d, "+
		"deliveries held by two %d, mails held by two %d, words not found %d, files lost or damaged %d; longest gap without an acknowledged action %s\n",
		harm, len(l.done), l.files, len(l.mails), l.lost, l.doubled, l.broken, l.unsettled, d.two, m.two, l.unfound, l.damaged, l.gap.Round(10*time.Millisecond))
	return l.lost+l.doubled+l.broken+l.unsettled+d.two+m.two+l.unfound+l.damaged == 0
}
