package handler

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Find returns the route for a request's method and its path below the mount, and the values of
// the path's variables. If only the method is wrong, it returns those that are right, for the
// header Allow. Of returns the method and the path of a route, split at slashes; a segment in
// braces is a variable, which is not empty.
func Find[R any](routes []R, of func(R) (method string, path []string), method, below string) (route R, vars map[string]string, allow []string) {
	if method == http.MethodHead {
		method = http.MethodGet
	}
	segments := strings.Split(below, "/")
	for _, r := range routes {
		m, path := of(r)
		v, ok := match(path, segments)
		switch {
		case !ok:
		case m == method:
			return r, v, nil
		default:
			allow = append(allow, m)
		}
	}
	if slices.Contains(allow, http.MethodGet) {
		allow = append(allow, http.MethodHead)
	}
	slices.Sort(allow)
	return route, nil, slices.Compact(allow)
}

func match(route, segments []string) (vars map[string]string, ok bool) {
	if len(route) != len(segments) {
		return nil, false
	}
	for i, want := range route {
		got, err := url.PathUnescape(segments[i])
		name, isVar := strings.CutPrefix(want, "{")
		switch {
		case err != nil, !isVar && got != want, isVar && got == "":
			return nil, false
		case isVar:
			if vars == nil {
				vars = map[string]string{}
			}
			vars[strings.TrimSuffix(name, "}")] = got
		}
	}
	return vars, true
}
