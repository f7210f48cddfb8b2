// Package ordeal is the common part of the commands that test stores with kills and
// failures: the list of stores, the children to kill, and the table at the end.
package ordeal

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
)

// Main calls run until it returns or the program is interrupted, and exits. The
// status is 1 after an error, or if run returns false.
func Main(run func(ctx context.Context) (good bool, err error)) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	good, err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	if err != nil || !good {
		os.Exit(1)
	}
}

// Seed returns the given seed, or a random one for 0.
func Seed(asked uint64) uint64 {
	if asked == 0 {
		return rand.Uint64()
	}
	return asked
}

// An Outcome is the result for one store.
type Outcome struct {
	Good  bool     // it passed
	Lines []string // findings and other remarks
	Row   []string // of the table
}

// Run tests the named stores, separated by commas, or "all" of them, one after the
// other. It prints the results and a table with a column for each store. It reports
// whether all passed.
func Run(ctx context.Context, all []Backend, names string, columns []string, endure func(context.Context, Backend) (Outcome, error)) (bool, error) {
	list, err := choose(all, names)
	if err != nil {
		return false, err
	}
	good := true
	var rows [][]string
	for _, b := range list {
		o, err := endure(ctx, b)
		if err != nil {
			return false, fmt.Errorf("%s: %w", b.Name, err)
		}
		rows = append(rows, o.Row)
		good = good && o.Good
		for _, line := range o.Lines {
			fmt.Printf("%s: %s\n", b.Name, line)
		}
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	for i, name := range columns {
		line := []string{name}
		for _, row := range rows {
			line = append(line, row[i])
		}
		if _, err := fmt.Fprintln(table, strings.Join(line, "\t")+"\t"); err != nil {
			return false, err
		}
	}
	return good, table.Flush()
}

func choose(all []Backend, names string) (list []Backend, err error) {
	if names == "all" {
		return all, nil
	}
	for name := range strings.SplitSeq(names, ",") {
		i := slices.IndexFunc(all, func(b Backend) bool { return b.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("unknown store %q", name)
		}
		list = append(list, all[i])
	}
	return list, nil
}

// Sabotages returns an error for a name that is not among the known ones. "" means
// none.
func Sabotages(known []string, names ...string) error {
	for _, name := range names {
		if name != "" && !slices.Contains(known, name) {
			return fmt.Errorf("unknown sabotage %q; use %s", name, strings.Join(known, ", "))
		}
	}
	return nil
}

// Findings are the faults that a check found.
type Findings struct{ Found []string }

// Note counts a fault and describes the first few.
func (f *Findings) Note(count *int, format string, args ...any) {
	if *count++; *count <= 5 {
		f.Found = append(f.Found, fmt.Sprintf(format, args...))
	}
}
