package restclient_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/internal/webtests/restclient"
	"github.com/ticketkit/ticket/internal/webtests/testdesk"
	"github.com/ticketkit/ticket/rest"
)

func TestClientIsWhatTheDocumentGives(t *testing.T) {
	t.Parallel()
	command := exec.CommandContext(t.Context(), "go", "tool", "oapi-codegen", "-config", "oapi-codegen.yaml", "../../../rest/openapi.json")
	var warnings strings.Builder
	command.Stderr = &warnings
	want, err := command.Output()
	require.NoError(t, err, "%s", &warnings)
	require.Empty(t, warnings.String(), "the generator does not understand all of the document")
	got, err := os.ReadFile("client.gen.go")
	require.NoError(t, err)
	if string(want) != string(got) {
		t.Error("client.gen.go is not what the document gives: run go generate ./restclient in internal/webtests")
	}
}

// api is a desk behind the REST interface, with a client for each of its users.
type api struct{ url string }

func newAPI(t *testing.T) api {
	t.Helper()
	handler, err := rest.New(testdesk.New(t), rest.Config{Actor: testdesk.ActorOf, RequireMatch: true})
	require.NoError(t, err)
	mux := http.NewServeMux()
	mux.Handle("/api/", handler)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	t.Cleanup(func() { require.NoError(t, handler.Shutdown(context.WithoutCancel(t.Context()))) })
	return api{url: server.URL + "/api"}
}

func (a api) as(t *testing.T, who string) *restclient.ClientWithResponses {
	t.Helper()
	client, err := restclient.NewClientWithResponses(a.url, restclient.WithRequestEditorFn(testdesk.As(who)))
	require.NoError(t, err)
	return client
}

func TestOpenReadAndList(t *testing.T) {
	t.Parallel()
	desk := newAPI(t)
	ada, lin, ctx := desk.as(t, "ada"), desk.as(t, "lin"), t.Context()
	draft := restclient.DraftRequest{
		Subject: new("Printer prints blank pages"), Message: new("Since this morning."),
		Fields: &restclient.Fields{"printer": "LJ-4", "floor": 3},
	}
	key := &restclient.OpenTicketParams{IdempotencyKey: new("k-1")}
	opened, err := ada.OpenTicketWithResponse(ctx, key, draft)
	require.NoError(t, err)
	require.NotNil(t, opened.JSON201, "%s", opened.Body)
	require.Equal(t, "tickets/"+opened.JSON201.Id, *opened.Headers201.Location)
	require.Equal(t, restclient.Received, opened.JSON201.Phase)
	again, err := ada.OpenTicketWithResponse(ctx, key, draft)
	require.NoError(t, err)
	require.Equal(t, opened.JSON201.Id, again.JSON201.Id)
	_, err = ada.OpenTicketWithResponse(ctx, nil, restclient.DraftRequest{Subject: new("Another one")})
	require.NoError(t, err)

	for _, ref := range []string{opened.JSON201.Id, opened.JSON201.Number} {
		got, err := lin.GetTicketWithResponse(ctx, ref, nil)
		require.NoError(t, err)
		require.NotNil(t, got.JSON200, "%s", got.Body)
		require.Equal(t, `"1"`, *got.Headers200.ETag)
		require.Equal(t, int64(1), *got.JSON200.Version)
		require.Equal(t, testdesk.Ada.Email, *got.JSON200.Requester.Email)
		require.Equal(t, restclient.Fields{"printer": "LJ-4", "floor": 3.0}, *got.JSON200.Fields)
		got, err = lin.GetTicketWithResponse(ctx, ref, &restclient.GetTicketParams{IfNoneMatch: got.Headers200.ETag})
		require.NoError(t, err)
		require.Equal(t, http.StatusNotModified, got.StatusCode())
	}
	seen, err := ada.TrackTicketWithResponse(ctx, opened.JSON201.Number, nil)
	require.NoError(t, err)
	require.Equal(t, "Since this morning.", *(*seen.JSON200.Messages)[0].Text)
	require.Nil(t, seen.JSON200.Version)

	var subjects []string
	for page := (restclient.ListTicketsParams{Limit: new(1), Order: new(restclient.ListTicketsParamsOrderNewest), Status: &[]string{"new", "open"}}); ; {
		list, err := lin.ListTicketsWithResponse(ctx, &page)
		require.NoError(t, err)
		require.NotNil(t, list.JSON200, "%s", list.Body)
		for _, ticket := range list.JSON200.Tickets {
			subjects = append(subjects, *ticket.Subject)
		}
		if page.After = list.JSON200.After; page.After == nil {
			break
		}
	}
	require.Equal(t, []string{"Another one", "Printer prints blank pages"}, subjects)
	list, err := lin.ListTicketsWithResponse(ctx, &restclient.ListTicketsParams{Fields: &restclient.Fields{"floor": 3}})
	require.NoError(t, err)
	require.Len(t, list.JSON200.Tickets, 1)
}

func TestActAndLoseARace(t *testing.T) {
	t.Parallel()
	desk := newAPI(t)
	ada, lin, ctx := desk.as(t, "ada"), desk.as(t, "lin"), t.Context()
	opened, err := ada.OpenTicketWithResponse(ctx, nil, restclient.DraftRequest{Subject: new("Printer prints blank pages")})
	require.NoError(t, err)
	id := opened.JSON201.Id
	seen, err := lin.GetTicketWithResponse(ctx, id, nil)
	require.NoError(t, err)
	pin := &restclient.DoActionParams{IfMatch: seen.Headers200.ETag}

	choices, err := lin.ListActionsWithResponse(ctx, id)
	require.NoError(t, err)
	require.NotEmpty(t, choices.JSON200.Actions)
	taken, err := lin.DoActionWithResponse(ctx, id, pin, restclient.ActionRequest{Action: "take"})
	require.NoError(t, err)
	require.NotNil(t, taken.JSON200, "%s", taken.Body)
	require.Equal(t, "lin", *taken.JSON200.Assignee)
	require.Equal(t, `"2"`, *taken.Headers200.ETag)

	late, err := lin.DoActionWithResponse(ctx, id, pin, restclient.ActionRequest{Action: "note", Note: new("Fuser?")})
	require.NoError(t, err)
	require.NotNil(t, late.ApplicationproblemJSON412, "%s", late.Body)
	require.Equal(t, restclient.ProblemTypeStale, late.ApplicationproblemJSON412.Type)
	require.Equal(t, int64(2), *late.ApplicationproblemJSON412.Current)
	require.Equal(t, "take", (*late.ApplicationproblemJSON412.Since)[0].Action)
	require.Equal(t, `"2"`, *late.Headers412.ETag)
	unpinned, err := lin.DoActionWithResponse(ctx, id, nil, restclient.ActionRequest{Action: "note", Note: new("Fuser?")})
	require.NoError(t, err)
	require.NotNil(t, unpinned.ApplicationproblemJSON428, "%s", unpinned.Body)
}

func TestFileComesBack(t *testing.T) {
	t.Parallel()
	desk := newAPI(t)
	ada, lin, ctx := desk.as(t, "ada"), desk.as(t, "lin"), t.Context()
	opened, err := ada.OpenTicketWithResponse(ctx, nil, restclient.DraftRequest{Subject: new("Printer prints blank pages")})
	require.NoError(t, err)
	content := "a page\x00\xff"
	file, err := ada.UploadFileWithBodyWithResponse(ctx, &restclient.UploadFileParams{Name: "página 1.pdf"}, "application/pdf", strings.NewReader(content))
	require.NoError(t, err)
	require.NotNil(t, file.JSON201, "%s", file.Body)
	require.Equal(t, int64(len(content)), file.JSON201.Size)
	sent, err := ada.DoActionWithResponse(ctx, opened.JSON201.Id, &restclient.DoActionParams{IfMatch: new("*")}, restclient.ActionRequest{
		Action: "reply", Message: new("Here it is."), Attachments: &[]restclient.Attachment{*file.JSON201},
	})
	require.NoError(t, err)
	require.NotNil(t, sent.JSON200, "%s", sent.Body)
	messages, err := lin.ListMessagesWithResponse(ctx, opened.JSON201.Id, nil)
	require.NoError(t, err)
	attached := (*messages.JSON200.Messages[0].Attachments)[0]
	require.Equal(t, *file.JSON201, attached)
	got, err := lin.DownloadFileWithResponse(ctx, opened.JSON201.Id, *attached.Sha256, nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, got.StatusCode())
	require.Equal(t, content, string(got.Body))
	require.Contains(t, *got.Headers200.ContentDisposition, "attachment")
}

func TestFailuresAreProblems(t *testing.T) {
	t.Parallel()
	desk := newAPI(t)
	ada, grace, lin, ctx := desk.as(t, "ada"), desk.as(t, "grace"), desk.as(t, "lin"), t.Context()
	opened, err := ada.OpenTicketWithResponse(ctx, nil, restclient.DraftRequest{Subject: new("Printer prints blank pages")})
	require.NoError(t, err)

	hidden, err := grace.GetTicketWithResponse(ctx, opened.JSON201.Id, nil)
	require.NoError(t, err)
	require.NotNil(t, hidden.ApplicationproblemJSON404, "%s", hidden.Body)
	require.Equal(t, restclient.ProblemTypeNotFound, hidden.ApplicationproblemJSON404.Type)
	invalid, err := lin.DoActionWithResponse(ctx, opened.JSON201.Id, &restclient.DoActionParams{IfMatch: new("*")}, restclient.ActionRequest{
		Action: "edit", Edit: &restclient.EditRequest{AddTags: &[]string{"printer", strings.Repeat("x", 1000)}},
	})
	require.NoError(t, err)
	require.NotNil(t, invalid.ApplicationproblemJSON422, "%s", invalid.Body)
	require.Equal(t, restclient.ProblemTypeInvalid, invalid.ApplicationproblemJSON422.Type)
	require.Equal(t, "#/edit/add_tags/1", *(*invalid.ApplicationproblemJSON422.Errors)[0].Pointer)
	refused, err := ada.DoActionWithResponse(ctx, opened.JSON201.Id, &restclient.DoActionParams{IfMatch: new("*")}, restclient.ActionRequest{Action: "take"})
	require.NoError(t, err)
	require.NotNil(t, refused.ApplicationproblemJSON403, "%s", refused.Body)
	require.Equal(t, "role", *refused.ApplicationproblemJSON403.Why)
	nobody, err := desk.as(t, "nobody").ListTicketsWithResponse(ctx, nil)
	require.NoError(t, err)
	require.NotNil(t, nobody.ApplicationproblemJSONDefault, "%s", nobody.Body)
	require.Equal(t, restclient.ProblemTypeUnauthenticated, nobody.ApplicationproblemJSONDefault.Type)
}

// The generated client gives the stream as it is, and the type of its data.
func TestChangesAreFollowed(t *testing.T) {
	t.Parallel()
	desk := newAPI(t)
	ada, lin, ctx := desk.as(t, "ada"), desk.as(t, "lin"), t.Context()
	stream, err := lin.StreamChanges(ctx, nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, stream.Body.Close()) }()
	require.Equal(t, http.StatusOK, stream.StatusCode)
	opened, err := ada.OpenTicketWithResponse(ctx, nil, restclient.DraftRequest{Subject: new("Printer prints blank pages")})
	require.NoError(t, err)
	lines := bufio.NewScanner(stream.Body)
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		var notice restclient.Notice
		require.NoError(t, json.Unmarshal([]byte(data), &notice))
		require.Equal(t, opened.JSON201.Id, notice.Ticket)
		require.Equal(t, string(ticket.ActionOpen), *notice.Action)
		return
	}
	require.NoError(t, lines.Err())
	t.Fatal("the stream ended")
}
