// Package seal encrypts values for a store that processes share. A value has a key
// of its own, made from a secret, its salt and its name: a value copied to another
// name does not open. The secrets may be rotated.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
)

// A sealed value consists of
//
//	1 byte    the version of its content, from 1
//	4 bytes   the id of the secret
//	16 bytes  the salt of its key
//	12 bytes  the nonce
//	n bytes   the content under AES-256-GCM
//	16 bytes  its tag
//
// The tag covers the version and the id too.
const (
	idSize   = 4
	saltAt   = 1 + idSize
	saltSize = 16
	bodyAt   = saltAt + saltSize
)

// ErrClosed means: no secret opens the value, or its version is not known here.
var ErrClosed = errors.New("the value cannot be opened")

// Keys seal and open values. They are immutable.
type Keys struct{ all []key }

type key struct {
	secret string
	id     [idSize]byte
}

// NewKeys returns the keys of the secrets. The first seals, and each opens. There is
// at least one secret.
func NewKeys(secrets []string) (*Keys, error) {
	k := &Keys{}
	for _, s := range secrets {
		id, err := hkdf.Key(sha256.New, []byte(s), nil, "providerauth key id", idSize)
		if err != nil {
			return nil, err
		}
		k.all = append(k.all, key{s, [idSize]byte(id)})
	}
	return k, nil
}

// Format prints no secret.
func (k *Keys) Format(s fmt.State, _ rune) { fmt.Fprintf(s, "%d keys", len(k.all)) }

// Made reports whether the keys are those of the secrets.
func (k *Keys) Made(secrets []string) bool {
	return slices.EqualFunc(k.all, secrets, func(k key, s string) bool { return k.secret == s })
}

// Seal returns the sealed content of a version for the name. Each call returns
// another value.
func (k *Keys) Seal(version byte, name string, content []byte) ([]byte, error) {
	first := &k.all[0]
	out := make([]byte, bodyAt, bodyAt+12+len(content)+16)
	out[0] = version
	copy(out[1:], first.id[:])
	_, _ = rand.Read(out[saltAt:bodyAt]) // never fails
	aead, err := first.aead(out[saltAt:bodyAt], name)
	if err != nil {
		return nil, err
	}
	return aead.Seal(out, nil, content, out[:saltAt]), nil
}

// Open returns the content of a value for the name, and the version of the content,
// which is at most newest. The error is ErrClosed.
func (k *Keys) Open(newest byte, name string, value []byte) (content []byte, version byte, _ error) {
	if len(value) < bodyAt || value[0] == 0 || value[0] > newest {
		return nil, 0, ErrClosed
	}
	for i := range k.all {
		if [idSize]byte(value[1:]) != k.all[i].id {
			continue
		}
		aead, err := k.all[i].aead(value[saltAt:bodyAt], name)
		if err != nil {
			return nil, 0, err
		}
		content, err := aead.Open(nil, nil, value[bodyAt:], value[:saltAt])
		if err == nil {
			return content, value[0], nil
		}
	}
	return nil, 0, ErrClosed
}

// ID returns the id of the first secret, for logs.
func (k *Keys) ID() string { return hex.EncodeToString(k.all[0].id[:]) }

// IDOf returns the id of the secret that a value was sealed with, for logs; "" if it
// is no sealed value.
func IDOf(value []byte) string {
	if len(value) < bodyAt {
		return ""
	}
	return hex.EncodeToString(value[1:saltAt])
}

// aead returns the cipher of a value. It makes the nonces by itself, as FIPS 140-only
// mode requires.
func (k *key) aead(salt []byte, name string) (cipher.AEAD, error) {
	own, err := hkdf.Key(sha256.New, []byte(k.secret), salt, "providerauth value "+name, 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(own)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}
