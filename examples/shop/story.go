package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"regexp"
	"strings"

	"github.com/ticketkit/ticket"
)

// story tells a day at the shop: it goes through the pages as its people would,
// and prints what they see.
func story(ctx context.Context, cfg config, desk ticket.Config, stdout io.Writer) (err error) {
	cfg.base, cfg.smtp = "https://shop.example", ""
	desk.Logger = slog.New(slog.DiscardHandler)
	desk.Relay.Batch = 1 // one letter after the other, so that they print in order
	s, err := open(ctx, cfg, desk)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.console.Shutdown(ctx)) }()
	d := &day{ctx: ctx, shop: s, people: map[string]*browser{}, out: stdout}
	for _, scene := range []func(){d.complaint, d.german, d.link, d.work, d.stale, d.mail, d.merge, d.search, d.solved, d.figures, d.leaves} {
		if scene(); d.err != nil {
			return d.err
		}
	}
	return nil
}

// day is the state of the story. The first error ends it.
type day struct {
	ctx     context.Context
	shop    *shop
	people  map[string]*browser
	out     io.Writer
	printed int // letters that were printed
	first   string
	err     error
}

func (d *day) say(format string, args ...any) { _, _ = fmt.Fprintf(d.out, format+"\n", args...) }

// as returns the browser of a signed-in user. With "", nobody is signed in.
func (d *day) as(name string) *browser {
	b := d.people[name]
	if b != nil || d.err != nil {
		return b
	}
	if b, d.err = newBrowser(d.shop.handler(), d.shop.base); d.err != nil {
		return b
	}
	d.people[name] = b
	d.look(b, "/login")
	if name != "" {
		d.send(b, "/login", map[string]string{"user": name}, nil)
	}
	return b
}

func (d *day) look(b *browser, address string) {
	if d.err == nil {
		d.err = b.get(d.ctx, address)
	}
}

func (d *day) send(b *browser, form string, fill map[string]string, file *chosen) {
	if d.err == nil {
		d.err = b.submit(d.ctx, form, fill, file)
	}
}

// letters delivers what is due and prints it in short.
func (d *day) letters() {
	if d.err != nil {
		return
	}
	if _, d.err = d.shop.desk.Deliver(d.ctx); d.err != nil {
		return
	}
	list := d.shop.outbox.newest()
	for i := len(list) - d.printed - 1; i >= 0; i-- {
		lines := strings.Split(list[i].Letter.Text, "\n")
		d.say("  → letter to %s (%s): %s", list[i].To, list[i].Letter.Language, lines[min(2, len(lines)-1)])
	}
	d.printed = len(list)
}

func (d *day) complaint() {
	d.say("Ada looks at her orders and asks for help with the first one, with a photo.")
	ada := d.as("ada")
	d.look(ada, "/orders/1001/help")
	d.send(ada, "/orders/1001/help", map[string]string{
		"subject": "Teapot arrived broken", "message": "The spout is off. See the photo.",
	}, &chosen{"teapot.png", "\x89PNG\r\n\x1a\n"})
	if d.err != nil {
		return
	}
	d.first = number.FindString(ada.at.Path)
	file, _, _ := strings.Cut(ada.one("file"), " ·")
	d.say("  ticket %s: %s, file %s", d.first, ada.one("now"), file)
	d.letters()
}

var number = regexp.MustCompile(`[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]`)

func (d *day) german() {
	d.say("\nBert does the same. His letters are in German.")
	bert := d.as("bert")
	d.look(bert, "/orders/1003/help")
	d.send(bert, "/orders/1003/help", map[string]string{"subject": "Lampe flackert", "message": "Seit gestern, an jeder Steckdose."}, nil)
	d.letters()
}

var statusLink = regexp.MustCompile(`https://shop\.example/help/t/\w+`)

func (d *day) link() {
	d.say("\nAda answers through the link in her letter, from a browser where she has not signed in.")
	var address string
	for _, p := range d.shop.outbox.newest() {
		if p.To == "ada@example.org" {
			address = statusLink.FindString(p.Letter.Text)
		}
	}
	phone := d.as("")
	d.look(phone, address)
	d.send(phone, string(ticket.ActionReply), map[string]string{"message": "The lid is fine, by the way."}, nil)
	if d.err == nil {
		d.say("  she sees %d messages: %s", len(phone.all("words")), strings.Join(phone.all("words"), " / "))
	}
	d.letters()
}

func (d *day) work() {
	d.say("\nLin works at the desk.")
	lin := d.as("lin")
	d.look(lin, "/desk/")
	if d.err != nil {
		return
	}
	d.say("  waiting: %s", strings.Join(lin.all("subject"), ", "))
	d.look(lin, "/desk/tickets/"+d.first)
	if d.err != nil {
		return
	}
	d.say("  may write: %s; was promised: %s", lin.one("tabs"), lin.one("clock"))
	d.send(lin, string(ticket.ActionTake), nil, nil)
	d.look(d.as("kim"), "/desk/tickets/"+d.first+"?do=resolve") // for the next scene
	d.send(lin, string(ticket.ActionAsk), map[string]string{"message": "Do you want a new one, or your money?"}, nil)
	if d.err == nil {
		d.say("  took it, and asked: it is %s", lin.one("chip"))
	}
	d.letters()
}

func (d *day) stale() {
	d.say("\nKim has the page of before, and answers too. Kim reads German.")
	kim := d.as("kim")
	d.send(kim, string(ticket.ActionResolve), map[string]string{"message": "Your money is on its way."}, nil)
	if d.err == nil {
		why, _, _ := strings.Cut(kim.one("problems"), " Sehen")
		d.say("  %d: %s", kim.status, why)
		d.say("  still in the form: %s", fields(kim.form(string(ticket.ActionResolve)))["message"])
	}
}

func (d *day) mail() {
	d.say("\nAda answers Lin's letter from her mail program.")
	ada := d.as("ada")
	d.look(ada, "/outbox")
	d.send(ada, "/outbox", map[string]string{"message": "A new one, please."}, nil)
	d.look(d.as("lin"), "/desk/tickets/"+d.first)
	if d.err == nil {
		words := d.as("lin").all("words")
		d.say("  on the ticket: %s; it is %s", words[len(words)-1], d.as("lin").one("chip"))
	}
	d.letters()
}

func (d *day) merge() {
	d.say("\nAda asks once more, from another order. Lin merges the two, and parts them again.")
	ada, lin := d.as("ada"), d.as("lin")
	d.look(ada, "/orders/1002/help")
	d.send(ada, "/orders/1002/help", map[string]string{"subject": "And a cup", "message": "One of the cups has a crack."}, nil)
	if d.err != nil {
		return
	}
	second := number.FindString(ada.at.Path)
	d.look(lin, "/desk/merge?"+url.Values{"from": {second}, "into": {strings.ToLower(d.first)}}.Encode())
	d.send(lin, "/desk/merge", nil, nil)
	d.look(ada, "/help/tickets/"+second)
	if d.err != nil {
		return
	}
	d.say("  her second number leads to: %s", ada.one("h1"))
	d.say("  where she reads: %s", strings.Join(ada.all("words"), " / "))
	d.look(lin, "/desk/tickets/"+second)
	d.send(lin, string(ticket.ActionUnmerge), nil, nil)
	d.look(ada, "/help/tickets/"+second)
	if d.err == nil {
		d.say("  and after that to: %s", ada.one("h1"))
	}
	d.letters()
}

func (d *day) search() {
	d.say("\nLin looks for a word.")
	lin := d.as("lin")
	d.look(lin, "/desk/search?q=steckdose")
	if d.err == nil {
		d.say("  %s", strings.Join(lin.all("li"), "; "))
	}
}

func (d *day) solved() {
	d.say("\nLin sends a new one, and Ada agrees.")
	ada, lin := d.as("ada"), d.as("lin")
	d.look(lin, "/desk/tickets/"+d.first)
	d.send(lin, string(ticket.ActionResolve), map[string]string{"message": "It leaves today."}, nil)
	d.look(ada, "/help/tickets/"+d.first)
	d.send(ada, string(ticket.ActionConfirm), nil, nil)
	if d.err == nil {
		d.say("  it is %s", ada.one("now"))
	}
	d.letters()
}

func (d *day) figures() {
	d.say("\nKim looks at the figures of the month.")
	kim := d.as("kim")
	const most = 20 // tries: the page waits for its figures for a moment only
	for range most {
		if d.look(kim, "/desk/reports"); d.err != nil || len(kim.all("figure")) > 0 {
			break
		}
	}
	if d.err == nil {
		names := kim.all("strong")
		d.say("  %s, %s: %d drawings with tables", kim.one("h1"), names[len(names)-1], len(kim.all("figure")))
	}
}

func (d *day) leaves() {
	d.say("\nAda deletes her account.")
	ada, lin := d.as("ada"), d.as("lin")
	d.look(ada, "/account")
	d.send(ada, "/account/delete", nil, nil)
	d.look(ada, "/orders")
	d.look(lin, "/desk/tickets/"+d.first)
	if d.err != nil {
		return
	}
	d.say("  her orders lead to: %s", ada.one("h1"))
	_, customer, _ := strings.Cut(lin.one("facts"), "Customer Name ")
	customer, _, _ = strings.Cut(customer, " Filed as")
	d.say("  her ticket now: %s, of %s", lin.one("h1"), customer)
	d.letters()
}
