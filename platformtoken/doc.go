// Package platformtoken gets and uses the player tokens of the GameBox game
// platform, whose wallet calls are made as the player.
//
// The merchant asks for a player's token with a signed request (POST
// /auth/createToken), and sends it with every call that looks at the player's
// wallet or moves money. A new token kills the player's previous one at once.
// Requests of all kinds are signed.
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
// [Client.TransportFor] make any other call with a player's token,
// [Client.Call], [Client.HTTPClient] and [Client.Transport] calls that take
// none, and [Client.Token] returns the token itself.
//
// # Rotation
//
// One token is kept for each player, made by one request however many callers
// want it, and replaced shortly before it expires. There are never two requests
// for one player's token at once. As the new token kills the old one, callers
// wait while it is being made; calls that were on their way with the old one
// are refused, and made once more with the new token.
//
// An answer that says that a token is dead replaces the token that was sent, if
// it is still the current one: twenty calls that meet the same dead token cause
// one new token. Which answers say so is not published; see Config.Rejected.
//
// Such an answer may also be a mistake. Where no other token is to be had, the
// token stays in use, and its first rejection in a row has the call made once
// more with the same token. A rejection that stands for want of another token
// matches [providerauth.ErrContested] and is Retryable; [Client.HTTPClientFor] returns it as it
// is.
//
// So a call fails for want of a good token only if all of its tries were hit: by
// another system that made a token for the player, or by a request for a token
// that the Client had given up and the platform acted on late. Or if no new token
// was to be had.
//
// # Contests
//
// Two systems that make tokens for the same player kill each other's. The Client
// does not fight: replacements of rejected tokens are limited for each player to
// five at once and then one per five seconds, and where a replacement did not
// help, the player's calls to that path replace nothing for a second, doubling
// to 20. Meanwhile calls go out with the token that there is, and callers get the
// platform's answer, or an error that matches [providerauth.ErrContested] and says when to come
// back. Soon after the other system stops,
// all is well again. The same holds between processes: until they share their
// tokens, let one of them make the wallet calls of a player.
//
// # Money
//
// A [providerauth.Amount] is exact. The platform knows whose wallet is meant by the token
// alone. A [Client.Transfer] is not made again after an unclear result, and its
// error is Ambiguous: store the TxID first. A transfer that is accepted may
// still be pending.
//
// # Traps
//
// The signature is MD5 and covers neither the timestamp nor the path; see
// [Signer]. In FIPS 140-only mode (GODEBUG=fips140=only) MD5 is not allowed, and
// [New] reports a Config without a Signer.
//
// The pages say that a token lives 7 days and show one that lives 24 hours: the
// Client believes what comes with the token, and assumes 24 hours where nothing
// does. The members of a body have to come in the documented order. The platform
// may refuse inside HTTP status 200, and its error codes are not published, so
// branch on no code that you have not seen.
//
// Source: https://docs.gameboxsoft.com/en/012.html. What that page leaves open
// is from the pages beside it.
package platformtoken
