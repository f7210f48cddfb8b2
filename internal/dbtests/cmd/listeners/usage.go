package main

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"time"
)

// inUse returns the bytes of the heap and of the stacks, after a collection.
func inUse() int64 {
	runtime.GC()
	runtime.GC() // what has a finalizer goes with the second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc) + int64(m.StackInuse)
}

func percentile(times []time.Duration, p int) time.Duration {
	if len(times) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(times))
	return sorted[(len(sorted)-1)*p/100].Round(10 * time.Microsecond)
}

// left fails if goroutines of the streams are left.
func left(ctx context.Context) error {
	const few = 30
	for range 100 {
		if runtime.NumGoroutine() <= few {
			return nil
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return fmt.Errorf("%d goroutines are left", runtime.NumGoroutine())
}
