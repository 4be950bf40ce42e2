package credential

import (
	"errors"
	"log/slog"
	"time"
)

// ErrMarshal is the error of a token's MarshalJSON: an error is better than a
// token marshalled silently without its value.
var ErrMarshal = errors.New("a token does not marshal; use Value")

// Text is the String of a provider's token: its ID and its expiry.
func Text(pkg string, s *Secret, expiresAt time.Time) string {
	return pkg + ".Token(id " + s.ID().String() + ", expires " + expiresAt.UTC().Format(time.RFC3339) + ")"
}

// LogValue is the LogValue of a provider's token.
func LogValue(s *Secret, expiresAt time.Time) slog.Value {
	return slog.GroupValue(slog.String("id", s.ID().String()), slog.Time("expires_at", expiresAt))
}
