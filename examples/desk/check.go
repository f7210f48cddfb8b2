package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"

	"golang.org/x/net/html"
)

// crawl follows the links of the pages, as a visitor and as everybody in the list, and
// fails at the first page that is not there.
func crawl(ctx context.Context, base string, stdout io.Writer) error {
	ids := []string{""}
	for _, p := range everybody() {
		ids = append(ids, p.ID)
	}
	for _, id := range ids {
		n, err := crawlAs(ctx, base, id)
		if err != nil {
			return fmt.Errorf("as %q: %w", id, err)
		}
		if id == "" {
			id = "a visitor"
		}
		_, _ = fmt.Fprintf(stdout, "%d pages as %s\n", n, id)
	}
	return nil
}

// pagesEach bounds the pages that each person looks at.
const pagesEach = 40

func crawlAs(ctx context.Context, base, id string) (int, error) {
	who, _ := find(id)
	agent := who.agent() // only they may follow the links in letters to agents
	jar, err := cookiejar.New(nil)
	if err != nil {
		return 0, err
	}
	client := &http.Client{Jar: jar}
	form := strings.NewReader(url.Values{"who": {id}}.Encode())
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/start", form)
	if err != nil {
		return 0, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	at, links, err := visit(client, r)
	if err != nil {
		return 0, err
	}
	seen := map[string]bool{at: true}
	todo := append([]string{base + "/start", base + "/letters"}, links...)
	for len(todo) > 0 && len(seen) < pagesEach {
		next := todo[0]
		todo = todo[1:]
		if seen[next] || !strings.HasPrefix(next, base+"/") || !agent && strings.HasPrefix(next, base+"/desk/") {
			continue
		}
		seen[next] = true
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, next, nil)
		if err != nil {
			return 0, err
		}
		at, links, err := visit(client, r)
		if err != nil {
			return 0, err
		}
		seen[at] = true
		todo = append(todo, links...)
	}
	return len(seen), nil
}

// visit returns the address of a page and its links.
func visit(client *http.Client, r *http.Request) (at string, links []string, err error) {
	answer, err := client.Do(r)
	if err != nil {
		return "", nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode >= http.StatusBadRequest {
		return "", nil, fmt.Errorf("%s: %s", r.URL, answer.Status)
	}
	if !strings.HasPrefix(answer.Header.Get("Content-Type"), "text/html") {
		_, err := io.Copy(io.Discard, io.LimitReader(answer.Body, 1<<20))
		return answer.Request.URL.String(), nil, err
	}
	page, err := html.Parse(answer.Body)
	if err != nil {
		return "", nil, err
	}
	for n := range page.Descendants() {
		if n.Type != html.ElementNode || n.Data != "a" {
			continue
		}
		for _, a := range n.Attr {
			if a.Key != "href" {
				continue
			}
			to, err := answer.Request.URL.Parse(a.Val)
			if err != nil {
				return "", nil, fmt.Errorf("%s has the link %q: %w", r.URL, a.Val, err)
			}
			to.Fragment = ""
			links = append(links, to.String())
		}
	}
	return answer.Request.URL.String(), links, nil
}
