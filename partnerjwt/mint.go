package partnerjwt

import (
	"context"
	"time"

	"github.com/providerauth/providerauth-go/internal/credential"
	"github.com/providerauth/providerauth-go/internal/jwtclaims"
	"github.com/providerauth/providerauth-go/internal/tokencache"
)

// tokenHeader and claims are members in the order of PiTrade's samples.
type tokenHeader struct {
	Alg string `json:"alg"`
	Typ string `json:"typ"`
}

type claims struct {
	ClientID string `json:"clientId"`
	IssuedAt int64  `json:"iat"`
	Expires  int64  `json:"exp"`
}

type ask = tokencache.Ask[struct{}, struct{}, Token]

// minter signs the cache's tokens.
type minter struct{ client *Client }

// Retrieve signs a token. Two tokens of the same second are equal. If the token of
// this second was rejected, Retrieve waits into the next second.
func (m minter) Retrieve(ctx context.Context, a ask) (tokencache.Issued[Token], error) {
	c := m.client
	secret, version, err := c.secret.GetVersion(ctx)
	failed := tokencache.Issued[Token]{SecretVersion: version}
	if err != nil {
		return failed, &Error{Op: "Token", Err: err}
	}
	for {
		local := time.Now()
		now, stamp := c.session.Clock.Sign(local)
		cl := claims{ClientID: c.clientID, IssuedAt: now.Add(-c.backdate).Unix()}
		cl.Expires = cl.IssuedAt + c.lifetime
		value, err := jwtclaims.Sign(secret, tokenHeader{"HS256", "JWT"}, cl)
		if err != nil {
			return failed, fail("Token", err)
		}
		s := credential.Signed(value, stamp)
		if s.ID() != a.Rejected {
			expires := local.Add(time.Unix(cl.Expires, 0).Sub(now))
			t := Token{ExpiresAt: expires.Round(0), secret: s}
			return tokencache.Issued[Token]{Token: t, ID: s.ID(), ExpiresAt: expires, SecretVersion: version}, nil
		}
		next := time.NewTimer(c.session.Clock.NextSecond(local))
		select {
		case <-next.C:
		case <-ctx.Done():
			next.Stop()
			return failed, fail("Token", ctx.Err())
		}
	}
}
