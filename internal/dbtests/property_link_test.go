package dbtests_test

import (
	"slices"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
)

// A heldLink is a status link with the facts of its creation.
type heldLink struct {
	token  string
	tenant string
	id     ticket.ID
	who    string
	reply  bool
	upload bool
	until  time.Time
	epoch  int // how often links had been revoked
}

// makeLink makes a link for an actor, or checks the refusal.
func (w *world) makeLink() {
	w.Helper()
	r := w.of[w.tickets[w.rng.IntN(len(w.tickets))]]
	a, p := boss(r.now.Tenant), w.person()
	if w.one(3) {
		a = ticket.Requester(w.person()).InTenant(r.now.Tenant)
	} else if w.one(3) {
		a = w.agent(r.now.Tenant)
	}
	may := w.rng.IntN(4)
	q := ticket.StatusLinkRequest{For: p, Reply: may&1 != 0, Upload: may&2 != 0, TTL: pickOf(w, time.Minute, 24*time.Hour, 600*24*time.Hour)}
	token, err := w.desk.StatusLink(w.Context(), a, r.id, q)
	switch who := clean(p.ID); {
	case !w.sees(a, r):
		require.ErrorIs(w, err, ticket.ErrNotFound)
	case a.Role == ticket.RoleRequester && clean(a.Person.ID) != who, a.Role == ticket.RoleAgent && (q.Reply || q.Upload):
		require.ErrorIs(w, err, ticket.ErrRefused)
	case !r.part(who):
		require.ErrorIs(w, err, ticket.ErrInvalid)
	default:
		require.NoError(w, err)
		w.links = append(w.links, heldLink{token, r.now.Tenant, r.id, who, q.Reply, q.Upload, w.clock.Now().Add(q.TTL), r.revoked})
	}
}

// useLink tries every use of a link. While it is valid, the link opens its ticket
// for its holder within its scope, and nothing else.
func (w *world) useLink() {
	w.Helper()
	w.makeLink()
	if len(w.links) == 0 {
		return
	}
	l := pickOf(w, w.links[max(0, len(w.links)-8):]...)
	w.note("link of %s to %s", l.who, w.of[l.id].number)
	w.done["link"]++
	holder, r := ticket.StatusLinkHolder(l.token).InTenant(l.tenant), w.of[l.id]
	for _, tenant := range append([]string{"elsewhere"}, worldTenants...) {
		if tenant != l.tenant {
			_, err := w.desk.Track(w.Context(), ticket.StatusLinkHolder(l.token).InTenant(tenant), "")
			require.ErrorIs(w, err, ticket.ErrStatusLink)
		}
	}
	act := ticket.Action{Name: pickOf(w, ticket.ActionReply, ticket.ActionReply, ticket.ActionReply, ticket.ActionCancel, ticket.ActionReopen, ticket.ActionNote, ticket.ActionEdit)}
	if w.one(2) {
		act.Message = w.words(l.tenant)
	}
	if w.one(3) {
		act.Attachments = []ticket.Attachment{{Name: "photo.png", Ref: secretNote}}
	}
	id := l.id
	if w.one(4) {
		id = w.tickets[w.rng.IntN(len(w.tickets))]
	}
	reader := ticket.Requester(ticket.Person{ID: l.who}).InTenant(l.tenant)
	if !w.clock.Now().Before(l.until) || r.revoked != l.epoch || !r.part(l.who) {
		w.done["dead link"]++
		_, err := w.desk.Track(w.Context(), holder, "")
		require.ErrorIs(w, err, ticket.ErrStatusLink)
		_, _, err = w.desk.Messages(w.Context(), holder, r.number, "")
		require.ErrorIs(w, err, ticket.ErrStatusLink)
		_, err = w.desk.Do(w.Context(), holder, id, act)
		require.ErrorIs(w, err, ticket.ErrStatusLink)
		require.Empty(w, w.refresh())
		return
	}
	last := w.leads(reader, r)
	require.Equal(w, w.thread(l.who, last, true), w.messages(holder, ""))
	require.Equal(w, w.thread(l.who, last, true), w.messages(holder, r.number))
	other := w.of[w.tickets[w.rng.IntN(len(w.tickets))]]
	if o := w.leads(reader, other); o != last || !w.sees(reader, other) {
		_, err := w.desk.Track(w.Context(), holder, other.number)
		require.ErrorIs(w, err, ticket.ErrNotFound, "a link opens another ticket")
	}
	w.onlyTracks(holder, l)

	may := act.Name == ticket.ActionReply && (act.Message != "" || len(act.Attachments) > 0) &&
		(act.Message == "" || l.reply) && (len(act.Attachments) == 0 || l.upload)
	reach := id == l.id || id == last.id
	got, err := w.desk.Do(w.Context(), holder, id, act)
	changed := w.refresh()
	switch {
	case !may || !reach:
		require.Error(w, err)
		require.Empty(w, changed, "a link allowed more than its scope")
		w.done["link refused"]++
	case err != nil:
		require.ErrorIs(w, err, ticket.ErrRefused)
		require.Empty(w, changed)
	default:
		w.public(l.tenant, got)
		require.Zero(w, got.Requester, "the holder of a link may be an unknown person")
		w.done["link writes"]++
		now := w.of[got.ID]
		e := now.events[len(now.events)-1]
		require.Equal(w, act.Message, e.Message)
		require.Equal(w, l.who, e.Actor.ID)
		if len(now.events) == 1 {
			w.origin[got.ID] = last.id
		}
	}
}

// onlyTracks checks that the holder of a link can only track and reply.
func (w *world) onlyTracks(holder ticket.Actor, l heldLink) {
	w.Helper()
	_, err := w.desk.Get(w.Context(), holder, l.id)
	require.ErrorIs(w, err, ticket.ErrRefused)
	_, err = w.desk.List(w.Context(), holder, ticket.Query{})
	require.ErrorIs(w, err, ticket.ErrRefused)
	_, err = w.desk.Search(w.Context(), holder, ticket.SearchQuery{Text: "loom"})
	require.ErrorIs(w, err, ticket.ErrRefused)
	_, err = w.desk.StatusLink(w.Context(), holder, l.id, ticket.StatusLinkRequest{})
	require.ErrorIs(w, err, ticket.ErrRefused)
	_, err = w.desk.RevokeStatusLinks(w.Context(), holder, l.id)
	require.ErrorIs(w, err, ticket.ErrRefused)
	_, err = w.desk.Open(w.Context(), holder, ticket.Draft{Subject: "s"})
	require.ErrorIs(w, err, ticket.ErrRefused)
	for _, err := range w.desk.Events(w.Context(), holder, l.id) {
		require.ErrorIs(w, err, ticket.ErrRefused)
	}
}

// revoke revokes a ticket's links.
func (w *world) revoke(a ticket.Actor, r *record) {
	w.Helper()
	w.note("%s revokes the links of %s", a, r.number)
	_, err := w.desk.RevokeStatusLinks(w.Context(), a, r.id)
	within := w.within(r)
	changed := w.refresh()
	switch {
	case !w.sees(a, r):
		require.ErrorIs(w, err, ticket.ErrNotFound)
	case a.Role == ticket.RoleRequester && r.owner() != clean(a.Person.ID):
		require.ErrorIs(w, err, ticket.ErrRefused)
	default:
		require.NoError(w, err)
		w.done["revoke links"]++
		require.Len(w, changed, len(within), "its own, and those of merged tickets")
		require.True(w, slices.Contains(changed, r.id))
		return
	}
	require.Empty(w, changed)
}
