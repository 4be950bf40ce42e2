// Package partnerjwt signs and uses the tokens of PiTrade's Partner API.
//
// There is no token endpoint: the partner signs a JSON Web Token itself, HS256
// under the secret that came with the client identifier, and sends it as a
// Bearer token. It lives 15 minutes, a figure that the partner chooses. A 401
// means that a new one has to be signed.
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
// [Client.HTTPClient] and [Client.Transport] put a token on requests that are
// made by other means, and [Client.Token] returns the token itself. One token
// is signed at a time, shared by all callers, and replaced before it expires.
//
// # Rejected tokens
//
// A 401 replaces the token that was sent, if it is still the current one, and
// the call is made once more with the new token: twenty calls that meet the
// same dead token cause one new token. If the answer's Date shows that this
// machine's clock is off, the next token takes that into account. A 401 that a
// new token does not cure is handed to the caller.
//
// A 401 may also be a mistake. Replacements are limited to five at once and then
// one per five seconds. Where no other token is to be had, the token stays in use,
// and the first 401 in a row has its call made once more with the same token. A
// 401 that stands for want of another token matches [providerauth.ErrContested] and is
// Retryable; [Client.HTTPClient] returns it as it is.
//
// When the secret is rotated at PiTrade and in the place that Config.Secret
// reads, tokens of the old one are used until the first 401, which replaces
// them.
//
// In FIPS 140-only mode (GODEBUG=fips140=only) the secret needs at least 14
// bytes: crypto/hmac refuses shorter keys. [New] reports a shorter [providerauth.StaticSecret],
// and any other shorter secret is [providerauth.ErrSecretUnavailable].
//
// # Traps
//
// Nothing in the token says which user it is for, the API documents no errors,
// rate limits or idempotency keys, and it moves money. Calls with a method other
// than GET or HEAD are therefore never repeated after an unclear outcome; their
// error is Ambiguous. Look at what became of the call first.
//
// Source: https://support.pitrade.com/partner-apis/authentication. Statements
// about other endpoints are from the pages beside it.
package partnerjwt
