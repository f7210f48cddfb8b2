package blob_test

import (
	"context"
	"fmt"
	"io"
	"strings"

	"gocloud.dev/blob/memblob"

	"github.com/ticketkit/ticket/files/blob"
)

// A bucket keeps the files of a desk. Your application opens one of S3, Google Cloud or Azure with
// gocloud.dev/blob, and gives the store to the desk as ticket.Config.Files.
func Example() {
	ctx := context.Background()
	bucket := memblob.OpenBucket(nil)
	defer func() { _ = bucket.Close() }()
	store, err := blob.New(bucket)
	if err != nil {
		fmt.Println(err)
		return
	}
	f, err := store.Put(ctx, "", strings.NewReader("every second page is blank"))
	if err != nil {
		fmt.Println(err)
		return
	}
	r, err := store.Open(ctx, "", f.SHA256)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = r.Close() }()
	text, err := io.ReadAll(r)
	fmt.Printf("%d bytes: %s %v\n", f.Size, text, err)
	// Output: 26 bytes: every second page is blank <nil>
}
