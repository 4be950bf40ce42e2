//go:build go1.27 && goexperiment.jsonv2

package klas

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzSplit holds the two decoders to the same members of every body.
func FuzzSplit(f *testing.F) {
	for _, s := range []string{
		`{}`, ` {"request_id" : "r" , "request_id":null}`, `{"timestamp":-0.1e+5,"status_code":[1, {"a" : 2}]}`, `{"a":1,"a":2,"\u0073tatus_code":3}`,
		`{"x":"\ud800","player_id":"\udfff","STATUS_CODE":1}`, `{"session_id":"a"} x`, `{"a":}`, `{"a":1,}`, "{\"\xff\":1}", `[{}]`, `null`, `{"a":01}`,
		`{"a":` + strings.Repeat("[", 10_001), "{\"a\":\"\n\"}", `{"a":1}{}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if !strings.HasPrefix(strings.TrimLeft(string(body), " \n\r\t"), "{") {
			return // decode asks neither
		}
		want, ok := splitMap(body)
		got, gotOK := split(body)
		if ok != gotOK {
			t.Fatalf("%q: split says %v, splitMap %v", body, gotOK, ok)
		}
		if !ok {
			return
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(members{})); diff != "" {
			t.Errorf("%q (-splitMap +split):\n%s", body, diff)
		}
	})
}

func BenchmarkSplit(b *testing.B) {
	body := []byte(`{"request_id":"1234-5678-90ab-cdef12345678","timestamp":1710000000,"session_id":"1234-5678-90ab-cdef12345678","player_id":"12001"}`)
	for name, f := range map[string]func([]byte) (members, bool){"splitMap": splitMap, "split": split} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, ok := f(body); !ok {
					b.Fatal("refused")
				}
			}
		})
	}
}
