package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/ticketkit/ticket/internal/dbtests/cputime"
)

// mostCallers limits the connections of the callers.
const mostCallers = 24

// A contestant works on a database of its own.
type contestant struct {
	name string
	do   func(ctx context.Context, caller, ticket int) error
	open func(ctx context.Context, caller int) error
	turn []int // the position of each caller in the order of the tickets

	dos, opens int // made so far
	check      func(ctx context.Context, dos, opens int) error
	close      func() error
}

// A segment is the work of a contestant in one round.
type segment struct {
	n         int
	elapsed   time.Duration
	cpu       time.Duration
	latencies []time.Duration
}

func (s *segment) rate() float64 { return float64(s.n) / s.elapsed.Seconds() }
func (s *segment) micros() float64 {
	return float64(s.cpu.Microseconds()) / float64(s.n)
}

// A result compares the library with one bare contestant.
type result struct {
	name    string // such as PostgreSQL/Do/8
	against string
	ratios  []float64
	cpu     []float64 // µs above the bare one's
	lib     []segment
	bare    []segment
	aim     float64 // 0 means none
	aimCPU  float64
	aimP99  time.Duration
	silent  bool   // the ratio means nothing
	unit    string // the unit of the counts, if not calls
}

// contest runs the contestants in turns. The first is the library.
func contest(ctx context.Context, s *settings, name, what string, callers int, order []int, contestants []*contestant) ([][]segment, error) {
	all := make([][]segment, len(contestants))
	for round := -1; round < s.rounds; round++ { // the first one warms up
		for i := range contestants {
			k := (i + round + 1) % len(contestants)
			d := s.duration
			if round < 0 {
				d = min(d, 300*time.Millisecond)
			}
			one, err := work(ctx, s, contestants[k], name, what, callers, order, d)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", contestants[k].name, err)
			}
			if round >= 0 {
				all[k] = append(all[k], one)
			}
		}
	}
	return all, nil
}

// work runs the callers on their shares of the tickets for a while.
func work(ctx context.Context, s *settings, c *contestant, name, what string, callers int, order []int, d time.Duration) (segment, error) {
	if err := ctx.Err(); err != nil {
		return segment{}, err
	}
	calls := context.WithoutCancel(ctx)
	if s.cancel {
		var cancel context.CancelFunc
		calls, cancel = context.WithCancel(ctx)
		defer cancel()
	}
	runtime.GC() // so that no contestant collects another one's garbage
	var one segment
	latencies := make([][]time.Duration, callers)
	errs := make([]error, callers)
	for i := range latencies {
		latencies[i] = make([]time.Duration, 0, 1<<16)
	}
	var group sync.WaitGroup
	cpu, begin := cputime.Self(), time.Now()
	end := begin.Add(d)
	for caller := range callers {
		group.Go(func() {
			pprof.Do(calls, pprof.Labels("work", c.name+" "+name), func(ctx context.Context) {
				before := time.Now()
				for before.Before(end) && errs[caller] == nil {
					if what == "Open" {
						errs[caller] = c.open(ctx, caller)
					} else {
						place := (c.turn[caller]*callers + caller) % len(order)
						c.turn[caller]++
						errs[caller] = c.do(ctx, caller, order[place])
					}
					now := time.Now()
					latencies[caller] = append(latencies[caller], now.Sub(before))
					before = now
				}
			})
		})
	}
	group.Wait()
	one.elapsed, one.cpu = time.Since(begin), cputime.Self()-cpu
	for caller := range callers {
		if errs[caller] != nil {
			return one, errs[caller]
		}
		one.latencies = append(one.latencies, latencies[caller]...)
	}
	one.n = len(one.latencies)
	if what == "Open" {
		c.opens += one.n
	} else {
		c.dos += one.n
	}
	return one, nil
}

func (r *result) compare() {
	for i := range r.lib {
		r.ratios = append(r.ratios, r.lib[i].rate()/r.bare[i].rate())
		r.cpu = append(r.cpu, r.lib[i].micros()-r.bare[i].micros())
	}
}

func median(list []float64) float64 {
	list = slices.Sorted(slices.Values(list))
	n := len(list)
	if n%2 == 1 {
		return list[n/2]
	}
	return (list[n/2-1] + list[n/2]) / 2
}

func rate(list []segment) float64 {
	var rates []float64
	for i := range list {
		rates = append(rates, list[i].rate())
	}
	return median(rates)
}

// least is the CPU time of a call in the best round. Other work on the machine only
// adds to it, because it displaces caches.
func least(list []segment) float64 {
	best := math.Inf(1)
	for i := range list {
		best = min(best, list[i].micros())
	}
	return best
}

// quantile returns a quantile of the latencies of all rounds.
func quantile(list []segment, q float64) time.Duration {
	var all []time.Duration
	for i := range list {
		all = append(all, list[i].latencies...)
	}
	slices.Sort(all)
	return all[min(len(all)-1, int(q*float64(len(all))))]
}

func ms(d time.Duration) string { return fmt.Sprintf("%.2f", d.Seconds()*1000) }

func verdict(met bool) string {
	if met {
		return "ok"
	}
	return "MISSED"
}

func thousands(x float64) string {
	n := int(math.Round(x))
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%d,%03d", n/1000, n%1000)
}

// table prints the measurements.
func table(w io.Writer, results []result) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(cells ...string) { _, _ = fmt.Fprintln(t, strings.Join(cells, "\t")) } // Flush has the error
	row("library against", "bare", "ratio", "least–most", "aim", "", "library/s", "bare/s", "p50/p99 ms", "bare p50/p99", "CPU above µs", "best rounds")
	for i := range results {
		r := &results[i]
		aim, met := "", ""
		if r.aim > 0 {
			aim, met = fmt.Sprintf("≥ %.1f", r.aim), verdict(math.Round(median(r.ratios)*100)/100 >= r.aim)
		}
		latency := func(list []segment) string {
			if r.unit != "" {
				return ""
			}
			return ms(quantile(list, 0.5)) + " / " + ms(quantile(list, 0.99))
		}
		library := latency(r.lib)
		if r.aimP99 > 0 {
			library += fmt.Sprintf(" (< %d %s)", r.aimP99.Milliseconds(), verdict(quantile(r.lib, 0.99) < r.aimP99))
		}
		unit := ""
		if r.unit != "" {
			unit = " " + r.unit
		}
		cpu := fmt.Sprintf("%.1f", median(r.cpu))
		if r.aimCPU > 0 {
			cpu += fmt.Sprintf(" (≤ %.0f %s)", r.aimCPU, verdict(median(r.cpu) <= r.aimCPU))
		}
		ratio, spread := fmt.Sprintf("%.2f", median(r.ratios)), fmt.Sprintf("%.2f–%.2f", slices.Min(r.ratios), slices.Max(r.ratios))
		if r.silent {
			ratio, spread = "", ""
		}
		row(r.name, r.against, ratio, spread, aim, met,
			thousands(rate(r.lib))+unit, thousands(rate(r.bare))+unit, library, latency(r.bare), cpu, fmt.Sprintf("%.1f", least(r.lib)-least(r.bare)))
	}
	return t.Flush()
}
