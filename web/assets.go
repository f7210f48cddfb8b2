package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
)

//go:embed style/*.css
var styleFiles embed.FS

//go:embed script/*.js
var scriptFiles embed.FS

//go:embed style/icon.svg
var icon []byte

const assetsPath = "assets/"

// assets has the style sheet, the script and the icon, by names with a hash of their content.
type assets struct {
	names map[string]string // "style" → "desk-….css"
	files map[string]asset
}

type asset struct {
	mediaType string
	body      []byte
}

// makeAssets joins the files of each kind in the order of their names.
func makeAssets(extraStyle string) assets {
	a := assets{names: map[string]string{}, files: map[string]asset{}}
	style := compact(joined(styleFiles, "style"))
	if extraStyle != "" {
		style = append(append(style, '\n'), extraStyle...)
	}
	a.add("style", "css", "text/css; charset=utf-8", style)
	a.add("script", "js", "text/javascript; charset=utf-8", joined(scriptFiles, "script"))
	a.add("icon", "svg", "image/svg+xml", icon)
	return a
}

// compact removes comments and blanks from the built-in style sheet, in which no string has any of
// them.
func compact(css []byte) []byte {
	var b strings.Builder
	for rest := string(css); rest != ""; {
		before, after, found := strings.Cut(rest, "/*")
		b.WriteString(before)
		if !found {
			break
		}
		_, rest, _ = strings.Cut(after, "*/")
	}
	words := strings.Join(strings.Fields(b.String()), " ")
	return []byte(strings.NewReplacer("; } ", "}", " { ", "{", "{ ", "{", " {", "{", "; }", "}", " } ", "}", "} ", "}", "; ", ";", ": ", ":", ", ", ",", " }", "}").Replace(words))
}

func joined(from embed.FS, dir string) []byte {
	entries, err := from.ReadDir(dir)
	if err != nil {
		return nil
	}
	var parts [][]byte
	for _, e := range entries {
		if data, err := from.ReadFile(dir + "/" + e.Name()); err == nil {
			parts = append(parts, bytes.TrimSpace(data))
		}
	}
	return bytes.Join(parts, []byte("\n"))
}

func (a *assets) add(kind, ext, mediaType string, body []byte) {
	sum := sha256.Sum256(body)
	name := "desk-" + hex.EncodeToString(sum[:8]) + "." + ext
	a.names[kind] = name
	a.files[name] = asset{mediaType, body}
}

func (a *assets) name(kind string) string { return a.names[kind] }

// serve sends a file and reports whether there is one.
func (a *assets) serve(w http.ResponseWriter, name string) bool {
	f, ok := a.files[name]
	if !ok {
		return false
	}
	h := w.Header()
	h.Set("Content-Type", f.mediaType)
	h.Set("Content-Length", strconv.Itoa(len(f.body)))
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	_, _ = w.Write(f.body) // the client is gone; net/http sends no body for HEAD
	return true
}
