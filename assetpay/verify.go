package assetpay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/providerauth/providerauth-go/internal/apierror"
	"github.com/providerauth/providerauth-go/internal/jwtclaims"
)

// ahead bounds how far in the future a token may be issued: AssetPay's clock and
// this machine's differ, and smaller differences are not corrected.
const ahead = 5 * time.Second

// ClientClaims are the claims of a verified client token.
type ClientClaims struct {
	MerchantID string
	SteamID    string
	TradeURL   string
	ClientID   string      // "" if the token has none
	ClientData *ClientData // nil if the token has none, or no object
	IssuedAt   time.Time   // zero if the token has no iat
	ExpiresAt  time.Time
	// Unreadable names the members left out of ClientData because their form
	// differs from AssetPay's documentation, such as
	// "client.clientData.registrationDate" for a date without a zone. The zero
	// value of such a field says nothing about the user. nil: no member was left
	// out.
	Unreadable []string
}

// LogValue shows the claims without the trade URL, whose token lets anybody send the
// user trade offers, and without the client data.
func (c ClientClaims) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("merchant_id", c.MerchantID), slog.String("steam_id", c.SteamID), logSet("trade_url", c.TradeURL != ""),
		slog.String("client_id", c.ClientID), logSet("client_data", c.ClientData != nil),
		slog.Time("issued_at", c.IssuedAt), slog.Time("expires_at", c.ExpiresAt), slog.Any("unreadable", c.Unreadable),
	)
}

// Format prints LogValue, under every verb.
func (c ClientClaims) Format(s fmt.State, _ rune) {
	fmt.Fprint(s, "assetpay.ClientClaims", c.LogValue())
}

// VerifyClientToken checks a token presented by a user's browser: the merchant's
// API secret must have signed it for this merchant, and it must not have expired.
// VerifyClientToken makes no request.
//
// The header's userId and the claim merchantId must both be Config.MerchantID. Only
// HS256 is accepted; exp and the Steam ID are required. VerifyClientToken refuses a
// token if it is longer than 8 KiB, is not three base64url segments, names a
// critical header or was issued more than 5 seconds in the future. If AssetPay's
// last two accepted answers agree on a clock ahead of this machine's, that clock
// decides. VerifyClientToken also refuses a token if an object of its header or
// payload, at any depth, has two members with the same name.
//
// Names of members are exact: "steamid" is an unknown member, and unknown members
// are ignored. The token may live longer than a day, and the trade URL is not
// checked. Unreadable client data does not make the token invalid: the members are
// left out, and named in [ClientClaims.Unreadable].
//
// The error matches [ErrInvalidToken], and [ErrTokenExpired] if the token has
// expired. Its Fields name the broken rule under "token".
//
// Without Config.APISecret and MerchantID the error matches
// [providerauth.ErrInvalidRequest] and names them. If APISecret fails, the error
// matches [providerauth.ErrSecretUnavailable].
func (c *Client) VerifyClientToken(ctx context.Context, token string) (ClientClaims, error) {
	const op = "VerifyClientToken"
	if ctx == nil {
		return ClientClaims{}, nilContext(op)
	}
	secret, _, err := c.signingKey(ctx, op)
	if err != nil {
		return ClientClaims{}, err
	}
	local := time.Now()
	now := local.Add(c.session.Clock.Seen()) // by AssetPay's clock
	var cl struct {
		MerchantID string      `json:"merchantId"`
		Client     clientClaim `json:"client"`
	}
	var h tokenHeader
	err = jwtclaims.Verify(token, secret, &h, &cl, jwtclaims.Options{
		Leeway: ahead, Now: func() time.Time { return later(local, now) },
	})
	if err != nil {
		return ClientClaims{}, invalidToken(op, err)
	}
	times, _ := jwtclaims.Peek(token)
	rule := ""
	switch {
	case !now.Before(times.ExpiresAt), !local.Before(times.ExpiresAt.Add(ahead)): // the leeway is for iat only; AssetPay's Date revives no expired token
		return ClientClaims{}, invalidToken(op, &jwtclaims.Invalid{Kind: jwtclaims.ErrExpired, Rule: "exp: past"})
	case h.UserID == "":
		rule = "header.userId: required"
	case h.UserID != c.merchantID:
		rule = "header.userId: not this merchant's"
	case cl.MerchantID == "":
		rule = "merchantId: required"
	case cl.MerchantID != c.merchantID:
		rule = "merchantId: not this merchant's"
	case cl.Client.SteamID == "":
		rule = "client.steamID: required"
	case !validSteamID(cl.Client.SteamID):
		rule = "client.steamID: must be 17 digits that begin with 76561"
	}
	if rule != "" {
		return ClientClaims{}, invalidToken(op, &jwtclaims.Invalid{Kind: jwtclaims.ErrMalformed, Rule: rule})
	}
	out := ClientClaims{
		MerchantID: cl.MerchantID, SteamID: cl.Client.SteamID, TradeURL: cl.Client.TradeURL, ClientID: cl.Client.ClientID,
		IssuedAt: times.IssuedAt, ExpiresAt: times.ExpiresAt,
	}
	if data := cl.Client.ClientData; data != nil {
		out.ClientData, out.Unreadable = data.data(), data.unreadable
	}
	return out, nil
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func invalidToken(op string, err error) *Error {
	kind := ErrInvalidToken
	if errors.Is(err, jwtclaims.ErrExpired) {
		kind = ErrTokenExpired
	}
	return &Error{Op: op, Fields: map[string]string{"token": jwtclaims.Rule(err)}, Err: &apierror.Error{Err: kind}}
}
