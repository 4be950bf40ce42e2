package seal_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/providerauth/providerauth-go/internal/seal"
)

const secret = "a secret of the operator, of some length"

func keys(t testing.TB, secrets ...string) *seal.Keys {
	t.Helper()
	k, err := seal.NewKeys(secrets)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func sealed(t testing.TB, k *seal.Keys, version byte, name, content string) []byte {
	t.Helper()
	value, err := k.Seal(version, name, []byte(content))
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// The values in testdata were made by another implementation, of Node's crypto
// module. Every release has to open them.
func TestOpen_vectors(t *testing.T) {
	raw, err := os.ReadFile("testdata/values.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []struct {
		Secret, Name, Content, Value string
		Version                      byte
	}
	if err := json.Unmarshal(raw, &vectors); err != nil || len(vectors) == 0 {
		t.Fatalf("%d vectors, %v", len(vectors), err)
	}
	for _, v := range vectors {
		value, err := hex.DecodeString(v.Value)
		if err != nil {
			t.Fatal(err)
		}
		content, version, err := keys(t, "another secret of thirty-two chars", v.Secret).Open(9, v.Name, value)
		if err != nil || string(content) != v.Content || version != v.Version {
			t.Errorf("%q: got %q, version %d, %v", v.Name, content, version, err)
		}
	}
}

func TestOpen(t *testing.T) {
	const name, content = "name", `{"g":1}`
	k := keys(t, secret)
	value := sealed(t, k, 1, name, content)
	t.Run("what was sealed", func(t *testing.T) {
		got, version, err := k.Open(1, name, value)
		if err != nil || string(got) != content || version != 1 {
			t.Errorf("got %q, version %d, %v", got, version, err)
		}
	})
	for what, tt := range map[string]struct {
		keys   *seal.Keys
		newest byte
		name   string
		value  []byte
	}{
		"under another name":    {k, 1, "nam", value},
		"with another secret":   {keys(t, secret+"!"), 1, name, value},
		"of a later version":    {k, 1, name, sealed(t, k, 2, name, content)},
		"of version 0":          {k, 1, name, sealed(t, k, 0, name, content)},
		"of a changed version":  {k, 2, name, append([]byte{2}, value[1:]...)},
		"cut off":               {k, 1, name, value[:len(value)-1]},
		"cut off in its header": {k, 1, name, value[:20]},
		"empty":                 {k, 1, name, nil},
	} {
		t.Run(what, func(t *testing.T) {
			if got, _, err := tt.keys.Open(tt.newest, tt.name, tt.value); !errors.Is(err, seal.ErrClosed) {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
	t.Run("with any bit flipped", func(t *testing.T) {
		for i := range value {
			flipped := bytes.Clone(value)
			flipped[i] ^= 1
			if got, _, err := k.Open(9, name, flipped); err == nil {
				t.Errorf("byte %d: got %q", i, got)
			}
		}
	})
}

func TestSeal(t *testing.T) {
	k := keys(t, secret)
	if bytes.Equal(sealed(t, k, 1, "n", "c"), sealed(t, k, 1, "n", "c")) {
		t.Error("two values of the same content are equal")
	}
	const content = "the token of a player"
	if value := sealed(t, k, 1, "n", content); bytes.Contains(value, []byte(content)) || bytes.Contains(value, []byte(secret)) {
		t.Error("the value shows its content or its secret")
	}
}

func TestKeys_rotation(t *testing.T) {
	const older, newer = "the older secret of the operator.", "the newer secret of the operator."
	first, second, third := keys(t, older, newer), keys(t, newer, older), keys(t, newer)
	for _, k := range []*seal.Keys{first, second} {
		for _, opens := range []*seal.Keys{first, second} {
			if _, _, err := opens.Open(1, "n", sealed(t, k, 1, "n", "c")); err != nil {
				t.Error(err)
			}
		}
	}
	if _, _, err := third.Open(1, "n", sealed(t, second, 1, "n", "c")); err != nil {
		t.Error(err)
	}
	if id := seal.IDOf(sealed(t, second, 1, "n", "c")); id != third.ID() {
		t.Errorf("the id of the secret is %s, want %s", id, third.ID())
	}
}

func TestKeys_Made(t *testing.T) {
	k := keys(t, secret, secret+"!")
	if !k.Made([]string{secret, secret + "!"}) || k.Made([]string{secret}) || k.Made([]string{secret + "!", secret}) {
		t.Error("the keys are not recognised")
	}
}

func TestKeys_Format(t *testing.T) {
	k := keys(t, secret)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		if s := fmt.Sprintf(verb, k); strings.Contains(s, "secret of") {
			t.Errorf("%s prints %s", verb, s)
		}
	}
}

func BenchmarkSeal(b *testing.B) {
	k := keys(b, secret)
	content := bytes.Repeat([]byte("x"), 500)
	b.ReportAllocs()
	for b.Loop() {
		_, _ = k.Seal(1, "AbCdEfGhIjKlMnOpQrStUvWx", content)
	}
}

func BenchmarkOpen(b *testing.B) {
	k := keys(b, secret)
	value := sealed(b, k, 1, "AbCdEfGhIjKlMnOpQrStUvWx", strings.Repeat("x", 500))
	b.ReportAllocs()
	for b.Loop() {
		_, _, _ = k.Open(1, "AbCdEfGhIjKlMnOpQrStUvWx", value)
	}
}
