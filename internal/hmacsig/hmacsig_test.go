package hmacsig_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/providerauth/providerauth-go/internal/hmacsig"
	"github.com/providerauth/providerauth-go/internal/testkit"
)

func reference(secret string, body []byte) string {
	h := hmac.New(sha256.New, []byte(secret))
	h.Write(body)
	return hex.EncodeToString(h.Sum(nil))
}

func TestSignGivesTheVectorsOfRFC4231(t *testing.T) {
	for _, v := range []struct{ name, key, data, want string }{
		{
			"1", strings.Repeat("\x0b", 20), "Hi There",
			"b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
		},
		{
			"2", "Jefe", "what do ya want for nothing?",
			"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
		},
		{
			"6: a key longer than a block", strings.Repeat("\xaa", 131), "Test Using Larger Than Block-Size Key - Hash Key First",
			"60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
		},
	} {
		if got := hmacsig.Sign(v.key, []byte(v.data)); got != v.want {
			t.Errorf("%s: %s, want %s", v.name, got, v.want)
		}
		if !hmacsig.Verify(v.key, []byte(v.data), v.want) {
			t.Errorf("%s: not verified", v.name)
		}
	}
}

func TestSignAgreesWithCryptoHMACForEveryLength(t *testing.T) {
	for key := 1; key < 140; key += 13 {
		secret := strings.Repeat("k", key)
		for n := range 300 {
			body := []byte(strings.Repeat("m", n))
			want := reference(secret, body)
			if got := hmacsig.Sign(secret, body); got != want {
				t.Fatalf("key of %d, body of %d: %s, want %s", key, n, got, want)
			}
			if !hmacsig.Verify(secret, body, want) || hmacsig.Verify(secret, append(body, 'm'), want) {
				t.Fatalf("key of %d, body of %d: verification is wrong", key, n)
			}
		}
	}
}

func TestVerifyTakesEitherCaseAndNothingElse(t *testing.T) {
	body := []byte("body")
	good := reference("secret", body)
	flipped := func(i int) string {
		b := []byte(good)
		if b[i]++; b[i] == '9'+1 || b[i] == 'f'+1 {
			b[i] = '0'
		}
		return string(b)
	}
	for _, c := range []struct {
		name, signature string
		want            bool
	}{
		{"lower case", good, true},
		{"upper case", strings.ToUpper(good), true},
		{"mixed case", good[:32] + strings.ToUpper(good[32:]), true},
		{"first digit changed", flipped(0), false},
		{"last digit changed", flipped(63), false},
		{"empty", "", false},
		{"one digit short", good[:63], false},
		{"one digit long", good + "0", false},
		{"half of it", good[:32], false},
		{"not hexadecimal", "g" + good[1:], false},
		{"white space inside", good[:31] + " " + good[32:], false},
		{"prefixed", "sha256=" + good, false},
		{"zero", strings.Repeat("0", 64), false},
	} {
		if got := hmacsig.Verify("secret", body, c.signature); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestAnEmptySecretNeitherSignsNorVerifies(t *testing.T) {
	if got := hmacsig.Sign("", []byte("body")); got != "" {
		t.Errorf("signature %q under no secret", got)
	}
	if hmacsig.Verify("", []byte("body"), reference("", []byte("body"))) {
		t.Error("a signature under the empty key is accepted")
	}
}

func TestEverySecretOfTheListVerifies(t *testing.T) {
	body := []byte("body")
	var k hmacsig.Keys
	secrets := []string{"current", "previous", "oldest", "previous"}
	k.Use(secrets)
	for s, want := range map[string]int{"current": 0, "previous": 1, "oldest": 2, "other": -1} {
		if got := k.Verify(body, reference(s, body)); got != want {
			t.Errorf("%s: index %d, want %d", s, got, want)
		}
	}
	for i, s := range secrets {
		if got, want := k.Sign(i, body), reference(s, body); got != want {
			t.Errorf("signed with %s: %s, want %s", s, got, want)
		}
	}
}

func TestNoSecretsVerifyNothing(t *testing.T) {
	var k hmacsig.Keys
	if k.Holds(nil) {
		t.Error("the zero Keys says that it can be used")
	}
	if got := k.Verify([]byte("body"), reference("", []byte("body"))); got != -1 {
		t.Errorf("index %d", got)
	}
}

func TestAnotherListTakesEffectAtOnce(t *testing.T) {
	body := []byte("body")
	var k hmacsig.Keys
	for _, secrets := range [][]string{{"a"}, {"b", "a"}, {"b"}, {"a", "b"}, {"c"}} {
		k.Use(secrets)
		if !k.Holds(secrets) {
			t.Errorf("%v: not held", secrets)
		}
		for _, s := range []string{"a", "b", "c"} {
			want := -1
			for i, have := range secrets {
				if have == s {
					want = i
				}
			}
			if got := k.Verify(body, reference(s, body)); got != want {
				t.Errorf("%v: %s has index %d, want %d", secrets, s, got, want)
			}
		}
	}
}

func TestTheListIsCopied(t *testing.T) {
	body := []byte("body")
	var k hmacsig.Keys
	secrets := []string{"a"}
	k.Use(secrets)
	secrets[0] = "b"
	if k.Holds(secrets) || k.Verify(body, reference("a", body)) != 0 {
		t.Error("a change to the caller's slice changed the keys")
	}
}

func TestConcurrentUseOfManySecrets(t *testing.T) {
	testkit.Crowd(8, func(g int) {
		for i := range 200 {
			secret, body := fmt.Sprint("secret", (g+i)%3), fmt.Append(nil, "body", i)
			sig := hmacsig.Sign(secret, body)
			if sig != reference(secret, body) || !hmacsig.Verify(secret, body, sig) || hmacsig.Verify("other", body, sig) {
				t.Errorf("wrong for %s", secret)
			}
		}
	})
}

func TestASecretThatIsOutOfUseIsForgotten(t *testing.T) {
	gone := make(chan struct{})
	func() {
		text := []byte(strings.Repeat("rotated out ", 8))
		runtime.AddCleanup(&text[0], func(c chan struct{}) { close(c) }, gone)
		hmacsig.Sign(unsafe.String(&text[0], len(text)), []byte("body"))
	}()
	deadline := time.After(10 * time.Second)
	for {
		runtime.GC()
		select {
		case <-gone:
			return
		case <-deadline:
			t.Fatal("the secret is still referenced")
		default:
		}
	}
}

func TestVerificationDoesNotAllocate(t *testing.T) {
	body := []byte("body")
	var k hmacsig.Keys
	k.Use([]string{"a", "b"})
	sig := reference("b", body)
	if n := testing.AllocsPerRun(100, func() {
		if k.Verify(body, sig) != 1 {
			t.Fail()
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
