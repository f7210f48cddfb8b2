package ticket

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Words that an agent took over from another ticket still belong to their writer.
func TestWordsTakenOverKeepTheirAuthor(t *testing.T) {
	split := laterEvents()[0]
	require.NotZero(t, split.Author)
	for reader, own := range map[Person]bool{bobP: true, adaP: false, {}: false} {
		p := publisher{reader: reader, agents: true, links: &StatusLinks{}}
		e, visible := p.publish(moment{Event: split})
		require.True(t, visible)
		require.Equal(t, Person{Name: "Bob"}, e.Actor)
		require.Zero(t, e.Author)
		m := viewMessage(&e)
		require.Equal(t, "Bob", m.Name)
		require.False(t, m.FromDesk)
		require.Equal(t, own, said(&split, reader))
	}
}
