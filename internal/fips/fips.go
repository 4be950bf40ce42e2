// Package fips tells which inputs crypto refuses in FIPS 140-only mode
// (GODEBUG=fips140=only). Crypto panics on them, so find them before use.
//
// crypto/fips140 of Go 1.25 does not tell this mode from fips140=on, and the
// library reads no environment. So each function makes an attempt and recovers.
// The result is not kept: since Go 1.26 the mode can be lifted for a single
// goroutine, by crypto/fips140.WithoutEnforcement.
package fips

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha256"
)

// minHMACKey is 112 bits.
const minHMACKey = 14

// HMACKey returns the broken rule of an HMAC key in FIPS 140-only mode. It
// returns "" for a usable key, and outside this mode for every key.
func HMACKey(key string) (rule string) {
	if len(key) >= minHMACKey {
		return ""
	}
	defer func() {
		if recover() != nil {
			rule = "must have at least 14 bytes in FIPS 140-only mode"
		}
	}()
	hmac.New(sha256.New, []byte(key))
	return ""
}

// MD5 returns the rule against MD5 in FIPS 140-only mode. It returns "" outside
// this mode.
func MD5() (rule string) {
	defer func() {
		if recover() != nil {
			rule = "MD5 is not allowed in FIPS 140-only mode"
		}
	}()
	md5.Sum(nil)
	return ""
}
