package assetpay

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/providerauth/providerauth-go/internal/apierror"
	"github.com/providerauth/providerauth-go/internal/check"
	"github.com/providerauth/providerauth-go/internal/credential"
	"github.com/providerauth/providerauth-go/internal/expiry"
	"github.com/providerauth/providerauth-go/internal/header"
	"github.com/providerauth/providerauth-go/internal/jwtclaims"
	"github.com/providerauth/providerauth-go/internal/tokencache"
	"github.com/providerauth/providerauth-go/internal/transport"
)

// A User is a user of the merchant, described for AssetPay.
type User struct {
	// SteamID is the user's 64-bit Steam ID in decimal, 17 digits that begin
	// with 76561. Required.
	SteamID string
	// TradeURL is the user's Steam trade URL, as Steam shows it; see
	// Config.LooseTradeURL. The Client sends it unchanged. It does not check
	// whether the URL's partner belongs to SteamID: in AssetPay's own example it
	// does not. Required.
	TradeURL string
	// ClientID is the merchant's own id of the user, which comes back on
	// trades as externalClientUserId. At most 128 characters, counted as
	// Unicode code points (AssetPay's JavaScript SDK counts UTF-16 units).
	// Optional.
	ClientID string
	// ClientData is the input of AssetPay's risk model. Optional: nil sends none.
	ClientData *ClientData
}

// LogValue shows the user without the trade URL, whose token lets anybody send the
// user trade offers, and without the client data. JSON has them.
func (u User) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("steam_id", u.SteamID), logSet("trade_url", u.TradeURL != ""),
		slog.String("client_id", u.ClientID), logSet("client_data", u.ClientData != nil),
	)
}

// Format prints LogValue, under every verb.
func (u User) Format(s fmt.State, _ rune) { fmt.Fprint(s, "assetpay.User", u.LogValue()) }

// logSet logs the presence of a value without the value itself.
func logSet(key string, set bool) slog.Attr {
	if set {
		return slog.String(key, "set")
	}
	return slog.String(key, "not set")
}

// An AuthenticateClientResponse is the result of an exchange.
type AuthenticateClientResponse struct {
	// Token is the user's new token.
	Token Token
	// RequestID identifies the request to AssetPay's support.
	RequestID string
}

// AuthenticateClient exchanges the API key for a token (POST
// /auth/authenticate-client). It caches nothing: every call is a request. AssetPay
// keeps the client data of this call from then on; Token does not notice the
// change. The request is repeated where repeating helps, since a second exchange
// stores the same data and leaves the first token valid. A 429 is repeated only
// with a Retry-After.
//
// If the token value cannot be sent in a header, the error matches
// [providerauth.ErrBadResponse].
//
// The page is
// https://assetpay.gg/docs/api-reference/authentication/authenticate-client.
func (c *Client) AuthenticateClient(ctx context.Context, u User) (AuthenticateClientResponse, error) {
	const op = "AuthenticateClient"
	if ctx == nil {
		return AuthenticateClientResponse{}, nilContext(op)
	}
	who, why, problems := c.read(u)
	if err := invalid(op, problems); err != nil {
		return AuthenticateClientResponse{}, err
	}
	if c.apiKey == nil {
		return AuthenticateClientResponse{}, unset(op, "APIKey")
	}
	key, err := c.apiKey.Get(ctx)
	if err != nil {
		return AuthenticateClientResponse{}, fail(op, err)
	}
	result, id, err := c.exchange(ctx, keySigner{credential.New(key)}, op, who, why)
	return AuthenticateClientResponse{Token: result.Token, RequestID: id}, err
}

// An identity is the owner of a token, and its key in the cache.
type identity struct{ steamID, clientID string }

// A purpose is the scope of a token: the data it was issued for. Purposes are
// compared by ==.
type purpose struct {
	tradeURL string
	given    bool // data was not nil
	data     ClientData
}

func (p purpose) wire() *clientData {
	if !p.given {
		return nil
	}
	return p.data.wire()
}

// read checks u and copies its data, so the Client keeps nothing of the caller's.
func (c *Client) read(u User) (identity, purpose, check.Problems) {
	var p check.Problems
	if !validSteamID(u.SteamID) {
		p.Add("SteamID", "must be 17 digits that begin with 76561")
	}
	switch {
	case c.loose && !looseTradeURL(u.TradeURL):
		p.Add("TradeURL", "must be an https URL of steamcommunity.com of at most 512 characters, without port, user name, white space or control characters")
	case !c.loose && !strictTradeURL(u.TradeURL):
		p.Add("TradeURL", "must be https://steamcommunity.com/tradeoffer/new/?partner=<1 to 10 digits>&token=<8 letters, digits, - or _>")
	}
	p.Optional("ClientID", u.ClientID)
	p.AtMost(128, "ClientID", u.ClientID)
	why := purpose{tradeURL: u.TradeURL}
	if u.ClientData != nil {
		why.given, why.data = true, *u.ClientData
		why.data.check(&p)
		why.data = why.data.canonical()
	}
	return identity{u.SteamID, u.ClientID}, why, p
}

func validSteamID(s string) bool {
	return len(s) == 17 && strings.HasPrefix(s, "76561") && digits(s)
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

func strictTradeURL(s string) bool {
	s, ok := strings.CutPrefix(s, "https://steamcommunity.com/tradeoffer/new/?partner=")
	partner, token, cut := strings.Cut(s, "&token=")
	if !ok || !cut || len(partner) > 10 || !digits(partner) || len(token) != 8 {
		return false
	}
	for i := range len(token) {
		switch c := token[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_', c == '-':
		default:
			return false
		}
	}
	return true
}

func looseTradeURL(s string) bool {
	var p check.Problems
	p.Require("TradeURL", s)
	p.AtMost(512, "TradeURL", s)
	if p != nil {
		return false
	}
	u, err := url.Parse(s)
	return err == nil && u.Scheme == "https" && u.User == nil && strings.EqualFold(u.Host, "steamcommunity.com")
}

// An exchangeBody has the four members known to AssetPay, which refuses others.
type exchangeBody struct {
	SteamID    string      `json:"clientSteamId"`
	TradeURL   string      `json:"clientTradeUrl"`
	ClientID   string      `json:"clientId,omitempty"`
	ClientData *clientData `json:"clientData,omitempty"`
}

// exchange gets a token by an exchange, and returns AssetPay's request id.
func (c *Client) exchange(ctx context.Context, key keySigner, op string, who identity, why purpose) (result issued, id string, _ error) {
	resp, err := c.session.API.Do(ctx, transport.Call{
		Op: op, Method: http.MethodPost, Path: "/auth/authenticate-client", Policy: transport.Safe, Effect: apierror.Renews,
		In: exchangeBody{who.steamID, why.tradeURL, who.clientID, why.wire()}, Signer: key,
	})
	if err != nil {
		return issued{}, "", fail(op, err)
	}
	env := envelopeOf(resp)
	value, err := readToken(env)
	if err != nil {
		return issued{}, "", fail(op, resp.Unusable(err))
	}
	result, err = c.received(value, who, resp.Timing())
	if err != nil {
		return issued{}, "", fail(op, resp.Unusable(err))
	}
	return result, requestID(env.ID, resp.Header), nil
}

func readToken(env *envelope) (string, error) {
	var answer struct {
		Token string `json:"token"`
	}
	if err := env.open(&answer); err != nil {
		return "", err
	}
	if !check.TokenValue(answer.Token) {
		return "", errTokenValue
	}
	return answer.Token, nil
}

// keySigner puts the API key on an exchange.
type keySigner struct{ key *credential.Secret }

func (k keySigner) Sign(_ context.Context, r *http.Request, _ []byte) error {
	header.Set(r.Header, keyHeader, k.key.Value())
	return nil
}

// exchanger gets the cache's tokens from AssetPay.
type exchanger struct{ client *Client }

// Retrieve gets a token by an exchange.
func (e exchanger) Retrieve(ctx context.Context, a ask) (issued, error) {
	const op = "Token"
	key, version, err := e.client.apiKey.GetVersion(ctx)
	if err != nil {
		return issued{}, fail(op, err)
	}
	result, _, err := e.client.exchange(ctx, keySigner{credential.New(key)}, op, a.Key, a.Scope)
	result.SecretVersion = version
	return result, err
}

// pause waits for d, or for the end of ctx.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return fail("Token", ctx.Err())
	}
}

type (
	ask    = tokencache.Ask[identity, purpose, Token]
	issued = tokencache.Issued[Token]
)

// life is the life of a token by AssetPay's page. The sample on the same page shows
// a year, and the page gives no reason to believe it.
const life = 24 * time.Hour

// received makes a Token of a value received at the given time.
func (c *Client) received(value string, who identity, at expiry.Timing) (issued, error) {
	times, readable := jwtclaims.Peek(value)
	said := expiry.Life{
		Deadlines: []expiry.Deadline{{Name: "exp", At: times.ExpiresAt}},
		Issued:    times.IssuedAt, Longest: life, Assumed: life,
	}
	if said.Issued.IsZero() {
		said.Issued = times.NotBefore
	}
	expires, assumed, ignored, err := said.Expiry(at)
	if err != nil {
		return issued{}, err
	}
	s := credential.New(value)
	if c.logger != nil && (len(ignored) > 0 || assumed && readable) {
		c.logger.Warn("the token's own expiry is missing, past or beyond ten years",
			"provider", "assetpay", "token_id", s.ID().String(), "assumed", assumed)
	}
	t := Token{ExpiresAt: expires.Round(0), ExpiryAssumed: assumed, secret: s, who: &who, bare: c.bare}
	return issued{Token: t, ID: s.ID(), ExpiresAt: expires}, nil
}
