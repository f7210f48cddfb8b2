package rest_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/memstore"
	"github.com/ticketkit/ticket/rest"
)

// A program opens a ticket, and an agent's program takes it, unless somebody was faster.
func Example() {
	desk, err := ticket.NewDesk(memstore.New(), ticket.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	api, err := rest.New(desk, rest.Config{
		Actor: func(r *http.Request) (ticket.Actor, error) {
			switch r.Header.Get("Authorization") { // your application has its own tokens
			case "Bearer ada-7d0f":
				return ticket.Requester(ticket.Person{ID: "ada", Email: "ada@example.org"}), nil
			case "Bearer lin-93c1":
				return ticket.Agent("lin", 1), nil
			}
			return ticket.Actor{}, errors.New("no such token")
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle("/api/", api)
	server := httptest.NewServer(mux)
	defer server.Close()

	// send sends a request and decodes the answer.
	send := func(method, address, token, match string, body any, answer any) *http.Response {
		data, err := json.Marshal(body)
		if err != nil {
			fmt.Println(err)
		}
		r, err := http.NewRequest(method, address, bytes.NewReader(data)) //nolint:noctx // an example
		if err != nil {
			fmt.Println(err)
			return nil
		}
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Content-Type", "application/json")
		if match != "" {
			r.Header.Set("If-Match", match)
		}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			fmt.Println(err)
			return nil
		}
		defer func() { _ = res.Body.Close() }()
		data, err = io.ReadAll(res.Body)
		if err == nil {
			err = json.Unmarshal(data, answer)
		}
		if err != nil {
			fmt.Println(err)
		}
		return res
	}

	var opened struct {
		ID    string
		Phase string
	}
	res := send("POST", server.URL+"/api/tickets", "ada-7d0f", "", map[string]string{
		"subject": "Printer prints blank pages", "message": "Since this morning.",
	}, &opened)
	fmt.Println(res.StatusCode, opened.Phase)

	address := server.URL + "/api/tickets/" + opened.ID
	res = send("GET", address, "lin-93c1", "", nil, &opened)
	seen := res.Header.Get("ETag")
	fmt.Println(res.StatusCode, seen)

	take := map[string]string{"action": "take"}
	res = send("POST", address+"/actions", "lin-93c1", seen, take, &opened)
	fmt.Println(res.StatusCode, opened.Phase, res.Header.Get("ETag"))

	var problem struct {
		Type  string
		Since []struct{ Action string }
	}
	note := map[string]string{"action": "note", "note": "fuser?"}
	res = send("POST", address+"/actions", "lin-93c1", seen, note, &problem)
	fmt.Println(res.StatusCode, strings.TrimPrefix(problem.Type, rest.ProblemBase), problem.Since)
	// Output:
	// 201 received
	// 200 "1"
	// 200 in progress "2"
	// 412 stale [{take}]
}
