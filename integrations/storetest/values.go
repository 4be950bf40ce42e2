package storetest

import (
	"bytes"
	"crypto/rand"
	"fmt"
)

var valueRules = []rule{
	{"Load of a key without a value returns nil", func(c *check) {
		c.load(c.stores[0], c.key(), nil, "Load of a key that was never used")
	}},
	{"Swap with a nil prev makes next the value of a key without one", func(c *check) {
		k, first := c.key(), c.value("next")
		if c.put(swap{key: k, next: first}) {
			c.load(c.stores[0], k, first, "Load after it")
		}
	}},
	{"Swap with a nil prev leaves a value as it is, and returns it", func(c *check) {
		k, first := c.key(), c.value("the value")
		if c.put(swap{key: k, next: first}) && c.swap(swap{key: k, next: c.value("next")}, first, "Swap from nil") {
			c.load(c.stores[0], k, first, "Load after it")
		}
	}},
	{"Swap with a prev leaves a key without a value as it is, and returns nil", func(c *check) {
		k := c.key()
		if c.swap(swap{key: k, prev: c.value("prev"), next: c.value("next")}, nil, "Swap of a key that was never used") {
			c.load(c.stores[0], k, nil, "Load after it")
		}
	}},
	{"Swap makes next the value if the value is prev", func(c *check) {
		k, first, second := c.key(), c.value("prev"), c.value("next")
		if c.put(swap{key: k, next: first}) && c.put(swap{key: k, prev: first, next: second}) {
			c.load(c.stores[0], k, second, "Load after it")
		}
	}},
	{"Swap compares all bytes of prev", comparesBytes},
	{"Swap that is repeated returns next", func(c *check) {
		k, first, second := c.key(), c.value("next"), c.value("the second next")
		x, y := swap{key: k, next: first}, swap{key: k, prev: first, next: second}
		if c.put(x) && c.swap(x, first, "the same Swap from nil again") &&
			c.put(y) && c.swap(y, second, "the same Swap from a value again") {
			c.load(c.stores[0], k, second, "Load after it")
		}
	}},
	{"Load returns the value of the last Swap", func(c *check) {
		// Loads between the swaps fill a cache, if there is one.
		k, before := c.key(), []byte(nil)
		for i := range 20 {
			next := c.value(fmt.Sprintf("value %d", i+1))
			writer := i % len(c.stores)
			got, err := c.do(c.stores[writer], swap{key: k, prev: before, next: next})
			if !c.expect(next, fmt.Sprintf("Swap %d, by handle %d", i+1, writer), got, err) {
				return
			}
			for reader, s := range c.stores {
				if !c.load(s, k, next, fmt.Sprintf("Load by handle %d after Swap %d by handle %d", reader, i+1, writer)) {
					return
				}
			}
			before = next
		}
	}},
	{"a value may be any bytes", func(c *check) {
		large := make([]byte, 64<<10)
		_, _ = rand.Read(large) // never fails
		all := make([]byte, 256)
		for i := range all {
			all[i] = byte(i)
		}
		for what, v := range map[string][]byte{
			"a zero": {0}, "no UTF-8": {0xff, 0xfe, 0}, "a line end": []byte("\r\n$-1\r\n"), "a quote": []byte(`'; --"`),
			"spaces": []byte("  "), "a digit": []byte("1"), "an OK": []byte("OK"), "each byte": all, "64 KiB": large,
		} {
			k := c.key()
			c.named(what, v)
			if c.put(swap{key: k, next: v}) && c.load(c.stores[0], k, v, "Load of "+what) {
				c.put(swap{key: k, prev: v, next: c.value("a value after " + what)})
			}
		}
	}},
	{"keys that differ in one character have values of their own", func(c *check) {
		base, values := c.key(), map[string][]byte{}
		for _, end := range []string{"", "a", "aa", "ab", "aA", "Aa", "a-", "a_"} {
			k := base + end
			values[k] = c.value("the value of ..." + end)
			if !c.put(swap{key: k, next: values[k]}) {
				return
			}
		}
		for k, v := range values {
			c.load(c.stores[0], k, v, "Load after Swaps of all keys")
		}
	}},
	{"a value does not change with the slices of callers", func(c *check) {
		k, mine := c.key(), c.value("next")
		keep := c.named("the value", bytes.Clone(mine))
		returned, err := c.do(c.stores[0], swap{key: k, next: mine})
		if !c.expect(keep, "Swap", returned, err) {
			return
		}
		mine[0]++
		if !c.load(c.stores[0], k, keep, "Load after the caller changed next") {
			return
		}
		loaded, err := c.stores[0].Load(c.ctx, k)
		if !c.expect(keep, "Load", loaded, err) {
			return
		}
		loaded[0]++
		if !c.load(c.stores[0], k, keep, "Load after the caller changed the result of Load") {
			return
		}
		told, err := c.do(c.stores[0], swap{key: k, next: c.value("another next")})
		if c.expect(keep, "Swap from nil", told, err) {
			told[0]++
			c.load(c.stores[0], k, keep, "Load after the caller changed the result of Swap")
		}
	}},
}

func comparesBytes(c *check) {
	value := c.value("the value")
	changed := func(i int) []byte {
		b := bytes.Clone(value)
		b[i] ^= 0x20
		return b
	}
	text := func(s string) []byte { return c.named("the text "+s, []byte(s)) }
	for _, x := range []struct {
		what        string
		value, prev []byte
	}{
		{"another prev", value, c.value("prev")},
		{"a prev with another first byte", value, changed(0)},
		{"a prev with another last byte", value, changed(len(value) - 1)},
		{"a shorter prev", value, value[:len(value)-1]},
		{"a longer prev", value, append(bytes.Clone(value), 0)},
		{"a prev in lower case", text("ABC"), []byte("abc")},
		{"a prev with a space at the end", text("abc"), []byte("abc ")},
		{"a prev with a zero at the end", text("abcd"), []byte("abcd\x00")},
		{"an equal number as prev", text("1"), []byte("1.0")},
		{"an empty prev that is not nil", value, []byte{}},
	} {
		k := c.key()
		if !c.put(swap{key: k, next: x.value}) {
			return
		}
		if c.swap(swap{key: k, prev: x.prev, next: c.value("next")}, x.value, "Swap with "+x.what) {
			c.load(c.stores[0], k, x.value, "Load after a Swap with "+x.what)
		}
	}
}
