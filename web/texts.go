package web

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/ticketkit/ticket"
)

//go:embed texts/*.json
var textFiles embed.FS

const (
	languageCookie = "ticket-language"
	zoneCookie     = "ticket-zone"
)

// texts has the texts by language and key. English has every key.
type texts map[string]map[string]string

// loadTexts returns the built-in texts, with those of the application in their place. It may add
// texts for the statuses and the actions of its workflows.
func loadTexts(own map[string]map[string]string, workflows []*ticket.Workflow) (texts, error) {
	out := texts{}
	entries, err := textFiles.ReadDir("texts")
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		part := strings.Split(e.Name(), ".") // subject, language, json
		data, err := textFiles.ReadFile("texts/" + e.Name())
		if err != nil {
			return nil, err
		}
		var list map[string]string
		if err := json.Unmarshal(data, &list); err != nil {
			return nil, fmt.Errorf("web: texts/%s: %w", e.Name(), err)
		}
		if out[part[1]] == nil {
			out[part[1]] = map[string]string{}
		}
		for key, text := range list {
			if _, twice := out[part[1]][key]; twice {
				return nil, fmt.Errorf("web: texts/%s: %s is in two files", e.Name(), key)
			}
			out[part[1]][key] = text
		}
	}
	added := namesOf(workflows)
	for _, lang := range slices.Sorted(maps.Keys(own)) {
		if out[lang] == nil {
			out[lang] = maps.Clone(out["en"])
		}
		for _, key := range slices.Sorted(maps.Keys(own[lang])) {
			english, ok := out["en"][key]
			text := own[lang][key]
			if who, of := added[key]; of && !ok {
				english, ok = who, true
			}
			if slices.ContainsFunc(ownGroups, func(group string) bool { return strings.HasPrefix(key, group) }) {
				english, ok = text, true
			}
			if !ok {
				return nil, fmt.Errorf("web: Look.Texts: no text has the key %q", key)
			}
			for _, name := range placeholders(text) {
				if !slices.Contains(placeholders(english), name) {
					return nil, fmt.Errorf("web: Look.Texts: %s has no value for %s", key, name)
				}
			}
			out[lang][key] = text
		}
	}
	return out, nil
}

// ownGroups begin the keys of texts that only the application knows.
var ownGroups = []string{"field.", "with.", "own."}

// namesOf returns the keys of texts for what workflows name: statuses, and actions on a button, in
// the history, and when a customer has done one. The values are the placeholders that they may have.
func namesOf(workflows []*ticket.Workflow) map[string]string {
	keys := map[string]string{}
	for _, w := range workflows {
		for _, s := range w.Spec().Statuses {
			keys[wordKey("status.", string(s.Name))] = ""
		}
		for _, a := range w.Actions() {
			keys[wordKey("button.", string(a))] = ""
			keys[wordKey("done.", string(a))] = ""
			keys[wordKey("did.", string(a))] = "{who}"
		}
	}
	return keys
}

// wordKey returns the key of the text for a word of the desk, such as "status.on_hold".
func wordKey(group, word string) string { return group + strings.ReplaceAll(word, " ", "_") }

var placeholder = regexp.MustCompile(`\{[a-z_]+\}`)

func placeholders(text string) []string { return placeholder.FindAllString(text, -1) }

// text returns a text with its placeholders replaced: a string, or HTML if a value is HTML.
func (x texts) text(lang, key string, values []any) (any, error) {
	text, ok := x[lang][key]
	if !ok {
		if text, ok = x["en"][key]; !ok {
			return "", fmt.Errorf("web: there is no text %q", key)
		}
	}
	if len(values)%2 != 0 {
		return "", errors.New("web: a text takes pairs of a name and a value")
	}
	if len(values) == 0 {
		return text, nil
	}
	html := false
	for _, v := range values {
		_, is := v.(template.HTML)
		html = html || is
	}
	pairs := make([]string, 0, len(values))
	for i := 0; i < len(values); i += 2 {
		value := plain(values[i+1])
		if _, is := values[i+1].(template.HTML); html && !is {
			value = template.HTMLEscapeString(value)
		}
		pairs = append(pairs, "{"+plain(values[i])+"}", value)
	}
	if html {
		text = template.HTMLEscapeString(text)
		return template.HTML(strings.NewReplacer(pairs...).Replace(text)), nil //nolint:gosec // each part is escaped
	}
	return strings.NewReplacer(pairs...).Replace(text), nil
}

// words returns a text that needs no values, for code.
func (x texts) words(lang, key string, values ...any) string {
	text, err := x.text(lang, key, values)
	if err != nil {
		return key
	}
	return plain(text)
}

func (x texts) has(lang, key string) bool {
	_, ok := x[lang][key]
	if !ok {
		_, ok = x["en"][key]
	}
	return ok
}

func (x texts) languages() []string {
	return slices.SortedFunc(maps.Keys(x), func(a, b string) int {
		return strings.Compare(order(a), order(b))
	})
}

func order(lang string) string {
	if lang == "en" {
		return ""
	}
	return lang
}

// name returns the name of a language in that language.
func (x texts) name(lang string) string { return x.words(lang, "language.name") }

// choose returns the language of a request: the one the reader chose, the person's, the
// browser's, or the default.
func (x texts) choose(r *http.Request, locale, fallback string) string {
	wanted := []string{r.URL.Query().Get("lang")}
	if c, err := r.Cookie(languageCookie); err == nil {
		wanted = append(wanted, c.Value)
	}
	wanted = append(wanted, locale)
	wanted = append(wanted, accepted(r.Header.Get("Accept-Language"))...)
	for _, tag := range wanted {
		if lang, ok := x.match(tag); ok {
			return lang
		}
	}
	return fallback
}

// mostTag is the length of the longest tag of a language that is read, in bytes.
const mostTag = 64

// match returns the language of the site for a tag, such as "de" for "de-CH".
func (x texts) match(tag string) (string, bool) {
	for tag != "" && len(tag) <= mostTag {
		for lang := range x {
			if strings.EqualFold(lang, tag) {
				return lang, true
			}
		}
		i := strings.LastIndexAny(tag, "-_")
		if i < 0 {
			break
		}
		tag = tag[:i]
	}
	return "", false
}

// accepted returns the languages of an Accept-Language header, the preferred one first.
func accepted(header string) []string {
	type choice struct {
		tag string
		q   float64
	}
	var list []choice
	for part := range strings.SplitSeq(header, ",") {
		tag, params, _ := strings.Cut(strings.TrimSpace(part), ";")
		q := 1.0
		if v, ok := strings.CutPrefix(strings.TrimSpace(params), "q="); ok {
			q, _ = strconv.ParseFloat(v, 64) // an error means that it is not wanted
		}
		if tag != "" && q > 0 && len(list) < 20 {
			list = append(list, choice{strings.TrimSpace(tag), q})
		}
	}
	slices.SortStableFunc(list, func(a, b choice) int {
		switch {
		case a.q > b.q:
			return -1
		case a.q < b.q:
			return 1
		}
		return 0
	})
	tags := make([]string, len(list))
	for i, c := range list {
		tags[i] = c.tag
	}
	return tags
}

// plain returns a value as text.
func plain(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case template.HTML:
		return string(v)
	case fmt.Stringer:
		return v.String()
	}
	return fmt.Sprint(v)
}

// words returns text as paragraphs.
func words(text string) template.HTML {
	var b strings.Builder
	for para := range strings.SplitSeq(strings.ReplaceAll(text, "\r\n", "\n"), "\n\n") {
		if para = strings.Trim(para, "\n"); strings.TrimSpace(para) == "" {
			continue
		}
		b.WriteString("<p>")
		b.WriteString(strings.ReplaceAll(template.HTMLEscapeString(para), "\n", "<br>"))
		b.WriteString("</p>")
	}
	return template.HTML(b.String()) //nolint:gosec // the text is escaped
}
