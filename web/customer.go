package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"sync/atomic"
	"time"

	"github.com/ticketkit/ticket"
)

// CustomerConfig configures a [Customer]. The zero CustomerConfig works: everyone may open
// a ticket, and follows it by its link.
type CustomerConfig struct {
	Look

	// Actor returns the customer of a request, made with [ticket.Requester]. Nil means that
	// nobody is ever signed in.
	Actor ActorFunc
	// RequireSignIn keeps the form for people who are signed in. Otherwise a person who is not
	// types a name and an address. Such a ticket is opened by System, with that person as
	// the requester: an address that is typed proves nothing, so the page does not act as it.
	RequireSignIn bool
	// System is the name of the actor that opens the tickets of people who are not signed in,
	// and sends their links. Zero means "web".
	System string

	// Fields are what the form asks for besides a subject, a message and files.
	Fields []Field
	// Complete changes a draft before it is opened: queue, priority, tags. It gets the request
	// with its body read. Nil changes nothing. It must give the same answer each time, since a
	// form may be sent twice. An error shows the form again, as an error of [ticket.Desk.Open]
	// does.
	Complete func(*http.Request, ticket.Draft) (ticket.Draft, error)
	// Organisation shows people the tickets of their organisation (Person.Organisation) too, if
	// the desk's policy lets them see them. The default policy does not.
	Organisation bool

	// MaxUpload is the largest form, with its files, in bytes. Zero means 100 MB.
	MaxUpload int64
	// MaxFiles is how many files one form takes. Zero means 10, and a negative number none.
	MaxFiles int
	// Key signs what a browser keeps between two requests: files of a form that comes back with
	// errors, and the address of the confirmation. It must be the same in all processes, and
	// have at least 32 bytes. Nil means a random key, which no other process has and which ends
	// with this one.
	Key []byte
	// Client returns the key by which requests are limited, such as the address that a proxy
	// passes on; "" is not limited. Nil means the address of the connection. Behind a proxy,
	// that is the proxy's: set Client, or all readers share one limit.
	Client func(*http.Request) string
}

// Field is something that the form asks for. The value is put into Draft.Fields. Labels are
// shown as they are, unless [Look].Texts has a text for the language: "field.NAME",
// "field.NAME.hint", and "field.NAME.VALUE" for an option.
type Field struct {
	// Name is the key of Draft.Fields: up to 40 letters, digits, "_" and "-".
	Name  string
	Label string
	Hint  string // under the label; may be empty
	// Type is "text" (or empty), "lines", "choice", "check", "number" or "date". A check is stored
	// as a bool, a number as an int64 or a float64, and the others as a string.
	Type     string
	Options  []Option // of a choice
	Required bool
}

// Option is one value of a [Field] of the type "choice".
type Option struct {
	Value string // as it is stored
	Label string // empty means Value
}

// Customer is the [http.Handler] of the customers' pages.
type Customer struct {
	site  *site
	cfg   CustomerConfig
	seals sealer

	others []ticket.ActionName // what customers can do only in your workflows

	files bool // the desk keeps files
	links bool // the desk sends status links

	unknown    atomic.Bool   // the store suggests nothing
	findPause  time.Duration // how long a search by number takes at least
	finds      limiter
	opens      limiter
	suggesting limiter
	stores     limiter // files of people who are not signed in
}

var fieldName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,40}$`)

// NewCustomer returns the pages for customers. Mount it into your server, with or without
// [http.StripPrefix]. It fails if the configuration is invalid, or if a template cannot be
// executed. It starts nothing.
//
// For links to these pages, set [ticket.StatusLinks].URL to the address where the handler is
// mounted and "t/" and the token.
func NewCustomer(desk *ticket.Desk, cfg CustomerConfig) (*Customer, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	s, err := newSite(desk, "customer", cfg.Look, cfg.Actor)
	if err != nil {
		return nil, err
	}
	c := &Customer{
		site: s, cfg: cfg, others: customersActions(desk.Workflows()), seals: newSealer(cfg.Key), findPause: 300 * time.Millisecond,
		finds:      limiter{most: 10, per: 10 * time.Minute},
		opens:      limiter{most: 20, per: time.Hour},
		suggesting: limiter{most: 60, per: time.Minute},
		stores:     limiter{most: 100, per: time.Hour},
	}
	if err := c.ask(); err != nil {
		return nil, err
	}
	s.frame = c.frame
	s.get("", c.newForm)
	s.post("", c.open)
	s.post("known", c.known)
	s.get("sent", c.sent)
	if c.links {
		s.get("find", c.find)
		s.post("find", c.sendLink)
	}
	s.get("tickets", c.list)
	for _, at := range []string{"tickets/{number}", "t/{token}"} {
		s.get(at, c.ticket)
		s.post(at, c.act)
		s.get(at+"/files/{sum}", c.download)
	}
	c.fixtures()
	if err := s.ready(); err != nil {
		return nil, err
	}
	return c, nil
}

func (cfg CustomerConfig) withDefaults() (CustomerConfig, error) {
	if cfg.System == "" {
		cfg.System = "web"
	}
	if cfg.MaxUpload == 0 {
		cfg.MaxUpload = 100_000_000
	}
	if cfg.MaxFiles == 0 {
		cfg.MaxFiles = 10
	}
	if cfg.Client == nil {
		cfg.Client = clientOf
	}
	switch {
	case cfg.MaxUpload < 0:
		return cfg, errors.New("web: CustomerConfig.MaxUpload must not be negative")
	case len(cfg.Key) > 0 && len(cfg.Key) < minKey:
		return cfg, fmt.Errorf("web: CustomerConfig.Key has %d bytes, at least %d are needed", len(cfg.Key), minKey)
	}
	seen := map[string]bool{}
	for i, f := range cfg.Fields {
		at := fmt.Sprintf("web: CustomerConfig.Fields[%d]", i)
		switch {
		case !fieldName.MatchString(f.Name):
			return cfg, fmt.Errorf("%s.Name must be 1 to 40 letters, digits, _ and -", at)
		case seen[f.Name]:
			return cfg, fmt.Errorf("%s.Name is used twice", at)
		case f.Label == "":
			return cfg, fmt.Errorf("%s.Label is missing", at)
		}
		seen[f.Name] = true
		switch f.Type {
		case "", "text", "lines", "check", "number", "date":
			if len(f.Options) > 0 {
				return cfg, fmt.Errorf("%s.Options are for the type \"choice\"", at)
			}
		case "choice":
			if len(f.Options) == 0 {
				return cfg, fmt.Errorf("%s.Options are missing", at)
			}
		default:
			return cfg, fmt.Errorf("%s.Type is none of text, lines, choice, check, number and date", at)
		}
	}
	return cfg, nil
}

// ask finds out what the desk can do. It does not reach the store.
//
//nolint:contextcheck,nolintlint // callers have no context to give; it counts for those in other packages
func (c *Customer) ask() error {
	ctx, desk := context.Background(), c.site.desk //nolint:forbidigo // it waits for nothing
	c.files = c.cfg.MaxFiles > 0 && keepsFiles(ctx, desk)
	err := desk.SendStatusLink(ctx, c.system(ticket.Actor{}), ticket.ID{}, ticket.Person{})
	if bad, ok := errors.AsType[*ticket.InvalidError](err); !ok || bad.Field != "config.status_links.url" {
		c.links = true
	}
	if bad, ok := errors.AsType[*ticket.InvalidError](err); ok && bad.Field != "config.status_links.url" && bad.Field != "link.for" {
		return fmt.Errorf("web: CustomerConfig.System: %w", err)
	}
	return nil
}

// ServeHTTP serves the customers' pages.
func (c *Customer) ServeHTTP(w http.ResponseWriter, r *http.Request) { c.site.ServeHTTP(w, r) }

// Shutdown does nothing: no page lives longer than its request.
func (c *Customer) Shutdown(context.Context) error { return nil }

// customerFrame is the data of the frame around each page.
type customerFrame struct {
	Here    string // "new", "tickets" or "find" if that page is shown
	Tickets bool   // there are one's own tickets
	Find    bool   // a status link can be sent
}

func (c *Customer) frame(p *page) (any, error) {
	if r := p.actor.Role; r != 0 && r != ticket.RoleRequester {
		return nil, &fault{status: http.StatusForbidden, key: "customers"}
	}
	here := map[string]string{"": "new", "tickets": "tickets", "find": "find"}[p.rest]
	return customerFrame{Here: here, Tickets: p.SignedIn() || p.example, Find: c.links && !p.SignedIn()}, nil
}

// system returns the actor for what people do who are not signed in.
func (c *Customer) system(a ticket.Actor) ticket.Actor {
	return ticket.System(c.cfg.System).InTenant(a.Tenant)
}

// secret sets the headers of a page whose address is a secret.
func (p *page) secret() {
	p.hidden = true
	p.w.Header().Set("Referrer-Policy", "no-referrer")
	p.w.Header().Set("X-Robots-Tag", "noindex, nofollow")
}

// pause waits, so that two answers take equally long.
func pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
