package ticket_test

import (
	"cmp"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const module = "github.com/ticketkit/ticket"

// The picture in docs/design.md has an arrow for each import between packages
// of the library, and no other arrow.
func TestPictureOfTheHouseIsTrue(t *testing.T) {
	inRepository(t)
	text, err := os.ReadFile("docs/design.md")
	require.NoError(t, err)
	picture := regexp.MustCompile("(?s)```mermaid\n(.*?)```").FindSubmatch(text)
	require.NotNil(t, picture, "docs/design.md has no picture")
	var drawn []string
	for _, m := range regexp.MustCompile(`(?m)^\s+(\S+) --> (\S+)$`).FindAllStringSubmatch(string(picture[1]), -1) {
		drawn = append(drawn, m[1]+" --> "+m[2])
	}
	slices.Sort(drawn)
	assert.Equal(t, slices.Compact(slices.Clone(drawn)), drawn, "an arrow is drawn twice")
	assert.Equal(t, strings.Join(arrows(packages(t)), "\n"), strings.Join(drawn, "\n"),
		"the picture of docs/design.md does not show the imports there are")
	for dir := range packages(t) {
		assert.Contains(t, string(picture[1]), cmp.Or(strings.TrimPrefix(dir, "."), "ticket"), "the picture lacks a package")
	}
}

// Packages beside the root import the root and what is internal, and not each
// other; only sla imports businesshours too, mail and mailbox import
// replyaddress, and web imports report. Packages below internal/ import nothing of the library but one another.
func TestPackagesKeepToTheirPlace(t *testing.T) {
	inRepository(t)
	// A package below another one belongs to it.
	but := []string{"sla --> businesshours", "mail --> replyaddress", "mailbox --> replyaddress", "web --> report"}
	family := func(path string) string { first, _, _ := strings.Cut(path, "/"); return first }
	for _, arrow := range arrows(packages(t)) {
		from, to, _ := strings.Cut(arrow, " --> ")
		if family(from) == "internal" {
			assert.Equal(t, "internal", family(to), "a leaf imports something of the library: %s", arrow)
			continue
		}
		if from == "ticket" {
			assert.Equal(t, "internal", family(to), "the root imports a package beside it: %s", arrow)
			continue
		}
		if to != "ticket" && family(to) != "internal" && !slices.Contains(but, arrow) {
			assert.Equal(t, family(from), family(to), "packages beside the root import each other: %s", arrow)
		}
	}
}

// arrows returns the imports between packages, as the picture has them.
func arrows(imports map[string][]string) []string {
	name := func(path string) string {
		return cmp.Or(strings.TrimPrefix(strings.TrimPrefix(path, module), "/"), "ticket")
	}
	var all []string
	for _, dir := range slices.Sorted(maps.Keys(imports)) {
		for _, path := range imports[dir] {
			if path == module || strings.HasPrefix(path, module+"/") {
				all = append(all, cmp.Or(strings.TrimPrefix(dir, "."), "ticket")+" --> "+name(path))
			}
		}
	}
	slices.Sort(all)
	return all
}
