package testkit

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"

	providerauth "github.com/providerauth/providerauth-go"
)

// Shown returns v in every form of an operator's output: Printed, and as JSON.
// E is the error type of the package under test.
func Shown[E error](v any) string {
	var b bytes.Buffer
	b.WriteString(Printed[E](v))
	if anyVerb[E](v) {
		format(&b, "%p", v)
	}
	if _, ok := v.(error); !ok { // fmt cannot call methods there, and an error's Message is a public field
		for _, verb := range verbs[E](v) {
			fmt.Fprintf(&b, verb+"\n", struct{ v any }{v})
		}
	}
	slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "v", v, "nested", struct{ V any }{v})
	out, err := json.Marshal(map[string]any{"v": v})
	fmt.Fprint(&b, string(out), err)
	return b.String()
}

// Printed returns v as fmt, slog and a panic print it: for types that hide
// their values in print, but not in JSON. E is as in Shown.
func Printed[E error](v any) string {
	var b bytes.Buffer
	for _, verb := range verbs[E](v) {
		if verb != "%p" { // prints the fields of a non-pointer, and calls no method
			format(&b, verb, v)
		}
	}
	slog.New(slog.NewTextHandler(&b, nil)).Info("x", "v", v, "nested", struct{ V any }{v})
	slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "v", v)
	func() {
		defer func() { fmt.Fprint(&b, recover()) }()
		panic(v)
	}()
	return b.String()
}

func format(b *bytes.Buffer, verb string, v any) {
	fmt.Fprintf(b, verb+"\n", v)
	fmt.Fprintf(b, verb+"\n", []any{v})
	fmt.Fprintf(b, verb+"\n", struct{ V any }{v})
}

func verbs[E error](v any) []string {
	all := []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%T"}
	if anyVerb[E](v) {
		all = append(all, "%d", "%t", "%p", "%c", "%U", "%e")
	}
	return all
}

// anyVerb reports whether v hides its fields under every verb. Under an unfit
// verb, fmt prints the fields of a foreign error around an E, and then the
// fields of the E: Message is a public field.
func anyVerb[E error](v any) bool {
	err, ok := v.(error)
	if !ok || errors.Unwrap(err) == nil {
		return true
	}
	_, own := v.(E)
	return own
}

// Hiding has checks that fail the test if a value, an error or a text shows any of
// the Secrets. E is the error type of the package under test.
type Hiding[E error] struct {
	testing.TB
	Secrets []string
}

// Check fails the test if v shows a secret.
func (h Hiding[E]) Check(what string, v any) {
	h.Helper()
	h.CheckText(what, Shown[E](v))
}

// CheckError fails the test if err shows a secret, alone or in the error of an
// operator.
func (h Hiding[E]) CheckError(what string, err error) {
	h.Helper()
	h.Check(what, err)
	h.Check(what+", wrapped", fmt.Errorf("operator: %w", err))
	h.Check(what+", wrapped and joined", fmt.Errorf("operator: %w", errors.Join(err, err)))
}

// CheckText fails the test if the text shows a secret.
func (h Hiding[E]) CheckText(what, text string) {
	h.Helper()
	for _, s := range h.Secrets {
		if strings.Contains(text, s) {
			h.Errorf("%s shows %s", what, s)
		}
	}
}

// Sealed is the text of ErrSealed. Of the functions of BadSecrets, one returns
// ErrSealed and another panics with Sealed.
const Sealed = "sentinel-vault"

// ErrSealed is the error of a sealed vault.
var ErrSealed = errors.New(Sealed)

// BadSecrets returns functions without a usable secret. Among them is a
// function for the secret with a line end.
func BadSecrets(secret string) map[string]providerauth.SecretFunc {
	return map[string]providerauth.SecretFunc{
		"failing":   func(context.Context) (string, error) { return "", ErrSealed },
		"empty":     func(context.Context) (string, error) { return "", nil },
		"newline":   func(context.Context) (string, error) { return secret + "\n", nil },
		"panicking": func(context.Context) (string, error) { panic(Sealed) },
	}
}

// Log returns a logger of the levels above debug, and its text.
func Log() (*slog.Logger, *strings.Builder) { return logAt(slog.LevelInfo) }

// DebugLog returns a logger of all levels, and its text.
func DebugLog() (*slog.Logger, *strings.Builder) { return logAt(slog.LevelDebug) }

func logAt(level slog.Level) (*slog.Logger, *strings.Builder) {
	var text strings.Builder // guarded by the handler while it is written
	return slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{Level: level})), &text
}

// Leak returns the form of a secret shown in text, "" if text shows none.
func Leak(text string, secrets ...string) string {
	for _, s := range secrets {
		raw := []byte(s)
		for _, form := range []string{
			s, hex.EncodeToString(raw), strings.ToUpper(hex.EncodeToString(raw)),
			strings.TrimRight(base64.StdEncoding.EncodeToString(raw), "="), strings.Trim(fmt.Sprint(raw), "[]"),
		} {
			if strings.Contains(text, form) {
				return form
			}
		}
	}
	return ""
}

// Strings returns the strings within reach of reflection in v, in unexported
// fields too.
func Strings(v any) []string {
	var texts []string
	walk(reflect.ValueOf(v), &texts, 0)
	return texts
}

func walk(v reflect.Value, texts *[]string, depth int) {
	if depth > 20 { // v may hold a cycle
		return
	}
	switch v.Kind() {
	case reflect.String:
		*texts = append(*texts, v.String())
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			walk(v.Elem(), texts, depth+1)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			walk(v.Field(i), texts, depth+1)
		}
	case reflect.Slice, reflect.Array:
		if v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8 {
			*texts = append(*texts, string(v.Bytes()))
			return
		}
		for i := range v.Len() {
			walk(v.Index(i), texts, depth+1)
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			walk(k, texts, depth+1)
			walk(v.MapIndex(k), texts, depth+1)
		}
	}
}
