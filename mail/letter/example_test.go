package letter_test

import (
	"fmt"
	"testing/fstest"
	"time"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/mail/letter"
)

func ExampleLetters_Write() {
	letters, err := letter.New(letter.Config{Desk: "The Example Shop"})
	if err != nil {
		fmt.Println(err)
		return
	}
	l, err := letters.Write(ticket.Notification{
		Kind: ticket.KindUploaded, Number: "7Q4K-92MX-F", Subject: "Drucker druckt leere Seiten",
		To:          ticket.Recipient{Role: ticket.RoleRequester, Person: ticket.Person{Name: "Ada Byron", Locale: "de-AT"}},
		At:          time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC),
		Attachments: []ticket.Attachment{{Name: "seite.png", Size: 48_230}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(l.Subject)
	fmt.Println()
	fmt.Print(l.Text)
	// Output:
	// [7Q4K-92MX-F] Drucker druckt leere Seiten
	//
	// Guten Tag Ada Byron,
	//
	// vielen Dank, Folgendes ist angekommen und gehört jetzt zur Anfrage 7Q4K-92MX-F:
	//
	// - seite.png
	//   Größe: 48,2 kB
	//   Eingegangen: 2. März 2026, 09:30 Uhr UTC
	//
	// Betreff: Drucker druckt leere Seiten
	//
	// Wenn Sie etwas ergänzen möchten, antworten Sie einfach auf diese Nachricht.
	//
	// Freundliche Grüße
	// The Example Shop
	//
	// --
	// Diese Nachricht zur Anfrage 7Q4K-92MX-F wurde automatisch versandt.
}

// Your application replaces the words for one kind and keeps the others.
func ExampleConfig_templates() {
	letters, err := letter.New(letter.Config{Templates: fstest.MapFS{ // or os.DirFS, or an embed.FS
		"en/closed.txt": {Data: []byte("Done: {{.Number}} {{.Subject}}\n\n{{template \"top\" .}}\n\nwe are done with {{.Number}}.\n\n{{template \"bottom\" .}}\n")},
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	l, err := letters.Write(ticket.Notification{Kind: ticket.KindClosed, Number: "7Q4K-92MX-F", Subject: "Printer prints blank pages", To: ticket.Recipient{Role: ticket.RoleRequester}})
	fmt.Println(l.Subject, err)

	_, err = letter.New(letter.Config{Templates: fstest.MapFS{
		"en/closed.txt": {Data: []byte("Done: {{.Nummer}}\n\nDone.\n")},
	}})
	fmt.Println(err)
	// Output:
	// Done: 7Q4K-92MX-F Printer prints blank pages <nil>
	// letter: en/closed.txt: template: en/closed.txt:1:8: executing "en/closed.txt" at <.Nummer>: can't evaluate field Nummer in type letter.Data
}
