package consumer

import (
	"reflect"
	"testing"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/assetpay"
	"github.com/providerauth/providerauth-go/merchantauth"
	"github.com/providerauth/providerauth-go/partnerjwt"
	"github.com/providerauth/providerauth-go/platformtoken"
)

// packages has one entry for each package.
var packages = map[string]struct {
	sentinels sentinels
	err       reflect.Type
	config    reflect.Type
}{
	"assetpay": {
		sentinels{providerauth.ErrUnauthorized, providerauth.ErrRateLimited, providerauth.ErrInvalidRequest, providerauth.ErrBadResponse, providerauth.ErrAmbiguous, providerauth.ErrNotSent, providerauth.ErrSecretUnavailable, providerauth.ErrContested, providerauth.ErrClosed},
		reflect.TypeFor[assetpay.Error](), reflect.TypeFor[assetpay.Config](),
	},
	"merchantauth": {
		sentinels{providerauth.ErrUnauthorized, providerauth.ErrRateLimited, providerauth.ErrInvalidRequest, providerauth.ErrBadResponse, providerauth.ErrAmbiguous, providerauth.ErrNotSent, providerauth.ErrSecretUnavailable, providerauth.ErrContested, providerauth.ErrClosed},
		reflect.TypeFor[merchantauth.Error](), reflect.TypeFor[merchantauth.Config](),
	},
	"platformtoken": {
		sentinels{providerauth.ErrUnauthorized, providerauth.ErrRateLimited, providerauth.ErrInvalidRequest, providerauth.ErrBadResponse, providerauth.ErrAmbiguous, providerauth.ErrNotSent, providerauth.ErrSecretUnavailable, providerauth.ErrContested, providerauth.ErrClosed},
		reflect.TypeFor[platformtoken.Error](), reflect.TypeFor[platformtoken.Config](),
	},
	"partnerjwt": {
		sentinels{providerauth.ErrUnauthorized, providerauth.ErrRateLimited, providerauth.ErrInvalidRequest, providerauth.ErrBadResponse, providerauth.ErrAmbiguous, providerauth.ErrNotSent, providerauth.ErrSecretUnavailable, providerauth.ErrContested, providerauth.ErrClosed},
		reflect.TypeFor[partnerjwt.Error](), reflect.TypeFor[partnerjwt.Config](),
	},
}

// The fields of sentinels are exported so that fmt prints the errors' text.
type sentinels struct {
	Unauthorized, RateLimited, InvalidRequest, BadResponse, Ambiguous, NotSent, SecretUnavailable, Contested, Closed error
}

func TestSentinelsAreTheSameValuesInEveryPackage(t *testing.T) {
	for name, p := range packages {
		if want := packages["partnerjwt"].sentinels; p.sentinels != want {
			t.Errorf("%s: got %+v, want %+v", name, p.sentinels, want)
		}
	}
}

func TestErrorsHaveTheSameFieldsInEveryPackage(t *testing.T) {
	want := map[string]reflect.Type{
		"Op":         reflect.TypeFor[string](),
		"StatusCode": reflect.TypeFor[int](),
		"Message":    reflect.TypeFor[string](),
		"Fields":     reflect.TypeFor[map[string]string](),
		"RequestID":  reflect.TypeFor[string](),
		"Attempts":   reflect.TypeFor[int](),
		"RetryAfter": reflect.TypeFor[time.Duration](),
		"Err":        reflect.TypeFor[error](),
	}
	for name, p := range packages {
		for field, typ := range want {
			if got, ok := p.err.FieldByName(field); !ok || got.Type != typ {
				t.Errorf("%s.Error.%s: got %v, want %v", name, field, got.Type, typ)
			}
		}
		if _, ok := p.err.FieldByName("Code"); !ok { // of the provider's own type
			t.Errorf("%s.Error has no Code", name)
		}
	}
}

func TestConfigFieldsOfOneNameHaveOneType(t *testing.T) {
	common := []string{"BaseURL", "HTTPClient", "Logger", "OnAttempt", "AttemptTimeout", "MaxAttempts", "MaxResponseBytes", "RefreshBefore", "KeepWarm"}
	seen := map[string]reflect.StructField{}
	for name, p := range packages {
		for _, field := range reflect.VisibleFields(p.config) {
			if first, ok := seen[field.Name]; ok && first.Type != field.Type {
				t.Errorf("%s.Config.%s: got %v, elsewhere %v", name, field.Name, field.Type, first.Type)
			}
			seen[field.Name] = field
		}
		for _, field := range common {
			if _, ok := p.config.FieldByName(field); !ok {
				t.Errorf("%s.Config has no %s", name, field)
			}
		}
	}
}
