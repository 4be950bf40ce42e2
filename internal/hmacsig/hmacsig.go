// Package hmacsig signs and verifies messages with HMAC-SHA256 in hexadecimal.
package hmacsig

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"slices"
	"sync"

	"github.com/providerauth/providerauth-go/internal/fips"
)

// Keys signs and verifies under a list of secrets. Keying a hash costs more
// than hashing a webhook, so Keys keeps the keyed states until it is given
// another list.
//
// Keys is not safe for concurrent use and is meant for a sync.Pool. The pool
// bounds the number of states and their life. A reused state gets the secrets
// of the moment. The second garbage collection drops an unused state, within
// minutes in an idle process. A table keyed by secret would have to be told
// when a secret is out of use.
//
// The zero Keys holds no secrets.
type Keys struct {
	secrets []string
	macs    []hash.Hash
	sum     [sha256.Size]byte
	text    [2 * sha256.Size]byte
}

// Holds reports whether the last list given to Use was equal to secrets.
func (k *Keys) Holds(secrets []string) bool {
	return len(k.secrets) > 0 && slices.Equal(k.secrets, secrets)
}

// Use makes secrets the list for signing and verification, in its order. None
// of them may be empty: anybody can sign with an empty key. None may break the
// rule of [fips.HMACKey]: crypto/hmac panics.
func (k *Keys) Use(secrets []string) {
	if k.Holds(secrets) {
		return
	}
	k.secrets = slices.Clone(secrets)
	k.macs = make([]hash.Hash, len(secrets))
	for i, s := range k.secrets {
		k.macs[i] = hmac.New(sha256.New, []byte(s))
	}
}

// Verify returns the index of the first secret for which signature, 64
// hexadecimal digits of either case, is the signature of body; -1 if there is
// none. Verify tries all secrets, and compares in constant time.
func (k *Keys) Verify(body []byte, signature string) int {
	var want [sha256.Size]byte
	if len(signature) != len(k.text) {
		return -1
	}
	copy(k.text[:], signature)
	if _, err := hex.Decode(want[:], k.text[:]); err != nil {
		return -1
	}
	found := -1
	for i := range k.macs {
		k.mac(i, body)
		if hmac.Equal(k.sum[:], want[:]) && found < 0 {
			found = i
		}
	}
	return found
}

// Sign returns the signature of body under the secret with the given index, in
// lower case.
func (k *Keys) Sign(index int, body []byte) string {
	k.mac(index, body)
	hex.Encode(k.text[:], k.sum[:])
	return string(k.text[:])
}

func (k *Keys) mac(index int, body []byte) {
	h := k.macs[index]
	h.Reset()
	h.Write(body)
	h.Sum(k.sum[:0])
}

var pool = sync.Pool{New: func() any { return new(Keys) }}

// Sign returns the signature of body under secret, in lower case. It is "" if
// secret is empty, or too short for FIPS 140-only mode.
func Sign(secret string, body []byte) string {
	k := keyed(secret)
	if k == nil {
		return ""
	}
	defer pool.Put(k)
	return k.Sign(0, body)
}

// Verify reports whether signature, 64 hexadecimal digits of either case, is
// the signature of body under secret. It is false if secret is empty, or too
// short for FIPS 140-only mode.
func Verify(secret string, body []byte, signature string) bool {
	k := keyed(secret)
	if k == nil {
		return false
	}
	defer pool.Put(k)
	return k.Verify(body, signature) == 0
}

// keyed returns Keys of the pool with this secret, or nil if nothing can be
// signed with it.
func keyed(secret string) *Keys {
	if secret == "" {
		return nil
	}
	k := pool.Get().(*Keys)
	one := [1]string{secret}
	if !k.Holds(one[:]) && fips.HMACKey(secret) != "" {
		pool.Put(k)
		return nil
	}
	k.Use(one[:])
	return k
}
