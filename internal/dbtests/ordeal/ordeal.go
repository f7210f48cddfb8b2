// Package ordeal is what the commands have in common that put stores through
// kills and failures: which stores there are, the children that are killed, and
// the table at the end.
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

// Main calls run until it has ended or the program is interrupted, and ends the
// program: with 1 where there was an error, or run was not content.
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

// Seed returns the seed that was asked for, and another every time for 0.
func Seed(asked uint64) uint64 {
	if asked == 0 {
		return rand.Uint64()
	}
	return asked
}

// An Outcome is what came of the ordeal of one store.
type Outcome struct {
	Good  bool     // it stood it
	Lines []string // what was found, and what else there is to say
	Row   []string // of the table
}

// Run puts the stores that are named, with commas between, or "all" of them,
// through an ordeal one after the other, and prints what came of it and a table,
// a column a store. It reports whether all stood it.
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
			return nil, fmt.Errorf("there is no store %q", name)
		}
		list = append(list, all[i])
	}
	return list, nil
}

// Sabotages refuses a name that none of the known sabotages has; "" is none.
func Sabotages(known []string, names ...string) error {
	for _, name := range names {
		if name != "" && !slices.Contains(known, name) {
			return fmt.Errorf("there is no sabotage %q; there are %s", name, strings.Join(known, ", "))
		}
	}
	return nil
}

// Findings are what is wrong.
type Findings struct{ Found []string }

// Note counts a fault and describes the first few.
func (f *Findings) Note(count *int, format string, args ...any) {
	if *count++; *count <= 5 {
		f.Found = append(f.Found, fmt.Sprintf(format, args...))
	}
}
