package mailbox

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// A name can be there as a whole, in pieces, and in the old form at the same time. It is read in
// the same way each time.
func TestNamesOfFilesInSeveralForms(t *testing.T) {
	for field, want := range map[string]string{
		`attachment; filename="a.pdf"`:                               "a.pdf",
		`attachment; filename=a.pdf; filename*=utf-8''b%C3%BC.pdf`:   "bü.pdf",
		`attachment; filename*0=a; filename*1=b; filename*2=c`:       "abc",
		`attachment; filename*1=b; filename*0*=utf-8''%C3%BC`:        "üb",
		`attachment; filename*0*=717; filename*=A0`:                  "A0",
		`attachment; filename*=A0; filename*0=x; filename*1=y`:       "A0",
		`attachment; filename*0=a; filename*00=b; filename*0*=c`:     "a",
		`attachment; filename*0=a; filename*-1=b; filename*x=c`:      "a",
		`attachment; filename*1=b; filename="the old form"`:          "b",
		`attachment; filename*=iso-8859-1'en'%A3.txt; filename*1=no`: "£.txt",
	} {
		for range 20 {
			_, params := mediaType(field, "")
			if !assert.Equal(t, want, params["filename"], field) {
				break
			}
		}
	}
}
