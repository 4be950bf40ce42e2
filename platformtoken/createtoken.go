package platformtoken

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/providerauth/providerauth-go/internal/apierror"
	"github.com/providerauth/providerauth-go/internal/check"
	"github.com/providerauth/providerauth-go/internal/credential"
	"github.com/providerauth/providerauth-go/internal/expiry"
	"github.com/providerauth/providerauth-go/internal/jwtclaims"
	"github.com/providerauth/providerauth-go/internal/tokencache"
	"github.com/providerauth/providerauth-go/internal/transport"
)

// A CreateTokenRequest names the player of a new token.
type CreateTokenRequest struct {
	// UserID is the merchant's own id of the player. Required.
	UserID string
	// Currency of the wallet, such as "BRL". The platform requires it of
	// merchants with several currencies. Optional: "" is not sent.
	Currency string
	// Language of the platform's messages for this call. Optional, default
	// Config.Language.
	Language string
}

// CreateToken makes a new token for the player (POST /auth/createToken),
// whatever token is kept, and invalidates the player's previous token at once.
// [Client.Token] returns the new token from then on. CreateToken first waits
// for a creation for the player under way: there are never two at once. The
// request is sent once. If the error is Ambiguous, the previous token may be
// invalid.
//
// Most programs need [Client.Token] instead. The page is
// https://docs.gameboxsoft.com/en/012.html.
func (c *Client) CreateToken(ctx context.Context, req CreateTokenRequest) (Token, error) {
	const op = "CreateToken"
	if ctx == nil {
		return Token{}, nilContext(op)
	}
	problems := Player{req.UserID, req.Currency}.check()
	language := cmp.Or(req.Language, c.language)
	checkLanguage(&problems, language)
	if err := invalid(op, problems); err != nil {
		return Token{}, err
	}
	t, err := c.cache.Replace(ctx, req.UserID, req.Currency, creator{c, op, language, apierror.Acts})
	if err != nil {
		return Token{}, fail(op, err)
	}
	return t, nil
}

// checkLanguage checks the form of a code only: the platform's list of codes is
// not public.
func checkLanguage(p *check.Problems, language string) {
	const longest = 35
	for i := range len(language) {
		switch b := language[i]; {
		case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9', b == '-', b == '_':
		default:
			p.Add("Language", "must be one language code, of letters, digits, - and _")
			return
		}
	}
	if len(language) > longest {
		p.Add("Language", "must have at most 35 characters")
	}
}

type (
	// A key of the cache is a user id, the scope of a token is a currency.
	ask    = tokencache.Ask[string, string, Token]
	issued = tokencache.Issued[Token]
)

// createTokenBody has its members in the documented order, without which the
// platform does not recognise the signature.
type createTokenBody struct {
	TenantID int64  `json:"tenantId"`
	UserID   string `json:"userId"`
	Currency string `json:"currency,omitempty"`
}

var errTokenValue = errors.New("data.token is missing, or not " + check.TokenForm)

// anyCurrency reports whether a token made for another currency serves want.
func anyCurrency(_, want string) bool { return want == "" }

// creator requests tokens with createToken, for a method of Client.
type creator struct {
	client       *Client
	op, language string
	effect       apierror.Effect // of a second creation
}

// Retrieve makes the request.
func (cr creator) Retrieve(ctx context.Context, a ask) (issued, error) {
	c := cr.client
	signer := &versionSigner{signed: signed{c, cr.language}}
	resp, err := c.session.API.Do(ctx, transport.Call{
		Op: cr.op, Method: http.MethodPost, Path: "/auth/createToken", Policy: transport.Rotating, Effect: cr.effect,
		In:     createTokenBody{c.tenantID, a.Key, a.Scope},
		Signer: signer, Reader: creationReader{c},
	})
	failed := issued{SecretVersion: signer.version}
	if err != nil {
		return failed, fail(cr.op, err)
	}
	env := envelopeOf(resp)
	data, err := env.token()
	if err != nil {
		err = fail(cr.op, resp.Unusable(err))
		if env.succeeds() {
			err = &useless{err}
		}
		return failed, err
	}
	result, err := c.received(data, Player{a.Key, a.Scope}, resp.Timing())
	if err != nil {
		return failed, &useless{fail(cr.op, resp.Unusable(err))}
	}
	result.SecretVersion = signer.version
	return result, nil
}

// A versionSigner signs the attempts of a creation.
type versionSigner struct {
	signed
	version uint64 // of the secret in the last signature; 0: none
}

func (s *versionSigner) Sign(ctx context.Context, r *http.Request, body []byte) error {
	version, err := s.sign(ctx, r, body)
	if version != 0 {
		s.version = version
	}
	return err
}

type createTokenData struct {
	Token   string          `json:"token"`
	Expires json.RawMessage `json:"expires"`
}

// token reads the answer to createToken.
func (e *envelope) token() (data createTokenData, _ error) {
	if err := e.open(&data); err != nil {
		return data, err
	}
	if !check.TokenValue(data.Token) {
		return data, errTokenValue
	}
	return data, nil
}

// useless is the error of a creation whose answer has no usable token. The
// platform has made a token all the same, and invalidated the previous token.
type useless struct{ err error }

func (u *useless) Error() string   { return u.err.Error() }
func (u *useless) Unwrap() []error { return []error{u.err, tokencache.ErrActed} }

// assumedLife is the life of a token without a usable stated expiry. The
// platform's text says seven days and its sample shows 24 hours. The shorter
// life is safer: a rejection may not be recognisable as such.
const assumedLife = 24 * time.Hour

// received makes a token of the data received at the given time. By now the
// previous token is invalid, so an odd new token is still used, unless it has
// expired.
func (c *Client) received(data createTokenData, p Player, at expiry.Timing) (issued, error) {
	said, readable := readExpires(data.Expires, at.Received)
	times, _ := jwtclaims.Peek(data.Token)
	life := expiry.Life{
		Deadlines: []expiry.Deadline{{Name: "expires", At: said}, {Name: "exp", At: times.ExpiresAt}},
		Issued:    times.IssuedAt, Assumed: assumedLife,
	}
	if life.Issued.IsZero() {
		life.Issued = times.NotBefore
	}
	until, assumed, ignored, err := life.Expiry(at)
	if err != nil {
		return issued{}, err
	}
	if !readable {
		ignored = append(ignored, "expires")
	}
	s := credential.New(data.Token)
	if c.logger != nil && (assumed || len(ignored) > 0) {
		c.logger.Warn("a stated expiry of the token is unreadable, past or beyond ten years, or there is none",
			"provider", "platformtoken", "token_id", s.ID().String(), "ignored", ignored, "assumed", assumed)
	}
	t := Token{Player: p, ExpiresAt: until.Round(0), ExpiryAssumed: assumed, secret: s}
	return issued{Token: t, ID: s.ID(), ExpiresAt: until}, nil
}
