package platformtoken

import (
	"context"
	"encoding/json"
	"time"
)

func ReadExpires(raw string) (time.Time, bool) { return readExpires(json.RawMessage(raw)) }

func ReadRefusal(body []byte) (code int, message string, ok bool) {
	e := readEnvelope(body)
	return e.code(), e.message(), e.failed()
}

func Open(body []byte, out any) error { return readEnvelope(body).open(out) }

// Keep puts t into the cache as if it had been made for the player.
func (c *Client) Keep(ctx context.Context, userID string, t Token) error {
	_, err := c.cache.Force(ctx, userID, "", false, func(context.Context, ask) (issued, error) {
		return issued{Token: t, ID: t.secret.ID(), ExpiresAt: t.ExpiresAt}, nil
	})
	return err
}
