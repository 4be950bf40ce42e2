// Package providerauthprom has Prometheus metrics for the clients and webhooks of
// providerauth. Its name differs from the directory's, because a program that
// imports it also imports the package prometheus of client_golang.
//
//	import providerauthprom "github.com/providerauth/providerauth-go/integrations/prometheus"
//
// Register each of the three collectors once, by the registry's method Register,
// which returns an error where MustRegister panics. A second collector of the same
// kind needs prometheus.WrapRegistererWith and a label of its own.
//
//   - [Collector] exports the Stats of any number of clients.
//   - [Attempts] counts and times HTTP requests, by Config.OnAttempt. One serves all
//     clients.
//   - [Webhooks] counts and times webhooks, by the OnResult of klas.Config. Klas
//     answers nearly every webhook with HTTP 200, so metrics of the HTTP server show
//     no failure.
//
// # Labels
//
// The number of series is bounded: no label holds an id or a path of a request.
//
//   - client: a name that the program gives to [NewCollector].
//   - provider, op and outcome: fields of [providerauth.Attempt]. A request of
//     Call has op "Call", whatever its path.
//   - code: a status_code of package klas or of [WebhookOptions], "none" for an answer
//     without status_code, "other" for the rest.
//   - path: a path of [WebhookOptions], "other" for the rest.
//   - sent: whether the answer left, "true" or "false".
//
// # Alerts
//
// A client has no token and waits before it asks again:
//
//	providerauth_tokens == 0 and providerauth_backoff_until_timestamp_seconds > time()
//
// Webhooks fail:
//
//	sum by (code) (rate(providerauth_webhook_results_total{code!="OK"}[5m])) > 0
//	sum(rate(providerauth_webhook_results_total{sent="false"}[5m])) > 0
package providerauthprom
