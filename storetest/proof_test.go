package storetest

import (
	"context"
	"fmt"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/memstore"
)

// A fault is a store that breaks one rule.
type fault struct {
	name   string
	caught string // name of the only case that fails
	with   func(f *faulty)
}

// faults returns all faults.
func faults() []fault {
	return slices.Concat(commitFaults, raceFaults, readFaults, listFaults, listChangeFaults, stageFaults, clockFaults, dueFaults, wakeFaults, claimFaults, lineFaults, settleFaults,
		deliveriesFaults, updateFaults, loaderFaults, pruneFaults, pruneDeliveriesFaults, rescheduleFaults, eraseFaults, traceFaults, closedFaults, mailFaults,
		searchFaults, candidateFaults, countsFaults, countFaults, exportFaults, valueFaults, longFaults, ageFaults, manyFaults, argumentFaults, tenantFaults, joinedFaults, contextFaults, durableFaults)
}

// methods returns the methods that each case calls, by the name of the case. A case is
// run on the faults in these and cannot notice others.
var methods = sync.OnceValue(func() map[string][]string {
	used := map[string][]string{}
	for _, r := range rules() {
		store := &faulty{Store: memstore.New()}
		proveOn(context.Background(), r, store)
		store.used.Range(func(method, _ any) bool {
			used[r.name] = append(used[r.name], method.(string))
			return true
		})
	}
	return used
})

// TestFaults runs all cases on every broken store.
func TestFaults(t *testing.T) {
	if raceDetector {
		t.Skip("make test runs it without the race detector, with which it takes minutes and finds nothing more")
	}
	for _, f := range faults() {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			var failed []string
			for _, r := range rules() {
				store := &faulty{Store: memstore.New()}
				f.with(store)
				if !slices.ContainsFunc(methods()[r.name], store.replaces) || builds(r, f.caught) {
					continue
				}
				message := proveOn(t.Context(), r, store)
				for i := 0; i < 10 && message == "" && r.needs == Concurrency && r.name == f.caught; i++ { // it may pass by chance
					again := &faulty{Store: memstore.New()}
					f.with(again)
					message = proveOn(t.Context(), r, again)
				}
				if message != "" {
					failed = append(failed, r.name)
					t.Logf("%s: %s", r.name, message)
					if !strings.HasPrefix(message, r.says) {
						t.Errorf("%s failed without its sentence", r.name)
					}
				}
			}
			if !slices.Equal(failed, []string{f.caught}) {
				t.Errorf("caught by %q, want %q alone", failed, f.caught)
			}
		})
	}
}

// builds reports whether the case builds upon the named one. Such a case may also fail
// on a store that fails the named one.
func builds(r rule, name string) bool {
	return r.name != name && slices.ContainsFunc(r.upon, func(upon string) bool { return strings.HasPrefix(name, upon) })
}

// TestNoFault runs all cases on wrappers that break nothing.
func TestNoFault(t *testing.T) {
	for _, r := range rules() {
		for what, s := range map[string]ticket.Store{"memstore": memstore.New(), "a naive outbox": newNaive(memstore.New())} {
			if message := proveOn(t.Context(), r, &faulty{Store: s}); message != "" {
				t.Errorf("%s on %s: %s", r.name, what, message)
			}
		}
	}
}

// TestOptions runs the suite with the options for a durable store that serves one call at
// a time.
func TestOptions(t *testing.T) {
	Run(t, func(*testing.T) ticket.Store { return memstore.New() },
		Reopen(func(_ *testing.T, s ticket.Store) ticket.Store { return s }),
		Without(Concurrency))
}

// TestEveryCaseIsProven expects a fault for each case, and unique names.
func TestEveryCaseIsProven(t *testing.T) {
	caught, names := map[string]bool{}, map[string]bool{}
	for _, f := range faults() {
		caught[f.caught] = true
		if names[f.name] {
			t.Errorf("two faults are named %q", f.name)
		}
		names[f.name] = true
	}
	for _, r := range rules() {
		if !caught[r.name] {
			t.Errorf("no broken store proves the case %q", r.name)
		}
		if names[r.name] {
			t.Errorf("two cases are named %q", r.name)
		}
		names[r.name] = true
	}
}

// TestSentences expects the contract to contain the sentence of every case, word for
// word, and a case for every sentence of the contract with "must".
func TestSentences(t *testing.T) {
	all, store := comments(t, "../*.go"), comments(t, "../store.go")
	var says []string
	for _, r := range rules() {
		if !strings.Contains(all, r.says) {
			t.Errorf("%s: the contract does not say %q", r.name, r.says)
		}
		says = append(says, r.says)
	}
	contract := store[strings.Index(store, "For all methods"):strings.Index(store, "Ref (for stores)")] + " " + comments(t, "../store_optional.go") + " " + comments(t, "../store_erase.go") + " " + mailContract(t)
	for _, sentence := range regexp.MustCompile(`[.:] +`).Split(contract, -1) {
		if strings.Contains(sentence, " must ") && !slices.ContainsFunc(says, func(s string) bool { return strings.Contains(s, sentence) || strings.Contains(sentence, s) }) {
			t.Errorf("no case proves %q", sentence)
		}
	}
}

// mailContract returns the comments of ticket.MailStore.
func mailContract(t *testing.T) string {
	all := comments(t, "../store_mail.go")
	return all[strings.Index(all, "MailStore (for stores)"):strings.Index(all, "MailClaim (for stores)")]
}

// comments returns all comments of the files, on one line.
func comments(t *testing.T, pattern string) string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, name := range files {
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, src, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range f.Comments {
			all = append(all, strings.ReplaceAll(c.Text(), "\n  - ", "\n"))
		}
	}
	return strings.Join(strings.Fields(strings.Join(all, " ")), " ")
}

// proveOn runs one case on a store and returns its message, or "".
func proveOn(ctx context.Context, r rule, store *faulty) string {
	rec := &recorder{ctx: ctx}
	done := make(chan struct{})
	go func() { // FailNow ends this goroutine
		defer close(done)
		defer func() {
			if p := recover(); p != nil {
				rec.Errorf("panic: %v\n%s", p, debug.Stack())
			}
		}()
		r.prove(newKit(rec, r, store, func(ticket.Store) ticket.Store { return store.reopened() }))
	}()
	<-done
	return strings.Join(rec.messages, "\n")
}

// A recorder stands in for the testing.T of a case.
type recorder struct {
	ctx      context.Context
	messages []string
}

func (r *recorder) Helper()                  {}
func (r *recorder) Context() context.Context { return r.ctx }
func (r *recorder) FailNow()                 { runtime.Goexit() }
func (r *recorder) Errorf(format string, args ...any) {
	r.messages = append(r.messages, fmt.Sprintf(format, args...))
}
