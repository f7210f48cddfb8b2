package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/html"
)

// browser uses the shop as a person does, for the demonstration and the tests: it
// keeps cookies, follows redirects, and sends the forms that it finds on a page,
// with their hidden fields. It asks the handler without a network.
type browser struct {
	client http.Client
	at     *url.URL // of the page shown
	page   *html.Node
	status int
	header http.Header
	body   string
}

func newBrowser(h http.Handler, base string) (*browser, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	at, err := url.Parse(base)
	return &browser{client: http.Client{Jar: jar, Transport: inProcess{h}}, at: at}, err
}

// inProcess answers requests by calling the handler.
type inProcess struct{ http.Handler }

func (p inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	if r.Body == nil {
		r.Body = http.NoBody
	}
	p.ServeHTTP(w, r)
	answer := w.Result()
	answer.Request = r
	return answer, nil
}

// get shows a page: by its path, or the address in a letter.
func (b *browser) get(ctx context.Context, address string) error {
	to, err := b.at.Parse(address)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, to.String(), nil)
	if err != nil {
		return err
	}
	return b.send(r)
}

func (b *browser) send(r *http.Request) error {
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	answer, err := b.client.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	b.at, b.status, b.header, b.body = answer.Request.URL, answer.StatusCode, answer.Header, string(body)
	b.page, err = html.Parse(bytes.NewReader(body))
	return err
}

// chosen is a file to send with a form.
type chosen struct{ name, body string }

// submit fills in a form of the page and sends it, perhaps with a file. The form is named by
// the action that it does, or by the path that it is sent to. If the page has no such form
// but a link to it, as the console has, submit follows the link first.
func (b *browser) submit(ctx context.Context, name string, fill map[string]string, file *chosen) error {
	form := b.form(name)
	if link := b.linkTo(name); form == nil && link != "" {
		if err := b.get(ctx, link); err != nil {
			return err
		}
		form = b.form(name)
	}
	if form == nil {
		return fmt.Errorf("%s has no form %s", b.at.Path, name)
	}
	values := fields(form)
	for n := range b.page.Descendants() { // fields beside the form that belong to it
		if id := attribute(form, "id"); id != "" && attribute(n, "form") == id {
			values[attribute(n, "name")] = attribute(n, "value")
		}
	}
	if does(form, name) {
		values["action"] = name // the button that is pressed
	}
	for k, v := range fill {
		if control(form, k) == nil {
			return fmt.Errorf("the form %s on %s has no field %s", name, b.at.Path, k)
		}
		values[k] = v
	}
	to, err := b.at.Parse(cmp.Or(attribute(form, "action"), b.at.Path))
	if err != nil {
		return err
	}
	body, kind, err := encode(values, form, file)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to.String(), body)
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", kind)
	return b.send(r)
}

func encode(values map[string]string, on *html.Node, file *chosen) (io.Reader, string, error) {
	if attribute(on, "enctype") != "multipart/form-data" {
		form := url.Values{}
		for k, v := range values {
			form.Set(k, v)
		}
		return strings.NewReader(form.Encode()), "application/x-www-form-urlencoded", nil
	}
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	var errs []error
	for k, v := range values {
		errs = append(errs, w.WriteField(k, v))
	}
	if file != nil {
		input := first(on, func(n *html.Node) bool { return attribute(n, "type") == "file" })
		if input == nil {
			return nil, "", errors.New("the form takes no file")
		}
		part, err := w.CreateFormFile(attribute(input, "name"), file.name)
		if err != nil {
			return nil, "", err
		}
		_, err = io.WriteString(part, file.body)
		errs = append(errs, err)
	}
	return &b, w.FormDataContentType(), errors.Join(append(errs, w.Close())...)
}

func (b *browser) form(name string) *html.Node {
	return first(b.page, func(n *html.Node) bool {
		to, err := b.at.Parse(attribute(n, "action"))
		return n.Data == "form" && (does(n, name) || err == nil && to.Path == name)
	})
}

// does reports whether a form does an action: by a hidden field, or by one of its buttons.
func does(form *html.Node, action string) bool {
	return first(form, func(n *html.Node) bool {
		return attribute(n, "name") == "action" && attribute(n, "value") == action
	}) != nil
}

// linkTo returns the address of the console's page with the form for an action.
func (b *browser) linkTo(action string) string {
	query := "?" + url.Values{"do": {action}}.Encode() + "#"
	link := first(b.page, func(n *html.Node) bool { return strings.Contains(attribute(n, "href"), query) })
	if link == nil {
		return ""
	}
	return attribute(link, "href")
}

func control(form *html.Node, name string) *html.Node {
	return first(form, func(n *html.Node) bool { return attribute(n, "name") == name })
}

// first returns the first part of a page that fits, or nil.
func first(page *html.Node, fits func(*html.Node) bool) *html.Node {
	for n := range page.Descendants() {
		if fits(n) {
			return n
		}
	}
	return nil
}

// fields returns the values that a form would send unchanged, without files and buttons.
func fields(form *html.Node) map[string]string {
	values := map[string]string{}
	for n := range form.Descendants() {
		name, kind := attribute(n, "name"), attribute(n, "type")
		switch {
		case name == "" || kind == "file":
		case n.Data == "input":
			if kind != "checkbox" && kind != "radio" || has(n, "checked") {
				values[name] = attribute(n, "value")
			}
		case n.Data == "textarea":
			values[name] = words(n)
		case n.Data == "select":
			for o := range n.Descendants() {
				if _, there := values[name]; o.Data == "option" && (!there || has(o, "selected")) {
					values[name] = attribute(o, "value")
				}
			}
		}
	}
	return values
}

func has(n *html.Node, name string) bool {
	return slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == name })
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// words returns the text of a part of a page, on one line.
func words(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
			b.WriteString(" ")
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// all returns the texts of all elements with a name, a class or an ID.
func (b *browser) all(name string) (list []string) {
	for n := range b.page.Descendants() {
		if n.Type == html.ElementNode && n.Data == name || attribute(n, "id") == name || slices.Contains(strings.Fields(attribute(n, "class")), name) {
			list = append(list, words(n))
		}
	}
	return list
}

// one returns the text of the first of them, or nothing.
func (b *browser) one(name string) string {
	if list := b.all(name); len(list) > 0 {
		return list[0]
	}
	return ""
}
