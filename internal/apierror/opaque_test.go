package apierror_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/apierror"
)

// leaky is an error with a secret in its text and in an exported field.
type leaky struct{ Secret string }

func (l *leaky) Error() string { return l.Secret }

func TestOpaque_printsNoCause(t *testing.T) {
	cause := &leaky{"s3cr3t"}
	opaque := &apierror.Opaque{Text: "it failed", Cause: cause}
	for what, v := range map[string]any{
		"opaque": opaque, "value": *opaque, "error": &apierror.Error{Err: opaque, Body: []byte("s3cr3t")},
		"not sent": apierror.NotSent(opaque), "joined": errors.Join(opaque, opaque),
	} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%t"} {
			if out := fmt.Sprintf(verb, v); strings.Contains(out, "s3cr3t") || strings.Contains(out, "733363723374") {
				t.Errorf("%s under %s: %s", what, verb, out)
			}
		}
		out, err := json.Marshal(v)
		if err != nil || strings.Contains(string(out), "s3cr3t") {
			t.Errorf("%s as JSON: %s, %v", what, out, err)
		}
	}
	var found *leaky
	if !errors.As(opaque, &found) || !errors.Is(opaque, cause) {
		t.Error("the cause cannot be asked for")
	}
}

func TestOpaque_hidesTheAmbiguityOfItsCause(t *testing.T) {
	err := &apierror.Opaque{Text: "x", Cause: &apierror.Error{Kind: providerauth.ErrClosed, Ambiguous: true}}
	if errors.Is(err, providerauth.ErrAmbiguous) || !errors.Is(err, providerauth.ErrClosed) {
		t.Error("it is ambiguous, or not what it is")
	}
}

func TestNotSent_isANetErrorThatSaysWhatItIs(t *testing.T) {
	for _, temporary := range []bool{false, true} {
		err := apierror.NotSent(&apierror.Error{Err: errors.New("x"), Ambiguous: temporary})
		var n interface { // net.Error, whose Temporary is deprecated
			error
			Timeout() bool
			Temporary() bool
		}
		if !errors.As(err, &n) || n.Temporary() != temporary {
			t.Errorf("temporary %v: %v", temporary, n)
		}
	}
}
