// Package assetpay gets and uses the client tokens of AssetPay, a payment
// gateway for Steam items.
//
// Calls below /client are made as a user, with a token that names the user's
// Steam ID and trade URL. The merchant exchanges its API key for one (POST
// /auth/authenticate-client), or signs one itself with its API secret, HS256.
// Either lives 24 hours. Calls below /secure are made as the merchant, with the
// API key.
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
// [Client.Token] returns a user's token. One is kept per Steam ID and client
// id, exchanged by one request however many callers want it, and replaced
// before it expires. [Client.CallFor], [Client.HTTPClientFor] and
// [Client.TransportFor] make calls as a user, [Client.Call],
// [Client.HTTPClient] and [Client.Transport] as the merchant; no request has
// both credentials.
//
// A token may be handed to the user's browser, the API key may not:
//
//	tok, err := client.Token(r.Context(), user)
//	...
//	json.NewEncoder(w).Encode(map[string]string{"token": tok.Value()})
//
// [Client.VerifyClientToken] checks one that a browser presents to you.
//
// # Rejected tokens
//
// A 401 that is about the token replaces it, if it is still the current one,
// and the call is made once more with the new token. A 401 may also be a
// mistake. A user's replacements are limited to five at once and then one per
// five seconds; those of all users together, if they are exchanges, to ten at
// once and then one a minute, because an unverified merchant has 100 exchanges
// an hour. A token that was rejected five times in a row is replaced beyond
// that. Where no other token is to be had, the token stays in use, and its
// first rejection in a row has the call made once more with the same token. A
// rejection that stands for want of another token matches
// [providerauth.ErrContested] and is Retryable; [Client.HTTPClientFor] returns
// it as it is.
//
// # Client data
//
// What the merchant says of a user ([ClientData]) decides how much of an
// instant deposit AssetPay covers, and each exchange replaces what was said
// before. A request whose client data differs from that of the last exchange
// is therefore a new exchange. [Client.TokenSourceFunc] asks for the current
// data each time.
//
// # Local minting
//
// With [MintLocal] tokens cost no request and no share of the rate limit, which
// for unverified merchants is 100 exchanges an hour, all users together. In
// return AssetPay does not check the request when the token is made.
//
// In FIPS 140-only mode (GODEBUG=fips140=only) the API secret needs at least 14
// bytes: crypto/hmac refuses shorter keys. [New] reports a shorter [providerauth.StaticSecret],
// and any other shorter secret is [providerauth.ErrSecretUnavailable]. The API key may have any
// length.
//
// # Traps
//
// The page says 24 hours and shows a token of a year: the Client uses a token
// for the shorter of 24 hours and what it says itself. The pages print the
// header of client calls without "Bearer", AssetPay's OpenAPI document and SDK
// with it: see Config.BareToken. Numbers of errors differ between AssetPay's
// hosts, keys do not: branch on Error.Key, or on the sentinels. Its webhooks
// are not part of this package. The older hosts at assetpay.co can be set as
// Config.BaseURL; the first four fields of ClientData are all that they know.
//
// Source: https://assetpay.gg/docs/api-reference/authentication/authenticate-client.
// What that page leaves open is from the pages beside it, and from the OpenAPI
// document in https://github.com/assetpaygg/assetpay-sdk.
package assetpay
