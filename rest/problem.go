package rest

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ticketkit/ticket"
)

// ProblemBase is the address before the name of a problem, such as "not-found", in the type of a
// problem document (RFC 9457). It leads to docs/rest.md, which has a section for each. Types do
// not change.
const ProblemBase = "https://github.com/ticketkit/ticket/blob/main/docs/rest.md#"

// kind is a category of problems. Each has one type.
type kind struct {
	name   string
	status int
	title  string
}

// The kinds. docs/rest.md has a section for each name; a test compares.
var (
	kindRequest       = kind{"bad-request", 400, "The request cannot be read"}
	kindNobody        = kind{"unauthenticated", 401, "It is not known who makes the request"}
	kindCrossOrigin   = kind{"cross-origin", 403, "A page of another origin may not do this"}
	kindRefused       = kind{"refused", 409, "The action is not possible now, or not for this actor"}
	kindNotFound      = kind{"not-found", 404, "There is no such thing, or the actor may not know of it"}
	kindMistyped      = kind{"mistyped", 400, "The text is no ticket number"}
	kindLink          = kind{"status-link", 404, "The status link is not valid"}
	kindMethod        = kind{"method-not-allowed", 405, "The resource has no such method"}
	kindNotAcceptable = kind{"not-acceptable", 406, "The answer has no media type that is accepted"}
	kindSlow          = kind{"too-slow", 408, "The body took too long"}
	kindConflict      = kind{"conflict", 409, "The ticket was changed by others again and again"}
	kindDuplicate     = kind{"duplicate", 409, "A number or an ID is taken already"}
	kindFile          = kind{"file", 410, "The file must not be read"}
	kindStale         = kind{"stale", 412, "The ticket has changed since it was read"}
	kindTooLarge      = kind{"too-large", 413, "The body is too large"}
	kindMediaType     = kind{"unsupported-media-type", 415, "The body has another media type"}
	kindInvalid       = kind{"invalid", 422, "The content is not acceptable"}
	kindKeyReused     = kind{"key-reused", 422, "The idempotency key was used for another request"}
	kindMatchMissing  = kind{"match-required", 428, "If-Match is missing"}
	kindHeader        = kind{"header-too-large", 431, "The header is too large"}
	kindInternal      = kind{"internal", 500, "Something is wrong with the desk"}
	kindUnsupported   = kind{"not-supported", 501, "This desk cannot do it"}
	kindUnavailable   = kind{"unavailable", 503, "The desk cannot answer at the moment"}

	kinds = []kind{
		kindRequest, kindNobody, kindCrossOrigin, kindRefused, kindNotFound, kindMistyped, kindLink, kindMethod,
		kindNotAcceptable, kindSlow, kindConflict, kindDuplicate, kindFile, kindStale, kindTooLarge, kindMediaType,
		kindInvalid, kindKeyReused, kindMatchMissing, kindHeader, kindInternal, kindUnsupported, kindUnavailable,
	}
)

// fault is one fault of a request.
type fault struct {
	Pointer   *string `json:"pointer,omitempty"`   // into the body
	Parameter string  `json:"parameter,omitempty"` // of the query
	Header    string  `json:"header,omitempty"`
	Detail    string  `json:"detail"`
}

// problem is an answer that tells of a failure, as a problem document.
type problem struct {
	kind   kind
	status int // 0: that of the kind
	detail string
	faults []fault
	more   extensions
	header http.Header
	cause  error // for the log
}

func (p *problem) Error() string { return "rest: " + p.kind.name }

func (p *problem) Unwrap() error { return p.cause }

// extensions are the members of a problem document that depend on its type.
type extensions struct {
	// Of refused.
	Why    string          `json:"why,omitempty"`
	Action string          `json:"action,omitempty"`
	Roles  []string        `json:"roles,omitempty"` // which may do it at all
	From   []ticket.Status `json:"from,omitempty"`
	Into   string          `json:"merged_into,omitempty"`
	// Of stale.
	Current int64     `json:"current,omitempty"`
	Since   []changed `json:"since,omitempty"`
	// Of status-link.
	Expired *time.Time `json:"expired,omitempty"`
	// Of file.
	Found string `json:"found,omitempty"`
	// Of an erasure that did not reach everything.
	Report *erasureReport `json:"report,omitempty"`
	// Of deliveries that were redriven before the failure.
	Redriven int `json:"redriven,omitempty"`
}

// changed is an event, without its words.
type changed struct {
	Ticket ticket.ID         `json:"ticket"`
	Seq    int64             `json:"seq"`
	At     time.Time         `json:"at"`
	Action ticket.ActionName `json:"action"`
	Role   string            `json:"role,omitempty"`
	By     string            `json:"by,omitempty"` // the ID of an agent or a system
	From   ticket.State      `json:"from,omitzero"`
	To     ticket.State      `json:"to"`
	Phase  ticket.Phase      `json:"phase"`
}

// document is the form of a problem that is sent.
type document struct {
	Type   string  `json:"type"`
	Title  string  `json:"title"`
	Status int     `json:"status"`
	Detail string  `json:"detail,omitempty"`
	Errors []fault `json:"errors,omitempty"`
	extensions
}

func (p *problem) code() int {
	if p.status != 0 {
		return p.status
	}
	return p.kind.status
}

func (p *problem) document() document {
	return document{Type: ProblemBase + p.kind.name, Title: p.kind.title, Status: p.code(), Detail: p.detail, Errors: p.faults, extensions: p.more}
}

// problemOf returns the problem that an error of the desk is.
func (c *call) problemOf(err error) *problem {
	if p, ok := errors.AsType[*problem](err); ok {
		return p
	}
	p := c.failure(err)
	p.cause = err
	if p.code() == http.StatusServiceUnavailable || p.kind == kindConflict {
		p.header = http.Header{"Retry-After": {"1"}}
	}
	return p
}

func (c *call) failure(err error) *problem {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return &problem{kind: kindUnavailable, detail: "It took too long. What was done by then may have been stored."}
	}
	if e, ok := errors.AsType[*ticket.StaleError](err); ok {
		return staleProblem(e)
	}
	if e, ok := errors.AsType[*ticket.DuplicateError](err); ok {
		if e.Reused {
			return &problem{kind: kindKeyReused, faults: []fault{{Header: "Idempotency-Key", Detail: "was used for another request: use a new key for a new request"}}}
		}
		return &problem{kind: kindDuplicate}
	}
	if e, ok := errors.AsType[*ticket.FileError](err); ok {
		p := &problem{kind: kindFile}
		if c.op.upload { // what was sent is refused
			p.status = http.StatusUnprocessableEntity
		}
		if e.Found != "" {
			p.more.Found = e.Found
		}
		return p
	}
	if e, ok := errors.AsType[*ticket.StatusLinkError](err); ok {
		p := &problem{kind: kindLink}
		if !e.Expired.IsZero() {
			p.status, p.more.Expired = http.StatusGone, &e.Expired
		}
		return p
	}
	if e, ok := errors.AsType[*ticket.RefusedError](err); ok {
		return c.refusal(e)
	}
	if e, ok := errors.AsType[*ticket.InvalidError](err); ok {
		return c.invalidity(e)
	}
	switch {
	case errors.Is(err, ticket.ErrStatusLink):
		return &problem{kind: kindLink}
	case errors.Is(err, ticket.ErrNotFound):
		return &problem{kind: kindNotFound}
	case errors.Is(err, ticket.ErrMistyped):
		return &problem{kind: kindMistyped, detail: "Compare the number: one of its symbols must be wrong."}
	case errors.Is(err, ticket.ErrConflict):
		return &problem{kind: kindConflict}
	case errors.Is(err, errors.ErrUnsupported):
		return &problem{kind: kindUnsupported}
	case errors.Is(err, ticket.ErrWorkflow), errors.Is(err, ticket.ErrChain):
		return &problem{kind: kindInternal}
	default: // of the store
		return &problem{kind: kindUnavailable}
	}
}

func staleProblem(e *ticket.StaleError) *problem {
	p := &problem{kind: kindStale, more: extensions{Current: e.Current}}
	for i := range e.Since {
		p.more.Since = append(p.more.Since, changeOf(&e.Since[i]))
	}
	return p
}

func changeOf(e *ticket.Event) changed {
	c := changed{Ticket: e.Ticket, Seq: e.Seq, At: e.At, Action: e.Action, Role: e.By.Role.String(), From: e.From, To: e.To, Phase: e.Phase}
	if e.By.Role&ticket.RoleCustomer == 0 {
		c.By = e.By.ID
	}
	return c
}

// refusal describes a refused action. What a guard or a policy of the application said is in the
// list of actions only: it may be anything.
func (c *call) refusal(e *ticket.RefusedError) *problem {
	p := &problem{kind: kindRefused, more: extensions{Why: e.Why, Action: string(e.Action), Roles: rolesOf(e.By)}}
	switch e.Why {
	case "role", "level", "queue", "link", "policy":
		p.status = http.StatusForbidden
	}
	if e.Why == "unknown" {
		p.more.Action = ""
	}
	if c.actor.Role != ticket.RoleRequester {
		p.detail = c.withoutInput(e.Detail, "")
		p.more.From = e.From
		if !e.Into.IsZero() {
			p.more.Into = e.Into.String()
		}
	}
	return p
}

// rolesOf lists the names of roles.
func rolesOf(r ticket.Role) []string {
	text, err := r.MarshalText()
	if err != nil || len(text) == 0 {
		return nil
	}
	return strings.Fields(string(text))
}

// invalidity names the field that is wrong.
func (c *call) invalidity(e *ticket.InvalidError) *problem {
	root, rest := e.Field, ""
	if i := strings.IndexAny(e.Field, ".["); i >= 0 {
		root, rest = e.Field[:i], strings.TrimPrefix(e.Field[i:], ".")
	}
	detail := c.withoutInput(e.Reason, c.action)
	at := func(p *problem) *problem {
		p.faults = []fault{{Detail: detail}}
		return p
	}
	switch {
	case root == "config":
		return &problem{kind: kindUnsupported}
	case root == "actor":
		return &problem{kind: kindInternal} // Config.Actor returned nobody that the desk can know
	case strings.HasSuffix(e.Field, ".key"):
		p := at(&problem{kind: kindRequest})
		p.faults[0].Header = "Idempotency-Key"
		return p
	case e.Field == "attachment.size":
		return &problem{kind: kindTooLarge, detail: "The file " + detail + "."}
	case c.op.upload:
		p := at(&problem{kind: kindInvalid})
		if p.faults[0].Parameter = "name"; strings.HasSuffix(e.Field, ".media_type") {
			p.faults[0].Parameter, p.faults[0].Header = "", "Content-Type"
		}
		return p
	case c.op.body == nil:
		p := at(&problem{kind: kindInvalid})
		p.faults[0].Parameter = parameterOf(root, rest)
		return p
	default:
		p := at(&problem{kind: kindInvalid})
		p.faults[0].Pointer = new("#" + pointerOf(root, rest))
		return p
	}
}

// parameterOf returns the parameter that a field of a query is in.
func parameterOf(root, rest string) string {
	if root == "query" && rest == "" { // several: the detail says what is wrong
		return ""
	}
	if rest == "" {
		return root
	}
	name, _, _ := strings.Cut(rest, ".")
	name, _, _ = strings.Cut(name, "[")
	switch name {
	case "requester", "participant", "to":
		return strings.ReplaceAll(strings.Replace(rest, ".person", "", 1), ".", "_")
	case "text":
		return "q"
	case "tags":
		return "tag"
	case "notifiers":
		return "notifier"
	case "ids":
		return "id"
	}
	return name
}

// bodies are the first parts of fields that stand for the body itself.
var bodies = []string{"action", "draft", "rating", "link", "erasure", "query", "request"}

// pointerOf returns the JSON pointer to a field of the body.
func pointerOf(root, rest string) string {
	path := rest
	if !slices.Contains(bodies, root) {
		path = root
		if rest != "" {
			path += "." + rest
		}
	}
	switch root + "." + rest {
	case "action.name":
		path = "action"
	case "link.ttl":
		path = "ttl_seconds"
	}
	// A name of a field may itself have points.
	before, name, named := strings.Cut("."+path, ".fields.")
	var b strings.Builder
	for part := range strings.FieldsFuncSeq(before, func(r rune) bool { return r == '.' || r == '[' || r == ']' }) {
		b.WriteString("/" + escapePointer(part))
	}
	if named {
		b.WriteString("/fields/" + escapePointer(name))
	}
	return b.String()
}

var quoted = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)

// withoutInput removes what the request itself said from a text of the desk: problem documents
// are logged, and must not have the words of a person. The name of a known action may stay.
func (c *call) withoutInput(text, known string) string {
	return quoted.ReplaceAllStringFunc(text, func(q string) string {
		word, err := strconv.Unquote(q)
		word = strings.TrimSuffix(word, "…")
		if err != nil || word == "" || word == known {
			return q
		}
		written, err := json.Marshal(word)
		if err != nil || strings.Contains(string(c.input), string(written[1:len(written)-1])) || strings.Contains(string(c.input), word) {
			return `"…"`
		}
		return q
	})
}
