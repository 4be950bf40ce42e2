// Package partnerjwt signs and uses the tokens of PiTrade's Partner API.
//
// There is no token endpoint. The partner signs a JSON Web Token itself, HS256
// under the secret issued with the client identifier, and sends it as a Bearer
// token. It lives 15 minutes by default; the partner chooses its life. After a
// 401 a new token has to be signed.
//
//	client, err := partnerjwt.New(partnerjwt.Config{
//		ClientID: "client-1",
//		Secret:   providerauth.StaticSecret(os.Getenv("PITRADE_SECRET")),
//		BaseURL:  os.Getenv("PITRADE_BASE_URL"),
//	})
//
// # Calls
//
// [Client.Portfolio] is typed. [Client.Call] makes any other call,
// [Client.HTTPClient] and [Client.Transport] put a token on requests made by
// other means, and [Client.Token] returns the token itself. All callers share a
// single token, which is replaced before it expires.
//
// # Rejected tokens
//
// A 401 replaces the rejected token, if it is still the current token, and the
// call is made once more with the new token: twenty calls rejected with the
// same token cause a single new token. If the Date of the answer shows a wrong
// clock of this machine, the next token takes the difference into account. If a
// new token does not cure the 401, the caller gets the 401.
//
// A 401 may also be a mistake. Replacements are limited to five at once and
// then one per five seconds. If no other token is available, the token stays in
// use, and the first 401 in a row has its call made once more with the same
// token. A 401 returned for want of another token matches
// [providerauth.ErrContested] and is Retryable; [Client.HTTPClient] returns the
// answer as it is.
//
// When the secret is rotated at PiTrade and behind Config.Secret, tokens of the
// old secret are used until the first 401, which replaces them.
//
// In FIPS 140-only mode (GODEBUG=fips140=only) the secret needs at least 14
// bytes: crypto/hmac refuses shorter keys. [New] reports a shorter [providerauth.StaticSecret],
// and any other shorter secret is [providerauth.ErrSecretUnavailable].
//
// # Monitoring
//
// [Client.Stats] returns figures, and Config.OnAttempt is called after each HTTP
// request, for metrics and traces. [Client.Ready] is for a readiness probe.
//
// # Traps
//
// The token does not name a user, the API documents no errors, rate limits or
// idempotency keys, and it moves money. Calls with a method other than GET or
// HEAD are therefore never repeated after an ambiguous outcome. Their error is
// Ambiguous. Find out first whether the call took effect.
//
// Source: https://support.pitrade.com/partner-apis/authentication. Statements
// about other endpoints are from the pages beside it.
package partnerjwt
