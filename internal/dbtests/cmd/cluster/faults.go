package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// A fault is something that happens to a node, and ends.
type fault struct {
	past string // as in "the node was …"
	do   func(ctx context.Context, n *node) error
}

var faults = []fault{
	{"killed", func(ctx context.Context, n *node) error {
		if err := n.Kill(); err != nil {
			return err
		}
		return n.back(ctx)
	}},
	{"cut off", func(ctx context.Context, n *node) error {
		if err := n.isolate(ctx, 1); err != nil {
			return err
		}
		time.Sleep(away)
		return n.isolate(ctx, 0)
	}},
	{"emptied", func(ctx context.Context, n *node) error {
		if err := n.Kill(); err != nil {
			return err
		}
		if err := os.Remove(filepath.Join(n.Data(), "grastate.dat")); err != nil {
			return err
		}
		time.Sleep(away)
		n.Set(map[string]string{"wsrep_start_position": "00000000-0000-0000-0000-000000000000:-1"})
		return n.begin(ctx, n.Restart)
	}},
	{"stopped", func(ctx context.Context, n *node) error {
		if err := n.Halt(); err != nil {
			return err
		}
		return n.back(ctx)
	}},
}

// choose returns the faults with these names.
func choose(names string) (list []fault, err error) {
	for name := range strings.SplitSeq(names, ",") {
		i := slices.IndexFunc(faults, func(f fault) bool { return f.past == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no fault %q", name)
		}
		list = append(list, faults[i])
	}
	return list, nil
}

// away is how long a node is not there. It is longer than the others take to go on without it.
const away = 6 * time.Second

// harm lets faults happen to nodes, one after the other, until ctx ends. All are back then.
func (r *run) harm(ctx context.Context) error {
	for i := rand.IntN(len(r.chosen)); r.pause > 0; i++ {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(r.pause):
		}
		n, f, work, begin := r.nodes[rand.IntN(nodes)], r.chosen[i%len(r.chosen)], context.WithoutCancel(ctx), time.Now()
		before, err := n.logged()
		if err == nil {
			err = f.do(work, n)
		}
		if err == nil {
			err = n.await(work, nodes)
		}
		if err != nil {
			return fmt.Errorf("%s was %s: %w", n.name, f.past, err)
		}
		after, err := n.logged()
		if err != nil {
			return err
		}
		how := rejoined(after[len(before):])
		r.happened[f.past]++
		r.rejoins[how]++
		fmt.Printf("%s was %s, and is synced again after %s with %s\n", n.name, f.past, time.Since(begin).Round(100*time.Millisecond), how)
	}
	return nil
}

// These are the ways in which a node gets what it missed.
const (
	wholeCopy   = "a whole copy"
	incremental = "the missing writes"
	nothing     = "nothing to get"
)

// rejoined says how a node got what it missed, by what it logged.
func rejoined(log string) string {
	switch {
	case strings.Contains(log, " SST completed on joiner"):
		return wholeCopy
	case strings.Contains(log, " IST received: "):
		return incremental
	default:
		return nothing
	}
}

// isolate cuts the node off from the others, or ends that. Clients still reach it.
func (n *node) isolate(ctx context.Context, on int) error {
	return until(ctx, func(ctx context.Context) error {
		_, err := n.db.ExecContext(ctx, fmt.Sprintf("SET GLOBAL wsrep_provider_options = 'gmcast.isolate=%d'", on))
		return err
	})
}

var position = regexp.MustCompile(`WSREP: Recovered position: *([0-9a-f-]+:-?[0-9]+)`)

// back starts the node again after a while. As the service of the packages does, it first asks the
// data how far they are: without a position the node would get a whole copy.
func (n *node) back(ctx context.Context) error {
	time.Sleep(away)
	return n.begin(ctx, func(ctx context.Context) error {
		said, err := n.Once(ctx, "wsrep_recover", "")
		if err != nil {
			return err
		}
		at := position.FindStringSubmatch(said)
		if at == nil {
			return errors.New("its data have no position: " + said)
		}
		n.Set(map[string]string{"wsrep_start_position": at[1]})
		return n.Restart(ctx)
	})
}

// logged returns all that the node has logged.
func (n *node) logged() (string, error) {
	log, err := os.ReadFile(n.LogFile())
	return string(log), err
}
