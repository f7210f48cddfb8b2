package handler_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/ticketkit/ticket/internal/handler"
)

func TestFind(t *testing.T) {
	type route struct {
		method string
		path   []string
	}
	routes := []*route{
		{"GET", []string{""}}, {"GET", []string{"tickets"}}, {"POST", []string{"tickets"}},
		{"POST", []string{"tickets", "{number}"}}, {"GET", []string{"tickets", "{number}", "files", "{name}"}},
	}
	type vars = map[string]string
	for _, c := range []struct {
		method, below string
		want          *route
		vars          vars
		allow         []string
	}{
		{"GET", "", routes[0], nil, nil},
		{"HEAD", "tickets", routes[1], nil, nil},
		{"GET", "%74ickets", routes[1], nil, nil},
		{"POST", "tickets", routes[2], nil, nil},
		{"DELETE", "tickets", nil, nil, []string{"GET", "HEAD", "POST"}},
		{"GET", "tickets/7", nil, nil, []string{"POST"}},
		{"POST", "tickets/a%2Fb", routes[3], vars{"number": "a/b"}, nil},
		{"GET", "tickets/7/files/x", routes[4], vars{"number": "7", "name": "x"}, nil},
		{"POST", "tickets/", nil, nil, nil},
		{"POST", "tickets/%zz", nil, nil, nil},
		{"GET", "tickets/", nil, nil, nil},
		{"GET", "other", nil, nil, nil},
	} {
		got, vars, allow := handler.Find(routes, func(r *route) (string, []string) { return r.method, r.path }, c.method, c.below)
		assert.Same(t, c.want, got, c)
		assert.Equal(t, c.vars, vars, c)
		assert.Equal(t, c.allow, allow, c)
	}
}
