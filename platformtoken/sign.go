package platformtoken

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"io"
	"net/http"
	"strconv"

	"github.com/providerauth/providerauth-go/internal/credential"
	"github.com/providerauth/providerauth-go/internal/header"
	"github.com/providerauth/providerauth-go/internal/session"
)

// A Signer makes the "sign" header of a request. Without a Signer, the Client
// signs as the platform's integration guide says: the lowercase hexadecimal MD5
// of the secret, the body and the secret again, with nothing between them.
//
// That scheme has limits. The signature covers neither the timestamp nor method
// and path: whoever sees a signed request can send its body again, at any time
// and to any endpoint, under another timestamp. MD5 is not HMAC, and weak by
// today's measure. So TLS, which New insists on, and the platform's own checks
// protect a request. Use a Signer to keep the secret in a signing service, or
// for a later scheme of the platform.
//
// Neither Config nor Client prints the fields of a Signer. But fmt calls no
// method of a Config in an unexported field of another struct. A Signer should
// therefore hold a key in a function, as a [providerauth.SecretFunc] does.
type Signer interface {
	// Sign returns the value of the header, sent as it is. It is called once
	// for every request sent, by several goroutines at once. If it fails or
	// panics, or returns "" or a value that a header cannot carry, nothing is
	// sent and the error matches [providerauth.ErrSecretUnavailable]. Its
	// result must not depend on values of ctx: a token made with the signature
	// serves all callers.
	Sign(ctx context.Context, in SignInput) (string, error)
}

// A SignInput is the input of a [Signer].
type SignInput struct {
	// Method is POST for all documented endpoints.
	Method string
	// Path is the path of the URL as sent, the path of Config.BaseURL included,
	// without a query.
	Path string
	// Body holds the bytes sent; empty if there is no body. Do not change it.
	Body []byte
	// Timestamp is the value of the timestamp header: Unix seconds, by a clock
	// corrected by the platform's answers.
	Timestamp string
}

// A SignerFunc is a function as a [Signer].
type SignerFunc func(ctx context.Context, in SignInput) (string, error)

// Sign calls the function.
func (f SignerFunc) Sign(ctx context.Context, in SignInput) (string, error) { return f(ctx, in) }

// The headers of every request, spelled as the platform's pages print them.
const (
	headerSign      = "sign"
	headerTimestamp = "timestamp"
	headerLanguage  = "Accept-Language"
	headerType      = "Content-Type"

	contentType = "application/json; charset=utf-8"
)

// sign sets sign and timestamp for an attempt of r. It returns the version of the
// secret; 0 if there is none.
func (c *Client) sign(ctx context.Context, r *http.Request, body []byte) (version uint64, err error) {
	var secret string
	if c.secret != nil { // first: it may take a while, and the timestamp must not be old
		secret, version, err = c.secret.GetVersion(ctx)
		if err != nil {
			return 0, err
		}
	}
	timestamp := strconv.FormatInt(c.session.Clock.Now().Unix(), 10)
	var value string
	if c.secret != nil {
		value = digest(secret, body)
	} else {
		in := SignInput{Method: r.Method, Path: r.URL.EscapedPath(), Body: body, Timestamp: timestamp}
		value, err = credential.NewSource("Signer", func(ctx context.Context) (string, error) {
			return c.signer(ctx, in)
		}).Get(ctx)
		if err != nil {
			return 0, err
		}
	}
	header.Set(r.Header, headerSign, value)
	header.Set(r.Header, headerTimestamp, timestamp)
	return version, nil
}

func digest(secret string, body []byte) string {
	h := md5.New()
	_, _ = io.WriteString(h, secret)
	_, _ = h.Write(body)
	_, _ = io.WriteString(h, secret)
	return hex.EncodeToString(h.Sum(nil))
}

// signed signs requests without a token.
type signed struct {
	client   *Client
	language string
}

func (s signed) Get(context.Context) (*credential.Secret, error) { return nil, nil }

func (s signed) Set(r *http.Request, _ *credential.Secret, body []byte) error {
	return s.Sign(r.Context(), r, body)
}

// Sign sets sign and timestamp, and Content-Type and Accept-Language where the
// caller has not set them.
func (s signed) Sign(ctx context.Context, r *http.Request, body []byte) error {
	_, err := s.sign(ctx, r, body)
	return err
}

// sign is Sign, and returns the version of the secret; 0 if there is none.
func (s signed) sign(ctx context.Context, r *http.Request, body []byte) (version uint64, _ error) {
	header.Default(r.Header, headerType, contentType)
	header.Default(r.Header, headerLanguage, s.language)
	return s.client.sign(ctx, r, body)
}

// playerToken puts the player's token on requests, and signs them.
type playerToken struct{ source *source }

func (p playerToken) Get(ctx context.Context) (*credential.Secret, error) {
	t, err := p.source.Token(ctx)
	return t.secret, err
}

func (p playerToken) Set(r *http.Request, s *credential.Secret, body []byte) error {
	header.Authorize(r.Header, s.Bearer())
	c := p.source.client
	return signed{c, c.language}.Sign(r.Context(), r, body)
}

// merchant makes requests without a token.
func (c *Client) merchant() session.User { return session.User{Credential: &signed{c, c.language}} }

// userOf makes requests with the player's token.
func (c *Client) userOf(p Player) session.User {
	return session.User{Credential: playerToken{c.sourceOf(p)}, Keeper: c.cache.Of(p.UserID), Key: p.UserID}
}
