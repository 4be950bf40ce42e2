package merchantauth

import "context"

// Ready returns nil if calls have a credential. In session mode that is a usable
// access token: if there is none, Ready gets a token, as [Client.Token] does, and
// returns the error of that. In key mode it is the API key, as Config.APIKey returns
// it; Ready sends no request then, and does not show whether Kuna accepts the key.
//
// Use it in a readiness probe, with a ctx that ends before the probe does, and not
// in a liveness probe: a restart does not end an outage of Kuna, and costs a login.
// It may be called often: a usable token costs no request, all callers share a
// login, and after a failure Ready returns its error until a back-off is over. While
// renewals fail, Ready returns nil until the token expires.
//
// In session mode its errors are those of [Client.Token], in key mode they match
// [providerauth.ErrSecretUnavailable] or are ctx's.
func (c *Client) Ready(ctx context.Context) error {
	const op = "Ready"
	if ctx == nil {
		return nilContext(op)
	}
	var err error
	if c.key != nil {
		_, err = c.key.Get(ctx)
	} else {
		_, err = c.cache.Get(ctx, struct{}{}, struct{}{})
	}
	if err != nil {
		return fail(op, err)
	}
	return nil
}
