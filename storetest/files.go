package storetest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"github.com/ticketkit/ticket"
)

const (
	saysFiles      = "ReferredFiles returns those of the digests, each once and in any order, that an attachment of an event of the tenant has, for customers or internal."
	saysFilesAll   = "It must find those of all events that are stored, as they are after the last Erase."
	saysFilesExact = "It must return no others."
)

var fileRules = []rule{
	{name: "Files/asked for", says: saysFiles, lacks: noFileReferrer, upon: filesUpon, prove: filesAskedFor},
	{name: "Files/every event", says: saysFilesAll, lacks: noFileReferrer, upon: filesUpon, prove: filesOfEveryEvent},
	{name: "Files/many", says: saysFilesAll, lacks: noFileReferrer, upon: filesUpon, prove: filesMany},
	{name: "Files/tenants", says: saysFilesExact, lacks: noFileReferrer, upon: filesUpon, prove: filesOfTenants},
	{name: "Files/erased", says: saysFilesExact, lacks: noEraserOfFiles, upon: append([]string{"Erase/"}, filesUpon...), prove: filesErased},
	{name: "Files/kept by another event", says: saysFilesAll, lacks: noEraserOfFiles, upon: append([]string{"Erase/", "Files/erased"}, filesUpon...), prove: filesKept},
	{name: "Files/cancelled", says: saysCancelled, lacks: noFileReferrer, upon: filesUpon, prove: filesCancelled},
}

// filesUpon names what all cases about ReferredFiles build upon.
var filesUpon = []string{"Commit/", "Ticket", "Events/", "Values/", "Many/"}

// noFileReferrer names the feature if the store lacks it.
func noFileReferrer(ctx context.Context, s ticket.Store) string {
	f, ok := s.(ticket.FileReferrer)
	if ok {
		_, err := f.ReferredFiles(ctx, acme, nil)
		ok = !errors.Is(err, errors.ErrUnsupported)
	}
	if !ok {
		return "index of files"
	}
	return ""
}

func noEraserOfFiles(ctx context.Context, s ticket.Store) string {
	if what := noFileReferrer(ctx, s); what != "" {
		return what
	}
	return noEraser(ctx, s)
}

func fileNamed(name string) ticket.Attachment {
	return ticket.Attachment{Name: name, Size: 1, SHA256: sha256.Sum256([]byte(name))}
}

func digestsOf(names ...string) (list []ticket.Digest) {
	for _, name := range names {
		list = append(list, fileNamed(name).SHA256)
	}
	return list
}

// attached is an edit that adds files for the customer.
func attached(names ...string) edit {
	return func(e *ticket.Event) {
		for _, name := range names {
			e.Attachments = append(e.Attachments, fileNamed(name))
		}
	}
}

// attachedInside is an edit that adds internal files.
func attachedInside(names ...string) edit {
	return func(e *ticket.Event) {
		for _, name := range names {
			e.NoteAttachments = append(e.NoteAttachments, fileNamed(name))
		}
	}
}

// refers expects these files alone to be found among the asked ones.
func (k *kit) refers(tenant string, asked, want []ticket.Digest, when string) {
	k.Helper()
	got, err := k.store.ReferredFiles(k.Context(), tenant, slices.Clone(asked))
	k.ok(err, "ReferredFiles")
	k.same(sortedDigests(got), sortedDigests(want), "files %s", when)
}

func sortedDigests(list []ticket.Digest) []ticket.Digest {
	return slices.SortedFunc(slices.Values(list), func(a, b ticket.Digest) int { return slices.Compare(a[:], b[:]) })
}

func filesAskedFor(k *kit) {
	k.commit(k.opened(acme, attached("a", "b")))
	k.commit(k.opened(acme, attached("b", "c", "c")))
	k.refers(acme, digestsOf("a", "b", "z"), digestsOf("a", "b"), "among three, one of which no event has")
	k.refers(acme, digestsOf("b", "b", "c"), digestsOf("b", "c"), "asked for twice, and used twice")
	k.refers(acme, nil, nil, "of none")
	k.refers(acme, []ticket.Digest{{}}, nil, "with the zero digest")
}

func filesOfEveryEvent(k *kit) {
	c := k.opened(acme, attached("first"), attached("of the same commit"), attachedInside("inside"))
	k.commit(c)
	more := next(c.Ticket, attached("later"), func(e *ticket.Event) {
		e.Set.AddTags = []string{"tagged"}
		attachedInside("inside, with a tag")(e)
	})
	k.commit(more)
	all := digestsOf("first", "of the same commit", "inside", "later", "inside, with a tag")
	k.refers(acme, all, all, "of every event")
	k.commit(next(more.Ticket, archived(ticket.StageArchived)))
	k.refers(acme, all, all, "of a ticket that was put away")
}

func filesMany(k *kit) {
	var asked, want []ticket.Digest
	c := k.opened(acme)
	k.commit(c)
	for i := range 3 {
		var names []string
		for j := range 50 {
			names = append(names, fmt.Sprintf("%d of %d", j, i))
		}
		c = next(c.Ticket, attached(names...))
		k.commit(c)
		want = append(want, digestsOf(names...)...)
	}
	for i := range 900 {
		asked = append(asked, digestsOf(fmt.Sprint("never stored ", i))...)
	}
	k.refers(acme, append(asked, want...), want, "among a thousand")
}

func filesOfTenants(k *kit) {
	k.commit(k.opened(acme, attached("theirs")))
	k.commit(k.opened("", attached("nobody's")))
	k.refers("other", digestsOf("theirs", "nobody's"), nil, "of a tenant without any")
	k.refers("", digestsOf("theirs", "nobody's"), digestsOf("nobody's"), "of the empty tenant")
}

// filesErased erases in two steps, and names the digest of an erased file in a message.
func filesErased(k *kit) {
	c := k.opened(acme, attached("public", "both"), attachedInside("inside"), func(e *ticket.Event) {
		e.Message = ticket.Message("received: " + fileNamed("public").SHA256.String())
	})
	k.commit(c)
	all := digestsOf("public", "both", "inside")
	k.refers(acme, all, all, "before the erasure")
	x := erasing(c.Events, ticket.Groups{PublicContent: true}, 1)
	k.erase(x)
	k.refers(acme, all, digestsOf("inside"), "after the words of the first event were erased")
	x = erasing(x.history, everything, 1, 2, 3)
	k.erase(x)
	k.refers(acme, all, nil, "after everything was erased")
}

func filesKept(k *kit) {
	c, other := k.opened(acme, attached("twice", "elsewhere"), attachedInside("twice")), k.opened(acme, attached("elsewhere"))
	k.commit(c)
	k.commit(other)
	k.erase(erasing(c.Events, everything, 1))
	k.refers(acme, digestsOf("twice", "elsewhere"), digestsOf("twice", "elsewhere"), "that other events have too")
}

func filesCancelled(k *kit) {
	ctx, cancel := context.WithCancel(k.Context())
	cancel()
	_, err := k.store.ReferredFiles(ctx, acme, digestsOf("a"))
	k.refused(err, context.Canceled, "ReferredFiles")
}
