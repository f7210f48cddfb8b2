package mailbox

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-sasl"
	"github.com/stretchr/testify/require"
)

// tokenServer is what a provider with OAuth 2.0 adds to its IMAP server.
type tokenServer struct {
	mechanisms []string

	mu    sync.Mutex
	valid string // the token that is accepted
	used  []string
}

// accept reports whether a token is valid, and notes it.
func (s *tokenServer) accept(mechanism, user, token string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used = append(s.used, mechanism+" "+token)
	return user == "support" && token == s.valid
}

func (s *tokenServer) renew(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.valid = token
}

func (s *tokenServer) seen() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.used...)
}

// session returns a session that can be begun with a token.
func (s *tokenServer) session(inner imapserver.Session) imapserver.Session {
	full, ok := inner.(imapserver.SessionIMAP4rev2)
	if !ok {
		panic("no IMAP4rev2")
	}
	return &tokenSession{full, s}
}

type tokenSession struct {
	imapserver.SessionIMAP4rev2

	server *tokenServer
}

func (s *tokenSession) AuthenticateMechanisms() []string { return s.server.mechanisms }

func (s *tokenSession) Authenticate(mechanism string) (sasl.Server, error) {
	enter := func(user, token string) bool {
		return s.server.accept(mechanism, user, token) && s.Login("support", "secret") == nil
	}
	switch mechanism {
	case sasl.OAuthBearer:
		return sasl.NewOAuthBearerServer(func(o sasl.OAuthBearerOptions) *sasl.OAuthBearerError {
			if enter(o.Username, o.Token) {
				return nil
			}
			return &sasl.OAuthBearerError{Status: "invalid_token", Schemes: "bearer"}
		}), nil
	case "XOAUTH2":
		return &xoauth2Server{enter: enter}, nil
	}
	return nil, errors.New("no such mechanism")
}

// xoauth2Server is the other side of XOAUTH2, as Google documents it: a token that is refused is
// answered with a description, which the client must answer with an empty line.
type xoauth2Server struct {
	enter   func(user, token string) bool
	refused bool
}

func (x *xoauth2Server) Next(response []byte) (challenge []byte, done bool, err error) {
	fields := map[string]string{}
	for f := range strings.SplitSeq(string(response), "\x01") {
		key, value, _ := strings.Cut(f, "=")
		fields[key] = value
	}
	token, bearer := strings.CutPrefix(fields["auth"], "Bearer ")
	switch {
	case response == nil:
		return []byte{}, false, nil
	case x.refused && len(response) > 0:
		return nil, true, errors.New("the client should have sent an empty answer")
	case x.refused:
		return nil, true, imapserver.ErrAuthFailed
	case bearer && strings.HasSuffix(string(response), "\x01\x01") && x.enter(fields["user"], token):
		return nil, true, nil
	}
	x.refused = true
	return []byte(`{"status":"400","schemes":"Bearer","scope":"https://mail.example.org/"}`), false, nil
}

// A token signs in by each mechanism. One that has expired is an alarm, and the next attempt asks
// for another one.
func TestTokens(t *testing.T) {
	for name, c := range map[string]struct {
		mechanisms []string
		want       string
	}{
		"OAUTHBEARER":   {[]string{"OAUTHBEARER"}, "OAUTHBEARER"},
		"XOAUTH2":       {[]string{"XOAUTH2"}, "XOAUTH2"},
		"both":          {[]string{"XOAUTH2", "OAUTHBEARER"}, "OAUTHBEARER"},
		"not announced": {nil, "XOAUTH2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k, _ := imapKit(t)
			provider := &tokenServer{mechanisms: c.mechanisms, valid: "second"}
			addr := serveSessions(t, func() imapserver.Session { return provider.session(k.users.NewSession()) }, nil)
			k.append("INBOX", k.raw("new"))

			var mu sync.Mutex
			asked := 0
			tokens := []string{"first", "second", "third"}
			troubles, stop := k.source(IMAP{Addr: addr, All: true, Token: func(context.Context) (string, error) {
				mu.Lock()
				defer mu.Unlock()
				asked++
				return tokens[min(asked, len(tokens))-1], nil
			}})
			k.waitFor(1)
			k.eventually(func() bool { return len(troubles()) == 2 }, "an alarm, and its end")
			list := troubles()
			var source *SourceError
			require.ErrorAs(t, list[0], &source)
			require.Equal(t, "sign in", source.Step)
			require.True(t, source.Credentials)
			require.NotContains(t, source.Error(), "first", "the token is not in the error")
			require.NoError(t, list[1])
			require.Equal(t, []string{c.want + " first", c.want + " second"}, provider.seen())

			// The token expires later, too: the next connection asks for one.
			stop()
			provider.renew("third")
			k.append("INBOX", k.flood(1))
			troubles, _ = k.source(IMAP{Addr: addr, All: true, Token: func(context.Context) (string, error) { return "third", nil }})
			k.waitFor(2)
			require.Empty(t, troubles())
		})
	}
}

// A token is never sent to a server that takes none, and its absence is an alarm.
func TestNoTokenNoSignIn(t *testing.T) {
	k, _ := imapKit(t)
	provider := &tokenServer{mechanisms: []string{"OAUTHBEARER"}, valid: "x"}
	addr := serveSessions(t, func() imapserver.Session { return provider.session(k.users.NewSession()) }, nil)
	troubles, _ := k.source(IMAP{Addr: addr, Token: func(context.Context) (string, error) { return "", errors.New("the refresh token was revoked") }})
	k.eventually(func() bool { return len(troubles()) > 0 }, "an alarm")
	var source *SourceError
	require.ErrorAs(t, troubles()[0], &source)
	require.Equal(t, "get a token", source.Step)
	require.True(t, source.Credentials)
	require.Empty(t, provider.seen())
}
