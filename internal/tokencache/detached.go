package tokencache

import (
	"context"
	"reflect"
)

// detached has the values of a caller's context for the flight that the caller
// started: its trace and log attributes. It hides the hooks of
// net/http/httptrace, which the flight would call after the caller has gone.
type detached struct{ context.Context }

func (d detached) Value(key any) any {
	if key == nil {
		return nil
	}
	switch reflect.TypeOf(key).PkgPath() {
	case "net/http/httptrace", "internal/nettrace":
		return nil
	}
	return d.Context.Value(key)
}
