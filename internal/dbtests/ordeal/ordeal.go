// Package ordeal is the common part of the commands that test stores with kills and
// failures: the list of stores, the children to kill, and the table at the end.
package ordeal

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
)

// Common are the options that all runs have.
type Common struct {
	Stores   string // names, separated by commas, or "all"
	Seed     uint64
	Sabotage string // names, separated by commas
}

// Flags adds the flags of the options.
func (c *Common) Flags(all []Backend, sabotages []string) {
	var names []string
	for _, b := range all {
		names = append(names, b.Name)
	}
	flag.StringVar(&c.Stores, "store", "all", strings.Join(names, ", ")+", a comma-separated list, or all")
	flag.Uint64Var(&c.Seed, "seed", 0, "the seed of the random choices; the results still vary; 0 means a random seed")
	flag.Func("sabotage", "what to do wrong so that the check must find it, separated by commas: "+strings.Join(sabotages, ", "), func(list string) error {
		for name := range strings.SplitSeq(list, ",") {
			if !slices.Contains(sabotages, name) {
				return fmt.Errorf("unknown sabotage %q", name)
			}
		}
		c.Sabotage = list
		return nil
	})
}

// Parse parses the flags and chooses a seed.
func (c *Common) Parse() {
	flag.Parse()
	if c.Seed == 0 {
		c.Seed = rand.Uint64()
	}
}

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

// A Report is the result for one store.
type Report interface {
	Good() bool        // it passed
	Remarks() []string // findings and others
	Row() []string     // of the table
}

// Run tests the stores of the options, one after the other. It prints the results and a
// table with a column for each store. It reports whether all passed.
func Run[R Report](ctx context.Context, all []Backend, o Common, columns []string, endure func(context.Context, Backend) (R, error)) (bool, error) {
	list, err := choose(all, o.Stores)
	if err != nil {
		return false, err
	}
	good := true
	var rows [][]string
	for _, b := range list {
		r, err := endure(ctx, b)
		if err != nil {
			return false, fmt.Errorf("%s: %w", b.Name, err)
		}
		rows = append(rows, r.Row())
		good = good && r.Good()
		for _, line := range r.Remarks() {
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

// Findings are the faults that a check found.
type Findings struct{ Found []string }

// Note counts a fault and describes the first few.
func (f *Findings) Note(count *int, format string, args ...any) {
	if *count++; *count <= 5 {
		f.Found = append(f.Found, fmt.Sprintf(format, args...))
	}
}
