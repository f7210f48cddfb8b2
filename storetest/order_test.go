package storetest

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestOrderOfWriting checks the table in docs/stores.md: which cases pass after each
// step of writing the methods, and that all pass at the end.
func TestOrderOfWriting(t *testing.T) {
	text, err := os.ReadFile("../docs/stores.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile("(?m)^   \\| (`.*) \\| (.*) \\|$").FindAllStringSubmatch(string(text), -1)
	quoted := regexp.MustCompile("`([^`]+)`")
	var written []string
	for _, row := range rows {
		for _, m := range quoted.FindAllStringSubmatch(row[1], -1) {
			written = append(written, m[1])
		}
		var begins []string
		for _, m := range quoted.FindAllStringSubmatch(row[2], -1) {
			begins = append(begins, m[1])
		}
		for _, begin := range begins {
			if !slices.ContainsFunc(rules(), func(r rule) bool { return strings.HasPrefix(r.name, begin) }) {
				t.Errorf("no case is named %q", begin)
			}
		}
		for _, r := range rules() {
			named := slices.ContainsFunc(begins, func(begin string) bool { return strings.HasPrefix(r.name, begin) })
			if r.lacks != nil || !named && row[2] != "all of them" {
				continue
			}
			message := proveOn(t.Context(), r, lacking(func(m string) bool { return !slices.Contains(written, m) }))
			if message != "" {
				t.Errorf("%s does not pass when %v are written: %s", r.name, written, message)
			}
		}
	}
	if !slices.Equal(written, storeMethods) {
		t.Errorf("written are %v, want %v", written, storeMethods)
	}
}
