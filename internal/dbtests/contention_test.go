package dbtests_test

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/internal/dbtests"
	"github.com/ticketkit/ticket/sqlstore"
)

const (
	contendProcesses = 4
	contendCallers   = 16 // goroutines of each process
	// contendVariable marks a process as one of this test.
	contendVariable = "TICKET_CONTEND"
)

// `make contend` sets a larger number.
var contendActions = flag.Int("contend.actions", 4, "the number of actions of each caller in TestContention")

// contendBound is how long all actions may take, from the first to the last. On a
// busy machine with two cores, the slowest took 16 ms for each action with the race
// detector, and 2 ms without.
func contendBound() time.Duration {
	all := contendProcesses * contendCallers * *contendActions
	return 15*time.Second + time.Duration(all)*40*time.Millisecond
}

type contendTask struct {
	Driver, DSN string
	Dialect     sqlstore.Dialect
	Process     int
	Actions     int
	Ticket      ticket.ID
	Bound       time.Duration
}

type contendResult struct {
	Times  []time.Duration // of each action
	Errors []string
}

// 64 goroutines in 4 processes act on one ticket. None gets an error, no action is
// lost, and the history has no gap.
func TestContention(t *testing.T) {
	each(t, backends, func(t *testing.T, b backend) {
		dsn := b.dsn(t)
		store, err := sqlstore.Open(t.Context(), b.connect(t, dsn), b.dialect)
		require.NoError(t, err)
		desk, err := ticket.NewDesk(store, ticket.Config{})
		require.NoError(t, err)
		agent := ticket.Agent("lin", 1)
		tk, err := desk.Open(t.Context(), agent, ticket.Draft{Subject: "Everybody wants it", Requester: ticket.Person{ID: "ada"}})
		require.NoError(t, err)

		// All are ready before the first one begins.
		var all []*contender
		for i := range contendProcesses {
			all = append(all, startContender(t, contendTask{b.driver, dsn, b.dialect, i, *contendActions, tk.ID, contendBound()}))
		}
		begin := time.Now()
		for _, c := range all {
			_, err := c.in.Write([]byte("go\n"))
			require.NoError(t, err)
		}
		var times []time.Duration
		for _, c := range all {
			r := c.wait(t)
			if len(r.Errors) > 0 {
				t.Errorf("%d errors reached callers, the first %s", len(r.Errors), r.Errors[0])
			}
			times = append(times, r.Times...)
		}
		took := time.Since(begin)
		if t.Failed() {
			return
		}

		want := map[string]bool{}
		for p := range contendProcesses {
			for c := range contendCallers {
				for n := range *contendActions {
					want[contendToken(p, c, n)] = true
				}
			}
		}
		total := len(want)
		seq := int64(0)
		for e, err := range desk.History(t.Context(), agent, tk.ID) {
			require.NoError(t, err)
			seq++
			require.Equal(t, seq, e.Seq)
			if e.Seq > 1 {
				require.True(t, want[string(e.Note)], "%s is there twice, or nobody wrote it", e.Note)
				delete(want, string(e.Note))
			}
		}
		require.Empty(t, want, "lost")
		require.EqualValues(t, total+1, seq)
		require.NoError(t, desk.Verify(t.Context(), agent, tk.ID))
		require.Less(t, took, contendBound())

		slices.Sort(times)
		t.Logf("%d actions by %d callers in %d processes: %.0f/s; one took %v (median), %v (99 %%), %v (slowest)",
			total, contendProcesses*contendCallers, contendProcesses, float64(total)/took.Seconds(),
			times[total/2].Round(time.Millisecond/10), times[total*99/100].Round(time.Millisecond/10), times[total-1].Round(time.Millisecond/10))
	})
}

func contendToken(process, caller, n int) string { return fmt.Sprintf("%d-%d-%d", process, caller, n) }

// A contender is one of the processes.
type contender struct {
	cmd *exec.Cmd
	in  interface{ Write([]byte) (int, error) }
	out *bufio.Reader
	log *strings.Builder
}

// startContender starts this test binary once more and waits until it is ready.
func startContender(t *testing.T, task contendTask) *contender {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	say, err := json.Marshal(task)
	require.NoError(t, err)
	c := &contender{cmd: exec.CommandContext(t.Context(), self, "-test.run=^TestContentionProcess$"), log: &strings.Builder{}}
	c.cmd.Env = append(os.Environ(), contendVariable+"="+string(say))
	c.cmd.Stderr = c.log
	in, err := c.cmd.StdinPipe()
	require.NoError(t, err)
	out, err := c.cmd.StdoutPipe()
	require.NoError(t, err)
	c.in, c.out = in, bufio.NewReader(out)
	require.NoError(t, c.cmd.Start())
	line, err := c.out.ReadString('\n')
	require.NoError(t, err, "%s%s", line, c.log)
	require.Equal(t, "ready\n", line)
	return c
}

func (c *contender) wait(t *testing.T) (r contendResult) {
	t.Helper()
	line, err := c.out.ReadBytes('\n')
	require.NoError(t, err, "%s%s", line, c.log)
	require.NoError(t, json.Unmarshal(line, &r), "%s", line)
	for err == nil {
		_, err = c.out.ReadBytes('\n')
	}
	require.NoError(t, c.cmd.Wait(), "%s", c.log)
	return r
}

// TestContentionProcess is one of the processes of TestContention, and no test of
// its own.
func TestContentionProcess(t *testing.T) {
	say := os.Getenv(contendVariable)
	if say == "" {
		t.Skip("this is a part of TestContention")
	}
	var task contendTask
	require.NoError(t, json.Unmarshal([]byte(say), &task))
	db, err := dbtests.Open(task.Driver, task.DSN)
	require.NoError(t, err)
	store, err := sqlstore.Open(t.Context(), db, task.Dialect)
	require.NoError(t, err)
	desk, err := ticket.NewDesk(store, ticket.Config{})
	require.NoError(t, err)
	fmt.Println("ready")
	_, err = bufio.NewReader(os.Stdin).ReadString('\n')
	require.NoError(t, err)

	ctx, cancel := context.WithTimeout(t.Context(), task.Bound)
	defer cancel()
	var r contendResult
	var mu sync.Mutex
	var all sync.WaitGroup
	for caller := range contendCallers {
		all.Go(func() {
			agent := ticket.Agent(fmt.Sprintf("agent-%d-%d", task.Process, caller), 1)
			for n := range task.Actions {
				begin := time.Now()
				_, err := desk.Do(ctx, agent, task.Ticket,
					ticket.Action{Name: ticket.ActionNote, Note: ticket.Note(contendToken(task.Process, caller, n))})
				took := time.Since(begin)
				mu.Lock()
				r.Times = append(r.Times, took)
				if err != nil {
					r.Errors = append(r.Errors, fmt.Sprintf("after %v: %v", took, err))
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	require.NoError(t, db.Close())
	result, err := json.Marshal(r)
	require.NoError(t, err)
	fmt.Println(string(result))
}
