package credential_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	providerauth "github.com/providerauth/providerauth-go"
	"github.com/providerauth/providerauth-go/internal/credential"
	"github.com/providerauth/providerauth-go/internal/testkit"
)

const sentinel = "sentinel-9f8e7d6c"

// token is what a provider package makes of a Secret.
type token struct {
	ExpiresAt time.Time
	secret    *credential.Secret
}

type holder struct {
	Token  token
	Secret *credential.Secret
	inner  token
	list   []token
	byName map[string]*credential.Secret
}

// leak returns the form in which text gives the sentinel away, "" for none.
func leak(text string) string { return testkit.Leak(text, sentinel) }

func TestLeakIsFoundInEveryForm(t *testing.T) {
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% X"} {
		text := strings.ReplaceAll(fmt.Sprintf(verb, struct{ s string }{sentinel}), " ", "")
		if leak(text) == "" {
			t.Errorf("%s of a plain string is not noticed: %s", verb, text)
		}
	}
	if leak(fmt.Sprintf("%d", []byte(sentinel))) == "" {
		t.Error("the bytes of a string, printed as numbers, are not noticed")
	}
}

func TestNoVerbPrintsASecret(t *testing.T) {
	s := credential.New(sentinel)
	tok := token{secret: s}
	h := holder{Token: tok, Secret: s, inner: tok, list: []token{tok}, byName: map[string]*credential.Secret{"a": s}}
	source := credential.NewSource("APIKey", providerauth.StaticSecret(sentinel))
	if _, err := source.Get(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, v := range map[string]any{
		"secret": s, "secret value": *s, "address of secret": &s,
		"token": tok, "address of token": &tok,
		"holder": h, "address of holder": &h, "slice": []any{tok, s}, "map": map[string]any{"t": tok},
		"error": fmt.Errorf("wrapped: %v", tok),
		"func":  providerauth.StaticSecret(sentinel), "source": source,
	} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%q", "%x", "%X", "%t", "%p", "%c", "%U", "%e"} {
			text := fmt.Sprintf(verb, v)
			if form := leak(text); form != "" {
				t.Errorf("%s of %s prints the secret as %s: %s", verb, name, form, text)
			}
		}
	}
}

// TestNoReflectionReachesASecret stands for the printers that follow every
// pointer into unexported fields.
func TestNoReflectionReachesASecret(t *testing.T) {
	s := credential.New(sentinel)
	texts := testkit.Strings(&holder{Token: token{secret: s}, list: []token{{secret: s}}})
	texts = append(texts, testkit.Strings(credential.NewSource("APIKey", providerauth.StaticSecret(sentinel)))...)
	if !slices.Contains(texts, "APIKey") {
		t.Fatalf("the walk does not reach unexported fields: %q", texts)
	}
	if form := leak(strings.Join(texts, " ")); form != "" {
		t.Errorf("the secret can be reached as %s: %q", form, texts)
	}
}

func TestNoEncoderPrintsASecret(t *testing.T) {
	s := credential.New(sentinel)
	tok := token{secret: s}
	h := holder{Token: tok, Secret: s, inner: tok}
	var log bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
		slog.New(handler).Error("x", "secret", s, "value", *s, "token", tok, "holder", h, "pointer", &h, slog.Group("g", "t", tok))
	}
	if !strings.Contains(log.String(), "holder") {
		t.Fatalf("nothing was logged: %s", log.String())
	}
	for _, v := range []any{s, *s, tok, h, []any{s}, map[string]any{"s": s}} {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		log.Write(b)
	}
	if form := leak(log.String()); form != "" {
		t.Errorf("the secret is in the output as %s:\n%s", form, log.String())
	}
}

func TestAPanicDoesNotPrintASecret(t *testing.T) {
	if os.Getenv("CREDENTIAL_TEST_PANIC") != "" {
		panic(token{secret: credential.New(sentinel)})
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestAPanicDoesNotPrintASecret$")
	cmd.Env = append(os.Environ(), "CREDENTIAL_TEST_PANIC=1", "GOTRACEBACK=all")
	out, err := cmd.CombinedOutput()
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || !bytes.Contains(out, []byte("panic: ")) {
		t.Fatalf("no panic: %v\n%s", err, out)
	}
	if form := leak(string(out)); form != "" {
		t.Errorf("the panic prints the secret as %s:\n%s", form, out)
	}
}

func TestSecretGivesItsValueOnlyWhenAsked(t *testing.T) {
	s := credential.New(sentinel)
	if got := s.Value(); got != sentinel {
		t.Errorf("Value = %q", got)
	}
	testkit.Equal(t, "Bearer", s.Bearer(), []string{"Bearer " + sentinel})
}

func TestIDIsTheFirstHalfOfSHA256(t *testing.T) {
	// The digest of "abc" as FIPS 180 prints it.
	if got, want := hex.EncodeToString(idBytes("abc")), "ba7816bf8f01cfea414140de5dae2223"; got != want {
		t.Errorf("ID = %s, want %s", got, want)
	}
	if got, want := credential.New("abc").ID().String(), "ba7816bf8f01"; got != want {
		t.Errorf("String = %s, want %s", got, want)
	}
}

func idBytes(value string) []byte {
	id := credential.New(value).ID()
	return id[:]
}

func TestEmptySecretsAreSafeToUse(t *testing.T) {
	if s := credential.New(""); s != nil {
		t.Errorf("New(\"\") = %v, want nil", s)
	}
	for name, s := range map[string]*credential.Secret{"nil": nil, "zero": {}} {
		if s.Value() != "" || s.Bearer() != nil || s.ID() != (credential.ID{}) || s.ID().String() != "" {
			t.Errorf("%s: %q, %q, %v", name, s.Value(), s.Bearer(), s.ID())
		}
	}
}

func TestAppendingToBearerLeavesItAlone(t *testing.T) {
	s := credential.New(sentinel)
	_ = append(s.Bearer(), "more")
	testkit.Equal(t, "header", s.Bearer(), []string{"Bearer " + sentinel})
}

func TestReadingASecretDoesNotAllocate(t *testing.T) {
	s := credential.New(sentinel)
	n := testing.AllocsPerRun(100, func() {
		if s.Value() == "" || len(s.Bearer()) != 1 || s.ID() == (credential.ID{}) {
			t.Fail()
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}
