// Package rest is a REST interface to a [ticket.Desk], to mount into your application's server:
//
//	api, err := rest.New(desk, rest.Config{Actor: actorOf})
//	…
//	mux.Handle("/api/", api)
//
// Everything that a desk does for its actors is there: opening, lists, actions, histories, files,
// search, deliveries, ratings, status links, erasure, and a stream of changes. GET openapi.json
// describes it as OpenAPI 3.1, and GET docs shows the same as a page. docs/rest.md explains it.
//
// The handler authenticates nobody: [Config].Actor says who makes a request. It authorises nobody
// either: the desk, its workflow and its policy do. A ticket that the actor may not see is
// answered like one that does not exist.
package rest
