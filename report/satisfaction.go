package report

import "fmt"

// satisfaction is the figure of that name.
type satisfaction struct {
	Asked   int64           `json:"asked"`   // requesters who were asked in the period
	Rated   int64           `json:"rated"`   // those of them who gave a rating
	Unasked int64           `json:"unasked"` // ratings in the period that nobody asked for
	Scores  [maxScore]int64 `json:"scores"`  // of Rated, from 1 on
}

const maxScore = 5

// rating is the rating of a ticket by its requester. A ticket has one at most.
type rating struct {
	asked int64 // when the desk asked for it; 0 if it did not
	at    int64
	score int // 1 to maxScore; 0 if there is none
}

func (f *satisfaction) add(l *life, env *env) {
	r := &l.rating
	given := r.score >= 1 && r.score <= maxScore
	switch {
	case r.asked != 0 && env.has(r.asked):
		f.Asked++
		if given {
			f.Rated++
			f.Scores[r.score-1]++
		}
	case r.asked == 0 && given && env.has(r.at):
		f.Unasked++
	}
}

// unused reports whether nobody was asked and nobody gave a rating.
func (f *satisfaction) unused() bool { return f.Asked+f.Unasked == 0 }

func (f *satisfaction) tables(*env) []Table {
	t := Table{Figure: Figure{
		Name: "satisfaction", Version: 1,
		Population: "tickets whose requester was asked for a rating in the period",
		Formula: "rated: those that the requester rated up to the end of the period. response rate: rated, of asked. median: of their scores. " +
			"unasked: ratings in the period by requesters who were not asked; no other number contains them",
		Unit: "tickets; scores from 1 to 5, 5 is best; shares in percent", Clock: ClockWall,
	}, Columns: []string{"asked", "rated", "response rate", "median"}}
	row := []Value{countOf(f.Asked), countOf(f.Rated), shareOf(f.Rated, f.Asked), countOf(f.median())}
	for i, n := range f.Scores {
		t.Columns = append(t.Columns, fmt.Sprintf("score %d", i+1))
		row = append(row, countOf(n))
	}
	t.Columns = append(t.Columns, "unasked")
	t.Rows = [][]Value{append(row, countOf(f.Unasked))}
	return []Table{t}
}

// median returns the median of the scores, by nearest rank.
func (f *satisfaction) median() int64 {
	if f.Rated == 0 {
		return 0
	}
	rank := (f.Rated + 1) / 2
	for i, n := range f.Scores {
		if rank -= n; rank <= 0 {
			return int64(i + 1)
		}
	}
	return 0
}
