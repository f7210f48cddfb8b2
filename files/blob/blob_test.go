package blob_test

import (
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	gocloud "gocloud.dev/blob"
	"gocloud.dev/blob/fileblob"
	"gocloud.dev/blob/memblob"
	"gocloud.dev/blob/s3blob"

	"github.com/ticketkit/ticket"
	"github.com/ticketkit/ticket/files/blob"
	"github.com/ticketkit/ticket/files/filestest"
)

func newStore(t *testing.T, bucket *gocloud.Bucket, err error) *blob.Store {
	t.Helper()
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, bucket.Close()) })
	s, err := blob.New(bucket)
	require.NoError(t, err)
	return s
}

// damage replaces the newest object of a file.
func damage(t *testing.T, bucket *gocloud.Bucket, sum ticket.Digest, change func([]byte) []byte) {
	t.Helper()
	for it := bucket.List(nil); ; {
		o, err := it.Next(t.Context())
		require.NoError(t, err)
		if !strings.Contains(o.Key, sum.String()) {
			continue
		}
		b, err := bucket.ReadAll(t.Context(), o.Key)
		require.NoError(t, err)
		require.NoError(t, bucket.WriteAll(t.Context(), o.Key, change(b), nil))
		return
	}
}

// openS3 returns a bucket of a server in this process that speaks the protocol of S3.
func openS3(t *testing.T) (*gocloud.Bucket, error) {
	t.Helper()
	server := httptest.NewServer(gofakes3.New(s3mem.New()).Server())
	t.Cleanup(server.Close)
	client := s3.New(s3.Options{
		BaseEndpoint: aws.String(server.URL), Region: "eu-central-1", UsePathStyle: true,
		Credentials:                credentials.NewStaticCredentialsProvider("key", "secret", ""),
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired,
	})
	_, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("desk-files")})
	require.NoError(t, err)
	return s3blob.OpenBucket(t.Context(), client, "desk-files", nil)
}

func TestFiles(t *testing.T) {
	for name, c := range map[string]struct {
		open    func(t *testing.T) (*gocloud.Bucket, error)
		without []filestest.Feature
	}{
		"memory": {func(*testing.T) (*gocloud.Bucket, error) { return memblob.OpenBucket(nil), nil }, []filestest.Feature{filestest.Streaming}},
		"folder": {func(t *testing.T) (*gocloud.Bucket, error) { //nolint:thelper // opens a bucket
			return fileblob.OpenBucket(t.TempDir(), nil)
		}, nil},
		"S3": {openS3, []filestest.Feature{filestest.Streaming}}, // the server has its objects in memory
	} {
		t.Run(name, func(t *testing.T) {
			buckets := map[ticket.FileStore]*gocloud.Bucket{}
			filestest.Run(t, func(t *testing.T) ticket.FileStore {
				t.Helper()
				bucket, err := c.open(t)
				s := newStore(t, bucket, err)
				buckets[s] = bucket
				return s
			}, filestest.Without(c.without...), filestest.Reopen(func(t *testing.T, s ticket.FileStore) ticket.FileStore {
				t.Helper()
				again, err := blob.New(buckets[s])
				require.NoError(t, err)
				return again
			}), filestest.Damage(func(t *testing.T, s ticket.FileStore, _ string, sum ticket.Digest, change func([]byte) []byte) {
				t.Helper()
				damage(t, buckets[s], sum, change)
			}))
		})
	}
}

// An upload whose process died is removed a day later. Other objects are left alone.
func TestAbandonedUploads(t *testing.T) {
	bucket := memblob.OpenBucket(nil)
	defer func() { require.NoError(t, bucket.Close()) }()
	clock := time.Now()
	s, err := blob.New(bucket, blob.Now(func() time.Time { return clock }))
	require.NoError(t, err)
	for _, key := range []string{"incoming/01J", "README", "t61/notes.txt", "tzz/x-1-2"} {
		require.NoError(t, bucket.WriteAll(t.Context(), key, []byte("x"), nil))
	}
	f, err := s.Put(t.Context(), "a", strings.NewReader("text"))
	require.NoError(t, err)
	for _, want := range []bool{true, false} {
		list, err := s.List(t.Context(), ticket.File{}, 10)
		require.NoError(t, err)
		assert.Equal(t, []ticket.File{f}, list)
		there, err := bucket.Exists(t.Context(), "incoming/01J")
		require.NoError(t, err)
		assert.Equal(t, want, there)
		clock = clock.Add(25 * time.Hour)
	}
	there, err := bucket.Exists(t.Context(), "README")
	require.NoError(t, err)
	assert.True(t, there)
}

// Storing the same bytes again leaves one object.
func TestOneObjectForAFile(t *testing.T) {
	bucket := memblob.OpenBucket(nil)
	defer func() { require.NoError(t, bucket.Close()) }()
	s, err := blob.New(bucket)
	require.NoError(t, err)
	for range 3 {
		_, err := s.Put(t.Context(), "a", strings.NewReader(strings.Repeat("x", 2<<20)))
		require.NoError(t, err)
	}
	n := 0
	for it := bucket.List(nil); ; n++ {
		if _, err := it.Next(t.Context()); err != nil {
			require.ErrorIs(t, err, io.EOF)
			break
		}
	}
	assert.Equal(t, 1, n)
}

func TestNewNeedsABucket(t *testing.T) {
	_, err := blob.New(nil)
	require.ErrorIs(t, err, ticket.ErrInvalid)
}
