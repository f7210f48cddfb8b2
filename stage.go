package ticket

import "slices"

// Stage says how far a finished ticket was put away. Each stage includes those before it.
type Stage string

// The stages. A ticket becomes active again with the next thing that happens to it,
// clocks excepted; retention then starts again.
const (
	StageActive      Stage = ""             // in lists, counts and search
	StageArchived    Stage = "archived"     // left out of them, unless Query.Stage asks for it
	StageWordsErased Stage = "words erased" // retention has erased the texts, files, fields and remarks
	StageErased      Stage = "erased"       // retention has erased the persons too
)

// stages lists all stages in their order.
var stages = []Stage{StageActive, StageArchived, StageWordsErased, StageErased}

// Stages returns all stages in their order. As Query.Stage it selects every ticket.
func Stages() []Stage { return slices.Clone(stages) }
