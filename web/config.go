package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/ticketkit/ticket"
)

// Look makes the pages look like a part of your site. The zero Look works.
type Look struct {
	// Title is the name of the site, for the head of each page. Zero means "Help" for
	// customers and "Service desk" for agents, in the language of the page.
	Title string
	// Logo is the address of an image beside the title. It may be on another origin.
	Logo string
	// Home is the address that the title leads to. Zero means the first page of the handler.
	Home string
	// Style is CSS that follows the built-in style sheet, such as
	// ":root { --accent: #0b6e4f; --radius: 0; }". It is served as a file.
	Style string
	// Templates has files that replace the built-in templates of the same name, such as
	// "layout.html". Each is executed on examples when the handler is made, so a broken
	// one is an error then. A file whose name no template has is an error too. Nil
	// replaces nothing.
	Templates fs.FS
	// Texts replaces texts and adds languages: language, key, text. A language that is
	// not built in shows the English text where it lacks one. Keys that begin with "own." are for
	// templates of yours. Workflows of yours may have texts for their words; see docs/web.md.
	Texts map[string]map[string]string
	// Language is the language of a reader who asks for none that there is. Zero means "en".
	Language string
	// Zone is the time zone of readers whose zone is unknown. Nil means UTC.
	Zone *time.Location
	// Prefix is the path the handler is mounted at, for routers which neither remove it
	// from the request nor tell it in Request.Pattern. See docs/web.md.
	Prefix string
	// FrameAncestors lists the origins whose pages may show these pages in a frame, such as
	// "https://intranet.example.org", or "'self'". Nil means none.
	FrameAncestors []string
	// TrustedOrigins lists other origins whose pages may send forms here, such as
	// "https://shop.example.org"; see [http.CrossOriginProtection.AddTrustedOrigin].
	TrustedOrigins []string
	// SignIn is the address of the page of your site where people sign in. Pages that need
	// a person lead there. In it, "{page}" stands for the path and the query of the page that
	// the person comes from, escaped for a query: "/login?next={page}". It is empty for the
	// pages behind a status link and the confirmation, because their addresses are secrets. Zero
	// means that the pages only say so.
	SignIn string
	// Now is the clock. It should be that of the desk. Nil means [time.Now].
	Now func() time.Time
	// Logger gets errors that the reader of a page does not see. It gets no personal data.
	// Nil means [slog.Default].
	Logger *slog.Logger
}

// ActorFunc returns the actor of a request. It is the only authentication: a session of
// your site, a header of your proxy. The zero Actor means that nobody is signed in; it may
// have a Tenant. An error is shown as a page that says that the service is unavailable.
type ActorFunc func(*http.Request) (ticket.Actor, error)

// ConsoleConfig configures a [Console].
type ConsoleConfig struct {
	Look

	// Actor returns the agent of a request. It is required.
	Actor ActorFunc

	// Queues lists the queues that pages offer, beside those that have open tickets.
	Queues []string
	// Agents returns the agents to whom a ticket can be assigned, with ID and perhaps Name. Pages
	// show these names in place of IDs. It is called at most once for a page. Nil means that
	// agents type the ID.
	Agents func(ctx context.Context, a ticket.Actor) ([]ticket.Person, error)
	// DueSoon is how long before it is due a target counts as due soon. Zero means 4 hours.
	DueSoon time.Duration
	// Explain explains why a clock of a ticket is due when it is. With an agreement of package
	// sla:
	//
	//	func(ctx context.Context, a ticket.Actor, id ticket.ID, metric string, at time.Time) (fmt.Stringer, error) {
	//		return agreement.ExplainTicket(ctx, desk, a, id, sla.Metric(metric), at)
	//	}
	//
	// A result with the JSON form of sla.Explanation is drawn, another one is shown as text. Nil
	// means that the page of a clock shows its history only.
	Explain func(ctx context.Context, a ticket.Actor, id ticket.ID, metric string, at time.Time) (fmt.Stringer, error)
	// MaxUpload is the largest form, with its files, in bytes. Zero means 100 MB.
	MaxUpload int64
	// Key signs the files of a form that is shown again, so that another process accepts
	// them. It needs at least 32 bytes, and all processes need the same. Empty means a random
	// one: behind a load balancer an agent may have to attach files again.
	Key []byte

	// Policies is what was promised to which tickets, drawn for all agents: an agreement of
	// package sla. Its JSON form is read once. Nil means that there is no such page.
	Policies json.Marshaler
	// Mails is the incoming mail, for the pages of held mail: a *mailbox.Intake of module
	// mailbox. Nil means that there are no such pages.
	Mails Mails
	// Reports configures the reports.
	Reports Reports
}

// withDefaults returns the checked Look.
func (l Look) withDefaults() (Look, error) {
	if l.Language == "" {
		l.Language = "en"
	}
	if l.Zone == nil {
		l.Zone = time.UTC
	}
	if l.Now == nil {
		l.Now = time.Now //nolint:forbidigo // the one default of the one clock
	}
	if l.Logger == nil {
		l.Logger = slog.Default()
	}
	if l.Prefix = strings.Trim(l.Prefix, "/"); l.Prefix != "" {
		l.Prefix = "/" + l.Prefix
	}
	for _, o := range l.FrameAncestors {
		if o == "" || strings.ContainsAny(o, "; \t\r\n,") {
			return l, fmt.Errorf("web: Look.FrameAncestors: %q is not a source of a content security policy", o)
		}
	}
	for field, address := range map[string]string{"Logo": l.Logo, "Home": l.Home, "SignIn": l.SignIn} {
		if _, err := url.Parse(address); err != nil {
			return l, fmt.Errorf("web: Look.%s: %w", field, err)
		}
	}
	l.FrameAncestors = slices.Clone(l.FrameAncestors)
	return l, nil
}

var errNoDesk = errors.New("web: the desk is missing")

// policy returns the content security policy of the pages.
func (l *Look) policy() string {
	images := "'self'"
	if u, err := url.Parse(l.Logo); err == nil && u.Host != "" {
		scheme := u.Scheme
		if scheme == "" {
			scheme = "https"
		}
		images += " " + scheme + "://" + u.Host
	}
	ancestors := "'none'"
	if len(l.FrameAncestors) > 0 {
		ancestors = strings.Join(l.FrameAncestors, " ")
	}
	return "default-src 'none'; style-src 'self'; script-src 'self'; img-src " + images +
		"; font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors " + ancestors
}
