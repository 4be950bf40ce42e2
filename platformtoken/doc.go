// Package platformtoken obtains and uses the player tokens of the GameBox game
// platform. Wallet calls of that platform are made as the player.
//
// The merchant requests a player's token with a signed request (POST
// /auth/createToken), and sends the token with every call that reads the
// player's wallet or moves money. A new token invalidates the player's previous
// token at once. Requests of all kinds are signed.
//
//	client, err := platformtoken.New(platformtoken.Config{
//		BaseURL:  os.Getenv("GAMEBOX_BASE_URL"),
//		TenantID: 1,
//		Secret:   providerauth.StaticSecret(os.Getenv("GAMEBOX_SECRET")),
//	})
//	player := platformtoken.Player{UserID: "t1_225478", Currency: "BRL"}
//	balance, err := client.Balance(ctx, player)
//
// # Calls
//
// [Client.Balance], [Client.Transfer], [Client.TransferStatus] and
// [Client.EnterGame] are typed. [Client.CallFor], [Client.HTTPClientFor] and
// [Client.TransportFor] make any other call with a player's token.
// [Client.Call], [Client.HTTPClient] and [Client.Transport] make calls without
// a token. [Client.Token] returns the token itself.
//
// # Rotation
//
// The Client keeps a token for each player. All callers share the request for
// it, and the Client replaces the token shortly before it expires. There are
// never two requests for a player's token at once. The new token invalidates
// the old token, so callers wait while it is being made. The platform rejects
// calls in flight with the old token; the Client makes them once more with the
// new token.
//
// A rejection replaces the rejected token, if it is still the current token:
// twenty calls rejected with the same token cause a single new token. The
// platform does not publish which answers are rejections; see Config.Rejected.
//
// A rejection may also be a mistake. If no other token is available, the token
// stays in use, and the first rejection in a row repeats its call once with the
// same token. A rejection returned for want of another token matches
// [providerauth.ErrContested] and is Retryable; [Client.HTTPClientFor] returns
// the answer as it is.
//
// A call therefore fails for want of a valid token in two cases only. Either no
// new token was available, or all attempts of the call were hit: by another
// system making tokens for the player, or by a token request the Client had
// given up and the platform acted on late.
//
// # Contests
//
// Two systems making tokens for the same player invalidate each other's tokens.
// The Client does not fight. It replaces a player's rejected tokens at most
// five times at once and then once per five seconds. If a replacement did not
// help, the player's calls to that path replace nothing for a second, doubling
// to 20 s. Meanwhile calls use the current token, and callers get the
// platform's answer, or an error that matches [providerauth.ErrContested] and
// states the wait before the next call. Soon after the other system stops,
// calls succeed again. The same holds between processes without a common
// Config.Store.
//
// # Replicas
//
// Processes with the same Config.Store share their tokens: one creates a token,
// and the others use it. Its record holds the lease of the process that is
// creating the next token, the limiter of the player and the back-off, so all
// processes together behave as one. There is one creation per token, as long as
// the Store answers and no process is stopped for longer than a lease, which is
// AttemptTimeout and 2 s. If one is, at most two further creations follow.
//
// A fresh token does not touch the Store. While the Store fails, tokens in memory
// stay in use, and a call in need of a new token fails with
// [providerauth.ErrStoreUnavailable]; it is Retryable. A new token that cannot be
// saved is used, and saved later.
//
// # Money
//
// A [providerauth.Amount] is exact. The platform finds the wallet by the token
// alone. A [Client.Transfer] is not repeated after an ambiguous result, and its
// error is Ambiguous: store the TxID first. An accepted transfer may still be
// pending.
//
// # Monitoring
//
// [Client.Stats] returns figures, and Config.OnAttempt is called after each HTTP
// request, for metrics and traces.
//
// # Traps
//
// The signature is MD5 and covers neither the timestamp nor the path; see
// [Signer]. In FIPS 140-only mode (GODEBUG=fips140=only) MD5 is not allowed, and
// [New] reports a Config without a Signer.
//
// The platform's pages state a token life of 7 days and show a token of 24
// hours. The Client uses the expiry sent with the token, and assumes 24 hours
// without a usable expiry. The members of a body must come in the documented
// order. The platform may send a failure envelope under HTTP status 200. Its
// error codes are not published, so branch only on codes you have seen.
//
// Source: https://docs.gameboxsoft.com/en/012.html. Facts missing on that page
// are from the pages beside it.
package platformtoken
