// Command recall measures how often [ticket.Desk.SimilarToDraft] finds an earlier report of
// the same problem, on sets of reports of which people have found out which are duplicates.
//
//	recall internal/dbtests/cmd/recall/testdata ../duplicates
//
// Each argument is a folder of sets. A set has two files:
//
//   - <name>-reports.jsonl, or <name>-reports.jsonl.gz: a report on each line, as a JSON object
//     with the texts "id", "created" (RFC 3339), "subject" and "words". Other members are
//     ignored.
//   - <name>-pairs.csv: the line "report,duplicate_of", and then two IDs of reports on each line.
//
// Every report that has an earlier duplicate is a query, as a draft; the tickets of all
// reports that were created before it are the candidates. A hit is a ticket whose report is
// tied to the query by the pairs, in either direction, directly or through others. So
// reports form groups, and pairs that make a cycle are as good as others. Recall at 10 is
// the share of queries with a hit among the first 10 suggestions.
//
// The figures are compared with those of the file that -recorded names. A set whose recall at
// 1, 5 or 10 is lower by 0.01 or more fails, and so does a set with another number of queries
// than recorded. A set that is not recorded passes. With -record, the figures are written to
// the file instead.
//
// The last line has recall at 10 of each set. The exit status is 1 if a set is malformed or
// fails.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// published is what others have measured, to compare with.
const published = `Published, as recall at 10, means over the projects of TOSEM-DBRD (other sets, so compare the
size only): words of titles 0.40 to 0.61; REP (BM25F with bigrams and categories, learned
weights) 0.55 to 0.81; deep models at or below REP.`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "recall:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("recall", flag.ContinueOnError)
	store := flags.String("store", "memory", "where the tickets are: memory, or sqlite (a file that is removed)")
	file := flags.String("recorded", "", "the file with the recorded figures; empty compares with none")
	record := flags.Bool("record", false, "write the figures to the file of -recorded, beside those of other sets")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() == 0 {
		return errors.New("name a folder of sets")
	}
	old, err := readRecorded(*file)
	if err != nil {
		return err
	}
	var sets []*set
	for _, folder := range flags.Args() {
		some, err := readFolder(folder)
		if err != nil {
			return err
		}
		for _, s := range some {
			for _, o := range sets {
				if o.name == s.name {
					return fmt.Errorf("%s: there are two sets with the name %q", folder, s.name)
				}
			}
			sets = append(sets, s)
		}
	}
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(out, format+"\n", args...) }
	say("%-16s %8s %8s %8s  %11s %11s %11s  %10s %10s", "set", "reports", "pairs", "queries", "recall at 1", "at 5", "at 10", "median", "p99")
	var faults, last []string
	for _, s := range sets {
		f, err := s.measure(ctx, *store)
		if err != nil {
			return fmt.Errorf("set %s: %w", s.name, err)
		}
		say("%-16s %8d %8d %8d  %11.3f %11.3f %11.3f  %10s %10s", s.name, len(s.reports), s.pairs, f.queries, f.at[0], f.at[1], f.at[2],
			f.median.Round(time.Millisecond/100), f.p99.Round(time.Millisecond/100))
		last = append(last, fmt.Sprintf("%s %.3f", s.name, f.at[2]))
		if fault := old.compare(s.name, f); fault != "" && !*record {
			faults = append(faults, fault)
		}
		old[s.name] = f
	}
	say("%s", published)
	if *record {
		if err := old.write(*file); err != nil {
			return err
		}
	}
	for _, fault := range faults {
		say("FAILED: %s", fault)
	}
	say("recall at 10: %s", strings.Join(last, ", "))
	if len(faults) > 0 {
		return fmt.Errorf("%d of the sets failed", len(faults))
	}
	return nil
}
