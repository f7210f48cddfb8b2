package mailbox

import (
	"strings"

	"github.com/ticketkit/ticket/internal/chars"
)

// files returns the files of a mail: everything that is not text to read. shown are the
// leaves whose words are in the text.
func files(root *part, shown map[*part]bool) (list []file, messages map[*part]int) {
	cids := map[string]bool{}
	withIDs := false
	root.each(func(p *part) bool {
		withIDs = withIDs || p.fields.has("content-id")
		return true
	})
	if withIDs {
		root.each(func(p *part) bool {
			if p.typ == "text/html" {
				cidsIn(p.content(), cids)
			}
			return true
		})
	}
	messages = map[*part]int{}
	charset := root.charset()
	root.each(func(p *part) bool {
		switch {
		case strings.HasPrefix(p.typ, "multipart/"), shown[p], p.isOtherForm(), p.isControl():
			return true
		}
		f := file{MediaType: fileType(p.typ), ContentID: p.contentID(), Content: p.content()}
		name := cleanName(p.fileName(charset))
		if name == "" && p.message != nil {
			if name = cleanName(strings.NewReplacer("/", "_", `\`, "_").Replace(oneLine(decodeWords(p.message.fields.get("subject"), p.message.charset())))); name != "" {
				name = cleanName(name + ".eml")
			}
		}
		if f.Name = name; name == "" {
			f.Name = defaultName(p.typ)
		}
		f.Inline = f.ContentID != "" && p.disposition != "attachment" && (cids[f.ContentID] || p.parent != nil && p.parent.typ == "multipart/related" && strings.HasPrefix(p.typ, "image/")) ||
			f.ContentID != "" && cids[f.ContentID]
		if p.isMessage() {
			messages[p] = len(list)
		}
		list = append(list, f)
		return true
	})
	return list, messages
}

// fileType returns a media type in the form that the desk takes.
func fileType(typ string) string {
	if strings.ContainsFunc(typ, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return "application/octet-stream"
	}
	return typ
}

// isOtherForm reports whether p is another form of the text, such as text for a watch: a
// text without a name, directly in a multipart/alternative. An invitation is a file.
func (p *part) isOtherForm() bool {
	return p.parent != nil && p.parent.typ == "multipart/alternative" && strings.HasPrefix(p.typ, "text/") && p.typ != "text/calendar" &&
		p.name == "" && p.disposition != "attachment" && p.typ != "text/plain" && p.typ != "text/html"
}

// isControl reports whether p only says how the next part is encrypted (RFC 3156), or is
// the machine's part of a report.
func (p *part) isControl() bool {
	if p.parent == nil {
		return false
	}
	return p.typ == "application/pgp-encrypted" && p.parent.typ == "multipart/encrypted"
}

// isEncrypted reports whether the words of a part can be read only with a key.
func (p *part) isEncrypted() bool {
	switch p.typ {
	case "multipart/encrypted":
		return true
	case "application/pkcs7-mime", "application/x-pkcs7-mime":
		return p.params["smime-type"] != "signed-data" && p.params["smime-type"] != "certs-only"
	}
	return false
}

// isSigned reports whether a part carries a signature.
func (p *part) isSigned() bool {
	switch p.typ {
	case "multipart/signed":
		return true
	case "application/pkcs7-mime", "application/x-pkcs7-mime":
		return p.params["smime-type"] == "signed-data"
	}
	return false
}

// cleanName returns the name of a file in the form in which the desk stores it, and "" if
// nothing is left. What the desk refuses is removed: a path, overrides of direction.
func cleanName(s string) string {
	s = strings.TrimFunc(strings.ToValidUTF8(s, "\ufffd"), chars.Vacant)
	s = s[strings.LastIndexAny(s, `/\`)+1:]
	s, fault := chars.FileName(strings.Map(func(r rune) rune {
		if r == 0 || chars.Override(r) {
			return -1
		}
		return r
	}, s))
	if fault != "" || strings.IndexFunc(s, func(r rune) bool { return visible(r) && r != '_' && r != '.' }) < 0 {
		return ""
	}
	return s
}

// defaultNames are names of files without one, by media type.
var defaultNames = map[string]string{
	"text/plain": "text.txt", "text/html": "page.html", "text/calendar": "invite.ics", "text/csv": "table.csv", "text/x-vcard": "contact.vcf", "text/vcard": "contact.vcf",
	"message/rfc822": "message.eml", "message/global": "message.eml", "message/delivery-status": "delivery-status.txt",
	"message/disposition-notification": "receipt.txt", "text/rfc822-headers": "headers.txt",
	"image/jpeg": "image.jpg", "image/png": "image.png", "image/gif": "image.gif", "image/svg+xml": "image.svg", "image/webp": "image.webp", "image/heic": "image.heic",
	"application/pdf": "document.pdf", "application/zip": "archive.zip", "application/json": "data.json", "application/xml": "data.xml",
	"application/pkcs7-mime": "smime.p7m", "application/x-pkcs7-mime": "smime.p7m",
	"application/pkcs7-signature": "smime.p7s", "application/x-pkcs7-signature": "smime.p7s",
	"application/pgp-signature": "signature.asc", "application/pgp-keys": "key.asc", "application/pgp-encrypted": "version.txt",
	"application/ms-tnef": "winmail.dat", "audio/mpeg": "audio.mp3", "video/mp4": "video.mp4",
}

// defaultName returns a name for a file without one.
func defaultName(typ string) string {
	if name := defaultNames[typ]; name != "" {
		return name
	}
	switch kind, _, _ := strings.Cut(typ, "/"); kind {
	case "image", "audio", "video", "text":
		return kind
	}
	return "file.bin"
}
