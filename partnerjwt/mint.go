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

// mint signs a token. Two of the same second are equal, so if the one of this
// second was rejected, the next second has to come first.
func (c *Client) mint(ctx context.Context, a ask) (tokencache.Issued[Token], error) {
	var none tokencache.Issued[Token]
	secret, err := c.secret.Get(ctx)
	if err != nil {
		return none, &Error{Op: "Token", Err: err}
	}
	for {
		now := c.session.Clock.Now()
		cl := claims{ClientID: c.clientID, IssuedAt: now.Unix()}
		cl.Expires = cl.IssuedAt + c.lifetime
		value, err := jwtclaims.Sign(secret, tokenHeader{"HS256", "JWT"}, cl)
		if err != nil {
			return none, fail("Token", err)
		}
		s := credential.New(value)
		if s.ID() != a.Dead {
			t := Token{ExpiresAt: c.session.Clock.Local(time.Unix(cl.Expires, 0)), secret: s}
			return tokencache.Issued[Token]{Token: t, ID: s.ID(), ExpiresAt: t.ExpiresAt}, nil
		}
		next := time.NewTimer(now.Truncate(time.Second).Add(time.Second).Sub(now))
		select {
		case <-next.C:
		case <-ctx.Done():
			next.Stop()
			return none, fail("Token", ctx.Err())
		}
	}
}
