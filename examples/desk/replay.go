package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"path"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ticketkit/ticket"
)

// clock is the time of the log while it is replayed.
type clock struct{ micros atomic.Int64 }

func (c *clock) now() time.Time  { return time.UnixMicro(c.micros.Load()) }
func (c *clock) set(t time.Time) { c.micros.Store(t.UnixMicro()) }

// replay performs the lines of a log on a desk, at their times.
type replay struct {
	desk    *ticket.Desk
	clock   *clock
	deliver bool // letters, too
	step    time.Duration

	cases  map[int]ticket.ID
	solved map[string]ticket.ID // the last solved case of a problem
	read   []ticket.Actor       // the agents
	done   int
	passed int // lines that the desk refused, because the case had gone another way
}

// run performs lines, and then lets the time pass until the end.
func (r *replay) run(ctx context.Context, lines []line, end time.Time) error {
	for _, l := range lines {
		if err := r.pass(ctx, l.At); err != nil {
			return err
		}
		err := r.perform(ctx, l)
		if errors.Is(err, ticket.ErrRefused) {
			r.passed++
			continue
		}
		if err != nil {
			return fmt.Errorf("case %d at %s, %s: %w", l.Case, l.At.Format(time.RFC3339), l.Action.Name, err)
		}
		r.done++
	}
	return r.pass(ctx, end)
}

// pass lets time pass, with everything that happens by itself meanwhile.
func (r *replay) pass(ctx context.Context, to time.Time) error {
	for next := r.clock.now().Truncate(r.step).Add(r.step); next.Before(to); next = next.Add(r.step) {
		r.clock.set(next)
		if _, err := r.desk.FireTimers(ctx); err != nil {
			return err
		}
		if r.deliver {
			if _, err := r.desk.Deliver(ctx); err != nil {
				return err
			}
		}
	}
	r.clock.set(to)
	return nil
}

func (r *replay) perform(ctx context.Context, l line) error {
	if l.Draft != nil {
		return r.open(ctx, l)
	}
	id, ok := r.cases[l.Case]
	if !ok {
		return &ticket.RefusedError{Why: "state"} // its beginning was refused
	}
	t, err := r.desk.Get(ctx, ticket.System("replay"), id)
	if err != nil {
		return err
	}
	actor := ticket.Requester(t.Requester)
	if l.By == "agent" {
		actor = r.agent(t, l.Case)
	}
	if l.Rating > 0 {
		_, err = r.desk.Rate(ctx, actor, id, ticket.Rating{Score: l.Rating, Message: l.Action.Message, Channel: ticket.ChannelWeb})
		return err
	}
	act := l.Action
	if l.Into > 0 {
		if act.Ticket, ok = r.cases[l.Into]; !ok {
			return &ticket.RefusedError{Why: "state"} // it begins later
		}
	}
	if l.Helped {
		if act.SolvedBy = r.solved[l.Tag]; act.SolvedBy == id {
			act.SolvedBy = ticket.ID{}
		}
		act.Suggested = !act.SolvedBy.IsZero()
	}
	if act.Attachments, err = r.attach(ctx, actor, l.File); err != nil {
		return err
	}
	if _, err := r.desk.Do(ctx, actor, id, act); err != nil {
		return err
	}
	if act.Name == ticket.ActionResolve {
		r.solved[l.Tag] = id
	}
	return nil
}

func (r *replay) open(ctx context.Context, l line) error {
	d := *l.Draft
	actor := ticket.Requester(d.Requester)
	if l.By == "agent" {
		actor = r.read[l.Case%2] // those at the telephone
	}
	var err error
	if d.Attachments, err = r.attach(ctx, actor, l.File); err != nil {
		return err
	}
	t, err := r.desk.Open(ctx, actor, d)
	if err != nil {
		return err
	}
	r.cases[l.Case] = t.ID
	return nil
}

// agent returns who acts on a case: the assignee, or else somebody at its level.
func (r *replay) agent(t ticket.Ticket, n int) ticket.Actor {
	able := slices.DeleteFunc(slices.Clone(r.read), func(a ticket.Actor) bool { return !a.ServesLevel(t.Level) })
	if i := slices.IndexFunc(able, func(a ticket.Actor) bool { return a.Person.ID == t.Assignee }); i >= 0 {
		return able[i]
	}
	return able[n%len(able)]
}

func (r *replay) attach(ctx context.Context, a ticket.Actor, name string) ([]ticket.Attachment, error) {
	if name == "" {
		return nil, nil
	}
	content, kind := fileNamed(name)
	f, err := r.desk.Attach(ctx, a, name, kind, bytes.NewReader(content))
	return []ticket.Attachment{f}, err
}

// fileNamed makes the content of a file: a picture, or lines of a log.
func fileNamed(name string) (content []byte, kind string) {
	if path.Ext(name) != ".png" {
		var b strings.Builder
		for i := range 400 {
			fmt.Fprintf(&b, "%02d:%02d:%02d radio awake, battery %d %%\n", i/60, i%60, i*7%60, 100-i/8)
		}
		return []byte(b.String()), "text/plain"
	}
	const width, height = 320, 200
	img := image.NewPaletted(image.Rect(0, 0, width, height), color.Palette{color.Gray{0xee}, color.Gray{0x33}, color.RGBA{0x0f, 0x62, 0xa8, 0xff}})
	for y := range height {
		for x := range width {
			switch {
			case x < 8 || y < 8 || x >= width-8 || y >= height-8:
				img.SetColorIndex(x, y, 1)
			case name == "screen.png" && abs(x*height-y*width+400*(y%9)) < 500, name != "screen.png" && y%20 < 3 && x < 40+y*7%200:
				img.SetColorIndex(x, y, 2)
			}
		}
	}
	var b bytes.Buffer
	_ = png.Encode(&b, img) // into memory
	return b.Bytes(), "image/png"
}

func abs(n int) int { return max(n, -n) }
