package webhook

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The example from the tests of the specification's reference libraries
// (standard-webhooks/libraries, the test "sign function works" in each language).
const (
	specSecret    = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	specID        = "msg_p5jXN8AQM9LWM0D4loKWxJek"
	specTime      = "1614265330"
	specBody      = `{"test": 2432232314}`
	specSignature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
)

const otherSecret = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

var specNow = time.Unix(1614265330, 0)

func specHeader() http.Header {
	h := http.Header{}
	h.Set(HeaderID, specID)
	h.Set(HeaderTimestamp, specTime)
	h.Set(HeaderSignature, specSignature)
	return h
}

func TestSpecVector(t *testing.T) {
	keys, err := parseSecrets([]string{specSecret})
	require.NoError(t, err)
	require.Equal(t, specSignature, sign(keys, specID, specTime, []byte(specBody)))
	require.NoError(t, Verify([]string{specSecret}, specHeader(), []byte(specBody), specNow))
}

func TestVerify(t *testing.T) {
	const wrong = "v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc="
	signatures := func(list ...string) func(http.Header) {
		return func(h http.Header) { h.Set(HeaderSignature, strings.Join(list, " ")) }
	}
	set := func(name, value string) func(http.Header) { return func(h http.Header) { h.Set(name, value) } }
	for _, tc := range []struct {
		name    string
		change  func(http.Header)
		secrets []string
		body    string
		late    time.Duration
		want    error
	}{
		{name: "as sent"},
		{name: "five minutes old", late: Tolerance},
		{name: "five minutes ahead", late: -Tolerance},
		{name: "older", late: Tolerance + time.Second, want: ErrTimestamp},
		{name: "further ahead", late: -Tolerance - time.Second, want: ErrTimestamp},
		{name: "the receiver has both secrets", secrets: []string{otherSecret, specSecret}},
		{name: "the receiver has another secret", secrets: []string{otherSecret}, want: ErrSignature},
		{name: "another body", body: specBody + " ", want: ErrSignature},
		{name: "another id", change: set(HeaderID, "msg_2"), want: ErrSignature},
		{name: "another timestamp", change: set(HeaderTimestamp, "1614265331"), want: ErrSignature},
		{name: "one of several fits", change: signatures(wrong, "v2,"+specSignature[3:], "v1a,abc", specSignature)},
		{name: "none of several fits", change: signatures(wrong, wrong), want: ErrSignature},
		{name: "another version only", change: signatures("v1a," + specSignature[3:]), want: ErrSignature},
		{name: "no version", change: signatures(specSignature[3:]), want: ErrSignature},
		{name: "half a signature", change: signatures("v1,"), want: ErrSignature},
		{name: "a part of it", change: signatures(specSignature[:20]), want: ErrSignature},
		{name: "more than it", change: signatures(specSignature + "="), want: ErrSignature},
		{name: "blanks around it", change: signatures("", specSignature, "", "")},
		{name: "no id", change: func(h http.Header) { h.Del(HeaderID) }, want: ErrHeader},
		{name: "no timestamp", change: func(h http.Header) { h.Del(HeaderTimestamp) }, want: ErrHeader},
		{name: "no signature", change: func(h http.Header) { h.Del(HeaderSignature) }, want: ErrHeader},
		{name: "an empty id", change: set(HeaderID, ""), want: ErrHeader},
		{name: "an empty signature", change: set(HeaderSignature, ""), want: ErrHeader},
		{name: "an id twice", change: func(h http.Header) { h.Add(HeaderID, specID) }, want: ErrHeader},
		{name: "a signature twice", change: func(h http.Header) { h.Add(HeaderSignature, specSignature) }, want: ErrHeader},
		{name: "a full stop in the id", change: set(HeaderID, "msg.1"), want: ErrHeader},
		{name: "a line break in the id", change: set(HeaderID, "msg\n1"), want: ErrHeader},
		{name: "a long id", change: set(HeaderID, strings.Repeat("x", 257)), want: ErrHeader},
		{name: "no number", change: set(HeaderTimestamp, "now"), want: ErrHeader},
		{name: "a sign", change: set(HeaderTimestamp, "+1614265330"), want: ErrHeader},
		{name: "before 1970", change: set(HeaderTimestamp, "-1"), want: ErrHeader},
		{name: "a fraction", change: set(HeaderTimestamp, "1614265330.0"), want: ErrHeader},
		{name: "a huge number", change: set(HeaderTimestamp, "99999999999999999999"), want: ErrHeader},
		{name: "the year 33658", change: set(HeaderTimestamp, "999999999999"), want: ErrTimestamp},
		{name: "zeros before it", change: set(HeaderTimestamp, "001614265330"), want: ErrSignature},
		{name: "a flood of signatures", change: set(HeaderSignature, strings.Repeat(specSignature+" ", 100)), want: ErrHeader},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := specHeader()
			if tc.change != nil {
				tc.change(h)
			}
			if tc.secrets == nil {
				tc.secrets = []string{specSecret}
			}
			if tc.body == "" {
				tc.body = specBody
			}
			err := Verify(tc.secrets, h, []byte(tc.body), specNow.Add(tc.late))
			if tc.want == nil {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, tc.want)
			var v *VerifyError
			require.ErrorAs(t, err, &v)
			require.NotEmpty(t, v.Header)
			require.NotContains(t, err.Error(), specSecret[6:])
			require.Less(t, len(err.Error()), 200)
		})
	}
}

func TestSecrets(t *testing.T) {
	encoded := func(n int) string { return "whsec_" + base64.StdEncoding.EncodeToString(make([]byte, n)) }
	for _, tc := range []struct {
		secret string
		ok     bool
	}{
		{specSecret, true},
		{NewSecret(), true},
		{encoded(24), true},
		{encoded(64), true},
		{encoded(23), false},
		{encoded(65), false},
		{encoded(0), false},
		{encoded(1 << 20), false},
		{"", false},
		{specSecret[6:], false},                           // without the prefix
		{strings.ToUpper(specSecret), false},              // the prefix is in lower case
		{specSecret + "\n", false},                        // as read from a file
		{specSecret[:20] + "\n" + specSecret[20:], false}, // the decoder alone would skip it
		{strings.TrimRight(encoded(25), "="), false},      // padding is missing
		{encoded(25)[:len(encoded(25))-3] + "B==", false}, // bits are left over
		{"whsec_" + strings.Repeat("-_", 16), false},      // the alphabet of URLs
		{"whsk_" + base64.StdEncoding.EncodeToString(make([]byte, 64)), false},
		{"whpk_" + base64.StdEncoding.EncodeToString(make([]byte, 32)), false},
	} {
		_, err := parseSecrets([]string{specSecret, tc.secret})
		if tc.ok {
			require.NoError(t, err, tc.secret)
			continue
		}
		var fault *SecretError
		require.ErrorAs(t, err, &fault, tc.secret)
		require.Equal(t, 1, fault.Index)
		require.ErrorContains(t, err, "24 to 64 bytes")
		if len(tc.secret) > 8 {
			require.NotContains(t, err.Error(), tc.secret[6:])
		}
	}
	_, err := parseSecrets(nil)
	require.ErrorContains(t, err, "at least one")
	one, other := NewSecret(), NewSecret()
	require.NotEqual(t, one, other)
	require.Error(t, Verify(nil, specHeader(), []byte(specBody), specNow), "no secret is not every secret")
}

func FuzzVerify(f *testing.F) {
	f.Add(specID, specTime, specSignature, []byte(specBody))
	f.Add("", "-1", "v1,", []byte{})
	f.Add("a.b", "9223372036854775807", strings.Repeat("v1, ", 2000), []byte("{}"))
	keys, err := parseSecrets([]string{specSecret})
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, id, stamp, signatures string, body []byte) {
		h := http.Header{key(HeaderID): {id}, key(HeaderTimestamp): {stamp}, key(HeaderSignature): {signatures}}
		err := Verify([]string{otherSecret, specSecret}, h, body, specNow)
		if err == nil {
			require.Contains(t, signatures, sign(keys, id, stamp, body))
			return
		}
		var v *VerifyError
		require.ErrorAs(t, err, &v)
		// A signed body is accepted whatever it contains, if the headers are valid.
		h.Set(HeaderSignature, sign(keys, id, stamp, body))
		require.NotErrorIs(t, Verify([]string{specSecret}, h, body, specNow), ErrSignature)
	})
}

// key returns the canonical form of a header's name.
func key(name string) string { return http.CanonicalHeaderKey(name) }

func FuzzSecret(f *testing.F) {
	for _, s := range []string{specSecret, otherSecret, "", "whsec_", "whsec_====", "whsk_x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		key, fault := parseSecret(s)
		require.Equal(t, fault == "", key != nil)
		if fault == "" {
			require.Equal(t, s, "whsec_"+base64.StdEncoding.EncodeToString(key), "one key has one text")
			require.True(t, len(key) >= MinSecret && len(key) <= MaxSecret, fmt.Sprint(len(key)))
		}
	})
}
