package web

import (
	"bytes"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ticketkit/ticket"
)

func TestFormsThatAreNoForms(t *testing.T) {
	s := formSite(t, newDesk(t, ticket.Config{}), nil)
	const many = "multipart/form-data; boundary=x"
	part := "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nb\r\n"
	for name, c := range map[string]struct {
		mediaType, body string
		want            int
	}{
		"empty":         {flat, "", http.StatusSeeOther},
		"whole parts":   {many, part + "--x--\r\n", http.StatusSeeOther},
		"no type":       {"", "a=b", http.StatusUnsupportedMediaType},
		"json":          {"application/json", `{"a":"b"}`, http.StatusUnsupportedMediaType},
		"doubled":       {flat, "a=b&a=c", http.StatusBadRequest},
		"doubled parts": {many, part + part + "--x--\r\n", http.StatusBadRequest},
		"not escaped":   {flat, "a=%zz", http.StatusBadRequest},
		"not UTF-8":     {flat, "a=%ff", http.StatusBadRequest},
		"no boundary":   {"multipart/form-data", part, http.StatusBadRequest},
		"half sent":     {many, part + "--x\r\nContent-Disposition: form-data; name=\"c\"\r\n\r\nd", http.StatusBadRequest},
		"no end":        {many, part, http.StatusBadRequest},
		"no name":       {many, "--x\r\n\r\nb\r\n--x--\r\n", http.StatusBadRequest},
		"a file":        {many, "--x\r\nContent-Disposition: form-data; name=\"a\"; filename=\"f\"\r\n\r\nb\r\n--x--\r\n", http.StatusBadRequest},
		"no file":       {many, "--x\r\nContent-Disposition: form-data; name=\"a\"; filename=\"\"\r\n\r\n\r\n--x--\r\n", http.StatusSeeOther},
		"too large":     {flat, "a=" + strings.Repeat("x", mostWords+1), http.StatusRequestEntityTooLarge},
		"much too large": {many, "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n" + strings.Repeat("x", mostWords+100_000) +
			"\r\n--x--\r\n", http.StatusRequestEntityTooLarge},
		"many fields": {flat, strings.Repeat("b=c&", mostParts+1), http.StatusBadRequest},
		"many parts":  {many, strings.Repeat(strings.Replace(part, `"a"`, `"b"`, 1), mostParts+1) + "--x--\r\n", http.StatusBadRequest},
	} {
		w := post(s, "/form", c.mediaType, strings.NewReader(c.body))
		assert.Equal(t, c.want, w.Code, name)
	}
	w := post(s, "/form", flat, io.MultiReader(strings.NewReader("a=b"), broken{}))
	assert.Equal(t, http.StatusBadRequest, w.Code)
}

// broken is a client that hangs up.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestLineBreaksOfFormsAreNewlines(t *testing.T) {
	var got *form
	s := formSite(t, newDesk(t, ticket.Config{}), func(f *form) { got = f })
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	require.NoError(t, m.WriteField("a", "one\r\ntwo"))
	require.NoError(t, m.Close())
	w := post(s, "/form", m.FormDataContentType(), &b)
	require.Equal(t, http.StatusSeeOther, w.Code)
	assert.Equal(t, "done?n=1", w.Header().Get("Location"))
	assert.Equal(t, []string{"one\ntwo"}, got.all("a"))
	assert.False(t, got.has("b"))
}
