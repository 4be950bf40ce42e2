package text_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unsafe"

	"github.com/providerauth/providerauth-go/internal/text"
)

func TestClip(t *testing.T) {
	for in, want := range map[string]string{"": "", "abc": "abc", "abcd": "abcd", "abcde": "abcd", "abc\u00e9": "abc"} {
		if got := text.Clip(in, 4); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	long := strings.Repeat("x", 1<<20)
	if got := text.Clip(long, 10); unsafe.StringData(got) == unsafe.StringData(long) {
		t.Error("the whole text is kept")
	}
}

func TestElements(t *testing.T) {
	list := func(n int) json.RawMessage {
		return json.RawMessage("[" + strings.TrimSuffix(strings.Repeat("1,", n), ",") + "]")
	}
	for raw, want := range map[string]string{
		"[]": "0 true", string(list(3)): "3 true", string(list(16)): "16 true", string(list(520_001)): "16 true",
		"": "0 false", "{}": "0 false", "1": "0 false", "null": "0 false", "[1,}": "0 false",
	} {
		got, ok := text.Elements(json.RawMessage(raw))
		if s := fmt.Sprint(len(got), " ", ok); s != want {
			t.Errorf("%.10s: %s, want %s", raw, s, want)
		}
	}
	allocs := testing.AllocsPerRun(10, func() { text.Elements(list(16)) })
	if more := testing.AllocsPerRun(10, func() { text.Elements(list(100_000)) }); more > allocs+10 {
		t.Errorf("%v allocations for a long list, %v for a short one", more, allocs)
	}
}

func TestMembers(t *testing.T) {
	object := func(n int) json.RawMessage {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `,"m%d":%d`, i, i)
		}
		return json.RawMessage("{" + strings.TrimPrefix(b.String(), ",") + "}")
	}
	for raw, want := range map[string]int{
		"{}": 0, string(object(3)): 3, string(object(20)): 16, "": 0, "[]": 0, "null": 0, `{"a":}`: 0,
	} {
		if got := text.Members(json.RawMessage(raw)); len(got) != want {
			t.Errorf("%.10s: %d, want %d", raw, len(got), want)
		}
	}
	for name := range text.Members(json.RawMessage(`{"` + strings.Repeat("n", 1000) + `":1}`)) {
		if len(name) != 128 {
			t.Errorf("a name of %d bytes", len(name))
		}
	}
}

func TestJSONTextTakesShortValuesOnly(t *testing.T) {
	for in, want := range map[string]string{
		`"a\u0062"`: "ab", `12`: "12", `true`: "true", `null`: "", `{"a":1}`: "", `[1]`: "", ``: "",
	} {
		if got := text.JSONText(json.RawMessage(in)); got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
}
