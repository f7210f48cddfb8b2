package web

import (
	"net/http"
	"net/url"
	"strings"
)

// requested returns the escaped path as the client sent it.
func requested(r *http.Request) string {
	if r.RequestURI == "" {
		return r.URL.EscapedPath()
	}
	address, _, _ := strings.Cut(r.RequestURI, "?")
	if u, err := url.ParseRequestURI(r.RequestURI); err == nil {
		address = u.EscapedPath()
	}
	return address
}

// below returns the escaped path of a request below the place where the handler is mounted,
// without a slash at its beginning. It may be mounted with or without http.StripPrefix.
func below(r *http.Request, prefix string) string {
	full := r.URL.EscapedPath()
	if prefix != "" {
		if rest, ok := strings.CutPrefix(full, prefix); ok && (rest == "" || rest[0] == '/') {
			return strings.TrimPrefix(rest, "/")
		}
		return strings.TrimPrefix(full, "/")
	}
	if whole := requested(r); len(whole) > len(full) && strings.HasSuffix(whole, full) {
		// What http.StripPrefix has cut off may be all that the pattern fixes, and a page
		// may have the name of the place.
		if cut := whole[:len(whole)-len(full)]; strings.Trim(cutPattern(cut, r.Pattern), "/") == "" {
			return strings.TrimPrefix(full, "/")
		}
	}
	return strings.TrimPrefix(cutPattern(full, r.Pattern), "/")
}

// cutPattern cuts from a path the part that a pattern like "GET example.org/help/" or
// "/{shop}/help/{rest...}" fixes. A path that does not begin with it was cut before.
func cutPattern(full, pattern string) string {
	if _, after, ok := strings.Cut(pattern, " "); ok {
		pattern = strings.TrimSpace(after)
	}
	i := strings.IndexByte(pattern, '/')
	if i < 0 {
		return full
	}
	rest := full
	for want := range strings.SplitSeq(strings.Trim(pattern[i:], "/"), "/") {
		if want == "" || want == "*" || want == "{$}" || strings.HasSuffix(want, "...}") {
			break
		}
		after, ok := strings.CutPrefix(rest, "/")
		if !ok {
			return full
		}
		got, left, more := strings.Cut(after, "/")
		if plain, err := url.PathUnescape(got); err != nil || want[0] != '{' && plain != want {
			return full
		}
		rest = ""
		if more {
			rest = "/" + left
		}
	}
	return rest
}
