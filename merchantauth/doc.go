// Package merchantauth gets and uses the credentials of Kuna Core, a crypto
// product for institutions.
//
// There are two ways in. A merchant logs in with e-mail, password and merchant
// id (POST /v2/auth/login) and gets an access token of 30 minutes and a refresh
// token of 2 days, which buys the next pair (POST /v2/auth/refresh). Or it has
// an API key, and needs neither. A [Client] does one or the other.
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
// [Client.CreateCustomer], [Client.CustomerDetails] and [Client.FindCustomers]
// are typed. [Client.Call] makes any other call, [Client.HTTPClient] and
// [Client.Transport] put the credential on requests that are made by other
// means, and [Client.Token] returns the access token itself. One token is kept,
// shared by all callers, and refreshed before it expires.
//
// # Refreshing
//
// A refresh may spend the refresh token, so it is made once, by one caller for
// all, and everything that it brings replaces what was there in one step. A
// refresh token that an answer has replaced is not sent again, not by
// [Client.Refresh] either (which has a bound to what it remembers); one that
// the answer repeats or leaves out stays in use until it expires. Of what
// another Client or process has spent, a Client knows nothing.
//
// If Kuna answers a refresh with a refusal, whatever the code, that refresh
// token is given up and the Client logs in, once, in the same turn. If the
// answer is lost or unusable, the same refresh token is sent once more: Kuna
// may not have acted. If that is lost too, the next turn logs in. A connection
// that breaks, a timeout and a bare 5xx of a gateway count as lost answers, so
// such an outage leads to logins. No other failure does, such as one to connect,
// a 5xx with Kuna's errors or a 503 with Retry-After. The old access token is
// used for as long as it is good, and the next try waits for a back-off.
//
// A login that is refused is not tried again at once either: no more than twice
// a minute, unless Config.Password returns another password.
//
// # Rejected tokens
//
// An answer whose errors name a TokenExpiredError, under any status, or a 401
// replaces the access token that was sent, if it is still the current one, and
// the call is made once more with the new token. A success that has data beside
// such errors may come of a call that was acted on: one that must not be made
// twice ends with it. An API key is never replaced, and nothing is replayed
// with one.
//
// A rejection may also be a mistake. Replacements are limited to five at once and
// then one per five seconds, and callers wait two seconds at most for one. Where
// no other token is to be had, the token stays in use, and its first rejection in
// a row has the call made once more with the same token. A rejection that stands
// for want of another token matches [providerauth.ErrContested] and is Retryable;
// [Client.HTTPClient] returns it as it is. A token is given up only if its
// replacement was refused for good and it was rejected five times in a row since.
//
// # Traps
//
// "expiresIn" is not a duration but the Unix time at which the token expires;
// it is checked against the token's own exp, and the earlier counts. Success
// may be 200 or 201, and statuses of errors are not documented: what counts is
// whether the answer holds "errors" or "data". The "message" of an error may be
// a text or an object. Only two codes are documented, UNAUTHORIZED and
// REFRESH_TOKEN_EXPIRED; the first alone does not say that a token has expired.
//
// The header merchant_id goes out on the two authentication calls and on no
// other, with its underscore. A proxy on the way may drop such a header: nginx
// does, unless underscores_in_headers is on.
//
// There are no idempotency keys. Calls that create or move something are
// therefore never repeated after an unclear outcome; their error is Ambiguous.
// A customer whose creation ended so is looked up by [Client.FindCustomers].
//
// Message-level encryption, which Kuna agrees on with some merchants, is not
// part of this package.
//
// Source: https://docs.kunacore.io/docs/authentication. Statements about other
// endpoints are from the pages beside it. Kuna publishes no base URL.
package merchantauth
