package klas_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/providerauth/providerauth-go/klas"
)

// The vectors were computed with Python and checked with OpenSSL, Node and Go;
// Klas publishes none. The key is test-secret throughout.

const (
	vectorA = "ewoicmVxdWVzdF9pZCI6ICIxMjM0LTU2NzgtOTBhYi1jZGVmMTIzNDU2NzgiLAoidGltZXN0YW1wIjogMTcxMDAwMDAwMCwKInNlc3Npb25faWQiOiAiMTIzNC01Njc4LTkwYWItY2RlZjEyMzQ1Njc4IiwKInBsYXllcl9pZCI6ICIxMjAwMSIKfQ=="
	vectorD = "ewoicmVxdWVzdF9pZCI6ICJiZjZiZmY3Yy03MDhjLTRkNmYtYTI1Yy0yOTEzNDk4ODAxMWEiLAoidGltZXN0YW1wIjogMTU4NjgyODYxNTM5OSwKInBsYXllcl9pZCI6ICIxMTAxIiwKImN1cnJlbmN5IjogIkVVUiIsCiJzZXNzaW9uX2lkIjogIjQ4MTE0MzAwMzY4NjcwNzIiCn0="
)

func decode(t *testing.T, s string) string {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// requestVectors are the bodies of one webhook in different bytes, each with
// its own signature.
func requestVectors(t *testing.T) map[string]struct {
	body, signature string
	length          int
} {
	a := decode(t, vectorA)
	indented := strings.ReplaceAll(a, "\n\"", "\n  \"")
	sorted := `{"player_id":"12001","request_id":"1234-5678-90ab-cdef12345678","session_id":"1234-5678-90ab-cdef12345678","timestamp":1710000000}`
	return map[string]struct {
		body, signature string
		length          int
	}{
		"A, the page's example":  {a, "dc9f7a514ed1c4d7314fab693bb7fee75db220bdb5fed8849350def019cfc154", 139},
		"B, compact":             {compact, "f7728afe453e7de16fbbf82bbe45876d4a9b77ce9f445b372b5764327681190a", 130},
		"A and a line feed":      {a + "\n", "0a19e6b3e24af2796e0937ed51bbe4c6ef200572811683048fdbc9ab5a2cb606", 140},
		"A with CRLF":            {strings.ReplaceAll(a, "\n", "\r\n"), "6f01f1c9350ed943ad91685c754ee40f8f8e574304d472483a76320b94d3c89a", 144},
		"A without line feeds":   {strings.ReplaceAll(a, "\n", ""), "c89bffb180f5af24c1251f4702d7e6cc48442889ff058ab2b6805c3f77f4f247", 134},
		"indented by two":        {indented, "689b4bca4ee330d2d77c76e3e832b5b9004d5a546d3ab248946c24a33f6f9029", 147},
		"B and a line feed":      {compact + "\n", "b733ce8807e855cea34c95d5af6cd535de9319ba3dd7005adcd3d84677ce9644", 131},
		"compact, sorted":        {sorted, "1147c0ca506ca0f77f0245a76e50673a32724cedd4279869fee56737cd5f46d5", 130},
		"D, the HMAC page's one": {decode(t, vectorD), "38814d745dc048650aafebb730d6bf6a577abb16a43b7bbd69ebdc09303cb864", 158},
	}
}

func TestVectorsOfRequests(t *testing.T) {
	h := newHook(t).AuthenticateHandler(accept(t))
	for name, v := range requestVectors(t) {
		t.Run(name, func(t *testing.T) {
			if len(v.body) != v.length {
				t.Fatalf("the body has %d bytes, want %d", len(v.body), v.length)
			}
			if got := klas.Sign(secret, []byte(v.body)); got != v.signature {
				t.Errorf("Sign gives %s, want %s", got, v.signature)
			}
			if !klas.Verify(secret, []byte(v.body), v.signature) {
				t.Error("Verify is false")
			}
			want(t, send(t, h, request(v.body, v.signature), secret), ok)
		})
	}
}

func TestVectorDigests(t *testing.T) {
	for _, v := range []struct{ body, want string }{
		{decode(t, vectorA), "3ee117d81251e3dcfdf63050c31ab0f0cf02cc5108e6cc293d24fe0d5b4f4dc9"},
		{compact, "401f3d33beb5771d508d1d630ffaceeab7d8d20157c89fec886c2d904f25f131"},
	} {
		if sum := sha256.Sum256([]byte(v.body)); hex.EncodeToString(sum[:]) != v.want {
			t.Errorf("the bytes of the vector are not those meant: %q", v.body)
		}
	}
}

func TestASignatureIsGoodForItsOwnBytesOnly(t *testing.T) {
	vectors := requestVectors(t)
	for of, v := range vectors {
		for with, other := range vectors {
			if got := klas.Verify(secret, []byte(v.body), other.signature); got != (of == with) {
				t.Errorf("body of %s with signature of %s: %v", of, with, got)
			}
		}
	}
}

func TestVectorOfTheEmptyBody(t *testing.T) {
	const signature = "a41bc6d81d6413576ae0994995e0ad89a416ec97389515c3604f47722122eeeb"
	if got := klas.Sign(secret, nil); got != signature {
		t.Errorf("Sign gives %s", got)
	}
	h := newHook(t).AuthenticateHandler(unreachable(t))
	want(t, send(t, h, request("", signature), secret), badBody)
}

func TestVectorsOfAnswers(t *testing.T) {
	for _, v := range []struct{ body, signature, withLF string }{
		{ok, "4c7c857863279eb1307e2e642d11c43ae6aa3e6d940460d4c35188676df3c20b", "bef2af54cdaa37b802a6e33263dfa9812c827c7add9c1bfed2b58566f6c11859"},
		{integrityFailed, "e329b4ccb8b5ff6bae9e3b3f413348b60edc628a6ece9950e0d656580369ab9f", "9a94da72500b8c4eb521a02a96fb3b781aab07013beb989880beb3430f742c86"},
		{badBody, "219d314537ecce6fe05912e104f1ec794e580d3efd91e4b326933e44f0e67878", "77e564350364173bae0261f5b5153b107365e98f27c84a13e972dac20f1406d8"},
		{badParams, "059976a4c2dd345dbd8cf9d50234ab75460e3c3eb55a2b9e5b9bc3913afeeac3", "a5d4a49944a2b85515b64d0de29f7f8d79ca5e9069d5b05fb0c60bc3b399ff37"},
		{unknown, "1885ff618a5e7f2898b3e2844221eab755c28d0cb6144994953cf63c5d5dcb42", "6e15d160210ac4faed82bedff3c9250abfedcd6983f7003415d32fe719f7f962"},
	} {
		if got := klas.Sign(secret, []byte(v.body)); got != v.signature {
			t.Errorf("%s: Sign gives %s, want %s", v.body, got, v.signature)
		}
		if !klas.Verify(secret, []byte(v.body+"\n"), v.withLF) {
			t.Errorf("%s and a line feed: not verified", v.body)
		}
	}
}

// TestVectorsOfAnswersAreWhatTheHandlerSends covers the other direction: the
// bytes and the signature that Klas gets.
func TestVectorsOfAnswersAreWhatTheHandlerSends(t *testing.T) {
	for _, v := range []struct {
		name, body, signature, want string
		auth                        klas.Authenticator
	}{
		{"OK", compact, sign(secret, compact), ok, accept(t)},
		{"wrong signature", compact, sign("other", compact), integrityFailed, unreachable(t)},
		{"not JSON", "x", sign(secret, "x"), badBody, unreachable(t)},
		{"empty object", "{}", sign(secret, "{}"), badParams, unreachable(t)},
		{"failure", compact, sign(secret, compact), unknown, fails(context.Canceled)},
	} {
		t.Run(v.name, func(t *testing.T) {
			h := newHook(t).AuthenticateHandler(v.auth)
			want(t, send(t, h, request(v.body, v.signature), secret), v.want)
		})
	}
}

func TestVectorDIsDecodedInFull(t *testing.T) {
	var got klas.AuthenticateRequest
	h := newHook(t).AuthenticateHandler(keeps(t, &got))
	want(t, post(t, h, decode(t, vectorD)), ok)
	expected := klas.AuthenticateRequest{
		RequestID: "bf6bff7c-708c-4d6f-a25c-29134988011a", Timestamp: 1586828615399,
		SessionID: "4811430036867072", PlayerID: "1101",
	}
	if diff := cmp.Diff(expected, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
