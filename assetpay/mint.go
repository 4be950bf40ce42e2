package assetpay

import (
	"context"
	"time"

	"github.com/providerauth/providerauth-go/internal/credential"
	"github.com/providerauth/providerauth-go/internal/jwtclaims"
)

// tokenHeader and claims have their members in the order of AssetPay's page. There
// is no typ.
type tokenHeader struct {
	Alg    string `json:"alg"`
	UserID string `json:"userId"`
}

type claims struct {
	MerchantID string      `json:"merchantId"`
	Client     clientClaim `json:"client"`
	IssuedAt   int64       `json:"iat"`
	Expires    int64       `json:"exp"`
}

type clientClaim struct {
	SteamID    string      `json:"steamID"`
	TradeURL   string      `json:"tradeUrl"`
	ClientID   string      `json:"clientId,omitempty"`
	ClientData *clientData `json:"clientData,omitempty"`
}

// MintClientToken signs a token of 24 hours with the API secret. It makes no
// request, caches nothing, and works in either [MintMode]. AssetPay does not check
// the user's data before the token is used: a wrong trade URL shows as a failed
// trade.
//
// Without Config.APISecret and MerchantID the error matches
// [providerauth.ErrInvalidRequest] and names them. If APISecret fails, the error
// matches [providerauth.ErrSecretUnavailable].
func (c *Client) MintClientToken(ctx context.Context, u User) (Token, error) {
	const op = "MintClientToken"
	if ctx == nil {
		return Token{}, nilContext(op)
	}
	who, why, problems := c.read(u)
	if err := invalid(op, problems); err != nil {
		return Token{}, err
	}
	secret, _, err := c.signingKey(ctx, op)
	if err != nil {
		return Token{}, err
	}
	result, err := c.sign(op, secret, who, why, time.Now())
	return result.Token, err
}

// signingKey returns the API secret and its version. It fails unless APISecret and
// MerchantID are configured.
func (c *Client) signingKey(ctx context.Context, op string) (secret string, version uint64, _ error) {
	var missing []string
	if c.apiSecret == nil {
		missing = append(missing, "APISecret")
	}
	if c.merchantID == "" {
		missing = append(missing, "MerchantID")
	}
	if missing != nil {
		return "", 0, unset(op, missing...)
	}
	secret, version, err := c.apiSecret.GetVersion(ctx)
	if err != nil {
		return "", 0, &Error{Op: op, Err: err}
	}
	return secret, version, nil
}

// sign signs a token at the given time of this machine. iat is AssetPay's time
// minus backdate.
func (c *Client) sign(op, secret string, who identity, why purpose, local time.Time) (issued, error) {
	now, stamp := c.session.Clock.Sign(local)
	cl := claims{
		MerchantID: c.merchantID,
		Client:     clientClaim{who.steamID, why.tradeURL, who.clientID, why.wire()},
		IssuedAt:   now.Add(-c.backdate).Unix(),
	}
	cl.Expires = cl.IssuedAt + int64(life/time.Second)
	value, err := jwtclaims.Sign(secret, tokenHeader{"HS256", c.merchantID}, cl)
	if err != nil {
		return issued{}, fail(op, err)
	}
	if len(value) > jwtclaims.MaxToken {
		return issued{}, &Error{Op: op, Fields: map[string]string{
			"ClientData": "must not make the token, trade URL and all, longer than 8192 characters",
		}}
	}
	expires := local.Add(time.Unix(cl.Expires, 0).Sub(now))
	t := Token{ExpiresAt: expires.Round(0), secret: credential.Signed(value, stamp), who: &who, bare: c.bare}
	return issued{Token: t, ID: t.secret.ID(), ExpiresAt: expires}, nil
}

// minter signs the cache's tokens.
type minter struct{ client *Client }

// Retrieve signs a token. Two tokens of the same second are equal. If the token of
// this second was rejected, Retrieve waits for the next second.
func (m minter) Retrieve(ctx context.Context, a ask) (issued, error) {
	c := m.client
	secret, version, err := c.signingKey(ctx, "Token")
	failed := issued{SecretVersion: version}
	if err != nil {
		return failed, err
	}
	for {
		local := time.Now()
		result, err := c.sign("Token", secret, a.Key, a.Scope, local)
		if err != nil {
			return failed, err
		}
		if result.ID != a.Rejected {
			result.SecretVersion = version
			return result, nil
		}
		if err := pause(ctx, c.session.Clock.NextSecond(local)); err != nil {
			return failed, err
		}
	}
}
