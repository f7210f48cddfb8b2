package rest

import (
	"net/http"
	"strings"
)

// operations lists all operations. openapi.json describes each; a test compares the two.
func operations() []*operation {
	list := []*operation{
		op("listTickets", "GET tickets", (*call).listTickets, listParams...),
		op("openTicket", "POST tickets", (*call).openTicket).takes(draftBody{}),
		op("getTicket", "GET tickets/{ticket}", (*call).getTicket, "version", "as_of"),
		op("trackTicket", "GET tickets/{ticket}/track", (*call).trackTicket),
		op("listMessages", "GET tickets/{ticket}/messages", (*call).listMessages, "before"),
		op("listActions", "GET tickets/{ticket}/actions", (*call).listActions),
		op("doAction", "POST tickets/{ticket}/actions", (*call).doAction).takes(actionBody{}).pinned(),
		op("explainAction", "POST tickets/{ticket}/explain", (*call).explainAction).takes(actionBody{}),
		op("listHistory", "GET tickets/{ticket}/history", (*call).listHistory, "skip", "limit"),
		op("listEvents", "GET tickets/{ticket}/events", (*call).listEvents, "skip", "limit"),
		op("listEntries", "GET tickets/{ticket}/entries", (*call).listEntries, "skip", "limit"),
		op("verifyTicket", "GET tickets/{ticket}/verify", (*call).verifyTicket),
		op("listSimilar", "GET tickets/{ticket}/similar", (*call).listSimilar, "limit"),
		op("rateTicket", "POST tickets/{ticket}/rating", (*call).rateTicket).takes(ratingBody{}),
		op("makeStatusLink", "POST tickets/{ticket}/links", (*call).makeStatusLink).takes(linkBody{}),
		op("revokeStatusLinks", "DELETE tickets/{ticket}/links", (*call).revokeStatusLinks),
		op("downloadFile", "GET tickets/{ticket}/files/{sha256}", (*call).downloadFile).sends(mediaFile),
		op("uploadFile", "POST files", (*call).uploadFile, "name"),
		op("findTicket", "GET find", (*call).findTicket, "ref"),
		op("trackOwn", "GET track", (*call).trackOwn),
		op("searchTickets", "GET search", (*call).searchTickets, searchParams...),
		op("suggestForDraft", "POST similar", (*call).suggestForDraft, "limit").takes(draftBody{}),
		op("countTickets", "GET count", (*call).countTickets, append([]string{"order"}, queryParams...)...),
		op("countByPlace", "GET counts", (*call).countByPlace),
		op("listDeliveries", "GET deliveries", (*call).listDeliveries, deliveryParams...),
		op("redriveDeliveries", "POST deliveries/redrive", (*call).redriveDeliveries).takes(redriveBody{}),
		op("reportFailure", "POST deliveries/{delivery}/failure", (*call).reportFailure).takes(failureBody{}),
		op("erase", "POST erasures", (*call).erase).takes(erasureBody{}),
		op("personalData", "POST personal-data", (*call).personalData).takes(personBody{}),
		op("listKnownProblems", "GET known-problems", (*call).listKnownProblems, "skip", "limit"),
		op("streamChanges", "GET events", (*call).streamChanges).sends(mediaEvents),
		op("getDocument", "GET openapi.json", (*call).getDocument).open(""),
		op("getPage", "GET docs", (*call).getPage).open(mediaHTML),
		op("getStyle", "GET docs.css", (*call).getStyle).open(mediaCSS),
	}
	for _, o := range list {
		o.upload = o.id == "uploadFile"
	}
	return list
}

func op(id, resource string, run func(*call) error, params ...string) *operation {
	method, path, _ := strings.Cut(resource, " ")
	return &operation{id: id, method: method, path: strings.Split(path, "/"), params: params, run: run}
}

// takes says that the operation has a body, by an example of it.
func (o *operation) takes(example any) *operation {
	o.body = func() any { return example }
	return o
}

// pinned says that If-Match is a condition.
func (o *operation) pinned() *operation {
	o.pins = true
	return o
}

// sends says which media type the answer has.
func (o *operation) sends(mediaType string) *operation {
	o.media = mediaType
	return o
}

// open says that no actor is needed.
func (o *operation) open(mediaType string) *operation {
	o.public, o.media = true, mediaType
	return o
}

// created is the status of an answer to a request that made something.
const created = http.StatusCreated
