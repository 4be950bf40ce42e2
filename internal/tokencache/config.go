package tokencache

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/providerauth/providerauth-go/internal/credential"
)

// Issued is the result of a retrieval. A failed retrieval sets SecretVersion
// only.
type Issued[T any] struct {
	Token T
	ID    credential.ID
	// ExpiresAt is on this machine's clock: the time of receipt, with its monotonic
	// reading if it has any, and the life of the token from there.
	ExpiresAt time.Time
	// SecretVersion is the version of Config.Secret in the last attempt; 0 if the
	// retrieval did not use the secret.
	SecretVersion uint64
}

// An Ask is a request of a flight to its Retriever.
type Ask[K, S comparable, T any] struct {
	Key   K
	Scope S
	// Previous is the previous token, for its grant, also if the token itself was
	// invalidated. SingleUse only.
	Previous T
	// Rejected is the ID of the key's last token, if the flight replaces it after a
	// rejection. A retrieval with this token as its result declares it valid.
	Rejected credential.ID
}

// A Retriever gets tokens from the provider, or signs them. It is safe for
// concurrent use.
type Retriever[K, S comparable, T any] interface {
	// Retrieve makes a single attempt, caches nothing, and returns when ctx ends.
	// Its error tells the cache about the provider. If it matches
	// providerauth.ErrAmbiguous, the provider may have acted; if it matches ErrActed
	// too, the provider confirms it. Any other error is a refusal, which changed
	// nothing.
	Retrieve(ctx context.Context, ask Ask[K, S, T]) (Issued[T], error)
}

// ErrActed in an ambiguous error of a Retriever means: the provider has answered
// success in its own envelope, without a usable token. In Exclusive, the previous
// token is dead.
var ErrActed = errors.New("the provider has acted")

// ErrGrantRefused in the error of a renewal means: the provider refused it.
// The grant is dead for whatever reason, and the same flight goes on with
// Config.Retriever.
var ErrGrantRefused = errors.New("the provider refused to renew the token")

// Config of a Cache. K identifies a token. S is the scope for which a token was
// issued: a caller with another scope does not get it.
type Config[K, S comparable, T any] struct {
	// Mode has to be right: the cache cannot find it out.
	Mode Mode
	// Retriever is required.
	Retriever Retriever[K, S, T]
	// Renewer spends the grant in Ask.Previous. A flight tries it before
	// Retriever. SingleUse only.
	Renewer Retriever[K, S, T]
	// Renewable reports whether the token's grant can still be spent. SingleUse
	// only.
	Renewable func(T) bool
	// Local declares: a retrieval sends nothing. If the previous token is
	// invalidated during a retrieval, the flight repeats it: the data behind it may
	// be older than the rejection. Overlap only.
	Local bool
	// Serves reports whether a token of scope have serves a caller with scope want.
	// It is not called for equal scopes. Optional: only equal scopes serve.
	Serves func(have, want S) bool
	// Suspect returns the token with a mark: it may be dead. Exclusive only.
	Suspect func(T) T
	// Secret authenticates the retrievals. A change of it ends a back-off.
	// Optional.
	Secret *credential.Source
	// AttemptTimeout bounds an attempt. A flight may take two attempts and a
	// second, three in SingleUse.
	AttemptTimeout time.Duration
	// RefreshBefore is how long before its expiry a token is renewed, at most half
	// its life. Zero: a fraction of its life.
	RefreshBefore time.Duration
	// KeepWarm renews tokens without waiting for a caller.
	KeepWarm bool
	// MaxEntries bounds the number of keys with a token, and of keys with a
	// failure. Zero: there is a single key, and K should be struct{}.
	MaxEntries int
	// Shorten returns the error for callers within a back-off: at most 1 KiB.
	// Optional.
	Shorten func(error) error
	// Replacements limits the replacements of rejected tokens of all keys
	// together, in addition to the limit of each key. A token with five rejections
	// in a row does not count. Zero: no limit.
	Replacements Rate
	// Sharing shares the tokens with other processes. Optional. Not with Local.
	Sharing *Sharing[K, S, T]
	// Logger may be nil.
	Logger *slog.Logger
}
