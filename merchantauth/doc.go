// Package merchantauth gets and uses the credentials of Kuna Core, a crypto
// product for institutions.
//
// There are two ways to authenticate. With a login, the merchant sends e-mail,
// password and merchant id (POST /v2/auth/login) and gets an access token of 30
// minutes and a refresh token of 2 days. The refresh token buys the next pair of
// tokens (POST /v2/auth/refresh). With an API key, the merchant needs neither. A
// [Client] uses either a login or an API key.
//
//	client, err := merchantauth.New(merchantauth.Config{
//		BaseURL:    os.Getenv("KUNA_BASE_URL"),
//		MerchantID: os.Getenv("KUNA_MERCHANT_ID"),
//		Email:      os.Getenv("KUNA_EMAIL"),
//		Password:   providerauth.StaticSecret(os.Getenv("KUNA_PASSWORD")),
//	})
//	customer, err := client.CustomerDetails(ctx, "1f44b1c7")
//
// # Calls
//
// [Client.CreateCustomer], [Client.EnsureCustomer], [Client.CustomerDetails] and
// [Client.FindCustomers] are typed. [Client.Call] makes any other call. [Client.HTTPClient] and
// [Client.Transport] put the credential on requests made by other means.
// [Client.Token] returns the access token itself. The Client keeps a single token,
// shares it among all callers, and refreshes it before it expires.
//
// # Refreshing
//
// A refresh may spend the refresh token, so all waiting callers share a single
// refresh. Its tokens replace the old tokens in one step. The Client never sends a
// refresh token again after an answer has replaced it, not even by [Client.Refresh]
// (see there for the number of remembered tokens). If the answer repeats the
// refresh token or leaves it out, the refresh token stays in use until it expires.
// A Client does not know of refresh tokens spent by another Client or process, unless
// they share a session by the same Config.Store: the refresh token is then that of the
// Store's record, and one process at a time may spend it.
//
// If Kuna answers a refresh with a refusal, whatever the code, the Client gives up
// the refresh token and logs in once in the same flight. If the answer is lost or
// unusable, the Client sends the same refresh token once more: Kuna may not have
// acted. If the second answer is lost too, the next flight logs in. A broken
// connection, a timeout and a bare 5xx of a gateway count as lost answers, so such
// an outage leads to logins. Other failures do not, such as a failure to connect, a
// 5xx with Kuna's errors or a 503 with Retry-After. The Client uses the old access
// token while it is valid, and the next flight waits for a back-off.
//
// A refused login also waits for a back-off: the Client logs in at most twice a
// minute, unless Config.Password returns another password.
//
// # Rejected tokens
//
// Kuna rejects an access token with a 401, or with a TokenExpiredError in the
// answer's errors under any status. The Client then replaces the token, unless it
// has been replaced already, and repeats the call once with the new token. If a
// success has data beside such errors, Kuna may have acted: the Client repeats such
// a call only if two executions do no harm. An API key is never replaced, and no
// call with an API key is repeated after a rejection.
//
// A rejection may also be a mistake. Replacements are limited to a burst of five,
// then one per five seconds, and callers wait at most two seconds for a
// replacement. If no other token is available, the token stays in use, and its
// first rejection in a row sends the call once more with the same token. If the
// rejection stands because no other token is available, the error matches
// [providerauth.ErrContested] and is Retryable; [Client.HTTPClient] returns the
// response unchanged. The Client gives up a token only after Kuna has refused its
// replacement permanently, and has then rejected the token itself five times in a
// row.
//
// # Monitoring
//
// [Client.Stats] returns figures, and Config.OnAttempt is called after each HTTP
// request, for metrics and traces. [Client.Ready] is for a readiness probe.
//
// # Traps
//
// "expiresIn" is not a duration but the Unix time of the token's expiry. The Client
// checks it against the token's own exp and uses the earlier time.
//
// Success may be 200 or 201, and statuses of errors are not documented. The Client
// decides by whether the answer holds "errors" or "data". The "message" of an error
// may be a text or an object. Only two codes are documented, UNAUTHORIZED and
// REFRESH_TOKEN_EXPIRED. UNAUTHORIZED alone does not mean an expired token.
//
// The two authentication calls send the header merchant_id, with its underscore; no
// other call does. A proxy on the way may drop such a header: nginx does, unless
// underscores_in_headers is on.
//
// There are no idempotency keys. If a call creates or moves something, the Client
// therefore never repeats it after an ambiguous outcome; its error is Ambiguous.
// [Client.EnsureCustomer] looks for the customer after an ambiguous creation.
//
// Message-level encryption, which Kuna agrees on with some merchants, is not
// part of this package.
//
// Source: https://docs.kunacore.io/docs/authentication. Statements about other
// endpoints are from the pages beside it. Kuna publishes no base URL.
package merchantauth
