package partnerjwt

import "context"

// Ready returns nil if there is a usable token. If there is none, it mints a token,
// as [Client.Token] does, and returns the error of that. It sends no request, so it
// does not show whether PiTrade can be reached.
//
// Use it in a readiness probe, with a ctx that ends before the probe does, and not
// in a liveness probe: a restart supplies no secret. It may be called often: while
// minting fails, it returns the error of the last failure until a back-off is over.
//
// Errors match [providerauth.ErrSecretUnavailable], [providerauth.ErrContested] or
// [providerauth.ErrClosed], or are ctx's.
func (c *Client) Ready(ctx context.Context) error {
	if ctx == nil {
		return nilContext("Ready")
	}
	if _, err := c.cache.Get(ctx, struct{}{}, struct{}{}); err != nil {
		return fail("Ready", err)
	}
	return nil
}
