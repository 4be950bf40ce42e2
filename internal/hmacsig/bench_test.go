package hmacsig_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"strings"
	"sync"
	"testing"

	"github.com/providerauth/providerauth-go/internal/hmacsig"
)

// floor is verification with a pool of hash states for one secret that never
// changes: no list, no rotation.
type floor struct{ p sync.Pool }

type floorState struct {
	h   hash.Hash
	sum [sha256.Size]byte
}

func newFloor(secret string) *floor {
	f := &floor{}
	f.p.New = func() any { return &floorState{h: hmac.New(sha256.New, []byte(secret))} }
	return f
}

func (f *floor) verify(body []byte, signature string) bool {
	if len(signature) != 2*sha256.Size {
		return false
	}
	var want [sha256.Size]byte
	var text [2 * sha256.Size]byte
	copy(text[:], signature)
	if _, err := hex.Decode(want[:], text[:]); err != nil {
		return false
	}
	s := f.p.Get().(*floorState)
	s.h.Reset()
	s.h.Write(body)
	ok := hmac.Equal(s.h.Sum(s.sum[:0]), want[:])
	f.p.Put(s)
	return ok
}

// plain is how most services write it.
func plain(secret string, body []byte, signature string) bool {
	h := hmac.New(sha256.New, []byte(secret))
	h.Write(body)
	want, err := hex.DecodeString(signature)
	return err == nil && hmac.Equal(h.Sum(nil), want)
}

// byHand is HMAC written out over sha256.Sum256: it needs neither a pool nor a
// kept key, but hashes the two blocks of the key every time, and is a copy of
// crypto/hmac to look after.
func byHand(secret string, body []byte, signature string) bool {
	const most = 512
	if len(signature) != 2*sha256.Size || len(body) > most || len(secret) > sha256.BlockSize {
		return false
	}
	var want [sha256.Size]byte
	var text [2 * sha256.Size]byte
	copy(text[:], signature)
	if _, err := hex.Decode(want[:], text[:]); err != nil {
		return false
	}
	var in [sha256.BlockSize + most]byte
	var out [sha256.BlockSize + sha256.Size]byte
	copy(in[:], secret)
	copy(out[:], secret)
	for i := range sha256.BlockSize {
		in[i] ^= 0x36
		out[i] ^= 0x5c
	}
	n := copy(in[sha256.BlockSize:], body)
	inner := sha256.Sum256(in[:sha256.BlockSize+n])
	copy(out[sha256.BlockSize:], inner[:])
	sum := sha256.Sum256(out[:])
	return hmac.Equal(sum[:], want[:])
}

func BenchmarkVerify(b *testing.B) {
	secret := strings.Repeat("0123456789abcdef", 2)
	for _, size := range []int{150, 4096} {
		body := bytes.Repeat([]byte("x"), size)
		sig := reference(secret, body)
		run := func(name string, verify func() bool) {
			b.Run(fmt.Sprintf("%dB/%s", size, name), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if !verify() {
						b.Fatal("refused")
					}
				}
			})
		}
		f := newFloor(secret)
		run("floor", func() bool { return f.verify(body, sig) })
		run("Verify", func() bool { return hmacsig.Verify(secret, body, sig) })
		var one, two hmacsig.Keys
		one.Use([]string{secret})
		two.Use([]string{"another", secret})
		run("Keys", func() bool { return one.Verify(body, sig) == 0 })
		run("Keys-two-secrets", func() bool { return two.Verify(body, sig) == 1 })
		flip := 0
		run("Verify-other-secret-each-time", func() bool {
			flip++
			return !hmacsig.Verify([2]string{"another", "third"}[flip&1], body, sig)
		})
		if size <= 512 {
			run("by-hand", func() bool { return byHand(secret, body, sig) })
		}
		run("plain", func() bool { return plain(secret, body, sig) })
	}
}

func BenchmarkVerifyParallel(b *testing.B) {
	secret := strings.Repeat("0123456789abcdef", 2)
	body := bytes.Repeat([]byte("x"), 150)
	sig := reference(secret, body)
	f := newFloor(secret)
	for name, verify := range map[string]func() bool{
		"floor":  func() bool { return f.verify(body, sig) },
		"Verify": func() bool { return hmacsig.Verify(secret, body, sig) },
		"plain":  func() bool { return plain(secret, body, sig) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if !verify() {
						panic("refused")
					}
				}
			})
		})
	}
}
