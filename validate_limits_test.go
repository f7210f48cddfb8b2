package ticket

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLimitsThatAreZeroHaveTheirDefaults(t *testing.T) {
	got, err := Limits{Subject: 7}.withDefaults()
	require.NoError(t, err)
	require.Equal(t, Limits{
		Subject: 7, Message: 262144, Note: 262144, Name: 200, Email: 254, Ref: 2048, FieldValue: 8192,
		Tags: 50, Fields: 100, Followers: 100, Links: 1000, Attachments: 50, AttachmentSize: 1073741824,
	}, got)
	require.Equal(t, 400, defaultLimits().Subject)
}

func TestNegativeLimitsAreRefused(t *testing.T) {
	for _, l := range []Limits{{Subject: -1}, {Attachments: -1}, {AttachmentSize: -1}} {
		_, err := l.withDefaults()
		require.ErrorIs(t, err, ErrInvalid)
	}
}
