// Package handler is what the handlers of packages web and rest have in common: the path below
// the place where one is mounted, routes, and server-sent events.
package handler

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Requested returns the escaped path as the client sent it.
func Requested(r *http.Request) string {
	if r.RequestURI == "" {
		return r.URL.EscapedPath()
	}
	if u, err := url.ParseRequestURI(r.RequestURI); err == nil {
		return u.EscapedPath()
	}
	address, _, _ := strings.Cut(r.RequestURI, "?")
	return address
}

// Below returns the escaped path of a request below the place where the handler is mounted,
// without a slash at its beginning. The place is prefix, or without one what a pattern like
// "GET example.org/help/", "/{shop}/help/{rest...}" or "/help/*" fixes in [http.Request.Pattern].
// [http.StripPrefix] may have removed it before.
func Below(r *http.Request, prefix string) string {
	path, place := strings.TrimPrefix(r.URL.EscapedPath(), "/"), placeOf(cmp.Or(prefix, r.Pattern))
	if removed, ok := strings.CutSuffix(Requested(r), path); ok {
		// A page may have the name of the place, and then the path begins with it even so.
		gone := strings.Split(strings.Trim(removed, "/"), "/")
		if len(gone) >= len(place) && begins(gone[len(gone)-len(place):], place) {
			return path
		}
	}
	parts := strings.SplitN(path, "/", len(place)+1)
	switch {
	case !begins(parts, place):
		return path
	case len(parts) == len(place):
		return ""
	default:
		return parts[len(place)]
	}
}

// placeOf returns the segments that a pattern fixes.
func placeOf(pattern string) []string {
	i := strings.IndexByte(pattern, '/')
	if i < 0 {
		return nil
	}
	place := strings.Split(strings.Trim(pattern[i:], "/"), "/")
	if end := slices.IndexFunc(place, func(s string) bool {
		return s == "" || s == "*" || s == "{$}" || strings.HasSuffix(s, "...}")
	}); end >= 0 {
		place = place[:end]
	}
	return place
}

// begins reports whether a path begins with these segments. One in braces stands for any that is
// not empty.
func begins(path, place []string) bool {
	if len(path) < len(place) {
		return false
	}
	for i, want := range place {
		if path[i] == "" || want[0] != '{' && plain(path[i]) != plain(want) {
			return false
		}
	}
	return true
}

// plain returns a segment without escapes.
func plain(segment string) string {
	if s, err := url.PathUnescape(segment); err == nil {
		return s
	}
	return segment
}
