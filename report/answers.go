package report

// The outcomes of a wait for an answer.
const (
	answered   = "answered"
	waiting    = "waiting"
	unanswered = "finished without an answer"
)

// answers are the figures "first answer" and "next answer".
type answers struct {
	First outcomes `json:"first"`
	Next  outcomes `json:"next"`
}

// outcomes counts how waits ended, and how long those took that were answered.
type outcomes struct {
	Took       timed `json:"took"`
	Waiting    int64 `json:"waiting"`
	Unanswered int64 `json:"unanswered"`
}

func (f *answers) add(l *life, env *env) {
	if l.gone() {
		return
	}
	if env.has(l.created) {
		switch {
		case l.firstAns != 0:
			f.First.Took.add(env, l.created, l.firstAt)
		case l.last.holder.open():
			f.First.Waiting++
		default:
			f.First.Unanswered++
		}
	}
	for _, w := range l.waits {
		switch {
		case !env.has(w.from):
		case w.outcome == answered:
			f.Next.Took.add(env, w.from, w.to)
		case w.outcome == waiting:
			f.Next.Waiting++
		default:
			f.Next.Unanswered++
		}
	}
}

func (f *answers) tables(env *env) []Table {
	first := Figure{
		Name: "first answer", Version: 1,
		Population: "tickets created in the period" + notMerged,
		Formula:    "from the creation to the first message or files of an agent for the customer, automatic ones excepted",
		Unit:       unitTickets,
	}
	next := Figure{
		Name: "next answer", Version: 1,
		Population: "waits that began in the period: words of a customer, not automatic, on an open ticket that was answered before and where no customer waits yet" + notMerged,
		Formula:    "from these words to the next answer of an agent; a solution is an answer",
		Unit:       "waits; times in seconds",
	}
	return append(f.First.tables(env, first), f.Next.tables(env, next)...)
}

func (o *outcomes) tables(env *env, f Figure) []Table {
	return env.both(f, []string{"outcome", "count", "median", "p90", "precision"}, func(clock int) [][]Value {
		s := o.Took.of(clock)
		return [][]Value{
			{textOf(answered), countOf(s.N), percentileOf(s, 50), percentileOf(s, 90), textOf(s.precision())},
			{textOf(waiting), countOf(o.Waiting), {}, {}, {}},
			{textOf(unanswered), countOf(o.Unanswered), {}, {}, {}},
		}
	})
}
