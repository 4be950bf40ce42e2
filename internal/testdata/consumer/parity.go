package consumer

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/assetpay"
	"github.com/providerauth/providerauth-go/assetpay/assetpaytest"
	"github.com/providerauth/providerauth-go/klas"
	"github.com/providerauth/providerauth-go/merchantauth"
	"github.com/providerauth/providerauth-go/merchantauth/merchantauthtest"
	"github.com/providerauth/providerauth-go/partnerjwt"
	"github.com/providerauth/providerauth-go/partnerjwt/partnerjwttest"
	"github.com/providerauth/providerauth-go/platformtoken"
	"github.com/providerauth/providerauth-go/platformtoken/platformtokentest"
)

// A line for each package.
var (
	_ = credentials(partnerjwt.NewToken, partnerjwt.TokenSource.Token)
	_ = credentials(assetpay.NewToken, assetpay.TokenSource.Token)
	_ = credentials(session, merchantauth.TokenSource.Token)
	_ = credentials(platformtoken.NewToken, platformtoken.TokenSource.Token)

	_ = clients(partnerjwt.New, partnerjwttest.NewServer, (*partnerjwt.Error)(nil))
	_ = clients(assetpay.New, assetpaytest.NewServer, (*assetpay.Error)(nil))
	_ = clients(merchantauth.New, merchantauthtest.NewServer, (*merchantauth.Error)(nil))
	_ = clients(platformtoken.New, platformtokentest.NewServer, (*platformtoken.Error)(nil))
)

// A line for each package with calls.
var (
	_ providerauth.Error = (*assetpay.Error)(nil)
	_ providerauth.Error = (*merchantauth.Error)(nil)
	_ providerauth.Error = (*partnerjwt.Error)(nil)
	_ providerauth.Error = (*platformtoken.Error)(nil)
)

// A line for each package with a single token per client.
var (
	_ partnerjwt.TokenSource   = (*partnerjwt.Client)(nil)
	_ merchantauth.TokenSource = (*merchantauth.Client)(nil)
)

// A line for each package with tokens of users.
var (
	_ users[assetpay.User, assetpay.Token, assetpay.TokenSource]                  = (*assetpay.Client)(nil)
	_ users[platformtoken.Player, platformtoken.Token, platformtoken.TokenSource] = (*platformtoken.Client)(nil)
)

// klas is called: its error is not the error of a call, and it has no client.
var _ interface {
	error
	Is(target error) bool
	Unwrap() error
} = (*klas.Error)(nil)

// session is merchantauth.NewToken for tokens without a refresh.
func session(value string, expiresAt time.Time) merchantauth.Token {
	return merchantauth.NewToken(value, "", expiresAt, time.Time{})
}

type token interface {
	comparable
	Value() string
	ID() string
	SetAuthHeader(r *http.Request)
	String() string
	LogValue() slog.Value
	MarshalJSON() ([]byte, error)
}

// credentials holds a package to the functions for its credentials.
func credentials[T token, S any](
	newToken func(value string, expiresAt time.Time) T,
	get func(source S, ctx context.Context) (T, error),
) struct{} {
	return struct{}{}
}

type client[T token] interface {
	Invalidate(t T) bool
	Transport(base http.RoundTripper) http.RoundTripper
	HTTPClient() *http.Client
	Call(ctx context.Context, method, path string, in, out any) error
	Stats() providerauth.Stats
	Close() error
}

type failure interface {
	error
	Is(target error) bool
	Unwrap() error
	Retryable() (after time.Duration, ok bool)
	Ambiguous() bool
	Body() string
}

type server[Config any] interface {
	URL() string
	Client() *http.Client
	Config() Config
	Close()

	FailNext(n, status int, header http.Header, only ...func(*http.Request) bool)
	LoseAnswers(n int, only ...func(*http.Request) bool)
	ActLate(n int, d time.Duration, only ...func(*http.Request) bool)
	Truncate(n int, only ...func(*http.Request) bool)
	Reset(n int, only ...func(*http.Request) bool)
	FaultsLeft() int
	Stall(n int, only ...func(*http.Request) bool)
	Stream(n int, events <-chan string, header http.Header, only ...func(*http.Request) bool)
	ByteOrderMark(n int, only ...func(*http.Request) bool)
	ClearFaults()
	Delay(d time.Duration, only ...func(*http.Request) bool)
	SetClockOffset(d time.Duration)
	SetDateOffset(d time.Duration)
	SetAge(d time.Duration)
	Intercept(wrap func(next http.Handler) http.Handler)
	Requests() []*http.Request
	Count(path string) int
}

// config prints a configuration without its secrets.
type config interface {
	slog.LogValuer
	fmt.Formatter
}

// clients holds a package to the common parts of its client, its simulator and
// its error.
func clients[C client[T], T token, Config config, Server server[Config], Options any, Error failure](
	open func(Config) (C, error),
	simulator func(Options) Server,
	err Error,
) struct{} {
	return struct{}{}
}

// users is the additional part of a client whose tokens belong to users.
type users[Who any, T token, Source any] interface {
	Token(ctx context.Context, who Who) (T, error)
	TokenSource(who Who) Source
	TransportFor(who Who, base http.RoundTripper) http.RoundTripper
	HTTPClientFor(who Who) *http.Client
	CallFor(ctx context.Context, who Who, method, path string, in, out any) error
}
