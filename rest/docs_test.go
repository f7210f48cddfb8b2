package rest_test

import (
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket/rest"
)

// docs/rest.md has a section for each type of problem, to which the type leads, and its status;
// the document lists the types.
func TestTypesOfProblemsAreExplained(t *testing.T) {
	page, err := os.ReadFile("../docs/rest.md")
	require.NoError(t, err)
	document, err := os.ReadFile("openapi.json")
	require.NoError(t, err)
	_, problems, found := strings.Cut(string(page), "\n## Problems\n")
	require.True(t, found)
	var explained, there []string
	for _, m := range regexp.MustCompile(`(?m)^### (\S+)\n\n(\d+)`).FindAllStringSubmatch(problems, -1) {
		explained = append(explained, m[1]+" "+m[2])
	}
	for name, status := range rest.KindNames() {
		there = append(there, name+" "+strconv.Itoa(status))
		assert.Contains(t, string(document), `"`+rest.ProblemBase+name+`"`)
	}
	slices.Sort(explained)
	slices.Sort(there)
	assert.Equal(t, there, explained)
}
