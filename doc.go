// Package providerauth is the shared vocabulary of the provider packages: the
// meaning of an error, secrets, exact amounts, and the figures of a client. It
// makes no requests. A program imports it beside the packages of its providers.
//
// # The packages
//
//   - partnerjwt: PiTrade's Partner API. The client signs tokens of 15 minutes.
//   - assetpay: AssetPay. A client token per user, for the API key or minted
//     with the API secret.
//   - merchantauth: Kuna Core. Login, refresh tokens, or an API key.
//   - platformtoken: the GameBox platform. Player tokens; a new token kills the
//     previous token.
//   - klas: Klas Gaming. Handlers for the webhooks that Klas sends.
//
// Each of the first four has a Config, a New that reports every problem of it,
// a Client for all goroutines, typed calls, Call for the other endpoints, and
// Transport or HTTPClient for code with requests of its own. Each package has a
// simulator beside it, such as assetpay/assetpaytest.
//
// # Secrets
//
// Config takes a [SecretFunc]: a rotated secret takes effect without a restart.
// [StaticSecret] is a constant, [FileSecret] a mounted file, [CachedSecret]
// stands before a vault.
//
// # Replicas
//
// Processes with the same [Store] in Config share their tokens. Package
// integrations/redisstore keeps them in Redis, encrypted, and
// integrations/storetest tries a Store of your own.
//
// # Errors
//
// The *Error of the four packages implements [Error]. Ask Retryable first, then
// Ambiguous:
//
//	var e providerauth.Error
//	if errors.As(err, &e) {
//		switch after, ok := e.Retryable(); {
//		case ok:
//			// The same call may succeed after that time, and can do no harm.
//		case e.Ambiguous():
//			// The provider may have acted. Look before you call again.
//		}
//	}
//
// The sentinels of this package, such as [ErrRateLimited], match the errors of
// every provider. The comment of each provider's Error says when.
//
// # Monitoring
//
// Stats of each client returns [Stats]. Config.OnAttempt of each package is called
// with an [Attempt] after each HTTP request. Its [Outcome] is a word from a short
// list, for the label of a metric.
package providerauth
