package platformtoken

import (
	"context"
	"encoding/json"
	"time"
)

func ReadExpires(raw string) (time.Time, bool) {
	return readExpires(json.RawMessage(raw), time.Unix(1742000000, 0))
}

func ReadRefusal(body []byte) (code int, message string, ok bool) {
	e := readEnvelope(body)
	return e.code(), e.message(), e.failed()
}

func Open(body []byte, out any) error { return readEnvelope(body).open(out) }

// Keep puts t into the cache as if it had been made for the player.
func (c *Client) Keep(ctx context.Context, userID string, t Token) error {
	_, err := c.cache.Replace(ctx, userID, "", given{t})
	return err
}

// given is a Retriever of the token.
type given struct{ t Token }

func (g given) Retrieve(context.Context, ask) (issued, error) {
	return issued{Token: g.t, ID: g.t.secret.ID(), ExpiresAt: g.t.ExpiresAt}, nil
}
