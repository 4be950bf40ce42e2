// Package klas answers the webhooks of Klas Gaming to operators: it verifies
// the signature of the request, decodes it, calls the operator's code, and
// signs the answer.
//
// Here the provider calls, from the public internet, and no login stands in
// front of the webhooks: the handlers of this package are the boundary. They
// verify the signature before they look at any part of a body.
//
// # Use
//
// [New] takes the secrets, and [Webhook.AuthenticateHandler] makes the handler
// for POST {WEBHOOK_URL}/authenticate, where Klas asks whether a player may
// play, the currency and the balance. [Webhook.Middleware] does verification
// and signing for the other endpoints (/balance, /bet, /credit, /refund,
// /terminate), whose bodies are left to the operator.
//
//	mux.Handle("/klas/authenticate", hook.AuthenticateHandler(players))
//	mux.Handle("/klas/balance", hook.Middleware(balance))
//
// The patterns have no method: with a method, http.ServeMux would answer other
// methods itself. Nothing between Klas and the handler may change a body. In
// particular, no gateway may decode and encode the JSON.
//
// # Timeouts
//
// Every webhook is answered after Config.HandlerTimeout at the latest, whatever
// the body, the secrets, the ReplayGuard or the Authenticator do, behind every
// http.ResponseWriter. The operator's code runs on goroutines of its own, and
// only starts while its webhook is not answered. Code that ignores its context
// runs on, and [Webhook.Abandoned] counts it.
//
// Set these fields of the http.Server:
//
//	ReadHeaderTimeout, IdleTimeout  as for every server
//	ReadTimeout                     bounds a body that stalls. A ReadTimeout
//	                                shorter than HandlerTimeout stays in force.
//	WriteTimeout                    longer than HandlerTimeout, or the answer at
//	                                HandlerTimeout does not leave: Result.SendErr
//	ConnContext                     [ConnContext], if middleware wraps the
//	                                http.ResponseWriter without the method Unwrap
//
// The connection of a stalled body closes with the answer where the handler
// reaches the ResponseWriter of net/http, directly or through the method
// Unwrap. Elsewhere it closes soon after the answer if ConnContext is set.
//
// # Signatures
//
// X-Signature is the HMAC-SHA256 of the raw body, in lower-case hexadecimal,
// keyed with the text of the secret (Klas calls it SecretID), in both
// directions. During a rotation [providerauth.SecretsFunc] returns the new and
// the old secret. The handlers sign the answer with the secret that verified
// the request: until Klas has switched, it checks answers with the old secret.
//
// Requests and answers are signed alike, and a forged request is answered too,
// so anybody can get a signed answer and send it back as a request. Both
// handlers therefore accept a verified body only if it has a request_id and no
// status_code. Every answer has a status_code, and no documented webhook has.
// Middleware signs no answer that would be accepted as a webhook. This holds
// for the handlers only: if you sign answers with [Sign] yourself, or elsewhere
// under the same secret, give them a status_code too.
//
// Only the body is signed. A recorded webhook is good again, at any endpoint,
// unless Config.MaxAge or Config.ReplayGuard refuses it. Their comments state the
// price. With a [StoreGuard] several replicas share the webhooks that they have
// seen.
//
// In FIPS 140-only mode (GODEBUG=fips140=only) each secret needs at least 14
// bytes: crypto/hmac refuses shorter keys. [New] reports a shorter static
// secret. If a SecretsFunc returns a shorter secret, its whole list is
// unusable: the webhook is answered 500, and [Result].Err matches
// [providerauth.ErrSecretUnavailable].
//
// # Answers
//
// Every POST is answered with HTTP 200 and a signed body, as Klas prescribes for
// the failed signature and as this package does for the rest:
//
//	the request                                                 status_code
//	X-Signature missing, twice, malformed or wrong              ERR_INTEGRITY_CHECK_FAILED
//	body too long, cut off or too slow; the connection closes   ERR_INTEGRITY_CHECK_FAILED
//	no JSON object, two objects, a byte order mark, no UTF-8    ERR_INVALID_BODY
//	a status_code in any case, as in an answer that comes back  ERR_BAD_PARAMS
//	a field missing, empty, null or of another type             ERR_BAD_PARAMS
//	half a surrogate pair in an id                              ERR_BAD_PARAMS
//	older or newer than MaxAge, seen by ReplayGuard             ERR_BAD_PARAMS
//	the ReplayGuard's error, a Store that fails                 ERR_UNKNOWN
//	the operator's Refusal                                      its code, default ERR_BAD_PARAMS
//	the operator's error, panic, timeout or invalid answer      ERR_UNKNOWN
//	a player                                                    OK, with currency and balance
//
// Behind Middleware the required fields are request_id and, with MaxAge,
// timestamp; the operator reads the others.
//
// Other unknown fields are ignored, and so are fields with a name in another
// case. If a field comes twice, the last value counts. Two answers are
// unsigned: 405 to another method than POST, and 500 with an empty body if no
// secret is available. The 405 does not wait for a body, and over HTTP/1 closes
// the connection if there is a body.
//
// # Monitoring
//
// Nearly every answer is HTTP 200, so watch Config.OnResult. [Result].Err is
// the reason why this package did not answer OK. It matches
// [providerauth.ErrSecretUnavailable] or a sentinel of this list, unless the method
// was wrong or the operator's code refused:
//
//	ErrSignature   a forgery, or a secret that differs from Klas's
//	ErrBody        no webhook, cut off, too slow, or changed in front of the handler
//	ErrStale       further from now than MaxAge
//	ErrReplayed    seen by the ReplayGuard
//	ErrTimeout     the operator's code was late
//	ErrHandler     the operator's code or the ReplayGuard failed
//
// If the Store of a StoreGuard failed, Result.Err also matches
// [providerauth.ErrStoreUnavailable].
//
// Result.SendErr is the reason why the answer did not leave.
//
// # The timestamp
//
// Its unit is not documented for /authenticate. [Timestamp] keeps the number;
// [Timestamp.Time] reads large numbers as milliseconds and others as seconds.
//
// The tests of package klastest show whether an endpoint behaves as described
// here. Klas's pages: https://docs.klasbase.com/docs/feed-api/authenticate and
// https://docs.klasbase.com/docs/feed-api/hmac-message-integrity.
package klas
