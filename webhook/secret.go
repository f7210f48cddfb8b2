package webhook

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strings"
)

// The length of a secret in bytes, before it is encoded.
const (
	MinSecret = 24
	MaxSecret = 64
)

const (
	secretPrefix = "whsec_"
	newSecret    = 32 // as many bytes as the signature has
)

// NewSecret returns a new secret of 32 random bytes.
func NewSecret() string {
	var key [newSecret]byte
	_, _ = rand.Read(key[:]) // never fails
	return secretPrefix + base64.StdEncoding.EncodeToString(key[:])
}

// SecretError says what is wrong with a secret. It does not contain the secret.
type SecretError struct {
	Index  int // in the list of secrets
	Reason string
}

func (e *SecretError) Error() string { return fmt.Sprintf("webhook: secret %d %s", e.Index, e.Reason) }

// parseSecret returns the bytes of a secret, or the reason why it is invalid.
func parseSecret(secret string) (key []byte, fault string) {
	const shape = `must be "whsec_" and 24 to 64 bytes in base64`
	text, ok := strings.CutPrefix(secret, secretPrefix)
	switch {
	case strings.HasPrefix(secret, "whsk_") || strings.HasPrefix(secret, "whpk_"):
		return nil, "is an Ed25519 key, which is not supported: it " + shape
	case !ok || len(text) > base64.StdEncoding.EncodedLen(MaxSecret) || strings.ContainsAny(text, "\r\n"):
		return nil, shape
	}
	key, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || len(key) < MinSecret || len(key) > MaxSecret {
		return nil, shape
	}
	return key, ""
}

// parseSecrets returns the bytes of all secrets, or a [*SecretError].
func parseSecrets(secrets []string) ([][]byte, error) {
	if len(secrets) == 0 {
		return nil, &SecretError{Reason: "is missing: at least one is needed"}
	}
	keys := make([][]byte, len(secrets))
	for i, s := range secrets {
		key, fault := parseSecret(s)
		if fault != "" {
			return nil, &SecretError{Index: i, Reason: fault}
		}
		keys[i] = key
	}
	return keys, nil
}
