package rest

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"mime"
	"net/http"
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
	t, params, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	charset := params["charset"]
	if err != nil || t != mediaJSON || charset != "" && !strings.EqualFold(charset, "utf-8") ||
		c.r.Header.Get("Content-Encoding") != "" {
		return &problem{kind: kindMediaType, detail: "The body must be " + mediaJSON + ".", header: http.Header{"Accept-Post": {mediaJSON}}}
	}
	return nil
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

// match returns the entity tag in If-Match. pinned is false where any will do.
func (c *call) match() (tag string, pinned bool, err error) {
	values := c.r.Header.Values("If-Match")
	switch {
	case len(values) == 0 && c.h.cfg.RequireMatch:
		return "", false, &problem{kind: kindMatchMissing, faults: []fault{{Header: "If-Match", Detail: "is missing: send the entity tag of what you saw, or *"}}}
	case len(values) == 0:
		return "", false, nil
	case len(values) > 1:
		return "", false, badHeader("If-Match", "must be there once")
	}
	v := strings.TrimSpace(values[0])
	if v == "*" {
		return "", false, nil
	}
	weak := strings.HasPrefix(v, "W/")
	v = strings.TrimPrefix(v, "W/")
	if len(v) < 2 || v[0] != '"' || v[len(v)-1] != '"' || strings.ContainsAny(v[1:len(v)-1], "\", ") {
		return "", false, badHeader("If-Match", "must be one entity tag in quotation marks, or *")
	}
	if weak { // never matches (RFC 9110, section 13.1.1)
		return "weak", true, nil
	}
	return v[1 : len(v)-1], true, nil
}

// unchanged reports whether If-None-Match names the entity tag.
func (c *call) unchanged(tag string) bool {
	for _, line := range c.r.Header.Values("If-None-Match") {
		for item := range strings.SplitSeq(line, ",") {
			item = strings.TrimPrefix(strings.TrimSpace(item), "W/")
			if item == "*" || item == `"`+tag+`"` {
				return true
			}
		}
	}
	return false
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
