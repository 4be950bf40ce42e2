// Package assetpay gets and uses the client tokens of AssetPay, a payment
// gateway for Steam items.
//
// Calls below /client are made as a user. Their token names the user's Steam ID and
// trade URL. The merchant exchanges its API key for a token (POST
// /auth/authenticate-client), or signs a token itself with its API secret, HS256.
// Either token lives 24 hours. Calls below /secure are made as the merchant, with
// the API key.
//
//	client, err := assetpay.New(assetpay.Config{
//		APIKey: providerauth.StaticSecret(os.Getenv("ASSETPAY_API_KEY")),
//	})
//	user := assetpay.User{
//		SteamID:  "76561198012345678",
//		TradeURL: "https://steamcommunity.com/tradeoffer/new/?partner=52079950&token=AbCdEfGh",
//	}
//	err = client.CallFor(ctx, user, "GET", "/client/inventory", nil, &inventory)
//
// # Calls
//
// [Client.Token] returns a user's token. The Client keeps a token per Steam ID and
// client id. It makes one exchange however many callers wait, and replaces the
// token before it expires. [Client.CallFor], [Client.HTTPClientFor] and
// [Client.TransportFor] make calls as a user, [Client.Call], [Client.HTTPClient]
// and [Client.Transport] as the merchant. No request has both credentials.
//
// The user's browser may have the token, but never the API key:
//
//	tok, err := client.Token(r.Context(), user)
//	...
//	json.NewEncoder(w).Encode(map[string]string{"token": tok.Value()})
//
// [Client.VerifyClientToken] checks a token presented by a browser.
//
// # Rejected tokens
//
// If AssetPay rejects the token with a 401, or with TOKEN_EXPIRED under another
// failing status, the Client replaces the token, unless
// it has been replaced already, and repeats the call once with the new token. A
// rejection may also be a mistake, so replacements are limited. The limit of a user
// is a burst of five, then one per five seconds. The limit of all users together,
// if tokens are exchanged, is a burst of ten, then one a minute, because an
// unverified merchant has 100 exchanges an hour. A token with five rejections in a
// row is exempt from this second limit.
//
// If no other token is available, the token stays in use, and its first rejection
// in a row sends the call once more with the same token. If the rejection stands
// because no other token is available, the error matches
// [providerauth.ErrContested] and is Retryable; [Client.HTTPClientFor] returns the
// response unchanged.
//
// # Client data
//
// [ClientData] describes a user to AssetPay and decides how much of an instant
// deposit AssetPay covers. Each exchange replaces the client data of the exchange
// before. Token therefore makes a new exchange when the client data differs from
// the data of the last exchange. [Client.TokenSourceFunc] asks for the current data
// each time.
//
// # Local minting
//
// With [MintLocal] tokens cost no request and no share of the rate limit: 100
// exchanges an hour for an unverified merchant, all users together. In return
// AssetPay does not check the user's data when the token is made.
//
// In FIPS 140-only mode (GODEBUG=fips140=only) the API secret needs at least 14
// bytes: crypto/hmac refuses shorter keys. [New] reports a shorter
// [providerauth.StaticSecret]. Any other shorter secret fails with
// [providerauth.ErrSecretUnavailable]. The API key may have any length.
//
// # Monitoring
//
// [Client.Stats] returns figures, and Config.OnAttempt is called after each HTTP
// request, for metrics and traces.
//
// # Traps
//
// AssetPay's page says 24 hours and shows a token of a year. The Client uses a
// token for 24 hours or until its own expiry, whichever is shorter.
//
// The pages print the header of client calls without "Bearer", AssetPay's OpenAPI
// document and SDK with it: see Config.BareToken.
//
// Error numbers differ between AssetPay's hosts, error keys do not: branch on
// Error.Key, or on the sentinels.
//
// AssetPay's webhooks are not part of this package. The older hosts at assetpay.co
// can be set as Config.BaseURL; they know only the first four fields of ClientData.
//
// Source: https://assetpay.gg/docs/api-reference/authentication/authenticate-client.
// Details missing there are from the pages beside it, and from the OpenAPI document
// in https://github.com/assetpaygg/assetpay-sdk.
package assetpay
