package rest

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/ticketkit/ticket"
)

// negotiate checks the media types that the client sends and accepts.
func (c *call) negotiate() error {
	if want := c.op.media; want != mediaFile && !accepts(c.r.Header.Values("Accept"), want) {
		return &problem{kind: kindNotAcceptable, detail: "The answer is " + orJSON(want) + "."}
	}
	if c.op.body == nil {
		return nil
	}
	t, params, err := mime.ParseMediaType(strings.Join(c.r.Header.Values("Content-Type"), ", ")) // two are malformed
	charset := params["charset"]
	if err != nil || t != mediaJSON || charset != "" && !strings.EqualFold(charset, "utf-8") {
		return &problem{kind: kindMediaType, detail: "The body must be " + mediaJSON + ".", header: http.Header{"Accept-Post": {mediaJSON}}}
	}
	return c.uncompressed()
}

// uncompressed refuses a body that is compressed (RFC 9110, section 15.5.16).
func (c *call) uncompressed() error {
	if len(c.r.Header.Values("Content-Encoding")) == 0 {
		return nil
	}
	return &problem{kind: kindMediaType, detail: "Send the body as it is, without Content-Encoding.", header: http.Header{"Accept-Encoding": {"identity"}}}
}

func orJSON(mediaType string) string {
	if mediaType == "" {
		return mediaJSON
	}
	plain, _, _ := strings.Cut(mediaType, ";")
	return plain
}

// accepts reports whether the values of Accept (RFC 9110, section 12.5.1) allow a media type.
// The most specific one that fits decides.
func accepts(header []string, mediaType string) bool {
	mediaType = orJSON(mediaType)
	family, _, _ := strings.Cut(mediaType, "/")
	best, allowed, any := 0, false, false
	for _, line := range header {
		for item := range strings.SplitSeq(line, ",") {
			if strings.TrimSpace(item) == "" {
				continue
			}
			any = true
			t, params, err := mime.ParseMediaType(item)
			if err != nil {
				continue
			}
			rank := 0
			switch t {
			case mediaType:
				rank = 3
			case family + "/*":
				rank = 2
			case "*/*":
				rank = 1
			}
			if rank < max(best, 1) {
				continue
			}
			q := 1.0
			if text, ok := params["q"]; ok {
				if q, err = strconv.ParseFloat(text, 64); err != nil {
					continue
				}
			}
			best, allowed = rank, q > 0
		}
	}
	return allowed || !any
}

func badParameter(name, detail string) error {
	if len(name) > mostPointer {
		name = name[:mostPointer]
	}
	return &problem{kind: kindRequest, faults: []fault{{Parameter: strings.ToValidUTF8(name, "?"), Detail: detail}}}
}

func badHeader(name, detail string) error {
	return &problem{kind: kindRequest, faults: []fault{{Header: name, Detail: detail}}}
}

// mostKey bounds the header Idempotency-Key.
const mostKey = 200

// key returns the idempotency key for the desk. It is bound to the actor: the key of somebody
// else is another key, even if they are equal. scope distinguishes the holders of status links,
// of whom the handler knows nothing else.
func (c *call) key(scope string) (string, error) {
	values := c.r.Header.Values("Idempotency-Key")
	if len(values) == 0 {
		return "", nil
	}
	if len(values) > 1 {
		return "", badHeader("Idempotency-Key", "must be there once")
	}
	key := values[0]
	if n := len(key); n >= 2 && key[0] == '"' && key[n-1] == '"' {
		key = key[1 : n-1]
	}
	if key == "" || len(key) > mostKey || strings.ContainsFunc(key, func(r rune) bool { return r < '!' || r > '~' }) {
		return "", badHeader("Idempotency-Key", "must be 1 to 200 visible ASCII characters")
	}
	p := c.actor.Person
	who := []string{c.actor.Role.String(), "id", p.ID}
	switch {
	case p.ID != "":
	case p.Email != "":
		who[1], who[2] = "mail", lower(p.Email)
	case p.Phone != "":
		who[1], who[2] = "phone", p.Phone
	default:
		who[1], who[2] = "link", scope
	}
	written, err := json.Marshal(append(who, key))
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(written)
	return "rest:" + hex.EncodeToString(sum[:]), nil
}

// lower lowers A to Z, as the desk does where it compares addresses.
func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// entityTag is an entity tag (RFC 9110, section 8.8.3).
type entityTag struct {
	text string
	weak bool
}

// entityTags reads the values of If-Match or If-None-Match, other than *. It returns nil if they
// are malformed or none.
func entityTags(values []string) (list []entityTag) {
	for text := strings.Join(values, ","); ; {
		text = strings.TrimLeft(text, " \t,") // there may be empty elements
		if text == "" {
			return list
		}
		var tag entityTag
		text, tag.weak = strings.CutPrefix(text, "W/")
		quoted, ok := strings.CutPrefix(text, `"`)
		if !ok {
			return nil
		}
		if tag.text, text, ok = strings.Cut(quoted, `"`); !ok || strings.ContainsFunc(tag.text, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
			return nil
		}
		if text = strings.TrimLeft(text, " \t"); text != "" && text[0] != ',' {
			return nil
		}
		list = append(list, tag)
	}
}

// refuseMatch refuses If-Match where it is no condition: who sends it believes to be safe.
func (c *call) refuseMatch() error {
	values := c.r.Header.Values("If-Match")
	safe := c.op.method == http.MethodGet
	if safe || c.op.pins || len(values) == 0 || len(values) == 1 && strings.TrimSpace(values[0]) == "*" {
		return nil
	}
	return badHeader("If-Match", "is for actions only")
}

// match returns the entity tags in If-Match of which one must be the current one. pinned is false
// where any will do. Weak ones never match (section 13.1.1), and are left out.
func (c *call) match() (tags []string, pinned bool, err error) {
	values := c.r.Header.Values("If-Match")
	switch {
	case len(values) == 0 && c.h.cfg.RequireMatch:
		return nil, false, &problem{kind: kindMatchMissing, faults: []fault{{Header: "If-Match", Detail: "is missing: send the entity tag of what you saw, or *"}}}
	case len(values) == 0:
		return nil, false, nil
	case len(values) == 1 && strings.TrimSpace(values[0]) == "*":
		return nil, false, nil
	}
	list := entityTags(values)
	if list == nil {
		return nil, false, badHeader("If-Match", "must be entity tags in quotation marks, or *")
	}
	for _, tag := range list {
		if !tag.weak {
			tags = append(tags, tag.text)
		}
	}
	return tags, true, nil
}

// unchanged reports whether If-None-Match names the entity tag.
func (c *call) unchanged(tag string) bool {
	values := c.r.Header.Values("If-None-Match")
	if len(values) == 1 && strings.TrimSpace(values[0]) == "*" {
		return true
	}
	return slices.ContainsFunc(entityTags(values), func(known entityTag) bool { return known.text == tag })
}

// tagged answers with a value that has an entity tag, or with 304.
func (c *call) tagged(tag string, v any) error {
	c.w.Header().Set("ETag", `"`+tag+`"`)
	if c.unchanged(tag) {
		c.writeDeadline(c.h.cfg.Limits.Stall)
		c.w.WriteHeader(http.StatusNotModified)
		c.end()
		return nil
	}
	return c.json(http.StatusOK, v)
}

// versionTag is the entity tag of a ticket for agents and systems.
func versionTag(version int64) string { return strconv.FormatInt(version, 10) }

// versionOf reads a versionTag. No ticket has version 0.
func versionOf(tag string) int64 {
	n, err := strconv.ParseInt(tag, 10, 64)
	if err != nil || n < 1 || versionTag(n) != tag {
		return 0
	}
	return n
}

// viewTag is the entity tag of what a customer sees.
func viewTag(v viewJSON) (string, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(b)
	return base64.RawURLEncoding.EncodeToString(sum[:18]), nil
}

// customer reports whether the actor is one.
func (c *call) customer() bool { return c.actor.Role == ticket.RoleRequester }
