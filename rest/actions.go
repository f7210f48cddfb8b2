package rest

import (
	"errors"
	"math"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/ticketkit/ticket"
)

func (c *call) listActions() error {
	if c.customer() {
		return c.customersActions()
	}
	t, err := c.ticket()
	if err != nil {
		return err
	}
	out := choicesJSON{Actions: []choiceJSON{}}
	for _, choice := range c.h.desk.Actions(c.actor, t) {
		out.Actions = append(out.Actions, choiceOf(choice))
	}
	c.w.Header().Set("ETag", `"`+versionTag(t.Version)+`"`)
	return c.json(http.StatusOK, out)
}

// customersActions lists what the customer can do. The view decides it on the stored ticket, and
// the inputs come from the customer's copy of it. Reasons are words for agents.
func (c *call) customersActions() error {
	v, err := c.h.desk.Track(c.ctx(), c.actor, c.ref())
	if err != nil {
		return inPath(err)
	}
	tag, err := viewTag(c.seen(v))
	if err != nil {
		return err
	}
	var known []ticket.Choice
	t, err := c.h.desk.Get(c.ctx(), c.actor, v.ID)
	if err == nil {
		known = c.h.desk.Actions(c.actor, t)
	} else if !c.holds(err) {
		return err
	}
	out := choicesJSON{Actions: []choiceJSON{}}
	for _, name := range v.Actions {
		choice := choiceJSON{Action: name, Allowed: true}
		if i := slices.IndexFunc(known, func(k ticket.Choice) bool { return k.Action == name && k.Allowed }); i >= 0 {
			choice = choiceOf(known[i])
			choice.To = ticket.State{}
		}
		out.Actions = append(out.Actions, choice)
	}
	c.w.Header().Set("ETag", `"`+tag+`"`)
	return c.json(http.StatusOK, out)
}

func (c *call) doAction() error {
	tags, pinned, err := c.match()
	if err != nil {
		return err
	}
	act, err := c.readAction()
	if err != nil {
		return err
	}
	id, err := c.id()
	if err != nil {
		return err
	}
	if act.Key, err = c.key(id.String()); err != nil {
		return err
	}
	if pinned && c.customer() {
		return c.doSeen(id, act, tags)
	}
	if pinned {
		act.Version = latest(tags, math.MaxInt64)
	}
	t, err := c.h.desk.Do(c.ctx(), c.actor, id, act)
	if stale, ok := errors.AsType[*ticket.StaleError](err); ok && act.Version > stale.Current {
		if known := latest(tags, stale.Current); known <= stale.Current { // one of several tags
			act.Version = known
			t, err = c.h.desk.Do(c.ctx(), c.actor, id, act)
		}
	}
	if err != nil {
		return c.pinFault(err)
	}
	return c.done(id, t)
}

// latest returns the latest version among entity tags that is not later than most. If there is
// none, it returns one that no ticket has, which is stale unless the key has a receipt.
func latest(tags []string, most int64) int64 {
	v := int64(0)
	for _, tag := range tags {
		if n := versionOf(tag); n <= most {
			v = max(v, n)
		}
	}
	if v == 0 {
		return math.MaxInt64
	}
	return v
}

// doSeen does the action of a customer who has pinned it to what they saw. If that is what they
// see now, the action is pinned to the version of now.
func (c *call) doSeen(id ticket.ID, act ticket.Action, tags []string) error {
	v, err := c.h.desk.Track(c.ctx(), c.actor, id.String())
	if err != nil {
		return err
	}
	now, err := viewTag(c.seen(v))
	if err != nil {
		return err
	}
	act.Version = v.Version
	if !slices.Contains(tags, now) {
		if act.Key == "" {
			return c.staleView(now)
		}
		act.Version = math.MaxInt64 // stale, unless it is a repeat
	}
	t, err := c.h.desk.Do(c.ctx(), c.actor, id, act)
	if errors.Is(err, ticket.ErrStale) {
		return c.staleView(now)
	}
	if err != nil {
		return err
	}
	return c.done(id, t)
}

// staleView tells a customer that they see something else now. What changed is in the view.
func (c *call) staleView(now string) error {
	c.w.Header().Set("ETag", `"`+now+`"`)
	return &problem{kind: kindStale, detail: "Get track again, and look at what has changed."}
}

// pinFault adds the current entity tag to the answer to a stale action.
func (c *call) pinFault(err error) error {
	if stale, ok := errors.AsType[*ticket.StaleError](err); ok {
		c.w.Header().Set("ETag", `"`+versionTag(stale.Current)+`"`)
	}
	return err
}

// done answers with the ticket that an action returned. It can be another one.
func (c *call) done(id ticket.ID, t ticket.Ticket) error {
	at := "../" + t.ID.String()
	c.w.Header().Set("Content-Location", at)
	if t.ID != id {
		c.w.Header().Set("Location", at)
	}
	return c.ticketAnswer(http.StatusOK, t)
}

func (c *call) explainAction() error {
	act, fault := c.readAction()
	if _, invalid := errors.AsType[*ticket.InvalidError](fault); fault != nil && !invalid {
		return fault
	}
	t, err := c.ticket()
	if err != nil {
		return err
	}
	if err = fault; err == nil {
		err = c.h.desk.Explain(c.ctx(), c.actor, t, act)
	}
	if err == nil {
		return c.json(http.StatusOK, explanationJSON{Allowed: true})
	}
	p := c.problemOf(err)
	if p.code() >= http.StatusInternalServerError {
		return p
	}
	return c.json(http.StatusOK, explanationJSON{Problem: new(p.document())})
}

func (c *call) rateTicket() error {
	var b ratingBody
	if err := c.body(&b); err != nil {
		return err
	}
	id, err := c.id()
	if err != nil {
		return err
	}
	key, err := c.key(id.String())
	if err != nil {
		return err
	}
	t, err := c.h.desk.Rate(c.ctx(), c.actor, id, ticket.Rating{Score: b.Score, Message: b.Message, Channel: b.Channel, Key: key})
	if err != nil {
		return err
	}
	return c.done(id, t)
}

func (c *call) makeStatusLink() error {
	var b linkBody
	if err := c.body(&b); err != nil {
		return err
	}
	id, err := c.id()
	if err != nil {
		return err
	}
	const longest = int64(math.MaxInt64 / time.Second)
	if b.TTLSeconds < 0 || b.TTLSeconds > longest {
		return &ticket.InvalidError{Field: "link.ttl", Reason: "must be 0 to " + strconv.FormatInt(longest, 10) + " seconds"}
	}
	token, err := c.h.desk.StatusLink(c.ctx(), c.actor, id, ticket.StatusLinkRequest{
		For: b.For, Reply: b.Reply, Upload: b.Upload, Confirm: b.Confirm, Reopen: b.Reopen, Cancel: b.Cancel, Rate: b.Rate,
		TTL: time.Duration(b.TTLSeconds) * time.Second,
	})
	if err != nil {
		return err
	}
	return c.json(created, tokenJSON{token})
}

func (c *call) revokeStatusLinks() error {
	id, err := c.id()
	if err != nil {
		return err
	}
	t, err := c.h.desk.RevokeStatusLinks(c.ctx(), c.actor, id)
	if err != nil {
		return err
	}
	return c.ticketAnswer(http.StatusOK, t)
}
